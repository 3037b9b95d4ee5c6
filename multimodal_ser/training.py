"""Where training happens: clips in, a fitted model out.

Both ``train`` and every fold of ``benchmark`` go through :func:`fit`. Some of
the training actors are held out from it: their clips stop the networks, and
their predictions give the temperatures and the fusion weights, so that these
are never fitted on clips that a model has learnt by heart.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from multimodal_ser import VERSION
from multimodal_ser.cache import Cache
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.folds import split_validation, with_extra
from multimodal_ser.fusion import calibration, methods
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.inference import Model
from multimodal_ser.labels import labels_of, relabel
from multimodal_ser.parallel import Engine
from multimodal_ser.tables import Features, actor_groups, check_clips

if TYPE_CHECKING:
    from multimodal_ser.video.extract import FrameStore


@dataclass(frozen=True)
class Recipe:
    """What to train.

    Attributes:
        audio: an audio classifier, or None for no audio model.
        features: the audio feature set.
        audio_params: passed to the classifier's ``build``.
        video: a video backbone, or None for no video model.
        video_params: passed to ``VideoModel``.
        every: sample every n-th frame.
        every_seconds: or a frame every so many seconds.
        keyframes_only: or the frames that are coded by themselves; where none
            of the three is given, the backbone's own way.
        crop: ``face`` or ``frame``; None takes the backbone's own.
        detector: what finds faces, one of ``video.detectors.NAMES``; None takes
            the backbone's own.
        pooling: how frames become a clip.
        fusion: how modalities become one, one of ``fusion.methods.NAMES``.
        validation_share: share of the training actors that is held out.
        labels: what to tell apart, one of ``labels.NAMES``.
        copies: how many changed copies of each training clip the audio model
            learns from too (``audio.augment``).
        seed: of everything random.
    """

    audio: str | None = "svc"
    features: str = "aei157"
    audio_params: Mapping = field(default_factory=dict)
    video: str | None = "fer_cnn"
    video_params: Mapping = field(default_factory=dict)
    every: int | None = None
    every_seconds: float | None = None
    keyframes_only: bool = False
    crop: str | None = None
    detector: str | None = None
    pooling: str = "mean"
    fusion: str = "log_pool"
    validation_share: float = 0.2
    labels: str = "emotions8"
    copies: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.audio is None and self.video is None:
            raise SerError("there is nothing to train; choose an audio or a video model")


@dataclass(frozen=True)
class Data:
    """Everything that training reads, extracted once.

    Attributes:
        clips: the clips table.
        features: audio features, or None.
        frames: sampled frames, or None.
        failures: clips that could not be used, and why.
        extra: clips to train on beside those of ``clips``, or None; they have
            features and frames here too.
    """

    clips: pd.DataFrame
    features: Features | None
    frames: FrameStore | None
    failures: pd.DataFrame
    extra: pd.DataFrame | None = None


def frame_params(recipe: Recipe):
    """Return the video front end's parameters: the backbone's own, with the recipe's changes.

    Raises:
        UnknownName: there is no such backbone.
    """
    from multimodal_ser.video import backbones

    own = backbones.load(recipe.video).PARAMS
    changes = {"crop": recipe.crop, "detector": recipe.detector}
    changes = {name: value for name, value in changes.items() if value is not None}
    ways = ("every", "every_seconds", "keyframes_only")
    if any(getattr(recipe, way) not in (None, False) for way in ways):
        changes |= {way: getattr(recipe, way) for way in ways}
    return replace(own, **changes)


def extract(
    clips: pd.DataFrame,
    recipe: Recipe,
    *,
    extra: pd.DataFrame | None = None,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Data:
    """Extract what a recipe needs from every clip.

    Args:
        clips: a clips table.
        recipe: says which features and frames.
        extra: clips to train on beside them, under the same label scheme.
        cache: where results are kept; None keeps nothing.
        workers: processes; None takes one a core.
        progress: whether to show bars on standard error.

    Returns:
        The data; clips that failed are in its ``failures``.

    Raises:
        SerError: no clip has what the recipe wants.
        TableError: an extra clip is among the clips too.
    """
    main = clips
    clips = clips if extra is None else check_clips(pd.concat([clips, extra]))
    features = frames = None
    failures = []
    # One film among many clips must not be read where it could end the run.
    engine = Engine.of(workers, several=len(clips) > 1)
    shared = {"cache": cache or Cache(None), "workers": engine, "progress": progress}
    if recipe.audio and clips["audio"].notna().any():
        from multimodal_ser.audio.extract import extract as extract_audio

        features, failed = extract_audio(clips, recipe.features, **shared)
        failures.append(failed)
    if recipe.video and clips["video"].notna().any():
        from multimodal_ser.video.extract import extract as extract_video

        frames, failed = extract_video(clips, frame_params(recipe), **shared)
        failures.append(failed)
    if not failures:
        raise SerError(
            f"the {len(clips)} clip(s) have no {_wanted(recipe)} to train on; "
            "choose other models or other data"
        )
    data = Data(main, features, frames, pd.concat(failures, ignore_index=True), extra)
    return _with_copies(data, clips, recipe, engine, progress)


def _with_copies(data: Data, clips: pd.DataFrame, recipe: Recipe, engine, progress: bool) -> Data:
    """Return the data with changed copies of all clips among the extra ones."""
    if not recipe.copies or data.features is None:
        return data
    from multimodal_ser.audio.augment import augmented_copies

    shared = {"seed": recipe.seed, "workers": engine, "progress": progress}
    table, changed = augmented_copies(clips, recipe.features, copies=recipe.copies, **shared)
    table["video"] = pd.NA  # the sound alone was changed
    parts = [data.features, changed]
    features = Features(
        parts[0].clips.append(changed.clips),
        np.concatenate([part.values for part in parts]),
        changed.names,
    )
    extra = table if data.extra is None else pd.concat([data.extra, table])
    return replace(data, features=features, extra=extra)


def _wanted(recipe: Recipe) -> str:
    return " or ".join(
        k for k, v in (("sound", recipe.audio), ("picture", recipe.video)) if v is not None
    )


def fit(
    data: Data,
    train: pd.DataFrame,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    progress: bool = True,
) -> Model:
    """Fit a model on training clips alone.

    Args:
        data: extracted features; only the rows of ``train`` are read, and those
            of its extra clips whose actor has no other clips in it.
        train: a clips table with labels.
        recipe: what to fit.
        checkpoint: folder from which an interrupted video training goes on.
        progress: whether to show bars on standard error.

    Returns:
        The model. Networks were fitted on the actors left after holding out
        ``validation_share``; other classifiers on all actors of ``train``,
        after their held-out predictions had given the calibration.

    Raises:
        SerError: there are too few clips or classes to learn from.
    """
    learn, held = split_validation(train, recipe.validation_share, recipe.seed)
    if data.extra is not None:
        # Whose clips are not for training here is not learnt from in song either.
        learn = with_extra(learn, data.extra, _others(data, learn))
        train = with_extra(train, data.extra, _others(data, train))
    audio = video = None
    held_out = {}
    if recipe.audio and data.features is not None and len(data.features.clips):
        audio = _fit_audio(data, learn, held, recipe)
        held_out["audio"] = audio.predict(data.features, held.index)
        if not hasattr(audio.estimator, "patience"):
            audio = _fit_audio(data, train, None, recipe)
    if recipe.video and data.frames is not None and len(data.frames.clips):
        video = _fit_video(data, learn, held, recipe, checkpoint, progress)
        probe = Model(None, video, pooling=recipe.pooling)
        held_out["video"] = probe.probabilities(held.index, None, data.frames)["video"]
    if audio is None and video is None:
        raise SerError("no training clip could be used; see the failures above")
    model = Model(audio, video, labels_of(recipe.labels), pooling=recipe.pooling)
    _calibrate(model, recipe.fusion, held_out, held)
    return model


def _others(data: Data, clips: pd.DataFrame) -> pd.DataFrame:
    return data.clips[~data.clips.index.isin(clips.index)]


def _fit_audio(data: Data, learn: pd.DataFrame, held: pd.DataFrame | None, recipe: Recipe):
    from multimodal_ser.audio.model import AudioModel

    model = AudioModel(
        recipe.features,
        recipe.audio,
        labels=labels_of(recipe.labels),
        seed=recipe.seed,
        params=dict(recipe.audio_params),
    )
    return model.fit(data.features, learn, held)


def _fit_video(data: Data, learn, held, recipe: Recipe, checkpoint, progress):
    from multimodal_ser.video.model import VideoModel

    model = VideoModel(
        recipe.video,
        params=frame_params(recipe),
        labels=labels_of(recipe.labels),
        seed=recipe.seed,
        **recipe.video_params,
    )
    validation = held if len(held) else None
    return model.fit(data.frames, learn, validation, checkpoint=checkpoint, progress=progress)


def _calibrate(
    model: Model, fusion: str, held_out: Mapping[str, pd.DataFrame], held: pd.DataFrame
) -> None:
    truth, actors = held["emotion"], pd.Series(actor_groups(held), held.index)
    for name, table in held_out.items():
        model.temperatures[name] = round(calibration.fit_temperature(table, truth), 6)
    softened = {
        name: calibration.soften(table, model.temperatures[name])
        for name, table in held_out.items()
    }
    both = set.intersection(*(set(t.dropna(how="all").index) for t in softened.values()))
    if len(softened) > 1 and truth[sorted(both)].nunique() > 1:
        model.fuser = Fuser(fusion).fit(softened, truth, actors)
    elif not methods.load(fusion).FITTED:
        model.fuser = Fuser(fusion)
    # Otherwise nothing can be learnt about the two together, and the model's
    # own choice stays: the product, which passes a lone modality unchanged.


def train(
    clips: pd.DataFrame,
    recipe: Recipe,
    output: str | Path,
    *,
    extra: pd.DataFrame | None = None,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[Model, Data]:
    """Extract, fit on all labelled clips, and save the model.

    An interrupted training goes on when it is started again with the same
    output folder: features come from the cache, epochs from the checkpoint.

    Args:
        clips: a clips table; clips without a label are left out.
        recipe: what to train.
        output: the model's folder.
        extra: clips to train on beside them, such as song or another corpus;
            the held-out actors that calibrate the model are left out of it.
        cache: where features are kept; None keeps nothing.
        workers: processes for reading clips; None takes one a core.
        progress: whether to show bars on standard error.

    Returns:
        The model and the data it was fitted on.

    Raises:
        SerError: there is nothing to learn from.
    """
    labelled = relabel(clips, recipe.labels)
    extra = relabel(extra, recipe.labels) if extra is not None else None
    if labelled.empty:
        raise SerError(
            f"none of the {len(clips)} clip(s) has a label; name the files as RAVDESS does, "
            "or put them into folders named after emotions"
        )
    started = time.monotonic()
    shared = {"cache": cache, "workers": workers, "progress": progress}
    data = extract(labelled, recipe, extra=extra, **shared)
    used = labelled if extra is None else pd.concat([labelled, extra])
    identity = f"{table_hash(used)}-{hash_text(repr(recipe))}"[:40]
    checkpoint = Path(output) / ".checkpoint" / identity
    model = fit(data, labelled, recipe, checkpoint=checkpoint, progress=progress)
    seconds = round(time.monotonic() - started, 1)
    model.save(output, run_record(recipe, used, seconds=seconds))
    _remove(Path(output) / ".checkpoint")
    return model, data


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def run_record(recipe: Recipe | None, clips: pd.DataFrame, *, seconds: float, **more) -> dict:
    """Return what ``run.json`` keeps: enough to make the run again and compare it.

    Args:
        recipe: what was trained; None where a script says it itself.
        clips: the clips it was trained on.
        seconds: how long it took.
        more: anything else, as JSON values.
    """
    return {
        "recipe": asdict(recipe) if recipe else None,
        "seed": recipe.seed if recipe else None,
        "n_clips": len(clips),
        "actors": sorted(clips["actor"].dropna().unique().tolist()),
        "clips_hash": table_hash(clips),
        "seconds": seconds,
        **origin(),
        **more,
    }


def origin() -> dict:
    """Return what made a result: ``command``, ``git`` state and ``versions``.

    Example:
        >>> sorted(origin())
        ['command', 'git', 'versions']
    """
    command = " ".join(map(_short, sys.argv[1:]))
    return {"command": command, "git": _git_state(), "versions": _versions()}


def _short(word: str) -> str:
    # Where things lie on one machine is nobody else's business, and of no use to them.
    path = Path(word)
    return path.name if path.is_absolute() else word


def table_hash(clips: pd.DataFrame) -> str:
    """Return a hash of which clips with which labels these are, paths left out."""
    named = clips.drop(columns=["audio", "video", "duration"]).sort_index()
    return hash_text(named.to_csv())


def hash_text(text: str) -> str:
    """Return the first 16 hexadecimal digits of the text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _git_state() -> str | None:
    here = Path(__file__).resolve().parent
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() or None


def _versions() -> dict[str, str]:
    names = ("tensorflow-cpu", "tensorflow", "keras", "librosa", "scikit-learn", "numpy", "av")
    found = {"python": sys.version.split()[0], "multimodal_ser": VERSION}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
