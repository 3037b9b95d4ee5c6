r"""MediaPipe's two face networks as ONNX, which the package brings along.

The Face Landmarker file (Apache-2.0) holds TensorFlow Lite networks. tf2onnx turns
them into ONNX; weights that half precision holds exactly, as MediaPipe released them, are
kept in it, and the files are as small as theirs. tf2onnx is needed for this
alone (``pip install tf2onnx==1.17``) and is not among the requirements.

PReLU is written as what ONNX Runtime computes in its own layout of memory, to the same
bits: PReLU itself it computes slowly, and reorders memory before and after, which took
two thirds of the network's time.

    python pipelines/convert_landmarker.py \
        --task face_landmarker_v2_with_blendshapes.task --output FOLDER
    python pipelines/convert_landmarker.py --network face_landmarks.onnx --output FOLDER
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

#: Network in MediaPipe's file -> file here.
FILES = {
    "face_landmarks_detector.tflite": "face_landmarks.onnx",
    "face_blendshapes.tflite": "face_blendshapes.onnx",
}
OPSET = 17
#: Weights of fewer values are kept as they are.
SMALLEST = 64


def main() -> None:
    """Convert both networks, or write the PReLU of one that is converted otherwise."""
    import onnx

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--task", help="MediaPipe's file")
    given.add_argument("--network", help="an ONNX file, of which PReLU alone is written otherwise")
    parser.add_argument("--output", required=True, help="folder of the ONNX files")
    options = parser.parse_args()
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    if options.network:
        source = Path(options.network)
        onnx.save(without_prelu(onnx.load(source)), output / source.name)
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(options.task) as archive:
        for name, file in FILES.items():
            source, made = archive.extract(name, folder), Path(folder) / file
            command = ("-m", "tf2onnx.convert", "--tflite", source, "--output", str(made))
            subprocess.run([sys.executable, *command, "--opset", str(OPSET)], check=True)
            halve(made, output / file)
            print(f"wrote {output / file}, {(output / file).stat().st_size} bytes")


def halve(source: Path, target: Path) -> None:
    """Write a network whose weights are kept in half precision wherever that is exact.

    Args:
        source: an ONNX file of weights in single precision.
        target: where to write.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    network = onnx.load(source)
    for weights in list(network.graph.initializer):
        values = numpy_helper.to_array(weights)
        halved = values.astype(np.float16)
        exact = values.dtype == np.float32 and np.array_equal(halved.astype(np.float32), values)
        if exact and values.size >= SMALLEST:
            kept, whole = f"{weights.name}_half", weights.name
            network.graph.initializer.remove(weights)
            network.graph.initializer.append(numpy_helper.from_array(halved, kept))
            cast = helper.make_node("Cast", [kept], [whole], to=TensorProto.FLOAT)
            network.graph.node.insert(0, cast)
    onnx.save(without_prelu(network), target)


def without_prelu(network: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network that computes the same without PReLU, to the last bit.

    ``PReLU(x) = relu(x) - slope * relu(-x)``, and one of the two terms is always 0. Both
    factors are convolutions of each channel by itself, which ONNX Runtime computes in
    blocks of channels like the other convolutions.

    Then it would also add the sums of residual branches inside the convolution before, and
    round in another order. A leaky ReLU of slope 1, which changes nothing, keeps it from
    that. Branches that are pooled it added so before, and still does.

    Args:
        network: whose PReLUs have one slope for each channel; it stays as it is.

    Raises:
        onnx.checker.ValidationError: what comes out is no network.
    """
    import onnx
    from onnx import helper

    values, nodes, constants = _constants(network), [], list(network.graph.initializer)
    made_by = {name: node for node in network.graph.node for name in node.output}
    for node in network.graph.node:
        if node.op_type == "PRelu":
            own, slopes = _as_convolutions(node, values[node.input[1]], f"prelu{len(nodes)}")
            nodes += own
            constants += slopes
        else:
            nodes += _kept_apart(node, made_by) if node.op_type == "Add" else [node]
    used = {name for node in nodes for name in node.input}
    # The slopes in half precision are needed by nothing any more.
    nodes = [node for node in nodes if node.op_type != "Cast" or node.output[0] in used]
    used = {name for node in nodes for name in node.input}
    kept, graph = [one for one in constants if one.name in used], network.graph
    changed = onnx.ModelProto()
    changed.CopyFrom(network)
    changed.graph.CopyFrom(helper.make_graph(nodes, graph.name, graph.input, graph.output, kept))
    onnx.checker.check_model(changed)
    return changed


def _constants(network: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return name -> values of all constants, those that are cast to float32 included."""
    from onnx import numpy_helper

    values = {one.name: numpy_helper.to_array(one) for one in network.graph.initializer}
    for node in network.graph.node:
        if node.op_type == "Cast" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]].astype(np.float32)
    return values


def _as_convolutions(
    node: onnx.NodeProto, slope: np.ndarray, name: str
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Return the nodes that compute a PReLU, and their weights."""
    from onnx import helper, numpy_helper

    (x, _), (y,), count = node.input, node.output, slope.size
    if slope.shape[-3:] != (count, 1, 1):
        raise ValueError(f"slopes of shape {slope.shape} are not one for each channel")
    factors = {f"{name}_minus": np.full(count, -1.0), f"{name}_slope": -slope.reshape(count)}
    weights = [
        numpy_helper.from_array(values.astype(np.float32).reshape(count, 1, 1, 1), name)
        for name, values in factors.items()
    ]
    each = {"group": count, "kernel_shape": [1, 1]}
    nodes = [
        helper.make_node("Relu", [x], [f"{name}_above"]),
        helper.make_node("Conv", [x, f"{name}_minus"], [f"{name}_negated"], **each),
        helper.make_node("Relu", [f"{name}_negated"], [f"{name}_below"]),
        helper.make_node("Conv", [f"{name}_below", f"{name}_slope"], [f"{name}_scaled"], **each),
        helper.make_node("Add", [f"{name}_above", f"{name}_scaled"], [y]),
    ]
    return nodes, weights


def _kept_apart(node: onnx.NodeProto, made_by: dict[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Return a sum that is not computed inside the convolution of one of its terms."""
    from onnx import helper

    kinds = {name: made_by[name].op_type for name in node.input if name in made_by}
    if "MaxPool" in kinds.values():
        return [node]
    nodes = []
    terms = list(node.input)
    for at, name in enumerate(terms):
        if kinds.get(name) == "Conv":
            terms[at] = f"{name}_same"
            nodes.append(helper.make_node("LeakyRelu", [name], [terms[at]], alpha=1.0))
    return [*nodes, helper.make_node("Add", terms, node.output)]


if __name__ == "__main__":
    main()
