import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from cases import QUIET

from multimodal_ser.compute.cache import Cache
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.evaluation.metrics import score
from multimodal_ser.fusion import calibration, methods
from multimodal_ser.tables import EMOTIONS, check_probabilities
from multimodal_ser.video.backbones import Training
from multimodal_ser.workflows import benchmarking, combining, inference, training
from multimodal_ser.workflows.data import extract
from multimodal_ser.workflows.recipes import Learner, Recipe
from multimodal_ser.workflows.records import origin, table_hash

AUDIO = Recipe(audio="svc", video=None, inner_folds=2)
STEPS = {"training": Training(batch_size=16, steps_per_epoch=3, epochs=1)}
BOTH = dataclasses.replace(AUDIO, video=(Learner("video", "frames", "fer_cnn", STEPS),))


@pytest.fixture(scope="module")
def clips(corpus):
    return ravdess.index(corpus)


@pytest.fixture(scope="module")
def data(clips):
    return extract(clips, BOTH, **QUIET)


@pytest.fixture(scope="module")
def model(data, clips):
    return training.fit(data, clips[clips["actor"] != "04"], BOTH, progress=False)[0]


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    return model.save(tmp_path_factory.mktemp("model"))


def test_a_model_knows_more_than_chance_about_an_unseen_actor(model, data, clips):
    test = clips[clips["actor"] == "04"]
    tables = model.probabilities(test.index, data.inputs)
    for name in ("audio", "video", "fused"):
        check_probabilities(tables[name], EMOTIONS)
    assert score(tables["audio"], clips["emotion"])["uar"] > 0.25


def test_loading_gives_the_same_predictions(model, saved, data, clips):
    before = model.probabilities(clips.index, data.inputs)
    after = inference.load_model(saved).probabilities(clips.index, data.inputs)
    assert after.pop("notes").equals(before.pop("notes"))
    for name, table in before.items():
        np.testing.assert_allclose(after[name], table, atol=1e-6)


def test_nothing_of_the_test_actors_reaches_the_model(data, clips):
    """Garbled test labels and sounds leave a model as it was."""
    train = clips[clips["actor"].isin(["01", "02", "03"])]
    heard = data.inputs["mfcc_rms"]
    garbled = heard.values.copy()
    garbled[heard.clips.get_indexer(clips.index[clips["actor"] == "04"])] = 1e3
    inputs = data.inputs | {"mfcc_rms": dataclasses.replace(heard, values=garbled)}
    other = clips.copy()
    other.loc[clips["actor"] == "04", "emotion"] = "sad"
    changed = dataclasses.replace(data, clips=other, inputs=inputs)
    (one, said), (two, also) = (
        training.fit(d, train, AUDIO, progress=False) for d in (data, changed)
    )
    del said["costs"], also["costs"]  # seconds
    assert one.combiner.temperatures == two.combiner.temperatures and said == also
    tables = [m.probabilities(train.index, data.inputs)["fused"] for m in (one, two)]
    pd.testing.assert_frame_equal(*tables)


def test_calibration_is_fitted_on_actors_that_the_classifier_did_not_learn(data, clips):
    """On clips that it knows by heart, a classifier seems to deserve a lower temperature."""
    learner = Learner("audio", "mfcc_rms", "svc", {"c": 1000.0})
    recipe = dataclasses.replace(AUDIO, audio=(learner,))
    fitted, _ = training.fit(data, clips, recipe, progress=False)
    by_heart = fitted.learner_tables(clips.index, data.inputs)[learner.name]
    seeming = calibration.fit_temperature(by_heart, clips["emotion"])
    assert fitted.combiner.temperatures[learner.name] > 2 * seeming


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
    training.train(clips, AUDIO, tmp_path / "m", **QUIET)
    run = json.loads((tmp_path / "m" / "run.json").read_text())
    assert run["n_clips"] == len(clips)
    assert run["actors"] == ["01", "02", "03", "04"]
    assert [one["classifier"] for one in run["recipe"]["audio"]] == ["svc"]
    assert run["clips_hash"] == table_hash(clips)
    assert "scikit-learn" in run["versions"]


def test_the_hash_of_a_table_follows_its_clips_and_not_their_place(clips):
    moved = clips.assign(audio="elsewhere.wav").sample(frac=1, random_state=1)
    assert table_hash(moved) == table_hash(clips)
    assert table_hash(clips.iloc[1:]) != table_hash(clips)


@pytest.mark.parametrize("fusion", methods.NAMES)
def test_any_fusion_is_fitted_saved_and_loaded(data, clips, fusion, tmp_path, model):
    held = clips[clips["actor"].isin(["03", "04"])]
    learners = {one.name: one for one in BOTH.learners}
    said = model.learner_tables(held.index, data.inputs)
    combiner = combining.fit(said, learners, held, fusion)
    assert combiner.fuser.method == fusion
    fitted = dataclasses.replace(model, combiner=combiner)
    again = inference.load_model(fitted.save(tmp_path))
    one, two = (m.probabilities(clips.index, data.inputs) for m in (fitted, again))
    np.testing.assert_allclose(one["fused"], two["fused"], atol=1e-5)


def test_training_needs_labels_and_models(clips, tmp_path):
    with pytest.raises(SerError):
        training.train(clips.assign(emotion=None), AUDIO, tmp_path, progress=False)
    with pytest.raises(SerError):
        Recipe(audio=None, video=None)
    with pytest.raises(SerError):
        seen = Recipe(audio=None)
        training.train(clips.assign(video=pd.NA), seen, tmp_path, progress=False)


NETWORK = "learners/01-fer-cnn"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("{"),
        lambda path: path.write_text("{}"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text(path.read_text().replace('"format": 2', '"format": 9')),
        lambda path: shutil.rmtree(path.parent / NETWORK),
        lambda path: (path.parent / NETWORK / "network.onnx").write_text("{}"),
    ],
)
def test_a_damaged_model_is_refused_in_one_line(saved, tmp_path, damage):
    shutil.copytree(saved, tmp_path / "m")
    damage(tmp_path / "m" / "params.json")
    with pytest.raises(ModelError) as caught:
        inference.load_model(tmp_path / "m")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_benchmark_has_a_row_per_modality_and_resumes(clips, tmp_path):
    one = pd.DataFrame({"actor": ["04"], "fold": ["a"]})
    one.to_csv(tmp_path / "folds.csv", index=False)
    shared = {"cache": Cache(tmp_path / "cache"), "run_folder": tmp_path / "run", **QUIET}
    run, failures = benchmarking.benchmark(clips, BOTH, str(tmp_path / "folds.csv"), **shared)
    table = benchmarking.score_table(run)
    assert failures.empty
    assert table["modality"].tolist() == ["audio", "video", "fused"]
    assert (table["n"] == (clips["actor"] == "04").sum()).all()
    both = run.model("mfcc_rms:svc + fer_cnn")
    assert both.parts == {"audio": "mfcc_rms:svc", "video": "fer_cnn"}
    for model in run.models:
        check_probabilities(model.probabilities, EMOTIONS)
    assert len(list((tmp_path / "run" / ".folds").glob("*.parquet"))) == 2
    again, _ = benchmarking.benchmark(clips, BOTH, str(tmp_path / "folds.csv"), **shared)
    for one, two in zip(run.models, again.models, strict=True):
        pd.testing.assert_frame_equal(one.probabilities, two.probabilities)


def test_a_leaky_protocol_is_marked(clips):
    run, _ = benchmarking.benchmark(clips, AUDIO, "random_leaky", **QUIET)
    assert run.leaky
    assert benchmarking.score_table(run)["protocol"].tolist() == ["random_leaky (leaky)"]


def test_a_record_keeps_no_place_of_this_machine(monkeypatch):
    words = ["--data", "/home/anna/RAVDESS", "--extra", "cremad=/srv/CREMA-D", "--output", "models"]
    monkeypatch.setattr("sys.argv", ["x", *words])
    said = "--data RAVDESS --extra cremad=CREMA-D --output models"
    assert origin()["command"] == said
