"""A fusion method with what it has learnt: tables in, one table out.

A modality that is missing from a clip is never imputed. A fitted method is
fitted once for every set of modalities that can occur, each time on the
clips that have all of the set, so a clip without an image is judged by
weights made for sound alone. Clips of one table only count as missing in the
others. Where a set of modalities was never seen together in the fit, the
largest fitted sets within it answer, and their probabilities are averaged;
modalities that had no clip in the fit take no part beside fitted ones, and
where there is no other their probabilities pass uncalibrated.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType

import numpy as np
import pandas as pd

from multimodal_ser.errors import ModelError, SerError, TableError
from multimodal_ser.fusion import methods
from multimodal_ser.fusion.numeric import HeldOut, above_mean, as_shares, logs, normalise
from multimodal_ser.tables import check_probabilities
from multimodal_ser.tables.records import FuserRecord, to_record

#: A fitted method is fitted for every set of modalities: 63 sets of six.
MOST_MODALITIES = 6
#: No weight or bias that a fit can give comes near this.
_LARGEST = 1e6

Names = tuple[str, ...]


@dataclass(frozen=True)
class Fuser:
    """One of the methods of :mod:`multimodal_ser.fusion.methods`, fitted or not.

    Attributes:
        method: one of ``methods.NAMES``.
        options: choices before the fit; those not named keep the method's
            defaults.
        labels: the label order it was fitted on; empty before.
        modalities: the names of the tables it was fitted on; empty before.
        fitted: set of modalities -> fitted parameters by name.

    Raises:
        UnknownName: there is no such method.
        SerError: the method has no such option, or not of such a value.

    Example:
        >>> audio = pd.DataFrame([[0.9, 0.1], [0.2, 0.8]], ["a", "b"], ["sad", "happy"])
        >>> video = pd.DataFrame([[0.5, 0.5]], ["a"], ["sad", "happy"])
        >>> tables = {"audio": audio, "video": video}
        >>> Fuser("mean")(tables).loc["a"].round(2).tolist()
        [0.7, 0.3]
        >>> fuser = Fuser("log_pool").fit(tables, pd.Series({"a": "sad", "b": "happy"}))
        >>> fuser(tables).loc["b"].idxmax()
        'happy'
    """

    method: str = "log_pool"
    options: Mapping[str, object] = field(default_factory=dict)
    labels: Names = ()
    modalities: Names = ()
    fitted: Mapping[Names, Mapping[str, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        defaults = methods.load(self.method).OPTIONS
        for name, value in self.options.items():
            if name not in defaults:
                known = ", ".join(defaults) or "none"
                raise SerError(f"{self.method} has no option {name!r}; it has: {known}")
            _check_option(name, value)

    @property
    def _module(self) -> ModuleType:
        return methods.load(self.method)

    @property
    def _options(self) -> dict:
        return self._module.OPTIONS | dict(self.options)

    def fit(
        self,
        tables: Mapping[str, pd.DataFrame],
        truth: pd.Series,
        actors: pd.Series | None = None,
        *,
        sets: Iterable[Names] | None = None,
    ) -> Fuser:
        """Return a fuser fitted on held-out predictions.

        Args:
            tables: modality -> probability table with index ``clip``, of clips
                that the modality's model was not fitted on.
            truth: true labels, indexed by clip; a superset is fine. A label
                that none of the clips has is learnt as unlikely at most.
            actors: speaker by clip, so that the inner folds on which a penalty
                is chosen keep speakers apart; without it each clip is its own.
            sets: the sets of modalities to fit, each in the order of
                ``tables``; None fits every one that can occur. A clip with
                another set is answered by the largest fitted ones within it.

        Returns:
            A new fuser; this one is unchanged.

        Raises:
            TableError: a table is malformed, label orders differ, a clip has no
                true label, there are more than :data:`MOST_MODALITIES`
                modalities and no ``sets``, or nothing can be learnt: no clip,
                or one label only.
        """
        labels, clips, values = _stack(tables)
        names = tuple(tables)
        new = replace(self, labels=labels, modalities=names, fitted={})
        if not self._module.FITTED:
            return new
        held = _held_out(labels, clips, values, truth, actors)
        if sets is None and len(names) > MOST_MODALITIES:
            raise TableError(
                f"{len(names)} modalities are too many for a fusion that fits every set of them; "
                f"name the sets that occur, or average models down to {MOST_MODALITIES}"
            )
        _check_learnable(labels, held)
        chosen = list(_sets(names) if sets is None else sets)
        return replace(new, fitted=self._fit_sets(names, chosen, held))

    def _fit_sets(
        self, names: Names, sets: Iterable[Names], held: HeldOut
    ) -> dict[Names, dict[str, np.ndarray]]:
        present = ~np.isnan(held.values).any(axis=2)
        options, fitted = self._options, {}
        for chosen in sets:
            at = [names.index(name) for name in chosen]
            rows = present[at].all(axis=0)
            if len(np.unique(held.codes[rows])) < 2:
                continue
            part = HeldOut(held.values[at], held.codes, held.actors).part(rows)
            fitted[chosen] = self._module.fit(part, chosen, options)
            if "l2" in fitted[chosen]:  # chosen once, on the most modalities
                options = options | {"l2": float(fitted[chosen]["l2"])}
        return fitted

    def __call__(self, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """Return the fused probabilities.

        Args:
            tables: modality -> probability table with index ``clip``. A fitted
                method takes those that it was fitted on or some of them.

        Returns:
            Probability table over the clips of all tables, in order of
            appearance; a row of NaN where every modality is missing.

        Raises:
            TableError: a table is malformed, or is none that was fitted on.
            SerError: the method needs a fit first.
        """
        labels, clips, values = self._checked(tables)
        return pd.DataFrame(self._fused(tuple(tables), values), clips, list(labels))

    def _fused(self, order: Names, values: np.ndarray) -> np.ndarray:
        fused = np.full(values.shape[1:], np.nan)
        for names, rows, part in _patterns(order, values):
            answers = [self._answer(chosen, part, names) for chosen in self._pools(names)]
            fused[rows] = np.mean(answers, axis=0)
        return fused

    def contributions(self, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """Return how much of each fused decision is owed to each modality.

        A modality's evidence for a label is its term in the method's sum: for a
        weighted logarithmic pool ``w_m log p_m[label]``. It counts by how much
        that exceeds its mean over the labels, at the label that wins; a share
        is this excess divided by the sum of all absolute excesses of the clip.

        Args:
            tables: as for a call.

        Returns:
            One column a modality, and ``prior`` for what the fitted biases add;
            index as the fused table. Shares are -1 to 1, their absolute values
            sum to 1; negative speaks against the label that won, NaN is
            missing. All 0 where nothing speaks for any label.

        Raises:
            TableError: as for a call.
            SerError: as for a call.
        """
        _, clips, values = self._checked(tables)
        order = tuple(tables)
        winners = np.nan_to_num(self._fused(order, values), nan=-1).argmax(axis=1)
        shares = np.full((len(clips), len(order) + 1), np.nan)
        for names, rows, part in _patterns(order, values):
            excess = np.zeros((len(names) + 1, len(rows)))
            for chosen in self._pools(names):
                at = [*(names.index(name) for name in chosen), len(names)]
                excess[at] += self._excess(chosen, part, names, winners[rows])
            columns = [*map(order.index, names), len(order)]
            shares[rows[:, None], columns] = as_shares(excess).T
        return pd.DataFrame(shares, clips, [*order, "prior"])

    def _excess(self, chosen: Names, part: np.ndarray, names: Names, winners) -> np.ndarray:
        terms, bias = self._evidence(chosen, part, names)
        terms = np.concatenate([terms, np.broadcast_to(bias, (1, *terms.shape[1:]))])
        return above_mean(terms, winners)

    def _answer(self, chosen: Names, part: np.ndarray, names: Names) -> np.ndarray:
        terms, bias = self._evidence(chosen, part, names)
        scores = terms.sum(axis=0) + bias
        return normalise(scores) if self._module.LOGARITHMIC else scores

    def _evidence(
        self, chosen: Names, part: np.ndarray, names: Names
    ) -> tuple[np.ndarray, np.ndarray | float]:
        values = part[[names.index(name) for name in chosen]]
        parameters = self.fitted.get(chosen, {})
        if self._module.FITTED and not parameters:
            return logs(values), 0.0
        terms = self._module.evidence(values, parameters, chosen, self._options)
        return terms, parameters.get("bias", 0.0)

    def _pools(self, names: Names) -> list[Names]:
        """Return the sets of modalities whose answers are averaged for these."""
        if not self._module.FITTED or names in self.fitted:
            return [names]
        within = [chosen for chosen in self.fitted if set(chosen) <= set(names)]
        longest = max(map(len, within), default=0)
        return [chosen for chosen in within if len(chosen) == longest] or [(n,) for n in names]

    def _checked(self, tables: Mapping[str, pd.DataFrame]):
        """Return labels, clips and values, modalities in the order of the fit."""
        if self._module.FITTED and not self.fitted:
            raise SerError(f"{self.method} has to be fitted on held-out predictions first")
        labels, clips, values = _stack(tables)
        if self.labels and labels != self.labels:
            raise TableError(
                f"the tables have the labels {', '.join(labels)}; the fusion was fitted on "
                f"{', '.join(self.labels)}. Use models of that label scheme"
            )
        strange = [name for name in tables if self.modalities and name not in self.modalities]
        if strange and self._module.FITTED:
            raise TableError(
                f"the fusion was not fitted on {strange[0]!r} but on "
                f"{', '.join(self.modalities)}; leave it out or fit again"
            )
        return labels, clips, values

    def describe(self) -> dict:
        """Return everything that JSON needs to hold to make this fuser again.

        Example:
            >>> Fuser("mean").describe()["method"]
            'mean'
        """
        fitted = [
            {"modalities": list(names), **{k: np.asarray(v).tolist() for k, v in values.items()}}
            for names, values in self.fitted.items()
        ]
        return {
            "method": self.method,
            "options": dict(self.options),
            "labels": list(self.labels),
            "modalities": list(self.modalities),
            "fitted": fitted,
        }

    @classmethod
    def from_description(cls, description: Mapping) -> Fuser:
        """Return the fuser that :meth:`describe` described.

        The description may come from anybody's model folder: every name, shape
        and number in it is checked, and nothing in it is run.

        Raises:
            ModelError: the description is not one of a fuser; the error says where.

        Example:
            >>> Fuser.from_description(Fuser("mean").describe()) == Fuser("mean")
            True
        """
        what = "the fusion's description"
        record = to_record(description, FuserRecord, what, error=ModelError)
        try:
            return cls(**_read(record))
        except ModelError:
            raise
        except (SerError, TypeError, ValueError) as error:
            raise ModelError(f"{what} is damaged: {error}; train the model again") from error


def _stack(tables: Mapping[str, pd.DataFrame]) -> tuple[Names, pd.Index, np.ndarray]:
    """Return labels, the clips of all tables, and values with NaN where missing."""
    if not tables:
        raise TableError("there is nothing to fuse; give at least one modality's probabilities")
    first, *others = tables
    labels, clips = tuple(tables[first].columns), tables[first].index
    for name, table in tables.items():
        if tuple(table.columns) != labels:
            raise TableError(
                f"{name} has the labels {', '.join(map(str, table.columns))} but {first} has "
                f"{', '.join(map(str, labels))}; fuse models of one label scheme"
            )
        check_probabilities(table, labels, name)
    for name in others:
        if not tables[name].index.equals(clips):
            clips = clips.append(tables[name].index.difference(clips, sort=False))
    values = [
        (table if table.index.equals(clips) else table.reindex(clips)).to_numpy(dtype=float)
        for table in tables.values()
    ]
    # As in a clips table: pandas would else tell texts from objects by how they were joined.
    return labels, clips.astype(object).rename("clip"), np.stack(values)


def _held_out(labels, clips, values, truth: pd.Series, actors: pd.Series | None) -> HeldOut:
    said = ~np.isnan(values).any(axis=2).all(axis=0)
    codes = pd.Index(labels).get_indexer(truth.reindex(clips).astype(object))
    lost = clips[said & (codes < 0)]
    if len(lost):
        raise TableError(
            f"{len(lost)} clip(s) have no true label among the columns, first {lost[0]!r}; "
            "fit the fusion on labelled clips only"
        )
    owner = np.asarray(clips if actors is None else actors.reindex(clips), dtype=object)
    return HeldOut(values, codes, owner).part(said)


def _check_learnable(labels: Names, held: HeldOut) -> None:
    if not len(held.codes):
        raise TableError("no clip has probabilities to fit the fusion on; predict some first")
    found = np.unique(held.codes)
    if len(found) < 2:
        raise TableError(
            f"all {len(held.codes)} clip(s) to fit the fusion on are {labels[found[0]]!r}; "
            "give clips of at least two labels"
        )


def _sets(names: Names) -> Iterator[Names]:
    """Yield every set of modalities, the largest first, in the order of names."""
    for size in range(len(names), 0, -1):
        yield from itertools.combinations(names, size)


def _patterns(names: Names, values: np.ndarray) -> Iterator[tuple[Names, np.ndarray, np.ndarray]]:
    """Yield the modalities present, the rows where just these are, and their values."""
    present = ~np.isnan(values).any(axis=2)
    for pattern in np.unique(present, axis=1).T:
        rows = np.flatnonzero((present == pattern[:, None]).all(axis=0))
        if pattern.any():
            at = np.flatnonzero(pattern)
            yield tuple(names[i] for i in at), rows, values[np.ix_(at, rows)]


def _check_option(name: str, value) -> None:
    if name == "l2" and value is not None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and value > 0):
            raise SerError(f"l2 is {value!r}; give a positive number, or None to have it chosen")
    if name == "groups":
        words = isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values())
        if not words:
            raise SerError(f"groups is {value!r}; give model -> modality, both texts")


def _read(record: FuserRecord) -> dict:
    """Return the arguments of :class:`Fuser` out of an untrusted description."""
    labels = _different(record.labels, "labels")
    names = _different(record.modalities, "modalities")
    plain = Fuser(record.method, dict(record.options))
    return {
        "method": plain.method,
        "options": plain.options,
        "labels": labels,
        "modalities": names,
        "fitted": dict(_read_set(plain, names, labels, entry) for entry in record.fitted),
    }


def _different(values: Sequence[str], what: str) -> Names:
    if len(set(values)) != len(values):
        raise ModelError(f"the fusion's {what} must be different, not {values!r:.200}; train again")
    return tuple(values)


def _read_set(plain: Fuser, names: Names, labels: Names, entry: Mapping) -> tuple[Names, dict]:
    given = entry.get("modalities")
    chosen = tuple(given) if isinstance(given, list) else ()
    if not chosen or chosen != tuple(name for name in names if name in chosen):
        raise ModelError(f"the fusion's set {given!r:.200} is none of {', '.join(names):.200}")
    shapes = plain._module.shapes(chosen, len(labels), plain._options)
    if set(entry) != {"modalities", *shapes}:
        raise ModelError(f"{plain.method} needs just {', '.join(shapes) or 'no parameters'}")
    parameters = {key: np.asarray(entry[key], dtype=float) for key in shapes}
    for key, shape in shapes.items():
        value = parameters[key]
        if value.shape != shape or not (np.abs(value) <= _LARGEST).all():
            raise ModelError(f"the fusion's {key} must be {shape} numbers, not {entry[key]!r:.200}")
    return chosen, parameters
