"""A compact residual network for 48x48 grey faces, 967,688 parameters.

A convolution of 32 maps at full size, then five residual blocks of two 3x3
convolutions: 48 maps at 24x24, twice 96 at 12x12, twice 136 at 6x6 (the
second of each pair keeps its size), the mean over the map, dropout, softmax.
Most of the work is at 12x12 and below, where a CPU does 3x3 convolutions best:
depthwise ones would save multiplications and cost time.

The network standardises every image by its own mean and deviation, so that
light and camera do not matter and anyone who uses the weights cannot forget it.

Sources: K. He et al., "Deep residual learning for image recognition", CVPR
2016, for the blocks; E. Barsoum et al., ICMI 2016, for training on the votes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from multimodal_ser.estimators.networks import load_keras
from multimodal_ser.video.backbones import Training, start_from
from multimodal_ser.video.extract import FrameParams

if TYPE_CHECKING:
    import keras

PARAMS = FrameParams(every=20, size_px=48, crop="face")
SIZES = range(48, 49)
TRAINING = Training(batch_size=64, epochs=50, learning_rate=1e-3)
#: What it was trained with on FER2013; see ``pipelines/train_fer.py``.
FROM_SCRATCH = Training(
    batch_size=128, epochs=40, learning_rate=0.1, patience=40, optimizer="sgd", weight_decay=5e-4
)

STEM = 32
#: Maps and step of each block.
BLOCKS = ((48, 2), (96, 2), (96, 1), (136, 2), (136, 1))
DROPOUT = 0.3


def build(*, n_classes: int = 8, seed: int = 0, weights: str | Path | None = None) -> keras.Model:
    """Return the network, not compiled.

    Args:
        n_classes: number of labels, 8 in FER+.
        seed: of the initial weights.
        weights: a ``.keras`` file of this network to start from.

    Returns:
        ``keras.Model`` from ``(batch, 48, 48, 1)`` to ``(batch, n_classes)``.

    Raises:
        ModelError: ``weights`` does not fit.

    Example:
        >>> build().output_shape  # doctest: +SKIP
        (None, 8)
    """
    keras = load_keras(seed)
    layers = keras.layers
    pictures = keras.Input((PARAMS.size_px, PARAMS.size_px, 1))
    maps = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False)(pictures)
    maps = _convolved(layers, maps, STEM, 1)
    for width, step in BLOCKS:
        maps = _block(layers, maps, width, step)
    pooled = layers.Dropout(DROPOUT)(layers.GlobalAveragePooling2D()(maps))
    shares = layers.Dense(n_classes, activation="softmax")(pooled)
    return start_from(keras.Model(pictures, shares, name="fer_resnet"), weights)


def _block(layers, maps, width: int, step: int):
    """Add two convolutions to what comes in."""
    found = _convolved(layers, maps, width, step)
    found = layers.Conv2D(width, 3, padding="same", use_bias=False)(found)
    found = layers.BatchNormalization()(found)
    if step > 1:
        maps = layers.AveragePooling2D(step)(maps)
    if maps.shape[-1] != width:
        maps = layers.Conv2D(width, 1, use_bias=False)(maps)
        maps = layers.BatchNormalization()(maps)
    return layers.ReLU()(layers.Add()([maps, found]))


def _convolved(layers, maps, width: int, step: int):
    maps = layers.Conv2D(width, 3, strides=step, padding="same", use_bias=False)(maps)
    return layers.ReLU()(layers.BatchNormalization()(maps))
