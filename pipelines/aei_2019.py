"""System A: RAVDESS speech, four audio models, and the video networks.

Published: audio models trained on actors 1-20 and tested on 21-24 of the 1,440
speech clips, 157 MFCC, delta and energy values. The source scaled the test
actors by their own mean and deviation before the support vector machine, which
uses unlabelled test clips; that is measured under its name (``SCALED
SEPARATELY``) beside the right way. Where the source is silent: C is 1; the
random forest's and XGBoost's parameters are those at which its searches ended
(``--search`` repeats the searches inside each training part, with inner folds
grouped by actor); the
convolutional network is described in ``audio/classifiers/conv1d.py``.

Beside the published protocol each model is measured on the Luna folds, which
test every actor once.

    python pipelines/aei_2019.py --data RAVDESS
"""

from __future__ import annotations

import argparse
import sys
import time

import _common
import pandas as pd
from multimodal_ser.audio.model import AudioModel

from multimodal_ser.audio import classifiers
from multimodal_ser.datasets import ravdess
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.evaluation.search import search
from multimodal_ser.tables import Features, actor_groups

#: Accuracy in percent, actors 21-24.
PUBLISHED = {"svc": 51.25, "xgboost": 50.0, "random_forest": 48.0, "conv1d": 41.25}
FEATURES = "mfcc_rms"
SCHEME, STRICT = "aei", "luna5"
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
    clips = ravdess.index(options.data)
    clips = clips[(clips["channel"] == "speech") & clips["audio"].notna()]
    clips, features = _common.load(clips, FEATURES, options)
    rows, drawn = [], []
    for name in names:
        print(name, file=sys.stderr)
        started = time.monotonic()
        tables = {
            scheme: _table(name, scheme, clips, features, options) for scheme in (SCHEME, STRICT)
        }
        apart = tables[SCHEME]
        if name == "svc":
            scaled = _scaled_separately(clips, features)
            apart = _table(name, SCHEME, clips, scaled, options, "scaled-separately")
        row = _row(name, apart, tables, clips, options.seed)
        rows.append(row | {"minutes": f"{(time.monotonic() - started) / 60:.1f}"})
        if options.figures:
            drawn += _common.result_figures(tables[STRICT], clips, f"{name}, Luna folds")
    _common.write_figures(options, "System A: four audio models", drawn)
    notes = NOTES.format(
        clips=len(clips),
        actors=clips["actor"].nunique(),
        words=" --quick" * options.quick + " --search" * options.search,
        seed=options.seed,
    )
    return _common.markdown(rows, notes)


def _table(
    name: str,
    scheme: str,
    clips: pd.DataFrame,
    features: Features,
    options: argparse.Namespace,
    *parts: str,
) -> pd.DataFrame:
    """Return held-out probabilities under a scheme."""
    setting = f"{name}{'-searched' * options.search}{'-quick' * options.quick}"
    return _common.held_out(
        lambda: _Model(name, options),
        features,
        clips,
        make_folds(clips, scheme, seed=options.seed),
        resume=_common.place(options, scheme, setting, *parts),
    )


class _Model:
    """A model as published, or with parameters searched among its training clips."""

    def __init__(self, name: str, options: argparse.Namespace):
        self.name, self.options = name, options

    def fit(self, features: Features, clips: pd.DataFrame) -> _Model:
        # No epoch or parameter is chosen on the test actors: without a
        # validation part the network trains for its fixed 60 epochs.
        seed = self.options.seed
        params = {"epochs": 2} if self.options.quick and self.name == "conv1d" else {}
        if self.options.search:
            params |= _searched(self.name, clips, features, self.options)
        model = AudioModel(FEATURES, self.name, seed=seed, params=params)
        self.model = model.fit(features, clips)
        return self

    def predict(self, features: Features, clips: pd.Index) -> pd.DataFrame:
        return self.model.predict(features, clips)


def _row(name: str, apart: pd.DataFrame, tables: dict, clips: pd.DataFrame, seed: int) -> dict:
    aei = _common.strict_cells(tables[SCHEME], clips, "actors 21-24", seed)
    luna = _common.strict_cells(tables[STRICT], clips, "Luna folds", seed)
    luna["95 % interval (Luna)"] = luna.pop("95 % interval")
    del aei["UAR, actors 21-24"]
    published = _common.leaky_cell(apart, clips, "").popitem()[1]
    return {
        "model": name,
        "published": PUBLISHED[name],
        "as published (svc: test SCALED SEPARATELY)": published,
        **aei,
        **{key: luna[key] for key in sorted(luna, key=lambda key: key.startswith("UAR"))},
    }


def _scaled_separately(clips: pd.DataFrame, features: Features) -> Features:
    """Scale training and test actors each by their own statistics, as the source did."""
    fold = make_folds(clips, "aei")[0]
    values = features.take(clips.index).copy()
    for part in (fold.train, fold.test):
        rows = clips.index.get_indexer(part)
        mean, spread = values[rows].mean(axis=0), values[rows].std(axis=0)
        values[rows] = (values[rows] - mean) / spread.clip(min=1e-12)
    return Features(clips.index, values, features.names)


def _searched(
    name: str, train: pd.DataFrame, features: Features, options: argparse.Namespace
) -> dict:
    """Repeat the published search on training clips; models without one keep their defaults."""
    if name not in ("xgboost", "random_forest"):
        return {}
    module, seed = classifiers.load(name), options.seed
    values, codes = features.take(train.index), train["emotion"].cat.codes.to_numpy()
    shared = {"values": values, "labels": codes, "groups": actor_groups(train), "seed": seed}
    shared |= {"n_folds": 5 if name == "xgboost" else 3, "workers": options.workers}
    shared["scoring"] = "accuracy"  # as published
    n_draws = 2 if options.quick else 50
    best = search(module.build(seed=seed, n_jobs=1), module.SEARCH, n_draws=n_draws, **shared)
    print(f"{name}: drawn {best.best_score_:.3f} with {best.best_params_}", file=sys.stderr)
    if name == "random_forest" and not options.quick:
        best = search(module.build(seed=seed, n_jobs=1), module.GRID, n_draws=None, **shared)
        print(f"{name}: grid {best.best_score_:.3f} with {best.best_params_}", file=sys.stderr)
    return dict(best.best_params_)


if __name__ == "__main__":
    sys.exit(main())
