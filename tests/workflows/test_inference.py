import doctest
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import multimodal_ser as mser
from multimodal_ser.errors import ModelError, UnknownName
from multimodal_ser.export.runtime import NotExportable
from multimodal_ser.tables import EMOTIONS, Features, make_clips
from multimodal_ser.video.extract import ClipFrames, FrameStore
from multimodal_ser.video.model import VideoModel
from multimodal_ser.workflows import inference, released
from multimodal_ser.workflows.feature_model import FeatureModel


@pytest.fixture
def models(stand_in, monkeypatch):
    monkeypatch.setenv(released.MODELS_VARIABLE, str(stand_in))
    return stand_in


@pytest.fixture
def film(corpus):
    return sorted(corpus.rglob("*.mp4"))[3]


def pictures(n: int = 3) -> FrameStore:
    grey = np.random.default_rng(0).integers(0, 256, (n, 48, 48), np.uint8)
    return FrameStore({"a": ClipFrames.of_pictures(grey)})


def values(n: int = 12) -> Features:
    rows = np.random.default_rng(1).normal(size=(n, 157)).astype(np.float32)
    clips = pd.Index([f"c{i:02}" for i in range(n)], name="clip")
    return Features(clips, rows, tuple(f"v{i}" for i in range(157)))


def test_a_released_model_goes_by_its_name(models):
    assert "ravdess" in mser.released_models()
    assert released.find() == released.find("ravdess") == models / "ravdess"
    for model in (mser.load_model(), mser.load_model("ravdess")):
        assert model.labels == EMOTIONS and model.modalities == ("audio", "video")


def test_an_existing_folder_comes_before_a_name(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ravdess").mkdir()
    with pytest.raises(ModelError):
        mser.load_model("ravdess")


@pytest.mark.parametrize("name", ["nobody", "../ravdess", "ravdess/learners", ""])
def test_a_wrong_name_is_refused(models, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError):
        mser.load_model(name)


def test_a_folder_of_models_may_hold_other_things(models, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.md").write_text("x")
    shutil.copytree(models / "ravdess", tmp_path / "mine")
    monkeypatch.setenv(released.MODELS_VARIABLE, str(tmp_path))
    assert "mine" in mser.released_models() and "empty" not in mser.released_models()


def test_a_released_model_has_no_originals_of_its_classifier(models):
    folder = models / "ravdess" / "learners" / "00-mfcc-rms-ensemble"
    assert {path.name for path in folder.iterdir()} == {"estimator.onnx"}
    with pytest.raises(ModelError):
        _ = mser.load_model().learners["mfcc_rms:ensemble"].estimator


def test_predicting_needs_neither_tensorflow_nor_sklearn_nor_librosa(models, film, tmp_path):
    code = (
        "import sys\nfrom multimodal_ser.cli import main\n"
        "status = main(['predict', sys.argv[1], '--no-cache', '--quiet', '--output', 'p.csv'])\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'skops', 'librosa', 'numba', 'matplotlib'}\n"
        "print(status, sorted(heavy & set(sys.modules)))"
    )
    words = [sys.executable, "-c", code, str(film)]
    run = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert run.stdout.splitlines()[-1] == "0 []", run.stderr
    assert pd.read_csv(tmp_path / "p.csv")["modality"].tolist() == ["audio", "video", "fused"]


def test_the_network_that_was_exported_is_the_one_that_trains(tmp_path):
    """Keras, read when asked for, gives what the exported network gave before."""
    model = VideoModel("fer_cnn", labels=EMOTIONS)
    assert model.save_weights(tmp_path / "network.keras") is None
    loaded, store = VideoModel.load(model.describe(), tmp_path / "network.keras"), pictures()
    light = loaded.predict_frames(store, ["a"])
    assert loaded._light is not None
    assert loaded.network.count_params() > 0 and loaded._light is None
    pd.testing.assert_frame_equal(light, loaded.predict_frames(store, ["a"]), atol=1e-5)
    first = loaded.network.layers[0]
    first.set_weights([9 * weight for weight in first.get_weights()])
    assert np.abs(loaded.predict_frames(store, ["a"]) - light).max(axis=None) > 1e-5


@pytest.mark.parametrize("left", ["network.keras", "network.onnx"])
def test_either_file_of_a_network_is_enough_to_predict(tmp_path, left):
    model, store = VideoModel("fer_cnn", labels=EMOTIONS), pictures()
    model.save_weights(tmp_path / "network.keras")
    for path in tmp_path.iterdir():
        if path.name != left:
            path.unlink()
    loaded = VideoModel.load(model.describe(), tmp_path / "network.keras")
    expected = model.predict_frames(store, ["a"])
    pd.testing.assert_frame_equal(loaded.predict_frames(store, ["a"]), expected, atol=1e-5)


def test_another_networks_export_is_refused(tmp_path):
    VideoModel("fer_cnn", labels=("sad", "happy")).save_weights(tmp_path / "network.keras")
    with pytest.raises(ModelError):
        VideoModel.load(
            VideoModel("fer_cnn", labels=EMOTIONS).describe(), tmp_path / "network.keras"
        )


def test_what_cannot_be_exported_says_so_and_is_kept(tmp_path):
    features = values(16)
    rows = [{"clip": c, "emotion": EMOTIONS[i % 2]} for i, c in enumerate(features.clips)]
    audio = FeatureModel(classifier="knn").fit(features, make_clips(rows))
    model = inference.Model({audio.name: audio})
    place = tmp_path / "learners" / "00-mfcc-rms-knn"
    place.mkdir(parents=True)
    (place / "estimator.onnx").write_bytes(b"of the model before")
    model.save(tmp_path, {"seed": 1})
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["seed"] == 1 and set(run["not_exported"]) == {audio.name}
    again = inference.load_model(tmp_path).learners[audio.name].predict(features)
    pd.testing.assert_frame_equal(again, audio.predict(features))
    with pytest.raises(NotExportable):
        model.save(tmp_path / "b", original=False)


def test_a_classifier_of_other_features_is_refused(models, tmp_path):
    shutil.copytree(models / "ravdess", tmp_path / "m")
    params = json.loads((tmp_path / "m" / "params.json").read_text())
    params["learners"][0] |= {
        "name": "mfcc_chroma_mel:ensemble",
        "input": "mfcc_chroma_mel",
        "input_version": _version("mfcc_chroma_mel"),
    }
    (tmp_path / "m" / "params.json").write_text(json.dumps(params))
    with pytest.raises(ModelError):
        mser.load_model(tmp_path / "m")


def test_a_learner_under_anothers_name_is_refused(models, tmp_path):
    shutil.copytree(models / "ravdess", tmp_path / "m")
    path = tmp_path / "m" / "params.json"
    path.write_text(path.read_text().replace('"name": "fer_resnet"', '"name": "fer_cnn"'))
    with pytest.raises(ModelError):
        mser.load_model(tmp_path / "m")


def _version(name: str) -> int:
    from multimodal_ser.audio import features

    return features.load(name).VERSION


def test_an_unknown_classifier_is_told_before_anything_is_loaded():
    with pytest.raises(UnknownName):
        FeatureModel(classifier="svm")


def test_no_sources_give_an_empty_table_with_its_columns(models):
    table, failures = mser.predict([])
    assert table.empty and failures.empty
    assert set(table.columns[:6]) == set(inference.PREDICTION_COLUMNS)
    assert set(EMOTIONS) < set(table.columns)
    assert table.columns[-1] == inference.NOTE_COLUMN


def test_the_examples_of_the_python_page_run(models, corpus, film, tmp_path, monkeypatch):
    """docs/python.md, on a synthetic video called talk.mp4 and a folder of speech."""
    shutil.copy(film, tmp_path / "talk.mp4")
    (tmp_path / "recordings").symlink_to(corpus / "Audio_Speech_Actors_01-24")
    (tmp_path / "notes.txt").write_text("no recording")
    monkeypatch.chdir(tmp_path)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    page = str(Path(__file__).parents[2] / "docs" / "python.md")
    done = doctest.testfile(page, module_relative=False, optionflags=flags)
    assert done.attempted > 25 and done.failed == 0
