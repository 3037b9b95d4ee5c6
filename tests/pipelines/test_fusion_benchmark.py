"""The fusion benchmark on drawn posteriors, and its figures on the published ones."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError, TableError
from multimodal_ser.evaluation.folds import TEST_ACTORS
from multimodal_ser.fusion import methods
from multimodal_ser.tables import EMOTIONS

RECIPE = Path(__file__).resolve().parents[2] / "pipelines" / "fusion_benchmark.py"


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("fusion_benchmark", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def posteriors():
    """Three models' posteriors of 24 actors, two clips an emotion; neutral is normal only."""
    rng = np.random.default_rng(0)
    rows = []
    for fold, actors in enumerate(TEST_ACTORS["luna5"]):
        for actor in actors:
            for code in range(8):
                for take in (1, 2):
                    clip = f"01-{code + 1:02d}-01-01-{take:02d}-{actor:02d}"
                    for model in ("wav2vec2_audio", "au_bilstm_video", "au_mlp_video"):
                        scores = np.exp(rng.standard_normal(8) + 2 * (np.arange(8) == code))
                        rows.append([clip, fold, model, *(scores / scores.sum())])
    return pd.DataFrame(rows, columns=["clip", "fold", "model", *EMOTIONS])


@pytest.fixture
def save(tmp_path, recipe):
    def write(table):
        path = tmp_path / recipe.FILE
        path.parent.mkdir(exist_ok=True)
        table.to_csv(path, index=False)
        return path

    return write


def run(recipe, monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["fusion_benchmark.py", *map(str, words)])
    return recipe.main()


def table_of(text):
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    rows = lines[2 : 2 + 3 + len(methods.NAMES)]
    return pd.DataFrame(rows, columns=lines[0]).set_index("model")


def test_every_model_and_fusion_has_a_row(recipe, posteriors, save, tmp_path, monkeypatch, capsys):
    save(posteriors)
    assert run(recipe, monkeypatch, "--data", tmp_path, "--output", tmp_path / "t.md") == 0
    text = (tmp_path / "t.md").read_text()
    assert text == capsys.readouterr().out
    table = table_of(text)
    assert list(table.index[3:]) == [f"fusion: {name}" for name in methods.NAMES]
    assert table.loc["fusion: mean", "p against mean"] == "-"
    war = table["WAR"].astype(float)
    assert war["fusion: log_pool"] > war.iloc[:3].max()


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.drop(columns="calm"),
        lambda t: t.assign(fold=(t["fold"] + 1) % 5),
        lambda t: t.assign(calm=0.9),
        lambda t: t.iloc[1:],
        lambda t: pd.concat([t, t.iloc[:1]]),
    ],
    ids=["no column", "other folds", "sum", "no row", "twice"],
)
def test_a_wrong_file_is_refused(recipe, posteriors, save, change):
    with pytest.raises(TableError):
        recipe.load(save(change(posteriors)))


def test_a_wrong_id_is_named(recipe, posteriors, save):
    with pytest.raises(SerError):
        recipe.load(save(posteriors.assign(clip="song")))


def test_no_file_is_one_line_and_status_2(recipe, tmp_path, monkeypatch, capsys):
    assert run(recipe, monkeypatch, "--data", tmp_path) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.real_data
@pytest.mark.slow
def test_the_published_posteriors(recipe, shared_data, monkeypatch, capsys):
    assert run(recipe, monkeypatch, "--data", shared_data / "ravdess") == 0
    table = table_of(capsys.readouterr().out)
    assert table.loc["wav2vec2_audio", "WAR"] == "81.94"
    war, ece = table["WAR"].astype(float), table["ECE"].astype(float)
    assert war["fusion: mean"] == pytest.approx(77.5, abs=0.01)
    assert war["fusion: grouped_pool"] >= 87.65
    assert ece["fusion: grouped_pool"] <= 2.5
    assert war["fusion: log_pool"] >= 87.3
    assert ece["fusion: log_pool"] <= 2.5
    assert (table["p against mean"][4:].astype(float) < 0.001).all()
