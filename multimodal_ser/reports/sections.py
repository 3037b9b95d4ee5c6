"""The sections of one run's report, each a function from a :class:`View` to markup."""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.evaluation import metrics
from multimodal_ser.evaluation.runs import Run, RunModel
from multimodal_ser.reports import figures, findings
from multimodal_ser.reports.blocks import (
    SERIES,
    View,
    badges,
    beside,
    figure,
    grid,
    key,
    label_keys,
    range_bar,
    reading,
    section,
    series_keys,
    warning_badges,
    with_interval,
)
from multimodal_ser.reports.markup import Markup, join, table, tag
from multimodal_ser.reports.wording import (
    ADAPTED_TEXT,
    METRICS,
    NONE,
    count,
    p_text,
    percent,
    points,
    protocol_sentence,
)

#: Actors that are drawn; more would make the figure unreadable.
SHOWN_ACTORS = 48
SHOWN_CLIPS = 8
_RATES = (
    "In percent: recall, and below it precision (of the clips called so, how many were) and F1, "
    "the harmonic mean of both."
)
_NO_INTERVAL = (
    "A score without an interval rests on fewer than two actors: how far it holds for other "
    "speakers cannot be told from it."
)
_CASES = "How often the fused prediction is right, by which of its parts were."
_CURVES = {"roc": "ROC", "pr": "Precision and recall"}


def headline(view: View) -> Markup:
    """Return the scores of all models with their intervals."""
    colours = view.colours
    rows = [
        _score_row(view, model, colours.get(model.name))
        for model in sorted(view.run.models, key=lambda m: -_uar(view, m))
    ]
    head = ("model", "modality", "UAR", "0 to 100 %", "WAR", "top-2", "macro F1")
    head = (*head, "ECE", "NLL", "clips", "seconds")
    words = METRICS.format(chance=100 / max(view.truth.nunique(), 1))
    return section(
        view,
        "scores",
        "Scores",
        _tiles(view),
        table(head, rows, text_columns=2, caption="Scores of every model"),
        reading(words),
        reading(_NO_INTERVAL) if view.scores["uar_low"].isna().any() else None,
    )


def _uar(view: View, model: RunModel) -> float:
    return float(np.nan_to_num(view.scores.loc[model.name, "uar"], nan=-1))


def _tiles(view: View) -> Markup:
    tiles = []
    for modality in ("audio", "video", "fused"):
        model = findings.best_model(view.run, view.scores, modality)
        if model is not None:
            tiles.append(_tile(modality, model, view.scores.loc[model.name]))
    return tag("dl", *tiles, class_="tiles")


def _tile(modality: str, model: RunModel, score: pd.Series) -> Markup:
    low, high = percent(score["uar_low"]), percent(score["uar_high"])
    interval = f"95 %: {low} to {high}" if low != NONE else "no interval"
    value = f"{percent(score['uar'])} %"
    return tag(
        "div",
        tag("dt", f"{modality}, UAR"),
        tag("dd", value, tag("small", interval), tag("small", model.name)),
        class_="tile",
        style=f"--tone:var(--s{SERIES[modality]})",
    )


def _score_row(view: View, model: RunModel, colour: int | None) -> list[object]:
    score = view.scores.loc[model.name]
    nll = NONE if np.isnan(score["nll"]) else f"{score['nll']:.2f}"
    return [
        join([key(colour), model.name, tag("div", warning_badges(view.run))]),
        model.modality,
        with_interval(score, "uar"),
        range_bar(score, "uar", colour),
        with_interval(score, "war"),
        *(percent(score[name]) for name in ("top2", "macro_f1", "ece")),
        nll,
        f"{int(score['n']):,}",
        NONE if model.seconds is None else f"{model.seconds:,.0f}",
    ]


def classes(view: View) -> Markup:
    """Return recall, precision and F1 of every label."""
    rates = {m.name: metrics.per_class(m.probabilities, view.truth) for m in view.shown}
    recall = pd.DataFrame({name: each["recall"] for name, each in rates.items()})
    head = ["label", "clips", *rates]
    rows = [
        [label, f"{number:,}", *(_rates(each.loc[label]) for each in rates.values())]
        for label, number in _label_counts(view).items()
    ]
    bars = figures.bars(recall, view.colours)
    caption = (
        "Recall: of the clips with this label, how many were called so. A dash: no clip has it."
    )
    return section(
        view,
        "classes",
        "Class by class",
        beside(
            figure("Recall of every label", bars, caption, series_keys(view.colours)),
            tag(
                "div", table(head, rows, class_="dense", caption="Rates by label"), reading(_RATES)
            ),
        ),
        grid(_confusions(view)),
        reading(
            "In a confusion matrix rows are true labels and columns predictions; the number is "
            "clips, the colour their share of the row, the figure at the right the recall. "
            "Dark cells off the diagonal are what a model mixes up."
        ),
    )


def _rates(row: pd.Series) -> Markup:
    beside = f"{percent(row['precision'])} · {percent(row['f1'])}"
    return join([tag("b", percent(row["recall"])), tag("small", beside)])


def _confusions(view: View) -> list[Markup]:
    return [
        figure(
            join([key(view.colours[m.name]), f"Confusions: {m.name}"]),
            figures.confusion(metrics.confusion(m.probabilities, view.truth), m.name),
        )
        for m in view.shown
        if m.probabilities.notna().any(axis=None)
    ]


def confidence(view: View) -> Markup:
    """Return ROC, precision-recall and reliability of the models shown."""
    drawn: dict[str, list[Markup]] = {"roc": [], "pr": []}
    keys = label_keys(view.run.labels, tag("b", "bold: the mean"))
    rows = []
    for model in view.shown:
        for kind, figure_list in drawn.items():
            lines = findings.curve_lines(model.probabilities, view.truth, kind)
            mark, title = key(view.colours[model.name]), _CURVES[kind]
            curve = figures.curves(lines, kind, model.name)
            figure_list.append(figure(join([mark, f"{title}: {model.name}"]), curve, None, keys))
        rows += _area_rows(view, model)
    head = ("model", "area", "mean", *view.run.labels)
    return section(
        view,
        "curves",
        "Ranking: ROC, precision and recall",
        reading(
            "How well the probabilities rank clips, one line per label against all others, "
            "whatever the threshold. ROC lines reach the upper left and precision-recall lines "
            "the upper right in a perfect model; the dotted line is guessing."
        ),
        *map(grid, drawn.values()),
        table(head, rows, text_columns=2, class_="dense", caption="Areas under the curves"),
        reading("Areas in percent: ROC AUC and average precision (AP); a dash where undefined."),
    )


def _area_rows(view: View, model: RunModel) -> list[list[object]]:
    by_class = metrics.per_class(model.probabilities, view.truth)
    rows = []
    for name, words in (("roc_auc", "ROC AUC"), ("average_precision", "AP")):
        mean = view.scores.loc[model.name, name]
        rows.append([model.name, words, percent(mean), *map(percent, by_class[name])])
    return rows


def reliability(view: View) -> Markup:
    """Return how far a confidence can be believed."""
    drawn = []
    for model in view.shown:
        bins = findings.reliability_bins(model.probabilities, view.truth)
        score = view.scores.loc[model.name]
        caption = f"ECE {percent(score['ece'])} % over {count(int(score['n']), 'clip')}."
        title = join([key(view.colours[model.name]), model.name])
        drawn.append(figure(title, figures.reliability(bins, model.name), caption))
    return section(
        view,
        "reliability",
        "Can the confidence be believed?",
        reading(
            "Predictions are sorted by confidence; a bar shows how many of them were right. On "
            "the dotted line a confidence of 80 % is right 8 times in 10. An orange box above a "
            "bar is overconfidence, a green one inside it is modesty. Below: how many clips have "
            "that confidence."
        ),
        grid(drawn),
    )


def actors(view: View) -> Markup:
    """Return the score of every actor."""
    scored = findings.per_actor(view.shown, view.run.clips)
    overall = view.scores.loc[[m.name for m in view.shown], ["uar", "uar_low", "uar_high"]]
    overall = overall.set_axis(["value", "low", "high"], axis=1).astype(float)
    unknown = int(view.run.clips["actor"].isna().sum())
    if unknown:
        said = f"{count(unknown, 'clip has', 'clips have')} no known actor; each counts as its own."
        scored = scored[~scored.index.str.startswith("clip/")]
    else:
        said = "Actors from the hardest to the easiest for the last model."
    if len(scored) > SHOWN_ACTORS:
        said += f" Drawn are the {SHOWN_ACTORS} hardest of {len(scored)}; the table has all."
    cells = [[actor, *map(percent, row)] for actor, row in scored.astype(float).iterrows()]
    rows = [[str(actor), *rest] for actor, *rest in cells]
    drawing = figures.actors(scored.head(SHOWN_ACTORS), overall, view.colours)
    keys = series_keys(view.colours, figures.MARKER_SIGNS)
    caption = "A mark is one actor's UAR; at the top all actors, with the 95 % interval."
    return section(
        view,
        "actors",
        "Actor by actor",
        reading(f"{said} The spread is why intervals are drawn over actors."),
        beside(
            figure("UAR of every actor", drawing, caption, keys),
            table(["actor", *scored.columns], rows, class_="dense", caption="UAR by actor"),
        ),
    )


def fusion(view: View) -> Markup:
    """Return what fusion changes against the better of its parts."""
    fused = [m for m in view.shown if m.modality == "fused" and m.parts]
    if not fused:
        text = "This run has no fused model with its parts, so there is nothing to compare."
        return section(view, "fusion", "What fusion gains", tag("p", text))
    model = max(fused, key=lambda m: _uar(view, m))
    found = findings.fusion(view.run, model, view.scores)
    by_label, by_actor = _gain_figures(found)
    right = found.changed[found.changed["kind"] == "right"]
    spoilt = found.changed[found.changed["kind"] == "spoilt"]
    return section(
        view,
        "fusion",
        "What fusion gains, and where",
        tag("p", _fusion_words(found, len(right), len(spoilt))),
        tag(
            "div",
            tag("div", by_label, _case_table(found), reading(_CASES)),
            by_actor,
            class_="figures pairs",
        ),
        tag("h3", "Put right by fusion, the most confident first"),
        _changed_table(found, right),
        tag("h3", "Spoilt by fusion, the most confident first"),
        _changed_table(found, spoilt),
    )


def _fusion_words(found: findings.Fusion, right: int, spoilt: int) -> str:
    tested = "" if np.isnan(found.p) else f" (paired over actors, p {_equals(found.p)})"
    return (
        f"{found.model.name} against {found.better.name}, the better of its parts: "
        f"{points(found.gain)} points of UAR{tested}. "
        f"{count(right, 'clip')} put right, {count(spoilt, 'clip')} spoilt."
    )


def _equals(p: float) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"


def _gain_figures(found: findings.Fusion) -> tuple[Markup, Markup | None]:
    note = f"Against {found.better.name}. Right of the line fusion helps, left of it it costs."
    by_label = figures.gains(found.by_class, "recall gained, percentage points")
    first = figure("Gain by label", by_label, note)
    people = found.by_actor
    if not len(people):
        return first, None
    helped, harmed = int((people > 1e-12).sum()), int((people < -1e-12).sum())
    note = f"{helped} of {len(people)} actors gain, {harmed} lose."
    if len(people) > SHOWN_ACTORS:
        half = SHOWN_ACTORS // 2
        people = pd.concat([people.head(half), people.tail(half)])
        note += f" Drawn are the {half} lowest and the {half} highest."
    by_actor = figures.gains(people, "UAR gained, percentage points")
    return first, figure("Gain by actor", by_actor, note)


def _case_table(found: findings.Fusion) -> Markup:
    rows = [
        [
            case,
            f"{row['clips']:,}",
            f"{row['fused_right']:,}",
            percent(row["fused_right"] / row["clips"]),
        ]
        for case, row in found.cases.iterrows()
    ]
    head = ("parts", "clips", "fused right", "fused right, %")
    return table(head, rows, caption="Fused predictions by which parts were right")


def _changed_table(found: findings.Fusion, changed: pd.DataFrame) -> Markup:
    if changed.empty:
        return tag("p", "None.")
    rows = []
    for clip, row in changed.head(SHOWN_CLIPS).iterrows():
        parts = [_said(row[name], row[f"{name}_confidence"]) for name in found.parts]
        fused = _said(row["fused"], row["confidence"])
        rows.append([clip, str(row["actor"]), row["true"], *parts, fused])
    head = ("clip", "actor", "true", *found.parts, "fused")
    return table(head, rows, text_columns=len(head), class_="dense", caption="Clips changed")


def _said(label: object, confidence: float) -> Markup:
    if pd.isna(label):
        return tag("small", "missing")
    return join([str(label), tag("small", f" {percent(confidence, 0)} %", class_="same")])


def worst(view: View) -> Markup:
    """Return the most confident mistakes of the best model."""
    wrong = findings.mistakes(view.best, view.run.clips)
    labels = view.run.labels
    rows = []
    for clip, row in wrong.iterrows():
        shares = [_heat(row[f"p:{label}"]) for label in labels]
        rows.append([clip, str(row["actor"]), row["true"], row["said"], *shares])
    head = ("clip", "actor", "true", "said", *labels)
    shown = table(head, rows, text_columns=4, class_="dense", caption="Most confident mistakes")
    return section(
        view,
        "worst",
        "The worst clips",
        reading(
            f"The most confident mistakes of {view.best.name}, the model with the highest UAR, "
            "with its probabilities in percent. Listen to these first: they are the model's "
            "blind spots, or labels that listeners would doubt as well."
        ),
        shown if rows else tag("p", "It made no mistake on these clips."),
    )


def _heat(value: float) -> Markup:
    return tag("td", percent(value, 0), class_="n heat", style=f"--p:{value:.3f}")


def data(view: View) -> Markup:
    """Return protocol and data in words, and what it takes to make the run again."""
    run = view.run
    facts = [
        ("protocol", join([run.protocol, " ", badges(run), tag("div", protocol_sentence(run))])),
        ("adaptation", _adaptation_words(run)),
        ("clips", _clip_words(run)),
        ("labels", ", ".join(f"{k} {v:,}" for k, v in _label_counts(view).items())),
        ("hash of the clips", tag("code", run.clips_hash or "not recorded")),
        ("seed", str(run.seed)),
        ("code", tag("code", run.git or "not recorded")),
        ("versions", ", ".join(f"{k} {v}" for k, v in run.versions.items()) or "not recorded"),
        ("time", "not recorded" if run.seconds is None else f"{run.seconds:,.0f} s"),
    ]
    listed = [part for name, value in facts for part in (tag("dt", name), tag("dd", value))]
    return section(
        view,
        "data",
        "Protocol, data and how to make this again",
        tag("dl", *listed, class_="facts"),
        tag("details", tag("summary", "Folds: who is tested in which"), _fold_table(view)),
        tag("h3", "Commands"),
        tag("pre", tag("code", _commands(run))),
        _citation(run),
    )


def _commands(run: Run) -> str:
    made = run.command or "benchmark DATA --protocol " + run.protocol + " --run RUN"
    made = made if made.startswith("multimodal-ser") else f"multimodal-ser {made}"
    return f"{made}\nmultimodal-ser report RUN"


def _adaptation_words(run: Run) -> str:
    return "none" if run.adaptation == "none" else ADAPTED_TEXT


def _clip_words(run: Run) -> str:
    clips = run.clips
    sets = ", ".join(sorted(clips["dataset"].dropna().unique())) or "unnamed data"
    people = count(len(run.actors), "known actor")
    sexes = clips.dropna(subset=["sex"]).groupby("sex")["actor"].nunique()
    split = ", ".join(f"{number} {sex}" for sex, number in sexes.items())
    return f"{count(len(clips), 'clip')} of {sets}; {people}{f' ({split})' if split else ''}"


def _label_counts(view: View) -> dict[str, int]:
    counts = view.truth.value_counts()
    return {label: int(counts.get(label, 0)) for label in view.run.labels}


def _fold_table(view: View) -> Markup:
    folds = view.best.folds
    names = findings.actor_names(view.run.clips).reindex(folds.index)
    rows = []
    for fold, members in names.groupby(folds):
        who = sorted(map(str, members.unique()))
        listed = ", ".join(who[:SHOWN_ACTORS]) + (" …" if len(who) > SHOWN_ACTORS else "")
        rows.append([fold, listed, f"{len(members):,}"])
    return table(("fold", "test actors", "clips"), rows, text_columns=2, caption="Folds")


def _citation(run: Run) -> Markup | None:
    if "ravdess" not in set(run.clips["dataset"].dropna()):
        return None
    from multimodal_ser.datasets import ravdess

    return tag(
        "details",
        tag("summary", "Cite the data"),
        tag("p", f"RAVDESS, {ravdess.LICENCE}. ", tag("a", ravdess.URL, href=ravdess.URL)),
        tag("pre", tag("code", ravdess.BIBTEX)),
    )


#: Name, words in the navigation, function.
SECTIONS = (
    ("scores", "Scores", headline),
    ("classes", "Classes", classes),
    ("fusion", "Fusion", fusion),
    ("actors", "Actors", actors),
    ("curves", "ROC and PR", confidence),
    ("reliability", "Confidence", reliability),
    ("worst", "Worst clips", worst),
    ("data", "Protocol and data", data),
)
