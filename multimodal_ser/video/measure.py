"""From clips to what is measured in their faces: read once, in parallel, cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.compute.cache import Array, Cache, content_key
from multimodal_ser.compute.media import check_file
from multimodal_ser.compute.parallel import Engine, Outcome, map_clips
from multimodal_ser.tables import Features, failure_table
from multimodal_ser.video import faces, features, frames, looks
from multimodal_ser.video.extract import FrameParams, sampling_of
from multimodal_ser.video.features import blendshapes
from multimodal_ser.video.opened import Opened


def extract(
    clips: pd.DataFrame,
    name: str,
    params: FrameParams,
    *,
    cache: Cache,
    workers: int | Engine | None = None,
    progress: bool = True,
    known: Mapping[str, Outcome] | None = None,
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
        known: clip -> what :func:`measured` gave, of clips that are read already.

    Returns:
        Features of the clips in which a face was found, and the failures (stage
        ``video``).
    """
    films = clips["video"].dropna()
    pairs = zip(films.index, films, strict=True)
    items = {clip: (str(path), name, params, cache.folder) for clip, path in pairs}
    kept: dict[str, np.ndarray] = {}
    failures = []
    outcomes = map_clips(
        measured, items, workers=workers, description=name, progress=progress, known=known
    )
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
    path: str,
    name: str,
    params: FrameParams,
    units: pd.DataFrame,
    *,
    cache: Cache,
    known: Outcome | None = None,
) -> Features:
    """Return statistics of the face in each segment of a video that shows one.

    Args:
        path: of the video.
        name: see :func:`extract`.
        params: see :func:`extract`.
        units: index ``clip``, a segment each, with ``start_s`` and ``end_s``.
        cache: where results are kept.
        known: what :func:`measured` gave, if the video is read already.

    Raises:
        MediaError: the video cannot be decoded.
    """
    module = features.load(name)
    if known is not None and known.error is None:
        time_s, values = known.value
    else:
        time_s, values = measured(path, name, params, cache.folder)
    kept: dict[str, np.ndarray] = {}
    for unit, start_s, end_s in zip(units.index, units["start_s"], units["end_s"], strict=True):
        found = module.summarise(values[(time_s >= start_s) & (time_s < end_s)])
        if np.isfinite(found).all():
            kept[str(unit)] = found
    rows = np.array(list(kept.values()), np.float32).reshape(len(kept), len(module.names()))
    return Features(pd.Index(list(kept), name="clip", dtype=object), rows, module.names())


class Measuring:
    """What is measured in a video's frames, see :mod:`~multimodal_ser.video.looks`.

    Args:
        name: see :func:`extract`.
        params: likewise.
    """

    def __init__(self, name: str, params: FrameParams) -> None:
        self._module, self.detector = features.load(name), params.detector
        self.sampling = sampling_of(params)
        self._last: faces.Box | None = None
        self._times: list[float] = []
        self._rows: list[np.ndarray] = []

    def add(self, frame: frames.Frame, boxes: Sequence[faces.Box]) -> None:
        """Take the next frame, and all faces in it."""
        box = faces.choose(boxes, frame.gray.shape, self._last)
        self._last = box or self._last
        self._times.append(frame.time_s)
        self._rows.append(blendshapes.sequence([(frame, box)]))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the ``values`` of the frames, and ``time_s``."""
        values = self._module.estimate(np.concatenate(self._rows))
        return {"values": values, "time_s": np.array(self._times)}


def measured(
    path: str,
    name: str,
    params: FrameParams,
    folder: Path | None,
    make: Callable[[], dict[str, np.ndarray]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the time of each frame in seconds, and what is measured in it.

    Args:
        path: of the video.
        name: see :func:`extract`.
        params: likewise.
        folder: of the feature store; None keeps nothing.
        make: makes :meth:`Measuring.arrays` where they are not kept; None reads the video.

    Raises:
        MediaError: the video cannot be decoded.
        StoreError: the entry cannot be written.
    """
    check_file(path)
    module = features.load(name)

    def compute() -> dict[str, np.ndarray]:
        with Opened(path) as video:
            look = Measuring(name, params)
            looks.run([look], video)
            return look.arrays()

    expected = {"values": Array((None, None), finite=False), "time_s": Array((None,), "float64")}
    kept = Cache(folder).make(
        path, module.NAME, module.VERSION, _key_params(params), make or compute, expected
    )
    return kept["time_s"], kept["values"]


def is_kept(path: str, name: str, params: FrameParams, folder: Path | None) -> bool:
    """Return whether there is an entry of a video in the feature store.

    Raises:
        OSError: the video cannot be read.
    """
    if folder is None:
        return False
    module = features.load(name)
    key = content_key(path, module.NAME, module.VERSION, _key_params(params))
    return Cache(folder).path(key).exists()


def _key_params(params: FrameParams) -> dict[str, object]:
    key: dict[str, object] = {"every": params.every, "every_seconds": params.every_seconds}
    return key | {
        "keyframes_only": params.keyframes_only,
        "detector": params.detector,
        "frames": True,
    }
