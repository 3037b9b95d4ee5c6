"""The verb ``predict``."""

from __future__ import annotations

import argparse

from multimodal_ser.cli import requests
from multimodal_ser.cli.arguments import add_verb, output_argument, work_arguments


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(
        verbs,
        "predict",
        run,
        "predict the emotion of clips from sound, picture and both",
        "examples:\n"
        "  multimodal-ser predict talk.mp4\n"
        "  multimodal-ser predict talk.mp4 --model my-model\n"
        "  multimodal-ser predict interviews/ --model my-model --output interviews.parquet\n",
    )
    verb.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="wav or mp4 files, folders, or a clips table"
    )
    verb.add_argument(
        "--model",
        metavar="MODEL",
        help="folder made by 'train', or the name of a released model (default: ravdess)",
    )
    verb.add_argument("--timeline", action="store_true", help="also every sampled frame, with time")
    output_argument(verb, "the predictions")
    verb.add_argument("--report", metavar="FILE", help="write an HTML page with the timelines")
    verb.add_argument("--failures", metavar="FILE", help="write the clips that failed, and why")
    work_arguments(verb)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    import pandas as pd

    from multimodal_ser.cli import terminal
    from multimodal_ser.datasets import folder
    from multimodal_ser.tables import io as tableio
    from multimodal_ser.workflows import inference

    model = inference.load_model(options.model)
    if options.output:
        tableio.check_ending(options.output)
    sources, left_out = options.sources, None
    if len(sources) == 1 and tableio.is_table(sources[0]):
        if folder.is_list(sources[0]):
            sources, left_out = folder.listed_paths(sources[0])
        else:
            sources, left_out = tableio.read_usable_clips(sources[0])
    predictions, failures = inference.predict(
        sources,
        model,
        timeline=options.timeline or bool(options.report),
        **requests.work_of(options),
    )
    failures = pd.concat([left_out, failures], ignore_index=True)
    if options.output:
        tableio.write(predictions, options.output)
        print(f"{predictions['clip'].nunique()} clip(s) predicted, written to {options.output}")
    else:
        terminal.show_predictions(predictions)
    if options.report:
        from multimodal_ser.reports.html import clip_report

        print(f"report written: {clip_report(predictions, options.report)}")
    if options.failures:
        tableio.write(failures, options.failures)
    return requests.say_failures(failures)
