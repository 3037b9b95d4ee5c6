"""What a page shows of a recording: waveform, boxes, judged faces, and the model's caveats."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from multimodal_ser.compute.cache import Cache
from multimodal_ser.errors import ModelError
from multimodal_ser.video import tracks
from multimodal_ser.workflows import showing


def rows(*modalities, path="", **columns):
    return pd.DataFrame({"clip": "c", "modality": list(modalities), "path": str(path), **columns})


@pytest.fixture(scope="module")
def film(corpus):
    return min(corpus.rglob("*.mp4"))


def test_a_face_is_boxed_from_the_first_image_to_the_last(film):
    found = showing.media_of(rows("video", "audio", "fused", path=film))
    assert found.has_image and found.url == ""
    boxes, (width, height) = found.boxes, found.size
    assert boxes["person"].isna().all()
    assert boxes["time_s"].is_monotonic_increasing
    # A drawn face is not found in every image.
    assert boxes["time_s"].max() - boxes["time_s"].min() > 0.5 * found.length_s
    assert (boxes[["x", "y"]] > -0.2).all(axis=None) and (boxes["x"] + boxes["w"] < 1.2).all()
    square = boxes["w"] * width / (boxes["h"] * height)
    assert square.between(0.4, 1.6).all()
    assert list(found.faces) == [None] and found.faces[None].startswith(b"\xff\xd8")
    assert len(found.peaks) and np.abs(found.peaks).max() > 0.01


def test_many_on_a_page_are_looked_at_less(film):
    alone = showing.media_of(rows("video", path=film))
    among = showing.media_of(rows("video", path=film), of_page=1000)
    assert len(among.boxes) < len(alone.boxes) / 3 and len(among.peaks) <= showing.FEW_COLUMNS
    assert among.length_s == alone.length_s


def test_a_film_that_was_only_heard_plays_without_boxes(film):
    found = showing.media_of(rows("audio", "fused", path=film))
    assert found.has_image and found.size and found.boxes.empty and not found.faces


def test_persons_are_boxed_by_the_numbers_of_the_prediction(film, monkeypatch):
    times = np.repeat(np.arange(0, 1, 0.1), 3)
    whose = np.tile(np.arange(3, dtype=np.int32), 10)
    box = np.stack([100.0 * whose, 0 * times, 0 * times + 50, 0 * times + 60, 0 * times + 1], 1)
    known = tracks.Tracks(times, whose, box.astype(np.float32), np.zeros((30, 52), np.float32))
    monkeypatch.setattr(tracks, "tracks_of", lambda path, detector, cache: known)
    people = pd.array([0, 2], dtype="Int64")
    found = showing.media_of(rows("video", "video", path=film, person=people), cache=Cache(None))
    assert sorted(found.faces) == [0, 2] and set(found.boxes["person"]) == {0, 2}
    right = found.boxes[found.boxes["person"] == 2]
    np.testing.assert_allclose(right["x"], 200 / found.size[0])


def test_the_sharper_of_two_pictures_is_the_clearer():
    sharp = (np.indices((64, 64)).sum(axis=0) // 8 % 2 * 200).astype(np.uint8)
    blurred = sum(np.roll(sharp.astype(float), shift, 1) for shift in range(8)) / 8
    assert showing.clearness(sharp) > 2 * showing.clearness(blurred.astype(np.uint8))


def test_a_sound_has_no_image_and_what_is_no_recording_has_a_note(tmp_path):
    sf.write(tmp_path / "a.wav", np.ones(16000) / 2, 8000)
    found = showing.media_of(rows("audio", path=tmp_path / "a.wav"))
    assert not found.has_image and found.boxes is None and found.length_s == 2.0
    (tmp_path / "b.mp4").write_bytes(b"no film")
    lost = showing.media_of(rows("video", path=tmp_path / "b.mp4"))
    assert "b.mp4" in lost.note and str(tmp_path) not in lost.note
    assert dataclasses.replace(lost, note="") == showing.Media()


def test_the_sound_and_the_image_may_be_in_two_files():
    pair = rows("audio", "video", "fused").assign(path=["a.wav", "a.mp4", "a.mp4"])
    for order in ([0, 1, 2], [2, 1, 0]):
        assert showing.paths_of(pair.iloc[order]) == ["a.wav", "a.mp4"]


def test_what_a_model_is_not_for_comes_from_its_card(tmp_path):
    assert set(showing.about(None).caveats) == {"Not for", "Limits"}
    (tmp_path / "own").mkdir()
    assert showing.about(tmp_path / "own").caveats == {}
    with pytest.raises(ModelError):
        showing.about("no-such-model")
