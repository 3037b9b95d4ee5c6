"""What a page holds, and that nothing of it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from multimodal_ser.app.sessions import Limits, Sessions, TooMuch

HOSTILE = (
    "../../etc/passwd",
    "/etc/passwd.mp4",
    "<script>alert(1)</script>.mp4",
    "a\0b.wav",
    "..",
    "",
    "C:\\x\\y.mov",
    "x" * 5000 + ".mp4",
    "talk.mp4/../../b.wav",
    "talk.html",
    "talk.mp4\n",
)


@pytest.fixture
def session(idle):
    with_limits = Sessions(idle, Limits(file_bytes=100, page_bytes=150, files=3))
    made = with_limits.open()
    yield made
    with_limits.close_all()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_never_a_path(idle, name):
    session = Sessions(idle).open()
    clip = session.place(name)
    path = Path(clip.medium.path)
    assert path.parent == Path(session.place("a.wav").medium.path).parent
    assert path.stem == "0" and path.suffix in ("", ".mp4", ".wav", ".mov")
    assert clip.medium.name and clip.medium.name in (name, name[:200], "recording")
    session.close()


def test_one_name_twice_becomes_two(session):
    names = [session.place("talk.mp4").medium.name for _ in range(3)]
    assert len(set(names)) == 3 and names[0] == "talk.mp4"


def test_limits_of_a_file_of_a_page_and_of_files(session):
    first = session.place("a.wav")
    session.grow(first, 100)
    with pytest.raises(TooMuch):
        session.grow(first, 1)
    second = session.place("b.wav")
    with pytest.raises(TooMuch):
        session.grow(second, 50)
    session.place("c.wav")
    with pytest.raises(TooMuch):
        session.place("d.wav")


def test_what_is_removed_frees_its_place_and_its_file(session, idle):
    clips = [session.place(f"{at}.wav") for at in range(3)]
    Path(clips[0].medium.path).write_bytes(b"sound")
    job = session.predict([clips[0]])
    session.remove(clips[0])
    assert not Path(clips[0].medium.path).exists()
    assert idle.stopped == [job]
    session.place("another.wav")


def test_a_closed_page_leaves_nothing(idle):
    sessions = Sessions(idle)
    session, other = sessions.open(), sessions.open()
    clip = session.place("a.wav")
    Path(clip.medium.path).write_bytes(b"sound")
    job, kept = session.predict([clip]), other.predict([other.place("b.wav")])
    sessions.close(session.key)
    assert idle.stopped == [job] and kept not in idle.stopped
    assert not Path(clip.medium.path).parent.exists()
    assert sessions.get(session.key) is None and sessions.get(other.key) is other
    sessions.close(session.key)  # again: nothing happens
    sessions.close_all()
    assert sessions.get(other.key) is None


def test_parts_of_an_answer_reach_their_clip(idle):
    session = Sessions(idle).open()
    clips = [session.place("a.wav"), session.place("b.wav")]
    job = session.predict(clips, person="Ann")
    assert job.task.person == "Ann" and [one.name for one in job.task.media] == ["a.wav", "b.wav"]
    job.told("reading", (1, "read"))
    job.told("media", (0, "waves"))
    assert [(one.reading, one.media) for one in clips] == [(None, "waves"), ("read", None)]
    assert not clips[0].complete
    again = session.predict([clips[0]])
    assert idle.stopped == [job]
    job.told("reading", (0, "of the one before"))
    job.told("end", "stopped")
    assert clips[0].reading is None and not clips[0].complete and clips[1].complete
    again.told("end", "done")
    assert clips[0].complete and clips[1].complete
    session.close()
