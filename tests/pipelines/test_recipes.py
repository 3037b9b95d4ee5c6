"""Every recipe explains itself, and the general ones run on the synthetic corpus."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.datasets import ravdess, synthetic
from multimodal_ser.evaluation.runs import read_run
from multimodal_ser.workflows import training
from multimodal_ser.workflows.recipes import Recipe

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"
OPENFACE_UNITS = [
    *((number, "r") for number in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)),
    *((n, "c") for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)),
]
RECIPES = sorted(path.stem for path in PIPELINES.glob("[!_]*.py"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_explains_itself(recipe, main, capsys):
    assert main(recipe, "--help") == 0
    assert "usage" in capsys.readouterr().out


def test_a_recipe_is_a_script():
    command = [sys.executable, str(PIPELINES / "predict_fused.py"), "--help"]
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_benchmark_batch_and_prediction(corpus, tmp_path, main, capsys):
    clips = ravdess.index(corpus)
    recipe = Recipe(video=None, inner_folds=2)
    training.train(clips, recipe, tmp_path / "model", workers=1, progress=False)

    words = ("--data", corpus, "--model", tmp_path / "model", "--output", tmp_path / "batch")
    assert main("batch_ravdess", *words) == 0
    table = pd.read_parquet(tmp_path / "batch" / "predictions.parquet")
    assert table["clip"].nunique() == len(clips)

    words = ("--data", corpus, "--protocol", "actors", "--inner-folds", 2, "--video", "none")
    output = tmp_path / "scores.csv"
    assert main("benchmark_modalities", *words, "--audio", "svc", "--output", output) == 0
    assert pd.read_csv(output)["model"].tolist() == ["mfcc_rms:svc"]

    wav = sorted(corpus.rglob("*.wav"))[0]
    capsys.readouterr()
    assert main("predict_fused", wav, "--model", tmp_path / "model") == 0
    assert wav.name in capsys.readouterr().out.replace("\n", "")


def test_audio_and_action_units_end_in_a_table_runs_and_a_page(tmp_path, main, monkeypatch):
    module = importlib.import_module("audio_action_units")
    monkeypatch.setattr(module, "AUDIO", ("mfcc_rms",))  # quicker
    corpus = tmp_path / "corpus"
    synthetic.make_corpus(corpus, actors=4, takes=1, video=False, progress=False)
    clips = ravdess.index(corpus)
    rng = np.random.default_rng(0)
    codes = clips["emotion"].cat.codes.to_numpy()
    units = [f"AU{number:02d}_{kind}" for number, kind in OPENFACE_UNITS]
    values = rng.random((len(clips), len(units)))
    values[np.arange(len(clips)), codes] += 1.0
    table = pd.DataFrame(values, columns=units)
    table["name"] = [f"01-{clip.removeprefix('ravdess/')}" for clip in clips.index]
    table.to_csv(tmp_path / "units.csv", sep=";", index=False)
    words = ("--data", corpus, "--action-units", tmp_path / "units.csv", "--quick")
    assert main("audio_action_units", *words, "--run", tmp_path / "runs", "--workers", 1) == 0
    runs = {path.name: read_run(path) for path in (tmp_path / "runs").iterdir() if path.is_dir()}
    assert {name: (run.leaky, run.adaptation) for name, run in runs.items()} == {
        "strict": (False, "none"),
        "adapted": (False, "person"),
        "leaky": (True, "none"),
    }
    assert [model.modality for model in runs["strict"].models] == ["audio", "video", "fused"]
    strict = runs["strict"].models[1].probabilities.idxmax(axis=1)
    assert (strict == clips.loc[strict.index, "emotion"]).mean() > 1 / 8
    assert (tmp_path / "runs" / "report.html").exists()


def test_the_published_test_actors_are_scaled_by_themselves():
    from multimodal_ser.tables import Features, failure_table, make_clips
    from multimodal_ser.workflows.data import Data

    aei = importlib.import_module("aei_2019")
    rows = [dict(clip=f"{a:02}", dataset="ravdess", actor=f"{a:02}") for a in range(1, 25)]
    clips = make_clips(rows)
    values = np.random.default_rng(0).normal(5, 3, (24, 2)).astype(np.float32)
    data = Data(clips, {aei.FEATURES: Features(clips.index, values, ("a", "b"))}, failure_table([]))
    scaled = aei.scaled_separately(data).inputs[aei.FEATURES]
    for part in (clips.index[:20], clips.index[20:]):
        np.testing.assert_allclose(scaled.take(part).mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(scaled.take(part).std(axis=0), 1, atol=1e-5)


def test_a_search_of_aei_2019_is_the_published_one():
    import argparse

    aei = importlib.import_module("aei_2019")
    options = argparse.Namespace(search=True, quick=False, seed=0)
    forest, boosting = (aei.recipe(name, options) for name in ("random_forest", "xgboost"))
    assert (boosting.search, boosting.search_method, boosting.inner_folds) == (50, "random", 5)
    assert (forest.search_method, forest.inner_folds) == ("grid", 3)
    assert forest.audio[0].space == aei.random_forest.GRID
    assert {forest.search_metric, boosting.search_metric} == {"accuracy"}
    assert aei.recipe("svc", options).search == 0


@pytest.mark.real_data
def test_aei_2019_on_real_speech_is_near_what_was_published(shared_data, tmp_path, main):
    words = ("--data", shared_data / "ravdess" / "speech_audio", "--models", "svc")
    assert main("aei_2019", *words, "--output", tmp_path / "t.md") == 0
    cells = (tmp_path / "t.md").read_text().splitlines()[2].split(" | ")
    published, measured = float(cells[1]), float(cells[2])
    assert published == 51.2
    assert abs(measured - published) < 6


def test_the_adaptation_curve_starts_at_no_clips_and_compares_strengths(tmp_path, main, capsys):
    corpus = tmp_path / "corpus"
    synthetic.make_corpus(corpus, actors=4, takes=1, video=False, progress=False)
    words = ("--data", corpus, "--audio", "mfcc_rms:logistic_regression", "--workers", 1)
    assert main("adaptation_curve", *words) == 0
    lines = [line.split("|") for line in capsys.readouterr().out.splitlines() if "|" in line]
    cells = {line[1].strip(): [cell.strip() for cell in line[2:-1]] for line in lines[2:]}
    assert list(cells) == ["trained without", "0", "2", "5", "10", "20", "60"]
    assert cells["0"][2:4] == ["-", "-"]
    for name, (uar, _, points, p_value, _) in cells.items():
        if name != "0":
            assert float(points) == pytest.approx(float(uar) - float(cells["0"][0]), abs=0.11)
            assert 0 < float(p_value) <= 1
    assert cells["20"] == cells["60"]  # there are no more than 16
    assert main("adaptation_curve", *words, "--choose", "--actors", 3) == 0
    lines = [line.split("|") for line in capsys.readouterr().out.splitlines() if "|" in line]
    assert [float(line[1]) for line in lines[2:]] == [2, 5, 10, 20]


def test_more_clips_of_a_person_are_drawn_to_those_that_fewer_have():
    """With all of a person's clips the table is that of the whole, and clips stay as tested."""
    from multimodal_ser.evaluation import adaptation
    from multimodal_ser.tables import Features, make_clips

    rng, curve = np.random.default_rng(0), importlib.import_module("adaptation_curve")
    rows = [{"clip": f"{a}-{at}", "actor": a, "dataset": "x"} for a in "pq" for at in range(9)]
    clips = make_clips(rows)
    values = Features(clips.index, rng.standard_normal((18, 3)).astype("f4"), tuple("abc"))

    class Echo:
        reference = adaptation.Reference.of(values.values)

        def predict(self, features):
            return pd.DataFrame(features.values, features.clips)

    tables = dict(curve.adapted_tables(Echo(), values, clips, 0))
    np.testing.assert_array_equal(tables[0], values.values)
    known = adaptation.Statistics()
    known.add(values, clips, "person")
    whole = known.normalise(values, clips, "person", Echo.reference).values
    for count in (10, 20, 60):
        np.testing.assert_allclose(tables[count], whole, rtol=1e-5, atol=1e-6)
    # Two of p's clips are as far as p's values moved; q's own decide of q.
    moved = [
        dict(curve.adapted_tables(Echo(), Features(clips.index, v, values.names), clips, 0))[2]
        for v in (
            values.values,
            np.where((clips["actor"] == "q").to_numpy()[:, None], 9.0, values.values).astype("f4"),
        )
    ]
    np.testing.assert_array_equal(moved[0].iloc[:9], moved[1].iloc[:9])
