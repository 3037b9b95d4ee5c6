import json

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import ModelError, SerError, TableError, UnknownName
from multimodal_ser.evaluation.metrics import score
from multimodal_ser.fusion import methods
from multimodal_ser.fusion.fuser import MOST_MODALITIES, Fuser
from multimodal_ser.tables import check_probabilities

from . import cases

FITTED = [name for name in methods.NAMES if methods.load(name).FITTED]


@pytest.fixture(scope="module")
def fusers(case):
    clips, tables = case
    fit = {
        name: Fuser(name).fit(tables, clips["emotion"], clips["actor"]) for name in methods.NAMES
    }
    return fit


def gappy(tables):
    """Audio is missing from the first clips, video from the next, both from the third."""
    tables = {name: table.copy() for name, table in tables.items()}
    tables["audio"].iloc[[0, 1, 4]] = np.nan
    tables["video"].iloc[[2, 3, 4]] = np.nan
    return tables


@pytest.mark.parametrize("name", methods.NAMES)
class TestEveryMethod:
    def test_rows_sum_to_1_and_fusing_gains(self, name, fusers, case):
        clips, tables = case
        fused = check_probabilities(fusers[name](tables), cases.LABELS)
        truth = clips["emotion"]
        assert score(fused, truth)["war"] > score(tables["video"], truth)["war"]
        assert list(fused.index) == list(clips.index)

    def test_tables_may_come_in_any_order(self, name, fusers, case):
        _, tables = case
        turned = dict(reversed(tables.items()))
        np.testing.assert_allclose(fusers[name](tables), fusers[name](turned), atol=1e-12)

    def test_what_is_missing_changes_no_other_clip(self, name, fusers, case):
        _, tables = case
        whole, part = fusers[name](tables), fusers[name](gappy(tables))
        pd.testing.assert_frame_equal(whole.iloc[5:], part.iloc[5:])
        assert part.iloc[:4].notna().all(axis=None)
        assert part.iloc[4].isna().all()

    def test_a_missing_modality_is_the_same_as_no_table_at_all(self, name, fusers, case):
        _, tables = case
        part = fusers[name](gappy(tables))
        alone = fusers[name]({"video": tables["video"]})
        pd.testing.assert_frame_equal(part.iloc[:2], alone.iloc[:2])

    def test_clips_of_one_table_only_count_as_missing_in_the_other(self, name, fusers, case):
        _, tables = case
        fused = fusers[name](
            {"audio": tables["audio"].iloc[:5], "video": tables["video"].iloc[3:9]}
        )
        assert list(fused.index) == list(tables["audio"].index[:9])
        alone = fusers[name]({"video": tables["video"]})
        pd.testing.assert_frame_equal(fused.iloc[5:], alone.iloc[5:9])

    def test_a_modality_without_rows(self, name, case):
        clips, tables = case
        for nothing in (tables["video"].iloc[:0], tables["video"] * np.nan):
            empty = {"audio": tables["audio"], "video": nothing}
            fuser = Fuser(name).fit(empty, clips["emotion"])
            lone = Fuser(name).fit({"audio": tables["audio"]}, clips["emotion"])
            pd.testing.assert_frame_equal(fuser(empty), lone({"audio": tables["audio"]}))

    def test_contributions_are_shares_of_what_is_present(self, name, fusers, case):
        tables = gappy(case[1])
        shares = fusers[name].contributions(tables)
        assert list(shares.columns) == ["audio", "video", "prior"]
        np.testing.assert_allclose(shares.abs().sum(axis=1).drop(shares.index[4]), 1)
        assert shares["audio"].iloc[[0, 1]].isna().all()
        assert shares.iloc[4].isna().all()
        assert shares["audio"].mean() > shares["video"].mean() > 0

    def test_description_and_back(self, name, fusers, case):
        text = json.dumps(fusers[name].describe(), allow_nan=False)
        again = Fuser.from_description(json.loads(text))
        tables = gappy(case[1])
        pd.testing.assert_frame_equal(again(tables), fusers[name](tables))
        assert again.describe() == fusers[name].describe()

    def test_a_label_that_never_occurs(self, name, case):
        clips, tables = case
        some = clips[clips["emotion"] != "angry"]
        fuser = Fuser(name).fit({n: t.loc[some.index] for n, t in tables.items()}, some["emotion"])
        check_probabilities(fuser(tables), cases.LABELS)

    def test_a_single_actor(self, name, case):
        clips, tables = case
        one = clips[clips["actor"] == "03"]
        part = {n: t.loc[one.index] for n, t in tables.items()}
        check_probabilities(
            Fuser(name).fit(part, one["emotion"], one["actor"])(tables), cases.LABELS
        )

    def test_certainty_that_is_wrong_is_survived(self, name, case):
        clips, tables = case
        hard = {n: (t.eq(t.max(axis=1), axis=0)).astype(float) for n, t in tables.items()}
        fused = Fuser(name).fit(hard, clips["emotion"])(hard)
        assert np.isfinite(fused).all(axis=None)

    def test_fitting_leaves_the_fuser_as_it_was(self, name, case):
        clips, tables = case
        fuser = Fuser(name)
        fuser.fit(tables, clips["emotion"])
        assert fuser == Fuser(name)

    @pytest.mark.parametrize("change", ["sum", "labels", "twice", "part", "none"])
    def test_malformed_tables_are_refused(self, name, change, fusers, case):
        audio = case[1]["audio"]
        partly = audio.copy()
        partly.iloc[3, 0] = np.nan
        bad, named = {
            "sum": ({"audio": audio * 1.5}, "'00-000'"),
            "labels": ({"audio": audio, "video": audio[cases.LABELS[::-1]]}, "video"),
            "twice": ({"audio": pd.concat([audio, audio])}, "audio"),
            "part": ({"audio": partly}, "audio"),
            "none": ({}, ""),
        }[change]
        with pytest.raises(TableError) as error:
            fusers[name](bad)
        assert named in str(error.value)


@pytest.mark.parametrize("name", FITTED)
class TestEveryFittedMethod:
    def test_a_lone_modality_is_calibrated(self, name, fusers, case):
        clips, tables = case
        alone = fusers[name]({"video": tables["video"]})
        nll = [score(t, clips["emotion"])["nll"] for t in (alone, tables["video"])]
        assert nll[0] < nll[1]

    def test_calling_before_fitting_is_refused(self, name, case):
        with pytest.raises(SerError):
            Fuser(name)(case[1])

    def test_a_clip_without_a_label_is_named(self, name, case):
        clips, tables = case
        with pytest.raises(TableError) as error:
            Fuser(name).fit(tables, clips["emotion"].iloc[1:])
        assert "'00-000'" in str(error.value)

    def test_one_label_only_is_refused(self, name, case):
        clips, tables = case
        sad = clips[clips["emotion"] == "sad"]
        part = {n: t.loc[sad.index] for n, t in tables.items()}
        with pytest.raises(TableError):
            Fuser(name).fit(part, sad["emotion"])

    def test_nothing_to_fit_on_is_refused(self, name, case):
        clips, tables = case
        with pytest.raises(TableError):
            Fuser(name).fit({"audio": tables["audio"] * np.nan}, clips["emotion"])

    def test_another_modality_or_label_order_than_fitted_is_refused(self, name, fusers, case):
        with pytest.raises(TableError) as error:
            fusers[name]({"text": case[1]["audio"]})
        assert "'text'" in str(error.value)
        with pytest.raises(TableError):
            fusers[name]({"audio": case[1]["audio"][cases.LABELS[::-1]]})

    def test_too_many_modalities_are_refused(self, name, case):
        clips, tables = case
        many = {f"m{i}": tables["audio"] for i in range(MOST_MODALITIES + 1)}
        with pytest.raises(TableError):
            Fuser(name).fit(many, clips["emotion"])

    def test_any_number_may_be_fused_where_none_is_missing(self, name, fusers, case):
        clips, tables = case
        whole = Fuser(name).fit(tables, clips["emotion"], clips["actor"], sets=[tuple(tables)])
        np.testing.assert_allclose(whole(tables), fusers[name](tables), atol=1e-12)
        assert len(whole.fitted) == 1
        sides = [*tables.values()] * MOST_MODALITIES
        many = {f"m{at}": table for at, table in enumerate(sides)}
        fitted = Fuser(name).fit(many, clips["emotion"], clips["actor"], sets=[tuple(many)])
        again = Fuser.from_description(json.loads(json.dumps(fitted.describe())))
        np.testing.assert_allclose(again(many), fitted(many), atol=1e-12)
        gap = {name: table.assign() for name, table in tables.items()}
        gap["audio"].iloc[:5] = np.nan
        some = Fuser(name).fit(gap, clips["emotion"], clips["actor"], sets=[tuple(tables)])
        kept = {name: table.iloc[5:] for name, table in tables.items()}
        rest = Fuser(name).fit(kept, clips["emotion"], clips["actor"], sets=[tuple(tables)])
        np.testing.assert_allclose(some(kept), rest(kept), atol=1e-12)


def test_modalities_never_seen_together_are_averaged(case):
    clips, tables = case
    half = len(clips) // 2
    apart = {"audio": tables["audio"].iloc[:half], "video": tables["video"].iloc[half:]}
    fuser = Fuser("log_pool").fit(apart, clips["emotion"])
    assert set(fuser.fitted) == {("audio",), ("video",)}
    lone = [fuser({name: table}) for name, table in tables.items()]
    np.testing.assert_allclose(fuser(tables), (lone[0] + lone[1]) / 2)


def test_a_modality_that_was_empty_in_the_fit_passes_where_it_is_alone(case):
    clips, tables = case
    fuser = Fuser("log_pool").fit(
        {"audio": tables["audio"], "video": tables["video"].iloc[:0]}, clips["emotion"]
    )
    np.testing.assert_allclose(fuser({"video": tables["video"]}), tables["video"], atol=1e-9)
    pd.testing.assert_frame_equal(fuser(tables), fuser({"audio": tables["audio"]}))


def test_contributions_of_a_log_pool_by_hand(case):
    clips, tables = case
    fuser = Fuser("log_pool").fit(tables, clips["emotion"])
    weights = fuser.fitted["audio", "video"]["weights"]
    winner = fuser(tables).iloc[7].idxmax()
    terms = [w * np.log(t.iloc[7]) for w, t in zip(weights, tables.values(), strict=True)]
    excess = np.array([term[winner] - term.mean() for term in terms])
    expected = excess / np.abs(excess).sum()
    np.testing.assert_allclose(fuser.contributions(tables).iloc[7], [*expected, 0])


def test_indifferent_tables_owe_nothing():
    even = pd.DataFrame(1 / 3, ["a"], cases.LABELS)
    assert (Fuser("mean").contributions({"audio": even, "video": even}) == 0).all(axis=None)


@pytest.mark.parametrize(
    ("method", "options", "named"),
    [
        ("max", {}, "log_pool"),
        ("mean", {"l2": 1.0}, "'l2'"),
        ("stacking", {"l2": -1.0}, "-1.0"),
        ("stacking", {"l2": float("nan")}, "nan"),
        ("vector_pool", {"l2": True}, "True"),
        ("grouped_pool", {"groups": ["a"]}, "['a']"),
        ("grouped_pool", {"groups": {"a": 1}}, "{'a': 1}"),
    ],
)
def test_wrong_choices_are_refused(method, options, named):
    with pytest.raises((SerError, UnknownName)) as error:
        Fuser(method, options)
    assert named in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("labels"),
        lambda d: d.update(extra=1),
        lambda d: d.update(method="os.system"),
        lambda d: d.update(method=["log_pool"]),
        lambda d: d.update(options=[1]),
        lambda d: d.update(options={"l2": 1}),
        lambda d: d.update(labels=["sad", "sad", "angry"]),
        lambda d: d.update(labels="sad"),
        lambda d: d.update(modalities=[1, 2]),
        lambda d: d.update(modalities=[f"m{i}" for i in range(40)]),
        lambda d: d.update(fitted=3),
        lambda d: d.update(fitted=["a"]),
        lambda d: d["fitted"][0].update(weights=[1.0]),
        lambda d: d["fitted"][0].update(weights=[1.0, float("nan")]),
        lambda d: d["fitted"][0].update(weights=[1.0, 1e300]),
        lambda d: d["fitted"][0].update(weights=["a", "b"]),
        lambda d: d["fitted"][0].update(weights=[[1.0], [1.0, 2.0]]),
        lambda d: d["fitted"][0].update(bias=[0, 0, 0]),
        lambda d: d["fitted"][0].update(modalities=["audio", "text"]),
        lambda d: d["fitted"][0].update(modalities=[]),
        lambda d: d["fitted"][0].pop("modalities"),
    ],
)
def test_a_damaged_description_is_refused(change, fusers):
    description = json.loads(json.dumps(fusers["log_pool"].describe()))
    change(description)
    with pytest.raises(ModelError):
        Fuser.from_description(description)


@pytest.mark.parametrize("content", [None, [], "mean", {}, {"method": "mean"}])
def test_something_else_than_a_description_is_refused(content):
    with pytest.raises(ModelError):
        Fuser.from_description(content)


def test_a_description_of_many_modalities_is_judged_at_once():
    names = [f"m{at}" for at in range(60)]
    description = Fuser("mean").describe() | {"method": "log_pool", "modalities": names}
    description["fitted"] = [{"modalities": names[1::2], "weights": [1.0] * 29}]
    with pytest.raises(ModelError):
        Fuser.from_description(description)
