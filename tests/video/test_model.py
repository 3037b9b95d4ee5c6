import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import ModelError, SerError, UnknownName
from multimodal_ser.estimators.networks import load_keras, load_network, save_network
from multimodal_ser.tables import FRAME_INDEX, check_probabilities
from multimodal_ser.video.backbones import Training
from multimodal_ser.video.extract import ClipFrames, FrameParams, FrameStore
from multimodal_ser.video.model import VideoModel, regroup

from .conftest import LABELS

QUICK = Training(batch_size=16, epochs=4, learning_rate=2e-3, patience=10)


def small(**changes):
    return VideoModel("fer_cnn", **{"labels": LABELS, "training": QUICK, **changes})


@pytest.fixture(scope="module")
def fitted(separable):
    store, clips = separable
    return small().fit(store, clips.iloc[:16], clips.iloc[16:], progress=False)


def test_it_learns_what_can_be_learned(fitted, separable):
    store, clips = separable
    table = fitted.predict_frames(store, clips.iloc[16:])
    right = table.idxmax(axis=1) == table.index.get_level_values("clip").map(clips["emotion"])
    assert right.mean() > 0.9
    assert {"loss", "val_loss"} <= set(fitted.history.columns)


def test_frames_come_as_a_probability_table(fitted, separable):
    store, _ = separable
    ids = ["c05", "c01"]
    table = fitted.predict_frames(store, ids)
    check_probabilities(table.reset_index(drop=True), LABELS)
    assert tuple(table.index.names) == FRAME_INDEX
    assert table.index.get_level_values("clip").tolist() == ["c05"] * 4 + ["c01"] * 4
    assert table.index.get_level_values("frame").tolist() == [0, 1, 2, 3] * 2
    assert len(fitted.predict_frames(store, ["unknown"])) == 0
    assert tuple(fitted.predict_frames(store, []).index.names) == FRAME_INDEX


def test_frames_without_a_picture_are_rows_of_nan(fitted, separable):
    store, _ = separable
    gaps = {
        c: store[c]._replace(usable=np.array([True, False, True, False])) for c in ("c00", "c01")
    }
    gaps["c02"] = store["c02"]._replace(usable=np.zeros(4, bool))
    table = fitted.predict_frames(FrameStore(gaps), list(gaps))
    absent = table.isna().all(axis=1).to_numpy()
    assert absent.tolist() == [False, True] * 4 + [True] * 4
    whole = fitted.predict_frames(store, list(gaps)).to_numpy()
    assert np.allclose(table.to_numpy()[~absent], whole[~absent], atol=1e-6)
    none = fitted.predict_frames(FrameStore({"c02": gaps["c02"]}), ["c02"])
    assert none.isna().all(axis=None) and len(none) == 4


def test_prediction_takes_bounded_batches_across_clips(fitted, separable, monkeypatch):
    store, clips = separable
    sizes, network = [], fitted.network
    monkeypatch.setattr("multimodal_ser.video.model.BATCH_PIXELS", 10 * 48 * 48)
    real = network.predict_on_batch
    monkeypatch.setattr(
        network, "predict_on_batch", lambda batch: sizes.append(len(batch)) or real(batch)
    )
    fitted.predict_frames(store, clips)
    assert sizes == [10] * 9 + [6]


def test_regroup_keeps_the_order():
    parts = [np.arange(7), np.arange(7, 8), np.arange(8, 8), np.arange(8, 23)]
    made = list(regroup(parts, 5))
    assert [len(part) for part in made] == [5, 5, 5, 5, 3]
    assert np.concatenate(made).tolist() == list(range(23))


def test_saved_and_loaded_it_predicts_the_same(fitted, separable, tmp_path):
    store, clips = separable
    fitted.save_weights(tmp_path / "video.keras")
    description = json.loads(json.dumps(fitted.describe()))
    loaded = VideoModel.load(description, tmp_path / "video.keras")
    assert loaded.describe() == fitted.describe() and loaded.params == fitted.params
    pd.testing.assert_frame_equal(
        loaded.predict_frames(store, clips), fitted.predict_frames(store, clips)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "x"},
        {"backbone": ["x"]},
        {"params": {"crop": "x"}},
        {"params": {"every": "20"}},
        {"params": {"size_px": 64}},
        {"params": {"surprise": 1}},
        {"labels": ["happy", "happy"]},
        {"labels": [1, 2]},
        {"seed": True},
        {"frames_version": 99},
        {"more": 1},
    ],
)
def test_a_wrong_description_is_refused(changes, tmp_path):
    with pytest.raises(ModelError):
        VideoModel.load({**small().describe(), **changes}, tmp_path / "none.keras")


@pytest.mark.parametrize("description", [None, [], "x", {}])
def test_what_is_no_description_is_refused(description, tmp_path):
    with pytest.raises(ModelError):
        VideoModel.load(description, tmp_path / "none.keras")


def test_a_network_that_does_not_fit_is_refused(fitted, tmp_path):
    fitted.save_weights(tmp_path / "video.keras")
    three = {**fitted.describe(), "labels": ["a", "b", "c"]}
    with pytest.raises(ModelError, match=r"expected \(None, 48, 48, 1\) into 3 labels"):
        VideoModel.load(three, tmp_path / "video.keras")
    keras = load_keras()
    a, b = keras.Input((48, 48, 1)), keras.Input((48, 48, 1))
    out = keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.add([a, b])))
    keras.Model([a, b], out).save(tmp_path / "two.keras")
    with pytest.raises(ModelError, match="the network turns"):
        VideoModel.load(fitted.describe(), tmp_path / "two.keras")
    (tmp_path / "bad.keras").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"bad\.keras"):
        VideoModel.load(fitted.describe(), tmp_path / "bad.keras")


def test_a_training_taken_up_again_ends_where_an_unbroken_one_does(
    separable, tmp_path, monkeypatch
):
    store, clips = separable
    train, held = clips.iloc[:8], clips.iloc[16:20]
    whole = small().fit(store, train, held, checkpoint=tmp_path / "a", progress=False)
    assert not any(path.is_file() for path in (tmp_path / "a").rglob("*"))

    broken, calls, real = small(), [], FrameStore.__getitem__

    def power_cut(self, clip):
        calls.append(clip)
        if len(calls) > 120:
            raise KeyboardInterrupt
        return real(self, clip)

    with monkeypatch.context() as patch, pytest.raises(BaseException):  # noqa: B017
        patch.setattr(FrameStore, "__getitem__", power_cut)
        broken.fit(store, train, held, checkpoint=tmp_path / "b", progress=False)
    again = small().fit(store, train, held, checkpoint=tmp_path / "b", progress=False)
    assert list(again.history.index) == list(whole.history.index)
    assert np.allclose(again.history, whole.history, atol=1e-4)
    assert np.allclose(
        again.predict_frames(store, clips), whole.predict_frames(store, clips), atol=1e-4
    )


def test_the_best_epoch_by_validation_is_kept(separable):
    store, clips = separable
    wrong = clips.iloc[16:].copy()  # the better it learns, the worse it does here
    wrong["emotion"] = (
        wrong["emotion"].map({"happy": "sad", "sad": "happy"}).astype(clips["emotion"].dtype)
    )
    training = Training(batch_size=16, epochs=8, learning_rate=2e-3, patience=2)
    model = small(training=training).fit(store, clips.iloc[:16], wrong, progress=False)
    best = model.history["val_loss"].idxmin()
    assert len(model.history) == best + 3 < 8
    table = model.predict_frames(store, wrong)
    truth = table.index.get_level_values("clip").map(wrong["emotion"])
    picked = table.to_numpy()[np.arange(len(table)), [LABELS.index(t) for t in truth]]
    assert -np.log(picked).mean() == pytest.approx(model.history["val_loss"].min(), rel=1e-3)


def test_there_must_be_two_classes(separable):
    store, clips = separable
    with pytest.raises(SerError, match=r"4 labelled clip\(s\) with frames hold 1 class"):
        small().fit(store, clips.iloc[:8:2], progress=False)
    with pytest.raises(SerError, match=r"0 labelled clip\(s\)"):
        small().fit(FrameStore({}), clips, progress=False)


def test_frames_of_another_size_are_refused(fitted, separable):
    _, clips = separable
    other = FrameStore(
        {c: ClipFrames.of_pictures(np.zeros((1, 32, 32), np.uint8)) for c in clips.index}
    )
    for call in (fitted.predict_frames, small().fit):
        with pytest.raises(ModelError, match="have 32 px and the model wants 48"):
            call(other, clips)


def test_names_and_sizes_are_checked_before_anything_is_decoded():
    with pytest.raises(UnknownName):
        VideoModel("vgg")
    with pytest.raises(ModelError):
        VideoModel("fer_cnn", params=FrameParams())
    assert VideoModel("aei_cnn_pooled", params=FrameParams(size_px=64)).params.size_px == 64


def test_the_room_is_light_to_import():
    code = (
        "import pkgutil, importlib, sys, multimodal_ser.video as room\n"
        "for part in pkgutil.walk_packages(room.__path__, room.__name__ + '.'):\n"
        "    importlib.import_module(part.name)\n"
        "heavy = {'tensorflow', 'keras', 'cv2', 'av', 'librosa'} & set(sys.modules)\n"
        "print(len([m for m in sys.modules if m.startswith(room.__name__)]), sorted(heavy))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, heavy = run.stdout.split(maxsplit=1)
    assert int(count) >= 14 and heavy.strip() == "[]"


def test_the_optimizer_is_not_kept(separable, tmp_path):
    store, clips = separable
    model = small().fit(store, clips, progress=False)
    save_network(model.network, tmp_path / "trained.keras")
    weights = sum(weight.nbytes for weight in model.network.get_weights())
    assert weights < (tmp_path / "trained.keras").stat().st_size < 1.5 * weights + 50_000
    again = load_network(tmp_path / "trained.keras")
    for ours, theirs in zip(model.network.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
