"""Numbers as labels: a regressor of the voice for columns such as valence and arousal.

A support vector machine per number on standardised features, a usual baseline of the field
(Schuller et al., "The INTERSPEECH 2013 computational paralinguistics challenge", sec. 4). Its
scores are of speakers whom it did not learn from: of folds that keep actors apart.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from multimodal_ser.audio import features as feature_sets
from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.estimators import files
from multimodal_ser.evaluation import agreement
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import Features, actor_groups
from multimodal_ser.tables.labels import RESERVED
from multimodal_ser.tables.records import RegressorRecord, read_record
from multimodal_ser.workflows.data import Work, extract_inputs
from multimodal_ser.workflows.inference import path_of
from multimodal_ser.workflows.models import write_json
from multimodal_ser.workflows.recipes import Learner
from multimodal_ser.workflows.records import run_record

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

#: The file that makes a folder a regressor's.
NAME = "regressor.json"
#: Folds of actors that scores are of.
N_FOLDS = 5
#: Fewer clips than this have no line to fit.
FEWEST = 10


def build(*, seed: int = 0, c: float = 1.0) -> BaseEstimator:
    """Return an unfitted regressor of one or several numbers.

    Args:
        seed: not used; a support vector machine draws nothing.
        c: its cost, above 0.
    """
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    svr = make_pipeline(StandardScaler(), SVR(C=c))
    return MultiOutputRegressor(TransformedTargetRegressor(svr, transformer=StandardScaler()))


@dataclass
class Regressor:
    """A fitted regressor.

    Attributes:
        input: feature set of the voice.
        targets: columns that it predicts.
        estimator: what :func:`build` gave, fitted.
    """

    input: str
    targets: tuple[str, ...]
    estimator: Any

    def predict(self, features: Features) -> pd.DataFrame:
        """Return a float column per target, a row per clip that has features."""
        said = np.reshape(self.estimator.predict(features.values), (-1, len(self.targets)))
        return pd.DataFrame(said, pd.Index(features.clips, name="clip"), list(self.targets))

    def save(self, folder: str | Path, record: dict) -> None:
        """Write the regressor, and how it was made as ``run.json``.

        Raises:
            OSError: the folder cannot be written.
        """
        files.save(self.estimator, folder)
        version = feature_sets.load(self.input).VERSION
        about = {"input": self.input, "input_version": version, "targets": list(self.targets)}
        write_json(Path(folder) / "run.json", record)
        write_json(Path(folder) / NAME, about)


def is_regressor(folder: str | Path | None) -> bool:
    """Tell whether a folder holds a regressor.

    Example:
        >>> is_regressor(None), is_regressor("no-such-folder")
        (False, False)
    """
    return folder is not None and (Path(folder) / NAME).is_file()


def load(folder: str | Path) -> Regressor:
    """Read a regressor that :meth:`Regressor.save` wrote.

    Raises:
        ModelError: a file is missing or damaged, or of another version of the features.
    """
    record = read_record(Path(folder) / NAME, RegressorRecord, "a regressor", error=ModelError)
    if record.input not in feature_sets.NAMES or not record.targets:
        raise ModelError(f"{folder}: its features or targets are not known; train it again")
    if record.input_version != feature_sets.load(record.input).VERSION:
        raise ModelError(f"{folder}: made with another version of {record.input}; train it again")
    estimator = files.load(folder, sys.modules[__name__])
    return Regressor(record.input, tuple(record.targets), estimator)


def numbers_of(clips: pd.DataFrame, targets: Sequence[str]) -> pd.DataFrame:
    """Return the clips that have all targets, with these as float columns.

    Args:
        clips: a clips table with further columns.
        targets: names of columns.

    Raises:
        SerError: a column is not there, is the name of another thing, holds a text that is no
            number, or has the same number in all clips; or too few clips have them.
    """
    for name in targets:
        if name not in clips or name in RESERVED:
            there = ", ".join(str(c) for c in clips if pd.api.types.is_numeric_dtype(clips[c]))
            raise SerError(f"no column {name!r} of numbers; the table has: {there or 'none'}")
        numbers = pd.to_numeric(clips[name], errors="coerce")
        wrong = clips[name].notna() & ~np.isfinite(numbers.astype(float))
        if wrong.any():
            raise SerError(
                f"{name} of {clips.index[wrong][0]!r} is {clips[name][wrong].iloc[0]!r}; "
                "give a number, or leave it empty"
            )
        clips = clips.assign(**{name: numbers.astype(float)})
    kept = clips.dropna(subset=list(targets))
    if len(kept) < FEWEST or not (kept[list(targets)].nunique() > 1).all():
        raise SerError(
            f"{len(kept)} clip(s) have {' and '.join(targets)}; give {FEWEST} or more, of "
            "different numbers"
        )
    return kept


def features_of(clips: pd.DataFrame, name: str, work: Work) -> tuple[Features, pd.DataFrame]:
    """Return the features of the voice of some clips, and the failures."""
    learners = [Learner("audio", name, "svc")]
    inputs, failures = extract_inputs(clips, learners, None, lambda _name: None, work)  # type: ignore[arg-type, return-value]
    return cast("Features", inputs[name]), failures


def train(
    clips: pd.DataFrame,
    targets: Sequence[str],
    output: str | Path,
    *,
    features: str = "functionals",
    seed: int = 0,
    work: Work,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit a regressor on all clips that have the targets, score it on held-out actors, save it.

    Args:
        clips: a clips table with the targets as further columns.
        targets: names of columns of numbers.
        output: the model's folder.
        features: a feature set of vectors.
        seed: of the folds and the bootstrap.
        work: cache, workers and progress.

    Returns:
        The scores, see :func:`score_table`, of folds that keep actors apart; and the failures.

    Raises:
        SerError: see :func:`numbers_of`; or the features are no vectors, or of too few clips.
    """
    if len(feature_sets.shape(features)) > 1:
        raise SerError(f"a regressor takes vectors, which {features} are not; choose functionals")
    clips = numbers_of(clips, targets)
    found, failures = features_of(clips, features, work)
    clips = clips[clips.index.isin(found.clips)]
    if len(clips) < FEWEST:
        raise SerError(f"{len(clips)} clip(s) could be used; see the failures, give {FEWEST}")
    groups = len(set(actor_groups(clips)))
    folds = make_folds(clips, "actors", seed=seed, n_folds=min(N_FOLDS, groups))
    parts = []
    for fold in folds:
        known = Features(fold.train, found.take(fold.train), found.names)
        fitted = _fit(known, clips, features, targets)
        parts.append(fitted.predict(Features(fold.test, found.take(fold.test), found.names)))
    scores = score_table(pd.concat(parts), clips, targets, seed)
    model = _fit(
        Features(clips.index, found.take(clips.index), found.names), clips, features, targets
    )
    rows = scores.astype(object).where(scores.notna(), None).to_dict("records")
    model.save(output, run_record(None, clips, seconds=0.0, held_out=rows, seed=seed))
    return scores, failures


def _fit(found: Features, clips: pd.DataFrame, name: str, targets: Sequence[str]) -> Regressor:
    numbers = clips.loc[found.clips, list(targets)].to_numpy(float)
    return Regressor(name, tuple(targets), build().fit(found.values, numbers))


def score_table(
    said: pd.DataFrame, clips: pd.DataFrame, targets: Sequence[str], seed: int = 0
) -> pd.DataFrame:
    """Return a row per target: ``target``, CCC and Pearson's correlation with intervals, ``n``.

    Args:
        said: predicted numbers, a row per clip.
        clips: of :func:`numbers_of`.
        targets: columns of both.
        seed: of the bootstrap over actors.
    """
    clips = clips.loc[said.index]
    actors = pd.Series(actor_groups(clips), clips.index)
    rows = [
        {"target": name} | agreement.score(clips[name], said[name], actors, seed=seed)
        for name in targets
    ]
    return pd.DataFrame(rows)


def predict(model: Regressor, clips: pd.DataFrame, work: Work) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``clip``, ``path``, ``modality`` and a column per target; and the failures."""
    found, failures = features_of(clips, model.input, work)
    said = model.predict(found) if len(found.clips) else pd.DataFrame(columns=list(model.targets))
    paths = [path_of(clips.loc[clip], "audio") for clip in said.index]
    table = said.rename_axis("clip").reset_index()
    table.insert(1, "path", paths)
    table.insert(2, "modality", "audio")
    return table, failures
