r"""A face classifier that learnt from a table of action units, and reads films.

OpenFace's mean intensities of RAVDESS's 1,440 speech films, of 24 actors, are at hand,
the films are not. A logistic regression learns from those intensities; in a film they
are estimated from blendshapes (``fit_action_units.py``). So that it knows how much to
trust them, it learns from each clip as it is and from :data:`COPIES` copies with errors as
large as those of the estimate. The table printed is for the Luna folds: with the published
intensities, and with such errors added to the tested clips too, which is what
films can be expected to give if the estimate is as good on others as on the one
actor it was fitted on.

    python pipelines/train_geometry.py --data RAVDESS --units mean_action_units.csv
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import _common
import numpy as np
import pandas as pd

from multimodal_ser import datasets
from multimodal_ser.cli import terminal
from multimodal_ser.evaluation import protocol
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import Features, failure_table
from multimodal_ser.video.features import estimated_action_units as estimated
from multimodal_ser.workflows.data import Data, read_tables
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Learner, Recipe
from multimodal_ser.workflows.training import fit_learner

LEARNER = Learner("video", estimated.NAME, "logistic_regression")
COPIES = 8
RECIPE = Recipe(audio=None, video=(LEARNER,), inner_folds=0, adapt="both")


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="RAVDESS speech, for its index")
    parser.add_argument("--units", required=True, help="OpenFace's means, a row per clip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="also write the table, as Markdown, to this file")
    return _common.finish(parser.parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Return the table of the Luna folds as Markdown."""
    clips = datasets.index(options.data)
    return terminal.markdown(measured(taught(clips, options.units, options.seed), options.seed))


def taught(clips: pd.DataFrame, units: str, seed: int) -> Data:
    """Return what there is to learn from: clips, and copies with errors as extra ones.

    Args:
        clips: a clips table; those count that the table has a row of.
        units: OpenFace's means, a row per clip.
        seed: of the errors.
    """
    table = read_tables({"action_units": units})["action_units"]
    columns = [list(table.names).index(name) for name in estimated.names()]
    own = clips[clips.index.isin(table.clips)]
    values = table.take(own.index)[:, columns]
    random = np.random.default_rng(seed)
    parts, extra = [values], []
    for number in range(1, COPIES + 1):
        wrong = values + estimated.errors() * random.standard_normal(values.shape)
        parts.append(np.maximum(wrong, 0).astype(np.float32))
        extra.append(own.set_axis(own.index + f"#{number}", axis=0))
    copies = pd.concat(extra).rename_axis("clip")
    every = Features(own.index.append(copies.index), np.concatenate(parts), estimated.names())
    return Data(own, {LEARNER.key: every}, failure_table([]), copies)


def measured(data: Data, seed: int) -> pd.DataFrame:
    """Return how good it is on actors left out.

    Args:
        data: of :func:`taught`.
        seed: of the bootstrap over actors.
    """
    clean, wrong = [], []
    for fold in make_folds(data.clips, "luna5"):
        model = fitted(data, data.clips.loc[fold.train])
        clean.append(_said(model, data, fold.test))
        wrong.append(_said(model, data, [f"{clip}#1" for clip in fold.test]))
    rows = []
    for name, parts in {"published": clean, "with errors": wrong}.items():
        table = pd.concat(parts).set_axis(pd.concat(clean).index, axis=0)
        found = protocol.summary(table, data.clips.loc[table.index], seed=seed)
        row = {"intensities": name, "accuracy %": 100 * found["war"], "UAR %": 100 * found["uar"]}
        row |= {"low": 100 * found["uar_low"], "high": 100 * found["uar_high"]}
        rows.append(row | {"ECE %": 100 * found["ece"], "NLL": f"{found['nll']:.3f}"})
    return pd.DataFrame(rows)


def fitted(data: Data, train: pd.DataFrame) -> FeatureModel:
    """Return the classifier, taught by some of the clips and their copies.

    Args:
        data: of :func:`taught`.
        train: rows of its clips.
    """
    model = fit_learner(LEARNER, data, train, RECIPE)
    assert isinstance(model, FeatureModel)  # there is no network among the learners
    return model


def _said(model: FeatureModel, data: Data, clips: Sequence[str] | pd.Index) -> pd.DataFrame:
    found = data.inputs[LEARNER.key]
    assert isinstance(found, Features)
    return model.predict(found, list(clips))


if __name__ == "__main__":
    sys.exit(main())
