"""Names and contents made to lead FFmpeg out of the file: nothing but the file is read."""

import os
import struct
import zlib

import av
import numpy as np
import pytest

from multimodal_ser.audio import signal
from multimodal_ser.compute import media
from multimodal_ser.errors import MediaError
from multimodal_ser.video.frames import iter_frames

#: Texts that FFmpeg's demuxers follow to ``other.mp4``.
LISTS = {
    "concat": "ffconcat version 1.0\nfile other.mp4\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n",
    "fifo": "ffconcat version 1.0\nfile pipe\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "dash": '<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>other.mp4'
    "</BaseURL></Representation></AdaptationSet></Period></MPD>",
}


def write_film(path, codec="mpeg4", size=(64, 48), images=None, sound=True):
    """Write five frames and a second of sound; ``images`` replaces the coded frames."""
    with av.open(f"file:{path}", "w") as out:
        film = out.add_stream(codec, rate=25)
        film.width, film.height = size
        film.pix_fmt = "rgba" if codec == "png" else "yuv420p"
        voice = out.add_stream("aac", rate=16000, layout="mono") if sound else None
        for number in range(5):
            image = np.full((size[1], size[0], 3), 40 * number, np.uint8)
            for packet in film.encode(av.VideoFrame.from_ndarray(image)):
                out.mux(packet if images is None else _with_content(packet, images, film))
        out.mux(film.encode(None))
        if voice:
            piece = av.AudioFrame.from_ndarray(np.full((1, 16000), 999, np.int16), "s16", "mono")
            piece.sample_rate = 16000
            out.mux([*voice.encode(piece), *voice.encode(None)])
    return path


def _with_content(packet, content, stream):
    made = av.Packet(content)
    made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
    made.stream, made.is_keyframe = stream, True
    return made


def png(width, height):
    """A black image of 8 bytes a pixel that takes a thousandth of that."""

    def chunk(kind, content):
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    squeezed, row = zlib.compressobj(9), bytes(1 + 8 * width)
    rows = b"".join(squeezed.compress(row) for _ in range(height)) + squeezed.flush()
    head = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("name", ["2026-11-21T12:30.mp4", "a:b.mp4", "http:x.mp4", "pipe:.mp4"])
def test_a_name_that_looks_like_a_url_is_a_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)  # only a relative path begins with the name
    write_film(tmp_path / "plain.mp4")
    os.rename("plain.mp4", name)
    assert [frame.index for frame in iter_frames(name, every=1)] == [0, 1, 2, 3, 4]
    assert len(signal.read(name, rate_hz=16000)) >= 16000
    assert signal.has_sound(name) and signal.duration_seconds(name) > 0.9


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.m4a", "x.ts"])
def test_a_list_of_other_files_is_no_recording(tmp_path, monkeypatch, kind, name):
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "other.mp4")
    os.mkfifo("pipe")
    (tmp_path / name).write_text(LISTS[kind])
    for read in (signal.read, signal.duration_seconds, lambda path: list(iter_frames(path))):
        with pytest.raises(MediaError):
            read(name)


def test_formats_are_names_of_ffmpeg():
    known = {name for one in av.formats_available for name in one.split(",")}
    assert set(media.FORMATS) <= known
    assert not {"concat", "hls", "dash", "sdp", "image2", "lavfi", "vobsub"} & set(media.FORMATS)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm", "avi", "mpg", "flv", "mxf"])
def test_every_usual_container_is_still_read(tmp_path, ending):
    codec = {"webm": "libvpx", "flv": "flv", "mxf": "mpeg2video"}.get(ending, "mpeg4")
    codec = "mpeg2video" if ending == "mpg" else codec
    path = write_film(tmp_path / f"a.{ending}", codec, sound=False)
    assert len(list(iter_frames(path, every=1))) >= 4


@pytest.mark.parametrize("stated", [(64, 64), (256, 128)])
def test_an_image_beyond_8k_costs_the_clip_and_no_memory(tmp_path, monkeypatch, stated):
    """The header states the size, or a small one; a smaller limit stands in for 8K."""
    monkeypatch.setattr("multimodal_ser.compute.media.MOST_PIXELS", 20_000)
    monkeypatch.setattr("multimodal_ser.video.opened.MOST_PIXELS", 20_000)
    small = write_film(tmp_path / "small.mov", "png", (128, 128), png(128, 128), sound=False)
    assert len(list(iter_frames(small, every=1))) == 5
    path = write_film(tmp_path / "large.mov", "png", stated, png(256, 128), sound=False)
    with pytest.raises(MediaError):
        list(iter_frames(path))


def test_images_of_8k_are_within_the_limit():
    assert all(w * h <= media.MOST_PIXELS for w, h in ((7680, 4320), (8192, 4320), (4320, 8192)))
