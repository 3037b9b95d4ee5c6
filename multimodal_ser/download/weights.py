"""Weights made by others: what they are, where they lie, and that they are what they claim.

None of these files comes with the package. A file is looked for in the folder
that ``$MULTIMODAL_SER_WEIGHTS`` names and in the user's cache, and is used only
if its SHA-256 is the one in :data:`WEIGHTS`: these files are parsed by compiled
code that is not made for forged ones.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from multimodal_ser.compute.cache import default_folder
from multimodal_ser.errors import MissingWeights, UnknownName

#: Names a folder that holds weights, looked into before the user's cache.
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
    "blendshapes": Weights(
        "face_landmarker_v2_with_blendshapes.task",
        3_758_596,
        "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/"
        "float16/1/face_landmarker.task",
        "Apache-2.0",
        "MediaPipe Face Landmarker: 478 points and 52 blendshapes of a face",
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


def weights_file(name: str) -> Path:
    """Return the path of a file of weights whose checksum holds.

    Args:
        name: one of :data:`WEIGHTS`.

    Raises:
        UnknownName: there are none of this name.
        MissingWeights: the file is nowhere, unreadable, or another one under
            its name; the error says how to get it.

    Example:
        >>> weights_file("yunet").name  # doctest: +SKIP
        'face_detection_yunet_2026may.onnx'
    """
    path = _find(name)
    state = path.stat()
    # Hashed once a process, and again only if the file has changed since.
    _check_file(name, path, state.st_size, state.st_mtime_ns)
    return path


def weights_bytes(name: str) -> bytes:
    """Return the content of a file of weights, checked as it is read.

    What is parsed is then what was checked, even if the file is replaced
    meanwhile. Raises what :func:`weights_file` raises.
    """
    path = _find(name)
    content = _read(path, name)
    check_content(name, path, content)
    return content


def check_content(name: str, path: str | Path, content: bytes) -> None:
    """Refuse content that is not the file of :data:`WEIGHTS`.

    Args:
        name: one of :data:`WEIGHTS`.
        path: for the error.
        content: the whole file.

    Raises:
        MissingWeights: size or checksum differ.

    Example:
        >>> check_content("yunet", "a.onnx", b"")
        Traceback (most recent call last):
        multimodal_ser.errors.MissingWeights: a.onnx: it is not the file \
face_detection_yunet_2026may.onnx that this program knows (0 bytes instead of 229738); ...
    """
    wanted = _wanted(name)
    if len(content) != wanted.size_bytes:
        problem = f"{len(content)} bytes instead of {wanted.size_bytes}"
    elif hashlib.sha256(content).hexdigest() != wanted.sha256:
        problem = "its SHA-256 is another"
    else:
        return
    raise MissingWeights(
        f"{path}: it is not the file {wanted.file} that this program knows ({problem}); "
        f"delete it, then {_remedy(name)}"
    )


def _wanted(name: str) -> Weights:
    if name not in WEIGHTS:
        raise UnknownName("set of weights", name, tuple(WEIGHTS))
    return WEIGHTS[name]


def _find(name: str) -> Path:
    wanted = _wanted(name)
    folders = weights_folders()
    for folder in folders:
        if (folder / wanted.file).is_file():
            return folder / wanted.file
    searched = " and ".join(map(str, folders))
    raise MissingWeights(f"{wanted.file}: it is not in {searched}; {_remedy(name)}")


def _remedy(name: str) -> str:
    wanted = WEIGHTS[name]
    return (
        f"run 'multimodal-ser download weights --names {name}', or fetch {wanted.url} "
        f"({wanted.licence}) and put it, named {wanted.file}, into {weights_folders()[0]}"
    )


@cache
def _check_file(name: str, path: Path, _size: int, _mtime_ns: int) -> None:
    check_content(name, path, _read(path, name))


def _read(path: Path, name: str) -> bytes:
    try:
        with open(path, "rb") as file:
            # One byte more than wanted tells a longer file from the right one
            # without reading all of it.
            return file.read(WEIGHTS[name].size_bytes + 1)
    except OSError as error:
        raise MissingWeights(
            f"{path}: it cannot be read ({error.strerror}); check its rights"
        ) from None
