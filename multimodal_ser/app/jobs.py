"""Jobs of open pages: they wait, run in processes of their own, report, and can be stopped.

A decoder that crashes, hangs or holds the interpreter must not touch the server, and stopping
must be at once; so each job runs in a child process, and stopping it ends the child. Children
keep their models, so that only the first job of a child waits for them.

:mod:`multimodal_ser.compute.workers` has such children too, but one answer per call: here a job
reports its progress, answers in parts, and may be fed while it runs (live sound and images).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from multimodal_ser.app import work

#: Children are never more than this, whatever the cores: each takes some 350 MB.
MOST_CHILDREN = 4
ENDED = (
    "the process that read it ended, so the file is likely damaged, or memory ran out; convert "
    "it with another program, or leave it out"
)
WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"


@dataclass(eq=False)
class Job:
    """Something to be computed for a page.

    Attributes:
        owner: key of the page.
        task: what is asked of :func:`work.serve`.
        told: called with each part's name and value, in the thread that hears the child, and
            last with ``"end"`` and the state.
        state: one of ``waiting``, ``running``, ``done``, ``failed``, ``stopped``.
        stage: what is being read, such as ``"face of talk"``.
        reached_s: how far that is, in seconds of media.
        total_s: how long the recording is; None where that is not known.
        error: why it failed.
    """

    owner: str
    task: work.Task
    told: Callable[[str, Any], None] = lambda name, value: None
    state: str = WAITING
    stage: str = ""
    reached_s: float = 0.0
    total_s: float | None = None
    error: str = ""
    _pipe: Any = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in (DONE, FAILED, STOPPED)

    def feed(self, *message: Any) -> None:
        """Send the child something while it runs; waits while the child is busy.

        Raises:
            OSError: the job is not running.
        """
        if self.state != RUNNING:
            raise BrokenPipeError("the job does not run")
        self._pipe.send(message)


class Child:
    """A process that runs :func:`work.serve`, or what has its manners."""

    def __init__(self, serve: Callable[[Any, str | None], None], model: str | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, model), daemon=True)
        self._process.start()
        theirs.close()  # else its end would not be heard here

    def alive(self) -> bool:
        """Return whether it runs."""
        return self._process.is_alive()

    def kill(self) -> None:
        """End it, whatever it computes."""
        self._process.kill()

    def bury(self) -> None:
        """End it and free what is left of it; nobody else may be using it."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


class Crew:
    """Children, and the jobs that wait for them; pages take turns.

    Args:
        size: how many jobs run at a time.
        model: folder or name of the model that children load before there is work.
        serve: what a child runs.

    Example:
        >>> crew = Crew(2, None)
        >>> job = crew.submit(Job("page", work.Predict((work.Medium("a.mp4", "a"),))))
        ...     # doctest: +SKIP
        >>> crew.close()
    """

    def __init__(
        self,
        size: int,
        model: str | None,
        serve: Callable[[Any, str | None], None] = work.serve,
    ) -> None:
        self._child = partial(Child, serve, model)
        self._turns: dict[str, int] = {}
        self._waiting: list[Job] = []
        self._running: dict[Job, Child | None] = {}
        self._idle = 0  # of those who have a child
        self._closed = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._watch, args=(number == 0,), daemon=True)
            for number in range(size)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> Job:
        """Let a job wait for its turn."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify_all()
        return job

    def stop(self, job: Job) -> None:
        """Stop a job: one that runs loses its child, one that waits never begins."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                job.state = STOPPED
            elif job in self._running:
                job.state = STOPPED
                if (child := self._running[job]) is not None:
                    child.kill()
                return  # its thread says so
            else:
                return
        job.told("end", STOPPED)

    def stop_all(self, owner: str) -> None:
        """Stop every job of a page."""
        with self._changed:
            own = [job for job in (*self._waiting, *self._running) if job.owner == owner]
            self._turns.pop(owner, None)
        for job in own:
            self.stop(job)

    def close(self) -> None:
        """End everything; the crew takes no more jobs."""
        with self._changed:
            self._closed = True
            jobs = (*self._waiting, *self._running)
            self._changed.notify_all()
        for job in jobs:
            self.stop(job)
        for thread in self._threads:
            thread.join(timeout=10)

    def _watch(self, warm: bool) -> None:
        """Give jobs to one child, one after another, and hear what it says."""
        child = self._child() if warm else None
        while (job := self._next(child is not None)) is not None:
            if child is None or not child.alive():
                child = self._child()
            if not self._run(job, child):
                child.bury()
                child = None if self._closed else self._child()
        if child is not None:
            child.bury()

    def _next(self, warm: bool) -> Job | None:
        """Return the next job: of the page that has the fewest running, and waits longest."""
        with self._changed:
            self._idle += warm
            # Who has no child yet takes only what those who have one leave.
            while not self._closed and len(self._waiting) <= (0 if warm else self._idle):
                self._changed.wait()
            self._idle -= warm
            if self._closed:
                return None
            busy = Counter(job.owner for job in self._running)
            turns = self._turns
            job = min(self._waiting, key=lambda one: (busy[one.owner], turns.get(one.owner, 0)))
            turns[job.owner] = max(turns.values(), default=0) + 1
            self._waiting.remove(job)
            self._running[job] = None
            return job

    def _run(self, job: Job, child: Child) -> bool:
        """Have a child do a job; return whether it can do another."""
        with self._changed:
            self._running[job] = child
            job._pipe = child.pipe
            if job.state == WAITING:
                job.state = RUNNING
        state, job.error, whole = FAILED, ENDED, False
        # A child that is stopped, or dies, closes its end.
        with contextlib.suppress(OSError, EOFError):
            if job.state == RUNNING:
                child.pipe.send(job.task)
            while job.state == RUNNING:
                name, value = child.pipe.recv()
                if name == "progress":
                    job.stage, job.reached_s, job.total_s = value
                elif name in (DONE, FAILED):
                    state, job.error, whole = name, value, True
                    break
                elif name != "ready":
                    job.told(name, value)
        with self._changed:
            del self._running[job]
            if job.state == RUNNING:
                job.state = state
            whole = whole and job.state != STOPPED  # else it is being killed
        job.told("end", job.state)
        return whole
