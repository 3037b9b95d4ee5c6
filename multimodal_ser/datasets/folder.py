"""Recordings of your own: files and folders in any arrangement.

A video and a sound file of the same name in the same folder are one clip, the
sound file being its sound. RAVDESS names keep their meaning, so that labels
and the pairing of modalities come by themselves; of a take that is there both
with sound (01-) and as a silent copy (02-), the former is used. The folder that a file lies in,
below the one that is given, is its label, whatever the word and as it is written; a file
right in the given folder has a label where that folder is named after an emotion. Or a table
says it: a column ``path``, and where they
are known ``label``, ``actor`` and ``sex`` (:func:`read_list`).

Clip ids are the same on every machine and however a path is typed:

* below a given folder the path from that folder, with ``/`` and without the ending;
  of a given file its name without the ending;
* of several sound files of one name (or several videos) the first in the order of
  :data:`~multimodal_ser.datasets.files.AUDIO_ENDINGS` (``VIDEO_ENDINGS``) has the plain
  id and makes the pair; each other one is a clip of its own, whose id keeps the
  ending: ``talk`` and ``talk.mp3``;
* a file that several sources hold counts from the outermost of them;
* where sources in different folders give one id, the name of the folder comes before it,
  and from the second folder of one name on (in the order of their full paths) a
  number: ``may/talk``, ``june/talk``, ``june-2/talk``.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

import pandas as pd

from multimodal_ser.datasets import ravdess, takes
from multimodal_ser.datasets.files import (
    AUDIO_ENDINGS,
    VIDEO_ENDINGS,
    absolute,
    expanded,
    is_audio,
    is_video,
    shown,
    walk,
)
from multimodal_ser.errors import MediaError, SerError, TableError
from multimodal_ser.tables import SPAN_COLUMNS, failure_table, make_clips
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables.annotations import check_segments as segments_in
from multimodal_ser.tables.io import is_url
from multimodal_ser.tables.labels import emotion_of

NAME = "folder"
#: What a list of recordings says of each.
LIST_COLUMNS = ("path", "label", "actor", "sex")


def index(root: str | Path) -> pd.DataFrame:
    """Return the clips table of one folder of recordings.

    Args:
        root: folder to walk.

    Returns:
        A clips table; ``emotion`` is known where a file lies in a folder below the root
        or has a RAVDESS name.

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
        sources: paths of recordings, or of folders to walk; how they are typed shows
            in the columns ``audio`` and ``video``, never in the clip ids (see the module).

    Returns:
        The clips table, and one error per source that is missing, is not a
        recording by its ending, or is a folder without any.

    Example:
        >>> clips, unusable = gather(["no-such.mp4"])
        >>> len(clips), str(unusable[0])
        (0, 'no-such.mp4: there is no such file; check the path')
    """
    files: list[tuple[Path, Path]] = []
    unusable: list[MediaError] = []
    for given in sources:
        try:
            source = expanded(given)
            found = _files(source, unusable)
        except MediaError as error:
            unusable.append(error)
            continue
        root = source if os.path.isdir(source) else source.parent
        files += [(root, path) for path in found]
    words: dict[Path, str | None] = {}
    for root, path in sorted(files, key=lambda pair: len(absolute(pair[0]).parts)):
        words.setdefault(absolute(path), _label(path, root))
    rows = (_row(clip, p, words[absolute(p[0])]) for clip, p in _groups(files).items())
    return make_clips(rows, labels=None), unusable


def validate(root: str | Path, probe: takes.Probe | None = None) -> pd.DataFrame:
    """Say what is unlabelled, identical, unreadable or misnamed in a folder of own recordings.

    Args:
        root: folder to walk.
        probe: called with each file's path; raises MediaError when it cannot be read. None
            looks at names and bytes only.

    Returns:
        DataFrame with the columns ``kind``, ``path`` and ``detail``, empty when all is well. That
        some clips have no label is one line, and none where no clip has one.

    Raises:
        SerError: there is no such folder.
    """
    unwritable: list[str] = []
    paths = list(walk(root, unwritable.append))
    problems = [("misnamed", path, "its name is not valid UTF-8") for path in unwritable]
    label = gather([root])[0]["emotion"]
    lost = label.index[label.isna()]
    if 0 < len(lost) < len(label):
        text = f"{len(lost)} of {len(label)} clips are in no folder that names a label"
        problems.append(("unlabelled", str(root), f"{text}: {takes.some(list(lost))}"))
    problems += takes.identical(paths)
    problems += takes.unreadable(paths, probe) if probe else []
    return pd.DataFrame(problems, columns=list(takes.PROBLEM_COLUMNS))


def validate_listed(
    clips: pd.DataFrame, root: str | Path, probe: takes.Probe | None = None
) -> pd.DataFrame:
    """Say what is missing, unlabelled, identical or unreadable of recordings that tables list.

    Args:
        clips: what the tables were read as.
        root: their folder.
        probe: as for :func:`validate`.

    Returns:
        As :func:`validate` does.
    """
    paths = recordings(clips)
    there = [path for path in paths if path.exists()]
    lost = [path for path in paths if not path.exists()]
    problems = [("missing", str(path), "a table names it, and it is not there") for path in lost]
    unlabelled = clips.index[clips["emotion"].isna()]
    if 0 < len(unlabelled) < len(clips):
        text = f"{len(unlabelled)} of {len(clips)} clips have no label"
        problems.append(("unlabelled", str(root), f"{text}: {takes.some(list(unlabelled))}"))
    problems += takes.identical(there)
    problems += takes.unreadable(there, probe) if probe else []
    return pd.DataFrame(problems, columns=list(takes.PROBLEM_COLUMNS))


def recordings(clips: pd.DataFrame) -> list[Path]:
    """Return the files of some clips, each once."""
    files = pd.concat([clips["audio"], clips["video"]]).dropna()
    return [Path(path) for path in dict.fromkeys(files)]


def is_list(path: str | Path) -> bool:
    """Tell whether a table lists recordings by ``path`` and is no clips table.

    Raises:
        TableError: it cannot be read.
    """
    with warnings.catch_warnings():  # its reader reports them
        warnings.simplefilter("ignore")
        columns = set(tableio.read_as(path, LIST_COLUMNS).columns)
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
    given = tableio.read_as(path, ("path",))["path"]
    lost = [
        ("", "", "index", f"{path}: row {number} has no path; give it one, or leave it out")
        for number, value in enumerate(given, start=1)
        if pd.isna(value)
    ]
    # A URL stays one: it is refused with the other recordings that cannot be used.
    paths = [Path(v if is_url(v) else tableio.located(v, path)) for v in given.dropna()]
    return paths, failure_table(lost)


def read_list(path: str | Path, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """Return the clips table of a list of recordings.

    Args:
        path: a table, as ``tables.io`` reads it, with the column ``path``, relative ones counting
            from the list's folder, and where known ``label`` (any word;
            empty: unknown), ``actor`` and ``sex``.
        numbers: further columns to keep, as they are.

    Returns:
        A clips table, its ids counting from the list's folder; of a file outside of it
        the id is that of a given file. A video and a sound file of one name in one folder
        are one clip. Whether the files are there shows when they are read.

    Raises:
        TableError: it has no paths, an ending is not that of a recording, a path is
            doubled, or two files of one clip differ in what the list says of them.
    """
    return listed(tableio.read_as(path, LIST_COLUMNS), path, Path(path).parent, numbers)


def listed(
    table: pd.DataFrame,
    name: str | Path,
    folder: str | Path,
    numbers: Sequence[str] = (),
    label: Callable[[Path], str | None] | None = None,
) -> pd.DataFrame:
    """Return the clips table of a list of recordings that was read.

    Args:
        table: of the columns that :func:`read_list` takes. Where it has ``start`` and ``end``, in
            seconds or as ``0 days 00:00:01.5``, a row is that part of its recording, its id ending
            in ``@start-end``; a missing end is the recording's.
        name: of the list, for errors.
        folder: from which relative paths count.
        numbers: further columns to keep, as they are.
        label: of a recording that the table has none for; None takes that of its folder, where
            this is named after an emotion.

    Raises:
        TableError: as for :func:`read_list`.
    """
    said: dict[Path, dict] = {}
    files: list[tuple[Path, Path]] = []
    parts: dict[Path, list[dict]] = defaultdict(list)
    for number, row in enumerate(_with_spans(table, name).to_dict("records"), start=1):
        what = f"{name}: row {number}"
        if pd.isna(row["path"]):
            raise TableError(f"{what} has no path; give it one, or leave it out")
        file = Path(folder) / expanded(row["path"])
        if not (is_audio(file) or is_video(file)):
            raise TableError(f"{what}: {row['path']} has not the ending of a recording")
        about = _said(row) | {
            name: None if pd.isna(row[name]) else row[name] for name in numbers if name in row
        }
        place = absolute(file)
        if row.get("start_s") or pd.notna(row.get("end_s")):
            parts[place].append(about | {name: row[name] for name in SPAN_COLUMNS})
        elif place in said:
            raise TableError(f"{what}: {row['path']} is in a row above too; keep one")
        else:
            said[place] = about
        inside = place.is_relative_to(absolute(folder))
        files.append((Path(folder) if inside else file.parent, file))
    label = label or _label
    rows = []
    for clip, paths in _groups(files).items():
        if any(absolute(path) in said for path in paths):
            rows.append(_row_of(clip, paths, said, label))
        spans = [one for path in paths for one in parts.get(absolute(path), ())]
        rows += [_part(clip, paths, one, label) for one in spans]
    return tableio.with_numbers(make_clips(rows, labels=None), rows, numbers)


def _with_spans(table: pd.DataFrame, name: str | Path) -> pd.DataFrame:
    """Return the list with start and end in seconds, where it has them; 0 and NaN: all of it."""
    if not {"start", "end", *SPAN_COLUMNS} & set(table.columns):
        return table
    spans = segments_in(table, str(name))
    return table.drop(columns=[c for c in ("start", "end") if c in table]).assign(
        **{column: spans[column].to_numpy() for column in SPAN_COLUMNS}
    )


def _part(clip: str, paths: list[Path], said: dict, label: Callable[[Path], str | None]) -> dict:
    """Return the row of a part of a recording, of which the sound alone is learnt from."""
    end = "" if pd.isna(said["end_s"]) else f"{said['end_s']:.3f}"
    row = _row(clip, paths, label(paths[0]))
    return row | said | {"clip": f"{row['clip']}@{said['start_s']:.3f}-{end}", "video": None}


def _said(row: dict) -> dict:
    known = {name: row.get(name) for name in ("label", "actor", "sex")}
    known = {name: str(v).strip() for name, v in known.items() if v is not None and pd.notna(v)}
    label = known.pop("label", None)
    return known | ({"emotion": label} if label else {})


def _row_of(
    clip: str, paths: list[Path], said: dict[Path, dict], label: Callable[[Path], str | None]
) -> dict:
    first = said.get(absolute(paths[0]))
    if first is None or any(said.get(absolute(path)) != first for path in paths):
        names = " and ".join(map(str, paths))
        raise TableError(f"{names} are one clip, but the list says different things of them")
    return {**_row(clip, paths, label(paths[0])), **first}


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
            f"convert it to one of {', '.join((*AUDIO_ENDINGS, *VIDEO_ENDINGS))}",
        )
    return [source]


def _misnamed(written: str) -> MediaError:
    return MediaError(written, "its name is not valid UTF-8", "rename it")


def _groups(files: Iterable[tuple[Path, Path]]) -> dict[str, list[Path]]:
    """Group files, each with the folder it counts from, into clips: by RAVDESS take or name."""
    held: dict[Path, tuple[Path, Path]] = {}
    pairs = [(absolute(root), path) for root, path in files]
    for root, path in sorted(pairs, key=lambda pair: len(pair[0].parts)):
        held.setdefault(absolute(path), (root, path))
    of_ravdess: dict[str, list[Path]] = defaultdict(list)
    named: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for place, (root, path) in sorted(held.items()):
        try:
            of_ravdess[ravdess.parse_name(path).clip].append(path)
        except SerError:
            named[root, place.relative_to(root).with_suffix("").as_posix()].append(path)
    return of_ravdess | _told_apart(_split(named))


def _split(named: dict[tuple[Path, str], list[Path]]) -> Iterator[tuple[str, Path, list[Path]]]:
    """Yield what is one clip, as id, root and paths: at most one sound file and one video."""
    order = (*AUDIO_ENDINGS, *VIDEO_ENDINGS)
    for (root, name), paths in named.items():
        ranked = sorted(paths, key=lambda path: (order.index(path.suffix.lower()), path.name))
        sounds, videos = list(filter(is_audio, ranked)), list(filter(is_video, ranked))
        yield name, root, [*sounds[:1], *videos[:1]]
        yield from ((name + path.suffix, root, [path]) for path in (*sounds[1:], *videos[1:]))


def _told_apart(clips: Iterable[tuple[str, Path, list[Path]]]) -> dict[str, list[Path]]:
    """Return the clips by id, those of one id with their root's name, and a number, in front."""
    clips = sorted(clips)
    times = Counter(name for name, *_ in clips)
    found = {name: paths for name, _, paths in clips if times[name] == 1}
    for name, root, paths in clips:
        if times[name] > 1:
            more = (f"{root.name}-{number}/{name}" for number in count(2))
            clip = f"{root.name}/{name}"
            found[clip if clip not in found else next(c for c in more if c not in found)] = paths
    return found


def _row(clip: str, paths: list[Path], label: str | None) -> dict:
    if clip.startswith(ravdess.NAME + "/"):
        return ravdess.row(paths)
    video = next((path for path in paths if is_video(path)), None)
    sound = next((path for path in paths if is_audio(path)), video)
    return {
        "clip": clip,
        "dataset": NAME,
        "audio": str(sound),
        "video": str(video) if video else None,
        "emotion": label,
    }


def _label(path: Path, root: Path | None = None) -> str | None:
    """Return the label that the folder of a file gives it: any word below a root, or an emotion."""
    place = absolute(path).parent
    below = root is not None and place != absolute(root)
    return place.name if below or emotion_of(place.name) else None


def place_of(path: str | Path) -> str:
    """Return the nearest folder above a recording that is not named after an emotion.

    Example:
        >>> place_of("/data/ann/happiness/1.wav")
        '/data/ann'
    """
    return str(next(place for place in absolute(path).parents if not emotion_of(place.name)))
