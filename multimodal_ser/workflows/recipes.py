"""What an experiment is made of: learners, recipes, and the two that have a name.

A *learner* goes from one input to probabilities: a feature set or a table and a
classifier, or a network over frames. A *recipe* names the learners of each
modality and how they become one answer. On the command line and in Python a
recipe is written as text: ``INPUT:CLASSIFIER``, several joined by ``+``, and
``vote`` for the three classifiers that err differently::

    functionals:vote+random_convolutions:vote
    fer_resnet+action_units:vote
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, NamedTuple, cast

from multimodal_ser.errors import SerError, UnknownName

if TYPE_CHECKING:
    from multimodal_ser.audio.augment import Augmentation

#: The input of networks that look at frames; their backbone is the classifier.
FRAMES = "frames"
#: A kernel, a plane and a network, whose answers the fusion weighs.
VOTE = ("svc", "logistic_regression", "mlp")
#: Inputs of the face that are tables made elsewhere, given as ``NAME=PATH``.
TABLES = ("action_units", "action_unit_frames")
#: Those of them that hold a row per frame, for classifiers that look along time.
SEQUENCES = ("action_unit_frames",)
#: Inputs of the face that are measured in its frames.
MEASURED = ("blendshapes", "estimated_action_units")
#: What inner folds choose from, by input and classifier; elsewhere the classifier's
#: defaults stand. The ranges were settled on the 24 actors of RAVDESS, those of
#: ``functionals`` in the HiCMAE folds, the others in the Luna folds.
CANDIDATES: Mapping[tuple[str, str], tuple[Mapping, ...]] = {
    ("functionals", "svc"): ({"c": 3.0},),
    ("functionals", "logistic_regression"): ({"c": 0.001}, {"c": 0.003}, {"c": 0.01}),
    ("functionals", "mlp"): ({"alpha": 3.0},),
    ("random_convolutions", "svc"): ({"c": 3.0},),
    ("random_convolutions", "logistic_regression"): ({"c": 1e-4}, {"c": 3e-4}, {"c": 1e-3}),
    ("random_convolutions", "mlp"): ({"alpha": 3.0},),
    ("compare2016", "svc"): ({"c": 3.0},),
    ("compare2016", "logistic_regression"): ({"c": 3e-4}, {"c": 1e-3}, {"c": 3e-3}),
    ("compare2016", "mlp"): ({"alpha": 3.0},),
    ("action_units", "svc"): ({"c": 1.0}, {"c": 3.0}),
    ("action_units", "logistic_regression"): ({"c": 0.03}, {"c": 0.1}, {"c": 0.3}),
    ("action_units", "mlp"): ({"alpha": 3.0, "epochs": 100},),
}


@dataclass(frozen=True)
class Learner:
    """One way from a clip to probabilities.

    Attributes:
        modality: ``audio`` or ``video``.
        input: a feature set, a table's name, or :data:`FRAMES`.
        classifier: a classifier of that modality, or a backbone of frames.
        params: of the classifier's ``build``; of a backbone, of ``VideoModel``.
        candidates: parameters of which the inner folds choose those with the
            least log-loss; each is put on top of ``params``.
        space: what a search tries instead of the classifier's ``SEARCH``, as
            ``evaluation.search`` takes it; None takes the classifier's.

    Example:
        >>> Learner("audio", "functionals", "svc").name
        'functionals:svc'
        >>> Learner("video", "frames", "fer_cnn").name
        'fer_cnn'
    """

    modality: str
    input: str
    classifier: str
    params: Mapping = field(default_factory=dict)
    candidates: tuple[Mapping, ...] = ({},)
    space: Mapping | None = None

    @property
    def name(self) -> str:
        """How the learner is called in models and reports."""
        return self.classifier if self.input == FRAMES else f"{self.input}:{self.classifier}"

    @property
    def key(self) -> str:
        """What its input is kept under, beside those of other learners."""
        return f"{FRAMES}:{self.classifier}" if self.input == FRAMES else self.input


@dataclass(frozen=True, repr=False)
class Recipe:
    """What to train, how it is calibrated and fused.

    Attributes:
        audio: learners of the sound, or their text (:func:`learners_in`); none
            for no sound.
        video: learners of the face, likewise.
        every: sample every n-th frame.
        every_seconds: or a frame every so many seconds.
        keyframes_only: or the frames that are coded by themselves; where none
            of the three is given, the backbone's own way.
        sampling: the same as a text: ``every=20``, ``seconds=0.5`` or ``keyframes``;
            it becomes one of the three.
        crop: ``face`` or ``frame``; None takes the backbone's own.
        detector: what finds faces, one of ``video.detectors.NAMES``; None takes
            the backbone's own.
        pooling: how frames become a clip, one of ``fusion.aggregate.NAMES``.
        fusion: how learners become one, one of ``fusion.methods.NAMES``.
        inner_folds: folds of the training actors whose held-out predictions
            choose parameters and fit calibration and fusion, 2 or more; 0 chooses
            and calibrates nothing, as most published systems do, and a fusion
            that would be fitted is the product.
        stop_share: share of a network's training actors, 0 to below 1, whose
            clips stop its training; they take no part in its calibration.
        labels: what to tell apart, one of ``tables.labels.NAMES``.
        copies: how many changed copies of each training clip the audio
            learners learn from too (``audio.augment``).
        augmentation: what may happen to a copy; None takes the defaults.
        search: how many of each audio classifier's ``SEARCH`` parameters are
            tried on the inner folds; 0 takes ``params`` and ``candidates``.
        search_method: one of ``evaluation.search.METHODS``; ``grid`` tries all.
        search_metric: what the search maximises, any scikit-learn metric name.
        adapt: one of ``evaluation.adaptation.TRAINED``: whether each person's (or
            set's) features are normalised by their own unlabelled clips; ``both``
            learns from vectors as they are and normalised, and may adapt or not.
        seed: of everything random.

    Raises:
        SerError: there is no learner at all, two have one name, or a text
            cannot be read.

    Example:
        >>> [learner.name for learner in Recipe(audio="functionals:svc+mlp", video=None).learners]
        ['functionals:svc', 'mfcc_rms:mlp']
        >>> Recipe(audio="functionals:vote", video=None, labels="four")
        Recipe(audio='functionals:vote', video=None, labels='four')
    """

    audio: str | tuple[Learner, ...] | None = "svc"
    video: str | tuple[Learner, ...] | None = "fer_cnn"
    every: int | None = None
    every_seconds: float | None = None
    keyframes_only: bool = False
    crop: str | None = None
    detector: str | None = None
    pooling: str = "mean"
    fusion: str = "log_pool"
    inner_folds: int = 4
    stop_share: float = 0.2
    labels: str = "emotions8"
    copies: int = 0
    augmentation: Augmentation | None = None
    search: int = 0
    search_method: str = "random"
    search_metric: str = "balanced_accuracy"
    adapt: str = "none"
    seed: int = 0
    sampling: InitVar[str | None] = None

    def __post_init__(self, sampling: str | None) -> None:
        if sampling is not None:
            self._sample(sampling)
        for modality in ("audio", "video"):
            given = getattr(self, modality)
            found = learners_in(given, modality) if isinstance(given, str) else tuple(given or ())
            object.__setattr__(self, modality, found)
        if not self.learners:
            raise SerError("there is nothing to train; choose an audio or a video model")
        names = [learner.name for learner in self.learners]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled:
            raise SerError(f"{doubled} is in the recipe twice; name each learner once")
        if self.inner_folds < 0 or self.inner_folds == 1:
            raise SerError(f"{self.inner_folds} inner folds hold nobody out; give 0, or 2 or more")

    def __repr__(self) -> str:
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value in self._said().items())})"

    def _repr_html_(self) -> str:
        from multimodal_ser.reports import notebook

        rows = [(name, str(value)) for name, value in self._said().items()]
        return notebook.about("Recipe", {}, ("option", "value"), rows)

    def _said(self) -> dict[str, object]:
        """Return the learners, as texts where those name them, and what is not the default."""
        said: dict[str, object] = {}
        for modality, learners in (("audio", self.heard), ("video", self.seen)):
            text = text_of(learners)
            try:
                plain = learners_in(text, modality) == learners
            except UnknownName:
                plain = False
            said[modality] = (text or None) if plain else learners
        rest = (one for one in fields(self) if one.name not in said)
        return said | {
            one.name: getattr(self, one.name)
            for one in rest
            if getattr(self, one.name) != one.default
        }

    def _sample(self, text: str) -> None:
        from multimodal_ser.video.sampling import Sampling

        if self.every is not None or self.every_seconds is not None or self.keyframes_only:
            raise SerError(f"sampling={text!r:.80} beside another way to sample; give one of them")
        try:
            ways = asdict(Sampling.of(text))
        except ValueError as error:
            raise SerError(str(error)) from None
        for way, value in ways.items():
            object.__setattr__(self, way, value)

    @property
    def learners(self) -> tuple[Learner, ...]:
        """All learners, those of the sound first."""
        return (*self.heard, *self.seen)

    @property
    def heard(self) -> tuple[Learner, ...]:
        """The learners of the sound."""
        return cast("tuple[Learner, ...]", self.audio)

    @property
    def seen(self) -> tuple[Learner, ...]:
        """The learners of the face."""
        return cast("tuple[Learner, ...]", self.video)

    def name_of(self, modality: str) -> str:
        """Return how the recipe's answer is called in tables.

        Args:
            modality: ``audio``, ``video`` or ``fused``.

        Example:
            >>> Recipe(audio="functionals:vote", video="fer_cnn").name_of("fused")
            'functionals:vote + fer_cnn'
        """
        if modality == "fused":
            return " + ".join(text for text in map(text_of, (self.heard, self.seen)) if text)
        return text_of(self.heard if modality == "audio" else self.seen)

    def with_params(self, **params: object) -> Recipe:
        """Return the recipe with parameters for all its networks over frames."""
        video = (
            replace(one, params={**one.params, **params}) if one.input == FRAMES else one
            for one in self.seen
        )
        return replace(self, video=tuple(video))


def learners_in(text: str, modality: str, *, features: str = "mfcc_rms") -> tuple[Learner, ...]:
    """Return the learners that a text names.

    Args:
        text: ``INPUT:CLASSIFIER`` or one of the two, several joined by ``+``;
            empty or ``none`` for no learner.
        modality: ``audio`` or ``video``.
        features: the input of an audio classifier named alone.

    Raises:
        UnknownName: there is no such input, classifier or backbone.

    Example:
        >>> [learner.name for learner in learners_in("functionals:svc", "audio")]
        ['functionals:svc']
    """
    parts = [part.strip() for part in text.split("+")]
    if parts in (["none"], [""]):
        return ()
    read = _audio_learners if modality == "audio" else _video_learners
    return tuple(learner for part in parts for learner in read(part, features))


def _audio_learners(part: str, default: str) -> tuple[Learner, ...]:
    from multimodal_ser.audio import classifiers, features

    first, _, second = part.partition(":")
    if not second:
        first, second = (first, "vote") if first in features.NAMES else (default, first)
    if first not in features.NAMES:
        raise UnknownName("feature set", first, features.NAMES)
    return _of_input("audio", first, second, classifiers.NAMES)


def _video_learners(part: str, _default: str) -> tuple[Learner, ...]:
    from multimodal_ser.video import backbones, classifiers

    first, _, second = part.partition(":")
    if not second and first in backbones.NAMES:
        return (Learner("video", FRAMES, first),)
    inputs = (*TABLES, *MEASURED)
    if first not in inputs:
        raise UnknownName("video backbone or input", first, (*backbones.NAMES, *inputs))
    usual = "temporal" if first in SEQUENCES else "vote"
    return _of_input("video", first, second or usual, classifiers.NAMES)


def _of_input(modality: str, name: str, classifier: str, known: tuple) -> tuple[Learner, ...]:
    chosen = VOTE if classifier == "vote" else (classifier,)
    for one in chosen:
        if one not in known:
            raise UnknownName(f"{modality} classifier", one, (*known, "vote"))
    return tuple(
        Learner(modality, name, one, candidates=CANDIDATES.get((name, one), ({},)))
        for one in chosen
    )


def text_of(learners: Iterable[Learner]) -> str:
    """Return the text that names learners, votes drawn together.

    Example:
        >>> text_of(learners_in("functionals:vote+random_convolutions:svc", "audio"))
        'functionals:vote+random_convolutions:svc'
    """
    members: dict[str, list[str]] = {}
    for learner in learners:
        members.setdefault(learner.key, []).append(learner.classifier)
    parts = []
    for key, classifiers in members.items():
        if key.startswith(f"{FRAMES}:"):
            parts.append(classifiers[0])
        elif tuple(classifiers) == VOTE:
            parts.append(f"{key}:vote")
        else:
            parts += [f"{key}:{name}" for name in classifiers]
    return "+".join(parts)


class Preset(NamedTuple):
    """A recipe with a name, and the clips and protocol that go with it on RAVDESS.

    Attributes:
        audio: text of the audio learners.
        video: text of the video learners.
        params: of its networks over frames.
        channel: of RAVDESS, ``speech`` or ``both``.
        protocol: of a benchmark on RAVDESS.
    """

    audio: str
    video: str
    params: Mapping
    channel: str
    protocol: str


#: ``best``: what measured best on unseen speakers (docs/results.md). ``aei2019``: the
#: published system of ``pipelines/aei_2019.py``.
PRESETS: Mapping[str, Preset] = {
    "best": Preset(
        "functionals:vote+random_convolutions:vote", "fer_resnet", {}, "speech", "luna5"
    ),
    "aei2019": Preset("mfcc_rms:svc", "fer_cnn", {}, "both", "aei"),
}


def grid(base: Recipe, audio: Iterable[str], video: Iterable[str]) -> list[Recipe]:
    """Return one recipe for every pair of an audio and a video text.

    Args:
        base: everything but the learners.
        audio: texts of audio learners, ``none`` for no sound.
        video: texts of video learners, ``none`` for no face.

    Example:
        >>> [recipe.name_of("audio") for recipe in grid(Recipe(), ["svc", "knn"], ["none"])]
        ['mfcc_rms:svc', 'mfcc_rms:knn']
    """
    heard = [learners_in(text, "audio") for text in audio]
    seen = [learners_in(text, "video") for text in video]
    return [replace(base, audio=a, video=v) for a in heard for v in seen if a or v]
