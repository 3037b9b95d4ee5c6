"""Audio classifiers: each file builds one estimator with ``fit``.

A classifier is a module with ``build(*, seed=0, **params)``, returning an
estimator in scikit-learn's sense whose inputs are raw feature values: scaling,
where it is needed, is part of the estimator and so is fitted on training clips
alone. Where the estimator has no ``predict_proba``, the module has
``probabilities(estimator, values)``. ``SEARCH`` holds what a search may vary:
lists of values by parameter of ``build``.
"""

from __future__ import annotations

from types import ModuleType

from multimodal_ser.plugins import load_plugin

NAMES = (
    "conv1d",
    "ensemble",
    "logistic_regression",
    "mlp",
    "random_forest",
    "svc",
    "xgboost",
)


def load(name: str) -> ModuleType:
    """Return the module of a classifier.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> type(load("svc").build()).__name__
        'Pipeline'
    """
    return load_plugin(__name__, "audio classifier", name, NAMES)
