"""A Keras network as a scikit-learn classifier of feature vectors.

It adds to ``keras.wrappers.SKLearnClassifier`` what that lacks here:
probabilities, standardisation that travels with the weights, validation
actors for early stopping, and saving without pickle.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from multimodal_ser.networks import load_keras, load_network, save_network


class KerasClassifier(ClassifierMixin, BaseEstimator):
    """Scale, fit a network, give probabilities.

    Args:
        module: dotted name of a module whose ``network(n_values, n_classes)``
            returns an uncompiled ``keras.Model`` for input ``(n_values, 1)``.
        epochs: passes over the training clips, at most.
        batch_size: clips a step.
        learning_rate: of RMSprop.
        standardise: whether to scale values by the training clips' mean and
            deviation.
        patience: epochs without a better validation loss before stopping;
            used only when validation clips are given.
        seed: for initial weights, dropout and the order of clips.

    Attributes:
        classes_: the sorted labels seen in training.
        mean_, scale_: float32 ``(n_values,)``, from the training clips alone;
            0 and 1 without ``standardise``.
        history_: loss and accuracy an epoch.
    """

    def __init__(
        self,
        module: str,
        *,
        epochs: int = 100,
        batch_size: int = 16,
        learning_rate: float = 1e-4,
        standardise: bool = True,
        patience: int = 20,
        seed: int = 0,
    ):
        self.module = module
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.standardise = standardise
        self.patience = patience
        self.seed = seed

    def fit(self, values: np.ndarray, labels: np.ndarray, validation: tuple | None = None):
        """Fit on training clips.

        Args:
            values: ``(n_clips, n_values)``.
            labels: ``(n_clips,)``.
            validation: ``(values, labels)`` of other actors, to stop early
                and keep the best epoch; never the test actors.

        Returns:
            self.
        """
        keras = load_keras(self.seed)
        values = np.asarray(values, dtype=np.float32)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self._fit_scaling(values)
        network = importlib.import_module(self.module).network
        self.network_ = network(values.shape[1], len(self.classes_))
        self.network_.compile(
            optimizer=keras.optimizers.RMSprop(self.learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        stop = keras.callbacks.EarlyStopping(patience=self.patience, restore_best_weights=True)
        history = self.network_.fit(
            self._scaled(values),
            codes,
            epochs=self.epochs,
            batch_size=self.batch_size,
            validation_data=self._held_out(*validation) if validation else None,
            callbacks=[stop] if validation else [],
            verbose=0,
        )
        self.history_ = history.history
        return self

    def _fit_scaling(self, values: np.ndarray) -> None:
        self.mean_ = np.zeros(values.shape[1], np.float32)
        self.scale_ = np.ones(values.shape[1], np.float32)
        if self.standardise:
            spread = values.std(axis=0)
            self.mean_ = values.mean(axis=0)
            self.scale_ = np.where(spread > 0, spread, 1).astype(np.float32)

    def _held_out(self, values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = np.isin(labels, self.classes_)  # a class never trained has no output
        codes = np.searchsorted(self.classes_, np.asarray(labels)[known])
        return self._scaled(np.asarray(values)[known]), codes

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        """Return float32 ``(n_clips, n_classes)``; rows sum to 1."""
        if not len(values):
            return np.zeros((0, len(self.classes_)), np.float32)
        return self.network_.predict(self._scaled(values), batch_size=256, verbose=0)

    def predict(self, values: np.ndarray) -> np.ndarray:
        """Return the most probable label of each clip."""
        return self.classes_[self.predict_proba(values).argmax(axis=1)]

    def save(self, folder: str | Path) -> None:
        """Write ``network.keras`` and ``scaling.npz`` into a folder."""
        save_network(self.network_, Path(folder) / "network.keras")
        np.savez(
            Path(folder) / "scaling.npz",
            mean=self.mean_,
            scale=self.scale_,
            classes=np.asarray(self.classes_),
        )

    @classmethod
    def load(cls, folder: str | Path, module: str) -> KerasClassifier:
        """Read what :meth:`save` wrote.

        Raises:
            ModelError: the network cannot be read.
            OSError: the scaling cannot be read.
        """
        model = cls(module)
        model.network_ = load_network(Path(folder) / "network.keras")
        with np.load(Path(folder) / "scaling.npz", allow_pickle=False) as scaling:
            model.mean_, model.scale_ = scaling["mean"], scaling["scale"]
            model.classes_ = scaling["classes"]
        return model

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return ((np.asarray(values, np.float32) - self.mean_) / self.scale_)[..., np.newaxis]
