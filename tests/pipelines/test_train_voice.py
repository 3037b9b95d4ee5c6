"""The voice of several corpora: who is left out, and what its pool is fitted on."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.tables import EMOTIONS, Features, failure_table, make_clips
from multimodal_ser.video.features.openface import ACTION_UNITS
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.models import load_model
from multimodal_ser.workflows.recipes import Learner

NAMES = tuple(map(str, range(157)))
LEARNERS = tuple(
    Learner("audio", "mfcc_rms", "corpora_regression", {"penalty": penalty})
    if at == 0
    else Learner("audio", "mfcc_rms", "logistic_regression")
    for at, penalty in enumerate((0.05, 0.1))
)


@pytest.fixture
def voice(recipe, monkeypatch):
    """The recipe on random values of two corpora, and its data."""
    module = recipe("train_voice")
    rows = [
        {"clip": f"{name}/{a}-{e}", "actor": f"{a:02}", "dataset": name, "emotion": e}
        for name, actors, emotions in (
            ("ravdess", range(1, 25), EMOTIONS),
            ("cremad", range(1001, 1011), [e for e in EMOTIONS if e not in ("calm", "surprised")]),
        )
        for a in actors
        for e in emotions
    ]
    clips = make_clips([row | {"audio": f"{row['clip']}.wav"} for row in rows])
    values = np.random.default_rng(0).normal(size=(len(clips), 157)).astype(np.float32)
    values[:, :8] += 2 * np.eye(8)[clips["emotion"].cat.codes]
    inputs = {"mfcc_rms": Features(clips.index, values, NAMES)}
    data = Data(clips, inputs, failure_table([]))
    monkeypatch.setattr(module, "LEARNERS", LEARNERS)
    monkeypatch.setattr(module._common, "load", lambda *_: data)
    monkeypatch.setattr(module.datasets, "index", lambda _: clips)
    return module, data


def test_folds_leave_out_actors_of_every_corpus_and_test_everybody_once(voice):
    module, data = voice
    folds = module.people_folds(data.clips, 0)
    assert sorted(clip for fold in folds for clip in fold.test) == sorted(data.clips.index)
    for fold in folds:
        test, train = data.clips.loc[fold.test], data.clips.loc[fold.train]
        assert set(test["dataset"]) == {"ravdess", "cremad"}
        for name in ("ravdess", "cremad"):
            of = [set(part.loc[part["dataset"] == name, "actor"]) for part in (test, train)]
            assert not of[0] & of[1]
    first = data.clips.loc[folds[0].test]
    heard = set(first.loc[first["dataset"] == "ravdess", "actor"])
    assert heard == {"02", "05", "14", "15", "16"}  # Luna-Jimenez et al.'s first fold


def test_weights_for_a_fold_do_not_see_its_labels(voice):
    module, data = voice
    rng = np.random.default_rng(1)
    said = rng.dirichlet(np.ones(8), len(data.clips))
    said += 2 * np.eye(8)[data.clips["emotion"].cat.codes]
    said /= said.sum(axis=1, keepdims=True)
    other = rng.dirichlet(np.ones(8), len(data.clips))
    columns = list(EMOTIONS)
    held = {
        "people": {
            "good": pd.DataFrame(said, data.clips.index, columns),
            "chance": pd.DataFrame(other, data.clips.index, columns),
        }
    }
    folds = module.people_folds(data.clips, 0)
    values = np.exp(rng.normal(size=(len(data.clips), 2)))
    signs = {"people": pd.DataFrame(values, data.clips.index, list(module.SIGNS))}
    before = module.answered(held, signs, {"people": folds}, data.clips)[0]["people"]
    weights = module.weights(module.pooled(held, signs, data.clips))
    assert weights["good"] > 5 * abs(weights["chance"])
    # Wrong labels for those who are tested first change nothing of what is said of them.
    wrong = data.clips.copy()
    wrong.loc[folds[0].test, "emotion"] = "angry"
    after = module.answered(held, signs, {"people": folds}, wrong)[0]["people"]
    pd.testing.assert_frame_equal(after.loc[folds[0].test], before.loc[folds[0].test])
    assert not np.allclose(after.loc[folds[1].test], before.loc[folds[1].test])


def test_the_model_that_is_written_predicts_with_the_weights_that_are_printed(
    voice, tmp_path, main
):
    words = ("--data", "x", "--output-model", tmp_path / "voice", "--output", tmp_path / "t.md")
    assert main("train_voice", *words) == 0
    made = load_model(tmp_path / "voice")
    ((names, found),) = made.combiner.fuser.fitted.items()
    assert names == tuple(one.name for one in LEARNERS)
    text = (tmp_path / "t.md").read_text()
    for weight in found["weights"]:
        assert f"{weight:.3f}".rstrip("0") in text
    assert "corpora left out" in text and "| ravdess | 8" in text and "| ravdess | 7" in text
    record = json.loads((tmp_path / "voice" / "run.json").read_text())
    assert record["clips_hash"]
    assert made.novelty is not None and made.novelty.learner == LEARNERS[0].name


def test_distance_is_from_other_clips_than_those_that_are_tested(voice):
    module, data = voice
    recipe = module.loaded(SimpleNamespace(data="x", without_network=False, seed=0))[1]
    folds = module.people_folds(data.clips, 0)
    signs = module.signs_of(data, recipe, folds)
    assert sorted(signs.index) == sorted(data.clips.index)
    # Whatever the others are who are tested with it, a clip is as far from those that are not.
    features = data.inputs["mfcc_rms"]
    values = np.array(features.values)
    values[features.clips.isin(folds[0].test[1:])] = 99
    other = replace(data, inputs={"mfcc_rms": Features(features.clips, values, NAMES)})
    again = module.signs_of(other, recipe, folds[:1])
    pd.testing.assert_frame_equal(again.iloc[:1], signs.loc[again.index[:1]])


def test_learners_fitted_before_are_taken_as_they_are(voice, tmp_path, main):
    first, again = tmp_path / "first", tmp_path / "again"
    assert main("train_voice", "--data", "x", "--output-model", first) == 0
    assert main("train_voice", "--data", "x", "--output-model", again, "--fitted", first) == 0
    for one in first.rglob("*"):
        if one.suffix in {".onnx", ".npz"}:
            assert one.read_bytes() == (again / one.relative_to(first)).read_bytes()
    assert main("train_voice", "--data", "x", "--output-model", again, "--fitted", "no") == 2


def test_one_corpus_alone_is_measured_on_people(voice, tmp_path, main, monkeypatch):
    module, data = voice
    clips = data.clips[data.clips["dataset"] == "cremad"]
    monkeypatch.setattr(module._common, "load", lambda *_: Data(clips, data.inputs, data.failures))
    assert main("train_voice", "--data", "x", "--output", tmp_path / "t.md") == 0
    assert "corpora left out" not in (tmp_path / "t.md").read_text()


def test_groups_are_scored_by_themselves_and_ages_by_their_edges(voice):
    module, data = voice
    ages = {f"{1001 + at:02}": age for at, age in enumerate((20, 29, 30, 44, 45, 59, 60, 74))}
    clips = data.clips.assign(
        sex=["female" if int(actor) % 2 else "male" for actor in data.clips["actor"]],
        age_years=data.clips["actor"].map(ages).astype("Int64"),
    )
    right = np.eye(8)[clips["emotion"].cat.codes]
    wrong = np.roll(right, 1, axis=1)
    women = (clips["sex"] == "female").to_numpy()[:, None]
    said = pd.DataFrame(np.where(women, right, wrong), clips.index, list(EMOTIONS))
    found = module.by_group(said, clips, 0).set_index(["data set", "group"])
    assert found.loc[("ravdess", "sex: female"), "UAR"] == 100
    assert found.loc[("ravdess", "sex: male"), "UAR"] < 20
    named = found.loc["cremad"]
    named = named[named.index.str.startswith("age")]
    assert named["actors"].to_dict() == dict.fromkeys(
        ("age: below 30", "age: 30 to 44", "age: 45 to 59", "age: 60 and above"), 2
    )


def test_beside_action_units_all_is_said_by_others(voice, main, tmp_path):
    _, data = voice
    clips = data.clips[data.clips["dataset"] == "ravdess"]
    values = np.random.default_rng(1).uniform(0, 1, (len(clips), len(ACTION_UNITS)))
    values[:, :8] += 2 * np.eye(8)[clips["emotion"].cat.codes]
    table = pd.DataFrame(values, columns=list(ACTION_UNITS)).assign(name=clips.index)
    table.to_csv(tmp_path / "units.csv", sep=";", index=False)
    words = ("--data", "x", "--units", tmp_path / "units.csv", "--output", tmp_path / "t.md")
    assert main("train_voice", *words) == 0
    part = (tmp_path / "t.md").read_text().split("with action units\n\n")[1].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines()[2:]]
    assert [row[0] for row in rows] == ["voice", "action units", "fused"]
    voice_alone, _, fused = (float(row[1]) for row in rows)
    assert fused > voice_alone
