"""Audio, video and fused models under one protocol, side by side."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.compute.cache import Cache
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import adaptation, protocol
from multimodal_ser.evaluation.folds import LEAKY, Fold, make_folds, write_folds
from multimodal_ser.evaluation.runs import Run, RunModel, fold_names
from multimodal_ser.evaluation.significance import sign_flip_test
from multimodal_ser.tables import MODALITIES, actor_groups, failure_table
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables.clips import hash_text, table_hash
from multimodal_ser.workflows.training import (
    Data,
    Recipe,
    check,
    extract,
    fit,
    prepare,
    run_record,
    tune,
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


def held_out(
    data: Data,
    recipe: Recipe,
    scheme: str,
    *,
    resume: Path | None = None,
    progress: bool = True,
) -> dict[str, pd.DataFrame]:
    """Return every test clip's probabilities, by modality, under a protocol.

    Args:
        data: extracted features of all clips.
        recipe: what to fit in each fold.
        scheme: one of ``evaluation.folds.NAMES``, or a table of one's own.
        resume: a folder that keeps finished folds; None keeps none.
        progress: whether to show bars on standard error.

    Returns:
        ``audio``, ``video`` (where the recipe has them and the data too) and
        ``fused`` -> probability table.
    """
    folds = make_folds(data.clips, scheme, seed=recipe.seed)
    if resume is not None:
        kept = f"{scheme} {_data_hash(data)} {recipe!r}"
        resume = resume / hash_text(kept)

    def fit_fold(train: pd.DataFrame):
        tuned, _ = tune(data, train, recipe, progress=progress)
        model = fit(data, train, tuned, progress=progress)

        def predict(clips: pd.DataFrame) -> dict[str, pd.DataFrame]:
            tables = model.probabilities(clips.index, data.features, data.frames)
            return {name: tables[name] for name in MODALITIES if name in tables}

        return predict

    return protocol.run(data.clips, folds, fit_fold, resume=resume, progress=progress)


def _data_hash(data: Data) -> str:
    parts = [table_hash(table) for table in (data.clips, data.extra) if table is not None]
    if data.features is not None:
        # Speaker-adapted features are other features of the same clips.
        parts.append(hash_text(str(data.features.values.sum(axis=0))))
    return " ".join(parts)


def measure(
    data: Data,
    recipes: Iterable[Recipe],
    scheme: str,
    *,
    resume: Path | None = None,
    progress: bool = True,
) -> list[RunModel]:
    """Measure recipes on one extracted data set.

    Args:
        data: extracted features of all clips.
        recipes: what to compare; they must share feature set and front end.
        scheme: one of ``evaluation.folds.NAMES``.
        resume: a folder that keeps finished folds; None keeps none.
        progress: whether to show bars on standard error.

    Returns:
        One model a modality and recipe; a model that occurs beside several
        partners is given once.
    """
    found: dict[str, RunModel] = {}
    for recipe in recipes:
        started = time.monotonic()
        tables = held_out(data, recipe, scheme, resume=resume, progress=progress)
        seconds = round(time.monotonic() - started, 1)
        for model in _run_models(data, recipe, scheme, tables, seconds):
            found.setdefault(model.name, model)
    return list(found.values())


def _run_models(data: Data, recipe: Recipe, scheme: str, tables: dict, seconds: float):
    folds = fold_names(make_folds(data.clips, scheme, seed=recipe.seed))
    single = {name: model_name(recipe, name) for name in tables if name != "fused"}
    names = single | ({"fused": model_name(recipe, "fused")} if len(single) > 1 else {})
    for modality, name in names.items():
        table = tables[modality]
        parts = single if modality == "fused" else {}
        yield RunModel(name, modality, table, folds[table.index], parts, seconds)


def benchmark(
    clips: pd.DataFrame,
    base: Recipe,
    scheme: str,
    *,
    audio: Sequence[str | None],
    video: Sequence[str | None],
    extra: pd.DataFrame | None = None,
    cache: Cache | None = None,
    workers: int | None = None,
    adapted: bool = False,
    folds_file: str | Path | None = None,
    resume: Path | None = None,
    progress: bool = True,
) -> tuple[Run, pd.DataFrame]:
    """Compare audio and video models, and every pair of them, under one protocol.

    Args:
        clips: a clips table; clips without a label are left out.
        base: everything but the models.
        scheme: one of ``evaluation.folds.NAMES``, or a table of one's own.
        audio: audio classifiers; None stands for no sound.
        video: video backbones; None stands for no picture.
        extra: clips to train on beside those of a fold, such as song or another
            corpus; never those of an actor whom the fold holds out.
        cache: where features are kept; None keeps nothing.
        workers: processes for reading clips; None takes one a core.
        adapted: whether each speaker's audio features are normalised by that
            speaker's own unlabelled clips, test speakers' too: another
            protocol, marked in every table and report.
        folds_file: where to write which clip is tested in which fold, a table
            that is a ``scheme`` itself; None writes none.
        resume: a folder that keeps finished folds; None keeps none.
        progress: whether to show bars on standard error.

    Returns:
        The run, ready for ``write_run`` and reports, and the failures.

    Raises:
        SerError: the clips do not suit the protocol or the models; all that
            can be known before the extraction is told before it.
    """
    started = time.monotonic()
    wanted = grid(base, audio, video)
    if not wanted:
        raise SerError("there is nothing to measure; choose an audio or a video model")
    for recipe in wanted:
        check(recipe)
    clips, extra = prepare(clips, wanted[0], extra)
    folds = make_folds(clips, scheme, seed=base.seed)
    if folds_file is not None:
        write_folds(folds, folds_file)
    models: dict[str, RunModel] = {}
    failures = [failure_table([])]
    for backbone in dict.fromkeys(recipe.video for recipe in wanted):
        # Front ends differ between backbones, so frames are sampled for each.
        recipes = [recipe for recipe in wanted if recipe.video == backbone]
        shared = {"cache": cache, "workers": workers, "progress": progress}
        # One that hears, where any does: it says which features to extract.
        whole = max(recipes, key=lambda recipe: recipe.audio is not None)
        data = extract(clips, whole, extra=extra, **shared)
        failures.append(data.failures)
        if adapted and data.features is not None:
            data = _adapted(data)
        for model in measure(data, recipes, scheme, resume=resume, progress=progress):
            models.setdefault(model.name, model)
    seconds = round(time.monotonic() - started, 1)
    run = _make_run(clips, base, scheme, list(models.values()), seconds, adapted)
    leaky = run.leaky or shares_actors(clips, folds)
    run = replace(run, title=run.title + _title_end(base, extra), leaky=leaky)
    return run, pd.concat(failures, ignore_index=True).drop_duplicates(ignore_index=True)


def _adapted(data: Data) -> Data:
    """Return the data with each speaker's features normalised by that speaker's own.

    A speaker's extra clips have no part in that, which are tested by nobody:
    song and each round of changed copies is normalised by itself.
    """
    every = data.clips
    if data.extra is not None:
        round_of = data.extra.index.str.extract(r"(#\d+)$", expand=False).fillna("")
        part = data.extra["channel"].fillna("") + np.asarray(round_of, dtype=object)
        every = pd.concat([every, data.extra.assign(actor=data.extra["actor"] + " extra " + part)])
    return replace(data, features=adaptation.per_speaker(data.features, every))


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


def _title_end(base: Recipe, extra: pd.DataFrame | None) -> str:
    parts = [] if base.labels == "emotions8" else [f"labels {base.labels}"]
    parts += [] if extra is None else [f"{len(extra)} extra training clips"]
    parts += [f"{base.copies} changed copies of each training clip"] if base.copies else []
    parts += [f"{base.search} sets of parameters searched"] if base.search else []
    return "".join(f", {part}" for part in parts)


def _make_run(clips, base: Recipe, scheme: str, models: list, seconds: float, adapted: bool) -> Run:
    record = run_record(base, clips, seconds=seconds)
    names = ", ".join(sorted(clips["dataset"].dropna().unique())) or "own recordings"
    named = Path(scheme).name if tableio.is_table(scheme) else scheme
    return Run(
        title=f"{names}: {len(models)} models under {named}",
        protocol=named,
        clips=clips,
        models=tuple(models),
        adaptation="speaker" if adapted else "none",
        leaky=scheme in LEAKY,
        seed=base.seed,
        command=f"multimodal-ser {record['command']}",
        git=record["git"],
        versions=record["versions"],
        seconds=seconds,
        clips_hash=record["clips_hash"],
    )


def score_table(run: Run) -> pd.DataFrame:
    """Return a run's scores, one row a model, with :data:`COLUMNS`.

    ``p_best`` is the p-value of a paired sign-flip test over actors of the
    UAR against the model with the highest.

    Args:
        run: from :func:`benchmark` or ``evaluation.runs.read_run``.
    """
    marked = run.protocol + " (leaky)" * run.leaky
    marked += " (speaker-adapted)" * (run.adaptation == "speaker")
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
    best = max(range(len(rows)), key=lambda at: rows[at]["uar"])
    for at, row in enumerate(rows):
        row["p_best"] = _p_value(run, at, best)
    return pd.DataFrame(rows)[list(COLUMNS)]


def _p_value(run: Run, at: int, best: int) -> float:
    if at == best:
        return float("nan")
    tables = (run.models[at].probabilities, run.models[best].probabilities)
    return sign_flip_test(*tables, run.clips, metric="uar", seed=run.seed).p_value


def model_name(recipe: Recipe, modality: str) -> str:
    """Return how a recipe is called in tables.

    Example:
        >>> model_name(Recipe(audio="svc", video="fer_cnn"), "fused")
        'svc + fer_cnn'
    """
    if modality == "audio":
        return str(recipe.audio)
    if modality == "video":
        return str(recipe.video)
    return f"{recipe.audio} + {recipe.video}"


def grid(base: Recipe, audio: Iterable[str | None], video: Iterable[str | None]) -> list[Recipe]:
    """Return one recipe for every pair of an audio and a video model.

    Example:
        >>> [r.audio for r in grid(Recipe(), ["svc", "xgboost"], [None])]
        ['svc', 'xgboost']
    """
    pairs = [(a, v) for a in audio for v in video if a is not None or v is not None]
    return [replace(base, audio=a, video=v) for a, v in pairs]
