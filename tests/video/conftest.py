"""What the video tests share: a store of drawn pictures, easy to tell apart."""

import numpy as np
import pytest

from multimodal_ser.tables import make_clips
from multimodal_ser.video.extract import ClipFrames, FrameStore

LABELS = ("happy", "sad")


def drawn(label, random, count=4, size=48):
    """Pictures that are bright above for one label and below for the other."""
    pictures = random.integers(0, 90, (count, size, size), dtype=np.uint8)
    half = slice(0, size // 2) if label == "happy" else slice(size // 2, size)
    pictures[:, half] += 120
    return pictures


@pytest.fixture(scope="session")
def separable():
    """A store of 24 clips of 4 frames, and their clips table."""
    random = np.random.default_rng(0)
    rows = [{"clip": f"c{i:02}", "emotion": LABELS[i % 2], "video": "-"} for i in range(24)]
    entries = {row["clip"]: ClipFrames.of_pictures(drawn(row["emotion"], random)) for row in rows}
    return FrameStore(entries), make_clips(rows)
