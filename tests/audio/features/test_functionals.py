import librosa
import numpy as np
import pytest
from scipy import fft, stats

from multimodal_ser.audio.features import functionals
from multimodal_ser.errors import SerError

RATE_HZ = functionals.RATE_HZ


@pytest.fixture(scope="module")
def signal():
    """A gliding buzz in noise: every feature varies."""
    rng = np.random.default_rng(0)
    seconds = np.arange(2 * RATE_HZ) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(4 * seconds)) / RATE_HZ
    buzz = sum(np.sin(k * phase) / k for k in range(1, 20)) * (1.2 + np.sin(9 * seconds))
    return (0.1 * buzz + 0.01 * rng.standard_normal(len(seconds))).astype("f4")


@pytest.fixture(scope="module")
def frames(signal):
    return functionals.series(signal)


def tone(hz, seconds=1.0, level=0.3):
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return sum(level / k * np.sin(2 * np.pi * k * hz * time) for k in range(1, 8)).astype("f4")


def named(values):
    return dict(zip(functionals.names(), values.tolist(), strict=True))


def row(frames, name):
    block = next(block for block, names in functionals.BLOCKS.items() if name in names)
    return frames[block][functionals.BLOCKS[block].index(name)]


def decibels(power):
    return 10 * np.log10(np.maximum(power, 1e-10))


LIBROSA = {
    "mfcc": lambda y: librosa.feature.mfcc(y=y, sr=RATE_HZ, n_mfcc=40),
    "delta": lambda y: librosa.feature.delta(librosa.feature.mfcc(y=y, sr=RATE_HZ, n_mfcc=40)),
    "delta2": lambda y: librosa.feature.delta(
        librosa.feature.mfcc(y=y, sr=RATE_HZ, n_mfcc=40), order=2
    ),
    "mel": lambda y: librosa.power_to_db(
        librosa.feature.melspectrogram(y=y, sr=RATE_HZ, n_mels=40, fmax=8000)
    ),
    "contrast": lambda y: librosa.feature.spectral_contrast(y=y, sr=RATE_HZ),
    "chroma": lambda y: librosa.feature.chroma_stft(y=y, sr=RATE_HZ, tuning=0.0),
    "centroid_hz": lambda y: librosa.feature.spectral_centroid(y=y, sr=RATE_HZ)[0],
    "bandwidth_hz": lambda y: librosa.feature.spectral_bandwidth(y=y, sr=RATE_HZ)[0],
    "rolloff85_hz": lambda y: librosa.feature.spectral_rolloff(y=y, sr=RATE_HZ)[0],
    "rolloff50_hz": lambda y: librosa.feature.spectral_rolloff(y=y, sr=RATE_HZ, roll_percent=0.5)[
        0
    ],
    "flatness_db": lambda y: decibels(librosa.feature.spectral_flatness(y=y)[0]),
    "zero_crossing_rate": lambda y: librosa.feature.zero_crossing_rate(y)[0],
    "rms_db": lambda y: decibels(librosa.feature.rms(y=y)[0] ** 2),
}


@pytest.mark.parametrize("name", LIBROSA)
def test_frames_are_librosas(signal, frames, name):
    expected = LIBROSA[name](signal)
    got = frames[name] if name in frames else row(frames, name)
    # Near 0 a relative bound means nothing: a millionth of the range is allowed.
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6 * np.ptp(expected) + 1e-4)


@pytest.mark.parametrize("n_samples", [30_000, 30_001, 512 * 40, 512 * 40 - 1])
def test_frames_are_counted_as_librosa_does(signal, n_samples):
    frames = functionals.series(signal[:n_samples])
    assert {rows.shape[1] for rows in frames.values()} == {1 + n_samples // 512}


def test_names_are_unique_and_as_many_as_values(signal):
    names = functionals.names()
    assert len(set(names)) == len(names) == len(functionals.extract(signal)) == 2669


def test_every_block_has_as_many_rows_as_names(frames):
    for block, names in functionals.BLOCKS.items():
        assert len(frames[block]) == len(names), block


def test_statistics_are_numpys_and_scipys():
    rows = np.random.default_rng(1).gamma(2.0, size=(5, 83))
    got = dict(zip(functionals._STATISTICS, functionals.statistics(rows), strict=True))
    np.testing.assert_allclose(got["skewness"], stats.skew(rows, axis=1))
    np.testing.assert_allclose(got["kurtosis"], stats.kurtosis(rows, axis=1))
    np.testing.assert_allclose(got["std"], rows.std(axis=1))
    for name, share in (("min", 0), ("p05", 5), ("p25", 25), ("median", 50), ("p95", 95)):
        np.testing.assert_allclose(got[name], np.percentile(rows, share, axis=1))
    rising = functionals.statistics(np.arange(10.0)[None])[4]
    assert rising > 0


def test_silence_around_a_voice_changes_only_the_clips_length(signal):
    silence = np.zeros(40 * 512, "f4")
    bare = named(functionals.extract(signal))
    framed = named(functionals.extract(np.concatenate([silence, signal, silence])))
    assert framed["lead_seconds"] == pytest.approx(40 * 512 / RATE_HZ, abs=0.1)
    assert framed["clip_seconds"] > bare["clip_seconds"] + 1.8
    for name in ("loud_seconds", "mfcc_02_mean", "centroid_hz_median", "pitch_semitones_mean"):
        assert framed[name] == pytest.approx(bare[name], rel=0.06), name


@pytest.mark.parametrize("hz", [80, 130, 220, 440])
def test_the_pitch_of_a_tone(hz):
    values = named(functionals.extract(tone(hz)))
    assert values["pitch_semitones_median"] == pytest.approx(12 * np.log2(hz / 27.5), abs=0.1)
    assert values["voiced_share"] > 0.9
    assert values["harmonicity_median"] > 0.9


def test_noise_has_no_pitch():
    noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype("f4")
    values = named(functionals.extract(noise))
    assert values["voiced_share"] < 0.1
    assert values["pitch_semitones_mean"] == 0


def test_a_rising_voice_rises():
    seconds = np.arange(RATE_HZ) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(120 * 2**seconds) / RATE_HZ
    rising = sum(0.2 / k * np.sin(k * phase) for k in range(1, 8)).astype("f4")
    values = named(functionals.extract(rising))
    assert values["pitch_semitones_trend"] > 1
    assert values["pitch_step_semitones_mean"] > 0.1


def test_pauses_and_bursts_are_counted():
    bursts = np.concatenate([np.r_[tone(150, 0.3), np.zeros(RATE_HZ // 3, "f4")]] * 3)
    values = named(functionals.extract(bursts.astype("f4")))
    assert values["loud_runs_per_second"] * values["loud_seconds"] == pytest.approx(3)
    assert values["pause_share"] > 0.2


def test_twice_as_loud_is_six_decibels_and_the_same_voice(signal):
    soft, loud = named(functionals.extract(signal)), named(functionals.extract(2 * signal))
    assert loud["rms_db_mean"] == pytest.approx(soft["rms_db_mean"] + 6.02, abs=0.01)
    for name in ("centroid_hz_mean", "pitch_semitones_mean", "flux_mean", "chroma_03_mean"):
        assert loud[name] == pytest.approx(soft[name], rel=1e-3), name


@pytest.mark.parametrize("n_samples", [1, 2, 100, 511, 2047, 4000, 22050])
@pytest.mark.parametrize("kind", ["silence", "offset", "clipped", "noise", "tiny", "click"])
def test_any_signal_gives_finite_values(n_samples, kind, recwarn):
    rng = np.random.default_rng(1)
    signal = {
        "silence": np.zeros(n_samples, "f4"),
        "offset": np.full(n_samples, 0.5, "f4"),
        "clipped": np.sign(np.sin(np.arange(n_samples))).astype("f4"),
        "noise": rng.standard_normal(n_samples).astype("f4"),
        "tiny": (1e-20 * rng.standard_normal(n_samples)).astype("f4"),
        "click": np.eye(1, n_samples, n_samples // 2, dtype="f4")[0],
    }[kind]
    values = functionals.extract(signal)
    assert values.shape == (2669,)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert not recwarn.list


@pytest.mark.parametrize("bad", [np.zeros(0, "f4"), np.zeros((2, 100), "f4")])
def test_no_signal_is_a_clear_error(bad):
    with pytest.raises(SerError):
        functionals.extract(bad)


@pytest.mark.parametrize("n_frames", [1, 2, 37, 400])
def test_multiplied_powers_give_every_float32_of_those_that_pow_gives(n_frames):
    rng = np.random.default_rng(n_frames)
    rows = rng.normal(size=(500, n_frames)) ** 3 * 10.0 ** rng.integers(-6, 6, (500, 1))
    rows[::50] = 1.5  # constant
    deviation = np.sqrt(((centred := rows - rows.mean(axis=1)[:, None]) ** 2).mean(axis=1))
    scaled = centred / np.maximum(deviation, 1e-6)[:, None]
    plain = [deviation, (scaled**3).mean(axis=1), (scaled**4).mean(axis=1) - 3]
    plain[1:] = (np.where(deviation < 1e-6, 0, values) for values in plain[1:])
    for values, got in zip(plain, functionals.statistics(rows)[1:4], strict=True):
        assert values.astype(np.float32).tobytes() == got.astype(np.float32).tobytes()


@pytest.mark.parametrize("n_frames", [1, 5, 200])
def test_the_autocorrelation_is_that_of_scipys_transform_to_the_bit(n_frames):
    power = np.random.default_rng(0).gamma(0.2, size=(n_frames, 1025)).astype(np.float32)
    got = np.fft.irfft(power.astype(np.complex64), axis=1)
    assert got.tobytes() == fft.irfft(power, axis=1).tobytes()
