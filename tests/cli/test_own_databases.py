"""Databases and tables of parts of recordings, by the command alone."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser import datasets
from multimodal_ser.cli import main, requests
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.tables import audformat

pytestmark = pytest.mark.usefixtures("any_sound")
RATE = 16000


@pytest.fixture(scope="module", autouse=True)
def in_process():
    work = {"cache": Cache(None), "workers": Engine(1, in_process=True), "progress": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "work_of", lambda _options: dict(work))
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A recording of each of eight speakers: a low tone, then a high one."""
    place = tmp_path_factory.mktemp("own")
    lines = ["file,start,end,emotion,speaker"]
    times = np.arange(RATE) / RATE
    for at in range(8):
        sound = [0.3 * np.sin(2 * np.pi * (hertz + 5 * at) * times) for hertz in (200, 800)]
        soundfile.write(place / f"{at}.wav", np.concatenate(sound), RATE)
        lines += [f"{at}.wav,0,1,bored,{at}", f"{at}.wav,0 days 00:00:01,,Freude,{at}"]
    (place / "list.csv").write_text("\n".join(lines) + "\n")
    return place / "list.csv"


def done(*words):
    return main([str(word) for word in words])


def test_from_a_list_of_parts_to_predictions_in_audformat(table, tmp_path, capsys):
    database, model = tmp_path / "own.audformat", tmp_path / "m"
    assert done("index", table, "--output", database) == 0
    assert datasets.recognise(database) == "audformat"
    clips = datasets.index(database)
    assert len(clips) == 16 and clips["actor"].nunique() == 8
    learners = ("--audio", "mfcc_chroma_mel:logistic_regression", "--video", "none")
    assert done("train", database, *learners, "--output", model) == 0
    assert done("evaluate", database, "--model", model, "--output", tmp_path / "s.csv") == 0
    assert pd.read_csv(tmp_path / "s.csv")["uar"].iloc[0] > 0.9
    recordings = [table.parent / f"{at}.wav" for at in range(3)]
    said = tmp_path / "said.audformat"
    how = ("--model", model, "--segments", database, "--output", said)
    assert done("predict", *recordings, *how) == 0
    found = audformat.read_table(said, "audio.segments")
    assert found["emotion"].tolist() == ["bored", "Freude"] * 3
    assert "3 clip(s) predicted" in capsys.readouterr().out
    assert done("predict", database, "--model", model, "--output", tmp_path / "p.csv") == 0
    assert pd.read_csv(tmp_path / "p.csv")["path"].nunique() == 8
    # What is predicted is a database, and may be taken as segments in turn.
    assert len(audformat.read_segments(said)) == 6


def test_a_database_of_numbers_trains_a_regressor(table, tmp_path):
    rows = pd.read_csv(table).drop(columns="emotion")
    rows["start"], rows["end"] = [0.0, 1.0] * 8, [1.0, np.nan] * 8
    rows["file"] = [str(table.parent / name) for name in rows["file"]]
    rows["arousal"] = [0.1, 0.9] * 8
    audformat.write(tmp_path / "d.audformat", {"said": rows})
    how = ("--targets", "arousal", "--features", "mfcc_rms", "--output", tmp_path / "m")
    assert done("train", tmp_path / "d.audformat", *how) == 0
    scores = ("--output", tmp_path / "s.csv")
    assert done("evaluate", tmp_path / "d.audformat", "--model", tmp_path / "m", *scores) == 0
    assert pd.read_csv(tmp_path / "s.csv").loc[0, ["n", "ccc"]].tolist() >= [16, 0.8]


def test_an_unknown_ending_is_refused_before_any_work(table, tmp_path, capsys):
    assert done("index", table, "--output", tmp_path / "x.tsv") == 2
    assert "x.tsv" in capsys.readouterr().err
