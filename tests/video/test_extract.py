import dataclasses

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.cache import Cache
from multimodal_ser.errors import MediaError, SerError, TableError, UnknownName
from multimodal_ser.tables import FAILURE_COLUMNS, make_clips
from multimodal_ser.video import detectors, extract
from multimodal_ser.video.extract import ClipFrames, FrameParams, FrameStore
from multimodal_ser.video.faces import Box

from . import film

SMALL = FrameParams(every=20, size_px=16)


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
    ("values", "says"),
    [
        ({"every": 0}, "every is 0"),
        ({"every": 2.5}, "every is 2.5"),
        ({"size_px": 7}, "size_px is 7"),
        ({"size_px": True}, "size_px is True"),
        ({"crop": "mouth"}, "choose one of: frame, face"),
        ({"detector": "x"}, "choose one of: haar"),
    ],
)
def test_params_are_checked(values, says):
    with pytest.raises(SerError, match=says):
        FrameParams(**values)


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
    params = FrameParams(size_px=16, crop="face")
    got = extract.clip_frames(films.loc["a", "video"], params)
    assert got.usable.tolist() == [True, False, True]
    assert got.box[0].tolist() == [8, 0, 64, 64, 0.75] and np.isnan(got.box[1]).all()
    assert not got.pictures[1].any() and got.pictures[0].any()


def test_a_clip_without_any_face_says_so(films):
    path = films.loc["a", "video"]
    with pytest.raises(MediaError, match=r"no face found in any of its 3 sampled frames; use --cr"):
        extract.clip_frames(path, FrameParams(crop="face"))


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
    assert "it is not a film" in failures.loc[0, "error"]
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
        extract.extract(films.loc[["a"]], params, cache=cache, workers=1, progress=False)
    assert [params.every for params in made] == [20, 10]
    # a damaged entry counts as absent
    for entry in tmp_path.rglob("*.npz"):
        entry.write_bytes(b"PK")
    store, _ = extract.extract(films.loc[["a"]], SMALL, cache=cache, workers=1, progress=False)
    assert len(made) == 3 and store["a"].index.tolist() == [0, 20, 40]


def test_an_unused_detector_does_not_split_the_store(monkeypatch):
    monkeypatch.setattr(detectors, "NAMES", ("haar", "other"))
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
    with pytest.raises(TableError, match="'b' has no frames"):
        store["b"]
    with pytest.raises(TableError, match=r"1 clip\(s\) have no frames, among them 'b'"):
        store.rows(["a", "b"])
    with pytest.raises(TableError, match="stored frames of 'a' are gone; extract them again"):
        store["a"]


def test_other_tables_are_refused():
    with pytest.raises(TableError, match="lacks the column"):
        extract.extract(pd.DataFrame({"video": ["a"]}), SMALL, cache=Cache(None))


def test_unknown_crop_is_an_unknown_name():
    with pytest.raises(UnknownName):
        FrameParams(crop="")
