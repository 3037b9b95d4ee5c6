"""Sounds without a voice, synthesised: those that the speech gate is fitted on, and others to test.

The two families share no generator: where both have noise, chords, melodies or drums, they
are made by other means. Each generator takes a ``numpy.random.Generator`` and a length in
samples at 16 kHz, and gives float64 ``(n_samples,)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RATE_HZ = 16000
Sound = Callable[[np.random.Generator, int], np.ndarray]


def draw(sound: Sound, rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Return one sound of a generator, at a random level.

    Args:
        sound: of :data:`FITTED` or :data:`TESTED`.
        rng: where its randomness comes from.
        seconds: its length.

    Returns:
        float32 ``(n_samples,)`` of a peak between -40 and -1 dB; silence stays silent.

    Example:
        >>> draw(TESTED["sine"], np.random.default_rng(0), 0.5).shape
        (8000,)
    """
    signal = sound(rng, round(seconds * RATE_HZ))
    peak = np.abs(signal).max()
    gain = 10 ** (rng.uniform(-40, -1) / 20) / peak if peak > 1e-3 else 1.0
    return (gain * signal).astype(np.float32)


def _times(n: int) -> np.ndarray:
    return np.arange(n) / RATE_HZ


def _hz(note: np.ndarray | float) -> np.ndarray:
    """Return the frequency of a note, counted in semitones above A at 55 Hz."""
    return 55.0 * 2 ** (np.asarray(note) / 12)


def _sine(phase_hz: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * np.cumsum(phase_hz) / RATE_HZ)


def coloured(rng: np.random.Generator, n: int, slope: float) -> np.ndarray:
    """Return noise whose power falls by ``slope`` times 3 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1) ** (slope / 2), n)


def _gated(rng: np.random.Generator, n: int, signal: np.ndarray) -> np.ndarray:
    """Return a signal that is switched on and off a few times."""
    at = np.sort(rng.uniform(0, n, 2 * rng.integers(1, 4)))
    on = np.searchsorted(at, np.arange(n)) % 2
    ramp = np.hanning(int(0.02 * RATE_HZ))
    return signal * np.convolve(on, ramp / ramp.sum(), "same")


def _places(rng: np.random.Generator, n: int, each_s: float) -> np.ndarray:
    """Return the first samples of a rhythm of so many seconds a beat, some beats missing."""
    beats = np.arange(0, n, int(each_s * RATE_HZ))
    return beats[rng.random(len(beats)) < 0.85] if len(beats) > 2 else beats


def _added(n: int, parts: list[tuple[int, np.ndarray]]) -> np.ndarray:
    total = np.zeros(n)
    for start, part in parts:
        total[start : start + len(part)] += part[: n - start]
    return total


# For fitting ---------------------------------------------------------------------------


def _steady_tone(rng: np.random.Generator, n: int) -> np.ndarray:
    tone = _sine(np.full(n, np.exp(rng.uniform(np.log(70), np.log(4000)))))
    return tone if rng.random() < 0.5 else _gated(rng, n, tone)


def _buzz(rng: np.random.Generator, n: int) -> np.ndarray:
    """A sawtooth or a square, low-passed."""
    hz, phase = np.exp(rng.uniform(np.log(50), np.log(900))), rng.random()
    saw = (hz * _times(n) + phase) % 1 - 0.5
    wave = saw if rng.random() < 0.5 else np.sign(saw)
    width = int(rng.integers(1, 12))
    return np.convolve(wave, np.ones(width) / width, "same")


def _organ_chord(rng: np.random.Generator, n: int) -> np.ndarray:
    root, kind = rng.uniform(12, 40), [(0, 4, 7), (0, 3, 7), (0, 5, 9), (0, 4, 7, 10)]
    notes = root + np.array(kind[rng.integers(4)])
    drawbars = rng.random(6) / np.arange(1, 7)
    times = _times(n)
    partials = (
        bar * np.sin(2 * np.pi * _hz(note) * (h + 1) * times + rng.uniform(0, 6))
        for note in notes
        for h, bar in enumerate(drawbars)
    )
    return sum(partials, np.zeros(n)) * np.exp(-times * rng.choice([0.0, 1.0]))


def _linear_sweep(rng: np.random.Generator, n: int) -> np.ndarray:
    low, high = np.sort(rng.uniform(60, 4000, 2))
    hz = np.linspace(low, high, n)
    return _sine(hz if rng.random() < 0.5 else hz[::-1])


def _warble(rng: np.random.Generator, n: int) -> np.ndarray:
    """A tone with harmonics whose pitch goes round: a siren or an alarm."""
    hz = rng.uniform(150, 1200) * 2 ** (
        rng.uniform(0.1, 0.8) * np.sin(2 * np.pi * rng.uniform(0.3, 7) * _times(n))
    )
    return _sine(hz) + rng.uniform(0, 0.6) * _sine(2 * hz) + rng.uniform(0, 0.4) * _sine(3 * hz)


def _white_to_pink(rng: np.random.Generator, n: int) -> np.ndarray:
    return coloured(rng, n, rng.uniform(0, 1.2))


def _hiss(rng: np.random.Generator, n: int) -> np.ndarray:
    """What a recorder adds to silence: too soft to be made louder by :func:`draw`."""
    return rng.standard_normal(n) * rng.uniform(3e-5, 2e-4)


def _band_noise(rng: np.random.Generator, n: int) -> np.ndarray:
    spectrum, hz = np.fft.rfft(rng.standard_normal(n)), np.fft.rfftfreq(n, 1 / RATE_HZ)
    centre = np.exp(rng.uniform(np.log(150), np.log(4000)))
    return np.fft.irfft(spectrum * np.exp(-((np.log(hz / centre + 1e-9) / 0.4) ** 2)), n)


def _hum_50_hz(rng: np.random.Generator, n: int) -> np.ndarray:
    times, total = _times(n), 0.02 * rng.random() * rng.standard_normal(n)
    for h in range(1, 30):
        phase = 2 * np.pi * rng.random()
        total += rng.random() / h ** rng.uniform(0.5, 1.5) * np.sin(100 * np.pi * h * times + phase)
    return total


def _clicks(rng: np.random.Generator, n: int) -> np.ndarray:
    total = 0.001 * rng.standard_normal(n)
    at = rng.integers(0, n, rng.integers(1, 40))
    total[at] += rng.choice([-1, 1], len(at)) * rng.uniform(0.2, 1, len(at))
    return total


def _waving_noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """Noise of a colour whose level goes up and down, as the sea or syllables do."""
    depth, hz = rng.uniform(0.5, 1), np.exp(rng.uniform(np.log(0.5), np.log(12)))
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * hz * _times(n) + rng.uniform(0, 6))
    return coloured(rng, n, rng.uniform(0, 2)) * (1 - depth + depth * wave)


def _synth_melody(rng: np.random.Generator, n: int) -> np.ndarray:
    """Notes of additive harmonics with attack, decay and vibrato."""
    scale, parts = np.array([0, 2, 4, 5, 7, 9, 11, 12]), []
    root, each_s = rng.uniform(14, 38), rng.uniform(0.12, 0.6)
    fall, vibrato = rng.uniform(0.8, 2.5), rng.choice([0.0, 0.3, 0.6])
    for start in _places(rng, n, each_s):
        times = _times(int(each_s * RATE_HZ * rng.uniform(0.7, 1.3)))
        bend = vibrato * np.sin(2 * np.pi * 5.5 * times) / 12
        hz = _hz(root + rng.choice(scale)) * 2**bend
        tone = sum(_sine(h * hz) / h**fall for h in range(1, 7))
        parts.append((start, tone * np.minimum(times / 0.02, 1) * np.exp(-times * 3 / each_s)))
    return _added(n, parts)


def _synth_chords(rng: np.random.Generator, n: int) -> np.ndarray:
    """A melody over a bass over chords."""
    slow = _organ_chord(rng, n) * (0.6 + 0.4 * np.sign(_sine(np.full(n, rng.uniform(0.5, 3)))))
    return _synth_melody(rng, n) + rng.uniform(0.1, 0.5) * slow


def _synth_drums(rng: np.random.Generator, n: int) -> np.ndarray:
    """Kicks whose pitch falls, snares and cymbals of noise."""
    each_s, parts = rng.uniform(0.15, 0.4), []
    for start in _places(rng, n, each_s):
        times = _times(int(0.4 * RATE_HZ))
        kick = np.sin(2 * np.pi * 50 * times + 8 * np.exp(-times * 30)) * np.exp(-times * 12)
        snare = rng.standard_normal(len(times)) * np.exp(-times * rng.uniform(15, 60))
        parts.append((start, rng.permutation([1.0, 0.3, 0.0])[:2] @ np.stack([kick, snare])))
    return _added(n, parts)


def _arpeggio(rng: np.random.Generator, n: int) -> np.ndarray:
    each_s, parts = rng.uniform(0.08, 0.25), []
    notes = rng.uniform(14, 40) + np.array([0, 4, 7, 12, 7, 4])
    for at, start in enumerate(range(0, n, int(each_s * RATE_HZ))):
        times = _times(int(each_s * RATE_HZ * 1.5))
        triangle = np.arcsin(np.sin(2 * np.pi * _hz(notes[at % 6]) * times))
        parts.append((start, triangle * np.exp(-times * 2 / each_s)))
    return _added(n, parts)


def _flute(rng: np.random.Generator, n: int) -> np.ndarray:
    """A breathy tune of few harmonics whose notes run into each other."""
    knots = rng.uniform(25, 40) + np.cumsum(rng.choice([-4, -2, 0, 2, 3], 2 + n // 4000))
    pitch = np.interp(np.arange(n) / 4000, np.arange(len(knots)), knots)
    breath = _band_noise(rng, n) * rng.uniform(0, 0.3)
    level = 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(1, 6) * _times(n))
    return level * (sum(_sine(h * _hz(pitch)) / h**2 for h in (1, 2, 3)) + breath)


def _electric_piano(rng: np.random.Generator, n: int) -> np.ndarray:
    """Chords in a rhythm, each note two decaying partials and their harmonics."""
    each_s, root, parts = rng.uniform(0.15, 0.6), rng.uniform(15, 30), []
    for start in _places(rng, n, each_s):
        times = _times(int(1.5 * each_s * RATE_HZ))
        for note in root + rng.choice([0, 3, 5, 7, 10, 12, 15, 17], rng.integers(2, 5)):
            tone = sum(np.sin(2 * np.pi * h * _hz(note) * times) / h for h in (1, 2, 4, 7))
            parts.append((start, tone * np.exp(-times * rng.uniform(1, 8))))
    return _added(n, parts)


def _scrapes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Strokes of noise of a width and pitch each of its own: rubbing, steps, paper."""
    parts = []
    for start in rng.integers(0, n, int(rng.uniform(2, 8) * n / RATE_HZ) + 1):
        size = int(rng.uniform(0.05, 0.5) * RATE_HZ)
        parts.append((int(start), _band_noise(rng, size) * np.hanning(size) ** rng.uniform(0.3, 2)))
    return _added(n, parts)


def _tuned_drums(rng: np.random.Generator, n: int) -> np.ndarray:
    """Hits of few partials that fall in pitch, with a noisy attack: bongos, toms, wood."""
    each_s, parts = rng.uniform(0.1, 0.35), []
    for start in _places(rng, n, each_s):
        times = _times(int(0.3 * RATE_HZ))
        hz = rng.choice([90, 140, 220, 330, 520, 800]) * (1 + 0.3 * np.exp(-times * 40))
        tone = _sine(hz) + 0.5 * _sine(1.6 * hz) + rng.random() * rng.standard_normal(len(times))
        parts.append((start, tone * np.exp(-times * rng.uniform(10, 40))))
    return _added(n, parts) + 0.01 * rng.random() * rng.standard_normal(n)


def _wah(rng: np.random.Generator, n: int) -> np.ndarray:
    """A held string sound through a band that moves: steady pitch, moving spectrum."""
    saw, times = _synth_melody(rng, n) + 0.5 * _buzz(rng, n), _times(n)
    centre = 700 * 3 ** np.sin(2 * np.pi * rng.uniform(0.3, 4) * times)
    return saw * np.cos(2 * np.pi * np.cumsum(centre) / RATE_HZ) + 0.3 * saw


FITTED: dict[str, Sound] = {
    "steady tone": _steady_tone,
    "buzz": _buzz,
    "organ chord": _organ_chord,
    "linear sweep": _linear_sweep,
    "warble": _warble,
    "white to pink noise": _white_to_pink,
    "hiss": _hiss,
    "band noise": _band_noise,
    "50 Hz hum": _hum_50_hz,
    "clicks": _clicks,
    "waving noise": _waving_noise,
    "melody": _synth_melody,
    "melody and chords": _synth_chords,
    "drums": _synth_drums,
    "arpeggio": _arpeggio,
    "flute": _flute,
    "electric piano": _electric_piano,
    "scrapes": _scrapes,
    "tuned drums": _tuned_drums,
    "moving filter": _wah,
}


# For testing ---------------------------------------------------------------------------


def _silence(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.zeros(n)


def _constant(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.full(n, rng.uniform(-1, 1))


def _quantised_hiss(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.round(rng.laplace(0, rng.uniform(0.5, 3), n)) / 32768


def _pure_sine(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.sin(2 * np.pi * rng.choice([100, 220, 440, 1000, 1234, 3000]) * _times(n))


def _tremolo(rng: np.random.Generator, n: int) -> np.ndarray:
    times = _times(n)
    tone = np.sin(2 * np.pi * rng.uniform(100, 2000) * times)
    return tone * (1 + np.sin(2 * np.pi * rng.uniform(2, 9) * times))


def _dial(rng: np.random.Generator, n: int) -> np.ndarray:
    """Pairs of tones, as a telephone dials."""
    rows, columns, parts = (697, 770, 852, 941), (1209, 1336, 1477), []
    for start in range(0, n, int(0.2 * RATE_HZ)):
        times = _times(int(0.12 * RATE_HZ))
        pair = (rng.choice(rows), rng.choice(columns))
        parts.append((start, sum(np.sin(2 * np.pi * hz * times) for hz in pair)))
    return _added(n, parts)


def _octave_sweep(rng: np.random.Generator, n: int) -> np.ndarray:
    low, high = (70, 3500) if rng.random() < 0.5 else (300, 900)
    hz = np.geomspace(low, high, n)
    return _sine(hz if rng.random() < 0.5 else hz[::-1])


def _brown(rng: np.random.Generator, n: int) -> np.ndarray:
    noise = np.cumsum(rng.standard_normal(n))
    return noise - np.convolve(np.pad(noise, 400, "edge"), np.ones(801) / 801, "valid")


def _wind(rng: np.random.Generator, n: int) -> np.ndarray:
    """Noise through a resonance that wanders, with gusts."""
    block, hz = 512, np.fft.rfftfreq(1024, 1 / RATE_HZ)
    count = n // block + 2
    walk = np.cumsum(rng.standard_normal(count)) * 0.08
    centre, gust = (
        400 * np.exp(np.clip(walk, -1, 1.2)),
        np.exp(np.cumsum(rng.normal(0, 0.1, count))),
    )
    total, window = np.zeros((count + 2) * block), np.hanning(1024)
    for at in range(count):
        spectrum = np.fft.rfft(rng.standard_normal(1024)) / (1 + ((hz - centre[at]) / 150) ** 2)
        total[at * block :][:1024] += gust[at] * window * np.fft.irfft(spectrum)
    return total[block : block + n]


def _rain(rng: np.random.Generator, n: int) -> np.ndarray:
    """Drops at random times, each a short noise."""
    times, parts = _times(400), []
    for start in rng.integers(0, n, int(rng.uniform(20, 400) * n / RATE_HZ)):
        drop = rng.standard_normal(400) * np.exp(-times * rng.uniform(200, 900))
        parts.append((int(start), rng.pareto(2) * drop))
    return _added(n, parts)


def _hum_60_hz(rng: np.random.Generator, n: int) -> np.ndarray:
    hum = np.abs(np.sin(2 * np.pi * 60 * _times(n))) ** rng.uniform(0.3, 3)
    return hum - hum.mean() + 0.01 * rng.random() * rng.standard_normal(n)


def _engine(rng: np.random.Generator, n: int) -> np.ndarray:
    """Pulses at a rate that drifts, ringing in a pipe."""
    rate = rng.uniform(20, 90) * np.exp(np.cumsum(rng.standard_normal(n)) * 2e-4)
    pulses = np.diff(np.floor(np.cumsum(rate) / RATE_HZ), prepend=0)
    times = _times(1600)
    pipe = np.exp(-times * 80) * np.sin(2 * np.pi * rng.uniform(100, 600) * times)
    return np.convolve(pulses, pipe)[:n] + 0.02 * rng.standard_normal(n)


def _crackle(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal(n) ** 9


def _knocks(rng: np.random.Generator, n: int) -> np.ndarray:
    times, parts = _times(2400), []
    for start in np.sort(rng.integers(0, n, rng.integers(3, 15))):
        modes = rng.uniform(150, 2500, 3)
        knock = sum(np.sin(2 * np.pi * hz * times) for hz in modes) * np.exp(-times * 60)
        parts.append((int(start), knock))
    return _added(n, parts)


def _syllabic_noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """Noise of speech's mean spectrum with a random envelope of 2 to 8 Hz."""
    spectrum, hz = np.fft.rfft(rng.standard_normal(n)), np.fft.rfftfreq(n, 1 / RATE_HZ)
    noise = np.fft.irfft(spectrum / (1 + (hz / 500) ** 1.5), n)
    knots = rng.random(max(int(n / RATE_HZ * rng.uniform(4, 14)), 4))
    return noise * np.interp(np.linspace(0, len(knots) - 1, n), np.arange(len(knots)), knots) ** 2


def _pluck(rng: np.random.Generator, hz: float, n: int) -> np.ndarray:
    """A plucked string: Karplus & Strong, Computer Music Journal 7(2), 1983."""
    period = max(int(RATE_HZ / hz), 2)
    rows = [rng.uniform(-1, 1, period)]
    while len(rows) * period < n:
        rows.append(0.498 * (rows[-1] + np.roll(rows[-1], 1)))
    return np.concatenate(rows)[:n]


def _strings(rng: np.random.Generator, n: int) -> np.ndarray:
    """A tune, or chords, of plucked strings."""
    each_s, size = rng.uniform(0.12, 0.5), rng.integers(1, 5)
    scale, root, parts = np.array([0, 3, 5, 7, 10, 12, 15]), rng.uniform(12, 32), []
    for start in _places(rng, n, each_s):
        for note in rng.choice(scale, size):
            parts.append((start, _pluck(rng, float(_hz(root + note)), int(1.2 * RATE_HZ))))
    return _added(n, parts)


def _bells(rng: np.random.Generator, n: int) -> np.ndarray:
    """Frequency modulation: Chowning, J. Audio Engineering Society 21(7), 1973."""
    each_s, ratio, index, parts = rng.uniform(0.15, 0.8), rng.choice([1.0, 1.4, 2.0, 3.5]), 4, []
    for start in _places(rng, n, each_s):
        times, hz = _times(int(1.5 * RATE_HZ)), _hz(rng.uniform(20, 45))
        modulator = index * np.exp(-times * 3) * np.sin(2 * np.pi * hz * ratio * times)
        parts.append((start, np.sin(2 * np.pi * hz * times + modulator) * np.exp(-times * 3)))
    return _added(n, parts)


def _violin(rng: np.random.Generator, n: int) -> np.ndarray:
    """A bowed melody: a sawtooth that glides from note to note, with vibrato, in a body."""
    each = int(rng.uniform(0.25, 0.7) * RATE_HZ)
    notes = rng.uniform(20, 32) + rng.choice([0, 2, 4, 7, 9, 12], n // each + 2)
    pitch = np.convolve(np.pad(np.repeat(notes, each), 400, "edge"), np.ones(801) / 801, "valid")
    pitch = pitch[:n] + rng.uniform(0.1, 0.4) * np.sin(
        2 * np.pi * rng.uniform(4.5, 6.5) * _times(n)
    )
    saw = (np.cumsum(_hz(pitch)) / RATE_HZ) % 1 - 0.5
    bow = 1 - 0.7 * np.exp(-(np.arange(n) % each) / RATE_HZ * 20)
    spectrum, hz = np.fft.rfft(saw * bow), np.fft.rfftfreq(n, 1 / RATE_HZ)
    modes = rng.uniform(250, 3000, 4)
    body = 0.1 + sum(1 / (1 + ((hz - mode) / 120) ** 2) for mode in modes)
    return np.fft.irfft(spectrum * body, n)


def _band(rng: np.random.Generator, n: int) -> np.ndarray:
    """Strings, bells, and a drum machine of clicks and filtered noise."""
    beat = np.zeros(n)
    beat[_places(rng, n, rng.uniform(0.2, 0.4))] = 1
    hit = rng.standard_normal(2000) * np.exp(-_times(2000) * 40)
    drums = np.convolve(beat, hit)[:n]
    parts = (_strings(rng, n), _bells(rng, n), drums)
    return sum((rng.random() * p / (np.abs(p).max() + 1e-9) for p in parts), np.zeros(n))


def _drum_machine(rng: np.random.Generator, n: int) -> np.ndarray:
    """Hits of resonant noise bands, each drum on its own grid."""
    total = np.zeros(n)
    for _ in range(3):
        beat = np.zeros(n)
        beat[_places(rng, n, rng.choice([0.125, 0.25, 0.5]))] = rng.uniform(0.3, 1)
        times, hz = _times(3000), np.exp(rng.uniform(np.log(60), np.log(3500)))
        hit = rng.standard_normal(3000).cumsum() * 0.02 * (hz < 300) + np.sin(
            2 * np.pi * hz * times
        )
        hit = hit + rng.standard_normal(3000) * rng.random()
        total += np.convolve(beat, hit * np.exp(-times * rng.uniform(15, 80)))[:n]
    return total


TESTED: dict[str, Sound] = {
    "silence": _silence,
    "constant": _constant,
    "quantised hiss": _quantised_hiss,
    "sine": _pure_sine,
    "tremolo": _tremolo,
    "dial tones": _dial,
    "octave sweep": _octave_sweep,
    "brown noise": _brown,
    "wind": _wind,
    "rain": _rain,
    "60 Hz hum": _hum_60_hz,
    "engine": _engine,
    "crackle": _crackle,
    "knocks": _knocks,
    "syllabic noise": _syllabic_noise,
    "plucked strings": _strings,
    "bells": _bells,
    "violin": _violin,
    "band": _band,
    "drum machine": _drum_machine,
}
