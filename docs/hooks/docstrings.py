"""Makes Markdown of the docstrings' reStructuredText before the API's pages are written.

The docstrings are Google's, with roles (``:func:``), simple tables and ``Example:``, which griffe
reads as a note and not as code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|mod|data|meth|attr|exc):`~?(?:[^`<]*<)?([^`>]+)>?`")
_TABLE = re.compile(r"^( *)(=+(?: +=+)+\n.*\n *=+(?: +=+)+)$", re.MULTILINE | re.DOTALL)


def markdown(text: str) -> str:
    """Return a docstring as Markdown.

    Example:
        >>> markdown("See :func:`~multimodal_ser.tables.top`::")
        'See `top`:'
    """
    text = _ROLE.sub(lambda role: f"`{role[1].rpartition('.')[2]}`", text)
    text = _TABLE.sub(_table, text)
    text = re.sub(r"::$", ":", text, flags=re.MULTILINE)
    return re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)


def _table(found: re.Match[str]) -> str:
    """Return a simple table as Markdown's; a cell that goes on in the next line is one."""
    rows: list[list[str]] = []
    for line in found[0].splitlines():
        cells = re.split(r" {2,}", line.strip())
        if line.startswith(" ") and not found[1] and rows:
            rows[-1][-1] += f" {line.strip()}"
        elif not line.strip().startswith("="):
            rows.append(cells)
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"{found[1]}| {' | '.join(row)} |" for row in rows)


class Docstrings(griffe.Extension):
    """Turns every docstring as it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Turn one."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)
