"""Where training happens: clips in, a fitted model out.

What cannot work is told by :func:`prepare`, before any recording is opened.
Both ``train`` and every fold of ``benchmark`` go through :func:`tune`, where a
search is asked for, and :func:`fit`. Some of
the training actors are held out from it: their clips stop the networks, and
their predictions give the temperatures and the fusion weights, so that these
are never fitted on clips that a model has learnt by heart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from multimodal_ser import VERSION
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError, TableError, UnknownName
from multimodal_ser.evaluation import search as searching
from multimodal_ser.evaluation.folds import split_validation, with_extra
from multimodal_ser.fusion import aggregate, calibration, methods
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.tables import Features, actor_groups, check_clips, selection
from multimodal_ser.tables.clips import hash_text, table_hash
from multimodal_ser.tables.labels import labels_of
from multimodal_ser.workflows.inference import Model

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
        search: how many of the audio classifier's ``SEARCH`` parameters are
            tried on training actors, see :func:`tune`; 0 takes ``audio_params``
            alone.
        search_method: one of ``evaluation.search.METHODS``; ``grid`` tries all.
        search_metric: what the search maximises, any scikit-learn metric name.
        seed: of everything random.
    """

    audio: str | None = "svc"
    features: str = "mfcc_rms"
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
    search: int = 0
    search_method: str = "random"
    search_metric: str = "accuracy"
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


def check_front_ends(recipe: Recipe) -> None:
    """Refuse a recipe whose features or frames do not exist.

    Raises:
        UnknownName: there is no such feature set, backbone or detector.
        SerError: a feature set needs a package that is not installed.
    """
    if recipe.audio is not None:
        from multimodal_ser.audio import features

        # openSMILE's sets say here what its licence is, or that it is not there.
        features.load(recipe.features).names()
    if recipe.video is not None:
        from multimodal_ser.video import detectors

        detectors.load(frame_params(recipe).detector)


def check(recipe: Recipe) -> None:
    """Refuse a recipe that cannot be trained, whatever the clips.

    Raises:
        UnknownName: it names something that does not exist; the error lists
            what does.
        SerError: its classifier cannot take its features, or needs a package
            that is not installed, or its search is not possible.

    Example:
        >>> check(Recipe(features="log_mel", video=None))
        Traceback (most recent call last):
        multimodal_ser.errors.SerError: svc takes features of the shape (n_values,), these have \
(300, 64); choose another feature set or classifier
    """
    labels_of(recipe.labels)
    methods.load(recipe.fusion)
    if recipe.pooling not in aggregate.NAMES:
        raise UnknownName("way to combine frames", recipe.pooling, aggregate.NAMES)
    check_front_ends(recipe)
    if recipe.copies and recipe.audio is None:
        raise SerError("changed copies are of the sound; choose an audio model, or no copies")
    if recipe.audio is not None:
        from multimodal_ser.audio import classifiers, features

        shape = features.shape(recipe.features)
        classifiers.check_input(recipe.audio, shape, recipe.audio_params)
        classifiers.load(recipe.audio).build(seed=recipe.seed, **recipe.audio_params)
    _check_search(recipe)


def _check_search(recipe: Recipe) -> None:
    if not recipe.search:
        return
    from sklearn.metrics import get_scorer_names

    if recipe.audio is None:
        raise SerError("a search is over the audio classifier's parameters; choose one")
    if recipe.search_method not in searching.METHODS:
        raise UnknownName("method of search", recipe.search_method, searching.METHODS)
    if recipe.search_metric not in get_scorer_names():
        raise UnknownName("metric", recipe.search_metric, tuple(get_scorer_names()))
    if recipe.search_method == "optuna" and find_spec("optuna") is None:
        raise SerError(
            "Optuna is not installed; pip install 'multimodal-ser[search]', or search by 'random'"
        )


def prepare(
    clips: pd.DataFrame, recipe: Recipe, extra: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the clips and the extra clips that a recipe's labels keep, checked together.

    Nothing is opened: what cannot work is told before the extraction.

    Args:
        clips: a clips table.
        recipe: what is to be trained.
        extra: clips to train on only, or None; those that are among the clips
            are left out.

    Raises:
        SerError: the recipe cannot be trained, or there are no two labels.
        TableError: it is not known whose the extra clips or the changed copies
            are, see :func:`selection.apart`.
    """
    check(recipe)
    labelled = selection.labelled(clips, recipe.labels)
    if labelled["emotion"].nunique() < 2:
        raise SerError(
            f"all {len(labelled)} labelled clip(s) are {labelled['emotion'].iloc[0]}; "
            "training needs clips of at least two labels"
        )
    nameless = labelled.index[labelled["actor"].isna()]
    if recipe.copies and len(nameless):
        raise TableError(
            f"{len(nameless)} clip(s) have no known actor, among them {nameless[0]!r}, and a "
            "changed copy could be of somebody who is tested; fill the column actor"
        )
    if extra is not None:
        extra = selection.labelled(selection.apart(extra, clips), recipe.labels)
    return labelled, extra


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
    return _with_copies(data, clips, recipe, shared)


def _with_copies(data: Data, clips: pd.DataFrame, recipe: Recipe, shared: Mapping) -> Data:
    """Return the data with changed copies of all clips among the extra ones."""
    if not recipe.copies or data.features is None:
        return data
    from multimodal_ser.audio.augment import augmented_copies

    options = {"copies": recipe.copies, "seed": recipe.seed, **shared}
    table, changed = augmented_copies(clips, recipe.features, **options)
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
    learn, held = _split(train, recipe)
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


def _split(train: pd.DataFrame, recipe: Recipe) -> tuple[pd.DataFrame, pd.DataFrame]:
    return split_validation(train, recipe.validation_share, recipe.seed)


def tune(
    data: Data, train: pd.DataFrame, recipe: Recipe, *, progress: bool = True
) -> tuple[Recipe, dict | None]:
    """Search the audio classifier's parameters on training clips alone.

    The inner folds keep every actor on one side, and the actors that
    :func:`fit` holds out for calibration take no part. The search looks at the
    clips proper, not at extra ones or changed copies: those are learnt from
    with the parameters that it found.

    Args:
        data: extracted features; only rows of ``train`` are read.
        train: a clips table with labels.
        recipe: with ``search`` above 0; otherwise nothing is done.
        progress: whether to show a bar on standard error.

    Returns:
        The recipe with the best ``audio_params`` and no search left to do; and
        what was found as JSON values: ``method``, ``metric``, ``score`` (its
        mean over the inner folds), ``params`` and ``trials``; None without a
        search.

    Raises:
        SerError: fewer than two actors are left to search among, or no
            candidate could be scored.
    """
    if not recipe.search or data.features is None:
        return replace(recipe, search=0), None
    from sklearn.exceptions import UndefinedMetricWarning

    from multimodal_ser.audio import classifiers

    learn, _ = _split(train, recipe)
    learn = learn[learn.index.isin(data.features.clips)]
    module, params = classifiers.load(recipe.audio), dict(recipe.audio_params)
    labels = labels_of(recipe.labels)
    with warnings.catch_warnings():
        # A candidate that never names a label has no precision; it counts as 0.
        warnings.filterwarnings("ignore", category=UndefinedMetricWarning)
        found = searching.search(
            lambda **tried: module.build(seed=recipe.seed, **(params | tried)),
            module.SEARCH,
            data.features.take(learn.index),
            # Without gaps, which XGBoost asks for.
            np.unique([labels.index(label) for label in learn["emotion"]], return_inverse=True)[1],
            actor_groups(learn),
            method=recipe.search_method,
            n_draws=recipe.search,
            scoring=recipe.search_metric,
            seed=recipe.seed,
            workers=1,
            progress=progress,
        )
    record = {"method": recipe.search_method, "metric": recipe.search_metric}
    record |= {"score": round(found.best_score_, 6), "params": found.best_params_}
    record["trials"] = json.loads(found.trials.to_json(orient="records"))
    return replace(recipe, audio_params=params | found.best_params_, search=0), record


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
        SerError: the recipe cannot be trained on these clips, see
            :func:`prepare`, or there is nothing to learn from.
    """
    labelled, extra = prepare(clips, recipe, extra)
    started = time.monotonic()
    shared = {"cache": cache, "workers": workers, "progress": progress}
    data = extract(labelled, recipe, extra=extra, **shared)
    used = labelled if extra is None else pd.concat([labelled, extra])
    identity = f"{table_hash(used)}-{hash_text(repr(recipe))}"[:40]
    checkpoint = Path(output) / ".checkpoint" / identity
    tuned, found = tune(data, labelled, recipe, progress=progress)
    model = fit(data, labelled, tuned, checkpoint=checkpoint, progress=progress)
    seconds = round(time.monotonic() - started, 1)
    more = {"search": found} if found else {}
    model.save(output, run_record(recipe, used, seconds=seconds, **more))
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
    name, is_named, value = word.rpartition("=")  # such as cremad=/home/anna/CREMA-D
    path = Path(value)
    return name + is_named + path.name if path.is_absolute() else word


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
