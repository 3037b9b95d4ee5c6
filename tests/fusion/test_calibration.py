import numpy as np
import pandas as pd
import pytest

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
