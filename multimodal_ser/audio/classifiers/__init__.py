"""Audio classifiers: each file builds one estimator with ``fit``.

A classifier is a module with ``build(*, seed=0, **params)``, returning an
estimator in scikit-learn's sense whose inputs are raw feature values: scaling,
where it is needed, is part of the estimator and so is fitted on training clips
alone. Where the estimator has no ``predict_proba``, the module has
``probabilities(estimator, values)``. ``SEARCH`` holds what a search may vary:
lists of values by parameter of ``build``. ``INPUT`` says which features it
takes, a key of :data:`INPUTS`; ``check_width(n_values, **params)``, where there is
one, refuses vectors that are too short for it. Published systems are named by
their recipes: ``aei_2019`` is the one of ``pipelines/aei_2019.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from multimodal_ser.errors import SerError
from multimodal_ser.plugins import load_plugin

NAMES = (
    "conv1d",
    "corpora_regression",
    "decision_tree",
    "ensemble",
    "gradient_boosting",
    "knn",
    "lightgbm",
    "log_mel_resnet",
    "logistic_regression",
    "logmel_crnn",
    "mlp",
    "mobilenet",
    "pca_cnn",
    "random_forest",
    "resnet18",
    "rnn",
    "svc",
    "vgg16",
    "vgg19",
    "vote_per_feature_set",
    "waveform_cnn",
    "xgboost",
)

#: The Keras networks among them: their ``fit`` takes ``validation`` clips to stop early.
NETWORKS = (
    "conv1d",
    "log_mel_resnet",
    "logmel_crnn",
    "mobilenet",
    "pca_cnn",
    "resnet18",
    "rnn",
    "vgg16",
    "vgg19",
    "waveform_cnn",
)

#: What classifiers were called in models that were saved earlier.
FORMER_NAMES = {"block_vote": "vote_per_feature_set"}
#: What a classifier takes -> the shape of one clip's features, in words, and
#: how many axes they may have.
INPUTS = {
    "vector": ("(n_values,)", (1,)),
    "waveform": ("(n_samples, 1)", (1, 2)),
    "frames": ("(n_frames, n_bands)", (2,)),
    "sequence": ("(n_values,) or (n_frames, n_bands)", (1, 2)),
    "image": ("(height, width) or (..., channels)", (2, 3)),
}


def load(name: str) -> ModuleType:
    """Return the module of a classifier.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> type(load("svc").build()).__name__
        'Pipeline'
    """
    return load_plugin(__name__, "audio classifier", name, NAMES)


def is_network(name: str) -> bool:
    """Return whether a classifier is a Keras network; nothing is imported to find out.

    Example:
        >>> is_network("conv1d"), is_network("svc")
        (True, False)
    """
    return name in NETWORKS


def check_input(name: str, shape: tuple[int, ...], params: Mapping | None = None) -> None:
    """Refuse features of a shape that a classifier cannot take.

    Args:
        name: one of :data:`NAMES`.
        shape: of one clip's features.
        params: of its ``build``.

    Raises:
        SerError: the number of axes is another, or the values are too few.

    Example:
        >>> check_input("resnet18", (157,))
        Traceback (most recent call last):
        multimodal_ser.errors.SerError: resnet18 takes features of the shape \
(height, width) or (..., channels), these have (157,); choose another feature set or classifier
    """
    module = load(name)
    words, axes = INPUTS[module.INPUT]
    if len(shape) not in axes:
        raise SerError(
            f"{name} takes features of the shape {words}, these have {shape}; "
            "choose another feature set or classifier"
        )
    if hasattr(module, "check_width"):
        module.check_width(shape[0], **(params or {}))
