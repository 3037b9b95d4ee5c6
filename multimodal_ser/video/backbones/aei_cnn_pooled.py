"""The CNN of aei_2019 for machines with little memory: 283,384 parameters.

99.5 % of ``aei_cnn``'s 60 million parameters join its flattened map to the first
dense layer, and say that an expression seen one pixel further to the left is
another one. Here each of the 128 channels is averaged over the map instead
(M. Lin, Q. Chen, S. Yan, "Network in network", ICLR 2014, section 3.2): 1 MB
of weights, and any image from 16 px up fits.

Images of 128 px take a quarter of the work of 256 px ones (about 1 billion
multiplications a frame), and 64 px, with ``FrameParams(size_px=64)``, a
quarter of that. In RAVDESS, whose video is 1280x720, the face in the whole
image at 128 px is about 44x78 px; ``crop="face"`` keeps its shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from multimodal_ser.estimators.networks import load_keras
from multimodal_ser.video.backbones import Training, start_from
from multimodal_ser.video.backbones.aei_cnn import convolutions, head
from multimodal_ser.video.extract import FrameParams

if TYPE_CHECKING:
    import keras

PARAMS = FrameParams(every=20, size_px=128, crop="frame")
SIZES = range(16, 1025)
TRAINING = Training(batch_size=32, epochs=50, steps_per_epoch=25, learning_rate=1e-3)


def build(*, n_classes: int = 8, seed: int = 0, weights: str | Path | None = None) -> keras.Model:
    """Return the network, not compiled.

    Args:
        n_classes: number of labels.
        seed: of the initial weights.
        weights: a ``.keras`` file of this network to start from.

    Returns:
        ``keras.Model`` from ``(batch, height, width, 1)``, at least 16 px, to
        ``(batch, n_classes)``.

    Raises:
        ModelError: ``weights`` does not fit.

    Example:
        >>> build().count_params()  # doctest: +SKIP
        283384
    """
    keras = load_keras(seed)
    pooling = keras.layers.GlobalAveragePooling2D()
    layers = [*convolutions(keras), pooling, *head(keras, n_classes)]
    network = keras.Sequential([keras.Input((None, None, 1)), *layers], name="aei_cnn_pooled")
    return start_from(network, weights)
