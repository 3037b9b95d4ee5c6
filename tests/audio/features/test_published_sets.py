"""Systems B, D and E: their values are those of librosa, numpy and scipy."""

import librosa
import numpy as np
import pytest
from librosa import feature
from scipy import stats

from multimodal_ser.audio.features import mfcc_chroma_mel, spectral_mean_std, spectral_moments

RATE_HZ = 22050


MOMENTS = [spectral_moments, spectral_mean_std]


@pytest.fixture(scope="module")
def signal():
    rng = np.random.default_rng(3)
    seconds = np.arange(30_000) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(180 + 50 * np.sin(5 * seconds)) / RATE_HZ
    buzz = sum(np.sin(k * phase) / k for k in range(1, 15)) * (1.2 + np.sin(20 * seconds))
    return (0.1 * buzz + 0.01 * rng.standard_normal(len(seconds))).astype("f4")


@pytest.fixture(scope="module")
def series(signal):
    return librosa_series(signal)


def librosa_series(signal):
    mfcc = feature.mfcc(y=signal, sr=RATE_HZ)
    return {
        "mfcc": mfcc,
        "delta": feature.delta(mfcc),
        "delta2": feature.delta(mfcc, order=2),
        "mel_power": feature.melspectrogram(y=signal, sr=RATE_HZ),
        "rms": feature.rms(y=signal),
        "contrast_db": feature.spectral_contrast(y=signal, sr=RATE_HZ),
        "chroma": feature.chroma_stft(y=signal, sr=RATE_HZ),
        "rolloff_hz": feature.spectral_rolloff(y=signal, sr=RATE_HZ),
        "centroid_hz": feature.spectral_centroid(y=signal, sr=RATE_HZ),
        "flatness": feature.spectral_flatness(y=signal),
        "zero_crossing_rate": feature.zero_crossing_rate(signal),
        "tempogram": feature.tempogram(y=signal, sr=RATE_HZ),
        "cens": feature.chroma_cens(y=signal, sr=RATE_HZ),
        "tonnetz": feature.tonnetz(y=signal, sr=RATE_HZ),
    }


STATISTICS = {
    "mean": np.mean,
    "std": np.std,
    "median": np.median,
    "min": np.min,
    "max": np.max,
    "skewness": lambda values: stats.skew(values.astype("f8"), axis=None),
    "kurtosis": lambda values: stats.kurtosis(values.astype("f8"), axis=None),
}


@pytest.mark.parametrize(
    "module", [spectral_moments, spectral_mean_std], ids=lambda module: module.NAME
)
def test_each_value_is_what_its_name_says(module, signal, series):
    check_values(module, signal, series)


def test_system_e_agrees_where_a_clip_begins_and_ends_with_digital_silence(signal):
    silence = np.zeros(12_000, "f4")
    framed = np.concatenate([silence, signal, silence[:5000]])
    check_values(spectral_mean_std, framed, librosa_series(framed))


def check_values(module, signal, series):
    for name, value in zip(module.names(), module.extract(signal).tolist(), strict=True):
        of, statistic = name.rsplit("_", 1)
        expected = STATISTICS[statistic](series[of])
        # Near 0 what counts is the size of what was averaged.
        size = 0 if statistic in ("skewness", "kurtosis") else float(np.abs(series[of]).max())
        assert value == pytest.approx(expected, rel=1e-4, abs=1e-6 * size), name


def test_voting180_is_the_mean_over_frames(signal, series):
    magnitude = np.abs(librosa.stft(signal))
    parts = (
        feature.mfcc(y=signal, sr=RATE_HZ, n_mfcc=40),
        feature.chroma_stft(S=magnitude, sr=RATE_HZ),
        series["mel_power"],
    )
    expected = np.concatenate([rows.mean(axis=1) for rows in parts])
    np.testing.assert_allclose(mfcc_chroma_mel.extract(signal), expected, rtol=1e-4, atol=1e-4)


def test_moments_of_a_constant_have_no_shape():
    assert spectral_moments.moments(np.full((3, 4), 0.1, "f4")).tolist()[5:] == [0, 0]


@pytest.mark.parametrize("gain", [0.25, 4.0])
def test_a_gain_scales_energy_and_leaves_the_rest(signal, gain):
    scaled = {"rms": gain, "mel_power": gain**2}
    for module in (spectral_moments, spectral_mean_std):
        own, louder = (
            dict(zip(module.names(), module.extract(y).tolist(), strict=True))
            for y in (signal, gain * signal)
        )
        for name, value in own.items():
            of, statistic = name.rsplit("_", 1)
            if of == "mfcc":
                continue  # its first coefficient is the level in dB
            factor = 1 if statistic in ("skewness", "kurtosis") else scaled.get(of, 1)
            assert louder[name] == pytest.approx(factor * value, rel=2e-3, abs=1e-4), name


@pytest.mark.real_data
@pytest.mark.parametrize(
    "module", [spectral_moments, spectral_mean_std], ids=lambda module: module.NAME
)
def test_real_speech_agrees_with_librosa(module, shared_data):
    from multimodal_ser.audio import signal as reader

    path = sorted((shared_data / "ravdess" / "speech_audio").rglob("*.flac"))[77]
    y = reader.read(path)
    got = dict(zip(module.names(), module.extract(y).tolist(), strict=True))
    chroma = feature.chroma_stft(y=y, sr=RATE_HZ)
    contrast = feature.spectral_contrast(y=y, sr=RATE_HZ)
    assert got["chroma_mean"] == pytest.approx(chroma.mean(), rel=1e-4)
    assert got["contrast_db_std"] == pytest.approx(contrast.std(), rel=1e-4)
    assert got["flatness_std"] == pytest.approx(feature.spectral_flatness(y=y).std(), rel=1e-4)


@pytest.mark.real_data
@pytest.mark.parametrize("clip", ["Actor_20/03-01-02-01-02-01-20", "Actor_14/03-01-02-02-02-02-14"])
def test_real_speech_after_digital_silence_agrees_with_librosa(clip, shared_data):
    from multimodal_ser.audio import signal as reader

    y = reader.read(shared_data / "ravdess" / "speech_audio" / f"{clip}.flac")
    assert not y[:10_000].any()
    got = dict(zip(spectral_mean_std.names(), spectral_mean_std.extract(y).tolist(), strict=True))
    tonnetz, cens = feature.tonnetz(y=y, sr=RATE_HZ), feature.chroma_cens(y=y, sr=RATE_HZ)
    assert got["tonnetz_mean"] == pytest.approx(tonnetz.mean(), rel=1e-4)
    assert got["tonnetz_std"] == pytest.approx(tonnetz.std(), rel=1e-4)
    assert got["cens_mean"] == pytest.approx(cens.mean(), rel=1e-4)
    assert got["cens_std"] == pytest.approx(cens.std(), rel=1e-4)
