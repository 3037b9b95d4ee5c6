"""The page in Chromium: a real film where there is one, else the synthetic corpus's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import pytest
from playing import PATIENCE_S, until

CHROMIUM = Path("/usr/bin/chromium")
pytest.importorskip("nicegui", reason="the extra 'app' is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
if not CHROMIUM.exists():
    pytest.skip(f"{CHROMIUM} is not here", allow_module_level=True)

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_MS = 1000 * PATIENCE_S
pytestmark = pytest.mark.slow


class Served:
    """The command, running; its address, and what lies in its temporary folder."""

    def __init__(self, temporary: Path):
        temporary.mkdir()
        self.temporary = temporary
        # NiceGUI serves otherwise where it believes that it is tested.
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        env |= {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
        words = ["-m", "multimodal_ser", "app", "--port", "0", "--no-browser"]
        self.process = subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.PIPE, text=True, env=env, cwd=temporary
        )
        timer = threading.Timer(PATIENCE_S, self.process.kill)
        timer.start()
        assert self.process.stdout is not None
        self.address = re.search(r"http://\S+", self.process.stdout.readline())[0]
        timer.cancel()

    def uploads(self) -> list[Path]:
        return list(self.temporary.glob("multimodal_ser-app-*"))

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("served") / "tmp")
    yield made
    made.end()


@pytest.fixture(scope="module")
def film(request) -> Path:
    data = REPOSITORY.parent / "shared" / "data" / "ravdess" / "video" / "Actor_05"
    found = data / "01-01-03-01-01-02-05.mp4"
    return found if found.exists() else sorted(request.getfixturevalue("corpus").rglob("*.mp4"))[0]


@pytest.fixture(scope="module")
def devices(film, tmp_path_factory):
    """What Chromium takes for camera and microphone: the film."""
    import av
    import numpy as np
    import soundfile

    folder = tmp_path_factory.mktemp("devices")
    with av.open(str(film)) as source, av.open(str(folder / "camera.mjpeg"), "w") as target:
        stream = target.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 30)
        for at, frame in enumerate(source.decode(video=0)):
            frame = frame.reformat(640, 360, "yuvj420p")
            frame.pts, frame.time_base = at, Fraction(1, 30)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    with av.open(str(film)) as source:
        resampler = av.AudioResampler("s16", "mono", 48000)
        blocks = [b.to_ndarray()[0] for f in source.decode(audio=0) for b in resampler.resample(f)]
    soundfile.write(folder / "microphone.wav", np.concatenate(blocks), 48000)
    return folder


@pytest.fixture(scope="module")
def browser(devices):
    words = ["--no-sandbox", "--use-fake-device-for-media-stream"]
    words += ["--use-fake-ui-for-media-stream"]
    words += [f"--use-file-for-fake-audio-capture={devices / 'microphone.wav'}"]
    words += [f"--use-file-for-fake-video-capture={devices / 'camera.mjpeg'}"]
    with playwright.sync_playwright() as running:
        made = running.chromium.launch(executable_path=str(CHROMIUM), args=words)
        yield made
        made.close()


@pytest.fixture
def page(browser, served):
    """A page of the app; nothing it does may ask another server or make an error."""
    context = browser.new_context(permissions=["camera", "microphone"])
    made = context.new_page()
    made.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    own = (served.address, served.address.replace("http", "ws"), "blob:", "data:")
    context.on("request", lambda r: None if r.url.startswith(own) else wrong.append(r.url))
    made.goto(served.address)
    made.wait_for_selector("#give")
    until(lambda: made.evaluate("!!window.serApp"))
    yield made
    context.close()
    assert wrong == []


def drop(page, paths):
    page.set_input_files("#files", [str(path) for path in paths])


def states(page) -> list[str]:
    return page.locator(".recordings .state").all_inner_texts()


def test_a_dropped_film_is_read_and_a_click_in_a_lane_goes_there(page, film):
    drop(page, [film])
    page.wait_for_selector(".view canvas")  # boxes come last
    labels = page.locator(".view .tile dd").all_inner_texts()
    lanes = page.locator(".view .lane")
    assert len(labels) >= 2 and lanes.count() >= len(labels) + 1  # and the waveform
    lane = lanes.first
    lane.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.view video').readyState > 0")
    box = lane.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 9)
    length_s = page.evaluate("document.querySelector('.view video').duration")
    until(lambda: page.evaluate("document.querySelector('.view video').currentTime") > 0)
    now_s = page.evaluate("document.querySelector('.view video').currentTime")
    assert now_s == pytest.approx(length_s / 2, abs=0.1 * length_s)


@pytest.mark.long
@pytest.mark.parametrize("ending", ["csv", "srt", "vtt", "TextGrid", "eaf", "html"])
def test_each_format_is_downloaded(page, film, ending):
    drop(page, [film])
    page.wait_for_selector(".view canvas")
    with page.expect_download() as download:
        page.click(f".view .take a[href$='.{ending}']")
    assert download.value.suggested_filename == f"{film.stem}.{ending}"
    verdict = states(page)[0].split()[0]
    assert verdict in Path(download.value.path()).read_text(encoding="utf-8")


@pytest.mark.long
def test_ten_files_at_once_a_broken_one_and_a_hostile_name(page, film, tmp_path):
    paths = []
    for at in range(8):
        paths.append(tmp_path / f"take {at}.mp4")
        paths[-1].write_bytes(film.read_bytes())
    hostile = tmp_path / "<script>document.title=1<.mp4"
    hostile.write_bytes(film.read_bytes())
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(film.read_bytes()[:5000])
    drop(page, [*paths, hostile, broken])
    until(lambda: len(states(page)) == 10 and all("%" in s or "broken" in s for s in states(page)))
    told = dict(
        zip(page.locator(".recordings .clip-name").all_inner_texts(), states(page), strict=True)
    )
    assert "<script>document.title=1<.mp4" in {name.strip() for name in told}
    assert len({text for name, text in told.items() if "broken" not in name}) == 1
    assert "multimodal_ser-app" not in " ".join(told.values())  # none of our paths
    assert page.title() == "Emotion recognition"
    row = page.locator(".recordings li", has_text="<script>")
    row.get_by_role("button", name="Show").click()
    page.locator(".view h2", has_text="<script>").wait_for()


@pytest.mark.long
def test_recording_goes_the_way_of_a_file(page):
    page.click("#record")
    page.wait_for_function("document.getElementById('said').textContent.includes('4 s')")
    page.click("#record")
    page.wait_for_selector(".view .lane")
    assert "recorded" in page.locator(".recordings .clip-name").inner_text()
    page.wait_for_function("document.querySelector('.view video').duration > 2")


@pytest.mark.long
def test_live_predictions_roll_with_their_delay(page):
    page.click("#watch")
    page.wait_for_selector("#live .meter")
    page.wait_for_function("document.querySelectorAll('#live .history > div').length >= 3")
    assert page.locator("#live .now h3").count() == 3  # voice, face, both
    assert re.search(r"\d\.\d s after", page.locator("#live .delay").inner_text())
    page.click("#watch")
    assert page.inner_text("#watch") == "Watch live"


@pytest.mark.long
def test_two_tabs_at_once_and_a_comparison(page, browser, served, film, tmp_path):
    other = browser.new_page()
    other.set_default_timeout(PATIENCE_MS)
    other.goto(served.address)
    other.wait_for_selector("#give")
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(film.read_bytes())
    drop(page, [film, copy])
    drop(other, [film])
    other.wait_for_selector(".view .lane")
    assert len(states(other)) == 1
    other.close()
    until(lambda: len(states(page)) == 2 and all("%" in state for state in states(page)))
    for box in page.locator(".recordings .q-checkbox").all():
        box.click()
    page.get_by_role("button", name="Compare two").click()
    page.wait_for_function("document.querySelectorAll('.view article .lane').length >= 6")
    assert page.locator(".view article").count() == 2


@pytest.mark.long
def test_a_model_adapts_to_a_person(page, film, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(film.read_bytes())
    drop(page, [film, copy])
    until(lambda: len(states(page)) == 2 and all("%" in state for state in states(page)))
    for box in page.locator(".recordings .q-checkbox").all():
        box.click()
    page.get_by_role("textbox", name="Person").fill("Ann")
    page.get_by_role("button", name="Adapt").click()
    page.locator(".view", has_text="adapted to Ann").wait_for()


@pytest.mark.long
def test_the_card_is_one_click_away(page):
    page.get_by_role("button", name="About this model").click()
    page.get_by_role("dialog").get_by_text("Decisions about people").wait_for()


@pytest.fixture(scope="module")
def long_film(film, tmp_path_factory) -> Path:
    """The film many times over, which takes a while to read."""
    import av

    path = tmp_path_factory.mktemp("long") / "long.mkv"
    with av.open(str(path), "w") as target, av.open(str(film)) as first:
        streams = {s.type: target.add_stream_from_template(s) for s in first.streams}
        for at in range(60):
            with av.open(str(film)) as source:
                for packet in source.demux():
                    if packet.dts is None:
                        continue
                    shift = int(at * 3.5 / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[packet.stream.type]
                    target.mux(packet)
    return path


@pytest.mark.long
def test_stop_and_closing_the_page_end_the_work_and_delete_the_files(page, served, long_film):
    before = set(served.uploads())
    drop(page, [long_film])
    until(lambda: any(re.search(r"\d s", state) for state in states(page)))  # of media
    page.get_by_role("button", name="Stop").click()
    until(lambda: states(page) == ["stopped"])
    page.get_by_role("button", name="Predict all again").click()
    until(lambda: any(" of " in state for state in states(page)))
    kept = [folder for folder in served.uploads() if any(folder.glob("*.mkv"))]
    assert len(kept) == 1
    page.close()
    until(lambda: not kept[0].exists())
    assert set(served.uploads()) <= before


@pytest.mark.long
def test_no_serious_fault_of_accessibility(page, film):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not here")
    page.click("#watch")
    page.wait_for_selector("#live .meter")
    page.click("#watch")
    drop(page, [film])
    page.wait_for_selector(".view canvas")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = axe.Axe().run(page).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], [n["html"][:200] for n in one["nodes"]]) for one in serious] == []


@pytest.mark.long
def test_the_end_of_the_server_deletes_everything(tmp_path, browser, film):
    served = Served(tmp_path / "tmp")
    page = browser.new_page()
    page.goto(served.address)
    page.wait_for_selector("#give")
    drop(page, [film])
    until(lambda: any(any(folder.glob("*.mp4")) for folder in served.uploads()))
    served.end()
    page.close()
    assert served.uploads() == []
