"""Audio and face of RAVDESS speech without a large network: functionals, kernels, action units.

Audio: 2669 functionals of librosa's features, and the 5500 answers of random
kernels to the log-mel frames. Face: 35 action units of OpenFace 2, averaged over
each clip, their square roots taken because shares and intensities near 0 are
crowded. Each of the three feature sets gets a support vector classifier,
logistic regression and three perceptrons; a weighted logarithmic pool makes one
answer of the classifiers of a set, of the audio's, and of all nine.
``--compare2016`` adds openSMILE's ComParE 2016 to the audio: it needs the package
opensmile, which is for research only, and takes a second per clip.

This is the preset ``best`` with its face by action units, in three protocols;
one alone is

    multimodal-ser benchmark RAVDESS --video action_units=mean_action_units.csv --run DIR

with ``--adapt person`` or ``--protocol random_leaky``. Penalties, and weights and
sharpness of the pools, are chosen by log-loss on inner folds of the training actors,
so nothing is fitted on a test actor. What inner folds did not choose: the feature
sets, the square root, the networks' size and the ranges of the penalties were
settled while looking at the same 24 actors (``workflows/recipes.py``). There are no
other actors; expect a little less on new ones.

    python pipelines/audio_action_units.py --data RAVDESS --run runs/audio-au

``RAVDESS`` holds the speech clips in any arrangement and
``openface_mean_au/mean_action_units.csv``. ``--audio-only`` leaves the face out and
needs no such table.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import _common
import pandas as pd

from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.evaluation.runs import Run, write_run
from multimodal_ser.reports.html import run_report
from multimodal_ser.workflows.benchmarking import benchmark, score_table
from multimodal_ser.workflows.recipes import Recipe

ACTION_UNITS = Path("openface_mean_au") / "mean_action_units.csv"
AUDIO, OPENSMILE, FACE = ("functionals", "random_convolutions"), "compare2016", "action_units"
#: Name of a run -> its folds, and how features are adapted.
PROTOCOLS = {
    "strict": ("luna5", "none"),
    "adapted": ("luna5", "person"),
    "leaky": ("random_leaky", "none"),
}
NOTES = """
{clips} clips of {actors} actors, 8 emotions; seed {seed}. Rates in percent; interval: 95 %,
bootstrap over actors. adapted: each feature normalised with each speaker's own unlabelled clips,
test speakers' too. leaky: speakers are on both sides of each fold.
"""


def main() -> int:
    """Measure and print the table."""
    parser = _common.arguments(__doc__, "the RAVDESS speech clips")
    parser.add_argument("--action-units", help=f"(default: DATA/{ACTION_UNITS.as_posix()})")
    parser.add_argument("--audio-only", action="store_true", help="leave the face out")
    parser.add_argument(
        "--compare2016", action="store_true", help="add openSMILE's features; for research only"
    )
    parser.add_argument("--protocols", default=",".join(PROTOCOLS), help="(default: all three)")
    parser.add_argument("--run", metavar="DIR", help="keep the runs and an HTML report there")
    return _common.finish(parser.parse_args(), report)


def recipes(options: argparse.Namespace) -> list[Recipe]:
    """Return a recipe for each feature set of the audio, and one of all of them and the face."""
    sets = (*AUDIO, *[OPENSMILE] * options.compare2016)
    if options.quick:  # one classifier of each
        sets = [f"{name}:logistic_regression" for name in sets]
    face = None if options.audio_only else f"{FACE}{':svc' * options.quick}"
    base = Recipe(audio="+".join(sets), video=face, seed=options.seed)
    return [*(replace(base, audio=name, video=None) for name in sets), base]


def report(options: argparse.Namespace) -> str:
    """Return the table and what it means, as Markdown.

    Args:
        options: of :func:`_common.arguments` and of :func:`main`.

    Raises:
        SerError: a protocol is unknown, or a table or the clips cannot be used.
    """
    names = _common.chosen(options.protocols, tuple(PROTOCOLS), "protocol")
    runs = {name: _run(name, options) for name in names}
    if options.run:
        run_report(list(runs.values()), Path(options.run) / "report.html")
    clips = runs[names[0]].clips
    tables = {model.name: model.probabilities for model in runs[names[0]].models}
    drawn = _common.result_figures(tables, clips, names[0])
    _common.write_figures(options, "Audio and action units", drawn)
    scores = pd.concat(score_table(run) for run in runs.values())
    rows = [_row(values) for values in scores.to_dict("records")]
    counts = {"clips": len(clips), "actors": clips["actor"].nunique(), "seed": options.seed}
    return _common.markdown(rows, NOTES.format(**counts))


def _run(name: str, options: argparse.Namespace) -> Run:
    scheme, adapt = PROTOCOLS[name]
    units = options.action_units or Path(options.data) / ACTION_UNITS
    run, failures = benchmark(
        _common.speech(options.data),
        [replace(recipe, adapt=adapt) for recipe in recipes(options)],
        scheme,
        tables={} if options.audio_only else {FACE: units},
        cache=Cache(options.cache or default_folder()),
        workers=options.workers,
        run_folder=Path(options.run) / name if options.run else options.resume,
    )
    for error in failures["error"].unique():
        print(f"error: {error}", file=sys.stderr)
    if options.run:
        write_run(Path(options.run) / name, run)
    return run


def _row(values: dict) -> dict[str, str]:
    cells = {key: values[key] for key in ("protocol", "modality", "model")}
    for metric in ("war", "uar"):
        low, high = (100 * values[f"{metric}_{end}"] for end in ("low", "high"))
        cells[metric.upper()] = _common.percent(values[metric])
        cells[f"interval {metric.upper()}"] = f"{low:.1f} to {high:.1f}"
    return cells | {"ECE": _common.percent(values["ece"]), "p": f"{values['p_best']:.2g}"}


if __name__ == "__main__":
    sys.exit(main())
