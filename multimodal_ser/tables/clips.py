"""The clips table, one row per clip, and the table of clips that failed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.tables.limits import to_numbers

#: The eight emotions in the order of their RAVDESS codes 01 to 08. Every
#: probability table and every network output keeps this order.
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")

#: Paths are in the middle, which pandas leaves out where a table is wider than the screen.
CLIP_COLUMNS = (
    "dataset",
    "emotion",
    "actor",
    "sex",
    "intensity",
    "audio",
    "video",
    "statement",
    "repetition",
    "channel",
    "duration",
)
#: What a clips table has beside them where some clips are parts of recordings: start and end in
#: seconds, NaN where the recording begins and ends.
SPAN_COLUMNS = ("start_s", "end_s")
FAILURE_COLUMNS = ("clip", "path", "stage", "error")


def empty_clips() -> pd.DataFrame:
    """Return a clips table with no rows and every column.

    Example:
        >>> empty_clips().columns[0], len(empty_clips())
        ('dataset', 0)
    """
    return make_clips([])


def label_order(words: Iterable[str]) -> tuple[str, ...]:
    """Return the different words among some labels: emotions in their order, then others by name.

    Example:
        >>> label_order(["excited", "sad", "bored", "sad", "happy"])
        ('happy', 'sad', 'bored', 'excited')
    """
    there = set(words)
    return (*(name for name in EMOTIONS if name in there), *sorted(there - set(EMOTIONS)))


def make_clips(rows: Iterable[dict], labels: Sequence[str] | None = EMOTIONS) -> pd.DataFrame:
    """Build a clips table, sorted by clip id, from dictionaries with a ``clip`` key.

    Columns that a row does not name are filled with missing values, so a
    recording about which nothing is known but its path is a valid clip.

    Args:
        rows: one dictionary a clip; keys are ``clip``, any of :data:`CLIP_COLUMNS`, and
            :data:`SPAN_COLUMNS` of a clip that is a part of a recording.
        labels: what ``emotion`` may be; others than :data:`EMOTIONS` under
            another label scheme. None takes any words: where one is no emotion, the
            labels are those that occur, in the order of :func:`label_order`.

    Returns:
        DataFrame with index ``clip``; ``emotion`` is categorical over
        ``labels``, ``duration`` is float seconds, the rest is text.

    Raises:
        TableError: a clip id is doubled or missing, or an emotion is unknown.

    Example:
        >>> make_clips([{"clip": "a", "audio": "a.wav", "emotion": "sad"}]).loc["a", "emotion"]
        'sad'
    """
    rows = list(rows)
    spans = SPAN_COLUMNS if any(pd.notna(row.get(c)) for row in rows for c in SPAN_COLUMNS) else ()
    table = pd.DataFrame(rows, columns=["clip", *CLIP_COLUMNS, *spans])
    table = table.set_index("clip").sort_index()
    for column in CLIP_COLUMNS:
        if column not in ("emotion", "duration"):
            table[column] = table[column].astype("string")
    for column in ("duration", *spans):
        table[column] = to_numbers(table[column])
    given = table["emotion"]
    if labels is None:
        there = label_order(given.dropna())
        labels = there if set(there) - set(EMOTIONS) else EMOTIONS
    unknown = sorted(set(given.dropna()) - set(labels))
    if unknown:
        raise TableError(f"unknown emotion {unknown[0]!r}; use one of: {', '.join(labels)}")
    table["emotion"] = pd.Categorical(given, categories=list(labels))
    table.index = table.index.astype("object")
    return check_clips(table)


def check_clips(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips table unchanged, or say what is wrong with it.

    Raises:
        TableError: a column is missing, or a clip id is doubled or empty.

    Example:
        >>> check_clips(empty_clips()).index.name
        'clip'
    """
    missing = [column for column in CLIP_COLUMNS if column not in clips.columns]
    if missing:
        raise TableError(
            f"the clips table lacks the column(s) {', '.join(missing)}; make it with 'index'"
        )
    check_index(clips.index, "clips table")
    return clips


def check_index(index: pd.Index, what: str) -> None:
    """Refuse an index with a missing or a doubled id.

    Args:
        index: of clips, or of frames of clips.
        what: to call the table in an error.

    Raises:
        TableError: an id is missing or doubled.
    """
    if index.isna().any() if index.nlevels == 1 else index.to_frame().isna().any(axis=None):
        raise TableError(f"the {what} has a row without a clip id; give every row one")
    doubled = index[index.duplicated()]
    if len(doubled):
        raise TableError(f"the {what} has {doubled[0]!r} twice; keep one row a clip")


def actor_groups(clips: pd.DataFrame) -> np.ndarray:
    """Return one text per clip that names its speaker across datasets.

    Two datasets may both have an actor ``01``; the data set's name keeps them
    apart. Clips without a known actor are each a speaker of their own, the parts of one
    recording together.

    Returns:
        object array ``(n_clips,)``.

    Raises:
        TableError: the table is not a clips table.

    Example:
        >>> rows = [{"clip": "a", "dataset": "ravdess", "actor": "01"}, {"clip": "b"}]
        >>> actor_groups(make_clips(rows)).tolist()
        ['ravdess/01', 'clip/b']
    """
    check_clips(clips)
    named = clips["dataset"].fillna("") + "/" + clips["actor"].fillna("")
    whole = pd.Series(clips.index, clips.index, dtype=object)
    if is_part(clips).any():
        whole = whole.mask(is_part(clips), clips["audio"].fillna(clips["video"]))
    alone = "clip/" + whole
    return named.where(clips["actor"].notna(), alone).to_numpy(dtype=object)


def is_part(clips: pd.DataFrame) -> pd.Series:
    """Tell of each clip whether it is a part of a recording.

    Example:
        >>> is_part(make_clips([{"clip": "a", "end_s": 2.5}, {"clip": "b"}])).tolist()
        [True, False]
    """
    there = [name for name in SPAN_COLUMNS if name in clips]
    return clips[there].notna().any(axis=1)


def known_actors(clips: pd.DataFrame) -> list[str]:
    """Return who speaks in some clips, sorted; with the data set's name where there are several.

    Example:
        >>> rows = [{"clip": "a", "dataset": "ravdess", "actor": "01"}, {"clip": "b"}]
        >>> known_actors(make_clips(rows))
        ['01']
    """
    known = clips[clips["actor"].notna()]
    several = known["dataset"].fillna("").nunique() > 1
    return sorted(set(actor_groups(known) if several else known["actor"]))


def failure_table(failures: Iterable[Sequence[str]]) -> pd.DataFrame:
    """Return the failures as a table with :data:`FAILURE_COLUMNS`.

    Example:
        >>> failure_table([("a", "a.wav", "audio", "empty")]).loc[0, "error"]
        'empty'
    """
    return pd.DataFrame(list(failures), columns=list(FAILURE_COLUMNS))


def table_hash(clips: pd.DataFrame) -> str:
    """Return a hash of which clips with which labels these are, paths left out.

    Args:
        clips: a clips table; neither its row order nor where its files are counts.

    Returns:
        16 hexadecimal digits.

    Example:
        >>> here, there = ([{"clip": "a", "audio": path}] for path in ("a.wav", "/data/a.wav"))
        >>> table_hash(make_clips(here)) == table_hash(make_clips(there))
        True
    """
    named = clips.drop(columns=["audio", "video", "duration"]).sort_index()
    return hash_text(named.to_csv())


def hash_text(text: str) -> str:
    """Return the first 16 hexadecimal digits of the text's SHA-256.

    Example:
        >>> hash_text("")
        'e3b0c44298fc1c14'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:16]
