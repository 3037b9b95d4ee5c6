"""RAVDESS speech from the face alone: each video classifier on mean action units.

35 action units of OpenFace 2, averaged over each clip, their square roots taken
because shares and intensities near 0 are crowded. Penalties and temperatures
are chosen by log-loss on inner folds of the training actors; the ensemble is
the normalised geometric mean of the three. ``audio_action_units.py`` pools the
same classifiers with weights that it fits, and what is said there about choices
that no inner fold made holds here too.

``speaker-adapted`` normalises each action unit by each speaker's own unlabelled
clips, test speakers by theirs: another question, not another model. The
temporal classifier takes frames, which a table of means does not have.

    python pipelines/action_units.py --data RAVDESS

``RAVDESS`` holds the speech clips, sound or film, in any arrangement and
``openface_mean_au/mean_action_units.csv``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.audio.classifiers.ensemble import pool
from multimodal_ser.cli import terminal
from multimodal_ser.compute.parallel import map_clips
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import SerError
from multimodal_ser.estimators import files
from multimodal_ser.evaluation import adaptation, metrics, protocol
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.fusion import calibration
from multimodal_ser.tables import EMOTIONS, Features
from multimodal_ser.video import classifiers
from multimodal_ser.video.features import openface

ACTION_UNITS = Path("openface_mean_au") / "mean_action_units.csv"
SCHEME, N_INNER_FOLDS = "luna5", 4
#: Classifier -> what the inner folds choose from.
CANDIDATES: dict[str, tuple[dict, ...]] = {
    "svc": ({"c": 1.0}, {"c": 3.0}),
    "logistic_regression": ({"c": 0.03}, {"c": 0.1}, {"c": 0.3}),
    "mlp": ({"alpha": 3.0, "epochs": 100},),
}
NOTES = """
{clips} clips of {actors} actors, 8 emotions; pipelines/action_units.py, seed {seed}. Rates in
percent; interval: 95 %, bootstrap over actors. speaker-adapted: each action unit normalised with
each speaker's own unlabelled clips, test speakers' too.
"""


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder with the RAVDESS speech clips")
    parser.add_argument("--action-units", help=f"(default: DATA/{ACTION_UNITS.as_posix()})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--output", help="also write the table, as Markdown, to this file")
    options = parser.parse_args()
    try:
        text = report(*_load(options), seed=options.seed, workers=options.workers)
    except SerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    if options.output:
        Path(options.output).write_text(text + "\n", encoding="utf-8")
    return 0


def _load(options: argparse.Namespace) -> tuple[pd.DataFrame, Features]:
    table = Path(options.action_units or Path(options.data) / ACTION_UNITS)
    units = openface.read_mean_table(table)
    clips = ravdess.index(options.data)
    clips = clips[(clips["channel"] == "speech") & clips.index.isin(units.clips)]
    if clips.empty:
        raise SerError(f"{table}: none of its clips is in {options.data}; check both")
    return clips, Features(units.clips, np.sqrt(units.values), units.names)


def report(clips: pd.DataFrame, units: Features, *, seed: int, workers: int) -> str:
    """Return the table and what it means, as Markdown.

    Args:
        clips: the clips table.
        units: of every clip.
        seed: of the classifiers and the bootstrap.
        workers: processes.
    """
    rows = []
    for name, features in (
        ("strict", units),
        (adaptation.NAME, adaptation.per_speaker(units, clips)),
    ):
        print(f"{name} ({SCHEME})", file=sys.stderr)
        tables = measured(clips, features, seed=seed, workers=workers)
        for model, table in tables.items():
            scores = protocol.summary(table, clips, seed=seed)
            row = {"protocol": f"{name} ({SCHEME})", "model": model, "WAR": 100 * scores["war"]}
            row["interval"] = f"{100 * scores['war_low']:.1f} to {100 * scores['war_high']:.1f}"
            rows.append(row | {"UAR": 100 * scores["uar"], "ECE": 100 * scores["ece"]})
    notes = NOTES.format(clips=len(clips), actors=clips["actor"].nunique(), seed=seed)
    return terminal.markdown(pd.DataFrame(rows)) + "\n" + notes.rstrip()


def measured(
    clips: pd.DataFrame, units: Features, *, seed: int, workers: int
) -> dict[str, pd.DataFrame]:
    """Return held-out probabilities of each classifier and of ``ensemble``.

    Args:
        clips: the clips table.
        units: of every clip.
        seed: of the classifiers.
        workers: processes.
    """

    def fit(train: pd.DataFrame):
        chosen, temperatures = _inner(train, units, seed, workers)

        def predict(test: pd.DataFrame) -> dict[str, pd.DataFrame]:
            jobs = {
                name: (name, params, seed, units, train, test.index)
                for name, params in chosen.items()
            }
            tables = _with_ensemble(_results(jobs, workers))
            return {name: calibration.soften(t, temperatures[name]) for name, t in tables.items()}

        return predict

    return protocol.run(clips, make_folds(clips, SCHEME, seed=seed), fit)


def _inner(train: pd.DataFrame, units: Features, seed: int, workers: int):
    """Return each classifier's parameters and temperature, from folds of the training actors."""
    folds = make_folds(train, "actors", seed=seed, n_folds=N_INNER_FOLDS)
    jobs = {
        (name, at, fold.name): (name, params, seed, units, train.loc[fold.train], fold.test)
        for name, grid in CANDIDATES.items()
        for at, params in enumerate(grid)
        for fold in folds
    }
    parts: dict[tuple, list[pd.DataFrame]] = {}
    for (name, at, _), table in _results(jobs, workers).items():
        parts.setdefault((name, at), []).append(table)
    held = {key: pd.concat(tables).loc[train.index] for key, tables in parts.items()}
    truth = train["emotion"]
    chosen, best = {}, {}
    for name, grid in CANDIDATES.items():
        at = min(range(len(grid)), key=lambda at, name=name: _loss(held[name, at], truth))
        chosen[name], best[name] = grid[at], held[name, at]
    tables = _with_ensemble(best)
    return chosen, {name: calibration.fit_temperature(t, truth) for name, t in tables.items()}


def _with_ensemble(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    first = next(iter(tables.values()))
    pooled = pool([table.to_numpy() for table in tables.values()])
    return tables | {"ensemble": pd.DataFrame(pooled, first.index, list(first.columns))}


def _loss(table: pd.DataFrame, truth: pd.Series) -> float:
    softened = calibration.soften(table, calibration.fit_temperature(table, truth))
    return metrics.score(softened, truth)["nll"]


def _results(jobs: dict, workers: int) -> dict:
    found = {}
    for outcome in map_clips(held_out, jobs, workers=workers, progress=False):
        if outcome.error is not None:
            raise SerError(f"{outcome.clip}: {outcome.error}")
        found[outcome.clip] = outcome.value
    return found


def held_out(
    name: str, params: dict, seed: int, units: Features, train: pd.DataFrame, test: pd.Index
) -> pd.DataFrame:
    """Fit one classifier on ``train`` and return the probabilities of ``test``.

    Raises:
        SerError: an emotion has no training clip.
    """
    codes = train["emotion"].cat.codes.to_numpy()
    absent = sorted(set(range(len(EMOTIONS))) - set(codes.tolist()))
    if absent:
        raise SerError(f"no training clip is {EMOTIONS[absent[0]]}; use all speech clips")
    module = classifiers.load(name)
    estimator = module.build(seed=seed, **params).fit(units.take(train.index), codes)
    values = files.probabilities(module, estimator, units.take(test))
    return pd.DataFrame(values, test, list(EMOTIONS))


if __name__ == "__main__":
    sys.exit(main())
