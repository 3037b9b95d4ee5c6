"""First steps that are fitted once leave every number as it was."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from multimodal_ser.estimators.classical import perceptrons, regression, support_vectors
from multimodal_ser.estimators.first_steps import FirstSteps

VALUES = np.random.default_rng(0).normal(3, 50, size=(60, 40)).astype(np.float32)
TARGETS = np.arange(60) % 3
MLP = {"hidden": 4, "alpha": 1.0, "epochs": 3, "learning_rate": 1e-3, "n_seeds": 2}
BUILD = (
    lambda: regression(c=0.1),
    lambda: regression(c=10.0),
    lambda: support_vectors(c=3.0),
    lambda: support_vectors(c=3.0, scale=False),
    lambda: perceptrons(**MLP),
    lambda: perceptrons(**MLP, scale=False),
)


@pytest.fixture
def scalings(monkeypatch):
    """Every fit of a scaler."""
    seen, fit = [], StandardScaler.fit

    def spy(self, *given, **more):
        seen.append(self)
        return fit(self, *given, **more)

    monkeypatch.setattr(StandardScaler, "fit", spy)
    return seen


def test_probabilities_are_those_of_estimators_fitted_alone(scalings):
    first = FirstSteps()
    for build in BUILD:
        shared, alone = build(), build().fit(VALUES, TARGETS)
        scalings.clear()
        first.fit(shared, VALUES, TARGETS)
        assert len(scalings) == (build is BUILD[0])
        assert shared.predict_proba(VALUES).tobytes() == alone.predict_proba(VALUES).tobytes()


def test_perceptrons_are_scaled_once_for_all_seeds(scalings):
    perceptrons(**MLP).fit(VALUES, TARGETS)
    assert len(scalings) == 1
