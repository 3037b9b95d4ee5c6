import numpy as np
import pytest

from multimodal_ser.video.sampling import EVERY, Sampling


def picked(times, **way):
    wanted = Sampling(**way).picker()
    return [n for n, time_s in enumerate(times) if wanted(n, time_s, n % 4 == 0)]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"every": 0}, ["every", "0"]),
        ({"every": True}, ["every", "True"]),
        ({"every": 1.0}, ["every", "1.0"]),
        ({"every_seconds": 0.0009}, ["every_seconds", "0.001"]),
        ({"every_seconds": float("inf")}, ["every_seconds", "inf"]),
        ({"every_seconds": True}, ["every_seconds", "True"]),
        ({"keyframes_only": None}, ["keyframes_only", "None"]),
        ({"every": 1, "every_seconds": 1}, []),
        ({"every_seconds": 1, "keyframes_only": True}, []),
    ],
)
def test_exactly_one_way_within_its_range(values, named):
    with pytest.raises(ValueError) as error:
        Sampling(**values)
    assert all(name in str(error.value) for name in named)
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


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("every=7", {"every": 7}),
        ("seconds=0.25", {"every_seconds": 0.25}),
        ("keyframes", {"keyframes_only": True}),
    ],
)
def test_a_text_is_the_same_choice(text, way):
    assert Sampling.of(text) == Sampling(**way)


@pytest.mark.parametrize(
    "text",
    (
        *("", "20", "every", "every=", "every=2.5", "every=0", "seconds=nan", "seconds=-1"),
        *("frames=2", "keyframes=1", "KEYFRAMES", "every=20,seconds=1"),
    ),
)
def test_a_text_that_names_no_choice_is_refused(text):
    with pytest.raises(ValueError) as error:
        Sampling.of(text)
    assert "sampling" in str(error.value)
