"""The page: recordings are dropped, recorded or followed live, and their reading is shown.

What moves without asking the server (the player, recording, the live view) is in
``reports/templates/player.js`` and ``static/app.js``; here is what the page shows of a session.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from multimodal_ser import plugins
from multimodal_ser.app import downloads, shown
from multimodal_ser.app.jobs import DONE, FAILED, RUNNING, STOPPED, WAITING
from multimodal_ser.app.sessions import Clip, Session, Sessions
from multimodal_ser.reports import consent, model_card
from multimodal_ser.workflows import released

#: How often the page looks at its jobs, in seconds.
LOOK_S = 0.2
#: Recordings that are shown side by side.
MOST_SHOWN = 2
_INTRO = """
<header><p class="eyebrow">Emotion recognition</p>
<h1>What a voice and a face tell a model</h1>
<p class="lead">Drop films and sounds, record one, or watch live. Everything stays on this machine,
and is deleted when this page is closed.</p></header>
"""
_GIVE = """
<div id="give" data-key="{key}" data-most="{most}">
<label class="drop"><input id="files" type="file" multiple accept="audio/*,video/*,{endings}">
<b>Choose films and sounds</b> <span>or drop them here, several at once</span></label>
<p class="doing"><button id="record" type="button">Record</button>
<button id="watch" type="button">Watch live</button>
<label><input id="camera" type="checkbox" checked> with camera</label></p>
<p id="said" role="status"></p>
<section id="live" aria-labelledby="live-title" hidden><h2 id="live-title">Live</h2>
<div class="live"><video muted playsinline></video><div class="now"></div></div>
<div class="history" role="img" aria-label="The last two minutes, newest at the right"></div>
<p class="reading delay"></p></section></div>
"""


def add(sessions: Sessions, model: str | None) -> None:
    """Add the page to NiceGUI's app.

    Args:
        sessions: where each tab gets a session.
        model: folder or name of the model that is chosen at first; None takes the released one.
    """
    plugins.require("nicegui")
    from nicegui import Client, ui

    globals()["Client"] = Client  # NiceGUI finds the type of what it hands over by name

    @ui.page("/")
    def index(client: Client) -> None:
        session = sessions.open(model)
        client.on_delete(lambda: sessions.close(session.key))
        ui.add_head_html(f"<style>{shown.style()}</style>")
        ui.add_head_html('<link rel="stylesheet" href="/static/app.css">')
        ui.add_body_html(f"<script>{shown.script()}</script>")
        ui.add_body_html('<script defer src="/static/app.js"></script>')
        Page(session, model).build(ui)


class Page:
    """What one tab shows.

    Args:
        session: of the tab.
        model: folder or name of the model that was given; None is the released one.
    """

    def __init__(self, session: Session, model: str | None) -> None:
        self.session = session
        session.model = model or released.DEFAULT
        names = dict.fromkeys((session.model, *released.released_models()))
        self.models = {name: Path(name).name or name for name in names}
        self.rows: dict[int, Row] = {}
        self.shown: list[int] = []
        self._drawn: list[tuple] = []
        self._done: list[str] = []

    def build(self, ui: Any) -> None:
        """Make the elements, and look at the jobs from then on."""
        self.ui = ui
        with ui.element("div").classes("page"):
            ui.html(_INTRO, sanitize=False)
            self._consent()
            self._model()
            endings = ",".join(shown.ENDINGS)
            most = self.session.limits.file_bytes
            ui.html(_GIVE.format(key=self.session.key, most=most, endings=endings), sanitize=False)
            self.list = ui.element("section").props('aria-label="Recordings"')
            with self.list:
                self.items = ui.element("ul").classes("recordings")
                self._several()
            self.view = ui.element("section").props('aria-label="Predictions"').classes("view")
        self.list.set_visibility(False)
        ui.timer(LOOK_S, self.look)

    def _consent(self) -> None:
        text = "".join(f"<p>{escape(one)}</p>" for one in (consent.CONSENT, consent.LIMITS))
        self.ui.html(f'<div class="notice consent" role="note">{text}</div>', sanitize=False)

    def _model(self) -> None:
        ui = self.ui
        with ui.element("div").classes("doing"):
            chosen = ui.select(self.models, value=self.session.model, label="Model")
            chosen.props("outlined dense options-dense").on_value_change(self._choose)
            ui.button("About this model", on_click=self._card).props("flat no-caps")
            ui.button("Predict all again", on_click=self._again).props("flat no-caps")

    def _choose(self, event: Any) -> None:
        self.session.model = event.value

    def _again(self) -> None:
        for clip in list(self.session.clips.values()):
            self.session.predict([clip])

    def _card(self) -> None:
        card = released.find(self.session.model) / model_card.NAME
        text = card.read_text() if card.is_file() else "This model came without a card."
        ui = self.ui
        with ui.dialog() as dialog, ui.card().classes("card").props('role="dialog"'):
            ui.button("Close", on_click=dialog.close).props("flat no-caps")
            ui.markdown(text)
        dialog.on("hide", dialog.delete)
        dialog.open()

    def _several(self) -> None:
        """Make what is done with ticked recordings."""
        ui = self.ui
        with ui.element("div").classes("doing several"):
            self.person = ui.input("Person").props("outlined dense maxlength=60")
            adapt = "Adapt to this person, of whom the ticked recordings are"
            ui.button("Adapt", on_click=self._adapt).props(f'flat no-caps aria-label="{adapt}"')
            ui.button("Compare two", on_click=self._compare).props("flat no-caps")
            ui.button("Remove", on_click=self._remove).props("flat no-caps")
            self.along = ui.html("", sanitize=False).classes("along")

    def ticked(self) -> list[Clip]:
        """Return the recordings that are ticked."""
        there = self.session.clips
        return [there[n] for n, row in self.rows.items() if n in there and row.tick.value]

    def _adapt(self) -> None:
        clips, person = self.ticked(), self.person.value.strip()
        if not clips or not person:
            self._say("Tick the recordings of one person, and write who it is.")
        else:
            self.session.predict(clips, person)

    def _compare(self) -> None:
        clips = [clip for clip in self.ticked() if clip.reading is not None]
        if len(clips) != MOST_SHOWN:
            self._say("Tick the two recordings that are to be compared.")
        else:
            self.shown = [clip.number for clip in clips]

    def _remove(self) -> None:
        clips = self.ticked()
        for clip in clips:
            self.session.remove(clip)
        if not clips:
            self._say("Tick what is to be removed.")

    def _say(self, text: str) -> None:
        self.ui.notify(text, position="top")

    async def look(self) -> None:
        """Show what has changed."""
        clips = dict(self.session.clips)
        for number in [n for n in self.rows if n not in clips]:
            self.rows.pop(number).item.delete()
            self.shown = [n for n in self.shown if n != number]
        for number, clip in clips.items():
            if clip.job is None:  # it is still coming in
                continue
            if number not in self.rows:
                with self.items:
                    self.rows[number] = Row(self, clip)
            self.rows[number].look()
            if not self.shown and clip.reading is not None and not clip.reading.error:
                self.shown = [number]
        self.list.set_visibility(bool(self.rows))
        await self._draw([clips[n] for n in self.shown if n in clips])
        done = [str(n) for n, row in self.rows.items() if row.usable]
        if done != self._done:
            self._done, several = done, downloads.OF_SEVERAL
            self.along.set_content(shown.links(self.session.key, done, several, "All: "))

    async def _draw(self, clips: Sequence[Clip]) -> None:
        state = [(one.number, id(one.reading), one.complete) for one in clips]
        if state == self._drawn:
            return
        # A player that is only completed goes on where it is.
        kept = [one[0] for one in state] == [one[0] for one in self._drawn]
        self._drawn = state
        usable = [one for one in clips if one.reading is not None and not one.reading.error]
        # Lanes of an hour take a moment, in which other pages go on.
        made = [await asyncio.to_thread(shown.clip, one, self.session.key) for one in usable]
        self.ui.run_javascript(f"window.serApp && serApp.keep({str(kept).lower()})")
        self.view.clear()
        self.view.classes(remove="two", add="two" if len(clips) > 1 else "")
        with self.view:
            for text in made:
                self.ui.html(text, sanitize=False, tag="article")


class Row:
    """One recording of the list.

    Args:
        page: on which it is.
        clip: the recording.
    """

    def __init__(self, page: Page, clip: Clip) -> None:
        ui, self.page, self.clip = page.ui, page, clip
        with ui.element("li") as self.item:
            label = ui.element("label").classes("clip-name")
            with label:
                self.tick = ui.checkbox().props("dense")
                self.tick.props["aria-label"] = clip.medium.name
                self.name = ui.label(clip.medium.name)
            self.state = ui.label().classes("state").props("role=status")
            self.bar = ui.element("progress").props("max=1").classes("bar")
            self.bar.props["aria-label"] = f"progress of {clip.medium.name}"
            self.stop = ui.button("Stop", on_click=self._stop).props("flat dense no-caps")
            self.show = ui.button("Show", on_click=self._show).props("flat dense no-caps")
        self._last: tuple = ()

    @property
    def usable(self) -> bool:
        """Whether there is a prediction."""
        return self.clip.reading is not None and not self.clip.reading.error

    def look(self) -> None:
        """Show the state of the recording's job."""
        text, share = status(self.clip)
        now = (text, share, self.usable)
        if now == self._last:
            return
        self._last = now
        running = self.clip.job is not None and not self.clip.job.over
        self.state.set_text(text)
        self.stop.set_visibility(running)
        self.show.set_visibility(self.usable)
        self.bar.set_visibility(running)
        if math.isnan(share):
            self.bar.props(remove="value")
        else:
            self.bar.props(f"value={share:.3f}")

    def _stop(self) -> None:
        if self.clip.job is not None:
            self.page.session.crew.stop(self.clip.job)

    def _show(self) -> None:
        self.page.shown = [self.clip.number]


def status(clip: Clip) -> tuple[str, float]:
    """Return what is said of a recording, and the share of it that is read; NaN if not known.

    Args:
        clip: with a job.

    Example:
        >>> from multimodal_ser.app.jobs import Job
        >>> from multimodal_ser.app.work import Medium, Predict
        >>> medium = Medium("/tmp/0.mp4", "talk.mp4")
        >>> job = Job("", Predict((medium,)), state="running", stage="face", reached_s=30.0)
        >>> job.total_s = 60.0
        >>> print(*status(Clip(0, medium, job=job)))
        face: 30 of 60 s 0.5
    """
    job, reading = clip.job, clip.reading
    assert job is not None
    if job.state == WAITING:
        return "waits for its turn", math.nan
    if job.state == RUNNING:
        if not job.stage:
            return "is read", math.nan
        if not job.total_s or math.isnan(job.total_s):
            reached = f": {job.reached_s:.0f} s" if job.reached_s else ""
            return f"{job.stage}{reached}", math.nan
        share = min(1.0, job.reached_s / job.total_s)
        return f"{job.stage}: {job.reached_s:.0f} of {job.total_s:.0f} s", share
    if job.state == STOPPED and reading is None:
        return "stopped", math.nan
    if job.state == FAILED:
        return job.error, math.nan
    if reading is not None and reading.error:
        return reading.error, math.nan
    return shown.verdict(reading) if reading is not None else DONE, math.nan
