"""Time the feature sets of systems A, B, D and E: plain librosa calls, and ours.

Run from the repository's root, on recordings of any kind::

    python benchmarks/audio_features.py --data RAVDESS/speech --clips 60 --seed 0 --all

Both ways run in one process on one core with one thread, clip by clip in turn,
each set's two ways one after the other and in the opposite order every second
time, so that other work on the machine, and what the one leaves in the
processor's cache, befall both alike. Of each clip the least time of several
counts, in seconds of the processor. Both are warm: every clip was computed once
before. Decoding is timed apart. ``--all`` then extracts aei_2019's set of every
clip below the folder, from files, with an empty cache. The result is written to
``benchmarks/results``; the exit status is 1 where a value does not agree.

"Plain" is each system's calls as one writes them down: every librosa function
is given the signal, once, and numpy and scipy make the statistics.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from _environment import header, one_core

RATE_HZ = 22050
ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".m4a")
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("librosa", "numpy", "scipy", "soxr", "numba")
#: Values agree within this share of the plain value. Where that is near 0 two more
#: count: the same share of how much the value deviates between the clips, and a
#: millionth, single precision's rounding, of the largest value of its description.
TOLERANCE, ROUNDING = 1e-4, 1e-6
#: Descriptions that no gain changes, but that show rounding in digital silence.
#: A gain that is no power of 2 rounds anew: what then moves is not the sound's.
SCALE_FREE, GAIN = ("cens", "tonnetz"), 0.9


def plain_a(y):
    """aei_2019: statistics of 13 MFCC, delta, delta-delta; RMS."""
    import librosa
    import numpy as np

    mfcc = librosa.feature.mfcc(y=y, sr=RATE_HZ, n_mfcc=13)
    series = [mfcc, librosa.feature.delta(mfcc), librosa.feature.delta(mfcc, order=2)]
    values = [f(s, axis=1) for s in series for f in (np.mean, np.max, np.min, np.std)]
    return np.concatenate([*values, [np.mean(librosa.feature.rms(y=y))]])


def plain_b(y):
    """gendered_mlp: seven moments of eleven features."""
    import librosa
    import numpy as np
    from librosa import feature
    from scipy import stats

    mfcc = feature.mfcc(y=y, sr=RATE_HZ)
    series = [
        mfcc,
        feature.delta(mfcc),
        feature.delta(mfcc, order=2),
        feature.melspectrogram(y=y, sr=RATE_HZ),
        librosa.feature.rms(y=y),
        feature.spectral_contrast(y=y, sr=RATE_HZ),
        feature.chroma_stft(y=y, sr=RATE_HZ),
        feature.spectral_rolloff(y=y, sr=RATE_HZ),
        feature.spectral_centroid(y=y, sr=RATE_HZ),
        feature.spectral_flatness(y=y),
        feature.zero_crossing_rate(y),
    ]
    plain = (np.mean, np.std, np.median, np.min, np.max)
    shape = (stats.skew, stats.kurtosis)
    values = [[*(f(s) for f in plain), *(f(s, axis=None) for f in shape)] for s in series]
    return np.concatenate(values)


def plain_d(y):
    """soft_voting: mean of 40 MFCC, 12 chroma of the magnitude, 128 mel bands."""
    import librosa
    import numpy as np
    from librosa import feature

    stft = np.abs(librosa.stft(y))
    mfcc = np.mean(feature.mfcc(y=y, sr=RATE_HZ, n_mfcc=40).T, axis=0)
    chroma = np.mean(feature.chroma_stft(S=stft, sr=RATE_HZ).T, axis=0)
    mel = np.mean(feature.melspectrogram(y=y, sr=RATE_HZ).T, axis=0)
    return np.concatenate([mfcc, chroma, mel])


def plain_e(y):
    """cremad_valence: mean and deviation of eleven features."""
    import numpy as np
    from librosa import feature

    series = [
        feature.mfcc(y=y, sr=RATE_HZ),
        feature.spectral_centroid(y=y, sr=RATE_HZ),
        feature.spectral_flatness(y=y),
        feature.tempogram(y=y, sr=RATE_HZ),
        feature.chroma_cens(y=y, sr=RATE_HZ),
        feature.rms(y=y),
        feature.melspectrogram(y=y, sr=RATE_HZ),
        feature.spectral_contrast(y=y, sr=RATE_HZ),
        feature.tonnetz(y=y, sr=RATE_HZ),
        feature.chroma_stft(y=y, sr=RATE_HZ),
        feature.zero_crossing_rate(y),
    ]
    return np.array([f(s) for s in series for f in (np.mean, np.std)])


#: System -> our set, and its plain calls.
SYSTEMS: dict[str, tuple[str, Callable]] = {
    "A": ("mfcc_rms", plain_a),
    "B": ("spectral_moments", plain_b),
    "D": ("mfcc_chroma_mel", plain_d),
    "E": ("spectral_mean_std", plain_e),
}
#: What our sets are made of, in this order: each stage finds the earlier ones done.
STAGES: dict[str, tuple[str, Callable]] = {
    "transform": ("ABDE", lambda s: s.magnitude),
    "mel bands, dB": ("ABDE", lambda s: s.mel_db),
    "RMS": ("ABE", lambda s: s.rms),
    "zero crossings": ("BE", lambda s: s.zero_crossing_rate),
    "centroid": ("BE", lambda s: s.centroid_hz),
    "flatness": ("BE", lambda s: s.flatness),
    "roll-off": ("B", lambda s: s.rolloff_hz()),
    "contrast": ("BE", lambda s: s.contrast_db),
    "chroma with its tuning": ("BE", lambda s: s.chroma()),
    "chroma of the magnitude": ("D", lambda s: s.chroma("magnitude")),
    "constant-Q transform with its tuning": ("E", lambda s: s.cqt_chroma),
    "CENS, tonnetz": ("E", lambda s: (s.cens, s.tonnetz)),
    "onsets, tempogram": ("E", lambda s: s.tempogram),
}


def least_seconds(ways: Mapping[str, Callable], signals: list, rounds: int) -> dict[str, float]:
    """Return each way's, and each stage's, mean over clips of its least processor seconds."""
    from multimodal_ser.audio.spectra import Spectra

    least = {name: [float("inf")] * len(signals) for name in (*ways, *STAGES)}

    def timed(name: str, at: int, way: Callable, argument) -> None:
        started = time.process_time()
        way(argument)
        least[name][at] = min(least[name][at], time.process_time() - started)

    for turn in range(rounds):
        order = list(ways) if turn % 2 else list(ways)[::-1]
        for at, y in enumerate(signals):
            for name in order:
                timed(name, at, ways[name], y)
            spectra = Spectra(y)
            for name, (_, stage) in STAGES.items():
                timed(name, at, stage, spectra)
    return {name: sum(times) / len(times) for name, times in least.items()}


def values(way: Callable, signals: list):
    """Return what a way makes of each signal, float64 ``(n_signals, n_values)``."""
    import numpy as np

    return np.array([way(y) for y in signals], np.float64)


def disagreement(expected, got, names: tuple[str, ...]) -> tuple[float, int, int]:
    """Return the largest difference in units of the tolerance; values that rtol alone fails; all.

    The tolerance is ``TOLERANCE`` times the expected value's size, plus
    ``TOLERANCE`` times the value's standard deviation over the clips, plus
    ``ROUNDING`` times the largest value of the same description.
    """
    import numpy as np

    away = np.abs(got - expected)
    relative = TOLERANCE * np.abs(expected)
    described = [name.rsplit("_", 1)[0] for name in names]
    shape = [name.endswith(("_skewness", "_kurtosis")) for name in names]
    size = np.where(shape, 0, np.abs(expected).max(axis=0))
    largest = {of: size[np.array(described) == of].max() for of in described}
    absolute = ROUNDING * np.array([largest[of] for of in described])
    allowed = relative + TOLERANCE * expected.std(axis=0) + absolute
    return float((away / allowed).max()), int((away > relative).sum()), away.size


def own_rounding(expected, signals: list, names: tuple[str, ...]) -> str:
    """Return a line on how far librosa's values of cremad_valence turn on its own rounding."""
    import numpy as np

    chosen = [at for at, name in enumerate(names) if name.rsplit("_", 1)[0] in SCALE_FREE]
    once = expected[:, chosen]
    quieter = values(plain_e, [np.float32(GAIN) * y for y in signals])[:, chosen]
    largest, beyond, count = disagreement(once, quieter, tuple(names[at] for at in chosen))
    return (
        f"librosa against itself: CENS and tonnetz of cremad_valence, which no gain changes, "
        f"of the same clips times {GAIN}: largest difference {largest:.2f}, {beyond} of {count} "
        "beyond rtol alone. In frames of digital silence they are the rounding of a transform, "
        "so that they agree only where every operation is librosa's, in its precision and order, "
        "as ours is."
    )


def measure(signals: list, rounds: int) -> tuple[list[str], bool]:
    """Return the report on signals at 22050 Hz, as lines of Markdown, and whether all agree."""
    import librosa

    from multimodal_ser.audio import features
    from multimodal_ser.audio.spectra import Spectra

    ours = {system: features.load(name) for system, (name, _) in SYSTEMS.items()}
    ways = {}
    for system, (_, plain) in SYSTEMS.items():
        ways |= {f"plain {system}": plain, f"ours {system}": ours[system].extract}
    ways |= {"stft": librosa.stft, "transform": lambda y: Spectra(y).magnitude}
    started = time.process_time()
    expected = {system: values(plain, signals) for system, (_, plain) in SYSTEMS.items()}
    got = {system: values(module.extract, signals) for system, module in ours.items()}
    warming = time.process_time() - started
    agreement = {s: disagreement(expected[s], got[s], ours[s].names()) for s in SYSTEMS}
    seconds = least_seconds(ways, signals, rounds)
    stft = seconds["stft"]
    lines = [
        "| system | set | plain ms/clip | ours ms/clip | times faster | ours in STFTs "
        "| largest difference | beyond rtol alone |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for system, (name, _) in SYSTEMS.items():
        plain, own = seconds[f"plain {system}"], seconds[f"ours {system}"]
        largest, beyond, count = agreement[system]
        lines.append(
            f"| {system} | {name} | {1e3 * plain:.2f} | {1e3 * own:.2f} | {plain / own:.2f} "
            f"| {own / stft:.1f} | {largest:.2f} | {beyond} of {count} |"
        )
    lines += [
        "",
        f"One `librosa.stft`: {1e3 * stft:.2f} ms a clip; our transform: "
        f'{1e3 * seconds["transform"]:.2f} ms. "Ours in STFTs" counts the former.',
        "Largest difference: of any value of any clip, in units of what is allowed, which is "
        f"rtol {TOLERANCE:g} plus an atol of {TOLERANCE:g} of that value's standard deviation over "
        f"these clips and {ROUNDING:g} of the largest value of the same description; 1 or less "
        "agrees. Beyond rtol alone: values that need the atol, because "
        "they are near 0 beside what they are the difference of (means of deltas and of tonnetz, "
        "the least contrast of a silent frame).",
        own_rounding(expected["E"], signals, ours["E"].names()),
        f"Each clip {rounds} times, the two ways in turn, in the opposite order every second time; "
        "the least processor time of each counts, of the stages below too.",
        f"The first pass over the clips, both ways, with imports, numba's compilation and the "
        f"building of filters, took {warming:.1f} s.",
        "",
        *_stage_table(seconds),
    ]
    return lines, all(largest <= 1 for largest, _, _ in agreement.values())


def _stage_table(seconds: Mapping[str, float]) -> list[str]:
    lines = [
        "Where our time goes, ms a clip (what is left is statistics, deltas and MFCC):",
        "",
        f"| stage | {' | '.join(SYSTEMS)} |",
        f"|---|{'---|' * len(SYSTEMS)}",
    ]
    left = {system: seconds[f"ours {system}"] for system in SYSTEMS}
    for name, (users, _) in STAGES.items():
        cells = []
        for system in SYSTEMS:
            left[system] -= seconds[name] * (system in users)
            cells.append(f"{1e3 * seconds[name]:.2f}" if system in users else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    rest = " | ".join(f"{1e3 * left[system]:.2f}" for system in SYSTEMS)
    return [*lines, f"| what is left | {rest} |"]


def decoding(paths: list[Path]) -> tuple[list, str]:
    """Return the signals, and a line on how long reading them took."""
    from multimodal_ser.audio import signal

    signal.read(paths[0], rate_hz=RATE_HZ)
    started = time.process_time()
    signals = [signal.read(path, rate_hz=RATE_HZ) for path in paths]
    spent = 1e3 * (time.process_time() - started) / len(paths)
    seconds = sum(map(len, signals)) / RATE_HZ / len(paths)
    return signals, (
        f"{len(paths)} clips of {seconds:.2f} s on average; decoding and resampling to "
        f"{RATE_HZ} Hz takes {spent:.2f} ms a clip more, either way."
    )


def extract_all(folder: str, workers: int) -> None:
    """Extract aei_2019's set of every clip below a folder and print how long it took."""
    from multimodal_ser.audio.extract import extract
    from multimodal_ser.compute.cache import Cache
    from multimodal_ser.tables import make_clips

    paths = recordings(folder)
    clips = make_clips({"clip": path.as_posix(), "audio": str(path)} for path in paths)
    with tempfile.TemporaryDirectory() as cache:
        started = time.perf_counter()
        table, _ = extract(clips, "mfcc_rms", cache=Cache(cache), workers=workers, progress=False)
        wall = time.perf_counter() - started
    print(
        f"aei_2019's set of all {len(table.clips)} clips, from files to an empty cache, "
        f"{workers} processes, their start included: {wall:.1f} s."
    )


def recordings(folder: str) -> list[Path]:
    """Return every recording below a folder, sorted."""
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in ENDINGS)
    if not found:
        sys.exit(f"error: {folder}: there is no recording below it ({', '.join(ENDINGS)})")
    return found


def main() -> None:
    """Measure, print and write the result."""
    options = _options()
    if options.only_all:
        return extract_all(options.data, options.workers)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    everything = _in_a_fresh_process(options) if options.all else []
    one_core()
    warnings.filterwarnings("ignore", category=UserWarning)
    import numpy as np

    paths = recordings(options.data)
    count = min(options.clips, len(paths))
    chosen = np.random.default_rng(options.seed).choice(len(paths), count, replace=False)
    signals, about = decoding([paths[at] for at in sorted(chosen)])
    lines = ["# Audio features: plain librosa calls and ours", ""]
    lines += ["  \n".join([*header(PACKAGES, cores), f"{about} Seed {options.seed}."]), ""]
    measured, agree = measure(signals, options.rounds)
    lines += [*measured, *everything]
    text = "\n".join(lines)
    print(text)
    path = Path(options.output or RESULTS / f"audio_features_{date.today().isoformat()}.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    if not agree:
        sys.exit("error: values differ from librosa's by more than is allowed; see the table")
    return None


def _in_a_fresh_process(options: argparse.Namespace) -> list[str]:
    # Before this process is kept to one core, which its children would inherit.
    command = [sys.executable, __file__, "--data", options.data, "--only-all"]
    command += ["--workers", str(options.workers)]
    before = os.times()
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    after = os.times()
    spent = sum(after[at] - before[at] for at in (2, 3))  # of children, as user and as system
    return ["", f"{run.stdout.strip()} All of them together took {spent:.1f} s of processor time."]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder with recordings")
    parser.add_argument("--clips", type=int, default=60, help="how many to time (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of clips")
    parser.add_argument("--rounds", type=int, default=5, help="times over (default: 5)")
    parser.add_argument("--all", action="store_true", help="also extract set A of all clips")
    parser.add_argument("--workers", type=int, default=2, help="processes for --all (default: 2)")
    parser.add_argument("--output", help="result file (default: benchmarks/results/...)")
    parser.add_argument("--only-all", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
