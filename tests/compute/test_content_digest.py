"""A file is hashed once while it stays as it is, and never taken for what it was before."""

import hashlib

import pytest

from multimodal_ser.compute import cache as cache_module
from multimodal_ser.compute.cache import content_key


@pytest.fixture
def hashed(monkeypatch):
    """An entry for each time that a file is hashed; none was before."""
    count, real = [], hashlib.file_digest

    def counted(file, name):
        count.append(1)
        return real(file, name)

    monkeypatch.setattr(cache_module, "_DIGESTS", {})
    monkeypatch.setattr(hashlib, "file_digest", counted)
    return count


def test_a_settled_file_is_hashed_once_for_all_its_keys(tmp_path, hashed, monkeypatch):
    monkeypatch.setattr(cache_module, "RACY_SECONDS", -60)  # whatever the clock says
    path = tmp_path / "a"
    path.write_bytes(b"one")
    link = tmp_path / "link"
    link.symlink_to(path)
    keys = [content_key(path, name, 1, {}) for name in ("a", "b")]
    assert len(hashed) == 1 and len(set(keys)) == 2
    assert content_key(link, "a", 1, {}) == keys[0] and len(hashed) == 1
    path.write_bytes(b"longer")
    assert content_key(path, "a", 1, {}) != keys[0] and len(hashed) == 2


def test_a_file_that_may_still_change_is_hashed_each_time(tmp_path, hashed):
    path, seen = tmp_path / "a", set()
    for content in (b"one", b"two", b"six"):  # of one size, within one tick of the clock
        path.write_bytes(content)
        seen.add(content_key(path, "a", 1, {}))
    assert len(seen) == len(hashed) == 3


def test_digests_are_remembered_in_bounded_number(tmp_path, hashed, monkeypatch):
    monkeypatch.setattr(cache_module, "RACY_SECONDS", -60)
    monkeypatch.setattr(cache_module, "DIGESTS_KEPT", 2)
    for name in "abc":
        (tmp_path / name).write_text(name)
        content_key(tmp_path / name, "a", 1, {})
    assert len(cache_module._DIGESTS) == 2
    content_key(tmp_path / "c", "a", 1, {})
    assert len(hashed) == 3
    content_key(tmp_path / "a", "a", 1, {})
    assert len(hashed) == 4
