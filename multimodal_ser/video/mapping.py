"""From the emotions of FER+ to the eight of RAVDESS, without any training video.

A network trained on FER+ knows neutral, happy, surprised, sad, angry, disgust,
fearful and contempt. RAVDESS has calm instead of contempt. Three things are done:

* Each probability is divided by how common the emotion was in training (half
  of FER+ is neutral or happy), because none of the eight is rare here: the
  correction of M. Saerens et al., "Adjusting the outputs of a classifier to new
  a priori probabilities", Neural Computation 14 (2002), equation 4.
* Contempt has no place among the eight and is left out.
* A face that is calm looks neutral to such a network, and nothing in FER+ tells
  the two apart. ``calm_share`` of neutral goes to calm, so the model says "one
  of these two"; which of them it says first is no finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.estimators.networks import load_keras
from multimodal_ser.tables import EMOTIONS

if TYPE_CHECKING:
    import keras

CALM_SHARE = 0.5


def weights(
    labels: Sequence[str], prior: Sequence[float] | None = None, calm_share: float = CALM_SHARE
) -> np.ndarray:
    """Return the matrix that takes probabilities of ``labels`` to those of EMOTIONS.

    Args:
        labels: what the network tells apart; those that are not in EMOTIONS are
            left out.
        prior: how common each label was in training; None changes nothing.
        calm_share: the part of neutral that goes to calm, 0 to 1.

    Returns:
        float32 ``(n_labels, 8)``; what comes out is to be divided by its sum.

    Raises:
        ValueError: a prior is not positive, or the share out of range.

    Example:
        >>> weights(["neutral", "contempt"], [0.5, 0.5])[:, :2].tolist()
        [[1.0, 1.0], [0.0, 0.0]]
    """
    shares = np.ones(len(labels)) if prior is None else np.asarray(prior, float)
    if not 0 <= calm_share <= 1 or not (shares > 0).all():
        raise ValueError(f"the prior {shares} and calm's share {calm_share} must be above 0")
    matrix = np.zeros((len(labels), len(EMOTIONS)), np.float32)
    for row, label in enumerate(labels):
        if label in EMOTIONS:
            matrix[row, EMOTIONS.index(label)] = 1 / shares[row]
    if "calm" not in labels and "neutral" in labels:
        row, neutral, calm = labels.index("neutral"), *map(EMOTIONS.index, ("neutral", "calm"))
        matrix[row, calm] = matrix[row, neutral] * calm_share
        matrix[row, neutral] *= 1 - calm_share
    return matrix


def to_emotions(
    probabilities: pd.DataFrame,
    prior: Sequence[float] | None = None,
    calm_share: float = CALM_SHARE,
) -> pd.DataFrame:
    """Return a probability table over EMOTIONS.

    Args:
        probabilities: a probability table of other labels; rows of NaN stay so.
        prior: see :func:`weights`.
        calm_share: see :func:`weights`.

    Raises:
        TableError: none of the labels is an emotion known here.

    Example:
        >>> faces = pd.DataFrame([[0.5, 0.3, 0.2]], columns=["neutral", "happy", "contempt"])
        >>> to_emotions(faces).round(4).iloc[0, :3].tolist()
        [0.3125, 0.3125, 0.375]
    """
    matrix = weights(list(probabilities.columns), prior, calm_share)
    if not matrix.any():
        raise TableError(f"none of the labels {list(probabilities.columns)} is an emotion here")
    values = probabilities.to_numpy(dtype=float) @ matrix
    values /= values.sum(axis=1, keepdims=True)
    return pd.DataFrame(values, probabilities.index, list(EMOTIONS))


def mapped(network: keras.Model, matrix: np.ndarray) -> keras.Model:
    """Return a network whose outputs are probabilities of EMOTIONS.

    Args:
        network: a ``keras.Model`` that ends in a softmax.
        matrix: of :func:`weights`, a row for each of its outputs.

    Returns:
        ``keras.Model`` of the same input; the mapping is its last layers.

    Example:
        >>> mapped(network, weights(labels)).output_shape  # doctest: +SKIP
        (None, 8)
    """
    keras = load_keras()
    layer = keras.layers.Dense(matrix.shape[1], use_bias=False, trainable=False, name="mapping")
    shares = layer(network.outputs[0])
    shares = shares / keras.ops.sum(shares, axis=-1, keepdims=True)
    layer.set_weights([matrix])
    return keras.Model(network.inputs, shares, name=f"{network.name}_mapped")
