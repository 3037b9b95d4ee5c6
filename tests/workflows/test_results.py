"""What results, models and recipes show of themselves, printed and in a notebook."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import multimodal_ser as mser
from multimodal_ser.evaluation.runs import Run, RunModel
from multimodal_ser.tables import failure_table, make_clips
from multimodal_ser.workflows.results import Result

LABELS = ["sad", "happy"]
NASTY = '<script>alert("x")</script>'


def rows(clip: str, n_segments: int = 0, n_frames: int = 0) -> list[dict]:
    found = [{"clip": clip, "modality": name} for name in ("audio", "fused")]
    found += [
        {"clip": clip, "modality": "fused", "segment": at, "start_s": at * 1.0, "end_s": at + 3.0}
        for at in range(n_segments)
    ]
    found += [
        {"clip": clip, "modality": "video", "frame": at, "time_s": at / 2} for at in range(n_frames)
    ]
    return found


def predicted(given: list[dict], failures=()) -> Result:
    table = pd.DataFrame(given)
    sad = np.random.default_rng(0).uniform(size=len(table))
    table["path"], table["note"] = "/somewhere/" + table["clip"], ""
    table["emotion"] = np.where(sad > 0.5, *LABELS)
    table["confidence"] = np.maximum(sad, 1 - sad)
    table[LABELS] = np.stack([sad, 1 - sad], axis=1)
    for name in ("segment", "frame", "person"):
        if name in table:
            table[name] = table[name].astype("Int64")
    return Result(table, failure_table(failures))


def drawn(html: str) -> ElementTree.Element:
    """The output, which has to be well-formed and to need nothing from elsewhere."""
    root = ElementTree.fromstring(html)
    for element in root.iter():
        assert element.tag in {"div", "b", "table", "tr", "th", "td", "span"} | {
            *("svg", "rect", "text", "code")
        }
        assert not {"src", "href", "onclick", "onload"} & set(element.attrib)
        assert "url(" not in element.get("style", "")
    return root


def test_a_result_is_two_tables():
    result = predicted(rows("a"))
    predictions, failures = result
    assert predictions is result.predictions and failures is result.failures


def test_what_is_printed_begins_with_what_matters():
    said = repr(predicted(rows("a") + rows("b", n_segments=20), [("c", "c.wav", "audio", "x")]))
    assert len(said.splitlines()) < 20 and max(map(len, said.splitlines())) < 100
    assert "/somewhere" not in said
    assert said.splitlines()[1].split()[:4] == ["clip", "segment", "start_s", "end_s"]


@pytest.mark.parametrize("shape", [{"n_segments": 5}, {"n_frames": 5}, {"n_frames": 5000}])
def test_the_course_over_time_is_drawn_to_scale(shape):
    result = predicted(rows("a", **shape))
    bars = list(drawn(result._repr_html_()).iter("rect"))
    assert 5 <= len(bars) <= 2 * 240
    ends = [float(bar.get("x")) + float(bar.get("width")) for bar in bars]
    assert max(ends) == pytest.approx(640, abs=0.2)
    # Stacked to 100 %, every moment is filled once.
    area = sum(float(bar.get("width")) * float(bar.get("height")) for bar in bars)
    assert area == pytest.approx(640 * 100, rel=0.02)


def test_windows_that_overlap_and_gaps_between_utterances():
    table = predicted(rows("a", n_segments=3)).predictions
    table.loc[table["segment"] == 2, ["start_s", "end_s"]] = (6.0, 8.0)
    bars = list(drawn(Result(table, failure_table([]))._repr_html_()).iter("rect"))
    spans = sorted({(float(b.get("x")) / 80, float(b.get("width")) / 80) for b in bars})
    np.testing.assert_allclose(spans, [(0, 1), (1, 3), (6, 2)], atol=0.01)


def test_several_people_each_have_a_column():
    given = rows("a")[:1]
    given += [{"clip": "a", "modality": "video", "person": at} for at in (0, 1)]
    given += [{"clip": "a", "modality": "fused", "person": 1}]
    given += [
        {"clip": "a", "modality": "video", "person": at % 3 // 2, "frame": at, "time_s": at / 9}
        for at in range(9)
    ]
    result = predicted(given)
    root = drawn(result._repr_html_())
    heads = [cell.text for cell in root.iter("th") if cell.text]
    assert heads == ["audio", "video of 0", "video of 1", "fused of 1"]
    assert len({bar.get("x") for bar in root.iter("rect")}) == 6  # the frames of person 0
    assert "<NA>" not in repr(result)


def test_without_segments_there_is_no_course():
    assert not list(drawn(predicted(rows("a"))._repr_html_()).iter("svg"))


def test_many_recordings_are_counted_and_names_are_escaped():
    given = [row for at in range(20) for row in rows(f"{NASTY}{at}", n_segments=2)]
    failures = [(NASTY, NASTY, "audio", f"{NASTY}: it is empty")] * 30
    html = predicted(given, failures)._repr_html_()
    assert "<script" not in html and len(html) < 60_000
    assert "12 more" in "".join(drawn(html).itertext())


def test_nothing_predicted_is_shown_too():
    empty = predicted(rows("a")).predictions.iloc[:0]
    result = Result(empty, failure_table([("a", "a.wav", "audio", "a.wav: it is empty")]))
    assert "0 recordings" in repr(result) and "could not be used" in repr(result)
    assert "a.wav: it is empty" in "".join(drawn(result._repr_html_()).itertext())


def test_a_real_result_is_drawn(corpus, stand_in):
    film = sorted(corpus.rglob("*.mp4"))[0]
    how = {"workers": 1, "timeline": True}
    result = mser.predict([film], stand_in / "ravdess", segments="window=1,hop=1", **how)
    text = "".join(drawn(result._repr_html_()).itertext())
    assert all(label in text for label in mser.EMOTIONS)
    assert len(repr(result)) < 3000


@pytest.mark.parametrize(
    "recipe",
    [
        mser.Recipe(),
        mser.Recipe(audio="functionals:vote+mfcc_rms:knn", video=None, labels="four", seed=3),
        mser.Recipe(audio=None, video="fer_cnn+action_units", sampling="seconds=0.5"),
        mser.Recipe(audio=(mser.Learner("audio", "mfcc_rms", "knn", {"n_neighbors": 3}),)),
    ],
)
def test_a_recipe_says_itself_and_can_be_read_again(recipe):
    names = {"Recipe": mser.Recipe, "Learner": mser.Learner}
    assert eval(repr(recipe), names) == recipe
    assert drawn(recipe._repr_html_()) is not None


def test_recipes_that_differ_are_told_apart_whatever_they_print():
    """A training resumes by what identifies its recipe."""
    one = mser.Recipe(audio="svc", video=None)
    other = replace(one, audio=(replace(one.heard[0], candidates=({"c": 9.0},)),))
    assert repr(one) != repr(other) and vars(one) != vars(other)


def test_a_model_shows_its_learners_and_labels(stand_in):
    model = mser.load_model(stand_in / "ravdess")
    assert "mfcc_rms:ensemble" in repr(model) and len(repr(model)) < 100
    text = " ".join(drawn(model._repr_html_()).itertext())
    assert {*model.labels, *model.learners} <= set(text.replace(",", " ").split())


def test_a_run_shows_its_scores():
    clips = make_clips([{"clip": c, "emotion": e} for c, e in (("a", "sad"), ("b", "happy"))])
    table = pd.DataFrame([[0.9, 0.1], [0.8, 0.2]], clips.index, LABELS)
    folds = pd.Series("all", clips.index)
    run = Run(NASTY, "actors", clips, (RunModel("svc", "audio", table, folds),))
    html = run._repr_html_()
    assert "<script" not in html and "50.0 %" in html
    assert "2 clips" in repr(run) and len(repr(run)) < 200
