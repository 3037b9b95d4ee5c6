"""Videos are opened once for a prediction, whose numbers are those of separate readings."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser import Cache
from multimodal_ser.audio import signal
from multimodal_ser.compute import media
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.datasets import synthetic
from multimodal_ser.video import detectors, opened
from multimodal_ser.workflows import inference, videos
from multimodal_ser.workflows.models import load_model

HERE = Engine(in_process=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One drawn actor's eight emotions as mp4 and wav."""
    made = tmp_path_factory.mktemp("corpus")
    how = {"actors": 1, "size": (240, 240), "rate_hz": 16000, "fps": 10, "seconds": 1.2}
    synthetic.make_corpus(made, **how, workers=1, progress=False)
    return made


@pytest.fixture(scope="module")
def mp4s(folder):
    return sorted(folder.rglob("*.mp4"))[:3]


@pytest.fixture(scope="module")
def model():
    return load_model("ravdess")


@pytest.fixture
def openings(monkeypatch):
    """Which files FFmpeg opened, one for each time."""
    names = []

    def counted(path, options=None):
        names.append(path.name)
        return media.open_container(path, options)

    for module in (signal, opened):
        monkeypatch.setattr(module, "open_container", counted)
    return names


def told(result):
    return result.predictions.drop(columns="path"), result.failures


def same(one, other):
    for left, right in zip(told(one), told(other), strict=True):
        pd.testing.assert_frame_equal(left, right, check_exact=True)


def predicted(paths, model, monkeypatch=None, **how):
    how = {"cache": Cache(None), "workers": HERE, "timeline": True, **how}
    if monkeypatch is None:
        return inference.predict(paths, model, **how)
    with monkeypatch.context() as patch:  # each learner reads the videos for itself
        patch.setattr(videos.Wanted, "count", 0)
        return inference.predict(paths, model, **how)


def test_a_video_is_opened_once_and_each_frame_searched_once(mp4s, model, openings, monkeypatch):
    searched, yunet = [], detectors.load("yunet")
    real = yunet.detect
    monkeypatch.setattr(yunet, "detect", lambda gray: searched.append(1) or real(gray))
    predicted(mp4s, model)
    assert openings == [path.name for path in mp4s]
    assert len(searched) == 3  # the first of 12 frames of each


def test_nothing_of_a_prediction_changes(mp4s, model, monkeypatch, openings):
    together = predicted(mp4s, model)
    once = len(openings)
    same(together, predicted(mp4s, model, monkeypatch))
    assert len(openings) > 3 * once
    assert set(together.predictions["modality"]) == {"audio", "video", "fused"}


def test_what_is_in_the_store_is_not_read_again(mp4s, model, tmp_path, openings):
    first = predicted(mp4s, model, cache=Cache(tmp_path))
    openings.clear()
    same(predicted(mp4s, model, cache=Cache(tmp_path)), first)
    # The length alone is asked for.
    assert openings == [path.name for path in mp4s]


def test_damaged_missing_and_silent_videos_among_others(folder, model, tmp_path, monkeypatch):
    whole = sorted(folder.rglob("*.mp4"))
    cut, noise = tmp_path / "cut.mp4", tmp_path / "noise.mp4"
    cut.write_bytes(whole[0].read_bytes()[:-5000])
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    sound = sorted(folder.rglob("*.wav"))[0]
    paths = [whole[0], cut, whole[1], noise, sound]
    together = predicted(paths, model)
    same(together, predicted(paths, model, monkeypatch))
    assert len(together.failures) and together.predictions["clip"].nunique() >= 2


@pytest.mark.parametrize("how", ["window=0.5", "speech", "none"])
def test_segments_of_a_video_have_the_same_numbers(mp4s, model, monkeypatch, how):
    together = predicted(mp4s[:1], model, segments=how)
    same(together, predicted(mp4s[:1], model, monkeypatch, segments=how))


def test_a_job_that_dies_leaves_each_reading_to_itself(mp4s, model, monkeypatch):
    def dies(*_):
        raise RuntimeError("a decoder crashed")

    whole = predicted(mp4s, model)
    monkeypatch.setattr(videos, "_read_one", dies)
    same(predicted(mp4s, model), whole)
