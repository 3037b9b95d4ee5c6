"""What each extractor keeps is what it expects to find, so that nothing is made twice."""

import pytest

from multimodal_ser.audio import extract as audio
from multimodal_ser.audio import features, segments
from multimodal_ser.compute.cache import Cache
from multimodal_ser.errors import SerError
from multimodal_ser.video import extract as video
from multimodal_ser.video import measure


def of_sound(name):
    def work(wav, mp4, folder):
        audio._Reading(wav, Cache(folder), None).features(features.load(name))

    return work


def heard(wav, mp4, folder):
    audio._Reading(wav, Cache(folder), None).speech(22050)


def spans(wav, mp4, folder):
    digest = segments.digest_of(wav)
    audio._span_values(wav, [(0.0, 1.0), (0.1, 0.2)], ["mfcc_rms"], digest, folder, None)


def utterances(wav, mp4, folder):
    segments._utterances(wav, segments.digest_of(wav), Cache(folder))


def frames(wav, mp4, folder):
    video.entry(mp4, video.FrameParams(every=20), folder)


def measured(wav, mp4, folder):
    measure.measured(mp4, "blendshapes", video.FrameParams(every=40), folder)


@pytest.mark.parametrize(
    "work",
    [*map(of_sound, features.NAMES), heard, spans, utterances, frames, measured],
    ids=[*features.NAMES, "speech", "spans", "utterances", "frames", "blendshapes"],
)
def test_a_second_call_finds_all(work, corpus, tmp_path, monkeypatch):
    wav, mp4 = str(next(corpus.rglob("*.wav"))), str(next(corpus.rglob("01*.mp4")))
    try:
        work(wav, mp4, tmp_path)
    except SerError as error:
        pytest.skip(str(error))  # openSMILE is not installed
    assert list(tmp_path.rglob("*.npz"))

    def put(*_):
        raise AssertionError("an entry was made again")

    monkeypatch.setattr(Cache, "put", put)
    work(wav, mp4, tmp_path)
