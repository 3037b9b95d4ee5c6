r"""Face networks trained on FER2013, with the votes of FER+ or with its own labels.

``--labels ferplus``: the shares of FER+'s votes as soft targets, copies of
images removed. The epoch with the least loss on the public test is kept; the
private test is left to ``evaluate_fer.py``.

``--labels fer2013``: FER2013's seven labels, rare ones weighing more. Raters of FER+
call a face neutral that FER2013's makers had found by searching for "angry" or "afraid";
for people who speak, whose expressions are slight, the latter is the better
teacher. ``--start`` begins with the weights of a network trained before.

Every epoch is a checkpoint: run the command again and it resumes.

    python pipelines/train_fer.py --data FER2013.npz --output models/fer_plus
    python pipelines/train_fer.py --data FER2013.npz --labels fer2013 \
        --start models/fer_plus --output FER_SEVEN
    python pipelines/train_fer.py --data FER2013.npz --backbone fer_cnn --output FER_CNN
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path

import _common
import numpy as np
import pandas as pd

from multimodal_ser.datasets import fer2013
from multimodal_ser.video import backbones
from multimodal_ser.video.backbones import Training
from multimodal_ser.video.batches import augmented_much
from multimodal_ser.video.extract import ClipFrames, FrameStore
from multimodal_ser.video.model import VideoModel
from multimodal_ser.workflows.models import Model
from multimodal_ser.workflows.records import origin

#: How each backbone is trained from scratch. ``fer_cnn`` has no batch
#: normalisation and wants Adam's small steps.
FROM_SCRATCH = {
    "fer_resnet": backbones.load("fer_resnet").FROM_SCRATCH,
    "fer_cnn": replace(backbones.load("fer_cnn").TRAINING, epochs=15, patience=15),
}
#: How a trained network is trained on.
GOING_ON = Training(
    batch_size=128, epochs=4, learning_rate=0.003, patience=4, optimizer="sgd", weight_decay=5e-4
)


def main() -> None:
    """Train one network and keep it."""
    options = _options()
    faces = fer2013.distinct(fer2013.read(options.data))
    store, targets = picture_store(faces, options.labels)
    usage = faces.usage[targets.index.map(int)]
    settings = GOING_ON if options.start else FROM_SCRATCH[options.backbone]
    if options.epochs:
        settings = replace(settings, epochs=options.epochs)
    model = VideoModel(
        options.backbone,
        labels=fer2013.FERPLUS_LABELS,
        seed=options.seed,
        training=settings,
        augment=augmented_much,
        weights=_common.network_file(options.start) if options.start else None,
    )
    output, started = Path(options.output), time.monotonic()
    print(f"{len(faces.pictures)} different images, {(usage == 0).sum()} to train on")
    model.fit_shares(
        store, targets[usage == 0], targets[usage == 1], checkpoint=output / ".checkpoint"
    )
    minutes = round((time.monotonic() - started) / 60, 1)
    record = origin() | {"labels": options.labels, "settings": asdict(settings)}
    record |= {"seed": options.seed, "minutes": minutes}
    Model({model.name: model}, model.labels).save(output, record)
    model.history.to_csv(output / "history.csv")
    print(f"{output}: trained in {minutes} minutes")


def picture_store(faces: fer2013.FacePictures, labels: str) -> tuple[FrameStore, pd.DataFrame]:
    """Return the images as one-frame clips named by their row, and their targets.

    Targets are columns of FER+'s labels. Rows of ``fer2013`` sum to the weight
    of their class, in which the loss is linear: the root of how much rarer than
    the average it is. (The full ratio gives disgust ten times the say of the
    others, and training went astray.)
    """
    shares, usable = fer2013.vote_shares(faces.votes)
    if labels == "fer2013":
        codes = np.array([fer2013.FERPLUS_LABELS.index(label) for label in fer2013.FER_LABELS])
        shares = np.eye(len(fer2013.FERPLUS_LABELS), dtype=np.float32)[codes[faces.labels]]
        counts = shares[usable & (faces.usage == 0)].sum(axis=0)
        mean = counts.sum() / len(fer2013.FER_LABELS)
        shares = shares * np.sqrt(mean / np.maximum(counts, 1)).astype(np.float32)
    names = [str(k) for k in np.flatnonzero(usable)]
    store = FrameStore(
        {name: ClipFrames.of_pictures(faces.pictures[[int(name)]]) for name in names}
    )
    index = pd.Index(names, name="clip")
    return store, pd.DataFrame(shares[usable], index, list(fer2013.FERPLUS_LABELS))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="FER2013 with FER+ votes")
    parser.add_argument("--output", required=True, help="folder of the trained network")
    parser.add_argument("--backbone", choices=list(FROM_SCRATCH), default="fer_resnet")
    parser.add_argument("--labels", choices=("ferplus", "fer2013"), default="ferplus")
    parser.add_argument("--start", metavar="FOLDER", help="a network trained before")
    parser.add_argument("--epochs", type=int, help="(default: the recipe's own)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
