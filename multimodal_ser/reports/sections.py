"""What the sections of a run's page show; ``templates/sections/`` says how it looks."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from multimodal_ser.evaluation import corpora, metrics, robustness
from multimodal_ser.evaluation.runs import RunModel
from multimodal_ser.reports import figures, findings
from multimodal_ser.reports.blocks import View
from multimodal_ser.reports.markup import Markup
from multimodal_ser.reports.wording import NONE, percent
from multimodal_ser.tables import MODALITIES

#: Actors that are drawn; more would make the figure unreadable.
SHOWN_ACTORS = 48
SHOWN_CLIPS = 8
_CURVES = {"roc": "ROC", "pr": "Precision and recall"}
_AREAS = {"roc_auc": "ROC AUC", "average_precision": "AP"}


def scores(view: View) -> dict:
    """Return the models in order of their scores, and the best of each modality."""
    best = [findings.best_model(view.run, view.scores, name) for name in MODALITIES]
    return {
        "best": [model for model in best if model is not None],
        "ranked": sorted(view.run.as_recorded, key=lambda model: -_uar(view, model)),
        "chance": 100 / max(view.truth.nunique(), 1),
        "conditions": _conditions(view),
        "data_sets": _data_sets(view) if corpora.has_data_sets(view.run) else [],
    }


def _conditions(view: View) -> list[dict]:
    """Return every model beside that of the recordings as they are; nothing without conditions."""
    if len(view.run.as_recorded) == len(view.run.models):
        return []
    table = view.scores.join(robustness.against_clean(view.run))
    models = sorted(view.run.models, key=lambda model: MODALITIES.index(model.modality))
    return [{"model": model, **table.loc[model.name]} for model in models]


def _data_sets(view: View) -> list[tuple[RunModel, dict]]:
    """Return each model with its scores of all data sets and of each."""
    return [
        (model, row)
        for model in view.shown
        for row in corpora.by_data_set(
            model.probabilities, view.run.clips, seed=view.run.seed
        ).to_dict("records")
    ]


def _uar(view: View, model: RunModel) -> float:
    return float(view.scores["uar"].fillna(-1)[model.name])


def classes(view: View) -> dict:
    """Return recall, precision and F1 of every label, and the confusion matrices."""
    rates = {m.name: metrics.per_class(m.probabilities, view.truth) for m in view.shown}
    recall = pd.DataFrame({name: each["recall"] for name, each in rates.items()})
    confusions = {
        m.name: figures.confusion(
            _that_occur(metrics.confusion(m.probabilities, view.truth)), m.name
        )
        for m in view.shown
        if m.probabilities.notna().any(axis=None)
    }
    bars = figures.bars(recall.loc[view.there], view.colours)
    lacking = [label for label in view.run.labels if label not in view.there]
    return {"rates": rates, "bars": bars, "confusions": confusions, "lacking": lacking}


def _that_occur(counts: pd.DataFrame) -> pd.DataFrame:
    """Return a confusion matrix of the labels that clips have, and that they were called."""
    real, called = counts.sum(axis=1) > 0, counts.sum(axis=0) > 0
    return counts.loc[real, real | called]


def curves(view: View) -> dict:
    """Return ROC and precision-recall curves of the models shown, and their areas."""
    drawn = {title: _curves(view, kind) for kind, title in _CURVES.items()}
    return {"curves": drawn, "areas": [row for model in view.shown for row in _areas(view, model)]}


def _curves(view: View, kind: str) -> dict[str, Markup]:
    lines = {m.name: findings.curve_lines(m.probabilities, view.truth, kind) for m in view.shown}
    return {
        name: figures.curves(each, kind, name, labels=view.there) for name, each in lines.items()
    }


def _areas(view: View, model: RunModel) -> list[list[str]]:
    by_class = metrics.per_class(model.probabilities, view.truth).loc[view.there]
    return [
        [model.name, words, percent(view.scores[name][model.name]), *map(percent, by_class[name])]
        for name, words in _AREAS.items()
    ]


def reliability(view: View) -> dict:
    """Return each model's reliability diagram."""
    bins = {m.name: findings.reliability_bins(m.probabilities, view.truth) for m in view.shown}
    return {name: figures.reliability(each, name) for name, each in bins.items()}


def actors(view: View) -> dict:
    """Return the score of every actor."""
    scored = findings.per_actor(view.shown, view.run.clips)
    overall = view.scores.loc[[m.name for m in view.shown], ["uar", "uar_low", "uar_high"]]
    overall = overall.set_axis(["value", "low", "high"], axis=1).astype(float)
    unknown = int(view.run.clips["actor"].isna().sum())
    if unknown:
        scored = scored[~scored.index.str.startswith("clip/")]
    return {
        "drawing": figures.actors(scored.head(SHOWN_ACTORS), overall, view.colours),
        "marks": figures.MARKER_SIGNS,
        "rows": [[actor, *map(percent, row)] for actor, row in scored.astype(float).iterrows()],
        "unknown": unknown,
        "limit": SHOWN_ACTORS,
    }


def fusion(view: View) -> dict:
    """Return what fusion changes against the better of its parts; nothing without parts."""
    fused = [m for m in view.shown if m.modality == "fused" and m.parts]
    if not fused:
        return {}
    model = max(fused, key=lambda model: _uar(view, model))
    found = findings.fusion(view.run, model, view.scores)
    gains, kind = found.by_actor, found.changed["kind"]
    return {
        "found": found,
        "by_label": figures.gains(found.by_class[view.there], "recall gained, percentage points"),
        "by_actor": _drawn_gains(gains) if len(gains) else None,
        "helped": int((gains > 1e-12).sum()),
        "harmed": int((gains < -1e-12).sum()),
        "limit": SHOWN_ACTORS,
        "cases": found.cases.rename_axis("case").reset_index().to_dict("records"),
        "n_right": int((kind == "right").sum()),
        "n_spoilt": int((kind == "spoilt").sum()),
        "right": _records(found.changed[kind == "right"].head(SHOWN_CLIPS)),
        "spoilt": _records(found.changed[kind == "spoilt"].head(SHOWN_CLIPS)),
    }


def _drawn_gains(people: pd.Series) -> Markup:
    if len(people) > SHOWN_ACTORS:
        people = pd.concat([people.head(SHOWN_ACTORS // 2), people.tail(SHOWN_ACTORS // 2)])
    return figures.gains(people, "UAR gained, percentage points")


def _records(table: pd.DataFrame) -> list[dict]:
    return table.rename_axis("clip").reset_index().to_dict("records")


def worst(view: View) -> list[dict]:
    """Return the most confident mistakes of the best model."""
    return _records(findings.mistakes(view.best, view.run.clips))


def data(view: View) -> dict:
    """Return what the clips are, the folds, and how the run was made."""
    from multimodal_ser import datasets

    run = view.run
    sets = sorted(run.clips["dataset"].dropna().unique())
    made = run.command or f"benchmark DATA --protocol {run.protocol} --run RUN"
    return {
        "sets": sets,
        "sexes": run.clips.dropna(subset=["sex"]).groupby("sex")["actor"].nunique().to_dict(),
        "folds": _folds(view),
        "chosen": [_chosen(model) for model in run.models if model.chosen],
        "command": made if made.startswith("multimodal-ser") else f"multimodal-ser {made}",
        "cite": [
            (name.upper(), datasets.load(name))
            for name in sets
            if name in datasets.NAMES and hasattr(datasets.load(name), "BIBTEX")
        ],
    }


def _folds(view: View) -> list[list[str]]:
    folds = view.best.folds
    names = findings.actor_names(view.run.clips).reindex(folds.index)
    rows = []
    for fold, members in names.groupby(folds):
        who = sorted(map(str, members.unique()))
        listed = ", ".join(who[:SHOWN_ACTORS]) + (" …" if len(who) > SHOWN_ACTORS else "")
        rows.append([fold, listed, f"{len(members):,}"])
    return rows


def _chosen(model: RunModel) -> tuple[str, list[str], list[list]]:
    """Return a model's name, the names of what its folds chose, and a row of values per fold."""
    head = list(dict.fromkeys(["fold", *(name for fold in model.chosen for name in fold)]))
    rows = [[fold.get(name, NONE) for name in head] for fold in model.chosen]
    return model.name, head, rows


#: Name of the section and its template, words in the navigation, what it shows.
SECTIONS: tuple[tuple[str, str, Callable[[View], object]], ...] = (
    ("scores", "Scores", scores),
    ("classes", "Classes", classes),
    ("fusion", "Fusion", fusion),
    ("actors", "Actors", actors),
    ("curves", "ROC and PR", curves),
    ("reliability", "Confidence", reliability),
    ("worst", "Worst clips", worst),
    ("data", "Protocol and data", data),
)
