"""Worker processes that may die: one clip at a time in a process of its own.

A decoder is a large body of C that reads untrusted files. It may crash, never
return, or ask for all the memory there is. So it runs in a child process that
receives one clip at a time through a pipe that it shares with no other child:
when the child dies or overruns its time limit, only that clip is lost, and the
next one gets a new child.

Children stay for the next map, end by themselves when their parent is gone or
after a minute without work, and enforce their time limit themselves.

Why not pebble, whose ProcessPool has a time limit per task too (5.2.3 was tried
in place of this module, Python 3.11, Linux, two workers)? Its workers share two
pipes and their locks, and it builds on multiprocessing:

- A worker killed while it sent an answer of 8 MB left the pool locked; after
  60 s it broke, and 9 of 12 clips were lost. Here that clip is tried again.
- A decoder that ends its process with status 0 is noticed at its time limit only.
- Between 150 clips of about the length of the limit, 1 of 150 that return at once
  was reported as overrun (pebble's issue 153).
- Spawned workers import the main script again, so one without a ``__main__``
  guard fails; a daemonic process, such as a Dask worker under its nanny, may
  have none. Both need a process class of our own.

Nor is it faster where it matters: 200 RAVDESS clips took 1.14 s of processor time in
its workers and 0.10 s in the main process, here 1.17 s and 0.06 s (medians of 8
runs on a busy machine); a first call of two clips took 1.3 s, here 0.55 s.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import functools
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from multimodal_ser.errors import ClusterError, SerError, StoreError

#: How long a child without work is kept. Starting one takes about a second,
#: keeping one some 150 MB.
IDLE_SECONDS = 60.0

#: One numeric thread per child: the clips are the parallel part, and more
#: threads than cores only take turns. Read when the libraries are loaded.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}

#: What to do about a file that no reader copes with.
CONVERT = "convert it with another program, or leave it out"

_UNPICKLING = threading.Lock()
_START = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from multimodal_ser.compute import workers as w; w.serve(float(sys.argv[1]))"
)


class Outcome(NamedTuple):
    """The result for one clip: a value, or an error and None."""

    clip: str
    value: Any
    error: str | None


def run_here(function: Callable[..., Any], clip: str, arguments: tuple) -> Outcome:
    """Call ``function(*arguments)`` in this process, with one numeric thread.

    Raises:
        StoreError: the feature store is at fault, and so no clip.
        ClusterError: this machine is at fault, and so no clip.

    Example:
        >>> run_here(int, "a", ("x",)).error
        "ValueError: invalid literal for int() with base 10: 'x'"
    """
    # Sums in another order differ in the last digits, and a clip's numbers
    # must not depend on where it was computed.
    try:
        with _one_thread():
            return Outcome(clip, function(*arguments), None)
    except (StoreError, ClusterError):
        raise
    except SerError as error:
        return Outcome(clip, None, str(error))
    except MemoryError:
        name = name_of(clip, arguments)
        return Outcome(clip, None, f"{name}: there is not enough memory for it; {CONVERT}")
    except Exception as error:  # any decoder's error is this clip's own
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        name = name_of(clip, arguments)
        if os.path.exists(name):
            text = f"{name}: it cannot be used ({text}); {CONVERT}"
        return Outcome(clip, None, text)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    # Libraries are looked for again when modules have come in since: scikit-learn
    # and SciPy bring their own.
    with _libraries(len(sys.modules)).limit(limits=1):
        cv2: Any = sys.modules.get("cv2")
        before = cv2.getNumThreads() if cv2 else 1
        if before == 1:
            yield
            return
        cv2.setNumThreads(1)
        try:
            yield
        finally:
            cv2.setNumThreads(before)


@functools.lru_cache(maxsize=1)
def _libraries(_modules: int) -> Any:
    import numpy  # noqa: F401 (its library must be loaded to be found)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def packed(content: Any) -> bytes:
    r"""Return a function or a value as bytes for another process.

    What an installed module defines goes by its name, what a script or a
    notebook defines by its code.

    Example:
        >>> packed(int)[:1]
        b'\x80'
    """
    if getattr(content, "__module__", None) != "__main__":
        with contextlib.suppress(pickle.PicklingError, AttributeError, TypeError):
            return pickle.dumps(content)
    import cloudpickle

    return cloudpickle.dumps(content)


def name_of(clip: str, arguments: tuple) -> str:
    """Return what an error message calls a clip: its file, or else its id.

    Example:
        >>> name_of("a", ("a.wav", 22050)), name_of("a", (1,))
        ('a.wav', 'a')
    """
    if arguments and isinstance(arguments[0], str | os.PathLike):
        return os.fspath(arguments[0])
    return str(clip)


def _overran(name: str, limit_seconds: float) -> str:
    return (
        f"{name}: it was not done after {limit_seconds:g} s and was stopped; "
        "convert it with another program, or give it more time with --timeout-seconds"
    )


def _died(name: str, status: int) -> str:
    if os.name == "posix" and status in (-signal.SIGKILL, -signal.SIGTERM):
        return (
            f"{name}: the process that read it was killed, as happens when memory runs out; "
            "use fewer --workers, or leave it out"
        )
    how = f"ended with status {status}"
    if status < 0:
        how = f"crashed ({signal.Signals(-status).name})"
    return f"{name}: the process that read it {how}, so the file is likely damaged; {CONVERT}"


class Worker:
    """A child process that computes one clip at a time; a new one takes over when it dies.

    Example:
        >>> Worker().run(packed(int), "a", ("7",), 60, ".")
        Outcome(clip='a', value=7, error=None)
    """

    def __init__(self) -> None:
        self.stopped = False
        self._process: Any = None  # a subprocess.Popen once there is work

    def run(
        self,
        function: bytes,
        clip: str,
        arguments: tuple,
        limit_seconds: float,
        folder: str,
        died: Callable[[str, int], str] | None = None,
    ) -> Outcome:
        """Call a function in the child process.

        When the child dies, the clip is tried once more in a new one: memory that an
        earlier clip damaged, or a neighbour's hunger for it, is not its fault.

        Args:
            function: from :func:`packed`.
            clip: the clip's id.
            arguments: of the function.
            limit_seconds: how long it may take.
            folder: from which relative paths are read.
            died: from the clip's name and the child's status to what is said of a
                child that died; None blames the clip.

        Raises:
            StoreError: the feature store is at fault, and so no clip.
            SerError: no process can be started.
            RuntimeError: the function's value cannot be pickled.
        """
        task, name = packed((function, clip, arguments)), name_of(clip, arguments)
        for _ in range(2):
            if not self.alive():
                self._start()
            began = time.monotonic()
            content, status = self._ask((limit_seconds, folder, task))
            if content is not None:
                with _UNPICKLING:  # threads that import one library at once can find half of it
                    answer = pickle.loads(content)
                if isinstance(answer, BaseException):
                    raise answer
                return answer
            if time.monotonic() - began >= limit_seconds:
                return Outcome(clip, None, _overran(name, limit_seconds))
        return Outcome(clip, None, (died or _died)(name, status))

    def alive(self) -> bool:
        """Return whether there is a child that runs."""
        return self._process is not None and self._process.poll() is None

    def _start(self) -> None:
        # A session of its own: Ctrl-C at the terminal is for the parent alone,
        # which then ends its children.
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(IDLE_SECONDS), *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,
        )
        if self.stopped:  # meanwhile, by another thread
            self.stop()
        if self._ask(None)[0] is None:
            raise SerError("no worker process can be started; see its error message above")

    def _ask(self, question: tuple | None) -> tuple[bytes | None, int]:
        """Return the child's answer, or None and the status with which it ended."""
        process, answer = self._process, None
        try:
            if question is not None:
                pickle.dump(question, process.stdin)
                process.stdin.flush()
            answer = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            pass
        finally:
            if answer is None:  # also when this thread is interrupted
                self.end()
        return answer, process.returncode or 0

    def stop(self) -> None:
        """End the child, whatever it computes, and start no other."""
        self.stopped = True
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """End the child and close its pipes; no other thread may be using it."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()


_idle: list[Worker] = []
if hasattr(os, "register_at_fork"):
    # A fork of this process must not talk to the children of the other.
    os.register_at_fork(after_in_child=_idle.clear)


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().end()


def any_ready() -> bool:
    """Return whether a child waits for work, so that using one costs nothing."""
    return any(worker.alive() for worker in list(_idle))


def take() -> Worker:
    """Return an idle worker, or a new one."""
    while True:
        try:
            worker = _idle.pop()
        except IndexError:
            return Worker()
        if worker.alive():
            return worker
        worker.end()


def give_back(worker: Worker) -> None:
    """Keep a worker that no thread uses, if its child is alive, for the next call."""
    if worker.alive():
        _idle.append(worker)


def run_apart(
    function: bytes, clip: str, arguments: tuple, limit_seconds: float, folder: str
) -> Outcome:
    """Call a function in a child process; arguments and errors as in :meth:`Worker.run`."""
    return run_each_apart(function, [(clip, arguments, limit_seconds)], folder)[0]


def run_each_apart(
    function: bytes, items: Iterable[tuple[str, tuple, float]], folder: str
) -> list[Outcome]:
    """Call a function for several clips, one after the other, in a child process.

    What a clip does to the process costs that clip alone.

    Args:
        function: from :func:`packed`.
        items: id, arguments and time limit in seconds of each clip.
        folder: from which relative paths are read.

    Returns:
        Outcomes in their order.

    Raises:
        SerError: as :meth:`Worker.run` does.
    """
    worker = take()
    try:
        return [worker.run(function, *item, folder) for item in items]
    finally:
        give_back(worker)


def serve(idle_seconds: float) -> None:
    """Answer tasks from standard input until it ends; what a child runs.

    Whatever libraries print goes to standard error, so that it cannot be
    taken for an answer.

    Args:
        idle_seconds: how long to wait for a task.
    """
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    # When memory runs out, Linux shall kill the reader of a clip and not the run.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")
    _libraries(len(sys.modules))
    answer = b"ready"
    # faulthandler's timer is a thread of C: it ends a decoder that holds the
    # interpreter's lock too, and needs no parent.
    with open(os.devnull, "w") as silence, contextlib.suppress(OSError, EOFError):
        while True:
            pickle.dump(answer, sink)
            sink.flush()
            faulthandler.dump_traceback_later(idle_seconds, exit=True, file=silence)
            limit_seconds, folder, task = pickle.load(source)
            faulthandler.dump_traceback_later(limit_seconds, exit=True, file=silence)
            answer = _answer(task, folder)
    os._exit(0)  # at once, whatever threads a decoder has left


def _answer(task: bytes, folder: str) -> bytes:
    try:
        with contextlib.suppress(OSError):  # a cluster's machine may lack it
            os.chdir(folder)
        function, clip, arguments = pickle.loads(task)
        answer: Outcome | Exception = run_here(pickle.loads(function), clip, arguments)
    except Exception as error:  # for the parent to raise
        answer = error
    try:
        return pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        return pickle.dumps(RuntimeError(f"a result cannot be sent: {error}"))


def in_order(
    calls: Iterable[tuple],
    submit: Callable[[tuple], Any],
    limit: Callable[[], int],
    wait: Callable[[Any, tuple], Any] = lambda future, call: future.result(),
) -> Iterator[Any]:
    """Submit calls a bounded number ahead and yield their results in order.

    Args:
        calls: read only as far as needed.
        submit: takes a call and returns its future.
        limit: how many futures there may be at a time.
        wait: takes a future and its call and returns the result.
    """
    waiting: deque[tuple[Any, tuple]] = deque()
    for call in calls:
        waiting.append((submit(call), call))
        while len(waiting) >= max(1, limit()):
            yield wait(*waiting.popleft())
    while waiting:
        yield wait(*waiting.popleft())
