import librosa
import numpy as np
import pytest

from multimodal_ser.audio.features import mfcc_rms
from multimodal_ser.errors import SerError


@pytest.fixture
def signal():
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(40_000)).astype("f4")


def named(values):
    return dict(zip(mfcc_rms.names(), values.tolist(), strict=True))


def test_values_are_librosas(signal):
    values = named(mfcc_rms.extract(signal))
    mfcc = librosa.feature.mfcc(y=signal, sr=22050, n_mfcc=13)
    delta2 = librosa.feature.delta(mfcc, order=2)
    assert values["mfcc_03_mean"] == pytest.approx(mfcc[2].mean(), rel=1e-4)
    assert values["mfcc_13_min"] == pytest.approx(mfcc[12].min(), rel=1e-4)
    assert values["delta_01_max"] == pytest.approx(librosa.feature.delta(mfcc)[0].max(), rel=1e-4)
    assert values["delta2_05_std"] == pytest.approx(delta2[4].std(), rel=1e-4)
    assert values["rms_mean"] == pytest.approx(librosa.feature.rms(y=signal).mean(), rel=1e-4)


def test_there_are_157_different_names():
    assert len(set(mfcc_rms.names())) == 157


def test_twice_as_loud_raises_energy_and_the_first_coefficient_alone(signal):
    soft, loud = named(mfcc_rms.extract(signal)), named(mfcc_rms.extract(2 * signal))
    assert loud["rms_mean"] == pytest.approx(2 * soft["rms_mean"], rel=1e-5)
    assert loud["mfcc_01_mean"] > soft["mfcc_01_mean"] + 10
    assert loud["mfcc_05_mean"] == pytest.approx(soft["mfcc_05_mean"], abs=1e-3)
    assert loud["delta_01_std"] == pytest.approx(soft["delta_01_std"], abs=1e-3)


@pytest.mark.parametrize("n_samples", [1, 100, 2047, 4000, 22050])
@pytest.mark.parametrize("kind", ["silence", "offset", "clipped", "noise"])
def test_any_signal_gives_finite_values(n_samples, kind, recwarn):
    signal = {
        "silence": np.zeros(n_samples, "f4"),
        "offset": np.full(n_samples, 0.5, "f4"),
        "clipped": np.sign(np.sin(np.arange(n_samples))).astype("f4"),
        "noise": np.random.default_rng(1).standard_normal(n_samples).astype("f4"),
    }[kind]
    values = mfcc_rms.extract(signal)
    assert values.shape == (157,)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert not recwarn.list


@pytest.mark.parametrize("bad", [np.zeros(0, "f4"), np.zeros((2, 100), "f4")])
def test_no_signal_is_a_clear_error(bad):
    with pytest.raises(SerError):
        mfcc_rms.extract(bad)
