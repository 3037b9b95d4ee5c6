"""A model a sex: either the sex is known, or it is recognised first.

System B trains a model on the women's clips and one on the men's. System D
names as future work to recognise the sex first. Here both are one: a model of
the sex, and a model of the labels for each sex; where a clip's sex is not given,
both answer, weighed by how probable each sex is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from multimodal_ser.audio.model import AudioModel
from multimodal_ser.tables import EMOTIONS, Features
from multimodal_ser.tables.labels import SEXES, apply


class SexFirst:
    """A model of the sex and a model of the labels for each sex.

    Args:
        feature_set: one of ``audio.features.NAMES``.
        classifier: of the labels, one of ``audio.classifiers.NAMES``.
        labels: the label scheme, in the order of the output columns; with
            system D's 16, each sex's model knows only the labels of its sex.
        seed: for the classifiers.
        params: passed to the ``build`` of ``classifier``.
        sex_classifier: of the sex.
        sex_params: passed to its ``build``.

    Example:
        >>> SexFirst("mfcc_rms", "svc").models["female"].classifier
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
        sex_classifier: str = "svc",
        sex_params: Mapping | None = None,
    ) -> None:
        shared = {"seed": seed, "params": params}
        self.sex = AudioModel(
            feature_set, sex_classifier, labels=SEXES, seed=seed, params=sex_params
        )
        self.models = {
            sex: AudioModel(feature_set, classifier, labels=labels, **shared) for sex in SEXES
        }

    def fit(
        self, features: Features, clips: pd.DataFrame, validation: pd.DataFrame | None = None
    ) -> SexFirst:
        """Fit the three models on the clips that have features and a known sex.

        Args:
            features: of the models' feature set.
            clips: a clips table with labels and sex.
            validation: clips of other actors; only networks use them, to stop.

        Returns:
            self.

        Raises:
            SerError: the clips are of one sex, or a sex has fewer than two
                classes.
        """

        def of_sex(table: pd.DataFrame | None, sex: str) -> pd.DataFrame | None:
            return None if table is None else table[(table["sex"] == sex).fillna(False)]

        held = None if validation is None else _by_sex(validation)
        self.sex.fit(features, _by_sex(clips), held)
        for sex, model in self.models.items():
            model.fit(features, of_sex(clips, sex), of_sex(validation, sex))
        return self

    def predict(
        self,
        features: Features,
        clips: Iterable[str] | None = None,
        sexes: pd.Series | None = None,
    ) -> pd.DataFrame:
        """Return the probabilities of clips.

        Args:
            features: of the models' feature set.
            clips: clip ids; None takes all that have features. A clip without
                features gets a row of NaN.
            sexes: ``female`` or ``male`` by clip id, where it may be used;
                clips that it lacks are recognised.

        Returns:
            A probability table with index ``clip``.

        Raises:
            ModelError: the models have not been fitted.
        """
        weights = self.sex.predict(features, clips)
        if sexes is not None:
            given = sexes.reindex(weights.index).astype(object)
            for sex in SEXES:
                known = given.isin(SEXES) & weights[sex].notna()
                weights.loc[known, sex] = np.where(given[known] == sex, 1.0, 0.0)
        parts = [
            model.predict(features, weights.index).mul(weights[sex], axis=0)
            for sex, model in self.models.items()
        ]
        return parts[0] + parts[1]


def _by_sex(clips: pd.DataFrame) -> pd.DataFrame:
    # The scheme 'sex' looks at no emotion, so any labels will do.
    bare = clips.assign(emotion=None)
    return clips.assign(emotion=apply(bare, "sex"))
