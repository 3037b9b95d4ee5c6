"""Tables to and from files: CSV, JSON or Parquet, by the file's ending."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from multimodal_ser.cache import write_atomically
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables import CLIP_COLUMNS, make_clips

ENDINGS = (".csv", ".json", ".parquet")


def is_table(path: str | Path) -> bool:
    """Tell whether a path is a table by its ending.

    Example:
        >>> is_table("clips.csv"), is_table("clips.mp4")
        (True, False)
    """
    return Path(path).suffix.lower() in ENDINGS


def check_ending(path: str | Path) -> str:
    """Return the path's ending, or say which ones there are.

    Raises:
        SerError: the ending is not one of :data:`ENDINGS`.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise SerError(
            f"{path}: cannot tell the format from the ending {ending or '(none)'!r}; "
            f"use one of {', '.join(ENDINGS)}"
        )
    return ending


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table, its named index as the first columns.

    JSON is a list of one object a row; a missing value is null.

    Args:
        table: to write.
        path: its ending chooses the format.

    Raises:
        SerError: the ending is unknown.
        OSError: the file cannot be written.
    """
    ending = check_ending(path)
    if any(table.index.names):
        table = table.reset_index()
    buffer = io.BytesIO()
    if ending == ".csv":
        table.to_csv(buffer, index=False, lineterminator="\n")
    elif ending == ".json":
        table.to_json(buffer, orient="records", indent=1, force_ascii=False, double_precision=10)
    else:
        table.to_parquet(buffer, index=False)
    write_atomically(path, lambda file: file.write(buffer.getbuffer()))


def read(path: str | Path) -> pd.DataFrame:
    """Read a table that :func:`write` wrote, or one of the same format.

    Args:
        path: its ending chooses the format.

    Raises:
        TableError: there is no such file, or it is not such a table.
        SerError: the ending is unknown.
    """
    ending = check_ending(path)
    try:
        if ending == ".csv":
            # Codes such as actor 05 must not become the number 5.
            return pd.read_csv(path, dtype={name: "string" for name in _TEXT})
        if ending == ".json":
            return pd.read_json(path, orient="records", dtype={name: "string" for name in _TEXT})
        return pd.read_parquet(path)
    except FileNotFoundError as error:
        raise TableError(f"{path}: there is no such file; check the path") from error
    except (ValueError, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TableError(f"{path}: not a readable {ending[1:]} table ({reason})") from error


_TEXT = ("clip", "path", *(name for name in CLIP_COLUMNS if name != "duration"))


def read_clips(path: str | Path) -> pd.DataFrame:
    """Read a clips table.

    A column that is missing is taken as unknown, so a table of ``clip`` and
    ``audio`` alone is enough to predict from.

    Args:
        path: CSV, JSON or Parquet.

    Raises:
        TableError: it has no clip ids or no paths, or is malformed.
    """
    table = read(path)
    if "clip" not in table.columns or not {"audio", "video"} & set(table.columns):
        raise TableError(
            f"{path}: a clips table needs the column clip and one of audio and video; "
            "make one with 'multimodal-ser index DATA --output clips.csv'"
        )
    known = table[[name for name in ("clip", *CLIP_COLUMNS) if name in table.columns]]
    return make_clips(known.astype(object).where(known.notna(), None).to_dict("records"))
