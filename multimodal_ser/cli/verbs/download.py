"""The verb ``download``."""

from __future__ import annotations

import argparse
from pathlib import Path

from multimodal_ser.cli.arguments import add_verb
from multimodal_ser.cli.printing import say


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = verbs.add_parser(
        "download",
        help="fetch RAVDESS, or weights that others made",
        description="Fetch RAVDESS, or weights that others made. What was interrupted goes on, "
        "and what is there already is not fetched again. 'download ravdess --help' explains one.",
    )
    things = verb.add_subparsers(title="what", metavar="WHAT", required=True)
    ravdess = add_verb(
        things,
        "ravdess",
        _run_download_ravdess,
        "fetch RAVDESS from Zenodo, check it and unpack it",
        "example:\n"
        "  multimodal-ser download ravdess --parts speech-audio,speech-video --actors 1-4\n",
    )
    ravdess.add_argument(
        "--parts",
        default="speech-audio",
        help="with commas between: speech-audio (default), song-audio, speech-video, song-video",
    )
    ravdess.add_argument("--actors", default="1-24", help="such as 1-4,7 (default: %(default)s)")
    ravdess.add_argument(
        "--output", metavar="DIR", default="RAVDESS", help="(default: %(default)s)"
    )
    ravdess.add_argument(
        "--keep-archives", action="store_true", help="leave the zip files in DIR/archives"
    )
    weights = add_verb(things, "weights", _run_download_weights, "fetch weights that others made")
    weights.add_argument("--names", help="which, with commas between (default: all)")
    weights.add_argument(
        "--output",
        metavar="DIR",
        help="(default: $MULTIMODAL_SER_WEIGHTS, or the user's cache folder)",
    )
    for thing in (ravdess, weights):
        thing.add_argument(
            "--offline",
            action="store_true",
            help="make no connection, say what is missing; also $MULTIMODAL_SER_OFFLINE=1",
        )
        thing.add_argument("--quiet", action="store_true", help="no progress bars")


def _run_download_ravdess(options: argparse.Namespace) -> int:
    from multimodal_ser.datasets import ravdess
    from multimodal_ser.download import ravdess as download
    from multimodal_ser.download import ravdess_archives

    parts, actors = options.parts.split(","), ravdess_archives.actors_of(options.actors)
    ravdess_archives.archives(parts, actors)  # reports a wrong name before anything else
    say(f"RAVDESS is {ravdess.LICENCE}.", "If you use it, cite:", *ravdess.BIBTEX.splitlines())
    done = download.download(
        options.output,
        parts=parts,
        actors=actors,
        offline=options.offline,
        keep_archives=options.keep_archives,
        progress=not options.quiet,
    )
    for name in done.unchecked:
        checked = "its length and the CRC-32 of each file are right"
        say(f"{name}: its MD5 is not known here and could not be asked for; {checked}")
    say(f"{done.recordings} recordings in {options.output}, {done.written} of them new")
    say(f"check them: multimodal-ser validate {options.output}")
    return 0


def _run_download_weights(options: argparse.Namespace) -> int:
    from multimodal_ser.download.fetch import fetch
    from multimodal_ser.download.weights import WEIGHTS, find_weights, weights_folders

    names = options.names.split(",") if options.names else list(WEIGHTS)
    folder = Path(options.output or weights_folders()[0])
    how = {"offline": options.offline, "progress": not options.quiet}
    for name, wanted in [(name, find_weights(name)) for name in names]:
        say(f"{name}: {wanted.source}; licence {wanted.licence}")
        target = folder / wanted.file
        fetched = fetch(wanted.url, target, checksum=f"sha256:{wanted.sha256}", **how)
        say(f"{target}: {'fetched' if fetched else 'already there'}, its checksum holds")
    return 0
