"""Time predictions: a plain script written the way aei_2019 is, and ours.

Run from the repository's root, on videos and speech of any kind::

    python benchmarks/prediction.py --data RAVDESS --model models/ravdess

*Batch.* Both ways predict the same clips with the same networks, on one core
with one thread, in turn, several times over; the least time counts, in seconds
of the processor. Libraries are loaded and every clip was read once before. The
networks are aei_2019's, with weights of chance, which take the same time as
trained ones. Nothing is kept between clips and rounds.

"Plain" is how the system's text reads: OpenCV reads every frame and each 20th is
used; every librosa function is given the signal; ``predict`` of each Keras
network is called once a clip; the two results are multiplied.

*Before.* With ``--before``, a folder of earlier code (``git worktree add DIR COMMIT``),
the released model predicts the films with both codes in turn, each in a process of its
own on one core: as it is, and in this code with YuNet and with key frames too, and on a film
of two others side by side. The ratio is the median over rounds of the two times of one
round. Code that does not know the model is given its own by ``--before-model``; what it
says then cannot be the same.

*Start.* The command is started anew for one video, its model loaded and its
result printed; of several starts the least counts, of the wall's time, and of
the processor's. The result is written to ``benchmarks/results``.
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
from functools import partial
from pathlib import Path

from _environment import header, one_core
from audio_features import RATE_HZ, plain_a

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "av", "opencv-python-headless", "librosa", "keras", "onnxruntime")
EVERY, SIZE_PX = 20, 48
SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".m4a")


def plain_sound(path: Path, network):
    """Return one clip's probabilities from its sound, or None if it is silent."""
    import librosa

    if path.suffix == ".mp4":
        signal = _plain_track(path)
        if signal is None:
            return None
    else:
        signal, _ = librosa.load(path, sr=RATE_HZ)
    return network.predict(plain_a(signal)[None, :, None], verbose=0)[0]


def _plain_track(path: Path):
    import librosa
    import numpy as np

    from multimodal_ser.compute.media import open_container

    with open_container(path) as film:
        if not film.streams.audio:
            return None
        rate = film.streams.audio[0].rate
        parts = [frame.to_ndarray() for frame in film.decode(audio=0)]
    return librosa.resample(
        librosa.to_mono(np.concatenate(parts, 1)), orig_sr=rate, target_sr=RATE_HZ
    )


def plain_picture(path: Path, network, crop: str):
    """Return one clip's probabilities from its images, or None without a face."""
    import cv2
    import numpy as np

    film, number, pictures = cv2.VideoCapture(str(path)), 0, []
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    while True:
        there, picture = film.read()
        if not there:
            break
        if number % EVERY == 0:
            gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            if crop == "face":
                faces = cascade.detectMultiScale(gray, 1.1, 5)
                if not len(faces):
                    continue
                x, y, w, h = max(faces, key=lambda box: box[2] * box[3])
                gray = gray[y : y + h, x : x + w]
            pictures.append(cv2.resize(gray, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA))
        number += 1
    values = np.array(pictures, np.float32)[..., None] / 255
    return network.predict(values, verbose=0).mean(axis=0)


def plain(paths: list[Path], networks: dict, crop: str) -> list:
    """Return each clip's most probable label's number."""
    found = []
    for path in paths:
        parts = [plain_sound(path, networks["audio"])]
        if path.suffix == ".mp4":
            parts.append(plain_picture(path, networks["video"], crop))
        told = [part for part in parts if part is not None]
        found.append(int((told[0] if len(told) == 1 else told[0] * told[1]).argmax()))
    return found


def ours(paths: list[Path], model) -> list:
    """Return the same, from this library."""
    from multimodal_ser import Cache, predict
    from multimodal_ser.compute.parallel import Engine

    table, failures = predict(paths, model, cache=Cache(None), workers=Engine(in_process=True))
    assert failures.empty, failures
    fused = table[table["modality"] == "fused"].set_index("path")["emotion"]
    labels = list(model.labels)
    return [labels.index(fused[str(path)]) for path in paths]


def system_a(crop: str, folder: Path) -> tuple[dict, object]:
    """Return aei_2019's networks by Keras, and the same as a model of this library."""
    import numpy as np
    import pandas as pd

    from multimodal_ser.tables import EMOTIONS, Features, make_clips
    from multimodal_ser.video.extract import FrameParams
    from multimodal_ser.video.model import VideoModel
    from multimodal_ser.workflows.feature_model import FeatureModel
    from multimodal_ser.workflows.inference import Model, load_model

    clips = make_clips([{"clip": f"c{i:02}", "emotion": EMOTIONS[i % 8]} for i in range(16)])
    values = np.random.default_rng(0).normal(size=(16, 157)).astype(np.float32)
    features = Features(pd.Index(clips.index), values, tuple(map(str, range(157))))
    audio = FeatureModel("mfcc_rms", "conv1d", params={"epochs": 1}).fit(features, clips)
    params = FrameParams(every=EVERY, size_px=SIZE_PX, crop=crop, detector="haar")
    video = VideoModel("fer_transfer", params=params)
    networks = {"audio": audio.estimator.network_, "video": video.network}
    Model({one.name: one for one in (audio, video)}).save(folder)
    return networks, load_model(folder)


def batch(films: list[Path], speech: list[Path], released: Path | None, rounds: int) -> list[dict]:
    """Time both ways on both kinds of clips; return a row each."""
    from multimodal_ser.workflows.inference import load_model, with_front_end

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for crop in ("frame", "face"):
            networks, model = system_a(crop, Path(folder) / crop)
            kinds = {f"films, the {'whole frame' if crop == 'frame' else 'face'}": films}
            kinds |= {"speech": speech} if crop == "frame" else {}
            for kind, paths in kinds.items():
                ways = {
                    "plain": lambda p, n=networks, c=crop: plain(p, n, c),
                    "ours": lambda p, m=model: ours(p, m),
                }
                if crop == "face":
                    ways |= {
                        f"ours, {name}": partial(ours, model=with_front_end(model, **how))
                        for name, how in WAYS.items()
                        if "detector" in how
                    }
                rows += timed(f"aei_2019: {kind}", paths, ways, rounds)
    if released is not None:
        model = load_model(released)
        for kind, paths in {"films": films, "speech": speech}.items():
            way = {"ours": lambda p: ours(p, model)}
            rows += timed(f"{released.name}: {kind}", paths, way, rounds)
    return rows


def timed(what: str, paths: list[Path], ways: dict[str, Callable], rounds: int) -> list[dict]:
    """Return the least processor seconds of each way over all clips."""
    if not paths:
        return []
    said, least = {}, {}
    for number in range(rounds + 1):
        for name, way in ways.items():
            before = time.process_time()
            said[name] = way(paths if number else paths[:5])
            spent = time.process_time() - before
            if number:  # before that, libraries are loaded and graphs compiled
                least[name] = min(spent, least.get(name, spent))
    rows = []
    for name, seconds in least.items():
        row = {"what": what, "way": name, "clips": len(paths), "rate": len(paths) / seconds}
        if "plain" in least:
            row["faster"] = least["plain"] / seconds
            same = sum(a == b for a, b in zip(said["plain"], said[name], strict=True))
            row["same"] = same / len(paths)
        rows.append(row)
    return rows


#: What is compared with the earlier code: a name, and arguments of ``predict``.
WAYS = {
    "as released": {},
    "YuNet": {"detector": "yunet"},
    "key frames": {"sampling": "keyframes"},
    "YuNet, key frames": {"detector": "yunet", "sampling": "keyframes"},
}


class Server:
    """A process that predicts with the code of one folder when it is asked to."""

    def __init__(self, code: Path, model: Path) -> None:
        words = [
            sys.executable,
            __file__,
            "--data",
            "-",
            "--serve",
            "--model",
            str(model.resolve()),
        ]
        environment = {**os.environ, "PYTHONPATH": str(code.resolve())}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            words, env=environment, stdin=pipe, stdout=pipe, text=True, cwd=code
        )

    def ask(self, paths: list[Path], how: dict) -> dict:
        """Return ``seconds`` of the processor, ``emotion``, ``values`` and ``mib``."""
        self.process.stdin.write(json.dumps([list(map(str, paths)), how]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def _serve(options: argparse.Namespace) -> None:
    one_core()
    warnings.filterwarnings("ignore")
    from multimodal_ser import Cache, predict
    from multimodal_ser.compute.parallel import Engine
    from multimodal_ser.workflows.inference import load_model

    model = load_model(options.model)
    for line in sys.stdin:
        paths, how = json.loads(line)
        began = time.process_time()
        table, _ = predict(paths, model, cache=Cache(None), workers=Engine(in_process=True), **how)
        seconds = time.process_time() - began
        said = {
            "emotion": table["emotion"].tolist(),
            "values": table[list(model.labels)].to_numpy(),
        }
        said["values"] = said["values"].tolist()
        mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "mib": mib, **said}), flush=True)


def compared(
    films: list[Path], servers: tuple[Path, Path, Path], ways: dict[str, dict], rounds: int
) -> list[tuple]:
    """Return a row for each way: its ratio to the earlier code, and agreement.

    Args:
        films: to be predicted.
        servers: folder of the earlier code, its model, and the model of this code.
        ways: name -> arguments of ``predict``, of this code.
        rounds: times over.
    """
    import numpy as np

    before, old_model, model = servers
    old = Server(before, old_model)
    rows = []
    for name, how in ways.items():
        new = Server(Path(__file__).parents[1], model)
        pairs = []
        for number in range(rounds + 1):
            part = films if number else films[:2]
            pairs.append((old.ask(part, {}), new.ask(part, how)))
        new.process.terminate()
        a, b = pairs[-1]
        ratio = float(np.median([x["seconds"] / y["seconds"] for x, y in pairs[1:]]))
        least = [min(pair[at]["seconds"] for pair in pairs[1:]) / len(films) for at in (0, 1)]
        alike = len(a["emotion"]) == len(b["emotion"])  # otherwise there is no row for each
        same = np.mean(np.equal(a["emotion"], b["emotion"])) if alike else np.nan
        apart = np.abs(np.subtract(a["values"], b["values"])) if alike else np.array([np.nan])
        furthest = apart.max()
        rows.append((name, *least, ratio, same, furthest, a["mib"], b["mib"]))
    old.process.terminate()
    return rows


def side_by_side(films: list[Path], folder: Path) -> Path:
    """Write a film of two others beside each other, 1280x360, with the sound of the first."""
    import av
    import cv2
    import numpy as np

    target = folder / "two-faces.mp4"
    images = []
    for path in films[:2]:
        with av.open(str(path)) as film:
            decoded = (one.to_ndarray(format="rgb24") for one in film.decode(video=0))
            images.append([cv2.resize(one, (640, 360)) for one in decoded])
    with av.open(str(films[0])) as film, av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=film.streams.video[0].average_rate)
        stream.width, stream.height, stream.pix_fmt = 1280, 360, "yuv420p"
        stream.codec_context.thread_count = 1
        sound = out.add_stream("aac", rate=48000)
        for pair in zip(*images, strict=False):
            frame = av.VideoFrame.from_ndarray(np.hstack(pair), format="rgb24")
            out.mux(stream.encode(frame))
        for heard in film.decode(audio=0):
            out.mux(sound.encode(heard))
        for each in (stream, sound):
            out.mux(each.encode(None))
    return target


def starts(words: list[str], times: int, code: Path | None = None) -> tuple[float, float]:
    """Return the least wall and processor seconds of a command, started anew each time."""
    walls, spent = [], []
    for _ in range(times):
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        own = {**os.environ, "PYTHONPATH": str(code.resolve())} if code else None
        run = subprocess.run(words, capture_output=True, text=True, env=own, cwd=code)
        walls.append(time.perf_counter() - wall)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if run.returncode:
            sys.exit(f"error: {' '.join(words)} ended with {run.returncode}: {run.stderr[-500:]}")
    return min(walls), min(spent)


def start_rows(film: Path | None, options: argparse.Namespace) -> list[tuple]:
    """Return what was started, and its seconds; of earlier code too where there is one."""
    command = [sys.executable, "-m", "multimodal_ser"]
    rows = [("`multimodal-ser --help`", *starts([*command, "--help"], options.starts))]
    codes = {"": Path(__file__).parents[1]} | (
        {", earlier code": Path(options.before)} if options.before else {}
    )
    models = {"": options.model, ", earlier code": options.before_model or options.model}
    for name, code in codes.items() if film is not None and options.model else ():
        model = str(Path(models[name]).resolve())
        words = [*command, "predict", str(film.resolve()), "--model", model]
        spent = starts([*words, "--no-cache", "--quiet"], options.starts, code)
        rows.append((f"`multimodal-ser predict` of one video{name}", *spent))
    return rows


def linked(paths: list[Path], count: int, folder: Path) -> list[Path]:
    """Return links to the paths, in turn, until there are enough."""
    links = []
    for number in range(count if paths else 0):
        source = paths[number % len(paths)]
        link = folder / f"{number:05}-{source.name}"
        link.symlink_to(source.resolve())
        links.append(link)
    return links


def _child(options: argparse.Namespace) -> None:
    one_core()
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    warnings.filterwarnings("ignore")
    films, sounds = _recordings(options.data)
    with tempfile.TemporaryDirectory() as folder:
        links = linked(films, options.films, Path(folder))
        speech = sounds[:: max(1, len(sounds) // options.clips)][: options.clips]
        released = Path(options.model) if options.model else None
        rows = batch(links, speech, released, options.rounds)
    Path(options.child).write_text(json.dumps(rows))


def _recordings(folder: str) -> tuple[list[Path], list[Path]]:
    every = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    films = [path for path in every if path.suffix.lower() == ".mp4"]
    speech = [path for path in every if path.suffix.lower() in SOUNDS]
    speech = [path for path in speech if path.name.startswith("03-01-")] or speech
    if not films and not speech:
        sys.exit(f"error: {folder}: there is no video and no recording below it")
    return films, speech


def compared_text(rows: list[tuple]) -> list[str]:
    """Return the comparison with the earlier code as lines of Markdown."""
    lines = ["", "## Films with the released model: earlier code and this, in turn", ""]
    lines += [
        "| way | s a film before | now | times as fast | same labels | furthest probability "
        "| MiB before | now |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, old, new, ratio, same, furthest, mib_old, mib_new in rows:
        cells = (name, f"{old:.3f}", f"{new:.3f}", f"{ratio:.2f}", f"{same:.0%}", f"{furthest:.2g}")
        lines.append(f"| {' | '.join(cells)} | {mib_old:.0f} | {mib_new:.0f} |")
    return lines


def text_of(
    rows: list[dict], started: list[tuple], against: list[tuple], options: argparse.Namespace
) -> str:
    """Return the result as Markdown."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = ["# Predictions: a plain script and ours", "", "  \n".join(header(PACKAGES, cores)), ""]
    lines += [
        f"## Batch, one core, least of {options.rounds} rounds",
        "",
        "| clips | way | number | clips a second of one core | faster than plain | same label |",
        "|---|---|---|---|---|---|",
    ] * bool(rows)
    for row in rows:
        faster = f"{row['faster']:.1f}" if "faster" in row else "-"
        same = f"{row['same']:.0%}" if "same" in row else "-"
        cells = (row["what"], row["way"], row["clips"], f"{row['rate']:.2f}", faster, same)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += compared_text(against) if against else []
    lines += ["", f"## Start, least of {options.starts}", ""]
    lines += ["| command | wall s | processor s |", "|---|---|---|"]
    lines += [f"| {what} | {wall:.2f} | {spent:.2f} |" for what, wall, spent in started]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write the result."""
    options = _options()
    if options.child or options.serve:
        return _child(options) if options.child else _serve(options)
    films, _ = _recordings(options.data)
    if options.rounds < 1:
        sys.exit("error: --rounds is below 1; give 1 or more")
    model = Path(options.model) if options.model else None
    started = start_rows(films[0] if films else None, options)
    against: list[tuple] = []
    if options.before and model is not None:
        servers = Path(options.before), Path(options.before_model or model), model
        with tempfile.TemporaryDirectory() as folder:
            links = linked(films, options.films, Path(folder))
            against = compared(links, servers, WAYS, options.rounds)
            sounded = [path for path in films if not path.name.startswith("02-")]
            if len(sounded) > 1:
                two = {"two faces side by side, as released": {}}
                pair = [side_by_side(sounded, Path(folder))]
                against += compared(pair, servers, two, options.rounds)
    found: list[dict] = []
    if not options.without_plain:
        with tempfile.TemporaryDirectory() as folder:
            rows = Path(folder) / "rows.json"
            # In a process of its own, which is kept to one core before anything is loaded.
            subprocess.run([sys.executable, *sys.argv, "--child", str(rows)], check=True)
            found = json.loads(rows.read_text())
    text = text_of(found, started, against, options)
    print(text)
    path = Path(options.output or RESULTS / f"prediction_{date.today().isoformat()}.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder with videos and recordings")
    parser.add_argument("--model", metavar="FOLDER", help="a trained model, timed as well")
    parser.add_argument("--films", type=int, default=20, help="films, by links (default: 20)")
    parser.add_argument("--clips", type=int, default=100, help="speech clips (default: 100)")
    parser.add_argument("--rounds", type=int, default=5, help="times over (default: 5)")
    parser.add_argument("--starts", type=int, default=5, help="cold starts (default: 5)")
    parser.add_argument("--output", help="result file (default: benchmarks/results/...)")
    parser.add_argument("--before", metavar="DIR", help="a folder of earlier code to compare with")
    parser.add_argument(
        "--before-model", metavar="DIR", help="the earlier code's model (default: --model)"
    )
    parser.add_argument("--without-plain", action="store_true", help="leave the plain script out")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
