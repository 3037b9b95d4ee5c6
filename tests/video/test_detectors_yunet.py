"""YuNet: its errors without weights; with them (../shared/data), what it finds."""

import numpy as np
import pytest

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


@pytest.fixture
def at_hand(shared_data, monkeypatch):
    monkeypatch.setenv(weights.WEIGHTS_VARIABLE, str(shared_data / "weights"))


@pytest.fixture(scope="module")
def real_frame(shared_data):
    return next(iter_frames(shared_data / "ravdess/video/Actor_05/01-01-03-01-01-02-05.mp4")).gray


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.WEIGHTS_VARIABLE, str(tmp_path))
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_without_weights_the_error_says_how_to_get_them(nowhere):
    with pytest.raises(MissingWeights) as error:
        yunet.detect(np.zeros((90, 160), np.uint8))
    assert "download weights --names yunet" in str(error.value)


def test_without_weights_a_clip_fails_with_that_error(nowhere):
    path = film.write(nowhere / "a.mp4", [np.zeros((64, 96), np.uint8)] * 3)
    params = extract.FrameParams(crop="face", detector="yunet")
    with pytest.raises(MissingWeights) as error:
        extract.clip_frames(path, params)
    assert "download weights" in str(error.value)


def test_a_forged_file_is_never_parsed(nowhere, monkeypatch):
    import cv2

    (nowhere / weights.WEIGHTS["yunet"].file).write_bytes(b"onnx" * 1000)
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_: pytest.fail("it was parsed"))
    with pytest.raises(MissingWeights) as error:
        yunet.detect(np.zeros((90, 160), np.uint8))
    assert "4000" in str(error.value) and "229738" in str(error.value)


@pytest.mark.real_data
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (17, 16), (300, 20), (720, 1280)])
def test_flat_noisy_and_tiny_pictures_have_no_face(at_hand, shape):
    noise = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    for gray in (np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), noise):
        assert yunet.detect(gray) == []


@pytest.mark.real_data
def test_boxes_are_in_pixels_of_the_picture_given(at_hand, real_frame):
    import cv2

    (whole,) = yunet.detect(real_frame)
    assert yunet.SCORE < whole.confidence <= 1
    (haar,) = detectors.load("haar").detect(real_frame)
    assert faces.overlap(whole, haar) > 0.5
    half = cv2.resize(real_frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    (small,) = yunet.detect(half)
    assert faces.overlap(whole, faces.Box(*(2 * edge for edge in small[:4]), 1.0)) > 0.85


@pytest.mark.real_data
def test_a_shift_moves_the_box_and_a_mirror_mirrors_it(at_hand, real_frame):
    (box,) = yunet.detect(real_frame)
    (moved,) = yunet.detect(np.roll(real_frame, 144, axis=1))
    assert faces.overlap(box._replace(x=box.x + 144), moved) > 0.85
    (mirrored,) = yunet.detect(np.ascontiguousarray(real_frame[:, ::-1]))
    assert faces.overlap(box._replace(x=real_frame.shape[1] - box.x - box.w), mirrored) > 0.85


@pytest.mark.real_data
def test_it_finds_tilted_and_cut_faces_that_haar_misses(at_hand, real_frame):
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
def test_two_faces_and_an_upright_film(at_hand, real_frame):
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
def test_a_real_film_has_a_face_in_every_sampled_frame(at_hand, shared_data):
    path = shared_data / "ravdess/video/Actor_05/01-01-03-01-01-02-05.mp4"
    params = extract.FrameParams(size_px=48, crop="face", detector="yunet")
    assert not np.isnan(extract.clip_frames(path, params).box).any()


@pytest.mark.real_data
def test_a_film_without_a_face_says_so(at_hand, tmp_path):
    path = film.write(tmp_path / "a.mp4", [film.numbered(at) for at in range(30)])
    with pytest.raises(MediaError):
        extract.clip_frames(path, extract.FrameParams(crop="face", detector="yunet"))
