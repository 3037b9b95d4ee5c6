"""What the command prints, and the only place that prints it.

Names of files, labels and texts of errors come from anyone. What a terminal would obey, such
as escape sequences, or show in another order, is shown as Python writes it.
"""

from __future__ import annotations

import sys

from multimodal_ser.errors import printable


def say(*lines: object, error: bool = False) -> None:
    r"""Print lines, each of them one line whatever is in it.

    Args:
        lines: texts.
        error: whether to print on standard error: all but results.

    Example:
        >>> say("a\x1b[2J.mp4: it is empty", "b")
        a\x1b[2J.mp4: it is empty
        b
    """
    stream = sys.stderr if error else sys.stdout
    print(*map(printable, lines), sep="\n", file=stream, flush=True)
