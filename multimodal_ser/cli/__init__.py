"""The command ``multimodal-ser``.

Each verb imports what it needs when it runs, so ``--help`` answers at once.
Results go to standard output, progress and errors to standard error; a clip
that cannot be used is one line of error, the others go on, and the exit status
is 1. A request that cannot be met at all ends with status 2.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

from multimodal_ser.cli import parser, requests
from multimodal_ser.errors import SerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: words after the command's name; None takes ``sys.argv``.

    Returns:
        0 when all went well, 1 when some clips could not be used, 2 when the
        request could not be met, 130 when interrupted.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.build().parse_args(words)
    options.words = words
    warnings.showwarning = _note  # type: ignore[assignment]  # takes what it is given
    try:
        requests.check(options)
        return options.run(options)
    except SerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130


def _note(message: Warning | str, category: type[Warning], *_place: object) -> None:
    """Show what the library warns of as a line; what libraries below say is for developers."""
    if category is UserWarning:
        print(f"note: {message}", file=sys.stderr)
