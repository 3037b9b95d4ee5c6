"""The page of many clips: overview, failures, where recordings are played from."""

import base64
import re

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError
from multimodal_ser.reports import clips, consent
from multimodal_ser.reports.clips import About
from multimodal_ser.reports.html import clip_report
from multimodal_ser.reports.player import Media

LABELS = ["happy", "sad"]


def predictions(count=3, folder="/home/me", seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        {"clip": f"c{at}", "path": f"{folder}/c{at}.wav", "modality": name, "happy": rng.random()}
        for at in range(count)
        for name in ("audio", "fused")
    ]
    table = pd.DataFrame(rows)
    table = table.assign(sad=1 - table["happy"], note="")
    table["emotion"] = np.where(table["happy"] >= 0.5, "happy", "sad")
    table["confidence"] = table[LABELS].max(axis=1)
    return table


def test_an_overview_says_what_is_said_last():
    table = predictions()
    table.loc[table["clip"] == "c1", "note"] = "8 kHz recording"
    found = clips.overview(table, LABELS)
    assert found["head"] == ["clip", "fused", "sure, %", "audio", "note"]
    fused = table[table["modality"] == "fused"].set_index("clip")
    for row in found["rows"]:
        told = dict(zip(found["head"][1:], row["cells"], strict=True))
        assert told["fused"][0] == fused.loc[row["clip"], "emotion"]
        assert told["sure, %"][1] == pytest.approx(fused.loc[row["clip"], "confidence"], abs=1e-4)
        assert (told["note"][0] == "8 kHz recording") == (row["clip"] == "c1")


def test_segments_and_frames_are_no_verdict():
    table = predictions(1).assign(segment=pd.NA, start_s=0.0, end_s=9.0)
    part = table.assign(segment=0, end_s=3.0, happy=1.0, sad=0.0, emotion="happy", confidence=1.0)
    whole = clips.overview(pd.concat([table, part], ignore_index=True), LABELS)
    assert whole == clips.overview(table, LABELS)
    assert "0:09" in [cell[0] for cell in whole["rows"][0]["cells"]]


def test_all_labels_in_a_set_rule_nothing_out():
    table = predictions(1).assign(set=["happy|sad", "sad"])
    tiles = clips.clip("c0", table, LABELS, Media())["tiles"]
    assert [tile["left"] for tile in tiles] == ["none is ruled out", "sad"]


def test_a_page_names_the_model_its_limits_and_what_failed(tmp_path):
    failures = pd.DataFrame(
        [("x", "/home/me/<x>.wav", "audio", "/home/me/<x>.wav: it is empty; copy it again")],
        columns=["clip", "path", "stage", "error"],
    )
    about = About("mine", {"Not for": "Decisions.\n\n<b>"})
    page = clip_report(predictions(), tmp_path / "p.html", failures=failures, about=about)
    text = page.read_text(encoding="utf-8")
    for said in ("mine", "Decisions.", "&lt;b&gt;", "&lt;x&gt;.wav: it is empty", about.date):
        assert said in text
    for sentence in (consent.CONSENT, consent.LIMITS):
        assert sentence in text
    assert "/home/me" not in text


def test_recordings_are_played_from_where_they_are(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a b#1.wav", "<script>.wav"):
        (tmp_path / "in" / name).write_bytes(b"sound")
        near = clips.placed(Media(), str(tmp_path / "in" / name), tmp_path / "p.html", embed=False)
        away = tmp_path / "out" / "p.html"
        far = clips.placed(Media(), str(tmp_path / "in" / name), away, embed=False)
        assert not re.search(r"[ #<>]", near.url + far.url)
        assert near.url.startswith("in/") and far.url == "../" + near.url
        assert far.other_url == near.url.removeprefix("in/")


def test_a_lost_recording_is_said_to_be_lost(tmp_path):
    found = clips.placed(Media(), "/home/me/talk.wav", tmp_path / "p.html", embed=True)
    assert not found.url and "talk.wav" in found.note and "/home" not in found.note
    other = clips.placed(Media(note="x"), "/home/me/talk.wav", tmp_path / "p.html", embed=False)
    assert other.note == "x"


@pytest.mark.parametrize(("ending", "tag"), [(".mp4", "<video "), (".ogg", "<audio ")])
def test_a_page_made_of_predictions_alone_plays_them_too(tmp_path, ending, tag):
    (tmp_path / f"c0{ending}").write_bytes(b"media")
    table = predictions(1).assign(path=str(tmp_path / f"c0{ending}"))
    text = clip_report(table, tmp_path / "p.html").read_text(encoding="utf-8")
    assert f'{tag}src="c0{ending}"' in text


def test_an_embedded_recording_is_in_the_page_byte_for_byte(tmp_path):
    content = np.random.default_rng(0).bytes(5000)
    for at in range(3):
        (tmp_path / f"c{at}.wav").write_bytes(content)
    table = predictions(folder=str(tmp_path))
    text = clip_report(table, tmp_path / "p.html", embed=True).read_text(encoding="utf-8")
    found = re.findall(r'src="data:audio/[^;]+;base64,([^"]+)"', text)
    assert [base64.b64decode(one) for one in found] == [content] * 3


def test_too_much_to_embed_is_refused_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "EMBEDDED_MB", 0.012)
    for at in range(3):
        (tmp_path / f"c{at}.wav").write_bytes(bytes(5000))
    clips.check_embeddable([tmp_path / "c0.wav", tmp_path / "c1.wav", tmp_path / "c1.wav"])
    with pytest.raises(SerError):
        clip_report(predictions(folder=str(tmp_path)), tmp_path / "p.html", embed=True)
    assert not (tmp_path / "p.html").exists()


def test_clips_are_made_one_at_a_time_while_the_page_is_written(tmp_path):
    asked = []

    def media(rows):
        asked.append(rows["clip"].iloc[0])
        return Media(peaks=np.tile([[-0.5, 0.5]], (100, 1)), length_s=3)

    sizes = [
        clip_report(predictions(n), tmp_path / f"{n}.html", media=media).stat().st_size
        for n in (100, 200, 300)
    ]
    assert asked[:100] == [f"c{at}" for at in range(100)] and len(asked) == 600
    assert sizes[2] - sizes[1] == pytest.approx(sizes[1] - sizes[0], rel=0.05)
    assert (sizes[2] - sizes[1]) / 100 < 12_000


def test_what_stops_the_work_leaves_no_half_page(tmp_path):
    def media(rows):
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        clip_report(predictions(), tmp_path / "p.html", media=media)
    assert list(tmp_path.iterdir()) == []
