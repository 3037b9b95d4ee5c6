"""Own recordings in a database in audformat, as people of audEERING and nkululeko keep them.

A folder with the header ``db.yaml``, its tables, and media below it (``tables.audformat``). The
column ``emotion`` (or ``label``) of any table is the label, ``speaker`` the actor and ``gender``
(or ``sex``) the sex, which the scheme of the speakers may say too. Where a segmented table has
labels, each of its segments is a clip: the sound of a recording from its start to its end. Labels
stay as they are written; splits and raters are not looked at, and where two tables say different
things of a file (such as two raters), the file of one of them is to be given instead of the
folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from multimodal_ser.datasets import folder, takes
from multimodal_ser.errors import SerError
from multimodal_ser.tables import audformat as databases

NAME = "audformat"
is_one = databases.is_database


def index(root: str | Path, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """Return the clips table of a database.

    Args:
        root: folder of the database.
        numbers: further columns of its tables to keep, such as ``arousal``.

    Returns:
        A clips table, with ``start_s`` and ``end_s`` where its clips are segments.

    Raises:
        TableError: the header or a table is damaged, or tables differ.
        SerError: there is no file in its tables.
    """
    table = databases.read(root, (*folder.LIST_COLUMNS[1:], *numbers))
    if table.empty:
        raise SerError(f"{root}: its tables name no file; check the database")
    return folder.listed(table, root, root, numbers)


def validate(root: str | Path, probe: takes.Probe | None = None) -> pd.DataFrame:
    """Say what is missing, unlabelled, identical or unreadable in a database.

    Args:
        root: its folder.
        probe: as for ``folder.validate``.

    Returns:
        As ``folder.validate`` does.

    Raises:
        SerError: as for :func:`index`.
    """
    return folder.validate_listed(index(root), root, probe)
