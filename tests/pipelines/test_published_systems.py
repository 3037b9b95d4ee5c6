"""The recipes of published systems, on made-up features whose right answer is known.

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

from multimodal_ser.audio import features as feature_sets
from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import MediaError, MissingWeights, SerError
from multimodal_ser.evaluation.folds import make_folds
from multimodal_ser.tables import Features, actor_groups, failure_table, make_clips
from multimodal_ser.workflows import training
from multimodal_ser.workflows.data import Data
from multimodal_ser.workflows.feature_model import FeatureModel
from multimodal_ser.workflows.recipes import Learner

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


def of_speakers(clips, feature_set):
    """Return features that are random to every actor and emotion, with a little noise."""
    rng = np.random.default_rng(0)
    shape, names = feature_sets.shape(feature_set), feature_sets.load(feature_set).names()
    kinds = clips["actor"].astype(object) + clips["emotion"].astype(object)
    means = {kind: rng.normal(size=shape) for kind in sorted(set(kinds))}
    values = np.stack([means[kind] for kind in kinds])
    values = values + 0.1 * rng.normal(size=values.shape)
    return Features(clips.index, values.astype(np.float32), names)


def extract(clips, recipes, **_options):
    keys = {learner.key for recipe in recipes for learner in recipe.learners}
    return Data(clips, {key: of_speakers(clips, key) for key in keys}, failure_table([]))


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setattr(_common, "extract", extract)


def options(data, **more):
    given = {"data": str(data), "quick": True, "seed": 0, "workers": 1, "cache": None}
    given |= {"resume": None, "figures": None, "output": None, "search": 0}
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
        module.MODELS = {"random_forest": {"n_estimators": 10}}
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
    if name == "soft_voting":  # the quickest
        assert text == module.report(given)


def test_the_figures_of_gendered_mlp_rank_and_show_the_features_of_each_sex(
    ravdess_folder, made_up, tmp_path
):
    module = small(recipe("gendered_mlp"))
    module.report(options(ravdess_folder, figures=str(tmp_path / "figures")))
    page = (tmp_path / "figures" / "figures.html").read_text()
    for sex in ("male", "female"):
        assert f"Importance of features, {sex}" in page
        assert f"The 6 most important features by emotion, {sex}" in page
    assert "ROC: " in page
    (boxes,) = re.findall('aria-label="Distributions of (.*?) by label.*?"', page)[:1]
    assert set(boxes.split(", ")) <= set(feature_sets.load("spectral_moments").names())


def test_the_figures_of_cremad_valence_show_its_eight_values(cremad_folder, made_up, tmp_path):
    module = small(recipe("cremad_valence"))
    module.report(options(cremad_folder, figures=str(tmp_path / "figures")))
    page = (tmp_path / "figures" / "figures.html").read_text()
    assert "The 8 features by class" in page
    names = feature_sets.load("spectral_mean_std").FINAL
    assert f"Distributions of {', '.join(names)} by label" in page


def test_gendered_mlp_looks_for_doubled_missing_and_infinite_values(ravdess_folder, monkeypatch):
    module = small(recipe("gendered_mlp"))

    def damaged(clips, recipes, **_options):
        data = extract(clips, recipes)
        data.inputs[module.FEATURES].values[49] = data.inputs[module.FEATURES].values[40]
        return data

    values = np.float32([[1, 2], [np.nan, 2], [3, np.inf], [1, 2]])
    found = module.checked(Features(pd.Index(list("abcd")), values, ("x", "y")))
    assert list(found.values()) == [["d"], ["b"], ["c"]]
    monkeypatch.setattr(_common, "extract", damaged)
    text = module.report(options(ravdess_folder))
    assert "1 doubled" in text
    assert "223 clips" in text  # 8 actors x 7 emotions x 4 takes, but one


def test_scaling_is_that_of_the_training_clips():
    module = recipe("gendered_mlp")
    clips = ravdess_clips()
    fold = make_folds(clips, "leave_one_actor_out")[0]
    features = of_speakers(clips, module.FEATURES)
    shifted = features.values.copy()
    shifted[clips.index.isin(fold.test)] += 1000.0
    for values in (features.values, shifted):
        given = Features(features.clips, values, features.names)
        data = Data(clips, {module.FEATURES: given}, failure_table([]))
        found = module.scaled(data, fold).inputs[module.FEATURES].take(fold.train)
        np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-5)


def ravdess_clips():
    names = (
        f"03-01-{emotion:02}-01-{statement:02}-01-{actor}.wav"
        for actor in ACTORS
        for emotion in range(1, 9)
        for statement in (1, 2)
    )
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


def test_every_row_of_soft_voting_can_be_trained_and_was_published_or_is_ours():
    module = recipe("soft_voting")
    for name in module.MODELS:
        training.check(module.recipe(name, options("x", quick=False)))
    ours = set(module.MODELS) | set(module.VOTES)
    assert ours - set(module.PUBLISHED) == {module.SEX_FIRST}
    assert set(module.PUBLISHED) <= ours


def test_sex_first_recognises_the_sex_without_being_told(ravdess_folder, made_up):
    module = recipe("soft_voting")
    module.CLASSICAL["mlp"] = {"epochs": 3, "hidden": 4, "n_seeds": 1}
    given = options(ravdess_folder, quick=False, models=module.SEX_FIRST, protocols="luna5")
    table = cells(module.report(given)).set_index("model")
    assert list(table.index[table["strict, Luna folds"] != "-"]) == [module.SEX_FIRST]
    # These features say nothing of an unknown speaker's sex: knowing it would be cheating.
    assert 20 < float(table.loc[module.SEX_FIRST, "sex right, Luna folds"]) < 80


def test_a_model_per_sex_knows_what_one_for_both_cannot():
    """What sounds like joy in a woman sounds like grief in a man."""
    module = recipe("soft_voting")
    rng, rows, values = np.random.default_rng(0), [], []
    for actor in range(8):
        sex = "male" if actor % 2 else "female"
        for take in range(12):
            emotion = ("happy", "sad")[take % 2]
            sign = 1 if (emotion == "happy") == (sex == "female") else -1
            rows.append({"clip": f"{actor}-{take:02d}", "actor": str(actor), "sex": sex})
            rows[-1] |= {"emotion": emotion, "dataset": "x"}
            values.append([sign * 2, 3 if sex == "male" else -3] + 0.5 * rng.standard_normal(2))
    clips = make_clips(rows)
    features = Features(clips.index, np.float32(values), ("pitch", "size"))
    data = Data(clips, {module.FEATURES: features}, failure_table([]))
    plane = Learner("audio", module.FEATURES, "logistic_regression", {"c": 1.0})
    one = _common.alone(plane)
    given, scheme = options("x"), "leave_one_actor_out"
    folds = make_folds(clips, scheme)
    alone = _common.measured(data, {"one": one}, scheme, given, folds)["one"]
    two = module.sex_first(data, one, scheme, given, folds).loc[clips.index]
    truth = clips["emotion"].astype(str)
    assert (alone.idxmax(axis=1)[clips.index] == truth).mean() < 0.7
    assert (two.idxmax(axis=1) == truth).mean() > 0.95
    np.testing.assert_allclose(two.sum(axis=1), 1, atol=1e-6)


def test_without_weights_the_row_of_vgg_says_so(ravdess_folder, made_up, monkeypatch):
    module = recipe("soft_voting")
    monkeypatch.setattr(module, "has_weights", lambda _: False)
    text = module.report(options(ravdess_folder, quick=False, models="vgg16,knn"))
    assert f"vgg16: {module.NO_WEIGHTS}" in text
    with pytest.raises(MissingWeights):
        module.report(options(ravdess_folder, models="vgg16"))


def test_an_optuna_search_stays_inside_the_training_part(ravdess_folder, made_up, monkeypatch):
    module, seen = recipe("soft_voting"), []
    search = training.searching.search

    def spy(build, space, values, labels, groups, **settings):
        seen.append((set(groups), settings["method"], len(settings["folds"])))
        return search(build, space, values, labels, groups, **settings)

    monkeypatch.setattr(training.searching, "search", spy)
    given = options(ravdess_folder, search=2, models="decision_tree", protocols="luna5")
    assert "--search 2" in module.report(given)
    clips = ravdess.index(ravdess_folder)
    folds = make_folds(clips, "luna5")
    assert [(method, count) for _, method, count in seen] == [("optuna", 3)] * len(folds)
    for (groups, _, _), fold in zip(seen, folds, strict=True):
        assert groups == set(actor_groups(clips.loc[fold.train]))


@pytest.mark.parametrize("name", ["soft_voting", "spectrogram_resnet"])
def test_an_unknown_model_is_refused_by_name(name, ravdess_folder):
    module = recipe(name)
    with pytest.raises(SerError):
        module.report(options(ravdess_folder, models="vgg99"))


def test_cremad_valence_keeps_the_eight_features_of_the_final_model():
    module = recipe("cremad_valence")
    names = feature_sets.load("spectral_mean_std").names()
    values = np.arange(22, dtype=np.float32)[None]
    kept = module.final(Features(pd.Index(["a"]), values, names))
    assert len(kept.names) == 8
    assert [names[int(value)] for value in kept.values[0]] == list(kept.names)


def test_aei_2019_measures_both_protocols_and_repeats_its_searches(tmp_path, made_up):
    module = recipe("aei_2019")
    module.PUBLISHED = {"svc": 51.25, "decision_tree": 50.0}
    module.SEARCHES = {"decision_tree": ({"max_depth": [3, 9]}, "random", 3)}
    for actor in range(1, 25):
        for emotion in range(1, 9):
            (tmp_path / f"03-01-{emotion:02}-01-01-01-{actor:02}.wav").write_bytes(b"")
    figures = tmp_path / "figures"
    text = module.report(options(tmp_path, models="svc,decision_tree", figures=str(figures)))
    table = cells(text)
    assert table["model"].tolist() == ["svc", "decision_tree"]
    assert table["published"].tolist() == ["51.2", "50.0"]
    assert column(table, "strict, Luna").max() < 30
    assert "Confusions: svc, Luna folds" in (figures / "figures.html").read_text()
    found = module.report(options(tmp_path, models="decision_tree", search=True))
    assert column(cells(found), "strict, actors 21-24").notna().all()


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
            "recipe",
            lambda name, _: _common.alone(
                Learner("audio", "mfcc_chroma_mel", "knn"), module.MODELS[name][2]
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
        fit = FeatureModel.fit

        def spy(self, features, clips, validation=None):
            seen.extend(clips["actor"])
            return fit(self, features, clips, validation)

        monkeypatch.setattr(FeatureModel, "fit", spy)
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
        monkeypatch.setattr(_common, "result_figures", lambda *_, **__: [])
        module.report(self.given(ravdess_folder, models=models, figures=str(tmp_path / "f")))
        first = range(1, 9) if known == 8 else range(2, 7)
        assert seen == [f"03-01-{emotion:02}-01-01-01-01" for emotion in first]
        page = (tmp_path / "f" / "figures.html").read_text()
        assert "happy: " in page and "sad: " in page
        assert "angry: " not in page
        assert ("neutral: " in page) == (known == 8)

    def test_a_file_of_another_name_is_refused(self, module, ravdess_folder):
        with pytest.raises(SerError):
            module.predicted(self.given(ravdess_folder, predict="talk.wav"))


def test_the_networks_take_the_parameters_of_the_recipe_and_stop_by_training_actors():
    module = recipe("spectrogram_resnet")
    for name in module.MODELS:
        found = module.recipe(name, options("x", size_px=32, epochs=None))
        training.check(found)
        assert found.audio[0].params["epochs"] == 1
        assert found.stop_share > 0


def test_waveform_and_spectrogram_are_drawn_of_any_length():
    module = recipe("spectrogram_resnet")
    for n_samples in (1, 100, 30_000):
        sound = np.sin(np.arange(n_samples) / 10).astype(np.float32)
        drawing = module.waveform_and_spectrogram(sound, "a <b>")
        assert ET.fromstring(drawing).get("aria-label") == "Waveform and spectrogram of a <b>"
        assert 'href="data:image/png' in drawing
