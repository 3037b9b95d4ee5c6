"""Short voices in files: the least that an extraction can be made of."""

import pytest

from multimodal_ser.datasets import ravdess, synthetic


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """One synthetic utterance for each of four actors, called 0 to 3, and each emotion."""
    folder = tmp_path_factory.mktemp("tones")
    how = {"actors": 4, "rate_hz": 16000, "video": False, "workers": 1, "progress": False}
    synthetic.make_corpus(folder, **how)
    clips = ravdess.index(folder)
    return clips.assign(actor=[str(int(actor) - 1) for actor in clips["actor"]])
