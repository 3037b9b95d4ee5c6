"""Models that were saved earlier, one learner per modality, predict what they did."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.audio import features as feature_sets
from multimodal_ser.errors import ModelError
from multimodal_ser.fusion import methods
from multimodal_ser.tables import EMOTIONS, Features, make_clips
from multimodal_ser.video.extract import ClipFrames, FrameStore
from multimodal_ser.video.model import VideoModel
from multimodal_ser.workflows import combining, inference
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Learner

#: Today's names -> those of the models that were saved earlier.
FORMER = {
    ("mfcc_rms", "logistic_regression"): ("aei157", "logistic_regression"),
    ("functionals_and_convolutions", "vote_per_feature_set"): ("voice", "block_vote"),
}
PARAMS = {"vote_per_feature_set": {"members": ["logistic_regression"]}}
N_CLIPS = 24


def made(name: str, classifier: str, fusion: str):
    """A model of chance, and the inputs of some clips: one without sound, one without a face."""
    rng = np.random.default_rng(0)
    names = feature_sets.load(name).names()
    ids = pd.Index([f"c{at:02d}" for at in range(N_CLIPS)], name="clip")
    rows = [{"clip": c, "emotion": EMOTIONS[i % 8], "actor": c[1:]} for i, c in enumerate(ids)]
    clips = make_clips(rows)
    values = rng.standard_normal((N_CLIPS, len(names))).astype(np.float32)
    heard = FeatureModel(name, classifier, params=PARAMS.get(classifier))
    heard.fit(Features(ids, values, names), clips)
    seen = VideoModel("fer_cnn")
    grey = rng.integers(0, 256, (N_CLIPS, 2, 48, 48), np.uint8)
    frames = {c: ClipFrames.of_pictures(g) for c, g in zip(ids[1:], grey[1:], strict=True)}
    store = FrameStore(frames)
    inputs = {name: Features(ids[:-1], values[:-1], names), seen.key: store}
    learners = {heard.name: heard, seen.name: seen}
    said = inference.Model(learners).learner_tables(ids, inputs)
    described = {
        heard.name: Learner("audio", name, classifier),
        seen.name: Learner("video", "frames", "fer_cnn"),
    }
    combiner = combining.fit(said, described, clips, fusion)
    if not methods.load(fusion).FITTED:
        combiner.temperatures.update({heard.name: 1.3, seen.name: 0.8})
    return inference.Model(learners, combiner=combiner), ids, inputs


def as_format_1(folder: Path, former: tuple[str, str]) -> None:
    """Rewrite a model's folder as it was saved before recipes."""
    params = json.loads((folder / "params.json").read_text())
    heard, seen = params.pop("learners")
    for modality, entry in (("audio", heard), ("video", seen)):
        shutil.move(folder / entry.pop("folder"), folder / modality)
        entry.pop("kind")
    shutil.rmtree(folder / "learners")
    del params["adapt"], params["files"]
    text = json.dumps(params).replace(json.dumps(heard.pop("name")), '"audio"')
    params = json.loads(text.replace(json.dumps(seen.pop("name")), '"video"'))
    feature_set, classifier = former
    params |= {
        "format": 1,
        "audio": {
            "feature_set": feature_set,
            "feature_version": heard["input_version"],
            "classifier": classifier,
            **{key: heard[key] for key in ("labels", "seed", "params", "codes")},
        },
        "video": seen | {"pooling": "mean"},
    }
    (folder / "params.json").write_text(json.dumps(params))


@pytest.mark.parametrize("fusion", ["product", "log_pool"])
@pytest.mark.parametrize("names", FORMER)
def test_an_earlier_model_predicts_exactly_the_same(names, fusion, tmp_path):
    model, clips, inputs = made(*names, fusion)
    model.save(tmp_path / "m")
    now = inference.load_model(tmp_path / "m").probabilities(clips, inputs)
    as_format_1(tmp_path / "m", FORMER[names])
    former = inference.load_model(tmp_path / "m")
    assert [(one.input, one.modality) for one in former.learners.values()] == [
        (names[0], "audio"),
        ("frames", "video"),
    ]
    then = former.probabilities(clips, inputs)
    assert set(then) == set(now)
    for name in ("audio", "video", "fused", "shares", "frames"):
        pd.testing.assert_frame_equal(then[name], now[name])
    for name in set(now) & {"face_rates", "notes"}:
        pd.testing.assert_series_equal(then[name], now[name])
    assert now["fused"].notna().all(axis=None) and now["audio"].isna().any(axis=None)
    # Saved again, it is a model of today.
    again = inference.load_model(former.save(tmp_path / "again"))
    pd.testing.assert_frame_equal(again.probabilities(clips, inputs)["fused"], now["fused"])


@pytest.mark.parametrize(
    "change",
    [
        lambda params: params["audio"].update(feature_version=0),
        lambda params: params["audio"].update(feature_set="voices"),
        lambda params: params["audio"].update(folder="../../elsewhere"),
        lambda params: params["video"].update(frames_version=0),
        lambda params: params.pop("video") and params.pop("audio"),
        lambda params: params.pop("temperatures"),
    ],
)
def test_a_damaged_earlier_model_is_refused(change, earlier, tmp_path):
    shutil.copytree(earlier, tmp_path / "m")
    path = tmp_path / "m" / "params.json"
    params = json.loads(path.read_text())
    change(params)
    path.write_text(json.dumps(params))
    with pytest.raises(ModelError):
        inference.load_model(tmp_path / "m")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier") / "m"
    names = ("mfcc_rms", "logistic_regression")
    made(*names, "product")[0].save(folder)
    as_format_1(folder, FORMER[names])
    inference.load_model(folder)
    return folder


def test_the_temperatures_of_an_earlier_model_count(earlier):
    model = inference.load_model(earlier)
    _, clips, inputs = made("mfcc_rms", "logistic_regression", "product")
    cold = replace(model, combiner=replace(model.combiner, temperatures={}))
    one, two = (m.probabilities(clips, inputs)["fused"] for m in (model, cold))
    assert not np.allclose(one, two, atol=1e-4)
