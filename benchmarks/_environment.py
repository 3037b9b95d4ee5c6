"""What a timing was measured on, and how to keep it to one core."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import tempfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "VECLIB_MAXIMUM")


def one_core() -> None:
    """Keep this process on one core, with one numeric thread.

    Call it before NumPy is imported. numba compiles anew, into a folder of its
    own: code that it cached on another processor can crash on this one.
    """
    for library in _THREADS:
        os.environ[f"{library}_NUM_THREADS"] = "1"
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()


def header(packages: Iterable[str], cores: int) -> list[str]:
    """Return lines on the machine, the versions, the date and the command.

    Args:
        packages: names of distributions whose versions matter.
        cores: how many cores there are in all.
    """
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    system = f"{platform.system()} {platform.machine()}"
    return [
        f"{date.today().isoformat()}, `python {' '.join(map(_short, sys.argv))}`",
        f"machine: {processor()}, {cores} cores; {system}; load when it began: {load:.1f}",
        f"Python {platform.python_version()}, {versions}",
    ]


def _short(word: str) -> str:
    # Where the data lies on one machine is of no use to a reader.
    return Path(word).name if Path(word).is_absolute() else word
