"""Hyper-parameter search whose inner folds keep every actor on one side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def search(
    estimator,
    space: Mapping,
    values: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    n_draws: int | None = 50,
    n_folds: int = 5,
    scoring: str = "accuracy",
    seed: int = 0,
    workers: int = -1,
    progress: bool = True,
):
    """Return a fitted scikit-learn search over training clips.

    Args:
        estimator: unfitted.
        space: parameter -> list of values or a distribution.
        values: ``(n_clips, n_values)`` of training clips.
        labels: ``(n_clips,)``.
        groups: ``(n_clips,)`` the actor of each clip.
        n_draws: draws of a randomised search; None tries the whole grid.
        n_folds: inner folds, at most as many as there are actors.
        scoring: any scikit-learn metric name.
        seed: of the draws.
        workers: processes.
        progress: whether to show a bar over the candidates.

    Returns:
        ``RandomizedSearchCV`` or ``GridSearchCV``, fitted; ``best_params_``.
    """
    from sklearn.model_selection import (
        GridSearchCV,
        GroupKFold,
        ParameterGrid,
        ParameterSampler,
    )
    from tqdm import tqdm

    if n_draws is None:
        candidates = list(ParameterGrid(dict(space)))
    else:
        candidates = list(ParameterSampler(dict(space), n_draws, random_state=seed))
    # One candidate is a grid of its own: scikit-learn's searches show no bar,
    # and this way they are asked one by one while staying the judge.
    splitter = GroupKFold(min(n_folds, len(set(groups))))
    best = None
    for candidate in tqdm(candidates, desc="search", unit="model", disable=not progress):
        grid = {name: [value] for name, value in candidate.items()}
        trial = GridSearchCV(
            estimator, grid, cv=splitter, scoring=scoring, n_jobs=workers, refit=False
        ).fit(values, labels, groups=groups)
        if best is None or trial.best_score_ > best.best_score_:
            best = trial
    return best
