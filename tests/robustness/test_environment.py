"""The same bytes on machines that are set up otherwise, or one line that says what is lacking."""

import itertools
import os
import shutil
import subprocess
import sys
import time

import pytest

from multimodal_ser.audio.extract import extract
from multimodal_ser.compute.cache import Cache
from multimodal_ser.datasets import ravdess
from multimodal_ser.tables import io as tableio

COMMAND = """
import locale, os, sys
locale.setlocale(locale.LC_ALL, "")
from multimodal_ser.cli import main
sys.exit(main(sys.argv[1:]))
"""
LITTLE = 'ulimit -s 4096 && ulimit -n 128 && exec "$@"'
NO_SHM = 'mount -t tmpfs -o ro none /dev/shm && exec "$@"'
#: What stands before the command; a way that a machine does not have is skipped.
WAYS = {
    "no root": ["unshare", "--user"],
    "one core": ["taskset", "-c", str(min(os.sched_getaffinity(0)))],
    "no /dev/shm": ["unshare", "--mount", "sh", "-c", NO_SHM, "sh"],
    "a small stack and few files": [
        "sh",
        "-c",
        'ulimit -s 4096 && ulimit -n 128 && exec "$@"',
        "sh",
    ],
}


def run(words, way=(), **environment):
    named = {name: value for name, value in os.environ.items() if name != "MULTIMODAL_SER_CACHE"}
    line = [*way, sys.executable, "-c", COMMAND, *map(str, words)]
    return subprocess.run(
        line, capture_output=True, text=True, env=named | environment, timeout=120
    )


@pytest.fixture(scope="module")
def words(corpus, tmp_path_factory):
    """An extraction of four sounds, whose endings are in capital letters."""
    folder = tmp_path_factory.mktemp("few")
    for path in sorted(corpus.rglob("*.wav"))[:4]:
        shutil.copy(path, folder / f"{path.stem}.WAV")
    return ["extract", folder, "--video", "none", "--quiet", "--features", "mfcc_rms", "--output"]


@pytest.fixture(scope="module")
def plain(words, tmp_path_factory):
    """What an ordinary machine makes of them."""
    output = tmp_path_factory.mktemp("plain") / "f.csv"
    done = run([*words, output, "--no-cache"])
    assert done.returncode == 0, done.stderr
    return output.read_bytes()


@pytest.mark.parametrize("name", WAYS)
def test_another_machine(name, words, plain, tmp_path):
    if subprocess.run([*WAYS[name], "true"], capture_output=True).returncode:
        pytest.skip(f"{WAYS[name][0]} cannot do this here")
    done = run([*words, tmp_path / "f.csv", "--cache", tmp_path / "store"], WAYS[name])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f.csv").read_bytes() == plain
    assert len(list((tmp_path / "store").rglob("*.npz"))) >= 4


def test_a_read_only_home(words, plain, tmp_path):
    way = WAYS["no root"] if os.getuid() == 0 else []  # root may write everywhere
    if way and subprocess.run([*way, "true"], capture_output=True).returncode:
        pytest.skip("no user without root's rights can be had here")
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    environment = {"HOME": str(home), "XDG_CACHE_HOME": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = run([*words, tmp_path / "f.csv"], way, **environment)
    assert done.returncode == 2
    assert "--cache" in done.stderr and "Traceback" not in done.stderr
    done = run([*words, tmp_path / "f.csv", "--no-cache"], way, **environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f.csv").read_bytes() == plain
    assert os.listdir(home) == []


@pytest.fixture(scope="module")
def turkish(tmp_path_factory):
    """A locale in which the capital of i is not I, and decimals have a comma."""
    folder = tmp_path_factory.mktemp("locale")
    line = ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(folder / "tr_TR.UTF-8")]
    if not shutil.which("localedef") or subprocess.run(line, capture_output=True).returncode:
        pytest.skip("no locale can be made here: localedef or its sources are missing")
    return {"LOCPATH": str(folder), "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}


def test_a_turkish_machine(turkish, words, plain, tmp_path):
    done = run([*words, tmp_path / "f.csv", "--no-cache"], **turkish)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f.csv").read_bytes() == plain


def test_turkish_tables(turkish, tmp_path):
    """FILE and SPEAKER ID are names of columns, MALE is male, and 0.5 is a half."""
    (tmp_path / "t.CSV").write_text("FILE,SPEAKER ID,GENDER,x\nI.WAV,i,MALE,0.5\n")
    code = """
import locale, sys
locale.setlocale(locale.LC_ALL, "")
assert locale.localeconv()["decimal_point"] == ",", "the locale is another"
from multimodal_ser.tables.io import read_as
row = read_as(sys.argv[1], ("path", "actor", "sex")).iloc[0]
print(*row)
"""
    line = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "t.CSV")]
    done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, **turkish})
    assert done.stdout.split() == ["I.WAV", "i", "male", "0.5"], done.stderr


@pytest.mark.parametrize("jump_s", [-2 * 24 * 3600, 2 * 24 * 3600])
def test_a_clock_that_jumps(corpus, tmp_path, monkeypatch, jump_s):
    clips = ravdess.index(corpus).head(3)
    here, _ = extract(clips, cache=Cache(None), workers=1, progress=False)
    now, jumps = time.time(), itertools.count()
    monkeypatch.setattr(time, "time", lambda: now + jump_s * next(jumps))
    for _ in range(2):
        there, failed = extract(clips, cache=Cache(tmp_path / "store"), workers=1, progress=False)
        assert there.values.tobytes() == here.values.tobytes() and failed.empty
    tableio.write(clips, tmp_path / "clips.csv")
    assert not list(tmp_path.rglob(".writing-*"))


def test_a_draft_taken_for_litter_is_written_again(tmp_path, monkeypatch):
    """By a run on the same store whose clock is days ahead."""
    import numpy as np

    replace, taken = os.replace, []

    def too_late(old, new):
        if not taken:
            taken.append(os.unlink(old))
        replace(old, new)

    monkeypatch.setattr(os, "replace", too_late)
    Cache(tmp_path).put("ab" * 32, {"values": np.arange(3)})
    assert taken and Cache(tmp_path).get("ab" * 32)["values"].tolist() == [0, 1, 2]
