"""The verb ``completion``: what completes the command in a shell, printed by shtab.

A static script costs the command no time when it starts, which argcomplete, asked at each Tab,
would: it runs the command itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from multimodal_ser.cli.arguments import add_verb
from multimodal_ser.cli.printing import say
from multimodal_ser.errors import SerError

SHELLS = ("bash", "zsh", "fish")
_EPILOG = """\
to have it in every new shell:
  multimodal-ser completion bash > ~/.local/share/bash-completion/completions/multimodal-ser
  multimodal-ser completion zsh > ~/.zfunc/_multimodal-ser     # with fpath+=~/.zfunc in .zshrc
  multimodal-ser completion fish > ~/.config/fish/completions/multimodal-ser.fish
"""
#: What stands for a file or a folder in the help.
_FILES = ("DATA", "FILE", "SOURCE", "MODEL", "NAME=TABLE", "[DATASET=]DATA", "HOW")
_FOLDERS = ("DIR", "RUN")


def add(verbs: argparse._SubParsersAction) -> None:
    """Describe the verb."""
    summary = "print a script that completes this command in a shell"
    verb = add_verb(verbs, "completion", run, summary, _EPILOG)
    verb.add_argument("shell", choices=SHELLS)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    try:
        import shtab
    except ImportError:
        raise SerError("shtab is not installed, which prints completions; pip install it") from None
    from multimodal_ser.cli import parser

    whole = parser.build()
    for action in _actions(whole):
        _suggest(action)
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    say(*shtab.complete(whole, shell=options.shell).splitlines())
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its verbs."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _actions(verb)


def _suggest(action: argparse.Action) -> None:
    """Give an argument that takes names among other texts those names as choices."""
    from multimodal_ser.audio import features
    from multimodal_ser.evaluation import folds
    from multimodal_ser.fusion import methods

    names = {"protocol": folds.NAMES, "features": features.NAMES, "fusion": methods.NAMES}
    if action.dest in names and action.option_strings:
        action.choices = names[action.dest]
