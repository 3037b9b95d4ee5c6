"""Fitted classifiers as files: data, without pickle, so that loading one runs no code."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import warnings
import zipfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.errors import ModelError

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

#: Types beyond scikit-learn's own that a model file may name. A file that
#: names any other type is refused.
_TRUSTED = (
    # A decision tree is arrays read by compiled code: it runs nothing, though a
    # forged one could make that code read out of bounds.
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfMultinomialLoss",
    # What Adam remembers of a training: arrays and numbers.
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    # A dictionary whose keys are attributes too.
    "sklearn.utils._bunch.Bunch",
    # A booster is text read by compiled code.
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "multimodal_ser.estimators.votes.Columns",
    "multimodal_ser.estimators.pairwise.PairwiseSVC",
    "multimodal_ser.estimators.votes.SoftVote",
)


#: Where the types of models that were saved earlier are today.
_MOVED = {
    f"multimodal_ser.sklearn_classifiers.{name}": f"multimodal_ser.estimators.{module}.{name}"
    for module, name in (("pairwise", "PairwiseSVC"), ("votes", "Columns"), ("votes", "SoftVote"))
}


#: The most bytes of a model's file, packed and unpacked. The largest network here has 241 MB.
LARGEST_BYTES = 2**29


def check_file(path: str | Path) -> Path:
    """Return the path of an ordinary file of at most :data:`LARGEST_BYTES`.

    Raises:
        ModelError: it is missing, a folder, a pipe or a device, which must not be opened, or too
            large.

    Example:
        >>> check_file("/dev/zero")
        Traceback (most recent call last):
        multimodal_ser.errors.ModelError: /dev/zero: it is no ordinary file; copy the model again
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path}: it cannot be read ({reason}); copy the model again") from error
    if not stat.S_ISREG(found.st_mode):
        raise ModelError(f"{path}: it is no ordinary file; copy the model again")
    if found.st_size > LARGEST_BYTES:
        raise ModelError(f"{path}: it has more than {LARGEST_BYTES >> 20} MB; copy the model again")
    return Path(path)


def check_archive(path: str | Path) -> Path:
    """Return the path of a zip archive, such as npz, skops and Keras files, of bounded content.

    Raises:
        ModelError: see :func:`check_file`; it is no archive, or is too large when unpacked.
    """
    path = check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(one.file_size for one in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{path}: it is damaged ({error!s:.80}); copy the model again") from error
    if size > LARGEST_BYTES:
        raise ModelError(f"{path}: it has {size} bytes when unpacked; copy the model again")
    return path


def warn_of_missing(exported: str | Path, reader: str) -> None:
    """Say that a model is not read as the plain graph that it should be there as.

    Args:
        exported: path of that graph, which is missing.
        reader: what reads the model instead.
    """
    warnings.warn(
        f"{exported} is missing; {reader} reads what there is instead, which takes longer and is "
        "for models of people you trust",
        UserWarning,
        stacklevel=2,
    )


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits.

    Raises:
        ModelError: see :func:`check_file`.
        OSError: it cannot be read.
    """
    with open(check_file(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def probabilities(module: ModuleType, estimator: BaseEstimator, values: np.ndarray) -> np.ndarray:
    """Return a fitted estimator's probabilities.

    Args:
        module: the plug-in that built it; its ``probabilities`` is called where
            it has one.
        estimator: what its ``build`` gave, fitted.
        values: as the estimator takes them, one row per clip.

    Returns:
        ``(n_clips, k)``; rows sum to 1.
    """
    if hasattr(module, "probabilities"):
        return module.probabilities(estimator, values)
    return estimator.predict_proba(values)


def save(estimator: BaseEstimator, folder: str | Path) -> None:
    """Write a fitted estimator into a folder, as data, without pickle.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if hasattr(estimator, "save"):
        estimator.save(folder)
        return
    import skops.io

    content = skops.io.dumps(estimator)
    write_atomically(folder / "estimator.skops", lambda file: file.write(content))


def load(folder: str | Path, module: ModuleType) -> BaseEstimator:
    """Read what :func:`save` wrote.

    Args:
        folder: holds the files.
        module: the plug-in whose ``build`` gave the estimator.

    Raises:
        ModelError: a file is missing or damaged, or names a type that is not
            trusted.
    """
    unfitted = module.build()
    if hasattr(unfitted, "save"):
        return type(unfitted).load(folder, module.__name__)
    import skops.io

    path = Path(folder) / "estimator.skops"
    try:
        content = _with_moved_types(check_archive(path).read_bytes())
        unknown = set(skops.io.get_untrusted_types(data=content)) - set(_TRUSTED)
        if unknown:
            raise ModelError(
                f"{path}: it names the type {sorted(unknown)[0]}, which is not trusted; "
                "use a model from a source you trust, or train one"
            )
        return skops.io.loads(content, trusted=list(_TRUSTED))
    except ModelError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: not a usable model file ({reason}); train again") from error


def _with_moved_types(content: bytes) -> bytes:
    """Return a skops file, a zip with a JSON schema, whose types have the names of today."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read("schema.json"))
        if not _rename(schema):
            return content
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as renamed:
            for name in archive.namelist():
                text = json.dumps(schema).encode() if name == "schema.json" else archive.read(name)
                renamed.writestr(name, text)
    return target.getvalue()


def _rename(node: object) -> bool:
    """Rename the types in a part of a schema in place; return whether there were any."""
    if isinstance(node, list):
        return any([_rename(part) for part in node])
    if not isinstance(node, dict):
        return False
    moved = _MOVED.get(f"{node.get('__module__')}.{node.get('__class__')}")
    if moved is not None:
        node["__module__"], _, node["__class__"] = moved.rpartition(".")
    return any([_rename(part) for part in node.values()]) or moved is not None
