from pathlib import Path

import numpy as np
import pytest

from multimodal_ser.errors import ModelError, UnknownName
from multimodal_ser.estimators.networks import load_keras, save_network
from multimodal_ser.video import backbones


def test_names_and_files_agree():
    files = Path(backbones.__file__).parent.glob("[!_]*.py")
    assert sorted(backbones.NAMES) == sorted(file.stem for file in files)
    with pytest.raises(UnknownName) as error:
        backbones.load("resnet")
    assert "aei_cnn, aei_cnn_pooled, fer_cnn" in str(error.value)


def shape_of(network, name):
    return next(layer.output.shape[1:] for layer in network.layers if layer.name.startswith(name))


def not_trained(network):
    return sum(int(np.prod(weight.shape)) for weight in network.non_trainable_weights)


def test_aei_cnn_has_the_published_numbers():
    network = backbones.load("aei_cnn").build()
    assert network.count_params() == 60_248_824
    assert not_trained(network) == 480
    flatten = next(i for i, layer in enumerate(network.layers) if "flatten" in layer.name)
    assert network.layers[flatten - 1].output.shape == (None, 121, 121, 128)
    assert "batch_normalization" in network.layers[flatten - 1].name
    assert network.layers[flatten].output.shape == (None, 1_874_048)
    dense = [layer.units for layer in network.layers if "dense" in layer.name]
    assert dense == [32, 32, 8] and network.input_shape == (None, 256, 256, 1)
    load_keras().backend.clear_session()


def test_aei_cnn_pooled_keeps_the_convolutions_only():
    network = backbones.load("aei_cnn_pooled").build()
    assert network.count_params() == 60_248_824 - 1_874_048 * 32 + 128 * 32 == 283_384
    assert not_trained(network) == 480
    for size in (16, 33):
        assert network(np.zeros((1, size, size, 1), np.float32)).shape == (1, 8)


def test_fer_cnn_has_the_published_numbers():
    network = backbones.load("fer_cnn").build()
    assert network.count_params() == 241_950 and not_trained(network) == 0
    maps = [layer.output.shape[1:] for layer in network.layers]
    for wanted in [(46, 46, 32), (44, 44, 64), (20, 20, 128), (8, 8, 128), (4, 4, 128), (4, 4, 7)]:
        assert wanted in maps
    assert maps[-1] == (7,)


def test_fer_transfer_replaces_the_last_five_layers():
    own, base = backbones.load("fer_transfer").build(), backbones.load("fer_cnn").build()
    assert own.count_params() == 242_320
    kept = [layer.output.shape for layer in base.layers[:-5]]
    assert [layer.output.shape for layer in own.layers[: len(kept)]] == kept
    assert kept[-1] == (None, 4, 4, 128)


def test_fer_transfer_starts_from_a_trained_base(tmp_path):
    base = backbones.load("fer_cnn").build(seed=7)
    save_network(base, tmp_path / "fer.keras")
    transfer = backbones.load("fer_transfer")
    own = transfer.build(seed=1, weights=tmp_path / "fer.keras")
    bare = transfer.build(seed=1)
    for ours, theirs in zip(own.layers[:7], base.layers[:7], strict=True):
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            assert np.array_equal(a, b)
    assert not np.array_equal(own.layers[0].get_weights()[0], bare.layers[0].get_weights()[0])
    assert np.array_equal(own.layers[-3].get_weights()[0], bare.layers[-3].get_weights()[0])


def test_weights_of_another_network_are_refused(tmp_path):
    keras = load_keras()
    other = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten()])
    save_network(other, tmp_path / "other.keras")
    for name in ("fer_transfer", "fer_cnn"):
        with pytest.raises(ModelError) as error:
            backbones.load(name).build(weights=tmp_path / "other.keras")
        assert "other.keras" in str(error.value)
    with pytest.raises(ModelError):
        backbones.load("fer_transfer").build(weights=tmp_path / "none.keras")


@pytest.mark.parametrize("name", ["aei_cnn_pooled", "fer_cnn", "fer_transfer"])
def test_every_backbone_gives_probabilities_and_repeats_itself(name):
    module = backbones.load(name)
    assert module.PARAMS.size_px in module.SIZES
    size = module.PARAMS.size_px
    pictures = np.random.default_rng(0).random((2, size, size, 1), np.float32)
    first, again, other = (
        np.asarray(module.build(n_classes=5, seed=s)(pictures)) for s in (3, 3, 4)
    )
    assert first.shape == (2, 5) and np.allclose(first.sum(1), 1, atol=1e-5)
    assert np.array_equal(first, again) and not np.array_equal(first, other)
