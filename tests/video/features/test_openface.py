import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import TableError, UnknownName
from multimodal_ser.video import features
from multimodal_ser.video.features import openface

COLUMNS = [
    *("frame", "face_id", "timestamp", "confidence", "success"),
    *("gaze_0_x", "gaze_angle_x", "gaze_angle_y"),
    *("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"),
    *openface.ACTION_UNITS,
]


def frame_table(n_frames=6):
    """OpenFace's own columns: AU12 grows, AU25 comes and goes, frame 3 is lost."""
    table = pd.DataFrame(0.0, range(n_frames), COLUMNS)
    table["frame"] = range(1, n_frames + 1)
    table["timestamp"] = np.arange(n_frames) / 30
    table["success"] = (np.arange(n_frames) != 3).astype(int)
    table["confidence"] = 0.98 * table["success"]
    table["AU12_r"] = np.arange(n_frames, dtype=float)
    table["AU25_c"] = np.arange(n_frames) % 2
    table["pose_Tz"] = 500.0
    return table


def write_frames(table, path):
    """OpenFace 2 puts a blank before every name but the first, and before numbers."""
    lines = [", ".join(map(str, table.columns))]
    lines += [", ".join(map(str, values)) for values in table.to_numpy().tolist()]
    path.write_text("\n".join(lines) + "\n")
    return path


def mean_table(clips=("01-01-06-01-02-01-12", "02-01-03-01-02-01-05", "my clip")):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.random((len(clips), 35)), columns=list(openface.ACTION_UNITS))
    return table.assign(speech=0.5, name=list(clips), path=list(clips), index=0)


def write_means(table, path):
    table.to_csv(path, sep=";", index=False)
    return path


def test_clips_of_a_mean_table_join_by_id(tmp_path):
    table = mean_table()
    read = openface.read_mean_table(write_means(table, tmp_path / "au.csv"))
    assert list(read.clips) == [
        "ravdess/01-06-01-02-01-12",
        "ravdess/01-03-01-02-01-05",
        "my clip",
    ]
    assert read.names == openface.ACTION_UNITS
    assert read.values.dtype == np.float32
    np.testing.assert_allclose(read.values, table[list(openface.ACTION_UNITS)], rtol=1e-6)


def test_the_order_of_columns_does_not_matter(tmp_path):
    table = mean_table()
    one = openface.read_mean_table(write_means(table, tmp_path / "a.csv"))
    two = openface.read_mean_table(write_means(table[table.columns[::-1]], tmp_path / "b.csv"))
    np.testing.assert_array_equal(one.values, two.values)


def test_an_empty_row_is_a_clip_without_a_face(tmp_path):
    table = mean_table()
    table.loc[1, list(openface.ACTION_UNITS)] = np.nan
    read = openface.read_mean_table(write_means(table, tmp_path / "au.csv"))
    assert "ravdess/01-03-01-02-01-05" not in read.clips
    assert len(read.values) == 2


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("column", r"au\.csv: the column AU04_r is missing"),
        ("name", r"au\.csv: the column name is missing"),
        ("text", r"au\.csv: column AU12_r has 'smile' in row 3; put a number"),
        ("hole", r"au\.csv: column AU12_r is empty in row 3; fill it"),
        ("infinite", r"au\.csv: column AU12_r has 'inf' in row 3"),
        ("twins", r"au\.csv: column name has 'my clip' twice; keep one"),
        ("modalities", r"'ravdess/01-06-01-02-01-12' twice"),
        ("separator", r"au\.csv: the column name and 35 more is missing; .* ';'"),
        ("no rows", r"au\.csv: the table has no rows"),
        ("empty", r"au\.csv: not a readable table"),
        ("absent", r"au\.csv: there is no such file"),
    ],
)
def test_bad_mean_tables_say_file_column_and_remedy(tmp_path, damage, words):
    path, table = tmp_path / "au.csv", mean_table()
    if damage == "column":
        table = table.drop(columns="AU04_r")
    elif damage == "name":
        table = table.drop(columns="name")
    elif damage in ("text", "hole", "infinite"):
        value = {"text": "smile", "hole": None, "infinite": "inf"}[damage]
        table = table.astype({"AU12_r": object})
        table.loc[1, "AU12_r"] = value
    elif damage == "twins":
        table.loc[0, "name"] = "my clip"
    elif damage == "modalities":
        table.loc[1, "name"] = "02-01-06-01-02-01-12"
    elif damage == "no rows":
        table = table.iloc[:0]
    write_means(table, path)
    if damage == "separator":
        table.to_csv(path, index=False)
    elif damage == "empty":
        path.write_text("")
    elif damage == "absent":
        path.unlink()
    with pytest.raises(TableError, match=words) as caught:
        openface.read_mean_table(path)
    assert "\n" not in str(caught.value)


def test_frames_are_read_with_blanks_taken_off_and_sorted(tmp_path):
    table = frame_table()
    read = openface.read_csv(write_frames(table.iloc[::-1], tmp_path / "clip.csv"))
    assert list(read.columns) == COLUMNS
    assert read["timestamp"].is_monotonic_increasing
    np.testing.assert_allclose(read["AU12_r"], table["AU12_r"])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("column", r"clip\.csv: the column pose_Rx is missing; run FeatureExtraction"),
        ("text", r"clip\.csv: column AU01_r has '-nan\(ind\)' in row 2"),
        ("faces", r"clip\.csv: column timestamp has 0 twice; use FeatureExtraction"),
        ("time", r"clip\.csv: column timestamp is empty in row 3"),
    ],
)
def test_bad_frame_tables_say_file_column_and_remedy(tmp_path, damage, words):
    table = frame_table()
    if damage == "column":
        table = table.drop(columns="pose_Rx")
    elif damage == "text":
        table = table.astype({"AU01_r": object})
        table.loc[0, "AU01_r"] = "-nan(ind)"
    elif damage == "faces":
        table.loc[1, "timestamp"] = 0
    elif damage == "time":
        table.loc[1, "timestamp"] = np.nan
    with pytest.raises(TableError, match=words):
        openface.read_csv(write_frames(table, tmp_path / "clip.csv"))


def test_statistics_are_of_successful_frames_alone(tmp_path):
    frames = openface.read_csv(write_frames(frame_table(), tmp_path / "clip.csv"))
    values = dict(zip(openface.names(), openface.summarise(frames).tolist(), strict=True))
    smile = [0, 1, 2, 4, 5]
    assert values["AU12_r_mean"] == pytest.approx(np.mean(smile))
    assert values["AU12_r_std"] == pytest.approx(np.std(smile))
    assert values["AU12_r_p90"] == pytest.approx(np.quantile(smile, 0.9))
    assert values["AU12_r_max"] == 5
    assert values["AU25_c_share"] == pytest.approx(2 / 5)
    assert values["AU25_c_onsets"] == 2
    assert values["pose_Tz_mm_median"] == 500
    assert values["success_share"] == pytest.approx(5 / 6)


def test_no_successful_frame_gives_nan_and_one_is_enough(tmp_path):
    lost = openface.summarise(frame_table().assign(success=0))
    assert lost.shape == (len(openface.names()),)
    assert np.isnan(lost).all()
    assert np.isfinite(openface.summarise(frame_table(1))).all()


def test_frames_without_a_column_are_refused():
    with pytest.raises(TableError, match="AU45_c"):
        openface.summarise(frame_table().drop(columns="AU45_c"))


def test_names_are_unique():
    assert len(set(openface.names())) == len(openface.names()) == 186
    assert len(openface.ACTION_UNITS) == 35


def test_a_feature_set_that_does_not_exist_lists_those_that_do():
    with pytest.raises(UnknownName, match="openface"):
        features.load("landmarks")


@pytest.mark.real_data
def test_the_published_table_of_ravdess(shared_data):
    folder = shared_data / "ravdess" / "openface_mean_au"
    table = openface.read_mean_table(folder / "mean_action_units.csv")
    assert table.values.shape == (1440, 35)
    assert table.values.min() >= 0
    assert table.values.max() <= 5
    assert "ravdess/01-06-01-02-01-12" in table.clips
