"""Clips of unknown speakers, grouped by how they sound, so that calibration may be careful.

Where nobody says who speaks, a clip at a time held out leaves the same voice on the training side:
the model is then measured, and calibrated, on voices that it has learnt. Who they are cannot be
known, but clips that sound alike can be held out together: features without the mean of
their label, their main directions, and Ward's hierarchical clustering (J. Ward, "Hierarchical
grouping to optimize an objective function", JASA 58, 1963), as in speaker diarisation. The groups
are no speakers, and nothing but the folds of calibration, fusion and scores rests on them;
``pipelines/hidden_speakers.py`` measures what that does to confidence on new speakers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from multimodal_ser.tables import Features, actor_groups

if TYPE_CHECKING:
    from multimodal_ser.video.extract import FrameStore

#: Clips in a group, on average, and the fewest groups, which folds need.
CLIPS_IN_GROUP, FEWEST_GROUPS = 20, 8
#: Main directions of the features that are looked at, and standard deviations beyond which a
#: value is not. Of what was tried (not clipped, not whitened, groups of 8 and 12 clips), these made
#: confidence most right on new speakers, for few speakers and for many, on CREMA-D.
DIRECTIONS, FARTHEST = 20, 2.5
#: What names of groups begin with: no data set has such a speaker.
MARK = "sounds like #"


def grouped(clips: pd.DataFrame, inputs: Mapping[str, Features | FrameStore]) -> pd.DataFrame:
    """Return the clips with a group as the ``actor`` of those whose speaker is not known.

    Args:
        clips: a clips table with labels.
        inputs: what learners learn from; the first that is a vector per clip is looked at, of
            the voice where there is one.

    Returns:
        The clips; as they were, where there is nothing to group by or too few are unknown. Parts of
        one recording stay together.
    """
    unknown = clips[clips["actor"].isna()]
    vectors = (one for one in inputs.values() if isinstance(one, Features) and one.values.ndim == 2)
    found = next(vectors, None)
    if found is None:
        return clips
    unknown = unknown[unknown.index.isin(found.clips)]
    values = pd.DataFrame(found.take(unknown.index), index=unknown.index).astype(float)
    labels = unknown["emotion"].astype(object).fillna("")
    values -= values.groupby(labels).transform("mean")
    # Parts of one recording are one.
    values = values.groupby(actor_groups(unknown)).mean()
    if len(values) < 2 * FEWEST_GROUPS:
        return clips
    names = pd.Series(clusters(values.to_numpy()), values.index).map(f"{MARK}{{}}".format)
    of_clip = pd.Series(actor_groups(unknown), unknown.index).map(names)
    return clips.assign(actor=clips["actor"].fillna(of_clip.astype("string")))


def clusters(values: np.ndarray) -> np.ndarray:
    """Return a number from 0 for each row: rows of one number are alike.

    Args:
        values: float ``(n, n_values)``, 16 rows or more.

    Returns:
        int ``(n,)``; a group per :data:`CLIPS_IN_GROUP` rows, :data:`FEWEST_GROUPS` at least.
    """
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    # Without outliers, which would be groups of their own, and in directions of equal weight.
    rows = np.clip(StandardScaler().fit_transform(values), -FARTHEST, FARTHEST)
    directions = min(DIRECTIONS, *rows.shape)
    rows = PCA(directions, whiten=True, random_state=0).fit_transform(rows)
    count = max(FEWEST_GROUPS, len(rows) // CLIPS_IN_GROUP)
    return AgglomerativeClustering(count).fit_predict(rows)
