"""Pages in a real browser: what is clicked and typed there, its policy, and accessibility.

Chromium and Playwright are not everywhere; where one is missing, the tests are skipped.
"""

import shutil
import time
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from multimodal_ser.reports.html import clip_report, run_report
from multimodal_ser.reports.player import Media

LABELS = ["happy", "sad"]
HOSTILE = '<script>window.hacked=1</script>"'
#: Generous, for machines on which much else runs.
WAIT_S = 60
SECONDS = 4


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium here to look at pages with")
    with api.sync_playwright() as started:
        found = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser):
    """Open a page; afterwards its console has to be silent, which broken policies are not."""
    pages, said = [], []

    def opening(path, **options):
        page = browser.new_page(**{"viewport": {"width": 1000, "height": 900}, **options})
        page.set_default_timeout(1000 * WAIT_S)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.resolve().as_uri())
        pages.append(page)
        return page

    yield opening
    assert [page.evaluate("window.hacked") for page in pages] == [None] * len(pages)
    assert said == []
    for page in pages:
        page.close()


def film(path):
    """Write a grey film of :data:`SECONDS`, as browsers play it."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"g": "5"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(10 * SECONDS):
            image = np.full((96, 160), 40 + 4 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def predictions(path, clips=1):
    """A whole and two segments of each clip: happy, then sad."""
    rows = []
    for at in range(clips):
        clip = {"clip": f"c{at} {HOSTILE}", "path": str(path), "modality": "video", "note": ""}
        clip["note"] = HOSTILE if at == 1 else ""
        happy = 0.55 + 0.04 * at if at % 2 else 0.45 - 0.04 * at
        rows.append({**clip, "happy": happy, "segment": pd.NA, "start_s": 0, "end_s": SECONDS})
        for segment in range(2):
            span = {"segment": segment, "start_s": 2 * segment, "end_s": 2 * segment + 2}
            rows.append({**clip, "happy": 0.9 - 0.8 * segment, **span})
    table = pd.DataFrame(rows)
    table = table.assign(sad=1 - table["happy"], segment=table["segment"].astype("Int64"))
    table["emotion"] = np.where(table["happy"] > 0.5, "happy", "sad")
    table["confidence"] = table[LABELS].max(axis=1)
    return table


def shown(rows):
    box = {"person": None, "x": 0.25, "y": 0.25, "w": 0.5, "h": 0.5}
    boxes = pd.DataFrame([{"time_s": at, **box} for at in np.arange(0, SECONDS, 0.1)])
    peaks = np.tile([[-0.5, 0.5]], (50, 1))
    return Media(has_image=True, length_s=SECONDS, size=(160, 96), boxes=boxes, peaks=peaks)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The page of one clip, beside its film."""
    folder = tmp_path_factory.mktemp("one")
    path = film(folder / "a b#1.mp4")
    return clip_report(predictions(path), folder / "page.html", media=shown)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    sf.write(folder / "a.wav", np.zeros(8000 * SECONDS), 8000)
    table = predictions(folder / "a.wav", clips=6)
    return clip_report(table, folder / "page.html", embed=True)


def until(page, expression, *arguments):
    """Wait for what an expression gives; Playwright's own way breaks the policy of the page."""
    end = time.monotonic() + WAIT_S
    while not (found := page.evaluate(expression, *arguments)):
        assert time.monotonic() < end, f"never came true: {expression}"
        page.wait_for_timeout(50)
    return found


def time_is(page, seconds):
    """Wait until the player and the cursors are there."""
    until(
        page,
        "at => Math.abs(document.querySelector('video, audio').currentTime - at) < 0.1"
        " && Math.abs(document.querySelector('.lane').ariaValueNow - at) < 0.15",
        seconds,
    )


def test_a_click_in_a_lane_goes_there_and_the_lane_says_what_is_there(opened, one):
    page = opened(one)
    lane = page.locator(".lane").first
    until(page, "document.querySelector('video').readyState > 0")
    width = lane.bounding_box()["width"]
    lane.click(position={"x": 0.75 * width, "y": 5})
    time_is(page, 3.0)
    assert page.locator(".said").first.inner_text() == "sad 90 %"
    lane.click(position={"x": 0.25 * width, "y": 5})
    time_is(page, 1.0)
    assert page.locator(".said").first.inner_text() == "happy 90 %"
    assert lane.get_attribute("aria-valuetext") == "0:01.0, happy 90 %"


def test_keys_move_the_player_and_space_plays_it(opened, one):
    page = opened(one)
    until(page, "document.querySelector('video').readyState > 0")
    page.locator(".lane").first.focus()
    for key, seconds in (("End", SECONDS), ("Home", 0), ("PageUp", 0.4), ("ArrowRight", 0.6)):
        page.keyboard.press(key)
        time_is(page, seconds)
    page.keyboard.press(" ")
    until(
        page,
        "document.querySelector('video').currentTime > 1"
        " && document.querySelector('.lane').ariaValueNow > 0.9",
    )


def test_the_box_of_the_face_is_drawn_over_the_image(opened, one):
    page = opened(one)
    until(page, "document.querySelector('video').readyState > 1")
    painted = until(
        page,
        """() => {
          const canvas = document.querySelector("canvas");
          const { width, height } = canvas;
          if (!width || !height) return null;
          const found = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          const there = [];
          for (let at = 0; at < width * height; at++)
            if (found[4 * at + 3]) there.push([at % width / width, at / width / height]);
          if (!there.length) return null;
          const x = there.map((one) => one[0]), y = there.map((one) => one[1]);
          return [Math.min(...x), Math.max(...x), Math.max(...y)];
        }""",
    )
    assert painted == pytest.approx([0.25, 0.75, 0.75], abs=0.03)


def test_a_lost_recording_is_said_to_be_lost_and_the_lanes_still_answer(browser, one, tmp_path):
    page = browser.new_page()
    (tmp_path / "moved.html").write_bytes(one.read_bytes())
    page.goto((tmp_path / "moved.html").as_uri())
    page.locator(".lost").wait_for(state="visible", timeout=1000 * WAIT_S)
    lane = page.locator(".lane").first
    lane.click(position={"x": 0.75 * lane.bounding_box()["width"], "y": 5})
    assert page.locator(".said").first.inner_text() == "sad 90 %"
    page.close()


def test_an_overview_sorts_and_filters(opened, many):
    page = opened(many)
    rows = page.locator(".overview tbody tr:visible")
    names = lambda: [text[:2] for text in rows.locator("th").all_inner_texts()]  # noqa: E731
    assert names() == ["c0", "c1", "c2", "c3", "c4", "c5"]
    sure = page.get_by_role("button", name="sure")
    sure.click()
    # 0.55, 0.59, 0.63, 0.67, 0.71, 0.75 are how sure the clips are in turn.
    assert names() == ["c0", "c1", "c2", "c3", "c4", "c5"]
    sure.click()
    assert names() == ["c5", "c4", "c3", "c2", "c1", "c0"]
    assert page.locator("th[aria-sort=descending]").count() == 1
    page.get_by_label("Label").select_option("happy")
    assert names() == ["c5", "c3", "c1"]
    page.get_by_label("Find").fill("C3")
    assert names() == ["c3"] and page.locator(".clip:visible").count() == 1
    page.get_by_label("Find").fill("")
    page.get_by_label("with a note").check()
    assert names() == ["c1"] and "1 of 6" in page.locator(".tools output").inner_text()
    rows.locator("a").first.click()
    page.locator("#clip1 .lane").first.wait_for(state="visible")
    until(page, "document.querySelector('#clip1 audio').readyState > 0")


def test_without_script_the_table_and_the_lanes_are_there(browser, many):
    page = browser.new_page(java_script_enabled=False)
    page.goto(many.as_uri())
    assert page.locator(".overview tbody tr:visible").count() == 6
    assert page.locator(".tools:visible").count() == 0
    page.close()


def test_no_serious_fault_of_accessibility(opened, one, many, make_run, tmp_path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core here")
    run = run_report([make_run(), make_run()], tmp_path / "runs.html", ["a", "b"])
    for path, scheme in ((one, "light"), (one, "dark"), (many, "light"), (run, "dark")):
        # Axe asks for its own script, which the policy of a page forbids.
        page = opened(path, color_scheme=scheme, bypass_csp=True)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        found = axe.Axe().run(page).response
        assert len(found["passes"]) > 10
        bad = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
        assert [(one["id"], [node["html"] for node in one["nodes"][:3]]) for one in bad] == []


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_window(opened, one, many, width):
    for path in (one, many):
        page = opened(path, viewport={"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
