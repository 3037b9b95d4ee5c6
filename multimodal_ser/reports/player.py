"""One clip as a report and the app show it: its player, and under it lanes in step with it.

:func:`clip_fragment` is the HTML of a clip, :data:`SCRIPT` what moves it, :data:`STYLE` how it
looks. A page has the latter two once; fragments that are put in later start by themselves. What
has to be read from media (the waveform, where the faces are) is handed in as :class:`Media`.

What a page can rely on, beside the classes in :data:`STYLE`:

- ``.clip-player`` is a clip. Its ``data-length`` is seconds, its ``data-boxes`` JSON: person (or
  an empty text, for the only face) -> rows of seconds, x, y, width and height, the latter in
  thousandths of the image.
- ``.lane`` in it may be replaced at any time, such as by a longer one (:func:`lanes_fragment`).
- The event ``moment`` bubbles up from ``.clip-player`` when somebody goes to another time; its
  ``detail`` is seconds.
- ``--at``, 0 to 1, is where the cursors stand.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from multimodal_ser.reports import lanes
from multimodal_ser.reports.markup import TEMPLATES, Markup

_FILES = resources.files("multimodal_ser.reports") / "templates"


def _file(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


class Script(NamedTuple):
    """A script of a page, and how the page's policy (CSP) names it."""

    text: str
    hash: str

    @classmethod
    def of(cls, name: str) -> Script:
        """Read one of ``templates/``."""
        text = _file(name)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return cls(text, f"sha256-{digest}")


#: What moves a fragment, and what sorts and filters a report's overview.
PLAYER, OVERVIEW = Script.of("player.js"), Script.of("overview.js")
SCRIPT, SCRIPT_HASH = PLAYER
#: The colours, light and dark, and the classes of a fragment; a report's style sheet has them.
STYLE = _file("colours.css") + _file("player.css")

#: Rows of boxes that a fragment holds: more would move no smoother over so long a time.
MOST_BOXES = 4000
_BOX = ["x", "y", "w", "h"]
_MACROS: Any = TEMPLATES.get_template("player.html").module


@dataclass(frozen=True)
class Media:
    """What is shown of a recording beside its predictions.

    Attributes:
        url: where the player finds it, relative to the page or ``data:``; empty has no player.
        other_url: where it looks when there is nothing.
        has_image: whether it is a video.
        length_s: seconds; 0 where unknown, and then what the predictions tell counts.
        size: width and height of the image in pixels, so that the page keeps its place.
        peaks: float ``(n, 2)``, lowest and highest value, -1 to 1, of ``n`` equal stretches.
        boxes: columns ``time_s``, ``person`` (missing for the only face), and ``x``, ``y``,
            ``w``, ``h`` as shares of the image's width and height.
        faces: person, or None for the only one -> JPEG of the face that was judged.
        note: what else there is to say, such as why there is no player.
        lazy: whether nothing of it is loaded before somebody looks.
    """

    url: str = ""
    other_url: str = ""
    has_image: bool = False
    length_s: float = 0.0
    size: tuple[int, int] | None = None
    peaks: np.ndarray | None = None
    boxes: pd.DataFrame | None = None
    faces: Mapping[int | None, bytes] = field(default_factory=dict)
    note: str = ""
    lazy: bool = False


def clip_fragment(
    predictions: pd.DataFrame, labels: Sequence[str], media: Media = Media()
) -> Markup:
    """Return a clip's player, its lanes, and the faces that were judged.

    Args:
        predictions: rows of one clip, as ``inference.predict`` gives them.
        labels: columns of probabilities, in the order of their colours.
        media: what there is beside them.

    Returns:
        A ``<div class="clip-player">`` that is whole without script, too: the lanes are
        drawings, and the player is the browser's.

    Example:
        >>> row = {"clip": "<b>", "modality": "audio", "sad": 0.75, "calm": 0.25}
        >>> made = clip_fragment(pd.DataFrame([row]), ["sad", "calm"], Media("a.wav", length_s=2))
        >>> "<audio" in made, 'data-length="2.000"' in made, "M0 0h1000v75" in made
        (True, True, True)
    """
    length_s = length(predictions, media)
    return _MACROS.clip(
        media=media,
        length_s=length_s,
        boxes=boxes_json(media.boxes),
        faces=[(who, data_url(jpeg, "image/jpeg")) for who, jpeg in media.faces.items()],
        lanes=lanes_fragment(predictions, labels, media),
    )


def lanes_fragment(
    predictions: pd.DataFrame, labels: Sequence[str], media: Media = Media()
) -> Markup:
    """Return the lanes alone, ``<div class="lanes">``: what of a clip grows while it is read.

    Args:
        predictions: rows of one clip; may be none.
        labels: columns of probabilities.
        media: see :class:`Media`.
    """
    length_s = length(predictions, media)
    scale_s = length_s or 1.0
    made, smoothed = [], False
    for name, rows in lanes.of_rows(predictions, labels, scale_s).items():
        part, averaged = lanes.bounded(rows, scale_s)
        smoothed |= averaged
        made.append(
            {
                "name": name,
                "person": _person(name),
                "paths": list(enumerate(lanes.paths(part, labels, scale_s))),
                "said": _said(part, labels),
            }
        )
    return _MACROS.lanes(
        lanes=made,
        labels=labels,
        length_s=length_s,
        ticks=lanes.ticks(length_s) if length_s else [],
        wave=wave_path(media.peaks) if media.peaks is not None and len(media.peaks) else "",
        width=f"{lanes.width_s(length_s):.0f}" if smoothed else "",
    )


def length(predictions: pd.DataFrame, media: Media) -> float:
    """Return the seconds of a recording: its own, or as far as is predicted; 0 if unknown."""
    ends = [predictions[name].max() for name in ("end_s", "time_s") if name in predictions]
    known = [float(end) for end in ends if pd.notna(end)]
    return float(media.length_s) or max(known, default=0.0)


def _person(lane: str) -> str:
    """Return whose boxes a lane names: a number, or an empty text for the only face."""
    words = lane.split()
    return words[1] if len(words) == 3 else "" if lane == "video" else "nobody"


def _said(part: pd.DataFrame, labels: Sequence[str]) -> str:
    """Return what the script reads out: columns from, to, label and percent, as JSON."""
    values = part[list(labels)].to_numpy()
    best = values.argmax(axis=1)
    told = {
        "labels": list(map(str, labels)),
        "from": part["start_s"].round(2).tolist(),
        "to": part["end_s"].round(2).tolist(),
        "label": best.tolist(),
        "percent": np.rint(100 * values[np.arange(len(best)), best]).astype(int).tolist(),
    }
    return json.dumps(told, separators=(",", ":"))


def boxes_json(boxes: pd.DataFrame | None) -> str:
    """Return boxes as :data:`SCRIPT` reads them, see the module's description.

    Args:
        boxes: see :class:`Media`; rows without a place are left out.

    Example:
        >>> box = {"time_s": 0.5, "person": None, "x": 0.25, "y": 0.1, "w": 0.2, "h": 0.3}
        >>> boxes_json(pd.DataFrame([box]))
        '{"":[[0.5,250,100,200,300]]}'
    """
    if boxes is None or boxes.empty:
        return ""
    given = boxes.dropna(subset=_BOX).sort_values("time_s", kind="stable")
    whose = given["person"].map(lambda who: "" if pd.isna(who) else str(int(who)))
    every = -(-len(given) // MOST_BOXES)
    found = {}
    for who, rows in given.groupby(whose, sort=True):
        places = np.rint(1000 * rows[_BOX].to_numpy(float)).astype(int).tolist()
        times = rows["time_s"].astype(float).round(2).tolist()
        found[who] = [[at, *place] for at, place in zip(times, places, strict=True)][::every]
    return json.dumps(found, separators=(",", ":"))


def wave_path(peaks: np.ndarray) -> str:
    """Return a waveform as an SVG path of 1000 by 100 units, the loudest as high as there is.

    Args:
        peaks: see :class:`Media`.

    Example:
        >>> wave_path(np.array([[-0.5, 0.5], [0.0, 0.25]]))
        'M250 0L750 25L750 50L250 100z'
    """
    loudest = max(float(np.nanmax(np.abs(peaks), initial=0)), 1e-3)
    lows, highs = np.rint(50 - 50 * np.nan_to_num(peaks.T) / loudest).astype(int)
    at = np.rint((np.arange(len(peaks)) + 0.5) * 1000 / len(peaks)).astype(int)
    # Where it is silent there is still a line.
    lows = np.maximum(lows, highs + 2)
    there, back = zip(at, highs, strict=True), zip(at[::-1], lows[::-1], strict=True)
    return "M" + "L".join(f"{x} {y}" for x, y in (*there, *back)) + "z"


def data_url(content: bytes, kind: str) -> str:
    """Return bytes as a URL that needs no file.

    Example:
        >>> data_url(b"hello", "text/plain")
        'data:text/plain;base64,aGVsbG8='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
