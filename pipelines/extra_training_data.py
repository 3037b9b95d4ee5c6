"""What extra training data is worth to the audio branch, measured on people it has not heard.

RAVDESS speech, eight emotions, 2669 functionals, the Luna folds. Each row is
fitted on a fold's training actors and some extra data, and tested on the same
clips as the others: nothing extra; the song of the training actors; CREMA-D,
other people in six of the eight emotions; a changed copy of every training clip
(noise, pitch, speed, gain, or a mixture); song, and mixed copies of speech and
song. A copy and a song are their actor's, and stay out of every fold that tests
this actor; extra clips are never tested.

The parameters of the models are their modules' defaults, written down below,
the same for all rows: they were found without extra data, which is in favour
of the row that has none. Twice as many clips also weigh twice against a fixed
penalty. What that alone does is the row whose extra clips are the training
clips once more, unchanged: a copy is worth what it adds to that row. Scaling
is fitted on all that is trained on.

``--adapted`` measures a second time with each speaker's clips normalised by
that speaker's own, of one kind at a time: speech by speech, song by song,
copies by copies. That is another protocol, as it needs unlabelled clips of the
person who is tested.

    python pipelines/extra_training_data.py --data RAVDESS --cremad CREMA-D
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import NamedTuple

import _common
import pandas as pd

from multimodal_ser.audio.augment import Augmentation
from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.datasets import cremad, ravdess
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.significance import sign_flip_test
from multimodal_ser.tables import CLIP_COLUMNS, selection
from multimodal_ser.workflows.benchmarking import benchmark
from multimodal_ser.workflows.recipes import Learner

FEATURES, SCHEME = "functionals", "luna5"
#: Model -> its parameters, in every row.
MODELS: dict[str, dict] = {
    "logistic_regression": {"c": 0.003},
    "svc": {"c": 1.0, "gamma": "auto"},
}


class Row(NamedTuple):
    """What the table calls a row, its extra clips, and what happens to a copy of each clip."""

    words: str
    extra: str | None = None
    copies: Augmentation | None = None


NONE, REPEATED = "none", "repeated"
ROWS = {
    NONE: Row("none"),
    REPEATED: Row("the same clips once more", None, Augmentation(probability=0.0)),
    "song": Row("song of the training actors", "song"),
    "cremad": Row("CREMA-D", "cremad"),
    "noise": Row(
        "copies, noise at 20 dB",
        None,
        Augmentation(kinds=("noise",), probability=1.0, snr_db=(20.0, 20.0)),
    ),
    "pitch": Row(
        "copies, pitch within 2 semitones", None, Augmentation(kinds=("pitch",), probability=1.0)
    ),
    "speed": Row("copies, speed 0.9 to 1.1", None, Augmentation(kinds=("speed",), probability=1.0)),
    "gain": Row("copies, gain within 6 dB", None, Augmentation(kinds=("gain",), probability=1.0)),
    "mixed": Row("copies, all four kinds mixed", None, Augmentation()),
    "song+mixed": Row("song, and mixed copies of both", "song", Augmentation()),
}
#: What ``--quick`` leaves out.
SINGLE_KINDS = ("noise", "pitch", "speed", "gain")
NOTES = """
{clips} clips of {actors} actors, 8 emotions, Luna folds; pipelines/extra_training_data.py{words},
seed {seed}. Rates in percent; interval: 95 %, bootstrap over actors; against none, against
once more: WAR minus that of the model's row without extra data, or with the training clips once
more, in points, with the p-value of a sign-flip test over actors, not corrected for there being
{rows} rows. Parameters, the same in all rows: {parameters}.
One copy per training clip; mixed: each of noise (10 to 30 dB), pitch, speed and gain with
probability 1/2. No extra clip is of a tested actor. adapted: each feature normalised with each
speaker's own unlabelled clips of the same kind, test speakers' too.
"""


def main() -> int:
    """Measure and print the table."""
    parser = _common.arguments(__doc__, "the RAVDESS clips, spoken and sung")
    parser.add_argument("--cremad", metavar="DIR", help="folder with CREMA-D")
    parser.add_argument("--models", default=",".join(MODELS), help="by comma (default: both)")
    parser.add_argument("--extra", help=f"by comma, of {', '.join(list(ROWS)[1:])} (default: all)")
    parser.add_argument("--adapted", action="store_true", help="measure speaker-adapted too")
    return _common.finish(parser.parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Return the table and what it means, as Markdown.

    Args:
        options: of :func:`_common.arguments`, and ``cremad``, ``models``,
            ``extra`` and ``adapted``.

    Raises:
        SerError: a model or a kind of extra data is unknown, or has no clips.
    """
    models, names = _wanted(options)
    clips = ravdess.index(options.data)
    speech, extra = selection.only(clips, "channel", "speech"), {None: None}
    needed = {ROWS[name].extra for name in names}
    if "song" in needed:
        extra["song"] = selection.only(clips, "channel", "song")
    if "cremad" in needed:
        extra["cremad"] = cremad.index(options.cremad)[list(CLIP_COLUMNS)]
    rows, drawn = [], []
    for adapt in ("none", "person") if options.adapted else ("none",):
        tables = {}
        for name in names:
            found = _tables(ROWS[name], models, adapt, speech, extra, options)
            tables |= {(model, name): table for model, table in found.items()}
        for model in models:
            of_model = {name: tables[model, name] for name in names}
            rows += [_row(name, model, adapt, of_model, speech, options.seed) for name in names]
            if options.figures:
                what = f"{model}, adapted: {adapt}"
                drawn += _common.result_figures(of_model, speech, what, with_curves=False)
    _common.write_figures(options, "What extra training data is worth", drawn)
    return _common.markdown(rows, _notes(speech, models, len(rows), options))


def _wanted(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return the models and the rows to measure, those that others are compared with first."""
    models = _common.chosen(options.models, tuple(MODELS), "model")
    names = list(ROWS)
    if options.extra:
        names = _common.chosen(options.extra, names, "extra data")
        if "cremad" in names and not options.cremad:
            raise SerError("the row 'cremad' needs CREMA-D; name its folder with --cremad")
    elif not options.cremad:
        names.remove("cremad")
    if options.quick:
        models, names = models[:1], [name for name in names if name not in SINGLE_KINDS]
    return models, [name for name in ROWS if name == NONE or name in names]


def _tables(row: Row, models, adapt: str, speech, extra, options) -> dict[str, pd.DataFrame]:
    """Return each model's held-out probabilities with a row's extra data."""
    how = {"copies": int(row.copies is not None), "augmentation": row.copies, "adapt": adapt}
    recipes = [
        _common.alone(Learner("audio", FEATURES, name, MODELS[name]), seed=options.seed, **how)
        for name in models
    ]
    run, failures = benchmark(
        speech,
        recipes,
        SCHEME,
        extra=extra[row.extra],
        cache=Cache(options.cache or default_folder()),
        workers=options.workers,
        run_folder=options.resume,
    )
    for error in failures["error"].unique():
        print(f"error: {error}", file=sys.stderr)
    return {name: model.probabilities for name, model in zip(models, run.models, strict=True)}


def _row(
    name: str, model: str, adapt: str, tables: Mapping[str, pd.DataFrame], clips, seed: int
) -> dict[str, str]:
    """Return the cells of a row, compared with two rows of the same model."""
    found = _common.strict_cells(tables[name], clips, "Luna folds", seed)
    cells = {"protocol": "strict" if adapt == "none" else f"adapted: {adapt}", "model": model}
    cells |= {"extra data": ROWS[name].words}
    cells |= dict(zip(("WAR", "95 % interval", "UAR"), found.values(), strict=True))
    for other, words in ((NONE, "none"), (REPEATED, "once more")):
        text = _common.NOTHING
        if other in tables and name not in (NONE, other):
            test = sign_flip_test(tables[name], tables[other], clips, metric="war", seed=seed)
            text = f"{100 * test.difference:+.1f} (p {test.p_value:.2g})"
        cells[f"against {words}"] = text
    return cells


def _notes(clips: pd.DataFrame, models: list[str], n_rows: int, options) -> str:
    words = " --quick" * options.quick + " --adapted" * options.adapted
    words += f" --models {options.models}" * (options.models != ",".join(MODELS))
    words += f" --extra {options.extra}" * bool(options.extra)
    listed = (", ".join(f"{k} {v}" for k, v in MODELS[model].items()) for model in models)
    pairs = zip(models, listed, strict=True)
    return NOTES.format(
        clips=len(clips),
        actors=clips["actor"].nunique(),
        words=words,
        seed=options.seed,
        rows=n_rows,
        parameters="; ".join(f"{model} {params}" for model, params in pairs),
    )


if __name__ == "__main__":
    sys.exit(main())
