"""Spectrogram ResNet: RAVDESS speech and song, networks on waveform and images.

Published, on a random split saved as CSV: ResNet18 on images of the spectrogram
0.756, of the mel spectrogram 0.669, of the MFCC 0.659, for five emotions (no
neutral, disgust, surprised); a convolutional network of 4 to 5 layers on the raw
waveform 0.146, for eight. A function predicts a file and shows it with its label:
``--predict FILE``.

Where the source is silent, and what two CPU cores allow: images of 128 x 128,
scaled to 64 inside a network of full width (11.2 million weights) that starts
from random ones, 15 epochs at most; the waveform network 15 epochs of 3 s at 16 kHz. The
source's own ResNet18 may well have been pre-trained and saw larger images for
longer, so our figures are a lower bound of its way, not a replication;
``--size-px`` and ``--epochs`` give it more. The random split is the first of five
of 80 to 20; speaker-independent are the Luna folds. Both are written to
``--splits DIR`` as CSV and read from there when they exist, so that all models are
compared on the same clips. Of each training part a fifth of the actors stops the
network and is not learnt from. ``--resume DIR`` keeps every finished fold.

    python pipelines/spectrogram_resnet.py --data RAVDESS --splits splits --resume runs/resnet
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import _common
import numpy as np
import pandas as pd

from multimodal_ser.audio import signal
from multimodal_ser.audio.extract import clip_features
from multimodal_ser.audio.spectra import HOP_SAMPLES, RATE_HZ, Spectra, decibels
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.folds import make_folds, write_folds
from multimodal_ser.reports import figures, svg
from multimodal_ser.reports.markup import Markup
from multimodal_ser.tables import Features
from multimodal_ser.tables.labels import labels_of, relabel
from multimodal_ser.workflows import training
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.recipes import Learner, Recipe

STRICT = "luna5"
SCHEMES = ("random_leaky", STRICT)
#: What two CPU cores allow; the docstring says what that means.
SIZE_PX, EPOCHS, WAVEFORM_EPOCHS = 64, 15, 15
#: Model -> feature set, classifier, label scheme, published accuracy.
MODELS = {
    "spectrogram": ("spectrogram_image", "resnet18", "speech_song5", "75.6"),
    "mel": ("mel_image", "resnet18", "speech_song5", "66.9"),
    "mfcc": ("mfcc_image", "resnet18", "speech_song5", "65.9"),
    "waveform": ("waveform", "waveform_cnn", "emotions8", "14.6"),
}
NOTES = """
{clips} clips of speech and song of {actors} actors (five emotions: {five});
pipelines/spectrogram_resnet.py, seed {seed}, images of {size} px, {epochs} epochs (waveform:
{waveform_epochs}). Accuracy and UAR in percent; interval: 95 %, bootstrap over actors. {leaky}
column: a test clip's speaker, and the same words in the same emotion, are in training. {missing}
"""


def main() -> int:
    """Measure and print the table, or predict one file."""
    parser = _common.arguments(__doc__, "the RAVDESS speech and song clips")
    parser.add_argument(
        "--models", default=",".join(MODELS), help="rows to measure, by comma (default: all)"
    )
    parser.add_argument(
        "--protocols", default=",".join(SCHEMES), help="columns to measure (default: both)"
    )
    parser.add_argument("--splits", metavar="DIR", help="where the splits are kept as CSV")
    parser.add_argument("--size-px", type=int, default=SIZE_PX, help="of images in the network")
    parser.add_argument("--epochs", type=int, help="of every network (default: the recipe's)")
    parser.add_argument("--predict", metavar="FILE", help="predict this RAVDESS file instead")
    options = parser.parse_args()
    return _common.finish(options, predicted if options.predict else report)


def report(options: argparse.Namespace) -> str:
    """Return the table and what it means, as Markdown.

    Args:
        options: of :func:`_common.arguments` and of :func:`main`.

    Raises:
        SerError: a model or protocol is unknown.
    """
    wanted = _common.chosen(options.models, tuple(MODELS), "model")
    protocols = _common.chosen(options.protocols, SCHEMES, "protocol")
    clips = _clips(options.data)
    files = splits(clips, options)
    rows, drawn = [], []
    for name in MODELS:
        of_scheme, tables = relabel(clips, MODELS[name][2]), {}
        if name in wanted:
            data = _common.load(of_scheme, [recipe(name, options)], options)
            of_scheme = data.clips
            tables = {one: _table(name, one, data, files[one], options) for one in protocols}
        rows.append(_row(name, tables, of_scheme, options))
        if options.figures:
            drawn += _common.result_figures(tables, of_scheme, name)
    if options.figures:
        known = {label for name in wanted for label in labels_of(MODELS[name][2])}
        drawn += examples(clips[clips["emotion"].isin(known)])
    _common.write_figures(options, "Spectrogram ResNet: networks on waveform and images", drawn)
    return _common.markdown(rows, _notes(clips, wanted, protocols, options))


def _clips(folder: str) -> pd.DataFrame:
    clips = ravdess.index(folder)
    return clips[clips["audio"].notna()]


def splits(clips: pd.DataFrame, options: argparse.Namespace) -> dict[str, Path]:
    """Return the tables that say which clip is tested where, made where they are not.

    Args:
        clips: all clips; a model of fewer emotions is tested on those it knows.
        options: ``splits``, the folder, or None for one that is not kept, and ``seed``.

    Returns:
        Protocol -> CSV file, as ``folds.make_folds`` reads it.
    """
    folder = Path(options.splits or tempfile.mkdtemp(prefix="splits-"))
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for scheme in SCHEMES:
        found[scheme] = folder / f"{scheme}-seed{options.seed}.csv"
        if not found[scheme].exists():
            write_folds(make_folds(clips, scheme, seed=options.seed), found[scheme])
    return found


def _table(
    name: str, protocol: str, data: Data, split: Path, options: argparse.Namespace
) -> pd.DataFrame:
    folds = make_folds(data.clips, str(split))
    folds = folds if protocol == STRICT else folds[:1]
    recipes = {name: recipe(name, options)}
    return _common.measured(data, recipes, protocol, options, folds)[name]


def _epochs(name: str, options: argparse.Namespace) -> int:
    default = WAVEFORM_EPOCHS if name == "waveform" else EPOCHS
    return options.epochs or (1 if options.quick else default)


def recipe(name: str, options: argparse.Namespace) -> Recipe:
    """Return one of :data:`MODELS` as a recipe."""
    feature_set, classifier, scheme, _ = MODELS[name]
    params: dict = {"epochs": _epochs(name, options)}
    if classifier == "resnet18":
        params |= {"size_px": options.size_px} | ({"width": 8} if options.quick else {})
    learner = Learner("audio", feature_set, classifier, params)
    return _common.alone(learner, scheme, seed=options.seed)


def _row(name: str, tables: dict, clips: pd.DataFrame, options) -> dict:
    feature_set, classifier, scheme, published = MODELS[name]
    return {
        "model": classifier,
        "input": feature_set,
        "emotions": len(labels_of(scheme)),
        "published, random": published,
        **_common.leaky_cell(tables.get("random_leaky"), clips, "measured, random"),
        **_common.strict_cells(tables.get(STRICT), clips, "Luna folds", options.seed),
    }


def _notes(clips: pd.DataFrame, wanted: list[str], protocols: list[str], options) -> str:
    absent = [f"{name} (all)" for name in MODELS if name not in wanted]
    absent += [f"protocol {name}" for name in SCHEMES if name not in protocols]
    return NOTES.format(
        clips=len(clips),
        actors=clips["actor"].nunique(),
        five=len(relabel(clips, "speech_song5")),
        seed=options.seed,
        size=options.size_px,
        epochs=_epochs("spectrogram", options),
        waveform_epochs=_epochs("waveform", options),
        leaky=_common.LEAKY,
        missing=f"Not run: {', '.join(absent)}." if absent else "",
    )


def predicted(options: argparse.Namespace) -> str:
    """Return what the first of ``--models`` says of a file beside the file's own label.

    The model is fitted on all clips but those of the file's actor.

    Args:
        options: ``predict``, a file with a RAVDESS name, and those of :func:`report`;
            ``figures`` draws its waveform and spectrogram too.

    Raises:
        SerError: the file has no RAVDESS name, cannot be read, or has no sound.
    """
    name = _common.chosen(options.models, tuple(MODELS), "model")[0]
    feature_set, _, scheme, _ = MODELS[name]
    own = ravdess.row([options.predict])
    values = clip_features(options.predict, feature_set)
    if values is None:
        raise SerError(f"{options.predict}: it has no sound; give a recording that has")
    clips, one = relabel(_clips(options.data), scheme), recipe(name, options)
    data = _common.load(clips[clips["actor"] != own["actor"]], [one], options)
    model = training.fit_learner(one.audio[0], data, data.clips, one)
    names = data.inputs[feature_set].names
    index = pd.Index([own["clip"]], name="clip")
    probabilities = model.predict(Features(index, values[None], names)).iloc[0]
    said, label = probabilities.idxmax(), own["emotion"]
    known = "" if label in probabilities.index else ", which this model does not know"
    share = f"{100 * probabilities[said]:.0f} %"
    text = f"{options.predict}: {said}, {share}; label: {label}{known}"
    _common.write_figures(options, text, [(text, shown(options.predict))])
    return text


def shown(path: str) -> Markup:
    """Draw a recording's waveform above its spectrogram.

    Args:
        path: of the recording.

    Raises:
        MediaError: it cannot be read.
    """
    sound = signal.read(path, rate_hz=RATE_HZ)
    return waveform_and_spectrogram(sound, Path(path).name)


def examples(clips: pd.DataFrame) -> list[tuple[str, Markup]]:
    """Draw a recording of each emotion by one actor.

    Args:
        clips: a clips table; of its first actor each emotion's first clip is drawn,
            in RAVDESS the same words at normal intensity. One that cannot be read is
            left out, with a word on stderr.

    Returns:
        Title and drawing, in the order of the emotions.
    """
    of_actor = clips[clips["actor"] == clips["actor"].min()].sort_index()
    firsts = of_actor.drop_duplicates("emotion").sort_values("emotion")
    drawn = []
    for clip, path, emotion in zip(firsts.index, firsts["audio"], firsts["emotion"], strict=True):
        try:
            drawn.append((f"{emotion}: {clip}", shown(path)))
        except SerError as error:
            print(f"error: {error}", file=sys.stderr)
    return drawn


@svg.drawn
def waveform_and_spectrogram(sound: np.ndarray, name: str):
    """Draw samples at 22050 Hz, and below them their spectrogram in dB.

    The brighter the louder: from the loudest point, pale yellow, to 80 dB below it, black.

    Args:
        sound: mono float32 ``(n_samples,)``.
        name: of the recording, for the description.
    """
    seconds = len(sound) / RATE_HZ
    figure, (top, below) = svg.new_figure(figures.WIDTH, 300, rows=2, sharex=True)
    # Of so many stretches the lowest and the highest sample: more would be thinner than a pixel.
    stretches = np.array_split(sound, min(400, len(sound)))
    times = np.linspace(0, seconds, len(stretches), endpoint=False)
    low, high = ([edge(part) for part in stretches] for edge in (np.min, np.max))
    top.fill_between(times, low, high, color=svg.SERIES[0], linewidth=0.6)
    top.set_ylabel("sample, -1 to 1")
    level = decibels(Spectra(sound).power).T
    extent = (0, level.shape[1] * HOP_SAMPLES / RATE_HZ, 0, RATE_HZ / 2000)
    below.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="magma")
    below.tick_params(axis="x", pad=7)
    below.set(xlabel="time, s", ylabel="frequency, kHz", xlim=(0, max(seconds, 1e-3)))
    return figure, f"Waveform and spectrogram of {name}"


if __name__ == "__main__":
    sys.exit(main())
