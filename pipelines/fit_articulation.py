r"""How a mouth moves with a voice, and when a face is named: fitted on RAVDESS's actors 01 to 04.

OpenFace's action units of every frame and the clips' sound teach a network with one hidden layer
what to expect of lips and jaw (``audio.articulation``). Each of the four actors is held out in
turn; on pairings of their clips the limits are chosen from which a face is named as the one that
speaks (``workflows.speaking``): of all that name the right face in 92 % of pairings with the
voice of one, those that most often name none where the voice is of neither, or shifted by 1 to
2 s. The other actors of the table, here 05, are in neither; of them the shares are printed,
too. Both faces of a pairing are of one actor, which is harder than two people,
and begin to speak at about the same moment.

    python pipelines/fit_articulation.py --units au_frames.npz --data RAVDESS/speech_audio
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _common
import numpy as np
import pandas as pd

from multimodal_ser import datasets
from multimodal_ser.audio import articulation, signal
from multimodal_ser.cli import terminal
from multimodal_ser.workflows import speaking

FPS = 30000 / 1001
TAUGHT_BY = ("01", "02", "03", "04")
#: The films' sound comes so much later than that of the WAV files.
LATE_S = 0.0333
PAIRINGS_PER_CLIP = 4
#: The right face is named in so many percent of pairings, at least.
FOUND = 92.0
SHIFTS_S = (-2.0, -1.0, 1.0, 2.0)
HIDDEN, PENALTY, PASSES, RIDGE = 64, 3.0, 25, 300.0


def main() -> int:
    """Fit, print how good it is, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--units", required=True, help="OpenFace's action units of every frame")
    parser.add_argument("--data", required=True, help="RAVDESS's speech clips, as sound")
    parser.add_argument("--write", default=str(articulation.FILE), help="(default: where used)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="also write the table, as Markdown, to this file")
    return _common.finish(parser.parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Fit, write the weights, and return what the limits are and how they do."""
    clips = measured(options.units, options.data)
    ways = {"envelope": None, "linear map": linear, "network": fitted}
    rows, limited = [], []
    for way, fit in ways.items():
        pairings = drawn(clips, heard_by(fit, clips, options), options.seed)
        rows.append({"what is compared": way, **nearer(pairings)})
    write(fitted(_taught(clips), options.seed), options.write)
    own = pairings["actor"].isin(TAUGHT_BY)
    least, lead = limits(pairings[own])
    limited.append(shares(pairings[own], least, lead, "01 to 04, each held out"))
    limited += [
        shares(part, least, lead, f"{actor}, in neither")
        for actor, part in pairings[~own].groupby("actor")
    ]
    head = f"{len(clips)} clips; least score {least:.3f}, least lead {lead:.3f}"
    tables = [terminal.markdown(pd.DataFrame(table)) for table in (limited, rows)]
    return "\n\n".join([head, *tables])


def _taught(clips: dict[str, dict], but: str = "") -> list[dict[str, Any]]:
    return [one for one in clips.values() if one["actor"] in TAUGHT_BY and one["actor"] != but]


def heard_by(
    fit: Callable | None, clips: dict[str, dict], options: argparse.Namespace
) -> dict[str, np.ndarray]:
    """Return what each clip's voice lets expect, by a map that its actor did not teach."""
    if fit is None:  # how loud it is
        middle = len(articulation.CONTEXT) // 2 * articulation.N_MELS
        bands = slice(middle, middle + articulation.N_MELS)
        loud = {clip: one["heard"][:, bands].mean(axis=1) for clip, one in clips.items()}
        return {clip: np.stack([one, one], axis=1) for clip, one in loud.items()}
    held = {}
    for actor in sorted({one["actor"] for one in clips.values()}):
        model = fit(_taught(clips, but=actor), options.seed)
        held |= {
            c: model.predict(one["heard"]) for c, one in clips.items() if one["actor"] == actor
        }
    return held


def nearer(pairings: pd.DataFrame) -> dict[str, float]:
    """Return in how many pairings with the voice of one its own face has the higher score."""
    one = pairings[pairings["voice"] == "of one"]
    right = one["first"] > one["second"]
    return {
        "another sentence: nearer %": 100 * right[~one["same"]].mean(),
        "the same sentence: nearer %": 100 * right[one["same"]].mean(),
    }


def measured(units_path: str, data: str) -> dict[str, dict[str, Any]]:
    """Return for each clip its actor, statement, mouth ``(n, 2)`` and what is heard of it."""
    sounds = datasets.index(data)["audio"]
    with np.load(units_path, allow_pickle=False) as table:
        columns = [list(table["au_names"]).index(unit) for unit in articulation.UNITS]
        values, whose = table["au"][:, columns], table["clip"]
    by_name = {Path(path).stem: path for path in sounds}
    found = {}
    for clip in np.unique(whose).tolist():
        path = by_name.get(f"03{clip[2:]}")
        if path is None:
            continue
        sound = signal.read(path, rate_hz=articulation.SOUND_HZ)
        sound = np.pad(sound, (round(LATE_S * articulation.SOUND_HZ), 0))
        stacked = articulation.stacked(articulation.bands(sound, articulation.SOUND_HZ))
        own, times = values[whose == clip], np.arange(len(stacked)) / articulation.RATE_HZ
        mouth = [np.interp(times, np.arange(len(own)) / FPS, unit) for unit in own.T]
        fields = clip.split("-")
        found[clip] = {"actor": fields[6], "said": fields[4], "mouth": np.stack(mouth, 1)}
        found[clip]["heard"] = stacked
    return found


def wanted(clips: list[dict[str, Any]]) -> np.ndarray:
    """Return the syllables of mouths, each of deviation 1, one clip after the other."""
    every = [speaking.syllables(one["mouth"]) for one in clips]
    return np.concatenate([one / np.maximum(one.std(axis=0), 1e-6) for one in every])


def linear(clips: list[dict[str, Any]], seed: int):
    """Return a linear map that expects the syllables of mouths."""
    from sklearn.linear_model import Ridge

    return Ridge(RIDGE).fit(np.concatenate([one["heard"] for one in clips]), wanted(clips))


def fitted(clips: list[dict[str, Any]], seed: int):
    """Return a network that expects the syllables of mouths."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    warnings.simplefilter("ignore", ConvergenceWarning)  # the passes are what was chosen
    network = MLPRegressor(
        hidden_layer_sizes=(HIDDEN,), alpha=PENALTY, max_iter=PASSES, random_state=seed
    )
    heard = np.concatenate([one["heard"] for one in clips])
    return make_pipeline(StandardScaler(), network).fit(heard, wanted(clips))


def write(network, path: str) -> None:
    """Write the weights, with the scaling of the inputs inside them, as half floats."""
    scaler, layers = network[0], network[1]
    hidden = layers.coefs_[0] / scaler.scale_[:, None]
    constant = layers.intercepts_[0] - scaler.mean_ @ hidden
    weights = {"hidden": hidden, "hidden_constant": constant}
    weights |= {"out": layers.coefs_[1], "out_constant": layers.intercepts_[1]}
    np.savez(path, **{name: value.astype(np.float16) for name, value in weights.items()})


def drawn(clips: dict[str, dict], heard: dict[str, np.ndarray], seed: int) -> pd.DataFrame:
    """Return pairings of two faces with one voice: whose it is, and the scores of both."""
    rng, rows = np.random.default_rng(seed), []
    for clip, one in clips.items():
        own = [c for c in clips if clips[c]["actor"] == one["actor"] and c != clip]
        for other, third in rng.choice(own, (PAIRINGS_PER_CLIP, 2)).tolist():
            faces = [one["mouth"], clips[other]["mouth"]]
            same = clips[other]["said"] == one["said"]
            rows.append((one["actor"], "of one", same, *scored(heard[clip], faces)))
            if third not in (clip, other):
                rows.append((one["actor"], "of neither", same, *scored(heard[third], faces)))
            steps = round(float(rng.choice(SHIFTS_S)) * articulation.RATE_HZ)
            late = np.roll(heard[clip], steps, axis=0)
            rows.append((one["actor"], "shifted", same, *scored(late, faces)))
    return pd.DataFrame(rows, columns=["actor", "voice", "same", "first", "second"])


def scored(heard: np.ndarray, faces: list[np.ndarray]) -> list[float]:
    """Return the score of each face, as long as all are there."""
    size = min(len(heard), *map(len, faces))
    return [speaking.score(heard[:size], face[:size]) for face in faces]


def shares(pairings: pd.DataFrame, least: float, lead: float, name: str) -> dict[str, Any]:
    """Return in how many pairings the speaking face is named, and in how many none, in percent."""
    low, high = pairings[["first", "second"]].min(axis=1), pairings[["first", "second"]].max(axis=1)
    is_named = (high >= least) & (high - low >= lead)
    right = is_named & (pairings["first"] == high)
    kinds = {kind: pairings["voice"] == kind for kind in ("of one", "of neither", "shifted")}
    one = kinds["of one"]
    return {
        "actors": name,
        "pairings": len(pairings),
        "nearer %": 100 * (pairings["first"] == high)[one].mean(),
        "found %": 100 * right[one].mean(),
        "wrong face %": 100 * (is_named & ~right)[one].mean(),
        "of neither: none %": 100 * (~is_named)[kinds["of neither"]].mean(),
        "shifted: none %": 100 * (~is_named)[kinds["shifted"]].mean(),
    }


def limits(pairings: pd.DataFrame) -> tuple[float, float]:
    """Return the least score and the least lead that name fewest where none speaks."""
    best, found = -1.0, (0.0, 0.0)
    for least in np.arange(0.2, 0.7, 0.01):
        for lead in np.arange(0.0, 0.2, 0.01):
            one = shares(pairings, least, lead, "")
            none = one["of neither: none %"] + one["shifted: none %"]
            if one["found %"] >= FOUND and none > best:
                best, found = none, (float(least), float(lead))
    return found


if __name__ == "__main__":
    sys.exit(main())
