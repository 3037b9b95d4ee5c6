"""What is fetched is whole and right, or there is nothing under its name."""

import errno
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from local_server import Fault, LocalServer

from multimodal_ser.download import fetch as module
from multimodal_ser.download.fetch import WHOLE_DOWNLOADS, fetch, fetch_json
from multimodal_ser.errors import DownloadError

CONTENT = random.Random(0).randbytes(700_000)
OTHER = random.Random(1).randbytes(700_000)
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
QUICK = {"timeout_seconds": 5.0, "backoff_seconds": 0.0}


@pytest.fixture
def server(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("MULTIMODAL_SER_OFFLINE", raising=False)
    # No test here cuts the power, and a busy disk makes each flush slow.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with LocalServer() as server:
        server.files["a.zip"] = CONTENT
        yield server


@pytest.fixture
def target(tmp_path):
    return tmp_path / "deep" / "a.zip"


def get(server, target, **how):
    return fetch(server.url("a.zip"), target, **{**QUICK, **how})


def names(target):
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_is_fetched_once(server, target):
    assert get(server, target, size=len(CONTENT), checksum=MD5)
    assert target.read_bytes() == CONTENT
    assert names(target) == ["a.zip"]
    assert not get(server, target, size=len(CONTENT), checksum=MD5)
    assert len(server.seen) == 1


def test_a_file_that_was_altered_is_fetched_again(server, target):
    get(server, target)
    target.write_bytes(b"?" + CONTENT[1:])
    assert get(server, target, checksum=MD5)
    assert target.read_bytes() == CONTENT


def test_sha256_in_capitals_holds_too(server, target):
    assert get(server, target, checksum="SHA256:" + hashlib.sha256(CONTENT).hexdigest().upper())


@pytest.mark.parametrize("known", [{}, {"size": len(CONTENT)}, {"checksum": MD5}])
@pytest.mark.parametrize("cut", [0, 1, 65_537, len(CONTENT) - 1])
def test_a_cut_connection_is_taken_up_where_it_ended(server, target, cut, known):
    server.faults = [Fault(cut_after=cut)]
    assert get(server, target, **known)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT), "no byte is sent twice"


def test_a_later_call_takes_up_what_an_earlier_one_left(server, target):
    server.faults = [Fault(cut_after=500_000)]
    with pytest.raises(
        DownloadError, match=r"ended after 500000 of 700000 bytes \(tried 1 times\)"
    ):
        get(server, target, attempts=1)
    assert not target.exists()
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.seen[1].headers["Range"] == "bytes=500000-"
    assert server.sent == len(CONTENT)


def test_a_server_without_ranges_sends_it_whole(server, target):
    server.faults = [Fault(cut_after=500_000), Fault(no_ranges=True)]
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.sent == 500_000 + len(CONTENT)


@pytest.mark.parametrize("ignores", [False, True])
def test_two_versions_of_a_file_are_never_mixed(server, target, ignores):
    server.faults = [
        Fault(cut_after=500_000, content=OTHER, etag='"old"'),
        Fault(ignores_if_range=ignores),
    ]
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.seen[1].headers["If-Range"] == '"old"'


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_without_a_version_only_a_checksum_lets_it_go_on(server, target, etag):
    server.etag = etag
    server.faults = [Fault(cut_after=500_000), Fault(cut_after=100_000)]
    with pytest.raises(DownloadError):
        get(server, target, attempts=2)
    assert "Range" not in server.seen[1].headers
    assert get(server, target, checksum=MD5)
    assert server.seen[2].headers["Range"] == "bytes=100000-"
    assert "If-Range" not in server.seen[2].headers
    assert target.read_bytes() == CONTENT


def test_a_date_serves_as_version(server, target):
    date = {"Last-Modified": "Wed, 01 May 2024 00:00:00 GMT"}
    server.etag = None
    server.faults = [Fault(cut_after=500_000, headers=date), Fault(ignores_if_range=True)]
    assert get(server, target)
    assert server.seen[1].headers["If-Range"] == date["Last-Modified"]
    assert server.sent == len(CONTENT)


def test_another_address_is_another_file(server, target):
    server.faults = [Fault(cut_after=500_000, content=OTHER)]
    with pytest.raises(DownloadError):
        fetch(server.url("b.zip"), target, attempts=1, **QUICK)
    assert get(server, target, checksum=MD5)
    assert "Range" not in server.seen[1].headers


@pytest.mark.parametrize("bad", range(1, WHOLE_DOWNLOADS + 2))
def test_wrong_bytes_are_told_and_never_kept(server, target, bad):
    server.faults = [Fault(flip=True)] * bad
    flipped = hashlib.md5(bytes(255 - byte for byte in CONTENT)).hexdigest()
    if bad < WHOLE_DOWNLOADS:
        assert get(server, target, checksum=MD5)
        assert target.read_bytes() == CONTENT
        return
    with pytest.raises(DownloadError, match=f"found md5:{flipped}, expected {MD5}, 2 times"):
        get(server, target, checksum=MD5)
    assert len(server.seen) == WHOLE_DOWNLOADS
    assert names(target) == []


def test_a_wrong_beginning_is_found_at_the_end(server, target):
    server.faults = [Fault(cut_after=500_000, flip=True)]
    assert get(server, target, checksum=MD5)
    assert target.read_bytes() == CONTENT


def test_an_old_file_stays_until_the_new_one_is_right(server, target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    server.usual = Fault(flip=True)
    with pytest.raises(DownloadError):
        get(server, target, checksum=MD5)
    assert target.read_bytes() == b"old"


def test_too_long_a_length_is_a_cut_connection(server, target):
    server.usual = Fault(length=len(CONTENT) + 10, no_ranges=True)
    with pytest.raises(DownloadError, match="ended after 700000 of 700010 bytes"):
        get(server, target)
    assert not target.exists()


def test_a_log_in_page_costs_nothing_of_what_has_arrived(server, target):
    server.faults = [Fault(cut_after=500_000)] + [
        Fault(content=b"<html>log in</html>", no_ranges=True)
    ] * 2
    with pytest.raises(DownloadError, match="found a file of 19 bytes, expected 700000"):
        get(server, target, size=len(CONTENT), attempts=3)
    assert get(server, target, size=len(CONTENT))
    assert server.seen[3].headers["Range"] == "bytes=500000-"
    assert target.read_bytes() == CONTENT


def test_an_unknown_length_needs_a_known_size(server, target):
    server.usual = Fault(no_length=True)
    with pytest.raises(DownloadError, match="does not say how long"):
        get(server, target)
    assert get(server, target, size=len(CONTENT), checksum=MD5)
    assert target.read_bytes() == CONTENT


def test_an_endless_answer_ends(server, target):
    server.usual = Fault(no_length=True, content=CONTENT * 20)
    with pytest.raises(DownloadError, match="found more than 1000 bytes, expected 1000, 2 times"):
        get(server, target, size=1000)
    assert names(target) == []


@pytest.mark.parametrize("length", ["-5", "9" * 5000, "0x10", "", "7e5"])
def test_a_length_that_is_none_is_no_length(server, target, length):
    server.usual = Fault(headers={"Content-Length": length}, no_ranges=True)
    with pytest.raises(DownloadError):
        get(server, target, attempts=2)
    assert names(target) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
def test_a_refusal_is_not_asked_twice(server, target, status):
    server.usual = Fault(status=status)
    with pytest.raises(DownloadError, match=f"the server answered {status}"):
        get(server, target)
    assert len(server.seen) == 1
    assert names(target) == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server, target, status):
    server.faults = [Fault(status=status)] * 3
    assert get(server, target)
    assert len(server.seen) == 4


def test_pauses_double_and_mind_the_server(server, target, monkeypatch):
    pauses = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    server.faults = [
        *[Fault(status=500)] * 3,
        Fault(status=503, headers={"Retry-After": "50"}),
        Fault(status=429, headers={"Retry-After": "999999999"}),
        Fault(status=503, headers={"Retry-After": "tomorrow"}),
    ]
    get(server, target, attempts=9, backoff_seconds=1.0)
    assert pauses == [1, 2, 4, 50, 120, 32]


def test_attempts_that_bring_something_are_no_failures(server, target):
    server.files["a.zip"] = CONTENT * 10
    server.faults = [Fault(cut_after=1_100_000)] * 5
    assert get(server, target, attempts=2)
    assert target.read_bytes() == CONTENT * 10
    server.faults = [Fault(cut_after=1_100_000, no_ranges=True)] * 9
    target.unlink()
    with pytest.raises(DownloadError, match="tried 2 times"):
        get(server, target, attempts=2)  # the same beginning again and again


def test_a_part_that_was_whole_needs_no_byte(server, target):
    target.parent.mkdir()
    part = target.with_name("a.zip.part")
    part.write_bytes(CONTENT)
    assert get(server, target, size=len(CONTENT), checksum=MD5)
    assert (target.read_bytes() == CONTENT, server.seen) == (True, [])
    target.rename(part)
    note = {"url": server.url("a.zip"), "version": '"1"'}
    target.with_name("a.zip.part.json").write_text(json.dumps(note))
    assert get(server, target)  # no size is known: the server says 416, this is all
    assert (target.read_bytes() == CONTENT, server.sent) == (True, 0)


@pytest.mark.parametrize("known", [{}, {"size": len(CONTENT)}])
def test_a_part_that_is_too_long_is_thrown_away(server, target, known):
    target.parent.mkdir()
    target.with_name("a.zip.part").write_bytes(CONTENT + b"more")
    note = {"url": server.url("a.zip"), "version": '"1"'}
    target.with_name("a.zip.part.json").write_text(json.dumps(note))
    assert get(server, target, **known)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("note", ["", "[]", "{", "null", '{"url": 3}', "[" * 50_000])
def test_a_damaged_note_is_no_note(server, target, note):
    target.parent.mkdir()
    target.with_name("a.zip.part").write_bytes(OTHER[:1000])
    target.with_name("a.zip.part.json").write_text(note)
    assert get(server, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "piece", ["0-9/700000", "x-9/*", "", "500001-9/700000", "500000-5/" + "9" * 5000]
)
def test_a_piece_that_was_not_asked_for_is_not_taken(server, target, piece):
    server.faults = [
        Fault(cut_after=500_000),
        Fault(headers={"Content-Range": f"bytes {piece}"}, content=OTHER),
    ]
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert "Range" not in server.seen[2].headers


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_also_for_the_rest(server, target, code):
    server.files["moved.zip"] = server.files.pop("a.zip")
    there = Fault(status=code, headers={"Location": "/moved.zip"})
    server.faults = [there, Fault(cut_after=500_000), there]
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


@pytest.mark.parametrize(
    "there",
    ["file:///etc/passwd", "FILE:/etc/passwd", "ftp://127.0.0.1/a", "data:text/plain,a", "/a.zip"],
)
def test_a_redirect_leads_nowhere_else(server, target, there):
    server.usual = Fault(status=302, headers={"Location": there})  # the last is a circle
    with pytest.raises(DownloadError):
        get(server, target, size=5)
    assert names(target) == []


def test_a_redirect_never_gives_up_encryption():
    request = module.urllib.request.Request("https://example.org/a")
    with pytest.raises(DownloadError, match="not followed"):
        module._Redirects().redirect_request(
            request, io.BytesIO(), 302, "Found", {}, "http://example.org/a"
        )


def test_a_server_that_says_nothing_is_left(server, target):
    server.faults = [Fault(hang_before=True), Fault(hang_after=500_000)]
    assert get(server, target, timeout_seconds=0.3)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


def test_a_server_that_says_next_to_nothing_is_left(server, target, monkeypatch):
    monkeypatch.setattr(module, "_LEAST_BYTES_PER_SECOND", 10_000)
    server.faults = [Fault(chunk_bytes=10, pause_seconds=0.05)]
    assert get(server, target, timeout_seconds=0.3)
    assert len(server.seen) == 2
    assert target.read_bytes() == CONTENT


def test_a_slow_server_is_waited_for(server, target):
    server.usual = Fault(chunk_bytes=70_000, pause_seconds=0.05)
    assert get(server, target, timeout_seconds=0.3)
    assert len(server.seen) == 1


def test_no_server_at_all(server, target):
    url = server.url("a.zip")
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=r"refused.*tried 3 times.*check the network"):
        fetch(url, target, attempts=3, **QUICK)


@pytest.mark.parametrize("said", [True, "1", "yes"])
def test_offline_makes_no_connection(server, target, monkeypatch, said):
    if said is not True:
        monkeypatch.setenv("MULTIMODAL_SER_OFFLINE", said)
    with pytest.raises(DownloadError, match=r"a\.zip: it is not there, and no connection may"):
        get(server, target, offline=said is True)
    assert server.seen == []
    assert not target.parent.exists()


@pytest.mark.parametrize("said", ["", "0", "false", "No"])
def test_offline_can_be_said_no_to(server, target, monkeypatch, said):
    monkeypatch.setenv("MULTIMODAL_SER_OFFLINE", said)
    assert get(server, target)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://a/b", "http://", "a/b", "", "https://a/b c", "http://[::1/a",
     "http://a/b\r\nX: y", "data:text/plain,a", "http://a:99999999/", "https://ä/"],
)  # fmt: skip
def test_no_other_address_is_opened(target, url):
    with pytest.raises(DownloadError, match="no address"):
        fetch(url, target)


@pytest.mark.parametrize("checksum", ["abc", "md5:abc", "sha1:" + "a" * 40, "md5:" + "g" * 32])
def test_a_checksum_that_is_none_is_the_callers_mistake(target, checksum):
    with pytest.raises(ValueError, match="checksum"):
        fetch("https://example.org/a", target, checksum=checksum)


def test_a_folder_in_the_way(server, target):
    target.mkdir(parents=True)
    with pytest.raises(DownloadError, match="there is a folder of that name"):
        get(server, target)


def test_a_full_disk_is_told_before(server, target, monkeypatch):
    usage = type("Usage", (), {"free": len(CONTENT) - 1})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match="are needed and"):
        get(server, target)
    usage.free = len(CONTENT)
    assert get(server, target)


def test_a_disk_that_fills_meanwhile_keeps_the_part(server, target, monkeypatch):
    class Filling(module._Part):
        def __init__(self, path):
            super().__init__(path)
            self.real, self.file = self.file, self

        def fileno(self):
            return self.real.fileno()

        def truncate(self, length):
            return self.real.truncate(length)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.real.close()

        def write(self, chunk):
            if isinstance(chunk, bytes):
                return super().write(chunk)
            if self.length >= 100_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.real.write(chunk[: 100_000 - self.length])

    with monkeypatch.context() as patched:
        patched.setattr(module, "_Part", Filling)
        with pytest.raises(DownloadError, match="the disk is full"):
            get(server, target)
    assert get(server, target)
    assert server.seen[1].headers["Range"] == "bytes=100000-"
    assert target.read_bytes() == CONTENT


def test_two_at_once_do_not_mix(server, target):
    server.usual = Fault(chunk_bytes=70_000, pause_seconds=0.05)
    first = threading.Thread(target=get, args=(server, target))
    first.start()
    while not server.sent:
        time.sleep(0.005)
    with pytest.raises(DownloadError, match="another process is fetching it"):
        get(server, target)
    first.join()
    assert target.read_bytes() == CONTENT


def test_a_proxy_is_used(server, target, monkeypatch):
    server.files["http://zenodo.invalid/a.zip"] = CONTENT
    monkeypatch.setenv("http_proxy", server.url(""))
    assert fetch("http://zenodo.invalid/a.zip", target, **QUICK)
    assert target.read_bytes() == CONTENT
    monkeypatch.setenv("no_proxy", "zenodo.invalid")
    with pytest.raises(DownloadError):
        fetch("http://zenodo.invalid/b.zip", target.with_name("b"), attempts=1, **QUICK)
    assert len(server.seen) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_download_goes_on(server, target, how):
    server.faults = [Fault(chunk_bytes=20_000, pause_seconds=0.05)]
    code = "from multimodal_ser.download.fetch import fetch; "
    code += f"fetch({server.url('a.zip')!r}, {str(target)!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while not server.sent > 200_000:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(how)
    assert process.wait() != 0
    assert not target.exists()
    assert get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.seen[1].sent < len(CONTENT) - 100_000


def any_fault(random_):
    kinds = [
        lambda: Fault(cut_after=random_.randrange(len(CONTENT))),
        lambda: Fault(cut_after=random_.randrange(len(CONTENT)), no_ranges=True),
        lambda: Fault(cut_after=random_.randrange(len(CONTENT)), flip=True),
        lambda: Fault(content=OTHER, etag='"2"', cut_after=random_.randrange(len(CONTENT))),
        lambda: Fault(ignores_if_range=True, content=OTHER, etag='"2"', cut_after=400_000),
        lambda: Fault(status=random_.choice([404, 416, 429, 500, 204])),
        lambda: Fault(length=random_.randrange(2 * len(CONTENT)), ignores_if_range=True),
        lambda: Fault(content=b"<html>", no_ranges=True),
        lambda: Fault(no_length=True, cut_after=random_.randrange(len(CONTENT))),
        lambda: Fault(headers={"Content-Range": "bytes 5-6/7"}),
    ]
    return random_.choice(kinds)()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_server_does_the_file_is_right_or_absent(server, target, seed):
    random_ = random.Random(seed)
    server.faults = [any_fault(random_) for _ in range(random_.randrange(2, 12))]
    for _ in range(20):
        try:
            get(server, target, size=len(CONTENT), checksum=MD5, attempts=3)
        except DownloadError:
            assert not target.exists()
    assert target.read_bytes() == CONTENT
    assert names(target) == ["a.zip"]


def test_json_is_read_and_not_kept(server):
    server.files["record"] = json.dumps({"files": [1, 2]}).encode()
    server.faults = [Fault(status=503), Fault(cut_after=3)]
    assert fetch_json(server.url("record"), backoff_seconds=0.0) == {"files": [1, 2]}


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"<html>", "not JSON"), (b"[" * 100_000, "not JSON"), (b"\xff\xfe\xfa", "not JSON"),
     (b" " * 5_000_000, "longer than")],
)  # fmt: skip
def test_json_that_is_none(server, content, said):
    server.files["record"] = content
    with pytest.raises(DownloadError, match=said):
        fetch_json(server.url("record"))


def test_json_comes_encrypted_or_not_at_all(server, monkeypatch):
    with pytest.raises(DownloadError, match="only https"):
        fetch_json("http://example.org/record")
    monkeypatch.setenv("MULTIMODAL_SER_OFFLINE", "1")
    with pytest.raises(DownloadError, match="no connection may be made"):
        fetch_json(server.url("record"))
    assert server.seen == []


def test_what_a_server_says_cannot_steer_the_terminal(server, target):
    class Rude(module.urllib.error.HTTPError):
        pass

    answer = Rude("u", 404, "gone\x1b[2J\nfine\u202e", {}, None)
    assert str(module._as_error("u", answer)).isprintable()
