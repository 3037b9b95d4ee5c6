"""Results to take along: each format as bytes, under a name that says whose they are."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd

from multimodal_ser.app.sessions import Clip
from multimodal_ser.errors import UnknownName
from multimodal_ser.tables import annotations as annotation_files
from multimodal_ser.tables import io as tableio

#: What is offered, by the ending of the file.
ANNOTATIONS = ("srt", "vtt", "TextGrid", "eaf")
FORMATS = ("csv", *ANNOTATIONS, "html")
#: Of several recordings together: the others hold one each.
OF_SEVERAL = ("csv", "html")

Page = Callable[[Sequence[Clip], Path], object]


def headers(name: str) -> dict[str, str]:
    """Return what makes a browser keep a file under a name (RFC 6266).

    Example:
        >>> headers("é.csv")["Content-Disposition"]
        "attachment; filename*=UTF-8''%C3%A9.csv"
    """
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


def file_name(clips: Sequence[Clip], ending: str) -> str:
    """Return what a browser calls the file.

    Example:
        >>> from multimodal_ser.app.work import Medium
        >>> file_name([Clip(0, Medium("/tmp/0.mp4", "a talk.mp4"))], "srt")
        'a talk.srt'
    """
    stem = Path(clips[0].medium.name).stem if len(clips) == 1 else "predictions"
    stem = re.sub(r"[^\w .()+-]+", "_", stem).strip(" .")
    return f"{stem or 'predictions'}.{ending}"


def content(clips: Sequence[Clip], ending: str, page: Page) -> bytes:
    """Return predicted recordings in a format.

    Args:
        clips: that have a reading without an error; one, but for :data:`OF_SEVERAL`.
        ending: one of :data:`FORMATS`.
        page: writes the self-contained report of clips to a path.

    Raises:
        UnknownName: there is no such format, or not of so many recordings.

    Example:
        >>> content([clip], "srt", page)  # doctest: +SKIP
    """
    known = FORMATS if len(clips) == 1 else OF_SEVERAL
    if ending not in known:
        raise UnknownName("format", ending, known)
    with tempfile.TemporaryDirectory(prefix="multimodal_ser-app-") as folder:
        target = Path(folder) / f"predictions.{ending}"
        if ending == "html":
            page(clips, target)
        else:
            rows = table(clips)  # whose paths are ours, and of no use elsewhere
            rows["path"] = [Path(name).name for name in rows["clip"]]
            write = tableio.write if ending == "csv" else annotation_files.write_predictions
            write(rows, target)
        return target.read_bytes()


def table(clips: Sequence[Clip]) -> pd.DataFrame:
    """Return the predictions of recordings as one table, without rows of single frames.

    A recording that is not in segments gets the time it lasts, so that it can be a subtitle.
    """
    parts = []
    for clip in clips:
        assert clip.reading is not None
        rows = clip.reading.predictions
        rows = rows[rows["frame"].isna()].drop(columns=["frame", "time_s"])
        if "end_s" not in rows:
            end_s = clip.reading.duration_s
            rows = rows.assign(segment=pd.array([pd.NA] * len(rows), "Int64"))
            rows = rows.assign(start_s=0.0, end_s=np.nan_to_num(end_s, nan=1.0))
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)
