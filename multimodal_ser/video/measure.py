"""From clips to what is measured in their faces: read once, in parallel, cached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.compute.cache import Array, Cache
from multimodal_ser.compute.media import check_file
from multimodal_ser.compute.parallel import Engine, map_clips
from multimodal_ser.tables import Features, failure_table
from multimodal_ser.video import faces, features, frames
from multimodal_ser.video.extract import FrameParams


def extract(
    clips: pd.DataFrame,
    name: str,
    params: FrameParams,
    *,
    cache: Cache,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> tuple[Features, pd.DataFrame]:
    """Return statistics of the face in every clip that has a video, and what failed.

    Args:
        clips: a clips table; rows without a ``video`` are passed over.
        name: one of ``video.features.NAMES`` that measures frames: ``blendshapes``
            or ``estimated_action_units``.
        params: which frames, and what finds faces; its size does not matter.
        cache: where results are kept.
        workers: processes, None for one per core, or an engine.
        progress: whether to show a bar.

    Returns:
        Features of the clips in which a face was found, and the failures (stage
        ``video``).
    """
    films = clips["video"].dropna()
    pairs = zip(films.index, films, strict=True)
    items = {clip: (str(path), name, params, cache.folder) for clip, path in pairs}
    kept: dict[str, np.ndarray] = {}
    failures = []
    outcomes = map_clips(_measured, items, workers=workers, description=name, progress=progress)
    for clip, values, error in outcomes:
        if error is not None:
            failures.append((clip, str(films[clip]), "video", error))
        else:
            whole = features.load(name).summarise(values[1])
            if np.isfinite(whole).all():
                kept[clip] = whole
    names = features.load(name).names()
    values = np.array(list(kept.values()), np.float32).reshape(len(kept), len(names))
    index = pd.Index(list(kept), name="clip", dtype=object)
    return Features(index, values, names), failure_table(failures)


def extract_spans(
    path: str, name: str, params: FrameParams, units: pd.DataFrame, *, cache: Cache
) -> Features:
    """Return statistics of the face in each segment of a video that shows one.

    Args:
        path: of the video.
        name: see :func:`extract`.
        params: see :func:`extract`.
        units: index ``clip``, a segment each, with ``start_s`` and ``end_s``.
        cache: where results are kept.

    Raises:
        MediaError: the video cannot be decoded.
    """
    module, (time_s, values) = features.load(name), _measured(path, name, params, cache.folder)
    kept: dict[str, np.ndarray] = {}
    for unit, start_s, end_s in zip(units.index, units["start_s"], units["end_s"], strict=True):
        found = module.summarise(values[(time_s >= start_s) & (time_s < end_s)])
        if np.isfinite(found).all():
            kept[str(unit)] = found
    rows = np.array(list(kept.values()), np.float32).reshape(len(kept), len(module.names()))
    return Features(pd.Index(list(kept), name="clip", dtype=object), rows, module.names())


def _measured(
    path: str, name: str, params: FrameParams, folder: Path | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the time of each frame in seconds, and what is measured in it."""
    check_file(path)
    module = features.load(name)

    def compute() -> dict[str, np.ndarray]:
        film = frames.iter_frames(
            path,
            every=params.every,
            every_seconds=params.every_seconds,
            keyframes_only=params.keyframes_only,
        )
        times: list[float] = []

        def timed() -> Iterator:
            for frame, box in faces.detect_faces(film, params.detector):
                times.append(frame.time_s)
                yield frame, box

        values = module.sequence(timed())
        return {"values": values, "time_s": np.array(times)}

    key: dict[str, object] = {"every": params.every, "every_seconds": params.every_seconds}
    key |= {"keyframes_only": params.keyframes_only, "detector": params.detector, "frames": True}
    expected = {"values": Array((None, None), finite=False), "time_s": Array((None,), "float64")}
    kept = Cache(folder).make(path, module.NAME, module.VERSION, key, compute, expected)
    return kept["time_s"], kept["values"]
