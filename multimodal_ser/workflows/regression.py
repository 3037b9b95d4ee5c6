"""Numbers as labels: regressors of the voice, the face and both, for columns such as valence.

A support vector machine per number on standardised features, a usual baseline of the field
(Schuller et al., "The INTERSPEECH 2013 computational paralinguistics challenge", sec. 4), for each
modality. Of both, a number is a sum of theirs with weights that are not negative, fitted on
cross-fitted predictions of training speakers (L. Breiman, "Stacked regressions", Machine
Learning 24, 1996). Scores are of speakers whom nothing was learnt from: of folds that keep actors
apart.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from multimodal_ser.audio import features as feature_sets
from multimodal_ser.compute.apart import Apart
from multimodal_ser.errors import ModelError, SerError, UnknownName
from multimodal_ser.estimators import files
from multimodal_ser.evaluation import agreement
from multimodal_ser.evaluation.folds import Fold, make_folds
from multimodal_ser.tables import MODALITIES, Features, actor_groups
from multimodal_ser.tables.labels import RESERVED
from multimodal_ser.tables.records import RegressorRecord, read_record
from multimodal_ser.video import features as face_features
from multimodal_ser.workflows import released
from multimodal_ser.workflows.data import Work, extract_inputs
from multimodal_ser.workflows.inference import path_of
from multimodal_ser.workflows.models import (
    check_checksums,
    checksums,
    free_root,
    warn_of_no_checksums,
    weight_folders,
    write_json,
)
from multimodal_ser.workflows.recipes import MEASURED, SEQUENCES, TABLES, Learner
from multimodal_ser.workflows.records import run_record
from multimodal_ser.workflows.unknown_speakers import grouped

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from multimodal_ser.video.extract import FrameParams

NAME = released.REGRESSOR
#: What a face is known by, where it is not said.
FACE = "estimated_action_units"
#: What of a face is a vector of numbers per clip.
FACES = (*MEASURED, *(name for name in TABLES if name not in SEQUENCES))
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


@dataclass(frozen=True)
class Part:
    """A fitted regressor of one modality.

    Attributes:
        learner: its modality and input; its classifier is not looked at.
        estimator: what :func:`build` gave, fitted; or such a one in a file.
    """

    learner: Learner
    estimator: Any

    def predict(self, features: Features, targets: Sequence[str]) -> pd.DataFrame:
        """Return a float column per target, a row per clip that has features."""
        said = np.zeros((0, len(targets)))
        if len(features.clips):
            said = np.reshape(self.estimator.predict(features.values), (-1, len(targets)))
        return pd.DataFrame(said, pd.Index(features.clips, name="clip"), list(targets))


class _Kept:
    """A fitted regressor in a folder of anyone's, which works in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.predict = folder, Apart(_reader, folder)
        self.predict.check()

    def save(self, folder: Path) -> None:
        """Write it into another folder."""
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)


def _reader(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    return files.load(folder, sys.modules[__name__]).predict


@dataclass(frozen=True)
class Regressor:
    """A fitted regressor.

    Attributes:
        targets: columns that it predicts.
        parts: a regressor per modality.
        weights: by target those of ``audio``, ``video`` and ``bias``, of a number of both; empty
            with one modality.
    """

    targets: tuple[str, ...]
    parts: tuple[Part, ...]
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def predict(self, inputs: Mapping[str, Features]) -> dict[str, pd.DataFrame]:
        """Return by modality, ``fused`` with two, a column per target and a row per clip.

        Args:
            inputs: by the name of an input its features. A clip that has one of two inputs has
                that one's number as the fused one.
        """
        said = {
            one.learner.modality: one.predict(inputs[one.learner.key], self.targets)
            for one in self.parts
        }
        return said | ({"fused": fused(said, self.weights)} if len(said) > 1 else {})

    def save(self, folder: str | Path, record: dict) -> None:
        """Write the regressor, and how it was made as ``run.json``.

        One that was there is replaced by one write, as by :meth:`models.Model.save`.

        Raises:
            OSError: the folder cannot be written.
        """
        folder = Path(folder)
        former, root = weight_folders(folder), free_root(folder)
        inputs = {}
        for one in self.parts:
            place = f"{root}/{one.learner.modality}"
            files.save(one.estimator, folder / place)
            about = {"input": one.learner.input, "version": _version(one.learner)}
            inputs[one.learner.modality] = {**about, "folder": place}
        said = {"targets": list(self.targets), "inputs": inputs, "weights": dict(self.weights)}
        write_json(folder / NAME, {**said, "files": checksums(folder, [root])})
        write_json(folder / "run.json", record)
        for name in former:
            shutil.rmtree(folder / name, ignore_errors=True)


def learner_of(modality: str, name: str) -> Learner:
    """Return what a regressor of a modality reads.

    Args:
        modality: ``audio`` or ``video``.
        name: a feature set of the voice, or one of :data:`FACES`.

    Raises:
        UnknownName: there is no such input.
        SerError: it is no vector.

    Example:
        >>> learner_of("audio", "functionals").key
        'functionals'
    """
    if modality == "video":
        if name not in FACES:
            raise UnknownName("input of the face that is a vector", name, FACES)
    elif len(feature_sets.shape(name)) > 1:
        raise SerError(f"a regressor takes vectors, which {name} are not; choose functionals")
    return Learner(modality, name, "svc")


def _version(learner: Learner) -> int:
    """Return the version of an input, 0 of a table made elsewhere."""
    if learner.input in TABLES:
        return 0
    room = feature_sets if learner.modality == "audio" else face_features
    return int(room.load(learner.input).VERSION)


def load(folder: str | Path) -> Regressor:
    """Read a regressor that :meth:`Regressor.save` wrote.

    Raises:
        ModelError: a file is missing, damaged or not as it was saved, or of another version of
            the features.

    Warns:
        UserWarning: it was saved without checksums, by an earlier version.
    """
    folder = Path(folder)
    record = read_record(Path(folder) / NAME, RegressorRecord, "a regressor", error=ModelError)
    both = {"audio", "video", "bias"}
    weighed = all(set(record.weights.get(name, ())) == both for name in record.targets)
    whole = record.targets and record.inputs and set(record.inputs) <= both - {"bias"}
    if not whole or (len(record.inputs) > 1 and not weighed):
        raise ModelError(f"{folder}: its inputs, targets or weights are not known; train it again")
    if record.files is None:
        warn_of_no_checksums(folder)
    else:
        within = {str(one.folder).split("/")[0] for one in record.inputs.values()}
        check_checksums(folder, record.files, within)
    parts = []
    for modality, kept in record.inputs.items():
        try:
            learner = learner_of(modality, kept.input)
        except SerError as error:
            raise ModelError(f"{folder}: {error}; train it again") from error
        if kept.version != _version(learner):
            raise ModelError(f"{folder}: made with another version of {kept.input}; train it again")
        parts.append(Part(learner, _Kept(folder / (kept.folder or modality))))
    return Regressor(tuple(record.targets), tuple(parts), record.weights)


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


def inputs_of(
    clips: pd.DataFrame,
    learners: Iterable[Learner],
    work: Work,
    tables: Mapping[str, Features] | None = None,
) -> tuple[dict[str, Features], pd.DataFrame]:
    """Return by name the features that learners read of some clips, and the failures."""
    found, failures = extract_inputs(clips, learners, tables, _no_frames, work)
    return cast("dict[str, Features]", found), failures


def _no_frames(backbone: str) -> FrameParams:
    raise SerError(f"no number is learnt by {backbone}; choose of: {', '.join(FACES)}")


def train(
    clips: pd.DataFrame,
    targets: Sequence[str],
    output: str | Path,
    *,
    features: str | None = "functionals",
    face: str | None = None,
    tables: Mapping[str, Features] | None = None,
    seed: int = 0,
    work: Work,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit a regressor on all clips that have the targets, score it on held-out actors, save it.

    Args:
        clips: a clips table with the targets as further columns.
        targets: names of columns of numbers.
        output: the model's folder.
        features: of the voice, a feature set of vectors; None for no voice.
        face: of the face, one of :data:`FACES`; None for no face.
        tables: name of an input -> a table made elsewhere.
        seed: of the folds and the bootstrap.
        work: cache, workers and progress.

    Returns:
        The scores, see :func:`score_table`, of folds that keep actors apart; and the failures.

    Raises:
        UnknownName: there is no such input.
        SerError: see :func:`numbers_of`; or the features are no vectors, or of too few clips.

    Warns:
        UserWarning: one of two modalities is left out, for too few clips have it.
    """
    named = (("audio", features), ("video", face))
    learners = [learner_of(modality, name) for modality, name in named if name]
    clips = numbers_of(clips, targets)
    inputs, failures = inputs_of(clips, learners, work, tables)
    learners = _usable(learners, inputs)
    heard = {clip for one in learners for clip in inputs[one.key].clips}
    clips = clips[clips.index.isin(heard)]
    people = grouped(clips, inputs)  # of unknown speakers, those who sound alike
    groups = len(set(actor_groups(people)))
    folds = make_folds(people, "actors", seed=seed, n_folds=min(N_FOLDS, groups))
    crossed = {
        one.modality: _cross_fit(one, inputs[one.key], clips, targets, folds) for one in learners
    }
    said = dict(crossed)
    if len(crossed) > 1:
        said["fused"] = pd.concat(_fused_apart(crossed, clips, targets, fold) for fold in folds)
    scores = score_table(said, people, targets, seed)
    weights = _weights(crossed, clips, targets) if len(crossed) > 1 else {}
    parts = tuple(_fit(one, inputs[one.key], clips, targets) for one in learners)
    rows = scores.astype(object).where(scores.notna(), None).to_dict("records")
    record = run_record(None, clips, seconds=0.0, held_out=rows, seed=seed)
    Regressor(tuple(targets), parts, weights).save(output, record)
    return scores, failures


def _usable(learners: Sequence[Learner], inputs: Mapping[str, Features]) -> list[Learner]:
    """Return the learners that enough clips have the input of."""
    counts = {one.key: len(inputs[one.key].clips) for one in learners}
    kept = [one for one in learners if counts[one.key] >= FEWEST]
    if not kept:
        most = max(counts.values(), default=0)
        raise SerError(f"{most} clip(s) could be used; see the failures, give {FEWEST}")
    for one in learners:
        if one not in kept:
            text = f"{one.key} is left out: {counts[one.key]} clip(s) have it, fewer than {FEWEST}"
            warnings.warn(text, stacklevel=3)
    return kept


def _fit(learner: Learner, found: Features, clips: pd.DataFrame, targets: Sequence[str]) -> Part:
    known = found.clips[found.clips.isin(clips.index)]
    numbers = clips.loc[known, list(targets)].to_numpy(float)
    return Part(learner, build().fit(found.take(known), numbers))


def _cross_fit(
    learner: Learner,
    found: Features,
    clips: pd.DataFrame,
    targets: Sequence[str],
    folds: Sequence[Fold],
) -> pd.DataFrame:
    """Return what a learner says of each clip, fitted on clips of other actors."""
    tables = []
    for fold in folds:
        test = fold.test[fold.test.isin(found.clips)]
        learn = fold.train[fold.train.isin(found.clips)]
        if len(test) and len(learn):
            fitted = _fit(learner, found, clips.loc[learn], targets)
            tables.append(fitted.predict(Features(test, found.take(test), found.names), targets))
    return pd.concat(tables)


def _fused_apart(
    crossed: Mapping[str, pd.DataFrame], clips: pd.DataFrame, targets: Sequence[str], fold: Fold
) -> pd.DataFrame:
    """Return the fused numbers of a fold's test clips, by weights of its training clips."""
    known = {name: table[table.index.isin(fold.train)] for name, table in crossed.items()}
    asked = {name: table[table.index.isin(fold.test)] for name, table in crossed.items()}
    return fused(asked, _weights(known, clips, targets))


def _weights(
    crossed: Mapping[str, pd.DataFrame], clips: pd.DataFrame, targets: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Fit the weights of modalities, none negative, by least squares; equal ones without clips."""
    from scipy.optimize import nnls

    both = sorted(set.intersection(*(set(table.index) for table in crossed.values())))
    found = {}
    for target in targets:
        weights, bias = np.full(len(crossed), 1 / len(crossed)), 0.0
        if len(both) >= FEWEST:
            said = np.stack([t.loc[both, target].to_numpy(float) for t in crossed.values()], axis=1)
            truth = clips.loc[both, target].to_numpy(float)
            weights = nnls(said - said.mean(axis=0), truth - truth.mean())[0]
            bias = float(truth.mean() - said.mean(axis=0) @ weights)
        found[target] = dict(zip(crossed, map(float, weights), strict=True)) | {"bias": bias}
    return found


def fused(
    said: Mapping[str, pd.DataFrame], weights: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """Return one number of two: their weighted sum, or the one that is there.

    Args:
        said: by modality a column per target, a row per clip.
        weights: of :class:`Regressor`.

    Example:
        >>> one = pd.DataFrame({"joy": [1.0, 2.0]}, ["a", "b"])
        >>> weights = {"joy": {"audio": 0.5, "video": 0.5, "bias": 1.0}}
        >>> fused({"audio": one, "video": one.loc[["a"]] + 2}, weights)["joy"].tolist()
        [3.0, 2.0]
    """
    every = pd.Index(
        sorted(set().union(*(table.index for table in said.values()))), name="clip", dtype=object
    )
    columns = {}
    for target, of in weights.items():
        parts = pd.DataFrame({name: table[target].reindex(every) for name, table in said.items()})
        total = sum((parts[name] * of[name] for name in said), start=pd.Series(of["bias"], every))
        columns[target] = total.where(parts.notna().all(axis=1), parts.bfill(axis=1).iloc[:, 0])
    return pd.DataFrame(columns, index=every)


def score_table(
    said: Mapping[str, pd.DataFrame], clips: pd.DataFrame, targets: Sequence[str], seed: int = 0
) -> pd.DataFrame:
    """Return how well numbers are predicted, a row per answer and target.

    Args:
        said: by modality a column per target, a row per clip.
        clips: of :func:`numbers_of`.
        targets: columns of both.
        seed: of the bootstrap over actors.

    Returns:
        ``answer``, ``target``, and what ``evaluation.agreement.score`` gives: CCC and Pearson's
        correlation with intervals, and ``n``.
    """
    actors = pd.Series(actor_groups(clips), clips.index)
    rows = [
        {"answer": answer, "target": name}
        | agreement.score(clips.loc[table.index, name], table[name], actors, seed=seed)
        for answer, table in said.items()
        for name in targets
        if len(table)
    ]
    return pd.DataFrame(rows)


def predict(
    model: Regressor,
    clips: pd.DataFrame,
    work: Work,
    tables: Mapping[str, Features] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``clip``, ``path``, ``modality`` and a column per target; and the failures.

    Args:
        model: of :func:`load`.
        clips: a clips table.
        work: cache, workers and progress.
        tables: name of an input -> a table made elsewhere; of a model that takes one and gets
            none, the other modality answers.
    """
    given = {**{one.learner.input: _NOTHING for one in model.parts}, **(tables or {})}
    found, failures = inputs_of(clips, [one.learner for one in model.parts], work, given)
    parts = []
    for modality, said in model.predict(found).items():
        table = said.rename_axis("clip").reset_index()
        paths = [path_of(clips.loc[clip], modality) for clip in said.index]
        table.insert(1, "path", paths)
        table.insert(2, "modality", modality)
        parts.append(table)
    table = pd.concat(parts, ignore_index=True)
    clip_at = clips.index.get_indexer(pd.Index(table["clip"]))
    modality_at = pd.Index(MODALITIES).get_indexer(pd.Index(table["modality"]))
    return table.iloc[np.lexsort([modality_at, clip_at])].reset_index(drop=True), failures


#: A table of no clip.
_NOTHING = Features(pd.Index([], dtype=object), np.zeros((0, 1), np.float32), ("nothing",))
