"""The verbs of the command, a file each: ``add`` describes one, ``run`` does it."""

from __future__ import annotations

#: In the order in which help lists them.
NAMES = (
    "download",
    "index",
    "validate",
    "extract",
    "train",
    "benchmark",
    "evaluate",
    "report",
    "predict",
    "app",
    "demo",
    "completion",
)
