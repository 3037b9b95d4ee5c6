"""The recipes of systems B, C, D and E, on made-up features whose right answer is known.

The features tell an actor's emotions apart, and nothing of one actor holds for
another: a split that shares speakers must look excellent and a strict one like
chance, or a recipe has let a tested speaker into training.
"""

import argparse
import importlib.util
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import _common
import numpy as np
import pandas as pd
import pytest

from multimodal_ser.audio import classifiers
from multimodal_ser.audio import features as feature_sets
from multimodal_ser.audio.model import AudioModel
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import MediaError, MissingWeights, SerError
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import Features

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"
ACTORS = ("01", "02", "03", "04", "05", "06", "10", "11")


def recipe(name):
    spec = importlib.util.spec_from_file_location(name, PIPELINES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ravdess_folder(tmp_path):
    """Files of which only the names are read: eight actors, each emotion four times."""
    for actor in ACTORS:
        for emotion in range(1, 9):
            for statement in (1, 2):
                for repetition in (1, 2):
                    take = f"03-01-{emotion:02}-01-{statement:02}-{repetition:02}-{actor}.wav"
                    (tmp_path / take).write_bytes(b"")
    return tmp_path


@pytest.fixture
def cremad_folder(tmp_path):
    for actor in range(1001, 1025):
        for emotion in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"):
            for sentence in ("DFA", "IOM"):
                (tmp_path / f"{actor}_{sentence}_{emotion}_XX.wav").write_bytes(b"")
    return tmp_path


def of_speakers(clips, feature_set, _options=None):
    """Return features that are random to every actor and emotion, with a little noise."""
    rng = np.random.default_rng(0)
    names = feature_sets.load(feature_set).names()
    kinds = clips["actor"].astype(object) + clips["emotion"].astype(object)
    means = {kind: rng.normal(size=len(names)) for kind in sorted(set(kinds))}
    values = np.stack([means[kind] for kind in kinds])
    values = values + 0.1 * rng.normal(size=values.shape)
    return clips, Features(clips.index, values.astype(np.float32), names)


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setattr(_common, "load", of_speakers)


def options(data, **more):
    given = {"data": str(data), "quick": True, "seed": 0, "workers": 1, "cache": None}
    given |= {"resume": None, "figures": None, "output": None, "search": None}
    given |= {"protocols": "random_leaky,luna5", "tasks": "no_neutral7"}
    return argparse.Namespace(**(given | more))


def cells(text):
    """Return a Markdown table as texts, by column."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return pd.DataFrame(lines[2:], columns=lines[0])


def column(table, *words):
    """Return the numbers of the one column whose head has all the words."""
    (name,) = (head for head in table.columns if all(word in head for word in words))
    return pd.to_numeric(table[name], errors="coerce")


def small(module):
    """Leave a recipe with models that take no time."""
    if hasattr(module, "GRIDS"):
        module.GRIDS = {"knn": ({}, {"n_neighbors": [1, 3]}), "decision_tree": ({}, {})}
    if hasattr(module, "TASKS"):
        module.TASKS = {"no_neutral7": "7 emotions"}
        module.MODELS = {"random_forest": {"n_estimators": 10}, "knn": {}}
        module.RANKING = ("random_forest",)
    return module


@pytest.mark.parametrize("name", ["gendered_mlp", "cremad_valence", "soft_voting"])
def test_a_recipe_tells_leakage_from_recognition_and_repeats_itself(name, request, made_up):
    folder = request.getfixturevalue("cremad_folder" if "cremad" in name else "ravdess_folder")
    module = small(recipe(name))
    given = options(folder, models="decision_tree,knn")
    text = module.report(given)
    table = cells(text)
    chance = {"gendered_mlp": 25, "cremad_valence": 50, "soft_voting": 6}[name]
    leaky = column(table, "LEAKY", *["accuracy"] * (name == "cremad_valence")).dropna()
    strict = column(table, "strict", "olds").dropna()
    assert len(leaky) and leaky.min() > chance + 25
    assert strict.max() < chance + 20
    assert leaky.min() > strict.max()
    assert text == module.report(given)


def test_the_figures_of_b_rank_and_show_the_features_of_each_sex(ravdess_folder, made_up, tmp_path):
    module = small(recipe("gendered_mlp"))
    module.report(options(ravdess_folder, figures=str(tmp_path / "figures")))
    page = (tmp_path / "figures" / "figures.html").read_text()
    for sex in ("male", "female"):
        assert f"Importance of features, {sex}" in page
        assert f"The 6 most important features by emotion, {sex}" in page
    assert "ROC: " in page
    (boxes,) = re.findall('aria-label="Distributions of (.*?) by label.*?"', page)[:1]
    assert set(boxes.split(", ")) <= set(feature_sets.load("spectral_moments").names())


def test_the_figures_of_e_show_its_eight_values(cremad_folder, made_up, tmp_path):
    module = small(recipe("cremad_valence"))
    module.report(options(cremad_folder, figures=str(tmp_path / "figures")))
    page = (tmp_path / "figures" / "figures.html").read_text()
    assert "The 8 features by class" in page
    names = feature_sets.load("spectral_mean_std").FINAL
    assert f"Distributions of {', '.join(names)} by label" in page


def test_b_looks_for_doubled_missing_and_infinite_values(ravdess_folder, monkeypatch):
    module = small(recipe("gendered_mlp"))

    def damaged(clips, feature_set, _options):
        clips, features = of_speakers(clips, feature_set)
        features.values[49] = features.values[40]
        return clips, features

    values = np.float32([[1, 2], [np.nan, 2], [3, np.inf], [1, 2]])
    found = module.checked(Features(pd.Index(list("abcd")), values, ("x", "y")))
    assert list(found.values()) == [["d"], ["b"], ["c"]]
    monkeypatch.setattr(_common, "load", damaged)
    text = module.report(options(ravdess_folder))
    assert "1 doubled" in text
    assert "223 clips" in text  # 8 actors x 7 emotions x 4 takes, but one


def test_scaling_is_that_of_the_training_clips():
    module = recipe("gendered_mlp")
    clips = ravdess_clips()
    _, features = of_speakers(clips, "spectral_moments")
    train = clips[clips["actor"] != "01"]
    shifted = features.values.copy()
    shifted[clips["actor"] == "01"] += 1000.0
    others = Features(features.clips, shifted, features.names)
    tables = []
    for given in (features, others):
        model = module.Scaled(AudioModel("spectral_moments", "knn", params={"scale": False}))
        tables.append(model.fit(given, train).predict(given, train.index))
    pd.testing.assert_frame_equal(*tables)


def ravdess_clips():
    names = (
        f"03-01-{emotion:02}-01-{statement:02}-01-{actor}.wav"
        for actor in ACTORS
        for emotion in range(1, 9)
        for statement in (1, 2)
    )
    from multimodal_ser.tables import make_clips

    return make_clips(ravdess.row([name]) for name in names)


def test_a_vote_is_the_weighted_mean_of_its_members():
    module = recipe("soft_voting")
    rng = np.random.default_rng(0)
    index, labels = ["a", "b"], [f"l{at}" for at in range(16)]
    tables = {
        name: pd.DataFrame(rng.dirichlet(np.ones(16), 2), index, labels)
        for name in ("pca_cnn", "vgg16", "mlp", "xgboost")
    }
    found = module.votes(tables)
    assert set(found) == {"mlp + xgboost", "3 pca_cnn + 2 vgg16"}
    expected = (3 * tables["pca_cnn"] + 2 * tables["vgg16"]) / 5
    pd.testing.assert_frame_equal(found["3 pca_cnn + 2 vgg16"], expected)


def test_every_row_of_d_can_be_built_and_was_published_or_is_ours():
    module = recipe("soft_voting")
    given = options("x", quick=False)
    for name in module.MODELS:
        model = module._model(name, given)
        if isinstance(model, AudioModel):
            classifiers.load(model.classifier).build(seed=0, **model.params)
    ours = set(module.MODELS) | set(module.VOTES)
    assert ours - set(module.PUBLISHED) == {module.SEX_FIRST}
    assert set(module.PUBLISHED) <= ours


def test_sex_first_recognises_the_sex_without_being_told(ravdess_folder, made_up):
    module = recipe("soft_voting")
    module.CLASSICAL["mlp"] = {"epochs": 3, "hidden": 4, "n_seeds": 1}
    given = options(ravdess_folder, quick=False, models=module.SEX_FIRST, protocols="luna5")
    table = cells(module.report(given)).set_index("model")
    assert list(table.index[table["strict, Luna folds"] != "-"]) == [module.SEX_FIRST]
    # These features say nothing of a stranger's sex: knowing it would be cheating.
    assert 20 < float(table.loc[module.SEX_FIRST, "sex right, Luna folds"]) < 80


def test_without_weights_the_row_of_vgg_says_so(ravdess_folder, made_up, monkeypatch):
    module = recipe("soft_voting")

    def no_weights(*_):
        raise MissingWeights("no connection")

    monkeypatch.setattr(module, "_images", no_weights)
    text = module.report(options(ravdess_folder, quick=False, models="vgg16,knn"))
    assert "vgg16: no ImageNet weights" in text


def test_an_optuna_search_stays_inside_the_training_part(ravdess_folder, made_up):
    module = recipe("soft_voting")
    given = options(ravdess_folder, search=2, models="decision_tree")
    assert "--search 2" in module.report(given)


@pytest.mark.parametrize("name", ["soft_voting", "spectrogram_resnet"])
def test_an_unknown_model_is_refused_by_name(name, ravdess_folder):
    module = recipe(name)
    with pytest.raises(SerError, match="no model 'vgg99'"):
        module.report(options(ravdess_folder, models="vgg99"))


def test_e_keeps_the_eight_features_of_the_final_model():
    module = recipe("cremad_valence")
    names = feature_sets.load("spectral_mean_std").names()
    values = np.arange(22, dtype=np.float32)[None]
    kept = module.final(Features(pd.Index(["a"]), values, names))
    assert len(kept.names) == 8
    assert [names[int(value)] for value in kept.values[0]] == list(kept.names)


class TestResnet:
    @pytest.fixture
    def module(self, monkeypatch, made_up):
        module = recipe("spectrogram_resnet")
        # The networks have tests of their own; here it is about who is tested on what.
        module.MODELS = {
            "spectrogram": ("mfcc_chroma_mel", "knn", "speech_song5", "75.6"),
            "waveform": ("mfcc_chroma_mel", "knn", "emotions8", "14.6"),
        }
        monkeypatch.setattr(
            module,
            "_model",
            lambda name, _: AudioModel(
                "mfcc_chroma_mel", "knn", labels=module.labels_of(module.MODELS[name][2])
            ),
        )
        return module

    def given(self, folder, **more):
        more = {"models": "spectrogram,waveform"} | more
        more = {"splits": None, "size_px": 32, "epochs": None, "predict": None} | more
        return options(folder, **more)

    def test_leakage_shows(self, module, ravdess_folder):
        table = cells(module.report(self.given(ravdess_folder)))
        assert column(table, "LEAKY").min() > 90
        assert column(table, "strict").max() < 40

    def test_models_compare_on_the_same_clips_of_a_saved_split(
        self, module, ravdess_folder, tmp_path
    ):
        given = self.given(ravdess_folder, splits=str(tmp_path / "splits"))
        first = module.report(given)
        assert first == module.report(given)
        paths = sorted((tmp_path / "splits").iterdir())
        assert [path.name for path in paths] == ["luna5-seed0.csv", "random_leaky-seed0.csv"]
        clips = module._clips(ravdess_folder)
        five = module.relabel(clips, "speech_song5")
        whole = make_folds(clips, str(paths[0]))
        part = make_folds(five, str(paths[0]))
        for fold, same in zip(part, whole, strict=True):
            assert set(fold.test) == set(same.test) & set(five.index)
        # The saved split, not the seed, says who is tested.
        split = pd.read_csv(paths[1])
        split["fold"] = split["clip"].str[-2:].map(lambda actor: "a" if actor < "03" else "b")
        split.to_csv(paths[1], index=False)
        assert column(cells(module.report(given)), "LEAKY").max() < 40

    def test_a_predicted_file_is_shown_with_its_label_by_a_model_of_others(
        self, module, ravdess_folder, monkeypatch, tmp_path
    ):
        seen = []
        monkeypatch.setattr(module, "clip_features", lambda *_: np.zeros(180, np.float32))
        monkeypatch.setattr(module, "shown", lambda _: module.Markup("<svg></svg>"))
        fit = AudioModel.fit
        monkeypatch.setattr(
            AudioModel, "fit", lambda self, f, c: (seen.extend(c["actor"]), fit(self, f, c))[1]
        )
        path = next(ravdess_folder.glob("03-01-05-*-03.wav"))
        given = self.given(ravdess_folder, predict=str(path), figures=str(tmp_path / "f"))
        assert module.predicted(given).endswith("label: angry")
        assert set(seen) == set(ACTORS) - {"03"}
        assert "label: angry" in (tmp_path / "f" / "figures.html").read_text()
        other = self.given(ravdess_folder, predict=str(path).replace("03-01-05", "03-01-01"))
        assert module.predicted(other).endswith("label: neutral, which this model does not know")

    @pytest.mark.parametrize("models, known", [("spectrogram", 5), ("spectrogram,waveform", 8)])
    def test_the_figures_show_a_clip_of_each_emotion_that_can_be_read(
        self, module, ravdess_folder, monkeypatch, tmp_path, models, known
    ):
        seen = []

        def shown(path):
            seen.append(Path(path).stem)
            if "03-01-05" in path:
                raise MediaError(path, "it is empty", "record it again")
            return module.Markup("<svg></svg>")

        monkeypatch.setattr(module, "shown", shown)
        monkeypatch.setattr(_common, "result_figures", lambda *_: [])
        module.report(self.given(ravdess_folder, models=models, figures=str(tmp_path / "f")))
        first = range(1, 9) if known == 8 else range(2, 7)
        assert seen == [f"03-01-{emotion:02}-01-01-01-01" for emotion in first]
        page = (tmp_path / "f" / "figures.html").read_text()
        assert "happy: " in page and "sad: " in page
        assert "angry: " not in page
        assert ("neutral: " in page) == (known == 8)

    def test_a_file_of_another_name_is_refused(self, module, ravdess_folder):
        with pytest.raises(SerError, match="not a RAVDESS name"):
            module.predicted(self.given(ravdess_folder, predict="talk.wav"))


def test_the_networks_of_c_take_the_parameters_of_the_recipe():
    module = recipe("spectrogram_resnet")
    for name in module.MODELS:
        model = module._model(name, options("x", size_px=32, epochs=None))
        built = classifiers.load(model.classifier).build(seed=0, **model.params)
        assert built.epochs == 1


def test_waveform_and_spectrogram_are_drawn_of_any_length():
    module = recipe("spectrogram_resnet")
    for n_samples in (1, 100, 30_000):
        sound = np.sin(np.arange(n_samples) / 10).astype(np.float32)
        drawing = module.waveform_and_spectrogram(sound, "a <b>")
        assert ET.fromstring(drawing).get("aria-label") == "Waveform and spectrogram of a <b>"
        assert 'href="data:image/png' in drawing
