import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from multimodal_ser.fusion import numeric


@pytest.fixture
def terms():
    """Log-probabilities of two modalities that know the label, one better."""
    rng = np.random.default_rng(0)
    codes = rng.integers(3, size=400)
    scores = rng.standard_normal((2, 400, 3))
    scores[:, np.arange(400), codes] += np.array([[2.0], [1.0]])
    return np.log(numeric.normalise(scores)), codes


def test_logs_of_0_are_finite():
    assert numeric.logs(np.array([0.0, 1.0])).tolist() == [np.log(numeric.FLOOR), 0]


def test_normalise_survives_large_scores_and_keeps_nan():
    np.testing.assert_allclose(numeric.normalise(np.array([[1e4, 1e4], [0, 0]])), 0.5)
    assert np.isnan(numeric.normalise(np.full((1, 2), np.nan))).all()


def test_no_small_step_improves_the_pool_weights(terms):
    logs, codes = terms
    weights = numeric.pool_weights(logs, codes)

    def loss(weights):
        return numeric.log_loss(np.tensordot(weights, logs, axes=1), codes)

    for step in (np.array([0.02, 0]), np.array([0, 0.02]), np.array([0.02, -0.02])):
        assert loss(weights) < min(loss(weights + step), loss(weights - step))


def test_a_strong_penalty_leads_from_vector_weights_to_pool_weights(terms):
    weights, bias = numeric.vector_weights(*terms, 1e7)
    expected = np.repeat(numeric.pool_weights(*terms)[:, None], 3, axis=1)
    np.testing.assert_allclose(weights, expected, atol=1e-3)
    np.testing.assert_allclose(bias, 0, atol=1e-3)


def test_a_weaker_penalty_fits_closer(terms):
    logs, codes = terms

    def loss(l2):
        weights, bias = numeric.vector_weights(logs, codes, l2)
        return numeric.log_loss(np.einsum("mk,mnk->nk", weights, logs) + bias, codes)

    losses = [loss(l2) for l2 in (0.1, 10, 1000)]
    assert losses == sorted(losses)


class TestChoiceOfStrength:
    def choose(self, actors, values, codes):
        held = numeric.HeldOut(values, codes, actors)
        return numeric.choose_strength(held, (0.001, 1000.0), self.scores)

    @staticmethod
    def scores(fit, test, l2):
        inputs = [np.concatenate(list(part.values), axis=1) for part in (fit, test)]
        model = LogisticRegression(C=1 / l2, max_iter=2000).fit(inputs[0], fit.codes)
        return np.stack([-model.decision_function(inputs[1]), 0 * inputs[1][:, 0]], axis=1)

    def test_what_only_names_the_actor_is_shrunk_when_actors_are_kept_apart(self):
        rng = np.random.default_rng(0)
        actors = np.repeat(np.arange(12), 20)
        values = 5 * rng.standard_normal((1, 12, 6))[:, actors]
        codes = rng.integers(2, size=12)[actors]
        assert self.choose(actors, values, codes) == 1000
        assert self.choose(np.arange(len(codes)), values, codes) == 0.001

    def test_one_actor_gets_the_strongest(self):
        values = np.random.default_rng(0).standard_normal((1, 30, 2))
        assert self.choose(np.zeros(30), values, np.arange(30) % 2) == 1000


def test_shares_add_up():
    terms = np.log([[[0.7, 0.2, 0.1]], [[0.2, 0.5, 0.3]]])
    excess = numeric.above_mean(terms, np.array([0]))
    expected = [np.log(0.7) - np.log([0.7, 0.2, 0.1]).mean()]
    expected.append(np.log(0.2) - np.log([0.2, 0.5, 0.3]).mean())
    np.testing.assert_allclose(excess[:, 0], expected)
    shares = numeric.as_shares(excess)
    assert shares[0, 0] > 0 > shares[1, 0]
    assert np.abs(shares).sum() == pytest.approx(1)
