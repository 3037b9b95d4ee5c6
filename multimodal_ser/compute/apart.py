"""What is read from a model's file, at work in a process of its own, under limits.

A graph of ONNX is bounded by what it says of itself (``export.limits``). A file of skops or
Keras is not: what it holds may refer to one part a billion times, or name the next node of a
tree in a circle. So it is read and run where it can be stopped, and where a crash costs no more
than an error.
"""

from __future__ import annotations

import functools
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_ser.compute import workers
from multimodal_ser.errors import ModelError

#: Seconds to read a model, of which loading TensorFlow takes some 5 to 30, and for each row.
READ_SECONDS, ROW_SECONDS = 120.0, 1.0
#: Bytes of data that the process may hold; those here take 2 GB at most, TensorFlow included.
MOST_BYTES = 8 * 2**30

#: Reads a model; gives what turns rows of values into rows of numbers.
Reader = Callable[..., Callable[[np.ndarray], np.ndarray]]


class Apart:
    """A function of values that is read from a model's files, and run, in another process.

    Args:
        read: a function of an installed module.
        place: the model's file or folder, its first argument.
        more: its other arguments, hashable.

    Example:
        >>> apart = Apart(np.poly1d, (2.0, 1.0))
        >>> apart(np.array([3.0])).tolist()
        [7.0]
    """

    def __init__(self, read: Reader, place: Any, *more: Any) -> None:
        self._read, self._place, self._more = workers.packed(read), place, more

    def check(self) -> None:
        """Read the model, without running it.

        Raises:
            ModelError: it cannot be read, within the limits.
        """
        self._call(None, READ_SECONDS)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return what the model makes of values, a row for each.

        Raises:
            ModelError: it cannot be read or run, or not within the limits.
        """
        return self._call(values, READ_SECONDS + ROW_SECONDS * len(values))

    def _call(self, values: np.ndarray | None, limit_seconds: float) -> Any:
        arguments = (self._place, self._read, self._more, _stamp(self._place), values)
        item = (str(self._place), arguments, limit_seconds)
        (outcome,) = workers.run_each_apart(workers.packed(_answer), [item], os.getcwd())
        if outcome.value is None:
            raise ModelError(
                f"{self._place}: it was stopped, for it crashes, or takes more than "
                f"{limit_seconds:.0f} s or {MOST_BYTES >> 30} GB; use a model of people you trust, "
                "or train it again"
            )
        found, problem = outcome.value
        if problem is not None:
            raise ModelError(problem)
        return found


def _stamp(place: Any) -> tuple:
    """Return what tells a model's files from those that replace them."""
    if not isinstance(place, str | os.PathLike):
        return ()
    paths = sorted(Path(place).iterdir()) if Path(place).is_dir() else [Path(place)]
    found = ((path, path.stat()) for path in paths if path.is_file())
    return tuple((path.name, seen.st_size, seen.st_mtime_ns) for path, seen in found)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = MOST_BYTES if hard == resource.RLIM_INFINITY else min(MOST_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _answer(place: Any, read: bytes, more: tuple, stamp: tuple, values: np.ndarray | None) -> tuple:
    """Return the numbers, or None with what is wrong."""
    _limit_memory()
    try:
        function = _known(read, place, more, stamp)
        return (0 if values is None else function(values)), None
    except ModelError as error:
        return None, str(error)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return None, f"{place}: it cannot predict ({reason:.300}); train it again, on more clips"


@functools.lru_cache(maxsize=4)
def _known(
    read: bytes, place: Any, more: tuple, stamp: tuple
) -> Callable[[np.ndarray], np.ndarray]:
    return pickle.loads(read)(place, *more)
