"""Pages about runs and about single clips, each one HTML file.

How they look is said by ``templates/``; here is what they show. Figures are SVG in the
page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.evaluation.runs import Run, RunModel
from multimodal_ser.reports import figures, findings, lanes, player
from multimodal_ser.reports.blocks import View
from multimodal_ser.reports.markup import TEMPLATES, Markup
from multimodal_ser.reports.sections import SECTIONS
from multimodal_ser.reports.wording import is_leaky, percent
from multimodal_ser.tables import EMOTIONS, MODALITIES, SUM_TOLERANCE, sources


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
    several = len(runs) > 1
    views = [View.of(run, f"run{at}-" if several else "") for at, run in enumerate(runs, 1)]
    return _write(
        output,
        "run.html",
        title=f"Comparison of {len(runs)} runs" if several else runs[0].title,
        views=views,
        leaky=any(map(is_leaky, runs)),
        sections=SECTIONS,
        compared=_comparison(views) if several else None,
    )


def _write(output: str | Path, template: str, **values: object) -> Path:
    page = TEMPLATES.get_template(template).render(**values)
    # A lone surrogate in a file name has no UTF-8; shown as '?', it does no harm.
    content = page.encode("utf-8", errors="replace")
    write_atomically(output, lambda file: file.write(content))
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
    return _write(output, "figures.html", title=title, drawn=drawn)


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
    labels = prediction_labels(predictions)
    clips = [
        _clip(clip, predictions[predictions["clip"] == clip], labels)
        for clip in dict.fromkeys(predictions["clip"])
    ]
    title = clips[0]["name"] if len(clips) == 1 else f"{len(clips)} clips"
    return _write(output, "clips.html", title=title, clips=clips, labels=labels, player=player)


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


def _clip(clip: str, rows: pd.DataFrame, labels: list[str]) -> dict:
    rows = rows.assign(source=sources(rows))
    timed = rows["frame"].notna() if "frame" in rows else pd.Series(False, rows.index)
    cut = rows["segment"].notna() if "segment" in rows else timed & False
    whole = rows[~timed & ~cut].drop_duplicates("source").set_index("source")
    places = whole["modality"].map(MODALITIES.index).sort_values(kind="stable")
    whole = whole.loc[places.index, labels].astype(float)
    ranked = {
        name: row.sort_values(ascending=False, kind="stable") for name, row in whole.iterrows()
    }
    more = len(MODALITIES) - 1 + places.duplicated().cumsum()
    colours = dict(
        zip(whole.index.astype(str), places.where(~places.duplicated(), more), strict=True)
    )
    said = rows.loc[~cut & ~timed] if cut.any() else rows
    notes: Iterable = said.get("note", [])
    return {
        "name": str(clip),
        "notes": list(dict.fromkeys(note for note in notes if note == note and note)),
        "results": ranked,
        "colours": colours,
        "fragment": player.clip_fragment(rows, labels),
        "segments": _segments(rows[cut]) if cut.any() else None,
        "bars": figures.bars(whole.T, colours, "probability, %") if ranked else None,
        "rows": [[label, *map(percent, whole[label])] for label in labels],
    }


def _segments(rows: pd.DataFrame) -> dict:
    """Return the table of segments: the fused answer of each, or the only one."""
    order = rows["modality"].map(MODALITIES.index)
    last = rows.loc[order.groupby(rows["segment"]).idxmax()]
    head = ["from", "to", "person", "label", "confidence, %", "note"]
    persons = last["person"] if "person" in last else pd.Series(pd.NA, last.index)
    cells = [
        last["start_s"].map(lanes.clock),
        last["end_s"].map(lanes.clock),
        persons.map(lambda who: "" if pd.isna(who) else str(who)),
        last["emotion"],
        last["confidence"].astype(float).map(percent),
        last["note"].fillna("") if "note" in last else pd.Series("", last.index),
    ]
    kept = [at for at, cell in enumerate(cells) if (cell != "").any()]
    table = list(zip(*(cells[at] for at in kept), strict=True))
    return {"head": [head[at] for at in kept], "rows": table}
