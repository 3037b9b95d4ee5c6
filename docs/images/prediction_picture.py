"""Draw ``prediction.png``, the README's picture, of the page that ``make demo`` writes.

    make demo
    .venv/bin/python docs/images/prediction_picture.py demo-output/prediction.html

It needs Chromium (``--browser`` names another) and Playwright. The face is drawn and the voice
synthetic: no recording of a person is in the picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path

#: Of the picture in CSS pixels; the moment that is shown, as a share of the clip.
WIDTH, HEIGHT, MOMENT = 1000, 1190, 0.6


def draw(page: Path, output: Path, browser: str) -> None:
    """Open a page, go to a moment, and keep what is seen.

    Args:
        page: of one clip.
        output: PNG.
        browser: the program.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        view = opened.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        view.goto(page.resolve().as_uri())
        lane = view.locator(".lane").first
        place = lane.bounding_box()
        assert place is not None, "the page has no lane"
        lane.click(position={"x": MOMENT * place["width"], "y": 5})
        view.wait_for_timeout(1500)  # the browser decodes, and hides the player's buttons
        view.evaluate("document.activeElement.blur()")
        view.screenshot(path=str(output))
        opened.close()


def main() -> int:
    """Read the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("prediction.png"))
    parser.add_argument("--browser", default="/usr/bin/chromium")
    options = parser.parse_args()
    draw(options.page, options.output, options.browser)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
