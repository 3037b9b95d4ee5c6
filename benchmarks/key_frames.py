"""What sampling only key frames does to the predictions of a model's face part.

    python benchmarks/key_frames.py --data VIDEOS --model models/ravdess

One row per video: how many frames each way samples, what the face part predicts
from them, the probability of that, and the total variation distance between
the two answers (0: the same; 1: nothing in common). The emotion is the video's
own where its name tells. Written to ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
from _environment import header

from multimodal_ser.cli import terminal
from multimodal_ser.compute.cache import Cache
from multimodal_ser.datasets import folder
from multimodal_ser.errors import SerError
from multimodal_ser.video.extract import extract
from multimodal_ser.workflows.inference import Model, load_model

RESULTS = Path(__file__).parent / "results"
WAYS = {"every 20th": {"every": 20}, "key frames": {"every": None, "keyframes_only": True}}


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of videos")
    parser.add_argument("--model", help="a model's folder or name (default: the released one)")
    parser.add_argument("--output", help="(default: benchmarks/results/key_frames_DATE.md)")
    options = parser.parse_args()
    clips = folder.index(options.data)
    table = compare(load_model(options.model), clips[clips["video"].notna()])
    same = (table["every 20th"] == table["key frames"]).mean()
    text = "\n".join(f"- {line}" for line in header(["av", "onnxruntime"], os.cpu_count() or 1))
    text = f"# Key frames against every 20th frame\n\n{text}\n\n{terminal.markdown(table)}\n"
    text += f"\nThe same emotion in {same:.0%} of {len(table)} videos; the mean distance is "
    text += f"{table['distance'].mean():.3f}.\n"
    target = Path(options.output or RESULTS / f"key_frames_{date.today()}.md")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(text)


def compare(model: Model, clips: pd.DataFrame) -> pd.DataFrame:
    """Return one row per video; see the top of this file."""
    told, counts = {}, {}
    network = next((one for one in model.learners.values() if one.kind == "frames"), None)
    if network is None:
        raise SerError(f"{model!r} has no network over frames; name another --model")
    for name, change in WAYS.items():
        store, _ = extract(
            clips, replace(network.params, **change), cache=Cache(None), progress=False
        )
        told[name] = model.probabilities(store.clips, {network.key: store})["video"]
        counts[name] = pd.Series({clip: len(store[clip].index) for clip in store.clips})
    first = told["every 20th"]
    rows = {
        "video": first.index,
        "emotion": clips.loc[first.index, "emotion"].astype(str).to_numpy(),
    }
    for name, table in told.items():
        table = table.reindex(first.index)
        rows |= {f"{name}: frames": counts[name].reindex(first.index).to_numpy()}
        rows |= {
            name: table.idxmax(axis=1).to_numpy(),
            f"{name}: %": 100 * table.max(axis=1).to_numpy(),
        }
    apart = (first - told["key frames"].reindex(first.index)).abs().sum(axis=1) / 2
    return pd.DataFrame(rows | {"distance": apart.to_numpy()})


if __name__ == "__main__":
    main()
