r"""Face networks measured on CK+, whose faces none of them has learnt from.

CK+ (Lucey et al., "The Extended Cohn-Kanade Dataset", CVPR Workshops 2010) has posed faces of
123 persons: the peaks of 327 sequences, and neutral beginnings. Seven emotions: contempt, which
RAVDESS has not, is left out; calm, which CK+ has not, counts as neutral, and what a network gives
to contempt as nothing. Intervals are drawn over persons. It is for testing alone: nothing is
chosen by it.

    python pipelines/evaluate_ck_plus.py --data ck_plus
    python pipelines/evaluate_ck_plus.py --data ck_plus --networks models/fer_plus FER_SEVEN \
        --mini-xception fer2013_mini_XCEPTION.102-0.66.hdf5
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import _common
import build_models
import evaluate_fer
import numpy as np
import pandas as pd

from multimodal_ser.cli import terminal
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import metrics, protocol
from multimodal_ser.tables import EMOTIONS, make_clips
from multimodal_ser.video.batches import as_input

#: What is scored; calm counts as neutral.
LABELS = tuple(name for name in EMOTIONS if name != "calm")
BATCH = 256


def main() -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder of ck_plus_48.npz and labels.csv")
    parser.add_argument("--networks", nargs="*", default=(), help="folders of train_fer.py")
    parser.add_argument("--mini-xception", help="weights of mini_XCEPTION, for comparison")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="also write the figures, as Markdown, to this file")
    return _common.finish(parser.parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Return the table of all networks, and each one's recalls."""
    faces, clips = ck_plus(options.data)
    tables = {"released": _released(faces, clips)}
    networks = [evaluate_fer.ours(folder) for folder in options.networks]
    if options.mini_xception:
        networks.append(evaluate_fer.mini_xception(options.mini_xception))
    for network in networks:
        shown = pd.DataFrame(network.predict(faces), clips.index, list(network.labels))
        tables[f"{network.name}, {network.taught}"] = seven(shown)
    rows = [scores(name, table, clips, options.seed) for name, table in tables.items()]
    return terminal.markdown(pd.DataFrame(rows))


def ck_plus(folder: str | Path) -> tuple[np.ndarray, pd.DataFrame]:
    """Return faces uint8 ``(n, 48, 48)`` of :data:`LABELS`, and their clips table.

    Raises:
        SerError: a file is missing.
    """
    try:
        with np.load(Path(folder) / "ck_plus_48.npz", allow_pickle=False) as stored:
            faces = stored["images"]
        listed = pd.read_csv(Path(folder) / "labels.csv")
    except FileNotFoundError as error:
        raise SerError(f"{error.filename}: it is missing; give the folder of CK+") from error
    rows = [
        {"clip": f"{at:04} {row.name_}", "actor": row.person, "emotion": row.label}
        for at, row in enumerate(listed.rename(columns={"name": "name_"}).itertuples())
    ]
    known = listed["label"].isin(LABELS).to_numpy()
    return faces[known], make_clips([row for row, kept in zip(rows, known, strict=True) if kept])


def seven(table: pd.DataFrame) -> pd.DataFrame:
    """Return probabilities of :data:`LABELS`; calm counts as neutral, others as nothing.

    Example:
        >>> seven(pd.DataFrame({"calm": [0.3], "neutral": [0.3], "sad": [0.2]}))["sad"].tolist()
        [0.25]
    """
    if "calm" in table:
        table = table.assign(neutral=table["neutral"] + table["calm"])
    found = table.reindex(columns=list(LABELS), fill_value=0.0)
    return found.div(found.sum(axis=1), axis=0)


def _released(faces: np.ndarray, clips: pd.DataFrame) -> pd.DataFrame:
    network = build_models.released_face().model.network
    starts = range(0, len(faces), BATCH)
    said = [network.predict_on_batch(as_input(faces[at : at + BATCH])) for at in starts]
    return seven(pd.DataFrame(np.concatenate(said), clips.index, list(EMOTIONS)))


def scores(name: str, table: pd.DataFrame, clips: pd.DataFrame, seed: int) -> dict:
    """Return a row: WAR and UAR with intervals over persons, ECE, and each label's recall."""
    found = protocol.summary(table, clips, seed=seed)
    row = {"network": name, "images": int(found["n"])}
    for metric in ("war", "uar"):
        ends = f"{100 * found[f'{metric}_low']:.1f} to {100 * found[f'{metric}_high']:.1f}"
        row[f"{metric.upper()} %"] = f"{100 * found[metric]:.1f} ({ends})"
    recalls = metrics.per_class(table, clips["emotion"])["recall"]
    return row | {"ECE %": 100 * found["ece"]} | (100 * recalls).to_dict()


if __name__ == "__main__":
    sys.exit(main())
