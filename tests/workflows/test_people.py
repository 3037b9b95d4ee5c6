"""Films with several faces: who speaks, and what a prediction says of each."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.audio import articulation
from multimodal_ser.compute.cache import Cache
from multimodal_ser.video.extract import FrameParams
from multimodal_ser.video.features import blendshapes
from multimodal_ser.video.model import VideoModel
from multimodal_ser.video.tracks import Tracks
from multimodal_ser.workflows import inference, people, speaking
from multimodal_ser.workflows.models import Model

RATE = 16000


def syllable(seconds):
    """A buzz that comes and goes."""
    times = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 140 * n * times) / n for n in range(1, 20))
    return 0.1 * np.clip(np.sin(2 * np.pi * times / seconds), 0, None) * buzz


def moved(person, opening, step_s=1 / 15, x=0.0):
    """A track whose jaw opens as given, a value every ``step_s``."""
    shapes = np.zeros((len(opening), 52), np.float32)
    shapes[:, blendshapes.frame_names().index("jawOpen")] = opening
    box = np.tile(np.float32([x, 0, 50, 50, 0.9]), (len(opening), 1))
    times = np.arange(len(opening)) * step_s
    return Tracks(times, np.full(len(opening), person, np.int32), box, shapes)


def both(*parts):
    every = Tracks(*(np.concatenate(values) for values in zip(*parts, strict=True)))
    order = np.argsort(every.time_s, kind="stable")
    return Tracks(*(values[order] for values in every))


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A sound, how a mouth opens that says it, how one that does not, and the length in seconds."""
    path = tmp_path_factory.mktemp("talk") / "voice.wav"
    rng = np.random.default_rng(0)
    # Syllables of no regular length: those of one would fit those of any other.
    sound = np.concatenate([syllable(one) for one in rng.uniform(0.15, 0.5, 12)])
    soundfile.write(path, sound, RATE)
    jaw = articulation.expected(sound, RATE)[:, 1]
    times = np.arange(0, len(sound) / RATE, 1 / 15)
    opening = np.interp(times, np.arange(len(jaw)) / articulation.RATE_HZ, jaw)
    opening = 0.3 + 0.1 * (opening - opening.mean()) / opening.std()
    return path, opening, rng.permutation(opening), len(sound) / RATE


@pytest.mark.parametrize("who", [0, 1])
def test_the_face_that_moves_with_the_voice_speaks(talk, who):
    path, own, other, end_s = talk
    tracks = both(moved(who, own), moved(1 - who, other, x=200.0))
    found = speaking.who_speaks(path, tracks, [(0.0, end_s)])[0]
    assert found.person == who and found.scores[who] > 0.9 > found.scores[1 - who]


def test_a_voice_of_nobody_names_nobody(talk):
    path, own, other, end_s = talk
    late = both(moved(0, np.roll(own, 15)), moved(1, other))
    assert speaking.who_speaks(path, late, [(0.0, end_s)])[0].person is None
    still = both(moved(0, np.full_like(own, 0.3)), moved(1, np.full_like(own, 0.1)))
    assert speaking.who_speaks(path, still, [(0.0, end_s)])[0].person is None


def test_a_face_that_is_hardly_there_has_no_score(talk):
    path, own, _, end_s = talk
    found = speaking.who_speaks(path, both(moved(0, own), moved(1, own[:10])), [(0.0, end_s)])[0]
    assert set(found.scores) == {0}


def test_a_score_does_not_know_which_is_which():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 120, 2))
    assert speaking.score(one, other) == pytest.approx(speaking.score(other, one))
    assert speaking.score(5 * one + 3, one) == pytest.approx(1.0)


def test_persons_take_the_place_of_who_was_followed():
    units = pd.Index(["a", "b"], name="clip")
    two = pd.DataFrame([[0.9, 0.1], [0.4, 0.6]], units, ["sad", "happy"])
    persons = people.together({0: two, 1: 1 - two})
    speaker = pd.Series(pd.array([1, None], "Int64"), units)
    crowd = people.Crowd(
        {"fused": two, "audio": two, "shares": two},
        persons,
        pd.Series(1.0, persons.index),
        pd.DataFrame(),
        speaker,
        pd.Series(["2 faces, person 1 speaks", "2 faces, which ..."], units),
    )
    every = pd.Index(["a", "b", "c"], name="clip")
    half = pd.DataFrame(0.5, every, two.columns)
    tables = {name: half.copy() for name in ("audio", "video", "fused", "shares")}
    tables["notes"] = pd.Series(["2 faces, the largest was followed", "x", "y"], every)
    people.put(crowd, tables)
    assert tables["video"].isna().all(axis=1).tolist() == [True, True, False]
    assert tables["fused"].loc["b", "happy"] == 0.6 and tables["fused"].loc["c", "happy"] == 0.5
    assert tables["notes"].tolist() == ["2 faces, person 1 speaks", "x; 2 faces, which ...", "y"]
    clips = pd.DataFrame({"audio": "a.wav", "video": "a.mp4"}, every)
    rows = inference.prediction_table(tables, clips)
    whose = rows.groupby(["clip", "modality"])["person"].agg(list)
    assert whose["a", "video"] == [0, 1] and whose["a", "fused"] == [1]
    assert whose["b", "fused"] == [pd.NA] and whose["c", "video"] == [pd.NA]
    pd.testing.assert_frame_equal(people.each(persons, units)[1], 1 - two)


@pytest.fixture(scope="module")
def films(shared_data, tmp_path_factory):
    """Two real films side by side, with the sound of the left, and of the right."""
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "pipelines"))
    import _films
    from speaking_faces import Film

    paths = sorted((shared_data / "ravdess/video/Actor_05").glob("01-*.mp4"))[:2]
    left, right = (Film.read(path, 240) for path in paths)
    size = min(len(left.images), len(right.images))
    images = np.concatenate([left.images[:size], right.images[:size]], axis=2)
    folder = tmp_path_factory.mktemp("films")
    return [
        _films.write(folder / f"{name}.mp4", images, one.sound, RATE)
        for name, one in (("left", left), ("right", right))
    ]


def test_a_fused_row_joins_the_voice_with_the_face_that_speaks(films):
    work = {"cache": Cache(None), "workers": 1}
    for who, path in enumerate(films):
        table, failed = inference.predict(path, **work)
        assert failed.empty
        assert table[table["modality"] == "video"]["person"].tolist() == [0, 1]
        fused = table[table["modality"] == "fused"].iloc[0]
        assert fused["person"] == who and fused["note"] == f"2 faces, person {who} speaks"
        cut, _ = inference.predict(path, segments="window=2.5,hop=2.5", **work)
        parts = cut[cut["segment"].notna() & (cut["modality"] == "fused")]
        assert parts["person"].dropna().tolist() == [who] * parts["person"].notna().sum()
        assert cut[cut["segment"].isna() & (cut["modality"] == "video")]["person"].tolist() == [
            0,
            1,
        ]


def test_a_film_of_one_person_is_as_before(shared_data):
    path = next((shared_data / "ravdess/video/Actor_05").glob("01-*.mp4"))
    table, _ = inference.predict(path, cache=Cache(None), workers=1)
    assert "person" not in table and table["modality"].tolist() == ["audio", "video", "fused"]


def test_a_film_that_cannot_be_read_again_stays_as_it_was(tmp_path):
    (tmp_path / "a.mp4").write_text("no film")
    clip = pd.Series({"audio": None, "video": str(tmp_path / "a.mp4")}, name="a")
    units = pd.DataFrame({"start_s": [0.0], "end_s": [1.0]}, pd.Index(["a"], name="clip"))
    learner = VideoModel("fer_cnn", params=FrameParams(size_px=48, crop="face"))
    model = Model({learner.name: learner})
    assert people.read(model, clip, units, {}, {"cache": Cache(None)}) is None
