"""What a terminal obeys does not reach it, and the ends of a run are one line each."""

import ast
import contextlib
import os
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

import multimodal_ser
from multimodal_ser.cli import main, requests, terminal
from multimodal_ser.compute import workers
from multimodal_ser.errors import SerError, printable
from multimodal_ser.tables import failure_table

ROOM = os.path.dirname(multimodal_ser.__file__)
#: Escape sequences that clear, retitle and overwrite; controls of C1; both kinds of bidi
#: controls; new lines that Unicode knows; a byte that is no UTF-8.
HOSTILE = (
    *("\x1b[2J\x1b[1;1H", "\x1b]0;owned\x07", "\x9b31m", "\r", "a\nerror: b", "\t", "\x7f", "\x00"),
    *("\u202egpj", "\u2066a\u2069", "\u200f", "\u2028", "\u2029", "\x85", "\udcff", "\ue000"),
)


def obeyed(text):
    return [c for c in text if c != "\n" and unicodedata.category(c)[0] == "C"]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_terminal_obeys_is_printable(text):
    shown = printable(f"a{text}b")
    assert shown.isprintable() and shown.isascii() and shown[0] + shown[-1] == "ab"


def test_names_of_any_language_are_shown_as_they_are():
    for name in ("Ärger.wav", "怒り.mp4", "злость", "غضب", "a b\u3000c", "\\x1b", "[red]"):
        assert printable(name) == name


def test_the_command_prints_in_one_place():
    found = set()
    for folder, _, names in os.walk(os.path.join(ROOM, "cli")):
        for name in (name for name in names if name.endswith(".py")):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                tree = ast.parse(file.read())
            calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
            if any(isinstance(call, ast.Name) and call.id == "print" for call in calls):
                found.add(name)
            if any(isinstance(call, ast.Attribute) and call.attr == "write" for call in calls):
                assert "sys.stdout.write" not in ast.unparse(tree)
    assert found == {"printing.py"}


def test_names_of_files_and_folders_reach_the_terminal_escaped(tmp_path, capfd):
    folder = tmp_path / "\x1b[31mfolder"
    folder.mkdir()
    for text in HOSTILE:
        name = f"{text}.wav".replace("\x00", "")
        (folder / os.fsencode(name).decode("utf-8", "surrogateescape")).write_bytes(b"x")
    for words in (["index", folder], ["predict", folder, "--quiet"], ["validate", folder],
                  ["extract", folder, "--quiet"], ["\x1b[2J"], ["index", "x", "--\x9b"],
                  ["predict", folder / "\x1b[2J\nnone.wav", "--quiet"]):  # fmt: skip
        try:
            main([str(word) for word in words])
        except SystemExit as ended:
            assert ended.code == 2
        said = capfd.readouterr()
        assert not obeyed(said.out + said.err), words
        assert said.out + said.err


def test_cells_and_titles_of_a_table_are_escaped(capsys):
    for text in (text for text in HOSTILE if text != "\udcff"):  # which pandas takes for no text
        terminal.show([{f"a{text}": f"b{text}"}], f"c{text}")
        shown = capsys.readouterr().out
        assert not obeyed(shown) and shown.count("\n") < 8


def test_labels_and_notes_of_predictions_are_escaped(capsys):
    row = {"clip": "a", "path": "a\x1b[2J.mp4", "modality": "fused", "emotion": "s\x1b[2Jad"}
    row |= {"second": "c\nalm", "confidence": 0.6, "c\nalm": 0.4, "note": "\u202en"}
    terminal.show_predictions(pd.DataFrame([row]))
    assert not obeyed(capsys.readouterr().out)


def test_two_problems_of_one_film_are_one_line(capsys):
    errors = {"a.mp4": ("no sound", "no image"), "b.mp4": ("cut", "cut")}
    rows = [(path, path, "", f"{path}: {said}") for path, both in errors.items() for said in both]
    assert requests.say_failures(failure_table(rows)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("error")] == [
        "error: a.mp4: no sound; also: no image",
        "error: b.mp4: cut",
    ]


def out_of_memory(*_given):
    raise MemoryError


def test_memory_that_runs_out_costs_the_clip_and_names_it():
    outcome = workers.run_here(out_of_memory, "a", ("\nfilm.mp4",))
    assert outcome.value is None and "film.mp4: " in outcome.error


def test_memory_that_runs_out_anywhere_else_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr("multimodal_ser.datasets.index", out_of_memory)
    assert main(["index", "some folder"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: some folder: ") and said.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="reads Linux's /proc")
def test_sigterm_ends_with_a_message_and_leaves_no_worker(corpus, tmp_path):
    words = [sys.executable, "-m", "multimodal_ser", "extract", corpus, "--workers", "2", "--quiet",
             "--cache", tmp_path / "cache"]  # fmt: skip
    with subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, text=True) as run:
        begun, children = time.monotonic(), []
        while not children and run.poll() is None and time.monotonic() - begun < 60:
            time.sleep(0.01)
            children = _children(run.pid)
        os.kill(run.pid, signal.SIGTERM)
        said = run.communicate(timeout=60)[1]
    assert run.returncode == 143, said
    assert len(said.splitlines()) == 1 and "SIGTERM" in said
    for pid in children:
        for _ in range(100):
            if not os.path.exists(f"/proc/{pid}"):
                break
            time.sleep(0.05)
        assert not os.path.exists(f"/proc/{pid}")


def _children(pid):
    # Of each thread: which of them started a child is the run's own affair.
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            found += task.read_text().split()
    return found


def test_sigterm_is_left_to_whoever_else_heeds_it(tmp_path, capsys):
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        own = signal.getsignal(signal.SIGTERM)
        main(["index", str(tmp_path)])
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_models_record_that_is_none_is_an_error_of_one_line(tmp_path, content):
    from multimodal_ser.cli.verbs.evaluate import _say_trained_on

    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(SerError):
        _say_trained_on(str(tmp_path), None)
