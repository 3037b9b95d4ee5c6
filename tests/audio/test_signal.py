import struct
import warnings

import librosa
import numpy as np
import pytest
import soundfile

from multimodal_ser.audio import signal
from multimodal_ser.audio.signal import (
    NoSound,
    check_signal,
    duration_seconds,
    fixed_length,
    read,
)
from multimodal_ser.errors import MediaError, SerError


def sine(rate_hz, seconds=0.5, hz=440.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype("f4")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Return a function that writes a film or sound through FFmpeg's libraries."""
    import av

    folder = tmp_path_factory.mktemp("films")

    def write(name, codec="aac", picture=True, sound=True, seconds=1.0):
        path = folder / name
        with av.open(str(path), "w") as out:
            if picture:
                stream = out.add_stream("h264", rate=25, options={"preset": "ultrafast"})
                stream.width = stream.height = 64
                stream.pix_fmt = "yuv420p"
            voice = out.add_stream(codec, rate=48000, layout="mono") if sound else None
            for _ in range(25) if picture else ():
                picture_of = np.zeros((64, 64, 3), np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture_of, format="rgb24")))
            if picture:
                out.mux(stream.encode(None))
            if sound:
                frame = av.AudioFrame.from_ndarray(sine(48000, seconds)[None], "fltp", "mono")
                frame.rate = 48000
                out.mux(voice.encode(frame))
                out.mux(voice.encode(None))
        return path

    return write


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 24000, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_agrees_with_librosa_at_every_rate(tmp_path, rate_hz, channels):
    path = tmp_path / "a.wav"
    signal = np.stack([sine(rate_hz), sine(rate_hz, hz=700)][:channels], axis=1)
    soundfile.write(path, signal, rate_hz)
    expected, _ = librosa.load(path, sr=22050)
    got = read(path)
    assert got.dtype == np.float32
    assert abs(len(got) - len(expected)) <= 1
    n = min(len(got), len(expected))
    np.testing.assert_allclose(got[:n], expected[:n], atol=1e-5)


def test_long_sound_is_resampled_in_pieces_without_a_seam(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, sine(48000, seconds=25), 48000)
    got, expected = read(path), librosa.load(path, sr=22050)[0]
    np.testing.assert_allclose(got[: len(expected)], expected[: len(got)], atol=1e-5)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_every_sound_ending_keeps_the_tone(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, sine(48000, seconds=1), 48000)
    spectrum = np.abs(np.fft.rfft(read(path)[:22050]))
    assert abs(int(spectrum.argmax()) - 440) <= 1


@pytest.mark.parametrize("name", ["a.mp4", "a.m4a", "a.avi"])
def test_the_sound_of_films_keeps_tone_and_length(film, name):
    codec = "mp3" if name.endswith("avi") else "aac"
    path = film(name, codec=codec, picture=not name.endswith("m4a"))
    got = read(path)
    assert abs(len(got) / 22050 - 1) < 0.08
    spectrum = np.abs(np.fft.rfft(got, 22050))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_a_silent_film_is_not_an_error_but_no_sound(film):
    with pytest.raises(NoSound) as error:
        read(film("silent.mp4", sound=False))
    assert "silent.mp4" in str(error.value)


def test_durations(tmp_path, film):
    soundfile.write(tmp_path / "a.wav", sine(16000, 1.5), 16000)
    assert duration_seconds(tmp_path / "a.wav") == 1.5
    assert abs(duration_seconds(film("b.mp4")) - 1) < 0.1


def damaged(tmp_path, kind):
    path = tmp_path / "bad.wav"
    if kind == "text":
        path.write_text("these are not samples")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "header":
        soundfile.write(path, sine(16000), 16000)
        path.write_bytes(path.read_bytes()[:30])
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0), 16000)
    elif kind == "nan":
        soundfile.write(path, np.full(4000, np.nan, "f4"), 16000, subtype="FLOAT")
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    "kind", ["text", "empty", "header", "no samples", "nan", "folder", "missing"]
)
def test_bad_files_are_named_in_one_line(tmp_path, kind):
    with pytest.raises(MediaError) as caught:
        read(damaged(tmp_path, kind))
    assert "\n" not in str(caught.value)
    assert caught.value.path.endswith("bad.wav") and caught.value.remedy


def test_a_truncated_film_is_an_error_in_one_line(film, tmp_path):
    whole = film("whole.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError):
        read(path)


@pytest.mark.real_data
def test_original_files_with_an_odd_chunk_and_two_channels(shared_data):
    for path in sorted((shared_data / "ravdess" / "original_wav").glob("*.wav")):
        expected, _ = librosa.load(path, sr=22050)
        with warnings.catch_warnings():  # of ours alone: what librosa imports warns too
            warnings.simplefilter("error")
            got = read(path)
        np.testing.assert_allclose(got[: len(expected)], expected[: len(got)], atol=1e-5)


@pytest.mark.real_data
def test_the_films_sound_is_the_wavs(shared_data):
    film = shared_data / "ravdess" / "video" / "Actor_05" / "01-01-01-01-02-01-05.mp4"
    wav = shared_data / "ravdess" / "original_wav" / "03-01-01-01-02-01-05.wav"
    a, b = read(film), read(wav)
    n = min(len(a), len(b))
    best = np.abs(np.correlate(a[:n], b[:n], "full")).max()
    assert best / np.sqrt((a[:n] ** 2).sum() * (b[:n] ** 2).sum()) > 0.95


def wav_bytes(n_samples, rate_hz=48000, stated=None):
    """Return a mono 16-bit wav file whose data chunk states a size of one's choice."""
    data = (np.sin(np.arange(n_samples) / 20) * 9000).astype("<i2").tobytes()
    size = len(data) if stated is None else stated
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return b"RIFF" + struct.pack("<I", size % 2**31) + b"WAVE" + form + (
        b"data" + struct.pack("<I", size) + data
    )  # fmt: skip


def test_a_wav_that_is_cut_short_is_not_taken_for_a_short_one(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(48000)[:50_000])
    with pytest.raises(MediaError) as error:
        read(path)
    assert "0.5 s" in str(error.value) and "1.0 s" in str(error.value)
    path.write_bytes(wav_bytes(48000)[:-2000])
    assert len(read(path)) == pytest.approx(22050, rel=0.03)


@pytest.mark.parametrize("stated", [0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_written_into_a_pipe_has_no_length_and_is_read(tmp_path, stated):
    (tmp_path / "a.wav").write_bytes(wav_bytes(48000, stated=stated))
    assert len(read(tmp_path / "a.wav")) == pytest.approx(22050, abs=2)


@pytest.mark.parametrize("rate_hz", [1, 100, 2_000_000_000])
def test_a_false_rate_does_not_fill_the_memory(tmp_path, rate_hz):
    (tmp_path / "a.wav").write_bytes(wav_bytes(1000, rate_hz & 0x7FFFFFFF))
    with pytest.raises(MediaError):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("n_samples", [1, 7, 100])
def test_the_stretch_with_the_most_energy_is_kept(n_samples):
    signal = np.random.default_rng(0).standard_normal(100).astype("f4")
    energies = [(signal[at : at + n_samples] ** 2).sum() for at in range(101 - n_samples)]
    kept = fixed_length(signal, n_samples)
    assert len(kept) == n_samples
    assert (kept**2).sum() == pytest.approx(max(energies))


def test_a_shorter_signal_is_filled_with_silence():
    assert fixed_length(np.ones(3), 8).tolist() == [0, 0, 1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("bad", [[], [[1.0]], [np.nan], [np.inf], [2e6]])
def test_what_is_no_signal_is_refused(bad):
    with pytest.raises(SerError):
        check_signal(bad)


def test_an_endless_sound_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(signal, "LONGEST_SECONDS", 2)
    for seconds, name in ((2, "long.wav"), (3, "longer.wav")):
        soundfile.write(tmp_path / name, np.zeros(seconds * 8000), 8000)
    assert len(signal.read(tmp_path / "long.wav", rate_hz=8000)) == 16000
    with pytest.raises(MediaError):
        signal.read(tmp_path / "longer.wav")


def voiced(seconds=3.0, rate_hz=48000):
    """A chirp: every piece of it differs from every other."""
    times = np.arange(int(rate_hz * seconds)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * (200 * times + 150 * times**2))).astype("f4")


def test_a_stream_is_what_is_read_at_once(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, voiced(25, 44100), 44100)
    pieces = list(signal.stream(path, rate_hz=16000))
    assert len(pieces) > 2
    np.testing.assert_array_equal(np.concatenate(pieces), read(path, rate_hz=16000))


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.m4a", "a.mkv", "a.mp4"])
def test_spans_are_pieces_of_the_whole(tmp_path, name):
    """In any order; what a codec keeps of the frame before makes hardly a difference."""
    import av

    path = tmp_path / name
    if path.suffix in (".wav", ".flac", ".ogg", ".mp3"):
        soundfile.write(path, voiced(), 48000)
    else:
        with av.open(str(path), "w") as out:
            track = out.add_stream("aac", rate=48000, layout="mono")
            frame = av.AudioFrame.from_ndarray(voiced()[None], "fltp", "mono")
            frame.rate = 48000
            out.mux(track.encode(frame))
            out.mux(track.encode(None))
    whole = read(path, rate_hz=48000)
    spans = [(1.5, 2.5), (0.1, 0.7), (2.0, 2.02), (2.9, 9.0)]
    for (start_s, end_s), (piece, rate_hz) in zip(
        spans, signal.read_spans(path, spans), strict=True
    ):
        expected = whole[round(start_s * 48000) : round(end_s * 48000)]
        n = min(len(piece), len(expected))
        assert rate_hz == 48000 and abs(len(piece) - len(expected)) <= 48000 * 0.03
        # Matroska rounds times to milliseconds; libsndfile's seek is 64 samples off in
        # the last page of an Ogg file.
        shifts = range(-64, 65) if name in ("a.mkv", "a.ogg") else (0,)
        inner = expected[64 : n - 64]
        errors = [np.abs(piece[64 + s : n - 64 + s] - inner).max() for s in shifts]
        assert min(errors) < (1e-5 if name in ("a.wav", "a.flac") else 0.02)


def test_a_span_behind_the_end_is_empty_and_one_with_no_numbers_an_error(tmp_path):
    sound = voiced(1)
    soundfile.write(tmp_path / "a.wav", sound, 48000)
    pieces = [len(piece) for piece, _ in signal.read_spans(tmp_path / "a.wav", [(1, 2), (0, 1)])]
    assert pieces == [0, 48000]
    sound[100] = np.nan
    soundfile.write(tmp_path / "b.wav", sound, 48000, subtype="FLOAT")
    assert len(list(signal.read_spans(tmp_path / "b.wav", [(0.5, 1)]))) == 1
    with pytest.raises(MediaError):
        list(signal.read_spans(tmp_path / "b.wav", [(0, 0.5)]))


def test_sound_that_was_not_stored_is_silence_in_a_stream(tmp_path):
    """Recorders leave out silence; positions in the sound are to stay times."""
    import av

    path, sound = tmp_path / "a.mp4", voiced(1)
    with av.open(str(path), "w") as out:
        track = out.add_stream("aac", rate=48000, layout="mono")
        for start in (0, 3):
            frame = av.AudioFrame.from_ndarray(sound[None], "fltp", "mono")
            frame.rate, frame.pts = 48000, start * 48000
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    heard = np.concatenate(list(signal.stream(path, rate_hz=48000)))
    if len(heard) < 3 * 48000:
        pytest.skip("this FFmpeg's encoder closes gaps")
    assert len(heard) == pytest.approx(4 * 48000, abs=5000)
    assert np.abs(heard[int(1.2 * 48000) : int(2.8 * 48000)]).max() < 1e-3
