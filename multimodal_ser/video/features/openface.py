"""Action units, gaze and head pose as OpenFace 2 measures them.

Baltrusaitis et al., "OpenFace 2.0: Facial Behavior Analysis Toolkit", FG 2018.
OpenFace is a program of its own (academic licence); here its tables are read,
either one with a row per frame (``FeatureExtraction -f clip.mp4 -aus -pose -gaze``,
or the published RAVDESS Facial Landmark Tracking, Swanson, Livingstone & Russo
2019, https://zenodo.org/records/3255102) or one of means with a row per clip.

Intensities ``AU*_r`` go from 0 (absent) to 5, presences ``AU*_c`` are 0 or 1,
gaze angles and head rotations are in radians, the head's position is in
millimetres from the camera.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.compute.files import open_regular
from multimodal_ser.compute.parallel import map_clips
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables import Features, failure_table
from multimodal_ser.tables.limits import LARGEST_BYTES

NAME = "openface"
VERSION = 2

#: Least ``confidence`` of a frame that counts. OpenFace itself says ``success``
#: from 0.725 up (``validation_boundary``); 0.8 is what OpenDBM asks for.
MIN_CONFIDENCE = 0.8

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
_FRAME_COLUMNS = ("timestamp", "confidence", "success", *ACTION_UNITS, *MOVEMENTS)
_STATISTICS = ("mean", "std", "min", "p10", "median", "p90", "max", "range", "slope")
_RAVDESS = re.compile(r"\d\d-(\d\d(?:-\d\d){5})")


def names() -> tuple[str, ...]:
    """Return the names of what :func:`summarise` gives, in its order.

    Example:
        >>> len(names()), names()[0], names()[-1]
        (261, 'AU01_r_mean', 'found_share')
    """
    varying = (*INTENSITIES, *MOVEMENTS.values())
    return (
        *(f"{name}_{statistic}" for statistic in _STATISTICS for name in varying),
        *(f"{name}_share" for name in PRESENCES),
        *(f"{name}_onsets" for name in PRESENCES[:-1]),
        "found_share",
    )


def frame_names() -> tuple[str, ...]:
    """Return the names of the columns of :func:`sequence`, in its order.

    Example:
        >>> len(frame_names()), frame_names()[-1]
        (43, 'pose_Rz_rad')
    """
    return (*ACTION_UNITS, *MOVEMENTS.values())


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


def read_csv(path: str | Path, *, face_id: int | None = None) -> pd.DataFrame:
    """Read what OpenFace's ``FeatureExtraction`` writes about one clip.

    Args:
        path: comma-separated, one row a frame; blanks around column names, as
            OpenFace writes them, are taken off.
        face_id: which face, where ``FaceLandmarkVidMulti`` followed several.

    Returns:
        DataFrame, every column numeric, in the order of time: at least
        ``timestamp`` (seconds), ``confidence`` (0 to 1), ``success`` (0 or 1),
        :data:`ACTION_UNITS`, ``gaze_angle_*`` and ``pose_*``.

    Raises:
        TableError: the file is absent or no table, lacks a column, holds text
            where numbers belong, has several faces and none was chosen, or has
            not the one that was.
    """
    table = _read(path, ",")
    _need(table, _FRAME_COLUMNS, path, "run FeatureExtraction with -aus -pose -gaze")
    frames = _of_one_face(_numbers(table, table.columns, path), face_id, path)
    times = frames["timestamp"]
    if times.isna().any():
        row = int(times.index[times.isna()][0])
        raise TableError(f"{path}: column timestamp is empty in row {row + 2}; run OpenFace again")
    if times.duplicated().any():
        raise TableError(
            f"{path}: column timestamp has {times[times.duplicated()].iloc[0]:g} twice; "
            "use FeatureExtraction, which follows one face"
        )
    return frames.sort_values("timestamp", ignore_index=True)


def _of_one_face(frames: pd.DataFrame, face_id: int | None, path: str | Path) -> pd.DataFrame:
    if "face_id" not in frames:
        return frames
    there = sorted(frames["face_id"].dropna().unique().tolist())
    listed = ", ".join(f"{number:g}" for number in there)
    if face_id is None and len(there) > 1:
        raise TableError(f"{path}: it follows {len(there)} faces; choose a face_id among {listed}")
    if face_id is not None and face_id not in there:
        raise TableError(f"{path}: it has no face_id {face_id}; choose among {listed}")
    return frames if face_id is None else frames[frames["face_id"] == face_id]


def found(frames: pd.DataFrame, min_confidence: float = MIN_CONFIDENCE) -> np.ndarray:
    """Say in which frames a face was followed well enough.

    Args:
        frames: from :func:`read_csv`.
        min_confidence: 0 to 1.

    Returns:
        bool ``(n_frames,)``: ``success`` is 1, ``confidence`` high enough, and
        no value missing.

    Raises:
        TableError: a column is missing.
    """
    _need(frames, _FRAME_COLUMNS, "frames", "read them with read_csv")
    sure = (frames["success"] == 1) & (frames["confidence"] >= min_confidence)
    return (sure & frames[[*ACTION_UNITS, *MOVEMENTS]].notna().all(axis=1)).to_numpy()


def sequence(frames: pd.DataFrame, min_confidence: float = MIN_CONFIDENCE) -> np.ndarray:
    """Return the values of every frame, for networks that look along time.

    Args:
        frames: from :func:`read_csv`.
        min_confidence: see :func:`found`.

    Returns:
        float32 ``(n_frames, 43)``, columns :func:`frame_names`; a frame in
        which no face was found is a row of NaN, so that time goes on.

    Raises:
        TableError: a column is missing.
    """
    seen = found(frames, min_confidence)
    values = frames[[*ACTION_UNITS, *MOVEMENTS]].to_numpy(np.float32, copy=True)
    values[~seen] = np.nan
    return values


def summarise(frames: pd.DataFrame, min_confidence: float = MIN_CONFIDENCE) -> np.ndarray:
    """Return statistics over time of the frames in which OpenFace found a face.

    Args:
        frames: from :func:`read_csv`.
        min_confidence: see :func:`found`.

    Returns:
        float32 ``(261,)``, see :func:`names`: of intensities, gaze and pose
        mean, standard deviation, minimum, quantiles 10, 50 and 90 %, maximum,
        range and slope (least squares, a second; 0 for a single frame); of
        presences the share of frames and (all but blinking, AU45) how often
        they began; and the share of frames with a face. All NaN where there is
        none: nothing is imputed.

    Raises:
        TableError: a column is missing.
    """
    seen = found(frames, min_confidence)
    if not seen.any():
        return np.full(len(names()), np.nan, np.float32)
    rows = frames[seen]
    varying = rows[[*INTENSITIES, *MOVEMENTS]].to_numpy(dtype=float)
    present = rows[[*PRESENCES]].to_numpy(dtype=float) > 0.5
    onsets = present[1:, :-1] & ~present[:-1, :-1]
    low, high = varying.min(axis=0), varying.max(axis=0)
    p10, median, p90 = np.quantile(varying, (0.1, 0.5, 0.9), axis=0)
    slope = _slope(rows["timestamp"].to_numpy(dtype=float), varying)
    over_time = [varying.mean(axis=0), varying.std(axis=0), low, p10, median, p90, high]
    parts = [*over_time, high - low, slope, present.mean(axis=0), onsets.sum(axis=0), [seen.mean()]]
    return np.concatenate(parts).astype(np.float32)


def _slope(times_s: np.ndarray, values: np.ndarray) -> np.ndarray:
    apart = times_s - times_s.mean()
    spread = (apart**2).sum()
    return apart @ values / spread if spread > 0 else np.zeros(values.shape[1])


def read_folder(
    folder: str | Path,
    *,
    min_confidence: float = MIN_CONFIDENCE,
    workers: int | None = 1,
    progress: bool = False,
) -> tuple[Features, dict[str, np.ndarray], pd.DataFrame]:
    """Read the tables of many clips, a CSV a clip.

    Args:
        folder: searched with its sub-folders. A file named as a RAVDESS clip
            is joined to its id, see :func:`read_mean_table`; of any other, the
            name without its ending is the clip id.
        min_confidence: see :func:`found`.
        workers: processes; None takes one per core.
        progress: whether to show a bar on standard error.

    Returns:
        The statistics of :func:`summarise` (a clip without a face is left
        out), the :func:`sequence` of each of these clips, and a failure table:
        a damaged file costs its own clip alone.

    Raises:
        SerError: there is no CSV in the folder, or two are of one clip.

    Example:
        >>> features, sequences, failures = read_folder("FacialTracking")  # doctest: +SKIP
    """
    paths: dict[str, Path] = {}
    for path in sorted(Path(folder).rglob("*.csv")):
        clip = _clip(path.stem)
        if clip in paths:
            raise SerError(f"{path}: {paths[clip]} is of the same clip {clip}; keep one")
        paths[clip] = path
    if not paths:
        raise SerError(f"{folder}: no CSV in this folder; name one that holds OpenFace's tables")
    items = {clip: (str(path), min_confidence) for clip, path in paths.items()}
    rows, sequences, failures = {}, {}, []
    for clip, value, error in map_clips(
        _read_one, items, workers=workers, description="OpenFace tables", progress=progress
    ):
        if error is not None:
            failures.append((clip, str(paths[clip]), "video", error))
        elif np.isfinite(value[0]).all():
            rows[clip], sequences[clip] = value
    index = pd.Index(list(rows), name="clip", dtype=object)
    values = np.array(list(rows.values()), np.float32).reshape(len(rows), len(names()))
    return Features(index, values, names()), sequences, failure_table(failures)


def _read_one(path: str, min_confidence: float) -> tuple[np.ndarray, np.ndarray]:
    frames = read_csv(path)
    return summarise(frames, min_confidence), sequence(frames, min_confidence)


def _read(path: str | Path, separator: str) -> pd.DataFrame:
    try:
        with open_regular(path, LARGEST_BYTES) as file:
            table = pd.read_csv(file, sep=separator, skipinitialspace=True)
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
