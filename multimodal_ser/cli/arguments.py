"""What several verbs' options share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

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


def add_verb(
    verbs: argparse._SubParsersAction, name: str, run: Callable, summary: str, epilog: str = ""
) -> argparse.ArgumentParser:
    """Return the parser of a verb, whose options name what to run."""
    verb = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(run=run)
    return verb


def data_argument(verb: argparse.ArgumentParser) -> None:
    """Add DATA and what is taken of it."""
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


def work_arguments(verb: argparse.ArgumentParser) -> None:
    """Add how clips are read: processes, cluster, time limit, cache."""
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


def output_argument(verb: argparse.ArgumentParser, what: str) -> None:
    """Add ``--output`` for a table."""
    verb.add_argument(
        "--output", metavar="FILE", help=f"write {what} as .csv, .json or .parquet, by its ending"
    )


def model_arguments(verb: argparse.ArgumentParser, several: bool) -> None:
    """Add which models and features; ``several`` allows a list of them."""
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
        default="mfcc_rms",
        help=f"audio features: {', '.join(features.NAMES)} (default: mfcc_rms, a published set of "
        "157; voice is our best, made for --audio vote_per_feature_set). "
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


def training_arguments(verb: argparse.ArgumentParser) -> None:
    """Add how models are trained."""
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
