"""Segments from files that people annotate in, and predictions as such files."""

import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables import widened
from multimodal_ser.tables.annotations import check_segments, read_segments, write_predictions

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


def predictions(starts=(0.0, 2.5, 7.0), ends=(2.0, 6.0, 9.9996), clip="talk", name="talk.wav"):
    """A recording of 12 s, its summary and its segments, heard and fused."""
    rows = [{"segment": pd.NA, "start_s": 0.0, "end_s": 12.0, "emotion": "sad", "confidence": 0.4}]
    said = zip(starts, ends, ("happy", "sad", "angry"), (0.634, 0.5, 0.999), strict=True)
    for at, (start_s, end_s, emotion, confidence) in enumerate(said):
        row = {"segment": at, "start_s": start_s, "end_s": end_s}
        rows.append(row | {"emotion": emotion, "confidence": confidence})
    table = pd.concat([pd.DataFrame(rows).assign(modality=m) for m in ("audio", "fused")])
    return table.assign(clip=clip, path=name).astype({"segment": "Int64"})


EXPECTED = [(0.0, 2.0, "happy 63%"), (2.5, 6.0, "sad 50%"), (7.0, 10.0, "angry 100%")]


def test_praat_reads_what_is_written(tmp_path):
    parselmouth = pytest.importorskip("parselmouth")
    (path,) = write_predictions(predictions(), tmp_path / "a.TextGrid")
    grid, call = parselmouth.read(str(path)), parselmouth.praat.call
    assert call(grid, "Get number of tiers") == 2 and call(grid, "Get end time") == 12
    for tier, name in ((1, "audio"), (2, "fused")):
        assert call(grid, "Get tier name", tier) == name
        found = []
        for at in range(1, call(grid, "Get number of intervals", tier) + 1):
            text = call(grid, "Get label of interval", tier, at)
            times = [
                call(grid, f"Get {which} time of interval", tier, at) for which in ("start", "end")
            ]
            found += [(*times, text)] if text else []
        assert [text for *_, text in found] == [text for *_, text in EXPECTED]
        np.testing.assert_allclose([row[:2] for row in found], [r[:2] for r in EXPECTED], atol=1e-3)


def test_pympi_reads_what_is_written_for_elan(tmp_path):
    pympi = pytest.importorskip("pympi")
    (path,) = write_predictions(predictions(), tmp_path / "a.eaf")
    elan = pympi.Eaf(str(path))
    assert list(elan.get_tier_names()) == ["audio", "fused"]
    milliseconds = [(round(1000 * s), round(1000 * e), text) for s, e, text in EXPECTED]
    assert sorted(row[:3] for row in elan.get_annotation_data_for_tier("fused")) == milliseconds
    assert elan.media_descriptors[0]["MEDIA_URL"].endswith("/talk.wav")


def test_webvtts_reader_reads_subtitles(tmp_path):
    webvtt = pytest.importorskip("webvtt")
    (vtt,) = write_predictions(predictions(), tmp_path / "a.vtt")
    (srt,) = write_predictions(predictions(), tmp_path / "a.srt")
    for cues in (webvtt.read(str(vtt)), webvtt.from_srt(str(srt))):
        found = [(cue.start_in_seconds, cue.end_in_seconds, cue.text) for cue in cues]
        assert [row[2] for row in found] == [row[2] for row in EXPECTED]
        times = [(cue.start, cue.end) for cue in cues]
        assert times[1:] == [("00:00:02.500", "00:00:06.000"), ("00:00:07.000", "00:00:10.000")]


@pytest.mark.parametrize("ending", ["srt", "vtt"])
def test_ffmpeg_takes_subtitles(tmp_path, ending):
    import av

    (path,) = write_predictions(predictions(), tmp_path / f"a.{ending}")
    with av.open(str(path)) as opened:
        times = [
            packet.pts * packet.time_base for packet in opened.demux() if packet.pts is not None
        ]
    assert [float(time) for time in times] == [0, 2.5, 7]


def test_what_is_written_can_be_given_as_segments(tmp_path):
    for ending in ("TextGrid", "eaf"):
        (path,) = write_predictions(predictions(), tmp_path / f"a.{ending}")
        found = read_segments(path).to_numpy()
        np.testing.assert_allclose(found, [row[:2] for row in EXPECTED], atol=1e-3)


def test_overlapping_windows_end_where_the_next_begins(tmp_path):
    table = predictions(starts=(0.0, 1.0, 2.0), ends=(3.0, 4.0, 5.0))
    (path,) = write_predictions(table, tmp_path / "a.eaf")
    assert read_segments(path).to_numpy().tolist() == [[0, 1], [1, 2], [2, 5]]


def test_hours_names_and_several_recordings(tmp_path):
    late = predictions(
        (3599.9996, 7203.25, 36000.0), (3601.0, 7204.0, 36001.0), "a/b: é<&>", "x.wav"
    )
    paths = write_predictions(pd.concat([predictions(), late]), tmp_path / "a.vtt")
    assert [path.name for path in paths] == ["a-talk.vtt", "a-a_b_é_.vtt"]
    said = paths[1].read_text()
    assert "01:00:00.000 --> 01:00:01.000" in said and "02:00:03.250 -->" in said


def test_predictions_without_times_are_no_annotations(tmp_path):
    with pytest.raises(SerError):
        write_predictions(predictions().drop(columns=["end_s"]), tmp_path / "a.srt")
    with pytest.raises(SerError):
        write_predictions(predictions(), tmp_path / "a.docx")
    assert write_predictions(predictions().iloc[:0], tmp_path / "a.srt") == []


def test_one_row_per_clip_or_segment():
    table = predictions()
    wide = widened(table)
    assert wide["segment"].isna().tolist() == [True, False, False, False]
    for modality in ("audio", "fused"):
        own = table[table["modality"] == modality]
        assert wide[f"{modality}_emotion"].tolist() == own["emotion"].tolist()
        assert wide[f"{modality}_confidence"].tolist() == own["confidence"].tolist()
    mixed = widened(table[(table["modality"] == "audio") | (table["segment"] == 1)])
    assert mixed["fused_emotion"].notna().tolist() == [False, False, True, False]


@pytest.mark.parametrize("ending", ["jsonl", "xlsx"])
def test_workbooks_and_lines_of_json(tmp_path, ending):
    names = ["=1+1", "'x", "a\x07b", "é", "5"]
    table = pd.DataFrame({"clip": names, "segment": pd.array([1, None, 2, 3, 4], "Int64")})
    table["happy"] = [0.25, np.nan, 1e-9, 1.0, 1 / 3]
    path = tmp_path / f"a.{ending}"
    tableio.write(table, path)
    if ending == "xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        cells = list(openpyxl.load_workbook(path)["table"].iter_rows())
        assert all(cell.data_type != "f" for row in cells for cell in row)
        rows = [[cell.value for cell in row] for row in cells]
        assert rows[0] == ["clip", "segment", "happy"]
        assert [row[0] for row in rows[1:]] == ["'=1+1", "'x", "a\ufffdb", "é", "5"]
        assert [row[1] for row in rows[1:]] == [1, None, 2, 3, 4]
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["clip"] for row in rows] == names and rows[1]["happy"] is None
    values = [row[2] if ending == "xlsx" else row["happy"] for row in rows[-3:]]
    assert values == pytest.approx([1e-9, 1.0, 1 / 3], abs=1e-9)


def crowd():
    """Two segments of a film with two faces: 1 speaks, then it cannot be told."""
    rows = []
    for segment, speaks in ((0, 1), (1, pd.NA)):
        for modality, who in (("audio", speaks), ("video", 0), ("video", 1), ("fused", speaks)):
            place = {"segment": segment, "start_s": 3.0 * segment, "end_s": 3.0 * segment + 2}
            rows.append({"modality": modality, "person": who, "face_rate": 0.5, **place})
    table = pd.DataFrame(rows).assign(clip="a", path="a.mp4", emotion="sad", confidence=0.75)
    return table.assign(note="").astype({"person": "Int64", "segment": "Int64"})


def test_each_person_has_a_tier_and_subtitles_name_who_speaks(tmp_path):
    pympi = pytest.importorskip("pympi")
    write_predictions(crowd(), tmp_path / "a.eaf")
    found = pympi.Elan.Eaf(str(tmp_path / "a.eaf"))
    assert list(found.get_tier_names()) == ["audio", "person 0 video", "person 1 video", "fused"]
    write_predictions(crowd(), tmp_path / "a.srt")
    lines = (tmp_path / "a.srt").read_text().splitlines()
    assert [lines[2], lines[6]] == ["person 1: sad 75%", "sad 75%"]


def test_one_row_per_segment_has_columns_per_person():
    wide = widened(crowd())
    assert len(wide) == 2 and wide["fused_person"].tolist() == [1, pd.NA]
    assert wide["person_1_video_emotion"].tolist() == ["sad", "sad"]
    assert wide["person_0_video_face_rate"].tolist() == [0.5, 0.5]


#: Of EAFv3.0.xsd: what each element holds, in order, and the attributes it must have.
EAF = {
    "ANNOTATION_DOCUMENT": (["HEADER", "TIME_ORDER", "TIER*", "LINGUISTIC_TYPE*"],
                            {"AUTHOR", "DATE", "VERSION"}),
    "HEADER": (["MEDIA_DESCRIPTOR*"], set()),
    "MEDIA_DESCRIPTOR": ([], {"MEDIA_URL", "MIME_TYPE"}),
    "TIME_ORDER": (["TIME_SLOT*"], set()),
    "TIME_SLOT": ([], {"TIME_SLOT_ID"}),
    "TIER": (["ANNOTATION*"], {"TIER_ID", "LINGUISTIC_TYPE_REF"}),
    "ANNOTATION": (["ALIGNABLE_ANNOTATION"], set()),
    "ALIGNABLE_ANNOTATION": (
        ["ANNOTATION_VALUE"], {"ANNOTATION_ID", "TIME_SLOT_REF1", "TIME_SLOT_REF2"}
    ),
    "ANNOTATION_VALUE": ([], set()),
    "LINGUISTIC_TYPE": ([], {"LINGUISTIC_TYPE_ID"}),
}  # fmt: skip


def test_what_is_written_for_elan_has_its_schemas_structure(tmp_path):
    """Read without our writer or ELAN's schema, which no package brings: what it demands."""
    write_predictions(crowd(), tmp_path / "a.eaf")
    root = ElementTree.parse(tmp_path / "a.eaf").getroot()
    for element in root.iter():
        inside, needed = EAF[element.tag]
        assert needed <= set(element.attrib), element.tag
        pattern = "".join(
            f"({name[:-1]} )*" if name[-1] == "*" else f"({name} )" for name in inside
        )
        assert re.fullmatch(pattern, "".join(f"{one.tag} " for one in element)), element.tag
    slots = [one.get("TIME_SLOT_ID") for one in root.iter("TIME_SLOT")]
    ids = [one.get("ANNOTATION_ID") for one in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(set(slots)) == len(slots) and len(set(ids)) == len(ids) == 8
    for one in root.iter("ALIGNABLE_ANNOTATION"):
        assert {one.get("TIME_SLOT_REF1"), one.get("TIME_SLOT_REF2")} <= set(slots)
    kinds = {one.get("LINGUISTIC_TYPE_ID") for one in root.iter("LINGUISTIC_TYPE")}
    assert {one.get("LINGUISTIC_TYPE_REF") for one in root.iter("TIER")} <= kinds
