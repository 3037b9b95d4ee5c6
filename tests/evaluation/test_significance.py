import numpy as np
import pandas as pd
import pytest

from multimodal_ser.evaluation.metrics import score
from multimodal_ser.evaluation.significance import bootstrap_interval
from multimodal_ser.tables import EMOTIONS, make_clips


def case(actors, accuracy_of):
    rng = np.random.default_rng(0)
    rows, values = [], []
    for actor in range(actors):
        for code, emotion in enumerate(EMOTIONS * 5):
            row = {"clip": f"{actor}-{code:02d}", "actor": str(actor), "dataset": "x"}
            rows.append(row | {"emotion": emotion})
            right = rng.random() < accuracy_of(actor)
            values.append(np.eye(8)[(code % 8 + (not right)) % 8])
    clips = make_clips(rows)
    index = pd.Index([row["clip"] for row in rows], name="clip")
    return pd.DataFrame(values, index, list(EMOTIONS)), clips


@pytest.mark.parametrize("metric", ["uar", "war"])
def test_the_interval_holds_the_score(metric):
    table, clips = case(12, lambda actor: 0.6)
    low, high = bootstrap_interval(table, clips, metric=metric)
    assert low < score(table, clips["emotion"])[metric] < high


def test_actors_who_differ_widen_the_interval_more_than_clips_would():
    alike, clips = case(10, lambda actor: 0.5)
    unlike, _ = case(10, lambda actor: float(actor % 2))
    narrow = np.diff(bootstrap_interval(alike, clips))
    assert np.diff(bootstrap_interval(unlike, clips)) > 2 * narrow


def test_the_seed_decides():
    table, clips = case(6, lambda actor: 0.6)
    assert bootstrap_interval(table, clips, seed=1) == bootstrap_interval(table, clips, seed=1)
    assert bootstrap_interval(table, clips, seed=1) != bootstrap_interval(table, clips, seed=2)


def test_one_actor_has_no_interval():
    table, clips = case(1, lambda actor: 0.6)
    assert np.isnan(bootstrap_interval(table, clips)).all()


def test_other_metrics_are_refused():
    table, clips = case(2, lambda actor: 0.6)
    with pytest.raises(ValueError, match="'uar' or 'war'"):
        bootstrap_interval(table, clips, metric="f1")
