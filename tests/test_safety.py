"""Files and names from strangers: refused in one line, or harmless."""

import csv
import io
import itertools
import json
import pickle
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.reports.html import clip_report
from multimodal_ser.tables import EMOTIONS
from multimodal_ser.tables import io as tableio
from multimodal_ser.workflows import inference

#: Values that no honest params.json holds, of every kind that JSON has.
STRANGE = (
    None, True, False, 0, -1, 1, 10**400, 1.5, float("nan"), float("inf"), "", "x", "../../x",
    "\ud800", "a\nb", "\x1b[2J", "<script>", [], {}, [[]], [None], ["sad"], ["sad", "sad"],
    [1, 2], {"": 0}, {"audio": -1}, {"audio": "1"}, {"x": {"y": []}}, list(range(300)),
)  # fmt: skip
#: Where the stand-in keeps its learners.
AUDIO, VIDEO = "learners/00-mfcc-rms-ensemble", "learners/01-fer-resnet"


class Trap:
    """Unpickled, it leaves a file; nothing here may ever unpickle it."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def model(stand_in, tmp_path):
    """A model without checksums, which would refuse a changed file before it is looked into."""
    folder = shutil.copytree(stand_in / "ravdess", tmp_path / "model")
    params = json.loads((folder / "params.json").read_text())
    del params["files"]
    (folder / "params.json").write_text(json.dumps(params))
    return folder


def paths_of(value, at=()):
    """The places of a JSON value, each as the keys that lead there."""
    yield at
    inner = value if isinstance(value, dict) else {}
    inner = dict(enumerate(value)) if isinstance(value, list) else inner
    for key, child in inner.items():
        yield from paths_of(child, (*at, key))


def put(value, at, strange):
    if not at:
        return strange
    for key in at[:-1]:
        value = value[key]
    value[at[-1]] = strange


def load_or_refuse(folder) -> bool:
    """Whether a model is refused; any other error than ModelError is raised."""
    try:
        inference.load_model(folder)
    except ModelError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000
        str(error).encode()  # can be printed
        return True
    return False


def test_params_with_strange_values_are_refused(model):
    """Every place of params.json, each with some strange values, and each left out."""
    text, refused, tried = (model / "params.json").read_text(), 0, 0
    whole, rng = json.loads(text), np.random.default_rng(0)
    for place in paths_of(whole):
        for strange in rng.choice(len(STRANGE), 6, replace=False):
            params = json.loads(text)
            params = put(params, place, STRANGE[strange]) if not place else params
            if place:
                put(params, place, STRANGE[strange])
            (model / "params.json").write_text(json.dumps(params))
            refused, tried = refused + load_or_refuse(model), tried + 1
        if place and isinstance(place[-1], str):
            params = json.loads(text)
            inner = params
            for key in place[:-1]:
                inner = inner[key]
            del inner[place[-1]]
            (model / "params.json").write_text(json.dumps(params))
            refused, tried = refused + load_or_refuse(model), tried + 1
    # What is left is harmless: a seed, a classifier's own parameters, a temperature of 1.
    assert refused > 0.8 * tried and tried > 100


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[" * 100_000, b'{"format": 2' + b" " * 2**23, b"1e999", b'"\\ud800"'],
)
def test_params_that_are_no_description_are_refused(model, content):
    (model / "params.json").write_bytes(content)
    assert load_or_refuse(model)


def test_params_cannot_lead_out_of_the_folder(model):
    text = (model / "params.json").read_text()
    for at, key in itertools.product((0, 1), ("input", "classifier", "backbone", "folder", "name")):
        params = json.loads(text)
        params["learners"][at][key] = "../../../cli"
        (model / "params.json").write_text(json.dumps(params))
        assert load_or_refuse(model)


def test_weights_outside_the_folder_are_not_opened(model, tmp_path):
    """A whole learner lies beside the folder: only its place makes it wrong."""
    shutil.copytree(model / AUDIO, tmp_path / "beside")
    path = model / "params.json"
    text = path.read_text().replace(f'"{AUDIO}"', '"../beside"')
    assert text != path.read_text()
    path.write_text(text)
    assert load_or_refuse(model)
    (model / "linked").symlink_to(tmp_path / "beside")
    path.write_text(text.replace('"../beside"', '"linked"'))
    assert load_or_refuse(model)


@pytest.mark.parametrize(
    "file", [f"{AUDIO}/estimator.onnx", f"{VIDEO}/network.onnx", f"{AUDIO}/estimator.skops"]
)
def test_a_pickle_in_place_of_weights_is_refused(model, tmp_path, file):
    if file.endswith("skops"):
        (model / AUDIO / "estimator.onnx").unlink()
    (model / file).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    assert load_or_refuse(model)
    assert not (tmp_path / "sprung").exists()


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


def test_a_pickle_within_skops_or_keras_is_refused(model, tmp_path):
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    schema = {"__class__": "Trap", "__module__": "tests.test_safety", "__loader__": "ObjectNode"}
    (model / AUDIO / "estimator.onnx").unlink()
    for files in ({"schema__json": json.dumps(schema).encode()}, {"schema__json": trap}):
        (model / AUDIO / "estimator.skops").write_bytes(zipped(**files, data__pkl=trap))
        assert load_or_refuse(model)
    assert not (tmp_path / "sprung").exists()


def test_a_keras_file_that_brings_code_is_refused(model, tmp_path):
    from multimodal_ser.estimators.networks import load_keras

    keras, mark = load_keras(), tmp_path / "sprung"
    code = f"lambda x: (open({str(mark)!r}, 'w'), x)[1]"
    network = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Lambda(eval(code))])
    mark.unlink(missing_ok=True)
    (model / VIDEO / "network.onnx").unlink()
    network.save(model / VIDEO / "network.keras")
    mark.unlink(missing_ok=True)
    assert load_or_refuse(model)
    assert not mark.exists()


def test_a_pickle_within_the_scaling_of_a_network_is_refused(tmp_path):
    from multimodal_ser.estimators.keras_classifier import KerasClassifier
    from multimodal_ser.estimators.networks import load_keras, save_network

    keras = load_keras()
    save_network(
        keras.Sequential([keras.Input((2, 1)), keras.layers.Flatten()]), tmp_path / "network.keras"
    )
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.savez(tmp_path / "scaling.npz", mean=trap, scale=trap, classes=trap)
    with pytest.raises((SerError, ValueError, OSError)):
        KerasClassifier.load(tmp_path, "multimodal_ser.audio.classifiers.conv1d")
    assert not (tmp_path / "sprung").exists()


NAMES = ("<script>alert(1)</script>", "../../x", "=cmd()", "+1", "-1", "@x", 'a","b', "'=x", "a\tb")


@pytest.fixture
def predictions():
    """One row a strange name, as predict gives it."""
    table = pd.DataFrame({"clip": NAMES, "path": [f"{name}.wav" for name in NAMES]})
    shares = {label: 0.05 for label in EMOTIONS} | {"sad": 0.65}
    return table.assign(
        modality="audio", emotion="sad", second="calm", confidence=0.65, **shares,
        audio_share=np.nan, video_share=np.nan, face_rate=np.nan, note="",
    )  # fmt: skip


def test_no_cell_of_a_csv_file_is_a_formula(predictions, tmp_path):
    tableio.write(predictions, tmp_path / "p.csv")
    with open(tmp_path / "p.csv", newline="") as file:
        head, *rows = csv.reader(file)
    texts = [row[head.index(name)] for row in rows for name in ("clip", "path")]
    assert len(texts) == 2 * len(NAMES)
    assert not [text for text in texts if text[0] in "=+-@\t\r"]


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_names_come_back_from_every_table_as_they_were(predictions, tmp_path, ending):
    tableio.write(predictions, tmp_path / f"p.{ending}")
    again = tableio.read(tmp_path / f"p.{ending}")
    for column in ("clip", "path"):
        assert again[column].tolist() == predictions[column].tolist()
    assert {path.name for path in tmp_path.iterdir()} == {f"p.{ending}"}


def test_a_column_named_as_a_formula_is_none_either(tmp_path):
    tableio.write(pd.DataFrame({"=cmd()": [1.0]}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().startswith("'=cmd()")
    assert list(tableio.read(tmp_path / "t.csv").columns) == ["=cmd()"]


def test_names_are_text_on_a_page(predictions, tmp_path):
    page = clip_report(predictions, tmp_path / "p.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert {path.name for path in tmp_path.iterdir()} == {"p.html"}
