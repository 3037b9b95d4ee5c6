r"""MediaPipe's two face networks as ONNX, which the package brings along.

The Face Landmarker file (Apache-2.0) holds TensorFlow Lite networks. tf2onnx turns
them into ONNX; weights that half precision holds exactly, as MediaPipe released them, are
kept in it, and the files are as small as theirs. tf2onnx is needed for this
alone (``pip install tf2onnx==1.17``) and is not among the requirements.

    python pipelines/convert_landmarker.py \
        --task face_landmarker_v2_with_blendshapes.task --output FOLDER
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

#: Network in MediaPipe's file -> file here.
FILES = {
    "face_landmarks_detector.tflite": "face_landmarks.onnx",
    "face_blendshapes.tflite": "face_blendshapes.onnx",
}
OPSET = 17
#: Weights of fewer values are kept as they are.
SMALLEST = 64


def main() -> None:
    """Convert both networks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--task", required=True, help="MediaPipe's file")
    parser.add_argument("--output", required=True, help="folder of the ONNX files")
    options = parser.parse_args()
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
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
    onnx.checker.check_model(network)
    onnx.save(network, target)


if __name__ == "__main__":
    main()
