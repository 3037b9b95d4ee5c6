"""What was not heard, or not seen, has no say."""

import av
import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.audio import extract as audio_extract
from multimodal_ser.audio import signal
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError
from multimodal_ser.tables import make_clips
from multimodal_ser.workflows import inference
from multimodal_ser.workflows.data import extract
from multimodal_ser.workflows.evaluating import evaluate
from multimodal_ser.workflows.recipes import Recipe

RATE_HZ = 16000
QUIET = {"workers": Engine(1, in_process=True), "cache": Cache(None), "progress": False}
TIMES = np.arange(2 * RATE_HZ) / RATE_HZ
NO_VOICE = {
    "silence": np.zeros(2 * RATE_HZ),
    "sine": 0.5 * np.sin(2 * np.pi * 440 * TIMES),
    "noise": np.random.default_rng(0).normal(0, 0.1, 2 * RATE_HZ),
}


@pytest.fixture(scope="module")
def model(stand_in):
    return inference.load_model(stand_in / "ravdess")


@pytest.fixture(scope="module")
def voice(corpus):
    return signal.read(sorted(corpus.rglob("*.wav"))[5], rate_hz=RATE_HZ)


@pytest.fixture(scope="module")
def film(corpus):
    return sorted(corpus.rglob("*.mp4"))[3]


def make_film(path, images, sound):
    """Write images of 25 a second beside a sound at 16 kHz."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("h264", rate=25)
        video.height, video.width = images[0].shape[:2]
        audio = out.add_stream("aac", rate=RATE_HZ, layout="mono")
        for image in images:
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(np.float32(sound)[None], "fltp", "mono")
        frame.rate = RATE_HZ
        out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    return path


def images_of(film):
    with av.open(str(film)) as opened:
        return [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]


def black(count=40):
    return [np.zeros((240, 320, 3), np.uint8)] * count


def emotions(table, modality):
    row = table[table["modality"] == modality].iloc[0]
    return row[list(table.columns[table.columns.get_loc("path") + 1 :][:8])].astype(float)


@pytest.mark.parametrize("sound", NO_VOICE)
def test_a_face_beside_no_voice_answers_alone(model, film, tmp_path, sound):
    path = make_film(tmp_path / "a.mp4", images_of(film), NO_VOICE[sound])
    table, failures = inference.predict(path, model, **QUIET)
    assert failures.empty and set(table["modality"]) == {"video", "fused"}
    assert table["note"].str.startswith("no speech heard").all()
    pd.testing.assert_series_equal(
        emotions(table, "fused"), emotions(table, "video"), check_names=False
    )
    fused = table[table["modality"] == "fused"].iloc[0]
    assert np.isnan(fused["audio_share"]) and fused["video_share"] == pytest.approx(1)


def test_a_voice_beside_black_images_answers_alone(model, voice, tmp_path):
    path = make_film(tmp_path / "a.mp4", black(), voice)
    table, failures = inference.predict(path, model, **QUIET)
    assert set(failures["stage"]) == {"video"} and set(table["modality"]) == {"audio", "fused"}
    assert set(table["note"]) == {"no face found"}
    pd.testing.assert_series_equal(
        emotions(table, "fused"), emotions(table, "audio"), check_names=False
    )


def test_neither_voice_nor_face_is_a_failure(model, tmp_path):
    path = make_film(tmp_path / "a.mp4", black(), NO_VOICE["silence"])
    table, failures = inference.predict(path, model, **QUIET)
    assert table.empty and set(failures["stage"]) == {"video", "speech"}


@pytest.mark.parametrize("sound", [*NO_VOICE, "piece of a voice"])
def test_a_sound_without_speech_is_a_failure_with_its_reason(model, voice, tmp_path, sound):
    middle = len(voice) // 2
    values = NO_VOICE.get(sound, voice[middle : middle + 4800])
    soundfile.write(tmp_path / "a.wav", values, RATE_HZ)
    table, failures = inference.predict(tmp_path / "a.wav", model, **QUIET)
    assert table.empty and failures["stage"].tolist() == ["speech"]
    assert str(tmp_path / "a.wav") in failures["error"].item()


@pytest.fixture
def labelled(voice, tmp_path):
    """Four voices and a silence."""
    rows = []
    for at in range(5):
        path = tmp_path / f"{at}.wav"
        soundfile.write(path, voice * (at < 4), RATE_HZ)
        rows.append({"clip": str(at), "audio": str(path), "actor": str(at)})
        rows[-1] |= {"emotion": ("sad", "happy")[at % 2], "dataset": "x"}
    return make_clips(rows)


def test_training_leaves_out_what_holds_no_speech_and_its_copies(labelled):
    recipe = Recipe(audio="svc", video=None, labels="emotions8", copies=1)
    data = extract(labelled, recipe, **QUIET)
    clips = data.inputs["mfcc_rms"].clips
    assert {clip.split("#")[0] for clip in clips} == {"0", "1", "2", "3"} and len(clips) == 8
    assert data.failures[["clip", "stage"]].to_numpy().tolist() == [["4", "speech"]]


def test_evaluation_counts_it_as_missing(model, labelled):
    run, failures = evaluate(labelled, model, **QUIET)
    assert failures["clip"].tolist() == ["4"] and failures["stage"].tolist() == ["speech"]
    said = {one.name: one.probabilities for one in run.models}["audio"]
    assert said.loc["4"].isna().all() and said.drop("4").notna().all(axis=None)
    with pytest.raises(SerError):
        evaluate(labelled.loc[["4"]], model, **QUIET)


def test_the_sound_is_read_once_and_the_answer_kept(labelled, monkeypatch, tmp_path):
    rates, read = [], signal.read
    monkeypatch.setattr(
        signal, "read", lambda path, rate_hz: rates.append(rate_hz) or read(path, rate_hz=rate_hz)
    )
    how = {"speech_only": True, **QUIET, "cache": Cache(tmp_path / "cache")}
    first = audio_extract.extract_many(labelled, ("mfcc_rms",), **how)
    assert rates == [22050] * 2  # the four voices are one file to the cache
    again = audio_extract.extract_many(labelled, ("mfcc_rms",), **how)
    assert len(rates) == 2
    pd.testing.assert_frame_equal(first[1], again[1])
    np.testing.assert_array_equal(first[0]["mfcc_rms"].values, again[0]["mfcc_rms"].values)
