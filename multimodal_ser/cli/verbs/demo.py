"""The verb ``demo``."""

from __future__ import annotations

import argparse

from multimodal_ser.cli.arguments import add_verb


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(
        verbs,
        "demo",
        run,
        "make a small synthetic corpus and go the whole way through it",
    )
    verb.add_argument(
        "--output", metavar="DIR", default="demo-output", help="(default: %(default)s)"
    )
    verb.add_argument("--actors", type=int, default=6, help="how many to synthesise (default: 6)")
    verb.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.cli import demo

    return demo.run(options.output, actors=options.actors, seed=options.seed)
