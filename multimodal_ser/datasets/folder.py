"""Anyone's own recordings: files and folders in any arrangement.

A film and a sound file of the same name in the same folder are one clip, the
sound file being its sound. RAVDESS names keep their meaning, so that labels
and the pairing of modalities come by themselves; of a take that is there both
with sound (01-) and as a silent copy (02-), the former is used. A file in a folder named
after an emotion has that label. Or a table says it: a column ``path``, and where they
are known ``label``, ``actor`` and ``sex`` (:func:`read_list`).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from multimodal_ser.datasets import ravdess
from multimodal_ser.datasets.files import is_audio, is_video, shown, walk
from multimodal_ser.errors import MediaError, SerError, TableError
from multimodal_ser.tables import EMOTIONS, failure_table, make_clips
from multimodal_ser.tables import io as tableio

NAME = "folder"

#: Other words for a label that people name their folders by.
SYNONYMS = {
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "disgusted": "disgust",
    "surprise": "surprised",
}


def index(root: str | Path) -> pd.DataFrame:
    """Return the clips table of one folder of recordings.

    Args:
        root: folder to walk.

    Returns:
        A clips table; ``emotion`` is known where a file lies in a folder named
        after an emotion or has a RAVDESS name.

    Raises:
        SerError: there is no such folder or no recording in it.
    """
    clips, unusable = gather([root])
    if unusable or clips.empty:
        raise SerError(str(unusable[0]) if unusable else f"{root}: no recording in this folder")
    return clips


def gather(sources: Iterable[str | Path]) -> tuple[pd.DataFrame, list[MediaError]]:
    """Return the clips table of files and folders, and what could not be used.

    Args:
        sources: paths of recordings, or of folders to walk.

    Returns:
        The clips table, and one error per source that is missing, is not a
        recording by its ending, or is a folder without any.

    Example:
        >>> clips, unusable = gather(["no-such.mp4"])
        >>> len(clips), str(unusable[0])
        (0, 'no-such.mp4: there is no such file; check the path')
    """
    files: list[Path] = []
    unusable: list[MediaError] = []
    for source in map(Path, sources):
        try:
            files += _files(source, unusable)
        except MediaError as error:
            unusable.append(error)
    groups = _groups(dict.fromkeys(files))
    return make_clips(_row(clip, paths) for clip, paths in groups.items()), unusable


def is_list(path: str | Path) -> bool:
    """Tell whether a table lists recordings by ``path`` and is no clips table.

    Raises:
        TableError: it cannot be read.
    """
    columns = set(tableio.read(path).columns)
    return "path" in columns and "clip" not in columns


def listed_paths(path: str | Path) -> tuple[list[Path], pd.DataFrame]:
    """Return the recordings of a list alone, for prediction: what else it says does not matter.

    Args:
        path: as :func:`read_list` takes it.

    Returns:
        The paths, for :func:`gather`, and the failures (stage ``index``) of rows
        that have none.

    Raises:
        TableError: the list cannot be read.
    """
    given = tableio.read(path)["path"]
    lost = [
        ("", "", "index", f"{path}: row {number} has no path; give it one, or leave it out")
        for number, value in enumerate(given, start=1)
        if pd.isna(value)
    ]
    return [Path(path).parent / str(value) for value in given.dropna()], failure_table(lost)


def read_list(path: str | Path) -> pd.DataFrame:
    """Return the clips table of a list of recordings.

    Args:
        path: CSV, JSON or Parquet with the column ``path``, relative ones counting
            from the list's folder, and where known ``label`` (an emotion, or a
            word of :data:`SYNONYMS`; empty: unknown), ``actor`` and ``sex``.

    Returns:
        A clips table. A film and a sound file of one name in one folder are one
        clip. Whether the files are there shows when they are read.

    Raises:
        TableError: it has no paths, an ending is not that of a recording, a label
            is no emotion, a path is doubled, or two files of one clip differ in
            what the list says of them.
    """
    said: dict[Path, dict] = {}
    for number, row in enumerate(tableio.read(path).to_dict("records"), start=1):
        what = f"{path}: row {number}"
        if pd.isna(row["path"]):
            raise TableError(f"{what} has no path; give it one, or leave it out")
        file = Path(path).parent / row["path"]
        if not (is_audio(file) or is_video(file)):
            raise TableError(f"{what}: {row['path']} has not the ending of a recording")
        if file in said:
            raise TableError(f"{what}: {row['path']} is in a row above too; keep one")
        said[file] = _said(row, what)
    return make_clips(_row_of(clip, paths, said) for clip, paths in _groups(said).items())


def _said(row: dict, what: str) -> dict:
    known = {name: row.get(name) for name in ("label", "actor", "sex")}
    known = {name: str(v).strip() for name, v in known.items() if v is not None and pd.notna(v)}
    label = known.pop("label", None)
    if label:
        word = SYNONYMS.get(label.lower(), label.lower())
        if word not in EMOTIONS:
            raise TableError(
                f"{what}: {label!r} is no emotion; leave it empty, or write one of: "
                f"{', '.join((*EMOTIONS, *SYNONYMS))}"
            )
        known["emotion"] = word
    return known


def _row_of(clip: str, paths: list[Path], said: dict[Path, dict]) -> dict:
    first = said[paths[0]]
    if any(said[path] != first for path in paths):
        names = " and ".join(map(str, paths))
        raise TableError(f"{names} are one clip, but the list says different things of them")
    return {**_row(clip, paths), **first}


def _files(source: Path, unusable: list[MediaError]) -> list[Path]:
    if (written := shown(source)) is not None:
        raise _misnamed(written)
    if os.path.isdir(source):
        n_before = len(unusable)
        found = list(walk(source, lambda written: unusable.append(_misnamed(written))))
        if not found and len(unusable) == n_before:
            raise MediaError(source, "no recording in this folder", "give one with wav or mp4")
        return found
    if not os.path.exists(source):  # which, unlike Path.exists, takes any name
        raise MediaError(source, "there is no such file", "check the path")
    if not (is_audio(source) or is_video(source)):
        raise MediaError(
            source,
            f"the ending {source.suffix or '(none)'} is not that of a recording",
            "give wav, flac, ogg, mp3, m4a, mp4 or avi",
        )
    return [source]


def _misnamed(written: str) -> MediaError:
    return MediaError(written, "its name is not valid UTF-8", "rename it")


def _groups(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Group files into clips: by RAVDESS take, else by folder and name."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        try:
            clip = ravdess.parse_name(path).clip
        except SerError:
            clip = os.path.normpath(path.with_suffix(""))
        groups[clip].append(path)
    apart: dict[str, list[Path]] = {}
    for clip, paths in groups.items():
        pair = sorted(is_video(path) for path in paths) == [False, True]
        if len(paths) == 1 or pair or clip.startswith(ravdess.NAME + "/"):
            apart[clip] = paths
        else:  # two sound files or two films of one name are not one clip
            apart.update({os.path.normpath(path): [path] for path in paths})
    return apart


def _row(clip: str, paths: list[Path]) -> dict:
    if clip.startswith(ravdess.NAME + "/"):
        return ravdess.row(paths)
    film = next((path for path in paths if is_video(path)), None)
    sound = next((path for path in paths if is_audio(path)), film)
    return {
        "clip": clip,
        "dataset": NAME,
        "audio": str(sound),
        "video": str(film) if film else None,
        "emotion": _emotion(paths[0]),
    }


def _emotion(path: Path) -> str | None:
    word = path.parent.name.lower()
    word = SYNONYMS.get(word, word)
    return word if word in EMOTIONS else None
