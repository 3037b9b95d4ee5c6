"""The verb ``benchmark``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multimodal_ser.cli import requests
from multimodal_ser.cli.arguments import (
    adapt_argument,
    add_verb,
    data_argument,
    model_arguments,
    output_argument,
    training_arguments,
    work_arguments,
)
from multimodal_ser.cli.printing import say
from multimodal_ser.errors import SerError

if TYPE_CHECKING:
    import pandas as pd

    from multimodal_ser.evaluation.runs import Run
    from multimodal_ser.workflows.recipes import Recipe


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(
        verbs, "benchmark", run, "score audio, video and fused models on unseen speakers"
    )
    data_argument(verb)
    verb.add_argument(
        "--protocol",
        help="luna5 (default for RAVDESS), aei (actors 1-20 against 21-24), hicmae6, emobox6, "
        "actors (5 folds of any data; default elsewhere), leave_one_actor_out, corpora (leaves out "
        "one of several DATA at a time), random_leaky (marked as such), or a table with the column "
        "fold and one of clip and actor",
    )
    verb.add_argument(
        "--modalities",
        default="audio,video,fusion",
        help="which to measure (default: %(default)s); fusion needs the other two",
    )
    adapt_argument(verb)
    verb.add_argument(
        "--save-folds",
        metavar="FILE",
        help="write which clip is tested in which fold; --protocol FILE takes it again",
    )
    model_arguments(verb, several=True)
    training_arguments(verb)
    work_arguments(verb)
    output_argument(verb, "the scores")
    verb.add_argument(
        "--run",
        dest="run_folder",
        metavar="DIR",
        help="keep probabilities and an HTML report there; an interrupted run resumes, and models "
        "of the same clips, folds and seed are added to those that are there",
    )


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.cli import terminal
    from multimodal_ser.tables import io as tableio
    from multimodal_ser.workflows import benchmarking, training

    modalities = _modalities(options.modalities)
    if options.output:
        tableio.check_ending(options.output)
    options.audio = options.audio if "audio" in modalities else "none"
    options.video = options.video if "video" in modalities else "none"
    recipes = requests.recipes_of(options)
    recipes = recipes if "fusion" in modalities else _apart(recipes)
    for recipe in recipes:
        training.check(recipe)
    clips, extra = requests.training_clips(options)
    recipes = requests.labelled_as(recipes, options)
    if unknown := int(clips["actor"].isna().sum()):
        say(
            f"marked leaky: the speakers of {unknown} clip(s) are not known, so that one may be on "
            "both sides; give a table of path, label and actor",
            error=True,
        )
    run, failures = benchmarking.benchmark(
        clips,
        recipes,
        options.protocol or _protocol(options, clips),
        extra=extra,
        tables=options.tables,
        folds_file=options.save_folds,
        run_folder=options.run_folder,
        **requests.work_of(options),
    )
    folder = Path(options.run_folder) if options.run_folder else None
    run = _keep_run(run, folder) if folder else run
    scores = benchmarking.score_table(run)
    if options.output:
        tableio.write(scores, options.output)
    terminal.show_scores(scores)
    terminal.show_costs(cost for model in run.models for cost in model.costs)
    if folder:
        say(f"run and report: {folder / 'report.html'}")
    return requests.say_failures(failures, requests.answered_of(run))


def _protocol(options: argparse.Namespace, clips: pd.DataFrame) -> str:
    """Return the preset's protocol, where the clips are RAVDESS's."""
    from multimodal_ser.evaluation.folds import usual
    from multimodal_ser.workflows.recipes import PRESETS

    found = usual(clips)
    return PRESETS[options.preset].protocol if found == "luna5" else found


def _modalities(text: str) -> list[str]:
    chosen = text.split(",")
    strange = [name for name in chosen if name not in ("audio", "video", "fusion")]
    if strange:
        raise SerError(f"there is no modality {strange[0]!r}; choose among audio, video, fusion")
    if "fusion" in chosen and not {"audio", "video"} <= set(chosen):
        raise SerError("fusion needs both others; give --modalities audio,video,fusion")
    return chosen


def _apart(recipes: list[Recipe]) -> list[Recipe]:
    """Return each recipe's modalities as recipes of their own, which nothing fuses."""
    others: dict[str, dict[str, Any]] = {"audio": {"video": None}, "video": {"audio": None}}
    return [
        replace(recipe, **other)
        for recipe in recipes
        for modality, other in others.items()
        if getattr(recipe, modality)
    ]


def _keep_run(run: Run, folder: Path) -> Run:
    from multimodal_ser.evaluation.runs import read_run, write_run
    from multimodal_ser.reports.html import run_report

    write_run(folder, run)
    kept = read_run(folder)  # with the models that were measured there before
    run_report([kept], folder / "report.html")
    return kept
