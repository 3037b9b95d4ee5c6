"""The command ``multimodal-ser``.

Each verb imports what it needs when it runs, so ``--help`` answers at once.
Results go to standard output, progress and errors to standard error; a clip
that cannot be used is one line of error, the others go on, and the exit status
is 1. A request that cannot be met at all ends with status 2.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from multimodal_ser.cli import parser, requests
from multimodal_ser.cli.printing import say
from multimodal_ser.errors import SerError

#: New objects after which Python looks for unreachable ones; its own number is 700.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: words after the command's name; None takes ``sys.argv``.

    Returns:
        0 when all went well, 1 when some clips could not be used, 2 when the
        request could not be met, 130 when interrupted, 143 when ended by SIGTERM.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.build(words[0] if words else None).parse_args(words)
    options.words = words
    warnings.showwarning = _note  # type: ignore[assignment]  # takes what it is given
    try:
        with _heeding_sigterm(), _rare_collections():
            requests.check(options)
            with _native_output(options):
                status = options.run(options)
            requests.suit_spreadsheet(options)
            return status
    except SerError as error:
        say(f"error: {error}", error=True)
        return 2
    except OSError as error:
        say(f"error: {error}", error=True)
        return 2
    except MemoryError:
        say(f"error: {_given(options)}: memory ran out; give less at a time", error=True)
        return 2
    except _Terminated:
        say("ended by SIGTERM; run the same command again to go on", error=True)
        return 143
    except KeyboardInterrupt:
        say("interrupted; run the same command again to go on", error=True)
        return 130


class _Terminated(KeyboardInterrupt):
    """The process was asked to end; whatever minds an interrupt minds this."""


@contextmanager
def _heeding_sigterm() -> Iterator[None]:
    """End after SIGTERM as after an interrupt, workers and half-written files included."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(*_signal_and_frame: object) -> None:
    raise _Terminated


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for unreachable objects less often, and not once more at the end of the process.

    The libraries make some 300,000 objects that stay. Going through them again and again while
    they are loaded, and at the end, takes a fifth of the processor time of one prediction.
    """
    former = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *former[1:])
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        gc.set_threshold(*former)


def _given(options: argparse.Namespace) -> str:
    """Return what the command was to work on, for an error that does not know."""
    found = next(
        (had for name in ("sources", "data", "runs") if (had := vars(options).get(name))), ""
    )
    return ", ".join(map(str, found)) if isinstance(found, list) else str(found)


@contextmanager
def _native_output(options: argparse.Namespace) -> Iterator[None]:
    """With ``--quiet``, keep what compiled libraries print on standard error to themselves.

    TensorFlow's do so past Python, and before they look at any setting; what Python prints stays.
    """
    try:
        kept = os.dup(2) if getattr(options, "quiet", False) else None
    except OSError:  # there is no standard error
        kept = None
    if kept is None:
        yield
        return
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    python, own = sys.stderr, None
    if python is sys.__stderr__ and python is not None:
        python.flush()
        own = sys.stderr = open(  # noqa: SIM115  # its descriptor is closed below
            kept, "w", encoding=python.encoding, buffering=1, closefd=False
        )
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr = python
        if own is not None:
            own.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _note(message: Warning | str, category: type[Warning], *_place: object) -> None:
    """Show what the library warns of as a line; what libraries below say is for developers."""
    if category is UserWarning:
        say(f"note: {message}", error=True)
