"""Choosing clips: by channel, sex and labels, and extra ones that are surely others' or known."""

import pandas as pd
import pytest

from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables import EMOTIONS, labels, make_clips, selection

SAID = {"clip": "said", "dataset": "ravdess", "actor": "05", "channel": "speech"}
SUNG = SAID | {"clip": "sung", "channel": "song"}


def table(*rows):
    return make_clips(rows)


def test_only_leaves_out_what_is_not_known():
    clips = table(SAID, SUNG, {"clip": "unknown"})
    assert selection.only(clips, "channel", "song").index.tolist() == ["sung"]


@pytest.mark.parametrize(("rows", "named"), [([{"clip": "a"}], "channel"), ([SAID], "speech")])
def test_only_says_what_there_is_where_nothing_is_left(rows, named):
    with pytest.raises(SerError) as error:
        selection.only(table(*rows), "channel", "song")
    assert named in str(error.value)


@pytest.mark.parametrize("scheme", labels.NAMES)
def test_a_scheme_needs_the_sex_where_it_drops_all_without(scheme):
    clips = table(*({"clip": emotion, "emotion": emotion} for emotion in EMOTIONS))
    assert selection.needs_sex(scheme) == labels.relabel(clips, scheme).empty


@pytest.mark.parametrize(
    ("row", "scheme", "named"),
    [
        ({}, "emotions8", "RAVDESS"),
        ({"emotion": "sad"}, "sex_emotion16", "female, male"),
        ({}, "sex", "female, male"),
        ({"emotion": "sad"}, "valence2", "negative, positive"),
    ],
)
def test_labelled_says_what_is_missing(row, scheme, named):
    with pytest.raises(SerError) as error:
        selection.labelled(table({"clip": "a"} | row), scheme)
    assert named in str(error.value)


@pytest.mark.parametrize(
    ("extra", "clip"),
    [
        (SUNG, SAID),  # the same actor, written alike: the folds know
        (SUNG | {"dataset": "cremad"}, SAID),
        (SUNG | {"actor": "15"}, SAID),
        (SUNG, {"clip": "mine", "dataset": "folder"}),
        (SUNG | {"dataset": None, "actor": "anna"}, SAID),
    ],
)
def test_extra_clips_of_people_who_can_be_told_apart_are_taken(extra, clip):
    assert selection.apart(table(extra), table(clip)).index.tolist() == ["sung"]


@pytest.mark.parametrize(
    ("extra", "clip"),
    [
        (SUNG | {"actor": None}, SAID),
        (SUNG | {"actor": "5"}, SAID),
        (SUNG | {"dataset": "RAVDESS"}, SAID),
        (SUNG | {"dataset": None}, SAID),
        (SUNG, SAID | {"dataset": None}),
        (SUNG, SAID | {"actor": None}),
        (SUNG, SAID | {"actor": None, "dataset": None}),
        (SUNG | {"dataset": None}, {"clip": "mine", "dataset": "folder"}),
    ],
)
def test_extra_clips_that_could_be_of_a_tested_person_are_refused(extra, clip):
    with pytest.raises(TableError):
        selection.apart(table(extra), table(clip))


def test_extra_clips_that_are_among_the_clips_are_left_out():
    clips, both = table(SAID), table(SAID, SUNG)
    assert selection.apart(both, clips).index.tolist() == ["sung"]
    with pytest.raises(SerError):
        selection.apart(clips, both)
    pd.testing.assert_frame_equal(selection.apart(both, clips), both.loc[["sung"]])
