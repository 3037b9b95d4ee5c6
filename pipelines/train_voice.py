r"""The released voice, trained on three corpora, measured on people and corpora left out.

The corpora are RAVDESS, CREMA-D and nEMO. Three learners hear the utterance alone,
at one level and up to 8 kHz: functionals and random convolutions, each with a
regression that lets a corpus not tell calm from neutral, and a residual network on
log-mel frames. Each learns from every clip and from a copy of it as if recorded
elsewhere; the regressions also from both normalised by their speaker, so that the voice
can adapt (``predict --adapt person``). Here it is tested without.

They are fitted five times with a fifth of the actors of each corpus left out (in
RAVDESS the Luna folds), and once with each corpus left out. Both kinds of held-out
predictions together weigh the learners, and say how confidence falls with a clip's
distance from those that were learnt from (``fusion.strangeness``): by the first alone the
voice would be too sure of itself abroad, by the second alone not sure enough at home.
For every figure weights and temperatures are fitted without the actors, or the corpus,
that are tested; the learners of the other left-out corpora did hear that corpus.

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
from typing import TYPE_CHECKING, NamedTuple, cast

import _common
import numpy as np
import pandas as pd

from multimodal_ser import datasets
from multimodal_ser.audio.augment import ELSEWHERE
from multimodal_ser.cli import terminal
from multimodal_ser.errors import SerError
from multimodal_ser.estimators.neighbours import Neighbours
from multimodal_ser.evaluation import corpora, protocol
from multimodal_ser.evaluation.folds import CORPORA, Fold, make_folds
from multimodal_ser.fusion import calibration, strangeness
from multimodal_ser.fusion import sets as label_sets
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.fusion.nested import apply_folds, fit_folds
from multimodal_ser.fusion.strangeness import Strangeness
from multimodal_ser.tables import EMOTIONS, actor_groups
from multimodal_ser.tables.labels import labels_of, project, relabel
from multimodal_ser.workflows.combining import Combiner
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.models import Model, load_model
from multimodal_ser.workflows.novelty import Novelty
from multimodal_ser.workflows.recipes import Learner, Recipe
from multimodal_ser.workflows.records import run_record
from multimodal_ser.workflows.training import fit_learner

if TYPE_CHECKING:
    from multimodal_ser.tables import Features
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
SHARED, TOGETHER = "emotions7", ("neutral", "calm")
#: Of distance, see ``estimators.neighbours``.
SIGNS = ("distance", "ratio")
#: Of the prediction sets whose coverage is measured.
COVERAGE = 0.9
#: Edges of the groups of ages, in years.
_AGES, _AGE_NAMES = (0, 30, 45, 60, 120), ("below 30", "30 to 44", "45 to 59", "60 and above")
_COLUMNS = {"data_set": "data set", "classes": "classes", "uar": "UAR", "uar_low": "low"}
_COLUMNS |= {"uar_high": "high", "ece": "ECE", "nll": "NLL", "uar4": "UAR, 4 classes", "n": "clips"}
_COLUMNS |= {"strange": "called strange", "coverage": "sets hold it", "size": "labels in set"}


def main() -> int:
    """Measure the voice, print the tables, and write the model."""
    parser = arguments(__doc__)
    parser.add_argument("--fitted", metavar="MODEL", help="take learners fitted before from there")
    parser.add_argument("--output-model", metavar="DIR", help="write the model there")
    parser.add_argument(
        "--units", help="OpenFace's means, a row per clip of RAVDESS: measure the voice beside them"
    )
    return _common.finish(parser.parse_args(), report)


def arguments(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that recipes of this voice share.

    Args:
        description: the recipe's docstring, of which the first paragraph is shown.
    """
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    parser.add_argument("--data", required=True, nargs="+", help="folders of the corpora")
    parser.add_argument("--without-network", action="store_true", help="regressions alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--cache", help="where features are kept")
    parser.add_argument("--resume", metavar="DIR", help="keep finished folds there, and resume")
    parser.add_argument("--output", help="also write the tables, as Markdown, to this file")
    return parser


class Pool(NamedTuple):
    """How learners become one answer.

    Attributes:
        fuser: weighs them.
        strangeness: makes the answer less sure of clips that are far from what is known.
    """

    fuser: Fuser
    strangeness: Strangeness

    def __call__(self, tables: Mapping[str, pd.DataFrame], signs: pd.DataFrame) -> pd.DataFrame:
        """Return the answers about clips, whose signs of distance are given."""
        said = self.fuser(tables)
        temperatures = self.strangeness.temperatures(signs.loc[said.index].to_numpy())
        return calibration.soften_together(said, temperatures, TOGETHER)


class Voice(NamedTuple):
    """A measured voice.

    Attributes:
        data: clips and features of all corpora.
        recipe: of the learners.
        pool: of what they say.
        sets: thresholds of prediction sets of its answers.
        answers: kind of folds -> its answers about clips of people, or corpora, left out.
        tables: scores, by what was left out and the labels.
    """

    data: Data
    recipe: Recipe
    pool: Pool
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
        made = model(voice, options.fitted)
        seconds = round(time.monotonic() - started, 1)
        record = run_record(voice.recipe, voice.data.clips, seconds=seconds)
        print(f"wrote {made.save(options.output_model, record, original=False)}")
    parts = [f"{name}\n\n{terminal.markdown(table)}" for name, table in voice.tables.items()]
    return "\n\n".join([*parts, f"weights: {weights(voice.pool)}"])


def weights(pool: Pool) -> dict[str, float]:
    """Return what each learner's logarithm is multiplied by, and how temperature rises by sign."""
    ((names, found),) = pool.fuser.fitted.items()
    far = pool.strangeness
    names = (*names, "temperature", *SIGNS)
    values = [*found["weights"], np.exp(far.bias), *far.weights]
    return dict(zip(names, np.round(values, 3).tolist(), strict=True))


def measured(options: argparse.Namespace) -> Voice:
    """Measure the voice on people and corpora left out.

    Args:
        options: ``data``, ``without_network``, and those of ``_common.load``.

    Raises:
        SerError: a folder cannot be read, or holds too little.
    """
    data, recipe, folds = loaded(options)
    held = {name: held_out(data, recipe, one, options) for name, one in folds.items()}
    signs = {name: signs_of(data, recipe, one) for name, one in folds.items()}
    answers, chosen, strange = answered(held, signs, folds, data.clips)
    tables = {
        f"{kind} left out, {scheme}": scores(
            answers[kind], chosen[kind], strange[kind], data.clips, scheme, options.seed
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
    pool = pooled(held, signs, data.clips)
    sets = thresholds(pool, held, signs, data.clips)
    return Voice(data, recipe, pool, sets, answers, tables)


def loaded(options: argparse.Namespace) -> tuple[Data, Recipe, dict[str, list[Fold]]]:
    """Return the corpora with their features, the recipe, and both kinds of folds.

    Args:
        options: as for :func:`measured`.

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
    return data, recipe, folds


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


def neighbours(data: Data, recipe: Recipe, clips: pd.Index) -> Neighbours:
    """Return what is kept of training clips, to tell how far others are from them."""
    features = cast("Features", data.inputs[recipe.heard[0].key])
    owners = actor_groups(data.clips.loc[clips])
    return Neighbours.fit(features.take(clips), np.asarray(owners), recipe.seed)


def signs_of(data: Data, recipe: Recipe, folds: Sequence[Fold]) -> pd.DataFrame:
    """Return how far each held-out clip is from the training clips of its fold."""
    features = cast("Features", data.inputs[recipe.heard[0].key])
    parts = [
        pd.DataFrame(
            neighbours(data, recipe, one.train).signs(features.take(one.test)),
            one.test,
            list(SIGNS),
        )
        for one in folds
    ]
    return pd.concat(parts)


class Rows(NamedTuple):
    """Held-out predictions of both kinds of folds, a clip of each being a row.

    Attributes:
        tables: learner -> probabilities of the labels that corpora share.
        truth: the row's label.
        actors: its actor.
        signs: how far it is from what the learners knew.
        groups: its corpus, as people or as a corpus left out.
        home: whether its corpus was learnt from.
    """

    tables: dict[str, pd.DataFrame]
    truth: pd.Series
    actors: pd.Series
    signs: pd.DataFrame
    groups: pd.Series
    home: pd.Series


def rows_of(
    held: Mapping[str, Mapping[str, pd.DataFrame]],
    signs: Mapping[str, pd.DataFrame],
    clips: pd.DataFrame,
) -> Rows:
    """Return what was held out of some clips, calm counted as neutral.

    Args:
        held: kind of folds -> learner -> probabilities.
        signs: kind of folds -> :func:`signs_of`.
        clips: a clips table.
    """
    named = relabel(clips, SHARED)
    tables: dict[str, list[pd.DataFrame]] = {}
    truth, actors, far, groups = [], [], [], []
    for kind, said in held.items():
        keys = kind + " " + named.index
        for name, table in said.items():
            part = project(table.loc[named.index], labels_of(SHARED))
            tables.setdefault(name, []).append(part.set_axis(keys, axis=0))
        truth.append(named["emotion"].astype(object).set_axis(keys))
        actors.append(pd.Series(actor_groups(named), keys))
        far.append(signs[kind].loc[named.index].set_axis(keys, axis=0))
        groups.append(pd.Series((kind + " " + named["dataset"].astype(str)).to_numpy(), keys))
    stacked = {name: pd.concat(parts) for name, parts in tables.items()}
    whose = pd.concat(groups)
    home = ~whose.str.startswith(CORPORA)
    return Rows(stacked, pd.concat(truth), pd.concat(actors), pd.concat(far), whose, home)


def pooled(
    held: Mapping[str, Mapping[str, pd.DataFrame]],
    signs: Mapping[str, pd.DataFrame],
    clips: pd.DataFrame,
) -> Pool:
    """Return the pool of the learners, fitted on held-out predictions.

    Args:
        held: kind of folds -> learner -> probabilities.
        signs: kind of folds -> :func:`signs_of`.
        clips: those that it may be fitted on, a clips table.
    """
    rows = rows_of(held, signs, clips)
    fuser = Fuser("log_pool").fit(rows.tables, rows.truth, rows.actors, sets=[tuple(rows.tables)])
    far = strangeness.fit(fuser(rows.tables), rows.truth, rows.signs, rows.groups, rows.home)
    return Pool(replace(fuser, labels=EMOTIONS), far)


def thresholds(
    pool: Pool,
    held: Mapping[str, Mapping[str, pd.DataFrame]],
    signs: Mapping[str, pd.DataFrame],
    clips: pd.DataFrame,
) -> label_sets.PredictionSets | None:
    """Return the thresholds of prediction sets, each actor at home and abroad alike.

    Args:
        pool: of :func:`pooled`.
        held: as for it.
        signs: as for it.
        clips: as for it.
    """
    rows = rows_of(held, signs, clips)
    shared = Pool(replace(pool.fuser, labels=labels_of(SHARED)), pool.strangeness)
    answers = shared(rows.tables, rows.signs)
    return label_sets.fit({"audio": answers, "fused": answers}, rows.truth, rows.actors)


def answered(
    held: Mapping[str, Mapping[str, pd.DataFrame]],
    signs: Mapping[str, pd.DataFrame],
    folds: Mapping[str, Sequence[Fold]],
    clips: pd.DataFrame,
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame], dict[str, pd.Series]]:
    """Return the voice's answers, its prediction sets, and what is strange, by kind of folds.

    Weights, temperatures and thresholds are fitted without the tested clips.

    Args:
        held: kind of folds -> learner -> probabilities.
        signs: kind of folds -> :func:`signs_of`.
        folds: by kind.
        clips: all of them.
    """
    answers, chosen, strange = {}, {}, {}
    for kind, tables in held.items():
        parts, sets, far = [], [], []
        for fold in folds[kind]:
            known = clips.loc[fold.train]
            pool = pooled(held, signs, known)
            own = signs[kind].loc[fold.test]
            said = pool({name: table.loc[fold.test] for name, table in tables.items()}, own)
            found = thresholds(pool, held, signs, known)
            assert found is not None  # there are labelled clips, or nothing could be pooled
            parts.append(said)
            shared = project(said, labels_of(SHARED))
            sets.append(label_sets.members(shared, found.threshold("audio", COVERAGE)))
            far.append(pd.Series(pool.strangeness.strange(own.to_numpy()), own.index))
        answers[kind], chosen[kind], strange[kind] = map(pd.concat, (parts, sets, far))
    return answers, chosen, strange


def scores(
    table: pd.DataFrame,
    chosen: pd.DataFrame,
    strange: pd.Series,
    clips: pd.DataFrame,
    scheme: str,
    seed: int,
) -> pd.DataFrame:
    """Return each corpus' scores on the labels that it tells apart, under a scheme.

    Args:
        table: held-out answers.
        chosen: their prediction sets of the labels that corpora share.
        strange: which of them are called unlike what was learnt.
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
        far = strange.loc[own.index].mean()
        rows.append(found.assign(strange=far, coverage=sets["coverage"], size=sets["size"]))
    found = pd.concat(rows)[list(_COLUMNS)].rename(columns=_COLUMNS)
    percent = ("UAR", "low", "high", "ECE", "UAR, 4 classes", "called strange", "sets hold it")
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


def model(voice: Voice, released: str | None = None) -> Model:
    """Return the voice as a model, its learners fitted on all clips.

    Args:
        voice: measured.
        released: as for :func:`fitted`.
    """
    learners = fitted(voice, released)
    combiner = Combiner(dict.fromkeys(learners, "audio"), voice.pool.fuser, sets=voice.sets)
    return Model(learners, combiner=combiner, adapt=voice.recipe.adapt, novelty=novelty(voice))


def novelty(voice: Voice) -> Novelty:
    """Return how far clips are from all that the voice has learnt from."""
    known = neighbours(voice.data, voice.recipe, voice.data.clips.index)
    return Novelty(voice.recipe.heard[0].name, known, voice.pool.strangeness, TOGETHER)


def fitted(voice: Voice, released: str | None = None) -> dict[str, Fitted]:
    """Return the learners, fitted on all clips, by name.

    Args:
        voice: measured.
        released: a model of the same learners, fitted on the same clips before, to take
            them from; None fits them.

    Raises:
        SerError: that model has no such learner.
    """
    every, recipe = voice.data.clips, voice.recipe
    if released is None:
        return {one.name: fit_learner(one, voice.data, every, recipe) for one in recipe.heard}
    there = load_model(released).learners
    lost = [one.name for one in recipe.heard if one.name not in there]
    if lost:
        raise SerError(f"{released} has no learner {lost[0]}; leave out --fitted to fit it")
    return {one.name: there[one.name] for one in recipe.heard}


if __name__ == "__main__":
    sys.exit(main())
