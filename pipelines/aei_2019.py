"""AEI 2019: RAVDESS speech, four audio models (the video networks: ``aei_2019_video.py``).

Published: audio models trained on actors 1-20 and tested on 21-24 of the 1,440
speech clips, 157 MFCC, delta and energy values. The source scaled the test
actors by their own mean and deviation before the support vector machine, which
uses unlabelled test clips; that is measured under its name (``SCALED
SEPARATELY``) beside the right way. Where the source is silent: C is 1; the
random forest's and XGBoost's parameters are those at which its searches ended;
the convolutional network is described in ``audio/classifiers/conv1d.py`` and
stopped by a fifth of its training actors.

``--search`` repeats the searches inside each training part, on inner folds that
keep actors apart: XGBoost's 50 draws over five folds, and of the forest's two the
second, its grid over three, which does not depend on the draws before it.

Beside the published protocol each model is measured on the Luna folds, which
test every actor once.

    python pipelines/aei_2019.py --data RAVDESS
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import _common
import pandas as pd

from multimodal_ser.audio.classifiers import random_forest
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import Features
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.recipes import Learner, Recipe

#: Accuracy in percent, actors 21-24.
PUBLISHED = {"svc": 51.25, "xgboost": 50.0, "random_forest": 48.0, "conv1d": 41.25}
FEATURES = "mfcc_rms"
SCHEME, STRICT = "aei", "luna5"
#: Model -> what a search tries (None: the classifier's own), how, and its folds.
SEARCHES = {"xgboost": (None, "random", 5), "random_forest": (random_forest.GRID, "grid", 3)}
NOTES = """
{clips} clips of {actors} actors; pipelines/aei_2019.py{words}, seed {seed}. Accuracy and UAR in
percent; interval: 95 %, bootstrap over actors. SCALED SEPARATELY: the test actors of the support
vector machine are scaled by their own statistics, which uses unlabelled test clips.
"""


def main() -> int:
    """Measure and print the table."""
    parser = _common.arguments(__doc__, "the RAVDESS speech clips")
    parser.add_argument("--models", default=",".join(PUBLISHED), help="(default: all four)")
    parser.add_argument("--search", action="store_true", help="repeat the published searches")
    return _common.finish(parser.parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Return the table and what it means, as Markdown.

    Args:
        options: of :func:`_common.arguments`, ``models`` and ``search``.

    Raises:
        SerError: a model is unknown, or no clip can be read.
    """
    names = _common.chosen(options.models, tuple(PUBLISHED), "model")
    recipes = {name: recipe(name, options) for name in names}
    data = _common.load(_common.speech(options.data), recipes.values(), options)
    aei, luna = (_common.measured(data, recipes, s, options) for s in (SCHEME, STRICT))
    svc = {name: recipes[name] for name in names if name == "svc"}
    apart = aei | _common.measured(scaled_separately(data), svc, SCHEME, options)
    rows = [_row(name, apart[name], aei[name], luna[name], data.clips, options) for name in names]
    drawn = _common.result_figures(luna, data.clips, "Luna folds")
    _common.write_figures(options, "AEI 2019: four audio models", drawn)
    notes = NOTES.format(
        clips=len(data.clips),
        actors=data.clips["actor"].nunique(),
        words=" --quick" * options.quick + " --search" * options.search,
        seed=options.seed,
    )
    return _common.markdown(rows, notes)


def recipe(name: str, options: argparse.Namespace) -> Recipe:
    """Return a model as published, or with a search among its training clips."""
    params = {"epochs": 2} if options.quick and name == "conv1d" else {}
    if not options.search or name not in SEARCHES:
        return _common.alone(Learner("audio", FEATURES, name, params), seed=options.seed)
    space, method, n_folds = SEARCHES[name]
    how = {"search": 50, "search_method": method, "inner_folds": n_folds}
    if options.quick:
        how |= {"search": 2, "search_method": "random"}
    learner = Learner("audio", FEATURES, name, space=space)
    # Accuracy was maximised, as published.
    return _common.alone(learner, seed=options.seed, search_metric="accuracy", **how)


def scaled_separately(data: Data) -> Data:
    """Scale training and test actors each by their own statistics, as the source did."""
    fold, clips = make_folds(data.clips, SCHEME)[0], data.clips.index
    values = data.inputs[FEATURES].take(clips).copy()
    for part in (fold.train, fold.test):
        rows = clips.get_indexer(part)
        mean, spread = values[rows].mean(axis=0), values[rows].std(axis=0)
        values[rows] = (values[rows] - mean) / spread.clip(min=1e-12)
    features = Features(clips, values, data.inputs[FEATURES].names)
    return replace(data, inputs={FEATURES: features})


def _row(
    name: str,
    apart: pd.DataFrame,
    aei: pd.DataFrame,
    luna: pd.DataFrame,
    clips: pd.DataFrame,
    options: argparse.Namespace,
) -> dict:
    cells = _common.strict_cells(aei, clips, "actors 21-24", options.seed)
    del cells["UAR, actors 21-24"]
    published = _common.leaky_cell(apart, clips, "").popitem()[1]
    return {
        "model": name,
        "published": PUBLISHED[name],
        "as published (svc: test SCALED SEPARATELY)": published,
        **cells,
        **_common.strict_cells(luna, clips, "Luna folds", options.seed),
    }


if __name__ == "__main__":
    sys.exit(main())
