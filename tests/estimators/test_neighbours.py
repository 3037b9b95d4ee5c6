"""Distance from what is known, beside brute force, and files that anyone may have made."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from multimodal_ser.errors import ModelError
from multimodal_ser.estimators import neighbours
from multimodal_ser.estimators.neighbours import Neighbours

RNG = np.random.default_rng(0)
VALUES = (RNG.normal(size=(300, 40)) * np.linspace(1, 9, 40) + 3).astype(np.float32)
PEOPLE = np.arange(300) % 12


@pytest.fixture(scope="module")
def known():
    return Neighbours.fit(VALUES, PEOPLE)


def test_signs_are_those_of_brute_force(known):
    new = (RNG.normal(size=(7, 40)) * 5 + 3).astype(np.float32)
    whitened = np.clip((new - known.mean) / known.scale, -6, 6) @ known.axes
    apart = cdist(whitened, known.known)
    order = np.argsort(apart, axis=1)[:, : neighbours.N_NEAREST]
    distance = np.take_along_axis(apart, order, axis=1).mean(axis=1)
    among = cdist(known.known, known.known)
    among[PEOPLE[:, None] == PEOPLE] = np.inf
    spacing = np.sort(among, axis=1)[:, : neighbours.N_NEAREST].mean(axis=1)
    expected = np.stack([distance, distance / spacing[order].mean(axis=1)], axis=1)
    np.testing.assert_allclose(known.signs(new), expected, rtol=1e-3)


def test_training_vectors_are_whitened(known):
    np.testing.assert_allclose(known.known.std(axis=0), 1, rtol=0.02)
    assert known.known.shape == (300, neighbours.N_COMPONENTS)


def test_units_do_not_matter_and_what_was_not_measured_is_no_distance(known):
    other = Neighbours.fit(VALUES * 1000, PEOPLE)
    np.testing.assert_allclose(other.signs(VALUES * 1000), known.signs(VALUES), rtol=1e-2)
    gone = known.mean.copy()
    with_nan = gone.copy()
    with_nan[:5] = np.nan
    np.testing.assert_allclose(known.signs(with_nan[None]), known.signs(gone[None]), rtol=1e-4)


def test_more_than_are_kept_are_drawn_by_the_seed(monkeypatch):
    monkeypatch.setattr(neighbours, "MOST_KNOWN", 100)
    one, two = Neighbours.fit(VALUES, PEOPLE, 1), Neighbours.fit(VALUES, PEOPLE, 1)
    assert one.known.shape == (100, 32)
    np.testing.assert_array_equal(one.known, two.known)


def test_too_few_of_other_people_are_refused():
    with pytest.raises(ValueError, match="other people"):
        Neighbours.fit(VALUES, np.zeros(300))


def test_saved_and_read_again(known, tmp_path):
    known.save(tmp_path / "n.npz")
    again = Neighbours.load(tmp_path / "n.npz", 40)
    np.testing.assert_array_equal(again.signs(VALUES), known.signs(VALUES))


@pytest.mark.parametrize(
    "harm",
    [
        lambda a: a | {"mean": a["mean"][:5]},
        lambda a: a | {"axes": a["axes"].astype(np.float64)},
        lambda a: a | {"known": np.zeros((0, 32), np.float32), "spacing": np.zeros(0, np.float32)},
        lambda a: a | {"scale": a["scale"] * 0},
        lambda a: a | {"spacing": a["spacing"] * np.nan},
        lambda a: a | {"known": a["known"][:, :3]},
        lambda a: {"mean": a["mean"]},
        lambda a: a | {"axes": np.array([{}], dtype=object)},
    ],
)
def test_a_damaged_file_is_refused(known, tmp_path, harm):
    known.save(tmp_path / "n.npz")
    with np.load(tmp_path / "n.npz") as arrays:
        np.savez(tmp_path / "bad.npz", **harm(dict(arrays)))
    with pytest.raises(ModelError):
        Neighbours.load(tmp_path / "bad.npz", 40)
