"""The site: every page in its navigation, built without a warning, whole without a network."""

import doctest
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from pages import ROOT, name

import multimodal_ser as mser
from multimodal_ser.reports.consent import SENTENCES

HOOKS = ("diagram", "docstrings", "notebook_cells", "site_pages")
#: A rule of a style sheet that loads a file.
_STYLE = re.compile(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)")
#: What a page loads by itself; links that a reader may follow are others.
_LOADS = {"script", "img", "iframe", "source", "video", "audio", "embed", "link"}


class Loaded(HTMLParser):
    """Collects the addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag in _LOADS:
            self.found += [value for key, value in attrs if key in ("src", "href") and value]


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose slugify is a call."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def navigation() -> list[str]:
    import site_pages

    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), _Loader)
    return list(site_pages._paths(site_pages._expanded(config["nav"])))


def test_the_navigation_names_every_page_once():
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    pages |= {f"notebooks/{p.stem}.md" for p in (ROOT / "docs" / "notebooks").glob("*.ipynb")}
    cards = {name(path) for path in ROOT.glob("models/*/MODEL_CARD.md")}
    named = navigation()
    assert len(named) == len(set(named))
    assert pages | cards <= set(named)
    assert {p for p in named if p not in pages and not (ROOT / p).exists()} == set()


def shown_by(page: Path) -> list[str]:
    return re.findall(r"^::: (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_api_has_every_public_name():
    pages = (ROOT / "docs" / "api").glob("*.md")
    shown = [pkgutil.resolve_name(one) for page in pages for one in shown_by(page)]
    missing = [n for n in mser._HOMES if not any(getattr(mser, n) is one for one in shown)]
    assert missing == []
    listed = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "api" / "index.md").read_text()))
    assert set(mser.__all__) <= listed


def test_the_api_has_every_room_of_plug_ins():
    package = Path(mser.__file__).parent
    rooms = [path for path in package.rglob("__init__.py") if "load_plugin(" in path.read_text()]
    names = {f"multimodal_ser.{'.'.join(p.parent.relative_to(package).parts)}" for p in rooms}
    assert len(names) >= 8
    assert names <= set(shown_by(ROOT / "docs" / "api" / "plugins.md"))


@pytest.mark.parametrize("hook", HOOKS)
def test_examples_of_the_hooks(hook):
    assert doctest.testmod(importlib.import_module(hook)).failed == 0


def test_charts_have_every_node_and_arrow():
    import diagram

    drawn = diagram.svg("flowchart TD\n a[x, <y>] --> b[(t)] --> d[z]\n a --> d\n", 'of "it"')
    assert (drawn.count("<rect"), drawn.count('class="arrow"')) == (3, 3)
    assert "x, &lt;y&gt;" in drawn and "of &quot;it&quot;" in drawn
    for chart in ("flowchart TD\n a{b} --> c", "flowchart TD\n a --> b\n b --> a"):
        with pytest.raises(ValueError):
            diagram.svg(chart, "none")


def test_links_between_files_become_links_between_pages():
    import site_pages

    place = {"docs/a.md": "a.md", "models/m/CARD.md": "models/m/CARD.md"}
    text = "[1](../SECURITY.md) [2](../models/m/CARD.md#x) [3](a.md) [4](https://x.y) ![5](i.png)"
    turned = site_pages._turned(text, "docs/b.md", "b.md", place)
    assert turned == "1 [2](models/m/CARD.md#x) [3](a.md) [4](https://x.y) ![5](i.png)"
    inward = site_pages._turned(
        "[a](../../docs/a.md)", "models/m/CARD.md", "models/m/CARD.md", place
    )
    assert inward == "[a](../../a.md)"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "WARNING" not in run.stdout + run.stderr
    return folder


@pytest.mark.long
def test_no_page_loads_anything_from_elsewhere(site):
    pages, sheets = sorted(site.rglob("*.html")), sorted(site.rglob("*.css"))
    assert len(pages) > len(navigation())
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        far = [one for one in loaded.found if re.match(r"(?:https?:)?//", one)]
        assert far == [], page
        assert 'class="mermaid"' not in page.read_text(encoding="utf-8"), page
    for sheet in [*sheets, *pages]:
        assert _STYLE.findall(sheet.read_text(encoding="utf-8")) == [], sheet


@pytest.mark.long
def test_pages_say_consent_and_limits_and_show_what_notebooks_show(site):
    for place in navigation():
        page = site / (place.removesuffix("README.md") + "index.html")
        page = page if place.endswith("README.md") else site / Path(place).with_suffix(".html")
        assert SENTENCES in page.read_text(encoding="utf-8"), place
    shown = (site / "notebooks" / "first_predictions.html").read_text(encoding="utf-8")
    assert shown.count('class="output"') > 5
    assert str(ROOT) not in shown and str(Path.home()) not in shown


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser, site):
    """Open pages of the site from the disk; what they ask of a network is refused and kept."""
    asked: list[str] = []
    contexts = []

    def opened(place: str, **how):
        context = browser.new_context(**how)
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.route(
            re.compile("^https?:"), lambda route: (asked.append(route.request.url), route.abort())
        )
        page.goto((site / f"{place}.html").as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert asked == []


@pytest.mark.long
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_cut_off(opened, width):
    for place in ("index", "limits", "results", "notebooks/own_data", "api/predict"):
        page = opened(place, viewport={"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, place


@pytest.mark.long
def test_the_search_works_from_a_disk(opened):
    page = opened("index", viewport={"width": 1440, "height": 900})
    page.locator("input.md-search__input").click()
    page.locator("input.md-search__input").press_sequentially("leakage")
    page.locator("a.md-search-result__link[href*='concepts/leakage.html']").first.wait_for()


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["index", "limits", "notebooks/first_predictions", "api/predict"])
def test_there_is_no_serious_fault_of_accessibility(opened, place, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = opened(place, color_scheme=scheme, viewport={"width": 1440, "height": 900})
    found = axe.Axe().run(page).response["violations"]
    serious = [f for f in found if f["impact"] in ("serious", "critical")]
    assert [(f["id"], [node["target"] for node in f["nodes"]][:5]) for f in serious] == []
