"""Which clips a request is about: one channel, one sex, labelled ones, extra ones.

Everything here looks at the clips table alone, so that a wrong request is refused
before any recording is opened.
"""

from __future__ import annotations

import pandas as pd

from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables import actor_groups, check_clips
from multimodal_ser.tables.clips import label_order
from multimodal_ser.tables.labels import OWN, SCHEMES, check_scheme, labels_of, relabel


def only(clips: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    """Return the clips that have a value in a column, such as those that are sung.

    Args:
        clips: a clips table; a clip whose value is not known is left out.
        column: ``channel`` or ``sex``, or another column of text.
        value: the one wanted.

    Raises:
        SerError: the value is known of no clip, or no clip has it.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> clips = make_clips([{"clip": "a", "sex": "female"}, {"clip": "b", "sex": "male"}])
        >>> only(clips, "sex", "male").index.tolist()
        ['b']
    """
    known = clips[column].dropna()
    if known.empty:
        raise SerError(
            f"the {column} of none of the {len(clips)} clip(s) is known, so those with {value!r} "
            f"cannot be chosen; fill the column {column} of a clips table"
        )
    chosen = clips[(clips[column] == value).fillna(False).astype(bool)]
    if chosen.empty:
        there = ", ".join(sorted(known.unique()))
        raise SerError(
            f"none of the {len(clips)} clip(s) has the {column} {value!r}; there is: {there}"
        )
    return chosen


def needs_sex(scheme: str) -> bool:
    """Tell whether a clip has a label under a scheme only where its speaker's sex is known.

    Example:
        >>> needs_sex("sex_emotion16"), needs_sex("emotions8")
        (True, False)
    """
    if check_scheme(scheme) == OWN:
        return False
    return all(sex is not None for sex, _ in SCHEMES[scheme].of)


def labelled(clips: pd.DataFrame, scheme: str) -> pd.DataFrame:
    """Return the clips that a label scheme keeps, under its labels.

    Args:
        clips: a clips table, as ``labels.relabel`` takes it.
        scheme: one of ``labels.NAMES``.

    Raises:
        UnknownName: there is no such scheme.
        SerError: the scheme keeps no clip; the error says what is missing.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> labelled(make_clips([{"clip": "a", "emotion": "sad"}]), "sex_emotion16")
        Traceback (most recent call last):
        multimodal_ser.errors.SerError: the labels sex_emotion16 tell the speaker's sex, which is \
known of none of the 1 clip(s); fill the column sex (female, male) of a clips table
    """
    kept = relabel(clips, scheme)
    if len(kept):
        return kept
    if clips["emotion"].isna().all() and scheme != "sex":
        raise SerError(
            f"none of the {len(clips)} clip(s) has a label; name the files as RAVDESS does, "
            "put them into folders named after their labels, or give a table of path and label"
        )
    if needs_sex(scheme):
        raise SerError(
            f"the labels {scheme} tell the speaker's sex, which is known of none of the "
            f"{len(clips)} clip(s); fill the column sex (female, male) of a clips table"
        )
    there = ", ".join(sorted(set(clips["emotion"].dropna())))
    raise SerError(
        f"none of the {len(clips)} clip(s) has one of the labels {scheme} "
        f"({', '.join(labels_of(scheme))}); there is: {there}; the labels own keep every word"
    )


def counted(clips: pd.DataFrame) -> str:
    """Return how many clips have each label, in one phrase.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [{"clip": "a", "emotion": "bored"}, {"clip": "b", "emotion": "sad"}]
        >>> counted(make_clips([*rows, {"clip": "c"}], None))
        'sad 1, bored 1, without a label 1'
    """
    counts = clips["emotion"].astype(object).value_counts()
    parts = [f"{label} {counts[label]}" for label in label_order(counts.index)]
    unknown = int(clips["emotion"].isna().sum())
    return ", ".join([*parts, *([f"without a label {unknown}"] if unknown else [])])


def apart(extra: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the extra clips that are not among the clips, once it is known whose they are.

    A clip to train on only must never be of somebody who is tested. Actors are
    told apart by the columns ``dataset`` and ``actor``; where these could hide
    that two of them are one person, nothing is returned.

    Args:
        extra: clips to train on only.
        clips: those that are trained on and tested in turn.

    Returns:
        A clips table with at least one row.

    Raises:
        SerError: all extra clips are among the clips.
        TableError: an extra clip has no actor, or actors of the two tables may
            be one person under two names.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> clips = make_clips([dict(clip="said", dataset="ravdess", actor="05")])
        >>> sung = make_clips([dict(clip="sung", dataset="ravdess", actor="5")])
        >>> apart(sung, clips)
        Traceback (most recent call last):
        multimodal_ser.errors.TableError: the extra clips' 'ravdess/5' and the clips' \
'ravdess/05' may be one person; write dataset and actor alike in both tables
    """
    extra, clips = check_clips(extra), check_clips(clips)
    rest = extra[~extra.index.isin(clips.index)]
    if rest.empty:
        raise SerError(
            f"all {len(extra)} extra clip(s) are among the clips themselves; give others, or "
            "choose among the clips, such as by --channel speech"
        )
    nameless = rest.index[rest["actor"].isna()]
    if len(nameless):
        raise TableError(
            f"{len(nameless)} extra clip(s) have no known actor, among them {nameless[0]!r}, and "
            "could be of somebody who is tested; fill the column actor"
        )
    _refuse_strangers(rest, clips)
    _refuse_two_names(rest, clips)
    return rest


def _refuse_strangers(extra: pd.DataFrame, clips: pd.DataFrame) -> None:
    unnamed = clips[clips["actor"].isna()]
    anywhere = bool(extra["dataset"].isna().any())
    where = unnamed["dataset"]
    doubtful = unnamed[where.isna() | where.isin(extra["dataset"]) | anywhere]
    if len(doubtful):
        raise TableError(
            f"{len(doubtful)} clip(s) have no known actor, among them {doubtful.index[0]!r}, and "
            "an extra clip could be of the same person; fill the columns dataset and actor"
        )


def _refuse_two_names(extra: pd.DataFrame, clips: pd.DataFrame) -> None:
    """Refuse ``ravdess/05`` beside ``ravdess/5``, ``RAVDESS/05`` or an ``05`` of no data set."""
    ours = _people(clips[clips["actor"].notna()])
    for group, (dataset, actor) in _people(extra).items():
        for other, (of, name) in ours.items():
            if group != other and actor == name and (dataset == of or "" in (dataset, of)):
                raise TableError(
                    f"the extra clips' {group!r} and the clips' {other!r} may be one person; "
                    "write dataset and actor alike in both tables"
                )


def _people(clips: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return each actor's group -> data set and actor with their spelling evened out."""
    pairs = zip(clips["dataset"].fillna("").str.strip().str.casefold(), clips["actor"], strict=True)
    even = [(dataset, actor.strip().casefold().lstrip("0")) for dataset, actor in pairs]
    return dict(zip(actor_groups(clips), even, strict=True))


def corpus_weights(clips: pd.DataFrame) -> pd.Series:
    """Return how much each clip counts in a training over several corpora.

    Within a corpus all labels weigh alike. Corpora weigh by the square root of their
    number of clips: between one vote each, which repeats a small corpus until it is
    known by heart, and one per clip, which lets the largest decide alone.

    Args:
        clips: a clips table with labels.

    Returns:
        Above 0, with a mean of 1; index of ``clips``.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [("a", "sad"), ("b", "sad"), ("c", "angry")]
        >>> corpus_weights(make_clips(dict(clip=c, emotion=e) for c, e in rows)).tolist()
        [0.75, 0.75, 1.5]
    """
    corpus = clips["dataset"].astype(object).fillna("")
    label = clips["emotion"].astype(object)
    in_corpus = label.groupby(corpus).transform("size")
    of_label = label.groupby([corpus, label]).transform("size")
    weight = in_corpus**0.5 / (of_label * label.groupby(corpus).transform("nunique"))
    return (weight / weight.mean()).astype(float)
