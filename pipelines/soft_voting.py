"""Soft voting: RAVDESS speech and song, 16 classes (sex x emotion).

Published: 180 features (40 MFCC, 12 chroma, 128 mel bands, averaged over time),
one random split of 80 to 20, parameters by Optuna over three to five folds of
the training part; the accuracies of :data:`PUBLISHED`, among them the perceptron
(1283 units, L-BFGS, alpha 0.385) 0.83 and its vote with XGBoost 0.84. Deep: a
convolutional network on 66 principal components 0.68, VGG16 on mel images 0.73,
VGG19 0.46 (pre-trained 0.59), MobileNet 0.56, a recurrent network 0.18, and the
vote of the first two, 3 to 2, 0.78. Future work: the sex first, then a model for
each sex; ``sex_first_mlp`` is that, with the perceptron, the sex being recognised by
a support vector machine.

Where the source is silent: the parameters are those of the modules, the forest
has 500 trees, logistic regression C 1; ``--search N`` lets Optuna propose N
candidates for each classical model instead, inside each training part over three
folds, which keep actors apart but under the random split. A vote is the arithmetic
mean of its members, each fitted once. The networks have at most :data:`EPOCHS`
epochs; a fifth of the training actors stops them. The
random split is the first of five of 80 to 20, as the source has one; its 490
clips leave about four points of doubt on either side. Speaker-independent are
the Luna folds. VGG16, VGG19 and MobileNet need the weights that
``keras.applications`` downloads; without them their rows say so.

    python pipelines/soft_voting.py --data RAVDESS --figures figures/soft_voting
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

import _common
import pandas as pd

from multimodal_ser.audio import classifiers
from multimodal_ser.audio import features as feature_sets
from multimodal_ser.audio.classifiers import ensemble, mlp
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import MissingWeights
from multimodal_ser.evaluation.folds import Fold, make_folds
from multimodal_ser.tables.labels import labels_of, relabel
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.recipes import Learner, Recipe

FEATURES, IMAGES, SCHEME = "mfcc_chroma_mel", "mel_image224", "sex_emotion16"
LEAKY, STRICT = SCHEMES = ("random_leaky", "luna5")
#: Classical model -> its parameters.
CLASSICAL: dict[str, dict] = {
    "decision_tree": {},
    "random_forest": {"n_estimators": 500, "max_depth": None, "n_jobs": 1},
    "lightgbm": {},
    "xgboost": {"n_jobs": 1},
    "mlp": mlp.SOFT_VOTING_MLP,
    "knn": {},
    "logistic_regression": {"c": 1.0},
}
#: Network -> passes over the training clips at most.
EPOCHS = {"pca_cnn": 60, "rnn": 10, "vgg16": 30, "vgg19": 30, "mobilenet": 30}
PRETRAINED = ("vgg16", "vgg19", "mobilenet")
SEX_FIRST = "sex_first_mlp"
#: Soft votes: members with their weights.
VOTES: dict[str, dict[str, int]] = {
    " + ".join(members): dict.fromkeys(members, 1) for members in ensemble.SOFT_VOTES
} | {"3 pca_cnn + 2 vgg16": {"pca_cnn": 3, "vgg16": 2}}
#: Row -> published accuracy of the random split, in percent.
PUBLISHED = {
    "decision_tree": "46",
    "random_forest": "67",
    "lightgbm": "71",
    "xgboost": "73",
    "mlp": "83",
    "knn": "55",
    "logistic_regression": "68",
    "mlp + lightgbm": "82",
    "knn + xgboost + mlp": "83",
    "xgboost + mlp + random_forest + logistic_regression": "82",
    "mlp + xgboost": "84",
    "pca_cnn": "68",
    "vgg16": "73",
    "vgg19": "46 (pre-trained 59)",
    "mobilenet": "56",
    "rnn": "18",
    "3 pca_cnn + 2 vgg16": "78",
}
NO_WEIGHTS = "no ImageNet weights here and no connection to download them"
MODELS = (*CLASSICAL, SEX_FIRST, *EPOCHS)
NOTES = """
{clips} clips of speech and song of {actors} actors, 16 classes; pipelines/soft_voting.py{words},
seed {seed}. Accuracy and UAR in percent; interval: 95 %, bootstrap over actors. {leaky} column: a
test clip's speaker, and the same words in the same emotion, are in training; {tested} clips
tested. {missing}
"""


def main() -> int:
    """Measure and print the table."""
    parser = _common.arguments(__doc__, "the RAVDESS speech and song clips")
    parser.add_argument(
        "--models", default=",".join(MODELS), help="rows to measure, by comma (default: all)"
    )
    parser.add_argument(
        "--protocols", default=",".join(SCHEMES), help="columns to measure (default: both)"
    )
    parser.add_argument("--search", type=int, metavar="N", help="candidates of Optuna a model")
    return _common.finish(parser.parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Return the table and what it means, as Markdown.

    Args:
        options: of :func:`_common.arguments`, ``models``, ``protocols`` and ``search``.

    Raises:
        SerError: a model or protocol is unknown, or no weights are there for any model.
    """
    wanted = _common.chosen(options.models, MODELS, "model")
    schemes = _common.chosen(options.protocols, SCHEMES, "protocol")
    lost = [name for name in wanted if name in PRETRAINED and not has_weights(name)]
    names = [name for name in wanted if name not in lost]
    if not names:
        raise MissingWeights(f"{', '.join(lost)}: {NO_WEIGHTS}; choose other models")
    clips = ravdess.index(options.data)
    clips = relabel(clips[clips["audio"].notna()], SCHEME)
    recipes = {name: recipe(name, options) for name in names}
    data = _common.load(clips, recipes.values(), options)
    tables = {
        scheme: _tables(data, recipes, scheme, options) if scheme in schemes else {}
        for scheme in SCHEMES
    }
    rows = [_row(name, tables, data.clips, options.seed) for name in (*MODELS, *VOTES)]
    drawn = _common.result_figures(tables[STRICT], data.clips, "Luna folds", with_curves=False)
    _common.write_figures(options, "Soft voting: 16 classes", drawn)
    return _common.markdown(rows, _notes(data.clips, options, lost, tables))


def has_weights(name: str) -> bool:
    """Tell whether the ImageNet weights of a network are here or can be downloaded."""
    try:
        classifiers.load(name).frozen(feature_sets.shape(IMAGES))
    except MissingWeights:
        return False
    return True


def recipe(name: str, options: argparse.Namespace) -> Recipe:
    """Return a model with its parameters, or for ``sex_first_mlp`` the one of each sex."""
    name = "mlp" if name == SEX_FIRST else name
    params, how = dict(CLASSICAL.get(name, {})), {}
    if name in EPOCHS:
        params = {"epochs": EPOCHS[name]}
    elif options.search:
        how = {"search": options.search, "search_method": "optuna", "inner_folds": 3}
        how["search_metric"] = "accuracy"  # as published
    elif options.quick and name == "mlp":
        params |= {"hidden": 64, "epochs": 100}
    learner = Learner("audio", IMAGES if name in PRETRAINED else FEATURES, name, params)
    return _common.alone(learner, SCHEME, seed=options.seed, **how)


def _tables(
    data: Data, recipes: Mapping[str, Recipe], scheme: str, options: argparse.Namespace
) -> dict[str, pd.DataFrame]:
    """Return the held-out probabilities of all models and votes under a scheme."""
    folds = make_folds(data.clips, scheme, seed=options.seed)
    folds = folds[:1] if scheme == LEAKY else folds
    single = {name: one for name, one in recipes.items() if name != SEX_FIRST}
    found = _common.measured(data, single, scheme, options, folds)
    if SEX_FIRST in recipes:
        found[SEX_FIRST] = sex_first(data, recipes[SEX_FIRST], scheme, options, folds)
    return found | votes(found)


def sex_first(
    data: Data, recipe: Recipe, scheme: str, options: argparse.Namespace, folds: Sequence[Fold]
) -> pd.DataFrame:
    """Return the answers of a model for each sex, weighed by how probable each sex is.

    Args:
        data: of :func:`_common.load`, 16 classes.
        recipe: of each sex's model, which is fitted on the clips of that sex alone.
        scheme: of the folds.
        options: of :func:`_common.measured`.
        folds: who is tested; a tested clip's sex is not told.
    """
    sexes = labels_of("sex")
    by_sex = pd.Categorical(data.clips["sex"].astype(object), categories=sexes)
    told = replace(data, clips=data.clips.assign(emotion=by_sex))
    svc = _common.alone(Learner("audio", FEATURES, "svc"), "sex", seed=options.seed)
    share = _common.measured(told, {"sex": svc}, scheme, options, folds)["sex"]
    parts = []
    for sex in sexes:
        theirs = data.clips.index[data.clips["sex"] == sex]
        part = [fold._replace(train=fold.train.intersection(theirs)) for fold in folds]
        table = _common.measured(data, {sex: recipe}, scheme, options, part)[sex]
        parts.append(table.mul(share[sex], axis=0))
    return parts[0] + parts[1]


def votes(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the soft votes of which every member is there.

    The arithmetic mean of the members' probabilities is what ``ensemble`` with
    ``pooling="arithmetic"`` gives, without fitting them again.

    Args:
        tables: model -> held-out probabilities of the same clips.
    """
    return {
        name: sum(weight * tables[member] for member, weight in weights.items())
        / sum(weights.values())
        for name, weights in VOTES.items()
        if all(member in tables for member in weights)
    }


def _row(name: str, tables: Mapping[str, Mapping], clips: pd.DataFrame, seed: int) -> dict:
    strict = tables[STRICT].get(name)
    sex = None if strict is None else sex_accuracy(strict, clips)
    return {
        "model": name,
        "published, random": PUBLISHED.get(name, _common.NOTHING),
        **_common.leaky_cell(tables[LEAKY].get(name), clips, "measured, random"),
        **_common.strict_cells(strict, clips, "Luna folds", seed),
        "sex right, Luna folds": _common.percent(sex),
    }


def _notes(clips: pd.DataFrame, options, lost: Sequence[str], tables: Mapping) -> str:
    done = set().union(*tables.values())
    absent = [name for name in (*MODELS, *VOTES) if name not in (*done, *lost)]
    said = [f"{name}: {NO_WEIGHTS}" for name in lost]
    said += [f"not run, or a member of the vote was not: {', '.join(absent)}"] if absent else []
    return NOTES.format(
        clips=len(clips),
        actors=clips["actor"].nunique(),
        words=" --quick" * options.quick + f" --search {options.search}" * bool(options.search),
        seed=options.seed,
        leaky=_common.LEAKY,
        tested=len(next(iter(tables[LEAKY].values()), ())),
        missing=f"Not measured: {'; '.join(said)}." if said else "",
    )


def sex_accuracy(table: pd.DataFrame, clips: pd.DataFrame) -> float:
    """Return how often the sex alone was right, 0 to 1.

    Args:
        table: held-out probabilities of the 16 classes.
        clips: a clips table with ``sex``.
    """
    said = table.idxmax(axis=1).str.split("_").str[0]
    return float((said == clips.loc[table.index, "sex"].astype(object)).mean())


if __name__ == "__main__":
    sys.exit(main())
