"""Tables to and from files: CSV, JSON, Parquet or Excel, by the file's ending."""

from __future__ import annotations

import csv
import io
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from multimodal_ser.compute.files import open_regular, write_atomically
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.plugins import require
from multimodal_ser.tables import CLIP_COLUMNS, SPAN_COLUMNS, Features, failure_table, make_clips
from multimodal_ser.tables.limits import (
    LARGEST_BYTES,
    check_cells,
    check_parquet,
    check_workbook,
    to_numbers,
)

ENDINGS = (".csv", ".json", ".parquet")
EXCEL = ".xlsx"
#: A path that was made of an address has one slash left.
_URL = re.compile(
    r"(\w+::)*(https?|s?ftps?|s3|gs|gcs|az|abfss?|hf|hdfs|rtmps?|rtsp|file):/", re.IGNORECASE
)
#: Endings of tables that can be read; :data:`ENDINGS` can be written too.
READABLE = (*ENDINGS, EXCEL, ".jsonl")
#: Between the values of a CSV file; the one that its first line holds most of.
SEPARATORS = (",", ";", "\t")
#: What is written beside them: a JSON object a line, and a workbook.
WRITTEN = (*ENDINGS, ".jsonl", ".xlsx")
#: What no cell of a workbook may hold.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
#: What holds features of any shape.
ARRAYS = ".npz"


def is_url(path: str | Path) -> bool:
    """Tell whether a text is the address of something on a network.

    Example:
        >>> is_url("https://example.org/a.mp4"), is_url("C:/a.mp4"), is_url("s3/a.mp4")
        (True, False, False)
    """
    return _URL.match(str(path)) is not None


def is_table(path: str | Path) -> bool:
    """Tell whether a path is a table by its ending.

    Example:
        >>> is_table("clips.csv"), is_table("clips.mp4")
        (True, False)
    """
    return Path(path).suffix.lower() in READABLE


def check_ending(path: str | Path, endings: Sequence[str] = ENDINGS) -> str:
    """Return the path's ending in small letters, or say which ones there are.

    Args:
        path: of a table.
        endings: those that are possible.

    Raises:
        SerError: the ending is not one of them.
        MissingLibrary: Parquet is not installed.
    """
    ending = Path(path).suffix.lower()
    if ending not in endings:
        raise SerError(
            f"{path}: cannot tell the format from the ending {ending or '(none)'!r}; "
            f"use one of {', '.join(endings)}"
        )
    if ending == ".parquet":
        require("pyarrow")
    return ending


def write(table: pd.DataFrame, path: str | Path, *, excel: bool = False) -> None:
    """Write a table, its named index as the first columns.

    JSON is a list of one object a row, in ``.jsonl`` one on each line; a missing value is
    null. In CSV and workbooks, a text that a spreadsheet would take for a formula gets an
    apostrophe in front, which :func:`read` takes away again: a recording may have any name.

    Args:
        table: to write.
        path: its ending chooses the format.
        excel: whether CSV has semicolons, decimal commas and a byte order mark, as Excel
            writes and opens it in most of Europe; :func:`read` takes it for the same table.

    Raises:
        SerError: the ending is unknown.
        OSError: the file cannot be written.
    """
    content = encoded(table, check_ending(path, WRITTEN), excel=excel)
    write_atomically(path, lambda file: file.write(content))


def encoded(table: pd.DataFrame, ending: str, *, excel: bool = False) -> bytes:
    r"""Return the content of the file that :func:`write` writes.

    Args:
        table: as for :func:`write`.
        ending: one of :data:`WRITTEN`.
        excel: as for :func:`write`.

    Example:
        >>> encoded(pd.DataFrame({"clip": ["=a"]}), ".csv")
        b"clip\n'=a\n"
    """
    if any(table.index.names):
        table = table.reset_index()
    buffer = io.BytesIO()
    if ending in (".csv", ".xlsx"):
        table = _texts_changed(table, _FORMULA, "'")
    if ending == ".csv":
        way: dict[str, Any] = {"sep": ";", "decimal": ",", "encoding": "utf-8-sig"} if excel else {}
        table = table.convert_dtypes() if excel else table
        # Python quotes a carriage return from 3.13 on only.
        if any("\r" in str(value) for name in _texts(table) for value in (name, *table[name])):
            way["quoting"] = csv.QUOTE_NONNUMERIC
        table.to_csv(buffer, index=False, lineterminator="\n", **way)
    elif ending == ".xlsx":
        texts = table.select_dtypes(exclude="number").columns
        table = table.assign(**{name: table[name].map(_printable) for name in texts})
        table.to_excel(buffer, index=False, sheet_name="table")
    elif ending in (".json", ".jsonl"):
        how: dict[str, Any] = {"lines": True} if ending == ".jsonl" else {"indent": 1}
        table.to_json(buffer, orient="records", force_ascii=False, double_precision=10, **how)
    else:
        table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _printable(value: Any) -> Any:
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value


def check_features_ending(path: str | Path, shape: tuple[int, ...]) -> None:
    """Say which endings a file of features may have, if the path has none of them.

    Args:
        path: of the file.
        shape: of one clip's features.

    Raises:
        SerError: the ending is neither :data:`ARRAYS` nor, for features of one
            axis, one of :data:`ENDINGS`.

    Example:
        >>> check_features_ending("f.csv", (300, 64))
        Traceback (most recent call last):
        multimodal_ser.errors.SerError: f.csv: features of the shape (300, 64) are no table; \
give a name that ends in .npz
    """
    ending = Path(path).suffix.lower()
    if ending == ARRAYS:
        return
    if len(shape) > 1:
        raise SerError(
            f"{path}: features of the shape {shape} are no table; give a name that ends in {ARRAYS}"
        )
    if ending not in ENDINGS:
        raise SerError(
            f"{path}: cannot tell the format from the ending {ending or '(none)'!r}; "
            f"use one of {', '.join((*ENDINGS, ARRAYS))}"
        )


def write_features(features: Features, path: str | Path) -> None:
    """Write features, as arrays or, where a clip has one vector, as a table.

    ``.npz`` holds the arrays ``clips`` (ids), ``values`` (one row per clip) and
    ``names`` (of the values with their units, or of the axes after the first);
    ``numpy.load`` reads them, without pickle. A table has a column a value.

    Args:
        features: of any shape.
        path: its ending chooses the format.

    Raises:
        SerError: the ending is unknown, or is a table's and the features are none.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> path = Path(tempfile.mkdtemp()) / "f.npz"
        >>> write_features(Features(pd.Index(["a"]), np.ones((1, 2, 3)), ("row", "column")), path)
        >>> np.load(path)["values"].shape
        (1, 2, 3)
    """
    check_features_ending(path, features.values.shape[1:])
    if Path(path).suffix.lower() == ARRAYS:
        texts = {"clips": np.array(features.clips, str), "names": np.array(features.names, str)}
        # NumPy's stub takes an array for allow_pickle.
        write_atomically(path, lambda file: np.savez(file, values=features.values, **texts))  # type: ignore[arg-type]
        return
    table = pd.DataFrame(features.values, index=features.clips, columns=list(features.names))
    write(table.rename_axis("clip"), path)


def read(path: str | Path) -> pd.DataFrame:
    """Read a table that :func:`write` wrote, or one that a spreadsheet did.

    CSV may be separated by commas, semicolons (then with decimal commas) or tabs, and begin with a
    byte order mark. Of an Excel file the first sheet is read. A clip or a file may be called
    ``NA``, ``null``, ``None`` or ``nan``; elsewhere these words are missing values.

    Args:
        path: its ending chooses the format: one of :data:`READABLE`.

    Raises:
        TableError: there is no such file, or it is not such a table.
        SerError: the ending is unknown.
    """
    ending = check_ending(path, READABLE)
    if is_url(path):
        raise TableError(f"{path}: it is a URL, and nothing is fetched; download it, give the file")
    try:
        with open_regular(path, LARGEST_BYTES) as file:
            return check_cells(_READERS[ending](file))
    except FileNotFoundError as error:
        raise TableError(f"{path}: there is no such file; check the path") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: it is not UTF-8; save it as 'CSV UTF-8'") from error
    # Whatever a damaged file makes five libraries raise: of lookups, syntax, memory, ...
    except Exception as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        reason = " ".join(str(said).split())[:200] or type(error).__name__
        raise TableError(f"{path}: not a readable {ending[1:]} table ({reason})") from error


def _read_parquet(file: IO[bytes]) -> pd.DataFrame:
    check_parquet(file)
    table = pd.read_parquet(file)  # type: ignore[call-overload]
    return table.reset_index(drop=not any(table.index.names))


def _read_json(file: IO[bytes], lines: bool = False) -> pd.DataFrame:
    # As objects first: as a string, a list would be the text of one.
    objects = dict.fromkeys(_CANONICAL, object)
    table = check_cells(pd.read_json(file, orient="records", lines=lines, dtype=objects))
    return table.astype({name: "string" for name in _CANONICAL if name in table})


def _read_csv(file: IO[bytes]) -> pd.DataFrame:
    return _texts_changed(_read_separated(file), _QUOTED_FORMULA, "")


def _read_separated(file: IO[bytes]) -> pd.DataFrame:
    # With or without a byte order mark; a carriage return within a text stays one.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    head = text.readline()
    text.seek(0)
    separator = max(SEPARATORS, key=head.count)
    names = next(csv.reader([head], delimiter=separator), [])
    table = pd.read_csv(text, sep=separator, **_as_text(names))
    if separator != ";":
        return table
    # A spreadsheet that separates by semicolons writes 0,5 for a half.
    for name in table.columns:
        if not (pd.api.types.is_numeric_dtype(table[name]) or table[name].isna().all()):
            dots = table[name].astype("string").str.replace(",", ".", regex=False)
            numbers = to_numbers(dots)
            is_text = _CANONICAL.get(_plain(name)) in _TEXT
            table[name] = (
                numbers if numbers.count() == dots.count() and not is_text else table[name]
            )
    return table


def _read_excel(file: IO[bytes]) -> pd.DataFrame:
    check_workbook(file)
    names = [str(name) for name in pd.read_excel(file, nrows=0, engine="openpyxl").columns]
    file.seek(0)
    table = pd.read_excel(file, engine="openpyxl", **_as_text(names)).rename(columns=str)
    return _texts_changed(table, _QUOTED_FORMULA, "")


_READERS: dict[str, Callable[[IO[bytes]], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".jsonl": partial(_read_json, lines=True),
    ".parquet": _read_parquet,
    EXCEL: _read_excel,
}


def _as_text(names: Sequence[str]) -> dict[str, Any]:
    """Return how pandas reads these columns: codes such as actor 05 do not become the number 5."""
    texts = [name for name in names if _CANONICAL.get(_plain(name)) in _TEXT]
    ids = [name for name in names if _CANONICAL.get(_plain(name)) in _IDS]
    missing = {name: [""] if name in ids else list(_MISSING) for name in names}
    return {
        "dtype": {name: "string" for name in texts},
        "keep_default_na": False,
        "na_values": missing,
    }


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def read_as(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table about recordings, whatever its columns are called.

    Args:
        path: as for :func:`read`.
        columns: of :data:`OTHER_NAMES`, those that are wanted by this name.

    Returns:
        The table. A column is renamed where it has one of the other names of a wanted one that
        is not there; upper case and spaces do not matter. ``sex`` is ``female`` or ``male`` where
        it says ``f``, ``M`` and the like.

    Warns:
        UserWarning: a column is renamed; the text says which.

    Raises:
        TableError: as for :func:`read`.
    """
    table, found = renamed(read(path), columns)
    if found:
        said = ", ".join(f"{name!r} is the {wanted}" for name, wanted in found.items())
        warnings.warn(f"{path}: read so: {said}", stacklevel=2)
    return table


def renamed(table: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return a table about recordings with wanted columns by their names, and what was renamed.

    Args:
        table: as it was read.
        columns: those that are wanted, see :func:`read_as`.
    """
    plain = {_plain(str(name)): name for name in reversed(table.columns)}
    found: dict[str, str] = {}
    for wanted in columns:
        if wanted not in table.columns:
            names = (wanted, *OTHER_NAMES.get(wanted, ()))
            name = next((plain[name] for name in names if name in plain), None)
            if name is not None and name not in found:
                found[name] = wanted
    table = table.rename(columns=found)
    if "sex" in table:
        known = table["sex"].astype("string").str.strip().str.lower()
        table["sex"] = known.replace(SEX_WORDS)
    return table, found


#: Where a spreadsheet may find a formula, at the beginning of a text and behind what separates
#: cells under other settings than those of the file (https://owasp.org/www-community/attacks/
#: CSV_Injection, with the wide forms of the signs); and where one was kept from it. Apostrophes
#: count along, so that reading undoes writing exactly.
_SIGN = r"""(?=["']*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])"""
_FORMULA = re.compile(rf"(?:\A|(?<=[,;|\t\r\n])){_SIGN}")
_QUOTED_FORMULA = re.compile(rf"(?:\A|(?<=[,;|\t\r\n]))'{_SIGN}")


def _texts(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]


def _texts_changed(table: pd.DataFrame, places: re.Pattern, instead: str) -> pd.DataFrame:
    """Return the table with something else at those places of every text."""

    def changed(value):
        return places.sub(instead, value) if isinstance(value, str) else value

    changes = {
        name: table[name].astype(object).map(changed, na_action="ignore")
        for name in _texts(table)
        if any(isinstance(value, str) and places.search(value) for value in table[name])
    }
    return table.assign(**changes).rename(columns=changed)


_TEXT = ("clip", "path", "label", *(name for name in CLIP_COLUMNS if name != "duration"))
#: Columns in which ``NA`` is a name.
_IDS = ("clip", "path", "audio", "video")
#: What people call the columns of their tables.
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "path": ("file", "filename", "file_name", "filepath", "file_path"),
    "label": ("emotion",),
    "emotion": ("label",),
    "actor": ("speaker", "speaker_id", "actor_id"),
    "sex": ("gender",),
}
_CANONICAL = {name: name for name in _TEXT} | {
    other: name for name, others in OTHER_NAMES.items() for other in others if other not in _TEXT
}
#: Texts of a missing value in other columns.
_MISSING = ("", "NA", "N/A", "n/a", "#N/A", "nan", "NaN", "-nan", "null", "NULL", "None", "<NA>")
SEX_WORDS = {"f": "female", "woman": "female", "w": "female", "m": "male", "man": "male"}


def located(recording: str, table: str | Path) -> str:
    """Return the path of a recording that a table names, relative ones from the table's folder.

    Example:
        >>> located("may/a.wav", "data/clips.csv") == str(Path("data", "may", "a.wav"))
        True
    """
    return str(Path(table).parent / os.path.expanduser(recording))


def write_clips(clips: pd.DataFrame, path: str | Path) -> None:
    """Write a clips table so that :func:`read_clips` finds its recordings from any folder.

    Args:
        clips: a clips table; relative paths count from the current folder.
        path: as for :func:`write`; paths are written as relative to its folder, absolute ones as
            they are.

    Raises:
        SerError: the ending is unknown.
        OSError: the file cannot be written.
    """
    folder = os.path.abspath(Path(path).parent)

    def moved(value: str) -> str:
        if os.path.isabs(value):
            return value
        try:
            return Path(os.path.relpath(value, folder)).as_posix()
        except ValueError:  # on another drive
            return os.path.abspath(value)

    places = {c: clips[c].map(moved, na_action="ignore") for c in ("audio", "video")}
    write(clips.assign(**places), path)


def read_clips(path: str | Path, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """Read a clips table.

    A column that is missing is taken as unknown, so a table of ``clip`` and
    ``audio`` alone is enough to predict from. Relative paths count from the table's folder.

    Args:
        path: as for :func:`read`.
        numbers: further columns to keep, as they are.

    Raises:
        TableError: it has no clip ids or no paths, or is malformed.
    """
    rows = _clip_rows(path, numbers)
    return with_numbers(make_clips(rows, labels=None), rows, numbers)


def with_numbers(
    clips: pd.DataFrame, rows: Iterable[Mapping], numbers: Sequence[str]
) -> pd.DataFrame:
    """Return clips with those further columns of the rows they were made of that are there.

    Args:
        clips: a clips table.
        rows: what it was made of, each with its ``clip``.
        numbers: names of the columns.
    """
    rows = list(rows)
    for name in numbers:
        if any(name in row for row in rows):
            found = {row["clip"]: row.get(name) for row in rows}
            clips[name] = pd.Series(found, dtype=object).reindex(clips.index)
    return clips


def read_usable_clips(path: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a clips table for prediction, leaving out rows that cannot be used.

    A row is left out when it has no clip id, no path, or the id of a row above.

    Args:
        path: CSV, JSON or Parquet.

    Returns:
        The clips table, and the failures (stage ``index``) of what is left out.

    Raises:
        TableError: it has not the columns of a clips table, or is malformed.

    Example:
        >>> clips, left_out = read_usable_clips("clips.csv")  # doctest: +SKIP
    """
    kept: dict[str, dict] = {}
    failures = []
    for number, row in enumerate(_clip_rows(path), start=1):
        files = [str(row[column]) for column in ("audio", "video") if row.get(column)]
        problem = _row_problem(row["clip"], files, kept)
        if problem is None:
            kept[row["clip"]] = row
            continue
        name = str(row["clip"] or "")
        error = f"{path}: row {number} ({name or 'nameless'}): {problem}"
        failures.append((name, files[0] if files else "", "index", error))
    return make_clips(kept.values(), labels=None), failure_table(failures)


def _row_problem(clip: str | None, files: list[str], kept: dict) -> str | None:
    if not clip:
        return "it has no clip id; give it one"
    if not files:
        return "it names neither sound nor image; name a file"
    return "a row above has the same clip id; keep one" if clip in kept else None


def _clip_rows(path: str | Path, numbers: Sequence[str] = ()) -> list[dict]:
    table = read_as(path, ("emotion", "actor", "sex"))
    if "clip" not in table.columns or not {"audio", "video"} & set(table.columns):
        raise TableError(
            f"{path}: a clips table needs the column clip and one of audio and video; "
            "make one with 'multimodal-ser index DATA --output clips.csv'"
        )
    wanted = dict.fromkeys(("clip", *CLIP_COLUMNS, *SPAN_COLUMNS, *numbers))
    known = table[[name for name in wanted if name in table.columns]].copy()
    for column in {"audio", "video"} & set(known):
        known[column] = known[column].map(lambda value: located(value, path), na_action="ignore")
    return known.astype(object).where(known.notna(), None).to_dict("records")
