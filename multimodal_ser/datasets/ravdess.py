"""RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song.

24 actors (odd numbers male, even female) speak, and 23 of them sing, two
statements in eight emotions (song: six), two intensities and two repetitions.
7,356 files: 1,440 spoken and 1,012 sung takes, each as sound with image
(``01-``), image alone (``02-``) and sound alone (``03-``). A file is named by
seven two-digit fields::

    03 - 01 - 06 - 01 - 02 - 01 - 12 .wav
    |    |    |    |    |    |    actor, 01 to 24
    |    |    |    |    |    repetition, 01 or 02
    |    |    |    |    statement: 01 "Kids are talking by the door",
    |    |    |    |               02 "Dogs are sitting by the door"
    |    |    |    intensity: 01 normal, 02 strong (never for neutral)
    |    |    emotion: 01 neutral 02 calm 03 happy 04 sad 05 angry 06 fearful
    |    |             07 disgust 08 surprised (song: 01 to 06)
    |    channel: 01 speech, 02 song
    modality: 01 audio-video, 02 video only, 03 audio only

The clip id leaves out the modality, so the three files of one take share it.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from multimodal_ser.datasets.files import AUDIO_ENDINGS, walk
from multimodal_ser.datasets.takes import (
    PROBLEM_COLUMNS,
    identical,
    preference,
    reason,
    some,
    unreadable,
)
from multimodal_ser.errors import SerError
from multimodal_ser.tables import EMOTIONS, make_clips

NAME = "ravdess"
URL = "https://zenodo.org/records/1188976"
LICENCE = "CC BY-NC-SA 4.0: non-commercial use, with attribution, shared alike"
BIBTEX = """@article{livingstone2018ravdess,
  author  = {Livingstone, Steven R. and Russo, Frank A.},
  title   = {The {Ryerson} Audio-Visual Database of Emotional Speech and Song ({RAVDESS})},
  journal = {PLOS ONE}, volume = {13}, number = {5}, pages = {e0196391}, year = {2018},
  doi     = {10.1371/journal.pone.0196391}
}"""

ACTORS = tuple(f"{number:02d}" for number in range(1, 25))
#: What there is of the labels of the project.
LABELS = EMOTIONS
#: Actor 18 did not sing.
NOT_SUNG_BY = ("18",)

_FIELDS = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_LIMITS = (
    ("modality", 3),
    ("channel", 2),
    ("emotion", 8),
    ("intensity", 2),
    ("statement", 2),
    ("repetition", 2),
    ("actor", 24),
)
_CHANNELS = {"01": "speech", "02": "song"}
_INTENSITIES = {"01": "normal", "02": "strong"}


class Name(NamedTuple):
    """The seven fields of a file name, each as its two digits."""

    modality: str
    channel: str
    emotion: str
    intensity: str
    statement: str
    repetition: str
    actor: str

    @property
    def clip(self) -> str:
        """The id that all files of this take share."""
        return f"{NAME}/{'-'.join(self[1:])}"


def parse_name(path: str | Path) -> Name:
    """Read the seven fields of a RAVDESS file name.

    Args:
        path: a file name or path; folders and the ending are left out.

    Raises:
        SerError: the name has not seven fields, or one is out of range.

    Example:
        >>> parse_name("Actor_12/03-01-06-01-02-01-12.wav").clip
        'ravdess/01-06-01-02-01-12'
    """
    path = Path(path)
    match = _FIELDS.fullmatch(path.stem)
    if not match:
        raise SerError(
            f"{path}: this is not a RAVDESS name; expected seven two-digit fields "
            "such as 03-01-06-01-02-01-12"
        )
    name = Name(*match.groups())
    for value, (field, highest) in zip(name, _LIMITS, strict=True):
        if not 1 <= int(value) <= highest:
            raise SerError(
                f"{path}: {field} {value} does not exist in RAVDESS; expected 01 to {highest:02d}"
            )
    return name


def index(root: str | Path) -> pd.DataFrame:
    """Return the clips table of a folder of RAVDESS files in any arrangement.

    A take's sound comes from its audio-only file or else from the video with
    sound; its image from the video with sound or else from the silent one.
    Files that are not named like RAVDESS are left out; :func:`validate` lists
    them. No file is opened, so ``duration`` is missing.

    Args:
        root: folder to walk.

    Returns:
        A clips table (:mod:`multimodal_ser.tables`), sorted by clip id.

    Raises:
        SerError: there is no such folder, or no RAVDESS file in it.
    """
    takes, misnamed, _ = _scan(walk(root))
    if not takes:
        hint = f"; {len(misnamed)} file(s) have other names, use --dataset folder" * bool(misnamed)
        raise SerError(f"{root}: no RAVDESS recording in this folder{hint or '; check the path'}")
    return make_clips(_row(files) for files in takes.values())


def row(paths: Iterable[str | Path]) -> dict:
    """Return the clips-table row of one take, given all its files.

    Raises:
        SerError: a file has no RAVDESS name.

    Example:
        >>> row(["01-01-06-01-02-01-12.mp4"])["emotion"]
        'fearful'
    """
    takes, misnamed, _ = _scan(map(Path, paths))
    if misnamed:
        parse_name(misnamed[0])
    return _row(next(iter(takes.values())))


def _scan(paths: Iterable[Path]) -> tuple[dict, list[Path], list[tuple[Path, Path]]]:
    """Sort files into takes (clip -> modality -> path), misnamed and surplus ones."""
    files: dict[tuple[str, str], list[Path]] = defaultdict(list)
    names: dict[str, Name] = {}
    misnamed = []
    for path in paths:
        try:
            name = parse_name(path)
        except SerError:
            misnamed.append(path)
            continue
        names[name.clip] = name
        files[name.clip, name.modality].append(path)
    takes: dict[str, dict] = {}
    surplus = []
    for (clip, modality), found in sorted(files.items()):
        best, *others = sorted(found, key=preference)
        takes.setdefault(clip, {"name": names[clip]})[modality] = best
        surplus += [(other, best) for other in others]
    return takes, misnamed, surplus


def _row(files: dict) -> dict:
    name = files["name"]
    audio = files.get("03") or files.get("01")
    video = files.get("01") or files.get("02")
    if video is not None and video.suffix.lower() in AUDIO_ENDINGS:
        video = None  # a video's sound saved under the video's own name
    return {
        "clip": name.clip,
        "dataset": NAME,
        "audio": str(audio) if audio else None,
        "video": str(video) if video else None,
        "emotion": EMOTIONS[int(name.emotion) - 1],
        "actor": name.actor,
        "sex": "male" if int(name.actor) % 2 else "female",
        "intensity": _INTENSITIES[name.intensity],
        "statement": name.statement,
        "repetition": name.repetition,
        "channel": _CHANNELS[name.channel],
    }


def expected_takes(channel: str, actor: str) -> set[str]:
    """Return the clip ids that RAVDESS holds of one actor in one channel.

    Args:
        channel: ``"01"`` speech (60 takes) or ``"02"`` song (44; actor 18: none).
        actor: ``"01"`` to ``"24"``.

    Example:
        >>> len(expected_takes("01", "05")), len(expected_takes("02", "05"))
        (60, 44)
    """
    if channel == "02" and actor in NOT_SUNG_BY:
        return set()
    emotions = range(1, 9) if channel == "01" else range(1, 7)
    return {
        f"{NAME}/{channel}-{emotion:02d}-{intensity}-{statement}-{repetition}-{actor}"
        for emotion, intensity, statement, repetition in itertools.product(
            emotions, ("01", "02"), ("01", "02"), ("01", "02")
        )
        if not (emotion == 1 and intensity == "02")
    }


def validate(root: str | Path, probe: Callable[[Path], object] | None = None) -> pd.DataFrame:
    """Say what is missing, doubled, identical, unreadable or misnamed in a folder.

    A take counts as missing only where the same actor has other takes of the
    same channel and modality; an actor without any is one line.

    Args:
        root: folder to walk.
        probe: called with each file's path; raises MediaError when it cannot
            be read. None looks at names and sizes only.

    Returns:
        DataFrame with the columns ``kind`` (``missing``, ``doubled``,
        ``identical``, ``unreadable``, ``misnamed``), ``path`` and ``detail``,
        empty when all is well.

    Raises:
        SerError: there is no such folder.
    """
    unwritable: list[str] = []
    paths = list(walk(root, unwritable.append))
    takes, misnamed, surplus = _scan(paths)
    problems = [("misnamed", str(path), reason(path, parse_name)) for path in misnamed]
    problems += [("misnamed", path, "its name is not valid UTF-8") for path in unwritable]
    problems += [("doubled", str(other), f"the take is also {best}") for other, best in surplus]
    problems += identical(paths)
    problems += unreadable(paths, probe) if probe else []
    problems += _missing(takes, str(root))
    return pd.DataFrame(problems, columns=list(PROBLEM_COLUMNS))


def _missing(takes: dict[str, dict], root: str) -> list[tuple[str, str, str]]:
    have: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for clip, files in takes.items():
        name = files["name"]
        for modality in set(files) - {"name"}:
            have[name.channel, modality][name.actor].add(clip)
    found = []
    kinds = {"01": "audio-video", "02": "video-only", "03": "audio-only"}
    for (channel, modality), actors in sorted(have.items()):
        what = f"{_CHANNELS[channel]} {kinds[modality]}"
        absent = [a for a in ACTORS if a not in actors and expected_takes(channel, a)]
        if absent:
            found.append(("missing", root, f"every {what} file of actors {', '.join(absent)}"))
        for actor, held in sorted(actors.items()):
            expected = expected_takes(channel, actor)
            lost = sorted(expected - held)
            if lost:
                names = [f"{modality}-{clip.removeprefix(NAME + '/')}" for clip in lost]
                text = f"{len(lost)} of {len(expected)} {what} files of actor {actor}: "
                text += some(names)
                found.append(("missing", root, text))
    return found
