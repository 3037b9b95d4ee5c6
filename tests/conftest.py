"""Fixtures every test may use; each says what it is made of."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

# Before TensorFlow is imported: two threads suffice for networks this small,
# and tests then take the same time on a larger machine.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")

REPOSITORY = Path(__file__).resolve().parents[1]

# Before numba is: two processes that compile librosa's functions into one folder at
# the same time can leave files there that crash whoever calls them
# (https://github.com/numba/numba/issues/10128).
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["NUMBA_CACHE_DIR"] = str(REPOSITORY / ".pytest_cache" / "numba" / _WORKER)

#: Folders and files of tests that 'make test-fast' leaves out: they train, run whole
#: commands, or start processes and browsers.
SLOW = (
    *("cli/", "export/", "pipelines/", "compute/test_cluster", "compute/test_parallel"),
    *("workflows/test_training", "workflows/test_inner_folds", "workflows/test_former_models"),
    *(
        "workflows/test_benchmarking",
        "workflows/test_corpora",
        "workflows/test_extra_training",
        "workflows/test_feature_model",
    ),
    *("workflows/test_inference", "workflows/test_published", "workflows/test_adapting"),
    *("video/test_model", "video/test_classifiers", "video/test_backbones", "video/test_frames"),
    *("video/test_extract", "video/test_batches", "audio/test_classifiers", "reports/test_html"),
    *("estimators/test_keras_classifier", "test_safety", "test_packaging", "datasets/test_synth"),
    "test_light_install",
    *("download/test_fetch", "download/test_ravdess_download"),
    *("workflows/test_scikit", "estimators/test_scikit_learn_checks"),
)
#: Those that 'make test' leaves out too.
LONG = ("robustness/",)


def pytest_collection_modifyitems(items):
    tests = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(tests):
            place = item.path.relative_to(tests).as_posix()
            marks = (("slow", SLOW), ("long", LONG))
            for mark in (mark for mark, places in marks if place.startswith(places)):
                item.add_marker(mark)


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
    """A synthetic corpus of four actors, wav and mp4: one for all processes of a run."""
    from multimodal_ser.datasets import synthetic

    mine = tmp_path_factory.getbasetemp()
    folder = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "corpus"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        synthetic.make_corpus(folder, actors=4, seed=0, progress=False)  # keeps what is there
    return folder


@pytest.fixture(scope="module")
def any_sound():
    """Let tones and pieces of sound pass for speech, in files of tests that learn from them."""
    from multimodal_ser.audio import speech

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speech, "THRESHOLD", float("-inf"))
        patch.setattr(speech, "SHORTEST_SECONDS", 0.0)
        yield


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


def pytest_addoption(parser):
    parser.addoption("--fuzz-cases", type=int, default=300, help="damaged files per format")


@pytest.fixture
def fuzz_cases(request) -> int:
    """How many damaged files of each format are tried."""
    return request.config.getoption("--fuzz-cases")
