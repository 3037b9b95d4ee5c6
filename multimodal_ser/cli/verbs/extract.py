"""The verb ``extract``."""

from __future__ import annotations

import argparse

from multimodal_ser.cli import requests
from multimodal_ser.cli.arguments import add_verb, data_argument, model_arguments, work_arguments
from multimodal_ser.errors import SerError


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
    model_arguments(verb, several=False)
    work_arguments(verb)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.tables import io as tableio
    from multimodal_ser.workflows import training

    recipe = requests.recipe_of(options)
    training.check_front_ends(recipe)
    _check_features_file(options, recipe)
    clips = requests.clips_of(options)
    if options.output and clips["audio"].isna().all():
        raise SerError(f"none of the {len(clips)} clip(s) has sound; leave out --output")
    data = training.extract(clips, recipe, **requests.work_of(options))
    parts = []
    if data.features is not None:
        parts.append(f"audio features of {len(data.features.clips)} clips")
        if options.output:
            tableio.write_features(data.features, options.output)
    if data.frames is not None:
        parts.append(f"frames of {len(data.frames.clips)} clips{_face_summary(data, options)}")
    cache = requests.work_of(options)["cache"]
    print(f"{' and '.join(parts)}, kept in {cache.folder or 'memory only'}")
    return requests.say_failures(data.failures)


def _check_features_file(options, recipe) -> None:
    if not options.output:
        return
    if recipe.audio is None:
        raise SerError("--output is for audio features; leave out '--audio none', or --output")
    from multimodal_ser.audio import features
    from multimodal_ser.tables import io as tableio

    tableio.check_features_ending(options.output, features.shape(recipe.features))


def _face_summary(data, options: argparse.Namespace) -> str:
    from multimodal_ser.workflows import training

    if training.frame_params(requests.recipe_of(options)).crop != "face" or not len(data.frames):
        return ""
    rates = data.frames.face_rates()
    worst = rates.idxmin()
    return f" (a face in {rates.mean():.0%} of a clip's frames, least {rates.min():.0%} in {worst})"
