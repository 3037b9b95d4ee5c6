"""What a result says about where it comes from: command, code, versions, hashes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import pandas as pd

from multimodal_ser import VERSION
from multimodal_ser.tables import known_actors
from multimodal_ser.tables.clips import table_hash
from multimodal_ser.workflows.recipes import Recipe

#: Every library whose numbers enter a result, by the name it is installed under.
COMPUTING = (
    *("numpy", "scipy", "pandas", "scikit-learn", "tensorflow", "tensorflow-cpu", "keras"),
    *("librosa", "soxr", "soundfile", "av", "opencv-python-headless", "onnxruntime", "onnx"),
    *("xgboost", "xgboost-cpu", "lightgbm", "optuna", "opensmile", "ai-edge-litert"),
)


def run_record(
    recipe: Recipe | None, clips: pd.DataFrame, *, seconds: float, **more: object
) -> dict:
    """Return what ``run.json`` keeps: enough to make the run again and compare it.

    Args:
        recipe: what was trained; None where a script says it itself.
        clips: the clips it was trained on.
        seconds: how long it took.
        more: anything else, as JSON values.
    """
    return {
        "recipe": asdict(recipe) if recipe else None,
        "seed": recipe.seed if recipe else None,
        "n_clips": len(clips),
        "actors": known_actors(clips),
        "clips_hash": table_hash(clips),
        "seconds": seconds,
        **origin(),
        **more,
    }


def origin() -> dict:
    """Return what made a result: ``command``, ``git`` state and ``versions``.

    Example:
        >>> sorted(origin())
        ['command', 'git', 'versions']
    """
    command = " ".join(map(_short, sys.argv[1:]))
    return {"command": command, "git": _git_state(), "versions": versions()}


def _short(word: str) -> str:
    # Where things are on one machine is private, and of no use to anybody else.
    name, is_named, value = word.rpartition("=")  # such as cremad=/home/anna/CREMA-D
    path = Path(value)
    return name + is_named + path.name if path.is_absolute() else word


def _git_state() -> str | None:
    here = Path(__file__).resolve().parent
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() or None


def versions() -> Mapping[str, str]:
    """Return the versions of Python, this package and every library that computes."""
    found = {"python": sys.version.split()[0], "multimodal_ser": VERSION}
    for name in COMPUTING:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
