"""The verb ``app``."""

from __future__ import annotations

import argparse

from multimodal_ser.cli.arguments import add_verb
from multimodal_ser.cli.printing import say
from multimodal_ser.errors import SerError


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    from multimodal_ser.reports import consent

    verb = add_verb(
        verbs,
        "app",
        run,
        "open a page in the browser to look at recordings, or live",
        "It asks nobody but this machine for anything, and keeps nothing (extra 'app').\n\n"
        f"{consent.CONSENT}\n{consent.LIMITS}",
    )
    verb.add_argument(
        "--model",
        metavar="MODEL",
        help="folder made by 'train', or the name of a released model (default: ravdess)",
    )
    verb.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: 8080)")
    verb.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to serve at; others than this machine can reach any but the default",
    )
    verb.add_argument("--no-browser", action="store_true", help="do not open the browser")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.app import server
    from multimodal_ser.workflows import released

    if released.is_regressor(options.model):
        raise SerError(
            f"{options.model} predicts numbers, which the app does not show; use 'multimodal-ser "
            "predict', or another model"
        )
    if not server.is_local(options.host):
        say(
            f"warning: anyone who reaches {options.host} can use this page, without encryption or "
            "password; leave --host out to keep it to this machine",
            error=True,
        )
    server.run(
        options.model,
        host=options.host,
        port=options.port,
        browser=not options.no_browser,
        announce=lambda address: say(f"open {address} (Ctrl-C ends it)"),
    )
    return 0
