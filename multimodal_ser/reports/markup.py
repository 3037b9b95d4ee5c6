"""HTML as nested calls that escape whatever is not markup already.

Clip names, titles and labels come from files that anyone may have made. They
reach a page only as arguments of :func:`tag`, which escapes every text that is
not :class:`Markup`; forgetting something shows as visible ``&lt;``, never as a
script.
"""

from __future__ import annotations

import html
from collections.abc import Iterable


class Markup(str):
    """Text that is HTML already; joining it with plain text gives plain text."""


def escape(value: object) -> Markup:
    """Return a value as HTML text; markup passes unchanged.

    Example:
        >>> escape("<b>")
        '&lt;b&gt;'
        >>> escape(Markup("<b>"))
        '<b>'
    """
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def join(parts: Iterable[object], between: str = "") -> Markup:
    """Return the parts one after another, each escaped.

    Example:
        >>> join(["a", tag("b", "<")], ", ")
        'a, <b>&lt;</b>'
    """
    return Markup(html.escape(between).join(escape(part) for part in parts))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element.

    Args:
        name: of the element; written by the program, never taken from data.
        children: texts, which are escaped, and markup; None is left out.
        attributes: escaped; an underscore at the end or within a name is
            dropped or becomes a dash; None is left out, True has no value.

    Example:
        >>> tag("a", "R&D", href='"x"', class_="link", hidden=None)
        '<a href="&quot;x&quot;" class="link">R&amp;D</a>'
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    inner = join(child for child in children if child is not None)
    return Markup(f"<{name}{written}>{inner}</{name}>")


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def table(
    head: Iterable[object],
    rows: Iterable[Iterable[object]],
    *,
    text_columns: int = 1,
    class_: str | None = None,
    caption: str | None = None,
) -> Markup:
    """Return a table in a box that scrolls by itself where it is too wide.

    Args:
        head: column titles.
        rows: of cells; the first cell of a row is its heading.
        text_columns: how many columns stand left; the others are numbers.
        class_: added to the table.
        caption: what the table shows, for those who hear the page.
    """
    titles = [
        tag("th", title, scope="col")
        if at < text_columns
        else tag("th", tag("div", title, class_="head"), scope="col", class_="n")
        for at, title in enumerate(head)
    ]
    body = [_row(list(cells), text_columns) for cells in rows]
    said = tag("caption", caption, class_="unseen") if caption else None
    content = (said, tag("thead", tag("tr", *titles)), tag("tbody", *body))
    return tag("div", tag("table", *content, class_=class_), class_="scroll", tabindex="0")


def _side(at: int, text_columns: int) -> str | None:
    return None if at < text_columns else "n"


def _row(cells: list, text_columns: int) -> Markup:
    first = tag("th", tag("div", cells[0], class_="name"), scope="row")
    rest = [
        cell
        if isinstance(cell, Markup) and cell.startswith("<td")
        else tag("td", cell, class_=_side(at, text_columns))
        for at, cell in enumerate(cells[1:], 1)
    ]
    return tag("tr", first, *rest)
