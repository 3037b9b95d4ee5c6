"""The table of faces: one row per clip, sampled frame and face."""

from __future__ import annotations

import pandas as pd

from multimodal_ser.errors import TableError

#: A frame without a face has one row, with NaN from ``person`` on. ``person`` counts
#: from 0 within a clip; edges are in pixels of the video.
FACE_COLUMNS = ("clip", "frame", "time_s", "person", "x", "y", "w", "h", "confidence", "followed")


def check_faces(table: pd.DataFrame, name: str = "faces") -> pd.DataFrame:
    """Return a table of faces unchanged, or say what is wrong with it.

    Args:
        table: with :data:`FACE_COLUMNS`.
        name: what to call the table in an error.

    Raises:
        TableError: a column is missing, a person is twice in a frame, two faces of
            a frame are followed, or a face has no size.

    Example:
        >>> row = ("a", 0, 0.0, 0, 4.0, 4.0, 20.0, 20.0, 0.9, True)
        >>> len(check_faces(pd.DataFrame([row], columns=list(FACE_COLUMNS))))
        1
    """
    lost = [column for column in FACE_COLUMNS if column not in table]
    if lost:
        raise TableError(f"{name} lacks the column {lost[0]}; give {', '.join(FACE_COLUMNS)}")
    if table.duplicated(["clip", "frame", "person"]).any():
        raise TableError(f"{name} has a person twice in one frame; number the faces apart")
    if table[table["followed"]].duplicated(["clip", "frame"]).any():
        raise TableError(f"{name} has a frame in which two faces are followed; choose one")
    if (table[["w", "h"]] <= 0).any(axis=None):
        raise TableError(f"{name} has a face without a size; leave it out, or give NaN")
    return table
