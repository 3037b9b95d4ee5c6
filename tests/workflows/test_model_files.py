"""Files of a model that were changed, lost, put in another's place, or claim too much."""

import io
import json
import os
import shutil
import warnings
import zipfile

import numpy as np
import pytest

from multimodal_ser.errors import ModelError
from multimodal_ser.estimators import files, networks
from multimodal_ser.export import runtime
from multimodal_ser.export.graph import Graph
from multimodal_ser.workflows import models
from multimodal_ser.workflows.models import load_model

AUDIO, VIDEO = "learners/00-mfcc-rms-ensemble", "learners/01-fer-resnet"


@pytest.fixture
def model(stand_in, tmp_path):
    return shutil.copytree(stand_in / "ravdess", tmp_path / "model")


def without_checksums(folder):
    path = folder / "params.json"
    params = json.loads(path.read_text())
    params.pop("files")
    path.write_text(json.dumps(params))
    return folder


def quietly(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_model(folder)


def test_every_file_of_a_saved_model_has_its_checksum(model):
    params = json.loads((model / "params.json").read_text())
    there = {path.relative_to(model).as_posix() for path in (model / "learners").rglob("*.*")}
    assert set(params["files"]) == there and len(there) == 3
    assert quietly(model).labels


def test_no_changed_file_is_loaded(model):
    for name in json.loads((model / "params.json").read_text())["files"]:
        content = (model / name).read_bytes()
        for changed in (content[:-1], content + b"x", b""):
            (model / name).write_bytes(changed)
            with pytest.raises(ModelError, match="not as it was saved"):
                load_model(model)
        (model / name).unlink()
        with pytest.raises(ModelError, match="missing"):
            load_model(model)
        (model / name).write_bytes(content)
        (model / AUDIO / "network.keras").write_bytes(b"added")
        with pytest.raises(ModelError, match="not as it was saved"):
            load_model(model)
        (model / AUDIO / "network.keras").unlink()
    assert quietly(model).labels


def test_what_a_file_manager_leaves_is_no_part_of_a_model(model):
    (model / AUDIO / ".DS_Store").write_bytes(b"x")
    assert quietly(model).labels


def test_a_model_of_before_loads_with_a_warning_and_can_be_sealed(model):
    before = json.loads((model / "params.json").read_text())
    without_checksums(model)
    with pytest.warns(UserWarning, match="without checksums"):
        load_model(model)
    models.seal(model)
    assert quietly(model).labels
    assert json.loads((model / "params.json").read_text()) == before


@pytest.mark.parametrize("digest", ["", "0" * 63, "G" * 64, 7, None])
def test_a_checksum_that_is_none_is_refused(model, digest):
    path = model / "params.json"
    params = json.loads(path.read_text())
    params["files"] = dict.fromkeys(params["files"], digest)
    path.write_text(json.dumps(params))
    with pytest.raises(ModelError):
        load_model(model)


@pytest.mark.parametrize("name", ["params.json", f"{AUDIO}/estimator.onnx", f"{VIDEO}/other"])
@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
def test_a_pipe_or_a_device_in_place_of_a_file_is_not_opened(model, name, kind):
    if name != "params.json":
        without_checksums(model)
    (model / name).unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(model / name)
    elif kind == "device":
        (model / name).symlink_to("/dev/zero")
    else:
        (model / name).mkdir()
        if name.endswith("other"):
            return  # is none of the model's
    with pytest.raises(ModelError):
        load_model(model)


def test_a_missing_exported_network_is_said(model):
    without_checksums(model)
    (model / VIDEO / "network.onnx").unlink()
    with pytest.warns(UserWarning, match=r"network\.onnx is missing; Keras"):
        load_model(model)
    (model / AUDIO / "estimator.onnx").unlink()
    with pytest.warns(UserWarning), pytest.raises(ModelError):
        load_model(model)


def test_the_released_models_are_whole_and_sealed():
    for name in ("ravdess", "fer_plus"):
        assert quietly(name).learners


def test_the_exported_network_of_fer_plus_is_the_trained_one():
    (learner,) = load_model("fer_plus").learners.values()
    faces = np.random.default_rng(0).random((8, 48, 48, 1), np.float32)
    light = learner._light.predict_on_batch(faces)
    np.testing.assert_allclose(light, learner.network.predict_on_batch(faces), atol=1e-5)


@pytest.mark.parametrize("row", [[0.5, 0.6], [np.nan, 1], [-0.5, 1.5], [0, 0], [np.inf, 0]])
def test_what_is_no_probability_is_not_passed_on(row):
    with pytest.raises(ModelError):
        runtime.checked_probabilities(np.float32([[0.25, 0.75], row]), "a.onnx")


def test_a_network_that_says_no_probabilities_is_refused(model):
    """Also where a model's own checksums vouch for it."""
    from multimodal_ser.tables import Features

    built = Graph((157,))
    half = built.add("ReduceMean", built.input, built.axes(1), keepdims=1)
    rows = built.add("Mul", half, built.constant(np.zeros((1, 8), np.float32)))
    (model / AUDIO / "estimator.onnx").write_bytes(built.content(rows, (8,)))
    models.seal(model)
    learner = next(iter(quietly(model).learners.values()))
    import pandas as pd

    values = np.ones((2, 157), np.float32)
    found = Features(pd.Index(["a", "b"], name="clip"), values, tuple(map(str, range(157))))
    with pytest.raises(ModelError):
        learner.predict(found)


def keras_file(path, units=None, **arrays):
    """A small network as Keras writes it, with its claims falsified."""
    keras = networks.load_keras()
    network = keras.Sequential([keras.Input((64,)), keras.layers.Dense(8, activation="softmax")])
    networks.save_network(network, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if units is not None:
        parts["config.json"] = parts["config.json"].replace(b'"units": 8', b'"units": %d' % units)
    parts |= arrays.get("parts", {})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def packed_weights(n_bytes):
    """An h5 file of zeros that takes a thousandth of what it claims."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        shape, chunk = (n_bytes // 4096, 1024), (256, 1024)
        file.create_dataset("layers/dense/vars/0", shape, "f4", chunks=chunk, compression="gzip")
    return buffer.getvalue()


def linked_weights(link):
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers"] = link(h5py)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "claim",
    [
        {"units": 2**24},
        {"units": 10**12},
        {"parts": {"config.json": b" " * 2**23}},
        {"parts": {"zeros": bytes(2**27)}},
        {"parts": {"model.weights.h5": packed_weights(2**30)}},
        {"parts": {"model.weights.h5": linked_weights(lambda h: h.ExternalLink("/etc/x.h5", "/"))}},
        {"parts": {"model.weights.h5": linked_weights(lambda h: h.SoftLink("/layers"))}},
    ],
    ids=["4 GB of weights", "4 TB", "a long text", "zeros", "packed", "elsewhere", "a circle"],
)
def test_a_keras_file_that_claims_too_much_is_refused(tmp_path, claim, monkeypatch):
    if "zeros" in claim.get("parts", {}):
        monkeypatch.setattr(files, "LARGEST_BYTES", 2**26)
    path = keras_file(tmp_path / "network.keras", **claim)
    assert path.stat().st_size < 2**22
    with pytest.raises(ModelError) as caught:
        networks.load_network(path)
    assert "\n" not in str(caught.value)
    assert networks.load_network(keras_file(tmp_path / "whole.keras")).count_params() == 520


def test_a_keras_file_whose_layers_give_too_much_is_refused(tmp_path):
    """It has no weights at all, and pads an image of 64 pixels."""
    layers = networks.load_keras().layers

    def padded(width):
        network = networks.load_keras().Sequential(
            [layers.Input((8, 8, 1)), layers.ZeroPadding2D(width), layers.GlobalMaxPooling2D()]
        )
        networks.save_network(network, tmp_path / "network.keras")
        return networks.load_network(tmp_path / "network.keras")

    assert padded(4).output_shape == (None, 1)
    with pytest.raises(ModelError):
        padded(20_000)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_BYTES", 2**20)
    np.savez_compressed(tmp_path / "a.npz", mean=np.zeros(2**20))
    with pytest.raises(ModelError):
        files.check_archive(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(bytes(2**20 + 1))
    for place in ("b.npz", "none.npz"):
        with pytest.raises(ModelError):
            files.check_archive(tmp_path / place)
