"""Results in the order of the calls, a bounded number ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from multimodal_ser.compute.workers import Outcome


def in_order(
    calls: Iterable[tuple],
    submit: Callable[[tuple], Any],
    limit: Callable[[], int],
    wait: Callable[[Any, tuple], Outcome] = lambda future, call: future.result(),
) -> Iterator[Outcome]:
    """Submit calls a bounded number ahead and yield their results in order.

    Args:
        calls: read only as far as needed.
        submit: takes a call and returns its future.
        limit: how many futures there may be at a time.
        wait: takes a future and its call and returns the outcome.
    """
    waiting: deque = deque()
    for call in calls:
        waiting.append((submit(call), call))
        while len(waiting) >= max(1, limit()):
            yield wait(*waiting.popleft())
    while waiting:
        yield wait(*waiting.popleft())
