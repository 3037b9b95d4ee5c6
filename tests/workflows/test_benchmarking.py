"""Benchmarks resume from what is on disk, and only from what is still true."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cases import QUIET, sound_and_face, table_of

from multimodal_ser.audio.features import mfcc_rms
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import runs
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import Features
from multimodal_ser.workflows import benchmarking
from multimodal_ser.workflows.benchmarking import Bench, benchmark
from multimodal_ser.workflows.data import extract
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Learner, Recipe, grid

KNN = Learner("audio", "mfcc_rms", "knn", {"n_neighbors": 5})
BOTH = Recipe(audio=(KNN,), video="action_units:svc", inner_folds=2)
HEARD = replace(BOTH, video=None)


@pytest.fixture
def data():
    return sound_and_face()


def measured(data, store, recipe=HEARD):
    folds = make_folds(data.clips, "actors", n_folds=3)
    bench = Bench(data, "actors", store=store, progress=False)
    return {model.name: model.probabilities for model in bench.measure([recipe], folds)}


def with_value(data, at, value):
    found = data.inputs["mfcc_rms"]
    values = found.values.copy()
    values.reshape(-1)[at] = value
    changed = Features(found.clips, values, found.names)
    return replace(data, inputs=data.inputs | {"mfcc_rms": changed})


def renamed(data):
    """The first clip under another id: no value, label or order is another."""
    new = data.clips.index.str.replace("0-happy-0", "0-happy-9")
    inputs = {k: Features(new, v.values, v.names) for k, v in data.inputs.items()}
    return replace(data, clips=data.clips.set_axis(new).rename_axis("clip"), inputs=inputs)


def with_column(data, name, change):
    column = pd.Series(change(data.clips[name]), data.clips.index).astype(data.clips[name].dtype)
    return replace(data, clips=data.clips.assign(**{name: column}))


def test_a_finished_benchmark_is_not_fitted_again(data, fits, tmp_path):
    before = measured(data, tmp_path, BOTH)
    assert len(fits) == 3 * (2 + 1 + 2 * 2 + 1)  # action_units:svc chooses from two candidates
    fits.clear()
    after = measured(data, tmp_path, BOTH)
    assert not fits and set(after) == set(before)
    for name, table in before.items():
        pd.testing.assert_frame_equal(after[name], table)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: with_value(data, 1500, 400.0),
        lambda data: with_value(data, -1, 400.0),
        renamed,
        lambda data: with_column(data, "actor", lambda old: old.where(old != "5", "0")),
        lambda data: with_column(data, "emotion", lambda old: np.roll(old, 1)),
    ],
)
def test_changed_values_ids_actors_and_labels_are_measured_anew(data, change, fits, tmp_path):
    assert data.inputs["mfcc_rms"].values.size > 2000  # longer than what NumPy prints
    old = measured(data, tmp_path)
    fits.clear()
    found, fresh = measured(change(data), tmp_path), measured(change(data), None)
    assert fits
    for name, table in fresh.items():
        pd.testing.assert_frame_equal(found[name], table)
        assert not table.equals(old[name])


@pytest.mark.parametrize(
    "other",
    [
        replace(HEARD, audio=(replace(KNN, params={"n_neighbors": 1}),)),
        replace(HEARD, audio=(replace(KNN, candidates=({"n_neighbors": 3}, {"n_neighbors": 9})),)),
        replace(HEARD, seed=1),
        replace(HEARD, inner_folds=3),
    ],
)
def test_changed_parameters_are_measured_anew(data, other, fits, tmp_path):
    measured(data, tmp_path)
    fits.clear()
    found = measured(data, tmp_path, other)
    assert fits
    for name, table in measured(data, None, other).items():
        pd.testing.assert_frame_equal(found[name], table)


def test_another_version_of_a_feature_set_is_measured_anew(data, fits, monkeypatch, tmp_path):
    measured(data, tmp_path)
    fits.clear()
    monkeypatch.setattr(mfcc_rms, "VERSION", mfcc_rms.VERSION + 1)
    measured(data, tmp_path)
    assert len(fits) == 9
    fits.clear()
    measured(data, tmp_path)
    assert not fits


def test_another_fusion_takes_the_learners_that_are_there(data, fits, tmp_path):
    one = measured(data, tmp_path, BOTH)
    fits.clear()
    two = measured(data, tmp_path, replace(BOTH, fusion="mean"))
    assert not fits
    name = BOTH.name_of("fused")
    assert not np.allclose(one[name], two[name], atol=1e-3)


@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_a_damaged_entry_of_the_store_is_measured_anew(data, fits, tmp_path, damage):
    before = measured(data, tmp_path)
    victim = sorted(tmp_path.glob("*.parquet"))[0]
    if damage == "gone":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:100] if damage == "cut" else b"")
    fits.clear()
    after = measured(data, tmp_path)
    assert len(fits) == 3
    pd.testing.assert_frame_equal(*(t["mfcc_rms:knn"] for t in (before, after)))


def test_a_killed_benchmark_resumes(data, monkeypatch, tmp_path):
    whole, calls, fit = measured(data, None), [], FeatureModel.fit

    def killed(self, *given):
        calls.append(given)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return fit(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(FeatureModel, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            measured(data, tmp_path)
        calls.clear()
        calls.extend([()] * 10)  # from now on nothing is interrupted
        after = measured(data, tmp_path)
    assert len(calls) - 10 == 6  # one of three folds was finished
    pd.testing.assert_frame_equal(after["mfcc_rms:knn"], whole["mfcc_rms:knn"])


@pytest.fixture
def units(tones):
    return table_of(tones.index, np.eye(8)[tones["emotion"].cat.codes])


def quick(**changes):
    return Recipe(**{"audio": "knn", "video": None, "inner_folds": 2, **changes})


def test_models_of_one_identity_share_a_folder_and_others_are_refused(tones, tmp_path):
    folder, how = tmp_path / "run", QUIET | {"run_folder": tmp_path / "run"}
    for audio in ("knn", "decision_tree"):
        run, _ = benchmark(tones, quick(audio=audio), "actors", **how)
        runs.write_run(folder, run)
    kept = runs.read_run(folder)
    assert [model.name for model in kept.models] == ["mfcc_rms:knn", "mfcc_rms:decision_tree"]
    before = {path: path.read_bytes() for path in folder.rglob("*.[jp]*")}
    others = [
        (tones, quick(seed=1), "actors"),
        (tones, quick(), "leave_one_actor_out"),
        (tones, quick(labels="four"), "actors"),
        (tones, quick(adapt="person"), "actors"),
        (tones.iloc[1:], quick(), "actors"),
    ]
    for clips, recipe, scheme in others:
        with pytest.raises(SerError):
            benchmark(clips, recipe, scheme, **how)
    assert {path: path.read_bytes() for path in folder.rglob("*.[jp]*")} == before


@pytest.mark.parametrize("adapt", ["person", "set"])
def test_an_adapted_benchmark_is_marked_in_table_and_run(tones, tmp_path, adapt):
    strict, _ = benchmark(tones, quick(), "actors", **QUIET)
    run, _ = benchmark(tones, quick(adapt=adapt), "actors", **QUIET)
    kept = runs.read_run(runs.write_run(tmp_path, run))
    assert (strict.adaptation, run.adaptation, kept.adaptation) == ("none", adapt, adapt)
    plain, marked = (benchmarking.score_table(one)["protocol"][0] for one in (strict, kept))
    assert plain == "actors" and marked.startswith("actors") and "adapted" in marked
    assert not kept.models[0].probabilities.equals(strict.models[0].probabilities)


def test_a_grid_measures_every_model_once_and_every_pair(tones, units):
    recipes = grid(quick(), ["knn", "decision_tree"], ["action_units:svc", "none"])
    how = QUIET | {"tables": {"action_units": units}}
    run, _ = benchmark(tones, recipes, "actors", **how)
    names = [model.name for model in run.models]
    assert sorted(names) == sorted(
        [
            "mfcc_rms:knn",
            "mfcc_rms:decision_tree",
            "action_units:svc",
            "mfcc_rms:knn + action_units:svc",
            "mfcc_rms:decision_tree + action_units:svc",
        ]
    )
    fused = run.model("mfcc_rms:knn + action_units:svc")
    assert fused.parts == {"audio": "mfcc_rms:knn", "video": "action_units:svc"}
    (same,) = {fold for model in run.models for fold in [tuple(model.folds.sort_index())]}
    assert len(same) == len(tones)


def test_every_recipe_of_a_benchmark_learns_from_the_copies(tones):
    some = tones.iloc[::4]
    recipes = [quick(audio=text, copies=1) for text in ("mfcc_rms:knn", "spectral_mean_std:knn")]
    data = extract(some, recipes, **QUIET)
    copies = {key: found.clips[found.clips.str.contains("#")] for key, found in data.inputs.items()}
    assert {key: len(clips) for key, clips in copies.items()} == {
        "mfcc_rms": len(some),
        "spectral_mean_std": len(some),
    }
    assert sorted(data.extra.index) == sorted(copies["mfcc_rms"])
