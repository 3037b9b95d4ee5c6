import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import TableError
from multimodal_ser.video import batches
from multimodal_ser.video.extract import ClipFrames, FrameStore


@pytest.fixture
def store():
    """Five clips; the clip's number is the grey level, the frame's is added."""
    entries = {}
    for clip in range(5):
        levels = np.arange(3, dtype=np.uint8) + 10 * (clip + 1)
        found = ClipFrames.of_pictures(np.broadcast_to(levels[:, None, None], (3, 12, 12)))
        entries[f"c{clip}"] = found._replace(usable=np.array([True, clip != 2, True]))
    return FrameStore(entries)


TARGETS = pd.DataFrame(np.eye(5, dtype=np.float32), [f"c{i}" for i in range(5)][::-1])


def make(store, **changes):
    settings = {"batch_size": 4, "seed": 0, "augment": False, **changes}
    return batches.frame_batches(store, store.clips, TARGETS, **settings)


def levels(batch):
    return np.round(batch[0][:, 0, 0, 0] * 255).astype(int).tolist()


def test_all_usable_frames_come_in_order_with_their_clips_target(store):
    made = make(store)
    pictures, targets = zip(*(made[i] for i in range(len(made))), strict=True)
    pictures, targets = np.concatenate(pictures), np.concatenate(targets)
    assert pictures.dtype == targets.dtype == np.float32 and pictures.shape == (14, 12, 12, 1)
    seen = np.round(pictures[:, 0, 0, 0] * 255).astype(int)
    assert seen.tolist() == [n for n in (*range(10, 13), *range(20, 23), 30, 32)] + [
        *range(40, 43),
        *range(50, 53),
    ]
    # targets are joined by id: their table runs the other way
    assert (4 - targets.argmax(1) == seen // 10 - 1).all()


def test_shuffling_takes_every_frame_once_and_anew_each_epoch(store):
    made = make(store, shuffle=True)
    first = [level for i in range(len(made)) for level in levels(made[i])]
    made.epoch = 1
    second = [level for i in range(len(made)) for level in levels(made[i])]
    assert first != second and sorted(first) == sorted(second) and len(set(first)) == 14


def test_steps_bound_an_epoch(store):
    few, many = make(store, shuffle=True, steps=2), make(store, shuffle=True, steps=9)
    assert len(few) == 2 and len(set(levels(few[0]) + levels(few[1]))) == 8
    assert len(many) == 9 and all(len(many[i][0]) == 4 for i in range(9))


def test_a_batch_is_a_function_of_seed_epoch_and_number(store):
    one, two = make(store, augment=True), make(store, augment=True)
    two[0], two[2]  # what was asked before does not matter
    assert np.array_equal(one[1][0], two[1][0])
    two.epoch = 1
    assert not np.array_equal(one[1][0], two[1][0])
    assert not np.array_equal(one[1][0], make(store, augment=True, seed=1)[1][0])


def test_augmentation_changes_little_and_stays_in_range():
    picture = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (48, 1))
    random = np.random.default_rng(0)
    made = np.stack([batches.augmented(picture, random) for _ in range(40)])
    assert made.dtype == np.uint8 and made.shape == (40, 48, 48)
    rising = made[:, 24, 40].astype(int) > made[:, 24, 8]
    assert 8 < rising.sum() < 32  # mirrored about half of the time
    unmirrored = np.where(rising[:, None, None], made, made[:, :, ::-1]).astype(int)
    assert np.abs(unmirrored - picture).mean() < 40
    assert len({item.tobytes() for item in made}) == 40


def test_a_batch_reads_only_its_own_clips(store, monkeypatch):
    read, real = [], FrameStore.__getitem__
    monkeypatch.setattr(
        FrameStore, "__getitem__", lambda self, clip: read.append(clip) or real(self, clip)
    )
    made = make(store)
    assert read == []
    made[1]
    assert set(read) == {"c1", "c2"}


def test_what_is_missing_is_named(store):
    with pytest.raises(TableError) as error:
        batches.frame_batches(
            store, store.clips, TARGETS.drop("c4"), batch_size=2, seed=0, augment=False
        )
    assert "'c4'" in str(error.value)
    nothing = FrameStore({"c0": store["c0"]._replace(usable=np.zeros(3, bool))})
    with pytest.raises(TableError):
        make(nothing)
