"""What a recording's level, silence and bandwidth must not change."""

import subprocess
import sys

import numpy as np
import pytest

from multimodal_ser.audio import utterance
from multimodal_ser.audio.features import robust_convolutions, robust_functionals, robust_log_mel
from multimodal_ser.errors import SerError

SETS = (robust_functionals, robust_convolutions, robust_log_mel)
RATE_HZ = utterance.RATE_HZ


def voice(seconds=1.5, seed=0):
    """Return syllables of a gliding harmonic tone, with gaps between them."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = 140 + 40 * np.sin(2 * np.pi * 0.7 * times)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    tone = sum(np.sin(k * phase) / k for k in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * 3 * times), 0, 1) ** 0.5
    return (0.1 * tone * envelope + 1e-5 * rng.standard_normal(len(times))).astype(np.float32)


def similar(one, two):
    """Return the correlation of what two recordings have, of frames that of their means.

    Frames end 40 dB below the utterance's mean, as for what learns from them.
    """
    one, two = (np.maximum(x, -40).mean(axis=0) if x.ndim > 1 else x for x in (one, two))
    return np.corrcoef(one, two)[0, 1]


@pytest.mark.parametrize("module", SETS)
@pytest.mark.parametrize("gain_db", [-40, -6, 6, 20])
def test_level_changes_nothing(module, gain_db):
    signal = voice()
    louder = signal * np.float32(10 ** (gain_db / 20))
    np.testing.assert_allclose(module.extract(louder), module.extract(signal), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("module", SETS)
def test_silence_around_the_utterance_changes_little(module):
    signal = voice()
    padded = np.concatenate([np.zeros(16000), signal, np.zeros(24000)]).astype(np.float32)
    assert similar(module.extract(padded), module.extract(signal)) > 0.97


def test_the_utterance_is_found_in_silence_and_in_noise():
    signal, rng = voice(), np.random.default_rng(1)
    around = np.zeros(16000, np.float32)
    padded = np.concatenate([around, signal, around])
    noisy = padded + 0.003 * rng.standard_normal(len(padded)).astype(np.float32)
    for recording in (padded, noisy):
        assert abs(len(utterance.utterance(recording)) - len(signal)) < 0.25 * RATE_HZ


def test_frames_of_a_long_utterance_are_those_with_the_most_energy():
    loud, soft = voice(2.0), 0.05 * voice(4.0, seed=1)
    frames = robust_log_mel.extract(np.concatenate([soft, loud, soft]))
    alone = robust_log_mel.extract(loud)
    # The loud part, and some of the soft around it.
    assert frames.shape == alone.shape
    assert (frames.max(axis=1) > 0).mean() > 0.3


def test_a_short_utterance_is_repeated():
    frames = robust_log_mel.extract(voice(1.0))
    length = len(utterance.log_mel(voice(1.0)))
    np.testing.assert_array_equal(frames[length : length + 10], frames[:10])


@pytest.mark.parametrize("signal", [np.zeros(0), np.full(100, np.nan), np.zeros((2, 100))])
def test_what_is_no_sound_is_refused(signal):
    with pytest.raises(SerError):
        utterance.utterance(np.asarray(signal, np.float32))


def test_digital_silence_comes_back_as_it_is():
    silence = np.zeros(3000, np.float32)
    np.testing.assert_array_equal(utterance.utterance(silence), silence)
    assert (utterance.log_mel(silence) == utterance.FLOOR_DB).all()


def test_the_high_pass_is_scipys():
    from scipy.signal import butter, sosfilt

    click = np.eye(1, 3000)[0]
    expected = sosfilt(butter(2, 80, "highpass", fs=RATE_HZ, output="sos"), click)
    found = np.zeros(3000)
    found[: len(utterance._high_pass())] = utterance._high_pass()
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_prediction_does_not_wait_for_scipys_filters():
    code = (
        "import sys, numpy as np\n"
        "from multimodal_ser.audio.features import robust_functionals as f\n"
        "f.extract(np.sin(np.arange(16000, dtype=np.float32)))\n"
        "sys.exit('scipy.signal' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("function", [utterance.utterance, utterance.log_mel])
def test_what_is_remembered_of_a_signal_is_nobody_elses(function):
    signal, other = voice(), voice(seed=1)
    fresh = [function.__wrapped__(one).tobytes() for one in (signal, other)]
    function(signal)[:] = 7  # changing an answer changes no later one
    assert function(signal).tobytes() == fresh[0]
    signal[:] = other  # nor does a signal stay what it was by being the same array
    assert function(signal).tobytes() == fresh[1]
    assert function(signal[::-1][::-1]).tobytes() == fresh[1]


def test_long_signals_are_not_remembered(monkeypatch):
    monkeypatch.setattr(utterance, "_REMEMBERED_SAMPLES", 1000)
    seen = []
    remembered = utterance._once(lambda signal: seen.append(len(signal)) or signal)
    for n_samples in (1001, 1001, 1000, 1000):
        remembered(np.ones(n_samples, np.float32))
    assert seen == [1001, 1001, 1000]
