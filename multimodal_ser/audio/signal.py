"""The only reader of sound.

Wav, flac, ogg and mp3 are read by libsndfile; m4a and the sound inside films
by FFmpeg's libraries. Whatever comes in leaves as mono float32 at the wanted
rate, resampled as ``librosa.load`` does it (soxr, HQ), piece by piece, so that
a long film's sound is never held at its own rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from multimodal_ser.errors import MediaError
from multimodal_ser.media import check_file, check_whole

#: Raised when what is read from a file changes, so that cached features of
#: the old reader are not taken for the new one's.
VERSION = 1

#: Endings that libsndfile reads by itself.
_SNDFILE_ENDINGS = (".wav", ".flac", ".ogg", ".mp3")
_BLOCK_SECONDS = 10


class NoSound(MediaError):
    """A film without a sound track: a missing modality, not a damaged file."""


def read(path: str | Path, *, rate_hz: int = 22050) -> np.ndarray:
    """Read a recording as mono at a given rate.

    Args:
        path: wav, flac, ogg, mp3, m4a, or a film with sound.
        rate_hz: sampling rate of the result.

    Returns:
        float32 ``(n_samples,)``, finite, in about -1 to 1: the mean of the
        channels, as ``librosa.load(path, sr=rate_hz)`` gives it.

    Raises:
        NoSound: the file is a film without a sound track.
        MediaError: it is missing, empty, damaged, no recording, or holds
            values that are not numbers.
    """
    path = check_file(path)
    blocks = _sndfile_blocks if path.suffix.lower() in _SNDFILE_ENDINGS else _film_blocks
    signal = _resampled(blocks(path), rate_hz)
    if not len(signal):
        raise MediaError(path, "it holds no sound (0 samples)", "record or export it again")
    if not np.isfinite(signal).all():
        raise MediaError(path, "it holds values that are not numbers", "export it again as PCM")
    return signal


def duration_seconds(path: str | Path) -> float:
    """Return a recording's length as its header states it, without decoding it.

    Args:
        path: any recording that :func:`read` takes, or a silent film.

    Raises:
        MediaError: the file is missing, empty or damaged.
    """
    path = check_file(path)
    if path.suffix.lower() in _SNDFILE_ENDINGS:
        with _open_sndfile(path) as file:
            return file.frames / file.samplerate
    with _open_film(path) as film:
        return film.duration / 1_000_000 if film.duration else float("nan")


def _open_sndfile(path: Path):
    import soundfile

    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise _damaged(path, error) from error


def _open_film(path: Path):
    import av

    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> MediaError:
    reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
    reason = str(reason).strip().rstrip(".")
    return MediaError(
        path,
        f"this is not a readable {path.suffix.lower().lstrip('.') or 'sound'} file ({reason})",
        "copy or download it again, or convert it to wav",
    )


def _sndfile_blocks(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    import soundfile

    with _open_sndfile(path) as file:
        rate = file.samplerate
        try:
            for block in file.blocks(rate * _BLOCK_SECONDS, dtype="float32", always_2d=True):
                yield rate, block.mean(axis=1)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise _damaged(path, error) from error


def _film_blocks(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    import av

    with _open_film(path) as film:
        if not film.streams.audio:
            raise NoSound(path, "it has no sound track", "use its picture alone")
        stream = film.streams.audio[0]
        rate, n_samples, reason = stream.rate, 0, None
        to_float = av.AudioResampler(format="fltp", rate=rate)
        try:
            for frame in film.decode(stream):
                for part in to_float.resample(frame):
                    n_samples += part.samples
                    yield rate, part.to_ndarray().mean(axis=0)
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = error
        if reason is not None and not n_samples:
            raise _damaged(path, reason) from reason
        stated = float(stream.duration * stream.time_base) if stream.duration else 0.0
        check_whole(path, "sound", n_samples / rate, stated)


def _resampled(blocks: Iterator[tuple[int, np.ndarray]], rate_hz: int) -> np.ndarray:
    import soxr

    stream, parts, rate = None, [], rate_hz
    for rate, block in blocks:
        block = np.ascontiguousarray(block, dtype=np.float32)
        if rate == rate_hz:
            parts.append(block)
            continue
        stream = stream or soxr.ResampleStream(rate, rate_hz, 1, dtype="float32", quality="HQ")
        parts.append(stream.resample_chunk(block))
    if stream is not None:
        parts.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
