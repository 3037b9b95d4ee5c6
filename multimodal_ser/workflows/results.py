"""What a prediction gives: two tables, which unpack as such and show themselves."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

#: What a reader looks for first; of these, what a table has is printed.
KEY_COLUMNS = (
    *("clip", "person", "segment", "start_s", "end_s", "frame", "time_s"),
    *("modality", "emotion", "confidence", "second", "set", "note"),
)
#: Rows that are printed; all are in the table.
_ROWS = 12


def keys_first(predictions: pd.DataFrame) -> pd.DataFrame:
    """Move the path, which is long, behind the confidence: a table is printed from its ends."""
    after = list(predictions.columns).index("confidence")
    predictions.insert(after, "path", predictions.pop("path"))
    return predictions


class Result(NamedTuple):
    """Predictions and failures, as :func:`~multimodal_ser.workflows.inference.predict` gives them.

    Printed it is the columns that matter, in a notebook the probabilities and their course.

    Attributes:
        predictions: one row per recording or segment and modality, see
            :func:`~multimodal_ser.workflows.inference.prediction_table`.
        failures: ``clip``, ``path``, ``stage`` and ``error`` of what could not be used.

    Example:
        >>> row = {"clip": "talk", "modality": "audio", "emotion": "sad", "confidence": 0.5}
        >>> Result(pd.DataFrame([{**row, "path": "talk.wav"}]), pd.DataFrame())
        1 recording predicted
        clip modality emotion  confidence
        talk    audio     sad         0.5
    """

    predictions: pd.DataFrame
    failures: pd.DataFrame

    def __repr__(self) -> str:
        count = self.predictions["clip"].nunique()
        lines = [f"{count} recording{'' if count == 1 else 's'} predicted"]
        if len(self.failures):
            lines[0] += f", {self.failures['path'].nunique()} could not be used (.failures)"
        shown = self.predictions[[c for c in KEY_COLUMNS if c in self.predictions]]
        empty = [c for c in ("note", "set") if c in shown and not shown[c].any()]
        if len(shown):
            lines.append(
                shown.head(_ROWS)
                .drop(columns=empty)
                .astype({c: float for c in ("person", "segment", "frame") if c in shown})
                .to_string(index=False, max_colwidth=32, na_rep="", float_format="{:.4g}".format)
            )
        if len(shown) > _ROWS:
            lines.append(f"... {len(shown) - _ROWS} more rows (.predictions)")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from multimodal_ser.reports import notebook

        return notebook.result(self.predictions, self.failures)
