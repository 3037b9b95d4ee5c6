"""Tables on a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from multimodal_ser.cli.printing import say
from multimodal_ser.errors import printable
from multimodal_ser.tables import source_order, sources

#: Width for a table that is piped to a file: wide enough to fold nothing.
_PIPED_COLUMNS = 10_000
#: From so many columns on a table of scores shows what is of less importance too.
WIDE_COLUMNS = 120


def show(
    rows: pd.DataFrame | Iterable[dict], title: str | None = None, *, folded: str | None = None
) -> None:
    """Print a table, numbers to the right.

    Args:
        rows: a DataFrame, or one dictionary a row.
        title: shown above.
        folded: the one column that takes several lines where space is short; None lets all.
    """
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in frame.columns:
        right = pd.api.types.is_numeric_dtype(frame[column])
        table.add_column(
            escape(printable(column)),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=folded is not None and column != folded,
        )
    for values in frame.itertuples(index=False):
        table.add_row(*(escape(_text(value)) for value in values))
    console = Console(width=_width(), highlight=False)
    if title:  # above a table that may be narrower
        console.print(escape(printable(title)), style="italic")
    console.print(table)


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPED_COLUMNS


def _text(value) -> str:
    if pd.isna(value):
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else printable(value)


def show_scores(scores: pd.DataFrame) -> None:
    """Print a benchmark's table, rates in percent with their intervals.

    Args:
        scores: what ``benchmarking.score_table`` gives; of several data sets a table per model.
    """
    if "data_set" in scores:
        for (model, protocol), rows in scores.groupby(["model", "protocol"], sort=False):
            _show_data_sets(rows, f"{model}, {protocol}")
        return
    wide = _width() >= WIDE_COLUMNS
    shown = scores[["model", "modality"]].copy()
    for metric in ("uar", "war"):
        columns = scores[[metric, f"{metric}_low", f"{metric}_high"]]
        shown[f"{metric.upper()} % (95 %)"] = [
            _rate(*values).replace(" to ", "-") for values in columns.itertuples(index=False)
        ]
    if wide:
        shown["top-2 %"] = (100 * scores["top2"]).map("{:.1f}".format)
    shown["ECE %"] = (100 * scores["ece"]).map("{:.1f}".format)
    if "condition" in scores:
        shown["change"] = (100 * scores["uar_change"]).map("{:+.1f}".format)
        for column in ("unchanged", "confidence"):
            shown[f"{column} %"] = (100 * scores[column]).map("{:.1f}".format)
    elif "p_best" in scores:
        shown["p"] = [_text(value) for value in scores["p_best"]]
    if "set_asked" in scores:
        asked = f"{scores['set_asked'].iloc[0]:.0%}"
        shown[f"in {asked} set %"] = (100 * scores["set_coverage"]).map("{:.1f}".format)
        shown["labels in it"] = scores["set_size"].map("{:.2f}".format)
    counts = sorted(set(scores["n"].astype(int)))
    if wide or len(counts) > 1:
        shown["clips"] = scores["n"].astype(int)
    # A finished model has no seconds.
    if wide and "seconds" in scores and scores["seconds"].notna().all():
        shown["CPU s"] = scores["seconds"].map("{:.0f}".format)
    protocols = ", ".join(dict.fromkeys(scores["protocol"]))
    title = f"protocol {protocols}, {' or '.join(map(str, counts))} clips"
    show(shown, title, folded="model")
    say("95 % intervals over speakers, or over clips where these are unknown", UAR_WORDS)
    say(f"{ECE_WORDS}{'; p: against the best' if 'p' in shown else ''}")


def show_costs(costs: Iterable[Mapping]) -> None:
    """Print what learners cost, in seconds of processor time.

    Args:
        costs: mappings of ``learner``, ``seconds`` and, of a benchmark, ``fold``; what is there
            twice, because two models have it, counts once. Nothing prints nothing.
    """
    found = pd.DataFrame(list(costs)).drop_duplicates()
    if found.empty:
        return
    seconds = found.groupby("learner", sort=False)["seconds"].agg(["sum", "min", "max", "count"])
    shown = pd.DataFrame({"learner": seconds.index})
    columns = {"total s": "sum"}
    if "fold" in found:
        columns |= {"least s": "min", "most s": "max"}
        shown["folds"] = seconds["count"].to_numpy()
    for name, of in columns.items():
        shown[name] = seconds[of].map("{:.1f}".format).to_numpy()
    show(shown, "processor time of the fits" + ", per fold least and most" * ("fold" in found))


def _show_data_sets(scores: pd.DataFrame, title: str) -> None:
    """Print one model's scores by data set, narrow enough for 80 columns."""
    over_clips = scores["interval_over"] == "clips"
    shown = scores[["data_set", "classes"]].rename(columns={"data_set": "data set"})
    shown["data set"] += over_clips.map({True: " *", False: ""})
    for name, end in (("UAR %, all classes", ""), ("UAR %, 4 classes", "4")):
        rates = scores[[f"uar{end}", f"uar_low{end}", f"uar_high{end}"]]
        shown[name] = [_rate(*values) for values in rates.itertuples(index=False)]
    shown["ECE %"] = (100 * scores["ece"]).map("{:.1f}".format)
    shown["clips"] = scores["n"].astype(int)
    show(shown, title)
    say("95 % intervals over actors; 4 classes: angry, happy, neutral with calm, sad")
    if over_clips.any():
        say("* over clips, of fewer than three actors: they say nothing about other speakers")


def _rate(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return "-"
    if pd.isna(low):
        return f"{100 * value:.1f}"
    return f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


#: What a reader may not know of the metrics that are printed.
UAR_WORDS = "UAR: mean recall; WAR: share right"
ECE_WORDS = "ECE: gap between confidence and share that is right"


def show_held_out(rows: Sequence[dict]) -> None:
    """Print how good held-out answers are: rates, confusion, and the range over speakers.

    Args:
        rows: what ``combining.scored`` gives, the answer that matters most last.
    """
    show(
        {"answer": row["answer"]}
        | {
            f"{name.upper()} % (95 % interval)": _rate(
                *(row[f"{name}{end}"] for end in ("", "_low", "_high"))
            )
            for name in ("uar", "war")
        }
        | {"ECE %": f"{100 * row['ece']:.1f}", "clips": row["n"]}
        for row in rows
    )
    last = rows[-1]
    labels, actors = last["labels"], sorted(last["by_actor"].items(), key=lambda pair: pair[1])
    say(f"{UAR_WORDS}; UAR by chance {100 / len(labels):.1f} %", ECE_WORDS)
    width = max(3, 62 // len(labels) - 2)
    short = [label[:width] for label in labels]
    counts = pd.DataFrame(
        last["confusion"], columns=short if len(set(short)) == len(labels) else labels
    )
    counts.insert(0, "true \\ said", labels)
    show(counts, f"{last['answer']}: clips by true label and answer")
    if len(actors) > 1:
        (worst, low), (best, high) = actors[0], actors[-1]
        middle = actors[len(actors) // 2][1]
        say(
            f"UAR by speaker: {100 * low:.1f} % ({worst}) to {100 * high:.1f} % ({best}), "
            f"median {100 * middle:.1f} %, of {len(actors)} speakers"
        )


def show_numbers(scores: pd.DataFrame) -> None:
    """Print how well numbers are predicted.

    Args:
        scores: what ``regression.score_table`` gives.
    """
    shown = scores[["answer", "target"]].copy()
    for metric, name in (("ccc", "CCC"), ("pearson", "Pearson")):
        columns = scores[[metric, f"{metric}_low", f"{metric}_high"]].astype(float)
        shown[f"{name} (95 % interval)"] = [
            f"{value:.3f}" + (f" ({low:.3f} to {high:.3f})" if low == low else "")
            for value, low, high in columns.itertuples(index=False)
        ]
    show(shown.assign(clips=scores["n"].astype(int)))
    say("CCC: 1 for the same numbers, less where they are shifted or scaled; Pearson: along a line")
    say("95 % intervals over speakers")


def show_calibration(rows: Iterable[dict]) -> None:
    """Print what calibration and fusion did, each answer's NLL and ECE before and after.

    Args:
        rows: what ``training.fit`` says under ``calibration``.
    """
    show(
        {
            "answer": row["answer"],
            "NLL before": f"{row['nll_before']:.3f}",
            "after": f"{row['nll_after']:.3f}",
            "ECE % before": f"{100 * row['ece_before']:.1f}",
            "ECE % after": f"{100 * row['ece_after']:.1f}",
        }
        for row in rows
    )
    say(
        "NLL: mean of -log of the true label's probability, 0 at best; before and after",
        "temperatures (above 1 they make a learner less sure) and weights of the fusion",
    )


def show_predictions(predictions: pd.DataFrame) -> None:
    """Print predictions: a line a clip, then segments and the timeline where there are any.

    Args:
        predictions: what ``inference.predict`` gives.
    """
    timeline = predictions["frame"].notna() if "frame" in predictions else None
    whole = predictions if timeline is None else predictions[~timeline.astype(bool)]
    cut = whole["segment"].notna() if "segment" in whole else pd.Series(False, whole.index)
    whole, parts = whole[~cut], whole[cut]
    if whole.empty:
        return
    said = whole.assign(said=_said(whole), modality=sources(whole))
    wide = said.pivot(index="clip", columns="modality", values="said")
    wide = wide.reindex(index=whole["clip"].unique(), columns=source_order(said["modality"]))
    paths = whole.drop_duplicates("clip", keep="last").set_index("clip")["path"]
    wide.insert(0, "file", paths)
    if "set" in whole:
        wide["set"] = whole.drop_duplicates("clip", keep="last").set_index("clip")["set"]
    if "note" in whole and whole["note"].ne("").any():
        wide["note"] = whole.drop_duplicates("clip", keep="last").set_index("clip")["note"]
    show(wide.dropna(axis="columns", how="all").reset_index(drop=True), "Predictions")
    if len(parts):
        _show_segments(parts)
    if timeline is not None and timeline.any():
        frames = predictions[timeline.astype(bool)]
        frames = frames.assign(said=_said(frames), seconds=frames["time_s"].map("{:.2f}".format))
        columns = {"path": "file", "frame": "frame", "seconds": "time s", "said": "video"}
        show(frames[list(columns)].rename(columns=columns), "Timeline")


def _show_segments(rows: pd.DataFrame) -> None:
    """Print a line for every segment."""
    keys = ["path", "segment", "start_s", "end_s"]
    said = rows.assign(said=_said(rows), modality=sources(rows))
    said = said.pivot(index=keys, columns="modality", values="said")
    said = said.reindex(columns=source_order(said.columns)).dropna(axis="columns", how="all")
    said = said.sort_index(level=["path", "segment"]).reset_index()
    clocks = [f"{s // 60:.0f}:{s % 60:04.1f}" for s in said["start_s"]]
    said.insert(1, "from", clocks)
    if "person" in rows:
        fused = rows[rows["modality"] == "fused"].set_index(keys)["person"]
        said.insert(3, "speaks", fused.reindex(pd.MultiIndex.from_frame(said[keys])).to_numpy())
    said.insert(2, "seconds", (said["end_s"] - said["start_s"]).map("{:.1f}".format))
    show(said.drop(columns=keys[1:]).rename(columns={"path": "file"}), "Segments")


def _said(rows: pd.DataFrame) -> list[str]:
    return [
        f"{first} {confidence:.0%}, then {second} {row[second]:.0%}"
        for first, second, confidence, (_, row) in zip(
            rows["emotion"], rows["second"], rows["confidence"], rows.iterrows(), strict=True
        )
    ]


def markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown, numbers with one decimal.

    Args:
        table: its index is left out.

    Example:
        >>> print(markdown(pd.DataFrame([{"model": "svc", "WAR": 51.25}])))
        | model | WAR |
        |---|---|
        | svc | 51.2 |
    """
    cells = [[str(column) for column in table.columns], ["---"] * len(table.columns)]
    for values in table.itertuples(index=False):
        cells.append([f"{v:.1f}" if isinstance(v, float) else str(v) for v in values])
    rows = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([rows[0], rows[1].replace(" ", ""), *rows[2:]])
