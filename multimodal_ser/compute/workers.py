"""Worker processes that may die: one clip at a time in a process of its own.

A decoder is a large body of C that reads what strangers made. It may crash,
never return, or ask for all memory there is. So it runs in a child process that
is told one clip at a time, through a pipe that nobody else holds: when the
child dies or overruns its time, just that clip is lost, and the next one gets
a new child. (A pool such as loky's shares its queues among the children, so
one that dies breaks the pool, and none has a time limit a task.)

Children stay for the next map, end by themselves when their parent is gone,
however it went, and are ended after a minute without work.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import functools
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from multimodal_ser.errors import SerError, StoreError

#: How long a child without work is kept. Starting one takes about a second,
#: keeping one some 150 MB.
IDLE_SECONDS = 60

#: One numeric thread a child: the clips are the parallel part, and more
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

_LENGTH = struct.Struct("<Q")
_UNPICKLING = threading.Lock()
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from multimodal_ser.compute import workers as w; w.serve()"
)


class Outcome(NamedTuple):
    """What became of one clip: a value, or an error and None."""

    clip: str
    value: Any
    error: str | None


class _Died(Exception):
    """The child ended before it answered."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


class _Overran(Exception):
    """The child was killed because its time was up."""


def run_here(function: Callable, clip: str, arguments: tuple) -> Outcome:
    """Call ``function(*arguments)`` in this process, with one numeric thread.

    Raises:
        StoreError: the feature store is at fault, and so no clip.

    Example:
        >>> run_here(int, "a", ("x",)).error
        "ValueError: invalid literal for int() with base 10: 'x'"
    """
    # Sums in another order differ in the last digits, and a clip's numbers
    # must not depend on where it was computed.
    try:
        with _one_thread():
            return Outcome(clip, function(*arguments), None)
    except StoreError:
        raise
    except SerError as error:
        return Outcome(clip, None, str(error))
    except Exception as error:  # any decoder's error is this clip's own
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        name = name_of(clip, arguments)
        if os.path.exists(name):
            text = f"{name}: it cannot be used ({text}); {CONVERT}"
        return Outcome(clip, None, text)


@contextlib.contextmanager
def _one_thread():
    # Libraries are looked for again when modules have come in since: scikit-learn
    # and SciPy bring their own.
    with _libraries(len(sys.modules)).limit(limits=1):
        cv2 = sys.modules.get("cv2")
        before = cv2.getNumThreads() if cv2 else 1
        if before != 1:
            cv2.setNumThreads(1)
        try:
            yield
        finally:
            if before != 1:
                cv2.setNumThreads(before)


@functools.lru_cache(maxsize=1)
def _libraries(_modules: int):
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


class Crew:
    """The child processes that one map uses, to be ended together.

    Example:
        >>> Crew().run(packed(int), "a", ("7",))
        Outcome(clip='a', value=7, error=None)
    """

    def __init__(self):
        self._busy: set[Child] = set()
        self.stopped = False

    def run(
        self,
        function: bytes,
        clip: str,
        arguments: tuple,
        limit_seconds: float | None = None,
        folder: str | None = None,
    ) -> Outcome:
        """Call a function in a child process that may die.

        A child that dies is replaced, and the clip tried once more: memory that
        an earlier clip damaged, or a neighbour's hunger for it, is not its fault.

        Args:
            function: from :func:`packed`.
            clip: the clip's id.
            arguments: of the function.
            limit_seconds: how long it may take; None sets no limit.
            folder: from which relative paths are read; None is the current one.

        Raises:
            StoreError: the feature store is at fault, and so no clip.
            SerError: no process can be started.
        """
        where = folder or os.getcwd()
        task = packed((function, clip, arguments, limit_seconds, where))
        name, status = name_of(clip, arguments), 0
        for _ in range(2):
            try:
                answer = self._call(task, limit_seconds)
            except _Overran:
                return Outcome(clip, None, _overran(name, limit_seconds))
            except _Died as death:
                status = death.status
                continue
            if isinstance(answer, BaseException):
                raise answer
            return answer
        return Outcome(clip, None, _died(name, status))

    def _call(self, task: bytes, limit_seconds: float | None):
        if self.stopped:
            raise _Died(0)
        child = _take()
        self._busy.add(child)
        try:
            if self.stopped:  # while the child started
                raise _Died(0)
            answer = child.call(task, limit_seconds)
        except BaseException:
            child.close()
            raise
        finally:
            self._busy.discard(child)
        _give_back(child)
        return answer

    def stop(self) -> None:
        """End the children that are at work; what they were at is lost."""
        self.stopped = True
        for child in list(self._busy):
            child.kill()


def run_apart(function: bytes, clip: str, arguments: tuple, *rest) -> Outcome:
    """Call a function in a child process; the arguments are those of :meth:`Crew.run`."""
    return Crew().run(function, clip, arguments, *rest)


def name_of(clip: str, arguments: tuple) -> str:
    """Return what a failure, told in one line, calls a clip: its file, or else its id.

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


class Child:
    """A process that computes one clip at a time.

    Example:
        >>> child = Child()
        >>> child.call(pickle.dumps((packed(len), "a", ("abc",), None, ".")), 60)
        Outcome(clip='a', value=3, error=None)
        >>> child.close()
    """

    def __init__(self):
        # A session of its own: Ctrl-C at the terminal is for the parent alone,
        # which then ends its children.
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,
        )
        self.idle_since = time.monotonic()
        self._overran = False
        if _receive(self._process.stdout) is None:
            self.close()
            raise SerError("no worker process can be started; what it said stands above")

    def call(self, task: bytes, limit_seconds: float | None):
        """Return what the child answers: an outcome, or an exception to raise."""
        timer = threading.Timer(limit_seconds or 0, self._stop)
        timer.daemon = True
        if limit_seconds:
            timer.start()
        try:
            _send(self._process.stdin, task)
            answer = _receive(self._process.stdout)
        except (OSError, ValueError):
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            self.kill()
            raise _Overran() if self._overran else _Died(self._process.returncode)
        # One at a time: threads that import one library at once can find half of it.
        with _UNPICKLING:
            return pickle.loads(answer)

    def alive(self) -> bool:
        """Tell whether the process runs and was not told to end."""
        return not self._overran and self._process.poll() is None

    def _stop(self) -> None:
        self._overran = True
        self._process.kill()

    def kill(self) -> None:
        """End the process at once and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process and close the pipes; nobody may be calling it."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()


_idle: list[Child] = []
_lock = threading.Lock()
_reaper: threading.Thread | None = None


def any_ready() -> bool:
    """Tell whether a child waits for work, so that using one costs nothing."""
    with _lock:
        return bool(_idle)


def _take() -> Child:
    with _lock:
        while _idle:
            child = _idle.pop()
            if child.alive():
                return child
    return Child()


def _give_back(child: Child) -> None:
    global _reaper
    child.idle_since = time.monotonic()
    with _lock:
        _idle.append(child)
        if _reaper is None:
            _reaper = threading.Thread(target=_reap, name="idle workers", daemon=True)
            _reaper.start()


def _reap() -> None:
    while True:
        time.sleep(IDLE_SECONDS / 4)
        with _lock:
            old = [c for c in _idle if time.monotonic() - c.idle_since > IDLE_SECONDS]
            _idle[:] = [c for c in _idle if c not in old]
        for child in old:
            child.close()


def _forget() -> None:
    # A fork of this process must not talk to, or end, the children of the other.
    global _lock, _reaper
    _lock, _reaper = threading.Lock(), None
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@atexit.register
def _end() -> None:
    with _lock:
        for child in _idle:
            child.close()
        _idle.clear()


def serve() -> None:
    """Answer tasks from standard input until it ends; what a child runs.

    Whatever libraries print goes to standard error, so that it cannot be
    taken for an answer.
    """
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    _be_first_to_die()
    silence = open(os.devnull, "w")  # noqa: SIM115 (it lives as long as the process)
    _libraries(len(sys.modules))
    _send(sink, b"ready")
    while (task := _receive(source)) is not None:
        try:
            function, clip, arguments, limit_seconds, folder = pickle.loads(task)
            if limit_seconds:
                # Should the parent be gone, nobody else ends a decoder that hangs.
                faulthandler.dump_traceback_later(limit_seconds + 10, exit=True, file=silence)
            with contextlib.suppress(OSError):  # a cluster's machine may lack it
                os.chdir(folder)
            answer = run_here(pickle.loads(function), clip, arguments)
        except Exception as error:  # for the parent to raise
            answer = error
        faulthandler.cancel_dump_traceback_later()
        try:
            _send(sink, _dumped(answer))
        except OSError:
            return


def _dumped(answer) -> bytes:
    try:
        return pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        return pickle.dumps(RuntimeError(f"a result cannot be sent: {error}"))


def _be_first_to_die() -> None:
    # When memory runs out, Linux shall kill the reader of a clip and not the run.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def _send(pipe, content: bytes) -> None:
    pipe.write(_LENGTH.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def _receive(pipe) -> bytes | None:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = pipe.read(length)
    return content if len(content) == length else None
