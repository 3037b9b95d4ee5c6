"""A real Dask scheduler and its workers, each a process of its own, on loopback."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.audio.extract import extract
from multimodal_ser.cli import main
from multimodal_ser.compute import cluster, parallel, versions, workers
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine, map_clips
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import ClusterError, SerError

pytest.importorskip("distributed")


class Dask:
    """A scheduler, and workers that can be started and killed."""

    def __init__(self, folder):
        self.folder, self.workers = folder, []
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        self.address = self._wait_for_address()

    def _wait_for_address(self):
        # The scheduler writes its file in place: it is there before its text is.
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.scheduler.poll() is None:
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                return json.loads((self.folder / "s.json").read_text())["address"]
            time.sleep(0.05)
        raise AssertionError("the scheduler does not start")

    def _start(self, what, *words, **environment):
        line = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard",
                "--scheduler-file", str(self.folder / "s.json"), *words]  # fmt: skip
        silent, where = subprocess.DEVNULL, {**os.environ, **environment}
        # Elsewhere than here, or the package would be found beside the tests.
        return subprocess.Popen(line, stdout=silent, stderr=silent, env=where, cwd=self.folder)

    def add_worker(self, **environment):
        words = ("--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder))
        self.workers.append(self._start("worker", *words, **environment))

    def kill_worker(self):
        worker = self.workers.pop()
        worker.kill()
        worker.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    found = Dask(tmp_path_factory.mktemp("dask"))
    found.add_worker()
    found.add_worker()
    yield found
    for process in (*found.workers, found.scheduler):
        process.kill()
        process.wait()


def test_a_cluster_of_which_half_is_killed_gives_the_same_table(dask, corpus, tmp_path):
    clips = ravdess.index(corpus)
    (tmp_path / "bad.wav").write_bytes(b"not sound")
    clips.loc["bad", "audio"] = str(tmp_path / "bad.wav")
    here, failed_here = extract(clips, cache=Cache(tmp_path / "a"), workers=1, progress=False)

    def kill_midway():
        while len(list((tmp_path / "b").rglob("*.npz"))) < 4:
            time.sleep(0.005)
        dask.kill_worker()

    killer = threading.Thread(target=kill_midway)
    killer.start()
    engine = Engine(scheduler=dask.address)
    there, failed = extract(clips, cache=Cache(tmp_path / "b"), workers=engine, progress=False)
    n_when_killed = len(dask.workers)
    killer.join()
    dask.add_worker()
    assert n_when_killed == 1, "the worker was to be killed before the end"
    assert there.clips.tolist() == here.clips.tolist()
    assert there.values.tobytes() == here.values.tobytes()
    pd.testing.assert_frame_equal(failed, failed_here)


def test_a_decoder_that_dies_or_hangs_costs_its_clip_and_no_dask_worker(dask, monkeypatch):
    monkeypatch.setattr(parallel, "time_limit", lambda code: 3 if "sleep" in code[0] else 300)
    codes = ("1 + 1", "os._exit(3)", "time.sleep(99)", "1 / 0", "os.kill(os.getpid(), 11)", "6 * 7")
    items = {code: (f"[os := __import__('os'), time := __import__('time'), {code}][2]",)
             for code in codes}  # fmt: skip
    told = []
    for engine in (Engine(2), Engine(scheduler=dask.address)):
        outcomes = list(map_clips(eval, items, workers=engine, progress=False))
        assert [o.value for o in outcomes] == [2, None, None, None, None, 42]
        told.append([o.error for o in outcomes])
    assert told[0] == told[1]
    assert "status 3" in told[0][1] and "3 s and was stopped" in told[0][2]
    assert all(worker.poll() is None for worker in dask.workers)


class Killed:
    """The future of a batch that ends every machine on which it is tried, or one that does not."""

    def __init__(self, batch):
        self.items = batch[1]

    def result(self, timeout):
        from distributed import KilledWorker

        if any(clip == "bad" for clip, *_ in self.items):
            raise KilledWorker("task", None, 3)
        return [workers.Outcome(clip, arguments[0], None) for clip, arguments, _ in self.items]


@pytest.mark.parametrize("place", [0, 7, 31])
def test_of_a_batch_that_ends_every_machine_one_clip_is_lost(place):
    """The one case that real processes cannot show in little time."""
    items = [("bad" if k == place else str(k), (f"{k}.mp4",), 60.0) for k in range(32)]
    tried = []

    def submit(batch):
        tried.append(len(batch[1]))
        return Killed(batch)

    batch = (b"", items, ".")
    outcomes = cluster._outcomes(Killed(batch), batch, submit, None)
    assert [o.clip for o in outcomes] == [clip for clip, *_ in items]
    assert [o.clip for o in outcomes if o.error] == ["bad"]
    assert outcomes[place].error.startswith(f"{place}.mp4: the machines that read it were lost")
    assert sorted(tried) == [1, 1, 2, 2, 4, 4, 8, 8, 16, 16]


@pytest.mark.parametrize(
    ("count", "threads", "largest"), [(1000, 2, 32), (6, 2, 1), (100, 10, 5), (3, 0, 3)]
)
def test_batches_hold_every_clip_once_and_become_small_at_the_end(count, threads, largest):
    class Seen:
        def threads(self):
            return threads

    calls = [(b"f", str(k), (k,), 60.0, ".") for k in range(count)]
    batches = list(cluster._batches(calls, count, Seen()))
    assert [item[0] for _, items, _ in batches for item in items] == list(map(str, range(count)))
    sizes = [len(items) for _, items, _ in batches]
    assert max(sizes) == largest and sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1 or not threads


def test_large_files_come_in_small_batches(tmp_path, monkeypatch):
    class Seen:
        def threads(self):
            return 1

    monkeypatch.setattr(cluster, "BATCH_MB", 0.01)
    (tmp_path / "film").write_bytes(bytes(6000))
    calls = [(b"f", str(k), (str(tmp_path / "film"),), 60.0, ".") for k in range(100)]
    sizes = [len(items) for _, items, _ in cluster._batches(calls, 100, Seen())]
    assert set(sizes[:40]) == {2}


def test_the_command_takes_a_scheduler(dask, corpus, tmp_path, capsys):
    words = ["extract", str(corpus), "--video", "none", "--quiet", "--no-cache"]
    words += ["--features", "mfcc_rms"]
    where = ["--scheduler", dask.address], ["--workers", "1"]
    for k, more in enumerate(where):
        assert main([*words, *more, "--output", str(tmp_path / f"{k}.csv")]) == 0
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()
    assert main([*words, "--scheduler", "localhost"]) == 2
    assert "not an address" in capsys.readouterr().err


def changed_package(folder, change):
    """Copy the package and change the copy; return the environment that runs it."""
    package = Path(cluster.__file__).parents[1]
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    change(folder / package.name)
    return {"PYTHONPATH": str(folder)}


def newer(package):
    """The same version, and one line more: as after 'git pull'."""
    with open(package / "audio" / "spectra.py", "a") as file:
        file.write("# changed\n")


def older(package):
    """A package that knows nothing of such checks."""
    (package / "compute" / "versions.py").unlink()
    for name in ("cache", "cluster"):
        path = package / "compute" / f"{name}.py"
        path.write_text("raise ImportError('not there yet')\n")


@pytest.mark.parametrize("change", [newer, older])
def test_a_worker_of_another_version_is_refused_and_keeps_nothing(tmp_path, corpus, change):
    other = Dask(tmp_path)
    try:
        other.add_worker(**changed_package(tmp_path / "changed", change))
        clips, store = ravdess.index(corpus).head(2), tmp_path / "store"
        with pytest.raises(ClusterError) as raised:
            engine = Engine(scheduler=other.address)
            extract(clips, cache=Cache(store), workers=engine, progress=False)
        assert change is older or "sources is" in str(raised.value)
        assert "\n" not in str(raised.value)
        assert not list(store.rglob("*.npz"))
    finally:
        for process in (*other.workers, other.scheduler):
            process.kill()
            process.wait()


def test_what_differs_is_named():
    build = versions.build()
    other = build | {"numpy": "1.0", "multimodal_ser": "9.9", "extra": "1"}
    with pytest.raises(ClusterError) as raised:
        cluster.call_same(other, workers.packed(abs), -1)
    said = str(raised.value)
    assert all(word in said for word in ("numpy is 1.0", "multimodal_ser is 9.9", "extra is 1"))
    assert "librosa" not in said


def test_one_changed_byte_is_another_build(tmp_path, monkeypatch):
    package = tmp_path / "package"
    (package / "compute").mkdir(parents=True)
    monkeypatch.setattr(versions, "__file__", str(package / "compute" / "versions.py"))
    found = set()
    for name, content in (("a.py", b"1"), ("a.py", b"2"), ("b.py", b"2"), ("weights.onnx", b"2")):
        (package / name).write_bytes(content)
        found.add(versions._sources())
    (package / "notes.txt").write_bytes(b"no code")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_bytes(b"made of code")
    found.add(versions._sources())
    assert len(found) == 4


def test_no_scheduler_is_told(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(SerError):
        list(map_clips(abs, {"a": (1,)}, workers=Engine(scheduler="tcp://127.0.0.1:9")))


def test_a_cluster_without_workers_is_told(dask, monkeypatch):
    monkeypatch.setattr(cluster, "WORKERLESS_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "_LOOK_SECONDS", 0.2)
    while dask.workers:
        dask.kill_worker()
    engine = Engine(scheduler=dask.address)
    with pytest.raises(SerError):
        list(map_clips(np.abs, {"a": (1,), "b": (2,)}, workers=engine, progress=False))


def test_a_lost_scheduler_is_told(dask):
    dask.add_worker()
    items = {"a": ("1",), "b": (f"__import__('os').kill({dask.scheduler.pid}, {signal.SIGKILL})",)}
    items |= {str(k): ("__import__('time').sleep(0.2)",) for k in range(20)}
    with pytest.raises(SerError):
        list(map_clips(eval, items, workers=Engine(scheduler=dask.address), progress=False))
