import dataclasses

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.evaluation import metrics
from multimodal_ser.reports import findings


def test_uar_is_the_one_of_the_metrics(make_run):
    run = make_run()
    for model in run.models:
        score = metrics.score(model.probabilities, run.clips["emotion"])["uar"]
        assert findings.uar(model.probabilities, run.clips["emotion"]) == pytest.approx(score)


def test_actors_are_the_scores_of_their_own_clips(make_run):
    run = make_run()
    table = findings.per_actor(list(run.models), run.clips)
    own = run.clips.index[run.clips["actor"] == "01"]
    model = run.model("both")
    score = metrics.score(model.probabilities.loc[own], run.clips["emotion"])["uar"]
    assert table.loc["01", "both"] == pytest.approx(score)
    assert table["both"].is_monotonic_increasing


def test_mistakes_are_wrong_and_sorted(make_run):
    run = make_run()
    wrong = findings.mistakes(run.model("ear"), run.clips)
    assert (wrong["true"] != wrong["said"]).all()
    assert wrong["confidence"].is_monotonic_decreasing


def test_fusion_accounts_for_every_clip(make_run):
    run = make_run()
    scores = findings.summaries(run)
    found = findings.fusion(run, run.model("both"), scores)
    assert found.cases["clips"].sum() == len(run.clips)
    assert any("video missing" in case for case in found.cases.index)
    fused = findings.verdicts(run.model("both"), run.clips)["right"]
    better = findings.verdicts(found.better, run.clips)["right"]
    kinds = found.changed["kind"].value_counts()
    assert kinds.get("right", 0) - kinds.get("spoilt", 0) == fused.sum() - better.sum()
    assert found.gain == pytest.approx(scores.loc["both", "uar"] - scores.loc["ear", "uar"])
    assert 0 < found.p <= 1


def test_of_many_models_the_best_fused_one_is_drawn_with_its_parts(make_run):
    run = make_run()
    more = [dataclasses.replace(run.models[0], name=f"weak {n}") for n in range(3)]
    flat = pd.DataFrame(1 / 8, run.clips.index, run.labels)
    more = [dataclasses.replace(model, probabilities=flat) for model in more]
    large = dataclasses.replace(run, models=(*more, *run.models))
    shown = findings.shown_models(large, findings.summaries(large))
    assert [model.name for model in shown] == ["ear", "eye", "both"]
    single = dataclasses.replace(run, models=(*more, run.models[0], run.models[1]))
    shown = findings.shown_models(single, findings.summaries(single))
    assert [model.name for model in shown] == ["ear", "eye"]


def test_p_needs_shared_clips_and_labels(make_run):
    run = make_run()
    a, b = (model.probabilities for model in run.models[:2])
    assert 0 < findings.p_value(a, b, run.clips) <= 1
    assert np.isnan(findings.p_value(a, b * np.nan, run.clips))
    assert np.isnan(findings.p_value(a, b[b.columns[::-1]], run.clips))


def test_unknown_actors_are_speakers_of_their_own(make_run):
    clips = make_run().clips
    clips.loc[clips.index[0], "actor"] = pd.NA
    names = findings.actor_names(clips)
    assert names.iloc[0].startswith("clip/") and names.iloc[-1] == "set/02"
