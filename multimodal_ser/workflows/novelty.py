"""What a model's voice says of clips that are unlike all it has learnt from: less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from multimodal_ser.errors import ModelError
from multimodal_ser.estimators.neighbours import Neighbours
from multimodal_ser.fusion import calibration
from multimodal_ser.fusion.strangeness import Strangeness
from multimodal_ser.tables import Features

if TYPE_CHECKING:
    from multimodal_ser.tables.records import NoveltyRecord

FILE = "novelty.npz"
#: In the column ``note``, of a clip whose score is above 1.
NOTE = "unlike the recordings that the voice has learnt from"


@dataclass(frozen=True)
class Novelty:
    """How far a clip's sound is from what was learnt, and what that does to confidence.

    Attributes:
        learner: whose features are looked at, a name.
        neighbours: training clips.
        strangeness: how distance becomes a temperature.
        together: labels that it was fitted on as one.
    """

    learner: str
    neighbours: Neighbours
    strangeness: Strangeness
    together: tuple[str, ...] = ()

    def scores(self, features: Features, clips: pd.Index) -> pd.Series:
        """Return how far clips are: 1 is where 99 % of held-out clips are nearer.

        Args:
            features: those of :attr:`learner`, as it takes them.
            clips: ids.

        Returns:
            Above 0, by clip; NaN where there are no features.
        """
        there = clips[clips.isin(features.clips)]
        values = self.neighbours.signs(features.take(there))
        found = self.strangeness.distances(values) / self.strangeness.limit
        return pd.Series(found, there, dtype=float).reindex(clips)

    def softening(self, scores: pd.Series) -> Callable[[pd.DataFrame], pd.DataFrame]:
        """Return what makes the voice's answers less sure, each clip by its score.

        Args:
            scores: of :meth:`scores`.

        Returns:
            From a probability table of these clips to another.
        """
        distances = (scores * self.strangeness.limit).fillna(1.0)
        temperatures = distances.clip(upper=self.strangeness.most)

        def soften(table: pd.DataFrame) -> pd.DataFrame:
            own = temperatures.reindex(table.index).to_numpy()
            return calibration.soften_together(table, own, self.together)

        return soften

    def save(self, folder: str | Path) -> dict:
        """Write the neighbours into a folder of a model's; return what params.json holds.

        Raises:
            OSError: the file cannot be written.
        """
        self.neighbours.save(Path(folder) / FILE)
        size = len(self.neighbours.mean)
        about = {"learner": self.learner, "n_values": size, "together": list(self.together)}
        return about | asdict(self.strangeness)

    @classmethod
    def load(cls, record: NoveltyRecord, folder: str | Path) -> Novelty:
        """Read what :meth:`save` wrote.

        Raises:
            ModelError: it is missing or damaged.
        """
        sizes = {len(record.centre), len(record.spread), len(record.weights)}
        if sizes != {2}:
            raise ModelError(f"{folder}: its novelty is damaged; copy the model again")
        known = Neighbours.load(Path(folder) / FILE, record.n_values)
        centre, spread, weights = map(tuple, (record.centre, record.spread, record.weights))
        far = Strangeness(centre, spread, weights, record.bias, record.limit, record.most)
        return cls(record.learner, known, far, tuple(record.together))
