"""A finished model on labelled clips that it was not trained on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.runs import Run, RunModel
from multimodal_ser.fusion import sets
from multimodal_ser.tables import MODALITIES, Features, actor_groups, selection
from multimodal_ser.tables.clips import hash_text, table_hash
from multimodal_ser.workflows.data import Work, read_tables
from multimodal_ser.workflows.inference import as_cache, check_adapt, predict_clips
from multimodal_ser.workflows.models import Model, load_model
from multimodal_ser.workflows.records import run_record

#: The one fold of an evaluation: nothing is trained in it.
FOLD = PROTOCOL = "evaluate"


def evaluate(
    clips: pd.DataFrame,
    model: Model | str | Path | None = None,
    *,
    tables: Mapping[str, Features | str | Path] | None = None,
    adapt: str | None = None,
    seed: int = 0,
    cache: Cache | str | Path | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> tuple[Run, pd.DataFrame]:
    """Score a finished model on labelled clips.

    Whether the model heard these people in its training is not for this function to
    know: the model's ``run.json`` names its actors.

    Args:
        clips: a clips table; clips whose emotion is none of the model's labels are
            left out, and said to be in the run's title.
        model: a model, its folder, or the name of a released one; None takes the
            released default.
        tables: name of an input -> a table made elsewhere, or its path.
        adapt: as for :func:`~multimodal_ser.workflows.inference.predict`.
        seed: of the bootstrap over actors.
        cache: as for :func:`~multimodal_ser.workflows.inference.predict`.
        workers: processes, None for one per core, or an engine.
        progress: whether to show a bar on standard error.

    Returns:
        A run for ``score_table``, ``write_run`` and reports, one model per
        modality, and the failures.

    Raises:
        SerError: no clip has one of the model's labels, or none could be used.
    """
    started = time.monotonic()
    found = model if isinstance(model, Model) else load_model(model)
    check_adapt(found, adapt)
    labelled = _labelled(clips, found)
    how: Work = {"cache": as_cache(cache), "workers": workers, "progress": progress}
    parts: dict[str, list[pd.DataFrame]] = {}
    failures = []
    for answers, failed in predict_clips(found, labelled, tables=read_tables(tables), **how):
        failures.append(failed)
        for modality in MODALITIES:
            if modality in answers:
                parts.setdefault(modality, []).append(answers[modality])
    answered = {name: pd.concat(tables) for name, tables in parts.items()}
    # A modality that no clip has was not evaluated.
    answered = {name: table for name, table in answered.items() if table.notna().any(axis=None)}
    if not answered:
        raise SerError(f"none of the {len(labelled)} clip(s) could be used; see the failures")
    return _run(found, labelled, clips, answered, seed, time.monotonic() - started), pd.concat(
        failures, ignore_index=True
    )


def score_sets(run: Run, model: Model, coverage: float) -> pd.DataFrame:
    """Return what a model's prediction sets are worth on the clips of an evaluation.

    Args:
        run: of :func:`evaluate`.
        model: that was evaluated.
        coverage: that the sets state, such as 0.9.

    Returns:
        A row per model of the run: ``model``, ``set_asked``, and ``set_coverage`` (0 to 1)
        and ``set_size`` (labels), means over actors.

    Raises:
        SerError: the model has no prediction sets of this coverage.
    """
    answers = {one.modality: one.probabilities for one in run.models}
    chosen = model.combiner.label_sets(answers, coverage)
    actors = pd.Series(actor_groups(run.clips), run.clips.index)
    rows = []
    for one in run.models:
        found = sets.measure(chosen[one.modality], run.clips["emotion"], actors)
        measured = {f"set_{name}": value for name, value in found.items()}
        rows.append({"model": one.name, "set_asked": coverage} | measured)
    return pd.DataFrame(rows)


def _labelled(clips: pd.DataFrame, model: Model) -> pd.DataFrame:
    given = clips["emotion"].astype(object)
    kept = clips[given.isin(model.labels)]
    if kept.empty:
        there = ", ".join(sorted(set(given.dropna()))) or "no label at all"
        raise SerError(
            f"none of the {len(clips)} clip(s) has one of the model's labels "
            f"({', '.join(model.labels)}); there is: {there}"
        )
    emotion = pd.Categorical(kept["emotion"].astype(object), categories=list(model.labels))
    return selection.check_clips(kept.assign(emotion=emotion))


def _run(model: Model, labelled, clips, answered, seed: int, seconds: float) -> Run:
    fold = pd.Series(FOLD, labelled.index, dtype=object, name="fold")
    single = [name for name in ("audio", "video") if name in answered]
    kept = [*single, *(["fused"] if len(single) > 1 else [])]
    parts = {name: name for name in single}
    models = tuple(
        RunModel(name, name, answered[name], fold, parts if name == "fused" else {})
        for name in kept
    )
    record = run_record(None, labelled, seconds=round(seconds, 1))
    names = ", ".join(sorted(clips["dataset"].dropna().unique())) or "own recordings"
    left = len(clips) - len(labelled)
    return Run(
        title=f"{names}: a finished model on {len(labelled)} clips"
        + (f", {left} of other labels left out" if left else ""),
        protocol=PROTOCOL,
        clips=labelled,
        models=models,
        adaptation=model.adapt,
        seed=seed,
        command=f"multimodal-ser {record['command']}",
        git=record["git"],
        versions=record["versions"],
        seconds=round(seconds, 1),
        clips_hash=record["clips_hash"],
        identity=hash_text(f"evaluate {table_hash(labelled)} {model.adapt} {model.labels}"),
    )
