import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError, TableError, UnknownName
from multimodal_ser.evaluation import metrics, protocol, runs
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import EMOTIONS, Features, labels, make_clips
from multimodal_ser.workflows.feature_model import FeatureModel

COUNTS = {
    "emotions8": 8,
    "no_neutral7": 7,
    "four": 4,
    "speech_song5": 5,
    "sex_emotion16": 16,
    "valence2": 2,
    "cremad6": 6,
    "emotions7": 7,
    "emotions4": 4,
    "sex": 2,
}


def corpus(n_actors=6, takes=2):
    """Every emotion by actors of both sexes, and values that tell emotion and sex."""
    rows = [
        {
            "clip": f"{actor:02d}-{emotion}-{take}",
            "dataset": "ravdess",
            "actor": f"{actor:02d}",
            "sex": "male" if actor % 2 else "female",
            "emotion": emotion,
        }
        for actor in range(1, n_actors + 1)
        for emotion in EMOTIONS
        for take in range(takes)
    ]
    clips = make_clips(rows)
    rng = np.random.default_rng(0)
    centres = {key: 3 * rng.standard_normal(12) for key in (*EMOTIONS, "male", "female")}
    values = np.stack(
        [
            centres[emotion] + 2 * centres[sex] + rng.standard_normal(12)
            for emotion, sex in zip(clips["emotion"], clips["sex"], strict=True)
        ]
    )
    names = tuple(f"v{at}" for at in range(12))
    return clips, Features(clips.index, values.astype(np.float32), names)


def test_every_scheme_is_tested_here():
    assert {labels.OWN, *COUNTS} == set(labels.NAMES)


@pytest.mark.parametrize(("scheme", "count"), COUNTS.items())
def test_labels_are_distinct_and_every_one_occurs(scheme, count):
    names = labels.labels_of(scheme)
    assert len(names) == len(set(names)) == count
    found = labels.apply(corpus()[0], scheme)
    assert list(found.cat.categories) == list(names)
    assert set(found.dropna()) == set(names)


def test_the_eight_emotions_stay_as_they_are():
    clips, _ = corpus()
    pd.testing.assert_series_equal(labels.apply(clips, "emotions8"), clips["emotion"])


def test_schemes_that_only_drop_keep_the_order_of_the_emotions():
    for scheme in ("no_neutral7", "four", "speech_song5", "cremad6"):
        places = [EMOTIONS.index(name) for name in labels.labels_of(scheme)]
        assert places == sorted(places), scheme


def test_what_the_systems_say_of_their_labels():
    clips, _ = corpus()
    dropped = {
        "no_neutral7": {"neutral"},
        "four": {"neutral", "fearful", "disgust", "surprised"},
        "speech_song5": {"neutral", "disgust", "surprised"},
        "valence2": {"calm", "sad", "fearful", "surprised"},
        "cremad6": {"calm", "surprised"},
    }
    for scheme, wanted in dropped.items():
        found = labels.apply(clips, scheme)
        assert set(clips.loc[found.isna(), "emotion"]) == wanted, scheme
    valence = labels.apply(clips, "valence2")
    assert set(clips.loc[valence == "positive", "emotion"]) == {"neutral", "happy"}
    assert set(clips.loc[valence == "negative", "emotion"]) == {"angry", "disgust"}


def test_unknown_sex_or_emotion_is_dropped_only_where_it_matters():
    clips = make_clips([{"clip": "a", "emotion": "sad"}, {"clip": "b", "sex": "male"}])
    assert labels.apply(clips, "emotions8").tolist() == ["sad", np.nan]
    assert labels.apply(clips, "sex_emotion16").isna().all()
    assert labels.apply(clips, "sex").tolist() == [np.nan, "male"]
    assert labels.relabel(clips, "sex").index.tolist() == ["b"]


def worded(*words):
    return make_clips(
        [{"clip": f"{at:02}", "emotion": word} for at, word in enumerate(words)], labels=None
    )


def test_own_labels_are_the_words_that_occur_as_they_are_written():
    clips = worded("bored", "Joy", "happy", None, "angry", "bored")
    found = labels.relabel(clips, "own")
    assert labels.labels_among(found, "own") == ("happy", "angry", "Joy", "bored")
    assert found["emotion"].astype(object).tolist() == ["bored", "Joy", "happy", "angry", "bored"]
    pd.testing.assert_frame_equal(labels.relabel(found, "own"), found)
    # A part that lacks a label has its column still.
    assert labels.labels_among(found.head(1), "own") == labels.labels_among(found, "own")


def test_a_scheme_maps_the_words_it_knows_and_drops_the_others():
    clips = worded("bored", "Joy", "happy", "ANGER", "sadness")
    found = labels.relabel(clips, "emotions8")
    assert found["emotion"].tolist() == ["happy", "happy", "angry", "sad"]
    assert tuple(found["emotion"].cat.categories) == EMOTIONS


def test_emotions_alone_keep_their_eight_columns():
    assert tuple(worded("sad", "angry")["emotion"].cat.categories) == EMOTIONS


@pytest.mark.parametrize("word", ["confidence", "clip", "a|b", "a\nb", " "])
def test_a_word_that_no_table_could_hold_is_no_label(word):
    with pytest.raises(SerError):
        labels.check_words(["bored", word])
    labels.check_words(["bored", "Überraschung", "très content", "3"])


def test_a_scheme_that_does_not_exist_lists_those_that_do():
    with pytest.raises(UnknownName, match="valence2"):
        labels.labels_of("valence")


@pytest.mark.parametrize("scheme", labels.NAMES)
def test_every_scheme_goes_through_folds_models_metrics_and_runs(scheme, tmp_path):
    clips, features = corpus()
    clips = labels.relabel(clips, scheme)
    names = labels.labels_among(clips, scheme)

    def fit(train):
        model = FeatureModel(classifier="logistic_regression", labels=names, params={"c": 1.0})
        model.fit(features, train)
        return lambda test: {"audio": model.predict(features, test.index)}

    folds = make_folds(clips, "actors", n_folds=3)
    table = protocol.run(clips, folds, fit, progress=False)["audio"]
    assert list(table.columns) == list(names)
    scores = metrics.score(table, clips["emotion"])
    assert scores["uar"] > 0.8
    assert scores["n"] == len(clips)
    assert list(metrics.confusion(table, clips["emotion"]).index) == list(names)
    named = runs.fold_names(folds)[table.index]
    model = runs.RunModel("lr", "audio", table, named)
    run = runs.Run(
        title=scheme, protocol="actors", clips=clips, models=(model,), command="", seconds=1.0
    )
    again = runs.read_run(runs.write_run(tmp_path / "run", run))
    assert again.labels == list(names)
    assert metrics.score(again.models[0].probabilities, again.clips["emotion"]) == scores


def test_a_saved_model_keeps_its_labels(tmp_path):
    clips, features = corpus()
    clips = labels.relabel(clips, "valence2")
    model = FeatureModel(classifier="knn", labels=labels.labels_of("valence2"))
    model.fit(features, clips).save_weights(tmp_path)
    again = FeatureModel.load(model.describe(), tmp_path).predict(features, clips.index)
    assert list(again.columns) == ["negative", "positive"]
    assert (again.idxmax(axis=1) == clips["emotion"].astype(str)).all()


SIX = ("neutral", "happy", "sad", "angry", "fearful", "disgust")


def two_corpora():
    rows = [
        {"clip": f"{name}-{emotion}", "dataset": name, "emotion": emotion}
        for name, emotions in (("with", EMOTIONS), ("without", SIX))
        for emotion in emotions
    ]
    return make_clips(rows)


def chances(n=20, seed=0):
    values = np.random.default_rng(seed).dirichlet(np.ones(8), n)
    return pd.DataFrame(values, [f"c{at}" for at in range(n)], list(EMOTIONS))


def test_neutral_may_be_calm_only_where_nobody_was_asked_to_be_calm():
    clips = two_corpora()
    possible = pd.DataFrame(labels.possible_labels(clips, EMOTIONS), clips.index, list(EMOTIONS))
    assert possible.sum(axis=1).drop("without-neutral").eq(1).all()
    assert possible.loc["without-neutral"].to_dict() == {
        name: name in ("neutral", "calm") for name in EMOTIONS
    }
    own = clips["emotion"].astype(object)
    assert all(possible.loc[clip, label] for clip, label in own.items())


def test_possible_labels_follow_the_order_of_the_columns_and_without_calm_are_the_labels():
    clips = two_corpora()
    turned = EMOTIONS[::-1]
    found = labels.possible_labels(clips, turned)
    np.testing.assert_array_equal(found[:, ::-1], labels.possible_labels(clips, EMOTIONS))
    known = clips[clips["emotion"] != "calm"]
    seven = labels.labels_of("emotions7")
    np.testing.assert_array_equal(labels.possible_labels(known, seven).sum(axis=1), 1)
    # The data set has no calm clip left, so that its neutral ones may be calm.
    assert labels.possible_labels(known, EMOTIONS)[:, EMOTIONS.index("calm")].sum() == 2


@pytest.mark.parametrize("emotion", [None, "calm"])
def test_a_clip_without_one_of_the_labels_has_no_possible_ones(emotion):
    with pytest.raises(TableError):
        labels.possible_labels(two_corpora().assign(emotion=emotion), SIX)


def test_calm_is_added_to_neutral_and_the_rest_is_divided_by_its_sum():
    table = chances()
    found = labels.project(table, SIX)
    assert list(found.columns) == list(SIX)
    kept = 1 - table["surprised"]
    np.testing.assert_allclose(found["neutral"], (table["neutral"] + table["calm"]) / kept)
    np.testing.assert_allclose(found["sad"], table["sad"] / kept)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_projection_onto_all_is_none_and_two_steps_are_one():
    table = chances()
    pd.testing.assert_frame_equal(labels.project(table, EMOTIONS), table)
    four = labels.labels_of("emotions4")
    direct = labels.project(table, four)
    pd.testing.assert_frame_equal(labels.project(labels.project(table, SIX), four), direct)
    pd.testing.assert_frame_equal(labels.under(table, "emotions4"), direct)
    assert labels.mapping_words(EMOTIONS, EMOTIONS) == ""


def test_missing_rows_stay_missing_and_dropped_ones_say_nothing():
    table = chances(3)
    table.iloc[0] = np.nan
    table.iloc[1] = [0, 0, 0, 0, 0, 0, 0, 1]
    found = labels.project(table, SIX)
    assert found.iloc[0].isna().all()
    np.testing.assert_allclose(found.iloc[1], 1 / 6)


def test_what_cannot_be_projected_is_refused():
    with pytest.raises(TableError):
        labels.project(chances(), ["bored"])
    with pytest.raises(TableError):
        labels.under(chances(), "sex")
    with pytest.raises(TableError):
        labels.under(chances()[["happy", "sad"]], "emotions4")


def test_a_scheme_relabels_probabilities_as_it_relabels_clips():
    clips = two_corpora()
    sure = pd.get_dummies(clips["emotion"]).astype(float)[list(EMOTIONS)]
    for scheme in ("emotions7", "emotions4", "valence2", "cremad6"):
        truth = labels.relabel(clips, scheme)["emotion"].astype(object)
        said = labels.under(sure, scheme).idxmax(axis=1).astype(object)
        pd.testing.assert_series_equal(said[truth.index], truth, check_names=False)
