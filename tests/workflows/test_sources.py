"""What is in memory is predicted as the same content in a file is, to the last bit."""

import gc
import io
import tempfile
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import soundfile

import multimodal_ser as mser
from multimodal_ser.errors import ModelError, SerError, TableError
from multimodal_ser.tables import CLIP_COLUMNS
from multimodal_ser.video.frames import iter_frames
from multimodal_ser.workflows import released, sources

HOW = {"workers": 1, "segments": "none"}


@pytest.fixture(autouse=True)
def model(stand_in, monkeypatch):
    monkeypatch.setenv(released.MODELS_VARIABLE, str(stand_in))


@pytest.fixture(scope="module")
def film(corpus):
    return sorted(corpus.rglob("*.mp4"))[3]


@pytest.fixture(scope="module")
def voice(corpus):
    return sorted(corpus.rglob("*.wav"))[3]


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The predictions without what a recording is called."""
    return table.drop(columns=["clip", "path"])


def same(one, other) -> None:
    pd.testing.assert_frame_equal(numbers(one.predictions), numbers(other.predictions))
    assert len(one.failures) == len(other.failures)


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_samples_are_heard_as_their_file(voice, dtype):
    samples, rate = soundfile.read(voice, dtype=dtype)
    from_array = mser.predict(samples, rate_hz=rate, **HOW)
    same(from_array, mser.predict(voice, **HOW))
    assert from_array.predictions["path"].unique().tolist() == ["array"]


def test_channels_may_be_either_axis(voice, tmp_path):
    samples, rate = soundfile.read(voice, dtype="int16")
    two = np.stack([samples, samples[::-1]], axis=1)
    soundfile.write(tmp_path / "two.wav", two, rate, subtype="PCM_16")
    expected = mser.predict(tmp_path / "two.wav", **HOW)
    for given in (two, two.T):
        same(mser.predict(given, rate_hz=rate, **HOW), expected)


def test_a_recording_in_memory_is_cut_into_segments_too(voice):
    samples, rate = soundfile.read(voice, dtype="int16")
    long, how = np.tile(samples, 4), {"workers": 1, "segments": "window=2,hop=1"}
    table = mser.predict(long, rate_hz=rate, **how).predictions
    assert table["segment"].nunique() > 3
    assert table["end_s"].max() == pytest.approx(len(long) / rate)


@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg", ".mp3"])
def test_bytes_and_open_files_are_heard_as_the_file(voice, tmp_path, ending):
    samples, rate = soundfile.read(voice)
    path = tmp_path / f"talk{ending}"
    how = {"format": "OGG", "subtype": "OPUS"} if ending == ".ogg" else {}
    soundfile.write(path, samples, rate, **how)
    expected = mser.predict(path, **HOW)
    same(mser.predict(path.read_bytes(), **HOW), expected)
    same(mser.predict(io.BytesIO(path.read_bytes()), **HOW), expected)
    with path.open("rb") as file:
        of_file = mser.predict(file, **HOW)
    same(of_file, expected)
    assert of_file.predictions["clip"].tolist() == expected.predictions["clip"].tolist()


def test_the_bytes_of_a_film_are_seen_and_heard(film):
    expected = mser.predict(film, **HOW)
    assert expected.predictions["modality"].tolist() == ["audio", "video", "fused"]
    same(mser.predict(film.read_bytes(), **HOW), expected)


def test_frames_and_samples_are_the_film(film):
    frames = list(iter_frames(film, every=1))
    images, times_s = [one.gray for one in frames], [one.time_s for one in frames]
    expected = mser.predict(film, timeline=True, **HOW)
    seen = mser.predict(frames=images, times_s=times_s, timeline=True, **HOW).predictions
    seen = seen[seen["modality"] == "video"]
    video = expected.predictions[expected.predictions["modality"] == "video"]
    labels = list(mser.EMOTIONS)
    np.testing.assert_array_equal(seen[labels], video[labels])
    np.testing.assert_array_equal(seen["frame"], video["frame"])
    np.testing.assert_allclose(seen["time_s"].dropna(), video["time_s"].dropna(), atol=1e-5)
    for sound in (film, str(film), film.read_bytes()):  # whose own images do not count
        same(
            mser.predict(sound, frames=iter(images), times_s=times_s, **HOW),
            mser.predict(film, **HOW),
        )
    with av.open(str(film)) as container:
        (track,) = container.streams.audio
        blocks = [block.to_ndarray().mean(axis=0) for block in container.decode(track)]
    both = mser.predict(np.concatenate(blocks), rate_hz=track.rate, frames=images, times_s=times_s)
    whole = mser.predict(film).predictions
    assert both.predictions["modality"].tolist() == ["audio", "video", "fused"]
    np.testing.assert_allclose(both.predictions[labels], whole[labels], atol=1e-6)


def test_colour_is_seen_as_its_luma(film):
    with av.open(str(film)) as container:
        colour = [one.to_ndarray(format="rgb24") for one in container.decode(video=0)]
    times_s = np.arange(len(colour)) / 25
    expected = mser.predict(film, **HOW).predictions.query("modality == 'video'")
    found = mser.predict(frames=iter(colour), times_s=times_s, **HOW).predictions.query(
        "modality == 'video'"
    )
    np.testing.assert_allclose(found["confidence"], expected["confidence"], atol=0.05)


@pytest.mark.parametrize("size", [(90, 160), (91, 161), (480, 33)])
def test_images_of_any_size_come_back_as_they_were(size, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, *size), np.uint8)
    given = sources.gathered(frames=images, times_s=[0.5, 0.6, 1.75])
    back = list(iter_frames(given.clips["video"].iloc[0], every=1))
    np.testing.assert_array_equal([one.gray for one in back], images)
    np.testing.assert_allclose([one.time_s for one in back], [0, 0.1, 1.25], atol=1e-6)


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_a_single_image(film, tmp_path, ending):
    import cv2

    image = pytest.importorskip("PIL.Image")
    gray = next(iter_frames(film)).gray
    path = tmp_path / f"face{ending}"
    cv2.imwrite(str(path), gray)
    of_path = mser.predict(path, **HOW)
    assert of_path.predictions["modality"].tolist() == ["video", "fused"]
    same(mser.predict(path.read_bytes(), **HOW), of_path)
    if ending == ".png":
        same(mser.predict(gray, **HOW), of_path)
        same(mser.predict(image.fromarray(gray), **HOW), of_path)


def test_several_of_any_kind_each_have_a_name(voice, film):
    samples, rate = soundfile.read(voice, dtype="int16")
    given = [voice, samples, film.read_bytes(), samples[: len(samples) // 2]]
    predictions, failures = mser.predict(given, rate_hz=rate, **HOW)
    assert predictions["clip"].unique().tolist()[1:] == ["array", "bytes", "array-2"]
    assert failures.empty


def test_what_is_damaged_is_a_failure_under_its_own_name(voice):
    result = mser.predict([b"no recording at all", voice], **HOW)
    assert set(result.failures["path"]) == {"bytes"}
    assert all(error.startswith("bytes: ") for error in result.failures["error"])
    assert result.predictions["clip"].nunique() == 1


def test_temporary_files_are_removed(voice, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    samples, rate = soundfile.read(voice, dtype="int16")
    given = sources.gathered(samples, rate_hz=rate)
    (place,) = given.shown
    assert Path(place).is_relative_to(tmp_path) and Path(place).exists()
    del given
    mser.predict(samples, rate_hz=rate, **HOW)
    with pytest.raises(SerError):
        sources.gathered([samples, 42], rate_hz=rate)
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_paths_is_enough(voice, film):
    paths = pd.DataFrame({"path": [voice, film], "mood": [1, 2]})
    expected = mser.predict([voice, film], **HOW)
    for given in (
        paths,
        paths.rename(columns={"path": "file"}),
        paths["path"],
        paths["path"].array,
    ):
        pd.testing.assert_frame_equal(mser.predict(given, **HOW).predictions, expected.predictions)


GRAY = np.zeros((48, 48), np.uint8)


@pytest.mark.parametrize(
    "given",
    [
        {"sources": 42},
        {"sources": None},
        {"sources": {"a": 1}},
        {"sources": [1.0, 2.0], "rate_hz": 16000},
        {"sources": np.zeros(100)},
        {"sources": np.zeros(100), "rate_hz": 0},
        {"sources": np.zeros(100), "rate_hz": "16000"},
        {"sources": np.zeros(100), "rate_hz": 16000.5},
        {"sources": np.zeros(100, complex), "rate_hz": 16000},
        {"sources": np.zeros(100, np.uint8), "rate_hz": 16000},
        {"sources": np.zeros((2, 3, 4)), "rate_hz": 16000},
        {"sources": np.zeros((200, 100)), "rate_hz": 16000},
        {"sources": np.zeros(0), "rate_hz": 16000},
        {"sources": np.full(100, np.nan), "rate_hz": 16000},
        {"sources": np.full(100, 3e4), "rate_hz": 16000},
        {"sources": "talk.wav", "rate_hz": 16000},
        {"sources": io.StringIO("text")},
        {"frames": [GRAY]},
        {"times_s": [0.0]},
        {"frames": [GRAY], "times_s": [0.0, 1.0]},
        {"frames": [GRAY, GRAY], "times_s": [0.0]},
        {"frames": [GRAY, GRAY], "times_s": [1.0, 1.0]},
        {"frames": [GRAY, GRAY], "times_s": [0.0, np.inf]},
        {"frames": [GRAY, GRAY[:9]], "times_s": [0.0, 1.0]},
        {"frames": [GRAY.astype(float)], "times_s": [0.0]},
        {"frames": [np.zeros((48, 48, 4), np.uint8)], "times_s": [0.0]},
        {"frames": [], "times_s": []},
        {"frames": [GRAY], "times_s": [0.0], "sources": ["a.wav", "b.wav"]},
    ],
)
def test_what_is_no_recording_is_refused(given):
    with pytest.raises(SerError):
        mser.predict(given.pop("sources", None), **given)


def test_tables_that_name_no_recording_are_refused():
    for columns in ({"wav": ["a.wav"]}, {}):
        with pytest.raises(TableError):
            mser.predict(pd.DataFrame(columns))


def test_clips_are_the_same_however_they_are_named(corpus, tmp_path):
    clips = mser.index(corpus)
    assert set(CLIP_COLUMNS) <= set(clips.columns)
    rows = clips.reset_index(drop=True)[["audio", "emotion", "actor", "sex"]]
    table = rows.rename(columns={"audio": "file", "emotion": "label", "actor": "speaker"})
    table.to_csv(tmp_path / "list.csv", index=False)
    for given in (corpus, [str(corpus)], clips):
        pd.testing.assert_frame_equal(mser.index(given), clips)
    for way in ("ravdess", ["ravdess"]):
        pd.testing.assert_frame_equal(mser.index(corpus, dataset=way), clips)
    listed = sources.as_clips(table.dropna())
    pd.testing.assert_frame_equal(sources.as_clips(tmp_path / "list.csv"), listed)
    assert listed["emotion"].value_counts().to_dict() == clips["emotion"].value_counts().to_dict()
    files = sources.as_clips(list(table["file"]))
    assert files.index.tolist() == listed.index.tolist()


@pytest.mark.parametrize("given", [42, [], np.zeros(9), ["a.wav", 3], "no-such-folder", ["no.wav"]])
def test_what_names_no_labelled_recordings_is_refused(given):
    with pytest.raises(SerError):
        sources.as_clips(given)


def test_folders_and_tables_are_learnt_from_tested_and_evaluated(corpus, tmp_path, monkeypatch):
    """And the features are kept where the commands keep them."""
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path / "kept"))
    speech = corpus / "Audio_Speech_Actors_01-24"
    recipe = mser.Recipe(audio="mfcc_rms:knn", video=None, inner_folds=2)
    how = {"workers": 1, "progress": False}
    model, data = mser.train(str(speech), recipe, tmp_path / "m", **how)
    assert (tmp_path / "kept").is_dir() and "32 clips" in repr(data)
    expected, _ = mser.benchmark(mser.index(speech), recipe, "actors", **how)
    found, _ = mser.benchmark([speech], [recipe], "actors", **how)
    pd.testing.assert_frame_equal(
        mser.score_table(found).drop(columns="seconds"),
        mser.score_table(expected).drop(columns="seconds"),
    )
    clips = mser.index(speech)
    table = clips.rename(columns={"audio": "path", "emotion": "label"})[["path", "label", "actor"]]
    run, failures = mser.evaluate(table, model, **how)
    assert len(run.clips) == 32 and failures.empty


@pytest.mark.parametrize("given", [42, ["ravdess"], {"a": 1}])
def test_what_is_no_model_or_recipe_is_refused(given, corpus, tmp_path):
    with pytest.raises(ModelError):
        mser.load_model(given)
    with pytest.raises(SerError):
        mser.train(corpus, given, tmp_path)
    with pytest.raises(SerError):
        mser.benchmark(corpus, "functionals:svc")
