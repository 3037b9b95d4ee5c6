"""Runs a notebook's cells and keeps what they show: ``notebook_cells.py NOTEBOOK SHOWN.json``.

The packages that execute notebooks would be eight more; here a cell is run in the names of the ones
before it, and the value of a last expression is shown, as a notebook does.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
import warnings
from pathlib import Path
from typing import Any


def shown(cell: dict[str, Any], names: dict[str, Any]) -> dict[str, str | None]:
    """Run a cell and return what it shows.

    Args:
        cell: of a notebook, of the type ``code``.
        names: what the cells before it made; what this one makes is added.

    Returns:
        ``printed``; and ``kind``, ``text`` and ``html`` of its last expression's value, None where
        there is no such value or no HTML of it.

    Example:
        >>> shown({"id": "a", "source": ["2 + 2"]}, {})["text"]
        '4'
    """
    tree = ast.parse("".join(cell["source"]))
    ends = tree.body[-1:]
    last = ends[0].value if ends and isinstance(ends[0], ast.Expr) else None
    tree.body = tree.body[: len(tree.body) - (last is not None)]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, cell["id"], "exec"), names)
        value = last and eval(compile(ast.Expression(last), cell["id"], "eval"), names)
    found: dict[str, str | None] = {"printed": printed.getvalue()}
    if value is None:
        return found | {"kind": None, "text": None, "html": None}
    html = getattr(value, "_repr_html_", lambda: None)()
    return found | {"kind": type(value).__name__, "text": repr(value), "html": html}


def main(notebook: str, output: str) -> None:
    """Run a notebook and write a list of what its code cells show."""
    warnings.simplefilter("ignore")
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    found = [shown(cell, names) for cell in cells if cell["cell_type"] == "code"]
    Path(output).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
