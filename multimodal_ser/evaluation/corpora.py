"""Scores of each data set by itself, where models are tested on several."""

from __future__ import annotations

import pandas as pd

from multimodal_ser.evaluation.folds import CORPORA
from multimodal_ser.evaluation.protocol import summary
from multimodal_ser.evaluation.runs import Run
from multimodal_ser.evaluation.significance import MIN_ACTORS
from multimodal_ser.tables import known_actors
from multimodal_ser.tables.labels import labels_of, relabel, under

#: The emotions that corpora are compared by in the literature: angry, happy, sad, and neutral
#: with calm.
FOUR = "emotions4"
#: The row of all data sets together.
ALL = "all"
_FOUR_COLUMNS = ("uar", "uar_low", "uar_high", "war", "ece", "n")
#: What :func:`by_data_set` adds to ``protocol.summary``.
COLUMNS = ("data_set", "classes", "interval_over", *(f"{name}4" for name in _FOUR_COLUMNS))


def has_data_sets(run: Run) -> bool:
    """Tell whether a run tests several data sets, each as a whole."""
    return run.protocol in (CORPORA, "evaluate") and run.clips["dataset"].nunique() > 1


def by_data_set(probabilities: pd.DataFrame, clips: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Return the scores of all clips and of each data set's.

    Args:
        probabilities: index ``clip``, held out.
        clips: the clips table.
        seed: of the bootstrap.

    Returns:
        A row for :data:`ALL`, pooled, and one for each data set: ``protocol.summary``, and
        ``data_set``; ``classes``, how many labels occur; ``interval_over``, ``actors`` or, where
        fewer than ``significance.MIN_ACTORS`` are known, ``clips``, which says nothing about other
        speakers; and the columns that end in 4: the same of the clips that are neutral, calm,
        happy, sad or angry, with probabilities projected onto the scheme ``emotions4``, NaN where
        not all four of its labels occur.
    """
    tested = clips.loc[probabilities.index]
    named = tested["dataset"].fillna("").astype(object)
    rows = [{"data_set": ALL} | _scores(probabilities, tested, seed)]
    for name, part in tested.groupby(named):
        rows.append({"data_set": str(name)} | _scores(probabilities.loc[part.index], part, seed))
    return pd.DataFrame(rows)


def _scores(table: pd.DataFrame, clips: pd.DataFrame, seed: int) -> dict:
    few = len(known_actors(clips)) < MIN_ACTORS
    drawn = clips.assign(actor=None) if few else clips  # every clip by itself
    found = summary(table, drawn, seed=seed) | {
        "classes": int(clips["emotion"].nunique()),
        "interval_over": "clips" if few else "actors",
    }
    four = dict.fromkeys(_FOUR_COLUMNS, float("nan"))
    kept = relabel(drawn, FOUR)
    if kept["emotion"].nunique() == len(labels_of(FOUR)):
        four |= summary(under(table.loc[kept.index], FOUR), kept, seed=seed)
    return found | {f"{name}4": four[name] for name in _FOUR_COLUMNS}
