"""The one loop over folds: fit on the training part, predict the test part.

What is fitted never sees the test part: the callable that fits is given the
training clips and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.evaluation import metrics, significance
from multimodal_ser.evaluation.folds import Fold, with_extra
from multimodal_ser.tables import io as tableio

#: Columns of the ``scores`` table.
SCORE_COLUMNS = ("model", "modality", "protocol", "fold", "actor", "metric", "value", "n")

Predict = Callable[[pd.DataFrame], Mapping[str, pd.DataFrame]]
Fit = Callable[[pd.DataFrame], Predict]


def run(
    clips: pd.DataFrame,
    folds: Iterable[Fold],
    fit: Fit,
    *,
    extra: pd.DataFrame | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
) -> dict[str, pd.DataFrame]:
    """Return the held-out probabilities of every test clip.

    Args:
        clips: a clips table with labels.
        folds: from :func:`folds.make_folds`.
        fit: called with the training clips; returns a function from clips to
            probabilities by modality.
        extra: clips to train on beside those of the fold, such as song or
            another corpus; never tested, and in no fold that holds out their
            actor (:func:`folds.with_extra`). A leaky split tests nearly every
            actor in every fold and so gets next to none of the same data set.
        resume: a folder that keeps each finished fold, so that an interrupted
            run goes on with the next one. It must belong to this run alone:
            the same clips, folds and models.
        progress: whether to show a bar over the folds.

    Returns:
        Modality -> probability table over the test clips of all folds.
    """
    from tqdm import tqdm

    folds = list(folds)
    parts: dict[str, list[pd.DataFrame]] = {}
    for fold in tqdm(folds, desc="folds", unit="fold", disable=not progress or len(folds) < 2):
        place = Path(resume) / f"{fold.name}.parquet" if resume else None
        tables = _finished(place, fold)
        if tables is None:
            train = clips.loc[fold.train]
            if extra is not None:
                train = with_extra(train, extra, clips.loc[fold.test])
            predict = fit(train)
            tables = dict(predict(clips.loc[fold.test].assign(emotion=None)))
            _keep(place, tables)
        for modality, table in tables.items():
            parts.setdefault(modality, []).append(table)
    return {modality: pd.concat(tables) for modality, tables in parts.items()}


def _keep(place: Path | None, tables: Mapping[str, pd.DataFrame]) -> None:
    if place is not None:
        tableio.write(pd.concat(tables, names=["modality", "clip"]), place)


def _finished(place: Path | None, fold: Fold) -> dict[str, pd.DataFrame] | None:
    if place is None or not place.exists():
        return None
    try:
        kept = tableio.read(place).set_index(["modality", "clip"])
    except (TableError, KeyError):
        return None  # damaged: the fold is done again
    tables = {name: kept.loc[name] for name in kept.index.unique("modality")}
    whole = all(set(table.index) == set(fold.test) for table in tables.values())
    return tables if tables and whole else None


def summary(probabilities: pd.DataFrame, clips: pd.DataFrame, *, seed: int = 0) -> dict:
    """Return the metrics of a probability table with intervals over actors.

    Args:
        probabilities: index ``clip``, held out.
        clips: the clips table.
        seed: of the bootstrap.

    Returns:
        The values of :func:`metrics.score`, and ``uar_low``, ``uar_high``,
        ``war_low``, ``war_high``, the ends of 95 % intervals.
    """
    result = metrics.score(probabilities, clips["emotion"])
    for metric in ("uar", "war"):
        low, high = significance.bootstrap_interval(probabilities, clips, metric=metric, seed=seed)
        result |= {f"{metric}_low": low, f"{metric}_high": high}
    return result
