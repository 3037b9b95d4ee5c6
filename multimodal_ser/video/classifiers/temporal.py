"""A small network over a clip's frames, with attention pooling.

Each frame's values pass two convolutions along time, which see how they
change; attention then weighs the frames and gives their weighted mean, to
which the largest value of each channel is added. Frames without a face take no
part: their values count as the training mean and their weight is 0. With the
43 values a frame of OpenFace and 8 classes it has 20,489 parameters.

Attention pooling after Yang et al., "Hierarchical Attention Networks for
Document Classification", NAACL 2016, with a linear score. Not measured on
people: no table of frames of several RAVDESS actors was at hand, and what is
known is that it learns what synthetic sequences hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multimodal_ser.estimators.networks import load_keras

if TYPE_CHECKING:
    import keras

    from multimodal_ser.video.sequence_classifier import SequenceClassifier

SEQUENCES = True
SEARCH = {"learning_rate": [3e-4, 1e-3, 3e-3], "epochs": [20, 40, 80]}

#: Channels of each layer, and how many frames a convolution sees.
CHANNELS, KERNEL_FRAMES = 40, 5


def network(shape: tuple[int | None, int] = (None, 44), n_classes: int = 8) -> keras.Model:
    """Return the uncompiled network.

    Args:
        shape: ``(n_frames, n_inputs)``; any number of frames is taken. The
            last input is 1 for a frame with a face, else 0.
        n_classes: width of the softmax.

    Returns:
        ``keras.Model``.

    Example:
        >>> network().count_params()
        20489
    """
    keras = load_keras()
    layers, ops = keras.layers, keras.ops
    inputs = keras.Input((None, shape[-1]))
    there = inputs[:, :, -1:]
    frames = layers.Dropout(0.1)(inputs)
    for _ in range(2):
        frames = layers.Conv1D(CHANNELS, KERNEL_FRAMES, padding="same")(frames)
        frames = layers.Activation("gelu")(frames) * there
    scores = layers.Dense(1)(frames) + (there - 1) * 1e9
    weights = ops.softmax(scores, axis=1)
    mean = ops.sum(frames * weights, axis=1)
    largest = ops.max(frames + (there - 1) * 1e9, axis=1)
    pooled = layers.Dropout(0.3)(layers.Concatenate()([mean, ops.maximum(largest, -1.0)]))
    hidden = layers.Dense(CHANNELS, activation="gelu")(pooled)
    return keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(hidden))


def build(*, seed: int = 0, **params: Any) -> SequenceClassifier:
    """Return the unfitted estimator; parameters are :class:`SequenceClassifier`'s."""
    from multimodal_ser.video.sequence_classifier import SequenceClassifier

    return SequenceClassifier(__name__, seed=seed, **params)
