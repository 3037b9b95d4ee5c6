"""PReLU written otherwise: the same bits from a network of every shape that it stands in."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

CHANNELS, SIDE = 16, 12


def run(network, values):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(
        network.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": values})[0]


def residual_network(slopes, halved):
    """conv -> PReLU -> (conv + the same) -> PReLU -> pooled + strided conv."""
    random = np.random.default_rng(1)
    constants = {
        f"w{at}": random.normal(0, 0.2, (CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
        for at in range(3)
    }
    constants |= {"b": random.normal(size=CHANNELS).astype(np.float32)}
    initializers = [numpy_helper.from_array(v, k) for k, v in constants.items()]
    kept = slopes.astype(np.float16) if halved else slopes
    initializers.append(numpy_helper.from_array(kept, "kept" if halved else "slope"))
    cast = [helper.make_node("Cast", ["kept"], ["slope"], to=TensorProto.FLOAT)] * halved
    padded = {"kernel_shape": [3, 3], "pads": [1] * 4}
    nodes = [
        *cast,
        helper.make_node("Conv", ["x", "w0", "b"], ["c0"], **padded),
        helper.make_node("PRelu", ["c0", "slope"], ["p0"]),
        helper.make_node("Conv", ["p0", "w1", "b"], ["c1"], **padded),
        helper.make_node("Add", ["p0", "c1"], ["a1"]),
        helper.make_node("PRelu", ["a1", "slope"], ["p1"]),
        helper.make_node("MaxPool", ["p1"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b"], ["c2"], strides=[2, 2], **padded),
        helper.make_node("Add", ["m", "c2"], ["y"]),
    ]
    shapes = [1, CHANNELS, SIDE, SIDE], [1, CHANNELS, SIDE // 2, SIDE // 2]
    (x, y) = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip("xy", shapes, strict=True)
    )
    graph = helper.make_graph(nodes, "net", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("halved", [False, True])
def test_the_network_without_prelu_gives_the_same_values(recipe, halved):
    convert, random = recipe("convert_landmarker"), np.random.default_rng(0)
    slopes = random.normal(0, 2, (CHANNELS, 1, 1)).astype(np.float16).astype(np.float32)
    network = residual_network(slopes, halved)
    changed = convert.without_prelu(network)
    assert "PRelu" not in {node.op_type for node in changed.graph.node}
    assert [node.op_type for node in network.graph.node].count("PRelu") == 2  # it stays
    values = random.normal(size=(1, CHANNELS, SIDE, SIDE)).astype(np.float32)
    # The same values; only another processor's rounding may be another.
    np.testing.assert_allclose(run(changed, values), run(network, values), rtol=1e-5, atol=1e-5)
    onnx.checker.check_model(changed)


def test_slopes_that_are_not_one_a_channel_are_refused(recipe):
    convert = recipe("convert_landmarker")
    slopes = np.ones((CHANNELS, SIDE, SIDE), np.float32)
    with pytest.raises(ValueError):
        convert.without_prelu(residual_network(slopes, False))


def test_the_landmark_network_of_the_package_has_no_prelu():
    from multimodal_ser.video.features import blendshapes

    path = blendshapes.Path(blendshapes.__file__).parent / "weights/face_landmarks.onnx"
    assert "PRelu" not in {node.op_type for node in onnx.load(path).graph.node}
