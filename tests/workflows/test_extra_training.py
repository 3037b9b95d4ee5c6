"""Extra training clips, such as song, never tell a model about a held-out actor."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import TableError
from multimodal_ser.evaluation import metrics, protocol
from multimodal_ser.evaluation.folds import make_folds, with_extra
from multimodal_ser.tables import EMOTIONS, Features, failure_table, make_clips
from multimodal_ser.workflows import benchmarking, training
from multimodal_ser.workflows.training import Data, Recipe

RECIPE = Recipe(audio="knn", audio_params={"n_neighbors": 1}, video=None)


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
    features = Features(index, np.float32(values), tuple(f"v{at}" for at in range(6)))
    clips = make_clips(rows)
    return clips[clips["channel"] == "speech"], clips[clips["channel"] == "song"], features


def accuracy(table, clips):
    return metrics.score(table, clips["emotion"])["war"]


def fitter(features, seen=None):
    from multimodal_ser.audio.model import AudioModel

    def fit(train):
        if seen is not None:
            seen.append(train)
        model = AudioModel(classifier="knn", params={"n_neighbors": 1}).fit(features, train)
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
    data = Data(speech, features, None, failure_table([]), song)
    table = benchmarking.held_out(data, RECIPE, "actors", progress=False)["audio"]
    assert accuracy(table, speech) < 0.35
    # Were the actors taken for others, the song would be learnt from: it would show.
    strangers = song.assign(actor="9" + song["actor"])
    told = replace(data, extra=strangers)
    table = benchmarking.held_out(told, RECIPE, "actors", progress=False)["audio"]
    assert accuracy(table, speech) > 0.95


def test_calibration_is_learnt_from_actors_whose_song_is_unknown(monkeypatch):
    speech, song, features = speech_and_song()
    fits = []
    fit_audio = training._fit_audio

    def spy(data, learn, held, recipe):
        fits.append((learn, held))
        return fit_audio(data, learn, held, recipe)

    monkeypatch.setattr(training, "_fit_audio", spy)
    data = Data(speech, features, None, failure_table([]), song)
    training.fit(data, speech, RECIPE, progress=False)
    (learn, held), (everything, _) = fits
    assert len(held) and not set(held["actor"]) & set(learn["actor"])
    assert (held["channel"] == "speech").all()
    assert (learn["channel"] == "song").sum() == (learn["channel"] == "speech").sum()
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
    with pytest.raises(TableError, match="actor"):
        with_extra(speech, song.assign(actor=pd.NA), speech.iloc[:0])


def test_extra_clips_that_are_there_already_or_have_no_label_are_left_out():
    speech, song, _ = speech_and_song(2)
    assert with_extra(speech, speech, speech.iloc[:0]).index.equals(speech.index)
    bare = with_extra(speech, song.assign(emotion=None), speech.iloc[:0])
    assert bare.index.equals(speech.index)
    whole = with_extra(speech, song, speech.iloc[:0])
    assert whole["emotion"].cat.categories.equals(speech["emotion"].cat.categories)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """One short tone of its own an actor and emotion, in files."""
    folder = tmp_path_factory.mktemp("tones")
    rows, times = [], np.arange(4000) / 16000
    for actor in range(4):
        for code, emotion in enumerate(EMOTIONS):
            path = folder / f"{actor}-{code}.wav"
            hertz = 200 * 1.12 ** (4 * code + actor)
            soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * times), 16000)
            rows.append({"clip": path.stem, "audio": str(path), "emotion": emotion})
            rows[-1] |= {"dataset": "x", "actor": str(actor)}
    return make_clips(rows)


@pytest.mark.parametrize("labels", ["emotions8", "valence2"])
def test_training_with_song_copies_and_a_label_scheme_from_files(tones, tmp_path, labels):
    from multimodal_ser.workflows.inference import load_model

    # One actor's clips stand for the song of the others.
    extra = tones[tones["actor"] == "3"]
    rest = tones[tones["actor"] != "3"]
    recipe = replace(RECIPE, labels=labels, copies=1)
    shared = {"workers": Engine(workers=1, in_process=True), "progress": False}
    model, data = training.train(rest, recipe, tmp_path, extra=extra, **shared)
    kept = 32 if labels == "emotions8" else 16
    assert len(data.clips) == kept * 3 / 4
    assert len(data.features.clips) == 2 * kept
    assert data.extra.index.str.endswith("#1").sum() == kept
    again = load_model(tmp_path)
    assert again.labels == model.labels == tuple(data.clips["emotion"].cat.categories)
    table = again.probabilities(data.clips.index, data.features, None)["fused"]
    assert list(table.columns) == list(model.labels)
    assert accuracy(table, data.clips) > 0.9  # the nearest training clip is itself
