"""The verb ``predict``."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from multimodal_ser.cli import requests
from multimodal_ser.cli.arguments import (
    adapt_argument,
    add_verb,
    detector_argument,
    output_argument,
    sampling_arguments,
    sets_argument,
    table_argument,
    work_arguments,
)
from multimodal_ser.cli.printing import say
from multimodal_ser.errors import SerError
from multimodal_ser.reports.consent import SENTENCES

if TYPE_CHECKING:
    import pandas as pd

    from multimodal_ser.workflows.models import Model

#: So many sounds, and so many strange ones among them, are worth a word about adaptation.
_MANY, _STRANGE_SHARE = 20, 0.2


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    verb = add_verb(
        verbs,
        "predict",
        run,
        "predict the emotion of clips from sound, image and both",
        "examples:\n"
        "  multimodal-ser predict talk.mp4\n"
        "  multimodal-ser predict talk.mp4 --segments window=3,hop=1 --output talk.csv\n"
        "  multimodal-ser predict talk.mp4 --model my-model\n"
        "  multimodal-ser predict interviews/ --model my-model --output interviews.parquet\n"
        "  multimodal-ser predict interviews/ --model trained-with-both --adapt person\n\n"
        + textwrap.fill(SENTENCES, 80),
    )
    verb.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help="wav or mp4 files, folders, a clips table, or a database in audformat",
    )
    verb.add_argument(
        "--model",
        metavar="MODEL",
        help="folder made by 'train', or the name of a released model (default: ravdess)",
    )
    verb.add_argument("--timeline", action="store_true", help="also every sampled frame, with time")
    verb.add_argument(
        "--segments",
        metavar="HOW",
        help="predict each part of a recording: speech (utterances of 2 to 8 s, cut at pauses), "
        "window=3,hop=1 (seconds), those of a FILE (.csv, .json or .parquet with start and end, "
        ".TextGrid, .eaf, a database in audformat), or none (default: speech where a recording is "
        "longer than 10 s)",
    )
    verb.add_argument(
        "--smoothing",
        metavar="SECONDS",
        help="smooth the predictions of segments over time: a label stays for so long, on "
        "average; 5,causal looks at the past alone (default: none)",
    )
    adapt_argument(verb, default=None)
    sets_argument(verb)
    sampling_arguments(verb, "the model's own")
    detector_argument(verb, "the model's own")
    table_argument(verb)
    _result_arguments(verb)
    work_arguments(verb)


def _result_arguments(verb: argparse.ArgumentParser) -> None:
    output_argument(
        verb,
        "the predictions",
        ", .jsonl or .xlsx; as a database in audformat (FOLDER.audformat); or segments as "
        "subtitles (.srt, .vtt), for Praat (.TextGrid) or for ELAN (.eaf)",
    )
    verb.add_argument(
        "--wide", action="store_true", help="one row per clip or segment, with columns a modality"
    )
    verb.add_argument(
        "--report",
        metavar="FILE",
        help="write an HTML page: a player of each recording, and what is said of it over time",
    )
    verb.add_argument(
        "--embed",
        action="store_true",
        help="put the recordings into the page of --report, so that it can be sent (up to 100 MB)",
    )
    verb.add_argument(
        "--annotate",
        metavar="FILE",
        help="write the film with its reading drawn in: boxes, bars, a line of text (.mp4, .mov, "
        ".mkv)",
    )
    verb.add_argument("--failures", metavar="FILE", help="write the clips that failed, and why")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    import pandas as pd

    from multimodal_ser.tables import audformat
    from multimodal_ser.tables import io as tableio
    from multimodal_ser.workflows import inference, released
    from multimodal_ser.workflows.data import read_tables

    if options.embed and not options.report:
        raise SerError("--embed puts recordings into a page; name it with --report FILE")
    if released.is_regressor(options.model):
        return _run_regressor(options)
    model = inference.check_adapt(inference.load_model(options.model), options.adapt)
    if options.output:
        from multimodal_ser.tables import annotations

        endings = (*tableio.WRITTEN, *annotations.ENDINGS, audformat.ENDING)
        tableio.check_ending(options.output, endings)
        if annotations.is_annotation(options.output):
            options.segments = options.segments or "speech"
    tables = read_tables(requests.tables_of(options))
    sources, left_out = options.sources, None
    if len(sources) == 1 and (tableio.is_table(sources[0]) or audformat.is_database(sources[0])):
        sources, left_out = _listed(sources[0], model.adapt)
    _check_page(sources, options)
    for folder in sources if isinstance(sources, list) else []:
        if Path(folder).is_dir():
            requests.say_other_files(folder)
    predictions, failures = inference.predict(
        sources,
        model,
        tables=tables,
        adapt=options.adapt,
        sampling=options.sampling,
        detector=options.detector,
        timeline=options.timeline or bool(options.report or options.annotate),
        segments=options.segments,
        smoothing=options.smoothing,
        sets=options.sets,
        **requests.work_of(options),
    )
    failures = pd.concat([left_out, failures], ignore_index=True)
    options.detector = options.detector or _detector(model)  # persons are numbered by it
    _write(predictions, options)
    if options.report:
        _write_page(predictions, failures, options)
    if options.adapt is None and model.references:
        _advise(predictions)
    if options.failures:
        tableio.write(failures, options.failures)
    return requests.say_failures(failures, set(predictions["clip"]))


def _detector(model: Model) -> str:
    """Return what finds a model's faces."""
    from multimodal_ser.video import detectors

    seen = [one.params.detector for one in model.learners.values() if one.kind == "frames"]
    return seen[0] if seen else detectors.DEFAULT


def _check_page(sources: list | pd.DataFrame, options: argparse.Namespace) -> None:
    """Refuse a page that cannot hold its recordings before hours of work."""
    if not options.embed:
        return
    from multimodal_ser.datasets import folder
    from multimodal_ser.reports.clips import check_embeddable

    clips = folder.gather(sources)[0] if isinstance(sources, list) else sources
    check_embeddable(clips["video"].fillna(clips["audio"]).dropna())


def _write_page(
    predictions: pd.DataFrame, failures: pd.DataFrame, options: argparse.Namespace
) -> None:
    from functools import partial

    from multimodal_ser.reports.html import clip_report
    from multimodal_ser.workflows import showing

    if predictions.empty:
        say("no report written: nothing was predicted", error=True)
        return
    cache = requests.work_of(options)["cache"]
    count = predictions["clip"].nunique()
    page = clip_report(
        predictions,
        options.report,
        failures=failures,
        about=showing.about(options.model),
        media=partial(showing.media_of, detector=options.detector, cache=cache, of_page=count),
        embed=options.embed,
    )
    say(f"report written: {page}")


def _run_regressor(options: argparse.Namespace) -> int:
    """Predict numbers."""
    import pandas as pd

    from multimodal_ser.cli import terminal
    from multimodal_ser.compute.parallel import Engine
    from multimodal_ser.datasets import folder
    from multimodal_ser.tables import audformat, failure_table
    from multimodal_ser.tables import io as tableio
    from multimodal_ser.workflows import regression
    from multimodal_ser.workflows.data import read_tables

    if options.output:
        tableio.check_ending(options.output, (*tableio.WRITTEN, audformat.ENDING))
    given = [
        name
        for name in ("report", "embed", "timeline", "sets", "annotate")
        if getattr(options, name)
    ]
    if given:
        raise SerError(f"the model predicts numbers, of which there is no --{given[0]}; leave it")
    sources, left_out = options.sources, None
    if len(sources) == 1 and (tableio.is_table(sources[0]) or audformat.is_database(sources[0])):
        sources, left_out = _listed(sources[0], "none")
    unusable: list = []
    if not isinstance(sources, pd.DataFrame):
        sources, unusable = folder.gather(sources)
    rest = failure_table((e.path, e.path, "index", str(e)) for e in unusable)
    work = requests.work_of(options)
    engine = Engine.of(work["workers"], several=len(sources) > 1)
    model = regression.load(options.model)
    work |= {"workers": engine}
    tables = read_tables(requests.tables_of(options))
    table, failed = regression.predict(model, sources, work, tables)  # type: ignore[arg-type]
    failures = pd.concat([left_out, rest, failed], ignore_index=True)
    if options.output:
        as_database = audformat.is_named_so(options.output)
        (audformat.write_predictions if as_database else tableio.write)(table, options.output)
        say(f"{table['clip'].nunique()} clip(s) predicted, written to {options.output}")
    else:
        terminal.show(table[["path", "modality", *model.targets]].rename(columns={"path": "file"}))
    if options.failures:
        tableio.write(failures, options.failures)
    return requests.say_failures(failures, set(table["clip"]))


def _advise(predictions: pd.DataFrame) -> None:
    """Point to adaptation where many recordings sound unlike those that were learnt from."""
    heard = predictions[predictions["modality"] == "audio"]
    strange = int((heard["novelty"] > 1).sum())
    if len(heard) >= _MANY and strange >= _STRANGE_SHARE * len(heard):
        say(
            f"{strange} of {len(heard)} sounds are unlike the recordings that the voice has learnt "
            "from; if all were made in the same way, '--adapt set' hears each beside the others",
            error=True,
        )


def _listed(path: str, adapt: str) -> tuple[list[Path] | pd.DataFrame, pd.DataFrame | None]:
    """Return the recordings of a table or a database, and its rows that are none."""
    from multimodal_ser import datasets
    from multimodal_ser.datasets import folder
    from multimodal_ser.tables import audformat
    from multimodal_ser.tables import io as tableio

    if audformat.is_database(path):
        clips = datasets.index(path, "audformat")
        if adapt == "person":
            return clips, None
        files = clips["video"].fillna(clips["audio"])
        return [Path(name) for name in dict.fromkeys(files)], None
    if not folder.is_list(path):
        return tableio.read_usable_clips(path)
    # Whose a recording is matters to nothing else.
    return (folder.read_list(path), None) if adapt == "person" else folder.listed_paths(path)


def _write(predictions: pd.DataFrame, options: argparse.Namespace) -> None:
    from multimodal_ser.tables import audformat, widened
    from multimodal_ser.tables import io as tableio

    # A page wants the timeline; that must not change the table.
    timeline = predictions.get("frame")
    whole = predictions if timeline is None else predictions[timeline.isna()]
    shown = (
        predictions
        if options.timeline
        else whole.drop(columns=["frame", "time_s"], errors="ignore").reset_index(drop=True)
    )
    if options.output:
        from multimodal_ser.tables import annotations

        written = [options.output]
        if annotations.is_annotation(options.output):
            written = annotations.write_predictions(shown, options.output)
        elif audformat.is_named_so(options.output):
            audformat.write_predictions(shown, options.output)
        else:
            tableio.write(widened(shown) if options.wide else shown, options.output)
        places = ", ".join(map(str, written))
        say(f"{shown['clip'].nunique()} clip(s) predicted, written to {places or 'no file'}")
    else:
        from multimodal_ser.cli import terminal

        terminal.show_predictions(shown)
    if options.annotate and len(predictions):
        from multimodal_ser.compute.progress import media_bar
        from multimodal_ser.workflows.annotating import annotated

        with media_bar("drawing", None, not options.quiet):
            made = annotated(predictions, options.annotate, detector=options.detector)
        say(f"film written: {made}")
