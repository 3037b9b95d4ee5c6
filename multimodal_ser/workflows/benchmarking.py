"""Audio, video and fused models under one protocol, side by side."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.jobs import Job, Shared, Task, run_tasks
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.evaluation import adaptation, corpora, protocol, robustness
from multimodal_ser.evaluation.folds import CORPORA, LEAKY, Fold, make_folds, usual, write_folds
from multimodal_ser.evaluation.runs import Run, RunModel, check_place, fold_names
from multimodal_ser.evaluation.significance import sign_flip_test
from multimodal_ser.plugins import require
from multimodal_ser.reports.wording import ADAPTED
from multimodal_ser.tables import Features, actor_groups
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables.clips import hash_text, table_hash
from multimodal_ser.workflows import combining, label_sets
from multimodal_ser.workflows.data import (
    Data,
    Work,
    as_cache,
    digest,
    extract,
    prepare,
    read_tables,
)
from multimodal_ser.workflows.recipes import Learner, Recipe
from multimodal_ser.workflows.records import run_record, versions
from multimodal_ser.workflows.sources import Labelled, as_clips
from multimodal_ser.workflows.training import (
    CrossFit,
    Shares,
    check,
    crossing,
    fit_learner,
    inner_folds,
    predict_learner,
    processes,
    usable,
)

#: Columns of a benchmark's table.
COLUMNS = (
    "model",
    "modality",
    "protocol",
    "uar",
    "uar_low",
    "uar_high",
    "war",
    "war_low",
    "war_high",
    "top2",
    "ece",
    "p_best",
    "n",
    "seconds",
)


@dataclass(frozen=True)
class Tested:
    """What a learner says in one fold.

    Attributes:
        crossed: of the fold's training clips, see :class:`CrossFit`.
        table: probabilities of the fold's test clips.
        seconds: of processor time that fitting and predicting took.
    """

    crossed: CrossFit
    table: pd.DataFrame
    seconds: float


class Bench:
    """The learners of one benchmark, each fitted once per fold, and kept.

    Args:
        data: extracted features of all clips.
        scheme: of the folds, see ``evaluation.folds``.
        store: a folder that keeps what each learner says in each fold, so that an
            interrupted run resumes; None keeps none.
        workers: processes for fits of classifiers.
        progress: whether to show bars on standard error.
    """

    def __init__(
        self,
        data: Data,
        scheme: str,
        *,
        store: Path | None = None,
        workers: int = 1,
        progress: bool = True,
    ) -> None:
        self.data, self.scheme, self.store = data, scheme, store
        self.workers, self.progress = workers, progress
        self.shares = Shares(data)
        self.tested: dict[tuple[str, str], Tested] = {}
        self._digests: dict[str, str] = {}
        tables = (data.clips, data.extra)
        self._hashes = [table_hash(table) for table in tables if table is not None]

    def measure(self, recipes: Iterable[Recipe], folds: Sequence[Fold]) -> list[RunModel]:
        """Return every recipe's held-out answers.

        Args:
            recipes: what to compare.
            folds: made once, for all of them.

        Returns:
            One model per modality and recipe; a model that occurs beside several
            partners is given once.

        Raises:
            SerError: a fit failed; the error names the learner and the fold.
        """
        recipes = list(recipes)
        used = {
            (fold.name, at): usable(self.data, recipe, self.data.clips.loc[fold.train])
            for fold in folds
            for at, recipe in enumerate(recipes)
        }
        tasks = {}
        for fold in folds:
            train = Shared(self.data.clips.loc[fold.train])
            for at, recipe in enumerate(recipes):
                for one in used[fold.name, at]:
                    key = one.name, self._key(one, fold, recipe)
                    if key not in tasks and not self._known(key, fold):
                        tasks[key] = self._testing(key, one, train, fold, recipe)
        n_fits = len(tasks) * (recipes[0].inner_folds + 1)
        run_tasks(tasks.values(), n_jobs=n_fits, workers=self.workers, progress=self.progress)
        answers: dict[tuple[int, str], list[pd.DataFrame]] = {}
        for fold in folds:
            for at, recipe in enumerate(recipes):
                said = self._answers(recipe, fold, used[fold.name, at])
                for modality, table in said.items():
                    answers.setdefault((at, modality), []).append(table)
        found: dict[str, RunModel] = {}
        for at, recipe in enumerate(recipes):
            for model in self._models(at, recipe, folds, answers):
                found.setdefault(model.name, model)
        return list(found.values())

    def _answers(
        self, recipe: Recipe, fold: Fold, used: tuple[Learner, ...]
    ) -> dict[str, pd.DataFrame]:
        learners = {one.name: one for one in used}
        tested = {
            name: self.tested[name, self._key(one, fold, recipe)] for name, one in learners.items()
        }
        crossed = {name: one.crossed.table for name, one in tested.items()}
        train = self.data.clips.loc[fold.train]
        combiner = combining.fit(crossed, learners, train, recipe.fusion)
        tables = combiner({name: one.table for name, one in tested.items()}, fold.test)
        del tables["shares"]
        return tables

    def _known(self, key: tuple[str, str], fold: Fold) -> bool:
        """Tell whether it is in memory, or in the store, what a learner says in a fold."""
        if key not in self.tested and (found := _kept(self._place(key), fold)) is not None:
            self.tested[key] = found
        return key in self.tested

    def _place(self, key: tuple[str, str]) -> Path | None:
        return self.store / f"{key[1]}.parquet" if self.store else None

    def _testing(
        self,
        key: tuple[str, str],
        learner: Learner,
        train: Shared[pd.DataFrame],
        fold: Fold,
        recipe: Recipe,
    ) -> Task[None]:
        """Return the task of one learner in one fold, which keeps what it says there."""
        inner = inner_folds(train.value, recipe, self.scheme)
        crossed = yield from crossing(
            learner,
            self.shares,
            train,
            inner,
            recipe,
            where=f", fold {fold.name}",
            progress=self.progress,
        )
        final = replace(learner, params=crossed.params)
        given = (final, self.shares.of(learner), train, fold.test, recipe)
        here = self.shares.here(learner)
        (done,) = yield [Job(f"{learner.name}, fold {fold.name}", _said, given, here)]
        found = Tested(crossed, done.value, round(crossed.seconds + done.seconds, 2))
        _keep(self._place(key), found)
        self.tested[key] = found

    def _key(self, learner: Learner, fold: Fold, recipe: Recipe) -> str:
        """Return a key of everything that what a learner says depends on."""
        clips, extra = self.data.clips, self.data.extra
        every = clips.index if extra is None else clips.index.append(extra.index)
        if learner.key not in self._digests:
            self._digests[learner.key] = digest(self.data, learner, every)
        said = (
            self._digests[learner.key],
            *self._hashes,
            sorted(fold.train),
            sorted(fold.test),
            self.scheme in LEAKY,
            self.scheme == CORPORA,
            repr(learner),
            repr(vars(replace(recipe, audio=(learner,), video=(), fusion="mean"))),
            sorted(versions().items()),
        )
        return hashlib.sha256(repr(said).encode()).hexdigest()[:32]

    def _models(self, at: int, recipe: Recipe, folds: Sequence[Fold], answers):
        names = {
            modality: recipe.name_of(modality)
            for modality in ("audio", "video")
            if (at, modality) in answers
        }
        both = names | ({"fused": recipe.name_of("fused")} if len(names) > 1 else {})
        tested_in = fold_names(folds)
        for modality, name in both.items():
            table = pd.concat(answers[at, modality])
            of = [one for one in recipe.learners if modality in (one.modality, "fused")]
            costs, chosen = self._told(of, recipe, folds)
            parts = names if modality == "fused" else {}
            seconds = round(sum(cost["seconds"] for cost in costs), 1)
            about = {"parts": parts, "seconds": seconds, "chosen": chosen, "costs": costs}
            yield RunModel(name, modality, table, tested_in[table.index], **about)

    def _told(self, learners, recipe: Recipe, folds: Sequence[Fold]) -> tuple[tuple, tuple]:
        """Return what some learners cost in each fold, and what was chosen for them there."""
        costs, chosen = [], []
        for fold in folds:
            for learner in learners:
                one = self.tested.get((learner.name, self._key(learner, fold, recipe)))
                if one is None:
                    continue
                where = {"fold": fold.name, "learner": learner.name}
                costs.append(where | {"seconds": one.seconds})
                if one.crossed.chosen:
                    chosen.append(where | {"params": one.crossed.chosen.get("params", {})})
        return tuple(costs), tuple(chosen)


def _said(
    learner: Learner,
    shared: Shared[Data],
    train: Shared[pd.DataFrame],
    test: pd.Index,
    recipe: Recipe,
) -> pd.DataFrame:
    """Return what a learner that is fitted on all training clips of a fold says of the others."""
    fitted = fit_learner(learner, shared.value, train.value, recipe)
    return predict_learner(fitted, shared.value.inputs, test, recipe.pooling)


def _keep(place: Path | None, tested: Tested) -> None:
    if place is None:
        return
    parts = {"inner": tested.crossed.table, "test": tested.table}
    table = pd.concat({k: t for k, t in parts.items() if len(t)}, names=["part", "clip"])
    tableio.write(table.reset_index(), place)
    about = {
        "params": tested.crossed.params,
        "chosen": tested.crossed.chosen,
        "seconds": tested.seconds,
    }
    # Last: its presence means that the fold is whole.
    from multimodal_ser.workflows.models import write_json

    write_json(place.with_suffix(".json"), about)


def _kept(place: Path | None, fold: Fold) -> Tested | None:
    """Return what :func:`_keep` wrote; None where it is not there or damaged."""
    if place is None or not place.with_suffix(".json").exists():
        return None
    try:
        about = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
        table = tableio.read(place).set_index("clip")
        part = table.pop("part")
        crossed = CrossFit(about["params"], table[part == "inner"], about["chosen"])
        found = Tested(crossed, table[part == "test"], about["seconds"])
    except (TableError, OSError, ValueError, KeyError, TypeError):
        return None
    return found if set(found.table.index) == set(fold.test) else None


def benchmark(
    clips: Labelled,
    recipes: Recipe | Sequence[Recipe],
    scheme: str | None = None,
    *,
    extra: Labelled | None = None,
    tables: Mapping[str, Features | str | Path] | None = None,
    cache: Cache | str | Path | None = None,
    workers: int | Engine | None = None,
    folds_file: str | Path | None = None,
    run_folder: str | Path | None = None,
    progress: bool = True,
) -> tuple[Run, pd.DataFrame]:
    """Compare the answers of recipes under one protocol.

    ``corpora`` leaves out one data set at a time. Under it ``emotions8`` becomes ``emotions7``,
    because only RAVDESS distinguishes calm; clips of a label that one data set alone has are
    left out; and held-out probabilities are projected onto the labels of the left-out data set.

    Args:
        clips: a clips table, or what :func:`~multimodal_ser.workflows.sources.as_clips` makes
            one of; clips without a label are left out.
        recipes: what to compare; they share everything but their learners and
            fusion, see :func:`~multimodal_ser.workflows.recipes.grid`.
        scheme: one of ``evaluation.folds.NAMES``, or a table of one's own; None takes
            ``luna5`` for RAVDESS, ``actors`` for anything else.
        extra: clips to train on beside those of a fold, such as song or another
            corpus; never those of an actor whom the fold holds out.
        tables: name of an input -> a table made elsewhere, or its path.
        cache: as for :func:`~multimodal_ser.workflows.inference.predict`.
        workers: processes, None for one per core, or an engine.
        folds_file: where to write which clip is tested in which fold, a table
            that is a ``scheme`` itself; None writes none.
        run_folder: where the run will be written: refused where it holds another
            run; what each learner said in each fold is kept there, so that an
            interrupted benchmark resumes.
        progress: whether to show bars on standard error.

    Returns:
        The run, ready for ``write_run`` and reports, and the failures.

    Raises:
        SerError: the clips do not suit the protocol or the recipes; all that can
            be known before the extraction is refused before it.
    """
    started = time.monotonic()
    recipes = [recipes] if isinstance(recipes, Recipe) else list(recipes)
    if not recipes:
        raise SerError("there is nothing to measure; choose an audio or a video model")
    clips = as_clips(clips)
    extra = None if extra is None else as_clips(extra)
    scheme = scheme or usual(clips)
    if scheme == CORPORA:
        recipes = [_with_calm(recipe) for recipe in recipes]
    for recipe in recipes:
        check(recipe)
    base = recipes[0]
    labelled, extra = prepare(clips, base, extra)
    clips = _of_corpora(labelled, extra) if scheme == CORPORA else labelled
    folds = make_folds(clips, scheme, seed=base.seed)
    identity = _identity(clips, extra, folds, base)
    if run_folder is not None:
        require("pyarrow")  # a run's tables are Parquet
        check_place(run_folder, identity)
    if folds_file is not None:
        write_folds(folds, folds_file)
    engine = Engine.of(workers, several=len(clips) > 1)
    work: Work = {"cache": as_cache(cache), "workers": engine, "progress": progress}
    data = extract(clips, recipes, extra=extra, tables=read_tables(tables), **work)
    store = Path(run_folder) / ".folds" if run_folder else None
    # A table of folds may be that of a leaky scheme, whose inner folds are leaky too.
    leaky = shares_actors(clips, folds)
    inner = LEAKY[0] if leaky else scheme
    bench = Bench(data, inner, store=store, workers=processes(engine), progress=progress)
    models = bench.measure(recipes, folds)
    if scheme == CORPORA:
        models = [_projected(model, clips) for model in models]
    seconds = round(time.monotonic() - started, 1)
    run = _make_run(clips, base, scheme, models, seconds, identity)
    run = replace(
        run,
        title=run.title + _title_end(base, extra, len(labelled) - len(clips)),
        leaky=run.leaky or leaky,
    )
    return run, data.failures.drop_duplicates(ignore_index=True)


def _with_calm(recipe: Recipe) -> Recipe:
    return replace(recipe, labels="emotions7") if recipe.labels == "emotions8" else recipe


def _of_corpora(clips: pd.DataFrame, extra: pd.DataFrame | None) -> pd.DataFrame:
    """Return the clips that can be learnt from one data set and tested in another."""
    if extra is not None:
        doubled = sorted(set(label_sets.sets_of(extra)) & set(label_sets.sets_of(clips)))
        if doubled:
            raise SerError(
                f"the extra clips are of {doubled[0] or 'no data set'}, and so are some that are "
                "left out in turn; give all of a data set as DATA, or none of it"
            )
    return label_sets.shared(clips)


def _projected(model: RunModel, clips: pd.DataFrame) -> RunModel:
    """Return a model's answers over the labels of each left-out data set alone."""
    there = label_sets.occurring(clips)
    return replace(model, probabilities=label_sets.projected(model.probabilities, clips, there))


def _identity(clips: pd.DataFrame, extra, folds: Sequence[Fold], base: Recipe) -> str:
    """Return what two benchmarks must share for their models to be compared in one run."""
    shared = (base.labels, base.adapt, base.seed, base.copies, base.augmentation)
    hashes = [table_hash(table) for table in (clips, extra) if table is not None]
    tested = [(fold.name, tuple(sorted(fold.test))) for fold in folds]
    return hash_text(repr((shared, hashes, tested)))


def shares_actors(clips: pd.DataFrame, folds: Iterable[Fold]) -> bool:
    """Tell whether somebody may be tested in a fold that learns from other clips of theirs.

    A table of folds may do so, a random split that was saved for one; and clips
    whose speakers are not known may be anyone's.

    Args:
        clips: a clips table.
        folds: from ``evaluation.folds.make_folds``.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> clips = make_clips(dict(clip=str(at), actor=str(at // 3)) for at in range(12))
        >>> [shares_actors(clips, make_folds(clips, name)) for name in ("actors", "random_leaky")]
        [False, True]
    """
    groups = pd.Series(actor_groups(clips), clips.index)
    unknown = clips["actor"].isna()
    return any(
        groups[fold.test].isin(groups[fold.train]).any()
        or (unknown[fold.test].any() and unknown[fold.train].any())
        for fold in folds
    )


def _title_end(base: Recipe, extra: pd.DataFrame | None, n_unshared: int) -> str:
    parts = [] if base.labels in ("emotions8", "own") else [f"labels {base.labels}"]
    if n_unshared:
        parts.append(f"{n_unshared} clips of labels that one data set alone has left out")
    parts += [] if extra is None else [f"{len(extra)} extra training clips"]
    how = " as if recorded elsewhere" * ("recording" in getattr(base.augmentation, "kinds", ()))
    parts += [f"{base.copies} changed copies of each training clip{how}"] if base.copies else []
    parts += ["trained to adapt, tested without"] if base.adapt == adaptation.BOTH else []
    parts += [f"{base.search} sets of parameters searched"] if base.search else []
    return "".join(f", {part}" for part in parts)


def _make_run(clips, base: Recipe, scheme: str, models, seconds: float, identity: str) -> Run:
    record = run_record(base, clips, seconds=seconds)
    names = ", ".join(sorted(clips["dataset"].dropna().unique())) or "own recordings"
    named = Path(scheme).name if tableio.is_table(scheme) else scheme
    return Run(
        title=f"{names}: {len(models)} model{'s' * (len(models) != 1)} under {named}",
        protocol=named,
        clips=clips,
        models=tuple(models),
        # Trained for both, it is tested without: no statistics of a test actor.
        adaptation="none" if base.adapt == adaptation.BOTH else base.adapt,
        leaky=scheme in LEAKY,
        seed=base.seed,
        command=f"multimodal-ser {record['command']}",
        git=record["git"],
        versions=record["versions"],
        seconds=seconds,
        clips_hash=record["clips_hash"],
        identity=identity,
    )


def score_table(run: Run) -> pd.DataFrame:
    """Return a run's scores, one row per model, with :data:`COLUMNS`.

    ``p_best`` is the p-value of a paired sign-flip test over actors of the
    UAR against the model with the highest. A run under several recording
    conditions has the columns of :mod:`multimodal_ser.evaluation.robustness` too,
    and its highest is one of the recordings as they are. Of several data sets, each
    tested as a whole, there is one row per model and data set too, and the columns of
    ``evaluation.corpora``.

    Args:
        run: from :func:`benchmark` or ``evaluation.runs.read_run``.
    """
    marked = run.protocol + " (leaky)" * run.leaky
    if run.adaptation in ADAPTED:
        marked += f" ({ADAPTED[run.adaptation].badge})"
    rows = [
        {
            "model": model.name,
            "modality": model.modality,
            "protocol": marked,
            "seconds": model.seconds,
        }
        | protocol.summary(model.probabilities, run.clips, seed=run.seed)
        for model in run.models
    ]
    clean = [model.name for model in run.as_recorded]
    best = max(
        (at for at in range(len(rows)) if rows[at]["model"] in clean),
        key=lambda at: rows[at]["uar"],
    )
    for at, row in enumerate(rows):
        row["p_best"] = _p_value(run, at, best)
    table = pd.DataFrame(rows)[list(COLUMNS)]
    if len(clean) < len(rows):
        table = table.join(robustness.against_clean(run), on="model")
    return _by_data_set(table, run) if corpora.has_data_sets(run) else table


def _by_data_set(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Return the rows of a score table, each followed by one per data set."""
    parts = []
    for model, (_, row) in zip(run.models, table.iterrows(), strict=True):
        found = corpora.by_data_set(model.probabilities, run.clips, seed=run.seed)
        found = found.assign(**{name: row[name] for name in ("model", "modality", "protocol")})
        # These are of the run as a whole.
        found[["p_best", "seconds"]] = np.nan
        found.loc[found["data_set"] == corpora.ALL, ["p_best", "seconds"]] = (
            row["p_best"],
            row["seconds"],
        )
        parts.append(found)
    columns = [*COLUMNS[:2], *corpora.COLUMNS[:2], *COLUMNS[2:], *corpora.COLUMNS[2:]]
    return pd.concat(parts, ignore_index=True)[columns]


def _p_value(run: Run, at: int, best: int) -> float:
    if at == best:
        return float("nan")
    tables = (run.models[at].probabilities, run.models[best].probabilities)
    return sign_flip_test(*tables, run.clips, metric="uar", seed=run.seed).p_value
