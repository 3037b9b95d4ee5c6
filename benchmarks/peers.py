"""Time other programs and this one side by side: openSMILE, librosa, fer, a plain script.

Run from the repository's root, on recordings of any kind::

    python benchmarks/peers.py --data RAVDESS --peers PEERS/bin/python

Each way runs in a process of its own, on one core with one thread; all are asked in turn,
several times over, for the same recordings, which were read once before. What counts is
seconds of the processor; a ratio is the median over rounds of the two times of one round.
A peer that cannot be imported is left out, with the reason. Peers are looked for
where ``--peers`` says, an environment with any of::

    pip install opensmile
    pip install fer  # wants moviepy below 2, setuptools below 81 and an OpenCV below 5

The ways compute different things, which stands beside each. Nothing is said about how
often an answer is right: ``docs/results.md`` does that for this library.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from _environment import header, one_core

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("numpy", "av", "opencv-python-headless", "librosa", "keras", "onnxruntime")
EVERY, SIZE_PX, RATE_HZ = 20, 256, 22050

#: From paths to how many answers there are.
Run = Callable[[list[str]], int]


def predicts(**how: Any) -> Run:
    """Return the prediction of this library's released model."""
    from multimodal_ser import Cache, predict
    from multimodal_ser.compute.parallel import Engine
    from multimodal_ser.workflows.inference import load_model

    model = load_model("ravdess")
    own = {"cache": Cache(None), "workers": Engine(in_process=True), **how}
    return lambda paths: len(predict(paths, model, **own).predictions)


def feature_set(name: str) -> Run:
    """Return the features of one set of this library."""
    from multimodal_ser.audio.extract import clip_features

    return lambda paths: sum(clip_features(path, name).size for path in paths)


def opensmile_set(name: str) -> Run:
    """Return openSMILE's functionals, through its own Python package."""
    import opensmile

    level = opensmile.FeatureLevel.Functionals
    smile = opensmile.Smile(feature_set=opensmile.FeatureSet[name], feature_level=level)
    return lambda paths: sum(smile.process_file(path).size for path in paths)


def librosa_calls() -> Run:
    """Return means of MFCC, chroma, mel and RMS as tutorials compute them."""
    import librosa
    import numpy as np

    def one(path: str) -> int:
        signal, rate = librosa.load(path, sr=RATE_HZ)
        parts = (
            librosa.feature.mfcc(y=signal, sr=rate, n_mfcc=40),
            librosa.feature.chroma_stft(y=signal, sr=rate),
            librosa.feature.melspectrogram(y=signal, sr=rate),
            librosa.feature.rms(y=signal),
        )
        return sum(np.mean(part, axis=1).size for part in parts)

    return lambda paths: sum(map(one, paths))


def _sampled(path: str) -> list:
    """Return every 20th image of a video by OpenCV, or the image of a picture."""
    import cv2

    if path.endswith(".png"):
        return [cv2.imread(path)]
    film, number, images = cv2.VideoCapture(path), 0, []
    while True:
        there, image = film.read()
        if not there:
            return images
        if number % EVERY == 0:
            images.append(image)
        number += 1


def plain_script() -> Run:
    """Return aei_2019's way: Haar on the grey image, 256x256, its CNN by Keras."""
    import cv2
    import numpy as np

    from multimodal_ser.video import backbones

    network = backbones.load("aei_cnn").build(n_classes=8, seed=0, weights=None)
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def one(path: str) -> int:
        crops = []
        for image in _sampled(path):
            gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            for x, y, w, h in cascade.detectMultiScale(gray, 1.1, 5)[:1]:
                crops.append(cv2.resize(gray[y : y + h, x : x + w], (SIZE_PX, SIZE_PX)))
        values = np.array(crops, np.float32)[..., None] / 255
        return len(network.predict(values, verbose=0)) if crops else 0

    return lambda paths: sum(map(one, paths))


def fer_package() -> Run:
    """Return what the package fer finds: OpenCV's Haar, then mini_XCEPTION."""
    from fer.fer import FER

    detector = FER(mtcnn=False)
    return lambda paths: sum(
        len(detector.detect_emotions(image)) for path in paths for image in _sampled(path)
    )


def own_pictures() -> Run:
    """Return the released face network's answer for single images."""
    import cv2

    from multimodal_ser.video.extract import FrameStore, changed_params
    from multimodal_ser.video.feed import FrameFeed
    from multimodal_ser.workflows.inference import load_model

    learner = next(iter(load_model("fer_plus").learners.values()))
    params = changed_params(learner.params, detector="yunet")

    def run(paths: list[str]) -> int:
        found = {}
        for path in paths:
            image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
            found[path] = FrameFeed(params).add(image, 0.0)
        said = learner.predict_frames(FrameStore(found), paths)
        return int(said.notna().all(axis=1).sum())

    return run


class Way(NamedTuple):
    """One program on one kind of recording.

    Attributes:
        kind: ``speech``, ``videos`` or ``pictures``; the first way of each is compared with.
        name: of the program.
        computes: what comes out.
        make: function of this file and its arguments.
        peer: whether it runs where ``--peers`` says.
    """

    kind: str
    name: str
    computes: str
    make: tuple
    peer: bool = False


WAYS = (
    Way("speech", "ours, predict", "is there speech; 3 feature sets, 3 classifiers, calibrated "
        "probabilities of 8 labels", (predicts,)),
    Way("speech", "ours, functionals", "the feature set alone", (feature_set, "functionals")),
    Way("speech", "ours, mfcc_chroma_mel", "means of 40 MFCC, 12 chroma, 128 mel",
        (feature_set, "mfcc_chroma_mel")),
    Way("speech", "librosa", "means of 40 MFCC, 12 chroma, 128 mel, RMS", (librosa_calls,)),
    Way("speech", "openSMILE eGeMAPS", "88 functionals", (opensmile_set, "eGeMAPSv02"), True),
    Way("speech", "openSMILE ComParE", "6,373 functionals", (opensmile_set, "ComParE_2016"), True),
    Way("videos", "ours, predict", "sound as above; every 20th frame: all faces (YuNet), a face "
        "network, landmarks and action units; fused", (predicts,)),
    Way("videos", "ours, voice aside", "the same of the silent video", (predicts,)),
    Way("videos", "plain script", "every 20th frame: Haar, 60-million-parameter CNN; no sound",
        (plain_script,)),
    Way("videos", "fer", "every 20th frame: Haar, mini_XCEPTION; no sound", (fer_package,), True),
    Way("pictures", "ours", "all faces (YuNet), a face network", (own_pictures,)),
    Way("pictures", "plain script", "Haar, 60-million-parameter CNN", (plain_script,)),
    Way("pictures", "fer", "Haar, mini_XCEPTION", (fer_package,), True),
)  # fmt: skip


class Child:
    """A process in which one way runs when it is asked to."""

    def __init__(self, number: int, python: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
        environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "OPENCV_FOR_THREADS_NUM": "1"}
        words = [python, __file__, "--data", "-", "--serve", str(number)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            words,
            env=environment,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        self.skipped: str = self._answer().get("skipped", "")

    def ask(self, paths: list[str]) -> dict:
        """Return ``seconds`` of the processor, number of ``answers``, and peak ``mib``."""
        self.process.stdin.write(json.dumps(paths) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"skipped": "its process ended"}


def _serve(number: int) -> None:
    one_core()
    warnings.filterwarnings("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    make, *arguments = WAYS[number].make
    try:
        run = make(*arguments)
    except Exception as error:  # whatever a package that does not fit raises
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
        print(json.dumps({"skipped": said}), file=answers, flush=True)
        return
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        paths, began = json.loads(line), time.process_time()
        count = run(paths)
        said = {"seconds": time.process_time() - began, "answers": count}
        said["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(said), file=answers, flush=True)


def measure(kind: str, paths: list[str], python: str, rounds: int) -> list[tuple]:
    """Return a row for each way of a kind: name, computes, and what was measured."""
    import numpy as np

    ways = [(number, way) for number, way in enumerate(WAYS) if way.kind == kind]
    children = {way: Child(n, python if way.peer else sys.executable) for n, way in ways}
    told: dict[Way, list[dict]] = {way: [] for way in children}
    for number in range(rounds + 1):
        for way, child in children.items():
            if not child.skipped:
                given = paths if number else paths[:2]  # libraries load, graphs compile
                said = child.ask(_silent(given) if "aside" in way.name else given)
                child.skipped = said.get("skipped", "")
                told[way] += [said] if number and not child.skipped else []
    rows = []
    first = next(iter(children))
    for way, child in children.items():
        child.process.stdin.close()
        child.process.wait()
        if child.skipped or len(told[way]) < rounds:
            rows.append((way, None, child.skipped))
            continue
        each = np.median([one["seconds"] for one in told[way]]) / len(paths)
        pairs = zip(told[way], told[first], strict=True)
        ratio = np.median([one["seconds"] / ours["seconds"] for one, ours in pairs])
        last = told[way][-1]
        rows.append((way, (each, ratio, last["answers"] / len(paths), last["mib"]), ""))
    return rows


def _silent(paths: list[str]) -> list[str]:
    """Return the same videos without their sound tracks, made once."""
    import av

    made = []
    for path in paths:
        target = Path(path).with_name(f"silent-{Path(path).name}")
        made.append(str(target))
        if target.exists():
            continue
        with av.open(path) as source, av.open(str(target), "w") as out:
            stream = source.streams.video[0]
            copied = out.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.dts is not None:
                    packet.stream = copied
                    out.mux(packet)
    return made


def recordings(folder: Path, data: str, count: int) -> dict[str, list[str]]:
    """Return kind -> paths; links to recordings, and images taken from the videos."""
    import cv2

    every = sorted(path for path in Path(data).rglob("*") if path.is_file())
    films = [path for path in every if path.suffix == ".mp4"]
    speech = [path for path in every if path.suffix == ".wav" and path.name.startswith("03-01-")]
    found: dict[str, list[str]] = {"speech": [], "videos": [], "pictures": []}
    for kind, sources in {"speech": speech, "videos": films}.items():
        step = max(1, len(sources) // count)
        for number, source in enumerate(sources[::step][:count]):
            link = folder / f"{number:03}-{source.name}"
            link.symlink_to(source.resolve())
            found[kind].append(str(link))
    for path in found["videos"]:
        for number, image in enumerate(_sampled(path)):
            target = f"{path}-{number}.png"
            cv2.imwrite(target, image)
            found["pictures"].append(target)
    return found


def text_of(rows: dict[str, list[tuple]], counts: dict[str, int], rounds: int) -> str:
    """Return the result as Markdown."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = ["# Side by side with other programs", "", "  \n".join(header(PACKAGES, cores)), ""]
    lines += [
        f"One core, one thread, {rounds} rounds in turn, medians; seconds of the processor, the "
        "start and two recordings to warm up left out. The ways compute different things.",
    ]
    for kind, measured in rows.items():
        one = kind.removesuffix("s") if kind != "speech" else "clip"
        lines += ["", f"## {kind.capitalize()}: {counts[kind]}", ""]
        lines += [f"| way | computes | s per {one} | times the first | values or answers | MiB |"]
        lines += ["|---|---|---|---|---|---|"]
        for way, found, reason in measured:
            cells = [way.name, way.computes]
            if found is None:
                cells += [f"left out: {reason}", "", "", ""]
            else:
                each, ratio, answers, mib = found
                cells += [f"{each:.4f}", f"{ratio:.2f}", f"{answers:.1f}", f"{mib:.0f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder with videos and recordings")
    parser.add_argument("--peers", metavar="PYTHON", default=sys.executable)
    parser.add_argument("--count", type=int, default=20, help="recordings of a kind")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", help="result file (default: benchmarks/results/...)")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        return _serve(options.serve)
    with tempfile.TemporaryDirectory() as folder:
        kinds = recordings(Path(folder), options.data, options.count)
        kinds = {kind: paths for kind, paths in kinds.items() if paths}
        if not kinds:
            sys.exit(f"error: {options.data}: there is no mp4 and no recording below it")
        rows = {
            kind: measure(kind, paths, options.peers, options.rounds)
            for kind, paths in kinds.items()
        }
    text = text_of(rows, {kind: len(paths) for kind, paths in kinds.items()}, options.rounds)
    print(text)
    path = Path(options.output or RESULTS / f"peers_{date.today().isoformat()}.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
