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


def test_missing_rows_stay_missing_and_do_not_count(honest):
    table, truth = honest
    gappy = table.copy()
    gappy.iloc[::2] = np.nan
    assert calibration.soften(gappy, 2).iloc[0].isna().all()
    assert calibration.fit_temperature(gappy, truth) == pytest.approx(1, abs=0.1)
    assert calibration.fit_temperature(gappy.iloc[:1], truth) == 1.0


def test_a_temperature_of_0_is_refused(honest):
    with pytest.raises(ValueError, match="positive"):
        calibration.soften(honest[0], 0)


class TestVectorScaling:
    def test_calibrated_probabilities_are_left_alone(self, honest):
        factors, bias = calibration.fit_vector(*honest)
        np.testing.assert_allclose(factors, 1, atol=0.15)
        np.testing.assert_allclose(bias, 0, atol=0.15)

    def test_a_known_distortion_is_found_and_undone(self, honest):
        table, truth = honest
        factors, bias = pd.Series([2.0, 0.5, 1.0], LABELS), pd.Series([0.5, 0.0, -0.5], LABELS)
        bent = calibration.rescale(table, factors, bias)
        mended = calibration.rescale(bent, *calibration.fit_vector(bent, truth, l2=0.1))
        assert score(mended, truth)["ece"] < score(bent, truth)["ece"] / 2
        assert score(mended, truth)["nll"] < score(bent, truth)["nll"] - 0.02

    def test_a_strong_penalty_is_temperature_scaling(self, honest):
        table, truth = honest
        bent = calibration.soften(table, 2)
        factors, bias = calibration.fit_vector(bent, truth, l2=1e7)
        expected = 1 / calibration.fit_temperature(bent, truth)
        np.testing.assert_allclose(factors, expected, rtol=0.01)
        np.testing.assert_allclose(bias, 0, atol=1e-3)

    def test_missing_rows_stay_missing_and_do_not_count(self, honest):
        table, truth = honest
        gappy = table.copy()
        gappy.iloc[::2] = np.nan
        fitted = calibration.fit_vector(gappy, truth)
        whole = calibration.fit_vector(table.iloc[1::2], truth)
        np.testing.assert_allclose(fitted[0], whole[0])
        assert calibration.rescale(gappy, *fitted).iloc[0].isna().all()

    def test_no_clip_changes_nothing(self, honest):
        table, truth = honest
        factors, bias = calibration.fit_vector(table * np.nan, truth)
        assert (factors == 1).all()
        assert (bias == 0).all()

    def test_a_label_that_never_occurs_becomes_unlikely(self, honest):
        table, truth = honest
        _, bias = calibration.fit_vector(table, truth[truth != "angry"])
        assert bias["angry"] < bias[["sad", "happy"]].min() - 1

    def test_bad_input_is_refused(self, honest):
        with pytest.raises(ValueError, match="positive"):
            calibration.fit_vector(*honest, l2=0)
        one = pd.Series(1.0, LABELS)
        with pytest.raises(TableError, match="factors are for sad, happy"):
            calibration.rescale(honest[0], one[:2], one)
        with pytest.raises(TableError, match="finite"):
            calibration.rescale(honest[0], one, one * np.nan)
