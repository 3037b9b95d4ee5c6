"""Batches of stored frames for Keras, augmented in training only.

A batch is a pure function of (seed, epoch, number), so a run that is stopped
and resumed sees the batches that an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.video.extract import FrameStore

if TYPE_CHECKING:
    import keras

#: The most that augmentation changes a picture: a shift as a fraction of the
#: side, a turn in degrees, a factor and an offset of brightness. Small enough
#: that no expression turns into another.
SHIFT, TURN_DEGREES, GAIN, OFFSET = 0.06, 8.0, 0.2, 0.1
#: How much :func:`augmented_much` enlarges or reduces, as a fraction.
ZOOM = 0.15


def frame_batches(
    store: FrameStore,
    clips: pd.Index,
    targets: pd.DataFrame,
    *,
    batch_size: int,
    seed: int,
    augment: bool | Callable[[np.ndarray, np.random.Generator], np.ndarray],
    shuffle: bool | None = None,
    steps: int | None = None,
) -> keras.utils.PyDataset:
    """Return the usable frames of clips as a ``keras.utils.PyDataset``.

    Args:
        store: where the frames are.
        clips: ids of the clips to take, all in ``store``.
        targets: index clip, one column a label, rows sum to 1 (one-hot).
        batch_size: frames a batch.
        seed: of order and augmentation.
        augment: whether to change the images by :func:`augmented`, or a function
            of the same kind that changes them; in training only.
        shuffle: whether to mix the frames anew each epoch; None does so when
            augmenting.
        steps: batches an epoch, drawn without repetition as far as the frames
            go; None gives every frame once.

    Returns:
        Items are ``(images, targets)``: float32 ``(n, size, size, 1)`` in
        [0, 1] and float32 ``(n, n_labels)``. Only the frames of one batch are
        read at a time. ``epoch``, 0 at first, is set by anyone who trains: Keras
        tells a data set of an epoch's end from another thread, and not once.

    Raises:
        TableError: a clip has no frames or no target, or none has a frame.

    Example:
        >>> batches = frame_batches(store, clips.index, targets, batch_size=32,
        ...                         seed=0, augment=True)  # doctest: +SKIP
    """
    lost = pd.Index(clips).difference(targets.index)
    if len(lost):
        raise TableError(f"the clip {lost[0]!r} has no target; label it or leave it out")
    rows = store.rows(clips)
    if not rows:
        raise TableError("none of these clips has a frame to learn from; give others")
    shuffle = bool(augment) if shuffle is None else shuffle
    augment = augmented if augment is True else augment
    return _batches_class()(store, rows, targets, batch_size, seed, augment, shuffle, steps)


@cache
def _batches_class():
    # Made on first use: its base class is Keras's, which takes seconds to load.
    from multimodal_ser.estimators.networks import load_keras

    class FrameBatches(load_keras().utils.PyDataset):
        """See :func:`frame_batches`."""

        def __init__(self, store, rows, targets, batch_size, seed, augment, shuffle, steps):
            super().__init__()
            self.store, self.rows = store, rows
            self.batch_size, self.seed, self.augment = batch_size, seed, augment
            self.shuffle = shuffle
            self.steps = steps or -(-len(rows) // batch_size)
            self.wrap = steps is not None
            self.values = targets.to_numpy(np.float32)
            self.place = {clip: row for row, clip in enumerate(targets.index)}
            self.epoch = 0

        def __len__(self) -> int:
            return self.steps

        def __getitem__(self, number: int):
            chosen = [self.rows[place] for place in self._places(number)]
            pictures = np.stack([self.store[clip].pictures[k] for clip, k in chosen])
            if self.augment:
                random = np.random.default_rng([self.seed, self.epoch, number])
                pictures = np.stack([self.augment(picture, random) for picture in pictures])
            wanted = self.values[[self.place[clip] for clip, _ in chosen]]
            return as_input(pictures), wanted

        def _places(self, number: int) -> np.ndarray:
            places = np.arange(number * self.batch_size, (number + 1) * self.batch_size)
            if not self.wrap:
                places = places[places < len(self.rows)]
            if not self.shuffle:
                return places % len(self.rows)
            order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.rows))
            return order[places % len(order)]

    return FrameBatches


def as_input(pictures: np.ndarray) -> np.ndarray:
    """Return images as a network takes them.

    Args:
        pictures: uint8 ``(n, size, size)``.

    Returns:
        float32 ``(n, size, size, 1)`` in [0, 1].

    Example:
        >>> as_input(np.full((1, 1, 1), 255, np.uint8)).tolist()
        [[[[1.0]]]]
    """
    return pictures[..., None].astype(np.float32) / np.float32(255)


def augmented(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return an image mirrored, shifted, turned and lit a little differently.

    Args:
        picture: uint8 ``(size, size)``.
        random: where chance comes from.

    Returns:
        uint8 ``(size, size)``; edges are repeated where the image moved away.

    Example:
        >>> grey = np.full((48, 48), 100, np.uint8)
        >>> augmented(grey, np.random.default_rng(0)).shape
        (48, 48)
    """
    return _changed(picture, random, TURN_DEGREES, 0.0, SHIFT)


def augmented_much(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return an image changed as :func:`augmented` does, further, and partly covered.

    For the tens of thousands of faces of FER2013, which a network would learn
    by heart. Half of the images lose a rectangle ("cutout": T. DeVries and
    G. Taylor, 2017), so that no expression hangs on the mouth alone.

    Args:
        picture: uint8 ``(size, size)``.
        random: where chance comes from.

    Returns:
        uint8 ``(size, size)``.

    Example:
        >>> grey = np.full((48, 48), 100, np.uint8)
        >>> augmented_much(grey, np.random.default_rng(0)).dtype
        dtype('uint8')
    """
    changed = _changed(picture, random, 2 * TURN_DEGREES, ZOOM, 2 * SHIFT)
    if random.random() < 0.5:
        size = len(picture)
        height, width = random.integers(size // 8, size // 3, 2, endpoint=True)
        top, left = random.integers(0, size - height + 1), random.integers(0, size - width + 1)
        changed[top : top + height, left : left + width] = random.integers(0, 256)
    return changed


def _changed(picture, random, turn_degrees: float, zoom: float, shift: float) -> np.ndarray:
    import cv2

    size = len(picture)
    if random.random() < 0.5:
        picture = picture[:, ::-1]
    turn = random.uniform(-turn_degrees, turn_degrees)
    scale = 1.0 + random.uniform(-zoom, zoom) if zoom else 1.0
    move = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), turn, scale)
    move[:, 2] += random.uniform(-shift, shift, 2) * size
    moved = cv2.warpAffine(
        np.ascontiguousarray(picture), move, (size, size), borderMode=cv2.BORDER_REPLICATE
    )
    gain, offset = 1 + random.uniform(-GAIN, GAIN), random.uniform(-OFFSET, OFFSET)
    return np.clip(moved * np.float32(gain) + np.float32(255 * offset), 0, 255).astype(np.uint8)
