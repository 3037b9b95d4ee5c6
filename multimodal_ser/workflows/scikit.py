"""Feature sets and models as scikit-learn's own tools take them.

What they take is recordings, one by one: paths, arrays of samples, bytes, or a clips table
(:func:`~multimodal_ser.workflows.sources.in_order`). So they go into a ``Pipeline``, into searches
and cross-validation, while ``check_estimator``, which feeds matrices of numbers, is for the
classifiers of :mod:`~multimodal_ser.estimators`.

A model is a classifier through :func:`as_classifier` and not through methods of its own:
scikit-learn asks for tags, for ``get_params`` and for a ``clone``, so for its base class, and a
prediction must not load scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from multimodal_ser.errors import SerError, UnknownName
from multimodal_ser.tables import EMOTIONS, MODALITIES, Features
from multimodal_ser.tables.clips import label_order
from multimodal_ser.workflows.data import Work, as_cache, extract, measured_params, prepare
from multimodal_ser.workflows.recipes import MEASURED, Recipe
from multimodal_ser.workflows.sources import Given, in_order

if TYPE_CHECKING:
    from multimodal_ser.compute.cache import Cache
    from multimodal_ser.compute.parallel import Engine
    from multimodal_ser.workflows.models import Model


class _OfRecordings(BaseEstimator):
    """What scikit-learn learns about an estimator whose samples are recordings."""

    rate_hz: float | None
    cache: Cache | str | Path | None
    workers: int | Engine | None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array = False, True
        tags.input_tags.string, tags.no_validation = True, True
        return tags

    def _work(self) -> Work:
        return {"cache": as_cache(self.cache), "workers": self.workers, "progress": False}


class FeatureSet(TransformerMixin, _OfRecordings):
    """A feature set as a transformer: recordings in, a row of values for each out.

    It has nothing to fit. Values are those of ``extract``, kept in the cache, so that a search
    over classifiers reads each recording once.

    Args:
        name: one of ``audio.features.NAMES``, or of what is measured in faces,
            ``recipes.MEASURED``.
        rate_hz: samples per second, where recordings are arrays.
        cache: as for :func:`~multimodal_ser.workflows.inference.predict`.
        workers: processes, None for one per core, or an engine.

    Example:
        >>> tones = [np.sin(np.arange(16000) * pitch) for pitch in (0.05, 0.1)]
        >>> made = FeatureSet("mfcc_rms", rate_hz=16000, workers=1).set_output(transform="pandas")
        >>> made.fit_transform(tones).iloc[:, :2].shape
        (2, 2)
    """

    def __init__(
        self,
        name: str = "functionals",
        *,
        rate_hz: float | None = None,
        cache: Cache | str | Path | None = None,
        workers: int | Engine | None = None,
    ) -> None:
        self.name = name
        self.rate_hz = rate_hz
        self.cache = cache
        self.workers = workers

    def fit(self, X: Any, y: Any = None) -> FeatureSet:
        """Check the name; there is nothing to learn.

        Raises:
            UnknownName: there is no such set.
            SerError: it needs a package that is not installed.
        """
        self._names()
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return float32 ``(n_recordings, n_values)``, or more axes where the set has them.

        Args:
            X: recordings, see the module.

        Raises:
            SerError: one of them has no such values; the error names the first.
        """
        given = in_order(X, self.rate_hz)
        found, failed = self._extracted(given)
        lost = given.clips.index[~given.clips.index.isin(found.clips)]
        if len(lost):
            raise _cannot(lost, given, failed, f"has no {self.name}")
        return found.take(given.clips.index)

    def _extracted(self, given: Given) -> tuple[Features, pd.DataFrame]:
        if self.name in MEASURED:
            from multimodal_ser.video.measure import extract as measure

            return measure(given.clips, self.name, measured_params(self.name), **self._work())
        from multimodal_ser.audio.extract import extract as hear

        return hear(given.clips, self.name, **self._work())

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the values, as objects.

        Raises:
            SerError: the set gives an image or frames, whose values have no names.
        """
        names, shape = self._names()
        if len(shape) > 1:
            raise SerError(f"{self.name} gives arrays {shape} without names; choose vectors")
        return np.array(names, dtype=object)

    def _names(self) -> tuple[Sequence[str], tuple[int, ...]]:
        from multimodal_ser.audio import features

        if self.name in MEASURED:
            from multimodal_ser.video import features as measures

            names = measures.load(self.name).names()
            return names, (len(names),)
        if self.name not in features.NAMES:
            raise UnknownName("feature set", str(self.name), (*features.NAMES, *MEASURED))
        return features.load(self.name).names(), features.shape(self.name)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class EmotionClassifier(ClassifierMixin, _OfRecordings):
    """A recipe as a classifier of recordings: trained, calibrated and fused as ``train`` does.

    Args:
        recipe: what to train, or the text of its audio learners; its labels are those of ``y``.
        modality: whose answers count: ``fused``, ``audio`` or ``video``.
        rate_hz: samples per second, where recordings are arrays.
        cache: as for :func:`~multimodal_ser.workflows.inference.predict`.
        workers: processes, None for one per core, or an engine.

    Attributes:
        classes_: the labels, sorted.
        model_: the fitted model, which ``model_.save(folder)`` writes.

    Example:
        >>> from sklearn.model_selection import GroupKFold, cross_val_score
        >>> made = EmotionClassifier("functionals:svc")
        >>> cross_val_score(made, paths, labels, groups=actors,
        ...                 cv=GroupKFold(4), scoring="balanced_accuracy")  # doctest: +SKIP
    """

    def __init__(
        self,
        recipe: Recipe | str | None = "functionals:logistic_regression",
        *,
        modality: str = "fused",
        rate_hz: float | None = None,
        cache: Cache | str | Path | None = None,
        workers: int | Engine | None = None,
    ) -> None:
        self.recipe = recipe
        self.modality = modality
        self.rate_hz = rate_hz
        self.cache = cache
        self.workers = workers

    def fit(self, X: Any, y: Any, actors: Any = None) -> EmotionClassifier:
        """Train on recordings.

        Args:
            X: recordings, see the module.
            y: their labels, any words.
            actors: who speaks in each, by whom parameters and calibration are chosen
                (``set_fit_request(actors=True)`` hands them on in a cross-validation). None
                takes each recording for another's, which makes the model too sure of itself
                where that is not so.

        Raises:
            SerError: the recipe cannot be trained on these recordings.
        """
        from dataclasses import replace

        from multimodal_ser.workflows import training

        if self.recipe is None:
            raise SerError(
                "a finished model is not trained again; give a recipe, or wrap the model in "
                "sklearn.frozen.FrozenEstimator"
            )
        given = self.recipe
        recipe = Recipe(audio=given, video=None) if isinstance(given, str) else given
        recipe = replace(recipe, labels="own")
        training.check(recipe)
        sources = in_order(X, self.rate_hz)
        clips, labels = sources.clips, np.asarray(y)
        if labels.shape != (len(clips),):
            raise SerError(f"{len(clips)} recordings and labels {labels.shape}; give one each")
        words = [str(label) for label in labels]
        clips = clips.assign(emotion=pd.Categorical(words, label_order({*EMOTIONS, *words})))
        if actors is not None:
            clips["actor"] = pd.array([str(one) for one in actors], "string")
        labelled, _ = prepare(clips, recipe)
        data = extract(labelled, recipe, **self._work())
        self.model_, _ = training.fit(data, labelled, recipe, progress=False)
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return float ``(n_recordings, n_classes)`` in the order of ``classes_``; rows sum to 1.

        Raises:
            SerError: the model has no answer for one of them; the error names the first.
        """
        from multimodal_ser.workflows.inference import check_adapt, predict_clips

        check_is_fitted(self, "model_")
        if self.modality not in MODALITIES:
            raise UnknownName("modality", str(self.modality), MODALITIES)
        given = in_order(X, self.rate_hz)
        parts, failures = [], []
        model = check_adapt(self.model_, None)
        for found, failed in predict_clips(model, given.clips, **self._work()):
            parts += [found[self.modality]] if self.modality in found else []
            failures.append(failed)
        columns = [str(label) for label in self.classes_]
        table = pd.concat(parts) if parts else pd.DataFrame(columns=columns, dtype=float)
        table = table.reindex(index=given.clips.index, columns=columns)
        lost = table.index[table.isna().any(axis=1)]
        if len(lost):
            raise _cannot(lost, given, pd.concat(failures), f"has no {self.modality} answer")
        return table.to_numpy(float)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each recording."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]


def as_classifier(
    model: Model | str | Path | None = None,
    *,
    modality: str = "fused",
    rate_hz: float | None = None,
    cache: Cache | str | Path | None = None,
    workers: int | Engine | None = None,
) -> EmotionClassifier:
    """Return a finished model as a fitted classifier of recordings.

    Args:
        model: a model, its folder, or the name of a released one; None takes the released
            default.
        modality: whose answers count: ``fused``, ``audio`` or ``video``.
        rate_hz: samples per second, where recordings are arrays.
        cache: as for :func:`~multimodal_ser.workflows.inference.predict`.
        workers: processes, None for one per core, or an engine.

    Raises:
        ModelError: the model cannot be loaded.

    Example:
        >>> from sklearn.metrics import ConfusionMatrixDisplay
        >>> known = as_classifier("ravdess", modality="audio")
        >>> ConfusionMatrixDisplay.from_estimator(known, paths, labels)  # doctest: +SKIP
    """
    from multimodal_ser.workflows.models import Model, load_model

    how: dict[str, Any] = {"rate_hz": rate_hz, "cache": cache, "workers": workers}
    made = EmotionClassifier(None, modality=modality, **how)
    made.model_ = model if isinstance(model, Model) else load_model(model)
    made.classes_ = np.array(sorted(made.model_.labels))
    return made


def _cannot(lost: pd.Index, given: Given, failed: pd.DataFrame, what: str) -> SerError:
    """Return the error of recordings without a value, which scikit-learn has no place for."""
    failed = given.named(failed)
    told = dict(zip(failed["clip"], failed["error"], strict=True))
    row = given.clips.loc[lost[0]]
    path = row["audio"] if pd.notna(row["audio"]) else row["video"]
    first = told.get(lost[0], f"{given.shown.get(path, path)} {what}")
    return SerError(f"{len(lost)} of {len(given.clips)} recordings cannot be used, first: {first}")
