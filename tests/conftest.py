"""Fixtures every test may use; each says what it is made of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before TensorFlow is imported: two threads suffice for networks this small,
# and tests then take the same time on a larger machine.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real recordings beside the checkout, where they are present."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real recordings (../shared/data) are not here")
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """A synthetic corpus of four actors, wav and mp4."""
    from multimodal_ser import synthetic

    folder = tmp_path_factory.mktemp("corpus")
    synthetic.make_corpus(folder, actors=4, seed=0, progress=False)
    return folder
