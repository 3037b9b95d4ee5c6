import dataclasses
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.datasets import synthetic
from multimodal_ser.errors import MediaError, SerError, TableError, UnknownName
from multimodal_ser.tables import FAILURE_COLUMNS, make_clips
from multimodal_ser.video import detectors, extract
from multimodal_ser.video.extract import ClipFrames, FrameParams, FrameStore
from multimodal_ser.video.faces import Box
from multimodal_ser.workflows.data import frame_params
from multimodal_ser.workflows.recipes import Recipe

from . import coded, film

SMALL = FrameParams(every=20, size_px=16)
#: In this process, where a test can replace functions.
HERE = Engine(in_process=True)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for name, count in (("a", 45), ("b", 25)):
        shift = 100 if name == "b" else 0
        film.write(folder / f"{name}.mp4", [film.numbered(n + shift) for n in range(count)])
    (folder / "bad.mp4").write_text("no film")
    paths = {"a": folder / "a.mp4", "b": folder / "b.mp4", "bad": folder / "bad.mp4"}
    rows = [{"clip": clip, "video": str(path)} for clip, path in paths.items()]
    return make_clips([*rows, {"clip": "silent", "audio": "x.wav"}])


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"every": 0}, ["every", "0"]),
        ({"every": 2.5}, ["every", "2.5"]),
        ({"every_seconds": 0}, ["every_seconds", "0.001"]),
        ({"every_seconds": float("nan")}, ["every_seconds", "nan"]),
        ({"every_seconds": "1"}, ["every_seconds", "'1'"]),
        ({"keyframes_only": 1}, ["keyframes_only", "1"]),
        ({"every": 2, "keyframes_only": True}, []),
        ({"every": 20, "every_seconds": 1.0}, []),
        ({"size_px": 7}, ["size_px", "7"]),
        ({"size_px": True}, ["size_px", "True"]),
        ({"crop": "mouth"}, ["frame, face"]),
        ({"detector": "x"}, ["haar"]),
    ],
)
def test_params_are_checked(values, named):
    with pytest.raises(SerError) as error:
        FrameParams(**values)
    assert all(name in str(error.value) for name in named)


def test_every_sampled_frame_has_a_row(films):
    got = extract.clip_frames(films.loc["a", "video"], SMALL)
    assert got.index.tolist() == [0, 20, 40] and got.index.dtype == np.int32
    assert got.time_s.tolist() == pytest.approx([0, 0.8, 1.6]) and got.time_s.dtype == np.float32
    assert got.pictures.shape == (3, 16, 16) and got.pictures.dtype == np.uint8
    assert [film.number_of(picture) for picture in got.pictures] == [0, 20, 40]
    assert np.isnan(got.box).all() and got.box.shape == (3, 5) and got.usable.all()


def test_a_black_frame_is_usable_when_the_whole_picture_is(tmp_path):
    path = film.write(tmp_path / "a.mp4", [np.zeros((64, 96), np.uint8)] * 3)
    assert extract.clip_frames(path, SMALL).usable.tolist() == [True]


def test_frames_without_a_face_are_marked(films, monkeypatch):
    seen = iter([[Box(8, 0, 64, 64, 0.75)], [], [Box(8, 0, 64, 64, 0.75)]])
    monkeypatch.setattr(detectors.load("haar"), "detect", lambda gray: next(seen))
    params = FrameParams(size_px=16, crop="face", detector="haar")
    got = extract.clip_frames(films.loc["a", "video"], params)
    assert got.usable.tolist() == [True, False, True]
    assert got.box[0].tolist() == [8, 0, 64, 64, 0.75] and np.isnan(got.box[1]).all()
    assert not got.pictures[1].any() and got.pictures[0].any()


def test_a_clip_without_any_face_says_so(films):
    path = films.loc["a", "video"]
    with pytest.raises(MediaError) as error:
        extract.clip_frames(path, FrameParams(crop="face"))
    assert "--crop" in str(error.value)


@pytest.mark.real_data
def test_a_real_clip_shows_the_face(shared_data):
    path = shared_data / "ravdess/video/Actor_05/01-01-03-01-01-02-05.mp4"
    got = extract.clip_frames(path, FrameParams(size_px=48, crop="face"))
    assert got.usable.all() and got.pictures.std(axis=(1, 2)).min() > 20
    assert (np.abs(np.diff(got.box[:, 0])) < 60).all()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_costs_its_own_clip_and_a_missing_film_nothing(films, tmp_path, workers):
    store, failures = extract.extract(
        films, SMALL, cache=Cache(tmp_path), workers=workers, progress=False
    )
    assert store.clips.tolist() == ["a", "b"] and "bad" not in store
    assert list(failures.columns) == list(FAILURE_COLUMNS)
    assert failures["clip"].tolist() == ["bad"] and failures["stage"].tolist() == ["video"]
    assert "it is not a video" in failures.loc[0, "error"]
    assert store.rows(["b", "a"]) == [("b", 0), ("b", 1), ("a", 0), ("a", 1), ("a", 2)]
    assert film.number_of(store["b"].pictures[1]) == 120


def test_without_a_folder_the_frames_are_kept_in_memory(films):
    store, _ = extract.extract(films, SMALL, cache=Cache(None), workers=1, progress=False)
    assert len(store) == 2 and film.number_of(store["a"].pictures[2]) == 40


def test_films_are_decoded_once_per_params(films, tmp_path, monkeypatch):
    made, real = [], extract.clip_frames
    monkeypatch.setattr(
        extract, "clip_frames", lambda path, params: made.append(params) or real(path, params)
    )
    cache = Cache(tmp_path)
    for params in (SMALL, SMALL, FrameParams(every=10, size_px=16), SMALL):
        extract.extract(films.loc[["a"]], params, cache=cache, workers=HERE, progress=False)
    assert [params.every for params in made] == [20, 10]
    # a damaged entry counts as absent
    for entry in tmp_path.rglob("*.npz"):
        entry.write_bytes(b"PK")
    store, _ = extract.extract(films.loc[["a"]], SMALL, cache=cache, workers=HERE, progress=False)
    assert len(made) == 3 and store["a"].index.tolist() == [0, 20, 40]


def test_an_unused_detector_does_not_split_the_store(monkeypatch):
    monkeypatch.setattr(detectors, "NAMES", (*detectors.NAMES, "other"))
    other = dataclasses.replace(SMALL, detector="other")
    assert extract._key_params(SMALL) == extract._key_params(other)
    face, other_face = (dataclasses.replace(p, crop="face") for p in (SMALL, other))
    assert extract._key_params(face) != extract._key_params(other_face)


def test_the_store_holds_a_bounded_number_of_bytes(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    entries = {}
    for number in range(30):
        key = f"{number:064x}"
        found = ClipFrames.of_pictures(np.full((5, 16, 16), number, np.uint8))
        cache.put(key, found._asdict())
        entries[f"c{number}"] = (key, found.usable)
    monkeypatch.setattr(extract, "RECENT_BYTES", 4 * 5 * 16 * 16)
    store = FrameStore(entries, cache)
    for _ in range(2):
        for number in range(30):
            assert (store[f"c{number}"].pictures == number).all()
            assert sum(f.pictures.nbytes for f in store._recent.values()) <= extract.RECENT_BYTES
    assert len(store._recent) == 4 and store._held == extract.RECENT_BYTES


def test_the_store_names_what_it_lacks(tmp_path):
    store = FrameStore({"a": ("0" * 64, np.ones(2, bool))}, Cache(tmp_path))
    with pytest.raises(TableError) as error:
        store["b"]
    assert "'b'" in str(error.value)
    with pytest.raises(TableError) as error:
        store.rows(["a", "b"])
    assert "'b'" in str(error.value)
    with pytest.raises(TableError) as error:
        store["a"]
    assert "'a'" in str(error.value)


def test_other_tables_are_refused():
    with pytest.raises(TableError):
        extract.extract(pd.DataFrame({"video": ["a"]}), SMALL, cache=Cache(None))


def test_unknown_crop_is_an_unknown_name():
    with pytest.raises(UnknownName):
        FrameParams(crop="")


def portraits(count):
    """Grey 96x96 pictures of one drawn face."""
    setup = synthetic.Setup(size=(96, 96), rate_hz=16000, fps=5, seconds=count / 5 + 1, seed=0)
    drawn = synthetic.draw(synthetic._plan(setup, 3, 1, 0), setup.size, setup.fps)
    return [picture.mean(axis=2).astype(np.uint8) for picture in islice(drawn, count)]


def scenes(*places_of_faces, side=192):
    """Pictures of drawn faces at the places given, a list of (left, top) a picture."""
    shown = []
    for portrait, places in zip(portraits(len(places_of_faces)), places_of_faces, strict=True):
        canvas = np.full((side, 2 * side), 110, np.uint8)
        for left, top in places:
            canvas[top : top + 96, left : left + 96] = portrait
        shown.append(canvas)
    return shown


FACES = FrameParams(every=1, size_px=48, crop="face")


def test_a_face_in_some_frames_only(tmp_path):
    places = [[(40, 40)], [], [(60, 40)], []]
    got = extract.clip_frames(film.write(tmp_path / "a.mp4", scenes(*places)), FACES)
    assert got.usable.tolist() == [True, False, True, False]
    assert np.isnan(got.box[[1, 3]]).all() and not got.pictures[[1, 3]].any()
    centre = got.box[:, 0] + got.box[:, 2] / 2
    assert centre[[0, 2]] == pytest.approx([88, 108], abs=12)


def test_two_faces_give_one_person_throughout(tmp_path):
    places = [[(30, 40), (230, 40)]] * 5
    got = extract.clip_frames(film.write(tmp_path / "a.mp4", scenes(*places)), FACES)
    assert got.usable.all() and len(got.index) == 5
    assert len({bool(x > 170) for x in got.box[:, 0]}) == 1


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_telephone_held_upright_shows_an_upright_face(tmp_path, degrees):
    upright = scenes([(60, 40)], [(60, 40)])
    lying = [np.rot90(picture, degrees // 90) for picture in upright]
    path = film.turn(film.write(tmp_path / "a.mp4", lying), degrees)
    got = extract.clip_frames(path, FACES)
    straight = extract.clip_frames(film.write(tmp_path / "b.mp4", upright), FACES)
    assert got.usable.all() and got.box[:, :4] == pytest.approx(straight.box[:, :4], abs=6)


def test_sound_makes_no_difference_to_the_pictures(tmp_path, films):
    import av

    silent, loud = films.loc["a", "video"], tmp_path / "loud.mp4"
    with av.open(silent) as source, av.open(str(loud), "w") as out:
        copied = out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream("aac", rate=16000)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copied
                out.mux(packet)
        for number in range(40):  # a good deal longer than the picture
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 16000, 1024 * number
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    without, with_sound = (extract.clip_frames(path, SMALL) for path in (silent, loud))
    for one, other in zip(without, with_sound, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_what_is_wrong_with_a_clip_is_a_row_of_the_failures(tmp_path, ending):
    good = coded.kind(tmp_path / "good", "h264 b" if ending == "mp4" else "h264 b mkv")
    cut, faceless = tmp_path / f"cut.{ending}", tmp_path / f"faceless.{ending}"
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    film.write(faceless, scenes([], []))
    paths = {
        "cut": cut,
        "faceless": faceless,
        "good": film.write(tmp_path / "f.mp4", scenes([(60, 40)])),
    }
    clips = make_clips([{"clip": clip, "video": str(path)} for clip, path in paths.items()])
    store, failures = extract.extract(clips, FACES, cache=Cache(None), workers=1, progress=False)
    assert store.clips.tolist() == ["good"]
    told = dict(zip(failures["clip"], failures["error"], strict=True))
    assert str(paths["cut"]) in told["cut"]
    assert str(paths["faceless"]) in told["faceless"] and "--crop frame" in told["faceless"]


def test_other_ways_to_sample_go_through(films):
    path = films.loc["a", "video"]
    by_time = extract.clip_frames(path, FrameParams(every_seconds=0.4, size_px=16))
    assert by_time.index.tolist() == [0, 10, 20, 30, 40]
    keys = extract.clip_frames(path, FrameParams(keyframes_only=True, size_px=16))
    assert keys.index.tolist() == [0, 12, 24, 36]
    assert [film.number_of(picture) for picture in keys.pictures] == [0, 12, 24, 36]


def test_a_new_way_to_sample_leaves_earlier_entries_valid():
    named = {"every": 20, "size_px": 16, "crop": "frame", "detector": "haar"}
    assert extract._key_params(SMALL) == named
    ways = [SMALL, FrameParams(every_seconds=1, size_px=16)]
    ways.append(FrameParams(keyframes_only=True, size_px=16))
    assert len({str(extract._key_params(way)) for way in ways}) == 3


def test_a_recipe_may_replace_the_backbones_way_to_sample():
    own = frame_params(Recipe(), "fer_cnn")
    by_time = frame_params(Recipe(every_seconds=0.5), "fer_cnn")
    assert own.every == 20 and by_time == dataclasses.replace(own, every=None, every_seconds=0.5)
    keys = frame_params(Recipe(keyframes_only=True, crop="frame"), "fer_cnn")
    assert keys.keyframes_only and keys.every is None and keys.crop == "frame"
    assert frame_params(Recipe(every=5), "fer_cnn").every == 5
