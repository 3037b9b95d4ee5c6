r"""What unlabelled clips are worth to the released voice, at home and on a corpus left out.

The voice of ``train_voice.py`` is tested on people and on corpora that it did not learn
from: as it is, adapted to 2 to 60 unlabelled clips of each person, drawn with a seed, and
adapted to the whole set of recordings (``predict --adapt person``, ``--adapt set``). The
regressions adapt; the network hears frames as they are. All clips are tested whatever their
number, those that were drawn among them: nobody looks at their labels, but they are not new
to the statistics. Weights and temperatures are those of the voice without adaptation,
fitted without the tested actors or corpus. A person of nEMO has 332 clips on average, of
RAVDESS 60, of CREMA-D 82.

Intervals: 95 %, bootstrap over actors; p: sign flips over actors, against no adaptation.

    python pipelines/adapted_voice.py --data RAVDESS CREMAD NEMO --resume DIR
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import _common
import numpy as np
import pandas as pd
import train_voice

from multimodal_ser.cli import terminal
from multimodal_ser.evaluation import adaptation, corpora
from multimodal_ser.evaluation.folds import Fold
from multimodal_ser.evaluation.significance import sign_flip_test
from multimodal_ser.tables import Features
from multimodal_ser.tables.labels import labels_of, project, relabel
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Learner, Recipe
from multimodal_ser.workflows.training import fit_learner

NONE, SET = "none", "set"
#: Unlabelled clips of each person.
COUNTS = (2, 5, 10, 20, 60)
WAYS = (NONE, *(f"person, {count}" for count in COUNTS), SET)


class Answer(NamedTuple):
    """What is said of the tested clips of a fold, adapted in one way.

    Attributes:
        tables: learner -> probabilities.
        signs: how far the clips are, as adapted, from those learnt from.
    """

    tables: dict[str, pd.DataFrame]
    signs: pd.DataFrame


def main() -> int:
    """Measure and print the table."""
    return _common.finish(train_voice.arguments(__doc__).parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Return the table as Markdown.

    Args:
        options: of :func:`main`.

    Raises:
        SerError: a folder cannot be read, or holds too little.
    """
    data, recipe, folds = train_voice.loaded(options)
    held = {kind: train_voice.held_out(data, recipe, own, options) for kind, own in folds.items()}
    signs = {kind: train_voice.signs_of(data, recipe, own) for kind, own in folds.items()}
    rows = []
    for kind, own in folds.items():
        said: dict[str, list[pd.DataFrame]] = {way: [] for way in WAYS}
        for fold in own:
            pool = train_voice.pooled(held, signs, data.clips.loc[fold.train])
            for way, answer in adapted(data, recipe, fold, options).items():
                there = {name: table.loc[fold.test] for name, table in held[kind].items()}
                said[way].append(pool(there | answer.tables, answer.signs))
        tables = {way: pd.concat(parts) for way, parts in said.items()}
        rows.append(scored(tables, data.clips, options.seed).assign(left_out=kind))
    table = pd.concat(rows)
    shown = table[["left_out", *(name for name in table if name != "left_out")]]
    return terminal.markdown(shown.rename(columns={"left_out": "left out"}))


def adapted(
    data: Data, recipe: Recipe, fold: Fold, options: argparse.Namespace
) -> dict[str, Answer]:
    """Return what the regressions say of a fold's tested clips, by way of adapting.

    Args:
        data: of ``train_voice.loaded``.
        recipe: likewise.
        fold: of its folds.
        options: ``resume`` and ``seed``.
    """
    able = [one for one in recipe.heard if train_voice._adapt(one) != "none"]
    found = {one.name: _of_learner(one, data, recipe, fold, options) for one in able}
    known = train_voice.neighbours(data, recipe, fold.train)
    first = able[0]
    reference = adaptation.Reference.of(_features(data, first).take(fold.train))
    moved = dict(_moved(first, data, fold, reference, options.seed))
    return {
        way: Answer(
            {name: tables[way] for name, tables in found.items()},
            pd.DataFrame(known.signs(moved[way].values), moved[way].clips, list(train_voice.SIGNS)),
        )
        for way in WAYS
    }


def _of_learner(
    learner: Learner, data: Data, recipe: Recipe, fold: Fold, options: argparse.Namespace
) -> dict[str, pd.DataFrame]:
    """Return a learner's probabilities by way of adapting, read again where they were kept."""
    about = [repr(learner), repr(vars(recipe)), options.seed, WAYS, *fold.train, "", *fold.test]
    digest = hashlib.sha256("\n".join(map(str, about)).encode()).hexdigest()[:32]
    kept = Path(options.resume) / f"adapted-{digest}.parquet" if options.resume else None
    if kept is not None and kept.exists():
        whole = pd.read_parquet(kept)
        return {way: whole.loc[way].rename_axis("clip") for way in WAYS}
    fitted = cast("FeatureModel", fit_learner(learner, data, data.clips.loc[fold.train], recipe))
    assert fitted.reference is not None  # it is trained to adapt
    moved = _moved(learner, data, fold, fitted.reference, options.seed)
    found = {way: fitted.predict(values, fold.test) for way, values in moved}
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        pd.concat(found).to_parquet(kept)
    return found


def _features(data: Data, learner: Learner) -> Features:
    return cast("Features", data.inputs[learner.key])


def _moved(
    learner: Learner, data: Data, fold: Fold, reference: adaptation.Reference, seed: int
) -> Iterator[tuple[str, Features]]:
    """Yield the ways of adapting, and the tested clips' features adapted so."""
    test, features = data.clips.loc[fold.test], _features(data, learner)
    own = Features(test.index, features.take(test.index), features.names)
    yield NONE, own
    for way in WAYS[1:]:
        how, count = (SET, None) if way == SET else ("person", int(way.split()[-1]))
        known = adaptation.Statistics()
        random = np.random.default_rng(seed)
        for _, part in test.groupby(adaptation.groups(test, how).to_numpy()):
            drawn = part.index[random.permutation(len(part))[:count]]
            known.add(Features(drawn, features.take(drawn), features.names), test, how)
        yield way, known.normalise(own, test, how, reference)


def scored(tables: dict[str, pd.DataFrame], clips: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return each corpus' scores, a row for each way of adapting.

    Args:
        tables: way -> held-out answers; calm is counted as neutral.
        clips: a clips table.
        seed: of the bootstrap and the sign flips over actors.
    """
    shared = relabel(clips, train_voice.SHARED)
    rows = []
    for name, own in shared.groupby("dataset"):
        labels = labels_of(train_voice.SHARED)
        there = [label for label in labels if (own["emotion"] == label).any()]
        own = own.assign(emotion=pd.Categorical(own["emotion"].astype(object), categories=there))
        answers = {way: project(table.loc[own.index], there) for way, table in tables.items()}
        for way, answer in answers.items():
            found = corpora.by_data_set(answer, own, seed=seed).iloc[1]
            row = {"data set": name, "adapted to": way, "UAR": 100 * found["uar"]}
            row |= {"low": 100 * found["uar_low"], "high": 100 * found["uar_high"]}
            row |= {"UAR, 4 classes": 100 * found["uar4"], "ECE": 100 * found["ece"]}
            gain = sign_flip_test(answer, answers[NONE], own, seed=seed)
            p = "" if way == NONE else f"{gain.p_value:.4f}"
            rows.append(row | {"points": 100 * gain.difference, "p": p})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    sys.exit(main())
