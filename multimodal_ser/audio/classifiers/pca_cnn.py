"""The network of ``soft_voting`` on principal components: 8 convolutions, 3 dense layers.

The values are standardised and projected onto the 66 principal components of
the training clips (95 % of the variance of its 180 values); (66, 1) goes
through eight convolutions of kernel 3, batch-normalised, in four pairs each
followed by pooling and dropout, and three dense layers, the last of them the
softmax. Stochastic gradient descent at 0.01 with momentum 0.9 and batches of
16 are the source's; the widths, the dropout rates and 60 epochs are our
reading, for which its text is silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multimodal_ser.estimators.networks import load_keras

if TYPE_CHECKING:
    import keras

    from multimodal_ser.estimators.keras_classifier import KerasClassifier

INPUT = "vector"
N_COMPONENTS = 66
SEARCH = {"learning_rate": [0.003, 0.01, 0.03], "epochs": [30, 60, 100]}

_WIDTHS = (32, 64, 128, 256)


def network(shape: tuple[int, ...] = (N_COMPONENTS, 1), n_classes: int = 8) -> keras.Model:
    """Return the uncompiled network.

    Args:
        shape: of the input, ``(n_components, 1)``.
        n_classes: width of the softmax.

    Returns:
        ``keras.Model``.
    """
    keras = load_keras()
    layers = keras.layers
    network = keras.Sequential([keras.Input(shape)], name="pca_cnn")
    for width in _WIDTHS:
        for _ in range(2):
            network.add(layers.Conv1D(width, 3, padding="same", use_bias=False))
            network.add(layers.BatchNormalization())
            network.add(layers.Activation("relu"))
        network.add(layers.MaxPooling1D(2, padding="same"))
        network.add(layers.Dropout(0.2))
    network.add(layers.Flatten())
    for width in (256, 64):
        network.add(layers.Dense(width, activation="relu"))
        network.add(layers.Dropout(0.3))
    network.add(layers.Dense(n_classes, activation="softmax"))
    return network


def build(
    *,
    seed: int = 0,
    epochs: int = 60,
    batch_size: int = 16,
    learning_rate: float = 0.01,
    n_components: int = N_COMPONENTS,
    **params: Any,
) -> KerasClassifier:
    """Return the unfitted estimator; parameters are :class:`KerasClassifier`'s."""
    from multimodal_ser.estimators.keras_classifier import KerasClassifier

    return KerasClassifier(
        __name__,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        optimizer="sgd",
        optimizer_params={"momentum": 0.9},
        n_components=n_components,
        **params,
    )
