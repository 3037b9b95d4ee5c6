"""Our classifiers keep scikit-learn's conventions, by its own checks.

``KerasClassifier`` is not among them: it is built of a module that the checks cannot guess, takes
images too, and each of their fifty fits would compile a network.
"""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

from multimodal_ser.estimators.pairwise import PairwiseSVC
from multimodal_ser.estimators.partial_labels import PartialLabelRegression
from multimodal_ser.estimators.votes import SoftVote


def failed(estimator) -> set[str]:
    found = check_estimator(estimator, on_fail=None, on_skip=None)
    assert sum(check["status"] == "passed" for check in found) > 50
    return {check["check_name"] for check in found if check["status"] == "failed"}


@pytest.mark.filterwarnings("ignore")
def test_regression_of_partial_labels():
    assert failed(PartialLabelRegression()) == set()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pooling", ["geometric", "arithmetic"])
def test_votes(pooling):
    members = [(name, LogisticRegression(C=c)) for name, c in (("a", 1.0), ("b", 0.1))]
    assert failed(SoftVote(members, pooling=pooling)) == set()


@pytest.mark.filterwarnings("ignore")
def test_support_vectors_keep_what_scikit_learns_own_keep():
    """Its own fail where decisions are pairwise, and on weights, to which libsvm is not exact."""
    theirs = failed(SVC(decision_function_shape="ovo"))
    assert failed(PairwiseSVC(decision_function_shape="ovo")) <= theirs
    assert theirs <= {
        "check_classifiers_train",
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    }
