import numpy as np
import pytest
import soundfile as sf

from multimodal_ser.audio.waveform import RATE_HZ, peaks
from multimodal_ser.errors import MediaError


def wav(folder, sound, rate_hz=RATE_HZ):
    path = folder / "sound.wav"
    sf.write(path, np.asarray(sound, np.float32), rate_hz, subtype="FLOAT")
    return path


def test_every_extreme_of_the_sound_is_in_its_column(tmp_path):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * RATE_HZ).astype(np.float32)
    sound[12_345], sound[70_000] = 0.9, -0.8
    found = peaks(wav(tmp_path, sound), 50)
    rows = sound.reshape(50, -1)
    np.testing.assert_allclose(found, np.stack([rows.min(axis=1), rows.max(axis=1)], 1), atol=1e-6)


def test_the_other_rate_has_the_same_shape(tmp_path):
    times = np.arange(3 * 48_000) / 48_000
    sound = np.sin(2 * np.pi * 200 * times) * np.linspace(0, 1, len(times))
    found = peaks(wav(tmp_path, sound, 48_000), 30)
    np.testing.assert_allclose(found[:, 1], np.linspace(0, 1, 31)[1:], atol=0.03)
    np.testing.assert_allclose(found[:, 0], -found[:, 1], atol=0.03)


def test_what_an_image_goes_on_beyond_the_sound_is_silence(tmp_path):
    found = peaks(wav(tmp_path, np.full(RATE_HZ, 0.5)), 40, length_s=4.0)
    assert found.shape == (40, 2)
    assert (found[:9] == 0.5).all() and (found[11:] == 0).all()


@pytest.mark.parametrize("samples", [0, 1, 79, 81])
def test_a_sound_of_hardly_anything(tmp_path, samples):
    assert peaks(wav(tmp_path, np.ones(samples))).shape == (-(-samples // 80), 2)


def test_what_has_no_sound_is_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound at all")
    with pytest.raises(MediaError):
        peaks(tmp_path / "a.wav")
