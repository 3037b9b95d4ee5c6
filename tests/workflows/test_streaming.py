"""What comes piece by piece is predicted as the file of it."""

import av
import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.audio import signal
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError
from multimodal_ser.tables import EMOTIONS
from multimodal_ser.video.frames import iter_frames
from multimodal_ser.workflows import inference
from multimodal_ser.workflows.streaming import Stream

RATE_HZ = 44100
QUIET = {"workers": Engine(1, in_process=True), "cache": Cache(None), "progress": False}
COLUMNS = ["segment", "start_s", "end_s", "modality", "emotion", "confidence", "face_rate", "note"]

pytestmark = pytest.mark.usefixtures("any_sound")


@pytest.fixture(scope="module")
def model(stand_in):
    return inference.load_model(stand_in / "ravdess")


@pytest.fixture(scope="module")
def talk(corpus, tmp_path_factory):
    """Voices of 7 s at 44.1 kHz, and their file."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    paths = sorted(corpus.rglob("*.wav"))[:4]
    sound = np.concatenate([signal.read(one, rate_hz=RATE_HZ) for one in paths])
    soundfile.write(path, sound, RATE_HZ, subtype="FLOAT")
    return path, sound


def fed(stream, sound, cuts):
    parts = [stream.feed_sound(part, RATE_HZ) for part in np.split(sound, cuts)]
    return pd.concat([*parts, stream.finish()], ignore_index=True)


def of_file(path, model, **how):
    table, failures = inference.predict(path, model, **how, **QUIET)
    assert failures.empty
    return table[table["segment"].notna()].reset_index(drop=True)


def same(stream, file):
    pd.testing.assert_frame_equal(stream[COLUMNS], file[COLUMNS], atol=1e-5, check_dtype=False)
    labels = list(EMOTIONS)
    np.testing.assert_allclose(stream[labels].astype(float), file[labels].astype(float), atol=1e-5)


@pytest.mark.parametrize("windows", ["window=2,hop=0.7", "window=1.5"])
@pytest.mark.parametrize("cuts", [[], list(range(5000, 300_000, 4999))])
def test_windows_of_sound_are_the_files(model, talk, windows, cuts):
    cuts = [cut for cut in cuts if cut < len(talk[1])]
    stream = Stream(model, windows, modalities=("audio",))
    same(fed(stream, talk[1], cuts), of_file(talk[0], model, segments=windows))


def test_a_row_comes_as_soon_as_its_window_is_over(model, talk):
    stream = Stream(model, "window=2,hop=1", modalities=("audio",))
    assert stream.feed_sound(talk[1][: 2 * RATE_HZ - 1], RATE_HZ).empty
    rows = stream.feed_sound(talk[1][2 * RATE_HZ - 1 : 2 * RATE_HZ], RATE_HZ)
    assert rows["segment"].unique().tolist() == [0]
    assert stream.feed_sound(talk[1][2 * RATE_HZ : 3 * RATE_HZ - 1], RATE_HZ).empty


def test_old_sound_is_dropped(model):
    stream = Stream(model, "window=1", modalities=("audio",))
    rng = np.random.default_rng(0)
    for _ in range(40):
        stream.feed_sound(rng.normal(0, 0.1, RATE_HZ // 2).astype("f4"), RATE_HZ)
        assert len(stream._sound) <= 1.6 * RATE_HZ


def test_smoothing_from_the_past_is_the_files(model, talk):
    how = {"segments": "window=2,hop=0.7", "smoothing": "4,causal"}
    stream = Stream(model, modalities=("audio",), **how)
    same(fed(stream, talk[1], [100_000, 222_222]), of_file(talk[0], model, **how))


def test_sound_and_images_are_the_films(model, corpus, tmp_path):
    """Lossless, so that the stream is fed what the file holds."""
    with av.open(str(sorted(corpus.rglob("*.mp4"))[3])) as opened:
        images = [frame.to_ndarray(format="gray") for frame in opened.decode(video=0)] * 3
    sound = np.random.default_rng(0).normal(0, 0.1, len(images) * 640).astype("f4")
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        video = out.add_stream("ffv1", rate=25)
        video.height, video.width = images[0].shape
        video.pix_fmt = "gray"
        audio = out.add_stream("pcm_f32le", rate=16000, layout="mono")
        for image in images:
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        out.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(sound[None], "flt", "mono")
        frame.rate = 16000
        out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    frames = list(iter_frames(tmp_path / "a.mkv", every=1))
    np.testing.assert_array_equal(frames[7].gray, images[7])
    stream, rows = Stream(model, "window=1.5,hop=0.5"), []
    for at, frame in enumerate(frames):
        rows.append(stream.feed_frame(frame.gray, frame.time_s))
        rows.append(stream.feed_sound(sound[at * 640 : (at + 1) * 640], 16000))
    got = pd.concat([*rows, stream.finish()], ignore_index=True)
    same(got, of_file(tmp_path / "a.mkv", model, segments="window=1.5,hop=0.5"))
    assert set(got["modality"]) == {"audio", "video", "fused"}


@pytest.mark.real_data
def test_utterances_are_the_files(shared_data, tmp_path):
    clips = sorted((shared_data / "ravdess" / "original_wav").rglob("*.wav"))[:5]
    sound = np.concatenate([signal.read(clip, rate_hz=RATE_HZ) for clip in clips])
    sound += np.random.default_rng(0).normal(0, 1e-4, len(sound)).astype("f4")
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ, subtype="FLOAT")
    model = inference.load_model()
    stream = Stream(model, "speech", modalities=("audio",))
    got = fed(stream, sound, range(3000, len(sound), 3000))
    file = of_file(tmp_path / "a.wav", model, segments="speech")
    assert file["segment"].nunique() == 5
    same(got, file)
    assert len(stream._sound) < 12 * RATE_HZ


@pytest.mark.real_data
def test_all_that_the_released_model_sees_in_a_film_is_in_the_stream(shared_data):
    path = min((shared_data / "ravdess/video/Actor_05").glob("02-*.mp4"))
    model = inference.load_model("ravdess")
    stream = Stream(model, "window=1.5,hop=0.5", modalities=("video",))
    rows = [stream.feed_frame(one.gray, one.time_s) for one in iter_frames(path, every=1)]
    got = pd.concat([*rows, stream.finish()], ignore_index=True)
    got = got[got["modality"] == "video"].reset_index(drop=True)
    file = of_file(path, model, segments="window=1.5,hop=0.5")
    file = file[file["modality"] == "video"].reset_index(drop=True)
    same(got.iloc[:-1], file.iloc[: len(got) - 1])  # a stream ends with its last image


def test_fewer_images_are_looked_at_as_often_where_that_is_asked_for(model, corpus):
    film = sorted(corpus.rglob("*.mp4"))[0]
    images = [(one.gray, one.time_s) for one in iter_frames(film, every=1)]
    found = []
    for step, sampling in ((1, "every=10"), (5, "every=2")):
        how = {"modalities": ("video",), "sampling": sampling}
        stream = Stream(model, "window=0.8,hop=0.4", **how)
        rows = [stream.feed_frame(*one) for one in images[::step]]
        found.append(pd.concat(rows, ignore_index=True).query("modality == 'video'"))
    every, some = (table.set_index("start_s")[list(EMOTIONS)].astype(float) for table in found)
    assert len(some) >= 2
    np.testing.assert_allclose(some, every.loc[some.index], atol=1e-5)


@pytest.mark.parametrize(
    "how",
    [
        {"segments": "none"},
        {"segments": "talk.csv"},
        {"segments": "speech", "modalities": ("video",)},
        {"modalities": ("words",)},
        {"smoothing": "5"},
        {"sampling": "seconds=often"},
    ],
)
def test_what_no_stream_can_do_is_refused(model, how):
    with pytest.raises(SerError):
        Stream(model, **how)


def test_what_is_no_sound_and_no_image_is_refused(model):
    stream = Stream(model)
    stream.feed_sound(np.zeros(100), 16000)
    stream.feed_frame(np.zeros((90, 160), np.uint8), 1.0)
    for feed in (
        lambda: stream.feed_sound(np.zeros(100), 8000),
        lambda: stream.feed_sound(np.zeros((2, 100)), 16000),
        lambda: stream.feed_sound(np.array([np.nan]), 16000),
        lambda: stream.feed_frame(np.zeros((90, 160)), 2.0),
        lambda: stream.feed_frame(np.zeros((90, 160), np.uint8), 0.5),
    ):
        with pytest.raises(SerError):
            feed()
