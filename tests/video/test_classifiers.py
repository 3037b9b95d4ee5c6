"""Every video classifier: it learns, repeats itself, and is saved without pickle."""

import warnings

import numpy as np
import pytest

from multimodal_ser.errors import ModelError, SerError, UnknownName
from multimodal_ser.estimators import files
from multimodal_ser.video import classifiers

FAST = {"mlp": {"n_seeds": 2}, "temporal": {"epochs": 12, "learning_rate": 3e-3}}
ONE_EPOCH = FAST | {"temporal": {"epochs": 1}}
N_CLASSES, N_VALUES = 3, 6


@pytest.fixture(scope="module")
def clips():
    """Sequences of three classes: vectors differ in mean; lengths differ, frames are lost."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(N_CLASSES), 30)
    centres = 1.5 * random.standard_normal((N_CLASSES, N_VALUES))
    sequences = []
    for label in labels:
        frames = centres[label] + random.standard_normal((random.integers(4, 13), N_VALUES))
        frames[random.random(len(frames)) < 0.2] = np.nan
        frames[0] = centres[label]
        sequences.append(frames.astype(np.float32))
    order = random.permutation(len(labels))
    return [sequences[at] for at in order], labels[order]


def inputs(name, sequences):
    if classifiers.load(name).SEQUENCES:
        return classifiers.stack(sequences, n_frames=12)
    return np.array([np.nanmean(frames, axis=0) for frames in sequences])


def fitted(name, clips, params, seed=1):
    sequences, labels = clips
    estimator = classifiers.load(name).build(seed=seed, **params.get(name, {}))
    return estimator.fit(inputs(name, sequences), labels)


@pytest.fixture(scope="module")
def fitted_once(clips):
    """A classifier of each name, fitted in haste."""
    return {name: fitted(name, clips, ONE_EPOCH) for name in classifiers.NAMES}


def said(name, estimator, values):
    return files.probabilities(classifiers.load(name), estimator, values)


@pytest.mark.parametrize("name", classifiers.NAMES)
def test_every_classifier_learns_and_comes_back_from_its_files(name, clips, tmp_path):
    sequences, labels = clips
    train, test = (sequences[:60], labels[:60]), (sequences[60:], labels[60:])
    estimator = fitted(name, train, FAST)
    values = inputs(name, test[0])
    table = said(name, estimator, values)
    assert table.shape == (30, N_CLASSES) and table.min() >= 0
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)
    assert list(estimator.classes_) == [0, 1, 2]
    assert (table.argmax(axis=1) == test[1]).mean() > 0.8
    files.save(estimator, tmp_path)
    assert not list(tmp_path.rglob("*.pkl")) and list(tmp_path.iterdir())
    again = files.load(tmp_path, classifiers.load(name))
    np.testing.assert_array_equal(said(name, again, values), table)


@pytest.mark.parametrize("name", classifiers.NAMES)
def test_one_seed_gives_one_result(name, clips, fitted_once):
    values = inputs(name, clips[0])
    again = fitted(name, clips, ONE_EPOCH)
    np.testing.assert_array_equal(said(name, again, values), said(name, fitted_once[name], values))


@pytest.mark.parametrize("name", classifiers.NAMES)
def test_units_do_not_matter(name, clips, fitted_once):
    sequences, labels = clips
    values = inputs(name, sequences)
    scaled = [1000 * frames + 5 for frames in sequences]
    one = said(name, fitted_once[name], values)
    two = said(name, fitted(name, (scaled, labels), ONE_EPOCH), inputs(name, scaled))
    np.testing.assert_allclose(one, two, atol=2e-3)


@pytest.mark.parametrize("name", classifiers.NAMES)
def test_damaged_files_are_refused_in_one_line(name, fitted_once, tmp_path):
    files.save(fitted_once[name], tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(b"garbage")
    with pytest.raises(ModelError) as caught:
        files.load(tmp_path, classifiers.load(name))
    assert "\n" not in str(caught.value)


def test_an_unknown_classifier_lists_those_there_are():
    with pytest.raises(UnknownName) as error:
        classifiers.load("lstm")
    assert "logistic_regression, mlp, svc, temporal" in str(error.value)


class TestStack:
    def test_short_sequences_are_kept_and_followed_by_nan(self):
        short = np.arange(6, dtype=np.float32).reshape(3, 2)
        got = classifiers.stack([short, short[:1]], n_frames=4)
        assert got.shape == (2, 4, 2) and got.dtype == np.float32
        np.testing.assert_array_equal(got[0, :3], short)
        assert np.isnan(got[0, 3:]).all() and np.isnan(got[1, 1:]).all()

    def test_long_sequences_are_means_of_equal_stretches(self):
        long = np.arange(40, dtype=np.float32).reshape(20, 2)
        got = classifiers.stack([long], n_frames=5)[0]
        np.testing.assert_allclose(got, long.reshape(5, 4, 2).mean(axis=1))

    def test_lost_frames_take_no_part_in_a_mean(self):
        long = np.ones((8, 1), np.float32)
        long[[0, 4, 5, 6, 7]] = np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = classifiers.stack([long], n_frames=2)[0, :, 0]
        assert got[0] == 1 and np.isnan(got[1])

    def test_nothing_is_an_empty_array(self):
        assert classifiers.stack([], n_frames=3).shape == (0, 3, 0)


class TestTemporal:
    def test_it_is_small(self):
        from multimodal_ser.video.classifiers import temporal

        assert temporal.network().count_params() < 100_000

    def test_padding_changes_nothing(self, clips, fitted_once):
        estimator = fitted_once["temporal"]
        short, long = (classifiers.stack(clips[0], n_frames=n) for n in (12, 30))
        np.testing.assert_allclose(
            estimator.predict_proba(short), estimator.predict_proba(long), atol=1e-6
        )

    def test_a_clip_is_predicted_alike_alone_and_among_others(self, clips, fitted_once):
        estimator = fitted_once["temporal"]
        values = classifiers.stack(clips[0], n_frames=12)
        together = estimator.predict_proba(values)
        np.testing.assert_allclose(estimator.predict_proba(values[7:8])[0], together[7], atol=1e-6)

    def test_a_clip_without_a_face_has_no_probabilities_and_teaches_nothing(
        self, clips, fitted_once
    ):
        sequences, labels = clips
        empty = np.full((5, N_VALUES), np.nan, np.float32)
        one = fitted_once["temporal"]
        two = fitted("temporal", ([*sequences, empty], [*labels, 0]), ONE_EPOCH)
        values = classifiers.stack([empty, *sequences], n_frames=12)
        assert np.isnan(two.predict_proba(values)[0]).all()
        np.testing.assert_array_equal(two.predict_proba(values[1:]), one.predict_proba(values[1:]))
        with pytest.raises(SerError):
            fitted("temporal", ([empty, empty], [0, 1]), ONE_EPOCH)

    def test_it_sees_the_order_of_frames_that_a_mean_does_not(self):
        random = np.random.default_rng(0)
        rise = np.linspace(-1, 1, 10, dtype=np.float32)[:, None]
        labels = np.arange(80) % 2
        sequences = [
            (rise if label else rise[::-1]) + 0.3 * random.standard_normal((10, 1))
            for label in labels
        ]
        values = classifiers.stack(sequences, n_frames=10)
        estimator = classifiers.load("temporal").build(epochs=15, learning_rate=3e-3)
        estimator.fit(values[:60], labels[:60])
        assert (estimator.predict(values[60:]) == labels[60:]).mean() > 0.9
