"""Completion in shells, which those that are here run."""

import shutil
import subprocess

import pytest

from multimodal_ser.cli import main, verbs
from multimodal_ser.evaluation import folds

pytest.importorskip("shtab", reason="pip install -r requirements.txt")
FUNCTION = "_shtab_multimodal_ser"


@pytest.fixture
def script(tmp_path, capsys):
    def written(shell):
        assert main(["completion", shell]) == 0
        path = tmp_path / f"completion.{shell}"
        path.write_text(capsys.readouterr().out)
        return path

    return written


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_the_shells(script, shell):
    path = script(shell)
    assert path.stat().st_size > 1000
    if shutil.which(shell):
        subprocess.run([shell, "-n", path], check=True)


def completed(path, *words):
    """Return what bash offers for the last word."""
    line = f"""
    source {path}
    COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
    {FUNCTION}
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    found = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=True, cwd=path.parent
    )
    return set(found.stdout.split())


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not here")
def test_bash_completes_verbs_options_and_names(script):
    path = script("bash")
    assert completed(path, "multimodal-ser", "") >= set(verbs.NAMES)
    assert completed(path, "multimodal-ser", "tr") == {"train"}
    asked = ("multimodal-ser", "benchmark", "--protocol", "")
    assert completed(path, *asked) == set(folds.NAMES)
    assert completed(path, "multimodal-ser", "predict", "--seg") == {"--segments"}
    (path.parent / "talk.mp4").touch()
    assert "talk.mp4" in completed(path, "multimodal-ser", "predict", "ta")


def test_an_unknown_shell_is_refused():
    with pytest.raises(SystemExit) as caught:
        main(["completion", "tsh"])
    assert caught.value.code == 2
