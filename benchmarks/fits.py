"""The fits of a benchmark in one process and in several: earlier code and this, in turn.

    python benchmarks/fits.py --data ravdess --cache features --before ../before --workers 1 2

Each measurement is a process of its own that reads features from the store and fits the learners
of the first Luna folds; ``--before`` names a checkout of earlier code. ``serial`` is the CPU time
of the process that decides, which more cores do not shorten; ``fits`` that of the others or, with
one worker, of the fits. What is projected nobody measured: serial time, and all fits shared evenly,
but not less than half of the dearest learner in one fold, whose last fit waits for the others.
Wall times of a
machine that others use too are worth little: the load is at the top. ``same`` says whether all
probabilities are those of the first row, to the bit. Memory is the greatest sum, over the
processes, of what is theirs (PSS: what they share counts once).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path

from _environment import header, one_core

RESULTS = Path(__file__).parent / "results"
CORES = (2, 4, 8, 16)


def fit(data: str, cache: str, audio: str, n_folds: int, workers: int) -> None:
    """Fit and print what it took; what a measured process runs."""
    import psutil

    from multimodal_ser.compute.cache import Cache
    from multimodal_ser.datasets import ravdess
    from multimodal_ser.evaluation.folds import make_folds
    from multimodal_ser.workflows.benchmarking import Bench
    from multimodal_ser.workflows.data import extract, prepare
    from multimodal_ser.workflows.recipes import Recipe

    clips = ravdess.index(data)
    recipe = Recipe(audio=audio, video=None)
    clips, _ = prepare(clips[clips["channel"] == "speech"], recipe)
    found = extract(clips, recipe, cache=Cache(cache), workers=1, progress=False)
    folds = make_folds(clips, "luna5", seed=0)[:n_folds]
    bench = Bench(found, "luna5", workers=workers, progress=False)
    me, peak, ended = psutil.Process(), [0.0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(me, peak, ended))
    watcher.start()
    began, spent, others = time.monotonic(), time.process_time(), _children_s(me)
    (model,) = bench.measure([recipe], folds)
    wall_s, own_s, others = (
        time.monotonic() - began,
        time.process_time() - spent,
        _children_s(me) - others,
    )
    ended.set()
    watcher.join()
    costs = [cost["seconds"] for cost in getattr(model, "costs", ())]
    digest = hashlib.sha256(model.probabilities.to_numpy().tobytes()).hexdigest()
    print(json.dumps([wall_s, own_s, others, sum(costs), max(costs, default=0), digest, peak[0]]))


def _children_s(process) -> float:
    return sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))


def _watch(process, peak: list[float], ended: threading.Event) -> None:
    import psutil

    while not ended.wait(1.0):
        total = 0
        for each in (process, *process.children(recursive=True)):
            try:
                total += each.memory_full_info().pss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total / 2**20)


def main() -> None:
    """Print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--cache")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--audio", default="functionals:vote+random_convolutions:vote")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--fit", nargs=5)
    options = parser.parse_args()
    if options.fit:
        fit(*options.fit[:3], *map(int, options.fit[3:]))
        return
    cores, affinity = os.cpu_count() or 1, os.sched_getaffinity(0)
    one_core()
    os.sched_setaffinity(0, affinity)
    sources = {"before": options.before.resolve()} if options.before else {}
    sources["now"] = Path(__file__).resolve().parents[1]
    lines = ["# Fits of the Luna folds", "", *header(["scikit-learn", "numpy"], cores), ""]
    lines += [f"{options.audio}, {options.folds} of 5 folds", ""]
    lines += ["| code | workers | wall s | serial, s of CPU | fits, s of CPU |"]
    lines[-1] += "".join(f" wall s of {n} cores, projected |" for n in CORES)
    lines[-1] += " same | peak MiB |"
    lines.append("|" + "---|" * (7 + len(CORES)))
    print("\n".join(lines), flush=True)
    first, path = "", RESULTS / f"fits_{date.today().isoformat()}.md"
    given = [str(Path(options.data).resolve()), str(Path(options.cache).resolve()), options.audio]
    for workers in options.workers * options.rounds:
        for code, source in sources.items():
            line = [sys.executable, __file__, "--fit", *given, str(options.folds), str(workers)]
            environment = {**os.environ, "PYTHONPATH": str(source)}
            how = {"check": True, "capture_output": True, "text": True, "env": environment}
            done = subprocess.run(line, **how)
            wall_s, own_s, others_s, fits_s, longest_s, digest, peak = json.loads(
                done.stdout.splitlines()[-1]
            )
            first = first or digest
            known = workers > 1 or fits_s  # which part of one process's time are fits
            serial_s = own_s if workers > 1 else own_s - fits_s
            fits_s = others_s if workers > 1 else fits_s
            row = [code, workers, f"{wall_s:.0f}"]
            row += [f"{serial_s:.1f}", f"{fits_s:.0f}"] if known else ["-", f"{own_s:.0f}"]
            for n in CORES:
                projected = serial_s + max(fits_s / n, longest_s / 2)
                row.append(f"{projected:.0f}" if code == "now" else "-")
            row += ["yes" if digest == first else "NO", f"{peak:.0f}"]
            lines.append("| " + " | ".join(map(str, row)) + " |")
            print(lines[-1], flush=True)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"-> {path}")


if __name__ == "__main__":
    main()
