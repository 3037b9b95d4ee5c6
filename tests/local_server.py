"""An HTTP server on this machine that misbehaves as told and counts what it sends."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Fault:
    """How one answer differs from a good one."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    flip: bool = False
    no_ranges: bool = False
    ignores_if_range: bool = False
    length: int | None = None
    no_length: bool = False
    hang_before: bool = False
    hang_after: int | None = None
    chunk_bytes: int = 1 << 16
    pause_seconds: float = 0.0
    content: bytes | None = None
    etag: str | None = None


@dataclass
class Seen:
    """One request and how many bytes of content were sent for it."""

    path: str
    headers: dict[str, str]
    sent: int = 0


class LocalServer(ThreadingHTTPServer):
    """Serves ``files``; each request takes the next of ``faults``, then behaves well."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.usual = Fault()
        self.etag: str | None = '"1"'
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.shutdown()
        self.server_close()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    @property
    def sent(self) -> int:
        return sum(request.sent for request in self.seen)

    def handle_error(self, request, client_address):
        """Clients that go away are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server: LocalServer = self.server
        seen = Seen(self.path, dict(self.headers))
        server.seen.append(seen)
        fault = server.faults.pop(0) if server.faults else server.usual
        if fault.hang_before:
            server.closing.wait(20)
            return
        content = server.files.get(self.path.split("?")[0].lstrip("/"))
        if fault.content is not None:
            content = fault.content
        if content is None and fault.status is None:
            fault = Fault(status=404)
        if fault.status is not None:
            self._answer(fault.status, {"Content-Length": "0", **fault.headers})
            return
        self._send(content, fault, seen)

    def _send(self, content, fault, seen):
        etag = fault.etag or self.server.etag
        headers = {"ETag": etag} if etag else {}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = fault.ignores_if_range or self.headers.get("If-Range", etag) == etag
        start, status = 0, 200
        if asked and same and not fault.no_ranges:
            start, status = int(asked[1]), 206
            if start >= len(content):
                self._answer(416, {"Content-Range": f"bytes */{len(content)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if fault.flip:
            body = bytes(255 - byte for byte in body)
        if not fault.no_length:
            headers["Content-Length"] = str(len(body) if fault.length is None else fault.length)
        self._answer(status, headers | fault.headers)
        self._body(body, fault, seen)

    def _body(self, body, fault, seen):
        stop = min((n for n in (fault.cut_after, fault.hang_after) if n is not None), default=None)
        body = body[:stop]
        for at in range(0, len(body), fault.chunk_bytes):
            piece = body[at : at + fault.chunk_bytes]
            seen.sent += len(piece)  # before: whoever has received it may look at once
            self.wfile.write(piece)
            if fault.pause_seconds:
                time.sleep(fault.pause_seconds)
        if fault.hang_after is not None:
            self.server.closing.wait(20)

    def _answer(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
