"""What the recipes of published systems share: two protocols, one table, one page.

Each recipe in ``pipelines/`` measures a model twice: by the protocol of its
source, which for most is a random split with every speaker on both sides and
is marked :data:`LEAKY`, and with the tested speakers kept out of training.
Both are folds of ``workflows.benchmarking.Bench``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from multimodal_ser.cli import terminal
from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import metrics, protocol
from multimodal_ser.evaluation.folds import Fold, make_folds
from multimodal_ser.reports import blocks, figures, findings
from multimodal_ser.reports.html import figure_page
from multimodal_ser.reports.markup import Markup, join
from multimodal_ser.tables import Features, selection
from multimodal_ser.workflows import training
from multimodal_ser.workflows.benchmarking import Bench
from multimodal_ser.workflows.data import Data, extract
from multimodal_ser.workflows.models import LEARNERS, NETWORK
from multimodal_ser.workflows.recipes import Learner, Recipe

#: In the head of every column that was measured on a split which shares speakers.
LEAKY = "LEAKY"
#: A cell without a value.
NOTHING = "-"


def network_file(folder: str | Path) -> Path:
    """Return the ``.keras`` file of a model of one network, as ``train_fer.py`` makes it.

    Raises:
        SerError: there is no such file, or there are several.
    """
    found = sorted(Path(folder).glob(f"{LEARNERS}*/*/{NETWORK}"))
    if len(found) != 1:
        raise SerError(f"{folder}: it has {len(found)} networks; give a folder of train_fer.py")
    return found[0]


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
    parser.add_argument("--resume", metavar="DIR", help="keep finished folds there, and resume")
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


def speech(folder: str) -> pd.DataFrame:
    """Return the spoken RAVDESS clips with sound below a folder.

    Raises:
        SerError: there is none.
    """
    clips = selection.only(ravdess.index(folder), "channel", "speech")
    return clips[clips["audio"].notna()]


def alone(
    learner: Learner, labels: str = "emotions8", *, seed: int = 0, **settings: object
) -> Recipe:
    """Return the recipe of one audio learner whose parameters are fixed, uncalibrated.

    Args:
        learner: of the sound.
        labels: one of ``tables.labels.NAMES``.
        seed: of everything random.
        settings: of the :class:`Recipe`, such as those of a search.

    Example:
        >>> alone(Learner("audio", "mfcc_rms", "svc")).inner_folds
        0
    """
    given = {"inner_folds": 0, **settings}
    return Recipe(audio=(learner,), video=None, labels=labels, seed=seed, **given)


def load(clips: pd.DataFrame, recipes: Iterable[Recipe], options: argparse.Namespace) -> Data:
    """Return the clips whose sound can be read, with the inputs of all recipes.

    Args:
        clips: a clips table, labelled as the recipes want it.
        recipes: that share everything but their learners.
        options: ``cache`` and ``workers``.

    Raises:
        SerError: a recipe cannot be trained, or no clip can be read.
    """
    recipes = list(recipes)
    for recipe in recipes:
        training.check(recipe)
    cache = Cache(options.cache or default_folder())
    data = extract(clips, recipes, cache=cache, workers=options.workers)
    for error in data.failures["error"].unique():
        print(f"error: {error}", file=sys.stderr)
    read = set.intersection(*(set(found.clips) for found in data.inputs.values()))
    return replace(data, clips=clips[clips.index.isin(read)])


def measured(
    data: Data,
    recipes: Mapping[str, Recipe],
    scheme: str,
    options: argparse.Namespace,
    folds: Sequence[Fold] | None = None,
) -> dict[str, pd.DataFrame]:
    """Return the held-out probabilities of each recipe of the sound, by name.

    Args:
        data: of :func:`load`.
        recipes: name -> recipe; learners that several have are fitted once.
        scheme: of the folds; a leaky one has leaky inner folds.
        options: ``seed``, ``workers``, and ``resume``, a folder that keeps what is done.
        folds: None takes those of the scheme.
    """
    if folds is None:
        folds = make_folds(data.clips, scheme, seed=options.seed)
    store = Path(options.resume) if options.resume else None
    bench = Bench(data, scheme, store=store, workers=options.workers)
    return {
        name: bench.measure([recipe], folds)[0].probabilities for name, recipe in recipes.items()
    }


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
    interval = f"{100 * low:.1f} to {100 * high:.1f}" if has_interval else NOTHING
    return {
        f"strict, {scheme}": percent(values.get("war")),
        f"95 % interval, {scheme}": interval,
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
    tables: Mapping[str, pd.DataFrame], clips: pd.DataFrame, what: str, *, with_curves: bool = True
) -> Iterator[tuple[str, Markup]]:
    """Draw each model's confusion matrix, ROC and precision-recall curves, titled.

    Args:
        tables: name of a model -> held-out probabilities.
        clips: a clips table with labels.
        what: the protocol, for the titles.
        with_curves: whether to draw the curves too.
    """
    truth = clips["emotion"]
    for model, table in tables.items():
        name = f"{model}, {what}"
        yield f"Confusions: {name}", figures.confusion(metrics.confusion(table, truth), name)
        for kind, title in (("roc", "ROC"), ("pr", "Precision-recall")) if with_curves else ():
            curve = figures.curves(findings.curve_lines(table, truth, kind), kind, name)
            keys = blocks.label_keys(list(table.columns), "bold: the mean")
            yield f"{title}: {name}", join([keys, curve])


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
    options: argparse.Namespace, title: str, drawn: Iterable[tuple[str, Markup]]
) -> None:
    """Write ``figures.html`` into ``--figures``; does nothing without that option.

    Args:
        options: ``figures``.
        title: of the page.
        drawn: title and SVG of each figure; a generator draws only what is asked for.

    Raises:
        OSError: the file cannot be written.
    """
    if options.figures:
        path = figure_page(title, list(drawn), Path(options.figures) / "figures.html")
        print(f"figures: {path}", file=sys.stderr)
