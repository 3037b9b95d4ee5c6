import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import TableError
from multimodal_ser.evaluation.adaptation import per_speaker
from multimodal_ser.tables import EMOTIONS, Features, make_clips


@pytest.fixture
def clips():
    rows = [
        {"clip": f"{actor}-{take}", "dataset": "x", "actor": f"{actor:02d}"}
        | {"emotion": EMOTIONS[take % 8]}
        for actor in range(3)
        for take in range(10)
    ]
    return make_clips(rows)


@pytest.fixture
def features(clips):
    rng = np.random.default_rng(0)
    offsets = 100 * clips["actor"].astype(int).to_numpy()[:, None]
    values = offsets + rng.standard_normal((30, 4)) * [1, 5, 0.1, 20]
    return Features(clips.index, values.astype("f4"), tuple("abcd"))


def test_each_speaker_has_mean_0_and_deviation_1(features, clips):
    values = per_speaker(features, clips).values
    for actor in ("00", "01", "02"):
        rows = values[(clips["actor"] == actor).to_numpy()]
        np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(rows.std(axis=0), 1, atol=1e-4)
    assert values.dtype == np.float32


def test_labels_are_not_looked_at(features, clips):
    shuffled = clips["emotion"].to_numpy()[np.random.default_rng(1).permutation(len(clips))]
    for labels in (shuffled, None):
        other = per_speaker(features, clips.assign(emotion=labels))
        np.testing.assert_array_equal(other.values, per_speaker(features, clips).values)


def test_other_speakers_clips_do_not_matter(features, clips):
    own = clips.index[clips["actor"] == "01"]
    moved = features.values.copy()
    moved[(clips["actor"] != "01").to_numpy()] *= 7
    other = per_speaker(Features(clips.index, moved, features.names), clips)
    alone = per_speaker(Features(own, features.take(own), features.names), clips)
    expected = per_speaker(features, clips).take(own)
    np.testing.assert_array_equal(other.take(own), expected)
    np.testing.assert_array_equal(alone.values, expected)


def test_the_order_of_rows_does_not_matter(features, clips):
    order = np.random.default_rng(2).permutation(len(clips))
    turned = Features(features.clips[order], features.values[order], features.names)
    there = per_speaker(turned, clips.iloc[::-1]).take(clips.index)
    np.testing.assert_allclose(there, per_speaker(features, clips).values, atol=1e-5)


def test_two_data_sets_may_both_have_an_actor_01(features, clips):
    split = clips.copy()
    split.loc[split.index[:5], "dataset"] = "y"
    values = per_speaker(features, split).values
    np.testing.assert_allclose(values[:5].mean(axis=0), 0, atol=1e-4)


def test_what_does_not_vary_and_who_has_one_clip_become_0(features, clips):
    values = features.values.copy()
    values[:, 1] = 3.3
    table = Features(clips.index, values, features.names)
    assert (per_speaker(table, clips).values[:, 1] == 0).all()
    unknown = clips.assign(actor=pd.NA)
    assert (per_speaker(features, unknown).values == 0).all()


def test_missing_values_stay_missing_and_do_not_count(features, clips):
    values = features.values.copy()
    values[3] = np.nan
    adapted = per_speaker(Features(clips.index, values, features.names), clips).values
    assert np.isnan(adapted[3]).all()
    assert np.isfinite(np.delete(adapted, 3, axis=0)).all()
    np.testing.assert_allclose(np.nanmean(adapted[:10], axis=0), 0, atol=1e-4)


def test_a_clip_that_is_not_in_the_table_is_named(features, clips):
    with pytest.raises(TableError) as error:
        per_speaker(features, clips.drop(index="0-0"))
    assert "0-0" in str(error.value)
