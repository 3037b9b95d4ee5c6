"""FER2013, 35,887 faces of 48x48 grey pixels, with the votes of FER+.

Images found by an image search, 28,709 for training, 3,589 for public and
3,589 for private testing, with seven emotions. FER+ had ten people look at each
again and vote for one of eight emotions, "unknown" or "not a face". The votes
are kept as they are: an image with five votes for fear and four for surprise
says more than its winner does.

1,853 images are copies of earlier ones, several hundred of them across the
split; :func:`distinct` leaves the copies out.

Two forms are read: the folder with the original ``fer2013.csv`` and FER+'s
``fer2013new.csv``, and a single ``.npz`` of the same content (arrays ``jpeg``:
all images end to end, ``offset``, ``usage``, ``label``, ``ferplus_votes``).
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from multimodal_ser.compute.files import open_regular
from multimodal_ser.errors import SerError
from multimodal_ser.tables.limits import LARGEST_BYTES

NAME = "fer2013"
URL = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
LICENCE = "FER+ votes: MIT. The pictures: from the web, of unclear licence; for research"
BIBTEX = """@inproceedings{goodfellow2013challenges,
  author    = {Goodfellow, Ian J. and others},
  title     = {Challenges in Representation Learning: A Report on Three Machine Learning Contests},
  booktitle = {ICONIP}, year = {2013}
}
@inproceedings{barsoum2016training,
  author    = {Barsoum, Emad and Zhang, Cha and Canton Ferrer, Cristian and Zhang, Zhengyou},
  title     = {Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
               Label Distribution},
  booktitle = {ICMI}, year = {2016}
}"""

SIZE_PX = 48
#: The labels of FER2013 in the order of its codes 0 to 6.
FER_LABELS = ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral")
#: The emotions of FER+ in the order of its votes; after them come "unknown"
#: and "not a face".
FERPLUS_LABELS = (
    "neutral",
    "happy",
    "surprised",
    "sad",
    "angry",
    "disgust",
    "fearful",
    "contempt",
)
VOTE_COLUMNS = len(FERPLUS_LABELS) + 2
USAGES = ("Training", "PublicTest", "PrivateTest")


class FacePictures(NamedTuple):
    """Labelled faces, a row each.

    Attributes:
        pictures: uint8 ``(n, 48, 48)``.
        labels: int8 ``(n,)``, codes of :data:`FER_LABELS`.
        votes: uint8 ``(n, 10)``, FER+ votes: :data:`FERPLUS_LABELS`, unknown,
            not a face.
        usage: int8 ``(n,)``, codes of :data:`USAGES`.
    """

    pictures: np.ndarray
    labels: np.ndarray
    votes: np.ndarray
    usage: np.ndarray

    def take(self, chosen: np.ndarray) -> FacePictures:
        """Return the rows of a mask or of positions."""
        return FacePictures(*(array[chosen] for array in self))


def read(path: str | Path) -> FacePictures:
    """Read FER2013 with its FER+ votes.

    Args:
        path: the ``.npz`` file, or the folder that holds both CSV files.

    Raises:
        SerError: the file is missing, damaged or incomplete; says which.

    Example:
        >>> read("fer2013.npz").pictures.shape  # doctest: +SKIP
        (35887, 48, 48)
    """
    path = Path(path)
    if not path.exists():
        raise SerError(f"{path}: there is no such file or folder; give FER2013's")
    found = _read_csv(path) if path.is_dir() else _read_npz(path)
    if {len(array) for array in found} != {len(found.pictures)} or not len(found.pictures):
        raise SerError(f"{path}: its images, labels and votes differ in number; get it again")
    if found.votes.shape[1:] != (VOTE_COLUMNS,):
        raise SerError(f"{path}: an image has {found.votes.shape[1:]} votes, not {VOTE_COLUMNS}")
    return found


def distinct(faces: FacePictures) -> FacePictures:
    """Leave out every image that equals an earlier one, pixel by pixel.

    The order of FER2013 is training, public, private test; so a test image
    that is also a training image goes, and the training image stays.

    Example:
        >>> twice = FacePictures(*(np.zeros((2, *rest), np.uint8)
        ...                        for rest in ((48, 48), (), (10,), ())))
        >>> len(distinct(twice).pictures)
        1
    """
    # In order of usage, whatever the order of the file.
    order = np.argsort(faces.usage, kind="stable")
    prints = [hashlib.sha256(faces.pictures[k].tobytes()).digest() for k in order]
    first: dict[bytes, int] = {}
    for place, digest in zip(order, prints, strict=True):
        first.setdefault(digest, place)
    return faces.take(np.sort(np.fromiter(first.values(), int)))


def vote_shares(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of each emotion among the votes, and which rows can be used.

    As Barsoum et al. (2016) did, single votes are taken for slips and
    dropped. An image is of use when emotions have more votes than "unknown"
    and "not a face" have together.

    Args:
        votes: uint8 ``(n, 10)``.

    Returns:
        float32 ``(n, 8)``, rows sum to 1 (0 where not usable), and bool ``(n,)``.

    Example:
        >>> shares, usable = vote_shares(np.array([[6, 3, 0, 0, 0, 0, 0, 1, 0, 0]]))
        >>> shares[0, :2].astype(float).round(3).tolist(), usable.tolist()
        ([0.667, 0.333], [True])
    """
    kept = np.where(votes > 1, votes, 0).astype(np.float32)
    emotions, rest = kept[:, : len(FERPLUS_LABELS)], kept[:, len(FERPLUS_LABELS) :]
    total = emotions.sum(axis=1, keepdims=True)
    usable = total[:, 0] > rest.sum(axis=1)
    shares = np.divide(emotions, total, out=np.zeros_like(emotions), where=usable[:, None])
    return shares, usable


def majority(votes: np.ndarray) -> np.ndarray:
    """Return the emotion that has more than half of the votes.

    The test label of Barsoum et al. (2016): single votes are dropped first.

    Args:
        votes: uint8 ``(n, 10)``.

    Returns:
        int ``(n,)``: codes of :data:`FERPLUS_LABELS`, or -1 where no emotion
        has more than half.

    Example:
        >>> majority(np.array([[6, 4, 0, 0, 0, 0, 0, 0, 0, 0], [5, 5] + [0] * 8])).tolist()
        [0, -1]
    """
    kept = np.where(votes > 1, votes, 0).astype(int)
    winner = kept.argmax(axis=1)
    clear = 2 * kept.max(axis=1) > kept.sum(axis=1)
    return np.where(clear & (winner < len(FERPLUS_LABELS)), winner, -1)


def _read_npz(path: Path) -> FacePictures:
    try:
        with np.load(path, allow_pickle=False) as entry:
            arrays = {name: entry[name] for name in entry.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SerError(f"{path}: this is not a whole .npz file ({error}); get it again") from None
    lost = {"jpeg", "offset", "usage", "label", "ferplus_votes"} - set(arrays)
    if lost:
        raise SerError(f"{path}: it has no array {sorted(lost)[0]!r}; give FER2013 with FER+ votes")
    pictures = _decoded(path, arrays["jpeg"], arrays["offset"])
    return FacePictures(pictures, arrays["label"], arrays["ferplus_votes"], arrays["usage"])


def _decoded(path: Path, jpeg: np.ndarray, offset: np.ndarray) -> np.ndarray:
    import cv2

    pictures = np.empty((max(len(offset) - 1, 0), SIZE_PX, SIZE_PX), np.uint8)
    for k in range(len(pictures)):
        coded = jpeg[offset[k] : offset[k + 1]]
        picture = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE) if len(coded) else None
        if picture is None or picture.shape != (SIZE_PX, SIZE_PX):
            raise SerError(f"{path}: image {k} is damaged; get the file again")
        pictures[k] = picture
    return pictures


def _read_csv(folder: Path) -> FacePictures:
    import pandas as pd

    try:
        with open_regular(folder / "fer2013.csv", LARGEST_BYTES) as file:
            faces = pd.read_csv(file)
        with open_regular(folder / "fer2013new.csv", LARGEST_BYTES) as file:
            votes = pd.read_csv(file)
        rows = [np.array(text.split(), np.uint8) for text in faces["pixels"]]
        pictures = np.stack(rows).reshape(-1, SIZE_PX, SIZE_PX)
        usage = faces["Usage"].map(USAGES.index).to_numpy(np.int8)
        # FER+ has one row an image, in the order of fer2013.csv.
        counted = votes.iloc[:, 2 : 2 + VOTE_COLUMNS].to_numpy(np.uint8)
        return FacePictures(pictures, faces["emotion"].to_numpy(np.int8), counted, usage)
    except OSError as error:
        wanted = "fer2013.csv and fer2013new.csv"
        raise SerError(f"{folder}: {error.strerror}; it must hold {wanted}") from None
    except (ValueError, KeyError, AttributeError) as error:
        raise SerError(f"{folder}: these are not FER2013's CSV files ({error})") from None
