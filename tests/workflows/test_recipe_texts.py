"""What texts name which learners, and what the presets are."""

import itertools
from dataclasses import replace

import pytest

from multimodal_ser.audio import classifiers, features
from multimodal_ser.errors import SerError, UnknownName
from multimodal_ser.video import backbones
from multimodal_ser.video import classifiers as of_video
from multimodal_ser.workflows import training
from multimodal_ser.workflows.recipes import (
    CANDIDATES,
    MEASURED,
    PRESETS,
    TABLES,
    VOTE,
    Learner,
    Recipe,
    grid,
    learners_in,
    text_of,
)

AUDIO = [f"{one}:{two}" for one, two in itertools.product(features.NAMES, classifiers.NAMES)]
VIDEO = [f"{one}:{two}" for one, two in itertools.product((*TABLES, *MEASURED), of_video.NAMES)]
#: Texts of several learners.
SEVERAL = (
    "functionals:vote",
    "functionals:vote+random_convolutions:vote",
    "mfcc_rms:svc+log_mel:rnn",
)
SEEN = ("fer_resnet+action_units:vote", "blendshapes:vote", "fer_cnn+fer_resnet")


def texts():
    for text in (*AUDIO, *SEVERAL, *(preset.audio for preset in PRESETS.values())):
        yield text, "audio"
    for text in (*VIDEO, *SEEN, *backbones.NAMES, *(preset.video for preset in PRESETS.values())):
        yield text, "video"


def test_every_text_comes_back_from_its_learners():
    for text, modality in texts():
        learners = learners_in(text, modality)
        assert text_of(learners) == text
        assert all(one.modality == modality for one in learners)
        assert text_of(learners_in(text_of(learners), modality)) == text


@pytest.mark.parametrize(
    ("text", "modality", "names"),
    [
        ("svc", "audio", ["mfcc_rms:svc"]),
        ("functionals", "audio", [f"functionals:{name}" for name in VOTE]),
        (" svc + log_mel:rnn ", "audio", ["mfcc_rms:svc", "log_mel:rnn"]),
        ("action_units", "video", [f"action_units:{name}" for name in VOTE]),
        ("fer_cnn", "video", ["fer_cnn"]),
        ("none", "video", []),
        ("", "audio", []),
    ],
)
def test_short_texts(text, modality, names):
    assert [one.name for one in learners_in(text, modality)] == names


@pytest.mark.parametrize(
    ("text", "modality"),
    [
        ("svm", "audio"),
        ("mfcc:svc", "audio"),
        ("mfcc_rms:svm", "audio"),
        ("svc+", "audio"),
        ("cnn", "video"),
        ("fer_cnn:svc", "video"),
        ("action_units:knn", "video"),
        ("none+svc", "audio"),
    ],
)
def test_a_text_that_names_nothing_is_refused(text, modality):
    with pytest.raises(UnknownName):
        learners_in(text, modality)


def test_recipes_of_nothing_or_of_one_learner_twice_are_refused():
    for fields in (
        {"audio": None, "video": None},
        {"audio": "svc+mfcc_rms:svc"},
        {"inner_folds": 1},
        {"audio": (Learner("audio", "mfcc_rms", "knn"),) * 2},
    ):
        with pytest.raises(SerError):
            Recipe(**fields)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_trained(name):
    preset = PRESETS[name]
    training.check(Recipe(audio=preset.audio, video=preset.video))


def test_candidates_are_parameters_of_their_classifiers():
    for (_, classifier), candidates in CANDIDATES.items():
        for params in candidates:
            (of_video if classifier in of_video.NAMES else classifiers).load(classifier).build(
                **params
            )


def test_a_grid_leaves_out_the_pair_of_nothing():
    recipes = grid(Recipe(seed=3), ["svc", "none"], ["fer_cnn", "none"])
    assert [one.name_of("fused") for one in recipes] == [
        "mfcc_rms:svc + fer_cnn",
        "mfcc_rms:svc",
        "fer_cnn",
    ]
    assert {one.seed for one in recipes} == {3}


def test_params_for_networks_reach_no_other_learner():
    recipe = Recipe(audio="svc", video="fer_cnn+action_units:svc").with_params(epochs=3)
    assert [dict(one.params) for one in recipe.learners] == [{}, {"epochs": 3}, {}]


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("every=7", {"every": 7}),
        ("seconds=0.5", {"every_seconds": 0.5}),
        ("keyframes", {"keyframes_only": True}),
    ],
)
def test_a_sampling_is_one_of_the_three_ways(text, way):
    recipe = Recipe(sampling=text)
    assert recipe == Recipe(**way)
    assert replace(recipe, seed=1) == Recipe(**way, seed=1)  # it is not asked for again


@pytest.mark.parametrize("more", [{"every": 20}, {"every_seconds": 1.0}, {"keyframes_only": True}])
def test_two_samplings_are_refused(more):
    with pytest.raises(SerError):
        Recipe(sampling="every=20", **more)
    with pytest.raises(SerError):
        Recipe(sampling="often")
