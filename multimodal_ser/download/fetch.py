"""Fetch one file over HTTP with pooch, resuming what was interrupted.

pooch checks the checksum and gives a file its name only when it is whole and right. Archives of
200 MB to 1 GB also need what it lacks, and :class:`ResumingDownloader` adds it: resuming with
``Range``, retries, limits on length and on slowness, and no redirect from https to http.
Of an answer only a plain body of an announced length is taken: with ``Transfer-Encoding`` its end
is the sender's to choose, and with ``Content-Encoding`` it is not the file that was asked for.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from multimodal_ser import VERSION
from multimodal_ser.compute.files import sync_folder
from multimodal_ser.errors import DownloadError

if TYPE_CHECKING:
    import requests

#: Set to anything but 0, false or no: no connection is made.
OFFLINE_VARIABLE = "MULTIMODAL_SER_OFFLINE"
#: Connections in a row that may fail without bringing a MiB beyond all earlier ones.
ATTEMPTS, GAIN_BYTES = 5, 1 << 20
#: How long a server may be silent, or send fewer bytes per second than this.
TIMEOUT_SECONDS, LEAST_BYTES_PER_SECOND = 30.0, 100
#: The longest file that is fetched; RAVDESS's largest archive has 1 GB.
LARGEST_BYTES = 2**32
#: Where pooch checks a file before it gets its place; removed when nothing is fetched.
CHECKING = ".downloading"
#: Pause after a failure, doubled after each further one, and its limit.
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 120.0

_LOG = logging.getLogger(__name__)
#: What a server may have recovered from by the next attempt.
_PASSING = {408, 425, 429, 500, 502, 503, 504}


def is_offline(asked: bool = False) -> bool:
    """Tell whether no connection may be made: asked, or ``$MULTIMODAL_SER_OFFLINE`` is set.

    Example:
        >>> is_offline(True)
        True
    """
    said = os.environ.get(OFFLINE_VARIABLE, "").strip().lower()
    return asked or said not in ("", "0", "false", "no")


def fetch(
    url: str,
    target: str | Path,
    *,
    checksum: str | None = None,
    offline: bool = False,
    progress: bool = False,
) -> bool:
    """Fetch a file unless it is already there and right; return whether it was fetched.

    Args:
        url: ``https://`` or ``http://``.
        target: the file to write; its folder is made.
        checksum: ``"md5:"`` or ``"sha256:"`` and hexadecimal digits, where known. Only with it is
            an earlier connection resumed: nothing else shows that two pieces belong together.
        offline: make no connection; also ``$MULTIMODAL_SER_OFFLINE``.
        progress: show a bar.

    Raises:
        DownloadError: offline and not there; refused by the server; twice another content than
            expected; no connection after :data:`ATTEMPTS`; a folder is in the way; or
            another process is downloading into the same folder.
        OSError: the folder or file cannot be written, or the disk is full.

    Example:
        >>> fetch("https://example.org/a.onnx", "a.onnx", offline=True)
        Traceback (most recent call last):
        multimodal_ser.errors.DownloadError: a.onnx: it is not there, ...
    """
    from filelock import FileLock, Timeout

    target = Path(target)
    problem = _problem_of(target, checksum)
    if not problem:
        return False
    if is_offline(offline):
        raise DownloadError(
            f"{target}: {problem}, and no connection may be made; fetch {url} elsewhere and put "
            f"it there, or leave out --offline and unset {OFFLINE_VARIABLE}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(target.with_name(f"{CHECKING}.lock"), timeout=0):
            shutil.rmtree(target.with_name(CHECKING), ignore_errors=True)  # from a killed run
            try:
                _retrieve(url, target, checksum, progress)
            finally:
                shutil.rmtree(target.with_name(CHECKING), ignore_errors=True)
    except Timeout:
        raise DownloadError(
            f"{target.parent}: another process is downloading into it; wait for it to end"
        ) from None
    return True


def _problem_of(path: Path, checksum: str | None) -> str:
    """Return what is wrong with a file, "" when nothing is."""
    import pooch

    if path.is_dir():
        raise DownloadError(f"{path}: it is a folder; move it away, or choose another place")
    if not path.is_file():
        return "it is not there"
    if not checksum:
        return ""
    kind, _, digits = checksum.lower().partition(":")
    found = pooch.file_hash(path, alg=kind)
    return "" if found == digits else f"found {kind}:{found}, expected {checksum}"


def _retrieve(url: str, target: Path, checksum: str | None, progress: bool) -> None:
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)  # else it prints a line per file
    part = target.with_name(f"{target.name}.part")
    downloader = ResumingDownloader(part, resume=checksum is not None, progress=progress)
    for _ in range(2):
        try:
            place = target.with_name(CHECKING)
            made = pooch.retrieve(url, checksum, target.name, place, downloader=downloader)
            os.replace(made, target)
            sync_folder(target.parent)
            return
        except ValueError as error:  # another content than expected, from pooch or _copy
            part.unlink(missing_ok=True)
            problem = error
    raise DownloadError(
        f"{url}: {problem} This happened twice: the file there has changed, or the network alters "
        "it; try another network"
    )


class _Interrupted(Exception):
    """Something that may pass: a lost connection, or a busy server."""

    def __init__(self, text: str, pause_seconds: float = 0.0):
        super().__init__(text)
        self.pause_seconds = pause_seconds


class ResumingDownloader:
    """A downloader for ``pooch.retrieve`` that collects a file in ``part`` and resumes there.

    Args:
        part: where bytes are collected until all have arrived.
        resume: whether to go on with what an earlier connection left in ``part``.
        progress: show a bar.
    """

    def __init__(self, part: Path, *, resume: bool = True, progress: bool = False) -> None:
        self.part, self.resume, self.progress = part, resume, progress

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Write what ``url`` holds to ``output_file``; pooch calls this.

        Raises:
            DownloadError: refused by the server, or no connection after :data:`ATTEMPTS`.
            ValueError: the content is longer than announced.
            OSError: the file cannot be written, or the disk has no room for it.
        """
        failures = furthest = 0
        with _session(url) as session:
            while True:
                try:
                    self._receive(session, url)
                    break
                except _Interrupted as error:
                    arrived = self._arrived()
                    failures = 1 if arrived >= furthest + GAIN_BYTES else failures + 1
                    furthest = max(furthest, arrived)
                    _pause(url, error, failures)
        os.replace(self.part, output_file)

    def _arrived(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _receive(self, session: requests.Session, url: str) -> None:
        start = self._arrived() if self.resume else 0
        with self._ask(session, url, start) as response, open(self.part, "ab") as file:
            start = start if response.status_code == 206 else 0
            total = start + _length(url, response)
            self._check_room(url, total, total - start)
            file.truncate(start)
            self._copy(response, file, start, total)
            file.flush()
            os.fsync(file.fileno())

    def _check_room(self, url: str, total: int, coming: int) -> None:
        free = shutil.disk_usage(self.part.parent).free + self._arrived()
        if total > LARGEST_BYTES or coming > free:
            raise DownloadError(
                f"{url}: it is said to have {total} bytes, and no more than "
                f"{min(free, LARGEST_BYTES)} are taken; check the address, or free space"
            )

    def _ask(self, session: requests.Session, url: str, start: int) -> requests.Response:
        """Return the answer: 200, or 206 with what was asked for."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        how: dict[str, Any] = {"headers": headers, "stream": True, "timeout": TIMEOUT_SECONDS}
        with _network_errors(url):
            response = _within(TIMEOUT_SECONDS, lambda: session.get(url, **how))
        status = response.status_code
        piece = response.headers.get("Content-Range", "")
        if status == 200 or (start and status == 206 and piece.startswith(f"bytes {start}-")):
            return response
        response.close()
        if start and status in (206, 416):
            self.part.unlink()
            raise _Interrupted("what has arrived does not fit the file there")
        if status in _PASSING:
            wait = response.headers.get("Retry-After", "")
            raise _Interrupted(
                f"the server answered {status}", float(wait) if wait.isdecimal() else 0
            )
        raise DownloadError(f"{url}: the server answered {status}; check the address")

    def _copy(self, response: requests.Response, file: BinaryIO, arrived: int, total: int) -> None:
        from tqdm import tqdm

        begun, recent = time.monotonic(), 0
        how = {"unit": "B", "unit_scale": True, "leave": False, "disable": not self.progress}
        with tqdm(desc=self.part.stem, total=total, initial=arrived, **how) as bar:
            while chunk := _read(response):
                arrived, recent = arrived + len(chunk), recent + len(chunk)
                if arrived > total:
                    raise ValueError(f"Found more than {total} bytes, which were announced.")
                file.write(chunk)
                bar.update(len(chunk))
                seconds = time.monotonic() - begun
                if seconds > TIMEOUT_SECONDS:
                    if recent < LEAST_BYTES_PER_SECOND * seconds:
                        raise _Interrupted(f"only {recent} bytes came in {seconds:.0f} s")
                    begun, recent = time.monotonic(), 0
        if arrived < total:
            raise _Interrupted(f"the connection ended after {arrived} of {total} bytes")


def _length(url: str, response: requests.Response) -> int:
    """Return how many bytes the answer announces, if it is one that can be taken."""
    said = response.headers
    for name in ("Transfer-Encoding", "Content-Encoding"):
        if said.get(name, "identity").strip().lower() != "identity":
            raise DownloadError(
                f"{url}: the server sends it with {name} {ascii(said[name])[:40]}, though it was "
                "asked not to; fetch it with a browser"
            )
    if not re.fullmatch("[0-9]{1,18}", said.get("Content-Length", "")):
        raise DownloadError(
            f"{url}: the server does not say how long the file is, so a part could not be "
            "told from the whole; fetch it with a browser"
        )
    return int(said["Content-Length"])


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return what a call returns, or raise what it raises, or give it up.

    A time limit of requests is for each packet alone: who sends the headers byte by byte, or
    redirects slowly, keeps within it for years. A call that is given up ends with the process.
    """
    outcome: list[tuple[bool, Any]] = []

    def work() -> None:
        try:
            outcome.append((True, call()))
        except BaseException as error:  # for who waits
            outcome.append((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise _Interrupted(f"the server's answer did not begin within {seconds:g} s")
    done, value = outcome[0]
    if not done:
        raise value
    return value


def _pause(url: str, error: _Interrupted, failures: int) -> None:
    if failures >= ATTEMPTS:
        raise DownloadError(
            f"{url}: {error} (tried {failures} times); check the network, then run the same again"
        ) from None
    pause = max(PAUSE_SECONDS * 2 ** (failures - 1), error.pause_seconds)
    pause = min(pause, LONGEST_PAUSE_SECONDS)
    _LOG.warning("%s: %s; trying again in %.0f s", url, error, pause)
    time.sleep(pause)


def _session(url: str) -> requests.Session:
    import requests

    session = requests.Session()
    session.headers.update(
        {"User-Agent": f"multimodal_ser/{VERSION}", "Accept-Encoding": "identity"}
    )
    if url.startswith("https://"):
        del session.adapters["http://"]  # so that no redirect gives up encryption
    return session


def _read(response: requests.Response) -> bytes:
    # iter_content waits for a whole chunk, so a trickle of bytes would never time out.
    with _network_errors(response.url):
        return response.raw.read1(1 << 18, decode_content=False)


@contextmanager
def _network_errors(url: str) -> Iterator[None]:
    from requests import TooManyRedirects
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (ValueError, TooManyRedirects) as error:  # among them addresses of another kind
        raise DownloadError(f"{url}: {ascii(str(error))[:200]}; check the address") from None
    except (OSError, HTTPError) as error:  # ascii: a server's words must not steer a terminal
        raise _Interrupted(f"the connection failed ({ascii(str(error))[:200]})") from None
