"""Label schemes: what a model is to tell apart, as data.

A clip of a published corpus carries one of the eight :data:`~multimodal_ser.tables.EMOTIONS`,
one of people's own any word. Under the scheme ``own`` the labels are the words that occur,
as they are written: the list travels as the categories of the column ``emotion``, and from
there into the model. Any other scheme says which label each becomes, which are dropped,
and in which order the labels are the columns of every probability table:

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
``emotions7``      the eight with calm counted as neutral: only RAVDESS distinguishes calm
``emotions4``      neutral (calm among it), happy, sad, angry, which nearly every corpus has
``sex``            of the speaker: a first step towards a model per sex
=================  ==========================================================

:func:`relabel` gives a clips table under a scheme; folds, models, metrics and
reports then take its column ``emotion`` as the truth, whatever the labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from multimodal_ser.errors import SerError, TableError, UnknownName
from multimodal_ser.tables import EMOTIONS, check_clips
from multimodal_ser.tables.clips import label_order

#: The sexes that the data sets know, in the order of the labels.
SEXES = ("female", "male")
#: What the data sets do not agree on: where nobody was asked to be calm, neutral may sound so.
CALM, NEUTRAL = "calm", "neutral"
#: The scheme whose labels are the words that occur.
OWN = "own"
#: Other words for an emotion, which every scheme but ``own`` takes for it.
SYNONYMS = {
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "disgusted": "disgust",
    "surprise": "surprised",
}
#: Words that are columns of tables with a column per label, and so cannot be labels.
RESERVED = (
    *("clip", "path", "start_s", "end_s", "person", "modality", "emotion", "second", "confidence"),
    *("set", "frame", "time_s", "audio_share", "video_share", "face_rate", "novelty", "note"),
    *("fold", "segment"),
)


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


def _with_calm(*emotions: str) -> Scheme:
    """Return a scheme that keeps some emotions and counts calm as neutral."""
    return _merged({name: (name, CALM) if name == NEUTRAL else (name,) for name in emotions})


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
    "emotions7": _with_calm("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    "emotions4": _with_calm("neutral", "happy", "sad", "angry"),
    "sex": _sex(),
}
NAMES = (OWN, *SCHEMES)


def emotion_of(word: str | None) -> str | None:
    """Return the emotion that a word names, in whatever case; None where it names none.

    Example:
        >>> emotion_of("Joy"), emotion_of("Sad"), emotion_of("bored")
        ('happy', 'sad', None)
    """
    word = word.strip().lower() if word else ""
    word = SYNONYMS.get(word, word)
    return word if word in EMOTIONS else None


def check_scheme(scheme: str) -> str:
    """Return the name of a scheme.

    Raises:
        UnknownName: there is no such scheme.
    """
    if scheme not in NAMES:
        raise UnknownName("label scheme", scheme, NAMES)
    return scheme


def check_words(labels: Sequence[str]) -> None:
    """Refuse words that cannot be the labels of a model.

    Raises:
        SerError: a word is a column of the tables that hold a column per label, or holds what
            cannot be printed, or the ``|`` that separates labels in a set.

    Example:
        >>> check_words(["bored", "confidence"])
        Traceback (most recent call last):
        multimodal_ser.errors.SerError: 'confidence' cannot be a label: tables of predictions \
have a column of this name; rename it
    """
    for label in labels:
        if label in RESERVED:
            reason = "tables of predictions have a column of this name"
        elif not label.isprintable() or "|" in label or not label.strip():
            reason = "a label is printable text without '|'"
        else:
            continue
        raise SerError(f"{label!r} cannot be a label: {reason}; rename it")


def labels_of(scheme: str) -> tuple[str, ...]:
    """Return a scheme's labels in the order of the columns.

    Raises:
        UnknownName: there is no such scheme.

    Example:
        >>> labels_of("valence2")
        ('negative', 'positive')
    """
    if scheme not in SCHEMES:
        raise UnknownName("label scheme", scheme, tuple(SCHEMES))
    return SCHEMES[scheme].labels


def labels_among(clips: pd.DataFrame, scheme: str) -> tuple[str, ...]:
    """Return the labels of clips that :func:`relabel` gave, in the order of the columns.

    Args:
        clips: a clips table under the scheme.
        scheme: one of :data:`NAMES`; of ``own`` the labels are the categories of ``emotion``,
            whether or not they occur in this part of the clips.

    Raises:
        UnknownName: there is no such scheme.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [{"clip": "a", "emotion": "sad"}, {"clip": "b", "emotion": "bored"}]
        >>> labels_among(relabel(make_clips(rows, None), "own").head(1), "own")
        ('sad', 'bored')
    """
    return tuple(clips["emotion"].cat.categories) if scheme == OWN else labels_of(scheme)


def apply(clips: pd.DataFrame, scheme: str) -> pd.Series:
    """Return each clip's label under a scheme.

    Args:
        clips: a clips table; words that name no emotion (:func:`emotion_of`) have a label
            under ``own`` alone. ``sex`` is ``female`` or
            ``male`` and is looked at by the schemes that name it.
        scheme: one of :data:`NAMES`; ``own`` keeps every label and changes none.

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
    check_clips(clips)
    given = clips[["sex", "emotion"]].astype(object)
    given = given.where(given.notna(), None)
    if check_scheme(scheme) == OWN:
        found, labels = list(given["emotion"]), label_order(given["emotion"].dropna())
    else:
        (labels, of), pairs = SCHEMES[scheme], given.itertuples(index=False, name=None)
        found = [of.get((sex if sex in SEXES else None, emotion_of(said))) for sex, said in pairs]
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


def possible_labels(clips: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """Return which labels may be right for each clip, given what its data set tells apart.

    A clip has its own label. One that is labelled neutral, of a data set without a calm clip, may
    be calm as well: nobody was asked. A training loss that sums the probabilities of the possible
    labels does not punish what the corpus cannot know.

    Args:
        clips: the whole training table: a data set's labels are those that occur in it.
        labels: the columns, in their order.

    Returns:
        bool ``(n_clips, n_labels)``, at least one True in every row.

    Raises:
        TableError: it is not a clips table, or a clip has none of the labels.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [{"clip": "a", "emotion": "neutral"}, {"clip": "b", "emotion": "sad"}]
        >>> possible_labels(make_clips(rows), ["neutral", "calm", "sad"]).astype(int).tolist()
        [[1, 1, 0], [0, 0, 1]]
    """
    check_clips(clips)
    given = clips["emotion"].astype(object)
    unknown = clips.index[~given.isin(labels)]
    if len(unknown):
        raise TableError(
            f"{len(unknown)} clip(s) have none of the labels {', '.join(labels)}, among them "
            f"{unknown[0]!r}; give labelled clips only"
        )
    possible = given.to_numpy()[:, None] == np.asarray(labels, dtype=object)
    if CALM in labels:
        knows_calm = (given == CALM).groupby(clips["dataset"].fillna("")).transform("any")
        possible[((given == NEUTRAL) & ~knows_calm).to_numpy(), list(labels).index(CALM)] = True
    return possible


def project(probabilities: pd.DataFrame, there: Collection[str]) -> pd.DataFrame:
    """Return probabilities over the labels that a data set tells apart.

    Calm is added to neutral where the data set has neutral and no calm. Its other missing labels
    are dropped and the rest divided by its sum: the answer of somebody who knows which labels
    there are. Projecting onto fewer labels in two steps or in one is the same.

    Args:
        probabilities: a probability table; rows of NaN stay so.
        there: the data set's labels; those that are no column have no part in it.

    Returns:
        A table of the same index whose columns are the labels of both, in the table's order. A row
        whose labels are all dropped has equal probabilities.

    Raises:
        TableError: no column is one of the labels.

    Example:
        >>> columns = ["neutral", "calm", "sad", "disgust"]
        >>> table = pd.DataFrame([[0.2, 0.2, 0.1, 0.5]], ["a"], columns)
        >>> project(table, ["neutral", "sad"]).round(3).loc["a"].to_dict()
        {'neutral': 0.8, 'sad': 0.2}
    """
    return _summed(probabilities, _projection(probabilities.columns, there))


def under(probabilities: pd.DataFrame, scheme: str) -> pd.DataFrame:
    """Return probabilities of emotions as those of the labels of a scheme.

    Args:
        probabilities: a probability table whose columns are emotions.
        scheme: one of :data:`NAMES` that looks at the emotion alone.

    Returns:
        A table of the same index, the scheme's labels its columns; as for :func:`project`.

    Raises:
        UnknownName: there is no such scheme.
        TableError: a label of the scheme is made of none of the columns.

    Example:
        >>> table = pd.DataFrame([[0.3, 0.1, 0.6]], ["a"], ["neutral", "happy", "angry"])
        >>> under(table, "valence2").loc["a"].round(3).to_dict()
        {'negative': 0.6, 'positive': 0.4}
    """
    labels, of = labels_of(scheme), SCHEMES[scheme].of
    found = {name: of[None, name] for name in probabilities.columns if (None, name) in of}
    lost = [label for label in labels if label not in found.values()]
    if lost:
        raise TableError(
            f"the labels {scheme} cannot be told from {', '.join(probabilities.columns)}: none of "
            f"them becomes {lost[0]!r}; choose another scheme"
        )
    return _summed(probabilities, found)[list(labels)]


def mapping_words(columns: Collection[str], there: Collection[str]) -> str:
    """Return what :func:`project` does, in words; nothing where it keeps every label.

    Example:
        >>> mapping_words(EMOTIONS, ["neutral", "happy", "sad", "angry", "fearful", "disgust"])
        'calm counted as neutral, surprised dropped'
    """
    of = _projection(columns, there)
    parts = [f"{name} counted as {label}" for name, label in of.items() if name != label]
    dropped = [name for name in columns if name not in of]
    return ", ".join([*parts, *([f"{', '.join(dropped)} dropped"] if dropped else [])])


def _projection(columns: Collection[str], there: Collection[str]) -> dict[str, str]:
    of = {name: name for name in columns if name in there}
    if CALM in columns and CALM not in of and NEUTRAL in of:
        of[CALM] = NEUTRAL
    return of


def _summed(probabilities: pd.DataFrame, of: Mapping[str, str]) -> pd.DataFrame:
    """Return the sums of the columns that become one label, rows divided by their sum."""
    kept = list(dict.fromkeys(of[name] for name in probabilities.columns if name in of))
    if not kept:
        raise TableError(
            f"none of the labels {', '.join(map(str, probabilities.columns))} is among those that "
            "are wanted; use a model and clips that share labels"
        )
    values = probabilities.to_numpy(dtype=float)
    columns = list(probabilities.columns)
    parts = [[columns.index(name) for name in of if of[name] == label] for label in kept]
    sums = np.stack([values[:, part].sum(axis=1) for part in parts], axis=1)
    total = sums.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        scaled = np.where(total == 0, 1 / len(kept), sums / total)
    return pd.DataFrame(scaled, probabilities.index, kept)
