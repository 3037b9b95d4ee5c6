"""Label schemes: what a model is to tell apart, as data.

A clip carries one of the eight :data:`~multimodal_ser.tables.EMOTIONS`. A
scheme says which label each becomes, which are dropped, and in which order
the labels are the columns of every probability table:

=================  ==========================================================
``emotions8``      the eight of RAVDESS
``no_neutral7``    gendered_mlp: without neutral
``four``           gendered_mlp: calm, happy, sad, angry
``speech_song5``   spectrogram_resnet: calm, happy, sad, angry, fearful, the emotions
                   that RAVDESS has both spoken and sung, without neutral
``sex_emotion16``  soft_voting: the eight emotions by sex
``valence2``       cremad_valence: positive (neutral, happy) against negative
                   (angry, disgust); sad and fearful are dropped
``cremad6``        the six of CREMA-D
``sex``            of the speaker: a first step towards a model per sex
=================  ==========================================================

:func:`relabel` gives a clips table under a scheme; folds, models, metrics and
reports then take its column ``emotion`` as the truth, whatever the labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from multimodal_ser.errors import UnknownName
from multimodal_ser.tables import EMOTIONS, check_clips

#: The sexes that the data sets know, in the order of the labels.
SEXES = ("female", "male")


class Scheme(NamedTuple):
    """What a clip's emotion and its speaker's sex become.

    Attributes:
        labels: in the order of the columns.
        of: ``(sex, emotion)`` -> label; what is not in it is dropped.
    """

    labels: tuple[str, ...]
    of: Mapping[tuple[str | None, str | None], str]


def _merged(labels: Mapping[str, tuple[str, ...]]) -> Scheme:
    """Return a scheme that looks at the emotion alone: label -> its emotions."""
    of: dict[tuple[str | None, str | None], str] = {
        (sex, emotion): label
        for label, emotions in labels.items()
        for emotion in emotions
        for sex in (*SEXES, None)
    }
    return Scheme(tuple(labels), of)


def _kept(*emotions: str) -> Scheme:
    return _merged({emotion: (emotion,) for emotion in EMOTIONS if emotion in emotions})


def _by_sex() -> Scheme:
    pairs = [(sex, emotion) for sex in SEXES for emotion in EMOTIONS]
    labels = tuple(map("_".join, pairs))
    return Scheme(labels, dict(zip(pairs, labels, strict=True)))


def _sex() -> Scheme:
    return Scheme(SEXES, {(sex, emotion): sex for sex in SEXES for emotion in (*EMOTIONS, None)})


SCHEMES: Mapping[str, Scheme] = {
    "emotions8": _kept(*EMOTIONS),
    "no_neutral7": _kept(*EMOTIONS[1:]),
    "four": _kept("angry", "calm", "happy", "sad"),
    "speech_song5": _kept("calm", "happy", "sad", "angry", "fearful"),
    "sex_emotion16": _by_sex(),
    # The negative comes first, so that scikit-learn's 'precision' of two
    # classes is that of the positive, which cremad_valence maximises.
    "valence2": _merged({"negative": ("angry", "disgust"), "positive": ("neutral", "happy")}),
    "cremad6": _kept("neutral", "happy", "sad", "angry", "fearful", "disgust"),
    "sex": _sex(),
}
NAMES = tuple(SCHEMES)


def labels_of(scheme: str) -> tuple[str, ...]:
    """Return a scheme's labels in the order of the columns.

    Raises:
        UnknownName: there is no such scheme.

    Example:
        >>> labels_of("valence2")
        ('negative', 'positive')
    """
    if scheme not in SCHEMES:
        raise UnknownName("label scheme", scheme, NAMES)
    return SCHEMES[scheme].labels


def apply(clips: pd.DataFrame, scheme: str) -> pd.Series:
    """Return each clip's label under a scheme.

    Args:
        clips: a clips table whose emotions are of
            :data:`~multimodal_ser.tables.EMOTIONS`; ``sex`` is ``female`` or
            ``male`` and is looked at by the schemes that name it.
        scheme: one of :data:`NAMES`.

    Returns:
        Categorical Series ``emotion`` with the index of the clips, categories
        in column order; NA where the scheme drops the clip, or where its
        emotion, or a sex that the scheme asks for, is not known.

    Raises:
        UnknownName: there is no such scheme.
        TableError: the table is not a clips table.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> clips = make_clips([{"clip": "a", "emotion": "happy", "sex": "male"}])
        >>> apply(clips, "valence2")["a"], apply(clips, "sex_emotion16")["a"]
        ('positive', 'male_happy')
    """
    labels = labels_of(scheme)
    check_clips(clips)
    of = SCHEMES[scheme].of
    given = clips[["sex", "emotion"]].astype(object)
    pairs = given.where(given.notna(), None).itertuples(index=False, name=None)
    found = [of.get((sex if sex in SEXES else None, emotion)) for sex, emotion in pairs]
    return pd.Series(pd.Categorical(found, categories=labels), index=clips.index, name="emotion")


def relabel(clips: pd.DataFrame, scheme: str) -> pd.DataFrame:
    """Return the clips that a scheme keeps, with its labels as their ``emotion``.

    Args:
        clips: a clips table, as for :func:`apply`.
        scheme: one of :data:`NAMES`.

    Returns:
        A clips table; ``emotion`` is categorical over the scheme's labels.

    Raises:
        UnknownName: there is no such scheme.
        TableError: the table is not a clips table.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [{"clip": "a", "emotion": "sad"}, {"clip": "b", "emotion": "angry"}]
        >>> relabel(make_clips(rows), "valence2")["emotion"].to_dict()
        {'b': 'negative'}
    """
    found = apply(clips, scheme)
    return clips.assign(emotion=found)[found.notna()]
