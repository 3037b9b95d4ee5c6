"""Action units estimated from blendshapes: the map, means of clips; on real faces, smiles."""

import numpy as np
import pytest

from multimodal_ser.video.faces import Box
from multimodal_ser.video.features import blendshapes
from multimodal_ser.video.features import estimated_action_units as units
from multimodal_ser.video.frames import Frame

SHAPES = {name: at for at, name in enumerate(blendshapes.frame_names())}
UNITS = {name: at for at, name in enumerate(units.names())}


def test_every_unit_is_made_of_blendshapes_that_there_are():
    assert list(units.MADE_OF) == list(units.names())
    assert all(units.sides(name) for named in units.MADE_OF.values() for name in named)


def test_what_moves_up_moves_its_units_alone():
    still = units.estimate(np.zeros((1, 52)))[0]
    for name, at in SHAPES.items():
        raised = np.zeros((1, 52))
        raised[0, at] = 1.0
        change = units.estimate(raised)[0] - still
        base = name.removesuffix("Left").removesuffix("Right")
        own = [unit for unit, named in units.MADE_OF.items() if base in named]
        assert (change >= 0).all()
        assert {unit for unit in UNITS if change[UNITS[unit]] > 0} <= set(own)


def test_both_sides_count_alike():
    left, right = np.zeros((2, 1, 52))
    left[0, SHAPES["mouthSmileLeft"]] = right[0, SHAPES["mouthSmileRight"]] = 1.0
    np.testing.assert_array_equal(units.estimate(left), units.estimate(right))


def test_a_clip_is_the_root_of_its_mean_over_frames_with_a_face():
    values = np.array([[1.0] * 17, [np.nan] * 17, [7.0] * 17], np.float32)
    np.testing.assert_allclose(units.summarise(values), 2.0)
    assert np.isnan(units.summarise(values[[1]])).all()
    assert (units.summarise(np.full((2, 17), -1.0)) == 0).all()


def test_the_errors_are_less_than_what_intensities_differ_by():
    assert units.errors().shape == (17,) and (units.errors() > 0).all()
    assert (units.errors() < 1).all()


@pytest.mark.real_data
def test_smiles_and_lowered_brows_are_seen(shared_data):
    import cv2

    with np.load(shared_data / "ravdess/faces_actor05/faces_bgr224_jpeg.npz") as stored:
        data, offset, clip = stored["jpeg"], stored["offset"], stored["clip"]
    means = {}
    for emotion in ("01", "03", "07"):  # neutral, happy, disgust
        chosen = [at for at, name in enumerate(clip) if name.split("-")[-5] == emotion][::15]
        pictures = [cv2.imdecode(data[offset[k] : offset[k + 1]], 0) for k in chosen]
        found = [(Frame(0, 0.0, picture), Box(30, 30, 160, 160, 1.0)) for picture in pictures]
        means[emotion] = units.summarise(units.sequence(found))
    assert means["03"][UNITS["AU12_r"]] > 2 * means["01"][UNITS["AU12_r"]]
    assert means["07"][UNITS["AU04_r"]] > means["03"][UNITS["AU04_r"]]
