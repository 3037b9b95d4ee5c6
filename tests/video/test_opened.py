"""A video that is opened once gives the samples and frames of two readers with a file each."""

import numpy as np
import pytest

from multimodal_ser.audio import signal
from multimodal_ser.compute import media
from multimodal_ser.errors import MediaError
from multimodal_ser.video import frames, opened
from multimodal_ser.video.opened import Opened
from multimodal_ser.video.sampling import Sampling

from . import coded, film

SOUNDED = ("h264", "h264 b", "h264 open", "hevc open", "h264 b mkv", "mpeg4 b", "mjpeg")
WAYS = (Sampling(every=7), Sampling(every_seconds=0.3), Sampling(keyframes_only=True))


@pytest.fixture
def openings(monkeypatch):
    """The paths that FFmpeg opened, one for each time."""
    paths = []

    def counted(path, options=None):
        paths.append(path)
        return media.open_container(path, options)

    for module in (signal, opened):
        monkeypatch.setattr(module, "open_container", counted)
    return paths


def video_of(folder, name, seconds=2.4):
    plain = coded.kind(folder / "plain", name)
    return coded.sounded(plain, folder / f"a{plain.suffix}", seconds)


def same(path, rate_hz=16000):
    """Compare one opening with an opening for each; return the sound, None without any."""
    with Opened(path) as video:
        try:
            sound = video.sound(rate_hz)
        except signal.NoSound:
            sound = None
            with pytest.raises(signal.NoSound):
                signal.read(path, rate_hz=rate_hz)
        else:
            np.testing.assert_array_equal(sound, signal.read(path, rate_hz=rate_hz))
        assert video.duration_s == signal.duration_seconds(path)
        for way in WAYS:
            got = list(frames.frames_of(video, way))
            apart = list(frames.iter_frames(path, **vars(way)))
            assert [one[:2] for one in got] == [one[:2] for one in apart]
            assert all(np.array_equal(a.gray, b.gray) for a, b in zip(got, apart, strict=True))
            assert got
    return sound


@pytest.mark.parametrize("name", SOUNDED)
def test_samples_and_frames_are_those_of_readers_apart(tmp_path, name):
    assert len(same(video_of(tmp_path, name))) > 30_000


@pytest.mark.parametrize("name", ["h264", "h264 b", "h264 open", "hevc open", "mjpeg"])
def test_an_mp4_is_opened_once(tmp_path, openings, name):
    path = video_of(tmp_path, name)
    with Opened(path) as video:
        assert video.duration_s > 2
        video.sound(16000)
        for way in WAYS:
            list(frames.frames_of(video, way))
    assert openings == [path]


def test_pictures_that_are_given_up_halfway_can_be_asked_for_again(tmp_path):
    with Opened(video_of(tmp_path, "h264 b")) as video:
        begun = frames.frames_of(video, Sampling(every=5))
        first = [next(begun).gray, next(begun).gray]
        begun.close()
        again = [one.gray for one in frames.frames_of(video, Sampling(every=5))][:2]
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("seconds", [0.5, 6.0])
def test_sound_that_ends_earlier_or_later_than_the_pictures(tmp_path, seconds):
    sound = same(video_of(tmp_path, "h264 b", seconds))
    assert abs(len(sound) / 16000 - seconds) < 0.2


def test_a_silent_video(tmp_path):
    assert same(coded.kind(tmp_path / "a", "h264 b")) is None


def test_a_video_of_varying_rate(tmp_path):
    times = np.cumsum(np.random.default_rng(3).integers(20, 90, coded.COUNT)).tolist()
    plain = coded.write(tmp_path / "plain.mp4", "libx264", {"g": "12", "bf": "2"}, times=times)
    same(coded.sounded(plain, tmp_path / "a.mp4", 3.0))


def test_a_turned_video(tmp_path):
    path = film.turn(video_of(tmp_path, "h264"), 90)
    same(path)
    with Opened(path) as video:
        assert next(frames.frames_of(video, WAYS[0])).gray.shape == (96, 64)


def test_a_voice_in_an_mp4_is_heard_and_has_no_pictures(tmp_path):
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000, layout="mono")
        values = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 32000)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(values, format="fltp", layout="mono")
        frame.sample_rate = 16000
        out.mux([*stream.encode(frame), *stream.encode(None)])
    with Opened(path) as video:
        np.testing.assert_array_equal(video.sound(16000), signal.read(path, rate_hz=16000))
        with pytest.raises(MediaError):
            next(frames.frames_of(video, WAYS[0]))


def outcome(read):
    try:
        return read()
    except MediaError as error:
        return type(error), str(error)


def each(path):
    """Return sound and frames, or what is wrong with them, of readers apart."""
    pictures = outcome(lambda: [one.gray for one in frames.iter_frames(path, every=7)])
    return outcome(lambda: signal.read(path, rate_hz=16000)), pictures


def together(path):
    with Opened(path) as video:
        sound = outcome(lambda: video.sound(16000))
        pictures = outcome(lambda: [one.gray for one in frames.frames_of(video, Sampling(every=7))])
    return sound, pictures


@pytest.mark.parametrize("share", [0.3, 0.8, 0.97, 0.995])
@pytest.mark.parametrize("name", ["h264", "h264 b"])
def test_a_video_that_is_cut_short_says_the_same(tmp_path, name, share):
    whole = video_of(tmp_path, name)
    # With the index in front, so that something of it can be read.
    path = tmp_path / "front.mp4"
    import av

    with av.open(str(whole)) as source:
        streams = source.streams.video[0], source.streams.audio[0]
        with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
            copies = {one.index: out.add_stream_from_template(one) for one in streams}
            for packet in source.demux(*streams):
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    out.mux(packet)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    for one, other in zip(together(path), each(path), strict=True):
        if isinstance(other, tuple):
            assert one == other
        else:
            np.testing.assert_array_equal(one, other)


def test_damage_in_the_middle_says_the_same(tmp_path):
    path, random = video_of(tmp_path, "h264 b"), np.random.default_rng(5)
    whole = path.read_bytes()
    begin = whole.index(b"mdat") + 8
    for _ in range(12):
        content = bytearray(whole)
        at = random.integers(begin, len(whole) - 4000)
        content[at : at + 300] = random.bytes(300)
        path.write_bytes(content)
        for one, other in zip(together(path), each(path), strict=True):
            assert isinstance(one, tuple) == isinstance(other, tuple)
            np.testing.assert_array_equal(one, other)
