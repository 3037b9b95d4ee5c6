"""What every reader of recordings checks before it opens one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from multimodal_ser.errors import MediaError

#: A recording of which less than this share can be read is refused; a last packet
#: that is missing or broken is not worth losing a recording for.
WHOLE_SHARE = 0.9

COPY_AGAIN = "copy or download it again"

#: FFmpeg's names of the formats that are read, of whose demuxers none opens another file. Left
#: out are play lists, ``concat``, DASH, image sequences and the like: a text file under the name
#: of a recording would lead them to any file of this machine.
FORMATS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "asf", "flv", "mxf", "ogg", "rm"),
    *("wav", "w64", "flac", "mp3", "aac", "amr", "amrnb", "amrwb", "aiff", "au", "caf", "wv"),
    *("ac3", "eac3", "dts", "ape", "tta", "h264", "hevc", "m4v", "mjpeg", "ivf", "obu", "dv"),
    *("nut", "gif", "yuv4mpegpipe"),
    *("png_pipe", "jpeg_pipe", "bmp_pipe", "webp_pipe", "tiff_pipe"),
)
#: Of single images by ending: FFmpeg would else take a name for the pattern of a sequence.
_OF_IMAGES = {".png": "png_pipe", ".jpg": "jpeg_pipe", ".jpeg": "jpeg_pipe", ".bmp": "bmp_pipe"}
_OF_IMAGES |= {".webp": "webp_pipe", ".tif": "tiff_pipe", ".tiff": "tiff_pipe"}
#: The most pixels of an image: those of 8K as cinemas have it, and a margin for blocks that
#: codecs fill up. Four values of 16 bits each of them take 290 MB.
MOST_PIXELS = 8192 * 4352


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


def open_container(path: str | Path, options: dict[str, str] | None = None) -> Any:
    """Open a recording with FFmpeg's libraries; the only place that does.

    A path is a path, also where it looks like a URL, such as ``12:30.mp4``; the format is one
    of :data:`FORMATS`; and nothing but this file is read.

    Args:
        path: the file.
        options: FFmpeg's, beside those that keep it within the file.

    Returns:
        An ``av.container.InputContainer``.

    Raises:
        MediaError: there is no ordinary file, see :func:`check_file`.
        OSError, ValueError: FFmpeg cannot read it; ``av.FFmpegError`` is one of the two.

    Example:
        >>> with open_container("clip.mp4") as film:  # doctest: +SKIP
        ...     film.format.name
        'mov,mp4,m4a,3gp,3g2,mj2'
    """
    import av

    kept = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
    # Of the decoders that FFmpeg opens to find out what there is.
    kept["max_pixels"] = str(MOST_PIXELS)
    url = f"file:{check_file(path)}"
    named = _OF_IMAGES.get(Path(path).suffix.lower())
    return av.open(
        url, format=named, metadata_errors="replace", options={**(options or {}), **kept}
    )
