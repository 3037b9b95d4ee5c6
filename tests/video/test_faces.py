import numpy as np
import pytest

from multimodal_ser.datasets import synthetic
from multimodal_ser.errors import UnknownName
from multimodal_ser.video import detectors, extract, faces
from multimodal_ser.video.faces import Box
from multimodal_ser.video.frames import Frame, iter_frames, resize

from . import film


@pytest.fixture(scope="module")
def portrait():
    """A drawn face, grey, 240x240."""
    setup = synthetic.Setup(size=(240, 240), rate_hz=16000, fps=5, seconds=1.0, seed=0)
    picture = next(synthetic.draw(synthetic._plan(setup, 3, 1, 0), setup.size, setup.fps))
    return picture.mean(axis=2).astype(np.uint8)


def pasted(*faces_at, size=(300, 600)):
    """Grey with pictures pasted on it, each ``(picture, left, top)``; cut at the edges."""
    canvas = np.full((size[0] + 600, size[1] + 600), 110, np.uint8)
    for picture, left, top in faces_at:
        height, width = picture.shape
        canvas[300 + top : 300 + top + height, 300 + left : 300 + left + width] = picture
    return canvas[300:-300, 300:-300]


def follow(pictures, detector="haar"):
    film = [Frame(at, at / 1.5, picture) for at, picture in enumerate(pictures)]
    return [box for _, box in faces.detect_faces(film, detector)]


def centre_x(box):
    return box.x + box.w / 2


def test_the_largest_face_counts_and_among_equals_the_most_central():
    small, aside, middle = Box(70, 30, 10, 10, 1), Box(0, 0, 30, 30, 1), Box(70, 30, 30, 30, 0.1)
    assert faces.choose([small, aside], (90, 160)) == aside
    assert faces.choose([aside, middle, small], (90, 160)) == middle
    assert faces.choose([], (90, 160)) is None


def test_two_people_of_about_one_size_do_not_take_turns(monkeypatch):
    # their boxes' sizes waver from frame to frame, and both drift to the right
    seen = [
        [Box(10 + 5 * at, 20, 40 + at % 2 * 6, 40, 1), Box(100 + 5 * at, 20, 43, 40, 1)]
        for at in range(8)
    ]
    alone = [faces.choose(boxes, (90, 200)).x > 80 for boxes in seen]
    assert len(set(alone)) == 2  # without following they would
    for order in (1, -1):  # in whatever order the detector names them
        found = iter([boxes[::order] for boxes in seen])
        monkeypatch.setattr(detectors.load("haar"), "detect", lambda gray, found=found: next(found))
        boxes = follow([np.zeros((90, 200), np.uint8)] * 8)
        assert [box.x for box in boxes] == [100 + 5 * at for at in range(8)]


def test_a_followed_face_returns_after_frames_without_it():
    left, right = Box(10, 20, 40, 40, 1), Box(100, 20, 44, 40, 1)
    assert faces.choose([left, right], (90, 160), last=left) == left
    assert faces.choose([right], (90, 160), last=left) == right
    assert faces.choose([left, right], (90, 160), last=None) == right


def test_a_much_larger_face_and_a_jump_take_over():
    fold, face = Box(10, 20, 20, 20, 0.6), Box(60, 10, 60, 60, 0.9)
    assert faces.choose([fold, face], (90, 160), last=fold) == face
    assert faces.choose([fold, face], (90, 160), last=Box(130, 0, 30, 30, 1)) == face


@pytest.mark.parametrize(
    ("other", "share"),
    [((0, 0, 4, 4), 1.0), ((2, 0, 4, 4), 1 / 3), ((4, 0, 4, 4), 0.0), ((1, 1, 2, 2), 0.25)],
)
def test_overlap_is_intersection_over_union(other, share):
    one, other = Box(0, 0, 4, 4, 1), Box(*other, 1)
    assert faces.overlap(one, other) == faces.overlap(other, one) == pytest.approx(share)
    assert faces.overlap(one, Box(1, 1, 0, 0, 1)) == 0


def test_of_two_faces_the_larger_is_found(portrait):
    scene = pasted((portrait, 40, 30), (resize(portrait, 150), 400, 60))
    assert len(detectors.load("haar").detect(scene)) == 2
    assert centre_x(follow([scene])[0]) == pytest.approx(160, abs=25)
    # mirrored, the other side
    assert centre_x(follow([scene[:, ::-1]])[0]) == pytest.approx(600 - 160, abs=25)


def test_one_of_two_equal_faces_is_followed_through_a_clip(portrait):
    # the left one comes and goes towards the camera; both are there in every frame
    scenes = [
        pasted((resize(portrait, 180 + 60 * (at % 2)), 30, 30), (resize(portrait, 210), 330, 40))
        for at in range(6)
    ]
    alone = [centre_x(follow([scene])[0]) > 300 for scene in scenes]
    assert alone == [True, False] * 3
    assert [centre_x(box) > 300 for box in follow(scenes)] == [True] * 6


def test_a_face_in_some_frames_only(portrait, tmp_path):
    shown = pasted((portrait, 180, 30), size=(304, 608))
    hidden = pasted(size=(304, 608))
    path = film.write(tmp_path / "a.mp4", [shown] * 5 + [hidden] * 5 + [shown] * 5)
    got = extract.clip_frames(path, extract.FrameParams(every=5, size_px=48, crop="face"))
    assert got.usable.tolist() == [True, False, True]
    assert np.isnan(got.box[1]).all()
    store = extract.FrameStore({"a": got, "b": got._replace(usable=got.usable[:1])})
    assert store.face_rates().to_dict() == {"a": pytest.approx(2 / 3), "b": 1.0}


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (7, 9), (64, 64), (720, 1280)])
@pytest.mark.parametrize("level", [0, 255])
def test_flat_and_tiny_pictures_have_no_face(shape, level):
    assert follow([np.full(shape, level, np.uint8)] * 2) == [None, None]


def test_a_face_at_the_edge_is_found_whole_and_cut_out_square(portrait):
    scene = pasted((portrait, 0, 60))
    (box,) = follow([scene])
    assert centre_x(box) == pytest.approx(120, abs=25)
    assert faces.crop(scene, box._replace(x=-30.0), 48).shape == (48, 48)


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
    assert follow([np.zeros((9, 9), np.uint8)] * 3) == [box, None, box]


def test_an_unknown_detector_lists_those_there_are():
    with pytest.raises(UnknownName) as error:
        detectors.load("yolo")
    assert "haar, yunet" in str(error.value)


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


@pytest.mark.parametrize("side", [40, 70, 110, 160, 220, 290])
def test_large_windows_first_find_the_main_face_of_a_whole_search(portrait, side, monkeypatch):
    haar = detectors.load("haar")
    scene = pasted((resize(portrait, side), 20, 5), (resize(portrait, 90), 400, 60))
    got = haar.detect(scene)
    monkeypatch.setattr(haar, "LARGE_PX", 0)
    whole = haar.detect(scene)
    assert faces.choose(got, scene.shape) == faces.choose(whole, scene.shape)
    assert set(got) <= set(whole)
    last = faces.choose(whole[::-1][:1], scene.shape)  # whichever was followed
    assert faces.choose(got, scene.shape, last) == faces.choose(whole, scene.shape, last)
