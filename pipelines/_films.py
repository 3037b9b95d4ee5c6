"""Films that recipes make: grey images, a sound, or both."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

#: Images a second of RAVDESS's films.
FPS = Fraction(30000, 1001)


def write(
    path: Path, images: Iterable[np.ndarray], sound: np.ndarray | None = None, rate_hz: int = 48000
) -> Path:
    """Write a film as H.264 and AAC.

    Args:
        path: an mp4.
        images: uint8 ``(height, width)``, both even, :data:`FPS` of them a second.
        sound: mono float32 ``(n_samples,)``, or None.
        rate_hz: its sampling rate.
    """
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"crf": "20", "threads": "1"})
        video.pix_fmt, audio = "yuv420p", None
        if sound is not None:
            audio = out.add_stream("aac", rate=rate_hz, layout="mono")
        for at, image in enumerate(images):
            if at == 0:
                video.height, video.width = image.shape
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="gray")
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio is not None and sound is not None:
            for at in range(0, len(sound), rate_hz):
                part = np.ascontiguousarray(sound[None, at : at + rate_hz], np.float32)
                piece = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                piece.sample_rate, piece.pts = rate_hz, at
                out.mux(audio.encode(piece))
            out.mux(audio.encode(None))
    return path


def repeated(part: Path, path: Path, seconds: float) -> Path:
    """Write a film again and again, without coding it anew, until it is so long."""
    with av.open(str(path), "w") as out:
        streams: dict[int, av.stream.Stream] = {}
        start_s = 0.0
        while start_s < seconds:
            with av.open(str(part)) as source:
                for one in source.streams if not streams else ():
                    streams[one.index] = out.add_stream_from_template(one)
                for packet in source.demux():
                    if packet.dts is None or packet.pts is None or packet.pts < 0:
                        continue
                    moved = round(start_s / float(packet.time_base))
                    packet.dts, packet.pts = packet.dts + moved, packet.pts + moved
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
                start_s += (source.duration or av.time_base) / av.time_base
    return path
