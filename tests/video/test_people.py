"""Several faces, posters, edges and other hard cases: which face is followed, and what is said."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.datasets import synthetic
from multimodal_ser.errors import TableError
from multimodal_ser.tables import FACE_COLUMNS, check_faces
from multimodal_ser.video import extract, people
from multimodal_ser.video.extract import FrameParams, FrameStore
from multimodal_ser.video.faces import Box
from multimodal_ser.video.frames import Frame

from . import film

FACES = FrameParams(every=5, size_px=48, crop="face")
SECONDS, FPS = 2.4, 10


def speaker(actor, seed=0):
    """The images of a drawn face that moves, 240x240."""
    setup = synthetic.Setup((240, 240), rate_hz=16000, fps=FPS, seconds=SECONDS, seed=seed)
    drawn = synthetic.draw(synthetic._plan(setup, actor, 1, 0), setup.size, setup.fps)
    return [picture.mean(axis=2).astype(np.uint8) for picture in drawn]


@pytest.fixture(scope="module")
def speakers():
    return [speaker(actor) for actor in (1, 2, 3)]


def scene(tmp_path, *placed, size=(360, 800)):
    """A video of image sequences pasted on grey, each ``(images, side, left, top)``."""
    import cv2

    written = []
    for at in range(max((len(images) for images, *_ in placed), default=24)):
        canvas = np.full(size, 110, np.uint8)
        for images, side, left, top in placed:
            picture = cv2.resize(images[at % len(images)], (side, side))
            part = canvas[max(0, top) : top + side, max(0, left) : left + side]
            part[:] = picture[-min(0, top) :, -min(0, left) :][: part.shape[0], : part.shape[1]]
        written.append(canvas)
    return film.write(tmp_path / "a.mp4", written, rate=FPS)


def seen(path, params=FACES):
    found = extract.clip_frames(path, params)
    return found, FrameStore({"a": found}), people.note(found.faces)


def test_three_faces_are_three_rows_per_frame_and_a_note(speakers, tmp_path):
    one, two, three = speakers
    path = scene(tmp_path, (one, 180, 10, 90), (two, 300, 220, 30), (three, 180, 560, 90))
    found, store, said = seen(path)
    table = store.faces()
    assert (table.groupby("frame").size() == 3).all() and len(table) == 3 * len(found.index)
    followed = table[table["followed"]]
    assert followed["person"].nunique() == 1 and (followed["x"].between(220, 520)).all()
    np.testing.assert_array_equal(followed[["x", "y", "w", "h", "confidence"]], found.box)
    # each person stays where they are
    assert (table.groupby("person")["x"].agg(np.ptp) < 60).all()
    assert said == "3 faces, the largest was followed"


def test_one_moving_face_needs_no_note(speakers, tmp_path):
    assert seen(scene(tmp_path, (speakers[0], 300, 200, 30)))[2] == ""


def test_a_passer_by_is_in_the_table_and_not_in_the_note(speakers, tmp_path):
    one, two, _ = speakers
    nobody = [np.full((240, 240), 110, np.uint8)]
    passing = nobody * 5 + two[5:6] + nobody * (len(one) - 6)
    _, store, said = seen(scene(tmp_path, (one, 300, 10, 30), (passing, 300, 400, 30)))
    table = store.faces()
    assert table["person"].nunique() == 2 and (table["person"] == 1).sum() == 1
    assert said == ""


def test_a_larger_poster_is_not_followed_where_somebody_speaks(speakers, tmp_path):
    one, two, _ = speakers
    path = scene(tmp_path, (two[:1], 350, 440, 5), (one, 220, 60, 70))
    found, store, said = seen(path)
    assert (found.box[:, 0] < 300).all() and found.usable.all()
    assert "2 faces" in said and "moves" in said
    table = store.faces()
    assert (table.groupby("frame").size() == 2).all()  # the poster is a face of the table


def test_a_poster_alone_is_followed_and_said_to_be_still(speakers, tmp_path):
    found, _, said = seen(scene(tmp_path, (speakers[1][:1] * 24, 350, 440, 5)))
    assert found.usable.all() and "does not move" in said


def test_in_less_than_a_second_nobody_is_a_poster(speakers, tmp_path):
    path = scene(tmp_path, (speakers[1][:1] * 9, 350, 440, 5))
    assert seen(path, FrameParams(every=2, size_px=48, crop="face"))[2] == ""


def test_light_that_changes_makes_no_face_alive():
    crowd, face = people.People(), np.random.default_rng(0).integers(60, 120, (60, 60))
    for time_s in (0.0, 0.8, 1.6):
        crowd.add(
            Frame(0, time_s, (face + int(40 * time_s)).astype(np.uint8)), [Box(5, 5, 50, 50, 1)]
        )
    assert crowd.table()[:, people.COLUMNS.index("still")].all()


def test_without_a_face_every_frame_has_one_empty_row(tmp_path):
    from multimodal_ser.errors import MediaError

    path = scene(tmp_path)
    with pytest.raises(MediaError):
        extract.clip_frames(path, FACES)
    whole = extract.clip_frames(path, FrameParams(every=5, size_px=48))
    table = FrameStore({"a": whole}).faces()
    assert table["x"].isna().all() and not table["followed"].any()
    assert len(table) == len(whole.index) and tuple(table.columns) == FACE_COLUMNS


@pytest.mark.parametrize("left", [-110, 610])
def test_a_face_cut_by_the_edge_is_found(speakers, tmp_path, left):
    found, _, said = seen(scene(tmp_path, (speakers[0], 300, left, 30)))
    assert found.usable.mean() > 0.5 and said == ""
    centre = found.box[found.usable, 0] + found.box[found.usable, 2] / 2
    assert centre == pytest.approx(np.full(len(centre), left + 150), abs=60)


def test_a_face_in_4k_has_a_box_in_its_pixels(speakers, tmp_path):
    small = seen(scene(tmp_path, (speakers[0][:6], 240, 200, 60)))[0]
    (tmp_path / "a.mp4").unlink()
    path = scene(tmp_path, (speakers[0][:6], 1440, 1200, 360), size=(2160, 3840))
    large = seen(path)[0]
    assert large.usable.all()
    np.testing.assert_allclose(large.box[:, :4] / 6, small.box[:, :4], atol=12)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotation_mark_turns_the_face_upright(speakers, tmp_path, degrees):
    upright = scene(tmp_path, (speakers[0], 220, 10, 60), size=(400, 240))
    want = seen(upright)[0]
    turned = [np.rot90(picture, degrees // 90) for picture in speakers[0]]
    size, place = ((240, 400), (60, 10)) if degrees != 180 else ((400, 240), (10, 60))
    left, top = {
        90: (place[0], 240 - 220 - 10),
        180: (240 - 220 - 10, 400 - 220 - 60),
        270: (400 - 220 - 60, 10),
    }[degrees]
    path = film.turn(scene(tmp_path, (turned, 220, left, top), size=size), degrees)
    got = seen(path)[0]
    assert got.usable.all()
    np.testing.assert_allclose(got.box[:, :4], want.box[:, :4], atol=10)
    assert np.abs(got.pictures.astype(int) - want.pictures).mean() < 12


def test_persons_do_not_swap_when_their_boxes_overlap():
    crowd = people.People()
    for at in range(4):
        boxes = [Box(0, 0, 40, 40, 0.9), Box(25 + at, 0, 40, 40, 0.8)]
        crowd.add(Frame(at, at / 5, np.zeros((60, 120), np.uint8)), boxes[:: 1 - 2 * (at % 2)])
    table = pd.DataFrame(crowd.table(), columns=list(people.COLUMNS))
    assert (table.groupby("person")["x"].agg(np.ptp) <= 3).all()
    assert table["person"].nunique() == 2


@pytest.mark.parametrize(
    "change",
    [
        {"person": [0, 0]},
        {"followed": [True, True]},
        {"w": [0.0, 5.0]},
    ],
)
def test_a_table_of_faces_that_cannot_be_is_refused(change):
    rows = [("a", 0, 0.0, at, 4.0, 4.0, 20.0, 20.0, 0.9, at == 0) for at in (0, 1)]
    table = pd.DataFrame(rows, columns=list(FACE_COLUMNS))
    assert check_faces(table) is table
    with pytest.raises(TableError):
        check_faces(table.assign(**change))
    with pytest.raises(TableError):
        check_faces(table.drop(columns=list(change)))


@pytest.mark.real_data
def test_two_real_speakers_and_a_turned_head(shared_data, tmp_path):
    import cv2

    from multimodal_ser.video.frames import iter_frames

    folder = shared_data / "ravdess/video/Actor_05"
    left = [f.gray for f in iter_frames(folder / "01-01-01-01-02-01-05.mp4", every=2)][:24]
    right = [f.gray for f in iter_frames(folder / "01-01-03-01-01-02-05.mp4", every=2)][:24]
    tilt = cv2.getRotationMatrix2D((300, 240), 35, 1.0)
    images = []
    for one, two in zip(left, right, strict=True):
        a = cv2.resize(one[:, 280:1000], (480, 480), interpolation=cv2.INTER_AREA)
        b = cv2.resize(two[:, 280:1000], (400, 400), interpolation=cv2.INTER_AREA)
        a = cv2.warpAffine(a, tilt, (480, 480), borderMode=cv2.BORDER_REPLICATE)
        images.append(np.hstack([a, cv2.copyMakeBorder(b, 40, 40, 0, 0, cv2.BORDER_REPLICATE)]))
    found, store, said = seen(film.write(tmp_path / "a.mp4", images, rate=12))
    assert said == "2 faces, the largest was followed" and (found.box[:, 0] < 440).all()
    assert store.faces().groupby("frame").size().eq(2).all()
