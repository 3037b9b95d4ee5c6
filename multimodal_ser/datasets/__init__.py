"""Data sets: each file turns a folder of recordings into a clips table.

A data set is a module with ``NAME`` and ``index(root)``, which returns the clips table of a
folder (:func:`multimodal_ser.tables.make_clips`), and where it can be checked ``validate(root)``, a
table of what is missing or damaged. Published ones state ``URL``, ``LICENCE`` and ``BIBTEX``.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from multimodal_ser.errors import SerError
from multimodal_ser.plugins import load_plugin

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("audformat", "audiofolder", "cremad", "folder", "nemo", "ravdess", "tess")
#: Ways to keep own recordings: their clips are of the data set ``folder``.
OWN = ("audformat", "audiofolder", "folder")


def load(name: str) -> ModuleType:
    """Return the module of a data set.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> load("ravdess").NAME
        'ravdess'
    """
    return load_plugin(__name__, "data set", name, NAMES)


def index(
    root: str | Path | Sequence[str | Path],
    dataset: str | Sequence[str] | None = None,
    numbers: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the clips table of a folder of recordings, or of several together.

    Args:
        root: folder to walk, or several, whose clips and actors :func:`joined` keeps apart.
        dataset: one of :data:`NAMES`, or one for each folder: how it is read. None
            recognises each by the names of its files.
        numbers: further columns to keep of the tables of ``audformat`` and ``audiofolder``.

    Raises:
        UnknownName: there is no such data set.
        SerError: there is no such folder, or no recording in it, or there are not as many
            data sets as folders.

    Example:
        >>> index("interviews", "folder")  # doctest: +SKIP
    """
    if isinstance(root, (str, Path)):
        names = paired([root], dataset)
        module = load(names[0] or recognise(root))
        return module.index(root, numbers) if hasattr(module, "is_one") else module.index(root)
    roots = list(root)
    pairs = zip(roots, paired(roots, dataset), strict=True)
    return joined((where, index(where, name, numbers)) for where, name in pairs)


class Validated(NamedTuple):
    """What :func:`validate` finds.

    Attributes:
        dataset: as which the folder was read.
        n_files: how many recordings are in it.
        problems: DataFrame with the columns ``kind``, ``path`` and ``detail``, empty when
            all is well.
    """

    dataset: str
    n_files: int
    problems: pd.DataFrame


def validate(
    root: str | Path,
    dataset: str | None = None,
    probe: Callable[[Path], object] | None = None,
) -> Validated:
    """Say what is missing, doubled, unreadable or misnamed in a folder.

    Args:
        root: folder to walk.
        dataset: one of :data:`NAMES`; None recognises it by the names of its files.
        probe: called with each file's path; raises MediaError when it cannot be read. None
            looks at names only.

    Raises:
        UnknownName: there is no such data set.
        SerError: there is no such folder, or no recording in it.
    """
    from multimodal_ser.datasets.files import walk

    name = dataset or recognise(root)
    module = load(name)
    listed = hasattr(module, "is_one")  # whose recordings may be anywhere
    n_files = len(load("folder").recordings(module.index(root))) if listed else len([*walk(root)])
    if not n_files:
        raise SerError(f"{root}: no recording in this folder; check the path")
    return Validated(name, n_files, module.validate(root, probe))


def paired(roots: Sequence[str | Path], dataset: str | Sequence[str] | None) -> list[str | None]:
    """Return the data set of each folder: one for all, one each, or none.

    Raises:
        SerError: there are several data sets, and not as many as folders.

    Example:
        >>> paired(["a", "b"], "cremad"), paired(["a"], None)
        (['cremad', 'cremad'], [None])
    """
    if dataset is None or isinstance(dataset, str):
        return [dataset] * len(roots)
    if len(dataset) in (0, 1):
        return [*dataset, None][:1] * len(roots)
    if len(dataset) != len(roots):
        raise SerError(
            f"{len(dataset)} data sets ({', '.join(dataset)}) are named for {len(roots)} "
            "folder(s); name one for all, one for each in their order, or none"
        )
    return list(dataset)


def recognise(root: str | Path) -> str:
    """Return what a folder is, by its tables, or by what at least half of its files are named.

    Args:
        root: folder to walk; no recording is opened.

    Returns:
        One of :data:`NAMES`, ``folder`` where the names are of no data set.

    Raises:
        SerError: there is no such folder.

    Example:
        >>> recognise("CREMA-D")  # doctest: +SKIP
        'cremad'
    """
    from multimodal_ser.datasets.files import walk

    for name in ("audformat", "audiofolder"):
        if load(name).is_one(root):
            return name
    parsers = {name: load(name).parse_name for name in NAMES if name not in OWN}
    found: Counter[str] = Counter()
    paths = list(walk(root))
    for path in paths:
        for name, parse in parsers.items():
            try:
                parse(path)
            except SerError:
                continue
            found[name] += 1
    name, count = next(iter(found.most_common(1)), ("folder", len(paths)))
    return name if 2 * count >= len(paths) else "folder"


def joined(parts: Iterable[tuple[str | Path, pd.DataFrame]]) -> pd.DataFrame:
    """Return the clips of several sources as one table in which each keeps its own people.

    Clip ids of the published corpora name the corpus. Own recordings do not, so in a join of
    several sources their clips and their data set get the source's name: ``01`` of one folder is
    not ``01`` of the other. A part of a corpus beside another part of it stays one data set.

    Args:
        parts: name or path of each source, and its clips table.

    Returns:
        A clips table with the columns ``tables.CLIP_COLUMNS``.

    Raises:
        TableError: a clip is in two sources.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> one = make_clips([{"clip": "a", "dataset": "folder", "actor": "01"}])
        >>> both = joined([("may", one), ("june", one)])
        >>> both.index.tolist(), both["dataset"].tolist()
        (['june/a', 'may/a'], ['june', 'may'])
    """
    import pandas as pd

    from multimodal_ser.tables import check_clips
    from multimodal_ser.tables.clips import label_order

    parts = list(parts)
    if len(parts) == 1:
        return parts[0][1]
    tables, taken = [], set(NAMES)
    for source, clips in parts:
        name = _free_name(source, taken)
        tables.append(_named(clips, name))
        taken.update(tables[-1]["dataset"])
    every = pd.concat(tables).sort_index().astype({"dataset": "string"})
    words = label_order(word for table in tables for word in table["emotion"].cat.categories)
    return check_clips(every.assign(emotion=pd.Categorical(every["emotion"], words)))


def _free_name(source: str | Path, taken: Collection[str]) -> str:
    """Return the name of a folder or table, with a number where another has that name."""
    from multimodal_ser.tables import io as tableio

    path = Path(source).resolve()
    base = (path.stem if tableio.is_table(path) else path.name) or "data"
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _named(clips: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return clips with a name before the ids and as the data set of those that have none."""
    import pandas as pd

    from multimodal_ser.tables import CLIP_COLUMNS, SPAN_COLUMNS

    own = (clips["dataset"].isna() | (clips["dataset"] == "folder")).to_numpy(dtype=bool)
    ids = clips.index.to_series().astype(object).mask(own, f"{name}/" + clips.index)
    columns = [name for name in (*CLIP_COLUMNS, *SPAN_COLUMNS) if name in clips]
    named = clips[columns].set_axis(pd.Index(ids, dtype=object, name="clip"))
    return named.assign(dataset=clips["dataset"].mask(own, name).to_numpy())
