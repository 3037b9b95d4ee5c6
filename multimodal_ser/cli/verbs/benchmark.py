"""The verb ``benchmark``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from multimodal_ser.cli import requests
from multimodal_ser.cli.arguments import (
    add_verb,
    data_argument,
    model_arguments,
    output_argument,
    training_arguments,
    work_arguments,
)
from multimodal_ser.errors import SerError


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(
        verbs, "benchmark", run, "score audio, video and fused models on unseen speakers"
    )
    data_argument(verb)
    verb.add_argument(
        "--protocol",
        default="aei",
        help="aei (actors 1-20 against 21-24, default), luna5, hicmae6, emobox6, actors "
        "(5 folds of any data), leave_one_actor_out, random_leaky (marked as such), or a table "
        "with the column fold and one of clip and actor",
    )
    verb.add_argument(
        "--modalities",
        default="audio,video,fusion",
        help="which to measure (default: %(default)s); fusion needs the other two",
    )
    verb.add_argument(
        "--adapted",
        action="store_true",
        help="normalise each speaker's audio features by that speaker's own unlabelled clips; "
        "another protocol, marked as such",
    )
    verb.add_argument(
        "--save-folds",
        metavar="FILE",
        help="write which clip is tested in which fold; --protocol FILE takes it again",
    )
    model_arguments(verb, several=True)
    training_arguments(verb)
    work_arguments(verb)
    output_argument(verb, "the scores")
    verb.add_argument(
        "--run",
        dest="run_folder",
        metavar="DIR",
        help="keep probabilities and an HTML report there; an interrupted run goes on from there",
    )


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from multimodal_ser.cli import terminal
    from multimodal_ser.tables import io as tableio
    from multimodal_ser.workflows import benchmarking

    modalities = _modalities(options.modalities)
    if options.output:
        tableio.check_ending(options.output)
    clips, extra = requests.training_clips(options)
    if unknown := int(clips["actor"].isna().sum()):
        print(
            f"marked leaky: the speakers of {unknown} clip(s) are not known, so that one may be on "
            "both sides; give a table of path, label and actor",
            file=sys.stderr,
        )
    run, failures = benchmarking.benchmark(
        clips,
        requests.recipe_of(options),
        options.protocol,
        audio=requests.names_in(options.audio if "audio" in modalities else "none"),
        video=requests.names_in(options.video if "video" in modalities else "none"),
        extra=extra,
        adapted=options.adapted,
        folds_file=options.save_folds,
        resume=Path(options.run_folder) / ".folds" if options.run_folder else None,
        **requests.work_of(options),
    )
    scores = benchmarking.score_table(run)
    if options.output:
        tableio.write(scores, options.output)
    if options.run_folder:
        _keep_run(run, Path(options.run_folder))
    terminal.show_scores(scores)
    if options.run_folder:
        print(f"run and report: {Path(options.run_folder) / 'report.html'}")
    return requests.say_failures(failures)


def _modalities(text: str) -> list[str]:
    chosen = text.split(",")
    strange = [name for name in chosen if name not in ("audio", "video", "fusion")]
    if strange:
        raise SerError(f"there is no modality {strange[0]!r}; choose among audio, video, fusion")
    if "fusion" in chosen and not {"audio", "video"} <= set(chosen):
        raise SerError("fusion needs both others; give --modalities audio,video,fusion")
    return chosen


def _keep_run(run, folder: Path) -> None:
    from multimodal_ser.evaluation.runs import write_run
    from multimodal_ser.reports.html import run_report

    write_run(folder, run)
    run_report([run], folder / "report.html")
