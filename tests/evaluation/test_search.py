import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, precision_score, roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from multimodal_ser.audio import classifiers
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.search import METHODS, search

QUIET = {"workers": 1, "progress": False}


def speakers_and_noise():
    """Labels that a model can only know by knowing the speaker."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 12)
    speaker = rng.standard_normal((8, 5))[groups] * 10
    values = speaker + 0.01 * rng.standard_normal((96, 5))
    return values, rng.permutation(8)[groups] % 2, groups


def learnable(n_clips=200):
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=n_clips)
    told = labels + 0.4 * rng.standard_normal(n_clips)
    values = np.stack([told, rng.standard_normal(n_clips)], axis=1)
    return values, labels, np.arange(n_clips) % 5


@pytest.mark.parametrize("method", METHODS)
def test_inner_folds_keep_actors_apart(method):
    if method == "optuna":
        pytest.importorskip("optuna")
    values, labels, groups = speakers_and_noise()
    space = {"n_neighbors": [1]}
    shared = QUIET | {"n_draws": 2, "method": method, "scoring": "accuracy"}
    strict = search(KNeighborsClassifier(), space, values, labels, groups, **shared)
    alone = np.arange(len(groups))
    leaky = search(KNeighborsClassifier(), space, values, labels, alone, **shared)
    assert leaky.best_score_ > 0.95
    assert strict.best_score_ < 0.8


@pytest.mark.parametrize("method", METHODS)
def test_the_best_trial_wins_and_the_seed_decides_the_draws(method):
    if method == "optuna":
        pytest.importorskip("optuna")
    space = {"max_depth": [1, 2, 3], "splitter": ["best", "random"], "min_samples_leaf": [1, 150]}
    arguments = (DecisionTreeClassifier(random_state=0), space, *learnable())
    shared = QUIET | {"n_draws": 6, "method": method}
    one, two = (search(*arguments, seed=4, **shared) for _ in range(2))
    assert one.trials.equals(two.trials)
    assert len(one.trials) == (12 if method == "grid" else 6)
    assert one.best_score_ == one.trials["score"].max() > 0.8
    assert one.best_params_["min_samples_leaf"] == 1
    if method != "grid":
        assert not search(*arguments, seed=5, **shared).trials.equals(one.trials)


@pytest.mark.parametrize("scoring", ["precision", "roc_auc"])
def test_scores_are_scikit_learns_over_the_grouped_folds(scoring):
    values, labels, groups = learnable()
    found = search(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [2]},
        values,
        labels,
        groups,
        method="grid",
        n_folds=3,
        scoring=scoring,
        **QUIET,
    )
    scores = []
    for train, test in GroupKFold(3).split(values, labels, groups):
        assert not set(groups[train]) & set(groups[test])
        tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(values[train], labels[train])
        if scoring == "precision":
            scores.append(precision_score(labels[test], tree.predict(values[test])))
        else:
            scores.append(roc_auc_score(labels[test], tree.predict_proba(values[test])[:, 1]))
    assert found.best_score_ == pytest.approx(np.mean(scores))


def test_without_a_word_the_mean_recall_counts():
    """Of nine clips of one label and one of the other, saying the first is worth 1/2."""
    labels = np.tile([0] * 9 + [1], 4)
    values, groups = np.zeros((40, 1)), np.repeat(np.arange(4), 10)
    found = search(
        DecisionTreeClassifier(), {"max_depth": [1]}, values, labels, groups, n_folds=2, **QUIET
    )
    assert found.best_score_ == 0.5


@pytest.mark.parametrize("method", METHODS)
def test_folds_that_are_given_are_the_ones_searched_over(method):
    if method == "optuna":
        pytest.importorskip("optuna")
    values, labels, groups = learnable()
    folds = [(np.arange(50), np.arange(50, 200)), (np.arange(100, 200), np.arange(20))]
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    scores = []
    for train, test in folds:
        said = tree.fit(values[train], labels[train]).predict(values[test])
        scores.append(balanced_accuracy_score(labels[test], said))
    found = search(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [2]},
        values,
        labels,
        groups * 0,  # one actor is enough where no folds have to be made
        folds=folds,
        method=method,
        n_draws=1,
        **QUIET,
    )
    assert found.best_score_ == pytest.approx(np.mean(scores))


@pytest.mark.parametrize("name", ["svc", "knn", "mlp", "ensemble"])
def test_a_classifiers_build_and_its_own_space_can_be_searched(name):
    values, labels, groups = learnable(60)
    module = classifiers.load(name)
    space = {parameter: choices[:2] for parameter, choices in module.SEARCH.items()}
    found = search(
        module.build, space, values, labels, groups, n_draws=2, scoring="neg_log_loss", **QUIET
    )
    assert set(found.best_params_) == set(space)
    module.build(**found.best_params_)


def test_a_space_smaller_than_the_draws_is_tried_once():
    values, labels, groups = learnable()
    found = search(
        DecisionTreeClassifier(), {"max_depth": [1, 2]}, values, labels, groups, n_draws=9, **QUIET
    )
    assert sorted(found.trials["max_depth"]) == [1, 2]


def test_distributions_are_drawn_from():
    optuna = pytest.importorskip("optuna")
    from scipy.stats import randint

    values, labels, groups = learnable()
    for method, depths in (
        ("random", randint(1, 9)),
        ("optuna", optuna.distributions.IntDistribution(1, 8)),
    ):
        found = search(
            DecisionTreeClassifier(random_state=0),
            {"max_depth": depths},
            values,
            labels,
            groups,
            method=method,
            n_draws=5,
            **QUIET,
        )
        assert found.trials["max_depth"].between(1, 8).all()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"method": "annealing"}, "grid, random, optuna"),
        ({"scoring": "accurate"}, "'accurate'"),
        ({"groups": np.zeros(200)}, "1"),
        ({"folds": []}, "None"),
    ],
)
def test_what_cannot_be_searched_is_refused(change, named):
    values, labels, groups = learnable()
    arguments = {"values": values, "labels": labels, "groups": groups} | QUIET | change
    with pytest.raises(SerError) as error:
        search(DecisionTreeClassifier(), {"max_depth": [1]}, **arguments)
    assert named in str(error.value)


def test_a_metric_that_does_not_suit_the_classes_is_refused():
    values, labels, groups = learnable()
    three = labels + (np.arange(200) % 7 == 0)
    with pytest.raises(SerError) as error, pytest.warns(UserWarning):
        search(
            DecisionTreeClassifier(),
            {"max_depth": [1]},
            values,
            three,
            groups,
            scoring="precision",
            **QUIET,
        )
    assert "precision" in str(error.value)
