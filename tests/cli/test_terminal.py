import pandas as pd

from multimodal_ser.cli import terminal
from multimodal_ser.tables import EMOTIONS


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


def test_scores_fit_80_columns_with_their_intervals_whole(capsys, monkeypatch):
    monkeypatch.setattr(terminal, "_width", lambda: 80)
    row = {"modality": "fused", "protocol": "actors (leaky)", "top2": 0.9, "ece": 0.1, "n": 144}
    row |= {f"{name}{end}": 0.5125 for name in ("uar", "war") for end in ("", "_low", "_high")}
    name = "functionals:vote+random_convolutions:vote + fer_resnet+action_units:vote"
    rows = [row | {"model": f"{name}{at}", "p_best": 0.0123, "seconds": 5.0} for at in range(2)]
    terminal.show_scores(pd.DataFrame(rows))
    said = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in said.splitlines()) <= 80
    assert said.count("51.2 (51.2-51.2)") == 4 and "actors (leaky)" in said
    assert "UAR:" in said and "ECE:" in said


def test_how_good_a_model_is_fits_80_columns_for_eight_labels(capsys, monkeypatch):
    monkeypatch.setattr(terminal, "_width", lambda: 80)
    counts = [[at * 8 + to for to in range(8)] for at in range(8)]
    row = {"answer": "fused", "ece": 0.1, "n": 2016, "labels": list(EMOTIONS), "confusion": counts}
    row |= {f"{name}{end}": 0.4 for name in ("uar", "war") for end in ("", "_low", "_high")}
    by_actor = {"x/01": 0.25, "x/02": 0.75, "x/03": 0.5}
    terminal.show_held_out([row | {"by_actor": by_actor}])
    said = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in said.splitlines()) <= 80
    assert "40.0 (40.0 to 40.0)" in said and "12.5 %" in said
    assert "25.0 % (x/01) to 75.0 % (x/02), median 50.0 %" in said
    last = next(line for line in said.splitlines() if line.strip().startswith("surprised"))
    assert last.split()[1:] == [str(56 + to) for to in range(8)]


def test_notes_and_sets_are_shown_where_there_are_any(capsys):
    row = {"path": "a.mp4", "modality": "fused", "emotion": "sad", "second": "calm"}
    row |= {"confidence": 0.6, "sad": 0.6, "calm": 0.4}
    plain = pd.DataFrame([row | {"clip": clip, "note": ""} for clip in "ab"])
    terminal.show_predictions(plain)
    assert "note" not in capsys.readouterr().out
    terminal.show_predictions(plain.assign(note=["", "no speech heard"], set="sad|calm"))
    said = capsys.readouterr().out
    assert said.count("no speech heard") == 1 and said.count("sad|calm") == 2


def test_costs_count_a_learner_of_two_models_once(capsys):
    costs = [{"fold": f"f{k}", "learner": "svc", "seconds": 1.5 + k} for k in range(3)]
    terminal.show_costs([*costs, *costs])
    shown = capsys.readouterr().out
    assert shown.split("svc")[1].split() == ["3", "7.5", "1.5", "3.5"]
    terminal.show_costs([{"learner": "svc", "seconds": 0.25}])
    assert capsys.readouterr().out.split("svc")[1].split() == ["0.2"]
    terminal.show_costs([])
    assert capsys.readouterr().out == ""
