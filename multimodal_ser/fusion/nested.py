"""Fuse held-out predictions without letting the fusion see who is tested.

The tables hold held-out probabilities of every clip: each row comes from a
model that did not learn from that row's actor. For each fold the fusion is
fitted on the other folds' rows alone, so that weights, calibration and
penalties are chosen with the test actors unseen.

What this cannot undo: the models behind the *other* folds' rows did learn from
the test fold's actors, as cross-validation has it. No test label and no test
prediction reaches the fusion, but only retraining every model inside every
fold would make the two levels wholly independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.tables import actor_groups

Pairs = Iterable[tuple[Iterable[str], Iterable[str]]]


def fit_folds(
    tables: Mapping[str, pd.DataFrame],
    clips: pd.DataFrame,
    folds: Pairs,
    fuser: Fuser,
    *,
    sets: Sequence[tuple[str, ...]] | None = None,
) -> list[Fuser]:
    """Return the fuser of each fold, fitted on the fold's first part.

    Args:
        tables: modality -> held-out probability table with index ``clip``.
        clips: the clips table, with true labels.
        folds: pairs of the clips to fit the fusion on and the clips to test,
            such as ``[(fold.train, fold.test) for fold in folds]``.
        fuser: what to fit in each fold; it is left unchanged.
        sets: of modalities to fit, see :meth:`Fuser.fit`.

    Raises:
        TableError: there is no fold, a clip is not in the clips table, is
            tested twice or is on both sides, an actor is on both sides, or a
            fold cannot be fitted (see :meth:`Fuser.fit`).

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> pairs = [(actor, emotion) for actor in "xy" for emotion in ("sad", "happy")]
        >>> clips = make_clips(dict(clip=a + e, actor=a, emotion=e) for a, e in pairs)
        >>> tables = {"audio": pd.DataFrame(0.5, clips.index, ["sad", "happy"])}
        >>> x, y = clips.index[clips["actor"] == "x"], clips.index[clips["actor"] == "y"]
        >>> fitted = fit_folds(tables, clips, [(x, y), (y, x)], Fuser("log_pool"))
        >>> len(apply_folds(fitted, tables, [(x, y), (y, x)]))
        4
    """
    actors = pd.Series(actor_groups(clips), index=clips.index)
    return [
        fuser.fit(_restricted(tables, fit), clips.loc[fit, "emotion"], actors.loc[fit], sets=sets)
        for fit, _ in _checked(clips, folds)
    ]


def apply_folds(
    calls: Iterable[Callable[[Mapping[str, pd.DataFrame]], pd.DataFrame]],
    tables: Mapping[str, pd.DataFrame],
    folds: Pairs,
) -> pd.DataFrame:
    """Return what each fold's fuser says of its test clips, fold after fold.

    Args:
        calls: the fusers of :func:`fit_folds`, or their ``contributions``: one
            callable a fold.
        tables: as for :func:`fit_folds`.
        folds: those that the fusers were fitted in.

    Returns:
        Table with index ``clip``; a row of NaN where a test clip is in no table.

    Raises:
        ValueError: there are not as many folds as callables.
    """
    parts = []
    for call, (_, test) in zip(calls, folds, strict=True):
        parts.append(call(_restricted(tables, test)).reindex(pd.Index(list(test))))
    return pd.concat(parts).rename_axis("clip")


def _restricted(
    tables: Mapping[str, pd.DataFrame], clips: Iterable[str]
) -> dict[str, pd.DataFrame]:
    return {name: table[table.index.isin(list(clips))] for name, table in tables.items()}


def _checked(clips: pd.DataFrame, folds: Pairs) -> list[tuple]:
    pairs = [(pd.Index(list(fit)), pd.Index(list(test))) for fit, test in folds]
    if not pairs:
        raise TableError("there is no fold to fuse in; give pairs of fit and test clips")
    actors = pd.Series(actor_groups(clips), index=clips.index)
    for fit, test in pairs:
        unknown = fit.append(test).difference(clips.index)
        if len(unknown):
            raise TableError(f"{unknown[0]!r} is in a fold and not in the clips table; add it")
        if both := set(actors[fit]) & set(actors[test]):
            raise TableError(
                f"{min(both)!r} is on both sides of a fold; fit the fusion on other actors "
                "than it is tested on"
            )
    tested = pd.Index([clip for _, test in pairs for clip in test])
    if tested.has_duplicates:
        raise TableError(f"{tested[tested.duplicated()][0]!r} is tested twice; test a clip once")
    return pairs
