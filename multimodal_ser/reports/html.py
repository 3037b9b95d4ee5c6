"""Pages about runs and about single clips, each one HTML file.

A page needs no network, no script and no other file, and its content-security
policy forbids all of them. Figures are SVG in the page; style is one sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.evaluation.runs import Run
from multimodal_ser.reports import blocks, figures, findings, sections
from multimodal_ser.reports.blocks import View
from multimodal_ser.reports.markup import Markup, join, table, tag
from multimodal_ser.reports.style import CSS
from multimodal_ser.reports.wording import count, is_leaky, p_text, percent
from multimodal_ser.tables import EMOTIONS, MODALITIES, SUM_TOLERANCE

#: Columns of a timeline; more would be thinner than a pixel.
SHOWN_SAMPLES = 240
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def run_report(runs: Sequence[Run], output: str | Path) -> Path:
    """Write the report of a run, or of several with a comparison on top.

    Args:
        runs: from ``evaluation.runs.read_run``; at least one.
        output: the HTML file; its folder is made.

    Returns:
        The file.

    Raises:
        SerError: there is no run, or two runs give a clip different labels.
        OSError: the file cannot be written.
    """
    runs = list(runs)
    if not runs:
        raise SerError("there is no run to report; name at least one run folder")
    single = len(runs) == 1
    views = [View.of(run, "" if single else f"run{at}-") for at, run in enumerate(runs, 1)]
    body = [] if single else [_comparison(views)]
    body += [_article(view, single) for view in views]
    title = runs[0].title if single else f"Comparison of {len(runs)} runs"
    marked = f"[LEAKY] {title}" if any(map(is_leaky, runs)) else title
    header = _header(title, views)
    return _write(output, marked, header, tag("main", *body))


def _write(output: str | Path, title: str, header: Markup, main: Markup) -> Path:
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", title),
        tag("style", Markup(CSS)),
    )
    foot = tag("footer", "Made by multimodal-ser. This file needs nothing else: keep or send it.")
    page = f"<!doctype html>\n{tag('html', head, tag('body', header, main, foot), lang='en')}\n"
    # A lone surrogate in a file name has no UTF-8; shown as '?', it does no harm.
    content = page.encode("utf-8", errors="replace")
    write_atomically(output, lambda file: file.write(content))
    return Path(output)


def _header(title: str, views: list[View]) -> Markup:
    single = len(views) == 1
    run = views[0].run
    if single:
        said = f"{count(len(run.models), 'model')} on {count(len(run.clips), 'clip')} of "
        said += f"{count(len(run.actors), 'known actor')}, protocol {run.protocol}"
        links = [(f"#{name}", words) for name, words, _ in sections.SECTIONS]
        top = blocks.badges(run), blocks.notices(run)
    else:
        said = "Side by side first, then each run by itself."
        links = [("#compare", "Comparison")]
        links += [(f"#{view.prefix}top", view.run.title) for view in views]
        top = None, None
    return tag(
        "header",
        tag("p", "Emotion recognition, held-out results", class_="eyebrow"),
        tag("h1", title),
        tag("p", said, " ", top[0], class_="lead"),
        top[1],
        tag("nav", *(tag("a", words, href=href) for href, words in links), aria_label="Sections"),
    )


def _article(view: View, single: bool) -> Markup:
    head = None
    if not single:
        head = join(
            [
                tag("h1", view.run.title),
                tag("p", view.run.protocol, " ", blocks.badges(view.run), class_="lead"),
                blocks.notices(view.run),
            ]
        )
    parts = [make(view) for _, _, make in sections.SECTIONS]
    name = f"{view.prefix}top"
    return tag("article", head, *parts, id=name, class_="only" if single else None)


def _comparison(views: list[View]) -> Markup:
    _check_truth(views)
    best = _reference(views)
    rows = []
    for view in views:
        for model in view.run.models:
            score = view.scores.loc[model.name]
            p = _against(best, view, model)
            rows.append(_comparison_row(view, model, score, p))
    head = ("model and run", "protocol", "UAR", "0 to 100 %", "WAR", "ECE", "clips", "p")
    name = f"{best[1].name} ({best[0].run.title})"
    words = (
        "In percent, but for clips and p; below UAR and WAR their 95 % intervals over actors. "
        f"p: paired sign-flip test of the difference in UAR from {name}, the highest UAR among "
        "the strict results, over the actors of the clips that both have; not corrected for "
        "the number of comparisons. "
    )
    mixed = len({(v.run.protocol, v.run.adaptation, is_leaky(v.run)) for v in views}) > 1
    if mixed:
        words += "The runs follow different protocols: their numbers answer different questions."
    return tag(
        "section",
        tag("h2", "Comparison"),
        join(blocks.notices(run) for run in _marked(views)),
        table(head, rows, text_columns=2, caption="All models of all runs"),
        tag("p", words, class_="reading"),
        id="compare",
    )


def _marked(views: list[View]) -> list[Run]:
    """Return the first leaky and the first adapted run, whose warnings stand on top."""
    runs = [view.run for view in views]
    leaky = [run for run in runs if is_leaky(run)][:1]
    adapted = [run for run in runs if run.adaptation != "none" and not is_leaky(run)][:1]
    return leaky + adapted


def _comparison_row(view: View, model, score: pd.Series, p: float | None) -> list[object]:
    colour = blocks.SERIES[model.modality]
    link = tag("a", view.run.title, href=f"#{view.prefix}top")
    marks = tag("div", blocks.warning_badges(view.run))
    return [
        join([blocks.key(colour), model.name, tag("small", link), marks]),
        view.run.protocol,
        blocks.with_interval(score, "uar"),
        blocks.range_bar(score, "uar", colour),
        blocks.with_interval(score, "war"),
        percent(score["ece"]),
        f"{int(score['n']):,}",
        "best" if p is None else p_text(p),
    ]


def _reference(views: list[View]):
    """Return the view and model with the highest UAR, of a strict run where there is one."""
    strict = [v for v in views if not is_leaky(v.run) and v.run.adaptation == "none"]
    view = max(strict or views, key=lambda v: v.scores["uar"].max())
    return view, view.best


def _against(best, view: View, model) -> float | None:
    if view is best[0] and model is best[1]:
        return None
    return findings.p_value(
        best[1].probabilities, model.probabilities, best[0].run.clips, seed=best[0].run.seed
    )


def _check_truth(views: list[View]) -> None:
    first = views[0].truth
    for view in views[1:]:
        shared = first.index.intersection(view.truth.index)
        one, two = (truth[shared].astype(object) for truth in (first, view.truth))
        other = one.index[(one != two).to_numpy()]
        if len(other):
            raise SerError(
                f"the runs {views[0].run.title!r} and {view.run.title!r} give clip {other[0]!r} "
                f"different labels ({one[other[0]]}, {two[other[0]]}); compare runs on one data set"
            )


def figure_page(title: str, drawn: Sequence[tuple[str, Markup]], output: str | Path) -> Path:
    """Write figures that belong to no run, such as those of a recipe.

    Args:
        title: of the page.
        drawn: title and drawing of each figure.
        output: the HTML file; its folder is made.

    Returns:
        The file.

    Raises:
        OSError: the file cannot be written.
    """
    header = tag(
        "header", tag("p", "Emotion recognition, figures", class_="eyebrow"), tag("h1", title)
    )
    shown = blocks.grid(blocks.figure(name, drawing) for name, drawing in drawn)
    return _write(output, title, header, tag("main", shown))


def clip_report(predictions: pd.DataFrame, output: str | Path) -> Path:
    """Write what a model says of clips, over time and as a whole.

    Args:
        predictions: from ``inference.predict`` with ``timeline=True``: rows of
            sampled frames have ``frame`` and ``time_s``, rows of whole clips
            have not. A table without a timeline gives the results alone.
        output: the HTML file; its folder is made.

    Returns:
        The file.

    Raises:
        TableError: a column is missing, there is no row, or a row holds no
            probabilities.
        OSError: the file cannot be written.
    """
    labels = _prediction_labels(predictions)
    clips = list(dict.fromkeys(predictions["clip"]))
    parts = [
        _clip_section(clip, predictions[predictions["clip"] == clip], labels, f"clip{at}")
        for at, clip in enumerate(clips)
    ]
    title = str(clips[0]) if len(clips) == 1 else f"{len(clips)} clips"
    if len(clips) > 1:
        parts = [join([tag("h2", clip), part]) for clip, part in zip(clips, parts, strict=True)]
    links = [tag("a", str(clip), href=f"#clip{at}") for at, clip in enumerate(clips)]
    header = tag(
        "header",
        tag("p", "Emotion recognition, prediction", class_="eyebrow"),
        tag("h1", title),
        tag("p", "What each model says of the clip, over time and as a whole.", class_="lead"),
        tag("nav", *links, aria_label="Clips") if len(clips) > 1 else None,
    )
    return _write(output, title, header, tag("main", *parts))


def _prediction_labels(predictions: pd.DataFrame) -> list[str]:
    known = ["clip", "path", "modality", "frame", "time_s", "emotion", "second", "confidence"]
    known += ["audio_share", "video_share", "face_rate", "note"]
    labels = [column for column in predictions.columns if column not in known]
    for column in ("clip", "modality", "confidence"):
        if column not in predictions or len(labels) < 2:
            raise TableError(
                f"this is no table of predictions (no {column} or no labels such as "
                f"{', '.join(EMOTIONS[:3])}); make one with 'multimodal-ser predict --timeline'"
            )
    if predictions.empty:
        raise TableError("there is no prediction to show; predict at least one clip")
    values = predictions[labels].apply(pd.to_numeric, errors="coerce")
    bad = ~((values.sum(axis=1) - 1).abs() <= SUM_TOLERANCE) | (values < 0).any(axis=1)
    if bad.any():
        clip = predictions.loc[bad, "clip"].iloc[0]
        raise TableError(f"the prediction of {clip!r} does not sum to 1; predict the clip again")
    return labels


def _clip_section(clip: str, rows: pd.DataFrame, labels: list[str], name: str) -> Markup:
    timed = rows["frame"].notna() if "frame" in rows else pd.Series(False, rows.index)
    whole, frames = rows[~timed], rows[timed]
    results = whole.drop_duplicates("modality").set_index("modality")
    results = results.reindex([name for name in MODALITIES if name in results.index])
    colours = {name: MODALITIES.index(name) for name in results.index}
    content: list[object] = [_clip_tiles(results, labels)]
    content += [_timeline(clip, part, labels) for part in _by_modality(frames)]
    if len(frames) == 0:
        content.append(tag("p", "The prediction has no timeline.", class_="reading"))
    if len(results):
        shares = results[labels].T.astype(float)
        drawing = figures.bars(shares, colours, "probability, %")
        said = "Each bar is the probability of a label for the whole clip."
        content.append(
            tag(
                "div",
                blocks.figure("The whole clip", drawing, said, blocks.series_keys(colours)),
                _result_table(results, labels),
                class_="beside",
            )
        )
    return tag("section", *content, id=name)


def _by_modality(frames: pd.DataFrame) -> list[pd.DataFrame]:
    return [frames[frames["modality"] == name] for name in dict.fromkeys(frames["modality"])]


def _timeline(clip: str, frames: pd.DataFrame, labels: list[str]) -> Markup:
    modality = str(frames["modality"].iloc[0])
    series = frames.set_index(frames["time_s"].astype(float))[labels].astype(float).sort_index()
    thinned, each = _thinned(series)
    column = "one sample" if each == 1 else f"the mean of {each} samples"
    caption = (
        f"The {modality} model over time, {count(len(series), 'sample')}: a column is {column}, "
        "the height of a colour its probability. A gap is a stretch without a usable sample, such "
        "as frames without a face."
    )
    drawing = tag("div", figures.timeline(thinned, clip), class_="keep", tabindex="0")
    title = tag("h3", f"Over time: {modality}")
    said = tag("figcaption", caption)
    return tag("figure", title, drawing, blocks.label_keys(labels), said, class_="wide")


def _thinned(series: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return means of neighbouring samples where there are more than can be drawn."""
    each = -(-len(series) // SHOWN_SAMPLES)
    if each <= 1:
        return series, 1
    part = pd.Series(range(len(series))) // each
    times = pd.Series(series.index).groupby(part).mean()
    return series.reset_index(drop=True).groupby(part).mean().set_axis(times), each


def _clip_tiles(results: pd.DataFrame, labels: list[str]) -> Markup:
    tiles = []
    for modality, row in results.iterrows():
        ranked = row[labels].astype(float).sort_values(ascending=False, kind="stable")
        first, second = ranked.index[:2]
        rest = f"{percent(ranked[first], 0)} %, then {second} {percent(ranked[second], 0)} %"
        tiles.append(
            tag(
                "div",
                tag("dt", modality),
                tag("dd", first, tag("small", rest)),
                class_="tile",
                style=f"--tone:var(--s{MODALITIES.index(modality)})",
            )
        )
    return tag("dl", *tiles, class_="tiles")


def _result_table(results: pd.DataFrame, labels: list[str]) -> Markup:
    rows = [
        [label, *(percent(float(results.loc[name, label])) for name in results.index)]
        for label in labels
    ]
    return table(("label", *results.index), rows, class_="dense", caption="Probabilities, percent")
