"""Audio, video and fused models under one protocol, side by side."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from multimodal_ser.evaluation import protocol
from multimodal_ser.evaluation.folds import LEAKY, make_folds
from multimodal_ser.tables import MODALITIES
from multimodal_ser.training import Data, Recipe, fit

#: Columns of a benchmark's table.
COLUMNS = (
    "model",
    "modality",
    "protocol",
    "uar",
    "uar_low",
    "uar_high",
    "war",
    "war_low",
    "war_high",
    "top2",
    "ece",
    "n",
    "seconds",
)


def held_out(
    data: Data, recipe: Recipe, scheme: str, *, progress: bool = True
) -> dict[str, pd.DataFrame]:
    """Return every test clip's probabilities, by modality, under a protocol.

    Args:
        data: extracted features of all clips.
        recipe: what to fit in each fold.
        scheme: one of ``evaluation.folds.NAMES``.
        progress: whether to show bars on standard error.

    Returns:
        ``audio``, ``video`` (where the recipe has them and the data too) and
        ``fused`` -> probability table.
    """
    folds = make_folds(data.clips, scheme, seed=recipe.seed)

    def fit_fold(train: pd.DataFrame, _validation: pd.DataFrame):
        model = fit(data, train, recipe, progress=progress)

        def predict(clips: pd.DataFrame) -> dict[str, pd.DataFrame]:
            tables = model.probabilities(clips.index, data.features, data.frames)
            return {name: tables[name] for name in MODALITIES if name in tables}

        return predict

    return protocol.run(data.clips, folds, fit_fold, progress=progress)


def benchmark(
    data: Data,
    recipes: Iterable[Recipe],
    scheme: str,
    *,
    progress: bool = True,
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Score recipes under one protocol.

    Args:
        data: extracted features of all clips; one data set serves every recipe.
        recipes: what to compare; they must share feature set and front end.
        scheme: one of ``evaluation.folds.NAMES``.
        progress: whether to show bars on standard error.

    Returns:
        A table with :data:`COLUMNS`, one row a model and modality, and the
        held-out probabilities by model name.
    """
    rows, kept = [], {}
    for recipe in recipes:
        started = time.monotonic()
        tables = held_out(data, recipe, scheme, progress=progress)
        seconds = time.monotonic() - started
        single = [name for name in tables if name != "fused"]
        shown = tables if len(single) > 1 else {name: tables[name] for name in single}
        for modality, table in shown.items():
            name = model_name(recipe, modality)
            if name in kept:
                continue  # the same model beside another partner
            values = protocol.summary(table, data.clips, seed=recipe.seed)
            marked = f"{scheme} (leaky)" if scheme in LEAKY else scheme
            rows.append(
                {"model": name, "modality": modality, "protocol": marked, "seconds": seconds}
                | values
            )
            kept[name] = table
    return pd.DataFrame(rows)[list(COLUMNS)], kept


def model_name(recipe: Recipe, modality: str) -> str:
    """Return how a recipe is called in tables.

    Example:
        >>> model_name(Recipe(audio="svc", video="fer_cnn"), "fused")
        'svc + fer_cnn (weighted)'
    """
    if modality == "audio":
        return str(recipe.audio)
    if modality == "video":
        return str(recipe.video)
    return f"{recipe.audio} + {recipe.video} ({recipe.fusion})"


def grid(base: Recipe, audio: Iterable[str | None], video: Iterable[str | None]) -> list[Recipe]:
    """Return one recipe for every pair of an audio and a video model.

    Example:
        >>> [r.audio for r in grid(Recipe(), ["svc", "xgboost"], [None])]
        ['svc', 'xgboost']
    """
    pairs = [(a, v) for a in audio for v in video if a is not None or v is not None]
    return [replace(base, audio=a, video=v) for a, v in pairs]
