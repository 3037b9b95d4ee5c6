"""Find recordings in a folder, however it is arranged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from multimodal_ser.errors import SerError

#: Endings of files that carry sound alone, the better copy of a take first.
AUDIO_ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".m4a")
#: Endings of files that carry pictures, and sound as a rule.
VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm")


def is_audio(path: str | Path) -> bool:
    """Tell whether a file's ending is one of :data:`AUDIO_ENDINGS`.

    Example:
        >>> is_audio("a.WAV"), is_audio("a.mp4")
        (True, False)
    """
    return Path(path).suffix.lower() in AUDIO_ENDINGS


def is_video(path: str | Path) -> bool:
    """Tell whether a file's ending is one of :data:`VIDEO_ENDINGS`.

    Example:
        >>> is_video("a.mp4"), is_video("a.txt")
        (True, False)
    """
    return Path(path).suffix.lower() in VIDEO_ENDINGS


def walk(root: str | Path) -> Iterator[Path]:
    """Yield every recording below a folder, sorted, hidden files left out.

    Hidden files are left out because unpacking an archive made on a Mac
    leaves a ``._name.wav`` of a few bytes beside every recording.

    Args:
        root: a folder; links to folders are followed, a loop of links once.

    Raises:
        SerError: there is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise SerError(f"{root}: there is no such folder; give the folder that holds the clips")
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            if not name.startswith(".") and (is_audio(path) or is_video(path)):
                yield path
