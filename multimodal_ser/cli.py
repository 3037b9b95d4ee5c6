"""The command ``multimodal-ser``.

Each verb imports what it needs when it runs, so ``--help`` answers at once.
Results go to standard output, progress and errors to standard error; a clip
that cannot be used is one line of error, the others go on, and the exit status
is 1. A request that cannot be met at all ends with status 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from multimodal_ser import VERSION
from multimodal_ser.errors import SerError

if TYPE_CHECKING:
    import pandas as pd

_EPILOG = """\
a first session:
  multimodal-ser demo                                  see everything on a corpus it makes
  multimodal-ser download ravdess --output RAVDESS     the recordings, from Zenodo
  multimodal-ser validate RAVDESS/                     what is missing or broken
  multimodal-ser index RAVDESS/ --output clips.csv     which clips there are
  multimodal-ser benchmark clips.csv --protocol luna5  scores on unseen speakers
  multimodal-ser train clips.csv --output my-model     a model of your own
  multimodal-ser predict talk.mp4 --model my-model --timeline --output talk.csv

'multimodal-ser VERB --help' explains a verb. Extracted features are kept in the
user's cache folder, or in $MULTIMODAL_SER_CACHE, or where --cache says.
"""


# Names of rooms that would load pandas or NumPy for a line of help; a test holds
# that they are the rooms' own.
_LABELS = (
    "emotions8",
    "no_neutral7",
    "four",
    "speech_song5",
    "sex_emotion16",
    "valence2",
    "cremad6",
    "sex",
)
_BACKBONES = ("aei_cnn", "aei_cnn_pooled", "fer_cnn", "fer_resnet", "fer_transfer")
_POOLINGS = ("mean", "median", "log_pool", "attention")
_SEARCHES = ("grid", "random", "optuna")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: words after the command's name; None takes ``sys.argv``.

    Returns:
        0 when all went well, 1 when some clips could not be used, 2 when the
        request could not be met, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="multimodal-ser",
        description="Emotion recognition from audio-video clips: the sound, the picture, and both.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"multimodal-ser {VERSION}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _download(verbs)
    for add in (_index, _validate, _extract, _train, _benchmark, _report, _predict, _demo):
        add(verbs)
    return parser


def _verb(verbs, name: str, run, summary: str, epilog: str = "") -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(run=run)
    return verb


def _data_argument(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="a folder of recordings, a clips table, or a table of path, label, actor and sex "
        "(the latter three where known)",
    )
    verb.add_argument("--data", metavar="DATA", dest="data_option", help="the same, by name")
    verb.add_argument(
        "--dataset",
        choices=("ravdess", "cremad", "folder"),
        default="ravdess",
        help="how to read a folder: RAVDESS names (default), CREMA-D names, or own recordings "
        "in folders named after emotions",
    )
    verb.add_argument(
        "--channel",
        choices=("speech", "song", "both"),
        default="both",
        help="only spoken or only sung clips (default: both, whatever there is)",
    )
    verb.add_argument(
        "--sex", choices=("female", "male"), help="only clips of one sex, for a model of its own"
    )


def _work_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--workers", type=int, help="processes for reading clips (default: cores)")
    verb.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="read clips on a Dask cluster, such as tcp://host:8786; its workers need this "
        "package, and DATA and --cache under the same paths; for trusted networks only",
    )
    verb.add_argument(
        "--timeout-seconds",
        type=float,
        metavar="S",
        help="stop reading a clip after so long (default: 300, and 10 more per megabyte)",
    )
    verb.add_argument("--cache", metavar="DIR", help="where extracted features are kept")
    verb.add_argument("--no-cache", action="store_true", help="extract anew and keep nothing")
    verb.add_argument("--quiet", action="store_true", help="no progress bars")


def _output_argument(verb: argparse.ArgumentParser, what: str) -> None:
    verb.add_argument(
        "--output", metavar="FILE", help=f"write {what} as .csv, .json or .parquet, by its ending"
    )


def _model_arguments(verb: argparse.ArgumentParser, several: bool) -> None:
    many = ", or several with commas between" if several else ""
    _sound_arguments(verb, many)
    _picture_arguments(verb, many)
    from multimodal_ser.fusion import methods

    verb.add_argument(
        "--fusion",
        default="log_pool",
        help=f"how audio and video become one: {', '.join(methods.NAMES)} (default: log_pool, a "
        "product with weights fitted on held-out training actors)",
    )
    verb.add_argument("--seed", type=int, default=0)


def _sound_arguments(verb: argparse.ArgumentParser, many: str) -> None:
    from multimodal_ser.audio import classifiers, features

    group = verb.add_argument_group("sound")
    group.add_argument(
        "--audio",
        default="svc",
        help=f"audio model{many}: {', '.join(classifiers.NAMES)}, none (default: svc)",
    )
    group.add_argument(
        "--features",
        default="aei157",
        help=f"audio features: {', '.join(features.NAMES)} (default: aei157, a published set of "
        "157; voice is our best, made for --audio block_vote). "
        f"{' and '.join(features.OPENSMILE)} are openSMILE's, for research only, and need the "
        "extra 'opensmile'; those from log_mel on are for networks",
    )


def _picture_arguments(verb: argparse.ArgumentParser, many: str) -> None:
    from multimodal_ser.video import detectors

    group = verb.add_argument_group("picture")
    group.add_argument(
        "--video",
        default="fer_cnn",
        help=f"video model{many}: {', '.join(_BACKBONES)}, none (default: fer_cnn)",
    )
    sampling = group.add_mutually_exclusive_group()
    sampling.add_argument(
        "--every", type=int, metavar="N", help="sample every Nth frame (default: 20)"
    )
    sampling.add_argument(
        "--every-seconds", type=float, metavar="S", help="or a frame every S seconds"
    )
    sampling.add_argument(
        "--key-frames", action="store_true", help="or the film's key frames: the fastest"
    )
    group.add_argument(
        "--crop", choices=("face", "frame"), help="give the video model the face or the whole frame"
    )
    group.add_argument(
        "--detector",
        choices=detectors.NAMES,
        help="what finds faces: haar (default, comes with OpenCV), or yunet (a network, faster, "
        "finds turned faces too; its weights are downloaded)",
    )
    group.add_argument("--epochs", type=int, help="passes over the video frames, at most")
    group.add_argument("--pooling", choices=_POOLINGS, default="mean")


def _training_arguments(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("training")
    group.add_argument(
        "--labels",
        choices=_LABELS,
        default="emotions8",
        metavar="SCHEME",
        help=f"what to tell apart: {', '.join(_LABELS)} (default: %(default)s); clips of other "
        "emotions are left out",
    )
    group.add_argument(
        "--extra",
        action="append",
        default=[],
        metavar="[DATASET=]DATA",
        help="clips to train on only, such as song or cremad=CREMA-D/; may be given several "
        "times. Never tested, and never learnt from where their actor is held out; --channel does "
        "not choose among them",
    )
    group.add_argument(
        "--copies",
        type=_count,
        default=0,
        metavar="N",
        help="let the audio model learn from N copies of each training clip too, changed in speed, "
        "pitch, gain and noise; each has to be analysed, which takes a while the first time",
    )
    group.add_argument(
        "--search",
        type=_count,
        default=0,
        metavar="N",
        help="try N sets of the audio model's parameters on training actors, five trainings each, "
        "and take the best",
    )
    group.add_argument(
        "--search-method",
        choices=_SEARCHES,
        default="random",
        help="random (default); grid tries all, whatever N; optuna proposes (extra 'search')",
    )
    group.add_argument(
        "--search-metric",
        default="accuracy",
        metavar="METRIC",
        help="what to maximise, as scikit-learn calls it (default: %(default)s)",
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or above")
    return int(text)


def _download(verbs) -> None:
    verb = verbs.add_parser(
        "download",
        help="fetch RAVDESS, or weights that others made",
        description="Fetch RAVDESS, or weights that others made. What was interrupted goes on, "
        "and what is there already is not fetched again. 'download ravdess --help' explains one.",
    )
    things = verb.add_subparsers(title="what", metavar="WHAT", required=True)
    ravdess = _verb(
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
    weights = _verb(things, "weights", _run_download_weights, "fetch weights that others made")
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


def _index(verbs) -> None:
    verb = _verb(verbs, "index", _run_index, "list the clips of a folder as a table")
    _data_argument(verb)
    _output_argument(verb, "the clips table")
    verb.add_argument("--durations", action="store_true", help="open every file for its length")


def _validate(verbs) -> None:
    verb = _verb(
        verbs,
        "validate",
        _run_validate,
        "say what is missing, doubled, unreadable or misnamed in a RAVDESS or CREMA-D folder",
    )
    verb.add_argument("data", metavar="DATA", help="a folder of RAVDESS or CREMA-D files")
    verb.add_argument("--dataset", choices=("ravdess", "cremad"), default="ravdess")
    verb.add_argument("--names-only", action="store_true", help="do not open the files")
    _output_argument(verb, "the problems")


def _extract(verbs) -> None:
    verb = _verb(
        verbs, "extract", _run_extract, "compute audio features and sampled frames into the cache"
    )
    _data_argument(verb)
    verb.add_argument(
        "--output",
        metavar="FILE",
        help="write the audio features as .csv, .json or .parquet, a column each, or as .npz with "
        "the arrays clips, values and names, which holds features of any shape",
    )
    _model_arguments(verb, several=False)
    _work_arguments(verb)


def _train(verbs) -> None:
    verb = _verb(verbs, "train", _run_train, "fit audio and video models and their fusion")
    _data_argument(verb)
    verb.add_argument("--output", metavar="DIR", required=True, help="folder of the model")
    _model_arguments(verb, several=False)
    _training_arguments(verb)
    _work_arguments(verb)


def _benchmark(verbs) -> None:
    verb = _verb(
        verbs, "benchmark", _run_benchmark, "score audio, video and fused models on unseen speakers"
    )
    _data_argument(verb)
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
    _model_arguments(verb, several=True)
    _training_arguments(verb)
    _work_arguments(verb)
    _output_argument(verb, "the scores")
    verb.add_argument(
        "--run",
        dest="run_folder",
        metavar="DIR",
        help="keep probabilities and an HTML report there; an interrupted run goes on from there",
    )


def _report(verbs) -> None:
    verb = _verb(verbs, "report", _run_report, "write one HTML page of a run, or comparing several")
    verb.add_argument("runs", metavar="RUN", nargs="+", help="folders made by 'benchmark --run'")
    verb.add_argument(
        "--output", metavar="FILE", default="report.html", help="(default: %(default)s)"
    )


def _predict(verbs) -> None:
    verb = _verb(
        verbs,
        "predict",
        _run_predict,
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
    _output_argument(verb, "the predictions")
    verb.add_argument("--report", metavar="FILE", help="write an HTML page with the timelines")
    verb.add_argument("--failures", metavar="FILE", help="write the clips that failed, and why")
    _work_arguments(verb)


def _demo(verbs) -> None:
    verb = _verb(
        verbs,
        "demo",
        _run_demo,
        "make a small synthetic corpus and go the whole way through it",
    )
    verb.add_argument(
        "--output", metavar="DIR", default="demo-output", help="(default: %(default)s)"
    )
    verb.add_argument("--actors", type=int, default=6, help="how many to synthesise (default: 6)")
    verb.add_argument("--seed", type=int, default=0)


def _run_download_ravdess(options) -> int:
    from multimodal_ser.datasets import download, ravdess, ravdess_archives

    parts, actors = options.parts.split(","), ravdess_archives.actors_of(options.actors)
    ravdess_archives.archives(parts, actors)  # a wrong name is told before anything else
    print(f"RAVDESS is {ravdess.LICENCE}.\nIf you use it, cite:\n{ravdess.BIBTEX}", flush=True)
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
        print(f"{name}: its MD5 is not known here and could not be asked for; {checked}")
    print(f"{done.recordings} recordings in {options.output}, {done.written} of them new")
    print(f"check them: multimodal-ser validate {options.output}")
    return 0


def _run_download_weights(options) -> int:
    from multimodal_ser.errors import UnknownName
    from multimodal_ser.fetch import fetch
    from multimodal_ser.weights import WEIGHTS, weights_folders

    names = options.names.split(",") if options.names else list(WEIGHTS)
    for name in names:
        if name not in WEIGHTS:
            raise UnknownName("set of weights", name, tuple(WEIGHTS))
    folder = Path(options.output or weights_folders()[0])
    for name in names:
        wanted = WEIGHTS[name]
        print(f"{name}: {wanted.source}; licence {wanted.licence}", flush=True)
        target = folder / wanted.file
        fetched = fetch(
            wanted.url,
            target,
            size=wanted.size_bytes,
            checksum=f"sha256:{wanted.sha256}",
            offline=options.offline,
            progress=not options.quiet,
        )
        print(f"{target}: {'fetched' if fetched else 'already there'}, its checksum holds")
    return 0


def _run_index(options) -> int:
    from multimodal_ser import tableio

    clips = _clips(options)
    failed = 0
    if options.durations:
        clips, failed = _with_durations(clips)
    if options.output:
        tableio.write(clips, options.output)
    _say_clips(clips)
    return 1 if failed else 0


def _say_clips(clips: pd.DataFrame) -> None:
    from multimodal_ser import terminal

    counts = clips.groupby(["channel", "emotion"], observed=True, dropna=False).agg(
        clips=("dataset", "size"), audio=("audio", "count"), video=("video", "count")
    )
    terminal.show(counts.reset_index().fillna("unknown"))
    actors = clips["actor"].nunique()
    print(f"{len(clips)} clips of {actors} actors")


def _with_durations(clips: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    from multimodal_ser import parallel
    from multimodal_ser.audio.signal import duration_seconds

    paths = clips["audio"].fillna(clips["video"])
    items = {clip: (path,) for clip, path in paths.items()}
    clips, failed = clips.copy(), 0
    for outcome in parallel.map_clips(duration_seconds, items, description="durations", workers=1):
        clips.loc[outcome.clip, "duration"] = outcome.value
        if outcome.error:
            failed += 1
            print(f"error: {outcome.error}", file=sys.stderr)
    return clips, failed


def _run_validate(options) -> int:
    from multimodal_ser import datasets, tableio, terminal
    from multimodal_ser.audio.signal import duration_seconds

    probe = None if options.names_only else duration_seconds
    problems = datasets.load(options.dataset).validate(options.data, probe)
    if options.output:
        tableio.write(problems, options.output)
    if problems.empty:
        print(f"{options.data}: nothing is missing, doubled, unreadable or misnamed")
        return 0
    terminal.show(problems)
    counts = problems["kind"].value_counts()
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    return 1


def _run_extract(options) -> int:
    from multimodal_ser import tableio, training

    recipe = _recipe(options)
    training.check_front_ends(recipe)
    _check_features_file(options, recipe)
    clips = _clips(options)
    if options.output and clips["audio"].isna().all():
        raise SerError(f"none of the {len(clips)} clip(s) has sound; leave out --output")
    data = training.extract(clips, recipe, **_work(options))
    parts = []
    if data.features is not None:
        parts.append(f"audio features of {len(data.features.clips)} clips")
        if options.output:
            tableio.write_features(data.features, options.output)
    if data.frames is not None:
        parts.append(f"frames of {len(data.frames.clips)} clips{_face_summary(data, options)}")
    cache = _work(options)["cache"]
    print(f"{' and '.join(parts)}, kept in {cache.folder or 'memory only'}")
    return _say_failures(data.failures)


def _check_features_file(options, recipe) -> None:
    if not options.output:
        return
    if recipe.audio is None:
        raise SerError("--output is for audio features; leave out '--audio none', or --output")
    from multimodal_ser import tableio
    from multimodal_ser.audio import features

    tableio.check_features_ending(options.output, features.shape(recipe.features))


def _face_summary(data, options) -> str:
    from multimodal_ser import training

    if training.frame_params(_recipe(options)).crop != "face" or not len(data.frames):
        return ""
    rates = data.frames.face_rates()
    worst = rates.idxmin()
    return f" (a face in {rates.mean():.0%} of a clip's frames, least {rates.min():.0%} in {worst})"


def _run_train(options) -> int:
    from multimodal_ser import terminal, training

    recipe = _recipe(options)
    training.check(recipe)
    clips, extra = _training_clips(options)
    model, data = training.train(clips, recipe, options.output, extra=extra, **_work(options))
    status = _say_failures(data.failures)
    rows = [{"modality": name, "temperature": value} for name, value in model.temperatures.items()]
    terminal.show(rows)
    if options.search:
        chosen = ", ".join(f"{name} {value}" for name, value in model.audio.params.items())
        print(f"found by the search (run.json has all trials): {chosen}")
    print(f"fusion: {model.fuser.method}")
    print(f"model saved in {options.output}")
    print(f"predict with it: multimodal-ser predict CLIP --model {options.output}")
    return status


def _run_benchmark(options) -> int:
    from multimodal_ser import benchmarking, tableio, terminal

    modalities = _modalities(options.modalities)
    if options.output:
        tableio.check_ending(options.output)
    clips, extra = _training_clips(options)
    if unknown := int(clips["actor"].isna().sum()):
        print(
            f"marked leaky: the speakers of {unknown} clip(s) are not known, so that one may be on "
            "both sides; give a table of path, label and actor",
            file=sys.stderr,
        )
    run, failures = benchmarking.benchmark(
        clips,
        _recipe(options),
        options.protocol,
        audio=_names(options.audio if "audio" in modalities else "none"),
        video=_names(options.video if "video" in modalities else "none"),
        extra=extra,
        adapted=options.adapted,
        folds_file=options.save_folds,
        resume=Path(options.run_folder) / ".folds" if options.run_folder else None,
        **_work(options),
    )
    scores = benchmarking.score_table(run)
    if options.output:
        tableio.write(scores, options.output)
    if options.run_folder:
        _keep_run(run, Path(options.run_folder))
    terminal.show_scores(scores)
    if options.run_folder:
        print(f"run and report: {Path(options.run_folder) / 'report.html'}")
    return _say_failures(failures)


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


def _run_report(options) -> int:
    from multimodal_ser.evaluation.runs import read_run
    from multimodal_ser.reports.html import run_report

    path = run_report([read_run(folder) for folder in options.runs], options.output)
    print(f"report written: {path}")
    return 0


def _run_predict(options) -> int:
    import pandas as pd

    from multimodal_ser import inference, tableio, terminal
    from multimodal_ser.datasets import folder

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
        **_work(options),
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
    return _say_failures(failures)


def _run_demo(options) -> int:
    from multimodal_ser import demo

    return demo.run(options.output, actors=options.actors, seed=options.seed)


def _clips(options) -> pd.DataFrame:
    options.data = options.data_option or options.data
    if options.data is None:
        raise SerError("no data given; name a folder of recordings or a clips table")
    clips = _read(options.dataset, options.data)
    if options.channel != "both":
        clips = _only(clips, "channel", options.channel)
    return _only(clips, "sex", options.sex) if options.sex else clips


def _read(dataset: str, data: str) -> pd.DataFrame:
    from multimodal_ser import datasets, tableio
    from multimodal_ser.datasets import folder

    if not tableio.is_table(data):
        return datasets.load(dataset).index(data)
    return folder.read_list(data) if folder.is_list(data) else tableio.read_clips(data)


def _only(clips: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    from multimodal_ser import selection

    chosen = selection.only(clips, column, value)
    if unknown := int(clips[column].isna().sum()):
        print(f"left out: {unknown} clip(s) whose {column} is not known", file=sys.stderr)
    return chosen


def _training_clips(options) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the clips and the extra ones, and say which labels they have."""
    from multimodal_ser import selection
    from multimodal_ser.tables import actor_groups

    clips, extra = _clips(options), _extra(options)
    if options.labels != "emotions8":
        _say_labels(clips, options.labels)
    if extra is not None:
        extra = selection.apart(extra, clips)
        actors = len(set(actor_groups(extra)))
        print(f"extra: {len(extra)} clips of {actors} actors, to train on only", file=sys.stderr)
    return clips, extra


def _extra(options) -> pd.DataFrame | None:
    import pandas as pd

    from multimodal_ser import datasets

    parts = []
    for text in options.extra:
        dataset, is_named, data = text.partition("=")
        if not is_named or dataset not in datasets.NAMES:
            dataset, data = options.dataset, text
        clips = _read(dataset, data)
        parts.append(_only(clips, "sex", options.sex) if options.sex else clips)
    if not parts:
        return None
    extra = pd.concat(parts)
    return extra[~extra.index.duplicated()]


def _say_labels(clips: pd.DataFrame, scheme: str) -> None:
    from multimodal_ser import selection

    kept = selection.labelled(clips, scheme)
    counts = ", ".join(
        f"{label} {n}" for label, n in kept["emotion"].value_counts(sort=False).items()
    )
    print(f"labels {scheme}: {len(kept)} of {len(clips)} clips: {counts}", file=sys.stderr)
    if selection.needs_sex(scheme) and (unknown := int(clips["sex"].isna().sum())):
        print(f"left out: {unknown} clip(s) of speakers whose sex is not known", file=sys.stderr)


def _recipe(options):
    from multimodal_ser.training import Recipe

    return Recipe(
        audio=_names(options.audio)[0],
        features=options.features,
        video=_names(options.video)[0],
        video_params={"epochs": options.epochs} if options.epochs else {},
        every=options.every,
        every_seconds=options.every_seconds,
        keyframes_only=options.key_frames,
        crop=options.crop,
        detector=options.detector,
        pooling=options.pooling,
        fusion=options.fusion,
        labels=getattr(options, "labels", "emotions8"),
        copies=getattr(options, "copies", 0),
        search=getattr(options, "search", 0),
        search_method=getattr(options, "search_method", "random"),
        search_metric=getattr(options, "search_metric", "accuracy"),
        seed=options.seed,
    )


def _names(text: str) -> list[str | None]:
    return [None if name == "none" else name for name in map(str.strip, text.split(","))]


def _work(options) -> dict:
    from multimodal_ser.cache import Cache, default_folder
    from multimodal_ser.parallel import Engine

    folder = None if options.no_cache else Path(options.cache or default_folder())
    engine = Engine(options.workers, options.timeout_seconds, options.scheduler)
    return {"cache": Cache(folder), "workers": engine, "progress": not options.quiet}


def _say_failures(failures: pd.DataFrame) -> int:
    # A film whose sound and picture fail for one reason is one line.
    for error in failures["error"].unique():
        print(f"error: {error}", file=sys.stderr)
    if len(failures):
        print(f"{failures['path'].nunique()} file(s) could not be used", file=sys.stderr)
    return 1 if len(failures) else 0


if __name__ == "__main__":
    sys.exit(main())
