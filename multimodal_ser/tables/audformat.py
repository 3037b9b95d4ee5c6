"""Databases in audformat: a folder with the header ``db.yaml`` and a file per table.

The format of audEERING's data (https://audeering.github.io/audformat/), which nkululeko reads too.
Here are the few lines of it that clips and predictions need: filewise and segmented tables as CSV
or Parquet, schemes and what their labels say of a speaker. The package ``audformat`` is the
reference of the tests and is not used, for it builds any Python object that a header names
(PyYAML's full loader) and unpickles the copies kept next to tables, and a database may come
from anywhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
from msgspec import Struct

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.errors import TableError
from multimodal_ser.tables import CLIP_COLUMNS, MODALITIES, SPAN_COLUMNS
from multimodal_ser.tables import io as tableio

#: The file that makes a folder a database.
HEADER = "db.yaml"
#: Of a folder that is to be written as a database.
ENDING = ".audformat"
#: Columns of an index, in audformat's order.
INDEX = ("file", "start", "end")
_LARGEST_BYTES = 2**24
_TABLE_ID = re.compile(r"[\w.-]+")


class _Column(Struct):
    scheme_id: str | None = None


class _Table(Struct):
    columns: dict[str, _Column] | None = None


class _Scheme(Struct):
    labels: Any = None


class _Header(Struct):
    """What of a header is looked at; the rest may be anything."""

    tables: dict[str, _Table]
    schemes: dict[str, _Scheme] | None = None


def is_database(path: str | Path) -> bool:
    """Tell whether a path is a folder with a header.

    Example:
        >>> is_database("no-such-folder")
        False
    """
    return (Path(path) / HEADER).is_file()


def is_named_so(path: str | Path) -> bool:
    """Tell whether a path is to become a database, by its ending.

    Example:
        >>> is_named_so("clips.audformat"), is_named_so("clips.csv")
        (True, False)
    """
    return Path(path).suffix.lower() == ENDING


def read_header(root: str | Path) -> dict[str, Any]:
    """Return the header, of plain values alone.

    Raises:
        TableError: there is none, or it is damaged or larger than any.
    """
    import yaml

    path = Path(root) / HEADER
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise TableError(f"{path}: it is larger than any header; check the path")
        header = yaml.safe_load(path.read_text(encoding="utf-8"))
        msgspec.convert(header, _Header)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TableError(f"{path}: not a readable header of audformat ({reason})") from None
    return header


def read_table(root: str | Path, name: str) -> pd.DataFrame:
    """Return a table of a database, its index as columns.

    Args:
        root: the database's folder.
        name: the table's, as the header has it.

    Raises:
        TableError: the name is no file's, there is no such file, or it is damaged.
    """
    if not _TABLE_ID.fullmatch(name):
        raise TableError(f"{root}: {name!r} is no name of a table; give letters, digits, '_-.'")
    paths = [Path(root) / f"db.{name}{ending}" for ending in (".parquet", ".csv")]
    path = next((one for one in paths if one.is_file()), None)
    if path is None:
        # A pickle would run whatever code is in it.
        raise TableError(f"{paths[1]}: there is no such file, nor one of Parquet; save it so")
    return tableio.read(path)


def read(root: str | Path, wanted: Sequence[str]) -> pd.DataFrame:
    """Return what a database says of its files, or of their segments, as one table.

    Args:
        root: the database's folder.
        wanted: columns, ``label``, ``actor`` and ``sex`` by any of their names
            (``tables.io.OTHER_NAMES``), others as they are called.

    Returns:
        The columns ``path`` (as the database has it, relative to its folder) and, where a
        segmented table has a label or another wanted column that is none of a speaker,
        ``start`` and ``end``; then those wanted that are there. A speaker's sex may be said by the
        scheme of the speakers.

    Raises:
        TableError: the header or a table is damaged, or two tables differ in what they say.
    """
    header = read_header(root)
    files, segments, scheme = pd.DataFrame(), pd.DataFrame(), None
    for name, about in header["tables"].items():
        raw = read_table(root, str(name))
        table = tableio.renamed(raw, wanted)[0]
        table = table[[c for c in (*INDEX, *wanted) if c in table]]
        kind = [c for c in INDEX if c in table]
        if kind not in (["file"], list(INDEX)):
            need = "file, or file, start and end"
            raise TableError(f"{root}: the table {name} has not the columns {need}; mend it")
        if (speaker := _scheme_of(raw, table, "actor", about)) is not None:
            scheme = scheme or speaker
        table = table.set_index(kind)
        if len(kind) == len(INDEX):
            segments = _merged(segments, table, f"{root}: {name}")
        else:
            files = _merged(files, table, f"{root}: {name}")
    found = files.reset_index()
    if set(segments.columns) - {"actor", "sex"}:
        found = segments.reset_index()
        for column in files.columns:
            more = found["file"].map(files[column])
            found[column] = found[column].fillna(more) if column in found else more
    found = found.rename(columns={"file": "path"}) if len(found) else pd.DataFrame({"path": []})
    return _with_sex(found, header, scheme, root)


def read_segments(root: str | Path) -> pd.DataFrame:
    """Return ``file``, ``start`` and ``end`` of all segments of a database, each once.

    Raises:
        TableError: the header or a table is damaged, or none is segmented.
    """
    names = read_header(root)["tables"]
    tables = [read_table(root, str(name)) for name in names]
    found = [table[list(INDEX)] for table in tables if set(INDEX) <= set(table)]
    if not found:
        raise TableError(f"{root}: no table is segmented; give a database with start and end")
    return pd.concat(found, ignore_index=True).drop_duplicates()


def _scheme_of(raw: pd.DataFrame, table: pd.DataFrame, wanted: str, about: Mapping) -> str | None:
    """Return the scheme of the column that became a wanted one."""
    if wanted not in table:
        return None
    name = raw.columns[list(tableio.renamed(raw, (wanted,))[0].columns).index(wanted)]
    return (about.get("columns") or {}).get(name, {}).get("scheme_id")


def _merged(known: pd.DataFrame, table: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return two tables as one, which may not differ where both have a value."""
    if table.index.duplicated().any():
        raise TableError(f"{what}: {table.index[table.index.duplicated()][0]!r} is in it twice")
    table = table.astype(object)
    if known.empty and not len(known.columns):
        return table.reindex(known.index.union(table.index)) if len(known) else table
    for column in known.columns.intersection(table.columns):
        both = known[column].reindex(table.index)
        differ = both.notna() & table[column].notna() & (both != table[column])
        if differ.any():
            raise TableError(
                f"{what} and a table above differ in the {column} of {table.index[differ][0]!r}; "
                f"give the file of the table that counts, such as db.{what.split()[-1]}.csv"
            )
    return known.combine_first(table)


def _with_sex(
    table: pd.DataFrame, header: Mapping, scheme: str | None, root: str | Path
) -> pd.DataFrame:
    """Return the table with the sex that the scheme of the speakers says."""
    labels = (header.get("schemes") or {}).get(scheme, {}).get("labels")
    if isinstance(labels, str):  # the name of a miscellaneous table
        people = read_table(root, labels)
        first = people.columns[0]
        labels = people.drop_duplicates(first).set_index(first).to_dict("index")
    if not isinstance(labels, dict) or "actor" not in table:
        return table
    told = {}
    for who, said in labels.items():
        word = said.get("sex", said.get("gender")) if isinstance(said, dict) else None
        told[str(who)] = tableio.SEX_WORDS.get(str(word), word)
    sex = table["actor"].map(told)
    return table.assign(sex=table["sex"].fillna(sex) if "sex" in table else sex)


def write_clips(clips: pd.DataFrame, folder: str | Path) -> None:
    """Write a clips table as a database of one table ``files``, or ``segments``.

    Args:
        clips: a clips table; relative paths count from the current folder. Of a clip with sound
            and video the file is the sound.
        folder: of the database; a header and tables in it are replaced. Paths are written relative
            to it.

    Raises:
        OSError: it cannot be written.
    """
    table = pd.DataFrame({"file": clips["audio"].fillna(clips["video"])})
    names = {"emotion": "emotion", "actor": "speaker", "sex": "gender"}
    names |= {str(name): str(name) for name in clips if name not in (*CLIP_COLUMNS, *SPAN_COLUMNS)}
    for column, name in names.items():
        if clips[column].notna().any():
            table[name] = clips[column]
    spans = "start_s" in clips and clips["start_s"].notna().any()
    if spans:
        table["start"], table["end"] = clips["start_s"].fillna(0.0), clips["end_s"]
    write(folder, {"segments" if spans else "files": table})


def write_predictions(predictions: pd.DataFrame, folder: str | Path) -> None:
    """Write predictions as a database: a table per modality, and one more of its segments.

    Args:
        predictions: what ``inference.predict`` gives, or a regressor's.
        folder: as for :func:`write_clips`.

    Raises:
        OSError: it cannot be written.
    """
    left = ("clip", "path", "modality", "segment", "start_s", "end_s", "frame", "time_s")
    values = [str(name) for name in predictions if name not in left]
    whole = predictions.get("segment", pd.Series(pd.NA, predictions.index)).isna()
    tables = {}
    for modality in MODALITIES:
        rows = predictions[predictions["modality"] == modality]
        table = rows[values].assign(file=rows["path"])
        tables[modality] = table[whole[rows.index]]
        if (parts := ~whole[rows.index]).any():
            spans = {"start": rows["start_s"], "end": rows["end_s"]}
            tables[f"{modality}.segments"] = table.assign(**spans)[parts]
    write(folder, {name: table for name, table in tables.items() if len(table)})


def write(folder: str | Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write a database.

    Args:
        folder: of the database.
        tables: name -> table with a column ``file`` and, for a segmented one, ``start`` and
            ``end`` in seconds. A column of texts gets a scheme of the words in it.

    Raises:
        OSError: it cannot be written.
    """
    import yaml

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    schemes: dict[str, Any] = {}
    described: dict[str, Any] = {}
    for name, given in tables.items():
        table = given.assign(file=[_relative(path, folder) for path in given["file"]])
        index = [column for column in INDEX if column in table]
        for column in index[1:]:
            table[column] = pd.to_timedelta(table[column].astype(float), unit="s")
        columns = [str(column) for column in table if column not in index]
        schemes |= {column: _scheme(column, tables) for column in columns}
        described[name] = {
            "type": "segmented" if "start" in index else "filewise",
            "columns": {column: {"scheme_id": column} for column in columns},
        }
        tableio.write(table[[*index, *columns]].reset_index(drop=True), folder / f"db.{name}.csv")
    header: dict[str, Any] = {"name": folder.stem, "source": "multimodal_ser", "usage": "other"}
    header |= {"languages": [], "schemes": schemes, "tables": described}
    text = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    write_atomically(folder / HEADER, lambda file: file.write(text.encode()))


def _scheme(column: str, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the scheme of a column: numbers, or the words that occur in any of the tables."""
    parts = [one[column].dropna().infer_objects() for one in tables.values() if column in one]
    if all(pd.api.types.is_numeric_dtype(part) for part in parts):
        return {"dtype": "float"}
    if column in ("note", "set"):
        return {"dtype": "str"}
    return {"dtype": "str", "labels": sorted({str(word) for part in parts for word in part})}


def _relative(path: str, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return Path(os.path.abspath(path)).as_posix()
