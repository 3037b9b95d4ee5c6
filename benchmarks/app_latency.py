"""Time the app from drop to first lane, and watch its memory over many clips and a live view.

Run from the repository's root, with Chromium and Playwright::

    python benchmarks/app_latency.py FILM [FILM ...] --rounds 9 --clips 300

*Latency.* The command is started, and one film is dropped that does not count. Then every round
opens a page anew and drops each film: seconds from the drop in the browser until the page shows
the first lane, until it shows boxes and waveform too, and the processor's seconds that server and
children spent on the film as a whole. Medians.

*Memory.* Films are sent to one page, and removed once they are read, over and over; the resident
memory of server and children together, at the start, after a third and so on.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from datetime import date
from pathlib import Path

from _environment import header

RESULTS = Path(__file__).parent / "results"
CHROMIUM = "/usr/bin/chromium"
PACKAGES = ("nicegui", "playwright", "av", "onnxruntime")
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Time, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--picture", type=Path, help="write what the page shows of the first film")
    options = parser.parse_args()
    lines = header(PACKAGES, len(os.sched_getaffinity(0)))
    lines = ["# The app", "", *(f"- {line}" for line in lines), ""]
    server, address = started()
    try:
        if options.picture:
            picture(address, options.films[0], options.picture)
        lines += latency(server.pid, address, options.films, options.rounds)
        lines += memory(server.pid, address, options.films, options.clips)
    finally:
        server.terminate()
        server.wait()
    text = "\n".join([*lines, ""])
    print(text)
    (RESULTS / f"app_latency_{date.today().isoformat()}.md").write_text(text)


def started() -> tuple[subprocess.Popen, str]:
    """Return the running command and its address."""
    words = ["-m", "multimodal_ser", "app", "--port", "0", "--no-browser"]
    server = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    found = re.search(r"http://\S+", server.stdout.readline())
    assert found is not None
    return server, found[0]


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def cpu_s(pid: int) -> float:
    """Return the processor's seconds of a process and its descendants."""
    total = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:13]))
    return total / _TICKS


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process and its descendants, in megabytes."""
    pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid)]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


def latency(pid: int, address: str, films: list[Path], rounds: int) -> list[str]:
    """Return a table of medians, a row per film."""
    from playwright.sync_api import sync_playwright

    rows: dict[Path, list[tuple[float, float, float]]] = {film: [] for film in films}
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        drop(browser, pid, address, films[0])
        for _ in range(rounds):
            for film in films:
                rows[film].append(drop(browser, pid, address, film))
        browser.close()
    lines = ["| film | first lane, s | all shown, s | processor, s |", "|---|---|---|---|"]
    for film, found in rows.items():
        lane, whole, spent = (statistics.median(values) for values in zip(*found, strict=True))
        lines.append(f"| {film.name} | {lane:.2f} | {whole:.2f} | {spent:.2f} |")
    every = sorted(one[0] for found in rows.values() for one in found)
    lines.append("")
    lines.append(f"first lane over all {len(every)} drops: {every[0]:.2f} to {every[-1]:.2f} s")
    return [*lines, ""]


def drop(browser, pid: int, address: str, film: Path) -> tuple[float, float, float]:
    """Return seconds to the first lane, to everything, and of the processor."""
    page = browser.new_page()
    page.goto(address)
    page.wait_for_selector("#give")
    page.wait_for_function("!!window.serApp")
    spent, began = cpu_s(pid), time.perf_counter()
    page.set_input_files("#files", str(film))
    page.wait_for_selector(".view .lane", timeout=300_000)
    first = time.perf_counter() - began
    page.wait_for_selector(".view .wave", timeout=300_000)
    whole = time.perf_counter() - began
    spent = cpu_s(pid) - spent
    page.close()
    return first, whole, spent


def picture(address: str, film: Path, target: Path) -> None:
    """Write a picture of the page with a film, a second into it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1120, "height": 900})
        page.goto(address)
        page.wait_for_selector("#give")
        page.wait_for_function("!!window.serApp")
        page.set_input_files("#files", str(film))
        page.wait_for_selector(".view .wave", timeout=300_000)
        page.evaluate("document.querySelector('.view video').currentTime = 1")
        page.wait_for_timeout(1500)
        page.screenshot(path=target, full_page=True)
        browser.close()


def memory(pid: int, address: str, films: list[Path], clips: int) -> list[str]:
    """Return a table of the memory as clips come and go."""
    from playwright.sync_api import sync_playwright

    lines = ["| clips read | memory of server and children, MB |", "|---|---|"]
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#give")
        key = page.get_attribute("#give", "data-key")
        for at in range(clips + 1):
            if at % max(1, clips // 6) == 0:
                lines.append(f"| {at} | {resident_mb(pid):.0f} |")
            if at < clips:
                sent = send(address, key, films[at % len(films)])
                page.wait_for_selector(f".recordings li:has-text('{sent}') >> text=%", timeout=3e5)
                page.wait_for_selector(".view .wave", timeout=3e5)
                page.click(".recordings .q-checkbox")
                page.get_by_role("button", name="Remove").click()
                page.wait_for_selector(".recordings li", state="detached", timeout=3e5)
        browser.close()
    return lines


def send(address: str, key: str, film: Path) -> str:
    """Upload a film as the page's script does; return its name."""
    url = f"{address}/upload/{key}?name={urllib.parse.quote(film.name)}"
    request = urllib.request.Request(url, data=film.read_bytes(), method="POST")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    return film.name


if __name__ == "__main__":
    main()
