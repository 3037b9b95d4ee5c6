"""The verb ``validate``."""

from __future__ import annotations

import argparse

from multimodal_ser import datasets
from multimodal_ser.cli.arguments import add_verb, output_argument
from multimodal_ser.cli.printing import say


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(
        verbs,
        "validate",
        run,
        "say what is missing, doubled, unreadable or misnamed in the folder of a data set",
    )
    verb.add_argument("data", metavar="DATA", help="a folder of the data set's files")
    verb.add_argument(
        "--dataset",
        choices=datasets.NAMES,
        help="whose files they are (default: as most are named; folder for own recordings)",
    )
    verb.add_argument("--names-only", action="store_true", help="do not open the files")
    output_argument(verb, "the problems")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.audio.signal import duration_seconds
    from multimodal_ser.cli import terminal
    from multimodal_ser.tables import io as tableio

    probe = None if options.names_only else duration_seconds
    found = datasets.validate(options.data, options.dataset, probe)
    problems = found.problems
    if options.output:
        tableio.write(problems, options.output)
    if problems.empty:
        say(
            f"{options.data}: {found.n_files} recordings, read as {found.dataset}: nothing is "
            "missing, doubled, unreadable or misnamed"
        )
        return 0
    terminal.show(problems)
    counts = problems["kind"].value_counts()
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    say(f"{options.data}: {found.n_files} recordings, read as {found.dataset}: {kinds}")
    return 1
