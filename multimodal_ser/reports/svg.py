"""Matplotlib figures as SVG that belongs to the page it stands in.

A figure is drawn in stand-in colours, each replaced in the SVG by a variable
of the page's style sheet, so one drawing serves light, dark and print. Text
stays text in the page's font.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

#: A figure and its description in words.
Drawing: TypeAlias = "tuple[Figure, str]"
P = ParamSpec("P")

#: Roles of colours while drawing; what becomes of each is in :data:`_FINAL`.
INK, MUTED, LINE = "#010101", "#020202", "#030303"
HEAT, ON_HEAT, PAPER = "#040404", "#050505", "#060606"
GOOD, BAD = "#070707", "#080808"
SERIES = tuple(f"#0101{at:02x}" for at in range(2, 8))
LABELS = tuple(f"#0102{at:02x}" for at in range(1, 9))

_FINAL = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    HEAT: "var(--heat)",
    ON_HEAT: "var(--on-heat)",
    PAPER: "var(--card)",
    GOOD: "var(--good)",
    BAD: "var(--bad)",
    **{colour: f"var(--s{at})" for at, colour in enumerate(SERIES)},
    **{colour: f"var(--l{at})" for at, colour in enumerate(LABELS)},
}
_STYLE: dict[RcKeyType, object] = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "text.color": INK,
    # A name such as 'a$b$' is a name, not a formula.
    "text.parse_math": False,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "multimodal_ser",
}


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """Return a figure of so many page pixels, and its axes.

    Args:
        width: in CSS pixels at which its text has the size it was drawn in.
        height: in the same pixels.
        rows: axes, one above the other.
        columns: axes, side by side.
        options: for ``Figure.subplots``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
    figure = Figure(figsize=(width / 72, height / 72), dpi=72, layout=layout)
    FigureCanvasAgg(figure)
    figure.patch.set_visible(False)
    return figure, figure.subplots(rows, columns, **options)


def drawn(draw: Callable[P, Drawing]) -> Callable[P, Markup]:
    """Decorate a function that returns a figure and its description: it returns SVG."""

    @functools.wraps(draw)
    def wrapper(*arguments: P.args, **options: P.kwargs) -> Markup:
        import matplotlib

        # 'font.size' and the like are read while artists are made.
        with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
            # The browser has the glyphs that Matplotlib's own font lacks.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            # Names too long to be laid out overlap; that is all.
            warnings.filterwarnings("ignore", message="constrained_layout not applied")
            figure, description = draw(*arguments, **options)
            return _inline(figure, description)

    return wrapper


def _inline(figure, description: str) -> Markup:
    buffer = io.StringIO()
    # Laid out once; savefig would draw once more to find the layout again.
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.S)
    text = " ".join(text.split()).replace("> <", "><")
    text = re.sub(r"font: ([^;\"']*?px) [^;\"]*", r"font: \1 var(--font)", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", text)
    text = re.sub(r"#0[1-8]0[1-8]0[1-8]\b", lambda found: _FINAL.get(found[0], found[0]), text)
    text = _own_names(text)
    width, height = (round(72 * size) for size in figure.get_size_inches())
    opening = Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}" style="max-width:{}px">'
    ).format(width, height, description, round(1.25 * width))
    return opening + Markup(re.sub(r"<svg.*?>", "", text, count=1, flags=re.S).strip())


def _own_names(text: str) -> str:
    """Keep the ids that the figure refers to, and make them its own in the page."""
    mark = "f" + hashlib.sha256(text.encode()).hexdigest()[:8]
    used = set(re.findall(r'xlink:href="#([^"]+)"|url\(#([^)]+)\)', text))
    kept = {name for pair in used for name in pair if name}

    def rename(found: re.Match) -> str:
        return f' id="{mark}{found[1]}"' if found[1] in kept else ""

    text = re.sub(r' id="([^"]*)"', rename, text)
    text = text.replace('xlink:href="#', f'href="#{mark}')
    # What is left are images with their data; the prefix is declared nowhere in a page.
    text = text.replace("xlink:href=", "href=")
    return text.replace("url(#", f"url(#{mark}")
