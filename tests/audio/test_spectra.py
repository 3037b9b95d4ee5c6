import librosa
import numpy as np
import pytest
from scipy import fft, ndimage

from multimodal_ser.audio import pitch_classes
from multimodal_ser.audio import spectra as spectra_module
from multimodal_ser.audio.spectra import Spectra, delta, spectra_of
from multimodal_ser.errors import SerError

RATE_HZ = 22050
feature = librosa.feature


@pytest.fixture(scope="module")
def signal():
    """A gliding buzz with beats in noise, between stretches of silence."""
    rng = np.random.default_rng(0)
    seconds = np.arange(2 * RATE_HZ) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(4 * seconds)) / RATE_HZ
    buzz = sum(np.sin(k * phase) / k for k in range(1, 20)) * (1.1 + np.sign(np.sin(30 * seconds)))
    voice = 0.1 * buzz + 0.01 * rng.standard_normal(len(seconds))
    return np.concatenate([np.zeros(3000), voice, np.zeros(5001)]).astype("f4")


@pytest.fixture(scope="module")
def spectra(signal):
    return Spectra(signal)


def tone(hz, level=0.3):
    return (level * np.sin(2 * np.pi * hz * np.arange(RATE_HZ) / RATE_HZ)).astype("f4")


def mfcc(y):
    return feature.mfcc(y=y, sr=RATE_HZ, n_mfcc=20)


#: What it is -> librosa's value, ours, and how far they may be apart where the
#: value is near 0, as a share of the largest.
LIBROSA = {
    "magnitude": (lambda y: np.abs(librosa.stft(y)), lambda s: s.magnitude, 1e-7),
    "power": (lambda y: np.abs(librosa.stft(y)) ** 2, lambda s: s.power, 1e-7),
    "mel power": (lambda y: feature.melspectrogram(y=y, sr=RATE_HZ), lambda s: s.mel_power, 1e-7),
    "mfcc": (mfcc, lambda s: s.mfcc(20), 1e-6),
    "delta": (lambda y: feature.delta(mfcc(y)), lambda s: delta(s.mfcc(20)), 1e-6),
    "delta2": (lambda y: feature.delta(mfcc(y), order=2), lambda s: delta(s.mfcc(20), 2), 1e-5),
    "rms": (lambda y: feature.rms(y=y), lambda s: s.rms, 1e-7),
    "contrast": (
        lambda y: feature.spectral_contrast(y=y, sr=RATE_HZ),
        lambda s: s.contrast_db,
        1e-6,
    ),
    "chroma": (lambda y: feature.chroma_stft(y=y, sr=RATE_HZ), lambda s: s.chroma(), 1e-6),
    "chroma of the magnitude": (
        lambda y: feature.chroma_stft(S=np.abs(librosa.stft(y)), sr=RATE_HZ),
        lambda s: s.chroma("magnitude"),
        1e-6,
    ),
    "roll-off": (lambda y: feature.spectral_rolloff(y=y, sr=RATE_HZ), lambda s: s.rolloff_hz(), 0),
    "centroid": (lambda y: feature.spectral_centroid(y=y, sr=RATE_HZ), lambda s: s.centroid_hz, 0),
    "flatness": (lambda y: feature.spectral_flatness(y=y), lambda s: s.flatness, 0),
    "zero crossings": (feature.zero_crossing_rate, lambda s: s.zero_crossing_rate, 0),
    "onsets": (
        lambda y: librosa.onset.onset_strength(y=y, sr=RATE_HZ),
        lambda s: s.onset_strength,
        1e-6,
    ),
    "tempogram": (lambda y: feature.tempogram(y=y, sr=RATE_HZ), lambda s: s.tempogram, 1e-6),
    "constant-Q chroma": (
        lambda y: feature.chroma_cqt(y=y, sr=RATE_HZ, norm=None),
        lambda s: s.cqt_chroma,
        1e-6,
    ),
    "CENS": (lambda y: feature.chroma_cens(y=y, sr=RATE_HZ), lambda s: s.cens, 1e-6),
    "tonnetz": (lambda y: feature.tonnetz(y=y, sr=RATE_HZ), lambda s: s.tonnetz, 1e-6),
}


@pytest.mark.parametrize("name", LIBROSA)
def test_values_are_librosas(name, signal, spectra):
    plain, ours, share = LIBROSA[name]
    expected = np.atleast_2d(plain(signal))
    got = np.atleast_2d(ours(spectra).T)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=share * np.abs(expected).max())


@pytest.mark.parametrize("seconds", [0.3, 1.0])
@pytest.mark.parametrize("where", ["before", "behind", "within"])
def test_the_rounding_that_pitch_classes_show_in_digital_silence_is_librosas(
    signal, where, seconds
):
    """Frames without a sound are as large as any once divided by their norm."""
    silence, voice = np.zeros(int(seconds * RATE_HZ), "f4"), signal[3000:-5001]
    parts = {
        "before": [silence, voice],
        "behind": [voice, silence],
        "within": [voice[:15_001], silence, voice[15_001:]],
    }[where]
    y = np.concatenate(parts)
    spectra = Spectra(y)
    assert (spectra.rms == 0).sum() > 5
    chroma = pitch_classes.normalised(spectra.cqt_chroma, np.inf).T
    for got, expected in (
        (chroma, feature.chroma_cqt(y=y, sr=RATE_HZ, bins_per_octave=36)),
        (spectra.cens.T, feature.chroma_cens(y=y, sr=RATE_HZ)),
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_samples", [3000, 512 * 40, 40_001])
def test_the_transform_is_librosas_to_the_bit(signal, n_samples):
    y = signal[:n_samples]
    np.testing.assert_array_equal(Spectra(y).magnitude.T, np.abs(librosa.stft(y)))


@pytest.mark.parametrize("per_octave", [12, 36])
@pytest.mark.parametrize("cents", [-40, 0, 30])
def test_tuning_is_librosas(per_octave, cents):
    chord = sum(tone(hz * 2 ** (cents / 1200)) for hz in (220.0, 440.0, 554.37, 659.26))
    expected = librosa.estimate_tuning(y=chord, sr=RATE_HZ, bins_per_octave=per_octave)
    got = pitch_classes.tuning(Spectra(chord).magnitude, RATE_HZ, per_octave)
    assert got == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n_samples", [49_101, 512 * 70])
@pytest.mark.parametrize("tuning", [-0.5, 0.0, 0.37])
def test_the_constant_q_transform_is_librosas(signal, tuning, n_samples):
    settings = {"n_bins": 252, "bins_per_octave": 36, "tuning": tuning}
    expected = np.abs(librosa.cqt(signal[:n_samples], sr=RATE_HZ, **settings))
    got = pitch_classes.constant_q(signal[:n_samples], RATE_HZ, 512, tuning).T
    # Of each frame its own largest: what is faint beside other frames counts too.
    away = np.abs(got - expected) / expected.max(axis=0)
    assert away.max() < 1e-6


@pytest.mark.parametrize("n_samples", [30_000, 512 * 40, 512 * 40 - 1, 700, 1])
def test_every_series_has_as_many_frames_as_librosas(signal, n_samples):
    spectra = Spectra(signal[5000 : 5000 + n_samples])
    counts = {len(ours(spectra)) for _, ours, _ in LIBROSA.values()}
    assert counts == {1 + n_samples // 512}


@pytest.mark.parametrize(("hz", "pitch_class"), [(261.63, 0), (440.0, 9), (1396.91, 5)])
def test_a_tone_has_its_pitch_class_band_and_centroid(hz, pitch_class):
    spectra = Spectra(tone(hz))
    middle = slice(5, -5)
    assert set(spectra.chroma()[middle].argmax(axis=1)) == {pitch_class}
    assert set(spectra.cqt_chroma[middle].argmax(axis=1)) == {pitch_class}
    centres = librosa.mel_frequencies(130, fmax=RATE_HZ / 2)[1:-1]
    nearest = np.abs(centres - hz).argmin()
    assert set(np.abs(spectra.mel_power[middle].argmax(axis=1) - nearest)) <= {0, 1}
    np.testing.assert_allclose(spectra.centroid_hz[middle], hz, rtol=0.03)
    np.testing.assert_allclose(spectra.rms[middle], 0.3 / np.sqrt(2), rtol=0.01)
    np.testing.assert_allclose(spectra.zero_crossing_rate[middle], 2 * hz / RATE_HZ, rtol=0.02)


def test_noise_is_flat_and_a_tone_is_not():
    noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype("f4")
    # The geometric mean of white noise's power is exp(-0.577) of the arithmetic.
    assert Spectra(noise).flatness.mean() == pytest.approx(np.exp(-np.euler_gamma), rel=0.03)
    assert Spectra(tone(440)).flatness[5:-5].max() < 1e-3
    np.testing.assert_allclose(Spectra(np.zeros(4000)).flatness, 1, rtol=1e-5)


@pytest.mark.parametrize("gain", [0.25, 8.0])
def test_a_gain_changes_levels_by_itself_and_nothing_else(signal, spectra, gain):
    louder = Spectra(gain * signal)
    np.testing.assert_allclose(louder.rms, gain * spectra.rms, rtol=1e-5)
    np.testing.assert_allclose(louder.mel_power, gain**2 * spectra.mel_power, rtol=1e-4)
    for name in ("zero_crossing_rate", "centroid_hz", "onset_strength", "tempogram", "cens"):
        np.testing.assert_allclose(
            getattr(louder, name), getattr(spectra, name), rtol=1e-4, atol=1e-4, err_msg=name
        )
    np.testing.assert_allclose(louder.chroma(), spectra.chroma(), atol=1e-5)
    np.testing.assert_array_equal(louder.rolloff_hz(), spectra.rolloff_hz())


def test_time_turned_round_leaves_what_has_no_direction(signal):
    whole = signal[: len(signal) // 512 * 512 + 1]  # centres then fall on the same samples
    there, back = Spectra(whole), Spectra(whole[::-1])
    for name in ("mel_power", "centroid_hz", "flatness"):
        expected = getattr(there, name)[::-1]
        np.testing.assert_allclose(
            getattr(back, name), expected, rtol=2e-3, atol=1e-5 * expected.max(), err_msg=name
        )
    # A window without taper has one sample more before its centre than behind it.
    assert back.rms.mean() == pytest.approx(there.rms.mean(), rel=0.01)
    slope, expected = delta(back.mfcc(13)), -delta(there.mfcc(13))[::-1]
    np.testing.assert_allclose(slope, expected, atol=0.02)


def test_a_regular_beat_comes_back_after_its_period():
    beats = np.zeros(10 * RATE_HZ, "f4")
    for start in range(0, len(beats), 22 * 512):
        beats[start : start + 400] = tone(1000)[:400]
    lags = Spectra(beats).tempogram[150:250].mean(axis=0)
    assert 10 + lags[10:35].argmax() == 22


def test_spectra_of_another_rate_are_refused():
    with pytest.raises(SerError):
        spectra_of(Spectra(np.zeros(4000), 16000))
    mine = Spectra(np.zeros(4000))
    assert spectra_of(mine) is mine


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("n_frames", [1, 3, 9, 10, 160])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_deltas_are_those_of_scipys_correlation_to_the_bit(order, n_frames, dtype):
    series = np.random.default_rng(order).normal(0, 50, (n_frames, 40)).astype(dtype)
    weights, half = spectra_module._delta_weights(order), 4
    expected = ndimage.correlate1d(series, weights, axis=0, mode="nearest")
    if n_frames >= 9:
        expected[:half], expected[-half:] = expected[half], expected[-half - 1]
    got = delta(series, order)
    assert got.dtype == dtype and got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("n_mels", [64, 128])
def test_cosines_are_those_of_scipys_transform_to_the_bit(n_mels):
    expected = fft.dct(np.eye(n_mels), axis=1, norm="ortho")[:, :40].astype(np.float32)
    assert np.array_equal(spectra_module._cosines(n_mels, 40), expected)
