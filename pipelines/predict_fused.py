"""Predict clips from audio, video and both, from Python.

python pipelines/predict_fused.py --model MODEL talk.mp4 interviews/
"""

from __future__ import annotations

import argparse
import sys

import multimodal_ser as mser
from multimodal_ser.cli import terminal


def main() -> int:
    """Print the predictions and their timeline."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("sources", nargs="+", help="wav or mp4 files, or folders")
    parser.add_argument("--model", required=True, help="folder made by 'multimodal-ser train'")
    options = parser.parse_args()

    predictions, failures = mser.predict(
        options.sources, options.model, timeline=True, progress=True
    )
    terminal.show_predictions(predictions)
    for error in failures["error"]:
        print(f"error: {error}", file=sys.stderr)
    return 1 if len(failures) else 0


if __name__ == "__main__":
    sys.exit(main())
