"""The classifier of action units: its copies with errors, and that nobody tested is learnt from."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.tables import EMOTIONS, make_clips
from multimodal_ser.video.features import estimated_action_units as estimated
from multimodal_ser.video.features.openface import ACTION_UNITS

ACTORS = range(1, 25)


def made(folder, *, told: bool):
    """Return clips of all actors, and a table of units; if not ``told``, they say nothing."""
    rows = [
        {"clip": f"ravdess/{a}-{e}-{k}", "actor": f"{a:02}", "dataset": "ravdess", "emotion": e}
        for a in ACTORS
        for e in EMOTIONS
        for k in range(2)
    ]
    clips = make_clips([row | {"audio": f"{row['clip']}.wav"} for row in rows])
    random = np.random.default_rng(0)
    values = random.uniform(1, 3, (len(clips), len(ACTION_UNITS)))
    if told:
        values[:, :8] += 6 * np.eye(8)[clips["emotion"].cat.codes]
    table = pd.DataFrame(values, columns=list(ACTION_UNITS))
    path = folder / "units.csv"
    table.assign(name=clips.index).to_csv(path, sep=";", index=False)
    return clips, path


def test_copies_are_wrong_by_the_errors_of_the_estimate(recipe, tmp_path):
    module = recipe("train_geometry")
    clips, path = made(tmp_path, told=True)
    data = module.taught(clips, str(path), seed=0)
    found = data.inputs[module.LEARNER.key]
    clean = found.take(data.clips.index)
    assert len(data.extra) == module.COPIES * len(clips) and found.names == estimated.names()
    assert data.extra["actor"].tolist() == list(clips["actor"]) * module.COPIES
    off = found.take(data.extra.index).reshape(module.COPIES, *clean.shape) - clean
    np.testing.assert_allclose(off.std(axis=(0, 1)), estimated.errors(), rtol=0.1)


@pytest.mark.parametrize("told", [True, False])
def test_units_that_say_nothing_give_chance(recipe, tmp_path, told):
    """Every clip's copies would give it away, were they learnt from where it is tested."""
    module = recipe("train_geometry")
    clips, path = made(tmp_path, told=told)
    table = module.measured(module.taught(clips, str(path), seed=0), seed=0)
    assert table["intensities"].tolist() == ["published", "with errors"]
    assert ((table["UAR %"] > 90) if told else (table["UAR %"] < 22)).all()
