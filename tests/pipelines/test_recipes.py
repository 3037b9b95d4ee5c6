"""Every recipe explains itself, and the general ones run on the synthetic corpus."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"
OPENFACE_UNITS = [
    *((number, "r") for number in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)),
    *((n, "c") for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)),
]
RECIPES = sorted(path.name for path in PIPELINES.glob("[!_]*.py"))


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
    from multimodal_ser.datasets import ravdess
    from multimodal_ser.workflows import training

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


def test_voice_and_action_units_end_in_a_table_runs_and_a_page(tmp_path):
    from multimodal_ser.datasets import ravdess, synthetic
    from multimodal_ser.tables import EMOTIONS

    corpus = tmp_path / "corpus"  # enough takes that no class misses a random fold
    synthetic.make_corpus(corpus, actors=4, takes=3, video=False, progress=False)
    clips = ravdess.index(corpus)
    rng = np.random.default_rng(0)
    codes = clips["emotion"].cat.codes.to_numpy()
    units = [f"AU{number:02d}_{kind}" for number, kind in OPENFACE_UNITS]
    values = rng.random((len(clips), len(units)))
    values[np.arange(len(clips)), codes] += 1.0
    table = pd.DataFrame(values, columns=units)
    table["name"] = [f"01-{clip.removeprefix('ravdess/')}" for clip in clips.index]
    table.to_csv(tmp_path / "units.csv", sep=";", index=False)
    done = run("audio_action_units.py", "--data", corpus, "--action-units", tmp_path / "units.csv",
               "--run", tmp_path / "runs", "--adapted", cache=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    rows = [row for row in rows if "---" not in row[0]]
    answers = ["functionals", "random_convolutions", "voice", "face", "fused"]
    assert [row[1] for row in rows] == answers * 3
    strict_face = float(rows[3][3])
    assert strict_face > 100 / len(EMOTIONS)
    assert "speaker-adapted" in rows[5][0]
    assert "leaky" in rows[10][0]
    assert {"strict", "speaker-adapted", "leaky", "report.html"} == {
        path.name for path in (tmp_path / "runs").iterdir()
    }


def test_action_units_alone_end_in_a_table_of_classifiers(tmp_path):
    from multimodal_ser.tables import EMOTIONS

    rng = np.random.default_rng(0)
    units, rows = [f"AU{number:02d}_{kind}" for number, kind in OPENFACE_UNITS], []
    for actor in range(1, 6):
        for emotion in range(1, 9):
            for statement in (1, 2):
                name = f"01-{emotion:02}-01-{statement:02}-01-{actor:02}"
                (tmp_path / f"03-{name}.wav").write_bytes(b"only its name is read")
                values = rng.random(len(units)) + 0.3 * actor  # the speakers differ
                values[emotion - 1] += 1.0
                rows.append(dict(zip(units, values, strict=True)) | {"name": f"01-{name}"})
    pd.DataFrame(rows).to_csv(tmp_path / "units.csv", sep=";", index=False)
    words = ("--data", tmp_path, "--action-units", tmp_path / "units.csv", "--workers", 1)
    done = run("action_units.py", *words, cache=tmp_path)
    assert done.returncode == 0, done.stderr
    table = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "luna5" in line]
    assert [row[1] for row in table] == ["svc", "logistic_regression", "mlp", "ensemble"] * 2
    strict, adapted = (float(table[at][2]) for at in (3, 7))
    assert 100 / len(EMOTIONS) < strict <= adapted


@pytest.mark.real_data
def test_system_a_on_real_speech_is_near_what_was_published(shared_data, tmp_path):
    done = run("aei_2019.py", "--data", shared_data / "ravdess" / "speech_audio",
               "--models", "svc", "--output", tmp_path / "t.md", cache=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    cells = (tmp_path / "t.md").read_text().splitlines()[2].split(" | ")
    published, measured = float(cells[1]), float(cells[2])
    assert published == 51.2
    assert abs(measured - published) < 6
