"""A finished model on labelled clips: the scores are those of its probabilities."""

import numpy as np
import pandas as pd
import pytest
from cases import QUIET, table_of

from multimodal_ser.audio import conditions, extract
from multimodal_ser.compute.cache import Cache
from multimodal_ser.errors import SerError, TableError, UnknownName
from multimodal_ser.evaluation import metrics, robustness, runs
from multimodal_ser.reports.html import run_report
from multimodal_ser.tables import labels
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


@pytest.fixture(scope="module")
def under(model, tones, tables):
    run, failures = evaluate(
        tones, model, tables=tables, conditions=("phone", "clean", "white_10db"), **QUIET
    )
    assert failures.empty
    return run


def test_each_condition_has_a_model_of_the_sound_and_of_the_whole(under, model, tones, tables):
    names = [one.name for one in under.models]
    assert names[:3] == ["audio", "video", "fused"]
    assert names[3:] == ["audio, phone", "fused, phone", "audio, white_10db", "fused, white_10db"]
    assert under.model("fused, phone").parts == {"audio": "audio, phone", "video": "video"}
    plain, _ = evaluate(tones, model, tables=tables, **QUIET)
    assert plain.identity == under.identity
    for one in plain.models:
        pd.testing.assert_frame_equal(one.probabilities, under.model(one.name).probabilities)


def test_the_probabilities_are_those_of_the_changed_recordings(under, model, tones):
    """By hand: the sound read, changed and described, the classifier asked."""
    from multimodal_ser.audio import features, signal

    learner = next(one for one in model.learners.values() if one.modality == "audio")
    module = features.load(learner.input)
    told = under.model("audio, white_10db").probabilities
    for clip in told.index[:3]:
        sound = signal.read(tones.loc[clip, "audio"], rate_hz=module.RATE_HZ)
        seed = conditions.seed_of(clip, 0)
        changed = conditions.apply(sound, module.RATE_HZ, "white_10db", seed)
        found = extract.Features(pd.Index([clip]), module.extract(changed)[None], module.names())
        expected = model.probabilities([clip], {learner.key: found})["audio"]
        np.testing.assert_allclose(told.loc[clip], expected.loc[clip], atol=1e-5)


def test_scores_say_what_a_condition_costs(under):
    scores = score_table(under).set_index("model")
    clean, noisy = (under.model(name).probabilities for name in ("audio", "audio, white_10db"))
    row = scores.loc["audio, white_10db"]
    assert row["condition"] == "white_10db" and scores.loc["audio", "condition"] == ""
    assert row["uar_change"] == pytest.approx(row["uar"] - scores.loc["audio", "uar"])
    assert row["unchanged"] == (clean.idxmax(axis=1) == noisy.idxmax(axis=1)).mean() < 1
    assert row["confidence"] == pytest.approx(noisy.max(axis=1).mean())
    assert scores.loc["video", ["uar_change", "unchanged"]].tolist() == [0, 1]
    best = scores["p_best"].isna()
    assert (scores.index[best] == scores["uar"][["audio", "video", "fused"]].idxmax()).all()


def test_a_clip_without_an_answer_has_not_kept_it(under):
    noisy = under.model("audio, phone")
    silent = noisy.probabilities.copy()
    silent.iloc[:] = np.nan
    models = tuple(
        runs.RunModel("audio, phone", "audio", silent, noisy.folds, condition="phone")
        if one is noisy
        else one
        for one in under.models
        if one.modality == "audio"
    )
    rows = robustness.against_clean(
        runs.Run(title="t", protocol="evaluate", clips=under.clips, models=models)
    )
    assert rows.loc["audio, phone", "unchanged"] == 0


def test_a_run_under_conditions_is_kept_and_has_a_page(under, tmp_path):
    again = runs.read_run(runs.write_run(tmp_path / "run", under))
    assert [one.condition for one in again.models] == [one.condition for one in under.models]
    page = run_report([again], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "white_10db" in page and "as recorded" in page


def test_a_condition_under_which_nothing_is_answered_is_scored_as_such(model, tones, monkeypatch):
    def deaf(signal, rate_hz, name, seed):
        raise SerError("nothing is left of it")

    monkeypatch.setattr(conditions, "apply", deaf)
    run, failures = evaluate(tones, model, conditions=("phone",), cache=Cache(None), **QUIET)
    assert set(failures["clip"]) == set(run.clips.index)
    scores = score_table(run).set_index("model")
    assert scores.loc["audio, phone", ["n", "unchanged"]].tolist() == [0, 0]
    assert np.isnan(scores.loc["audio, phone", "uar"]) and scores.loc["audio", "n"] > 0


def test_unknown_conditions_are_refused_before_anything_is_read(tones):
    with pytest.raises(UnknownName):
        evaluate(tones, "no such model", conditions=("bathroom",), **QUIET)


def by_modality(run):
    return {one.modality: one.probabilities for one in run.models}


@pytest.fixture(scope="module")
def whole(tones, tables, tmp_path_factory):
    """Of all eight labels."""
    folder = tmp_path_factory.mktemp("whole")
    recipe = Recipe(audio="svc", video=None, inner_folds=2)
    training.train(tones[tones["actor"].isin(["0", "1"])], recipe, folder, **QUIET)
    return inference.load_model(folder)


def test_each_data_set_is_scored_on_what_it_tells_apart(whole, tones):
    six = [name for name in tones["emotion"].cat.categories if name not in ("calm", "surprised")]
    asked = tones.assign(dataset="whole")
    other = tones[tones["emotion"].isin(six)].assign(dataset="six")
    other.index = "six/" + other.index
    both, _ = evaluate(pd.concat([asked, other]), whole, **QUIET)
    alone, _ = evaluate(asked, whole, **QUIET)
    table, eight = by_modality(both)["audio"], by_modality(alone)["audio"]
    pd.testing.assert_frame_equal(table.loc[asked.index], eight)
    expected = labels.project(eight, six)
    found = table.loc[other.index]
    assert (found[["calm", "surprised"]] == 0).all(axis=None)
    same = expected.loc[found.index.str.removeprefix("six/")].set_axis(found.index)
    pd.testing.assert_frame_equal(found[six], same)
    assert "six: calm counted as neutral, surprised dropped" in both.title
    assert "counted" not in alone.title and both.identity != alone.identity


def test_a_few_clips_of_a_published_corpus_are_not_an_easier_question(whole, tones):
    few = tones[tones["emotion"].isin(["happy", "sad"])]
    as_ravdess, _ = evaluate(few.assign(dataset="ravdess"), whole, **QUIET)
    assert list(by_modality(as_ravdess)["audio"].columns) == list(whole.labels)
    as_cremad, _ = evaluate(few.assign(dataset="cremad"), whole, **QUIET)
    assert len(by_modality(as_cremad)["audio"].columns) == 6
    few = few.assign(dataset="mine")
    own, _ = evaluate(few, whole, **QUIET)
    assert list(by_modality(own)["audio"].columns) == ["happy", "sad"]
    one, _ = evaluate(few[few["emotion"] == "sad"], whole, **QUIET)
    assert len(by_modality(one)["audio"].columns) == 8


def test_scores_under_another_scheme_are_those_of_summed_probabilities(whole, tones):
    run, _ = evaluate(tones, whole, labels="emotions4", **QUIET)
    full, _ = evaluate(tones, whole, **QUIET)
    table, truth = by_modality(run)["audio"], labels.relabel(tones, "emotions4")["emotion"]
    expected = labels.under(by_modality(full)["audio"], "emotions4").loc[truth.index]
    pd.testing.assert_frame_equal(table, expected)
    assert score_table(run)["uar"][0] == metrics.score(expected, truth)["uar"]
    assert "labels emotions4" in run.title


def test_a_scheme_that_the_model_cannot_answer_is_refused_before_any_work(model, tones):
    gone = tones.assign(audio="gone.wav")
    with pytest.raises(UnknownName):
        evaluate(gone, model, labels="emotions5", **QUIET)
    with pytest.raises(TableError):  # angry, calm, happy, sad: no neutral
        evaluate(gone, model, labels="emotions7", **QUIET)


def test_calm_clips_are_neutral_to_a_model_without_calm(tones, tmp_path):
    recipe = Recipe(audio="svc", video=None, inner_folds=2, labels="emotions7")
    training.train(tones, recipe, tmp_path, **QUIET)
    run, _ = evaluate(tones, tmp_path, **QUIET)
    assert len(run.clips) == len(tones)
    assert (run.clips.loc[tones["emotion"] == "calm", "emotion"] == "neutral").all()
