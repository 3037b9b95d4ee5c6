"""A model predicts from other frames than its own where that is asked for."""

import pytest

from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError, UnknownName
from multimodal_ser.video.model import VideoModel
from multimodal_ser.workflows.inference import predict, with_front_end
from multimodal_ser.workflows.models import Model, load_model

UNITS = "estimated_action_units"


@pytest.fixture(scope="module")
def model():
    return Model({"fer_cnn": VideoModel("fer_cnn")})


def frames_of(model, path, **how):
    work = {"cache": Cache(None), "workers": Engine(in_process=True)}
    table, failures = predict(path, model, timeline=True, **how, **work)
    assert failures.empty
    return table["frame"].dropna().tolist()


def test_predict_looks_at_the_frames_asked_for(model, corpus):
    path = sorted(corpus.rglob("01-*.mp4"))[0]
    every = frames_of(model, path, sampling="every=1")
    assert every == list(range(len(every))) and len(every) > 8
    assert frames_of(model, path, sampling="every=4") == every[::4]
    assert frames_of(model, path) == every[::20]  # the model stays as it was
    assert set(frames_of(model, path, sampling="keyframes")) <= set(every)
    assert len(frames_of(model, path, sampling="seconds=0.2")) > len(every[::20])


def test_a_detector_of_ones_own(model):
    other = with_front_end(model, detector="haar")
    assert other.learners["fer_cnn"].params.detector == "haar"
    assert model.learners["fer_cnn"].params.detector == "yunet"
    assert with_front_end(model) is model


def test_what_cannot_be_is_refused_before_anything_is_read(model, stand_in):
    with pytest.raises(UnknownName):
        predict("no-such.mp4", model, detector="none")
    with pytest.raises(SerError):
        predict("no-such.mp4", model, sampling="often")
    with pytest.raises(SerError):
        with_front_end(Model({}), sampling="keyframes")


def test_measures_of_the_face_come_from_the_frames_asked_for(corpus, monkeypatch):
    """The released model's action units are of key frames, too, and so are the others'."""
    from multimodal_ser.video import frames
    from multimodal_ser.workflows.data import measured_front_end

    model = load_model("ravdess")
    changed = with_front_end(model, sampling="keyframes", detector="haar")
    name = next(key for key, one in model.learners.items() if one.input == UNITS)
    asked = measured_front_end(changed.learners[name])
    assert (asked.keyframes_only, asked.every, asked.detector) == (True, None, "haar")
    assert measured_front_end(model.learners[name]).every == 20  # the model stays as it was
    converted, real = [], frames.upright_gray
    monkeypatch.setattr(frames, "upright_gray", lambda one: converted.append(1) or real(one))
    path = sorted(corpus.rglob("01-*.mp4"))[0]
    shown = frames_of(model, path, sampling="keyframes")
    assert len(converted) == len(shown)
