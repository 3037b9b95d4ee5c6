import pandas as pd

from multimodal_ser.cli import demo
from multimodal_ser.video.backbones import Training


def test_the_demo_goes_the_whole_way_and_says_where_everything_lies(tmp_path, capsys, monkeypatch):
    quick = demo._recipe(0).with_params(
        training=Training(batch_size=16, steps_per_epoch=2, epochs=1)
    )
    monkeypatch.setattr(demo, "_recipe", lambda seed: quick)
    assert demo.run(tmp_path, actors=4, takes=1) == 0
    shown = capsys.readouterr().out
    for step in range(1, 6):
        assert f"[{step}/5]" in shown
    for name in ("corpus", "clips.csv", "model", "scores.csv", "prediction.html"):
        assert name in shown
        assert (tmp_path / name).exists()
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores["modality"].tolist() == ["audio", "video", "fused"]
    learnt = pd.read_json(tmp_path / "model" / "run.json", typ="series")["actors"]
    assert len(learnt) == 3  # the fourth actor is the one whose clips are scored
    assert scores["n"].tolist() == [8, 8, 8]
