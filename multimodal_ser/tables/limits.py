"""What a table from anyone may hold, and how large it may be.

pandas and its readers make what a file asks for: a workbook of 5 kB may ask for 17 billion
cells, a Parquet file for a thousand million rows, and JSON gives lists where a text should be.
None of them has a limit, so these are looked at before and after.
"""

from __future__ import annotations

import zipfile
from typing import IO, Any

import pandas as pd

from multimodal_ser.plugins import require

#: Largest file of a table, and what a compressed one may come to: 7,000 clips of 6,373 features
#: are 0.8 GB of CSV and 0.2 GB of Parquet.
LARGEST_BYTES = 2**31
#: Values of a table, and of a workbook, whose values are Python objects.
LARGEST_CELLS, LARGEST_WORKBOOK_CELLS = 2**28, 2**24
#: A workbook's pages are text; what is read of one is some 50 times as large.
LARGEST_WORKBOOK_BYTES = 2**28


def check_workbook(file: IO[bytes]) -> None:
    """Refuse a workbook whose first sheet is larger than any table of clips.

    Args:
        file: open for reading; left at its beginning.

    Raises:
        ValueError: it is too large; other exceptions, it is no workbook.

    Example:
        >>> import io
        >>> pd.DataFrame({"a": [1]}).to_excel(book := io.BytesIO())
        >>> check_workbook(book)
    """
    import openpyxl

    with zipfile.ZipFile(file) as archive:
        if sum(info.file_size for info in archive.infolist()) > LARGEST_WORKBOOK_BYTES:
            raise ValueError(f"it holds more than {LARGEST_WORKBOOK_BYTES} bytes when unpacked")
    book = openpyxl.load_workbook(file, read_only=True)
    sheet = book.worksheets[0]
    sheet.reset_dimensions()
    width = 0
    # pandas fills all rows to the length of the longest.
    for number, row in enumerate(sheet.iter_rows(), start=1):
        width = max(width, len(row))
        _check_count(number * width, LARGEST_WORKBOOK_CELLS)
    file.seek(0)


def check_parquet(file: IO[bytes]) -> None:
    """Refuse a Parquet file that asks for more than :data:`LARGEST_CELLS`.

    Args:
        file: open for reading; left at its beginning.

    Raises:
        ValueError: it is too large; other exceptions, it is no Parquet file.

    Example:
        >>> import io
        >>> check_parquet(io.BytesIO(pd.DataFrame({"a": [1]}).to_parquet()))
    """
    require("pyarrow")
    from pyarrow import parquet

    about = parquet.ParquetFile(file).metadata
    _check_count(about.num_rows * about.num_columns, LARGEST_CELLS)
    size = sum(about.row_group(place).total_byte_size for place in range(about.num_row_groups))
    if size > LARGEST_BYTES:
        raise ValueError(f"it holds {size} bytes when unpacked, more than {LARGEST_BYTES}")
    file.seek(0)


def _check_count(cells: int, limit: int) -> None:
    if cells > limit:
        raise ValueError(f"it has over {limit} cells; split it")


def check_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that was read, or say why nothing can be done with it.

    Args:
        table: as a reader of pandas returns it.

    Raises:
        ValueError: two columns have one name, a name is no text, a row has more values than
            there are names, or a value is a list, a mapping or bytes.

    Example:
        >>> check_cells(pd.DataFrame({"a": [[1]]}))
        Traceback (most recent call last):
        ValueError: column 'a' holds a list; a value is a text, a number or a time
    """
    names = list(table.columns)
    strange = next((name for name in names if not isinstance(name, str)), None)
    if strange is not None:
        raise ValueError(f"the column name {strange!r:.80} is no text")
    doubled = table.columns[table.columns.duplicated()]
    if len(doubled):
        raise ValueError(f"it has two columns {doubled[0]!r:.80}")
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError("a row has more values than there are names of columns")
    for name in names:
        odd = next(filter(_is_odd, table[name]), None) if table[name].dtype == object else None
        if odd is not None:
            kind = type(odd).__name__
            raise ValueError(
                f"column {name!r:.80} holds a {kind}; a value is a text, a number or a time"
            )
    return table


def to_numbers(values: pd.Series) -> pd.Series:
    """Return values as float64, NaN for what is no number or none that a float can hold.

    Example:
        >>> to_numbers(pd.Series(["1.5", "one", 10**400])).tolist()
        [1.5, nan, nan]
    """
    try:
        return pd.to_numeric(values, errors="coerce").astype(float)
    except OverflowError:  # pandas lets an integer of hundreds of digits be
        return pd.to_numeric(values.map(_held), errors="coerce").astype(float)


def _held(value: Any) -> Any:
    if isinstance(value, int):
        return value if abs(value) < 2**1000 else None
    return value if len(str(value)) < 300 else None


def _is_odd(value: Any) -> bool:
    return isinstance(value, bytes) or not pd.api.types.is_scalar(value)
