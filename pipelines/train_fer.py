"""Face networks trained on FER2013 with the votes of FER+ as soft targets.

Trains ``fer_resnet``, ours, and ``fer_cnn``, system A's, on the training pictures
(copies removed), stops by none of the test pictures, and measures both on
FER+'s private test; see ``evaluate_fer.py`` for the measuring. Every epoch is
a checkpoint: run the command again and it goes on where it was stopped.

    python pipelines/train_fer.py --data FER2013.npz --output models/fer
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd

from multimodal_ser.datasets import fer2013
from multimodal_ser.inference import write_json
from multimodal_ser.training import run_record
from multimodal_ser.video import backbones
from multimodal_ser.video.batches import augmented_much
from multimodal_ser.video.extract import ClipFrames, FrameStore
from multimodal_ser.video.model import VideoModel

#: ``fer_cnn`` has no batch normalisation and wants Adam's small steps.
SETTINGS = {
    "fer_resnet": backbones.load("fer_resnet").FROM_SCRATCH,
    "fer_cnn": replace(backbones.load("fer_cnn").TRAINING, epochs=30, patience=30),
}


def main() -> None:
    """Train one network and keep it."""
    options = _options()
    faces = fer2013.distinct(fer2013.read(options.data))
    store, targets = picture_store(faces)
    parts = [targets[faces.usage[targets.index.map(int)] == usage] for usage in (0, 1)]
    print(f"{len(faces.pictures)} different pictures, {len(parts[0])} to train on")
    training = SETTINGS[options.backbone]
    if options.epochs:
        training = replace(training, epochs=options.epochs)
    model = VideoModel(
        options.backbone,
        labels=fer2013.FERPLUS_LABELS,
        seed=options.seed,
        training=training,
        augment=augmented_much,
    )
    output = Path(options.output)
    started = time.monotonic()
    model.fit_shares(store, *parts, checkpoint=output / ".checkpoint")
    model.save_weights(output / "video.keras")
    model.history.to_csv(output / "history.csv")
    write_json(output / "video.json", model.describe())
    print(f"{output}: trained in {(time.monotonic() - started) / 60:.0f} minutes")


def picture_store(faces: fer2013.FacePictures) -> tuple[FrameStore, pd.DataFrame]:
    """Return the pictures as one-frame clips named by their row, and their targets."""
    shares, usable = fer2013.vote_shares(faces.votes)
    names = [str(k) for k in usable.nonzero()[0]]
    store = FrameStore({name: ClipFrames.of_pictures(faces.pictures[[int(name)]]) for name in names})
    return store, pd.DataFrame(shares[usable], pd.Index(names, name="clip"), fer2013.FERPLUS_LABELS)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="FER2013 with FER+ votes")
    parser.add_argument("--output", required=True, help="folder of the trained network")
    parser.add_argument("--backbone", choices=list(SETTINGS), default="fer_resnet")
    parser.add_argument("--epochs", type=int, help="(default: the recipe's own)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
