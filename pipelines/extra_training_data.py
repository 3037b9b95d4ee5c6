"""What extra training data is worth to the audio branch, measured on people it has not heard.

RAVDESS speech, eight emotions, 2669 functionals, the Luna folds. Each row is
fitted on a fold's training actors and some extra data, and tested on the same
clips as the others: nothing extra; the song of the training actors; CREMA-D,
other people in six of the eight emotions; a changed copy of every training clip
(noise, pitch, speed, gain, or a mixture); song and mixed copies. A copy and a
song are their actor's, and stay out of every fold that tests this actor; extra
clips are never tested.

The parameters of the models are their modules' defaults, written down below,
the same for all rows: they were found without extra data, which is in favour
of the row that has none. Twice as many clips also weigh twice against a fixed
penalty. What that alone does is the row whose extra clips are the training
clips once more, unchanged: a copy is worth what it adds to that row. Scaling
is fitted on all that is trained on.

``--adapted`` measures a second time with each speaker's clips normalised by
that speaker's own, of one kind at a time: speech by speech, song by song,
copies by copies of the kind. That is another protocol, as it needs unlabelled
clips of the person who is tested.

    python pipelines/extra_training_data.py --data RAVDESS --cremad CREMA-D
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import _common
import numpy as np
import pandas as pd
from multimodal_ser.audio.model import AudioModel

from multimodal_ser.audio.augment import Augmentation, augmented_copies
from multimodal_ser.compute.cache import Cache, default_folder
from multimodal_ser.datasets import cremad, ravdess
from multimodal_ser.errors import SerError
from multimodal_ser.evaluation import adaptation, protocol
from multimodal_ser.evaluation.folds import Fold, make_folds, with_extra
from multimodal_ser.evaluation.significance import sign_flip_test
from multimodal_ser.tables import CLIP_COLUMNS, Features
from multimodal_ser.tables.clips import hash_text, table_hash
from multimodal_ser.tables.labels import relabel

FEATURES, SCHEME, FOLDS = "functionals", "emotions8", "luna5"
#: Model -> its parameters, in every row.
MODELS: dict[str, dict] = {
    "logistic_regression": {"c": 0.003},
    "svc": {"c": 1.0, "gamma": "auto"},
}
#: Kind of copy -> what happens to each clip.
COPIES: dict[str, Augmentation] = {
    "noise": Augmentation(kinds=("noise",), probability=1.0, snr_db=(20.0, 20.0)),
    "pitch": Augmentation(kinds=("pitch",), probability=1.0),
    "speed": Augmentation(kinds=("speed",), probability=1.0),
    "gain": Augmentation(kinds=("gain",), probability=1.0),
    "mixed": Augmentation(),
}
NONE, REPEATED = "none", "repeated"
#: Row -> the sources of its extra clips.
ROWS: dict[str, tuple[str, ...]] = {
    NONE: (),
    REPEATED: (REPEATED,),
    "song": ("song",),
    "cremad": ("cremad",),
    **{kind: (kind,) for kind in COPIES},
    "song+mixed": ("song", "mixed"),
}
#: What the table calls the rows.
WORDS = {
    NONE: "none",
    REPEATED: "the same clips once more",
    "song": "song of the training actors",
    "cremad": "CREMA-D",
    "noise": "copies, noise at 20 dB",
    "pitch": "copies, pitch within 2 semitones",
    "speed": "copies, speed 0.9 to 1.1",
    "gain": "copies, gain within 6 dB",
    "mixed": "copies, all four kinds mixed",
    "song+mixed": "song and mixed copies",
}
STRICT = "strict"
NOTES = """
{clips} clips of {actors} actors, 8 emotions, Luna folds; pipelines/extra_training_data.py{words},
seed {seed}. Rates in percent; interval: 95 %, bootstrap over actors; against none, against
once more: WAR minus that of the model's row without extra data, or with the training clips once
more, in points, with the p-value of a sign-flip test over actors, not corrected for there being
{rows} rows. Parameters, the same in all rows: {parameters}.
One copy a training clip; mixed: each of noise (10 to 30 dB), pitch, speed and gain with
probability 1/2. No extra clip is of a tested actor.{cremad}{adapted}
"""
CREMAD_NOTE = """
CREMA-D: {clips} clips of {actors} of its {all_actors} actors, none calm or surprised."""
ADAPTED_NOTE = f"""
{adaptation.NAME}: each feature normalised with each speaker's own unlabelled clips of the same
kind, test speakers' too."""


class Source(NamedTuple):
    """Extra clips and their features."""

    clips: pd.DataFrame
    features: Features


def main() -> int:
    """Measure and print the table."""
    parser = _common.arguments(__doc__, "the RAVDESS clips, spoken and sung")
    parser.add_argument("--cremad", metavar="DIR", help="folder with CREMA-D")
    parser.add_argument("--models", default=",".join(MODELS), help="by comma (default: both)")
    parser.add_argument("--extra", help=f"by comma, of {', '.join(list(ROWS)[1:])} (default: all)")
    parser.add_argument("--adapted", action="store_true", help="measure speaker-adapted too")
    return _common.finish(parser.parse_args(), report)


def report(options: argparse.Namespace) -> str:
    """Return the table and what it means, as Markdown.

    Args:
        options: of :func:`_common.arguments`, and ``cremad``, ``models``,
            ``extra`` and ``adapted``.

    Raises:
        SerError: a model or a kind of extra data is unknown, or has no clips.
    """
    models, names = _wanted(options)
    clips = relabel(ravdess.index(options.data), SCHEME)
    sung = clips[clips["channel"] == "song"]
    clips, features = _common.load(clips[clips["channel"] == "speech"], FEATURES, options)
    speech = Source(clips, features)
    needed = {source for name in names for source in ROWS[name]}
    sources = {name: _source(name, speech, sung, options) for name in sorted(needed)}
    rows, drawn = _rows(STRICT, speech, sources, models, names, options)
    if options.adapted:
        speech = _adapted(speech)
        sources = {name: _adapted(source) for name, source in sources.items()}
        more, also = _rows(adaptation.NAME, speech, sources, models, names, options)
        rows, drawn = rows + more, drawn + also
    _common.write_figures(options, "What extra training data is worth", drawn)
    return _common.markdown(rows, _notes(clips, sources, models, names, options))


def _wanted(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return the models and the rows to measure, those that others are compared with first."""
    models = _common.chosen(options.models, tuple(MODELS), "model")
    names = list(ROWS)
    if options.extra:
        names = _common.chosen(options.extra, names, "extra data")
        if "cremad" in names and not options.cremad:
            raise SerError("the row 'cremad' needs CREMA-D; name its folder with --cremad")
    elif not options.cremad:
        names.remove("cremad")
    if options.quick:
        single = set(COPIES) - {"mixed"}
        models, names = models[:1], [name for name in names if name not in single]
    return models, [name for name in ROWS if name == NONE or name in names]


def _source(name: str, speech: Source, sung: pd.DataFrame, options: argparse.Namespace) -> Source:
    """Return extra clips of one kind; the actors to be tested are still among them."""
    if name == REPEATED:
        return _renamed(speech, name)
    if name in COPIES:
        cache = Cache(options.cache or default_folder())
        shared = {"seed": options.seed, "cache": cache, "workers": options.workers}
        made = augmented_copies(speech.clips, FEATURES, params=COPIES[name], **shared)
        return _renamed(Source(*made), name)
    if name == "song" and sung.empty:
        raise SerError(f"{options.data}: no sung clip; add them, or choose rows with --extra")
    clips = sung if name == "song" else relabel(cremad.index(options.cremad), SCHEME)
    return Source(*_common.load(clips[list(CLIP_COLUMNS)], FEATURES, options))


def _renamed(source: Source, name: str) -> Source:
    # Copies of several kinds may be one row's, and copies are no originals.
    clips = source.clips.set_axis([f"{clip} {name}" for clip in source.clips.index], axis=0)
    index = pd.Index([f"{clip} {name}" for clip in source.features.clips], name="clip")
    features = Features(index, source.features.values, source.features.names)
    return Source(clips.rename_axis("clip"), features)


def _adapted(source: Source) -> Source:
    return Source(source.clips, adaptation.per_speaker(source.features, source.clips))


def joined(parts: Sequence[Features]) -> Features:
    """Return several tables of one feature set as one.

    Args:
        parts: of different clips.

    Example:
        >>> one, two = (Features(pd.Index([c]), np.float32([[1]]), ("rms",)) for c in "ab")
        >>> joined([one, two]).clips.tolist()
        ['a', 'b']
    """
    index = pd.Index([clip for part in parts for clip in part.clips], name="clip")
    return Features(index, np.concatenate([part.values for part in parts]), parts[0].names)


def _rows(
    kind: str,
    speech: Source,
    sources: Mapping[str, Source],
    models: Iterable[str],
    names: Iterable[str],
    options: argparse.Namespace,
) -> tuple[list[dict], list]:
    """Return a row of every model and extra data under one protocol, and its figures."""
    folds = make_folds(speech.clips, FOLDS, seed=options.seed)
    rows, drawn = [], []
    for model in models:
        tables: dict[str, pd.DataFrame] = {}
        for name in names:
            print(f"{kind}, {model}: {WORDS[name]}", file=sys.stderr)
            parts = [sources[source] for source in ROWS[name]]
            # Folds of other clips or another corpus are other folds.
            hashes = [table_hash(source.clips) for source in (speech, *parts)]
            place = _common.place(options, kind, model, name, hash_text(" ".join(hashes)))
            tables[name] = held_out(model, speech, parts, folds, seed=options.seed, resume=place)
            cells = {"protocol": f"{kind} ({FOLDS})", "model": model, "extra data": WORDS[name]}
            cells["training clips a fold"] = f"{_training_clips(speech, parts, folds):.0f}"
            rows.append(cells | _scores(name, tables, speech.clips, options.seed))
            if options.figures:
                title = f"{model}, {kind}, extra: {WORDS[name]}"
                drawn += _common.result_figures(
                    tables[name], speech.clips, title, with_curves=False
                )
    return rows, drawn


def held_out(
    model: str,
    speech: Source,
    parts: Sequence[Source],
    folds: Sequence[Fold],
    *,
    seed: int,
    resume: Path | None = None,
) -> pd.DataFrame:
    """Return the probabilities of the tested clips of all folds.

    Args:
        model: one of :data:`MODELS`.
        speech: the clips that are tested, and in other folds trained on.
        parts: extra clips, of which those of a fold's test actors are left out.
        folds: of the clips of ``speech``.
        seed: of the model.
        resume: a folder of this row's own, see ``protocol.run``.
    """
    features = joined([speech.features, *(part.features for part in parts)])

    def fit(train: pd.DataFrame):
        fitted = AudioModel(FEATURES, model, seed=seed, params=MODELS[model])
        fitted.fit(features, train)
        return lambda test: {"audio": fitted.predict(features, test.index)}

    extra = pd.concat([part.clips for part in parts]) if parts else None
    return protocol.run(speech.clips, folds, fit, extra=extra, resume=resume)["audio"]


def _training_clips(speech: Source, parts: Sequence[Source], folds: Sequence[Fold]) -> float:
    """Return how many clips a fold is trained on, the mean; finished folds count too."""
    counts = []
    for fold in folds:
        train, test = speech.clips.loc[fold.train], speech.clips.loc[fold.test]
        for part in parts:
            train = with_extra(train, part.clips, test)
        counts.append(len(train))
    return float(np.mean(counts))


def _scores(
    name: str, tables: Mapping[str, pd.DataFrame], clips: pd.DataFrame, seed: int
) -> dict[str, str]:
    """Return the cells of a row, compared with two rows of the same model."""
    cells = _common.strict_cells(tables[name], clips, "Luna folds", seed)
    cells = dict(zip(("WAR", "95 % interval", "UAR"), cells.values(), strict=True))
    for other, words in ((NONE, "none"), (REPEATED, "once more")):
        found = ""
        if other in tables and name not in (NONE, other):
            test = sign_flip_test(tables[name], tables[other], clips, metric="war", seed=seed)
            found = f"{100 * test.difference:+.1f} (p {test.p_value:.2g})"
        cells[f"against {words}"] = found or _common.NOTHING
    return cells


def _notes(
    clips: pd.DataFrame,
    sources: Mapping[str, Source],
    models: Sequence[str],
    names: Sequence[str],
    options: argparse.Namespace,
) -> str:
    theirs = sources["cremad"].clips["actor"] if "cremad" in sources else pd.Series()
    n_all = len(cremad.ACTORS)
    return NOTES.format(
        clips=len(clips),
        actors=clips["actor"].nunique(),
        words=_words(options),
        seed=options.seed,
        rows=len(names) * len(models) * (1 + options.adapted),
        parameters="; ".join(f"{model} {_listed(MODELS[model])}" for model in models),
        cremad=CREMAD_NOTE.format(clips=len(theirs), actors=theirs.nunique(), all_actors=n_all)
        * bool(len(theirs)),
        adapted=ADAPTED_NOTE * options.adapted,
    )


def _words(options: argparse.Namespace) -> str:
    """Return the part of the command that says which rows there are."""
    words = " --quick" * options.quick + " --adapted" * options.adapted
    words += f" --models {options.models}" * (options.models != ",".join(MODELS))
    return words + f" --extra {options.extra}" * bool(options.extra)


def _listed(params: Mapping) -> str:
    return ", ".join(f"{name} {value}" for name, value in params.items())


if __name__ == "__main__":
    sys.exit(main())
