"""What there is to read, and its blocks of code, as the tests of the documentation take them."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PATTERNS = ("*.md", "docs/**/*.md", "docs/**/*.ipynb", "models/**/*.md", "benchmarks/**/*.md")
FILES = sorted(path for pattern in _PATTERNS for path in ROOT.glob(pattern))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?:    .*\n)+", re.MULTILINE)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text(path: Path) -> str:
    """A page's Markdown; of a notebook, that of its cells."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return content
    cells = [c for c in json.loads(content)["cells"] if c["cell_type"] == "markdown"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def prose(path: Path) -> str:
    """A page without its code, in which a bracket is no link."""
    return re.sub(r"`[^`\n]*`", "`code`", _FENCE.sub("", text(path)))


def blocks(path: Path) -> list[tuple[str, str]]:
    """Each block of code: its language, empty where none is said, and its text."""
    content = text(path)
    indented = [("", match[0]) for match in _INDENTED.finditer(_FENCE.sub("", content))]
    return [(match[1], match[2]) for match in _FENCE.finditer(content)] + indented
