"""Let the 1st, 2nd, 3rd, ... call of the operating system fail, as SQLite's tests do.

https://www.sqlite.org/testing.html#i_o_error_testing: an operation runs again and again, each
time with the next of its calls failing, once alone and once with all that follow, until it runs
through. So nothing is left to chance. The latter leaves on the disk what ``kill -9`` would at that
place, for what cleans up fails too.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: What changes a disk; a file's write and truncate are counted too.
CALLS = ("fsync", "replace", "rename", "unlink", "remove", "mkdir", "rmdir", "chmod", "truncate")


class Faults:
    """Counts calls and fails the one whose turn it is.

    Args:
        turn: which call fails, from 1; 0 is none.
        lasting: whether all later calls fail too.
        error: what is raised.
    """

    def __init__(self, turn: int, lasting: bool, error: type[BaseException]) -> None:
        self.turn, self.lasting, self.error, self.count = turn, lasting, error, 0

    def step(self) -> None:
        self.count += 1
        if self.turn and (self.count == self.turn or (self.lasting and self.count > self.turn)):
            if self.error is OSError:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise self.error

    def counting(self, call: Callable) -> Callable:
        def counted(*values, **named):
            self.step()
            return call(*values, **named)

        return counted


class Counted:
    """A file whose writes are counted."""

    def __init__(self, file, faults: Faults) -> None:
        self._file, self._faults = file, faults

    def __getattr__(self, name):
        found = getattr(self._file, name)
        return self._faults.counting(found) if name in ("write", "truncate") else found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __iter__(self):
        return iter(self._file)


@contextmanager
def faults(turn: int, *, lasting: bool = False, error: type[BaseException] = OSError):
    """Let the ``turn``-th call in the body fail."""
    found = Faults(turn, lasting, error)

    def opening(opens: Callable) -> Callable:
        def opened(file, mode="r", *values, **named):
            if not set(mode) & set("wax+"):
                return opens(file, mode, *values, **named)
            found.step()
            return Counted(opens(file, mode, *values, **named), found)

        return opened

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, found.counting(getattr(os, name)))
        patch.setattr(tempfile, "mkstemp", found.counting(tempfile.mkstemp))
        patch.setattr(os, "fdopen", opening(os.fdopen))
        patch.setattr(builtins, "open", opening(builtins.open))
        patch.setattr(io, "open", opening(io.open))
        yield found


def every_fault(
    operation: Callable[[Path], object],
    folder: Path,
    prepare: Callable[[Path], object] = lambda place: None,
    *,
    error: type[BaseException] = OSError,
) -> Iterator[tuple[Path, BaseException | None]]:
    """Run an operation with each of its calls failing in turn.

    Args:
        operation: takes a fresh folder.
        folder: in which fresh ones are made.
        prepare: puts into a fresh folder what is there before.
        error: what is raised.

    Yields:
        The folder after each fault and what came of it; None where the operation went on.
    """
    turn = 0
    for lasting in (False, True):
        for turn in range(1, 10_000):
            place = folder / f"{turn}-{lasting}"
            place.mkdir()
            prepare(place)
            raised = None
            with faults(turn, lasting=lasting, error=error) as seen:
                try:
                    operation(place)
                except (error, Exception) as problem:
                    raised = problem
            if seen.count < turn:
                break
            yield place, raised
    assert turn > 3, "nothing was counted"


def litter(folder: Path) -> list[str]:
    """Return what is left of files that were being written."""
    return [path.name for path in folder.rglob(".writing-*")]


def age(folder: Path) -> None:
    """Make all that is left of drafts two days old."""
    for path in folder.rglob(".writing-*"):
        seconds = path.stat().st_mtime - 2 * 24 * 3600
        os.utime(path, (seconds, seconds))
