"""What is parsed here, damaged in thousands of ways: read, or refused in one line, in time.

Pure functions of the seed, so that a case that fails can be run again alone::

    python -m pytest tests/robustness/test_fuzz.py --fuzz-cases 20000 -k json
"""

import contextlib
import json
import re
import signal
import zipfile

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.datasets import cremad, nemo, ravdess, tess
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.evaluation.runs import Run, RunModel, fold_names, read_run, write_run
from multimodal_ser.tables import annotations, make_clips
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables.records import ModelRecord, RunRecord, read_record
from multimodal_ser.workflows.models import _read_params

pytestmark = pytest.mark.filterwarnings("ignore:.*read so:UserWarning")

#: What parsers stumble over.
WORDS = [
    *(b"NaN", b"Infinity", b"1e999", b"-1e999", b"9" * 400, b"-1", b"0", b"1.5", b"null", b"true"),
    *(b"[", b"]", b"{", b"}", b"[[[[[[[[", b'"', b"'", b",", b";", b"\t", b"\r", b"\n", b"\r\n"),
    *(b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", "é".encode(), b"\\u0000"),
    *(b"../", b"://", b"=1+1", b"2026-11-22", b"1 days", b"<a>", b"</a>", b"&lt;", b"<!DOCTYPE a>"),
]


def damaged(content: bytes, seed: int) -> bytes:
    """Return the content with one to four changes."""
    random, found = np.random.default_rng(seed), bytearray(content)
    for _ in range(random.integers(1, 5)):
        at, length = random.integers(0, len(found) + 1), int(random.integers(1, 40))
        kind = random.integers(6)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << random.integers(8)
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            del found[at : at + length]
        elif kind == 3:
            found[at:at] = found[at : at + length] * int(random.integers(1, 30))
        elif kind == 4:
            found[at:at] = WORDS[random.integers(len(WORDS))]
        else:
            numbers = list(re.finditer(rb'[\w.]+|"[^"]*"', bytes(found)))
            if numbers:  # a whole value becomes another
                one = numbers[random.integers(len(numbers))]
                found[one.start() : one.end()] = WORDS[random.integers(len(WORDS))]
    return bytes(found)


@pytest.fixture(autouse=True)
def in_time():
    """End a case that takes 30 s."""

    def over(*_):
        raise RuntimeError("it takes too long")

    before = signal.signal(signal.SIGALRM, over)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def told(read, path) -> bool:
    """Return whether a file is read; it may be refused in one line and nothing else."""
    signal.alarm(30)
    try:
        read(path)
    except SerError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return False
    return True


ROWS = pd.DataFrame(
    {
        "clip": ["a", "b/c", "é"],
        "audio": ["a.wav", "b.wav", "c,d.wav"],
        "emotion": ["sad", "happy", None],
        "actor": ["01", "02", "02"],
        "duration": [1.5, 2.0, None],
        "start": [0.0, 1.0, 2.0],
        "end": [1.0, 2.0, 3.0],
    }
)


def seeds(folder):
    """Return good files: ending -> path."""
    found = {ending: folder / f"good{ending}" for ending in tableio.READABLE}
    for path in found.values():
        tableio.write(ROWS, path)
    times = {"start_s": [0.0, 1.0], "end_s": [1.0, 2.5], "segment": [0, 1]}
    predictions = pd.DataFrame(times).assign(
        clip="a", path="a.wav", modality="fused", emotion="sad", confidence=0.5
    )
    for ending in (".TextGrid", ".eaf"):
        found[ending] = folder / f"good{ending}"
        annotations.write_predictions(predictions, found[ending])
    return found


def read_table(path):
    """As every reader of tables of clips does."""
    tableio.read(path)
    for reader in (tableio.read_clips, tableio.read_usable_clips, annotations.read_segments):
        told(reader, path)


@pytest.mark.parametrize("ending", [*tableio.READABLE, ".TextGrid", ".eaf"])
def test_tables(tmp_path, ending, fuzz_cases):
    content, path = seeds(tmp_path)[ending].read_bytes(), tmp_path / f"bad{ending}"
    read = annotations.read_segments if ending in (".TextGrid", ".eaf") else read_table
    assert told(read, seeds(tmp_path)[ending])
    outcomes = set()
    for seed in range(fuzz_cases):
        path.write_bytes(damaged(content, seed))
        outcomes.add(told(read, path))
    assert False in outcomes


def test_pages_of_a_workbook(tmp_path, fuzz_cases):
    """Within the archive, where no checksum hides them."""
    good, bad = seeds(tmp_path)[".xlsx"], tmp_path / "bad.xlsx"
    with zipfile.ZipFile(good) as archive:
        pages = {name: archive.read(name) for name in archive.namelist()}
    for seed in range(fuzz_cases // 2):
        changed = sorted(pages)[seed % len(pages)]
        with zipfile.ZipFile(bad, "w") as archive:
            for name, page in pages.items():
                archive.writestr(name, damaged(page, seed) if name == changed else page)
        told(read_table, bad)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    rows = [{"clip": f"c{n}", "actor": f"0{n // 2}", "emotion": ["sad", "happy"][n % 2]}
            for n in range(4)]  # fmt: skip
    clips = make_clips(rows)
    table = pd.DataFrame([[0.25, 0.75]] * 4, clips.index, ["sad", "happy"])
    folds = fold_names(make_folds(clips, "leave_one_actor_out")).loc[clips.index]
    models = (
        RunModel("ear", "audio", table, folds, seconds=1.0, chosen=({"fold": "a", "C": 10},)),
        RunModel("both", "fused", table, folds, {"audio": "ear"}),
    )
    made = Run("T", "leave_one_actor_out", clips, models, versions={"numpy": "2"})
    return write_run(tmp_path_factory.mktemp("run"), made)


def test_run_folders(run_folder, fuzz_cases):
    files = [run_folder / "run.json", *sorted(run_folder.rglob("*.parquet"))]
    outcomes = set()
    for seed in range(fuzz_cases):
        path = files[0 if seed % 4 else seed // 4 % len(files)]
        whole = path.read_bytes()
        path.write_bytes(damaged(whole, seed))
        try:
            outcomes.add(told(read_run, run_folder))
        finally:
            path.write_bytes(whole)
    assert False in outcomes
    read_run(run_folder)


MODEL = {
    "format": 2,
    "labels": ["sad", "happy"],
    "pooling": "mean",
    "adapt": "none",
    "learners": [
        {
            **{"kind": "features", "name": "ear", "folder": "learners/00-ear", "seed": 0},
            **{"modality": "audio", "input": "mfcc_rms", "input_version": 1, "classifier": "svc"},
            **{"labels": ["sad", "happy"], "params": {"C": 10}, "codes": [0, 1]},
        }
    ],
    "fusion": {"method": "mean", "options": {}, "labels": [], "modalities": [], "fitted": []},
    "temperatures": {"audio": 1.0},
}


def test_models_descriptions(tmp_path, fuzz_cases):
    content = json.dumps(MODEL, indent=2).encode()
    read_record(content, ModelRecord, "a model")
    for seed in range(fuzz_cases):
        (tmp_path / "params.json").write_bytes(damaged(content, seed))
        told(_read_params, tmp_path)
        told(lambda path: read_record(path, RunRecord, "a run"), tmp_path / "params.json")


NAMES = {
    ravdess: "01-01-06-01-02-01-12.mp4",
    cremad: "1001_DFA_ANG_XX.wav",
    tess: "OAF_back_angry.wav",
    nemo: "EB0_anger_12.wav",
}


@pytest.mark.parametrize("module", NAMES, ids=lambda module: module.NAME)
def test_names(module, fuzz_cases):
    for seed in range(fuzz_cases):
        name = damaged(NAMES[module].encode(), seed).decode("utf-8", "surrogateescape")
        with contextlib.suppress(SerError):  # which shows the name; terminals escape it
            module.parse_name(name)


#: Found by these tests; each was a traceback.
CASES = {
    "digits.csv": b"clip,audio,duration\na,a.wav," + b"9" * 400 + b"\nb,b.wav,x\n",
}


@pytest.mark.parametrize("name", CASES)
def test_cases_that_were_found(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(CASES[name])
    told(annotations.read_segments if path.suffix in (".TextGrid", ".eaf") else read_table, path)
