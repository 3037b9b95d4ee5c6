import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import TableError
from multimodal_ser.evaluation.metrics import score
from multimodal_ser.fusion import calibration

LABELS = ["sad", "happy", "angry"]


@pytest.fixture
def honest():
    """Probabilities from which the truth was drawn: calibrated by construction."""
    rng = np.random.default_rng(0)
    values = rng.dirichlet([0.7] * 3, size=3000)
    truth = [LABELS[rng.choice(3, p=row)] for row in values]
    index = pd.Index([f"c{i}" for i in range(3000)], name="clip")
    return pd.DataFrame(values, index, LABELS), pd.Series(truth, index)


def test_calibrated_probabilities_are_left_alone(honest):
    assert calibration.fit_temperature(*honest) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("temperature", [0.3, 3.0])
def test_a_known_distortion_is_found_and_undone(honest, temperature):
    table, truth = honest
    bent = calibration.soften(table, temperature)
    found = calibration.fit_temperature(bent, truth)
    assert found == pytest.approx(1 / temperature, rel=0.07)
    mended = calibration.soften(bent, found)
    assert score(mended, truth)["ece"] < score(bent, truth)["ece"] / 2


def test_accuracy_never_changes(honest):
    table, truth = honest
    assert score(calibration.soften(table, 2.5), truth)["war"] == score(table, truth)["war"]


def test_a_temperature_of_1_changes_not_a_bit(honest):
    pd.testing.assert_frame_equal(calibration.soften(honest[0], 1.0), honest[0], check_exact=True)


def test_missing_rows_stay_missing_and_do_not_count(honest):
    table, truth = honest
    gappy = table.copy()
    gappy.iloc[::2] = np.nan
    assert calibration.soften(gappy, 2).iloc[0].isna().all()
    assert calibration.fit_temperature(gappy, truth) == pytest.approx(1, abs=0.1)
    assert calibration.fit_temperature(gappy.iloc[:1], truth) == 1.0


def test_a_temperature_of_0_is_refused(honest):
    for temperature in (0, -1, np.nan):
        with pytest.raises(ValueError):
            calibration.soften(honest[0], temperature)


def test_a_temperature_by_hand():
    """3 of 4 right at a confidence of 0.99: the best is ln(99) / ln(3)."""
    table = pd.DataFrame([[0.99, 0.01]] * 4, list("abcd"), ["sad", "happy"])
    truth = pd.Series(["sad", "sad", "happy", "sad"], table.index)
    found = calibration.fit_temperature(table, truth)
    assert found == pytest.approx(np.log(99) / np.log(3), rel=1e-4)
    np.testing.assert_allclose(calibration.soften(table, found), [[0.75, 0.25]] * 4, atol=1e-4)


@pytest.mark.parametrize(("right", "limit"), [(True, 0.05), (False, 20)])
def test_no_temperature_beyond_the_limits(right, limit):
    table = pd.DataFrame([[0.6, 0.4]], ["a"], ["sad", "happy"])
    found = calibration.fit_temperature(table, pd.Series({"a": "sad" if right else "happy"}))
    assert found == pytest.approx(limit, rel=1e-3)


class TestKept:
    """Speakers say 8 clips each; a confidence of 0.99 is right in so many of them."""

    def case(self, **right):
        clips = [f"{speaker}{i}" for speaker in right for i in range(8)]
        labels = [["sad", "happy"][i >= n] for n in right.values() for i in range(8)]
        table = pd.DataFrame([[0.99, 0.01]] * len(clips), clips, ["sad", "happy"])
        speakers = pd.Series([clip[0] for clip in clips], clips)
        return table, pd.Series(labels, clips), speakers

    def nll(self, confidence, right):
        return -(right * np.log(confidence) + (1 - right) * np.log(1 - confidence))

    def test_by_hand(self):
        """Each speaker gets the confidence at which the other is right."""
        got = calibration.fit_kept_temperature(*self.case(a=6, b=7), folds=2)
        assert got.temperature == pytest.approx(np.log(99) / np.log(13 / 3), rel=1e-4)
        assert got.nll_before == pytest.approx(self.nll(0.99, 13 / 16))
        after = (self.nll(7 / 8, 6 / 8) + self.nll(6 / 8, 7 / 8)) / 2
        assert got.nll_after == pytest.approx(after, rel=1e-4)
        assert got.ece_before == pytest.approx(0.99 - 13 / 16)
        # 15 bins: speaker a's confidence of 7/8 and b's of 6/8 are in different ones.
        assert got.ece_after == pytest.approx(1 / 8, abs=1e-4)

    def test_each_fold_is_softened_by_the_others(self):
        got = calibration.fit_kept_temperature(*self.case(a=5, b=6, c=7))
        shares = {5: 13 / 16, 6: 12 / 16, 7: 11 / 16}  # of the two others
        after = np.mean([self.nll(other, own / 8) for own, other in shares.items()])
        assert got.nll_after == pytest.approx(after, rel=1e-4)
        assert got.temperature == pytest.approx(np.log(99) / np.log(3), rel=1e-4)

    def test_one_that_does_not_carry_over_is_not_kept(self):
        """One speaker is always right and one never: either's temperature harms the other."""
        got = calibration.fit_kept_temperature(*self.case(a=8, b=0))
        assert got.temperature == 1
        assert got.nll_before == got.nll_after == pytest.approx(self.nll(0.99, 1 / 2))
        assert got.ece_before == got.ece_after == pytest.approx(0.99 - 1 / 2)

    def test_a_gain_within_its_standard_error_is_not_kept(self):
        """It helps five speakers a little less than it harms, or helps, the others: chance."""
        table, truth, speakers = self.case(a=8, b=8, c=8, d=5)
        got = calibration.fit_kept_temperature(table, truth, speakers)
        logs = np.log(np.clip(table.to_numpy(), 1e-7, None))
        fitted = calibration.fit_temperature(table, truth)
        softened = calibration.soften(table, fitted)
        right = [table.columns.get_loc(label) for label in truth]
        gains = np.log(softened.to_numpy())[range(len(right)), right]
        gains -= logs[range(len(right)), right]
        assert gains.mean() > 0  # one would be kept by the mean alone
        assert got.temperature == 1 and got.nll_after == got.nll_before

    def test_calibrated_probabilities_keep_their_figures(self, honest):
        table, truth = honest
        speakers = pd.Series(np.arange(len(table)) % 12, table.index)
        got = calibration.fit_kept_temperature(table, truth, speakers)
        assert got.temperature == pytest.approx(1, abs=0.06)
        assert got.nll_after <= got.nll_before == pytest.approx(score(table, truth)["nll"])
        assert got.ece_before == score(table, truth)["ece"]

    def test_consecutive_speakers_share_a_fold(self):
        """Of c, d, a, b the folds are ab and cd: speaker by name, not by row."""
        table, truth, speakers = self.case(c=4, d=4, a=6, b=6)
        got = calibration.fit_kept_temperature(table, truth, speakers, folds=2)
        alone = speakers.replace({"b": "a", "d": "c"})
        assert got == calibration.fit_kept_temperature(table, truth, alone, folds=2)
        mixed = speakers.replace({"c": "x", "a": "x", "b": "y", "d": "y"})
        assert got != calibration.fit_kept_temperature(table, truth, mixed, folds=2)
        four = calibration.fit_kept_temperature(table, truth, speakers)
        assert four != got
        assert four == calibration.fit_kept_temperature(table, truth, speakers, folds=9)

    def test_the_order_of_rows_does_not_matter(self):
        table, truth, speakers = self.case(a=5, b=7, c=6)
        one = calibration.fit_kept_temperature(table, truth, speakers)
        two = calibration.fit_kept_temperature(table[::-1], truth, speakers[::-1])
        assert vars(one) == pytest.approx(vars(two))

    def test_one_speaker_is_measured_and_softened_by_nothing(self):
        got = calibration.fit_kept_temperature(*self.case(a=4))
        assert (got.temperature, got.nll_after) == (1, got.nll_before)
        assert got.ece_after == got.ece_before == pytest.approx(0.49)

    def test_clips_without_label_or_probabilities_do_not_count(self):
        table, truth, speakers = self.case(a=6, b=7, c=0, d=0)
        c, d = (speakers.index[speakers == name] for name in "cd")
        table.loc[c] = np.nan
        got = calibration.fit_kept_temperature(table, truth.drop(d), speakers.drop([*c, *d]))
        assert got == calibration.fit_kept_temperature(*self.case(a=6, b=7))
        nothing = calibration.fit_kept_temperature(table.loc[c], truth, speakers)
        assert nothing.temperature == 1
        assert np.isnan(list(vars(nothing).values())[1:]).all()

    def test_bad_input_is_refused(self):
        table, truth, speakers = self.case(a=6, b=7)
        with pytest.raises(TableError) as error:
            calibration.fit_kept_temperature(table, truth, speakers.drop("b3"))
        assert "'b3'" in str(error.value)
        with pytest.raises(ValueError):
            calibration.fit_kept_temperature(table, truth, speakers, folds=1)


def test_labels_softened_as_one_keep_their_sum_in_rank_and_agree_with_merged_labels():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.dirichlet(np.full(8, 0.3), 500), columns=list("abcdefgh"))
    temperatures = rng.uniform(0.5, 6, 500)
    found = calibration.soften_together(table, temperatures, ("b", "e"))
    np.testing.assert_allclose(found.sum(axis=1), 1)

    def merged(one):
        return one.drop(columns=["b", "e"]).assign(b=one["b"] + one["e"])

    expected = calibration.soften(merged(table), temperatures)
    pd.testing.assert_frame_equal(merged(found), expected)
    alone = calibration.soften_together(table, temperatures, ("b", "nothing"))
    pd.testing.assert_frame_equal(alone, calibration.soften(table, temperatures))


def test_rows_of_nothing_stay_so_and_certainty_is_softened():
    table = pd.DataFrame([[np.nan] * 3, [1.0, 0, 0], [0, 0, 1.0]], columns=list("abc"))
    found = calibration.soften_together(table, 3.0, ("a", "b"))
    assert found.iloc[0].isna().all() and np.isfinite(found.iloc[1:]).all(axis=None)
    np.testing.assert_allclose(found.iloc[1:].sum(axis=1), 1)
