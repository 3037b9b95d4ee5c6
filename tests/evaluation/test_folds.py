import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError, TableError, UnknownName
from multimodal_ser.evaluation import folds
from multimodal_ser.tables import EMOTIONS, actor_groups, make_clips


def corpus(actors=range(1, 25), takes=2, shuffle=None):
    rows = [
        {
            "clip": f"x/{actor:02d}-{emotion}-{take}",
            "dataset": "ravdess",
            "actor": f"{actor:02d}",
            "sex": "male" if actor % 2 else "female",
            "emotion": emotion,
        }
        for actor in actors
        for emotion in EMOTIONS
        for take in range(takes)
    ]
    clips = make_clips(rows)
    return clips if shuffle is None else clips.sample(frac=1, random_state=shuffle)


HONEST = [name for name in folds.NAMES if name not in folds.LEAKY]


@pytest.mark.parametrize("scheme", HONEST)
def test_no_actor_is_on_both_sides(scheme):
    clips = corpus()
    for fold in folds.make_folds(clips, scheme):
        train, test = (set(actor_groups(clips.loc[part])) for part in (fold.train, fold.test))
        assert train and test and not train & test
        assert len(fold.train) + len(fold.test) == len(clips)


@pytest.mark.parametrize("scheme", [name for name in folds.NAMES if name != "aei"])
def test_every_clip_is_tested_once(scheme):
    clips = corpus()
    tested = [clip for fold in folds.make_folds(clips, scheme) for clip in fold.test]
    assert sorted(tested) == sorted(clips.index)


@pytest.mark.parametrize("scheme", folds.NAMES)
def test_nothing_depends_on_the_order_of_rows(scheme):
    one = folds.make_folds(corpus(), scheme, seed=3)
    two = folds.make_folds(corpus(shuffle=1), scheme, seed=3)
    for a, b in zip(one, two, strict=True):
        assert a.name == b.name
        assert sorted(a.train) == sorted(b.train)
        assert sorted(a.test) == sorted(b.test)


def test_published_actors():
    clips = corpus()
    tested = [
        sorted(clips.loc[fold.test, "actor"].astype(int).unique())
        for fold in folds.make_folds(clips, "luna5")
    ]
    assert tested[0] == [2, 5, 14, 15, 16]
    assert tested[4] == [1, 4, 9, 22]
    fold = folds.make_folds(clips, "aei")[0]
    assert set(clips.loc[fold.test, "actor"]) == {"21", "22", "23", "24"}
    for scheme, lists in folds.TEST_ACTORS.items():
        listed = [actor for actors in lists for actor in actors]
        assert len(listed) == len(set(listed)), scheme
        assert scheme == "aei" or sorted(listed) == list(range(1, 25))


@pytest.mark.parametrize("scheme", folds.TEST_ACTORS)
def test_published_folds_are_of_ravdess_alone(scheme):
    """Actor 5 of another data set is somebody else, and an actor 25 is none of the 24."""
    ours = corpus()
    others = corpus().assign(dataset="tess").rename(index=lambda clip: f"tess/{clip}")
    nobody = corpus(actors=[1, 25]).rename(index=lambda clip: f"more/{clip}")
    nobody.loc[nobody["actor"] == "01", "dataset"] = None
    mixed = pd.concat([ours, others, nobody])
    for one, two in zip(
        folds.make_folds(ours, scheme), folds.make_folds(mixed, scheme), strict=True
    ):
        assert one.name == two.name
        assert one.train.equals(two.train) and one.test.equals(two.test)
    for lacking in (others, nobody):
        with pytest.raises(SerError) as error:
            folds.make_folds(lacking, scheme)
        assert all(name in str(error.value) for name in folds.GENERAL)


def test_general_folds_hold_both_sexes_in_proportion():
    clips = corpus()
    for fold in folds.make_folds(clips, "actors", seed=1, n_folds=4):
        sexes = clips.loc[fold.test].drop_duplicates("actor")["sex"].value_counts()
        assert sexes["male"] == sexes["female"] == 3


def test_validation_actors_hold_both_sexes():
    learn, held = folds.split_validation(corpus(), 0.25, seed=5)
    assert set(held["sex"]) == {"male", "female"}
    assert held["actor"].nunique() == 6
    assert not set(held["actor"]) & set(learn["actor"])


def test_seeds_change_general_folds_and_not_published_ones():
    clips = corpus()

    def tested(scheme, seed):
        return [tuple(sorted(f.test)) for f in folds.make_folds(clips, scheme, seed=seed)]

    assert tested("actors", 0) != tested("actors", 1)
    assert tested("luna5", 0) == tested("luna5", 1)


def test_random_leaky_does_put_actors_on_both_sides():
    clips = corpus()
    fold = folds.make_folds(clips, "random_leaky")[0]
    assert set(clips.loc[fold.train, "actor"]) & set(clips.loc[fold.test, "actor"])


def test_twins_stay_together():
    clips = corpus(takes=4)
    for fold in folds.make_folds(clips, "luna5"):
        takes = {clip.rsplit("-", 1)[0] for clip in fold.test}
        assert len(fold.test) == 4 * len(takes)


def test_folds_written_and_read_are_the_same(tmp_path):
    clips = corpus()
    folds_ = folds.make_folds(clips, "luna5")
    folds.write_folds(folds_, tmp_path / "luna.csv")
    again = folds.make_folds(clips, str(tmp_path / "luna.csv"))
    for one, two in zip(folds_, again, strict=True):
        assert (one.name, sorted(one.test)) == (two.name, sorted(two.test))
        assert sorted(one.train) == sorted(two.train)


def test_a_table_of_actors_makes_folds(tmp_path):
    (tmp_path / "own.csv").write_text("actor,fold\n01,a\n02,a\n05,b\n")
    made = folds.make_folds(corpus(), str(tmp_path / "own.csv"))
    assert [fold.name for fold in made] == ["a", "b"]
    assert set(corpus().loc[made[0].test, "actor"]) == {"01", "02"}


@pytest.mark.parametrize(
    "text",
    [
        "speaker,fold\n01,a\n",
        "actor,part\n01,a\n",
        "actor,fold\n01,a\n01,b\n",
        "actor,fold\n77,a\n",
    ],
)
def test_a_bad_table_of_folds_is_refused(tmp_path, text):
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(TableError) as error:
        folds.make_folds(corpus(), str(tmp_path / "own.csv"))
    assert "own.csv" in str(error.value)


@pytest.mark.parametrize("scheme", HONEST)
def test_too_few_actors_is_an_error_that_names_them(scheme):
    with pytest.raises(SerError) as error:
        folds.make_folds(corpus(actors=[5]), scheme)
    assert "05" in str(error.value)


def test_a_wrong_name_lists_the_protocols():
    with pytest.raises(UnknownName) as error:
        folds.make_folds(corpus(), "kfold")
    assert "hicmae6" in str(error.value)


@pytest.mark.parametrize("share", [-0.1, 1.0, np.nan])
def test_a_wrong_share_is_refused(share):
    with pytest.raises(SerError):
        folds.split_validation(corpus(), share)
