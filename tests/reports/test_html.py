import dataclasses
import html
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.errors import SerError, TableError
from multimodal_ser.evaluation import folds
from multimodal_ser.evaluation.runs import ADAPTATIONS
from multimodal_ser.reports import player, sections, svg, wording
from multimodal_ser.reports.blocks import View
from multimodal_ser.reports.html import clip_report, run_report
from multimodal_ser.reports.markup import Markup
from multimodal_ser.tables import EMOTIONS

VOID = {"meta", "br", "img", "link", "input", "wbr"}


class Page(HTMLParser):
    """Collects what the tests ask about, and refuses tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.tags, self.links, self.said = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        attributes = dict(attributes)
        self.tags.append(name)
        self.ids += [attributes["id"]] if "id" in attributes else []
        for key in ("src", "href", "xlink:href", "action", "data"):
            if key in attributes:
                self.links.append((name, attributes[key]))
        assert not [key for key in attributes if key.startswith("on")]
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.handle_starttag(name, attributes)
        self.handle_endtag(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.said.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.said).split())


def read(path):
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    # There are no scripts but those that the policy names.
    scripts = [one for one in (player.PLAYER, player.OVERVIEW) if one.hash in text]
    assert page.tags.count("script") == len(scripts)
    assert all(text.count(f"<script>{one.text}</script>") == 1 for one in scripts)
    assert "iframe" not in page.tags
    for name, target in page.links:
        assert target.startswith("#") or (name == "a" and target.startswith("https://zenodo.org/"))
    assert "url(http" not in text and "@import" not in text
    ids = [name for name in page.ids if not re.fullmatch("f[0-9a-f]{8}.*", name)]
    assert len(ids) == len(set(ids))
    assert {target[1:] for name, target in page.links if name == "a" and target[0] == "#"} <= {*ids}
    return page


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Reports without the drawing, which has tests of its own and takes the time."""
    bare = '<svg class="plot" role="img"></svg>'
    monkeypatch.setattr(svg, "_inline", lambda figure, description: Markup(bare))
    return lambda *runs: read(run_report(list(runs), tmp_path / "deep" / "report.html"))


def test_a_run_has_every_section_and_says_how_it_was_made(report, make_run):
    page = report(make_run(git="abc123", versions={"numpy": "2"}, command="benchmark x", seconds=5))
    assert {name for name, _, _ in sections.SECTIONS} <= set(page.ids)
    for said in ("abc123", "numpy 2", "multimodal-ser benchmark x", "48 clips of set"):
        assert said in page.text
    assert wording.PROTOCOLS["leave_one_actor_out"] in page.text
    assert "speaker-independent" in page.text and "LEAKY" not in page.text


def test_the_headline_numbers_are_those_of_the_protocol(report, make_run):
    from multimodal_ser.evaluation import protocol

    run = make_run()
    page = report(run)
    for model in run.models:
        got = protocol.summary(model.probabilities, run.clips, seed=run.seed)
        low, high = (wording.percent(got[f"uar_{end}"]) for end in ("low", "high"))
        assert f"{wording.percent(got['uar'])} {low} to {high}" in page.text


def test_names_from_data_are_text(hostile_run, tmp_path):
    page = read(run_report([hostile_run], tmp_path / "report.html"))
    assert page.tags.count("svg") >= 12
    assert hostile_run.title in page.text
    assert "../../x" not in [target for _, target in page.links]


def test_leaky_and_adapted_are_marked_everywhere(report, make_run):
    page = report(make_run(protocol="random_leaky", leaky=True, adaptation="person"))
    assert page.text.startswith("[LEAKY]")
    assert wording.LEAKY_TITLE in page.text and wording.ADAPTED["person"].title in page.text
    assert page.text.count("LEAKY") >= 5, "title, head, and each row of scores"
    assert "speaker-independent" not in page.text


def test_each_adaptation_has_words_of_its_own(report, make_run):
    assert {"none", *wording.ADAPTED} == set(ADAPTATIONS)
    runs = [make_run(title=kind, adaptation=kind) for kind in ADAPTATIONS]
    page = report(*runs)
    assert page.text.count("speaker-independent") == 2, "in the run's head and its data"
    for words in wording.ADAPTED.values():
        assert page.text.count(words.title) == 2, "above the comparison and in its own run"
        assert page.text.count(words.badge) >= 8


def test_what_each_fold_chose_is_a_folded_table_of_text(report, make_run):
    run = make_run()
    chosen = ({"fold": "one", "C": 10, "units": [64, 32]}, {"fold": "two", "C": "<i>"})
    models = (dataclasses.replace(run.models[0], chosen=chosen), *run.models[1:])
    page = report(dataclasses.replace(run, models=models))
    assert "fold C units one 10 [64, 32] two <i> –" in page.text  # noqa: RUF001
    empty = (dataclasses.replace(run.models[0], chosen=({}, {})), *run.models[1:])
    assert "chosen inside each fold" in report(dataclasses.replace(run, models=empty)).text
    assert page.tags.count("details") == 2 and report(run).tags.count("details") == 1


def test_a_run_that_hides_its_leak_is_marked_all_the_same(report, make_run):
    run = make_run()
    mixed = pd.Series([f"f{n % 2}" for n in range(len(run.clips))], run.clips.index, dtype=object)
    models = tuple(dataclasses.replace(model, folds=mixed) for model in run.models)
    page = report(dataclasses.replace(run, models=models))
    assert wording.LEAKY_TITLE in page.text
    assert "The run does not say so" in page.text


def test_without_a_fused_model(report, make_run):
    run = make_run()
    page = report(dataclasses.replace(run, models=run.models[:1]))
    assert "nothing to compare" in page.text


def test_one_actor_has_no_interval(report, make_run):
    page = report(make_run(actors=1))
    assert "rests on fewer than two actors" in page.text and "no interval" in page.text


def test_a_class_that_no_clip_has(report, make_run):
    page = report(make_run(emotions=EMOTIONS[:5]))
    assert "surprised 0" in page.text


def test_a_model_without_any_prediction(report, make_run):
    run = make_run()
    nothing = run.models[1].probabilities * np.nan
    empty = dataclasses.replace(run.models[1], probabilities=nothing)
    page = report(dataclasses.replace(run, models=(run.models[0], empty, run.models[2])))
    assert "eye" in page.text


def test_unknown_actors_are_said(report, make_run):
    run = make_run()
    clips = run.clips.assign(actor=pd.array([None] * len(run.clips), dtype="string"))
    page = report(dataclasses.replace(run, clips=clips))
    assert "no known actor" in page.text


def test_several_runs_are_compared_on_top(report, make_run):
    leaky = make_run(title="Shuffled", protocol="random_leaky", leaky=True)
    page = report(make_run(title="Strict"), leaky)
    assert {"compare", "run1-top", "run2-top", "run1-scores", "run2-worst"} <= set(page.ids)
    assert "best" in page.text and "paired sign-flip" in page.text
    assert "different protocols" in page.text
    assert page.text.index(wording.LEAKY_TITLE) < page.text.index("Class by class")


def test_runs_of_one_title_are_told_apart(make_run, tmp_path, monkeypatch):
    monkeypatch.setattr(svg, "_inline", lambda figure, description: Markup("<svg></svg>"))
    runs = [make_run(), make_run()]
    assert "A test (1)" in (text := read(run_report(runs, tmp_path / "a.html")).text)
    assert "A test (2)" in text
    text = read(run_report(runs, tmp_path / "b.html", ["plain", "augmented"])).text
    assert "plain" in text and "augmented" in text and "(1)" not in text


def test_a_class_that_no_clip_has_is_nowhere_drawn(make_run):
    run = make_run(emotions=EMOTIONS[:5])
    view = View.of(run)
    found = sections.classes(view)
    assert view.there == list(EMOTIONS[:5]) and found["lacking"] == list(EMOTIONS[5:])
    counts = pd.DataFrame(np.diag([2, 0, 1, 0]), list("abcd"), list("abcd"))
    counts.loc["a", "d"] = 1
    kept = sections._that_occur(counts)
    assert list(kept.index) == ["a", "c"] and list(kept.columns) == ["a", "c", "d"]


def test_runs_that_disagree_about_a_label_are_refused(make_run, tmp_path):
    one, two = make_run(title="one"), make_run(title="two")
    clips = two.clips.copy()
    clips.loc[clips.index[0], "emotion"] = "sad"
    with pytest.raises(SerError):
        run_report([one, dataclasses.replace(two, clips=clips)], tmp_path / "x.html")
    with pytest.raises(SerError):
        run_report([], tmp_path / "x.html")


def test_every_protocol_has_its_words():
    assert set(wording.PROTOCOLS) == set(folds.NAMES)
    assert [name for name in wording.PROTOCOLS if name in folds.LEAKY] == ["random_leaky"]


def predictions(clip="talk", frames=5, labels=("sad", "happy")):
    rng = np.random.default_rng(0)
    kinds = [("video", n, n / 3) for n in range(frames)]
    kinds += [(name, pd.NA, np.nan) for name in ("audio", "video", "fused")]
    values = rng.dirichlet([1] * len(labels), len(kinds))
    rows = [
        {"clip": clip, "path": "/home/me/talk.mp4", "modality": m, "frame": f, "time_s": t}
        | {"emotion": labels[0], "second": labels[1], "confidence": p.max()}
        | dict(zip(labels, p, strict=True))
        for (m, f, t), p in zip(kinds, values, strict=True)
    ]
    return pd.DataFrame(rows).astype({"frame": "Int64"})


def test_a_clip_has_its_timeline_and_results(tmp_path):
    page = read(clip_report(predictions("<b>../x"), tmp_path / "clip.html"))
    for said in ("<b>../x", "audio", "Of the whole recording", "version"):
        assert said in page.text
    assert "/home/me" not in page.text
    assert page.tags.count("svg") == 3  # the lanes


def test_clips_without_timeline_and_several_clips(tmp_path):
    table = predictions(frames=0).drop(columns=["frame", "time_s"])
    assert "Of the whole recording" in read(clip_report(table, tmp_path / "clip.html")).text
    both = pd.concat([predictions("one"), predictions("two")])
    page = read(clip_report(both, tmp_path / "clip.html"))
    assert "2 recordings" in page.text and {"clip0", "clip1"} <= set(page.ids)


def test_what_is_no_prediction_is_refused(tmp_path):
    good = predictions()
    with pytest.raises(TableError):
        clip_report(good.drop(columns="modality"), tmp_path / "x.html")
    with pytest.raises(TableError):
        clip_report(good.iloc[:0], tmp_path / "x.html")
    with pytest.raises(TableError):
        clip_report(good.assign(sad=0.9, happy=0.9), tmp_path / "x.html")


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (390, 1280)
#: A browser's window has a least width, a frame in it has not.
PROBE = """<!doctype html><title></title><body>{frames}<script>
onload = () => {{ document.title = [...document.querySelectorAll("iframe")].map(frame => {{
  const inside = frame.contentWindow;
  const width = inside.document.documentElement.scrollWidth;
  return [inside.innerWidth, width, inside.hacked || 0].join(" ");
}}).join(", "); }}
</script></body>"""


def look(text, folder):
    """Return window width, document width and signs of a script, for each of WIDTHS."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium here to look at the page with")
    frame = '<iframe style="width:{}px;height:800px;border:0" srcdoc="{}"></iframe>'
    probe = folder / "probe.html"
    frames = "".join(frame.format(width, html.escape(text)) for width in WIDTHS)
    probe.write_text(PROBE.format(frames=frames), encoding="utf-8")
    switches = "headless no-sandbox disable-gpu disable-quic no-first-run hide-scrollbars dump-dom "
    switches += "disable-background-networking disable-component-update disable-sync"
    command = [browser, *(f"--{switch}" for switch in switches.split())]
    command += [f"--user-data-dir={folder / 'browser'}", "--window-size=1400,900", probe.as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = re.search("<title>([^<]+)</title>", run.stdout)
    assert found, run.stderr[-500:]
    return [tuple(map(int, each.split())) for each in found[1].split(", ")]


def test_a_page_fits_the_window_of_a_phone_and_of_a_desk(hostile_run, make_run, tmp_path):
    long = make_run(title="W" * 120, command="x" * 300, model_names=("m" * 60, "n_" * 30))
    text = run_report([hostile_run, long], tmp_path / "r.html").read_text(encoding="utf-8")
    # Without the policy against scripts, so that escaping alone has to hold.
    bare = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert bare != text
    for wanted, (window, document, hacked) in zip(WIDTHS, look(bare, tmp_path), strict=True):
        assert window == wanted
        assert document <= window
        assert hacked == 0, "a name from the data ran as a script"


def test_a_note_is_on_the_page_of_a_clip_once(tmp_path):
    table = predictions().assign(note="no speech heard: <silence>", set="sad")
    text = read(clip_report(table, tmp_path / "clip.html")).text
    assert text.count("no speech heard: <silence>") == 1
    assert "Note" not in read(clip_report(predictions(), tmp_path / "clip.html")).text
