"""Adapted models: normalised by the unlabelled clips of each person or set, and only then."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cases import LABELS, QUIET, sound_and_face, table_of

from multimodal_ser.compute.cache import Cache
from multimodal_ser.errors import ModelError, SerError, UnknownName
from multimodal_ser.evaluation import adaptation
from multimodal_ser.tables import EMOTIONS, Features
from multimodal_ser.workflows import inference, training
from multimodal_ser.workflows.data import Data, adapted
from multimodal_ser.workflows.evaluating import evaluate
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Learner, Recipe

HOW = {"cache": Cache(None), "workers": QUIET["workers"]}
RECIPE = Recipe(audio="mfcc_rms:knn", video=None, inner_folds=2)


@pytest.fixture(scope="module")
def models(tones, tmp_path_factory):
    """Name of an adaptation -> a saved model."""
    folder = tmp_path_factory.mktemp("adapting")
    for how in adaptation.TRAINED:
        training.train(tones, replace(RECIPE, adapt=how), folder / how, **QUIET)
    return {how: folder / how for how in adaptation.TRAINED}


@pytest.mark.parametrize("how", ["person", "set"])
def test_a_model_that_adapts_sees_what_it_was_trained_on(models, tones, how, monkeypatch):
    """Its clips normalised by hand, whatever the chunks they are read in."""
    from multimodal_ser.workflows.data import extract

    model = inference.load_model(models[how])
    assert model.adapt == how
    values = extract(tones, RECIPE, **QUIET).inputs["mfcc_rms"]
    own = {"mfcc_rms": adaptation.adapted(values, tones, how)}
    expected = model.probabilities(tones.index, own)["fused"]
    for size in (7, 32):
        monkeypatch.setattr(inference, "CHUNK_CLIPS", size)
        said, failures = inference.predict(tones, model, **HOW)
        found = said[said["modality"] == "fused"].set_index("clip")[list(EMOTIONS)]
        assert failures.empty
        np.testing.assert_allclose(found.astype(float), expected, atol=1e-5)


def test_another_adaptation_than_the_models_own_is_refused(models, tones):
    for own in adaptation.NAMES:
        for asked in adaptation.NAMES:
            if own != asked:
                with pytest.raises(SerError):
                    inference.predict(tones, models[own], adapt=asked, **HOW)
                with pytest.raises(SerError):
                    evaluate(tones, models[own], adapt=asked, **QUIET)
    one, _ = inference.predict(tones, models["person"], adapt="person", **HOW)
    two, _ = inference.predict(tones, models["person"], **HOW)
    pd.testing.assert_frame_equal(one, two)


def test_too_few_clips_and_unknown_actors_are_refused(models, tones):
    own = tones[tones["actor"] == "1"]
    few = adaptation.LEAST_CLIPS - 1
    for how in ("person", "set"):
        with pytest.raises(SerError):
            inference.predict(own.iloc[:few], models[how], **HOW)
    nameless = own.assign(actor=pd.NA)
    with pytest.raises(SerError):
        inference.predict(nameless, models["person"], **HOW)
    with pytest.raises(SerError):
        training.train(tones.assign(actor=pd.NA), replace(RECIPE, adapt="person"), "x", **QUIET)
    for how, clips in (("none", own.iloc[:1]), ("set", nameless)):
        said, failures = inference.predict(clips, models[how], **HOW)
        assert failures.empty and said["clip"].nunique() == len(clips)


def test_an_evaluation_of_a_model_that_adapts_is_marked(models, tones):
    run, _ = evaluate(tones, models["person"], **QUIET)
    assert run.adaptation == "person"
    strict, _ = evaluate(tones, models["none"], **QUIET)
    assert strict.adaptation == "none" and strict.identity != run.identity


def test_adapting_looks_at_the_clips_that_are_tested_alone():
    data = sound_and_face()
    heard = data.inputs["mfcc_rms"]
    alone = adaptation.adapted(heard, data.clips, "person")
    # Louder or shifted, each part is the same once it is normalised by itself.
    changed = {"#1": 5 + 3 * heard.values, "#2": heard.values / 2 - 9}
    changed |= {" sung": 100 * heard.values, " said": 7 + heard.values}
    extra = []
    for end in changed:
        part = data.clips.set_axis([f"{clip}{end}" for clip in data.clips.index])
        extra.append(part.rename_axis("clip").assign(channel=end.strip("#12 ") or pd.NA))
    extra = pd.concat(extra)
    both = table_of(
        data.clips.index.append(extra.index), np.concatenate([heard.values, *changed.values()])
    )
    both = Features(both.clips, both.values, heard.names)
    found = adapted(Data(data.clips, {"mfcc_rms": both}, data.failures, extra), "person")
    found = found.inputs["mfcc_rms"]
    np.testing.assert_array_equal(found.take(data.clips.index), alone.values)
    for end in changed:
        values = found.take(data.clips.index + end)
        np.testing.assert_allclose(values, alone.values, rtol=1e-3, atol=1e-4)


def fused(said):
    return said[said["modality"] == "fused"].set_index("clip")[list(EMOTIONS)].astype(float)


@pytest.mark.parametrize("how", ["person", "set"])
def test_a_model_trained_with_both_adapts_to_any_number_of_clips(models, tones, how, monkeypatch):
    """Its clips shrunk by hand, whatever the chunks they are read in; one clip too."""
    from multimodal_ser.workflows.data import extract

    model = inference.load_model(models["both"])
    reference = model.references["mfcc_rms:knn"]
    values = extract(tones, RECIPE, **QUIET).inputs["mfcc_rms"]
    for clips in (tones, tones.iloc[:1]):
        own = Features(clips.index, values.take(clips.index), values.names)
        known = adaptation.Statistics()
        known.add(own, clips, how)
        moved = known.normalise(own, clips, how, reference)
        expected = model.probabilities(clips.index, {"mfcc_rms": moved})["fused"]
        for size in (7, 32):
            monkeypatch.setattr(inference, "CHUNK_CLIPS", size)
            said, failures = inference.predict(clips, model, adapt=how, **HOW)
            assert failures.empty
            np.testing.assert_allclose(fused(said), expected, atol=1e-5)
    run, _ = evaluate(tones, model, adapt=how, **QUIET)
    assert run.adaptation == how


def test_a_model_trained_with_both_does_not_adapt_by_itself(models, tones):
    model = inference.load_model(models["both"])
    asked, _ = inference.predict(tones, model, adapt="none", **HOW)
    usual, _ = inference.predict(tones, model, **HOW)
    alone, _ = inference.predict(tones.iloc[:1], model, **HOW)
    pd.testing.assert_frame_equal(asked, usual)
    np.testing.assert_allclose(fused(alone), fused(usual).iloc[:1], atol=1e-6)
    run, _ = evaluate(tones, model, **QUIET)
    assert run.adaptation == "none"
    for unknown in ("both", "each"):
        with pytest.raises(UnknownName):
            inference.predict(tones, model, adapt=unknown, **HOW)
    for name in adaptation.NAMES:
        assert inference.load_model(models[name]).references == {}


def test_a_person_without_a_name_is_a_folder_and_a_set_all_that_is_given(models, tones):
    model = inference.load_model(models["both"])
    nameless = tones.assign(actor=pd.NA)
    by_folder, _ = inference.predict(nameless, model, adapt="person", **HOW)
    # Each actor's recordings lie in a folder of their own.
    by_actor, _ = inference.predict(tones, model, adapt="person", **HOW)
    pd.testing.assert_frame_equal(by_folder, by_actor)
    as_one, _ = inference.predict(tones.assign(actor="7"), model, adapt="person", **HOW)
    parts = tones.assign(dataset=["x", "y"] * (len(tones) // 2))
    two_sets, _ = inference.predict(parts, model, adapt="set", **HOW)
    pd.testing.assert_frame_equal(two_sets, as_one)
    paths = [str(path) for path in tones["audio"].iloc[:3]]
    said, failures = inference.predict(paths, model, adapt="person", **HOW)
    assert failures.empty and len(fused(said)) == 3


def test_a_damaged_or_lost_reference_is_no_silent_other_prediction(models, tones, tmp_path):
    copied = shutil.copytree(models["both"], tmp_path / "m")
    params = json.loads((copied / "params.json").read_text())
    del params["files"]  # the checksums would refuse it before it is read
    (copied / "params.json").write_text(json.dumps(params))
    (file,) = copied.rglob("reference.npz")
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ModelError):
        inference.load_model(copied)
    np.savez(file, mean=np.zeros(3, np.float32), deviation=np.ones(3, np.float32))
    with pytest.raises(ModelError):
        inference.load_model(copied)
    file.unlink()
    with pytest.raises(ModelError):
        inference.load_model(copied)
    # A model of an earlier version does not say that it had one.
    params = json.loads((copied / "params.json").read_text())
    for learner in params["learners"]:
        del learner["reference"]
    (copied / "params.json").write_text(json.dumps(params))
    expected, _ = inference.predict(tones, models["both"], **HOW)
    said, _ = inference.predict(tones, copied, **HOW)
    pd.testing.assert_frame_equal(said, expected)
    with pytest.raises(SerError):
        inference.predict(tones, copied, adapt="person", **HOW)


def test_the_released_model_has_all_that_it_needs_to_adapt():
    released = inference.load_model("ravdess")
    can = {one.input for one in (released.learners[name] for name in released.references)}
    assert can == {"robust_functionals", "robust_convolutions", "estimated_action_units"}


def test_a_model_is_saved_with_what_it_adapts_to_and_without_what_was_there(models, tmp_path):
    both = inference.load_model(models["both"])
    again = inference.load_model(both.save(tmp_path / "m"))
    for name, one in both.references.items():
        np.testing.assert_array_equal(again.references[name].mean, one.mean)
    (learner,) = both.learners.values()
    learner.reference = None
    folder = next((tmp_path / "m").rglob("reference.npz")).parent
    learner.save_weights(folder)
    assert not (folder / "reference.npz").exists()


def strange(data: Data, actor: str) -> Data:
    """The data with one actor's values far from where they were."""
    theirs = (data.clips["actor"] == actor).to_numpy()
    inputs = {}
    for key, found in data.inputs.items():
        values = found.values.copy()
        values[theirs] = 50 - 9 * values[theirs]
        inputs[key] = Features(found.clips, values, found.names)
    return replace(data, inputs=inputs)


@pytest.mark.parametrize("classifier", ["logistic_regression", "corpora_regression"])
def test_nothing_that_is_fitted_depends_on_who_is_tested(classifier):
    data = sound_and_face()
    learner = Learner("audio", "mfcc_rms", classifier)
    recipe = Recipe(audio=(learner,), video=None, inner_folds=2, adapt="both")
    apart = data.clips["actor"] == "3"
    train, test = data.clips[~apart], data.clips[apart]
    other = strange(data, "3")
    one, two = (training.fit_learner(learner, part, train, recipe) for part in (data, other))
    np.testing.assert_array_equal(one.reference.mean, two.reference.mean)
    np.testing.assert_array_equal(one.reference.deviation, two.reference.deviation)
    np.testing.assert_array_equal(
        one.estimator.predict_proba(data.inputs["mfcc_rms"].values),
        two.estimator.predict_proba(data.inputs["mfcc_rms"].values),
    )
    folds = training.inner_folds(train, recipe)
    crossed = [
        training.cross_fit(learner, d, train, folds, recipe, progress=False).table
        for d in (data, other)
    ]
    pd.testing.assert_frame_equal(*crossed)
    # An inner fold's held-out actor moves nothing that predicts the others held out with it.
    fold = folds[0]
    held = train.loc[fold.test]
    gone = held["actor"].iloc[0]
    rest = held.index[held["actor"] != gone]
    moved = training.cross_fit(learner, strange(data, gone), train, [fold], recipe, progress=False)
    pd.testing.assert_frame_equal(crossed[0].loc[rest], moved.table.loc[rest])
    assert len(rest) and len(test)


def test_learning_from_both_is_learning_from_twice_the_rows():
    """What the classifier is given, by hand: the same labels, and each actor shrunk."""
    data, given = sound_and_face(n_actors=4), {}
    values = data.inputs["mfcc_rms"]

    class Spy(FeatureModel):
        def fit(self, features, clips, validation=None):
            given.update(values=features.take(clips.index), clips=clips)
            return self

    train = data.clips[data.clips["actor"] != "0"]
    model = Spy("mfcc_rms", "knn", labels=LABELS)
    training.fit_twice(model, values, train, None, data.clips)
    own = Features(train.index, values.take(train.index), values.names)
    known = adaptation.Statistics()
    known.add(own, train, "person")
    moved = known.normalise(own, train, "person", adaptation.Reference.of(own.values))
    np.testing.assert_array_equal(given["values"], np.concatenate([own.values, moved.values]))
    assert given["clips"]["actor"].tolist() == 2 * train["actor"].tolist()
    assert given["clips"]["emotion"].tolist() == 2 * train["emotion"].tolist()
    assert given["clips"].index.is_unique


def test_sequences_are_not_adapted(tones):
    with pytest.raises(SerError):
        training.check(Recipe(audio="log_mel:logmel_crnn", video=None, adapt="both"))
    with pytest.raises(UnknownName):
        training.check(replace(RECIPE, adapt="each"))


def test_extra_clips_and_those_that_stop_a_network_are_shrunk_by_themselves(monkeypatch):
    """A person's changed copies have statistics of their own; the reference is of the learnt."""
    data, given = sound_and_face(), {}
    heard = data.inputs["mfcc_rms"]
    copies = data.clips.set_axis(data.clips.index + "#1").rename_axis("clip")
    values = np.concatenate([heard.values, 5 + 3 * heard.values])
    both = Features(data.clips.index.append(copies.index), values, heard.names)
    data = replace(data, inputs={"mfcc_rms": both}, extra=copies)

    def spy(self, features, clips, validation=None):
        given.update(features=features, learn=clips, held=validation, reference=self.reference)
        return self

    monkeypatch.setattr(FeatureModel, "fit", spy)
    learner = Learner("audio", "mfcc_rms", "conv1d")
    recipe = Recipe(audio=(learner,), video=None, adapt="both")
    training.fit_learner(learner, data, data.clips, recipe)
    second = given["learn"].index.str.endswith(adaptation.SECOND)
    learnt = given["learn"].index[~second]
    assert learnt.str.endswith("#1").sum() * 2 == len(learnt) == second.sum()
    assert not set(given["held"]["actor"]) & set(given["learn"]["actor"])
    expected = adaptation.Reference.of(both.take(learnt))
    np.testing.assert_array_equal(given["reference"].mean, expected.mean)
    held = given["held"].index[~given["held"].index.str.endswith(adaptation.SECOND)]
    assert len(held) * 2 == len(given["held"])
    for clips in (learnt, held):
        for copied in (True, False):
            part = data.clips.loc[[c.removesuffix("#1") for c in clips if ("#1" in c) == copied]]
            if part.empty:  # nobody's copies stop a network
                continue
            ids = part.index + "#1" * copied
            own = Features(part.index, both.take(ids), both.names)
            known = adaptation.Statistics()
            known.add(own, part, "person")
            moved = known.normalise(own, part, "person", expected).values
            found = given["features"].take(ids + adaptation.SECOND)
            np.testing.assert_allclose(found, moved, rtol=1e-5, atol=1e-6)
