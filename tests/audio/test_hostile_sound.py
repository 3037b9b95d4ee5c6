"""Sound whose header, checksum or samples are wrong: each costs its clip, and little memory."""

import contextlib
import io
import struct

import numpy as np
import pytest
import soundfile

from multimodal_ser.audio import features as feature_sets
from multimodal_ser.audio import signal
from multimodal_ser.audio.extract import clip_features
from multimodal_ser.errors import MediaError, SerError

RATE_HZ = 22050
GIGABYTES = 3 * 2**30


def noise(seconds=2.0):
    return (np.random.default_rng(0).normal(size=round(seconds * RATE_HZ)) / 9).astype(np.float32)


def coded(sound, kind, **options):
    content = io.BytesIO()
    soundfile.write(content, sound, RATE_HZ, format=kind, **options)
    return bytearray(content.getvalue())


@pytest.mark.parametrize(("subtype", "channels"), [("PCM_16", 1), ("PCM_24", 2), ("PCM_S8", 2)])
def test_a_whole_flac_reads_as_libsndfile_gives_it(tmp_path, subtype, channels):
    sound = np.stack([noise()] * channels, axis=1) * np.linspace(0.5, 1, channels)
    (tmp_path / "a.flac").write_bytes(coded(sound, "FLAC", subtype=subtype))
    expected = soundfile.read(tmp_path / "a.flac", dtype="float32", always_2d=True)[0]
    got = signal.read(tmp_path / "a.flac", rate_hz=RATE_HZ)
    np.testing.assert_array_equal(got, expected.mean(axis=1))


def test_a_flac_whose_checksum_is_of_other_sound_is_refused(tmp_path):
    """Each frame of it is whole: only the MD5 of all of them knows."""
    content, other = coded(noise(), "FLAC"), coded(-noise(), "FLAC")
    content[26:42] = other[26:42]
    (tmp_path / "a.flac").write_bytes(content)
    with pytest.raises(MediaError):
        signal.read(tmp_path / "a.flac")
    with pytest.raises(MediaError):
        list(signal.stream(tmp_path / "a.flac"))


def test_a_flac_without_a_checksum_is_read(tmp_path):
    content = coded(noise(), "FLAC")
    content[26:42] = bytes(16)
    (tmp_path / "a.flac").write_bytes(content)
    assert len(signal.read(tmp_path / "a.flac", rate_hz=RATE_HZ)) == 2 * RATE_HZ


def test_no_flipped_byte_of_a_flac_changes_its_sound(tmp_path):
    """Either it is refused, or what was flipped is no sound."""
    sound = np.round(noise(0.3) * 2**15) / 2**15
    content, rng = coded(sound, "FLAC"), np.random.default_rng(1)
    path, refused = tmp_path / "a.flac", 0
    for place in rng.integers(4, len(content), 150):
        damaged = content[:]
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            got = signal.read(path, rate_hz=RATE_HZ)
        except MediaError:
            refused += 1
        else:
            in_header = place < 90  # such as the rate, which no checksum covers
            assert in_header or np.array_equal(got, sound.astype(np.float32))
    assert refused > 100


def test_half_an_mp3_is_not_filled_up_with_sound_of_before(tmp_path):
    """SoundFile.blocks goes on for as long as the header says, and repeats its last block."""
    content = coded(noise(8), "MP3")
    (tmp_path / "a.mp3").write_bytes(content[: len(content) // 2])
    with pytest.raises(MediaError):
        signal.read(tmp_path / "a.mp3")


def test_an_mp3_that_claims_days_is_refused(tmp_path):
    content = coded(noise(8), "MP3")
    at = max(content.find(b"Xing"), content.find(b"Info")) + 8
    content[at : at + 4] = (2**28).to_bytes(4, "big")
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(MediaError):
        list(signal.stream(tmp_path / "a.mp3"))


@pytest.mark.parametrize("claimed", [0x70000000, 0x7FFF0000, 0xFFFFFFF0, 0xFFFFFFFF])
def test_a_wav_that_claims_gigabytes_takes_what_it_holds(tmp_path, monkeypatch, claimed):
    content = coded(noise(), "WAV")
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", claimed)
    (tmp_path / "a.wav").write_bytes(content)
    try:
        assert len(signal.read(tmp_path / "a.wav", rate_hz=RATE_HZ)) == 2 * RATE_HZ
    except MediaError:
        assert claimed == 0x70000000  # what programs write into a pipe states the largest size


def test_spans_of_a_file_of_gigabytes_are_bounded(tmp_path):
    """The file is sparse: it holds nothing, and takes no space."""
    head = coded(noise(0.1), "WAV")[:44]
    head[40:44] = struct.pack("<I", GIGABYTES)
    with open(tmp_path / "a.wav", "wb") as file:
        file.write(head)
        file.truncate(GIGABYTES + 44)
    assert [len(piece) for piece, _ in signal.read_spans(tmp_path / "a.wav", [(0, 1)])] == [RATE_HZ]
    for span in ((0, 1e5), (0, float("nan")), (5, float("inf"))):
        with pytest.raises(MediaError):
            list(signal.read_spans(tmp_path / "a.wav", [span]))


@pytest.mark.parametrize("name", feature_sets.NAMES)
def test_a_clip_of_a_few_samples_has_finite_features_or_none(tmp_path, name):
    for n_samples, rate_hz in ((1, 22050), (1, 48000), (2, 16000), (7, 8000)):
        sound = np.full(n_samples, 0.5, np.float32)
        soundfile.write(tmp_path / "a.wav", sound, rate_hz, subtype="FLOAT")
        with contextlib.suppress(SerError):
            assert np.isfinite(clip_features(str(tmp_path / "a.wav"), name)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("name", feature_sets.NAMES)
def test_a_sample_that_is_no_number_costs_the_clip(tmp_path, name, value):
    sound = noise(1)
    sound[100:103] = value
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ, subtype="FLOAT")
    with pytest.raises(SerError):
        clip_features(str(tmp_path / "a.wav"), name)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_where_somebody_speaks_is_found_beside_samples_that_are_no_numbers(tmp_path, value):
    sound = noise(3)
    sound[100:103] = value
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ, subtype="FLOAT")
    blocks = np.concatenate(list(signal.stream(tmp_path / "a.wav")))
    assert np.isfinite(blocks).all() and len(blocks) == 3 * 16000
