"""What several front ends see of one video, each frame decoded and searched for faces once.

A look takes the frames it wants, one by one with their faces, and keeps what it makes of
them: crops, or measures of the face. No frame is held.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

from multimodal_ser.compute import progress
from multimodal_ser.errors import MediaError
from multimodal_ser.video import detectors
from multimodal_ser.video.faces import Box
from multimodal_ser.video.frames import Frame, frames_of
from multimodal_ser.video.opened import Opened
from multimodal_ser.video.sampling import Sampling, Several


class Look(Protocol):
    """One front end over the frames of one video."""

    @property
    def sampling(self) -> Sampling:
        """Which frames it wants."""

    @property
    def detector(self) -> str | None:
        """One of ``detectors.NAMES``; None looks for no faces."""

    def add(self, frame: Frame, boxes: Sequence[Box]) -> None:
        """Take the next frame it wants, and all faces in it."""


def run(looks: Sequence[Look], video: Opened) -> None:
    """Show the frames of a video to several looks, in order.

    Args:
        looks: one or more, that have seen no frame yet.
        video: to be read.

    Raises:
        MediaError: the video cannot be decoded.
        MissingWeights: a detector's weights are not on this machine.
    """
    several = Several([look.sampling for look in looks])
    names = {look.detector for look in looks if look.detector}
    detect = {name: detectors.load(name).detect for name in names}
    for frame in frames_of(video, several):
        chosen = several.chosen_by.pop(frame.index)
        boxes: dict[str | None, list[Box]] = {None: []}
        for look in (look for look, wants in zip(looks, chosen, strict=True) if wants):
            if look.detector and look.detector not in boxes:
                boxes[look.detector] = detect[look.detector](frame.gray)
            look.add(frame, boxes[look.detector])
        progress.reached(frame.time_s)


class Together:
    """Looks at one video that run together when the first of them is asked for.

    Args:
        video: to be read.
        looks: by any key; those whose result is known are better left out.

    Example:
        >>> with Opened("clip.mp4") as video:  # doctest: +SKIP
        ...     both = Together(video, {"crops": FrontEnd(params), "units": Measuring(own)})
        ...     both.done("crops"), both.done("units")  # one pass
    """

    def __init__(self, video: Opened, looks: Mapping[Hashable, Any]) -> None:
        self.video, self._looks = video, dict(looks)
        self._ran = False
        self._error: MediaError | None = None

    def __contains__(self, key: Hashable) -> bool:
        return key in self._looks

    def done(self, key: Hashable) -> Any:
        """Return a look that has seen all its frames; it is given away once.

        Raises:
            KeyError: there is none of this key, or no more.
            MediaError: the video cannot be decoded; told to each that asks.
        """
        look = self._looks[key]
        if not self._ran:
            self._ran = True
            try:
                run(list(self._looks.values()), self.video)
            except MediaError as error:
                self._error = error
        if self._error is not None:
            raise self._error
        del self._looks[key]
        return look
