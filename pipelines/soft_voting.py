"""System D: RAVDESS speech and song, 16 classes (sex x emotion), soft votes.

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
candidates for each model instead, inside each training part and with three folds
grouped by actor, where the source's were random. A vote is the arithmetic mean
of its members, each fitted once. The networks' epochs are :data:`EPOCHS`. The
random split is the first of five of 80 to 20, as the source has one; its 490
clips leave about four points of doubt on either side. Speaker-independent are
the Luna folds. VGG16, VGG19 and MobileNet need the weights that
``keras.applications`` downloads; without them their rows say so.

    python pipelines/soft_voting.py --data RAVDESS --figures figures/soft_voting
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

import _common
import pandas as pd
from multimodal_ser.audio.model import AudioModel

from multimodal_ser.audio import classifiers
from multimodal_ser.audio.classifiers import ensemble, mlp
from multimodal_ser.audio.sex_first import SexFirst
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import MissingWeights
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import Features
from multimodal_ser.tables.labels import labels_of, relabel

FEATURES, IMAGES, SCHEME = "mfcc_chroma_mel", "mel_image224", "sex_emotion16"
STRICT = "luna5"
SCHEMES = ("random_leaky", STRICT)
#: Classical model -> its parameters.
CLASSICAL: dict[str, dict] = {
    "decision_tree": {},
    "random_forest": {"n_estimators": 500, "max_depth": None, "n_jobs": 1},
    "lightgbm": {},
    "xgboost": {"n_jobs": 1},
    "mlp": mlp.SYSTEM_D,
    "knn": {},
    "logistic_regression": {"c": 1.0},
}
#: Network -> passes over the training clips.
EPOCHS = {"pca_cnn": 60, "rnn": 10, "vgg16": 30, "vgg19": 30, "mobilenet": 30}
PRETRAINED = ("vgg16", "vgg19", "mobilenet")
SEX_FIRST = "sex_first_mlp"
#: Soft votes: members with their weights.
VOTES: dict[str, dict[str, int]] = {
    " + ".join(members): dict.fromkeys(members, 1) for members in ensemble.SYSTEM_D
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
        SerError: a model or protocol is unknown.
    """
    wanted = _common.chosen(options.models, MODELS, "model")
    schemes = _common.chosen(options.protocols, SCHEMES, "protocol")
    clips = ravdess.index(options.data)
    clips = relabel(clips[clips["audio"].notna()], SCHEME)
    clips, features = _common.load(clips, FEATURES, options)
    tables: dict[str, dict[str, pd.DataFrame]] = {scheme: {} for scheme in SCHEMES}
    reasons: dict[str, str] = {}
    for name in wanted:
        print(name, file=sys.stderr)
        try:
            inputs = _images(name, clips, options) if name in PRETRAINED else features
        except MissingWeights:
            reasons[name] = "no ImageNet weights here and no connection to download them"
            continue
        for scheme in schemes:
            tables[scheme][name] = _table(name, scheme, clips, inputs, options)
    for found in tables.values():
        found |= votes(found)
    rows = [_row(name, tables, clips, options.seed) for name in (*MODELS, *VOTES)]
    _draw(tables[STRICT], clips, options)
    tested = next(iter(tables["random_leaky"].values()), ())
    return _common.markdown(rows, _notes(clips, options, len(tested), reasons, tables[STRICT]))


def _images(name: str, clips: pd.DataFrame, options: argparse.Namespace) -> Features:
    """Return the pictures for a pre-trained network, once its weights are known to be there."""
    from multimodal_ser.audio import features as feature_sets

    classifiers.load(name).frozen(feature_sets.shape(IMAGES))
    return _common.load(clips, IMAGES, options)[1]


def _table(
    name: str, scheme: str, clips: pd.DataFrame, features: Features, options: argparse.Namespace
) -> pd.DataFrame:
    folds = make_folds(clips, scheme, seed=options.seed)
    return _common.held_out(
        lambda: _model(name, options),
        features,
        clips,
        folds if scheme == STRICT else folds[:1],
        resume=_common.place(options, scheme, name),
    )


def _model(name: str, options: argparse.Namespace):
    shared = {"labels": labels_of(SCHEME), "seed": options.seed}
    params = CLASSICAL.get(name) or {}
    if name in EPOCHS:
        feature_set = IMAGES if name in PRETRAINED else FEATURES
        return AudioModel(feature_set, name, params={"epochs": EPOCHS[name]}, **shared)
    if options.quick and name == "mlp":
        params = params | {"hidden": 64, "epochs": 100}
    if name == SEX_FIRST:
        return SexFirst(FEATURES, "mlp", params=CLASSICAL["mlp"], **shared)
    if options.search:
        how = {"method": "optuna", "n_draws": options.search, "n_folds": 3}
        how["scoring"] = "accuracy"  # as published
        space = classifiers.load(name).SEARCH
        return _common.Searched(FEATURES, name, space=space, fixed=params, **shared, **how)
    return AudioModel(FEATURES, name, params=params, **shared)


def votes(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the soft votes of which every member is there.

    The arithmetic mean of the members' probabilities is what ``ensemble`` with
    ``pooling="arithmetic"`` gives, without fitting them again.

    Args:
        tables: model -> held-out probabilities of the same clips.
    """
    found = {}
    for name, weights in VOTES.items():
        if all(member in tables for member in weights):
            first = tables[next(iter(weights))]
            values = [tables[member].loc[first.index].to_numpy() for member in weights]
            pooled = ensemble.pool(values, list(weights.values()), "arithmetic")
            found[name] = pd.DataFrame(pooled, first.index, first.columns)
    return found


def _row(name: str, tables: Mapping[str, Mapping], clips: pd.DataFrame, seed: int) -> dict:
    strict = tables[STRICT].get(name)
    sex = None if strict is None else sex_accuracy(strict, clips)
    return {
        "model": name,
        "published, random": PUBLISHED.get(name, _common.NOTHING),
        **_common.leaky_cell(tables["random_leaky"].get(name), clips, "measured, random"),
        **_common.strict_cells(strict, clips, "Luna folds", seed),
        "sex right, Luna folds": _common.percent(sex),
    }


def _draw(tables: Mapping[str, pd.DataFrame], clips: pd.DataFrame, options) -> None:
    if options.figures:
        drawn = []
        for name, table in tables.items():
            title = f"{name}, Luna folds"
            drawn += _common.result_figures(table, clips, title, with_curves=False)
        _common.write_figures(options, "System D: soft votes, 16 classes", drawn)


def _notes(clips: pd.DataFrame, options, tested: int, reasons: Mapping, measured: Mapping) -> str:
    absent = [name for name in (*MODELS, *VOTES) if name not in measured]
    said = [f"{name}: {reason}" for name, reason in reasons.items()]
    others = [name for name in absent if name not in reasons]
    said += [f"not run, or a member of the vote was not: {', '.join(others)}"] if others else []
    words = " --quick" * options.quick + f" --search {options.search}" * bool(options.search)
    return NOTES.format(
        clips=len(clips),
        actors=clips["actor"].nunique(),
        words=words,
        seed=options.seed,
        leaky=_common.LEAKY,
        tested=tested,
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
