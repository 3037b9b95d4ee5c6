"""The sound of a video, read as its header describes it, is what probing finds, bit for bit."""

import av
import numpy as np
import pytest

from multimodal_ser.audio import signal


def write(path, codec, rate_hz, layout, *, picture=True, seconds=1.0):
    """Write noise, and images beside it where asked for."""
    random, channels = np.random.default_rng(0), {"mono": 1, "stereo": 2}[layout]
    with av.open(str(path), "w") as out:
        if picture:
            video = out.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sound = out.add_stream(codec, rate=rate_hz, layout=layout)
        for _ in range(int(10 * seconds) if picture else 0):
            image = random.integers(0, 256, (64, 96, 3), dtype=np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        kind = {"alac": "s16p"}.get(codec, "fltp")
        values = random.uniform(-0.5, 0.5, (channels, int(rate_hz * seconds)))
        values = (values * 2**15).astype(np.int16) if kind == "s16p" else values.astype(np.float32)
        frame = av.AudioFrame.from_ndarray(values, format=kind, layout=layout)
        frame.sample_rate = rate_hz
        out.mux(sound.encode(frame))
        for stream in out.streams:
            out.mux(stream.encode(None))
    return path


def probed(path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(signal, "MP4", "no format")
        return signal.read(path)


@pytest.mark.parametrize("layout", ["mono", "stereo"])
@pytest.mark.parametrize(
    ("ending", "codec", "rate_hz"),
    [
        *(("mp4", "aac", rate) for rate in (8000, 22050, 44100, 48000)),
        *(("mov", "alac", 44100), ("m4a", "aac", 44100), ("mp4", "ac3", 48000)),
        *(("mkv", "aac", 44100), ("webm", "libopus", 48000), ("mp4", "libopus", 48000)),
    ],
)
def test_every_container_and_codec(tmp_path, monkeypatch, ending, codec, rate_hz, layout):
    if codec not in av.codecs_available:
        pytest.skip(f"FFmpeg has no {codec} here")
    picture = "mpeg4" if ending in ("mp4", "mov") else None
    path = write(tmp_path / f"a.{ending}", codec, rate_hz, layout, picture=bool(picture))
    got = signal.read(path)
    assert len(got) > 20_000 and np.abs(got).max() > 0.1
    np.testing.assert_array_equal(got, probed(path, monkeypatch))


def test_a_header_that_states_another_rate_is_not_believed(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", "aac", 44100, "mono")
    content = bytearray(path.read_bytes())
    at = content.index(b"mp4a") + 28  # the sample entry's rate, in 16.16 bits
    assert int.from_bytes(content[at : at + 2], "big") == 44100
    content[at : at + 2] = (22050).to_bytes(2, "big")
    path.write_bytes(content)
    np.testing.assert_array_equal(signal.read(path), probed(path, monkeypatch))


def test_a_silent_video_has_no_sound_and_is_not_damaged(tmp_path):
    from multimodal_ser.audio.signal import NoSound

    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        out.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8))))
        out.mux(video.encode(None))
    with pytest.raises(NoSound):
        signal.read(tmp_path / "a.mp4")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_damage_comes_out_the_same(tmp_path, monkeypatch, share):
    path = write(tmp_path / "a.mp4", "aac", 44100, "stereo", seconds=3.0)
    content = bytearray(path.read_bytes())
    middle = int(len(content) * share)
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)

    def outcome(read):
        try:
            return read().tobytes()
        except signal.MediaError as error:
            return str(error)

    assert outcome(lambda: signal.read(path)) == outcome(lambda: probed(path, monkeypatch))


@pytest.mark.real_data
def test_ravdess(shared_data, monkeypatch):
    for path in sorted((shared_data / "ravdess/video/Actor_05").glob("01-*.mp4"))[:3]:
        np.testing.assert_array_equal(signal.read(path), probed(path, monkeypatch))
