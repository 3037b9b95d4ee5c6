import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.audio import augment, training_conditions
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError, UnknownName
from multimodal_ser.tables import make_clips

RATE_HZ = 16000
HERE = Engine(workers=1, in_process=True)


def tone(hz=440.0, seconds=1.0, amplitude=0.3):
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def pitch_hz(signal):
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return spectrum.argmax() * RATE_HZ / len(signal)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 40.0])
@pytest.mark.parametrize("kind", ["white", "recorded", "too short"])
def test_the_measured_ratio_is_the_one_asked_for(snr_db, kind):
    clean, rng = tone(), np.random.default_rng(0)
    noise = {
        "white": None,
        "recorded": np.random.default_rng(1).laplace(size=50_000),
        "too short": np.random.default_rng(1).laplace(size=100),
    }[kind]
    noisy = augment.add_noise(clean, rng, snr_db=snr_db, noise=noise)
    added = noisy.astype(float) - clean
    measured = 10 * np.log10((clean.astype(float) ** 2).mean() / (added**2).mean())
    assert measured == pytest.approx(snr_db, abs=0.02)
    assert noisy.dtype == np.float32


def test_silence_stays_silent_and_silent_noise_is_refused():
    silence = np.zeros(100, np.float32)
    assert not augment.add_noise(silence, np.random.default_rng(0), snr_db=10).any()
    for noise in (np.zeros(5), np.zeros(0)):
        with pytest.raises(SerError):
            augment.add_noise(tone(), np.random.default_rng(0), snr_db=10, noise=noise)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_speed_moves_duration_and_pitch_together(factor):
    changed = augment.change_speed(tone(), factor=factor)
    assert len(changed) == pytest.approx(RATE_HZ / factor, abs=2)
    assert pitch_hz(changed) == pytest.approx(440 * factor, abs=3)


@pytest.mark.parametrize("factor", [0.0, -1.0, 5.0, float("nan")])
def test_a_speed_out_of_range_is_refused(factor):
    with pytest.raises(SerError) as error:
        augment.change_speed(tone(), factor=factor)
    assert "speed" in str(error.value)


@pytest.mark.parametrize("semitones", [-4.0, 0.0, 3.0])
def test_pitch_moves_and_duration_stays(semitones):
    changed = augment.shift_pitch(tone(), RATE_HZ, semitones=semitones)
    assert len(changed) == RATE_HZ
    assert pitch_hz(changed) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)


def test_gains_add_up_and_cancel():
    signal = tone()
    there = augment.change_gain(augment.change_gain(signal, gain_db=4), gain_db=2)
    np.testing.assert_allclose(there, augment.change_gain(signal, gain_db=6), rtol=1e-5)
    np.testing.assert_allclose(augment.change_gain(there, gain_db=-6), signal, atol=1e-6)


def test_masks_are_whole_stretches_within_their_limits():
    frames = np.ones((100, 40), np.float32)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        masked = augment.spec_augment(
            frames, rng, n_time_masks=1, max_time_frames=20, n_band_masks=1, max_bands=7, fill=-2
        )
        assert set(np.unique(masked)) <= {1.0, -2.0}
        times = np.flatnonzero((masked == -2).all(axis=1))
        bands = np.flatnonzero((masked == -2).all(axis=0))
        assert len(times) <= 20 and len(bands) <= 7
        assert all((np.diff(found) == 1).all() for found in (times, bands))
        left = np.delete(np.delete(masked, times, axis=0), bands, axis=1)
        assert (left == 1).all()
    assert (frames == 1).all()  # the original is untouched


def test_masks_wider_than_the_frames_still_fit():
    masked = augment.spec_augment(np.ones((3, 2)), np.random.default_rng(0))
    assert masked.shape == (3, 2)


def test_mixup_mixes_values_and_targets_by_the_same_share():
    rng = np.random.default_rng(0)
    values, targets = rng.standard_normal((50, 4, 3)), np.eye(5)[rng.integers(5, size=50)]
    both = np.concatenate([values.reshape(50, -1), targets], axis=1)
    mixed, soft = augment.mixup(values, targets, np.random.default_rng(7), alpha=0.5)
    again, _ = augment.mixup(both, targets, np.random.default_rng(7), alpha=0.5)
    np.testing.assert_allclose(mixed.reshape(50, -1), again[:, :12], atol=1e-6)
    np.testing.assert_allclose(soft, again[:, 12:], atol=1e-6)
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)
    assert ((soft * targets).sum(axis=1) >= 0.5 - 1e-6).all()  # most of a row is its own
    assert (soft.max(axis=1) < 1).any()
    with pytest.raises(SerError) as error:
        augment.mixup(values, targets, rng, alpha=0)
    assert "alpha" in str(error.value)


def test_what_happens_is_settled_by_the_generator_and_may_be_nothing():
    one, two, other = (
        augment.augment(tone(), RATE_HZ, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, two)
    assert len(one) != len(other) or not np.allclose(one, other)
    never = augment.Augmentation(probability=0.0)
    kept = augment.augment(tone(), RATE_HZ, np.random.default_rng(0), never)
    np.testing.assert_array_equal(kept, tone())


@pytest.mark.parametrize("kind", augment.Augmentation().kinds)
def test_of_one_kind_alone_nothing_else_happens(kind):
    """Each kind leaves alone what the others change: length, pitch, level, the sine."""
    params = augment.Augmentation(
        kinds=(kind,),
        probability=1.0,
        speed=(1.1, 1.1),
        semitones=(3.0, 3.0),
        gain_db=(-6.0, -6.0),
        snr_db=(20.0, 20.0),
    )
    clean = tone(seconds=2.0)
    changed = augment.augment(clean, RATE_HZ, np.random.default_rng(0), params)
    alone = {
        "speed": lambda: augment.change_speed(clean, factor=1.1),
        "pitch": lambda: augment.shift_pitch(clean, RATE_HZ, semitones=3.0),
        "gain": lambda: augment.change_gain(clean, gain_db=-6.0),
    }
    if kind == "noise":
        added = changed.astype(float) - clean
        ratio_db = 10 * np.log10((clean.astype(float) ** 2).mean() / (added**2).mean())
        assert ratio_db == pytest.approx(20.0, abs=0.02)
    else:
        np.testing.assert_array_equal(changed, alone[kind]())


def test_leaving_kinds_out_moves_no_other_draw():
    """With the same seed, both kinds by themselves one after the other are both at once."""
    seeded = [np.random.default_rng(5) for _ in range(3)]
    first, second, both = (
        augment.Augmentation(kinds=kinds, probability=1.0)
        for kinds in (("speed",), ("gain",), ("gain", "speed"))
    )
    faster = augment.augment(tone(), RATE_HZ, seeded[0], first)
    step_by_step = augment.augment(faster, RATE_HZ, seeded[1], second)
    at_once = augment.augment(tone(), RATE_HZ, seeded[2], both)
    np.testing.assert_array_equal(step_by_step, at_once)
    assert not np.array_equal(faster, step_by_step)


def test_a_recording_made_elsewhere_comes_last_and_only_where_it_is_named():
    assert augment.Augmentation().kinds == ("speed", "pitch", "gain", "noise")
    gain = augment.Augmentation(kinds=("gain",), probability=1.0)
    both = augment.Augmentation(kinds=("recording", "gain"), probability=1.0)
    rng = np.random.default_rng(2)
    louder = augment.augment(tone(), RATE_HZ, rng, gain)
    rng.random()  # whether it happens
    expected = training_conditions.augment_recording(louder, RATE_HZ, rng)
    found = augment.augment(tone(), RATE_HZ, np.random.default_rng(2), both)
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(louder, expected)


def test_the_version_of_the_conditions_counts_for_copies_that_use_them(monkeypatch):
    def keys():
        how = (augment.Augmentation(), augment.ELSEWHERE)
        return [augment.Copied(params, (0,)).key for params in how]

    before = keys()
    monkeypatch.setattr(training_conditions, "VERSION", 99)
    after = keys()
    assert before[0] == after[0] and before[1] != after[1]


def test_no_kind_leaves_the_signal_and_an_unknown_one_is_refused():
    nothing = augment.Augmentation(kinds=(), probability=1.0)
    kept = augment.augment(tone(), RATE_HZ, np.random.default_rng(0), nothing)
    np.testing.assert_array_equal(kept, tone())
    with pytest.raises(UnknownName) as error:
        augment.Augmentation(kinds=("noise", "echo"))
    assert "'echo'" in str(error.value) and "speed, pitch, gain, noise" in str(error.value)


def test_copies_are_kept_by_what_made_them(tmp_path, monkeypatch):
    path = tmp_path / "0.wav"
    soundfile.write(path, tone(), RATE_HZ)
    clips = make_clips([{"clip": "c", "audio": str(path), "actor": "1", "dataset": "x"}])

    def made(**more):
        shared = {"cache": Cache(tmp_path / "cache"), "workers": HERE, "progress": False}
        return augment.augmented_copies(clips, **(shared | more))[1].values

    noisy = augment.Augmentation(kinds=("noise",), probability=1.0)
    ways = [{}, {"seed": 1}, {"params": noisy}, {"feature_set": "mfcc_chroma_mel"}]
    first = [made(**way) for way in ways]
    fresh = [made(**way, cache=None) for way in ways]
    monkeypatch.setattr(augment, "augment", None)  # nothing is made any more
    for way, kept, anew in zip(ways, first, fresh, strict=True):
        np.testing.assert_array_equal(made(**way), kept)
        np.testing.assert_array_equal(kept, anew)
    assert not np.array_equal(first[0], first[1])
    assert len(made(seed=2)) == 0  # what was not kept is not taken from what was


def test_copies_keep_the_actor_and_do_not_depend_on_the_other_clips(tmp_path):
    rows = []
    for actor in range(3):
        path = tmp_path / f"{actor}.wav"
        soundfile.write(path, tone(200 + 100 * actor, 0.5), RATE_HZ)
        rows.append({"clip": f"c{actor}", "audio": str(path), "actor": str(actor)})
        rows[-1] |= {"emotion": "sad", "dataset": "x"}
    clips = make_clips([*rows, {"clip": "film", "video": "film.mp4"}])
    table, features = augment.augmented_copies(clips, copies=2, workers=HERE, progress=False)
    assert sorted(table.index) == sorted(f"c{a}#{n}" for a in range(3) for n in (1, 2))
    assert list(features.clips) == list(table.index)
    assert all(table.loc[clip, "actor"] == clip[1] for clip in table.index)
    assert not np.allclose(features.take(["c0#1"]), features.take(["c0#2"]))
    alone, some = augment.augmented_copies(clips.iloc[:1], workers=HERE, progress=False)
    np.testing.assert_array_equal(some.take(["c0#1"]), features.take(["c0#1"]))
    assert alone.index.tolist() == ["c0#1"]
    never = augment.Augmentation(probability=0.0)
    _, same = augment.augmented_copies(clips, params=never, workers=HERE, progress=False)
    from multimodal_ser.audio.extract import extract

    originals, _ = extract(clips, workers=HERE, progress=False)
    np.testing.assert_array_equal(same.values, originals.values)


def test_no_clips_have_no_copies():
    from multimodal_ser.tables import empty_clips

    table, features = augment.augmented_copies(empty_clips(), workers=HERE, progress=False)
    assert len(table) == 0 and features.values.shape == (0, 157)
    assert isinstance(table, pd.DataFrame)
