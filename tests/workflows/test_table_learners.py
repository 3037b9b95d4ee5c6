"""A learner of a table made elsewhere: joined by clip id, and missing where it is missing."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cases import QUIET, sound_and_face, table_of

from multimodal_ser.compute.cache import Cache
from multimodal_ser.errors import ModelError, SerError, TableError, UnknownName
from multimodal_ser.tables import EMOTIONS, Features, make_clips
from multimodal_ser.workflows import inference, training
from multimodal_ser.workflows.data import extract, read_tables
from multimodal_ser.workflows.recipes import Recipe

PROBABILITIES = list(EMOTIONS)
RECIPE = Recipe(audio="knn", video="action_units:logistic_regression", inner_folds=2)
HOW = {"cache": Cache(None), "workers": QUIET["workers"]}


@pytest.fixture(scope="module")
def units(tones):
    """A table of the face that tells the emotion."""
    codes = tones["emotion"].cat.codes.to_numpy()
    noise = 0.3 * np.random.default_rng(0).standard_normal((len(tones), 8))
    return table_of(tones.index, np.eye(8)[codes] + noise)


@pytest.fixture(scope="module")
def model(tones, units, tmp_path_factory):
    folder = tmp_path_factory.mktemp("units")
    training.train(tones, RECIPE, folder, tables={"action_units": units}, **QUIET)
    return inference.load_model(folder)


def by_modality(predictions, clip):
    return predictions[predictions["clip"] == clip].set_index("modality")


def test_a_clip_with_and_one_without_a_row(model, tones, units):
    there, absent = tones.index[:2]
    part = Features(tones.index[[0]], units.take([there]), units.names)
    said, failures = inference.predict(
        tones.loc[[there, absent]], model, tables={"action_units": part}, **HOW
    )
    assert failures.empty
    whole, lacking = by_modality(said, there), by_modality(said, absent)
    assert list(whole.index) == ["audio", "video", "fused"]
    assert list(lacking.index) == ["audio", "fused"]
    assert (whole["note"] == "").all() and lacking["note"].str.contains("action_units").all()
    # Nothing is imputed: the answer is that of the sound alone.
    data = extract(tones.loc[[absent]], Recipe(audio="knn", video=None), **QUIET)
    alone = model.probabilities([absent], data.inputs)["fused"]
    found = lacking.loc[["fused"], PROBABILITIES].to_numpy(dtype=float)
    np.testing.assert_allclose(found, alone, atol=1e-12)


def test_a_model_asked_without_any_table_gives_the_other_learners_and_a_note(model, tones):
    said, failures = inference.predict(tones.iloc[:5], model, **HOW)
    assert failures.empty
    assert set(said["modality"]) == {"audio", "fused"} and said["clip"].nunique() == 5
    assert (said["note"] != "").all()
    assert said["video_share"].isna().all()


def test_a_model_of_tables_alone_fails_on_clips_that_have_no_row(tones, units, tmp_path):
    recipe = replace(RECIPE, audio=None)
    tables = {"action_units": units}
    training.train(tones, recipe, tmp_path, tables=tables, **QUIET)
    said, failures = inference.predict(tones.iloc[:3], tmp_path, **HOW)
    assert said.empty and set(failures["clip"]) == set(tones.index[:3])
    said, failures = inference.predict(tones.iloc[:3], tmp_path, tables=tables, **HOW)
    assert failures.empty and said["clip"].nunique() == 3


def test_one_of_two_inputs_of_a_modality_missing_is_noted_and_a_modality_missing_is_not():
    data = sound_and_face()
    some = data.clips.index[data.clips["actor"] != "5"]
    heard = data.inputs["mfcc_rms"]
    second = Features(some, heard.take(some), heard.names)
    recipe = Recipe(audio="mfcc_rms:knn+mfcc_chroma_mel:knn", video=None, inner_folds=2)
    data = replace(data, inputs={"mfcc_rms": heard, "mfcc_chroma_mel": second})
    model, _ = training.fit(data, data.clips, recipe, progress=False)
    notes = model.probabilities(data.clips.index, data.inputs)["notes"]
    assert (notes[some] == "").all()
    assert notes.drop(some).str.contains("mfcc_chroma_mel").all()
    nothing = model.probabilities(["no such clip"], data.inputs)
    assert nothing["notes"].tolist() == [""] and nothing["fused"].isna().all(axis=None)


def test_another_table_than_was_learnt_from_is_refused(model, tones):
    other = Features(tones.index[:1], np.zeros((1, 8), np.float32), tuple("abcdefgh"))
    with pytest.raises(ModelError):
        inference.predict(tones.iloc[:1], model, tables={"action_units": other}, **HOW)


def test_training_without_the_table_is_refused(tones, tmp_path):
    with pytest.raises(SerError):
        training.train(tones, RECIPE, tmp_path, **QUIET)


def test_the_learner_and_the_names_of_its_values_are_in_the_description(model, units):
    learner = model.learners["action_units:logistic_regression"]
    said = json.loads(json.dumps(learner.describe()))
    assert (said["modality"], said["input"]) == ("video", "action_units")
    assert tuple(said["input_names"]) == units.names


def test_tables_are_read_where_they_are_paths(tmp_path):
    from multimodal_ser.video.features import openface

    means = {name: [0.04, 0.09] for name in openface.ACTION_UNITS}
    table = pd.DataFrame({"name": ["01-01-01-01-01-01-01", "01-01-02-01-01-01-02"], **means})
    table.to_csv(tmp_path / "units.csv", index=False, sep=";")
    found = read_tables({"action_units": tmp_path / "units.csv"})["action_units"]
    assert found.values == pytest.approx(np.tile([[0.2], [0.3]], len(found.names)), abs=1e-6)
    assert found.clips[0].endswith("01-01-01-01-01-01")
    with pytest.raises(UnknownName):
        read_tables({"voice": tmp_path / "units.csv"})
    with pytest.raises(TableError):
        read_tables({"action_units": tmp_path / "gone.csv"})


def sequences(n_actors=4):
    """Frames that rise in happy clips and fall in angry ones: their mean says nothing."""
    rng, time = np.random.default_rng(0), np.linspace(-1, 1, 12)
    rows, values = [], []
    for actor in range(n_actors):
        for take in range(12):
            label = ("happy", "angry")[take % 2]
            rows.append({"clip": f"{actor}-{take}", "actor": str(actor), "emotion": label})
            rows[-1]["dataset"] = "x"
            slope = 1 - 2 * (take % 2)
            values.append(slope * time[:, None] + 0.1 * rng.standard_normal((12, 3)))
    ids = pd.Index([row["clip"] for row in rows], dtype=object)
    return make_clips(rows), Features(ids, np.float32(values), ("frame", "value"))


def test_a_recipe_may_name_the_temporal_classifier(tmp_path):
    clips, table = sequences()
    recipe = Recipe(audio=None, video="action_unit_frames", labels="valence2", inner_folds=2)
    shared = {"tables": {"action_unit_frames": table}, "workers": 1, "progress": False}
    model, _ = training.train(clips, recipe, tmp_path, **shared)
    assert list(model.learners) == ["action_unit_frames:temporal"]
    inputs = {"action_unit_frames": table}
    said = model.probabilities(clips.index, inputs)["fused"]
    again = inference.load_model(tmp_path).probabilities(clips.index, inputs)["fused"]
    pd.testing.assert_frame_equal(said, again, atol=1e-5)
    truth = clips["emotion"].map({"happy": "positive", "angry": "negative"}).astype(str)
    assert (said.idxmax(axis=1) == truth).mean() > 0.9


@pytest.mark.parametrize("text", ["action_units:temporal", "action_unit_frames:svc"])
def test_a_classifier_of_another_kind_of_table_is_refused(text):
    with pytest.raises(SerError):
        training.check(Recipe(audio=None, video=text))
