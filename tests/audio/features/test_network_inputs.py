import librosa
import numpy as np
import pytest

from multimodal_ser.audio.features import (
    log_mel,
    mel_image,
    mel_image224,
    mfcc_image,
    spectrogram_image,
    waveform,
)

IMAGES = (spectrogram_image, mel_image, mel_image224, mfcc_image)


def tone(hz, rate_hz, seconds=1.0):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype("f4")


def test_log_mel_is_librosas():
    rng = np.random.default_rng(0)
    signal = (0.1 * rng.standard_normal(47_999)).astype("f4")
    expected = librosa.power_to_db(
        librosa.feature.melspectrogram(y=signal, sr=16000, n_fft=512, hop_length=160, n_mels=64)
    )
    np.testing.assert_allclose(log_mel.extract(signal), expected.T, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("hz", [200, 1000, 5000])
def test_a_tone_stands_in_its_band(hz):
    frames = log_mel.extract(tone(hz, 16000, seconds=2))
    centres = librosa.mel_frequencies(66, fmax=8000)[1:-1]
    assert abs(int(frames[150].argmax()) - int(np.abs(centres - hz).argmin())) <= 1
    assert frames[10].max() == frames.min()  # silence before the two seconds


def test_a_long_clip_gives_its_loudest_three_seconds():
    quiet = 0.01 * tone(300, 16000, seconds=4)
    signal = np.concatenate([quiet, tone(1000, 16000, seconds=3), quiet])
    np.testing.assert_array_equal(waveform.extract(signal)[:, 0], signal[64_000:112_000])
    frames = log_mel.extract(signal)
    assert (frames.max(axis=1) > frames.max() - 6).all()


def test_a_short_clip_stands_in_the_middle():
    samples = waveform.extract(np.ones(1000, "f4"))[:, 0]
    assert samples.sum() == 1000
    assert samples[23_500:24_500].all()


@pytest.mark.parametrize("module", IMAGES, ids=lambda module: module.NAME)
def test_pictures_use_the_whole_scale_and_no_level(module):
    rng = np.random.default_rng(0)
    fading = rng.standard_normal(30_000) * np.linspace(1, 0, 30_000) ** 3
    picture = module.extract((0.1 * fading).astype("f4"))
    assert picture.max() > 230
    assert picture.min() < 60
    quieter = module.extract((0.02 * fading).astype("f4"))
    assert np.abs(picture.astype(int) - quieter).max() <= 2


@pytest.mark.parametrize("module", [spectrogram_image, mel_image], ids=lambda module: module.NAME)
def test_high_is_up_and_late_is_right(module):
    signal = np.concatenate([np.zeros(22_050, "f4"), tone(2000, 22050)])
    band = np.abs(librosa.mel_frequencies(130, fmax=11025)[1:-1] - 2000).argmin()
    row = 127 - band if module is mel_image else 127 - 128 * 2000 / 11025
    picture = module.extract(signal).astype(int)
    assert picture[:, 100].argmax() == pytest.approx(row, abs=2)
    assert picture[:, 20].max() == 0
    assert picture[:, 100].max() > 100


def test_both_sizes_show_the_same():
    signal = tone(700, 22050, seconds=2) * np.linspace(0, 1, 44_100).astype("f4")
    small, large = mel_image.extract(signal), mel_image224.extract(signal)
    rows = np.array([small[:, 64].argmax() / 128, large[:, 112].argmax() / 224])
    assert np.ptp(rows) < 0.02
