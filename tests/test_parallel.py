import pytest

from multimodal_ser.errors import MediaError
from multimodal_ser.parallel import map_clips


def half(number):
    if number == 13:
        raise MediaError("13.wav", "it is unlucky", "choose another")
    return 100 // number


ITEMS = {f"c{n}": (n,) for n in (5, 0, 13, 2)}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_costs_itself_alone_and_order_is_kept(workers):
    outcomes = list(map_clips(half, ITEMS, workers=workers, progress=False))
    assert [o.clip for o in outcomes] == list(ITEMS)
    assert [o.value for o in outcomes] == [20, None, None, 50]
    assert outcomes[1].error.startswith("ZeroDivisionError")
    assert outcomes[2].error == "13.wav: it is unlucky; choose another"


def test_nothing_to_do():
    assert list(map_clips(half, {}, progress=False)) == []


def test_progress_is_shown_on_standard_error(capfd):
    list(map_clips(half, ITEMS, workers=1, description="halves"))
    assert "halves: 100%" in capfd.readouterr().err
