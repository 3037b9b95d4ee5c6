"""Find recordings in a folder, however it is arranged."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from multimodal_ser.errors import MediaError, SerError
from multimodal_ser.tables.io import is_url

#: Endings of files that carry sound alone, the better copy of a take first.
AUDIO_ENDINGS = (
    *(".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".aac", ".wma", ".amr"),
    *(".aif", ".aiff", ".aifc", ".au", ".caf", ".oga", ".spx", ".ac3", ".mka", ".m4b", ".wv"),
)
#: Endings of files that carry images, and sound as a rule.
VIDEO_ENDINGS = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".3gp", ".3g2", ".mts", ".m2ts", ".m4v"),
    *(".wmv", ".asf", ".flv", ".f4v", ".mpg", ".mpeg", ".vob", ".ogv", ".mxf"),
)


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


def expanded(path: str | Path) -> Path:
    """Return a path whose ``~`` is the home folder, where it is not the beginning of a name.

    Raises:
        MediaError: it is a URL.

    Example:
        >>> expanded("~nobody.wav").name, expanded("~").is_absolute()
        ('~nobody.wav', True)
    """
    if is_url(path):
        raise MediaError(path, "it is a URL, and nothing is fetched", "download it, give the file")
    return Path(os.path.expanduser(path))  # which, unlike Path.expanduser, takes any name


def absolute(path: str | Path) -> Path:
    """Return where a file is, in one spelling however its path was typed; links are kept.

    Example:
        >>> absolute("a/./b/../c.wav") == Path.cwd() / "a" / "c.wav"
        True
    """
    return Path(os.path.abspath(expanded(path)))


def shown(path: str | Path) -> str | None:
    r"""Return how to write a name that is not valid UTF-8, or None for one that is.

    No table can hold such a name, so its file cannot be used.

    Example:
        >>> shown("Zoë.wav") is None, shown(os.fsdecode(b"Zo\xeb.wav"))
        (True, 'Zo\\xeb.wav')
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    return None


def other_files(root: str | Path) -> Counter[str]:
    """Return how many files below a folder have each ending that no recording has.

    Args:
        root: a folder; hidden files do not count.

    Example:
        >>> other_files("no-such-folder")
        Counter()
    """
    found: Counter[str] = Counter()
    for folder, folders, names in os.walk(expanded(root)):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(folder) / name for name in names if not name.startswith(".")):
            if not (is_audio(path) or is_video(path)):
                found[path.suffix.lower() or "(none)"] += 1
    return found


def walk(root: str | Path, refuse: Callable[[str], None] | None = None) -> Iterator[Path]:
    """Yield every recording below a folder, sorted, hidden files left out.

    Hidden files are left out because unpacking an archive made on a Mac
    leaves a ``._name.wav`` of a few bytes beside every recording.

    Args:
        root: a folder; links to folders are followed, a loop of links once.
        refuse: told of recordings left out because their names are no UTF-8,
            as :func:`shown` writes them.

    Raises:
        SerError: there is no such folder.
    """
    root = expanded(root)
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
            if name.startswith(".") or not (is_audio(path) or is_video(path)):
                continue
            if (written := shown(path)) is None:
                yield path
            elif refuse is not None:
                refuse(written)
