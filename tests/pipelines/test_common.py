"""What the recipes of published systems share."""

import argparse

import _common
import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.reports import figures
from multimodal_ser.reports.markup import Markup
from multimodal_ser.tables import EMOTIONS, Features, failure_table, make_clips
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Learner


@pytest.fixture
def clips():
    return make_clips(
        {"clip": f"{actor}-{emotion}-{take}", "dataset": "d", "actor": str(actor),
         "sex": ("male", "female")[actor % 2], "emotion": emotion}
        for actor in range(6) for emotion in EMOTIONS[:3] for take in range(2)
    )  # fmt: skip


@pytest.fixture
def features(clips):
    values = np.random.default_rng(0).normal(size=(len(clips), 4)).astype(np.float32)
    values[:, 0] += 3 * clips["emotion"].cat.codes
    return Features(clips.index, values, tuple("abcd"))


def options(**more):
    return argparse.Namespace(**({"seed": 0, "workers": 1, "resume": None} | more))


def test_a_model_is_fitted_without_the_tested_actors_once_for_all_its_recipes_and_resumed(
    clips, features, tmp_path, monkeypatch
):
    seen, fit = [], FeatureModel.fit

    def spy(self, features, clips, validation=None):
        seen.append(set(clips["actor"]))
        return fit(self, features, clips, validation)

    monkeypatch.setattr(FeatureModel, "fit", spy)
    data = Data(clips, {"mfcc_rms": features}, failure_table([]))
    one = _common.alone(Learner("audio", "mfcc_rms", "decision_tree"))
    given, scheme = options(resume=str(tmp_path)), "leave_one_actor_out"
    first = _common.measured(data, {"a": one, "b": one}, scheme, given)
    again = _common.measured(data, {"a": one}, scheme, given)
    folds = make_folds(clips, scheme)
    assert len(seen) == len(folds)
    for actors, fold in zip(seen, folds, strict=True):
        assert actors.isdisjoint(clips.loc[fold.test, "actor"])
    pd.testing.assert_frame_equal(first["a"], again["a"])
    pd.testing.assert_frame_equal(first["a"], first["b"])


def test_cells_have_the_same_columns_with_and_without_a_value(clips):
    perfect = pd.get_dummies(clips["emotion"]).astype(float)
    found = _common.strict_cells(perfect, clips, "folds", 0)
    assert list(found.values()) == ["100.0", "100.0 to 100.0", "100.0"]
    absent = _common.strict_cells(None, clips, "folds", 0)
    assert list(absent) == list(found)
    assert set(absent.values()) == {"-"}
    assert list(_common.leaky_cell(perfect, clips, "split").values()) == ["100.0"]


def test_errors_end_a_recipe_with_a_status(capsys):
    def failing(_options):
        raise SerError("nothing here")

    assert _common.finish(argparse.Namespace(output=None), failing) == 2
    assert capsys.readouterr().err == "error: nothing here\n"


def test_a_report_is_printed_and_kept(tmp_path, capsys):
    given = argparse.Namespace(output=str(tmp_path / "table.md"))
    assert _common.finish(given, lambda _: "| a |") == 0
    assert capsys.readouterr().out == (tmp_path / "table.md").read_text() == "| a |\n"


def test_no_readable_clip_is_an_error(clips, tmp_path):
    recipe = _common.alone(Learner("audio", "mfcc_rms", "svc"))
    with pytest.raises(SerError):
        _common.load(clips, [recipe], options(cache=str(tmp_path)))


def test_the_highest_importance_fills_the_bar_and_constant_features_none():
    table = pd.DataFrame({"a": [0.0, 2.0, 1.0], "b": [0.0, 0.0, 0.0]}, ["x", "y", "z"])
    drawn = _common.importance_figure(table, count=2)
    assert ">y<" in drawn
    assert ">100<" in drawn
    assert ">x<" not in drawn


def test_the_most_important_features_are_the_first_of_the_bars():
    # The forest's numbers are small: counted as they are, it would have no say.
    rankings = pd.DataFrame(
        {"forest": [0.1, 0.4, 0.3], "boosting": [70.0, 30.0, 60.0]}, list("xyz")
    )
    assert _common.most_important(rankings, 2) == ["z", "y"]
    bars = _common.importance_figure(rankings, count=2)
    assert bars.index(">z<") < bars.index(">y<")
    assert _common.most_important(rankings * 0, 2) == ["x", "y"]


def test_distributions_are_those_of_the_given_clips_and_features(clips, features):
    men = clips[clips["sex"] == "male"]
    labels = EMOTIONS[:3]
    drawn = _common.distribution_figure(features, men, ["c", "a"], labels)
    shuffled = men.sample(frac=1, random_state=0)
    assert drawn == _common.distribution_figure(features, shuffled, ["c", "a"], labels)
    expected = pd.DataFrame(features.take(men.index)[:, [2, 0]], men.index, ["c", "a"])
    assert figures.distributions(expected, men["emotion"], labels) in drawn


def test_figures_are_drawn_and_written_only_when_asked_for(tmp_path):
    def never():
        raise AssertionError
        yield

    _common.write_figures(argparse.Namespace(figures=None), "page", never())
    folder = tmp_path / "deep" / "er"
    drawn = [("A <title>", Markup("<svg></svg>"))]
    _common.write_figures(argparse.Namespace(figures=str(folder)), "page", drawn)
    text = (folder / "figures.html").read_text()
    assert "A &lt;title&gt;" in text
    assert "<svg></svg>" in text
