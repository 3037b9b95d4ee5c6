"""What is drawn at each moment of a film."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError
from multimodal_ser.video.tracks import Tracks
from multimodal_ser.workflows.annotating import ALONE, Story, annotated


def tracks(*persons, seconds=10):
    """Faces that stand still, 100 pixels apart."""
    times = np.repeat(np.arange(0, seconds, 0.1), len(persons))
    whose = np.tile(np.array(persons, np.int32), seconds * 10)
    box = np.stack([whose * 100.0, 0 * times, 0 * times + 50, 0 * times + 60, 0 * times + 1], 1)
    return Tracks(times, whose, box.astype(np.float32), np.full((len(times), 52), np.nan))


def table(rows):
    made = pd.DataFrame(rows).assign(clip="a", path="a.mp4", second="sad", audio_share=0.0)
    made = made.assign(sad=1 - made["happy"], emotion="happy", confidence=made["happy"])
    order = ["clip", "path", "person", "segment", "start_s", "end_s", "modality", "frame", "time_s"]
    order = [name for name in order if name in made]
    made = made[[*order, "emotion", "second", "confidence", "happy", "sad", "audio_share"]]
    return made.astype({name: "Int64" for name in ("person", "segment", "frame") if name in made})


def test_persons_have_the_bars_of_their_segment_and_the_line_names_who_speaks():
    rows = []
    for segment, speaks in ((0, 1), (1, 0)):
        span = {"segment": segment, "start_s": 4.0 * segment, "end_s": 4.0 * segment + 3}
        rows += [{"modality": "fused", "person": speaks, "happy": 0.75, **span}]
        rows += [
            {"modality": "video", "person": who, "happy": 0.5 + who / 4, **span} for who in (0, 1)
        ]
    story = Story(table(rows), tracks(0, 1))
    now = story.at(1.0)
    assert now.subtitle == "person 1: happy 75%" and set(now.boxes) == {0, 1}
    assert now.bars == {0: {"happy": 0.5, "sad": 0.5}, 1: {"happy": 0.75, "sad": 0.25}}
    assert story.at(3.5).subtitle == "" and story.at(3.5).bars == {}
    assert story.at(5.0).subtitle == "person 0: happy 75%"


def test_one_face_has_no_name_and_follows_the_sampled_frames():
    rows = [{"modality": "fused", "happy": 0.75}, {"modality": "video", "happy": 0.6}]
    rows += [
        {"modality": "video", "happy": 0.1 * at, "frame": at, "time_s": 0.5 * at}
        for at in (0, 1, 2)
    ]
    story = Story(table(rows), tracks(0))
    assert set(story.at(0.7).boxes) == {ALONE}
    assert story.at(0.7).bars[ALONE]["happy"] == pytest.approx(0.1)
    assert story.at(1.0).bars[ALONE]["happy"] == pytest.approx(0.2)
    assert story.at(9.0).bars[ALONE]["happy"] == pytest.approx(0.6)  # the last frame is long ago
    assert story.at(9.0).subtitle == "happy 75%"


def test_only_one_film_is_drawn_on(tmp_path):
    rows = table([{"modality": "fused", "happy": 0.75}])
    with pytest.raises(SerError):
        annotated(rows, tmp_path / "b.mp4")
    both = table([{"modality": "video", "happy": 0.5}] * 2).assign(path=["a.mp4", "b.mp4"])
    with pytest.raises(SerError):
        annotated(both, tmp_path / "b.mp4")
