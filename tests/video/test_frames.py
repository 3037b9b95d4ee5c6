import warnings
from itertools import islice

import numpy as np
import pytest

from multimodal_ser.errors import MediaError
from multimodal_ser.video import frames

from . import film


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
    ("damage", "says"),
    [
        (lambda path: None, "there is no such file; check the path"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.touch(), "it is empty (0 bytes); copy"),
        (text, "it is not a film; give an mp4"),
        (sound, "it has no picture, only sound; use it as audio"),
        (without_index, "it is cut short: the index of its frames is missing; copy"),
    ],
)
def test_what_cannot_be_used_says_why_in_one_line(tmp_path, damage, says):
    path = tmp_path / "a.mp4"
    damage(path)
    with pytest.raises(MediaError) as caught:
        list(frames.iter_frames(path))
    assert str(caught.value).startswith(f"{path}: ") and says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_film_whose_pictures_are_noise(tmp_path):
    path = film.write(tmp_path / "a.mp4", [film.numbered(n) for n in range(30)])
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    with (
        pytest.raises(MediaError, match="no frame of it can be decoded"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        list(frames.iter_frames(path))


def test_a_film_that_is_cut_short_says_how_much_is_left(tmp_path):
    pictures = [film.numbered(n) for n in range(100)]
    path = film.write(tmp_path / "a.mp4", pictures, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    got = []
    with pytest.raises(MediaError, match=r"a\.mp4: it is cut short or damaged: only \d\.\d s of"):
        got.extend(frame for frame in frames.iter_frames(path, every=10))


@pytest.mark.parametrize("kept", [25, 29])
def test_only_a_film_that_breaks_off_early_is_refused(counted, monkeypatch, kept):
    import av

    real = frames._open

    class Breaking:
        def __init__(self, container):
            self.container, self.streams = container, container.streams

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.container.close()

        def decode(self, stream):
            yield from islice(self.container.decode(stream), stream.frames * kept // 30)
            raise av.error.InvalidDataError(1, "broken")

    monkeypatch.setattr(frames, "_open", lambda path: Breaking(real(path)))
    if kept == 29:
        assert next(frames.iter_frames(counted)).index == 0
        assert list(frames.iter_frames(counted))
        return
    with pytest.raises(MediaError, match="cut short"):
        list(frames.iter_frames(counted))


def test_only_sampled_frames_are_converted_and_none_is_kept(counted, monkeypatch):
    converted, real = [], frames._upright_gray
    monkeypatch.setattr(
        frames, "_upright_gray", lambda picture: converted.append(1) or real(picture)
    )
    film_ = frames.iter_frames(counted, every=10)
    next(film_)
    assert len(converted) == 1  # the rest waits until it is asked for
    assert len(list(film_)) == 4 and len(converted) == 5


def test_every_below_one_is_refused(counted):
    with pytest.raises(ValueError, match="every is 0"):
        next(frames.iter_frames(counted, every=0))


def test_resize_averages_over_area():
    chess = np.indices((64, 128)).sum(0) % 2 * np.uint8(200)
    small = frames.resize(chess.astype(np.uint8), 16)
    assert small.shape == (16, 16) and (small == 100).all()
