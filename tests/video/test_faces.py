import numpy as np
import pytest

from multimodal_ser.errors import UnknownName
from multimodal_ser.video import detectors, faces
from multimodal_ser.video.faces import Box
from multimodal_ser.video.frames import Frame, iter_frames


def test_the_largest_face_counts_and_among_equals_the_most_central():
    small, aside, middle = Box(70, 30, 10, 10, 1), Box(0, 0, 30, 30, 1), Box(70, 30, 30, 30, 0.1)
    assert faces.choose([small, aside], (90, 160)) == aside
    assert faces.choose([aside, middle, small], (90, 160)) == middle
    assert faces.choose([], (90, 160)) is None


def test_a_crop_is_the_square_around_the_box():
    gray = np.arange(100, dtype=np.uint8).reshape(10, 10)
    assert (faces.crop(gray, Box(2, 3, 4, 4, 1), 4) == gray[3:7, 2:6]).all()
    # taller than wide: the square is as wide as it is tall, about the middle
    assert (faces.crop(gray, Box(3, 2, 2, 6, 1), 6) == gray[2:8, 1:7]).all()
    assert (faces.crop(gray, Box(3, 3, 4, 4, 1), 6, margin=0.5) == gray[2:8, 2:8]).all()


def test_a_crop_beyond_the_edge_repeats_the_edge():
    gray = np.arange(100, dtype=np.uint8).reshape(10, 10)
    got = faces.crop(gray, Box(-2, 8, 4, 4, 1), 4)
    assert (got == np.pad(gray, 4, mode="edge")[12:16, 2:6]).all()
    assert faces.crop(gray, Box(50, 50, 3, 3, 1), 3).tolist() == [[99] * 3] * 3


def test_a_box_is_not_carried_over(monkeypatch):
    box = Box(1, 1, 4, 4, 1)
    seen = iter([[box], [], [box]])
    monkeypatch.setattr(detectors.load("haar"), "detect", lambda gray: next(seen))
    film = [Frame(i, 0.0, np.zeros((9, 9), np.uint8)) for i in range(3)]
    assert [found for _, found in faces.detect_faces(film)] == [box, None, box]


def test_an_unknown_detector_lists_those_there_are():
    with pytest.raises(UnknownName, match="choose one of: haar"):
        detectors.load("yolo")


def test_noise_has_no_face():
    noise = np.random.default_rng(0).integers(0, 255, (200, 300), dtype=np.uint8)
    assert detectors.load("haar").detect(noise) == []


@pytest.mark.real_data
def test_a_real_face_is_found_at_any_scale(shared_data):
    import cv2

    gray = next(iter_frames(shared_data / "ravdess/video/Actor_05/02-01-08-01-02-01-05.mp4")).gray
    for scale in (1.0, 0.5, 0.25):
        small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        face = faces.choose(detectors.load("haar").detect(small), small.shape)
        assert 0.3 < face.h / small.shape[0] < 0.8
        assert face.x + face.w / 2 == pytest.approx(small.shape[1] / 2, rel=0.1)
        assert 0.5 < face.confidence <= 1
