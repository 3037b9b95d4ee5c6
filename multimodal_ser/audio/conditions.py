"""Recording conditions under which a finished model is evaluated.

The list and most of its numbers follow audEERING's ser-tests (Derington et al.,
"Testing correctness, fairness, and robustness of speech emotion recognition
models", arXiv 2312.06270; https://audeering.github.io/ser-tests/). Its noises
and rooms are recordings; here they are synthesised, so that nothing has to be
downloaded. Training draws its own from
:mod:`multimodal_ser.audio.training_conditions`, and shares none of them: what a
model is judged by it has not heard.

Each condition is settled by the recording's seed and the condition's name:
the same recording is changed in the same way whenever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from multimodal_ser.audio import channels
from multimodal_ser.errors import SerError, UnknownName

#: Raised when a condition changes a recording in another way than before.
VERSION = 1

#: Signal, rate in Hz, generator -> signal.
Change = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
#: Number of samples, rate in Hz, generator -> noise.
Noise = Callable[[int, int, np.random.Generator], np.ndarray]

#: A talker of the directivity 2, a metre from the microphone, in a room of 60 m3.
_DIRECTIVITY, _DISTANCE_M, _VOLUME_M3 = 2.0, 1.0, 60.0
_FIRST_REFLECTION_S = 0.0025
#: First three formants of five vowels in Hz (Peterson & Barney 1952, men).
_FORMANTS_HZ = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
_FORMANT_WIDTHS_HZ = (80, 100, 140)


class Condition(NamedTuple):
    """A way in which a recording may differ from a clean one.

    Attributes:
        name: short, with units.
        meaning: what is done, for tables and pages.
        change: signal ``(n,)``, rate in Hz, generator -> signal.
        keeps_length: whether as many samples come out as went in.
    """

    name: str
    meaning: str
    change: Change
    keeps_length: bool = True


def white_noise(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return white Gaussian noise, float64 ``(n_samples,)``."""
    return rng.standard_normal(n_samples)


def pink_noise(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return Gaussian noise whose power falls by 3 dB an octave above 20 Hz.

    Example:
        >>> noise = pink_noise(2**16, 16000, np.random.default_rng(0))
        >>> power = abs(np.fft.rfft(noise)) ** 2
        >>> octaves = [power[2**k : 2 ** (k + 1)].sum() for k in (9, 12)]
        >>> bool(0.8 < octaves[0] / octaves[1] < 1.25)
        True
    """
    n = 1 << (n_samples - 1).bit_length()  # transforms of other lengths may take ten times as long
    hz = np.maximum(np.fft.rfftfreq(n, 1 / rate_hz), 20.0)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) / np.sqrt(hz), n)[:n_samples]


def babble(
    n_samples: int, rate_hz: int, rng: np.random.Generator, *, voices: int = 6
) -> np.ndarray:
    """Return several synthetic voices speaking at once.

    Each is a buzz of gliding pitch through the formants of a vowel, another one
    about four times a second, with hisses and pauses between; together they have
    about the long-term spectrum of speech.

    Args:
        n_samples: of the result.
        rate_hz: sampling rate.
        rng: draws voices and syllables.
        voices: how many; ser-tests mixes 4 to 7.

    Returns:
        float64 ``(n_samples,)``.
    """
    return sum((_voice(n_samples, rate_hz, rng) for _ in range(voices)), np.zeros(n_samples))


def _voice(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    pitch_hz, tract, parts, n = rng.uniform(90, 240), rng.uniform(0.9, 1.2), [], 0
    skipped = int(rng.integers(rate_hz // 4 + 1))  # it began before the recording did
    while n < skipped + n_samples:
        syllable = _syllable(int(rate_hz * rng.uniform(0.12, 0.35)), rate_hz, pitch_hz, tract, rng)
        parts += [syllable, np.zeros(int(rate_hz * rng.exponential(0.05)))]
        n += len(parts[-2]) + len(parts[-1])
    return np.concatenate(parts)[skipped : skipped + n_samples]


def _syllable(
    length: int, rate_hz: int, pitch_hz: float, tract: float, rng: np.random.Generator
) -> np.ndarray:
    from scipy.signal import lfilter

    hz = pitch_hz * np.linspace(rng.uniform(0.85, 1.25), rng.uniform(0.8, 1.1), length)
    buzz = 2 * (np.cumsum(hz / rate_hz) % 1) - 1
    sound = (buzz + 0.05 * rng.standard_normal(length)) * np.hanning(length)
    sound = lfilter([1, -0.85], [1], sound)  # what radiates from the lips
    for formant_hz, width_hz in zip(rng.choice(_FORMANTS_HZ), _FORMANT_WIDTHS_HZ, strict=True):
        if formant_hz * tract < 0.45 * rate_hz:
            sound = lfilter(*_resonance(formant_hz * tract, width_hz, rate_hz), sound)
    # A consonant's hiss, much softer than the vowel.
    hiss = np.diff(rng.standard_normal(length), prepend=0) * np.hanning(length) ** 8
    loudness = rng.uniform(0.01, 0.06) * np.abs(sound).max()
    return rng.uniform(0.3, 1) * (sound + loudness * np.roll(hiss, length // 2))


def _resonance(hz: float, width_hz: float, rate_hz: int) -> tuple[list[float], list[float]]:
    radius = np.exp(-np.pi * width_hz / rate_hz)
    poles = [1.0, -2 * radius * np.cos(2 * np.pi * hz / rate_hz), radius**2]
    return [sum(poles)], poles


def environment(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return a place with rumble, mains hum, gusts of broad-band noise and knocks.

    Returns:
        float64 ``(n_samples,)``.
    """
    times = np.arange(n_samples) / rate_hz
    rumble = _unit(channels.filtered(rng.standard_normal(n_samples), rate_hz, below_hz=120))
    gusts = pink_noise(n_samples, rate_hz, rng)
    beats = 2 * np.pi * (rng.uniform(0.2, 2, 3)[:, None] * times + rng.random((3, 1)))
    gusts = _unit(gusts * np.exp(np.sin(beats).sum(axis=0) / 2))
    hum = sum(np.sin(2 * np.pi * 50 * k * times) / k for k in range(1, 6))
    shares = rng.uniform(0.2, 1, 3)
    knocks = np.zeros(n_samples)
    for _ in range(rng.poisson(2 * n_samples / rate_hz) if n_samples else 0):
        start, hz = int(rng.integers(n_samples)), rng.uniform(200, 3000)
        tail = times[: n_samples - start]
        knocks[start:] += np.exp(-tail / rng.uniform(0.01, 0.06)) * np.sin(2 * np.pi * hz * tail)
    return shares[0] * rumble + shares[1] * gusts + 0.3 * shares[2] * hum + 2 * knocks


def music(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return chords of plucked notes over a beat.

    Returns:
        float64 ``(n_samples,)``.
    """
    period = np.arange(2048) / 2048
    timbre = rng.random(6) / np.arange(1, 7)
    wave = sum(a * np.sin(2 * np.pi * k * period) for k, a in enumerate(timbre, 1))
    beat_s, key_hz, out = 60 / rng.uniform(80, 150), rng.uniform(110, 220), np.zeros(n_samples)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    for start in range(0, n_samples, round(beat_s * rate_hz)):
        length = min(n_samples - start, round(1.5 * beat_s * rate_hz))
        times = np.arange(length) / rate_hz
        fades, root = np.exp(-times / rng.uniform(0.2, 0.6)), rng.integers(5)
        for step in scale[[root, (root + 2) % 8, (root + 4) % 8]]:
            phase = (key_hz * 2 ** (step / 12) * times) % 1
            out[start : start + length] += fades * wave[(phase * 2048).astype(int)]
        drum = np.exp(-times / 0.03) * rng.standard_normal(length)
        out[start : start + length] += 0.5 * drum
    return out


def cough(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return silence with one cough somewhere in it.

    A burst of noise of 30 to 50 ms and its decay of 200 to 300 ms, through the
    throat's resonances (Korpas, Sadlonova & Vrabec, "Analysis of the cough sound:
    an overview", Pulmonary Pharmacology 1996).

    Returns:
        float64 ``(n_samples,)``, exactly 0 outside the cough.
    """
    from scipy.signal import lfilter

    length = min(n_samples, int(rate_hz * rng.uniform(0.25, 0.4)))
    times = np.arange(length) / rate_hz
    burst_s, fade_s = rng.uniform(0.03, 0.05), rng.uniform(0.06, 0.1)
    shape = np.where(times < burst_s, 1.0, 0.5 * np.exp(-(times - burst_s) / fade_s))
    noise = rng.standard_normal(length)
    bands = ((rng.uniform(400, 700), 150), (rng.uniform(1200, 1800), 300))
    sound = sum(lfilter(*_resonance(hz, width, rate_hz), noise) for hz, width in bands)
    start, out = int(rng.integers(n_samples - length + 1)), np.zeros(n_samples)
    out[start : start + length] = (sound + 0.1 * noise) * shape
    return out


def room_response(
    rate_hz: int,
    rng: np.random.Generator,
    *,
    rt60_s: float,
    distance_m: float = _DISTANCE_M,
    volume_m3: float = _VOLUME_M3,
) -> np.ndarray:
    """Return a room's impulse response: the direct sound and a diffuse tail.

    The tail is Gaussian noise that decays by 60 dB in the reverberation time
    (J.-D. Polack, thesis, Le Mans 1988). It is as loud as a diffuse field is at
    this distance from a talker: the critical distance is 0.057 sqrt(Q V / RT60)
    metres (H. Kuttruff, Room Acoustics, section 5.1).

    Args:
        rate_hz: sampling rate.
        rng: draws the tail.
        rt60_s: reverberation time.
        distance_m: from mouth to microphone.
        volume_m3: of the room.

    Returns:
        float64 ``(n,)``; the direct sound is the first sample, of height 1.

    Example:
        >>> response = room_response(16000, np.random.default_rng(0), rt60_s=0.5)
        >>> len(response), float(response[0])
        (8000, 1.0)
    """
    times = np.arange(max(1, round(rt60_s * rate_hz))) / rate_hz
    tail = rng.standard_normal(len(times)) * 10 ** (-3 * times / rt60_s)
    tail[times < _FIRST_REFLECTION_S] = 0
    critical_m2 = 0.057**2 * _DIRECTIVITY * volume_m3 / rt60_s
    tail *= np.sqrt(distance_m**2 / critical_m2 / max(np.sum(tail**2), 1e-12))
    tail[0] = 1.0
    return tail


def _unit(noise: np.ndarray) -> np.ndarray:
    return noise / max(float(np.sqrt(np.mean(np.square(noise)))) if len(noise) else 0.0, 1e-12)


def _noisy(noise: Noise, snr_db: float) -> Change:
    def change(signal: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
        return channels.mixed(signal, noise(len(signal), rate_hz, rng), rate_hz, snr_db=snr_db)

    return change


def _gain(gain_db: float) -> Change:
    return lambda signal, rate_hz, rng: signal * np.float32(10 ** (gain_db / 20))


def _room(rt60_s: float) -> Change:
    return lambda signal, rate_hz, rng: channels.convolved(
        signal, room_response(rate_hz, rng, rt60_s=rt60_s)
    )


def _coded(codec: str, codec_rate_hz: int, bits_per_s: int) -> Change:
    return lambda signal, rate_hz, rng: channels.coded(
        signal, rate_hz, codec, codec_rate_hz=codec_rate_hz, bits_per_s=bits_per_s
    )


def _tone(signal: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    hz = rng.uniform(5000, 7000) if rate_hz > 14_000 else 0.4 * rate_hz
    tone = np.sin(2 * np.pi * (hz * np.arange(len(signal)) / rate_hz + rng.random()))
    return signal + np.abs(signal).max() * 10 ** (-40 / 20) * tone


def _silence_added(signal: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    return np.pad(signal, (rate_hz // 2, rate_hz))


def _start_cropped(signal: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    # Never more than half: what is left has to be a recording.
    return signal[min(round(0.0625 * rate_hz), len(signal) // 2) :]


def _phone_low_quality(signal: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    peak = np.abs(signal).max()
    if not peak:
        return signal
    near = channels.compressed(
        signal / peak, rate_hz, threshold_db=-20, ratio=0.8, smoothing_s=0.01
    )
    far = channels.coded(near, rate_hz, "amr_nb", codec_rate_hz=8000, bits_per_s=7400)
    hiss = 10 ** (-25 / 20) * _unit(pink_noise(len(signal), rate_hz, rng))
    hiss = channels.filtered(hiss, rate_hz, above_hz=3000, order=2)
    far = far / max(np.abs(far).max(), 1e-12) + hiss
    return far * (np.linalg.norm(signal) / np.linalg.norm(far))


_SUITE = (
    Condition("clean", "as recorded", lambda signal, rate_hz, rng: signal),
    Condition("gain_minus_20db", "20 dB softer", _gain(-20)),
    Condition("gain_plus_6db", "6 dB louder, not clipped", _gain(6)),
    Condition(
        "clipped",
        "the loudest 0.3 % of the samples cut off",
        lambda signal, rate_hz, rng: channels.clipped(signal, share=0.003),
    ),
    Condition("silence_added", "0.5 s of silence before, 1 s after", _silence_added, False),
    Condition("start_cropped", "the first 62.5 ms missing", _start_cropped, False),
    Condition("tone_40db", "a tone of 5 to 7 kHz, 40 dB below the peak", _tone),
    Condition(
        "high_pass",
        "150 Hz, first order",
        lambda signal, rate_hz, rng: channels.filtered(signal, rate_hz, above_hz=150),
    ),
    Condition(
        "low_pass",
        "6500 Hz, first order",
        lambda signal, rate_hz, rng: channels.filtered(signal, rate_hz, below_hz=6500),
    ),
    Condition(
        "rate_16khz",
        "resampled to 16 kHz",
        lambda signal, rate_hz, rng: channels.resampled(signal, rate_hz, to_hz=16_000),
    ),
    Condition(
        "rate_8khz",
        "resampled to 8 kHz",
        lambda signal, rate_hz, rng: channels.resampled(signal, rate_hz, to_hz=8000),
    ),
    Condition("mp3", "MP3 of 48 kbit/s", _coded("mp3", 24_000, 48_000)),
    Condition("opus", "Opus of 24 kbit/s", _coded("opus", 24_000, 24_000)),
    Condition(
        "phone",
        "300 to 3400 Hz, 8 kHz, 8 bits of mu-law",
        lambda signal, rate_hz, rng: channels.telephone(signal, rate_hz),
    ),
    Condition(
        "phone_low_quality",
        "compressed, AMR-NB of 7.4 kbit/s, pink noise above 3 kHz",
        _phone_low_quality,
    ),
    Condition("white_20db", "white noise at 20 dB", _noisy(white_noise, 20)),
    Condition("white_10db", "white noise at 10 dB", _noisy(white_noise, 10)),
    Condition("pink_20db", "pink noise at 20 dB", _noisy(pink_noise, 20)),
    Condition("pink_10db", "pink noise at 10 dB", _noisy(pink_noise, 10)),
    Condition("babble_20db", "six voices at 20 dB", _noisy(babble, 20)),
    Condition("babble_10db", "six voices at 10 dB", _noisy(babble, 10)),
    Condition(
        "environment_20db", "rumble, hum, gusts and knocks at 20 dB", _noisy(environment, 20)
    ),
    Condition(
        "environment_10db", "rumble, hum, gusts and knocks at 10 dB", _noisy(environment, 10)
    ),
    Condition("music_20db", "chords and beats at 20 dB", _noisy(music, 20)),
    Condition("music_10db", "chords and beats at 10 dB", _noisy(music, 10)),
    Condition("cough_10db", "a cough 10 dB below the speech", _noisy(cough, 10)),
    Condition("room_0.3s", "a room of RT60 0.3 s, 1 m away", _room(0.3)),
    Condition("room_0.8s", "a room of RT60 0.8 s, 1 m away", _room(0.8)),
)
_BY_NAME = {condition.name: condition for condition in _SUITE}
#: The evaluation suite, ``clean`` first.
NAMES = tuple(_BY_NAME)


def load(name: str) -> Condition:
    """Return a condition by its name.

    Raises:
        UnknownName: there is no such condition.

    Example:
        >>> load("phone").meaning
        '300 to 3400 Hz, 8 kHz, 8 bits of mu-law'
    """
    if name not in _BY_NAME:
        raise UnknownName("recording condition", name, NAMES)
    return _BY_NAME[name]


def apply(signal: np.ndarray, rate_hz: int, name: str, seed: int | Sequence[int] = 0) -> np.ndarray:
    """Return a recording as it would be under another condition.

    Args:
        signal: float32 mono ``(n_samples,)``, -1 to 1; it is not changed.
        rate_hz: sampling rate, 8000 or more.
        name: one of :data:`NAMES`.
        seed: not negative; with the name it settles what is drawn. Give each
            recording its own, see :func:`seed_of`.

    Returns:
        float32 ``(n_samples,)``; longer with ``silence_added``, shorter with
        ``start_cropped``. Digital silence stays silent.

    Raises:
        UnknownName: there is no such condition.
        SerError: the signal is empty, not mono or not finite, or its rate is
            below 8 kHz.

    Example:
        >>> tone = np.sin(np.arange(16000, dtype=np.float32))
        >>> apply(tone, 16000, "gain_plus_6db").max().round(3)
        np.float32(1.995)
    """
    from multimodal_ser.audio.signal import check_signal

    condition, signal = load(name), check_signal(signal)
    if rate_hz < 8000:
        raise SerError(f"the rate is {rate_hz} Hz; conditions are made for 8000 Hz or more")
    rng = np.random.default_rng([*np.atleast_1d(seed).tolist(), *name.encode()])
    return np.asarray(condition.change(signal, rate_hz, rng), np.float32)


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Return the conditions that some names mean, each once, without ``clean``.

    Args:
        names: of :data:`NAMES`, or ``all``.

    Raises:
        UnknownName: there is no such condition.

    Example:
        >>> chosen(["clean", "phone", "phone"]), len(chosen(["all"])) == len(NAMES) - 1
        (('phone',), True)
    """
    given = [one for name in names for one in (NAMES if name == "all" else (load(name).name,))]
    return tuple(name for name in dict.fromkeys(given) if name != NAMES[0])


class Recorded(NamedTuple):
    """A condition as the extraction of features takes it, see ``audio.extract.Change``.

    Attributes:
        name: one of :data:`NAMES`.
        seed: the recording's own, see :func:`seed_of`.
    """

    name: str
    seed: tuple[int, ...]

    @property
    def key(self) -> dict[str, Any]:
        """What a cache has to tell apart."""
        return {"condition": self.name, "conditions": VERSION, "seed": list(self.seed)}

    def __call__(self, signal: np.ndarray, rate_hz: int) -> np.ndarray:
        """Return the recording as :func:`apply` changes it."""
        return apply(signal, rate_hz, self.name, self.seed)


def seed_of(clip: str, seed: int = 0) -> list[int]:
    """Return a recording's own seed: the same id is always changed alike.

    Args:
        clip: its id.
        seed: of the whole evaluation.

    Example:
        >>> seed_of("01", 7)
        [7, 48, 49]
    """
    return [seed, *clip.encode()]
