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
    text = _TABLE.sub(lambda table: f"{table[1]}```text\n{table[0]}\n{table[1]}```", text)
    text = re.sub(r"::$", ":", text, flags=re.MULTILINE)
    return re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)


class Docstrings(griffe.Extension):
    """Turns every docstring as it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Turn one."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)
