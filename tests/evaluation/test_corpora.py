"""Scores by data set are those of its clips alone."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.evaluation import corpora, metrics, protocol
from multimodal_ser.tables import EMOTIONS, labels, make_clips


def answers(seed=0):
    """Answers about two data sets, one of four actors and one of two."""
    rows = [
        {"clip": f"{name}-{actor}-{emotion}-{take}", "dataset": name, "actor": str(actor)}
        | {"emotion": emotion}
        for name, n_actors in (("many", 4), ("two", 2))
        for actor in range(n_actors)
        for emotion in EMOTIONS
        for take in range(3)
    ]
    clips = make_clips(rows)
    values = np.random.default_rng(seed).dirichlet(np.ones(8), len(clips))
    values += 0.3 * np.eye(8)[clips["emotion"].cat.codes]
    values /= values.sum(axis=1, keepdims=True)
    return pd.DataFrame(values, clips.index, list(EMOTIONS)), clips


@pytest.fixture(scope="module")
def scored():
    table, clips = answers()
    return corpora.by_data_set(table, clips).set_index("data_set"), table, clips


def test_each_row_is_the_summary_of_its_clips(scored):
    found, table, clips = scored
    assert found.index.tolist() == ["all", "many", "two"]
    for name, row in found.iterrows():
        part = clips if name == "all" else clips[clips["dataset"] == name]
        expected = protocol.summary(table.loc[part.index], part)
        for metric in ("uar", "war", "ece", "nll", "n"):
            assert row[metric] == expected[metric], (name, metric)
    assert (
        found.loc["many", "uar_low"]
        == protocol.summary(table.loc[clips["dataset"] == "many"], clips)["uar_low"]
    )


def test_intervals_of_two_actors_are_over_clips_and_say_so(scored):
    found, table, clips = scored
    assert found["interval_over"].to_dict() == {"all": "actors", "many": "actors", "two": "clips"}
    row = found.loc["two"]
    assert row["uar_low"] < row["uar"] < row["uar_high"]
    part = clips[clips["dataset"] == "two"]
    assert np.isnan(protocol.summary(table.loc[part.index], part)["uar_low"])


def test_four_classes_are_those_of_the_scheme_and_their_probabilities_sums(scored):
    found, table, clips = scored
    part = labels.relabel(clips[clips["dataset"] == "many"], "emotions4")
    four = labels.under(table.loc[part.index], "emotions4")
    expected = metrics.score(four, part["emotion"])
    for metric in ("uar", "war", "ece", "n"):
        assert found.loc["many", f"{metric}4"] == expected[metric]


def test_without_the_four_classes_there_is_no_score_of_them():
    table, clips = answers()
    happy = clips[clips["emotion"] != "sad"]
    found = corpora.by_data_set(table.loc[happy.index], happy)
    assert found[["uar4", "uar_low4", "n4"]].isna().all(axis=None) and found["uar"].notna().all()
