"""Measure the memory of predicting 100, 1000 and 10,000 clips.

    python tests/robustness/memory.py --data CLIPS --counts 100,1000,10000 --no-cache

The clips are links to the recordings in a folder, over and over. Prints the
peak resident memory of the main process and of its largest worker (Linux).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz import small_model


def link(data: Path, folder: Path, count: int) -> Path:
    """Make ``count`` links to the recordings of a folder, in folders of a thousand."""
    sources = sorted(p.resolve() for p in data.rglob("*") if p.suffix in (".wav", ".flac", ".mp4"))
    for number in range(count):
        source = sources[number % len(sources)]
        place = folder / f"{number // 1000:03d}" / f"{number:06d}{source.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)
    return folder


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6
    except (OSError, IndexError):
        return 0.0


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    try:
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(word) for text in tasks for word in text.split()]


def peaks(line: list) -> tuple[float, float, float]:
    """Run a command; return the peak MB of it and of its largest child, and its seconds."""
    began = time.monotonic()
    run = subprocess.Popen(list(map(str, line)), stdout=subprocess.DEVNULL)
    main = worker = 0.0
    while run.poll() is None:
        main = max(main, resident_mb(run.pid))
        worker = max([worker, *map(resident_mb, children(run.pid))])
        time.sleep(0.1)
    if run.returncode not in (0, 1):
        raise SystemExit(f"the command ended with status {run.returncode}")
    return main, worker, time.monotonic() - began


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--model", type=Path, help="(default: trained on a synthetic corpus)")
    parser.add_argument("--counts", default="100,1000,10000")
    parser.add_argument("--no-cache", action="store_true", help="read every link anew")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = options.model or small_model(folder)
        store = ["--no-cache"] if options.no_cache else ["--cache", folder / "cache"]
        print("clips  main MB  worker MB  seconds", flush=True)
        for count in map(int, options.counts.split(",")):
            clips = link(options.data, folder / str(count), count)
            line = [sys.executable, "-m", "multimodal_ser", "predict", clips, "--model", model,
                    "--quiet", *store, "--output", folder / "p.parquet"]  # fmt: skip
            main_mb, worker_mb, seconds = peaks(line)
            print(f"{count:5d}  {main_mb:7.0f}  {worker_mb:9.0f}  {seconds:7.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
