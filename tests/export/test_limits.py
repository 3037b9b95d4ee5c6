"""Graphs made to take all memory or time are refused before anything runs; others are measured."""

import resource
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from multimodal_ser.errors import ModelError
from multimodal_ser.export.graph import Graph
from multimodal_ser.export.limits import Outline, Unbounded, structure_bytes
from multimodal_ser.export.runtime import LightNetwork

ONES = np.ones((1, 4), np.float32)


def graph(nodes, width=None, **constants):
    """An ONNX file from ``x``, (batch, 4), to ``y``; nodes: operator, inputs, output, options."""
    made = [
        helper.make_node(kind, taken.split(), [given], **attributes)
        for kind, taken, given, attributes in nodes
    ]
    whole = helper.make_graph(
        made,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", width])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    return model.SerializeToString()


def doubling(count, start="x"):
    chain = [
        ("Concat", f"{f'v{at}' if at else start} {f'v{at}' if at else start}", f"v{at + 1}",
         {"axis": 1})
        for at in range(count)
    ]  # fmt: skip
    return [*chain, ("ReduceSum", f"v{count}", "s", {"keepdims": 1}), ("Add", "x s", "y", {})]


def products(count):
    chain = [("MatMul", f"{f'v{at}' if at else 'c'} c", f"v{at + 1}", {}) for at in range(count)]
    return [*chain, ("ReduceSum", f"v{count}", "s", {"keepdims": 1}), ("Add", "x s", "y", {})]


def expanded(*shape_nodes):
    return [
        *shape_nodes,
        ("Expand", "c shape", "e", {}),
        ("ReduceSum", "e", "s", {"keepdims": 0}),
        ("Add", "x s", "y", {}),
    ]


#: Each takes more than there is, and less than 20 kB; the last but two would at creation.
HOSTILE = {
    "doubled 40 times": graph(doubling(40)),
    "doubled 27 times": graph(doubling(27)),
    "a constant doubled 40 times": graph(doubling(40, "c"), c=ONES),
    "a constant expanded": graph(expanded(), c=ONES, shape=np.int64([10**6, 10**6])),
    "a product of shapes": graph(
        expanded(*[("Mul", f"{f'p{at}' if at else 'a'} {f'p{at}' if at else 'a'}",
                    f"p{at + 1}" if at < 4 else "shape", {}) for at in range(5)]),
        c=ONES, a=np.int64([3, 4]),
    ),
    "a shape of what goes in": graph(
        expanded(("Cast", "x", "i", {"to": TensorProto.INT64}),
                 ("Reshape", "i flat", "shape", {})), c=ONES, flat=np.int64([-1]),
    ),
    "batch by batch": graph([
        ("ReduceSum", "x axis", "r", {"keepdims": 1}), ("Transpose", "r", "t", {}),
        ("MatMul", "r t", "m", {}), *[("Concat", f"{f'm{at}' if at else 'm'} m",
        f"m{at + 1}", {"axis": 1}) for at in range(90)], ("Exp", "m90", "e", {}),
        *[("Concat", f"{f'e{at}' if at else 'e'} {f'e{at}' if at else 'e'}", f"e{at + 1}",
           {"axis": 1}) for at in range(24)],
        ("ReduceSum", "e24 axis", "s", {"keepdims": 1}), ("Add", "x s", "y", {})],
        axis=np.int64([1])),
    "shapes that do not fit": graph([("MatMul", "x c", "y", {})], c=ONES),
    "an axis that is not there": graph(
        [("Concat", "s s", "d", {"axis": 7}), ("Reshape", "x d", "y", {})], s=np.int64([2])),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_graph_that_takes_too_much_is_refused_at_once(name):
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(ModelError) as caught:
        LightNetwork(HOSTILE[name])
    assert "\n" not in str(caught.value)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 2**19, "half a gigabyte was taken"
    assert time.process_time() - begun < 20


def test_products_of_large_matrices_are_refused():
    matrix = np.zeros((2048, 2048), np.float32)
    LightNetwork(graph(products(1), c=matrix))
    with pytest.raises(ModelError):
        LightNetwork(graph(products(9), c=matrix))


def test_a_graph_of_too_many_nodes_is_refused(monkeypatch):
    monkeypatch.setattr("multimodal_ser.export.limits._MOST_NODES", 40)
    with pytest.raises(ModelError):
        LightNetwork(graph(doubling(39)))
    LightNetwork(graph(doubling(5)))


def test_what_a_run_takes_is_counted():
    hidden = np.ones((4, 1000), np.float32)
    nodes = [("MatMul", "x a", "h", {}), ("Relu", "h", "r", {}), ("MatMul", "r b", "y", {})]
    outline = Outline(onnx.ModelProto.FromString(graph(nodes, a=hidden, b=hidden.T)))
    one, many = outline.cost((1, 4)), outline.cost((50, 4))
    weights, row = 4 * (4000 + 4000), 4 * (1000 + 1000)
    assert one.peak_bytes == weights + row + 16 - 16 and many.peak_bytes == weights + 50 * row
    # Two multiplications and additions for each weight, and what is read and written.
    assert 2 * 8000 < one.operations - 8000 < 2 * 8000 + 5000
    with pytest.raises(Unbounded):
        outline.cost((1, 5))


def test_many_rows_that_are_too_much_together_are_taken_in_parts(monkeypatch):
    hidden = np.random.default_rng(0).normal(size=(4, 1000)).astype(np.float32)
    nodes = [("MatMul", "x a", "h", {}), ("Relu", "h", "r", {}), ("MatMul", "r b", "y", {})]
    content = graph(nodes, a=hidden, b=hidden.T)
    values = np.random.default_rng(1).normal(size=(1000, 4)).astype(np.float32)
    expected = LightNetwork(content).predict_on_batch(values)
    monkeypatch.setattr("multimodal_ser.export.runtime._MOST_BYTES", 2**20)
    network, runs = LightNetwork(content), []
    run, _ = network._session.run, network._input
    monkeypatch.setattr(network, "_session", type("", (), {"run": lambda _, names, given: (
        runs.append(len(given["x"])), run(names, given))[1]})())  # fmt: skip
    np.testing.assert_allclose(network.predict_on_batch(values), expected, atol=1e-4)
    assert sum(runs) == 1000 and max(runs) <= 130
    monkeypatch.setattr("multimodal_ser.export.runtime._MOST_BYTES", 2**10)
    network._rows.clear()
    with pytest.raises(ModelError):
        network.predict_on_batch(values[:1])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_no_number_is_refused(value):
    built = Graph((3,))
    content = built.content(built.add("Add", built.input, built.number(value)), (3,))
    with pytest.raises(ModelError):
        LightNetwork(content).predict_on_batch(np.zeros((2, 3)))


def test_a_file_of_many_small_parts_is_refused_before_it_is_read():
    """Read, each node of two bytes takes 140."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for field in (b"\x0a\x00", b"\x2a\x00", b"\x0a\x02\x0a\x00"):  # nodes, weights, inputs
        graph_part = field * (40_000_000 // len(field))
        size = len(graph_part)
        length = bytes(size >> shift & 127 | (128 if size >> shift + 7 else 0)
                       for shift in range(0, 35, 7) if size >> shift)  # fmt: skip
        with pytest.raises(ModelError):
            LightNetwork(b"\x08\x08\x3a" + length + graph_part)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18


def test_bytes_beside_the_weights_are_counted():
    small, large = (
        graph([("MatMul", "x c", "y", {})], c=np.ones((4, size), np.float32)) for size in (10, 9999)
    )
    assert len(large) - len(small) > 150_000
    assert abs(structure_bytes(large) - structure_bytes(small)) < 10
    assert structure_bytes(small) < len(small) - 150
    for content in (b"\x08", b"\x3a\xff\x01a", b"\x0b", b"\x80"):
        with pytest.raises(Unbounded):
            structure_bytes(content)
