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
from multimodal_ser.tables import MODALITIES, Features
from multimodal_ser.tables.clips import hash_text, table_hash
from multimodal_ser.tables.labels import under
from multimodal_ser.workflows import label_sets
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
    labels: str | None = None,
    seed: int = 0,
    cache: Cache | str | Path | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> tuple[Run, pd.DataFrame]:
    """Score a finished model on labelled clips.

    Probabilities are projected onto the labels that each data set tells apart
    (:mod:`~multimodal_ser.workflows.label_sets`); the run's title says how.

    Whether the model heard these people in its training is not for this function to
    know: the model's ``run.json`` names its actors.

    Args:
        clips: a clips table; clips whose emotion is none of the model's labels are
            left out, and said to be in the run's title.
        model: a model, its folder, or the name of a released one; None takes the
            released default.
        tables: name of an input -> a table made elsewhere, or its path.
        adapt: as for :func:`~multimodal_ser.workflows.inference.predict`.
        labels: a label scheme to score under, such as ``emotions4``; the model's
            probabilities are projected onto it. None keeps the model's own labels.
        seed: of the bootstrap over actors.
        cache: as for :func:`~multimodal_ser.workflows.inference.predict`.
        workers: processes, None for one per core, or an engine.
        progress: whether to show a bar on standard error.

    Returns:
        A run for ``score_table``, ``write_run`` and reports, one model per
        modality, and the failures.

    Raises:
        UnknownName: there is no such label scheme.
        SerError: no clip has one of the model's labels, or none could be used.
        TableError: the model's labels do not make up those of the scheme.
    """
    started = time.monotonic()
    found = model if isinstance(model, Model) else load_model(model)
    check_adapt(found, adapt)
    if labels is not None:
        label_sets.check_scheme(labels, found.labels)
    labelled = label_sets.labelled(clips, found.labels, labels)
    own = label_sets.own_labels(labelled, labels)
    how: Work = {"cache": as_cache(cache), "workers": workers, "progress": progress}
    parts: dict[str, list[pd.DataFrame]] = {}
    failures = []
    for answers, failed in predict_clips(found, labelled, tables=read_tables(tables), **how):
        failures.append(failed)
        for modality in MODALITIES:
            if modality in answers:
                parts.setdefault(modality, []).append(answers[modality])
    answered = {name: pd.concat(tables) for name, tables in parts.items()}
    if labels is not None:
        answered = {name: under(table, labels) for name, table in answered.items()}
    answered = {n: label_sets.projected(table, labelled, own) for n, table in answered.items()}
    # A modality that no clip has was not evaluated.
    answered = {name: table for name, table in answered.items() if table.notna().any(axis=None)}
    if not answered:
        raise SerError(f"none of the {len(labelled)} clip(s) could be used; see the failures")
    said = label_sets.words(found.labels, own, labels)
    run = _run(found, labelled, clips, answered, said, seed, time.monotonic() - started)
    return run, pd.concat(failures, ignore_index=True)


def _run(model: Model, labelled, clips, answered, said: str, seed: int, seconds: float) -> Run:
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
        + (f", {left} of other labels left out" if left else "")
        + (f"; {said}" if said else ""),
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
        identity=hash_text(f"evaluate {table_hash(labelled)} {model.adapt} {model.labels} {said}"),
    )
