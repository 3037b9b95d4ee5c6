"""Our compact residual network over several corpora.

It reads the frames of ``robust_log_mel``, each band about its mean over the
utterance. Two convolutions over time and bands make one of 8 bands, so that a shift of
the formants matters little; three residual blocks (He et al., "Deep residual
learning for image recognition", CVPR 2016) look further and further along time, as
time-delay networks do; attentive statistics (Okabe, Koshinaka and Shinoda,
"Attentive statistics pooling for deep speaker embedding", Interspeech 2018), a mean
and a deviation over time that each weigh moments in their own way, make a vector of any
number of frames.

The two alternatives, residual blocks over time and bands throughout and blocks over time
alone, were tried only once each, on one split of actors; no committed command compares them.

A training clip is cut to 2 s, played faster or slower, shifted along the bands,
and loses stretches of time and frequency (:func:`augment`). Its weights are the
moving average of the last steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from multimodal_ser.estimators.networks import load_keras

if TYPE_CHECKING:
    import keras

    from multimodal_ser.estimators.keras_classifier import KerasClassifier

INPUT = "frames"
SEARCH = {"learning_rate": [5e-4, 1e-3, 2e-3], "epochs": [5, 10, 20]}
#: Its ``fit`` takes ``possible`` labels and ``weights``.
PARTIAL_LABELS = True

#: dB below the utterance's mean power at which frames end: below is mostly noise.
LEAST_DB = -40.0
_UNIT_DB = 10.0
_FRAMES = 100
_PLAIN = {"padding": "same", "use_bias": False}
#: Largest change of speed and of vocal tract (both as logarithms), shift in bands.
_SPEED, _WARP, _SHIFT_BANDS = 0.18, 0.1, 4.0
_MASKS, _MASK_FRAMES, _MASK_BANDS = 2, 14, 9


def network(shape: tuple[int, ...], n_classes: int, width: int = 160) -> keras.Model:
    """Return the uncompiled network.

    Args:
        shape: of the input, ``(n_frames, n_bands)``; any number of frames fits.
        n_classes: width of the softmax.
        width: channels along time; of what is pooled there are twice as many.

    Returns:
        ``keras.Model``.

    Example:
        >>> network((160, 64), 8).count_params() < 1_000_000
        True
    """
    keras = load_keras()
    layers, ops = keras.layers, keras.ops
    frames = keras.Input((None, shape[1]))
    x = ops.maximum(frames, LEAST_DB)
    x = (x - ops.mean(x, axis=1, keepdims=True)) / _UNIT_DB
    x = _normed(layers, layers.Conv2D(16, 5, 2, **_PLAIN)(ops.expand_dims(x, -1)))
    x = _normed(layers, layers.Conv2D(24, 3, (1, 2), **_PLAIN)(x))
    x = layers.MaxPooling2D((1, 2))(x)
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
    x = _normed(layers, layers.Conv1D(width, 1, **_PLAIN)(x))
    for dilation in (1, 2, 3):
        y = _normed(layers, layers.Conv1D(width, 3, dilation_rate=dilation, **_PLAIN)(x))
        y = layers.BatchNormalization()(layers.Conv1D(width, 3, **_PLAIN)(y))
        x = layers.Activation("relu")(layers.Add()([x, y]))
    x = _statistics(layers, ops, _normed(layers, layers.Conv1D(2 * width, 1, **_PLAIN)(x)))
    x = layers.Dropout(0.3)(layers.BatchNormalization()(x))
    said = layers.Dense(n_classes, activation="softmax")(x)
    return keras.Model(frames, said, name="log_mel_resnet")


def _normed(layers, x):
    return layers.Activation("relu")(layers.BatchNormalization()(x))


def _statistics(layers, ops, x):
    """Return mean and deviation over time, moments weighed by a learnt score of each unit."""
    score = layers.Dense(x.shape[-1])(layers.Dense(64, activation="tanh")(x))
    weight = layers.Softmax(axis=1)(score)
    mean = ops.sum(weight * x, axis=1)
    variance = ops.sum(weight * x * x, axis=1) - mean * mean
    return layers.Concatenate()([mean, ops.sqrt(ops.maximum(variance, 1e-4))])


def augment(
    values: np.ndarray, targets: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a training batch, changed.

    Args:
        values: float32 ``(n, n_frames, n_bands)`` in dB.
        targets: ``(n, n_classes)``.
        rng: draws everything.

    Returns:
        float32 ``(n, 100, n_bands)``, and the targets as they are.
    """
    n, n_frames, n_bands = values.shape
    speed = np.exp(rng.uniform(-_SPEED, _SPEED, (n, 1)))
    start = rng.uniform(0, n_frames - 1, (n, 1))
    changed = _between(values, (start + np.arange(_FRAMES) * speed) % (n_frames - 1))
    warp = np.exp(rng.uniform(-_WARP, _WARP, (n, 1)))
    bands = np.arange(n_bands) * warp + rng.uniform(-_SHIFT_BANDS, _SHIFT_BANDS, (n, 1))
    bands = np.clip(bands, 0, n_bands - 1.001)
    changed = _between(changed.transpose(0, 2, 1), bands).transpose(0, 2, 1)
    # Where the floor lies below the mean is the recording's, not the voice's.
    changed = np.maximum(changed, rng.uniform(-50, -30, (n, 1, 1)).astype(np.float32))
    mean = changed.mean(axis=1)
    for clip, level in zip(changed, mean, strict=True):
        _mask(clip, level, rng)
    return changed, targets


def _between(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return ``(n, k, ...)`` at places ``(n, k)`` of the second axis, in between interpolated."""
    rows, below = np.arange(len(values))[:, None], at.astype(int)
    share = (at - below)[..., None].astype(np.float32)
    return values[rows, below] * (1 - share) + values[rows, below + 1] * share


def _mask(clip: np.ndarray, level: np.ndarray, rng: np.random.Generator) -> None:
    for _ in range(_MASKS):
        n_frames, n_bands = rng.integers(_MASK_FRAMES + 1), rng.integers(_MASK_BANDS + 1)
        first = rng.integers(len(clip) - n_frames)
        clip[first : first + n_frames] = level
        band = rng.integers(clip.shape[1] - n_bands)
        clip[:, band : band + n_bands] = level[band : band + n_bands]


def build(
    *,
    seed: int = 0,
    epochs: int = 8,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    augment: bool = True,
    width: int = 160,
    **params: Any,
) -> KerasClassifier:
    """Return the unfitted estimator; parameters are :class:`KerasClassifier`'s."""
    from multimodal_ser.estimators.keras_classifier import KerasClassifier

    decay = {"weight_decay": 0.02, "use_ema": True, "ema_momentum": 0.998}
    return KerasClassifier(
        __name__,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        standardise=False,
        optimizer="adamw",
        optimizer_params=decay,
        cosine=True,
        augment=augment,
        network_params={"width": width},
        **params,
    )
