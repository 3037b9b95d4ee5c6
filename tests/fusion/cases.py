"""Held-out predictions of modalities that know more or less, as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.tables import make_clips

LABELS = ["sad", "happy", "angry"]


def truth_and_tables(n_actors=8, n_each=40, strengths=(2.0, 1.0), seed=0):
    """Clips of actors, and one table a strength: softmax of noise plus the truth."""
    rng = np.random.default_rng(seed)
    rows = [
        {"clip": f"{actor:02d}-{take:03d}", "dataset": "x", "actor": f"{actor:02d}"}
        | {"emotion": LABELS[rng.integers(3)]}
        for actor in range(n_actors)
        for take in range(n_each)
    ]
    clips = make_clips(rows)
    codes = pd.Index(LABELS).get_indexer(clips["emotion"].astype(object))
    tables = {}
    for name, strength in zip(("audio", "video", "text"), strengths, strict=False):
        scores = rng.standard_normal((len(clips), 3))
        scores[np.arange(len(clips)), codes] += strength
        values = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        tables[name] = pd.DataFrame(values, clips.index, LABELS)
    return clips, tables


def folds_of(clips, n_folds=4):
    """Pairs of the clips to fit on and to test; actors dealt out in turn."""
    number = clips["actor"].astype(int) % n_folds
    return [(clips.index[number != fold], clips.index[number == fold]) for fold in range(n_folds)]
