import subprocess
import sys

import numpy as np
import pytest

from multimodal_ser.errors import ModelError
from multimodal_ser.export import runtime as light
from multimodal_ser.export.graph import Graph, chain
from multimodal_ser.export.runtime import LightNetwork, NotExportable


def doubled(size: int = 3) -> bytes:
    graph = Graph((size,))
    return graph.content(graph.add("Add", graph.input, graph.input), (size,))


def changed(change) -> bytes:
    """An exported network with something changed that no exporter writes."""
    import onnx

    graph = Graph((3,))
    weights = graph.constant(np.ones(3, np.float32))
    content = graph.content(graph.add("Add", graph.input, weights), (3,))
    model = onnx.ModelProto.FromString(content)
    change(model)
    return model.SerializeToString()


def test_a_graph_computes_what_it_says():
    graph, two = Graph((None, 2)), np.float32([1, 2])
    value = chain(graph, graph.input, ("Mul", graph.number(3)), ("Add", graph.constant(two)))
    network = LightNetwork(graph.content(value, (None, 2)))
    values = np.random.default_rng(0).normal(size=(4, 5, 2)).astype(np.float32)
    np.testing.assert_allclose(network.predict_on_batch(values), values * 3 + two, rtol=1e-6)
    assert network.input_shape == network.output_shape == (None, None, 2)


def test_equal_constants_are_kept_once():
    graph = Graph((2,))
    assert graph.axes(1, 2) == graph.axes(1, 2) != graph.axes(1, 3)
    assert graph.axes(1) != graph.constant(np.float32([1]))


def test_the_same_graph_is_the_same_file():
    assert doubled() == doubled()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04K\x01.", bytes(1000)])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        light.load(tmp_path / "a.onnx")
    assert "\n" not in str(caught.value)


def test_a_missing_or_too_large_file_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ModelError):
        light.load(tmp_path / "none.onnx")
    monkeypatch.setattr(light, "LARGEST_BYTES", 50)
    (tmp_path / "a.onnx").write_bytes(doubled())
    with pytest.raises(ModelError):
        light.load(tmp_path / "a.onnx")


def test_a_damaged_file_predicts_or_is_refused():
    """Bytes flipped and ends cut off never give another error, whatever else they do."""
    content, rng, refused = doubled(), np.random.default_rng(0), 0
    for _ in range(150):
        broken = bytearray(content[: rng.integers(1, len(content) + 1)])
        for at in rng.integers(0, len(broken), 2):
            broken[at] = rng.integers(0, 256)
        try:
            LightNetwork(bytes(broken)).predict_on_batch(np.ones((1, 3), np.float32))
        except ModelError:
            refused += 1
    assert refused > 100


def loop(model):
    model.graph.node[0].op_type = "Loop"


def custom(model):
    model.graph.node[0].domain = "com.example"


def elsewhere(model):
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = 1
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"


def enormous(model):
    model.graph.initializer[0].dims[0] = 2**60


def two_inputs(model):
    model.graph.input.add().CopyFrom(model.graph.input[0])


def function(model):
    model.functions.add().name = "Add"


@pytest.mark.parametrize("change", [loop, custom, elsewhere, enormous, two_inputs, function])
def test_what_is_no_plain_graph_is_refused(change):
    with pytest.raises(ModelError):
        LightNetwork(changed(change))


def test_values_of_another_shape_are_a_model_error():
    with pytest.raises(ModelError):
        LightNetwork(doubled(3)).predict_on_batch(np.ones((1, 4), np.float32))


def test_an_export_that_differs_from_the_original_is_not_kept(tmp_path):
    values = np.ones((2, 3), np.float32)
    for reference in (lambda v: 2 * v + 1e-3, lambda v: 2 * v[:, :2], lambda v: v * np.nan):
        with pytest.raises(NotExportable):
            light.export(doubled(), tmp_path / "a.onnx", reference, values)
    assert not list(tmp_path.iterdir())
    light.export(doubled(), tmp_path / "a.onnx", lambda v: 2 * v, values)
    assert light.load(tmp_path / "a.onnx").predict_on_batch(values).tolist() == [[2] * 3] * 2


def test_neither_tensorflow_nor_sklearn_is_needed(tmp_path):
    (tmp_path / "a.onnx").write_bytes(doubled())
    code = (
        "import sys, numpy as np\nfrom multimodal_ser.export import runtime as light\n"
        "print(light.load(sys.argv[1]).predict_on_batch(np.ones((1, 3))).tolist())\n"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'skops'} & set(sys.modules)))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "a.onnx")]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[[2.0, 2.0, 2.0]]", "[]"]
