r"""The released models, from data: made, measured, and their cards written.

``models/ravdess``: the voice by logistic regression and perceptrons on 2,669
functionals and on 5,500 answers of random kernels (``vote_per_feature_set``), trained on all
1,440 speech clips of RAVDESS; the face by the network of ``models/fer_plus`` trained
on with FER2013's own labels (``train_fer.py``), mapped to the eight emotions. The
voice's temperature is fitted on held-out probabilities of the Luna folds, the face's
on FER2013's public test. Films of many actors were not at hand to learn fusion weights from, so the
two calibrated modalities are multiplied, which supposes that they err
independently and has nothing to fit.

``models/fer_plus``: that network as it was trained, with its card.

The cards' figures are those that this command prints; ``--check`` prints them and
writes nothing. ``--actor05`` adds the 60 clips of the one actor whose labelled faces
are at hand: his voice by a model that never heard him, his face by the network
that saw no RAVDESS film. One actor is an anecdote, not a benchmark.

    python pipelines/build_models.py --data RAVDESS --fer FER2013.npz \
        --networks FER_PLUS --face FER_SEVEN --actor05 faces_bgr224_jpeg.npz --output models
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

import evaluate_fer
import numpy as np
import pandas as pd
from multimodal_ser.audio.model import AudioModel

from multimodal_ser.audio.extract import extract
from multimodal_ser.cli import terminal
from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.datasets import fer2013, ravdess
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import metrics, protocol
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.fusion import aggregate, calibration
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.reports.model_card import write_card
from multimodal_ser.tables import EMOTIONS, Features
from multimodal_ser.video import mapping
from multimodal_ser.video.model import VideoModel
from multimodal_ser.workflows.models import Model, write_json
from multimodal_ser.workflows.training import origin, run_record

BACKBONE = "fer_resnet"
FEATURES, CLASSIFIER, POOLING, FUSION = (
    "functionals_and_convolutions",
    "vote_per_feature_set",
    "mean",
    "product",
)
TEXTS = Path(__file__).parent / "model_cards"


class Face(NamedTuple):
    """The network behind the face part, what its outputs are divided by, its temperature."""

    network: evaluate_fer.Network
    prior: np.ndarray
    temperature: float


def main() -> int:
    """Measure, print, and write the models unless told not to."""
    options = _options()
    try:
        _build(options)
    except SerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _build(options) -> None:
    started = time.monotonic()
    clips, features = _voices(options)
    held = _held_out(clips, features, options.seed)
    temperature = calibration.fit_temperature(held, clips["emotion"])
    tables = {"voice": _voice_table(clips, held, options.seed)}
    data = fer2013.distinct(fer2013.read(options.fer))
    scores, recalls = evaluate_fer.on_ferplus(evaluate_fer.ours(options.networks), data)
    tables["face"] = pd.DataFrame([scores])
    tables["face_classes"] = recalls.rename("recall %").rename_axis("class").reset_index()
    face, tables["face_seven"] = _face(options, data)
    temperatures = {"audio": temperature, "video": face.temperature}
    if options.actor05:
        tables["actor05"] = _one_actor(options, clips, held, face, temperatures)
    for name, table in tables.items():
        print(f"\n{name}\n\n{terminal.markdown(table)}", flush=True)
    print(f"\ntemperatures: {temperatures}")
    if not options.check:
        record = run_record(None, clips, seconds=round(time.monotonic() - started, 1))
        record |= {"seed": options.seed, "recipe": "pipelines/build_models.py"}
        _write(options, clips, features, face, temperatures, tables, record)


def _voices(options) -> tuple[pd.DataFrame, Features]:
    clips = ravdess.index(options.data)
    clips = clips[(clips["channel"] == "speech") & clips["audio"].notna()]
    cache = Cache(options.cache or default_folder())
    features, failures = extract(clips, FEATURES, cache=cache)
    for error in failures["error"]:
        print(f"error: {error}", file=sys.stderr)
    return clips[clips.index.isin(features.clips)], features


def _held_out(clips: pd.DataFrame, features: Features, seed: int) -> pd.DataFrame:
    """Return the voice's probabilities of every clip by a model that never heard its actor."""

    def fit(train: pd.DataFrame):
        model = AudioModel(FEATURES, CLASSIFIER, seed=seed).fit(features, train)
        return lambda test: {"audio": model.predict(features, test.index)}

    return protocol.run(clips, make_folds(clips, "luna5", seed=seed), fit)["audio"]


def _voice_table(clips: pd.DataFrame, held: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return metrics of the held-out voice; its calibration never saw the fold it is used on."""
    parts = []
    for fold in make_folds(clips, "luna5", seed=seed):
        others = held.drop(index=fold.test)
        temperature = calibration.fit_temperature(others, clips["emotion"])
        parts.append(calibration.soften(held.loc[fold.test], temperature))
    found = protocol.summary(pd.concat(parts), clips, seed=seed)
    raw = metrics.score(held, clips["emotion"])["ece"]
    named = {
        "UAR %": "uar",
        "low": "uar_low",
        "high": "uar_high",
        "WAR %": "war",
        "top-2 %": "top2",
    }
    row = {shown: 100 * found[name] for shown, name in named.items()}
    row |= {"ECE % raw": 100 * raw, "ECE % calibrated": 100 * found["ece"], "clips": found["n"]}
    return pd.DataFrame([row])


def _face(options, data: fer2013.FacePictures) -> tuple[Face, pd.DataFrame]:
    """Return the face part, calibrated on FER2013's public test, measured on its private one."""
    network = evaluate_fer.ours(options.face)
    prior = evaluate_fer.training_prior(data, network).to_numpy()
    held, truth = _seven(network, data, 1)
    temperature = calibration.fit_temperature(held, truth)
    table, truth = _seven(network, data, 2)
    raw, scores = (metrics.score(calibration.soften(table, t), truth) for t in (1.0, temperature))
    named = {"accuracy %": "war", "UAR %": "uar", "ECE % calibrated": "ece"}
    row = {shown: 100 * scores[name] for shown, name in named.items()}
    row |= {"ECE % raw": 100 * raw["ece"], "temperature": temperature, "pictures": scores["n"]}
    return Face(network, prior, temperature), pd.DataFrame([row])


def _seven(network, data: fer2013.FacePictures, usage: int) -> tuple[pd.DataFrame, pd.Series]:
    """Return probabilities and truth of FER2013's own seven labels."""
    chosen = data.usage == usage
    table = pd.DataFrame(network.predict(data.pictures[chosen]), columns=list(network.labels))
    table = table[list(fer2013.FER_LABELS)].rename_axis("clip")
    truth = pd.Series([fer2013.FER_LABELS[k] for k in data.labels[chosen]]).rename_axis("clip")
    return table.div(table.sum(axis=1), axis=0), truth


def _one_actor(options, clips, held, face: Face, temperatures: dict) -> pd.DataFrame:
    pictures, index = evaluate_fer.ravdess_faces(options.actor05, "haar")
    labels = list(face.network.labels)
    frames = mapping.to_emotions(
        pd.DataFrame(face.network.predict(pictures), index, labels), face.prior
    )
    video = aggregate.pool_frames(frames, POOLING)
    video.index = pd.Index([ravdess.parse_name(name).clip for name in video.index], name="clip")
    tables = {"audio": held.loc[video.index], "video": video}
    tables = {m: calibration.soften(table, temperatures[m]) for m, table in tables.items()}
    tables["fused"] = Fuser(FUSION)(tables)
    rows = []
    for modality, table in tables.items():
        scores = metrics.score(table, clips["emotion"])
        shown = {"accuracy %": "war", "UAR %": "uar", "top-2 %": "top2", "ECE %": "ece"}
        row = {"modality": modality} | {k: 100 * scores[v] for k, v in shown.items()}
        rows.append(row | {"clips": int(scores["n"])})
    return pd.DataFrame(rows)


def _write(options, clips, features, face: Face, temperatures, tables, record) -> None:
    audio = AudioModel(FEATURES, CLASSIFIER, seed=options.seed).fit(features, clips)
    matrix = mapping.weights(list(face.network.labels), face.prior)
    video = VideoModel.of_network(
        BACKBONE,
        mapping.mapped(evaluate_fer.load_network(Path(options.face) / "video.keras"), matrix),
        labels=EMOTIONS,
        pooling=POOLING,
    )
    model = Model(
        audio, video, pooling=POOLING, fuser=Fuser(FUSION), temperatures=dict(temperatures)
    )
    output = Path(options.output)
    print(f"wrote {model.save(output / 'ravdess', record, original=False)}")
    plain = output / "fer_plus"
    plain.mkdir(parents=True, exist_ok=True)
    for name in ("video.keras", "video.json", "history.csv", "run.json"):
        source = Path(options.networks) / name
        if source.exists() and source.resolve() != (plain / name).resolve():
            shutil.copyfile(source, plain / name)
    if not (plain / "run.json").exists():
        epochs = len(pd.read_csv(plain / "history.csv"))
        about = {"recipe": "pipelines/train_fer.py", "labels": "ferplus", "epochs": epochs}
        write_json(plain / "run.json", about | {"seed": options.seed} | origin())
    for name in ("ravdess", "fer_plus"):
        print(f"wrote {write_card(output / name, name, _card(name, tables))}")


def _card(name: str, tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """Return a card's sections: the texts beside this recipe, with measured tables put in."""
    text = (TEXTS / f"{name}.md").read_text(encoding="utf-8")
    for key, table in tables.items():
        text = text.replace(f"{{{{{key}}}}}", terminal.markdown(table))
    parts = text.split("\n## ")[1:]
    return {part.partition("\n")[0].strip(): part.partition("\n")[2] for part in parts}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder with the RAVDESS speech clips")
    parser.add_argument("--fer", required=True, help="FER2013 with FER+ votes")
    parser.add_argument("--networks", required=True, help="fer_resnet trained on FER+")
    parser.add_argument("--face", required=True, help="the same, trained on with FER2013's labels")
    parser.add_argument("--actor05", help=".npz of that actor's labelled face crops")
    parser.add_argument("--output", default="models", help="(default: models)")
    parser.add_argument("--check", action="store_true", help="print the figures, write nothing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", help="where features are kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
