"""Data without recordings: values by clip that say something of the emotion."""

import numpy as np

from multimodal_ser.compute.parallel import Engine
from multimodal_ser.tables import Features, failure_table, make_clips
from multimodal_ser.workflows.data import Data

LABELS = ("happy", "sad", "angry")
#: Everything is computed here: starting a process takes longer than any of these tests.
QUIET = {"workers": Engine(1, in_process=True), "progress": False}


def table_of(clips, values) -> Features:
    """Features of clips, in their order."""
    values = np.float32(values)
    return Features(clips, values, tuple(f"v{at}" for at in range(values.shape[1])))


def sound_and_face(n_actors=6, takes=2, width=60, seed=0) -> Data:
    """Each take of each label by each actor, as sound and as a table of the face."""
    rng = np.random.default_rng(seed)
    rows = [
        {"clip": f"{actor}-{label}-{take}", "dataset": "x", "actor": str(actor), "emotion": label}
        for actor in range(n_actors)
        for label in LABELS
        for take in range(takes)
    ]
    clips, inputs = make_clips(rows), {}
    for name, size in (("mfcc_rms", width), ("action_units", 8)):
        centres = dict(zip(LABELS, rng.standard_normal((3, size)), strict=True))
        means = np.stack([centres[row["emotion"]] for row in rows])
        inputs[name] = table_of(clips.index, means + 1.5 * rng.standard_normal(means.shape))
    return Data(clips, inputs, failure_table([]))
