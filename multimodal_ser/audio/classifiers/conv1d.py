"""The one-dimensional convolutional network of system A, 102,280 parameters.

For 157 values and 8 classes: conv 128 kernel 5 same (768), ReLU, dropout,
max-pool 8 to (19, 128), conv 128 kernel 5 same (82,048), ReLU, dropout,
flatten 2432, dense 8 softmax (19,464). The source gives no optimiser, rates
or epochs that can be told from its text; RMSprop, dropout 0.1 and 0.2 and
standardised values are our reading. With validation actors, training stops
when their loss no longer falls.
"""

from __future__ import annotations

from multimodal_ser.networks import load_keras

N_PARAMETERS = 102_280

SEARCH = {"learning_rate": [3e-5, 1e-4, 3e-4], "epochs": [50, 100, 200]}


def network(n_values: int = 157, n_classes: int = 8):
    """Return the uncompiled network.

    Args:
        n_values: length of the feature vector; input is ``(n_values, 1)``.
        n_classes: width of the softmax.

    Returns:
        ``keras.Model``.
    """
    keras = load_keras()
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((n_values, 1)),
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


def build(*, seed: int = 0, **params):
    """Return the unfitted estimator; parameters are :class:`KerasClassifier`'s."""
    from multimodal_ser.keras_classifier import KerasClassifier

    return KerasClassifier(__name__, seed=seed, **params)
