"""Predict from a list that is wrong in every way, and account for every row.

    python tests/robustness/lists.py --data RAVDESS --n 1440 --seed 0

Ends with status 1 unless just the good rows are predicted, and every other one
is among the failures.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from fuzz import predict, small_model

#: What becomes of a row of each kind.
GOOD = ("good", "non-ascii", "hostile", "long")
BAD = ("missing", "doubled", "unreadable", "folder", "empty", "forbidden", "pipe", "too-long",
       "pathless", "nameless")  # fmt: skip


def place(kind: str, source: Path, folder: Path, number: int) -> str | None:
    """Make what a row of one kind names, and return its path."""
    names = {
        "non-ascii": f"{number} Zoë 日本語 😀",
        "hostile": f"{number} <script>alert(1)<\N{FRACTION SLASH}script> '; DROP\n--",
        "long": f"{number:0240d}",
        "too-long": f"{number:0300d}",
    }
    path = folder / f"{names.get(kind, str(number))}{source.suffix}"
    if kind == "pathless":
        return None
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "empty":
        path.touch()
    elif kind == "unreadable":
        path.write_bytes(source.read_bytes()[:40] + b"and then nothing of the kind")
    elif kind == "forbidden":
        path.write_bytes(b"secret")
        path.chmod(0)
    elif kind not in ("missing", "too-long"):
        path.symlink_to(source.resolve())
    return str(path)


def wrong_list(sources: list[Path], folder: Path, n: int, seed: int = 0) -> pd.DataFrame:
    """Return a clips table of ``n`` rows, with a column that says how each is wrong."""
    rng = np.random.default_rng(seed)
    kinds = np.where(rng.random(n) < 0.5, "good", rng.choice([*GOOD, *BAD], n))
    kinds[0] = "good"
    folder.mkdir(parents=True)
    rows = []
    for number, kind in enumerate(kinds):
        clip = None if kind == "nameless" else f"clip {number}"
        clip = rows[0]["clip"] if kind == "doubled" else clip
        path = place(kind, sources[number % len(sources)], folder, number)
        rows.append({"clip": clip, "audio": path, "kind": str(kind)})
    return pd.DataFrame(rows)


def check(table: pd.DataFrame, predictions: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    """Return a row a kind: how many were listed, predicted and told of."""
    # A doubled row has the id of a good one, and a nameless row none: these two
    # kinds are known by their errors alone.
    marks = {"doubled": "a row above has", "nameless": "it has no clip id"}
    own = ~failures["error"].str.contains("|".join(marks.values()))
    told, predicted = set(failures["clip"][own]), set(predictions["clip"])
    rows = []
    for kind, part in table.groupby("kind"):
        if kind in marks:
            n_predicted, n_told = 0, failures["error"].str.contains(marks[kind]).sum()
        else:
            n_predicted, n_told = (part["clip"].isin(ids).sum() for ids in (predicted, told))
        right = (n_predicted, n_told) == ((len(part), 0) if kind in GOOD else (0, len(part)))
        rows.append((kind, len(part), n_predicted, n_told, right))
    return pd.DataFrame(rows, columns=["kind", "listed", "predicted", "left out", "right"])


def main() -> int:
    """List wrongly, predict and account."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of wav or flac files")
    parser.add_argument("--model", type=Path, help="(default: trained on a synthetic corpus)")
    parser.add_argument("--n", type=int, default=1440)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sources = sorted(p for p in options.data.rglob("*") if p.suffix in (".wav", ".flac"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = options.model or small_model(folder)
        table = wrong_list(sources, folder / "clips", options.n, options.seed)
        table.to_csv(folder / "list.csv", index=False)
        status, *found = predict([folder / "list.csv"], model, folder, "--no-cache")
    result = check(table, *found)
    print(result.to_string(index=False))
    print(f"status {status}; {len(found[1])} rows in failures.csv, such as:")
    for error in found[1]["error"].str.replace(r"/\S*/", "", regex=True).drop_duplicates()[:12]:
        print(f"  {error[:150]}")
    return 0 if result["right"].all() and status == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
