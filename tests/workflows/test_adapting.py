"""Adapted models: normalised by the unlabelled clips of each person or set, and only then."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cases import QUIET, sound_and_face, table_of

from multimodal_ser.compute.cache import Cache
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import adaptation
from multimodal_ser.tables import EMOTIONS, Features
from multimodal_ser.workflows import inference, training
from multimodal_ser.workflows.data import Data, adapted
from multimodal_ser.workflows.evaluating import evaluate
from multimodal_ser.workflows.recipes import Recipe

HOW = {"cache": Cache(None), "workers": QUIET["workers"]}
RECIPE = Recipe(audio="mfcc_rms:knn", video=None, inner_folds=2)


@pytest.fixture(scope="module")
def models(tones, tmp_path_factory):
    """Name of an adaptation -> a saved model."""
    folder = tmp_path_factory.mktemp("adapting")
    for how in adaptation.NAMES:
        training.train(tones, replace(RECIPE, adapt=how), folder / how, **QUIET)
    return {how: folder / how for how in adaptation.NAMES}


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
