"""Blendshapes: names and statistics; on real faces (../shared/data) what they say."""

import numpy as np
import pytest

from multimodal_ser.video import detectors, faces
from multimodal_ser.video.faces import Box
from multimodal_ser.video.features import blendshapes
from multimodal_ser.video.frames import Frame

AT = {name: at for at, name in enumerate(blendshapes.frame_names())}
MIRRORED = [
    AT[name.replace("Left", "*").replace("Right", "Left").replace("*", "Right")] for name in AT
]


@pytest.fixture(scope="module")
def portraits(shared_data):
    """Grey 224x224 pictures of one actor, and whether the emotion is happy."""
    import cv2

    with np.load(shared_data / "ravdess/faces_actor05/faces_bgr224_jpeg.npz") as stored:
        data, offset, clip = stored["jpeg"], stored["offset"], stored["clip"]
    pictures = {}
    for emotion in ("03", "04", "07"):  # happy, sad, disgust
        chosen = [at for at, name in enumerate(clip) if name.split("-")[-5] == emotion][7::30]
        files = [data[offset[at] : offset[at + 1]] for at in chosen]
        pictures[emotion] = [cv2.imdecode(file, cv2.IMREAD_GRAYSCALE) for file in files]
    return pictures


FACE = Box(30, 30, 160, 160, 1.0)


def test_names_are_unique_and_left_has_a_right():
    assert len(AT) == 52 and len(set(blendshapes.names())) == len(blendshapes.names()) == 313
    assert sum(at != other for at, other in enumerate(MIRRORED)) == 40


def test_the_points_are_as_many_as_the_network_takes():
    assert len(set(blendshapes._POINTS)) == 146 and blendshapes._POINTS.max() == 477


def test_statistics_leave_lost_frames_out():
    random = np.random.default_rng(0)
    values = random.random((9, 52))
    values[[2, 5]] = np.nan
    got = dict(zip(blendshapes.names(), blendshapes.summarise(values).tolist(), strict=True))
    jaw = np.delete(values[:, AT["jawOpen"]], [2, 5])
    assert got["jawOpen_mean"] == pytest.approx(jaw.mean())
    assert got["jawOpen_std"] == pytest.approx(jaw.std())
    assert got["jawOpen_p90"] == pytest.approx(np.quantile(jaw, 0.9))
    assert got["jawOpen_max"] == pytest.approx(jaw.max())
    assert got["found_share"] == pytest.approx(7 / 9)
    assert np.isnan(blendshapes.summarise(values[[2]])).all()


@pytest.mark.real_data
def test_a_happy_face_smiles_and_a_disgusted_one_lowers_the_brow(portraits):
    means = {
        emotion: np.mean([blendshapes.measure(picture, FACE) for picture in pictures], axis=0)
        for emotion, pictures in portraits.items()
    }
    smile = {emotion: mean[AT["mouthSmileLeft"]] for emotion, mean in means.items()}
    brow = {emotion: mean[AT["browDownLeft"]] for emotion, mean in means.items()}
    assert smile["03"] > 2 * max(smile["04"], smile["07"])
    assert brow["07"] > 2 * brow["03"]
    assert all(mean.min() >= 0 and mean.max() <= 1 for mean in means.values())


@pytest.mark.real_data
def test_a_mirror_changes_little_but_the_sides(portraits):
    for picture in (pictures[0] for pictures in portraits.values()):
        one = blendshapes.measure(picture, FACE)
        box = FACE._replace(x=224 - FACE.x - FACE.w)
        two = blendshapes.measure(np.ascontiguousarray(picture[:, ::-1]), box)
        assert np.abs(one - two[MIRRORED]).mean() < 0.05
        assert np.corrcoef(one, two[MIRRORED])[0, 1] > 0.8


@pytest.mark.real_data
@pytest.mark.parametrize("change", ["scale", "shift", "turn", "box"])
def test_where_how_large_and_how_tilted_matter_little(portraits, change):
    import cv2

    picture = portraits["03"][0]
    one = blendshapes.measure(picture, FACE)
    box = FACE
    if change == "scale":
        picture, box = cv2.resize(picture, (448, 448)), Box(60, 60, 320, 320, 1.0)
    elif change == "shift":
        picture = cv2.copyMakeBorder(picture, 300, 0, 500, 90, cv2.BORDER_REPLICATE)
        box = FACE._replace(x=FACE.x + 500, y=FACE.y + 300)
    elif change == "turn":
        turn = cv2.getRotationMatrix2D((112, 112), 25, 1.0)
        picture = cv2.warpAffine(picture, turn, (224, 224), borderMode=cv2.BORDER_REPLICATE)
    else:  # the detector is never quite sure
        box = Box(42, 22, 150, 176, 1.0)
    two = blendshapes.measure(picture, box)
    assert np.abs(one - two).mean() < 0.04
    assert np.corrcoef(one, two)[0, 1] > 0.95


def test_what_is_no_face_has_none():
    random = np.random.default_rng(0)
    for picture in (
        np.zeros((200, 200), np.uint8),
        random.integers(0, 255, (200, 200), dtype=np.uint8),
        np.zeros((1, 1), np.uint8),
    ):
        assert np.isnan(blendshapes.measure(picture, Box(0, 0, *picture.shape, 1.0))).all()


@pytest.mark.real_data
def test_a_sequence_has_a_row_a_frame(portraits):
    blank = np.full((224, 224), 90, np.uint8)
    pictures = [portraits["03"][0], blank, portraits["07"][0]]
    film = [Frame(at, at / 30, picture) for at, picture in enumerate(pictures)]
    got = blendshapes.sequence(faces.detect_faces(film, "yunet"))
    assert got.shape == (3, 52) and got.dtype == np.float32
    assert np.isfinite(got).all(axis=1).tolist() == [True, False, True]
    (box,) = detectors.load("yunet").detect(pictures[0])
    np.testing.assert_array_equal(got[0], blendshapes.measure(pictures[0], box))
    assert blendshapes.sequence([]).shape == (0, 52)
