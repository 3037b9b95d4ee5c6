"""A finished model on labelled clips: the scores are those of its probabilities."""

import numpy as np
import pandas as pd
import pytest
from cases import QUIET, table_of

from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import metrics, runs
from multimodal_ser.workflows import inference, training
from multimodal_ser.workflows.benchmarking import score_table
from multimodal_ser.workflows.evaluating import evaluate
from multimodal_ser.workflows.recipes import Recipe


@pytest.fixture(scope="module")
def tables(tones):
    codes = tones["emotion"].cat.codes.to_numpy()
    noise = np.random.default_rng(0).standard_normal((len(tones), 8))
    return {"action_units": table_of(tones.index, np.eye(8)[codes] + noise)}


@pytest.fixture(scope="module")
def model(tones, tables, tmp_path_factory):
    """Of four labels and two actors."""
    folder = tmp_path_factory.mktemp("evaluated")
    recipe = Recipe(audio="svc", video="action_units:svc", labels="four", inner_folds=2)
    some = tones[tones["actor"].isin(["0", "1"])]
    training.train(some, recipe, folder, tables=tables, **QUIET)
    return inference.load_model(folder)


def test_the_metrics_are_those_of_the_predicted_probabilities(model, tones, tables, tmp_path):
    test = tones[tones["actor"].isin(["2", "3"])]
    run, failures = evaluate(test, model, tables=tables, **QUIET)
    said, _ = inference.predict(test, model, tables=tables, workers=QUIET["workers"])
    known = test[test["emotion"].isin(model.labels)]
    truth = known["emotion"].astype(pd.CategoricalDtype(list(model.labels)))
    scores = score_table(run).set_index("modality")
    assert failures.empty and list(scores.index) == ["audio", "video", "fused"]
    for modality in scores.index:
        rows = said[said["modality"] == modality].set_index("clip")
        table = rows.loc[known.index, list(model.labels)].astype(float)
        expected = metrics.score(table, truth)
        for name in ("uar", "war", "ece", "n"):
            assert scores.loc[modality, name] == pytest.approx(expected[name], abs=1e-6), name
    again = runs.read_run(runs.write_run(tmp_path, run))
    assert [one.name for one in again.models] == ["audio", "video", "fused"]


def test_clips_of_other_labels_are_left_out_and_counted(model, tones, tables):
    other = ~tones["emotion"].isin(model.labels)
    assert 0 < other.sum() < len(tones)
    run, _ = evaluate(tones, model, tables=tables, **QUIET)
    assert set(run.clips.index) == set(tones.index[~other])
    assert str(other.sum()) in run.title and str((~other).sum()) in run.title
    assert (score_table(run)["n"] == (~other).sum()).all()
    kept, _ = evaluate(tones[~other], model, tables=tables, **QUIET)
    assert kept.identity == run.identity
    for one, two in zip(run.models, kept.models, strict=True):
        pd.testing.assert_frame_equal(one.probabilities, two.probabilities)


def test_a_modality_without_input_has_no_model_in_the_run(model, tones):
    run, _ = evaluate(tones, model, **QUIET)
    assert [one.name for one in run.models] == ["audio"]
    assert score_table(run)["n"].tolist() == [len(run.clips)]


def test_clips_without_one_of_the_labels_are_refused(model, tones):
    with pytest.raises(SerError):
        evaluate(tones.assign(emotion=None), model, **QUIET)
    with pytest.raises(SerError):
        evaluate(tones[~tones["emotion"].isin(model.labels)], model, **QUIET)


def test_clips_of_which_none_can_be_read_are_refused(model, tones):
    with pytest.raises(SerError):
        evaluate(tones.assign(audio="gone.wav"), model, **QUIET)
