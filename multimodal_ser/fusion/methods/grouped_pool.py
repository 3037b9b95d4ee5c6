"""Models of one modality are averaged, modalities are multiplied.

Two models that watch the same face share their errors: their evidence must not
count twice, so within a group probabilities are averaged (a linear pool).
Sound and sight err more independently: between groups log-probabilities add
up (a logarithmic pool). ``log p = sum_g w_g log(sum_m a_m p_m) + const``, with
``m`` over the models of group ``g`` and their ``a_m`` summing to 1; ``w`` and ``a``
have the least log-loss on held-out predictions.

Linear and logarithmic pools: Genest and Zidek, "Combining Probability
Distributions", Statistical Science 1(1), 1986. Sum rule for shared, product
rule for independent views: Kittler et al., "On Combining Classifiers", IEEE
TPAMI 20(3), 1998. With every model in a group of its own (no option ``groups``)
this is ``log_pool``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from multimodal_ser.fusion.numeric import HIGHEST_WEIGHT, HeldOut, log_loss, logs, normalise

FITTED = True
LOGARITHMIC = True
#: ``groups``: model -> modality; a model that is not named is its own group.
OPTIONS: dict = {"groups": {}}
#: No model of a group outweighs another by more than e to this power.
_LIMIT = 5.0


def shapes(names: Sequence[str], n_labels: int, options: Mapping) -> dict[str, tuple[int, ...]]:
    """Return one weight a group, one share a model."""
    return {"weights": (len(_membership(names, options)),), "shares": (len(names),)}


def fit(held: HeldOut, names: Sequence[str], options: Mapping) -> dict[str, np.ndarray]:
    """Return the weights and shares with the least log-loss."""
    from scipy.optimize import minimize

    members = _membership(names, options)
    n_groups = len(members)

    def unpack(flat: np.ndarray) -> dict[str, np.ndarray]:
        return {"weights": flat[:n_groups], "shares": _shares(flat[n_groups:], members)}

    def loss(flat: np.ndarray) -> float:
        terms = evidence(held.values, unpack(flat), names, options)
        return log_loss(terms.sum(axis=0), held.codes)

    start = np.concatenate([np.full(n_groups, 1 / n_groups), np.zeros(len(names))])
    bounds = [(0.0, HIGHEST_WEIGHT)] * n_groups + [(-_LIMIT / 2, _LIMIT / 2)] * len(names)
    return unpack(minimize(loss, start, method="L-BFGS-B", bounds=bounds).x)


def evidence(
    values: np.ndarray, parameters: Mapping[str, np.ndarray], names: Sequence[str], options: Mapping
) -> np.ndarray:
    """Return each group's weighted log-probability, divided among its models.

    A model's part of its group's evidence for a label is its part of the
    probability that the group gives to that label.
    """
    terms = np.empty_like(values)
    weights, shares = parameters["weights"], parameters["shares"]
    for weight, group in zip(weights, _membership(names, options), strict=True):
        parts = shares[group][:, None, None] * np.clip(values[group], 1e-300, None)
        total = parts.sum(axis=0)
        terms[group] = weight * logs(total) * parts / total
    return terms


def _membership(names, options) -> list[np.ndarray]:
    """Return the positions of each group's models, groups in order of appearance."""
    groups = [options["groups"].get(name, f"\0{name}") for name in names]
    order = dict.fromkeys(groups)
    return [np.flatnonzero([group == one for one in groups]) for group in order]


def _shares(scores: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
    shares = np.empty(len(scores))
    for group in members:
        shares[group] = normalise(scores[group])
    return shares
