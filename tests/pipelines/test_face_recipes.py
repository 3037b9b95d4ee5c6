"""The recipes around face networks, on pictures that the test makes."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.datasets import fer2013

#: The tables that a card may hold.
KEYS = ("functionals_and_convolutions", "face", "face_classes", "face_seven", "actor05")
PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


def run(recipe, *words):
    command = [sys.executable, str(PIPELINES / recipe), *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(str(PIPELINES))
    return importlib.import_module


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


def test_a_network_is_trained_trained_on_and_measured(fer_file, tmp_path):
    first = run("train_fer.py", "--data", fer_file, "--output", tmp_path / "a", "--epochs", 2)
    assert first.returncode == 0, first.stderr
    assert len(pd.read_csv(tmp_path / "a" / "history.csv")) == 2
    again = run("train_fer.py", "--data", fer_file, "--labels", "fer2013", "--epochs", 1,
                "--start", tmp_path / "a", "--output", tmp_path / "b")  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "b" / "run.json").read_text())["labels"] == "fer2013"
    words = ("--data", fer_file, "--networks", tmp_path / "a", tmp_path / "b")
    done = run("evaluate_fer.py", *words, "--output", tmp_path / "tables")
    assert done.returncode == 0, done.stderr
    assert "100 training pictures, 30 private test pictures" in done.stdout
    assert (tmp_path / "tables" / "ferplus.md").read_text().count("fer_resnet") == 2


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


def test_every_card_has_all_its_sections(recipe):
    from multimodal_ser.reports.model_card import card

    models = recipe("build_models")
    for name in sorted(path.stem for path in models.TEXTS.glob("*.md")):
        tables = {key: pd.DataFrame({"x": [1.0]}) for key in KEYS}
        text = card(name, models._card(name, tables))
        assert "{{" not in text


def test_the_published_video_networks_run_on_films(corpus, tmp_path):
    words = ("--data", corpus, "--backbones", "fer_transfer", "--epochs", 1, "--steps", 2)
    done = run("aei_2019_video.py", *words, "--cache", tmp_path, "--output", tmp_path / "t.md")
    assert done.returncode == 0, done.stderr
    assert "| fer_transfer | 242320 | chance | RAVDESS films" in (tmp_path / "t.md").read_text()
