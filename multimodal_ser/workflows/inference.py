"""Trained models on disk, and predictions of clips with them.

A model is a folder: ``params.json`` says what it is made of, ``learners/`` holds
the weights, ``run.json`` says where it comes from. The front ends' parameters
travel with the weights, so that a clip is prepared for prediction just as it was
for training.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from multimodal_ser.compute.cache import Cache, default_folder, write_atomically
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.evaluation import adaptation
from multimodal_ser.fusion import aggregate
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.tables import EMOTIONS, FRAME_INDEX, MODALITIES, Features, failure_table, top
from multimodal_ser.workflows import released
from multimodal_ser.workflows.combining import Combiner
from multimodal_ser.workflows.data import extract_inputs, read_tables
from multimodal_ser.workflows.recipes import TABLES

if TYPE_CHECKING:
    from multimodal_ser.video.extract import FrameStore

#: Of ``params.json``; 1 had one learner per modality.
FORMAT = 2
LEARNERS, NETWORK = "learners", "network.keras"
#: Clips that are held in memory at a time while predicting.
CHUNK_CLIPS = 32
#: Tables of so many chunks are held before they are made one.
PARTS_HELD = 16

PREDICTION_COLUMNS = ("clip", "path", "modality", "emotion", "second", "confidence")
#: What a fused row owes to each modality; they follow the labels.
SHARE_COLUMNS = ("audio_share", "video_share")
#: The share of a clip's sampled frames in which a face was found.
FACE_COLUMN = "face_rate"
#: What there is to know about a row, such as an input that was missing.
NOTE_COLUMN = "note"


class Fitted(Protocol):
    """A fitted learner: :class:`FeatureModel`, or :class:`~multimodal_ser.video.model.VideoModel`.

    ``kind`` is ``features`` or ``frames``; ``name``, ``modality``, ``input`` and
    ``key`` are those of its :class:`~multimodal_ser.workflows.recipes.Learner`.
    """

    kind: str
    name: str
    modality: str
    input: str
    key: str
    labels: tuple[str, ...]

    def describe(self) -> dict:
        """Return what makes it again, beside its weights, as JSON values."""


@dataclass
class Model:
    """Fitted learners, and how they become one answer.

    Attributes:
        learners: name -> fitted learner, in the order of the recipe.
        labels: the label scheme, in the order of every table's columns.
        pooling: how frames become a clip, one of ``fusion.aggregate.NAMES``.
        combiner: calibration and fusion; None multiplies what the learners say.
        adapt: how features have to be normalised, see ``evaluation.adaptation``.
    """

    learners: dict[str, Fitted]
    labels: tuple[str, ...] = EMOTIONS
    pooling: str = "mean"
    combiner: Combiner | None = None
    adapt: str = "none"

    def __post_init__(self) -> None:
        if self.combiner is None:
            self.combiner = Combiner({n: one.modality for n, one in self.learners.items()})

    def __repr__(self) -> str:
        return f"Model({', '.join(self.learners)}; {len(self.labels)} labels)"

    @property
    def modalities(self) -> tuple[str, ...]:
        """Which of ``audio`` and ``video`` have a learner."""
        there = {one.modality for one in self.learners.values()}
        return tuple(name for name in ("audio", "video") if name in there)

    def learner_tables(
        self, clips: Iterable[str], inputs: Mapping[str, Features | FrameStore]
    ) -> dict[str, pd.DataFrame]:
        """Return each learner's probabilities of clips, uncalibrated.

        Args:
            clips: clip ids.
            inputs: key of a learner's input -> features or frames; a learner
                whose input is not there has no table.

        Returns:
            Name of a learner -> probability table with index ``clip``, NaN where
            its input is missing.
        """
        clips = pd.Index(list(clips), name="clip")
        tables = {}
        for name, learner in self.learners.items():
            found = inputs.get(learner.key)
            if found is not None and learner.kind == "frames":
                frames = learner.predict_frames(found, clips)
                tables[name] = aggregate.pool_frames(frames, self.pooling).reindex(clips)
            elif found is not None:
                tables[name] = learner.predict(found, clips)
        return tables

    def probabilities(
        self, clips: Iterable[str], inputs: Mapping[str, Features | FrameStore]
    ) -> dict[str, pd.DataFrame]:
        """Return the probabilities of clips by modality, calibrated and fused.

        Args:
            clips: clip ids.
            inputs: key of a learner's input -> features or frames.

        Returns:
            ``audio`` and ``video``, where there are learners of theirs with
            inputs, and ``fused``: probability tables with index ``clip``; NaN
            where a modality is missing. ``shares``: what each modality adds to
            the fused decision, -1 to 1. ``frames``, of the first network over
            frames: index ``(clip, frame, time_s)``; and ``face_rates``, where it
            looks at faces: share of sampled frames with one. ``notes``: clip ->
            text, of clips that lack a table, or the input of some learners of a
            modality only.
        """
        clips = pd.Index(list(clips), name="clip")
        result: dict = {}
        seen: dict[str, pd.DataFrame] = {}
        looking = [(n, one) for n, one in self.learners.items() if one.kind == "frames"]
        for name, learner in [pair for pair in looking if pair[1].key in inputs][:1]:
            store = inputs[learner.key]
            result["frames"] = learner.predict_frames(store, clips)
            seen[name] = aggregate.pool_frames(result["frames"], self.pooling).reindex(clips)
            if learner.params.crop == "face":
                result["face_rates"] = store.face_rates()
        rest = {name: one for name, one in self.learners.items() if name not in seen}
        tables = replace(self, learners=rest).learner_tables(clips, inputs) | seen
        tables = {name: tables[name] for name in self.learners if name in tables}
        answers = self.combiner(tables, clips)
        return {**answers, **result, "notes": self._notes(tables, clips)}

    def _notes(self, tables: Mapping[str, pd.DataFrame], clips: pd.Index) -> pd.Series:
        """Say which clips lack a table, or an input that others of their modality have."""
        gone = {
            name: tables[name].isna().all(axis=1) if name in tables else pd.Series(True, clips)
            for name in self.learners
        }
        notes = pd.Series("", clips, dtype=object)
        for clip in clips:
            there = {self.learners[name].modality for name in gone if not gone[name][clip]}
            absent = {
                one.input
                for name, one in self.learners.items()
                if gone[name][clip] and there and (one.modality in there or one.input in TABLES)
            }
            notes[clip] = f"no {', '.join(sorted(absent))}" if absent else ""
        return notes

    def save(
        self, folder: str | Path, run: Mapping | None = None, *, original: bool = True
    ) -> Path:
        """Write the model into a folder.

        Networks and classifiers are written for their own libraries and,
        exported, as ONNX, which is what predictions are made with.

        Args:
            folder: made when it does not exist; its model is replaced.
            run: what to keep in ``run.json`` about the training. Where a part
                cannot be exported, ``not_exported`` is added and says why.
            original: whether to write classifiers for their own libraries too;
                a released model is half as large without.

        Returns:
            The folder.

        Raises:
            NotExportable: a classifier cannot be exported and no original is
                wanted.
            OSError: the folder cannot be written.
        """
        folder = Path(folder)
        (folder / "params.json").unlink(missing_ok=True)
        shutil.rmtree(folder / LEARNERS, ignore_errors=True)
        lacking, described = {}, []
        for at, (name, learner) in enumerate(self.learners.items()):
            place = f"{LEARNERS}/{at:02d}-{_slug(name)}"
            if learner.kind == "frames":
                reason = learner.save_weights(folder / place / NETWORK)
            else:
                reason = learner.save_weights(folder / place, original=original)
            lacking |= {name: reason} if reason is not None else {}
            described.append({"name": name, "folder": place, **learner.describe()})
        run = {**dict(run or {}), **({"not_exported": lacking} if lacking else {})}
        params = {
            "format": FORMAT,
            "labels": list(self.labels),
            "pooling": self.pooling,
            "adapt": self.adapt,
            "learners": described,
            "fusion": self.combiner.fuser.describe(),
            "temperatures": self.combiner.temperatures,
        }
        write_json(folder / "run.json", run)
        write_json(folder / "params.json", params)  # last: its presence means whole
        return folder


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower())


def write_json(path: str | Path, content: Mapping) -> None:
    """Write JSON atomically, keys in the order given.

    Raises:
        OSError: the file cannot be written.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str)
    write_atomically(path, lambda file: file.write(f"{text}\n".encode()))


def load_model(model: str | Path | None = None) -> Model:
    """Read a model.

    Args:
        model: its folder, or the name of a released one; None takes the released
            default.

    Raises:
        ModelError: there is none, or it is damaged or of another version.

    Example:
        >>> load_model("my-model").labels[0]  # doctest: +SKIP
        'neutral'
    """
    folder = released.find(model)
    params = _read_params(folder)
    labels = tuple(params["labels"])
    try:
        learners = {entry["name"]: _load_learner(entry, folder) for entry in params["learners"]}
        fuser = Fuser.from_description(params["fusion"])
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ModelError(f"{folder}: the model is damaged ({error}); train it again") from error
    if any(learner.labels != labels for learner in learners.values()):
        raise ModelError(f"{folder}: its parts have other labels than params.json; train it again")
    modalities = {name: learner.modality for name, learner in learners.items()}
    combiner = Combiner(modalities, fuser, dict(params["temperatures"]))
    return Model(learners, labels, params["pooling"], combiner, params["adapt"])


def _load_learner(entry: Mapping, folder: Path) -> Fitted:
    place = (folder / entry["folder"]).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise ModelError(f"{folder}: {entry['folder']!r:.80} leads out of the model; refused")
    named = {key: value for key, value in entry.items() if key not in ("name", "folder")}
    if entry["kind"] == "frames":
        from multimodal_ser.video.model import VideoModel

        learner = VideoModel.load(named, place / NETWORK)
    else:
        from multimodal_ser.workflows.feature_model import FeatureModel

        learner = FeatureModel.load(named, place)
    # Earlier models call a learner by its modality, also when they are saved again.
    if entry["name"] not in (learner.name, learner.modality):
        raise ModelError(f"{folder}: the learner {entry['name']!r:.80} is none; train it again")
    return learner


def _read_params(folder: Path) -> dict:
    path = folder / "params.json"
    try:
        with open(path, "rb") as file:
            text = file.read(_LARGEST_PARAMS + 1)
        if len(text) > _LARGEST_PARAMS:
            raise ModelError(f"{path}: it is too large for a description; train the model again")
        params = json.loads(text)
    except OSError as error:
        raise ModelError(
            f"{folder}: there is no model in it (no params.json); "
            "make one with 'multimodal-ser train DATA --output FOLDER'"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not valid JSON ({error}); train the model again") from error
    if isinstance(params, dict) and params.get("format") == 1:
        params = _of_format_1(params)
    lost = sorted(set(_CHECKS) - set(params)) if isinstance(params, dict) else ["everything"]
    if lost:
        raise ModelError(f"{path}: it lacks {', '.join(lost)}; train the model again")
    for key, fits in _CHECKS.items():
        if not fits(params[key]):
            raise ModelError(
                f"{path}: it has {key} {params[key]!r:.80}; update multimodal_ser, or train the "
                "model again"
            )
    return params


def _of_format_1(params: dict) -> dict:
    """Return the description of an earlier model, one learner per modality, as today's."""
    learners = []
    if isinstance(audio := params.get("audio"), dict):
        moved = {"feature_set": "input", "feature_version": "input_version"}
        said = {moved.get(key, key): value for key, value in audio.items()}
        more = {"name": "audio", "folder": "audio", "modality": "audio", "input_names": []}
        learners.append({"kind": "features", **more, **said})
    if isinstance(video := params.get("video"), dict):
        said = {key: value for key, value in video.items() if key != "pooling"}
        learners.append({"kind": "frames", "name": "video", "folder": "video", **said})
    return {**params, "adapt": "none", "learners": learners}


def _is_label_scheme(value: object) -> bool:
    # Printable: labels reach terminals, tables and pages.
    named = isinstance(value, list) and all(
        isinstance(name, str) and name.isprintable() and 0 < len(name) < 100 for name in value
    )
    return named and 2 <= len(value) <= _MOST_LABELS and len(set(value)) == len(value)


def _is_temperatures(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and type(number) in (int, float) and 1e-3 <= number <= 1e3
        for name, number in value.items()
    )


def _is_learners(value: object) -> bool:
    given = isinstance(value, list) and 0 < len(value) <= _MOST_LEARNERS
    texts = ("name", "folder", "kind")
    whole = given and all(
        isinstance(one, dict) and all(isinstance(one.get(key), str) for key in texts)
        for one in value
    )
    return whole and len({one["name"] for one in value}) == len(value)


#: A released model's params.json has some 5 kB.
_LARGEST_PARAMS = 2**22
_MOST_LABELS, _MOST_LEARNERS = 1000, 64
_CHECKS: dict[str, Callable[[object], bool]] = {
    "format": lambda value: value in (1, FORMAT),
    "labels": _is_label_scheme,
    "pooling": lambda value: isinstance(value, str) and value in aggregate.NAMES,
    "adapt": lambda value: isinstance(value, str) and value in adaptation.NAMES,
    "learners": _is_learners,
    "fusion": lambda value: isinstance(value, dict),
    "temperatures": _is_temperatures,
}


def predict_clips(
    model: Model,
    clips: pd.DataFrame,
    *,
    tables: Mapping[str, Features] | None = None,
    cache: Cache | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> Iterator[tuple[dict[str, pd.DataFrame], pd.DataFrame]]:
    """Predict clips a few at a time, so that memory does not grow with their number.

    Args:
        model: from :func:`load_model` or training.
        clips: a clips table; labels are not looked at.
        tables: name of an input -> a table made elsewhere.
        cache: where features are kept; None keeps nothing.
        workers: processes for reading clips, None for one per core, or an engine.
        progress: whether to show a bar on standard error.

    Yields:
        For each few clips, what :meth:`Model.probabilities` gives, and the
        table of failures. A clip without any usable input is a failure.

    Raises:
        SerError: the model adapts, and there are too few clips of a person.
    """
    from tqdm import tqdm

    workers = Engine.of(workers, several=len(clips) > 1)
    quiet = {"cache": cache or Cache(None), "workers": workers, "progress": False}
    statistics = _statistics(model, clips, tables, quiet)
    bar = tqdm(total=len(clips), desc="predict", unit="clip", disable=not progress)
    with bar:
        for start in range(0, len(clips), CHUNK_CLIPS):
            part = clips.iloc[start : start + CHUNK_CLIPS]
            yield _predict_part(model, part, tables, statistics, quiet)
            bar.update(len(part))


def _inputs(model: Model, part: pd.DataFrame, tables, quiet: Mapping):
    tables = {name: _none(model, name) for name in _absent(model, tables)} | dict(tables or {})
    front_ends = {one.key: one.params for one in model.learners.values() if one.kind == "frames"}
    return extract_inputs(
        part, model.learners.values(), tables, lambda one: front_ends.get(one.key), quiet
    )


def _absent(model: Model, tables) -> set[str]:
    return {one.input for one in model.learners.values()} - set(tables or {})


def _none(model: Model, name: str) -> Features:
    """Return a table without rows: media without one get the other learners."""
    learner = next(one for one in model.learners.values() if one.input == name)
    names = getattr(learner, "_names", ())
    return Features(pd.Index([], dtype=object), np.zeros((0, len(names)), np.float32), names)


def _statistics(model: Model, clips: pd.DataFrame, tables, quiet: Mapping) -> dict | None:
    """Return each group's statistics of every feature input, where the model adapts."""
    if model.adapt == "none":
        return None
    adaptation.check_counts(clips, model.adapt)
    found: dict[str, adaptation.Statistics] = {}
    for start in range(0, len(clips), CHUNK_CLIPS):
        part = clips.iloc[start : start + CHUNK_CLIPS]
        for key, values in _inputs(model, part, tables, quiet)[0].items():
            if isinstance(values, Features):
                found.setdefault(key, adaptation.Statistics()).add(values, part, model.adapt)
    return found


def _predict_part(model: Model, part: pd.DataFrame, given, statistics, quiet: Mapping):
    inputs, failed = _inputs(model, part, given, quiet)
    for key, known in (statistics or {}).items():
        inputs[key] = known.normalise(inputs[key], part, model.adapt)
    tables = model.probabilities(part.index, inputs)
    nothing = tables["fused"].isna().all(axis=1)
    silent = [clip for clip in part.index[nothing] if clip not in set(failed["clip"])]
    if silent:
        paths = [path_of(part.loc[clip], "fused") for clip in silent]
        reason = f"it has nothing that this {_kinds(model)} model can use; use another model"
        rows = [
            (clip, path, "predict", f"{path}: {reason}")
            for clip, path in zip(silent, paths, strict=True)
        ]
        failed = pd.concat([failed, failure_table(rows)], ignore_index=True)
    return tables, failed


def _kinds(model: Model) -> str:
    return "-".join(model.modalities)


def path_of(clip: pd.Series, modality: str) -> str:
    """Return the file that a clip's prediction rests on.

    Args:
        clip: a row of a clips table.
        modality: ``fused`` names the film, or the sound where there is none.

    Example:
        >>> path_of(pd.Series({"audio": "a.wav", "video": None}), "fused")
        'a.wav'
    """
    order = ("audio", "video") if modality == "audio" else ("video", "audio")
    return next((str(clip[column]) for column in order if pd.notna(clip[column])), "")


def prediction_table(
    tables: Mapping[str, pd.DataFrame], clips: pd.DataFrame, *, timeline: bool = False
) -> pd.DataFrame:
    """Return predictions as one tidy table.

    Args:
        tables: what :meth:`Model.probabilities` gives.
        clips: the clips table, for the paths.
        timeline: whether to add a row for every sampled frame, with the
            columns ``frame`` and ``time_s``.

    Returns:
        DataFrame with :data:`PREDICTION_COLUMNS`, one column per label and
        :data:`SHARE_COLUMNS`, :data:`FACE_COLUMN` and :data:`NOTE_COLUMN`; a row
        per clip and modality that is not missing.
        ``second`` is the second most probable label, ``confidence`` the
        probability of the first. The shares are those of a fused row's
        decision: positive for the label that won, negative against it. The
        face rate, 0 to 1, is that of a video row whose model looks at faces.
    """
    parts = [_tidy(tables[name], name) for name in MODALITIES if name in tables]
    if timeline and "frames" in tables:
        parts.append(_tidy(tables["frames"], "video"))
    parts = [part for part in parts if len(part)]
    columns = list(PREDICTION_COLUMNS)
    if timeline:
        columns[3:3] = ["frame", "time_s"]
    labels = [*tables["fused"].columns, *SHARE_COLUMNS, FACE_COLUMN, NOTE_COLUMN]
    if not parts:
        return pd.DataFrame(columns=[*columns, *labels])
    table = pd.concat(parts, ignore_index=True)
    paths = [
        path_of(clips.loc[c], m) for c, m in zip(table["clip"], table["modality"], strict=True)
    ]
    table.insert(1, "path", paths)
    _add_shares(table, tables.get("shares"))
    seen = (table["modality"] == "video") & ("face_rates" in tables)
    table[FACE_COLUMN] = table["clip"].map(tables.get("face_rates", {})).where(seen)
    notes = tables.get("notes", pd.Series(dtype=object))
    table[NOTE_COLUMN] = table["clip"].map(notes).fillna("").astype(object)
    order = {clip: position for position, clip in enumerate(clips.index)}
    table = table.sort_values("clip", key=lambda ids: ids.map(order), kind="stable")
    if timeline:
        table["frame"] = table["frame"].astype("Int64") if "frame" in table else pd.NA
        table["time_s"] = table["time_s"] if "time_s" in table else float("nan")
    return table[[*columns, *labels]].reset_index(drop=True)


def _add_shares(table: pd.DataFrame, shares: pd.DataFrame | None) -> None:
    fused = table["modality"] == "fused"
    for column in SHARE_COLUMNS:
        modality = column.removesuffix("_share")
        table[column] = float("nan")
        if shares is not None and modality in shares:
            table.loc[fused, column] = shares[modality].reindex(table.loc[fused, "clip"]).to_numpy()


def _tidy(probabilities: pd.DataFrame, modality: str) -> pd.DataFrame:
    given = probabilities.dropna(how="all")
    best = top(given)
    table = given.assign(
        modality=modality,
        emotion=best["emotion_1"],
        second=best["emotion_2"],
        confidence=best["confidence_1"],
    )
    levels = FRAME_INDEX if table.index.nlevels > 1 else ("clip",)
    return table.reset_index(names=list(levels))


def predict(
    sources: str | Path | pd.DataFrame | Iterable[str | Path],
    model: Model | str | Path | None = None,
    *,
    tables: Mapping[str, Features | str | Path] | None = None,
    adapt: str | None = None,
    timeline: bool = False,
    cache: Cache | str | Path | None = None,
    workers: int | Engine | None = None,
    progress: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict recordings.

    Args:
        sources: a file or folder, several of them, or a clips table.
        model: a model, its folder, or the name of a released one; None takes
            the released default.
        tables: name of an input -> a table made elsewhere, or its path, such as
            ``{"action_units": "openface.csv"}``; a clip without a row gets the
            other learners and a note.
        adapt: one of ``evaluation.adaptation.NAMES``; None takes the model's own,
            and any other than that is refused.
        timeline: whether to add a row for every sampled frame.
        cache: where features are kept, or its folder; None keeps them in the
            user's cache folder, as the command does. ``Cache(None)`` keeps nothing.
        workers: processes for reading clips, None for one per core, or an engine.
        progress: whether to show a bar on standard error.

    Returns:
        The predictions (:func:`prediction_table`) and the failures
        (``clip, path, stage, error``).

    Raises:
        ModelError: the model cannot be loaded.
        SerError: the model adapts otherwise, or has too few clips to adapt to.
    """
    from multimodal_ser.datasets import folder

    if not isinstance(model, Model):
        model = load_model(model)
    check_adapt(model, adapt)
    unusable = []
    if isinstance(sources, pd.DataFrame):
        clips = sources
    else:
        given = [sources] if isinstance(sources, str | Path) else list(sources)
        clips, unusable = folder.gather(given)
    failures = [failure_table((e.path, e.path, "index", str(e)) for e in unusable)]
    predictions = []
    work = {"cache": as_cache(cache), "workers": workers, "progress": progress}
    for found, failed in predict_clips(model, clips, tables=read_tables(tables), **work):
        predictions.append(prediction_table(found, clips, timeline=timeline))
        failures.append(failed)
        if len(predictions) == PARTS_HELD:  # hundreds of small tables take far more than one
            predictions = [pd.concat(predictions, ignore_index=True)]
            failures = [pd.concat(failures, ignore_index=True)]
    if not predictions:
        empty = {"fused": pd.DataFrame(columns=list(model.labels))}
        predictions = [prediction_table(empty, clips, timeline=timeline)]
    return pd.concat(predictions, ignore_index=True), pd.concat(failures, ignore_index=True)


def check_adapt(model: Model, adapt: str | None) -> None:
    """Refuse an adaptation other than the model was trained with.

    Raises:
        SerError: it is another.
    """
    if adapt is not None and adapt != model.adapt:
        raise SerError(
            f"the model was trained with adaptation {model.adapt!r}, which {adapt!r} is not; "
            f"leave the option out, or train a model with --adapt {adapt}"
        )


def as_cache(cache: Cache | str | Path | None) -> Cache:
    """Return a cache, whatever way it was given; None is the user's own.

    Example:
        >>> as_cache("features").folder.name
        'features'
    """
    if isinstance(cache, Cache):
        return cache
    return Cache(Path(cache) if cache is not None else default_folder())
