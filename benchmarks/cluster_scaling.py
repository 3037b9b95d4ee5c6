"""Clips on a Dask cluster of this machine: earlier code and this, in turn.

    python benchmarks/cluster_scaling.py --before ../before --workers 1 2 4 --sizes 1000 10000

Draws short sounds, extracts ``mfcc_rms`` of each without a store (of 10,000 clips each sound counts
several times), with a scheduler and so many workers of one thread, each a process of its own.
``--before`` names a checkout of earlier code. The seconds of CPU are those of the scheduler and of
the client alone, which one cluster has once: what they take a clip bounds how many cores it
can feed. A run that takes longer than ``--most-seconds`` is left out. ``same`` says whether the
table is that of the first run of its size, to the bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import wave
from datetime import date
from pathlib import Path

from _environment import header, one_core

RESULTS = Path(__file__).parent / "results"
RATE_HZ, SECONDS, N_SOUNDS = 16000, 0.3, 500


def draw(folder: Path) -> None:
    """Write short sounds of noise."""
    import numpy as np

    rng = np.random.default_rng(0)
    for number in range(N_SOUNDS):
        samples = rng.normal(0, 3000, int(RATE_HZ * SECONDS)).astype("<i2")
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
            file.writeframes(samples.tobytes())


def work(folder: Path, size: int, address: str) -> None:
    """Extract and print what it took; what the client process runs."""
    import resource

    from multimodal_ser.audio.extract import extract
    from multimodal_ser.compute.cache import Cache
    from multimodal_ser.compute.parallel import Engine
    from multimodal_ser.tables import make_clips

    clips = make_clips(
        {"clip": str(k), "audio": str(folder / f"{k % N_SOUNDS}.wav")} for k in range(size)
    )
    engine = Engine(scheduler=address)
    extract(clips.head(64), cache=Cache(None), workers=engine, progress=False)  # warm
    began, spent = time.monotonic(), time.process_time()
    found, failed = extract(clips, cache=Cache(None), workers=engine, progress=False)
    wall_s, cpu_s = time.monotonic() - began, time.process_time() - spent
    digest = hashlib.sha256(found.values.tobytes()).hexdigest()[:16]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([wall_s, cpu_s, f"{digest} {len(found.clips)} {len(failed)}", peak]))


class Cluster:
    """A scheduler and its workers, with one state of the code."""

    def __init__(self, source: Path, n_workers: int, folder: Path) -> None:
        self.environment = {**os.environ, "PYTHONPATH": str(source)}
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.processes = [self._start("scheduler", "--host", "127.0.0.1", "--port", "0")]
        self.address = self._address()
        where = ("--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder))
        self.processes += [self._start("worker", *where) for _ in range(n_workers)]

    def _start(self, what: str, *words: str) -> subprocess.Popen:
        line = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard"]
        line += ["--scheduler-file", str(self.folder / "s.json"), *words]
        silent = subprocess.DEVNULL
        how = {"env": self.environment, "cwd": self.folder, "stdout": silent, "stderr": silent}
        return subprocess.Popen(line, **how)

    def _address(self) -> str:
        while True:
            try:
                return json.loads((self.folder / "s.json").read_text())["address"]
            except (OSError, json.JSONDecodeError):
                time.sleep(0.1)

    def measure(self, sounds: Path, size: int, most_seconds: float) -> dict | None:
        """Return what the extraction of so many clips took; None where it took too long."""
        import psutil

        line = [sys.executable, __file__, "--work", str(sounds), str(size), self.address]
        scheduler = psutil.Process(self.processes[0].pid)
        try:
            before = sum(scheduler.cpu_times()[:2])
            given = {"env": self.environment, "capture_output": True, "text": True}
            done = subprocess.run(line, timeout=most_seconds, check=True, **given)
        except subprocess.TimeoutExpired:
            return None
        spent = sum(scheduler.cpu_times()[:2]) - before
        wall_s, client_s, table, peak = json.loads(done.stdout.splitlines()[-1])
        return {"wall_s": wall_s, "own_s": client_s + spent, "table": table, "peak": peak}

    def end(self) -> None:
        """End all processes."""
        for process in reversed(self.processes):
            process.terminate()
            process.wait()


def main() -> None:
    """Print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--most-seconds", type=float, default=300)
    parser.add_argument("--work", nargs=3)
    options = parser.parse_args()
    if options.work:
        work(Path(options.work[0]), int(options.work[1]), options.work[2])
        return
    cores = os.cpu_count() or 1
    affinity = os.sched_getaffinity(0)
    one_core()
    os.sched_setaffinity(0, affinity)
    sources = {"before": options.before.resolve()} if options.before else {}
    sources["now"] = Path(__file__).resolve().parents[1]
    lines = ["# Clips on a Dask cluster of one machine", ""]
    lines += [*header(["distributed", "librosa"], cores), ""]
    lines += [
        "| clips | workers | code | wall s | clips/s | scheduler and client, ms of CPU a clip |"
    ]
    lines[-1] += " cores that it can feed at 10 ms a clip | same | client peak MiB |"
    lines.append("|" + "---|" * 9)
    print("\n".join(lines), flush=True)
    first: dict[int, str] = {}
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        folder = Path(name)
        (folder / "sounds").mkdir()
        draw(folder / "sounds")
        for size in options.sizes:
            for n_workers in options.workers:
                for code, source in sources.items():
                    cluster = Cluster(source, n_workers, folder)
                    found = cluster.measure(folder / "sounds", size, options.most_seconds)
                    cluster.end()
                    row = f"| {size:,} | {n_workers} | {code} | "
                    if found is None:
                        row += f"more than {options.most_seconds:g} | - | - | - | - | - |"
                    else:
                        own_ms = 1000 * found["own_s"] / size
                        same = first.setdefault(size, found["table"]) == found["table"]
                        row += f"{found['wall_s']:.1f} | {size / found['wall_s']:.0f} | "
                        row += f"{own_ms:.2f} | {10 / own_ms:.0f} | {'yes' if same else 'NO'} | "
                        row += f"{found['peak']:.0f} |"
                    print(row, flush=True)
                    lines.append(row)
    path = RESULTS / f"cluster_scaling_{date.today().isoformat()}.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"-> {path}")


if __name__ == "__main__":
    main()
