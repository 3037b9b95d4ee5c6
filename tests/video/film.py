"""Films that tests write: every frame carries its number."""

from fractions import Fraction

import numpy as np

SIZE = (96, 64)  # width, height


def numbered(number: int) -> np.ndarray:
    """Return a picture whose eight columns are the bits of a number, lowest left."""
    bits = [(number >> place) & 1 for place in range(8)]
    return np.repeat(
        np.array([[40 + 180 * bit for bit in bits]], np.uint8), SIZE[0] // 8, 1
    ).repeat(SIZE[1], 0)


def number_of(gray: np.ndarray) -> int:
    """Read back what :func:`numbered` drew."""
    columns = gray.reshape(gray.shape[0], 8, -1).mean(axis=(0, 2))
    return sum(int(level > 130) << place for place, level in enumerate(columns))


def write(path, pictures, *, rate=25, codec="mpeg4", sound=False, options=None):
    """Write grey (h, w) or colour (h, w, 3) uint8 pictures as a film."""
    import av

    with av.open(str(path), "w", options=options or {}) as out:
        first = np.asarray(pictures[0])
        stream = out.add_stream(codec, rate=Fraction(rate))
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = 12
        for picture in pictures:
            if picture.ndim == 2:
                picture = np.repeat(picture[..., None], 3, -1)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def turn(path, degrees):
    """Mark an mp4 to be shown turned clockwise, as telephones do."""
    matrix = {
        90: (0, 1, 0, -1, 0, 0, 0, 0, 1),
        180: (-1, 0, 0, 0, -1, 0, 0, 0, 1),
        270: (0, -1, 0, 1, 0, 0, 0, 0, 1),
    }[degrees]
    units = [1 << 30 if place % 3 == 2 else 1 << 16 for place in range(9)]
    values = np.array([a * unit for a, unit in zip(matrix, units, strict=True)], ">i4")
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = values.tobytes()
    path.write_bytes(content)
    return path
