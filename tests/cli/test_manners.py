"""How the command behaves: suggestions, quiet, spreadsheets, python -m."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.cli import _native_output, main
from multimodal_ser.cli.parser import build
from multimodal_ser.errors import UnknownName
from multimodal_ser.tables import io as tableio


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["tran", "x"], "train"),
        (["index", "x", "--dataset", "ravdes"], "ravdess"),
        (["predict", "x", "--modle", "m"], "--model"),
        (["train", "x", "--output", "m", "--labels", "emotion8"], "emotions8"),
    ],
)
def test_a_wrong_word_gets_the_one_that_was_meant(words, meant, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


def test_an_option_of_other_verbs_is_not_offered_as_this_ones(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["predict", "x", "--crop", "frame"])
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert "did you mean" not in said and "train" in said.rpartition("--crop is")[2]


def test_a_wrong_name_of_a_plug_in_gets_the_one_that_was_meant():
    assert "'logistic_regression'?" in str(
        UnknownName("classifier", "logistic_regresion", ("svc", "logistic_regression"))
    )
    assert "did you mean" not in str(UnknownName("classifier", "zzz", ("svc",)))


def test_python_m_is_the_command():
    words = [sys.executable, "-m", "multimodal_ser", "--version"]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    assert found.stdout.startswith("multimodal-ser ")


QUIET = """
import os, sys
from multimodal_ser.cli import _native_output
class Options: quiet = {quiet}
with _native_output(Options):
    os.write(2, b"from a compiled library")
    print("from Python", file=sys.stderr)
print("afterwards", file=sys.stderr)
os.write(2, b"native again")
"""


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_silences_compiled_libraries_and_not_python(quiet):
    words = [sys.executable, "-c", QUIET.format(quiet=quiet)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    assert ("compiled library" in said) is not quiet
    assert all(part in said for part in ("from Python", "afterwards", "native again"))


def test_quiet_leaves_descriptors_as_they_were():
    options = build().parse_args(["train", "x", "--output", "m", "--quiet"])
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(3):
        with _native_output(options):
            pass
    after = len(os.listdir("/proc/self/fd")) if before else 0
    assert before == after


def test_csv_for_excel_is_the_same_table(tmp_path):
    table = pd.DataFrame(
        {
            "clip": ["NA", "=1+1", "1.5", "ä;b"],
            "emotion": ["sad", "0.5", None, "x,y"],
            "confidence": [1 / 3, 0.5, np.nan, 1e-9],
            "frame": pd.array([20, None, 40, 60], dtype="Int64"),
        }
    )
    tableio.write(table, tmp_path / "e.csv", excel=True)
    tableio.write(table, tmp_path / "p.csv")
    text = (tmp_path / "e.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbfclip;emotion;confidence;frame")
    assert b";0,3333" in text and b";20\n" in text
    pd.testing.assert_frame_equal(
        tableio.read(tmp_path / "e.csv"), tableio.read(tmp_path / "p.csv")
    )


def test_the_command_writes_csv_for_excel(corpus, tmp_path):
    words = ["index", str(corpus), "--output"]
    assert main([*words, str(tmp_path / "p.csv")]) == 0
    assert main([*words, str(tmp_path / "e.csv"), "--csv-for", "excel"]) == 0
    assert (tmp_path / "e.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    plain, excel = (tableio.read_clips(tmp_path / f"{name}.csv") for name in "pe")
    pd.testing.assert_frame_equal(plain, excel)
