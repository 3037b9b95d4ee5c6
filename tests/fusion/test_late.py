import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import TableError, UnknownName
from multimodal_ser.fusion import late
from multimodal_ser.tables import check_probabilities

LABELS = ["sad", "happy", "angry"]


def table(rows, clips="abcdefgh"):
    return pd.DataFrame(rows, pd.Index(list(clips)[: len(rows)], name="clip"), LABELS, dtype=float)


def noisy(truth, strength, seed):
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((len(truth), 3))
    scores[np.arange(len(truth)), truth] += strength
    values = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    index = pd.Index([f"c{i}" for i in range(len(truth))], name="clip")
    return pd.DataFrame(values, index, LABELS)


AUDIO = table([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
VIDEO = table([[0.2, 0.5, 0.3], [0.3, 0.3, 0.4]])
WEIGHTS = {"audio": 0.9, "video": 0.6}


@pytest.mark.parametrize("method", late.NAMES)
class TestEveryMethod:
    def fuse(self, method, **tables):
        return late.fuse(tables, method, WEIGHTS)

    def test_rows_sum_to_1(self, method):
        check_probabilities(self.fuse(method, audio=AUDIO, video=VIDEO), LABELS)

    def test_modalities_may_come_in_any_order(self, method):
        one = self.fuse(method, audio=AUDIO, video=VIDEO)
        two = self.fuse(method, video=VIDEO, audio=AUDIO)
        pd.testing.assert_frame_equal(one, two)

    def test_a_lone_modality_passes_unchanged(self, method):
        fused = self.fuse(method, audio=AUDIO, video=VIDEO * np.nan)
        np.testing.assert_allclose(fused, AUDIO, atol=1e-9)

    def test_clips_of_one_table_only_are_kept(self, method):
        lone = table([[0.2, 0.2, 0.6]], clips="z")
        fused = self.fuse(method, audio=AUDIO, video=lone)
        assert list(fused.index) == ["a", "b", "z"]
        np.testing.assert_allclose(fused.loc["z"], [0.2, 0.2, 0.6], atol=1e-9)

    def test_nothing_known_is_missing(self, method):
        fused = self.fuse(method, audio=AUDIO * np.nan, video=VIDEO * np.nan)
        assert fused.isna().all(axis=None)

    def test_agreement_is_not_overturned(self, method):
        fused = self.fuse(method, audio=AUDIO, video=AUDIO)
        assert (fused.idxmax(axis=1) == AUDIO.idxmax(axis=1)).all()

    def test_a_zero_is_not_the_end(self, method):
        sure = table([[1.0, 0, 0]])
        other = table([[0, 1.0, 0]])
        assert self.fuse(method, audio=sure, video=other).notna().all(axis=None)


def test_formulas():
    a, v = AUDIO.loc["a"].to_numpy(), VIDEO.loc["a"].to_numpy()
    tables = {"audio": AUDIO, "video": VIDEO}
    np.testing.assert_allclose(late.fuse(tables, "mean").loc["a"], (a + v) / 2)
    np.testing.assert_allclose(late.fuse(tables, "product").loc["a"], a * v / (a * v).sum())
    pool = a**0.9 * v**0.6
    np.testing.assert_allclose(late.fuse(tables, "weighted", WEIGHTS).loc["a"], pool / pool.sum())


def test_a_modality_of_no_weight_still_speaks_for_a_clip_without_another():
    fused = late.fuse(
        {"audio": AUDIO * np.nan, "video": VIDEO}, "weighted", {"audio": 1, "video": 0}
    )
    np.testing.assert_allclose(fused, VIDEO)


def test_fitted_weights_favour_the_modality_that_knows_more():
    truth = np.random.default_rng(0).integers(3, size=600)
    tables = {"good": noisy(truth, 3, 1), "poor": noisy(truth, 0.0, 2)}
    labels = pd.Series([LABELS[code] for code in truth], index=tables["good"].index)
    weights = late.fit_weights(tables, labels)
    assert weights["good"] > 0.5
    assert weights["poor"] < 0.1


def test_independent_evidence_adds_up():
    truth = np.random.default_rng(0).integers(3, size=2000)
    tables = {"one": noisy(truth, 1.5, 1), "two": noisy(truth, 1.5, 2)}
    labels = pd.Series([LABELS[code] for code in truth], index=tables["one"].index)
    fused = late.fuse(tables, "weighted", late.fit_weights(tables, labels))
    right = {n: (t.idxmax(axis=1) == labels).mean() for n, t in (tables | {"both": fused}).items()}
    assert right["both"] > max(right["one"], right["two"]) + 0.03


def test_without_a_common_clip_the_weights_are_equal():
    other = table([[0.2, 0.2, 0.6]], clips="z")
    assert late.fit_weights({"audio": AUDIO, "video": other}, pd.Series({"a": "sad"})) == {
        "audio": 0.5,
        "video": 0.5,
    }


@pytest.mark.parametrize(
    ("tables", "weights", "words"),
    [
        ({}, None, "nothing to fuse"),
        ({"audio": AUDIO, "video": VIDEO[["happy", "sad", "angry"]]}, None, "label scheme"),
        ({"audio": pd.concat([AUDIO, AUDIO])}, None, "twice"),
        ({"audio": AUDIO, "video": VIDEO}, {"audio": 1}, "a weight for video"),
        ({"audio": AUDIO, "video": VIDEO}, {"audio": -1, "video": 1}, "at least 0"),
        ({"audio": AUDIO, "video": VIDEO}, {"audio": 0, "video": 0}, "not all 0"),
    ],
)
def test_bad_input_is_refused(tables, weights, words):
    with pytest.raises(TableError, match=words):
        late.fuse(tables, "weighted", weights or {"audio": 1, "video": 1})


def test_another_method_is_refused():
    with pytest.raises(UnknownName, match="weighted"):
        late.fuse({"audio": AUDIO}, "max")


def test_clips_without_a_label_do_not_count_for_the_weights():
    truth = np.random.default_rng(0).integers(3, size=600)
    tables = {"one": noisy(truth, 2, 1), "two": noisy(truth, 1, 2)}
    labels = pd.Series([LABELS[code] for code in truth], index=tables["one"].index)
    some = {name: table.iloc[:300] for name, table in tables.items()}
    assert late.fit_weights(tables, labels.iloc[:300]) == late.fit_weights(some, labels)
    assert late.fit_weights(tables, labels.iloc[:0]) == {"one": 0.5, "two": 0.5}


class TestContributions:
    def test_by_hand(self):
        shares = late.contributions({"audio": AUDIO, "video": VIDEO}, "weighted", WEIGHTS)
        logs = {"audio": np.log(AUDIO.loc["a"]), "video": np.log(VIDEO.loc["a"])}
        excess = np.array([WEIGHTS[n] * (v["sad"] - v.mean()) for n, v in logs.items()])
        np.testing.assert_allclose(shares.loc["a"], excess / np.abs(excess).sum())
        assert shares.loc["a", "video"] < 0 < shares.loc["a", "audio"]

    @pytest.mark.parametrize("method", late.NAMES)
    def test_what_is_missing_has_no_share(self, method):
        gappy = VIDEO.copy()
        gappy.loc["a"] = np.nan
        shares = late.contributions({"audio": AUDIO, "video": gappy}, method, WEIGHTS)
        assert shares.loc["a", "audio"] == 1
        assert np.isnan(shares.loc["a", "video"])
        np.testing.assert_allclose(shares.abs().sum(axis=1), 1)
