"""From clips to what is measured in their faces: read once, in parallel, cached."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.compute.cache import Cache
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
    kept, failures = {}, []
    outcomes = map_clips(_measured, items, workers=workers, description=name, progress=progress)
    for clip, values, error in outcomes:
        if error is not None:
            failures.append((clip, str(films[clip]), "video", error))
        elif np.isfinite(values).all():
            kept[clip] = values
    names = features.load(name).names()
    values = np.array(list(kept.values()), np.float32).reshape(len(kept), len(names))
    index = pd.Index(list(kept), name="clip", dtype=object)
    return Features(index, values, names), failure_table(failures)


def _measured(path: str, name: str, params: FrameParams, folder: Path | None) -> np.ndarray:
    check_file(path)
    module = features.load(name)

    def compute() -> dict[str, np.ndarray]:
        film = frames.iter_frames(
            path,
            every=params.every,
            every_seconds=params.every_seconds,
            keyframes_only=params.keyframes_only,
        )
        found = faces.detect_faces(film, params.detector)
        return {"values": module.summarise(module.sequence(found))}

    key: dict[str, object] = {"every": params.every, "every_seconds": params.every_seconds}
    key |= {"keyframes_only": params.keyframes_only, "detector": params.detector}
    return Cache(folder).make(path, module.NAME, module.VERSION, key, compute)["values"]
