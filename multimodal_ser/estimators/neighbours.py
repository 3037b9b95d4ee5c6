"""How far a vector is from those that a model has learnt from.

Two signs. The distance to the nearest training vectors of other people, in the space of
the first principal components, each scaled to a deviation of 1; and that distance over the
same distance of these neighbours themselves, so that a thinly filled region is not taken
for a strange one: the local outlier factor with plain mean distances (Breunig et al.,
"LOF: identifying density-based local outliers", SIGMOD 2000). The whitened distance to the
nearest neighbours as a test of novelty: Sun et al., "Out-of-distribution detection with
deep nearest neighbors", ICML 2022.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from multimodal_ser.errors import ModelError

#: Principal components, and neighbours, that count.
N_COMPONENTS, N_NEAREST = 32, 10
#: So many training vectors are kept at most, drawn with a seed: half a megabyte.
MOST_KNOWN = 4096
#: Standardised values beyond plus or minus this count as this.
_BOUND = 6.0
#: Rows that are compared at once, so that memory does not grow with their number.
_ROWS = 512


@dataclass(frozen=True)
class Neighbours:
    """What is kept of the training vectors.

    Attributes:
        mean: float32 ``(n_values,)``, of the training vectors.
        scale: float32 ``(n_values,)``, their deviations, above 0.
        axes: float32 ``(n_values, n_components)``: standardised values times these are
            whitened.
        known: float32 ``(n_known, n_components)``, whitened training vectors.
        spacing: float32 ``(n_known,)``, above 0: each one's mean distance to its
            :data:`N_NEAREST` nearest of other people.

    Example:
        >>> random = np.random.default_rng(0)
        >>> values, people = random.normal(size=(60, 8)), np.arange(60) % 6
        >>> found = Neighbours.fit(values, people).signs(np.stack([values[0], values[0] + 9]))
        >>> bool((found[1] > 2 * found[0]).all())
        True
    """

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    known: np.ndarray
    spacing: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, people: np.ndarray, seed: int = 0) -> Neighbours:
        """Take in training vectors.

        Args:
            values: ``(n, n_values)``; NaN (nothing was measured) counts as the mean.
            people: ``(n,)``, whose each is.
            seed: of which are kept where there are more than :data:`MOST_KNOWN`.

        Raises:
            ValueError: there are fewer than two people, or fewer than
                ``N_NEAREST`` vectors of others for some.
        """
        from sklearn.decomposition import PCA

        values = np.asarray(values, np.float32)
        people = np.unique(np.asarray(people).astype(str), return_inverse=True)[1]
        if np.bincount(people).max() > len(people) - N_NEAREST:
            raise ValueError("there are too few vectors of other people; give more")
        mean = np.nan_to_num(np.nanmean(values, axis=0, dtype=np.float64)).astype(np.float32)
        spread = np.nan_to_num(np.nanstd(values, axis=0, dtype=np.float64))
        scale = np.where(spread > 0, spread, 1).astype(np.float32)
        scaled = _scaled(values, mean, scale)
        count = min(N_COMPONENTS, *scaled.shape)
        found = PCA(count, svd_solver="randomized", random_state=seed).fit(scaled)
        deviations = np.sqrt(np.maximum(found.explained_variance_, 1e-12))
        axes = (found.components_ / deviations[:, None]).T.astype(np.float32)
        kept = np.sort(np.random.default_rng(seed).permutation(len(scaled))[:MOST_KNOWN])
        if np.bincount(people[kept]).max() > len(kept) - N_NEAREST:
            raise ValueError("there are too few vectors of other people; give more")
        known = scaled[kept] @ axes
        spacing = np.concatenate(
            [
                _nearest(known[at : at + _ROWS], known, people[kept][at : at + _ROWS], people[kept])
                for at in range(0, len(known), _ROWS)
            ]
        )
        return cls(mean, scale, axes, known, np.maximum(spacing, 1e-6))

    def signs(self, values: np.ndarray) -> np.ndarray:
        """Return how far vectors are from the known ones.

        Args:
            values: ``(n, n_values)``, of people who are not among the known; NaN counts as
                the training vectors' mean.

        Returns:
            float32 ``(n, 2)``, above 0: distance, and distance over the neighbours' own.
        """
        placed = _scaled(np.asarray(values, np.float32), self.mean, self.scale) @ self.axes
        found = np.empty((len(placed), 2), np.float32)
        for at in range(0, len(placed), _ROWS):
            apart = _distances(placed[at : at + _ROWS], self.known)
            count = min(N_NEAREST, apart.shape[1])
            nearest = np.argpartition(apart, count - 1, axis=1)[:, :count]
            far = np.take_along_axis(apart, nearest, axis=1).mean(axis=1)
            found[at : at + _ROWS, 0] = far
            found[at : at + _ROWS, 1] = far / self.spacing[nearest].mean(axis=1)
        return np.maximum(found, 1e-6)

    def save(self, path: str | Path) -> None:
        """Write the arrays, uncompressed and without pickle.

        Raises:
            OSError: the file cannot be written.
        """
        np.savez(path, **{one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def load(cls, path: str | Path, n_values: int) -> Neighbours:
        """Read what :meth:`save` wrote.

        Args:
            path: of the file, which may be anyone's.
            n_values: of the vectors that it is for.

        Raises:
            ModelError: it is missing or damaged, or is for other vectors.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = cls(*(arrays[one.name] for one in fields(cls)))
        except Exception as error:  # a damaged archive fails in many ways
            raise ModelError(f"{path}: not usable ({error!s:.200}); copy the model again") from None
        axes = found.axes.shape[1] if found.axes.ndim == 2 else 0
        n_known = len(found.known) if found.known.ndim == 2 else 0
        shapes = {"mean": (n_values,), "scale": (n_values,), "axes": (n_values, axes)}
        shapes |= {"known": (n_known, axes), "spacing": (n_known,)}
        for name, shape in shapes.items():
            array = getattr(found, name)
            if array.dtype != np.float32 or array.shape != shape or not array.size:
                raise ModelError(f"{path}: {name} is {array.dtype} {array.shape}; copy it again")
            if not np.isfinite(array).all():
                raise ModelError(f"{path}: {name} has values that are none; copy it again")
        if (found.scale <= 0).any() or (found.spacing <= 0).any():
            raise ModelError(f"{path}: a scale in it is not above 0; copy the model again")
        return found


def _scaled(values: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.clip((values - mean) / scale, -_BOUND, _BOUND)).astype(np.float32)


def _distances(some: np.ndarray, known: np.ndarray) -> np.ndarray:
    squares = (some**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * some @ known.T
    return np.sqrt(np.maximum(squares, 0))


def _nearest(some, known, whose: np.ndarray, people: np.ndarray) -> np.ndarray:
    apart = _distances(some, known)
    apart[whose[:, None] == people] = np.inf
    return np.partition(apart, N_NEAREST - 1, axis=1)[:, :N_NEAREST].mean(axis=1)
