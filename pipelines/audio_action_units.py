"""Voice and face of RAVDESS speech without a large network: functionals, kernels, action units.

Voice: 2669 functionals of librosa's features, and the 5500 answers of random
kernels to the log-mel frames. Face: 35 action units of OpenFace 2, averaged over
each clip, their square roots taken because shares and intensities near 0 are
crowded. Each of the three feature sets gets a support vector classifier,
logistic regression and three perceptrons; a weighted logarithmic pool makes one
answer of the classifiers of a set, of the voice's, and of all nine.
``--compare2016`` adds openSMILE's ComParE 2016 to the voice: it needs the package
opensmile, which is for research only, and takes a second a clip.

Penalties, and weights and sharpness of the pools, are chosen by log-loss on inner
folds of the training actors, so nothing is fitted on a test actor. What inner
folds did not choose: the feature sets, the square root, the networks' size and
the ranges of the penalties were settled while looking at the same 24 actors, the
functionals in the HiCMAE folds, the kernels in the Luna folds (how many bands they
see, and which statistics; a dozen variants). There are no other actors; expect a
little less on new ones.

``speaker-adapted`` normalises each feature by each speaker's own unlabelled
clips, test speakers by theirs: another question, not another model. ``leaky``
is the same recipe on random folds, where a test clip's speaker is trained on.

    python pipelines/audio_action_units.py --data RAVDESS --adapted --run runs/audio-au

``RAVDESS`` holds the speech clips in any arrangement and
``openface_mean_au/mean_action_units.csv``. ``--voice-only`` leaves the face out and
needs no such table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.audio import classifiers
from multimodal_ser.audio.extract import extract
from multimodal_ser.cli import terminal
from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.compute.parallel import map_clips
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import adaptation, metrics, protocol
from multimodal_ser.evaluation.folds import LEAKY, make_folds
from multimodal_ser.evaluation.runs import Run, RunModel, fold_names, write_run
from multimodal_ser.evaluation.significance import sign_flip_test
from multimodal_ser.fusion import calibration
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.reports.html import run_report
from multimodal_ser.tables import EMOTIONS, Features, actor_groups
from multimodal_ser.tables.clips import table_hash
from multimodal_ser.video.features import openface
from multimodal_ser.workflows import training

ACTION_UNITS = Path("openface_mean_au") / "mean_action_units.csv"
N_INNER_FOLDS = 4
#: Feature set -> classifier -> what the inner folds choose from.
CANDIDATES: dict[str, dict[str, tuple[dict, ...]]] = {
    "functionals": {
        "svc": ({"c": 3.0},),
        "logistic_regression": ({"c": 0.001}, {"c": 0.003}, {"c": 0.01}),
        "mlp": ({"alpha": 3.0},),
    },
    "random_convolutions": {
        "svc": ({"c": 3.0},),
        "logistic_regression": ({"c": 0.0001}, {"c": 0.0003}, {"c": 0.001}),
        "mlp": ({"alpha": 3.0},),
    },
    "compare2016": {
        "svc": ({"c": 3.0},),
        "logistic_regression": ({"c": 0.0003}, {"c": 0.001}, {"c": 0.003}),
        "mlp": ({"alpha": 3.0},),
    },
    "action_units": {
        "svc": ({"c": 1.0}, {"c": 3.0}),
        "logistic_regression": ({"c": 0.03}, {"c": 0.1}, {"c": 0.3}),
        "mlp": ({"alpha": 3.0, "epochs": 100},),
    },
}
VOICE, OPENSMILE, FACE = ("functionals", "random_convolutions"), "compare2016", "action_units"
NOTES = """
{clips} clips of {actors} actors, 8 emotions; {command}, seed {seed}. Rates in percent; interval:
95 %, bootstrap over actors; gain: WAR of fused minus the better single modality, in points, with
the p-value of a sign-flip test over actors. speaker-adapted: each feature normalised with each
speaker's own unlabelled clips, test speakers' too. leaky: speakers are on both sides of each fold.
"""


def main() -> int:
    """Measure and print the table."""
    options = _options()
    try:
        clips, features = _load(options)
        text = report(clips, features, options)
    except SerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    if options.output:
        Path(options.output).write_text(text + "\n", encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder with the RAVDESS speech clips")
    parser.add_argument("--action-units", help=f"(default: DATA/{ACTION_UNITS.as_posix()})")
    parser.add_argument("--voice-only", action="store_true", help="leave the face out")
    parser.add_argument(
        "--compare2016", action="store_true", help="add openSMILE's features; for research only"
    )
    parser.add_argument("--adapted", action="store_true", help="measure speaker-adapted too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--cache", help="where features are kept")
    parser.add_argument("--resume", metavar="DIR", help="keep finished folds there, and go on")
    parser.add_argument("--output", help="also write the table, as Markdown, to this file")
    parser.add_argument("--run", metavar="DIR", help="keep the runs and an HTML report there")
    return parser.parse_args()


def _load(options: argparse.Namespace) -> tuple[pd.DataFrame, dict[str, Features]]:
    """Return the clips that have all that is wanted, and their features."""
    clips = ravdess.index(options.data)
    clips = clips[(clips["channel"] == "speech") & clips["audio"].notna()]
    features = {}
    if not options.voice_only:
        table = Path(options.action_units or Path(options.data) / ACTION_UNITS)
        units = openface.read_mean_table(table)
        features[FACE] = Features(units.clips, np.sqrt(units.values), units.names)
        clips = clips[clips.index.isin(units.clips)]
        if clips.empty:
            raise SerError(f"{table}: none of its clips has sound in {options.data}; check both")
    cache = Cache(options.cache or default_folder())
    for name in (*VOICE, *[OPENSMILE] * options.compare2016):
        features[name], failures = extract(clips, name, cache=cache, workers=options.workers)
        for error in failures["error"]:
            print(f"error: {error}", file=sys.stderr)
        clips = clips[clips.index.isin(features[name].clips)]
    if clips.empty:
        raise SerError(f"{options.data}: no speech clip has sound that can be read; check it")
    return clips, features


def answers(features: Mapping[str, Features]) -> dict[str, tuple[str, ...]]:
    """Return what is answered, each by the classifiers of which feature sets.

    Example:
        >>> list(answers({"functionals": None, "random_convolutions": None, "action_units": None}))
        ['functionals', 'random_convolutions', 'voice', 'face', 'fused']
    """
    voice = tuple(name for name in features if name != FACE)
    found = {name: (name,) for name in voice} | {"voice": voice}
    if FACE in features:
        found |= {"face": (FACE,), "fused": (*voice, FACE)}
    return found


def report(
    clips: pd.DataFrame, features: Mapping[str, Features], options: argparse.Namespace
) -> str:
    """Return the table and what it means, as Markdown.

    Args:
        clips: the clips table.
        features: feature set -> features of every clip.
        options: ``adapted``, ``seed``, ``workers`` and ``run``.
    """
    runs = [("strict", "luna5", features)]
    if options.adapted:
        adapted = {name: adaptation.per_speaker(table, clips) for name, table in features.items()}
        runs.append((adaptation.NAME, "luna5", adapted))
    runs.append(("leaky", "random_leaky", features))
    rows, kept = [], []
    for name, scheme, values in runs:
        print(f"{name} ({scheme})", file=sys.stderr)
        started = time.monotonic()
        # The same features of other clips are another run.
        parts = (f"seed{options.seed}", table_hash(clips), *features, name)
        resume = options.resume and Path(options.resume, *parts)
        tables = measured(clips, values, scheme, options, resume)
        rows += _rows(name, scheme, tables, clips, options.seed)
        kept.append(_run(name, scheme, tables, clips, options.seed, time.monotonic() - started))
    if options.run:
        for run, (name, _, _) in zip(kept, runs, strict=True):
            write_run(Path(options.run) / name, run)
        run_report(kept, Path(options.run) / "report.html")
    notes = NOTES.format(
        clips=len(clips),
        actors=clips["actor"].nunique(),
        command="pipelines/audio_action_units.py" + _switches(options),
        seed=options.seed,
    )
    return terminal.markdown(pd.DataFrame(rows)) + "\n" + notes.rstrip()


def _switches(options: argparse.Namespace) -> str:
    names = ("voice_only", "compare2016", "adapted")
    return "".join(f" --{n.replace('_', '-')}" for n in names if getattr(options, n))


def _run(name: str, scheme: str, tables: Mapping, clips: pd.DataFrame, seed: int, seconds: float):
    record = training.run_record(None, clips, seconds=round(seconds, 1), seed=seed)
    folds = fold_names(make_folds(clips, scheme, seed=seed))
    parts = {modality: _model(row) for row, modality in (("voice", "audio"), ("face", "video"))}
    models = [
        RunModel(
            _model(row),
            {"face": "video", "fused": "fused"}.get(row, "audio"),
            table,
            folds[table.index],
            parts if row == "fused" else {},
        )
        for row, table in tables.items()
    ]
    return Run(
        title=f"RAVDESS speech, {'voice and face' if 'face' in tables else 'voice'}: {name}",
        protocol=scheme,
        clips=clips,
        models=tuple(models),
        adaptation="speaker" if name == adaptation.NAME else "none",
        leaky=scheme in LEAKY,
        seed=seed,
        command=f"python pipelines/audio_action_units.py {record['command']}",
        git=record["git"],
        versions=record["versions"],
        seconds=record["seconds"],
        clips_hash=record["clips_hash"],
    )


def measured(
    clips: pd.DataFrame,
    features: Mapping[str, Features],
    scheme: str,
    options: argparse.Namespace,
    resume: Path | None = None,
) -> dict[str, pd.DataFrame]:
    """Return held-out probabilities of each of :func:`answers`.

    Args:
        clips: the clips table.
        features: feature set -> features of every clip.
        scheme: one of the fold schemes.
        options: ``seed`` and ``workers``.
        resume: a folder of its own that keeps finished folds.
    """

    def fit(train: pd.DataFrame):
        return _fit(train, features, scheme, options)

    folds = make_folds(clips, scheme, seed=options.seed)
    return protocol.run(clips, folds, fit, resume=resume)


def _fit(train: pd.DataFrame, features, scheme: str, options: argparse.Namespace):
    """Fit on training clips alone; return a function from clips to probabilities."""
    chosen, held = _inner(train, features, scheme, options)
    actors = pd.Series(actor_groups(train), train.index)
    pools = {
        row: Fuser("log_pool").fit(_of(held, sets), train["emotion"], actors, missing=False)
        for row, sets in answers(features).items()
    }
    jobs = {
        (name, member): (member, params, options.seed, features[name], train)
        for (name, member), params in chosen.items()
    }
    estimators = _results(fit_member, jobs, options.workers, "fit")

    def predict(test: pd.DataFrame) -> dict[str, pd.DataFrame]:
        tables = {
            (name, member): pd.DataFrame(
                member_probabilities(member, estimator, features[name].take(test.index)),
                test.index,
                list(EMOTIONS),
            )
            for (name, member), estimator in estimators.items()
        }
        return {row: pool(_of(tables, answers(features)[row])) for row, pool in pools.items()}

    return predict


def _of(tables: Mapping[tuple[str, str], pd.DataFrame], sets: tuple[str, ...]):
    """Return the classifiers' tables of some feature sets, under one name each."""
    return {f"{name} {member}": t for (name, member), t in tables.items() if name in sets}


def _inner(train: pd.DataFrame, features, scheme: str, options: argparse.Namespace):
    """Return the chosen parameters, and each classifier's held-out probabilities of ``train``."""
    inner = "random_leaky" if scheme in LEAKY else "actors"
    folds = make_folds(train, inner, seed=options.seed, n_folds=N_INNER_FOLDS)
    jobs = {
        (name, member, at, fold.name): (
            *(member, params, options.seed, features[name]),
            *(train.loc[fold.train], fold.test),
        )
        for name in features
        for member, grid in CANDIDATES[name].items()
        for at, params in enumerate(grid)
        for fold in folds
    }
    tables: dict[tuple, list[pd.DataFrame]] = {}
    for key, table in _results(held_out, jobs, options.workers, "inner folds").items():
        tables.setdefault(key[:3], []).append(table)
    whole = {key: pd.concat(parts).loc[train.index] for key, parts in tables.items()}
    return _chosen(whole, train["emotion"])


def _chosen(tables: Mapping[tuple, pd.DataFrame], truth: pd.Series):
    """Choose each classifier's parameters by log-loss."""
    losses = {key: _loss(table, truth) for key, table in tables.items()}
    chosen, held = {}, {}
    for name, member in dict.fromkeys(key[:2] for key in tables):
        grid = CANDIDATES[name][member]
        best = min(range(len(grid)), key=lambda at, key=(name, member): losses[*key, at])
        chosen[name, member], held[name, member] = grid[best], tables[name, member, best]
    return chosen, held


def _loss(table: pd.DataFrame, truth: pd.Series) -> float:
    softened = calibration.soften(table, calibration.fit_temperature(table, truth))
    return metrics.score(softened, truth)["nll"]


def _results(function, jobs: Mapping[tuple, tuple], workers: int, what: str) -> dict:
    found = {}
    for outcome in map_clips(function, jobs, workers=workers, description=what):
        if outcome.error is not None:
            raise SerError(f"{' '.join(map(str, outcome.clip))}: {outcome.error}")
        found[outcome.clip] = outcome.value
    return found


def fit_member(member: str, params: Mapping, seed: int, features: Features, train: pd.DataFrame):
    """Return a fitted classifier.

    Args:
        member: one of ``audio.classifiers.NAMES``.
        params: passed to its ``build``.
        seed: of the classifier.
        features: of one modality.
        train: the clips to fit on; every emotion must occur.

    Raises:
        SerError: an emotion has no training clip.
    """
    codes = train["emotion"].cat.codes.to_numpy()
    absent = sorted(set(range(len(EMOTIONS))) - set(codes.tolist()))
    if absent:
        raise SerError(f"no training clip is {EMOTIONS[absent[0]]}; use all speech clips")
    estimator = classifiers.load(member).build(seed=seed, **params)
    return estimator.fit(features.take(train.index), codes)


def member_probabilities(member: str, estimator, values: np.ndarray) -> np.ndarray:
    """Return a fitted classifier's probabilities, ``(n_clips, 8)``."""
    module = classifiers.load(member)
    if hasattr(module, "probabilities"):
        return module.probabilities(estimator, values)
    return estimator.predict_proba(values)


def held_out(member, params, seed, features, train, test) -> pd.DataFrame:
    """Fit on ``train`` (see :func:`fit_member`) and return the probabilities of ``test``."""
    estimator = fit_member(member, params, seed, features, train)
    values = member_probabilities(member, estimator, features.take(test))
    return pd.DataFrame(values, test, list(EMOTIONS))


def _rows(name: str, scheme: str, tables, clips: pd.DataFrame, seed: int) -> list[dict]:
    rows = []
    scores = {row: protocol.summary(table, clips, seed=seed) for row, table in tables.items()}
    for row, values in scores.items():
        cells = {"protocol": f"{name} ({scheme})", "answer": row, "model": _model(row)}
        for metric in ("war", "uar"):
            low, high = (100 * values[f"{metric}_{end}"] for end in ("low", "high"))
            cells |= {metric.upper(): 100 * values[metric]}
            cells |= {f"interval {metric.upper()}": f"{low:.1f} to {high:.1f}"}
        rows.append(cells | {"ECE": 100 * values["ece"], "gain": "", "p": ""})
    if "fused" in tables:
        better = max(("voice", "face"), key=lambda row: scores[row]["war"])
        test = sign_flip_test(tables["fused"], tables[better], clips, metric="war", seed=seed)
        rows[-1] |= {"gain": f"{100 * test.difference:+.1f}", "p": f"{test.p_value:.2g}"}
    return rows


def _model(row: str) -> str:
    """Return what an answer is made by, in words."""
    said = {
        "voice": "all of the voice, log pool",
        "face": "mean action units",
        "fused": "voice and face, log pool",
    }
    return said.get(row, row) + ("" if row in ("voice", "fused") else ", SVC + LR + MLP")


if __name__ == "__main__":
    sys.exit(main())
