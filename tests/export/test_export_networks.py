"""Every exported layer and network gives what Keras gives."""

import numpy as np
import pytest

from multimodal_ser.audio import classifiers
from multimodal_ser.estimators.networks import load_keras
from multimodal_ser.export.networks import network_to_onnx
from multimodal_ser.export.runtime import LightNetwork, NotExportable
from multimodal_ser.video import backbones, mapping

#: One clip's features for each kind of input, smaller than in use.
SHAPES = {"vector": (157, 1), "frames": (40, 64), "waveform": (16000, 1), "sequence": (30, 13)}
#: 60 million weights: its layers are those of aei_cnn_pooled, and Flatten and Dense.
TOO_LARGE = {"aei_cnn"}


def randomised(network, seed: int = 0):
    """Weights as after a training: none 0 or 1, so that none can be left out unnoticed."""
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        shape = weight.shape
        if "variance" in weight.path:
            weight.assign(rng.uniform(0.5, 2, shape))
        elif any(name in weight.path for name in ("mean", "beta", "bias")):
            weight.assign(rng.normal(size=shape) * 0.1)
        elif "gamma" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, shape))
    return network


def assert_same(network, shape):
    rng = np.random.default_rng(1)
    exported = LightNetwork(network_to_onnx(randomised(network)))
    for n in (1, 3):
        values = rng.random((n, *shape), np.float32)
        expected = network.predict_on_batch(values)
        np.testing.assert_allclose(exported.predict_on_batch(values), expected, atol=1e-5, rtol=0)
    assert np.ptp(expected) > 1e-4  # a constant would agree with anything
    return exported


@pytest.mark.parametrize("name", sorted(set(backbones.NAMES) - TOO_LARGE))
def test_every_backbone(name):
    module = backbones.load(name)
    size = min(module.PARAMS.size_px, 64)
    exported = assert_same(module.build(n_classes=5), (size, size, 1))
    assert exported.output_shape == (None, 5)


def test_a_mapped_network():
    labels = ["neutral", "happy", "surprised", "sad", "angry", "disgust", "fearful", "contempt"]
    matrix = mapping.weights(labels, np.linspace(0.05, 0.3, 8))
    network = mapping.mapped(backbones.load("fer_resnet").build(n_classes=8), matrix)
    exported = assert_same(network, (48, 48, 1))
    values = np.random.default_rng(2).random((4, 48, 48, 1), np.float32)
    np.testing.assert_allclose(exported.predict_on_batch(values).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["conv1d", "logmel_crnn", "pca_cnn", "rnn", "waveform_cnn"])
def test_networks_of_sound(name):
    module = classifiers.load(name)
    shape = SHAPES[module.INPUT]
    assert_same(module.network(shape, 8), shape)


def layers_of(name):
    """A layer with options that no network above has, and a clip's shape."""
    layers = load_keras().layers
    return {
        "strided": (layers.Conv2D(3, (3, 5), strides=(2, 3), padding="same"), (9, 11, 2)),
        "dilated": (layers.Conv2D(4, 3, dilation_rate=2, activation="sigmoid"), (9, 11, 2)),
        "grouped": (layers.Conv2D(4, 3, groups=2, use_bias=False), (9, 11, 2)),
        "pooled to the edge": (layers.MaxPooling2D((2, 3), padding="same"), (9, 11, 2)),
        "mean to the edge": (layers.AveragePooling2D(3, strides=2, padding="same"), (9, 11, 2)),
        "mean in time": (layers.GlobalAveragePooling1D(keepdims=True), (7, 3)),
        "normalised map": (layers.LayerNormalization(axis=(1, 2, 3)), (5, 4, 3)),
        "normalised rows": (layers.LayerNormalization(), (5, 4)),
        "normalised vector": (layers.BatchNormalization(), (6,)),
        "plain shift": (layers.BatchNormalization(scale=False), (5, 4, 3)),
        "last state of a GRU": (layers.GRU(4), (6, 3)),
        "all states of an LSTM": (layers.LSTM(4, return_sequences=True), (6, 3)),
        "both last states": (layers.Bidirectional(layers.LSTM(4)), (6, 3)),
        "softmax in time": (layers.Softmax(axis=1), (6, 3)),
        "dense in time": (layers.Dense(4, activation="tanh"), (6, 3)),
        "rescaled": (layers.Rescaling(2.0, offset=-1.0), (6, 3)),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "strided", "dilated", "grouped", "pooled to the edge", "mean to the edge",
        "mean in time", "normalised map", "normalised rows", "normalised vector", "plain shift",
        "last state of a GRU", "all states of an LSTM", "both last states", "softmax in time",
        "dense in time", "rescaled",
    ],
)  # fmt: skip
def test_a_layer(name):
    keras, (layer, shape) = load_keras(0), layers_of(name)
    assert_same(keras.Sequential([keras.Input(shape), layer]), shape)


def test_a_branched_network_of_mixed_layouts():
    """Maps, which convolutions have channels first, meet values that never were."""
    keras = load_keras(0)
    layers = keras.layers
    start = keras.Input((6, 6, 2))
    maps = layers.Conv2D(2, 3, padding="same")(start)
    joined = layers.Concatenate()([layers.Add()([start, maps]), layers.Multiply()([maps, start])])
    shaped = layers.Flatten()(layers.Reshape((3, 12, 4))(joined))
    assert_same(keras.Model(start, layers.Dense(3)(shaped)), (6, 6, 2))


def test_a_network_within_a_network():
    keras = load_keras(0)
    inner = keras.Sequential([keras.Input((6, 6, 2)), keras.layers.Conv2D(3, 3)])
    start = keras.Input((6, 6, 2))
    assert_same(keras.Model(start, keras.layers.Flatten()(inner(start))), (6, 6, 2))


@pytest.mark.parametrize(
    "refused",
    [
        lambda layers: layers.LeakyReLU(),
        lambda layers: layers.Activation("gelu"),
        lambda layers: layers.ReLU(max_value=6),
        lambda layers: layers.BatchNormalization(axis=1),
        lambda layers: layers.Bidirectional(layers.GRU(2), merge_mode="sum"),
        lambda layers: layers.GRU(2, reset_after=False),
        lambda layers: layers.LSTM(2, activation="relu"),
        lambda layers: layers.Conv1D(2, 3, padding="causal"),
        lambda layers: layers.AveragePooling1D(2, strides=3, padding="same"),
    ],
)
def test_what_has_no_translation_is_told(refused):
    keras = load_keras()
    network = keras.Sequential([keras.Input((7, 3)), refused(keras.layers)])
    with pytest.raises(NotExportable, match="exported"):
        network_to_onnx(network)


def test_several_inputs_are_told():
    keras = load_keras()
    one, two = keras.Input((2,)), keras.Input((2,))
    with pytest.raises(NotExportable, match="one tensor"):
        network_to_onnx(keras.Model([one, two], keras.layers.add([one, two])))
