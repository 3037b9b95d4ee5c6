"""Extra training clips, such as song, never tell a model about a held-out actor."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cases import QUIET, table_of

from multimodal_ser.errors import TableError
from multimodal_ser.evaluation import metrics, protocol
from multimodal_ser.evaluation.folds import make_folds, with_extra
from multimodal_ser.tables import EMOTIONS, failure_table, make_clips
from multimodal_ser.workflows import training
from multimodal_ser.workflows.benchmarking import Bench
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Learner, Recipe

NEAREST = {"n_neighbors": 1}
RECIPE = Recipe(audio=(Learner("audio", "mfcc_rms", "knn", NEAREST),), video=None, inner_folds=2)


def speech_and_song(n_actors=8, seed=0):
    """Values that say nothing of the emotion but which take of which actor it is.

    Each spoken take is sung too, with nearly the same values: who has learnt
    an actor's song knows that actor's speech, and nobody else knows anything.
    """
    rng = np.random.default_rng(seed)
    rows, values = [], []
    for actor in range(1, n_actors + 1):
        for take in range(12):
            place = 10 * rng.standard_normal(6)
            emotion = EMOTIONS[rng.integers(8)]
            for channel in ("speech", "song"):
                rows.append({"clip": f"{actor}-{take:02d}-{channel}", "channel": channel})
                rows[-1] |= {"dataset": "ravdess", "actor": f"{actor:02d}", "emotion": emotion}
                values.append(place + 0.01 * rng.standard_normal(6))
    index = pd.Index([row["clip"] for row in rows])
    features = table_of(index, values)
    clips = make_clips(rows)
    return clips[clips["channel"] == "speech"], clips[clips["channel"] == "song"], features


def accuracy(table, clips):
    return metrics.score(table, clips["emotion"])["war"]


def held_out(data):
    bench = Bench(data, "actors", progress=False)
    (model,) = bench.measure([RECIPE], make_folds(data.clips, "actors"))
    return model.probabilities


def fitter(features, seen=None):
    def fit(train):
        if seen is not None:
            seen.append(train)
        model = FeatureModel(classifier="knn", params=NEAREST).fit(features, train)
        return lambda test: {"audio": model.predict(features, test.index)}

    return fit


def test_song_of_a_held_out_actor_is_never_learnt_from():
    speech, song, features = speech_and_song()
    seen = []
    folds = make_folds(speech, "actors", n_folds=4)
    options = {"extra": song, "progress": False}
    table = protocol.run(speech, folds, fitter(features, seen), **options)["audio"]
    assert sorted(table.index) == sorted(speech.index)  # song is never tested
    for fold, train in zip(folds, seen, strict=True):
        assert not set(speech.loc[fold.test, "actor"]) & set(train["actor"])
        assert set(train.loc[train["channel"] == "song", "actor"]) == set(
            speech.loc[fold.train, "actor"]
        )
    assert accuracy(table, speech) < 0.35
    # The same by clip instead of by actor, as leaky protocols do it, would know all:
    everything = pd.concat([speech, song])
    leak = make_folds(everything, "random_leaky", n_folds=4)
    leaked = protocol.run(everything, leak, fitter(features), progress=False)["audio"]
    assert accuracy(leaked.loc[speech.index], speech) > 0.6


def test_the_whole_training_keeps_it_apart_too():
    speech, song, features = speech_and_song()
    data = Data(speech, {"mfcc_rms": features}, failure_table([]), song)
    table = held_out(data)
    assert accuracy(table, speech) < 0.35
    # Were the actors taken for others, the song would be learnt from: it would show.
    strangers = song.assign(actor="9" + song["actor"])
    told = replace(data, extra=strangers)
    table = held_out(told)
    assert accuracy(table, speech) > 0.95


def test_calibration_is_learnt_from_actors_whose_song_is_unknown(monkeypatch, fits):
    speech, song, features = speech_and_song()
    tested, predict = [], FeatureModel.predict

    def spy(self, features, clips=None):
        tested.append(speech.loc[clips])
        return predict(self, features, clips)

    monkeypatch.setattr(FeatureModel, "predict", spy)
    data = Data(speech, {"mfcc_rms": features}, failure_table([]), song)
    training.fit(data, speech, RECIPE, progress=False)
    *inner, (_, everything, _) = fits
    assert len(inner) == len(tested) == RECIPE.inner_folds
    for (_, learn, _), held in zip(inner, tested, strict=True):
        assert len(held) and not set(held["actor"]) & set(learn["actor"])
        assert (learn["channel"] == "song").sum() == (learn["channel"] == "speech").sum() > 0
    assert sorted(pd.concat(tested).index) == sorted(speech.index)
    assert len(everything) == len(speech) + len(song)


def test_another_corpus_is_learnt_from_in_every_fold():
    speech, song, features = speech_and_song()
    other = song.assign(dataset="cremad")  # the same numbers are other people there
    seen = []
    folds = make_folds(speech, "actors", n_folds=4)
    protocol.run(speech, folds, fitter(features, seen), extra=other, progress=False)
    assert all((train["dataset"] == "cremad").sum() == len(other) for train in seen)


def test_extra_clips_of_nobody_are_refused():
    speech, song, _ = speech_and_song(2)
    with pytest.raises(TableError):
        with_extra(speech, song.assign(actor=pd.NA), speech.iloc[:0])


def test_extra_clips_that_are_there_already_or_have_no_label_are_left_out():
    speech, song, _ = speech_and_song(2)
    assert with_extra(speech, speech, speech.iloc[:0]).index.equals(speech.index)
    bare = with_extra(speech, song.assign(emotion=None), speech.iloc[:0])
    assert bare.index.equals(speech.index)
    whole = with_extra(speech, song, speech.iloc[:0])
    assert whole["emotion"].cat.categories.equals(speech["emotion"].cat.categories)


@pytest.mark.parametrize("labels", ["emotions8", "valence2"])
def test_training_with_song_copies_and_a_label_scheme_from_files(tones, tmp_path, labels):
    from multimodal_ser.workflows.inference import load_model

    # One actor's clips stand for the song of the others.
    extra = tones[tones["actor"] == "3"]
    rest = tones[tones["actor"] != "3"]
    recipe = replace(RECIPE, labels=labels, copies=1)
    model, data = training.train(rest, recipe, tmp_path, extra=extra, **QUIET)
    kept = 32 if labels == "emotions8" else 16
    assert len(data.clips) == kept * 3 / 4
    assert len(data.inputs["mfcc_rms"].clips) == 2 * kept
    assert data.extra.index.str.endswith("#1").sum() == kept
    again = load_model(tmp_path)
    assert again.labels == model.labels == tuple(data.clips["emotion"].cat.categories)
    table = again.probabilities(data.clips.index, data.inputs)["fused"]
    assert list(table.columns) == list(model.labels)
    assert accuracy(table, data.clips) > 0.9  # the nearest training clip is itself
