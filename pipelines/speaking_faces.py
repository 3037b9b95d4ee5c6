"""Two films side by side in one picture, with one voice: is the face that speaks found?

Every two of RAVDESS's films in a folder stand side by side, in both orders, starting together and
with one of them half a second on, with five kinds of sound: that of the left, that of the right,
either of them shifted by 1 or 1.5 s (what leaves the end comes in at the beginning), that of a
third film, and that of a clip of somebody else (``--voices``). The film is read as ``predict``
reads it: faces are found and linked, and ``workflows.speaking`` names one, or none. What decides
was fitted on action units and voices of RAVDESS's actors 01 to 04 (``fit_articulation.py``): films
of others are unseen.

A row per way to start and kind of sound: pairings, in how many the right face is named, in how
many another one, and none.

    python pipelines/speaking_faces.py --films RAVDESS/Video_Speech_Actor_05
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import _common
import _films
import cv2
import numpy as np
import pandas as pd
import soundfile

from multimodal_ser import datasets
from multimodal_ser.audio import signal
from multimodal_ser.cli import terminal
from multimodal_ser.video.frames import iter_frames
from multimodal_ser.video.tracks import Tracks, tracks_of
from multimodal_ser.workflows import speaking

RATE_HZ = 16000
SHIFTS_S = (-1.5, -1.0, 1.0, 1.5)
#: By how much the second film of a pairing is on, in seconds.
STARTS_S = (0.0, 0.5)


class Film(NamedTuple):
    """What is pasted: images, uint8 ``(n, height, width)``, and sound at :data:`RATE_HZ`."""

    name: str
    images: np.ndarray
    sound: np.ndarray

    @classmethod
    def read(cls, path: Path, height: int) -> Film:
        """Return a film, reduced to a height in pixels."""
        images = []
        for frame in iter_frames(path, every=1):
            scale = height / frame.gray.shape[0]
            width = 2 * round(scale * frame.gray.shape[1] / 2)
            images.append(cv2.resize(frame.gray, (width, height), interpolation=cv2.INTER_AREA))
        return cls(path.stem, np.stack(images), signal.read(path, rate_hz=RATE_HZ))

    def since(self, start_s: float) -> Film:
        """Return what is left of it after so many seconds."""
        frame, sample = round(start_s * float(_films.FPS)), round(start_s * RATE_HZ)
        return Film(self.name, self.images[frame:], self.sound[sample:])


def sounds(left: Film, right: Film, others: list[Film], rng: np.random.Generator) -> list[tuple]:
    """Return kind, side that speaks (0 left, 1 right, None neither) and sound."""
    found: list[tuple] = [("of one", 0, left.sound), ("of one", 1, right.sound)]
    for one, shift_s in itertools.product((left, right), SHIFTS_S):
        found.append(("of one, shifted", None, np.roll(one.sound, round(shift_s * RATE_HZ))))
    found += [("of a third film", None, third.sound) for third in others]
    return found


def judged(
    left: Film, right: Film, voices: list[tuple], folder: Path
) -> tuple[Tracks, list[dict[str, Any]]]:
    """Make one picture of two films, and return whom each sound names in it."""
    size = min(len(left.images), len(right.images))
    both = np.concatenate([left.images[:size], right.images[:size]], axis=2)
    tracks = tracks_of(_films.write(folder / "both.mp4", both))
    middle, rows = both.shape[2] / 2, []
    for kind, side, sound in voices:
        soundfile.write(folder / "voice.wav", sound, RATE_HZ)
        span = (0.0, size / float(_films.FPS))
        found = speaking.who_speaks(folder / "voice.wav", tracks, [span])[0]
        place = None
        if found.person is not None:
            place = int(tracks.of(found.person).box[0, 0] > middle)
        rows.append({"kind": kind, "side": side, "named": place, "scores": found.scores})
    return tracks, rows


def counted(rows: pd.DataFrame) -> dict[str, Any]:
    """Return how many pairings there are, and what is named in them."""
    is_named, meant = rows["named"].notna(), rows["side"].notna()
    right = meant & (rows["named"] == rows["side"])
    return {
        "pairings": len(rows),
        "right face": f"{int(right.sum())}" if meant.any() else "-",
        "a wrong face": int((is_named & ~right).sum()),
        "none": int((~is_named).sum()),
        "highest score": max(max(one.values(), default=0.0) for one in rows["scores"]),
    }


def report(options: argparse.Namespace) -> str:
    """Return the table of all pairings as Markdown."""
    # RAVDESS has each recording with sound (01-) and without (02-): the former alone can be heard.
    paths = sorted(Path(options.films).rglob("01-*.mp4"))
    films = [Film.read(path, options.height) for path in paths]
    rng, rows = np.random.default_rng(options.seed), []
    other_voices = _other_voices(options.voices, films, rng) if options.voices else []
    for start_s, (one, other) in itertools.product(
        STARTS_S, itertools.permutations(range(len(films)), 2)
    ):
        # The one that is on is the left in half of the pairings, the right in the others.
        left, right = films[one], films[other].since(start_s)
        rest = [film for at, film in enumerate(films) if at not in (one, other)]
        voices = sounds(left, right, rest, rng)
        if other_voices:
            some = rng.choice(len(other_voices), 2, replace=False)
            voices += [("of somebody else", None, other_voices[at]) for at in some]
        for swap in (False, True) if start_s else (False,):
            pair = (right, left) if swap else (left, right)
            with tempfile.TemporaryDirectory() as folder:
                _, found = judged(*pair, _turned(voices, swap), Path(folder))
            rows += [{"start": start_s, "left": pair[0].name, **row} for row in found]
    table = pd.DataFrame(rows)
    lines = [
        {"second film on by": f"{start:g} s", "sound": kind, **counted(part)}
        for (start, kind), part in table.groupby(["start", "kind"], sort=False)
    ]
    sides = table[table["side"].notna()].groupby("side")
    spoken = ", ".join(
        f"{'right' if side else 'left'} speaks: {int((part['named'] == side).sum())} of {len(part)}"
        for side, part in sides
    )
    head = f"{len(films)} films, {options.height} pixels high; {spoken}"
    return f"{head}\n\n{terminal.markdown(pd.DataFrame(lines))}"


def _turned(voices: list[tuple], swap: bool) -> list[tuple]:
    return [(kind, side if side is None or not swap else 1 - side, s) for kind, side, s in voices]


def _other_voices(folder: str, films: list[Film], rng: np.random.Generator) -> list[np.ndarray]:
    """Return some clips of actors that are in none of the films."""
    clips = datasets.index(folder)
    clips = clips[~clips["actor"].isin([film.name[-2:] for film in films])]
    some = rng.choice(clips["audio"].to_numpy(), 24, replace=False)
    return [signal.read(path, rate_hz=RATE_HZ) for path in some]


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--films", required=True, help="folder of films of one person each")
    parser.add_argument("--voices", help="RAVDESS's speech clips, for voices of somebody else")
    parser.add_argument("--height", type=int, default=360, help="in pixels (default: 360)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="also write the table, as Markdown, to this file")
    return _common.finish(parser.parse_args(), report)


if __name__ == "__main__":
    sys.exit(main())
