"""AEI 2019's video networks: the CNN of 60 million parameters, and the FER transfer.

Published: the CNN on every 20th frame, 256x256, grey, trained from a generator
with augmentation in 50 epochs of 25 steps: accuracy 0.55 to 0.65 in training,
0.60 on two actors it had not seen. The transfer from FER2013: 0.35.

With ``--data`` the videos of RAVDESS are used: trained on all actors but the
last two, of whom a fifth stops the training, and tested on those two. Without, the
networks are trained through the same generator on a corpus that this command
draws, which shows that they train and says nothing about people. ``--faces`` adds a
smoke run on the labelled face crops of one actor, first repetition against second:
the same face, the same sentences, the same day. That is no speaker-independent
figure and no measure of either network; it is there because one actor is what
some have.

    python pipelines/aei_2019_video.py --fer models/fer_cnn --faces faces_bgr224_jpeg.npz
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

import _common
import numpy as np
import pandas as pd
from evaluate_fer import crops

from multimodal_ser.cli import terminal
from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.datasets import ravdess, synthetic
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import metrics
from multimodal_ser.fusion import aggregate
from multimodal_ser.tables import failure_table, make_clips
from multimodal_ser.video import backbones, faces, frames
from multimodal_ser.video.detectors import haar
from multimodal_ser.video.extract import ClipFrames, FrameParams, FrameStore
from multimodal_ser.workflows.data import Data, extract
from multimodal_ser.workflows.recipes import FRAMES, Learner, Recipe
from multimodal_ser.workflows.training import fit_learner

PUBLISHED = {"aei_cnn": "60 on two actors", "fer_transfer": "35"}


def main() -> int:
    """Train both networks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", help="folder with RAVDESS videos (default: a drawn corpus)")
    parser.add_argument("--faces", help=".npz of one actor's labelled face crops")
    parser.add_argument("--fer", help="folder of a fer_cnn trained by train_fer.py")
    parser.add_argument("--backbones", default=",".join(PUBLISHED), help="(default: both)")
    parser.add_argument("--epochs", type=int, help="(default: the source's 50)")
    parser.add_argument("--steps", type=int, help="batches per epoch (default: the source's 25)")
    parser.add_argument("--batch-size", type=int, help="frames per batch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", help="where sampled frames are kept")
    parser.add_argument("--output", help="also write the table, as Markdown, to this file")
    return _common.finish(parser.parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Return the table, as Markdown.

    Args:
        options: of :func:`main`.

    Raises:
        SerError: a backbone is unknown, or there are too few actors.
    """
    names = _common.chosen(options.backbones, tuple(PUBLISHED), "backbone")
    recipes = {name: recipe(name, options) for name in names}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        if not options.data:
            synthetic.make_corpus(folder, actors=6, takes=2, seed=options.seed)
        clips = ravdess.index(options.data or folder)
        clips = clips[clips["video"].notna()]
        name = "RAVDESS videos" if options.data else "drawn corpus"
        for one in recipes.values():
            data = extract(clips, one, cache=Cache(options.cache or default_folder()))
            for error in data.failures["error"].unique():
                print(f"error: {error}", file=sys.stderr)
            rows.append(_row(one, data, last_two(clips), f"{name}, two actors tested"))
    for one in recipes.values() if options.faces else ():
        data = one_actor(options.faces, one)
        second = data.clips["repetition"] == "02"
        rows.append(_row(one, data, second, "one actor, second repetition tested"))
    return terminal.markdown(pd.DataFrame(rows))


def recipe(backbone: str, options: argparse.Namespace) -> Recipe:
    """Return one network with the source's training, or the one that the options ask for."""
    given = {"epochs": options.epochs, "steps_per_epoch": options.steps}
    given |= {"batch_size": options.batch_size}
    settings = {name: value for name, value in given.items() if value}
    params: dict = {"training": replace(backbones.load(backbone).TRAINING, **settings)}
    if options.fer and backbone == "fer_transfer":
        params["weights"] = str(_common.network_file(options.fer))
    learner = Learner("video", FRAMES, backbone, params)
    return Recipe(audio=None, video=(learner,), inner_folds=0, seed=options.seed)


def last_two(clips: pd.DataFrame) -> pd.Series:
    """Tell which clips are of the last two actors.

    Raises:
        SerError: there are fewer than four actors.
    """
    actors = sorted(clips["actor"].unique())
    if len(actors) < 4:
        raise SerError(f"videos of {len(actors)} actors; two to test and two to train are needed")
    return clips["actor"].isin(actors[-2:])


def _row(recipe: Recipe, data: Data, tested: pd.Series, what: str) -> dict:
    """Train one network and return its row."""
    (learner,), test = recipe.video, data.clips[tested]
    started = time.monotonic()
    model = fit_learner(learner, data, data.clips[~tested], recipe, progress=True)
    minutes = (time.monotonic() - started) / 60
    said = model.predict_frames(data.inputs[learner.key], test)
    truth = test["emotion"].astype(str)
    frame_truth = truth[said.index.get_level_values("clip")].reset_index(drop=True)
    by_frame = metrics.score(said.reset_index(drop=True).rename_axis("clip"), frame_truth)
    by_clip = metrics.score(aggregate.pool_frames(said), truth)
    settings = model.training
    steps = f"{settings.epochs} x {settings.steps_per_epoch} of {settings.batch_size} frames"
    return {
        "network": learner.classifier,
        "parameters": model.network.count_params(),
        "started from": "FER2013" if "weights" in learner.params else "chance",
        "data": what,
        "published %": PUBLISHED[learner.classifier],
        "steps at most": steps,
        "training accuracy %": 100 * model.history["accuracy"].iloc[-1],
        "frame accuracy %": 100 * by_frame["war"],
        "clip accuracy %": 100 * by_clip["war"],
        "clips tested": int(by_clip["n"]),
        "minutes": minutes,
    }


def one_actor(path: str, recipe: Recipe) -> Data:
    """Return one actor's face crops as the clips and frames of a network.

    Args:
        path: ``.npz`` of the crops.
        recipe: of the network.
    """
    (learner,) = recipe.video
    prepared = _front_end(backbones.load(learner.classifier).PARAMS)
    shown: dict[str, list[np.ndarray]] = {}
    for name, _, gray in crops(path):
        shown.setdefault(name, []).append(gray)
    clips = make_clips(ravdess.row([f"{name}.mp4"]) for name in shown)
    named = {ravdess.parse_name(name).clip: prepared(images) for name, images in shown.items()}
    return Data(clips, {learner.key: FrameStore(named)}, failure_table([]))


def _front_end(params: FrameParams) -> Callable[[list[np.ndarray]], ClipFrames]:
    """Return what cuts images as the front end would: whole, or to the face."""

    def prepared(shown: list[np.ndarray]) -> ClipFrames:
        if params.crop == "frame":
            return ClipFrames.of_pictures(
                np.stack([frames.resize(gray, params.size_px) for gray in shown])
            )
        boxes = [faces.choose(haar.detect(gray), gray.shape) for gray in shown]
        found = [
            faces.crop(gray, box, params.size_px)
            for gray, box in zip(shown, boxes, strict=True)
            if box is not None
        ]
        nothing = np.zeros((params.size_px,) * 2, np.uint8)
        return ClipFrames.of_pictures(np.stack(found or [nothing]))

    return prepared


if __name__ == "__main__":
    sys.exit(main())
