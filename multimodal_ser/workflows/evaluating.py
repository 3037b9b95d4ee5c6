"""A finished model on labelled clips that it was not trained on."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.runs import Run, RunModel
from multimodal_ser.fusion import sets
from multimodal_ser.tables import MODALITIES, Features, actor_groups
from multimodal_ser.tables.clips import hash_text, table_hash
from multimodal_ser.tables.labels import under
from multimodal_ser.workflows import label_sets
from multimodal_ser.workflows.data import Work, as_cache, read_tables
from multimodal_ser.workflows.inference import check_adapt, predict_clips
from multimodal_ser.workflows.models import Model, load_model
from multimodal_ser.workflows.records import run_record
from multimodal_ser.workflows.sources import Labelled, as_clips

if TYPE_CHECKING:
    from multimodal_ser.workflows.inference import Changes, Tables

    #: Condition, empty for the recordings as they are -> modality -> probabilities.
    Answers = dict[str, dict[str, pd.DataFrame]]

#: The one fold of an evaluation: nothing is trained in it.
FOLD = PROTOCOL = "evaluate"


def evaluate(
    clips: Labelled,
    model: Model | str | Path | None = None,
    *,
    tables: Mapping[str, Features | str | Path] | None = None,
    adapt: str | None = None,
    labels: str | None = None,
    conditions: Sequence[str] = (),
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
        clips: a clips table, or what :func:`~multimodal_ser.workflows.sources.as_clips` makes
            one of; clips whose emotion is none of the model's labels are left out, and said to
            be in the run's title.
        model: a model, its folder, or the name of a released one; None takes the
            released default.
        tables: name of an input -> a table made elsewhere, or its path.
        adapt: as for :func:`~multimodal_ser.workflows.inference.predict`.
        labels: a label scheme to score under, such as ``emotions4``; the model's
            probabilities are projected onto it. None keeps the model's own labels.
        conditions: of ``audio.conditions.NAMES``, or ``all``: the recordings are
            scored as they are, and once more under each of these.
        seed: of the bootstrap over actors and, with each clip's id, of what the
            conditions draw.
        cache: as for :func:`~multimodal_ser.workflows.inference.predict`.
        workers: processes, None for one per core, or an engine.
        progress: whether to show a bar on standard error.

    Returns:
        A run for ``score_table``, ``write_run`` and reports, one model per
        condition and modality, the recordings as they are first, and the
        failures. What is seen does not depend on how it sounds, so the face has
        one model.

    Raises:
        UnknownName: there is no such condition or label scheme.
        SerError: no clip has one of the model's labels, or none could be used.
        TableError: the model's labels do not make up those of the scheme.
    """
    from multimodal_ser.audio import conditions as suite

    started, names = time.monotonic(), suite.chosen(conditions)
    clips = as_clips(clips)
    found = model if isinstance(model, Model) else load_model(model)
    found = check_adapt(found, adapt)
    if labels is not None:
        label_sets.check_scheme(labels, found.labels)
    labelled = label_sets.labelled(clips, found.labels, labels)
    own = label_sets.own_labels(labelled, labels)
    given, answered, failures = read_tables(tables), {}, []
    with _store(cache, several=bool(names)) as store:
        work: Work = {"cache": store, "workers": workers, "progress": progress}
        for name in ("", *names):
            change = _change(name, seed) if name else None
            tables_of, failed = _answers(found, labelled, given, change, work)
            if labels is not None:
                tables_of = {one: under(table, labels) for one, table in tables_of.items()}
            answered[name] = {
                one: label_sets.projected(table, labelled, own) for one, table in tables_of.items()
            }
            failures.append(failed)
            if not _evaluated(answered):
                raise SerError(
                    f"none of the {len(labelled)} clip(s) could be used; see the failures"
                )
    said = label_sets.words(found.labels, own, labels)
    run = _run(found, labelled, clips, answered, said, seed, time.monotonic() - started)
    return run, pd.concat(failures).drop_duplicates(ignore_index=True)


@contextmanager
def _store(cache: Cache | str | Path | None, *, several: bool) -> Iterator[Cache]:
    """Yield the cache; where none is kept, one for as long as several conditions need frames."""
    found = as_cache(cache)
    if found.folder is not None or not several:
        yield found
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Cache(folder)


def _change(name: str, seed: int) -> Changes:
    from multimodal_ser.audio import conditions as suite

    return lambda clip: suite.Recorded(name, tuple(suite.seed_of(clip, seed)))


def _answers(
    model: Model, clips: pd.DataFrame, tables: Tables, change: Changes, work: Work
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return the probabilities by modality, and the failures."""
    parts: dict[str, list[pd.DataFrame]] = {}
    failures = []
    for answers, failed in predict_clips(model, clips, tables=tables, change=change, **work):
        failures.append(failed)
        for modality in MODALITIES:
            if modality in answers:
                parts.setdefault(modality, []).append(answers[modality])
    answered = {name: pd.concat(tables) for name, tables in parts.items()}
    return answered, pd.concat(failures, ignore_index=True)


def _evaluated(answered: Answers) -> list[str]:
    """Return the modalities that a clip has, as recorded; another was not evaluated."""
    there = [name for name, table in answered[""].items() if table.notna().any(axis=None)]
    found = [name for name in MODALITIES if name in there]
    # Of one modality alone there is nothing to fuse.
    return found if len(found) > 2 else found[:1]


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
    actors = pd.Series(actor_groups(run.clips), run.clips.index)
    face = {one.modality: one.probabilities for one in run.models if one.modality == "video"}
    rows = []
    for one in run.models:
        same = [other for other in run.models if other.condition == one.condition]
        answers = face | {other.modality: other.probabilities for other in same}
        chosen = model.combiner.label_sets(answers, coverage)
        found = sets.measure(chosen[one.modality], run.clips["emotion"], actors)
        measured = {f"set_{name}": value for name, value in found.items()}
        rows.append({"model": one.name, "set_asked": coverage} | measured)
    return pd.DataFrame(rows)


def _models(answered: Answers, fold: pd.Series) -> Iterator[RunModel]:
    """Yield each modality's model as recorded, then under each condition where it can differ."""
    evaluated = _evaluated(answered)
    for condition, tables in answered.items():
        ends = f", {condition}" if condition else ""
        for modality in evaluated:
            if condition and modality == "video":
                continue
            parts = {"audio": f"audio{ends}", "video": "video"} if modality == "fused" else {}
            table = tables[modality]
            yield RunModel(modality + ends, modality, table, fold, parts, condition=condition)


def _run(
    model: Model, labelled, clips, answered: Answers, said: str, seed: int, seconds: float
) -> Run:
    fold = pd.Series(FOLD, labelled.index, dtype=object, name="fold")
    models = tuple(_models(answered, fold))
    record = run_record(None, labelled, seconds=round(seconds, 1))
    names = ", ".join(sorted(clips["dataset"].dropna().unique())) or "own recordings"
    kept = label_sets.other_words(clips, labelled)
    return Run(
        title=f"{names}: a finished model on {kept}" + (f"; {said}" if said else ""),
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
