"""The recipe that scores faces of CK+: what counts, and as what."""

import evaluate_ck_plus
import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError
from multimodal_ser.tables import EMOTIONS


@pytest.fixture
def folder(tmp_path):
    labels = ["angry", "contempt", "neutral", "sad"] * 3
    rows = [(f"S{at // 4}_{at}", f"S{at // 4}", label, "tight") for at, label in enumerate(labels)]
    table = pd.DataFrame(rows, columns=["name", "person", "label", "crop"])
    table.to_csv(tmp_path / "labels.csv", index=False)
    images = np.arange(12, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    np.savez(tmp_path / "ck_plus_48.npz", images=images)
    return tmp_path


def test_contempt_is_left_out_with_its_images(folder):
    faces, clips = evaluate_ck_plus.ck_plus(folder)
    assert set(clips["emotion"]) == {"angry", "neutral", "sad"} and clips["actor"].nunique() == 3
    assert faces[:, 0, 0].tolist() == [0, 2, 3, 4, 6, 7, 8, 10, 11]
    (folder / "labels.csv").unlink()
    with pytest.raises(SerError):
        evaluate_ck_plus.ck_plus(folder)


def test_calm_counts_as_neutral_and_is_right_where_neutral_is(folder):
    _, clips = evaluate_ck_plus.ck_plus(folder)
    said = pd.DataFrame(0.05, clips.index, list(EMOTIONS))
    for clip, label in clips["emotion"].items():
        said.loc[clip, "calm" if label == "neutral" else "sad"] = 0.65
    table = evaluate_ck_plus.seven(said)
    assert list(table) == list(evaluate_ck_plus.LABELS)
    np.testing.assert_allclose(table.sum(axis=1), 1)
    row = evaluate_ck_plus.scores("one", table, clips, seed=0)
    assert (row["neutral"], row["sad"], row["angry"]) == (100, 100, 0)
    assert row["images"] == 9 and row["UAR %"].startswith("66.7")
