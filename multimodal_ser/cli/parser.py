"""The parser of the whole command."""

from __future__ import annotations

import argparse
from importlib import import_module

from multimodal_ser import VERSION
from multimodal_ser.cli import verbs

_EPILOG = """\
a first session:
  multimodal-ser demo                                  see everything on a corpus it makes
  multimodal-ser download ravdess --output RAVDESS     the recordings, from Zenodo
  multimodal-ser validate RAVDESS/                     what is missing or broken
  multimodal-ser index RAVDESS/ --output clips.csv     which clips there are
  multimodal-ser benchmark clips.csv --protocol luna5  scores on unseen speakers
  multimodal-ser train clips.csv --output my-model     a model of your own
  multimodal-ser predict talk.mp4 --model my-model --timeline --output talk.csv

'multimodal-ser VERB --help' explains a verb. Extracted features are kept in the
user's cache folder, or in $MULTIMODAL_SER_CACHE, or where --cache says.
"""


def build() -> argparse.ArgumentParser:
    """Return the parser, every verb in it."""
    parser = argparse.ArgumentParser(
        prog="multimodal-ser",
        description="Emotion recognition from audio-video clips: the sound, the image, and both.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"multimodal-ser {VERSION}")
    added = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name in verbs.NAMES:
        import_module(f"{verbs.__name__}.{name}").add(added)
    return parser
