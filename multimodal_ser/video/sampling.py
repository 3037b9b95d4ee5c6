"""Which frames of a video are wanted: one choice of three."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: aei_2019 keeps every 20th frame, about 1.5 a second at 29.97 frames a second.
EVERY = 20

#: Times in videos are rounded, in Matroska to whole milliseconds: a frame that
#: comes so many seconds early counts as on time.
SLACK_S = 0.001


@dataclass(frozen=True)
class Sampling:
    """Exactly one way to choose frames; every 20th when none is named.

    Attributes:
        every: frames 0, ``every``, 2 * ``every``, ...; at least 1.
        every_seconds: the first frame at or after 0, ``every_seconds``,
            2 * ``every_seconds``, ... seconds; at least 0.001. A frame is taken
            once, even where the video has fewer frames than that.
        keyframes_only: the frames that are coded by themselves; how far they
            are apart is up to anyone who made the video, often 1 to 10 seconds.

    Raises:
        ValueError: more than one is named, or a value is out of range.

    Example:
        >>> Sampling(every_seconds=0.5)
        Sampling(every=None, every_seconds=0.5, keyframes_only=False)
        >>> Sampling().every
        20
    """

    every: int | None = None
    every_seconds: float | None = None
    keyframes_only: bool = False

    def __post_init__(self) -> None:
        if type(self.keyframes_only) is not bool:
            raise ValueError(f"keyframes_only is {self.keyframes_only!r}; give True or False")
        chosen = (self.every is not None, self.every_seconds is not None, self.keyframes_only)
        if sum(chosen) > 1:
            raise ValueError(f"{self} names more than one way to sample; give one of the three")
        if not any(chosen):
            object.__setattr__(self, "every", EVERY)
        if self.every is not None and (type(self.every) is not int or self.every < 1):
            raise ValueError(f"every is {self.every!r}; give a whole number of frames from 1 up")
        if self.every_seconds is not None and not _is_seconds(self.every_seconds):
            seconds = self.every_seconds
            raise ValueError(f"every_seconds is {seconds!r}; give a number of seconds from 0.001")

    @classmethod
    def of(cls, text: str) -> Sampling:
        """Return what a text names: ``every=20``, ``seconds=0.5`` or ``keyframes``.

        Raises:
            ValueError: it names nothing of the kind, or a value out of range.

        Example:
            >>> Sampling.of("seconds=0.5").every_seconds, Sampling.of("keyframes").keyframes_only
            (0.5, True)
        """
        way, _, value = str(text).partition("=")
        try:
            if way == "every":
                return cls(every=int(value))
            if way == "seconds":
                return cls(every_seconds=float(value))
        except ValueError as error:
            raise ValueError(f"the sampling {text!r:.80} cannot be: {error}") from None
        if text != "keyframes":
            raise ValueError(
                f"there is no sampling {text!r:.80}; give every=N, seconds=S or keyframes"
            )
        return cls(keyframes_only=True)

    def picker(self) -> Callable[[int, float, bool], bool]:
        """Return a function that is asked about every frame of one video, in order.

        It takes the frame's index, its time in seconds from the first frame and
        whether it is a key frame, and says whether it is wanted.

        Example:
            >>> wanted = Sampling(every_seconds=0.1).picker()
            >>> [index for index in range(8) if wanted(index, index / 25, False)]
            [0, 3, 5]
        """
        if self.keyframes_only:
            return lambda index, time_s, is_key: is_key
        if self.every_seconds is not None:
            return _time_picker(self.every_seconds)
        every = self.every or EVERY
        return lambda index, time_s, is_key: index % every == 0


class Several:
    """Several ways to choose frames of one video at once.

    Args:
        samplings: one or more.

    Attributes:
        chosen_by: index of a frame -> for each way whether it wants that frame; of frames
            that any wants, as they are asked about.

    Example:
        >>> both = Several([Sampling(every=2), Sampling(every=3)])
        >>> wanted = both.picker()
        >>> [index for index in range(7) if wanted(index, index / 25, False)]
        [0, 2, 3, 4, 6]
        >>> both.chosen_by[3]
        (False, True)
    """

    def __init__(self, samplings: Sequence[Sampling]) -> None:
        self.samplings = tuple(samplings)
        self.keyframes_only = all(one.keyframes_only for one in self.samplings)
        self.chosen_by: dict[int, tuple[bool, ...]] = {}

    def picker(self) -> Callable[[int, float, bool], bool]:
        """Return a function that is asked about every frame, see :meth:`Sampling.picker`."""
        pickers = [one.picker() for one in self.samplings]
        self.chosen_by = {}

        def wanted(index: int, time_s: float, is_key: bool) -> bool:
            asked = tuple(picker(index, time_s, is_key) for picker in pickers)
            if any(asked):
                self.chosen_by[index] = asked
            return any(asked)

        return wanted


def _is_seconds(value: float) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= SLACK_S


def _time_picker(seconds: float) -> Callable[[int, float, bool], bool]:
    reached = -1

    def wanted(index: int, time_s: float, is_key: bool) -> bool:
        nonlocal reached
        step = math.floor((time_s + SLACK_S) / seconds)
        if step <= reached:
            return False
        reached = step
        return True

    return wanted
