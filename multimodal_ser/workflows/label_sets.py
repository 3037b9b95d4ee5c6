"""Which labels each data set tells apart, and probabilities over these alone.

A model of eight labels on clips of a corpus with six is asked a question that nobody asked the
speakers. Its answers are projected, data set by data set, onto the labels that there are
(:func:`multimodal_ser.tables.labels.project`), and the scores say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from multimodal_ser import datasets
from multimodal_ser.errors import SerError
from multimodal_ser.tables import selection
from multimodal_ser.tables.labels import (
    CALM,
    NEUTRAL,
    SCHEMES,
    emotion_of,
    labels_of,
    mapping_words,
    project,
    under,
)

#: Data set -> the labels that it tells apart.
LabelSets = Mapping[str, tuple[str, ...]]


def sets_of(clips: pd.DataFrame) -> pd.Series:
    """Return the name of each clip's data set, empty where it has none."""
    return clips["dataset"].fillna("").astype(object)


def labelled(clips: pd.DataFrame, labels: Sequence[str], scheme: str | None) -> pd.DataFrame:
    """Return the clips that a model can be scored on, under its labels or those of a scheme.

    Args:
        clips: a clips table.
        labels: the model's. Where neutral is among them and calm is not, calm clips are neutral;
            a word that is none of them but names one (``joy`` for happy) counts as that.
        scheme: one of ``labels.NAMES`` that the model is scored under, or None.

    Raises:
        SerError: no clip is left.
    """
    if scheme is not None:
        return selection.labelled(clips, scheme)
    given = clips["emotion"].astype(object)
    named = given.map(emotion_of, na_action="ignore")
    given = given.where(given.isin(labels), named.where(named.isin(labels), given))
    if CALM not in labels and NEUTRAL in labels:
        given = given.mask(given == CALM, NEUTRAL)
    kept = given.isin(labels)
    if not kept.any():
        there = ", ".join(sorted(set(given.dropna()))) or "no label at all"
        raise SerError(
            f"none of the {len(clips)} clip(s) has one of the model's labels "
            f"({', '.join(labels)}); there is: {there}"
        )
    emotion = pd.Categorical(given[kept], categories=list(labels))
    return selection.check_clips(clips[kept].assign(emotion=emotion))


def other_words(clips: pd.DataFrame, kept: pd.DataFrame) -> str:
    """Return how many clips are kept, which words count as which labels, and what is left out.

    Args:
        clips: a clips table.
        kept: of :func:`labelled`.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [{"clip": str(at), "emotion": word} for at, word in enumerate(["joy", "bored"])]
        >>> clips = make_clips(rows, None)
        >>> other_words(clips, labelled(clips, ["happy", "sad"], None))
        '1 clips, 1 of other labels left out (bored 1); joy counted as happy'
    """
    given, found = clips["emotion"].astype(object), kept["emotion"].astype(object)
    pairs = dict.fromkeys(zip(given[kept.index], found, strict=True))
    lost = clips.drop(kept.index)
    head = f"{len(kept)} clips"
    head += f", {len(lost)} of other labels left out ({selection.counted(lost)})" * bool(len(lost))
    named = (f"{w} counted as {label}" for w, label in pairs if label != w != emotion_of(w))
    return "; ".join([head, *named])


def own_labels(clips: pd.DataFrame, scheme: str | None = None) -> dict[str, tuple[str, ...]]:
    """Return the labels that each data set tells apart, in the order of the columns.

    Args:
        clips: under the labels that they are scored by.
        scheme: that made these labels of emotions, or None.

    Returns:
        For a published corpus what it consists of, though some of its clips may not be here; for
        other recordings the labels that occur, or all where it is a single one.
    """
    columns = list(clips["emotion"].cat.categories)
    found = {}
    for name, part in clips.groupby(sets_of(clips)):
        known = _published(str(name), scheme) | set(part["emotion"].dropna())
        kept = tuple(label for label in columns if label in known)
        found[str(name)] = kept if len(kept) > 1 else tuple(columns)
    return found


def _published(name: str, scheme: str | None) -> set[str]:
    emotions = getattr(datasets.load(name), "LABELS", ()) if name in datasets.NAMES else ()
    if scheme is None:
        return set(emotions)
    of = SCHEMES[scheme].of
    return {of[None, emotion] for emotion in emotions if (None, emotion) in of}


def shared(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips whose label two or more data sets have.

    What one data set alone has cannot be learnt from the others, nor can be known by a model of it.

    Args:
        clips: under the labels that they are scored by.

    Raises:
        SerError: no two labels are left, or a data set is not.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> pairs = [("x", "sad"), ("x", "happy"), ("x", "calm"), ("y", "sad"), ("y", "happy")]
        >>> rows = [dict(clip=f"{d}-{e}", dataset=d, emotion=e) for d, e in pairs]
        >>> shared(make_clips(rows)).index.tolist()
        ['x-happy', 'x-sad', 'y-happy', 'y-sad']
    """
    held = sets_of(clips).groupby(clips["emotion"].astype(object)).nunique()
    kept = clips[clips["emotion"].isin(held.index[held > 1])]
    lost = sorted(set(sets_of(clips)) - set(sets_of(kept)))
    if lost and len(set(sets_of(clips))) > 1:
        raise SerError(
            f"the data set {lost[0] or 'without a name'} shares no label with the others; leave it "
            "out, or choose --labels under which it does"
        )
    return kept if len(kept) else clips


def occurring(clips: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the labels of each data set's clips, in the order of the columns."""
    columns = clips["emotion"].cat.categories
    named = clips["emotion"].groupby(sets_of(clips))
    return {str(name): tuple(columns[columns.isin(part)]) for name, part in named}


def projected(table: pd.DataFrame, clips: pd.DataFrame, own: LabelSets) -> pd.DataFrame:
    """Return probabilities in which each data set's clips have its own labels alone.

    Args:
        table: a probability table of some of the clips.
        clips: a clips table.
        own: data set -> its labels.

    Returns:
        A table of the same index; its columns are all labels that any data set has and the table
        too, in the table's order, 0 where a clip's data set has not.

    Raises:
        TableError: a data set shares no label with the table.
    """
    columns = [name for name in table.columns if any(name in labels for labels in own.values())]
    parts = []
    for name, part in table.groupby(sets_of(clips).loc[table.index]):
        there = project(part, own[str(name)]).reindex(columns=columns, fill_value=0.0)
        parts.append(there.mask(part.isna().all(axis=1)))
    return pd.concat(parts).loc[table.index] if parts else table[columns]


def words(columns: Sequence[str], own: LabelSets, scheme: str | None = None) -> str:
    """Return how probabilities are changed, in one phrase; nothing where they are not.

    Args:
        columns: the model's labels.
        own: as for :func:`projected`.
        scheme: under which they are scored, or None.

    Example:
        >>> words(("neutral", "calm", "sad"), {"tess": ("neutral", "sad")})
        'tess: calm counted as neutral'
    """
    parts = [] if scheme is None else [f"labels {scheme}"]
    scored = columns if scheme is None else labels_of(scheme)
    if CALM not in scored and NEUTRAL in scored:
        parts.append(f"{CALM} counted as {NEUTRAL}")
    for name, labels in own.items():
        if said := mapping_words(scored, labels):
            parts.append(f"{name or 'own recordings'}: {said}")
    return "; ".join(parts)


def check_scheme(scheme: str, labels: Sequence[str]) -> None:
    """Refuse a label scheme that a model cannot be scored under.

    Raises:
        UnknownName: there is none of this name; the error lists those there are.
        TableError: the model's labels do not make up those of the scheme.
    """
    under(pd.DataFrame(columns=list(labels), dtype=float), scheme)
