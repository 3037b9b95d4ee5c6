"""Every link of the pages, the README, the cards and the results leads to what is there."""

import re
from pathlib import Path

import pytest
import site_pages
from pages import FILES, ROOT, name, prose, text

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PAGE_IN_SOURCE = re.compile(r"\bdocs/[\w/]+\.(?:md|ipynb)")


def links(path: Path) -> list[str]:
    found = [link for link in _LINK.findall(prose(path)) if not re.match(r"[a-z]+:", link)]
    taken = site_pages._TAKE.finditer(text(path))
    return found + [f"/{take['file']}#{take['anchor']}" for take in taken]


def anchors(path: Path) -> set[str]:
    lines = text(path).splitlines()
    headings = {site_pages.slug(lines[row].lstrip("# ")) for row in site_pages.headings(lines)}
    return headings | {line.removeprefix("::: ") for line in lines if line.startswith("::: ")}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_links_lead_to_files_and_headings(path):
    lost = []
    for link in links(path):
        target, _, anchor = link.partition("#")
        place = ROOT / target[1:] if target.startswith("/") else path.parent / target
        place = place.resolve() if target else path
        if not place.exists() or (anchor and anchor not in anchors(place)):
            lost.append(link)
    assert lost == []


def test_a_lost_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](#one) [b](#two) [c](gone.md) `[d](code)`\n```\n[e](f)\n# No\n```\n")
    assert links(page) == ["#one", "#two", "gone.md"]
    assert anchors(page) == {"one"}


def test_sections_and_tables_are_taken_between_headings(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `b`\none\n\n| x |\n|---|\n\n| y |\n|---|\n```\n# code\n```\n## C\ntwo\n")
    assert site_pages.taken(page, "c") == "two"
    assert site_pages.taken(page, "a-b", tables=True, which="2") == "| y |\n|---|"
    assert site_pages.taken(page, "a-b", tables=True).count("|---|") == 2
    for anchor, which in (("d", None), ("c", None), ("a-b", "3"), ("a-b", "0")):
        with pytest.raises(ValueError):
            site_pages.taken(page, anchor, tables=True, which=which)


def test_pages_that_the_sources_name_exist():
    sources = [
        p
        for room in ("multimodal_ser", "pipelines", "benchmarks")
        for p in (ROOT / room).rglob("*.py")
    ]
    named = {page for path in sources for page in _PAGE_IN_SOURCE.findall(path.read_text())}
    assert {page for page in named if not (ROOT / page).exists()} == set()
    assert "docs/results.md" in named
