"""RAVDESS from a server on this machine: fetched, checked, unpacked, never twice."""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from local_server import Fault, LocalServer

from multimodal_ser.cli import main
from multimodal_ser.datasets import ravdess
from multimodal_ser.download import ravdess as module
from multimodal_ser.download.ravdess import download
from multimodal_ser.download.ravdess_archives import PARTS, Archive, actors_of, address, archives
from multimodal_ser.errors import DownloadError, SerError, UnknownName

ACTORS = ("05", "18")
QUICK = {"timeout_seconds": 5.0, "backoff_seconds": 0.0, "attempts": 3}
SPEECH, SONG = "Audio_Speech_Actors_01-24.zip", "Audio_Song_Actors_01-24.zip"
FILM, SUNG_FILM = "Video_Speech_Actor_05.zip", "Video_Song_Actor_05.zip"


def recordings(channel, actor, modalities):
    for clip in sorted(ravdess.expected_takes(channel, actor)):
        for modality in modalities:
            name = f"{modality}-{clip.removeprefix('ravdess/')}"
            ending = "wav" if modality == "03" else "mp4"
            yield f"Actor_{actor}/{name}.{ending}", hashlib.sha256(name.encode()).digest() * 20


def zipped(*parts):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("__MACOSX/._Actor_05", b"mac")
        for channel, actor, modalities in parts:
            for path, sound in recordings(channel, actor, modalities):
                opened.writestr(path, sound)
    return content.getvalue()


CONTENT = {
    SPEECH: zipped(("01", "05", ["03"]), ("01", "18", ["03"])),
    SONG: zipped(("02", "05", ["03"])),
    FILM: zipped(("01", "05", ["01", "02"])),
    "Video_Speech_Actor_18.zip": zipped(("01", "18", ["01", "02"])),
    SUNG_FILM: zipped(("02", "05", ["01", "02"])),
}


def md5(name):
    return "md5:" + hashlib.md5(CONTENT[name]).hexdigest()


def record(**changed):
    files = [
        {"key": name, "size": len(content), "checksum": changed.get(name, md5(name))}
        for name, content in CONTENT.items()
    ]
    return json.dumps({"id": 1188976, "files": files}).encode()


@pytest.fixture
def server(monkeypatch):
    """The record with archives of two actors; known of them is what is known of the real ones."""

    def small(parts, actors):
        return [
            Archive(a.name, a.size and len(CONTENT[a.name]), a.checksum and md5(a.name))
            for a in archives(parts, actors)
        ]

    monkeypatch.delenv("MULTIMODAL_SER_OFFLINE", raising=False)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # No test here cuts the power, and a busy disk makes each flush slow.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with LocalServer() as server:
        server.files = {**CONTENT, "record": record()}
        monkeypatch.setattr(module, "archives", small)
        monkeypatch.setattr(module, "address", lambda name: server.url(f"{name}?download=1"))
        monkeypatch.setattr(module, "RECORD_URL", server.url("record"))
        yield server


def get(folder, parts=("speech-audio",), actors=ACTORS, **how):
    return download(folder, parts=parts, actors=actors, **{**QUICK, **how})


def asked(server):
    return [request.path.split("?")[0].lstrip("/") for request in server.seen]


def archives_in(folder):
    return sorted(path.name for path in (folder / "archives").glob("*") if path.suffix != ".json")


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
    for path, sound in recordings("01", "05", ["01", "02", "03"]):
        assert (tmp_path / path).read_bytes() == sound
    assert archives_in(tmp_path) == []


def test_a_second_call_asks_for_nothing(server, tmp_path, monkeypatch):
    first = get(tmp_path, PARTS)
    server.seen.clear()
    assert get(tmp_path, PARTS) == (first.recordings, 0, [])
    monkeypatch.setattr(module, "crc_of", None)  # nor is any file read
    assert get(tmp_path, PARTS, offline=True) == (first.recordings, 0, [])
    assert server.seen == []


def test_a_copied_folder_needs_nothing_either(server, tmp_path):
    get(tmp_path)
    for path in tmp_path.rglob("*.wav"):
        os.utime(path, (0, 0))
    server.seen.clear()
    assert get(tmp_path).written == 0
    assert server.seen == []


@pytest.mark.parametrize("harm", ["deleted", "cut", "altered"])
def test_one_lost_file_is_brought_back(server, tmp_path, harm):
    get(tmp_path, ["speech-audio", "song-audio"])
    path, sound = next(recordings("02", "05", ["03"]))
    match harm:
        case "deleted":
            (tmp_path / path).unlink()
        case "cut":
            (tmp_path / path).write_bytes(sound[:-1])
        case "altered":
            (tmp_path / path).write_bytes(bytes(len(sound)))
    server.seen.clear()
    assert get(tmp_path, ["speech-audio", "song-audio"]).written == 1
    assert (tmp_path / path).read_bytes() == sound
    assert asked(server) == [SONG]


def test_actors_can_be_added(server, tmp_path):
    assert get(tmp_path, actors=["05"]) == (60, 60, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Actor_05", "archives"]
    assert get(tmp_path, actors=["18"]) == (60, 60, [])
    assert get(tmp_path) == (120, 0, [])


def test_no_archive_is_asked_for_that_is_not_needed(server, tmp_path):
    get(tmp_path, ["song-video", "speech-video"], ["18"])
    assert asked(server) == ["record", "Video_Speech_Actor_18.zip"]
    server.seen.clear()
    get(tmp_path / "b")
    assert asked(server) == [SPEECH], "all is known of this one, so the record is not asked"


def test_archives_can_be_kept_and_are_then_the_users(server, tmp_path):
    get(tmp_path, actors=["05"], keep_archives=True)
    assert archives_in(tmp_path) == [SPEECH]
    assert get(tmp_path).written == 60
    assert asked(server) == [SPEECH]
    assert archives_in(tmp_path) == [SPEECH]


def test_archives_brought_by_hand_are_unpacked_offline(server, tmp_path, monkeypatch):
    (tmp_path / "archives").mkdir()
    for name in (SPEECH, SUNG_FILM):
        (tmp_path / "archives" / name).write_bytes(CONTENT[name])
    monkeypatch.setenv("MULTIMODAL_SER_OFFLINE", "1")
    assert get(tmp_path) == (120, 120, [])
    assert get(tmp_path, ["song-video"]) == (88, 88, [SUNG_FILM])
    assert archives_in(tmp_path) == [SPEECH, SUNG_FILM]
    assert server.seen == []


def test_offline_says_what_is_missing_after_doing_what_can_be_done(server, tmp_path):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / SPEECH).write_bytes(CONTENT[SPEECH])
    (tmp_path / "archives" / SONG).write_bytes(b"half of it")
    with pytest.raises(DownloadError) as caught:
        get(tmp_path, PARTS, offline=True)
    said = str(caught.value)
    assert f"{SONG}: found 10 bytes, expected {len(CONTENT[SONG])} and 3 more" in said
    assert all(name in said for name in CONTENT if name != SPEECH)
    assert len(ravdess.index(tmp_path)) == 120
    assert server.seen == []


def test_wrong_bytes_are_not_unpacked(server, tmp_path):
    server.usual = Fault(flip=True)
    with pytest.raises(DownloadError, match=f"expected {md5(SPEECH)}, 2 times"):
        get(tmp_path)
    assert not list(tmp_path.rglob("*.wav"))
    assert archives_in(tmp_path) == []
    server.usual = Fault()
    assert get(tmp_path).written == 120


def test_the_record_vouches_for_what_is_not_known_here(server, tmp_path):
    server.files["record"] = record(**{SUNG_FILM: "md5:" + "0" * 32})
    with pytest.raises(DownloadError, match="expected md5:0000"):
        get(tmp_path, ["song-video"])
    assert not list(tmp_path.rglob("*.mp4"))


def test_the_record_cannot_change_what_is_known_here(server, tmp_path):
    server.files["record"] = record(**{FILM: "md5:" + "0" * 32})
    assert get(tmp_path, ["speech-video"], ["05"]).written == 120


@pytest.mark.parametrize(
    "said",
    [
        None, b"<html>", b"[]", b"null", b'{"files": 3}', b'{"files": [3, null, {}]}',
        json.dumps({"files": [{"key": SUNG_FILM, "size": True, "checksum": 3}]}).encode(),
        json.dumps({"files": [{"key": SUNG_FILM, "size": -1, "checksum": "md5:"}]}).encode(),
        json.dumps({"files": [{"key": SUNG_FILM, "size": len(CONTENT[SUNG_FILM]),
                               "checksum": "md5:" + "Z" * 32}]}).encode(),
    ],
)  # fmt: skip
def test_without_a_record_it_goes_on_and_says_so(server, tmp_path, said):
    server.files.pop("record")
    if said is not None:
        server.files["record"] = said
    assert get(tmp_path, ["song-video"]) == (88, 88, [SUNG_FILM])


def test_an_evil_archive_writes_nothing(server, tmp_path):
    server.files.pop("record")
    content = io.BytesIO(CONTENT[SUNG_FILM])
    with zipfile.ZipFile(content, "a") as opened:
        opened.writestr("../../01-01-01-01-01-01-05.mp4", b"evil")
    server.files[SUNG_FILM] = content.getvalue()
    with pytest.raises(DownloadError, match="leads elsewhere; nothing was unpacked"):
        get(tmp_path / "deep" / "data", ["song-video"])
    assert not list(tmp_path.rglob("*.mp4"))


def test_an_archive_of_something_else(server, tmp_path):
    server.files.pop("record")
    server.files[SUNG_FILM] = CONTENT["Video_Speech_Actor_18.zip"]
    with pytest.raises(DownloadError, match="holds no recording of actors 05"):
        get(tmp_path, ["song-video"], ["05"])


@pytest.mark.parametrize("receipt", ["", "{", "[]", '{"fetched": 1, "actors": 3, "files": {}}',
                                     '{"fetched": 1, "actors": [], "files": {"a": [1]}}',
                                     '{"fetched": 1, "actors": [], "files": [1]}'])  # fmt: skip
def test_a_damaged_receipt_is_none(server, tmp_path, receipt):
    get(tmp_path)
    (tmp_path / "archives" / f"{SPEECH}.json").write_text(receipt)
    assert get(tmp_path) == (120, 0, [])


def test_room_is_looked_for_before_anything_is_fetched(server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": len(CONTENT[SPEECH]) + len(CONTENT[SONG]) - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match="are needed"):
        get(tmp_path, ["speech-audio", "song-audio"])
    assert server.seen == []


def test_an_interrupted_download_goes_on(server, tmp_path, monkeypatch):
    half = len(CONTENT[SPEECH]) // 2
    server.faults = [Fault(cut_after=half)]
    with pytest.raises(DownloadError, match="what has arrived is kept"):
        get(tmp_path, attempts=1)
    real, moved = os.replace, []

    def replace(source, there):
        if str(there).endswith(".wav"):
            moved.append(there)
            if len(moved) == 50:
                raise KeyboardInterrupt
        real(source, there)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            get(tmp_path)
    assert len(list(tmp_path.rglob("*.wav"))) == 49
    assert get(tmp_path) == (120, 120 - 49, [])
    assert archives_in(tmp_path) == [], "fetched here, so deleted here, whatever came between"
    assert server.sent == len(CONTENT[SPEECH])


def test_a_killed_download_goes_on(server, tmp_path):
    size = len(CONTENT[FILM])
    server.faults = [Fault(), Fault(chunk_bytes=size // 20, pause_seconds=0.05)]
    code = (
        "from multimodal_ser.download import ravdess as module\n"
        f"module.RECORD_URL = {server.url('record')!r}\n"
        f"module.address = lambda name: {module.address(FILM)!r}\n"
        f"module.archives = lambda *_: [module.Archive({FILM!r}, None, {md5(FILM)!r})]\n"
        f"module.download({str(tmp_path)!r}, parts=['speech-video'], actors=['05'])"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while asked(server)[1:] != [FILM] or server.seen[1].sent < size // 3:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert archives_in(tmp_path) == [f"{FILM}.part"]
    server.seen.clear()
    assert get(tmp_path, ["speech-video"], ["05"]) == (120, 120, [])
    assert 0 < server.seen[1].sent < size - size // 4
    assert ravdess.index(tmp_path)["video"].notna().sum() == 60


def test_two_at_once_are_told_apart(server, tmp_path):
    with module._alone(tmp_path), pytest.raises(DownloadError, match="another download"):
        get(tmp_path)
    assert get(tmp_path).written == 120


def test_the_archives_are_those_of_the_record():
    chosen = archives(PARTS, ravdess.ACTORS)
    assert len(chosen) == len(set(chosen)) == 2 + 24 + 23
    sums = [archive.checksum for archive in chosen if archive.checksum]
    assert len(set(sums)) == 26
    assert all(re.fullmatch("md5:[0-9a-f]{32}", checksum) for checksum in sums)
    assert "Video_Song_Actor_18.zip" not in {archive.name for archive in chosen}
    assert archives(["song-audio"], ["18"]) == []
    assert address(SPEECH) == f"https://zenodo.org/records/1188976/files/{SPEECH}?download=1"


def test_a_wrong_part_lists_the_right_ones():
    with pytest.raises(UnknownName, match="choose one of: speech-audio, song-audio"):
        archives(["speech"], ["01"])


def test_a_wrong_actor_lists_the_right_ones():
    with pytest.raises(UnknownName, match="no actor in RAVDESS '5'; choose one of: 01, 02"):
        archives(["speech-video"], ["5"])


@pytest.mark.parametrize(
    ("text", "actors"),
    [("1", "01"), ("01,1", "01"), ("3-5", "03 04 05"), (" 24 , 2-3", "02 03 24")],
)
def test_actors_are_read(text, actors):
    assert actors_of(text) == tuple(actors.split())


@pytest.mark.parametrize("text", ["", "0", "25", "1-25", "5-3", "a", "1,,2", "1-2-3", "-3", "٣"])
def test_actors_that_are_none(text):
    with pytest.raises(SerError, match="numbers from 1 to 24"):
        actors_of(text)


def test_the_command_shows_licence_and_citation_first(server, tmp_path, capsys):
    words = ["download", "ravdess", "--actors", "5,18", "--output", str(tmp_path), "--quiet"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert 0 < out.index("CC BY-NC-SA 4.0") < out.index("livingstone2018ravdess")
    assert out.index("livingstone2018ravdess") < out.index("120 recordings in")
    assert main([*words, "--parts", "song-video", "--offline"]) == 2
    assert "no connection may be made" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--parts", "speech"], ["--actors", "0-3"]])
def test_the_command_tells_wrong_words_at_once(server, tmp_path, capsys, words):
    assert main(["download", "ravdess", "--output", str(tmp_path / "a"), *words]) == 2
    assert capsys.readouterr().out == ""
    assert (server.seen, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("what", [[], ["ravdess"], ["weights"]])
def test_the_command_explains_itself(what, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["download", *what, "--help"])
    assert caught.value.code == 0
    assert ("--offline" if what else "weights") in capsys.readouterr().out


@pytest.fixture
def weights(server, monkeypatch, tmp_path):
    from multimodal_ser.download import weights as module

    entry = next(iter(module.WEIGHTS.values()))._replace(
        file="a.onnx",
        size_bytes=len(CONTENT[SONG]),
        sha256=hashlib.sha256(CONTENT[SONG]).hexdigest(),
        url=server.url(SONG),
    )
    monkeypatch.setitem(module.WEIGHTS, "mine", entry)
    monkeypatch.setenv("MULTIMODAL_SER_WEIGHTS", str(tmp_path / "weights"))
    return module


def test_weights_come_to_where_they_are_looked_for(server, weights, capsys):
    assert main(["download", "weights", "--names", "mine", "--quiet"]) == 0
    assert weights.weights_file("mine").read_bytes() == CONTENT[SONG]
    shown = capsys.readouterr().out
    assert "licence" in shown and "fetched" in shown
    assert main(["download", "weights", "--names", "mine", "--offline"]) == 0
    assert "already there" in capsys.readouterr().out
    assert len(server.seen) == 1


def test_weights_that_are_wrong_or_unknown(server, weights, tmp_path, capsys):
    server.usual = Fault(flip=True)
    assert main(["download", "weights", "--names", "mine", "--quiet"]) == 2
    assert "expected sha256:" in capsys.readouterr().err
    assert not list((tmp_path / "weights").iterdir())
    assert main(["download", "weights", "--names", "mine,other"]) == 2
    assert "there is no set of weights 'other'" in capsys.readouterr().err


@pytest.mark.real_data
def test_the_real_weights_pass_their_checks(shared_data, server, tmp_path, monkeypatch):
    from multimodal_ser.download import weights

    for name, wanted in list(weights.WEIGHTS.items()):
        server.files[wanted.file] = (shared_data / "weights" / wanted.file).read_bytes()
        there = wanted._replace(url=server.url(wanted.file))
        monkeypatch.setitem(weights.WEIGHTS, name, there)
    server.faults = [Fault(cut_after=100_000)]
    assert main(["download", "weights", "--output", str(tmp_path), "--quiet"]) == 0
    monkeypatch.setenv("MULTIMODAL_SER_WEIGHTS", str(tmp_path))
    assert all(weights.weights_file(name).parent == tmp_path for name in weights.WEIGHTS)
