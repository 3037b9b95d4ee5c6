"""What is taken along is what was predicted, in every format."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from playing import predictions

from multimodal_ser.app import downloads, shown
from multimodal_ser.app.jobs import Job
from multimodal_ser.app.sessions import Clip
from multimodal_ser.app.work import Medium, Predict, Reading
from multimodal_ser.errors import UnknownName
from multimodal_ser.tables import annotations

NAME = "<script>alert(1)</script> & talk.mp4"


def clip(number: int, name: str, segments: int = 0) -> Clip:
    medium = Medium(f"/nowhere/{number}.mp4", name)
    table = predictions(name, segments).assign(path=medium.path)
    job = Job("", Predict((medium,), "ravdess"), state="done")
    return Clip(number, medium, job=job, reading=Reading(name, table, "", 8.0), complete=True)


def content(clips, ending):
    return downloads.content(clips, ending, shown.page)


def test_csv_is_the_predictions_of_all():
    clips = [clip(0, NAME), clip(1, "b.wav", 3)]
    found = pd.read_csv(io.BytesIO(content(clips, "csv")))
    assert list(found["clip"].unique()) == [NAME, "b.wav"]
    whole = found[found["segment"].isna()]
    expected = [c.reading.predictions.groupby("modality")["confidence"].first() for c in clips]
    got = whole.groupby(["clip", "modality"])["confidence"].first()
    for one, values in zip(clips, expected, strict=True):
        for modality, value in values.items():
            assert got[one.medium.name, modality] == pytest.approx(value)
    assert not found["path"].str.contains("nowhere").any()


@pytest.mark.parametrize("ending", ["TextGrid", "eaf"])
@pytest.mark.parametrize(("segments", "spans"), [(0, 1), (3, 3)])
def test_annotations_are_read_back(tmp_path, ending, segments, spans):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content([clip(0, NAME, segments)], ending))
    found = annotations.read_segments(path)
    assert len(found) == spans
    assert found["end_s"].max() == (8.0 if not segments else 22.0)


@pytest.mark.parametrize(("ending", "arrow"), [("srt", "00:00:16,000 --> "), ("vtt", "WEBVTT")])
def test_subtitles_have_the_times(ending, arrow):
    text = content([clip(0, NAME, 3)], ending).decode()
    assert arrow in text and text.count("-->") == 3


def test_the_page_is_whole_and_names_are_text():
    text = content([clip(0, NAME), clip(1, "b.wav", 3)], "html").decode()
    assert "<script>alert(1)" not in text and "&lt;script&gt;alert(1)" in text
    assert "nowhere" not in text


@pytest.mark.parametrize("ending", [*downloads.ANNOTATIONS, "exe", "../csv"])
def test_formats_that_hold_one_recording_refuse_two(ending):
    with pytest.raises(UnknownName):
        content([clip(0, "a.mp4"), clip(1, "b.mp4")], ending)


def test_a_file_name_is_harmless():
    name = downloads.file_name([clip(0, "../<b>\r\nx: y.mp4")], "csv")
    assert name.endswith(".csv") and not set(name) & set('/\\<>\r\n:"')
    assert downloads.headers("a\r\nb.csv")["Content-Disposition"].isprintable()


def test_html_of_a_clip_shows_names_and_notes_as_text():
    one = clip(0, NAME)
    one.reading.predictions["note"] = "<img src=x onerror=alert(1)>"
    text = shown.clip(one, "key")
    assert "<script>alert" not in text and "<img src=x" not in text
    assert "/media/key/0" in text and "/take/key/0.srt" in text
