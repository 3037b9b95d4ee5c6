"""Databases in audformat: what the package reads and writes is what ours does."""

import numpy as np
import pandas as pd
import pytest
import yaml

from multimodal_ser.errors import TableError
from multimodal_ser.tables import audformat, make_clips
from multimodal_ser.tables.annotations import read_segments

HEADER = {"name": "d", "source": "s", "usage": "other", "schemes": {}, "tables": {}}


def database(root, tables, schemes=None):
    root.mkdir(exist_ok=True)
    header = HEADER | {"tables": tables, "schemes": schemes or {}}
    (root / audformat.HEADER).write_text(yaml.safe_dump(header))
    return root


def clips():
    rows = [
        {"clip": "b", "audio": "x/b.wav", "emotion": "bored", "actor": "1", "sex": "female"},
        {"clip": "a", "audio": "x/a.wav", "actor": "2", "sex": "male"},
    ]
    return make_clips(rows, None).assign(arousal=pd.Series([0.5, None], ["b", "a"], dtype=object))


def parts():
    spans = [(0.0, 1.25), (1.25, np.nan)]
    words = zip(spans, ("Freude", "sad"), strict=True)
    rows = [
        {"clip": f"c{at}", "audio": "c.wav", "emotion": word, "start_s": span[0], "end_s": span[1]}
        for at, (span, word) in enumerate(words)
    ]
    return make_clips(rows, None)


def test_clips_that_are_written_are_read_as_they_were(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    audformat.write_clips(clips(), "out.audformat")
    found = audformat.read("out.audformat", ("label", "actor", "sex", "arousal"))
    found = found.set_index("path").loc[["../x/b.wav", "../x/a.wav"]]
    assert found["label"].iloc[0] == "bored" and pd.isna(found["label"].iloc[1])
    assert found["actor"].astype(str).tolist() == ["1", "2"]
    assert found["sex"].tolist() == ["female", "male"]
    assert found["arousal"].iloc[0] == 0.5 and pd.isna(found["arousal"].iloc[1])


def test_the_package_reads_what_is_written(tmp_path, monkeypatch):
    package = pytest.importorskip("audformat")
    monkeypatch.chdir(tmp_path)
    audformat.write_clips(clips(), "files.audformat")
    audformat.write_clips(parts(), "parts.audformat")
    found = package.Database.load("files.audformat")["files"].get()
    assert found.index.name == "file" and found.loc["../x/b.wav", "emotion"] == "bored"
    assert found.loc["../x/b.wav", "arousal"] == 0.5
    found = package.Database.load("parts.audformat")["segments"].get()
    assert package.is_segmented_index(found.index)
    starts = found.index.get_level_values("start").total_seconds().tolist()
    ends = found.index.get_level_values("end")
    assert starts == [0.0, 1.25] and ends[0].total_seconds() == 1.25 and pd.isna(ends[1])
    assert found["emotion"].tolist() == ["Freude", "sad"]


@pytest.mark.parametrize("storage", ["csv", "parquet"])
def test_what_the_package_writes_is_read(tmp_path, storage):
    package = pytest.importorskip("audformat")
    db = package.Database("d")
    db.schemes["speaker"] = package.Scheme("str", labels={"1": {"gender": "female"}, "2": {}})
    db.schemes["emotion"] = package.Scheme("str", labels=["ang", "hap"])
    db["files"] = package.Table(package.filewise_index(["a.wav", "b.wav"]))
    db["files"]["speaker"] = package.Column(scheme_id="speaker")
    db["files"]["speaker"].set(["1", "2"])
    index = package.segmented_index(["a.wav", "a.wav", "b.wav"], [0, "1.5s", 0], ["1s", "3s", None])
    db["said"] = package.Table(index)
    db["said"]["emotion"] = package.Column(scheme_id="emotion")
    db["said"]["emotion"].set(["ang", "hap", None])
    db.save(tmp_path, storage_format=storage)
    found = audformat.read(tmp_path, ("label", "actor", "sex"))
    assert found["path"].tolist() == ["a.wav", "a.wav", "b.wav"]
    assert found["label"].tolist()[:2] == ["ang", "hap"] and pd.isna(found["label"].iloc[2])
    assert found["actor"].astype(str).tolist() == ["1", "1", "2"]
    assert found["sex"].tolist()[:2] == ["female"] * 2 and pd.isna(found["sex"].iloc[2])
    spans = read_segments(tmp_path)
    assert spans["clip"].tolist() == ["a.wav", "a.wav", "b.wav"]
    np.testing.assert_array_equal(spans["start_s"], [0, 1.5, 0])
    np.testing.assert_array_equal(spans["end_s"], [1, 3, np.nan])


def test_tables_that_differ_are_refused_and_named(tmp_path):
    database(tmp_path, {"gold": {}, "actor": {}})
    (tmp_path / "db.gold.csv").write_text("file,emotion\na.wav,sad\nb.wav,sad\n")
    (tmp_path / "db.actor.csv").write_text("file,emotion\na.wav,sad\nb.wav,\n")
    assert audformat.read(tmp_path, ("label",))["label"].tolist() == ["sad", "sad"]
    (tmp_path / "db.actor.csv").write_text("file,emotion\na.wav,happy\n")
    with pytest.raises(TableError, match=r"db\.(actor|gold)\.csv"):
        audformat.read(tmp_path, ("label",))


def test_who_speaks_may_stand_in_a_table_of_its_own(tmp_path):
    schemes = {"who": {"dtype": "str", "labels": "people"}}
    database(tmp_path, {"files": {"columns": {"speaker": {"scheme_id": "who"}}}}, schemes)
    (tmp_path / "db.files.csv").write_text("file,speaker\na.wav,x\nb.wav,y\n")
    (tmp_path / "db.people.csv").write_text("speaker,gender\nx,male\ny,f\n")
    found = audformat.read(tmp_path, ("actor", "sex"))
    assert found["sex"].tolist() == ["male", "female"]


@pytest.mark.parametrize(
    "header",
    [
        "!!python/object/apply:os.system [exit 1]",
        "tables: !!python/name:os.system",
        "[1, 2]",
        "tables: 3",
        "tables: {a: {columns: [1]}}",
        "tables: {a: {columns: {b: {scheme_id: [1]}}}}",
        "{schemes: [1], tables: {}}",
        "{a: &a [1], b: *c}",
        "a: [",
        "tables: {../../secret: {}}",
        "tables: {gone: {}}",
        "tables: {pickled: {}}",
        "tables: {fileless: {}}",
        "tables: {doubled: {}}",
        "tables: {endless: {}}",
    ],
)
def test_damaged_and_dangerous_databases_are_refused(tmp_path, header):
    (tmp_path / audformat.HEADER).write_text(header)
    (tmp_path / "db.pickled.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    (tmp_path / "db.fileless.csv").write_text("emotion\nsad\n")
    (tmp_path / "db.endless.csv").write_text("file,start,emotion\na.wav,0,sad\n")
    (tmp_path / "db.doubled.csv").write_text("file,emotion\na.wav,sad\na.wav,sad\n")
    with pytest.raises(TableError):
        audformat.read(tmp_path, ("label",))


def test_predictions_are_a_table_per_modality_and_of_segments(tmp_path):
    rows = [
        ("c", "c.wav", "audio", pd.NA, 0.0, 5.0, "sad", 0.5),
        ("c", "c.wav", "audio", 0, 0.0, 2.0, "sad", 0.75),
        ("c", "c.wav", "audio", 1, 2.0, 5.0, "happy", 0.25),
    ]
    names = ["clip", "path", "modality", "segment", "start_s", "end_s", "emotion", "confidence"]
    audformat.write_predictions(pd.DataFrame(rows, columns=names), tmp_path / "p.audformat")
    header = audformat.read_header(tmp_path / "p.audformat")
    kinds = {name: table["type"] for name, table in header["tables"].items()}
    assert kinds == {"audio": "filewise", "audio.segments": "segmented"}
    assert header["schemes"]["emotion"]["labels"] == ["happy", "sad"]
    found = audformat.read_table(tmp_path / "p.audformat", "audio.segments")
    assert found["confidence"].tolist() == [0.75, 0.25]
    assert read_segments(tmp_path / "p.audformat")["end_s"].tolist() == [2, 5]
