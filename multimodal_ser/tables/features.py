"""Features of clips: an array with a clip id per row and a name per value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.tables.clips import check_index


@dataclass(frozen=True)
class Features:
    """Fixed-size features of clips, joined to anything else by clip id.

    Attributes:
        clips: index ``(n_clips,)`` of clip ids, unique.
        values: float32, or uint8 for images, ``(n_clips, ...)``, finite.
        names: of vectors, one name per value, units in the name; of arrays of
            more dimensions, one name per axis after the first.
    """

    clips: pd.Index
    values: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.clips) != len(self.values):
            raise TableError(
                f"features have {len(self.clips)} clip ids for {len(self.values)} rows of values"
            )
        check_index(self.clips, "feature table")
        axes = self.values.shape[1:]
        expected = axes[0] if len(axes) == 1 else len(axes)
        if len(self.names) != expected:
            raise TableError(
                f"features of shape {axes} have {len(self.names)} names; give {expected}: "
                "one per value, or one per axis where there are several"
            )

    def take(self, clips: Iterable[str]) -> np.ndarray:
        """Return the rows of the given clips, in the order given.

        Returns:
            ``(len(clips), ...)``, of the type of :attr:`values`.

        Raises:
            TableError: a clip has no features; the error names it.

        Example:
            >>> f = Features(pd.Index(["a", "b"]), np.float32([[1], [2]]), ("rms",))
            >>> f.take(["b"]).tolist()
            [[2.0]]
        """
        wanted = list(clips)
        rows = self.clips.get_indexer(pd.Index(wanted))
        if (rows < 0).any():
            lost = [clip for clip, row in zip(wanted, rows, strict=True) if row < 0]
            raise TableError(
                f"{len(lost)} clip(s) have no features, among them {lost[0]!r}; "
                "extract them first or leave them out"
            )
        return self.values[rows]
