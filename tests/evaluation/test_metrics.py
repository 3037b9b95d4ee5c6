import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from multimodal_ser.errors import TableError
from multimodal_ser.evaluation import metrics

LABELS = ["sad", "happy", "angry"]


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    index = [f"c{i}" for i in range(200)]
    table = pd.DataFrame(rng.dirichlet([1] * 3, size=200), index, LABELS)
    truth = pd.Series(rng.choice(LABELS, size=200, p=[0.6, 0.3, 0.1]), index)
    return table, truth


def test_figures_are_scikit_learns(case):
    table, truth = case
    got, said = metrics.score(table, truth), table.idxmax(axis=1)
    codes = truth.map(LABELS.index)
    assert got["uar"] == pytest.approx(sk.balanced_accuracy_score(truth, said))
    assert got["war"] == pytest.approx(sk.accuracy_score(truth, said))
    assert got["macro_f1"] == pytest.approx(sk.f1_score(truth, said, average="macro"))
    assert got["nll"] == pytest.approx(sk.log_loss(codes, table, labels=[0, 1, 2]))
    assert got["top2"] == pytest.approx(sk.top_k_accuracy_score(codes, table, k=2))
    assert got["n"] == 200
    assert list(got) == list(metrics.NAMES)


def test_rankings_are_scikit_learns(case):
    table, truth = case
    got, codes = metrics.score(table, truth), truth.map(LABELS.index)
    assert got["roc_auc"] == pytest.approx(sk.roc_auc_score(codes, table, multi_class="ovr"))
    hot = np.eye(3)[codes]
    assert got["average_precision"] == pytest.approx(sk.average_precision_score(hot, table))


def test_a_ranking_by_hand():
    table = pd.DataFrame({"sad": [0.9, 0.7, 0.6, 0.2]}, list("abcd")).assign(
        happy=lambda t: 1 - t["sad"]
    )
    truth = pd.Series(["sad", "happy", "sad", "happy"], list("abcd"))
    got = metrics.score(table, truth)
    # Of the four pairs of a sad and a happy clip, three are in order.
    assert got["roc_auc"] == pytest.approx(3 / 4)
    assert got["average_precision"] == pytest.approx(np.mean([(1 + 2 / 3) / 2, (1 + 2 / 3) / 2]))


def test_knowing_nothing_ranks_at_chance():
    table = pd.DataFrame(1 / 3, [f"c{i}" for i in range(9)], LABELS)
    truth = pd.Series(LABELS * 3, table.index)
    got = metrics.score(table, truth)
    assert got["roc_auc"] == 0.5
    assert got["average_precision"] == pytest.approx(1 / 3)


def test_a_class_absent_from_the_truth_is_not_ranked(case):
    table, truth = case
    some = truth[truth != "angry"]
    got = metrics.score(table.loc[some.index], some)
    auc = [sk.roc_auc_score(some == k, table.loc[some.index, k]) for k in ("sad", "happy")]
    assert got["roc_auc"] == pytest.approx(np.mean(auc))


def test_a_single_class_has_no_ranking_and_the_rest_is_scored(case):
    table, truth = case
    one = truth[truth == "sad"]
    got = metrics.score(table.loc[one.index], one)
    assert np.isnan(got["roc_auc"])
    assert np.isnan(got["average_precision"])
    assert got["uar"] == got["war"] == (table.loc[one.index].idxmax(axis=1) == "sad").mean()


class TestPerClass:
    def test_figures_are_scikit_learns_and_average_to_the_score(self, case):
        table, truth = case
        got, whole = metrics.per_class(table, truth), metrics.score(table, truth)
        said = table.idxmax(axis=1)
        expected = sk.precision_recall_fscore_support(truth, said, labels=LABELS)
        for name, values in zip(("precision", "recall", "f1", "n"), expected, strict=True):
            np.testing.assert_allclose(got[name], values)
        means = {"recall": "uar", "f1": "macro_f1", "roc_auc": "roc_auc"}
        means["average_precision"] = "average_precision"
        for name, metric in means.items():
            assert got[name].mean() == pytest.approx(whole[metric])
        assert tuple(got.columns) == metrics.CLASS_COLUMNS
        assert list(got.index) == LABELS and got.index.name == "label"

    def test_what_has_no_denominator_is_nan(self):
        table = pd.DataFrame([[0.8, 0.2, 0.0], [0.6, 0.4, 0.0]], list("ab"), LABELS)
        got = metrics.per_class(table, pd.Series(["sad", "happy"], list("ab")))
        assert got.loc["sad", "precision"] == 0.5
        assert np.isnan(got.loc["happy", "precision"])
        assert got.loc["happy", "recall"] == got.loc["happy", "f1"] == 0
        assert got.loc["angry"].drop("n").isna().all()
        assert got["n"].tolist() == [1, 1, 0]

    def test_a_single_class_and_no_clip_at_all(self, case):
        table, truth = case
        one = truth[truth == "sad"]
        got = metrics.per_class(table.loc[one.index], one)
        assert got.loc["sad", "recall"] == metrics.score(table.loc[one.index], one)["uar"]
        assert got["roc_auc"].isna().all()
        assert metrics.per_class(table * np.nan, truth)["n"].sum() == 0

    def test_malformed_probabilities_are_refused(self, case):
        table, truth = case
        with pytest.raises(TableError):
            metrics.per_class(table * 2, truth)
        with pytest.raises(TableError) as error:
            metrics.per_class(table, truth.drop("c7"))
        assert "'c7'" in str(error.value)


def test_perfect_predictions():
    table = pd.DataFrame(np.eye(3), list("abc"), LABELS)
    got = metrics.score(table, pd.Series(LABELS, list("abc")))
    best = ("uar", "war", "macro_f1", "top2", "roc_auc", "average_precision")
    perfect = dict.fromkeys(best, 1.0)
    assert got == perfect | dict.fromkeys(("nll", "brier", "ece"), 0.0) | {"n": 3}


def test_confidences_by_hand():
    table = pd.DataFrame([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]], list("ab"), LABELS)
    got = metrics.score(table, pd.Series(["sad", "angry"], list("ab")))
    assert got["nll"] == pytest.approx(-(np.log(0.7) + np.log(0.2)) / 2)
    squares = 0.3**2 + 0.2**2 + 0.1**2, 0.5**2 + 0.3**2 + 0.8**2
    assert got["brier"] == pytest.approx(sum(squares) / 2)
    # A sum of float32 may be above 1, and a probability of the truth be 0.
    table = pd.DataFrame([[1.0005, 0, 0], [1, 0, 0]], list("ab"), LABELS)
    assert metrics.score(table.loc[["a"]], pd.Series({"a": "sad"}))["nll"] == 0
    said = metrics.score(table.loc[["b"]], pd.Series({"b": "happy"}))
    assert said["nll"] == pytest.approx(-np.log(1e-15))


def test_the_order_of_rows_does_not_matter(case):
    table, truth = case
    one = metrics.score(table, truth)
    two = metrics.score(table.sample(frac=1, random_state=1), truth[::-1])
    assert one == pytest.approx(two)


def test_a_class_absent_from_the_truth_does_not_count_as_missed(case):
    table, truth = case
    some = truth[truth != "angry"]
    said = table.loc[some.index].idxmax(axis=1)
    recall = [(said[some == label] == label).mean() for label in ("sad", "happy")]
    assert metrics.score(table.loc[some.index], some)["uar"] == pytest.approx(np.mean(recall))


def test_missing_modalities_are_left_out_and_counted(case):
    table, truth = case
    gappy = table.copy()
    gappy.iloc[:50] = np.nan
    assert metrics.score(gappy, truth) == metrics.score(table.iloc[50:], truth)
    assert metrics.score(gappy.iloc[:50], truth)["n"] == 0
    assert np.isnan(metrics.score(gappy.iloc[:50], truth)["uar"])


def calibration_error(*answers):
    """ECE of answers of two labels, each a confidence and whether it is right."""
    clips = [f"c{i}" for i in range(len(answers))]
    table = pd.DataFrame([[c, 1 - c] for c, _ in answers], clips, LABELS[:2])
    truth = pd.Series([LABELS[0] if right else LABELS[1] for _, right in answers], clips)
    return metrics.score(table, truth)["ece"]


class TestCalibrationErrorByHand:
    def test_overconfidence(self):
        assert calibration_error(*[(0.9, True)] * 90, *[(0.9, False)] * 10) == 0
        assert calibration_error(*[(0.9, True)] * 40, *[(0.9, False)] * 60) == 0.5

    def test_there_are_15_bins(self):
        # Each pair lies within one fifteenth, and astride an edge of 16, 10 or 14 bins:
        # 10/16 = 0.625, 7/10 = 0.7, 11/14 = 0.786. Apart, a pair's gaps would add up.
        pairs = [(0.62, 0.63), (0.69, 0.71), (0.78, 0.79)]
        answers = [(c, right) for low, high in pairs for c, right in ((low, True), (high, False))]
        gaps = [abs((1 - low) + (0 - high)) for low, high in pairs]
        assert calibration_error(*answers) == pytest.approx(sum(gaps) / 6, abs=1e-12)
        # And the other way round: 9/15 = 0.6 parts what no edge of 10, 14 or 16 does but 6/10.
        assert calibration_error((0.57, True), (0.61, False)) == pytest.approx((0.43 + 0.61) / 2)

    def test_a_bin_holds_its_upper_end(self):
        # (8/15, 9/15] holds 0.6 and 0.58; (9/15, 10/15] holds 0.61 alone.
        assert calibration_error((0.6, True), (0.58, False)) == pytest.approx(0.18 / 2)
        assert calibration_error((0.6, True), (0.61, False)) == pytest.approx((0.4 + 0.61) / 2)
        assert calibration_error((1.0, True), (0.95, False)) == pytest.approx(0.95 / 2)

    def test_the_outermost_bins_are_bins_too(self):
        assert calibration_error((0.92, True), (0.97, False)) == pytest.approx((0.08 + 0.97) / 2)
        # A sum of float32 may be above 1: it is in the last bin, with 0.99.
        assert calibration_error((1.0005, True), (0.99, True)) == pytest.approx(0.0095 / 2)
        low = [np.r_[c, np.full(19, (1 - c) / 19)] for c in (0.06, 0.07)]  # 20 labels
        found = metrics.expected_calibration_error(np.array(low), np.array([0, 1]))
        assert found == pytest.approx((0.94 + 0.07) / 2)

    def test_bins_weigh_by_their_rows(self):
        answers = [(0.9, False)] * 3 + [(0.55, True)]
        assert calibration_error(*answers) == pytest.approx((3 * 0.9 + 0.45) / 4)
        assert calibration_error((0.9, True), (0.92, False)) == pytest.approx(0.82 / 2)


def test_confusion_counts(case):
    table, truth = case
    counts = metrics.confusion(table, truth)
    assert counts.to_numpy().sum() == 200
    expected = ((truth == "sad") & (table.idxmax(axis=1) == "happy")).sum()
    assert counts.loc["sad", "happy"] == expected
    assert (counts.index.name, counts.columns.name) == ("true", "predicted")


def test_a_clip_without_a_label_is_named(case):
    table, truth = case
    with pytest.raises(TableError) as error:
        metrics.score(table, truth.drop("c7"))
    assert "'c7'" in str(error.value)


def test_malformed_probabilities_are_refused(case):
    table, truth = case
    with pytest.raises(TableError):
        metrics.score(table * 2, truth)
