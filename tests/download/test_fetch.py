"""What is fetched is whole and right, or there is nothing under its name."""

import gzip
import hashlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from local_server import Fault

from multimodal_ser.download import fetch as module
from multimodal_ser.download.fetch import fetch
from multimodal_ser.errors import DownloadError

CONTENT = random.Random(0).randbytes(700_000)
OTHER = random.Random(1).randbytes(700_000)
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "deep" / "a.zip"


@pytest.fixture
def server(server):
    server.files["a.zip"] = CONTENT
    return server


def get(server, target, checksum=MD5, **how):
    return fetch(server.url("a.zip"), target, checksum=checksum, **how)


def names(target):
    return sorted(path.name for path in target.parent.iterdir() if path.suffix != ".lock")


def ranges(server):
    return [request.headers.get("Range") for request in server.seen]


def test_a_file_is_fetched_once(server, target, capfd):
    assert get(server, target)
    assert (target.read_bytes(), names(target)) == (CONTENT, ["a.zip"])
    assert not get(server, target)
    assert len(server.seen) == 1
    assert capfd.readouterr() == ("", "")


def test_a_bar_is_shown_where_asked(server, target, capfd):
    assert get(server, target, progress=True)
    assert "a.zip" in capfd.readouterr().err


def test_importing_is_light():
    code = "import sys, multimodal_ser.download.fetch, multimodal_ser.download.weights; "
    code += "sys.exit(bool({'pooch', 'requests', 'urllib3', 'filelock'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_that_was_altered_is_fetched_again(server, target):
    get(server, target)
    target.write_bytes(b"?" + CONTENT[1:])
    assert get(server, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "checksum", [None, "SHA256:" + hashlib.sha256(CONTENT).hexdigest().upper()]
)
def test_other_checksums_and_none(server, target, checksum):
    assert get(server, target, checksum)
    assert (target.read_bytes(), names(target)) == (CONTENT, ["a.zip"])
    assert not get(server, target, checksum)


@pytest.mark.parametrize("cut", [0, 1, 65_537, len(CONTENT) - 1])
def test_a_lost_connection_is_resumed_where_it_ended(server, target, cut):
    server.faults = [Fault(cut_after=cut)]
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT), "no byte is sent twice"


def test_a_later_call_resumes(server, target, monkeypatch):
    server.faults = [Fault(cut_after=500_000)]
    with monkeypatch.context() as patched, pytest.raises(DownloadError):
        patched.setattr(module, "ATTEMPTS", 1)
        get(server, target)
    assert names(target) == ["a.zip.part"]
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=500000-"]


def test_without_a_checksum_it_starts_over(server, target):
    server.faults = [Fault(cut_after=500_000, content=OTHER)]
    assert get(server, target, None)
    assert target.read_bytes() == CONTENT
    assert ranges(server) == [None, None]


def test_a_server_without_ranges_sends_it_whole(server, target):
    server.faults = [Fault(cut_after=500_000), Fault(no_ranges=True)]
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.sent == 500_000 + len(CONTENT)


def test_two_versions_of_a_file_are_never_mixed(server, target):
    server.faults = [Fault(cut_after=500_000, content=OTHER)]
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=500000-", None]


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"more", OTHER + OTHER])
def test_a_part_as_long_as_the_file_starts_over(server, target, left):
    target.parent.mkdir()
    target.with_name("a.zip.part").write_bytes(left)
    assert get(server, target)
    assert target.read_bytes() == CONTENT


def test_another_piece_than_asked_for_is_not_taken(server, target):
    piece = Fault(headers={"Content-Range": "bytes 0-9/700000"}, content=OTHER)
    server.faults = [Fault(cut_after=500_000), piece]
    assert get(server, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("bad", [1, 2])
def test_wrong_bytes_are_thrown_away(server, target, bad):
    server.faults = [Fault(flip=True)] * bad
    if bad == 1:
        assert get(server, target)
        assert target.read_bytes() == CONTENT
        return
    with pytest.raises(DownloadError):
        get(server, target)
    assert (names(target), len(server.seen)) == ([], 2)


def test_an_old_file_stays_until_the_new_one_is_right(server, target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    server.usual = Fault(flip=True)
    with pytest.raises(DownloadError):
        get(server, target)
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("checksum", [MD5, None])
def test_more_than_announced_is_refused(server, target, checksum):
    chunked = {"Transfer-Encoding": "chunked"}
    server.usual = Fault(headers=chunked, length="1000", content=CONTENT * 20)
    with pytest.raises(DownloadError):
        get(server, target, checksum)
    assert all(path.stat().st_size == 0 for path in target.parent.iterdir())
    assert server.sent < 20 * len(CONTENT)


@pytest.mark.parametrize("length", [str(2**32 + 1), str(10**17)])
def test_a_length_that_would_fill_the_disk_is_refused_before_a_byte_is_written(
    server, target, length
):
    server.usual = Fault(length=length, content=CONTENT)
    with pytest.raises(DownloadError):
        get(server, target)
    assert all(path.stat().st_size == 0 for path in target.parent.iterdir())
    assert len(server.seen) == 1


def test_no_room_on_the_disk_is_told_before_it_is_full(server, target, monkeypatch):
    full = shutil.disk_usage(".")._replace(free=1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: full)
    with pytest.raises(DownloadError):
        get(server, target)
    assert all(path.stat().st_size == 0 for path in target.parent.iterdir())


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x-gzip", "gzip, identity"])
@pytest.mark.parametrize("checksum", [MD5, None])
def test_an_encoded_body_is_not_taken_for_the_file(server, target, checksum, coding):
    packed = gzip.compress(CONTENT)
    server.usual = Fault(headers={"Content-Encoding": coding}, content=packed)
    with pytest.raises(DownloadError):
        get(server, target, checksum)
    assert not target.exists()


@pytest.mark.parametrize("pieces", [["HTTP/1.1 200 OK\r\n"], [], ["HTTP/1.1 100 Continue\r\n\r\n"]])
def test_headers_that_never_end_are_left(target, monkeypatch, pieces):
    """Byte by byte, each well within the time that a packet may take."""
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.4)
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    began = time.monotonic()
    with dripping("".join(pieces).encode()) as url, pytest.raises(DownloadError):
        fetch(url, target, checksum=MD5)
    assert time.monotonic() - began < 40  # and not the minute for which it would go on


@contextmanager
def dripping(beginning):
    """A server that sends a header letter by letter for a minute."""

    def serve():
        while not closing.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    def drip(connection):
        with suppress(OSError), connection:
            connection.sendall(beginning)
            for _ in range(600):
                connection.sendall(b"x")
                if closing.wait(0.1):
                    return

    closing = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/a.zip"
        closing.set()


def test_slow_redirects_are_left(server, target, monkeypatch):
    """Thirty of them would be followed, each with a time limit of its own."""
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.4)
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    server.usual = Fault(status=302, headers={"Location": "/a.zip"}, delay_seconds=0.3)
    with pytest.raises(DownloadError):
        get(server, target)
    assert len(server.seen) < 10


@pytest.mark.parametrize("checksum", [MD5, None])
@pytest.mark.parametrize("at", [1, 350_000, 699_999])
def test_content_that_changed_between_two_connections_is_never_mixed(server, target, checksum, at):
    server.faults = [Fault(cut_after=at, content=OTHER), Fault(cut_after=at, content=OTHER)]
    assert get(server, target, checksum)
    assert target.read_bytes() == CONTENT


def test_what_a_killed_run_was_checking_is_removed(server, target):
    left = target.with_name(".downloading")
    left.mkdir(parents=True)
    (left / "tmpabcdefgh").write_bytes(CONTENT)
    assert get(server, target)
    assert names(target) == ["a.zip"]


@pytest.mark.parametrize("length", ["", "-5", "9" * 5000, "0x10", "7e5"])
def test_an_unknown_length_is_refused(server, target, length):
    server.usual = Fault(length=length)
    with pytest.raises(DownloadError):
        get(server, target)
    assert not target.exists()


def test_less_than_announced_is_a_lost_connection(server, target):
    server.usual = Fault(length=str(len(CONTENT) + 10), no_ranges=True)
    with pytest.raises(DownloadError):
        get(server, target)
    assert (len(server.seen), target.exists()) == (module.ATTEMPTS, False)


@pytest.mark.parametrize("status", [400, 403, 404, 501])
def test_a_refusal_is_not_asked_twice(server, target, status):
    server.usual = Fault(status=status)
    with pytest.raises(DownloadError):
        get(server, target)
    assert (len(server.seen), names(target)) == (1, [])


def test_pauses_double_and_respect_the_server(server, target, monkeypatch):
    pauses = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 1.0)
    monkeypatch.setattr(module, "ATTEMPTS", 9)
    waits = ["", "", "", "50", "9" * 400, "tomorrow"]
    statuses = [500, 429, 408, 503, 502, 504]
    server.faults = [
        Fault(status=status, headers={"Retry-After": wait})
        for status, wait in zip(statuses, waits, strict=True)
    ]
    assert get(server, target)
    assert [pause for pause in pauses if pause] == [1, 2, 4, 50, 120, 32]


def test_attempts_that_bring_something_are_no_failures(server, target, monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    monkeypatch.setattr(module, "GAIN_BYTES", 90_000)
    server.faults = [Fault(cut_after=100_000)] * 5
    assert get(server, target)
    target.unlink()
    server.faults = [Fault(cut_after=100_000, no_ranges=True)] * 9
    with pytest.raises(DownloadError):  # the same beginning again and again
        get(server, target)


def test_a_redirect_is_followed_also_for_the_rest(server, target):
    server.files["moved.zip"] = server.files.pop("a.zip")
    there = Fault(status=302, headers={"Location": "/moved.zip"})
    server.faults = [there, Fault(cut_after=500_000), there]
    assert get(server, target)
    assert (target.read_bytes(), server.sent) == (CONTENT, len(CONTENT))


@pytest.mark.parametrize("there", ["file:///etc/passwd", "ftp://127.0.0.1/a", "/a.zip"])
def test_a_redirect_leads_nowhere_else(server, target, there):
    server.usual = Fault(status=302, headers={"Location": there})  # the last is a circle
    with pytest.raises(DownloadError):
        get(server, target)
    assert names(target) == []


def test_a_redirect_never_gives_up_encryption():
    assert list(module._session("https://example.org/a").adapters) == ["https://"]


def test_a_silent_server_is_left(server, target, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.3)
    server.faults = [Fault(cut_after=0, hangs=True), Fault(cut_after=500_000, hangs=True)]
    assert get(server, target)
    assert (target.read_bytes(), server.sent) == (CONTENT, len(CONTENT))


def test_a_trickling_server_is_left_and_a_slow_one_is_not(server, target, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(module, "LEAST_BYTES_PER_SECOND", 10_000)
    slow = Fault(chunk_bytes=70_000, pause_seconds=0.05)
    server.faults = [Fault(chunk_bytes=10, pause_seconds=0.05), slow]
    assert get(server, target)
    assert (target.read_bytes(), len(server.seen)) == (CONTENT, 2)


def test_no_server_at_all(server, target):
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError):
        get(server, target)


@pytest.mark.parametrize("said", [True, "1", "yes"])
def test_offline_makes_no_connection(server, target, monkeypatch, said):
    monkeypatch.setenv("MULTIMODAL_SER_OFFLINE", "" if said is True else said)
    with pytest.raises(DownloadError):
        get(server, target, offline=said is True)
    assert (server.seen, target.parent.exists()) == ([], False)


@pytest.mark.parametrize("said", ["", "0", "false", "No"])
def test_offline_can_be_denied(server, target, monkeypatch, said):
    monkeypatch.setenv("MULTIMODAL_SER_OFFLINE", said)
    assert get(server, target)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "http://", "a/b", "http://[::1/a"]
)
def test_no_other_address_is_opened(target, url):
    with pytest.raises(DownloadError):
        fetch(url, target, checksum=MD5)


@pytest.mark.parametrize("checksum", [MD5, None])
def test_a_folder_in_the_way(server, target, checksum):
    target.mkdir(parents=True)
    with pytest.raises(DownloadError):
        get(server, target, checksum)


def test_two_at_once_do_not_mix(server, target):
    server.usual = Fault(chunk_bytes=70_000, pause_seconds=0.05)
    first = threading.Thread(target=get, args=(server, target))
    first.start()
    while not server.sent:
        assert first.is_alive()
        time.sleep(0.005)
    with pytest.raises(DownloadError):
        get(server, target)
    first.join()
    assert target.read_bytes() == CONTENT


def test_a_proxy_is_used(server, target, monkeypatch):
    server.files["http://zenodo.invalid/a.zip"] = CONTENT
    monkeypatch.setenv("http_proxy", server.url(""))
    assert fetch("http://zenodo.invalid/a.zip", target, checksum=MD5)
    monkeypatch.setenv("no_proxy", "zenodo.invalid")
    with pytest.raises(DownloadError):
        fetch("http://zenodo.invalid/b.zip", target.with_name("b"))
    assert len(server.seen) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_download_is_resumed(server, target, how):
    server.faults = [Fault(chunk_bytes=20_000, pause_seconds=0.05)]
    code = "from multimodal_ser.download.fetch import fetch; "
    code += f"fetch({server.url('a.zip')!r}, {str(target)!r}, checksum={MD5!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while server.sent < 200_000:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(how)
    assert process.wait() != 0
    assert not target.exists()
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.seen[1].sent < len(CONTENT) - 100_000


def any_fault(random_):
    cut = random_.randrange(len(CONTENT))
    return random_.choice(
        [
            Fault(cut_after=cut),
            Fault(cut_after=cut, no_ranges=True),
            Fault(cut_after=cut, flip=True),
            Fault(cut_after=cut, content=OTHER),
            Fault(cut_after=cut, length=""),
            Fault(length=str(2 * cut)),
            Fault(status=random_.choice([404, 416, 429, 500, 204])),
            Fault(content=b"<html>", no_ranges=True),
            Fault(headers={"Content-Range": "bytes 5-6/7"}),
        ]
    )


@pytest.mark.parametrize("seed", range(10))
def test_faults_in_any_order_leave_the_right_file_or_none(server, target, seed):
    random_ = random.Random(seed)
    server.faults = [any_fault(random_) for _ in range(random_.randrange(2, 12))]
    for _ in range(20):
        try:
            get(server, target)
        except DownloadError:
            assert not target.exists()
    assert (target.read_bytes(), names(target)) == (CONTENT, ["a.zip"])
