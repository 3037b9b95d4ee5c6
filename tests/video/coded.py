"""Films in which every frame differs, in many ways of coding, and how they decode whole."""

from fractions import Fraction

import numpy as np

COUNT, RATE = 61, 25

#: name -> (ending, encoder, its options, whether packets tell which frames to decode)
KINDS = {
    "h264": ("mp4", "libx264", {"g": "12", "bf": "0"}, True),
    "h264 b": ("mp4", "libx264", {"g": "12", "bf": "3", "x264-params": "b-adapt=0"}, True),
    "h264 b mkv": ("mkv", "libx264", {"g": "12", "bf": "3", "x264-params": "b-adapt=0"}, True),
    "h264 open": (
        "mp4",
        "libx264",
        {"x264-params": "keyint=12:open-gop=1:bframes=3:b-adapt=0:scenecut=0"},
        True,
    ),
    "h264 intra": ("mov", "libx264", {"g": "1"}, True),
    "h264 one group": ("mp4", "libx264", {"g": "1000", "x264-params": "scenecut=0"}, True),
    "h264 refresh": ("mp4", "libx264", {"g": "12", "x264-params": "intra-refresh=1"}, True),
    "h264 ts": ("ts", "libx264", {"g": "12", "bf": "3"}, False),
    "h264 raw": ("h264", "libx264", {"g": "12", "bf": "3"}, False),
    "hevc open": ("mp4", "libx265", {"x265-params": "keyint=12:bframes=3:log-level=none"}, True),
    "hevc": ("mkv", "libx265", {"x265-params": "keyint=12:open-gop=0:log-level=none"}, True),
    "vp9": ("webm", "libvpx-vp9", {"g": "12", "deadline": "realtime", "cpu-used": "8"}, True),
    "vp9 hidden": ("webm", "libvpx-vp9", {"g": "12", "cpu-used": "5", "lag-in-frames": "12"}, True),
    "vp8 hidden": (
        "webm",
        "libvpx",
        {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "12"},
        False,
    ),
    "mpeg4 avi": ("avi", "mpeg4", {"g": "12"}, False),
    "mpeg4 b avi": ("avi", "mpeg4", {"g": "12", "bf": "2"}, False),
    "mpeg4 b": ("mp4", "mpeg4", {"g": "12", "bf": "2"}, False),
    "mpeg2": ("ts", "mpeg2video", {"g": "12", "bf": "2"}, False),
    "mjpeg": ("mov", "mjpeg", {"pix_fmt": "yuvj420p"}, True),
}


def pictures(count=COUNT, size=(96, 64), seed=0):
    """Yield grey noise that drifts, no two frames alike."""
    random = np.random.default_rng(seed)
    ground = random.integers(40, 200, (size[1] // 8, size[0] // 8)).astype(np.uint8).repeat(8, 0)
    ground = ground.repeat(8, 1)
    for number in range(count):
        picture = np.roll(ground, 3 * number, 1)
        picture[:8] = 16 + 3 * (number % 70)
        yield picture


def write(path, encoder, options=None, *, times=None, drawn=None, muxer=None):
    """Encode pictures; ``times`` are frame times in thousandths of a second."""
    import av

    drawn = list(pictures() if drawn is None else drawn)
    times = [1000 * number // RATE for number in range(len(drawn))] if times is None else times
    options = dict(options or {})
    with av.open(str(path), "w", options=muxer or {}) as out:
        stream = out.add_stream(encoder, rate=RATE)
        stream.height, stream.width = drawn[0].shape
        stream.pix_fmt = options.pop("pix_fmt", "yuv420p")
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.thread_count, stream.bit_rate = 1, 400_000
        stream.options = options
        if "g" in options:
            stream.codec_context.gop_size = int(options["g"])
        if "bf" in options:
            stream.codec_context.max_b_frames = int(options["bf"])
        if encoder.startswith("mpeg") or path.suffix in (".avi", ".h264"):
            stream.codec_context.time_base = Fraction(1, RATE)
        for picture, time in zip(drawn, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(
                format=stream.pix_fmt
            )
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time * Fraction(1, 1000) / frame.time_base)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def kind(path, name):
    """Write a film of :data:`KINDS` beside ``path``."""
    ending, encoder, options, _ = KINDS[name]
    return write(path.with_suffix(f".{ending}"), encoder, options)


def remuxed(path, target, move=lambda number, packet: None, muxer=None):
    """Copy a film's packets into another file; ``move`` may change each, or drop it by True."""
    import av

    with av.open(str(path)) as source, av.open(str(target), "w", options=muxer or {}) as out:
        stream = source.streams.video[0]
        copied = out.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.dts is None or move(number, packet):
                continue
            packet.stream = copied
            out.mux(packet)
    return target


def whole(path):
    """Decode every frame, without any of our code: (pictures, times in s, key flags)."""
    import av

    with av.open(str(path)) as film:
        decoded = [
            (frame.to_ndarray(format="gray"), frame.time, frame.key_frame)
            for frame in film.decode(film.streams.video[0])
        ]
    return tuple(zip(*decoded, strict=True))


def sounded(path, target, seconds, encoder="aac", rate=16000):
    """Copy a film and put noise of so many seconds beside its pictures."""
    import av

    values = np.random.default_rng(0).uniform(-0.5, 0.5, (1, int(rate * seconds)))
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        copied = out.add_stream_from_template(stream)
        sound = out.add_stream(encoder, rate=rate, layout="mono")
        coded_sound = []
        for at in range(0, values.shape[1], 1600):  # interleaved as cameras do
            piece = np.ascontiguousarray(values[:, at : at + 1600], np.float32)
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            coded_sound += sound.encode(frame)
        coded_sound += sound.encode(None)
        packets = [one for one in source.demux(stream) if one.dts is not None]
        for packet in packets:
            packet.stream = copied
        for packet in sorted([*packets, *coded_sound], key=lambda one: one.dts * one.time_base):
            out.mux(packet)
    return target
