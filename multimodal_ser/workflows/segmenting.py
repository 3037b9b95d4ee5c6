"""Recordings of more than one utterance: each segment is predicted as a clip of its own.

The recording's own row summarises its segments, modality by modality: the mean of their
probabilities, each weighing its length in seconds times its confidence (the probability of
its first label). Segments that overlap count for what they hold, each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from multimodal_ser.audio import segments
from multimodal_ser.compute import progress
from multimodal_ser.compute.parallel import Outcome, map_clips
from multimodal_ser.errors import TableError
from multimodal_ser.fusion import aggregate
from multimodal_ser.fusion.smoothing import Smoothing, smooth
from multimodal_ser.tables import MODALITIES, Features, failure_table
from multimodal_ser.workflows import people, videos
from multimodal_ser.workflows.data import Work, measured_front_end, wanted
from multimodal_ser.workflows.models import Model, add_notes
from multimodal_ser.workflows.recipes import MEASURED

if TYPE_CHECKING:
    from multimodal_ser.audio.extract import Change
    from multimodal_ser.workflows.feature_model import FeatureModel

#: No segments: each recording is one.
WHOLE = segments.WHOLE
#: Segments whose features are held at a time, whatever the length of the recording.
SEGMENTS_HELD = 64

#: What ``segments`` may be, once it is read.
How = str | segments.Windows | Mapping[str, tuple[tuple[float, float], ...]] | None
#: From features of a recording's segments, by input, to those that learners get.
Normalise = Callable[[dict[str, Features], pd.DataFrame], dict[str, Features]]


#: Steps at the beginning of a path that lead out of a folder.
_UPWARDS = re.compile(r"^(\.{1,2}/)+")


@dataclass(frozen=True)
class Recording:
    """One recording in segments.

    Attributes:
        clip: its row of the clips table, named by the clip id.
        plan: its segments.
        units: a clips table of them, index ``clip`` (``talk#0003``), with the columns
            ``segment``, ``start_s`` and ``end_s``.
    """

    clip: pd.Series
    plan: segments.Plan
    units: pd.DataFrame

    @classmethod
    def of(cls, clip: pd.Series, plan: segments.Plan) -> Recording:
        """Return a recording and the clips table of its segments."""
        spans = np.zeros((0, 2)) if plan.spans is None else plan.spans
        ids = [f"{clip.name}#{number:04d}" for number in range(len(spans))]
        units = pd.DataFrame([clip] * len(spans), columns=clip.index)
        units.index = pd.Index(ids, name="clip", dtype=object)
        numbers = pd.array(range(len(spans)), "Int64")
        return cls(
            clip, plan, units.assign(segment=numbers, start_s=spans[:, 0], end_s=spans[:, 1])
        )


def read_how(given: str | Path | pd.DataFrame | None, clips: pd.DataFrame) -> How:
    """Return what segments are asked for.

    Args:
        given: ``speech``, ``none``, ``window=3,hop=1``, a file of segments, a table of
            them (:func:`tables.annotations.check_segments`), or None.
        clips: the clips table that they belong to.

    Raises:
        SerError: windows cannot be like that.
        TableError: the segments cannot be read, or it is not clear whose they are.
    """
    if given is None:
        return None
    found = segments.parse(given) if isinstance(given, str) else None
    if found is not None:
        return found
    from multimodal_ser.tables import annotations as annotation_files

    table = (
        given if isinstance(given, pd.DataFrame) else annotation_files.read_segments(Path(given))
    )
    table = annotation_files.check_segments(table)
    if "clip" not in table and len(clips) > 1:
        raise TableError(
            f"the segments do not say of which of the {len(clips)} recordings they are; "
            "give a table with the column clip, or predict one recording"
        )
    return {str(clip): _spans_of(table, clip, row) for clip, row in clips.iterrows()}


def _spans_of(table: pd.DataFrame, clip: object, row: pd.Series) -> tuple:
    """Return those segments of a table that are a clip's, by its id, path or file name."""
    if "clip" in table:
        paths = [Path(path) for path in row[["audio", "video"]].dropna()]
        names = {str(clip), *map(str, paths), *(path.stem for path in paths)}
        # And every end of its path: 'a.wav', 'may/a.wav', ...; what a database has is relative.
        names |= {"/".join(path.parts[at:]) for path in paths for at in range(len(path.parts))}
        named = table["clip"].str.replace(_UPWARDS, "", regex=True)
        table = table[named.isin(names) | table["clip"].isin(names)]
    return tuple(zip(table["start_s"].tolist(), table["end_s"].tolist(), strict=True))


def plans_of(
    clips: pd.DataFrame,
    how: How,
    shared: Work,
    shown: bool = False,
    known: Mapping[str, Outcome] | None = None,
) -> tuple[dict[str, segments.Plan], pd.DataFrame]:
    """Return the segments of recordings, by clip id, and the failures.

    A recording that cannot be read is in neither by default: reading it again says why.

    Args:
        clips: a clips table.
        how: from :func:`read_how`.
        shared: ``cache`` and ``workers``.
        shown: whether to show a bar on standard error.
        known: clip -> what :func:`segments.plan` gave, of clips that are read already.
    """
    own = isinstance(how, Mapping)
    items: dict[str, tuple] = {}
    failures: list[tuple[str, str, str, str]] = []
    for clip, (_, row) in zip(map(str, clips.index), clips.iterrows(), strict=True):
        path = str(row["audio"] if pd.notna(row["audio"]) else row["video"])
        spans = how[clip] if isinstance(how, Mapping) else how
        if own and not spans:
            reason = f"{path}: no segment of it is given; name it in the column clip"
            failures.append((clip, path, "segments", reason))
        else:
            items[clip] = (path, spans, shared["cache"].folder)
    plans = {}
    with progress.media_bar("speech", None, shown and how != segments.WHOLE):
        for clip, plan, error in map_clips(
            segments.plan, items, workers=shared["workers"], progress=False, known=known
        ):
            if error is None:
                plans[clip] = plan
            elif own:
                failures.append((clip, items[clip][0], "segments", error))
    return plans, failure_table(failures)


def heard(
    model: Model, recording: Recording, shared: Work, change: Change | None, at: slice
) -> tuple[dict[str, Features], dict[str, str], pd.DataFrame]:
    """Return the features of some segments, why others have none, and the failures."""
    from multimodal_ser.audio.extract import extract_spans

    names = [one.input for one in model.learners.values() if one.modality == "audio"]
    if not names or pd.isna(recording.clip["audio"]):
        return {}, {}, failure_table([])
    return extract_spans(
        recording.clip,
        recording.plan,
        recording.units.index,
        list(dict.fromkeys(names)),
        change=change,
        cache=shared["cache"],
        workers=shared["workers"],
        at=at,
    )


def pieces(recording: Recording) -> list[slice]:
    """Return the parts in which a recording's segments are worked on."""
    count = len(recording.units)
    return [slice(at, at + SEGMENTS_HELD) for at in range(0, count, SEGMENTS_HELD)]


def predict(
    model: Model,
    recording: Recording,
    shared: Work,
    *,
    change: Change | None = None,
    normalise: Normalise | None = None,
    smoothed: Smoothing | None = None,
    shown: bool = False,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Predict one recording.

    Args:
        model: its learners of sound, of frames, and of what is measured in them are asked;
            tables made elsewhere are of no segment.
        recording: to be predicted.
        shared: ``cache`` and ``workers``.
        change: what happens to the sound of each segment, or None.
        normalise: how features are adapted, or None.
        smoothed: how the segments' probabilities are smoothed over time; the recording's
            summary is of those that are not.
        shown: whether to show bars on standard error.

    Returns:
        What :meth:`Model.probabilities` gives, of the recording; and under ``segments`` the
        same of its segments, with ``units``. And the failures.
    """
    seen, frames, rate, crowded, failed = _seen(model, recording, shared, shown)
    said, silent, scores, failures = _said(model, recording, shared, change, normalise, shown)
    units = recording.units.index
    crowd = None
    if crowded:
        clip, own = recording.clip, recording.units
        crowd = people.read(model, clip, own, said, shared, scores=scores)
    tables = seen | said
    inner: dict[str, Any] = {"fused": pd.DataFrame(np.nan, units, list(model.labels))}
    inner |= model.combined(tables, units, scores) if tables else {"notes": model.notes({}, units)}
    add_notes(inner["notes"], silent)
    if frames is not None and rate is not None:
        shown_faces = frames.notna().all(axis=1).to_frame("face_rate").astype(float)
        spread = aggregate.in_segments(shown_faces, recording.units)
        inner["face_rates"] = spread.groupby(level="clip")["face_rate"].mean()
    if crowd is not None:
        people.put(crowd, inner)
    whole: dict[str, Any] = summary(inner, recording)
    inner |= _smooth(inner, recording.units, smoothed)
    if crowd is not None:
        whole["person_frames"] = inner.pop("person_frames")
    elif frames is not None:
        whole["frames"] = frames
    whole["segments"] = {**inner, "units": recording.units}
    if rate is not None:
        whole["face_rates"] = rate
    return whole, pd.concat([failures, failed], ignore_index=True).drop_duplicates()


def _said(
    model: Model,
    recording: Recording,
    shared: Work,
    change: Change | None,
    normalise: Normalise | None,
    shown: bool,
) -> tuple[dict[str, pd.DataFrame], dict[str, str], pd.Series | None, pd.DataFrame]:
    """Return the tables of learners of sound, why some segments are silent, novelty, failures."""
    from multimodal_ser.audio.extract import SPEECH_STAGE

    ears = {name: one for name, one in model.learners.items() if one.modality == "audio"}
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in ears}
    silent: dict[str, str] = {}
    scores: list[pd.Series] = []
    failures = [failure_table([])]
    name, total_s = Path(str(recording.clip.name)).name, recording.plan.duration_s
    with progress.media_bar(f"voice of {name}", total_s, shown and recording.plan.heard):
        for at in pieces(recording) if ears else ():
            found, reasons, failed = heard(model, recording, shared, change, at)
            some = recording.units.iloc[at]
            silent |= reasons
            failures.append(failed)
            inputs = normalise(found, some) if normalise is not None else found
            own = replace(model, learners=ears)
            for key, table in own.learner_tables(some.index, inputs).items():
                parts[key].append(table)
            if (found_scores := own.strange(some.index, inputs)) is not None:
                scores.append(found_scores)
            progress.reached(float(some["end_s"].iloc[-1]))
    whole_silent = recording.plan.speechless or len(silent) == len(recording.units)
    if ears and whole_silent and pd.notna(recording.clip["audio"]):
        path, reason = str(recording.clip["audio"]), next(iter(silent.values()), "no speech heard")
        row = (str(recording.clip.name), path, SPEECH_STAGE, f"{path}: {reason}")
        failures.append(failure_table([row]))
    # One reading fails in many pieces for one reason.
    failed = pd.concat(failures, ignore_index=True).drop_duplicates()
    tables = {key: pd.concat(found) for key, found in parts.items() if found}
    return tables, silent, pd.concat(scores) if scores else None, failed


def _seen(
    model: Model, recording: Recording, shared: Work, shown: bool
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame | None, pd.Series | None, bool, pd.DataFrame]:
    """Return the tables of the networks over frames, by segment; frames; share with a face.

    And whether there are several faces; and the failures.
    """
    eyes = {name: one for name, one in model.learners.items() if one.kind == "frames"}
    of_faces = (pair for pair in model.learners.items() if pair[1].input in MEASURED)
    measured = {name: one for name, one in of_faces if one.kind == "features"}
    tables: dict[str, pd.DataFrame] = {}
    frames, rate, crowded, failures = None, None, False, [failure_table([])]
    clip, units = recording.clip, recording.units
    if pd.isna(clip["video"]) or not (eyes or measured):
        return tables, frames, rate, crowded, failures[0]
    from multimodal_ser.video.extract import extract

    film = clip.to_frame().T.rename_axis("clip")
    params = {one.name: one.params for one in eyes.values()}
    both: list[Any] = [*eyes.values(), *measured.values()]
    title, total_s = Path(str(clip.name)).name, recording.plan.duration_s
    with progress.media_bar(f"face of {title}", total_s, shown):
        reads = videos.read(film, wanted(both, params.__getitem__), shared)
    for name, learner in eyes.items():
        known = reads.seen.get(learner.params)
        with progress.media_bar(f"face of {title}", total_s, shown and not known):
            store, failed = extract(film, learner.params, known=known, **shared)
        failures.append(failed)
        found = learner.predict_frames(store, [str(clip.name)])
        pooled = aggregate.pool_frames(aggregate.in_segments(found, units), model.pooling)
        tables[name] = pooled.reindex(units.index)
        if frames is None:
            frames = found
            rate = store.face_rates() if learner.params.crop == "face" else None
        several = learner.params.crop == "face" and people.crowded(store, [str(clip.name)])
        crowded = crowded or bool(several)
    if not any(len(failed) for failed in failures):
        tables |= _measured(measured, recording, shared, reads)
    failed = pd.concat(failures, ignore_index=True).drop_duplicates()
    return tables, frames, rate, crowded, failed


def _measured(
    learners: Mapping[str, FeatureModel], recording: Recording, shared: Work, reads: videos.Reads
) -> dict[str, pd.DataFrame]:
    """Return the tables of learners of what is measured in frames, by segment."""
    from multimodal_ser.video.measure import extract_spans

    path, units = str(recording.clip["video"]), recording.units
    inputs = {}
    for name, params in {one.input: measured_front_end(one) for one in learners.values()}.items():
        known = reads.seen.get(name, {}).get(str(recording.clip.name))
        inputs[name] = extract_spans(path, name, params, units, cache=shared["cache"], known=known)
    return {name: one.predict(inputs[one.input], units.index) for name, one in learners.items()}


def _smooth(
    inner: Mapping[str, Any], units: pd.DataFrame, how: Smoothing | None
) -> dict[str, pd.DataFrame]:
    if how is None:
        return {}
    starts_s, ends_s = units["start_s"].to_numpy(float), units["end_s"].to_numpy(float)
    found = {
        name: smooth(inner[name], starts_s, ends_s, how) for name in MODALITIES if name in inner
    }
    if "persons" in inner:
        each = {
            who: smooth(own, starts_s, ends_s, how)
            for who, own in people.each(inner["persons"], units.index).items()
        }
        found["persons"] = people.together(each)
    return found


def summary(inner: Mapping[str, Any], recording: Recording) -> dict[str, Any]:
    """Return the recording's own tables: means of its segments', see the module.

    Args:
        inner: tables of its segments.
        recording: whose.
    """
    units, clip = recording.units, recording.clip.name
    length_s = (units["end_s"] - units["start_s"]).to_numpy(float)
    index = pd.Index([clip], name="clip")
    whole: dict[str, Any] = {}

    def mean(table: pd.DataFrame) -> pd.DataFrame:
        return _mean(table, length_s * table.max(axis=1).to_numpy(float), index)

    for name in MODALITIES:
        if name in inner:
            whole[name] = mean(inner[name])
    if "shares" in inner:
        weights = length_s * inner["fused"].max(axis=1).to_numpy(float)
        whole["shares"] = _mean(inner["shares"], weights, index)
    answered = int(inner["fused"].notna().all(axis=1).sum())
    note = f"summary of {answered} segments"
    if answered < len(units):
        note += f", {len(units) - answered} more had no answer"
    if "novelty" in inner:
        whole["novelty"] = pd.Series([inner["novelty"].median()], index)
    if "persons" in inner:
        each = people.each(inner["persons"], units.index)
        whole["persons"] = people.together({who: mean(own) for who, own in each.items()})
        rates = inner["person_rates"].groupby(level=people.PERSON).mean()
        whole["person_rates"] = rates.set_axis(whole["persons"].index)
        told = int(inner["speaking"].notna().sum())
        note += f"; {len(each)} faces, the speaker is known in {told} of {len(units)} segments"
    whole["notes"] = pd.Series([note], index, dtype=object)
    return whole


def _mean(table: pd.DataFrame, weights: np.ndarray, index: pd.Index) -> pd.DataFrame:
    values = table.to_numpy(float)
    used = ~np.isnan(values) & ~np.isnan(weights)[:, None]
    total = np.where(used, weights[:, None], 0)
    with np.errstate(invalid="ignore"):
        mean = (np.where(used, values, 0) * total).sum(axis=0) / total.sum(axis=0)
    return pd.DataFrame(mean[None], index, table.columns)
