"""Own recordings under own labels, by the command alone: from a folder to a report."""

import json
import random
import shlex
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.cli import main, requests
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.evaluation import runs
from multimodal_ser.workflows.inference import load_model

pytestmark = pytest.mark.usefixtures("any_sound")
QUICK = ("--audio", "mfcc_chroma_mel:decision_tree", "--video", "none", "--inner-folds", "2")
WORDS = {"bored": 220, "Freude": 520, "joy": 900}


@pytest.fixture(scope="module", autouse=True)
def in_process():
    """Every clip is read here: the tones pass for speech in this process alone."""
    work = {"cache": Cache(None), "workers": Engine(1, in_process=True), "progress": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "work_of", lambda _options: dict(work))
        yield


def tone(path, hertz):
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(4000) / 16000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * times), 16000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six tones of each word; whose they are is not said."""
    place = tmp_path_factory.mktemp("own") / "data"
    for word, hertz in WORDS.items():
        for take in range(6):
            tone(place / word / f"{take}.wav", hertz + 7 * take)
    return place


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("model") / "m"
    assert main(["train", str(folder), *QUICK, "--output", str(output)]) == 0
    return output


def told(capsys, *words):
    status = main([str(word) for word in words])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_model_of_a_folder_has_the_words_of_the_folder(model):
    assert load_model(model).labels == ("Freude", "bored", "joy")
    assert json.loads((model / "run.json").read_text())["recipe"]["labels"] == "own"


def test_predictions_have_a_column_per_own_word(model, folder, tmp_path, capsys):
    table, page = tmp_path / "p.csv", tmp_path / "p.html"
    words = ["predict", folder / "joy" / "0.wav", "--model", model, "--report", page]
    assert told(capsys, *words, "--output", table)[0] == 0
    found = pd.read_csv(table)
    assert set(found["emotion"]) == {"joy"}
    np.testing.assert_allclose(found[["Freude", "bored", "joy"]].sum(axis=1), 1, atol=1e-6)
    assert "Freude" in page.read_text(encoding="utf-8")


def test_evaluate_benchmark_and_report_keep_the_words(model, folder, tmp_path, capsys):
    how = [folder]
    status, _, said = told(capsys, "evaluate", *how, "--model", model, "--run", tmp_path / "e")
    assert status == 0 and "trained on these very clips" in said
    part = [folder / "joy" / "0.wav", folder / "bored" / "0.wav"]
    (tmp_path / "part.csv").write_text("path,label\n" + "".join(f"{p},joy\n" for p in part))
    said = told(capsys, "evaluate", tmp_path / "part.csv", "--model", model)[2]
    assert "trained on these very clips" not in said
    wanted = ["benchmark", *how, *QUICK, "--modalities", "audio", "--protocol", "actors"]
    assert told(capsys, *wanted, "--run", tmp_path / "b")[0] == 0
    for name in "eb":
        run = runs.read_run(tmp_path / name)
        assert run.labels == ["Freude", "bored", "joy"]
        assert set(run.clips["emotion"]) == set(WORDS)
    page = tmp_path / "r.html"
    assert told(capsys, "report", tmp_path / "b", "--output", page)[0] == 0
    assert all(word in page.read_text(encoding="utf-8") for word in WORDS)


def test_five_commands_from_a_folder_to_a_report(folder, tmp_path, capsys, monkeypatch):
    """Each takes what the one before made; who speaks is not known."""
    monkeypatch.chdir(tmp_path)
    assert told(capsys, "index", folder, "--output", "clips.csv")[0] == 0
    assert told(capsys, "train", "clips.csv", *QUICK, "--output", "model")[0] == 0
    words = ["benchmark", "clips.csv", *QUICK, "--modalities", "audio", "--run", "run"]
    status, _, said = told(capsys, *words)
    assert status == 0 and "marked leaky" in said
    asked = ["predict", folder / "joy", "--model", "model", "--output", "said.csv"]
    assert told(capsys, *asked)[0] == 0
    assert told(capsys, "report", "run", "--output", "report.html")[0] == 0
    assert set(pd.read_csv("said.csv")["emotion"]) == {"joy"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(word in page for word in WORDS) and "leaky" in page


def test_synonyms_are_mapped_when_asked_and_the_rest_is_counted_and_named(folder, tmp_path, capsys):
    for take in range(6):
        tone(tmp_path / "data" / "sad" / f"{take}.wav", 300 + take)
    shutil.copytree(folder, tmp_path / "data", dirs_exist_ok=True)
    words = [tmp_path / "data", *QUICK, "--output", tmp_path / "m", "--labels", "emotions8"]
    status, _, said = told(capsys, "train", *words)
    assert status == 0
    for part in ("joy as happy", "12 clip(s)", "Freude 6", "bored 6"):
        assert part in said
    assert json.loads((tmp_path / "m" / "run.json").read_text())["n_clips"] == 12


def test_clips_without_a_label_are_counted(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "data")
    tone(tmp_path / "data" / "loose.wav", 440)
    words = ["train", tmp_path / "data", *QUICK, "--output", tmp_path / "m"]
    status, _, said = told(capsys, *words)
    assert (status, "without a label 1" in said) == (0, True)


def test_index_and_validate_count_what_has_no_label(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "data")
    status, said, _ = told(capsys, "validate", tmp_path / "data")
    assert (status, "18 recordings" in said) == (0, True)
    shutil.copy(folder / "joy" / "0.wav", tmp_path / "data" / "loose.wav")
    (tmp_path / "data" / "joy" / "broken.wav").write_bytes(b"no sound")
    status, said, _ = told(capsys, "index", tmp_path / "data")
    assert status == 0
    assert "1 clip(s) without a label" in said and "20 clip(s) of unknown speakers" in said
    table = tmp_path / "problems.csv"
    assert told(capsys, "validate", tmp_path / "data", "--output", table)[0] == 1
    kinds = pd.read_csv(table).set_index("kind")["path"]
    assert set(kinds.index) == {"unlabelled", "identical", "unreadable"}
    assert kinds["unreadable"].endswith("broken.wav")


@pytest.mark.parametrize("verb", ["index", "validate"])
@pytest.mark.parametrize("more", [[], ["--dataset", "folder"], ["--dataset", "cremad"]])
def test_an_empty_folder_is_not_perfect(tmp_path, capsys, verb, more):
    status, _, said = told(capsys, verb, tmp_path, *more)
    assert status == 2 and str(tmp_path) in said


def test_benchmark_of_own_data_takes_actors_and_names_what_would_work(folder, tmp_path, capsys):
    words = ["benchmark", folder, *QUICK, "--modalities", "audio"]
    assert told(capsys, *words, "--run", tmp_path / "r")[0] == 0
    assert runs.read_run(tmp_path / "r").protocol == "actors"
    for wrong in ("luna5", "corpora", "luna6"):
        status, _, said = told(capsys, *words, "--protocol", wrong)
        assert status == 2 and "actors, random_leaky" in said


def test_train_says_how_good_it_is_and_how_to_measure_more(folder, tmp_path, capsys):
    model = tmp_path / "m o"
    status, said, warned = told(capsys, "train", folder, *QUICK, "--output", model)
    assert status == 0 and "18 clip(s) are not known" in warned
    (row,) = json.loads((model / "run.json").read_text())["held_out"]
    assert f"{100 * row['uar']:.1f} (" in said
    counts = np.array(row["confusion"])
    assert counts.sum() == row["n"] == 18 and row["labels"] == ["Freude", "bored", "joy"]
    np.testing.assert_allclose(row["war"], np.trace(counts) / 18)
    np.testing.assert_allclose(row["uar"], np.mean(np.diag(counts) / counts.sum(axis=1)))
    assert row["uar_low"] <= row["uar"] <= row["uar_high"] and row["by_actor"] == {}
    command = shlex.split(said.strip().splitlines()[-1].partition("multimodal-ser ")[2])
    command[-1] = str(tmp_path / "bench")
    assert told(capsys, *command)[0] == 0
    assert runs.read_run(tmp_path / "bench").labels == row["labels"]


def test_a_word_that_is_a_column_of_predictions_is_refused(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "data")
    tone(tmp_path / "data" / "confidence" / "0.wav", 440)
    words = ["train", tmp_path / "data", *QUICK, "--output", tmp_path / "m"]
    status, _, said = told(capsys, *words)
    assert status == 2 and "'confidence'" in said
    assert not (tmp_path / "m").exists()


def test_published_names_keep_the_eight_emotions(tmp_path, capsys):
    for actor, emotion in [(a, e) for a in (1, 2, 3) for e in (3, 4, 5)]:
        tone(tmp_path / f"d/03-01-{emotion:02}-01-01-01-{actor:02}.wav", 150 * emotion + actor)
    words = ["train", tmp_path / "d", *QUICK, "--output", tmp_path / "m"]
    assert told(capsys, *words)[0] == 0
    assert len(load_model(tmp_path / "m").labels) == 8


def test_real_voices_under_invented_words_from_index_to_report(shared_data, tmp_path, capsys):
    """CREMA-D's clips under words and names that say nothing of emotion or speaker."""
    rng, words = random.Random(0), {"ANG": "gereizt", "SAD": "bored", "HAP": "Freude"}
    for code, word in words.items():
        found = sorted((shared_data / "cremad" / "AudioOgg").glob(f"*_{code}_*.ogg"))
        (tmp_path / "own" / word).mkdir(parents=True)
        for at, path in enumerate(rng.sample(found, 14)):
            shutil.copy(path, tmp_path / "own" / word / f"{at:02}.ogg")
    own, model = tmp_path / "own", tmp_path / "m"
    assert told(capsys, "index", own, "--output", tmp_path / "clips.csv")[0] == 0
    learners = ("--audio", "spectral_moments:logistic_regression", "--video", "none")
    fitted = ["train", tmp_path / "clips.csv", *learners, "--output", model]
    assert told(capsys, *fitted)[0] == 0
    scored = ["evaluate", own, "--model", model, "--run", tmp_path / "e"]
    assert told(capsys, *scored)[0] == 0
    assert told(capsys, "predict", own, "--model", model)[0] == 0
    assert told(capsys, "report", tmp_path / "e", "--output", tmp_path / "r.html")[0] == 0
    found = runs.read_run(tmp_path / "e")
    assert set(found.labels) == set(words.values())
    right = found.models[0].probabilities.idxmax(axis=1) == found.clips["emotion"].astype(object)
    assert right.mean() > 0.6  # of its own training clips; one in three by chance
