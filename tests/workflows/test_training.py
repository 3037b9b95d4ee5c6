import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.compute.cache import Cache
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.evaluation.metrics import score
from multimodal_ser.tables import EMOTIONS, check_probabilities
from multimodal_ser.workflows import benchmarking, inference, training

AUDIO = training.Recipe(audio="svc", video=None, validation_share=0.25)
BOTH = dataclasses.replace(AUDIO, video="fer_cnn", video_params={"epochs": 2})


@pytest.fixture(scope="module")
def clips(corpus):
    return ravdess.index(corpus)


@pytest.fixture(scope="module")
def data(clips):
    return training.extract(clips, BOTH, cache=Cache(None), workers=1, progress=False)


@pytest.fixture(scope="module")
def model(data, clips):
    return training.fit(data, clips[clips["actor"] != "04"], BOTH, progress=False)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    return model.save(tmp_path_factory.mktemp("model"))


def test_a_model_knows_more_than_chance_about_an_unseen_actor(model, data, clips):
    test = clips[clips["actor"] == "04"]
    tables = model.probabilities(test.index, data.features, data.frames)
    for name in ("audio", "video", "fused"):
        check_probabilities(tables[name], EMOTIONS)
    assert score(tables["audio"], clips["emotion"])["uar"] > 0.25


def test_loading_gives_the_same_predictions(model, saved, data, clips):
    before = model.probabilities(clips.index, data.features, data.frames)
    after = inference.load_model(saved).probabilities(clips.index, data.features, data.frames)
    for name, table in before.items():
        np.testing.assert_allclose(after[name], table, atol=1e-6)


def test_nothing_of_the_test_actors_reaches_the_model(data, clips):
    """Garbled test labels and sounds leave a model as it was."""
    train = clips[clips["actor"].isin(["01", "02", "03"])]
    garbled = data.features.values.copy()
    test_rows = data.features.clips.get_indexer(clips.index[clips["actor"] == "04"])
    garbled[test_rows] = 1e3
    features = dataclasses.replace(data.features, values=garbled)
    other = clips.copy()
    other.loc[clips["actor"] == "04", "emotion"] = "sad"
    changed = dataclasses.replace(data, clips=other, features=features)
    one, two = (training.fit(d, train, AUDIO, progress=False) for d in (data, changed))
    assert one.temperatures == two.temperatures
    tables = [m.probabilities(train.index, data.features, None)["fused"] for m in (one, two)]
    pd.testing.assert_frame_equal(*tables)


def test_calibration_is_fitted_on_actors_that_the_classifier_did_not_learn(data, clips):
    """On clips that it knows by heart, a classifier seems to deserve a lower temperature."""
    recipe = dataclasses.replace(AUDIO, audio_params={"c": 1000.0})
    fitted = training.fit(data, clips, recipe, progress=False)
    by_heart = fitted.audio.predict(data.features, clips.index)
    from multimodal_ser.fusion import calibration

    seeming = calibration.fit_temperature(by_heart, clips["emotion"])
    assert fitted.temperatures["audio"] > 2 * seeming


def test_one_modality_missing_is_normal(saved, clips):
    model = inference.load_model(saved)
    some = clips.iloc[:3].copy()
    some.iloc[0, some.columns.get_loc("audio")] = pd.NA
    some.iloc[1, some.columns.get_loc("video")] = pd.NA
    predictions, failures = inference.predict(some, model)
    assert failures.empty
    kinds = predictions.groupby("clip")["modality"].apply(set)
    assert kinds[some.index[0]] == {"video", "fused"}
    assert kinds[some.index[1]] == {"audio", "fused"}
    assert kinds[some.index[2]] == {"audio", "video", "fused"}
    first = predictions[predictions["clip"] == some.index[0]].set_index("modality")
    np.testing.assert_allclose(
        first.loc["fused", list(EMOTIONS)].astype(float),
        first.loc["video", list(EMOTIONS)].astype(float),
        atol=0.02,  # the pool's weight for video alone is 1 up to its own fit
    )


def test_predicting_in_any_chunks_gives_the_same(saved, clips, monkeypatch):
    model = inference.load_model(saved)
    one, _ = inference.predict(clips.iloc[:5], model)
    monkeypatch.setattr(inference, "CHUNK_CLIPS", 2)
    two, _ = inference.predict(clips.iloc[:5], model)
    pd.testing.assert_frame_equal(one, two, atol=1e-6)


def test_the_timeline_has_every_sampled_frame(saved, clips):
    table, _ = inference.predict(clips.iloc[:1], inference.load_model(saved), timeline=True)
    frames = table[table["frame"].notna()]
    assert frames["frame"].tolist() == list(range(0, 20 * len(frames), 20))
    assert frames["time_s"].is_monotonic_increasing
    whole = table[table["frame"].isna() & (table["modality"] == "video")]
    assert len(whole) == 1
    assert set(table.columns[:8]) == {*inference.PREDICTION_COLUMNS, "frame", "time_s"}


def test_train_saves_where_it_comes_from(clips, tmp_path):
    training.train(clips, AUDIO, tmp_path / "m", workers=1, progress=False)
    run = json.loads((tmp_path / "m" / "run.json").read_text())
    assert run["n_clips"] == len(clips)
    assert run["actors"] == ["01", "02", "03", "04"]
    assert run["recipe"]["audio"] == "svc"
    assert run["clips_hash"] == training.table_hash(clips)
    assert "scikit-learn" in run["versions"]


def test_the_hash_of_a_table_follows_its_clips_and_not_their_place(clips):
    moved = clips.assign(audio="elsewhere.wav").sample(frac=1, random_state=1)
    assert training.table_hash(moved) == training.table_hash(clips)
    assert training.table_hash(clips.iloc[1:]) != training.table_hash(clips)


@pytest.mark.parametrize("fusion", ["mean", "stacking"])
def test_any_fusion_is_fitted_saved_and_loaded(data, clips, fusion, tmp_path, model):
    fitted = dataclasses.replace(model, temperatures={})
    held = clips[clips["actor"].isin(["03", "04"])]
    tables = {
        "audio": model.audio.predict(data.features, held.index),
        "video": model.probabilities(held.index, None, data.frames)["video"],
    }
    training._calibrate(fitted, fusion, tables, held)
    assert fitted.fuser.method == fusion
    again = inference.load_model(fitted.save(tmp_path))
    one, two = (m.probabilities(clips.index, data.features, data.frames) for m in (fitted, again))
    np.testing.assert_allclose(one["fused"], two["fused"], atol=1e-5)


def test_training_needs_labels_and_models(clips, tmp_path):
    with pytest.raises(SerError, match=r"none of the .* has a label"):
        training.train(clips.assign(emotion=None), AUDIO, tmp_path, progress=False)
    with pytest.raises(SerError, match="nothing to train"):
        training.Recipe(audio=None, video=None)
    with pytest.raises(SerError, match="no picture"):
        recipe = training.Recipe(audio=None)
        training.train(clips.assign(video=pd.NA), recipe, tmp_path, progress=False)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "no params.json"),
        (lambda path: path.write_text("{"), "not valid JSON"),
        (lambda path: path.write_text("{}"), "lacks format"),
        (lambda path: path.write_text("[]"), "lacks everything"),
        (lambda path: path.write_text(path.read_text().replace('"format": 1', '"format": 9')), "9"),
        (lambda path: shutil.rmtree(path.parent / "video"), "network"),
        (lambda path: (path.parent / "video" / "network.onnx").write_text("{}"), "network"),
    ],
)
def test_a_damaged_model_is_refused_in_one_line(model, tmp_path, damage, words):
    model.save(tmp_path / "m")
    damage(tmp_path / "m" / "params.json")
    with pytest.raises(ModelError, match=words) as caught:
        inference.load_model(tmp_path / "m")
    assert "\n" not in str(caught.value)


def test_a_benchmark_has_a_row_a_modality_and_keeps_the_probabilities(clips, tmp_path):
    recipe = dataclasses.replace(BOTH, video_params={"epochs": 1})
    models = {"audio": ["svc"], "video": ["fer_cnn"]}
    shared = {"cache": Cache(tmp_path / "cache"), "resume": tmp_path / "folds", "progress": False}
    run, failures = benchmarking.benchmark(clips, recipe, "leave_one_actor_out", **models, **shared)
    table = benchmarking.score_table(run)
    assert failures.empty
    assert table["modality"].tolist() == ["audio", "video", "fused"]
    assert (table["n"] == len(clips)).all()
    assert run.model("svc + fer_cnn").parts == {"audio": "svc", "video": "fer_cnn"}
    for model in run.models:
        check_probabilities(model.probabilities, EMOTIONS)
    kept = len(list((tmp_path / "folds").rglob("*.parquet")))
    assert kept == 4
    again, _ = benchmarking.benchmark(clips, recipe, "leave_one_actor_out", **models, **shared)
    for one, two in zip(run.models, again.models, strict=True):
        pd.testing.assert_frame_equal(one.probabilities, two.probabilities)


def test_a_leaky_protocol_is_marked(clips):
    shared = {"audio": ["svc"], "video": [None], "workers": 1, "progress": False}
    run, _ = benchmarking.benchmark(clips, AUDIO, "random_leaky", **shared)
    assert run.leaky
    assert benchmarking.score_table(run)["protocol"].tolist() == ["random_leaky (leaky)"]


def test_a_record_keeps_no_place_of_this_machine(monkeypatch):
    words = ["--data", "/home/anna/RAVDESS", "--extra", "cremad=/srv/CREMA-D", "--output", "models"]
    monkeypatch.setattr("sys.argv", ["x", *words])
    said = "--data RAVDESS --extra cremad=CREMA-D --output models"
    assert training.origin()["command"] == said
