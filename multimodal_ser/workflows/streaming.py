"""Predictions of sound and images as they come.

The rows are those of :func:`inference.predict` on the same recording with the same segments.
A row comes when its segment is over and everything of it is here: a window's with the sound
and the image that reach its end, an utterance's 0.3 to 0.4 s of silence later, or when it is
cut at 8 s. Only what later segments may need is held.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser.audio import segments
from multimodal_ser.audio.extract import piece_features
from multimodal_ser.audio.segments import SpeechFinder
from multimodal_ser.errors import SerError
from multimodal_ser.fusion import aggregate
from multimodal_ser.fusion import smoothing as smoothing_of
from multimodal_ser.tables import FRAME_INDEX, MODALITIES, Features, make_clips
from multimodal_ser.video import features as measures
from multimodal_ser.workflows import inference
from multimodal_ser.workflows.data import measured_front_end
from multimodal_ser.workflows.models import Model, add_notes, load_model
from multimodal_ser.workflows.recipes import MEASURED
from multimodal_ser.workflows.results import keys_first

#: Sound before an utterance that may still become part of it, in seconds.
_LEAD_S = 1.0
_ROUNDING_S = 0.001


class Stream:
    """Rolling predictions.

    Args:
        model: as for :func:`inference.predict`.
        segments: ``window=3,hop=1`` (seconds) or ``speech``. (A file without any speech is
            seen in windows; of a stream it is not known that there will be none.)
        modalities: what will be fed, of ``audio`` and ``video``; rows wait for all of it.
            None takes all that the model has.
        smoothing: ``5,causal``: seconds; or None.
        sampling: which images are looked at, such as ``seconds=0.5`` where they come more
            seldom than those of a film; None takes the model's own.
        name: what the rows are called.

    Raises:
        SerError: there are no such segments, the model adapts, smoothing would need the
            future, or utterances would need sound that is not fed.

    Example:
        >>> stream = Stream("ravdess", modalities=("audio",))  # doctest: +SKIP
        >>> for block in microphone:  # doctest: +SKIP
        ...     print(stream.feed_sound(block, 48000))
    """

    def __init__(
        self,
        model: Model | str | None = None,
        segments: str = "window=3,hop=1",
        *,
        modalities: tuple[str, ...] | None = None,
        smoothing: str | smoothing_of.Smoothing | None = None,
        sampling: str | None = None,
        name: str = "stream",
    ) -> None:
        self.model = model if isinstance(model, Model) else load_model(model)
        self.modalities = self.model.modalities if modalities is None else tuple(modalities)
        self._how = _checked(self.model, segments, self.modalities)
        smoothed = smoothing_of.parse(smoothing)
        if smoothed is not None and not smoothed.causal:
            raise SerError(f"smoothing over {smoothed.seconds:g} s needs the future; add ,causal")
        self._filters = {m: smoothing_of.Filter(smoothed) for m in MODALITIES if smoothed}
        self.name, self._number = name, 0
        self._sound, self._rate_hz, self._first = np.zeros(0, np.float32), 0, 0
        self._pending: list[tuple[float, float]] = []
        self._reached = {name: 0.0 for name in self.modalities}
        self._resampler: Any = None
        self._finder = SpeechFinder() if self._how == "speech" else None
        self._feeds = _feeds(self.model, sampling) if "video" in self.modalities else {}
        self._looks_at_faces = any(one.params.crop == "face" for one in self._feeds.values())
        self._frames: dict[str, list[pd.DataFrame]] = {name: [] for name in self._feeds}
        self._measuring = _measuring(self.model, sampling) if "video" in self.modalities else {}
        self._measured: dict[str, list[tuple[float, np.ndarray]]] = {n: [] for n in self._measuring}

    def feed_sound(self, samples: np.ndarray, rate_hz: int) -> pd.DataFrame:
        """Take in sound that follows on the last; return the rows of segments that are over.

        Args:
            samples: mono float32 ``(n_samples,)``, -1 to 1.
            rate_hz: the same each time.

        Raises:
            SerError: the rate has changed, the samples are no sound, or none was announced.
        """
        samples = np.asarray(samples, np.float32)
        if "audio" not in self.modalities or samples.ndim != 1 or not np.isfinite(samples).all():
            raise SerError(f"sound of shape {samples.shape} cannot be taken in; give mono samples")
        if self._rate_hz not in (0, rate_hz):
            raise SerError(f"the sound was of {self._rate_hz} Hz and is of {rate_hz} now")
        self._rate_hz = rate_hz
        self._sound = np.concatenate([self._sound, samples])
        self._reached["audio"] = (self._first + len(self._sound)) / rate_hz
        if self._finder is not None:
            self._pending += self._finder.feed(self._at_16_khz(samples))
        return self._over()

    def feed_frame(self, image: np.ndarray, time_s: float) -> pd.DataFrame:
        """Take in the next image; return the rows of segments that are over.

        Args:
            image: every image of the camera, see :meth:`video.feed.FrameFeed.add`.
            time_s: seconds since the first.

        Raises:
            SerError: it is no image, none was announced, or it is earlier than the last.
        """
        if "video" not in self.modalities or time_s < self._reached["video"]:
            raise SerError(f"an image at {time_s} s cannot be taken in; give images in order")
        self._reached["video"] = time_s
        done = self._over()
        for name, feed in self._feeds.items():
            found = feed.add(image, time_s)
            if found is not None:
                from multimodal_ser.video.extract import FrameStore

                store: Any = FrameStore({self.name: found})
                learner: Any = self.model.learners[name]
                self._frames[name].append(learner.predict_frames(store, [self.name]))
        for name, feed in self._measuring.items():
            sampled = feed.sampled(image, time_s)
            if sampled is not None:
                self._measured[name].append((time_s, measures.load(name).sequence([sampled])[0]))
        return done

    def finish(self) -> pd.DataFrame:
        """Return the rows of what was not over: the recording ends here."""
        end_s = max(self._reached.values())
        if self._finder is not None:
            self._pending += self._finder.feed(self._at_16_khz(np.zeros(0, np.float32), last=True))
            self._pending += self._finder.finish()
        else:
            self._pending += [tuple(span) for span in self._how.spans(end_s)[self._number :]]
        return self._rows(len(self._pending))

    def _at_16_khz(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        if self._rate_hz in (0, segments.RATE_HZ):
            return samples
        if self._resampler is None:
            import soxr

            rates = self._rate_hz, segments.RATE_HZ
            self._resampler = soxr.ResampleStream(*rates, 1, dtype="float32", quality="HQ")
        return self._resampler.resample_chunk(samples, last=last)

    def _over(self) -> pd.DataFrame:
        """Return the rows of segments that end before everything that has come."""
        reached_s = min(self._reached.values())
        if isinstance(self._how, segments.Windows):
            window_s, hop_s = self._how.window_s, self._how.hop_s
            following = self._number + len(self._pending)
            while following * hop_s + window_s <= reached_s:
                start_s = following * hop_s
                self._pending.append((start_s, start_s + window_s))
                following += 1
        count = sum(end_s <= reached_s for _, end_s in self._pending)
        return self._rows(count)

    def _rows(self, count: int) -> pd.DataFrame:
        rows = [self._predict(*self._pending.pop(0)) for _ in range(count)]
        self._forget()
        if rows:
            return keys_first(pd.concat(rows, ignore_index=True))
        nothing = {"fused": pd.DataFrame(columns=list(self.model.labels))}
        columns = list(inference.prediction_table(nothing, make_clips([])).columns)
        columns[2:2] = inference.SEGMENT_COLUMNS
        return keys_first(pd.DataFrame(columns=columns))

    def _forget(self) -> None:
        """Drop sound and frames that no later segment can need."""
        if self._pending:
            start_s = self._pending[0][0]
        elif isinstance(self._how, segments.Windows):
            start_s = self._number * self._how.hop_s
        else:
            start_s = self._finder.open_since_s - _LEAD_S if self._finder else 0.0
        old = int((start_s - _ROUNDING_S) * self._rate_hz) - self._first
        old = min(max(old, 0), len(self._sound))
        self._sound, self._first = self._sound[old:], self._first + old
        for name, frames in self._frames.items():
            self._frames[name] = [one for one in frames if one.index[0][2] >= start_s - _ROUNDING_S]
        for name, rows in self._measured.items():
            self._measured[name] = [one for one in rows if one[0] >= start_s - _ROUNDING_S]

    def _predict(self, start_s: float, end_s: float) -> pd.DataFrame:
        """Return the rows of one segment."""
        units = _units(self.name, self._number, [(start_s, end_s)])
        self._number += 1
        tables, scores, reason = self._heard(units)
        seen = pd.Series(dtype=bool)
        for name, frames in self._frames.items():
            every = pd.concat(frames) if frames else self._no_frames()
            some = aggregate.in_segments(every, units)
            pooled = aggregate.pool_frames(some, self.model.pooling)
            tables[name] = pooled.reindex(units.index)
            seen = some.notna().all(axis=1) if seen.empty else seen  # of the first network
        tables |= self._of_measured(units)
        inner = self.model.combined(tables, units.index, scores)
        if self._looks_at_faces and len(seen):
            inner["face_rates"] = pd.Series(float(seen.mean()), units.index)
        if reason:
            add_notes(inner["notes"], {units.index[0]: f"no speech heard: {reason}"})
        for modality, steps in self._filters.items():
            if modality in inner:
                values = inner[modality].to_numpy(float)
                inner[modality] = inner[modality].astype(float)
                inner[modality].iloc[0] = steps.step(values[0], start_s, end_s)
        return inference.segment_rows({**inner, "units": units})

    def _heard(self, units: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], pd.Series | None, str]:
        ears = {n: one for n, one in self.model.learners.items() if one.modality == "audio"}
        if not ears or "audio" not in self.modalities:
            return {}, None, ""
        names = list(dict.fromkeys(one.input for one in ears.values()))
        first, last = (round(units[name].iloc[0] * self._rate_hz) for name in ("start_s", "end_s"))
        piece = self._sound[max(0, first - self._first) : last - self._first]
        found, reason = piece_features(piece, self._rate_hz, names)
        inputs = {
            name: Features(units.index, np.asarray(values, np.float32)[None], _names(name))
            for name, values in found.items()
        }
        absent = pd.DataFrame(np.nan, units.index, list(self.model.labels))
        tables = {
            name: one.predict(inputs[one.key], units.index) if one.key in inputs else absent
            for name, one in ears.items()
            if one.kind == "features"
        }
        return tables, self.model.strange(units.index, inputs), reason

    def _of_measured(self, units: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """Return the tables of learners of what is measured in faces."""
        start_s, end_s = units["start_s"].iloc[0], units["end_s"].iloc[0]
        tables = {}
        for name, learner in self.model.learners.items():
            if learner.input not in self._measured or learner.kind != "features":
                continue
            module, rows = measures.load(learner.input), self._measured[learner.input]
            inside = [values for time_s, values in rows if start_s <= time_s < end_s]
            shape = len(inside), len(module.frame_names())
            whole = module.summarise(np.array(inside, np.float32).reshape(shape))
            there = units.index if np.isfinite(whole).all() else units.index[:0]
            values = np.repeat(whole[None], len(there), axis=0)
            found = Features(there, values, module.names())
            tables[name] = learner.predict(found, units.index)
        return tables

    def _no_frames(self) -> pd.DataFrame:
        index = pd.MultiIndex.from_arrays([[], [], []], names=FRAME_INDEX)
        return pd.DataFrame(columns=list(self.model.labels), index=index, dtype=float)


def _checked(model: Model, text: str, modalities: tuple[str, ...]) -> Any:
    how = segments.parse(text)
    if how is None or how == segments.WHOLE:
        raise SerError(f"a stream has no segments {text!r}; give speech or window=3,hop=1")
    if not modalities or not set(modalities) <= {"audio", "video"}:
        raise SerError(f"a stream of {modalities} is none; give audio, video or both")
    if how == segments.SPEECH and "audio" not in modalities:
        raise SerError("utterances are found in sound, and none is fed; give window=3,hop=1")
    if model.adapt not in ("none", "both"):
        raise SerError("the model adapts to recordings as a whole, which a stream is never")
    return how


def _feeds(model: Model, sampling: str | None) -> dict[str, Any]:
    eyes = {name: one.params for name, one in model.learners.items() if one.kind == "frames"}
    return {name: _feed(params, sampling) for name, params in eyes.items()}


def _measuring(model: Model, sampling: str | None) -> dict[str, Any]:
    """Return what samples images for each input that is measured in faces."""
    own = {one.input: one for one in model.learners.values() if one.input in MEASURED}
    return {name: _feed(measured_front_end(one), sampling) for name, one in own.items()}


def _feed(params: Any, sampling: str | None) -> Any:
    from multimodal_ser.video.extract import changed_params
    from multimodal_ser.video.feed import FrameFeed

    return FrameFeed(changed_params(params, sampling))


def _names(feature_set: str) -> tuple[str, ...]:
    from multimodal_ser.audio import features

    return features.load(feature_set).names()


def _units(name: str, number: int, spans: list[tuple[float, float]]) -> pd.DataFrame:
    """Return the clips table of some segments of a stream."""
    rows = [{"clip": f"{name}#{number + at:04d}"} for at in range(len(spans))]
    table = make_clips(rows)
    table["segment"] = pd.array(range(number, number + len(spans)), "Int64")
    return table.assign(start_s=[one[0] for one in spans], end_s=[one[1] for one in spans])
