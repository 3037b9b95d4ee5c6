"""TESS, the Toronto emotional speech set.

Two women, of 26 (``YAF``) and 64 years (``OAF``), say 200 words in the carrier phrase "Say the
word ..." in seven emotions: 2,800 recordings, made for research on how older people understand
emotion in speech. Calm is not among them, and surprise is a pleasant one. A file is named by three
fields::

    OAF _ back _ angry .wav
    |     |      |
    |     |      emotion: angry disgust fear happy neutral ps (pleasant surprise) sad
    |     word
    speaker

Two voices and one phrase: a split of TESS itself says little, because models overfit to it; as a
set that a model has not learnt from it is as hard as others. Its licence forbids derivatives.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from multimodal_ser.datasets import takes
from multimodal_ser.errors import SerError

NAME = "tess"
URL = "https://doi.org/10.5683/SP2/E8H2MF"
LICENCE = "CC BY-NC-ND 4.0: non-commercial use, with attribution, no derivatives"
BIBTEX = """@data{pichorafuller2020tess,
  author    = {Pichora-Fuller, M. Kathleen and Dupuis, Kate},
  title     = {{Toronto} emotional speech set ({TESS})},
  publisher = {Borealis}, year = {2020}, doi = {10.5683/SP2/E8H2MF}
}"""

ACTORS = ("OAF", "YAF")
EMOTION_OF = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprised",
    "sad": "sad",
}
#: What there is of the labels of the project.
LABELS = tuple(EMOTION_OF.values())
_FIELDS = re.compile(r"(OAF?|YAF)_([a-z]+)_([a-z]+)")


class Name(NamedTuple):
    """The three fields of a file name."""

    actor: str
    word: str
    emotion: str

    @property
    def clip(self) -> str:
        """The id of this take."""
        return f"{NAME}/{'_'.join(self)}"


def parse_name(path: str | Path) -> Name:
    """Read the three fields of a TESS file name.

    Args:
        path: a file name or path; folders and the ending are left out.

    Raises:
        SerError: the name has not three fields, or there is no such emotion.

    Example:
        >>> parse_name("OAF_angry/OAF_back_angry.wav").clip
        'tess/OAF_back_angry'
    """
    match = _FIELDS.fullmatch(Path(path).stem)
    if not match:
        raise SerError(f"{path}: this is not a TESS name; expected one such as OAF_back_angry")
    actor, word, emotion = match.groups()
    if emotion not in EMOTION_OF:
        raise SerError(f"{path}: TESS has no {emotion}; expected one of {', '.join(EMOTION_OF)}")
    # The distribution has a file OA_bite_neutral, whose speaker lost a letter.
    return Name("OAF" if actor == "OA" else actor, word, emotion)


def index(root: str | Path) -> pd.DataFrame:
    """Return the clips table of a folder of TESS files in any arrangement.

    Args:
        root: folder to walk; no recording is opened.

    Returns:
        A clips table, sorted by clip id; ``statement`` is the word.

    Raises:
        SerError: there is no such folder, or no TESS file in it.
    """
    return takes.index(root, parse_name, _row, "TESS")


def _row(name: Name) -> dict:
    return {
        "dataset": NAME,
        "emotion": EMOTION_OF[name.emotion],
        "actor": name.actor,
        "sex": "female",
        "statement": name.word,
        "channel": "speech",
    }


def validate(root: str | Path, probe: takes.Probe | None = None) -> pd.DataFrame:
    """Say what is missing, doubled, unreadable or misnamed in a folder.

    Missing are takes of words that are there in another emotion or by the other speaker.

    Args:
        root: folder to walk.
        probe: called with each file's path; raises MediaError when it cannot be read. None
            looks at names only.

    Returns:
        DataFrame with the columns ``kind``, ``path`` and ``detail``, empty when all is well.

    Raises:
        SerError: there is no such folder.
    """
    return takes.validate(root, parse_name, probe, _expected)


def _expected(found: takes.Scan) -> set[str]:
    words = {take["name"].word for take in found.takes.values()}
    return {Name(*fields).clip for fields in itertools.product(ACTORS, words, EMOTION_OF)}
