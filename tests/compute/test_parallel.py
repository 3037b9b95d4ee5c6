import ctypes
import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from multimodal_ser.compute import parallel, workers
from multimodal_ser.compute.parallel import Engine, map_clips
from multimodal_ser.errors import MediaError, SerError, StoreError


def half(number):
    if number == 13:
        raise MediaError("13.wav", "it is unlucky", "choose another")
    return 100 // number


def misbehave(how):
    """Do what a decoder of a damaged file may do."""
    if how == "segfault":
        ctypes.string_at(0)
    if how == "exit":
        os._exit(3)
    if how == "exit as if well":
        os._exit(0)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hang":
        time.sleep(1000)
    if how == "hang with the lock":
        ctypes.PyDLL(None).sleep(1000)  # holds the interpreter's lock meanwhile
    if how == "prints":
        os.write(1, b"\x01\x02 chatter of a C library\n" * 1000)
    if how == "unsendable":
        return threading.Lock()
    if how == "full disk":
        raise StoreError("/store: it is full")
    return os.getpid()


ITEMS = {f"c{n}": (n,) for n in (5, 0, 13, 2)}
BAD = ("segfault", "exit", "exit as if well", "killed", "hang", "hang with the lock")


def run(names, **engine):
    items = {f"{k} {name}": (name,) for k, name in enumerate(names)}
    return list(map_clips(misbehave, items, workers=Engine(**engine), progress=False))


@pytest.mark.parametrize("engine", [1, 2, Engine(in_process=True)])
def test_a_failure_costs_itself_alone_and_order_is_kept(engine):
    outcomes = list(map_clips(half, ITEMS, workers=engine, progress=False))
    assert [o.clip for o in outcomes] == list(ITEMS)
    assert [o.value for o in outcomes] == [20, None, None, 50]
    assert outcomes[1].error.startswith("ZeroDivisionError")
    assert outcomes[2].error == "13.wav: it is unlucky; choose another"


def test_nothing_to_do():
    assert list(map_clips(half, {}, progress=False)) == []


def test_progress_is_shown_on_standard_error(capfd):
    list(map_clips(half, ITEMS, workers=1, description="halves"))
    shown = capfd.readouterr().err
    assert "halves: 100%" in shown
    assert "clip/s" in shown


def test_a_decoder_that_dies_or_hangs_costs_its_clip_alone(monkeypatch):
    # However slow this machine is, only those that hang overrun.
    monkeypatch.setattr(parallel, "time_limit", lambda how: 2 if "hang" in how[0] else 300)
    names = ["well", *itertools.chain.from_iterable((bad, "well") for bad in BAD), "prints"]
    outcomes = run(names, workers=2)
    assert [o.clip.split(" ", 1)[1] for o in outcomes] == names
    failed = [o.error is not None for o in outcomes]
    assert failed == [name in BAD for name in names]
    told = {name: o.error for name, o in zip(names, outcomes, strict=True) if o.error}
    assert "crashed (SIGSEGV)" in told["segfault"]
    assert "ended with status 3" in told["exit"]
    assert "memory" in told["killed"]
    assert "not done after 2 s" in told["hang"]
    assert "not done after 2 s" in told["hang with the lock"]
    assert all(error.startswith(name) and ";" in error for name, error in told.items())
    assert os.getpid() not in {o.value for o in outcomes}


def once(path):
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    return "well"


def test_a_clip_whose_worker_died_is_tried_once_more(tmp_path):
    items = {"a": (str(tmp_path / "a"),), "b": (str(tmp_path / "b"),)}
    outcomes = list(map_clips(once, items, workers=1, progress=False))
    assert [o.value for o in outcomes] == ["well", "well"]


def test_workers_are_kept_for_the_next_map():
    first = {o.value for o in run(["well"] * 4, workers=1)}
    assert first == {o.value for o in run(["well"] * 4, workers=1)}


def test_a_fork_leaves_the_workers_of_its_parent_alone():
    first = {o.value for o in run(["well"] * 4, workers=1)}
    if (fork := os.fork()) == 0:
        workers._end_idle()  # as at its exit
        os._exit(1 if workers.any_ready() else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert {o.value for o in run(["well"] * 4, workers=1)} == first


def test_idle_workers_end(monkeypatch):
    monkeypatch.setattr(workers, "_idle", [])
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.5)
    run(["well"] * 3, workers=2)
    assert workers.any_ready()
    deadline = time.monotonic() + 120
    while workers.any_ready() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not workers.any_ready()
    assert [o.error for o in run(["well"] * 3, workers=2)] == [None] * 3


class DiesWhenSent:
    """An answer of which the child sends 1 MB, and then is killed, the first time."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        if not Path(self.path).exists():
            Path(self.path).touch()
            workers.pickle.dump = die_sending
        return bytes, (bytes(8_000_000),)


def die_sending(answer, sink):
    sink.write(pickle.dumps(answer)[:1_000_000])
    sink.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_killed_while_it_answers_costs_no_other_clip(tmp_path):
    items = {str(n): (str(tmp_path / ("first" if n == 2 else ".")),) for n in range(6)}
    outcomes = list(map_clips(DiesWhenSent, items, workers=2, progress=False))
    assert [len(o.value) for o in outcomes] == [8_000_000] * 6
    assert (tmp_path / "first").exists()


def map_two(path):
    outcomes = map_clips(half, {"a": (5,), "b": (2,)}, workers=2, progress=False)
    Path(path).write_text(str([o.value for o in outcomes]))


def test_a_daemonic_process_has_workers_too(tmp_path):
    """As a Dask worker below its nanny is."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=map_two, args=(tmp_path / "values",), daemon=True)
    process.start()
    process.join(60)
    assert (tmp_path / "values").read_text() == "[20, 50]"


def test_a_full_store_ends_the_run_and_is_no_clips_failure():
    for engine in ({"workers": 2}, {"in_process": True}):
        with pytest.raises(StoreError):
            run(["well", "full disk", "well", "well"], **engine)


def test_a_result_that_cannot_be_sent_is_an_error():
    with pytest.raises(RuntimeError):
        run(["unsendable", "well"], workers=1)


def test_a_single_clip_stays_here_unless_it_is_given_a_limit_or_a_process(monkeypatch):
    monkeypatch.setattr(workers, "_idle", [])
    here = os.getpid()
    assert run(["well"])[0].value == here
    assert run(["well"], timeout_seconds=60)[0].value != here
    assert run(["well"], in_process=False)[0].value != here
    assert run(["well"])[0].value != here, "a ready worker costs nothing"


def threads_of(_number):
    import cv2
    import sklearn.svm  # noqa: F401 (brings OpenMP)
    from threadpoolctl import threadpool_info

    return [pool["num_threads"] for pool in threadpool_info()] + [cv2.getNumThreads()]


@pytest.mark.parametrize("engine", [1, Engine(in_process=True)])
def test_one_numeric_thread_a_clip(engine):
    import cv2
    import sklearn.svm  # noqa: F401 (in this process, loaded before)

    before = cv2.getNumThreads()
    items = {"a": (1,), "b": (2,)}
    outcomes = list(map_clips(threads_of, items, workers=engine, progress=False))
    assert [o.error for o in outcomes] == [None, None]
    assert {count for o in outcomes for count in o.value} == {1}
    assert cv2.getNumThreads() == before


def where(path):
    return os.path.abspath(path)


def test_relative_paths_are_read_from_where_the_caller_is_now(tmp_path, monkeypatch):
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        outcomes = map_clips(where, {"x": ("x",), "y": ("y",)}, workers=1, progress=False)
        assert [o.value for o in outcomes] == [str(folder / "x"), str(folder / "y")]


def counted(number, folder):
    Path(folder, str(number)).touch()
    return np.zeros(1000)


def test_only_a_bounded_number_of_clips_is_ahead(tmp_path):
    items = {str(n): (n, str(tmp_path)) for n in range(200)}
    outcomes = map_clips(counted, items, workers=2, progress=False)
    next(outcomes)
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) <= 2 * parallel.AHEAD + 2
    outcomes.close()


def test_stopping_early_ends_the_workers_at_work():
    items = {"a": ("well",), **{str(n): ("hang",) for n in range(5)}}
    outcomes = map_clips(misbehave, items, workers=2, progress=False)
    next(outcomes)
    time.sleep(0.1)
    threads = [t for t in threading.enumerate() if t._target is parallel._watch]
    outcomes.close()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)


SCRIPT = """
import os, signal, sys, time
from multimodal_ser.compute.parallel import map_clips

def of_this_script(path):
    open(path, "w").write(str(os.getpid()))
    time.sleep(1000 if path.endswith("hang") else 0)
    return path

items = {name: (os.path.join(sys.argv[1], name),) for name in ("a", "b", "hang")}
for outcome in map_clips(of_this_script, items, workers=2, progress=False):
    print(outcome.clip, flush=True)
"""


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(tmp_path, end):
    script = tmp_path / "unguarded script.py"
    script.write_text(SCRIPT)
    run = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert [run.stdout.readline() for _ in range(2)] == [b"a\n", b"b\n"]
    deadline = time.monotonic() + 120
    while not (tmp_path / "hang").exists() or not (tmp_path / "hang").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(end)
    assert run.wait(timeout=120) != 0
    children = {int((tmp_path / name).read_text()) for name in ("a", "b")}
    busy = int((tmp_path / "hang").read_text())
    wanted = children - {busy} if end == signal.SIGKILL else children | {busy}
    while not all(gone(pid) for pid in wanted):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if not gone(busy):  # asleep; its own limit would end it
        os.kill(busy, signal.SIGKILL)


def test_the_time_limit_grows_with_the_file(tmp_path):
    (tmp_path / "small").write_bytes(b"x")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(500_000_000)
    assert parallel.time_limit((str(tmp_path / "small"),)) == pytest.approx(300, abs=1)
    assert parallel.time_limit((str(tmp_path / "large"), 1)) == pytest.approx(5300)
    assert parallel.time_limit((3,)) == parallel.time_limit(()) == 300


@pytest.mark.parametrize(
    "values",
    [
        {"workers": 0},
        {"timeout_seconds": 0},
        {"timeout_seconds": float("nan")},
        {"scheduler": "localhost"},
    ],
)
def test_impossible_engines_are_refused(values):
    with pytest.raises(SerError):
        Engine(**values)
