"""Without the libraries of the extras every verb works, or says which extra it needs."""

import json
import re
import subprocess
import sys

import pytest

from multimodal_ser.cli import main
from multimodal_ser.plugins import EXTRAS

#: verb -> its words, and the extra that it must name; None: it must work. FOLDER and OUT are
#: put in. Later ones read what earlier ones wrote.
CASES = {
    "index": ("index FOLDER --output OUT/clips.csv", None),
    "validate": ("validate FOLDER", None),
    "extract": ("extract FOLDER --features functionals --video none --output OUT/f.csv", None),
    "extract a set of librosa's": (
        "extract FOLDER --features mfcc_chroma_mel --video none --output OUT/g.csv",
        "train",
    ),
    "extract on a cluster": (
        "extract FOLDER --features mfcc_rms --video none --scheduler tcp://127.0.0.1:1",
        "cluster",
    ),
    "extract a set of openSMILE's": (
        "extract FOLDER --features egemaps --video none --output OUT/g.csv",
        "opensmile",
    ),
    "predict": ("predict WAV MP4 --timeline --output OUT/p.csv --report OUT/p.html", None),
    "predict a workbook": ("predict WAV --output OUT/p.xlsx", None),
    "predict Parquet": ("predict WAV --output OUT/p.parquet", "parquet"),
    "evaluate": ("evaluate FOLDER --output OUT/scores.csv", None),
    "evaluate into a run": ("evaluate FOLDER --run OUT/evaluated", "parquet"),
    "report on a run": ("report RUN --output OUT/r.html", "parquet"),
    "train scikit-learn's": (
        "train FOLDER --audio functionals:svc --video none --inner-folds 2 --output OUT/model",
        None,
    ),
    "predict with it": ("predict WAV --model OUT/model --output OUT/q.csv", None),
    "train a network": ("train FOLDER --audio log_mel:logmel_crnn --output OUT/n", "train"),
    "train on frames": ("train FOLDER --audio none --video fer_resnet --output OUT/n", "train"),
    "train XGBoost": (
        "train FOLDER --audio functionals:xgboost --video none --output OUT/n",
        "train",
    ),
    "train LightGBM": (
        "train FOLDER --audio functionals:lightgbm --video none --output OUT/n",
        "train",
    ),
    "search with Optuna": (
        "train FOLDER --audio functionals:svc --video none --search 2 --search-method optuna "
        "--output OUT/n",
        "search",
    ),
    "benchmark": (
        "benchmark FOLDER --audio functionals:svc --video none --protocol actors",
        None,
    ),
    "benchmark a run": (
        "benchmark FOLDER --audio functionals:svc --video none --protocol actors --run OUT/run",
        "parquet",
    ),
    "demo": ("demo --output OUT/demo", "train"),
}

#: Stands for a light installation: no finder finds these.
SCRIPT = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.abc import MetaPathFinder

class NotInstalled(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

if __name__ == "__main__":
    missing, cases = json.load(sys.stdin)
    sys.meta_path.insert(0, NotInstalled())
    from multimodal_ser.cli import main
    told = {}
    for name, words in cases.items():
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
            try:
                status = main(words)
            except SystemExit as error:
                status = error.code
            except BaseException as error:
                status = repr(error)
        told[name] = [status, said.getvalue()]
    json.dump(told, sys.stdout)
"""


@pytest.fixture(scope="module")
def told(corpus, tmp_path_factory):
    """What each verb ends with, and says, where no extra is installed."""
    out = tmp_path_factory.mktemp("light")
    (out / "light.py").write_text(SCRIPT)
    wav, mp4 = next(corpus.rglob("03*.wav")), next(corpus.rglob("01*.mp4"))
    words = "--audio mfcc_rms:svc --video none --protocol actors --inner-folds 0 --run"
    assert main(["benchmark", str(corpus), *words.split(), str(out / "whole")]) == 0
    given = {"FOLDER": corpus, "OUT": out, "WAV": wav, "MP4": mp4, "RUN": out / "whole"}
    cases = {
        name: [re.sub("|".join(given), lambda found: str(given[found[0]]), word)
               for word in words.split()]
        for name, (words, _) in CASES.items()
    }  # fmt: skip
    run = subprocess.run(
        [sys.executable, out / "light.py"],
        input=json.dumps([list(EXTRAS), cases]),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("name", CASES)
def test_a_verb_works_or_names_the_extra(told, name):
    status, said = told[name]
    extra = CASES[name][1]
    if extra is None:
        # 1: the synthetic corpus is not all of RAVDESS, and that is told.
        assert status == (1 if name == "validate" else 0), said
    else:
        assert status == 2, said
        assert f"pip install 'multimodal-ser[{extra}]'" in said
        assert "Traceback" not in said
