"""Jinja2 as every page uses it: what is put into a template is escaped.

Clip names, titles and labels come from files that anyone may have made. They reach a
page only through the templates in ``templates/``, where autoescape is on: whatever is
not :class:`Markup` already shows as text, and is never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from multimodal_ser.reports import wording

TEMPLATES = Environment(
    loader=PackageLoader("multimodal_ser.reports"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals["words"] = wording
TEMPLATES.filters |= {name: getattr(wording, name) for name in ("percent", "points", "p_text")}
TEMPLATES.filters |= {"counted": wording.count, "grouped": lambda number: f"{number:,.0f}"}
TEMPLATES.tests["missing"] = pd.isna


def breakable(name: object) -> Markup:
    """Return a name that may go on in the next line after ``:``, ``+``, ``_`` and ``/``.

    Example:
        >>> print(breakable("functionals:svc"), breakable("<a_b>"))
        functionals:<wbr>svc &lt;a_<wbr>b&gt;
    """
    return join(
        Markup("{}<wbr>").format(part) if part in tuple(":+_/") else part
        for part in re.split("([:+_/])", str(name))
    )


def join(parts: Iterable[str]) -> Markup:
    """Return the parts one after another, each escaped unless it is markup.

    Example:
        >>> print(join(["<i>", Markup("<b>")]))
        &lt;i&gt;<b>
    """
    return Markup("").join(parts)


TEMPLATES.filters["breakable"] = breakable
