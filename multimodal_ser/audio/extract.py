"""From clips to features: reads each clip's sound once, in parallel, cached."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import pandas as pd

from multimodal_ser.audio import features as feature_sets
from multimodal_ser.audio import segments, signal, speech
from multimodal_ser.audio.spectra import RATE_HZ as SPECTRA_RATE_HZ
from multimodal_ser.audio.spectra import Spectra
from multimodal_ser.compute.cache import Array, Cache
from multimodal_ser.compute.media import check_file
from multimodal_ser.compute.parallel import Engine, Outcome, map_clips
from multimodal_ser.errors import MediaError
from multimodal_ser.tables import Features, failure_table

#: Stage of the failures that are clips in which no speech was heard.
SPEECH_STAGE = "speech"
#: Segments whose features are one task, and one entry of the cache.
SPANS_TOGETHER = 8


class Change(Protocol):
    """What happens to a recording between its reading and its features."""

    @property
    def key(self) -> Mapping[str, Any]:
        """All that the outcome depends on, for a cache: anything JSON can hold."""

    def __call__(self, signal: np.ndarray, rate_hz: int) -> np.ndarray:
        """Return the changed signal, float32 mono, at the same rate."""


def extract(
    clips: pd.DataFrame,
    feature_set: str = "mfcc_rms",
    *,
    cache: Cache | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> tuple[Features, pd.DataFrame]:
    """Compute a feature set for every clip that has sound.

    A clip without a sound file, and a video without a sound track, is left out
    silently: a missing modality is normal. A file that cannot be read becomes
    a row of the failures.

    Args:
        clips: a clips table; its column ``audio`` holds the paths.
        feature_set: one of ``audio.features.NAMES``.
        cache: where results are kept; None keeps nothing.
        workers: processes, None for one per core, or an engine.
        progress: whether to show a bar on standard error.

    Returns:
        The features, in the order of the clips, and the failures.

    Raises:
        UnknownName: there is no such feature set.
    """
    tables, failures = extract_many(
        clips, (feature_set,), cache=cache, workers=workers, progress=progress
    )
    return tables[feature_set], failures


def extract_many(
    clips: pd.DataFrame,
    names: Sequence[str],
    *,
    change: Callable[[str], Change] | None = None,
    speech_only: bool = False,
    cache: Cache | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
    known: Mapping[str, Outcome] | None = None,
) -> tuple[dict[str, Features], pd.DataFrame]:
    """Compute several feature sets, each clip being read once a rate and transformed once.

    Args:
        clips: as :func:`extract` takes them.
        names: of ``audio.features.NAMES``.
        change: from a clip's id to what happens to its recording; None leaves all
            as they are.
        speech_only: whether a clip in which :mod:`~multimodal_ser.audio.speech` hears
            none is a failure of the stage :data:`SPEECH_STAGE`.
        cache: where results are kept; None keeps nothing.
        workers: processes, None for one per core, or an engine.
        progress: whether to show a bar on standard error.
        known: clip -> what :func:`clip_values` gave, of clips that are read already.

    Returns:
        Each set's features, in the order of the clips, and the failures. A clip
        of which one set fails is in none.

    Raises:
        UnknownName: there is no such feature set.
    """
    modules = {name: feature_sets.load(name) for name in names}
    paths = clips["audio"].dropna()
    folder = cache.folder if cache else None
    pairs = zip(paths.index, paths, strict=True)
    items = {
        clip: (path, tuple(names), folder, change(clip) if change else None, speech_only)
        for clip, path in pairs
    }
    kept, failures = {}, []
    for outcome in map_clips(
        clip_values,
        items,
        workers=workers,
        description="audio features",
        progress=progress,
        known=known,
    ):
        path = paths[outcome.clip]
        if outcome.error is not None:
            failures.append((outcome.clip, path, "audio", outcome.error))
        elif isinstance(outcome.value, str):
            failures.append((outcome.clip, path, SPEECH_STAGE, f"{path}: {outcome.value}"))
        elif outcome.value is not None:
            kept[outcome.clip] = outcome.value
    tables = {name: _table(kept, name, module.names()) for name, module in modules.items()}
    return tables, failure_table(failures)


def _table(kept: Mapping[str, Mapping], name: str, names: tuple[str, ...]) -> Features:
    empty = np.zeros((0, *feature_sets.shape(name)), np.float32)
    values = np.stack([arrays[name] for arrays in kept.values()]) if kept else empty
    return Features(pd.Index(list(kept), name="clip", dtype=object), values, names)


def clip_features(
    path: str, feature_set: str, cache_folder: str | Path | None = None
) -> np.ndarray | None:
    """Return one recording's features, from the cache where they are known.

    Args:
        path: the recording.
        feature_set: one of ``audio.features.NAMES``.
        cache_folder: the cache's folder, or None.

    Returns:
        An array shaped as the feature set says; None for a video without sound.

    Raises:
        MediaError: the recording cannot be read.
    """
    found = clip_feature_sets(path, (feature_set,), cache_folder)
    return None if found is None else found[feature_set]


def clip_feature_sets(
    path: str,
    names: Sequence[str],
    cache_folder: str | Path | None = None,
    change: Change | None = None,
) -> dict[str, np.ndarray] | None:
    """Return several sets of one recording's features, see :func:`clip_features`.

    What is not in the cache is made of one reading, one change and one transform.
    """
    check_file(path)
    reading = _Reading(path, Cache(cache_folder), change)
    try:
        return {name: reading.features(feature_sets.load(name)) for name in names}
    except signal.NoSound:
        return None


def clip_values(
    path: str,
    names: Sequence[str],
    cache_folder: str | Path | None,
    change: Change | None,
    speech_only: bool,
    read: Callable[[int], np.ndarray] | None = None,
) -> dict[str, np.ndarray] | str | None:
    """Return a recording's features; or why there is no speech in it, where that is asked.

    Args:
        path: the recording.
        names: of ``audio.features.NAMES``.
        cache_folder: the cache's folder, or None.
        change: what happens to the recording first, or None.
        speech_only: whether it is asked if there is speech in it.
        read: from a rate in Hz to the recording, as :func:`signal.read` gives it; None
            reads the path.

    Returns:
        Features by name; a reason; or None for a video without sound.

    Raises:
        MediaError: the recording cannot be read.
    """
    check_file(path)
    reading = _Reading(path, Cache(cache_folder), change, read)
    modules = [feature_sets.load(name) for name in names]
    try:
        if speech_only and (reason := reading.speech(modules[0].RATE_HZ).reason):
            return f"no speech heard: {reason}"
        return {module.NAME: reading.features(module) for module in modules}
    except signal.NoSound:
        return None


def extract_spans(
    clip: pd.Series,
    plan: segments.Plan,
    units: pd.Index,
    names: Sequence[str],
    *,
    change: Change | None = None,
    cache: Cache | None = None,
    workers: int | Engine | None = None,
    at: slice = slice(None),
) -> tuple[dict[str, Features], dict[str, str], pd.DataFrame]:
    """Compute feature sets for segments of one recording; only a few are held at a time.

    Args:
        clip: a row of a clips table, named by the clip id.
        plan: of the recording, see :func:`segments.plan`.
        units: ids of the plan's segments, in its order.
        names: of ``audio.features.NAMES``.
        change: what happens to each segment's sound, or None.
        cache: where results are kept; None keeps nothing.
        workers: processes, None for one per core, or an engine.
        at: which of the segments.

    Returns:
        Each set's features by segment; why others have none (no speech heard); and the
        failures, in the name of the clip.
    """
    units, items = units[at], {}
    if plan.heard and plan.spans is not None:
        spans = [tuple(span) for span in plan.spans[at].tolist()]
        path, folder = str(clip["audio"]), cache.folder if cache else None
        for start in range(0, len(spans), SPANS_TOGETHER):
            some = tuple(spans[start : start + SPANS_TOGETHER])
            items[str(start)] = (path, some, tuple(names), plan.digest, folder, change)
    kept: dict[str, dict] = {}
    silent: dict[str, str] = {}
    failures: list[tuple[str, str, str, str]] = []
    for outcome in map_clips(_span_values, items, workers=workers, progress=False):
        if outcome.error is not None:
            failures.append((str(clip.name), str(clip["audio"]), "audio", outcome.error))
            continue
        ids = units[int(outcome.clip) : int(outcome.clip) + SPANS_TOGETHER]
        for place, unit in enumerate(map(str, ids)):
            if reason := speech.REASONS[int(outcome.value["reason"][place])]:
                silent[unit] = f"no speech heard: {reason}"
            else:
                kept[unit] = {name: outcome.value[name][place] for name in names}
    tables = {name: _table(kept, name, feature_sets.load(name).names()) for name in names}
    return tables, silent, failure_table(failures)


def _span_values(
    path: str,
    spans: Sequence[tuple[float, float]],
    names: Sequence[str],
    digest: str,
    cache_folder: str | Path | None,
    change: Change | None,
) -> dict[str, np.ndarray]:
    """Return features ``(n_spans, ...)`` by name, NaN where ``reason`` is not 0."""
    cache, modules = Cache(cache_folder), [feature_sets.load(name) for name in names]
    params: list[Any] = [[module.NAME, module.VERSION] for module in modules]
    params += [speech.VERSION, signal.VERSION, spans, dict(change.key) if change else None]
    key = hashlib.sha256(json.dumps([digest, params], sort_keys=True).encode()).hexdigest()
    shapes = {name: (len(spans), *feature_sets.shape(name)) for name in names}
    expected = {name: Array(shape, finite=False) for name, shape in shapes.items()}
    expected["reason"] = Array((len(spans),), "int64")
    if (found := cache.get(key, expected)) is not None:
        return found
    if cache_folder is not None and segments.digest_of(path) != digest:
        raise MediaError(path, "it was changed while it was read", "run again when it is complete")
    made = {name: np.full(shape, np.nan, np.float32) for name, shape in shapes.items()}
    made["reason"] = np.zeros(len(spans), np.int64)
    for place, (samples, rate_hz) in enumerate(signal.read_spans(path, spans)):
        found, reason = piece_features(samples, rate_hz, names, change)
        made["reason"][place] = speech.REASONS.index(reason)
        for name, values in found.items():
            made[name][place] = values
    cache.put(key, made)
    return made


def piece_features(
    samples: np.ndarray, rate_hz: int, names: Sequence[str], change: Change | None = None
) -> tuple[dict[str, np.ndarray], str]:
    """Return the features of a stretch of sound, or why it has none: no speech was heard.

    Args:
        samples: mono float32 ``(n_samples,)``; none at all are silence.
        rate_hz: its sampling rate.
        names: of ``audio.features.NAMES``.
        change: what happens to it first, or None.

    Returns:
        Features by name, and one of ``speech.REASONS``, empty where there are features.

    Raises:
        SerError: it holds what is no sound.
    """
    if not len(samples):
        return {}, speech.SILENCE
    modules, reading = [feature_sets.load(name) for name in names], _Piece(samples, rate_hz, change)
    if reason := reading.speech(modules[0].RATE_HZ).reason:
        return {}, reason
    return {module.NAME: reading.features(module) for module in modules}, ""


class _Reading:
    """One recording, read and changed at most once a rate, and what the cache knows of it."""

    def __init__(
        self,
        path: str,
        cache: Cache,
        change: Change | None,
        read: Callable[[int], np.ndarray] | None = None,
    ) -> None:
        self.path, self.cache, self.change, self._read = path, cache, change, read
        self.sounds: dict[int, np.ndarray | Spectra] = {}

    def read(self, rate_hz: int) -> np.ndarray:
        return self._read(rate_hz) if self._read else signal.read(self.path, rate_hz=rate_hz)

    def sound(self, rate_hz: int) -> np.ndarray | Spectra:
        if rate_hz not in self.sounds:
            samples = self.read(rate_hz)
            samples = self.change(samples, rate_hz) if self.change else samples
            # All sets at this rate are made of the same spectra.
            kept = Spectra(samples) if rate_hz == SPECTRA_RATE_HZ else samples
            self.sounds[rate_hz] = kept
        return self.sounds[rate_hz]

    def features(self, module: ModuleType) -> np.ndarray:
        def compute() -> dict[str, np.ndarray]:
            return {"values": module.extract(self.sound(module.RATE_HZ))}

        params = self._params(module.RATE_HZ)
        dtype = getattr(module, "DTYPE", "float32")
        expected = {"values": Array(feature_sets.shape(module.NAME), dtype)}
        made = self.cache.make(self.path, module.NAME, module.VERSION, params, compute, expected)
        return made["values"]

    def _params(self, rate_hz: int) -> dict:
        params = {"rate_hz": rate_hz, "reader": signal.VERSION}
        return params | dict(self.change.key) if self.change else params

    def speech(self, rate_hz: int) -> speech.Speech:
        """Return what the gate hears in the sound as it is read at a rate anyway."""

        def compute() -> dict[str, np.ndarray]:
            sound = self.sound(rate_hz)
            samples = sound.signal if isinstance(sound, Spectra) else sound
            return speech.measure(_at_rate(samples, rate_hz, speech.RATE_HZ)).to_arrays()

        params = self._params(rate_hz)
        made = self.cache.make(
            self.path, speech.NAME, speech.VERSION, params, compute, speech.ARRAYS
        )
        return speech.Speech.from_arrays(made)


class _Piece(_Reading):
    """A stretch of sound that is at hand."""

    def __init__(self, samples: np.ndarray, rate_hz: int, change: Change | None) -> None:
        super().__init__("", Cache(None), change)
        self.samples, self.rate_hz = samples, rate_hz

    def read(self, rate_hz: int) -> np.ndarray:
        return _at_rate(self.samples, self.rate_hz, rate_hz)


def _at_rate(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    import soxr

    return samples if from_hz == to_hz else soxr.resample(samples, from_hz, to_hz)
