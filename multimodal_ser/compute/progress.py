"""Progress within one recording, in seconds of media.

Code that reads a recording reports how far it is with :func:`reached`; a caller that wants
to show it opens a :func:`media_bar`, and one that shows it elsewhere is :func:`watching`. In a
worker process there is no bar, and that of its caller moves when the recording is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from multimodal_ser.errors import printable

#: Takes what is being read, the seconds reached, and all there are, None where not known.
Watcher = Callable[[str, float, float | None], None]

_HEARD: ContextVar[Callable[[float], None] | None] = ContextVar("heard", default=None)
_WATCHED: ContextVar[Watcher | None] = ContextVar("watched", default=None)


def reached(seconds: float) -> None:
    """Say that a recording is read up to a time.

    Args:
        seconds: from its beginning.

    Example:
        >>> reached(3.0)  # nobody listens
    """
    if (heard := _HEARD.get()) is not None:
        heard(seconds)


class _Hidden:
    """A bar that nobody sees."""

    n, total = 0.0, None

    def __enter__(self) -> _Hidden:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def update(self, n: float = 1) -> None:
        self.n += n


def tqdm(*, disable: bool, **words: Any) -> Any:
    """Return a bar of tqdm's, or where it is disabled one that does without its import.

    Args:
        disable: whether there is nothing to see.
        words: as ``tqdm.tqdm`` takes them.

    Returns:
        A context with ``update``, ``n`` and ``total``.

    Example:
        >>> with tqdm(total=2, disable=True) as bar:
        ...     bar.update()
    """
    if disable:
        return _Hidden()
    from tqdm import tqdm as visible

    return visible(**words)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Tell a function what every :func:`media_bar` within the context reports, shown or not.

    Args:
        watcher: called in the thread that reads, often: it must return at once.

    Example:
        >>> with watching(print), media_bar("speech", 60.0, shown=False):
        ...     reached(30.0)
        speech 30.0 60.0
    """
    token = _WATCHED.set(watcher)
    try:
        yield
    finally:
        _WATCHED.reset(token)


@contextmanager
def media_bar(description: str, total_s: float | None, shown: bool) -> Iterator[None]:
    """Show a bar on standard error of what :func:`reached` says within the context.

    Args:
        description: shown before the bar.
        total_s: length of the recording in seconds; None where it is not known.
        shown: whether there is a bar at all.

    Example:
        >>> with media_bar("speech", 60.0, shown=False):
        ...     reached(30.0)
    """
    form = "{l_bar}{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}, {rate_noinv_fmt}]"
    endless = "{desc}: {n:.0f} s [{elapsed}, {rate_noinv_fmt}]"
    with tqdm(
        total=total_s,
        desc=printable(description),
        unit=" s",
        disable=not shown,
        leave=False,
        bar_format=form if total_s else endless,
    ) as bar:
        watcher = _WATCHED.get()

        def heard(seconds: float) -> None:
            _move(bar, seconds)
            if watcher is not None:
                watcher(description, seconds, total_s)

        token = _HEARD.set(heard)
        try:
            yield
        finally:
            _HEARD.reset(token)


def _move(bar, seconds: float) -> None:
    known = seconds if bar.total is None else min(seconds, bar.total)
    bar.update(max(0.0, known - bar.n))
