"""An audio model: a feature set and a classifier, from clips to probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.audio import classifiers
from multimodal_ser.audio import features as feature_sets
from multimodal_ser.compute.parallel import one_blas_thread
from multimodal_ser.errors import ModelError, SerError, UnknownName
from multimodal_ser.estimators import files
from multimodal_ser.export import runtime as light
from multimodal_ser.tables import EMOTIONS, Features

#: The exported classifier's file.
EXPORTED = "estimator.onnx"
DESCRIPTION_KEYS = {
    "feature_set": str,
    "feature_version": int,
    "classifier": str,
    "labels": list,
    "seed": int,
    "params": dict,
    "codes": list,
}


class AudioModel:
    """A classifier of one feature set.

    Args:
        feature_set: one of ``audio.features.NAMES``.
        classifier: one of ``audio.classifiers.NAMES``.
        labels: the label scheme, in the order of the output columns.
        seed: for the classifier.
        params: passed to the classifier's ``build``.

    Raises:
        UnknownName: there is no such feature set or classifier.

    Example:
        >>> AudioModel("mfcc_rms", "svc", params={"c": 10.0}).describe()["classifier"]
        'svc'
    """

    def __init__(
        self,
        feature_set: str = "mfcc_rms",
        classifier: str = "svc",
        *,
        labels: Sequence[str] = EMOTIONS,
        seed: int = 0,
        params: Mapping | None = None,
    ):
        feature_sets.load(feature_set)
        # Not loaded: some classifiers load scikit-learn, which prediction may not need.
        if classifier not in classifiers.NAMES:
            raise UnknownName("audio classifier", classifier, classifiers.NAMES)
        self.feature_set = feature_set
        self.classifier = classifier
        self.labels = tuple(labels)
        self.seed = seed
        self.params = dict(params or {})
        self._estimator = None
        self._light: light.LightNetwork | None = None
        self._folder: Path | None = None
        self._codes: list[int] = []

    @property
    def estimator(self):
        """The fitted classifier, read when first needed; None before the fit.

        Raises:
            ModelError: the model's folder holds it only exported, or damaged.
        """
        if self._estimator is None and self._folder is not None:
            self._estimator = files.load(self._folder, classifiers.load(self.classifier))
        return self._estimator

    def fit(
        self, features: Features, clips: pd.DataFrame, validation: pd.DataFrame | None = None
    ) -> AudioModel:
        """Fit on the clips that have features.

        Args:
            features: of this model's feature set.
            clips: a clips table with known emotions; clips without features
                are left out.
            validation: clips of other actors; only networks use them, to stop.

        Returns:
            self.

        Raises:
            SerError: fewer than two classes are left to learn, or the
                classifier cannot take features of this shape.
        """
        classifiers.check_input(self.classifier, features.values.shape[1:], self.params)
        values, codes = self._training(features, clips)
        self._codes = sorted(set(codes.tolist()))
        if len(self._codes) < 2:
            raise SerError(
                f"{len(codes)} labelled clip(s) with sound hold {len(self._codes)} class(es); "
                "training needs clips of at least two"
            )
        # XGBoost wants classes 0 to k-1, so what is absent from the training
        # clips is squeezed out here and put back as probability 0.
        targets = np.searchsorted(self._codes, codes)
        self._light = None
        self._estimator = classifiers.load(self.classifier).build(seed=self.seed, **self.params)
        extra = {}
        if validation is not None and classifiers.is_network(self.classifier):
            held_values, held_codes = self._training(features, validation)
            known = np.isin(held_codes, self._codes)
            if known.any():
                held = np.searchsorted(self._codes, held_codes[known])
                extra = {"validation": (held_values[known], held)}
        with one_blas_thread():
            self._estimator.fit(values, targets, **extra)
        return self

    def _training(self, features: Features, clips: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        usable = clips[clips.index.isin(features.clips) & clips["emotion"].isin(self.labels)]
        codes = [self.labels.index(emotion) for emotion in usable["emotion"]]
        return features.take(usable.index), np.asarray(codes, dtype=int)

    def predict(self, features: Features, clips: Iterable[str] | None = None) -> pd.DataFrame:
        """Return the probabilities of clips.

        Args:
            features: of this model's feature set.
            clips: clip ids to predict; None takes all that have features. A
                clip without features gets a row of NaN: no sound.

        Returns:
            A probability table with index ``clip``.

        Raises:
            ModelError: the model has not been fitted.
        """
        if self._light is None and self.estimator is None:
            raise ModelError("this audio model has not been fitted; call fit or load first")
        wanted = pd.Index(features.clips if clips is None else list(clips), name="clip")
        there = wanted[wanted.isin(features.clips)]
        full = np.zeros((len(there), len(self.labels)))
        if len(there):
            full[:, self._codes] = self._probabilities(features.take(there))
        table = pd.DataFrame(full, index=there, columns=list(self.labels))
        return table.reindex(wanted)

    def _probabilities(self, values: np.ndarray) -> np.ndarray:
        if self._light is not None:
            return _normalised(self._light.predict_on_batch(values))
        return files.probabilities(classifiers.load(self.classifier), self.estimator, values)

    def describe(self) -> dict:
        """Return what :meth:`load` needs beside the weights, as JSON values."""
        return {
            "feature_set": self.feature_set,
            "feature_version": feature_sets.load(self.feature_set).VERSION,
            "classifier": self.classifier,
            "labels": list(self.labels),
            "seed": self.seed,
            "params": self.params,
            "codes": self._codes,
        }

    def save_weights(self, folder: str | Path, *, original: bool = True) -> str | None:
        """Write the fitted classifier into a folder, as data, without pickle.

        Args:
            folder: made when it does not exist.
            original: whether to write what its own library needs. Exported
                alone, as ``estimator.onnx``, it predicts the same and takes
                less than half the space, but cannot be looked into.

        Returns:
            Why there is no exported classifier; None where there is one.

        Raises:
            NotExportable: there is none, and no original is wanted.
            OSError: the folder cannot be written.
        """
        from multimodal_ser.export.classifiers import TOLERANCE, estimator_to_onnx, trial_values

        exported = Path(folder) / EXPORTED
        exported.unlink(missing_ok=True)  # it would be another classifier's
        estimator = self.estimator
        if original:
            files.save(estimator, folder)
        try:
            content, values = estimator_to_onnx(estimator), trial_values(estimator)
            light.export(content, exported, self._reference, values, TOLERANCE)
        except light.NotExportable as reason:
            if not original:
                raise
            return str(reason)
        return None

    def _reference(self, values: np.ndarray) -> np.ndarray:
        module = classifiers.load(self.classifier)
        # In double precision, which scikit-learn keeps and does not take by itself.
        return files.probabilities(module, self.estimator, values.astype(np.float64))

    @classmethod
    def load(cls, description: Mapping, folder: str | Path) -> AudioModel:
        """Read a model that :meth:`describe` and :meth:`save_weights` wrote.

        Where the exported classifier is, it predicts, and no other library is
        loaded.

        Raises:
            ModelError: a part is missing or damaged, was made by another
                version of the features, or names a type that is not trusted.
        """
        folder = Path(folder)
        model = cls._described(description, folder)
        model._folder = folder
        if (folder / EXPORTED).exists():
            model._light = _fitting(light.load(folder / EXPORTED), model)
        else:
            _ = model.estimator
        return model

    @classmethod
    def _described(cls, description: Mapping, folder: Path) -> AudioModel:
        """Return an unfitted model, its description checked: it may be anyone's."""
        what = f"{folder}: the audio model's description"
        keys = set(DESCRIPTION_KEYS)
        if not isinstance(description, Mapping) or set(description) != keys:
            listed = ", ".join(DESCRIPTION_KEYS)
            raise ModelError(f"{what} is not an object with the keys {listed}; train again")
        for key, kind in DESCRIPTION_KEYS.items():
            if type(description[key]) is not kind:
                value = repr(description[key])[:80]
                raise ModelError(f"{what} has {key} {value}; expected {kind.__name__}")
        arguments = dict(description)
        codes, made_with = arguments.pop("codes"), arguments.pop("feature_version")
        names = (
            (arguments.pop("feature_set"), feature_sets.FORMER_NAMES),
            (arguments.pop("classifier"), classifiers.FORMER_NAMES),
        )
        try:
            model = cls(*(former.get(name, name) for name, former in names), **arguments)
        except SerError as error:
            raise ModelError(f"{what} is wrong: {error!s:.300}") from None
        _check_codes(model, codes, what)
        now = feature_sets.load(model.feature_set).VERSION
        if made_with != now:
            raise ModelError(
                f"{folder}: made with version {made_with} of the features {model.feature_set}, "
                f"this program computes version {now}; train the model again"
            )
        return model


def _check_codes(model: AudioModel, codes: list, what: str) -> None:
    named = all(isinstance(label, str) and label for label in model.labels)
    if not named or len(set(model.labels)) < len(model.labels):
        raise ModelError(f"{what} has labels that are not different names; train again")
    whole = all(type(code) is int and 0 <= code < len(model.labels) for code in codes)
    if not whole or len(codes) < 2 or codes != sorted(set(codes)):
        raise ModelError(f"{what} has codes that are not of its labels; train again")
    model._codes = codes


def _fitting(network: light.LightNetwork, model: AudioModel) -> light.LightNetwork:
    """Return a network that takes the model's features and gives its labels."""
    n_axes, n_labels = len(network.input_shape), len(model._codes)
    taken = feature_sets.shape(model.feature_set)
    fits = n_axes == len(taken) + 1 and network.output_shape == (None, n_labels)
    pairs = zip(network.input_shape[1:], taken, strict=False)
    if not fits or any(there not in (None, here) for there, here in pairs):
        raise ModelError(
            f"{network.source}: it turns {network.input_shape} into {network.output_shape}, which "
            f"are not {model.feature_set} and {n_labels} labels; copy the model again"
        )
    return network


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    # Single precision sums to 1 to seven digits; tables are in double.
    probabilities = probabilities.astype(np.float64)
    return probabilities / probabilities.sum(axis=1, keepdims=True)
