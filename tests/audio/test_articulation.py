"""What a voice lets expect of a mouth."""

import numpy as np
import pytest

from multimodal_ser.audio import articulation
from multimodal_ser.errors import SerError

RATE = 16000


def syllables(rate_hz=RATE, seconds=3.0, per_second=4.0):
    """A buzz that comes and goes."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    loud = np.clip(np.sin(2 * np.pi * per_second * times), 0, None)
    buzz = sum(np.sin(2 * np.pi * 140 * n * times) / n for n in range(1, 20))
    return (0.1 * loud * buzz).astype(np.float32)


def test_a_mouth_opens_as_often_as_there_are_syllables():
    jaw = articulation.expected(syllables(), RATE)[:, 1]
    power = np.abs(np.fft.rfft(jaw - jaw.mean())) ** 2
    per_second = np.fft.rfftfreq(len(jaw), 1 / articulation.RATE_HZ)
    assert per_second[np.argmax(power)] == pytest.approx(4.0, abs=0.4)


def test_level_and_rate_change_nothing():
    given = articulation.expected(syllables(), RATE)
    np.testing.assert_allclose(articulation.expected(0.1 * syllables(), RATE), given, atol=0.25)
    other = articulation.expected(syllables(48000), 48000)
    assert np.corrcoef(other[:, 1], given[: len(other), 1])[0, 1] > 0.95


def test_silence_lets_expect_nothing():
    found = articulation.expected(np.zeros(RATE, np.float32), RATE)
    assert (
        found.shape == (34, 2) and np.isfinite(found).all() and np.ptp(found, axis=0).max() < 1e-3
    )


def test_no_signal_is_refused():
    with pytest.raises(SerError):
        articulation.expected(np.zeros(0, np.float32), RATE)
