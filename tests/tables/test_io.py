import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables import make_clips


@pytest.mark.parametrize("ending", tableio.ENDINGS)
class TestEveryFormat:
    def test_clips_come_back_as_they_went(self, tmp_path, ending):
        rows = [
            {"clip": "ravdess/01", "actor": "05", "audio": "ä b.wav", "emotion": "sad"},
            {"clip": "x", "video": "x.mp4", "duration": 1.5},
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
    assert tableio.read_clips(tmp_path / "c.csv").loc["a", "video"] == "a.mp4"


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
    assert clips["audio"].iloc[0] == "a.wav"
    assert clips["emotion"].tolist()[0] == "sad" and clips["emotion"].isna().iloc[1]
    assert failures["clip"].tolist() == ["a", "", "d"]
    told = failures["error"].str.extract(r"row (\d) \((\w+)\): (.*);")
    assert told[0].tolist() == ["2", "3", "4"]
    assert told[1].tolist() == ["a", "nameless", "d"]
