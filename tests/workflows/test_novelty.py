"""A voice that says how far a clip is from what it has learnt from."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import ModelError
from multimodal_ser.estimators.neighbours import Neighbours
from multimodal_ser.fusion import calibration
from multimodal_ser.fusion.fuser import Fuser
from multimodal_ser.fusion.strangeness import Strangeness
from multimodal_ser.tables import EMOTIONS, Features, make_clips
from multimodal_ser.workflows import novelty as novel
from multimodal_ser.workflows.combining import Combiner
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.inference import prediction_table
from multimodal_ser.workflows.models import Model, load_model

RNG = np.random.default_rng(0)
NAMES = tuple(map(str, range(157)))
FAR = Strangeness((2.0, 0.2), (0.3, 0.2), (0.3, 0.2), 0.0, 1.6)


@pytest.fixture(scope="module")
def model():
    rows = [
        {"clip": f"{a}-{e}-{k}", "actor": f"{a:02}", "dataset": "d", "emotion": e}
        for a in range(8)
        for e in EMOTIONS
        for k in range(3)
    ]
    clips = make_clips(rows)
    values = RNG.normal(size=(len(clips), 157)).astype(np.float32)
    values[:, :8] += 3 * np.eye(8)[clips["emotion"].cat.codes]
    learner = FeatureModel("mfcc_rms", "logistic_regression")
    learner.fit(Features(clips.index, values, NAMES), clips)
    known = Neighbours.fit(values, clips["actor"].to_numpy())
    return Model(
        {learner.name: learner},
        combiner=Combiner({learner.name: "audio"}),
        novelty=novel.Novelty(learner.name, known, FAR),
    )


@pytest.fixture(scope="module")
def inputs():
    values = RNG.normal(size=(2, 157)).astype(np.float32)
    values[:, 0] += 3
    values[1] += 30 * RNG.normal(size=157)
    return {"mfcc_rms": Features(pd.Index(["near", "far"]), values, NAMES)}


def test_a_strange_clip_is_told_and_less_sure_of_the_same_label(model, inputs):
    clips = ["near", "far", "unheard"]
    plain = replace(model, novelty=None).probabilities(clips, inputs)
    said = model.probabilities(clips, inputs)
    assert said["novelty"]["far"] > 1 > said["novelty"]["near"] > 0
    assert np.isnan(said["novelty"]["unheard"]) and said["fused"].loc["unheard"].isna().all()
    assert novel.NOTE in said["notes"]["far"] and novel.NOTE not in said["notes"]["near"]
    assert said["audio"].loc["far"].max() < plain["audio"].loc["far"].max()
    heard = said["audio"].loc[["near", "far"]]
    assert (heard.idxmax(axis=1) == plain["audio"].loc[heard.index].idxmax(axis=1)).all()
    assert "novelty" not in plain


def test_the_score_is_a_column_of_what_was_heard(model, inputs):
    clips = make_clips([{"clip": one, "audio": f"{one}.wav"} for one in ("near", "far")])
    table = prediction_table(model.probabilities(clips.index, inputs), clips)
    far = table.set_index(["clip", "modality"])["novelty"]
    assert far["far", "audio"] == far["far", "fused"] > 1 > far["near", "audio"]


def test_a_saved_model_says_the_same(model, inputs, tmp_path):
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m").probabilities(["near", "far"], inputs)
    said = model.probabilities(["near", "far"], inputs)
    pd.testing.assert_series_equal(again["novelty"], said["novelty"])
    pd.testing.assert_frame_equal(again["audio"], said["audio"], atol=1e-5)
    # Saved again without, nothing is left over.
    replace(model, novelty=None).save(tmp_path / "m")
    assert load_model(tmp_path / "m").novelty is None
    assert not list((tmp_path / "m").rglob(novel.FILE))


@pytest.mark.parametrize(
    "change",
    [
        {"learner": "nobody"},
        {"weights": [0.1]},
        {"weights": [-1.0, 0.1]},
        {"spread": [0.0, 1.0]},
        {"limit": -1.0},
        {"n_values": 3},
        {"more": 1},
    ],
)
def test_a_damaged_description_is_refused(model, tmp_path, change):
    model.save(tmp_path / "m")
    path = tmp_path / "m" / "params.json"
    params = json.loads(path.read_text())
    params["novelty"] |= change
    path.write_text(json.dumps(params))
    with pytest.raises(ModelError):
        load_model(tmp_path / "m")


def test_a_lost_file_is_refused(model, tmp_path):
    model.save(tmp_path / "m")
    next((tmp_path / "m").rglob(novel.FILE)).unlink()
    with pytest.raises(ModelError):
        load_model(tmp_path / "m")


def test_a_model_read_from_exports_alone_is_saved_again(model, inputs, tmp_path):
    model.save(tmp_path / "m", original=False)
    first = load_model(tmp_path / "m")
    first.save(tmp_path / "again", original=False)
    said = load_model(tmp_path / "again").probabilities(["near"], inputs)["audio"]
    pd.testing.assert_frame_equal(said, first.probabilities(["near"], inputs)["audio"])


def test_a_strange_voice_has_less_weight_beside_a_face():
    """Its softened answer counts as one term of the pool, the face as before."""
    rng = np.random.default_rng(1)
    clips = pd.Index(["a", "b"], name="clip")
    said = {
        name: pd.DataFrame(rng.dirichlet(np.ones(8), 2), clips, list(EMOTIONS))
        for name in ("one", "two", "face")
    }
    weights = np.array([0.4, 0.3, 0.9])
    sets = {("one", "two"): weights[:2], ("face",): weights[2:], tuple(said): weights}
    fitted = {names: {"weights": own} for names, own in sets.items()}
    fuser = Fuser("log_pool", labels=EMOTIONS, modalities=tuple(said), fitted=fitted)
    combiner = Combiner({"one": "audio", "two": "audio", "face": "video"}, fuser)
    found = combiner(said, clips, lambda table: calibration.soften(table, np.array([1.0, 3.0])))
    voice = 0.4 * np.log(said["one"]) + 0.3 * np.log(said["two"])
    both = voice.div([1.0, 3.0], axis=0) + 0.9 * np.log(said["face"])
    for name, scores in (("audio", voice.div([1.0, 3.0], axis=0)), ("fused", both)):
        expected = np.exp(scores).div(np.exp(scores).sum(axis=1), axis=0)
        pd.testing.assert_frame_equal(found[name], expected, check_names=False)
    assert found["shares"].loc["b", "audio"] < combiner(said, clips)["shares"].loc["b", "audio"]
