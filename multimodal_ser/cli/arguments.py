"""What several verbs' options share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from multimodal_ser import datasets

# Names of rooms that would load pandas or NumPy for a line of help; a test holds
# that they are the rooms' own.
_LABELS = (
    "own",
    "emotions8",
    "no_neutral7",
    "four",
    "speech_song5",
    "sex_emotion16",
    "valence2",
    "cremad6",
    "emotions7",
    "emotions4",
    "sex",
)
_BACKBONES = ("aei_cnn", "aei_cnn_pooled", "fer_cnn", "fer_resnet", "fer_transfer")
_POOLINGS = ("mean", "median", "log_pool", "attention")
_SEARCHES = ("grid", "random", "optuna")
_PRESETS = ("best", "aei2019")


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
        nargs="*",
        help="a folder of recordings, a clips table, a table of path, label, actor and sex "
        "(the latter three where known; with start and end of parts of recordings), or a database "
        "in audformat; several are taken together",
    )
    verb.add_argument(
        "--data", metavar="DATA", dest="data_option", action="append", help="the same, by name"
    )
    verb.add_argument(
        "--dataset",
        choices=datasets.NAMES,
        action="append",
        help="how to read a folder: by the names of CREMA-D, nEMO, RAVDESS or TESS, by the tables "
        "of audformat or of Hugging Face's AudioFolder, or as own recordings in folders named "
        "after their labels (default: by its tables, or as most of its files are named); may be "
        "given once for each DATA",
    )
    verb.add_argument(
        "--channel",
        choices=("speech", "song", "both"),
        help="only spoken or only sung clips (default: both, whatever there is; speech of RAVDESS "
        "with the preset 'best')",
    )
    verb.add_argument(
        "--sex", choices=("female", "male"), help="only clips of one sex, for a model of its own"
    )


def work_arguments(verb: argparse.ArgumentParser) -> None:
    """Add how clips are read: processes, cluster, time limit, cache."""
    verb.add_argument("--workers", type=int, help="processes for clips and fits (default: cores)")
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


def output_argument(verb: argparse.ArgumentParser, what: str, more: str = "") -> None:
    """Add ``--output`` for a table, and ``more`` that it may be."""
    verb.add_argument(
        "--output",
        metavar="FILE",
        help=f"write {what} as .csv, .json or .parquet, by its ending{more}",
    )
    verb.add_argument(
        "--csv-for",
        choices=("excel",),
        help="write CSV as Excel opens it where decimals have a comma: semicolons, a byte order "
        "mark, 0,5 for a half; it is read again as the same table",
    )


def model_arguments(verb: argparse.ArgumentParser, several: bool) -> None:
    """Add which learners and features; ``several`` allows a list of recipes."""
    from multimodal_ser.fusion import methods

    many = ", or several models with commas between" if several else ""
    verb.add_argument(
        "--preset",
        choices=_PRESETS,
        default="best",
        help="learners where --audio and --video do not name others: best (default), what measured "
        "best on unseen speakers; aei2019, the published system of 2019",
    )
    _sound_arguments(verb, many)
    _face_arguments(verb, many)
    verb.add_argument(
        "--fusion",
        default="log_pool",
        help=f"how learners become one answer: {', '.join(methods.NAMES)} (default: log_pool, a "
        "product with weights fitted on held-out training actors)",
    )
    verb.add_argument("--seed", type=int, default=0)


def adapt_argument(verb: argparse.ArgumentParser, default: str | None = "none") -> None:
    """Add ``--adapt`` and its earlier name."""
    own, both = ("the model's own", ()) if default is None else (default, ("both",))
    verb.add_argument(
        "--adapt",
        choices=("none", "person", "set", *both),
        default=default,
        help="normalise features by the unlabelled clips of each person, or of the whole set: "
        "another protocol, marked as such; "
        + (
            "both: learn from clips as they are and normalised, for a model that may adapt "
            "to any number of clips, or not, when it predicts "
            if both
            else "a model trained with 'both' takes any; a person is an actor of a table, or a "
            "folder "
        )
        + f"(default: {own})",
    )
    verb.add_argument(
        "--adapted", action="store_const", const="person", dest="adapt", help=argparse.SUPPRESS
    )


def sets_argument(verb: argparse.ArgumentParser) -> None:
    """Add ``--sets``."""
    verb.add_argument(
        "--sets",
        type=float,
        metavar="COVERAGE",
        help="also sets of labels that hold the true one in this share of new people's clips, "
        "such as 0.9",
    )


def table_argument(verb: argparse.ArgumentParser) -> None:
    """Add ``--table``: inputs that were made elsewhere."""
    verb.add_argument(
        "--table",
        metavar="NAME=TABLE",
        action="append",
        default=[],
        help="an input made elsewhere, such as action_units=OPENFACE.csv, for models that take it; "
        "clips that it lacks get the other learners and a note",
    )


def _sound_arguments(verb: argparse.ArgumentParser, many: str) -> None:
    from multimodal_ser.audio import classifiers, features

    group = verb.add_argument_group("sound")
    group.add_argument(
        "--audio",
        metavar="LEARNERS",
        help=f"FEATURES:CLASSIFIER, several learners of one model with + between{many}, or none. "
        f"Classifiers: {', '.join(classifiers.NAMES)}, and vote: svc, logistic_regression and mlp. "
        "A classifier alone takes --features (default: of the preset)",
    )
    group.add_argument(
        "--features",
        help=f"audio features: {', '.join(features.NAMES)} (default: mfcc_rms, a published set of "
        f"157). {' and '.join(features.OPENSMILE)} are openSMILE's, for research only, and need "
        "the extra 'opensmile'; those from log_mel on are for networks",
    )


def _face_arguments(verb: argparse.ArgumentParser, many: str) -> None:
    group = verb.add_argument_group("face")
    group.add_argument(
        "--video",
        metavar="LEARNERS",
        help=f"networks over frames, {', '.join(_BACKBONES)}; or action_units=TABLE.csv "
        "(OpenFace's means, a row per clip), action_unit_frames=FOLDER (its tables of frames), or "
        "blendshapes or estimated_action_units, each with :CLASSIFIER where the usual one is not "
        f"wanted; several learners with + between{many}, or none (default: of the preset)",
    )
    sampling_arguments(group, "every=20")
    group.add_argument(
        "--crop", choices=("face", "frame"), help="give the video model the face or the whole frame"
    )
    detector_argument(group, "yunet")
    group.add_argument("--epochs", type=int, help="passes over the video frames, at most")
    group.add_argument("--pooling", choices=_POOLINGS, default="mean")


def sampling_arguments(group: argparse._ActionsContainer, default: str) -> None:
    """Add ``--sampling`` and its earlier names, which become the same text."""
    ways = group.add_mutually_exclusive_group()
    ways.add_argument(
        "--sampling",
        metavar="HOW",
        help="which frames are looked at: every=N, seconds=S (one every S seconds), or keyframes, "
        f"the fastest: those that the video codes by themselves (default: {default})",
    )
    for name, way in (("--every", "every"), ("--every-seconds", "seconds")):
        ways.add_argument(
            name,
            dest="sampling",
            metavar=way[0].upper() if way == "seconds" else "N",
            type=f"{way}={{}}".format,
            help=f"the same as --sampling {way}=...",
        )
    ways.add_argument(
        "--key-frames",
        dest="sampling",
        action="store_const",
        const="keyframes",
        help="the same as --sampling keyframes",
    )


def detector_argument(group: argparse._ActionsContainer, default: str) -> None:
    """Add ``--detector``."""
    from multimodal_ser.video import detectors

    group.add_argument(
        "--detector",
        choices=detectors.NAMES,
        help="what finds faces: yunet, a network that finds turned and half hidden ones too, or "
        f"haar, slower, faces seen from the front alone (default: {default})",
    )


def labels_argument(verb: argparse._ActionsContainer, default: str | None, what: str) -> None:
    """Add ``--labels``: a label scheme."""
    verb.add_argument(
        "--labels",
        choices=_LABELS,
        default=default,
        metavar="SCHEME",
        help=f"{what}: {', '.join(_LABELS)}; clips of other emotions are left out",
    )


def training_arguments(verb: argparse.ArgumentParser) -> None:
    """Add how models are trained."""
    group = verb.add_argument_group("training")
    labels_argument(
        group,
        None,
        "what to tell apart (default: own, every label as it is written, for own recordings; "
        "emotions8, which takes joy for happy and the like, for the published data sets)",
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
        "--conditions",
        action="store_true",
        help="make these copies as if recorded elsewhere: other rooms, noises, microphones, "
        "telephones, codecs and levels, none of them those of 'evaluate --conditions'",
    )
    group.add_argument(
        "--inner-folds",
        type=int,
        default=4,
        metavar="N",
        help="folds of the training actors that choose parameters and fit calibration and fusion "
        "(default: %(default)s); fewer are quicker",
    )
    group.add_argument(
        "--search",
        type=_count,
        default=0,
        metavar="N",
        help="try N sets of each audio classifier's parameters on the inner folds of training "
        "actors, and take the best",
    )
    group.add_argument(
        "--search-method",
        choices=_SEARCHES,
        default="random",
        help="random (default); grid tries all, whatever N; optuna proposes (extra 'search')",
    )
    group.add_argument(
        "--search-metric",
        default="balanced_accuracy",
        metavar="METRIC",
        help="what to maximise, as scikit-learn calls it (default: %(default)s, which is UAR)",
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or above")
    return int(text)
