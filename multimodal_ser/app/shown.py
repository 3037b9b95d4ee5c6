"""What the page shows of a recording, with the design and the player of reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.app import downloads
from multimodal_ser.app.sessions import Clip
from multimodal_ser.app.work import Reading
from multimodal_ser.datasets.files import AUDIO_ENDINGS, VIDEO_ENDINGS, is_audio
from multimodal_ser.reports import html, player
from multimodal_ser.reports.markup import TEMPLATES, Markup, join
from multimodal_ser.tables import MODALITIES

#: What a browser offers to choose.
ENDINGS = (*AUDIO_ENDINGS, *VIDEO_ENDINGS)
_SOURCE = resources.files("multimodal_ser.app") / "templates" / "clip.html"
_CLIP = TEMPLATES.from_string(_SOURCE.read_text(encoding="utf-8"))


def style() -> str:
    """Return the style sheet: that of reports."""
    return player.STYLE + TEMPLATES.get_template("style.css").render()


def script() -> str:
    """Return the script of the player."""
    return player.SCRIPT


def verdict(reading: Reading) -> str:
    """Return a prediction in a few words.

    Args:
        reading: with predictions.
    """
    row = whole(reading).iloc[-1]
    return f"{row['emotion']} {row['confidence']:.0%} ({row['modality']})"


def whole(reading: Reading) -> pd.DataFrame:
    """Return the rows that are of a whole recording, the fused one last."""
    rows = reading.predictions
    rows = rows[rows["frame"].isna()]
    if "segment" in rows:
        rows = rows[rows["segment"].isna()]
    return rows.sort_values("modality", key=lambda names: names.map(MODALITIES.index))


def clip(clip: Clip, key: str) -> str:
    """Return a predicted recording as HTML.

    Args:
        clip: with a reading without an error.
        key: of its page.
    """
    assert clip.reading is not None
    rows = clip.reading.predictions
    cut = rows["segment"].notna() if "segment" in rows else pd.Series(False, rows.index)
    fragment = player.clip_fragment(rows, html.prediction_labels(rows), media(clip, key))
    tiles = [_tile(row) for _, row in whole(clip.reading).iterrows()]
    ending = downloads.FORMATS
    return _CLIP.render(
        name=clip.medium.name,
        rows=tiles,
        notes=_notes(whole(clip.reading)["note"]),
        fragment=fragment,
        segments=html._segments(rows[cut]) if cut.any() else None,
        links=links(key, [str(clip.number)], ending),
    )


def media(clip: Clip, key: str) -> player.Media:
    """Return what is shown beside the predictions of a recording.

    Args:
        clip: with a reading.
        key: of its page.
    """
    assert clip.reading is not None
    found, sound = clip.faces, is_audio(clip.medium.path)
    boxes = None if found is None else found.judged("person" in clip.reading.predictions)
    length_s = clip.reading.duration_s
    return player.Media(
        url=f"/media/{key}/{clip.number}",
        has_image=not sound,
        length_s=0.0 if pd.isna(length_s) else length_s,
        size=None if found is None else found.size,
        peaks=clip.peaks,
        boxes=boxes,
    )


def links(key: str, numbers: Sequence[str], endings: Iterable[str], of: str = "") -> Markup:
    """Return links to take predictions of recordings along.

    Args:
        key: of the page.
        numbers: of recordings; without any there are no links.
        endings: of :data:`downloads.FORMATS`.
        of: what is said before each format.
    """
    if not numbers:
        return Markup("")
    base = f"/take/{key}/{','.join(numbers)}"
    names = {"csv": "CSV", "html": "this page", "srt": ".srt", "vtt": ".vtt"}
    names |= {one: f".{one}" for one in ("TextGrid", "eaf")}
    return join(
        Markup('<a href="{}.{}" download>{} {}</a> ').format(base, one, of, names[one])
        for one in endings
    )


def _tile(row: pd.Series) -> dict[str, Any]:
    person = row.get("person")
    title, novelty = row["modality"], row.get("novelty")
    return {
        "title": title if person is None or pd.isna(person) else f"{title}, person {person}",
        "emotion": row["emotion"],
        "second": row["second"],
        "confidence": row["confidence"],
        "set": str(row.get("set") or "").replace("|", ", "),
        "novelty": _novelty(novelty) if row["modality"] == "audio" else "",
    }


def _novelty(value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    told = "unlike" if value > 1 else "like"
    return f"sounds {told} what the model has learnt from (novelty {value:.1f}; above 1 is unlike)"


def _notes(notes: Iterable[Any]) -> list[str]:
    said = (part for note in notes if isinstance(note, str) for part in note.split("; ") if part)
    return list(dict.fromkeys(said))


def page(clips: Sequence[Clip], path: Path) -> Path:
    """Write the self-contained report of recordings."""
    rows = pd.concat([one.reading.predictions for one in clips if one.reading is not None])
    return html.clip_report(rows.reset_index(drop=True), path)
