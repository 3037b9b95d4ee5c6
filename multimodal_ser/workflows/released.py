"""Models that come with the package, and where they lie.

In a clone they are the folders of ``models/``; a wheel carries the same within
the package. ``$MULTIMODAL_SER_MODELS`` names one more folder of models, looked
into first, whose models then go by their names too.
"""

from __future__ import annotations

import os
from pathlib import Path

from multimodal_ser.errors import ModelError

#: Used when no model is named: audio and video.
DEFAULT = "ravdess"
MODELS_VARIABLE = "MULTIMODAL_SER_MODELS"
#: The file that makes a folder a regressor's; see ``workflows.regression``.
REGRESSOR = "regressor.json"

_PACKAGE = Path(__file__).resolve().parents[1]


def folders() -> tuple[Path, ...]:
    """Return the folders that hold models, in the order in which they are looked into."""
    named = os.environ.get(MODELS_VARIABLE)
    clone = _PACKAGE.parent
    # Beside an installed package, "models" would be somebody else's.
    own = clone / "models" if (clone / "pyproject.toml").is_file() else _PACKAGE / "models"
    return (Path(named), own) if named else (own,)


def released_models() -> tuple[str, ...]:
    """Return the names of the models there are, sorted."""
    found = {path.parent.name for place in folders() for path in place.glob("*/params.json")}
    return tuple(sorted(found))


def is_regressor(folder: str | Path | None) -> bool:
    """Tell whether a folder holds a regressor.

    Example:
        >>> is_regressor(None), is_regressor("no-such-folder")
        (False, False)
    """
    return folder is not None and (Path(folder) / REGRESSOR).is_file()


def find(model: str | Path | None = None) -> Path:
    """Return the folder of a model.

    Args:
        model: a folder, which comes first, or the name of a released model;
            None takes :data:`DEFAULT`.

    Raises:
        ModelError: there is neither; the error lists the names there are.

    Example:
        >>> find("no-such-model")
        Traceback (most recent call last):
        multimodal_ser.errors.ModelError: no-such-model: there is no such folder...
    """
    if model is not None and Path(model).is_dir():
        return Path(model)
    known = released_models()
    name = DEFAULT if model is None else str(model)
    if name in known:
        return next(place / name for place in folders() if (place / name / "params.json").exists())
    listed = f"choose one of: {', '.join(known)}" if known else "none came with this installation"
    raise ModelError(
        f"{name}: there is no such folder, and no released model of this name ({listed}); "
        "make one with 'multimodal-ser train DATA --output FOLDER'"
    )
