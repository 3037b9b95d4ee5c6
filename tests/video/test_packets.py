import numpy as np
import pytest

from multimodal_ser.video import packets
from multimodal_ser.video.packets import Survey, plan
from multimodal_ser.video.sampling import Sampling


def surveyed(pts, key, shown=None):
    pts, key = np.array(pts), np.array(key, bool)
    shown = np.ones(len(pts), bool) if shown is None else np.array(shown, bool)
    return Survey(pts, shown, key, key & packets.splits_time(pts))


def test_decoding_begins_where_time_is_split_in_two():
    # two groups I B P in coding order, the second with a frame before its key frame
    open_group = surveyed([0, 2, 1, 4, 3, 5], [1, 0, 0, 1, 0, 0])
    closed = surveyed([0, 2, 1, 3, 5, 4], [1, 0, 0, 1, 0, 0])
    assert np.flatnonzero(open_group.begins).tolist() == [0]
    assert np.flatnonzero(closed.begins).tolist() == [0, 3]
    assert plan(open_group, 1, Sampling(every=4)).runs == [(0, 4)]
    assert plan(closed, 1, Sampling(every=4)).runs == [(0, 1), (3, 6)]


def brute_force(pts):
    return [
        all(other < here for other in pts[:at]) and all(other > here for other in pts[at + 1 :])
        for at, here in enumerate(pts)
    ]


def test_splitting_agrees_with_its_definition():
    random = np.random.default_rng(0)
    for _ in range(200):
        pts = np.arange(12) * 3 - 5
        for _ in range(random.integers(4)):
            one = random.integers(11)
            pts[[one, one + 1]] = pts[[one + 1, one]]
        assert packets.splits_time(pts).tolist() == brute_force(pts)


def test_every_wanted_frame_is_decoded_from_a_beginning_on():
    random = np.random.default_rng(1)
    for _ in range(200):
        count = int(random.integers(1, 60))
        key = random.random(count) < 0.2
        found = surveyed(
            np.arange(count), key | (np.arange(count) == 0), random.random(count) < 0.9
        )
        every = int(random.integers(1, 15))
        if not found.shown.any():
            continue
        made = plan(found, 1, Sampling(every=every))
        decoded = {at for start, stop in made.runs for at in range(start, stop)}
        wanted = np.flatnonzero(found.shown)[::every]
        assert list(made.index) == wanted.tolist()
        assert list(made.index.values()) == list(range(0, found.shown.sum(), every))
        for at in wanted:
            start = max(np.flatnonzero(found.begins[: at + 1]))
            assert set(range(start, at + 1)) <= decoded
        assert all(found.begins[start] for start, _ in made.runs)
        assert all(one[1] < other[0] for one, other in zip(made.runs, made.runs[1:], strict=False))
        ends = {stop - 1 for _, stop in made.runs}
        assert ends <= set(wanted.tolist())  # nothing is decoded behind the last of a group


@pytest.mark.parametrize("length_bytes", [1, 2, 4])
@pytest.mark.parametrize(("kinds", "is_idr"), [([9, 7, 8, 5], True), ([6, 1], False), ([], False)])
def test_idr_pictures_are_told_by_their_slices(length_bytes, kinds, is_idr):
    content = b"".join(
        (3).to_bytes(length_bytes, "big") + bytes([0x60 | kind, 5, 5]) for kind in kinds
    )
    assert packets.has_idr(content, length_bytes) == is_idr
    assert packets.has_idr(memoryview(content), length_bytes) == is_idr
    assert not packets.has_idr(content, 0)


def test_lengths_beyond_the_packet_end_the_search():
    assert not packets.has_idr(b"\xff\xff\xff\xff\x41", 4)
    assert not packets.has_idr(b"\0\0", 4)
