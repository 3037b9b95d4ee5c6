"""Networks over grey images, one file each.

A backbone is a module with ``PARAMS`` (its front end), ``SIZES`` (the sides in
pixels that it takes), ``TRAINING`` (its default settings) and ``build(*,
n_classes, seed, weights)``, which returns an uncompiled ``keras.Model`` from
float32 ``(batch, size, size, 1)`` in [0, 1] to softmax ``(batch, n_classes)``.
``weights`` names a ``.keras`` file to start from.

Example:
    >>> load("fer_cnn").PARAMS.size_px
    48
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from multimodal_ser.errors import ModelError
from multimodal_ser.estimators.networks import load_network
from multimodal_ser.plugins import load_plugin

if TYPE_CHECKING:
    import keras

NAMES = ("aei_cnn", "aei_cnn_pooled", "fer_cnn", "fer_resnet", "fer_transfer")


@dataclass(frozen=True)
class Training:
    """How a backbone is trained unless told otherwise.

    Attributes:
        batch_size: frames a step.
        epochs: at most so many; early stopping ends sooner.
        steps_per_epoch: batches an epoch; None goes through every frame once.
        learning_rate: of the optimizer.
        patience: epochs without a better validation loss before stopping.
        optimizer: ``adam`` at one rate, or ``sgd``: Nesterov momentum 0.9, the
            rate rising over the first epoch and then falling to 0 along half a
            cosine by the last.
        weight_decay: of ``sgd``, on kernels only.
    """

    batch_size: int = 32
    epochs: int = 50
    steps_per_epoch: int | None = None
    learning_rate: float = 1e-3
    patience: int = 10
    optimizer: str = "adam"
    weight_decay: float = 0.0


def load(name: str) -> ModuleType:
    """Return the backbone module of that name.

    Raises:
        UnknownName: there is none; the error lists those there are.
    """
    return load_plugin(__name__, "video backbone", name, NAMES)


def start_from(network: keras.Model, path: str | Path | None) -> keras.Model:
    """Give a network the weights of a saved one of the same layers.

    Args:
        network: the network to fill, a ``keras.Model``.
        path: a ``.keras`` file, or None to leave the network as it is.

    Returns:
        ``network``.

    Raises:
        ModelError: the file is unusable, or its layers have other shapes.
    """
    if path is not None:
        copy_weights(network.layers, load_network(path).layers, path)
    return network


def copy_weights(into: list, layers: list, path: str | Path) -> None:
    """Copy the weights of ``layers`` into layers of the same shapes, one by one.

    Raises:
        ModelError: the two differ in the number of layers or in a shape.
    """
    ours = [[weight.shape for weight in layer.weights] for layer in into]
    theirs = [[weight.shape for weight in layer.weights] for layer in layers]
    if ours != theirs:
        raise ModelError(f"{path}: its layers are not those of this backbone; give another file")
    for target, source in zip(into, layers, strict=True):
        target.set_weights(source.get_weights())
