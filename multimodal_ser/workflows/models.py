"""A trained model: fitted learners, how they become one answer, and its folder.

A model is a folder: ``params.json`` says what it is made of, ``learners/`` holds
the weights, ``run.json`` says where it comes from. The front ends' parameters
travel with the weights, so that a clip is prepared for prediction just as it was
for training.
"""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pandas as pd

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.errors import ModelError
from multimodal_ser.estimators import files
from multimodal_ser.evaluation import adaptation
from multimodal_ser.fusion import aggregate
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.fusion.sets import PredictionSets
from multimodal_ser.tables import EMOTIONS, Features
from multimodal_ser.tables.records import (
    FeatureLearnerRecord,
    FrameLearnerRecord,
    ModelRecord,
    read_json,
    to_record,
)
from multimodal_ser.workflows import novelty as novel
from multimodal_ser.workflows import released
from multimodal_ser.workflows.combining import Combiner
from multimodal_ser.workflows.recipes import TABLES

if TYPE_CHECKING:
    from multimodal_ser.video.extract import FrameStore
    from multimodal_ser.video.model import VideoModel
    from multimodal_ser.workflows.feature_model import FeatureModel

    #: A fitted learner; told apart by ``kind``, ``features`` or ``frames``.
    Fitted = FeatureModel | VideoModel

#: Of ``params.json``; 1 had one learner per modality.
FORMAT = 2
LEARNERS, NETWORK = "learners", "network.keras"
#: Where weights may lie: a model that replaces another needs a place beside it.
_ROOTS = (LEARNERS, *(f"{LEARNERS}-{number}" for number in range(2, 100)))


@dataclass
class Model:
    """Fitted learners, and how they become one answer.

    Attributes:
        learners: name -> fitted learner, in the order of the recipe.
        labels: the label scheme, in the order of every table's columns.
        pooling: how frames become a clip, one of ``fusion.aggregate.NAMES``.
        combiner: calibration and fusion; by default what the learners say is multiplied.
        adapt: how features have to be normalised, see ``evaluation.adaptation``;
            ``both`` for a model that may adapt in any way, and does not by itself.
        novelty: how far a clip is from what the voice has learnt from, and what that does
            to its confidence; None where that is not known.
    """

    learners: dict[str, Fitted]
    labels: tuple[str, ...] = EMOTIONS
    pooling: str = "mean"
    combiner: Combiner = field(default_factory=lambda: Combiner({}))
    adapt: str = "none"
    novelty: novel.Novelty | None = None

    def __post_init__(self) -> None:
        if not self.combiner.modalities:
            self.combiner = Combiner({n: one.modality for n, one in self.learners.items()})

    @property
    def references(self) -> dict[str, adaptation.Reference]:
        """Name of a learner -> what it adapts to; none where the model adapts as it was trained."""
        found = {name: getattr(one, "reference", None) for name, one in self.learners.items()}
        return {name: one for name, one in found.items() if one is not None}

    def __repr__(self) -> str:
        return f"Model({', '.join(self.learners)}; {len(self.labels)} labels)"

    def _repr_html_(self) -> str:
        from multimodal_ser.reports import notebook

        facts = {"labels": ", ".join(self.labels), "fusion": self.combiner.fuser.method}
        facts |= {"adapts by": self.adapt} if self.adapt != "none" else {}
        rows = [(name, one.modality, one.input) for name, one in self.learners.items()]
        return notebook.about("Model", facts, ("learner", "modality", "input"), rows)

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
                whose input is not there has no table. What there is under a
                learner's own name is for it alone.

        Returns:
            Name of a learner -> probability table with index ``clip``, NaN where
            its input is missing.
        """
        clips = pd.Index(list(clips), name="clip")
        tables = {}
        for name, learner in self.learners.items():
            if learner.key not in inputs:
                continue
            found = inputs.get(name, inputs[learner.key])
            if learner.kind == "frames":
                frames = learner.predict_frames(cast("FrameStore", found), clips)
                tables[name] = aggregate.pool_frames(frames, self.pooling).reindex(clips)
            else:
                tables[name] = learner.predict(cast("Features", found), clips)
        return tables

    def strange(
        self, clips: pd.Index, inputs: Mapping[str, Features | FrameStore]
    ) -> pd.Series | None:
        """Return how far clips are from what the voice has learnt from, or None.

        Args:
            clips: ids.
            inputs: as for :meth:`learner_tables`.

        Returns:
            Above 0 by clip, above 1 what is called strange; NaN where nothing was heard.
            None where it is not known.
        """
        if self.novelty is None or (learner := self.learners.get(self.novelty.learner)) is None:
            return None
        found = inputs.get(learner.name, inputs.get(learner.key))
        return None if found is None else self.novelty.scores(cast("Features", found), clips)

    def combined(
        self,
        tables: Mapping[str, pd.DataFrame],
        clips: pd.Index,
        scores: pd.Series | None = None,
    ) -> dict[str, Any]:
        """Return the answers of :meth:`probabilities` that tables of learners give.

        Args:
            tables: of :meth:`learner_tables`.
            clips: ids.
            scores: of :meth:`strange`.
        """
        order = {name: tables[name] for name in self.learners if name in tables}
        notes = self.notes(order, clips)
        if self.novelty is None or scores is None:
            return {**self.combiner(order, clips), "notes": notes}
        add_notes(notes, dict.fromkeys(scores.index[scores > 1], novel.NOTE))
        answers = self.combiner(order, clips, self.novelty.softening(scores))
        return {**answers, "notes": notes, "novelty": scores}

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
            modality only, or show several faces, or one that does not move, or sound
            unlike what was learnt. ``novelty``: clip -> :meth:`strange`, where known.
        """
        clips = pd.Index(list(clips), name="clip")
        result: dict = {}
        seen: dict[str, pd.DataFrame] = {}
        crowds: dict[str, str] = {}
        for name, learner in self.learners.items():
            if learner.kind != "frames" or learner.key not in inputs or seen:
                continue
            store = cast("FrameStore", inputs[learner.key])
            result["frames"] = learner.predict_frames(store, clips)
            seen[name] = aggregate.pool_frames(result["frames"], self.pooling).reindex(clips)
            if learner.params.crop == "face":
                result["face_rates"] = store.face_rates()
                crowds = {clip: store.face_note(clip) for clip in clips if clip in store}
        rest = {name: one for name, one in self.learners.items() if name not in seen}
        tables = replace(self, learners=rest).learner_tables(clips, inputs) | seen
        answers = self.combined(tables, clips, self.strange(clips, inputs))
        add_notes(answers["notes"], crowds)
        return answers | result

    def notes(self, tables: Mapping[str, pd.DataFrame], clips: pd.Index) -> pd.Series:
        """Say which clips lack a table, or an input that others of their modality have.

        Args:
            tables: what :meth:`learner_tables` gives.
            clips: clip ids.
        """
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
            folder: made when it does not exist. Its model is replaced by one write of
                ``params.json``: whatever stops the writing, one of the two is there, whole.
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
        former, root = weight_folders(folder), free_root(folder)
        try:
            params, lacking = self._write(folder, root, original)
        except BaseException:
            shutil.rmtree(folder / root, ignore_errors=True)
            raise
        run = {**dict(run or {}), **({"not_exported": lacking} if lacking else {})}
        (folder / "run.json").unlink(missing_ok=True)  # no model has another's
        write_json(folder / "params.json", params)
        write_json(folder / "run.json", run)
        for name in former:
            shutil.rmtree(folder / name, ignore_errors=True)
        return folder

    def _write(self, folder: Path, root: str, original: bool) -> tuple[dict, dict[str, str]]:
        """Write the weights into a root; return params.json's content, and what is not exported."""
        lacking: dict[str, str] = {}
        described = []
        for at, (name, learner) in enumerate(self.learners.items()):
            place = f"{root}/{at:02d}-{_slug(name)}"
            if learner.kind == "frames":
                reason = learner.save_weights(folder / place / NETWORK)
            else:
                reason = learner.save_weights(folder / place, original=original)
            lacking |= {name: reason} if reason is not None else {}
            described.append({"name": name, "folder": place, **learner.describe()})
        params = {
            "format": FORMAT,
            "labels": list(self.labels),
            "pooling": self.pooling,
            "adapt": self.adapt,
            "learners": described,
            "fusion": self.combiner.fuser.describe(),
            "temperatures": self.combiner.temperatures,
        }
        if self.combiner.sets is not None:
            params["sets"] = asdict(self.combiner.sets)
        if self.novelty is not None:
            params["novelty"] = self.novelty.save(folder / root)
        return {**params, "files": checksums(folder, [root])}, lacking


def add_notes(notes: pd.Series, more: Mapping[str, str]) -> None:
    """Append to the notes of some clips, in place."""
    for clip, said in more.items():
        notes[clip] = "; ".join(text for text in (str(notes.at[clip]), said) if text)


def free_root(folder: Path) -> str:
    """Return a name for a folder of weights that a model's folder has not."""
    return next(name for name in _ROOTS if name not in weight_folders(folder))


def weight_folders(folder: Path) -> list[str]:
    """Return the names of the folders of weights that are in a model's folder."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in found if re.fullmatch(rf"{LEARNERS}(-\d+)?", path.name))


def checksums(folder: str | Path, roots: Iterable[str] = (LEARNERS,)) -> dict[str, str]:
    """Return the SHA-256 of each file of a model's learners, by its path within the folder.

    Args:
        folder: of the model.
        roots: of the weights, within it.

    Raises:
        ModelError: there is a pipe, a device or a file too large among them.
        OSError: a file cannot be read.

    Example:
        >>> checksums("models/ravdess")  # doctest: +SKIP
        {'learners/00-robust-functionals-corpora-regression/estimator.onnx': 'd1f3...', ...}
    """
    folder = Path(folder)
    inside = (path for root in roots for path in (folder / root).rglob("*"))
    found = sorted(path for path in inside if not path.is_dir())
    # Hidden ones are of file managers, and of writes that were killed; none is ever read.
    seen = (path for path in found if not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): files.sha256(path) for path in seen}


def seal(folder: str | Path) -> None:
    """Write the checksums of a model's files into its ``params.json``, which stays otherwise.

    Only for a model that is known to be whole: one's own, saved by an earlier version.

    Raises:
        ModelError: there is no model, or a file of it is none.
        OSError: a file cannot be read or written.
    """
    path = Path(folder) / "params.json"
    params = read_json(path, "a model", limit_bytes=_LARGEST_PARAMS, error=ModelError)
    roots = {str(one["folder"]).split("/")[0] for one in params.get("learners", ())}
    write_json(path, params | {"files": checksums(folder, roots)})


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
    if model is not None and not isinstance(model, str | Path):
        raise ModelError(f"a {type(model).__name__} is no model; give its folder or its name")
    folder = released.find(model)
    record = _read_params(folder)
    labels = tuple(record.labels)
    _check_files(record, folder)
    try:
        learners = {one.name: _load_learner(one, folder) for one in record.learners}
    except OSError as error:
        raise ModelError(f"{folder}: the model is damaged ({error}); train it again") from error
    except MemoryError as error:
        raise ModelError(f"{folder}: there is not enough memory for the model") from error
    for name, learner in learners.items():
        if name not in (learner.name, learner.modality):  # the latter in earlier models
            raise ModelError(f"{folder}: {name!r:.80} is {learner.name}; train the model again")
    fuser = Fuser.from_description(msgspec.to_builtins(record.fusion))
    if any(learner.labels != labels for learner in learners.values()):
        raise ModelError(f"{folder}: its parts have other labels than params.json; train it again")
    modalities = {name: learner.modality for name, learner in learners.items()}
    combiner = Combiner(modalities, fuser, dict(record.temperatures), _sets(record, folder))
    root = folder / next(iter(_roots_of(record)))
    known = None if record.novelty is None else novel.Novelty.load(record.novelty, root)
    if known is not None and known.learner not in learners:
        raise ModelError(f"{folder}: its novelty is of no learner; copy the model again")
    return Model(learners, labels, record.pooling, combiner, record.adapt, known)


def _roots_of(record: ModelRecord) -> set[str]:
    return {learner.folder.split("/")[0] for learner in record.learners}


def _check_files(record: ModelRecord, folder: Path) -> None:
    """Refuse a model of which a file was changed, added or lost, or is none."""
    for learner in record.learners:
        place = folder / learner.folder
        if place.resolve().is_relative_to(folder.resolve()):
            # Hidden files are of file managers; none is ever read.
            for path in (one for one in place.glob("[!.]*") if not one.is_dir()):
                files.check_file(path)
    if record.files is None:
        warn_of_no_checksums(folder)
        return
    check_checksums(folder, record.files, _roots_of(record))


def warn_of_no_checksums(folder: Path) -> None:
    """Say that a model was saved by an earlier version."""
    warnings.warn(
        f"{folder}: it was saved without checksums, so that a changed file goes unnoticed; "
        "saved again it has them",
        UserWarning,
        stacklevel=4,
    )


def check_checksums(folder: Path, known: Mapping[str, str], roots: Iterable[str]) -> None:
    """Refuse a model's folder of which a file was changed, added or lost since it was saved.

    Args:
        folder: of the model.
        known: what :func:`checksums` gave then.
        roots: of the weights, within it.

    Raises:
        ModelError: it names the file.
    """
    there = checksums(folder, roots)
    changed = sorted(name for name, digest in there.items() if digest != known.get(name))
    lost = sorted(set(known) - set(there))
    if changed or lost:
        name, what = (lost[0], "is missing") if lost else (changed[0], "is not as it was saved")
        raise ModelError(f"{folder}: {name!r:.200} {what}; copy the model again or train it")


def _sets(record: ModelRecord, folder: Path) -> PredictionSets | None:
    if record.sets is None:
        return None
    coverages = tuple(record.sets.coverages)
    thresholds: dict[str, tuple[float, ...]] = {}
    for name, row in record.sets.thresholds.items():
        thresholds[name] = tuple(row)
    rising = all(list(row) == sorted(row) for row in (coverages, *thresholds.values()))
    if not rising or any(len(row) != len(coverages) for row in thresholds.values()):
        raise ModelError(f"{folder}: its prediction sets are damaged; train the model again")
    return PredictionSets(coverages, thresholds)


def _load_learner(record: FeatureLearnerRecord | FrameLearnerRecord, folder: Path) -> Fitted:
    if not (folder / record.folder).resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{folder}: {record.folder!r:.80} leads out of the model; refused")
    description = {key: getattr(record, key) for key in record.__struct_fields__}
    if isinstance(record, FrameLearnerRecord):
        from multimodal_ser.video.model import VideoModel

        return VideoModel.load({"kind": "frames", **description}, folder / record.folder / NETWORK)
    from multimodal_ser.workflows.feature_model import FeatureModel

    return FeatureModel.load({"kind": "features", **description}, folder / record.folder)


def _read_params(folder: Path) -> ModelRecord:
    path = folder / "params.json"
    try:
        if path.exists():
            files.check_file(path)
        given = read_json(path, "a model", limit_bytes=_LARGEST_PARAMS, error=ModelError)
    except OSError as error:
        raise ModelError(
            f"{folder}: there is no model in it (no params.json); "
            "make one with 'multimodal-ser train DATA --output FOLDER'"
        ) from error
    record = to_record(_of_format_1(given), ModelRecord, f"{path}: the model", error=ModelError)
    names = [learner.name for learner in record.learners]
    for what, values in (("labels", record.labels), ("learners", names)):
        # Printable: both reach terminals, tables and pages.
        if len(set(values)) < len(values) or not all(value.isprintable() for value in values):
            raise ModelError(f"{path}: its {what} are not different names; train the model again")
    for key, known in (("pooling", aggregate.NAMES), ("adapt", adaptation.TRAINED)):
        if getattr(record, key) not in known:
            raise ModelError(
                f"{path}: it has {key} {getattr(record, key)!r:.80}; update multimodal_ser, or "
                "train the model again"
            )
    return record


def _of_format_1(params: dict[str, Any]) -> dict[str, Any]:
    """Return the description of an earlier model, one learner per modality, as today's."""
    if params.get("format") != 1:
        return params
    learners = []
    if isinstance(audio := params.get("audio"), dict):
        moved = {"feature_set": "input", "feature_version": "input_version"}
        said: dict[Any, Any] = {moved.get(key, key): value for key, value in audio.items()}
        more = {"name": "audio", "folder": "audio", "modality": "audio", "input_names": []}
        learners.append({"kind": "features", **more, **said})
    if isinstance(video := params.get("video"), dict):
        said = {key: value for key, value in video.items() if key != "pooling"}
        learners.append({"kind": "frames", "name": "video", "folder": "video", **said})
    return {**params, "format": FORMAT, "adapt": "none", "learners": learners}


#: A released model's params.json has some 5 kB.
_LARGEST_PARAMS = 2**22
