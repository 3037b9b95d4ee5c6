"""Conversations made of clips: the truth is where the sound is, and errors are what they are."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.datasets import synthetic


def test_true_segments_are_where_the_sound_is(recipe, tmp_path, monkeypatch):
    made = recipe("conversations")
    monkeypatch.setattr(made, "NOISE_DB", (200.0, 200.0))
    rows, rng = [], np.random.default_rng(0)
    for at in range(3):
        tone = 0.3 * np.sin(np.arange(16000 * (at + 1)) / 9)
        silence = np.zeros(int(rng.uniform(0.2, 1) * 16000))
        soundfile.write(tmp_path / f"{at}.wav", np.concatenate([silence, tone, silence]), 16000)
        rows.append({"clip": str(at), "audio": str(tmp_path / f"{at}.wav")})
    truth = made.conversation(pd.DataFrame(rows).set_index("clip"), tmp_path / "talk.wav", rng)
    sound, rate = soundfile.read(tmp_path / "talk.wav")
    loud = np.flatnonzero(np.diff(np.abs(sound) > 0.01, prepend=False, append=False))
    # Between tones lie at least 0.2 s, between the swings of one far less.
    edges = [loud[0], *loud[1:][np.diff(loud) > 3000], *loud[:-1][np.diff(loud) > 3000], loud[-1]]
    given = np.sort(truth[["start_s", "end_s"]].to_numpy().ravel())
    np.testing.assert_allclose(
        np.sort(edges) / rate, given, atol=0.04
    )  # a loud moment is 50 ms long


def test_what_is_found_is_matched_by_what_it_covers(recipe):
    columns = ["start_s", "end_s"]
    truth = pd.DataFrame([[0, 2], [3, 5], [6, 7], [9, 10.0]], columns=columns)
    found = pd.DataFrame([[0.1, 2.2], [2.9, 7.0], [20, 21.0]], columns=columns)
    table = recipe("conversations").matched(truth, found)
    assert table["found"].tolist() == [0, 1, 1, -1]
    assert table["joined"].tolist() == [False, True, True, False]
    assert table.loc[0, ["start_error_s", "end_error_s"]].tolist() == pytest.approx([0.1, 0.2])
    assert table["overlap"].tolist() == pytest.approx([1.9 / 2.2, 2 / 4.1, 1 / 4.1, 0])


def test_an_emotion_lasts_where_it_is_to(recipe, tmp_path):
    made = recipe("conversations")
    how = {"actors": 3, "rate_hz": 16000, "video": False, "workers": 1, "progress": False}
    synthetic.make_corpus(tmp_path, **how)
    from multimodal_ser.datasets import ravdess

    clips = ravdess.index(tmp_path)
    some = made.drawn(clips, 6, True, np.random.default_rng(0))
    assert some["actor"].nunique() == 1 and some.index.is_unique and len(some) == 6
    assert made.drawn(clips, 6, False, np.random.default_rng(0))["actor"].nunique() > 1
