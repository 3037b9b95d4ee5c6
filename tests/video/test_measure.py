"""What is measured in faces: means of a clip are those of its frames, of a segment of its own."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.compute.cache import Cache
from multimodal_ser.tables import make_clips
from multimodal_ser.video import measure
from multimodal_ser.video.extract import FrameParams
from multimodal_ser.video.features import estimated_action_units as units

PARAMS = FrameParams(every=20, crop="face", detector="yunet")


@pytest.fixture
def film(monkeypatch):
    """Frames a second apart; no face in the last two."""
    values = np.arange(6, dtype=np.float32)[:, None] * np.ones((6, 17), np.float32)
    values[4:] = np.nan
    monkeypatch.setattr(measure, "measured", lambda *_: (np.arange(6.0), values))
    return values


def test_a_clip_is_summarised_over_its_frames(film):
    clips = make_clips([{"clip": "a", "video": "a.mp4"}, {"clip": "b"}])
    found, failures = measure.extract(
        clips, units.NAME, PARAMS, cache=Cache(None), workers=1, progress=False
    )
    assert found.clips.tolist() == ["a"] and failures.empty
    np.testing.assert_array_equal(found.values[0], units.summarise(film))


def test_a_segment_has_the_frames_from_its_start_to_before_its_end(film):
    spans = pd.DataFrame({"start_s": [0.0, 2.0, 4.0], "end_s": [2.0, 5.0, 6.0]}, ["x", "y", "z"])
    found = measure.extract_spans("a.mp4", units.NAME, PARAMS, spans, cache=Cache(None))
    assert found.clips.tolist() == ["x", "y"]  # nobody is seen in the third
    np.testing.assert_allclose(found.values[:, 0] ** 2, [0.5, 2.5], rtol=1e-6)
