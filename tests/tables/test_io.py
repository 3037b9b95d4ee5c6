import os

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables import make_clips

#: What a recording may be called, though it reads like a missing value.
NAMES_LIKE_NOTHING = ("NA", "null", "None", "nan", "N/A", "007", "1e5", "true")


@pytest.mark.parametrize("ending", tableio.ENDINGS)
class TestEveryFormat:
    def test_clips_come_back_as_they_went(self, tmp_path, ending):
        rows = [
            {"clip": "ravdess/01", "actor": "05", "audio": f"{tmp_path}/ä b.wav", "emotion": "sad"},
            {"clip": "x", "video": f"{tmp_path}/x.mp4", "duration": 1.5},
            *({"clip": name, "audio": f"{tmp_path}/{name}"} for name in NAMES_LIKE_NOTHING),
        ]
        clips = make_clips(rows)
        tableio.write(clips, tmp_path / f"c{ending}")
        again = tableio.read_clips(tmp_path / f"c{ending}")
        pd.testing.assert_frame_equal(clips, again)
        assert again.loc["ravdess/01", "actor"] == "05"

    def test_numbers_keep_their_digits(self, tmp_path, ending):
        table = pd.DataFrame({"confidence": [1 / 3, np.nan], "frame": [20, 40]})
        tableio.write(table, tmp_path / f"t{ending}")
        again = tableio.read(tmp_path / f"t{ending}")
        np.testing.assert_allclose(again["confidence"], table["confidence"], rtol=1e-9)
        assert again["frame"].tolist() == [20, 40]

    def test_a_file_that_is_no_table_is_refused_in_one_line(self, tmp_path, ending):
        path = tmp_path / f"bad{ending}"
        path.write_bytes(b"\xff\xfe\x00garbage" * 20)
        with pytest.raises(TableError) as caught:
            tableio.read_clips(path)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_missing_file_is_named(self, tmp_path, ending):
        with pytest.raises(TableError) as error:
            tableio.read(tmp_path / f"gone{ending}")
        assert "gone" in str(error.value)


def test_an_unknown_ending_lists_those_that_work(tmp_path):
    with pytest.raises(SerError) as error:
        tableio.write(pd.DataFrame(), tmp_path / "t.docx")
    assert ".csv, .json, .parquet" in str(error.value)


def test_clip_and_path_alone_make_a_clips_table(tmp_path):
    (tmp_path / "c.csv").write_text("clip,video\na,a.mp4\n")
    assert tableio.read_clips(tmp_path / "c.csv").loc["a", "video"] == str(tmp_path / "a.mp4")


@pytest.mark.parametrize("text", ["name,video\na,a.mp4\n", "clip,colour\na,red\n"])
def test_other_tables_are_refused(tmp_path, text):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(TableError) as error:
        tableio.read_clips(tmp_path / "c.csv")
    assert "c.csv" in str(error.value)


def test_rows_that_cannot_be_used_are_left_out_and_told(tmp_path):
    rows = [
        ("a", "a.wav", None, "sad"), ("a", "b.wav", None, "sad"), (None, "c.wav", None, None),
        ("d", None, None, None), ("e", None, "e.mp4", "bored"),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["clip", "audio", "video", "emotion"])
    table.to_csv(tmp_path / "clips.csv", index=False)
    clips, failures = tableio.read_usable_clips(tmp_path / "clips.csv")
    assert clips.index.tolist() == ["a", "e"]
    assert clips["audio"].iloc[0] == str(tmp_path / "a.wav")
    assert clips["emotion"].tolist() == ["sad", "bored"]
    assert failures["clip"].tolist() == ["a", "", "d"]
    told = failures["error"].str.extract(r"row (\d) \((\w+)\): (.*);")
    assert told[0].tolist() == ["2", "3", "4"]
    assert told[1].tolist() == ["a", "nameless", "d"]


SHEET = [
    ("File", "Emotion", "Speaker ID", "Gender", "valence"),
    ("a.wav", "Überraschung", "07", "F", "0.5"),
    ("NA.wav", "bored", "07", "male", "-1.25"),
]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_spreadsheets_write_is_read_and_said(tmp_path, separator, mark):
    rows = [list(row) for row in SHEET]
    if separator == ";":
        rows = [[cell.replace("0.5", "0,5").replace("1.25", "1,25") for cell in r] for r in rows]
    text = mark + "\r\n".join(separator.join(row) for row in rows) + "\r\n"
    (tmp_path / "t.csv").write_bytes(text.encode())
    _is_as_in_the_sheet(tmp_path / "t.csv")


def _is_as_in_the_sheet(path):
    with pytest.warns(UserWarning, match="'Speaker ID' is the actor"):
        table = tableio.read_as(path, ("path", "label", "actor", "sex"))
    assert list(table.columns) == ["path", "label", "actor", "sex", "valence"]
    assert table["path"].tolist() == ["a.wav", "NA.wav"]
    assert table["label"].tolist() == ["Überraschung", "bored"]
    assert table["actor"].astype(str).str.zfill(2).tolist() == ["07", "07"]
    assert table["sex"].tolist() == ["female", "male"]
    assert table["valence"].tolist() == [0.5, -1.25]


def test_an_excel_file_is_read(tmp_path):
    table = pd.DataFrame(SHEET[1:], columns=SHEET[0]).astype({"valence": float})
    table.to_excel(tmp_path / "t.xlsx", index=False)
    _is_as_in_the_sheet(tmp_path / "t.xlsx")
    # A spreadsheet makes a number of a code, but no decimal of it where a cell is empty.
    table.assign(**{"Speaker ID": [7, None]}).to_excel(tmp_path / "n.xlsx", index=False)
    with pytest.warns(UserWarning):
        codes = tableio.read_as(tmp_path / "n.xlsx", ("actor",))["actor"]
    assert codes[0] == "7" and pd.isna(codes[1])
    (tmp_path / "bad.xlsx").write_bytes(b"no workbook")
    with pytest.raises(TableError):
        tableio.read(tmp_path / "bad.xlsx")


def test_a_name_that_is_there_is_not_taken_from_another_column(tmp_path):
    (tmp_path / "t.csv").write_text("path,file,emotion\na.wav,b.wav,sad\n")
    table = tableio.read_as(tmp_path / "t.csv", ("path", "emotion"))
    assert (table["path"][0], table["file"][0]) == ("a.wav", "b.wav")


def test_paths_of_a_clips_table_count_from_its_folder_wherever_one_is(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "tables").mkdir()
    monkeypatch.chdir(tmp_path)
    clips = make_clips([{"clip": "a", "audio": "data/a.wav", "video": f"{tmp_path}/data/a.mp4"}])
    tableio.write_clips(clips, "tables/c.csv")
    assert tableio.read("tables/c.csv")["audio"][0] == "../data/a.wav"
    monkeypatch.chdir(tmp_path / "data")
    found = tableio.read_clips("../tables/c.csv").loc["a", ["audio", "video"]]
    assert [os.path.realpath(place) for place in found] == [
        os.path.realpath(tmp_path / "data" / name) for name in ("a.wav", "a.mp4")
    ]
