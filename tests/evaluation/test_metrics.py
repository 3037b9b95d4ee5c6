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


def test_perfect_predictions():
    table = pd.DataFrame(np.eye(3), list("abc"), LABELS)
    got = metrics.score(table, pd.Series(LABELS, list("abc")))
    perfect = dict.fromkeys(("uar", "war", "macro_f1", "top2"), 1.0)
    assert got == perfect | dict.fromkeys(("nll", "brier", "ece"), 0.0) | {"n": 3}


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


def test_overconfidence_shows_in_the_calibration_error():
    values = np.array([[0.9, 0.1]] * 100)
    assert metrics.expected_calibration_error(values, np.array([0] * 90 + [1] * 10)) == 0
    assert metrics.expected_calibration_error(values, np.array([0] * 40 + [1] * 60)) == 0.5


def test_confusion_counts(case):
    table, truth = case
    counts = metrics.confusion(table, truth)
    assert counts.to_numpy().sum() == 200
    expected = ((truth == "sad") & (table.idxmax(axis=1) == "happy")).sum()
    assert counts.loc["sad", "happy"] == expected


def test_a_clip_without_a_label_is_named(case):
    table, truth = case
    with pytest.raises(TableError, match="'c7'"):
        metrics.score(table, truth.drop("c7"))


def test_malformed_probabilities_are_refused(case):
    table, truth = case
    with pytest.raises(TableError, match="sum to 1"):
        metrics.score(table * 2, truth)
