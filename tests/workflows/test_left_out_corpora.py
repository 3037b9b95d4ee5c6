"""Leave-one-corpus-out: nothing of the left-out data set is learnt from, and scores are its own."""

import numpy as np
import pandas as pd
import pytest
from cases import QUIET

from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import runs
from multimodal_ser.tables import actor_groups, labels
from multimodal_ser.workflows import evaluating, training
from multimodal_ser.workflows.benchmarking import benchmark, score_table
from multimodal_ser.workflows.recipes import Recipe

SIX = ("neutral", "happy", "sad", "angry", "fearful", "disgust")
RECIPE = Recipe(audio="mfcc_chroma_mel:knn", video=None, inner_folds=2)


def copies(tones, **lacking):
    """The same tones as several data sets, whose actors have the same numbers."""
    parts = []
    for name, lacks in lacking.items():
        part = tones[~tones["emotion"].isin(lacks)].assign(dataset=name)
        parts.append(part.set_axis(name + "/" + part.index).rename_axis("clip"))
    return pd.concat(parts)


@pytest.fixture(scope="module")
def four(tones):
    return copies(tones, a=(), b=("calm", "surprised"), c=("calm", "disgust"), d=("calm",))


def test_no_fit_sees_the_left_out_data_set_and_inner_folds_leave_one_out_too(four, fits):
    run, failures = benchmark(four, RECIPE, "corpora", **QUIET)
    assert failures.empty and run.protocol == "corpora" and not run.leaky
    model = run.models[0]
    assert (model.folds == run.clips["dataset"].loc[model.folds.index]).all()
    assert set(model.probabilities.index) == set(four.index)
    learnt = [tuple(sorted(set(clips["dataset"]))) for _, clips, _ in fits]
    outer = [kept for kept in learnt if len(kept) == 3]
    assert sorted(outer) == [("a", "b", "c"), ("a", "b", "d"), ("a", "c", "d"), ("b", "c", "d")]
    inner = [kept for kept in learnt if len(kept) == 2]
    assert len(inner) == 4 * 3 and len(learnt) == len(inner) + len(outer)
    for at, kept in enumerate(learnt):
        following = next(one for one in learnt[at:] if len(one) == 3)
        assert set(kept) <= set(following)  # the fits of a fold end with that of all its clips


def test_with_two_data_sets_to_learn_from_inner_folds_are_over_actors(tones, fits):
    benchmark(copies(tones, a=(), b=(), c=()), RECIPE, "corpora", **QUIET)
    assert {len(set(clips["dataset"])) for _, clips, _ in fits} == {2}
    groups = [len(set(actor_groups(clips))) for _, clips, _ in fits]
    assert sorted(groups) == [4] * 6 + [8] * 3


def test_a_label_of_one_data_set_alone_keeps_inner_folds_over_actors(tones):
    apart = copies(tones, a=(), b=("calm",), c=("calm",))
    made = training.inner_folds(apart, RECIPE, "corpora")
    assert len(made) == 2
    held = [set(actor_groups(apart.loc[fold.test])) for fold in made]
    assert not held[0] & held[1]
    neutral = labels.relabel(apart, "emotions7")
    names = [fold.name for fold in training.inner_folds(neutral, RECIPE, "corpora")]
    assert names == ["a", "b", "c"]
    alone = Recipe(audio="knn", video=None, inner_folds=0)
    assert training.inner_folds(neutral, alone, "corpora") == []


def test_probabilities_are_over_what_the_left_out_data_set_tells_apart(four):
    run, _ = benchmark(four, RECIPE, "corpora", **QUIET)
    assert run.labels == list(labels.labels_of("emotions7"))
    table = run.models[0].probabilities
    np.testing.assert_allclose(table.sum(axis=1), 1)
    own = {"b": {"surprised"}, "c": {"disgust"}, "a": set(), "d": set()}
    for name, lacks in own.items():
        part = table[(run.clips["dataset"] == name).loc[table.index]]
        assert {label for label in table if (part[label] == 0).all()} >= lacks
    scores = score_table(run).set_index("data_set")
    assert scores.index.tolist() == ["all", "a", "b", "c", "d"]
    assert scores["classes"].tolist() == [7, 7, 6, 6, 7]
    assert scores["n"].tolist() == [32 + 24 + 24 + 28, 32, 24, 24, 28]
    assert scores["n4"].tolist() == [20 + 3 * 16, 20, 16, 16, 16]


def test_what_one_data_set_alone_tells_apart_is_neither_learnt_nor_tested(tones, fits):
    pair = copies(tones, a=(), b=("calm", "surprised", "disgust"))
    run, _ = benchmark(pair, RECIPE, "corpora", **QUIET)
    assert set(run.clips["emotion"]) == {"neutral", "happy", "sad", "angry", "fearful"}
    assert (run.clips["dataset"] == "a").sum() == 6 * 4  # calm is neutral
    assert all(set(clips["emotion"]) <= set(run.clips["emotion"]) for _, clips, _ in fits)
    strange = pair[(pair["dataset"] == "b") | pair["emotion"].isin(["surprised", "disgust"])]
    with pytest.raises(SerError):
        benchmark(strange, RECIPE, "corpora", **QUIET)


def test_extra_clips_of_a_data_set_that_is_left_out_are_refused(four, tones):
    more = copies(tones, a=())
    more.index = "more " + more.index
    with pytest.raises(SerError):
        benchmark(four, RECIPE, "corpora", extra=more, **QUIET)
    with pytest.raises(SerError):
        benchmark(four[four["dataset"] == "a"], RECIPE, "corpora", **QUIET)


def test_the_run_is_the_same_from_its_folder_and_another_labels_scheme_is_another_run(
    four, tmp_path
):
    run, _ = benchmark(four, RECIPE, "corpora", run_folder=tmp_path, **QUIET)
    again = runs.read_run(runs.write_run(tmp_path, run))
    assert again.actors == [f"{name}/{actor}" for name in "abcd" for actor in range(4)]
    pd.testing.assert_frame_equal(score_table(again), score_table(run))
    four_labels = Recipe(audio="mfcc_chroma_mel:knn", video=None, inner_folds=2, labels="emotions4")
    with pytest.raises(SerError):
        benchmark(four, four_labels, "corpora", run_folder=tmp_path, **QUIET)


def test_a_model_of_several_data_sets_is_scored_on_each(four, tmp_path):
    training.train(four, Recipe(audio="knn", video=None, labels="emotions7"), tmp_path, **QUIET)
    run, _ = evaluating.evaluate(four, tmp_path, **QUIET)
    scores = score_table(run).set_index("data_set")
    assert scores.index.tolist() == ["all", "a", "b", "c", "d"]
    assert scores["classes"].tolist() == [7, 7, 6, 6, 7]
    assert "b: surprised dropped" in run.title and "calm counted as neutral" in run.title
