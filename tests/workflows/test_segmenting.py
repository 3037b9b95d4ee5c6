"""Recordings in segments: each as if it were a file, the whole as their summary."""

from dataclasses import replace

import av
import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.audio import signal
from multimodal_ser.cli import main
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.fusion.aggregate import pool_frames
from multimodal_ser.fusion.smoothing import Smoothing, smooth
from multimodal_ser.tables import EMOTIONS, make_clips
from multimodal_ser.workflows import inference

RATE_HZ = 22050
QUIET = {"workers": Engine(1, in_process=True), "cache": Cache(None), "progress": False}
LABELS = list(EMOTIONS)

pytestmark = pytest.mark.usefixtures("any_sound")


@pytest.fixture(scope="module")
def model(stand_in):
    return inference.load_model(stand_in / "ravdess")


@pytest.fixture(scope="module")
def voices(corpus):
    """Four voices at the rate of the model's features, as int16 keeps them."""
    found = [signal.read(path, rate_hz=RATE_HZ) for path in sorted(corpus.rglob("*.wav"))[:4]]
    return [np.round(voice * 32767).clip(-32768, 32767).astype(np.int16) for voice in found]


@pytest.fixture(scope="module")
def talk(voices, tmp_path_factory):
    """The voices one after another, and where each lies."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, np.concatenate(voices), RATE_HZ)
    ends = np.cumsum([len(voice) for voice in voices]) / RATE_HZ
    return path, pd.DataFrame({"start": [0, *ends[:-1]], "end": ends})


@pytest.fixture(scope="module")
def film(corpus, tmp_path_factory):
    """A film of 12 s: a drawn face, with sound."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(sorted(corpus.rglob("*.mp4"))[3])) as opened:
        images = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    sound = np.random.default_rng(0).normal(0, 0.1, 12 * 16000).astype("f4")
    with av.open(str(path), "w") as out:
        video = out.add_stream("h264", rate=25, options={"preset": "ultrafast"})
        video.height, video.width = images[0].shape[:2]
        audio = out.add_stream("aac", rate=16000, layout="mono")
        for at in range(12 * 25):
            image = images[at % len(images)]
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(sound[None], "fltp", "mono")
        frame.rate = 16000
        out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    return path


def of(table, modality, segment=None):
    """Return the probabilities of one modality, of segments or of the recording."""
    rows = table[table["modality"] == modality]
    rows = rows[rows["segment"].notna()] if segment is None else rows[rows["segment"].isna()]
    rows = rows[rows["frame"].isna()] if "frame" in rows else rows
    return rows[LABELS].to_numpy(float)


def test_a_segment_is_predicted_as_its_own_file(model, voices, talk, tmp_path):
    table, failures = inference.predict(talk[0], model, segments=talk[1], **QUIET)
    assert failures.empty and table["segment"].dropna().nunique() == 4
    for at, voice in enumerate(voices):
        soundfile.write(tmp_path / f"{at}.wav", voice, RATE_HZ)
    alone, _ = inference.predict(tmp_path, model, **QUIET)
    expected = alone.loc[alone["modality"] == "audio", LABELS].to_numpy(float)
    np.testing.assert_allclose(of(table, "audio"), expected, atol=1e-6)
    np.testing.assert_allclose(of(table, "fused"), expected, atol=1e-6)


def test_the_recordings_row_weighs_length_and_confidence(model, talk):
    table, _ = inference.predict(talk[0], model, segments=talk[1], **QUIET)
    rows = of(table, "audio")
    weights = (talk[1]["end"] - talk[1]["start"]).to_numpy() * rows.max(axis=1)
    expected = (weights[:, None] * rows).sum(axis=0) / weights.sum()
    np.testing.assert_allclose(of(table, "audio", "whole")[0], expected, atol=1e-12)
    whole = table[table["segment"].isna()]
    assert whole["start_s"].tolist() == [0, 0] and set(whole["end_s"]) == {talk[1]["end"].iloc[-1]}


def test_one_segment_over_all_is_the_recording(model, talk):
    every = pd.DataFrame({"start": [0.0], "end": [talk[1]["end"].iloc[-1]]})
    cut, _ = inference.predict(talk[0], model, segments=every, **QUIET)
    whole, _ = inference.predict(talk[0], model, segments="none", **QUIET)
    np.testing.assert_allclose(of(cut, "audio"), of(cut, "audio", "whole"))
    expected = whole.loc[whole["modality"] == "audio", LABELS].to_numpy(float)
    np.testing.assert_allclose(of(cut, "audio"), expected, atol=1e-6)


def test_the_order_of_segments_and_the_number_at_a_time_do_not_matter(model, talk, monkeypatch):
    table, _ = inference.predict(talk[0], model, segments=talk[1], **QUIET)
    monkeypatch.setattr("multimodal_ser.workflows.segmenting.SEGMENTS_HELD", 3)
    monkeypatch.setattr("multimodal_ser.audio.extract.SPANS_TOGETHER", 2)
    again, _ = inference.predict(talk[0], model, segments=talk[1].iloc[::-1], **QUIET)
    pd.testing.assert_frame_equal(table, again, atol=1e-6)


def test_features_of_segments_are_kept_for_the_file_that_they_are_of(model, talk, tmp_path):
    how = {**QUIET, "cache": Cache(tmp_path / "cache"), "segments": talk[1]}
    table, _ = inference.predict(talk[0], model, **how)
    entries = sorted((tmp_path / "cache").rglob("*.npz"))
    again, _ = inference.predict(talk[0], model, **how)
    assert entries and entries == sorted((tmp_path / "cache").rglob("*.npz"))
    pd.testing.assert_frame_equal(table, again)


def test_frames_belong_to_the_segments_that_they_fall_into(model, film):
    table, failures = inference.predict(
        film, model, segments="window=4,hop=2", timeline=True, **QUIET
    )
    assert failures.empty
    frames = table[table["frame"].notna()]
    units = table[(table["modality"] == "video") & table["segment"].notna()]
    assert units["start_s"].tolist() == [0, 2, 4, 6, 8]
    for row in units.itertuples():
        inside = frames[(frames["time_s"] >= row.start_s) & (frames["time_s"] < row.end_s)]
        index = pd.MultiIndex.from_arrays(
            [["x"] * len(inside), inside["frame"], inside["time_s"]],
            names=["clip", "frame", "time_s"],
        )
        expected = pool_frames(inside[LABELS].set_axis(index)).iloc[0]
        np.testing.assert_allclose(table.loc[row.Index, LABELS].astype(float), expected, atol=1e-6)
        assert row.face_rate == pytest.approx(inside[LABELS[0]].notna().mean())
    assert of(table, "fused").shape == (5, 8)


def test_images_may_go_on_where_the_sound_has_ended(model, corpus, tmp_path):
    with av.open(str(sorted(corpus.rglob("*.mp4"))[3])) as opened:
        images = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    path, sound = tmp_path / "a.mp4", np.random.default_rng(0).normal(0, 0.1, 32000)
    with av.open(str(path), "w") as out:
        video = out.add_stream("h264", rate=25, options={"preset": "ultrafast"})
        video.height, video.width = images[0].shape[:2]
        audio = out.add_stream("aac", rate=16000, layout="mono")
        for at in range(6 * 25):
            image = images[at % len(images)]
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(np.float32(sound)[None], "fltp", "mono")
        frame.rate = 16000
        out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    table, failures = inference.predict(path, model, segments="window=1.5", **QUIET)
    assert failures.empty
    units = table[table["segment"].notna()]
    assert units.groupby("modality")["segment"].nunique().to_dict() == {
        "audio": 2,
        "fused": 4,
        "video": 4,
    }


def test_the_frames_are_those_of_the_whole_film(model, film):
    cut, _ = inference.predict(film, model, segments="window=3", timeline=True, **QUIET)
    whole, _ = inference.predict(film, model, segments="none", timeline=True, **QUIET)
    columns = ["frame", "time_s", *LABELS]
    pd.testing.assert_frame_equal(
        cut.loc[cut["frame"].notna(), columns].reset_index(drop=True),
        whole.loc[whole["frame"].notna(), columns].reset_index(drop=True),
    )


def test_a_film_without_speech_is_seen_in_windows(model, film):
    table, failures = inference.predict(film, model, **QUIET)  # longer than 10 s
    assert failures.empty
    units = table[table["segment"].notna()]
    assert set(units["modality"]) == {"video", "fused"} and len(units) == 6
    np.testing.assert_allclose(of(table, "fused"), of(table, "video"), atol=1e-6)
    assert table.loc[table["segment"].isna(), "note"].str.contains("no speech heard").all()


def test_short_recordings_come_out_as_they_did(model, corpus, tmp_path):
    sources = sorted(corpus.rglob("*.wav"))[:3] + sorted(corpus.rglob("*.mp4"))[:1]
    whole, _ = inference.predict(sources, model, segments="none", timeline=True, **QUIET)
    table, _ = inference.predict(sources, model, timeline=True, **QUIET)
    pd.testing.assert_frame_equal(table, whole, check_exact=True)


def test_short_recordings_beside_a_long_one_keep_their_numbers_and_place(model, corpus, film):
    sources = [*sorted(corpus.rglob("*.wav"))[:2], film, *sorted(corpus.rglob("*.wav"))[2:4]]
    whole, _ = inference.predict(sources, model, segments="none", **QUIET)
    table, _ = inference.predict(sources, model, **QUIET)
    own = table[table["segment"].isna()]
    assert own["clip"].drop_duplicates().tolist() == whole["clip"].drop_duplicates().tolist()
    short, before = own[own["clip"] != "film"], whole[whole["clip"] != "film"]
    assert short["clip"].tolist() == before["clip"].tolist()
    np.testing.assert_allclose(short[LABELS], before[LABELS], atol=1e-7)
    assert short["end_s"].between(0.5, 10).all()


@pytest.mark.real_data
def test_real_clips_come_out_as_they_did(shared_data):
    clips = sorted((shared_data / "ravdess" / "video").rglob("*.mp4"))[:2]
    clips += sorted((shared_data / "ravdess" / "original_wav").rglob("*.wav"))[:3]
    whole, _ = inference.predict(clips, segments="none", timeline=True, **QUIET)
    table, _ = inference.predict(clips, timeline=True, **QUIET)
    pd.testing.assert_frame_equal(table, whole, check_exact=True)


def test_statistics_of_a_set_are_over_segments(model, voices, tmp_path):
    """A model that adapts says the same of a talk and of its utterances as files."""
    adapting = replace(model, adapt="set")
    files, ends = tmp_path / "files", np.cumsum([len(voice) for voice in voices * 2]) / RATE_HZ
    files.mkdir()
    for at, voice in enumerate(voices * 2):
        soundfile.write(files / f"{at}.wav", voice, RATE_HZ)
    soundfile.write(tmp_path / "talk.wav", np.concatenate(voices * 2), RATE_HZ)
    own = pd.DataFrame({"start": [0, *ends[:-1]], "end": ends})
    table, _ = inference.predict(tmp_path / "talk.wav", adapting, segments=own, **QUIET)
    alone, _ = inference.predict(files, adapting, **QUIET)
    expected = alone.loc[alone["modality"] == "audio", LABELS].to_numpy(float)
    np.testing.assert_allclose(of(table, "audio"), expected, atol=1e-5)
    with pytest.raises(SerError):
        inference.predict(tmp_path / "talk.wav", adapting, segments=own.iloc[:2], **QUIET)


def test_sets_are_of_segments_too(model, talk, monkeypatch):
    from multimodal_ser.fusion.sets import PredictionSets

    sets = PredictionSets((0.9,), {name: (0.95,) for name in ("audio", "video", "fused")})
    monkeypatch.setattr(model.combiner, "sets", sets)
    table, _ = inference.predict(talk[0], model, segments=talk[1], sets=0.9, **QUIET)
    assert table["set"].str.len().gt(0).all()


def test_segments_of_several_recordings_name_them(model, talk, film):
    whose = {"clip": ["talk.wav", "film"], "start": [0.0, 1.0], "end": [2.0, 3.0]}
    table, _ = inference.predict([talk[0], film], model, segments=pd.DataFrame(whose), **QUIET)
    units = table[table["segment"].notna() & (table["modality"] == "fused")]
    assert dict(zip(units["clip"], units["start_s"], strict=True)) == {"film": 1.0, "talk": 0.0}
    with pytest.raises(TableError):
        inference.predict([talk[0], film], model, segments=talk[1], **QUIET)
    one = pd.DataFrame(whose).iloc[:1]
    table, failures = inference.predict([talk[0], film], model, segments=one, **QUIET)
    assert set(table["clip"]) == {"talk"} and failures["clip"].tolist() == ["film"]


@pytest.mark.parametrize("how", ["window=0", "speach", "no-such.csv"])
def test_what_are_no_segments_is_refused(model, talk, how):
    with pytest.raises(SerError):
        inference.predict(talk[0], model, segments=how, **QUIET)


def test_a_damaged_recording_is_a_failure_once(model, tmp_path, talk):
    (tmp_path / "a.wav").write_bytes(b"RIFF" + bytes(100))
    for how in (None, "speech", talk[1]):
        table, failures = inference.predict(tmp_path / "a.wav", model, segments=how, **QUIET)
        assert table.empty and len(failures) == 1


@pytest.mark.parametrize("how", [None, "speech", "window=2"])
def test_silence_in_every_segment_is_a_failure(model, tmp_path, how):
    soundfile.write(tmp_path / "a.wav", np.zeros(12 * RATE_HZ), RATE_HZ)
    table, failures = inference.predict(tmp_path / "a.wav", model, segments=how, **QUIET)
    assert table.empty and failures["stage"].tolist() == ["speech"]


def test_a_sound_of_more_than_five_minutes_is_predicted(model, voices, tmp_path, monkeypatch):
    monkeypatch.setattr(signal, "LONGEST_SECONDS", 5)
    soundfile.write(tmp_path / "a.wav", np.concatenate(voices * 2), RATE_HZ)
    table, failures = inference.predict(tmp_path / "a.wav", model, segments="window=2", **QUIET)
    assert failures.empty and len(of(table, "audio")) > 4
    _, failures = inference.predict(tmp_path / "a.wav", model, segments="none", **QUIET)
    assert len(failures) == 1


def test_the_command_shows_segments_and_its_page_does_not_break(stand_in, talk, tmp_path, capsys):
    talk[1].to_csv(tmp_path / "own.csv", index=False)
    words = ["predict", str(talk[0]), "--model", str(stand_in / "ravdess"), "--no-cache", "--quiet"]
    words += ["--segments", str(tmp_path / "own.csv"), "--report", str(tmp_path / "page.html")]
    assert main(words) == 0
    assert capsys.readouterr().out.count("talk.wav") >= 5
    assert (tmp_path / "page.html").exists()


@pytest.mark.parametrize("name", ["a.srt", "a.TextGrid", "a.xlsx", "a.jsonl", "wide.csv"])
def test_the_command_writes_by_the_ending(stand_in, talk, tmp_path, name):
    talk[1].to_csv(tmp_path / "own.csv", index=False)
    words = ["predict", str(talk[0]), "--model", str(stand_in / "ravdess"), "--no-cache", "--quiet"]
    words += ["--segments", str(tmp_path / "own.csv"), "--output", str(tmp_path / name)]
    assert main([*words, *(["--wide"] if "wide" in name else [])]) == 0
    if name.endswith(".srt"):
        assert (tmp_path / name).read_text().count("-->") == 4
    elif "wide" in name:
        assert len(pd.read_csv(tmp_path / name)) == 5
    assert (tmp_path / name).stat().st_size > 100


def test_an_unreadable_stretch_costs_that_stretch(model, talk, monkeypatch):
    """Failures of some segments are one row, and the others are predicted."""
    from multimodal_ser.audio import extract
    from multimodal_ser.errors import MediaError

    monkeypatch.setattr(extract, "SPANS_TOGETHER", 1)
    read = signal.read_spans

    def broken(path, spans):
        if spans[0][0] == 0:
            raise MediaError(path, "it is scratched", "clean it")
        return read(path, spans)

    monkeypatch.setattr(signal, "read_spans", broken)
    table, failures = inference.predict(talk[0], model, segments=talk[1], **QUIET)
    assert len(of(table, "audio")) == 3 and failures["stage"].tolist() == ["audio"]


def test_a_clips_table_with_silent_film_and_sound(model, film, talk):
    rows = [{"clip": "pair", "audio": str(talk[0]), "video": str(film)}]
    table, _ = inference.predict(make_clips(rows), model, segments="window=4", **QUIET)
    assert {"audio", "video", "fused"} == set(table["modality"])


@pytest.mark.parametrize("causal", [False, True])
def test_smoothing_changes_segments_and_not_their_summary(model, talk, causal):
    how = Smoothing(4.0, causal)
    plain, _ = inference.predict(talk[0], model, segments=talk[1], **QUIET)
    table, _ = inference.predict(talk[0], model, segments=talk[1], smoothing=how, **QUIET)
    starts, ends = talk[1]["start"].to_numpy(), talk[1]["end"].to_numpy()
    expected = smooth(pd.DataFrame(of(plain, "audio")), starts, ends, how)
    np.testing.assert_allclose(of(table, "audio"), expected, atol=1e-9)
    assert np.abs(of(table, "audio") - of(plain, "audio")).max() > 1e-3
    np.testing.assert_array_equal(of(table, "fused", "whole"), of(plain, "fused", "whole"))
