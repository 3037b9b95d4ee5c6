"""A real Dask scheduler and its workers, each a process of its own, on loopback."""

import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.audio.extract import extract
from multimodal_ser.cli import main
from multimodal_ser.compute import cluster, parallel
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine, map_clips
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import SerError

pytest.importorskip("distributed")


class Dask:
    """A scheduler, and workers that can be started and killed."""

    def __init__(self, folder):
        self.folder, self.workers = folder, []
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        deadline = time.monotonic() + 60
        while not (folder / "s.json").exists():
            assert time.monotonic() < deadline and self.scheduler.poll() is None
            time.sleep(0.05)
        self.address = json.loads((folder / "s.json").read_text())["address"]

    def _start(self, what, *words):
        line = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard",
                "--scheduler-file", str(self.folder / "s.json"), *words]  # fmt: skip
        return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def add_worker(self):
        words = ("--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder))
        self.workers.append(self._start("worker", *words))

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


def test_a_clip_that_ends_every_machine_is_a_failure():
    """The one case that real processes cannot show in little time."""
    from distributed import KilledWorker

    class Future:
        def result(self, timeout):
            raise KilledWorker("task", None, 3)

    outcome = cluster._result(Future(), (b"", "clip", ("a.mp4",)), None)
    assert outcome.clip == "clip" and outcome.value is None
    assert outcome.error.startswith("a.mp4: the machines that read it were lost")


def test_the_command_takes_a_scheduler(dask, corpus, tmp_path, capsys):
    words = ["extract", str(corpus), "--video", "none", "--quiet", "--no-cache"]
    words += ["--features", "mfcc_rms"]
    where = ["--scheduler", dask.address], ["--workers", "1"]
    for k, more in enumerate(where):
        assert main([*words, *more, "--output", str(tmp_path / f"{k}.csv")]) == 0
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()
    assert main([*words, "--scheduler", "localhost"]) == 2
    assert "not an address" in capsys.readouterr().err


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
