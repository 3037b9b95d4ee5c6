import pandas as pd

from multimodal_ser.cli import terminal


def test_names_are_shown_as_they_are_and_not_as_markup(capsys):
    terminal.show([{"file": "[red]a[/red].mp4", "share": 0.25, "gone": None}])
    shown = capsys.readouterr().out
    assert "[red]a[/red].mp4" in shown
    assert "0.25" in shown
    assert "-" in shown


def test_one_line_a_clip_and_one_a_frame(capsys):
    rows = [
        {"clip": "a", "path": "a.mp4", "modality": m, "frame": f, "time_s": t}
        | {"emotion": "sad", "second": "calm", "confidence": 0.6, "sad": 0.6, "calm": 0.4}
        for m, f, t in [("audio", None, None), ("fused", None, None), ("video", 20, 0.667)]
    ]
    terminal.show_predictions(pd.DataFrame(rows).astype({"frame": "Int64"}))
    whole, timeline = capsys.readouterr().out.split("Timeline")
    assert whole.count("sad 60%, then calm 40%") == 2
    assert "0.67" in timeline
    assert "sad 60%, then calm 40%" in timeline


def test_scores_by_data_set_fit_80_columns_and_mark_intervals_over_clips(capsys, monkeypatch):
    row = {"model": "m", "protocol": "corpora", "classes": 7, "ece": 0.2534, "n": 6126}
    row |= {f"uar{end}": rate for end, rate in (("", 0.1234), ("_low", 0.1), ("_high", 0.2))}
    row |= {f"uar{end}4": float("nan") for end in ("", "_low", "_high")}
    sets = {"all": "actors", "ravdess": "actors", "tess": "clips"}
    rows = [row | {"data_set": name, "interval_over": over} for name, over in sets.items()]
    terminal.show_scores(pd.DataFrame(rows))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 80
    marked = [line.split()[0] for line in lines if " * " in f"{line} " and "12.3" in line]
    assert marked == ["tess"]
    assert all("12.3 (10.0 to 20.0)" in line for line in lines if line.split()[:1] == ["ravdess"])


def test_notes_and_sets_are_shown_where_there_are_any(capsys):
    row = {"path": "a.mp4", "modality": "fused", "emotion": "sad", "second": "calm"}
    row |= {"confidence": 0.6, "sad": 0.6, "calm": 0.4}
    plain = pd.DataFrame([row | {"clip": clip, "note": ""} for clip in "ab"])
    terminal.show_predictions(plain)
    assert "note" not in capsys.readouterr().out
    terminal.show_predictions(plain.assign(note=["", "no speech heard"], set="sad|calm"))
    said = capsys.readouterr().out
    assert said.count("no speech heard") == 1 and said.count("sad|calm") == 2
