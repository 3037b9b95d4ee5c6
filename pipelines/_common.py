"""What the recipes of published systems share: two protocols, one table, one page.

Each recipe in ``pipelines/`` measures a model twice: by the protocol of its
source, which for most is a random split with every speaker on both sides and
is marked :data:`LEAKY`, and with the tested speakers kept out of training.
A model here is anything with ``fit(features, clips)`` and
``predict(features, clips)``, such as :class:`~multimodal_ser.audio.model.AudioModel`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from multimodal_ser.audio.model import AudioModel

from multimodal_ser.audio import classifiers
from multimodal_ser.audio.extract import extract
from multimodal_ser.cli import terminal
from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import metrics, protocol
from multimodal_ser.evaluation.folds import Fold
from multimodal_ser.evaluation.search import search
from multimodal_ser.reports import blocks, figures, findings
from multimodal_ser.reports.html import figure_page
from multimodal_ser.reports.markup import Markup, join
from multimodal_ser.tables import Features, actor_groups

#: In the head of every column that was measured on a split which shares speakers.
LEAKY = "LEAKY"
#: A cell without a value.
NOTHING = "-"


def arguments(description: str, data: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every recipe has.

    Args:
        description: the recipe's docstring, of which the first paragraph is shown.
        data: what ``--data`` is the folder of.

    Example:
        >>> arguments("A recipe.", "clips").parse_args(["--data", "x", "--seed", "3"]).seed
        3
    """
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    parser.add_argument("--data", required=True, help=f"folder with {data}")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller models")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--cache", help="where features are kept")
    parser.add_argument("--resume", metavar="DIR", help="keep finished folds there, and go on")
    parser.add_argument("--figures", metavar="DIR", help="also write figures.html there")
    parser.add_argument("--output", help="also write the table, as Markdown, to this file")
    return parser


def finish(options: argparse.Namespace, report: Callable[[argparse.Namespace], str]) -> int:
    """Make a recipe's report, print it and keep it; return the exit status.

    Args:
        options: ``output`` may name a file to write the report to.
        report: called with the options; returns Markdown.
    """
    try:
        text = report(options)
    except SerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    if options.output:
        Path(options.output).write_text(text + "\n", encoding="utf-8")
    return 0


def chosen(text: str, names: Sequence[str], what: str) -> list[str]:
    """Return the names in a comma-separated text.

    Args:
        text: such as ``"svc,knn"``.
        names: those that there are.
        what: they are, for the error.

    Raises:
        SerError: there is none of a name.

    Example:
        >>> chosen("svc, knn", ("knn", "mlp", "svc"), "model")
        ['svc', 'knn']
    """
    wanted = [name.strip() for name in text.split(",")]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise SerError(f"there is no {what} {unknown[0]!r}; choose of: {', '.join(names)}")
    return wanted


def load(
    clips: pd.DataFrame, feature_set: str, options: argparse.Namespace
) -> tuple[pd.DataFrame, Features]:
    """Return the clips whose sound can be read, and their features.

    Args:
        clips: a clips table.
        feature_set: one of ``audio.features.NAMES``.
        options: ``cache`` and ``workers``.

    Raises:
        SerError: no clip has sound that can be read.
    """
    cache = Cache(options.cache or default_folder())
    features, failures = extract(clips, feature_set, cache=cache, workers=options.workers)
    for error in failures["error"]:
        print(f"error: {error}", file=sys.stderr)
    kept = clips[clips.index.isin(features.clips)]
    if kept.empty:
        raise SerError(f"none of {len(clips)} clip(s) has sound that can be read; check the folder")
    return kept, features


def held_out(
    build: Callable,
    features: Features,
    clips: pd.DataFrame,
    folds: Sequence[Fold],
    *,
    resume: str | Path | None = None,
) -> pd.DataFrame:
    """Return the probabilities of the tested clips of all folds.

    Args:
        build: called without arguments for every fold; returns an unfitted model.
        features: of every clip.
        clips: a clips table with labels.
        folds: from ``folds.make_folds``.
        resume: a folder of this model's and these folds' own, see
            ``protocol.run``.
    """

    def fit(train: pd.DataFrame):
        model = build().fit(features, train)
        return lambda test: {"audio": model.predict(features, test.index)}

    return protocol.run(clips, folds, fit, resume=resume, progress=False)["audio"]


class Searched:
    """A classifier whose parameters are searched among the clips it is fitted on.

    The inner folds keep every actor on one side, see ``evaluation.search``.

    Args:
        feature_set: one of ``audio.features.NAMES``.
        classifier: one of ``audio.classifiers.NAMES``.
        labels: the label scheme, in the order of the output columns.
        space: what to choose from, as ``search`` takes it.
        fixed: parameters that are not searched.
        seed: of the classifier and the draws.
        search_params: of ``search``: ``method``, ``n_draws``, ``n_folds``, ``scoring``.
    """

    def __init__(
        self,
        feature_set: str,
        classifier: str,
        *,
        labels: Sequence[str],
        space: Mapping,
        fixed: Mapping | None = None,
        seed: int = 0,
        **search_params,
    ):
        self.feature_set, self.classifier, self.labels = feature_set, classifier, tuple(labels)
        self.space, self.fixed, self.seed = space, dict(fixed or {}), seed
        self.search_params = search_params

    def fit(self, features: Features, clips: pd.DataFrame) -> Searched:
        """Search over inner folds of actors, then fit the best on all clips; return self."""
        module = classifiers.load(self.classifier)
        found = search(
            lambda **params: module.build(seed=self.seed, **(self.fixed | params)),
            self.space,
            features.take(clips.index),
            np.array([self.labels.index(label) for label in clips["emotion"]]),
            actor_groups(clips),
            seed=self.seed,
            # One process: most fits here take less time than the start of another.
            workers=1,
            progress=False,
            **self.search_params,
        )
        self.best_params_ = found.best_params_
        params = self.fixed | found.best_params_
        self.model = AudioModel(
            self.feature_set, self.classifier, labels=self.labels, seed=self.seed, params=params
        )
        self.model.fit(features, clips)
        return self

    def predict(self, features: Features, clips: pd.Index) -> pd.DataFrame:
        """Return the probabilities of clips."""
        return self.model.predict(features, clips)


def place(options: argparse.Namespace, *parts: str) -> Path | None:
    """Return the folder that keeps the finished folds of one model; None without ``--resume``.

    Example:
        >>> place(argparse.Namespace(resume="runs", seed=0), "leaky", "svc").as_posix()
        'runs/seed0/leaky/svc'
    """
    return Path(options.resume, f"seed{options.seed}", *parts) if options.resume else None


def percent(value: float | None) -> str:
    """Return a share as a percentage, a dash where there is none.

    Example:
        >>> percent(0.6478), percent(None)
        ('64.8', '-')
    """
    return NOTHING if value is None or pd.isna(value) else f"{100 * value:.1f}"


def strict_cells(
    table: pd.DataFrame | None, clips: pd.DataFrame, scheme: str, seed: int
) -> dict[str, str]:
    """Return the cells of a speaker-independent result: accuracy, its interval, UAR.

    Args:
        table: held-out probabilities; None gives cells without values.
        clips: a clips table with labels.
        scheme: what the columns call the folds.
        seed: of the bootstrap over actors.
    """
    values = {} if table is None else protocol.summary(table, clips, seed=seed)
    low, high = values.get("war_low"), values.get("war_high")
    has_interval = low is not None and not pd.isna(low)
    return {
        f"strict, {scheme}": percent(values.get("war")),
        "95 % interval": f"{100 * low:.1f} to {100 * high:.1f}" if has_interval else NOTHING,
        f"UAR, {scheme}": percent(values.get("uar")),
    }


def leaky_cell(table: pd.DataFrame | None, clips: pd.DataFrame, what: str) -> dict[str, str]:
    """Return the accuracy on a split that shares speakers, under a head that says so.

    Args:
        table: held-out probabilities; None gives a cell without a value.
        clips: a clips table with labels.
        what: the split, for the head of the column.

    Example:
        >>> leaky_cell(None, None, "random split")
        {'random split, LEAKY': '-'}
    """
    value = None if table is None else metrics.score(table, clips["emotion"])["war"]
    return {f"{what}, {LEAKY}": percent(value)}


def markdown(rows: Sequence[Mapping], notes: str) -> str:
    """Return a recipe's table with its notes below, as Markdown."""
    return terminal.markdown(pd.DataFrame(rows).fillna(NOTHING)) + "\n\n" + notes.strip()


def result_figures(
    table: pd.DataFrame, clips: pd.DataFrame, name: str, *, with_curves: bool = True
) -> list[tuple[str, Markup]]:
    """Return a model's confusion matrix, ROC and precision-recall curves, titled.

    Args:
        table: held-out probabilities.
        clips: a clips table with labels.
        name: of the model and the protocol, for the titles.
        with_curves: whether to draw the curves too.
    """
    truth = clips["emotion"]
    drawn = [(f"Confusions: {name}", figures.confusion(metrics.confusion(table, truth), name))]
    for kind, title in (("roc", "ROC"), ("pr", "Precision-recall")) if with_curves else ():
        curve = figures.curves(findings.curve_lines(table, truth, kind), kind, name)
        keys = blocks.label_keys(list(table.columns), "bold: the mean")
        drawn.append((f"{title}: {name}", join([keys, curve])))
    return drawn


def importance_figure(rankings: pd.DataFrame, count: int = 20) -> Markup:
    """Draw the features that matter most, as bars, the most important one being 100 %.

    Args:
        rankings: index feature, a column per model, 0 or more.
        count: how many features to draw, those with the highest mean.
    """
    shown = _shares(rankings).loc[most_important(rankings, count)]
    colours = {name: at for at, name in enumerate(shown.columns)}
    bars = figures.bars(shown, colours, "importance, % of the highest")
    return join([blocks.series_keys(colours), bars])


def most_important(rankings: pd.DataFrame, count: int) -> list[str]:
    """Return the features that matter most on average, the first one most.

    Args:
        rankings: index feature, a column per model, 0 or more; each model's
            highest value counts as 1.
        count: how many features at most.

    Example:
        >>> rankings = pd.DataFrame({"forest": [1.0, 9.0], "boosting": [4.0, 5.0]}, ["rms", "mfcc"])
        >>> most_important(rankings, 1)
        ['mfcc']
    """
    means = _shares(rankings).mean(axis=1)
    return list(means.sort_values(ascending=False, kind="stable").index[:count])


def _shares(rankings: pd.DataFrame) -> pd.DataFrame:
    return rankings / rankings.max().where(rankings.max() > 0, 1.0)


def distribution_figure(
    features: Features, clips: pd.DataFrame, names: Sequence[str], labels: Sequence[str]
) -> Markup:
    """Draw how features are spread within each label, and say how to read it.

    Args:
        features: vectors of the clips.
        clips: a clips table with labels.
        names: of the features that are drawn, a panel each.
        labels: the label scheme, in its order.
    """
    table = pd.DataFrame(features.take(clips.index), clips.index, list(features.names))
    drawing = figures.distributions(table[list(names)], clips["emotion"], labels)
    words = "Box: the middle half of a label's clips, with their median; line: from 5 % to 95 %."
    return join([blocks.reading(words), drawing])


def write_figures(
    options: argparse.Namespace, title: str, drawn: Sequence[tuple[str, Markup]]
) -> None:
    """Write ``figures.html`` into ``--figures``; does nothing without that option.

    Args:
        options: ``figures``.
        title: of the page.
        drawn: title and SVG of each figure.

    Raises:
        OSError: the file cannot be written.
    """
    if options.figures:
        path = figure_page(title, drawn, Path(options.figures) / "figures.html")
        print(f"figures: {path}", file=sys.stderr)
