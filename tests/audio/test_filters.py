"""Held to the libraries that they stand in for."""

import librosa
import numpy as np
import pytest
import scipy.signal

from multimodal_ser.audio import filters


@pytest.mark.parametrize("samples", [4, 384, 2048])
def test_the_window_is_scipys(samples):
    expected = scipy.signal.get_window("hann", samples)
    np.testing.assert_array_equal(filters.hann(samples), expected)


@pytest.mark.parametrize("n_frames", [1, 31, 32, 33, 100])
def test_transforms_cover_every_window_once(n_frames):
    rng = np.random.default_rng(n_frames)
    samples, window = rng.standard_normal(64 + 16 * (n_frames - 1)), rng.standard_normal(64)
    got = np.full((n_frames, 33), np.nan, np.complex64)
    for some, bins in filters.transforms(samples.astype("f4"), window, 16):
        assert np.isnan(got[some]).all()
        got[some] = bins
    starts = 16 * np.arange(n_frames)
    rows = np.stack([samples[start : start + 64].astype("f4") * window for start in starts])
    np.testing.assert_allclose(got, np.fft.rfft(rows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("rate_hz", "window", "n_mels", "highest_hz"),
    [(22050, 2048, 128, None), (22050, 2048, 40, 8e3), (16000, 512, 64, None), (8000, 400, 9, 900)],
)  # fmt: skip
def test_the_mel_filters_are_librosas(rate_hz, window, n_mels, highest_hz):
    given = filters.mel_bank(rate_hz, window, n_mels, highest_hz)
    expected = librosa.filters.mel(sr=rate_hz, n_fft=window, n_mels=n_mels, fmax=highest_hz)
    assert given.dtype == expected.dtype
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("tuning", [0.0, 0.31, -0.5])
@pytest.mark.parametrize(("rate_hz", "window"), [(22050, 2048), (16000, 1024)])
def test_the_chroma_filters_are_librosas(rate_hz, window, tuning):
    given = filters.chroma_bank(rate_hz, window, tuning)
    expected = librosa.filters.chroma(sr=rate_hz, n_fft=window, tuning=tuning)
    assert given.dtype == expected.dtype
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("seed", range(20))
def test_peaks_are_scipys(seed):
    """Also with flat tops, and with values in few steps, so that many are equal."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(size=rng.integers(1, 80)).cumsum() * rng.choice([1, 3, 20]))
    for prominence in (1, 2, 6):
        expected, _ = scipy.signal.find_peaks(values, prominence=prominence)
        assert filters.count_peaks(values, prominence) == len(expected)
