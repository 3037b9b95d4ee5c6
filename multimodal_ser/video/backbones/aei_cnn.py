"""The frame CNN of aei_2019 (AEI 2019): 256x256 grey, 60,248,824 parameters.

The published text gives these facts: a sequential CNN of convolutions with
batch normalisation and ReLU/sigmoid, a batch-normalised map of 121x121x128,
flatten (1,874,048), dense 32, dropout, dense 32, dropout, dense 8;
60,248,824 parameters, 480 of them not trained. It does not list the layers.

They were found by counting. The dense layers take 59,970,888 parameters and
batch normalisation of 480 / 2 = 240 channels takes 960, which leaves 276,976
for the convolutions. Of all stacks of four to seven biased convolutions with
square kernels of 1 to 9 and widths from 4, 8, ... 128 that never narrow, end
in 128 and have a subset of widths that sums to 240, 3,106 have exactly that
many. Only one of them has no kernel but 3x3 and 5x5, and it is the one
that a person would write down: widths 16, 16, 32, 32, 64, 64, 128, kernels 5x5
first and last and 3x3 between, normalised after each pair and at the end
(16 + 32 + 64 + 128 = 240).

Where the one halving stands is not determined either. 256 becomes 121 when the
first pair is unpadded (250), pooled (125), and the second pair unpadded (121);
or when six are unpadded (242) and then pooled. Both have every published
number; the former, used here, takes 4.2 instead of 7.3 billion multiplications
a frame and a quarter of the memory.

The source's ReLU/sigmoid is taken as ReLU in the convolutions and sigmoid in
the two dense layers of 32. Its dropout rate is unknown: 0.5 here. Training
followed the source: 25 steps an epoch, 50 epochs, with augmentation; batch size
and rate are ours. A network in memory takes 240 MB, and four times that while
it trains; where that is too much, use ``aei_cnn_pooled``.
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

PARAMS = FrameParams(every=20, size_px=256, crop="frame")
SIZES = range(256, 257)
TRAINING = Training(batch_size=16, epochs=50, steps_per_epoch=25, learning_rate=1e-4)

#: Width and kernel of each convolution; those of the last three are padded.
CONVOLUTIONS = ((16, 5), (16, 3), (32, 3), (32, 3), (64, 3), (64, 3), (128, 5))
UNPADDED = 4
NORMALISED = (1, 3, 5, 6)
POOLED = 1

#: Keras's default of 0.99 needs hundreds of steps before the running means
#: are near the data's; with 25 steps an epoch, the first validations would
#: judge a network that training never saw.
MOMENTUM = 0.9

DROPOUT = 0.5


def build(*, n_classes: int = 8, seed: int = 0, weights: str | Path | None = None) -> keras.Model:
    """Return the network, not compiled.

    Args:
        n_classes: number of labels.
        seed: of the initial weights.
        weights: a ``.keras`` file of this network to start from.

    Returns:
        ``keras.Model`` from ``(batch, 256, 256, 1)`` to ``(batch, n_classes)``.

    Raises:
        ModelError: ``weights`` does not fit.

    Example:
        >>> build().count_params()  # doctest: +SKIP
        60248824
    """
    keras = load_keras(seed)
    size = (PARAMS.size_px, PARAMS.size_px, 1)
    layers = [*convolutions(keras), keras.layers.Flatten(), *head(keras, n_classes)]
    return start_from(keras.Sequential([keras.Input(size), *layers], name="aei_cnn"), weights)


def convolutions(keras: ModuleType) -> list:
    """Return the convolutional layers: 240 normalised channels, 277,936 parameters."""
    layers = []
    for number, (width, kernel) in enumerate(CONVOLUTIONS):
        padding = "valid" if number < UNPADDED else "same"
        layers.append(keras.layers.Conv2D(width, kernel, padding=padding, activation="relu"))
        if number in NORMALISED:
            layers.append(keras.layers.BatchNormalization(momentum=MOMENTUM))
        if number == POOLED:
            layers.append(keras.layers.MaxPooling2D(2))
    return layers


def head(keras: ModuleType, n_classes: int) -> list:
    """Return the dense layers: 32, dropout, 32, dropout, softmax."""
    return [
        keras.layers.Dense(32, activation="sigmoid"),
        keras.layers.Dropout(DROPOUT),
        keras.layers.Dense(32, activation="sigmoid"),
        keras.layers.Dropout(DROPOUT),
        keras.layers.Dense(n_classes, activation="softmax"),
    ]
