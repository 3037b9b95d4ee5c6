"""Fetch one file over HTTP so that it is whole, checked, and never asked for twice.

What has arrived lies in ``NAME.part`` beside the target, and ``NAME.part.json``
says which version of which address it is. A later call asks for the rest with
``Range``, and with ``If-Range`` (RFC 9110, sections 13.1.5 and 14) so that a
file that has changed meanwhile comes whole; a server that knows no ranges sends
it whole too. The target's name appears only when size and checksum hold.

Proxies are taken from the environment (``https_proxy``, ``no_proxy``). No
connection is made where the caller or ``$MULTIMODAL_SER_OFFLINE`` forbids it.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from multimodal_ser import VERSION
from multimodal_ser.errors import DownloadError

#: Set to anything but 0, false or no: no connection is made.
OFFLINE_VARIABLE = "MULTIMODAL_SER_OFFLINE"

#: How often a whole file is fetched that proves to be another than expected.
WHOLE_DOWNLOADS = 2

_CHUNK_BYTES = 1 << 18
#: A connection that brought this much beyond all earlier ones was no failure.
_GAIN_BYTES = 1 << 20
#: Slower than this over a whole time-out, a connection counts as hanging.
_LEAST_BYTES_PER_SECOND = 100
_LONGEST_PAUSE_SECONDS = 120.0
#: What a server may have recovered from by the next attempt.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_CHECKSUMS = {"md5": 32, "sha256": 64}


@dataclass(frozen=True)
class _Job:
    """One file to fetch, as the caller asked for it."""

    url: str
    size: int | None = None
    checksum: str | None = None
    timeout_seconds: float = 30.0
    progress: bool = False


class _Again(Exception):
    """Something that may pass: the connection, or a busy server."""

    def __init__(self, text: str, pause_seconds: float = 0.0):
        super().__init__(text)
        self.pause_seconds = pause_seconds


class _Wrong(Exception):
    """A whole file has come, or was announced, and it is another one."""


def is_offline(asked: bool = False) -> bool:
    """Tell whether no connection may be made.

    Args:
        asked: what the caller's own option says.

    Returns:
        True if asked, or if ``$MULTIMODAL_SER_OFFLINE`` is set to anything but
        nothing, ``0``, ``false`` or ``no``.

    Example:
        >>> is_offline(True)
        True
    """
    said = os.environ.get(OFFLINE_VARIABLE, "").strip().lower()
    return asked or said not in ("", "0", "false", "no")


def problem_of(path: str | Path, size: int | None = None, checksum: str | None = None) -> str:
    """Say what is wrong with a file, or "" when nothing is.

    Args:
        path: the file, read whole where a checksum is given.
        size: bytes it must have; None: any.
        checksum: ``"md5:"`` or ``"sha256:"`` and the hexadecimal digits; None:
            its content is not looked at.

    Raises:
        OSError: the file is there and cannot be read.
        ValueError: the checksum is written otherwise.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.txt"
        >>> problem_of(file)
        'it is not there'
        >>> _ = file.write_text("abc")
        >>> problem_of(file, 3, "md5:900150983cd24fb0d6963f7d28e17f72")
        ''
        >>> problem_of(file, 4)
        'found 3 bytes, expected 4'
    """
    path = Path(path)
    kind = _checksum_kind(checksum)
    if not path.is_file():
        return "there is a folder of that name" if path.is_dir() else "it is not there"
    found_size = path.stat().st_size
    if size is not None and found_size != size:
        return f"found {found_size} bytes, expected {size}"
    if not checksum:
        return ""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False))
    if f"{kind}:{found.hexdigest()}" == checksum.lower():
        return ""
    return f"found {kind}:{found.hexdigest()}, expected {checksum.lower()}"


def _checksum_kind(checksum: str | None) -> str:
    if checksum is None:
        return ""
    kind, _, digits = checksum.lower().partition(":")
    if len(digits) != _CHECKSUMS.get(kind) or not re.fullmatch("[0-9a-f]+", digits):
        raise ValueError(f"checksum {checksum!r}: expected md5: or sha256: and its digits")
    return kind


def fetch(
    url: str,
    target: str | Path,
    *,
    size: int | None = None,
    checksum: str | None = None,
    attempts: int = 5,
    timeout_seconds: float = 30.0,
    backoff_seconds: float = 1.0,
    offline: bool = False,
    progress: bool = False,
) -> bool:
    """Fetch a file unless it is already there and whole.

    An interrupted call, by Ctrl-C or otherwise, is taken up by the next one.

    Args:
        url: ``https://`` or ``http://``; redirects may not leave these two,
            nor lead from the first to the second.
        target: the file to write; its folder is made.
        size: bytes it must have, where known.
        checksum: ``"md5:"`` or ``"sha256:"`` and digits it must have, where known.
        attempts: connections in a row that may fail without bringing a MiB.
        timeout_seconds: how long a server may say nothing.
        backoff_seconds: pause after a failure; doubled after each further one.
        offline: make no connection; also ``$MULTIMODAL_SER_OFFLINE``.
        progress: show a bar with rate and time left, and say what is retried.

    Returns:
        True when it was fetched, False when it was already there.

    Raises:
        DownloadError: offline and not there; refused by the server; another
            content than expected, :data:`WHOLE_DOWNLOADS` times; no connection
            after ``attempts``; not enough room; or fetched by another process.
        OSError: the folder or file cannot be written.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "weights.onnx"
        >>> fetch("https://example.org/weights.onnx", target, offline=True)
        Traceback (most recent call last):
        multimodal_ser.errors.DownloadError: ...weights.onnx: it is not there, ...
    """
    target = Path(target)
    problem = problem_of(target, size, checksum)
    if not problem:
        return False
    _check_address(url)
    if is_offline(offline):
        raise DownloadError(
            f"{target}: {problem}, and no connection may be made; fetch {url} elsewhere and put "
            f"it there, or leave out --offline and unset {OFFLINE_VARIABLE}"
        )
    if target.is_dir():
        raise DownloadError(f"{target}: {problem}; move it away, or choose another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _open_part(target) as part:
        job = _Job(url, size, checksum, timeout_seconds, progress)
        _persist(job, part, _Patience(url, attempts, backoff_seconds, progress))
        part.finish(target)
    return True


def fetch_json(
    url: str,
    *,
    most_bytes: int = 4 << 20,
    attempts: int = 3,
    timeout_seconds: float = 30.0,
    backoff_seconds: float = 1.0,
    progress: bool = False,
) -> Any:
    """Return what a server says in JSON, without keeping it.

    Nothing vouches for it but the connection, so plain ``http://`` is refused
    except to this machine itself.

    Args:
        url: ``https://``, or ``http://`` to this machine.
        most_bytes: a longer answer is refused.
        attempts: connections that may fail.
        timeout_seconds: how long a server may say nothing.
        backoff_seconds: pause after a failure; doubled after each further one.
        progress: say what is retried.

    Raises:
        DownloadError: no connection may be made or none succeeds, or the
            answer is too long or not JSON.

    Example:
        >>> fetch_json("http://example.org/record.json")
        Traceback (most recent call last):
        multimodal_ser.errors.DownloadError: http://example.org/record.json: only https:// ...
    """
    _check_address(url)
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise DownloadError(f"{url}: only https:// can be trusted here; use that")
    if is_offline():
        raise DownloadError(f"{url}: no connection may be made; unset {OFFLINE_VARIABLE}")
    patience = _Patience(url, attempts, backoff_seconds, progress)
    while True:
        try:
            content = _read_answer(_Job(url, timeout_seconds=timeout_seconds), most_bytes)
            return json.loads(content)
        except _Again as error:
            patience.bear(error, 0)
        except (ValueError, RecursionError) as error:
            raise DownloadError(f"{url}: the answer is not JSON ({_line(error)})") from None


def _read_answer(job: _Job, most_bytes: int) -> bytes:
    # A hundred short reads, not one long one: each has the time-out.
    content = b""
    with _ask(job, {}) as response:
        for chunk in _chunks(response, job):
            content += chunk
            if len(content) > most_bytes:
                raise DownloadError(f"{job.url}: the answer is longer than {most_bytes} bytes")
    length = _length(response)
    if length not in (None, len(content)):
        raise _Again(f"the connection ended after {len(content)} of {length} bytes")
    return content


@dataclass
class _Patience:
    """Counts failures in a row, waits longer after each, and gives up at last."""

    url: str
    attempts: int
    backoff_seconds: float
    progress: bool
    failures: int = 0
    furthest: int = 0

    def bear(self, error: _Again, length: int) -> None:
        """Wait, or raise DownloadError when it was once too often."""
        gained = length >= self.furthest + _GAIN_BYTES
        self.furthest = max(self.furthest, length)
        self.failures = 1 if gained else self.failures + 1
        if self.failures >= self.attempts:
            raise DownloadError(
                f"{self.url}: {error} (tried {self.failures} times); check the network, then run "
                "the same again: what has arrived is kept"
            ) from None
        pause = max(self.backoff_seconds * 2 ** (self.failures - 1), error.pause_seconds)
        pause = min(pause, _LONGEST_PAUSE_SECONDS)
        if self.progress:
            again = f"trying again in {pause:.0f} s ({self.failures} of {self.attempts})"
            print(f"{urlsplit(self.url).hostname}: {error}; {again}", file=sys.stderr)
        time.sleep(pause)


class _Part:
    """What has arrived of a file, and which version of which address it is."""

    def __init__(self, target: Path):
        self.path = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")
        # Unbuffered: what a killed process has received is not lost with it.
        self.file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 (closed by _open_part)

    @property
    def length(self) -> int:
        """Bytes that have arrived."""
        return os.fstat(self.file.fileno()).st_size

    def origin(self) -> tuple[str, str]:
        """Return address and version, both "" where unknown."""
        try:
            noted = json.loads(self.note.read_text())
            return str(noted["url"]), str(noted["version"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "", ""

    def restart(self) -> None:
        """Throw away what has arrived."""
        self.file.truncate(0)
        self.note.unlink(missing_ok=True)

    def remember(self, url: str, version: str) -> None:
        """Note where the bytes to come are from."""
        self.note.write_text(json.dumps({"url": url, "version": version}))

    def write(self, chunk: bytes) -> None:
        """Append, and say so plainly when the disk is full."""
        try:
            rest = memoryview(chunk)
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DownloadError(
                f"{self.path}: the disk is full; make room, then run the same again to go on"
            ) from None

    def finish(self, target: Path) -> None:
        """Give the file its name."""
        os.fsync(self.file.fileno())
        os.replace(self.path, target)
        self.note.unlink(missing_ok=True)


@contextmanager
def _open_part(target: Path) -> Iterator[_Part]:
    part = _Part(target)
    with part.file:
        # A finished download has renamed the file it held: what was opened
        # before that is then no longer a part but the target itself.
        if not (try_lock(part.file.fileno()) and _is_same(part.file.fileno(), part.path)):
            raise DownloadError(f"{target}: another process is fetching it; wait for it to end")
        try:
            yield part
        finally:
            if _is_same(part.file.fileno(), part.path) and not part.length:
                part.path.unlink(missing_ok=True)


def try_lock(descriptor: int) -> bool:
    """Lock an open file or folder against other processes; tell whether that went.

    The lock ends when the descriptor is closed, also by the end of the process.
    Where there are no locks (Windows, some network file systems) it goes always.

    Example:
        >>> with open(os.devnull) as file:
        ...     try_lock(file.fileno())
        True
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _persist(job: _Job, part: _Part, patience: _Patience) -> None:
    """Receive until the part is whole and right."""
    wrong = 0
    while True:
        try:
            _receive(job, part)
            problem = problem_of(part.path, job.size, job.checksum)
            if not problem:
                return
            raise _Wrong(problem)
        except _Wrong as error:
            part.restart()
            wrong += 1
            if wrong >= WHOLE_DOWNLOADS:
                raise DownloadError(
                    f"{job.url}: {error}, {wrong} times; it was deleted. The file there has "
                    "changed, or something on the way alters it: try another network"
                ) from None
            if job.progress:
                print(f"{job.url}: {error}; fetching it anew", file=sys.stderr)
        except _Again as error:
            patience.bear(error, part.length)


def _receive(job: _Job, part: _Part) -> None:
    if job.size is not None and part.length > job.size:
        part.restart()
    if job.size is not None and part.length == job.size:
        return  # interrupted before it was checked
    url, version = part.origin()
    headers = {}
    # Without a version nothing but a checksum tells whether two pieces fit.
    if part.length and url == job.url and (version or job.checksum):
        headers["Range"] = f"bytes={part.length}-"
        if version:
            headers["If-Range"] = version
    try:
        with _ask(job, headers) as response:
            total = _settle(job, part, response)
            _copy(job, part, response, total)
    except urllib.error.HTTPError as error:  # the part is as long as the file, or longer
        if error.headers.get("Content-Range") == f"bytes */{part.length}":
            return
        part.restart()
        raise _Again("what has arrived does not fit the file there; starting over") from None


def _settle(job: _Job, part: _Part, response: http.client.HTTPResponse) -> int:
    """Return how long the whole file is, once the part fits what comes now."""
    version = _version(response)
    if response.status == 206:
        start, total = _range(response)
        known = part.origin()[1]
        if start != part.length or (known and version and known != version):
            part.restart()
            raise _Again("the server sent another piece than was asked for; starting over")
    else:
        total = _length(response)
    total = _agreed(job, total)
    if response.status != 206:
        part.restart()
        part.remember(job.url, version)
    check_room(part.path.parent, total - part.length)
    return total


def _agreed(job: _Job, announced: int | None) -> int:
    if announced is None and job.size is None:
        raise DownloadError(
            f"{job.url}: the server does not say how long the file is, so a part could not be "
            "told from the whole; fetch it with a browser"
        )
    if job.size is not None and announced not in (None, job.size):
        # What has arrived is kept: this may be the log-in page of a network.
        raise _Again(f"found a file of {announced} bytes, expected {job.size}")
    return job.size if announced is None else announced


def _length(response: http.client.HTTPResponse) -> int | None:
    said = response.headers.get("Content-Length", "")
    return int(said) if re.fullmatch("[0-9]{1,18}", said) else None


def _version(response: http.client.HTTPResponse) -> str:
    # A weak ETag promises the same meaning, not the same bytes.
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _range(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    said = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)", said)
    if not match:
        return -1, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def check_room(folder: str | Path, needed_bytes: int) -> None:
    """Refuse to begin what cannot end: see that a disk has room.

    Raises:
        DownloadError: it has not; the error says how much is free and needed.

    Example:
        >>> check_room(".", 10**18)
        Traceback (most recent call last):
        multimodal_ser.errors.DownloadError: .: 1000000000.0 GB are needed and ... are free; ...
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise DownloadError(
            f"{folder}: {needed_bytes / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; "
            "make room, or choose a folder on another disk"
        )


def _copy(job: _Job, part: _Part, response: http.client.HTTPResponse, total: int) -> None:
    from tqdm import tqdm

    with tqdm(
        total=total,
        initial=part.length,
        desc=part.path.stem,
        unit="B",
        unit_scale=True,
        leave=False,
        disable=not job.progress,
    ) as bar:
        for chunk in _chunks(response, job):
            part.write(chunk)
            bar.update(len(chunk))
    if part.length < total:
        raise _Again(f"the connection ended after {part.length} of {total} bytes")
    if part.length > total:
        raise _Wrong(f"found more than {total} bytes, expected {total}")


def _chunks(response: http.client.HTTPResponse, job: _Job) -> Iterator[bytes]:
    """Yield what arrives, as it arrives, as long as enough does."""
    begun, arrived = time.monotonic(), 0
    while True:
        with _passing_errors(job):
            chunk = response.read1(_CHUNK_BYTES)
        if not chunk:
            return
        yield chunk
        arrived += len(chunk)
        seconds = time.monotonic() - begun
        if seconds > job.timeout_seconds:
            if arrived < _LEAST_BYTES_PER_SECOND * seconds:
                raise _Again(f"only {arrived} bytes came in {seconds:.0f} s")
            begun, arrived = time.monotonic(), 0


@contextmanager
def _passing_errors(job: _Job) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise _Again(f"no answer for {job.timeout_seconds:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Again(f"the connection failed ({_line(error)})") from None


def _ask(job: _Job, headers: dict[str, str]) -> http.client.HTTPResponse:
    """Open a connection and return the answer, 200 or, if asked for, 206."""
    request = urllib.request.Request(job.url, headers={"Accept-Encoding": "identity", **headers})
    try:
        with _passing_errors(job):
            response = _with_answer(request, job)
    except _Refused as error:
        if error.answer.code == 416 and headers:
            raise error.answer from None
        raise _as_error(job.url, error.answer) from None
    if response.status == 200 or (response.status == 206 and "Range" in headers):
        return response
    response.close()
    raise DownloadError(f"{job.url}: the server answered {response.status}; try again later")


class _Refused(Exception):
    """An answer that is no success."""

    def __init__(self, answer: urllib.error.HTTPError):
        self.answer = answer


def _with_answer(request: urllib.request.Request, job: _Job) -> http.client.HTTPResponse:
    try:
        return _opener().open(request, timeout=job.timeout_seconds)
    except urllib.error.HTTPError as answer:
        answer.close()
        raise _Refused(answer) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise DownloadError(
                f"{job.url}: the server cannot prove who it is ({_line(error.reason)}); check "
                "this machine's clock and certificates"
            ) from None
        raise error.reason if isinstance(error.reason, OSError) else error from None


def _as_error(url: str, answer: urllib.error.HTTPError) -> Exception:
    said = f"the server answered {answer.code} {_line(answer.reason)}".rstrip()
    if answer.code not in _PASSING:
        return DownloadError(f"{url}: {said}; check the address")
    wait = answer.headers.get("Retry-After", "")
    return _Again(said, float(wait) if re.fullmatch("[0-9]{1,9}", wait) else 0.0)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to another kind of address, nor from https to http."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        """Return the request to make instead."""
        allowed = ("https",) if urlsplit(req.full_url).scheme == "https" else ("https", "http")
        if urlsplit(newurl).scheme not in allowed:
            fp.close()
            raise DownloadError(
                f"{req.full_url}: the server leads to {newurl!r}, which is not followed; "
                "check the address"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    # Not build_opener: that one also opens file:, ftp: and data: addresses.
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", f"multimodal_ser/{VERSION}")]
    handlers: tuple[Callable, ...] = (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
    )
    for handler in handlers:
        opener.add_handler(handler())
    return opener


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or re.search(r"[^!-~]", url):
        raise DownloadError(f"{url!r}: this is no address; expected one such as https://host/file")


def _line(text: object) -> str:
    # A server's words go to a terminal: one line, nothing that steers it.
    return "".join(c if c.isprintable() else " " for c in " ".join(str(text).split()))[:200]
