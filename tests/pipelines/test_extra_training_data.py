"""The recipe of extra training data, on tones whose pitch knows the actor and nothing else.

Every actor has a tone of its own for each emotion, spoken and sung alike, and
nothing of one actor holds for another. So who has learnt from the song, or a
copy, of a tested actor knows that actor's emotions, and who has not guesses.
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.compute.parallel import Engine
from multimodal_ser.datasets import cremad
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation.folds import TEST_ACTORS
from multimodal_ser.workflows.feature_model import FeatureModel

pytestmark = pytest.mark.usefixtures("any_sound")
PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"
#: Of folds 4, 0, 1, 1, 2, 3 of the five; 18 did not sing.
ACTORS = ("01", "02", "06", "18", "10", "08")
RATE_HZ = 16000


@pytest.fixture
def module():
    spec = importlib.util.spec_from_file_location("extra", PIPELINES / "extra_training_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.FEATURES = "mfcc_chroma_mel"  # quicker; who is tested is the same
    module.MODELS = {"knn": {"n_neighbors": 1}, "logistic_regression": {"c": 0.003}}
    return module


def write_tone(path, hertz):
    path.parent.mkdir(exist_ok=True)
    times = np.arange(RATE_HZ // 4) / RATE_HZ
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * times), RATE_HZ)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Folders of RAVDESS, a tone an actor and emotion, and of CREMA-D."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("corpora")
    hertz = list(rng.permutation(np.geomspace(150, 5000, 8 * len(ACTORS))))
    for actor in ACTORS:
        for emotion in range(1, 9):
            tone, sung = hertz.pop(), emotion < 7 and actor != "18"
            for channel in ("01", "02")[: 1 + sung]:
                write_tone(root / "r" / f"03-{channel}-{emotion:02}-01-01-01-{actor}.wav", tone)
    for actor in (1001, 1002):
        for emotion in cremad.EMOTION_OF:
            write_tone(root / "c" / f"{actor}_DFA_{emotion}_XX.wav", rng.uniform(150, 5000))
    return root


@pytest.fixture
def given(corpora, tmp_path_factory):
    cache = corpora / "cache"

    def options(**more):
        found = {"data": str(corpora / "r"), "cremad": str(corpora / "c"), "cache": str(cache)}
        found |= {"workers": Engine(workers=1, in_process=True), "quick": False, "seed": 0}
        found |= {"models": "knn", "extra": None, "adapted": False}
        return argparse.Namespace(**(found | dict.fromkeys(("resume", "figures")) | more))

    return options


@pytest.fixture
def fits(monkeypatch):
    """The clips of every fit, in the order of the fits."""
    seen, fit = [], FeatureModel.fit

    def spy(self, features, clips, validation=None):
        seen.append(clips)
        assert set(clips.index) <= set(features.clips)  # all that is counted is learnt from
        return fit(self, features, clips, validation)

    monkeypatch.setattr(FeatureModel, "fit", spy)
    return seen


def cells(text):
    """Return a Markdown table as texts, by column."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return pd.DataFrame(lines[2:], columns=lines[0])


def held_out_actors():
    """Return the tested actors of each fold, in the order of the folds."""
    return [{f"{actor:02}" for actor in fold} & set(ACTORS) for fold in TEST_ACTORS["luna5"]]


def test_every_row_is_there_and_no_tested_actor_is_learnt_from(module, given, fits):
    text = module.report(given())
    table = cells(text)
    assert table["extra data"].tolist() == [row.words for row in module.ROWS.values()]
    folds = held_out_actors()
    assert len(fits) == len(folds) * len(module.ROWS)
    for at, train in enumerate(fits):
        own = train[train["dataset"] == "ravdess"]
        assert set(own["actor"]) == set(ACTORS) - folds[at % len(folds)]
        # An original, its song or its copy: whatever the actor column says.
        assert not {clip.split("#")[0][-2:] for clip in own.index} & folds[at % 5]
    kinds = {name: fits[5 * at] for at, name in enumerate(module.ROWS)}
    assert len(kinds["noise"]) == len(kinds["repeated"]) == 2 * len(kinds["none"])
    assert (kinds["song"]["channel"] == "song").sum() == 6 * 4  # fold 0: without 02 and 18
    assert (kinds["cremad"]["dataset"] == "cremad").sum() == 12
    assert len(kinds["song+mixed"]) == 2 * len(kinds["song"])
    # Nothing is to be known about unknown speakers; a leak would be near 100 %.
    assert table["WAR"].astype(float).max() < 50


@pytest.mark.parametrize("name", ["song", "repeated", "gain"])
def test_a_leak_would_show(module, given, name, monkeypatch):
    def leaking(train, extra, held_out):
        return pd.concat([train, extra.assign(emotion=extra["emotion"])])

    monkeypatch.setattr("multimodal_ser.workflows.training.with_extra", leaking)
    table = cells(module.report(given(extra=name))).set_index("extra data")
    # Surprise and disgust are not sung, and one actor does not sing.
    words = module.ROWS[name].words
    assert float(table.loc[words, "WAR"]) > (60 if name == "song" else 90)
    difference, p_value = table.loc[words, "against none"].strip(")").split(" (p ")
    assert float(difference) > 30
    # All who sing, five of six, or all six gain: the share of 2 in 2 to that power.
    assert p_value == ("0.062" if name == "song" else "0.031")


def test_clips_once_more_change_nothing_for_the_nearest_neighbour(module, given):
    table = cells(module.report(given(extra="song,repeated")))
    assert table["WAR"][0] == table["WAR"][1]
    assert table["against none"][:2].tolist() == ["-", "+0.0 (p 1)"]
    assert table["against once more"][:2].tolist() == ["-", "-"]
    # Then the two rows are one, and whatever is measured against them is the same.
    assert table["against once more"][2] == table["against none"][2] != "-"


def test_finished_rows_are_not_fitted_again(module, given, fits, tmp_path):
    options = given(resume=str(tmp_path), extra="song", models="logistic_regression,knn")
    text = module.report(options)
    assert len(fits) == 2 * 2 * 5
    next(iter(sorted(tmp_path.rglob("*.parquet")))).unlink()
    assert module.report(options) == text
    assert len(fits) == 2 * 2 * 5 + 1


def test_adapted_is_a_block_of_its_own(module, given, tmp_path):
    options = given(adapted=True, extra="song,mixed", figures=str(tmp_path))
    text = module.report(options)
    assert list(cells(text)["protocol"].unique()) == ["strict", "adapted: person"]
    assert "--adapted --models knn --extra song,mixed" in text
    strict = cells(module.report(given(extra="song,mixed")))
    # The adapted block leaves the strict one alone.
    pd.testing.assert_frame_equal(strict, cells(text).iloc[: len(strict)], check_names=False)
    assert (tmp_path / "figures.html").read_text().count("Confusions: ") == 6


def test_quick_and_no_cremad_leave_rows_out(module, given):
    table = cells(module.report(given(quick=True, cremad=None, models="knn,logistic_regression")))
    assert set(table["model"]) == {"knn"}
    names = ("none", "repeated", "song", "mixed", "song+mixed")
    assert table["extra data"].tolist() == [module.ROWS[name].words for name in names]


@pytest.mark.parametrize(
    "more", [{"models": "svm"}, {"extra": "songs"}, {"extra": "cremad", "cremad": None}]
)
def test_what_is_unknown_is_refused_before_anything_is_read(module, given, more):
    with pytest.raises(SerError):
        module.report(given(**{"data": "nowhere"} | more))


def test_a_folder_without_song_is_refused(module, given, corpora, tmp_path):
    for path in (corpora / "r").glob("03-01-*"):
        (tmp_path / path.name).symlink_to(path)
    with pytest.raises(SerError):
        module.report(given(data=str(tmp_path), extra="song"))


def test_a_row_of_one_kind_of_copy_changes_every_clip_in_that_way_alone(module):
    for kind in module.SINGLE_KINDS:
        change = module.ROWS[kind].copies
        assert (change.kinds, change.probability) == ((kind,), 1.0)
    assert module.ROWS["mixed"].copies == module.Augmentation()
