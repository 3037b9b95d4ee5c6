"""The one family of exceptions.

Every error that a user can cause derives from :class:`SerError`; its text is
one line that says what is wrong, with which file or value, and what to do.
The command prints that line and goes on, or stops with status 2.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from pathlib import Path


class SerError(Exception):
    """Anything wrong with what the user gave, told in one line."""


class MediaError(SerError):
    """One recording cannot be used; others are unaffected.

    Args:
        path: the file.
        problem: what is wrong with it.
        remedy: what the user can do about it.

    Example:
        >>> str(MediaError("a.mp4", "it is empty (0 bytes)", "copy it again"))
        'a.mp4: it is empty (0 bytes); copy it again'
    """

    def __init__(self, path: str | Path, problem: str, remedy: str) -> None:
        super().__init__(str(path), problem, remedy)
        self.path, self.problem, self.remedy = str(path), problem, remedy

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


class TableError(SerError):
    """A table lacks a column, doubles a clip, or holds a value it must not."""


class StoreError(SerError):
    """The feature store cannot be written; no clip is to blame, so the run ends."""


class ClusterError(SerError):
    """Machines that compute together do not fit each other; no clip is to blame."""


class ModelError(SerError):
    """A model folder is missing, incomplete, or does not fit the request."""


class MissingWeights(SerError):
    """Weights that others made are not on this machine, or are not what they claim."""


class MissingLibrary(SerError):
    """What was asked for needs a library that a light installation leaves out.

    Example:
        >>> str(MissingLibrary("librosa", "train"))
        "librosa is not installed; install it with: pip install 'multimodal-ser[train]'"
    """

    def __init__(self, library: str, extra: str, remark: str = "") -> None:
        super().__init__(library, extra, remark)
        self.library, self.extra, self.remark = library, extra, remark

    def __str__(self) -> str:
        ending = f" ({self.remark})" if self.remark else ""
        return (
            f"{self.library} is not installed; install it with: "
            f"pip install 'multimodal-ser[{self.extra}]'{ending}"
        )


class DownloadError(SerError):
    """A file cannot be had from the network, or is not what was asked for."""


class UnknownName(SerError):
    """A plug-in was asked for by a name that does not exist.

    Example:
        >>> str(UnknownName("classifier", "svm", ("svc", "conv1d")))
        "there is no classifier 'svm', did you mean 'svc'? Choose one of: svc, conv1d"
    """

    def __init__(self, kind: str, name: str, names: tuple[str, ...]) -> None:
        super().__init__(kind, name, names)
        self.kind, self.name, self.names = kind, name, names

    def __str__(self) -> str:
        meant = did_you_mean(self.name, self.names)
        end = f", {meant} Choose" if meant else "; choose"
        return f"there is no {self.kind} {self.name!r}{end} one of: {', '.join(self.names)}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a question about the name that is most like a wrong one; nothing where none is.

    Example:
        >>> did_you_mean("fer_resent", ("fer_cnn", "fer_resnet")), did_you_mean("x", ("svc",))
        ("did you mean 'fer_resnet'?", '')
    """
    found = difflib.get_close_matches(str(name), list(names), n=1)
    return f"did you mean {found[0]!r}?" if found else ""


def printable(text: object) -> str:
    r"""Return a text of one line that no terminal obeys, for people to read.

    Control characters, those that change the direction of writing (CVE-2021-42574), new lines,
    and bytes that are no characters are shown as Python writes them.

    Args:
        text: such as a file's name.

    Example:
        >>> print(printable("a\x1b[2J\nb\u202egpj.mp4"), printable("Ärger 怒り.wav"))
        a\x1b[2J\nb\u202egpj.mp4 Ärger 怒り.wav
    """
    return "".join(
        one
        if one.isprintable() or unicodedata.category(one) == "Zs"
        else one.encode("unicode_escape").decode()
        for one in str(text)
    )
