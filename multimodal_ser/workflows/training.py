"""Where training happens: clips in, a fitted model out.

``train`` and every fold of ``benchmark`` take the same two steps. Each learner is
*cross-fitted*: on inner folds that keep actors apart, parameters are chosen by
log-loss and held-out predictions of every training clip are made; then it is
fitted on all training clips. Calibration and fusion are fitted on the
cross-fitted predictions, so never on clips that a learner has seen. A network is
stopped by actors of its own training part, who are not those whom it calibrates on.
"""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.jobs import Job, Shared, Task, run_tasks
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError, UnknownName
from multimodal_ser.estimators.first_steps import FirstSteps
from multimodal_ser.evaluation import adaptation, metrics
from multimodal_ser.evaluation import search as searching
from multimodal_ser.evaluation.folds import (
    CORPORA,
    LEAKY,
    Fold,
    make_folds,
    split_validation,
    with_extra,
)
from multimodal_ser.fusion import aggregate, calibration, methods
from multimodal_ser.plugins import require
from multimodal_ser.tables import Features, actor_groups
from multimodal_ser.tables.clips import hash_text, table_hash
from multimodal_ser.tables.labels import check_scheme, labels_among
from multimodal_ser.workflows import combining
from multimodal_ser.workflows.data import (
    Data,
    Work,
    as_cache,
    extract,
    frame_params,
    owners,
    prepare,
    read_tables,
)
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.models import Model
from multimodal_ser.workflows.recipes import FRAMES, SEQUENCES, Learner, Recipe
from multimodal_ser.workflows.records import run_record
from multimodal_ser.workflows.sources import Labelled, as_clips
from multimodal_ser.workflows.unknown_speakers import grouped

if TYPE_CHECKING:
    from multimodal_ser.video.extract import FrameStore
    from multimodal_ser.workflows.models import Fitted

#: Below so many values to learn from, one process is quicker than to start another.
WORTH_A_PROCESS = 2_000_000


@dataclass(frozen=True)
class CrossFit:
    """What inner folds say of a learner.

    Attributes:
        params: those chosen, on top of the learner's own.
        table: held-out probabilities of the training clips; no rows where there
            was nobody to hold out.
        chosen: what was chosen and how, as JSON values.
        seconds: of processor time that the fits took.
    """

    params: Mapping
    table: pd.DataFrame
    chosen: Mapping
    seconds: float = 0.0


def check(recipe: Recipe) -> None:
    """Refuse a recipe that cannot be trained, whatever the clips.

    Raises:
        UnknownName: it names something that does not exist; the error lists
            what does.
        SerError: a classifier cannot take its features, or needs a package
            that is not installed, or its search is not possible.

    Example:
        >>> check(Recipe(audio="log_mel:svc", video=None))
        Traceback (most recent call last):
        multimodal_ser.errors.SerError: svc takes features of the shape (n_values,), these have \
(300, 64); choose another feature set or classifier
    """
    if not isinstance(recipe, Recipe):
        kind = type(recipe).__name__
        raise SerError(f"a {kind} is no recipe; give one, such as Recipe(audio='functionals:svc')")
    check_scheme(recipe.labels)
    methods.load(recipe.fusion)
    if recipe.pooling not in aggregate.NAMES:
        raise UnknownName("way to combine frames", recipe.pooling, aggregate.NAMES)
    if recipe.adapt not in adaptation.TRAINED:
        raise UnknownName("adaptation", recipe.adapt, adaptation.TRAINED)
    check_front_ends(recipe)
    if any(map(is_network, recipe.learners)):
        require("keras", "tensorflow", "tf2onnx")
    if recipe.adapt == adaptation.BOTH and not any(map(_is_vector, recipe.learners)):
        raise SerError("vectors are adapted alone; choose a learner of them, or --adapt none")
    if recipe.copies and not recipe.heard:
        raise SerError("changed copies are of the sound; choose an audio model, or no copies")
    from multimodal_ser.audio import classifiers, features

    for learner in recipe.heard:
        shape = features.shape(learner.input)
        classifiers.check_input(learner.classifier, shape, learner.params)
    for learner in recipe.seen:
        along_time = learner.input in SEQUENCES
        if learner.input != FRAMES and along_time != _module(learner).SEQUENCES:
            fits = "temporal" if along_time else "another classifier, or action_unit_frames"
            raise SerError(f"{learner.classifier} cannot take {learner.input}; choose {fits}")
    for learner in recipe.learners:
        if learner.input != FRAMES:
            _module(learner).build(seed=recipe.seed, **learner.params)
    _check_search(recipe)


def check_front_ends(recipe: Recipe) -> None:
    """Refuse a recipe whose features or frames do not exist.

    Raises:
        UnknownName: there is no such feature set, backbone or detector.
        SerError: a feature set needs a package that is not installed.
    """
    from multimodal_ser.audio import features

    for learner in recipe.heard:
        # openSMILE's sets say here what their licence is, or that they are not there.
        features.load(learner.input).names()
    for learner in recipe.seen:
        if learner.input == FRAMES:
            from multimodal_ser.video import detectors

            detectors.load(frame_params(recipe, learner.classifier).detector)


def _check_search(recipe: Recipe) -> None:
    if not recipe.search:
        return
    from sklearn.metrics import get_scorer_names

    if not recipe.heard:
        raise SerError("a search is over the audio classifier's parameters; choose one")
    if not recipe.inner_folds:
        raise SerError("a search compares candidates on inner folds; give 2 or more of them")
    if recipe.search_method not in searching.METHODS:
        raise UnknownName("method of search", recipe.search_method, searching.METHODS)
    if recipe.search_metric not in get_scorer_names():
        raise UnknownName("metric", recipe.search_metric, tuple(get_scorer_names()))
    if recipe.search_method == "optuna":
        require("optuna", remark=searching.WITHOUT_OPTUNA)


def inner_folds(train: pd.DataFrame, recipe: Recipe, scheme: str = "actors") -> list[Fold]:
    """Return folds of training clips that keep actors apart; none for one actor, or for 0 folds.

    For ``corpora`` they leave out one data set at a time, where there are three or more: a model
    that will meet another corpus chooses its parameters and learns how sure it may be from
    predictions of a corpus that it has not met. (Logistic regression on functionals, 400 clips of
    each of four corpora, each left out in turn: ECE 9.8 % so, 20.5 % with inner folds over actors,
    UAR 33.7 and 34.2 %.) With two, each inner fold would learn from one
    corpus alone, which is another task; and a label of one data set alone could not be
    learnt without it. In both cases the inner folds are over actors. So many as there are data
    sets, whatever number above 0 ``inner_folds`` is.

    Args:
        train: the training clips.
        recipe: ``inner_folds`` and ``seed``.
        scheme: of the outer folds; a leaky one has leaky inner folds.
    """
    if scheme == CORPORA and recipe.inner_folds and _are_corpora(train):
        return make_folds(train, CORPORA)
    inner = scheme if scheme in LEAKY else "actors"
    count = min(recipe.inner_folds, len(set(actor_groups(train))))
    return make_folds(train, inner, seed=recipe.seed, n_folds=count) if count > 1 else []


def _are_corpora(train: pd.DataFrame) -> bool:
    """Tell whether there are three data sets, each of whose labels another has too."""
    named = train.groupby(train["dataset"].fillna(""))["emotion"]
    labels = [set(part.dropna()) for _, part in named]
    held = Counter(label for there in labels for label in there)
    return len(labels) > 2 and min(held.values(), default=0) > 1


def cross_fit(
    learner: Learner,
    data: Data,
    train: pd.DataFrame,
    folds: Sequence[Fold],
    recipe: Recipe,
    *,
    workers: int = 1,
    progress: bool = True,
) -> CrossFit:
    """Choose a learner's parameters and predict every training clip, on inner folds.

    Args:
        learner: of the recipe.
        data: extracted; only rows of ``train`` and of its extra clips are read.
        train: the training clips.
        folds: of :func:`inner_folds`.
        recipe: everything else.
        workers: processes for the fits of classifiers; networks take one.
        progress: whether to show bars on standard error.

    Raises:
        SerError: no candidate could be scored, or a fold has too few classes.
    """
    task = crossing(learner, Shares(data), Shared(train), folds, recipe, progress=progress)
    return run_tasks([task], workers=workers, n_jobs=len(folds), progress=progress)[0]


class Shares:
    """What is shared of data with the processes that fit: a part for each input.

    Args:
        data: extracted.
    """

    def __init__(self, data: Data) -> None:
        self._data = data
        self._parts: dict[str, Shared[Data]] = {}

    def of(self, learner: Learner) -> Shared[Data]:
        """Return the data with one learner's input alone."""
        if learner.key not in self._parts:
            alone = {learner.key: self._data.inputs[learner.key]}
            part = replace(self._data, inputs=alone, failures=pd.DataFrame())
            self._parts[learner.key] = Shared(part)
        return self._parts[learner.key]

    def here(self, learner: Learner) -> bool:
        """Tell whether a learner is fitted in this process: a network, or on few values."""
        found = self._data.inputs[learner.key]
        size = found.values.size if isinstance(found, Features) else 0
        return size < WORTH_A_PROCESS or is_network(learner)


def crossing(
    learner: Learner,
    shares: Shares,
    train: Shared[pd.DataFrame],
    folds: Sequence[Fold],
    recipe: Recipe,
    *,
    where: str = "",
    progress: bool = True,
) -> Task[CrossFit]:
    """Return the task of :func:`cross_fit`: a job per inner fold.

    Args:
        learner: of the recipe.
        shares: of the data.
        train: the training clips.
        folds: of :func:`inner_folds`.
        recipe: everything else.
        where: the outer fold, for what errors say.
        progress: whether a search shows a bar.
    """
    if not folds:
        labels = list(labels_among(train.value, recipe.labels))
        nothing = pd.DataFrame(columns=labels, dtype=float)
        return CrossFit({**learner.params, **learner.candidates[0]}, nothing, {})
    given, here = shares.of(learner), shares.here(learner)
    name, seconds, record = f"{learner.name}{where}", 0.0, cast("dict", {})
    if _space(learner, recipe):
        told = (learner, given, train, folds, recipe, progress and here)
        (done,) = yield [Job(f"{name}, search", _searched, told, here)]
        (learner, record), seconds = done
    made = yield [
        Job(
            f"{name}, inner fold {fold.name}",
            _held_out,
            (learner, given, train, fold, recipe),
            here,
        )
        for fold in folds
    ]
    seconds += sum(done.seconds for done in made)
    tables = [pd.concat(parts) for parts in zip(*(done.value for done in made), strict=True)]
    losses = [_loss(table, train.value["emotion"]) for table in tables]
    best = int(np.argmin(losses)) if len(losses) > 1 else 0
    chosen = dict(learner.candidates[best])
    if len(losses) > 1:
        tried = [
            {"params": dict(p), "nll": round(loss, 6)}
            for p, loss in zip(learner.candidates, losses, strict=True)
        ]
        record = {**record, "params": chosen, "tried": tried}
    return CrossFit({**learner.params, **chosen}, tables[best], record, seconds)


def _loss(table: pd.DataFrame, truth: pd.Series) -> float:
    table = table.dropna(how="all")
    if table.empty:
        return 0.0
    softened = calibration.soften(table, calibration.fit_temperature(table, truth))
    return metrics.score(softened, truth)["nll"]


def _held_out(
    learner: Learner,
    shared: Shared[Data],
    train: Shared[pd.DataFrame],
    fold: Fold,
    recipe: Recipe,
) -> list[pd.DataFrame]:
    """Return the held-out table of each candidate in an inner fold."""
    data, part = shared.value, train.value.loc[fold.train]
    if not _has_two(part, data, learner):
        labels = list(labels_among(train.value, recipe.labels))
        return [pd.DataFrame(np.nan, fold.test, labels) for _ in learner.candidates]
    tables, first = [], FirstSteps()
    for params in learner.candidates:
        one = replace(learner, params={**learner.params, **params})
        fitted = fit_learner(one, data, part, recipe, first=first)
        tables.append(predict_learner(fitted, data.inputs, fold.test, recipe.pooling))
    return tables


def fit_learner(
    learner: Learner,
    data: Data,
    train: pd.DataFrame,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    progress: bool = False,
    first: FirstSteps | None = None,
) -> Fitted:
    """Fit a learner on training clips, and on extra ones of nobody who is held out.

    Args:
        learner: with its final parameters.
        data: extracted; of its extra clips those are learnt from whose actor has
            no other clips in it than those of ``train``.
        train: the training clips.
        recipe: labels, seed, and how networks stop.
        checkpoint: folder from which an interrupted network training resumes.
        progress: whether to show a bar of epochs.
        first: first steps that were fitted on the same clips, or None.

    Raises:
        SerError: there are too few clips or classes to learn from.
    """
    held = None
    learn = train
    if is_network(learner):
        learn, held = split_validation(train, recipe.stop_share, recipe.seed)
    if data.extra is not None:
        # A person who is not for training here is not learnt from in song either.
        learn = with_extra(learn, data.extra, data.clips[~data.clips.index.isin(learn.index)])
    labels, found = labels_among(train, recipe.labels), data.inputs[learner.key]
    held = held if held is not None and len(held) else None
    if learner.input == FRAMES:
        from multimodal_ser.video.model import VideoModel

        params = frame_params(recipe, learner.classifier)
        model = VideoModel(
            learner.classifier, params=params, labels=labels, seed=recipe.seed, **learner.params
        )
        store = cast("FrameStore", found)
        return model.fit(store, learn, held, checkpoint=checkpoint, progress=progress)
    classifier = FeatureModel(
        learner.input,
        learner.classifier,
        modality=learner.modality,
        labels=labels,
        seed=recipe.seed,
        params=dict(learner.params),
    )
    values = cast("Features", found)
    if recipe.adapt != adaptation.BOTH or values.values.ndim > 2:
        classifier.first_steps = first
        return classifier.fit(values, learn, held)
    return fit_twice(classifier, values, learn, held, owners(data, "person"))


def fit_twice(
    classifier: FeatureModel,
    values: Features,
    learn: pd.DataFrame,
    held: pd.DataFrame | None,
    every: pd.DataFrame,
) -> FeatureModel:
    """Fit on clips as they are and as often normalised, so that the classifier can adapt.

    Args:
        classifier: not fitted.
        values: vectors of these and perhaps other clips, which are not looked at.
        learn: the training clips, to whose own statistics those of each person are shrunk.
        held: clips of other actors that stop a network, or None.
        every: of :func:`~multimodal_ser.workflows.data.owners`.

    Returns:
        The classifier, with its reference.
    """
    known = learn.index[learn.index.isin(values.clips)]
    classifier.reference = adaptation.Reference.of(values.take(known))
    ids = learn.index if held is None else learn.index.append(held.index)
    values = adaptation.twice(values, ids, every, classifier.reference)
    return classifier.fit(values, _doubled(learn), None if held is None else _doubled(held))


def _doubled(clips: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([clips, clips.set_axis(clips.index + adaptation.SECOND)])


def processes(engine: Engine) -> int:
    """Return how many fits run at a time."""
    from joblib import cpu_count

    return 1 if engine.in_process else engine.workers or cpu_count()


def is_network(learner: Learner) -> bool:
    """Tell whether a learner's training is stopped by clips of other actors."""
    return learner.input == FRAMES or _classifiers(learner).is_network(learner.classifier)


def _classifiers(learner: Learner) -> ModuleType:
    from multimodal_ser.audio import classifiers as of_audio
    from multimodal_ser.video import classifiers as of_video

    return of_audio if learner.modality == "audio" else of_video


def _is_vector(learner: Learner) -> bool:
    from multimodal_ser.audio import features

    if learner.modality == "audio":
        return len(features.shape(learner.input)) == 1
    return learner.input != FRAMES and learner.input not in SEQUENCES


def _module(learner: Learner) -> ModuleType:
    return _classifiers(learner).load(learner.classifier)


def predict_learner(fitted: Fitted, inputs: Mapping, clips: pd.Index, pooling: str) -> pd.DataFrame:
    """Return a fitted learner's probabilities of clips; NaN where its input is missing."""
    return Model({fitted.name: fitted}, pooling=pooling).learner_tables(clips, inputs)[fitted.name]


def _space(learner: Learner, recipe: Recipe) -> Mapping | None:
    """Return what a search varies; nothing where there is no search."""
    own = getattr(_module(learner), "SEARCH", None) if learner.modality == "audio" else None
    return (own if learner.space is None else learner.space) if recipe.search else None


def _searched(
    learner: Learner,
    shared: Shared[Data],
    shared_train: Shared[pd.DataFrame],
    folds: Sequence[Fold],
    recipe: Recipe,
    progress: bool,
) -> tuple[Learner, dict]:
    """Return the learner with the parameters that a search found, and what it found."""
    data, train, space = shared.value, shared_train.value, _space(learner, recipe) or {}
    from sklearn.exceptions import UndefinedMetricWarning

    module, found = _module(learner), cast("Features", data.inputs[learner.key])
    learn = train[train.index.isin(found.clips)]
    labels = labels_among(train, recipe.labels)
    with warnings.catch_warnings():
        # A candidate that never names a label has no precision; it counts as 0.
        warnings.filterwarnings("ignore", category=UndefinedMetricWarning)
        result = searching.search(
            lambda **tried: module.build(seed=recipe.seed, **{**learner.params, **tried}),
            space,
            found.take(learn.index),
            # Without gaps, which XGBoost asks for.
            np.unique([labels.index(label) for label in learn["emotion"]], return_inverse=True)[1],
            actor_groups(learn),
            method=recipe.search_method,
            n_draws=recipe.search,
            scoring=recipe.search_metric,
            folds=[_positions(fold, learn.index) for fold in folds],
            seed=recipe.seed,
            workers=1,
            progress=progress,
        )
    record: dict = {"method": recipe.search_method, "metric": recipe.search_metric}
    record |= {"score": round(result.best_score_, 6), "params": result.best_params_}
    record["trials"] = json.loads(result.trials.to_json(orient="records"))
    params = {**learner.params, **result.best_params_}
    return replace(learner, params=params, candidates=({},)), record


def _positions(fold: Fold, clips: pd.Index) -> tuple[np.ndarray, np.ndarray]:
    return np.flatnonzero(clips.isin(fold.train)), np.flatnonzero(clips.isin(fold.test))


def usable(data: Data, recipe: Recipe, clips: pd.DataFrame) -> tuple[Learner, ...]:
    """Return the recipe's learners that can learn from some of the clips.

    A learner whose clips are all of one person cannot be calibrated beside others
    and is left out, unless there is no other.

    Warns:
        UserWarning: a learner is left out.

    Raises:
        SerError: there is none.
    """
    apart = [one for one in recipe.learners if _people(clips, data, one) > 1]
    kept = [one for one in apart or recipe.learners if _has_two(clips, data, one)]
    for one in recipe.learners:
        if one not in kept:
            count, people = _count(clips, data, one), _people(clips, data, one)
            warnings.warn(
                f"{one.name} is left out: {count} of {len(clips)} training clip(s) have what it "
                f"learns from, of {people} actor(s); it needs two labels and two actors",
                stacklevel=2,
            )
    if not kept:
        raise SerError("no training clip could be used; see the failures above")
    return tuple(kept)


def _with_input(clips: pd.DataFrame, data: Data, learner: Learner) -> pd.DataFrame:
    return clips[clips.index.isin(data.inputs[learner.key].clips)]


def _count(clips: pd.DataFrame, data: Data, learner: Learner) -> int:
    return len(_with_input(clips, data, learner))


def _people(clips: pd.DataFrame, data: Data, learner: Learner) -> int:
    return len(set(actor_groups(_with_input(clips, data, learner))))


def _has_two(clips: pd.DataFrame, data: Data, learner: Learner) -> bool:
    """Tell whether clips with a learner's input have two labels to tell apart."""
    return _with_input(clips, data, learner)["emotion"].nunique() > 1


def fit(
    data: Data,
    train: pd.DataFrame,
    recipe: Recipe,
    *,
    scheme: str = "actors",
    checkpoint: Path | None = None,
    workers: int = 1,
    progress: bool = True,
) -> tuple[Model, dict]:
    """Fit a model on training clips alone.

    Args:
        data: extracted; only the rows of ``train`` are read, and those of its
            extra clips whose actor has no other clips in it.
        train: a clips table with labels; clips of unknown speakers are held out with those
            that sound alike (``workflows.unknown_speakers``).
        recipe: what to fit.
        scheme: of the folds that ``train`` comes from, see :func:`inner_folds`.
        checkpoint: folder from which interrupted network trainings resume.
        workers: processes for fits of classifiers.
        progress: whether to show bars on standard error.

    Returns:
        The model; and as JSON values what was ``chosen`` by learner, what
        ``calibration`` does on actors whom it was not fitted on, how good the
        answers on ``held_out`` actors are (``combining.scored``), and what each learner
        ``costs`` in seconds of processor time.

    Raises:
        SerError: there are too few clips or classes to learn from.
    """
    named = train["actor"].notna()
    train = grouped(train, data.inputs)
    folds = inner_folds(train, recipe, scheme)
    learners = {one.name: one for one in usable(data, recipe, train)}
    shares, shared = Shares(data), Shared(train)
    tasks = (
        _fitting(one, shares, shared, folds, recipe, checkpoint, progress)
        for one in learners.values()
    )
    n_fits = len(learners) * (len(folds) + 1)
    made = run_tasks(tasks, workers=workers, n_jobs=n_fits, progress=progress)
    found = dict(zip(learners, made, strict=True))
    crossings = {name: crossed for name, (_, crossed) in found.items()}
    tables = {name: one.table for name, one in crossings.items()}
    combiner = combining.fit(tables, learners, train, recipe.fusion)
    answered = combining.held_out(tables, learners, train, recipe.fusion)
    combiner.sets = combining.fit_sets(answered, train)
    model = Model(
        {name: fitted for name, (fitted, _) in found.items()},
        labels_among(train, recipe.labels),
        pooling=recipe.pooling,
        combiner=combiner,
        adapt=recipe.adapt,
    )
    told = {
        "chosen": {name: one.chosen for name, one in crossings.items() if one.chosen},
        "calibration": combining.measured(tables, learners, train, recipe.fusion) if folds else [],
        "held_out": combining.scored(answered, train, recipe.seed, named),
        "costs": [
            {"learner": name, "seconds": round(one.seconds, 2)} for name, one in crossings.items()
        ],
    }
    return model, told


def _fitting(
    learner: Learner,
    shares: Shares,
    train: Shared[pd.DataFrame],
    folds: Sequence[Fold],
    recipe: Recipe,
    checkpoint: Path | None,
    progress: bool,
) -> Task[tuple[Fitted, CrossFit]]:
    """Return the task of one learner of a model: cross-fitted, and fitted on all clips."""
    crossed = yield from crossing(learner, shares, train, folds, recipe, progress=progress)
    final = replace(learner, params=crossed.params)
    place = checkpoint / learner.name.replace(":", "-") if checkpoint else None
    here = shares.here(learner)
    given = (final, shares.of(learner), train, recipe, place, progress and here)
    (done,) = yield [Job(f"{learner.name}, all clips", _final, given, here)]
    return done.value, replace(crossed, seconds=crossed.seconds + done.seconds)


def _final(
    learner: Learner,
    shared: Shared[Data],
    train: Shared[pd.DataFrame],
    recipe: Recipe,
    checkpoint: Path | None,
    progress: bool,
) -> Fitted:
    how: dict[str, Any] = {"checkpoint": checkpoint, "progress": progress}
    return fit_learner(learner, shared.value, train.value, recipe, **how)


def train(
    clips: Labelled,
    recipe: Recipe,
    output: str | Path,
    *,
    extra: Labelled | None = None,
    tables: Mapping[str, Features | str | Path] | None = None,
    cache: Cache | str | Path | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> tuple[Model, Data]:
    """Extract, fit on all labelled clips, and save the model.

    Of three or more data sets the inner folds leave out one at a time, where the labels allow it
    (:func:`inner_folds`): a model of several corpora is meant for yet others.
    An interrupted training resumes when it is started again with the same
    output folder: features come from the cache, epochs from the checkpoint.

    Args:
        clips: a clips table, or what :func:`~multimodal_ser.workflows.sources.as_clips` makes
            one of; clips without a label are left out.
        recipe: what to train.
        output: the model's folder.
        extra: clips to train on beside them, such as song or another corpus;
            none of an actor who is held out in an inner fold is learnt from there.
        tables: name of an input -> a table made elsewhere, or its path, such as
            ``{"action_units": "openface.csv"}``.
        cache: as for :func:`~multimodal_ser.workflows.inference.predict`.
        workers: processes, None for one per core, or an engine.
        progress: whether to show bars on standard error.

    Returns:
        The model and the data it was fitted on.

    Raises:
        SerError: the recipe cannot be trained on these clips, or there is
            nothing to learn from.
    """
    check(recipe)
    labelled, extra = prepare(as_clips(clips), recipe, None if extra is None else as_clips(extra))
    started = time.monotonic()
    engine = Engine.of(workers, several=len(labelled) > 1)
    work: Work = {"cache": as_cache(cache), "workers": engine, "progress": progress}
    data = extract(labelled, recipe, extra=extra, tables=read_tables(tables), **work)
    used = labelled if extra is None else pd.concat([labelled, extra])
    identity = f"{table_hash(used)}-{hash_text(repr(vars(recipe)))}"[:40]
    checkpoint = Path(output) / ".checkpoint" / identity
    model, told = fit(
        data,
        labelled,
        recipe,
        scheme=CORPORA,  # a model that learns from several corpora is for yet others
        checkpoint=checkpoint,
        workers=processes(engine),
        progress=progress,
    )
    seconds = round(time.monotonic() - started, 1)
    model.save(output, run_record(recipe, used, seconds=seconds, **told))
    shutil.rmtree(Path(output) / ".checkpoint", ignore_errors=True)
    return model, data
