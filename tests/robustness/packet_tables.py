"""Falsify an mp4's packet tables, guided by which lines of the reader are reached.

    python tests/robustness/packet_tables.py --n 3000 --seed 0 --keep FOUND

The tables (stts, ctts, stsz, stco, stsc, stss, elst and the like) are read by FFmpeg, and what
they say of the packets by ``video/packets.py``. Whatever they hold, a film is refused by a
MediaError, or gives frames in order, within a second or so and some megabytes: anything else is
BROKEN. As a rule they are the frames that come when all of it is decoded. Two things cannot be
known without decoding: the time of an image that no other refers to, and what a decoder makes of
half an image, which is not the same every time; these are counted as ``differs``. A mutant that
reaches a new line is mutated further. Prints the fates, keeps films that are not as a rule, and
ends with status 1 where one is broken.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from multimodal_ser.errors import MediaError
from multimodal_ser.video import frames, packets
from multimodal_ser.video.sampling import Sampling

#: Boxes (ISO/IEC 14496-12) that say where packets are, how long, and when they are shown.
TABLES = (
    *(b"stts", b"ctts", b"stsz", b"stco", b"co64", b"stsc", b"stss", b"elst", b"sdtp"),
    *(b"mdhd", b"mvhd", b"tkhd", b"stsd", b"avcC", b"cslg", b"sgpd", b"sbgp"),
)
STRANGE = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
#: What one film may take: seconds of this process, and megabytes.
MOST_SECONDS, MOST_MB = 10.0, 400
CODE = (frames.__file__, packets.__file__)


def spans(content: bytes) -> list[tuple[int, int]]:
    """Return begin and end of what is in each table."""
    found = []
    for kind in TABLES:
        at = content.find(kind)
        while at >= 4:
            size = int.from_bytes(content[at - 4 : at], "big")
            if 8 < size < len(content):
                found.append((at + 4, min(at - 4 + size, len(content))))
            at = content.find(kind, at + 4)
    return found


def mutant(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a film with one to four changes in its tables."""
    changed, places = bytearray(content), spans(content)
    for _ in range(rng.integers(1, 5)):
        begin, end = places[rng.integers(len(places))]
        at = int(rng.integers(begin, max(begin + 1, end - 4)))
        at -= (at - begin) % 4 if rng.random() < 0.8 else 0  # most entries are words
        value = int.from_bytes(changed[at : at + 4], "big")
        kind = rng.integers(5)
        if kind == 0:
            value = int(rng.choice(STRANGE))
        elif kind == 1:
            value += int(rng.integers(-3, 4))
        elif kind == 2:
            value ^= 1 << int(rng.integers(32))
        elif kind == 3:
            value = int(rng.integers(2**32))
        else:  # an entry of the same table elsewhere
            other = begin + 4 * int(rng.integers(max(1, (end - begin) // 4)))
            value = int.from_bytes(changed[other : other + 4], "big")
        changed[at : at + 4] = (value % 2**32).to_bytes(4, "big")
    return bytes(changed)


@contextmanager
def reached(lines: set) -> Iterator[None]:
    """Note the lines of the reader that are executed."""

    def trace(frame, event, _value):
        if frame.f_code.co_filename not in CODE:
            return None
        if event == "line":
            lines.add((frame.f_code.co_filename[-9:], frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)


def fate(path: Path, every: int = 3) -> str:
    """Return ``refused`` or ``same``, or how a film broke the promise."""
    begun, grown = time.process_time(), _peak_mb()
    try:
        found = list(frames.iter_frames(path, every=every))
    except MediaError as error:
        found = []
        if "\n" in str(error):
            return "BROKEN: the error has several lines"
    except Exception as error:
        return f"BROKEN: {type(error).__name__} {error!s:.100}"
    if time.process_time() - begun > MOST_SECONDS or _peak_mb() - grown > MOST_MB:
        return "BROKEN: it takes too much"
    if not found:
        return "refused"
    places = [(one.index, one.time_s) for one in found]
    if not all(one < other for one, other in itertools.pairwise(places)):
        return "BROKEN: frames out of order"
    return "same" if _agree(found, path, every) else "differs"


def _agree(found: list, path: Path, every: int) -> bool:
    whole = []
    try:
        for frame in frames._decode_all(path, Sampling(every=every)):
            whole.append(frame)
    except MediaError:
        return True  # a length that is not kept: told only at the end of decoding whole
    same = [one.index for one in found] == [one.index for one in whole]
    return same and all(
        np.array_equal(one.gray, other.gray) and abs(one.time_s - other.time_s) < 1e-6
        for one, other in zip(found, whole, strict=True)
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fuzz(seeds: list[bytes], folder: Path, n: int, seed: int = 0) -> tuple[Counter, list[Path]]:
    """Try ``n`` mutants; return how many had which fate, and the films that broke the promise."""
    rng, pool, lines = np.random.default_rng(seed), list(seeds), set()
    fates: Counter = Counter()
    broken, path = [], folder / "mutant.mp4"
    for number in range(n):
        content, now = mutant(pool[rng.integers(len(pool))], rng), set()
        path.write_bytes(content)
        with reached(now):
            said = fate(path)
        fates[said] += 1
        if now - lines:
            pool.append(content)
            lines |= now
        if said not in ("same", "refused"):
            kept = folder / f"{seed}-{number}-{said[:6]}.mp4"
            kept.write_bytes(content)
            broken += [kept] if said.startswith("BROKEN") else []
    path.unlink(missing_ok=True)
    fates[f"lines reached: {len(lines)}"] += 1
    return fates, broken


def films(folder: Path) -> list[bytes]:
    """Return small films whose tables differ: B-frames, none, several groups, and MPEG-4."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "video"))
    import coded

    made = []
    for name in ("h264", "h264 b", "h264 open", "mpeg4 b", "mjpeg"):
        ending, encoder, options, _ = coded.KINDS[name]
        path = folder / f"seed.{ending}"
        coded.write(path, encoder, options, drawn=coded.pictures(25))
        made.append(path.read_bytes())
        path.unlink()
    return made


def main() -> int:
    """Fuzz and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--n", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for films that break the promise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        fates, broken = fuzz(films(folder), folder, options.n, options.seed)
    for said, count in fates.most_common():
        print(f"{count:6} {said}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
