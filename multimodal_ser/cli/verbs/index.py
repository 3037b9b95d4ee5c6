"""The verb ``index``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from multimodal_ser.cli import requests
from multimodal_ser.cli.arguments import add_verb, data_argument, output_argument
from multimodal_ser.cli.printing import say

if TYPE_CHECKING:
    import pandas as pd


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(verbs, "index", run, "list the clips of a folder as a table")
    data_argument(verb)
    output_argument(verb, "the clips table", ", or as a database in audformat, FOLDER.audformat")
    verb.add_argument("--durations", action="store_true", help="open every file for its length")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.tables import audformat
    from multimodal_ser.tables import io as tableio

    as_database = bool(options.output) and audformat.is_named_so(options.output)
    if options.output and not as_database:
        tableio.check_ending(options.output, tableio.WRITTEN)
    clips = requests.clips_of(options)
    failed = 0
    if options.durations:
        clips, failed = _with_durations(clips)
    if options.output:
        (audformat if as_database else tableio).write_clips(clips, options.output)
    _say_clips(clips)
    return 1 if failed else 0


def _say_clips(clips: pd.DataFrame) -> None:
    from multimodal_ser.cli import terminal
    from multimodal_ser.tables import known_actors

    counts = clips.groupby(["channel", "emotion"], observed=True, dropna=False).agg(
        clips=("dataset", "size"), audio=("audio", "count"), video=("video", "count")
    )
    counts = counts.reset_index()
    for column in ("channel", "emotion"):  # a categorical one takes no other word
        counts[column] = counts[column].astype(object).fillna("unknown")
    terminal.show(counts)
    say(f"{len(clips)} clips of {len(known_actors(clips))} actors")
    for column, what in (("emotion", "without a label"), ("actor", "of unknown speakers")):
        if unknown := int(clips[column].isna().sum()):
            say(f"{unknown} clip(s) {what}")


def _with_durations(clips: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    from multimodal_ser.audio.signal import duration_seconds
    from multimodal_ser.compute import parallel

    paths = clips["audio"].fillna(clips["video"])
    items = {str(clip): (path,) for clip, path in paths.items()}
    clips, failed = clips.copy(), 0
    for outcome in parallel.map_clips(duration_seconds, items, description="durations", workers=1):
        clips.loc[outcome.clip, "duration"] = outcome.value
        if outcome.error:
            failed += 1
            say(f"error: {outcome.error}", error=True)
    return clips, failed
