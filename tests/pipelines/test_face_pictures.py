"""The command that shows hard cases of faces: its cases are what they are called."""

import face_pictures
import numpy as np
import pytest

from multimodal_ser.video import people
from multimodal_ser.video.extract import FrameParams, clip_frames


@pytest.fixture
def films(corpus, monkeypatch):
    monkeypatch.setattr(face_pictures, "FRAMES", 30)
    paths = sorted(corpus.rglob("*.mp4"))
    return [str(path) for path in (paths[0], paths[len(paths) // 2], paths[-1])]


def test_a_picture_and_a_line_for_every_case(films, stand_in, tmp_path, monkeypatch, capsys):
    import cv2

    whole = face_pictures.cases
    kept = ("no face", "three faces")
    monkeypatch.setattr(face_pictures, "cases", lambda *f: {k: whole(*f)[k] for k in kept})
    words = ["--films", *films, "--model", str(stand_in / "ravdess"), "--output", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["face_pictures.py", *words])
    assert face_pictures.main() == 0
    lines = {line.split("|")[1].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert "3 faces, the largest was followed" in lines["three faces"]
    assert "no face found" in lines["no face"]
    for name in kept:
        assert cv2.imread(str(tmp_path / f"{name.replace(' ', '_')}.png")).std() > 10


def test_the_portrait_is_upright_and_the_poster_still(films, tmp_path):
    cases = face_pictures.cases(*map(face_pictures.first, films))
    params = FrameParams(every=5, size_px=48, crop="face")
    for name, check in {
        "portrait with a rotation mark": lambda found: found.box[:, 3] > found.box[:, 2],
        "a poster alone": lambda found: found.faces[:, people.COLUMNS.index("still")] == 1,
        "4K": lambda found: found.box[:, 3] > 500,
    }.items():
        path = tmp_path / "a.mp4"
        face_pictures.write(path, *cases[name])
        found = clip_frames(path, params)
        assert found.usable.all() and np.all(check(found)), name
