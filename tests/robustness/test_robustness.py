"""Small versions of what the scripts beside this file do on real recordings."""

import time

import numpy as np
import pandas as pd
import pytest
from fuzz import account, small_model
from kill import kill_once, tables
from lists import BAD, GOOD, check, wrong_list
from make_damaged import KINDS, make

from multimodal_ser.compute.parallel import Engine
from multimodal_ser.tables import io as tableio
from multimodal_ser.workflows import inference


@pytest.fixture(scope="module")
def audio_model(corpus, tmp_path_factory):
    """A model of the voice alone, which starts without TensorFlow."""
    return small_model(tmp_path_factory.mktemp("robust"), corpus, "--video", "none")


@pytest.fixture(scope="module")
def seeds(corpus, tmp_path_factory):
    """A few wav, flac and mp4 files of the synthetic corpus."""
    import soundfile

    wavs, films = sorted(corpus.rglob("*.wav"))[:3], sorted(corpus.rglob("*.mp4"))[:3]
    flac = tmp_path_factory.mktemp("flac") / "a.flac"
    soundfile.write(flac, *soundfile.read(wavs[0]))
    return [*wavs, flac, *films]


def test_damage_is_a_pure_function_of_seed_and_number(seeds, tmp_path):
    few, many = make(seeds, tmp_path / "a", 30, seed=3), make(seeds, tmp_path / "b", 60, seed=3)
    other = make(seeds, tmp_path / "c", 30, seed=4)
    content = [[path.read_bytes() for path in paths] for paths in (few, many[:30], other)]
    assert content[0] == content[1]
    assert content[0] != content[2]
    assert {path.stem[5:] for path in many} == {kind.__name__ for kind in KINDS}


def test_every_damaged_file_is_predicted_or_told(seeds, audio_model, tmp_path):
    paths = make(seeds, tmp_path, 60, seed=0)
    model = inference.load_model(audio_model)
    engine = Engine(workers=1, timeout_seconds=60)
    predictions, failures = inference.predict([tmp_path], model, workers=engine)
    table = account(paths, predictions, failures)
    assert set(table["fate"]) == {"failed", "predicted"}
    failed = table[table["fate"] == "failed"]
    assert all(path in error and ";" in error for path, error in failed[["path", "error"]].values)
    assert (table.loc[table["kind"] == "empty", "fate"] == "failed").all()


def test_a_wrong_list_is_worked_off_and_every_row_accounted_for(seeds, audio_model, tmp_path):
    table = wrong_list(seeds[:3], tmp_path / "clips", 90, seed=1)
    assert set(table["kind"]) == {*GOOD, *BAD}
    table.to_csv(tmp_path / "list.csv", index=False)
    clips, left_out = tableio.read_usable_clips(tmp_path / "list.csv")
    predictions, failures = inference.predict(clips, audio_model, workers=1)
    for ending in tableio.ENDINGS:  # every name can be written
        tableio.write(predictions, tmp_path / f"p{ending}")
    result = check(table, predictions, pd.concat([left_out, failures]))
    assert result["right"].all(), result


def test_a_killed_batch_goes_on_to_the_same_bytes(corpus, audio_model, tmp_path):
    data = corpus / "Audio_Speech_Actors_01-24"
    began = time.monotonic()
    whole = tables(data, audio_model, tmp_path / "whole")
    seconds = time.monotonic() - began
    for number, moment in enumerate(np.random.default_rng(0).uniform(0.3, 0.95, 3)):
        _, found = kill_once(data, audio_model, tmp_path / str(number), moment * seconds)
        assert found == whole
