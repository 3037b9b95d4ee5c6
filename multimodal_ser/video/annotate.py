"""A film with its reading drawn in: faces in boxes, names, bars, and a line of text below.

Every image keeps its time, to the unit of the film's own clock, and the sound its bytes:
packets are copied, not coded again. The images are decoded, turned upright, drawn on and
coded again (H.264); one is held at a time.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_ser.compute import progress
from multimodal_ser.compute.media import check_file, open_container
from multimodal_ser.errors import MediaError, SerError
from multimodal_ser.video.faces import Box

#: Endings of what is written.
ENDINGS = (".mp4", ".mov", ".mkv")
#: One per person in turn (Okabe and Ito, "Color Universal Design", 2008).
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167))
_PAPER = (235, 235, 235)
_DARK = (18, 18, 18)
#: BT.709 in FFmpeg's numbers; what larger films are coded in.
_BT709 = 1


@dataclass(frozen=True)
class Reading:
    """What is drawn at one moment.

    Attributes:
        boxes: person -> where the face is, in pixels of the upright image; -1 is a face that
            has no number.
        bars: person -> label -> probability, 0 to 1; -1 likewise. Who has no box has bars in
            a corner.
        subtitle: a line of text, or empty.
    """

    boxes: Mapping[int, Box]
    bars: Mapping[int, Mapping[str, float]]
    subtitle: str = ""


def annotate(path: str | Path, output: str | Path, reading: Callable[[float], Reading]) -> Path:
    """Write a film with its reading drawn in.

    Args:
        path: of the film.
        output: :data:`ENDINGS`; written when it is whole.
        reading: from a time in seconds, 0 at the first image, to what is drawn then.

    Returns:
        The output.

    Raises:
        MediaError: the film cannot be decoded, or its sound cannot lie in such a file.
        SerError: the output has another ending, or is the film itself.
        OSError: it cannot be written.

    Example:
        >>> annotate("talk.mp4", "read.mp4", lambda time_s: Reading({}, {}))  # doctest: +SKIP
    """
    import av

    path, output = check_file(path), Path(output)
    check_output(path, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        made = Path(folder) / f"film{output.suffix.lower()}"
        try:
            with (
                open_container(path) as source,
                av.open(f"file:{made}", "w") as out,
            ):
                _copy(source, out, reading)
        except (av.error.FFmpegError, ValueError) as error:
            problem = f"it cannot be written as {output.suffix} with its reading ({error!s:.100})"
            raise MediaError(
                path, problem, "give a name that ends in .mkv, or convert it"
            ) from None
        os.replace(made, output)
    return output


def check_output(path: str | Path, output: str | Path) -> None:
    """Refuse a place that an annotated film cannot be written to.

    Raises:
        SerError: it has another ending than :data:`ENDINGS`, or is the film itself.
    """
    if Path(output).suffix.lower() not in ENDINGS:
        raise SerError(f"{output}: give a name that ends in {', '.join(ENDINGS)}")
    if Path(output).absolute() == Path(path).absolute():
        raise SerError(f"{output}: it is the film itself; give another name")


def _copy(source: Any, out: Any, reading: Callable[[float], Reading]) -> None:
    film = next((one for one in source.streams.video if not one.disposition & _ATTACHED), None)
    if film is None or film.codec_context is None:
        raise ValueError("it has no image")
    film.thread_type = "AUTO"
    sounds = {one.index: out.add_stream_from_template(one) for one in source.streams.audio}
    drawn: Any = None
    start, early = None, []
    for packet in source.demux([film, *source.streams.audio]):
        if packet.stream.index in sounds:
            if packet.dts is not None:
                packet.stream = sounds[packet.stream.index]
                early.append(packet)
            # The first packet ends the list of streams, so the image's must be in it.
            while drawn is not None and early:
                out.mux(early.pop(0))
            continue
        for frame in packet.decode():
            image = _upright(frame)
            drawn = drawn if drawn is not None else _coder(out, film, image)
            start = frame.pts if start is None else start
            time_s = float((frame.pts - start) * film.time_base)
            draw(image, reading(time_s))
            out.mux(drawn.encode(_as_frame(image, frame.pts, film.time_base, drawn)))
            progress.reached(time_s)
    if drawn is None:
        raise ValueError("no image of it can be decoded")
    for packet in (*early, *drawn.encode(None)):
        out.mux(packet)


#: AV_DISPOSITION_ATTACHED_PIC: a sound file's cover image.
_ATTACHED = 0x400


def _upright(frame: Any) -> np.ndarray:
    """Return a decoded image as red, green, blue, turned, with even sides."""
    image = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
    odd = [(0, side % 2) for side in image.shape[:2]]  # H.264 halves colours
    return np.ascontiguousarray(np.pad(image, (*odd, (0, 0)), mode="edge"))


def _coder(out: Any, film: Any, image: np.ndarray) -> Any:
    # Without images that refer to later ones, each is written at its own time.
    how = {"crf": "20", "preset": "veryfast", "bf": "0"}
    stream = out.add_stream("libx264", rate=film.average_rate or 25, options=how)
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = film.time_base
    for name in ("colorspace", "color_primaries", "color_trc"):
        setattr(stream.codec_context, name, _BT709)
    stream.codec_context.color_range = 1
    return stream


def _as_frame(image: np.ndarray, pts: int, time_base: Any, stream: Any) -> Any:
    import av
    from av.video.reformatter import ColorRange, Colorspace

    made = av.VideoFrame.from_ndarray(image, format="rgb24")
    made = made.reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    made.pts, made.time_base = pts, time_base
    return made


def draw(image: np.ndarray, reading: Reading) -> None:
    """Draw a reading into an image.

    Args:
        image: uint8 ``(height, width, 3)``, changed.
        reading: what is drawn.

    Example:
        >>> image = np.zeros((90, 160, 3), np.uint8)
        >>> draw(image, Reading({0: Box(40, 20, 30, 30, 0.9)}, {}))
        >>> image[20, 50].tolist()
        [230, 159, 0]
    """
    import cv2

    height, width = image.shape[:2]
    unit = max(9, round((height * width) ** 0.5 / 42))  # pixels of a line of text
    for person, box in reading.boxes.items():
        low, high = (round(box.x), round(box.y)), (round(box.x + box.w), round(box.y + box.h))
        cv2.rectangle(image, low, high, _colour(person), max(1, unit // 9))
        if person >= 0:
            name = _text(f"person {person}", unit, _colour(person), ())
            _paste(image, name, round(box.y) - name.shape[0], round(box.x))
    corner = unit // 2
    for person, bars in reading.bars.items():
        panel = _panel(tuple(bars.items()), unit, _colour(person))
        if person in reading.boxes:
            _paste(image, panel, *_beside(reading.boxes, person, panel.shape, image.shape))
        else:
            _paste(image, panel, corner, unit // 2)
            corner += panel.shape[0] + unit // 2
    if reading.subtitle:
        line = _text(reading.subtitle, round(1.4 * unit), _PAPER, (width - unit,))
        _paste(image, line, height - line.shape[0] - unit, (width - line.shape[1]) // 2)


def _colour(person: int) -> tuple[int, int, int]:
    return COLOURS[max(person, 0) % len(COLOURS)]


def _beside(
    boxes: Mapping[int, Box], person: int, panel: Sequence[int], image: Sequence[int]
) -> tuple[int, int]:
    """Return top and left of a panel: below its face, or where it covers least of all faces."""
    box, (high, wide) = boxes[person], panel[:2]
    middle = box.x + (box.w - wide) / 2
    places = [
        (box.y + box.h + 4, middle),
        (box.y, box.x + box.w + 4),
        (box.y, box.x - wide - 4),
        (box.y - high - 24, middle),
    ]
    # The last tenth is the subtitle's.
    inside = [
        (
            int(np.clip(top, 0, max(0, 0.9 * image[0] - high))),
            int(np.clip(left, 0, image[1] - wide)),
        )
        for top, left in places
    ]
    return min(inside, key=lambda at: sum(_common(at, panel, one) for one in boxes.values()))


def _common(at: tuple[int, int], panel: Sequence[int], box: Box) -> float:
    across = min(at[1] + panel[1], box.x + box.w) - max(at[1], box.x)
    down = min(at[0] + panel[0], box.y + box.h) - max(at[0], box.y)
    return max(0.0, across) * max(0.0, down)


def _paste(image: np.ndarray, part: np.ndarray, top: int, left: int) -> None:
    """Put an image into another, as far as it lies in it."""
    top, left = max(0, top), max(0, left)
    target = image[top : top + part.shape[0], left : left + part.shape[1]]
    target[:] = part[: target.shape[0], : target.shape[1]]


@lru_cache(maxsize=256)
def _panel(bars: tuple[tuple[str, float], ...], unit: int, colour: tuple) -> np.ndarray:
    """Return a bar per label, the highest in the person's colour."""
    from PIL import Image, ImageDraw

    font, best = _font(round(0.85 * unit)), max(value for _, value in bars)
    wide = round(max(font.getlength(label) for label, _ in bars)) + unit // 2
    image = Image.new("RGB", (wide + 5 * unit, len(bars) * unit + unit // 3), _DARK)
    pen = ImageDraw.Draw(image)
    for at, (label, value) in enumerate(bars):
        tone = colour if value == best else (150, 150, 150)
        top = at * unit + unit // 6
        pen.text((unit // 4, top), label, font=font, fill=tone)
        end = wide + max(1, round(value * 4.7 * unit))
        pen.rectangle((wide, top + unit // 6, end, top + unit - unit // 5), fill=tone)
    return np.asarray(image)


@lru_cache(maxsize=256)
def _text(text: str, unit: int, colour: tuple, widest: tuple[int, ...]) -> np.ndarray:
    """Return a line of text on dark ground, made smaller where it is too wide."""
    from PIL import Image, ImageDraw

    size = round(0.9 * unit)
    while size > 6 and widest and _font(size).getlength(text) + size > widest[0]:
        size -= 1
    font = _font(size)
    image = Image.new("RGB", (round(font.getlength(text)) + size, round(1.4 * size)), _DARK)
    ImageDraw.Draw(image).text((size // 2, round(0.1 * size)), text, font=font, fill=colour)
    return np.asarray(image)


@lru_cache(maxsize=64)
def _font(size: int) -> Any:
    """Return DejaVu Sans, which comes with Matplotlib and knows most scripts' letters."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)
