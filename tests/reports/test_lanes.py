"""The page of a long recording: lanes, smoothed lines, a table of segments."""

import re

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.reports import lanes
from multimodal_ser.reports.html import clip_report

LABELS = ["happy", "sad"]


def recording(count=50, step_s=10.0, persons=(0, 1)):
    """Segments of 5 s: fused, audio, and a row per person; person 0 is happy, 1 is sad."""
    rows = []
    for at in range(count):
        span = {"segment": at, "start_s": at * step_s, "end_s": at * step_s + 5}
        for modality, who, happy in (
            ("audio", at % 2, 0.5),
            ("fused", at % 2, 0.6),
            *(("video", who, 0.9 if who == 0 else 0.2) for who in persons),
        ):
            rows.append({"modality": modality, "person": who, "happy": happy, **span})
    whole = [{"modality": name, "happy": 0.6, "note": "summary"} for name in ("audio", "fused")]
    table = pd.DataFrame([*whole, *rows]).assign(clip="talk", path="talk.mp4", second="sad")
    table = table.assign(sad=1 - table["happy"], emotion="happy", confidence=table["happy"])
    return table.astype({"person": "Int64", "segment": "Int64"})


def test_a_mean_of_equal_values_is_that_value_and_far_from_any_there_is_none():
    times = np.array([0.0, 1.0, 50.0])
    found = lanes.smoothed(times, np.full((3, 2), 0.25), np.ones(3), np.array([0.5, 20, 51]), 2.0)
    np.testing.assert_allclose(found[[0, 2]], 0.25)
    assert np.isnan(found[1]).all()


def test_smoothing_is_that_of_all_weights():
    rng = np.random.default_rng(0)
    times, values, weights = np.sort(rng.uniform(0, 9, 40)), rng.random((40, 3)), rng.random(40)
    near = np.exp(-0.5 * ((4.0 - times) / 1.5) ** 2) * weights * (np.abs(4.0 - times) <= 4.5)
    found = lanes.smoothed(times, values, weights, np.array([4.0]), 1.5)[0]
    np.testing.assert_allclose(found, (near[:, None] * values).sum(axis=0) / near.sum())


def test_each_person_has_a_lane():
    segments = recording()[lambda rows: rows["segment"].notna()]
    found = lanes.of_rows(segments, LABELS, 500.0)
    assert list(found) == ["fused", "person 0 video", "person 1 video", "audio"]
    assert found["person 1 video"]["happy"].unique().tolist() == [0.2]
    assert found["fused"]["start_s"].tolist() == [10.0 * at for at in range(50)]


def test_a_short_clip_has_a_lane_of_its_whole_and_one_of_its_frames():
    rows = pd.DataFrame({"modality": ["audio", "video", "video", "video"], "happy": 0.25})
    rows = rows.assign(sad=0.75, frame=[pd.NA, pd.NA, 20, 0], time_s=[np.nan, np.nan, 1.0, 0.0])
    found = lanes.of_rows(rows, LABELS, 3.0)
    assert found["audio"][["start_s", "end_s"]].to_numpy().tolist() == [[0, 3]]
    assert found["video"][["start_s", "end_s"]].to_numpy().tolist() == [[0, 0.5], [0.5, 1.5]]


def test_a_lane_leaves_a_gap_where_frames_are_missing():
    edges = lanes.frame_edges(np.array([0.5, 1, 1.5, 6, 6.5]))
    assert edges.tolist() == [[0.25, 0.75], [0.75, 1.25], [1.25, 1.75], [5.75, 6.25], [6.25, 6.75]]


def test_columns_fill_a_lane_from_top_to_bottom_whatever_is_rounded():
    values = np.random.default_rng(0).dirichlet([0.3] * 7, 60)
    part = pd.DataFrame(values, columns=list("abcdefg"))
    part = part.assign(start_s=np.arange(60.0), end_s=np.arange(60.0) + 1)
    heights = dict.fromkeys(range(60), 0)
    for path in lanes.paths(part, list("abcdefg"), 60.0):
        for x, height in re.findall(r"M(\d+) \d+h\d+v(\d+)", path):
            heights[round(int(x) * 60 / 1000)] += int(height)
    assert set(heights.values()) == {100}


def test_a_lane_with_more_rows_than_columns_is_smoothed():
    times = np.arange(2000.0)
    part = pd.DataFrame({"start_s": times, "end_s": times + 1, "happy": 0.25, "sad": 0.75})
    part = part[(times < 800) | (times > 1200)]
    made, smoothed = lanes.bounded(part, 2000.0)
    assert smoothed and len(made) < lanes.PLACES
    np.testing.assert_allclose(made["happy"], 0.25)
    middle = made[["start_s", "end_s"]].mean(axis=1)
    assert not middle.between(800 + 3 * lanes.width_s(2000), 1200 - 3 * lanes.width_s(2000)).any()


@pytest.mark.parametrize(
    "length_s", [0.4, 1.0, 3.6, 6.5, 7, 59, 61, 599, 600, 3599, 3600, 4200, 5000, 50_000, 200_000]
)
def test_the_marks_of_an_axis_are_few_and_told_apart(length_s):
    places, times, ends = zip(*lanes.ticks(length_s), strict=True)
    assert places[0] == 0 and max(places) <= 1 and len(set(times)) == len(times)
    # Texts of 330 pixels, 8 to a digit, at the left of their marks or, at the end, before it.
    wide = [8 * len(time) / 330 for time in times]
    starts = [at - w if end else at for at, w, end in zip(places, wide, ends, strict=True)]
    for at in range(1, len(starts)):
        assert starts[at] >= starts[at - 1] + wide[at - 1] - 0.02
    assert starts[-1] + wide[-1] < 1.05


@pytest.mark.parametrize(("count", "last"), [(50, "8:00"), (420, "1:00:00")])
def test_a_page_has_minutes_and_stays_small(tmp_path, count, last):
    page = clip_report(recording(count), tmp_path / "page.html").read_text()
    assert f">{last}<" in page and "person 1 video" in page
    assert f"{count} segments" in page
    assert len(page) < 400_000 and "http://" not in page.replace("http://www.w3.org", "")


def test_a_recording_of_one_person_has_no_numbers(tmp_path):
    table = recording(persons=(0,)).drop(columns="person")
    page = clip_report(table, tmp_path / "page.html").read_text()
    assert "person 0" not in page and "<summary>" in page
