import pandas as pd

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

    def fit(train, validation):
        def predict(test):
            assert test["emotion"].isna().all()
            assert not set(test["actor"]) & (set(train["actor"]) | set(validation["actor"]))
            seen.extend(test.index)
            table = pd.DataFrame(1 / 8, index=test.index, columns=list(EMOTIONS))
            return {"audio": table}

        return predict

    folds = make_folds(clips, "actors", n_folds=4, validation_share=0.3)
    tables = protocol.run(clips, folds, fit, progress=False)
    assert sorted(seen) == sorted(clips.index) == sorted(tables["audio"].index)


def test_a_model_that_knows_nothing_scores_chance():
    clips = corpus()
    table = pd.DataFrame(1 / 8, index=clips.index, columns=list(EMOTIONS))
    values = protocol.summary(table, clips)
    assert values["uar"] == 1 / 8
    assert values["uar_low"] == values["uar_high"] == 1 / 8
