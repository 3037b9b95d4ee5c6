"""Multinomial logistic regression of clips whose label may be one of several.

Corpora do not tell the same emotions apart: what one calls neutral another
divides into neutral and calm. The loss of a clip is minus the logarithm of the
summed probabilities of the labels that it may have (Jin and Ghahramani, "Learning
with multiple labels", NIPS 2002); with one label each, that is logistic
regression. scikit-learn's has neither such labels nor a bound on single values.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from multimodal_ser.errors import ModelError
from multimodal_ser.estimators.files import check_archive

_FILE = "regression.npz"
_ARRAYS = ("mean_", "scale_", "coef_", "intercept_", "classes_")


class PartialLabelRegression(ClassifierMixin, BaseEstimator):
    """Standardise, bound, and fit a softmax of linear scores.

    Args:
        penalty: of half the sum of squared weights, against the mean loss of a clip.
        max_iter: steps of L-BFGS at most.
        bound: standardised values beyond plus or minus this count as this: one
            value out of all proportion does not decide.

    Attributes:
        classes_: the sorted labels seen in training.
        n_iter_: steps of L-BFGS that were taken.
        mean_, scale_: float32 ``(n_values,)``, from the training clips.
        coef_: float32 ``(n_classes, n_values)``.
        intercept_: float32 ``(n_classes,)``.

    Example:
        >>> values = np.random.default_rng(0).normal(size=(60, 3))
        >>> fitted = PartialLabelRegression().fit(values, values[:, 0] > 0)
        >>> fitted.predict_proba(values).shape
        (60, 2)
    """

    def __init__(self, penalty: float = 0.05, max_iter: int = 200, bound: float = 6.0) -> None:
        self.penalty = penalty
        self.max_iter = max_iter
        self.bound = bound

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        possible: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> PartialLabelRegression:
        """Fit on training clips.

        Args:
            X: values, ``(n_clips, n_values)``.
            y: labels, ``(n_clips,)``.
            possible: bool ``(n_clips, n_classes)``, which of the sorted labels each
                clip may have; None for its own alone.
            weights: ``(n_clips,)``, how much each clip counts; None for alike.

        Returns:
            self.
        """
        from scipy.optimize import minimize

        values, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        may = np.eye(n_classes, dtype=bool)[codes] if possible is None else np.asarray(possible)
        weight = np.ones(len(codes)) if weights is None else np.asarray(weights, float)
        weight = (weight / weight.sum()).astype(np.float32)
        self.mean_ = values.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = values.std(axis=0, dtype=np.float64)
        self.scale_ = np.where(spread > 0, spread, 1).astype(np.float32)
        scaled = self._scaled(values)
        start = np.zeros((scaled.shape[1] + 1) * n_classes)
        found = minimize(
            _loss,
            start,
            (scaled, may.astype(np.float32), weight, self.penalty),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": self.max_iter},
        )
        solution = found.x.reshape(-1, n_classes).astype(np.float32)
        self.coef_, self.intercept_ = np.ascontiguousarray(solution[:-1].T), solution[-1]
        self.n_iter_ = found.nit
        return self

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        # In double, as scikit-learn does: a mean may be thousands of deviations.
        scaled = (np.asarray(values, np.float64) - self.mean_) / self.scale_
        return np.clip(scaled, -self.bound, self.bound).astype(np.float32)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return float32 ``(n_clips, n_classes)``; rows sum to 1."""
        check_is_fitted(self)
        values = validate_data(self, X, reset=False, dtype=[np.float32, np.float64])
        return _softmax(self._scaled(values) @ self.coef_.T + self.intercept_)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable label of each clip."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def save(self, folder: str | Path) -> None:
        """Write ``regression.npz``."""
        arrays = {name: getattr(self, name) for name in _ARRAYS} | {"bound": self.bound}
        np.savez(Path(folder) / _FILE, **arrays)

    @classmethod
    def load(cls, folder: str | Path, _module: str = "") -> PartialLabelRegression:
        """Read what :meth:`save` wrote.

        Raises:
            ModelError: the file is missing or damaged.
        """
        path = Path(folder) / _FILE
        try:
            with np.load(check_archive(path), allow_pickle=False) as arrays:
                model = cls(bound=float(arrays["bound"]))
                for name in _ARRAYS:
                    setattr(model, name, arrays[name])
        except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
            raise ModelError(f"{path}: not a usable model file ({error}); train again") from None
        model.n_features_in_ = model.coef_.shape[1]
        return model


def _loss(
    flat: np.ndarray, scaled: np.ndarray, may: np.ndarray, weight: np.ndarray, penalty: float
) -> tuple[float, np.ndarray]:
    """Return the penalised loss and its gradient, both of all clips."""
    matrix = flat.reshape(-1, may.shape[1]).astype(np.float32)
    said = _softmax(scaled @ matrix[:-1] + matrix[-1])
    right = np.maximum((said * may).sum(axis=1, keepdims=True), 1e-12)
    loss = -float(weight @ np.log(right[:, 0])) + penalty / 2 * float((matrix[:-1] ** 2).sum())
    slope = (said - said * may / right) * weight[:, None]
    gradient = np.vstack([scaled.T @ slope + penalty * matrix[:-1], slope.sum(axis=0)])
    return loss, gradient.ravel().astype(np.float64)


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
