"""What is read from a model's file works in a process that may hang, crash or grow."""

import os
import time

import numpy as np
import pytest

from multimodal_ser.compute import apart
from multimodal_ser.compute.apart import Apart
from multimodal_ser.errors import ModelError


def of_file(path, factor):
    number = float(path.read_text())  # a damaged one is a ValueError
    return lambda values: values * number * factor


def process(_place):
    return lambda values: np.full(len(values), os.getpid())


def hanging(_place):
    return lambda values: time.sleep(1000)


def crashing(_place):
    return lambda values: os.abort()


def growing(_place):
    return lambda values: np.ones(2**34, np.uint8)


def hanging_when_read(_place):
    time.sleep(1000)


def test_it_gives_what_the_function_gives_elsewhere(tmp_path):
    (tmp_path / "number").write_text("2")
    values = np.random.default_rng(0).normal(size=(3, 2))
    np.testing.assert_array_equal(Apart(of_file, tmp_path / "number", 3)(values), values * 6)
    assert Apart(process, "model")(values)[0] != os.getpid()


def test_another_file_of_the_same_name_is_read_anew(tmp_path):
    (tmp_path / "number").write_text("2")
    function = Apart(of_file, tmp_path / "number", 1)
    assert function(np.ones(1)) == 2
    (tmp_path / "number").write_text("3.5")
    assert function(np.ones(1)) == 3.5
    (tmp_path / "number").write_text("none")
    with pytest.raises(ModelError):
        function(np.ones(1))


@pytest.mark.parametrize("read", [hanging, crashing, growing, hanging_when_read])
def test_what_hangs_crashes_or_grows_is_an_error(monkeypatch, read):
    monkeypatch.setattr(apart, "READ_SECONDS", 3.0)
    with pytest.raises(ModelError):
        Apart(read, "model")(np.ones(1))
    if read is hanging_when_read:
        with pytest.raises(ModelError):
            Apart(read, "model").check()
