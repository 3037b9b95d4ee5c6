"""Long computations, such as fits, in processes of this machine.

A *task* is a generator: it yields lists of jobs, is sent what they made, and returns its
result, so that what decides and keeps runs in the calling process and what computes runs
anywhere. Tasks advance side by side while there are workers for their jobs; with one
worker they run one after the other, here. Values are the same in both cases: each
process computes with one thread of linear algebra, and a job's randomness comes from its arguments.

Large inputs are :class:`Shared`: a job takes along where they lie, and every process maps
the same file into memory. joblib's Parallel, which maps arrays too, has no word for tasks
of several steps, leaves its workers to Ctrl-C, and names no job that failed.
"""

from __future__ import annotations

import functools
import os
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from multimodal_ser.compute import workers as processes
from multimodal_ser.compute.parallel import Crew, one_blas_thread
from multimodal_ser.compute.workers import Outcome
from multimodal_ser.errors import SerError

Value = TypeVar("Value")

#: A job may take as long as it needs; the timer of a worker wants a number (115 days).
_NO_LIMIT_SECONDS = 9.9e6
#: Jobs given out for each worker, so that none waits while a task decides what comes next.
_AHEAD = 2


class Job(NamedTuple):
    """One computation.

    Attributes:
        name: how its errors call it.
        function: of a module; what it takes and returns must be picklable.
        arguments: of the function.
        here: whether it belongs into this process, with all the threads there are: a
            network, or what takes less time than to start a process.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple
    here: bool = False


class Done(NamedTuple):
    """What a job made, and the seconds of processor time that it took."""

    value: Any
    seconds: float


Task = Generator[Sequence[Job], list[Done], Value]


class Shared(Generic[Value]):
    """A large value that jobs take along without copying it.

    Attributes:
        value: itself; in another process, its arrays are read-only and lie in one file
            that all processes share.

    Example:
        >>> Shared([1, 2]).value
        [1, 2]
    """

    def __init__(self, value: Value) -> None:
        self.value = value
        self._folder: tempfile.TemporaryDirectory | None = None
        self._writing = threading.Lock()

    def __reduce__(self) -> tuple:
        """Write the value once, when a job first takes it to another process."""
        with self._writing:
            folder = self._folder or self._written()
            self._folder = folder
        return _mapped, (os.path.join(folder.name, "value"),)

    def _written(self) -> tempfile.TemporaryDirectory:
        import joblib

        # Windows keeps what a process has mapped; the folder is the system's to clear then.
        folder = tempfile.TemporaryDirectory(prefix="multimodal_ser-", ignore_cleanup_errors=True)
        try:
            joblib.dump(self.value, Path(folder.name) / "value")
        except OSError as error:
            folder.cleanup()
            raise SerError(
                f"{folder.name}: what processes share cannot be written there "
                f"({error.strerror or error}); free space, set TMPDIR, or give --workers 1"
            ) from error
        return folder


@functools.lru_cache(maxsize=8)
def _mapped(path: str) -> Shared:
    import joblib

    return Shared(joblib.load(path, mmap_mode="r"))


def run_tasks(
    tasks: Iterable[Task[Value]],
    *,
    workers: int = 1,
    n_jobs: int | None = None,
    progress: bool = True,
) -> list[Value]:
    """Run tasks and return their results in order.

    Args:
        tasks: generators of lists of jobs; begun as there are workers for them.
        workers: processes; with 1 all is computed here.
        n_jobs: how many jobs there are in all, for the bar; None where it is not known.
        progress: whether to show a bar on standard error.

    Raises:
        SerError: a job failed; its name comes first. Everything that runs is stopped.

    Example:
        >>> def task(text):
        ...     (done,) = yield [Job("read", int, (text,))]
        ...     return done.value + 1
        >>> run_tasks([task("1"), task("2")], progress=False)
        [2, 3]
    """
    from tqdm import tqdm

    with tqdm(total=n_jobs, desc="fits", unit="fit", disable=not progress, leave=False) as bar:
        if workers < 2:
            return [_alone(task, bar.update) for task in tasks]
        with Crew(workers) as crew:
            return _Board(crew, _AHEAD * workers, bar.update).run(tasks)


def _alone(task: Task[Value], moved: Callable[[], object]) -> Value:
    done: list[Done] | None = None
    while True:
        try:
            jobs = task.send(done) if done is not None else next(task)
        except StopIteration as end:
            return end.value
        done = []
        for job in jobs:
            done.append(_here(job))
            moved()


def _here(job: Job) -> Done:
    """Compute a job in this process."""
    try:
        with nullcontext() if job.here else one_blas_thread():
            return _timed(job.function, *job.arguments)
    except SerError as error:
        raise _named(job, error) from error


def _named(job: Job, error: SerError) -> SerError:
    """Return an error of a job with its name, of the same type where that takes one text."""
    text = f"{job.name}: {error}"
    plain = type(error).__init__ is SerError.__init__
    return type(error)(text) if plain else SerError(text)


def _timed(function: Callable[..., Any], *arguments: Any) -> Done:
    began = time.process_time()
    try:
        value = function(*arguments)
    except MemoryError:
        raise SerError("there is not enough memory for it; use fewer --workers") from None
    return Done(value, time.process_time() - began)


def _died(name: str, status: int) -> str:
    if os.name == "posix" and status in (-signal.SIGKILL, -signal.SIGTERM):
        return "its process was killed, as happens when memory runs out; use fewer --workers"
    return f"its process ended with status {status}; give --workers 1 to see where"


class _Board:
    """Tasks that are under way, and the jobs that each waits for."""

    def __init__(self, crew: Crew, ahead: int, moved: Callable[[], object]) -> None:
        self._crew, self._ahead, self._moved = crew, ahead, moved
        self._folder = os.getcwd()
        self._batches: dict[int, tuple[Task, list[Future]]] = {}
        self._here: deque[tuple[Job, Future]] = deque()
        self._names: dict[Future, str] = {}  # of what is not done
        self._results: dict[int, Any] = {}

    def run(self, tasks: Iterable[Task[Value]]) -> list[Value]:
        """Return the results in order."""
        for at, task in enumerate(tasks):
            self._advance(at, task, None)
            while len(self._names) >= self._ahead:
                self._step()
        while self._batches:
            self._step()
        return [self._results[at] for at in sorted(self._results)]

    def _advance(self, at: int, task: Task, done: list[Done] | None) -> None:
        try:
            jobs = task.send(done) if done is not None else next(task)
        except StopIteration as end:
            self._results[at] = end.value
            return
        self._batches[at] = task, [self._submit(job) for job in jobs]

    def _submit(self, job: Job) -> Future:
        if job.here:
            future: Future = Future()
            self._here.append((job, future))
        else:
            call = processes.packed(_timed), job.name, (job.function, *job.arguments)
            future = self._crew.submit((*call, _NO_LIMIT_SECONDS, self._folder, _died))
        self._names[future] = job.name
        return future

    def _step(self) -> None:
        """Compute a job here or wait for one elsewhere, and advance the tasks that can."""
        if self._here:
            job, future = self._here.popleft()
            future.set_result(Outcome(job.name, _here(job), None))
        for future in wait(self._names, return_when=FIRST_COMPLETED).done:
            name, outcome = self._names.pop(future), future.result()
            if outcome.error is not None:
                raise SerError(f"{name}: {outcome.error}")
            self._moved()
        for at, (task, futures) in list(self._batches.items()):
            if not any(future in self._names for future in futures):
                del self._batches[at]
                self._advance(at, task, [future.result().value for future in futures])
