"""Jobs that share large inputs, here and in processes of their own."""

import os
import pickle
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from multimodal_ser.compute.jobs import Job, Shared, run_tasks
from multimodal_ser.errors import SerError, TableError


def total(shared, factor):
    return float(shared.value["values"].sum()) * factor, os.getpid()


def misbehave(how):
    if how == "refuse":
        raise TableError("no column")
    if how == "bug":
        raise ZeroDivisionError("by nothing")
    if how == "memory":
        raise MemoryError
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hang":
        time.sleep(1000)


def two_steps(shared, name, *, here=False):
    """The second step depends on what the first one found."""
    first = yield [Job(f"{name}, part {k}", total, (shared, k), here) for k in (1, 2)]
    (last,) = yield [Job(f"{name}, all", total, (shared, sum(d.value[0] for d in first)), here)]
    return name, last.value[0], {done.value[1] for done in (*first, last)}


def only(job):
    (done,) = yield [job]
    return done.value


@pytest.fixture
def shared():
    return Shared({"values": np.arange(1000, dtype=np.float32), "rest": "text"})


@pytest.mark.parametrize("workers", [1, 3])
def test_tasks_of_several_steps_give_their_results_in_order(shared, workers):
    found = run_tasks(
        (two_steps(shared, k, here=k == 2) for k in range(6)), workers=workers, progress=False
    )
    assert [name for name, _, _ in found] == list(range(6))
    assert {value for _, value, _ in found} == {499500.0 * 3 * 499500.0}
    processes = [ids for _, _, ids in found]
    assert processes[2] == {os.getpid()}
    assert (os.getpid() in processes[0]) == (workers == 1)


def test_nothing_to_do():
    assert run_tasks([], workers=2, progress=False) == []


def test_a_shared_value_is_one_file_that_is_mapped_and_goes_with_it(shared):
    first, second = pickle.dumps(shared), pickle.dumps(shared)
    assert first == second and len(first) < 1000
    mapped = pickle.loads(first).value["values"]
    assert isinstance(mapped, np.memmap) and not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, shared.value["values"])
    path = Path(mapped.filename)
    assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0
    del shared._folder
    shared._folder = None
    assert not path.exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_names_its_job(workers):
    jobs = [Job("svc, fold 3", misbehave, ("refuse",)), Job("knn, fold 1", misbehave, ("memory",))]
    for job in jobs:
        with pytest.raises(SerError) as raised:
            run_tasks([only(job)], workers=workers, progress=False)
        assert str(raised.value).startswith(job.name)
        assert str(raised.value).count(job.name) == 1


@pytest.mark.parametrize("how", ["crash", "bug"])
def test_a_process_that_dies_or_a_bug_names_its_job_too(how):
    with pytest.raises(SerError) as raised:
        run_tasks([only(Job("mlp, fold 2", misbehave, (how,)))], workers=2, progress=False)
    assert str(raised.value).startswith("mlp, fold 2: ")
    assert ("ZeroDivisionError" in str(raised.value)) == (how == "bug")


def say_where(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(1000)


def test_ctrl_c_ends_the_processes(tmp_path):
    path = tmp_path / "pid"

    def interrupt():
        while not (path.exists() and path.read_text()):
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_tasks([only(Job("long", say_where, (str(path),)))], workers=2, progress=False)
    pid, deadline = int(path.read_text()), time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the process goes on")


def test_a_failure_ends_what_runs_beside_it():
    jobs = [Job("slow", misbehave, ("hang",)), Job("bad", misbehave, ("refuse",))]
    with pytest.raises(SerError):
        run_tasks(map(only, jobs), workers=2, progress=False)
