"""The card of a released model: what it is, how it was measured, what it is not for.

The sections follow M. Mitchell et al., "Model cards for model reporting", FAT*
2019, section 4, in the order in which someone who may use the model asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.errors import SerError
from multimodal_ser.reports.consent import SENTENCES

#: Heading of each section, in order; every card has all of them.
SECTIONS = (
    "What it is",
    "Use",
    "Not for",
    "Data",
    "Licence",
    "Protocol",
    "Results",
    "Calibration",
    "Limits",
    "Bias",
    "Reproduce",
)
NAME = "MODEL_CARD.md"


def card(title: str, sections: Mapping[str, str]) -> str:
    """Return a card as Markdown, whose "Use" ends with consent and limits.

    Args:
        title: the model's name.
        sections: heading -> text, one for each of :data:`SECTIONS`.

    Raises:
        SerError: a section is missing, empty or unknown: a card with a gap
            where its limits should be is worse than none.

    Example:
        >>> text = card("tiny", {name: "Nothing." for name in SECTIONS})
        >>> text.splitlines()[:3]
        ['# tiny', '', '## What it is']
    """
    lost = [name for name in SECTIONS if not sections.get(name, "").strip()]
    strange = [name for name in sections if name not in SECTIONS]
    if lost or strange:
        word = f"lacks {lost[0]!r}" if lost else f"has an unknown section {strange[0]!r}"
        raise SerError(f"the card of {title} {word}; it needs {', '.join(SECTIONS)}")
    parts = [f"# {title}"]
    for name in SECTIONS:
        parts += [f"## {name}", sections[name].strip("\n")]
        parts += [SENTENCES] if name == "Use" else []
    return "\n\n".join(parts) + "\n"


def write_card(folder: str | Path, title: str, sections: Mapping[str, str]) -> Path:
    """Write a model's card into its folder.

    Raises:
        SerError: see :func:`card`.
        OSError: the file cannot be written.
    """
    path = Path(folder) / NAME
    text = card(title, sections)
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


def sections(text: str, names: Sequence[str] = SECTIONS) -> dict[str, str]:
    """Return sections of a card, as far as it has them.

    Args:
        text: of the card.
        names: headings, in the order of the result.

    Example:
        >>> made = card("tiny", {name: f"About {name}." for name in SECTIONS})
        >>> sections(made, ["Not for", "Unknown"])
        {'Not for': 'About Not for.'}
    """
    parts = [part.partition("\n") for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]]
    found = {head.strip(): body.strip() for head, _, body in parts}
    return {name: found[name] for name in names if name in found}
