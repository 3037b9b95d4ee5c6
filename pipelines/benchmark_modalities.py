"""Benchmark audio, video and fused models under one speaker-independent protocol.

The same as ``multimodal-ser benchmark``, and a place to start from when other
models or features are to be compared.

    python pipelines/benchmark_modalities.py --data RAVDESS --protocol luna5
"""

from __future__ import annotations

import sys

from multimodal_ser.cli import main as command


def main() -> int:
    """Turn ``--data DIR`` into the command's first argument and run it."""
    words = sys.argv[1:]
    if "--data" in words:
        at = words.index("--data")
        words = [*words[at + 1 : at + 2], *words[:at], *words[at + 2 :]]
    return command(["benchmark", *words])


if __name__ == "__main__":
    sys.exit(main())
