import numpy as np
import pandas as pd
import pytest

from multimodal_ser.audio.sex_first import SexFirst
from multimodal_ser.errors import SerError
from multimodal_ser.tables import Features, make_clips
from multimodal_ser.tables.labels import labels_of, relabel


@pytest.fixture(scope="module")
def crossed():
    """What sounds like joy in a woman sounds like grief in a man."""
    rng = np.random.default_rng(0)
    rows, values = [], []
    for actor in range(8):
        sex = "male" if actor % 2 else "female"
        for take in range(12):
            emotion = ("happy", "sad")[take % 2]
            sign = 1 if (emotion == "happy") == (sex == "female") else -1
            rows.append({"clip": f"{actor}-{take:02d}", "actor": str(actor), "sex": sex})
            rows[-1] |= {"emotion": emotion, "dataset": "x"}
            values.append([sign * 2, 3 if sex == "male" else -3] + 0.5 * rng.standard_normal(2))
    clips = make_clips(rows)
    return clips, Features(clips.index, np.float32(values), ("pitch", "size"))


def halves(clips):
    test = clips["actor"].isin(["6", "7"])
    return clips[~test], clips[test]


PARAMS = {"classifier": "logistic_regression", "params": {"c": 1.0}}


def test_a_model_a_sex_knows_what_one_line_for_both_cannot(crossed):
    from multimodal_ser.audio.model import AudioModel

    clips, features = crossed
    train, test = halves(clips)
    truth = test["emotion"].astype(str)
    one = AudioModel(**PARAMS).fit(features, train).predict(features, test.index)
    two = SexFirst(**PARAMS).fit(features, train).predict(features, test.index)
    assert (one.idxmax(axis=1) == truth).mean() < 0.7
    assert (two.idxmax(axis=1) == truth).mean() > 0.95
    np.testing.assert_allclose(two.sum(axis=1), 1, atol=1e-6)


def test_a_given_sex_takes_that_sexs_model_and_no_other(crossed):
    clips, features = crossed
    train, test = halves(clips)
    model = SexFirst(**PARAMS).fit(features, train)
    told = model.predict(features, test.index, pd.Series("male", test.index))
    pd.testing.assert_frame_equal(told, model.models["male"].predict(features, test.index))
    nothing = pd.Series(dtype=object)
    pd.testing.assert_frame_equal(
        model.predict(features, test.index, nothing), model.predict(features, test.index)
    )


def test_with_sixteen_labels_the_sex_is_part_of_the_answer(crossed):
    clips, features = crossed
    clips = relabel(clips, "sex_emotion16")
    train, test = halves(clips)
    labels = labels_of("sex_emotion16")
    model = SexFirst(**PARAMS, labels=labels).fit(features, train)
    table = model.predict(features, [*test.index, "no such clip"])
    assert (table.loc[test.index].idxmax(axis=1) == test["emotion"].astype(str)).mean() > 0.95
    men = [label for label in labels if label.startswith("male")]
    sex = model.sex.predict(features, test.index)["male"]
    np.testing.assert_allclose(table.loc[test.index, men].sum(axis=1), sex, atol=1e-6)
    assert table.loc["no such clip"].isna().all()


def test_clips_of_one_sex_are_not_enough(crossed):
    clips, features = crossed
    with pytest.raises(SerError):
        SexFirst(**PARAMS).fit(features, clips[clips["sex"] == "male"])
