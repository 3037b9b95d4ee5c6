"""YuNet on smaller copies of an image: how far its boxes move, what it takes, whom it misses.

Run from the repository's root, on videos of one large face each::

    python benchmarks/face_detection.py --data RAVDESS/Actor_05

Every :data:`EVERY`-th frame is searched at full size and with its shorter side reduced to
each of :data:`SIDES_PX`; the first box's intersection over union with the one at full
size, and the least time of three, are the table's. Then some frames are shrunk into
a grey image, so that the face is as small a share of the shorter side as is said, and
it is counted how often it is found. The result is written to ``benchmarks/results``.
"""

from __future__ import annotations

from _environment import header, one_core

one_core()

import argparse  # noqa: E402
import os  # noqa: E402
import time  # noqa: E402
from datetime import date  # noqa: E402
from pathlib import Path  # noqa: E402

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from multimodal_ser.video import faces, frames  # noqa: E402
from multimodal_ser.video.detectors import yunet  # noqa: E402

EVERY, SIDES_PX, ROUNDS = 5, (160, 320), 3
#: A face's height is this part of the image's shorter side: one in so many.
SHARES, N_SHRUNK = (5, 6, 7, 8, 10, 12, 14), 20
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of videos")
    paths = sorted(parser.parse_args().data.glob("*.mp4"))
    cv2.setNumThreads(1)
    images = [one.gray for path in paths for one in frames.iter_frames(path, every=EVERY)]
    lines = [
        *header(("opencv-python-headless", "numpy"), os.cpu_count() or 1),
        "",
        f"{len(images)} frames",
        "",
    ]
    lines += [*sizes(images), "", *shares(images)]
    text = "\n".join(lines)
    print(text)
    name = f"face_detection_{date.today().isoformat()}.md"
    (RESULTS / name).write_text(f"{text}\n", encoding="utf-8")


def sizes(images: list[np.ndarray]) -> list[str]:
    """Return the table of boxes and time by the shorter side that is searched."""
    whole = [_first(image, min(image.shape)) for image in images]
    rows = ["| shorter side, px | IoU with full size | least | ms a frame |", "|---|---|---|---|"]
    for side in (*SIDES_PX, min(images[0].shape)):
        found = [_first(image, side) for image in images]
        pairs = [(a, b) for (a, _), (b, _) in zip(found, whole, strict=True) if a and b]
        same = [faces.overlap(a, b) for a, b in pairs]
        took_ms = 1000 * np.median([seconds for _, seconds in found])
        rows.append(f"| {side} | {np.mean(same):.3f} | {min(same):.3f} | {took_ms:.1f} |")
    return rows


def shares(images: list[np.ndarray]) -> list[str]:
    """Return the table of faces found by their share of the shorter side."""
    rows = ["| face, of the shorter side | " + " | ".join(f"at {s}" for s in SIDES_PX) + " |"]
    rows.append("|---|" + "---|" * len(SIDES_PX))
    chosen = images[:: max(1, len(images) // N_SHRUNK)][:N_SHRUNK]
    for share in SHARES:
        small = [_shrunk(image, share) for image in chosen]
        counts = [sum(bool(_first(one, side)[0]) for one in small) for side in SIDES_PX]
        rows.append(f"| 1/{share} | " + " | ".join(f"{n} of {len(small)}" for n in counts) + " |")
    return rows


def _first(image: np.ndarray, side_px: int) -> tuple[faces.Box | None, float]:
    """Return the best box, the shorter side so reduced, and the least of some times in s."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        found = yunet._detect(*yunet._reduced(image, side_px))
        times.append(time.perf_counter() - started)
    return (found[0] if found else None), min(times)


def _shrunk(image: np.ndarray, share: int) -> np.ndarray:
    """Return an equally large image whose face is one in ``share`` of its shorter side."""
    box = _first(image, min(image.shape))[0]
    assert box is not None  # these videos show a face throughout
    factor = min(image.shape) / share / box.h
    height, width = (max(1, round(length * factor)) for length in image.shape)
    whole = np.full_like(image, int(image.mean()))
    top, left = (
        (there - here) // 2 for there, here in zip(whole.shape, (height, width), strict=True)
    )
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    whole[top : top + height, left : left + width] = small
    return whole


if __name__ == "__main__":
    main()
