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


@pytest.fixture(scope="session", autouse=True)
def no_users_cache(tmp_path_factory):
    """Keep features that no test asks to have kept elsewhere out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real recordings beside the checkout, where they are present."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real recordings (../shared/data) are not here")
    return folder


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory) -> Path:
    """A folder that holds a model ``ravdess``, as released ones are laid out.

    Its weights are chance; only its parts are those of a real one.
    """
    import numpy as np
    import pandas as pd

    from multimodal_ser.tables import EMOTIONS, Features, make_clips
    from multimodal_ser.video.model import VideoModel
    from multimodal_ser.workflows.feature_model import FeatureModel
    from multimodal_ser.workflows.inference import Model

    values = np.random.default_rng(0).normal(size=(48, 157)).astype(np.float32)
    rows = [{"clip": f"c{i:02}", "emotion": EMOTIONS[i % 8]} for i in range(len(values))]
    clips = make_clips(rows)
    features = Features(pd.Index(clips.index), values, tuple(f"v{i}" for i in range(157)))
    audio = FeatureModel("mfcc_rms", "ensemble", params={"mlp_params": {"epochs": 3}})
    learners = (audio.fit(features, clips), VideoModel("fer_resnet"))
    model = Model({one.name: one for one in learners})
    models = tmp_path_factory.mktemp("models")
    model.save(models / "ravdess", {"made_of": "chance"}, original=False)
    return models


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """A synthetic corpus of four actors, wav and mp4."""
    from multimodal_ser.datasets import synthetic

    folder = tmp_path_factory.mktemp("corpus")
    synthetic.make_corpus(folder, actors=4, seed=0, progress=False)
    return folder


@pytest.fixture
def fits(monkeypatch) -> list:
    """Every fit of a classifier of features: ``(model, learnt clips, validation clips)``."""
    from multimodal_ser.workflows.feature_model import FeatureModel

    seen, fit = [], FeatureModel.fit

    def spy(self, features, clips, validation=None):
        seen.append((self, clips, validation))
        return fit(self, features, clips, validation)

    monkeypatch.setattr(FeatureModel, "fit", spy)
    return seen
