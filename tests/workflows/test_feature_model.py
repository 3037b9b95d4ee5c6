import json

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.audio import classifiers
from multimodal_ser.audio.features import functionals, random_convolutions
from multimodal_ser.compute import apart
from multimodal_ser.errors import ModelError, SerError, UnknownName
from multimodal_ser.tables import EMOTIONS, Features, make_clips, selection
from multimodal_ser.workflows.feature_model import FeatureModel

NAMES = functionals.names()[:100] + random_convolutions.names()[:57]
FAST = {
    "vote_per_feature_set": {"names": NAMES},
    "random_forest": {"n_estimators": 30},
    "xgboost": {"n_estimators": 10},
    "gradient_boosting": {"n_estimators": 10},
    "conv1d": {"epochs": 5, "learning_rate": 2e-3, "standardise": True},
}
#: The classifiers of feature vectors that learn within a second; the contract
#: over all of them is in tests/audio/test_classifiers.py.
VECTOR = [
    name
    for name in classifiers.NAMES
    if classifiers.load(name).INPUT == "vector" and name not in ("lightgbm", "pca_cnn")
]


@pytest.fixture(scope="module")
def learnable():
    """Eight classes that differ in mean, in 157 values; four actors."""
    rng = np.random.default_rng(0)
    rows, values = [], []
    centres = rng.standard_normal((8, 157))
    for actor in range(4):
        for code, emotion in enumerate(EMOTIONS):
            for take in range(5):
                rows.append({"clip": f"{actor}-{code}-{take}", "actor": f"{actor}"})
                rows[-1] |= {"dataset": "x", "emotion": emotion}
                values.append(centres[code] + rng.standard_normal(157))
    index = pd.Index([row["clip"] for row in rows], name="clip")
    features = Features(index, np.float32(values), tuple(f"v{i}" for i in range(157)))
    return features, make_clips(rows)


@pytest.mark.parametrize("name", VECTOR)
def test_every_classifier_learns_saves_and_loads(learnable, name, tmp_path):
    features, clips = learnable
    train, test = clips[clips["actor"] != "3"], clips[clips["actor"] == "3"]
    model = FeatureModel(classifier=name, seed=1, params=FAST.get(name, {}))
    model.fit(features, train)
    table = model.predict(features, test.index)
    assert list(table.columns) == list(EMOTIONS)
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)
    assert (table.idxmax(axis=1) == test["emotion"].astype(str)).mean() > 0.5
    model.save_weights(tmp_path)
    description = json.loads(json.dumps(model.describe()))
    again = FeatureModel.load(description, tmp_path).predict(features, test.index)
    # Exported, single precision; else the original's own numbers.
    pd.testing.assert_frame_equal(table, again, atol=1e-4)


@pytest.mark.parametrize("name", VECTOR)
def test_the_same_seed_gives_the_same_probabilities(learnable, name):
    features, clips = learnable
    params = FAST.get(name, {}) | ({"epochs": 1} if name == "conv1d" else {})
    one, two = (
        FeatureModel(classifier=name, seed=3, params=params).fit(features, clips).predict(features)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize("name", VECTOR)
def test_a_class_absent_from_training_gets_probability_0(learnable, name):
    features, clips = learnable
    some = clips[clips["emotion"].isin(["neutral", "angry"])]
    params = FAST.get(name, {}) | ({"epochs": 1} if name == "conv1d" else {})
    table = FeatureModel(classifier=name, params=params).fit(features, some).predict(features)
    assert (table.drop(columns=["neutral", "angry"]) == 0).all(axis=None)
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)


def test_svc_probabilities_rank_as_its_own_predictions(learnable):
    features, clips = learnable
    model = FeatureModel(classifier="svc").fit(features, clips)
    own = [EMOTIONS[code] for code in model.estimator.predict(features.values)]
    assert (model.predict(features).idxmax(axis=1) == own).mean() > 0.98


def test_two_classes_come_out_the_right_way_round(learnable):
    features, clips = learnable
    two = clips[clips["emotion"].isin(["calm", "angry"])]
    for name in VECTOR:
        table = FeatureModel(classifier=name, params=FAST.get(name, {})).fit(features, two)
        said = table.predict(features, two.index).idxmax(axis=1)
        assert (said == two["emotion"].astype(str)).mean() > 0.9, name


def test_scaling_is_learnt_from_the_training_clips_alone(learnable):
    features, clips = learnable
    train = clips[clips["actor"] != "3"]
    moved = Features(features.clips, features.values.copy(), features.names)
    moved.values[clips.index.get_indexer(clips.index[clips["actor"] == "3"])] += 100
    for name, params in (("svc", {}), ("conv1d", {"epochs": 1, "standardise": True})):
        one = FeatureModel(classifier=name, params=params).fit(features, train)
        two = FeatureModel(classifier=name, params=params).fit(moved, train)
        ids = train.index
        pd.testing.assert_frame_equal(one.predict(features, ids), two.predict(features, ids))


def test_clips_without_sound_are_rows_of_nan(learnable):
    features, clips = learnable
    model = FeatureModel().fit(features, clips)
    table = model.predict(features, ["0-0-0", "no such clip"])
    assert table.iloc[0].notna().all()
    assert table.iloc[1].isna().all()


def test_conv1d_has_the_published_number_of_parameters():
    from multimodal_ser.audio.classifiers import conv1d

    network = conv1d.network()
    assert network.count_params() == conv1d.N_PARAMETERS == 102_280
    counts = [layer.count_params() for layer in network.layers if layer.count_params()]
    assert counts == [768, 82_048, 19_464]


def test_conv1d_stops_on_validation_actors(learnable):
    features, clips = learnable
    train, held = clips[clips["actor"] != "3"], clips[clips["actor"] == "3"]
    params = {"epochs": 60, "patience": 1, "learning_rate": 1e-2}
    model = FeatureModel(classifier="conv1d", params=params).fit(features, train, held)
    assert len(model.estimator.history_["val_loss"]) < 60


def test_one_class_is_not_enough(learnable):
    features, clips = learnable
    with pytest.raises(SerError):
        FeatureModel().fit(features, clips[clips["emotion"] == "sad"])


def test_fewer_clips_than_a_classifier_needs_are_refused(learnable):
    features, clips = learnable
    model = FeatureModel(classifier="knn", params={"n_neighbors": 5}).fit(
        features, clips.iloc[:8:3]
    )
    with pytest.raises(SerError):
        model.predict(features)


def test_names_that_do_not_exist_list_those_that_do():
    with pytest.raises(UnknownName):
        FeatureModel(classifier="svm")
    with pytest.raises(UnknownName):
        FeatureModel("mfcc")


def test_an_unfitted_model_says_so(learnable):
    with pytest.raises(ModelError):
        FeatureModel().predict(learnable[0])


@pytest.mark.parametrize("damage", ["gone", "garbage", "onnx", "version", "lacks"])
def test_damaged_models_are_refused_in_one_line(learnable, tmp_path, damage):
    features, clips = learnable
    model = FeatureModel().fit(features, clips)
    model.save_weights(tmp_path)
    description = model.describe()
    if damage in ("gone", "garbage"):
        (tmp_path / "estimator.onnx").unlink()
    if damage == "gone":
        (tmp_path / "estimator.skops").unlink()
    elif damage == "garbage":
        (tmp_path / "estimator.skops").write_bytes(b"garbage")
    elif damage == "onnx":
        (tmp_path / "estimator.onnx").write_bytes(b"garbage")
    elif damage == "version":
        description["input_version"] = 0
    else:
        del description["classifier"]
    with pytest.raises(ModelError) as caught:
        FeatureModel.load(description, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_model_file_that_names_a_stranger_is_refused(learnable, tmp_path):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    model = FeatureModel().fit(*learnable)
    skops.io.dump(FunctionTransformer(func=np.save), tmp_path / "estimator.skops")
    skops.io.dump({"x": pd.Series([1])}, tmp_path / "estimator.skops")
    (tmp_path / "estimator.onnx").unlink(missing_ok=True)
    with pytest.raises(ModelError):
        FeatureModel.load(model.describe(), tmp_path)


def test_a_tree_that_leads_in_circles_is_stopped(learnable, monkeypatch, tmp_path):
    monkeypatch.setattr(apart, "READ_SECONDS", 5.0)
    features, clips = learnable
    model = FeatureModel(classifier="decision_tree").fit(features, clips)
    tree = model.estimator.tree_
    state = tree.__getstate__()
    state["nodes"]["left_child"][0] = state["nodes"]["right_child"][0] = 0
    tree.__setstate__(state)
    assert model.save_weights(tmp_path) is not None  # it has no export
    loaded = FeatureModel.load(model.describe(), tmp_path)
    with pytest.raises(ModelError):
        loaded.predict(features, features.clips[:1])


def test_linear_algebra_takes_one_thread_in_a_fit(learnable, monkeypatch):
    from threadpoolctl import threadpool_info, threadpool_limits

    from multimodal_ser.audio.classifiers import logistic_regression

    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    seen, build = [], logistic_regression.build

    def spied(**params):
        estimator = build(**params)
        fit = estimator.fit
        estimator.fit = lambda *given: (seen.append(threads()), fit(*given))[1]
        return estimator

    monkeypatch.setattr(logistic_regression, "build", spied)
    features, clips = learnable
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        FeatureModel(classifier="logistic_regression").fit(features, clips)
        assert threads() == before
    assert seen == [{1}]


def test_a_corpus_without_calm_does_not_teach_that_neutral_is_not_calm(learnable):
    features, clips = learnable
    # The same people in a corpus where whoever is calm was called neutral.
    other = clips.set_axis([f"b/{clip}" for clip in clips.index], axis=0).rename_axis("clip")
    called = other["emotion"].astype(object).replace("calm", "neutral")
    other = other.assign(dataset="b", emotion=pd.Categorical(called, categories=EMOTIONS))
    both = pd.concat([clips, other])
    values = np.concatenate([features.values, features.values])
    inputs = Features(both.index, values, features.names)
    recall = {}
    for name, params in (("corpora_regression", {}), ("logistic_regression", {"c": 1.0})):
        model = FeatureModel("mfcc_rms", name, params=params).fit(inputs, both)
        said = model.predict(features).loc[clips.index[clips["emotion"] == "calm"]]
        recall[name] = (said.idxmax(axis=1) == "calm").mean()
    assert recall["corpora_regression"] == 1
    assert recall["logistic_regression"] < 0.9


def test_small_corpora_and_rare_labels_weigh_more(learnable):
    _, clips = learnable
    small = clips[clips["actor"] == "0"].assign(dataset="small")
    small = small.set_axis([f"s/{clip}" for clip in small.index], axis=0).rename_axis("clip")
    both = pd.concat([clips, small.iloc[3:]])
    weights = selection.corpus_weights(both)
    total = weights.groupby(both["dataset"].astype(object)).sum()
    sizes = both["dataset"].value_counts()
    assert total["small"] / total["x"] == pytest.approx((sizes["small"] / sizes["x"]) ** 0.5)
    own = both[both["dataset"] == "small"]
    per_label = weights[own.index].groupby(own["emotion"].astype(object)).sum()
    assert np.ptp(per_label) < 1e-9
