"""The verb ``report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from multimodal_ser.cli.arguments import add_verb
from multimodal_ser.cli.printing import say


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(verbs, "report", run, "write one HTML page of a run, or comparing several")
    verb.add_argument("runs", metavar="RUN", nargs="+", help="folders made by 'benchmark --run'")
    verb.add_argument(
        "--output", metavar="FILE", default="report.html", help="(default: %(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.cli import requests
    from multimodal_ser.evaluation.runs import read_run
    from multimodal_ser.reports.html import run_report

    requests.check_page(options.output)
    names = [Path(folder).resolve().name for folder in options.runs]
    path = run_report([read_run(folder) for folder in options.runs], options.output, names)
    say(f"report written: {path}")
    return 0
