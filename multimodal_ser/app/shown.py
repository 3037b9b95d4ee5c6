"""What the page shows of a recording, with the design and the player of reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from multimodal_ser.app import downloads
from multimodal_ser.app.sessions import Clip
from multimodal_ser.app.work import Reading
from multimodal_ser.datasets.files import AUDIO_ENDINGS, VIDEO_ENDINGS, is_audio
from multimodal_ser.errors import SerError
from multimodal_ser.reports import clips, html, player
from multimodal_ser.reports.markup import TEMPLATES, Markup
from multimodal_ser.tables import MODALITIES
from multimodal_ser.workflows import showing

#: What a browser offers to choose.
ENDINGS = (*AUDIO_ENDINGS, *VIDEO_ENDINGS)
_CLIP = TEMPLATES.from_string(
    """{% import "clip.html" as parts %}<h2>{{ clip.name }}</h2>
{{ parts.clip(clip, number, labels) }}<p class="take">{{ links }}</p>"""
)


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
    labels = html.prediction_labels(rows)
    made = clips.clip(clip.medium.name, rows, labels, media(clip, f"/media/{key}/{clip.number}"))
    made["notes"] = [*made["notes"], *_novelty(whole(clip.reading))]
    return _CLIP.render(
        clip=made,
        number=clip.number,
        labels=labels,
        links=links(key, [str(clip.number)], downloads.FORMATS, "Take along: "),
    )


def media(clip: Clip, url: str, note: str = "") -> player.Media:
    """Return what is shown beside the predictions of a recording.

    Args:
        clip: with a reading.
        url: where the player finds it.
        note: said where nothing else is.
    """
    assert clip.reading is not None
    length_s = clip.reading.duration_s
    early = player.Media(
        has_image=not is_audio(clip.medium.path), length_s=0.0 if pd.isna(length_s) else length_s
    )
    found = clip.media or early
    return replace(found, url=url, note=found.note or note)


def links(key: str, numbers: Sequence[str], endings: Iterable[str], said: str) -> Markup:
    """Return links to take predictions of recordings along.

    Args:
        key: of the page.
        numbers: of recordings; without any there are no links.
        endings: of :data:`downloads.FORMATS`.
        said: what stands before them.

    Example:
        >>> print(links("k", ["0", "2"], ["csv"], "All: "))
        All: <a href="/take/k/0,2.csv" download>CSV</a>
    """
    if not numbers:
        return Markup("")
    base = f"/take/{key}/{','.join(numbers)}"
    link = Markup('<a href="{}.{}" download>{}</a>').format
    names = {"csv": "CSV", "html": "the page"}
    found = (link(base, one, names.get(one, f".{one}")) for one in endings)
    return Markup("{}{}").format(said, Markup(" ").join(found))


def _novelty(rows: pd.DataFrame) -> list[str]:
    """Say how unlike the training recordings the sound is, where that is known."""
    heard = rows.loc[rows["modality"] == "audio", "novelty"].dropna()
    told = "novelty {:.1f}, and of recordings like those the voice has learnt from 99 % are below 1"
    return [told.format(value) for value in heard]


def page(chosen: Sequence[Clip], path: Path) -> Path:
    """Write the self-contained report of recordings; it holds them, unless they are too large.

    Args:
        chosen: with readings without errors.
        path: the HTML file.
    """
    rows = pd.concat([one.reading.predictions for one in chosen if one.reading is not None])
    model = next(one.job.task.model for one in chosen if one.job is not None)
    by_name = {one.medium.name: one for one in chosen}
    try:
        clips.check_embeddable(one.medium.path for one in chosen)
        embed = True
    except SerError:
        embed = False
        rows["path"] = [Path(name).name for name in rows["clip"]]  # ours are soon gone

    def beside(own: pd.DataFrame) -> player.Media:
        one = by_name[str(own["clip"].iloc[0])]
        name = Path(one.medium.name).name
        return media(one, quote(name), f"{name} plays when it is in the folder of this page.")

    return html.clip_report(
        rows.reset_index(drop=True),
        path,
        about=showing.about(model),
        media=beside,
        embed=embed,
    )
