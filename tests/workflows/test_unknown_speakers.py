"""Clips of unknown speakers, held out with those that sound alike."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.evaluation import metrics
from multimodal_ser.tables import Features, make_clips
from multimodal_ser.workflows import training, unknown_speakers
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.recipes import Recipe
from multimodal_ser.workflows.unknown_speakers import clusters, grouped

LABELS = ("bored", "excited")
PEOPLE, EACH = 12, 12


def corpus(seed=0, people=PEOPLE, known=True):
    """Voices far apart, whose own way to sound bored is not that of others, but for a little."""
    rng = np.random.default_rng(seed)
    rows, values = [], []
    for person in range(people):
        voice, own = rng.normal(0, 3, 40), rng.normal(0, 1, 40)
        shared = np.zeros(40)
        shared[:4] = 0.35
        for at in range(EACH):
            sign = 1 if at % 2 else -1
            values.append(voice + sign * (own + shared) + rng.normal(0, 0.6, 40))
            row = {"clip": f"{seed}-{person:02}-{at:02}", "audio": "a.wav"}
            row |= {"emotion": LABELS[at % 2], "dataset": "folder"}
            rows.append(row | ({"actor": str(person)} if known else {}))
    clips = make_clips(rows, None)
    ids = pd.Index([row["clip"] for row in rows], name="clip", dtype=object)
    return clips, Features(ids, np.array(values, np.float32), tuple(map(str, range(40))))


def nameless(clips):
    return clips.assign(actor=pd.array([pd.NA] * len(clips), "string"))


def partition(clips):
    return {frozenset(part.index) for _, part in clips.groupby("actor")}


def test_clips_of_one_voice_are_in_one_group():
    clips, found = corpus()
    groups = grouped(nameless(clips), {"x": found})["actor"]
    assert groups.notna().all() and groups.nunique() == unknown_speakers.FEWEST_GROUPS
    # Fewer groups than voices: some share one, but no voice is in two.
    assert (groups.groupby(clips["actor"]).nunique() == 1).all()


def test_groups_do_not_depend_on_the_order_of_clips():
    clips, found = corpus()
    shuffled = clips.sample(frac=1, random_state=0)
    one, other = (grouped(nameless(table), {"x": found}) for table in (clips, shuffled))
    assert partition(one) == partition(other) and list(other.index) == list(shuffled.index)


def test_speakers_who_are_known_stay():
    clips, found = corpus()
    assert grouped(clips, {"x": found}).equals(clips)
    half = clips.copy()
    half.loc[half.index[72:], "actor"] = pd.NA
    groups = grouped(half, {"x": found})["actor"]
    assert groups[:72].equals(clips["actor"][:72])
    assert groups[72:].str.startswith(unknown_speakers.MARK).all()


def test_parts_of_one_recording_stay_together():
    clips, found = corpus()
    path = [f"{at // 2}.wav" for at in range(len(clips))]
    parts = nameless(clips).assign(audio=path, start_s=0.0, end_s=1.0)
    groups = grouped(parts, {"x": found})["actor"]
    assert (groups.groupby(path).nunique() == 1).all()


@pytest.mark.parametrize("case", ["few", "images", "nothing"])
def test_where_there_is_nothing_to_group_by_clips_stay(case):
    clips, found = corpus()
    clips = nameless(clips)
    if case == "few":
        clips = clips.iloc[:10]
    images = Features(found.clips, np.zeros((len(found.clips), 3, 4), np.float32), ("a", "b"))
    inputs = {"few": {"x": found}, "images": {"x": images}, "nothing": {}}[case]
    assert grouped(clips, inputs).equals(clips)


@pytest.mark.parametrize("count", [16, 100, 400])
def test_there_is_a_group_per_twenty_clips(count):
    found = clusters(np.random.default_rng(0).normal(size=(count, 5)))
    assert len(set(found)) == max(8, count // 20) and set(found) == set(range(len(set(found))))


def test_a_model_of_unknown_speakers_says_less_of_itself_and_is_nearer_the_truth(monkeypatch):
    clips, found = corpus()
    others, of_others = corpus(seed=1)
    both = Features(
        found.clips.append(of_others.clips),
        np.vstack([found.values, of_others.values]),
        found.names,
    )
    data = Data(clips, {"functionals": both}, pd.DataFrame())
    recipe = Recipe(audio="functionals:logistic_regression", video=None, labels="own")

    def measured():
        model, told = training.fit(data, nameless(clips), recipe, progress=False)
        tables = model.learner_tables(others.index, data.inputs)
        said = model.combiner(tables, others.index)["audio"]
        (row,) = told["held_out"]
        assert row["by_actor"] == {}
        return row["uar"], metrics.score(said, others["emotion"])

    careful, score = measured()
    monkeypatch.setattr(training, "grouped", lambda clips, _inputs: clips)
    careless, former = measured()
    assert careless > careful + 0.1
    assert abs(careful - score["uar"]) < abs(careless - former["uar"])
    assert score["ece"] < former["ece"] and score["nll"] < former["nll"]
