import numpy as np
import pandas as pd
import pytest

from multimodal_ser import tables
from multimodal_ser.errors import TableError
from multimodal_ser.tables.clips import table_hash


def probabilities(rows, labels=("sad", "happy")):
    return pd.DataFrame(rows, index=[f"c{i}" for i in range(len(rows))], columns=list(labels))


def test_emotions_follow_the_codes_of_the_file_names():
    assert tables.EMOTIONS[0] == "neutral"
    assert tables.EMOTIONS[5 - 1] == "angry"
    assert tables.EMOTIONS[8 - 1] == "surprised"


def test_a_clip_may_be_known_by_its_path_alone():
    clips = tables.make_clips([{"clip": "x", "video": "x.mp4"}])
    assert pd.isna(clips.loc["x", "audio"])
    assert pd.isna(clips.loc["x", "emotion"])


def test_clips_are_sorted_whatever_order_they_come_in():
    rows = [{"clip": name} for name in "cab"]
    assert list(tables.make_clips(rows).index) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([{"clip": "a"}, {"clip": "a"}], "'a'"),
        ([{"clip": None}], "clips table"),
        ([{"clip": "a", "emotion": "bored"}], "'bored'"),
    ],
)
def test_bad_clips_are_refused(rows, named):
    with pytest.raises(TableError) as error:
        tables.make_clips(rows)
    assert named in str(error.value)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (probabilities([[0.5, 0.6]]), "'c0'"),
        (probabilities([[0.5, 0.5], [-0.5, 1.5], [-1, 2]]), "'c1'"),
        (probabilities([[0.5, 0.5], [np.nan, 1.0]]), "'c1'"),
        (probabilities([[0.5, 0.5]], ["happy", "sad"]), "sad, happy"),
        (probabilities([[0.5, np.inf]]), "'c0'"),
        (pd.concat([probabilities([[0.5, 0.5]])] * 2), "'c0'"),
    ],
)
def test_bad_probabilities_are_refused_by_name(table, named):
    with pytest.raises(TableError) as error:
        tables.check_probabilities(table, ["sad", "happy"], "audio")
    assert "audio" in str(error.value) and named in str(error.value)


def test_the_hash_tells_clips_and_labels_apart_and_not_where_the_files_are():
    rows = [{"clip": name, "audio": f"{name}.wav", "emotion": "sad"} for name in "ab"]
    one = table_hash(tables.make_clips(rows))
    moved = [row | {"audio": f"/data/{row['clip']}.mp3", "duration": 3} for row in rows[::-1]]
    assert table_hash(tables.make_clips(moved)) == one
    for other in (rows[:1], [rows[0] | {"emotion": "angry"}, rows[1]]):
        assert table_hash(tables.make_clips(other)) != one


def test_rounding_is_no_fault_of_probabilities():
    for value in (tables.SUM_TOLERANCE * 0.99, -tables.SUM_TOLERANCE * 0.99):
        for row in ([1.0, value], [0.5, 0.5 + value]):
            tables.check_probabilities(probabilities([row]), ["sad", "happy"])
    for row in ([0.5, 0.502], [1.002, -0.002]):
        with pytest.raises(TableError):
            tables.check_probabilities(probabilities([row]), ["sad", "happy"])


def test_the_most_probable_labels_of_each_row():
    labels = ["sad", "happy", "angry"]
    rows = [[0.2, 0.5, 0.3], [0.25, 0.5, 0.25], [np.nan] * 3]
    got = tables.top(probabilities(rows, labels))
    assert list(got) == ["emotion_1", "confidence_1", "emotion_2", "confidence_2"]
    assert got["emotion_1"].tolist()[:2] == ["happy", "happy"]
    assert got["emotion_2"].tolist()[:2] == ["angry", "sad"]  # of equals the first column
    assert got["confidence_2"].tolist()[:2] == [0.3, 0.25]
    assert got.loc["c2"].isna().all()
    assert tables.top(probabilities(rows, labels), 3).loc["c0", "emotion_3"] == "sad"


def test_the_table_of_frames_is_checked_too():
    index = pd.MultiIndex.from_tuples([("a", 0, 0.0), ("a", 20, 0.7)], names=tables.FRAME_INDEX)
    table = pd.DataFrame([[0.5, 0.5], [np.nan, np.nan]], index, ["sad", "happy"])
    assert tables.check_probabilities(table, ["sad", "happy"]) is table
    with pytest.raises(TableError):
        tables.check_probabilities(pd.concat([table, table]), ["sad", "happy"])


def test_a_missing_modality_is_a_row_of_nan():
    table = probabilities([[np.nan, np.nan], [0.25, 0.75]])
    assert tables.check_probabilities(table, ["sad", "happy"]) is table


def test_features_are_joined_by_id_and_not_by_position():
    features = tables.Features(pd.Index(["b", "a"]), np.float32([[2], [1]]), ("x",))
    assert features.take(["a", "b"]).ravel().tolist() == [1, 2]


def test_features_name_the_clip_that_is_missing():
    features = tables.Features(pd.Index(["a"]), np.float32([[1]]), ("x",))
    with pytest.raises(TableError) as error:
        features.take(["a", "zz"])
    assert "'zz'" in str(error.value)


def test_doubled_features_are_refused():
    with pytest.raises(TableError):
        tables.Features(pd.Index(["a", "a"]), np.zeros((2, 1), np.float32), ("x",))


def test_actors_of_two_datasets_stay_apart():
    clips = tables.make_clips(
        [{"clip": "a", "dataset": "x", "actor": "01"}, {"clip": "b", "dataset": "y", "actor": "01"}]
    )
    assert len(set(tables.actor_groups(clips))) == 2


def test_top_keeps_label_order_on_a_tie_and_nan_as_missing():
    best = tables.top(probabilities([[0.5, 0.5], [np.nan, np.nan]]))
    assert best.loc["c0", "emotion_1"] == "sad"
    assert pd.isna(best.loc["c1", "emotion_1"])


@pytest.mark.parametrize(("shape", "names"), [((2, 3), "ab"), ((2, 3, 4), "abc"), ((2,), "a")])
def test_features_without_a_name_for_each_value_or_axis_are_refused(shape, names):
    with pytest.raises(TableError):
        tables.Features(pd.Index(["a", "b"]), np.zeros(shape, np.float32), tuple(names))
