"""The only reader of sound.

Wav, flac, ogg and mp3 are read by libsndfile; m4a and the sound inside videos
by FFmpeg's libraries. Whatever comes in leaves as mono float32 at the wanted
rate, resampled as ``librosa.load`` does it (soxr, HQ), piece by piece, so that
a long video's sound is never held at its own rate.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_ser.compute.media import COPY_AGAIN, check_file, check_whole, open_container
from multimodal_ser.errors import MediaError, SerError

#: Raised when what is read from a file changes, so that cached features of
#: the old reader are not taken for the new one's.
VERSION = 1

#: Endings that libsndfile reads by itself.
_SNDFILE_ENDINGS = (".wav", ".flac", ".ogg", ".mp3")
#: FFmpeg's name of mp4, mov and m4a, whose headers say what FFmpeg otherwise finds out
#: by decoding images, which takes three times as long as the sound itself.
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
NO_PROBE = {"probesize": "32", "analyzeduration": "0", "skip_frame": "all"}
_BLOCK_SECONDS = 10
#: The most values in a block, whatever rate and channels a header states.
_BLOCK_VALUES = 2**24
#: Rates in Hz that recordings have. A false header that states 1 Hz would make
#: hours of seconds, and fill the memory.
RATES_HZ = range(2_000, 1_000_001)
#: The longest sound that is read at once, in seconds. Features describe one clip, some
#: seconds of one voice; those of five minutes take 0.7 GB, of an hour 5 GB. Longer ones
#: are read in pieces: :func:`stream`, :func:`read_spans`.
LONGEST_SECONDS = 300
#: Decoders need what lies before a piece: two of AAC's frames would do, Opus asks for 80 ms
#: (RFC 7845, 4.6), and MP3 for its reservoir of bits.
_LEAD_SECONDS = 0.5
#: A jump of the time stamps by more, in seconds, is silence that was not stored.
_GAP_SECONDS = 0.1
#: Samples beyond this are numbers of something else, and their powers overflow.
_LARGEST = 1e6


class NoSound(MediaError):
    """A video without a sound track: a missing modality, not a damaged file."""


def read(path: str | Path, *, rate_hz: int = 22050) -> np.ndarray:
    """Read a recording as mono at a given rate.

    Args:
        path: wav, flac, ogg, mp3, m4a, or a video with sound.
        rate_hz: sampling rate of the result.

    Returns:
        float32 ``(n_samples,)``, finite, in about -1 to 1: the mean of the
        channels, as ``librosa.load(path, sr=rate_hz)`` gives it.

    Raises:
        NoSound: the file is a video without a sound track.
        MediaError: it is missing, empty, damaged, no recording, longer than
            :data:`LONGEST_SECONDS`, or holds values that are not numbers.
    """
    path = check_file(path)
    blocks = _sndfile_blocks if path.suffix.lower() in _SNDFILE_ENDINGS else _film_blocks
    return resampled(path, blocks(path), rate_hz)


def resampled(path: Path, blocks: Iterator[tuple[int, np.ndarray]], rate_hz: int) -> np.ndarray:
    """Return pieces of a recording as one signal at a given rate, see :func:`read`.

    Args:
        path: of the recording, for errors.
        blocks: rates and samples of its pieces, as :func:`described_blocks` yields them.
        rate_hz: sampling rate of the result.

    Raises:
        MediaError: see :func:`read`.
    """
    parts = list(_resampled(_not_too_long(path, blocks), rate_hz))
    signal = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not len(signal):
        raise MediaError(path, "it holds no sound (0 samples)", "record or export it again")
    if not np.isfinite(signal).all():
        raise MediaError(path, "it holds values that are not numbers", "export it again as PCM")
    return signal


def stream(path: str | Path, *, rate_hz: int = 16000) -> Iterator[np.ndarray]:
    """Yield a recording of any length piece by piece, as :func:`read` would give it whole.

    Args:
        path: as :func:`read` takes it.
        rate_hz: sampling rate of the result.

    Yields:
        float32 ``(n_samples,)``, at most about ten seconds; values that are not numbers
        are zeros. Where a film's time stamps leave sound out there is silence, so that
        positions are times.

    Raises:
        NoSound: the file is a video without a sound track.
        MediaError: it is missing, empty, damaged or no recording.
    """
    path = check_file(path)
    sound = path.suffix.lower() in _SNDFILE_ENDINGS
    for block in _resampled(_sndfile_blocks(path) if sound else _film_blocks(path, True), rate_hz):
        yield np.nan_to_num(block, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def read_spans(
    path: str | Path, spans: Iterable[tuple[float, float]]
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield pieces of a recording at its own rate; only they are held in memory.

    Args:
        path: as :func:`read` takes it.
        spans: start and end in seconds from the recording's beginning, in any order.

    Yields:
        For each span float32 ``(n_samples,)``, shorter or empty where the sound ends, which
        in films may be before the images do, and its rate in Hz.

    Raises:
        NoSound: the file is a video without a sound track.
        MediaError: it is missing, empty, damaged or no recording, or a span holds values that
            are not numbers, or is longer than :data:`LONGEST_SECONDS`.

    Example:
        >>> pieces = read_spans("talk.mp4", [(0.5, 2.0)])  # doctest: +SKIP
    """
    path, spans = check_file(path), list(spans)
    if long := [span for span in spans if not span[1] - span[0] <= LONGEST_SECONDS]:
        problem = f"its segment from {long[0][0]:g} to {long[0][1]:g} s is longer than "
        raise MediaError(path, f"{problem}{LONGEST_SECONDS / 60:.0f} minutes", "give shorter ones")
    pieces = _sndfile_spans if path.suffix.lower() in _SNDFILE_ENDINGS else _film_spans
    for piece, rate in pieces(path, spans):
        if not np.isfinite(piece).all():
            raise MediaError(path, "it holds values that are not numbers", "export it again as PCM")
        yield piece, rate


def check_signal(signal: np.ndarray) -> np.ndarray:
    """Return a signal as float32, or say why no feature can be made of it.

    Args:
        signal: mono ``(n_samples,)``.

    Raises:
        SerError: it is empty, has channels, or holds values that are not
            numbers or lie beyond a million.

    Example:
        >>> check_signal([0.0, 0.5]).dtype
        dtype('float32')
    """
    signal = np.asarray(signal, dtype=np.float32)
    if signal.ndim != 1 or not len(signal):
        raise SerError(f"a signal of shape {signal.shape} has no features; give mono samples")
    if not np.abs(signal).max() <= _LARGEST:
        raise SerError(
            "the signal holds values that are not numbers or beyond a million; "
            "give finite samples, best between -1 and 1"
        )
    return signal


def fixed_length(signal: np.ndarray, n_samples: int) -> np.ndarray:
    """Return a signal cut or filled to a length.

    Args:
        signal: mono ``(samples,)``.
        n_samples: the length wanted, at least 1.

    Returns:
        float32 ``(n_samples,)``: of a longer signal the stretch with the most
        energy, the earliest of equals; a shorter one between two halves of
        silence.

    Raises:
        SerError: see :func:`check_signal`.

    Example:
        >>> fixed_length([0, 0, 3, 4, 0], 2).tolist(), fixed_length([1], 3).tolist()
        ([3.0, 4.0], [0.0, 1.0, 0.0])
    """
    signal = check_signal(signal)
    lacking = n_samples - len(signal)
    if lacking >= 0:
        return np.pad(signal, (lacking // 2, lacking - lacking // 2))
    energy = np.concatenate([[0.0], np.cumsum(signal.astype(np.float64) ** 2)])
    first = int(np.argmax(energy[n_samples:] - energy[:-n_samples]))
    return signal[first : first + n_samples]


def duration_seconds(path: str | Path) -> float:
    """Return a recording's length as its header states it, without decoding it.

    Args:
        path: any recording that :func:`read` takes, or a silent video.

    Raises:
        MediaError: the file is missing, empty or damaged.
    """
    path = check_file(path)
    if path.suffix.lower() in _SNDFILE_ENDINGS:
        with _open_sndfile(path) as file:
            return file.frames / file.samplerate
    with _open_film(path, NO_PROBE) as film:
        if (stated_s := stated_seconds(film)) is not None:
            return stated_s
    with _open_film(path) as film:
        return film.duration / 1_000_000 if film.duration else float("nan")


def stated_seconds(film: Any) -> float | None:
    """Return the length of an mp4 that was opened without probing; None of any other film.

    Args:
        film: an ``av.container.InputContainer``.
    """
    described = film.format.name == MP4 and film.duration
    return film.duration / 1_000_000 if described else None


def has_sound(path: str | Path) -> bool:
    """Tell whether a recording has a sound track.

    Raises:
        MediaError: the file is missing, empty or damaged.
    """
    path = check_file(path)
    if path.suffix.lower() in _SNDFILE_ENDINGS:
        return True
    with _open_film(path) as film:
        return bool(film.streams.audio)


def _open_sndfile(path: Path):
    import soundfile

    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise _damaged(path, error) from error


def _open_film(path: Path, options: dict[str, str] | None = None):
    import av

    try:
        return open_container(path, options)
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


def _checked_rate(path: Path, rate_hz: int) -> int:
    if rate_hz not in RATES_HZ:
        problem = f"its header states {rate_hz} samples a second, which no recording has"
        raise MediaError(path, problem, "copy it again, or export it again")
    return rate_hz


def _sndfile_blocks(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    import soundfile

    with _open_sndfile(path) as file:
        rate = _checked_rate(path, file.samplerate)
        _check_wav_whole(path, file)
        n_frames = max(1, min(rate * _BLOCK_SECONDS, _BLOCK_VALUES // file.channels))
        check, n_read = _FlacCheck(path) if file.format == "FLAC" else None, 0
        try:
            # Until there is no more: SoundFile.blocks goes on for as long as the header says.
            while len(block := file.read(n_frames, "int32" if check else "float32", True)):
                n_read += len(block)
                yield rate, (check.update(block) if check else block).mean(axis=1)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise _damaged(path, error) from error
        check_whole(path, "sound", n_read / rate, file.frames / rate)
        if check:
            check.finish()


class _FlacCheck:
    """Compares samples with the MD5 in a FLAC file's header (RFC 9639, 8.2).

    libsndfile checks each frame by itself, and so misses frames that are gone.
    """

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            head = file.read(42)
        self._path, self._digest = path, hashlib.md5(usedforsecurity=False)
        # Behind a tag that does not belong to FLAC there is no header here; zeros: not known.
        self._stated = head[26:] if head[:4] == b"fLaC" else bytes(16)
        self._bits = ((head[20] & 1) << 4 | head[21] >> 4) + 1 if any(self._stated) else 0

    def update(self, block: np.ndarray) -> np.ndarray:
        """Note samples, int32 with their bits on top, and return them as float32 in -1 to 1."""
        if self._bits:
            low = (block >> (32 - self._bits)).astype("<i4", copy=False)
            size = -(-self._bits // 8)
            self._digest.update(low.view(np.uint8).reshape(-1, 4)[:, :size].tobytes())
        return block.astype(np.float32) / np.float32(2**31)

    def finish(self) -> None:
        if self._bits and self._digest.digest() != self._stated:
            problem = "its sound is not what its checksum (MD5) says"
            raise MediaError(self._path, problem, COPY_AGAIN)


def _check_wav_whole(path: Path, file) -> None:
    # libsndfile takes a wav that is cut short for one that ends there, and says
    # so only in its log. Programs that write into a pipe state the largest size.
    stated = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if stated and int(stated[1]) < 0x7FFF0000:
        there_s, share = file.frames / file.samplerate, int(stated[1]) / max(1, int(stated[2]))
        check_whole(path, "sound", there_s, there_s * share)


def _sndfile_spans(
    path: Path, spans: Iterable[tuple[float, float]]
) -> Iterator[tuple[np.ndarray, int]]:
    import soundfile

    with _open_sndfile(path) as file:
        rate = _checked_rate(path, file.samplerate)
        try:
            for start_s, end_s in spans:
                first = min(round(start_s * rate), file.frames)
                lead = min(first, round(_LEAD_SECONDS * rate))
                file.seek(first - lead)
                count = lead + round(end_s * rate) - first
                piece = file.read(count, dtype="float32", always_2d=True)
                yield piece[lead:].mean(axis=1), rate
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise _damaged(path, error) from error


def _film_spans(
    path: Path, spans: Iterable[tuple[float, float]]
) -> Iterator[tuple[np.ndarray, int]]:
    import av

    with _open_film(path) as film:
        track = _sound_track(path, film)
        rate = _checked_rate(path, track.rate)
        for start_s, end_s in spans:
            try:
                yield _film_piece(film, track, round(start_s * rate), round(end_s * rate)), rate
            except (av.FFmpegError, OSError, ValueError) as error:
                raise _damaged(path, error) from error


def _film_piece(film, track, first: int, last: int) -> np.ndarray:
    """Return the samples first to last of a sound track; silence where none are stored."""
    import av

    rate, begin_s = track.rate, float((track.start_time or 0) * track.time_base)
    lead_s = max(0.0, first / rate - _LEAD_SECONDS) + begin_s
    film.seek(int(lead_s / track.time_base), stream=track)
    to_float = av.AudioResampler(format="fltp", rate=rate)
    piece, end, at = np.zeros(last - first, np.float32), first, -rate
    for frame in film.decode(track):
        stated = round((frame.time - begin_s) * rate)
        # Between gaps samples follow on each other: some files round times to milliseconds.
        if abs(stated - at) > _GAP_SECONDS * rate:
            at = stated
        if at >= last:
            break
        for part in to_float.resample(frame):
            values = part.to_ndarray().mean(axis=0)
            low, high = max(at, first), min(at + len(values), last)
            if high > low:
                piece[low - first : high - first] = values[low - at : high - at]
                end = max(end, high)
            at += len(values)
    else:
        return piece[: end - first]  # the recording ends here
    return piece


def _sound_track(path: Path, film):
    if not film.streams.audio:
        raise NoSound(path, "it has no sound track", "use its video alone")
    track = film.streams.audio[0]
    if track.codec_context is None:
        raise MediaError(path, "its kind of sound is unknown", "convert it to wav")
    return track


def _film_blocks(path: Path, timed: bool = False) -> Iterator[tuple[int, np.ndarray]]:
    """Yield rate and samples, of an mp4 as its header describes it, if that holds.

    ``timed`` fills what the time stamps leave out with silence.
    """
    with _open_film(path, NO_PROBE) as film:
        blocks = described_blocks(path, film, _only, timed)
        if blocks is not None:
            yield from blocks
            return
    with _open_film(path) as film:
        stream = _sound_track(path, film)
        yield from _decoded(path, stream, film.decode(stream), timed)


def described_blocks(
    path: Path, film: Any, frames_of: Callable[[Any, Any], Iterator], timed: bool = False
) -> Iterator[tuple[int, np.ndarray]] | None:
    """Return rates and samples of an mp4 as its header describes it; None where that fails.

    Args:
        path: of the film.
        film: an ``av.container.InputContainer``, opened without probing.
        frames_of: from it and its sound track to decoded frames, at last perhaps an error.
        timed: see :func:`_film_blocks`.

    Raises:
        NoSound: it has images and no sound track.
    """
    if film.format.name == MP4 and film.streams.video and not film.streams.audio:
        raise NoSound(path, "it has no sound track", "use its video alone")
    if film.format.name != MP4 or not film.streams.audio:
        return None
    stream = film.streams.audio[0]
    frames = frames_of(film, stream)
    first = next(frames, None)
    if not _as_described(first, stream):
        return None
    return _decoded(path, stream, chain([first], frames), timed)


def _only(film, stream) -> Iterator:
    """Yield the decoded frames of one stream; the others' packets are not even read."""
    import av

    for other in film.streams:
        if other is not stream:
            other.discard = av.stream.Discard.all
    try:
        yield from film.decode(stream)
    except (av.FFmpegError, OSError, ValueError) as error:
        yield error


def _as_described(frame, stream) -> bool:
    """Return whether a first frame is as the header says; that of HE-AAC has twice its rate."""
    context = stream.codec_context
    return (
        hasattr(frame, "sample_rate")
        and frame.sample_rate == context.sample_rate
        and frame.layout.nb_channels == context.layout.nb_channels
    )


def _decoded(path: Path, stream, frames: Iterator, timed: bool) -> Iterator[tuple[int, np.ndarray]]:
    import av

    rate, n_samples, reason = _checked_rate(path, stream.rate), 0, None
    to_float = av.AudioResampler(format="fltp", rate=rate)
    begin_s = float((stream.start_time or 0) * stream.time_base)
    try:
        for frame in frames:
            if isinstance(frame, Exception):
                raise frame
            missing_s = (frame.time or 0) - begin_s - n_samples / rate
            if timed and _GAP_SECONDS < missing_s <= LONGEST_SECONDS:
                n_samples += round(missing_s * rate)
                yield rate, np.zeros(round(missing_s * rate), np.float32)
            for part in to_float.resample(frame):
                n_samples += part.samples
                yield rate, part.to_ndarray().mean(axis=0)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = error
    if reason is not None and not n_samples:
        raise _damaged(path, reason) from reason
    stated = float(stream.duration * stream.time_base) if stream.duration else 0.0
    check_whole(path, "sound", n_samples / rate, stated)


def _not_too_long(path: Path, blocks: Iterator) -> Iterator[tuple[int, np.ndarray]]:
    # Counted while reading: a header may be silent about the length, or wrong.
    seconds = 0.0
    for rate, block in blocks:
        seconds += len(block) / rate
        if seconds > LONGEST_SECONDS:
            problem = f"its sound is longer than {LONGEST_SECONDS / 60:.0f} minutes"
            remedy = "cut it into utterances, as predict --segments speech does"
            raise MediaError(path, problem, remedy)
        yield rate, block


def _resampled(blocks: Iterable[tuple[int, np.ndarray]], rate_hz: int) -> Iterator[np.ndarray]:
    import soxr

    resampler = None
    for rate, block in blocks:
        block = np.ascontiguousarray(block, dtype=np.float32)
        if rate == rate_hz:
            yield block
            continue
        if resampler is None:
            resampler = soxr.ResampleStream(rate, rate_hz, 1, dtype="float32", quality="HQ")
        yield resampler.resample_chunk(block)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
