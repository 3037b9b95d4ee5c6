"""Benchmark audio, video and fused models under one speaker-independent protocol.

The same as ``multimodal-ser benchmark``, and a place to start from when other
models or features are to be compared.

    python pipelines/benchmark_modalities.py --data RAVDESS --protocol luna5
"""

from __future__ import annotations

import sys

from multimodal_ser.cli import main as command


def main() -> int:
    """Run the command's verb with the arguments given."""
    return command(["benchmark", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
