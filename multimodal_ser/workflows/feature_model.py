"""A feature set, or a table made elsewhere, and a classifier: from clips to probabilities."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from multimodal_ser.audio import classifiers as audio_classifiers
from multimodal_ser.audio import features as feature_sets
from multimodal_ser.compute.apart import Apart
from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.compute.parallel import one_blas_thread
from multimodal_ser.errors import ModelError, SerError, UnknownName
from multimodal_ser.estimators import files
from multimodal_ser.estimators.first_steps import FirstSteps
from multimodal_ser.evaluation.adaptation import Reference
from multimodal_ser.export import runtime as light
from multimodal_ser.tables import EMOTIONS, Features
from multimodal_ser.tables.labels import possible_labels
from multimodal_ser.tables.records import FeatureLearnerRecord, to_record
from multimodal_ser.tables.selection import corpus_weights

if TYPE_CHECKING:
    from multimodal_ser.video.extract import FrameParams

#: The exported classifier's file, and that of what a model that can adapt keeps.
EXPORTED, REFERENCE = "estimator.onnx", "reference.npz"


class FeatureModel:
    """A classifier of one input of one modality.

    Args:
        input: one of ``audio.features.NAMES``; for ``video`` a measured input or
            the name of a table.
        classifier: one of that modality's ``classifiers.NAMES``.
        modality: ``audio`` or ``video``.
        labels: the label scheme, in the order of the output columns.
        seed: for the classifier.
        params: passed to the classifier's ``build``.
        reference: where the training clips' features lie, for a model that was
            trained to adapt; None for one that cannot.

    Raises:
        UnknownName: there is no such feature set or classifier.

    Example:
        >>> FeatureModel("mfcc_rms", "svc", params={"c": 10.0}).describe()["classifier"]
        'svc'
    """

    kind: Literal["features"] = "features"
    #: In which frames an input of the face is measured; None takes those of its training.
    front_end: FrameParams | None = None

    def __init__(
        self,
        input: str = "mfcc_rms",
        classifier: str = "svc",
        *,
        modality: str = "audio",
        labels: Sequence[str] = EMOTIONS,
        seed: int = 0,
        params: Mapping | None = None,
        reference: Reference | None = None,
    ) -> None:
        self.reference = reference
        self.modality, self.input, self.classifier = modality, input, classifier
        if modality == "audio":
            feature_sets.load(input)
        # Not loaded: some classifiers load scikit-learn, which prediction may not need.
        if classifier not in self._classifiers.NAMES:
            raise UnknownName(f"{modality} classifier", classifier, self._classifiers.NAMES)
        self.labels = tuple(labels)
        self.seed = seed
        self.params = dict(params or {})
        #: What the next fit may take over from earlier ones on the same features and clips.
        self.first_steps: FirstSteps | None = None
        self._estimator: Any = None
        self._light: light.LightNetwork | None = None
        self._apart: Apart | None = None
        self._folder: Path | None = None
        self._codes: list[int] = []
        self._names: tuple[str, ...] = ()

    @property
    def _classifiers(self) -> ModuleType:
        from multimodal_ser.video import classifiers as video_classifiers

        return audio_classifiers if self.modality == "audio" else video_classifiers

    @property
    def _module(self) -> ModuleType:
        return self._classifiers.load(self.classifier)

    @property
    def name(self) -> str:
        """How the learner is called."""
        return f"{self.input}:{self.classifier}"

    @property
    def key(self) -> str:
        """What its input is kept under."""
        return self.input

    @property
    def is_network(self) -> bool:
        """Whether its training stops by clips of other actors."""
        return self._classifiers.is_network(self.classifier)

    @property
    def estimator(self) -> Any:
        """The fitted classifier, read when first needed; None before the fit.

        Raises:
            ModelError: the model's folder holds it only exported, or damaged.
        """
        if self._estimator is None and self._folder is not None:
            self._estimator = files.load(self._folder, self._module)
        return self._estimator

    def fit(
        self,
        features: Features,
        clips: pd.DataFrame,
        validation: pd.DataFrame | None = None,
    ) -> FeatureModel:
        """Fit on the clips that have features.

        Args:
            features: of this model's input.
            clips: a clips table with known emotions; clips without features
                are left out.
            validation: clips of other actors; only networks use them, to stop.

        Returns:
            self.

        Raises:
            SerError: fewer than two classes are left to learn, or the
                classifier cannot take features of this shape.
        """
        if self.modality == "audio":
            audio_classifiers.check_input(self.classifier, features.values.shape[1:], self.params)
        values, codes, usable = self._training(features, clips)
        self._codes, self._names = sorted(set(codes.tolist())), tuple(features.names)
        if len(self._codes) < 2:
            raise SerError(
                f"{len(codes)} labelled clip(s) with {self.input} hold {len(self._codes)} "
                "class(es); training needs clips of at least two"
            )
        # XGBoost wants classes 0 to k-1, so what is absent from the training
        # clips is squeezed out here and put back as probability 0.
        targets = np.searchsorted(self._codes, codes)
        self._light = None
        estimator = self._module.build(seed=self.seed, **self.params)
        first, self.first_steps = self.first_steps, None
        extra = self._held(features, validation) if self.is_network else {}
        if getattr(self._module, "PARTIAL_LABELS", False):
            may = possible_labels(usable, self.labels)[:, self._codes]
            extra |= {"possible": may, "weights": corpus_weights(usable).to_numpy()}
        with one_blas_thread():
            if first is None:
                estimator.fit(values, targets, **extra)
            else:
                first.fit(estimator, values, targets, **extra)
        self._estimator = estimator
        return self

    def _training(
        self, features: Features, clips: pd.DataFrame
    ) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
        usable = clips[clips.index.isin(features.clips) & clips["emotion"].isin(self.labels)]
        codes = [self.labels.index(emotion) for emotion in usable["emotion"]]
        return features.take(usable.index), np.asarray(codes, dtype=int), usable

    def _held(self, features: Features, validation: pd.DataFrame | None) -> dict:
        if validation is None:
            return {}
        values, codes, _ = self._training(features, validation)
        known = np.isin(codes, self._codes)
        if not known.any():
            return {}
        return {"validation": (values[known], np.searchsorted(self._codes, codes[known]))}

    def predict(self, features: Features, clips: Iterable[str] | None = None) -> pd.DataFrame:
        """Return the probabilities of clips.

        Args:
            features: of this model's input.
            clips: clip ids to predict; None takes all that have features. A
                clip without features gets a row of NaN: the input is missing.

        Returns:
            A probability table with index ``clip``.

        Raises:
            ModelError: the model has not been fitted, or learnt from other values.
            SerError: the classifier learnt from too few clips.
        """
        if self._light is None and self._apart is None and self.estimator is None:
            raise ModelError(f"{self.name} has not been fitted; call fit or load first")
        if tuple(features.names) != self._names and self._names:
            raise ModelError(
                f"{self.name} learnt from {len(self._names)} values named {self._names[0]} to "
                f"{self._names[-1]}; these are {len(features.names)} others, give the same table"
            )
        wanted = pd.Index(features.clips if clips is None else list(clips), name="clip")
        there = wanted[wanted.isin(features.clips)]
        full = np.zeros((len(there), len(self.labels)))
        if len(there):
            full[:, self._codes] = self._probabilities(features.take(there))
        table = pd.DataFrame(full, index=there, columns=list(self.labels))
        return table.reindex(wanted)

    def _probabilities(self, values: np.ndarray) -> np.ndarray:
        if self._light is not None:
            said = self._light.predict_on_batch(values)
            return _normalised(light.checked_probabilities(said, self._light.source))
        try:
            if self._apart is not None and self._estimator is None:
                said = self._apart(values)
            else:
                said = files.probabilities(self._module, self.estimator, values)
            return light.checked_probabilities(said, self.name)
        except ValueError as error:  # such as more neighbours wanted than there are clips
            raise SerError(
                f"{self.name} cannot predict ({error!s:.200}); train it on more clips, or choose "
                "another classifier"
            ) from error

    def describe(self) -> dict:
        """Return what :meth:`load` needs beside the weights, as JSON values."""
        version, names = _version(self.modality, self.input), list(self._names)
        if self.modality == "audio":  # a set's version settles the names of its values
            names = []
        return {
            "kind": self.kind,
            "modality": self.modality,
            "input": self.input,
            "input_version": version,
            "input_names": names,
            "classifier": self.classifier,
            "labels": list(self.labels),
            "seed": self.seed,
            "params": self.params,
            "codes": self._codes,
            "reference": self.reference is not None,
        }

    def save_weights(self, folder: str | Path, *, original: bool = True) -> str | None:
        """Write the fitted classifier into a folder, as data, without pickle.

        Args:
            folder: made when it does not exist.
            original: whether to write what its own library needs. Exported
                alone, as ``estimator.onnx``, it predicts the same and takes
                less than half the space, but cannot be looked into.

        A classifier that was itself read from an export alone is copied as it is.

        Returns:
            Why there is no exported classifier; None where there is one.

        Raises:
            NotExportable: there is none, and no original is wanted.
            OSError: the folder cannot be written.
        """
        from multimodal_ser.export.classifiers import TOLERANCE, estimator_to_onnx, trial_values

        exported = Path(folder) / EXPORTED
        copied = self._exported_alone()
        exported.unlink(missing_ok=True)  # it would be another classifier's
        (Path(folder) / REFERENCE).unlink(missing_ok=True)
        if self.reference is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.reference.save(Path(folder) / REFERENCE)
        if copied is not None:
            write_atomically(exported, lambda file: file.write(copied))
            return None
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

    def _exported_alone(self) -> bytes | None:
        """Return the exported classifier where its original is neither here nor in a file."""
        if self._estimator is not None or self._folder is None or self._light is None:
            return None
        others = (path for path in self._folder.iterdir() if path.name not in (EXPORTED, REFERENCE))
        return None if any(others) else (self._folder / EXPORTED).read_bytes()

    def _reference(self, values: np.ndarray) -> np.ndarray:
        # In double precision, which scikit-learn keeps and does not take by itself.
        return files.probabilities(self._module, self.estimator, values.astype(np.float64))

    @classmethod
    def load(cls, description: Mapping, folder: str | Path) -> FeatureModel:
        """Read a model that :meth:`describe` and :meth:`save_weights` wrote.

        Where the exported classifier is, it predicts, and no other library is
        loaded. Where it is not, the original predicts in a process of its own.

        Raises:
            ModelError: a part is missing or damaged, was made by another
                version of the features, or names a type that is not trusted.
        """
        folder = Path(folder)
        model = cls._described(description, folder)
        model._folder = folder
        if os.path.lexists(folder / EXPORTED):
            model._light = _fitting(light.load(folder / EXPORTED), model)
        else:
            files.warn_of_missing(folder / EXPORTED, "the library that trained it")
            model._apart = Apart(_reader, folder, model.modality, model.classifier)
            model._apart.check()
        if description.get("reference") and not (folder / REFERENCE).exists():
            raise ModelError(f"{folder}: {REFERENCE} is missing; copy the model again")
        if (folder / REFERENCE).exists():
            names = feature_sets.load(model.input).names() if model.modality == "audio" else ()
            model.reference = Reference.load(folder / REFERENCE, len(names or model._names))
        return model

    @classmethod
    def _described(cls, description: Mapping, folder: Path) -> FeatureModel:
        """Return an unfitted model, its description checked: it may be anyone's."""
        what = f"{folder}: the description of a learner"
        if isinstance(said := description, Mapping):
            said = {"name": "learner", "folder": "learner"} | dict(description)
        record = to_record(said, FeatureLearnerRecord, what, error=ModelError)
        former = feature_sets.FORMER_NAMES, audio_classifiers.FORMER_NAMES
        names = zip((record.input, record.classifier), former, strict=True)
        kept = {key: getattr(record, key) for key in ("modality", "labels", "seed", "params")}
        try:
            model = cls(*(new.get(name, name) for name, new in names), **kept)
        except SerError as error:
            raise ModelError(f"{what} is wrong: {error!s:.300}") from None
        _check_codes(model, record.codes, what)
        model._names = tuple(record.input_names)
        now = _version(model.modality, model.input)
        if record.input_version != now:
            raise ModelError(
                f"{folder}: made with version {record.input_version} of the features "
                f"{model.input}, this program computes version {now}; train the model again"
            )
        return model


def _reader(folder: Path, modality: str, classifier: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives the probabilities of a classifier that was not exported."""
    model = FeatureModel(classifier=classifier, modality=modality)
    return partial(files.probabilities, model._module, files.load(folder, model._module))


def _version(modality: str, input: str) -> int:
    """Return the version of what is computed here; 0 of a table, which is made elsewhere."""
    from multimodal_ser.video import features as measured_sets

    if modality == "audio":
        return feature_sets.load(input).VERSION
    return measured_sets.load(input).VERSION if input in measured_sets.NAMES else 0


def _check_codes(model: FeatureModel, codes: list, what: str) -> None:
    if len(set(model.labels)) < len(model.labels):
        raise ModelError(f"{what} has labels that are not different names; train again")
    if len(codes) < 2 or codes != sorted(set(codes)) or codes[-1] >= len(model.labels):
        raise ModelError(f"{what} has codes that are not of its labels; train again")
    model._codes = codes


def _fitting(network: light.LightNetwork, model: FeatureModel) -> light.LightNetwork:
    """Return a network that takes the model's features and gives its labels."""
    n_axes, n_labels = len(network.input_shape), len(model._codes)
    taken = feature_sets.shape(model.input) if model.modality == "audio" else (len(model._names),)
    fits = n_axes == len(taken) + 1 and network.output_shape == (None, n_labels)
    pairs = zip(network.input_shape[1:], taken, strict=False)
    if not fits or any(there not in (None, here) for there, here in pairs):
        raise ModelError(
            f"{network.source}: it turns {network.input_shape} into {network.output_shape}, which "
            f"are not {model.input} and {n_labels} labels; copy the model again"
        )
    return network


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    # Single precision sums to 1 to seven digits; tables are in double.
    probabilities = probabilities.astype(np.float64)
    return probabilities / probabilities.sum(axis=1, keepdims=True)
