"""The notebooks run from top to bottom, on the synthetic recordings that they make."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))
RUNNER = Path(__file__).parents[2] / "docs" / "hooks" / "notebook_cells.py"


def code(path: Path) -> list[dict]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    document = json.loads(path.read_text(encoding="utf-8"))
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in document["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code(path))
    for cell in code(path):
        compile("".join(cell["source"]), cell["id"], "exec")


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(
        [sys.executable, str(RUNNER), str(path), "shown.json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    shown = json.loads((tmp_path / "shown.json").read_text(encoding="utf-8"))
    results = [one for one in shown if one["kind"] == "Result"]
    assert all("could not be used" not in one["html"] for one in results)
    assert all(one["html"] for one in shown if one["kind"] in ("Result", "Model", "Run"))
    made = {
        "first_predictions": ("predictions.csv", "predictions.html"),
        "own_data": ("run/run.json", "report.html", "my-model/params.json", "clips.html"),
        "fair_comparison": (),
    }
    assert all((tmp_path / name).stat().st_size for name in made[path.stem])


def test_all_three_are_there():
    assert [path.stem for path in NOTEBOOKS] == ["fair_comparison", "first_predictions", "own_data"]
