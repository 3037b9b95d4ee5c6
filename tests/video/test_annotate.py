"""Films with their reading drawn in: times, sound and size stay, and what is drawn is there."""

import av
import numpy as np
import pytest

from multimodal_ser.errors import MediaError, SerError
from multimodal_ser.video.annotate import COLOURS, Reading, annotate
from multimodal_ser.video.faces import Box
from multimodal_ser.video.frames import iter_frames

from . import film

RATE = 48000


def sounding(path, size=(64, 96), rate=30, count=20, codec="aac", start=0):
    """A grey film with a tone."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=rate, options={"crf": "10"})
        video.height, video.width = size
        video.pix_fmt = "yuv420p" if size[0] % 2 == size[1] % 2 == 0 else "yuv444p"
        audio = out.add_stream(codec, rate=RATE, layout="mono")
        for at in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), 120, np.uint8), format="rgb24")
            frame.pts = start + at + at // 3  # of changing distance
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        tone = 0.1 * np.sin(np.arange(RATE * count // rate) / 20)
        plain = codec.startswith("pcm")
        sound = (32767 * tone).astype(np.int16) if plain else tone.astype(np.float32)
        piece = av.AudioFrame.from_ndarray(sound[None], "s16" if plain else "fltp", "mono")
        piece.sample_rate, piece.pts = RATE, 0
        out.mux(audio.encode(piece))
        out.mux(audio.encode(None))
    return path


def images(path):
    with av.open(str(path)) as source:
        found = [
            (float(f.pts * f.time_base), f.to_ndarray(format="rgb24"))
            for f in source.decode(video=0)
        ]
    return found


def sound(path):
    with av.open(str(path)) as source:
        packets = [one for one in source.demux(audio=0) if one.size]
        return [(float(one.pts * one.time_base), bytes(one)) for one in packets]


def face(time_s):
    return Reading({0: Box(20, 16, 30, 30, 0.9)}, {0: {"happy": 0.8, "sad": 0.2}}, "happy 80%")


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
def test_times_and_sound_are_the_films(tmp_path, ending):
    path = sounding(tmp_path / "a.mp4")
    made = annotate(path, tmp_path / f"read{ending}", face)
    before, after = images(path), images(made)
    assert [data for _, data in sound(made)] == [data for _, data in sound(path)]
    moved = sound(made)[0][0] - sound(path)[0][0]
    # Matroska, in whole milliseconds, has no time before 0, at which this sound begins: it moves
    # image and sound alike.
    assert ending == ".mkv" or moved == 0
    wanted = [time + moved for time, _ in before]
    assert [time for time, _ in after] == pytest.approx(wanted, abs=1.1e-3 if moved else 1e-6)


def test_the_box_is_where_the_face_is_and_elsewhere_nothing_changes(tmp_path):
    path = sounding(tmp_path / "a.mp4", size=(240, 320))
    reading = Reading({1: Box(100, 60, 80, 100, 0.9)}, {})
    drawn = images(annotate(path, tmp_path / "b.mp4", lambda time_s: reading))[5][1].astype(int)
    np.testing.assert_allclose(drawn[60, 170:178].mean(axis=0), COLOURS[1], atol=60)
    assert np.abs(drawn[200:, :90] - 120).max() < 8


def test_the_reading_is_asked_for_each_image_by_its_time(tmp_path):
    path, asked = sounding(tmp_path / "a.mp4", start=7), []
    annotate(path, tmp_path / "b.mp4", lambda time_s: asked.append(time_s) or Reading({}, {}))
    assert asked == pytest.approx([frame.time_s for frame in iter_frames(path, every=1)])


def test_a_film_of_odd_size_and_one_held_upright(tmp_path):
    odd = sounding(tmp_path / "odd.mkv", size=(65, 97))
    assert images(annotate(odd, tmp_path / "b.mp4", face))[0][1].shape == (66, 98, 3)
    still = [np.tile(np.linspace(0, 255, 96, dtype=np.uint8), (64, 1))] * 5
    path = film.turn(film.write(tmp_path / "up.mp4", still), 90)
    made = annotate(path, tmp_path / "c.mp4", lambda time_s: Reading({}, {}))
    upright = next(iter_frames(path)).gray
    assert upright.shape == (96, 64) == next(iter_frames(made)).gray.shape
    np.testing.assert_allclose(next(iter_frames(made)).gray.astype(int), upright, atol=12)


def test_what_is_drawn_beyond_the_edges_and_in_other_scripts(tmp_path):
    path = sounding(tmp_path / "a.mp4")
    wide = Reading({0: Box(-40, -30, 300, 300, 0.9)}, {0: {"Freude ü": 1.0}}, "счастье 100% " * 9)
    assert len(images(annotate(path, tmp_path / "b.mp4", lambda time_s: wide))) == 20


def test_places_that_cannot_be(tmp_path):
    path = sounding(tmp_path / "a.mp4")
    for output in (path, tmp_path / "b.gif"):
        with pytest.raises(SerError):
            annotate(path, output, face)
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(MediaError):
        annotate(tmp_path / "text.mp4", tmp_path / "b.mp4", face)
    assert not (tmp_path / "b.mp4").exists()
