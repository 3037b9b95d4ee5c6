"""Segments from the files that people annotate in, and predictions as such files.

Read: tables, Praat's TextGrid (long and short), ELAN's EAF. Written: those two, and subtitles
(SubRip, WebVTT). The formats are the few lines of theirs that segments need, after
https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html,
http://www.mpi.nl/tools/elan/EAFv3.0.xsd and https://www.w3.org/TR/webvtt1/; Praat itself,
pympi and webvtt-py read them in the tests. pympi would write two of them, and reads damaged
files as whole ones.
"""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pandas as pd

from multimodal_ser.compute.files import open_regular, write_atomically
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables import audformat
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables.limits import to_numbers
from multimodal_ser.tables.probabilities import MODALITIES, source_order, sources

#: What is written, by ending in small letters.
ENDINGS = (".srt", ".vtt", ".textgrid", ".eaf")
#: An hour of annotation in many tiers has some megabytes.
_LARGEST_BYTES = 2**26


class Interval(NamedTuple):
    """A stretch of time with a text."""

    start_s: float
    end_s: float
    text: str


def read_segments(path: str | Path) -> pd.DataFrame:
    """Read segments.

    Args:
        path: a table (CSV, JSON, Parquet) with the columns ``start`` and ``end``, in seconds
            or as ``0 days 00:00:01.5``, and ``clip`` or ``file`` where there are several
            recordings, such as audformat's; a database in audformat, whose segmented tables
            count, all of them; a ``.TextGrid``, whose first tier of intervals
            with text counts; or an ``.eaf``, whose aligned tiers count, all of them.

    Returns:
        As :func:`check_segments` does.

    Raises:
        TableError: there is no such file, or it holds no segments.

    Example:
        >>> read_segments("talk.TextGrid")  # doctest: +SKIP
    """
    path = Path(path)
    ending = path.suffix.lower()
    if audformat.is_database(path):
        return check_segments(audformat.read_segments(path), str(path))
    if ending not in (".textgrid", ".eaf"):
        if ending not in tableio.ENDINGS:
            raise TableError(
                f"{path}: no segments are read from it; give speech, none, window=3,hop=1, or a "
                f"file that ends in {', '.join((*tableio.ENDINGS, '.TextGrid', '.eaf'))}"
            )
        return check_segments(tableio.read(path), str(path))
    try:
        with open_regular(path, _LARGEST_BYTES) as file:
            content = file.read()
    except OSError as error:
        raise TableError(f"{path}: it cannot be read ({error.strerror}); check the path") from None
    try:
        found = _textgrid(content) if ending == ".textgrid" else _eaf(content)
    except (ValueError, LookupError, ArithmeticError, ElementTree.ParseError) as error:
        raise TableError(
            f"{path}: not a readable {path.suffix} file ({error!s:.100}); save it again"
        ) from None
    rows = [(one.start_s, one.end_s) for one in found if one.text.strip()]
    table = pd.DataFrame(sorted(set(rows)), columns=["start_s", "end_s"])
    return check_segments(table, str(path))


def check_segments(table: pd.DataFrame, name: str = "the segments") -> pd.DataFrame:
    """Return segments as a table, or say what is wrong with them.

    Args:
        table: ``start`` or ``start_s``, ``end`` or ``end_s``, and perhaps ``clip``, ``file``
            or ``path``, as columns or in the index.
        name: what to call it in an error.

    Returns:
        ``start_s`` and ``end_s`` in seconds, NaN where it is empty: that of the recording; and
        ``clip`` where the recordings are named.

    Raises:
        TableError: a column is missing, or a segment does not end after it begins.

    Example:
        >>> check_segments(pd.DataFrame({"start": [1.0], "end": [2.5]})).loc[0].tolist()
        [1.0, 2.5]
    """
    if any(table.index.names):
        table = table.reset_index()
    found = pd.DataFrame(index=table.index)
    for column in ("start", "end"):
        if _there(table, column) not in table:
            raise TableError(f"{name}: no column {column}; give start and end in seconds")
        found[f"{column}_s"] = _seconds(table[_there(table, column)])
    # audformat leaves the end empty where it is the recording's.
    open_ended = found["end_s"].isna() & pd.isna(table[_there(table, "end")])
    ends = (found["end_s"] > found["start_s"]) | open_ended
    wrong = ~((found["start_s"] >= 0) & ends) | np.isinf(found["end_s"])
    if wrong.any() or not len(found):
        problem = "there is none" if not len(found) else f"row {int(np.argmax(wrong)) + 1} is none"
        raise TableError(f"{name}: {problem}; a segment begins at 0 s or later and ends after that")
    whose = next((one for one in ("clip", "file", "path") if one in table), None)
    if whose is not None:
        found["clip"] = table[whose].astype(str)
    return found.reset_index(drop=True)


def _there(table: pd.DataFrame, column: str) -> str:
    return f"{column}_s" if f"{column}_s" in table else column


def _seconds(values: pd.Series) -> pd.Series:
    numbers = to_numbers(values)
    if pd.api.types.is_timedelta64_dtype(values):
        return values.dt.total_seconds()
    if numbers.isna().any() and not pd.api.types.is_numeric_dtype(values):
        times = pd.to_timedelta(values.where(numbers.isna()), errors="coerce")
        return numbers.fillna(times.dt.total_seconds())
    return numbers


def _textgrid(content: bytes) -> list[Interval]:
    """Return the intervals of the first tier that has a text.

    Praat reads free-standing numbers and texts in quotes, and nothing else.
    """
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = content.decode("utf-16" if wide else "utf-8-sig")
    tokens = iter(_values(text))
    if (
        next(tokens, "") not in ('"ooTextFile', '"ooTextFile short')
        or next(tokens, "") != '"TextGrid'
    ):
        raise ValueError("it does not begin as one")
    try:
        float(next(tokens)), float(next(tokens)), next(tokens)
        for _ in range(_count(next(tokens))):
            kind, _, _, _ = next(tokens), next(tokens), float(next(tokens)), float(next(tokens))
            wide_tier, found = kind == '"IntervalTier', []
            for _ in range(_count(next(tokens))):
                start_s = float(next(tokens))
                end_s = float(next(tokens)) if wide_tier else start_s
                found.append(Interval(start_s, end_s, next(tokens)[1:]))
            if wide_tier and any(one.text.strip() for one in found):
                return found
    except StopIteration:
        raise ValueError("it ends too early") from None
    return []


def _values(text: str) -> Iterator[str]:
    """Yield numbers as they are, texts with one quote in front, and flags."""
    for token in re.findall(r'"(?:[^"]|"")*"|[^\s"]+', text):
        if token.startswith('"'):
            yield '"' + token[1:-1].replace('""', '"')
        elif re.fullmatch(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?|<\w+>", token):
            yield token


def _count(token: str) -> int:
    return int(float(token))


def _eaf(content: bytes) -> list[Interval]:
    """Return the intervals of all tiers that are aligned with time themselves."""
    document = ElementTree.fromstring(content)
    if document.tag != "ANNOTATION_DOCUMENT":
        raise ValueError(f"it is a document {document.tag!r:.40}")
    slots = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", "-1")) / 1000
        for slot in document.iter("TIME_SLOT")
    }
    found = []
    for tier in document.iter("TIER"):
        for one in tier.iter("ALIGNABLE_ANNOTATION") if tier.get("PARENT_REF") is None else ():
            start_s, end_s = (slots[one.get(f"TIME_SLOT_REF{side}")] for side in (1, 2))
            # ELAN's annotations may be empty and still be segments.
            if 0 <= start_s < end_s:
                found.append(Interval(start_s, end_s, one.findtext("ANNOTATION_VALUE") or "-"))
    return found


def is_annotation(path: str | Path) -> bool:
    """Tell whether a path is one that :func:`write_predictions` takes, by its ending.

    Example:
        >>> is_annotation("talk.TextGrid"), is_annotation("talk.csv")
        (True, False)
    """
    return Path(path).suffix.lower() in ENDINGS


def write_predictions(predictions: pd.DataFrame, path: str | Path) -> list[Path]:
    """Write predictions of segments as annotations or subtitles.

    Subtitles show the fused answer, or the only one; the other formats have a tier for each
    modality, and each face where there are several. Segments that overlap end where the next
    begins, for these formats know none.

    Args:
        predictions: what ``inference.predict`` gives with ``segments``.
        path: its ending chooses the format. Of several recordings each gets a file of its
            own, whose name ends in the clip's id.

    Returns:
        The files.

    Raises:
        SerError: the ending is none of :data:`ENDINGS`, or there are no segments.
        OSError: a file cannot be written.

    Example:
        >>> write_predictions(predictions, "talk.srt")  # doctest: +SKIP
    """
    path = Path(path)
    ending = tableio.check_ending(path, ENDINGS)
    if len(predictions) and "end_s" not in predictions:
        raise SerError(f"{path}: there are no segments to write; predict with --segments speech")
    clips, written = list(dict.fromkeys(predictions["clip"])), []
    for clip in clips:
        rows = predictions[(predictions["clip"] == clip) & predictions["end_s"].notna()]
        slug = "-" + re.sub(r"[^\w.-]+", "_", str(clip)) if len(clips) > 1 else ""
        target = path.with_name(f"{path.stem}{slug}{path.suffix}")
        content = _WRITERS[ending](_tiers(rows), str(rows["path"].iloc[0]), rows["end_s"].max())
        write_atomically(target, partial(_put, content.encode()))
        written.append(target)
    return written


def _put(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _tiers(rows: pd.DataFrame) -> dict[str, list[Interval]]:
    """Return intervals that do not overlap, by modality, and of faces by person."""
    if rows["segment"].notna().any():
        rows = rows[rows["segment"].notna()]
    tiers, source = {}, sources(rows)
    for name in source_order(source):
        some = rows[source == name].sort_values("start_s", kind="stable")
        starts, ends = some["start_s"].to_numpy(float), some["end_s"].to_numpy(float)
        ends = np.minimum(ends, np.append(starts[1:], np.inf))
        speakers = some["person"] if name == "fused" and "person" in some else [pd.NA] * len(some)
        texts = [
            f"{'' if pd.isna(who) else f'person {who}: '}{emotion} {confidence:.0%}"
            for who, emotion, confidence in zip(
                speakers, some["emotion"], some["confidence"], strict=True
            )
        ]
        every = map(Interval, starts.tolist(), ends.tolist(), texts)
        # To the millisecond, which is all that subtitles and ELAN know.
        found = [one for one in every if round(1000 * one.end_s) > round(1000 * one.start_s)]
        if found:
            tiers[name] = found
    return tiers


def _shown(tiers: dict[str, list[Interval]]) -> list[Interval]:
    shown = next((name for name in reversed(MODALITIES) if name in tiers), None)
    return tiers[shown] if shown else next(iter(tiers.values()), [])


def _clock(seconds: float, point: str) -> str:
    rest, ms = divmod(round(1000 * seconds), 1000)
    return f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}{point}{ms:03}"


def _cues(tiers: dict[str, list[Interval]], point: str) -> Iterator[str]:
    for number, one in enumerate(_shown(tiers), start=1):
        times = f"{_clock(one.start_s, point)} --> {_clock(one.end_s, point)}"
        yield f"{number}\n{times}\n{html.escape(one.text, quote=False)}\n"


def _srt(tiers: dict[str, list[Interval]], path: str, end_s: float) -> str:
    return "\n".join(_cues(tiers, ","))


def _vtt(tiers: dict[str, list[Interval]], path: str, end_s: float) -> str:
    return "\n".join(["WEBVTT\n", *_cues(tiers, ".")])


def _filled(intervals: Iterable[Interval], end_s: float) -> Iterator[Interval]:
    """Yield intervals with empty ones between: Praat's tiers have no gaps."""
    reached = 0.0
    for one in intervals:
        if one.start_s > reached:
            yield Interval(reached, one.start_s, "")
        yield one
        reached = one.end_s
    if end_s > reached:
        yield Interval(reached, end_s, "")


def _written_textgrid(tiers: dict[str, list[Interval]], path: str, end_s: float) -> str:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += ["xmin = 0", f"xmax = {end_s}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        every = list(_filled(intervals, end_s))
        lines += [f"    item [{number}]:", '        class = "IntervalTier"']
        lines += [f'        name = "{name}"', "        xmin = 0", f"        xmax = {end_s}"]
        lines += [f"        intervals: size = {len(every)}"]
        for place, one in enumerate(every, start=1):
            text = one.text.replace('"', '""')
            lines += [f"        intervals [{place}]:", f"            xmin = {one.start_s}"]
            lines += [f"            xmax = {one.end_s}", f'            text = "{text}"']
    return "\n".join([*lines, ""])


def _written_eaf(tiers: dict[str, list[Interval]], path: str, end_s: float) -> str:
    media = Path(path)
    # ELAN wants a date; that of the recording keeps the file the same when written again.
    changed = media.stat().st_mtime if media.exists() else 0
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
            "AUTHOR": "multimodal_ser",
            "DATE": datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
        },
    )
    header = {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    described = {"MEDIA_URL": media.absolute().as_uri(), "MIME_TYPE": _mime_type(media)}
    ElementTree.SubElement(
        ElementTree.SubElement(root, "HEADER", header), "MEDIA_DESCRIPTOR", described
    )
    order, number = ElementTree.SubElement(root, "TIME_ORDER"), 0
    for name, intervals in tiers.items():
        attributes = {"LINGUISTIC_TYPE_REF": "emotion", "TIER_ID": name}
        tier = ElementTree.SubElement(root, "TIER", attributes)
        for one in intervals:
            number += 1
            slots = {f"TIME_SLOT_REF{side}": f"ts{2 * number - 2 + side}" for side in (1, 2)}
            for slot, seconds in zip(slots.values(), one[:2], strict=True):
                at = {"TIME_SLOT_ID": slot, "TIME_VALUE": str(round(1000 * seconds))}
                ElementTree.SubElement(order, "TIME_SLOT", at)
            inside = ElementTree.SubElement(tier, "ANNOTATION")
            inside = ElementTree.SubElement(
                inside, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{number}", **slots}
            )
            ElementTree.SubElement(inside, "ANNOTATION_VALUE").text = one.text
    kind = {"LINGUISTIC_TYPE_ID": "emotion", "TIME_ALIGNABLE": "true"}
    kind["GRAPHIC_REFERENCES"] = "false"
    ElementTree.SubElement(root, "LINGUISTIC_TYPE", kind)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _mime_type(media: Path) -> str:
    ending = media.suffix.lower()
    return {".wav": "audio/x-wav", ".mp4": "video/mp4"}.get(ending, "unknown")


_WRITERS = {".srt": _srt, ".vtt": _vtt, ".textgrid": _written_textgrid, ".eaf": _written_eaf}
