"""The verb ``train``."""

from __future__ import annotations

import argparse

from multimodal_ser.cli import requests
from multimodal_ser.cli.arguments import (
    add_verb,
    data_argument,
    model_arguments,
    training_arguments,
    work_arguments,
)


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(verbs, "train", run, "fit audio and video models and their fusion")
    data_argument(verb)
    verb.add_argument("--output", metavar="DIR", required=True, help="folder of the model")
    model_arguments(verb, several=False)
    training_arguments(verb)
    work_arguments(verb)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.cli import terminal
    from multimodal_ser.workflows import training

    recipe = requests.recipe_of(options)
    training.check(recipe)
    clips, extra = requests.training_clips(options)
    model, data = training.train(
        clips, recipe, options.output, extra=extra, **requests.work_of(options)
    )
    status = requests.say_failures(data.failures)
    rows = [{"modality": name, "temperature": value} for name, value in model.temperatures.items()]
    terminal.show(rows)
    if options.search:
        chosen = ", ".join(f"{name} {value}" for name, value in model.audio.params.items())
        print(f"found by the search (run.json has all trials): {chosen}")
    print(f"fusion: {model.fuser.method}")
    print(f"model saved in {options.output}")
    print(f"predict with it: multimodal-ser predict CLIP --model {options.output}")
    return status
