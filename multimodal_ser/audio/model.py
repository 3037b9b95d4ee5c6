"""An audio model: a feature set and a classifier, from clips to probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.audio import classifiers
from multimodal_ser.audio import features as feature_sets
from multimodal_ser.cache import write_atomically
from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.tables import EMOTIONS, Features

#: Types beyond scikit-learn's own that a model file may name. A file that
#: names any other type is refused.
_TRUSTED = (
    # A decision tree is arrays read by compiled code: it runs nothing, though a
    # forged one could make that code read out of bounds.
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfMultinomialLoss",
    # What Adam remembers of a training: arrays and numbers.
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    # A dictionary whose keys are attributes too.
    "sklearn.utils._bunch.Bunch",
)


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
        >>> AudioModel("aei157", "svc", params={"c": 10.0}).describe()["classifier"]
        'svc'
    """

    def __init__(
        self,
        feature_set: str = "aei157",
        classifier: str = "svc",
        *,
        labels: Sequence[str] = EMOTIONS,
        seed: int = 0,
        params: Mapping | None = None,
    ):
        feature_sets.load(feature_set)
        classifiers.load(classifier)
        self.feature_set = feature_set
        self.classifier = classifier
        self.labels = tuple(labels)
        self.seed = seed
        self.params = dict(params or {})
        self.estimator = None
        self._codes: list[int] = []

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
            SerError: fewer than two classes are left to learn.
        """
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
        self.estimator = classifiers.load(self.classifier).build(seed=self.seed, **self.params)
        extra = {}
        if validation is not None and hasattr(self.estimator, "patience"):
            held_values, held_codes = self._training(features, validation)
            known = np.isin(held_codes, self._codes)
            if known.any():
                held = np.searchsorted(self._codes, held_codes[known])
                extra = {"validation": (held_values[known], held)}
        self.estimator.fit(values, targets, **extra)
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
        if self.estimator is None:
            raise ModelError("this audio model has not been fitted; call fit or load first")
        wanted = pd.Index(features.clips if clips is None else list(clips), name="clip")
        there = wanted[wanted.isin(features.clips)]
        full = np.zeros((len(there), len(self.labels)))
        if len(there):
            full[:, self._codes] = self._probabilities(features.take(there))
        table = pd.DataFrame(full, index=there, columns=list(self.labels))
        return table.reindex(wanted)

    def _probabilities(self, values: np.ndarray) -> np.ndarray:
        module = classifiers.load(self.classifier)
        if hasattr(module, "probabilities"):
            return module.probabilities(self.estimator, values)
        return self.estimator.predict_proba(values)

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

    def save_weights(self, folder: str | Path) -> None:
        """Write the fitted classifier into a folder, as data, without pickle."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if hasattr(self.estimator, "save"):
            self.estimator.save(folder)
            return
        import skops.io

        content = skops.io.dumps(self.estimator)
        write_atomically(folder / "estimator.skops", lambda file: file.write(content))

    @classmethod
    def load(cls, description: Mapping, folder: str | Path) -> AudioModel:
        """Read a model that :meth:`describe` and :meth:`save_weights` wrote.

        Raises:
            ModelError: a part is missing or damaged, was made by another
                version of the features, or names a type that is not trusted.
        """
        try:
            model = cls(
                description["feature_set"],
                description["classifier"],
                labels=description["labels"],
                seed=description["seed"],
                params=description["params"],
            )
            model._codes = [int(code) for code in description["codes"]]
            made_with = description["feature_version"]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{folder}: the audio model's description lacks {error}") from error
        now = feature_sets.load(model.feature_set).VERSION
        if made_with != now:
            raise ModelError(
                f"{folder}: made with version {made_with} of the features {model.feature_set}, "
                f"this program computes version {now}; train the model again"
            )
        model.estimator = _load_estimator(Path(folder), model.classifier)
        return model


def _load_estimator(folder: Path, classifier: str):
    build = classifiers.load(classifier).build
    if hasattr(build(), "save"):
        return type(build()).load(folder, classifiers.load(classifier).__name__)
    import skops.io

    path = folder / "estimator.skops"
    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - set(_TRUSTED)
        if unknown:
            raise ModelError(
                f"{path}: it names the type {sorted(unknown)[0]}, which is not trusted; "
                "use a model from a source you trust, or train one"
            )
        return skops.io.load(path, trusted=list(_TRUSTED))
    except ModelError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: not a usable model file ({reason}); train again") from error
