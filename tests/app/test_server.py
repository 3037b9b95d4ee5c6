"""Routes, without a browser and without a model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playing import listen, predictions, until

pytest.importorskip("nicegui", reason="the extra 'app' is not installed")
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from multimodal_ser.app import server
from multimodal_ser.app.jobs import Crew
from multimodal_ser.app.sessions import Limits, Sessions
from multimodal_ser.app.work import Reading
from multimodal_ser.errors import SerError


@pytest.fixture
def sessions(idle):
    made = Sessions(idle, Limits(file_bytes=1000, page_bytes=1500, files=4))
    yield made
    made.close_all()


@pytest.fixture
def client(sessions):
    app = FastAPI()
    server.add_routes(app, sessions, ("127.0.0.1", "localhost"))
    return TestClient(app, base_url="http://127.0.0.1:8080")


def upload(client, session, name="a.mp4", content=b"film"):
    return client.post(f"/upload/{session.key}", params={"name": name}, content=content)


def test_an_upload_is_kept_and_predicted(client, sessions, idle):
    session = sessions.open()
    found = upload(client, session, "<script>.mp4", b"x" * 900)
    assert (found.status_code, found.text) == (200, "0")
    clip = session.clips[0]
    assert Path(clip.medium.path).read_bytes() == b"x" * 900
    assert [job.task.media[0].name for job in idle.jobs] == ["<script>.mp4"]


@pytest.mark.parametrize("sizes", [[1001], [900, 700], [1, 1, 1, 1, 1]])
def test_beyond_a_limit_nothing_is_kept(client, sessions, idle, sizes):
    session = sessions.open()
    answers = [upload(client, session, content=b"x" * size).status_code for size in sizes]
    assert answers == [200] * (len(sizes) - 1) + [413]
    assert len(session.clips) == len(idle.jobs) == len(sizes) - 1
    folder = Path(session._folder.name)
    assert len([path for path in folder.iterdir() if path.is_file()]) == len(sizes) - 1


def test_whoever_does_not_know_the_key_reaches_nothing(client, sessions):
    session = sessions.open()
    upload(client, session)
    for path in ("/media/{}/0", "/take/{}/0.csv"):
        assert client.get(path.format("guess")).status_code == 404
    assert client.post("/upload/guess", params={"name": "a"}, content=b"x").status_code == 404
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live/guess"):
        pass
    sessions.close(session.key)
    assert client.get(f"/media/{session.key}/0").status_code == 404


def test_a_player_may_ask_for_a_part(client, sessions):
    session = sessions.open()
    upload(client, session, content=bytes(range(200)))
    found = client.get(f"/media/{session.key}/0", headers={"Range": "bytes=50-59"})
    assert (found.status_code, found.content) == (206, bytes(range(50, 60)))
    assert found.headers["content-type"] == "video/mp4"


def test_what_is_no_recording_is_never_served_as_a_page(client, sessions):
    session = sessions.open()
    upload(client, session, "a.html", b"<script>alert(1)</script>")
    found = client.get(f"/media/{session.key}/0")
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["x-content-type-options"] == "nosniff"


def test_another_host_is_refused(client, sessions):
    """A page elsewhere whose name was made to lead here (DNS rebinding)."""
    session = sessions.open()
    upload(client, session)
    for host in ("evil.example", "127.0.0.1.evil.example"):
        found = client.get(f"/media/{session.key}/0", headers={"Host": host})
        assert found.status_code == 421
    assert client.get(f"/media/{session.key}/0", headers={"Host": "localhost"}).status_code == 200


def test_every_answer_carries_the_policy(client):
    found = client.get("/media/x/0").headers["content-security-policy"]
    assert "default-src 'self'" in found and "http" not in found and "*" not in found


def test_results_are_taken_along(client, sessions):
    session = sessions.open()
    for name in ("a.mp4", "b.mp4"):
        upload(client, session, name)
    assert client.get(f"/take/{session.key}/0.csv").status_code == 404  # nothing is known yet
    for clip in session.clips.values():
        table = predictions(clip.medium.name, 2).assign(path=clip.medium.path)
        clip.reading = Reading(clip.medium.name, table, "", 16.0)
    found = client.get(f"/take/{session.key}/0.srt")
    assert found.status_code == 200 and found.text.count("-->") == 2
    assert found.headers["content-disposition"].endswith("a.srt")
    assert client.get(f"/take/{session.key}/0,1.csv").text.count("b.mp4") > 2
    for wrong in ("0,1.srt", "7.csv", "x.csv", "0.exe"):
        assert client.get(f"/take/{session.key}/{wrong}").status_code == 404


@pytest.mark.slow
def test_a_live_stream_ends_with_its_socket():
    def head(kind, number):
        return server._HEAD.pack(kind, number)

    crew = Crew(1, None, listen)
    sessions = Sessions(crew)
    session, app = sessions.open("quiet"), FastAPI()
    server.add_routes(app, sessions, None)
    with TestClient(app) as client, client.websocket_connect(f"/live/{session.key}") as socket:
        assert socket.receive_json() == {"listening": ["audio", "video"]}
        socket.send_bytes(head(b"s", 48000) + b"\0" * 400)
    until(lambda: not crew._running)
    sessions.close_all()
    crew.close()


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_a_live_stream_that_is_cancelled_stops_its_job(idle, monkeypatch, state):
    """As when the server ends, whose framework then interrupts whatever is waited for."""

    class Socket:
        async def receive_bytes(self):
            await asyncio.sleep(1000)

        async def send_text(self, text): ...

        async def close(self): ...

    def stop(job):
        job.state = "stopped"
        stopped.append(job)
        job.told("end", "stopped")

    async def cancelled():
        task = asyncio.create_task(server.follow(session, Socket(), ("audio",)))
        while not idle.jobs:
            await asyncio.sleep(0)
        idle.jobs[0].state = state
        idle.jobs[0]._pipe = Mute()
        await asyncio.sleep(0.01)
        for _ in range(50):  # again and again, as a scope of anyio does
            task.cancel()
            await asyncio.sleep(0.001)
        await asyncio.wait([task])

    class Mute:
        def send(self, message): ...

    stopped, session = [], Sessions(idle).open()
    monkeypatch.setattr(idle, "stop", stop)
    asyncio.run(cancelled())
    assert stopped == idle.jobs
    session.close()


def test_ports_and_hosts():
    port = server.free_port("127.0.0.1", 0)
    assert 0 < port < 65536
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(SerError):
            server.free_port("127.0.0.1", port)
    with pytest.raises(SerError):
        server.free_port("127.0.0.1", 99999)
    assert [server.is_local(one) for one in ("::1", "127.9.9.9", "192.0.2.1", "example.org")] == [
        *(True, True, False, False)
    ]
