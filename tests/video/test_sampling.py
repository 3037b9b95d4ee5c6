import numpy as np
import pytest

from multimodal_ser.video.sampling import EVERY, Sampling


def picked(times, **way):
    wanted = Sampling(**way).picker()
    return [n for n, time_s in enumerate(times) if wanted(n, time_s, n % 4 == 0)]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"every": 0}, "every is 0"),
        ({"every": True}, "every is True"),
        ({"every": 1.0}, "every is 1.0"),
        ({"every_seconds": 0.0009}, "from 0.001"),
        ({"every_seconds": float("inf")}, "every_seconds is inf"),
        ({"every_seconds": True}, "every_seconds is True"),
        ({"keyframes_only": None}, "keyframes_only is None"),
        ({"every": 1, "every_seconds": 1}, "more than one way"),
        ({"every_seconds": 1, "keyframes_only": True}, "more than one way"),
    ],
)
def test_exactly_one_way_within_its_range(values, says):
    with pytest.raises(ValueError, match=says):
        Sampling(**values)
    assert Sampling() == Sampling(every=EVERY)


def test_every_counts_frames_whatever_their_times():
    times = np.random.default_rng(0).random(30).tolist()
    assert picked(times, every=7) == [0, 7, 14, 21, 28]


@pytest.mark.parametrize("rate", [25, 30000 / 1001, 10, 60])
@pytest.mark.parametrize("seconds", [0.2, 1 / 3, 0.5, 1, 0.75])
@pytest.mark.parametrize("unit", [1e-3, 1 / 90000])
def test_seconds_take_the_first_frame_at_or_after_each_step(rate, seconds, unit):
    exact = np.arange(200) / rate
    rounded = np.round(exact / unit) * unit  # as films keep them
    steps = np.arange(0, exact[-1] - 1 / rate, seconds)
    want = sorted({int(np.searchsorted(exact, step - 1e-9)) for step in steps})
    got = picked(rounded.tolist(), every_seconds=seconds)
    assert got[: len(want)] == want


def test_seconds_take_a_frame_once_and_pass_over_a_gap():
    assert picked([0.0, 0.5, 1.0, 7.3, 7.6, 8.0], every_seconds=0.25) == [0, 1, 2, 3, 4, 5]
    assert picked([0.0, 0.5, 1.0, 7.3, 7.6, 8.0], every_seconds=1) == [0, 2, 3, 5]


def test_seconds_never_go_back_where_times_do():
    assert picked([0.0, 1.0, 0.5, 1.0, 2.0], every_seconds=1) == [0, 1, 4]


def test_key_frames_are_those_marked():
    assert picked(range(10), keyframes_only=True) == [0, 4, 8]
