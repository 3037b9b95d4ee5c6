"""The verb ``extract``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, cast

from multimodal_ser.cli import requests
from multimodal_ser.cli.arguments import add_verb, data_argument, model_arguments, work_arguments
from multimodal_ser.cli.printing import say
from multimodal_ser.errors import SerError

if TYPE_CHECKING:
    import pandas as pd

    from multimodal_ser.tables import Features
    from multimodal_ser.video.extract import FrameStore
    from multimodal_ser.workflows.data import Inputs
    from multimodal_ser.workflows.recipes import Learner


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(
        verbs, "extract", run, "compute audio features and sampled frames into the cache"
    )
    data_argument(verb)
    verb.add_argument(
        "--output",
        metavar="FILE",
        help="write the audio features as .csv, .json or .parquet, a column each, or as .npz with "
        "the arrays clips, values and names, which holds features of any shape",
    )
    verb.add_argument(
        "--faces",
        metavar="FILE",
        help="write all faces that were found as .csv, .json or .parquet: a row per clip, sampled "
        "frame and face, with person, box, confidence and whether it was followed",
    )
    model_arguments(verb, several=False)
    work_arguments(verb)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.tables import io as tableio
    from multimodal_ser.workflows import training
    from multimodal_ser.workflows.data import extract, frame_params, read_tables
    from multimodal_ser.workflows.recipes import FRAMES

    recipe = requests.recipes_of(options)[0]
    training.check_front_ends(recipe)
    heard = list(dict.fromkeys(one.input for one in recipe.heard))
    _check_features_file(options, heard)
    if options.faces:
        tableio.check_ending(options.faces)
    clips = requests.clips_of(options)
    if options.output and clips["audio"].isna().all():
        raise SerError(f"none of the {len(clips)} clip(s) has sound; leave out --output")
    work = requests.work_of(options)
    data = extract(clips, recipe, tables=read_tables(options.tables), **work)
    if options.output:
        tableio.write_features(cast("Features", data.inputs[heard[0]]), options.output)
    networks = [one for one in recipe.learners if one.input == FRAMES]
    whole = {one.key for one in networks if frame_params(recipe, one.classifier).crop == "frame"}
    if options.faces:
        tableio.write(_faces_of(data.inputs, networks), options.faces)
    parts = [
        f"{key} of {len(found.clips)} clips{'' if key in whole else _faces(found)}"
        for key, found in data.inputs.items()
    ]
    say(f"{', '.join(parts)}, kept in {work['cache'].folder or 'memory only'}")
    return requests.say_failures(data.failures, requests.used_of(data))


def _check_features_file(options: argparse.Namespace, heard: list[str]) -> None:
    if not options.output:
        return
    if len(heard) != 1:
        raise SerError(
            f"--output is for one feature set, these are {len(heard)}; name one with --features"
        )
    from multimodal_ser.audio import features
    from multimodal_ser.tables import io as tableio

    tableio.check_features_ending(options.output, features.shape(heard[0]))


def _faces_of(inputs: Inputs, networks: list[Learner]) -> pd.DataFrame:
    if not networks:
        raise SerError("--faces is for networks over frames; name one with --video")
    return cast("FrameStore", inputs[networks[0].key]).faces()


def _faces(found: Features | FrameStore) -> str:
    if not hasattr(found, "face_rates") or not len(found.clips):
        return ""
    rates = found.face_rates()
    worst = rates.idxmin()
    return f" (a face in {rates.mean():.0%} of a clip's frames, least {rates.min():.0%} in {worst})"
