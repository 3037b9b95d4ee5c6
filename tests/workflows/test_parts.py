"""Parts of recordings as clips to learn from: what is heard is the part alone."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError
from multimodal_ser.tables import make_clips
from multimodal_ser.workflows import training
from multimodal_ser.workflows.data import extract, prepare
from multimodal_ser.workflows.recipes import Recipe

pytestmark = pytest.mark.usefixtures("any_sound")
RATE = 16000
RECIPE = Recipe(
    audio="mfcc_chroma_mel:logistic_regression", video=None, labels="own", inner_folds=2
)


def tone(hertz, seconds):
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Four speakers' recordings of a low and a high tone, and each half as a file."""
    folder = tmp_path_factory.mktemp("parts")
    for at in range(4):
        low, high = tone(200 + 9 * at, 1), tone(800 + 9 * at, 1.5)
        soundfile.write(folder / f"{at}.wav", np.concatenate([low, high]), RATE)
        for name, sound in (("low", low), ("high", high)):
            soundfile.write(folder / f"{at}-{name}.wav", sound, RATE)
    return folder


def clips(place, cut):
    spans = {"low": (0.0, 1.0), "high": (1.0, np.nan)}
    rows = []
    for at in range(4):
        for word, span in spans.items():
            row = {"clip": f"{at}-{word}", "emotion": word, "actor": str(at)}
            path = f"{at}-{word}.wav" if cut else f"{at}.wav"
            more = {} if cut else dict(zip(("start_s", "end_s"), span, strict=True))
            rows.append(row | more | {"audio": str(place / path)})
    return make_clips(rows, None)


def inputs(table, **more):
    work = {"workers": Engine(1, in_process=True), "progress": False}
    data = extract(table, RECIPE, **work, **more)
    return data.inputs["mfcc_chroma_mel"], data.failures


@pytest.mark.parametrize("cached", [False, True])
def test_a_part_has_the_features_of_the_part_cut_out(place, tmp_path, cached):
    cache = Cache(tmp_path if cached else None)
    whole, parts = (inputs(clips(place, cut), cache=cache)[0] for cut in (True, False))
    names = clips(place, True).index
    # 16 bits of the files are all that differs.
    np.testing.assert_allclose(parts.take(names), whole.take(names), rtol=1e-3, atol=1e-2)


def test_whole_recordings_and_parts_are_learnt_together(place, tmp_path):
    both = pd.concat([clips(place, False).iloc[:4], clips(place, True).iloc[4:]])
    model, data = training.train(
        both, RECIPE, tmp_path / "m", workers=Engine(1, in_process=True), progress=False
    )
    assert model.labels == ("high", "low") and len(data.failures) == 0
    said = model.learner_tables(both.index, data.inputs)["mfcc_chroma_mel:logistic_regression"]
    assert (said.idxmax(axis=1) == both["emotion"].astype(object)).all()


def test_parts_that_are_not_there_are_failures(place):
    table = clips(place, False)
    table.loc["3-high", "start_s"] = 99.0
    table.loc[["2-low", "2-high"], "audio"] = str(place / "gone.wav")
    found, failures = inputs(table)
    assert set(failures["clip"]) == {"3-high", "2-low", "2-high"}
    assert set(table.index) - set(found.clips) == set(failures["clip"])


def test_copies_of_parts_are_refused(place):
    with pytest.raises(SerError):
        prepare(clips(place, False), Recipe(audio="svc", video=None, labels="own", copies=1))
