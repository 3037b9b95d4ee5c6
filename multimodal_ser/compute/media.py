"""What every reader of recordings checks before it opens one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from multimodal_ser.errors import MediaError

#: A recording of which less than this share can be read is refused; a last packet
#: that is missing or broken is not worth losing a recording for.
WHOLE_SHARE = 0.9

COPY_AGAIN = "copy or download it again"


def check_file(path: str | Path) -> Path:
    """Return the path of a file that is worth opening.

    Raises:
        MediaError: it does not exist, is a folder, cannot be read or is empty.

    Example:
        >>> check_file("nowhere.mp4")
        Traceback (most recent call last):
        multimodal_ser.errors.MediaError: nowhere.mp4: there is no such file; check the path
    """
    path = Path(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise MediaError(path, "it is a folder, not a recording", "name the file inside it")
        if not stat.S_ISREG(mode):  # a pipe would be waited for, a device read for ever
            raise MediaError(path, "it is no ordinary file", "copy its content into one")
        with open(path, "rb") as file:
            first = file.read(1)
    except (FileNotFoundError, NotADirectoryError):
        raise MediaError(path, "there is no such file", "check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or error
        raise MediaError(
            path, f"it cannot be read ({reason})", "check its name and rights"
        ) from None
    if not first:
        raise MediaError(path, "it is empty (0 bytes)", COPY_AGAIN)
    return path


def check_whole(path: str | Path, what: str, read_s: float, stated_s: float) -> None:
    """Refuse a recording of which much less can be read than its header promises.

    Args:
        path: the file.
        what: ``sound`` or ``picture``.
        read_s: seconds that could be decoded.
        stated_s: seconds that the header states; 0 when it states none.

    Raises:
        MediaError: less than :data:`WHOLE_SHARE` could be read.

    Example:
        >>> check_whole("a.mp4", "sound", 1.0, 3.0)
        Traceback (most recent call last):
        multimodal_ser.errors.MediaError: a.mp4: it is cut short or damaged: \
only 1.0 s of its 3.0 s of sound can be read; copy or download it again
    """
    if read_s < WHOLE_SHARE * stated_s:
        problem = f"only {read_s:.1f} s of its {stated_s:.1f} s of {what} can be read"
        raise MediaError(path, f"it is cut short or damaged: {problem}", COPY_AGAIN)
