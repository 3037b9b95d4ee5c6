"""What published systems ask of the stack: fixed parameters, spaces, no inner folds."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.audio.augment import Augmentation
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import EMOTIONS, Features, failure_table, make_clips
from multimodal_ser.workflows import training
from multimodal_ser.workflows.benchmarking import Bench
from multimodal_ser.workflows.data import Data, extract
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Learner, Recipe


@pytest.fixture
def data():
    rows = [
        {"clip": f"{actor}-{take}", "actor": str(actor), "dataset": "x", "emotion": EMOTIONS[k]}
        for actor in range(4)
        for take, k in enumerate((0, 1, 2) * 2)
    ]
    clips = make_clips(rows)
    values = np.random.default_rng(0).normal(size=(len(clips), 4)).astype(np.float32)
    values[:, 0] += 3 * clips["emotion"].cat.codes
    features = Features(clips.index, values, tuple("abcd"))
    return Data(clips, {"mfcc_rms": features}, failure_table([]))


@pytest.fixture
def fits(monkeypatch):
    """The parameters and the clips of every fit."""
    seen, fit = [], FeatureModel.fit

    def spy(self, features, clips, validation=None):
        seen.append((self.params, len(clips)))
        return fit(self, features, clips, validation)

    monkeypatch.setattr(FeatureModel, "fit", spy)
    return seen


def recipe(*, inner_folds, **more):
    learner = Learner("audio", "mfcc_rms", "decision_tree", **more)
    return Recipe(audio=(learner,), video=None, inner_folds=inner_folds)


@pytest.mark.parametrize("actors", [["0"], ["0", "1"]])
def test_a_learners_own_parameters_are_kept_where_nobody_is_held_out(data, actors):
    given = recipe(inner_folds=4 if len(actors) == 1 else 0, params={"max_depth": 2})
    train = data.clips[data.clips["actor"].isin(actors)]
    found = training.cross_fit(
        given.audio[0], data, train, training.inner_folds(train, given), given, progress=False
    )
    assert found.params == {"max_depth": 2}
    assert found.table.empty


def test_without_inner_folds_a_learner_is_fitted_once_per_fold_and_not_calibrated(data, fits):
    given = recipe(inner_folds=0, params={"max_depth": 2})
    fold = make_folds(data.clips, "leave_one_actor_out")[0]
    (found,) = Bench(data, "leave_one_actor_out", progress=False).measure([given], [fold])
    assert fits == [({"max_depth": 2}, len(fold.train))]
    model = FeatureModel("mfcc_rms", "decision_tree", params={"max_depth": 2})
    features = data.inputs["mfcc_rms"]
    alone = model.fit(features, data.clips.loc[fold.train]).predict(features, fold.test)
    pd.testing.assert_frame_equal(found.probabilities, alone, atol=1e-6)  # the floor of logarithms


@pytest.mark.parametrize("count", [1, -1])
def test_one_inner_fold_holds_nobody_out(count):
    with pytest.raises(SerError):
        recipe(inner_folds=count)


def test_a_search_needs_inner_folds():
    with pytest.raises(SerError):
        training.check(Recipe(audio="svc", video=None, search=2, inner_folds=0))


def test_a_learners_own_space_is_searched_instead_of_its_classifiers(data):
    learner = Learner(
        "audio", "mfcc_rms", "decision_tree", params={"min_samples_leaf": 1},
        space={"max_depth": [1, 8]},
    )  # fmt: skip
    given = Recipe(audio=(learner,), video=None, search=1, search_method="grid")
    train = data.clips
    found = training.cross_fit(
        learner, data, train, training.inner_folds(train, given), given, progress=False
    )
    assert found.params == {"min_samples_leaf": 1, "max_depth": 8}  # three classes need two cuts
    assert len(found.chosen["trials"]) == 2


def test_copies_are_changed_as_the_recipe_says(tones):
    clips = tones.iloc[:2].set_axis(["a", "b"]).rename_axis("clip")
    for augmentation in (Augmentation(probability=0.0), Augmentation(probability=1.0)):
        given = Recipe(audio="svc", video=None, copies=1, augmentation=augmentation)
        found = extract(clips, given, workers=Engine(in_process=True), progress=False)
        features = found.inputs["mfcc_rms"]
        same = np.array_equal(features.take(["a", "b"]), features.take(["a#1", "b#1"]))
        assert same == (augmentation.probability == 0)
