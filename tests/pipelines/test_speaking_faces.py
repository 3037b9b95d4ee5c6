"""Pairings of films and films of films: what is counted, and where things are."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.audio import signal
from multimodal_ser.video.frames import iter_frames


def test_a_name_is_right_only_where_that_side_speaks(recipe):
    rows = [(0, 0), (0, 1), (1, None), (None, None), (None, 1)]
    table = pd.DataFrame(rows, columns=["side", "named"], dtype=float).assign(scores=[{0: 0.5}] * 5)
    found = recipe("speaking_faces").counted(table)
    assert (found["pairings"], found["right face"]) == (5, "1")
    assert (found["a wrong face"], found["none"]) == (2, 2)


def test_a_film_is_repeated_without_a_gap(recipe, tmp_path):
    films = recipe("_films")
    images = [np.full((64, 96), 10 * at, np.uint8) for at in range(20)]
    tone = 0.1 * np.sin(np.arange(16000) / 9).astype(np.float32)
    part = films.write(tmp_path / "part.mp4", images, tone, 16000)
    whole = films.repeated(part, tmp_path / "whole.mp4", 3.0)
    times = [frame.time_s for frame in iter_frames(whole, every=1)]
    assert times[-1] >= 2.5 and np.diff(times).min() > 0
    # Sound that is longer than the images leaves them waiting.
    assert np.diff(times).max() < 0.5
    assert len(signal.read(whole, rate_hz=16000)) / 16000 == pytest.approx(times[-1], abs=0.6)


def test_an_utterance_is_found_in_its_clip(recipe):
    made, rng = recipe("conversations"), np.random.default_rng(0)
    silence = np.zeros(16000)
    noise = 0.3 * rng.standard_normal(20000)
    sound = np.concatenate([silence, noise, silence]).astype(np.float32)
    assert made.spoken(sound) == pytest.approx((1.0, 2.25), abs=0.05)
