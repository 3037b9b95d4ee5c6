"""What is fitted beside the learners never sees predictions of actors they learnt from."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cases import LABELS, sound_and_face
from sklearn.metrics import accuracy_score, recall_score

from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import Features, actor_groups, labels, make_clips
from multimodal_ser.workflows import combining, training
from multimodal_ser.workflows.benchmarking import Bench
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Learner, Recipe

FOUR = "four"  # among its labels are happy, sad and angry
CHOSEN = Learner("audio", "mfcc_rms", "logistic_regression", candidates=({"c": 1e-6}, {"c": 0.1}))
BOTH = Recipe(audio=(CHOSEN,), video="action_units:svc", labels=FOUR, inner_folds=3)


def four(data):
    return replace(data, clips=labels.relabel(data.clips, FOUR))


@pytest.fixture(scope="module")
def data():
    return four(sound_and_face())


@pytest.fixture
def predictions(monkeypatch):
    """Every prediction of a classifier of features: ``(model, clips)``."""
    seen, predict = [], FeatureModel.predict

    def spy(self, features, clips=None):
        seen.append((self, list(clips)))
        return predict(self, features, clips)

    monkeypatch.setattr(FeatureModel, "predict", spy)
    return seen


@pytest.fixture
def combined(monkeypatch):
    """The cross-fitted tables that calibration and fusion were fitted on."""
    seen, fit = [], combining.fit

    def spy(crossed, *rest):
        seen.append(crossed)
        return fit(crossed, *rest)

    monkeypatch.setattr(combining, "fit", spy)
    return seen


def actors(data, clips):
    return set(data.clips.loc[clips, "actor"])


def test_inner_folds_keep_actors_apart(data):
    folds = training.inner_folds(data.clips, BOTH)
    assert len(folds) == BOTH.inner_folds
    for fold in folds:
        assert not actors(data, fold.train) & actors(data, fold.test)
    assert sorted(clip for fold in folds for clip in fold.test) == sorted(data.clips.index)
    alone = data.clips[data.clips["actor"] == "1"]
    assert training.inner_folds(alone, BOTH) == []
    leaky = training.inner_folds(data.clips, BOTH, "random_leaky")
    assert any(actors(data, fold.train) & actors(data, fold.test) for fold in leaky)


def test_calibration_and_fusion_are_fitted_on_actors_that_no_learner_saw(
    data, fits, predictions, combined
):
    model, told = training.fit(data, data.clips, BOTH, progress=False)
    learnt = {id(fitted): set(clips["actor"]) for fitted, clips, _ in fits}
    for fitted, clips in predictions:
        assert not learnt[id(fitted)] & actors(data, clips)
    crossed, *parts = combined  # the parts are those of the prediction sets
    assert all(sorted(table.index) == sorted(data.clips.index) for table in crossed.values())
    for part in parts:
        assert all(
            actors(data, table.index) < actors(data, data.clips.index) for table in part.values()
        )
    # Each of two candidates on three folds, the video learner's two, and both on everything.
    assert len(fits) == 2 * 3 + 2 * 3 + 2
    assert [len(fits[at][1]) for at in (6, -1)] == [len(data.clips)] * 2
    assert model.combiner.fuser.modalities == tuple(crossed)
    assert told["chosen"][CHOSEN.name]["params"] == {"c": 0.1}
    assert model.learners[CHOSEN.name].params == {"c": 0.1}


def test_every_table_of_the_fusion_is_what_models_without_the_actor_say(data, combined):
    """A fold's rows are those of a classifier that was fitted by hand on the other folds."""
    recipe = replace(BOTH, audio="knn", video=None)
    training.fit(data, data.clips, recipe, progress=False)
    crossed = combined[0]
    for fold in training.inner_folds(data.clips, recipe):
        model = FeatureModel(classifier="knn", labels=labels.labels_of(FOUR))
        model.fit(data.inputs["mfcc_rms"], data.clips.loc[fold.train])
        expected = model.predict(data.inputs["mfcc_rms"], fold.test)
        pd.testing.assert_frame_equal(crossed["mfcc_rms:knn"].loc[fold.test], expected)


def test_actors_that_stop_a_network_neither_teach_nor_calibrate_it(data, fits, predictions):
    network = Learner("audio", "mfcc_rms", "conv1d", {"epochs": 1})
    recipe = Recipe(audio=(network,), video=None, labels=FOUR, inner_folds=2, stop_share=0.3)
    training.fit(data, data.clips, recipe, progress=False)
    stopped = {id(fitted): (set(a["actor"]), set(b["actor"])) for fitted, a, b in fits}
    assert len(predictions) == 2 and len(fits) == 3
    for fitted, clips in predictions:
        learnt, stopping = stopped[id(fitted)]
        assert stopping and not learnt & stopping
        assert not (learnt | stopping) & actors(data, clips)
    *_, (_, learnt, held) = fits
    assert len(learnt) + len(held) == len(data.clips) and len(held)


def test_an_outer_fold_shows_nothing_of_its_test_actors(data, fits, predictions):
    folds = make_folds(data.clips, "leave_one_actor_out")
    bench = Bench(data, "leave_one_actor_out", progress=False)
    models = bench.measure([BOTH], folds)
    assert [model.modality for model in models] == ["audio", "video", "fused"]
    learnt = {id(fitted): set(clips["actor"]) for fitted, clips, _ in fits}
    assert len(fits) == len(folds) * 14
    for fitted, clips in predictions:
        assert not learnt[id(fitted)] & actors(data, clips)
    # Garbled test clips leave what a fold fits as it was.
    (first, *_), crossed = folds, {key: one.crossed for key, one in bench.tested.items()}
    inputs = {}
    for key, found in data.inputs.items():
        values = found.values.copy()
        values[found.clips.get_indexer(first.test)] = 1e3
        inputs[key] = Features(found.clips, values, found.names)
    again = Bench(replace(data, inputs=inputs), "leave_one_actor_out", progress=False)
    again.measure([BOTH], [first])
    for (name, key), one in again.tested.items():
        ((_, before),) = [pair for pair in list(crossed.items()) if pair[0][0] == name][:1]
        assert key not in dict(crossed) and one.crossed.params == before.params
        pd.testing.assert_frame_equal(one.crossed.table, before.table)


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_a_learner_whose_clips_are_all_one_actors_is_left_out_with_a_warning(data, modality):
    key = {"audio": "mfcc_rms", "video": "action_units"}[modality]
    found = data.inputs[key]
    own = data.clips.index[data.clips["actor"] == "1"]
    part = Features(own, found.take(own), found.names)
    lacking = replace(data, inputs=data.inputs | {key: part})
    with pytest.warns(UserWarning):
        model, _ = training.fit(lacking, data.clips, BOTH, progress=False)
    (kept,) = model.learners.values()
    assert kept.modality != modality
    alone = replace(BOTH, **{"video" if modality == "audio" else "audio": None})
    model, told = training.fit(lacking, data.clips.loc[own], alone, progress=False)
    assert model.modalities == (modality,) and told["calibration"] == []


def test_a_learner_that_can_never_be_held_out_is_not_measured():
    """Two actors of one label each: whoever is held out, the other teaches nothing."""
    data = four(sound_and_face(n_actors=4))
    clips, found = data.clips, data.inputs["action_units"]
    some = clips.index[
        ((clips["actor"] == "0") & (clips["emotion"] == "sad"))
        | ((clips["actor"] == "1") & (clips["emotion"] == "happy"))
    ]
    part = Features(some, found.take(some), found.names)
    data = replace(data, inputs=data.inputs | {"action_units": part})
    model, told = training.fit(data, clips, replace(BOTH, inner_folds=4), progress=False)
    assert len(model.learners) == 2
    assert "video" not in [row["answer"] for row in told["calibration"]]
    assert all(np.isfinite(row["nll_after"]) for row in told["calibration"])


def noise_and_signal(n_actors=6, seed=0):
    """31 values per clip, one of which tells two labels apart, one three times as frequent."""
    rng = np.random.default_rng(seed)
    rows, values = [], []
    for actor in range(n_actors):
        for take in range(16):
            rare = take % 4 == 0
            rows.append({"clip": f"{actor}-{take}", "actor": str(actor)})
            rows[-1]["emotion"] = "angry" if rare else "happy"
            values.append([rare + 0.7 * rng.standard_normal(), *rng.standard_normal(30)])
    clips = labels.relabel(make_clips(rows), "valence2")
    names = tuple(map(str, range(31)))
    return Data(clips, {"mfcc_rms": Features(clips.index, np.float32(values), names)}, None)


SEARCHED = Recipe(
    audio="decision_tree", video=None, labels="valence2", search=6, inner_folds=3, seed=2
)


def test_the_search_maximises_uar_over_folds_of_the_training_actors():
    data = noise_and_signal()
    model, told = training.fit(data, data.clips, SEARCHED, progress=False)
    found = told["chosen"]["mfcc_rms:decision_tree"]
    codes = data.clips["emotion"].cat.codes
    folds = training.inner_folds(data.clips, SEARCHED)
    by_uar, by_accuracy = [], []
    for trial in found["trials"]:
        # A column of whole numbers and None is one of fractions.
        params = {k: int(v) if isinstance(v, float) else v for k, v in trial.items()}
        del params["score"]
        uar, accuracy = [], []
        for fold in folds:
            tried = FeatureModel(classifier="decision_tree", seed=SEARCHED.seed, params=params)
            tried.labels = labels.labels_of("valence2")
            tried.fit(data.inputs["mfcc_rms"], data.clips.loc[fold.train])
            said = tried.estimator.predict(data.inputs["mfcc_rms"].take(fold.test))
            uar.append(recall_score(codes[fold.test], said, average="macro"))
            accuracy.append(accuracy_score(codes[fold.test], said))
        by_uar.append(np.mean(uar))
        by_accuracy.append(np.mean(accuracy))
        assert trial["score"] == pytest.approx(by_uar[-1], abs=1e-6)
    assert len(set(by_uar)) > 1 and np.argmax(by_uar) != np.argmax(by_accuracy)
    assert found["metric"] == "balanced_accuracy"
    assert found["score"] == pytest.approx(max(by_uar), abs=1e-6)
    assert model.learners["mfcc_rms:decision_tree"].params == found["params"]


def test_what_each_fold_chose_is_in_the_run():
    data = noise_and_signal()
    folds = make_folds(data.clips, "actors", n_folds=3)
    (model,) = Bench(data, "actors", progress=False).measure([SEARCHED], folds)
    assert [one["fold"] for one in model.chosen] == [fold.name for fold in folds]
    for fold, one in zip(folds, model.chosen, strict=True):
        train = data.clips.loc[fold.train]
        _, told = training.fit(data, train, SEARCHED, progress=False)
        assert one["params"] == told["chosen"][one["learner"]]["params"]


def test_the_search_does_not_look_at_what_is_tested():
    data = noise_and_signal()
    train = data.clips[data.clips["actor"] < "4"]
    found = data.inputs["mfcc_rms"]
    values = found.values.copy()
    values[found.clips.get_indexer(data.clips.index[data.clips["actor"] >= "4"])] = 1e3
    garbled = replace(data, inputs={"mfcc_rms": Features(found.clips, values, found.names)})
    first, second = (
        training.fit(d, train, SEARCHED, progress=False)[1]["chosen"] for d in (data, garbled)
    )
    assert first == second


def test_labels_are_in_the_order_of_the_scheme(data):
    model, _ = training.fit(data, data.clips, BOTH, progress=False)
    table = model.probabilities(data.clips.index, data.inputs)["fused"]
    assert tuple(table.columns) == labels.labels_of(FOUR) and set(LABELS) < set(table.columns)
    assert len(set(actor_groups(data.clips))) == 6
