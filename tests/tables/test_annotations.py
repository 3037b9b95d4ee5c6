"""Segments from files that people annotate in."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import TableError
from multimodal_ser.tables.annotations import check_segments, read_segments

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 9.5 
tiers? <exists> 
size = 3 
item []: 
    item [1]:
        class = "TextTier" 
        name = "beeps" 
        xmin = 0 
        xmax = 9.5 
        points: size = 1 
        points [1]:
            number = 1.5 
            mark = "7" 
    item [2]:
        class = "IntervalTier" 
        name = "empty" 
        xmin = 0 
        xmax = 9.5 
        intervals: size = 1 
        intervals [1]:
            xmin = 0 
            xmax = 9.5 
            text = "" 
    item [3]:
        class = "IntervalTier" 
        name = "who ""said"" it" 
        xmin = 0 
        xmax = 9.5 
        intervals: size = 3 
        intervals [1]:
            xmin = 0 
            xmax = 1.25 
            text = "she said ""3 4"" and left" 
        intervals [2]:
            xmin = 1.25 
            xmax = 2e0 
            text = "" 
        intervals [3]:
            xmin = 2 
            xmax = 9.5 
            text = "ü" 
"""
SHORT = """File type = "ooTextFile"
"TextGrid"

0 9.5 <exists> 1
"IntervalTier" "a" 0 9.5 3
0 1.25 "x" 1.25 2 "" 2 9.5 "y"
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", [LONG, SHORT])
def test_textgrids_of_both_kinds(tmp_path, text, encoding):
    (tmp_path / "a.TextGrid").write_text(text, encoding=encoding)
    found = read_segments(tmp_path / "a.TextGrid")
    assert found.to_numpy().tolist() == [[0, 1.25], [2, 9.5]]


def test_praats_own_file_is_read(tmp_path):
    praat = pytest.importorskip("parselmouth").praat
    grid = praat.call("Create TextGrid", 0, 5, "words", "")
    praat.call(grid, "Insert boundary", 1, 1.5)
    praat.call(grid, "Insert boundary", 1, 4.25)
    praat.call(grid, "Set interval text", 1, 2, 'a "b" 12')
    for kind in ("text", "short text"):
        path = tmp_path / f"{kind}.TextGrid"
        praat.call(grid, f"Save as {kind} file", str(path))
        assert read_segments(path).to_numpy().tolist() == [[1.5, 4.25]]


def test_elans_tiers_are_read_together(tmp_path):
    pympi = pytest.importorskip("pympi")
    elan = pympi.Eaf(author="x")
    for tier, spans in {"ann": [(500, 1500), (4000, 9000)], "ben": [(1500, 2250)]}.items():
        elan.add_tier(tier)
        for start, end in spans:
            elan.add_annotation(tier, start, end, "words")
    elan.to_file(str(tmp_path / "a.eaf"))
    found = read_segments(tmp_path / "a.eaf")
    assert found.to_numpy().tolist() == [[0.5, 1.5], [1.5, 2.25], [4, 9]]


@pytest.mark.parametrize(
    "text",
    [
        "start,end\n1,2.5\n3,4\n",
        "clip,start_s,end_s,label\na,1,2.5,x\nb,3,4,y\n",
        "file,start,end\na.wav,0 days 00:00:01,0 days 00:00:02.500\nb.wav,0 days 00:00:03,4\n",
    ],
)
def test_tables(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    found = read_segments(tmp_path / "a.csv")
    assert found[["start_s", "end_s"]].to_numpy().tolist() == [[1, 2.5], [3, 4]]
    assert ("clip" in found) == ("a," in text or "a.wav" in text)


def test_audformats_segmented_index():
    index = pd.MultiIndex.from_arrays(
        [["a.wav"], pd.to_timedelta([1.5], unit="s"), pd.to_timedelta([2.0], unit="s")],
        names=["file", "start", "end"],
    )
    found = check_segments(pd.DataFrame({"speaker": ["x"]}, index))
    assert found.iloc[0].tolist() == [1.5, 2.0, "a.wav"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "start,end\n2,1\n"),
        ("a.csv", "start,end\n-1,1\n"),
        ("a.csv", "start,end\nx,1\n"),
        ("a.csv", "start,end\n0,inf\n"),
        ("a.csv", "start,end\n"),
        ("a.csv", "start,stop\n1,2\n"),
        ("a.TextGrid", LONG[: len(LONG) // 2]),
        ("a.TextGrid", "no grid"),
        ("a.TextGrid", SHORT.replace("0 1.25", "b 1.25")),
        ("a.TextGrid", SHORT.replace(" 9.5 3", " 9.5 4")),
        ("a.TextGrid", SHORT.replace('"x"', '""').replace('"y"', '""')),
        ("a.eaf", "<ANNOTATION_DOCUMENT>"),
        ("a.eaf", "<html/>"),
        ("a.eaf", "<ANNOTATION_DOCUMENT/>"),
        ("a.txt", "1 2"),
    ],
)
def test_what_holds_no_segments_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(TableError):
        read_segments(tmp_path / name)


@pytest.mark.parametrize("name", ["a.eaf", "a.TextGrid", "a.csv"])
def test_files_that_are_not_there_and_bytes_of_anything(tmp_path, name):
    with pytest.raises(TableError):
        read_segments(tmp_path / name)
    rng = np.random.default_rng(0)
    for _ in range(20):
        (tmp_path / name).write_bytes(rng.integers(0, 256, 300, np.uint8).tobytes())
        with pytest.raises(TableError):
            read_segments(tmp_path / name)
