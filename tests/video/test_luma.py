import av
import numpy as np
import pytest

from multimodal_ser.video import luma

FORMATS = (*luma.LUMA_FIRST, *luma.FULL_RANGE_LUMA_FIRST, "gray", "rgb24", "yuv420p10le")


def noise(kind, size=(50, 34)):
    """A picture of random bytes, its width no multiple of the decoder's alignment."""
    picture = av.VideoFrame(*size, kind)
    random = np.random.default_rng(0)
    high = 4 if kind.endswith("10le") else 256  # two bytes a sample, of ten bits
    for plane in picture.planes:
        values = random.integers(0, 256, plane.buffer_size)
        values[1::2] %= high
        plane.update(values.astype(np.uint8).tobytes())
    return picture


@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize("kind", FORMATS)
def test_grey_is_what_ffmpeg_makes_of_it(kind, color_range):
    for colorspace in (1, 2, 5, 6, 9):  # BT.709, unspecified, both BT.601, BT.2020
        picture = noise(kind)
        picture.color_range, picture.colorspace = color_range, colorspace
        want = picture.to_ndarray(format="gray")
        got = luma.upright_gray(picture)
        np.testing.assert_array_equal(got, want, err_msg=str(colorspace))
        assert got.flags.c_contiguous and got.dtype == np.uint8


def test_luma_is_copied_from_the_decoders_memory():
    picture = noise("yuvj420p")
    gray = luma.upright_gray(picture)
    before = gray.copy()
    picture.planes[0].update(bytes(picture.planes[0].buffer_size))
    np.testing.assert_array_equal(gray, before)


def test_stretching_is_that_of_bt601():
    table = luma.stretched()
    assert (
        table[16] == 0 and table[235] == 255 and not table[:16].any() and (table[235:] == 255).all()
    )
    assert (np.abs(table[16:236] - np.arange(220) * 255 / 219) <= 0.5).all()
