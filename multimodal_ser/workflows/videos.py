"""Videos read once for all that learners want of them: length, sound, crops, measures of faces.

What cannot be had this way (a decoder that crashes, a time limit) is not in what comes
back; the learner reads the video for that alone then, and says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from multimodal_ser.compute.parallel import map_clips
from multimodal_ser.compute.workers import Outcome, run_here
from multimodal_ser.errors import MediaError
from multimodal_ser.tables.clips import is_part
from multimodal_ser.workflows.recipes import FRAMES, MEASURED

if TYPE_CHECKING:
    from multimodal_ser.audio.extract import Change
    from multimodal_ser.video.extract import FrameParams
    from multimodal_ser.video.opened import Opened

#: A front end of frames, or the name of what is measured in faces.
Seen = Any


@dataclass(frozen=True)
class Wanted:
    """What learners want of a video.

    Attributes:
        heard: sets of features of its sound.
        front_ends: of its frames.
        measured: of faces, name -> frames in which.
        how: how it is cut into segments, see :func:`segments.plan`.
        planned: whether that is wanted; of a video in segments nothing else is.
    """

    heard: tuple[str, ...] = ()
    front_ends: tuple[FrameParams, ...] = ()
    measured: Mapping[str, FrameParams] = field(default_factory=dict)
    how: Any = None
    planned: bool = False

    @classmethod
    def of(
        cls,
        learners: Iterable[Any],
        front_end: Callable[[str], FrameParams],
        measured_front_end: Callable[[Any], FrameParams],
    ) -> Wanted:
        """Return what learners want: their ``modality``, ``input`` and ``name`` count."""
        every = list(learners)
        own = (front_end(one.name) for one in every if one.input == FRAMES)
        faces = {one.input: measured_front_end(one) for one in every if one.input in MEASURED}
        heard = dict.fromkeys(one.input for one in every if one.modality == "audio")
        return cls(tuple(heard), tuple(dict.fromkeys(own)), faces)

    @property
    def count(self) -> int:
        """How often a video would be opened for each by itself."""
        return bool(self.heard) + self.planned + len(self.front_ends) + len(self.measured)


class Reads(NamedTuple):
    """Outcomes by clip, for ``known`` of those that would read each by itself.

    Attributes:
        plans: of :func:`segments.plan`.
        heard: of :func:`audio.extract.clip_values`.
        seen: by front end, of :func:`video.extract.entry`; by name, of
            :func:`video.measure.measured`.
    """

    plans: dict[str, Outcome]
    heard: dict[str, Outcome]
    seen: dict[Seen, dict[str, Outcome]]


def read(
    clips: pd.DataFrame,
    wanted: Wanted,
    shared: Mapping[str, Any],
    change: Callable[[str], Change] | None = None,
) -> Reads:
    """Read the videos among clips, each opened and decoded once.

    Args:
        clips: a clips table; those without a video, and parts of recordings, are passed over.
        wanted: nothing is read where it would be opened once anyway.
        shared: ``cache``, ``workers`` and ``progress``.
        change: from a clip's id to what happens to its sound, or None.
    """
    found = Reads({}, {}, {key: {} for key in (*wanted.front_ends, *wanted.measured)})
    if wanted.count < 2:
        return found
    films = clips[clips["video"].notna() & ~is_part(clips)]
    items = {}
    for clip, row in films.iterrows():
        own = wanted
        if isinstance(wanted.how, Mapping):
            own = replace(wanted, how=wanted.how[str(clip)])
            if not own.how:  # there is nothing to be said of it
                continue
        sound = None if pd.isna(row["audio"]) else str(row["audio"])
        happens = change(str(clip)) if change else None
        items[str(clip)] = str(row["video"]), str(clip), sound, own, shared["cache"].folder, happens
    for clip, value, error in map_clips(
        _read_one,
        items,
        workers=shared["workers"],
        description="videos",
        progress=shared["progress"],
    ):
        for kind, outcome in value if error is None else ():
            of_kind = {"plan": found.plans, "heard": found.heard}.get(kind)
            (found.seen[kind] if of_kind is None else of_kind)[clip] = outcome
    return found


def _read_one(
    path: str, clip: str, sound: str | None, wanted: Wanted, folder: Path | None, change: Any
) -> list[tuple[Seen, Outcome]]:
    """Return what one video has of what is wanted: of which kind, and the outcome."""
    from multimodal_ser.audio import segments
    from multimodal_ser.audio.extract import clip_values
    from multimodal_ser.video.opened import Opened

    try:
        video = Opened(path)
    except MediaError:  # reading it by itself says so
        return []
    with video:
        found: list[tuple[Seen, Outcome]] = []
        if wanted.planned:
            own = (lambda: video.duration_s) if sound in (None, path) else None
            recording = path if sound is None else sound
            plan = run_here(segments.plan, clip, (recording, wanted.how, folder, own))
            found.append(("plan", plan))
            if plan.error is None and plan.value.spans is not None:
                return found
        if wanted.heard and sound is not None:
            read = video.sound if sound == path else None
            arguments = (sound, wanted.heard, folder, change, True, read)
            found.append(("heard", run_here(clip_values, clip, arguments)))
        return found + _seen(video, path, clip, wanted, folder)


def _seen(
    video: Opened, path: str, clip: str, wanted: Wanted, folder: Path | None
) -> list[tuple[Seen, Outcome]]:
    """Return crops and measures, of one pass over the frames."""
    from multimodal_ser.video import extract, measure
    from multimodal_ser.video.looks import Together

    looks: dict[Seen, Any] = {
        params: extract.FrontEnd(params)
        for params in wanted.front_ends
        if not extract.is_kept(path, params, folder)
    }
    looks |= {
        name: measure.Measuring(name, params)
        for name, params in wanted.measured.items()
        if not measure.is_kept(path, name, params, folder)
    }
    together = Together(video, looks)
    found: list[tuple[Seen, Outcome]] = []
    for params in wanted.front_ends:

        def crops(params: FrameParams = params) -> Any:
            return extract.seen(together.done(params), video)

        make = crops if params in together else None
        found.append((params, run_here(extract.entry, clip, (path, params, folder, make))))
    for name, params in wanted.measured.items():

        def arrays(name: str = name) -> Any:
            return together.done(name).arrays()

        own = arrays if name in together else None
        outcome = run_here(measure.measured, clip, (path, name, params, folder, own))
        found.append((name, outcome))
    return found
