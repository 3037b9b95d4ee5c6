"""Every recipe explains itself, and the general ones run on the synthetic corpus."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"
RECIPES = sorted(path.name for path in PIPELINES.glob("*.py"))


def run(recipe, *words, cache):
    environment = os.environ | {"MULTIMODAL_SER_CACHE": str(cache)}
    command = [sys.executable, str(PIPELINES / recipe), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_explains_itself(recipe, tmp_path):
    done = run(recipe, "--help", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


def test_benchmark_batch_and_prediction(corpus, tmp_path):
    from multimodal_ser import training
    from multimodal_ser.datasets import ravdess

    clips = ravdess.index(corpus)
    recipe = training.Recipe(video=None)
    training.train(clips, recipe, tmp_path / "model", workers=1, progress=False)
    cache = tmp_path / "cache"

    done = run("batch_ravdess.py", "--data", corpus, "--model", tmp_path / "model",
               "--output", tmp_path / "batch", cache=cache)  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "batch" / "predictions.parquet")
    assert table["clip"].nunique() == len(clips)

    words = ("--data", corpus, "--protocol", "actors", "--video", "none")
    done = run("benchmark_modalities.py", *words, cache=cache)
    assert done.returncode == 0, done.stderr
    assert "svc" in done.stdout

    wav = sorted(corpus.rglob("*.wav"))[0]
    done = run("predict_fused.py", wav, "--model", tmp_path / "model", cache=cache)
    assert done.returncode == 0, done.stderr
    assert wav.name in done.stdout.replace("\n", "")


@pytest.mark.real_data
def test_system_a_on_real_speech_is_near_what_was_published(shared_data, tmp_path):
    done = run("aei_2019.py", "--data", shared_data / "ravdess" / "speech_audio",
               "--models", "svc", "--output", tmp_path / "t.md", cache=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    cells = (tmp_path / "t.md").read_text().splitlines()[2].split(" | ")
    published, measured = float(cells[1]), float(cells[2])
    assert published == 51.2
    assert abs(measured - published) < 6
