"""One map over clips, used by every extraction.

A clip that fails costs itself: its error becomes a row of the failures table
and the others go on. Results come back in the order given, one at a time, so
memory does not grow with the number of clips unless the caller keeps them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from multimodal_ser.errors import SerError


class Outcome(NamedTuple):
    """What became of one clip: a value, or an error and None."""

    clip: str
    value: Any
    error: str | None


def map_clips(
    function: Callable[..., Any],
    items: Mapping[str, tuple],
    *,
    workers: int | None = None,
    description: str = "clips",
    progress: bool = True,
) -> Iterator[Outcome]:
    """Call ``function(*arguments)`` for every clip, in parallel, and yield outcomes.

    Args:
        function: a module-level function, so that a worker process can find it.
        items: clip id -> tuple of arguments.
        workers: processes; None takes one a core, 1 stays in this process.
        description: shown before the progress bar.
        progress: whether to show a bar on standard error.

    Yields:
        One :class:`Outcome` per item, in the order of ``items``.

    Example:
        >>> outcomes = map_clips(int, {"a": ("7",), "b": ("x",)}, workers=1, progress=False)
        >>> [(o.clip, o.value, o.error) for o in outcomes]
        [('a', 7, None), ('b', None, "ValueError: invalid literal for int() with base 10: 'x'")]
    """
    from tqdm import tqdm

    workers = min(workers or os.cpu_count() or 1, max(len(items), 1))
    bar = tqdm(total=len(items), desc=description, unit="clip", disable=not progress)
    with bar:
        for outcome in _outcomes(function, items, workers):
            bar.update()
            yield outcome


def _outcomes(function: Callable, items: Mapping[str, tuple], workers: int) -> Iterator[Outcome]:
    if workers == 1:
        for clip, arguments in items.items():
            yield _guarded(function, clip, arguments)
        return
    from joblib import Parallel, delayed, parallel_config

    # One numeric thread a worker: the clips are the parallel part, and more
    # threads than cores only take turns.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=workers, return_as="generator")
        yield from pool(delayed(_guarded)(function, clip, args) for clip, args in items.items())


@functools.cache
def _numeric_libraries():
    import numpy  # noqa: F401 (its library must be loaded to be found)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _guarded(function: Callable, clip: str, arguments: tuple) -> Outcome:
    # One thread here too: sums in another order differ in the last digits,
    # and a clip's numbers must not depend on how many workers there were.
    try:
        with _numeric_libraries().limit(limits=1):
            return Outcome(clip, function(*arguments), None)
    except SerError as error:
        return Outcome(clip, None, str(error))
    except Exception as error:  # any decoder's error is this clip's own
        return Outcome(clip, None, f"{type(error).__name__}: {' '.join(str(error).split())}")
