"""Who trains and who is tested: folds as a pure function of the clips table.

Every scheme but ``random_leaky`` keeps each actor's clips on one side. The
published lists name actors of RAVDESS: clips of other data sets are no part of these
protocols, on neither side, and are learnt from only as extra training data. They are:

* ``aei``: actors 1-20 against 21-24, aei_2019.
* ``luna5``: Luna-Jimenez et al., "A Proposal for Multimodal Emotion
  Recognition Using Aural Transformers and Action Units on RAVDESS Dataset",
  Applied Sciences 12(1):327, 2022; five folds balanced by sex and emotion.
* ``hicmae6``: Sun et al., "HiCMAE", Information Fusion 2024; six folds of four
  consecutive actors.
* ``emobox6``: Ma et al., "EmoBox", Interspeech 2024; six folds.

``corpora`` is leave-one-corpus-out: each data set is tested by models that learnt from all others
(Schuller et al., "Cross-Corpus Acoustic Emotion Recognition: Variances and Strategies", IEEE
Transactions on Affective Computing 1(2), 2010).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from multimodal_ser.errors import SerError, TableError, UnknownName
from multimodal_ser.tables import actor_groups, check_clips
from multimodal_ser.tables import io as tableio

#: Test actors of each fold of the published schemes.
TEST_ACTORS: dict[str, tuple[tuple[int, ...], ...]] = {
    "aei": ((21, 22, 23, 24),),
    "luna5": (
        (2, 5, 14, 15, 16),
        (3, 6, 7, 13, 18),
        (10, 11, 12, 19, 20),
        (8, 17, 21, 23, 24),
        (1, 4, 9, 22),
    ),
    "hicmae6": tuple(tuple(range(first, first + 4)) for first in range(1, 25, 4)),
    "emobox6": (
        (1, 11, 20, 21),
        (4, 10, 12, 14),
        (8, 9, 19, 23),
        (3, 5, 7, 24),
        (2, 15, 16, 18),
        (6, 13, 17, 22),
    ),
}
#: Schemes that work for any data set; the number of folds may be chosen.
GENERAL = ("actors", "leave_one_actor_out", "random_leaky")
#: Leaves out one data set at a time; it needs several.
CORPORA = "corpora"
NAMES = (*TEST_ACTORS, *GENERAL, CORPORA)
#: Schemes that put one speaker on both sides; every report marks them.
LEAKY = ("random_leaky",)


class Fold(NamedTuple):
    """Clip ids of one fold; :func:`split_validation` takes a part out of the training clips."""

    name: str
    train: pd.Index
    test: pd.Index


def make_folds(clips: pd.DataFrame, scheme: str, *, seed: int = 0, n_folds: int = 5) -> list[Fold]:
    """Return the folds of a scheme.

    Args:
        clips: a clips table; the result does not depend on its row order.
        scheme: one of :data:`NAMES`, or a table of one's own (``.csv``,
            ``.json``, ``.parquet``) with the column ``fold`` and one of
            ``clip`` and ``actor``; what it does not list is never tested.
        seed: for ``actors`` and ``random_leaky``.
        n_folds: for ``actors`` and ``random_leaky``.

    Returns:
        Folds with a test part; a published scheme's fold whose actors are all
        absent from the table is left out, and so are clips that are not of
        RAVDESS's actors 1 to 24. The folds of ``corpora`` are named after their data sets.

    Raises:
        UnknownName: there is no such scheme.
        SerError: the table has too few actors for the scheme, or none of RAVDESS
            for a published one, or a single data set for ``corpora``.
        TableError: the table of folds is malformed or fits no clip.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [dict(clip=f"{a}", dataset="ravdess", actor=f"{a:02d}") for a in range(1, 25)]
        >>> [len(fold.test) for fold in make_folds(make_clips(rows), "luna5")]
        [5, 5, 5, 5, 4]
    """
    own = tableio.is_table(scheme)
    clips = check_clips(clips).sort_index()
    if scheme not in NAMES and not own:
        raise UnknownName("protocol", scheme, suited(clips) or NAMES)
    if scheme in TEST_ACTORS:
        clips = _of_ravdess(clips, scheme)
    masks = _own_masks(clips, scheme) if own else _test_masks(clips, scheme, seed, n_folds)
    folds = [
        Fold(name, clips.index[~is_test], clips.index[is_test])
        for name, is_test in masks
        if is_test.any() and not is_test.all()
    ]
    if not folds and scheme == CORPORA:
        there = ", ".join(sorted(set(clips["dataset"].dropna()))) or "no data set named"
        raise SerError(
            f"protocol {CORPORA} leaves out one data set at a time and needs two or more; there "
            f"is: {there}. Give several{_or_others(clips)}"
        )
    if not folds:
        actors = ", ".join(sorted(set(clips["actor"].dropna()))) or "none"
        raise SerError(
            f"protocol {scheme} needs actors on both sides; the clips have: {actors}. "
            f"Use clips of more of them{_or_others(clips)}"
        )
    return folds


def suited(clips: pd.DataFrame) -> tuple[str, ...]:
    """Return the schemes that some clips have what they ask for, the strictest first.

    Args:
        clips: a clips table; where speakers are not known, each clip counts as one.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> suited(make_clips([dict(clip="a", actor="1"), dict(clip="b", actor="1")]))
        ('random_leaky',)
        >>> suited(make_clips([dict(clip="a"), dict(clip="b")]))
        ('actors', 'random_leaky')
    """
    numbers = _numbers(clips[_is_of_ravdess(clips)])
    found = [
        name
        for name, parts in TEST_ACTORS.items()
        if any(numbers.isin(part).any() and not numbers.isin(part).all() for part in parts)
    ]
    several = len(set(actor_groups(clips))) > 1
    found += ["actors"] if several else []
    found += ["leave_one_actor_out"] if several and clips["actor"].notna().all() else []
    found += [CORPORA] if clips["dataset"].dropna().nunique() > 1 else []
    return (*found, *(LEAKY if len(clips) > 1 else ()))


def usual(clips: pd.DataFrame) -> str:
    """Return the scheme of clips that nobody named one for: ``luna5`` for RAVDESS, or ``actors``.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> usual(make_clips([{"clip": "a", "dataset": "folder"}]))
        'actors'
    """
    return "luna5" if len(clips) and (clips["dataset"] == "ravdess").all() else "actors"


def _or_others(clips: pd.DataFrame) -> str:
    names = ", ".join(suited(clips))
    return f"; protocols that these clips suit: {names}" if names else ""


def _is_of_ravdess(clips: pd.DataFrame) -> np.ndarray:
    ours = (clips["dataset"] == "ravdess").fillna(False) & _numbers(clips).between(1, 24)
    return ours.to_numpy(dtype=bool)


def _of_ravdess(clips: pd.DataFrame, scheme: str) -> pd.DataFrame:
    ours = _is_of_ravdess(clips)
    if not ours.any():
        there = ", ".join(sorted(set(clips["dataset"].dropna()))) or "no data set named"
        raise SerError(
            f"protocol {scheme} is about the actors of the data set ravdess, of whom no clip is; "
            f"there is: {there}. Give clips of it{_or_others(clips)}"
        )
    return clips[ours]


def _numbers(clips: pd.DataFrame) -> pd.Series:
    return pd.to_numeric(clips["actor"], errors="coerce")


def write_folds(folds: list[Fold], path: str | Path) -> None:
    """Write which clip is tested in which fold, for :func:`make_folds` to read.

    Args:
        folds: from :func:`make_folds`.
        path: its ending chooses the format.

    Raises:
        SerError: the ending is unknown.
        OSError: the file cannot be written.
    """
    rows = [(clip, fold.name) for fold in folds for clip in sorted(fold.test)]
    tableio.write(pd.DataFrame(rows, columns=["clip", "fold"]), path)


def _own_masks(clips: pd.DataFrame, path: str):
    table = tableio.read(path)
    key = next((name for name in ("clip", "actor") if name in table.columns), None)
    if key is None or "fold" not in table.columns:
        raise TableError(f"{path}: a table of folds needs the column fold, and clip or actor")
    doubled = table[key][table[key].duplicated()]
    if len(doubled):
        raise TableError(f"{path}: {key} {doubled.iloc[0]!r} is in it twice; test it in one fold")
    fold_of = table.set_index(table[key].astype(str))["fold"].astype(str)
    given = clips.index.to_series() if key == "clip" else clips["actor"].astype(object)
    folds = given.map(fold_of)
    if folds.isna().all():
        raise TableError(f"{path}: none of its {key}s is among the clips; check the spelling")
    for name in sorted(folds.dropna().unique()):
        yield str(name), (folds == name).to_numpy()


def split_validation(
    clips: pd.DataFrame, share: float, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split training clips into a part to fit on and actors held out from it.

    Args:
        clips: a clips table.
        share: share of the actors to hold out, 0 to below 1; at least one
            actor is held out when it is above 0 and there are two or more.
        seed: which actors.

    Returns:
        The clips to fit on and the held-out clips.

    Raises:
        SerError: the share is out of range.
    """
    if not 0 <= share < 1:
        raise SerError(f"the validation share is {share}; give at least 0 and less than 1")
    groups = actor_groups(clips)
    order = _shuffled_actors(groups, clips["sex"].fillna("").to_numpy(dtype=object), seed)
    if share == 0 or len(order) < 2:
        return clips, clips.iloc[:0]
    count = min(max(round(share * len(order)), 1), len(order) - 1)
    # Evenly spaced along an order sorted by sex: both sexes in proportion.
    at = np.floor((np.arange(count) + 0.5) * len(order) / count).astype(int)
    held = np.isin(groups, [order[position] for position in at])
    return clips[~held], clips[held]


def with_extra(train: pd.DataFrame, extra: pd.DataFrame, held_out: pd.DataFrame) -> pd.DataFrame:
    """Return training clips and, after them, extra ones of nobody who is held out.

    The song of a RAVDESS actor, or a changed copy of a clip, is that actor's:
    it goes into training only where all of the actor's clips may.

    Args:
        train: training clips.
        extra: further clips with labels, under the same label scheme.
        held_out: the clips that are tested, and those that calibrate or stop a model.

    Returns:
        A clips table; extra clips that are in ``train`` already, or have none
        of its labels, are left out.

    Raises:
        TableError: an extra clip's actor is not known.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [dict(clip=c, actor=c[0], emotion="sad") for c in ("1", "2", "1 sung", "2 sung")]
        >>> clips = make_clips(rows)
        >>> song = clips.loc[["1 sung", "2 sung"]]
        >>> with_extra(clips.loc[["1"]], song, clips.loc[["2"]]).index.tolist()
        ['1', '1 sung']
    """
    unknown = extra.index[extra["actor"].isna()]
    if len(unknown):
        raise TableError(
            f"{len(unknown)} extra clip(s) have no known actor, among them {unknown[0]!r}, and "
            "could be of somebody who is tested; fill the column actor"
        )
    scheme, given = train["emotion"].dtype, extra["emotion"].astype(object)
    known = given.isin(train["emotion"].cat.categories)
    extra = extra.assign(emotion=given.where(known).astype(scheme))
    theirs = np.isin(actor_groups(extra), actor_groups(held_out))
    wanted = extra["emotion"].notna() & ~theirs & ~extra.index.isin(train.index)
    return pd.concat([train, extra[wanted]]) if wanted.any() else train


def _test_masks(clips: pd.DataFrame, scheme: str, seed: int, n_folds: int):
    if scheme in TEST_ACTORS:
        numbers = _numbers(clips)
        for fold, actors in enumerate(TEST_ACTORS[scheme]):
            yield f"{scheme}-{fold}", numbers.isin(actors).to_numpy()
        return
    if scheme == CORPORA:
        names = clips["dataset"].fillna("unnamed").to_numpy(dtype=object)
        yield from ((str(name), names == name) for name in sorted(set(names)))
        return
    groups = actor_groups(clips)
    if scheme == "random_leaky":
        part = np.random.default_rng(seed).permutation(len(clips)) % n_folds
    elif scheme == "leave_one_actor_out":
        part = np.unique(groups, return_inverse=True)[1]
    else:
        part = _balanced_parts(clips, groups, n_folds, seed)
    for fold in range(part.max(initial=-1) + 1):
        yield f"{scheme}-{fold}", part == fold


def _balanced_parts(clips: pd.DataFrame, groups: np.ndarray, n_parts: int, seed: int) -> np.ndarray:
    """Deal the actors out to parts, each sex by itself, in a seeded order."""
    sex = clips["sex"].fillna("").to_numpy(dtype=object)
    order = _shuffled_actors(groups, sex, seed)
    rank = {actor: position % n_parts for position, actor in enumerate(order)}
    return np.array([rank[group] for group in groups], dtype=int)


def _shuffled_actors(groups: np.ndarray, sex: np.ndarray, seed: int) -> list[str]:
    actors = sorted(set(groups))
    sex_of = dict(zip(groups, sex, strict=True))
    shuffled = [actors[at] for at in np.random.default_rng(seed).permutation(len(actors))]
    return sorted(shuffled, key=lambda actor: sex_of[actor])  # stable: keeps the shuffle
