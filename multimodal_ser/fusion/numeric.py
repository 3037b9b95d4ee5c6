"""What every pool of log-probabilities needs: floor, softmax, loss, and how strongly to shrink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

#: Keeps the logarithm of a probability of 0 finite: about float32's smallest step.
FLOOR = 1e-7
#: No modality counts for more than three of itself, whatever a small
#: held-out part says.
HIGHEST_WEIGHT = 3.0
#: Inner folds over which the strength of a penalty is chosen.
INNER_FOLDS = 4


class HeldOut(NamedTuple):
    """What a method is fitted on.

    Attributes:
        values: float ``(n_modalities, n_clips, n_labels)``, held-out
            probabilities without NaN.
        codes: int ``(n_clips,)``, true columns.
        actors: ``(n_clips,)``, whose clip it is; inner folds keep actors apart.
    """

    values: np.ndarray
    codes: np.ndarray
    actors: np.ndarray

    def part(self, chosen: np.ndarray) -> HeldOut:
        """Return the clips of a boolean mask."""
        return HeldOut(self.values[:, chosen], self.codes[chosen], self.actors[chosen])


def logs(values: np.ndarray) -> np.ndarray:
    """Return natural logarithms, none below that of :data:`FLOOR`.

    Example:
        >>> logs(np.array([1.0, 0.0])).round(1).tolist()
        [0.0, -16.1]
    """
    return np.log(np.clip(values, FLOOR, None))


def normalise(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis.

    Example:
        >>> normalise(np.log([[1.0, 3.0]])).round(2).tolist()
        [[0.25, 0.75]]
    """
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_loss(scores: np.ndarray, codes: np.ndarray) -> float:
    """Return the mean negative log-likelihood in nats of unnormalised log-probabilities.

    Args:
        scores: ``(n, n_labels)``; need not be normalised.
        codes: ``(n,)`` true columns.

    Example:
        >>> round(log_loss(np.zeros((3, 8)), np.array([0, 1, 2])), 3)
        2.079
    """
    from scipy.special import logsumexp

    right = scores[np.arange(len(codes)), codes]
    return float((logsumexp(scores, axis=1) - right).mean())


def pool_weights(terms: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the weights of a logarithmic pool with the least log-loss.

    Args:
        terms: ``(n_modalities, n_clips, n_labels)`` log-probabilities.
        codes: ``(n_clips,)`` true columns.

    Returns:
        ``(n_modalities,)``, each 0 to :data:`HIGHEST_WEIGHT`; their sum is
        free, because independent evidence adds up. Equal weights that sum to 1
        where nothing can be learnt.
    """
    from scipy.optimize import minimize

    equal = np.full(len(terms), 1 / len(terms))
    hot = np.eye(terms.shape[2])[codes]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = np.tensordot(weights, terms, axes=1)
        slope = (normalise(scores) - hot) / len(codes)
        return log_loss(scores, codes), np.tensordot(terms, slope, axes=2)

    bounds = [(0.0, HIGHEST_WEIGHT)] * len(terms)
    best = minimize(loss, equal, jac=True, method="L-BFGS-B", bounds=bounds).x
    # All 0 would be no opinion at all; it wins only where nothing was learnt.
    return best if best.sum() > 0.01 else equal


def vector_weights(
    terms: np.ndarray, codes: np.ndarray, l2: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return one weight a modality and label, and one bias a label, of least log-loss.

    Minimises the summed log-loss plus ``l2`` times the squares of the biases
    and of how far each label's weight is from the one its modality shares. So a
    strong penalty leads to :func:`pool_weights` (for a single modality:
    temperature scaling) and not to no opinion.

    Args:
        terms: ``(n_modalities, n_clips, n_labels)`` log-probabilities.
        codes: ``(n_clips,)`` true columns.
        l2: strength of the penalty, above 0.

    Returns:
        Weights ``(n_modalities, n_labels)`` and bias ``(n_labels,)``.
    """
    from scipy.optimize import minimize

    count, _, width = terms.shape
    hot = np.eye(width)[codes]

    def unpack(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return flat[:count], flat[count:-width].reshape(count, width), flat[-width:]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        shared, own, bias = unpack(flat)
        scores = np.einsum("mk,mnk->nk", shared[:, None] + own, terms) + bias
        slope = normalise(scores) - hot
        by_label = np.einsum("nk,mnk->mk", slope, terms)
        value = log_loss(scores, codes) * len(codes) + l2 * ((own**2).sum() + (bias**2).sum())
        steps = [by_label.sum(1), (by_label + 2 * l2 * own).ravel(), slope.sum(0) + 2 * l2 * bias]
        return value / len(codes), np.concatenate(steps) / len(codes)

    start = np.zeros(count + count * width + width)
    start[:count] = pool_weights(terms, codes)
    bounds = [(0.0, HIGHEST_WEIGHT)] * count + [(None, None)] * (len(start) - count)
    shared, own, bias = unpack(minimize(loss, start, jac=True, bounds=bounds).x)
    return shared[:, None] + own, bias


def above_mean(terms: np.ndarray, winners: np.ndarray) -> np.ndarray:
    """Return by how much the winner's evidence exceeds the mean over labels.

    Args:
        terms: ``(n_modalities, n_clips, n_labels)``.
        winners: ``(n_clips,)`` columns.

    Returns:
        ``(n_modalities, n_clips)``.
    """
    return terms[:, np.arange(len(winners)), winners] - terms.mean(axis=2)


def as_shares(excess: np.ndarray) -> np.ndarray:
    """Divide by the sum of absolute values over the first axis; 0 stays 0.

    Example:
        >>> as_shares(np.array([[3.0], [-1.0]])).tolist()
        [[0.75], [-0.25]]
    """
    total = np.abs(excess).sum(axis=0)
    return np.divide(excess, total, out=np.zeros_like(excess), where=total > 0)


def choose_strength(
    held: HeldOut,
    strengths: Sequence[float],
    scores: Callable[[HeldOut, HeldOut, float], np.ndarray],
) -> float:
    """Return the penalty with the least log-loss on inner folds of actors.

    Args:
        held: what may be fitted on.
        strengths: candidates, weakest first.
        scores: given a part to fit on, a part to predict and a strength, returns
            unnormalised log-probabilities ``(n_predicted, n_labels)``.

    Returns:
        One of the strengths; the strongest where there are fewer than two
        actors, because nothing then says how well a fit carries over.
    """
    names, owner = np.unique(held.actors.astype(str), return_inverse=True)
    fold = owner % min(INNER_FOLDS, len(names))
    masks = [fold == number for number in range(fold.max() + 1)]
    masks = [mask for mask in masks if len(np.unique(held.codes[~mask])) > 1]
    if len(names) < 2 or not masks:
        return strengths[-1]

    def loss(strength: float) -> float:
        parts = ((held.part(~mask), held.part(mask)) for mask in masks)
        return sum(
            log_loss(scores(fit, test, strength), test.codes) * len(test.codes)
            for fit, test in parts
        )

    return min(strengths, key=loss)
