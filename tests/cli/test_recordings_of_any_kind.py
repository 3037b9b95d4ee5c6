"""What people's folders hold: many formats, sound in video files, other files; wrong requests."""

from fractions import Fraction

import av
import numpy as np
import pandas as pd
import pytest

from multimodal_ser.audio import signal
from multimodal_ser.cli import main, requests
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.datasets import folder as own
from multimodal_ser.tables import failure_table
from multimodal_ser.video.extract import FrameParams
from multimodal_ser.workflows.data import extract_inputs
from multimodal_ser.workflows.recipes import Learner

pytestmark = pytest.mark.usefixtures("any_sound")
#: Ending -> its container as FFmpeg calls it, sound codec and rate in Hz.
KINDS = {
    ".opus": ("opus", "libopus", 48000),
    ".aac": ("adts", "aac", 16000),
    ".wma": ("asf", "wmav2", 16000),
    ".amr": ("amr", "libopencore_amrnb", 8000),
    ".3gp": ("3gp", "aac", 16000),
    ".mts": ("mpegts", "ac3", 48000),
    ".mp4": ("mp4", "aac", 16000),
    ".mka": ("matroska", "flac", 16000),
    ".aiff": ("aiff", "pcm_s16be", 16000),
}


def encode(path, container, codec, rate):
    """Write 1.5 s of a tone of 440 Hz, without images."""
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(int(1.5 * rate)) / rate)).astype(np.float32)
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 12_200 if codec == "libopencore_amrnb" else 64_000
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        to = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate)
        fifo = av.AudioFifo()
        for part in to.resample(frame):
            fifo.write(part)
        stream.codec_context.open()
        size = stream.frame_size or 1024
        while (part := fifo.read(size, partial=True)) is not None:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    place = tmp_path_factory.mktemp("kinds") / "data"
    for at, (ending, how) in enumerate(KINDS.items()):
        if how[1] not in av.codecs_available:
            continue
        path = place / ("low" if at % 2 else "high") / f"{at}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(path, *how)
    (place / "notes.txt").write_text("x")
    (place / "low" / "plan.PDF").write_bytes(b"x")
    return place


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    work = {"cache": Cache(None), "workers": Engine(1, in_process=True), "progress": False}
    monkeypatch.setattr(requests, "work_of", lambda _options: dict(work))


def told(capsys, *words):
    status = main([str(word) for word in words])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_whatever_can_be_decoded_is_found_and_heard(kinds):
    clips = own.index(kinds)
    assert len(clips) == len([k for k in KINDS.values() if k[1] in av.codecs_available])
    for path in clips["audio"]:
        sound = signal.read(path, rate_hz=16000)
        pitch = np.abs(np.fft.rfft(sound)).argmax() * 16000 / len(sound)
        assert abs(pitch - 440) < 10, path
        assert 1.4 < len(sound) / 16000 < 1.8, path


def test_what_is_passed_over_is_counted_by_ending(kinds, capsys):
    status, _, said = told(capsys, "index", kinds)
    assert status == 0 and "2 other file(s): .pdf 1, .txt 1" in said


def test_recordings_of_other_names_are_counted(tmp_path, capsys):
    for name in ("03-01-03-01-01-01-01", "03-01-04-01-01-01-01", "talk"):
        (tmp_path / f"{name}.wav").write_bytes(b"x")
    status, _, said = told(capsys, "index", tmp_path, "--dataset", "ravdess")
    assert status == 0 and "1 of 3 recordings" in said


def test_sound_in_a_video_file_is_a_voice_recording_and_no_failure(kinds, tmp_path):
    clips = own.index(kinds)
    assert clips["video"].notna().sum() >= 2  # by their ending
    learners = [Learner("audio", "mfcc_chroma_mel", "svc"), Learner("video", "frames", "fer_cnn")]
    work = {"cache": Cache(None), "workers": Engine(1, in_process=True), "progress": False}
    params = FrameParams(every=5, crop="frame")
    inputs, failures = extract_inputs(clips, learners, None, lambda _name: params, work)
    assert failures.empty
    assert len(inputs["mfcc_chroma_mel"].clips) == len(clips)
    assert len(inputs["frames:fer_cnn"].clips) == 0


def test_a_model_of_own_formats_trains_and_predicts_without_an_error(kinds, tmp_path, capsys):
    learners = ("--audio", "mfcc_chroma_mel:decision_tree", "--video", "none", "--inner-folds", "2")
    assert told(capsys, "train", kinds, *learners, "--output", tmp_path / "m")[0] == 0
    words = ["predict", kinds, "--model", tmp_path / "m", "--output", tmp_path / "p.csv"]
    status, _, said = told(capsys, *words)
    assert status == 0 and "error" not in said
    assert len(pd.read_csv(tmp_path / "p.csv")["clip"].unique()) == len(own.index(kinds))


def test_only_what_was_not_used_at_all_could_not_be_used(capsys):
    rows = [("a", "a.mp4", "video", "a.mp4: no face"), ("b", "b.wav", "audio", "b.wav: empty")]
    assert requests.say_failures(failure_table(rows), {"a"}) == 1
    said = capsys.readouterr().err
    assert "note: a.mp4" in said and "error: b.wav" in said and "1 file(s)" in said
    assert requests.say_failures(failure_table(rows[:1]), {"a"}) == 0
    assert "could not be used" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["train", "{data}", "--output", "m", "--every", "0"], "0"),
        (["train", "{data}", "--output", "m", "--every-seconds", "0"], "0"),
        (["train", "{data}", "--output", "m", "--epochs", "0"], "--epochs"),
        (["predict", "{data}", "--model", "none", "--report", "x.pdf"], "x.pdf"),
        (["predict", "{data}", "--model", "none", "--failures", "x.doc"], "x.doc"),
        (["predict", "{data}", "--model", "none", "--output", "{file}/p.csv"], "p.csv"),
        (["train", "{data}", "--output", "{file}/deep/m"], "deep"),
        (["report", "{data}", "--output", "x.pdf"], "x.pdf"),
    ],
)
def test_wrong_requests_are_refused_before_any_work(
    kinds, words, named, tmp_path, capsys, monkeypatch
):
    def worked(*_args, **_kwargs):
        raise AssertionError("work was begun")

    for place in ("workflows.inference.load_model", "datasets.index", "evaluation.runs.read_run"):
        monkeypatch.setattr(f"multimodal_ser.{place}", worked)
    monkeypatch.chdir(tmp_path)
    file = kinds / "notes.txt"
    status, _, said = told(capsys, *(word.format(data=kinds, file=file) for word in words))
    assert (status, named in said) == (2, True)
    assert not list(tmp_path.iterdir())


def test_the_endings_that_work_are_all_named(tmp_path):
    (tmp_path / "x.docx").write_bytes(b"x")
    _, (error,) = own.gather([tmp_path / "x.docx"])
    assert all(ending in str(error) for ending in (*KINDS, ".wav", ".webm", ".mov"))
