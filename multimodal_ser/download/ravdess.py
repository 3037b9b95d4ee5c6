"""Download RAVDESS from Zenodo, check it and unpack it, resuming where it was.

::

    RAVDESS/
      Actor_01/ ...      the recordings, ready for ``ravdess.index``
      archives/          archives while they are fetched; also those put there by hand

An archive in ``archives/`` is used as it is if its checksum holds, so one machine may fetch and
another, without a connection, unpack. What a call has fetched it deletes once it is unpacked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from multimodal_ser.datasets.ravdess import ACTORS
from multimodal_ser.download.fetch import fetch, is_offline
from multimodal_ser.download.ravdess_archives import DOI, Archive, address, archives
from multimodal_ser.download.unpack import unpack
from multimodal_ser.errors import DownloadError

ARCHIVES_FOLDER = "archives"
_MD5 = re.compile("md5:[0-9a-f]{32}")


class Downloaded(NamedTuple):
    """What a download came to.

    Attributes:
        recordings: files asked for that are now in the folder.
        written: how many of them were not there before.
        unchecked: archives whose MD5 is not known; their length and the CRC-32 of each file were
            checked all the same.
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
) -> Downloaded:
    """Fetch parts of RAVDESS and unpack them into a folder.

    Calling it again after an interruption fetches and unpacks what is still lacking; when nothing
    is, no connection is made. RAVDESS is CC BY-NC-SA 4.0, see ``ravdess.LICENCE`` and
    ``ravdess.BIBTEX``.

    Args:
        output: the folder; made if need be.
        parts: some of ``speech-audio``, ``song-audio``, ``speech-video`` and ``song-video``.
        actors: ``"01"`` to ``"24"``. Audio-only files of all actors come in one archive, which is
            then fetched whole.
        offline: make no connection; also ``$MULTIMODAL_SER_OFFLINE``. Archives that are in
            ``output/archives`` are unpacked.
        keep_archives: leave fetched archives in ``output/archives``.
        progress: show bars.

    Raises:
        UnknownName: there is no such part or actor.
        DownloadError: what :func:`multimodal_ser.download.fetch.fetch` or
            :func:`multimodal_ser.download.unpack.unpack` refuses, or offline and an archive is
            missing; the others are unpacked all the same.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> download(tempfile.mkdtemp(), parts=["speech-video"], actors=["05"], offline=True)
        Traceback (most recent call last):
        multimodal_ser.errors.DownloadError: ...Video_Speech_Actor_05.zip: it is not there...
    """
    folder, chosen, offline = Path(output), archives(parts, actors), is_offline(offline)
    todo = [archive for archive in chosen if _there(folder, archive) < len(archive.recordings)]
    todo = todo if offline else _with_checksums(todo)
    how = {"offline": offline, "progress": progress}
    written, missing = 0, []
    for name, checksum, recordings in todo:
        place = folder / ARCHIVES_FOLDER / name
        try:
            fetched = fetch(address(name), place, checksum=checksum, **how)
        except DownloadError as error:
            if not offline:
                raise
            missing.append(str(error))
            continue
        written += unpack(place, folder, recordings, progress=progress)
        if fetched and not keep_archives:
            place.unlink()
    if missing:
        raise DownloadError("; ".join(missing))
    unchecked = [archive.name for archive in todo if archive.checksum is None]
    return Downloaded(sum(_there(folder, archive) for archive in chosen), written, unchecked)


def _there(folder: Path, archive: Archive) -> int:
    """Return how many recordings are there; unpacking leaves whole files only."""
    places = [folder / path for path in archive.recordings]
    return sum(place.is_file() and place.stat().st_size > 0 for place in places)


def _with_checksums(todo: list[Archive]) -> list[Archive]:
    """Add the MD5 that only the record knows, where it can be asked."""
    import pooch

    if all(archive.checksum for archive in todo):
        return todo
    record = pooch.create(path=pooch.os_cache("pooch"), base_url=f"doi:{DOI}")
    try:
        record.load_registry_from_doi()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return todo  # the archives themselves may be reached all the same
    known = {name: md5 for name, md5 in record.registry.items() if _MD5.fullmatch(str(md5))}
    return [a._replace(checksum=a.checksum or known.get(a.name)) for a in todo]
