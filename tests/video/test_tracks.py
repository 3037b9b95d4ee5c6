"""Faces as tracks: who is who from frame to frame, cuts, and places between frames."""

import numpy as np
import pytest

from multimodal_ser.video import tracks
from multimodal_ser.video.faces import Box
from multimodal_ser.video.frames import Frame
from multimodal_ser.video.tracks import Rules, Tracker, tracked

DARK = np.zeros((90, 160), np.uint8)


def film(places, fps=10, gray=DARK):
    """Frames with boxes of 20 pixels at the left edges given for each."""
    for at, lefts in enumerate(places):
        yield Frame(at, at / fps, gray), [Box(x, 10, 20, 20, 0.9) for x in lefts]


def linked(places):
    return tracked(film(places), measured=False)


def test_two_faces_keep_their_numbers_in_whatever_order_they_are_found():
    rng, steps = np.random.default_rng(0), range(20)
    places = [rng.permutation([10 + at, 100 - at]).tolist() for at in steps]
    found = linked(places)
    assert found.persons == [0, 1]
    np.testing.assert_array_equal(found.of(0).box[:, 0], [10 + at for at in steps])
    np.testing.assert_array_equal(found.of(1).box[:, 0], [100 - at for at in steps])


def test_the_assignment_is_that_of_all_together():
    """The nearest pair first would leave the other face without its own."""
    tracker = Tracker()
    tracker.add(Frame(0, 0.0, DARK), [Box(0, 10, 20, 20, 0.9), Box(13, 10, 20, 20, 0.9)])
    found = tracker.add(Frame(1, 0.1, DARK), [Box(8, 10, 20, 20, 0.9), Box(21, 10, 20, 20, 0.9)])
    assert found == [0, 1]


def test_a_face_that_leaves_and_comes_back_is_another_one():
    found = linked([[10]] * 15 + [[]] * 15 + [[10]] * 15)
    assert found.persons == [0, 1]
    assert linked([[10]] * 15 + [[]] * 5 + [[10]] * 15).persons == [0]


def test_a_cut_begins_new_tracks():
    bright = np.full_like(DARK, 200)
    frames = [*film([[10]] * 15), *film([[10]] * 15, gray=bright)]
    frames = [(frame._replace(time_s=at / 10), boxes) for at, (frame, boxes) in enumerate(frames)]
    assert tracked(frames, measured=False).persons == [0, 1]
    assert tracked(frames, Rules(cut=255.0), measured=False).persons == [0]


def test_what_is_seen_for_a_moment_is_nobody():
    assert linked([[10, 100] if at == 5 else [10] for at in range(20)]).persons == [0]
    assert linked([[]] * 20).persons == []


def test_a_box_of_another_size_is_another_face():
    tracker = Tracker()
    tracker.add(Frame(0, 0.0, DARK), [Box(10, 10, 20, 20, 0.9)])
    assert tracker.add(Frame(1, 0.1, DARK), [Box(20, 60, 20, 20, 0.9)]) == [1]
    assert tracker.add(Frame(2, 0.2, DARK), [Box(60, 40, 50, 50, 0.9)]) == [2]


def test_places_between_frames_lie_between():
    found = linked([[10 + 10 * at] for at in range(12)])
    assert found.at(0.25)[0].x == pytest.approx(35)
    assert found.at(0.25, within_s=0.01) == {}
    assert found.at(9.0) == {}


def test_a_film_without_faces_has_no_tracks(tmp_path):
    from . import film as films

    path = films.write(tmp_path / "a.mp4", [films.numbered(at) for at in range(30)])
    assert tracks.tracks_of(path).persons == []
