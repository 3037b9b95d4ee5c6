"""Prediction sets: coverage on actors never met, nested sets, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from multimodal_ser.errors import SerError
from multimodal_ser.fusion import sets

LABELS = ["sad", "calm", "happy", "angry"]


def simulated(rng, n_actors: int, clips: int = 6):
    """Probabilities that are right, surer or less sure by actor, of unequal numbers of clips."""
    actors = np.repeat(np.arange(n_actors), rng.integers(1, 2 * clips, n_actors))
    skill = rng.uniform(-0.5, 2.5, n_actors)[actors]
    codes = rng.integers(0, len(LABELS), len(actors))
    scores = rng.standard_normal((len(actors), len(LABELS)))
    scores[np.arange(len(codes)), codes] += skill
    values = np.exp(2 * scores)
    index = pd.Index([f"{at:04}" for at in range(len(actors))], name="clip")
    table = pd.DataFrame(values / values.sum(1, keepdims=True), index, LABELS)
    return table, pd.Series(np.array(LABELS)[codes], index), pd.Series(actors, index)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_new_actors_are_covered_as_often_as_stated(coverage):
    """One clip of one new actor a time: a trial of its own, whatever actors share."""
    rng, covered, trials = np.random.default_rng(0), 0, 400
    for _ in range(trials):
        table, truth, actors = simulated(rng, 20)
        new = actors == 19
        found = sets.fit({"audio": table[~new]}, truth, actors)
        clip = rng.choice(table.index[new])
        scores = sets.true_scores(table.loc[[clip]], truth)
        covered += scores.item() <= found.threshold("audio", coverage)
    low, high = binom.interval(0.999, trials, coverage)
    assert low <= covered <= high + trials / 20  # and no more beyond than one actor's mass


def test_sets_grow_with_coverage_and_hold_the_best_label():
    table, truth, actors = simulated(np.random.default_rng(1), 40)
    found = sets.fit({"fused": table}, truth, actors)
    assert list(found.thresholds["fused"]) == sorted(found.thresholds["fused"])
    before = pd.DataFrame(False, table.index, LABELS)
    for coverage in sets.COVERAGES:
        chosen = sets.members(table, found.threshold("fused", coverage))
        assert (chosen | ~before).all(axis=None)
        assert chosen.to_numpy()[np.arange(len(table)), table.to_numpy().argmax(1)].all()
        before = chosen
    assert before.all(axis=None), "40 actors cannot tell 99 % from all"


def test_each_actor_weighs_the_same():
    scores = pd.Series([0.1] * 50 + [0.6, 0.7, 0.8])
    actors = pd.Series(["a"] * 50 + ["b", "c", "d"])
    assert sets.quantiles(scores, actors, (0.2, 0.4, 0.6, 0.8, 0.81)) == [0.1, 0.6, 0.7, 0.8, 1.0]


def test_the_order_of_the_clips_does_not_matter():
    table, truth, actors = simulated(np.random.default_rng(2), 12)
    mixed = table.sample(frac=1, random_state=0)
    assert sets.fit({"audio": table}, truth, actors) == sets.fit({"audio": mixed}, truth, actors)


def test_missing_rows_have_no_set_and_do_not_count():
    table, truth, actors = simulated(np.random.default_rng(3), 12)
    gone = table.copy()
    gone.iloc[::2] = np.nan
    rest = sets.fit({"audio": table.iloc[1::2]}, truth, actors)
    assert sets.fit({"audio": gone}, truth, actors) == rest
    chosen = sets.members(gone, 1.0)
    assert not chosen.iloc[::2].any(axis=None) and chosen.iloc[1::2].all(axis=None)
    assert set(sets.as_text(gone, chosen).iloc[::2]) == {""}
    assert sets.measure(chosen, truth, actors) == {"coverage": 1.0, "size": 4.0}


def test_coverage_is_measured_over_actors():
    table = pd.DataFrame([[0.9, 0.1]] * 4, list("abcd"), LABELS[:2])
    truth = pd.Series(["sad", "sad", "sad", "calm"], table.index)
    actors = pd.Series(list("xxxy"), table.index)
    assert sets.measure(sets.members(table, 0.2), truth, actors)["coverage"] == 0.5


def test_nothing_to_learn_from_gives_no_sets():
    table, truth, actors = simulated(np.random.default_rng(4), 4)
    assert sets.fit({"audio": table * np.nan}, truth, actors) is None
    assert sets.fit({}, truth, actors) is None


@pytest.mark.parametrize("coverage", [0.0, 0.49, 0.995, 1.0, 90, float("nan")])
def test_coverages_that_are_not_kept_are_refused(coverage):
    table, truth, actors = simulated(np.random.default_rng(5), 4)
    with pytest.raises(SerError):
        sets.fit({"audio": table}, truth, actors).threshold("audio", coverage)


def test_an_answer_that_was_not_calibrated_has_every_label():
    table, truth, actors = simulated(np.random.default_rng(6), 12)
    assert sets.fit({"audio": table}, truth, actors).threshold("video", 0.5) == 1.0
