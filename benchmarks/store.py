"""What the feature store costs an entry, however many there are: earlier code and this, in turn.

    python benchmarks/store.py --before ../before --sizes 1000 100000 1000000

``--before`` names a checkout of earlier code. Both fill a store of their own with as many small
files as the size says (one per entry, where entries lie, so that the folders are as full), and
then put and get entries of the released voice's size (2669 values, float32) by turns, in
processes that are kept. Figures are medians a call; what the wall has more than the CPU is the
disk, on which each put waits for two flushes; ``same`` says whether each finds
what it put, and this code what the earlier one put.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from _environment import header, one_core

N_VALUES = 2669
RESULTS = Path(__file__).parent / "results"


def key_of(number: int) -> str:
    """Return the key of an entry, as even as real ones are."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def serve(folder: str) -> None:
    """Answer lines of ``[how, first, last]`` with seconds of CPU a call; what a child runs."""
    import numpy as np

    from multimodal_ser.compute.cache import Cache

    store = Cache(folder)
    values = {"values": np.random.default_rng(0).standard_normal(N_VALUES).astype(np.float32)}
    for line in sys.stdin:
        how, first, last = json.loads(line)
        spent, walls, same = [], [], True
        for number in range(first, last):
            began, clock = time.process_time(), time.monotonic()
            if how == "put":
                store.put(key_of(number), values)
            else:
                found = store.get(key_of(number))
            spent.append(time.process_time() - began)
            walls.append(time.monotonic() - clock)
            if how == "get":
                same &= found is not None and np.array_equal(found["values"], values["values"])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([*map(statistics.median, (spent, walls)), same, peak]), flush=True)


class Child:
    """A process that puts and gets with one state of the code."""

    def __init__(self, source: Path, folder: Path) -> None:
        line = [sys.executable, __file__, "--serve", str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(source)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(line, env=environment, **pipes)

    def ask(self, how: str, first: int, last: int) -> tuple[float, float, bool, float]:
        """Return seconds a call, CPU and wall, whether all was found, and the peak in MiB."""
        self.process.stdin.write(json.dumps([how, first, last]) + "\n")
        self.process.stdin.flush()
        return tuple(json.loads(self.process.stdout.readline()))

    def end(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def fill(folder: Path, have: int, want: int) -> None:
    """Put small files where entries lie."""
    for prefix in range(256):
        (folder / f"{prefix:02x}").mkdir(parents=True, exist_ok=True)
    for number in range(have, want):
        key = key_of(-1 - number)
        os.close(os.open(folder / key[:2] / f"{key}.npz", os.O_CREAT | os.O_WRONLY))


def rows_of(size: int, children: dict[str, Child], first: int, rounds: int, calls: int) -> list:
    """Return the table's rows of one size."""
    spent: dict[tuple[str, str], list[float]] = {}
    same, peak = {name: True for name in children}, dict.fromkeys(children, 0.0)
    for at in range(rounds):
        for how in ("put", "get"):
            for name, child in children.items():
                begin = first + at * calls
                seconds, wall, found, mebibytes = child.ask(how, begin, begin + calls)
                spent.setdefault((how, name), []).append(seconds)
                spent.setdefault((f"{how}, wall", name), []).append(wall)
                same[name] &= found
                peak[name] = max(peak[name], mebibytes)
    rows = []
    for how in ("put", "get"):
        ms = {name: 1000 * statistics.median(spent[how, name]) for name in children}
        parts = [f"{ms[name]:.3f}" for name in children]
        walls = {name: 1000 * statistics.median(spent[f"{how}, wall", name]) for name in children}
        parts += [f"{walls[name]:.2f}" for name in children]
        ratio = f"{ms['before'] / ms['now']:.2f}" if "before" in ms else "-"
        told = ", ".join("yes" if same[name] else "NO" for name in children)
        memory = ", ".join(f"{peak[name]:.0f}" for name in children)
        rows.append(f"| {size:,} | {how} | {' | '.join(parts)} | {ratio} | {told} | {memory} |")
    return rows


def main() -> None:
    """Print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=40, help="calls in a round")
    parser.add_argument("--serve")
    options = parser.parse_args()
    one_core()
    if options.serve:
        serve(options.serve)
        return
    sources = {"before": options.before.resolve()} if options.before else {}
    sources["now"] = Path(__file__).resolve().parents[1]
    place = Path(tempfile.mkdtemp(prefix="store-"))
    lines = ["# The feature store, an entry", "", *header(["numpy"], os.cpu_count() or 1), ""]
    names = " | ".join(f"{name}, ms of {what}" for what in ("CPU", "wall") for name in sources)
    lines += [
        f"| entries | call | {names} | ratio of CPU | same | peak MiB |",
        "|" + "---|" * (5 + 2 * len(sources)),
    ]
    try:
        children = {name: Child(source, place / name) for name, source in sources.items()}
        have = 0
        for at, size in enumerate(sorted(options.sizes)):
            for name in sources:
                fill(place / name, have, size)
            have, first = size, at * options.rounds * options.calls
            found = rows_of(size, children, first, options.rounds, options.calls)
            print("\n".join(found), flush=True)
            lines += found
        for child in children.values():
            child.end()
        if options.before:
            lines += ["", f"Entries of the earlier code are read by this: {old_are_read(place)}."]
    finally:
        shutil.rmtree(place, ignore_errors=True)
    path = RESULTS / f"store_{date.today().isoformat()}.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"-> {path}")


def old_are_read(place: Path) -> str:
    """Tell whether this code finds what the earlier one put."""
    child = Child(Path(__file__).resolve().parents[1], place / "before")
    _, _, found, _ = child.ask("get", 0, 40)
    child.end()
    return "yes" if found else "NO"


if __name__ == "__main__":
    main()
