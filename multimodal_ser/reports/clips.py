"""What a page of predictions shows: an overview, then a clip at a time.

Clips are made while the page is written, so that memory holds one of a thousand.
"""

from __future__ import annotations

import datetime
import mimetypes
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from multimodal_ser import VERSION
from multimodal_ser.errors import SerError
from multimodal_ser.reports import lanes, player
from multimodal_ser.reports.player import Media
from multimodal_ser.reports.wording import percent
from multimodal_ser.tables import MODALITIES, source_order, sources

#: Of recordings in one page; more than some browsers open.
EMBEDDED_MB = 100
#: From a clip's rows to what is shown beside them.
Showing = Callable[[pd.DataFrame], Media]


@dataclass(frozen=True)
class About:
    """What a page says of the model.

    Attributes:
        model: its name.
        caveats: title -> text, such as what it is not for; paragraphs are parted by empty lines.
        version: of the package.
        date: of the prediction.
    """

    model: str = ""
    caveats: Mapping[str, str] = field(default_factory=dict)
    version: str = VERSION
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())


def clips(
    predictions: pd.DataFrame, labels: Sequence[str], media: Callable[[pd.DataFrame], Media]
) -> Iterator[dict]:
    """Yield what ``templates/clip.html`` draws of each clip.

    Args:
        predictions: from ``inference.predict``.
        labels: columns of probabilities.
        media: see :data:`Showing`.
    """
    for name, rows in predictions.groupby("clip", sort=False):
        yield clip(str(name), rows, labels, media(rows))


def clip(name: str, rows: pd.DataFrame, labels: Sequence[str], media: Media) -> dict:
    """Return what ``templates/clip.html`` draws of a clip."""
    whole, cut = whole_rows(rows), _filled(rows, "segment")
    tiles = [_tile(str(source), row, labels) for source, row in whole.iterrows()]
    said = rows if whole.empty else whole
    notes: Iterable = said.get("note", [])
    return {
        "name": name,
        "verdict": f"{tiles[-1]['first']} {percent(tiles[-1]['share'], 0)} %" if tiles else "",
        "notes": list(dict.fromkeys(note for note in notes if note == note and note)),
        "tiles": tiles,
        "fragment": player.clip_fragment(rows, labels, media),
        "segments": _segments(rows[cut]) if cut.any() else None,
        "sources": list(whole.index),
        "rows": [
            {"at": at, "label": label, "values": whole[label].astype(float).tolist()}
            for at, label in enumerate(labels)
        ]
        if len(whole)
        else [],
    }


def whole_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what is said of a clip as a whole, indexed by source, fused last."""
    rows = rows.assign(source=sources(rows))
    rows = rows[~_filled(rows, "frame") & ~_filled(rows, "segment")].drop_duplicates("source")
    return rows.set_index("source").loc[source_order(rows["source"])]


def _filled(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.get(column, pd.Series(pd.NA, rows.index)).notna()


def _tile(source: str, row: pd.Series, labels: Sequence[str]) -> dict:
    ranked = row[list(labels)].astype(float).sort_values(ascending=False, kind="stable")
    return {
        "name": source,
        "colour": MODALITIES.index(source.split()[-1]),
        "first": ranked.index[0],
        "share": ranked.iloc[0],
        "second": ranked.index[1],
        "next": ranked.iloc[1],
        "left": _left(_text(row, "set").split("|"), labels),
    }


def _left(given: list[str], labels: Sequence[str]) -> str:
    """Return the labels of a set as text; that all are in it is said shorter."""
    return "none is ruled out" if len(given) == len(labels) else ", ".join(given)


def _text(row: pd.Series, column: str) -> str:
    value = row.get(column, "")
    return "" if pd.isna(value) else str(value)


def _segments(rows: pd.DataFrame) -> dict:
    """Return the table of segments: the fused answer of each, or the only one."""
    order = rows["modality"].map(MODALITIES.index)
    last = rows.loc[order.groupby(rows["segment"]).idxmax()]
    head = ["from", "to", "person", "label", "confidence, %", "note"]
    persons = last["person"] if "person" in last else pd.Series(pd.NA, last.index)
    cells = [
        last["start_s"].map(lanes.clock),
        last["end_s"].map(lanes.clock),
        persons.map(lambda who: "" if pd.isna(who) else str(who)),
        last["emotion"],
        last["confidence"].astype(float).map(percent),
        last["note"].fillna("") if "note" in last else pd.Series("", last.index),
    ]
    kept = [at for at, cell in enumerate(cells) if (cell != "").any()]
    table = list(zip(*(cells[at] for at in kept), strict=True))
    return {"head": [head[at] for at in kept], "rows": table}


def overview(predictions: pd.DataFrame, labels: Sequence[str]) -> dict:
    """Return a row per clip: its length, what each source says, how sure, and its notes.

    Args:
        predictions: from ``inference.predict``.
        labels: columns of probabilities.

    Returns:
        ``head``, titles of columns; ``rows``, each with its ``clip``, the ``labels`` that
        it is given, and ``cells``: a text, and what it is sorted by, or None.

    Example:
        >>> row = {"clip": "a", "modality": "audio", "sad": 0.75, "calm": 0.25}
        >>> found = overview(pd.DataFrame([row]), ["sad", "calm"])
        >>> found["head"], found["rows"][0]["cells"]
        (['clip', 'audio', 'sure, %'], [('sad', None), ('75.0', 0.75)])
    """
    there = [m for m in MODALITIES if (predictions["modality"] == m).any()]
    rows = [
        _overview_row(str(name), part, labels, there)
        for name, part in predictions.groupby("clip", sort=False)
    ]
    head = [there[-1], "sure, %", *there[:-1], "length", "in the set", "note"]
    # Columns in which nothing stands tell nothing.
    kept = [at for at in range(len(head)) if any(row["cells"][at][0] for row in rows)]
    for row in rows:
        row["cells"] = [row["cells"][at] for at in kept]
    return {"head": ["clip", *(head[at] for at in kept)], "rows": rows}


def _overview_row(name: str, rows: pd.DataFrame, labels: Sequence[str], there: list[str]) -> dict:
    whole = whole_rows(rows)
    tiles = [_tile(str(source), row, labels) for source, row in whole.iterrows()]
    said = {m: [one for one in tiles if one["colour"] == MODALITIES.index(m)] for m in there}
    # The last sampled frame is not the end.
    length_s = float(whole["end_s"].max()) if "end_s" in whole else float("nan")
    notes = [_text(row, "note") for _, row in whole.iterrows()]
    best = tiles[-1] if tiles else None
    *parts, main = [(", ".join(str(one["first"]) for one in said[m]), None) for m in there]
    return {
        "clip": name,
        "labels": sorted({str(one["first"]) for one in tiles}),
        "cells": [
            main,
            (percent(best["share"]), round(float(best["share"]), 4)) if best else ("", ""),
            *parts,
            (lanes.clock(length_s), round(length_s, 2)) if length_s > 0 else ("", ""),
            (best["left"] if best else "", None),
            ("; ".join(dict.fromkeys(filter(None, notes))), None),
        ],
    }


def failure_rows(failures: pd.DataFrame | None) -> list[tuple[str, str, str]]:
    """Return file name, stage and reason of what could not be used; no folder is named."""
    if failures is None:
        return []
    return [
        (Path(path).name or str(clip), str(stage), str(error).replace(path, Path(path).name))
        for clip, path, stage, error in zip(
            failures["clip"],
            failures["path"].astype(str),
            failures["stage"],
            failures["error"],
            strict=True,
        )
    ]


def shown_path(rows: pd.DataFrame) -> str:
    """Return the file that a clip's player plays: the image's, or else the sound's."""
    order = rows["modality"].map({"video": 0, "fused": 1, "audio": 2})
    return str(rows["path"].iloc[int(order.argmin())]) if "path" in rows and len(rows) else ""


def unread(rows: pd.DataFrame) -> Media:
    """Return what is known of a recording by its name alone: whether it is a video."""
    kind = mimetypes.guess_type(shown_path(rows))[0] or ""
    return Media(has_image=kind.startswith("video/"))


def placed(media: Media, path: str, page: Path, *, embed: bool) -> Media:
    """Return media with the URL that a page plays them from.

    Args:
        media: without one.
        path: of the recording.
        page: the HTML file.
        embed: whether the recording is to be in the page.

    Returns:
        The URL is relative to the page, and the file's name alone is looked for where there is
        nothing. Of a file that is not there a note says so.
    """
    if not path or not os.path.isfile(path):
        lost = f"The recording {Path(path).name} was not found, so it cannot be played."
        return replace(media, note=media.note or lost) if path else media
    if embed:
        kind = mimetypes.guess_type(path)[0] or "video/mp4"
        return replace(media, url=player.data_url(Path(path).read_bytes(), kind))
    beside = quote(os.fsencode(Path(path).name))
    try:
        place = os.path.relpath(os.path.realpath(path), os.path.realpath(page.parent))
    except ValueError:  # another drive of Windows
        return replace(media, url=beside)
    url = quote(os.fsencode(Path(place).as_posix()))
    return replace(media, url=url, other_url="" if url == beside else beside)


def check_embeddable(paths: Iterable[str | Path]) -> None:
    """Refuse recordings that are too much for one page.

    Raises:
        SerError: they have more than :data:`EMBEDDED_MB`.

    Example:
        >>> check_embeddable([])
    """
    size = sum(os.path.getsize(path) for path in set(map(str, paths)) if os.path.isfile(path))
    if size > EMBEDDED_MB * 1e6:
        raise SerError(
            f"the recordings have {size / 1e6:,.0f} MB, and a page holds {EMBEDDED_MB} MB at most; "
            "leave out --embed and keep the page near the recordings, or predict fewer at a time"
        )
