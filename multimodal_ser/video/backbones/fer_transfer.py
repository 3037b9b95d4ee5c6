"""aei_2019's FER transfer: ``fer_cnn`` with a new head, 242,320 parameters.

The network is trained on FER2013, its last five layers are removed, and a
convolution 8 1x1, a convolution 8 4x4, flatten and softmax are put in their
place and trained on RAVDESS. Published accuracy: 0.35.

``build(weights="fer_cnn.keras")`` takes the base from a trained ``fer_cnn``.
Without ``weights`` the base is random and nothing is transferred: the network
is then just another small face CNN. The source does not say whether the base
was frozen; here all layers are trained on, at a lower rate than a new network's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from multimodal_ser.estimators.networks import load_keras, load_network
from multimodal_ser.video.backbones import Training, copy_weights, fer_cnn

if TYPE_CHECKING:
    import keras

PARAMS = fer_cnn.PARAMS
SIZES = fer_cnn.SIZES
TRAINING = Training(batch_size=32, epochs=50, steps_per_epoch=25, learning_rate=3e-4)


def build(*, n_classes: int = 8, seed: int = 0, weights: str | Path | None = None) -> keras.Model:
    """Return the network, not compiled.

    Args:
        n_classes: number of labels.
        seed: of the new layers' weights, and of the base without ``weights``.
        weights: a ``.keras`` file of a trained ``fer_cnn``, of any number of
            labels, or of this backbone; its head is not used.

    Returns:
        ``keras.Model`` from ``(batch, 48, 48, 1)`` to ``(batch, n_classes)``.

    Raises:
        ModelError: ``weights`` is not a ``fer_cnn``.

    Example:
        >>> build().count_params()  # doctest: +SKIP
        242320
    """
    keras = load_keras(seed)
    size = (PARAMS.size_px, PARAMS.size_px, 1)
    kept = fer_cnn.base(keras)
    # The new head has no dropout: the source lists four layers.
    added = fer_cnn.head(keras, n_classes)[1:]
    network = keras.Sequential([keras.Input(size), *kept, *added], name="fer_transfer")
    if weights is not None:
        copy_weights(kept, load_network(weights).layers[: len(kept)], weights)
    return network
