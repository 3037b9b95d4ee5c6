"""Where recordings are cut: windows by arithmetic, utterances by what they must obey."""

import numpy as np
import pytest
import soundfile

from multimodal_ser.audio import segments, signal
from multimodal_ser.audio.segments import (
    FRAME_S,
    RATE_HZ,
    Cutter,
    SpeechFinder,
    Utterances,
    Windows,
    parse,
)
from multimodal_ser.errors import MediaError, SerError

RULES = Utterances()


def cut(probabilities, rules=RULES):
    cutter = Cutter(rules)
    return cutter.feed(probabilities) + cutter.finish()


def spoken(*stretches):
    """Return probabilities of (seconds, speaks) stretches."""
    return np.concatenate([np.full(round(s / FRAME_S), 0.9 if on else 0.05) for s, on in stretches])


@pytest.mark.parametrize(
    ("window", "duration_s", "expected"),
    [
        (Windows(3, 1), 5.0, [(0, 3), (1, 4), (2, 5)]),
        (Windows(3, 3), 7.6, [(0, 3), (3, 6), (6, 7.6)]),  # half a hop more than is covered
        (Windows(3, 3), 7.0, [(0, 3), (3, 6)]),
        (Windows(4, 2), 1.5, [(0, 1.5)]),
    ],
)
def test_windows(window, duration_s, expected):
    np.testing.assert_allclose(window.spans(duration_s), expected)


@pytest.mark.parametrize(
    "text", ["window=0", "window=3,hop=4", "window=a", "window=3,step=1", "window=nan"]
)
def test_windows_that_cannot_be_are_refused(text):
    with pytest.raises(SerError):
        parse(text)


def test_speech_between_long_pauses_is_one_utterance():
    (found,) = cut(spoken((1, False), (3, True), (1, False)))
    np.testing.assert_allclose(found, (0.95, 4.0), atol=2 * FRAME_S)


def test_a_short_pause_ends_only_what_is_long_enough():
    joined = cut(spoken((1, True), (0.35, False), (1, True), (1, False)))
    parted = cut(spoken((2.5, True), (0.35, False), (1, True), (1, False)))
    assert [len(joined), len(parted)] == [1, 2]


def test_what_is_too_long_is_cut_where_the_voice_is_least_active():
    heard = spoken((12, True), (1, False))
    heard[round(5 / FRAME_S)] = 0.5
    first, second = cut(heard)
    assert first[1] == second[0] == pytest.approx(5, abs=FRAME_S)


def test_a_click_is_no_utterance():
    assert cut(spoken((1, False), (0.1, True), (2, False))) == []


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_heard_utterances_keep_the_rules(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.exponential(1.0, 60)
    heard = spoken(*((s + 0.04, bool(at % 2)) for at, s in enumerate(lengths)))
    found = np.array(cut(heard))
    lengths_s = found[:, 1] - found[:, 0]
    assert (found[1:, 0] >= found[:-1, 1]).all()  # sorted, and none overlap
    assert (lengths_s >= RULES.least_s).all()
    assert (lengths_s <= RULES.longest_s + RULES.before_s + FRAME_S).all()
    inside = np.zeros(len(heard), bool)
    for start_s, end_s in found:
        inside[round(start_s / FRAME_S) : round(end_s / FRAME_S)] = True
    assert inside[heard > 0.5].mean() > 0.9  # little speech is left out


def test_pieces_of_any_length_give_the_same_utterances(shared_data):
    path = next((shared_data / "ravdess" / "original_wav").rglob("*.wav"))
    sound = np.tile(signal.read(path, rate_hz=RATE_HZ), 4)
    sound += np.random.default_rng(0).normal(0, 1e-4, len(sound)).astype("f4")

    def found(cuts):
        finder = SpeechFinder()
        parts = [finder.feed(part) for part in np.split(sound, cuts)]
        return [one for part in [*parts, finder.finish()] for one in part], finder.seconds

    whole = found([])
    assert len(whole[0]) == 4 and whole[1] == pytest.approx(len(sound) / RATE_HZ)
    assert found([1, 500, 513, 20_000, 90_001]) == whole


@pytest.fixture
def silence(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(12 * RATE_HZ), RATE_HZ)
    return str(tmp_path / "silence.wav")


def test_short_recordings_are_whole_by_default(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(10 * RATE_HZ), RATE_HZ)
    assert segments.plan(str(tmp_path / "a.wav"), None) == segments.Plan(10.0)


def test_a_recording_without_speech_has_windows_that_are_not_heard(silence, tmp_path):
    plan = segments.plan(silence, None)
    assert not plan.heard and plan.spans.tolist() == [[0, 4], [4, 8], [8, 12]]
    again = segments.plan(silence, "speech", tmp_path / "cache")
    np.testing.assert_array_equal(again.spans, plan.spans)


def test_segments_of_ones_own_end_with_the_recording(silence):
    plan = segments.plan(silence, ((11.0, 20.0), (2.0, 3.0), (12.0, 13.0)))
    assert plan.spans.tolist() == [[2, 3], [11, 12]]
    with pytest.raises(MediaError):
        segments.plan(silence, ((12.0, 13.0),))


def test_utterances_are_kept_and_found_again(silence, tmp_path, monkeypatch):
    first = segments.plan(silence, "speech", tmp_path / "cache")
    monkeypatch.setattr(signal, "stream", None)
    np.testing.assert_array_equal(
        segments.plan(silence, "speech", tmp_path / "cache").spans, first.spans
    )
