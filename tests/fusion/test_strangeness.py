"""Confidence that falls with distance."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.fusion import calibration, strangeness
from multimodal_ser.fusion.numeric import normalise

LABELS = ["happy", "sad", "angry"]


@pytest.fixture(scope="module")
def said():
    """Answers that are right near by, and as sure and wrong far away."""
    rng = np.random.default_rng(0)
    count = 3000
    far = rng.random(count) < 0.5
    codes = rng.integers(0, 3, count)
    scores = rng.normal(size=(count, 3))
    scores[np.arange(count), np.where(far, rng.integers(0, 3, count), codes)] += 2.5
    clips = pd.Index([f"c{k}" for k in range(count)])
    table = pd.DataFrame(normalise(scores), clips, LABELS)
    signs = pd.DataFrame({"distance": np.exp(far + rng.normal(0, 0.1, count))}, clips)
    truth = pd.Series(np.array(LABELS, dtype=object)[codes], clips)
    return table, truth, signs, pd.Series(far, clips)


def test_it_calibrates_near_and_far_where_one_temperature_cannot(said):
    table, truth, signs, far = said
    found = strangeness.fit(table, truth, signs, far, ~far)
    temperatures = found.temperatures(signs.to_numpy())
    softened = calibration.soften(table, found.distances(signs.to_numpy()))
    assert (temperatures <= strangeness.MOST).all() and temperatures[~far].mean() < 1.1
    one = calibration.soften(table, calibration.fit_temperature(table, truth))
    for where in (far, ~far):
        right = (table[where].idxmax(axis=1) == truth[where]).mean()
        gap = abs(softened[where].max(axis=1).mean() - right)
        assert gap < 0.05 < abs(one[where].max(axis=1).mean() - right)
    assert (softened.idxmax(axis=1) == table.idxmax(axis=1)).all()


def test_one_in_a_hundred_at_home_is_strange_and_most_far_away(said):
    table, truth, signs, far = said
    found = strangeness.fit(table, truth, signs, far, ~far)
    strange = found.strange(signs.to_numpy())
    assert strange[~far].mean() == pytest.approx(0.01, abs=0.003)
    assert strange[far].mean() > 0.95


def test_distance_that_says_nothing_or_the_contrary_is_not_used(said):
    table, truth, signs, far = said
    turned = 1 / signs
    found = strangeness.fit(table, truth, turned, far, ~far)
    assert found.weights == (0.0,)
    np.testing.assert_allclose(found.distances(signs.to_numpy()), np.exp(found.bias))


def test_far_beyond_all_that_is_known_nothing_is_sure_but_for_the_bound():
    found = strangeness.Strangeness((0.0,), (1.0,), (1.0,), 0.0, 2.0, most=20.0)
    sure = pd.DataFrame([[0.98, 0.01, 0.01]], ["a"], LABELS)
    temperature = found.temperatures(np.array([[1e9]]))
    assert calibration.soften(sure, temperature).to_numpy().max() < 0.42
    assert found.temperatures(np.array([[np.nan]])).tolist() == [1.0]
