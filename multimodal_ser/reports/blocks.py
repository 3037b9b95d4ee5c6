"""The view of a run that templates draw, and the keys to colours for pages of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from multimodal_ser.evaluation.runs import Run, RunModel
from multimodal_ser.reports import findings
from multimodal_ser.reports.markup import TEMPLATES, Markup
from multimodal_ser.tables import MODALITIES

_MACROS: Any = TEMPLATES.get_template("macros.html").module


@dataclass(frozen=True)
class View:
    """A run as its page shows it.

    Attributes:
        run: what is reported.
        scores: ``findings.summaries`` of it.
        shown: the models that are drawn.
        best: the model with the highest UAR.
        prefix: of the ids of its sections.
        name: what tells it from others on the page.
    """

    run: Run
    scores: pd.DataFrame
    shown: list[RunModel]
    best: RunModel
    prefix: str = ""
    name: str = ""

    @classmethod
    def of(cls, run: Run, prefix: str = "", name: str = "") -> View:
        """Score a run and choose what to draw."""
        scores = findings.summaries(run)
        best = findings.best_model(run, scores)
        assert best is not None, "a run has a model"
        return cls(run, scores, findings.shown_models(run, scores), best, prefix, name)

    @property
    def truth(self) -> pd.Series:
        """True labels by clip."""
        return self.run.clips["emotion"]

    @property
    def label_counts(self) -> dict[str, int]:
        """Label -> clips that have it."""
        counts = self.truth.value_counts()
        return {label: int(counts.get(label, 0)) for label in self.run.labels}

    @property
    def there(self) -> list[str]:
        """The labels that a clip has, in the order of the scheme."""
        return [label for label, count in self.label_counts.items() if count]

    @property
    def colours(self) -> dict[str, int]:
        """Model -> place in the series colours: a modality's first model has its own."""
        taken: dict[str, int] = {}
        free = len(MODALITIES)
        for model in self.shown:
            own = MODALITIES.index(model.modality)
            if own in taken.values():
                own, free = free, free + 1
            taken[model.name] = own
        return taken


def label_keys(labels: Iterable[str], *more: object) -> Markup:
    """Return the key to the colours of labels, and further entries without a colour."""
    return _MACROS.label_keys(list(labels), more)


def series_keys(colours: Mapping[str, int], marks: str = "■") -> Markup:
    """Return the key to the colours of models, each with its mark."""
    return _MACROS.series_keys(colours, marks)


def reading(text: object) -> Markup:
    """Return a sentence that says how to read what it stands by."""
    return _MACROS.reading(text)
