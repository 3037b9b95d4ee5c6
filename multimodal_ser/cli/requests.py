"""What options ask for: clips, recipes, workers; and what is said about them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from multimodal_ser.errors import SerError

if TYPE_CHECKING:
    import pandas as pd


def clips_of(options: argparse.Namespace) -> pd.DataFrame:
    """Return the clips table that DATA and its options name."""
    options.data = options.data_option or options.data
    if options.data is None:
        raise SerError("no data given; name a folder of recordings or a clips table")
    clips = _read(options.dataset, options.data)
    if options.channel != "both":
        clips = _only(clips, "channel", options.channel)
    return _only(clips, "sex", options.sex) if options.sex else clips


def _read(dataset: str, data: str) -> pd.DataFrame:
    """Return the clips table of a folder or a table."""
    from multimodal_ser import datasets
    from multimodal_ser.datasets import folder
    from multimodal_ser.tables import io as tableio

    if not tableio.is_table(data):
        return datasets.load(dataset).index(data)
    return folder.read_list(data) if folder.is_list(data) else tableio.read_clips(data)


def _only(clips: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    """Return the clips with one value of a column, and say how many have none."""
    from multimodal_ser.tables import selection

    chosen = selection.only(clips, column, value)
    if unknown := int(clips[column].isna().sum()):
        print(f"left out: {unknown} clip(s) whose {column} is not known", file=sys.stderr)
    return chosen


def _extra(options: argparse.Namespace) -> pd.DataFrame | None:
    import pandas as pd

    from multimodal_ser import datasets

    parts = []
    for text in options.extra:
        dataset, is_named, data = text.partition("=")
        if not is_named or dataset not in datasets.NAMES:
            dataset, data = options.dataset, text
        clips = _read(dataset, data)
        parts.append(_only(clips, "sex", options.sex) if options.sex else clips)
    if not parts:
        return None
    extra = pd.concat(parts)
    return extra[~extra.index.duplicated()]


def training_clips(options: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the clips and the extra ones, and say which labels they have."""
    from multimodal_ser.tables import actor_groups, selection

    clips, extra = clips_of(options), _extra(options)
    if options.labels != "emotions8":
        _say_labels(clips, options.labels)
    if extra is not None:
        extra = selection.apart(extra, clips)
        actors = len(set(actor_groups(extra)))
        print(f"extra: {len(extra)} clips of {actors} actors, to train on only", file=sys.stderr)
    return clips, extra


def _say_labels(clips: pd.DataFrame, scheme: str) -> None:
    from multimodal_ser.tables import selection

    kept = selection.labelled(clips, scheme)
    counts = ", ".join(
        f"{label} {n}" for label, n in kept["emotion"].value_counts(sort=False).items()
    )
    print(f"labels {scheme}: {len(kept)} of {len(clips)} clips: {counts}", file=sys.stderr)
    if selection.needs_sex(scheme) and (unknown := int(clips["sex"].isna().sum())):
        print(f"left out: {unknown} clip(s) of speakers whose sex is not known", file=sys.stderr)


def recipe_of(options):
    """Return the recipe that the options describe."""
    from multimodal_ser.workflows.training import Recipe

    return Recipe(
        audio=names_in(options.audio)[0],
        features=options.features,
        video=names_in(options.video)[0],
        video_params={"epochs": options.epochs} if options.epochs else {},
        every=options.every,
        every_seconds=options.every_seconds,
        keyframes_only=options.key_frames,
        crop=options.crop,
        detector=options.detector,
        pooling=options.pooling,
        fusion=options.fusion,
        labels=getattr(options, "labels", "emotions8"),
        copies=getattr(options, "copies", 0),
        search=getattr(options, "search", 0),
        search_method=getattr(options, "search_method", "random"),
        search_metric=getattr(options, "search_metric", "accuracy"),
        seed=options.seed,
    )


def names_in(text: str) -> list[str | None]:
    """Return the names in a text with commas; ``none`` stands for None."""
    return [None if name == "none" else name for name in map(str.strip, text.split(","))]


def work_of(options: argparse.Namespace) -> dict:
    """Return cache, engine and progress as the options ask for them."""
    from multimodal_ser.compute.cache import Cache, default_folder
    from multimodal_ser.compute.parallel import Engine

    folder = None if options.no_cache else Path(options.cache or default_folder())
    engine = Engine(options.workers, options.timeout_seconds, options.scheduler)
    return {"cache": Cache(folder), "workers": engine, "progress": not options.quiet}


def say_failures(failures: pd.DataFrame) -> int:
    """Print each failure as a line on standard error; return the exit status."""
    # A film whose sound and picture fail for one reason is one line.
    for error in failures["error"].unique():
        print(f"error: {error}", file=sys.stderr)
    if len(failures):
        print(f"{failures['path'].nunique()} file(s) could not be used", file=sys.stderr)
    return 1 if len(failures) else 0
