"""Own recordings that a database or Hugging Face's folders list."""

import json

import pandas as pd
import pytest

from multimodal_ser import datasets
from multimodal_ser.errors import SerError
from multimodal_ser.tables import actor_groups
from multimodal_ser.tables import io as tableio


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def emotions(clips):
    return clips["emotion"].astype(object).where(clips["emotion"].notna(), None).to_dict()


METADATA = {
    "csv": "file_name,emotion,speaker\na.wav,bored,1\nb.wav,Freude,2\n",
    "jsonl": '{"file_name": "a.wav", "emotion": "bored", "speaker": "1"}\n'
    '{"file_name": "b.wav", "emotion": "Freude", "speaker": "2"}\n',
    "parquet": None,
}


@pytest.mark.parametrize("ending", METADATA)
@pytest.mark.parametrize("splits", [("",), ("train/", "validation/", "test/")])
def test_an_audiofolder_is_recognised_and_read(tmp_path, ending, splits):
    for split in splits:
        touch(tmp_path, f"{split}a.wav", f"{split}b.wav", f"{split}unlisted.wav")
        path = tmp_path / split / f"metadata.{ending}"
        rows = [json.loads(line) for line in METADATA["jsonl"].splitlines()]
        if METADATA[ending] is None:
            pd.DataFrame(rows).to_parquet(path)
        else:
            path.write_text(METADATA[ending])
    assert datasets.recognise(tmp_path) == "audiofolder"
    clips = datasets.index(tmp_path)
    wanted = {f"{s}{c}": w for s in splits for c, w in (("a", "bored"), ("b", "Freude"))}
    assert emotions(clips) == wanted and set(clips["actor"]) == {"1", "2"}


def test_a_videofolder_keeps_columns_of_numbers(tmp_path):
    touch(tmp_path, "a.mp4")
    (tmp_path / "metadata.csv").write_text("file_name,label,arousal\na.mp4,calm,0.25\n")
    clips = datasets.index(tmp_path, numbers=("arousal",))
    assert clips.loc["a", "arousal"] == 0.25 and clips.loc["a", "video"].endswith("a.mp4")


def test_the_folder_of_a_split_is_no_label(tmp_path):
    touch(tmp_path, "train/joy/a.wav", "test/joy/a.wav", "train/b.wav")
    clips = datasets.index(tmp_path, "audiofolder")
    assert emotions(clips) == {"train/joy/a": "joy", "test/joy/a": "joy", "train/b": None}


def test_damaged_audiofolders_are_refused(tmp_path):
    with pytest.raises(SerError):
        datasets.index(tmp_path, "audiofolder")
    (tmp_path / "metadata.csv").write_text("name,label\na.wav,calm\n")
    with pytest.raises(SerError):
        datasets.index(tmp_path, "audiofolder")
    (tmp_path / "metadata.csv").write_text("file_name,label\na.txt,calm\n")
    with pytest.raises(SerError):
        datasets.index(tmp_path, "audiofolder")


def database(root):
    touch(root, "audio/a.wav", "audio/b.wav")
    tables = "tables: {files: {type: filewise}, said: {type: segmented}}\n"
    (root / "db.yaml").write_text("name: d\n" + tables)
    (root / "db.files.csv").write_text("file,gender\naudio/a.wav,female\naudio/b.wav,male\n")
    (root / "db.said.csv").write_text(
        "file,start,end,emotion\n"
        "audio/a.wav,0 days 00:00:00,0 days 00:00:01.500,bored\n"
        "audio/a.wav,0 days 00:00:01.500,,Freude\n"
        "audio/b.wav,0 days 00:00:00,,bored\n"
    )
    return root


def test_segments_of_a_database_are_clips_and_those_of_one_recording_one_speaker(tmp_path):
    clips = datasets.index(database(tmp_path / "d"))
    wanted = {"audio/a@0.000-1.500": "bored", "audio/a@1.500-": "Freude", "audio/b": "bored"}
    assert emotions(clips) == wanted
    assert clips["start_s"].tolist()[:2] == [0, 1.5] and clips["end_s"].isna().tolist()[1:] == [
        True,
        True,
    ]
    assert clips["sex"].tolist() == ["female", "female", "male"]
    groups = actor_groups(clips)
    assert groups[0] == groups[1] != groups[2]
    path = tmp_path / "clips.csv"
    tableio.write_clips(clips, path)
    again = tableio.read_clips(path)
    pd.testing.assert_frame_equal(again[["start_s", "end_s"]], clips[["start_s", "end_s"]])


@pytest.mark.parametrize("kind", ["audformat", "audiofolder"])
def test_what_a_table_names_and_is_not_there_is_a_problem(tmp_path, kind):
    if kind == "audformat":
        root, gone = database(tmp_path / "d"), "audio/b.wav"
    else:
        root, gone = touch(tmp_path / "d", "a.wav", "b.wav"), "b.wav"
        (root / "metadata.csv").write_text(METADATA["csv"])
    found = datasets.validate(root)
    assert (found.dataset, found.n_files) == (kind, 2)
    assert set(found.problems["kind"]) == {"identical"}  # both are one byte
    (root / gone).unlink()
    found = datasets.validate(root)
    assert found.problems["kind"].tolist() == ["missing"]
    assert found.problems["path"].item().endswith(gone)


def test_two_databases_are_kept_apart(tmp_path):
    roots = [database(tmp_path / name) for name in ("one", "two")]
    clips = datasets.index(roots)
    assert len(clips) == 6 and set(clips["dataset"]) == {"one", "two"}
    assert {"start_s", "end_s"} <= set(clips)
