"""Time a command that starts anew each time, and the voice's features: earlier code and this.

Run from the repository's root, with a checkout of the earlier code::

    python benchmarks/cold_start.py --data RAVDESS --before ../earlier --clips 200

Each command is a new process, the two codes in turn, in the other order every second time.
What counts is its processor time, user and system; of the rounds the median is written, and the
ratio is the median of the rounds' own ratios, so that other work befalls both alike. Both have
their bytecode, as an installation has: it is written to a temporary folder in a first round
that does not count. Features are not kept (``--no-cache``). "First" is a prediction with an
empty cache, in which this code checks the model's networks and the others find them checked.
A light installation lacks what training adds: the libraries of :data:`TRAINING`, of which
pandas imports PyArrow wherever it is.

Agreement: the tables that ``predict --output`` writes for ``--files`` recordings, byte by
byte; the features of ``--clips`` recordings of each folder of ``--data``, bit by bit. The
exit status is 1 where either differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from _environment import header, one_core

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "pandas", "onnxruntime", "onnx", "av", "soundfile", "soxr", "rich")
TRAINING = ("pyarrow", "tensorflow", "keras", "librosa", "numba", "xgboost", "lightgbm")
HERE = Path(__file__).resolve().parents[1]
SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
SETS = ("robust_functionals", "robust_convolutions", "robust_log_mel")
#: Parts of the voice's features: a name, and what is timed, of a signal at 16 kHz.
PARTS = ("statistics", "pitch", "shape", "functionals", "utterance", *SETS, "all three sets")


class Code:
    """A checkout, with bytecode and a cache of its own."""

    def __init__(self, folder: Path, place: Path) -> None:
        self.folder = folder.resolve()
        self.own = {
            "PYTHONPATH": str(self.folder),
            "PYTHONPYCACHEPREFIX": str(place / "bytecode"),
            "MULTIMODAL_SER_CACHE": str(place / "cache"),
        }

    def run(self, words: list[str], hidden: Path | None = None) -> tuple[float, float]:
        """Run Python with some words; return processor seconds and the largest memory in MiB."""
        own = dict(self.own)
        if hidden is not None:
            own["PYTHONPATH"] += os.pathsep + str(hidden)
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        child = subprocess.Popen(
            [sys.executable, *words],
            env=kept | own,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert child.stderr is not None
        said = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"error: {' '.join(words)} ended with {child.returncode}: {said[-500:]!r}")
        return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def in_turn(
    old: Code,
    new: Code,
    words: list[str],
    rounds: int,
    *,
    hidden: Path | None = None,
    first: bool = False,
) -> dict:
    """Return medians of a command's seconds and MiB of both codes, and the ratio."""
    pairs = []
    for number in range(rounds + 1):
        order = (old, new) if number % 2 else (new, old)
        for code in order if first else ():
            shutil.rmtree(code.own["MULTIMODAL_SER_CACHE"], ignore_errors=True)
        got = {code: code.run(words, hidden) for code in order}
        pairs.append((got[old], got[new]))
    kept = pairs[1:]
    return {
        "before": statistics.median(a[0] for a, _ in kept),
        "now": statistics.median(b[0] for _, b in kept),
        "ratio": statistics.median(a[0] / b[0] for a, b in kept),
        "mib": [max(pair[at][1] for pair in kept) for at in (0, 1)],
    }


def hiding(folder: Path) -> Path:
    """Return a folder of libraries that cannot be imported."""
    for name in TRAINING:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise ImportError({name!r})\n")
    return folder


def command_rows(old: Code, new: Code, given: dict[str, Path], rounds: int, place: Path) -> list:
    """Return a name and the measures of each command."""
    command, hidden = ["-m", "multimodal_ser"], hiding(place / "hidden")
    rows = [("`--help`", in_turn(old, new, [*command, "--help"], rounds))]
    for kind, path in given.items():
        words = [*command, "predict", str(path), "--no-cache", "--quiet"]
        rows.append((f"first `predict`, one {kind}", in_turn(old, new, words, rounds, first=True)))
        rows.append((f"`predict`, one {kind}", in_turn(old, new, words, rounds)))
        light = in_turn(old, new, words, rounds, hidden=hidden)
        rows.append((f"`predict`, one {kind}, light installation", light))
    libraries = ["-c", "import numpy, pandas, onnxruntime"]
    rows.append(("NumPy, pandas, ONNX Runtime alone", in_turn(old, new, libraries, rounds)))
    light = in_turn(old, new, libraries, rounds, hidden=hidden)
    rows.append(("the same, light installation", light))
    return rows


def same_tables(old: Code, new: Code, paths: list[Path], place: Path) -> tuple[bool, int]:
    """Return whether both codes write the same predictions, and of how many bytes."""
    written = []
    for name, code in (("old", old), ("new", new)):
        target = place / f"{name}.csv"
        words = ["-m", "multimodal_ser", "predict", *map(str, paths), "--no-cache", "--quiet"]
        code.run([*words, "--workers", "1", "--output", str(target)])
        written.append(target.read_bytes())
    return written[0] == written[1], len(written[0])


def features_of(paths: list[str], rounds: int) -> dict:
    """Return least processor seconds of each part for each path, and the sets' bytes as hex."""
    import hashlib

    import numpy as np
    import soxr

    from multimodal_ser.audio import features, spectra, utterance
    from multimodal_ser.audio.features import functionals
    from multimodal_ser.audio.signal import read

    modules = [features.load(name) for name in SETS]
    seconds: dict[str, list[float]] = {name: [] for name in PARTS}
    digests = []

    def least(name: str, function, make) -> None:
        times = []
        for _ in range(rounds):
            given = make()
            began = time.process_time()
            function(given)
            times.append(time.process_time() - began)
        seconds[name].append(min(times))

    for path in paths:
        sound = read(path, rate_hz=16000)
        digests.append(
            [hashlib.sha256(one.extract(sound).tobytes()).hexdigest() for one in modules]
        )
        if not rounds:
            continue
        at_22050 = soxr.resample(sound, 16000, spectra.RATE_HZ)
        found = functionals.series(at_22050)
        rows = np.concatenate(list(found.values()))
        kept = spectra.Spectra(at_22050)
        power = kept.power
        noise = iter(np.random.default_rng(0).normal(0, 1e-7, (9 * rounds, 1)).astype(np.float32))

        def fresh(sound=sound, noise=noise):
            return sound + next(noise)  # nothing that is remembered is of use

        least("statistics", functionals.statistics, lambda rows=rows: rows)
        least("pitch", functionals._pitch, lambda power=power: power)
        least("shape", functionals._shape, lambda y=at_22050: _transformed(spectra.Spectra(y)))
        least("functionals", functionals.extract, lambda y=at_22050: y)
        least("utterance", utterance.utterance, fresh)
        for module in modules:
            least(module.NAME, module.extract, fresh)
        least("all three sets", lambda y: [one.extract(y) for one in modules], fresh)
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "digests": digests, "mib": mib}


def _transformed(spectra):
    _ = spectra.power
    return spectra


def feature_rows(old: Code, new: Code, paths: list[Path], timed: list[Path], place: Path) -> tuple:
    """Return rows of parts; how many of how many clips have equal features; MiB of both."""
    found: dict[Code, dict] = {}
    for code in (old, new):
        found[code] = _asked(code, paths, 0, place)
    equal = sum(a == b for a, b in zip(*(one["digests"] for one in found.values()), strict=True))
    took: dict[Code, list[dict]] = {old: [], new: []}
    for number in range(3):
        for code in (old, new) if number % 2 else (new, old):
            took[code].append(_asked(code, timed, 7, place)["seconds"])
    rows = []
    for name in PARTS:
        a, b = (
            [min(run[name][at] for run in took[code]) for at in range(len(timed))]
            for code in (old, new)
        )
        ratios = [x / y for x, y in zip(a, b, strict=True)]
        rows.append(
            (name, 1e3 * statistics.mean(a), 1e3 * statistics.mean(b), statistics.median(ratios))
        )
    return rows, equal, [one["mib"] for one in found.values()]


def _asked(code: Code, paths: list[Path], rounds: int, place: Path) -> dict:
    question, answer = place / "question.json", place / "answer.json"
    question.write_text(json.dumps([list(map(str, paths)), rounds]))
    code.run([str(Path(__file__).resolve()), "--child", str(question), str(answer)])
    return json.loads(answer.read_text())


def _child(question: str, answer: str) -> None:
    one_core()
    Path(answer).write_text(json.dumps(features_of(*json.loads(Path(question).read_text()))))


def recordings(folder: Path, endings: tuple[str, ...], count: int, seed: int) -> list[Path]:
    """Return some recordings below a folder, drawn by a seed."""
    every = sorted(p.resolve() for p in folder.rglob("*") if p.suffix.lower() in endings)
    return random.Random(seed).sample(every, min(count, len(every)))


def text_of(commands: list, files: tuple, features: tuple, options: argparse.Namespace) -> str:
    """Return the result as Markdown."""
    cores = len(os.sched_getaffinity(0))
    lines = ["# A prediction from a cold start", "", "  \n".join(header(PACKAGES, cores)), ""]
    lines += [
        f"## Commands, each a new process, medians of {options.rounds} rounds in turn",
        "",
        "| command | processor s before | now | times as fast | MiB before | now |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in commands:
        cells = (f"{row['before']:.3f}", f"{row['now']:.3f}", f"{row['ratio']:.2f}")
        memory = " | ".join(f"{mib:.0f}" for mib in row["mib"])
        lines.append(f"| {name} | {' | '.join(cells)} | {memory} |")
    same, size, count = files
    said = "the same bytes" if same else "DIFFERENT bytes"
    lines += ["", f"`predict` of {count} recordings writes {said} ({size}) with both codes."]
    rows, equal, mib, total, n_timed = features
    lines += ["", "## The voice's features, one core, warm", ""]
    lines += ["| part | ms a clip before | now | times as fast |", "|---|---|---|---|"]
    lines += [f"| {name} | {a:.2f} | {b:.2f} | {ratio:.2f} |" for name, a, b, ratio in rows]
    lines += [
        "",
        f"Least of 21 each, of {n_timed} clips; the ratio is the median of the clips'. All values "
        f"of all three sets are equal, every bit, on {equal} of {total} clips; "
        f"{mib[0]:.0f} MiB before and {mib[1]:.0f} now.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print and write the result; return the exit status."""
    if sys.argv[1:2] == ["--child"]:
        _child(*sys.argv[2:])
        return 0
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        old, new = (
            Code(Path(code), place / name)
            for name, code in (("before", options.before), ("now", HERE))
        )
        sounds = [
            p
            for data in options.data
            for p in recordings(Path(data), SOUNDS, options.clips, options.seed)
        ]
        films = recordings(Path(options.data[0]), (".mp4",), options.files // 4, options.seed)
        spoken = recordings(Path(options.data[0]), (".wav",), 1, options.seed) or sounds[:1]
        given = {path.suffix[1:]: path for path in (*spoken, *films[:1])}
        commands = command_rows(old, new, given, options.rounds, place)
        step = max(1, len(sounds) // max(1, options.files - len(films)))
        files = [*films, *sounds[::step]][: options.files]
        same, size = same_tables(old, new, files, place)
        timed = sounds[:: max(1, len(sounds) // 12)][:12]
        rows, equal, mib = feature_rows(old, new, sounds, timed, place)
    text = text_of(
        commands, (same, size, len(files)), (rows, equal, mib, len(sounds), len(timed)), options
    )
    print(text)
    path = Path(options.output or RESULTS / f"cold_start_{date.today().isoformat()}.md")
    path.write_text(text, encoding="utf-8")
    return 0 if same and equal == len(sounds) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, nargs="+", help="folders of recordings")
    parser.add_argument("--before", required=True, metavar="DIR", help="a checkout of earlier code")
    parser.add_argument("--clips", type=int, default=50, help="per folder (default: 50)")
    parser.add_argument("--files", type=int, default=40, help="compared tables (default: 40)")
    parser.add_argument("--rounds", type=int, default=9, help="of each command (default: 9)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--output", help="result file (default: benchmarks/results/...)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
