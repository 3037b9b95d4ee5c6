"""Looks at one video: frames are decoded and searched once, and shown to whom they concern."""

import gc
import weakref

import numpy as np
import pytest

from multimodal_ser.datasets import synthetic
from multimodal_ser.errors import MediaError
from multimodal_ser.video import detectors, extract, frames, looks, measure, opened
from multimodal_ser.video.extract import FrameParams
from multimodal_ser.video.opened import Opened

from . import coded


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    """A video of one drawn speaker, 48 images."""
    setup = synthetic.Setup((240, 240), rate_hz=16000, fps=20, seconds=2.4, seed=0)
    drawn = synthetic.draw(synthetic._plan(setup, 1, 1, 0), setup.size, setup.fps)
    images = [image.mean(axis=2).astype(np.uint8) for image in drawn]
    path = tmp_path_factory.mktemp("portrait") / "a.mp4"
    return coded.write(path, "libx264", {"g": "12", "bf": "2"}, drawn=images)


class Seen:
    """A look that notes what it is shown."""

    def __init__(self, detector=None, **way):
        self.params = FrameParams(**way)
        self.sampling, self.detector = extract.sampling_of(self.params), detector
        self.shown = []

    def add(self, frame, boxes):
        self.shown.append((frame.index, frame.time_s, int(frame.gray.sum()), len(boxes)))


FRONTS = [
    FrameParams(every=20, size_px=48, crop="face", detector="yunet"),
    FrameParams(every_seconds=0.3, size_px=32, crop="face", detector="haar"),
    FrameParams(keyframes_only=True, size_px=16, crop="frame"),
]


def test_front_ends_see_together_what_each_sees_alone(portrait):
    own = FrameParams(every=5, crop="face", detector="yunet")
    with Opened(portrait) as video:
        cuts = {params: extract.FrontEnd(params) for params in FRONTS}
        both = looks.Together(video, {**cuts, "units": measure.Measuring("blendshapes", own)})
        got = {params: extract.seen(both.done(params), video) for params in FRONTS}
        units = both.done("units").arrays()
    for params, found in got.items():
        for one, other in zip(found, extract.clip_frames(portrait, params), strict=True):
            np.testing.assert_array_equal(one, other)
    times, values = measure.measured(str(portrait), "blendshapes", own, None)
    np.testing.assert_array_equal(units["time_s"], times)
    np.testing.assert_array_equal(units["values"], values)


def test_a_frame_is_decoded_and_searched_once_for_all(portrait, monkeypatch):
    searched, converted = [], []
    real, gray = detectors.load("yunet").detect, frames.upright_gray
    monkeypatch.setattr(
        detectors.load("yunet"), "detect", lambda image: searched.append(1) or real(image)
    )
    monkeypatch.setattr(frames, "upright_gray", lambda one: converted.append(1) or gray(one))
    every = [Seen("yunet", every=10), Seen("yunet", every=5), Seen(None, every=25)]
    with Opened(portrait) as video:
        looks.run(every, video)
    assert [len(look.shown) for look in every] == [5, 10, 2]
    assert len(converted) == 10 and len(searched) == 10


def test_only_a_frame_is_held_at_a_time(tmp_path, monkeypatch):
    path = coded.write(tmp_path / "a.mp4", "libx264", {"g": "25"}, drawn=list(coded.pictures(300)))
    alive, most = weakref.WeakSet(), []

    class Image(np.ndarray):
        """An array that can be referred to weakly and be put in a set."""

        __hash__ = object.__hash__

    real = frames.upright_gray

    def gray(picture):
        image = real(picture).view(Image)
        alive.add(image)
        most.append(len(alive))
        return image

    monkeypatch.setattr(frames, "upright_gray", gray)
    gc.collect()
    cuts = [extract.FrontEnd(FrameParams(every=n, size_px=8)) for n in (1, 2)]
    with Opened(path) as video:
        looks.run(cuts, video)
    assert len(most) == 300 and max(most) <= 3
    assert len(cuts[0].clip_frames().index) == 300


def test_what_is_wrong_is_told_to_each_and_read_once(tmp_path, monkeypatch):
    path, tries = tmp_path / "a.mp4", []
    path.write_bytes(b"no video at all")
    real = opened.open_video
    monkeypatch.setattr(opened, "open_video", lambda *a: tries.append(1) or real(*a))
    with Opened(path) as video:
        both = looks.Together(video, {"one": Seen(every=2), "other": Seen(every=3)})
        for key in ("one", "other", "one"):
            with pytest.raises(MediaError):
                both.done(key)
    assert len(tries) == 1
