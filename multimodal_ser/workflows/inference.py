"""Predicting clips with a trained model, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.compute.progress import media_bar
from multimodal_ser.errors import SerError, UnknownName
from multimodal_ser.evaluation import adaptation
from multimodal_ser.fusion import sets as label_sets
from multimodal_ser.fusion import smoothing as smoothing_of
from multimodal_ser.fusion.smoothing import Smoothing
from multimodal_ser.tables import MODALITIES, Features, failure_table, top
from multimodal_ser.workflows import people, segmenting, videos
from multimodal_ser.workflows.data import (
    Work,
    as_cache,
    extract_inputs,
    measured_front_end,
    read_tables,
)
from multimodal_ser.workflows.data import wanted as wanted_of
from multimodal_ser.workflows.models import Model, load_model
from multimodal_ser.workflows.recipes import MEASURED
from multimodal_ser.workflows.results import Result, keys_first
from multimodal_ser.workflows.sources import gathered

if TYPE_CHECKING:
    from multimodal_ser.audio.extract import Change
    from multimodal_ser.video.extract import FrameParams

    Changes = Callable[[str], Change] | None

#: Tables made elsewhere, by the name of the input that they are.
Tables = Mapping[str, Features] | None
#: Clips that are held in memory at a time while predicting.
CHUNK_CLIPS = 32
#: Tables of so many chunks are held before they are made one.
PARTS_HELD = 16

#: Where a row lies in its recording: number of the segment, missing in the recording's own
#: row, which summarises its segments, and in rows of frames.
SEGMENT_COLUMNS = ("segment", "start_s", "end_s")
PREDICTION_COLUMNS = ("clip", "path", "modality", "emotion", "second", "confidence")
#: Whose face a video row is, and who speaks in the others, where a film shows several.
PERSON_COLUMN = "person"
#: What a fused row owes to each modality; they follow the labels.
SHARE_COLUMNS = ("audio_share", "video_share")
#: The share of a clip's sampled frames in which a face was found.
FACE_COLUMN = "face_rate"
#: How unlike the training recordings the sound is: above 1, more than 99 % of known ones are.
NOVELTY_COLUMN = "novelty"
#: Labels that hold the true one with the probability asked for, joined by ``|``.
SET_COLUMN = "set"
#: What there is to know about a row, such as an input that was missing.
NOTE_COLUMN = "note"


def predict_clips(
    model: Model,
    clips: pd.DataFrame,
    *,
    tables: Mapping[str, Features] | None = None,
    change: Changes = None,
    segments: segmenting.How = segmenting.WHOLE,
    smoothed: Smoothing | None = None,
    cache: Cache | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Predict clips a few at a time, so that memory does not grow with number and length.

    Args:
        model: from :func:`load_model` or training.
        clips: a clips table; labels are not looked at.
        tables: name of an input -> a table made elsewhere.
        change: from a clip's id to what happens to its recording, or None.
        segments: from :func:`segmenting.read_how`; by default each clip is one.
        smoothed: how the probabilities of segments are smoothed over time, or None.
        cache: where features are kept; None keeps nothing.
        workers: processes for reading clips, None for one per core, or an engine.
        progress: whether to show a bar on standard error.

    Yields:
        For each few clips, or one recording in segments, what
        :meth:`Model.probabilities` gives, and the table of failures. A clip without any
        usable input is a failure. ``durations`` in seconds are added where they were
        looked at, ``segments`` as :func:`segmenting.predict` gives them.

    Raises:
        SerError: the model adapts, and there are too few clips of a person.
    """
    from multimodal_ser.compute.progress import tqdm

    workers = Engine.of(workers, several=len(clips) > 1)
    quiet: Work = {"cache": cache or Cache(None), "workers": workers, "progress": False}
    model = check_adapt(model, None)
    clips = given_groups(clips, model.adapt) if model.references else clips
    statistics = _statistics(model, clips, tables, quiet, change, segments)
    alone = len(clips) == 1 and segments != segmenting.WHOLE
    bar = tqdm(total=len(clips), desc="predict", unit="clip", disable=not progress or alone)
    with bar:
        for part, recording, durations, failed, reads in _parts(
            model, clips, segments, quiet, change, progress
        ):
            if recording is not None:
                how = partial(_normalised, model, statistics) if statistics else None
                done = segmenting.predict(
                    model,
                    recording,
                    quiet,
                    change=change(str(recording.clip.name)) if change else None,
                    normalise=how,
                    smoothed=smoothed,
                    shown=progress,
                )
                done = done[0], _unanswered(model, part, *done)
            else:
                done = _predict_part(model, part, tables, statistics, quiet, change, reads)
            found = done[0] if durations is None else {**done[0], "durations": durations}
            yield found, pd.concat([failed, done[1]], ignore_index=True)
            bar.update(len(part))


class _Part(NamedTuple):
    """A few clips, or one recording in segments.

    Attributes:
        clips: of the clips table.
        recording: that one; None of several clips.
        durations: in seconds, where they were looked at.
        failed: those of other clips that could not be cut into segments.
        reads: what was read of the clips' videos, or None.
    """

    clips: pd.DataFrame
    recording: segmenting.Recording | None = None
    durations: pd.Series | None = None
    failed: pd.DataFrame = failure_table([])
    reads: videos.Reads | None = None


def _parts(
    model: Model,
    clips: pd.DataFrame,
    how: segmenting.How,
    quiet: Work,
    change: Changes = None,
    shown: bool = False,
) -> Iterator[_Part]:
    """Yield a few clips at a time, or one recording in segments."""
    wanted = replace(_wanted(model), how=how, planned=True)
    for start in range(0, len(clips), CHUNK_CLIPS):
        part = clips.iloc[start : start + CHUNK_CLIPS]
        if how == segmenting.WHOLE:
            yield _Part(part)
            continue
        bar = shown and len(clips) == 1
        with media_bar("speech", None, bar):
            reads = videos.read(part, wanted, quiet, change)
        plans, failed = segmenting.plans_of(part, how, quiet, bar, reads.plans)
        part = part[~part.index.isin(failed["clip"])]
        durations = pd.Series({clip: plan.duration_s for clip, plan in plans.items()}, dtype=float)
        cut = part.index.isin([clip for clip, plan in plans.items() if plan.spans is not None])
        # Neighbours stay together, so that rows keep the order of the clips.
        runs = np.where(cut, np.arange(len(part)), -1 - np.cumsum(cut))
        for _, run in part.groupby(runs, sort=False):
            plan = plans.get(run.index[0])
            recording = None
            if plan is not None and plan.spans is not None:
                recording = segmenting.Recording.of(run.iloc[0], plan)
            yield _Part(run, recording, durations, failed, reads)
            failed = failure_table([])
        if len(failed):
            yield _Part(part.iloc[:0], None, durations, failed)


def _normalised(
    model: Model, statistics: Mapping, inputs: Mapping[str, Features], units: pd.DataFrame
) -> dict[str, Features]:
    """Return features as the learners of a model that adapts take them."""
    found = dict(inputs)
    for key, known in statistics.items():
        if key not in inputs:
            continue
        if not model.references:  # it has learnt from normalised features alone
            found[key] = known.normalise(inputs[key], units, model.adapt)
        for name, reference in model.references.items():
            if model.learners[name].key == key:
                found[name] = known.normalise(inputs[key], units, model.adapt, reference)
    return found


def _inputs(
    model: Model,
    part: pd.DataFrame,
    tables: Tables,
    quiet: Work,
    change: Changes,
    reads: videos.Reads | None = None,
) -> tuple[dict, pd.DataFrame]:
    tables = {name: _none(model, name) for name in _absent(model, tables)} | dict(tables or {})
    learners, front_end = model.learners.values(), _front_end(model)
    return extract_inputs(part, learners, tables, front_end, quiet, change, reads)


def _front_end(model: Model) -> Callable[[str], FrameParams]:
    own = {one.name: one.params for one in model.learners.values() if one.kind == "frames"}
    return own.__getitem__


def _wanted(model: Model) -> videos.Wanted:
    return wanted_of(model.learners.values(), _front_end(model))


def _absent(model: Model, tables: Tables) -> set[str]:
    return {one.input for one in model.learners.values()} - set(tables or {})


def _none(model: Model, name: str) -> Features:
    """Return a table without rows: media without one get the other learners."""
    learner = next(one for one in model.learners.values() if one.input == name)
    names = getattr(learner, "_names", ())
    return Features(pd.Index([], dtype=object), np.zeros((0, len(names)), np.float32), names)


def _statistics(
    model: Model,
    clips: pd.DataFrame,
    tables: Tables,
    quiet: Work,
    change: Changes,
    how: segmenting.How,
) -> dict | None:
    """Return each group's statistics of every feature input, where the model adapts."""
    if model.adapt == "none":
        return None
    if model.references:
        model = replace(model, learners={name: model.learners[name] for name in model.references})
    elif how == segmenting.WHOLE:
        adaptation.check_counts(clips, model.adapt)
    found: dict[str, adaptation.Statistics] = {}
    counted = [clips.iloc[:0]]

    def add(inputs: Mapping, part: pd.DataFrame) -> None:
        for key, values in inputs.items():
            if isinstance(values, Features):
                found.setdefault(key, adaptation.Statistics()).add(values, part, model.adapt)

    for part, recording, _, _, reads in _parts(model, clips, how, quiet, change):
        counted.append(part if recording is None else recording.units[part.columns])
        if recording is None:
            add(_inputs(model, part, tables, quiet, change, reads)[0] if len(part) else {}, part)
            continue
        own = change(str(recording.clip.name)) if change else None
        for at in segmenting.pieces(recording):
            some = segmenting.heard(model, recording, quiet, own, at)[0]
            add(some, recording.units.iloc[at])
    if not model.references and how != segmenting.WHOLE:  # a segment is as good as a clip
        adaptation.check_counts(pd.concat(counted), model.adapt)
    return found


def _predict_part(
    model: Model,
    part: pd.DataFrame,
    given: Tables,
    statistics: dict | None,
    quiet: Work,
    change: Changes,
    reads: videos.Reads | None,
) -> tuple[dict, pd.DataFrame]:
    inputs, failed = _inputs(model, part, given, quiet, change, reads)
    inputs = _normalised(model, statistics or {}, inputs, part)
    tables = model.probabilities(part.index, inputs)
    _add_crowds(model, part, inputs, tables, statistics, quiet)
    return tables, _unanswered(model, part, tables, failed)


def _add_crowds(
    model: Model,
    part: pd.DataFrame,
    inputs: dict,
    tables: dict[str, Any],
    statistics: dict | None,
    quiet: Work,
) -> None:
    """Put the persons of films with several faces in the place of the face that was followed."""
    watch = [one for one in model.learners.values() if one.kind == "frames"]
    watch = [one for one in watch if one.key in inputs and one.params.crop == "face"]
    rest = {
        name: one
        for name, one in model.learners.items()
        if one.kind != "frames" and one.input not in MEASURED
    }
    for clip in people.crowded(inputs[watch[0].key], part.index) if watch else ():
        heard = replace(model, learners=dict(rest)).learner_tables([clip], inputs)
        units = part.loc[[clip]].assign(start_s=0.0, end_s=np.inf)
        own = partial(_normalised, model, statistics or {}, units=units)
        scores = model.strange(units.index, inputs)
        crowd = people.read(model, units.iloc[0], units, heard, quiet, own, scores)
        if crowd is not None:
            people.put(crowd, tables)
            shown = tables["frames"].index.get_level_values("clip") != clip
            tables["frames"] = tables["frames"][shown]


def _unanswered(model: Model, part: pd.DataFrame, tables: dict, failed: pd.DataFrame):
    """Return the failures, with the clips that have no answer; notes say what is missing."""
    nothing = tables["fused"].isna().all(axis=1)
    failed = _noted(tables, failed, set(part.index[~nothing]))
    silent = [clip for clip in part.index[nothing] if clip not in set(failed["clip"])]
    if silent:
        paths = [path_of(part.loc[clip], "fused") for clip in silent]
        reason = f"it has nothing that this {_kinds(model)} model can use; use another model"
        rows = [
            (clip, path, "predict", f"{path}: {reason}")
            for clip, path in zip(silent, paths, strict=True)
        ]
        failed = pd.concat([failed, failure_table(rows)], ignore_index=True)
    return failed


def _noted(tables: dict, failed: pd.DataFrame, answered: set[str]) -> pd.DataFrame:
    """Say in the notes what was neither heard nor seen; return what is left of the failures.

    A clip without speech that has another answer is no failure.
    """
    from multimodal_ser.audio.extract import SPEECH_STAGE
    from multimodal_ser.video.extract import NO_FACE

    silent = failed["stage"] == SPEECH_STAGE
    faceless = failed["error"].astype(str).str.contains(NO_FACE, regex=False)
    for clip, path, error in failed.loc[silent, ["clip", "path", "error"]].itertuples(index=False):
        _note(tables["notes"], clip, error.removeprefix(f"{path}: "))
    for clip in failed.loc[faceless & (failed["stage"] == "video"), "clip"]:
        _note(tables["notes"], clip, NO_FACE)
    return failed[~(silent & failed["clip"].isin(answered))]


def _note(notes: pd.Series, clip: str, said: str) -> None:
    notes[clip] = "; ".join(note for note in (notes.get(clip, ""), said) if note)


def _kinds(model: Model) -> str:
    return "-".join(model.modalities)


def path_of(clip: pd.Series, modality: str) -> str:
    """Return the file that a clip's prediction rests on.

    Args:
        clip: a row of a clips table.
        modality: ``fused`` names the video, or the sound where there is none.

    Example:
        >>> path_of(pd.Series({"audio": "a.wav", "video": None}), "fused")
        'a.wav'
    """
    order = ("audio", "video") if modality == "audio" else ("video", "audio")
    return next((str(clip[column]) for column in order if pd.notna(clip[column])), "")


def prediction_table(
    tables: Mapping[str, Any], clips: pd.DataFrame, *, timeline: bool = False
) -> pd.DataFrame:
    """Return predictions as one tidy table.

    Args:
        tables: what :meth:`Model.probabilities` gives.
        clips: the clips table, for the paths.
        timeline: whether to add a row for every sampled frame, with the
            columns ``frame`` and ``time_s``.

    Returns:
        DataFrame with :data:`PREDICTION_COLUMNS`, one column per label and
        :data:`SHARE_COLUMNS`, :data:`FACE_COLUMN`, :data:`NOVELTY_COLUMN` and
        :data:`NOTE_COLUMN`; a row per clip and modality that is not missing.
        :data:`SET_COLUMN` follows the confidence where ``tables`` has ``sets``, those of
        :meth:`Combiner.label_sets`; it is empty in rows of frames.
        ``second`` is the second most probable label, ``confidence`` the
        probability of the first. The shares are those of a fused row's
        decision: positive for the label that won, negative against it. The
        face rate, 0 to 1, is that of a video row whose model looks at faces.
    """
    chosen = tables.get("sets", {})
    parts = [
        _tidy(tables[name], modality, chosen.get(name))
        for modality in MODALITIES
        for name in (modality, *(["persons"] if modality == "video" else []))
        if name in tables
    ]
    if timeline and "frames" in tables:
        parts.append(_tidy(tables["frames"], "video"))
    if timeline and "person_frames" in tables:
        parts.append(_tidy(tables["person_frames"], "video"))
    parts = [part for part in parts if len(part)]
    columns = list(PREDICTION_COLUMNS)
    if timeline:
        columns[3:3] = ["frame", "time_s"]
    columns += [SET_COLUMN] if "sets" in tables else []
    labels = [*tables["fused"].columns, *SHARE_COLUMNS, FACE_COLUMN, NOVELTY_COLUMN, NOTE_COLUMN]
    if not parts:
        return pd.DataFrame(columns=[*columns, *labels])
    table = pd.concat(parts, ignore_index=True)
    paths = [
        path_of(clips.loc[c], m) for c, m in zip(table["clip"], table["modality"], strict=True)
    ]
    table.insert(1, "path", paths)
    _add_shares(table, tables.get("shares"))
    seen = (table["modality"] == "video") & ("face_rates" in tables)
    table[FACE_COLUMN] = table["clip"].map(tables.get("face_rates", {})).where(seen)
    scores = tables.get("novelty", pd.Series(dtype=float))
    table[NOVELTY_COLUMN] = table["clip"].map(scores).where(table["modality"] != "video")
    if "persons" in tables:
        _add_persons(table, tables)
        columns.insert(2, PERSON_COLUMN)
    notes = tables.get("notes", pd.Series(dtype=object))
    table[NOTE_COLUMN] = table["clip"].map(notes).fillna("").astype(object)
    order = {clip: position for position, clip in enumerate(clips.index)}
    table = table.sort_values("clip", key=lambda ids: ids.map(order), kind="stable")
    if "sets" in tables:
        table[SET_COLUMN] = table[SET_COLUMN].fillna("").astype(object)
    if timeline:
        table["frame"] = table["frame"].astype("Int64") if "frame" in table else pd.NA
        table["time_s"] = table["time_s"] if "time_s" in table else float("nan")
    return table[[*columns, *labels]].reset_index(drop=True)


def _add_persons(table: pd.DataFrame, tables: Mapping[str, Any]) -> None:
    """Say whose each row is: of whom a video row is, who speaks in the others."""
    whose = table["person"] if "person" in table else pd.Series(pd.NA, table.index)
    spoken = table["clip"].map(tables.get("speaking", {}))
    table[PERSON_COLUMN] = whose.where(table["modality"] == "video", spoken).astype("Int64")
    rates = tables["person_rates"].to_dict()
    of_person = table[PERSON_COLUMN].notna() & (table["modality"] == "video")
    found = [rates.get(key, np.nan) for key in zip(table["clip"], whose, strict=True)]
    table[FACE_COLUMN] = table[FACE_COLUMN].where(~of_person, pd.Series(found, table.index))


def _add_shares(table: pd.DataFrame, shares: pd.DataFrame | None) -> None:
    fused = table["modality"] == "fused"
    for column in SHARE_COLUMNS:
        modality = column.removesuffix("_share")
        table[column] = float("nan")
        if shares is not None and modality in shares:
            table.loc[fused, column] = shares[modality].reindex(table.loc[fused, "clip"]).to_numpy()


def _tidy(
    probabilities: pd.DataFrame, modality: str, chosen: pd.DataFrame | None = None
) -> pd.DataFrame:
    given = probabilities.dropna(how="all")
    best = top(given)
    table = given.assign(
        modality=modality,
        emotion=best["emotion_1"],
        second=best["emotion_2"],
        confidence=best["confidence_1"],
    )
    if chosen is not None:
        table[SET_COLUMN] = label_sets.as_text(given, chosen.loc[given.index])
    levels = table.index.names if table.index.nlevels > 1 else ("clip",)
    return table.reset_index(names=list(levels))


def predict(
    sources: Any = None,
    model: Model | str | Path | None = None,
    *,
    rate_hz: float | None = None,
    frames: Iterable[np.ndarray] | None = None,
    times_s: Sequence[float] | np.ndarray | None = None,
    tables: Mapping[str, Features | str | Path] | None = None,
    adapt: str | None = None,
    sampling: str | None = None,
    detector: str | None = None,
    timeline: bool = False,
    segments: str | Path | pd.DataFrame | None = None,
    smoothing: str | float | Smoothing | None = None,
    sets: float | None = None,
    cache: Cache | str | Path | None = None,
    workers: int | Engine | None = None,
    progress: bool = False,
) -> Result:
    """Predict recordings.

    Args:
        sources: a file or folder, a clips table, or a table with the column ``path``; samples,
            an image, bytes or an open file (:func:`~multimodal_ser.workflows.sources.gathered`);
            or several of these. What is in memory has the numbers of the same content in a file.
        rate_hz: samples per second, of arrays of samples.
        frames: images of one recording, whose sound ``sources`` may be: uint8 ``(height,
            width)`` or ``(height, width, 3)``.
        times_s: of the frames, in seconds.
        model: a model, its folder, or the name of a released one; None takes
            the released default.
        tables: name of an input -> a table made elsewhere, or its path, such as
            ``{"action_units": "openface.csv"}``; a clip without a row gets the
            other learners and a note.
        adapt: one of ``evaluation.adaptation.NAMES``; None takes the model's own.
            Any other is refused, but by a model that was trained with ``both``: by
            itself it does not adapt, and it adapts to any number of clips. A person
            is then the actor of a clips table, or else the folder that a file lies in,
            and a set is all clips that are given together.
        sampling: which frames are looked at: ``every=20``, ``seconds=0.5`` or ``keyframes``,
            the fastest; None takes the model's own.
        detector: one of ``video.detectors.NAMES``; None takes the model's own.
        timeline: whether to add a row for every sampled frame.
        segments: ``speech`` (utterances of 2 to 8 s, cut at pauses), ``window=3,hop=1``
            (seconds), a table of segments or its file (:func:`annotations.read_segments`),
            or ``none``: each recording is one. None takes ``speech`` for recordings longer
            than 10 s and ``none`` for the others.
        smoothing: seconds over which the predictions of segments are smoothed
            (:mod:`~multimodal_ser.fusion.smoothing`), ``5,causal`` from the past alone, or
            ``none``.
        sets: coverage of prediction sets, such as 0.9, which adds the column ``set``:
            labels joined by ``|`` that hold the true one in this share of clips of
            actors never met; None adds none.
        cache: where features are kept, or its folder; None keeps them in the
            user's cache folder, as the command does. ``Cache(None)`` keeps nothing.
        workers: processes for reading clips, None for one per core, or an engine.
        progress: whether to show a bar on standard error.

    Returns:
        The predictions (:func:`prediction_table`) and the failures
        (``clip, path, stage, error``), which notebooks draw. Where a video shows several faces,
        :data:`PERSON_COLUMN` follows ``path`` (:mod:`~multimodal_ser.workflows.people`). Where a
        recording is in segments, :data:`SEGMENT_COLUMNS` follow: each segment has rows of its
        own, and the recording's rows, whose ``segment`` is missing, summarise them
        (:mod:`~multimodal_ser.workflows.segmenting`).

    Raises:
        ModelError: the model cannot be loaded.
        TableError: the segments cannot be read, or it is not clear whose they are.
        SerError: what is given is no recording, or the model adapts otherwise, or has too few
            clips to adapt to, or has no prediction sets of this coverage, or cannot look at
            such frames.
    """
    if not isinstance(model, Model):
        model = load_model(model)
    model = with_front_end(check_adapt(model, adapt), sampling=sampling, detector=detector)
    chosen: dict = {} if sets is None else {"sets": {}}  # of no clips
    if sets is not None:
        model.combiner.check_coverage(sets)
    given = gathered(sources, rate_hz=rate_hz, frames=frames, times_s=times_s)
    clips = given.clips
    failures = [failure_table((e.path, e.path, "index", str(e)) for e in given.unusable)]
    predictions = []
    work: Work = {"cache": as_cache(cache), "workers": workers, "progress": progress}
    how = segmenting.read_how(segments, clips)
    asked: dict[str, Any] = {"segments": how, "smoothed": smoothing_of.parse(smoothing)}
    every = read_tables(tables)
    for found, failed in predict_clips(model, clips, tables=every, **asked, **work):
        if sets is not None:
            for part in (found, found.get("segments")):
                if part is not None:
                    part["sets"] = _sets(model, part, sets)
        predictions.append(_placed(found, clips, timeline))
        failures.append(failed)
        if len(predictions) == PARTS_HELD:  # hundreds of small tables take far more than one
            predictions = [pd.concat(predictions, ignore_index=True)]
            failures = [pd.concat(failures, ignore_index=True)]
    if not predictions:
        empty = {"fused": pd.DataFrame(columns=list(model.labels))}
        predictions = [_placed({**empty, **chosen}, clips, timeline)]
    table = pd.concat(predictions, ignore_index=True)
    if PERSON_COLUMN in table:  # a table without it may have come first
        table.insert(2, PERSON_COLUMN, table.pop(PERSON_COLUMN).astype("Int64"))
    if how == segmenting.WHOLE or (how is None and table["segment"].isna().all()):
        table = table.drop(columns=list(SEGMENT_COLUMNS))
    return Result(
        keys_first(given.named(table)), given.named(pd.concat(failures, ignore_index=True))
    )


def _sets(model: Model, found: Mapping[str, Any], coverage: float) -> dict[str, pd.DataFrame]:
    made = model.combiner.label_sets(found, coverage)
    if "persons" in found:
        made["persons"] = model.combiner.label_sets({"video": found["persons"]}, coverage)["video"]
    return made


def _placed(found: Mapping[str, Any], clips: pd.DataFrame, timeline: bool) -> pd.DataFrame:
    """Return the prediction table with :data:`SEGMENT_COLUMNS`, segments after their clip."""
    table = prediction_table(found, clips, timeline=timeline)
    whole = table["frame"].isna() if timeline else pd.Series(True, table.index)
    durations = found.get("durations", pd.Series(dtype=float))
    table.insert(2, "segment", pd.Series(pd.NA, table.index, dtype="Int64"))
    table.insert(3, "start_s", pd.Series(0.0, table.index).where(whole))
    table.insert(4, "end_s", table["clip"].map(durations).astype(float).where(whole))
    if "segments" not in found:
        return table
    rows = segment_rows(found["segments"], timeline=timeline)
    return pd.concat([table[whole], rows, table[~whole]], ignore_index=True)


def segment_rows(inner: Mapping[str, Any], *, timeline: bool = False) -> pd.DataFrame:
    """Return the predictions of one recording's segments as rows, see :func:`predict`.

    Args:
        inner: tables of its segments, and ``units`` (:class:`segmenting.Recording`).
        timeline: whether the columns of frames are wanted, too.
    """
    units = inner["units"]
    rows = prediction_table(inner, units, timeline=timeline)
    for at, column in enumerate(SEGMENT_COLUMNS, start=2):
        rows.insert(at, column, rows["clip"].map(units[column]))
    rows["segment"] = rows["segment"].astype("Int64")
    rows["clip"] = rows["clip"].map(lambda unit: unit.rpartition("#")[0])
    if timeline:
        rows["frame"] = rows["frame"].astype("Int64")
    return rows


def check_adapt(model: Model, adapt: str | None) -> Model:
    """Return the model as it predicts under an adaptation: its own, or another it was trained for.

    Args:
        model: as it was loaded.
        adapt: one of ``evaluation.adaptation.NAMES``, or None for the model's own.

    Raises:
        UnknownName: there is no such adaptation.
        SerError: the model was not trained for it.
    """
    if adapt not in (None, *adaptation.NAMES):
        raise UnknownName("adaptation", str(adapt), adaptation.NAMES)
    own = "none" if model.adapt == adaptation.BOTH else model.adapt
    if adapt not in (None, own) and not model.references:
        raise SerError(
            f"the model was trained with adaptation {own!r}, which {adapt!r} is not; "
            f"leave the option out, or train a model with --adapt {adapt} or both"
        )
    return replace(model, adapt=adapt or own)


def with_front_end(
    model: Model, *, sampling: str | None = None, detector: str | None = None
) -> Model:
    """Return a model that looks at other frames, or finds faces in another way.

    Args:
        model: as it was loaded, which stays as it is.
        sampling: see :func:`predict`.
        detector: likewise.

    Raises:
        SerError: there is no such sampling, or the model looks at no frames.
        UnknownName: there is no such detector.
    """
    if sampling is None and detector is None:
        return model
    from multimodal_ser.video.extract import changed_params

    changed = {
        name: copy(one)
        for name, one in model.learners.items()
        if one.kind == "frames" or one.input in MEASURED
    }
    if not changed:
        raise SerError("the model looks at no frames; leave out the sampling and the detector")
    for one in changed.values():
        if one.kind == "frames":
            one.params = changed_params(one.params, sampling, detector)
        else:
            one.front_end = changed_params(measured_front_end(one), sampling, detector)
    return replace(model, learners={**model.learners, **changed})


def given_groups(clips: pd.DataFrame, how: str) -> pd.DataFrame:
    """Return clips with those columns filled that say whose statistics are whose.

    Args:
        clips: a clips table.
        how: ``person``: clips without an actor are of the folder that their file lies
            in, or of the next above that is not named after an emotion. ``set``: all
            that are given together are one.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [{"clip": "a", "audio": "/data/ann/sad/a.wav"}, {"clip": "b", "actor": "7"}]
        >>> given_groups(make_clips(rows), "person")["actor"].tolist()
        ['/data/ann', '7']
    """
    from multimodal_ser.datasets import folder

    if how != "person":
        return clips.assign(dataset="given") if how == "set" else clips
    whose = [folder.place_of(path_of(clip, "audio")) for _, clip in clips.iterrows()]
    return clips.assign(actor=clips["actor"].fillna(pd.Series(whose, clips.index)))
