import numpy as np
import pandas as pd
import pytest

from multimodal_ser.datasets.fer2013 import FERPLUS_LABELS
from multimodal_ser.errors import TableError
from multimodal_ser.estimators.networks import load_network, save_network
from multimodal_ser.tables import EMOTIONS
from multimodal_ser.video import backbones, mapping

PRIOR = np.array([0.35, 0.29, 0.13, 0.12, 0.085, 0.006, 0.022, 0.006])


def faces(rows=5, seed=0):
    values = np.random.default_rng(seed).dirichlet(np.ones(8), rows)
    return pd.DataFrame(values, columns=FERPLUS_LABELS)


def test_shares_are_kept_where_nothing_is_corrected():
    table = faces().drop(columns="contempt")
    table = table.div(table.sum(axis=1), axis=0)
    told = mapping.to_emotions(table)
    shared = [label for label in FERPLUS_LABELS if label not in ("neutral", "contempt")]
    assert np.allclose(told[shared], table[shared])
    assert np.allclose(told["neutral"], table["neutral"] / 2)
    assert np.allclose(told["calm"], told["neutral"])


def test_the_prior_itself_becomes_the_same_for_all():
    told = mapping.to_emotions(pd.DataFrame([PRIOR], columns=FERPLUS_LABELS), PRIOR).iloc[0]
    others = told.drop(["neutral", "calm"])
    assert np.allclose(others, others.iloc[0])
    assert np.isclose(told["neutral"] + told["calm"], others.iloc[0])


def test_contempt_says_nothing_about_the_others():
    table = faces(1)
    more = table.copy()
    more["contempt"] *= 5
    assert np.allclose(mapping.to_emotions(table), mapping.to_emotions(more))


def test_a_missing_face_stays_missing():
    table = faces(2)
    table.iloc[0] = np.nan
    told = mapping.to_emotions(table, PRIOR)
    assert told.iloc[0].isna().all() and np.isclose(told.iloc[1].sum(), 1)


def test_wrong_values_are_refused():
    with pytest.raises(TableError):
        mapping.to_emotions(pd.DataFrame([[1.0]], columns=["joy"]))
    with pytest.raises(ValueError):
        mapping.weights(FERPLUS_LABELS, PRIOR, 2)
    with pytest.raises(ValueError):
        mapping.weights(FERPLUS_LABELS, PRIOR * 0)


@pytest.mark.parametrize("backbone", ["fer_resnet", "fer_cnn"])
def test_the_network_does_what_the_table_does(tmp_path, backbone):
    own = backbones.load(backbone).build(n_classes=8, seed=3)
    both = mapping.mapped(own, mapping.weights(FERPLUS_LABELS, PRIOR))
    save_network(both, tmp_path / "mapped.keras")
    pictures = np.random.default_rng(0).random((4, 48, 48, 1), np.float32)
    table = pd.DataFrame(own.predict(pictures, verbose=0), columns=FERPLUS_LABELS)
    told = load_network(tmp_path / "mapped.keras").predict(pictures, verbose=0)
    assert told.shape == (4, len(EMOTIONS))
    assert np.allclose(told, mapping.to_emotions(table, PRIOR), atol=1e-5)
