"""The recipe of crowd-rated intensity, on a few of CREMA-D's own clips."""

import re

import cremad_intensity


def test_the_recipe_scores_each_actor_by_a_model_that_never_met_them(
    shared_data, monkeypatch, capsys, tmp_path
):
    words = ["--data", str(shared_data / "cremad"), "--per-actor", "2", "--features", "mfcc_rms"]
    words += ["--workers", "1", "--output", str(tmp_path / "t.md")]
    monkeypatch.setattr("sys.argv", ["cremad_intensity.py", *words])
    assert cremad_intensity.main() == 0
    said = capsys.readouterr().out
    ccc, low, high = map(float, re.search(r"mfcc_rms \| (\S+) \((\S+) to (\S+)\)", said).groups())
    assert -1 <= low < ccc < high <= 1 and "| 150 | 75 |" in said
    assert (tmp_path / "t.md").read_text() == said
