"""A finished evaluation as a folder: what was run, on which clips, and what came out.

::

    run.json                        title, protocol, seed, versions, the models
    clips.parquet                   the clips table without the paths
    probabilities/00-svc.parquet    a model's held-out probabilities and folds

Reports read this folder and nothing else, so scoring again, comparing and
drawing never trains again. A folder may come from anyone: whatever is read is
checked, and nothing outside the folder is opened.
"""

from __future__ import annotations

import html
import itertools
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from multimodal_ser.compute.files import open_regular, write_atomically
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.evaluation import metrics
from multimodal_ser.evaluation.folds import LEAKY, Fold
from multimodal_ser.tables import (
    CLIP_COLUMNS,
    EMOTIONS,
    MODALITIES,
    actor_groups,
    check_clips,
    check_probabilities,
    known_actors,
    make_clips,
)
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables.records import (
    RunModelRecord,
    RunRecord,
    Value,
    read_record,
    write_record,
)

#: ``person``: a test speaker's own unlabelled clips were used to normalise; ``set``: those
#: of all test speakers together.
ADAPTATIONS = ("none", "person", "set")
_FORMER_ADAPTATIONS = {"speaker": "person"}

_PATHS = ("audio", "video")
_FOLDER = "probabilities"
#: What a run has in common with its record, each under the same name.
_FIELDS = (
    *("title", "protocol", "adaptation", "leaky", "seed", "command"),
    *("git", "versions", "seconds", "clips_hash", "identity"),
)


@dataclass(frozen=True)
class RunModel:
    """One model's held-out results.

    Attributes:
        name: how it is called; unique in its run.
        modality: one of ``tables.MODALITIES``.
        probabilities: index ``clip``, a column per label; NaN rows where the
            modality is missing.
        folds: text by clip: the fold in which the clip was tested.
        parts: modality -> name of the run's model that was fused; empty
            unless ``modality`` is ``fused``.
        seconds: of processor time that fitting and predicting took, or None.
        chosen: for each fold a mapping of ``fold``, its name, and the parameters
            that a search or choice inside the fold took; empty without one.
        condition: under which the recordings were heard, one of
            ``audio.conditions.NAMES``; empty for the recordings as they are.
        costs: for each fold and learner a mapping of ``fold``, ``learner`` and the
            ``seconds`` of processor time that it took; empty where not known.
    """

    name: str
    modality: str
    probabilities: pd.DataFrame
    folds: pd.Series
    parts: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    chosen: tuple[Mapping[str, Value], ...] = ()
    condition: str = ""
    costs: tuple[Mapping[str, Value], ...] = ()


@dataclass(frozen=True, repr=False)
class Run:
    """One protocol, one clips table, and every model that was scored on them.

    Attributes:
        title: a line for people.
        protocol: the fold scheme's name.
        clips: the clips table with labels.
        models: at least one; all with the same labels.
        adaptation: one of :data:`ADAPTATIONS`.
        leaky: whether one speaker may be on both sides of a fold.
        seed: of everything random.
        command: that made the run.
        git: state of the code, or None where unknown.
        versions: package -> version.
        seconds: how long the run took, or None.
        clips_hash: of the clips and labels.
        identity: of the benchmark: runs of one identity have the same clips,
            protocol, seed and adaptation, and may share a folder. Empty where
            it is not known.

    Raises:
        SerError: the parts do not fit each other; see :func:`read_run`.
    """

    title: str
    protocol: str
    clips: pd.DataFrame
    models: tuple[RunModel, ...]
    adaptation: str = "none"
    leaky: bool = False
    seed: int = 0
    command: str = ""
    git: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    clips_hash: str = ""
    identity: str = ""

    def __post_init__(self) -> None:
        named = _FORMER_ADAPTATIONS.get(self.adaptation, self.adaptation)
        object.__setattr__(self, "adaptation", named)
        if self.adaptation not in ADAPTATIONS:
            raise SerError(
                f"adaptation {self.adaptation!r} is unknown; use one of: {', '.join(ADAPTATIONS)}"
            )
        if self.protocol in LEAKY and not self.leaky:
            raise SerError(f"protocol {self.protocol} is leaky; say so with leaky=true")
        if not self.models:
            raise SerError("the run has no model; give at least one model's probabilities")
        check_clips(self.clips)
        _check_models(self)

    def __repr__(self) -> str:
        names = ", ".join(_names(self.models))
        return f"Run({self.title!r}; {self.protocol}; {len(self.clips)} clips; {names})"

    def _repr_html_(self) -> str:
        rows = []
        for model in self.models:
            found = metrics.score(model.probabilities, self.clips["emotion"])
            shares = [f"{100 * found[name]:.1f} %" for name in ("uar", "war")]
            rows.append([model.name, model.modality, *shares, found["n"]])
        table = pd.DataFrame(rows, columns=["model", "modality", "UAR", "WAR", "clips"])
        leaky = ", leaky: not a result about new speakers" if self.leaky else ""
        text = f"{self.title} ({self.protocol}{leaky})"
        return f"<div><b>{html.escape(text)}</b>{table.to_html(index=False, border=0)}</div>"

    @property
    def labels(self) -> list[str]:
        """The label scheme, in the order of every model's columns."""
        return list(self.models[0].probabilities.columns)

    @property
    def actors(self) -> list[str]:
        """The known actors, sorted."""
        return known_actors(self.clips)

    @property
    def as_recorded(self) -> list[RunModel]:
        """The models of the recordings as they are; all where there is none."""
        return [model for model in self.models if not model.condition] or list(self.models)

    def model(self, name: str) -> RunModel:
        """Return the model of that name.

        Raises:
            SerError: there is none.
        """
        for model in self.models:
            if model.name == name:
                return model
        raise SerError(f"the run has no model {name!r}; it has: {', '.join(_names(self.models))}")

    def split_actors(self) -> list[str]:
        """Return the actors whose clips were tested in more than one fold.

        Such an actor was in the training part of the others, whatever the run
        says about itself: a speaker-independent protocol has none.
        """
        known = self.clips["actor"].notna()
        groups = pd.Series(actor_groups(self.clips), self.clips.index)[known]
        found: set[str] = set()
        for model in self.models:
            shared = groups.index.intersection(model.folds.index)
            count = model.folds[shared].groupby(groups[shared]).nunique()
            found |= set(count.index[count > 1])
        return sorted(found)


def fold_names(folds: Iterable[Fold]) -> pd.Series:
    """Return the name of the fold in which each clip is tested.

    Example:
        >>> empty = pd.Index([])
        >>> fold_names([Fold("aei-0", empty, pd.Index(["a", "b"]))]).to_dict()
        {'a': 'aei-0', 'b': 'aei-0'}
    """
    names = {clip: fold.name for fold in folds for clip in fold.test}
    return pd.Series(names, dtype="object", name="fold").rename_axis("clip")


def _names(models: Iterable[RunModel]) -> list[str]:
    return [model.name for model in models]


def _check_models(run: Run) -> None:
    names = _names(run.models)
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise SerError(f"the run has two models {doubled!r}; give each a name of its own")
    for model in run.models:
        _check_model(model, run)
        for modality, part in model.parts.items():
            if model.modality != "fused" or modality not in MODALITIES or part not in names:
                raise SerError(
                    f"model {model.name!r} names {part!r} as its {modality} part; only a fused "
                    f"model has parts, and they are models of its run: {', '.join(names)}"
                )


def _check_model(model: RunModel, run: Run) -> None:
    if model.modality not in MODALITIES:
        raise SerError(
            f"model {model.name!r} has the modality {model.modality!r}; "
            f"use one of: {', '.join(MODALITIES)}"
        )
    table = model.probabilities
    labels = run.labels
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise TableError(f"model {model.name!r} has the labels {labels}; give two or more, once")
    check_probabilities(table, labels, f"probabilities of {model.name!r}")
    strange = table.index.difference(run.clips.index, sort=False)
    if len(strange):
        raise TableError(
            f"model {model.name!r} has {len(strange)} clip(s) that the clips table lacks, "
            f"first {strange[0]!r}; keep the clips table of the same run"
        )
    _check_truth(model, run.clips.loc[table.index, "emotion"], labels)


def _check_truth(model: RunModel, truth: pd.Series, labels: list[str]) -> None:
    unlabelled = truth.index[~truth.astype(object).isin(labels).to_numpy()]
    if len(unlabelled):
        raise TableError(
            f"clip {unlabelled[0]!r} has no label among {', '.join(labels)}; "
            "keep labelled clips only"
        )
    if not model.folds.index.equals(truth.index) or model.folds.isna().any():
        raise TableError(f"model {model.name!r} lacks the fold of a clip; give every clip one")


def check_place(folder: str | Path, identity: str) -> None:
    """Refuse a folder that holds a finished run of another benchmark.

    Args:
        folder: where a run shall be written; it need not exist.
        identity: of that run, see :class:`Run`.

    Raises:
        SerError: the folder holds a run whose identity is another or not known,
            or that cannot be read, so that no model of it could be kept.

    Example:
        >>> check_place("no/such/folder", "a benchmark")
    """
    path = Path(folder) / "run.json"
    if not path.exists():
        return
    found = _read_record(path)
    if not identity or found.identity != identity:
        raise SerError(
            f"{folder} holds the finished run {found.title!r} (protocol {found.protocol}, seed "
            f"{found.seed}, adaptation {found.adaptation}), which is another benchmark; "
            "give another folder, or move that run away"
        )
    read_run(folder)


def write_run(folder: str | Path, run: Run) -> Path:
    """Write a run into a folder, adding to a run of the same identity.

    Of a run of the same identity, models of other names are kept. A run without
    identity replaces what is there. Tables that differ from those there get other
    names (``00-svc-v2.parquet``), and ``run.json``, which names them, is replaced
    last: whenever writing ends, the folder holds the old run or the new one.

    Args:
        folder: made when it does not exist.
        run: what to write; the paths of its clips are left out.

    Returns:
        The folder.

    Raises:
        SerError: see :func:`check_place`.
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    if run.identity and (folder / "run.json").exists():
        check_place(folder, run.identity)
        run = _joined(read_run(folder), run)
    files = []
    for at, model in enumerate(run.models):
        table = model.probabilities.rename_axis("clip").assign(fold=model.folds.astype(object))
        files.append(_add_table(table, folder, f"{_FOLDER}/{at:02d}-{_slug(model.name)}"))
    clips = _add_table(run.clips.drop(columns=list(_PATHS)), folder, "clips")
    content = write_record(_record(run, files, clips))
    write_atomically(folder / "run.json", lambda file: file.write(content))
    patterns = (f"{_FOLDER}/[0-9][0-9]-*.parquet", "clips.parquet", "clips-v[0-9]*.parquet")
    for old in [path for pattern in patterns for path in folder.glob(pattern)]:
        if old.relative_to(folder).as_posix() not in (*files, clips):
            old.unlink()
    return folder


def _add_table(table: pd.DataFrame, folder: Path, stem: str) -> str:
    """Write a table under the first name that is free, or holds just that; return the name."""
    content = tableio.encoded(table, ".parquet")
    for version in itertools.count(1):
        name = f"{stem}-v{version}.parquet" if version > 1 else f"{stem}.parquet"
        if not os.path.lexists(folder / name):
            write_atomically(folder / name, lambda file: file.write(content))
            return name
        if not (folder / name).is_symlink() and _holds(folder / name, content):
            return name
    raise AssertionError  # count has no end


def _holds(path: Path, content: bytes) -> bool:
    try:
        with open_regular(path) as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False


def _joined(old: Run, new: Run) -> Run:
    """Return the new run with those models of the old one that it does not name."""
    models = {model.name: model for model in (*old.models, *new.models)}
    commands = dict.fromkeys([*old.command.splitlines(), *new.command.splitlines()])
    return replace(new, models=tuple(models.values()), command="\n".join(commands))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "model"


def _record(run: Run, files: list[str], clips: str) -> RunRecord:
    models = [
        RunModelRecord(
            name=model.name,
            modality=model.modality,
            file=file,
            parts=dict(model.parts),
            seconds=model.seconds,
            chosen=list(map(dict, model.chosen)),
            condition=model.condition,
            costs=list(map(dict, model.costs)),
        )
        for model, file in zip(run.models, files, strict=True)
    ]
    shared = {name: getattr(run, name) for name in _FIELDS}
    return RunRecord(
        **shared, n_clips=len(run.clips), actors=run.actors, models=models, clips=clips
    )


def read_run(folder: str | Path) -> Run:
    """Read a run that :func:`write_run` wrote.

    Args:
        folder: holds ``run.json``.

    Returns:
        The run; its clips have no paths.

    Raises:
        SerError: there is no run, or one that is damaged: a file is missing
            or lies outside the folder, a value is of another kind, a table
            has doubled or unknown clips, or rows that are no probabilities.
    """
    folder = Path(folder)
    path = folder / "run.json"
    record = _read_record(path)
    try:
        models = tuple(_read_model(folder, entry, path) for entry in record.models)
        labels = tuple(models[0].probabilities.columns) if models else EMOTIONS
        clips = _read_clips(folder / record.clips, labels)
        shared = {name: getattr(record, name) for name in _FIELDS}
        run = Run(clips=clips, models=models, **shared)
    except SerError as error:
        said = str(error)
        raise SerError(said if str(folder) in said else f"{folder}: {said}") from error
    if (record.n_clips, record.actors) != (len(clips), run.actors):
        raise SerError(
            f"{path}: its n_clips or actors are not those of {record.clips}; the files are of "
            "different runs, make the run again"
        )
    return run


def _read_record(path: Path) -> RunRecord:
    try:
        return read_record(path, RunRecord, "a run")
    except OSError as error:
        raise SerError(
            f"{path.parent}: there is no run in it (no readable run.json); "
            "make one with 'multimodal-ser benchmark DATA --run FOLDER'"
        ) from error


def _read_model(folder: Path, entry: RunModelRecord, path: Path) -> RunModel:
    table = tableio.read(_inside(folder, entry.file, path))
    for column in ("clip", "fold"):
        texts = column in table and all(isinstance(value, str) for value in table[column])
        if not texts:
            raise TableError(f"{entry.file}: it lacks a text {column!r} in every row")
    table = table.set_index("clip")
    folds = table.pop("fold").astype(object)
    if not all(pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes):
        raise TableError(f"{entry.file}: a column is not of numbers; make the run again")
    rest = entry.parts, entry.seconds, tuple(entry.chosen), entry.condition, tuple(entry.costs)
    return RunModel(entry.name, entry.modality, table, folds, *rest)


def _inside(folder: Path, name: str, path: Path) -> Path:
    """Return a table's path, refusing a link that leads out of the folder."""
    target = folder / name
    if not target.resolve().is_relative_to(folder.resolve()):
        raise SerError(
            f"{path}: the file {name!r} is refused, it leads out of the run's folder; "
            "give a folder whose tables lie in it"
        )
    return target


def _read_clips(path: Path, labels: tuple[str, ...]) -> pd.DataFrame:
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise SerError(f"{path}: it leads out of the run's folder and is refused")
    table = tableio.read(path)
    columns = ["clip", *(name for name in CLIP_COLUMNS if name not in _PATHS)]
    lost = [name for name in columns if name not in table]
    if lost or not all(isinstance(value, str) for value in table["clip"]):
        raise TableError(f"{path}: it lacks {', '.join(lost) or 'a text clip id in every row'}")
    table = table[columns]
    # Clips that no model scored may carry an emotion beside the models' labels.
    strange = set(labels) - set(EMOTIONS)
    labels = tuple(dict.fromkeys((*labels, *EMOTIONS))) if strange else EMOTIONS
    return make_clips(table.astype(object).where(table.notna(), None).to_dict("records"), labels)
