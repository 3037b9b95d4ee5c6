"""What data sets have in common that say in a file's name who said what, and how."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pandas as pd

from multimodal_ser.datasets.files import AUDIO_ENDINGS, VIDEO_ENDINGS, is_audio, walk
from multimodal_ser.errors import MediaError, SerError
from multimodal_ser.tables import make_clips

PROBLEM_COLUMNS = ("kind", "path", "detail")
Problem = tuple[str, str, str]
Probe = Callable[[Path], object]


class TakeName(Protocol):
    """The fields of a file name."""

    @property
    def actor(self) -> str:
        """Who speaks."""

    @property
    def clip(self) -> str:
        """The id that all files of the take share."""


Parse = Callable[[Path], TakeName]


class Scan(NamedTuple):
    """What :func:`scan` finds.

    Attributes:
        takes: clip id -> ``name``, the parsed one, and ``audio`` and ``video``, the best file of
            each kind that there is.
        misnamed: files whose names do not parse.
        surplus: further copies, each with the file that is used.
    """

    takes: dict[str, dict[str, Any]]
    misnamed: list[Path]
    surplus: list[tuple[Path, Path]]


def scan(paths: Iterable[Path], parse: Parse) -> Scan:
    """Sort files into takes, misnamed and surplus ones.

    Args:
        paths: of recordings, in any order.
        parse: from a path to the fields of its name; raises SerError for a name of no take.
    """
    found = Scan({}, [], [])
    for path in sorted(paths, key=preference):
        try:
            name = parse(path)
        except SerError:
            found.misnamed.append(path)
            continue
        take = found.takes.setdefault(name.clip, {"name": name})
        best = take.setdefault("audio" if is_audio(path) else "video", path)
        if best != path:
            found.surplus.append((path, best))
    return found


def preference(path: Path) -> tuple[int, int, str]:
    """Return the place of a copy among several: the lossless, the least nested, by name.

    Example:
        >>> sorted(map(Path, ["a.mp3", "b/a.wav", "a.wav"]), key=preference)[0].name
        'a.wav'
    """
    # A rule that does not depend on the order of a folder's listing.
    ending = path.suffix.lower()
    return ((*AUDIO_ENDINGS, *VIDEO_ENDINGS).index(ending), len(path.parts), str(path))


def index(
    root: str | Path, parse: Parse, row: Callable[[Any], Mapping[str, object]], title: str
) -> pd.DataFrame:
    """Return the clips table of a folder whose file names identify the takes.

    Sound comes from a sound file or else from the video. Files of other names are left out. No
    recording is opened.

    Args:
        root: folder to walk.
        parse: as for :func:`scan`.
        row: from a parsed name to what else a clips table says of the take.
        title: of the data set, for the error.

    Raises:
        SerError: there is no such folder, or no file in it that the data set names so.
    """
    takes, misnamed, _ = scan(walk(root), parse)
    if not takes:
        hint = f"; {len(misnamed)} file(s) have other names" if misnamed else "; check the path"
        raise SerError(f"{root}: no {title} recording in this folder{hint}")
    return make_clips({**files_of(take), **row(take["name"])} for take in takes.values())


def files_of(take: Mapping[str, Any]) -> dict[str, str | None]:
    """Return id and files of a take of :func:`scan` as columns of a clips table."""
    audio, video = take.get("audio") or take.get("video"), take.get("video")
    paths = {"audio": str(audio), "video": str(video) if video else None}
    return {"clip": take["name"].clip, **paths}


def validate(
    root: str | Path, parse: Parse, probe: Probe | None, expected: Callable[[Scan], Collection[str]]
) -> pd.DataFrame:
    """Say what is missing, doubled, unreadable or misnamed in a folder.

    Args:
        root: folder to walk.
        parse: as for :func:`scan`.
        probe: called with each file's path; raises MediaError when it cannot be read. None
            looks at names only.
        expected: from what was found to the ids of all clips that there should be.

    Returns:
        DataFrame with the columns :data:`PROBLEM_COLUMNS`, empty when all is well.

    Raises:
        SerError: there is no such folder.
    """
    paths = list(walk(root))
    found = scan(paths, parse)
    problems = [*misnamed(found, parse), *doubled(found)]
    problems += unreadable(paths, probe) if probe else []
    lost: dict[str, list[str]] = defaultdict(list)
    for clip in sorted(set(expected(found)) - set(found.takes)):
        name = clip.split("/", 1)[1]
        lost[parse(Path(name)).actor].append(name)
    for actor, names in lost.items():
        problems.append(("missing", str(root), f"{len(names)} take(s) of {actor}: {some(names)}"))
    return pd.DataFrame(problems, columns=list(PROBLEM_COLUMNS))


def some(names: list[str]) -> str:
    """Return the first three of some names.

    Example:
        >>> some(list("abcd"))
        'a, b, c, ...'
    """
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def doubled(found: Scan) -> list[Problem]:
    """Return a problem for each surplus copy."""
    return [("doubled", str(path), f"the take is also {best}") for path, best in found.surplus]


def misnamed(found: Scan, parse: Parse) -> list[Problem]:
    """Return a problem for each misnamed file, with the reason."""
    return [("misnamed", str(path), reason(path, parse)) for path in found.misnamed]


def reason(path: Path, parse: Parse) -> str:
    """Return why a name does not parse; empty for one that does."""
    try:
        parse(path)
    except SerError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""


def unreadable(paths: Iterable[Path], probe: Probe) -> list[Problem]:
    """Return a problem for each file that a probe cannot read."""
    found = []
    for path in paths:
        try:
            probe(path)
        except MediaError as error:
            found.append(("unreadable", str(path), f"{error.problem}; {error.remedy}"))
    return found


def identical(paths: Iterable[Path]) -> list[Problem]:
    """Return a problem for each file that has the bytes of one before it."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        by_size[path.stat().st_size if path.exists() else -1].append(path)
    first: dict[bytes, Path] = {}
    found = []
    for path in itertools.chain.from_iterable(v for v in by_size.values() if len(v) > 1):
        try:
            digest = hashlib.sha256(path.read_bytes()).digest()
        except OSError:
            continue  # the probe reports it
        if digest in first:
            found.append(("identical", str(path), f"has the same bytes as {first[digest]}"))
        first.setdefault(digest, path)
    return found
