"""Hyper-parameter search whose inner folds keep every actor on one side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser.compute.parallel import one_blas_thread
from multimodal_ser.errors import SerError
from multimodal_ser.plugins import require

#: How candidates are found: all of them, drawn, or proposed by Optuna's
#: tree-structured Parzen estimator from how the earlier ones did.
METHODS = ("grid", "random", "optuna")
#: What to say where Optuna is not installed.
WITHOUT_OPTUNA = "the other methods need nothing more"


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        best_params_: the best candidate's parameters; of equals, the first.
        best_score_: its mean score over the inner folds.
        trials: a row a candidate, in the order tried: its parameters, and the
            column ``score``.
    """

    best_params_: dict[str, Any]
    best_score_: float
    trials: pd.DataFrame


def search(
    build: Callable | Any,
    space: Mapping,
    values: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    method: str | None = None,
    n_draws: int | None = 50,
    n_folds: int = 5,
    folds: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
    scoring: str = "balanced_accuracy",
    seed: int = 0,
    workers: int = -1,
    progress: bool = True,
) -> Found:
    """Search for the parameters that do best on unseen actors, over training clips.

    Args:
        build: called with a candidate's parameters, returns an unfitted
            estimator; or an estimator whose parameters are set.
        space: parameter -> list of values; for ``random`` also a distribution
            with ``rvs``, for ``optuna`` also one of ``optuna.distributions``.
        values: ``(n_clips, ...)`` of training clips.
        labels: ``(n_clips,)``. ``precision`` and other metrics of two classes
            take the class 1 as the one looked for.
        groups: ``(n_clips,)`` the actor of each clip; see
            ``tables.actor_groups``.
        method: one of :data:`METHODS`; None takes ``random``, or ``grid``
            without ``n_draws``.
        n_draws: candidates to draw or to have proposed.
        n_folds: inner folds, at most as many as there are actors.
        folds: inner folds made before, as pairs of the positions of the clips to fit
            on and to score; None makes ``n_folds`` of the actors.
        scoring: any scikit-learn metric name, such as ``precision`` or
            ``roc_auc_ovr``; higher is better. The default is UAR.
        seed: of the draws.
        workers: processes.
        progress: whether to show a bar over the candidates.

    Returns:
        The best parameters; nothing is fitted on all clips.

    Raises:
        SerError: there is no such method or metric, no fold, fewer than two actors
            to make folds of, every candidate failed to be scored, or Optuna is not installed.

    Example:
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> x, actors = np.arange(40.0)[:, None] % 4, np.arange(40) // 10
        >>> found = search(DecisionTreeClassifier(), {"max_depth": [1, 2]}, x, x[:, 0] > 1, actors,
        ...                method="grid", workers=1, progress=False)
        >>> found.best_params_, found.best_score_
        ({'max_depth': 1}, 1.0)
    """
    from tqdm import tqdm

    method = method or ("grid" if n_draws is None else "random")
    splits = _splits(groups, n_folds) if folds is None else list(folds)
    score = _scorer(build, values, labels, splits, scoring, workers)
    candidates = _candidates(method, space, n_draws, seed, score)
    with one_blas_thread():
        rows = list(tqdm(candidates, desc="search", unit="model", disable=not progress))
    scores = np.array([row["score"] for row in rows], dtype=float)
    if not len(rows) or np.isnan(scores).all():
        raise SerError(
            f"none of {len(rows)} candidate(s) could be scored by {scoring}; "
            "check the space and that the metric suits the classes"
        )
    best = rows[int(np.nanargmax(scores))]
    table = pd.DataFrame([row["params"] | {"score": row["score"]} for row in rows])
    return Found(best["params"], float(best["score"]), table)


def _splits(groups: np.ndarray, n_folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import GroupKFold

    n_actors = len(set(groups))
    if n_actors < 2:
        raise SerError(f"a search needs clips of two actors or more, these are of {n_actors}")
    return list(GroupKFold(min(n_folds, n_actors)).split(groups, groups=groups))


def _scorer(build, values, labels, splits: list, scoring: str, workers: int):
    """Return the function from a candidate's parameters to its mean score."""
    from sklearn.metrics import get_scorer_names
    from sklearn.model_selection import cross_val_score

    if scoring not in get_scorer_names():
        raise SerError(f"scikit-learn has no metric {scoring!r}; see sklearn.metrics")
    if not splits:
        raise SerError("there is no fold to search over; give one, or None to have them made")

    def score(params: Mapping) -> float:
        estimator = _estimator(build, params)
        shared = {"cv": splits, "scoring": scoring, "n_jobs": workers}
        return float(cross_val_score(estimator, values, labels, **shared).mean())

    return score


def _estimator(build, params: Mapping):
    from sklearn.base import clone

    if hasattr(build, "set_params"):
        return clone(build).set_params(**params)
    return build(**params)


def _candidates(
    method: str, space: Mapping, n_draws: int | None, seed: int, score: Callable
) -> _Lazy:
    """Return the scored candidates, each scored when its turn comes."""
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    if method not in METHODS:
        raise SerError(f"there is no method {method!r}; choose one of: {', '.join(METHODS)}")
    n_draws = n_draws or 50
    if method == "optuna":
        return _Lazy(n_draws, _proposed(space, n_draws, seed, score))
    if method == "grid":
        found = list(ParameterGrid(dict(space)))
    else:
        # More draws than a space of lists has candidates are all of them.
        lists = all(isinstance(choices, Sequence) for choices in space.values())
        size = len(ParameterGrid(dict(space))) if lists else n_draws
        found = list(ParameterSampler(dict(space), min(n_draws, size), random_state=seed))
    return _Lazy(len(found), ({"params": dict(p), "score": score(p)} for p in found))


class _Lazy:
    """An iterator that knows its length, for the bar."""

    def __init__(self, length: int, items: Iterator):
        self._length, self._items = length, items

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator:
        return self._items


def _proposed(space: Mapping, n_draws: int, seed: int, score: Callable) -> Iterator[dict]:
    require("optuna", remark=WITHOUT_OPTUNA)
    import optuna

    categorical = optuna.distributions.CategoricalDistribution
    distributions = {
        name: categorical(tuple(choices)) if isinstance(choices, Sequence) else choices
        for name, choices in space.items()
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(n_draws):
        trial = study.ask(distributions)
        value = score(trial.params)
        failed = optuna.trial.TrialState.FAIL if np.isnan(value) else None
        study.tell(trial, None if failed else value, state=failed)
        yield {"params": dict(trial.params), "score": value}
