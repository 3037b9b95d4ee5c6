r"""How blendshapes amount to OpenFace's action units, fitted on one actor's faces.

The crops of RAVDESS's actor 05, one in about a quarter of a second, are measured by
MediaPipe's networks; OpenFace's table of every frame says which action units it saw there.
Each unit is a sum, with weights of at least 0, of the blendshapes that move the
same muscles. No emotion is looked at. Ten groups of clips are held out in turn: the
table printed says how well the mean of a clip is met, and the deviation of its
root is kept as the error with which classifiers are taught.

One actor's relation of two programs is what there is at hand; how it carries over to
other faces is not known from here.

    python pipelines/fit_action_units.py --faces faces_bgr224_jpeg.npz --units au_frames.npz
"""

from __future__ import annotations

import argparse
import json
import sys

import _common
import numpy as np
import pandas as pd
from evaluate_fer import crops

from multimodal_ser.cli import terminal
from multimodal_ser.video import detectors, faces
from multimodal_ser.video.features import blendshapes
from multimodal_ser.video.features import estimated_action_units as units
from multimodal_ser.video.frames import Frame

#: Frames of the film from one crop to the next, and before the first: where blinks and
#: smiles of crops and tables agree best, as found on these clips.
STEP_FRAMES, FIRST_FRAME = 7.3, 2
#: Frames to either side that are averaged with the one meant.
NEAR_FRAMES = 1
N_GROUPS = 10
#: Crops end close to the face; detectors want to see around it.
BORDER_PX = 56


def main() -> int:
    """Fit, print how good it is, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--faces", required=True, help="crops of one actor")
    parser.add_argument("--units", required=True, help="OpenFace's action units of every frame")
    parser.add_argument("--write", default=str(units.FILE), help="(default: where it is used)")
    parser.add_argument("--output", help="also write the table, as Markdown, to this file")
    return _common.finish(parser.parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Fit, write the weights, and return the table of what is met as Markdown."""
    shapes, clips, places = measured(options.faces)
    truth = matched(options.units, clips, places)
    held = held_out(shapes, truth, clips)
    mean, met = (pd.DataFrame(one).groupby(clips).mean() for one in (truth, held))
    error = (np.sqrt(met.clip(lower=0)) - np.sqrt(mean)).std()
    table = pd.DataFrame(
        {"unit": units.names(), "correlation": mean.corrwith(met), "error of the root": error}
    )
    write(options.write, shapes, truth, error.to_numpy())
    return f"{len(mean)} clips, {len(truth)} crops\n\n{terminal.markdown(table)}"


def held_out(shapes: np.ndarray, truth: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """Return each crop's intensities ``(n, 17)`` by a map that other clips were fitted on.

    Args:
        shapes: blendshapes of crops, ``(n, 52)``.
        truth: intensities of crops, ``(n, 17)``.
        clips: of each crop.
    """
    held = np.zeros_like(truth)
    groups = pd.factorize(clips)[0] % N_GROUPS
    for group in range(N_GROUPS):
        test = groups == group
        for column, unit in enumerate(units.names()):
            weights, constant = fitted(shapes[~test], truth[~test, column], unit)
            held[test, column] = shapes[test] @ weights + constant
    return held


def measured(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return blendshapes ``(n, 52)`` of crops, their clips, and their places in the clip."""
    detect = detectors.load("yunet").detect
    rows = []
    for clip, place, gray in crops(path):
        wide = np.pad(gray, BORDER_PX, mode="edge")
        box = faces.choose(detect(wide), wide.shape)
        shapes = blendshapes.sequence([(Frame(place, 0.0, wide), box)])[0]
        if np.isfinite(shapes).all():
            rows.append((shapes, clip, place))
    shapes, clips, places = zip(*rows, strict=True)
    return np.stack(shapes).astype(float), np.array(clips), np.array(places)


def matched(path: str, clips: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return OpenFace's intensities ``(n, 17)`` at the frames of crops."""
    with np.load(path, allow_pickle=False) as table:
        columns = [list(table["au_names"]).index(unit) for unit in units.names()]
        values, whose = table["au"][:, columns], table["clip"]
    own = {clip: values[whose == clip] for clip in np.unique(clips)}
    rows = []
    for clip, place in zip(clips, places, strict=True):
        there = own[clip]
        at = min(round(FIRST_FRAME + STEP_FRAMES * place), len(there) - 1)
        rows.append(there[max(0, at - NEAR_FRAMES) : at + NEAR_FRAMES + 1].mean(axis=0))
    return np.array(rows, float)


def fitted(shapes: np.ndarray, truth: np.ndarray, unit: str) -> tuple[np.ndarray, float]:
    """Return weights ``(52,)`` of a unit, at least 0, and its constant."""
    from scipy.optimize import nnls

    named = units.MADE_OF[unit]
    values = np.column_stack([shapes[:, units.sides(name)].mean(axis=1) for name in named])
    # The constant may be negative: one column for either sign.
    one = np.ones((len(values), 1))
    found = nnls(np.hstack([values, one, -one]), truth)[0]
    weights = np.zeros(shapes.shape[1])
    for name, weight in zip(named, found, strict=False):
        weights[units.sides(name)] = weight / len(units.sides(name))
    return weights, float(found[-2] - found[-1])


def write(path: str, shapes: np.ndarray, truth: np.ndarray, error: np.ndarray) -> None:
    """Fit on all crops, and write weights, constants and errors as JSON."""
    content = {}
    for column, unit in enumerate(units.names()):
        weights, constant = fitted(shapes, truth[:, column], unit)
        named = {name: round(weights[units.sides(name)].sum(), 5) for name in units.MADE_OF[unit]}
        content[unit] = {"weights": {k: v for k, v in named.items() if v}}
        content[unit] |= {"constant": round(constant, 5), "error": round(float(error[column]), 4)}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
