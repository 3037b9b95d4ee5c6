"""Action units, gaze and head pose as OpenFace 2 measures them.

Baltrusaitis et al., "OpenFace 2.0: Facial Behavior Analysis Toolkit", FG 2018.
OpenFace is a program of its own (academic licence); here its tables are read,
either one of a row a frame (``FeatureExtraction -f clip.mp4 -aus -pose -gaze``)
or one of means with a row a clip.

Intensities ``AU*_r`` go from 0 (absent) to 5, presences ``AU*_c`` are 0 or 1,
gaze angles and head rotations are in radians, the head's position is in
millimetres from the camera.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.tables import Features

NAME = "openface"
VERSION = 1

_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26)
#: Intensities; AU28 (lips sucked in) has a presence only.
INTENSITIES = tuple(f"AU{unit:02d}_r" for unit in (*_UNITS, 45))
PRESENCES = tuple(f"AU{unit:02d}_c" for unit in (*_UNITS, 28, 45))
ACTION_UNITS = (*INTENSITIES, *PRESENCES)
#: Column of OpenFace -> its name here, with the unit.
MOVEMENTS = {
    "gaze_angle_x": "gaze_angle_x_rad",
    "gaze_angle_y": "gaze_angle_y_rad",
    "pose_Tx": "pose_Tx_mm",
    "pose_Ty": "pose_Ty_mm",
    "pose_Tz": "pose_Tz_mm",
    "pose_Rx": "pose_Rx_rad",
    "pose_Ry": "pose_Ry_rad",
    "pose_Rz": "pose_Rz_rad",
}
_FRAME_COLUMNS = ("timestamp", "success", *ACTION_UNITS, *MOVEMENTS)
_STATISTICS = ("mean", "std", "p10", "median", "p90", "max")
_RAVDESS = re.compile(r"\d\d-(\d\d(?:-\d\d){5})")


def names() -> tuple[str, ...]:
    """Return the names of what :func:`summarise` gives, in its order.

    Example:
        >>> len(names()), names()[0], names()[-1]
        (186, 'AU01_r_mean', 'success_share')
    """
    varying = (*INTENSITIES, *MOVEMENTS.values())
    return (
        *(f"{name}_{statistic}" for statistic in _STATISTICS for name in varying),
        *(f"{name}_share" for name in PRESENCES),
        *(f"{name}_onsets" for name in PRESENCES[:-1]),
        "success_share",
    )


def read_mean_table(path: str | Path, *, separator: str = ";") -> Features:
    """Read action units averaged over each clip.

    Args:
        path: a table of one row a clip with the columns :data:`ACTION_UNITS`
            and ``name``; others are left out. A ``name`` in RAVDESS's manner,
            such as ``01-01-06-01-02-01-12``, is joined to the clip id
            ``ravdess/01-06-01-02-01-12``, without the modality; any other is
            the clip id as it stands.
        separator: between the columns.

    Returns:
        Features float32 ``(n_clips, 35)``, in the order of the file: mean
        intensities 0 to 5 and shares of frames 0 to 1. A row whose cells are
        all empty is left out: no face was found.

    Raises:
        TableError: the file is absent or no table, lacks a column, holds text
            or lone empty cells where numbers belong, or names a clip twice.
    """
    table = _read(path, separator)
    _need(table, ("name", *ACTION_UNITS), path, f"is it separated by {separator!r}?")
    numbers = _numbers(table, ACTION_UNITS, path)
    empty = numbers.isna()
    seen = ~empty.all(axis=1)
    for column in numbers.columns[(empty[seen]).any()]:
        row = int(np.flatnonzero(seen & empty[column])[0])
        raise TableError(
            f"{path}: column {column} is empty in row {row + 2}; "
            "fill it, or empty the whole row where no face was found"
        )
    clips = pd.Index([_clip(name) for name in table.loc[seen, "name"]], name="clip", dtype=object)
    doubled = clips[clips.duplicated()]
    if len(doubled):
        raise TableError(f"{path}: column name has {doubled[0]!r} twice; keep one row a clip")
    return Features(clips, numbers[seen].to_numpy(np.float32), ACTION_UNITS)


def _clip(name: object) -> str:
    match = _RAVDESS.fullmatch(Path(str(name).strip()).stem)
    return f"ravdess/{match[1]}" if match else str(name).strip()


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read what OpenFace's ``FeatureExtraction`` writes about one clip.

    Args:
        path: comma-separated, one row a frame; blanks around column names, as
            OpenFace writes them, are taken off.

    Returns:
        DataFrame, every column numeric, in the order of time: at least
        ``timestamp`` (seconds), ``success`` (0 or 1), :data:`ACTION_UNITS`,
        ``gaze_angle_*`` and ``pose_*``.

    Raises:
        TableError: the file is absent or no table, lacks a column, holds text
            where numbers belong, or has several faces a frame.
    """
    table = _read(path, ",")
    _need(table, _FRAME_COLUMNS, path, "run FeatureExtraction with -aus -pose -gaze")
    frames = _numbers(table, table.columns, path)
    times = frames["timestamp"]
    if times.isna().any():
        row = int(np.flatnonzero(times.isna())[0])
        raise TableError(f"{path}: column timestamp is empty in row {row + 2}; run OpenFace again")
    if times.duplicated().any():
        raise TableError(
            f"{path}: column timestamp has {times[times.duplicated()].iloc[0]:g} twice; "
            "use FeatureExtraction, which follows one face"
        )
    return frames.sort_values("timestamp", ignore_index=True)


def summarise(frames: pd.DataFrame) -> np.ndarray:
    """Return statistics over time of the frames in which OpenFace found a face.

    Args:
        frames: from :func:`read_csv`.

    Returns:
        float32 ``(186,)``, see :func:`names`: of intensities, gaze and pose
        mean, standard deviation, quantiles 10, 50 and 90 % and maximum; of
        presences the share of frames and (all but blinking, AU45) how often
        they began; and the share of frames with a face. All NaN where no frame
        succeeded: nothing is imputed.

    Raises:
        TableError: a column is missing.
    """
    _need(frames, _FRAME_COLUMNS, "frames", "read them with read_csv")
    found = frames[(frames["success"] == 1) & frames[[*ACTION_UNITS]].notna().all(axis=1)]
    if found.empty:
        return np.full(len(names()), np.nan, np.float32)
    varying = found[[*INTENSITIES, *MOVEMENTS]].to_numpy(dtype=float)
    present = found[[*PRESENCES]].to_numpy(dtype=float) > 0.5
    onsets = present[1:, :-1] & ~present[:-1, :-1]
    parts = [
        varying.mean(axis=0),
        varying.std(axis=0),
        *np.quantile(varying, (0.1, 0.5, 0.9), axis=0),
        varying.max(axis=0),
        present.mean(axis=0),
        onsets.sum(axis=0),
        [len(found) / len(frames)],
    ]
    return np.concatenate(parts).astype(np.float32)


def _read(path: str | Path, separator: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, sep=separator, skipinitialspace=True)
    except FileNotFoundError as error:
        raise TableError(f"{path}: there is no such file; check the path") from error
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TableError(f"{path}: not a readable table ({reason}); run OpenFace again") from error
    table.columns = table.columns.str.strip()
    if table.empty:
        raise TableError(f"{path}: the table has no rows; run OpenFace again")
    return table


def _need(table: pd.DataFrame, columns, path, remedy: str) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise TableError(f"{path}: the column {missing[0]}{more} is missing; {remedy}")


def _numbers(table: pd.DataFrame, columns, path) -> pd.DataFrame:
    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    numbers = numbers.where(np.isfinite(numbers))
    for column in numbers.columns:
        wrong = numbers[column].isna() & table[column].notna()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise TableError(
                f"{path}: column {column} has {str(table[column].iloc[row]).strip()!r} "
                f"in row {row + 2}; put a number there, or nothing"
            )
    return numbers
