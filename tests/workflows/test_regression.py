"""Numbers as labels: agreement, folds of actors, files, and the command."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.stats import pearsonr

from multimodal_ser.cli import main, requests
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.evaluation import agreement
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import Features, make_clips
from multimodal_ser.video.features import openface
from multimodal_ser.workflows import regression

pytestmark = pytest.mark.usefixtures("any_sound")


def pair(seed=0, n=40):
    rng = np.random.default_rng(seed)
    truth = rng.normal(3, 2, n)
    return truth, 0.7 * truth + rng.normal(1, 1, n)


def test_concordance_is_lins_formula_and_correlation_scipys():
    truth, said = pair()
    rho = pearsonr(truth, said).statistic
    both = 2 * rho * truth.std() * said.std()
    wanted = both / (truth.var() + said.var() + (truth.mean() - said.mean()) ** 2)
    np.testing.assert_allclose(agreement.concordance(truth, said), wanted)
    np.testing.assert_allclose(agreement.correlation(truth, said), rho)


def test_shift_and_scale_cost_concordance_alone():
    truth, said = pair()
    for changed in (said + 2, 3 * said, -said):
        assert agreement.concordance(truth, changed) < agreement.concordance(truth, said)
    np.testing.assert_allclose(
        agreement.correlation(truth, 3 * said + 2), agreement.correlation(truth, said)
    )
    assert agreement.concordance(truth, truth) == 1
    np.testing.assert_allclose(
        agreement.concordance(said, truth), agreement.concordance(truth, said)
    )
    assert agreement.concordance(truth, np.ones_like(truth)) == 0
    assert np.isnan(agreement.correlation(truth, np.ones_like(truth)))


def test_the_interval_is_over_actors():
    truth, said = (pd.Series(part) for part in pair(n=60))
    actors = pd.Series([f"{at // 10}" for at in range(60)])
    found = agreement.score(truth, said, actors)
    assert found["ccc_low"] < found["ccc"] < found["ccc_high"] and found["n"] == 60
    # Each clip ten times tells nothing new of the same actors.
    ten = agreement.score(
        *(pd.concat([part] * 10, ignore_index=True) for part in (truth, said, actors))
    )
    np.testing.assert_allclose([ten["ccc"], ten["ccc_low"]], [found["ccc"], found["ccc_low"]])
    two = agreement.score(truth[:20], said[:20], actors[:20])
    assert np.isnan(two["ccc_low"]) and np.isfinite(two["ccc"])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Tones of five actors whose loudness and pitch are columns; one has no number."""
    place = tmp_path_factory.mktemp("numbers")
    rng, rows = np.random.default_rng(0), []
    for at in range(40):
        loud, hertz = rng.uniform(0.05, 0.9), rng.uniform(150, 900)
        times = np.arange(6000) / 16000
        soundfile.write(place / f"{at}.wav", loud * np.sin(2 * np.pi * hertz * times), 16000)
        rows.append((f"{at}.wav", f"{at % 5}", loud, hertz / 100))
    found = pd.DataFrame(rows, columns=["file", "speaker", "loudness", "pitch"])
    found.loc[39, "pitch"] = np.nan
    found.to_csv(place / "t.csv", index=False, sep=";", decimal=",")
    return place / "t.csv"


@pytest.fixture(scope="module", autouse=True)
def in_process():
    work = {"cache": Cache(None), "workers": Engine(1, in_process=True), "progress": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "work_of", lambda _options: dict(work))
        yield


@pytest.fixture(scope="module")
def model(table, tmp_path_factory):
    output = tmp_path_factory.mktemp("model") / "m"
    how = ["--targets", "loudness,pitch", "--features", "mfcc_rms", "--output", str(output)]
    assert main(["train", str(table), *how]) == 0
    return output


def test_a_regressor_learns_what_can_be_heard_of_speakers_it_never_met(model):
    record = json.loads((model / "run.json").read_text())
    scores = pd.DataFrame(record["held_out"]).set_index("target")
    assert list(scores.index) == ["loudness", "pitch"] and (scores["n"] == 39).all()
    assert scores.loc["pitch", "ccc"] > 0.5
    assert (scores["ccc"] <= scores["pearson"] + 1e-9).all()
    assert (scores["ccc_low"] <= scores["ccc"]).all() and (
        scores["ccc"] <= scores["ccc_high"]
    ).all()


def test_predict_and_evaluate_give_the_columns(model, table, tmp_path, capsys):
    words = ["predict", str(table), "--model", str(model)]
    assert main([*words, "--output", str(tmp_path / "p.csv")]) == 0
    said = pd.read_csv(tmp_path / "p.csv", dtype={"clip": str}).set_index("clip")
    assert list(said.columns) == ["path", "modality", "loudness", "pitch"] and len(said) == 40
    more = ["--output", str(tmp_path / "s.csv")]
    assert main(["evaluate", str(table), "--model", str(model), *more]) == 0
    scores = pd.read_csv(tmp_path / "s.csv").set_index("target")
    truth = pd.read_csv(table, sep=";", decimal=",").assign(clip=lambda t: t["file"].str[:-4])
    both = truth.dropna().set_index("clip").join(said, lsuffix="_true")
    wanted = agreement.concordance(both["pitch_true"], both["pitch"])
    np.testing.assert_allclose(scores.loc["pitch", "ccc"], wanted)
    assert "CCC" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--targets", "valence"], "'valence'"),
        (["--targets", "file"], "'file'"),
        (["--targets", "loudness", "--features", "log_mel"], "log_mel"),
        (["--targets", "loudness", "--audio", "svc"], "--targets"),
    ],
)
def test_wrong_requests_are_refused(table, tmp_path, capsys, words, named):
    assert main(["train", str(table), *words, "--output", str(tmp_path / "m")]) == 2
    assert named in capsys.readouterr().err


def test_a_text_among_the_numbers_is_named():
    rows = [{"clip": f"{at:02}"} for at in range(12)]
    clips = make_clips(rows).assign(valence=[*map(float, range(11)), "high"])
    with pytest.raises(SerError, match="'high'"):
        regression.numbers_of(clips, ["valence"])


@pytest.mark.parametrize(
    "harm",
    [
        "{}",
        "no json",
        '{"targets": ["a"], "inputs": {"audio": {"input": "x", "version": 1}}}',
        '{"targets": ["a"], "inputs": {"smell": {"input": "mfcc_rms", "version": 1}}}',
        '{"targets": ["a"], "inputs": {"audio": {"input": "mfcc_rms", "version": 999}}}',
        '{"targets": ["a"], "inputs": {"audio": {"input": "mfcc_rms", "version": 1}, '
        '"video": {"input": "action_units", "version": 0}}, "weights": {"a": {"audio": 1.0}}}',
    ],
)
def test_a_damaged_regressor_is_refused(model, tmp_path, harm):
    (tmp_path / regression.NAME).write_text(harm)
    with pytest.raises(ModelError):
        regression.load(tmp_path)


def test_a_changed_regressor_is_refused_and_an_earlier_one_has_no_checksums(model, tmp_path):
    there = regression.load(shutil.copytree(model, tmp_path / "m"))
    place = next((tmp_path / "m").rglob("estimator.skops"))
    content = place.read_bytes()
    place.write_bytes(content[:-30] + b"x" + content[-29:])
    with pytest.raises(ModelError):
        regression.load(tmp_path / "m")
    place.write_bytes(content)
    there.save(tmp_path / "m", {})  # over the one that it came from
    assert regression.load(tmp_path / "m").targets == there.targets
    assert len(list((tmp_path / "m").rglob("estimator.skops"))) == 1
    kept = tmp_path / "m" / regression.NAME
    record = json.loads(kept.read_text())
    del record["files"]
    kept.write_text(json.dumps(record))
    with pytest.warns(UserWarning):
        regression.load(tmp_path / "m")


@pytest.fixture(scope="module")
def two(table, tmp_path_factory):
    """A model of two modalities: the face says pitch with some noise, and is not always seen."""
    from multimodal_ser.datasets import folder

    clips = folder.read_list(table, ("pitch",))
    seen = clips.index[:34]
    rng = np.random.default_rng(1)
    pitch = clips["pitch"].loc[seen].astype(float).fillna(5).to_numpy()
    values = np.stack([pitch + rng.normal(0, 1, 34), rng.normal(size=34)], axis=1)
    face = {"action_units": Features(seen, values.astype(np.float32), ("AU01", "AU02"))}
    work = requests.work_of(None)
    output = tmp_path_factory.mktemp("two") / "m"
    how = {"features": "mfcc_rms", "face": "action_units", "tables": face, "work": work}
    scores, _ = regression.train(clips, ["pitch"], output, **how)
    return output, clips, face, work, scores.set_index("answer")


def test_of_two_modalities_the_fused_number_is_the_better(two):
    _, _, _, _, scores = two
    assert list(scores.index) == ["audio", "video", "fused"]
    assert scores.loc["fused", "ccc"] > scores.loc[["audio", "video"], "ccc"].max() - 0.02
    assert (scores["ccc_low"] < scores["ccc"]).all() and scores.loc["video", "n"] < 39


def test_a_fused_number_is_the_weighted_sum_or_the_one_that_is_there(two):
    output, clips, face, work, _ = two
    model = regression.load(output)
    weights = model.weights["pitch"]
    assert min(weights["audio"], weights["video"]) >= 0 and weights["video"] > 0
    said, failures = regression.predict(model, clips, work, face)
    assert failures.empty
    wide = said.pivot(index="clip", columns="modality", values="pitch")
    total = weights["audio"] * wide["audio"] + weights["video"] * wide["video"] + weights["bias"]
    np.testing.assert_allclose(wide["fused"], total.fillna(wide["audio"]))
    # Without the table, which not everybody has, the voice answers alone.
    alone, _ = regression.predict(model, clips, work)
    assert set(alone["modality"]) == {"audio", "fused"}
    of = alone[alone["modality"] == "fused"].set_index("clip")["pitch"]
    np.testing.assert_allclose(of, wide["audio"].loc[of.index])


def test_nothing_of_a_held_out_actor_changes_what_is_said_of_them(two):
    _, clips, face, work, _ = two
    clips = regression.numbers_of(clips, ["pitch"])
    face_of = regression.learner_of("video", "action_units")
    inputs, _ = regression.inputs_of(clips, [face_of], work, face)
    folds = make_folds(clips, "actors", n_folds=5)
    changed = clips.copy()
    changed.loc[folds[0].test, "pitch"] = -99.0
    one, other = (
        regression._cross_fit(face_of, inputs["action_units"], table, ["pitch"], folds)
        for table in (clips, changed)
    )
    test = one.index[one.index.isin(folds[0].test)]
    pd.testing.assert_frame_equal(one.loc[test], other.loc[test])
    assert not one.equals(other)


def test_the_command_takes_a_face(two, table, tmp_path, capsys):
    _, clips, face, _, _ = two
    units = pd.DataFrame(0.0, clips.index[:34].rename("name"), list(openface.ACTION_UNITS))
    units.iloc[:, 0] = face["action_units"].values[:, 0].clip(0)
    units.to_csv(tmp_path / "units.csv", sep=";")
    how = ["--targets", "pitch", "--audio", "none", "--output", str(tmp_path / "m")]
    named = f"action_units={tmp_path / 'units.csv'}"
    assert main(["train", str(table), *how, "--video", named]) == 0
    record = json.loads((tmp_path / "m" / "run.json").read_text())
    assert [row["answer"] for row in record["held_out"]] == ["video"]
    words = ["predict", str(table), "--model", str(tmp_path / "m"), "--table", named]
    assert main([*words, "--output", str(tmp_path / "p.csv")]) == 0
    assert set(pd.read_csv(tmp_path / "p.csv")["modality"]) == {"video"}
    wrong = ["train", str(table), *how, "--video", "fer_resnet"]
    assert main(wrong) == 2 and "estimated_action_units" in capsys.readouterr().err
