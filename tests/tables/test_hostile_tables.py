"""Tables from anyone: refused in one line or read, within time and memory, and never a formula."""

import csv
import itertools
import os
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables import annotations, limits
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables.records import RunRecord, read_json, read_record
from multimodal_ser.video.features import openface

SIGNS = ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b"]
SEPARATORS = [",", ";", "\t", "|", "\r", "\n", "\r\n"]


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.org/c.csv", "http:/example.org/c.csv", "FTP://a/c.json"),
        *("s3://bucket/c.parquet", "gs://b/c.csv", "az://b/c.csv", "file:///etc/c.csv"),
        *("simplecache::https://example.org/c.csv", "hdfs://a/c.parquet", "memory://c.csv"),
        *("github://a:b@main/c.csv", "data:text/csv,c.csv", "zip://c.csv::https://a/b.csv"),
    ],
)
def test_nothing_is_fetched(url, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection"))
    with pytest.raises(TableError):
        tableio.read(url)
    with pytest.raises(TableError):
        openface.read_csv(url)


@pytest.fixture(params=["pipe", "device", "folder", "circle"])
def no_file(request, tmp_path):
    """Make what is no regular file under any name."""

    def make(name):
        path = tmp_path / name
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero" if request.param == "device" else path)
        return path

    return make


@pytest.mark.parametrize("ending", [*tableio.READABLE, ".TextGrid", ".eaf"])
def test_what_is_no_file_is_refused_at_once(no_file, ending):
    path = no_file(f"c{ending}")
    with pytest.raises(TableError):
        annotations.read_segments(path) if ending[1] in "Te" else tableio.read(path)


def test_a_record_that_is_no_file_is_refused_at_once(no_file):
    path = no_file("run.json")
    with pytest.raises(OSError):
        read_record(path, RunRecord, "a run")
    with pytest.raises(OSError):
        read_json(path, "a model")


def test_a_file_over_the_limit_is_refused_unread(tmp_path, monkeypatch):
    with open(tmp_path / "c.csv", "wb") as file:
        file.truncate(2**40)  # a hole, which takes no room on the disk
    with pytest.raises(TableError):
        tableio.read(tmp_path / "c.csv")


def test_a_workbook_of_two_cells_does_not_become_seventeen_billion(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1"], book.active["A1048576"] = "clip", "audio", "a"
    book.save(tmp_path / "c.xlsx")
    assert (tmp_path / "c.xlsx").stat().st_size < 10_000
    with pytest.raises(TableError, match="cells"):
        tableio.read(tmp_path / "c.xlsx")


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch):
    pd.DataFrame({"clip": ["a"] * 1000}).to_excel(tmp_path / "c.xlsx", index=False)
    assert len(tableio.read(tmp_path / "c.xlsx")) == 1000
    monkeypatch.setattr(limits, "LARGEST_WORKBOOK_BYTES", 10_000)
    with pytest.raises(TableError):
        tableio.read(tmp_path / "c.xlsx")


def test_a_parquet_file_of_a_thousand_million_rows_is_refused(tmp_path):
    """Little space: a run of one value is a few bytes however long it is."""
    values = pa.DictionaryArray.from_arrays(np.zeros(2**20, np.int8), ["a"])
    table = pa.table({"clip": values})
    with parquet.ParquetWriter(tmp_path / "c.parquet", table.schema) as file:
        for _ in range(260):
            file.write_table(table)
    assert (tmp_path / "c.parquet").stat().st_size < 1_000_000
    with pytest.raises(TableError, match="cells"):
        tableio.read(tmp_path / "c.parquet")


ODD_JSON = {
    "a number": "1",
    "NaN": "NaN",
    "a text": '"clip"',
    "an object": '{"clip": "a"}',
    "objects in one": '{"clip": {"x": "a"}, "audio": {"x": "a.wav"}}',
    "rows without names": '[["a", "a.wav"]]',
    "numbers": "[1, 2, 3]",
    "a list in a cell": '[{"clip": "a", "audio": ["a.wav"]}]',
    "an object in a cell": '[{"clip": {"a": 1}, "audio": "a.wav"}]',
    "deep": '[{"clip": ' + "[" * 100_000 + "]" * 100_000 + "}]",
    "deep objects": '{"clip":' * 50_000 + "1" + "}" * 50_000,
    "a number of 5,000 digits": '[{"clip": "a", "duration": ' + "9" * 5000 + "}]",
    "cut": '[{"clip": "a", "audio": "a.w',
    "nothing": "",
    "no UTF-8": b'[{"clip": "\xff\xfe"}]',
    "nulls": "[null, null]",
    "mixed": '[{"clip": "a"}, 5, null]',
}


@pytest.mark.parametrize("text", ODD_JSON.values(), ids=ODD_JSON)
def test_odd_json_is_one_line(tmp_path, text):
    path = tmp_path / "c.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TableError) as raised:
        tableio.read_clips(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("size", ["1e400", "-1e400", "1e308", "NaN", "Infinity", "9" * 25, "true"])
def test_odd_numbers_in_json_are_read_or_one_line(tmp_path, size):
    """A length that is none is not known; it never is a traceback."""
    (tmp_path / "c.json").write_text(f'[{{"clip": "a", "audio": "a.wav", "duration": {size}}}]')
    try:
        clips = tableio.read_clips(tmp_path / "c.json")
    except TableError:
        return
    assert clips.index.tolist() == ["a"] and clips["duration"].dtype == float


@pytest.mark.parametrize(
    "table",
    [
        {"clip": [["a"]], "audio": ["a.wav"]},
        {"clip": [b"a"], "audio": ["a.wav"]},
        {"clip": [{"a": 1}], "audio": ["a.wav"]},
        {"clip": ["a"], "audio": [[1.0, 2.0]]},
    ],
)
def test_odd_cells_in_parquet_are_one_line(tmp_path, table):
    parquet.write_table(pa.table(table), tmp_path / "c.parquet")
    with pytest.raises(TableError):
        tableio.read_clips(tmp_path / "c.parquet")


def test_doubled_columns_in_parquet_are_one_line(tmp_path):
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array(["c"])]
    table = pa.Table.from_arrays(columns, names=["clip", "clip", "audio"])
    parquet.write_table(table, tmp_path / "c.parquet")
    with pytest.raises(TableError):
        tableio.read_clips(tmp_path / "c.parquet")


def test_a_row_that_is_longer_than_the_header_moves_no_column(tmp_path):
    """pandas would take the first value of each row for an index."""
    (tmp_path / "c.csv").write_text("clip,audio\na,a.wav,x\n")
    with pytest.raises(TableError):
        tableio.read_clips(tmp_path / "c.csv")


def test_an_index_of_a_parquet_file_becomes_columns(tmp_path):
    table = pd.DataFrame({"clip": ["a", "b"], "audio": ["a.wav", "b.wav"]})
    table.set_index("clip").to_parquet(tmp_path / "named.parquet")
    table[table["clip"] == "b"].to_parquet(tmp_path / "some.parquet")
    assert tableio.read(tmp_path / "named.parquet")["clip"].tolist() == ["a", "b"]
    assert tableio.read(tmp_path / "some.parquet")["clip"].tolist() == ["b"]


def _names():
    pieces = ["".join(pair) for pair in itertools.product(["", *SEPARATORS], ["", "'", '"'], SIGNS)]
    return [f"{before}{piece}1+1" for before in ("", "x") for piece in pieces] + [
        '"";=cmd|\'/C calc\'!A1;""',
        "'';'=1",
        ",',=",
        "\r\r=\r",
        "''",
        "a\rb",
    ]


@pytest.mark.parametrize("excel", [False, True])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_no_cell_is_a_formula_whatever_a_spreadsheet_separates_by(tmp_path, excel, separator):
    names = _names()
    tableio.write(pd.DataFrame({"clip": names}), tmp_path / "c.csv", excel=excel)
    with open(tmp_path / "c.csv", newline="", encoding="utf-8-sig") as file:
        cells = [cell for row in csv.reader(file, delimiter=separator) for cell in row]
    assert not [cell for cell in cells if cell.strip('"')[:1] in set(SIGNS)]


@pytest.mark.parametrize("excel", [False, True])
@pytest.mark.parametrize("ending", [".csv", ".json", ".parquet", ".xlsx"])
def test_odd_names_come_back_as_they_were(tmp_path, excel, ending):
    table = pd.DataFrame({"clip": _names(), "confidence": 0.5, "note": "a\rb"})
    if ending == ".xlsx":  # where a carriage return is a line feed, by the rules of XML
        table = table[~table["clip"].str.contains("\r")].assign(note="a")
    path = tmp_path / f"c{ending}"
    tableio.write(table, path, excel=excel)
    again = tableio.read(path)
    assert again["clip"].tolist() == table["clip"].tolist()
    assert again["note"].tolist() == table["note"].tolist()
    assert again["confidence"].tolist() == [0.5] * len(table)


def test_a_carriage_return_makes_no_row(tmp_path):
    tableio.write(pd.DataFrame({"clip": ["a\r=cmd()", "b"]}), tmp_path / "c.csv")
    with open(tmp_path / "c.csv", newline="") as file:
        assert len(list(csv.reader(file))) == 3


@pytest.mark.parametrize("ending", [".TextGrid", ".eaf"])
@pytest.mark.parametrize("count", ["1e400", "9" * 400, "-1", "nan", "1e18"])
def test_odd_numbers_in_annotations_are_one_line(tmp_path, ending, count):
    tier = f'"IntervalTier"\n"a"\n0\n1\n{count}\n'
    grid = f'"ooTextFile"\n"TextGrid"\n0\n1\n<exists>\n{count}\n{tier}'
    eaf = f'<ANNOTATION_DOCUMENT><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="{count}"/>'
    path = tmp_path / f"a{ending}"
    path.write_text(grid if ending == ".TextGrid" else f"{eaf}</ANNOTATION_DOCUMENT>")
    with pytest.raises(TableError):
        annotations.read_segments(path)


def test_a_zip_that_is_no_workbook_is_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "c.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "<workbook>")
    with pytest.raises(SerError):
        tableio.read(tmp_path / "c.xlsx")
