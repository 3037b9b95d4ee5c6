"""What a command that starts anew must not load, start or leave behind."""

import gc
import subprocess
import sys
import wave

import numpy as np
import pytest

from multimodal_ser.cli import main, parser, verbs

#: What a prediction of one sound, with the released model and its networks checked, does without.
UNNEEDED = (
    *("tensorflow", "keras", "librosa", "numba", "scipy", "sklearn", "skops", "joblib", "onnx"),
    *("google.protobuf", "av", "cv2", "matplotlib", "jinja2", "requests", "pooch", "tqdm"),
    *("multiprocessing", "rich", "importlib.metadata"),
    *("multimodal_ser.workflows.regression", "multimodal_ser.workflows.training"),
    *("multimodal_ser.reports.html", "multimodal_ser.cli.verbs.demo"),
)
RUN = """
import subprocess, sys
def refused(*_words, **_more):
    raise AssertionError("a process was started")
subprocess.Popen.__init__ = refused
from multimodal_ser.cli import main
words = ["predict", sys.argv[1], "--no-cache", "--quiet", "--output", sys.argv[2]]
print(main(words), [name for name in sys.argv[3:] if name in sys.modules])
"""


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """A recording with syllables of a gliding voice."""
    times = np.arange(2 * 16000) / 16000
    phase = 2 * np.pi * np.cumsum(160 + 50 * np.sin(2 * np.pi * 0.7 * times)) / 16000
    tone = sum(np.sin(k * phase) / k for k in range(1, 20))
    loud = np.clip(np.sin(2 * np.pi * 3 * times), 0, 1) ** 0.5
    sound = 0.1 * tone * loud + 1e-4 * np.random.default_rng(0).standard_normal(len(times))
    path = tmp_path_factory.mktemp("sound") / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((sound * 32000).astype("<i2").tobytes())
    return path


def test_one_sound_loads_what_it_needs_and_starts_no_process(voice, tmp_path):
    tables = []
    for name in ("first.csv", "second.csv"):  # the first checks the networks
        words = [sys.executable, "-c", RUN, str(voice), str(tmp_path / name), *UNNEEDED]
        run = subprocess.run(words, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        tables.append((tmp_path / name).read_bytes())
    assert run.stdout.splitlines()[-1] == "0 []"
    assert tables[0] == tables[1]


@pytest.mark.parametrize("verb", verbs.NAMES)
def test_one_verbs_parser_is_that_of_all(verb, capsys):
    said = []
    for built in (parser.build(verb), parser.build()):
        with pytest.raises(SystemExit) as end:
            built.parse_args([verb, "--help"])
        said.append((end.value.code, capsys.readouterr().out))
    assert said[0] == said[1] and said[0][0] == 0


@pytest.mark.parametrize("words", [["predict", "a.wav", "--protocol", "luna5"], ["predict", "--x"]])
def test_errors_name_options_of_verbs_that_were_not_built(words, capsys):
    said = []
    for built in (parser.build("predict"), parser.build()):
        with pytest.raises(SystemExit) as end:
            built.parse_args(words)
        said.append((end.value.code, capsys.readouterr().err))
    assert said[0] == said[1] and said[0][0] == 2


@pytest.mark.parametrize("words", [["predict", "no-such.wav"], ["validate", "no-such-folder"]])
def test_a_command_leaves_the_collector_as_it_was(words, capsys):
    former = gc.get_threshold()
    assert main(words) != 0
    assert gc.get_threshold() == former and gc.isenabled()
