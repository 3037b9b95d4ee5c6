"""Our compact network on log-mel frames: convolutions, a recurrent layer, attention.

Frames are averaged by pairs, to 20 ms; four batch-normalised convolutions 3x3,
each pooled, make one of 8 frames and four of the bands; a bidirectional GRU reads
them in order; attention says which moments count (a softmax over time of a learnt
score; the weighted mean goes to the softmax over labels). About 200 k parameters,
so that a fold of RAVDESS trains on a CPU core in minutes.

While training, each clip is shifted by at most a sixth of a second, loses
stretches of time and frequency (SpecAugment) and is mixed with another
(mixup); see :func:`augment`. ``augment=False`` turns this off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from multimodal_ser.audio.augment import mixup, spec_augment
from multimodal_ser.estimators.networks import load_keras

if TYPE_CHECKING:
    import keras

    from multimodal_ser.estimators.keras_classifier import KerasClassifier

INPUT = "frames"
SEARCH = {"learning_rate": [5e-4, 1e-3, 2e-3], "epochs": [30, 50, 80]}

_WIDTHS = (24, 48, 64, 96)
_POOLS = ((2, 2), (2, 2), (1, 2), (1, 2))
_UNITS = 64
#: Largest shift of a training clip, as a share of its frames.
_SHIFT = 0.05


def network(shape: tuple[int, ...], n_classes: int) -> keras.Model:
    """Return the uncompiled network.

    Args:
        shape: of the input, ``(n_frames, n_bands)``, standardised.
        n_classes: width of the softmax.

    Returns:
        ``keras.Model``.

    Example:
        >>> 150_000 < network((300, 64), 8).count_params() < 250_000
        True
    """
    keras = load_keras()
    layers = keras.layers
    frames = keras.Input(shape)
    x = layers.Reshape((*shape, 1))(frames)
    x = layers.AveragePooling2D((2, 1), padding="same")(x)
    for width, pool in zip(_WIDTHS, _POOLS, strict=True):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D(pool, padding="same")(x)
        x = layers.Dropout(0.1)(x)
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x)
    x = layers.Dense(96, activation="relu")(x)
    x = layers.Bidirectional(layers.GRU(_UNITS, return_sequences=True))(x)
    x = layers.Dropout(0.3)(_attended(layers, x))
    return keras.Model(frames, layers.Dense(n_classes, activation="softmax")(x), name="logmel_crnn")


def _attended(layers, x):
    """Return the mean over time, weighted by a learnt score of each moment."""
    score = layers.Dense(1)(layers.Dense(32, activation="tanh")(x))
    weight = layers.Softmax(axis=1)(score)
    return layers.Flatten()(layers.Dot(axes=1)([weight, x]))


def augment(
    values: np.ndarray, targets: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a training batch, changed.

    Args:
        values: float32 ``(n, n_frames, n_bands)``, standardised.
        targets: ``(n, n_classes)``.
        rng: draws everything.

    Returns:
        Both, same shapes.
    """
    n_frames, n_bands = values.shape[1:]
    most = round(_SHIFT * n_frames)
    limits = {"max_time_frames": n_frames // 8, "max_bands": n_bands // 6}
    changed = [
        spec_augment(np.roll(clip, int(rng.integers(-most, most + 1)), axis=0), rng, **limits)
        for clip in values
    ]
    return mixup(np.stack(changed), targets, rng, alpha=0.3)


def build(
    *,
    seed: int = 0,
    epochs: int = 50,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    augment: bool = True,
    **params: Any,
) -> KerasClassifier:
    """Return the unfitted estimator; parameters are :class:`KerasClassifier`'s."""
    from multimodal_ser.estimators.keras_classifier import KerasClassifier

    return KerasClassifier(
        __name__,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        optimizer="adam",
        cosine=True,
        augment=augment,
        **params,
    )
