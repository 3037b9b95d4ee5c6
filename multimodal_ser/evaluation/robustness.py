"""What other recording conditions cost: models beside the same on the recordings as they are.

The measures are those of audEERING's ser-tests (Derington et al., arXiv
2312.06270): the change in UAR, and the share of predictions that stay.
"""

from __future__ import annotations

import pandas as pd

from multimodal_ser.evaluation import metrics
from multimodal_ser.evaluation.runs import Run, RunModel

#: Columns of :func:`against_clean`.
COLUMNS = ("condition", "uar_change", "unchanged", "confidence")


def against_clean(run: Run) -> pd.DataFrame:
    """Compare every model with that of its modality on the recordings as they are.

    Args:
        run: from ``workflows.evaluating.evaluate``.

    Returns:
        DataFrame with index ``model`` in the run's order and :data:`COLUMNS`:
        ``condition``, empty for the recordings as they are; ``uar_change``, -1 to
        1; ``unchanged``, the share of the clips with an answer that keep its
        label, 0 to 1; ``confidence``, the mean highest probability. Changes are
        NaN where there is nothing to compare with.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> clips = make_clips([dict(clip="a", emotion="sad"), dict(clip="b", emotion="sad")])
        >>> fold = pd.Series("evaluate", clips.index)
        >>> columns = ["sad", "happy"]
        >>> clean = pd.DataFrame([[0.9, 0.1], [0.7, 0.3]], clips.index, columns)
        >>> noisy = pd.DataFrame([[0.75, 0.25], [0.25, 0.75]], clips.index, columns)
        >>> models = RunModel("a", "audio", clean, fold), RunModel(
        ...     "b", "audio", noisy, fold, condition="phone")
        >>> against_clean(Run("", "evaluate", clips, models)).loc["b", "unchanged"]
        np.float64(0.5)
    """
    truth = run.clips["emotion"]
    clean = {model.modality: model for model in reversed(run.as_recorded)}
    rows = [_compared(model, clean.get(model.modality), truth) for model in run.models]
    index = pd.Index([model.name for model in run.models], name="model")
    return pd.DataFrame(rows, index, COLUMNS)


def _compared(model: RunModel, clean: RunModel | None, truth: pd.Series) -> tuple:
    table = model.probabilities
    confidence = float(table.max(axis=1).mean())
    if clean is None:
        return model.condition, float("nan"), float("nan"), confidence
    known = clean.probabilities.dropna(how="all")
    # A clip that has no answer any more has not kept it.
    said = table.reindex(known.index).fillna(-1).to_numpy(dtype=float)
    same = (said.argmax(axis=1) == known.to_numpy().argmax(axis=1)) & (said.max(axis=1) >= 0)
    uar = [metrics.score(one, truth)["uar"] for one in (table, clean.probabilities)]
    return model.condition, uar[0] - uar[1], float(same.mean()), confidence
