"""Short tones in files: the least that an extraction can be made of."""

import numpy as np
import pytest
import soundfile

from multimodal_ser.tables import EMOTIONS, make_clips


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """One short tone of its own for each actor and emotion."""
    folder = tmp_path_factory.mktemp("tones")
    rows, times = [], np.arange(4000) / 16000
    for actor in range(4):
        for code, emotion in enumerate(EMOTIONS):
            path = folder / f"{actor}-{code}.wav"
            hertz = 200 * 1.12 ** (4 * code + actor)
            soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * times), 16000)
            rows.append({"clip": path.stem, "audio": str(path), "emotion": emotion})
            rows[-1] |= {"dataset": "x", "actor": str(actor)}
    return make_clips(rows)
