"""What published systems ask of the stack: fixed parameters, spaces, no inner folds."""

import numpy as np
import pytest

from multimodal_ser.tables import EMOTIONS, Features, failure_table, make_clips
from multimodal_ser.workflows import training
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.recipes import Learner, Recipe


@pytest.fixture
def data():
    rows = [
        {"clip": f"{actor}-{take}", "actor": str(actor), "dataset": "x", "emotion": EMOTIONS[k]}
        for actor in range(4)
        for take, k in enumerate((0, 1, 2) * 2)
    ]
    clips = make_clips(rows)
    values = np.random.default_rng(0).normal(size=(len(clips), 4)).astype(np.float32)
    values[:, 0] += 3 * clips["emotion"].cat.codes
    features = Features(clips.index, values, tuple("abcd"))
    return Data(clips, {"mfcc_rms": features}, failure_table([]))


def recipe(*, inner_folds, **more):
    learner = Learner("audio", "mfcc_rms", "decision_tree", **more)
    return Recipe(audio=(learner,), video=None, inner_folds=inner_folds)


def test_a_learners_own_parameters_are_kept_where_nobody_is_held_out(data):
    given = recipe(inner_folds=4, params={"max_depth": 2})
    train = data.clips[data.clips["actor"] == "0"]
    found = training.cross_fit(
        given.audio[0], data, train, training.inner_folds(train, given), given, progress=False
    )
    assert found.params == {"max_depth": 2}
    assert found.table.empty
