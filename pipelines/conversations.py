"""Conversations made of single clips: are segments where somebody speaks, and labels right?

Clips of a few actors follow on each other with pauses of 0.2 to 2 s and noise throughout, 20
to 40 dB below the voices, drawn with a seed. What a clip holds before its first and after its
last loud moment (``audio.utterance``: within 35 dB of the loud ones, and above its noise) is cut
off first but for 50 ms, so that the true segments are where somebody speaks. ``predict
--segments speech`` reads each conversation:

- boundaries: of each clip, how far its start and end lie from those of the segment that covers
  most of it; how many clips are found (half of their union is common), joined with another, or
  missed;
- labels: how many clips have the right one, predicted alone, by their true segment in the
  conversation, by the segment found, and by it after smoothing. Where emotions ``change`` two
  to four actors take turns and each clip's is drawn anew, where they ``last`` one actor speaks and
  keeps one for five clips, which smoothing expects: real talk lies between.

``--minutes`` reads one sound of such a length instead, and prints time and peak memory. With
``--films`` the clips are films: all that there are follow on each other in each conversation, the
last image of one standing through the pause, and face, voice and both are judged.

    python pipelines/conversations.py --data TESS
    python pipelines/conversations.py --data CREMA-D --minutes 60
    python pipelines/conversations.py --films RAVDESS/Video_Speech_Actor_05 --faces 2
    python pipelines/conversations.py --films RAVDESS/Video_Speech_Actor_05 --minutes 20
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _films
import numpy as np
import pandas as pd
import soundfile
import speaking_faces

from multimodal_ser import datasets
from multimodal_ser.audio import signal
from multimodal_ser.audio.utterance import LEVEL, utterance
from multimodal_ser.cli import terminal
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.fusion.smoothing import parse, smooth
from multimodal_ser.tables import EMOTIONS, labels
from multimodal_ser.workflows import inference
from multimodal_ser.workflows.models import Model

RATE_HZ = 16000
PAUSES_S, NOISE_DB = (0.2, 2.0), (20.0, 40.0)
#: What ``utterance`` keeps beside the first and the last loud moment.
KEPT_S = 0.05
#: For how many clips an emotion stays where it lasts.
RUN_CLIPS = 5
#: Height of a film's images.
HEIGHT_PX = 360
SMOOTHINGS = ("2", "5", "15", "2,causal", "5,causal", "15,causal")


def drawn(clips: pd.DataFrame, count: int, lasts: bool, rng: np.random.Generator) -> pd.DataFrame:
    """Return the clips of one conversation, of two to four actors, or of one."""
    actors, n_actors = clips["actor"].unique(), 1 if lasts else int(rng.integers(2, 5))
    some = rng.choice(actors, min(len(actors), n_actors), replace=False)
    chosen: list[str] = []
    emotions: dict[str, tuple[str, int]] = {}
    while len(chosen) < count:
        actor = str(rng.choice(some))
        own = clips[(clips["actor"] == actor) & ~clips.index.isin(chosen)]
        emotion, left = emotions.get(actor, ("", 0))
        if not left or not (own["emotion"] == emotion).any():
            emotion, left = str(rng.choice(own["emotion"].unique())), RUN_CLIPS if lasts else 1
        emotions[actor] = emotion, left - 1
        chosen.append(str(rng.choice(own.index[own["emotion"] == emotion])))
    return clips.loc[chosen]


def conversation(clips: pd.DataFrame, path: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Write a conversation; return where each clip lies in it, ``clip, start_s, end_s``."""
    rows, parts, at = [], [np.zeros(RATE_HZ // 2, np.float32)], RATE_HZ // 2
    for clip, row in clips.iterrows():
        sound = utterance(signal.read(str(row["audio"]), rate_hz=RATE_HZ))
        rows.append((clip, at / RATE_HZ + KEPT_S, (at + len(sound)) / RATE_HZ - KEPT_S))
        pause = np.zeros(int(rng.uniform(*PAUSES_S) * RATE_HZ), np.float32)
        parts += [sound, pause]
        at += len(sound) + len(pause)
    whole = np.concatenate(parts)
    level = LEVEL * 10 ** (-rng.uniform(*NOISE_DB) / 20)
    whole += (level * rng.standard_normal(len(whole))).astype(np.float32)
    soundfile.write(path, np.clip(whole, -1, 1), RATE_HZ)
    return pd.DataFrame(rows, columns=["clip", "start_s", "end_s"])


def matched(truth: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return each true segment with the number of the one found that covers most of it.

    Returns:
        The columns of ``truth``, and ``found`` (-1: none), ``start_error_s``,
        ``end_error_s``, ``overlap`` (intersection over union) and ``joined``.
    """
    start, end = (found[name].to_numpy(float) for name in ("start_s", "end_s"))
    rows = []
    for one in truth.itertuples():
        common = np.minimum(end, one.end_s) - np.maximum(start, one.start_s)
        best = int(np.argmax(common)) if len(found) and common.max() > 0 else -1
        if best < 0:
            rows.append((-1, np.nan, np.nan, 0.0))
            continue
        union = max(end[best], one.end_s) - min(start[best], one.start_s)
        errors = abs(start[best] - one.start_s), abs(end[best] - one.end_s)
        rows.append((best, *errors, common[best] / union))
    columns = ["found", "start_error_s", "end_error_s", "overlap"]
    table = truth.join(pd.DataFrame(rows, truth.index, columns))
    return table.assign(joined=table["found"].duplicated(keep=False) & (table["found"] >= 0))


def read(model: Model, source: Path | pd.DataFrame, **how: Any) -> pd.DataFrame:
    """Return what the voice says of segments, or of clips where there are none."""
    work: Any = {"cache": Cache(None), "workers": Engine(1, in_process=True)}
    table, _ = inference.predict(source, model, **how, **work)
    table = table[table["modality"] == "audio"]
    return table[table["segment"].notna()].reset_index(drop=True) if "segment" in table else table


def right(table: pd.DataFrame, truth: pd.Series, there: list[str]) -> np.ndarray:
    """Return 1 where the label is the true one, of those that the data set has, else 0."""
    known = table.notna().all(axis=1).to_numpy()
    said = labels.project(table.fillna(1 / table.shape[1]), there).idxmax(axis=1)
    return (known & (said.to_numpy() == truth.to_numpy())).astype(float)


def judged(model: Model, clips: pd.DataFrame, lasts: bool, options: argparse.Namespace) -> dict:
    """Return shares and errors over some conversations."""
    rng = np.random.default_rng([options.seed, lasts])
    names, there = list(model.labels), sorted(clips["emotion"].unique())
    parts = []
    for _ in range(options.conversations):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "talk.wav"
            some = drawn(clips, options.clips, lasts, rng)
            truth = conversation(some, path, rng)
            alone = read(model, some, segments="none").set_index("clip")[names]
            found = read(model, path, segments="speech")
            exact = read(model, path, segments=truth[["start_s", "end_s"]])
        one = matched(truth, found)
        emotion = clips.loc[one["clip"], "emotion"].astype(str)
        one["alone"] = right(alone.reindex(one["clip"]), emotion, there)
        places = exact.set_index(exact["start_s"].round(3))[names]
        one["true segment"] = right(places.reindex(one["start_s"].round(3)), emotion, there)
        tables = {"segment found": found[names]}
        for text in SMOOTHINGS:
            spans = found["start_s"].to_numpy(), found["end_s"].to_numpy()
            tables[f"smoothed {text} s"] = smooth(found[names], *spans, parse(text))
        for name, table in tables.items():
            one[name] = right(table.reindex(one["found"]), emotion, there)
        parts.append(one)
    every = pd.concat(parts, ignore_index=True)
    shares = {name: 100 * every[name].mean() for name in ("alone", "true segment", *tables)}
    return {"emotions": "last" if lasts else "change", "n": len(every), **_edges(every), **shares}


def _edges(every: pd.DataFrame) -> dict:
    """Return how well the segments that were found lie."""
    single = every[~every["joined"]]
    errors = 1000 * pd.concat([single["start_error_s"], single["end_error_s"]])
    return {
        "found %": 100 * (every["overlap"] >= 0.5).mean(),
        "joined %": 100 * every["joined"].mean(),
        "missed %": 100 * (every["found"] < 0).mean(),
        "edge ms, median": errors.median(),
        "edge ms, 90 %": errors.quantile(0.9),
    }


def long_sound(model: Model, clips: pd.DataFrame, options: argparse.Namespace) -> dict:
    """Return what it takes to read one sound of so many minutes."""
    rng, length_s = np.random.default_rng(options.seed), 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        path, left = Path(folder) / "talk.wav", int(length_s * RATE_HZ)
        with soundfile.SoundFile(path, "w", RATE_HZ, 1) as out:
            while left > 0:
                part = Path(folder) / "part.wav"
                conversation(drawn(clips, 20, False, rng), part, rng)
                sound = soundfile.read(part)[0][:left]
                out.write(sound)
                left -= len(sound)
        before, began = _peak_mb(), time.perf_counter()
        count = len(read(model, path, segments="speech"))
        seconds = time.perf_counter() - began
    return {
        "minutes": options.minutes,
        "segments": count,
        "seconds": seconds,
        "times real time": length_s / seconds,
        "peak MB before": before,
        "peak MB": _peak_mb(),
    }


def film(clips: pd.DataFrame, path: Path, rng: np.random.Generator, faces: int = 1) -> pd.DataFrame:
    """Write a film of films; return where each clip's utterance lies in it, and on which side.

    Args:
        clips: with sound and image.
        path: an mp4.
        rng: of pauses and noise.
        faces: 2 puts clip after clip to the left and to the right in turn, and beside each
            the last image of the other's before.
    """
    images, sound, rows = [], [], []
    fps, shown, frames = float(_films.FPS), {}, 0
    cache = {str(p): speaking_faces.Film.read(Path(p), HEIGHT_PX) for p in clips["video"].unique()}
    level = 10 ** (-rng.uniform(*NOISE_DB) / 20)
    for at, (clip, row) in enumerate(clips.iterrows()):
        one = cache[str(row["video"])]
        size = len(one.images) + round(rng.uniform(*PAUSES_S) * fps)
        side = at % faces
        begin_s, end_s = spoken(one.sound)
        rows.append((clip, frames / fps + begin_s, frames / fps + end_s, side))
        beside = {**{other: one.images[0] for other in range(faces)}, **shown}
        images.append((one.images, size, side, beside))
        shown[side], frames = one.images[-1], frames + size
        length = round(frames / fps * RATE_HZ) - sum(map(len, sound))
        sound.append(np.pad(one.sound, (0, max(0, length - len(one.sound))))[:length])
    voice = np.concatenate(sound)
    loud = np.sqrt(np.mean(voice[np.abs(voice) > 0.01] ** 2))
    voice = voice + (level * loud * rng.standard_normal(len(voice))).astype(np.float32)
    _films.write(
        path,
        (one for part in images for one in _pictures(*part)),
        np.clip(voice, -1, 1).astype(np.float32),
        RATE_HZ,
    )
    return pd.DataFrame(rows, columns=["clip", "start_s", "end_s", "side"])


def _pictures(
    images: np.ndarray, size: int, side: int, beside: dict[int, np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield so many pictures of a clip, of which the last stays, and of those beside it."""
    for at in range(size):
        now = {**beside, side: images[min(at, len(images) - 1)]}
        yield np.concatenate([now[one] for one in sorted(now)], axis=1)


def spoken(sound: np.ndarray) -> tuple[float, float]:
    """Return where in a clip's sound its utterance begins and ends, in seconds."""
    voice = utterance(sound)
    # It is cut out of the sound at another level: the place where both fit best.
    fits = np.correlate(sound[::8], voice[::8], "valid") if len(voice) < len(sound) else [0]
    begin_s = 8 * int(np.argmax(fits)) / RATE_HZ
    return begin_s + KEPT_S, begin_s + len(voice) / RATE_HZ - KEPT_S


def judged_films(model: Model, clips: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """Return the share of right labels of films: alone, and in conversations of them."""
    rng, parts = np.random.default_rng(options.seed), []
    there = sorted(clips["emotion"].unique())
    work: Any = {"cache": Cache(None), "workers": Engine(1, in_process=True)}
    single, _ = inference.predict(clips, model, segments="none", **work)
    for _ in range(options.conversations):
        some = clips.sample(frac=1, random_state=rng)
        with tempfile.TemporaryDirectory() as folder:
            truth = film(some, Path(folder) / "talk.mp4", rng, options.faces)
            table, _ = inference.predict(
                Path(folder) / "talk.mp4", model, segments="speech", **work
            )
        parts.append(_of_films(table[table["segment"].notna()], truth, single, clips, there))
    every = pd.concat(parts)
    return every.groupby("modality", sort=False).mean(numeric_only=True).mul(100).reset_index()


def _of_films(
    table: pd.DataFrame, truth: pd.DataFrame, single: pd.DataFrame, clips: pd.DataFrame, there: list
) -> pd.DataFrame:
    """Return for each modality and clip 1 where a label is right, else 0."""
    names, rows = list(single.columns[single.columns.isin(EMOTIONS)]), []
    for modality in ("audio", "video", "fused"):
        own = table[table["modality"] == modality]
        if "person" in own and modality == "video":  # of who speaks, where that is known
            fused = table[table["modality"] == "fused"].set_index("segment")["person"]
            own = own[(own["person"] == own["segment"].map(fused)).fillna(False)]
        own = own.reset_index(drop=True)
        one = matched(truth, own)
        emotion = clips.loc[one["clip"], "emotion"].astype(str)
        alone = single[single["modality"] == modality].set_index("clip")[names]
        found = {"alone": right(alone.reindex(one["clip"]), emotion, there)}
        tables = {"segment found": own[names]}
        for text in SMOOTHINGS[:2]:
            spans = own["start_s"].to_numpy(), own["end_s"].to_numpy()
            tables[f"smoothed {text} s"] = smooth(own[names], *spans, parse(text))
        found |= {
            name: right(part.reindex(one["found"]), emotion, there) for name, part in tables.items()
        }
        if "person" in own and modality != "video":  # persons count from the left
            speaks = own["person"].reindex(one["found"]).to_numpy(float, na_value=-1)
            found["speaker right"] = (speaks == one["side"].to_numpy()).astype(float)
        rows.append(pd.DataFrame({"modality": modality, **found}))
    return pd.concat(rows)


def long_film(clips: pd.DataFrame, options: argparse.Namespace) -> dict:
    """Return what it takes to read one film of so many minutes."""
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        path, part = Path(folder) / "talk.mp4", Path(folder) / "part.mp4"
        film(pd.concat([clips] * 4), part, rng, options.faces)
        _films.repeated(part, path, 60 * options.minutes)
        began, table = time.perf_counter(), Path(folder) / "talk.csv"
        # Another process, whose memory is that of the reading alone.
        words = ["predict", str(path), "--no-cache", "--quiet", "--workers", "1"]
        words += ["--output", str(table), *(["--model", options.model] if options.model else [])]
        subprocess.run([sys.executable, "-m", "multimodal_ser", *words], check=True)
        seconds, segments = time.perf_counter() - began, pd.read_csv(table)["segment"].nunique()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "minutes": options.minutes,
        "faces": options.faces,
        "segments": segments,
        "seconds": seconds,
        "of one core": used.ru_utime + used.ru_stime,
        "times real time": 60 * options.minutes / (used.ru_utime + used.ru_stime),
        "peak MB": used.ru_maxrss / 1024,
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(argv: list[str] | None = None) -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", help="folder of clips of a known data set")
    data.add_argument("--films", help="folder of RAVDESS's films")
    parser.add_argument("--faces", type=int, choices=(1, 2), default=1, help="in each film")
    parser.add_argument("--model", help="default: the released one")
    parser.add_argument("--conversations", type=int, default=10, help="of each kind (default: 10)")
    parser.add_argument("--clips", type=int, default=20, help="in each of them (default: 20)")
    parser.add_argument("--minutes", type=float, help="read one sound of so many minutes instead")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    clips = datasets.index(options.data or options.films)
    clips = clips[clips["audio"].notna() & clips["emotion"].notna() & clips["actor"].notna()]
    if options.films:
        clips = clips[clips["video"].notna()]
        if options.minutes:
            terminal.show([long_film(clips, options)])
        else:
            terminal.show(judged_films(inference.load_model(options.model), clips, options))
        return 0
    model = inference.load_model(options.model)
    if options.minutes:
        terminal.show([long_sound(model, clips, options)])
        return 0
    rows = [judged(model, clips, lasts, options) for lasts in (False, True)]
    terminal.show(pd.DataFrame(rows).set_index("emotions").T.rename_axis("").reset_index())
    return 0


if __name__ == "__main__":
    sys.exit(main())
