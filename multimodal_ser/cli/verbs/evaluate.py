"""The verb ``evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from multimodal_ser.cli import requests
from multimodal_ser.cli.arguments import (
    adapt_argument,
    add_verb,
    data_argument,
    labels_argument,
    output_argument,
    sets_argument,
    table_argument,
    work_arguments,
)
from multimodal_ser.cli.printing import say
from multimodal_ser.plugins import require

if TYPE_CHECKING:
    from multimodal_ser.evaluation.runs import Run


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(
        verbs, "evaluate", run, "score a finished model on labelled clips of people it never met"
    )
    data_argument(verb)
    verb.add_argument(
        "--model",
        metavar="MODEL",
        help="folder made by 'train', or the name of a released model (default: ravdess)",
    )
    adapt_argument(verb, default=None)
    sets_argument(verb)
    table_argument(verb)
    labels_argument(
        verb,
        None,
        "score under these labels, such as emotions4, onto which probabilities are "
        "projected (default: the model's own)",
    )
    verb.add_argument(
        "--conditions",
        nargs="+",
        default=[],
        metavar="NAME",
        help="hear the recordings under other conditions too, such as phone, white_20db, room_0.3s "
        "or all: what each costs in UAR, and how many predictions stay",
    )
    verb.add_argument(
        "--seed", type=int, default=0, help="of the intervals over actors, and of the conditions"
    )
    work_arguments(verb)
    output_argument(verb, "the scores")
    verb.add_argument(
        "--run", dest="run_folder", metavar="DIR", help="keep probabilities and a report there"
    )


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.audio.conditions import chosen
    from multimodal_ser.cli import terminal
    from multimodal_ser.evaluation.runs import check_place, write_run
    from multimodal_ser.reports.html import run_report
    from multimodal_ser.tables import io as tableio
    from multimodal_ser.workflows import released
    from multimodal_ser.workflows.benchmarking import score_table
    from multimodal_ser.workflows.evaluating import evaluate, score_sets
    from multimodal_ser.workflows.models import load_model

    if options.output:
        tableio.check_ending(options.output)
    if released.is_regressor(options.model):
        return _run_regressor(options)
    if options.run_folder:
        require("pyarrow")  # a run's tables are Parquet
    names = chosen(options.conditions)
    tables, clips = requests.tables_of(options), requests.clips_of(options)
    work = requests.work_of(options)
    how = {"tables": tables, "adapt": options.adapt, "seed": options.seed}
    # A model's own labels are what no scheme means.
    how |= {"labels": None if options.labels == "own" else options.labels, "conditions": names}
    model = load_model(options.model)
    if options.sets is not None:
        model.combiner.check_coverage(options.sets)
    run, failures = evaluate(clips, model, **how, **work)
    if options.run_folder:
        check_place(options.run_folder, run.identity)
        write_run(options.run_folder, run)
        page = run_report([run], Path(options.run_folder) / "report.html")
        say(f"run and report: {page}")
    scores = score_table(run)
    if options.sets is not None:
        scores = scores.merge(score_sets(run, model, options.sets), on="model")
    if options.output:
        tableio.write(scores, options.output)
    say(run.title)
    _say_trained_on(options.model, run)
    terminal.show_scores(scores)
    return requests.say_failures(failures, requests.answered_of(run))


def _say_trained_on(model: str | None, run: Run) -> None:
    """Say so where a model is scored on the very clips that it was trained on."""
    record = Path(model) / "run.json" if model else None
    if record is None or not record.is_file():
        return
    from multimodal_ser.tables.records import read_json

    told = read_json(record, "a training's record")
    if told.get("clips_hash") == run.clips_hash:
        say(
            "the model was trained on these very clips: that says nothing of others; 'benchmark' "
            "measures what it is worth",
            error=True,
        )


def _run_regressor(options: argparse.Namespace) -> int:
    """Score predicted numbers."""
    from multimodal_ser.cli import terminal
    from multimodal_ser.compute.parallel import Engine
    from multimodal_ser.tables import io as tableio
    from multimodal_ser.workflows import regression
    from multimodal_ser.workflows.data import read_tables

    model = regression.load(options.model)
    options.targets = ",".join(model.targets)
    clips = regression.numbers_of(requests.clips_of(options), model.targets)
    work = requests.work_of(options)
    engine = Engine.of(work["workers"], several=len(clips) > 1)
    work |= {"workers": engine}
    tables = read_tables(requests.tables_of(options))
    table, failures = regression.predict(model, clips, work, tables)  # type: ignore[arg-type]
    said = {
        str(name): part.set_index("clip") for name, part in table.groupby("modality", sort=False)
    }
    scores = regression.score_table(said, clips, model.targets, options.seed)
    if options.output:
        tableio.write(scores, options.output)
    terminal.show_numbers(scores)
    return requests.say_failures(failures, set(table["clip"]))
