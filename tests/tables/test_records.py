from typing import Annotated

import numpy as np
import pytest
from msgspec import Meta, Struct

from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.tables import records
from multimodal_ser.tables.records import read_record, write_record


class Layer(Struct, frozen=True):
    units: Annotated[int, Meta(ge=1, le=512)]


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    layers: list[Layer] = []
    rate: float = 0.5
    chosen: dict[str, records.Value] = {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"layers": [{"units": 8}, {"units": 0}]}', "$.layers[1].units"),
        ('{"layers": [{"units": 1.5}]}', "$.layers[0].units"),
        ('{"layers": [{"units": true}]}', "$.layers[0].units"),
        ('{"layers": [{"units": 1%s}]}' % ("0" * 400), "$.layers[0].units"),
        ('{"layers": [{}]}', "$.layers[0]"),
        ('{"rate": 1e999}', "$.rate"),
        ('{"rate": null}', "$.rate"),
        ('{"chosen": {"a": [[[1]]]}}', "$.chosen"),
        ('{"speed": 1}', "speed"),
    ],
)
def test_a_refusal_names_the_file_and_the_place(tmp_path, text, place):
    path = tmp_path / "params.json"
    path.write_text(text)
    with pytest.raises(ModelError) as caught:
        read_record(path, Network, "a network", error=ModelError)
    assert str(path) in str(caught.value) and place in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"[]", b"{", b"{} x", b'{"rate": NaN}', b'{"rate": -Infinity}', b"[" * 100_000,
     b'{"chosen":' + b'{"a":' * 100_000, b'{"x":' + b"[" * 100_000, b'{"chosen": {"a": "\xff"}}',
     b'{"chosen": {"a": "\\ud800"}}'],
)  # fmt: skip
def test_what_is_no_json_of_the_kind_is_refused(content):
    with pytest.raises(SerError):
        read_record(content, Network, "a network")


def test_a_long_file_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"{}" + b" " * 100)
    assert read_record(path, Network, "a network", limit_bytes=102) == Network()
    with pytest.raises(SerError):
        read_record(path, Network, "a network", limit_bytes=101)
    with pytest.raises(FileNotFoundError):
        read_record(tmp_path / "none.json", Network, "a network")


def test_a_record_comes_back_and_numpy_becomes_json():
    values = {"C": np.float64(0.5), "n": np.int64(3), "units": (64, 32), "kernel": "rbf", "w": None}
    again = read_record(write_record(Network([Layer(8)], 1, values)), Network, "a network")
    plain = {"C": 0.5, "n": 3, "units": [64, 32], "kernel": "rbf", "w": None}
    assert again == Network([Layer(8)], 1.0, plain)


def test_what_could_not_be_read_again_is_not_written():
    with pytest.raises(SerError):
        write_record(Network([Layer(0)]))
    with pytest.raises(SerError):
        write_record(Network(rate=float("nan")))
