"""Every exported network gives what Keras gives."""

import numpy as np
import pytest

from multimodal_ser.audio import classifiers
from multimodal_ser.estimators.networks import load_keras
from multimodal_ser.export import networks
from multimodal_ser.export.networks import network_to_onnx
from multimodal_ser.export.runtime import LightNetwork, NotExportable
from multimodal_ser.video import backbones, mapping

#: One clip's features for each kind of input, smaller than in use.
SHAPES = {
    "vector": (157, 1),
    "frames": (40, 64),
    "waveform": (16000, 1),
    "sequence": (30, 13),
    "image": (32, 32),
}
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


@pytest.mark.parametrize("name", sorted(set(classifiers.NETWORKS) - {"vgg19"}))
def test_every_network_of_audio(name):
    module = classifiers.load(name)
    shape = SHAPES[module.INPUT]
    untrained = {"weights": None} if hasattr(module, "frozen") else {}
    assert_same(module.network(shape, 8, **untrained), shape)


def layers_of(name):
    """A layer that tf2onnx would translate into more than plain operators, or hardly."""
    layers = load_keras().layers
    return {
        "last state of a GRU": (layers.GRU(4), (6, 3)),
        "all states of an LSTM": (layers.LSTM(4, return_sequences=True), (6, 3)),
        "both last states": (layers.Bidirectional(layers.LSTM(4)), (6, 3)),
        "all states each way": (layers.Bidirectional(layers.GRU(4, return_sequences=True)), (6, 3)),
        "normalised map": (layers.LayerNormalization(axis=(1, 2, 3)), (5, 4, 3)),
        "pooled to the edge": (layers.AveragePooling2D(3, strides=2, padding="same"), (9, 11, 2)),
        "plain shift": (layers.BatchNormalization(scale=False), (5, 4, 3)),
        "softmax in time": (layers.Softmax(axis=1), (6, 3)),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "last state of a GRU", "all states of an LSTM", "both last states", "all states each way",
        "normalised map", "pooled to the edge", "plain shift", "softmax in time",
    ],
)  # fmt: skip
def test_a_layer(name):
    keras, (layer, shape) = load_keras(0), layers_of(name)
    assert_same(keras.Sequential([keras.Input(shape), layer]), shape)


def test_large_weights_are_exported_as_well(monkeypatch):
    monkeypatch.setattr(networks, "_LARGE_BYTES", 100)
    assert_same(backbones.load("fer_resnet").build(n_classes=5), (48, 48, 1))


def test_an_export_leaves_the_network_as_it_was():
    keras = load_keras(0)
    layer = keras.layers.GRU(2)
    network_to_onnx(keras.Sequential([keras.Input((4, 3)), layer]))
    assert layer.unroll is False


def test_a_network_within_a_network():
    keras = load_keras(0)
    inner = keras.Sequential([keras.Input((6, 6, 2)), keras.layers.Conv2D(3, 3)])
    start = keras.Input((6, 6, 2))
    assert_same(keras.Model(start, keras.layers.Flatten()(inner(start))), (6, 6, 2))


@pytest.mark.parametrize(
    "refused",
    [
        lambda layers: layers.Activation("gelu"),
        lambda layers: layers.SimpleRNN(2),
        lambda layers: layers.Conv1D(3, 3, groups=3),
    ],
)
def test_what_is_more_than_plain_operators_is_not_exported(refused):
    keras = load_keras()
    network = keras.Sequential([keras.Input((7, 3)), refused(keras.layers)])
    with pytest.raises(NotExportable):
        network_to_onnx(network)


def test_several_inputs_are_not_exported():
    keras = load_keras()
    one, two = keras.Input((2,)), keras.Input((2,))
    with pytest.raises(NotExportable):
        network_to_onnx(keras.Model([one, two], keras.layers.add([one, two])))
