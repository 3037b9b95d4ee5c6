"""Open pages: what was uploaded to each, and what is known of it; all gone when it closes."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multimodal_ser.app.jobs import Crew, Job
from multimodal_ser.app.work import Medium, Predict, Reading
from multimodal_ser.datasets.files import AUDIO_ENDINGS, VIDEO_ENDINGS
from multimodal_ser.errors import SerError

if TYPE_CHECKING:
    from multimodal_ser.reports.player import Media

#: Of a name no more is kept, in characters.
LONGEST_NAME = 200


class TooMuch(SerError):
    """An upload is beyond a limit."""


@dataclass(frozen=True)
class Limits:
    """What one page may hold.

    Attributes:
        file_bytes: size of a recording; an hour of film has some hundred megabytes.
        page_bytes: size of all its recordings.
        files: how many they are.
    """

    file_bytes: int = 2 * 2**30
    page_bytes: int = 8 * 2**30
    files: int = 500


@dataclass(eq=False)
class Clip:
    """A recording of a page.

    Attributes:
        number: counts from 0; what addresses say.
        medium: where it lies and what it is called.
        size_bytes: of the file.
        job: the last one it is part of.
        reading: what was predicted; None while nothing is.
        media: waveform, boxes and faces; None while not known.
        complete: whether they will not come any more.
    """

    number: int
    medium: Medium
    size_bytes: int = 0
    job: Job | None = None
    reading: Reading | None = None
    media: Media | None = None
    complete: bool = False


@dataclass
class Session:
    """One open page.

    Attributes:
        crew: who does its jobs.
        limits: what it may hold.
        key: names it in addresses; without it nothing of the page can be reached.
        model: folder or name of the model that is chosen; None is the released one.
        clips: number -> recording.
    """

    crew: Crew
    limits: Limits = Limits()
    model: str | None = None
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    clips: dict[int, Clip] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="multimodal_ser-app-")
        self._count, self._lock, self.closed = 0, threading.Lock(), False

    def place(self, name: str) -> Clip:
        """Return a new clip, to whose path an upload may be written.

        Args:
            name: as its user calls it; of it only a known ending comes into the path.

        Raises:
            TooMuch: the page holds as many as it may.

        Example:
            >>> session = Session(crew=None)
            >>> clip = session.place("../../<script>.mp4")
            >>> clip.medium.name, Path(clip.medium.path).name
            ('../../<script>.mp4', '0.mp4')
            >>> session.close()
        """
        ending = Path(name).suffix.lower()
        ending = ending if ending in (*AUDIO_ENDINGS, *VIDEO_ENDINGS) else ""
        with self._lock:
            if len(self.clips) >= self.limits.files:
                raise TooMuch(f"there are {len(self.clips)} recordings; remove some first")
            number, self._count = self._count, self._count + 1
            path = str(Path(self._folder.name) / f"{number}{ending}")
            clip = self.clips[number] = Clip(number, Medium(path, self._free(name)))
        return clip

    def _free(self, name: str) -> str:
        """Return a name that no other recording has: tables and pages tell them apart by it."""
        name = found = name[:LONGEST_NAME] or "recording"
        taken, count = {clip.medium.name for clip in self.clips.values()}, 1
        while found in taken:
            count += 1
            found = f"{name} ({count})"
        return found

    def grow(self, clip: Clip, size_bytes: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            TooMuch: the file, or all of the page, would be beyond the limit.
        """
        clip.size_bytes += size_bytes
        if clip.size_bytes > self.limits.file_bytes:
            most = f"{self.limits.file_bytes / 2**20:,.0f} MB"
            raise TooMuch(f"{clip.medium.name}: it is larger than {most}; cut it into parts")
        if sum(one.size_bytes for one in self.clips.values()) > self.limits.page_bytes:
            most = f"{self.limits.page_bytes / 2**20:,.0f} MB"
            raise TooMuch(f"the recordings are larger than {most} together; remove some first")

    def predict(self, clips: Sequence[Clip], person: str = "") -> Job:
        """Have recordings predicted; what was known of them stays until the new is there.

        Args:
            clips: of this page.
            person: whose they are, to whom the model adapts; empty: it does not.
        """
        clips = list(clips)
        cache = str(Path(self._folder.name) / "cache")
        task = Predict(tuple(clip.medium for clip in clips), self.model, person, cache)

        def told(name: str, value: Any) -> None:
            if name == "end":
                for clip in clips:
                    clip.complete |= clip.job is job
            elif clips[value[0]].job is job:  # else it was asked for anew
                setattr(clips[value[0]], name, value[1])

        job = Job(self.key, task, told)
        for clip in clips:
            before, clip.job, clip.complete = clip.job, job, False
            if before is not None:
                self.crew.stop(before)
        return self.crew.submit(job)

    def remove(self, clip: Clip) -> None:
        """Forget a recording and delete its file; its job stops."""
        self.clips.pop(clip.number, None)
        if clip.job is not None:
            self.crew.stop(clip.job)
        Path(clip.medium.path).unlink(missing_ok=True)

    def close(self) -> None:
        """Stop all jobs and delete all files."""
        self.closed = True
        if self.crew is not None:
            self.crew.stop_all(self.key)
        self._folder.cleanup()


class Sessions:
    """All open pages, by key."""

    def __init__(self, crew: Crew, limits: Limits | None = None) -> None:
        self.crew, self.limits = crew, limits or Limits()
        self._open: dict[str, Session] = {}

    def open(self, model: str | None = None) -> Session:
        """Return a new page's session."""
        session = Session(self.crew, self.limits, model)
        self._open[session.key] = session
        return session

    def get(self, key: str) -> Session | None:
        """Return the session of that key, if its page is open."""
        return self._open.get(key)

    def close(self, key: str) -> None:
        """Close a page's session, if it is open."""
        if (session := self._open.pop(key, None)) is not None:
            session.close()

    def close_all(self) -> None:
        """Close every session."""
        for key in list(self._open):
            self.close(key)
