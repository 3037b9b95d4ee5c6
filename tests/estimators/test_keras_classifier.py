"""The adapter by itself, with networks of a few weights.

This module is the plug-in whose ``network``, ``frozen`` and ``augment`` it calls.
"""

import sys

import numpy as np
import pytest

from multimodal_ser.errors import ModelError
from multimodal_ser.estimators.keras_classifier import KerasClassifier
from multimodal_ser.estimators.networks import load_keras

SEEN = {"batches": []}


def network(shape, n_classes, units=8):
    keras = load_keras()
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Flatten(),
            layers.Dense(units, activation="relu"),
            layers.Dense(n_classes, activation="softmax"),
        ]
    )


def frozen(shape, units=8):
    """The sum over channels; only for images."""
    keras = load_keras()
    if len(shape) != 3:
        return None
    layer = keras.layers.Conv2D(1, 1, kernel_initializer="ones", trainable=False)
    return keras.Sequential([keras.Input(shape), layer, keras.layers.Flatten()])


def augment(values, targets, rng):
    SEEN["batches"].append((len(values), float(rng.random())))
    return values, targets


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    import tensorflow as tf

    monkeypatch.setitem(SEEN, "batches", [])
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def build(**params):
    defaults = {"epochs": 15, "learning_rate": 2e-2, "optimizer": "adam"}
    return KerasClassifier(__name__, **(defaults | params))


def clips(*shape, n_clips=30):
    rng = np.random.default_rng(0)
    labels = np.array(["b", "a", "c"])[np.arange(n_clips) % 3]
    centres = {label: 2 * rng.standard_normal(shape) for label in "abc"}
    values = np.stack([centres[label] for label in labels])
    values = values + 0.3 * rng.standard_normal(values.shape)
    return values.astype(np.float32), labels


@pytest.mark.parametrize("shape", [(5,), (6, 4), (8, 8, 3)], ids=str)
def test_any_shape_is_learnt_and_labels_may_be_texts(shape):
    values, labels = clips(*shape)
    model = build().fit(values, labels)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert (model.predict(values) == labels).mean() > 0.9
    assert model.predict_proba(values[:0]).shape == (0, 3)


def test_a_vector_becomes_a_column_and_the_rest_stays():
    for shape, wanted in (((5,), (5, 1)), ((6, 4), (6, 4))):
        values, labels = clips(*shape)
        model = build(epochs=1).fit(values, labels)
        assert model.network_.input_shape[1:] == wanted


@pytest.mark.parametrize("shape", [(5,), (6, 4), (4, 4, 3)], ids=str)
def test_standardising_undoes_any_change_of_scale_of_a_value_or_band(shape):
    values, labels = clips(*shape)
    factor = np.linspace(0.5, 8, shape[-1]).astype(np.float32)
    one = build(epochs=3).fit(values, labels).predict_proba(values)
    moved = values * factor + 7
    two = build(epochs=3).fit(moved, labels).predict_proba(moved)
    if len(shape) < 3:  # a frozen network ahead sees the same, but in another precision
        np.testing.assert_allclose(one, two, atol=1e-4)
    scaled = build(epochs=1).fit(moved, labels)._scaled(moved)
    over = tuple(range(values.ndim - 1))
    np.testing.assert_allclose(scaled.mean(axis=over), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=over), 1, atol=1e-4)


def test_without_standardising_values_arrive_untouched():
    values, labels = clips(6, 4)
    assert build(epochs=1, standardise=False).fit(values, labels)._inputs(values) is values


def test_what_a_frozen_network_has_seen_it_is_not_shown_again(monkeypatch):
    from multimodal_ser.estimators import keras_classifier

    monkeypatch.setattr(keras_classifier, "_OUTPUTS", {})
    values, labels = clips(8, 8, 3)
    model = build(epochs=1, standardise=False).fit(values, labels)
    outputs = keras_classifier._OUTPUTS
    assert len(outputs) == len(values)
    first = model.predict_proba(values)
    assert len(outputs) == len(values)
    sums = values.sum(axis=-1).reshape(len(values), -1)
    np.testing.assert_allclose(model._inputs(values), sums, atol=1e-5)
    monkeypatch.setattr(keras_classifier, "_REMEMBERED", 40)
    others = values + 1
    whole, some = model.predict_proba(others), model.predict_proba(others[:5])
    np.testing.assert_allclose(whole[:5], some, atol=1e-6)
    assert len(outputs) <= 40
    np.testing.assert_array_equal(model.predict_proba(values), first)


def test_no_more_outputs_are_kept_than_stated_however_many_networks_there_are(monkeypatch):
    from multimodal_ser.estimators import keras_classifier

    def random(shape):
        layer = load_keras().layers.Conv2D(1, 1, trainable=False)  # drawn by the fit's seed
        return load_keras().Sequential([load_keras().Input(shape), layer])

    monkeypatch.setattr(keras_classifier, "_OUTPUTS", {})
    monkeypatch.setattr(keras_classifier, "_REMEMBERED", 3)
    monkeypatch.setattr(sys.modules[__name__], "frozen", random)
    values, labels = clips(8, 8, 3)
    for seed in range(5):
        build(epochs=1, seed=seed).fit(values, labels)
    assert len(keras_classifier._OUTPUTS) <= 3


def test_each_epoch_brings_other_batches_and_the_seed_settles_them():
    values, labels = clips(6, 4)
    runs = []
    for seed in (1, 1, 2):
        SEEN["batches"].clear()
        model = build(epochs=3, batch_size=10, augment=True, seed=seed).fit(values, labels)
        runs.append((sorted(set(SEEN["batches"])), model.predict_proba(values)))
    draws = {draw for _, draw in runs[0][0]}
    assert {size for size, _ in runs[0][0]} == {10}
    assert len(draws) >= 9  # three batches in each of three epochs, each with its own draws
    assert runs[0][0] == runs[1][0]
    np.testing.assert_array_equal(runs[0][1], runs[1][1])
    assert runs[0][0] != runs[2][0]


def test_augmentation_sees_each_clip_once_an_epoch():
    values, labels = clips(6, 4)
    seen = []

    class Plug:
        @staticmethod
        def augment(batch, targets, rng):
            seen.append((batch[:, 0, 0].copy(), targets.argmax(axis=1)))
            return batch, targets

    from multimodal_ser.estimators.keras_classifier import _augmented_batches

    targets = np.eye(3)[np.unique(labels, return_inverse=True)[1]]
    batches = _augmented_batches(load_keras(), Plug.augment, values, targets, 8, 0)
    for _ in range(2):
        seen.clear()
        for at in range(len(batches)):
            batches[at]
        firsts = np.concatenate([values for values, _ in seen])
        np.testing.assert_array_equal(np.sort(firsts), np.sort(values[:, 0, 0]))
        codes = dict(zip(values[:, 0, 0], targets.argmax(axis=1), strict=True))
        for batch, found in seen:
            assert [codes[value] for value in batch] == found.tolist()
        batches.on_epoch_end()


def test_a_learning_rate_that_falls_ends_near_0():
    values, labels = clips(6, 4)
    model = build(epochs=2, batch_size=10, cosine=True).fit(values, labels)
    assert float(model.network_.optimizer.learning_rate) == pytest.approx(0, abs=1e-6)


def test_search_can_clone_it():
    from sklearn.base import clone

    params = {"optimizer_params": {"beta_1": 0.8}, "network_params": {"units": 3}, "augment": True}
    twin = clone(build(**params))
    assert twin.get_params() == build(**params).get_params()
    values, labels = clips(6, 4)
    fitted = twin.set_params(epochs=1).fit(values, labels)
    assert fitted.network_.layers[1].units == 3
    assert fitted.network_.optimizer.beta_1 == 0.8


def test_validation_clips_of_unknown_classes_are_left_out_and_training_stops():
    values, labels = clips(5)
    held = (values + 9, np.where(labels == "a", "zzz", labels))
    model = build(epochs=60, patience=1).fit(values, labels, held)
    assert len(model.history_["val_loss"]) < 60


def test_a_folder_without_its_network_is_refused(tmp_path):
    values, labels = clips(5)
    build(epochs=1).fit(values, labels).save(tmp_path)
    (tmp_path / "network.keras").unlink()
    with pytest.raises(ModelError):
        KerasClassifier.load(tmp_path, __name__)


def test_this_module_is_the_plug_in():
    assert sys.modules[__name__].network is network


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_a_trained_network_leaves_nothing_behind(optimizer):
    """Fold after fold trains one: what each kept would add up."""
    import gc

    import tensorflow as tf

    def kept():
        gc.collect()
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    tf.config.run_functions_eagerly(False)
    before = kept()
    fitted = build(epochs=1, optimizer=optimizer).fit(*clips(6))
    fitted.predict_proba(clips(6)[0])
    assert kept() > before  # the step was compiled
    del fitted
    load_keras().utils.clear_session()
    assert kept() == before
