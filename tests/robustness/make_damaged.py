"""Damage recordings in the ways that disks, networks and mischief do, by a seed.

    python tests/robustness/make_damaged.py --data RAVDESS --output damaged --n 2000 --seed 0

File number k of a seed is the same whatever n is. Its name tells how it was
made: ``0042-cut.mp4``.
"""

from __future__ import annotations

import argparse
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ENDINGS = (".wav", ".flac", ".mp4")
#: Sizes and counts that a reader may trust: nothing, one off, the limits of
#: signed and unsigned words.
HUGE = (0, 1, 7, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


def flipped(content: bytearray, rng: np.random.Generator, _other: bytes) -> bytearray:
    """Change 1 to 300 bytes anywhere."""
    for place in rng.integers(len(content), size=rng.integers(1, 300)):
        content[place] ^= int(rng.integers(1, 256))
    return content


def header(content: bytearray, rng: np.random.Generator, _other: bytes) -> bytearray:
    """Change 1 to 12 bytes where the format is told: the beginning, or an mp4's moov."""
    start = max(content.find(b"moov"), 0)
    for place in start + rng.integers(min(600, len(content) - start), size=rng.integers(1, 12)):
        content[place] = int(rng.integers(256))
    return content


def cut(content: bytearray, rng: np.random.Generator, _other: bytes) -> bytearray:
    """Keep only the beginning, as an interrupted copy does."""
    return content[: rng.integers(1, len(content))]


def headless(content: bytearray, rng: np.random.Generator, _other: bytes) -> bytearray:
    """Lose the beginning."""
    return content[rng.integers(1, len(content)) :]


def spliced(content: bytearray, rng: np.random.Generator, other: bytes) -> bytearray:
    """Go on with the rest of another recording, perhaps of another format."""
    at = int(rng.integers(1, len(content)))
    return content[:at] + other[int(at * len(other) / len(content)) :]


def holed(content: bytearray, rng: np.random.Generator, _other: bytes) -> bytearray:
    """Zero a stretch, as a failing disk does."""
    start = int(rng.integers(len(content)))
    stop = min(len(content), start + int(rng.integers(1, 1 + len(content) // 4)))
    content[start:stop] = bytes(stop - start)
    return content


def shuffled(content: bytearray, rng: np.random.Generator, _other: bytes) -> bytearray:
    """Mix blocks of 4096 bytes behind the first one, as a broken download does."""
    blocks = [content[at : at + 4096] for at in range(0, len(content), 4096)]
    order = [0, *(1 + rng.permutation(len(blocks) - 1))]
    return bytearray(b"".join(blocks[k] for k in order))


def sizes(content: bytearray, rng: np.random.Generator, _other: bytes) -> bytearray:
    """Falsify one to three chunk sizes by a little or at random."""
    for place, width in _pick(_size_fields(content), rng):
        value = int.from_bytes(content[place : place + width], _order(content))
        if rng.random() < 0.5:
            value += int(rng.integers(-64, 65))
        else:
            value = int(rng.integers(2 ** min(8 * width, 31)))
        _put(content, place, width, value)
    return content


def huge(content: bytearray, rng: np.random.Generator, _other: bytes) -> bytearray:
    """Claim huge sizes, rates, counts or pictures."""
    for place, width in _pick(_size_fields(content) + _value_fields(content), rng):
        _put(content, place, width, int(rng.choice(HUGE)))
    return content


def empty(content: bytearray, _rng: np.random.Generator, _other: bytes) -> bytearray:
    """Have no byte at all."""
    return content[:0]


def noise(content: bytearray, rng: np.random.Generator, _other: bytes) -> bytearray:
    """Be random bytes behind the right first twelve."""
    return content[:12] + rng.bytes(int(rng.integers(1, 20_000)))


def disguised(content: bytearray, _rng: np.random.Generator, other: bytes) -> bytearray:
    """Be another recording, perhaps of another format, under this ending."""
    return bytearray(other)


KINDS = (
    flipped, header, cut, headless, spliced, holed, shuffled, sizes, sizes, huge, huge, huge,
    noise, disguised, header, flipped, cut, sizes, huge, empty,
)  # fmt: skip


def _order(content: bytes) -> str:
    return "little" if content[:4] == b"RIFF" else "big"


def _put(content: bytearray, place: int, width: int, value: int) -> None:
    content[place : place + width] = (value % 256**width).to_bytes(width, _order(content))


def _pick(fields: list[tuple[int, int]], rng: np.random.Generator) -> list[tuple[int, int]]:
    if not fields:
        return []
    chosen = rng.permutation(len(fields))[: rng.integers(1, 4)]
    return [fields[k] for k in chosen]


def _size_fields(content: bytes) -> list[tuple[int, int]]:
    """Return place and width of the sizes of a recording's chunks, blocks or boxes."""
    if content[:4] == b"RIFF":
        return [(4, 4), *((at + 4, 4) for at in _riff_chunks(content))]
    if content[:4] == b"fLaC":
        return [(at + 1, 3) for at in _flac_blocks(content)]
    return [(at, 4) for at, _ in _boxes(content, 0, len(content))]


def _value_fields(content: bytes) -> list[tuple[int, int]]:
    """Return place and width of rates, counts and picture sizes."""
    if content[:4] == b"RIFF":  # channels, rate, bytes a second, block, bits
        return [(at, 4 if at in (24, 28) else 2) for at in (20, 22, 24, 28, 32, 34)]
    if content[:4] == b"fLaC":  # block sizes, rate with channels and bits, samples
        return [(8, 2), (10, 2), (18, 4), (22, 4)]
    tables = (b"stsz", b"stco", b"stsc", b"stts", b"ctts", b"mdhd", b"tkhd", b"mvhd", b"elst")
    fields = []
    for at, kind in _boxes(content, 0, len(content)):
        if kind in tables:
            fields += [(at + offset, 4) for offset in (12, 16, 20, 24)]
        if kind in (b"avc1", b"mp4v"):
            fields += [(at + 32, 2), (at + 34, 2)]
        if kind == b"tkhd":
            fields += [(at + 84, 4), (at + 88, 4)]
        if kind == b"mp4a":
            fields += [(at + 24, 2), (at + 26, 2), (at + 32, 4)]
    return [(at, width) for at, width in fields if at + width <= len(content)]


def _riff_chunks(content: bytes) -> list[int]:
    found, at = [], 12
    while at + 8 <= len(content):
        found.append(at)
        (size,) = struct.unpack_from("<I", content, at + 4)
        at += 8 + size + size % 2
    return found


def _flac_blocks(content: bytes) -> list[int]:
    found, at = [], 4
    while at + 4 <= len(content):
        found.append(at)
        if content[at] & 0x80:
            break
        at += 4 + int.from_bytes(content[at + 1 : at + 4], "big")
    return found


def _boxes(content: bytes, start: int, stop: int) -> list[tuple[int, bytes]]:
    """Return place and kind of an mp4's boxes, those inside of others too."""
    found, at = [], start
    while at + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", content, at)
        end = at + size if size >= 8 else stop
        found.append((at, kind))
        if kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf"):
            found += _boxes(content, at + 8, min(end, stop))
        elif kind == b"stsd":
            found += _boxes(content, at + 16, min(end, stop))
        at = end
    return found


def seeds_in(folder: str | Path, limit: int = 40) -> list[Path]:
    """Return some recordings of each format in a folder, spread evenly, sorted by name."""
    found = []
    for ending in ENDINGS:
        paths = sorted(path for path in Path(folder).rglob(f"*{ending}") if path.is_file())
        found += paths[:: max(1, len(paths) // limit)][:limit]
    return found


def make(seeds: Sequence[Path], output: str | Path, n: int, seed: int = 0) -> list[Path]:
    """Write ``n`` damaged files into a folder and return their paths."""
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    by_ending = {e: [p for p in seeds if p.suffix == e] for e in ENDINGS}
    groups = [group for group in by_ending.values() if group]
    made = []
    for number in range(n):
        rng = np.random.default_rng((seed, number))
        group = groups[number % len(groups)]
        kind = KINDS[number // len(groups) % len(KINDS)]
        source, other = group[rng.integers(len(group))], seeds[rng.integers(len(seeds))]
        content = kind(bytearray(source.read_bytes()), rng, other.read_bytes())
        made.append(output / f"{number:04d}-{kind.__name__}{source.suffix}")
        made[-1].write_bytes(content)
    return made


def main() -> None:
    """Make damaged files and say of which kinds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder with wav, flac or mp4 files")
    parser.add_argument("--output", required=True)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    made = make(seeds_in(options.data), options.output, options.n, options.seed)
    for kind, count in sorted(Counter(path.stem[5:] for path in made).items()):
        print(f"{kind} {count}")


if __name__ == "__main__":
    main()
