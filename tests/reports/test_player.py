"""The fragment of a clip: what stands in it, and that names from files stay text."""

import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.reports import player
from multimodal_ser.reports.player import Media

LABELS = ["happy", "sad"]
HOSTILE = '"><script>window.hacked=1</script>'


class Tags(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.found.append((name, dict(attributes)))

    def of(self, name):
        return [attributes for tag, attributes in self.found if tag == name]

    def with_class(self, name):
        return [a for _, a in self.found if name in (a.get("class") or "").split()]


def table(happy=(0.25, 0.75), length_s=4.0):
    """Segments of equal length."""
    starts = np.linspace(0, length_s, len(happy), endpoint=False)
    rows = pd.DataFrame({"clip": "c", "modality": "fused", "happy": happy, "start_s": starts})
    rows = rows.assign(sad=1 - rows["happy"], end_s=starts + length_s / len(happy))
    return rows.assign(segment=pd.array(range(len(rows)), dtype="Int64"))


def boxes(count, person=None):
    times = np.arange(count) / 15
    return pd.DataFrame({"time_s": times, "person": person, "x": 0.5, "y": 0, "w": 0.25, "h": 1})


def test_what_is_read_out_is_the_most_probable_label():
    lane = Tags(player.clip_fragment(table(), LABELS)).with_class("lane")[0]
    assert json.loads(lane["data-said"]) == {
        "labels": LABELS,
        "from": [0, 2],
        "to": [2, 4],
        "label": [1, 0],
        "percent": [75, 75],
    }


def test_names_from_files_are_text_and_run_nothing():
    rows = table().rename(columns={"happy": HOSTILE})
    media = Media(url=HOSTILE, other_url=HOSTILE, has_image=True, note=HOSTILE)
    made = Tags(player.clip_fragment(rows, [HOSTILE, "sad"], media))
    assert not made.of("script")
    assert made.of("video")[0]["src"] == HOSTILE
    assert HOSTILE in json.loads(made.with_class("lane")[0]["data-said"])["labels"]


def test_without_a_place_there_is_no_player_and_the_lanes_are_there():
    made = Tags(player.clip_fragment(table(), LABELS))
    assert not made.of("video") and not made.of("audio") and len(made.with_class("lane")) == 1


def test_a_recording_is_as_long_as_its_file_says():
    made = Tags(player.clip_fragment(table(), LABELS, Media(length_s=8)))
    assert made.with_class("clip-player")[0]["data-length"] == "8.000"
    assert made.of("path")[0]["d"].startswith("M0 0h250")


def test_persons_have_their_lanes_and_their_boxes():
    rows = table().assign(modality="video", person=pd.array([0, 1], dtype="Int64"))
    seen = pd.concat([boxes(3, 0), boxes(2, 1)])
    made = Tags(player.clip_fragment(rows, LABELS, Media("a.mp4", has_image=True, boxes=seen)))
    found = json.loads(made.with_class("clip-player")[0]["data-boxes"])
    assert {who: len(rows) for who, rows in found.items()} == {"0": 3, "1": 2}
    assert [a["data-person"] for a in made.with_class("lane")] == ["0", "1"]


def test_a_long_recording_keeps_boxes_from_all_over_it():
    found = json.loads(player.boxes_json(boxes(10 * player.MOST_BOXES)))[""]
    times = [row[0] for row in found]
    assert len(found) <= player.MOST_BOXES and times == sorted(times)
    assert times[-1] > 0.99 * 10 * player.MOST_BOXES / 15


def test_a_face_that_was_not_found_has_no_box():
    assert player.boxes_json(boxes(3).assign(x=np.nan)) in ("", "{}")
    assert player.boxes_json(None) == ""


@pytest.mark.parametrize("loud", [1.0, 0.01])
def test_a_waveform_fills_its_lane_however_loud_it_is(loud):
    peaks = loud * np.array([[-1.0, 0.5], [0.0, 0.0], [-0.5, 1.0]])
    numbers = player.wave_path(peaks)[1:-1].replace("L", " ").split()
    heights = [int(number) for number in numbers[1::2]]
    assert min(heights) == 0 and max(heights) == 100 and len(heights) == 6


def test_a_policy_names_the_script_as_browsers_do():
    import base64
    import hashlib

    for script in (player.PLAYER, player.OVERVIEW):
        kind, _, digest = script.hash.partition("-")
        assert kind == "sha256"
        assert base64.b64decode(digest) == hashlib.sha256(script.text.encode()).digest()
        assert "</script" not in script.text
