import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.evaluation.runs import (
    Run,
    RunModel,
    check_place,
    fold_names,
    read_run,
    write_run,
)
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables import make_clips

LABELS = ["sad", "happy"]
CHOSEN = ({"fold": "a", "C": 10, "units": [64, 32]}, {"fold": "b", "C": 0.5, "units": None})


def build_run(**changes):
    rows = [
        {"clip": f"c{n}", "actor": f"0{n // 2}", "emotion": LABELS[n % 2], "audio": f"/me/c{n}.wav"}
        for n in range(4)
    ]
    clips = make_clips([row | {"dataset": "set", "duration": 1.5} for row in rows])
    table = pd.DataFrame([[0.75, 0.25], [0.5, 0.5], [np.nan] * 2, [0, 1]], clips.index, LABELS)
    folds = fold_names(make_folds(clips, "leave_one_actor_out")).loc[clips.index]
    models = (
        RunModel("ear (1)", "audio", table, folds),
        RunModel("eye", "video", table[::-1], folds[::-1], seconds=2.5, chosen=CHOSEN),
        RunModel("both", "fused", table, folds, {"audio": "ear (1)", "video": "eye"}),
    )
    settings = {"title": "T", "protocol": "leave_one_actor_out", "models": models, "clips": clips}
    return Run(**(settings | {"git": "abc", "versions": {"numpy": "2"}, "seconds": 3} | changes))


@pytest.fixture
def folder(tmp_path):
    return write_run(tmp_path / "run", build_run())


def edit(folder, change):
    path = folder / "run.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def test_a_run_comes_back_as_it_was(folder):
    made, got = build_run(), read_run(folder)
    for name in ("title", "protocol", "adaptation", "leaky", "seed", "git", "versions", "seconds"):
        assert getattr(got, name) == getattr(made, name)
    assert got.clips["audio"].isna().all(), "paths stay at home"
    kept = [column for column in made.clips if column not in ("audio", "video")]
    pd.testing.assert_frame_equal(got.clips[kept], made.clips[kept])
    for one, two in zip(made.models, got.models, strict=True):
        assert one.probabilities.index.tolist() == two.probabilities.index.tolist()
        np.testing.assert_array_equal(one.probabilities, two.probabilities)
        assert one.folds.to_dict() == two.folds.to_dict()
        for name in ("name", "modality", "parts", "seconds", "chosen"):
            assert getattr(one, name) == getattr(two, name)


def test_the_folder_is_as_documented(folder):
    record = json.loads((folder / "run.json").read_text())
    files = [model["file"] for model in record["models"]]
    assert files[0] == "probabilities/00-ear-1.parquet"
    assert (record["n_clips"], record["actors"]) == (4, ["00", "01"])
    assert list(tableio.read(folder / files[0])) == ["clip", *LABELS, "fold"]
    assert "/me/" not in (folder / "run.json").read_text()


def test_writing_again_replaces_the_run(folder):
    run = build_run()
    write_run(folder, build_run(models=run.models[:1], title="Second"))
    assert read_run(folder).title == "Second"
    assert len(list((folder / "probabilities").iterdir())) == 1


def names(folder):
    return [model.name for model in read_run(folder).models]


def test_a_run_of_the_same_identity_is_added_to(tmp_path):
    ear, eye, both = build_run().models
    folder = write_run(tmp_path, build_run(models=(ear, eye, both), identity="x", command="a"))
    newer = replace(eye, seconds=7.0)
    other = replace(ear, name="ear 2")
    check_place(folder, "x")
    write_run(folder, build_run(models=(other, newer), identity="x", command="b"))
    assert names(folder) == ["ear (1)", "eye", "both", "ear 2"]
    got = read_run(folder)
    assert got.model("eye").seconds == 7 and got.command == "a\nb" and got.identity == "x"
    assert len(list((folder / "probabilities").iterdir())) == 4
    np.testing.assert_array_equal(got.model("both").probabilities, both.probabilities)


@pytest.mark.parametrize(("old", "new"), [("x", "y"), ("", "y"), ("x", ""), ("", "")])
def test_a_place_of_another_benchmark_is_refused(tmp_path, old, new):
    check_place(tmp_path, new)
    write_run(tmp_path, build_run(title="First", identity=old))
    with pytest.raises(SerError) as caught:
        check_place(tmp_path, new)
    assert "First" in str(caught.value) and str(tmp_path) in str(caught.value)
    if new:
        with pytest.raises(SerError):
            write_run(tmp_path, build_run(title="Second", identity=new))
        assert read_run(tmp_path).title == "First"


def test_a_place_whose_run_cannot_be_kept_is_refused(tmp_path):
    write_run(tmp_path, build_run(identity="x"))
    (tmp_path / "probabilities" / "01-eye.parquet").unlink()
    with pytest.raises(SerError):
        check_place(tmp_path, "x")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(SerError):
        check_place(tmp_path, "x")


def test_runs_saved_earlier_are_read(folder):
    def as_before(record):
        record.pop("identity")
        for model in record["models"]:
            model.pop("chosen")
        record.update(adaptation="speaker", seconds=3, more="of a later version")

    edit(folder, as_before)
    got = read_run(folder)
    assert (got.adaptation, got.identity, got.seconds) == ("person", "", 3)
    assert got.model("eye").chosen == ()


def test_an_interrupted_write_leaves_the_old_run(folder, monkeypatch):
    old = (folder / "run.json").read_bytes()
    monkeypatch.setattr(tableio, "encoded", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError):
        write_run(folder, build_run(title="new"))
    assert read_run(folder).title == "T" and (folder / "run.json").read_bytes() == old


def test_a_run_that_replaces_another_leaves_nothing_of_it(folder):
    clips = build_run().clips.assign(duration=2.5)
    for title, clips_file in (("second", "clips-v2.parquet"), ("third", "clips.parquet")):
        (folder / "clips-of-mine.parquet").touch()
        write_run(folder, build_run(title=title, clips=clips))
        assert (read_run(folder).clips["duration"] == 2.5).all()
        there = {path.name for path in folder.rglob("*.parquet")} - {"clips-of-mine.parquet"}
        assert there == {"00-ear-1.parquet", "01-eye.parquet", "02-both.parquet", clips_file}
    assert (folder / "clips-of-mine.parquet").exists()


@pytest.mark.parametrize(
    "name",
    ["../x.parquet", "/etc/x.parquet", "probabilities/../../x.parquet", "probabilities\\x.parquet",
     "probabilities/x.csv", "clips.parquet", "", "probabilities/.x.parquet"],
)  # fmt: skip
def test_a_file_outside_the_folder_is_refused(folder, name):
    edit(folder, lambda record: record["models"][0].update(file=name))
    with pytest.raises(SerError):
        read_run(folder)


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    table = folder / "probabilities" / "00-ear-1.parquet"
    table.rename(tmp_path / "away.parquet")
    table.symlink_to(tmp_path / "away.parquet")
    with pytest.raises(SerError):
        read_run(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda r: r.pop("title"), "title"),
        (lambda r: r.pop("n_clips"), "n_clips"),
        (lambda r: r.update(leaky="no"), "$.leaky"),
        (lambda r: r.update(seed=True), "$.seed"),
        (lambda r: r.update(seed=-1), "$.seed"),
        (lambda r: r.update(seconds="3"), "$.seconds"),
        (lambda r: r.update(seconds=-1), "$.seconds"),
        (lambda r: r.update(seconds=float("nan")), "run.json"),
        (lambda r: r.update(seconds=float("inf")), "run.json"),
        (lambda r: r.update(versions={"numpy": 2}), "$.versions"),
        (lambda r: r.update(models={}), "$.models"),
        (lambda r: r.update(models=[]), "no model"),
        (lambda r: r.update(models=["svc"]), "$.models[0]"),
        (lambda r: r.update(adaptation="all"), "'all'"),
        (lambda r: r.update(protocol="random_leaky"), "random_leaky"),
        (lambda r: r.update(format=99), "$.format"),
        (lambda r: r.update(identity=None), "$.identity"),
        (lambda r: r.update(n_clips=5), "n_clips"),
        (lambda r: r.update(actors=["07"]), "actors"),
        (lambda r: r["models"][0].update(modality="smell"), "'smell'"),
        (lambda r: r["models"][0].update(name="eye"), "'eye'"),
        (lambda r: r["models"][0].update(name=""), "$.models[0].name"),
        (lambda r: r["models"][1].update(chosen=["C"]), "$.models[1].chosen"),
        (lambda r: r["models"][0].update(parts={"audio": "eye"}), "'eye'"),
        (lambda r: r["models"][2].update(parts={"audio": "gone"}), "'gone'"),
        (lambda r: r["models"][2].update(parts={"audio": 3}), "$.models[2].parts"),
    ],
)
def test_a_record_of_another_kind_is_refused(folder, change, named):
    edit(folder, change)
    with pytest.raises(SerError) as caught:
        read_run(folder)
    assert named in str(caught.value) and str(folder) in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\x00"])
def test_a_damaged_record_is_told(folder, text):
    (folder / "run.json").write_text(text)
    with pytest.raises(SerError):
        read_run(folder)


@pytest.mark.parametrize("name", ["run.json", "clips.parquet", "probabilities/01-eye.parquet"])
def test_a_missing_file_is_told(folder, name):
    (folder / name).unlink()
    with pytest.raises(SerError) as caught:
        read_run(folder)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.assign(sad=0.9, happy=0.9), "sum to 1"),
        (lambda t: t.assign(sad=0.9), "NaN"),
        (lambda t: t.assign(sad="x"), "01-eye"),
        (lambda t: t.rename(columns={"sad": "angry"}), "angry, happy"),
        (lambda t: t.drop(columns="fold"), "'fold'"),
        (lambda t: t.drop(columns="clip"), "'clip'"),
        (lambda t: t.assign(clip=range(4)), "'clip'"),
        (lambda t: t.assign(fold=[None, "a", "a", "a"]), "'fold'"),
        (lambda t: t.assign(clip="c0"), "c0"),
        (lambda t: t.assign(clip=["zz", "c1", "c2", "c3"]), "'zz'"),
    ],
)
def test_a_malformed_table_is_told(folder, change, named):
    path = folder / "probabilities" / "01-eye.parquet"
    tableio.write(change(tableio.read(path)), path)
    with pytest.raises(SerError) as caught:
        read_run(folder)
    assert named in str(caught.value)


def test_a_table_that_is_no_table_is_told(folder):
    (folder / "probabilities" / "01-eye.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(SerError):
        read_run(folder)


def test_clips_without_a_label_among_the_columns_are_told(folder):
    path = folder / "clips.parquet"
    table = tableio.read(path)
    tableio.write(table.assign(emotion=["angry", *table["emotion"][1:]]), path)
    with pytest.raises(SerError):
        read_run(folder)


def test_an_actor_in_two_folds_is_found():
    run = build_run()
    assert run.split_actors() == []
    mixed = pd.Series(["a", "b", "a", "a"], run.clips.index, dtype=object)
    model = RunModel("ear", "audio", run.models[0].probabilities, mixed)
    assert build_run(models=(model,)).split_actors() == ["set/00"]


def test_an_unknown_model_is_told():
    with pytest.raises(SerError):
        build_run().model("x")
