"""The speech gate: voices pass at any level, what is no voice does not."""

import _no_speech
import numpy as np
import pytest
import soxr
from sklearn.metrics import roc_auc_score

from multimodal_ser.audio import signal, speech
from multimodal_ser.datasets import synthetic
from multimodal_ser.errors import SerError

RATE_HZ = speech.RATE_HZ


@pytest.fixture(scope="module")
def voices(tmp_path_factory) -> list[np.ndarray]:
    folder = tmp_path_factory.mktemp("voices")
    how = {"actors": 3, "rate_hz": RATE_HZ, "video": False, "workers": 1, "progress": False}
    synthetic.make_corpus(folder, **how)
    return [signal.read(path, rate_hz=RATE_HZ) for path in sorted(folder.rglob("*.wav"))]


def made(name: str, seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    return _no_speech.draw(_no_speech.TESTED[name], np.random.default_rng(seed), seconds)


def test_voices_are_told_from_every_other_sound(voices):
    heard = [speech.measure(voice) for voice in voices]
    assert {one.reason for one in heard} == {""}
    assert all(
        0.5 < one.voiced_seconds < len(v) / RATE_HZ for one, v in zip(heard, voices, strict=True)
    )
    others = [
        speech.measure(made(name, seed=s)).score for name in _no_speech.TESTED for s in (1, 2, 3)
    ]
    scores = [one.score for one in heard] + others
    assert roc_auc_score([1] * len(heard) + [0] * len(others), scores) > 0.98


@pytest.mark.parametrize("gain_db", [-30, -12, 6, 20])
def test_the_level_changes_nothing(voices, gain_db):
    for sound in (voices[3], made("violin"), made("rain")):
        there = speech.measure(sound)
        other = speech.measure(sound * np.float32(10 ** (gain_db / 20)))
        assert other.reason == there.reason
        assert other.score == pytest.approx(there.score, abs=1e-3)
        assert other.peak == pytest.approx(there.peak * 10 ** (gain_db / 20), rel=1e-3)


def telephone(sound):
    spectrum, hz = np.fft.rfft(sound), np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    return np.fft.irfft(spectrum * ((hz > 300) & (hz < 3400)), len(sound))


CHANGES = {
    "telephone": telephone,
    "silence around": lambda sound: np.pad(sound, 3 * RATE_HZ),
    "offset": lambda sound: sound + 0.2,
    "noise of 10 dB": lambda sound: (
        sound + np.random.default_rng(0).normal(0, np.sqrt(0.1 * (sound**2).mean()), len(sound))
    ),
    "8 kHz": lambda sound: soxr.resample(soxr.resample(sound, RATE_HZ, 8000), 8000, RATE_HZ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_voice_stays_a_voice(voices, change):
    passed = [speech.measure(CHANGES[change](voice)).reason == "" for voice in voices]
    assert np.mean(passed) >= 0.95


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros(RATE_HZ), speech.SILENCE),
        (np.full(RATE_HZ, 0.3), speech.SILENCE),
        (np.zeros(10), speech.SILENCE),
        (np.random.default_rng(0).normal(0, 1e-5, RATE_HZ), speech.SILENCE),
        (np.sin(2 * np.pi * 220 * np.arange(2 * RATE_HZ) / RATE_HZ), speech.OTHER),
        (np.sin(2 * np.pi * 7000 * np.arange(2 * RATE_HZ) / RATE_HZ), speech.OTHER),
        (np.random.default_rng(0).normal(0, 0.1, 2 * RATE_HZ), speech.OTHER),
        (np.ones(1), speech.SILENCE),
        (np.eye(1, 400)[0], speech.TOO_SHORT),
    ],
)
def test_what_is_no_speech_has_a_reason(sound, reason):
    assert speech.measure(np.float32(sound)).reason == reason


def test_a_piece_of_a_voice_is_too_short(voices):
    middle = len(voices[0]) // 2
    piece = voices[0][middle : middle + int(0.3 * RATE_HZ)]
    for sound in (piece, np.pad(piece, RATE_HZ)):
        assert speech.measure(sound).reason == speech.TOO_SHORT


@pytest.mark.parametrize("bad", [np.zeros(0), np.full(100, np.nan), np.zeros((2, 100))])
def test_what_is_no_signal_is_refused(bad):
    with pytest.raises(SerError):
        speech.measure(bad)


@pytest.mark.parametrize("name", sorted(_no_speech.FITTED | _no_speech.TESTED))
def test_generators_are_a_function_of_their_seed(name):
    sound = (_no_speech.FITTED | _no_speech.TESTED)[name]
    first, second = (_no_speech.draw(sound, np.random.default_rng(5), 1.0) for _ in "ab")
    assert first.shape == (RATE_HZ,) and np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)


@pytest.mark.real_data
def test_recorded_speech_passes(shared_data):
    silent = shared_data / "cremad" / "AudioOgg" / "1076_MTI_SAD_XX.ogg"
    assert speech.measure(signal.read(silent, rate_hz=RATE_HZ)).reason != ""
    for place in ("ravdess/speech_audio", "cremad/AudioOgg", "nemo", "tess"):
        paths = sorted((shared_data / place).rglob("*.[fo][lg][ag]*"))
        some = np.random.default_rng(0).choice([p for p in paths if p != silent], 100)
        heard = [speech.measure(signal.read(path, rate_hz=RATE_HZ)).reason == "" for path in some]
        assert np.mean(heard) >= 0.98, place
