"""What sections are built of: the view of a run, frames, keys, marks and warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.evaluation.runs import Run, RunModel
from multimodal_ser.reports import findings
from multimodal_ser.reports.markup import Markup, join, tag
from multimodal_ser.reports.wording import (
    ADAPTED_TEXT,
    ADAPTED_TITLE,
    LEAKY_TEXT,
    LEAKY_TITLE,
    count,
    is_leaky,
    percent,
)

#: Modality -> place in the series colours.
SERIES = {"audio": 0, "video": 1, "fused": 2}


@dataclass(frozen=True)
class View:
    """A run as its page shows it.

    Attributes:
        run: what is reported.
        scores: ``findings.summaries`` of it.
        shown: the models that are drawn.
        best: the model with the highest UAR.
        prefix: of the ids of its sections.
    """

    run: Run
    scores: pd.DataFrame
    shown: list[RunModel]
    best: RunModel
    prefix: str = ""

    @classmethod
    def of(cls, run: Run, prefix: str = "") -> View:
        """Score a run and choose what to draw."""
        scores = findings.summaries(run)
        best = findings.best_model(run, scores)
        return cls(run, scores, findings.shown_models(run, scores), best, prefix)

    @property
    def truth(self) -> pd.Series:
        """True labels by clip."""
        return self.run.clips["emotion"]

    @property
    def colours(self) -> dict[str, int]:
        """Model -> place in the series colours: a modality's first model has its own."""
        return series(self.shown)


def series(models: Iterable[RunModel]) -> dict[str, int]:
    """Return each model's place in the series colours."""
    taken: dict[str, int] = {}
    free = 3
    for model in models:
        own = SERIES[model.modality]
        if own in taken.values():
            own, free = free, free + 1
        taken[model.name] = own
    return taken


def section(view: View, name: str, title: str, *content: object) -> Markup:
    """Return a section with its heading; its id is the run's own."""
    return tag("section", tag("h2", title), *content, id=f"{view.prefix}{name}")


def figure(title: str, drawing: Markup, caption: object = None, keys: object = None) -> Markup:
    """Return a drawing in its frame, with title, key to the colours and caption."""
    said = tag("figcaption", caption) if caption else None
    return tag("figure", tag("h3", title), keys, drawing, said)


def label_keys(labels: Iterable[str], *more: object) -> Markup:
    """Return the key to the colours of labels."""
    dots = [
        tag("li", tag("span", class_="key", style=f"--tone:var(--l{at % 8})"), label)
        for at, label in enumerate(labels)
    ]
    return tag("ul", *dots, *(tag("li", words) for words in more), class_="keys")


def series_keys(colours: Mapping[str, int], marks: str = "■") -> Markup:
    """Return the key to the colours of models, each with its mark."""
    entries = []
    for name, at in colours.items():
        mark = marks[at % len(marks)]
        sign = tag("span", mark, class_="sign", style=f"--tone:var(--s{at % 6})")
        entries.append(tag("li", sign, name))
    return tag("ul", *entries, class_="keys")


def grid(items: Iterable[Markup]) -> Markup:
    """Return figures side by side where there is room: two or three in a row."""
    items = list(items)
    pairs = " pairs" if len(items) in (2, 4) else ""
    return tag("div", *items, class_=f"figures{pairs}")


def beside(left: Markup, right: Markup) -> Markup:
    """Return a figure with something wider at its right."""
    return tag("div", left, right, class_="beside")


def reading(text: object) -> Markup:
    """Return a sentence that says how to read what it stands by."""
    return tag("p", text, class_="reading")


def badges(run: Run) -> Markup:
    """Return the marks of a run: leaky, adapted, or speaker-independent."""
    strict = tag("span", "speaker-independent", class_="badge strict")
    return warning_badges(run) or strict


def warning_badges(run: Run) -> Markup:
    """Return the marks of a run that is leaky or adapted; empty for a strict one."""
    marks = []
    if is_leaky(run):
        marks.append(tag("span", "LEAKY", class_="badge leaky"))
    if run.adaptation == "speaker":
        marks.append(tag("span", "speaker-adapted", class_="badge adapted"))
    return join(marks, " ")


def notices(run: Run) -> Markup:
    """Return the warnings that nobody may overlook; empty for a strict run."""
    said = []
    if is_leaky(run):
        said.append(_notice("leaky", LEAKY_TITLE, _leaky_text(run)))
    if run.adaptation == "speaker":
        said.append(_notice("adapted", ADAPTED_TITLE, ADAPTED_TEXT))
    return join(said)


def _leaky_text(run: Run) -> str:
    split = run.split_actors()
    if run.leaky or not split:
        return LEAKY_TEXT
    found = f"The run does not say so, but {count(len(split), 'actor is', 'actors are')} tested "
    return f"{found}in more than one fold. {LEAKY_TEXT}"


def _notice(kind: str, title: str, text: str) -> Markup:
    return tag("aside", tag("p", tag("b", title), text), class_=f"notice {kind}", role="note")


def key(colour: int | None) -> Markup:
    """Return a dot in a model's colour."""
    tone = "var(--line)" if colour is None else f"var(--s{colour % 6})"
    return tag("span", class_="key", style=f"--tone:{tone}")


def with_interval(score: pd.Series, metric: str) -> Markup:
    """Return a rate in percent with its interval beside it."""
    low, high = score[f"{metric}_low"], score[f"{metric}_high"]
    interval = None if np.isnan(low) else tag("small", f" {percent(low)} to {percent(high)}")
    return join([tag("b", percent(score[metric])), *([interval] if interval else [])])


def range_bar(score: pd.Series, metric: str, colour: int | None = None) -> Markup:
    """Return a small drawing of a rate and its interval on a scale from 0 to 100 %."""
    tone = "var(--muted)" if colour is None else f"var(--s{colour % 6})"
    low, high, value = (100 * score[f"{metric}{end}"] for end in ("_low", "_high", ""))
    parts = []
    if not np.isnan(low):
        parts.append(tag("i", style=f"left:{low:.1f}%;width:{high - low:.1f}%"))
    if not np.isnan(value):
        parts.append(tag("b", style=f"left:{value:.1f}%"))
    return tag("span", *parts, class_="range", style=f"--tone:{tone}", aria_hidden="true")
