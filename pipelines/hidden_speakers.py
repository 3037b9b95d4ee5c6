"""What it costs not to know who speaks, and what grouping clips by their sound does about it.

Training clips of a few speakers, with and without the column ``actor``; the model is then asked
about other speakers. *named*: the column is there. *one by one*: it is not, and each clip is held
out by itself. *grouped*: it is not, and clips that sound alike are held out together, which is
what ``multimodal-ser train`` does (``workflows.unknown_speakers``). Means over draws of speakers.

    python pipelines/hidden_speakers.py --data CREMA-D
"""

from __future__ import annotations

import argparse
import sys
from unittest import mock

import _common
import pandas as pd

from multimodal_ser import datasets
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import metrics
from multimodal_ser.tables import selection
from multimodal_ser.workflows import training
from multimodal_ser.workflows.data import Data, extract
from multimodal_ser.workflows.recipes import Recipe

#: Speakers to learn from -> clips of each: 300 or so in all, so that speakers are what differs.
SIZES = {4: 72, 10: 30, 30: 12}
#: Speakers to be asked about, and clips of each.
OTHERS, CLIPS_OF_OTHER = 30, 12
WAYS = ("named", "one by one", "grouped")


def drawn(clips: pd.DataFrame, actors: list[str], count: int, seed: int) -> pd.DataFrame:
    """Return so many clips of each actor, as many of each label as can be."""
    part = clips[clips["actor"].isin(actors)].sample(frac=1, random_state=seed)
    rank = part.groupby(["actor", "emotion"], observed=True).cumcount()
    return (
        part.assign(rank=rank).sort_values("rank").groupby("actor").head(count).drop(columns="rank")
    )


def draws(clips: pd.DataFrame, n_speakers: int, count: int, options: argparse.Namespace):
    """Yield training clips and clips of other speakers."""
    actors = pd.Series(sorted(clips["actor"].dropna().unique()))
    n_others = min(OTHERS, len(actors) - n_speakers)
    if n_others < 2:
        return
    for draw in range(options.draws):
        order = actors.sample(frac=1, random_state=1000 * options.seed + draw).tolist()
        train = drawn(clips, order[:n_speakers], count, draw)
        yield train, drawn(clips, order[-n_others:], CLIPS_OF_OTHER, draw)


def measured(train: pd.DataFrame, test: pd.DataFrame, data: Data, recipe: Recipe, way: str) -> dict:
    """Return what a model says of itself, and what it is worth on other speakers."""
    known = train if way == "named" else train.assign(actor=pd.NA).astype({"actor": "string"})
    if way == "one by one":
        with mock.patch.object(training, "grouped", lambda clips, _inputs: clips):
            model, told = training.fit(data, known, recipe, progress=False)
    else:
        model, told = training.fit(data, known, recipe, progress=False)
    said = model.combiner(model.learner_tables(test.index, data.inputs), test.index)["audio"]
    score = metrics.score(said, test["emotion"])
    return {
        "UAR said": told["held_out"][0]["uar"],
        "UAR of others": score["uar"],
        "right": score["war"],
        "sure": said.max(axis=1).mean(),
        "ECE": score["ece"],
    }


def report(options: argparse.Namespace) -> str:
    """Return the scores as Markdown."""
    labels = options.labels
    clips = selection.labelled(datasets.index(options.data), labels)
    clips = clips[clips["audio"].notna() & clips["actor"].notna()]
    recipe = Recipe(audio=options.audio, video=None, labels=labels, seed=options.seed)
    plans = [(n, *pair) for n, count in SIZES.items() for pair in draws(clips, n, count, options)]
    if not plans:
        raise SerError(f"{options.data}: too few speakers; give a corpus of six or more")
    every = sorted({clip for _, *parts in plans for part in parts for clip in part.index})
    data = extract(
        clips.loc[every],
        recipe,
        cache=Cache(options.cache),
        workers=Engine.of(options.workers, several=True),
    )
    heard = set.intersection(*(set(one.clips) for one in data.inputs.values()))
    rows = []
    for n_speakers, *parts in plans:
        train, test = (part[part.index.isin(heard)] for part in parts)
        rows += [
            {"speakers": n_speakers, "column actor": way} | measured(train, test, data, recipe, way)
            for way in WAYS
        ]
    means = pd.DataFrame(rows).groupby(["speakers", "column actor"], sort=False).mean()
    cells = means.mul(100).map("{:.1f} %".format).reset_index().astype({"speakers": str})
    note = (
        f"{options.audio}, labels {labels}, means of {options.draws} draws; each of others' clips "
        f"({OTHERS} speakers at most, {CLIPS_OF_OTHER} clips of each) is of nobody in training."
    )
    return _common.markdown(cells.to_dict("records"), note)


def main() -> int:
    """Print the table."""
    parser = _common.arguments(__doc__, "a corpus of known speakers")
    parser.add_argument("--audio", default="functionals:logistic_regression")
    parser.add_argument("--labels", default="cremad6", help="(default: %(default)s)")
    parser.add_argument("--draws", type=int, default=5, help="of speakers (default: %(default)s)")
    return _common.finish(parser.parse_args(), report)


if __name__ == "__main__":
    sys.exit(main())
