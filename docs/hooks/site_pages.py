"""What MkDocs does not do for the site by itself: ``mkdocs.yml`` names this file.

Pages may lie outside ``docs/``, as the model cards do: the navigation names them by their path in
the repository, or several by a pattern. Links are written as files in the repository link to each
other, so that they work there too; here they are turned to pages. A notebook becomes a page with
what its cells show, made by running it.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import posixpath
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import diagram
import pymdownx.slugs
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from multimodal_ser.compute.files import write_atomically  # noqa: E402
from multimodal_ser.compute.versions import build  # noqa: E402
from multimodal_ser.reports.consent import SENTENCES  # noqa: E402

slug = partial(pymdownx.slugs.slugify(case="lower"), sep="-")
#: What the notebooks showed, by their content and the state of the library.
KEPT = ROOT / "build" / "notebooks"
#: A line of ``{{section FILE#ANCHOR}}``, ``{{tables FILE#ANCHOR}}``, ``{{tables FILE#ANCHOR 2}}``.
_TAKE = re.compile(
    r"^\{\{(?P<what>section|tables) (?P<file>[^#\s]+)#(?P<anchor>[^\s}]+)(?: (?P<which>\d+))?\}\}$",
    re.MULTILINE,
)
_FENCE = re.compile(r"^(```.*?^```)$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|[#/])([^)\s#]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the files in the place of a pattern of the navigation, and the consent on every page."""
    config.nav = _expanded(config.nav)
    config.copyright = SENTENCES
    return config


def _expanded(nav: Any) -> Any:
    """Return a navigation with the files that its patterns name."""
    if isinstance(nav, dict):
        return {title: _expanded(part) for title, part in nav.items()}
    if not isinstance(nav, list):
        return nav
    parts: list[Any] = []
    for part in nav:
        if isinstance(part, str) and "*" in part:
            found = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(part))
            parts += [path.removeprefix("docs/") for path in found]
        else:
            parts.append(_expanded(part))
    return parts


def _paths(nav: Any) -> Iterator[str]:
    """Yield every file that a navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from _paths(part)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside ``docs/``, and those of the notebooks."""
    for path in _paths(config.nav):
        notebook = files.get_file_from_path(str(Path(path).with_suffix(".ipynb")))
        if notebook is not None and notebook.abs_src_path is not None:
            text = notebook_page(Path(notebook.abs_src_path))
            files.append(File.generated(config, path, content=text))
        elif files.get_file_from_path(path) is None and (ROOT / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put in what a page takes from elsewhere, turn links to pages, and draw flow charts."""
    place = {_in_repository(file): file.src_uri for file in files.documentation_pages()}
    source = _in_repository(page.file)

    def found(take: re.Match[str]) -> str:
        text = taken(ROOT / take["file"], take["anchor"], take["what"] == "tables", take["which"])
        return _turned(text, take["file"], page.file.src_uri, place)

    parts = []
    for part in _FENCE.split(markdown):
        if part.startswith("```mermaid\n"):
            chart = part.removeprefix("```mermaid\n").removesuffix("```")
            parts.append(diagram.svg(chart, f"Chart: {page.title}"))
        elif part.startswith("```"):
            parts.append(part)
        else:
            turned = _turned(part, source, page.file.src_uri, place)
            parts.append(_TAKE.sub(found, turned).replace("{{consent}}", SENTENCES))
            if wrong := re.search(r"^\{\{.*", parts[-1], re.MULTILINE):
                raise ValueError(f"{source}: {wrong[0]} is not understood; use section or tables")
    return "".join(parts)


def taken(path: Path, anchor: str, tables: bool = False, which: str | None = None) -> str:
    """Return what stands between a heading of a file and the next, or its tables alone.

    Args:
        path: of a Markdown file.
        anchor: of the heading, as links name it.
        tables: leave out all but the tables.
        which: the number of the one table that is meant, from 1 on; None for all.

    Raises:
        ValueError: there is no such heading or table.

    Example:
        >>> taken(ROOT / "README.md", "data-and-licence").strip()[:8]
        'The code'
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = headings(lines)
    start = next((row for row in rows if slug(lines[row].lstrip("# ")) == anchor), None)
    if start is None:
        raise ValueError(f"{path.name} has no heading with the anchor {anchor!r}")
    section = lines[start + 1 : min((row for row in rows if row > start), default=len(lines))]
    if not tables:
        return "\n".join(section).strip("\n")
    runs = "\n".join(line if line.startswith("|") else "" for line in section)
    found = [run.strip("\n") for run in re.split(r"\n{2,}", runs) if run.strip()]
    if not 0 < int(which or 1) <= len(found):
        raise ValueError(f"{path.name}#{anchor} has {len(found)} tables")
    return "\n\n".join(found) if which is None else found[int(which) - 1]


def headings(lines: list[str]) -> list[int]:
    """Return where the headings are, those in code left out."""
    found, code = [], False
    for row, line in enumerate(lines):
        code ^= line.startswith("```")
        if not code and re.match(r"#{1,6} ", line):
            found.append(row)
    return found


def _in_repository(file: File) -> str:
    """Return the path in the repository of what a page is made from."""
    if file.src_uri.startswith("notebooks/"):
        return f"docs/{Path(file.src_uri).with_suffix('.ipynb').as_posix()}"
    return file.src_uri if file.generated_by is not None else f"docs/{file.src_uri}"


def _turned(text: str, source: str, page: str, place: dict[str, str]) -> str:
    """Return a text whose links between files of the repository are links between pages.

    What has no page, such as a script, becomes its name: the site may be read where there is no
    repository.
    """
    here, there = posixpath.dirname(source), posixpath.dirname(page) or "."

    def turned(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, link[3]))
        inside = sorted(path for path in place if path.startswith(f"{target}/"))
        if target == "README.md":
            target = "index.md"
        elif target in place or inside:
            target = place[target if target in place else inside[0]]
        elif target.startswith("docs/"):
            target = target.removeprefix("docs/")
        elif (ROOT / target).exists():
            return link[2]
        return f"{link[1]}[{link[2]}]({posixpath.relpath(target, there)}{link[4] or ''})"

    return _LINK.sub(turned, text)


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown, each cell with what it shows.

    Raises:
        RuntimeError: a cell fails.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    results = enumerate(_results(path), start=1)
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text)
        else:
            number, result = next(results)
            parts += [f"```python\n{text}\n```", _output(result, number)]
    title, _, rest = "\n\n".join(filter(None, parts)).partition("\n")
    note = f"*Run while this site was built. The notebook: [{path.name}]({path.name}).*"
    return f"{title}\n\n{note}\n{rest}\n"


def _output(result: dict[str, str | None], number: int) -> str:
    """Return what a cell shows as a block of HTML, in one line that Markdown leaves as it is."""
    texts = [result["printed"], None if result["html"] else result["text"]]
    shown = "".join(f"<pre>{html.escape(text)}</pre>" for text in texts if text)
    shown = (shown + (result["html"] or "")).replace("\n", "&#10;")
    about = f'class="output" role="region" aria-label="Output {number}" tabindex="0"'
    return f"<div {about}>{shown}</div>" if shown else ""


def _results(path: Path) -> list[dict[str, str | None]]:
    """Return what a notebook's code cells show: as kept, or by running it in an empty folder."""
    state = path.read_bytes() + json.dumps(build(), sort_keys=True).encode()
    kept = KEPT / f"{hashlib.sha256(state).hexdigest()[:32]}.json"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            script = str(Path(__file__).with_name("notebook_cells.py"))
            output = Path(folder) / "shown.json"
            mine = {"PYTHONPATH": str(ROOT), "MULTIMODAL_SER_CACHE": f"{folder}/cache"}
            run = subprocess.run(
                [sys.executable, script, str(path), str(output)],
                cwd=folder,
                env=os.environ | mine,
                capture_output=True,
                text=True,
            )
            if run.returncode:
                raise RuntimeError(f"{path.name} does not run:\n{run.stderr[-3000:]}")
            write_atomically(kept, lambda file: file.write(output.read_bytes()))
    result: list[dict[str, str | None]] = json.loads(kept.read_text(encoding="utf-8"))
    return result
