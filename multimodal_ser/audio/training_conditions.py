"""Recording conditions from which a model learns.

They cover what recordings of other people are like without being what the model
is judged by: no noise and no room of :mod:`multimodal_ser.audio.conditions` is
used here, codecs run at other bit rates, filters at edges drawn at random.
"""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio import channels
from multimodal_ser.audio.signal import check_signal

#: Raised when the same draw changes a recording in another way than before.
VERSION = 1

_SNR_DB = (3.0, 35.0)
_RT60_S = (0.1, 1.2)
#: How often each step of :func:`augment_recording` happens.
_CHANCES = {"room": 0.35, "noise": 0.6, "colour": 0.5, "level": 0.5, "channel": 0.5, "ends": 0.4}


def coloured_noise(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise of a random spectral slope, one broad band of it raised, that comes and goes.

    Returns:
        float64 ``(n_samples,)``: -9 to 3 dB an octave, modulated at up to 10 Hz.
    """
    n = 1 << (n_samples - 1).bit_length()
    hz = np.maximum(np.fft.rfftfreq(n, 1 / rate_hz), 30.0)
    octaves = np.log2(hz / 1000)
    bump_db = rng.uniform(0, 15) * np.exp(-(((octaves - rng.uniform(-3, 2.5)) / 0.7) ** 2))
    gain_db = rng.uniform(-9, 3) * octaves + bump_db
    bins = np.exp(2j * np.pi * rng.random(len(hz))) * 10 ** (gain_db / 20)
    return np.fft.irfft(bins, n)[:n_samples] * _slow(n_samples, rate_hz, rng)


def chatter(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return streams of noise in the bands of speech, each with a rhythm of its own.

    What a vocoder leaves of several voices: envelopes at the rate of syllables
    without any pitch.

    Returns:
        float64 ``(n_samples,)``.
    """
    out = np.zeros(n_samples)
    for _ in range(rng.integers(2, 9)):
        low_hz = rng.uniform(150, 1500)
        stream = channels.filtered(
            rng.standard_normal(n_samples),
            rate_hz,
            above_hz=low_hz,
            below_hz=low_hz * rng.uniform(1.5, 4),
            order=2,
        )
        out += stream * _slow(n_samples, rate_hz, rng, fastest_hz=6) ** 2
    return out


def drone(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return a few gliding partials with tremolo: engines, horns, held notes.

    Returns:
        float64 ``(n_samples,)``.
    """
    times, out = np.arange(n_samples) / rate_hz, np.zeros(n_samples)
    for _ in range(rng.integers(2, 9)):
        hz = np.exp(rng.uniform(np.log(60), np.log(0.4 * rate_hz)))
        glide = rng.uniform(-0.05, 0.05) * hz
        phase = hz * times + glide * times**2 / 2 + rng.random()
        out += rng.random() * np.sin(2 * np.pi * phase)
    return out * _slow(n_samples, rate_hz, rng)


def bursts(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return short noises that swell and die away, one to five a second.

    Returns:
        float64 ``(n_samples,)``, over a floor of noise 20 dB below.
    """
    out = 0.1 * rng.standard_normal(n_samples)
    for _ in range(1 + rng.poisson(rng.uniform(1, 5) * n_samples / rate_hz)):
        start, length = int(rng.integers(n_samples)), int(rate_hz * rng.uniform(0.05, 0.4))
        times = np.linspace(0, rng.uniform(4, 12), min(length, n_samples - start))
        noise = channels.filtered(
            rng.standard_normal(len(times)), rate_hz, above_hz=rng.uniform(50, 2500)
        )
        out[start : start + len(times)] += rng.random() * noise * times * np.exp(1 - times)
    return out


NOISES = (coloured_noise, chatter, drone, bursts)


def reflections(rate_hz: int, rng: np.random.Generator, *, rt60_s: float) -> np.ndarray:
    """Return a room's impulse response: single reflections, then a tail of sparse pulses.

    The tail is velvet noise (Karjalainen & Jarvelainen, AES 30th conference,
    2007), pulses of either sign, that decays fast at first and slowly later, as
    in coupled rooms.

    Args:
        rate_hz: sampling rate.
        rng: draws the room.
        rt60_s: time after which the slower decay has fallen by 60 dB.

    Returns:
        float64 ``(n,)``; the direct sound is the first sample, of height 1.

    Example:
        >>> float(reflections(16000, np.random.default_rng(0), rt60_s=0.4)[0])
        1.0
    """
    n = max(2, round(rt60_s * rate_hz))
    times = np.arange(n) / rate_hz
    pulses = (rng.random(n) < 2000 / rate_hz) * rng.choice([-1.0, 1.0], n)
    share = rng.uniform(0.1, 0.6)
    decay = (1 - share) * 10 ** (-9 * times / rt60_s) + share * 10 ** (-3 * times / rt60_s)
    response = pulses * decay * np.minimum(times / rng.uniform(0.005, 0.04), 1)
    early = rng.integers(1, max(2, min(n, round(0.06 * rate_hz))), rng.integers(3, 20))
    response[early] += rng.choice([-1, 1], len(early)) * 0.6 / (1 + times[early] * 200)
    # From mostly direct sound to mostly room.
    response *= 10 ** (rng.uniform(-8, 5) / 20) / np.linalg.norm(response)
    response[0] = 1.0
    return response


def augment_recording(signal: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return a recording as it might have been made elsewhere.

    In the order of nature: a room, noise, the microphone's colour, the level,
    then a telephone, codec or lower rate; ends are cropped or filled at last.
    Each happens or not.

    Args:
        signal: float32 mono ``(n_samples,)``, -1 to 1; it is not changed.
        rate_hz: sampling rate, 8000 or more.
        rng: draws everything.

    Returns:
        float32 ``(n,)``, with changed ends a little shorter, or up to 1 s longer.

    Raises:
        SerError: the signal is empty, not mono or not finite.

    Example:
        >>> tone = np.sin(np.arange(16000, dtype=np.float32))
        >>> augment_recording(tone, 16000, np.random.default_rng(3)).dtype.name
        'float32'
    """
    signal = check_signal(signal)
    happens = {step: rng.random() < chance for step, chance in _CHANCES.items()}
    if happens["room"]:
        response = reflections(rate_hz, rng, rt60_s=rng.uniform(*_RT60_S))
        signal = channels.convolved(signal, response)
    if happens["noise"]:
        noise = NOISES[rng.integers(len(NOISES))](len(signal), rate_hz, rng)
        signal = channels.mixed(signal, noise, rate_hz, snr_db=rng.uniform(*_SNR_DB))
    if happens["colour"]:
        signal = _coloured(signal, rate_hz, rng)
    if happens["level"]:
        signal = _level(signal, rng)
    if happens["channel"]:
        signal = _channel(signal, rate_hz, rng)
    if happens["ends"]:
        signal = _ends(signal, rate_hz, rng)
    return np.asarray(signal, np.float32)


def _slow(
    n_samples: int, rate_hz: int, rng: np.random.Generator, fastest_hz: float = 10
) -> np.ndarray:
    """Return a random envelope, 0 to 1."""
    knots = 2 + int(n_samples / rate_hz * rng.uniform(0.5, fastest_hz))
    depth = rng.random()
    heights = 1 - depth * rng.random(knots)
    return np.interp(np.linspace(0, knots - 1, n_samples), np.arange(knots), heights)


def _coloured(signal: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    # A smooth curve over octaves, of 4 dB standard deviation and a tilt.
    n = 1 << len(signal).bit_length()
    hz = np.maximum(np.fft.rfftfreq(n, 1 / rate_hz), 60)
    octaves = np.log2(hz / 60)
    curve = rng.normal(0, 4, 9) + rng.uniform(-2, 2) * np.arange(9)
    gain_db = np.interp(octaves, np.arange(9), curve - curve.mean())
    changed = np.fft.irfft(np.fft.rfft(signal, n) * 10 ** (gain_db / 20), n)
    return changed[: len(signal)].astype(np.float32)


def _level(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.3:
        signal = channels.clipped(signal, share=10 ** rng.uniform(-4, -1.3))
    return signal * np.float32(10 ** (rng.uniform(-30, 12) / 20))


def _channel(signal: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    kind = rng.choice(["telephone", "rate", "filter", "amr_nb", "mp3", "opus"])
    if kind == "telephone":
        low_hz, high_hz = rng.uniform(150, 450), rng.uniform(2600, 3800)
        return channels.telephone(signal, rate_hz, above_hz=low_hz, below_hz=high_hz)
    if kind == "rate":
        return channels.resampled(signal, rate_hz, to_hz=int(rng.integers(6500, 15_500)))
    if kind == "filter":
        low_hz, high_hz = rng.uniform(30, 300), rng.uniform(3000, 10_000)
        order = int(rng.integers(1, 5))
        return channels.filtered(signal, rate_hz, above_hz=low_hz, below_hz=high_hz, order=order)
    rates = {"amr_nb": (4750, 5900, 10_200, 12_200), "mp3": (24_000, 32_000, 64_000)}
    bits_per_s = int(rng.choice(rates.get(kind, (8000, 12_000, 16_000, 32_000))))
    codec_rate_hz = 8000 if kind == "amr_nb" else 16_000
    return channels.coded(
        signal, rate_hz, str(kind), codec_rate_hz=codec_rate_hz, bits_per_s=bits_per_s
    )


def _ends(signal: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    lead, tail = (rng.uniform(-0.1, 0.5, 2) * rate_hz).astype(int)
    if len(signal) > rate_hz // 2:  # nothing is cropped off half a second
        signal = signal[max(0, -lead) : len(signal) - max(0, -tail)]
    floor = 10 ** rng.uniform(-5, -2.5) * np.abs(signal).max()
    lead, tail = max(0, lead), max(0, tail)
    filled = np.pad(signal, (lead, tail))
    filled[:lead] = floor * rng.standard_normal(lead)
    filled[len(filled) - tail :] = floor * rng.standard_normal(tail)
    return filled
