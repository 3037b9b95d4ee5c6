import numpy as np
import pandas as pd
import pytest

from multimodal_ser.datasets import fer2013
from multimodal_ser.errors import SerError


def votes(**named):
    row = np.zeros(fer2013.VOTE_COLUMNS, np.uint8)
    for name, count in named.items():
        places = [*fer2013.FERPLUS_LABELS, "unknown", "no_face"]
        row[places.index(name)] = count
    return row


@pytest.fixture
def faces():
    random = np.random.default_rng(0)
    # Smooth, since JPEG does not keep noise.
    pictures = np.repeat(np.repeat(random.integers(0, 256, (6, 6, 6)), 8, 1), 8, 2).astype(np.uint8)
    pictures[4] = pictures[1]  # a private test picture that is a training picture too
    rows = [votes(happy=10), votes(sad=6, neutral=4), votes(angry=9, fearful=1)]
    rows += [votes(happy=5, sad=5), votes(neutral=10), votes(unknown=6, sad=4)]
    usage = np.array([0, 0, 1, 1, 2, 2], np.int8)
    return fer2013.FacePictures(pictures, np.arange(6, dtype=np.int8), np.stack(rows), usage)


def write_csv(faces, folder):
    pixels = [" ".join(map(str, picture.ravel())) for picture in faces.pictures]
    usage = [fer2013.USAGES[k] for k in faces.usage]
    pd.DataFrame({"emotion": faces.labels, "pixels": pixels, "Usage": usage}).to_csv(
        folder / "fer2013.csv", index=False
    )
    named = pd.DataFrame(faces.votes, columns=[*fer2013.FERPLUS_LABELS, "unknown", "NF"])
    named.insert(0, "Image name", "fer.png")
    named.insert(0, "Usage", usage)
    named.to_csv(folder / "fer2013new.csv", index=False)


def write_npz(faces, path, **changed):
    import cv2

    coded = [cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 100])[1] for p in faces.pictures]
    arrays = {
        "jpeg": np.concatenate(coded),
        "offset": np.cumsum([0, *map(len, coded)]),
        "usage": faces.usage,
        "label": faces.labels,
        "ferplus_votes": faces.votes,
    }
    np.savez(path, **(arrays | changed))


def test_both_forms_hold_the_same(faces, tmp_path):
    write_csv(faces, tmp_path)
    write_npz(faces, tmp_path / "fer.npz")
    from_csv, from_npz = fer2013.read(tmp_path), fer2013.read(tmp_path / "fer.npz")
    assert np.array_equal(from_csv.pictures, faces.pictures)
    assert np.abs(from_npz.pictures.astype(int) - faces.pictures).max() <= 4  # JPEG
    for a, b in zip(from_csv[1:], from_npz[1:], strict=True):
        assert np.array_equal(a, b)


def test_a_copy_across_the_split_leaves_the_test_and_stays_in_training(faces):
    kept = fer2013.distinct(faces)
    assert kept.usage.tolist() == [0, 0, 1, 1, 2]
    shuffled = faces.take(np.array([4, 1, 0, 5, 2, 3]))
    assert sorted(fer2013.distinct(shuffled).usage) == [0, 0, 1, 1, 2]


def test_votes_become_shares_without_slips(faces):
    shares, usable = fer2013.vote_shares(faces.votes)
    assert usable.tolist() == [True, True, True, True, True, False]
    assert np.allclose(shares.sum(axis=1), usable)
    assert shares[2, fer2013.FERPLUS_LABELS.index("angry")] == 1  # the one vote for fear is dropped
    assert np.allclose(shares[1, [3, 0]], [0.6, 0.4])


def test_the_majority_has_more_than_half(faces):
    told = fer2013.majority(faces.votes)
    names = [fer2013.FERPLUS_LABELS[k] if k >= 0 else None for k in told]
    assert names == ["happy", "sad", "angry", None, "neutral", None]


@pytest.mark.parametrize(
    "damage",
    [
        {"offset": np.array([0, 3, 6, 9, 12, 15, 18])},
        {"usage": np.zeros(2, np.int8)},
        {"ferplus_votes": np.zeros((6, 8), np.uint8)},
    ],
)
def test_damage_is_refused(faces, tmp_path, damage):
    write_npz(faces, tmp_path / "fer.npz", **damage)
    with pytest.raises(SerError):
        fer2013.read(tmp_path / "fer.npz")


def test_missing_parts_are_named(faces, tmp_path):
    with pytest.raises(SerError):
        fer2013.read(tmp_path / "none.npz")
    with pytest.raises(SerError) as error:
        fer2013.read(tmp_path)
    assert "fer2013.csv" in str(error.value) and "fer2013new.csv" in str(error.value)
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(SerError):
        fer2013.read(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", jpeg=np.zeros(3, np.uint8))
    with pytest.raises(SerError) as error:
        fer2013.read(tmp_path / "other.npz")
    assert "'ferplus_votes'" in str(error.value)


def test_the_real_file(shared_data):
    faces = fer2013.read(shared_data / "fer2013" / "fer2013_ferplus_jpeg.npz")
    assert len(faces.pictures) == 35_887
    assert np.bincount(faces.usage).tolist() == [28_709, 3_589, 3_589]
    assert len(fer2013.distinct(faces).pictures) == 35_887 - 1_853
