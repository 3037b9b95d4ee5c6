"""What a run's tables say, as plain tables: everything a page shows is computed here.

Scores come from :mod:`multimodal_ser.evaluation`; this module only arranges
them by class, by actor and by what fusion changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.evaluation import metrics, protocol, significance
from multimodal_ser.evaluation.runs import Run, RunModel
from multimodal_ser.tables import MODALITIES, actor_groups, top

#: Models of one run that are drawn; a run with more shows the best of them.
SHOWN_MODELS = 4
N_BINS = 15


def summaries(run: Run) -> pd.DataFrame:
    """Return ``protocol.summary`` of every model, a row a model in the run's order."""
    rows = {m.name: protocol.summary(m.probabilities, run.clips, seed=run.seed) for m in run.models}
    return pd.DataFrame(rows).T.rename_axis("model")


def shown_models(run: Run, scores: pd.DataFrame) -> list[RunModel]:
    """Return the models to draw: all of a few, else the best fused one with its parts.

    Without a fused model it is the best of each modality.
    """
    if len(run.as_recorded) <= SHOWN_MODELS:
        return sorted(run.as_recorded, key=lambda model: MODALITIES.index(model.modality))
    best = {name: best_model(run, scores, name) for name in MODALITIES}
    fused = best["fused"]
    if fused is not None and fused.parts:
        return [run.model(name) for name in fused.parts.values()] + [fused]
    return [model for model in best.values() if model is not None]


def best_model(run: Run, scores: pd.DataFrame, modality: str | None = None) -> RunModel | None:
    """Return the model, of one modality or of all, with the highest UAR on unchanged recordings."""
    found = [m for m in run.as_recorded if modality in (None, m.modality)]
    uar = scores["uar"].fillna(-1)
    return max(found, key=lambda model: uar[model.name], default=None)


def actor_names(clips: pd.DataFrame) -> pd.Series:
    """Return each clip's actor as shown: without the data set's name where there is one set."""
    names = pd.Series(actor_groups(clips), clips.index, dtype=object)
    if clips["dataset"].nunique() < 2 and clips["actor"].notna().all():
        return clips["actor"].astype(object)
    return names


def per_actor(models: list[RunModel], clips: pd.DataFrame) -> pd.DataFrame:
    """Return the UAR of every actor, worst first by the last model.

    Returns:
        Index actor, a column per model; NaN where the model has no clip of
        the actor.
    """
    names = actor_names(clips)
    columns = {}
    for model in models:
        given = model.probabilities.dropna(how="all")
        grouped = given.groupby(names.reindex(given.index).to_numpy())
        columns[model.name] = pd.Series(
            {actor: uar(table, clips["emotion"]) for actor, table in grouped}, dtype=float
        )
    table = pd.DataFrame(columns).rename_axis("actor")
    return table.sort_values(list(columns)[-1], kind="stable")


def uar(probabilities: pd.DataFrame, truth: pd.Series) -> float:
    """Return the UAR of ``metrics.score`` without the other metrics; a test holds them equal."""
    counts = metrics.confusion(probabilities, truth).to_numpy(dtype=float)
    present = counts.sum(axis=1) > 0
    return float(np.mean(np.diag(counts)[present] / counts.sum(axis=1)[present]))


def curve_lines(
    probabilities: pd.DataFrame, truth: pd.Series, kind: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return one-vs-rest curves, by scikit-learn.

    Args:
        probabilities: index ``clip``.
        truth: true labels by clip.
        kind: ``roc`` or ``pr``.

    Returns:
        Label -> x and y, 201 points, of the labels that have both kinds of
        clips; ``macro`` is the mean of their y.
    """
    from sklearn import metrics as sk

    values, codes = metrics.aligned(probabilities, truth)
    grid = np.linspace(0, 1, 201)
    lines = {}
    for code, label in enumerate(probabilities.columns):
        own = codes == code
        if not own.any() or own.all():
            continue
        if kind == "roc":
            x, y, _ = sk.roc_curve(own, values[:, code])
            lines[label] = (grid, np.interp(grid, x, y))
        else:
            precision, recall, _ = sk.precision_recall_curve(own, values[:, code])
            # Of the thresholds that reach a recall, the strictest.
            at = np.searchsorted(recall[::-1], grid - 1e-12)
            lines[label] = (grid, precision[::-1][at])
    if lines:
        lines["macro"] = (grid, np.mean([y for _, y in lines.values()], axis=0))
    return lines


def reliability_bins(probabilities: pd.DataFrame, truth: pd.Series) -> pd.DataFrame:
    """Return confidence and accuracy in the bins of ``metrics.expected_calibration_error``.

    Returns:
        A row a bin: ``low``, ``high``, mean ``confidence``, ``accuracy``, ``n``.
    """
    values, codes = metrics.aligned(probabilities, truth)
    confidence, right = values.max(axis=1), values.argmax(axis=1) == codes
    bins = np.clip(np.ceil(confidence * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    count = np.bincount(bins, minlength=N_BINS)
    table = pd.DataFrame({"low": np.arange(N_BINS) / N_BINS})
    table["high"] = table["low"] + 1 / N_BINS
    for name, values in (("confidence", confidence), ("accuracy", right)):
        total = np.bincount(bins, weights=values, minlength=N_BINS)
        table[name] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return table.assign(n=count)


def mistakes(model: RunModel, clips: pd.DataFrame, count: int = 12) -> pd.DataFrame:
    """Return the most confident wrong predictions of a model.

    Returns:
        Index ``clip``: ``actor``, ``true``, ``said``, ``confidence``, and one
        column per label, prefixed ``p:``.
    """
    verdict = verdicts(model, clips)
    wrong = verdict[~verdict["right"]].sort_values("confidence", ascending=False, kind="stable")
    chosen = wrong.head(count).drop(columns="right")
    return chosen.join(model.probabilities.loc[chosen.index].add_prefix("p:"))


def verdicts(model: RunModel, clips: pd.DataFrame) -> pd.DataFrame:
    """Return what a model said of each clip it has, and whether that is right.

    Returns:
        Index ``clip``: ``actor``, ``true``, ``said``, ``confidence``, ``right``.
    """
    given = model.probabilities.dropna(how="all")
    best = top(given, 1)
    table = pd.DataFrame(
        {
            "actor": actor_names(clips).reindex(given.index),
            "true": clips["emotion"].reindex(given.index).astype(object),
            "said": best["emotion_1"],
            "confidence": best["confidence_1"],
        }
    )
    return table.assign(right=(table["true"] == table["said"]).to_numpy(dtype=bool))


@dataclass(frozen=True)
class Fusion:
    """What a fused model changes against its parts.

    Attributes:
        model: the fused model.
        parts: modality -> the models that were fused.
        better: the part with the higher UAR on the clips it has.
        cases: index: which parts were right; ``clips``, ``fused_right``.
        changed: index ``clip``: ``actor``, ``true``, ``fused``, ``confidence``,
            one column per modality with what it said, and ``kind``: ``right``
            for clips that fusion put right, ``spoilt`` for the opposite, both
            against the better part.
        by_class: index label: gain in recall over the better part.
        by_actor: index actor: gain in UAR over the better part, worst first.
        gain: in UAR over the better part, on the clips that both have.
        p: of that gain, paired over actors; NaN where it cannot be tested.
    """

    model: RunModel
    parts: dict[str, RunModel]
    better: RunModel
    cases: pd.DataFrame
    changed: pd.DataFrame
    by_class: pd.Series
    by_actor: pd.Series
    gain: float
    p: float


def fusion(run: Run, model: RunModel, scores: pd.DataFrame) -> Fusion:
    """Compare a fused model with the parts it names, clip by clip."""
    parts = {modality: run.model(name) for modality, name in model.parts.items()}
    uar = scores["uar"].fillna(-1)
    better = max(parts.values(), key=lambda part: uar[part.name])
    both = _on_shared(model, better)
    truth = run.clips["emotion"]
    recall = [metrics.per_class(m.probabilities, truth)["recall"] for m in both]
    by_actor = per_actor([both[1], both[0]], run.clips) if len(both[0].probabilities) else None
    actor_gain = (
        pd.Series(dtype=float)
        if by_actor is None
        else (by_actor.iloc[:, 1] - by_actor.iloc[:, 0]).sort_values(kind="stable")
    )
    test = significance.sign_flip_test(
        both[0].probabilities, both[1].probabilities, run.clips, seed=run.seed
    )
    verdict = {name: verdicts(part, run.clips) for name, part in parts.items()}
    fused = verdicts(model, run.clips)
    return Fusion(
        model,
        parts,
        better,
        _cases(fused, verdict),
        _changed(fused, verdict, verdicts(better, run.clips)),
        recall[0] - recall[1],
        actor_gain,
        test.difference,
        test.p_value,
    )


def _on_shared(*models: RunModel) -> list[RunModel]:
    from dataclasses import replace

    given = [model.probabilities.dropna(how="all") for model in models]
    shared = given[0].index
    for table in given[1:]:
        shared = shared.intersection(table.index, sort=False)
    return [
        replace(model, probabilities=table.loc[shared])
        for model, table in zip(models, given, strict=True)
    ]


def _cases(fused: pd.DataFrame, parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    right = {name: table["right"].reindex(fused.index) for name, table in parts.items()}

    def case(clip: str) -> str:
        words = [
            f"{name} {'missing' if pd.isna(given[clip]) else 'right' if given[clip] else 'wrong'}"
            for name, given in right.items()
        ]
        return ", ".join(words)

    cases = pd.Series([case(clip) for clip in fused.index], fused.index, dtype=object)
    groups = fused["right"].groupby(cases)
    table = pd.DataFrame({"clips": groups.size(), "fused_right": groups.sum()})
    return table.sort_values("clips", ascending=False, kind="stable")


def _changed(fused: pd.DataFrame, parts: dict, better: pd.DataFrame) -> pd.DataFrame:
    shared = fused.index.intersection(better.index, sort=False)
    now, before = fused.loc[shared, "right"], better.loc[shared, "right"]
    kind = pd.Series("", shared, dtype=object)
    kind[now & ~before] = "right"
    kind[~now & before] = "spoilt"
    kind = kind[kind != ""]
    table = fused.loc[kind.index, ["actor", "true", "said", "confidence"]]
    table = table.rename(columns={"said": "fused"}).assign(kind=kind)
    for name, said in parts.items():
        table[name] = said["said"].reindex(table.index)
        table[f"{name}_confidence"] = said["confidence"].reindex(table.index)
    return table.sort_values("confidence", ascending=False, kind="stable")


def p_value(a: pd.DataFrame, b: pd.DataFrame, clips: pd.DataFrame, *, seed: int = 0) -> float:
    """Return the paired sign-flip p-value of a difference in UAR, or NaN without a test.

    Args:
        a: held-out probabilities of one model.
        b: of another; clips that only one of them has are left out.
        clips: the clips table.
        seed: of the draws.
    """
    shared = a.dropna(how="all").index.intersection(b.dropna(how="all").index, sort=False)
    if list(a.columns) != list(b.columns) or not len(shared):
        return float("nan")
    return significance.sign_flip_test(a.loc[shared], b.loc[shared], clips, seed=seed).p_value
