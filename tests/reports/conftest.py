"""Runs with known content: three speakers or so, eight labels, and names that bite."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.evaluation.runs import Run, RunModel
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.tables import EMOTIONS, make_clips

HOSTILE = ("<script>window.hacked=1</script>", "../../x", '"><img src=x onerror=hack()>', "a$b$")


def build_clips(actors=3, emotions=EMOTIONS, names=()):
    rows = [
        {
            "clip": f"set/{actor:02d}-{emotion}-{take}",
            "dataset": "set",
            "emotion": emotion,
            "actor": f"{actor:02d}",
            "sex": "female" if actor % 2 else "male",
        }
        for actor in range(actors)
        for emotion in emotions
        for take in range(2)
    ]
    for row, name in zip(rows, names, strict=False):
        row["clip"] = name
    return make_clips(rows)


def build_table(clips, skill, seed, labels=EMOTIONS):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(len(clips), len(labels)))
    codes = [list(labels).index(emotion) for emotion in clips["emotion"]]
    scores[np.arange(len(clips)), codes] += skill
    values = np.exp(scores)
    return pd.DataFrame(values / values.sum(axis=1, keepdims=True), clips.index, list(labels))


@pytest.fixture
def make_run():
    def build(actors=3, emotions=EMOTIONS, names=(), model_names=("ear", "eye"), **options):
        clips = build_clips(actors, emotions, names)
        folds = "fold-" + clips["actor"].astype(object)
        tables = {
            "audio": build_table(clips, 2.0, 0),
            "video": build_table(clips, 1.0, 1),
        }
        tables["video"].iloc[::5] = np.nan
        parts = dict(zip(tables, model_names, strict=True))
        models = [RunModel(parts[m], m, table, folds) for m, table in tables.items()]
        fused = Fuser("mean")(tables).loc[clips.index]
        models.append(RunModel("both", "fused", fused, folds, parts, 1.5))
        settings = {"title": "A test", "protocol": "leave_one_actor_out", "seed": 3} | options
        return Run(clips=clips, models=tuple(models), **settings)

    return build


@pytest.fixture
def hostile_run(make_run):
    return make_run(
        names=HOSTILE, model_names=(HOSTILE[0], HOSTILE[2]), title=HOSTILE[0], command=HOSTILE[2]
    )
