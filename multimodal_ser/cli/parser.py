"""The parser of the whole command."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from multimodal_ser import VERSION
from multimodal_ser.cli import verbs
from multimodal_ser.errors import did_you_mean, printable
from multimodal_ser.reports.consent import SENTENCES

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


class Parser(argparse.ArgumentParser):
    """A parser whose errors ask whether another verb, option or value was meant."""

    _words: Sequence[str] = ()

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Remember what was asked for, of which an error may be about one word."""
        self._words = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print usage and the error, and end with status 2."""
        meant = ""
        if wrong := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            names = [name.strip(" '") for name in wrong[2].split(",")]
            meant = did_you_mean(wrong[1], names)
        elif wrong := re.search(r"unrecognized arguments: (--[^ =]+)", message):
            meant = self._other_option(wrong[1])
        super().error(printable(f"{message}; {meant}" if meant else message))

    def _other_option(self, option: str) -> str:
        """Return which option of the verb was meant, or which verbs have the one that was given."""
        verbs: dict[str, argparse.ArgumentParser] = {}
        for action in build()._actions:
            if isinstance(action, argparse._SubParsersAction):
                verbs |= action.choices
        asked = next((word for word in self._words if word in verbs), None)
        owners = [name for name, verb in verbs.items() if option in verb._option_string_actions]
        if owners:
            return f"{option} is an option of {', '.join(owners)}"
        of_verb = set(verbs[asked]._option_string_actions) if asked else set()
        return did_you_mean(option, of_verb | set(self._option_string_actions))


def build(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser, every verb in it.

    Args:
        only: a verb, where no other is wanted: the others are then not even imported.

    Example:
        >>> build("predict").parse_args(["predict", "a.wav"]).sources
        ['a.wav']
    """
    parser = Parser(
        prog="multimodal-ser",
        description="Emotion recognition from audio-video clips: the sound, the image, and both.",
        epilog=f"{_EPILOG}\n{textwrap.fill(SENTENCES, 80)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"multimodal-ser {VERSION}")
    added = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name in [only] if only in verbs.NAMES else verbs.NAMES:
        import_module(f"{verbs.__name__}.{name}").add(added)
    return parser
