import os

import pytest

from multimodal_ser.compute.media import check_file, check_whole
from multimodal_ser.errors import MediaError


def test_a_good_file_passes(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"x")
    assert check_file(str(tmp_path / "a.wav")) == tmp_path / "a.wav"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission_is_told(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"x")
    (tmp_path / "a.wav").chmod(0)
    with pytest.raises(MediaError, match="name and rights"):
        check_file(tmp_path / "a.wav")


def test_a_file_that_may_not_be_opened_is_told(tmp_path, monkeypatch):
    """As above, for root, whom no permission stops."""
    (tmp_path / "a.wav").write_bytes(b"x")

    def refused(*_values):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(MediaError, match=r"cannot be read \(Permission denied\); check its name"):
        check_file(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "it is a folder"),
        ("none.wav", "no such file"),
        ("a.wav/b.wav", "no such file"),
        ("pipe.wav", "no ordinary file"),
        ("x" * 300 + ".wav", "cannot be read .File name too long"),
        ("nul\0.wav", "cannot be read .(stat: )?embedded null"),
        ("loop.wav", "cannot be read .Too many levels"),
        ("empty.wav", "0 bytes"),
    ],
)
def test_what_is_no_recording_is_refused_without_reading_it(tmp_path, name, said):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "a.wav").write_bytes(b"x")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    with pytest.raises(MediaError, match=said):
        check_file(tmp_path / name)


@pytest.mark.parametrize(("read_s", "stated_s"), [(3.0, 3.0), (2.8, 3.0), (1.0, 0.0), (4.0, 3.0)])
def test_nearly_whole_films_pass(read_s, stated_s):
    check_whole("a.mp4", "sound", read_s, stated_s)


def test_half_a_film_does_not():
    with pytest.raises(MediaError, match=r"only 1\.5 s of its 3\.0 s of picture"):
        check_whole("a.mp4", "picture", 1.5, 3.0)
