import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import TableError
from multimodal_ser.evaluation.metrics import score
from multimodal_ser.fusion import methods
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.fusion.nested import apply_folds, fit_folds
from multimodal_ser.tables import check_probabilities

from . import cases


def nested(tables, clips, folds, fuser):
    return apply_folds(fit_folds(tables, clips, folds, fuser), tables, folds)


class Memorising:
    """Remembers the label of every clip that it is fitted on; knows no other."""

    def __init__(self, known=None):
        self.known = known if known is not None else {}

    def fit(self, tables, truth, actors=None, **_options):
        seen = {clip for table in tables.values() for clip in table.index} | set(truth.index)
        return Memorising({clip: truth[clip] for clip in seen})

    def __call__(self, tables):
        table = next(iter(tables.values()))
        values = np.full(table.shape, 1 / table.shape[1])
        for row, clip in enumerate(table.index):
            if clip in self.known:
                values[row] = table.columns == self.known[clip]
        return pd.DataFrame(values, table.index, table.columns)


@pytest.mark.parametrize("name", methods.NAMES)
def test_every_clip_is_fused_once(name, case):
    clips, tables = case
    fused = nested(tables, clips, cases.folds_of(clips), Fuser(name))
    check_probabilities(fused, cases.LABELS)
    assert sorted(fused.index) == sorted(clips.index)


@pytest.mark.parametrize("name", methods.NAMES)
def test_a_fold_is_fitted_without_its_test_actors(name, case):
    """Garbling the test actors' labels and predictions must leave the fitted weights alone.

    With the first fold's test actors in its fit, even one of their clips, its
    weights would move.
    """
    clips, tables = case
    folds = cases.folds_of(clips)
    test = folds[0][1]
    garbled = clips.copy()
    turned = {"sad": "happy", "happy": "angry", "angry": "sad"}
    garbled.loc[test, "emotion"] = [turned[label] for label in clips.loc[test, "emotion"]]
    shuffled = {}
    for part, table in tables.items():
        values = table.loc[test].to_numpy()[::-1, [1, 2, 0]]
        shuffled[part] = pd.concat(
            [table.drop(test), pd.DataFrame(values, test, table.columns)]
        ).loc[table.index]
    before = fit_folds(tables, clips, folds, Fuser(name))
    after = fit_folds(shuffled, garbled, folds, Fuser(name))
    assert before[0].describe() == after[0].describe()
    # The test would notice: the other folds did fit on these actors.
    same = before[1].describe() == after[1].describe()
    assert same == (not methods.load(name).FITTED)
    # Labels alone garbled: the fold's own predictions are the same to the last bit.
    one, two = (nested(tables, c, folds, Fuser(name)).loc[test] for c in (clips, garbled))
    pd.testing.assert_frame_equal(one, two)


def test_a_fuser_that_memorises_gains_nothing(case):
    clips, tables = case
    fused = nested(tables, clips, cases.folds_of(clips), Memorising())
    np.testing.assert_allclose(fused, 1 / 3)
    # It would gain everything if it were allowed to see the test clips.
    cheat = Memorising().fit(tables, clips["emotion"])(tables)
    assert score(cheat, clips["emotion"])["war"] == 1


def test_noise_is_not_learnt(case):
    """Labels drawn anew: no fusion may seem to know them on actors it was not fitted on."""
    clips, tables = case
    rng = np.random.default_rng(5)
    drawn = clips.assign(
        emotion=pd.Categorical(
            rng.permutation(clips["emotion"].astype(object)), clips["emotion"].cat.categories
        )
    )
    fused = nested(tables, drawn, cases.folds_of(clips), Fuser("stacking", {"l2": 0.1}))
    assert abs(score(fused, drawn["emotion"])["uar"] - 1 / 3) < 0.08


def test_a_class_missing_from_a_folds_fit_part(case):
    clips, tables = case
    folds = cases.folds_of(clips)
    angry = clips.index[clips["emotion"] == "angry"]
    lacking = [(folds[0][0].difference(angry), folds[0][1]), *folds[1:]]
    for name in methods.NAMES:
        check_probabilities(nested(tables, clips, lacking, Fuser(name)), cases.LABELS)


def test_a_modality_missing_from_a_whole_fold(case):
    clips, tables = case
    folds = cases.folds_of(clips)
    part = tables | {"video": tables["video"].drop(folds[0][1])}
    fused = nested(part, clips, folds, Fuser("log_pool"))
    assert fused.notna().all(axis=None)


def test_a_test_clip_of_no_table_is_missing(case):
    clips, tables = case
    part = {name: table.drop("00-000") for name, table in tables.items()}
    fused = nested(part, clips, cases.folds_of(clips), Fuser("mean"))
    assert fused.loc["00-000"].isna().all()
    assert fused.drop("00-000").notna().all(axis=None)


def test_contributions_of_every_fold(case):
    clips, tables = case
    folds = cases.folds_of(clips)
    fitted = fit_folds(tables, clips, folds, Fuser("log_pool"))
    shares = apply_folds([one.contributions for one in fitted], tables, folds)
    assert sorted(shares.index) == sorted(clips.index)


class TestBadFolds:
    def refused(self, case, folds, named="", method="mean"):
        clips, tables = case
        with pytest.raises(TableError) as error:
            fit_folds(tables, clips, folds, Fuser(method))
        assert named in str(error.value)

    def test_none(self, case):
        self.refused(case, [])

    def test_an_actor_on_both_sides(self, case):
        index = case[0].index
        self.refused(case, [(index[:5], index[5:10])], "'x/00'")

    def test_a_clip_on_both_sides(self, case):
        clip = case[0].index[:1]
        self.refused(case, [(clip, clip)], "'x/00'")

    def test_a_clip_tested_twice(self, case):
        folds = cases.folds_of(case[0])
        self.refused(case, [folds[0], folds[0]], repr(folds[0][1][0]))

    def test_a_clip_that_is_not_in_the_clips_table(self, case):
        fit, test = cases.folds_of(case[0])[0]
        self.refused(case, [(fit, [*test, "new"])], "'new'")

    def test_nothing_to_fit_on(self, case):
        self.refused(case, [([], case[0].index)], method="log_pool")
