"""The server of the page: uploads, media, downloads and live streams, on this machine alone.

Every answer carries :data:`POLICY`, which keeps a browser from asking anyone else for anything,
and requests whose ``Host`` is another than the one served are refused, so that no page elsewhere
can reach this one under a name of its own (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multimodal_ser import plugins
from multimodal_ser.app import downloads, shown
from multimodal_ser.app.jobs import MOST_CHILDREN, Crew, Job
from multimodal_ser.app.sessions import Clip, Limits, Session, Sessions, TooMuch
from multimodal_ser.app.work import Live
from multimodal_ser.compute.parallel import _cores
from multimodal_ser.errors import SerError

if TYPE_CHECKING:
    import pandas as pd
    from fastapi import FastAPI, Request, Response, WebSocket

STATIC = Path(__file__).with_name("static")
#: NiceGUI's own page has inline scripts and styles, and Vue makes functions of text; what matters
#: holds all the same: nothing is loaded from, or sent to, another server, and no page frames this.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
#: A tab that was closed may still be reloading; after so many seconds it is gone.
GONE_S = 5.0
#: So long a child may take to hear that a live stream has ended.
HEARS_S = 3.0
#: Types that browsers play, by ending; the rest is offered as bytes.
TYPES = {
    **{".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime"},
    **{".ogv": "video/ogg", ".mkv": "video/x-matroska", ".wav": "audio/wav", ".mp3": "audio/mpeg"},
    **{".flac": "audio/flac", ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg"},
    **{".m4a": "audio/mp4", ".aac": "audio/aac"},
}
#: What a live message begins with: its kind, and the rate in Hz or the time in seconds.
_HEAD = struct.Struct("<c7xd")
_KINDS = {b"s": "sound", b"i": "image"}
#: Two seconds of sound at 192 kHz; an image of a camera has some 50 kB.
MOST_MESSAGE_BYTES = 2**21


def is_local(host: str) -> bool:
    """Tell whether a host is this machine alone.

    Example:
        >>> is_local("127.0.0.1"), is_local("localhost"), is_local("0.0.0.0")
        (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def free_port(host: str, port: int) -> int:
    """Return the port, or one that is free where 0 is asked for.

    Raises:
        SerError: the port is taken, or there is no such host.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SerError(
                f"{host}:{port}: no page can be served there ({reason}); give another --port"
            ) from None
        return probe.getsockname()[1]


def add_routes(app: FastAPI, sessions: Sessions, hosts: Sequence[str] | None) -> None:
    """Add everything but the page itself.

    Args:
        app: of NiceGUI, or any other.
        sessions: the open pages.
        hosts: names under which requests are answered; None answers under any.

    Example:
        >>> from fastapi import FastAPI
        >>> app = FastAPI()
        >>> add_routes(app, Sessions(None), ("127.0.0.1",))
        >>> sorted(route.path for route in app.routes if "{key}" in getattr(route, "path", ""))
        ['/live/{key}', '/media/{key}/{number}', '/take/{key}/{numbers}.{ending}', '/upload/{key}']
    """
    plugins.require("fastapi")
    from fastapi import Request, Response, WebSocket

    # FastAPI finds the types of what it hands over by name.
    globals().update(Request=Request, WebSocket=WebSocket, Response=Response)
    _add_guard(app, hosts)
    _add_upload(app, sessions)
    _add_files(app, sessions)

    @app.websocket("/live/{key}")
    async def live(key: str, socket: WebSocket, modalities: str = "audio,video") -> None:
        session = sessions.get(key)
        if session is None or (hosts is not None and (socket.url.hostname or "") not in hosts):
            await socket.close(4404)
            return
        await socket.accept()
        await follow(session, socket, tuple(modalities.split(",")))


def _add_guard(app: FastAPI, hosts: Sequence[str] | None) -> None:
    """Refuse requests under other names, and add the policy to every answer."""

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        if hosts is not None and (request.url.hostname or "") not in hosts:
            return _plain("this name is not served here", 421)
        response = await go_on(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


def _add_upload(app: FastAPI, sessions: Sessions) -> None:
    @app.post("/upload/{key}")
    async def upload(key: str, name: str, request: Request) -> Response:
        session = sessions.get(key)
        try:
            clip = None if session is None else await receive(session, name, request)
        except TooMuch as error:
            return _plain(str(error), 413)
        except OSError as error:
            return _plain(f"{name[:80]}: it cannot be kept ({error.strerror})", 507)
        except Exception:
            if not await request.is_disconnected():
                raise
            return _plain("nobody is there any more", 400)
        if session is None or clip is None or session.closed:
            return _plain("this page is closed; load it again", 404)
        session.predict([clip])
        return _plain(str(clip.number), 200)


def _add_files(app: FastAPI, sessions: Sessions) -> None:
    """Add what a page plays and what is taken along."""
    from fastapi.responses import FileResponse

    @app.get("/media/{key}/{number}")
    async def media(key: str, number: int) -> Response:
        clip = _clips(sessions, key, str(number))
        if not clip:
            return _plain("there is no such recording", 404)
        path = Path(clip[0].medium.path)
        kind = TYPES.get(path.suffix, "application/octet-stream")
        return FileResponse(path, media_type=kind, headers={"Cache-Control": "no-store"})

    @app.get("/take/{key}/{numbers}.{ending}")
    async def take(key: str, numbers: str, ending: str) -> Response:
        clips = _clips(sessions, key, numbers)
        clips = [one for one in clips if one.reading is not None and not one.reading.error]
        if not clips:
            return _plain("there is no such prediction", 404)
        try:
            found = await asyncio.to_thread(downloads.content, clips, ending, shown.page)
        except SerError as error:
            return _plain(str(error), 404)
        name = downloads.file_name(clips, ending)
        return Response(found, headers=downloads.headers(name))


def _plain(text: str, status: int) -> Response:
    from fastapi.responses import PlainTextResponse

    return PlainTextResponse(text, status)


def _clips(sessions: Sessions, key: str, numbers: str) -> list[Clip]:
    session = sessions.get(key)
    asked = numbers.split(",") if session is not None else []
    there = session.clips if session is not None else {}
    return [there[int(one)] for one in asked if one.isdecimal() and int(one) in there]


async def receive(session: Session, name: str, request: Request) -> Clip:
    """Write what is uploaded into a new clip's file, as it comes.

    Raises:
        TooMuch: it is beyond a limit of the page.
        OSError: it cannot be written.
    """
    clip = session.place(name)
    try:
        with open(clip.medium.path, "xb") as file:
            async for part in request.stream():
                session.grow(clip, len(part))
                await asyncio.to_thread(file.write, part)
    except BaseException:  # also when the page is closed meanwhile
        session.remove(clip)
        raise
    return clip


async def follow(session: Session, socket: WebSocket, modalities: tuple[str, ...]) -> None:
    """Predict what a page's microphone and camera send, until one of the two has enough."""
    from fastapi import WebSocketDisconnect

    loop, out = asyncio.get_running_loop(), asyncio.Queue[Any]()

    def told(name: str, value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(out.put_nowait, (name, value))

    job = session.crew.submit(Job(session.key, Live(modalities, session.model), told))
    sender = asyncio.create_task(_send(job, socket, out))
    try:
        while not job.over:
            message = await socket.receive_bytes()
            if len(message) > MOST_MESSAGE_BYTES or len(message) < _HEAD.size:
                break
            kind, number = _HEAD.unpack_from(message)
            value = int(number) if kind == b"s" else number
            # It waits while the child is busy, and so does the browser, which drops images then.
            await asyncio.to_thread(job.feed, _KINDS[kind], value, message[_HEAD.size :])
    except (WebSocketDisconnect, OSError, KeyError, RuntimeError):
        pass
    finally:
        try:
            # A child that hears of the end is ready for the next job; one that does not is ended.
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(asyncio.to_thread(job.feed, "end"), HEARS_S)
                await asyncio.wait_for(asyncio.shield(sender), HEARS_S)
        finally:  # also when this is cancelled, since the server ends
            session.crew.stop(job)
        await sender


async def _send(job: Job, socket: WebSocket, out: asyncio.Queue) -> None:
    from fastapi import WebSocketDisconnect

    try:
        while True:
            name, value = await out.get()
            if name == "rows":
                await socket.send_text(json.dumps({"rows": live_rows(value)}))
            elif name == "listening":
                await socket.send_text(json.dumps({"listening": value}))
            elif name == "end":
                await socket.send_text(json.dumps({"end": value, "error": job.error}))
                await socket.close()
                return
    except (RuntimeError, WebSocketDisconnect):  # the page is closed; the end is still waited for
        while not job.over:
            await out.get()


def live_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows of a stream as the page's script takes them.

    Args:
        rows: of :meth:`Stream.feed_sound`.
    """
    from multimodal_ser.reports.html import prediction_labels

    labels = prediction_labels(rows)
    return [
        {
            "start_s": float(row["start_s"]),
            "end_s": float(row["end_s"]),
            "modality": row["modality"],
            "note": row["note"],
            "labels": [(label, round(float(row[label]), 4)) for label in labels],
        }
        for _, row in rows.iterrows()
    ]


def run(
    model: str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    browser: bool = True,
    announce: Callable[[str], object] = lambda text: None,
    limits: Limits | None = None,
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        model: folder or name of the model that is chosen at first; None takes the released one.
        host: an address of this machine; any but a local one lets others reach it.
        port: 0 takes a free one.
        browser: whether to open the page.
        announce: called with the address, once the page is there.
        limits: what one page may hold.

    Raises:
        MissingLibrary: the extra ``app`` is not installed.
        ModelError: there is no such model.
        SerError: the port is taken.

    Example:
        >>> run("ravdess", port=0)  # doctest: +SKIP
    """
    plugins.require("nicegui", "fastapi")
    from multimodal_ser.workflows import released

    released.find(model)
    port = free_port(host, port)
    from nicegui import app, ui

    from multimodal_ser.app import page

    # A live stream needs a child for itself; so there are two on a machine with one core, too.
    sessions = Sessions(Crew(max(2, min(_cores(), MOST_CHILDREN)), model), limits)
    hosts = ("127.0.0.1", "localhost", "::1", host) if is_local(host) else None
    add_routes(app, sessions, hosts)
    app.add_static_files("/static", STATIC)
    page.add(sessions, model)
    # Quasar's bar over every upload says less than the page, and has no name for screen readers.
    app.config.quasar_config["loadingBar"]["skipHijack"] = True
    shown = f"[{host}]" if ":" in host else host
    app.on_startup(lambda: announce(f"http://{shown}:{port}"))
    try:
        ui.run(
            host=host,
            port=port,
            title="Emotion recognition",
            dark=None,
            language="en-US",
            reload=False,
            show=browser,
            tailwind=False,
            reconnect_timeout=GONE_S,
            show_welcome_message=False,
        )
    finally:
        sessions.close_all()
        sessions.crew.close()
