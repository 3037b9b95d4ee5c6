import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from multimodal_ser.evaluation.search import search


def speakers_and_noise():
    """Labels that a model can only know by knowing the speaker."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 12)
    speaker = rng.standard_normal((8, 5))[groups] * 10
    values = speaker + 0.01 * rng.standard_normal((96, 5))
    return values, rng.permutation(8)[groups] % 2, groups


def test_inner_folds_keep_actors_apart():
    values, labels, groups = speakers_and_noise()
    space = {"n_neighbors": [1]}
    shared = {"workers": 1, "progress": False, "n_draws": None}
    strict = search(KNeighborsClassifier(), space, values, labels, groups, **shared)
    alone = np.arange(len(groups))
    leaky = search(KNeighborsClassifier(), space, values, labels, alone, **shared)
    assert leaky.best_score_ > 0.95
    assert strict.best_score_ < 0.8


def test_the_better_candidate_wins_and_the_seed_decides_the_draws():
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=200)
    values = np.stack([labels + 0.2 * rng.standard_normal(200), rng.standard_normal(200)], axis=1)
    space = {"max_depth": [1, 2, 3], "splitter": ["best", "random"]}
    arguments = (DecisionTreeClassifier(random_state=0), space, values, labels, np.arange(200) % 5)
    shared = {"n_draws": 3, "workers": 1, "progress": False}
    one, two = (search(*arguments, seed=4, **shared) for _ in range(2))
    assert one.best_params_ == two.best_params_
    assert one.best_score_ > 0.9
