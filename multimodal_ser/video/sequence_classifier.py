"""A Keras network over sequences of frames as a scikit-learn classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.estimators.files import check_archive
from multimodal_ser.estimators.keras_classifier import KerasClassifier


class SequenceClassifier(ClassifierMixin, BaseEstimator):
    """Scale each value over all frames, mark those without a face, fit, predict.

    Inputs are ``(n_clips, n_frames, n_values)``; a frame of NaN is none. The
    network gets ``n_values + 1`` inputs a frame, the last 1 where there is one.

    Args:
        module: see :class:`KerasClassifier`.
        epochs: passes over the training clips, at most.
        batch_size: clips a step.
        learning_rate: of RMSprop.
        patience: epochs without a better validation loss before stopping;
            used only when validation clips are given.
        seed: for initial weights, dropout and the order of clips.

    Attributes:
        classes_: the sorted labels seen in training.
        mean_, scale_: float32 ``(n_values,)``, of the training clips' frames.
    """

    def __init__(
        self,
        module: str,
        *,
        epochs: int = 40,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        patience: int = 20,
        seed: int = 0,
    ) -> None:
        self.module = module
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.seed = seed

    def fit(
        self, values: np.ndarray, labels: np.ndarray, validation: tuple | None = None
    ) -> SequenceClassifier:
        """Fit on the training clips that have a frame.

        Args:
            values: ``(n_clips, n_frames, n_values)``.
            labels: ``(n_clips,)``.
            validation: ``(values, labels)`` of other actors, to stop early.

        Returns:
            self.

        Raises:
            SerError: no clip has a frame.
        """
        values = np.asarray(values, np.float32)
        seen = _there(values).any(axis=1)
        if not seen.any():
            raise SerError(f"none of the {len(values)} clip(s) has a frame with a face to learn by")
        frames = values[_there(values)]
        spread = frames.std(axis=0, dtype=float)
        self.mean_ = frames.mean(axis=0, dtype=float).astype(np.float32)
        self.scale_ = np.where(spread > 0, spread, 1).astype(np.float32)
        params = ("epochs", "batch_size", "learning_rate", "patience", "seed")
        shared = {name: getattr(self, name) for name in params}
        self.network_ = KerasClassifier(self.module, standardise=False, **shared)
        held = (self._marked(validation[0]), validation[1]) if validation else None
        self.network_.fit(self._marked(values[seen]), np.asarray(labels)[seen], held)
        self.classes_ = self.network_.classes_
        return self

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        """Return float32 ``(n_clips, n_classes)``; rows sum to 1, NaN without a frame."""
        values = np.asarray(values, np.float32)
        probabilities = np.full((len(values), len(self.classes_)), np.nan, np.float32)
        seen = _there(values).any(axis=1)
        if seen.any():
            probabilities[seen] = self.network_.predict_proba(self._marked(values[seen]))
        return probabilities

    def predict(self, values: np.ndarray) -> np.ndarray:
        """Return the most probable label of each clip; of one without a frame, the first."""
        return self.classes_[self.predict_proba(values).argmax(axis=1)]

    def save(self, folder: str | Path) -> None:
        """Write the network's files and ``frames.npz`` into a folder."""
        self.network_.save(folder)
        np.savez(Path(folder) / "frames.npz", mean=self.mean_, scale=self.scale_)

    @classmethod
    def load(cls, folder: str | Path, module: str) -> SequenceClassifier:
        """Read what :meth:`save` wrote.

        Raises:
            ModelError: a file is missing or damaged.
        """
        model = cls(module)
        model.network_ = KerasClassifier.load(folder, module)
        model.classes_ = model.network_.classes_
        try:
            with np.load(check_archive(Path(folder) / "frames.npz"), allow_pickle=False) as scaling:
                model.mean_, model.scale_ = scaling["mean"], scaling["scale"]
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"{folder}: frames.npz is not usable ({error}); train again"
            ) from error
        return model

    def _marked(self, values: np.ndarray) -> np.ndarray:
        values = np.asarray(values, np.float32)
        there = _there(values)[..., np.newaxis]
        scaled = np.where(there, (values - self.mean_) / self.scale_, 0)
        return np.concatenate([scaled, there], axis=-1, dtype=np.float32)


def _there(values: np.ndarray) -> np.ndarray:
    return np.isfinite(values).all(axis=-1)
