"""Spectrograms as images, for networks that were made for photographs."""

from __future__ import annotations

import numpy as np

from multimodal_ser.audio.spectra import REACH_DB


def picture(values: np.ndarray, size: int, *, lowest: float, highest: float) -> np.ndarray:
    """Return frames of a clip as a square grey image.

    The whole clip is stretched or squeezed to the width, as the images of
    the published systems are, so that the time scale differs between clips.

    Args:
        values: ``(n_frames, n_rows)``, finite.
        size: width and height, in pixels.
        lowest: what becomes black.
        highest: what becomes white; all is black where it is not above ``lowest``.

    Returns:
        uint8 ``(size, size)``: time runs to the right and the first row, the
        lowest frequency, lies at the bottom.

    Example:
        >>> picture(np.array([[0.0, 1.0]]), 2, lowest=0.0, highest=1.0).tolist()
        [[255, 255], [0, 0]]
    """
    import cv2

    span = highest - lowest
    grey = np.clip((values.T[::-1] - lowest) / (span if span > 0 else np.inf), 0, 1)
    # Averages where the image is smaller, so that no frame is passed over.
    small = cv2.INTER_AREA if max(grey.shape) > size else cv2.INTER_LINEAR
    resized = cv2.resize(grey.astype(np.float32), (size, size), interpolation=small)
    return np.rint(255 * resized).astype(np.uint8)


def decibel_picture(decibels: np.ndarray, size: int) -> np.ndarray:
    """Return a spectrogram in dB as an image whose white is the clip's loudest.

    Args:
        decibels: ``(n_frames, n_rows)``; 80 dB below the highest is black.
        size: width and height, in pixels.

    Returns:
        uint8 ``(size, size)``, see :func:`picture`. Where nothing varies, as in
        silence, it is black.

    Example:
        >>> decibel_picture(np.array([[0.0, -40.0], [-80.0, -90.0]]), 2).tolist()
        [[128, 0], [255, 0]]
    """
    peak = float(decibels.max())
    lowest = peak if decibels.min() == peak else peak - REACH_DB
    return picture(decibels, size, lowest=lowest, highest=peak)
