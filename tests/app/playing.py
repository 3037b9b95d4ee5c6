"""What tests of the app play with: children that only play, a crew that does nothing, tables."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pandas as pd

from multimodal_ser.tables import EMOTIONS

#: More than any of this takes on a machine with much else to do, in seconds.
PATIENCE_S = 120


def until(true, patience_s: float = PATIENCE_S):
    """Wait until a function returns something true; return that."""
    end = time.monotonic() + patience_s
    while not (found := true()):
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.02)
    return found


def play(pipe, model):
    """Stand in for ``work.serve``: tasks are tuples that say what to do."""
    with contextlib.suppress(EOFError):
        pipe.send(("ready", None))
        while (task := pipe.recv())[0] != "die":
            pipe.send(played(pipe, *task))


def played(pipe, kind, value):
    if kind == "sleep":
        pipe.send(("progress", ("sleeping", 1.0, 9.0)))
        time.sleep(value)
    if kind == "listen":
        pipe.send(("listening", None))
        while (heard := pipe.recv()) != ("end",):
            pipe.send(("heard", heard))
    if kind == "fail":
        return "failed", value
    pipe.send(("said", value))
    return "done", ""


def listen(pipe, model):
    """Stand in for ``work.serve`` of live streams."""
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(("listening", pipe.recv().modalities))
            while pipe.recv() != ("end",):
                pass
            pipe.send(("done", ""))


class Idle:
    """Takes jobs, and does none."""

    def __init__(self):
        self.jobs, self.stopped = [], []

    def submit(self, job):
        self.jobs.append(job)
        return job

    def stop(self, job):
        self.stopped.append(job)

    def stop_all(self, owner):
        self.stopped += [job for job in self.jobs if job.owner == owner]


def predictions(name: str, segments: int = 0) -> pd.DataFrame:
    """Predictions as ``inference.predict`` gives them with a timeline."""
    rng = np.random.default_rng(len(name))
    rows = []
    for modality in ("audio", "video", "fused"):
        spans = [(pd.NA, 0.0, 8.0 * max(segments, 1))]
        spans += [(at, 8.0 * at, 8.0 * at + 6) for at in range(segments)]
        for number, start_s, end_s in spans:
            values = rng.dirichlet(np.ones(8))
            first, second = np.argsort(-values)[:2]
            row = {"clip": name, "path": name, "segment": number, "start_s": start_s}
            row |= {"end_s": end_s, "modality": modality, "frame": pd.NA, "time_s": np.nan}
            row |= {"emotion": EMOTIONS[first], "second": EMOTIONS[second]}
            row |= {"confidence": values[first], **dict(zip(EMOTIONS, values, strict=True))}
            rows.append(row | {"novelty": 0.5, "note": ""})
    table = pd.DataFrame(rows).astype({"segment": "Int64", "frame": "Int64"})
    return table if segments else table.drop(columns=["segment", "start_s", "end_s"])
