"""Show what becomes of hard cases: several faces, a poster, an edge, 4K, a telephone's rotation.

Each case is a video of its own, pasted together from the films given (one person each),
and then read and predicted as any other. Its picture shows the sampled frames with every
face (green: followed, yellow: not, red: does not move) and below them what the network
is given; its title is what the prediction says.

    python pipelines/face_pictures.py --films A.mp4 B.mp4 C.mp4 --output faces
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import MediaError, SerError
from multimodal_ser.video import people
from multimodal_ser.video.detectors import NAMES
from multimodal_ser.video.extract import ClipFrames, clip_frames
from multimodal_ser.video.frames import iter_frames
from multimodal_ser.workflows import inference

#: Frames of each film that are used, and of each case a second.
FRAMES, RATE = 75, 25
#: Height in pixels of a frame in the picture, and how many are shown.
SHOWN_PX, SHOWN = 270, 4
GREEN, YELLOW, RED = (60, 200, 60), (0, 210, 255), (60, 60, 230)

Images = list[np.ndarray]


def pasted(size: tuple[int, int], *placed: tuple[Images, int, int, int]) -> Images:
    """Return images of films on grey: ``(images, height, left, top)``, cut at the edges."""
    found = []
    for at in range(FRAMES):
        canvas = np.full(size[::-1], 105, np.uint8)
        for images, height, left, top in placed:
            image = images[at % len(images)]
            width = round(image.shape[1] * height / image.shape[0])
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            image = image[max(0, -top) :, max(0, -left) :]
            part = canvas[max(0, top) :, max(0, left) :][: image.shape[0], : image.shape[1]]
            part[:] = image[: part.shape[0], : part.shape[1]]
        found.append(canvas)
    return found


def warped(images: Images, matrix: np.ndarray) -> Images:
    """Return images under an affine map, their edges repeated."""
    height, width = images[0].shape
    edge = cv2.BORDER_REPLICATE
    return [cv2.warpAffine(image, matrix, (width, height), borderMode=edge) for image in images]


def cases(a: Images, b: Images, c: Images) -> dict[str, tuple[Images, int]]:
    """Return each case's images and rotation mark in degrees.

    Args:
        a: images of a film, uint8 ``(height, width)``, the height in the middle a person's.
        b: of another.
        c: of a third.
    """
    height, width = a[0].shape
    square = slice((width - height) // 2, (width + height) // 2)
    a, b, c = ([image[:, square] for image in film] for film in (a, b, c))
    middle = (height / 2, height / 2)
    narrow = np.array([[0.6, 0, 0.2 * height], [0, 1, 0]])
    dark = [np.clip(image * 0.2, 0, 255).astype(np.uint8) for image in a]
    mosaic = [cv2.resize(image, (9, 9), interpolation=cv2.INTER_AREA) for image in a]
    upright = [np.rot90(image) for image in pasted((540, 960), (a, 540, 0, 200))]
    still = pasted((1280, 720), (b[:1], 700, 0, 10), (a, 440, 770, 180))
    size = (1280, 720)
    return {
        "one face": (pasted(size, (a, 720, 280, 0)), 0),
        "three faces": (pasted(size, (a, 640, 320, 40), (b, 340, 0, 200), (c, 340, 940, 200)), 0),
        "two of one size": (pasted(size, (a, 600, 20, 60), (b, 600, 650, 60)), 0),
        "no face": (pasted(size, (mosaic, 720, 280, 0)), 0),
        "a poster larger than who speaks": (still, 0),
        "a poster alone": (pasted(size, (b[:1], 700, 0, 10)), 0),
        "tilted by 40 degrees": (warped(a, cv2.getRotationMatrix2D(middle, 40, 1.0)), 0),
        "narrow as if turned by 53 degrees": (warped(a, narrow), 0),
        "cut by the edge": (pasted(size, (a, 720, -360, 0)), 0),
        "far away": (pasted(size, (a, 150, 800, 400)), 0),
        "in the dark": (pasted(size, (dark, 720, 280, 0)), 0),
        "4K": (pasted((3840, 2160), (a, 1400, 1300, 500)), 0),
        "portrait with a rotation mark": (upright, 90),
    }


def write(path: Path, images: Images, degrees: int) -> None:
    """Write grey images as an mp4 that is to be shown turned clockwise by so many degrees."""
    with av.open(f"file:{path}", "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "20", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = *images[0].shape, "yuv420p"
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="gray")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    if degrees == 90:
        # The matrix of the track header (ISO/IEC 14496-12), in 16.16 and 2.30 bits.
        content = bytearray(path.read_bytes())
        at = content.index(b"tkhd") + 4 + 40
        units = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
        content[at : at + 36] = np.array(units, ">i4").tobytes()
        path.write_bytes(content)


def picture(path: Path, found: ClipFrames, title: str) -> np.ndarray:
    """Return the sampled frames with their boxes, and the network's images below them."""
    wanted = dict(zip(found.index.tolist(), range(len(found.index)), strict=True))
    films = (frame for frame in iter_frames(path, every=5) if frame.index in wanted)
    columns = []
    for frame in islice(films, SHOWN):
        row = wanted[frame.index]
        shown = cv2.cvtColor(frame.gray, cv2.COLOR_GRAY2BGR)
        boxed(shown, found.faces[found.faces[:, 0] == row], found.points[row])
        scale = SHOWN_PX / shown.shape[0]
        shown = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        seen = cv2.resize(found.pictures[row], (120, 120), interpolation=cv2.INTER_NEAREST)
        below = np.zeros((120, shown.shape[1], 3), np.uint8)
        below[:, :120] = cv2.cvtColor(seen, cv2.COLOR_GRAY2BGR)[:, : shown.shape[1]]
        columns.append(np.vstack([shown, below]))
    whole = np.hstack(columns)
    head = np.zeros((34, max(whole.shape[1], 900), 3), np.uint8)
    cv2.putText(
        head, title, (6, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
    )
    return np.vstack([head, np.pad(whole, ((0, 0), (0, head.shape[1] - whole.shape[1]), (0, 0)))])


def boxed(shown: np.ndarray, faces: np.ndarray, points: np.ndarray) -> None:
    """Draw boxes, persons and confidences, and the points of the face that is followed."""
    wide = max(2, shown.shape[0] // 180)
    for face in faces:
        told = dict(zip(people.COLUMNS, face.tolist(), strict=True))
        colour = GREEN if told["followed"] else RED if told["still"] else YELLOW
        left, top = int(told["x"]), int(told["y"])
        corner = (left + int(told["w"]), top + int(told["h"]))
        cv2.rectangle(shown, (left, top), corner, colour, wide)
        text = f"{told['person']:.0f}: {told['confidence']:.2f}"
        place = (max(0, left), max(12 * wide, top - 2 * wide))
        cv2.putText(shown, text, place, cv2.FONT_HERSHEY_SIMPLEX, wide / 3, colour, wide)
    for x, y in points[np.isfinite(points).all(axis=1)].tolist():
        cv2.circle(shown, (round(x), round(y)), wide + 1, GREEN, -1)


def main() -> int:
    """Write a video and a picture of each case, and print a table of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--films", nargs="+", required=True, help="videos of one person each")
    parser.add_argument("--model", help="a model of faces (default: the released one)")
    parser.add_argument("--detector", choices=NAMES, default="yunet", help="(default: yunet)")
    parser.add_argument("--output", default="faces", type=Path, help="(default: %(default)s)")
    options = parser.parse_args()

    options.output.mkdir(parents=True, exist_ok=True)
    model = inference.with_front_end(
        inference.load_model(options.model), detector=options.detector, sampling="every=20"
    )
    params = next(one.params for one in model.learners.values() if one.kind == "frames")
    films = [first(path) for path in (options.films * 3)[:3]]
    print("| case | face rate | emotion | confidence | note |\n|---|---|---|---|---|")
    for name, (images, degrees) in cases(*films).items():
        path = options.output / f"{name.replace(' ', '_')}.mp4"
        write(path, images, degrees)
        text = told(path, model)
        print(f"| {name} | {text} |", flush=True)
        try:
            found = clip_frames(path, params)
        except MediaError:  # without a face: shown as it is
            found = clip_frames(path, replace(params, crop="frame"))
        shown = picture(path, found, f"{name}: {text.replace(' |', ',')}")
        cv2.imwrite(str(path.with_suffix(".png")), shown)
    return 0


def first(path: str) -> Images:
    """Return a film's first frames, reduced to 720 pixels of height."""
    found = []
    for frame in islice(iter_frames(path, every=1), FRAMES):
        scale = min(1.0, 720 / frame.gray.shape[0])
        found.append(cv2.resize(frame.gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return found


def told(path: Path, model: inference.Model) -> str:
    """Return what the prediction of a video says of its face, as cells of a table."""
    work = {"cache": Cache(None), "workers": Engine(in_process=True)}
    table, failures = inference.predict(path, model, **work)
    if table.empty:
        return f"0 | - | - | {failures['error'].iloc[0].removeprefix(f'{path}: ')}"
    row = table[table["modality"] == "video"].iloc[0]
    cells = (f"{row['face_rate']:.0%}", row["emotion"], f"{row['confidence']:.2f}", row["note"])
    return " | ".join(cells)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (SerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
