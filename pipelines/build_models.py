r"""The released models, from data: made, measured, and their cards written.

``models/ravdess``: the voice of ``train_voice.py``, trained on all clips of RAVDESS,
CREMA-D and nEMO; the face by the network of ``models/fer_plus`` trained
on with FER2013's own labels (``train_fer.py``), mapped to the eight emotions. The
voice's learners are weighed on people and corpora left out; the face has a
temperature where that lowers the held-out log-loss over ten groups of FER2013's
public test images; beside it a classifier that learnt from OpenFace's action units
reads what blendshapes say of the film (``train_geometry.py``). Videos of many actors were
not at hand to learn fusion weights from, so voice and both face learners are multiplied, which
supposes that they err independently and has nothing to fit.

``models/fer_plus``: that network as it was trained, with its card.

``cremad``, made with ``--name cremad`` of CREMA-D alone, is a voice for those who may not
use data that is for non-commercial purposes only. It is not among the released ones: on
other corpora it is close to chance and sure of itself (docs/results.md).

Without ``--face``, the folder of the network trained on with FER2013's labels, the face
part is the one of the released ``ravdess``: its network is kept as it is, with its
mapping; the network before the mapping is read out of it and measured as ever. What
cannot be made again then is the training of that network, whose history and
``run.json`` are not released.

The cards' figures are those that this command prints; ``--check`` prints them and
writes nothing. ``--actor05`` adds the 60 clips of the one actor whose labelled faces
are at hand: his voice and action units by models that never met him, his face by the
network that saw no RAVDESS video. What blendshapes amount to was fitted on his faces
(without emotions), for these figures on his other clips. One actor is an anecdote,
not a benchmark.

    python pipelines/build_models.py --data RAVDESS CREMAD NEMO --fer FER2013.npz \
        --units mean_action_units.csv --actor05 faces_bgr224_jpeg.npz \
        --unit-frames au_frames.npz --models models
    python pipelines/build_models.py --name cremad --data CREMAD --models DIR
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import _common
import evaluate_fer
import fit_action_units
import numpy as np
import pandas as pd
import train_geometry
import train_voice

from multimodal_ser.cli import terminal
from multimodal_ser.datasets import fer2013
from multimodal_ser.errors import SerError
from multimodal_ser.estimators.networks import load_keras
from multimodal_ser.evaluation import metrics
from multimodal_ser.evaluation.folds import CORPORA
from multimodal_ser.fusion import aggregate, calibration
from multimodal_ser.reports.model_card import write_card
from multimodal_ser.tables import EMOTIONS, Features
from multimodal_ser.video import backbones, mapping
from multimodal_ser.video.features import estimated_action_units as estimated
from multimodal_ser.video.model import VideoModel
from multimodal_ser.workflows import released
from multimodal_ser.workflows.combining import Combiner
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.models import Model, load_model
from multimodal_ser.workflows.records import run_record

BACKBONE, POOLING, N_GROUPS = "fer_resnet", "mean", 10
FRONT = replace(backbones.load(BACKBONE).PARAMS, detector="yunet")
#: What the cards' texts call the tables that are measured.
TABLES = ("voice", "voice_corpora", "voice_groups", "face", "face_classes", "face_seven")
TABLES += ("geometry", "actor05")
TEXTS = Path(__file__).parent / "model_cards"


class Face(NamedTuple):
    """The face part, and the network behind its mapping to the eight emotions."""

    model: VideoModel
    network: evaluate_fer.Network


def main() -> int:
    """Measure, print, and write the models unless told not to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, nargs="+", help="folders of the speech corpora")
    parser.add_argument("--without-network", action="store_true", help="voice by regressions alone")
    parser.add_argument(
        "--name", choices=("ravdess", "cremad"), default="ravdess", help="(default: ravdess)"
    )
    parser.add_argument("--fer", help="FER2013 with FER+ votes, for ravdess")
    parser.add_argument("--networks", help="fer_resnet trained on FER+ (default: the released)")
    parser.add_argument(
        "--face", help="the same, trained on with FER2013's labels (default: the released)"
    )
    parser.add_argument("--units", help="OpenFace's means, a row per clip of RAVDESS, for ravdess")
    parser.add_argument("--actor05", help=".npz of that actor's labelled face crops")
    parser.add_argument("--unit-frames", help="OpenFace's action units of his frames")
    parser.add_argument("--fitted", metavar="MODEL", help="take the voice's learners from there")
    parser.add_argument("--models", default="models", help="folder to write into (default: models)")
    parser.add_argument("--check", action="store_true", help="print the figures, write nothing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--cache", help="where features are kept")
    parser.add_argument("--resume", metavar="DIR", help="keep finished folds there, and resume")
    parser.add_argument("--output", help="also write the figures, as Markdown, to this file")
    return _common.finish(parser.parse_args(), build)


def build(options: argparse.Namespace) -> str:
    """Measure the models, write them unless ``check``, and return the figures.

    Args:
        options: of :func:`main`.

    Raises:
        SerError: a file or folder cannot be used.
    """
    started = time.monotonic()
    if options.name == "ravdess" and not (options.fer and options.units):
        raise SerError(
            "the face of ravdess learns from FER2013 and from OpenFace's action units; give them "
            "as --fer FER2013.npz and --units mean_action_units.csv"
        )
    voice = train_voice.measured(options)
    if options.name != "ravdess":
        return _voice_alone(voice, options, started)
    held = voice.answers["people"]
    tables = {"voice": next(iter(voice.tables.values())), "voice_corpora": _abroad(voice)}
    tables["voice_groups"] = voice.tables["people left out, by group"]
    images = fer2013.distinct(fer2013.read(options.fer))
    plain = Path(options.networks or released.find("ravdess").parent / "fer_plus")
    scores, recalls = evaluate_fer.on_ferplus(evaluate_fer.ours(plain), images)
    tables["face"] = pd.DataFrame([scores])
    tables["face_classes"] = recalls.rename("recall %").rename_axis("class").reset_index()
    face = trained_face(options.face, images) if options.face else released_face()
    kept, tables["face_seven"] = calibrated(face.network, images)
    units = train_geometry.taught(voice.data.clips, options.units, options.seed)
    tables["geometry"] = train_geometry.measured(units, options.seed)
    geometry = train_geometry.fitted(units, units.clips)
    combiner = combined(voice, {face.model.name: 1 / kept.temperature, geometry.name: 1.0})
    if options.actor05:
        tables["actor05"] = _one_actor(options, voice, held, face, units, combiner)
    text = "\n\n".join(f"{name}\n\n{terminal.markdown(table)}" for name, table in tables.items())
    if not options.check:
        learners = train_voice.fitted(voice, options.fitted)
        learners |= {face.model.name: face.model, geometry.name: geometry}
        model = Model(
            learners,
            pooling=POOLING,
            combiner=combiner,
            adapt=voice.recipe.adapt,
            novelty=train_voice.novelty(voice),
        )
        seconds = round(time.monotonic() - started, 1)
        record = run_record(None, voice.data.clips, seconds=seconds)
        record |= {"seed": options.seed, "recipe": "pipelines/build_models.py"}
        record["voice"] = train_voice.weights(voice.pool)
        record["calibration"] = [{"answer": "video"} | asdict(kept)]
        _write(Path(options.models), model, record, plain, tables)
    return f"{text}\n\nweights: {train_voice.weights(voice.pool)}, face: {1 / kept.temperature:.3f}"


def _voice_alone(voice: train_voice.Voice, options: argparse.Namespace, started: float) -> str:
    """Write a model of the voice alone, with its card, unless ``check``; return the figures."""
    tables = {"voice": next(iter(voice.tables.values()))}
    tables["voice_groups"] = voice.tables["people left out, by group"]
    if not options.check:
        folder = Path(options.models) / options.name
        record = run_record(None, voice.data.clips, seconds=round(time.monotonic() - started, 1))
        record |= {"seed": options.seed, "recipe": "pipelines/build_models.py"}
        record["voice"] = train_voice.weights(voice.pool)
        print(
            f"wrote {train_voice.model(voice, options.fitted).save(folder, record, original=False)}"
        )
        print(f"wrote {write_card(folder, options.name, card_sections(options.name, tables))}")
    shown = "\n\n".join(f"{name}\n\n{terminal.markdown(one)}" for name, one in tables.items())
    return f"{shown}\n\nweights: {train_voice.weights(voice.pool)}"


def _abroad(voice: train_voice.Voice) -> pd.DataFrame:
    """Return the scores of each corpus by learners that did not hear it."""
    found = [table for name, table in voice.tables.items() if name.startswith(CORPORA)]
    return found[0] if found else pd.DataFrame({"not measured": ["one corpus alone"]})


def combined(voice: train_voice.Voice, seen: dict[str, float]) -> Combiner:
    """Return the pool of all learners, for every set of them that can occur.

    Args:
        voice: with its fitted pool; its learners hear a clip all or none.
        seen: learner of the face -> what its logarithm is multiplied by.
    """
    ((heard, weights),) = voice.pool.fuser.fitted.items()
    faces = [part for size in (1, 2) for part in itertools.combinations(seen, size)]
    fitted = {heard: weights}
    for part in faces:
        own = np.array([seen[name] for name in part])
        fitted |= {part: {"weights": own}}
        fitted |= {heard + part: {"weights": np.concatenate([weights["weights"], own])}}
    fuser = replace(voice.pool.fuser, modalities=heard + tuple(seen), fitted=fitted)
    modalities = dict.fromkeys(heard, "audio") | dict.fromkeys(seen, "video")
    # Of a face, alone or beside a voice, no coverage is known: its sets hold every label.
    sets = voice.sets and replace(voice.sets, thresholds={"audio": voice.sets.thresholds["audio"]})
    return Combiner(modalities, fuser, sets=sets)


def trained_face(folder: str, images: fer2013.FacePictures) -> Face:
    """Return the face part of a network that ``train_fer.py`` trained on FER2013's labels."""
    network = evaluate_fer.ours(folder)
    prior = evaluate_fer.training_prior(images, network).to_numpy()
    keras_model = evaluate_fer.trained(folder).network
    matrix = mapping.weights(list(network.labels), prior)
    mapped = mapping.mapped(keras_model, matrix)
    return Face(VideoModel.of_network(BACKBONE, mapped, labels=EMOTIONS, params=FRONT), network)


def released_face() -> Face:
    """Return the released face part, and the network that its mapping layer looks at."""
    parts = load_model("ravdess").learners.values()
    model = next(one for one in parts if one.kind == "frames")
    model.params = FRONT
    keras, whole = load_keras(), model.network
    inner = keras.Model(whole.inputs, whole.get_layer("mapping").input)
    name = f"{model.backbone} (released)"
    network = evaluate_fer.of_keras(name, fer2013.FERPLUS_LABELS, "fer2013", inner)
    return Face(model, network)


def calibrated(
    network: evaluate_fer.Network, images: fer2013.FacePictures
) -> tuple[calibration.Kept, pd.DataFrame]:
    """Return the temperature by FER2013's public test, and its metrics on the private one.

    Args:
        network: of FER+'s labels, taught FER2013's seven.
        images: of FER2013, copies removed.
    """
    held, truth = _seven(network, images, 1)
    groups = pd.Series(held.index % N_GROUPS, held.index)
    kept = calibration.fit_kept_temperature(held, truth, groups, folds=N_GROUPS)
    table, truth = _seven(network, images, 2)
    softened = calibration.soften(table, kept.temperature)
    raw, scores = (metrics.score(one, truth) for one in (table, softened))
    row = {"accuracy %": 100 * scores["war"], "UAR %": 100 * scores["uar"]}
    row |= {"NLL raw": f"{raw['nll']:.3f}", "NLL calibrated": f"{scores['nll']:.3f}"}
    row |= {"ECE % raw": 100 * raw["ece"], "ECE % calibrated": 100 * scores["ece"]}
    row |= {"temperature": f"{kept.temperature:.3f}", "images": scores["n"]}
    return kept, pd.DataFrame([row])


def _seven(network, images: fer2013.FacePictures, usage: int) -> tuple[pd.DataFrame, pd.Series]:
    """Return probabilities and truth of FER2013's own seven labels."""
    chosen = images.usage == usage
    table = pd.DataFrame(network.predict(images.pictures[chosen]), columns=list(network.labels))
    table = table[list(fer2013.FER_LABELS)].rename_axis("clip")
    truth = pd.Series([fer2013.FER_LABELS[k] for k in images.labels[chosen]]).rename_axis("clip")
    return table.div(table.sum(axis=1), axis=0), truth


def _one_actor(
    options: argparse.Namespace,
    voice: train_voice.Voice,
    held: pd.DataFrame,
    face: Face,
    units: Data,
    combiner: Combiner,
) -> pd.DataFrame:
    """Return the scores of actor 05: of each learner of his face, of both, voice, and all."""
    shown, index = evaluate_fer.ravdess_faces(options.actor05, FRONT.detector)
    scaled = evaluate_fer.as_input(shown)
    frames = pd.DataFrame(face.model.network.predict_on_batch(scaled), index, list(EMOTIONS))
    of = {Path(path).stem[6:]: clip for clip, path in voice.data.clips["audio"].items()}
    texture = aggregate.pool_frames(frames, POOLING)
    texture.index = pd.Index([of[name[6:]] for name in texture.index], name="clip")
    geometry = _geometry(options, units, of)
    seen = {face.model.name: texture, train_geometry.LEARNER.name: geometry}
    weights = combiner.fuser.fitted[tuple(seen)]["weights"]
    whole = Combiner(
        {"voice": "audio"} | dict.fromkeys(seen, "video"),
        temperatures=dict(zip(seen, 1 / weights, strict=True)),
    )
    answers = whole(seen | {"voice": held.loc[texture.index]}, texture.index)
    rows = []
    kinds = {"face: network": texture, "face: action units": geometry}
    kinds |= {"face": answers["video"], "voice": answers["audio"], "fused": answers["fused"]}
    for name, table in kinds.items():
        scores = metrics.score(table, voice.data.clips["emotion"])
        named = {"accuracy %": "war", "UAR %": "uar", "top-2 %": "top2", "ECE %": "ece"}
        row = {"answer": name} | {k: 100 * scores[v] for k, v in named.items()}
        rows.append(row | {"NLL": f"{scores['nll']:.3f}", "clips": int(scores["n"])})
    return pd.DataFrame(rows)


def _geometry(options: argparse.Namespace, units: Data, of: dict[str, str]) -> pd.DataFrame:
    """Return what others' action units say of his clips; the map was fitted on other clips."""
    shapes, names, places = fit_action_units.measured(options.actor05)
    truth = fit_action_units.matched(options.unit_frames, names, places)
    held = fit_action_units.held_out(shapes, truth, names)
    found = {of[name[6:]]: estimated.summarise(held[names == name]) for name in np.unique(names)}
    whose = units.clips.loc[list(found), "actor"].iloc[0]
    others = units.clips[units.clips["actor"] != whose]
    values = np.stack(list(found.values()))
    clips = pd.Index(list(found), name="clip", dtype=object)
    table = Features(clips, values, estimated.names())
    return train_geometry.fitted(units, others).predict(table)


def _write(output: Path, model: Model, record: dict, networks: Path, tables: dict):
    print(f"wrote {model.save(output / 'ravdess', record, original=False)}")
    for part in ("audio", "video"):  # where models of an earlier format kept their weights
        shutil.rmtree(output / "ravdess" / part, ignore_errors=True)
    plain = output / "fer_plus"
    if networks.resolve() != plain.resolve():
        hidden = shutil.ignore_patterns(".*", "MODEL_CARD.md")
        shutil.copytree(networks, plain, ignore=hidden, dirs_exist_ok=True)
    for name in ("ravdess", "fer_plus"):
        print(f"wrote {write_card(output / name, name, card_sections(name, tables))}")


def card_sections(name: str, tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """Return a card's sections: the texts beside this recipe, with measured tables put in.

    Args:
        name: of the model.
        tables: what the text calls a table -> the table; a table that was not
            measured is said to be missing.
    """
    text = (TEXTS / f"{name}.md").read_text(encoding="utf-8")
    for key in TABLES:
        shown = terminal.markdown(tables[key]) if key in tables else "Not measured."
        text = text.replace(f"{{{{{key}}}}}", shown)
    parts = text.split("\n## ")[1:]
    return {part.partition("\n")[0].strip(): part.partition("\n")[2] for part in parts}


if __name__ == "__main__":
    sys.exit(main())
