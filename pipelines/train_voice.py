r"""The released voice, trained on three corpora, measured on people and corpora left out.

The corpora are RAVDESS, CREMA-D and nEMO. Three learners hear the utterance alone,
at one level and up to 8 kHz: functionals and random convolutions, each with a
regression that lets a corpus not tell calm from neutral, and a residual network on
log-mel frames. Each learns from every clip and from a copy of it as if recorded
elsewhere; the regressions also from both normalised by their speaker, so that the voice
can adapt (``predict --adapt person``). Here it is tested without.

They are fitted five times with a fifth of the actors of each corpus left out (in
RAVDESS the Luna folds), and once with each corpus left out. Both kinds of held-out
predictions together weigh the learners: by the first alone the voice would be too
sure of itself abroad, by the second alone not sure enough at home.
For every figure the weights are fitted without the actors, or the corpus, that are
tested; the learners of the other left-out corpora did hear that corpus.

TESS is for testing only. It is heard by ``multimodal-ser evaluate``, not here.

    python pipelines/train_voice.py --data RAVDESS CREMAD NEMO --output-model MODEL \
        --resume DIR
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import _common
import numpy as np
import pandas as pd

from multimodal_ser import datasets
from multimodal_ser.audio.augment import ELSEWHERE
from multimodal_ser.cli import terminal
from multimodal_ser.evaluation import corpora, protocol
from multimodal_ser.evaluation.folds import CORPORA, Fold, make_folds
from multimodal_ser.fusion import sets as label_sets
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.fusion.nested import apply_folds, fit_folds
from multimodal_ser.tables import EMOTIONS, actor_groups
from multimodal_ser.tables.labels import labels_of, project, relabel
from multimodal_ser.workflows.combining import Combiner
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.models import Model
from multimodal_ser.workflows.recipes import Learner, Recipe
from multimodal_ser.workflows.records import run_record
from multimodal_ser.workflows.training import fit_learner

if TYPE_CHECKING:
    from multimodal_ser.workflows.models import Fitted

#: Penalties and the network's schedule were settled on 9 actors of RAVDESS, 15 of
#: CREMA-D and 2 of nEMO, who are among those tested here.
LEARNERS = (
    Learner("audio", "robust_functionals", "corpora_regression", {"penalty": 0.05}),
    Learner("audio", "robust_convolutions", "corpora_regression", {"penalty": 0.15}),
    Learner("audio", "robust_log_mel", "log_mel_resnet", {"epochs": 8}),
)
N_FOLDS = 5
#: In the pool's weights and in scores calm is neutral, as in the corpora that lack it.
SHARED = "emotions7"
#: Of the prediction sets whose coverage is measured.
COVERAGE = 0.9
#: Edges of the groups of ages, in years.
_AGES, _AGE_NAMES = (0, 30, 45, 60, 120), ("below 30", "30 to 44", "45 to 59", "60 and above")
_COLUMNS = {"data_set": "data set", "classes": "classes", "uar": "UAR", "uar_low": "low"}
_COLUMNS |= {"uar_high": "high", "ece": "ECE", "nll": "NLL", "uar4": "UAR, 4 classes", "n": "clips"}
_COLUMNS |= {"coverage": "sets hold it", "size": "labels in set"}


def main() -> int:
    """Measure the voice, print the tables, and write the model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, nargs="+", help="folders of the corpora")
    parser.add_argument("--without-network", action="store_true", help="regressions alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--cache", help="where features are kept")
    parser.add_argument("--resume", metavar="DIR", help="keep finished folds there, and resume")
    parser.add_argument("--output-model", metavar="DIR", help="write the model there")
    parser.add_argument(
        "--units", help="OpenFace's means, a row per clip of RAVDESS: measure the voice beside them"
    )
    parser.add_argument("--output", help="also write the tables, as Markdown, to this file")
    return _common.finish(parser.parse_args(), report)


class Voice(NamedTuple):
    """A measured voice.

    Attributes:
        data: clips and features of all corpora.
        recipe: of the learners.
        fuser: the pool of what they say.
        sets: thresholds of prediction sets of its answers.
        answers: kind of folds -> its answers about clips of people, or corpora, left out.
        tables: scores, by what was left out and the labels.
    """

    data: Data
    recipe: Recipe
    fuser: Fuser
    sets: label_sets.PredictionSets | None
    answers: dict[str, pd.DataFrame]
    tables: dict[str, pd.DataFrame]


def report(options: argparse.Namespace) -> str:
    """Return the tables as Markdown; write the model where one is wanted.

    Args:
        options: of :func:`main`.

    Raises:
        SerError: a folder cannot be read, or holds too little.
    """
    started = time.monotonic()
    voice = measured(options)
    if options.output_model:
        made = model(voice)
        seconds = round(time.monotonic() - started, 1)
        record = run_record(voice.recipe, voice.data.clips, seconds=seconds)
        print(f"wrote {made.save(options.output_model, record, original=False)}")
    parts = [f"{name}\n\n{terminal.markdown(table)}" for name, table in voice.tables.items()]
    return "\n\n".join([*parts, f"weights: {weights(voice.fuser)}"])


def weights(fuser: Fuser) -> dict[str, float]:
    """Return what each learner's logarithm is multiplied by."""
    ((names, found),) = fuser.fitted.items()
    return dict(zip(names, np.round(found["weights"], 3).tolist(), strict=True))


def measured(options: argparse.Namespace) -> Voice:
    """Measure the voice on people and corpora left out.

    Args:
        options: ``data``, ``without_network``, and those of ``_common.load``.

    Raises:
        SerError: a folder cannot be read, or holds too little.
    """
    recipe = Recipe(
        audio=LEARNERS[: 2 if options.without_network else None],
        video=None,
        inner_folds=0,
        stop_share=0.0,
        copies=1,
        augmentation=ELSEWHERE,
        adapt="both",
        seed=options.seed,
    )
    clips = datasets.index(options.data)
    data = _common.load(clips[clips["audio"].notna()], [recipe], options)
    folds = {"people": people_folds(data.clips, options.seed)}
    if data.clips["dataset"].nunique() > 1:
        folds[CORPORA] = make_folds(data.clips, CORPORA)
    held = {name: held_out(data, recipe, one, options) for name, one in folds.items()}
    answers, chosen = answered(held, folds, data.clips)
    tables = {
        f"{kind} left out, {scheme}": scores(
            answers[kind], chosen[kind], data.clips, scheme, options.seed
        )
        for kind in answers
        for scheme in (("emotions8", SHARED) if kind == "people" else (SHARED,))
    }
    if getattr(options, "units", None):
        tables["people left out, RAVDESS with action units"] = with_units(
            held, folds, data, options
        )
    people = described(data.clips, options.data)
    tables["people left out, by group"] = by_group(answers["people"], people, options.seed)
    fuser = pooled(held, data.clips)
    return Voice(data, recipe, fuser, thresholds(fuser, held, data.clips), answers, tables)


def people_folds(clips: pd.DataFrame, seed: int) -> list[Fold]:
    """Return five folds of actors of every corpus, RAVDESS's those of Luna-Jimenez et al.

    Args:
        clips: a clips table.
        seed: of the corpora that have no published folds.
    """
    parts: dict[str, list[Fold]] = {}
    for name, own in clips.groupby("dataset"):
        scheme = "luna5" if name == "ravdess" else "actors"
        parts[str(name)] = make_folds(own, scheme, seed=seed, n_folds=N_FOLDS)
    found = []
    for at in range(N_FOLDS):
        test = [clip for one in parts.values() for clip in one[at].test]
        rest = clips.index[~clips.index.isin(test)]
        found.append(Fold(f"people {at}", rest, pd.Index(test)))
    return found


def held_out(
    data: Data, recipe: Recipe, folds: Sequence[Fold], options: argparse.Namespace
) -> dict[str, pd.DataFrame]:
    """Return what each learner says of the clips that it was not fitted on, by its name."""
    alone = {one.name: replace(recipe, audio=(one,), adapt=_adapt(one)) for one in recipe.heard}
    return _common.measured(data, alone, "actors", options, folds)


def _adapt(learner: Learner) -> str:
    """Return how a learner can adapt: frames are as they are."""
    return "none" if learner.input == "robust_log_mel" else "both"


class Rows(NamedTuple):
    """Held-out predictions of both kinds of folds, a clip of each being a row.

    Attributes:
        tables: learner -> probabilities of the labels that corpora share.
        truth: the row's label.
        actors: its actor.
    """

    tables: dict[str, pd.DataFrame]
    truth: pd.Series
    actors: pd.Series


def rows_of(held: Mapping[str, Mapping[str, pd.DataFrame]], clips: pd.DataFrame) -> Rows:
    """Return what was held out of some clips, calm counted as neutral.

    Args:
        held: kind of folds -> learner -> probabilities.
        clips: a clips table.
    """
    named = relabel(clips, SHARED)
    tables: dict[str, list[pd.DataFrame]] = {}
    truth, actors = [], []
    for kind, said in held.items():
        keys = kind + " " + named.index
        for name, table in said.items():
            part = project(table.loc[named.index], labels_of(SHARED))
            tables.setdefault(name, []).append(part.set_axis(keys, axis=0))
        truth.append(named["emotion"].astype(object).set_axis(keys))
        actors.append(pd.Series(actor_groups(named), keys))
    stacked = {name: pd.concat(parts) for name, parts in tables.items()}
    return Rows(stacked, pd.concat(truth), pd.concat(actors))


def pooled(held: Mapping[str, Mapping[str, pd.DataFrame]], clips: pd.DataFrame) -> Fuser:
    """Return the pool of the learners, its weights fitted on held-out predictions.

    Args:
        held: kind of folds -> learner -> probabilities.
        clips: those that the weights may be fitted on, a clips table.
    """
    rows = rows_of(held, clips)
    fuser = Fuser("log_pool").fit(rows.tables, rows.truth, rows.actors, sets=[tuple(rows.tables)])
    return replace(fuser, labels=EMOTIONS)


def thresholds(
    fuser: Fuser, held: Mapping[str, Mapping[str, pd.DataFrame]], clips: pd.DataFrame
) -> label_sets.PredictionSets | None:
    """Return the thresholds of prediction sets, each actor at home and abroad alike.

    Args:
        fuser: of :func:`pooled`.
        held: as for it.
        clips: as for it.
    """
    rows = rows_of(held, clips)
    answers = replace(fuser, labels=labels_of(SHARED))(rows.tables)
    return label_sets.fit({"audio": answers, "fused": answers}, rows.truth, rows.actors)


def answered(
    held: Mapping[str, Mapping[str, pd.DataFrame]],
    folds: Mapping[str, Sequence[Fold]],
    clips: pd.DataFrame,
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Return the voice's answers, and its prediction sets, by kind of folds.

    Weights and thresholds are fitted without the tested clips.

    Args:
        held: kind of folds -> learner -> probabilities.
        folds: by kind.
        clips: all of them.
    """
    answers, chosen = {}, {}
    for kind, tables in held.items():
        parts, sets = [], []
        for fold in folds[kind]:
            known = clips.loc[fold.train]
            fuser = pooled(held, known)
            said = fuser({name: table.loc[fold.test] for name, table in tables.items()})
            found = thresholds(fuser, held, known)
            assert found is not None  # there are labelled clips, or nothing could be pooled
            parts.append(said)
            shared = project(said, labels_of(SHARED))
            sets.append(label_sets.members(shared, found.threshold("audio", COVERAGE)))
        answers[kind], chosen[kind] = pd.concat(parts), pd.concat(sets)
    return answers, chosen


def scores(
    table: pd.DataFrame, chosen: pd.DataFrame, clips: pd.DataFrame, scheme: str, seed: int
) -> pd.DataFrame:
    """Return each corpus' scores on the labels that it tells apart, under a scheme.

    Args:
        table: held-out answers.
        chosen: their prediction sets of the labels that corpora share.
        clips: a clips table.
        scheme: of the labels.
        seed: of the bootstrap over actors.
    """
    kept = relabel(clips, scheme)
    rows = []
    for _, own in kept.groupby("dataset"):
        there = [label for label in labels_of(scheme) if (own["emotion"] == label).any()]
        own = own.assign(emotion=pd.Categorical(own["emotion"].astype(object), categories=there))
        part = project(table.loc[own.index], there)
        found = corpora.by_data_set(part, own, seed=seed).iloc[[1]]
        truth = relabel(own, SHARED)["emotion"]
        actors = pd.Series(actor_groups(own), own.index)
        sets = label_sets.measure(chosen.loc[own.index], truth, actors)
        rows.append(found.assign(coverage=sets["coverage"], size=sets["size"]))
    found = pd.concat(rows)[list(_COLUMNS)].rename(columns=_COLUMNS)
    percent = ("UAR", "low", "high", "ECE", "UAR, 4 classes", "sets hold it")
    return found.assign(**{name: 100 * found[name] for name in percent})


def with_units(
    held: Mapping[str, Mapping[str, pd.DataFrame]],
    folds: Mapping[str, Sequence[Fold]],
    data: Data,
    options: argparse.Namespace,
) -> pd.DataFrame:
    """Return scores of the voice, of mean action units and of both, actors of RAVDESS left out.

    All that is said of a clip was learnt without its actor, how it is weighed too.

    Args:
        held: kind of folds -> learner -> held-out probabilities.
        folds: by kind.
        data: all clips.
        options: of :func:`main`.
    """
    from multimodal_ser.workflows.data import read_tables

    clips = data.clips[data.clips["dataset"] == "ravdess"]
    units = read_tables({"action_units": options.units})
    recipe = Recipe(audio=None, video="action_units", inner_folds=0, seed=options.seed)
    alone = {one.name: replace(recipe, video=(one,)) for one in recipe.learners}
    own = [
        Fold(one.name, *(_within(part, clips) for part in (one.train, one.test)))
        for one in folds["people"]
    ]
    seen = Data(clips, dict(units), data.failures.iloc[:0])
    face = _common.measured(seen, alone, "luna5", options, own)
    voice = {name: table.loc[clips.index] for name, table in held["people"].items()}
    pairs = [(one.train, one.test) for one in own]
    rows = []
    for name, tables in {"voice": voice, "action units": face, "fused": voice | face}.items():
        fused = apply_folds(fit_folds(tables, clips, pairs, Fuser("log_pool")), tables, pairs)
        found = protocol.summary(fused, clips.loc[fused.index], seed=options.seed)
        row = {"answer": name, "accuracy": 100 * found["war"]}
        row |= {"low": 100 * found["war_low"], "high": 100 * found["war_high"]}
        rows.append(row | {"UAR": 100 * found["uar"], "ECE": 100 * found["ece"]})
    return pd.DataFrame(rows)


def _within(part: pd.Index, clips: pd.DataFrame) -> pd.Index:
    return part[part.isin(clips.index)]


def described(clips: pd.DataFrame, folders: Sequence[str]) -> pd.DataFrame:
    """Return clips with what each corpus says of its speakers, which a joined table leaves out."""
    wanted = ("age_years", "race", "ethnicity")
    parts = [datasets.index([folder]) for folder in folders]
    known = [part[[name for name in wanted if name in part]] for part in parts]
    told = pd.concat([part.reindex(columns=list(wanted)).astype(object) for part in known])
    columns = [name for name in wanted if name not in clips]
    return clips.join(told[columns][~told.index.duplicated()])


def by_group(table: pd.DataFrame, clips: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return scores by sex, and where they are known by age, race and ethnicity of the speakers.

    Args:
        table: held-out answers about people left out.
        clips: a clips table; those of CREMA-D have the columns of its demographics.
        seed: of the bootstrap over actors.

    Returns:
        One row per data set and group that has clips; without an interval where a
        group has fewer than two actors.
    """
    years = clips["age_years"] if "age_years" in clips else pd.Series(np.nan, clips.index)
    age = pd.cut(years.astype(float), _AGES, right=False, labels=_AGE_NAMES)
    columns = {name: clips[name] for name in ("sex", "race", "ethnicity") if name in clips}
    rows = []
    for (name, own), (kind, column) in itertools.product(
        clips.groupby("dataset"), ({"age": age} | columns).items()
    ):
        there = [label for label in EMOTIONS if (own["emotion"] == label).any()]
        for value, part in own.groupby(column[own.index].astype(object)):
            emotion = pd.Categorical(part["emotion"].astype(object), categories=there)
            said = project(table.loc[part.index], there)
            found = protocol.summary(said, part.assign(emotion=emotion), seed=seed)
            row = {"data set": name, "group": f"{kind}: {value}", "actors": part["actor"].nunique()}
            row |= {"UAR": 100 * found["uar"], "low": 100 * found["uar_low"]}
            row |= {"high": 100 * found["uar_high"], "ECE": 100 * found["ece"], "clips": len(part)}
            rows.append(row)
    return pd.DataFrame(rows)


def model(voice: Voice) -> Model:
    """Return the voice as a model, its learners fitted on all clips."""
    learners = fitted(voice)
    combiner = Combiner(dict.fromkeys(learners, "audio"), voice.fuser, sets=voice.sets)
    return Model(learners, combiner=combiner, adapt=voice.recipe.adapt)


def fitted(voice: Voice) -> dict[str, Fitted]:
    """Return the learners, fitted on all clips, by name."""
    every = voice.data.clips
    return {
        one.name: fit_learner(one, voice.data, every, voice.recipe) for one in voice.recipe.heard
    }


if __name__ == "__main__":
    sys.exit(main())
