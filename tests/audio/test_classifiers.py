"""The contract of every audio classifier, on tiny data of the kind that it takes."""

import json
import zipfile

import numpy as np
import pytest

from multimodal_ser.audio import classifiers
from multimodal_ser.audio.classifiers import ensemble, svc, transfer, vote_per_feature_set
from multimodal_ser.audio.features import functionals, random_convolutions
from multimodal_ser.errors import MissingWeights, SerError, UnknownName
from multimodal_ser.estimators import files

#: What each kind of input looks like here: the shape of one clip.
SHAPES = {
    "vector": (24,),
    "waveform": (1600, 1),
    "frames": (40, 16),
    "sequence": (10, 8),
    "image": (32, 32),
}
#: Names of 24 values, a functional and a convolution in turn.
VALUES = [
    name
    for pair in zip(functionals.names()[:12], random_convolutions.names()[:12], strict=True)
    for name in pair
]
TINY = {
    "vote_per_feature_set": {"names": VALUES},
    "conv1d": {"epochs": 2},
    "ensemble": {"mlp_params": {"epochs": 10}},
    "gradient_boosting": {"n_estimators": 5},
    "lightgbm": {"n_estimators": 5, "min_child_samples": 2},
    "log_mel_resnet": {"epochs": 1, "batch_size": 24, "width": 8},
    "logmel_crnn": {"epochs": 1, "batch_size": 24},
    "mlp": {"epochs": 10},
    "mobilenet": {"epochs": 1, "weights": None},
    "pca_cnn": {"epochs": 1},
    "random_forest": {"n_estimators": 5},
    "resnet18": {"epochs": 1, "width": 4, "size_px": 24},
    "rnn": {"epochs": 1},
    "vgg16": {"epochs": 1, "weights": None},
    "vgg19": {"epochs": 1, "weights": None},
    "waveform_cnn": {"epochs": 1},
    "xgboost": {"n_estimators": 5},
}
#: The 14 and 20 million weights of the VGGs are drawn in seconds, not in
#: milliseconds; that they learn and are saved is tested with MobileNet, which
#: shares all of their code but the name of the network.
HEAVY = ("vgg16", "vgg19")
LIGHT = [name for name in classifiers.NAMES if name not in HEAVY]


@pytest.fixture(autouse=True)
def untraced():
    """Run networks step by step: compiling a graph takes longer than these few steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def data(name, n_clips=24, n_classes=3):
    """Clips of classes that differ in loudness and in place, of the right kind."""
    shape = SHAPES[classifiers.load(name).INPUT]
    rng = np.random.default_rng(0)
    labels = np.arange(n_clips) % n_classes
    centres = rng.standard_normal((n_classes, *shape))
    values = 2 * centres[labels] + rng.standard_normal((n_clips, *shape))
    if shape == SHAPES["image"]:
        return np.clip(127 + 40 * values, 0, 255).astype(np.uint8), labels
    return values.astype(np.float32), labels


def build(name, **params):
    try:
        return classifiers.load(name).build(seed=3, **(TINY.get(name, {}) | params))
    except SerError as error:
        if name == "lightgbm" and "libgomp" in str(error):
            pytest.skip(str(error))
        raise


def fitted(name, **params):
    values, labels = data(name)
    return build(name, **params).fit(values, labels), values


def probabilities(name, estimator, values):
    return files.probabilities(classifiers.load(name), estimator, values)


@pytest.mark.parametrize("name", LIGHT)
def test_fits_predicts_repeats_and_comes_back_from_its_files(name, tmp_path):
    estimator, values = fitted(name)
    table = probabilities(name, estimator, values)
    assert table.shape == (24, 3)
    assert (table >= 0).all()
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)
    assert estimator.classes_.tolist() == [0, 1, 2]
    again, _ = fitted(name)
    np.testing.assert_array_equal(table, probabilities(name, again, values))
    files.save(estimator, tmp_path)
    loaded = files.load(tmp_path, classifiers.load(name))
    np.testing.assert_allclose(table, probabilities(name, loaded, values), atol=1e-6)
    assert not any(is_pickle(path) for path in tmp_path.iterdir())


def is_pickle(path):
    """Whether a file, or a file of an archive, is a stream of pickle operations."""
    contents = [path.read_bytes()]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            contents += [archive.read(name) for name in archive.namelist()]
    return any(content[:1] == b"\x80" and content[-1:] == b"." for content in contents)


def test_a_pickle_would_be_noticed(tmp_path):
    import pickle

    (tmp_path / "model").write_bytes(pickle.dumps({"a": np.zeros(3)}))
    assert is_pickle(tmp_path / "model")


@pytest.mark.parametrize(
    "name", [n for n in LIGHT if classifiers.load(n).INPUT == "vector" and n != "pca_cnn"]
)
def test_the_order_of_the_columns_is_that_of_the_classes(name):
    # Classes so far apart that whoever learns anything calls them right.
    values, labels = data(name, n_clips=90)
    values = values + 30 * labels[:, None]
    longer = {
        "conv1d": {"epochs": 8, "standardise": True, "learning_rate": 1e-2},
        "ensemble": {"mlp_params": {}},
        "mlp": {"epochs": 50},
    }
    estimator = build(name, **longer.get(name, {}))
    estimator.fit(values, labels)
    said = probabilities(name, estimator, values).argmax(axis=1)
    assert (said == labels).mean() > 0.8


@pytest.mark.parametrize("name", classifiers.NAMES)
def test_the_parameters_of_a_search_are_those_of_build(name):
    module = classifiers.load(name)
    for parameter, choices in module.SEARCH.items():
        for choice in choices:
            build(name, **{parameter: choice})


@pytest.mark.parametrize("name", classifiers.NAMES)
def test_features_of_another_kind_are_refused_by_name(name):
    with pytest.raises(SerError) as error:
        classifiers.check_input(name, (2, 2, 2, 2))
    assert name in str(error.value)
    classifiers.check_input(name, SHAPES[classifiers.load(name).INPUT], TINY.get(name))


@pytest.mark.parametrize(("name", "millions"), [("vgg16", 14.7), ("vgg19", 20.0)])
def test_the_vggs_are_the_published_networks(name, millions):
    trunk = classifiers.load(name)._base((32, 32), None)
    assert trunk.count_params() / 1e6 == pytest.approx(millions, abs=0.05)


def test_resnet18_has_the_published_number_of_weights():
    from multimodal_ser.audio.classifiers import resnet18

    network = resnet18.network((224, 224, 3), 1000)
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert trainable == resnet18.N_TRAINABLE


def test_pca_cnn_has_eight_convolutions_and_three_dense_layers():
    from multimodal_ser.audio.classifiers import pca_cnn

    layers = [type(layer).__name__ for layer in pca_cnn.network().layers]
    assert (layers.count("Conv1D"), layers.count("Dense")) == (8, 3)
    estimator, _ = fitted("pca_cnn")
    assert estimator.components_.shape == (24, 24)
    wide = np.random.default_rng(0).standard_normal((90, 180)).astype(np.float32)
    estimator = build("pca_cnn").fit(wide, np.arange(90) % 3)
    assert estimator.network_.input_shape == (None, 66, 1)
    optimizer = estimator.network_.optimizer
    assert (type(optimizer).__name__, optimizer.momentum) == ("SGD", 0.9)


def test_principal_components_are_scikit_learns_of_the_training_clips():
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    values, labels = data("pca_cnn")
    estimator = build("pca_cnn", n_components=4).fit(values, labels)
    wanted = PCA(4).fit_transform(StandardScaler().fit_transform(values))
    ours = estimator._prepared(values)[..., 0]
    np.testing.assert_allclose(np.abs(ours), np.abs(wanted), atol=1e-3)


def test_imagenet_weights_that_cannot_be_had_are_never_replaced_by_random_ones(monkeypatch):
    import keras

    def refuse(*_, **options):
        assert options["weights"] is not None
        raise OSError("URL fetch failure: no connection")

    monkeypatch.setattr(keras.applications, "MobileNet", refuse)
    values, labels = data("mobilenet")
    with pytest.raises(MissingWeights) as caught:
        classifiers.load("mobilenet").build().fit(values, labels)
    assert "MobileNet" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "no.weights.h5").write_bytes(b"nothing")
    values, labels = data("mobilenet")
    estimator = build("mobilenet", weights=str(tmp_path / "no.weights.h5"))
    with pytest.raises(MissingWeights) as error:
        estimator.fit(values, labels)
    assert "no.weights.h5" in str(error.value)


@pytest.fixture(scope="module")
def mobilenet_weights(tmp_path_factory):
    """Random weights in a file, in place of the downloaded ones."""
    import keras

    keras.utils.set_random_seed(5)
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    shape = (32, 32, 3)
    network = keras.applications.MobileNet(include_top=False, weights=None, input_shape=shape)
    network.save_weights(path)
    return str(path)


def test_frozen_features_stay_as_they_were(mobilenet_weights, tmp_path):
    values, labels = data("mobilenet")
    params = {"weights": mobilenet_weights, "epochs": 1}
    estimator = build("mobilenet", **params).fit(values, labels)
    untouched = transfer.base("MobileNet", transfer.mobilenet_input, (32, 32), mobilenet_weights)
    for ours, theirs in zip(estimator.frozen_.weights, untouched.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert estimator.network_.input_shape == (None, 1, 1, 1024)
    files.save(estimator, tmp_path)
    loaded = files.load(tmp_path, classifiers.load("mobilenet"))
    some = values[:5] // 2  # not seen before: through the loaded network
    ours, theirs = estimator.predict_proba(some), loaded.predict_proba(some)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_vgg_trunk_gets_what_keras_own_preprocessing_gives(monkeypatch):
    import keras

    def bare(include_top, weights, input_shape):
        return keras.Sequential([keras.Input(input_shape), keras.layers.Activation("linear")])

    monkeypatch.setattr(keras.applications, "VGG16", bare)
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    ours = transfer.base("VGG16", transfer.vgg_input, (32, 32, 3), "w")(image)
    theirs = keras.applications.vgg16.preprocess_input(image.copy())
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    monkeypatch.setattr(keras.applications, "MobileNet", bare)
    ours = transfer.base("MobileNet", transfer.mobilenet_input, (32, 32, 1), "w")(image[..., :1])
    theirs = keras.applications.mobilenet.preprocess_input(np.repeat(image[..., :1], 3, axis=-1))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_logmel_crnn_learns_from_changed_batches_that_the_seed_settles():
    from multimodal_ser.audio.classifiers import logmel_crnn

    values, labels = data("logmel_crnn")
    targets = np.eye(3)[labels]
    one, two = (logmel_crnn.augment(values, targets, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])
    assert one[0].shape == values.shape and not np.allclose(one[0], values)
    np.testing.assert_allclose(one[1].sum(axis=1), 1, atol=1e-6)
    plain = build("logmel_crnn", augment=False).fit(values, labels).predict_proba(values)
    changed = build("logmel_crnn").fit(values, labels).predict_proba(values)
    assert not np.allclose(plain, changed)


def test_soft_votes_are_weighted_means_of_their_members():
    values, labels = data("ensemble")
    members = ["knn", "logistic_regression"]
    for pooling in ("arithmetic", "geometric"):
        vote = ensemble.build(members=members, weights=[3, 1], pooling=pooling, seed=3)
        vote.fit(values, labels)
        parts = [
            classifiers.load(name).build(seed=3).fit(values, labels).predict_proba(values)
            for name in members
        ]
        if pooling == "arithmetic":
            wanted = (3 * parts[0] + parts[1]) / 4
        else:
            wanted = np.maximum(parts[0], 1e-7) ** 0.75 * np.maximum(parts[1], 1e-7) ** 0.25
            wanted /= wanted.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(vote.predict_proba(values), wanted, atol=1e-6)


def test_a_weight_of_0_leaves_a_member_out():
    values, labels = data("ensemble")
    vote = ensemble.build(members=["knn", "decision_tree"], weights=[0, 1]).fit(values, labels)
    alone = classifiers.load("decision_tree").build().fit(values, labels)
    np.testing.assert_allclose(vote.predict_proba(values), alone.predict_proba(values), atol=1e-6)


@pytest.mark.parametrize("members", ensemble.SOFT_VOTES, ids="+".join)
def test_the_votes_of_soft_voting_can_be_built_and_saved(members, tmp_path):
    values, labels = data("ensemble")
    few = {name: TINY[name] for name in members if name in TINY}
    try:
        vote = ensemble.build(members=members, pooling="arithmetic", member_params=few)
    except SerError as error:
        pytest.skip(str(error))
    vote.fit(values, labels)
    files.save(vote, tmp_path)
    loaded = files.load(tmp_path, ensemble)
    np.testing.assert_allclose(loaded.predict_proba(values), vote.predict_proba(values), atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"members": []},
        {"members": ["knn", "knn"]},
        {"members": ["conv1d", "svc"]},
        {"members": ["ensemble", "svc"]},
        {"members": ["resnet18", "svc"]},
        {"members": ["knn", "svc"], "weights": [1]},
        {"members": ["knn", "svc"], "weights": [0, 0]},
        {"members": ["knn", "svc"], "weights": [2, -1]},
        {"pooling": "median"},
    ],
    ids=json.dumps,
)
def test_votes_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SerError):
        ensemble.build(**wrong)


def test_an_unknown_member_lists_those_there_are():
    with pytest.raises(UnknownName) as error:
        ensemble.build(members=["nearest"])
    assert "knn" in str(error.value)


def test_the_perceptrons_of_systems_b_and_d():
    from multimodal_ser.audio.classifiers import mlp

    values, labels = data("mlp")
    for params in (mlp.GENDERED_MLP, mlp.SOFT_VOTING_MLP):
        small = params | {"hidden": 8, "batch_size": 20}
        estimator = mlp.build(**small).fit(values, labels)
        (network,) = estimator[-1].estimators_
        assert network.n_iter_ <= params["epochs"] + 2
        for name in {"activation", "solver", "alpha"} & set(params):
            assert getattr(network, name) == params[name]


def test_svc_can_be_scored_by_probabilities():
    from sklearn.model_selection import cross_val_score

    values, labels = data("svc")
    score = cross_val_score(svc.build(), values, labels, scoring="neg_log_loss", cv=3)
    assert (score > -np.log(3)).all()


def test_each_member_of_the_vote_sees_one_feature_set():
    values, labels = data("vote_per_feature_set", n_clips=60)
    vote = vote_per_feature_set.build(names=VALUES, members=("logistic_regression",))
    parts = []
    for at, c in ((slice(0, None, 2), 0.003), (slice(1, None, 2), 0.0003)):
        alone = classifiers.load("logistic_regression").build(c=c)
        parts.append(alone.fit(values[:, at], labels).predict_proba(values[:, at]))
    given = vote.fit(values, labels).predict_proba(values)
    np.testing.assert_allclose(given, ensemble.pool(parts), atol=1e-9)


def test_by_default_the_vote_sees_all_functionals_and_convolutions():
    (first, second) = (
        pipeline.steps[0][1].transformers[0]
        for _, pipeline in vote_per_feature_set.build(members=("mlp",)).estimators
    )
    assert first == ("functionals", "passthrough", list(range(2669)))
    assert second == ("random_convolutions", "passthrough", list(range(2669, 8169)))


def test_values_of_another_number_than_the_names_are_refused():
    values, labels = data("vote_per_feature_set")
    with pytest.raises(ValueError):  # scikit-learn's
        vote_per_feature_set.build().fit(values, labels)
    for n_values in (157, 8170):
        with pytest.raises(SerError):
            classifiers.check_input("vote_per_feature_set", (n_values,))
    classifiers.check_input("vote_per_feature_set", (24,), {"names": VALUES})


@pytest.mark.parametrize(
    "wrong",
    [
        {"names": ()},
        {"names": VALUES[::2]},
        {"names": [*VALUES, "a"]},
        {"members": ()},
        {"members": ("knn", "knn")},
        {"members": ("conv1d",)},
        {"members": ("resnet18",)},
    ],
)
def test_a_vote_that_cannot_be_is_refused(wrong):
    with pytest.raises(SerError):
        vote_per_feature_set.build(**wrong)
