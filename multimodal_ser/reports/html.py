"""Pages about runs and about single clips, each one HTML file.

How they look is said by ``templates/``; here is what they show. Figures are SVG in the
page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.evaluation.runs import Run, RunModel
from multimodal_ser.reports import clips, consent, findings, player
from multimodal_ser.reports.blocks import View
from multimodal_ser.reports.clips import About, Showing
from multimodal_ser.reports.markup import TEMPLATES, Markup
from multimodal_ser.reports.player import Media
from multimodal_ser.reports.sections import SECTIONS
from multimodal_ser.reports.wording import is_leaky
from multimodal_ser.tables import EMOTIONS, MODALITIES, SUM_TOLERANCE

#: More clips than these are folded.
SHOWN_OPEN = 3


def run_report(runs: Sequence[Run], output: str | Path, names: Sequence[str] = ()) -> Path:
    """Write the report of a run, or of several with a comparison on top.

    Args:
        runs: from ``evaluation.runs.read_run``; at least one.
        output: the HTML file; its folder is made.
        names: of the runs, such as their folders; by default their titles. Runs of one name
            are numbered.

    Returns:
        The file.

    Raises:
        SerError: there is no run, or two runs give a clip different labels.
        OSError: the file cannot be written.
    """
    runs = list(runs)
    if not runs:
        raise SerError("there is no run to report; name at least one run folder")
    several = len(runs) > 1
    views = [
        View.of(run, f"run{at}-" if several else "", name)
        for at, (run, name) in enumerate(zip(runs, _told_apart(runs, names), strict=True), 1)
    ]
    return _write(
        output,
        "run.html",
        title=f"Comparison of {len(runs)} runs" if several else runs[0].title,
        views=views,
        leaky=any(map(is_leaky, runs)),
        sections=SECTIONS,
        compared=_comparison(views) if several else None,
    )


def _told_apart(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    given = list(names) or [run.title for run in runs]
    return [
        f"{name} ({given[: at + 1].count(name)})" if given.count(name) > 1 else name
        for at, name in enumerate(given)
    ]


def _write(output: str | Path, template: str, **values: object) -> Path:
    page = TEMPLATES.get_template(template).stream(**values)
    page.enable_buffering(100)
    # A lone surrogate in a file name has no UTF-8; shown as '?', it does no harm.
    write_atomically(output, lambda file: page.dump(file, "utf-8", errors="replace"))
    return Path(output)


def _comparison(views: list[View]) -> dict:
    _check_truth(views)
    best = _reference(views)
    rows = [
        {
            "view": view,
            "model": model,
            "score": view.scores.loc[model.name],
            "colour": MODALITIES.index(model.modality),
            "p": _against(best, view, model),
        }
        for view in views
        for model in view.run.models
    ]
    mixed = len({(v.run.protocol, v.run.adaptation, is_leaky(v.run)) for v in views}) > 1
    return {"rows": rows, "best": best, "mixed": mixed, "marked": _marked(views)}


def _marked(views: list[View]) -> list[Run]:
    """Return the first leaky run and the first of each adaptation, whose warnings stand on top."""
    first: dict[str, Run] = {}
    for run in (view.run for view in views):
        first.setdefault("leaky" if is_leaky(run) else run.adaptation, run)
    first.pop("none", None)
    return [first[kind] for kind in sorted(first, key=lambda kind: kind != "leaky")]


def _reference(views: list[View]) -> View:
    """Return the view of the model with the highest UAR, of a strict run where there is one."""
    strict = [v for v in views if not is_leaky(v.run) and v.run.adaptation == "none"]
    return max(strict or views, key=lambda v: v.scores["uar"].max())


def _against(best: View, view: View, model: RunModel) -> float | None:
    if view is best and model is best.best:
        return None
    own, other = best.best.probabilities, model.probabilities
    return findings.p_value(own, other, best.run.clips, seed=best.run.seed)


def _check_truth(views: list[View]) -> None:
    first = views[0].truth
    for view in views[1:]:
        shared = first.index.intersection(view.truth.index)
        one, two = (truth[shared].astype(object) for truth in (first, view.truth))
        other = one.index[(one != two).to_numpy()]
        if len(other):
            raise SerError(
                f"the runs {views[0].name!r} and {view.name!r} give clip {other[0]!r} "
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
    return _write(output, "figures.html", title=title, drawn=drawn)


def clip_report(
    predictions: pd.DataFrame,
    output: str | Path,
    *,
    failures: pd.DataFrame | None = None,
    about: About | None = None,
    media: Showing | None = None,
    embed: bool = False,
) -> Path:
    """Write what a model says of clips, over time and as a whole.

    Args:
        predictions: from ``inference.predict`` with ``timeline=True``: rows of
            sampled frames have ``frame`` and ``time_s``, rows of whole clips
            have not. A table without a timeline gives the results alone.
        output: the HTML file; its folder is made.
        failures: what could not be used, from ``inference.predict``.
        about: what is said of the model.
        media: from the rows of a clip to what is shown beside them, such as
            ``workflows.showing.media_of``; None reads nothing of the recordings.
        embed: whether the recordings are in the page; else it plays them from where they are,
            or from its own folder.

    Returns:
        The file. Clips are made one at a time while it is written.

    Raises:
        TableError: a column is missing, there is no row, or a row holds no
            probabilities.
        SerError: the recordings are too large to be in the page.
        OSError: the file cannot be written.
    """
    labels = prediction_labels(predictions)
    page, about = Path(output), about or About()
    parts = predictions.groupby("clip", sort=False)
    if embed:
        clips.check_embeddable(clips.shown_path(rows) for _, rows in parts)

    def shown(rows: pd.DataFrame) -> Media:
        found = media(rows) if media is not None else clips.unread(rows)
        found = replace(found, lazy=len(parts) > SHOWN_OPEN)
        return clips.placed(found, clips.shown_path(rows), page, embed=embed)

    every = clips.overview(predictions, labels)
    facts = {"model": about.model, "version": f"multimodal-ser {about.version}"}
    facts |= {"date": about.date, "labels": ", ".join(labels)}
    return _write(
        page,
        "clips.html",
        title=every["rows"][0]["clip"] if len(parts) == 1 else f"{len(parts):,} recordings",
        clips=clips.clips(predictions, labels, shown),
        overview=every,
        failures=clips.failure_rows(failures),
        labels=labels,
        about=about,
        facts=facts,
        consent=consent,
        embedded=embed,
        shown_open=SHOWN_OPEN,
        scripts=[player.PLAYER] + [player.OVERVIEW] * (len(parts) > 1),
    )


def prediction_labels(predictions: pd.DataFrame) -> list[str]:
    """Return the labels of a table of predictions.

    Raises:
        TableError: a column is missing, there is no row, or a row holds no probabilities.
    """
    known = ["clip", "path", "modality", "frame", "time_s", "emotion", "second", "confidence"]
    known += ["audio_share", "video_share", "face_rate", "novelty", "note", "set"]
    known += ["person", "segment", "start_s", "end_s"]
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
