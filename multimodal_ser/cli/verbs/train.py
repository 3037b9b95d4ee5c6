"""The verb ``train``."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from multimodal_ser.cli import requests
from multimodal_ser.cli.arguments import (
    adapt_argument,
    add_verb,
    data_argument,
    model_arguments,
    training_arguments,
    work_arguments,
)
from multimodal_ser.cli.printing import say
from multimodal_ser.errors import SerError


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(verbs, "train", run, "fit audio and video models and their fusion")
    data_argument(verb)
    verb.add_argument("--output", metavar="DIR", required=True, help="folder of the model")
    model_arguments(verb, several=False)
    adapt_argument(verb)
    verb.add_argument(
        "--targets",
        metavar="COLUMNS",
        help="learn numbers instead of labels: columns of a table, such as valence,arousal; "
        "regressors of the voice, by --features (default: functionals), and of the face, by "
        "--video (default: estimated_action_units, where there are videos), scored by CCC",
    )
    training_arguments(verb)
    work_arguments(verb)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    if options.targets:
        return _run_regressor(options)
    from multimodal_ser.cli import terminal
    from multimodal_ser.workflows import training
    from multimodal_ser.workflows.data import read_tables

    recipes = requests.recipes_of(options)
    if len(recipes) > 1:
        raise SerError(f"{len(recipes)} models are named; train makes one, benchmark compares")
    training.check(recipes[0])
    tables = read_tables(options.tables)
    clips, extra = requests.training_clips(options)
    recipe = requests.labelled_as(recipes, options)[0]
    requests.say_unknown_speakers(clips)
    work = requests.work_of(options)
    model, data = training.train(clips, recipe, options.output, extra=extra, tables=tables, **work)
    status = requests.say_failures(data.failures, requests.used_of(data))
    told = json.loads((Path(options.output) / "run.json").read_text(encoding="utf-8"))
    if told["calibration"]:
        say("On training actors whom calibration and fusion were not fitted on:")
        terminal.show_calibration(told["calibration"])
    for name, chosen in told["chosen"].items():
        words = ", ".join(f"{key} {value}" for key, value in chosen["params"].items())
        say(f"chosen on the inner folds for {name}: {words or 'its defaults'}")
    _say_held_out(told["held_out"], bool(clips["actor"].isna().any()))
    terminal.show_costs(told["costs"])
    say(f"fusion: {model.combiner.fuser.method} of {', '.join(model.learners)}")
    say(f"model saved in {options.output}")
    say(f"predict with it: multimodal-ser predict CLIP --model {options.output}")
    say(f"a full benchmark, which nests the choice: {_benchmark(options)}")
    return status


def _run_regressor(options: argparse.Namespace) -> int:
    from multimodal_ser.cli import terminal
    from multimodal_ser.compute.parallel import Engine
    from multimodal_ser.workflows import regression
    from multimodal_ser.workflows.data import Work

    if options.extra or options.copies or options.search or options.audio not in (None, "none"):
        raise SerError("--targets takes --features and --video alone; leave out the other options")
    clips, targets = requests.clips_of(options), requests.targets_of(options)
    face, tables = requests.face_of(options, clips)
    requests.say_unknown_speakers(clips)
    given = requests.work_of(options)
    work: Work = {**given, "workers": Engine.of(given["workers"], several=len(clips) > 1)}  # type: ignore[typeddict-item]
    voice = None if options.audio else options.features or "functionals"
    how = {"features": voice, "face": face, "tables": tables, "seed": options.seed}
    scores, failures = regression.train(clips, targets, options.output, **how, work=work)
    unknown = bool(clips["actor"].isna().any())
    say(f"How good is it? On {requests.held_out_words(unknown)} of the training clips:")
    terminal.show_numbers(scores)
    say(f"model saved in {options.output}")
    say(f"predict with it: multimodal-ser predict CLIP --model {options.output}")
    return requests.say_failures(failures)


def _say_held_out(rows: list[dict], unknown: bool) -> None:
    from multimodal_ser.cli import terminal

    if not rows:
        say("nobody could be held out, so how good it is was not measured")
        return
    say(f"How good is it? On {requests.held_out_words(unknown)} of the training clips:")
    terminal.show_held_out(rows)


def _benchmark(options: argparse.Namespace) -> str:
    """Return the command that measures the same recipe fold by fold."""
    words, rest = [], iter(options.words[1:])
    for word in rest:
        if word.startswith("--o") and "--output".startswith(word.partition("=")[0]):
            if "=" not in word:
                next(rest, None)
        else:
            words.append(word)
    return shlex.join(["multimodal-ser", "benchmark", *words, "--run", f"{options.output}-run"])
