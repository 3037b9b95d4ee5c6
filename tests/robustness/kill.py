"""Kill a batch at random moments, resume it, and compare the tables.

    python tests/robustness/kill.py --data RAVDESS/Actor_05 --n 20 --seed 0

Every time a fresh batch is killed with SIGKILL at a random moment of its
course and run again to its end. Ends with status 1 unless every table has the
bytes of an uninterrupted batch's, and the store no damaged entry.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from fuzz import small_model

BATCH = Path(__file__).resolve().parents[2] / "pipelines" / "batch_ravdess.py"
TABLES = ("clips.csv", "predictions.parquet", "failures.csv")


def start(data: Path, model: Path, folder: Path) -> subprocess.Popen:
    """Start a batch whose store and tables lie in ``folder``."""
    line = [sys.executable, BATCH, "--data", data, "--model", model, "--output", folder / "out",
            "--cache", folder / "cache"]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    # Into a file: workers that outlive a killed batch by a moment hold a pipe open.
    with open(folder / "said.txt", "wb") as said:
        return subprocess.Popen(list(map(str, line)), stdout=said, stderr=said)


def tables(data: Path, model: Path, folder: Path) -> dict[str, bytes]:
    """Run a batch to its end and return its tables' bytes."""
    batch = start(data, model, folder)
    if batch.wait() not in (0, 1):
        said = (folder / "said.txt").read_text(errors="replace")
        raise SystemExit(f"the batch ended with status {batch.returncode}:\n{said[-3000:]}")
    return {name: (folder / "out" / name).read_bytes() for name in TABLES}


def entries(folder: Path) -> int:
    """Return how many entries the store has, after reading every one."""
    found = list((folder / "cache").rglob("*.npz"))
    for path in found:
        with np.load(path, allow_pickle=False) as entry:
            _ = [entry[name] for name in entry.files]
    return len(found)


def kill_once(data: Path, model: Path, folder: Path, wait_seconds: float) -> tuple[int, dict]:
    """Kill a fresh batch after a while; return the entries it left, and the resumed tables."""
    batch = start(data, model, folder)
    time.sleep(wait_seconds)
    batch.kill()
    batch.wait()
    return entries(folder), tables(data, model, folder)


def main() -> int:
    """Kill, resume and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of RAVDESS files")
    parser.add_argument("--model", type=Path, help="(default: trained on a synthetic corpus)")
    parser.add_argument("--n", type=int, default=20, help="how often to kill")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = options.model or small_model(folder)
        began = time.monotonic()
        whole = tables(options.data, model, folder / "whole")
        seconds = time.monotonic() - began
        total = entries(folder / "whole")
        print(f"uninterrupted: {seconds:.1f} s, {total} entries in the store", flush=True)
        differing = 0
        moments = np.random.default_rng(options.seed).uniform(0, seconds, options.n)
        for number, moment in enumerate(moments):
            left, found = kill_once(options.data, model, folder / str(number), moment)
            same = found == whole
            differing += not same
            done = "equal" if same else "DIFFERENT"
            print(f"killed after {moment:5.1f} s with {left:4d} entries kept: {done}", flush=True)
    print(f"{options.n - differing} of {options.n} resumed batches equal byte for byte")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
