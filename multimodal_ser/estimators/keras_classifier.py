"""A Keras network as a scikit-learn classifier of vectors, frames, images or signals.

It adds to ``keras.wrappers.SKLearnClassifier`` what that lacks here:
probabilities, standardisation and principal components that travel with the
weights, a frozen network before the trained one, validation actors for early
stopping, augmentation while training, and saving without pickle.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from multimodal_ser.estimators.files import check_archive
from multimodal_ser.estimators.networks import load_keras, load_network, save_network, unreplicated

#: How many outputs of frozen networks are kept, over all folds and networks.
_REMEMBERED = 8192


class KerasClassifier(ClassifierMixin, BaseEstimator):
    """Scale, fit a network, give probabilities.

    Vectors ``(n_clips, n_values)`` reach the network as ``(n_values, 1)``;
    anything with more axes as it is.

    Args:
        module: dotted name of a module whose ``network(shape, n_classes,
            **network_params)`` returns an uncompiled ``keras.Model`` for inputs
            of that shape. If it has ``frozen(shape, **network_params)``, which
            returns a ``keras.Model`` or None, the values go through that one
            first, once, and the trained network gets its output. If it has
            ``augment(values, targets, rng)``, see ``augment``.
        epochs: passes over the training clips, at most.
        batch_size: clips per step.
        learning_rate: of the optimiser.
        standardise: whether to scale by the training clips' mean and
            deviation: of each value of vectors, else of each entry of the last
            axis (band, channel) over all others.
        patience: epochs without a better validation loss before stopping;
            used only when validation clips are given.
        seed: for initial weights, dropout, the order of clips and augmentation.
        optimizer: ``rmsprop``, ``sgd``, ``adam`` or any other name Keras knows.
        optimizer_params: its other arguments, such as ``momentum``.
        cosine: whether the learning rate falls to 0 over the epochs, as half a
            cosine.
        n_components: principal components, of the (standardised) training
            vectors, that the network gets instead of the values; None for the
            values. At most as many as there are clips or values.
        augment: whether to pass each training batch, scaled, with targets
            ``(n, n_classes)``, through the module's ``augment``.
        network_params: passed to the module's ``network`` and ``frozen``.

    Attributes:
        classes_: the sorted labels seen in training.
        mean_, scale_: float32 ``(n_values,)`` or ``(size of the last axis,)``,
            from the training clips alone; 0 and 1 without ``standardise``.
        components_: float32 ``(n_values, n_components)``, or None.
        history_: loss and accuracy per epoch.
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
        optimizer: str = "rmsprop",
        optimizer_params: Mapping | None = None,
        cosine: bool = False,
        n_components: int | None = None,
        augment: bool = False,
        network_params: Mapping | None = None,
    ) -> None:
        self.module = module
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.standardise = standardise
        self.patience = patience
        self.seed = seed
        self.optimizer = optimizer
        self.optimizer_params = optimizer_params
        self.cosine = cosine
        self.n_components = n_components
        self.augment = augment
        self.network_params = network_params

    def fit(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray] | None = None,
        *,
        possible: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> KerasClassifier:
        """Fit on training clips.

        Args:
            values: ``(n_clips, ...)``.
            labels: ``(n_clips,)``.
            validation: ``(values, labels)`` of other actors, to stop early
                and keep the best epoch; never the test actors.
            possible: bool ``(n_clips, n_classes)``, which of the sorted labels a
                clip may have, see :mod:`~multimodal_ser.estimators.partial_labels`;
                None for its own alone.
            weights: ``(n_clips,)``: with ``augment``, how often a clip is drawn,
                with replacement; None for each once an epoch.

        Returns:
            self.
        """
        keras = load_keras(self.seed)
        values = np.asarray(values, dtype=np.float32)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self._fit_scaling(values)
        self._fit_components(values)
        module, params = importlib.import_module(self.module), dict(self.network_params or {})
        self.frozen_ = None
        if hasattr(module, "frozen"):
            self.frozen_ = module.frozen(self._prepared(values[:1]).shape[1:], **params)
        inputs = self._inputs(values)
        self.network_ = module.network(inputs.shape[1:], len(self.classes_), **params)
        loss = "categorical_crossentropy" if possible is None else _partial
        self._compile(keras, len(values), loss)
        targets = np.eye(len(self.classes_))[codes]
        targets = targets if possible is None else np.asarray(possible, np.float32)
        stop = keras.callbacks.EarlyStopping(patience=self.patience, restore_best_weights=True)
        history = self.network_.fit(
            **self._batches(keras, module, inputs, targets, weights),
            epochs=self.epochs,
            validation_data=self._held_out(*validation) if validation else None,
            callbacks=[stop] if validation else [],
            verbose=0,
        )
        self.history_ = history.history
        return self

    def _fit_scaling(self, values: np.ndarray) -> None:
        self.mean_ = np.zeros(values.shape[-1], np.float32)
        self.scale_ = np.ones(values.shape[-1], np.float32)
        if self.standardise:
            over = tuple(range(values.ndim - 1))
            spread = values.std(axis=over)
            self.mean_ = values.mean(axis=over)
            self.scale_ = np.where(spread > 0, spread, 1).astype(np.float32)

    def _fit_components(self, values: np.ndarray) -> None:
        self.components_ = None
        if self.n_components is not None:
            from sklearn.decomposition import PCA

            count = min(self.n_components, *values.shape)
            # Scaled vectors have mean 0 already, or the network's bias takes it.
            pca = PCA(count, svd_solver="full").fit(self._scaled(values))
            self.components_ = pca.components_.T.astype(np.float32)

    def _compile(self, keras, n_clips: int, loss: str | Callable) -> None:
        rate = self.learning_rate
        if self.cosine:
            steps = self.epochs * -(-n_clips // self.batch_size)
            rate = keras.optimizers.schedules.CosineDecay(rate, steps)
        config = {"learning_rate": rate, **dict(self.optimizer_params or {})}
        optimizer = keras.optimizers.get({"class_name": self.optimizer, "config": config})
        self.network_.compile(optimizer=unreplicated(optimizer), loss=loss, metrics=["accuracy"])

    def _batches(self, keras, module, inputs: np.ndarray, targets: np.ndarray, weights) -> dict:
        if not self.augment:
            return {"x": inputs, "y": targets, "batch_size": self.batch_size}
        return {
            "x": _augmented_batches(
                keras, module.augment, inputs, targets, self.batch_size, self.seed, weights
            )
        }

    def _held_out(self, values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = np.isin(labels, self.classes_)  # a class never trained has no output
        codes = np.searchsorted(self.classes_, np.asarray(labels)[known])
        return self._inputs(np.asarray(values)[known]), np.eye(len(self.classes_))[codes]

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        """Return float32 ``(n_clips, n_classes)``; rows sum to 1."""
        if not len(values):
            return np.zeros((0, len(self.classes_)), np.float32)
        return self.network_.predict(
            self._inputs(values), batch_size=_batch_size(values), verbose=0
        )

    def predict(self, values: np.ndarray) -> np.ndarray:
        """Return the most probable label of each clip."""
        return self.classes_[self.predict_proba(values).argmax(axis=1)]

    def save(self, folder: str | Path) -> None:
        """Write ``network.keras``, ``scaling.npz`` and, where there is one, ``frozen.keras``."""
        save_network(self.network_, Path(folder) / "network.keras")
        if self.frozen_ is not None:
            save_network(self.frozen_, Path(folder) / "frozen.keras")
        arrays = {"mean": self.mean_, "scale": self.scale_, "classes": np.asarray(self.classes_)}
        if self.components_ is not None:
            arrays["components"] = self.components_
        np.savez(Path(folder) / "scaling.npz", **arrays)  # type: ignore[arg-type]  # named arrays

    @classmethod
    def load(cls, folder: str | Path, module: str) -> KerasClassifier:
        """Read what :meth:`save` wrote.

        Raises:
            ModelError: a network cannot be read.
            OSError: the scaling cannot be read.
        """
        model = cls(module)
        model.network_ = load_network(Path(folder) / "network.keras")
        frozen = Path(folder) / "frozen.keras"
        model.frozen_ = load_network(frozen) if frozen.exists() else None
        with np.load(check_archive(Path(folder) / "scaling.npz"), allow_pickle=False) as scaling:
            model.mean_, model.scale_ = scaling["mean"], scaling["scale"]
            model.classes_ = scaling["classes"]
            model.components_ = scaling.get("components")
        return model

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        values = np.asarray(values, np.float32)
        if not self.mean_.any() and (self.scale_ == 1).all():
            return values  # images are large; do not copy them for nothing
        return (values - self.mean_) / self.scale_

    def _prepared(self, values: np.ndarray) -> np.ndarray:
        scaled = self._scaled(values)
        if self.components_ is not None:
            scaled = scaled @ self.components_
        return scaled[..., np.newaxis] if scaled.ndim == 2 else scaled

    def _inputs(self, values: np.ndarray) -> np.ndarray:
        """Return what the trained network gets of ``(n_clips, ...)`` values."""
        prepared = self._prepared(values)
        return prepared if self.frozen_ is None else _through(self.frozen_, prepared)


def _batch_size(values: np.ndarray) -> int:
    # Feature maps of images and long signals are large; vectors' are not.
    return 256 if values[0].size < 5000 else 16


def _through(network, values: np.ndarray) -> np.ndarray:
    """Return a frozen network's output, each clip computed once per process.

    A protocol fits one model per fold on nearly the same clips, and a frozen
    network gives them the same output every time.
    """
    network_key = _print_of(network)
    keys = [network_key + hashlib.sha256(row.tobytes()).digest() for row in values]
    outputs = {key: _OUTPUTS[key] for key in keys if key in _OUTPUTS}
    new = {key: at for at, key in enumerate(keys) if key not in outputs}
    rows = list(new.values())
    for start in range(0, len(rows), 16):
        part = rows[start : start + 16]
        found = np.asarray(network(values[part], training=False))
        outputs.update(zip((keys[at] for at in part), found, strict=True))
    _OUTPUTS.update(outputs)
    for key in list(_OUTPUTS)[: max(len(_OUTPUTS) - _REMEMBERED, 0)]:
        del _OUTPUTS[key]  # the oldest
    return np.stack([outputs[key] for key in keys])


def _partial(possible, said):
    """Return minus the logarithm of what is said of all possible labels together."""
    from keras import ops

    return -ops.log(ops.maximum(ops.sum(possible * said, axis=-1), 1e-7))


#: Fingerprint of a frozen network and a clip's values -> output.
_OUTPUTS: dict[bytes, np.ndarray] = {}


def _print_of(network) -> bytes:
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(weight.tobytes())
    return digest.digest()


def _augmented_batches(
    keras,
    augment: Callable,
    values: np.ndarray,
    targets: np.ndarray,
    batch_size: int,
    seed: int,
    weights: np.ndarray | None = None,
):
    """Return a Keras data set of shuffled batches, each passed through ``augment``."""

    class Batches(keras.utils.PyDataset):
        epoch = 0

        def __len__(self) -> int:
            return -(-len(values) // batch_size)

        def __getitem__(self, index: int):
            rows = self.order()[index * batch_size : (index + 1) * batch_size]
            # A generator of its own per batch: what it draws does not depend on
            # when or how often Keras asks for the batch.
            rng = np.random.default_rng([seed, self.epoch, index])
            return augment(values[rows], targets[rows], rng)

        def order(self) -> np.ndarray:
            rng = np.random.default_rng([seed, self.epoch])
            if weights is None:
                return rng.permutation(len(values))
            return rng.choice(len(values), len(values), p=weights / weights.sum())

        def on_epoch_end(self) -> None:
            self.epoch += 1

    return Batches()
