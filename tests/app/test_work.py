"""What a child computes, in this process: it is what the library says of the same recording."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.app import work
from multimodal_ser.compute.cache import Cache
from multimodal_ser.tables import EMOTIONS
from multimodal_ser.workflows import inference
from multimodal_ser.workflows.models import load_model
from multimodal_ser.workflows.streaming import Stream

pytestmark = pytest.mark.slow
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "ravdess" / "video" / "Actor_05"


@pytest.fixture(scope="module")
def model():
    return load_model(None)


@pytest.fixture(scope="module")
def film(request) -> Path:
    found = DATA / "01-01-03-01-01-02-05.mp4"
    return found if found.exists() else sorted(request.getfixturevalue("corpus").rglob("*.mp4"))[0]


@pytest.fixture
def uploaded(film, tmp_path):
    """A film as the app keeps it: under a name of ours."""
    path = tmp_path / "7.mp4"
    shutil.copy(film, path)
    return work.Medium(str(path), "<b>my talk.mp4")


class Pipe:
    """A pipe with both ends in one hand: what is received is given beforehand."""

    def __init__(self, *given):
        self.given, self.sent = list(given), []

    def send(self, message):
        self.sent.append(message)

    def recv(self):
        if not self.given:
            raise EOFError
        return self.given.pop(0)


def test_a_reading_is_the_prediction_of_the_file(model, film, uploaded):
    (reading,) = work.readings((uploaded,), model)
    expected, _ = inference.predict(film, model, timeline=True, cache=Cache(None), workers=1)
    columns = ["modality", "frame", "emotion", *EMOTIONS]
    left, right = reading.predictions[columns], expected[columns]
    pd.testing.assert_frame_equal(left, right.reset_index(drop=True), check_dtype=False)
    assert set(reading.predictions["clip"]) == {"<b>my talk.mp4"} and reading.error == ""
    assert reading.duration_s == pytest.approx(expected["time_s"].max(), abs=1.5)


def test_a_broken_film_is_an_error_that_names_it_as_its_user_does(model, uploaded):
    path = Path(uploaded.path)
    path.write_bytes(path.read_bytes()[:3000])
    (reading,) = work.readings((uploaded,), model)
    assert reading.predictions.empty and "<b>my talk.mp4" in reading.error
    assert str(path.parent) not in reading.error


def test_clips_of_a_person_are_heard_beside_each_other(model, film, uploaded, tmp_path):
    other = sorted(film.parent.glob("*.mp4"))[-1]
    second = tmp_path / "8.mp4"
    shutil.copy(other, second)
    media = (uploaded, work.Medium(str(second), "other.mp4"))
    adapted = list(work.readings(media, model, "Ann"))
    (alone,) = work.readings(media[:1], model)
    heard = [one.predictions.query("modality == 'audio'") for one in (adapted[0], alone)]
    assert not np.allclose(heard[0][list(EMOTIONS)], heard[1][list(EMOTIONS)])
    assert [one.name for one in adapted] == ["<b>my talk.mp4", "other.mp4"]
    assert all("adapted to Ann" in note for one in adapted for note in one.predictions["note"])


def test_parts_of_an_answer_come_in_order(model, uploaded, monkeypatch):
    monkeypatch.setattr(work, "_model", lambda name: model)
    monkeypatch.setattr(work, "_warm_up", lambda name: None)
    pipe = Pipe(work.Predict((uploaded,)))
    work.serve(pipe, None)
    kinds = [name for name, _ in pipe.sent if name != "progress"]
    assert kinds == ["ready", "reading", "media", "done"]
    media = dict(pipe.sent)["media"][1]
    assert len(media.peaks) and media.has_image and len(media.boxes) and media.faces


def test_live_rows_are_those_of_a_stream(model, film, monkeypatch):
    from multimodal_ser.audio import signal

    monkeypatch.setattr(work, "_model", lambda name: model)
    monkeypatch.setattr(work, "_warm_up", lambda name: None)
    sound = np.tile(signal.read(film, rate_hz=48000), 2)
    blocks = [sound[at : at + 24000] for at in range(0, len(sound), 24000)]
    fed = [("sound", 48000, one.astype("<f4").tobytes()) for one in blocks]
    pipe = Pipe(work.Live(("audio",)), *fed, ("end",))
    work.serve(pipe, None)
    found = pd.concat([value for name, value in pipe.sent if name == "rows"], ignore_index=True)
    stream = Stream(model, work.WINDOW, modalities=("audio",), name="live")
    parts = [*(stream.feed_sound(one, 48000) for one in blocks), stream.finish()]
    expected = pd.concat([part for part in parts if len(part)], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)
    assert pipe.sent[-1] == ("done", "")


@pytest.mark.parametrize("task", [work.Live(("audio",), "none"), work.Predict((), "none")])
def test_a_model_that_is_not_there_is_a_failure(task, monkeypatch):
    pipe = Pipe(task)
    work.serve(pipe, "none")
    assert [name for name, _ in pipe.sent] == ["ready", "failed"]


def test_an_image_that_is_none_is_a_failure(model, monkeypatch):
    monkeypatch.setattr(work, "_model", lambda name: model)
    monkeypatch.setattr(work, "_warm_up", lambda name: None)
    pipe = Pipe(work.Live(("audio", "video")), ("image", 0.0, b"no jpeg"))
    work.serve(pipe, None)
    assert [name for name, _ in pipe.sent] == ["ready", "listening", "failed"]
