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


#: Those for one data set.
SINGLE = [name for name in folds.NAMES if name != folds.CORPORA]
HONEST = [name for name in SINGLE if name not in folds.LEAKY]


@pytest.mark.parametrize("scheme", HONEST)
def test_no_actor_is_on_both_sides(scheme):
    clips = corpus()
    for fold in folds.make_folds(clips, scheme):
        train, test = (set(actor_groups(clips.loc[part])) for part in (fold.train, fold.test))
        assert train and test and not train & test
        assert len(fold.train) + len(fold.test) == len(clips)


@pytest.mark.parametrize("scheme", [name for name in SINGLE if name != "aei"])
def test_every_clip_is_tested_once(scheme):
    clips = corpus()
    tested = [clip for fold in folds.make_folds(clips, scheme) for clip in fold.test]
    assert sorted(tested) == sorted(clips.index)


@pytest.mark.parametrize("scheme", SINGLE)
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
    assert set(folds.TEST_ACTORS) == {"aei", "luna5", "hicmae6", "emobox6"}
    assert folds.TEST_ACTORS["hicmae6"][5] == (21, 22, 23, 24)
    assert folds.TEST_ACTORS["emobox6"][0] == (1, 11, 20, 21)
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
    for lacking, there in ((others, "tess"), (nobody, "ravdess")):
        with pytest.raises(SerError) as error:
            folds.make_folds(lacking, scheme)
        assert all(name in str(error.value) for name in (*folds.GENERAL, there))


def test_general_folds_hold_both_sexes_in_proportion():
    clips = corpus()
    for fold in folds.make_folds(clips, "actors", seed=1, n_folds=4):
        sexes = clips.loc[fold.test].drop_duplicates("actor")["sex"].value_counts()
        assert sexes["male"] == sexes["female"] == 3


def test_general_folds_by_default_are_five_of_seed_0():
    for scheme in ("actors", "random_leaky"):
        made = folds.make_folds(corpus(), scheme)
        assert [fold.name for fold in made] == [f"{scheme}-{number}" for number in range(5)]
        asked = folds.make_folds(corpus(), scheme, seed=0, n_folds=5)
        assert all(one.test.equals(two.test) for one, two in zip(made, asked, strict=True))
    sizes = [len(fold.test) for fold in folds.make_folds(corpus(), "random_leaky")]
    assert max(sizes) - min(sizes) <= 1


def test_leaving_one_actor_out_tests_each_by_itself():
    made = folds.make_folds(corpus(actors=range(30, 37)), "leave_one_actor_out")
    tested = [set(corpus(actors=range(30, 37)).loc[fold.test, "actor"]) for fold in made]
    assert tested == [{str(actor)} for actor in range(30, 37)]
    assert made[3].name == "leave_one_actor_out-3"


def test_extra_clips_join_where_their_speaker_is_not_held_out():
    clips = corpus(actors=[1, 2, 3], takes=1)
    sung = clips.rename(index=lambda clip: f"{clip} sung")
    bare = sung.rename(index=lambda clip: f"{clip} bare").assign(emotion="none of the labels")
    train, held = clips[clips["actor"] == "01"], clips[clips["actor"] == "02"]
    joined = folds.with_extra(train, pd.concat([sung, bare, clips]), held)
    third = clips.index[clips["actor"] == "03"]
    expected = [*train.index, *sung.index[sung["actor"] != "02"], *third]
    assert list(joined.index[: len(train)]) == list(train.index)
    assert sorted(joined.index) == sorted(expected)
    assert joined["emotion"].dtype == train["emotion"].dtype
    assert folds.with_extra(train, bare, held) is train
    with pytest.raises(TableError) as error:
        folds.with_extra(train, sung.assign(actor=None), held)
    assert repr(sung.index[0]) in str(error.value)


@pytest.mark.parametrize(
    ("n_actors", "share", "n_held"),
    [(24, 0, 0), (24, 0.25, 6), (3, 0.01, 1), (2, 0.9, 1), (1, 0.5, 0)],
)
def test_a_share_of_the_actors_is_held_out_and_some_are_left(n_actors, share, n_held):
    clips = corpus(actors=range(1, n_actors + 1), takes=1)
    learn, held = folds.split_validation(clips, share)
    assert held["actor"].nunique() == n_held
    assert sorted([*learn.index, *held.index]) == sorted(clips.index)
    again = folds.split_validation(clips, share, 0)[1]
    assert held.index.equals(again.index)


def test_validation_actors_are_another_draw_with_another_seed():
    held = {tuple(folds.split_validation(corpus(), 0.2, seed)[1].index) for seed in range(4)}
    assert len(held) > 1


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


def test_corpora_are_left_out_one_by_one_though_their_actors_have_the_same_numbers():
    parts = [corpus(actors=range(1, 4)).assign(dataset=name) for name in ("c", "a", "b")]
    for part in parts:
        part.index = part["dataset"].iloc[0] + part.index
    clips = pd.concat(parts).sample(frac=1, random_state=0)
    made = folds.make_folds(clips, "corpora")
    assert [fold.name for fold in made] == ["a", "b", "c"]
    for fold in made:
        assert set(clips.loc[fold.test, "dataset"]) == {fold.name}
        assert set(clips.loc[fold.train, "dataset"]) == {"a", "b", "c"} - {fold.name}
        assert len(fold.test) + len(fold.train) == len(clips)


def test_one_corpus_cannot_be_left_out():
    with pytest.raises(SerError) as error:
        folds.make_folds(corpus(), "corpora")
    assert "ravdess" in str(error.value)
