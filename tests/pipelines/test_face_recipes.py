"""The recipes around face networks, on pictures that the test makes."""

import json

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.datasets import fer2013
from multimodal_ser.tables import EMOTIONS, Features, failure_table, make_clips
from multimodal_ser.video.model import VideoModel
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.inference import Model, load_model
from multimodal_ser.workflows.recipes import Learner

#: The tables that a card may hold.
KEYS = ("voice", "voice_corpora", "voice_groups", "face", "face_classes", "face_seven")
KEYS += ("geometry", "actor05")


@pytest.fixture(scope="module")
def fer_file(tmp_path_factory):
    """Stripes whose direction is the emotion, so that one epoch can be told from none."""
    import cv2

    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :48]
    labels = np.arange(160) % 7
    pictures = []
    for label in labels:
        angle = np.pi * label / 7
        wave = np.cos(0.5 * (rows * np.cos(angle) + columns * np.sin(angle)) + random.uniform(0, 6))
        pictures.append((127 + 100 * wave + random.normal(0, 5, (48, 48))).clip(0, 255))
    coded = [cv2.imencode(".jpg", p.astype(np.uint8))[1] for p in pictures]
    votes = np.zeros((160, fer2013.VOTE_COLUMNS), np.uint8)
    codes = [fer2013.FERPLUS_LABELS.index(fer2013.FER_LABELS[label]) for label in labels]
    votes[np.arange(160), codes] = 10
    path = tmp_path_factory.mktemp("fer") / "fer.npz"
    np.savez(
        path,
        jpeg=np.concatenate(coded),
        offset=np.cumsum([0, *map(len, coded)]),
        usage=np.repeat([0, 1, 2], [100, 30, 30]).astype(np.int8),
        label=labels.astype(np.int8),
        ferplus_votes=votes,
    )
    return path


def test_a_network_is_trained_trained_on_and_measured(fer_file, tmp_path, main, capsys):
    words = ("--data", fer_file, "--epochs", 1, "--backbone", "fer_cnn")
    assert main("train_fer", *words, "--output", tmp_path / "a") == 0
    assert len(pd.read_csv(tmp_path / "a" / "history.csv")) == 1
    again = ("--labels", "fer2013", "--start", tmp_path / "a", "--output", tmp_path / "b")
    assert main("train_fer", *words, *again) == 0
    assert json.loads((tmp_path / "b" / "run.json").read_text())["labels"] == "fer2013"
    words = ("--data", fer_file, "--networks", tmp_path / "a", tmp_path / "b")
    assert main("evaluate_fer", *words, "--output", tmp_path / "tables") == 0
    assert "100 training images, 30 private test images" in capsys.readouterr().out
    assert (tmp_path / "tables" / "ferplus.md").read_text().count("fer_cnn") == 2


def test_a_rare_class_of_fer2013_weighs_more(fer_file, recipe):
    faces = fer2013.read(fer_file)
    rare = faces.take(np.r_[np.flatnonzero(faces.labels == 0)[:3], np.flatnonzero(faces.labels)])
    _, targets = recipe("train_fer").picture_store(rare, "fer2013")
    train = targets[rare.usage[targets.index.map(int)] == 0]
    counts = (train > 0).sum()
    assert counts["angry"] == 3 and counts["contempt"] == 0
    weights = train.sum() / counts
    assert np.isclose(
        weights["angry"] / weights["happy"], np.sqrt(counts["happy"] / counts["angry"])
    )


@pytest.mark.parametrize("tables", [KEYS, ()])
def test_every_card_has_all_its_sections(recipe, tables):
    from multimodal_ser.reports.model_card import card

    models = recipe("build_models")
    for name in sorted(path.stem for path in models.TEXTS.glob("*.md")):
        given = {key: pd.DataFrame({"x": [1.0]}) for key in tables}
        text = card(name, models.card_sections(name, given))
        assert "{{" not in text
        assert ("Not measured." in text) == (not tables)


class TestReleasedModels:
    @pytest.fixture
    def face(self, recipe):
        """A face part of chance, mapped as the released one is, and what it maps."""
        from multimodal_ser.video import mapping

        models = recipe("build_models")
        labels = fer2013.FERPLUS_LABELS
        inner = VideoModel(models.BACKBONE, labels=labels).network
        mapped = mapping.mapped(inner, mapping.weights(labels, np.linspace(0.05, 0.2, 8)))
        part = VideoModel.of_network(models.BACKBONE, mapped, labels=EMOTIONS)
        return models, part, inner

    @pytest.fixture
    def released(self, face, tmp_path, monkeypatch):
        _, part, _ = face
        folder = tmp_path / "released" / "ravdess"
        Model({part.name: part}).save(folder)
        monkeypatch.setenv("MULTIMODAL_SER_MODELS", str(tmp_path / "released"))
        return folder

    def test_the_network_before_the_mapping_is_read_out_of_the_released_one(self, face, released):
        models, part, inner = face
        found = models.released_face()
        faces = np.random.default_rng(0).integers(0, 255, (5, 48, 48), np.uint8)
        expected = inner.predict_on_batch(models.evaluate_fer.as_input(faces))
        np.testing.assert_allclose(found.network.predict(faces), expected, atol=1e-6)
        kept = found.model.network.get_weights()
        for one, other in zip(kept, part.network.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_models_are_made_with_what_calibration_was_kept(
        self, face, released, fer_file, tmp_path, monkeypatch, main
    ):
        models, _, inner = face
        rows = [
            {"clip": f"{a}-{e}", "actor": f"{a:02}", "dataset": "ravdess", "emotion": e}
            for a in range(1, 25)
            for e in EMOTIONS
        ]
        clips = make_clips([row | {"audio": f"{row['clip']}.wav"} for row in rows])
        values = np.random.default_rng(0).normal(size=(len(clips), 157)).astype(np.float32)
        values[:, 0] += 3 * clips["emotion"].cat.codes
        voice = Learner("audio", "mfcc_rms", "logistic_regression")
        names = tuple(map(str, range(157)))
        data = Data(clips, {"mfcc_rms": Features(clips.index, values, names)}, failure_table([]))
        monkeypatch.setattr(models.train_voice, "LEARNERS", (voice,))
        monkeypatch.setattr(models._common, "load", lambda *_: data)
        monkeypatch.setattr(models.train_voice.datasets, "index", lambda _: clips)
        plain = tmp_path / "plain"
        network = VideoModel.of_network(models.BACKBONE, inner, labels=fer2013.FERPLUS_LABELS)
        Model({network.name: network}, network.labels).save(plain, {"labels": "ferplus"})
        stale = tmp_path / "models" / "ravdess" / "audio"
        stale.mkdir(parents=True)
        geometry = models.train_geometry.LEARNER
        units = values[:, :17]
        taught = Data(
            clips,
            {geometry.input: Features(clips.index, units, models.estimated.names())},
            failure_table([]),
        )
        monkeypatch.setattr(models.train_geometry, "taught", lambda *_: taught)
        monkeypatch.setattr(models.train_geometry, "measured", lambda *_: pd.DataFrame())
        monkeypatch.setattr(models.train_voice, "with_units", lambda *_: pd.DataFrame())
        words = ("--data", "x", "--fer", fer_file, "--units", "y", "--networks", plain)
        assert main("build_models", *words, "--models", tmp_path / "models") == 0
        made = load_model(tmp_path / "models" / "ravdess")
        assert list(made.learners) == [voice.name, models.BACKBONE, geometry.name]
        fitted = made.combiner.fuser.fitted
        weights = {names: value["weights"] for names, value in fitted.items()}
        run = json.loads((tmp_path / "models" / "ravdess" / "run.json").read_text())
        (kept,) = run["calibration"]
        assert kept["answer"] == "video" and kept["nll_after"] <= kept["nll_before"]
        assert weights[(models.BACKBONE,)] == pytest.approx([1 / kept["temperature"]])
        # Both together are the product of what each says alone.
        seen = (models.BACKBONE, geometry.name)
        assert weights[seen] == pytest.approx([*weights[seen[:1]], *weights[seen[1:]]])
        for part in (seen, seen[:1], seen[1:]):
            both = [*weights[(voice.name,)], *weights[part]]
            assert weights[(voice.name, *part)] == pytest.approx(both)
        assert not stale.exists()
        copied = tmp_path / "models" / "fer_plus"
        assert (copied / "MODEL_CARD.md").exists()
        assert load_model(copied).labels == fer2013.FERPLUS_LABELS


def test_the_published_video_networks_train_on_videos(corpus, tmp_path, main):
    words = ("--data", corpus, "--backbones", "fer_transfer", "--epochs", 1, "--steps", 2)
    output = tmp_path / "t.md"
    assert main("aei_2019_video", *words, "--cache", tmp_path, "--output", output) == 0
    row = output.read_text().splitlines()[2].strip("| ").split(" | ")
    assert row[:3] == ["fer_transfer", "242320", "chance"]


def test_faces_of_one_actor_become_clips_of_the_front_end(tmp_path, recipe):
    import argparse

    import cv2

    names = [f"01-01-0{emotion}-01-01-0{take}-05" for emotion in (3, 4) for take in (1, 2)]
    coded = [cv2.imencode(".jpg", np.full((224, 224), 99, np.uint8))[1] for _ in names]
    offset = np.cumsum([0, *map(len, coded)])
    path = tmp_path / "faces.npz"
    np.savez(path, jpeg=np.concatenate(coded), offset=offset, clip=names, frame=np.zeros(4))
    module = recipe("aei_2019_video")
    options = argparse.Namespace(epochs=1, steps=1, batch_size=None, fer=None, seed=0)
    one = module.recipe("aei_cnn", options)
    data = module.one_actor(path, one)
    assert data.clips["emotion"].tolist() == ["happy", "happy", "sad", "sad"]
    shapes = {data.inputs["frames:aei_cnn"][clip].pictures.shape for clip in data.clips.index}
    assert shapes == {(1, 256, 256)}
