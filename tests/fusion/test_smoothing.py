"""Smoothing over time, against the sum over all paths and what must hold whatever is said."""

import itertools

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError
from multimodal_ser.fusion.smoothing import Smoothing, parse, smooth

LABELS = ["sad", "happy", "angry"]


def case(n=5, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.dirichlet(np.ones(3), n), [f"a#{i}" for i in range(n)], LABELS)
    starts = np.cumsum(rng.uniform(1, 4, n))
    return table, starts, starts + rng.uniform(0.3, 1, n)


def over_all_paths(table, starts, ends, seconds):
    """The posterior of each label by summing the probability of every sequence of labels."""
    middle, n = (starts + ends) / 2, len(table)
    values, total = table.to_numpy(), np.zeros(table.shape)
    for path in itertools.product(range(3), repeat=n):
        weight = values[0, path[0]]
        for at in range(1, n):
            stays = np.exp(-(middle[at] - middle[at - 1]) / seconds)
            weight *= stays * (path[at] == path[at - 1]) + (1 - stays) / 3
            weight *= values[at, path[at]]
        for at in range(n):
            total[at, path[at]] += weight
    return total / total.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_posterior_of_the_model(seed):
    table, starts, ends = case(seed=seed)
    got = smooth(table, starts, ends, Smoothing(3.0))
    np.testing.assert_allclose(got, over_all_paths(table, starts, ends, 3.0), atol=1e-12)


@pytest.mark.parametrize("last", range(1, 6))
def test_a_filter_is_the_smoother_of_what_was_heard_so_far(last):
    table, starts, ends = case()
    causal = smooth(table, starts, ends, Smoothing(3.0, causal=True))
    so_far = smooth(table[:last], starts[:last], ends[:last], Smoothing(3.0))
    np.testing.assert_allclose(causal.iloc[last - 1], so_far.iloc[-1], atol=1e-12)


def test_the_smoother_does_not_know_which_way_time_goes():
    table, starts, ends = case()
    got = smooth(table, starts, ends, Smoothing(3.0))
    back = smooth(table[::-1], -ends[::-1], -starts[::-1], Smoothing(3.0))[::-1]
    np.testing.assert_allclose(got, back, atol=1e-12)


def test_segments_far_apart_do_not_matter_to_each_other():
    table, starts, ends = case()
    apart = 1e4 * np.arange(5)
    got = smooth(table, apart, apart + (ends - starts), Smoothing(3.0))
    np.testing.assert_allclose(got, table, atol=1e-12)


def test_what_is_heard_twice_counts_once():
    table, _, _ = case(2)
    same = pd.concat([table.iloc[[0]]] * 4)
    got = smooth(same, np.full(4, 1.0), np.full(4, 3.0), Smoothing(1e3))
    np.testing.assert_allclose(got, same, atol=1e-9)


def test_missing_rows_stay_missing_and_do_not_count():
    table, starts, ends = case()
    holed = table.copy()
    holed.iloc[2] = np.nan
    got = smooth(holed, starts, ends, Smoothing(3.0))
    keep = [0, 1, 3, 4]
    expected = smooth(table.iloc[keep], starts[keep], ends[keep], Smoothing(3.0))
    assert got.iloc[2].isna().all()
    np.testing.assert_allclose(got.iloc[keep], expected, atol=1e-12)
    nothing = smooth(table * np.nan, starts, ends, Smoothing(3.0))
    assert nothing.isna().all(axis=None)


def test_hours_of_segments_do_not_run_out_of_numbers():
    table, *_ = case(20_000)
    starts = np.arange(20_000) * 2.0
    got = smooth(table, starts, starts + 2, Smoothing(30.0)).to_numpy()
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-9)
    certain = pd.DataFrame([[1.0, 0, 0], [0, 1.0, 0]] * 100, columns=LABELS)
    starts = np.arange(200) * 2.0
    assert smooth(certain, starts, starts + 2, Smoothing(1e4)).notna().all(axis=None)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "5,live", "a", "inf"])
def test_what_is_no_smoothing_is_refused(text):
    with pytest.raises(SerError):
        parse(text)


def test_texts_and_numbers_ask_for_smoothing():
    assert parse("none") is parse(None) is None
    assert parse(5) == parse("5") == parse(Smoothing(5.0)) == Smoothing(5.0)
