"""What JSON files hold that anyone may have made: a struct per kind of file, and one reader.

A struct says which fields there are, of which type, length, range and pattern; msgspec
checks all of it while it decodes, and knows no NaN and no Infinity. Whether the values
fit each other and their tables is for the room to say that uses them. A later kind of
file is one more struct here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from multimodal_ser.compute.files import open_regular
from multimodal_ser.errors import SerError

Name = Annotated[str, Meta(min_length=1, max_length=1000)]
Text = Annotated[str, Meta(max_length=2**20)]
Count = Annotated[int, Meta(ge=0, le=2**62)]
Seconds = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
#: The SHA-256 of a file.
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
#: A table of a run, within the run's own folder.
_RUN_FILE = r"\Aprobabilities/[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.parquet\Z"
RunFile = Annotated[str, Meta(pattern=_RUN_FILE)]
ClipsFile = Annotated[str, Meta(pattern=r"\Aclips(-v[0-9]{1,6})?\.parquet\Z")]
_Scalar = None | bool | int | float | str
_Values = None | bool | int | float | str | list[_Scalar]
#: A value of a model's parameters, such as ``10``, ``"rbf"`` or ``[64, 64]``.
Value = None | bool | int | float | str | list[_Values] | dict[str, _Values]

Kind = TypeVar("Kind", bound=Struct)


class InputRecord(Struct, frozen=True, kw_only=True):
    """What a regressor of one modality reads."""

    input: Name
    version: Count
    #: Of its weights, within the model's; those of earlier versions are named by the modality.
    folder: Annotated[str, Meta(pattern=r"\Alearners(-[0-9]{1,6})?/(audio|video)\Z")] | None = None


class RegressorRecord(Struct, frozen=True, kw_only=True):
    """A regressor's description; see ``workflows.regression``."""

    targets: list[Name]
    inputs: dict[Name, InputRecord]
    weights: dict[Name, dict[Name, float]] = {}
    #: As in :class:`ModelRecord`.
    files: dict[Name, Digest] | None = None


class RunModelRecord(Struct, frozen=True, kw_only=True):
    """One model in a run's ``run.json``; see ``evaluation.runs.RunModel``."""

    name: Name
    modality: Name
    file: RunFile
    parts: dict[Name, Name]
    seconds: Seconds | None
    chosen: list[dict[Name, Value]] = []
    condition: Text = ""
    costs: list[dict[Name, Value]] = []


class RunRecord(Struct, frozen=True, kw_only=True):
    """The ``run.json`` of a finished run; see ``evaluation.runs.Run``."""

    format: Annotated[int, Meta(ge=1, le=1)] = 1
    title: Text
    protocol: Name
    adaptation: Name
    leaky: bool
    seed: Count
    command: Text
    git: Text | None
    versions: dict[Name, Text]
    seconds: Seconds | None
    clips_hash: Text
    identity: Text = ""
    n_clips: Count
    actors: list[str]
    models: list[RunModelRecord]
    clips: ClipsFile = "clips.parquet"


#: A folder within a model's own folder.
Place = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,100}(/[A-Za-z0-9_-]{1,100})?\Z")]
Label = Annotated[str, Meta(min_length=1, max_length=99)]
#: The label scheme of a model, in the order of its outputs.
Labels = Annotated[list[Label], Meta(min_length=2, max_length=1000)]
Seed = Annotated[int, Meta(ge=-(2**62), le=2**62)]


class FeatureLearnerRecord(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="features"
):
    """A fitted classifier of features; see ``workflows.feature_model``."""

    name: Name
    folder: Place
    modality: Literal["audio", "video"]
    input: Name
    input_version: Count
    input_names: Annotated[list[Name], Meta(max_length=2**16)] = []
    classifier: Name
    labels: Labels
    seed: Seed
    params: dict[Name, Value]
    codes: Annotated[list[Count], Meta(max_length=1000)]
    #: Whether ``reference.npz`` belongs to it; models of earlier versions do not say.
    reference: bool = False


class FrameLearnerRecord(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="frames"
):
    """A trained network over frames; see ``video.model``."""

    name: Name = "video"
    folder: Place = "video"
    backbone: Name
    params: dict[Name, bool | int | float | str | None]
    labels: Labels
    seed: Seed
    frames_version: Count


class FuserRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How learners become one; see ``fusion.fuser``."""

    method: Name
    options: dict[Name, Value]
    labels: list[Label]
    modalities: Annotated[list[Name], Meta(max_length=64)]
    fitted: Annotated[list[dict[Name, Any]], Meta(max_length=64)]


class SetsRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of prediction sets; see ``fusion.sets``."""

    coverages: Annotated[list[Share], Meta(min_length=1, max_length=1000)]
    thresholds: dict[Literal["audio", "video", "fused"], list[Share]]


Positive = Annotated[float, Meta(ge=1e-9, le=1e9)]
_Signs = Annotated[list[Annotated[float, Meta(ge=-1e6, le=1e6)]], Meta(min_length=1, max_length=9)]


class NoveltyRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far clips are from what a model has learnt; see ``workflows.novelty``."""

    learner: Name
    n_values: Annotated[int, Meta(ge=1, le=2**16)]
    together: Annotated[list[Label], Meta(max_length=99)] = []
    centre: _Signs
    spread: Annotated[list[Positive], Meta(min_length=1, max_length=9)]
    weights: Annotated[list[Annotated[float, Meta(ge=0, le=10)]], Meta(max_length=9)]
    bias: Annotated[float, Meta(ge=-10, le=10)]
    limit: Positive
    most: Positive


class ModelRecord(Struct, frozen=True, kw_only=True):
    """The ``params.json`` of a model; see ``workflows.models``."""

    format: Literal[2]
    labels: Labels
    pooling: Name
    adapt: Name
    learners: Annotated[
        list[FeatureLearnerRecord | FrameLearnerRecord], Meta(min_length=1, max_length=64)
    ]
    fusion: FuserRecord
    temperatures: dict[Name, Annotated[float, Meta(ge=1e-3, le=1e3)]]
    sets: SetsRecord | None = None
    novelty: NoveltyRecord | None = None
    #: SHA-256 of each of the learners' files; models of earlier versions have none.
    files: dict[Name, Digest] | None = None


def to_record(
    value: object, kind: type[Kind], what: str, *, error: type[SerError] = SerError
) -> Kind:
    """Return a struct of a kind, made of the values that JSON has.

    Args:
        value: a mapping.
        kind: a struct of this module.
        what: names what the mapping describes.
        error: what to raise.

    Raises:
        SerError: a value is not what the struct asks for; the text names its place.

    Example:
        >>> class Size(Struct, frozen=True):
        ...     size_px: int
        >>> to_record({"size_px": 64}, Size, "a size").size_px
        64
    """
    try:
        return msgspec.convert(value, kind)
    except (ValueError, RecursionError) as problem:
        raise error(f"{what} is damaged: {problem}; make it again") from problem


def read_record(
    source: str | Path | bytes,
    kind: type[Kind],
    what: str,
    *,
    limit_bytes: int = 2**24,
    error: type[SerError] = SerError,
) -> Kind:
    """Read a JSON file, or the bytes of one, as a struct of a kind.

    Args:
        source: path of the file, or what it holds.
        kind: a struct of this module.
        what: names what the file describes, as in "a run".
        limit_bytes: a longer file is refused before it is decoded.
        error: what to raise, such as ``ModelError``.

    Raises:
        SerError: the file is not JSON, is too long or nested too deeply, or a value in
            it is not what the struct asks for; the text names its place.
        OSError: the file cannot be read.

    Example:
        >>> class Size(Struct, frozen=True, forbid_unknown_fields=True):
        ...     size_px: Annotated[int, Meta(ge=1)]
        >>> read_record(b'{"size_px": 64}', Size, "a size").size_px
        64
        >>> read_record(b'{"size_px": "big"}', Size, "a size")
        Traceback (most recent call last):
        multimodal_ser.errors.SerError: the JSON given is not a size: Expected `int`, \
got `str` - at `$.size_px`; make it again
    """
    name = "the JSON given" if isinstance(source, bytes) else source
    content = source if isinstance(source, bytes) else _head(Path(source), limit_bytes + 1)
    if len(content) > limit_bytes:
        raise error(f"{name} is not {what}: it is longer than {limit_bytes} bytes; make it again")
    try:
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError) as problem:
        raise error(f"{name} is not {what}: {problem}; make it again") from problem


def read_json(
    source: str | Path,
    what: str,
    *,
    limit_bytes: int = 2**24,
    error: type[SerError] = SerError,
) -> dict[str, Any]:
    """Read a JSON object of any fields, for files of which there are several formats.

    Args:
        source: as for :func:`read_record`.
        what: as for :func:`read_record`.
        limit_bytes: as for :func:`read_record`.
        error: as for :func:`read_record`.

    Raises:
        SerError: as for :func:`read_record`; or it is no object.
        OSError: the file cannot be read.

    Example:
        >>> read_json("no-such.json", "a model")
        Traceback (most recent call last):
        FileNotFoundError: [Errno 2] No such file or directory: 'no-such.json'
    """
    content = _head(Path(source), limit_bytes + 1)
    if len(content) > limit_bytes:
        raise error(f"{source} is not {what}: it is longer than {limit_bytes} bytes; make it again")
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (ValueError, RecursionError) as problem:
        raise error(f"{source} is not {what}: {problem}; make it again") from problem


def write_record(record: Struct) -> bytes:
    """Return a record as indented JSON that :func:`read_record` accepts.

    Args:
        record: any struct of this module; NumPy's scalars become JSON's.

    Raises:
        SerError: a value is not what the struct asks for.

    Example:
        >>> class Size(Struct):
        ...     size_px: int
        >>> write_record(Size(64)).decode().split()
        ['{', '"size_px":', '64', '}']
    """
    text = msgspec.json.encode(record, enc_hook=lambda value: value.item())
    read_record(text, type(record), "a record that could be read again")
    return msgspec.json.format(text, indent=2) + b"\n"


def _head(path: Path, size: int) -> bytes:
    with open_regular(path) as file:
        return file.read(size)
