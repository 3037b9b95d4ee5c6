"""The one-dimensional convolutional network of AEI 2019, 102,280 parameters.

For 157 values and 8 classes: conv 128 kernel 5 same (768), ReLU, dropout,
max-pool 8 to (19, 128), conv 128 kernel 5 same (82,048), ReLU, dropout,
flatten 2432, dense 8 softmax (19,464). The source's text gives no optimiser,
dropout rates or epochs, and names scaling for the support vector machine
alone; RMSprop at 1e-4, dropout 0.1 and 0.2, 60 epochs and values as they are
(``standardise`` changes that) are our reading. With validation actors,
training stops when their loss no longer falls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multimodal_ser.estimators.networks import load_keras

if TYPE_CHECKING:
    import keras

    from multimodal_ser.estimators.keras_classifier import KerasClassifier

INPUT = "vector"
N_PARAMETERS = 102_280

SEARCH = {"learning_rate": [3e-5, 1e-4, 3e-4], "epochs": [30, 60, 120]}


def network(shape: tuple[int, ...] = (157, 1), n_classes: int = 8) -> keras.Model:
    """Return the uncompiled network.

    Args:
        shape: of the input, ``(n_values, 1)``.
        n_classes: width of the softmax.

    Returns:
        ``keras.Model``.
    """
    keras = load_keras()
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv1D(128, 5, padding="same"),
            layers.Activation("relu"),
            layers.Dropout(0.1),
            layers.MaxPooling1D(8),
            layers.Conv1D(128, 5, padding="same"),
            layers.Activation("relu"),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(n_classes, activation="softmax"),
        ],
        name="aei_conv1d",
    )


def build(
    *, seed: int = 0, epochs: int = 60, standardise: bool = False, **params: Any
) -> KerasClassifier:
    """Return the unfitted estimator; parameters are :class:`KerasClassifier`'s."""
    from multimodal_ser.estimators.keras_classifier import KerasClassifier

    return KerasClassifier(__name__, seed=seed, epochs=epochs, standardise=standardise, **params)
