"""One map over clips, used by every extraction: on this machine or on a cluster.

A clip that fails costs itself: its error becomes a row of the failures table
and the others go on, also when the error is a decoder that crashes or never
returns (:mod:`multimodal_ser.compute.workers`). Results come back in the order given,
one at a time, so memory does not grow with the number of clips unless the
caller keeps them.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from multimodal_ser.compute import workers as processes
from multimodal_ser.compute.workers import Outcome, in_order
from multimodal_ser.errors import SerError

__all__ = ["Engine", "Outcome", "map_clips", "time_limit"]

#: The time limit of a clip when none is given: so many seconds, and so many
#: more for each megabyte of its file. A video of an hour has hundreds of
#: megabytes, and a RAVDESS take of 1.5 MB is read in less than a second.
LIMIT_SECONDS, LIMIT_SECONDS_PER_MB = 300.0, 10.0

#: How many clips a worker is given ahead of the one whose result is awaited.
#: Bounds what is held in memory while a slow clip is first in line.
AHEAD = 16


@dataclass(frozen=True)
class Engine:
    """Where clips are computed, and how long one may take.

    Wherever the library takes ``workers``, it takes an engine too.

    Attributes:
        workers: processes on this machine; None takes one per core.
        timeout_seconds: time limit of a clip; None takes
            :data:`LIMIT_SECONDS` and :data:`LIMIT_SECONDS_PER_MB`.
        scheduler: address of a Dask scheduler, such as
            ``tcp://192.0.2.1:8786``, whose workers compute instead of this
            machine's. They need this package, and the recordings and the cache
            under the same paths. Anyone who can reach a Dask scheduler can run
            code on its workers: keep it within a trusted network, or use TLS
            (Dask's configuration ``distributed.comm.tls``).
        in_process: whether to compute in this very process, which saves the
            start of another but dies with the decoder. None does so for a
            single clip without ``timeout_seconds`` when no worker is ready.

    Raises:
        SerError: a number is out of range, or the address is not one.

    Example:
        >>> Engine(workers=2, timeout_seconds=60).workers
        2
    """

    workers: int | None = None
    timeout_seconds: float | None = None
    scheduler: str | None = None
    in_process: bool | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise SerError(f"workers is {self.workers}; give 1 or more, or nothing: one per core")
        if self.timeout_seconds is not None and not 0 < self.timeout_seconds < 1e7:
            raise SerError(f"the time limit is {self.timeout_seconds} s; give more than 0 s")
        if self.scheduler is not None and "://" not in self.scheduler:
            raise SerError(
                f"{self.scheduler}: not an address of a Dask scheduler; "
                "give it as tcp://host:8786, as 'dask scheduler' prints it"
            )

    @classmethod
    def of(cls, workers: int | Engine | None, *, several: bool | None = None) -> Engine:
        """Return an engine, whatever way the workers were given.

        Args:
            workers: a number, None, or an engine.
            several: whether the clips at hand are some of several, so that
                even one must not be computed where it could end the run.

        Example:
            >>> Engine.of(3), Engine.of(Engine(2), several=True).in_process
            (Engine(workers=3, ...), False)
        """
        engine = workers if isinstance(workers, Engine) else cls(workers)
        if several and engine.in_process is None:
            engine = replace(engine, in_process=False)
        return engine


def map_clips(
    function: Callable[..., Any],
    items: Mapping[str, tuple],
    *,
    workers: int | Engine | None = None,
    description: str = "clips",
    progress: bool = True,
    known: Mapping[str, Outcome] | None = None,
) -> Iterator[Outcome]:
    """Call ``function(*arguments)`` for every clip, in parallel, and yield outcomes.

    Each clip is computed in a worker process with one numeric thread. One that
    crashes, or is not done within its time limit, costs its clip alone. When
    the caller stops early, also by Ctrl-C, the workers end at once.

    Args:
        function: pure, and best of a module; its result must be picklable.
        items: clip id -> tuple of arguments. If the first is a path, failures
            name it and the time limit looks at its size.
        workers: processes, None for one per core, or an :class:`Engine`.
        description: shown before the progress bar.
        progress: whether to show a bar on standard error.
        known: clip id -> outcome, of clips for which nothing is called.

    Yields:
        One :class:`Outcome` per item, in the order of ``items``.

    Raises:
        StoreError: the feature store cannot be written.
        SerError: the cluster cannot be reached or has lost its workers.

    Example:
        >>> outcomes = map_clips(int, {"a": ("7",), "b": ("x",)}, workers=1, progress=False)
        >>> [(o.clip, o.value, o.error) for o in outcomes]
        [('a', 7, None), ('b', None, "ValueError: invalid literal for int() with base 10: 'x'")]
    """
    from multimodal_ser.compute.progress import tqdm

    known = known or {}
    rest = {clip: arguments for clip, arguments in items.items() if clip not in known}
    outcomes = _outcomes(function, rest, Engine.of(workers))
    with tqdm(
        total=len(rest), desc=description, unit="clip", disable=not (progress and rest)
    ) as bar:
        for clip in items:
            if clip in known:
                yield known[clip]
                continue
            outcome = next(outcomes)
            bar.update()
            yield outcome
        yield from outcomes  # none: its workers are given back where it ends


def _outcomes(
    function: Callable[..., Any], items: Mapping[str, tuple], engine: Engine
) -> Iterator[Outcome]:
    if not items:
        return
    if _stays_here(items, engine):
        for clip, arguments in items.items():
            yield processes.run_here(function, clip, arguments)
        return
    packed, folder = processes.packed(function), os.getcwd()
    calls = (
        (packed, clip, arguments, engine.timeout_seconds or time_limit(arguments), folder)
        for clip, arguments in items.items()
    )
    if engine.scheduler is not None:
        from multimodal_ser.compute.cluster import run_calls

        yield from run_calls(calls, engine.scheduler, len(items))
    else:
        yield from _run_calls(calls, min(engine.workers or _cores(), len(items)))


def _stays_here(items: Mapping[str, tuple], engine: Engine) -> bool:
    if engine.in_process is not None or engine.scheduler is not None:
        return bool(engine.in_process)
    return len(items) == 1 and engine.timeout_seconds is None and not processes.any_ready()


def _cores() -> int:
    from joblib import cpu_count  # knows the limits that a container sets

    return cpu_count()


def time_limit(arguments: tuple) -> float:
    """Return how many seconds a clip may take when the user sets no limit.

    Args:
        arguments: of the clip's function; the first may be its path.

    Example:
        >>> time_limit(("no-such.mp4",))
        300.0
    """
    try:
        size_mb = os.path.getsize(arguments[0]) / 1e6 if arguments else 0
    except (OSError, TypeError, ValueError):
        size_mb = 0
    return LIMIT_SECONDS + LIMIT_SECONDS_PER_MB * size_mb


def _run_calls(calls: Iterable[tuple], count: int) -> Iterator[Outcome]:
    """Run calls in ``count`` child processes, each watched by a thread of its own."""
    with Crew(count) as crew:
        yield from in_order(calls, crew.submit, lambda: AHEAD * count)


class Crew:
    """Child processes that run calls, first come first served; a context.

    They are kept for the next crew when the context ends well, and end at once when it does
    not: by an error, a caller who stops early, or Ctrl-C.

    Args:
        count: how many at most; one is started when there is work for it.

    Example:
        >>> with Crew(1) as crew:
        ...     crew.submit((processes.packed(int), "a", ("7",), 60, ".")).result().value
        7
    """

    def __init__(self, count: int) -> None:
        self._workers = [processes.take() for _ in range(count)]
        self._tasks: queue.SimpleQueue[tuple[Future, tuple] | None] = queue.SimpleQueue()

    def __enter__(self) -> Crew:
        for worker in self._workers:  # daemons: they must not keep an interpreter that ends
            threading.Thread(target=_watch, args=(worker, self._tasks), daemon=True).start()
        return self

    def submit(self, call: tuple) -> Future:
        """Have a call run.

        Args:
            call: arguments of :meth:`multimodal_ser.compute.workers.Worker.run`.

        Returns:
            The future of its outcome.
        """
        future: Future = Future()
        self._tasks.put((future, call))
        return future

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        for worker in self._workers:
            if kind is None:
                processes.give_back(worker)
            else:  # the caller's error, too: it stopped early
                worker.stop()
        for _ in self._workers:
            self._tasks.put(None)


def _watch(worker: processes.Worker, tasks: queue.SimpleQueue) -> None:
    while (task := tasks.get()) is not None and not worker.stopped:
        future, call = task
        try:
            future.set_result(worker.run(*call))
        except BaseException as error:  # for the caller, who waits for the result
            future.set_exception(error)
    if worker.stopped:
        worker.end()


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a context in which this process's linear algebra takes one thread.

    The problems of a fit here are so small that threads mostly wait for each
    other, and the more so on a busy machine. Trees and networks keep theirs.

    Example:
        >>> with one_blas_thread():
        ...     pass
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")
