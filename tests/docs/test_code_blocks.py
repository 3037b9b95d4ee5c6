"""The code of the pages: Python compiles and names what there is, commands are understood.

``docs/python.md`` is run as a whole (tests/workflows/test_inference.py), the notebooks too.
"""

import argparse
import ast
import contextlib
import doctest
import importlib
import io
import re
import shlex
from pathlib import Path

import pytest
from pages import FILES, ROOT, blocks, name

import multimodal_ser as mser
from multimodal_ser.cli import parser
from multimodal_ser.cli.verbs import NAMES

_COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?(multimodal-ser|python|pytest) .*", re.MULTILINE)
_SCRIPT = re.compile(r"(pipelines|benchmarks|tests)/[\w/]+\.py$")


def python(path: Path) -> list[str]:
    """The Python of a page; of a session, its statements."""
    found = [code for language, code in blocks(path) if language == "python"]
    sessions = doctest.DocTestParser()
    return [
        "".join(one.source for one in sessions.get_examples(code)) if ">>>" in code else code
        for code in found
    ]


def commands(path: Path) -> list[list[str]]:
    """The command lines of a page as words; what may be left out, in brackets, is there."""
    code = [text for language, text in blocks(path) if language in ("", "sh", "shell", "bash")]
    lines = "\n".join(code).replace("    ", "").replace("\\\n", "")
    found = [match[0].removeprefix("$ ") for match in _COMMAND.finditer(lines)]
    bare = [re.sub(r"\[(--[^\]]*)\]", r"\1", line).replace("...", "") for line in found]
    return [shlex.split(line, comments=True) for line in bare]


@pytest.mark.parametrize("path", [path for path in FILES if python(path)], ids=name)
def test_python_compiles_and_names_what_there_is(path):
    for code in python(path):
        tree = ast.parse(code)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "multimodal_ser"
            ):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        importlib.import_module(f"{node.module}.{alias.name}")
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "mser":
                assert node.attr in mser.__all__


@pytest.mark.parametrize("path", [path for path in FILES if commands(path)], ids=name)
def test_commands_are_understood(path, monkeypatch):
    wrong = []
    for words in commands(path):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            understood = is_understood(words, monkeypatch)
        if not understood:
            wrong.append((" ".join(words), said.getvalue()[-200:]))
    assert wrong == []


def is_understood(words: list[str], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the command or script takes these words; nothing is run."""
    program = words[0].rpartition("/")[2]
    if program == "multimodal-ser":
        return parses(lambda: parser.build().parse_args(words[1:]))
    scripts = [word for word in words if _SCRIPT.match(word)]
    if program == "pytest" or not scripts:
        return all((ROOT / word).exists() for word in words if word.startswith("tests/"))
    monkeypatch.setattr("sys.argv", [*scripts, *words[words.index(scripts[0]) + 1 :]])
    monkeypatch.syspath_prepend(str((ROOT / scripts[0]).parent))
    return parses(importlib.import_module(Path(scripts[0]).stem).main, monkeypatch)


class Understood(Exception):
    """The words were taken; stop before anything is done."""


def parses(run, monkeypatch=None) -> bool:
    plain = argparse.ArgumentParser.parse_args

    def stop(self, args=None, namespace=None):
        plain(self, args, namespace)
        raise Understood

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        try:
            run()
        except Understood:
            return True
        except SystemExit as status:
            return status.code == 0
    return False


def options_of(one: argparse.ArgumentParser) -> set[str]:
    """The options of a parser and of the parsers within it."""
    parts = [action.choices for action in one._actions if isinstance(action.choices, dict)]
    within = [options_of(part) for group in parts for part in group.values()]
    return set(one._option_string_actions).union(*within)


def known_options() -> set[str]:
    """The options of the command, and those that scripts name."""
    ours = options_of(parser.build())
    scripts = [
        p for room in ("pipelines", "benchmarks", "tests") for p in (ROOT / room).rglob("*.py")
    ]
    quoted = re.compile(r"[\"'](--[\w-]+)[\"']")
    return ours.union(*(quoted.findall(path.read_text()) for path in scripts))


@pytest.mark.parametrize("path", [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")], ids=name)
def test_options_verbs_and_targets_within_sentences_exist(path):
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", path.read_text(encoding="utf-8"))
    named = {option for span in spans for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", span)}
    others = {"--no-binary", "--enable-libx264", "--enable-libx265"}
    assert named <= known_options() | others
    words = [span.split() for span in spans]
    verbs = {w[1] for w in words if w[0] == "multimodal-ser" and len(w) > 1}
    assert {verb for verb in verbs if verb[0] not in "-V"} <= set(NAMES)
    targets = {w[1] for w in words if w[0] == "make" and len(w) > 1}
    assert targets <= set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    files = [word for w in words if w[0] == "pytest" for word in w if word.startswith("tests/")]
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize(
    ("line", "good"),
    [
        ("multimodal-ser predict talk.mp4 --timeline", True),
        ("multimodal-ser predict talk.mp4 --tmeline", False),
        ("multimodal-ser foretell talk.mp4", False),
        ("python pipelines/aei_2019.py --data RAVDESS", True),
        ("python pipelines/aei_2019.py --date RAVDESS", False),
        ("pytest tests/gone.py", False),
    ],
)
def test_a_wrong_command_is_found(line, good, monkeypatch, capsys):
    assert is_understood(line.split(), monkeypatch) is good


@pytest.mark.slow
def test_the_service_answers(tmp_path):
    (code,) = python(ROOT / "docs" / "service.md")
    names: dict = {}
    exec(compile(code, "service.md", "exec"), names)
    film = next(
        path for path in mser.make_corpus(tmp_path, actors=1, takes=1) if path.suffix == ".mp4"
    )
    said = names["answer"](film.read_bytes())
    assert [one["modality"] for one in said["predictions"]] == ["audio", "video", "fused"]
    assert said["errors"] == []
    refused = names["answer"](b"no recording")
    assert refused["predictions"] == []
    assert refused["errors"]
