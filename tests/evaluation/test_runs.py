import json

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.evaluation.runs import Run, RunModel, fold_names, read_run, write_run
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables import make_clips

LABELS = ["sad", "happy"]


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
        RunModel("eye", "video", table[::-1], folds[::-1], seconds=2.5),
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
        assert (one.name, one.modality, one.parts, one.seconds) == (
            two.name,
            two.modality,
            two.parts,
            two.seconds,
        )


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


def test_an_interrupted_write_is_no_run(folder, monkeypatch):
    monkeypatch.setattr(tableio, "write", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError):
        write_run(folder, build_run())
    with pytest.raises(SerError):
        read_run(folder)


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
        (lambda r: r.pop("title"), "'title'"),
        (lambda r: r.update(leaky="no"), "'leaky'"),
        (lambda r: r.update(seed=True), "'seed'"),
        (lambda r: r.update(seconds="3"), "'seconds'"),
        (lambda r: r.update(seconds=float("nan")), "run.json"),
        (lambda r: r.update(versions={"numpy": 2}), "'versions'"),
        (lambda r: r.update(models={}), "'models'"),
        (lambda r: r.update(models=[]), "run"),
        (lambda r: r.update(models=["svc"]), "run.json"),
        (lambda r: r.update(adaptation="all"), "'all'"),
        (lambda r: r.update(protocol="random_leaky"), "random_leaky"),
        (lambda r: r.update(format=99), "run.json"),
        (lambda r: r.update(n_clips=5), "n_clips"),
        (lambda r: r.update(actors=["07"]), "actors"),
        (lambda r: r["models"][0].update(modality="smell"), "'smell'"),
        (lambda r: r["models"][0].update(name="eye"), "'eye'"),
        (lambda r: r["models"][0].update(parts={"audio": "eye"}), "'eye'"),
        (lambda r: r["models"][2].update(parts={"audio": "gone"}), "'gone'"),
        (lambda r: r["models"][2].update(parts={"audio": 3}), "'parts'"),
    ],
)
def test_a_record_of_another_kind_is_told(folder, change, named):
    edit(folder, change)
    with pytest.raises(SerError) as error:
        read_run(folder)
    assert named in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\x00"])
def test_a_damaged_record_is_told(folder, text):
    (folder / "run.json").write_text(text)
    with pytest.raises(SerError):
        read_run(folder)


@pytest.mark.parametrize("name", ["run.json", "clips.parquet", "probabilities/01-eye.parquet"])
def test_a_missing_file_is_told(folder, name):
    (folder / name).unlink()
    with pytest.raises(SerError) as error:
        read_run(folder)
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.assign(sad=0.9, happy=0.9), "0.9"),
        (lambda t: t.assign(sad=0.9), "eye"),
        (lambda t: t.assign(sad="x"), "01-eye.parquet"),
        (lambda t: t.rename(columns={"sad": "angry"}), "angry, happy"),
        (lambda t: t.drop(columns="fold"), "'fold'"),
        (lambda t: t.drop(columns="clip"), "'clip'"),
        (lambda t: t.assign(clip=range(4)), "'clip'"),
        (lambda t: t.assign(fold=[None, "a", "a", "a"]), "'fold'"),
        (lambda t: t.assign(clip="c0"), "'c0'"),
        (lambda t: t.assign(clip=["zz", "c1", "c2", "c3"]), "'zz'"),
    ],
)
def test_a_malformed_table_is_told(folder, change, named):
    path = folder / "probabilities" / "01-eye.parquet"
    tableio.write(change(tableio.read(path)), path)
    with pytest.raises(SerError) as error:
        read_run(folder)
    assert named in str(error.value)


def test_a_table_that_is_no_table_is_told(folder):
    (folder / "probabilities" / "01-eye.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(SerError):
        read_run(folder)


def test_clips_without_a_label_among_the_columns_are_told(folder):
    path = folder / "clips.parquet"
    table = tableio.read(path)
    tableio.write(table.assign(emotion=["angry", *table["emotion"][1:]]), path)
    with pytest.raises(SerError) as error:
        read_run(folder)
    assert "sad, happy" in str(error.value)


def test_an_actor_in_two_folds_is_found():
    run = build_run()
    assert run.split_actors() == []
    mixed = pd.Series(["a", "b", "a", "a"], run.clips.index, dtype=object)
    model = RunModel("ear", "audio", run.models[0].probabilities, mixed)
    assert build_run(models=(model,)).split_actors() == ["set/00"]


def test_an_unknown_model_is_told():
    with pytest.raises(SerError) as error:
        build_run().model("x")
    assert "'x'" in str(error.value) and "ear" in str(error.value)
