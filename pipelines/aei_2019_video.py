"""System A's video networks: the CNN of 60 million parameters, and the FER transfer.

Published: the CNN on every 20th frame, 256x256, grey, trained from a generator
with augmentation in 50 epochs of 25 steps: accuracy 0.55 to 0.65 in training,
0.60 on two actors it had not seen. The transfer from FER2013: 0.35.

With ``--data`` the films of RAVDESS are used: trained on all actors but the
last two, tested on those. Without, the networks are trained through the same
generator on a corpus that this command draws, which shows that they train and
says nothing about people. ``--faces`` adds a smoke run on the labelled face
crops of one actor, first repetition against second: the same face, the same
sentences, the same day. That is no speaker-independent figure and no measure
of either network; it is there because one actor is what some have.

    python pipelines/aei_2019_video.py --fer models/fer_cnn --faces faces_bgr224_jpeg.npz
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from multimodal_ser.cli import terminal
from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.datasets import ravdess, synthetic
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import metrics
from multimodal_ser.fusion import aggregate
from multimodal_ser.tables import make_clips
from multimodal_ser.video import backbones, faces, frames
from multimodal_ser.video.detectors import haar
from multimodal_ser.video.extract import ClipFrames, FrameParams, FrameStore, extract
from multimodal_ser.video.model import VideoModel

PUBLISHED = {"aei_cnn": "60 on two actors", "fer_transfer": "35"}


class Task(NamedTuple):
    """What is trained on what: clips, their frames for a front end, and who tests."""

    name: str
    clips: pd.DataFrame
    test: pd.Series

    def split(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the training and the test clips."""
        return self.clips[~self.test], self.clips[self.test]


def main() -> None:
    """Train both networks and print the table."""
    options = _options()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        films = options.data or _corpus(Path(folder) / "corpus", options)
        clips = ravdess.index(films)
        clips = clips[clips["video"].notna()]
        name = "RAVDESS films" if options.data else "drawn corpus"
        task = Task(f"{name}, two actors tested", clips, _last_two(clips))
        cache = Cache(options.cache or default_folder())
        for backbone in options.backbones.split(","):
            params = backbones.load(backbone).PARAMS
            store, failures = extract(task.clips, params, cache=cache)
            for error in failures["error"]:
                print(f"error: {error}")
            rows.append(_measured(backbone, task, store, options))
    if options.faces:
        task, pictures = _one_actor(options.faces)
        for backbone in options.backbones.split(","):
            store = _face_store(pictures, backbones.load(backbone).PARAMS)
            rows.append(_measured(backbone, task, store, options))
    text = terminal.markdown(pd.DataFrame(rows))
    print(f"\n{text}")
    if options.output:
        Path(options.output).write_text(text + "\n", encoding="utf-8")


def _measured(backbone: str, task: Task, store: FrameStore, options) -> dict:
    """Train one network and return its row."""
    own = backbones.load(backbone).TRAINING
    training = replace(
        own,
        epochs=options.epochs or own.epochs,
        steps_per_epoch=options.steps or own.steps_per_epoch,
        batch_size=options.batch_size or own.batch_size,
    )
    weights = Path(options.fer) / "video.keras" if options.fer else None
    weights = weights if backbone == "fer_transfer" else None
    model = VideoModel(backbone, seed=options.seed, training=training, weights=weights)
    train, test = task.split()
    started = time.monotonic()
    model.fit(store, train)
    minutes = (time.monotonic() - started) / 60
    told = model.predict_frames(store, test)
    each = told.reset_index(drop=True).rename_axis("clip")
    truth = test["emotion"].astype(str)
    frame_truth = truth[told.index.get_level_values("clip")].reset_index(drop=True)
    clips = metrics.score(aggregate.pool_frames(told), truth)
    return {
        "network": backbone,
        "parameters": model.network.count_params(),
        "started from": "FER2013" if weights else "chance",
        "data": task.name,
        "published %": PUBLISHED.get(backbone, ""),
        "steps": f"{training.epochs} x {training.steps_per_epoch} of {training.batch_size} frames",
        "training accuracy %": 100 * model.history["accuracy"].iloc[-1],
        "frame accuracy %": 100 * metrics.score(each, frame_truth)["war"],
        "clip accuracy %": 100 * clips["war"],
        "clips tested": int(clips["n"]),
        "minutes": minutes,
    }


def _last_two(clips: pd.DataFrame) -> pd.Series:
    actors = sorted(clips["actor"].unique())
    if len(actors) < 4:
        raise SerError(f"films of {len(actors)} actors; two to test and two to train are needed")
    return clips["actor"].isin(actors[-2:])


def _corpus(folder: Path, options) -> Path:
    synthetic.make_corpus(folder, actors=6, takes=2, seed=options.seed)
    return folder


def _one_actor(path: str) -> tuple[Task, dict[str, np.ndarray]]:
    """Return the second repetition against the first, and each clip's grey pictures."""
    import cv2

    with np.load(path, allow_pickle=False) as entry:
        jpeg, offset, clip = entry["jpeg"], entry["offset"], entry["clip"]
    pictures: dict[str, list[np.ndarray]] = {}
    for k, name in enumerate(clip):
        gray = cv2.imdecode(jpeg[offset[k] : offset[k + 1]], cv2.IMREAD_GRAYSCALE)
        pictures.setdefault(str(name), []).append(gray)
    rows = [ravdess.row([f"{name}.mp4"]) for name in pictures]
    clips = make_clips(rows)
    named = {ravdess.parse_name(name).clip: np.stack(shown) for name, shown in pictures.items()}
    task = Task("one actor, second repetition tested", clips, clips["repetition"] == "02")
    return task, named


def _face_store(pictures: dict[str, np.ndarray], params: FrameParams) -> FrameStore:
    return FrameStore({clip: _prepared(shown, params) for clip, shown in pictures.items()})


def _prepared(shown: np.ndarray, params: FrameParams) -> ClipFrames:
    """Return pictures as the front end would: whole, or cut to the face."""
    if params.crop == "frame":
        ready = [frames.resize(gray, params.size_px) for gray in shown]
        return ClipFrames.of_pictures(np.stack(ready))
    boxes = [faces.choose(haar.detect(gray), gray.shape) for gray in shown]
    found = [
        faces.crop(gray, box, params.size_px)
        for gray, box in zip(shown, boxes, strict=True)
        if box is not None
    ]
    return ClipFrames.of_pictures(np.stack(found or [np.zeros((params.size_px,) * 2, np.uint8)]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", help="folder with RAVDESS films (default: a drawn corpus)")
    parser.add_argument("--faces", help=".npz of one actor's labelled face crops")
    parser.add_argument("--fer", help="folder of a fer_cnn trained by train_fer.py")
    parser.add_argument("--backbones", default=",".join(PUBLISHED), help="(default: both)")
    parser.add_argument("--epochs", type=int, help="(default: the source's 50)")
    parser.add_argument("--steps", type=int, help="batches an epoch (default: the source's 25)")
    parser.add_argument("--batch-size", type=int, help="frames a batch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", help="where sampled frames are kept")
    parser.add_argument("--output", help="also write the table, as Markdown, to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
