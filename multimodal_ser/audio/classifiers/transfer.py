"""What the networks of keras.applications share: frozen features and a small head.

The bottleneck way of ``soft_voting``: a network trained on ImageNet, its own
classifier cut off, turns each image once into features; a dense layer and a
softmax learn from them. Instead of ImageNet's, the weights may be a file or
random ones; random ones are trained along with the head.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from multimodal_ser.errors import MissingWeights
from multimodal_ser.estimators.networks import load_keras

if TYPE_CHECKING:
    import keras

    from multimodal_ser.estimators.keras_classifier import KerasClassifier

SEARCH = {"learning_rate": [1e-4, 3e-4, 1e-3], "epochs": [15, 30, 60]}
IMAGENET = "imagenet"


def base(
    application: str,
    preprocess: Callable,
    shape: tuple[int, ...],
    weights: str | None,
) -> keras.Model:
    """Return the network from images to feature maps.

    Args:
        application: its name in ``keras.applications``.
        preprocess: ``(keras, image 0 to 255 of three channels)`` -> the
            network's input, in layers and operations, so that it is saved along.
        shape: ``(height, width)`` or ``(height, width, 1 or 3)``, at least 32
            pixels a side; a single channel is repeated.
        weights: ``imagenet``, the path of a weights file without the top
            layers, or None for random ones.

    Returns:
        ``keras.Model`` from values 0 to 255 to feature maps.

    Raises:
        MissingWeights: the weights cannot be downloaded or read.
    """
    keras = load_keras()
    layers = keras.layers
    image = x = keras.Input(shape)
    if len(shape) == 2:
        x = layers.Reshape((*shape, 1))(x)
    if x.shape[-1] == 1:
        x = layers.Concatenate()([x, x, x])
    build = getattr(keras.applications, application)
    try:
        trunk = build(include_top=False, weights=weights, input_shape=(*shape[:2], 3))
    except Exception as error:
        if weights is None:
            raise
        raise _missing(application, weights, error) from error
    return keras.Model(image, trunk(preprocess(keras, x)), name=f"{application.lower()}_features")


def _missing(application: str, weights: str, error: Exception) -> MissingWeights:
    reason = " ".join(str(error).split())[:160]
    if weights != IMAGENET:
        return MissingWeights(
            f"{weights}: these are not usable weights of {application} without its top layers "
            f"({reason}); give the file that keras.applications offers"
        )
    return MissingWeights(
        f"the ImageNet weights of {application} cannot be had ({reason}); run once with a "
        "connection, which keeps them in ~/.keras/models, or give weights=FILE, or weights=None "
        "to train from random ones"
    )


def head(shape: tuple[int, ...], n_classes: int) -> keras.Model:
    """Return what learns from frozen feature maps: dense 256, dropout, softmax."""
    keras = load_keras()
    features = keras.Input(shape)
    return keras.Model(features, _head(keras.layers, features, n_classes), name="head")


def _head(layers, features, n_classes: int):
    x = layers.Flatten()(features)
    x = layers.Dropout(0.5)(layers.Dense(256, activation="relu")(x))
    return layers.Dense(n_classes, activation="softmax")(x)


def whole(trunk: keras.Model, n_classes: int) -> keras.Model:
    """Return a trunk and a head that are trained together."""
    keras = load_keras()
    outputs = _head(keras.layers, trunk.output, n_classes)
    return keras.Model(trunk.input, outputs, name=trunk.name.replace("features", "whole"))


def vgg_input(keras: ModuleType, image: keras.KerasTensor) -> keras.KerasTensor:
    """Turn RGB 0 to 255 into BGR minus ImageNet's mean, as the VGG networks want it."""
    offset = [-103.939, -116.779, -123.68]
    return keras.layers.Rescaling(1.0, offset)(keras.ops.flip(image, axis=-1))


def mobilenet_input(keras: ModuleType, image: keras.KerasTensor) -> keras.KerasTensor:
    """Turn 0 to 255 into -1 to 1, as MobileNet wants it."""
    return keras.layers.Rescaling(1 / 127.5, -1.0)(image)


def build(module: str, *, seed: int, weights: str | None, **params: Any) -> KerasClassifier:
    """Return the unfitted estimator of a module of this kind.

    Args:
        module: dotted name of the module with ``network`` and ``frozen``.
        seed: of the head, dropout and the order of clips.
        weights: see :func:`base`.
        params: of :class:`KerasClassifier`.
    """
    from multimodal_ser.estimators.keras_classifier import KerasClassifier

    settings: dict[str, Any] = {"epochs": 30, "learning_rate": 3e-4, "batch_size": 32}
    settings["optimizer"] = "adam"
    return KerasClassifier(
        module,
        seed=seed,
        standardise=False,
        network_params={"weights": weights},
        **(settings | params),
    )
