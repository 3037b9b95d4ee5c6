import json
import re
import subprocess
import sys

import pandas as pd
import pytest

from multimodal_ser.cli import main
from multimodal_ser.tables import EMOTIONS


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def model(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-model")
    words = ["train", str(corpus), "--output", str(folder), "--epochs", "1", "--no-cache"]
    assert main(words) == 0
    return folder


@pytest.fixture
def film(corpus):
    return sorted(corpus.rglob("*.mp4"))[3]


VERBS = ("index", "validate", "extract", "train", "benchmark", "report", "predict", "demo")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    assert verb in capsys.readouterr().out


def test_help_names_every_verb(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)


def test_index_writes_the_clips_table(corpus, tmp_path, capsys):
    assert main(["index", str(corpus), "--output", str(tmp_path / "c.csv"), "--durations"]) == 0
    assert "32 clips of 4 actors" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "c.csv", dtype={"actor": str})
    assert table["emotion"].value_counts().eq(4).all()
    assert table["duration"].between(0.5, 5).all()


def test_validate_says_what_is_missing(corpus, tmp_path, capsys):
    assert main(["validate", str(corpus), "--output", str(tmp_path / "p.json")]) == 1
    assert "missing" in capsys.readouterr().out
    kinds = {row["kind"] for row in json.loads((tmp_path / "p.json").read_text())}
    assert kinds == {"missing"}


def test_extract_writes_the_features(corpus, tmp_path, capsys):
    words = ["extract", str(corpus), "--video", "none", "--output", str(tmp_path / "f.parquet")]
    assert main(words) == 0
    assert pd.read_parquet(tmp_path / "f.parquet").shape == (32, 158)
    assert "audio features of 32 clips" in capsys.readouterr().out


def test_extract_says_how_often_a_face_was_found(corpus, tmp_path, capsys):
    words = ["extract", str(corpus), "--audio", "none", "--crop", "face", "--cache", str(tmp_path)]
    main(words)
    said = capsys.readouterr().out
    share, least = re.search(
        r"32 clips \(a face in (\d+)% .* least (\d+)% in ravdess/", said
    ).groups()
    assert 0 < int(least) <= int(share) <= 100
    main([*words[:4], "--crop", "frame", "--cache", str(tmp_path)])
    assert "a face in" not in capsys.readouterr().out


def test_a_detector_without_weights_is_one_line(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MULTIMODAL_SER_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path))
    words = ["extract", str(corpus), "--audio", "none", "--crop", "face", "--detector", "yunet"]
    # One worker: two that were started by tests before may name different folders.
    assert main([*words, "--workers", "1"]) == 1
    said = capsys.readouterr().err
    assert said.count("error:") == 1
    assert "multimodal-ser download weights --names yunet" in said


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_predict_writes_every_format_alike(film, model, tmp_path, ending):
    from multimodal_ser.tables import io as tableio

    path = tmp_path / f"p.{ending}"
    assert main(["predict", str(film), "--model", str(model), "--output", str(path)]) == 0
    table = tableio.read(path)
    assert list(table.columns) == [
        "clip", "path", "modality", "emotion", "second", "confidence", *EMOTIONS,
        "audio_share", "video_share", "face_rate",
    ]  # fmt: skip
    fused = table.iloc[2]
    assert abs(fused["audio_share"]) + abs(fused["video_share"]) == pytest.approx(1)
    assert table[["audio_share", "video_share"]].iloc[:2].isna().all(axis=None)
    assert table["modality"].tolist() == ["audio", "video", "fused"]
    assert table["face_rate"].isna().tolist() == [True, False, True]
    assert 0 < table["face_rate"][1] <= 1
    assert (table["path"] == str(film)).all()
    assert (table[list(EMOTIONS)].max(axis=1) - table["confidence"]).abs().max() < 1e-9


def test_benchmark_keeps_a_run_and_reports_it(corpus, tmp_path, capsys):
    words = ["benchmark", "--data", str(corpus), "--protocol", "leave_one_actor_out"]
    words += ["--modalities", "audio", "--audio", "svc,logistic_regression"]
    for name, more in (("strict", []), ("adapted", ["--adapted"])):
        assert main([*words, *more, "--run", str(tmp_path / name)]) == 0
    shown = capsys.readouterr().out
    assert "speaker-adapted" in shown
    assert "p against best" in shown
    runs = [str(tmp_path / "strict"), str(tmp_path / "adapted")]
    assert main(["report", *runs, "--output", str(tmp_path / "both.html")]) == 0
    page = (tmp_path / "both.html").read_text()
    assert "logistic_regression" in page
    assert "speaker-adapted" in page.lower()


def test_predict_shows_a_timeline(film, model, capsys):
    assert main(["predict", str(film), "--model", str(model), "--timeline"]) == 0
    shown = capsys.readouterr().out
    assert "Timeline" in shown
    assert len(re.findall(r"0\.\d\d +\w+ +\d+%, then|\d%, then", shown)) > 3


def test_predict_takes_a_clips_table(corpus, model, tmp_path):
    main(["index", str(corpus), "--output", str(tmp_path / "c.csv")])
    words = ["predict", str(tmp_path / "c.csv"), "--model", str(model)]
    assert main([*words, "--output", str(tmp_path / "p.csv")]) == 0
    assert pd.read_csv(tmp_path / "p.csv")["clip"].nunique() == 32


def test_bad_clips_are_told_and_the_others_predicted(corpus, film, model, tmp_path, capsys):
    whole = film.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.wav").write_text("not sound")
    (tmp_path / "odd name.mp4").write_bytes(whole)
    words = ["predict", str(tmp_path), "gone.mp4", "--model", str(model)]
    words += ["--output", str(tmp_path / "p.csv"), "--failures", str(tmp_path / "f.csv")]
    assert main(words) == 1
    said = capsys.readouterr().err
    for name in ("cut.mp4", "empty.mp4", "text.wav", "gone.mp4"):
        lines = [line for line in said.splitlines() if line.startswith("error:") and name in line]
        assert lines, name
        assert all(";" in line for line in lines), "an error says what to do"
    assert set(pd.read_csv(tmp_path / "p.csv")["clip"]) == {"odd name"}
    failed = {path.rsplit("/")[-1] for path in pd.read_csv(tmp_path / "f.csv")["path"]}
    assert failed == {"cut.mp4", "empty.mp4", "text.wav", "gone.mp4"}


def test_a_clip_without_a_face_keeps_its_sound(corpus, model, tmp_path, capsys):
    import av
    import numpy as np

    with av.open(str(tmp_path / "wall.mp4"), "w") as out:
        stream = out.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        voice = out.add_stream("aac", rate=48000, layout="mono")
        wall = np.full((120, 160, 3), 90, np.uint8)
        for _ in range(30):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(wall, format="rgb24")))
        out.mux(stream.encode(None))
        noise = np.random.default_rng(0).standard_normal((1, 57600)).astype("f4") * 0.1
        frame = av.AudioFrame.from_ndarray(noise, "fltp", "mono")
        frame.rate = 48000
        out.mux(voice.encode(frame))
        out.mux(voice.encode(None))
    words = ["predict", str(tmp_path), "--model", str(model), "--output", str(tmp_path / "p.csv")]
    assert main(words) == 1
    assert "wall.mp4: no face" in capsys.readouterr().err
    assert set(pd.read_csv(tmp_path / "p.csv")["modality"]) == {"audio", "fused"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["index", "no/such/folder"], "there is no such folder"),
        (["predict", "x.mp4", "--model", "no-model"], "no released model of this name"),
        (["benchmark", "{corpus}", "--protocol", "kfold"], "choose one of: aei"),
        (["benchmark", "{corpus}", "--protocol", "aei"], "the clips have: 01"),
        (
            ["train", "{corpus}", "--audio", "svm", "--output", "{tmp}"],
            "choose one of: conv1d",
        ),
        (["train", "{corpus}", "--video", "cnn", "--output", "{tmp}"], "choose one of: aei_cnn"),
        (["index"], "no data given"),
        (["benchmark", "{corpus}", "--modalities", "smell"], "choose among audio"),
        (["benchmark", "{corpus}", "--modalities", "audio,fusion"], "fusion needs both"),
        (["index", "{corpus}", "--output", "{tmp}/c.xls"], "use one of .csv"),
    ],
)
def test_impossible_requests_end_with_one_line_and_status_2(words, said, corpus, tmp_path, capsys):
    words = [word.format(corpus=corpus, tmp=tmp_path) for word in words]
    assert main(words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert said in lines[0]


def test_an_interruption_says_how_to_go_on(monkeypatch, capsys):
    from multimodal_ser.cli import requests

    def interrupted(_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(requests, "clips_of", interrupted)
    assert main(["index", "x"]) == 130
    assert "again to go on" in capsys.readouterr().err


def test_the_installed_module_runs():
    run = subprocess.run(
        [sys.executable, "-m", "multimodal_ser", "--version"], capture_output=True, text=True
    )
    assert run.stdout.startswith("multimodal-ser 0.")
