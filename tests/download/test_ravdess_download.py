"""RAVDESS from a server on this machine: fetched, checked, unpacked, never twice."""

import hashlib
import io
import os
import re
import zipfile
from pathlib import PurePath
from types import SimpleNamespace

import pooch
import pytest
import requests
from local_server import Fault

from multimodal_ser.cli import main
from multimodal_ser.datasets import ravdess
from multimodal_ser.download import fetch
from multimodal_ser.download import ravdess as module
from multimodal_ser.download.ravdess import download
from multimodal_ser.download.ravdess_archives import PARTS, actors_of, address, archives
from multimodal_ser.errors import DownloadError, SerError, UnknownName

ACTORS = ("05", "18")
SPEECH, SONG = "Audio_Speech_Actors_01-24.zip", "Audio_Song_Actors_01-24.zip"
VIDEO, SUNG_VIDEO = "Video_Speech_Actor_05.zip", "Video_Song_Actor_05.zip"


def content_of(path):
    return hashlib.sha256(path.encode()).digest() * 20


def zipped(paths):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("__MACOSX/._Actor_05", b"mac")
        for path in paths:
            opened.writestr(path, content_of(path))
    return content.getvalue()


CONTENT = {archive.name: zipped(archive.recordings) for archive in archives(PARTS, ACTORS)}
MD5 = {name: "md5:" + hashlib.md5(content).hexdigest() for name, content in CONTENT.items()}


@pytest.fixture
def server(server, monkeypatch):
    """The record with archives of two actors; known of them is what is known of the real ones."""

    def small(parts, actors):
        chosen = archives(parts, actors)
        return [a._replace(checksum=a.checksum and MD5[a.name]) for a in chosen]

    server.files = dict(CONTENT)
    monkeypatch.setattr(module, "archives", small)
    monkeypatch.setattr(module, "address", lambda name: server.url(f"{name}?download=1"))
    say(monkeypatch, MD5)
    return server


def say(monkeypatch, answer):
    """Let Zenodo answer pooch with these checksums or this JSON, or fail with this error."""
    if isinstance(answer, dict):
        answer = {"files": [{"key": name, "checksum": md5} for name, md5 in answer.items()]}

    def get(url, **_):
        if isinstance(answer, Exception):
            raise answer
        if url.startswith("https://doi.org/10.5281/zenodo.1188976"):
            return SimpleNamespace(url="https://zenodo.org/records/1188976", status_code=200)
        assert url == "https://zenodo.org/api/records/1188976"
        return SimpleNamespace(json=lambda: answer)

    monkeypatch.setattr(requests, "get", get)


def get(folder, parts=("speech-audio",), actors=ACTORS, **how):
    return download(folder, parts=parts, actors=actors, **how)


def asked(server):
    return [request.path.split("?")[0].lstrip("/") for request in server.seen]


def archives_in(folder):
    return sorted(path.name for path in (folder / "archives").glob("[!.]*"))


def by_hand(folder, *names):
    (folder / "archives").mkdir()
    for name in names:
        (folder / "archives" / name).write_bytes(CONTENT[name])


def test_all_parts_become_the_clips_of_ravdess(server, tmp_path):
    done = get(tmp_path, PARTS)
    assert done == (60 * 2 * 3 + 44 * 3, 60 * 2 * 3 + 44 * 3, [])
    clips = ravdess.index(tmp_path)
    assert clips.groupby(["actor", "channel"]).size().to_dict() == {
        ("05", "song"): 44,
        ("05", "speech"): 60,
        ("18", "speech"): 60,
    }
    assert clips["audio"].str.endswith(".wav").all()
    assert clips["video"].str.endswith(".mp4").all()
    problems = ravdess.validate(tmp_path)
    assert problems["detail"].str.startswith("every ").all(), "only actors not asked for lack"
    for archive in archives(PARTS, ACTORS):
        assert all((tmp_path / p).read_bytes() == content_of(p) for p in archive.recordings)
    assert archives_in(tmp_path) == []


def test_a_second_call_asks_for_nothing(server, tmp_path):
    parts = ["speech-audio", "song-video"]
    first = get(tmp_path, parts)
    server.seen.clear()
    assert get(tmp_path, parts) == get(tmp_path, parts, offline=True) == (first.recordings, 0, [])
    assert server.seen == []


@pytest.mark.parametrize("left", [None, b""])
def test_one_lost_file_is_brought_back(server, tmp_path, left):
    get(tmp_path, ["speech-audio", "song-audio"])
    path = archives(["song-audio"], ["05"])[0].recordings[7]
    (tmp_path / path).unlink()
    if left is not None:
        (tmp_path / path).write_bytes(left)
    server.seen.clear()
    assert get(tmp_path, ["speech-audio", "song-audio"]).written == 1
    assert (tmp_path / path).read_bytes() == content_of(path)
    assert asked(server) == [SONG]


def test_actors_can_be_added(server, tmp_path):
    assert get(tmp_path, actors=["05"]) == (60, 60, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Actor_05", "archives"]
    assert get(tmp_path, actors=["18"]) == (60, 60, [])
    assert get(tmp_path) == (120, 0, [])


def test_no_archive_is_asked_for_that_is_not_needed(server, tmp_path, monkeypatch):
    get(tmp_path, ["song-video", "speech-video"], ["18"])
    assert asked(server) == ["Video_Speech_Actor_18.zip"]
    monkeypatch.setattr(pooch, "create", None)  # all is known of this one: no record is asked
    get(tmp_path / "b")


def test_archives_can_be_kept_and_are_then_the_users(server, tmp_path):
    get(tmp_path, actors=["05"], keep_archives=True)
    assert archives_in(tmp_path) == [SPEECH]
    assert get(tmp_path).written == 60
    assert asked(server) == [SPEECH]
    assert archives_in(tmp_path) == [SPEECH]


def test_archives_brought_by_hand_are_unpacked_offline(server, tmp_path, monkeypatch):
    by_hand(tmp_path, SPEECH, SUNG_VIDEO)
    monkeypatch.setenv("MULTIMODAL_SER_OFFLINE", "1")
    assert get(tmp_path) == (120, 120, [])
    assert get(tmp_path, ["song-video"]) == (88, 88, [SUNG_VIDEO])
    assert archives_in(tmp_path) == [SPEECH, SUNG_VIDEO]
    assert server.seen == []


def test_offline_says_what_is_missing_after_doing_what_can_be_done(server, tmp_path):
    by_hand(tmp_path, SPEECH)
    (tmp_path / "archives" / SONG).write_bytes(b"half of it")
    with pytest.raises(DownloadError) as caught:
        get(tmp_path, PARTS, offline=True)
    assert [name for name in CONTENT if name not in str(caught.value)] == [SPEECH]
    assert len(ravdess.index(tmp_path)) == 120
    assert server.seen == []


def test_wrong_bytes_are_not_unpacked(server, tmp_path):
    server.usual = Fault(flip=True)
    with pytest.raises(DownloadError):
        get(tmp_path)
    assert (list(tmp_path.rglob("*.wav")), archives_in(tmp_path)) == ([], [])
    server.usual = Fault()
    assert get(tmp_path).written == 120


def test_the_record_vouches_for_what_is_not_known_here_only(server, tmp_path, monkeypatch):
    wrong = "md5:" + "0" * 32
    say(monkeypatch, MD5 | {SUNG_VIDEO: wrong, VIDEO: wrong})
    assert get(tmp_path, ["speech-video"], ["05"]).written == 120
    with pytest.raises(DownloadError):
        get(tmp_path, ["song-video"])
    assert len(list(tmp_path.rglob("*.mp4"))) == 120


@pytest.mark.parametrize(
    "said",
    [OSError(), ValueError(), [], None, "<html>", {}, {SUNG_VIDEO: "md5:"}, {SUNG_VIDEO: 3}],
)
def test_without_a_record_it_goes_on_and_says_so(server, tmp_path, monkeypatch, said):
    say(monkeypatch, said)
    assert get(tmp_path, ["song-video"]) == (88, 88, [SUNG_VIDEO])


def test_an_evil_archive_writes_nothing(server, tmp_path, monkeypatch):
    say(monkeypatch, {})
    server.files[SUNG_VIDEO] = zipped(["../../01-02-01-01-01-01-05.mp4"])
    with pytest.raises(DownloadError):
        get(tmp_path / "deep" / "data", ["song-video"])
    server.files[SUNG_VIDEO] = CONTENT["Video_Speech_Actor_18.zip"]
    with pytest.raises(DownloadError):
        get(tmp_path, ["song-video"], ["05"])
    assert not list(tmp_path.rglob("*.mp4"))


def test_an_interrupted_download_is_resumed(server, tmp_path, monkeypatch):
    server.faults = [Fault(cut_after=len(CONTENT[SPEECH]) // 2)]
    with monkeypatch.context() as patched, pytest.raises(DownloadError):
        patched.setattr(fetch, "ATTEMPTS", 1)
        get(tmp_path)
    real, moved = os.replace, []

    def replace(source, there):
        moved.extend([there] if str(there).endswith(".wav") else [])
        if len(moved) == 50:
            raise KeyboardInterrupt
        real(source, there)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "replace", replace)
        get(tmp_path)
    assert len(list(tmp_path.rglob("*.wav"))) == 49
    assert get(tmp_path) == (120, 120 - 49, [])
    assert server.sent == len(CONTENT[SPEECH])


def test_the_archives_are_those_of_the_record():
    chosen = archives(PARTS, ravdess.ACTORS)
    assert len(chosen) == len(set(chosen)) == 2 + 24 + 23
    assert sum(len(archive.recordings) for archive in chosen) == 7_356
    sums = {archive.checksum for archive in chosen if archive.checksum}
    assert len(sums) == 26
    assert all(re.fullmatch("md5:[0-9a-f]{32}", checksum) for checksum in sums)
    assert archives(["song-audio"], ["18"]) == []
    assert address(SPEECH) == f"https://zenodo.org/records/1188976/files/{SPEECH}?download=1"


@pytest.mark.real_data
def test_real_recordings_are_called_so(shared_data):
    known = {PurePath(path).stem for a in archives(PARTS, ravdess.ACTORS) for path in a.recordings}
    real = {path.stem for path in (shared_data / "ravdess").rglob("0?-*-*-*-*-*-??.*")}
    assert real and real <= known


@pytest.mark.parametrize(("part", "actor"), [("speech", "01"), ("speech-video", "5")])
def test_a_wrong_part_or_actor(part, actor):
    with pytest.raises(UnknownName):
        archives([part], [actor])


@pytest.mark.parametrize(
    ("text", "actors"),
    [("1", "01"), ("01,1", "01"), ("3-5", "03 04 05"), (" 24 , 2-3", "02 03 24")],
)
def test_actors_are_read(text, actors):
    assert actors_of(text) == tuple(actors.split())


@pytest.mark.parametrize("text", ["", "0", "25", "1-25", "5-3", "a", "1,,2", "1-2-3", "-3", "٣"])
def test_actors_that_are_none(text):
    with pytest.raises(SerError):
        actors_of(text)


def test_the_command_shows_licence_and_citation_first(server, tmp_path, capsys):
    words = ["download", "ravdess", "--actors", "5,18", "--output", str(tmp_path), "--quiet"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    shown = [out.find(word) for word in ("CC BY-NC-SA 4.0", "livingstone2018", "120 recordings")]
    assert (shown, err) == (sorted(shown), "") and shown[0] > 0
    assert main([*words, "--parts", "song-video", "--offline"]) == 2


@pytest.mark.parametrize("words", [["--parts", "speech"], ["--actors", "0-3"]])
def test_the_command_reports_wrong_words_at_once(server, tmp_path, capsys, words):
    assert main(["download", "ravdess", "--output", str(tmp_path / "a"), *words]) == 2
    assert capsys.readouterr().out == ""
    assert (server.seen, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("what", [[], ["ravdess"], ["weights"]])
def test_the_command_explains_itself(what, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["download", *what, "--help"])
    assert caught.value.code == 0
    assert ("--offline" if what else "weights") in capsys.readouterr().out
