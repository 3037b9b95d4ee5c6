r"""The speech gate's numbers, from data: fitted, and measured on other speakers and sounds.

Fitted on half the actors of RAVDESS (speech and song), CREMA-D and nEMO, each clip as it is
and changed (telephone band, noise of 10 dB, a second of it), against the synthesised sounds
``FITTED`` of ``_no_speech.py``; measured on the other actors, on TESS, and on ``TESTED``,
which other generators make. Corpora and generators weigh alike. The threshold is the log-odds
that all but :data:`LOST` of the clips exceed when their corpus is left out of the fit, as are
a third of the generators.

``--check`` measures the numbers that ``audio/speech.py`` holds and fits nothing.

    python pipelines/fit_speech_gate.py --ravdess RAVDESS --cremad CREMA-D \
        --nemo nemo/labels.csv --tess tess/labels.csv
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import _no_speech
import numpy as np
import pandas as pd

from multimodal_ser.audio import signal, speech
from multimodal_ser.cli import terminal
from multimodal_ser.datasets import cremad, folder, ravdess

#: Share of changed clips that the threshold may cost on a corpus that was not fitted on.
LOST = 0.01
#: Strength of the penalty; 0.01 to 1 cost and gain nothing on left-out corpora.
STRENGTH = 0.03
SOUNDS_PER_GENERATOR = 60
CHANGES = ("telephone", "noise of 10 dB", "one second")


def main() -> int:
    """Fit and print the numbers, or measure those that are there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name in ("ravdess", "cremad", "nemo", "tess"):
        parser.add_argument(f"--{name}", required=True, help=f"{name}'s folder or labels table")
    parser.add_argument("--clips", type=int, default=1000, help="per corpus; 0 takes all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true", help="measure the module's numbers")
    options = parser.parse_args()
    clips = _clips(options)
    if not options.check:
        _fit(clips[clips["fitted"]], options.seed)
    else:
        _measure(clips[~clips["fitted"]], options.seed)
    return 0


def _clips(options: argparse.Namespace) -> pd.DataFrame:
    """Return a sample of each corpus, and who of its actors is fitted on."""
    rng, parts = np.random.default_rng(options.seed), []
    tables = {
        "ravdess": ravdess.index(options.ravdess),
        "cremad": cremad.index(options.cremad),
        "nemo": folder.read_list(options.nemo),
        "tess": folder.read_list(options.tess),
    }
    for name, table in tables.items():
        table = table.dropna(subset="audio").assign(corpus=name)
        actors = rng.permutation(sorted(table["actor"].unique()))
        known = actors[: len(actors) // 2] if name != "tess" else []
        table["fitted"] = table["actor"].isin(known)
        count = min(options.clips or len(table), len(table))
        parts.append(table.iloc[np.sort(rng.permutation(len(table))[:count])])
    return pd.concat(parts)


def _versions(sound: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a clip as it is, and changed in one of the ways of :data:`CHANGES`."""
    yield "as it is", sound
    change = rng.choice(CHANGES)
    if change == CHANGES[0]:
        spectrum, hz = np.fft.rfft(sound), np.fft.rfftfreq(len(sound), 1 / speech.RATE_HZ)
        yield change, np.fft.irfft(spectrum * ((hz > 300) & (hz < 3400)), len(sound))
    elif change == CHANGES[1]:
        noise = _no_speech.coloured(rng, len(sound), rng.uniform(0, 2))
        yield change, sound + noise * np.sqrt(0.1 * (sound**2).mean() / (noise**2).mean())
    else:  # around the middle of its energy
        middle = int(np.searchsorted(np.cumsum(sound**2), 0.5 * (sound**2).sum()))
        half = speech.RATE_HZ // 2
        yield change, sound[max(middle - half, 0) : middle + half]


def _heard(clips: pd.DataFrame, seed: int) -> Iterator[dict]:
    rng = np.random.default_rng((seed, 1))
    for _, clip in clips.iterrows():
        sound = signal.read(clip["audio"], rate_hz=speech.RATE_HZ)
        for change, changed in _versions(sound, rng):
            about = {"source": clip["corpus"], "change": change, "emotion": clip["emotion"]}
            yield about | {"sound": changed, "speech": True, "path": clip["audio"]}


def _made(sounds: dict[str, _no_speech.Sound], seed: int) -> Iterator[dict]:
    rng = np.random.default_rng((seed, 2))
    for name, sound in sounds.items():
        for _ in range(SOUNDS_PER_GENERATOR):
            made = _no_speech.draw(sound, rng, rng.uniform(0.6, 6))
            yield {"source": name, "change": "", "emotion": None, "sound": made, "speech": False}


def _fit(clips: pd.DataFrame, seed: int) -> None:
    """Print the constants of ``audio/speech.py``."""
    rows, values = [], []
    for row in [*_heard(clips, seed), *_made(_no_speech.FITTED, seed)]:
        if (found := speech.cues(row.pop("sound"))) is not None:
            rows.append(row)
            values.append(found)
    table, cues = pd.DataFrame(rows), pd.DataFrame(values)
    odds = pd.Series(0.0, table.index)
    fold = _folds(table)
    for number in range(3):
        out = fold == number
        odds[out] = _fitted(table[~out], cues[~out])[0](cues[out])
    _, constants = _fitted(table, cues)
    print(constants)
    print(f"THRESHOLD = {odds[table['speech']].quantile(LOST):.2f}")
    print(f"AUROC on left-out corpora and generators: {_auroc(odds, table['speech']):.4f}")


def _folds(table: pd.DataFrame) -> pd.Series:
    """Return for each row which of three folds leaves it out: a corpus, a third of the sounds."""
    of = {name: at for at, name in enumerate(("ravdess", "cremad", "nemo"))}
    of |= {name: at % 3 for at, name in enumerate(_no_speech.FITTED)}
    return table["source"].map(of)


def _fitted(table: pd.DataFrame, cues: pd.DataFrame):
    """Return a function from cues to log-odds, and its numbers as they stand in the module."""
    from sklearn.linear_model import LogisticRegression

    said = table["speech"].to_numpy()
    mean, deviation = cues[said].mean(), cues[said].std()

    def expand(values: pd.DataFrame) -> np.ndarray:
        z = ((values - mean) / deviation).clip(-speech.FURTHEST, speech.FURTHEST).to_numpy()
        return np.hstack([z, z**2])

    sources = table.groupby("speech")["source"].transform("nunique")
    weights = 1 / sources / table.groupby(["speech", "source"])["source"].transform("size")
    weights *= len(table) / weights.sum()
    model = LogisticRegression(C=STRENGTH, max_iter=2000)
    model.fit(expand(cues), said, sample_weight=weights)
    linear, square = np.split(model.coef_[0], 2)
    rows = zip(cues.columns, mean, deviation, linear, square, strict=True)
    lines = (
        f'    "{name}": ({", ".join(f"{v:.4g}" for v in numbers)}),' for name, *numbers in rows
    )
    text = "\n".join(["WEIGHTS = {", *lines, "}", f"INTERCEPT = {model.intercept_[0]:.4g}"])
    return lambda values: model.decision_function(expand(values)), text


def _auroc(odds: pd.Series, said: pd.Series) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(said, odds))


def _measure(clips: pd.DataFrame, seed: int) -> None:
    """Print how the module's numbers do on the other actors and sounds."""
    rows = []
    for row in [*_heard(clips, seed), *_made(_no_speech.TESTED, seed)]:
        found = speech.measure(row.pop("sound"))
        rows.append(row | found._asdict())
    table = pd.DataFrame(rows)
    table["passed"] = 100.0 * (table["reason"] == "")
    said, whole = table["speech"], table["change"] == "as it is"
    print(f"AUROC: {_auroc(table['score'], said):.4f}; ", end="")
    clean = whole | ~said
    print(f"of clips as they are: {_auroc(table['score'][clean], said[clean]):.4f}")
    counted = table.groupby(["speech", "source", "change"])["passed"].agg(["mean", "count"])
    counted = counted.sort_index(ascending=[False, True, True]).reset_index()
    terminal.show(counted.rename(columns={"mean": "passed %", "count": "clips"}))
    for emotion, least in (("angry", 0.95), ("sad", 0.05)):
        part = table[whole & (table["emotion"] == emotion)]
        edge = part.groupby("source")["peak"].transform(lambda peaks, q=least: peaks.quantile(q))
        chosen = part[part["peak"] >= edge] if least > 0.5 else part[part["peak"] <= edge]
        word = "loudest" if least > 0.5 else "softest"
        print(f"{word} 5 % of {emotion}: {chosen['passed'].mean():.1f} % of {len(chosen)} passed")
    for _, row in table[whole & (table["passed"] == 0)].iterrows():
        print("refused:", row["path"], row["reason"], f"{row['score']:.3f}")


if __name__ == "__main__":
    sys.exit(main())
