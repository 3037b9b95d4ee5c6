"""How learners become one answer per modality, and one of both.

Everything is fitted on cross-fitted predictions: of training clips, by learners
that did not learn from their actors. One fuser answers for the sound alone, for
the face alone and for both: it is fitted for every set of learners that can
occur, which are those whose inputs come together (a sound, a video, a table).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from multimodal_ser.errors import SerError
from multimodal_ser.fusion import calibration, methods
from multimodal_ser.fusion import sets as label_sets
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.fusion.nested import apply_folds, fit_folds
from multimodal_ser.tables import actor_groups
from multimodal_ser.workflows.recipes import TABLES, Learner

#: Folds of actors over which it is measured what calibration does.
REPORT_FOLDS = 4


@dataclass
class Combiner:
    """The fitted way from the probabilities of learners to those of a clip.

    Attributes:
        modalities: name of a learner -> ``audio`` or ``video``.
        fuser: how learners become one, with what it has learnt.
        temperatures: name of a learner -> temperature of its calibration; 1 where
            none made held-out predictions better.
        sets: thresholds of prediction sets; None where there was nobody to hold out.
    """

    modalities: Mapping[str, str]
    fuser: Fuser = field(default_factory=lambda: Fuser("product"))
    temperatures: dict[str, float] = field(default_factory=dict)
    sets: label_sets.PredictionSets | None = None

    def check_coverage(self, coverage: float) -> label_sets.PredictionSets:
        """Return the thresholds of prediction sets that are kept for a coverage.

        Raises:
            SerError: there are none, or none for this coverage.
        """
        if self.sets is None:
            raise SerError(
                "the model was saved without prediction sets; train it again on clips of "
                "two or more actors, with inner folds"
            )
        self.sets.threshold("fused", coverage)
        return self.sets

    def label_sets(
        self, answers: Mapping[str, pd.DataFrame], coverage: float
    ) -> dict[str, pd.DataFrame]:
        """Return which labels are in the set of each answer, see ``fusion.sets``.

        Args:
            answers: of this combiner, by modality.
            coverage: share of new actors' clips whose set shall hold the true label.

        Returns:
            Booleans by modality, shaped as the answers. A fused answer that rests on one
            modality has that one's sets.

        Raises:
            SerError: see :meth:`check_coverage`.
        """
        kept = self.check_coverage(coverage)
        single = [name for name in ("audio", "video") if name in answers]
        found = {
            name: label_sets.members(answers[name], kept.threshold(name, coverage))
            for name in (*single, *(["fused"] if "fused" in answers else []))
        }
        if "fused" in found:
            there = pd.DataFrame({name: answers[name].notna().all(axis=1) for name in single})
            for name in single:
                alone = there[name] & (there.sum(axis=1) == 1)
                found["fused"].loc[alone] = found[name].loc[alone]
        return found

    def __call__(
        self,
        tables: Mapping[str, pd.DataFrame],
        clips: pd.Index,
        soften: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    ) -> dict[str, pd.DataFrame]:
        """Return the answers by modality.

        Args:
            tables: name of a learner -> probability table with index ``clip``;
                a row of NaN where its input is missing.
            clips: ids, in the order wanted.
            soften: makes the answer of the sound less sure, alone and beside a face.

        Returns:
            ``audio`` and ``video``, where there are learners of theirs,
            ``fused``, and ``shares``: what each modality adds to the fused
            decision, -1 to 1 (:meth:`Fuser.contributions`).
        """
        softened = {
            name: calibration.soften(table, self.temperatures.get(name, 1.0))
            for name, table in tables.items()
        }
        if soften is not None:
            softened |= self._less_sure(softened, soften)
        result = {}
        for modality in ("audio", "video"):
            part = {n: t for n, t in softened.items() if self.modalities[n] == modality}
            if part:
                result[modality] = self.fuser(part).reindex(clips)
        shares = self.fuser.contributions(softened).reindex(clips)
        of = [self.modalities.get(name, name) for name in shares.columns]
        result["fused"] = self.fuser(softened).reindex(clips)
        result["shares"] = shares.T.groupby(of, sort=False).sum(min_count=1).T
        return result

    def _less_sure(self, tables: Mapping[str, pd.DataFrame], soften: Callable) -> dict:
        """Return tables for the learners of sound that together give their softened answer."""
        ears = {n: t for n, t in tables.items() if self.modalities[n] == "audio"}
        if not ears:
            return {}
        answer = soften(self.fuser(ears))
        # In a pool of logarithms, terms of one table add up to it times their weights' sum.
        weights = self.fuser.fitted.get(tuple(ears), {}).get("weights", np.ones(len(ears)))
        return dict.fromkeys(ears, calibration.soften(answer, float(np.sum(weights))))


def fit(
    crossed: Mapping[str, pd.DataFrame],
    learners: Mapping[str, Learner],
    clips: pd.DataFrame,
    fusion: str,
) -> Combiner:
    """Fit calibration and fusion.

    Args:
        crossed: name of a learner -> cross-fitted probabilities of training
            clips; empty where there was nobody to hold out.
        learners: name -> learner, those of ``crossed``.
        clips: the training clips, with labels.
        fusion: one of ``fusion.methods.NAMES``.

    Returns:
        The combiner; where nothing can be learnt about several learners
        together, their product, or an unfitted ``fusion`` as it is.
    """
    modalities = {name: learner.modality for name, learner in learners.items()}
    truth, actors = clips["emotion"], pd.Series(actor_groups(clips), clips.index)
    said = {name: table.dropna(how="all") for name, table in crossed.items()}
    said = {name: table for name, table in said.items() if len(table)}
    pooled = methods.load(fusion).FITTED
    together = set.intersection(*(set(t.index) for t in said.values())) if said else set()
    if len(said) > 1 and pooled and truth[sorted(together)].nunique() > 1:
        names = tuple(said)
        fuser = Fuser(fusion).fit(said, truth, actors, sets=_sets(names, learners))
        # Its weights calibrate as well as combine, so a temperature would say it twice.
        return Combiner(modalities, fuser)
    temperatures = {name: kept(table, clips).temperature for name, table in said.items()}
    return Combiner(modalities, Fuser("product" if pooled else fusion), temperatures)


def held_out(
    crossed: Mapping[str, pd.DataFrame],
    learners: Mapping[str, Learner],
    clips: pd.DataFrame,
    fusion: str,
) -> dict[str, pd.DataFrame]:
    """Return the answers of combiners that were fitted on other actors.

    Neither learners nor calibration nor fusion have seen the actor of an answer. Parameters
    that were chosen on the same inner folds have, so scores of these answers are a little high.

    Args:
        crossed: as for :func:`fit`.
        learners: as for :func:`fit`.
        clips: as for :func:`fit`.
        fusion: as for :func:`fit`.

    Returns:
        Modality -> probabilities of training clips; nothing with fewer than two actors, or
        without cross-fitted predictions. ``fused`` where there are both modalities.
    """
    from multimodal_ser.evaluation.folds import make_folds

    actors = set(actor_groups(clips))
    count = min(REPORT_FOLDS, len(actors))
    crossed = {name: table for name, table in crossed.items() if table.notna().any(axis=None)}
    if count < 2 or not crossed:
        return {}
    parts: dict[str, list[pd.DataFrame]] = {}
    for fold in make_folds(clips, "actors", n_folds=count):
        known = {name: table[table.index.isin(fold.train)] for name, table in crossed.items()}
        known = {name: table for name, table in known.items() if table.notna().any(axis=None)}
        if not known:
            continue
        combiner = fit(known, learners, clips.loc[fold.train], fusion)
        test = pd.Index(fold.test, name="clip")
        answers = combiner({name: crossed[name].reindex(test) for name in known}, test)
        for name in ("audio", "video", "fused"):
            if name in answers:
                parts.setdefault(name, []).append(answers[name])
    return {name: pd.concat(tables) for name, tables in parts.items()}


def fit_sets(
    answered: Mapping[str, pd.DataFrame], clips: pd.DataFrame
) -> label_sets.PredictionSets | None:
    """Fit the thresholds of prediction sets.

    Args:
        answered: of :func:`held_out`.
        clips: the training clips, with labels.

    Returns:
        None where there is no answer.
    """
    answered = dict(answered)
    if len(answered) == 3:  # a fused answer of one modality has that one's sets
        both = answered["audio"].notna().all(axis=1) & answered["video"].notna().all(axis=1)
        answered["fused"] = answered["fused"][both]
    actors = pd.Series(actor_groups(clips), clips.index)
    return label_sets.fit(answered, clips["emotion"], actors)


def scored(
    answered: Mapping[str, pd.DataFrame],
    clips: pd.DataFrame,
    seed: int,
    named: pd.Series | None = None,
) -> list[dict]:
    """Return how good held-out answers are, as JSON values.

    Args:
        answered: of :func:`held_out`.
        clips: the training clips, with labels.
        seed: of the bootstrap over actors.
        named: by clip, whether its actor is a person; None where all known ones are.

    Returns:
        One dictionary for each of ``audio``, ``video`` and, of both, ``fused``: ``answer``, what
        ``protocol.summary`` gives of UAR, WAR, ECE and ``n``; ``labels`` and ``confusion``, a row
        of counts per true label; and ``by_actor``, the UAR (0 to 1) of each known actor.
    """
    from multimodal_ser.evaluation import metrics, protocol

    names = [name for name in answered if name != "fused" or len(answered) > 2]
    named = clips["actor"].notna() if named is None else named
    groups = pd.Series(actor_groups(clips), clips.index)[named]
    rows = []
    for name in names:
        table = answered[name].dropna(how="all")
        found = protocol.summary(table, clips, seed=seed)
        kept = [f"{metric}{end}" for metric in ("uar", "war") for end in ("", "_low", "_high")]
        counts = metrics.confusion(table, clips["emotion"])
        parts = table.groupby(groups.reindex(table.index))
        rows.append(
            {"answer": name, "labels": [str(label) for label in counts.index]}
            # Of one actor there is no interval.
            | {key: None if np.isnan(found[key]) else float(found[key]) for key in (*kept, "ece")}
            | {"n": int(found["n"]), "confusion": counts.to_numpy().astype(int).tolist()}
            | {
                "by_actor": {
                    str(actor): float(metrics.score(part, clips["emotion"])["uar"])
                    for actor, part in parts
                }
            }
        )
    return rows


def kept(table: pd.DataFrame, clips: pd.DataFrame) -> calibration.Kept:
    """Return the temperature of cross-fitted probabilities, 1 unless it helps on other actors."""
    return calibration.fit_kept_temperature(
        table, clips["emotion"], pd.Series(actor_groups(clips), clips.index)
    )


def _sets(names: tuple[str, ...], learners: Mapping[str, Learner]) -> list[tuple[str, ...]]:
    """Return the sets of learners that can occur together, the largest first."""
    source = {name: _source(learners[name]) for name in names}
    sources = list(dict.fromkeys(source.values()))
    sets = [
        tuple(name for name in names if source[name] in chosen)
        for size in range(len(sources), 0, -1)
        for chosen in itertools.combinations(sources, size)
    ]
    by_modality = [
        tuple(name for name in names if learners[name].modality == modality)
        for modality in ("audio", "video")
    ]
    return list(dict.fromkeys([*sets, *(one for one in by_modality if one)]))


def _source(learner: Learner) -> str:
    """Return what a learner's input comes from: inputs of one source come together."""
    return learner.input if learner.input in TABLES else learner.modality


def measured(
    crossed: Mapping[str, pd.DataFrame],
    learners: Mapping[str, Learner],
    clips: pd.DataFrame,
    fusion: str,
) -> list[dict]:
    """Return what calibration and fusion do on actors that they were not fitted on.

    Args:
        crossed: as for :func:`fit`.
        learners: as for :func:`fit`.
        clips: as for :func:`fit`.
        fusion: as for :func:`fit`.

    Returns:
        One dictionary for each of ``audio``, ``video`` and ``fused`` that there
        is: negative log-likelihood (nats) and expected calibration error (0 to
        1) ``before`` (the learners' product) and ``after``, both over
        folds of actors whom the fit did not see.
    """
    rows = []
    for modality in ("audio", "video", "fused"):
        names = [name for name, one in learners.items() if modality in (one.modality, "fused")]
        part = {name: crossed[name] for name in names if name in crossed}
        # Of a learner that could never be held out there is nothing to measure.
        part = {name: table for name, table in part.items() if table.notna().any(axis=None)}
        if part and (modality != "fused" or len({learners[n].modality for n in part}) > 1):
            rows.append({"answer": modality} | _before_and_after(part, learners, clips, fusion))
    return rows


def _before_and_after(part, learners, clips: pd.DataFrame, fusion: str) -> dict:
    from multimodal_ser.evaluation.folds import make_folds
    from multimodal_ser.evaluation.metrics import score

    if len(part) == 1:
        found = kept(next(iter(part.values())), clips)
        before, after = (found.nll_before, found.ece_before), (found.nll_after, found.ece_after)
    else:
        folds = make_folds(clips, "actors", n_folds=REPORT_FOLDS)
        answers = [Fuser("product")(part)]
        if methods.load(fusion).FITTED:
            pairs = [(fold.train, fold.test) for fold in folds]
            sets = _sets(tuple(part), learners)
            fitted = fit_folds(part, clips, pairs, Fuser(fusion), sets=sets)
            answers.append(apply_folds(fitted, part, pairs))
        else:
            answers.append(Fuser(fusion)(part))
        scores = [score(table, clips["emotion"]) for table in answers]
        before, after = ((one["nll"], one["ece"]) for one in scores)
    return dict(zip(("nll_before", "ece_before"), before, strict=True)) | dict(
        zip(("nll_after", "ece_after"), after, strict=True)
    )
