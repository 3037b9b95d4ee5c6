"""What learners learn from: clips, and their inputs, extracted once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np
import pandas as pd

from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError, TableError, UnknownName
from multimodal_ser.evaluation import adaptation
from multimodal_ser.tables import SPAN_COLUMNS, Features, check_clips, failure_table, selection
from multimodal_ser.tables import labels as label_scheme
from multimodal_ser.tables.clips import is_part
from multimodal_ser.workflows import videos
from multimodal_ser.workflows.recipes import FRAMES, MEASURED, SEQUENCES, TABLES, Learner, Recipe

if TYPE_CHECKING:
    from multimodal_ser.audio.extract import Change
    from multimodal_ser.video.extract import FrameParams, FrameStore
    from multimodal_ser.workflows.models import Fitted

    Inputs = Mapping[str, Features | FrameStore]


class Work(TypedDict):
    """How clips are read: where results are kept, by how many processes, with a bar or not."""

    cache: Cache
    workers: int | Engine | None
    progress: bool


def as_cache(cache: Cache | str | Path | None) -> Cache:
    """Return a cache, whatever way it was given; None is the user's own.

    Example:
        >>> as_cache("features").folder.name
        'features'
    """
    if isinstance(cache, Cache):
        return cache
    return Cache(Path(cache) if cache is not None else default_folder())


@dataclass(frozen=True, repr=False)
class Data:
    """Everything that training reads.

    Attributes:
        clips: the clips table.
        inputs: key of a learner's input -> features or frames.
        failures: clips that could not be used, and why.
        extra: clips to train on beside those of ``clips``, or None; they have
            inputs here too.
    """

    clips: pd.DataFrame
    inputs: Inputs
    failures: pd.DataFrame
    extra: pd.DataFrame | None = None

    def __repr__(self) -> str:
        counts = ", ".join(f"{key}: {len(found.clips)}" for key, found in self.inputs.items())
        return f"Data({len(self.clips)} clips; {counts}; {len(self.failures)} failures)"


def frame_params(recipe: Recipe, backbone: str) -> FrameParams:
    """Return a backbone's front end: its own parameters with the recipe's changes.

    Raises:
        UnknownName: there is no such backbone.
    """
    from multimodal_ser.video import backbones

    return _changed(backbones.load(backbone).PARAMS, recipe)


def _changed(own: FrameParams, recipe: Recipe) -> FrameParams:
    said = {"crop": recipe.crop, "detector": recipe.detector}
    changes: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    ways = ("every", "every_seconds", "keyframes_only")
    if any(getattr(recipe, way) not in (None, False) for way in ways):
        changes |= {way: getattr(recipe, way) for way in ways}
    return replace(own, **changes)


def prepare(
    clips: pd.DataFrame, recipe: Recipe, extra: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the clips and the extra clips that a recipe's labels keep, checked together.

    Nothing is opened: what cannot work is refused before the extraction.

    Args:
        clips: a clips table.
        recipe: what is to be trained.
        extra: clips to train on only, or None; those that are among the clips
            are left out.

    Raises:
        SerError: there are no two labels, or a word cannot be one.
        TableError: it is not known whose the extra clips or the changed copies
            are, see :func:`selection.apart`.
    """
    labelled = selection.labelled(clips, recipe.labels)
    if labelled["emotion"].nunique() < 2:
        raise SerError(
            f"all {len(labelled)} labelled clip(s) are {labelled['emotion'].iloc[0]}; "
            "training needs clips of at least two labels"
        )
    words = label_scheme.labels_among(labelled, recipe.labels)
    label_scheme.check_words(words)
    nameless = labelled.index[labelled["actor"].isna()]
    if recipe.copies and len(nameless):
        raise TableError(
            f"{len(nameless)} clip(s) have no known actor, among them {nameless[0]!r}, and a "
            "changed copy could be of somebody who is tested; fill the column actor"
        )
    if recipe.copies and is_part(labelled).any():
        raise SerError("copies are made of whole recordings; cut the parts out, or take no copies")
    if recipe.adapt == adaptation.BOTH:
        adaptation.groups(labelled, "person")
    if extra is not None:
        extra = selection.labelled(selection.apart(extra, clips), recipe.labels)
        # Of own labels, those of the clips: nobody is tested on others.
        extra = extra[extra["emotion"].isin(words)]
        extra = extra.assign(emotion=extra["emotion"].cat.set_categories(words))
        if extra.empty:
            raise SerError(f"no extra clip has one of the labels {', '.join(words)}; give others")
    return labelled, extra


def extract(
    clips: pd.DataFrame,
    recipes: Recipe | Sequence[Recipe],
    *,
    extra: pd.DataFrame | None = None,
    tables: Mapping[str, Features] | None = None,
    cache: Cache | None = None,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> Data:
    """Extract what the learners of some recipes need from every clip.

    Args:
        clips: a clips table.
        recipes: one, or several that share front end, copies, adaptation and seed.
        extra: clips to train on beside them, under the same label scheme.
        tables: name of an input -> a table made elsewhere, joined by clip id.
        cache: where results are kept; None keeps nothing.
        workers: processes, None for one per core, or an engine.
        progress: whether to show bars on standard error.

    Returns:
        The data, adapted as the recipes say; clips that failed are in its
        ``failures``.

    Raises:
        SerError: no clip has what the recipes want, or a table is missing.
        TableError: an extra clip is among the clips too.
    """
    recipes = [recipes] if isinstance(recipes, Recipe) else list(recipes)
    learners = {one.key: one for recipe in recipes for one in recipe.learners}
    every = clips if extra is None else check_clips(pd.concat([clips, extra]))
    engine = Engine.of(workers, several=len(every) > 1)
    shared: Work = {"cache": cache or Cache(None), "workers": engine, "progress": progress}
    inputs, failures = extract_inputs(
        every,
        learners.values(),
        tables,
        lambda backbone: frame_params(recipes[0], backbone),
        shared,
    )
    if not any(len(found.clips) for found in inputs.values()):
        raise SerError(
            f"none of the {len(clips)} clip(s) has what {' or '.join(learners)} needs; choose "
            "other learners or other data, and see the failures" + _first(failures)
        )
    data = Data(clips, inputs, failures, extra)
    data = _with_copies(data, every, recipes, shared)
    return adapted(data, recipes[0].adapt)


def _first(failures: pd.DataFrame) -> str:
    return f", the first: {failures['error'].iloc[0]}" if len(failures) else ""


def extract_inputs(
    clips: pd.DataFrame,
    learners: Iterable[Learner | Fitted],
    tables: Mapping[str, Features] | None,
    front_end: Callable[[str], FrameParams],
    shared: Work,
    change: Callable[[str], Change] | None = None,
    reads: videos.Reads | None = None,
) -> tuple[dict[str, Features | FrameStore], pd.DataFrame]:
    """Return the inputs of learners for clips, and the failures.

    A clip in which no speech is heard has no features of its sound, and a row of the
    failures whose stage is ``speech``. That a video has sound alone is no failure.

    Args:
        clips: a clips table.
        learners: fitted or not; their ``modality``, ``input`` and ``key`` count.
        tables: name of an input -> a table made elsewhere.
        front_end: from a backbone to the parameters of its frames.
        shared: ``cache``, ``workers`` and ``progress``.
        change: from a clip's id to what happens to its recording, or None.
        reads: of :func:`videos.read`, if the videos were read already.

    Raises:
        SerError: a learner wants a table that is not given.
    """
    from multimodal_ser.video.opened import NO_IMAGE

    learners = list(learners)
    if reads is None:
        reads = videos.read(clips, wanted(learners, front_end), shared, change)
    heard = list(dict.fromkeys(one.input for one in learners if one.modality == "audio"))
    inputs: dict[str, Features | FrameStore] = {}
    failures = [failure_table([])]
    if heard:
        from multimodal_ser.audio.extract import extract_many

        parts = is_part(clips)
        whole = clips[~parts]
        found, failed = extract_many(
            whole, heard, change=change, speech_only=True, known=reads.heard, **shared
        )
        failures.append(failed)
        if parts.any():
            found, failed = _with_parts(found, clips[parts], heard, shared, change)
            failures.append(failed)
        inputs |= found
    stores: dict[FrameParams, FrameStore] = {}
    for one in learners:
        if one.input in TABLES:
            inputs[one.key] = _table_rows(one.input, tables, clips)
        elif one.modality == "video" and one.key not in inputs:
            if one.input in MEASURED:
                inputs[one.key], failed = _measured(clips, one, shared, reads)
                failures.append(failed)
                continue
            params = front_end(one.name)
            if params not in stores:
                stores[params], failed = _frames(clips, params, shared, reads)
                failures.append(failed)
            inputs[one.key] = stores[params]
    failed = pd.concat(failures, ignore_index=True)
    # An mp4 that holds a voice alone is a recording of it.
    return inputs, failed[~failed["error"].astype(str).str.contains(NO_IMAGE, regex=False)]


def _with_parts(
    found: dict[str, Features],
    clips: pd.DataFrame,
    names: list[str],
    shared: Work,
    change: Callable[[str], Change] | None,
) -> tuple[dict[str, Features], pd.DataFrame]:
    """Return features of whole clips with those of the parts of recordings; and what failed."""
    every, failures = [found], [failure_table([])]
    for path, part in clips.dropna(subset=["audio"]).groupby("audio", sort=False):
        part = part.sort_values(list(SPAN_COLUMNS))
        happens = change(str(part.index[0])) if change else None  # to the whole recording
        given, failed = _of_one_recording(str(path), part, names, shared, happens)
        every.append(given)
        failures.append(failed)
    there = [one for one in every if one]
    return {name: _stacked([one[name] for one in there]) for name in names}, pd.concat(failures)


def _of_one_recording(
    path: str, parts: pd.DataFrame, names: list[str], shared: Work, change: Change | None
) -> tuple[dict[str, Features], pd.DataFrame]:
    """Return the features of the parts of a recording, which are sorted by time."""
    from multimodal_ser.audio import extract as extracting
    from multimodal_ser.audio import segments

    spans = tuple(zip(parts["start_s"].fillna(0.0), parts["end_s"], strict=True))
    work: dict[str, Any] = {"cache": shared["cache"], "workers": shared["workers"]}
    try:
        plan = segments.plan(path, spans, shared["cache"].folder)
    except SerError as error:
        return {}, failure_table((str(clip), path, "audio", str(error)) for clip in parts.index)
    # The plan lacks those that begin after the recording's end: they are the last.
    count = 0 if plan.spans is None else len(plan.spans)
    given, silent, failed = extracting.extract_spans(
        parts.iloc[0], plan, parts.index[:count], names, change=change, **work
    )
    rows = [(clip, path, extracting.SPEECH_STAGE, f"{path}: {why}") for clip, why in silent.items()]
    lost = f"{path}: it ends before the part begins; mend its start"
    rows += [(str(clip), path, "audio", lost) for clip in parts.index[count:]]
    return given, pd.concat([failed, failure_table(rows)])


def _stacked(parts: list[Features]) -> Features:
    ids = pd.Index([clip for part in parts for clip in part.clips], name="clip", dtype=object)
    return Features(ids, np.concatenate([part.values for part in parts]), parts[0].names)


def wanted(
    learners: Iterable[Learner | Fitted], front_end: Callable[[str], FrameParams]
) -> videos.Wanted:
    """Return what learners want of a video, see :func:`extract_inputs`."""
    return videos.Wanted.of(learners, front_end, measured_front_end)


def _frames(clips: pd.DataFrame, params: FrameParams, shared: Work, reads: videos.Reads):
    from multimodal_ser.video.extract import extract as extract_frames

    return extract_frames(clips, params, known=reads.seen.get(params), **shared)


def _measured(clips: pd.DataFrame, one: Learner | Fitted, shared: Work, reads: videos.Reads):
    from multimodal_ser.video.measure import extract as extract_measured

    known = reads.seen.get(one.input)
    return extract_measured(clips, one.input, measured_front_end(one), known=known, **shared)


def measured_front_end(learner: Learner | Fitted) -> FrameParams:
    """Return the frames in which a learner's input is measured: those asked for, or its own.

    Args:
        learner: whose input is one of ``recipes.MEASURED``.
    """
    return getattr(learner, "front_end", None) or measured_params(learner.input)


def measured_params(name: str) -> FrameParams:
    """Return the frames in which an input of the face is measured.

    They are the same in all training: a fitted classifier does not keep a front end. Where
    no more is looked at than the mean they are fewer.

    Args:
        name: one of ``recipes.MEASURED``.
    """
    from multimodal_ser.video.extract import FrameParams

    if name == "estimated_action_units":
        return FrameParams(every=20, crop="face", detector="yunet")
    return FrameParams(every=5, crop="face", detector="haar")


def _table_rows(name: str, tables: Mapping[str, Features] | None, clips: pd.DataFrame) -> Features:
    if tables is None or name not in tables:
        raise SerError(
            f"{name} is a table made elsewhere; give it as {name}=TABLE.csv, one row per clip"
        )
    table = tables[name]
    there = table.clips[table.clips.isin(clips.index)]
    return Features(there, table.take(there), table.names)


def _with_copies(data: Data, clips: pd.DataFrame, recipes: list[Recipe], shared: Work) -> Data:
    """Return the data with changed copies of all clips among the extra ones."""
    recipe, heard = recipes[0], [one.key for recipe in recipes for one in recipe.heard]
    if not recipe.copies or not heard:
        return data
    from multimodal_ser.audio.augment import augmented_copies

    inputs, table = dict(data.inputs), clips.iloc[:0].copy()
    for key in dict.fromkeys(heard):
        own = cast("Features", data.inputs[key])
        table, changed = augmented_copies(
            clips[clips.index.isin(own.clips)],  # no speech in a clip, none in its copies
            key,
            copies=recipe.copies,
            params=recipe.augmentation,
            seed=recipe.seed,
            **shared,
        )
        values = np.concatenate([own.values, changed.values])
        inputs[key] = Features(own.clips.append(changed.clips), values, changed.names)
    table["video"] = pd.NA  # the sound alone was changed
    extra = table if data.extra is None else pd.concat([data.extra, table])
    return replace(data, inputs=inputs, extra=extra)


def adapted(data: Data, how: str) -> Data:
    """Return the data with features normalised by their own person or set.

    A person's extra clips have no part in that, which are tested by nobody:
    song and each round of changed copies is normalised by itself. Frames stay
    as they are.

    Args:
        data: extracted.
        how: one of ``evaluation.adaptation.TRAINED``; where training takes clips both as
            they are and normalised, it does so fold by fold.
    """
    if how in ("none", adaptation.BOTH):
        return data
    every = owners(data, how)
    inputs = {
        key: adaptation.adapted(found, every, how) if isinstance(found, Features) else found
        for key, found in data.inputs.items()
    }
    return replace(data, inputs=inputs)


def owners(data: Data, how: str) -> pd.DataFrame:
    """Return all clips, extra ones and copies as of a person, or set, of their own.

    Args:
        data: extracted.
        how: ``person`` or ``set``.
    """
    every = data.clips
    if data.extra is not None:
        round_of = data.extra.index.str.extract(r"(#\d+)$", expand=False).fillna("")
        part = data.extra["channel"].fillna("") + np.asarray(round_of, dtype=object)
        column = "actor" if how == "person" else "dataset"
        extra = data.extra.assign(**{column: data.extra[column] + " extra " + part})
        every = pd.concat([every, extra])
    return every


def digest(data: Data, learner: Learner, clips: pd.Index) -> str:
    """Return a hash of all that a learner sees of clips: bytes, ids, names and versions.

    Args:
        data: extracted.
        learner: whose input counts.
        clips: ids; those without the input do not count.

    Returns:
        64 hexadecimal digits.
    """
    found, total = data.inputs[learner.key], hashlib.sha256()
    there = clips[clips.isin(found.clips)]
    total.update(repr((learner.key, _version(data, learner), tuple(there))).encode())
    if isinstance(found, Features):
        total.update(repr((found.names, found.values.dtype.str, found.values.shape[1:])).encode())
        total.update(np.ascontiguousarray(found.take(there)).tobytes())
    else:
        for clip in there:
            total.update(found.digest(clip))
    return total.hexdigest()


def _version(data: Data, learner: Learner) -> object:
    if learner.modality == "audio":
        from multimodal_ser.audio import features

        return features.load(learner.input).VERSION
    if learner.input == FRAMES:
        from multimodal_ser.video.extract import VERSION

        return VERSION
    return None


def read_tables(
    tables: Mapping[str, Features | str | Path] | None,
) -> dict[str, Features]:
    """Return tables made elsewhere, read where they are paths.

    Args:
        tables: name of an input -> features, or a path: for ``action_units`` a
            table of OpenFace's means with a row per clip, or a folder with its
            table of every frame of each clip; for ``action_unit_frames`` such a
            folder.

    Returns:
        Name -> features. The square root of mean action units is taken, for
        shares and intensities near 0 are crowded.

    Raises:
        UnknownName: no learner takes a table of such a name.
        TableError: a table cannot be read.

    Example:
        >>> read_tables(None)
        {}
    """
    return {name: _read_table(name, table) for name, table in (tables or {}).items()}


def _read_table(name: str, table: Features | str | Path) -> Features:
    if name not in TABLES:
        raise UnknownName("input that is a table", name, TABLES)
    if isinstance(table, Features):
        return table
    from multimodal_ser.video import classifiers
    from multimodal_ser.video.features import openface

    if name in SEQUENCES:
        _, sequences, _ = openface.read_folder(table)
        values = classifiers.stack(list(sequences.values()))
        return Features(pd.Index(list(sequences), dtype=object), values, ("frame", "value"))
    if Path(table).is_dir():
        return openface.read_folder(table)[0]
    units = openface.read_mean_table(table)
    return Features(units.clips, np.sqrt(units.values), units.names)
