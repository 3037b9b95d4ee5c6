"""Each method's own formula; what all must keep is in test_fuser.py."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from multimodal_ser.errors import UnknownName
from multimodal_ser.fusion import methods
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.fusion.numeric import HeldOut, logs, normalise

from . import cases


@pytest.fixture(scope="module")
def held(case):
    clips, tables = case
    codes = tables["audio"].columns.get_indexer(clips["emotion"].astype(object))
    return HeldOut(np.stack(list(tables.values())), codes, clips["actor"].to_numpy())


def test_names_and_files_agree():
    folder = Path(methods.__file__).parent
    assert sorted(methods.NAMES) == sorted(
        path.stem for path in folder.glob("*.py") if path.stem != "__init__"
    )


def test_a_wrong_name_lists_the_right_ones():
    with pytest.raises(UnknownName) as error:
        methods.load("max")
    assert "grouped_pool" in str(error.value)


@pytest.mark.parametrize("name", methods.NAMES)
def test_parameters_have_the_shapes_that_are_promised(name, held):
    module = methods.load(name)
    names, options = ("audio", "video"), module.OPTIONS
    fitted = module.fit(held, names, options)
    shapes = module.shapes(names, 3, options)
    assert {key: np.shape(value) for key, value in fitted.items()} == shapes
    assert bool(fitted) == module.FITTED
    terms = module.evidence(held.values, fitted, names, options)
    assert terms.shape == held.values.shape


def test_mean_and_product():
    a, v = np.array([[[0.7, 0.2, 0.1]], [[0.2, 0.5, 0.3]]])
    tables = {"audio": a, "video": v}
    from pandas import DataFrame

    tables = {name: DataFrame(value, ["c"], cases.LABELS) for name, value in tables.items()}
    np.testing.assert_allclose(Fuser("mean")(tables), (a + v) / 2)
    np.testing.assert_allclose(Fuser("product")(tables), a * v / (a * v).sum())


class TestGroupedPool:
    def test_without_groups_it_is_the_log_pool(self, case):
        clips, tables = case
        one, two = (
            Fuser(name).fit(tables, clips["emotion"])(tables)
            for name in ("grouped_pool", "log_pool")
        )
        np.testing.assert_allclose(one, two, atol=1e-4)

    def test_formula(self):
        module = methods.load("grouped_pool")
        values = np.random.default_rng(0).dirichlet([1] * 3, size=(3, 5))
        names, options = ("a", "v1", "v2"), {"groups": {"v1": "video", "v2": "video"}}
        parameters = {"weights": np.array([0.9, 0.5]), "shares": np.array([1, 0.3, 0.7])}
        terms = module.evidence(values, parameters, names, options)
        expected = values[0] ** 0.9 * (0.3 * values[1] + 0.7 * values[2]) ** 0.5
        expected /= expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(normalise(terms.sum(axis=0)), expected)
        np.testing.assert_allclose(terms[0], 0.9 * logs(values[0]))

    def test_a_copy_in_the_same_group_changes_nothing(self, case):
        clips, tables = case
        copied = tables | {"again": tables["video"]}
        options = {"groups": {"video": "face", "again": "face"}}
        one = Fuser("grouped_pool").fit(tables, clips["emotion"])(tables)
        two = Fuser("grouped_pool", options).fit(copied, clips["emotion"])(copied)
        np.testing.assert_allclose(one, two, atol=1e-3)

    def test_the_model_that_knows_nothing_gets_a_small_share(self):
        clips, tables = cases.truth_and_tables(strengths=(2.0, 0.0))
        options = {"groups": dict.fromkeys(tables, "one")}
        fuser = Fuser("grouped_pool", options).fit(tables, clips["emotion"])
        shares = fuser.fitted["audio", "video"]["shares"]
        assert shares[0] > 0.9
        assert shares.sum() == pytest.approx(1)


class TestVectorPool:
    def test_one_modality_that_confuses_a_label_gets_less_weight_for_it(self):
        clips, tables = cases.truth_and_tables(n_each=150, strengths=(2.5, 2.5))
        rng = np.random.default_rng(1)
        blurred = tables["audio"].copy()
        noise = rng.dirichlet([1, 1], size=len(blurred))
        pair = blurred[["sad", "happy"]].sum(axis=1).to_numpy()
        blurred[["sad", "happy"]] = noise * pair[:, None]
        fuser = Fuser("vector_pool", {"l2": 1.0})
        fuser = fuser.fit({"audio": blurred, "video": tables["video"]}, clips["emotion"])
        weights = fuser.fitted["audio", "video"]["weights"]
        assert weights[0, 2] > weights[0, :2].max()

    def test_the_penalty_is_chosen_once_and_kept(self, case):
        clips, tables = case
        fuser = Fuser("vector_pool").fit(tables, clips["emotion"], clips["actor"])
        chosen = {float(values["l2"]) for values in fuser.fitted.values()}
        assert len(chosen) == 1
        assert chosen <= set(methods.load("vector_pool").STRENGTHS)


class TestStacking:
    def test_it_is_scikit_learns_regression(self, case, held):
        clips, tables = case
        fuser = Fuser("stacking", {"l2": 10.0}).fit(tables, clips["emotion"])
        inputs = np.concatenate([logs(part) for part in held.values], axis=1)
        model = LogisticRegression(C=0.1, max_iter=5000, tol=1e-8).fit(inputs, held.codes)
        np.testing.assert_allclose(fuser(tables), model.predict_proba(inputs), atol=1e-4)

    def test_two_labels(self, case):
        clips, tables = case
        two = clips[clips["emotion"].isin(["sad", "happy"])]
        parts = {name: table.loc[two.index, ["sad", "happy"]] for name, table in tables.items()}
        parts = {name: table.div(table.sum(axis=1), axis=0) for name, table in parts.items()}
        fuser = Fuser("stacking", {"l2": 10.0}).fit(parts, two["emotion"])
        inputs = np.concatenate([logs(part.to_numpy()) for part in parts.values()], axis=1)
        codes = (two["emotion"] == "happy").to_numpy()
        model = LogisticRegression(C=0.1, max_iter=5000, tol=1e-8).fit(inputs, codes)
        np.testing.assert_allclose(fuser(parts), model.predict_proba(inputs), atol=1e-4)

    def test_it_learns_a_swap_that_no_pool_can(self, case):
        clips, tables = case
        swapped = {name: table[["happy", "sad", "angry"]] for name, table in tables.items()}
        swapped = {name: table.set_axis(cases.LABELS, axis=1) for name, table in swapped.items()}
        said = Fuser("stacking").fit(swapped, clips["emotion"], clips["actor"])(swapped)
        pool = Fuser("log_pool").fit(swapped, clips["emotion"])(swapped)
        right = [(t.idxmax(axis=1) == clips["emotion"].astype(object)).mean() for t in (said, pool)]
        assert right[0] > right[1] + 0.3
