"""Prediction sets of a trained model: kept with it, asked for, and scored."""

import json

import numpy as np
import pandas as pd
import pytest
from cases import QUIET, sound_and_face

from multimodal_ser.cli import main
from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.fusion import sets
from multimodal_ser.workflows import inference, training
from multimodal_ser.workflows.combining import Combiner
from multimodal_ser.workflows.evaluating import evaluate, score_sets
from multimodal_ser.workflows.recipes import Recipe

RECIPE = Recipe(audio="logistic_regression", video="action_units:svc", inner_folds=3)


@pytest.fixture(scope="module")
def data():
    return sound_and_face(n_actors=8, width=157)


@pytest.fixture(scope="module")
def model(data):
    return training.fit(data, data.clips, RECIPE, progress=False)[0]


def test_a_model_keeps_its_thresholds(model, tmp_path):
    assert set(model.combiner.sets.thresholds) == {"audio", "video", "fused"}
    again = inference.load_model(model.save(tmp_path / "m"))
    assert again.combiner.sets == model.combiner.sets


def test_a_model_without_sets_loads_and_says_so(model, tmp_path):
    path = model.save(tmp_path / "m") / "params.json"
    params = json.loads(path.read_text())
    del params["sets"]
    path.write_text(json.dumps(params))
    old = inference.load_model(tmp_path / "m")
    assert old.combiner.sets is None
    with pytest.raises(SerError):
        inference.predict([], old, sets=0.9)


@pytest.mark.parametrize("harm", [[0.5], [1.5] * 50, [0.9] + [0.1] * 49, ["x"] * 50])
def test_damaged_thresholds_are_refused(model, tmp_path, harm):
    path = model.save(tmp_path / "m") / "params.json"
    params = json.loads(path.read_text())
    params["sets"]["thresholds"]["audio"] = harm
    path.write_text(json.dumps(params))
    with pytest.raises(ModelError):
        inference.load_model(tmp_path / "m")


def test_a_fused_answer_of_one_modality_has_that_ones_sets():
    thresholds = sets.PredictionSets((0.9,), {"audio": (0.9,), "video": (0.6,), "fused": (0.1,)})
    combiner = Combiner({"voice": "audio", "face": "video"}, sets=thresholds)
    clips, said = pd.Index(list("abcd"), name="clip"), [[0.5, 0.3, 0.2]] * 4
    voice = pd.DataFrame(said, clips, ["sad", "calm", "happy"])
    face = voice.copy()
    voice.loc[["b", "d"]] = np.nan
    face.loc[["c", "d"]] = np.nan
    chosen = combiner.label_sets(combiner({"voice": voice, "face": face}, clips), 0.9)
    assert chosen["fused"].sum(axis=1).tolist() == [1, 1, 3, 0]
    assert chosen["audio"].sum(axis=1).tolist() == [3, 0, 3, 0]
    face.loc["b"] = [0.5, 0.4, 0.1]
    chosen = combiner.label_sets(combiner({"voice": voice, "face": face}, clips), 0.9)
    assert chosen["fused"].sum(axis=1).tolist() == [1, 2, 3, 0]


@pytest.fixture(scope="module")
def trained(tones, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    recipe = Recipe(audio="svc", video=None, inner_folds=2)
    training.train(tones, recipe, folder, **QUIET)
    return folder


def test_predict_adds_the_set(trained, tones):
    how = {"workers": QUIET["workers"]}
    plain, _ = inference.predict(tones.iloc[:6], trained, **how)
    table, _ = inference.predict(tones.iloc[:6], trained, sets=0.7, **how)
    pd.testing.assert_frame_equal(table.drop(columns="set"), plain)
    for _, row in table.iterrows():
        labels = row["set"].split(sets.SEPARATOR)
        assert labels[0] == row["emotion"] and len(set(labels)) == len(labels)
        assert list(row[labels]) == sorted(row[labels], reverse=True)
    empty, _ = inference.predict([], trained, sets=0.7)
    assert list(empty.columns) == list(table.columns)
    with pytest.raises(SerError):
        inference.predict(tones, trained, sets=0.999)


def test_evaluate_measures_coverage_and_size(trained, tones):
    model = inference.load_model(trained)
    run, _ = evaluate(tones, model, **QUIET)
    rows = score_sets(run, model, 0.7).set_index("model")
    table = run.models[0].probabilities
    chosen = sets.members(table, model.combiner.sets.threshold("audio", 0.7))
    held = [chosen.loc[clip, label] for clip, label in tones["emotion"].items()]
    assert rows.loc["audio", "set_coverage"] == pytest.approx(np.mean(held))
    assert rows.loc["audio", "set_size"] == pytest.approx(chosen.sum(axis=1).mean())


def test_the_commands_say_them(trained, tones, tmp_path, capsys):
    wav = tones["audio"].iloc[0]
    words = ["predict", wav, "--model", str(trained), "--sets", "0.7"]
    assert main([*words, "--output", str(tmp_path / "p.csv")]) == 0
    assert "set" in pd.read_csv(tmp_path / "p.csv").columns
    assert main([*words, "--report", str(tmp_path / "p.html")]) == 0
    assert main(["predict", wav, "--model", str(trained), "--sets", "2"]) == 2
    data = str(tmp_path / "clips.csv")
    tones.reset_index().to_csv(data, index=False)
    capsys.readouterr()
    words = ["evaluate", data, "--model", str(trained), "--sets", "0.7"]
    assert main([*words, "--output", str(tmp_path / "s.csv")]) == 0
    assert {"set_coverage", "set_size"} < set(pd.read_csv(tmp_path / "s.csv").columns)
    assert "70%" in capsys.readouterr().out
