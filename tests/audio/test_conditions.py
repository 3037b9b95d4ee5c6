import inspect

import numpy as np
import pytest

from multimodal_ser.audio import channels, conditions, training_conditions
from multimodal_ser.errors import SerError, UnknownName

RATE_HZ = 16000


def spoken(seconds=2.0, rate_hz=RATE_HZ):
    """Syllables of a buzz with pauses, so that there is something that is no speech."""
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    buzz = sum(np.sin(2 * np.pi * 150 * k * times) / k for k in range(1, 20))
    return (0.1 * buzz * (np.sin(2 * np.pi * 2 * times) > 0)).astype(np.float32)


def breath():
    """Noise in the rhythm of syllables, whose place in time has no period."""
    noise = np.random.default_rng(0).standard_normal(2 * RATE_HZ)
    noise = channels.filtered(noise, RATE_HZ, above_hz=500, below_hz=2500, order=2)
    return (0.2 * noise * (spoken() != 0)).astype(np.float32)


def power_db(signal):
    return 10 * np.log10(np.mean(np.square(signal, dtype=float)))


def lag_samples(changed, original):
    n = len(original) + len(changed)
    bins = np.fft.rfft(changed, n) * np.conj(np.fft.rfft(original, n))
    lag = int(np.fft.irfft(bins, n).argmax())
    return lag if lag < n // 2 else lag - n


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 48000])
@pytest.mark.parametrize("name", conditions.NAMES)
def test_every_condition_keeps_the_recording_usable(name, rate_hz):
    signal = spoken(1.1, rate_hz)
    untouched = signal.copy()
    changed = conditions.apply(signal, rate_hz, name, seed=3)
    assert changed.dtype == np.float32 and np.isfinite(changed).all()
    assert (len(changed) == len(signal)) == conditions.load(name).keeps_length
    assert np.array_equal(signal, untouched)
    assert np.array_equal(changed, conditions.apply(signal, rate_hz, name, seed=3))


@pytest.mark.parametrize("name", conditions.NAMES)
def test_silence_and_a_single_sample_stay_finite(name):
    assert not conditions.apply(np.zeros(4000, np.float32), RATE_HZ, name).any()
    for n in (1, 2, 7):
        assert np.isfinite(conditions.apply(np.full(n, 0.5, np.float32), RATE_HZ, name)).all()


def test_clean_comes_first_and_changes_nothing():
    assert conditions.NAMES[0] == "clean"
    assert np.array_equal(conditions.apply(spoken(), RATE_HZ, "clean"), spoken())


NOISY = [name for name in conditions.NAMES if name.endswith("0db") and "gain" not in name]


@pytest.mark.parametrize("name", [n for n in NOISY if not n.startswith(("tone", "cough"))])
def test_noise_has_the_ratio_of_its_name_to_the_speech(name):
    """The pauses do not count, so half a recording of silence changes nothing."""
    wanted = float(name.rpartition("_")[2].removesuffix("db"))
    for signal in (spoken(), np.pad(spoken(), (0, RATE_HZ * 2))):
        added = conditions.apply(signal, RATE_HZ, name).astype(float) - signal
        speech = signal[np.abs(signal) > 1e-6]
        assert power_db(speech) - power_db(added) == pytest.approx(wanted, abs=0.5)


def test_a_cough_is_short_and_as_loud_as_it_says():
    signal = spoken()
    added = conditions.apply(signal, RATE_HZ, "cough_10db").astype(float) - signal
    heard = np.flatnonzero(added)
    assert 0.2 < (heard[-1] - heard[0]) / RATE_HZ < 0.45
    speech = signal[np.abs(signal) > 1e-6]
    assert power_db(speech) - power_db(added[added != 0]) == pytest.approx(10, abs=0.5)


def test_other_seeds_and_conditions_draw_other_noise():
    signal = spoken()
    added = {
        (name, seed): conditions.apply(signal, RATE_HZ, name, seed) - signal
        for name in ("white_20db", "white_10db")
        for seed in (0, 1)
    }
    drawn = [noise / noise.std() for noise in added.values()]
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 0.05
    assert conditions.seed_of("a", 0) != conditions.seed_of("b", 0)


@pytest.mark.parametrize("rt60_s", [0.3, 0.8])
def test_a_room_decays_by_60_db_in_its_reverberation_time(rt60_s):
    """Schroeder's integral from -5 to -25 dB below the tail's start, as ISO 3382 measures it."""
    response = conditions.room_response(RATE_HZ, np.random.default_rng(0), rt60_s=rt60_s)
    tail = response[int(0.01 * RATE_HZ) :] ** 2
    decay_db = 10 * np.log10(tail[::-1].cumsum()[::-1] / tail.sum())
    first, last = (int(np.argmax(decay_db < level)) for level in (-5, -25))
    assert 3 * (last - first) / RATE_HZ == pytest.approx(rt60_s, rel=0.1)
    near = conditions.room_response(
        RATE_HZ, np.random.default_rng(0), rt60_s=rt60_s, distance_m=0.5
    )
    farther_db = power_db(response[1:]) - power_db(near[1:])
    assert farther_db == pytest.approx(20 * np.log10(2), abs=0.01)


@pytest.mark.parametrize(
    "name", ["mp3", "opus", "phone", "rate_8khz", "phone_low_quality", "room_0.3s", "room_0.8s"]
)
def test_the_sound_stays_where_it_was(name):
    signal = breath()
    assert abs(lag_samples(conditions.apply(signal, RATE_HZ, name), signal)) <= 0.001 * RATE_HZ


@pytest.mark.parametrize("name", ["room_0.3s", "room_0.8s", "phone_low_quality"])
def test_level_is_kept(name):
    noise = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE_HZ).astype(np.float32)
    assert power_db(conditions.apply(noise, RATE_HZ, name)) == pytest.approx(-20, abs=1)


@pytest.mark.parametrize(
    ("name", "silent_hz"),
    [("phone", (3900, 8000)), ("phone", (0, 150)), ("rate_8khz", (4100, 8000))],
)
def test_what_a_narrow_band_loses_is_lost(name, silent_hz):
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE_HZ).astype(np.float32)
    power = [abs(np.fft.rfft(s)) ** 2 for s in (noise, conditions.apply(noise, RATE_HZ, name))]
    hz = np.fft.rfftfreq(len(noise), 1 / RATE_HZ)
    band = (hz > silent_hz[0]) & (hz < silent_hz[1])
    assert 10 * np.log10(power[1][band].sum() / power[0][band].sum()) < -10


def test_gain_scales_and_clipping_limits():
    signal = breath()
    louder = conditions.apply(signal, RATE_HZ, "gain_plus_6db")
    assert np.allclose(louder, signal * 10**0.3)
    limited = conditions.apply(signal, RATE_HZ, "clipped")
    share = np.mean(np.abs(limited[signal != 0]) == np.abs(limited).max())
    assert 0.002 < share < 0.01
    assert np.abs(limited).max() < np.abs(signal).max()


def test_silence_and_cropping_move_the_recording_whole():
    signal = spoken()
    longer = conditions.apply(signal, RATE_HZ, "silence_added")
    assert np.array_equal(longer[RATE_HZ // 2 : RATE_HZ // 2 + len(signal)], signal)
    assert not longer[: RATE_HZ // 2].any() and not longer[-RATE_HZ:].any()
    assert np.array_equal(conditions.apply(signal, RATE_HZ, "start_cropped"), signal[1000:])


def test_mu_law_is_that_of_g711():
    """Signal to quantisation noise of about 38 dB over a wide range of levels."""
    times = np.arange(RATE_HZ) / RATE_HZ
    for level_db in (0, -10, -20, -30):
        tone = 10 ** (level_db / 20) * np.sin(2 * np.pi * 441 * times)
        error = channels.mu_law(tone) - tone
        assert 36 < power_db(tone) - power_db(error) < 41
    assert len(np.unique(channels.mu_law(np.linspace(-1, 1, 9999)))) <= 256


def test_without_amr_another_narrow_codec_takes_its_place(monkeypatch):
    monkeypatch.setitem(channels._ENCODERS, "amr_nb", "no_such_encoder")
    channels._delay_samples.cache_clear()
    changed = conditions.apply(breath(), RATE_HZ, "phone_low_quality")
    assert abs(lag_samples(changed, breath())) <= 0.001 * RATE_HZ
    channels._delay_samples.cache_clear()


@pytest.mark.parametrize(
    ("signal", "rate_hz"),
    [
        (np.zeros(0), RATE_HZ),
        (np.zeros((2, 9)), RATE_HZ),
        (np.full(9, np.nan), RATE_HZ),
        (np.zeros(9), 4000),
    ],
)
def test_what_is_no_recording_is_refused(signal, rate_hz):
    with pytest.raises(SerError):
        conditions.apply(signal, rate_hz, "phone")


def test_unknown_names_are_refused():
    with pytest.raises(UnknownName):
        conditions.apply(spoken(), RATE_HZ, "bathroom")
    with pytest.raises(UnknownName):
        channels.coded(spoken(), RATE_HZ, "aac", codec_rate_hz=16000, bits_per_s=64000)


def test_training_and_evaluation_share_no_noise_and_no_room():
    """What both may use is only what happens after the microphone."""
    own = {
        module: {
            f
            for _, f in inspect.getmembers(module, inspect.isfunction)
            if f.__module__ != channels.__name__
        }
        for module in (conditions, training_conditions)
    }
    assert {f.__name__ for f in own[conditions] & own[training_conditions]} <= {"check_signal"}
    for module, other in ((conditions, training_conditions), (training_conditions, conditions)):
        source = inspect.getsource(module).split('"""', 2)[2]
        assert other.__name__ not in source
    # The shared module draws nothing that is heard: no generator is handed to it.
    functions = inspect.getmembers(channels, inspect.isfunction)
    assert not any("rng" in inspect.signature(f).parameters for _, f in functions)


def test_training_conditions_are_seeded_and_vary():
    signal = spoken(1.0)
    made = [
        training_conditions.augment_recording(signal, RATE_HZ, np.random.default_rng(seed))
        for seed in range(60)
    ]
    again = training_conditions.augment_recording(signal, RATE_HZ, np.random.default_rng(7))
    assert np.array_equal(made[7], again)
    assert len({one.tobytes() for one in made}) > 50
    assert all(one.dtype == np.float32 and np.isfinite(one).all() for one in made)
    lengths = {len(one) for one in made}
    assert min(lengths) >= 0.8 * len(signal) and max(lengths) <= 2 * len(signal)


@pytest.mark.parametrize("rate_hz", [8000, 22050])
@pytest.mark.parametrize("n_samples", [1, 50, 3000])
def test_training_conditions_take_short_and_silent_recordings(rate_hz, n_samples):
    for seed in range(25):
        for signal in (np.zeros(n_samples), np.ones(n_samples)):
            changed = training_conditions.augment_recording(
                signal, rate_hz, np.random.default_rng(seed)
            )
            assert len(changed) and np.isfinite(changed).all()


@pytest.mark.parametrize("noise", training_conditions.NOISES)
def test_training_noises_are_heard(noise):
    drawn = [noise(RATE_HZ, RATE_HZ, np.random.default_rng(seed)) for seed in range(5)]
    assert all(len(one) == RATE_HZ and one.std() > 0 for one in drawn)


def test_training_rooms_begin_with_the_direct_sound():
    for seed in range(20):
        response = training_conditions.reflections(RATE_HZ, np.random.default_rng(seed), rt60_s=0.5)
        assert response[0] == 1 and 0.1 < np.linalg.norm(response[1:]) < 2


def test_names_of_the_suite_are_chosen_once_and_without_clean():
    assert conditions.chosen(["clean", "opus", "phone", "opus"]) == ("opus", "phone")
    assert conditions.chosen(["phone", "all"])[0] == "phone"
    assert set(conditions.chosen(["all"])) == set(conditions.NAMES) - {"clean"}
    with pytest.raises(UnknownName):
        conditions.chosen(["phone", "bathroom"])
