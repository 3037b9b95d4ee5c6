"""Crowd-rated intensity of CREMA-D's voices, predicted for actors who are held out.

What raters who heard a clip said of how strong its emotion is (``VoiceLevel``, mean of 0 to 100),
by the regressor that ``multimodal-ser train CREMA-D --targets voice_level`` fits. Clips whose
votes are tied have no single level and are left out.

    python pipelines/cremad_intensity.py --data CREMA-D
"""

from __future__ import annotations

import argparse
import sys
import tempfile

import _common

from multimodal_ser.audio import features
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.datasets import cremad
from multimodal_ser.workflows import regression

TARGET = "voice_level"
METRICS = ("ccc", "pearson")


def report(options: argparse.Namespace) -> str:
    """Return the scores as Markdown."""
    clips = regression.numbers_of(cremad.index(options.data), [TARGET])
    clips = clips.groupby("actor").sample(options.per_actor, random_state=options.seed)
    work = {
        "cache": Cache(options.cache),
        "workers": Engine.of(options.workers, several=True),
        "progress": True,
    }
    with tempfile.TemporaryDirectory() as folder:
        scores, failures = regression.train(
            clips, [TARGET], folder, features=options.features, seed=options.seed, work=work
        )
    row = scores.iloc[0]
    cells = [f"{row[m]:.3f} ({row[f'{m}_low']:.3f} to {row[f'{m}_high']:.3f})" for m in METRICS]
    line = {"features": options.features, "CCC": cells[0], "Pearson": cells[1]}
    line |= {"clips": str(int(row["n"])), "actors": str(clips["actor"].nunique())}
    return _common.markdown([line], f"95 % intervals over actors; {len(failures)} clips failed.")


def main() -> int:
    """Print the table."""
    parser = _common.arguments(__doc__, "CREMA-D with its tables")
    parser.add_argument("--features", choices=features.NAMES, default="functionals")
    parser.add_argument("--per-actor", type=int, default=20, help="clips of each (default: 20)")
    return _common.finish(parser.parse_args(), report)


if __name__ == "__main__":
    sys.exit(main())
