import json
import re
import subprocess
import sys

import pandas as pd
import pytest

import multimodal_ser as mser
from multimodal_ser.cli import main
from multimodal_ser.evaluation import runs
from multimodal_ser.evaluation.metrics import score
from multimodal_ser.reports.consent import SENTENCES
from multimodal_ser.tables import EMOTIONS


@pytest.fixture(scope="module")
def model(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-model")
    words = ["train", str(corpus), "--output", str(folder), "--preset", "aei2019"]
    assert main([*words, "--epochs", "1", "--inner-folds", "2"]) == 0
    return folder


@pytest.fixture
def film(corpus):
    return sorted(corpus.rglob("*.mp4"))[3]


VERBS = ("index", "validate", "extract", "train", "benchmark", "evaluate", "report")
VERBS += ("predict", "demo", "download")


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


@pytest.mark.parametrize("words", [["--help"], ["predict", "--help"]])
def test_help_says_consent_and_limits(words, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert SENTENCES in " ".join(capsys.readouterr().out.split())


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
    words = ["extract", str(corpus), "--video", "none", "--features", "mfcc_rms"]
    assert main([*words, "--output", str(tmp_path / "f.parquet")]) == 0
    assert pd.read_parquet(tmp_path / "f.parquet").shape == (32, 158)
    assert "mfcc_rms of 32 clips" in capsys.readouterr().out


def test_extract_says_how_often_a_face_was_found(corpus, tmp_path, capsys):
    words = ["extract", str(corpus), "--audio", "none", "--video", "fer_cnn"]
    main([*words, "--crop", "face", "--cache", str(tmp_path)])
    said = capsys.readouterr().out
    share, least = re.search(
        r"fer_cnn of 32 clips \(.* (\d+)% .* (\d+)% in ravdess/", said
    ).groups()
    assert 0 < int(least) <= int(share) <= 100
    main([*words, "--crop", "frame", "--cache", str(tmp_path)])
    assert "%" not in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_predict_writes_every_format_alike(film, model, tmp_path, ending):
    from multimodal_ser.tables import io as tableio

    path = tmp_path / f"p.{ending}"
    assert main(["predict", str(film), "--model", str(model), "--output", str(path)]) == 0
    table = tableio.read(path)
    assert list(table.columns) == [
        "clip", "modality", "emotion", "second", "confidence", "path", *EMOTIONS,
        "audio_share", "video_share", "face_rate", "novelty", "note",
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
    words += ["--modalities", "audio", "--audio", "knn,decision_tree", "--inner-folds", "2"]
    for name, more in (("strict", []), ("adapted", ["--adapt", "person"])):
        scores = ["--output", str(tmp_path / f"{name}.csv"), "--run", str(tmp_path / name)]
        assert main([*words, *more, *scores]) == 0
    for name, marked in (("strict", False), ("adapted", True)):
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert table["model"].tolist() == ["mfcc_rms:knn", "mfcc_rms:decision_tree"]
        assert table["protocol"].str.contains("adapted").all() == marked
        assert runs.read_run(tmp_path / name).adaptation == ("person" if marked else "none")
    assert "adapted" in capsys.readouterr().out
    folders = [str(tmp_path / "strict"), str(tmp_path / "adapted")]
    assert main(["report", *folders, "--output", str(tmp_path / "both.html")]) == 0
    page = (tmp_path / "both.html").read_text()
    assert "decision_tree" in page
    assert "adapted" in page.lower()


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

    from multimodal_ser.audio import signal

    with av.open(str(tmp_path / "wall.mp4"), "w") as out:
        stream = out.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        voice = out.add_stream("aac", rate=48000, layout="mono")
        wall = np.full((120, 160, 3), 90, np.uint8)
        for _ in range(30):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(wall, format="rgb24")))
        out.mux(stream.encode(None))
        said = signal.read(sorted(corpus.rglob("*.wav"))[0], rate_hz=48000)
        frame = av.AudioFrame.from_ndarray(said[None], "fltp", "mono")
        frame.rate = 48000
        out.mux(voice.encode(frame))
        out.mux(voice.encode(None))
    words = ["predict", str(tmp_path), "--model", str(model), "--output", str(tmp_path / "p.csv")]
    assert main(words) == 0
    assert "wall.mp4" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "p.csv")
    assert set(table["modality"]) == {"audio", "fused"} and set(table["note"]) == {"no face found"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["index", "no/such/folder"], "no/such/folder"),
        (["predict", "x.mp4", "--model", "no-model"], "no-model"),
        (["predict", "x.mp4", "--embed"], "--report"),
        (["benchmark", "{corpus}", "--protocol", "kfold"], "actors, leave_one_actor_out"),
        (["benchmark", "{corpus}", "--protocol", "aei"], "01, 02, 03, 04"),
        (["train", "{corpus}", "--audio", "svm", "--output", "{tmp}"], "conv1d"),
        (["train", "{corpus}", "--video", "cnn", "--output", "{tmp}"], "aei_cnn"),
        (["train", "{corpus}", "--audio", "svc,knn", "--output", "{tmp}"], "2"),
        (["train", "{corpus}", "--audio", "svc+svc", "--output", "{tmp}"], "mfcc_rms:svc"),
        (["train", "{corpus}", "--inner-folds", "1", "--output", "{tmp}"], "1"),
        (["train", "{corpus}", "--video", "action_units", "--output", "{tmp}"], "action_units"),
        (["train", "{corpus}", "--video", "action_units=no.csv", "--output", "{tmp}"], "no.csv"),
        (["evaluate", "{corpus}", "--table", "units.csv"], "units.csv"),
        (["evaluate", "{corpus}", "--model", "no-model"], "no-model"),
        (["index"], "no data"),
        (["benchmark", "{corpus}", "--modalities", "smell"], "smell"),
        (["benchmark", "{corpus}", "--modalities", "audio,fusion"], "audio,video,fusion"),
        (["index", "{corpus}", "--output", "{tmp}/c.xls"], ".csv"),
    ],
)
def test_impossible_requests_end_with_one_line_and_status_2(words, said, corpus, tmp_path, capsys):
    words = [word.format(corpus=corpus, tmp=tmp_path) for word in words]
    assert main(words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert said in lines[0]


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("more", [[], ["--timeline"]])
def test_a_report_does_not_change_the_table(film, model, tmp_path, more):
    for name, page in (("a", []), ("b", ["--report", str(tmp_path / "page.html")])):
        words = ["predict", str(film), "--model", str(model), "--quiet", *more, *page]
        assert main([*words, "--output", str(tmp_path / f"{name}.csv")]) == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert ("frame" in pd.read_csv(tmp_path / "b.csv")) == bool(more)
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_an_embedding_page_holds_the_film_unless_it_is_too_large(
    film, model, tmp_path, monkeypatch, capsys
):
    from multimodal_ser.reports import clips

    page = tmp_path / "page.html"
    words = ["predict", str(film), "--model", str(model), "--quiet", "--report", str(page)]
    assert main(words) == 0
    beside = page.stat().st_size
    assert main([*words, "--embed"]) == 0
    assert page.stat().st_size - beside == pytest.approx(film.stat().st_size * 4 / 3, rel=0.01)
    page.unlink()
    monkeypatch.setattr(clips, "EMBEDDED_MB", film.stat().st_size / 1e6 - 0.001)
    assert main([*words, "--embed"]) == 2
    assert "--embed" in capsys.readouterr().err and not page.exists()


@pytest.mark.parametrize("first", ["python", "command"])
def test_python_and_the_command_keep_features_in_one_place(
    film, model, tmp_path, monkeypatch, first
):
    place = tmp_path / "cache"
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(place))
    words = ["predict", str(film), "--model", str(model), "--quiet"]
    words += ["--output", str(tmp_path / "p.parquet")]

    def by_python():
        return mser.predict(film, model)[0]

    def by_command():
        assert main(words) == 0
        return pd.read_parquet(tmp_path / "p.parquet")

    one, two = (by_python, by_command) if first == "python" else (by_command, by_python)
    before, kept = one(), files_of(place)
    assert kept

    def read(*_args, **_kwargs):
        raise AssertionError("a recording was opened")

    monkeypatch.setattr("multimodal_ser.audio.features.mfcc_rms.extract", read)
    monkeypatch.setattr("multimodal_ser.video.extract.extract_clip", read, raising=False)
    after = two()
    assert files_of(place) == kept
    pd.testing.assert_frame_equal(before, after, check_dtype=False)


def test_evaluate_scores_a_finished_model(corpus, model, tmp_path, capsys):
    words = ["evaluate", str(corpus), "--model", str(model), "--quiet"]
    words += ["--output", str(tmp_path / "s.csv"), "--run", str(tmp_path / "run")]
    assert main(words) == 0
    scores = pd.read_csv(tmp_path / "s.csv")
    assert scores["modality"].tolist() == ["audio", "video", "fused"]
    assert (scores["protocol"] == "evaluate").all() and (scores["n"] == 32).all()
    run = runs.read_run(tmp_path / "run")
    expected = score(run.model("fused").probabilities, run.clips["emotion"])
    assert scores["uar"][2] == pytest.approx(expected["uar"])
    assert (tmp_path / "run" / "report.html").exists()
    assert "32" in capsys.readouterr().out
    assert main([*words[:5], "--conditions", "phone", *words[5:]]) == 0
    scores = pd.read_csv(tmp_path / "s.csv").set_index("model")
    assert list(scores.index) == ["audio", "video", "fused", "audio, phone", "fused, phone"]
    assert scores.loc["audio", "uar"] == pytest.approx(
        scores.loc["audio, phone", "uar"] - scores.loc["audio, phone", "uar_change"]
    )
    assert "unchanged" in capsys.readouterr().out
    assert main([*words[:5], "--conditions", "bathroom"]) == 2
    other = ["evaluate", str(corpus), "--model", str(model), "--sex", "male", "--quiet"]
    assert main([*other, "--run", str(tmp_path / "run")]) == 2
    assert main([*words[:5], "--adapt", "person"]) == 2


def test_a_run_of_another_benchmark_is_not_overwritten(corpus, tmp_path, capsys):
    words = ["benchmark", str(corpus), "--modalities", "audio", "--features", "mfcc_rms"]
    words += ["--protocol", "actors", "--inner-folds", "2", "--run", str(tmp_path / "run")]
    assert main([*words, "--audio", "knn"]) == 0
    assert main([*words, "--audio", "decision_tree"]) == 0
    names = [model.name for model in runs.read_run(tmp_path / "run").models]
    assert names == ["mfcc_rms:knn", "mfcc_rms:decision_tree"]
    kept = files_of(tmp_path / "run")
    for more in (["--seed", "1"], ["--labels", "four"], ["--adapt", "set"], ["--sex", "male"]):
        assert main([*words, "--audio", "knn", *more]) == 2
    assert files_of(tmp_path / "run") == kept


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


@pytest.mark.parametrize("verb", ["predict", "train", "benchmark", "extract"])
def test_the_earlier_names_of_a_sampling_say_the_same(verb):
    from multimodal_ser.cli.parser import build

    words = {"train": ["d", "--output", "m"]}.get(verb, ["d"])

    def sampling(*more):
        return build().parse_args([verb, *words, *more]).sampling

    assert sampling("--every", "7") == sampling("--sampling", "every=7") == "every=7"
    assert sampling("--every-seconds", "0.5") == sampling("--sampling", "seconds=0.5")
    assert sampling("--key-frames") == sampling("--sampling", "keyframes")
    assert sampling() is None
    with pytest.raises(SystemExit):
        sampling("--every", "7", "--key-frames")
