"""scikit-learn's own tools, with our parts in them."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

import multimodal_ser as mser
from multimodal_ser.audio import features
from multimodal_ser.audio.extract import extract
from multimodal_ser.errors import SerError, UnknownName
from multimodal_ser.workflows.recipes import MEASURED


@pytest.fixture(scope="module")
def speech(corpus):
    """Paths, labels and actors of half a synthetic corpus, in an order of their own."""
    clips = mser.index(corpus)
    clips = clips[clips["emotion"].isin(["happy", "sad", "angry", "calm"])]
    clips = clips.sample(frac=1, random_state=0)
    return clips["audio"].tolist(), clips["emotion"].astype(str).to_numpy(), clips["actor"].tolist()


def feature_set(name="mfcc_rms", **how):
    return mser.FeatureSet(name, workers=1, **how)


def test_values_are_those_of_the_extraction_in_the_order_given(speech, corpus):
    paths = speech[0]
    clips = mser.index(corpus)
    table, _ = extract(clips, "mfcc_rms", workers=1, progress=False)
    ids = [clips.index[clips["audio"] == path][0] for path in paths]
    for given in (paths, np.array(paths), pd.DataFrame({"file": paths}), clips.loc[ids]):
        np.testing.assert_array_equal(feature_set().transform(given), table.take(ids))


def test_a_recording_may_come_twice(speech):
    paths = [speech[0][0], speech[0][1], speech[0][0]]
    values = feature_set().fit_transform(paths)
    np.testing.assert_array_equal(values[0], values[2])
    assert not np.array_equal(values[0], values[1])


def test_samples_have_the_values_of_their_file(speech):
    read = [soundfile.read(path, dtype="int16") for path in speech[0][:3]]
    sounds, rate = [samples for samples, _ in read], read[0][1]
    ragged = np.empty(3, dtype=object)
    ragged[:] = sounds
    expected = feature_set().transform(speech[0][:3])
    for given in (sounds, ragged):
        np.testing.assert_array_equal(feature_set(rate_hz=rate).transform(given), expected)
    equal = np.stack([samples[:20000] for samples in sounds])
    apart = feature_set(rate_hz=rate).transform(list(equal))
    np.testing.assert_array_equal(feature_set(rate_hz=rate).transform(equal), apart)


def test_pandas_in_pandas_out(speech):
    given = pd.Series(speech[0][:3], index=["a", "b", "c"])
    table = feature_set().set_output(transform="pandas").fit_transform(given)
    assert table.index.tolist() == ["a", "b", "c"]
    assert table.columns.tolist() == list(features.load("mfcc_rms").names())


@pytest.mark.parametrize("name", [*features.NAMES, *MEASURED])
def test_every_set_can_be_cloned_and_names_its_values(name):
    if name in features.OPENSMILE:
        pytest.importorskip("opensmile")
    made = clone(mser.FeatureSet(name, cache="x"))
    assert made.get_params()["name"] == name and made.get_params()["cache"] == "x"
    if name in MEASURED or len(features.shape(name)) == 1:
        names = made.fit([]).get_feature_names_out()
        assert names.dtype == object and len(set(names)) == len(names)
    else:
        with pytest.raises(SerError):
            made.get_feature_names_out()


def test_sets_are_joined_and_searched_over(speech):
    paths, labels, actors = speech
    both = FeatureUnion([("a", feature_set()), ("b", feature_set("functionals"))])
    pipeline = make_pipeline(both, StandardScaler(), LogisticRegression(C=0.01))
    assert len(both.get_feature_names_out()) == 157 + 2669
    how = {"groups": actors, "cv": GroupKFold(2)}
    scores = cross_val_score(pipeline, paths, labels, scoring="balanced_accuracy", **how)
    assert len(scores) == 2 and scores.mean() > 0.3
    alone = make_pipeline(feature_set(), StandardScaler(), LogisticRegression())
    grid = {"featureset__name": ["mfcc_rms", "functionals"], "logisticregression__C": [0.1, 1]}
    search = GridSearchCV(alone, grid, cv=GroupKFold(2)).fit(paths, labels, groups=actors)
    assert len(search.cv_results_["params"]) == 4
    assert search.predict_proba(paths[:2]).shape == (2, 4)


def test_what_has_no_such_values_is_named(speech, tmp_path):
    (tmp_path / "empty.wav").touch()
    with pytest.raises(SerError, match=r"empty\.wav"):
        feature_set().transform([speech[0][0], str(tmp_path / "empty.wav")])
    with pytest.raises(SerError):
        feature_set("estimated_action_units").transform(speech[0][:1])  # sound alone
    with pytest.raises(UnknownName):
        feature_set("mfcc").fit(speech[0])


def test_a_finished_model_is_a_classifier(speech, stand_in, corpus):
    model = mser.load_model(stand_in / "ravdess")
    made = mser.as_classifier(model, workers=1)
    films = sorted(map(str, corpus.rglob("*.mp4")))[:3]
    assert is_classifier(made) and made.classes_.tolist() == sorted(model.labels)
    values = made.predict_proba(films)
    np.testing.assert_allclose(values.sum(axis=1), 1)
    table = mser.predict(films, model, workers=1, segments="none").predictions
    fused = table[table["modality"] == "fused"].set_index("path")
    np.testing.assert_allclose(values, fused.loc[films, list(made.classes_)])
    assert made.predict(films).tolist() == fused.loc[films, "emotion"].tolist()
    audio = mser.as_classifier(model, modality="audio", workers=1)
    assert np.abs(audio.predict_proba(films) - values).max() > 1e-6


def test_scorers_and_frozen_models_work(speech, stand_in):
    paths, labels, _ = speech
    paths, labels = paths[:8], labels[:8]
    made = mser.as_classifier(stand_in / "ravdess", workers=1)
    expected = balanced_accuracy_score(labels, made.predict(paths))
    assert get_scorer("balanced_accuracy")(made, paths, labels) == expected
    frozen = FrozenEstimator(made)
    folds = cross_val_predict(frozen, np.array(paths), labels, cv=2)
    np.testing.assert_array_equal(folds, made.predict(paths))


def test_a_finished_model_is_not_trained_again(speech, stand_in):
    made = mser.as_classifier(stand_in / "ravdess", workers=1)
    with pytest.raises(NotFittedError):
        clone(made).predict(speech[0][:1])
    with pytest.raises(SerError):
        clone(made).fit(speech[0], speech[1])
    with pytest.raises(UnknownName):
        mser.as_classifier(stand_in / "ravdess", modality="sound").predict(speech[0][:1])


def test_what_a_model_has_no_answer_for_is_named(speech, stand_in, tmp_path):
    made = mser.as_classifier(stand_in / "ravdess", workers=1)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(SerError, match=r"text\.wav"):
        made.predict([speech[0][0], tmp_path / "text.wav"])


def test_a_recipe_is_trained_and_validated_by_scikit_learn(speech, tmp_path):
    paths, labels, actors = speech
    how = {"video": None, "inner_folds": 2, "labels": "own"}
    recipe = mser.Recipe(audio="mfcc_rms:logistic_regression", **how)
    made = mser.EmotionClassifier(recipe, workers=1)
    assert clone(made).get_params()["recipe"] == recipe
    folds = {"groups": actors, "cv": GroupKFold(2)}
    said = cross_val_predict(made, np.array(paths), labels, **folds)
    assert balanced_accuracy_score(labels, said) > 0.3
    fitted = made.fit(paths, labels, actors=actors)
    assert fitted.classes_.tolist() == ["angry", "calm", "happy", "sad"]
    assert fitted.score(paths, labels) > 0.8
    model, _ = mser.train(_table(speech), recipe, tmp_path / "m", workers=1, progress=False)
    expected = mser.as_classifier(model, workers=1).predict_proba(paths)
    np.testing.assert_allclose(fitted.predict_proba(paths), expected, atol=1e-6)


def _table(speech) -> pd.DataFrame:
    return pd.DataFrame(dict(zip(("path", "label", "actor"), speech, strict=True)))


@pytest.mark.parametrize("labels", [["a"], ["a", "b", "c"], [["a", "b"]]])
def test_labels_that_do_not_fit_are_refused(speech, labels):
    with pytest.raises(SerError):
        mser.EmotionClassifier(workers=1).fit(speech[0][:2], labels)


def test_labels_may_be_numbers(speech):
    paths, labels, actors = speech
    codes = np.unique(labels, return_inverse=True)[1] * 10
    made = mser.EmotionClassifier("mfcc_rms:knn", workers=1).fit(paths, codes, actors)
    assert made.classes_.tolist() == [0, 10, 20, 30]
    assert set(made.predict(paths)) <= {0, 10, 20, 30}
