"""What a report says in words: protocols, warnings, numbers."""

from __future__ import annotations

import math
from typing import NamedTuple

from multimodal_ser.evaluation.runs import Run

#: Fold scheme -> how it splits the speakers; a test holds this to ``folds.NAMES``.
PROTOCOLS = {
    "aei": "Models learn from actors 1 to 20 and are tested on actors 21 to 24, once.",
    "luna5": "Five folds of four or five actors each, as published by Luna-Jiménez et al. (2022): "
    "every actor is tested once, by models that never saw that actor.",
    "hicmae6": "Six folds of four consecutive actors, as in HiCMAE (Sun et al., 2024): every "
    "actor is tested once, by models that never saw that actor.",
    "emobox6": "Six folds of four actors, as in EmoBox (Ma et al., 2024): every actor is tested "
    "once, by models that never saw that actor.",
    "actors": "The actors are dealt out to folds at random, each sex by itself: every actor is "
    "tested once, by models that never saw that actor.",
    "leave_one_actor_out": "One fold per actor: each is tested by models that learnt from all "
    "the others.",
    "corpora": "One fold per data set: each is tested by models that learnt from all the others, "
    "on the labels that it shares with them.",
    "random_leaky": "Clips are dealt out to folds at random, so the same speaker, and often the "
    "same sentence in the same emotion, is in training and in test.",
}
#: Shown where there is no value.
NONE = "\u2013"
MINUS = "\u2212"

_OWN = "The clips were split by a scheme of the user's own, called {}."

LEAKY_TITLE = "Leaky split: not a result about new speakers"
LEAKY_TEXT = (
    "The same speakers are, or may be, in training and in test, so these numbers are too high for "
    "anyone the models have not heard. They show what leakage is worth; do not cite them as "
    "accuracy."
)


class Adapted(NamedTuple):
    """How pages mark a run whose models were adapted to the recordings they are tested on."""

    badge: str
    title: str
    text: str


#: By the kinds of ``runs.ADAPTATIONS``, but for none; a test holds this to them.
ADAPTED = {
    "person": Adapted(
        "speaker-adapted",
        "Speaker-adapted: the test speakers' own recordings were used",
        "Features were normalised with each test speaker's own unlabelled clips. This needs "
        "several clips of a speaker before the first prediction; compare it with speaker-adapted "
        "results only.",
    ),
    "set": Adapted(
        "set-adapted",
        "Set-adapted: the test recordings as a whole were used",
        "Features were normalised with the unlabelled clips of all test speakers together. This "
        "needs a set of recordings before the first prediction; compare it with set-adapted "
        "results only.",
    ),
}


def protocol_sentence(run: Run) -> str:
    """Return how the run split the clips, in words."""
    return PROTOCOLS.get(run.protocol, _OWN.format(run.protocol))


def is_leaky(run: Run) -> bool:
    """Tell whether a run says it is leaky, or its folds show that it is."""
    return run.leaky or bool(run.split_actors())


def percent(value: float, digits: int = 1) -> str:
    """Return a share as a percentage, a dash where there is none.

    Example:
        >>> percent(0.876), percent(float("nan"))
        ('87.6', '–')
    """
    return NONE if math.isnan(value) else f"{100 * value:.{digits}f}"


def points(value: float) -> str:
    """Return a difference of shares in percentage points, with its sign.

    Example:
        >>> points(0.031), points(-0.2), points(0.0)
        ('+3.1', '−20.0', '0.0')
    """
    if math.isnan(value):
        return NONE
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def p_text(value: float) -> str:
    """Return a p-value as people write it.

    Example:
        >>> p_text(0.0004), p_text(0.0312), p_text(float("nan"))
        ('< 0.001', '0.031', '–')
    """
    if math.isnan(value):
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    Example:
        >>> count(1, "clip"), count(1440, "clip")
        ('1 clip', '1,440 clips')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
