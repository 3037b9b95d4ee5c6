"""nEMO, emotional speech in Polish.

Nine actors (four women, five men) read 90 sentences, chosen to cover the sounds of Polish, in six
emotions: 4,481 recordings, mono, 24 kHz, more than three hours. Neither disgust nor calm is among
them. A file is named by three fields::

    EB0 _ anger _ 12 .wav
    |     |       |
    |     |       sentence, 1 to 90
    |     emotion: anger fear happiness neutral sadness surprised
    speaker, see SEX_OF

As distributed, ``samples/`` holds the recordings and ``data.tsv`` lists them with transcripts and
ages. Names alone say all that a clips table holds; :func:`validate` compares them with the list.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from multimodal_ser.compute.files import open_regular
from multimodal_ser.datasets import takes
from multimodal_ser.datasets.files import expanded
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables.limits import LARGEST_BYTES

NAME = "nemo"
URL = "https://github.com/amu-cai/nEMO"
LICENCE = "CC BY-NC-SA 4.0: non-commercial use, with attribution, shared alike"
BIBTEX = """@inproceedings{christop2024nemo,
  author    = {Christop, Iwona},
  title     = {{nEMO}: Dataset of Emotional Speech in {Polish}},
  booktitle = {Proceedings of the 2024 Joint International Conference on Computational Linguistics,
               Language Resources and Evaluation (LREC-COLING 2024)},
  year      = {2024}, eprint = {2404.06292}, archiveprefix = {arXiv}
}"""

SEX_OF = dict.fromkeys(("EB0", "IC0", "KD0", "MK0"), "female") | dict.fromkeys(
    ("KS0", "MP0", "SM0", "TP0", "WR0"), "male"
)
EMOTION_OF = {
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprised": "surprised",
}
#: What there is of the labels of the project.
LABELS = tuple(EMOTION_OF.values())
_FIELDS = re.compile(r"([A-Z]{2}\d)_([a-z]+)_(\d{1,3})")


class Name(NamedTuple):
    """The three fields of a file name."""

    actor: str
    emotion: str
    sentence: str

    @property
    def clip(self) -> str:
        """The id of this take."""
        return f"{NAME}/{'_'.join(self)}"


def parse_name(path: str | Path) -> Name:
    """Read the three fields of an nEMO file name.

    Args:
        path: a file name or path; folders and the ending are left out.

    Raises:
        SerError: the name has not three fields, or there is no such speaker or emotion.

    Example:
        >>> parse_name("samples/EB0_anger_12.wav").clip
        'nemo/EB0_anger_12'
    """
    match = _FIELDS.fullmatch(Path(path).stem)
    if not match:
        raise SerError(f"{path}: this is not an nEMO name; expected one such as EB0_anger_12")
    name = Name(*match.groups())
    for value, known in ((name.actor, SEX_OF), (name.emotion, EMOTION_OF)):
        if value not in known:
            raise SerError(f"{path}: nEMO has no {value}; expected one of {', '.join(known)}")
    return name


def index(root: str | Path) -> pd.DataFrame:
    """Return the clips table of a folder of nEMO files in any arrangement.

    Args:
        root: folder to walk; no recording is opened.

    Returns:
        A clips table, sorted by clip id; ``statement`` is the number of the sentence.

    Raises:
        SerError: there is no such folder, or no nEMO file in it.
    """
    return takes.index(root, parse_name, _row, "nEMO")


def _row(name: Name) -> dict:
    return {
        "dataset": NAME,
        "emotion": EMOTION_OF[name.emotion],
        "actor": name.actor,
        "sex": SEX_OF[name.actor],
        "statement": name.sentence,
        "channel": "speech",
    }


def validate(root: str | Path, probe: takes.Probe | None = None) -> pd.DataFrame:
    """Say what is missing, doubled, unreadable or misnamed in a folder.

    Missing are files that ``data.tsv`` names, where it is in the folder or in one below.

    Args:
        root: folder to walk.
        probe: called with each file's path; raises MediaError when it cannot be read. None
            looks at names only.

    Returns:
        DataFrame with the columns ``kind``, ``path`` and ``detail``, empty when all is well.

    Raises:
        SerError: there is no such folder.
        TableError: ``data.tsv`` is damaged.
    """
    return takes.validate(root, parse_name, probe, lambda _: _listed(expanded(root)))


def _listed(root: Path) -> set[str]:
    path = next(iter(sorted(root.rglob("data.tsv"))), None)
    if path is None:
        return set()
    try:
        with open_regular(path, LARGEST_BYTES) as file:
            table = pd.read_csv(file, sep="\t", dtype="string", usecols=["file_id"])
        files = table["file_id"]
        return {parse_name(name).clip for name in files.dropna()}
    except (OSError, ValueError, SerError) as error:
        raise TableError(
            f"{path}: not nEMO's list of its files ({error}); get it again from {URL}"
        ) from error
