r"""Face networks measured: on FER+'s private test, and as a mapping to RAVDESS's emotions.

FER+: test images that are copies of training images are out; the label is
the emotion with more than half of ten votes. The temperature of each network is
fitted on the public test. ``mini_XCEPTION`` is the network that many projects
take from https://github.com/oarriaga/face_classification (MIT); it was trained
on FER2013's own labels, knows no contempt, and is measured on the same images.

RAVDESS: the face crops of one actor, if given, every network's FER labels mapped to the
eight emotions, without RAVDESS video in training. One actor is an anecdote, not
a benchmark.

    python pipelines/evaluate_fer.py --data FER2013.npz --networks FOLDER FOLDER \
        --mini-xception fer2013_mini_XCEPTION.102-0.66.hdf5 --faces faces_bgr224_jpeg.npz
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from train_fer import picture_store

from multimodal_ser.cli import terminal
from multimodal_ser.datasets import fer2013, ravdess
from multimodal_ser.estimators.networks import load_keras
from multimodal_ser.evaluation import metrics
from multimodal_ser.fusion import aggregate, calibration
from multimodal_ser.tables import EMOTIONS
from multimodal_ser.video import detectors, faces, mapping
from multimodal_ser.video.batches import as_input
from multimodal_ser.video.frames import resize
from multimodal_ser.video.model import VideoModel
from multimodal_ser.workflows.models import load_model

MINI_XCEPTION = "mini_XCEPTION"
#: The least share of a label among the training targets by which a mapping divides.
PRIOR_FLOOR = 1e-4
#: The same for a person's own clips, of which there are few.
PERSON_FLOOR = 0.01


class Network(NamedTuple):
    """A face network, and by what it was taught: ``ferplus`` or ``fer2013``."""

    name: str
    labels: tuple[str, ...]
    taught: str
    parameters: int
    predict: Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Measure and print the tables."""
    options = _options()
    data = fer2013.distinct(fer2013.read(options.data))
    networks = [ours(folder) for folder in options.networks]
    if options.mini_xception:
        networks.append(mini_xception(options.mini_xception))
    found = {network.name: on_ferplus(network, data) for network in networks}
    test = len(_labelled(data, 2)[0])
    training = int(fer2013.vote_shares(data.votes)[1][data.usage == 0].sum())
    print(f"FER+: {training} training images, {test} private test images with a majority")
    _show(options, "ferplus", pd.DataFrame([row for row, _ in found.values()]))
    _show(options, "ferplus_classes", pd.DataFrame({n: recall for n, (_, recall) in found.items()}))
    if options.faces:
        _on_ravdess(networks, data, options)


def on_ferplus(network: Network, data: fer2013.FacePictures) -> tuple[dict, pd.Series]:
    """Return a row of the table and the recall of each class on the private test."""
    public, private = (_labelled(data, usage) for usage in (1, 2))
    held = _ferplus_table(network, public[0])
    temperature = calibration.fit_temperature(held, public[1])
    table = _ferplus_table(network, private[0])
    scores = metrics.score(calibration.soften(table, temperature), private[1])
    turned = _ferplus_table(network, private[0][:, :, ::-1])
    both = metrics.score((table + turned) / 2, private[1])
    row = {
        "network": network.name,
        "parameters": network.parameters,
        "accuracy %": 100 * scores["war"],
        "with mirror image %": 100 * both["war"],
        "UAR %": 100 * scores["uar"],
        "ECE % raw": 100 * metrics.score(table, private[1])["ece"],
        "ECE % calibrated": 100 * scores["ece"],
        "temperature": temperature,
        "ms a face, batch of 32": _milliseconds(network, private[0], 32),
        "ms a face, one at a time": _milliseconds(network, private[0], 1),
    }
    return row, metrics.per_class(table, private[1])["recall"] * 100


def _labelled(data: fer2013.FacePictures, usage: int) -> tuple[np.ndarray, pd.Series]:
    winner = fer2013.majority(data.votes)
    chosen = (data.usage == usage) & (winner >= 0)
    truth = pd.Series([fer2013.FERPLUS_LABELS[k] for k in winner[chosen]])
    return data.pictures[chosen], truth.rename_axis("clip")


def _ferplus_table(network: Network, pictures: np.ndarray) -> pd.DataFrame:
    """Return probabilities of the FER+ labels; 0 for a label that a network lacks."""
    table = pd.DataFrame(network.predict(pictures), columns=list(network.labels))
    return table.reindex(columns=list(fer2013.FERPLUS_LABELS), fill_value=0.0).rename_axis("clip")


def _milliseconds(network: Network, pictures: np.ndarray, batch: int) -> float:
    """Return the least time a face over several batches, in milliseconds."""
    starts = range(0, min(20 * batch, len(pictures)), batch)
    parts = [pictures[start : start + batch] for start in starts]
    network.predict(parts[0])
    times = []
    for part in parts:
        started = time.perf_counter()
        network.predict(part)
        times.append((time.perf_counter() - started) / len(part))
    return 1000 * min(times)


def _on_ravdess(networks: list[Network], data: fer2013.FacePictures, options) -> None:
    pictures, index = ravdess_faces(options.faces, options.detector)
    truth = pd.Series({name: _emotion(name) for name in index.unique("clip")})
    print(f"RAVDESS faces: {len(truth)} clips, a face found in {len(pictures)} images")
    rows, tables = [], {}
    for network in networks:
        shown = (network.predict(pictures) + network.predict(pictures[:, :, ::-1])) / 2
        table = pd.DataFrame(shown, index, list(network.labels))
        own = aggregate.pool_frames(table).mean(axis="index").clip(lower=PERSON_FLOOR)
        priors = {"kept": None, "divided": training_prior(data, network)}
        settings = [(prior, pooling) for prior in priors for pooling in aggregate.NAMES]
        adapted = "the person's own clips (adapted)"
        for prior, pooling in [*settings, (adapted, "mean")]:
            weights = own if prior == adapted else priors[prior]
            said = mapping.to_emotions(table, weights, options.calm_share)
            clips = aggregate.pool_frames(said, pooling)
            rows.append(_mapped_row(network.name, prior, pooling, clips, truth))
            tables[network.name, prior, pooling] = clips
    _show(options, "ravdess", pd.DataFrame(rows))
    counts = metrics.confusion(tables[networks[0].name, "divided", "mean"], truth)
    print(f"{networks[0].name}, prior divided, mean of frames; rows true, columns predicted")
    _show(options, "ravdess_confusion", counts.rename_axis(None, axis=1).reset_index(names="true"))


def _mapped_row(
    name: str, prior: str, pooling: str, clips: pd.DataFrame, truth: pd.Series
) -> dict[str, object]:
    scores = metrics.score(clips, truth)
    row = {"network": name, "prior": prior, "frames to clip": pooling}
    row |= {"accuracy %": 100 * scores["war"]}
    row |= {"calm or neutral as one %": 100 * _merged_accuracy(clips, truth)}
    return row | {"UAR %": 100 * scores["uar"], "ECE %": 100 * scores["ece"]}


def training_prior(data: fer2013.FacePictures, network: Network) -> pd.Series:
    """Return how much each of a network's labels weighed in its training."""
    if network.name == MINI_XCEPTION:  # every image counted once
        counts = np.bincount(data.labels[data.usage == 0], minlength=len(fer2013.FER_LABELS))
        shares = pd.Series(counts / counts.sum(), fer2013.FER_LABELS)
    else:
        _, targets = picture_store(data, network.taught)
        weights = targets[data.usage[targets.index.map(int)] == 0].sum()
        shares = weights / weights.sum()
    return shares[list(network.labels)].clip(lower=PRIOR_FLOOR)


def _emotion(clip: str) -> str:
    return EMOTIONS[int(ravdess.parse_name(clip).emotion) - 1]


def _merged_accuracy(clips: pd.DataFrame, truth: pd.Series) -> float:
    """Return the accuracy when calm and neutral count as one emotion."""
    merged = clips.assign(neutral=clips["neutral"] + clips["calm"]).drop(columns="calm")
    return float((merged.idxmax(axis=1) == truth.replace("calm", "neutral")).mean())


def crops(path: str) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield the clip, the frame and the grey image of each stored face crop.

    Args:
        path: ``.npz`` with the arrays ``jpeg`` (bytes end to end), ``offset``, ``clip``, ``frame``.
    """
    import cv2

    with np.load(path, allow_pickle=False) as entry:
        jpeg, offset, clip, frame = (entry[k] for k in ("jpeg", "offset", "clip", "frame"))
    for k in range(len(clip)):
        gray = cv2.imdecode(jpeg[offset[k] : offset[k + 1]], cv2.IMREAD_GRAYSCALE)
        yield str(clip[k]), int(frame[k]), gray


def ravdess_faces(path: str, detector: str = "haar") -> tuple[np.ndarray, pd.MultiIndex]:
    """Return the faces of clips, cut as videos are, and their (clip, frame, time_s).

    Args:
        path: ``.npz`` of :func:`crops`.
        detector: one of ``video.detectors.NAMES``.
    """
    detect = detectors.load(detector).detect
    found, rows = [], []
    for clip, frame, gray in crops(path):
        box = faces.choose(detect(gray), gray.shape)
        if box is not None:
            found.append(faces.crop(gray, box, fer2013.SIZE_PX))
            rows.append((clip, frame, float(frame)))
    return np.stack(found), pd.MultiIndex.from_tuples(rows, names=["clip", "frame", "time_s"])


def trained(folder: str | Path) -> VideoModel:
    """Return the network of a model that ``train_fer.py`` made."""
    (model,) = load_model(folder).learners.values()
    assert isinstance(model, VideoModel)
    return model


def ours(folder: str | Path) -> Network:
    """Return a network that ``train_fer.py`` trained."""
    model = trained(folder)
    name = f"{model.backbone} ({Path(folder).name})"
    run = Path(folder) / "run.json"
    taught = json.loads(run.read_text(encoding="utf-8"))["labels"] if run.exists() else "ferplus"
    return of_keras(name, model.labels, taught, model.network)


def of_keras(name: str, labels: Sequence[str], taught: str, network) -> Network:
    """Return a ``keras.Model`` of grey faces as a network to measure."""

    def predict(pictures: np.ndarray) -> np.ndarray:
        return _in_batches(network, as_input(pictures))

    return Network(name, tuple(labels), taught, network.count_params(), predict)


def mini_xception(path: str) -> Network:
    """Return mini_XCEPTION, whose weights are a file of its makers."""
    network = load_keras().saving.load_model(path, compile=False, safe_mode=True)
    size = network.input_shape[1]

    def predict(pictures: np.ndarray) -> np.ndarray:
        # As its project prepares pictures: 64x64, -1 to 1.
        scaled = np.stack([_enlarged(picture, size) for picture in pictures])
        return _in_batches(network, 2 * as_input(scaled) - 1)

    return Network(MINI_XCEPTION, fer2013.FER_LABELS, "fer2013", network.count_params(), predict)


def _enlarged(picture: np.ndarray, size: int) -> np.ndarray:
    import cv2

    if size < len(picture):
        return resize(picture, size)
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)


def _in_batches(network, values: np.ndarray, size: int = 128) -> np.ndarray:
    parts = [values[start : start + size] for start in range(0, len(values), size)]
    return np.concatenate([network.predict_on_batch(part) for part in parts])


def _show(options, name: str, table: pd.DataFrame) -> None:
    if not isinstance(table.index, pd.RangeIndex):
        table = table.rename_axis("class").reset_index()
    text = terminal.markdown(table)
    print(f"\n{text}\n", flush=True)
    if options.output:
        Path(options.output).mkdir(parents=True, exist_ok=True)
        (Path(options.output) / f"{name}.md").write_text(text + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="FER2013 with FER+ votes")
    parser.add_argument("--networks", nargs="+", required=True, help="folders of train_fer.py")
    parser.add_argument("--mini-xception", help="its .hdf5 file")
    parser.add_argument("--faces", help=".npz of labelled RAVDESS face crops")
    parser.add_argument("--detector", choices=detectors.NAMES, default="haar")
    parser.add_argument("--calm-share", type=float, default=mapping.CALM_SHARE)
    parser.add_argument("--output", help="also write each table, as Markdown, to this folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
