"""What unlabelled clips of a new person are worth: UAR by how many of them adapt a model.

A model is trained with ``--adapt both`` on each fold's training actors and tested on
the others: without adaptation, and with the statistics of 2 to 60 clips of each held-out
person, drawn with a seed. All clips of the person are tested whatever their number,
those that were drawn among them: their labels are looked at by nobody, but they
are not new to the statistics. 60 clips are all that RAVDESS has of a person.

RAVDESS is measured on the Luna folds, any other data set on five folds of actors.
Intervals: 95 %, bootstrap over actors; p: paired sign flips over actors, against the
same model without adaptation.

``--choose`` compares prior strengths (``evaluation.adaptation.STRENGTH_CLIPS``) instead,
inside each fold's training actors, on three folds of theirs, without a look at the
actors of the fold that is tested. The library's was chosen so: of 2, 5, 10 and 20 clips
2 and 5 were best on RAVDESS, 5 and 10 on 40 actors of CREMA-D (docs/results.md). The
strength is that of the prediction; in training it is the library's.

    python pipelines/adaptation_curve.py --data RAVDESS
    python pipelines/adaptation_curve.py --data CREMA-D --actors 40 [--choose]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import _common
import numpy as np
import pandas as pd

from multimodal_ser import datasets
from multimodal_ser.evaluation import adaptation, metrics, protocol
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.evaluation.significance import sign_flip_test
from multimodal_ser.tables import Features, actor_groups, selection
from multimodal_ser.workflows import training
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Recipe

AUDIO = "robust_functionals:corpora_regression"
#: Unlabelled clips of each person.
COUNTS = (0, 2, 5, 10, 20, 60)
STRENGTHS = (2.0, 5.0, 10.0, 20.0)
INNER_FOLDS = 3
NOTES = """
{clips} clips of {actors} actors, {folds} folds ({scheme}), {audio}, seed {seed};
pipelines/adaptation_curve.py. UAR in percent.
{more}
"""
OF_CURVE = f"""
Strength {adaptation.STRENGTH_CLIPS:g} clips; 95 % interval over actors; points and p: against
the same model without adaptation. The drawn clips are among the tested ones, unlabelled.
"""
OF_STRENGTHS = """
Of training actors alone, held out in turn: the mean over the folds, and in how many of them a
strength had the highest mean over the numbers of clips.
"""


def main() -> int:
    """Measure and print the table."""
    parser = _common.arguments(__doc__, "RAVDESS, CREMA-D or another data set")
    parser.add_argument("--audio", default=AUDIO, help=f"a learner of vectors (default: {AUDIO})")
    parser.add_argument("--actors", type=int, help="so many actors, drawn with the seed")
    parser.add_argument("--choose", action="store_true", help="compare prior strengths instead")
    return _common.finish(parser.parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Return the curve, or the comparison of strengths, as Markdown.

    Args:
        options: of :func:`main`.
    """
    name = datasets.recognise(options.data)
    clips = selection.labelled(datasets.load(name).index(options.data), "emotions8")
    if name == "ravdess":
        clips = selection.only(clips, "channel", "speech")
    clips = drawn_actors(clips[clips["audio"].notna()], options.actors, options.seed)
    recipe = Recipe(audio=options.audio, video=None, inner_folds=INNER_FOLDS, adapt="both")
    recipe = replace(recipe, seed=options.seed)
    data = _common.load(clips, [recipe], options)
    scheme = "luna5" if name == "ravdess" else "actors"
    found = strengths(data, recipe, scheme) if options.choose else curve(data, recipe, scheme)
    notes = NOTES.format(
        clips=len(data.clips),
        actors=data.clips["actor"].nunique(),
        folds=len(make_folds(data.clips, scheme, seed=options.seed)),
        scheme=scheme,
        audio=options.audio,
        seed=options.seed,
        more=(OF_STRENGTHS if options.choose else OF_CURVE).strip(),
    )
    return _common.markdown(found, notes)


def drawn_actors(clips: pd.DataFrame, count: int | None, seed: int) -> pd.DataFrame:
    """Return the clips of some actors, drawn with a seed; all for None."""
    actors = sorted(set(clips["actor"].dropna()))
    drawn = np.random.default_rng(seed).permutation(actors)[:count]
    return clips[clips["actor"].isin(drawn)]


def curve(data: Data, recipe: Recipe, scheme: str) -> list[dict]:
    """Return a row of the table per number of clips, and one of a model trained without."""
    folds = make_folds(data.clips, scheme, seed=recipe.seed)
    learner, without = recipe.heard[0], replace(recipe, adapt="none")
    features = cast("Features", data.inputs[learner.key])
    parts: dict[str, list[pd.DataFrame]] = {}
    for fold in folds:
        train, test = data.clips.loc[fold.train], data.clips.loc[fold.test]
        plain, fitted = (
            cast("FeatureModel", training.fit_learner(learner, data, train, one))
            for one in (without, recipe)
        )
        parts.setdefault("trained without", []).append(plain.predict(features, test.index))
        for count, table in adapted_tables(fitted, features, test, recipe.seed):
            parts.setdefault(str(count), []).append(table)
    tables = {name: pd.concat(found) for name, found in parts.items()}
    return [
        _row(name, table, tables["0"], data.clips, recipe.seed) for name, table in tables.items()
    ]


def _row(
    name: str, table: pd.DataFrame, none: pd.DataFrame, clips: pd.DataFrame, seed: int
) -> dict:
    scores = protocol.summary(table, clips, seed=seed)
    flip = sign_flip_test(table, none, clips, metric="uar", seed=seed)
    low, high = _common.percent(scores["uar_low"]), _common.percent(scores["uar_high"])
    return {
        "clips of the person": name,
        "UAR": _common.percent(scores["uar"]),
        "95 % interval": f"{low} to {high}",
        "points": _common.NOTHING if name == "0" else f"{100 * flip.difference:+.1f}",
        "p": _common.NOTHING if name == "0" else f"{flip.p_value:.4f}",
        "ECE": _common.percent(scores["ece"]),
    }


def adapted_tables(
    fitted: FeatureModel,
    features: Features,
    test: pd.DataFrame,
    seed: int,
    strength_clips: float = adaptation.STRENGTH_CLIPS,
    counts: Sequence[int] = COUNTS,
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield each number of clips and the probabilities of all test clips after seeing them.

    Args:
        fitted: with a reference.
        features: of these and other clips.
        test: clips of people whom the model does not know.
        seed: of the drawing; fewer clips are always among more.
        strength_clips: of the reference.
        counts: of clips drawn of each person, or all where there are fewer.
    """
    own = Features(test.index, features.take(test.index), features.names)
    order = np.random.default_rng(seed).permutation(len(test))
    turn = test.iloc[order].groupby(actor_groups(test.iloc[order])).cumcount()
    for count in counts:
        known = adaptation.Statistics()
        drawn = turn.index[turn < count]
        known.add(Features(drawn, features.take(drawn), features.names), test, "person")
        moved = known.normalise(own, test, "person", fitted.reference, strength_clips)
        yield count, fitted.predict(moved)


def strengths(data: Data, recipe: Recipe, scheme: str) -> list[dict]:
    """Return a row per strength: UAR of training actors, and in how many folds it is the best."""
    scores = pd.DataFrame(
        [
            (fold.name, strength, count, value)
            for fold in make_folds(data.clips, scheme, seed=recipe.seed)
            for strength, count, value in _inner(data, data.clips.loc[fold.train], recipe)
        ],
        columns=["fold", "strength", "count", "uar"],
    )
    by_fold = scores.groupby(["fold", "strength"])["uar"].mean().unstack("fold")
    best = by_fold.idxmax()
    means = scores.groupby(["strength", "count"])["uar"].mean().unstack("count")
    return [
        {"strength": f"{strength:g}"}
        | {f"UAR, {count} clips": _common.percent(value) for count, value in row.items()}
        | {"mean": _common.percent(row.mean()), "best in folds": int((best == strength).sum())}
        for strength, row in means.iterrows()
    ]


def _inner(data: Data, train: pd.DataFrame, recipe: Recipe) -> Iterator[tuple[float, int, float]]:
    """Yield strength, number of clips and the UAR of training actors, held out in turn."""
    learner = recipe.heard[0]
    features = cast("Features", data.inputs[learner.key])
    parts: dict[tuple[float, int], list[pd.DataFrame]] = {}
    for fold in training.inner_folds(train, recipe):
        learn, test = train.loc[fold.train], train.loc[fold.test]
        model = cast("FeatureModel", training.fit_learner(learner, data, learn, recipe))
        for strength in STRENGTHS:
            found = adapted_tables(model, features, test, recipe.seed, strength, COUNTS[1:])
            for count, table in found:
                parts.setdefault((strength, count), []).append(table)
    for (strength, count), tables in parts.items():
        yield strength, count, metrics.score(pd.concat(tables), train["emotion"])["uar"]


if __name__ == "__main__":
    sys.exit(main())
