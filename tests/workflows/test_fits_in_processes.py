"""Fits in several processes say what they say in one, and what they cost."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from cases import sound_and_face

from multimodal_ser.audio import classifiers
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import runs
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.workflows import training
from multimodal_ser.workflows.benchmarking import Bench
from multimodal_ser.workflows.recipes import Learner, Recipe

#: Every classifier of vectors that is no network and takes any number of values.
PLAIN = [
    name
    for name in classifiers.NAMES
    if classifiers.load(name).INPUT == "vector"
    and not classifiers.is_network(name)
    and name != "vote_per_feature_set"
]


@pytest.fixture(autouse=True)
def nothing_is_too_small(monkeypatch):
    monkeypatch.setattr(training, "WORTH_A_PROCESS", 0)


def measured(recipe, workers, data=None):
    data = data or sound_and_face(n_actors=4)
    folds = make_folds(data.clips, "actors", n_folds=2)
    return Bench(data, "actors", workers=workers, progress=False).measure([recipe], folds)


def test_every_classifier_says_the_same_in_two_processes():
    fast = {"mlp": {"epochs": 3}, "ensemble": {"mlp_params": {"epochs": 3}}}
    trees = ("random_forest", "xgboost", "lightgbm", "gradient_boosting")
    fast |= {name: {"n_estimators": 5} for name in trees}
    learners = tuple(Learner("audio", "mfcc_rms", name, fast.get(name, {})) for name in PLAIN)
    candidates = ({"c": 0.01}, {"c": 1.0})
    learners = tuple(
        replace(one, candidates=candidates) if one.classifier == "logistic_regression" else one
        for one in learners
    )
    recipe = Recipe(audio=learners, video="action_units:svc", inner_folds=2)
    for one, two in zip(*(measured(recipe, workers) for workers in (1, 2)), strict=True):
        pd.testing.assert_frame_equal(one.probabilities, two.probabilities, check_exact=True)
        assert one.chosen == two.chosen


def test_a_model_is_the_same_from_two_processes(tmp_path):
    data = sound_and_face()
    recipe = Recipe(audio="svc+logistic_regression", video="action_units:svc", inner_folds=2)
    found = []
    for workers in (1, 2):
        model, told = training.fit(data, data.clips, recipe, workers=workers, progress=False)
        costs = told.pop("costs")
        assert {cost["learner"] for cost in costs} == set(model.learners)
        assert all(cost["seconds"] >= 0 for cost in costs)
        found.append((model.probabilities(data.clips.index, data.inputs), told))
    (one, first), (two, second) = found
    assert first == second
    for name in ("audio", "video", "fused"):
        pd.testing.assert_frame_equal(one[name], two[name], check_exact=True)


def test_a_run_keeps_what_each_learner_costs_in_each_fold(tmp_path):
    data = sound_and_face(n_actors=4)
    folds = make_folds(data.clips, "actors", n_folds=2)
    recipe = Recipe(audio="knn", video="action_units:svc", inner_folds=2)
    models = Bench(data, "actors", progress=False).measure([recipe], folds)
    run = runs.Run("a run", "actors", data.clips, tuple(models))
    kept = runs.read_run(runs.write_run(tmp_path, run))
    assert [model.costs for model in kept.models] == [model.costs for model in models]
    fused = {(cost["fold"], cost["learner"]) for cost in kept.model(models[-1].name).costs}
    assert fused == {(fold.name, one.name) for fold in folds for one in recipe.learners}
    record = json.loads((tmp_path / "run.json").read_text())
    for entry in record["models"]:
        del entry["costs"]  # as runs of earlier versions
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert not any(model.costs for model in runs.read_run(tmp_path).models)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fit_that_fails_is_named_with_learner_and_fold(workers):
    many = Learner("audio", "mfcc_rms", "knn", {"n_neighbors": 1000})
    with pytest.raises(SerError) as raised:
        measured(Recipe(audio=(many,), video=None, inner_folds=2), workers)
    assert "mfcc_rms:knn, fold actors-" in str(raised.value)
