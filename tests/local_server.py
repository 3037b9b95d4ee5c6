"""An HTTP server on this machine that misbehaves as asked and counts what it sends."""

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
    content: bytes | None = None
    flip: bool = False
    cut_after: int | None = None
    hangs: bool = False
    no_ranges: bool = False
    length: str | None = None
    chunk_bytes: int = 1 << 16
    pause_seconds: float = 0.0
    delay_seconds: float = 0.0


@dataclass
class Seen:
    """One request and how many bytes of content were sent for it."""

    path: str
    headers: dict[str, str]
    sent: int = 0


class LocalServer(ThreadingHTTPServer):
    """Serves ``files``; each request takes the next of ``faults``, then ``usual``."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.usual = Fault()
        self.seen: list[Seen] = []
        self.closing = threading.Event()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
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
        server.closing.wait(fault.delay_seconds)
        content = server.files.get(self.path.split("?")[0].lstrip("/"), fault.content)
        content = content if fault.content is None else fault.content
        if fault.status or content is None:
            self._answer(fault.status or 404, {"Content-Length": "0", **fault.headers})
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and not fault.no_ranges else 0
        if start and start >= len(content):
            self._answer(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        body = content[start:]
        length = str(len(body)) if fault.length is None else fault.length
        headers = {"Content-Length": length} if length else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._answer(206 if start else 200, headers | fault.headers)
        self._body(bytes(255 - byte for byte in body) if fault.flip else body, fault, seen)

    def _body(self, body, fault, seen):
        body = body[: fault.cut_after]
        chunked = fault.headers.get("Transfer-Encoding") == "chunked"
        for at in range(0, len(body), fault.chunk_bytes):
            piece = body[at : at + fault.chunk_bytes]
            seen.sent += len(piece)  # before: who has received it may look at once
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            time.sleep(fault.pause_seconds)
        if fault.hangs:
            self.server.closing.wait(20)

    def _answer(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
