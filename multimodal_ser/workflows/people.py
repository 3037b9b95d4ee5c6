"""A film with several faces: each is predicted by itself, and the voice joins the one that speaks.

A clip or a segment has then a ``video`` row per person, and a ``fused`` row of the voice and the
face that :mod:`~multimodal_ser.workflows.speaking` names. Where it names none, the
fused row is the voice alone, and the note says so. Films that show one face at a time
are not looked at again: for them nothing changes, in numbers or in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from multimodal_ser.errors import MediaError
from multimodal_ser.fusion import aggregate
from multimodal_ser.tables import Features
from multimodal_ser.workflows.data import Work
from multimodal_ser.workflows.models import Model
from multimodal_ser.workflows.recipes import MEASURED

if TYPE_CHECKING:
    from multimodal_ser.video.extract import FrameStore
    from multimodal_ser.video.tracks import Tracks
    from multimodal_ser.workflows.speaking import Speaking

#: In so many of the sampled frames that show a face there are several.
SEVERAL_SHARE = 0.2
#: The level of an index, and the column, that says whose a row is.
PERSON = "person"
#: What :class:`Crowd` keeps of the answers.
_ANSWERS = ("audio", "fused", "shares")

Normalise = Callable[[dict[str, Features]], dict[str, Features]]


class Crowd(NamedTuple):
    """What is said of a film with several faces, by segment (or of the clip as one).

    Attributes:
        answers: as of :meth:`Combiner.__call__`, of the voice and of who speaks; without
            ``video``, where the next is instead. Empty where there is no voice.
        persons: probabilities, index ``(clip, person)``.
        rates: share of sampled frames with the face, index ``(clip, person)``.
        frames: probabilities of sampled frames, index ``(clip, frame, time_s, person)``.
        speaking: number of the person who speaks, Int64, index ``clip``; missing where it
            cannot be told.
        notes: text, index ``clip``.
    """

    answers: dict[str, pd.DataFrame]
    persons: pd.DataFrame
    rates: pd.Series
    frames: pd.DataFrame
    speaking: pd.Series
    notes: pd.Series


def several(faces: np.ndarray) -> bool:
    """Tell whether a film shows several faces at once often enough to look at them.

    Args:
        faces: ``ClipFrames.faces``.

    Example:
        >>> several(np.float32([[0, 0, 5, 5, 9, 9, 1, 1, 0], [0, 1, 50, 5, 9, 9, 1, 0, 0]]))
        True
    """
    counts = np.unique(faces[:, 0], return_counts=True)[1]
    return bool(len(counts)) and float((counts > 1).mean()) >= SEVERAL_SHARE


def crowded(store: FrameStore, clips: Iterable[str]) -> list[str]:
    """Return the clips of a store that show several faces."""
    return [clip for clip in clips if clip in store and several(store[clip].faces)]


def read(
    model: Model,
    clip: pd.Series,
    units: pd.DataFrame,
    heard: Mapping[str, pd.DataFrame],
    shared: Work,
    normalise: Normalise | None = None,
    scores: pd.Series | None = None,
) -> Crowd | None:
    """Predict each person of a film, and who of them speaks.

    Args:
        model: with a network that looks at faces.
        clip: the recording's row of the clips table.
        units: index ``clip``, with ``start_s`` and ``end_s``: segments, or the clip itself.
        heard: name of a learner of sound, or of a table made elsewhere -> its probabilities
            of ``units``.
        shared: ``cache``.
        normalise: how features are adapted, or None.
        scores: how strange the sound of ``units`` is, of :meth:`Model.strange`.

    Returns:
        None where there are not two persons who stay for a second or more, or the film or its
        sound cannot be read once more: what was said of the face that was followed stays.
    """
    try:
        return _read(model, clip, units, heard, shared, normalise, scores)
    except MediaError:
        return None


def _read(
    model: Model,
    clip: pd.Series,
    units: pd.DataFrame,
    heard: Mapping[str, pd.DataFrame],
    shared: Work,
    normalise: Normalise | None,
    scores: pd.Series | None,
) -> Crowd | None:
    from multimodal_ser.video.tracks import tracks_of

    eyes = {name: one for name, one in model.learners.items() if one.kind == "frames"}
    detector = next(one.params.detector for one in eyes.values() if one.params.crop == "face")
    tracks = tracks_of(str(clip["video"]), detector, cache=shared["cache"])
    if len(tracks.persons) < 2:
        return None
    tables, frames = _seen(eyes, clip, tracks, units, model.pooling)
    for person in tracks.persons:
        tables[person] |= _measured(model, tracks.of(person), units, normalise)
    rates = frames.notna().all(axis=1).groupby(level=(0, PERSON)).mean()
    each_one = {who: model.combiner(seen, units.index)["video"] for who, seen in tables.items()}
    persons = together(each_one)
    there = {name: table for name, table in heard.items() if table.notna().any(axis=None)}
    voice = any(model.learners[name].modality == "audio" for name in there)
    found = _speaking(clip, tracks, units) if voice else []
    who = [one.person for one in found] or [None] * len(units)
    speaker = pd.Series(pd.array(who, "Int64"), units.index)
    answers: dict[str, Any] = {}
    if voice:
        own = {**there, **_of_speakers(tables, speaker)}
        answers = model.combined(own, units.index, scores)
        answers = {name: one for name, one in answers.items() if name in _ANSWERS}
    notes = _notes(persons, speaker) if voice else pd.Series("", units.index, dtype=object)
    return Crowd(answers, persons, _spread(rates, persons), frames, speaker, notes)


def _seen(
    eyes: Mapping[str, Any], clip: pd.Series, tracks: Tracks, units: pd.DataFrame, pooling: str
) -> tuple[dict[int, dict[str, pd.DataFrame]], pd.DataFrame]:
    """Return person -> learner -> probabilities of units; and those of frames, of the first."""
    from multimodal_ser.video.extract import FrameStore, person_frames

    tables: dict[int, dict[str, pd.DataFrame]] = {person: {} for person in tracks.persons}
    shown: dict[int, pd.DataFrame] = {}
    for name, learner in eyes.items():
        params = replace(learner.params, crop="face")
        for person, found in person_frames(str(clip["video"]), params, tracks).items():
            store = FrameStore({str(clip.name): found})
            frames = learner.predict_frames(store, [str(clip.name)])
            pooled = aggregate.pool_frames(aggregate.in_segments(frames, units), pooling)
            tables[person][name] = pooled.reindex(units.index)
            shown.setdefault(person, frames)
    return tables, pd.concat(shown, names=[PERSON]).reorder_levels([1, 2, 3, 0])


def _measured(
    model: Model, own: Tracks, units: pd.DataFrame, normalise: Normalise | None
) -> dict[str, pd.DataFrame]:
    """Return the tables of learners of what is measured in one person's face."""
    from multimodal_ser.video import features

    tables = {}
    for name, learner in model.learners.items():
        if learner.input not in MEASURED or learner.kind != "features":
            continue
        module = features.load(learner.input)
        values = module.estimate(own.shapes)
        rows = [
            module.summarise(values[(own.time_s >= start_s) & (own.time_s < end_s)])
            for start_s, end_s in zip(units["start_s"], units["end_s"], strict=True)
        ]
        found = np.array(rows, np.float32)
        whole = np.isfinite(found).all(axis=1)
        ids = pd.Index(np.asarray(units.index, object)[whole], name="clip")
        inputs = {learner.key: Features(ids, found[whole], module.names())}
        inputs = normalise(inputs) if normalise is not None else inputs
        tables[name] = learner.predict(inputs.get(name, inputs[learner.key]), units.index)
    return tables


def _speaking(clip: pd.Series, tracks: Tracks, units: pd.DataFrame) -> list[Speaking]:
    from multimodal_ser.workflows import speaking

    ends_s = np.fmin(units["end_s"].to_numpy(float), tracks.time_s[-1] + 1)
    spans = zip(units["start_s"].tolist(), ends_s.tolist(), strict=True)
    return speaking.who_speaks(str(clip["audio"]), tracks, spans)


def _of_speakers(
    tables: Mapping[int, Mapping[str, pd.DataFrame]], speaker: pd.Series
) -> dict[str, pd.DataFrame]:
    """Return learner -> in each unit the probabilities of who speaks; NaN where nobody is named."""
    found = {name: table * np.nan for name, table in next(iter(tables.values())).items()}
    for person, seen in tables.items():
        own = speaker.index[(speaker == person).fillna(False)]
        for name, table in seen.items():
            found[name].loc[own] = table.loc[own]
    return found


def _spread(rates: pd.Series, persons: pd.DataFrame) -> pd.Series:
    """Return each person's share of frames in the whole film, for every unit."""
    own = rates.droplevel(0)
    whose = persons.index.get_level_values(PERSON)
    return pd.Series(own.reindex(whose).to_numpy(float), persons.index)


def _notes(persons: pd.DataFrame, speaker: pd.Series) -> pd.Series:
    seen = persons.notna().all(axis=1).groupby(level=0, sort=False).sum()
    notes = {}
    for unit, count, who in zip(speaker.index, seen.reindex(speaker.index), speaker, strict=True):
        told = "which speaks cannot be told: the voice alone" if pd.isna(who) else None
        faces = f"{count} face{'s' if count != 1 else ''}"
        notes[unit] = f"{faces}, {told or f'person {who} speaks'}"
    return pd.Series(notes, dtype=object)


def put(crowd: Crowd, tables: dict[str, Any]) -> None:
    """Put what is said of persons in the place of what was said of the face that was followed.

    Args:
        crowd: of some clips or segments.
        tables: as :meth:`Model.probabilities` gives them, of these and perhaps of others.
            ``persons``, ``person_rates``, ``person_frames`` and ``speaking`` are added to.
    """
    own = crowd.notes.index
    for name, table in crowd.answers.items():
        tables[name].loc[own] = table
    if "video" in tables:
        tables["video"] = tables["video"].astype(float)
        tables["video"].loc[own] = np.nan
    more: dict[str, Any] = {"persons": crowd.persons, "person_rates": crowd.rates}
    more |= {"person_frames": crowd.frames, "speaking": crowd.speaking}
    for name, table in more.items():
        tables[name] = pd.concat([tables[name], table]) if name in tables else table
    for unit, said in crowd.notes.items():
        rest = str(tables["notes"][unit]).split("; ")
        # Nobody is followed any more, where it is said who speaks.
        kept = [text for text in rest if text and not (said and " followed" in text)]
        kept += [said] if said else []
        tables["notes"][unit] = "; ".join(kept)


def each(persons: pd.DataFrame, units: pd.Index) -> dict[int, pd.DataFrame]:
    """Return person -> probabilities of units, of the table of all."""
    return {
        int(str(who)): own.droplevel(PERSON).reindex(units)
        for who, own in persons.groupby(level=PERSON)
    }


def together(tables: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return the probabilities of all persons, index ``(clip, person)``, clip by clip."""
    every = pd.concat(tables, names=[PERSON, "clip"]).swaplevel()
    order = next(iter(tables.values())).index
    return every.reindex(pd.MultiIndex.from_product([order, tables], names=every.index.names))
