"""What happens to a recording between the microphone and the file.

Filters, other rates, coding, levels: pure functions of a mono float32 signal.
Nothing here is a noise or a room. Those of the evaluation are in
:mod:`multimodal_ser.audio.conditions`, those of training in
:mod:`multimodal_ser.audio.training_conditions`, and they share none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from multimodal_ser.errors import UnknownName

#: FFmpeg's encoders by the name of their format.
_ENCODERS = {"amr_nb": "libopencore_amrnb", "mp3": "libmp3lame", "opus": "libopus"}
CODECS = tuple(_ENCODERS)
_FRAME_S = 0.02
#: A frame this far below the loudest is no speech: the dynamic range of speech is
#: about 30 dB (ANSI S3.5-1997, the speech intelligibility index).
_SPEECH_RANGE_DB = 30.0
_MU = 255


def active_power(signal: np.ndarray, rate_hz: int) -> float:
    """Return the mean power of a recording's frames of 20 ms in which somebody speaks.

    Those are the frames at most 30 dB below the loudest, as in ITU-T P.56 a
    level that pauses do not lower.

    Args:
        signal: ``(n_samples,)``.
        rate_hz: sampling rate.

    Example:
        >>> round(active_power(np.r_[np.zeros(8000), np.full(8000, 0.5)], 8000), 3)
        0.25
    """
    samples = max(1, round(_FRAME_S * rate_hz))
    padded = np.pad(np.asarray(signal, np.float64), (0, -len(signal) % samples))
    powers = np.square(padded).reshape(-1, samples).mean(axis=1)
    return float(powers[powers >= powers.max() * 10 ** (-_SPEECH_RANGE_DB / 10)].mean())


def mixed(signal: np.ndarray, noise: np.ndarray, rate_hz: int, *, snr_db: float) -> np.ndarray:
    """Add a noise at a ratio to the power of the speech, see :func:`active_power`.

    Args:
        signal: float32 ``(n_samples,)``.
        noise: ``(n_samples,)``; the mean power of its samples that are not 0 counts.
        rate_hz: sampling rate.
        snr_db: the ratio in dB.

    Returns:
        float32 ``(n_samples,)``; a silent signal has no such ratio and stays silent.

    Example:
        >>> mixed(np.ones(4, np.float32), np.float32([1, -1, 1, -1]), 100, snr_db=0).tolist()
        [2.0, 0.0, 2.0, 0.0]
    """
    power = np.square(noise, dtype=np.float64).sum() / max(1, np.count_nonzero(noise))
    ratio = active_power(signal, rate_hz) / power / 10 ** (snr_db / 10) if power else 0.0
    return (signal + np.sqrt(ratio) * noise).astype(np.float32)


def filtered(
    signal: np.ndarray,
    rate_hz: int,
    *,
    above_hz: float | None = None,
    below_hz: float | None = None,
    order: int = 1,
) -> np.ndarray:
    """Pass the frequencies above one and below another edge, by Butterworth filters.

    Args:
        signal: ``(n_samples,)``.
        rate_hz: sampling rate.
        above_hz: lower edge, or None.
        below_hz: upper edge, or None; at or beyond half the rate it changes nothing.
        order: of each edge, 6 dB an octave each.

    Returns:
        float32 ``(n_samples,)``.

    Example:
        >>> bool(abs(filtered(np.ones(8000), 8000, above_hz=50)[-1]) < 1e-6)
        True
    """
    from scipy.signal import butter, sosfilt

    for edge_hz, kind in ((above_hz, "highpass"), (below_hz, "lowpass")):
        if len(signal) and edge_hz is not None and edge_hz < rate_hz / 2:
            signal = sosfilt(butter(order, edge_hz, kind, fs=rate_hz, output="sos"), signal)
    return np.asarray(signal, np.float32)


def resampled(signal: np.ndarray, rate_hz: int, *, to_hz: int) -> np.ndarray:
    """Resample to another rate and back; what is above half the lower rate is lost.

    Args:
        signal: float32 ``(n_samples,)``.
        rate_hz: sampling rate.
        to_hz: the rate between; at or above ``rate_hz`` nothing changes.

    Returns:
        float32 ``(n_samples,)``.

    Example:
        >>> resampled(np.zeros(1001, np.float32), 22050, to_hz=8000).shape
        (1001,)
    """
    if to_hz >= rate_hz:
        return np.asarray(signal, np.float32)
    return _fitted(
        _changed_rate(_changed_rate(signal, rate_hz, to_hz), to_hz, rate_hz), len(signal)
    )


def mu_law(signal: np.ndarray) -> np.ndarray:
    """Quantise to 8 bits by the mu-law of ITU-T G.711, in its continuous form.

    Args:
        signal: ``(n_samples,)``; clipped to -1 to 1.

    Returns:
        float32 ``(n_samples,)``, at most 256 different values.

    Example:
        >>> mu_law(np.float32([0, 0.5, 2])).round(2).tolist()
        [0.0, 0.5, 1.0]
    """
    signal = np.clip(signal, -1, 1)
    code = np.round(127 * np.sign(signal) * np.log1p(_MU * np.abs(signal)) / np.log1p(_MU)) / 127
    return (np.sign(code) * np.expm1(np.abs(code) * np.log1p(_MU)) / _MU).astype(np.float32)


def telephone(
    signal: np.ndarray, rate_hz: int, *, above_hz: float = 300, below_hz: float = 3400
) -> np.ndarray:
    """Pass through a fixed-line telephone: 300 to 3400 Hz, 8 kHz, 8 bits of mu-law.

    Args:
        signal: float32 ``(n_samples,)``.
        rate_hz: sampling rate, 8000 or more.
        above_hz: lower edge of the band.
        below_hz: upper edge of the band.

    Returns:
        float32 ``(n_samples,)``.

    Example:
        >>> telephone(np.zeros(5, np.float32), 16000).tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    narrow = _changed_rate(signal, rate_hz, 8000)
    narrow = mu_law(filtered(narrow, 8000, above_hz=above_hz, below_hz=below_hz, order=4))
    return _fitted(_changed_rate(narrow, 8000, rate_hz), len(signal))


def coded(
    signal: np.ndarray, rate_hz: int, codec: str, *, codec_rate_hz: int, bits_per_s: int
) -> np.ndarray:
    """Encode and decode in memory; the sound stays where it was in time.

    Args:
        signal: float32 ``(n_samples,)``; clipped to -1 to 1.
        rate_hz: sampling rate.
        codec: one of :data:`CODECS`. Where FFmpeg lacks ``amr_nb``, Opus at the
            same rates in the band of 300 to 3400 Hz takes its place.
        codec_rate_hz: the rate at which it is encoded; ``amr_nb`` takes 8000 alone.
        bits_per_s: bit rate.

    Returns:
        float32 ``(n_samples,)``.

    Raises:
        UnknownName: there is no such codec.

    Example:
        >>> silence = np.zeros(16000, np.float32)
        >>> coded(silence, 16000, "opus", codec_rate_hz=16000, bits_per_s=24000).shape
        (16000,)
    """
    if codec not in CODECS:
        raise UnknownName("codec", codec, CODECS)
    sent = np.clip(_changed_rate(signal, rate_hz, codec_rate_hz), -1, 1)
    if codec == "amr_nb" and not _has_encoder(codec):
        codec = "opus"
        sent = filtered(sent, codec_rate_hz, above_hz=300, below_hz=3400, order=4)
    delay = _delay_samples(codec, codec_rate_hz, bits_per_s)
    got = _through(np.pad(sent, (0, delay)), codec, codec_rate_hz, bits_per_s)[delay:]
    return _fitted(_changed_rate(got, codec_rate_hz, rate_hz), len(signal))


def clipped(signal: np.ndarray, *, share: float) -> np.ndarray:
    """Cut off the peaks, so that a share of the samples lies at the limit.

    Args:
        signal: ``(n_samples,)``.
        share: 0 to 1, of the samples that are not 0.

    Returns:
        float32 ``(n_samples,)``, at the level that it had.

    Example:
        >>> clipped(np.float32([1, -2, 3, -4]), share=0.5).tolist()
        [1.0, -2.0, 2.5, -2.5]
    """
    sizes = np.abs(signal[signal != 0])
    limit = np.quantile(sizes, 1 - share) if len(sizes) else 0.0
    return np.clip(signal, -limit, limit).astype(np.float32)


def compressed(
    signal: np.ndarray, rate_hz: int, *, threshold_db: float, ratio: float, smoothing_s: float
) -> np.ndarray:
    """Compress the dynamic range: each dB above a threshold becomes ``ratio`` dB.

    Args:
        signal: ``(n_samples,)``.
        rate_hz: sampling rate.
        threshold_db: below full scale, in dB.
        ratio: 0 to 1.
        smoothing_s: time constant of the level.

    Returns:
        float32 ``(n_samples,)``.

    Example:
        >>> loud = np.full(8000, 1.0)  # 20 dB above the threshold become 10
        >>> out = compressed(loud, 8000, threshold_db=-20, ratio=0.5, smoothing_s=0.01)
        >>> round(float(20 * np.log10(out[-1])))
        -10
    """
    from scipy.signal import lfilter

    keep = np.exp(-1 / (smoothing_s * rate_hz))
    power = lfilter([1 - keep], [1, -keep], np.square(signal, dtype=np.float64))
    above_db = np.maximum(10 * np.log10(np.maximum(power, 1e-12)) - threshold_db, 0)
    return (signal * 10 ** ((ratio - 1) * above_db / 20)).astype(np.float32)


def convolved(signal: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolve with an impulse response whose first sample is the direct sound.

    Args:
        signal: ``(n_samples,)``.
        response: ``(n_response,)``; it is scaled to an energy of 1.

    Returns:
        float32 ``(n_samples,)``: the tail beyond the end is cut.

    Example:
        >>> convolved(np.float32([0, 1, 0]), np.float32([0.5])).round(6).tolist()
        [0.0, 1.0, 0.0]
    """
    from scipy.signal import oaconvolve

    response = np.asarray(response, np.float64) / np.linalg.norm(response)
    return oaconvolve(np.asarray(signal, np.float64), response)[: len(signal)].astype(np.float32)


def _changed_rate(signal: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    import soxr

    signal = np.ascontiguousarray(signal, np.float32)
    return signal if from_hz == to_hz else soxr.resample(signal, from_hz, to_hz)


def _fitted(signal: np.ndarray, n_samples: int) -> np.ndarray:
    return np.pad(signal[:n_samples], (0, max(0, n_samples - len(signal)))).astype(np.float32)


def _has_encoder(codec: str) -> bool:
    import av

    return _ENCODERS[codec] in av.codecs_available


@lru_cache(maxsize=64)
def _delay_samples(codec: str, rate_hz: int, bits_per_s: int) -> int:
    """Return by how much a codec delays, heard from a noise that fades in and out.

    What containers say about it differs between formats and versions of FFmpeg.
    """
    probe = np.random.default_rng(0).standard_normal(rate_hz // 2) * np.hanning(rate_hz // 2) / 8
    probe = filtered(np.pad(probe, (0, rate_hz // 2)), rate_hz, above_hz=300, below_hz=3000)
    got = _through(probe, codec, rate_hz, bits_per_s)
    n = len(probe) + len(got)
    lags = np.fft.irfft(np.fft.rfft(got, n) * np.conj(np.fft.rfft(probe, n)), n)
    return int(np.argmax(lags[: rate_hz // 5]))


def _through(signal: np.ndarray, codec: str, rate_hz: int, bits_per_s: int) -> np.ndarray:
    """Encode and decode at the codec's own rate; late by the codec's delay."""
    import av

    encoder: Any = av.CodecContext.create(_ENCODERS[codec], "w")
    encoder.sample_rate, encoder.layout, encoder.bit_rate = rate_hz, "mono", bits_per_s
    encoder.format = "s16p" if codec == "mp3" else "s16"
    encoder.open()
    n = encoder.frame_size or len(signal)
    # The last frame and what is still inside at the end need room.
    pcm = np.pad((signal * 32767).astype(np.int16), (0, -len(signal) % n + n))
    packets = []
    for start in range(0, len(pcm), n):
        frame = av.AudioFrame.from_ndarray(
            pcm[None, start : start + n], format=encoder.format.name, layout="mono"
        )
        frame.sample_rate, frame.pts = rate_hz, start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return _decoded(packets, encoder, rate_hz)


def _decoded(packets: list, encoder: Any, rate_hz: int) -> np.ndarray:
    import av

    decoder: Any = av.CodecContext.create(encoder.codec.canonical_name, "r")
    decoder.extradata, decoder.layout = encoder.extradata, "mono"
    if encoder.codec.canonical_name != "opus":
        decoder.sample_rate = rate_hz
    to_float = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    frames += decoder.decode(None)
    parts = [part for frame in [*frames, None] for part in to_float.resample(frame)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])
