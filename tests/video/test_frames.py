import subprocess
import sys
import warnings
from itertools import islice

import numpy as np
import pytest

from multimodal_ser.errors import MediaError
from multimodal_ser.video import frames, opened
from multimodal_ser.video.sampling import Sampling

from . import coded, film


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "counted.mp4"
    return film.write(path, [film.numbered(number) for number in range(47)])


@pytest.mark.parametrize(("every", "wanted"), [(20, [0, 20, 40]), (1, range(47)), (60, [0])])
def test_exactly_the_frames_asked_for(counted, every, wanted):
    got = list(frames.iter_frames(counted, every=every))
    assert [frame.index for frame in got] == list(wanted)
    assert [film.number_of(frame.gray) for frame in got] == list(wanted)
    assert [frame.time_s for frame in got] == pytest.approx([n / 25 for n in wanted])


def test_grey_is_upright_bytes_over_the_full_range(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))
    frame = next(frames.iter_frames(film.write(tmp_path / "a.mp4", [ramp] * 3)))
    assert frame.gray.dtype == np.uint8 and frame.gray.shape == (64, 96)
    assert frame.gray.flags.c_contiguous
    assert np.abs(frame.gray.astype(int) - ramp).mean() < 3
    assert frame.gray.min() < 6 and frame.gray.max() > 249


def opencv_grey(path, wanted):
    import cv2

    film = cv2.VideoCapture(str(path))
    shown = []
    while (read := film.read())[0]:
        shown.append(read[1])
    return [cv2.cvtColor(shown[index], cv2.COLOR_BGR2GRAY) for index in wanted]


def test_a_colour_film_agrees_with_opencv(tmp_path):
    y, x = np.mgrid[0:64, 0:96]
    colours = np.stack([x * 2, y * 3, 255 - x * 2], -1).astype(np.uint8)
    path = film.write(tmp_path / "a.mp4", [np.roll(colours, n, 0) for n in range(5)])
    got = [frame.gray for frame in frames.iter_frames(path, every=2)]
    difference = np.abs(np.array(got, int) - opencv_grey(path, [0, 2, 4]))
    assert difference.mean() < 2 and np.percentile(difference, 99) <= 4


@pytest.mark.real_data
def test_a_real_film_agrees_with_opencv(shared_data):
    path = shared_data / "ravdess/video/Actor_05/01-01-03-01-01-02-05.mp4"
    got = list(frames.iter_frames(path))
    assert [frame.index for frame in got] == list(range(0, got[-1].index + 1, 20))
    assert got[1].time_s == pytest.approx(20 / 29.97, abs=1e-3)
    difference = np.abs(
        np.array([frame.gray for frame in got], int)
        - opencv_grey(path, [frame.index for frame in got])
    )
    assert difference.max() <= 3


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_film_is_shown_upright(tmp_path, degrees):
    picture = np.full((64, 96), 30, np.uint8)
    picture[:20, :30] = 220  # upper left
    path = film.turn(film.write(tmp_path / "a.mp4", [picture] * 3), degrees)
    gray = next(frames.iter_frames(path)).gray
    assert np.abs(gray.astype(int) - np.rot90(picture, -degrees // 90)).mean() < 4
    assert np.abs(gray.astype(int) - opencv_grey(path, [0])[0]).mean() < 2


def text(path):
    path.write_text("this is no film\n" * 50)


def sound(path):
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def without_index(path):
    content = film.write(path, [film.numbered(n) for n in range(30)]).read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: None,
        lambda path: path.mkdir(),
        lambda path: path.touch(),
        text,
        sound,
        without_index,
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(tmp_path, damage):
    path = tmp_path / "a.mp4"
    damage(path)
    with pytest.raises(MediaError) as caught:
        list(frames.iter_frames(path))
    assert caught.value.path == str(path) and caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_film_whose_pictures_are_noise(tmp_path):
    path = film.write(tmp_path / "a.mp4", [film.numbered(n) for n in range(30)])
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    with pytest.raises(MediaError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        list(frames.iter_frames(path))


def test_a_film_that_is_cut_short_says_how_much_is_left(tmp_path):
    pictures = [film.numbered(n) for n in range(100)]
    path = film.write(tmp_path / "a.mp4", pictures, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    got = []
    with pytest.raises(MediaError) as error:
        got.extend(frame for frame in frames.iter_frames(path, every=10))
    assert "a.mp4" in str(error.value)


@pytest.mark.parametrize("kept", [25, 29])
def test_only_a_film_that_breaks_off_early_is_refused(counted, monkeypatch, kept):
    import av

    real = frames.open_video

    class Breaking:
        def __init__(self, container):
            self.container, self.streams = container, container.streams
            self.format = container.format

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.container.close()

        close = __exit__

        def decode(self, stream):
            yield from islice(self.container.decode(stream), stream.frames * kept // 30)
            raise av.error.InvalidDataError(1, "broken")

    for module in (frames, opened):
        monkeypatch.setattr(module, "open_video", lambda path, options=None: Breaking(real(path)))
    if kept == 29:
        assert next(frames.iter_frames(counted)).index == 0
        assert list(frames.iter_frames(counted))
        return
    with pytest.raises(MediaError):
        list(frames.iter_frames(counted))


def test_only_sampled_frames_are_converted_and_none_is_kept(counted, monkeypatch):
    converted, real = [], frames.upright_gray
    monkeypatch.setattr(
        frames, "upright_gray", lambda picture: converted.append(1) or real(picture)
    )
    film_ = frames.iter_frames(counted, every=10)
    next(film_)
    assert len(converted) == 1  # the rest waits until it is asked for
    assert len(list(film_)) == 4 and len(converted) == 5


WAYS = (
    {"every": 1},
    {"every": 7},
    {"every": 20},
    {"every": 1000},
    {"every_seconds": 0.3},
    {"keyframes_only": True},
)


def same_as_whole(path, ways=WAYS):
    """Compare ways to sample with the film decoded whole by PyAV alone."""
    pictures, times, keys = coded.whole(path)
    numbers = range(len(pictures))
    seconds = [n / coded.RATE if times[n] is None else times[n] - times[0] for n in numbers]
    for way in ways:
        wanted = Sampling(**way).picker()
        want = [n for n in numbers if wanted(n, seconds[n], keys[n])]
        got = list(frames.iter_frames(path, **way))
        assert [frame.index for frame in got] == want, way
        assert [frame.time_s for frame in got] == pytest.approx([seconds[n] for n in want]), way
        assert all(np.array_equal(frame.gray, pictures[frame.index]) for frame in got), way
    return len(pictures)


@pytest.fixture
def decoded_whole(monkeypatch):
    """How often a film was decoded whole, since its packets did not tell enough."""
    calls, real = [], frames._decode_all
    monkeypatch.setattr(frames, "_decode_all", lambda *a: calls.append(a) or real(*a))
    return calls


@pytest.mark.parametrize("name", coded.KINDS)
def test_the_same_frames_as_decoding_the_film_whole(tmp_path, name, decoded_whole):
    path = coded.kind(tmp_path / "a", name)
    assert same_as_whole(path) == coded.COUNT
    fast = coded.KINDS[name][3]
    # where refreshes stand for key frames, the decoder and the packets disagree on those
    assert len(decoded_whole) == (0 if fast else len(WAYS)) + (name == "h264 refresh")


@pytest.mark.parametrize("name", ["h264 b", "h264 open", "hevc", "vp9", "mpeg4 b avi"])
def test_opencv_counts_and_shows_the_same_frames(tmp_path, name):
    path = coded.kind(tmp_path / "a", name)
    got = list(frames.iter_frames(path, every=9))
    shown = opencv_grey(path, [frame.index for frame in got])
    difference = np.abs(np.array([frame.gray for frame in got], int) - shown)
    assert got[-1].index == 54 and difference.max() <= 3


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_film_of_varying_rate(tmp_path, ending, decoded_whole):
    times = np.cumsum(np.random.default_rng(1).integers(1, 90, coded.COUNT)).tolist()
    path = coded.write(tmp_path / f"a.{ending}", "libx264", {"g": "12", "bf": "3"}, times=times)
    assert same_as_whole(path) == coded.COUNT and not decoded_whole
    got = [frame.time_s for frame in frames.iter_frames(path, every_seconds=0.5)]
    assert [int(time_s / 0.5 + 0.01) for time_s in got] == list(range(len(got)))


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
@pytest.mark.parametrize(("moved", "left"), [(-5, 56), (5, 61), (50, 61)])
def test_a_film_that_begins_at_another_time(tmp_path, ending, moved, left, decoded_whole):
    def move(number, packet):
        packet.pts += round(moved / coded.RATE / packet.time_base)
        packet.dts += round(moved / coded.RATE / packet.time_base)

    edited = {"use_editlist": "1", "avoid_negative_ts": "disabled"} if ending == "mp4" else {}
    source = coded.kind(tmp_path / "a", "h264 b")
    path = coded.remuxed(source, tmp_path / f"b.{ending}", move, edited)
    # an edit list cuts off what is before 0; Matroska moves the film instead
    assert same_as_whole(path) == (left if ending == "mp4" else coded.COUNT)
    assert not decoded_whole


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_film_that_does_not_begin_with_a_key_frame(tmp_path, ending):
    source = coded.kind(tmp_path / "a", "h264 b")
    path = coded.remuxed(source, tmp_path / f"b.{ending}", lambda number, packet: number < 5)
    assert same_as_whole(path) == coded.COUNT - 12


def test_a_wrong_promise_is_noticed_and_made_good(tmp_path, monkeypatch, decoded_whole):
    path = coded.kind(tmp_path / "a", "h264 b")
    real = opened.survey

    def shifted(container, stream):
        found = real(container, stream)
        begins = np.roll(found.begins, 5)  # no frame can be decoded from there
        return found._replace(begins=begins)

    monkeypatch.setattr(opened, "survey", shifted)
    got = list(frames.iter_frames(path, every=7))
    pictures, _, _ = coded.whole(path)
    assert decoded_whole and [frame.index for frame in got] == list(range(0, coded.COUNT, 7))
    assert all(np.array_equal(frame.gray, pictures[frame.index]) for frame in got)


def fed_packets(path, monkeypatch, **way):
    """Return how many packets are decoded, and how many of those may be left out."""
    fed, real = [], frames._Due.prepare

    def prepare(due, packet, shown):
        packet = real(due, packet, shown)
        fed.append(due.context.skip_frame)
        return packet

    with monkeypatch.context() as patch:
        patch.setattr(frames._Due, "prepare", prepare)
        list(frames.iter_frames(path, **way))
    return len(fed), fed.count("NONREF")


@pytest.mark.parametrize(
    ("name", "way", "count"),
    [
        # groups of 12: frames 0; 12 to 20; 36 to 40; 60
        ("h264", {"every": 20}, 1 + 9 + 5 + 1),
        ("h264", {"every": 1000}, 1),
        ("h264", {"every_seconds": 1}, 1 + 2 + 3),
        ("h264", {"keyframes_only": True}, 6),
        ("h264", {"every": 1}, 61),
        ("mjpeg", {"every": 20}, 4),
        ("vp9", {"every": 20}, 16),
        ("h264 one group", {"every": 25}, 51),
    ],
)
def test_no_more_is_decoded_than_the_wanted_frames_need(tmp_path, monkeypatch, name, way, count):
    path = coded.kind(tmp_path / "a", name)
    assert fed_packets(path, monkeypatch, **way)[0] == count


def test_frames_that_no_other_needs_may_be_left_out(tmp_path, monkeypatch):
    path = coded.kind(tmp_path / "a", "h264 b")
    fed, idle = fed_packets(path, monkeypatch, every=20)
    assert idle == fed - 4


@pytest.mark.real_data
def test_real_films_are_sampled_as_if_decoded_whole(shared_data, monkeypatch, decoded_whole):
    paths = sorted((shared_data / "ravdess/video/Actor_05").glob("*.mp4"))
    same_as_whole(paths[0], [{}, {"keyframes_only": True}])
    for path in paths:
        # frames 0 to 20, 29 to 40 and 58 to 80 of 92 or more
        assert fed_packets(path, monkeypatch, every=20)[0] == 21 + 12 + 23
    assert not decoded_whole


@pytest.mark.parametrize(("muxer", "name"), [({}, "b"), ({"movflags": "faststart"}, "f")])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.8])
def test_an_mp4_cut_short_anywhere_says_so(tmp_path, muxer, name, share):
    options = coded.KINDS["h264 b"][2]
    path = coded.write(tmp_path / f"{name}.mp4", "libx264", options, muxer=muxer)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(MediaError) as caught:
        list(frames.iter_frames(path))
    assert caught.value.path == str(path)


def test_an_index_cut_in_the_middle_is_no_unknown_compression(tmp_path):
    path = coded.kind(tmp_path / "a", "h264 b")
    content = path.read_bytes()
    index = content.index(b"moov") - 4
    for kept in range(index + 8, len(content) - 1, 97):
        path.write_bytes(content[:kept])
        try:
            list(frames.iter_frames(path))
        except MediaError as error:
            assert error.path == str(path), kept


@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
@pytest.mark.parametrize("name", ["h264 b mkv", "vp9"])
def test_matroska_cut_short_says_so_before_anything_is_decoded(
    tmp_path, name, share, decoded_whole, monkeypatch
):
    path = coded.kind(tmp_path / "a", name)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    monkeypatch.setattr(frames, "upright_gray", None)
    with pytest.raises(MediaError) as error:
        list(frames.iter_frames(path))
    assert "2.4 s" in str(error.value)
    assert not decoded_whole


def test_damage_amid_a_film_is_told_where_it_is_met(tmp_path):
    path = coded.kind(tmp_path / "a", "h264")
    content = bytearray(path.read_bytes())
    begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[(begin + end) // 2 : end] = bytes(end - (begin + end) // 2)
    path.write_bytes(content)
    with pytest.raises(MediaError):
        list(frames.iter_frames(path))


HOUR = """
import resource, sys
from multimodal_ser.video.frames import iter_frames
count = sum(1 for _ in iter_frames(sys.argv[1], every=int(sys.argv[2])))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def long_film(source, target, copies):
    """Put a film behind itself many times, without coding it again."""
    import av

    with av.open(str(source)) as film, av.open(str(target), "w") as out:
        stream = film.streams.video[0]
        packets = [
            (bytes(packet), packet.pts, packet.dts, packet.is_keyframe)
            for packet in film.demux(stream)
            if packet.dts is not None
        ]
        copied = out.add_stream_from_template(stream)
        span = round(len(packets) / coded.RATE / stream.time_base)
        for copy in range(copies):
            for content, pts, dts, is_key in packets:
                packet = av.Packet(content)
                packet.stream, packet.time_base = copied, stream.time_base
                packet.pts, packet.dts = pts + copy * span, dts + copy * span
                packet.is_keyframe = is_key
                out.mux(packet)
    return target


def test_an_hour_takes_no_more_memory_than_a_minute(tmp_path):
    drawn = list(coded.pictures(75, size=(64, 48)))
    source = coded.write(tmp_path / "a.mp4", "libx264", {"g": "25", "bf": "2"}, drawn=drawn)
    peak_kb = {}
    for copies in (20, 1200):
        path = long_film(source, tmp_path / "long.mp4", copies)
        run = subprocess.run(
            [sys.executable, "-c", HOUR, str(path), "500"],
            capture_output=True,
            text=True,
            check=True,
        )
        count, peak_kb[copies] = map(int, run.stdout.split())
        assert count == 75 * copies // 500
    # 18 bytes of every packet, while they are sorted some 100: 9 MB for 90,000
    assert peak_kb[1200] - peak_kb[20] < 40_000


def test_every_below_one_is_refused(counted):
    with pytest.raises(ValueError):
        next(frames.iter_frames(counted, every=0))


def test_resize_averages_over_area():
    chess = np.indices((64, 128)).sum(0) % 2 * np.uint8(200)
    small = frames.resize(chess.astype(np.uint8), 16)
    assert small.shape == (16, 16) and (small == 100).all()


def test_a_frame_that_comes_later_than_its_time_says_shifts_no_other(tmp_path):
    """Found by falsifying packet tables: an image taken for left out came after all.

    By then the one after it had been given away under the number of the one before. Images to
    which no other refers are never decoded unless wanted: their times are taken as they are.
    """
    film, moved = coded.kind(tmp_path / "film", "h264 b"), tmp_path / "moved.mp4"
    for late in (5, 6, 12, 17, 18):

        def move(number, packet, late=late):
            if number == late:
                packet.pts = packet.dts + 1

        coded.remuxed(film, moved, move)
        found = list(frames.iter_frames(moved, every=3))
        whole = list(frames._decode_all(moved, Sampling(every=3)))
        assert [one.index for one in found] == [one.index for one in whole]
        for one, other in zip(found, whole, strict=True):
            assert one.time_s == other.time_s
            np.testing.assert_array_equal(one.gray, other.gray)
