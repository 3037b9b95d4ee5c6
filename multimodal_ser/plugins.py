"""What is loaded when it is needed: plug-ins, and libraries that may not be installed.

A room of plug-ins has one file each, named in the room's ``NAMES``.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from multimodal_ser.errors import MissingLibrary, UnknownName

#: The libraries that prediction does without -> the extra of this package that brings them.
#: They are imported inside functions, after :func:`require`.
EXTRAS = {
    **dict.fromkeys(("tensorflow", "keras", "h5py", "tf2onnx"), "train"),
    **dict.fromkeys(("librosa", "xgboost", "lightgbm"), "train"),
    "pyarrow": "parquet",
    "distributed": "cluster",
    "optuna": "search",
    "opensmile": "opensmile",
    **dict.fromkeys(("nicegui", "fastapi"), "app"),
}


def require(*libraries: str, remark: str = "") -> None:
    """Refuse to go on without libraries that a light installation leaves out.

    Nothing is imported, so a request can be checked before any work is done.

    Args:
        libraries: keys of :data:`EXTRAS`.
        remark: what to know before one of them is installed.

    Raises:
        MissingLibrary: one is not installed; the error names the extra that brings it.

    Example:
        >>> require()
    """
    for library in libraries:
        if not _is_installed(library):
            raise MissingLibrary(library, EXTRAS[library], remark)


def _is_installed(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except (ImportError, ValueError):  # a finder refuses it; a module that was made by hand
        return False


def load_plugin(room: str, kind: str, name: str, names: tuple[str, ...]) -> ModuleType:
    """Return a room's module of that name.

    Args:
        room: the package that holds it, its ``__name__``.
        kind: what to call it in an error.
        name: which one.
        names: those there are; only these are ever imported.

    Raises:
        UnknownName: there is none; the error lists those there are.

    Example:
        >>> load_plugin("multimodal_ser.datasets", "data set", "ravdess", ("ravdess",)).NAME
        'ravdess'
    """
    if name not in names:
        raise UnknownName(kind, name, names)
    return importlib.import_module(f"{room}.{name}")
