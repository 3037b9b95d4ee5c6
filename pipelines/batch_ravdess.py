"""Process a whole RAVDESS tree: index it, extract everything, predict every clip.

Features and frames are kept, so that an interrupted run resumes, and later
trainings start at once; clips that cannot be used are listed in
``failures.csv``, and the others are predicted. Ends with status 0 when every clip was
used, 1 when some were not, 2 when the run could not continue, 130 when interrupted.

    python pipelines/batch_ravdess.py --data RAVDESS --model MODEL --output batch
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import SerError
from multimodal_ser.tables import io as tableio
from multimodal_ser.workflows import inference


def main() -> int:
    """Write ``clips.csv``, ``predictions.parquet`` and ``failures.csv``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder of RAVDESS files")
    parser.add_argument("--model", required=True, help="folder made by 'multimodal-ser train'")
    parser.add_argument("--output", default="batch", type=Path, help="(default: %(default)s)")
    parser.add_argument("--timeline", action="store_true", help="also every sampled frame")
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, such as tcp://host:8786")
    parser.add_argument("--timeout-seconds", type=float, help="stop reading a clip after so long")
    parser.add_argument("--cache", help="where features and frames are kept")
    options = parser.parse_args()

    clips = ravdess.index(options.data)
    tableio.write_clips(clips, options.output / "clips.csv")
    predictions, failures = inference.predict(
        clips,
        options.model,
        timeline=options.timeline,
        cache=Cache(options.cache or default_folder()),
        workers=Engine(options.workers, options.timeout_seconds, options.scheduler),
        progress=True,
    )
    tableio.write(predictions, options.output / "predictions.parquet")
    tableio.write(failures, options.output / "failures.csv")
    print(f"{predictions['clip'].nunique()} of {len(clips)} clips predicted -> {options.output}")
    return 1 if len(failures) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (SerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        sys.exit(130)
