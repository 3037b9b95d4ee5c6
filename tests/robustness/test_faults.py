"""After any failing call the old or the new content is there, and the next run works."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faults import age, every_fault, faults, litter
from local_server import LocalServer

from multimodal_ser.compute.cache import Cache
from multimodal_ser.download import fetch as fetching
from multimodal_ser.download.unpack import unpack
from multimodal_ser.errors import SerError, StoreError
from multimodal_ser.evaluation.runs import read_run, write_run
from multimodal_ser.tables import io as tableio

KEY, OLD, NEW = "ab" * 32, {"values": np.arange(3.0)}, {"values": np.arange(5.0)}
KINDS = [OSError, MemoryError]


@pytest.fixture
def tmp_path():
    """A folder in memory, where there is one: thousands of files are synchronised."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def put(place, arrays):
    Cache(place).put(KEY, arrays)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("old", [None, OLD])
def test_the_store(tmp_path, kind, old):
    def prepare(place):
        if old is not None:
            put(place, old)

    count = 0
    for place, raised in every_fault(lambda place: put(place, NEW), tmp_path, prepare, error=kind):
        assert raised is None or isinstance(raised, StoreError | MemoryError)
        found, count = Cache(place).get(KEY), count + 1
        kept = None if found is None else found["values"].tolist()
        assert kept in [old and old["values"].tolist(), NEW["values"].tolist()]
        age(place)
        put(place, NEW)
        assert Cache(place).get(KEY)["values"].tolist() == NEW["values"].tolist()
        assert litter(place) == []
    assert count >= 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet", ".xlsx", ".npz"])
def test_tables(tmp_path, kind, ending):
    from multimodal_ser.tables import Features

    def write(place, count):
        clips = pd.Index([f"c{n}" for n in range(count)], name="clip")
        if ending == ".npz":
            features = Features(clips, np.ones((count, 2), np.float32), ("a", "b"))
            tableio.write_features(features, place / f"t{ending}")
        else:
            tableio.write(pd.DataFrame({"x": 0.5}, clips), place / f"t{ending}")

    whole = []
    for count in (3, 4):
        (tmp_path / str(count)).mkdir()
        write(tmp_path / str(count), count)
        whole.append((tmp_path / str(count) / f"t{ending}").read_bytes())
    for place, _ in every_fault(lambda p: write(p, 4), tmp_path, lambda p: write(p, 3), error=kind):
        content = (place / f"t{ending}").read_bytes()
        # A workbook says when it was written.
        assert content in whole or (ending == ".xlsx" and len(tableio.read(place / "t.xlsx")) > 2)
        age(place)
        write(place, 4)
        assert litter(place) == []


def described(run):
    return [
        (model.name, model.probabilities.to_dict(), model.folds.to_dict()) for model in run.models
    ], run.clips["duration"].to_dict()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("identity", ["same", ""])
def test_run_folders(tmp_path, kind, identity, run_of):
    first, second = run_of(1.0, identity), run_of(2.0, identity)
    known, template = [described(first), described(second)], write_run(tmp_path / "old", first)
    found = every_fault(
        lambda place: write_run(place / "run", second),
        tmp_path,
        lambda place: shutil.copytree(template, place / "run"),
        error=kind,
    )
    for number, (place, _) in enumerate(found):
        assert described(read_run(place / "run")) in known
        if number % 5 == 0:
            age(place)
            assert described(read_run(write_run(place / "run", second))) == known[1]
            assert litter(place) == []
            assert len(list(place.rglob("*.parquet"))) == 1 + len(second.models)
        shutil.rmtree(place)


@pytest.fixture
def run_of():
    from multimodal_ser.evaluation.folds import make_folds
    from multimodal_ser.evaluation.runs import Run, RunModel, fold_names
    from multimodal_ser.tables import make_clips

    def build(duration, identity):
        rows = [
            {"clip": f"c{n}", "actor": f"0{n // 2}", "emotion": ["sad", "happy"][n % 2]}
            for n in range(4)
        ]
        clips = make_clips([row | {"duration": duration} for row in rows])
        table = pd.DataFrame([[0.5 / duration, 1 - 0.5 / duration]] * 4, clips.index)
        table.columns = ["sad", "happy"]
        folds = fold_names(make_folds(clips, "leave_one_actor_out")).loc[clips.index]
        models = tuple(RunModel(name, "audio", table, folds) for name in ("ear", "eye"))
        return Run("T", "leave_one_actor_out", clips, models, identity=identity)

    return build


@pytest.fixture(scope="module")
def models():
    """Two models that answer otherwise."""
    from multimodal_ser.tables import Features, make_clips
    from multimodal_ser.workflows.feature_model import FeatureModel
    from multimodal_ser.workflows.inference import Model

    values = np.random.default_rng(0).normal(size=(12, 157)).astype(np.float32)
    found = []
    for labels in (["sad", "happy"], ["angry", "calm"]):
        rows = [{"clip": f"c{n:02}", "emotion": labels[n % 2]} for n in range(12)]
        clips = make_clips(rows)
        features = Features(pd.Index(clips.index), values, tuple(f"v{n}" for n in range(157)))
        learner = FeatureModel("mfcc_rms", "knn").fit(features, clips)
        found.append(Model({learner.name: learner}))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_saved_models(tmp_path, kind, models):
    """A folder whose model was being replaced holds one of both, whole."""
    from multimodal_ser.workflows.inference import load_model

    def codes(model):
        return [learner.describe()["codes"] for learner in model.learners.values()]

    old, new = models
    assert codes(old) != codes(new)
    template, about = old.save(tmp_path / "old", {"made": "first"}), {"made": "second"}
    found = every_fault(
        lambda place: new.save(place / "model", about),
        tmp_path,
        lambda place: shutil.copytree(template, place / "model"),
        error=kind,
    )
    for number, (place, _) in enumerate(found):
        assert codes(load_model(place / "model")) in (codes(old), codes(new))
        if number % 5 == 0:
            age(place)
            assert codes(load_model(new.save(place / "model", about))) == codes(new)
            assert litter(place) == [] and len(list((place / "model").glob("learners*"))) == 1
        shutil.rmtree(place)


CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def server():
    with LocalServer() as found, pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "PAUSE_SECONDS", 0.0)
        patch.setattr(fetching, "ATTEMPTS", 2)
        found.files["a.zip"] = CONTENT
        yield found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("checksum", [SHA256, None])
@pytest.mark.parametrize("old", [None, b"old"])
def test_downloads(tmp_path, kind, checksum, old, server):
    if old and not checksum:
        pytest.skip("without a checksum, what is there is right")

    def prepare(place):
        if old:
            (place / "a.zip").write_bytes(old)

    def get(place):
        fetching.fetch(server.url("a.zip"), place / "a.zip", checksum=checksum)

    for place, _ in every_fault(get, tmp_path, prepare, error=kind):
        found = (place / "a.zip").read_bytes() if (place / "a.zip").exists() else None
        assert found in (old, CONTENT)
        get(place)
        assert (place / "a.zip").read_bytes() == CONTENT
        if found in (old,):  # else nothing was left to do
            left = {path.name for path in place.rglob("*")}
            assert left == {"a.zip", ".downloading.lock"}


@pytest.mark.parametrize("kind", KINDS)
def test_unpacked_archives(tmp_path, kind):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name in ("a.wav", "b.wav"):
            file.writestr(f"x/{name}", CONTENT)

    def work(place):
        unpack(tmp_path / "a.zip", place, ["one/a.wav", "two/b.wav"])

    for place, _ in every_fault(work, tmp_path, error=kind):
        assert all(path.read_bytes() == CONTENT for path in place.rglob("*.wav"))
        work(place)
        assert sorted(path.name for path in place.rglob("*.wav")) == ["a.wav", "b.wav"]
        age(place)
        for path in place.rglob("*.wav"):
            path.unlink()
        work(place)
        assert litter(place) == []


def test_a_disk_that_is_full_everywhere_is_one_error(tmp_path):
    """No place of writing is caught by what cleans up behind it."""
    with faults(1, lasting=True), pytest.raises(StoreError):
        put(tmp_path, NEW)
    with faults(1, lasting=True), pytest.raises((OSError, SerError)):
        tableio.write(pd.DataFrame({"a": [1]}), tmp_path / "t.csv")


def test_every_allocation(tmp_path):
    """Python's own allocator refuses the 1st, 2nd, 3rd, ... request, in a process each."""
    testing = pytest.importorskip("_testcapi")
    put(tmp_path, OLD)
    outcomes = {"refused": 0, "written": 0, "died": 0}
    for turn in [*range(1, 200), *range(200, 4000, 37)]:
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            try:
                testing.set_nomemory(turn, turn + 1)
                put(tmp_path, NEW)
                testing.remove_mem_hooks()
            except BaseException:
                os._exit(3)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        outcomes[{0: "written", 3: "refused"}.get(status, "died")] += 1
        found = Cache(tmp_path).get(KEY)["values"].tolist()
        assert found in (OLD["values"].tolist(), NEW["values"].tolist())
        if status == 0:
            assert found == NEW["values"].tolist()
            put(tmp_path, OLD)
    assert outcomes["refused"] > 20 and outcomes["written"] > 20, outcomes
    age(tmp_path)
    put(tmp_path, NEW)
    assert litter(tmp_path) == []
