"""VGG16 on mel images, as in ``soft_voting`` (0.73 on images of 224x224).

See :mod:`transfer` for the bottleneck way. Simonyan and Zisserman, "Very deep convolutional
networks for large-scale image recognition", ICLR 2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multimodal_ser.audio.classifiers import transfer

if TYPE_CHECKING:
    import keras

    from multimodal_ser.estimators.keras_classifier import KerasClassifier

INPUT = "image"
SEARCH = transfer.SEARCH


def frozen(shape: tuple[int, ...], weights: str | None = transfer.IMAGENET) -> keras.Model | None:
    """Return the network from images to features; None where it is to be trained too."""
    return _base(shape, weights) if weights else None


def network(
    shape: tuple[int, ...], n_classes: int, weights: str | None = transfer.IMAGENET
) -> keras.Model:
    """Return what is trained: a head on frozen features, or everything without weights."""
    if weights:
        return transfer.head(shape, n_classes)
    return transfer.whole(_base(shape, None), n_classes)


def _base(shape: tuple[int, ...], weights: str | None):
    return transfer.base("VGG16", transfer.vgg_input, shape, weights)


def build(
    *, seed: int = 0, weights: str | None = transfer.IMAGENET, **params: Any
) -> KerasClassifier:
    """Return the unfitted estimator; see :func:`transfer.build`."""
    return transfer.build(__name__, seed=seed, weights=weights, **params)
