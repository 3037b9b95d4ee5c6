"""A one-dimensional network on the raw signal, as in ``spectrogram_resnet``.

The source says "4-5 layers" and 0.146 on eight classes, little above chance.
This is the layout of M5 of Dai et al., "Very deep convolutional neural networks
for raw waveforms", ICASSP 2017: a wide first convolution that takes the place
of a filter bank, four convolutions of kernel 3, batch-normalised and pooled by
4, the mean over time, and a softmax. Half of M5's widths, and a first stride
of 8 instead of 4, keep an epoch on a CPU in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from multimodal_ser.estimators.networks import load_keras

if TYPE_CHECKING:
    import keras

    from multimodal_ser.estimators.keras_classifier import KerasClassifier

INPUT = "waveform"
SEARCH = {"learning_rate": [3e-4, 1e-3, 3e-3], "epochs": [20, 40, 80]}


def network(
    shape: tuple[int, ...],
    n_classes: int,
    widths: Sequence[int] = (64, 64, 128, 128, 256),
    first_stride: int = 8,
) -> keras.Model:
    """Return the uncompiled network.

    Args:
        shape: of the input, ``(n_samples, 1)``.
        n_classes: width of the softmax.
        widths: channels of the convolutions.
        first_stride: of the first convolution, in samples.

    Returns:
        ``keras.Model``.
    """
    keras = load_keras()
    layers = keras.layers
    # A loud clip and a soft copy of it are the same to the network.
    unit = layers.LayerNormalization(axis=(1, 2), center=False, scale=False)
    network = keras.Sequential([keras.Input(shape), unit], name="waveform_cnn")
    for at, width in enumerate(widths):
        kernel, stride = (80, first_stride) if at == 0 else (3, 1)
        network.add(layers.Conv1D(width, kernel, stride, padding="same", use_bias=False))
        network.add(layers.BatchNormalization())
        network.add(layers.Activation("relu"))
        network.add(layers.MaxPooling1D(4, padding="same"))
    network.add(layers.GlobalAveragePooling1D())
    network.add(layers.Dropout(0.3))
    network.add(layers.Dense(n_classes, activation="softmax"))
    return network


def build(
    *,
    seed: int = 0,
    epochs: int = 40,
    learning_rate: float = 1e-3,
    batch_size: int = 16,
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
        standardise=False,
        **params,
    )
