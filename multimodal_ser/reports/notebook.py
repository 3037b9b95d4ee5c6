"""Results and models as a notebook shows them: small HTML that needs nothing else.

Styles are in the elements and colours do without those of a page, for a notebook may be light
or dark. There is no script, and every name is escaped (:mod:`~multimodal_ser.reports.markup`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from multimodal_ser.reports.html import prediction_labels
from multimodal_ser.reports.lanes import PLACES
from multimodal_ser.reports.markup import TEMPLATES
from multimodal_ser.tables import MODALITIES

#: Of labels, in their order; those of the reports, from the sixth of light pages on.
COLOURS = (
    *("#8b9099", "#56b4e9", "#e3ae00", "#1f5fa8", "#d55e00", "#8d4fa8", "#009e73", "#dd86b4"),
    *("#5c646e", "#84bdf5", "#8a6d00", "#14508f"),
)
#: Recordings that are shown, and failures; the tables have all.
SHOWN = 8


def result(predictions: pd.DataFrame, failures: pd.DataFrame) -> str:
    """Return what was predicted: each recording's probabilities and their course.

    Args:
        predictions: of ``workflows.inference.predict``.
        failures: likewise.

    Raises:
        TableError: it is no table of predictions.

    Example:
        >>> row = {"clip": "<i>", "modality": "audio", "confidence": 0.7, "sad": 0.7, "calm": 0.3}
        >>> html = result(pd.DataFrame([row]), pd.DataFrame({"error": []}))
        >>> "&lt;i&gt;" in html, "<i>" in html, "70" in html
        (True, False, True)
    """
    labels = [] if predictions.empty else prediction_labels(predictions)
    every = list(dict.fromkeys(predictions["clip"]))
    clips = [_clip(predictions[predictions["clip"] == clip], labels) for clip in every[:SHOWN]]
    return TEMPLATES.get_template("notebook.html").render(
        clips=clips,
        more=len(every) - len(clips),
        labels=list(zip(labels, _colours(len(labels)), strict=True)),
        failures=list(failures["error"][:SHOWN]),
        n_failures=len(failures),
    )


def about(title: str, facts: Mapping[str, str], header: Sequence[str], rows: Iterable) -> str:
    """Return a title, some facts, and a table, as a model or a recipe shows itself.

    Args:
        title: what it is.
        facts: name -> value.
        header: of the table.
        rows: texts, as many in each as in the header.

    Example:
        >>> "&lt;i&gt;" in about("Model", {"labels": "<i>"}, ["learner"], [["svc"]])
        True
    """
    template = TEMPLATES.get_template("notebook_about.html")
    return template.render(title=title, facts=facts, header=header, rows=list(rows))


def _colours(count: int) -> list[str]:
    return [COLOURS[at % len(COLOURS)] for at in range(count)]


def _clip(rows: pd.DataFrame, labels: list[str]) -> dict:
    nothing = pd.Series(pd.NA, rows.index)
    inner = rows.get("segment", nothing).notna()
    sampled = rows.get("frame", nothing).notna()
    person = rows.get("person", nothing)
    named = rows["modality"] + (" of " + person.astype("string")).fillna("")
    whole = rows.assign(whose=named)[~inner & ~sampled].drop_duplicates("whose").set_index("whose")
    whole = whole.sort_values("modality", key=lambda m: m.map(MODALITIES.index), kind="stable")
    notes = whole.get("note", pd.Series(dtype=object)).dropna()
    return {
        "name": str(rows["clip"].iloc[0]),
        "best": [(name, *_best(row, labels)) for name, row in whole.iterrows()],
        "values": whole[labels].astype(float).T.to_numpy().tolist(),
        "modalities": list(whole.index),
        "notes": [note for note in dict.fromkeys(notes) if note],
        "course": _course(rows[inner], _of_one(rows[sampled], person), labels),
    }


def _of_one(frames: pd.DataFrame, person: pd.Series) -> pd.DataFrame:
    """Return the frames of the person who is in most of them, where there are several people."""
    whose = person[frames.index].dropna()
    return frames[person[frames.index] == whose.mode()[0]] if len(whose) else frames


def _best(row: pd.Series, labels: list[str]) -> tuple[str, float]:
    values = row[labels].astype(float)
    return str(values.idxmax()), float(values.max())


def _course(segments: pd.DataFrame, frames: pd.DataFrame, labels: list[str]) -> dict | None:
    """Return stacked probabilities over time as parts of a drawing of 640 by 100 units."""
    if len(segments):
        modality = next(m for m in reversed(MODALITIES) if (segments["modality"] == m).any())
        part = segments[segments["modality"] == modality].sort_values("start_s", kind="stable")
        starts, ends = part["start_s"].to_numpy(float), part["end_s"].to_numpy(float)
        ends = np.append(np.minimum(ends[:-1], starts[1:]), ends[-1:])  # windows may overlap
    elif len(frames) > 1:
        modality, part = "video", frames.sort_values("time_s", kind="stable")
        starts = part["time_s"].to_numpy(float)
        ends = np.append(starts[1:], starts[-1] + np.median(np.diff(starts)))
    else:
        return None
    values = part[labels].to_numpy(float)
    each = -(-len(starts) // PLACES)
    first = np.arange(0, len(starts), each)
    values = np.add.reduceat(values, first) / np.diff(np.append(first, len(starts)))[:, None]
    starts, ends = starts[first], ends[np.append(first[1:], len(ends)) - 1]
    scale = 640 / max(float(ends.max()), 1e-3)
    tops = np.cumsum(values, axis=1) - values
    bars = [
        (
            f"{start * scale:.1f}",
            f"{top * 100:.1f}",
            f"{(end - start) * scale:.1f}",
            f"{value * 100:.1f}",
            COLOURS[at % len(COLOURS)],
        )
        for start, end, row, floor in zip(starts, ends, values, tops, strict=True)
        for at, (value, top) in enumerate(zip(row, floor, strict=True))
        if value >= 0.005
    ]
    return {"modality": modality, "bars": bars, "end_s": float(ends.max())}
