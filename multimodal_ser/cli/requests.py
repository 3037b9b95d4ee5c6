"""What options ask for: clips, recipes, workers; and what is said about them."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from multimodal_ser.cli.printing import say
from multimodal_ser.errors import SerError

if TYPE_CHECKING:
    import pandas as pd

    from multimodal_ser.evaluation.runs import Run
    from multimodal_ser.tables import Features
    from multimodal_ser.workflows.data import Data
    from multimodal_ser.workflows.recipes import Preset, Recipe


#: ``pipelines/hidden_speakers.py`` on CREMA-D, 72 clips of each of 4 speakers, grouped by sound;
#: with the column actor 44 and 44 % are sure and right, and 44 and 44 % said and found.
UNKNOWN_SPEAKERS = "measured of 4 speakers: 50 % sure and 44 % right, UAR 48 % here and 44 % there"


def clips_of(options: argparse.Namespace) -> pd.DataFrame:
    """Return the clips table that DATA and its options name."""
    from multimodal_ser import datasets

    options.data = options.data_option or options.data
    if not options.data:
        raise SerError("no data given; name a folder of recordings or a clips table")
    names = datasets.paired(options.data, options.dataset)
    pairs, numbers = zip(options.data, names, strict=True), targets_of(options)
    clips = datasets.joined(
        (data, _of_preset(options, _read(name, data, numbers))) for data, name in pairs
    )
    if options.channel not in (None, "both"):
        clips = _only(clips, "channel", options.channel)
    return _only(clips, "sex", options.sex) if options.sex else clips


def _of_preset(options: argparse.Namespace, clips: pd.DataFrame) -> pd.DataFrame:
    """Return those clips of a source that the preset takes, where no channel is asked for."""
    channel = "both" if options.channel else _preset_channel(options, clips)
    return clips if channel == "both" else _only(clips, "channel", channel)


def _preset_channel(options: argparse.Namespace, clips: pd.DataFrame) -> str:
    """Return the channel that the preset takes of RAVDESS: all that it was measured on."""
    from multimodal_ser.workflows.recipes import PRESETS

    preset = PRESETS.get(getattr(options, "preset", ""))
    spoken = (clips["dataset"] == "ravdess").all() and (clips["channel"] == "speech").any()
    return preset.channel if preset and spoken else "both"


def targets_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the columns of numbers that ``--targets`` names, or those of a regressor."""
    given = getattr(options, "targets", None) or ""
    return tuple(filter(None, map(str.strip, given.split(","))))


def _read(dataset: str | None, data: str, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """Return the clips table of a folder or a table."""
    from multimodal_ser import datasets
    from multimodal_ser.datasets import folder
    from multimodal_ser.tables import io as tableio

    if not tableio.is_table(data):
        name = dataset or datasets.recognise(data)
        clips = datasets.index(data, name, numbers)
        _say_skipped(data, name, clips)
        return clips
    if folder.is_list(data):
        return folder.read_list(data, numbers)
    return tableio.read_clips(data, numbers)


def _only(clips: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    """Return the clips with one value of a column, and say how many have none."""
    from multimodal_ser.tables import selection

    chosen = selection.only(clips, column, value)
    if unknown := int(clips[column].isna().sum()):
        say(f"left out: {unknown} clip(s) whose {column} is not known", error=True)
    return chosen


def _extra(options: argparse.Namespace) -> pd.DataFrame | None:
    import pandas as pd

    from multimodal_ser import datasets

    parts = []
    for text in options.extra:
        dataset, is_named, data = text.partition("=")
        if is_named and dataset in datasets.NAMES:
            clips = _read(dataset, data)
        else:  # as DATA is read, where there is one way
            ways = set(options.dataset or ())
            clips = _read(ways.pop() if len(ways) == 1 else None, text)
        parts.append(_only(clips, "sex", options.sex) if options.sex else clips)
    if not parts:
        return None
    extra = pd.concat(parts)
    return extra[~extra.index.duplicated()]


def training_clips(options: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the clips and the extra ones, and say which labels they have.

    ``options.labels`` is set, where it names no scheme: to ``own`` for own recordings and
    for labels that are no emotions, else to the eight emotions.
    """
    from multimodal_ser.tables import actor_groups, selection

    clips, extra = clips_of(options), _extra(options)
    options.labels = options.labels or _usual_labels(clips)
    _say_labels(clips, options.labels)
    if extra is not None:
        extra = selection.apart(extra, clips)
        actors = len(set(actor_groups(extra)))
        say(f"extra: {len(extra)} clips of {actors} actors, to train on only", error=True)
    return clips, extra


def say_unknown_speakers(clips: pd.DataFrame) -> None:
    """Say how many clips are of unknown speakers, and what that does to scores and confidence."""
    if unknown := int(clips["actor"].isna().sum()):
        say(
            f"the speakers of {unknown} clip(s) are not known: those that sound alike are held out "
            "together, but scores here and the confidence of predictions may still be too high for "
            f"new people ({UNKNOWN_SPEAKERS}); give a table of path, label and actor",
            error=True,
        )


def held_out_words(unknown: bool) -> str:
    """Return whom scores at the end of a training are of.

    Args:
        unknown: whether somebody is not known.
    """
    return "held-out clips, those that sound alike together," if unknown else "held-out speakers"


def _usual_labels(clips: pd.DataFrame) -> str:
    from multimodal_ser import datasets
    from multimodal_ser.tables import EMOTIONS
    from multimodal_ser.tables.labels import OWN

    published = clips["dataset"].isin([name for name in datasets.NAMES if name != "folder"])
    foreign = ~clips["emotion"].dropna().isin(EMOTIONS)
    return OWN if foreign.any() or not published.any() else "emotions8"


def labelled_as(recipes: list[Recipe], options: argparse.Namespace) -> list[Recipe]:
    """Return the recipes for the labels that :func:`training_clips` settled on."""
    from dataclasses import replace

    return [replace(recipe, labels=options.labels) for recipe in recipes]


def _say_labels(clips: pd.DataFrame, scheme: str) -> None:
    from multimodal_ser.tables import selection
    from multimodal_ser.tables.labels import emotion_of

    kept = selection.labelled(clips, scheme)
    lost = clips.drop(kept.index)
    if len(lost) or scheme != "emotions8":
        head = f"labels {scheme}: {len(kept)} of {len(clips)} clips"
        say(f"{head}: {selection.counted(kept)}", error=True)
    if scheme != "own":
        words = set(clips.loc[kept.index, "emotion"].dropna())
        read = [
            f"{word} as {emotion_of(word)}" for word in sorted(words) if emotion_of(word) != word
        ]
        if read:
            say(f"read: {', '.join(read)}", error=True)
    if len(lost):
        counts = selection.counted(lost)
        foreign = lost["emotion"].dropna().map(emotion_of).isna().any()
        advice = "; --labels own keeps every word" if foreign else ""
        say(f"left out: {len(lost)} clip(s): {counts}{advice}", error=True)
    if selection.needs_sex(scheme) and (unknown := int(clips["sex"].isna().sum())):
        say(f"left out: {unknown} clip(s) of speakers whose sex is not known", error=True)


def recipes_of(options: argparse.Namespace) -> list[Recipe]:
    """Return the recipes that the options describe, and keep the tables they name.

    ``options.tables`` is set: name of an input -> path.
    """
    from multimodal_ser.audio.augment import ELSEWHERE
    from multimodal_ser.workflows.recipes import PRESETS, Recipe, grid

    preset = PRESETS[options.preset]
    options.tables = {}
    features, audio = options.features or "mfcc_rms", options.audio
    if audio is None:
        audio = preset.audio if options.features is None else f"{features}:{_alone(preset)}"
    heard = [_with_input(text, features) for text in audio.split(",")]
    seen = [_noted(text, options) for text in (options.video or preset.video).split(",")]
    elsewhere = getattr(options, "conditions", False)
    if elsewhere and not options.copies:
        raise SerError("--conditions says how copies are made, and there are none; add --copies 2")
    base = Recipe(
        augmentation=ELSEWHERE if elsewhere else None,
        **{name: getattr(options, name) for name in ("crop", "detector", "pooling", "fusion")},
        **{name: getattr(options, name) for name in _TRAINING if hasattr(options, name)},
        sampling=options.sampling,
        labels=getattr(options, "labels", None) or "emotions8",
        seed=options.seed,
    )
    found = grid(base, heard, seen)
    if not found:
        raise SerError("there is nothing to train; choose an audio or a video model")
    params = {"epochs": options.epochs} if options.epochs else {}
    return [recipe.with_params(**params) for recipe in found]


_TRAINING = ("copies", "search", "search_method", "search_metric", "inner_folds", "adapt")


def _alone(preset: Preset) -> str:
    """Return the classifier of a preset's first audio learner."""
    return preset.audio.split("+")[0].partition(":")[2]


def _with_input(text: str, features: str) -> str:
    from multimodal_ser.workflows.recipes import learners_in, text_of

    return text_of(learners_in(text, "audio", features=features)) or "none"


def _noted(text: str, options: argparse.Namespace) -> str:
    """Return a video text without the paths of its tables, which ``options.tables`` keeps."""
    from multimodal_ser.video import classifiers

    parts = []
    for part in text.split("+"):
        name, is_table, rest = part.strip().partition("=")
        path, _, classifier = rest.rpartition(":")
        if not path or classifier not in (*classifiers.NAMES, "vote"):
            path, classifier = rest, ""
        if is_table:
            options.tables[name] = path
        parts.append(f"{name}:{classifier}" if classifier else name)
    return "+".join(parts)


def face_of(
    options: argparse.Namespace, clips: pd.DataFrame
) -> tuple[str | None, dict[str, Features]]:
    """Return what a regressor knows a face by, and its table made elsewhere, if it is one."""
    from multimodal_ser.workflows import regression
    from multimodal_ser.workflows.data import read_tables

    if options.video is None:
        return (regression.FACE if clips["video"].notna().any() else None), {}
    options.tables = {}
    name = _noted(options.video, options)
    return (None if name == "none" else name), read_tables(options.tables)


def tables_of(options: argparse.Namespace) -> dict[str, str]:
    """Return name -> path of the tables that ``--table`` names."""
    pairs = [text.partition("=") for text in options.table]
    wrong = next(
        (text for text, pair in zip(options.table, pairs, strict=True) if not pair[2]), None
    )
    if wrong is not None:
        raise SerError(f"--table {wrong}: give it as NAME=TABLE, such as action_units=units.csv")
    return {name: path for name, _, path in pairs}


def work_of(options: argparse.Namespace) -> dict:
    """Return cache, engine and progress as the options ask for them."""
    from multimodal_ser.compute.cache import Cache, default_folder
    from multimodal_ser.compute.parallel import Engine

    folder = None if options.no_cache else Path(options.cache or default_folder())
    engine = Engine(options.workers, options.timeout_seconds, options.scheduler)
    return {"cache": Cache(folder), "workers": engine, "progress": not options.quiet}


def say_failures(failures: pd.DataFrame, used: Collection[str] = ()) -> int:
    """Print each failure as a line on standard error; return the exit status.

    Args:
        failures: a failure table.
        used: clips of which something could be used: what failed of them is a note.

    Returns:
        1 where there is a recording of which nothing could be used, else 0.
    """
    lost = failures[~failures["clip"].isin(list(used))]
    for table, word in ((failures.drop(lost.index), "note"), (lost, "error")):
        # A video of which sound and image fail is one line.
        for path, errors in table.groupby("path", sort=False)["error"]:
            first, *more = errors.unique()
            others = (text.removeprefix(f"{path}: ") for text in more)
            say(f"{word}: {'; also: '.join([first, *others])}", error=True)
    if len(lost):
        say(f"{lost['path'].nunique()} file(s) could not be used", error=True)
    return 1 if len(lost) else 0


def used_of(data: Data) -> set[str]:
    """Return the clips of which some learner has its input."""
    return {clip for found in data.inputs.values() for clip in found.clips}


def answered_of(run: Run) -> set[str]:
    """Return the clips that some model of a run has an answer for."""
    tables = (model.probabilities for model in run.models)
    return {clip for table in tables for clip in table.index[table.notna().all(axis=1)]}


def check(options: argparse.Namespace) -> None:
    """Refuse, before any work, numbers and files that cannot be.

    Raises:
        SerError: a number of frames, seconds or epochs is not above 0, a file of ``--report`` or
            ``--failures`` has another ending than those it can have, or a place cannot be written.
    """
    for name in ("every", "every_seconds", "epochs"):
        value = getattr(options, name, None)
        if value is not None and value <= 0:
            raise SerError(f"--{name.replace('_', '-')} is {value}; give more than 0")
    if report := getattr(options, "report", None):
        check_page(report)
    if film := getattr(options, "annotate", None):
        from multimodal_ser.video.annotate import check_output

        for source in options.sources:
            check_output(source, film)
    if failures := getattr(options, "failures", None):
        from multimodal_ser.tables import io as tableio

        tableio.check_ending(failures)
    for name in ("output", "report", "annotate", "failures", "run_folder", "save_folds"):
        if place := getattr(options, name, None):
            _check_writable(Path(place))


def suit_spreadsheet(options: argparse.Namespace) -> None:
    """Write the CSV of ``--output`` as ``--csv-for`` wants it."""
    if not getattr(options, "csv_for", None) or not options.output:
        return
    from multimodal_ser.tables import io as tableio

    if Path(options.output).suffix.lower() == ".csv":
        tableio.write(tableio.read(options.output), options.output, excel=True)


def check_page(path: str) -> None:
    """Refuse a page under a name that no browser takes for one.

    Raises:
        SerError: it does not end in ``.html`` or ``.htm``.
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise SerError(f"{path}: reports are HTML pages; give a name that ends in .html")


def _check_writable(path: Path) -> None:
    """Refuse a place below what is no folder, or is one that nothing can be written to."""
    places = (path.absolute(), *path.absolute().parents)
    above = next((place for place in places if place.exists()), None)
    if above is None:
        raise SerError(f"{path}: there is no such drive; choose another place")
    try:
        if above.is_dir():
            with tempfile.TemporaryFile(dir=above):
                return
        if above == path.absolute() and os.access(above, os.W_OK):
            return
        reason = "it is no folder"
    except OSError as error:
        reason = error.strerror or str(error)
    raise SerError(f"{path}: it cannot be written in {above} ({reason}); choose another place")


def say_other_files(folder: str | Path) -> None:
    """Say how many files of a folder are passed over for their ending."""
    from multimodal_ser.datasets.files import other_files

    if found := other_files(folder):
        endings = ", ".join(f"{ending} {count}" for ending, count in sorted(found.items()))
        say(f"passed over in {folder}: {found.total()} other file(s): {endings}", error=True)


def _say_skipped(folder: str, name: str, clips: pd.DataFrame) -> None:
    """Say what of a folder is not among its clips: other files, and recordings of other names."""
    from multimodal_ser import datasets
    from multimodal_ser.datasets.files import absolute, walk

    if name == "folder":
        say_other_files(folder)
        return
    there = {str(absolute(path)) for path in walk(folder)}
    used = set(clips["audio"].dropna()) | set(clips["video"].dropna())
    unused = there - {str(absolute(path)) for path in used}
    listed = "which no table names" if name in datasets.OWN else "for their names or as copies"
    if unused:
        say(
            f"passed over in {folder}: {len(unused)} of {len(there)} recordings, {listed}"
            + ("" if name in datasets.OWN else "; 'multimodal-ser validate' names them"),
            error=True,
        )
