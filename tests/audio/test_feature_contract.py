"""What every feature set must do with any sound, and with what is none."""

import importlib.util

import numpy as np
import pytest
import soundfile

from multimodal_ser.audio import features
from multimodal_ser.audio.extract import clip_features
from multimodal_ser.errors import MediaError, SerError

PLAIN = tuple(name for name in features.NAMES if name not in features.OPENSMILE)
NEEDS_OPENSMILE = pytest.mark.skipif(
    importlib.util.find_spec("opensmile") is None, reason="the extra opensmile is not installed"
)
SETS = [
    pytest.param(name, marks=NEEDS_OPENSMILE if name in features.OPENSMILE else ())
    for name in features.NAMES
]
#: Pictures show levels relative to the clip's own, so that a gain changes nothing.
PICTURES = tuple(name for name in PLAIN if name.endswith(("image", "image224")))


def sound(kind, n_samples):
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(n_samples)
    return {
        "silence": np.zeros(n_samples),
        "offset": np.full(n_samples, 0.5),
        "clipped": np.sign(np.sin(np.arange(n_samples))),
        "noise": 0.1 * noise,
        "tiny": 1e-20 * noise,
        "subnormal": 1e-40 * noise,
        "huge": 1e5 * noise,
        "click": np.eye(1, n_samples, n_samples // 2)[0],
    }[kind].astype("f4")


def check(values, name):
    assert values.shape == features.shape(name)
    assert values.dtype == (np.uint8 if name in PICTURES else np.float32)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "kind", ["silence", "offset", "clipped", "noise", "tiny", "subnormal", "huge", "click"]
)
def test_any_sound_gives_finite_values_of_one_shape(name, kind, recwarn):
    module = features.load(name)
    lengths = (1, module.RATE_HZ // 100, 4000, module.RATE_HZ)
    for n_samples in lengths:
        check(module.extract(sound(kind, n_samples)), name)
    assert not [w for w in recwarn.list if "opensmile" not in str(w.filename)]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(np.zeros(0, "f4"), id="empty"),
        pytest.param(np.zeros((2, 4000), "f4"), id="stereo"),
        pytest.param(np.array([0, np.nan, 1], "f4"), id="nan"),
        pytest.param(np.array([0, np.inf, 1], "f4"), id="infinite"),
        pytest.param(np.full(4000, 1e20, "f4"), id="no sound"),
    ],
)
def test_what_is_no_sound_is_a_clear_error(name, bad):
    with pytest.raises(SerError):
        features.load(name).extract(bad)


@pytest.mark.parametrize("name", SETS)
def test_names_tell_values_or_axes(name):
    module, shape = features.load(name), features.shape(name)
    assert len(module.names()) == (shape[0] if len(shape) == 1 else len(shape))
    assert len(set(module.names())) == len(module.names())


@pytest.mark.parametrize("name", SETS)
def test_the_same_signal_gives_the_same_bits(name):
    extract = features.load(name).extract
    signal = sound("noise", 9000)
    kept = signal.copy()
    first = extract(signal)
    extract(sound("click", 5000))  # nothing of one clip is left for the next
    np.testing.assert_array_equal(extract(signal), first)
    np.testing.assert_array_equal(signal, kept)


@pytest.mark.parametrize("name", [n for n in PLAIN if features.load(n).RATE_HZ == 22050])
def test_shared_spectra_give_the_same_bits(name):
    from multimodal_ser.audio.spectra import Spectra

    signal = sound("noise", 9000)
    shared = Spectra(signal)
    features.load("functionals").extract(shared)
    np.testing.assert_array_equal(
        features.load(name).extract(shared), features.load(name).extract(signal)
    )


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("rate_hz", [8000, 96000])
def test_files_of_any_rate_and_channels(name, rate_hz, tmp_path):
    path = tmp_path / "a.wav"
    stereo = np.stack([sound("noise", rate_hz // 4), sound("click", rate_hz // 4)], axis=1)
    soundfile.write(path, stereo, rate_hz)
    check(clip_features(str(path), name), name)


@pytest.mark.parametrize("content", [np.full(900, np.nan), []])
def test_files_that_hold_no_sound_are_named(content, tmp_path):
    path = tmp_path / "bad.wav"
    soundfile.write(path, np.asarray(content, "f4"), 16000, subtype="FLOAT")
    for name in PLAIN:
        with pytest.raises(MediaError) as error:
            clip_features(str(path), name)
        assert error.value.path == str(path)


@pytest.mark.parametrize("name", features.OPENSMILE)
def test_without_the_package_the_error_says_how_to_get_it(name, monkeypatch):
    from multimodal_ser.audio import opensmile_sets

    monkeypatch.setitem(__import__("sys").modules, "opensmile", None)
    opensmile_sets.extractor.cache_clear()
    with pytest.raises(SerError) as error:
        features.load(name).names()
    assert "multimodal-ser[opensmile]" in str(error.value)


@NEEDS_OPENSMILE
def test_the_licence_is_said_once(caplog):
    from multimodal_ser.audio import opensmile_sets

    opensmile_sets.extractor.cache_clear()
    for _ in range(2):
        features.load("egemaps").names()
    assert [record.getMessage() for record in caplog.records] == [
        "eGeMAPSv02: openSMILE's features are for research only, not for commercial products"
    ]


@NEEDS_OPENSMILE
def test_egemaps_hears_pitch():
    time = np.arange(16000) / 16000
    module = features.load("egemaps")
    for hz in (110, 220):
        voice = sum(0.2 / k * np.sin(2 * np.pi * k * hz * time) for k in range(1, 20))
        values = dict(zip(module.names(), module.extract(voice.astype("f4")), strict=True))
        semitones = 12 * np.log2(hz / 27.5)
        assert values["F0semitoneFrom27.5Hz_sma3nz_amean"] == pytest.approx(semitones, abs=0.3)
