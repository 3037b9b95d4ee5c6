"""aei_2019's CNN for FER2013: 48x48 grey faces, 7 emotions, 241,950 parameters.

Convolutions 32 3x3 (46x46), 64 3x3 (44x44), pool, 128 3x3 (20x20), pool, 128
3x3 (8x8), pool (4x4x128), 7 1x1, 7 4x4, flatten, softmax. With biases and
without batch normalisation the count comes out exactly, so there was none.
There are no dense layers: the last convolution covers the whole 4x4 map.

The source removes "the last five layers" for transfer, while the text names
four after the last pool (two convolutions, flatten, softmax); the fifth must
be one without parameters, taken here as a dropout of 0.5 before them.

Data: I. Goodfellow et al., "Challenges in representation learning: a report on
three machine learning contests", ICONIP 2013. With another number of labels
it is an ordinary small face network.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from multimodal_ser.estimators.networks import load_keras
from multimodal_ser.video.backbones import Training, start_from
from multimodal_ser.video.extract import FrameParams

if TYPE_CHECKING:
    import keras

PARAMS = FrameParams(every=20, size_px=48, crop="face")
SIZES = range(48, 49)
TRAINING = Training(batch_size=64, epochs=50, steps_per_epoch=None, learning_rate=1e-3)

#: The labels of FER2013 in the order of its codes 0 to 6.
FER_LABELS = ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral")

DROPOUT = 0.5
#: Dropout, two convolutions, flatten, softmax: what transfer replaces.
HEAD_LAYERS = 5


def build(*, n_classes: int = 7, seed: int = 0, weights: str | Path | None = None) -> keras.Model:
    """Return the network, not compiled.

    Args:
        n_classes: number of labels, 7 in FER2013.
        seed: of the initial weights.
        weights: a ``.keras`` file of this network to start from.

    Returns:
        ``keras.Model`` from ``(batch, 48, 48, 1)`` to ``(batch, n_classes)``.

    Raises:
        ModelError: ``weights`` does not fit.

    Example:
        >>> build().count_params()  # doctest: +SKIP
        241950
    """
    keras = load_keras(seed)
    size = (PARAMS.size_px, PARAMS.size_px, 1)
    layers = [keras.Input(size), *base(keras), *head(keras, n_classes)]
    return start_from(keras.Sequential(layers, name="fer_cnn"), weights)


def base(keras: ModuleType) -> list:
    """Return the layers up to the 4x4x128 map: 240,256 parameters."""
    layers = []
    for width, pooled in ((32, False), (64, True), (128, True), (128, True)):
        layers.append(keras.layers.Conv2D(width, 3, activation="relu"))
        if pooled:
            layers.append(keras.layers.MaxPooling2D(2))
    return layers


def head(keras: ModuleType, n_classes: int) -> list:
    """Return the layers from the 4x4x128 map to the softmax."""
    return [
        keras.layers.Dropout(DROPOUT),
        keras.layers.Conv2D(n_classes, 1, activation="relu"),
        keras.layers.Conv2D(n_classes, 4),
        keras.layers.Flatten(),
        keras.layers.Softmax(),
    ]
