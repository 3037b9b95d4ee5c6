"""YuNet: its weights are where they belong, and what it finds in real faces (../shared/data)."""

from pathlib import Path

import numpy as np
import pytest

from multimodal_ser.datasets import synthetic
from multimodal_ser.download import weights
from multimodal_ser.errors import MediaError, MissingWeights
from multimodal_ser.video import detectors, extract, faces
from multimodal_ser.video.detectors import yunet
from multimodal_ser.video.frames import iter_frames

from . import film


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No network that another test has loaded."""
    yunet._network.cache_clear()
    yield
    yunet._network.cache_clear()


@pytest.fixture(scope="module")
def real_frame(shared_data):
    return next(iter_frames(shared_data / "ravdess/video/Actor_05/01-01-03-01-01-02-05.mp4")).gray


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.WEIGHTS_VARIABLE, str(tmp_path))
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def drawn(nowhere):
    """A drawn face, 200 px high in 240x240."""
    setup = synthetic.Setup(size=(240, 240), rate_hz=16000, fps=5, seconds=1.0, seed=0)
    picture = next(synthetic.draw(synthetic._plan(setup, 3, 1, 0), setup.size, setup.fps))
    return picture.mean(axis=2).astype(np.uint8)


def test_its_weights_come_with_the_package_and_its_licence(drawn):
    (box,) = yunet.detect(drawn)
    assert yunet.SCORE < box.confidence <= 1
    folder = Path(yunet.__file__).parent / "weights"
    assert "MIT License" in (folder / "LICENSE").read_text()


def test_the_five_points_lie_where_a_face_has_them(drawn):
    for picture in (drawn, drawn[:, ::-1]):
        (box,) = yunet.detect(np.ascontiguousarray(picture))
        right_eye, left_eye, nose, *mouth = box.points
        assert right_eye[0] < nose[0] < left_eye[0] and len(mouth) == 2
        assert max(right_eye[1], left_eye[1]) < nose[1] < min(y for _, y in mouth)
        assert all(box.x < x < box.x + box.w and box.y < y < box.y + box.h for x, y in box.points)
    (small,) = yunet.detect(np.ascontiguousarray(drawn[::2, ::2]))
    for (x, y), (half_x, half_y) in zip(yunet.detect(drawn)[0].points, small.points, strict=True):
        assert (x, y) == pytest.approx((2 * half_x, 2 * half_y), abs=12)


def test_a_clip_keeps_the_points_of_its_face(drawn, nowhere):
    path = film.write(nowhere / "a.mp4", [drawn] * 3)
    got = extract.clip_frames(path, extract.FrameParams(size_px=48, crop="face"))
    assert got.points.shape == (1, 5, 2) and got.points.dtype == np.float32
    x, y, w, h, _ = got.box[0]
    assert (got.points[0] > (x, y)).all() and (got.points[0] < (x + w, y + h)).all()
    haar = extract.FrameParams(size_px=48, crop="face", detector="haar")
    assert np.isnan(extract.clip_frames(path, haar).points).all()


def test_a_face_that_the_small_image_misses_is_found_in_the_larger(drawn):
    import cv2

    far = cv2.resize(drawn, (140, 140), interpolation=cv2.INTER_AREA)
    scene = np.full((720, 1280), int(drawn[0, 0]), np.uint8)
    scene[300:440, 500:640] = far
    assert yunet._detect(*yunet._reduced(scene, yunet.SHORT_SIDES_PX[0])) == []
    (box,) = yunet.detect(scene)
    assert 500 < box.x < box.x + box.w < 640 and 300 < box.y < box.y + box.h < 440


def test_a_forged_file_is_never_parsed(nowhere, monkeypatch):
    import cv2

    (nowhere / weights.WEIGHTS["yunet"].file).write_bytes(b"onnx" * 1000)
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_: pytest.fail("it was parsed"))
    with pytest.raises(MissingWeights) as error:
        yunet.detect(np.zeros((90, 160), np.uint8))
    assert "4000" in str(error.value) and "229738" in str(error.value)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (17, 16), (300, 20), (720, 1280)])
def test_flat_noisy_and_tiny_pictures_have_no_face(shape):
    noise = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    for gray in (np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), noise):
        assert yunet.detect(gray) == []


@pytest.mark.real_data
def test_boxes_are_in_pixels_of_the_picture_given(real_frame):
    import cv2

    (whole,) = yunet.detect(real_frame)
    assert yunet.SCORE < whole.confidence <= 1
    (haar,) = detectors.load("haar").detect(real_frame)
    assert faces.overlap(whole, haar) > 0.5
    half = cv2.resize(real_frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    (small,) = yunet.detect(half)
    assert faces.overlap(whole, faces.Box(*(2 * edge for edge in small[:4]), 1.0)) > 0.85


@pytest.mark.real_data
def test_a_shift_moves_the_box_and_a_mirror_mirrors_it(real_frame):
    (box,) = yunet.detect(real_frame)
    (moved,) = yunet.detect(np.roll(real_frame, 144, axis=1))
    assert faces.overlap(box._replace(x=box.x + 144), moved) > 0.85
    (mirrored,) = yunet.detect(np.ascontiguousarray(real_frame[:, ::-1]))
    assert faces.overlap(box._replace(x=real_frame.shape[1] - box.x - box.w), mirrored) > 0.85


@pytest.mark.real_data
def test_it_finds_tilted_and_cut_faces_that_haar_misses(real_frame):
    import cv2

    height, width = real_frame.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 45, 1.0)
    tilted = cv2.warpAffine(real_frame, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    (box,) = yunet.detect(real_frame)
    halved = np.ascontiguousarray(real_frame[:, round(box.x + box.w / 2) :])
    for picture in (tilted, halved):
        assert len(yunet.detect(picture)) == 1
        assert detectors.load("haar").detect(picture) == []


@pytest.mark.real_data
def test_two_faces_and_an_upright_film(real_frame):
    import cv2

    small = cv2.resize(real_frame, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    scene = np.full((720, 2100), 90, np.uint8)
    scene[:, :1280], scene[200 : 200 + 432, 1300 : 1300 + 768] = real_frame, small
    boxes = yunet.detect(scene)
    assert len(boxes) == 2
    assert faces.choose(boxes, scene.shape).x < 1280
    # as a telephone held upright sees it: the shorter side is what is reduced
    upright = np.ascontiguousarray(real_frame[:, 440:845])
    assert len(yunet.detect(upright)) == 1


@pytest.mark.real_data
def test_a_real_film_has_a_face_in_every_sampled_frame(shared_data):
    path = shared_data / "ravdess/video/Actor_05/01-01-03-01-01-02-05.mp4"
    params = extract.FrameParams(size_px=48, crop="face", detector="yunet")
    assert not np.isnan(extract.clip_frames(path, params).box).any()


def test_a_film_without_a_face_says_so(tmp_path):
    path = film.write(tmp_path / "a.mp4", [film.numbered(at) for at in range(30)])
    with pytest.raises(MediaError):
        extract.clip_frames(path, extract.FrameParams(crop="face", detector="yunet"))
