import itertools

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import TableError
from multimodal_ser.evaluation.metrics import score
from multimodal_ser.evaluation.significance import (
    EXACT_ACTORS,
    bootstrap_interval,
    sign_flip_test,
)
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


def test_the_interval_is_of_quantiles_over_draws_of_actors():
    table, clips = case(7, lambda actor: 0.3 + 0.1 * actor)
    right = table.loc[clips.index].to_numpy().argmax(axis=1) == clips["emotion"].cat.codes
    of_actor = right.groupby(clips["actor"]).mean().to_numpy()  # 40 clips each
    drawn = of_actor[np.random.default_rng(0).integers(7, size=(1000, 7))].mean(axis=1)
    got = bootstrap_interval(table, clips, metric="war")
    np.testing.assert_allclose(got, np.quantile(drawn, [0.025, 0.975]))
    got = bootstrap_interval(table, clips, metric="war", level=0.5)
    np.testing.assert_allclose(got, np.quantile(drawn, [0.25, 0.75]))


def test_a_label_of_a_single_clip_counts_in_the_interval():
    """It is one actor's, who is in 19 of 27 draws of three; recall is 1 and 0 there."""
    rows = [dict(clip=f"{i}", actor=f"{i % 3}", emotion="sad") for i in range(6)]
    clips = make_clips([*rows, dict(clip="lone", actor="0", emotion="happy")])
    table = pd.DataFrame([[1.0, 0.0]] * 7, clips.index, ["sad", "happy"])
    np.testing.assert_allclose(bootstrap_interval(table, clips, level=0.01), (0.5, 0.5))


def test_fewer_than_three_actors_have_no_interval():
    table, clips = case(2, lambda actor: 0.6)
    assert np.isnan(bootstrap_interval(table, clips)).all()
    table, clips = case(3, lambda actor: 0.6)
    assert np.isfinite(bootstrap_interval(table, clips)).all()


def test_other_metrics_are_refused():
    table, clips = case(2, lambda actor: 0.6)
    with pytest.raises(ValueError):
        bootstrap_interval(table, clips, metric="f1")


def test_clips_that_nobody_knows_are_refused():
    table, clips = case(3, lambda actor: 0.6)
    with pytest.raises(TableError) as error:
        bootstrap_interval(table, clips.iloc[1:])
    assert "'0-00'" in str(error.value)
    unlabelled = clips.assign(emotion=None)
    with pytest.raises(TableError):
        bootstrap_interval(table, unlabelled)


def answers(right, clips):
    """A table that is right where ``right`` says so, and one label off elsewhere."""
    codes = clips["emotion"].cat.codes.to_numpy()
    said = (codes + ~np.asarray(right)) % 8
    return pd.DataFrame(np.eye(8)[said], clips.index, list(EMOTIONS))


def clips_of(counts, seed=0):
    """Clips of actors who have different numbers of clips, of random emotions."""
    rng = np.random.default_rng(seed)
    return make_clips(
        {"clip": f"{actor:02d}-{take:02d}", "actor": f"{actor:02d}", "dataset": "x"}
        | {"emotion": EMOTIONS[rng.integers(8)]}
        for actor, count in enumerate(counts)
        for take in range(count)
    )


@pytest.mark.parametrize("metric", ["uar", "war"])
class TestSignFlip:
    def test_identical_tables_do_not_differ(self, metric):
        table, clips = case(5, lambda actor: 0.6)
        assert sign_flip_test(table, table, clips, metric=metric) == (1.0, 0.0)

    def test_every_swap_of_actors_enumerated_by_scoring_them(self, metric):
        clips = clips_of([9, 14, 6, 11, 12])
        rng = np.random.default_rng(1)
        a, b = (answers(rng.random(len(clips)) < p, clips) for p in (0.75, 0.5))
        observed = score(a, clips["emotion"])[metric] - score(b, clips["emotion"])[metric]
        differences = []
        for swap in itertools.product([False, True], repeat=5):
            swapped = clips["actor"].isin([f"{i:02d}" for i in range(5) if swap[i]])
            one, two = (pd.concat([x[~swapped], y[swapped]]) for x, y in ((a, b), (b, a)))
            parts = [score(table, clips["emotion"])[metric] for table in (one, two)]
            differences.append(parts[0] - parts[1])
        expected = np.mean(np.abs(differences) >= abs(observed) - 1e-9)
        test = sign_flip_test(a, b, clips, metric=metric)
        assert test.difference == pytest.approx(observed)
        assert test.p_value == pytest.approx(expected)

    def test_swapping_the_tables_turns_the_sign_and_keeps_the_p_value(self, metric):
        clips = clips_of([10] * 20)
        rng = np.random.default_rng(2)
        a, b = (answers(rng.random(len(clips)) < p, clips) for p in (0.7, 0.6))
        one, two = (sign_flip_test(*pair, clips, metric=metric) for pair in ((a, b), (b, a)))
        assert one.p_value == two.p_value
        assert one.difference == -two.difference

    def test_without_a_difference_p_values_are_spread_evenly(self, metric):
        clips = clips_of([12] * 8)
        rng = np.random.default_rng(3)
        found = []
        for _ in range(200):
            a, b = (answers(rng.random(len(clips)) < 0.6, clips) for _ in range(2))
            found.append(sign_flip_test(a, b, clips, metric=metric).p_value)
        for level in (0.05, 0.25, 0.5):
            share = np.mean(np.array(found) <= level)
            assert share == pytest.approx(level, abs=3.5 * np.sqrt(level * (1 - level) / 200))


class TestSignFlipByHand:
    def test_three_actors_all_better(self):
        clips = clips_of([4, 4, 4])
        good, bad = answers([True] * 12, clips), answers([False] * 12, clips)
        # Of the eight assignments of signs only +++ and --- are as far as 1.
        assert sign_flip_test(good, bad, clips, metric="war") == (2 / 8, 1.0)

    def test_two_for_and_one_against(self):
        clips = clips_of([4, 4, 4])
        right = [True] * 8 + [False] * 4
        a, b = answers(right, clips), answers(np.invert(right), clips)
        # d = (1, 1, -1) / 3: every assignment gives |T| of 1/3 or 1, and T is 1/3.
        p_value, difference = sign_flip_test(a, b, clips, metric="war")
        assert p_value == 1.0
        assert difference == pytest.approx(1 / 3)

    def test_many_clips_of_one_actor_are_no_evidence(self):
        clips = clips_of([400, 2])
        good, bad = answers([True] * 402, clips), answers([False] * 402, clips)
        assert sign_flip_test(good, bad, clips, metric="war").p_value == 0.5


def test_drawn_and_exact_p_values_agree():
    clips = clips_of([10] * (EXACT_ACTORS + 1))
    rng = np.random.default_rng(4)
    a, b = (answers(rng.random(len(clips)) < p, clips) for p in (0.65, 0.55))
    right = [(t.to_numpy().argmax(1) == clips["emotion"].cat.codes) for t in (a, b)]
    parts = (right[0].astype(int) - right[1]).groupby(clips["actor"]).sum().to_numpy()
    signs = np.array(list(itertools.product([-1, 1], repeat=len(parts))))
    exact = np.mean(np.abs(signs @ parts) >= abs(parts.sum()))
    drawn = sign_flip_test(a, b, clips, metric="war", n_draws=20000)
    assert drawn.p_value == pytest.approx(exact, abs=0.015)
    again = sign_flip_test(a, b, clips, metric="war", n_draws=20000)
    assert drawn == again


@pytest.mark.parametrize(("n_actors", "p_value"), [(14, 2 / 2**14), (15, 1 / 100)])
def test_up_to_14_actors_every_assignment_is_counted(n_actors, p_value):
    clips = clips_of([2] * n_actors)
    n_clips = 2 * n_actors
    good, bad = answers([True] * n_clips, clips), answers([False] * n_clips, clips)
    assert sign_flip_test(good, bad, clips, n_draws=99).p_value == p_value


def test_ten_thousand_draws_of_seed_0_are_the_default():
    clips = clips_of([4] * 20)
    rng = np.random.default_rng(8)
    a, b = (answers(rng.random(len(clips)) < 0.5, clips) for _ in range(2))
    got = sign_flip_test(a, b, clips)
    assert got == sign_flip_test(a, b, clips, n_draws=10000, seed=0)
    assert (got.p_value * 10001) % 1 == pytest.approx(0, abs=1e-6)
    assert got != sign_flip_test(a, b, clips, seed=1)
    assert sign_flip_test(a, b, clips, n_draws=1).p_value in (0.5, 1)


@pytest.mark.parametrize("metric", ["uar", "war"])
def test_a_single_clip_counts_whole(metric):
    clips = clips_of([1])
    good, bad = answers([True], clips), answers([False], clips)
    assert sign_flip_test(good, bad, clips, metric=metric).difference == 1


def test_a_label_of_a_single_clip_counts_in_the_difference():
    rows = [dict(clip=f"{i}", actor=f"{i % 2}", emotion="sad") for i in range(4)]
    clips = make_clips([*rows, dict(clip="lone", actor="0", emotion="happy")])
    a = pd.DataFrame([[1.0, 0.0]] * 5, clips.index, ["sad", "happy"])
    b = pd.DataFrame([[1.0, 0.0]] * 4 + [[0.0, 1.0]], [*clips.index[:4], "lone"], a.columns)
    assert sign_flip_test(b, a, clips).difference == pytest.approx(1 / 2)


def test_a_drawn_p_value_is_never_0():
    clips = clips_of([4] * 24)
    good, bad = answers([True] * 96, clips), answers([False] * 96, clips)
    assert sign_flip_test(good, bad, clips, n_draws=99).p_value == 1 / 100


def test_the_order_of_rows_does_not_matter():
    clips = clips_of([10] * 6)
    rng = np.random.default_rng(5)
    a, b = (answers(rng.random(len(clips)) < p, clips) for p in (0.7, 0.5))
    one, two = sign_flip_test(a, b, clips), sign_flip_test(a[::-1], b.sample(frac=1), clips[::-1])
    assert one.p_value == two.p_value
    assert one.difference == pytest.approx(two.difference)


def test_clips_missing_in_one_model_are_left_out_of_both():
    clips = clips_of([10] * 6)
    rng = np.random.default_rng(6)
    a, b = (answers(rng.random(len(clips)) < p, clips) for p in (0.7, 0.5))
    gappy = a.copy()
    gappy.iloc[::3] = np.nan
    kept = a.index[~gappy.isna().any(axis=1)]
    assert sign_flip_test(gappy, b, clips) == sign_flip_test(a.loc[kept], b.loc[kept], clips)
    nothing = sign_flip_test(a * np.nan, b, clips)
    assert np.isnan(nothing).all()


def test_one_actor_gives_a_difference_and_no_p_value():
    clips = clips_of([8])
    test = sign_flip_test(answers([True] * 8, clips), answers([False] * 8, clips), clips)
    assert np.isnan(test.p_value)
    assert test.difference == 1


def test_bad_input_of_the_test_is_refused():
    table, clips = case(3, lambda actor: 0.6)
    with pytest.raises(TableError) as error:
        sign_flip_test(table, table.iloc[1:], clips)
    assert "'0-00'" in str(error.value)
    with pytest.raises(TableError):
        sign_flip_test(table, table[list(EMOTIONS[::-1])], clips)
    with pytest.raises(TableError):
        sign_flip_test(table, table * 2, clips)
    with pytest.raises(TableError):
        sign_flip_test(table, table, clips.iloc[1:])
    with pytest.raises(ValueError):
        sign_flip_test(table, table, clips, metric="ece")
    with pytest.raises(ValueError):
        sign_flip_test(table, table, clips, n_draws=0)
