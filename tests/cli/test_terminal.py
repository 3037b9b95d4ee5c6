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


def test_notes_and_sets_are_shown_where_there_are_any(capsys):
    row = {"path": "a.mp4", "modality": "fused", "emotion": "sad", "second": "calm"}
    row |= {"confidence": 0.6, "sad": 0.6, "calm": 0.4}
    plain = pd.DataFrame([row | {"clip": clip, "note": ""} for clip in "ab"])
    terminal.show_predictions(plain)
    assert "note" not in capsys.readouterr().out
    terminal.show_predictions(plain.assign(note=["", "no speech heard"], set="sad|calm"))
    said = capsys.readouterr().out
    assert said.count("no speech heard") == 1 and said.count("sad|calm") == 2
