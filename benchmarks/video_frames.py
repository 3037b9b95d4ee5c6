"""Time sampling every 20th frame of real films: OpenCV, ours, and the decoder's limit.

Run from the repository's root, on videos of any kind::

    python benchmarks/video_frames.py --data RAVDESS/Actor_05

Every way runs in a process of its own, in turn with the others and several
times over, so that what else the machine does falls on all alike. The result,
with what it was measured on, is written to ``benchmarks/results``.

The ways, all ending in grey 256x256 images but for the two bare ones:

* ``opencv read``: ``VideoCapture.read`` of every frame; ``cvtColor`` and
  ``resize`` of the wanted ones. The loop that most programs have.
* ``opencv grab``: ``grab`` of every frame, ``retrieve`` of the wanted ones.
* ``ours``: ``iter_frames(path, every=20)`` and ``resize``.
* ``ours, key frames``: ``iter_frames(path, keyframes_only=True)``: other frames,
  fewer or more of them.
* ``bare, all``: FFmpeg through PyAV decodes every frame, nothing is converted.
* ``bare, needed``: it decodes what the wanted frames need and no more. No way
  of sampling the same frames with this decoder on one core can be faster.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np

EVERY, SIZE_PX = 20, 256
RESULTS = Path(__file__).parent / "results"


def opencv_read(path: Path, cores: int) -> list[np.ndarray]:
    """Return the sampled images by the plain loop."""
    return [_squeezed(picture) for picture in _opencv_frames(path, by_grab=False)]


def opencv_grab(path: Path, cores: int) -> list[np.ndarray]:
    """Return the sampled images by ``grab`` and ``retrieve``."""
    return [_squeezed(picture) for picture in _opencv_frames(path, by_grab=True)]


def _opencv_frames(path: Path, by_grab: bool) -> Iterator[np.ndarray]:
    import cv2

    film, number = cv2.VideoCapture(str(path)), 0
    while True:
        there, picture = (film.grab(), None) if by_grab else film.read()
        if not there:
            return
        if number % EVERY == 0:
            yield film.retrieve()[1] if by_grab else picture
        number += 1


def _squeezed(picture: np.ndarray) -> np.ndarray:
    import cv2

    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return cv2.resize(gray, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)


def ours(path: Path, cores: int) -> list[np.ndarray]:
    """Return the sampled images by this library."""
    from multimodal_ser.video.frames import iter_frames, resize

    return [resize(frame.gray, SIZE_PX) for frame in iter_frames(path, every=EVERY)]


def ours_key_frames(path: Path, cores: int) -> list[np.ndarray]:
    """Return the key frames' images by this library."""
    from multimodal_ser.video.frames import iter_frames, resize

    return [resize(frame.gray, SIZE_PX) for frame in iter_frames(path, keyframes_only=True)]


def bare_all(path: Path, cores: int) -> list:
    """Decode every frame and convert none; return nothing."""
    from multimodal_ser.compute.media import open_container

    with open_container(path) as film:
        stream = film.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "FRAME", cores
        for _ in film.decode(stream):
            pass
    return []


def bare_needed(path: Path, cores: int) -> list:
    """Decode what the wanted frames need, convert none; return nothing.

    Frames are taken to come in the order of their packets, and decoding to be
    able to begin at every key frame, as in videos without B-frames.
    """
    from multimodal_ser.audio.signal import NO_PROBE
    from multimodal_ser.compute.media import open_container

    with open_container(path, NO_PROBE) as film:
        stream = film.streams.video[0]
        stream.codec_context.thread_count = 1
        packets = [packet for packet in film.demux(stream) if packet.dts is not None]
        keys = [at for at, packet in enumerate(packets) if packet.is_keyframe]
        for start, stop in zip(keys, [*keys[1:], len(packets)], strict=True):
            wanted = range(-(-start // EVERY) * EVERY, stop, EVERY)
            for packet in packets[start : wanted[-1] + 1] if wanted else ():
                stream.codec_context.decode(packet)
            stream.codec_context.flush_buffers()
    return []


WAYS: dict[str, Callable[[Path, int], list]] = {
    "opencv read": opencv_read,
    "opencv grab": opencv_grab,
    "ours": ours,
    "ours, key frames": ours_key_frames,
    "bare, all": bare_all,
    "bare, needed": bare_needed,
}


def measure(paths: list[Path], cores: int, repeats: int) -> dict:
    """Time every way over all videos, in turn, and compare the images."""
    times: dict[str, list] = {name: [] for name in WAYS}
    pictures = {}
    _pool_map(WAYS["ours"], paths, cores)  # libraries are loaded and files read once before
    for _ in range(repeats):
        for name, way in WAYS.items():
            # The library gives each core videos of its own; the others are one
            # process, as they are written, with the threads that they take.
            mapped = _pool_map if name.startswith("ours") else _plain_map
            wall = time.perf_counter()
            found = mapped(way, paths, cores)
            times[name].append((time.perf_counter() - wall, sum(cpu for _, cpu in found)))
            pictures[name] = [picture for of_film, _ in found for picture in of_film]
    return {"times": times, "differences": _differences(pictures)}


def _one(way: Callable, path: Path, cores: int) -> tuple[list, float]:
    before = time.process_time()  # of all threads of this process
    pictures = way(path, cores)
    return pictures, time.process_time() - before


def _plain_map(way: Callable, paths: list[Path], cores: int) -> list:
    return [_one(way, path, cores) for path in paths]


def _pool_map(way: Callable, paths: list[Path], cores: int) -> list:
    if cores == 1:
        return _plain_map(way, paths, cores)
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=cores, backend="loky")
    return pool(delayed(_one)(way, path, 1) for path in paths)


def _differences(pictures: dict) -> dict:
    base = np.array(pictures["opencv read"], int)
    found = {}
    for name in ("opencv grab", "ours"):
        others = np.array(pictures[name], int)
        same = others.shape == base.shape
        found[name] = int(np.abs(others - base).max()) if same else None
    return {"pictures": len(base), "largest": found}


def _child(options) -> None:
    cores = sorted(os.sched_getaffinity(0))[: options.child]
    os.sched_setaffinity(0, cores)  # before OpenCV counts them
    json.dump(measure(_films(options.data), options.child, options.repeats), sys.stdout)


def _run_child(options, cores: int) -> dict:
    call = [sys.executable, __file__, "--data", options.data, "--repeats", str(options.repeats)]
    run = subprocess.run([*call, "--child", str(cores)], stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)


def _films(folder: str) -> list[Path]:
    found = sorted(path for path in Path(folder).rglob("*.mp4"))
    if not found:
        raise SystemExit(f"{folder}: there is no mp4 in it; name a folder of videos")
    return found


def luma(paths: list[Path]) -> list[str]:
    """Return how far the first plane of sampled images is from their grey, and both times.

    The plane of BT.601 is the grey itself; that of BT.709, as of many videos of high
    definition, weighs red, green and blue otherwise, and FFmpeg converts it.
    """
    import av
    import cv2

    from multimodal_ser.video.luma import stretched, upright_gray

    apart, spent = [], np.zeros(2)
    for path in paths:
        with av.open(str(path)) as film:
            for number, image in enumerate(film.decode(video=0)):
                if number % EVERY:
                    continue
                began = time.process_time()
                gray = upright_gray(image)
                between = time.process_time()
                rows = np.frombuffer(image.planes[0], np.uint8).reshape(
                    -1, image.planes[0].line_size
                )
                plane = cv2.LUT(rows[:, : image.width], stretched())
                spent += between - began, time.process_time() - between
                if plane.shape == gray.shape:
                    apart.append(np.abs(plane.astype(int) - gray))
    if not apart:
        return ["No image could be compared with its first plane."]
    levels = np.concatenate([one.ravel() for one in apart])
    exact_ms, plane_ms = spent / len(apart) * 1000
    return [
        f"{len(apart)} images as they are turned to grey, and their first plane stretched to the "
        f"full range: at most {levels.max()} grey levels apart, more than one in "
        f"{(levels > 1).mean():.1%} of pixels; {exact_ms:.2f} and {plane_ms:.2f} ms an image."
    ]


def environment(paths: list[Path]) -> list[str]:
    """Return what the times depend on, a line each."""
    import av
    import cv2

    from multimodal_ser.compute.media import open_container

    told = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line for line in told if line.startswith("model name")]
    cpu = names[0].split(":")[1].strip() if names else platform.processor()
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    sha = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    with open_container(paths[0]) as film:
        stream = film.streams.video[0]
        codec = stream.codec_context
        kind = f"{codec.name} {codec.profile}, {codec.width}x{codec.height}"
        megabits = film.bit_rate / 1e6
        rate = float(stream.average_rate)
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "av")}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    codecs = ".".join(map(str, av.library_versions["libavcodec"]))
    load = os.getloadavg()[0]
    return [
        f"date: {date.today()}; commit: {sha or 'unknown'}",
        f"machine: {cpu}, {len(os.sched_getaffinity(0))} cores; {platform.system()} "
        f"{platform.machine()}; load when it began: {load:.1f}",
        f"Python {platform.python_version()}, {listed}, OpenCV {cv2.__version__}; "
        f"libavcodec {codecs} in PyAV",
        f"films: {len(paths)}, the first {kind}, {rate:.2f} frames a second, "
        f"{megabits:.1f} Mbit a second",
    ]


def table(measured: dict, cores: int) -> str:
    """Return the times of one number of cores as Markdown."""
    least = {way: np.min(runs, axis=0) for way, runs in measured["times"].items()}
    lines = [
        "## One core" if cores == 1 else f"## {cores} cores",
        "",
        "| way | wall s: least | median | CPU s: least | median | faster than `opencv read`: wall "
        "| CPU | speed of `bare, all`: CPU | of `bare, needed`: CPU |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for way, runs in measured["times"].items():
        (wall, cpu), (usual_wall, usual_cpu) = least[way], np.median(runs, axis=0)
        faster = least["opencv read"] / least[way]
        shares = [f"{least[bare][1] / cpu:.0%}" for bare in ("bare, all", "bare, needed")]
        lines.append(
            f"| {way} | {wall:.3f} | {usual_wall:.3f} | {cpu:.3f} | {usual_cpu:.3f} "
            f"| {faster[0]:.2f} | {faster[1]:.2f} | {shares[0]} | {shares[1]} |"
        )
    found = measured["differences"]
    told = ", ".join(
        f"{way} {'other frames' if most is None else most}"
        for way, most in found["largest"].items()
    )
    lines += [
        "",
        f"{found['pictures']} images; largest difference from `opencv read` in grey levels "
        f"of 255: {told}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a folder of mp4 videos")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", help="(default: benchmarks/results/video_frames_DATE.md)")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options)
        return
    head = environment(_films(options.data))
    parts = [f"# Sampling every {EVERY}th frame", "\n".join(f"- {line}" for line in head)]
    parts.append(
        f"Least and median of {options.repeats} runs over all videos; written by "
        "`benchmarks/video_frames.py`, which says what each way is. On several cores ours has "
        "a process per core, each with videos of its own; the others are one process. 100 % of "
        "a bare way's speed is as fast as it."
    )
    for cores in sorted({1, len(os.sched_getaffinity(0))}):
        parts.append(table(_run_child(options, cores), cores))
    parts += ["## Luma", *luma(_films(options.data))]
    text = "\n\n".join(parts) + "\n"
    target = Path(options.output or RESULTS / f"video_frames_{date.today()}.md")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    print(text)
    print(f"written to {target}")


if __name__ == "__main__":
    main()
