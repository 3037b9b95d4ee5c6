"""Weights made by others: what they are, where they are, and that they are what they claim.

A file is looked for in the folder that ``$MULTIMODAL_SER_WEIGHTS`` names, in the user's cache and,
of those that come with the package (``yunet``), there. It is used only if its SHA-256 is the one in
:data:`WEIGHTS`: compiled code parses these files and is not made for forged ones. pooch
checks on download alone, so this checks on reading.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from multimodal_ser.compute.cache import default_folder
from multimodal_ser.errors import MissingWeights, UnknownName

#: Names a folder of weights that is searched before the user's cache.
WEIGHTS_VARIABLE = "MULTIMODAL_SER_WEIGHTS"


class Weights(NamedTuple):
    """One file that can be had.

    Attributes:
        file: its name in the folder of weights.
        size_bytes: its exact size.
        sha256: 64 hexadecimal digits.
        url: where it can be had.
        licence: of the weights, as SPDX writes it.
        source: who made it, and what it is.
    """

    file: str
    size_bytes: int
    sha256: str
    url: str
    licence: str
    source: str


WEIGHTS = {
    "yunet": Weights(
        "face_detection_yunet_2026may.onnx",
        229_738,
        "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
        "https://github.com/opencv/opencv_zoo/raw/26cc381e4d2594bb9f47a26eb8fd96c94a13660d/"
        "models/face_detection_yunet/face_detection_yunet_2026may.onnx",
        "MIT",
        "OpenCV model zoo: YuNet, a face detector (Wu, Peng, Yu 2023)",
    ),
    "mini_xception": Weights(
        "fer2013_mini_XCEPTION.102-0.66.hdf5",
        872_856,
        "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
        "https://github.com/oarriaga/face_classification/raw/master/trained_models/"
        "emotion_models/fer2013_mini_XCEPTION.102-0.66.hdf5",
        "MIT",
        "oarriaga/face_classification: mini-Xception on FER2013, seven emotions",
    ),
}


def weights_folders() -> tuple[Path, ...]:
    """Return where weights are looked for, in order; a download goes into the first.

    Example:
        >>> weights_folders()[-1].name
        'weights'
    """
    named = os.environ.get(WEIGHTS_VARIABLE)
    own = default_folder() / "weights"
    return (Path(named), own) if named else (own,)


def weights_bytes(name: str, *, packaged: Path | None = None) -> bytes:
    """Return the content of a file of weights, checked as it is read.

    What is parsed is then what was checked, even if the file is replaced meanwhile.

    Args:
        name: one of :data:`WEIGHTS`.
        packaged: a folder of the package to look into last, or None.

    Raises:
        UnknownName: there are none of this name.
        MissingWeights: the file is nowhere, unreadable, or another one under its name; the error
            says how to get it.

    Example:
        >>> len(weights_bytes("yunet"))  # doctest: +SKIP
        229738
    """
    wanted, folders = find_weights(name), weights_folders()
    remedy = (
        f"run 'multimodal-ser download weights --names {name}', or fetch {wanted.url} "
        f"({wanted.licence}) and put it, named {wanted.file}, into {folders[0]}"
    )
    places = [*folders, packaged] if packaged else folders
    path = next((f / wanted.file for f in places if (f / wanted.file).is_file()), None)
    if path is None:
        searched = " and ".join(map(str, places))
        raise MissingWeights(f"{wanted.file}: it is not in {searched}; {remedy}")
    try:
        with open(path, "rb") as file:
            content = file.read(wanted.size_bytes + 1)  # enough to tell a longer file
    except OSError as error:
        raise MissingWeights(
            f"{path}: it cannot be read ({error.strerror}); check its rights"
        ) from None
    if hashlib.sha256(content).hexdigest() != wanted.sha256:
        size = f"{len(content)} bytes instead of {wanted.size_bytes}"
        problem = "its SHA-256 is another" if len(content) == wanted.size_bytes else size
        raise MissingWeights(
            f"{path}: it is not {wanted.file} ({problem}); delete it, then {remedy}"
        )
    return content


def find_weights(name: str) -> Weights:
    """Return an entry of :data:`WEIGHTS`.

    Raises:
        UnknownName: there are none of this name.

    Example:
        >>> find_weights("yunet").licence
        'MIT'
    """
    if name not in WEIGHTS:
        raise UnknownName("set of weights", name, tuple(WEIGHTS))
    return WEIGHTS[name]
