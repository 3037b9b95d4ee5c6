"""Changed copies of recordings and features, to learn from more than was recorded.

Signals: noise at a signal-to-noise ratio, speed, pitch, gain, and recordings as if
made elsewhere. Features:
SpecAugment for log-mel frames, mixup for any. Each is a pure function; what is
random comes from a ``numpy.random.Generator``. A changed copy is its speaker's:
:func:`augmented_copies` keeps the actor, so that folds keep copies and
original on one side.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser.audio import training_conditions
from multimodal_ser.audio.extract import clip_feature_sets
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine, map_clips
from multimodal_ser.errors import SerError, UnknownName
from multimodal_ser.plugins import require
from multimodal_ser.tables import Features

#: Raised when the same draw changes a signal in another way than before.
VERSION = 1
#: What may happen to a signal, in the order in which it happens; ``recording`` is
#: another room, microphone and channel, see ``audio.training_conditions``.
KINDS = ("speed", "pitch", "gain", "noise", "recording")
_SIMPLE = KINDS[:-1]


def add_noise(
    signal: np.ndarray,
    rng: np.random.Generator,
    *,
    snr_db: float,
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """Add noise at a signal-to-noise ratio.

    The ratio is that of the mean powers over the whole recording, exactly.

    Args:
        signal: float32 ``(n_samples,)``.
        rng: draws white Gaussian noise, or where in ``noise`` to begin.
        snr_db: ratio of the powers in dB; 0 is noise as loud as the signal.
        noise: a recording ``(n_noise,)`` at the signal's rate to use instead of
            white noise, repeated where it is too short.

    Returns:
        float32 ``(n_samples,)``; a silent signal has no such ratio and stays silent.

    Raises:
        SerError: the noise is empty or silent.

    Example:
        >>> tone = np.sin(np.arange(8000, dtype=np.float32))
        >>> noisy = add_noise(tone, np.random.default_rng(0), snr_db=10)
        >>> round(float(10 * np.log10((tone**2).mean() / ((noisy - tone) ** 2).mean())), 2)
        10.0
    """
    if noise is None:
        added = rng.standard_normal(len(signal))
    elif not len(noise) or not np.any(noise):
        raise SerError("the noise to add is empty or silent; give a recording of noise")
    else:
        added = np.take(noise, rng.integers(len(noise)) + np.arange(len(signal)), mode="wrap")
    added = np.asarray(added, dtype=np.float64)
    power = np.mean(np.square(signal, dtype=np.float64))
    of_noise = np.mean(added**2)
    # A stretch of the noise may be silent though the noise is not.
    gain = np.sqrt(power / of_noise / 10 ** (snr_db / 10)) if of_noise > 0 else 0.0
    return (signal + gain * added).astype(np.float32)


def change_speed(signal: np.ndarray, *, factor: float) -> np.ndarray:
    """Play faster or slower, as a tape does: pitch and formants move along.

    Speed perturbation as in Ko et al., "Audio augmentation for speech
    recognition", Interspeech 2015, who take factors of 0.9, 1 and 1.1.

    Args:
        signal: float32 ``(n_samples,)``.
        factor: above 1 is faster, 0.5 to 2.

    Returns:
        float32 ``(about n_samples / factor,)``.

    Raises:
        SerError: the factor is out of range.

    Example:
        >>> change_speed(np.zeros(1000, np.float32), factor=1.25).shape
        (800,)
    """
    if not 0.5 <= factor <= 2:
        raise SerError(f"the speed factor is {factor}; give 0.5 to 2")
    import soxr

    whole_hz = 100_000  # resampling wants two rates; only their ratio counts
    return soxr.resample(np.asarray(signal, np.float32), round(whole_hz * factor), whole_hz)


def shift_pitch(signal: np.ndarray, rate_hz: int, *, semitones: float) -> np.ndarray:
    """Raise or lower the pitch, formants along with it, keeping the duration.

    Args:
        signal: float32 ``(n_samples,)``.
        rate_hz: sampling rate.
        semitones: up, or down where negative.

    Returns:
        float32 ``(n_samples,)``, by ``librosa.effects.pitch_shift``.

    Example:
        >>> tone = np.sin(2 * np.pi * 220 * np.arange(8000) / 8000).astype(np.float32)
        >>> spectrum = np.abs(np.fft.rfft(shift_pitch(tone, 8000, semitones=12)))
        >>> int(spectrum.argmax())
        440
    """
    require("librosa")
    import librosa

    shifted = librosa.effects.pitch_shift(
        np.asarray(signal, np.float32), sr=rate_hz, n_steps=semitones
    )
    return shifted.astype(np.float32)


def change_gain(signal: np.ndarray, *, gain_db: float) -> np.ndarray:
    """Make louder or softer.

    Args:
        signal: float32 ``(n_samples,)``; may leave -1 to 1, nothing is clipped.
        gain_db: 6 is about twice the amplitude.

    Example:
        >>> change_gain(np.float32([0.1]), gain_db=20).round(3).tolist()
        [1.0]
    """
    return (np.asarray(signal, np.float32) * np.float32(10 ** (gain_db / 20))).astype(np.float32)


def spec_augment(
    frames: np.ndarray,
    rng: np.random.Generator,
    *,
    n_time_masks: int = 2,
    max_time_frames: int = 30,
    n_band_masks: int = 2,
    max_bands: int = 8,
    fill: float = 0.0,
) -> np.ndarray:
    """Mask stretches of time and of frequency, as SpecAugment does.

    Park et al., "SpecAugment", Interspeech 2019, section 2, without the time
    warping, which they found to add little. Each mask's width is drawn
    uniformly from 0 to its maximum, and then its place.

    Args:
        frames: ``(n_frames, n_bands)``.
        rng: draws widths and places.
        n_time_masks: stretches of time.
        max_time_frames: longest stretch, in frames.
        n_band_masks: stretches of frequency.
        max_bands: widest stretch, in bands.
        fill: the masks' value; 0 is the mean where values are standardised.

    Returns:
        A copy with masks, same shape and dtype.

    Example:
        >>> spec_augment(np.ones((90, 64)), np.random.default_rng(0)).mean() < 1
        np.True_
    """
    masked = np.array(frames)
    widest = (max_time_frames, max_bands)
    for axis, count in enumerate((n_time_masks, n_band_masks)):
        for _ in range(count):
            width = int(rng.integers(min(widest[axis], masked.shape[axis]) + 1))
            start = int(rng.integers(masked.shape[axis] - width + 1))
            masked[(slice(None),) * axis + (slice(start, start + width),)] = fill
    return masked


def mixup(
    values: np.ndarray, targets: np.ndarray, rng: np.random.Generator, *, alpha: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each row and its target with another's.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018: the
    share is drawn from Beta(alpha, alpha), here a share a row.

    Args:
        values: ``(n, ...)``.
        targets: ``(n, n_classes)``, rows sum to 1.
        rng: draws the shares and the partners.
        alpha: above 0; small values leave most rows nearly as they are.

    Returns:
        Both mixed, same shapes; targets still sum to 1.

    Raises:
        SerError: alpha is not above 0.

    Example:
        >>> x, y = mixup(np.eye(4), np.eye(4), np.random.default_rng(0))
        >>> bool((x == y).all()), y.sum(axis=1).round(6).tolist()
        (True, [1.0, 1.0, 1.0, 1.0])
    """
    if not alpha > 0:
        raise SerError(f"mixup's alpha is {alpha}; give a number above 0")
    partner = rng.permutation(len(values))
    # Each row keeps the larger share of itself.
    share = rng.beta(alpha, alpha, len(values))
    share = np.maximum(share, 1 - share)

    def mixed(array: np.ndarray) -> np.ndarray:
        own = share.reshape(-1, *[1] * (array.ndim - 1)).astype(array.dtype)
        return own * array + (1 - own) * array[partner]

    return mixed(np.asarray(values)), mixed(np.asarray(targets, dtype=float))


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a signal, each with :attr:`probability` by itself.

    Attributes:
        snr_db: lowest and highest signal-to-noise ratio of white noise, in dB.
        speed: lowest and highest factor.
        semitones: lowest and highest shift of the pitch.
        gain_db: lowest and highest gain, in dB.
        probability: of each, 0 to 1.
        kinds: which of :data:`KINDS` may happen at all; ``recording`` only where
            it is named, which draws levels and noises of its own.

    Raises:
        UnknownName: there is no such kind.

    Example:
        >>> noisy = Augmentation(kinds=("noise",), snr_db=(20, 20), probability=1)
        >>> silence = augment(np.zeros(9), 22050, np.random.default_rng(0), noisy)
        >>> silence.tolist() == [0] * 9  # nothing is as loud as silence
        True
    """

    snr_db: tuple[float, float] = (10.0, 30.0)
    speed: tuple[float, float] = (0.9, 1.1)
    semitones: tuple[float, float] = (-2.0, 2.0)
    gain_db: tuple[float, float] = (-6.0, 6.0)
    probability: float = 0.5
    kinds: tuple[str, ...] = _SIMPLE

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise UnknownName("kind of augmentation", kind, KINDS)


#: Copies as if recorded elsewhere, at another speed or not.
ELSEWHERE = Augmentation(kinds=("speed", "recording"), probability=0.8)


def augment(
    signal: np.ndarray,
    rate_hz: int,
    rng: np.random.Generator,
    params: Augmentation | None = None,
) -> np.ndarray:
    """Return a signal after a random choice of speed, pitch, gain, noise and recording.

    Args:
        signal: float32 ``(n_samples,)``.
        rate_hz: sampling rate.
        rng: draws what happens and how much.
        params: what may happen; None takes the defaults.

    Returns:
        float32 ``(n,)``; ``n`` differs from ``n_samples`` when the speed changes, or
        the ends of the recording.

    Example:
        >>> tone = np.sin(np.arange(22050, dtype=np.float32) / 8)
        >>> augment(tone, 22050, np.random.default_rng(1)).dtype.name
        'float32'
    """
    params = params or Augmentation()
    drawn = rng.random(len(_SIMPLE)) < params.probability
    happens = dict(zip(_SIMPLE, drawn & np.isin(_SIMPLE, params.kinds), strict=True))
    # Drawn whether or not it happens, so that one choice does not move the next.
    ranges = (params.speed, params.semitones, params.gain_db, params.snr_db)
    factor, semitones, gain_db, snr_db = (rng.uniform(*limits) for limits in ranges)
    if happens["speed"]:
        signal = change_speed(signal, factor=factor)
    if happens["pitch"]:
        signal = shift_pitch(signal, rate_hz, semitones=semitones)
    if happens["gain"]:
        signal = change_gain(signal, gain_db=gain_db)
    if happens["noise"]:
        signal = add_noise(signal, rng, snr_db=snr_db)
    # Drawn last, so that it moves no other choice.
    if "recording" in params.kinds and rng.random() < params.probability:
        signal = training_conditions.augment_recording(signal, rate_hz, rng)
    return np.asarray(signal, dtype=np.float32)


@dataclass(frozen=True)
class Copied:
    """A changed copy as the extraction of features takes it, see ``audio.extract.Change``.

    Attributes:
        params: what may happen to it.
        seed: its own.
    """

    params: Augmentation
    seed: tuple[int, ...]

    @property
    def key(self) -> dict[str, Any]:
        """What a cache has to tell apart."""
        key = {"augment": VERSION, "seed": list(self.seed), **asdict(self.params)}
        elsewhere = {"training_conditions": training_conditions.VERSION}
        return key | (elsewhere if "recording" in self.params.kinds else {})

    def __call__(self, signal: np.ndarray, rate_hz: int) -> np.ndarray:
        """Return the recording as :func:`augment` changes it."""
        return augment(signal, rate_hz, np.random.default_rng(self.seed), self.params)


def augmented_copies(
    clips: pd.DataFrame,
    feature_set: str = "mfcc_rms",
    *,
    copies: int = 1,
    params: Augmentation | None = None,
    seed: int = 0,
    cache: Cache | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> tuple[pd.DataFrame, Features]:
    """Return changed copies of clips, and their features, as extra training data.

    Give them to a training as ``extra`` clips: they keep the actor of their
    original and so never enter a fold that tests this actor.

    Args:
        clips: a clips table; clips without sound have no copies.
        feature_set: one of ``audio.features.NAMES``.
        copies: how many of each clip.
        params: what may happen to a copy; None takes the defaults.
        seed: with the clip's id and the number of the copy it settles what
            happens, whatever the other clips are.
        cache: where features are kept; None keeps nothing.
        workers: processes, None for one per core, or an engine.
        progress: whether to show a bar on standard error.

    Returns:
        The clips table of the copies, ids ``<clip>#<number>``, and their
        features. Recordings that cannot be read have no copies; the extraction
        of the originals reports them.
    """
    from multimodal_ser.audio import features as feature_sets

    module = feature_sets.load(feature_set)
    params = params or Augmentation()
    folder = cache.folder if cache else None
    heard = clips[clips["audio"].notna()]
    parts, items = [], {}
    for number in range(1, copies + 1):
        part = heard.set_axis([f"{clip}#{number}" for clip in heard.index], axis=0)
        parts.append(part.rename_axis("clip"))
        for clip, path in zip(part.index, part["audio"], strict=True):
            items[clip] = (path, (feature_set,), folder, Copied(params, (seed, *clip.encode())))
    outcomes = map_clips(
        clip_feature_sets, items, workers=workers, description="augmented copies", progress=progress
    )
    made = {one.clip: one.value[feature_set] for one in outcomes if one.value is not None}
    index = pd.Index(list(made), name="clip", dtype=object)
    values = np.stack(list(made.values())) if made else _none(feature_set)
    table = pd.concat(parts) if parts else heard.iloc[:0]
    return table.loc[index], Features(index, values, module.names())


def _none(feature_set: str) -> np.ndarray:
    from multimodal_ser.audio import features as feature_sets

    return np.zeros((0, *feature_sets.shape(feature_set)), np.float32)
