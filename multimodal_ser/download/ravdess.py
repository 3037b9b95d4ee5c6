"""Download RAVDESS from Zenodo, check it and unpack it, going on where it was.

::

    RAVDESS/
      Actor_01/ ...      the recordings, ready for ``ravdess.index``
      archives/          archives on their way, and a receipt of each that is done:
                         which files came out of it, with size, CRC-32 and time

An archive that someone has put into ``archives/`` is used as it is if its
checksum holds, so one machine may fetch and another, without a connection,
unpack. An archive that was fetched here is deleted once it is unpacked.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.datasets.ravdess import ACTORS, parse_name
from multimodal_ser.download.fetch import (
    check_room,
    fetch,
    fetch_json,
    is_offline,
    problem_of,
    try_lock,
)
from multimodal_ser.download.ravdess_archives import RECORD_URL, Archive, address, archives
from multimodal_ser.download.unpack import Unpacked, crc_of, say_left_out, unpack
from multimodal_ser.errors import DownloadError, SerError

ARCHIVES_FOLDER = "archives"
_ENDINGS = (".wav", ".mp4")


class Downloaded(NamedTuple):
    """What a download came to.

    Attributes:
        recordings: files asked for that are now in the folder.
        written: how many of them were not there before.
        unchecked: archives whose MD5 nobody knew; their length and the CRC-32
            of each file were checked all the same.
    """

    recordings: int
    written: int
    unchecked: list[str]


def download(
    output: str | Path,
    *,
    parts: Iterable[str] = ("speech-audio",),
    actors: Iterable[str] = ACTORS,
    offline: bool = False,
    keep_archives: bool = False,
    progress: bool = False,
    attempts: int = 5,
    timeout_seconds: float = 30.0,
    backoff_seconds: float = 1.0,
) -> Downloaded:
    """Fetch parts of RAVDESS and unpack them into a folder.

    Calling it again after an interruption fetches and unpacks what is still
    lacking; when nothing is, no connection is made. RAVDESS is CC BY-NC-SA 4.0,
    see ``ravdess.LICENCE`` and ``ravdess.BIBTEX``.

    Args:
        output: the folder; made if need be.
        parts: some of ``speech-audio``, ``song-audio``, ``speech-video`` and
            ``song-video``.
        actors: ``"01"`` to ``"24"``. Sound-only files of all actors come in one
            archive, which is then fetched whole.
        offline: make no connection; also ``$MULTIMODAL_SER_OFFLINE``. Archives
            that lie in ``output/archives`` are unpacked.
        keep_archives: leave fetched archives in ``output/archives``.
        progress: show bars, and what was left out or is retried.
        attempts: connections in a row that may fail.
        timeout_seconds: how long the server may say nothing.
        backoff_seconds: pause after a failure; doubled after each further one.

    Raises:
        UnknownName: there is no such part.
        DownloadError: what :func:`multimodal_ser.download.fetch.fetch` or
            :func:`multimodal_ser.download.unpack.unpack` refuses; offline, and
            something is missing; or another download into this folder goes on.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> download(tempfile.mkdtemp(), parts=["speech-video"], actors=["05"], offline=True)
        Traceback (most recent call last):
        multimodal_ser.errors.DownloadError: ...Video_Speech_Actor_05.zip: it is not there...
    """
    folder, actors = Path(output), tuple(actors)
    chosen = archives(parts, actors)
    offline = is_offline(offline)
    with _alone(folder):
        todo = [archive for archive in chosen if not _is_done(folder, archive.name, actors)]
        unchecked: list[str] = []
        written = 0
        if offline:
            todo, missing = _at_hand(folder, todo)
        else:
            todo, missing = _complete(todo, progress, timeout_seconds, backoff_seconds), {}
            _check_room(folder, todo)
        for archive in todo:
            if not offline:
                _fetch(
                    folder,
                    archive,
                    attempts=attempts,
                    timeout_seconds=timeout_seconds,
                    backoff_seconds=backoff_seconds,
                    progress=progress,
                )
            unchecked += [archive.name] * (archive.checksum is None)
            written += _unpack(folder, archive, actors, keep_archives, progress)
        _check_none(missing)
        recordings = sum(len(_receipt(folder, a.name).of(actors)) for a in chosen)
    return Downloaded(recordings, written, unchecked)


class _Receipt(NamedTuple):
    """What is known of an archive: path -> size, CRC-32, time of its files."""

    fetched: bool
    actors: list[str]
    files: dict[str, tuple[int, int, int]]

    def of(self, actors: Iterable[str]) -> dict[str, tuple[int, int, int]]:
        """Return the files of these actors."""
        chosen = set(actors)
        return {path: file for path, file in self.files.items() if _actor(path) in chosen}


def _actor(path: str) -> str | None:
    """Return whose recording this is, None if it is none of RAVDESS."""
    try:
        return parse_name(path).actor if path.lower().endswith(_ENDINGS) else None
    except SerError:
        return None


def _receipt_path(folder: Path, name: str) -> Path:
    return folder / ARCHIVES_FOLDER / f"{name}.json"


def _receipt(folder: Path, name: str) -> _Receipt:
    try:
        noted = json.loads(_receipt_path(folder, name).read_text())
        files = {str(p): tuple(map(int, values)) for p, values in noted["files"].items()}
        if any(len(values) != 3 for values in files.values()):
            raise ValueError("a file has size, CRC and time")
        return _Receipt(bool(noted["fetched"]), [str(a) for a in noted["actors"]], files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _Receipt(False, [], {})


def _note(folder: Path, name: str, receipt: _Receipt) -> None:
    text = json.dumps(receipt._asdict(), indent=1)
    write_atomically(_receipt_path(folder, name), lambda file: file.write(text.encode()))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    place = folder / ARCHIVES_FOLDER
    place.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place, os.O_RDONLY)
    try:
        if not try_lock(descriptor):
            raise DownloadError(f"{folder}: another download into it goes on; wait for it to end")
        yield
    finally:
        os.close(descriptor)


def _is_done(folder: Path, name: str, actors: tuple[str, ...]) -> bool:
    receipt = _receipt(folder, name)
    asked = {a for a in actors if f"Actor_{a}" in name or "Actors_" in name}
    files = receipt.of(asked)
    return asked <= set(receipt.actors) and all(
        _is_untouched(folder / path, *file) for path, file in files.items()
    )


def _is_untouched(path: Path, size: int, crc: int, time_ns: int) -> bool:
    try:
        found = path.stat()
        # A copied folder has new times; its content then speaks for itself.
        return found.st_size == size and (found.st_mtime_ns == time_ns or crc_of(path) == crc)
    except OSError:
        return False


def _complete(
    todo: list[Archive], progress: bool, timeout_seconds: float, backoff_seconds: float
) -> list[Archive]:
    """Add the sizes and sums that only the record knows, where it can be asked."""
    if all(archive.size and archive.checksum for archive in todo):
        return todo
    try:
        record = fetch_json(
            RECORD_URL,
            timeout_seconds=timeout_seconds,
            backoff_seconds=backoff_seconds,
            progress=progress,
        )
    except DownloadError:
        return todo  # the archives themselves may be reached all the same
    known = _record_files(record)
    return [
        Archive(a.name, a.size or known[a.name].size, a.checksum or known[a.name].checksum)
        if a.name in known
        else a
        for a in todo
    ]


def _record_files(record: object) -> dict[str, Archive]:
    """Return the files of a Zenodo record, leaving out what is not written as expected."""
    files = record.get("files") if isinstance(record, dict) else None
    found = {}
    for file in files if isinstance(files, list) else []:
        match file:
            case {"key": str(name), "size": int(size), "checksum": str(checksum)} if size > 0:
                sound = checksum.startswith("md5:") and len(checksum) == 36
                sound = sound and not set(checksum[4:]) - set("0123456789abcdef")
                found[name] = Archive(name, size, checksum if sound else None)
    return found


def _at_hand(folder: Path, todo: list[Archive]) -> tuple[list[Archive], dict[str, str]]:
    """Split archives into those that lie there and, by name, what is wrong with the others."""
    ready, missing = [], {}
    for archive in todo:
        path = folder / ARCHIVES_FOLDER / archive.name
        problem = problem_of(path, archive.size, archive.checksum)
        if problem:
            missing[archive.name] = f"{path}: {problem}"
        else:
            ready.append(archive)
    return ready, missing


def _check_none(missing: dict[str, str]) -> None:
    if missing:
        first, *others = missing.values()
        more = f" and {len(others)} more archive(s) lack" if others else ""
        raise DownloadError(
            f"{first}{more}; no connection may be made: go online, or fetch elsewhere and put "
            f"there: {' '.join(map(address, missing))}"
        )


def _check_room(folder: Path, todo: list[Archive]) -> None:
    places = [folder / ARCHIVES_FOLDER / archive.name for archive in todo]
    check_room(
        folder,
        sum(a.size or 0 for a, place in zip(todo, places, strict=True) if not place.exists()),
    )


def _fetch(folder: Path, archive: Archive, **how) -> None:
    place = folder / ARCHIVES_FOLDER / archive.name
    receipt = _receipt(folder, archive.name)
    if not place.exists() and not receipt.fetched:
        # Noted first: an archive that lies there without this is its owner's.
        _note(folder, archive.name, receipt._replace(fetched=True))
    fetch(
        address(archive.name),
        place,
        size=archive.size,
        checksum=archive.checksum,
        **how,
    )


def _unpack(
    folder: Path, archive: Archive, actors: tuple[str, ...], keep: bool, progress: bool
) -> int:
    name = archive.name
    place = folder / ARCHIVES_FOLDER / name
    unpacked = unpack(
        place,
        folder,
        wanted=lambda path: _actor(path) in actors,
        vouched=archive.checksum is not None,
        progress=progress,
    )
    if progress:
        say_left_out(name, unpacked)
    receipt = _receipt(folder, name)
    if not unpacked.members:
        raise DownloadError(
            f"{place}: it holds no recording of actors {', '.join(actors)}; delete it, and fetch "
            "it again if it is not the archive of that name"
        )
    # From here on it is its owner's: deleted now, or kept because they said so.
    _note(folder, name, _after(folder, receipt, unpacked, actors))
    if receipt.fetched and not keep:
        place.unlink()
    return unpacked.written


def _after(folder: Path, receipt: _Receipt, unpacked: Unpacked, actors) -> _Receipt:
    files = dict(receipt.files)
    for path, size, crc in unpacked.members:
        files[path] = (size, crc, (folder / path).stat().st_mtime_ns)
    return _Receipt(False, sorted({*receipt.actors, *actors}), files)
