"""The map over clips on a Dask cluster.

Every Dask worker computes its clips as this machine would, in child processes
that may die (:mod:`multimodal_ser.compute.workers`), so results and failures are the
same. A task is a batch of clips: Dask needs milliseconds for each, with which one scheduler
could feed few cores with single clips (``benchmarks/cluster_scaling.py``). When a Dask worker is
lost with its machine, Dask gives its batches to the others; one that ends every machine is
split and repeated, so that the clip which does it is lost alone.

Anyone who can reach a Dask scheduler can run code on its workers, because it
passes on pickles: only for trusted networks, or with TLS as set in Dask's
configuration (https://distributed.dask.org/en/stable/tls.html).

A task says which state of the code asks, and the process that computes refuses it
when its own is another (:mod:`multimodal_ser.compute.versions`): numbers of two
versions would not belong in one table.
"""

from __future__ import annotations

import os
import pickle
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from multimodal_ser.compute import versions
from multimodal_ser.compute import workers as processes
from multimodal_ser.compute.workers import Outcome, in_order
from multimodal_ser.errors import ClusterError, SerError
from multimodal_ser.plugins import require

if TYPE_CHECKING:
    from distributed import Client, Future

#: How long to wait for the scheduler to answer, and for a worker to come back
#: when there is none.
CONNECT_SECONDS, WORKERLESS_SECONDS = 15, 60

#: Clips and megabytes in a batch at most: what is long to read comes in small ones.
BATCH_CLIPS, BATCH_MB = 32, 64.0

#: Batches in flight for each thread of the cluster.
AHEAD = 2

#: How often a long wait looks whether the cluster still has workers.
_LOOK_SECONDS = 5


def run_calls(calls: Iterable[tuple], scheduler: str, count: int) -> Iterator[Outcome]:
    """Run calls of :meth:`multimodal_ser.compute.workers.Worker.run` on a cluster.

    Args:
        calls: tuples of arguments of ``run``, all of one function and folder.
        scheduler: the address of the scheduler.
        count: how many calls there are.

    Yields:
        Outcomes in the order of the calls, while a bounded number is in flight.

    Raises:
        SerError: Dask is not installed, the scheduler does not answer, or the
            cluster has lost its workers or its scheduler.
        ClusterError: a worker has another version of this package or a library.
    """
    client = _connect(scheduler)
    seen = _Workers(client, scheduler)

    def submit(batch: tuple) -> Future:
        return client.submit(processes.run_each_apart, *batch, pure=False)

    try:
        for outcomes in in_order(
            _batches(calls, count, seen),
            submit,
            lambda: AHEAD * seen.threads(),
            lambda future, batch: _outcomes(future, batch, submit, seen),
        ):
            yield from outcomes
    finally:
        client.close()  # which also gives up what is in flight


def _batches(calls: Iterable[tuple], count: int, seen: _Workers) -> Iterator[tuple]:
    """Yield arguments of ``run_each_apart``: smaller ones at the end, for all to end together."""
    guarded, items, megabytes, given = b"", [], 0.0, 0
    for function, clip, arguments, limit_seconds, folder in calls:
        guarded = guarded or _guarded(function)
        items.append((clip, arguments, limit_seconds))
        megabytes += _megabytes(arguments)
        share = (count - given) // max(1, AHEAD * seen.threads())
        if len(items) >= min(BATCH_CLIPS, share) or megabytes >= BATCH_MB:
            yield guarded, items, folder
            given += len(items)
            items, megabytes = [], 0.0
    if items:
        yield guarded, items, folder


def _megabytes(arguments: tuple) -> float:
    try:
        return os.path.getsize(arguments[0]) / 1e6
    except (OSError, TypeError, ValueError, IndexError):
        return 0.0


def _guarded(function: bytes) -> bytes:
    return pickle.dumps(partial(call_same, versions.build(), function))


def call_same(build: dict[str, str], function: bytes, *arguments: Any) -> Any:
    """Call a function where the same code and libraries are installed as where it comes from.

    Args:
        build: :func:`multimodal_ser.compute.versions.build` of who asks.
        function: from :func:`multimodal_ser.compute.workers.packed`.
        arguments: of the function.

    Raises:
        ClusterError: this machine's build is another; the text says what differs.

    Example:
        >>> call_same(versions.build(), processes.packed(abs), -1)
        1
    """
    differing = versions.differences(build, versions.build())
    if differing:
        raise ClusterError(
            f"the worker on {platform.node()} computes with other versions: {differing} "
            "(there: on the worker); install the same on all machines, and start it again"
        )
    return pickle.loads(function)(*arguments)


def _connect(scheduler: str) -> Client:
    require("distributed")
    from distributed import Client

    try:
        return Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SerError(
            f"{scheduler}: no Dask scheduler answers there ({error}); "
            "start one with 'dask scheduler', and workers with 'dask worker ADDRESS'"
        ) from error


class _Workers:
    """How many threads a cluster has, looked up every few seconds."""

    def __init__(self, client: Client, scheduler: str) -> None:
        self._client, self._scheduler = client, scheduler
        self._seen = self._asked = time.monotonic()
        self._threads = self._count()

    def _count(self) -> int:
        self._asked = time.monotonic()
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        return sum(worker["nthreads"] for worker in workers.values())

    def threads(self) -> int:
        """Return how many threads the cluster has, as of a few seconds ago."""
        if time.monotonic() - self._asked > _LOOK_SECONDS:
            self._threads = self._count()
        return self._threads

    def check(self) -> None:
        """Raise SerError when there has been no worker for a while."""
        if self.threads():
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > WORKERLESS_SECONDS:
            raise SerError(
                f"{self._scheduler}: the cluster has no workers; start some with "
                "'dask worker ADDRESS' and run the same command again to go on"
            )


def _outcomes(
    future: Future, batch: tuple, submit: Callable[[tuple], Future], seen: _Workers
) -> list[Outcome]:
    """Return the outcomes of a batch, which is split where it ended every machine it was on."""
    from distributed import KilledWorker

    function, items, folder = batch
    try:
        return _result(future, seen)
    except KilledWorker:
        if len(items) == 1:
            clip, arguments, _ = items[0]
            name = processes.name_of(clip, arguments)
            lost = (
                f"{name}: the machines that read it were lost, one after the other; "
                "look at the workers' logs, or leave it out"
            )
            return [Outcome(clip, None, lost)]
    middle = len(items) // 2
    halves = [(function, part, folder) for part in (items[:middle], items[middle:])]
    # One after the other: who is killed beside a bad half would be taken for bad too.
    return [one for half in halves for one in _outcomes(submit(half), half, submit, seen)]


def _result(future: Future, seen: _Workers) -> list[Outcome]:
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    while True:
        try:
            return future.result(timeout=_LOOK_SECONDS)
        except TimeoutError:
            seen.check()
        except (AttributeError, ImportError) as error:  # from what unpickles the task
            raise ClusterError(
                f"a worker has another version of this package, or lacks a library ({error}); "
                "install the same on all machines, and start it again"
            ) from error
        except (CommClosedError, FutureCancelledError) as error:
            raise SerError(
                f"the connection to the Dask scheduler is lost ({error}); "
                "run the same command again to go on"
            ) from error
