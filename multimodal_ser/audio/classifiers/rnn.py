"""A recurrent network, as in ``soft_voting``.

The source says "RNN" and 0.18 on 16 classes. Its 180 values are averages over
time, so what it recurs over is the list of values, which has no order to learn
from: we take that reading, one value a step, a recurrent layer of 128 units
(LSTM) and a softmax. Log-mel frames, which do have an order, are taken too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multimodal_ser.estimators.networks import load_keras

if TYPE_CHECKING:
    import keras

    from multimodal_ser.estimators.keras_classifier import KerasClassifier

INPUT = "sequence"
SEARCH = {"learning_rate": [3e-4, 1e-3, 3e-3], "epochs": [20, 40, 80]}


def network(shape: tuple[int, ...], n_classes: int, units: int = 128) -> keras.Model:
    """Return the uncompiled network.

    Args:
        shape: of the input, ``(n_steps, n_values)``.
        n_classes: width of the softmax.
        units: of the recurrent layer.

    Returns:
        ``keras.Model``.
    """
    keras = load_keras()
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.LSTM(units),
            layers.Dropout(0.3),
            layers.Dense(n_classes, activation="softmax"),
        ],
        name="rnn",
    )


def build(
    *,
    seed: int = 0,
    epochs: int = 40,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
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
        **params,
    )
