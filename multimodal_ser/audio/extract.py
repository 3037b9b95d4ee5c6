"""From clips to features: reads each clip's sound once, in parallel, cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import pandas as pd

from multimodal_ser.audio import features as feature_sets
from multimodal_ser.audio import signal
from multimodal_ser.audio.spectra import RATE_HZ as SPECTRA_RATE_HZ
from multimodal_ser.audio.spectra import Spectra
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.media import check_file
from multimodal_ser.compute.parallel import Engine, map_clips
from multimodal_ser.tables import Features, failure_table


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
    cache: Cache | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> tuple[dict[str, Features], pd.DataFrame]:
    """Compute several feature sets, each clip being read once a rate and transformed once.

    Args:
        clips: as :func:`extract` takes them.
        names: of ``audio.features.NAMES``.
        change: from a clip's id to what happens to its recording; None leaves all
            as they are.
        cache: where results are kept; None keeps nothing.
        workers: processes, None for one per core, or an engine.
        progress: whether to show a bar on standard error.

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
        clip: (path, tuple(names), folder, change(clip) if change else None) for clip, path in pairs
    }
    kept, failures = {}, []
    for outcome in map_clips(
        clip_feature_sets, items, workers=workers, description="audio features", progress=progress
    ):
        if outcome.error is not None:
            failures.append((outcome.clip, paths[outcome.clip], "audio", outcome.error))
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
    cache, sounds = Cache(cache_folder), {}

    def values(module: ModuleType) -> np.ndarray:
        params = {"rate_hz": module.RATE_HZ, "reader": signal.VERSION}
        params |= change.key if change else {}

        def compute() -> dict[str, np.ndarray]:
            if module.RATE_HZ not in sounds:
                sounds[module.RATE_HZ] = _sound(path, module.RATE_HZ, change)
            return {"values": module.extract(sounds[module.RATE_HZ])}

        return cache.make(path, module.NAME, module.VERSION, params, compute)["values"]

    try:
        return {name: values(feature_sets.load(name)) for name in names}
    except signal.NoSound:
        return None


def _sound(path: str, rate_hz: int, change: Change | None) -> np.ndarray | Spectra:
    samples = signal.read(path, rate_hz=rate_hz)
    samples = change(samples, rate_hz) if change else samples
    # All sets at this rate are made of the same spectra.
    return Spectra(samples) if rate_hz == SPECTRA_RATE_HZ else samples
