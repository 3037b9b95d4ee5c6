from functools import partial

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.evaluation import protocol
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import EMOTIONS, make_clips


def corpus():
    rows = [
        {
            "clip": f"{actor:02d}-{emotion}",
            "dataset": "x",
            "actor": f"{actor:02d}",
            "emotion": emotion,
        }
        for actor in range(1, 9)
        for emotion in EMOTIONS
    ]
    return make_clips(rows)


def test_the_test_clips_come_without_labels_and_the_training_clips_without_test_actors():
    clips, seen = corpus(), []

    def fit(train):
        def predict(test):
            assert test["emotion"].isna().all()
            assert not set(test["actor"]) & set(train["actor"])
            seen.extend(test.index)
            table = pd.DataFrame(1 / 8, index=test.index, columns=list(EMOTIONS))
            return {"audio": table}

        return predict

    folds = make_folds(clips, "actors", n_folds=4)
    tables = protocol.run(clips, folds, fit, progress=False)
    assert sorted(seen) == sorted(clips.index) == sorted(tables["audio"].index)


@pytest.mark.parametrize("damage", [None, b"", b"not parquet"])
def test_a_stopped_run_goes_on_with_the_next_fold(tmp_path, damage):
    clips, fitted = corpus(), []
    folds = make_folds(clips, "actors", n_folds=4)

    def fit(train, stop_at=None):
        if len(fitted) == stop_at:
            raise KeyboardInterrupt
        fitted.append(len(train))

        def predict(test):
            values = np.random.default_rng(len(test) + len(train)).dirichlet([1] * 8, len(test))
            return {"audio": pd.DataFrame(values, test.index, list(EMOTIONS))}

        return predict

    with pytest.raises(KeyboardInterrupt):
        stopping = partial(fit, stop_at=2)
        protocol.run(clips, folds, stopping, resume=tmp_path, progress=False)
    if damage is not None:
        next(iter(sorted(tmp_path.glob("*.parquet")))).write_bytes(damage)
    resumed = protocol.run(clips, folds, fit, resume=tmp_path, progress=False)
    assert len(fitted) == 4 + (damage is not None)
    whole = protocol.run(clips, folds, fit, progress=False)
    pd.testing.assert_frame_equal(resumed["audio"], whole["audio"])


def test_a_model_that_knows_nothing_scores_chance():
    clips = corpus()
    table = pd.DataFrame(1 / 8, index=clips.index, columns=list(EMOTIONS))
    values = protocol.summary(table, clips)
    assert values["uar"] == 1 / 8
    assert values["uar_low"] == values["uar_high"] == 1 / 8
