"""CREMA-D, the Crowd-sourced Emotional Multimodal Actors Dataset.

91 actors of many ages and backgrounds (48 men, 43 women, 20 to 74 years) say
twelve sentences in six emotions; one sentence (``IEO``) in three intensities
too. 7,442 takes, each judged by about ten raters from the voice alone, the face
alone and both. A file is named by four fields::

    1001 _ IEO _ ANG _ HI .mp3
    |      |     |     |
    |      |     |     intensity: LO low, MD medium, HI high, XX not specified
    |      |     emotion: ANG DIS FEA HAP NEU SAD
    |      sentence, see SENTENCES
    actor, 1001 to 1091

``VideoDemographics.csv`` (age, sex, race, ethnicity of each actor) and
``summaryTable.csv`` (the raters' majority a take) are joined where they lie in
the folder or in a folder below it; without the former nobody's sex is known.

The sound of 1076_MTI_SAD_XX is silent: it is left out of the clips table and
:func:`validate` says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from multimodal_ser.compute.files import open_regular
from multimodal_ser.datasets import takes
from multimodal_ser.datasets.files import expanded, walk
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables.limits import LARGEST_BYTES

NAME = "cremad"
URL = "https://github.com/CheyneyComputerScience/CREMA-D"
LICENCE = "Open Database License (ODbL) 1.0, its contents under DbCL 1.0"
BIBTEX = """@article{cao2014cremad,
  author  = {Cao, Houwei and Cooper, David G. and Keutmann, Michael K. and Gur, Ruben C. and
             Nenkova, Ani and Verma, Ragini},
  title   = {{CREMA-D}: Crowd-sourced Emotional Multimodal Actors Dataset},
  journal = {IEEE Transactions on Affective Computing}, volume = {5}, number = {4},
  pages   = {377--390}, year = {2014}, doi = {10.1109/TAFFC.2014.2336244}
}"""

ACTORS = tuple(str(number) for number in range(1001, 1092))
EMOTION_OF = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
#: What there is of the labels of the project.
LABELS = tuple(EMOTION_OF.values())
INTENSITY_OF = {"LO": "low", "MD": "medium", "HI": "high", "XX": None}
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
#: Takes whose sound is silent, and so of no use.
KNOWN_BAD = ("1076_MTI_SAD_XX",)

#: What :func:`index` adds to the columns of a clips table. A vote is the
#: emotion that most raters chose, NA where several share the first place; a
#: level is how strong those who chose it found it, 0 to 100.
CROWD_COLUMNS = (
    "voice_vote",
    "voice_level",
    "face_vote",
    "face_level",
    "both_vote",
    "both_level",
)
PERSON_COLUMNS = ("age_years", "race", "ethnicity")
_SUMMARY = ("Voice", "Face", "MultiModal")
_VOTES = {code[0]: emotion for code, emotion in EMOTION_OF.items()}
_FIELDS = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")


class Name(NamedTuple):
    """The four fields of a file name."""

    actor: str
    sentence: str
    emotion: str
    intensity: str

    @property
    def clip(self) -> str:
        """The id that the sound and the video of this take share."""
        return f"{NAME}/{'_'.join(self)}"


def parse_name(path: str | Path) -> Name:
    """Read the four fields of a CREMA-D file name.

    Args:
        path: a file name or path; folders and the ending are left out.

    Raises:
        SerError: the name has not four fields, or one does not exist.

    Example:
        >>> parse_name("AudioMP3/1001_DFA_ANG_XX.mp3").clip
        'cremad/1001_DFA_ANG_XX'
    """
    path = Path(path)
    match = _FIELDS.fullmatch(path.stem)
    if not match:
        raise SerError(f"{path}: this is not a CREMA-D name; expected one such as 1001_DFA_ANG_XX")
    *rest, intensity = match.groups()
    # The distribution has a file 1040_ITH_SAD_X, which its tables call _XX.
    name = Name._make((*rest, "XX" if intensity == "X" else intensity))
    known: tuple[Collection[str], ...] = (ACTORS, SENTENCES, EMOTION_OF, INTENSITY_OF)
    for field, value, values in zip(Name._fields, name, known, strict=True):
        if value not in values:
            raise SerError(
                f"{path}: {field} {value} does not exist in CREMA-D; "
                f"expected one of {_short(values)}"
            )
    return name


def _short(values: Iterable[str]) -> str:
    values = list(values)
    return ", ".join(values) if len(values) < 15 else f"{values[0]} to {values[-1]}"


def index(root: str | Path) -> pd.DataFrame:
    """Return the clips table of a folder of CREMA-D files in any arrangement.

    Sound comes from a sound file or else from the video (mp4, flv is not read);
    of several copies the lossless one is taken. Files of other names are left
    out; :func:`validate` lists them. No recording is opened.

    Args:
        root: folder to walk.

    Returns:
        A clips table with the further columns :data:`PERSON_COLUMNS` and
        :data:`CROWD_COLUMNS`, sorted by clip id; NA where the folder does not
        hold the tables.

    Raises:
        SerError: there is no such folder, or no usable CREMA-D file in it.
        TableError: ``VideoDemographics.csv`` or ``summaryTable.csv`` is damaged.
    """
    clips = takes.index(root, parse_name, _row, "CREMA-D").drop(list(_BAD_CLIPS), errors="ignore")
    if clips.empty:
        raise SerError(f"{root}: the one CREMA-D recording in this folder is silent; add others")
    people = read_demographics(_find(root, "VideoDemographics.csv"))
    clips["sex"] = clips["actor"].map(people["sex"]).astype("string")
    clips = clips.join(people[list(PERSON_COLUMNS)], on="actor")
    return clips.join(read_votes(_find(root, "summaryTable.csv")))


_BAD_CLIPS = tuple(f"{NAME}/{name}" for name in KNOWN_BAD)


def _find(root: str | Path, name: str) -> Path | None:
    return next(iter(sorted(expanded(root).rglob(name))), None)


def read_demographics(path: str | Path | None) -> pd.DataFrame:
    """Read who the actors are.

    Args:
        path: ``VideoDemographics.csv``; None gives an empty table.

    Returns:
        Index ``actor``; columns ``sex`` (female, male) and
        :data:`PERSON_COLUMNS`.

    Raises:
        TableError: the file is damaged or lacks a column.
    """
    table = _read(path, ("ActorID", "Age", "Sex", "Race", "Ethnicity"))
    table = table.set_axis(["actor", "age_years", "sex", "race", "ethnicity"], axis=1)
    table["sex"] = table["sex"].str.lower()
    table["age_years"] = pd.to_numeric(table["age_years"], errors="coerce").astype("Int64")
    return table.drop_duplicates("actor").set_index("actor")


def read_votes(path: str | Path | None) -> pd.DataFrame:
    """Read what the raters heard and saw.

    Args:
        path: ``summaryTable.csv``; None gives an empty table.

    Returns:
        Index ``clip``; columns :data:`CROWD_COLUMNS`.

    Raises:
        TableError: the file is damaged or lacks a column.
    """
    columns = [f"{what}{kind}" for what in _SUMMARY for kind in ("Vote", "Level")]
    table = _read(path, ("FileName", *columns)).drop_duplicates("FileName")
    votes = pd.DataFrame({"clip": NAME + "/" + table["FileName"]})
    for ours, theirs in zip(CROWD_COLUMNS, columns, strict=True):
        if ours.endswith("vote"):
            votes[ours] = table[theirs].map(_VOTES).astype("string")
        else:
            # Where votes are tied, the levels of the tied are joined by colons.
            votes[ours] = pd.to_numeric(table[theirs], errors="coerce").astype(float)
    return votes.set_index("clip")


def _read(path: str | Path | None, columns: tuple[str, ...]) -> pd.DataFrame:
    if path is None:
        return pd.DataFrame(columns=list(columns), dtype="string")
    try:
        with open_regular(path, LARGEST_BYTES) as file:
            table = pd.read_csv(file, dtype="string")
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: not a readable table ({error}); get it again") from error
    lost = [column for column in columns if column not in table]
    if lost:
        raise TableError(f"{path}: it lacks the column {lost[0]}; get it again from {URL}")
    return table[list(columns)]


def _row(name: Name) -> dict:
    return {
        "dataset": NAME,
        "emotion": EMOTION_OF[name.emotion],
        "actor": name.actor,
        "intensity": INTENSITY_OF[name.intensity],
        "statement": name.sentence,
        "channel": "speech",
    }


def validate(root: str | Path, probe: takes.Probe | None = None) -> pd.DataFrame:
    """Say what is missing, doubled, known to be bad, unreadable or misnamed in a folder.

    ``summaryTable.csv`` says what is missing, which names every take, for
    the actors of whom there is any; an actor without any is one line.

    Args:
        root: folder to walk.
        probe: called with each file's path; raises MediaError when it cannot
            be read. None looks at names only.

    Returns:
        DataFrame with the columns ``kind`` (``missing``, ``doubled``,
        ``known bad``, ``unreadable``, ``misnamed``), ``path`` and ``detail``,
        empty when all is well.

    Raises:
        SerError: there is no such folder.
        TableError: a table is damaged.
    """
    paths = list(walk(root))
    found = takes.scan(paths, parse_name)
    problems = [*takes.misnamed(found, parse_name), *takes.doubled(found)]
    problems += [
        ("known bad", str(takes.files_of(found.takes[clip])["audio"]), "it is silent and left out")
        for clip in _BAD_CLIPS
        if clip in found.takes
    ]
    problems += takes.unreadable(paths, probe) if probe else []
    problems += _missing(set(found.takes), root)
    return pd.DataFrame(problems, columns=list(takes.PROBLEM_COLUMNS))


def _missing(held: set[str], root: str | Path) -> list[tuple[str, str, str]]:
    have = {clip.split("/")[1][:4] for clip in held}
    absent = [actor for actor in ACTORS if actor not in have]
    found = []
    if absent:
        text = f"every file of {len(absent)} of 91 actors: {takes.some(absent)}"
        found.append(("missing", str(root), text))
    path = _find(root, "summaryTable.csv")
    if path is None:
        found.append(("missing", str(root), "summaryTable.csv: no crowd votes, no list of takes"))
    if _find(root, "VideoDemographics.csv") is None:
        found.append(("missing", str(root), "VideoDemographics.csv: nobody's sex is known"))
    expected = pd.Series(read_votes(path).index, dtype=object)
    lost = expected[~expected.isin(held)]
    for actor, clips in lost.groupby(lost.str.split("/").str[1].str[:4]):
        if actor in have:
            names = [clip.removeprefix(NAME + "/") for clip in clips]
            text = f"{len(names)} take(s) of actor {actor}: {takes.some(names)}"
            found.append(("missing", str(root), text))
    return found
