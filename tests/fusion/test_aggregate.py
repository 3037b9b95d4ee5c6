import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import UnknownName
from multimodal_ser.fusion import aggregate
from multimodal_ser.tables import FRAME_INDEX, check_probabilities

LABELS = ["sad", "happy", "angry"]


def frames(**clips):
    rows = {
        (clip, 20 * at, at / 1.5): row
        for clip, rows in clips.items()
        for at, row in enumerate(rows)
    }
    index = pd.MultiIndex.from_tuples(list(rows), names=list(FRAME_INDEX))
    return pd.DataFrame(list(rows.values()), index, LABELS)


@pytest.mark.parametrize("method", aggregate.NAMES)
class TestEveryMethod:
    def test_rows_sum_to_1_in_order_of_appearance(self, method):
        table = frames(b=[[0.2, 0.5, 0.3], [0.6, 0.4, 0.0], [0, 0, 1]], a=[[1, 0, 0]])
        pooled = check_probabilities(aggregate.pool_frames(table, method), LABELS)
        assert list(pooled.index) == ["b", "a"]

    def test_one_frame_is_its_clip(self, method):
        pooled = aggregate.pool_frames(frames(a=[[0.2, 0.5, 0.3]]), method)
        np.testing.assert_allclose(pooled.loc["a"], [0.2, 0.5, 0.3], atol=1e-6)

    def test_the_order_of_frames_does_not_matter(self, method):
        table = frames(a=[[0.2, 0.5, 0.3], [0.6, 0.4, 0.0], [0.1, 0.1, 0.8]])
        one, two = (aggregate.pool_frames(t, method) for t in (table, table[::-1]))
        np.testing.assert_allclose(one, two)

    def test_frames_without_a_face_do_not_count(self, method):
        gap = [np.nan] * 3
        one = aggregate.pool_frames(frames(a=[[0.2, 0.5, 0.3], gap]), method)
        two = aggregate.pool_frames(frames(a=[[0.2, 0.5, 0.3]]), method)
        pd.testing.assert_frame_equal(one, two)

    def test_a_clip_of_such_frames_alone_is_missing(self, method):
        pooled = aggregate.pool_frames(frames(a=[[np.nan] * 3], b=[[1, 0, 0]]), method)
        assert pooled.loc["a"].isna().all()
        assert pooled.loc["b"].notna().all()


def test_the_mean_and_the_geometric_mean_are_what_they_say():
    rows = [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]
    mean = aggregate.pool_frames(frames(a=rows), "mean").loc["a"]
    np.testing.assert_allclose(mean, np.mean(rows, axis=0))
    product = aggregate.pool_frames(frames(a=rows), "log_pool").loc["a"]
    expected = np.sqrt(np.prod(rows, axis=0))
    np.testing.assert_allclose(product, expected / expected.sum())


def test_without_a_word_it_is_the_mean():
    rows = [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]
    np.testing.assert_allclose(aggregate.pool_frames(frames(a=rows)).loc["a"], np.mean(rows, 0))


def test_the_median_ignores_one_wild_frame():
    rows = [[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0, 0, 1]]
    pooled = aggregate.pool_frames(frames(a=rows), "median").loc["a"]
    np.testing.assert_allclose(pooled, [0.7, 0.1, 0.1] / np.float64(0.9))


def test_another_method_is_refused():
    with pytest.raises(UnknownName) as error:
        aggregate.pool_frames(frames(a=[[1, 0, 0]]), "max")
    assert "mean, median, log_pool, attention" in str(error.value)


def test_attention_listens_to_the_frames_that_say_something():
    table = frames(a=[[0.9, 0.05, 0.05], [0.3, 0.4, 0.3]])
    by_mean = aggregate.pool_frames(table, "mean").loc["a", "sad"]
    told = aggregate.pool_frames(table, "attention").loc["a", "sad"]
    assert by_mean + 0.1 < told < 0.9
    # A frame of no certainty counts 1, one of full certainty e^3.
    sure = frames(a=[[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    expected = (np.exp(3) + 1 / 3) / (np.exp(3) + 1)
    assert aggregate.pool_frames(sure, "attention").loc["a", "sad"] == pytest.approx(expected)
    alike = frames(a=[[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    np.testing.assert_allclose(
        aggregate.pool_frames(alike, "attention"), aggregate.pool_frames(alike, "mean")
    )
