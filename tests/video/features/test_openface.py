import itertools

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError, TableError, UnknownName
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
    ("damage", "named"),
    [
        ("column", ["AU04_r"]),
        ("name", ["name"]),
        ("text", ["AU12_r", "'smile'", "row 3"]),
        ("hole", ["AU12_r", "row 3"]),
        ("infinite", ["AU12_r", "'inf'", "row 3"]),
        ("twins", ["'my clip'"]),
        ("modalities", ["'ravdess/01-06-01-02-01-12'"]),
        ("separator", ["35", "';'"]),
        ("no rows", []),
        ("empty", []),
        ("absent", []),
    ],
)
def test_bad_mean_tables_say_file_column_and_remedy(tmp_path, damage, named):
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
    with pytest.raises(TableError) as caught:
        openface.read_mean_table(path)
    assert all(name in str(caught.value) for name in ["au.csv", *named])
    assert "\n" not in str(caught.value)


def test_frames_are_read_with_blanks_taken_off_and_sorted(tmp_path):
    table = frame_table()
    read = openface.read_csv(write_frames(table.iloc[::-1], tmp_path / "clip.csv"))
    assert list(read.columns) == COLUMNS
    assert read["timestamp"].is_monotonic_increasing
    np.testing.assert_allclose(read["AU12_r"], table["AU12_r"])


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("column", ["pose_Rx", "FeatureExtraction"]),
        ("text", ["AU01_r", "'-nan(ind)'", "row 2"]),
        ("faces", ["timestamp", "FeatureExtraction"]),
        ("time", ["timestamp", "row 3"]),
        ("several", ["face_id", "0, 1"]),
        ("cut", ["timestamp", "row 7"]),
        ("ragged", []),
        ("binary", []),
    ],
)
def test_bad_frame_tables_say_file_column_and_remedy(tmp_path, damage, named):
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
    elif damage == "several":
        table["face_id"] = np.arange(len(table)) % 2
    path = write_frames(table, tmp_path / "clip.csv")
    whole = path.read_text()
    if damage == "cut":  # the disk was full in the middle of the last row
        path.write_text(whole[: whole.rindex("\n", 0, -1) + 7])
    elif damage == "ragged":
        path.write_text(whole + "1, " * (len(table.columns) + 5) + "1\n")
    elif damage == "binary":
        path.write_bytes(np.random.default_rng(0).bytes(4000))
    with pytest.raises(TableError) as caught:
        openface.read_csv(path)
    assert all(name in str(caught.value) for name in ["clip.csv", *named])
    assert "\n" not in str(caught.value)


def test_one_of_several_faces_can_be_chosen(tmp_path):
    one, two = frame_table(), frame_table()
    two["face_id"], two["AU12_r"] = 7, 3.0
    path = write_frames(pd.concat([one, two]).sort_values("timestamp"), tmp_path / "clip.csv")
    chosen = openface.read_csv(path, face_id=7)
    assert len(chosen) == 6 and (chosen["AU12_r"] == 3).all()
    with pytest.raises(TableError) as error:
        openface.read_csv(path, face_id=3)
    assert "0, 7" in str(error.value)


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
    assert values["found_share"] == pytest.approx(5 / 6)


def random_frames(n_frames=40, seed=0):
    random = np.random.default_rng(seed)
    table = frame_table(n_frames)
    for column in (*openface.INTENSITIES, *openface.MOVEMENTS):
        table[column] = random.normal(size=n_frames).cumsum()
    for column in openface.PRESENCES:
        table[column] = random.integers(0, 2, n_frames)
    table["success"] = (random.random(n_frames) < 0.8).astype(int)
    table["confidence"] = random.uniform(0.5, 1, n_frames).round(2)
    return table


def test_statistics_are_those_of_pandas_and_polyfit(tmp_path):
    table = random_frames()
    got = openface.summarise(openface.read_csv(write_frames(table, tmp_path / "clip.csv")))
    values = dict(zip(openface.names(), got.tolist(), strict=True))
    kept = table[(table["success"] == 1) & (table["confidence"] >= openface.MIN_CONFIDENCE)]
    assert 5 < len(kept) < len(table)
    for column, name in {"AU04_r": "AU04_r", "pose_Rx": "pose_Rx_rad"}.items():
        series = kept[column]
        expected = {
            "mean": series.mean(), "std": series.std(ddof=0), "min": series.min(),
            "max": series.max(), "median": series.median(), "p10": series.quantile(0.1),
            "p90": series.quantile(0.9), "range": series.max() - series.min(),
            "slope": np.polyfit(kept["timestamp"], series, 1)[0],
        }  # fmt: skip
        for statistic, value in expected.items():
            assert values[f"{name}_{statistic}"] == pytest.approx(value, rel=1e-4, abs=1e-5)
    presence = kept["AU25_c"].tolist()
    begun = sum(b > a for a, b in itertools.pairwise(presence))
    assert values["AU25_c_onsets"] == begun
    assert values["AU28_c_share"] == pytest.approx(kept["AU28_c"].mean())
    assert values["found_share"] == pytest.approx(len(kept) / len(table))


def test_what_is_measured_in_lost_frames_does_not_matter():
    table = random_frames()
    other = table.copy()
    lost = ~openface.found(table)
    other.loc[lost, [*openface.ACTION_UNITS, *openface.MOVEMENTS]] = 99.0
    np.testing.assert_array_equal(openface.summarise(table), openface.summarise(other))
    np.testing.assert_array_equal(openface.sequence(table), openface.sequence(other))


def test_twice_the_speed_doubles_slopes_alone():
    table = random_frames()
    names = np.array(openface.names())
    one = openface.summarise(table)
    two = openface.summarise(table.assign(timestamp=table["timestamp"] / 2))
    slopes = np.char.endswith(names, "_slope")
    np.testing.assert_allclose(two[slopes], 2 * one[slopes], rtol=1e-4)
    np.testing.assert_array_equal(two[~slopes], one[~slopes])


def test_a_sequence_keeps_time_and_marks_lost_frames():
    table = random_frames()
    got = openface.sequence(table)
    assert got.shape == (40, 43) and got.dtype == np.float32
    seen = openface.found(table)
    assert (np.isnan(got).all(axis=1) == ~seen).all() and np.isfinite(got[seen]).all()
    at = openface.frame_names().index("pose_Rz_rad")
    np.testing.assert_allclose(got[seen, at], table.loc[seen, "pose_Rz"], rtol=1e-6)


def test_less_confidence_asked_keeps_more_frames():
    table = random_frames()
    counts = [openface.found(table, least).sum() for least in (0.0, 0.7, 0.9, 1.1)]
    assert counts == sorted(counts, reverse=True) and counts[-1] == 0
    assert counts[0] == table["success"].sum()


def test_a_folder_of_tables_costs_only_its_damaged_files(tmp_path):
    (tmp_path / "Actor_12").mkdir()
    write_frames(random_frames(seed=1), tmp_path / "Actor_12" / "01-01-06-01-02-01-12.csv")
    write_frames(random_frames(seed=2), tmp_path / "my clip.csv")
    write_frames(frame_table().assign(success=0), tmp_path / "empty room.csv")
    (tmp_path / "bad.csv").write_text("no table")
    features, sequences, failures = openface.read_folder(tmp_path)
    assert list(features.clips) == ["ravdess/01-06-01-02-01-12", "my clip"] == list(sequences)
    assert features.names == openface.names()
    expected = openface.summarise(random_frames(seed=2))
    np.testing.assert_allclose(features.take(["my clip"])[0], expected, rtol=1e-4, atol=1e-5)
    assert failures["clip"].tolist() == ["bad"]
    assert "bad.csv: the table has no rows" in failures.loc[0, "error"]


def test_a_folder_without_tables_or_with_twins_is_refused(tmp_path):
    with pytest.raises(SerError):
        openface.read_folder(tmp_path)
    for modality in ("01", "02"):
        write_frames(frame_table(), tmp_path / f"{modality}-01-06-01-02-01-12.csv")
    with pytest.raises(SerError) as error:
        openface.read_folder(tmp_path)
    assert "ravdess/01-06-01-02-01-12" in str(error.value)


def test_no_successful_frame_gives_nan_and_one_is_enough(tmp_path):
    lost = openface.summarise(frame_table().assign(success=0))
    assert lost.shape == (len(openface.names()),)
    assert np.isnan(lost).all()
    assert np.isfinite(openface.summarise(frame_table(1))).all()


def test_frames_without_a_column_are_refused():
    with pytest.raises(TableError) as error:
        openface.summarise(frame_table().drop(columns="AU45_c"))
    assert "AU45_c" in str(error.value)


def test_names_are_unique():
    assert len(set(openface.names())) == len(openface.names()) == 261
    assert len(openface.ACTION_UNITS) == 35


def test_a_feature_set_that_does_not_exist_lists_those_that_do():
    with pytest.raises(UnknownName) as error:
        features.load("landmarks")
    assert "openface" in str(error.value)


@pytest.mark.real_data
def test_the_published_table_of_ravdess(shared_data):
    folder = shared_data / "ravdess" / "openface_mean_au"
    table = openface.read_mean_table(folder / "mean_action_units.csv")
    assert table.values.shape == (1440, 35)
    assert table.values.min() >= 0
    assert table.values.max() <= 5
    assert "ravdess/01-06-01-02-01-12" in table.clips
