"""Every exported classifier gives the probabilities of its own library."""

import numpy as np
import pytest

from multimodal_ser.audio import classifiers
from multimodal_ser.audio.features import functionals, random_convolutions
from multimodal_ser.estimators import files
from multimodal_ser.export.classifiers import TOLERANCE, estimator_to_onnx, trial_values
from multimodal_ser.export.runtime import LightNetwork, NotExportable

#: Of 30 values.
NAMES = functionals.names()[:10] + random_convolutions.names()[:20]


def labelled(n_classes: int, n_values: int = 30, n_clips: int = 90):
    """Separable classes; the values' means are thousands of their deviations."""
    rng = np.random.default_rng(n_classes)
    codes = np.arange(n_clips) % n_classes
    values = rng.normal(size=(n_clips, n_values)) + rng.normal(size=(n_classes, n_values))[codes]
    return (values * rng.uniform(0.01, 5, n_values) + 1000).astype(np.float32), codes


@pytest.mark.parametrize("n_classes", [2, 3, 8])
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("svc", {}),
        ("svc", {"gamma": 0.1, "c": 10.0}),
        ("logistic_regression", {}),
        ("corpora_regression", {}),
        ("mlp", {"epochs": 5}),
        ("ensemble", {"mlp_params": {"epochs": 5}}),
        ("vote_per_feature_set", {"names": NAMES}),
        ("ensemble", {"members": ("svc", "logistic_regression"), "weights": (1.0, 3.0)}),
        ("ensemble", {"members": ("svc", "logistic_regression"), "pooling": "arithmetic"}),
    ],
)
def test_a_classifier(name, params, n_classes):
    module, (values, codes) = classifiers.load(name), labelled(n_classes)
    fitted = module.build(**params).fit(values, codes)
    exported = LightNetwork(estimator_to_onnx(fitted))
    for clips in (values, trial_values(fitted)):
        expected = files.probabilities(module, fitted, clips.astype(np.float64))
        given = exported.predict_on_batch(clips)
        np.testing.assert_allclose(given, expected, atol=TOLERANCE, rtol=0)
    assert np.ptp(expected) > 0.02


@pytest.mark.parametrize(
    ("name", "params"),
    [("ensemble", {"mlp_params": {"epochs": 3}}), ("vote_per_feature_set", {"names": NAMES})],
)
def test_trial_values_are_like_the_training_clips(name, params):
    values, codes = labelled(3)
    fitted = classifiers.load(name).build(**params).fit(values, codes)
    tried = trial_values(fitted, n_clips=500)
    assert np.allclose(tried.mean(axis=0), values.mean(axis=0), atol=1)
    assert np.allclose(tried.std(axis=0), values.std(axis=0), rtol=0.3)


def prepared(name: str, values: np.ndarray, n_classes: int):
    """A Keras classifier as after a fit, but for its weights."""
    fitted = classifiers.load(name).build(standardise=True)
    fitted._fit_scaling(values)
    fitted._fit_components(values)
    fitted.classes_, fitted.frozen_ = np.arange(n_classes), None
    shape = fitted._inputs(values[:1]).shape[1:]
    fitted.network_ = classifiers.load(name).network(shape, n_classes)
    return fitted


@pytest.mark.parametrize(("name", "n_values"), [("conv1d", 30), ("pca_cnn", 80)])
def test_a_keras_network_with_what_goes_before_it(name, n_values):
    """The scaling, and the principal components where there are some."""
    values, _ = labelled(3, n_values)
    fitted = prepared(name, values, 3)
    assert (fitted.components_ is not None) == (name == "pca_cnn")
    exported = LightNetwork(estimator_to_onnx(fitted))
    assert exported.input_shape == (None, n_values)
    expected = fitted.network_.predict_on_batch(fitted._inputs(values))
    np.testing.assert_allclose(exported.predict_on_batch(values), expected, atol=TOLERANCE)
    assert np.ptp(expected) > 1e-3


def test_a_network_of_frames_is_scaled_by_band():
    values = np.random.default_rng(0).normal(3, 2, (4, 40, 64)).astype(np.float32)
    fitted = prepared("logmel_crnn", values, 3)
    exported = LightNetwork(estimator_to_onnx(fitted))
    assert exported.input_shape == (None, 40, 64) == (None, *trial_values(fitted).shape[1:])
    expected = fitted.network_.predict_on_batch(fitted._inputs(values))
    np.testing.assert_allclose(exported.predict_on_batch(values), expected, atol=1e-5)


def test_a_network_of_any_number_of_frames(tmp_path):
    from multimodal_ser.audio.features import robust_log_mel
    from multimodal_ser.tables import EMOTIONS, Features, make_clips
    from multimodal_ser.workflows.feature_model import FeatureModel

    rows = [
        {"clip": f"{at}", "emotion": EMOTIONS[at % 8], "dataset": "ravdess"} for at in range(24)
    ]
    clips = make_clips([row | {"audio": "a.wav"} for row in rows])
    values = np.random.default_rng(0).normal(size=(24, 160, 64)).astype(np.float32)
    found = Features(clips.index, values, robust_log_mel.names())
    params = {"epochs": 1, "batch_size": 24, "width": 8}
    fitted = FeatureModel("robust_log_mel", "log_mel_resnet", params=params).fit(found, clips)
    assert fitted.save_weights(tmp_path, original=False) is None
    again = FeatureModel.load(fitted.describe(), tmp_path)
    np.testing.assert_allclose(again.predict(found), fitted.predict(found), atol=TOLERANCE)


@pytest.mark.parametrize("name", ["knn", "decision_tree", "random_forest"])
def test_trees_and_neighbours_keep_their_own_library(name):
    values, codes = labelled(3)
    fitted = classifiers.load(name).build().fit(values, codes)
    with pytest.raises(NotExportable):
        estimator_to_onnx(fitted)


def test_more_than_a_choice_of_columns_is_not_exported():
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values, codes = labelled(3)
    for rest in ({"remainder": "passthrough"}, {}):
        step = "passthrough" if rest else StandardScaler()
        chosen = ColumnTransformer([("some", step, [3, 1])], **rest)
        fitted = make_pipeline(chosen, classifiers.load("svc").build()).fit(values, codes)
        with pytest.raises(NotExportable):
            estimator_to_onnx(fitted)
