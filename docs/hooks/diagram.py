"""Draws the flow charts of the pages as SVG while the site is built.

Mermaid, which GitHub shows them with, is a script that a browser would fetch from the network, and
its command-line tool brings a browser of its own. These charts need boxes, tables and arrows alone.
"""

from __future__ import annotations

import re
from html import escape
from itertools import pairwise

_NODE = re.compile(r"(\w+)(?:\[\(([^)]*)\)\]|\[([^\]]*)\])?")
#: Sizes in pixels: of a box, from row to row, from column to column, of a letter on average.
_HEIGHT, _ROW, _GAP, _LETTER = 32, 60, 24, 7.5


def svg(chart: str, label: str) -> str:
    r"""Return a flow chart as SVG, from top to bottom, coloured by the page's style.

    Args:
        chart: Mermaid's ``flowchart`` of ``name[text]``, ``name[(table)]`` and ``-->``.
        label: what the drawing shows, for those who cannot see it.

    Raises:
        ValueError: a line has anything else, or the arrows go in a circle.

    Example:
        >>> svg("flowchart TD\n a[one] --> b[(two)]", "two steps").count("<rect")
        2
    """
    texts, arrows = _parsed(chart)
    rows = _rows(list(texts), arrows)
    width = max(len(text) for text, _ in texts.values()) * _LETTER + 16
    columns = max(map(len, rows))
    full = columns * (width + _GAP)
    middles: dict[str, tuple[float, float]] = {}
    for row, names in enumerate(rows):
        left = (full - len(names) * (width + _GAP)) / 2
        for column, name in enumerate(names):
            middles[name] = (left + (column + 0.5) * (width + _GAP), row * _ROW + _HEIGHT / 2 + 1)
    drawn = [_arrow(middles[start], middles[end]) for start, end in arrows]
    drawn += [_box(*middles[name], width, *texts[name]) for name in texts]
    size = f"{full:.0f} {(len(rows) - 1) * _ROW + _HEIGHT + 2}"
    style = f'style="max-width:{full:.0f}px"'
    title = escape(label, quote=True)
    return f'<svg class="diagram" role="img" aria-label="{title}" viewBox="0 0 {size}" {style}>' + (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>'
        + "".join(drawn)
        + "</svg>"
    )


def _parsed(chart: str) -> tuple[dict[str, tuple[str, bool]], list[tuple[str, str]]]:
    """Return name -> (text, whether it is a table), and the arrows."""
    texts: dict[str, tuple[str, bool]] = {}
    arrows: list[tuple[str, str]] = []
    for line in filter(None, map(str.strip, chart.strip().splitlines()[1:])):
        names = []
        for part in line.split("-->"):
            node = _NODE.fullmatch(part.strip())
            if node is None:
                raise ValueError(
                    f"{part.strip()!r} in {line!r}: only NAME[text], NAME[(table)], -->"
                )
            name, table, text = node.groups()
            if name not in texts or table or text:
                texts[name] = (table or text or name, table is not None)
            names.append(name)
        arrows += pairwise(names)
    return texts, arrows


def _rows(names: list[str], arrows: list[tuple[str, str]]) -> list[list[str]]:
    """Return the names by the length of the longest way to them."""
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for start, end in arrows:
            depth[end] = max(depth[end], depth[start] + 1)
    if any(depth[end] <= depth[start] for start, end in arrows):
        raise ValueError("the arrows go in a circle")
    return [[n for n in names if depth[n] == row] for row in range(max(depth.values()) + 1)]


def _box(x: float, y: float, width: float, text: str, table: bool) -> str:
    """Return a node, round where it is a table."""
    corner = f'x="{x - width / 2:.1f}" y="{y - _HEIGHT / 2:.1f}"'
    size = f'width="{width:.1f}" height="{_HEIGHT}" rx="{_HEIGHT / 2 if table else 4:.0f}"'
    return f'<rect {corner} {size}/><text x="{x:.1f}" y="{y + 5:.1f}">{escape(text)}</text>'


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return the line from the foot of one node to the head of another."""
    (x1, y1), (x2, y2) = start, end
    y1, y2 = y1 + _HEIGHT / 2, y2 - _HEIGHT / 2
    middle = (y1 + y2) / 2
    way = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}"
    return f'<path class="arrow" d="{way}" marker-end="url(#tip)"/>'
