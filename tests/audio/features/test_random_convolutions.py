import librosa
import numpy as np
import pytest
from scipy.signal import correlate2d

from multimodal_ser.audio.features import (
    functionals,
    functionals_and_convolutions,
    log_mel,
    random_convolutions,
)


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    return rng.uniform(-80, 0, (300, log_mel.N_MELS)).astype("f4")


@pytest.mark.parametrize("dilation", random_convolutions.DILATIONS_FRAMES)
def test_a_response_is_the_correlation_with_the_whole_kernel(dilation, frames):
    bands, moments = random_convolutions.kernels(dilation)
    found = random_convolutions.responses(frames, dilation)
    beyond = 4 * dilation
    around = np.pad((frames + 40.0) / 20.0, ((beyond, beyond), (0, 0)), mode="edge")
    for at in (0, 1, 57, 99):
        spread = np.zeros((8 * dilation + 1, log_mel.N_MELS))
        spread[::dilation] = np.outer(moments[:, at], bands[:, at])
        assert np.linalg.norm(spread) == pytest.approx(1, rel=1e-6)
        expected = correlate2d(around, spread, mode="valid")[:, 0]
        np.testing.assert_allclose(found[at], expected, atol=1e-4)


def test_kernels_never_change():
    """Models were trained with these: another draw is another feature set."""
    bands, moments = random_convolutions.kernels(4)
    np.testing.assert_allclose(moments[:3, 0], [-0.1338136, -0.0092069, -0.4429003], atol=1e-6)
    seen = np.flatnonzero(bands[:, 0])
    assert (seen[0], len(seen)) == (5, 20)


def test_kernels_see_six_to_twenty_four_bands_and_half_of_them_change_alone():
    for dilation in random_convolutions.DILATIONS_FRAMES:
        bands, moments = random_convolutions.kernels(dilation)
        widths = (bands != 0).sum(axis=0)
        assert 6 <= widths.min() < widths.max() <= 24
        assert (np.abs(moments.sum(axis=0)) < 1e-5).sum() == random_convolutions.N_KERNELS // 2
        constant = np.full((300, log_mel.N_MELS), -13.0, "f4")
        still = random_convolutions.responses(constant, dilation)
        np.testing.assert_allclose(still[1::2], 0, atol=1e-5)
        assert np.abs(still[::2]).min() > 1e-3


def test_quantiles_rise_and_frame_the_mean():
    rng = np.random.default_rng(1)
    sound = (rng.standard_normal(40_000) * np.hanning(40_000)).astype("f4")
    count = len(random_convolutions.QUANTILES)
    values = random_convolutions.extract(sound).reshape(
        len(random_convolutions.DILATIONS_FRAMES), count + 2, -1
    )
    assert (np.diff(values[:, :count], axis=1) >= 0).all()
    assert (values[:, 0] <= values[:, count]).all()
    assert (values[:, count] <= values[:, count - 1]).all()
    names = np.array(random_convolutions.names()).reshape(values.shape)
    assert names[1, 0, 2] == "kernel_003_every_20ms_p00"
    assert names[4, count + 1, 99] == "kernel_100_every_160ms_std"


def test_the_place_of_the_voice_hardly_matters():
    rng = np.random.default_rng(2)
    voice = rng.standard_normal(24_000) * np.hanning(24_000)
    silence = np.zeros(16_000)
    early = np.concatenate([silence[:8000], voice, silence]).astype("f4")
    late = np.concatenate([silence, voice, silence[:8000]]).astype("f4")
    values = random_convolutions.extract(early)
    assert np.abs(random_convolutions.extract(late) - values).mean() < 0.02 * values.std()


def test_loudness_matters_to_the_kernels_that_see_more_than_change():
    noise = np.random.default_rng(3).standard_normal(48_000).astype("f4")
    shape = (len(random_convolutions.DILATIONS_FRAMES), -1, random_convolutions.N_KERNELS)
    loud, soft = (random_convolutions.extract(level * noise).reshape(shape) for level in (1, 0.25))
    np.testing.assert_allclose(soft[..., 1::2], loud[..., 1::2], atol=1e-3)
    levels = (
        loud[:, len(random_convolutions.QUANTILES)] - soft[:, len(random_convolutions.QUANTILES)]
    )
    assert np.abs(levels[:, ::2]).mean() > 0.1


def test_the_voice_is_both_its_kernels_at_their_own_rate():
    times = np.arange(3 * 48_000) / 48_000
    sound = sum(np.sin(2 * np.pi * hz * times) for hz in (220, 440, 1760, 3300))
    sound *= 0.1 * np.hanning(len(times)) * (1 + 0.5 * np.sin(2 * np.pi * 4 * times))
    sound += 0.003 * np.random.default_rng(4).standard_normal(len(times))
    high, low = (
        librosa.resample(sound, orig_sr=48_000, target_sr=rate).astype("f4")
        for rate in (functionals_and_convolutions.RATE_HZ, random_convolutions.RATE_HZ)
    )
    first, second = np.split(functionals_and_convolutions.extract(high), [len(functionals.names())])
    np.testing.assert_array_equal(first, functionals.extract(high))
    expected = random_convolutions.extract(low)
    assert np.abs(second - expected).mean() < 0.02 * expected.std()
    assert functionals_and_convolutions.names() == (
        *functionals.names(),
        *random_convolutions.names(),
    )
