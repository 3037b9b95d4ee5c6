"""Fitted classifiers as files, also those saved when their types lay elsewhere."""

import io
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline

from multimodal_ser.audio.classifiers import ensemble, logistic_regression, svc
from multimodal_ser.errors import ModelError
from multimodal_ser.estimators import files
from multimodal_ser.estimators.votes import SoftVote

VALUES = np.random.default_rng(0).normal(size=(40, 5))
LABELS = np.arange(40) % 3


def with_names(content: bytes, old: str, new: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(target, "w") as changed:
        for name in archive.namelist():
            data = archive.read(name)
            changed.writestr(name, data.replace(old.encode(), new.encode()))
    return target.getvalue()


@pytest.mark.parametrize("module", [svc, ensemble])
def test_a_classifier_saved_under_the_old_names_predicts_the_same(tmp_path, module):
    fitted = module.build().fit(VALUES, LABELS)
    content = skops.io.dumps(fitted)
    for room in ("pairwise", "votes"):
        today = f'"multimodal_ser.estimators.{room}"'
        content = with_names(content, today, '"multimodal_ser.sklearn_classifiers"')
    assert b"multimodal_ser.estimators" not in b"".join(
        zipfile.ZipFile(io.BytesIO(content)).read(name) for name in ["schema.json"]
    )
    (tmp_path / "estimator.skops").write_bytes(content)
    loaded = files.load(tmp_path, module)
    expected = files.probabilities(module, fitted, VALUES)
    np.testing.assert_array_equal(files.probabilities(module, loaded, VALUES), expected)


class Columns(TransformerMixin, BaseEstimator):
    """As it was when models were saved with it; its fit sets ``n_features_in_``."""

    def __init__(self, start=0, stop=None):
        self.start, self.stop = start, stop

    def fit(self, values, labels=None):
        self.n_features_in_ = values.shape[1]
        return self

    def transform(self, values):
        return values[:, self.start : self.stop]


@pytest.mark.parametrize("room", ["sklearn_classifiers", "estimators.votes"])
@pytest.mark.parametrize("stop", [4, None])
def test_a_vote_saved_with_columns_of_the_old_type_predicts_the_same(
    tmp_path, room, stop, monkeypatch
):
    monkeypatch.setattr(Columns, "__module__", f"multimodal_ser.{room}")
    members = [
        (name, make_pipeline(columns, logistic_regression.build()))
        for name, columns in (("one", Columns(0, 2)), ("other", Columns(1, stop)))
    ]
    fitted = SoftVote(members).fit(VALUES, LABELS)
    (tmp_path / "estimator.skops").write_bytes(skops.io.dumps(fitted))
    loaded = files.load(tmp_path, ensemble)
    np.testing.assert_array_equal(loaded.predict_proba(VALUES), fitted.predict_proba(VALUES))
    assert type(loaded.estimators_[0].steps[0][1]) is ColumnTransformer
    files.save(loaded, tmp_path)
    again = files.load(tmp_path, ensemble)
    np.testing.assert_array_equal(again.predict_proba(VALUES), fitted.predict_proba(VALUES))


def test_a_type_that_is_not_trusted_is_refused(tmp_path):
    content = skops.io.dumps(svc.build().fit(VALUES, LABELS))
    evil = with_names(content, '"multimodal_ser.estimators.pairwise"', '"somebody.elses"')
    (tmp_path / "estimator.skops").write_bytes(evil)
    with pytest.raises(ModelError):
        files.load(tmp_path, svc)


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_model_file_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "estimator.skops").write_bytes(content)
    with pytest.raises(ModelError):
        files.load(tmp_path, svc)
