"""What a child process of the app computes: predictions of recordings, and of live streams."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from multimodal_ser.errors import SerError, printable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from multimodal_ser.video.tracks import Tracks
    from multimodal_ser.workflows.models import Model

#: Coverage of the sets of labels that are shown, where a model has them.
COVERAGE = 0.9
#: How a live stream is cut: an answer every second, of the last three.
WINDOW = "window=3,hop=1"
#: A camera's images come a few times a second here; each network looks at two of them.
LIVE_SAMPLING = "seconds=0.5"
#: Pairs of least and greatest sample that the waveform of a recording is drawn from.
PEAKS = 1200
_PEAK_RATE_HZ = 16000
#: Progress is reported no more often, in seconds.
REPORT_S = 0.1


@dataclass(frozen=True)
class Medium:
    """An uploaded recording.

    Attributes:
        path: where it lies, under a name of ours.
        name: what its user calls it: a text, never a path.
    """

    path: str
    name: str


@dataclass(frozen=True)
class Predict:
    """Ask for predictions; each medium's come as a part of their own.

    Attributes:
        media: the recordings.
        model: folder or name; None takes the released one.
        person: whose clips they all are, to whom the model adapts; empty: it does not.
    """

    media: tuple[Medium, ...]
    model: str | None = None
    person: str = ""


@dataclass(frozen=True)
class Live:
    """Ask for rolling predictions of what is fed.

    That is ``("sound", rate_hz, bytes)``, mono float32; ``("image", time_s, bytes)``, a JPEG;
    and at last ``("end",)``.

    Attributes:
        modalities: of ``audio`` and ``video``, what will be fed.
        model: folder or name; None takes the released one.
    """

    modalities: tuple[str, ...]
    model: str | None = None


Task = Predict | Live
Tell = Callable[[str, Any], None]


@dataclass
class Reading:
    """What is known of one recording.

    Attributes:
        name: of the recording.
        predictions: as ``inference.predict`` gives them with ``timeline``; ``path`` is the name.
        error: why there are none; empty where there are.
        duration_s: of the recording, NaN where it is not known.
    """

    name: str
    predictions: pd.DataFrame
    error: str = ""
    duration_s: float = float("nan")


@dataclass
class Faces:
    """Where faces are in a film.

    Attributes:
        boxes: as ``reports.player.Media`` takes them, with a person in every row.
        size: width and height of the film in pixels.
    """

    boxes: pd.DataFrame
    size: tuple[int, int]

    @classmethod
    def of(cls, found: Tracks, size: tuple[int, int]) -> Faces:
        """Return the boxes of tracks as shares of the image."""
        import pandas as pd

        table = pd.DataFrame({"time_s": found.time_s, "person": found.person})
        for at, name in enumerate("xywh"):
            table[name] = found.box[:, at] / max(size[at % 2], 1)
        return cls(table, size)

    def judged(self, several: bool) -> pd.DataFrame:
        """Return the boxes of the faces that were judged.

        Args:
            several: whether persons were; else it is the largest face of each moment.
        """
        if several or self.boxes.empty:
            return self.boxes
        largest = (self.boxes["w"] * self.boxes["h"]).groupby(self.boxes["time_s"]).idxmax()
        return self.boxes.loc[largest].assign(person=None)


def serve(pipe: Any, model: str | None) -> None:
    """Answer tasks from a pipe until it ends; what a child runs.

    Args:
        pipe: receives a :data:`Task`, sends names and values: ``progress`` (what is read,
            seconds, all seconds or None), ``reading`` (place, :class:`Reading`), ``peaks`` and
            ``faces`` of a place, ``rows`` of a stream, and last ``done`` or ``failed`` and why.
        model: loaded, and used once, before the first task.
    """
    # Ctrl-C at the terminal is for the server, which then ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    def tell(name: str, value: Any) -> None:
        pipe.send((name, value))

    with contextlib.suppress(EOFError, BrokenPipeError):
        with contextlib.suppress(SerError):  # whoever asks for it hears why
            _warm_up(model)
        tell("ready", None)
        while True:
            _answer(pipe.recv(), tell, pipe.recv)


def _answer(task: Task, tell: Tell, receive: Callable[[], Any]) -> None:
    try:
        if isinstance(task, Live):
            _follow(task, tell, receive)
        else:
            _predict(task, tell)
    except SerError as error:
        tell("failed", _shown(str(error), task))
    except MemoryError:
        tell("failed", "memory ran out; give less at a time")
    except (EOFError, BrokenPipeError):
        raise
    except Exception as error:  # any decoder's error is this task's own
        tell("failed", _shown(f"{type(error).__name__}: {error}", task))
    else:
        tell("done", "")


def _shown(text: str, task: Task) -> str:
    """Return an error with the user's names in the place of our paths."""
    for medium in task.media if isinstance(task, Predict) else ():
        text = text.replace(medium.path, medium.name)
    return printable(text)


@lru_cache(maxsize=2)
def _model(name: str | None) -> Model:
    from multimodal_ser.workflows.models import load_model

    return load_model(name)


def _warm_up(name: str | None) -> None:
    """Load a model, and what is loaded when sound and images are first read."""
    import numpy as np

    from multimodal_ser.workflows.streaming import Stream

    model = _model(name)
    stream = Stream(replace(model, adapt="none"), WINDOW)
    second = np.sin(np.arange(48000, dtype=np.float32)) / 9
    for at in range(4):
        if "video" in model.modalities:
            stream.feed_frame(np.zeros((90, 160), np.uint8), float(at))
        if "audio" in model.modalities:
            stream.feed_sound(second, 48000)


def _predict(task: Predict, tell: Tell) -> None:
    from multimodal_ser.compute import progress

    last_s = 0.0

    def watch(stage: str, reached_s: float, total_s: float | None) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= REPORT_S:
            last_s = time.monotonic()
            tell("progress", (stage, reached_s, total_s))

    with progress.watching(watch):
        # Adapted clips are heard beside each other, the others one by one: the first shows first.
        groups = [task.media] if task.person else [(one,) for one in task.media]
        place = 0
        for group in groups:
            for reading in readings(group, _model(task.model), task.person):
                tell("reading", (place, reading))
                place += 1
        for at, medium in enumerate(task.media):
            tell("peaks", (at, peaks(medium.path)))
            tell("faces", (at, faces(medium, _model(task.model))))


def readings(media: tuple[Medium, ...], model: Model, person: str = "") -> Iterator[Reading]:
    """Yield what a model says of recordings.

    Args:
        media: the recordings.
        model: that predicts.
        person: whose they are, to whom the model adapts; empty: it does not.

    Raises:
        SerError: the model does not adapt so, or too few recordings are given.

    Example:
        >>> next(readings((Medium("a.mp4", "a.mp4"),), model)).error  # doctest: +SKIP
        ''
    """
    from multimodal_ser.compute.cache import Cache
    from multimodal_ser.compute.parallel import Engine
    from multimodal_ser.datasets.files import is_audio
    from multimodal_ser.tables import make_clips
    from multimodal_ser.workflows import inference

    rows = [
        {"clip": f"{at:06}", "dataset": "given", "audio": one.path, "actor": person or None}
        | {"video": None if is_audio(one.path) else one.path}
        for at, one in enumerate(media)
    ]
    # A new file is read once: there is nothing to keep, and this process may crash alone.
    table, failures = inference.predict(
        make_clips(rows),
        model,
        adapt="person" if person else None,
        timeline=True,
        sets=_coverage(model),
        cache=Cache(None),
        workers=Engine(in_process=True),
    )
    for at, one in enumerate(media):
        own = table[table["clip"] == f"{at:06}"].reset_index(drop=True)
        errors = failures.loc[failures["clip"] == f"{at:06}", "error"].drop_duplicates()
        error = "; ".join(text.replace(one.path, one.name) for text in errors)
        if person:
            own["note"] = [_joined(note, f"adapted to {person}") for note in own["note"]]
        own = own.assign(clip=one.name, path=one.path)
        yield Reading(one.name, own, "" if len(own) else printable(error), _seconds(one.path))


def _joined(*notes: Any) -> str:
    return "; ".join(note for note in notes if isinstance(note, str) and note)


def _coverage(model: Model) -> float | None:
    try:
        model.combiner.check_coverage(COVERAGE)
    except SerError:
        return None
    return COVERAGE


def _seconds(path: str) -> float:
    from multimodal_ser.compute.media import open_container

    try:
        with open_container(path) as film:
            return film.duration / 1e6 if film.duration else float("nan")
    except (SerError, OSError, ValueError):
        return float("nan")


def peaks(path: str) -> np.ndarray:
    """Return the waveform of a recording, thinned.

    Args:
        path: of a recording; one that has no sound, or cannot be read, has no waveform.

    Returns:
        float32 ``(n, 2)``, -1 to 1: least and greatest sample of each stretch of equal length;
        at most :data:`PEAKS` rows, whatever the length of the recording.
    """
    import numpy as np

    from multimodal_ser.audio import signal as sound

    blocks, step = [], _PEAK_RATE_HZ // 100
    rest = np.zeros(0, np.float32)
    with contextlib.suppress(SerError):
        for block in sound.stream(path, rate_hz=_PEAK_RATE_HZ):
            rest = np.concatenate([rest, block])
            whole = rest[: len(rest) // step * step].reshape(-1, step)
            blocks.append(np.stack([whole.min(axis=1), whole.max(axis=1)], axis=1))
            rest = rest[whole.size :]
    every = np.concatenate(blocks) if blocks else np.zeros((0, 2), np.float32)
    cuts = np.unique(np.linspace(0, len(every), min(PEAKS, len(every)), endpoint=False, dtype=int))
    if not len(cuts):
        return every
    low, high = np.minimum.reduceat(every[:, 0], cuts), np.maximum.reduceat(every[:, 1], cuts)
    return np.stack([low, high], axis=1)


def faces(medium: Medium, model: Model) -> Faces | None:
    """Return where faces are in a film; None of a sound, or of a film that cannot be seen.

    Args:
        medium: the recording.
        model: its detector is used.
    """
    from multimodal_ser.compute import progress
    from multimodal_ser.datasets.files import is_audio
    from multimodal_ser.video import detectors, frames, tracks

    seen = [one.params.detector for one in model.learners.values() if one.kind == "frames"]
    if is_audio(medium.path) or "video" not in model.modalities:
        return None
    detect = detectors.load(seen[0] if seen else detectors.DEFAULT).detect
    size = (0, 0)

    def film() -> Iterator[tuple[Any, Any]]:
        nonlocal size
        for one in frames.iter_frames(medium.path, every_seconds=tracks.RULES.every_s):
            size = one.gray.shape[::-1]
            yield one, detect(one.gray)

    try:
        with progress.media_bar("faces", _seconds(medium.path), False):
            return Faces.of(tracks.tracked(film(), measured=False), size)
    except SerError:
        return None


def _follow(task: Live, tell: Tell, receive: Callable[[], Any]) -> None:
    """Predict what is fed, window by window."""
    import cv2
    import numpy as np

    from multimodal_ser.workflows import inference
    from multimodal_ser.workflows.streaming import Stream

    model = inference.check_adapt(_model(task.model), "none")
    wanted = tuple(name for name in task.modalities if name in model.modalities)
    if "video" in wanted and any(one.kind == "frames" for one in model.learners.values()):
        model = inference.with_front_end(model, sampling=LIVE_SAMPLING)
    stream = Stream(model, WINDOW, modalities=wanted, name="live")
    tell("listening", wanted)
    while True:
        kind, *content = receive()
        if kind == "end":
            _tell_rows(stream.finish(), tell)
            return
        if kind == "sound" and "audio" in wanted:
            rows = stream.feed_sound(np.frombuffer(content[1], "<f4"), content[0])
        elif kind == "image" and "video" in wanted:
            image = cv2.imdecode(np.frombuffer(content[1], np.uint8), cv2.IMREAD_GRAYSCALE)
            if image is None:
                raise SerError("an image of the camera cannot be read; start again")
            rows = stream.feed_frame(image, content[0])
        else:
            continue
        _tell_rows(rows, tell)


def _tell_rows(rows: pd.DataFrame, tell: Tell) -> None:
    if len(rows):
        tell("rows", rows)
