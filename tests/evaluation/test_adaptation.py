import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import ModelError, SerError, TableError
from multimodal_ser.evaluation import adaptation
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


def per_person(features, clips):
    return adaptation.adapted(features, clips, "person")


def test_each_person_has_mean_0_and_deviation_1(features, clips):
    values = per_person(features, clips).values
    for actor in ("00", "01", "02"):
        rows = values[(clips["actor"] == actor).to_numpy()]
        np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(rows.std(axis=0), 1, atol=1e-4)
    assert values.dtype == np.float32


def test_labels_are_not_looked_at(features, clips):
    shuffled = clips["emotion"].to_numpy()[np.random.default_rng(1).permutation(len(clips))]
    for labels in (shuffled, None):
        other = per_person(features, clips.assign(emotion=labels))
        np.testing.assert_array_equal(other.values, per_person(features, clips).values)


def test_other_speakers_clips_do_not_matter(features, clips):
    own = clips.index[clips["actor"] == "01"]
    moved = features.values.copy()
    moved[(clips["actor"] != "01").to_numpy()] *= 7
    other = per_person(Features(clips.index, moved, features.names), clips)
    alone = per_person(Features(own, features.take(own), features.names), clips)
    expected = per_person(features, clips).take(own)
    np.testing.assert_array_equal(other.take(own), expected)
    np.testing.assert_array_equal(alone.values, expected)


def test_the_order_of_rows_does_not_matter(features, clips):
    order = np.random.default_rng(2).permutation(len(clips))
    turned = Features(features.clips[order], features.values[order], features.names)
    there = per_person(turned, clips.iloc[::-1]).take(clips.index)
    np.testing.assert_allclose(there, per_person(features, clips).values, atol=1e-5)


def test_two_data_sets_may_both_have_an_actor_01(features, clips):
    split = clips.copy()
    split.loc[split.index[:5], "dataset"] = "y"
    values = per_person(features, split).values
    np.testing.assert_allclose(values[:5].mean(axis=0), 0, atol=1e-4)


def test_what_does_not_vary_and_who_has_one_clip_become_0(features, clips):
    values = features.values.copy()
    values[:, 1] = 3.3
    table = Features(clips.index, values, features.names)
    assert (per_person(table, clips).values[:, 1] == 0).all()
    alone = clips.assign(actor=[str(at) for at in range(len(clips))])
    assert (per_person(features, alone).values == 0).all()


def test_missing_values_stay_missing_and_do_not_count(features, clips):
    values = features.values.copy()
    values[3] = np.nan
    adapted = per_person(Features(clips.index, values, features.names), clips).values
    assert np.isnan(adapted[3]).all()
    assert np.isfinite(np.delete(adapted, 3, axis=0)).all()
    np.testing.assert_allclose(np.nanmean(adapted[:10], axis=0), 0, atol=1e-4)


def test_a_clip_that_is_not_in_the_table_is_named(features, clips):
    with pytest.raises(TableError):
        per_person(features, clips.drop(index="0-0"))


def test_a_set_has_mean_0_and_deviation_1_as_a_whole(features, clips):
    split = clips.assign(dataset=np.where(clips["actor"] == "02", "y", "x"))
    values = adaptation.adapted(features, split, "set").values
    for rows in (split["dataset"] == "x", split["dataset"] == "y"):
        part = values[rows.to_numpy()]
        np.testing.assert_allclose(part.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(part.std(axis=0), 1, atol=1e-4)
    actor = values[(clips["actor"] == "00").to_numpy()]
    assert abs(actor[:, 0].mean()) > 0.5  # the set's mean, not the person's


def test_none_leaves_features_as_they_are(features, clips):
    assert adaptation.adapted(features, clips, "none") is features


@pytest.mark.parametrize("how", ["person", "set"])
@pytest.mark.parametrize("size", [1, 4, 30])
def test_statistics_in_chunks_equal_whole_ones(features, clips, how, size):
    values = features.values.copy()
    values[7, 2] = np.nan
    features = Features(clips.index, values, features.names)
    known = adaptation.Statistics()
    order = np.random.default_rng(3).permutation(len(clips))
    for start in range(0, len(order), size):
        part = order[start : start + size]
        known.add(Features(clips.index[part], values[part], features.names), clips, how)
    found = known.normalise(features, clips, how).values
    np.testing.assert_allclose(
        found, adaptation.adapted(features, clips, how).values, rtol=1e-5, atol=1e-5
    )


def test_adapting_to_a_person_needs_to_know_whose_a_clip_is(features, clips):
    unknown = clips.assign(actor=clips["actor"].where(clips.index != "0-0"))
    with pytest.raises(SerError):
        adaptation.groups(unknown, "person")
    with pytest.raises(SerError):
        per_person(features, unknown)
    assert set(adaptation.groups(unknown, "set")) == {"x"}


def test_too_few_clips_to_know_a_person_or_a_set_by_are_refused(clips):
    least = adaptation.LEAST_CLIPS
    own = clips[clips["actor"] == "01"]
    for how in ("person", "set"):
        adaptation.check_counts(own.iloc[:least], how)
        with pytest.raises(SerError):
            adaptation.check_counts(own.iloc[: least - 1], how)
    rest = pd.concat([clips[clips["actor"] == "00"], own.iloc[:1]])
    with pytest.raises(SerError):
        adaptation.check_counts(rest, "person")
    adaptation.check_counts(rest, "set")


def shrunk(features, clips, reference, strength=adaptation.STRENGTH_CLIPS, of=None):
    """Each person by the statistics of their clips, or of some of them."""
    known = adaptation.Statistics()
    part = clips if of is None else clips.loc[of]
    known.add(Features(part.index, features.take(part.index), features.names), clips, "person")
    return known.normalise(features, clips, "person", reference, strength).values


REFERENCE = adaptation.Reference(np.float32([3, -1, 0.2, 50]), np.float32([2, 4, 0.1, 9]))


def test_shrunk_values_are_those_of_the_formula(features, clips):
    """An oracle, value by value, in plain arithmetic."""
    found = shrunk(features, clips, REFERENCE, 4.0)
    own = features.values[:10, 2].astype(float)
    mean, deviation = REFERENCE.mean[2].astype(float), REFERENCE.deviation[2].astype(float)
    middle = (own.sum() + 4 * mean) / 14
    variance = (((own - own.mean()) ** 2).sum() + 4 * deviation**2) / 13
    expected = (own - middle) / variance**0.5 * deviation + mean
    np.testing.assert_allclose(found[:10, 2], expected, rtol=1e-5)


def test_a_persons_shift_and_scale_vanish_with_many_clips_and_little_strength(features, clips):
    theirs = (clips["actor"] == "01").to_numpy()
    moved = features.values.astype(float)
    moved[theirs] = 3 * moved[theirs] + 40
    moved = Features(clips.index, np.float32(moved), features.names)
    before, after = (shrunk(one, clips, REFERENCE, 1e-6) for one in (features, moved))
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(before[theirs].mean(axis=0), REFERENCE.mean, rtol=1e-3)
    # With the training clips counting for as much, some of it stays.
    assert np.abs(shrunk(moved, clips, REFERENCE, 10.0) - before)[theirs].max() > 1


def test_few_clips_change_little_and_none_nothing(features, clips):
    for of in ([], ["0-0", "1-3", "2-9"]):
        found = shrunk(features, clips, REFERENCE, 1e7, of)
        np.testing.assert_allclose(found, features.values, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(shrunk(features, clips, REFERENCE, of=[]), features.values)
    # One clip moves by its share towards the mean; what it says of the spread is nothing.
    one = shrunk(features, clips, REFERENCE, 3.0, ["1-3"])
    at = clips.index.get_loc("1-3")
    expected = REFERENCE.mean + 0.75 * (features.values[at] - REFERENCE.mean)
    np.testing.assert_allclose(one[at], expected, rtol=1e-4)


def test_what_does_not_vary_stays_finite(features, clips):
    values = features.values.copy()
    values[:, 1] = 3.3  # not in the training clips
    values[:10, 2] = 0.7  # not in a person's
    flat = Features(clips.index, values, features.names)
    reference = adaptation.Reference.of(values)
    assert reference.deviation[1] == 0
    for of in (clips.index, ["0-0"]):
        found = shrunk(flat, clips, reference, 1e-9, of)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found[:, 1], 3.3, rtol=1e-6)


def test_a_missing_value_does_not_count_for_a_reference_either(features, clips):
    values = features.values.copy()
    values[3] = np.nan
    found = adaptation.Reference.of(values)
    rest = np.delete(values, 3, axis=0)
    np.testing.assert_allclose(found.mean, rest.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.deviation, rest.std(axis=0), rtol=1e-4)
    moved = shrunk(Features(clips.index, values, features.names), clips, found)
    assert np.isnan(moved[3]).all() and np.isfinite(np.delete(moved, 3, axis=0)).all()


def test_a_reference_is_read_as_it_was_written_and_refused_when_damaged(tmp_path):
    path = tmp_path / "reference.npz"
    REFERENCE.save(path)
    found = adaptation.Reference.load(path, 4)
    np.testing.assert_array_equal(found.mean, REFERENCE.mean)
    np.testing.assert_array_equal(found.deviation, REFERENCE.deviation)
    whole = path.read_bytes()
    for content in (b"", b"PK", whole[:60], whole[:-40], whole.replace(b"mean", b"maen")):
        path.write_bytes(content)
        with pytest.raises(ModelError):
            adaptation.Reference.load(path, 4)
    path.unlink()
    with pytest.raises(ModelError):
        adaptation.Reference.load(path, 4)


@pytest.mark.parametrize(
    "arrays",
    [
        {"mean": np.zeros(4, "f4")},
        {"mean": np.zeros(4, "f4"), "deviation": np.ones(5, "f4")},
        {"mean": np.zeros(4, "f8"), "deviation": np.ones(4, "f4")},
        {"mean": np.zeros((4, 1), "f4"), "deviation": np.ones(4, "f4")},
        {"mean": np.zeros(4, "f4"), "deviation": -np.ones(4, "f4")},
        {"mean": np.full(4, np.nan, "f4"), "deviation": np.ones(4, "f4")},
        {"mean": np.array([{}] * 4, dtype=object), "deviation": np.ones(4, "f4")},
    ],
)
def test_a_reference_of_other_values_is_refused(tmp_path, arrays):
    np.savez(tmp_path / "reference.npz", **arrays)
    with pytest.raises(ModelError):
        adaptation.Reference.load(tmp_path / "reference.npz", 4)
