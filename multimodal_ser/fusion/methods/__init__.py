"""Ways to fuse probabilities: each file is one method.

A method is a module with

* ``FITTED``: whether it learns anything from held-out predictions;
* ``LOGARITHMIC``: whether its evidence adds up to log-probabilities (or, for
  the mean, to probabilities);
* ``OPTIONS``: what may be chosen before the fit, with the defaults;
* ``shapes(names, n_labels, options)``: the shape of every fitted parameter;
* ``fit(held, names, options)``: the parameters for these modalities, from a
  :class:`~multimodal_ser.fusion.numeric.HeldOut`;
* ``evidence(values, parameters, names, options)``: what each modality says for
  each label, ``(n_modalities, n_clips, n_labels)``. Its sum over modalities,
  with the parameter ``bias`` where there is one, is the fused answer.

Modalities are given without gaps: :class:`~multimodal_ser.fusion.fuser.Fuser`
calls a method once for every set of modalities that occurs together.
"""

from __future__ import annotations

from types import ModuleType

from multimodal_ser.plugins import load_plugin

NAMES = ("mean", "product", "log_pool", "grouped_pool", "vector_pool", "stacking")


def load(name: str) -> ModuleType:
    """Return the module of a fusion method.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> load("mean").FITTED, load("log_pool").FITTED
        (False, True)
    """
    return load_plugin(__name__, "fusion method", name, NAMES)
