"""Regression of clips whose label may be one of several."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from multimodal_ser.errors import ModelError
from multimodal_ser.estimators.partial_labels import PartialLabelRegression


def data(n_clips=240, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_clips) % 3
    values = rng.normal(size=(3, 5))[labels] + rng.normal(size=(n_clips, 5))
    return values * [1, 10, 0.1, 1, 1] + [0, 1000, 0, 0, 0], labels


def test_with_one_label_each_it_is_logistic_regression():
    values, labels = data()
    ours = PartialLabelRegression(penalty=0.05, max_iter=1000, bound=100).fit(values, labels)
    # scikit-learn's C is of the sum of losses, ours of their mean.
    theirs = LogisticRegression(C=1 / (0.05 * len(labels)), tol=1e-8, max_iter=2000)
    scaled = StandardScaler().fit_transform(values)
    expected = theirs.fit(scaled, labels).predict_proba(scaled)
    np.testing.assert_allclose(ours.predict_proba(values), expected, atol=2e-4)


def test_a_weight_of_two_is_a_clip_twice():
    values, labels = data()
    twice = np.r_[np.arange(len(labels)), np.flatnonzero(labels == 1)]
    repeated = PartialLabelRegression(max_iter=1000).fit(values[twice], labels[twice])
    weighed = PartialLabelRegression(max_iter=1000)
    # The scaling is of the clips as they are, so give both the same.
    weighed.fit(values, labels, weights=1.0 + (labels == 1))
    scale = repeated.scale_ / weighed.scale_
    np.testing.assert_allclose(
        repeated.predict_proba(values).argmax(1), weighed.predict_proba(values).argmax(1)
    )
    assert abs(scale - 1).max() < 0.1


def test_a_corpus_that_does_not_tell_two_labels_apart_does_not_move_their_border():
    values, labels = data()
    own = PartialLabelRegression(penalty=1e-3, max_iter=2000).fit(values, labels)
    # The same clips again, of which nobody says whether they are 0 or 1, all called 0.
    called = np.r_[labels, np.where(labels == 1, 0, labels)]
    doubled = np.r_[values, values]
    may = np.eye(3, dtype=bool)[called]
    may[len(labels) :][labels < 2, :2] = True
    partial = PartialLabelRegression(penalty=1e-3, max_iter=2000)
    partial.fit(doubled, called, possible=may)
    naive = PartialLabelRegression(penalty=1e-3, max_iter=2000).fit(doubled, called)
    recall = {
        name: (model.predict(values)[labels == 1] == 1).mean()
        for name, model in {"own": own, "partial": partial, "naive": naive}.items()
    }
    assert abs(recall["partial"] - recall["own"]) < 0.05
    assert recall["naive"] < recall["own"] - 0.2


def test_one_value_out_of_all_proportion_does_not_decide():
    values, labels = data()
    model = PartialLabelRegression(bound=3).fit(values, labels)
    wild = values.copy()
    wild[:, 2] = 1e9
    far = values.copy()
    far[:, 2] = model.mean_[2] + 3 * model.scale_[2]
    np.testing.assert_allclose(model.predict_proba(wild), model.predict_proba(far), atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive"])
def test_a_damaged_file_is_a_model_error(tmp_path, content):
    model = PartialLabelRegression().fit(*data())
    model.save(tmp_path)
    (tmp_path / "regression.npz").write_bytes(content)
    with pytest.raises(ModelError):
        PartialLabelRegression.load(tmp_path)
