"""Trained models on disk, and predictions of clips with them.

A model is a folder: ``params.json`` says what it is made of, ``audio/`` and
``video/`` hold the weights, ``run.json`` says where it comes from. The front
ends' parameters travel with the weights, so that a clip is prepared for
prediction just as it was for training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from multimodal_ser.compute.cache import Cache, write_atomically
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import ModelError
from multimodal_ser.fusion import aggregate, calibration
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.tables import EMOTIONS, FRAME_INDEX, MODALITIES, failure_table, top
from multimodal_ser.workflows import released

if TYPE_CHECKING:
    from multimodal_ser.audio.model import AudioModel
    from multimodal_ser.tables import Features
    from multimodal_ser.video.extract import FrameStore
    from multimodal_ser.video.model import VideoModel

FORMAT = 1
#: Clips that are held in memory at a time while predicting.
CHUNK_CLIPS = 32
#: Tables of so many chunks are held before they are made one.
PARTS_HELD = 16

PREDICTION_COLUMNS = ("clip", "path", "modality", "emotion", "second", "confidence")
#: What a fused row owes to each modality; they follow the labels.
SHARE_COLUMNS = ("audio_share", "video_share")
#: The share of a clip's sampled frames in which a face was found.
FACE_COLUMN = "face_rate"


@dataclass
class Model:
    """An audio model, a video model or both, and how they are joined.

    Attributes:
        audio: fitted, or None.
        video: fitted, or None.
        labels: the label scheme, in the order of every table's columns.
        pooling: how frames become a clip, one of ``fusion.aggregate.NAMES``.
        fuser: how modalities become one, with what it has learnt.
        temperatures: modality -> temperature of its calibration.
    """

    audio: AudioModel | None
    video: VideoModel | None
    labels: tuple[str, ...] = EMOTIONS
    pooling: str = "mean"
    fuser: Fuser = field(default_factory=lambda: Fuser("product"))
    temperatures: dict[str, float] = field(default_factory=dict)

    def probabilities(
        self, clips: Iterable[str], features: Features | None, frames: FrameStore | None
    ) -> dict[str, pd.DataFrame]:
        """Return the probabilities of clips by modality, calibrated and fused.

        Args:
            clips: clip ids.
            features: of the audio model's feature set, or None.
            frames: prepared for the video model, or None.

        Returns:
            ``audio``, ``video`` (where the model has them) and ``fused``:
            probability tables with index ``clip``; NaN where a modality is
            missing. ``frames``: index ``(clip, frame, time_s)``. ``shares``:
            what each modality adds to the fused decision, -1 to 1
            (:meth:`Fuser.contributions`). ``face_rates``, where the video
            model looks at faces: share of sampled frames with one.
        """
        clips = pd.Index(list(clips), name="clip")
        tables = {}
        if self.audio is not None and features is not None:
            tables["audio"] = self.audio.predict(features, clips)
        result = {}
        if self.video is not None and frames is not None:
            result["frames"] = self.video.predict_frames(frames, clips)
            pooled = aggregate.pool_frames(result["frames"], self.pooling)
            tables["video"] = pooled.reindex(clips)
            if self.video.params.crop == "face":
                result["face_rates"] = frames.face_rates()
        tables = {
            name: calibration.soften(table, self.temperatures.get(name, 1.0))
            for name, table in tables.items()
        }
        result["shares"] = self.fuser.contributions(tables).reindex(clips)
        return {**tables, "fused": self.fuser(tables).reindex(clips), **result}

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
            original: whether to write the audio classifier for its own library
                too; a released model is half as large without.

        Returns:
            The folder.

        Raises:
            NotExportable: the audio classifier cannot be exported and no
                original is wanted.
            OSError: the folder cannot be written.
        """
        folder = Path(folder)
        (folder / "params.json").unlink(missing_ok=True)
        reasons = {}
        params: dict = {
            "format": FORMAT,
            "labels": list(self.labels),
            "pooling": self.pooling,
            "fusion": self.fuser.describe(),
            "temperatures": self.temperatures,
        }
        if self.audio is not None:
            reasons["audio"] = self.audio.save_weights(folder / "audio", original=original)
            params["audio"] = self.audio.describe()
        if self.video is not None:
            reasons["video"] = self.video.save_weights(folder / "video" / "network.keras")
            params["video"] = self.video.describe()
        lacking = {name: reason for name, reason in reasons.items() if reason is not None}
        run = {**dict(run or {}), **({"not_exported": lacking} if lacking else {})}
        write_json(folder / "run.json", run)
        write_json(folder / "params.json", params)  # last: its presence means whole
        return folder


def write_json(path: str | Path, content: Mapping) -> None:
    """Write JSON atomically, keys in the order given.

    Raises:
        OSError: the file cannot be written.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str)
    write_atomically(path, lambda file: file.write(f"{text}\n".encode()))


def load_model(model: str | Path | None = None) -> Model:
    """Read a model.

    Nothing in its folder is run: exported networks are read by ONNX Runtime,
    scikit-learn parts by skops, networks in Keras's safe mode.

    Args:
        model: a folder that ``train`` made, or the name of a released model
            (:func:`multimodal_ser.released_models`); None takes the released default.

    Returns:
        The model, ready to predict.

    Raises:
        ModelError: there is no such model, or it is damaged, newer than this
            program, or names types that are not trusted.

    Example:
        >>> load_model("no-such-model")
        Traceback (most recent call last):
        multimodal_ser.errors.ModelError: no-such-model: ...
    """
    folder = released.find(model)
    params = _read_params(folder)
    audio = video = None
    try:
        if "audio" in params:
            from multimodal_ser.audio.model import AudioModel

            audio = AudioModel.load(params["audio"], folder / "audio")
        if "video" in params:
            from multimodal_ser.video.model import VideoModel

            video = VideoModel.load(params["video"], folder / "video" / "network.keras")
        fuser = Fuser.from_description(params["fusion"])
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ModelError(f"{folder}: the model is damaged ({error}); train it again") from error
    labels = tuple(params["labels"])
    if any(part.labels != labels for part in (audio, video) if part is not None):
        raise ModelError(f"{folder}: its parts have other labels than params.json; train it again")
    return Model(audio, video, labels, params["pooling"], fuser, dict(params["temperatures"]))


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
    needed = {"format", "labels", "pooling", "fusion", "temperatures"}
    lost = sorted(needed - set(params)) if isinstance(params, dict) else ["everything"]
    if lost:
        raise ModelError(f"{path}: it lacks {', '.join(lost)}; train the model again")
    if params["format"] != FORMAT:
        raise ModelError(
            f"{path}: it has format {params['format']!r:.80}, this program reads {FORMAT}; "
            "update multimodal_ser or train the model again"
        )
    for key, fits in _CHECKS.items():
        if not fits(params[key]):
            raise ModelError(f"{path}: it has {key} {params[key]!r:.80}; train the model again")
    if not {"audio", "video"} & set(params):
        raise ModelError(f"{path}: it names neither audio nor video; train the model again")
    return params


def _is_label_scheme(value: object) -> bool:
    # Printable: labels reach terminals, tables and pages.
    named = isinstance(value, list) and all(
        isinstance(name, str) and name.isprintable() and 0 < len(name) < 100 for name in value
    )
    return named and 2 <= len(value) <= _MOST_LABELS and len(set(value)) == len(value)


def _is_temperatures(value: object) -> bool:
    return isinstance(value, dict) and all(
        name in MODALITIES and type(number) in (int, float) and 1e-3 <= number <= 1e3
        for name, number in value.items()
    )


#: A released model's params.json has some 5 kB.
_LARGEST_PARAMS = 2**22
_MOST_LABELS = 1000
_CHECKS: dict[str, Callable[[object], bool]] = {
    "labels": _is_label_scheme,
    "pooling": lambda value: isinstance(value, str) and value in aggregate.NAMES,
    "temperatures": _is_temperatures,
}


def predict_clips(
    model: Model,
    clips: pd.DataFrame,
    *,
    cache: Cache | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> Iterator[tuple[dict[str, pd.DataFrame], pd.DataFrame]]:
    """Predict clips a few at a time, so that memory does not grow with their number.

    Args:
        model: from :func:`load_model` or training.
        clips: a clips table; labels are not looked at.
        cache: where features are kept; None keeps nothing.
        workers: processes for reading clips, None for one a core, or an engine.
        progress: whether to show a bar on standard error.

    Yields:
        For each few clips, what :meth:`Model.probabilities` gives, and the
        table of failures. A clip without any usable modality is a failure.
    """
    from tqdm import tqdm

    cache = cache or Cache(None)
    workers = Engine.of(workers, several=len(clips) > 1)
    bar = tqdm(total=len(clips), desc="predict", unit="clip", disable=not progress)
    with bar:
        for start in range(0, len(clips), CHUNK_CLIPS):
            part = clips.iloc[start : start + CHUNK_CLIPS]
            yield _predict_part(model, part, cache, workers)
            bar.update(len(part))


def _predict_part(model: Model, part: pd.DataFrame, cache: Cache, workers: Engine):
    features, frames = None, None
    failures = []
    quiet = {"cache": cache, "workers": workers, "progress": False}
    if model.audio is not None:
        from multimodal_ser.audio.extract import extract as extract_audio

        features, failed = extract_audio(part, model.audio.feature_set, **quiet)
        failures.append(failed)
    if model.video is not None:
        from multimodal_ser.video.extract import extract as extract_video

        frames, failed = extract_video(part, model.video.params, **quiet)
        failures.append(failed)
    tables = model.probabilities(part.index, features, frames)
    failed = pd.concat(failures, ignore_index=True)
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
    return "-".join(k for k in ("audio", "video") if getattr(model, k) is not None)


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
        :data:`SHARE_COLUMNS` and :data:`FACE_COLUMN`; a row per clip and
        modality that is not missing.
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
    labels = [*tables["fused"].columns, *SHARE_COLUMNS, FACE_COLUMN]
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
    timeline: bool = False,
    cache: Cache | None = None,
    workers: int | Engine | None = None,
    progress: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict recordings.

    Args:
        sources: a file or folder, several of them, or a clips table.
        model: a model, its folder, or the name of a released one; None takes
            the released default.
        timeline: whether to add a row for every sampled frame.
        cache: where features are kept; None keeps nothing.
        workers: processes for reading clips, None for one a core, or an engine.
        progress: whether to show a bar on standard error.

    Returns:
        The predictions (:func:`prediction_table`) and the failures
        (``clip, path, stage, error``).

    Raises:
        ModelError: the model cannot be loaded.
    """
    from multimodal_ser.datasets import folder

    if not isinstance(model, Model):
        model = load_model(model)
    unusable = []
    if isinstance(sources, pd.DataFrame):
        clips = sources
    else:
        given = [sources] if isinstance(sources, str | Path) else list(sources)
        clips, unusable = folder.gather(given)
    failures = [failure_table((e.path, e.path, "index", str(e)) for e in unusable)]
    predictions = []
    for tables, failed in predict_clips(
        model, clips, cache=cache, workers=workers, progress=progress
    ):
        predictions.append(prediction_table(tables, clips, timeline=timeline))
        failures.append(failed)
        if len(predictions) == PARTS_HELD:  # hundreds of small tables take far more than one
            predictions = [pd.concat(predictions, ignore_index=True)]
            failures = [pd.concat(failures, ignore_index=True)]
    if not predictions:
        empty = {"fused": pd.DataFrame(columns=list(model.labels))}
        predictions = [prediction_table(empty, clips, timeline=timeline)]
    return pd.concat(predictions, ignore_index=True), pd.concat(failures, ignore_index=True)
