"""Predict damaged recordings and account for every one.

    python tests/robustness/fuzz.py --data RAVDESS --n 2000 --seed 0

Prints how many were predicted, failed, crashed their worker or overran their
time, by kind of damage; ends with status 1 if the run itself crashed, or a file
is neither predicted nor among the failures.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from make_damaged import make, seeds_in

#: How the text of a failure tells that the reader did not survive.
ENDS = {"crashed": "the process that read it", "overran": "and was stopped"}


def small_model(folder: Path, corpus: Path | None = None, *more: str) -> Path:
    """Train both modalities for an epoch on a synthetic corpus: enough to predict at all."""
    from multimodal_ser.datasets import synthetic

    if corpus is None:
        corpus = folder / "corpus"
        synthetic.make_corpus(corpus, actors=4, seed=0, progress=False)
    words = ["train", corpus, "--output", folder / "model", "--preset", "aei2019", *more]
    words += ["--epochs", "1", "--inner-folds", "2"]
    done = command(*words, "--no-cache", "--quiet")
    if done.returncode:
        raise SystemExit(f"no model could be trained: {done.stderr}")
    return folder / "model"


def command(*words) -> subprocess.CompletedProcess:
    """Run ``multimodal-ser`` as a user does."""
    line = [sys.executable, "-m", "multimodal_ser", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, errors="replace")


def predict(sources, model: Path, folder: Path, *more) -> tuple[int, pd.DataFrame, pd.DataFrame]:
    """Predict sources with the command; return its status, predictions and failures."""
    tables = folder / "predictions.csv", folder / "failures.csv"
    for table in tables:
        table.unlink(missing_ok=True)
    done = command("predict", *sources, "--model", model, "--output", tables[0],
                   "--failures", tables[1], "--quiet", *more)  # fmt: skip
    if done.returncode not in (0, 1) or not all(table.exists() for table in tables):
        raise SystemExit(f"the run ended with status {done.returncode}:\n{done.stderr[-4000:]}")
    return done.returncode, *(pd.read_csv(table) for table in tables)


def account(paths, predictions: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    """Return one row per file: how it was damaged, and what became of it."""
    predicted = set(predictions["path"])
    errors = failures.groupby("path")["error"].agg(" | ".join)
    rows = []
    for path in map(str, paths):
        error = errors.get(path, "")
        fates = [name for name, words in ENDS.items() if words in error]
        fates = fates or ["predicted"] * (path in predicted) or ["failed"] * bool(error) or ["lost"]
        rows.append({"path": path, "kind": Path(path).stem[5:], "fate": fates[0], "error": error})
    return pd.DataFrame(rows)


def main() -> int:
    """Make, predict and account for damaged files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder with wav, flac or mp4 files")
    parser.add_argument("--model", type=Path, help="(default: trained on a synthetic corpus)")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout-seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--keep", type=Path, help="keep files and tables in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        model = options.model or small_model(folder)
        paths = make(seeds_in(options.data), folder / "damaged", options.n, options.seed)
        start = time.monotonic()
        status, *tables = predict([folder / "damaged"], model, folder, "--no-cache", "--workers",
                                  options.workers, "--timeout-seconds",
                                  options.timeout_seconds)  # fmt: skip
        seconds = time.monotonic() - start
    table = account(paths, *tables)
    print(pd.crosstab(table["kind"], table["fate"], margins=True).to_string())
    print(f"{len(table)} files in {seconds:.0f} s with {options.workers} worker(s); ", end="")
    print(f"status {status}; slow or dead readers:")
    for row in table[table["fate"].isin(ENDS)].itertuples():
        print(f"  {row.error}")
    lost = int((table["fate"] == "lost").sum())
    print(f"{lost} file(s) neither predicted nor among the failures")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
