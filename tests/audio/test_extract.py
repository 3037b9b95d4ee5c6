import numpy as np
import pytest
import soundfile

from multimodal_ser.audio.extract import extract
from multimodal_ser.cache import Cache
from multimodal_ser.tables import make_clips


@pytest.fixture
def clips(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for name in "abc":
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(8000), 16000)
        rows.append({"clip": name, "audio": str(path)})
    (tmp_path / "bad.wav").write_text("no")
    rows += [{"clip": "bad", "audio": str(tmp_path / "bad.wav")}, {"clip": "film", "video": "x"}]
    return make_clips(rows)


def test_failures_are_listed_and_missing_sound_is_not_one(clips, tmp_path):
    features, failures = extract(clips, cache=Cache(tmp_path / "cache"), workers=1, progress=False)
    assert list(features.clips) == ["a", "b", "c"]
    assert failures["clip"].tolist() == ["bad"]
    assert "not a readable wav" in failures["error"].item()


def test_the_cache_and_the_number_of_workers_change_nothing(clips, tmp_path):
    kinds = [(None, 1), (Cache(tmp_path / "c"), 1), (Cache(tmp_path / "c"), 1), (None, 2)]
    results = [extract(clips, cache=c, workers=w, progress=False)[0] for c, w in kinds]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].values, other.values)


def test_a_vanished_file_is_named_with_the_cache_on(clips, tmp_path):
    clips.loc["a", "audio"] = str(tmp_path / "gone.wav")
    _, failures = extract(clips, cache=Cache(tmp_path / "c"), workers=1, progress=False)
    assert any("gone.wav: there is no such file" in error for error in failures["error"])
