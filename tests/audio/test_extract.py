import numpy as np
import pytest
import soundfile

from multimodal_ser.audio import conditions, features, signal
from multimodal_ser.audio.extract import clip_feature_sets, extract, extract_many
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
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
    assert clips.loc["bad", "audio"] in failures["error"].item()


def test_the_cache_and_the_number_of_workers_change_nothing(clips, tmp_path):
    kinds = [(None, 1), (Cache(tmp_path / "c"), 1), (Cache(tmp_path / "c"), 1), (None, 2)]
    results = [extract(clips, cache=c, workers=w, progress=False)[0] for c, w in kinds]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].values, other.values)


def test_a_vanished_file_is_named_with_the_cache_on(clips, tmp_path):
    clips.loc["a", "audio"] = str(tmp_path / "gone.wav")
    _, failures = extract(clips, cache=Cache(tmp_path / "c"), workers=1, progress=False)
    assert any("gone.wav" in error for error in failures["error"])


@pytest.mark.parametrize("name", ["log_mel", "mel_image", "waveform"])
def test_arrays_of_several_axes_go_through_the_cache(clips, tmp_path, name):
    cache = Cache(tmp_path / "c")
    first, second = (extract(clips, name, cache=cache, workers=1, progress=False) for _ in "12")
    assert first[0].values.shape == (3, *features.shape(name))
    assert first[0].values.dtype == second[0].values.dtype
    np.testing.assert_array_equal(first[0].values, second[0].values)
    assert len(first[0].names) == first[0].values.ndim - 1
    assert first[0].take(["c"]).shape == (1, *features.shape(name))


@pytest.mark.parametrize("name", ["mfcc_rms", "mel_image"])
def test_no_clips_have_features_of_the_right_shape(clips, name):
    table, _ = extract(clips.loc[["film"]], name, workers=1, progress=False)
    assert table.values.shape == (0, *features.shape(name))


def test_several_sets_at_once_are_each_what_it_is_alone(clips):
    names = ("mfcc_rms", "spectral_moments", "waveform")
    together, failures = extract_many(clips, names, workers=1, progress=False)
    assert failures["clip"].tolist() == ["bad"]
    for name in names:
        alone, _ = extract(clips, name, workers=1, progress=False)
        np.testing.assert_array_equal(together[name].values, alone.values)


def test_a_clip_is_read_once_a_rate_for_all_sets(clips, monkeypatch):
    rates, read = [], signal.read
    monkeypatch.setattr(
        signal, "read", lambda path, rate_hz: rates.append(rate_hz) or read(path, rate_hz=rate_hz)
    )
    names = ("mfcc_rms", "spectral_moments", "mfcc_chroma_mel", "log_mel", "waveform")
    clip_feature_sets(clips.loc["a", "audio"], names)
    assert sorted(rates) == [16000, 22050]


def test_the_cache_tells_conditions_seeds_versions_and_clips_apart(clips, tmp_path, monkeypatch):
    def values(name, seed=0):
        found, _ = extract_many(
            clips,
            ["spectral_moments"],
            change=lambda clip: conditions.Recorded(name, (*conditions.seed_of(clip, seed),)),
            cache=Cache(tmp_path / "c"),
            workers=Engine(1, in_process=True),
            progress=False,
        )
        return found["spectral_moments"].values

    drawn = [values("white_20db"), values("white_20db", seed=1), values("pink_20db")]
    plain = extract(clips, "spectral_moments", cache=Cache(tmp_path / "c"), progress=False)[0]
    assert len({one.tobytes() for one in (*drawn, plain.values)}) == 4
    n_kept = len(list((tmp_path / "c").rglob("*.npz")))
    np.testing.assert_array_equal(values("white_20db"), drawn[0])
    assert len(list((tmp_path / "c").rglob("*.npz"))) == n_kept == 4 * 3
    monkeypatch.setattr(conditions, "VERSION", conditions.VERSION + 1)
    values("white_20db")
    assert len(list((tmp_path / "c").rglob("*.npz"))) == n_kept + 3


def test_processes_change_recordings_as_one_does(clips):
    made = [
        extract_many(
            clips,
            ["spectral_moments"],
            change=lambda clip: conditions.Recorded("room_0.3s", (*conditions.seed_of(clip),)),
            workers=workers,
            progress=False,
        )[0]["spectral_moments"].values
        for workers in (1, 2)
    ]
    np.testing.assert_array_equal(*made)
