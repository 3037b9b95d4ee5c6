"""What a child process of the app computes: predictions of recordings, and of live streams."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multimodal_ser.errors import SerError, printable

if TYPE_CHECKING:
    import pandas as pd

    from multimodal_ser.compute.cache import Cache
    from multimodal_ser.reports.player import Media
    from multimodal_ser.workflows.models import Model

#: Coverage of the sets of labels that are shown, where a model has them.
COVERAGE = 0.9
#: How a live stream is cut: an answer every second, of the last three.
WINDOW = "window=3,hop=1"
#: A camera's images come a few times a second here, of which two are looked at.
LIVE_SAMPLING = "seconds=0.5"
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
        cache: a folder for what may be read again, such as tracks; None keeps nothing.
    """

    media: tuple[Medium, ...]
    model: str | None = None
    person: str = ""
    cache: str | None = None


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


def serve(pipe: Any, model: str | None) -> None:
    """Answer tasks from a pipe until it ends; what a child runs.

    Args:
        pipe: receives a :data:`Task`, sends names and values: ``progress`` (what is read,
            seconds, all seconds or None), ``reading`` (place, :class:`Reading`), ``media``
            (place, ``reports.player.Media``), ``rows`` of a stream, and last ``done`` or
            ``failed`` and why.
        model: loaded, and used once, before the first task.
    """
    from tqdm import tqdm

    # Ctrl-C at the terminal is for the server, which then ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Else its bars, which nobody sees, share a semaphore that a child that is killed leaves behind.
    tqdm.set_lock(threading.RLock())

    def tell(name: str, value: Any) -> None:
        pipe.send((name, value))

    with contextlib.suppress(EOFError, BrokenPipeError):
        with contextlib.suppress(SerError):  # the request itself reports why
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
    from multimodal_ser.compute.cache import Cache

    last_s, length_s = 0.0, None

    def watch(stage: str, reached_s: float, total_s: float | None) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= REPORT_S:
            last_s = time.monotonic()
            tell("progress", (stage.partition(" of ")[0], reached_s, total_s or length_s))

    model, cache = _model(task.model), Cache(task.cache)
    # Adapted clips are heard beside each other, the others one by one: the first shows first.
    groups = [task.media] if task.person else [(one,) for one in task.media]
    found: list[Reading] = []
    with progress.watching(watch):
        for group in groups:
            length_s = _seconds(group[0].path) if len(group) == 1 else None
            for reading in readings(group, model, task.person, cache):
                tell("reading", (len(found), reading))
                found.append(reading)
        for at, reading in enumerate(found):
            if len(reading.predictions):
                tell("progress", ("waveform and boxes", 0.0, None))
                tell("media", (at, beside(reading, task.media[at], model, cache)))


def beside(reading: Reading, medium: Medium, model: Model, cache: Cache) -> Media:
    """Return the waveform, the boxes and the faces of a recording.

    Args:
        reading: of it.
        medium: where it lies.
        model: that made the reading: persons are numbered by its detector.
        cache: where tracks may be.
    """
    from multimodal_ser.video import detectors
    from multimodal_ser.workflows import showing

    seen = [one.params.detector for one in model.learners.values() if one.kind == "frames"]
    detector = seen[0] if seen else detectors.DEFAULT
    found = showing.media_of(reading.predictions, detector=detector, cache=cache)
    return replace(found, note=found.note.replace(Path(medium.path).name, medium.name))


def readings(
    media: tuple[Medium, ...], model: Model, person: str = "", cache: Cache | None = None
) -> Iterator[Reading]:
    """Yield what a model says of recordings.

    Args:
        media: the recordings.
        model: that predicts.
        person: whose they are, to whom the model adapts; empty: it does not.
        cache: where tracks and features may be; None keeps nothing.

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
    table, failures = inference.predict(
        make_clips(rows),
        model,
        adapt="person" if person else None,
        timeline=True,
        sets=_coverage(model),
        cache=cache or Cache(None),
        workers=Engine(in_process=True),  # it may crash: it is a child
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
    from multimodal_ser.audio import signal as sound

    try:
        return sound.duration_seconds(path)
    except SerError:
        return float("nan")


def _follow(task: Live, tell: Tell, receive: Callable[[], Any]) -> None:
    """Predict what is fed, window by window."""
    import cv2
    import numpy as np

    from multimodal_ser.workflows import inference
    from multimodal_ser.workflows.streaming import Stream

    model = inference.check_adapt(_model(task.model), "none")
    wanted = tuple(name for name in task.modalities if name in model.modalities)
    stream = Stream(model, WINDOW, modalities=wanted, sampling=LIVE_SAMPLING, name="live")
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
