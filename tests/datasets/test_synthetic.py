"""The synthetic corpus: names, real files, and sound and faces that mean something."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from multimodal_ser.datasets import synthetic
from multimodal_ser.datasets.synthetic import Setup, clip_name, draw, make_corpus, speak
from multimodal_ser.errors import SerError
from multimodal_ser.tables import EMOTIONS

SETUP = Setup(size=(320, 240), rate_hz=16000, fps=25.0, seconds=1.2, seed=0)
QUIET = {"workers": 2, "progress": False}
SAD, ANGRY, SURPRISED, HAPPY = (
    1 + EMOTIONS.index(name) for name in ("sad", "angry", "surprised", "happy")
)


def plan(actor: int, emotion: int, take: int = 0) -> synthetic.Clip:
    return synthetic._plan(SETUP, actor, emotion, take)


def fields(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.stem.split("-"))


def decode(path: Path) -> np.ndarray:
    import av

    with av.open(str(path)) as media:
        return np.stack([frame.to_ndarray(format="gray") for frame in media.decode(video=0)])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> tuple[Path, list[Path]]:
    folder = tmp_path_factory.mktemp("corpus")
    return folder, make_corpus(folder, actors=2, takes=1, seconds=1.0, fps=25, **QUIET)


def test_import_is_light():
    code = (
        "import sys, multimodal_ser.datasets.synthetic;"
        "print([m for m in ('av', 'cv2', 'soundfile', 'joblib', 'tqdm') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_names_are_unique_and_within_the_scheme():
    names = [
        clip_name(actor, emotion, take)
        for actor in range(1, 25)
        for emotion in range(1, 9)
        for take in range(4)
    ]
    assert len(set(names)) == 24 * 8 * 4
    rows = np.array([[int(part) for part in name.split("-")] for name in names])
    channel, emotion, intensity, statement, repetition, actor = rows.T
    assert set(channel) == {1} and set(emotion) == set(range(1, 9)) and actor.max() == 24
    for column in (intensity, statement, repetition):
        assert set(column) == {1, 2}
    assert set(intensity[emotion == 1]) == {1}, "neutral has no strong intensity"
    for code in range(2, 9):
        assert np.mean(intensity[emotion == code] == 2) == 0.5


def test_files_are_arranged_as_ravdess(corpus):
    folder, files = corpus
    assert files == sorted(files) and len(files) == 2 * 8 * 2
    assert all(path.stat().st_size for path in files)
    for path in files:
        modality, actor = fields(path)[0], fields(path)[-1]
        top = "Audio_Speech_Actors_01-24" if modality == 3 else f"Video_Speech_Actor_{actor:02d}"
        suffix = {1: ".mp4", 3: ".wav"}[modality]
        assert path.parent == folder / top / f"Actor_{actor:02d}" and path.suffix == suffix
    on_disk = {path for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {*files, folder / synthetic.MANIFEST}, "nothing temporary is left"


def test_sound_and_picture_streams(corpus):
    import av
    import soundfile

    for mp4 in [path for path in corpus[1] if path.suffix == ".mp4"]:
        name, actor = mp4.stem.replace("01-", "03-", 1), mp4.parent.name
        wav = corpus[0] / "Audio_Speech_Actors_01-24" / actor / f"{name}.wav"
        info = soundfile.info(wav)
        assert (info.samplerate, info.channels, info.subtype) == (48000, 1, "PCM_16")
        with av.open(str(mp4)) as media:
            video, audio = media.streams.video[0], media.streams.audio[0]
            assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
            assert (video.width, video.height, video.pix_fmt) == (320, 240, "yuv420p")
            assert video.average_rate == 25 and audio.rate == 48000
            assert float(video.duration * video.time_base) == pytest.approx(info.duration, abs=1e-3)
            assert float(audio.duration * audio.time_base) == pytest.approx(info.duration, abs=0.05)
            frames = sum(1 for _ in media.decode(video=0))
        assert frames == round(info.duration * 25)
        assert 0.75 < info.duration < 1.25


def test_sound_of_the_mp4_is_that_of_the_wav(corpus):
    import av
    import soundfile

    wav = next(path for path in corpus[1] if path.suffix == ".wav" and fields(path)[2] == ANGRY)
    mp4 = next(path for path in corpus[1] if path.suffix == ".mp4" and fields(path)[2] == ANGRY)
    with av.open(str(mp4)) as media:
        heard = np.concatenate([f.to_ndarray().mean(axis=0) for f in media.decode(audio=0)])
    wanted = soundfile.read(wav)[0]
    size = min(len(heard), len(wanted))
    best = max(
        np.corrcoef(wanted[2048 : size - 4096], heard[2048 + lag : size - 4096 + lag])[0, 1]
        for lag in range(-1100, 1101)
    )
    assert best > 0.95


def test_same_parameters_give_the_same_files(corpus, tmp_path):
    folder, files = corpus
    again = make_corpus(tmp_path, actors=1, seconds=1.0, fps=25, workers=1, progress=False)
    for path in again:
        twin = folder / path.relative_to(tmp_path)
        assert twin in files
        if path.suffix == ".wav":
            assert path.read_bytes() == twin.read_bytes()
        elif fields(path)[2] in (1, ANGRY):
            assert np.array_equal(decode(path), decode(twin))


def test_seed_actor_and_take_change_the_sound():
    clips = [plan(1, ANGRY), plan(3, ANGRY), plan(1, ANGRY, take=1)]
    clips.append(synthetic._plan(Setup(**{**vars(SETUP), "seed": 1}), 1, ANGRY, 0))
    sounds = [speak(clip, 16000)[:8000] for clip in clips]
    for first, second in pairwise(sounds):
        assert not np.allclose(first, second)


def test_existing_files_are_kept_and_missing_ones_made(tmp_path):
    options = {"actors": 1, "seconds": 0.5, "video": False, "workers": 1, "progress": False}
    files = make_corpus(tmp_path, **options)
    before = files[0].stat().st_mtime_ns
    content = files[1].read_bytes()
    files[1].unlink()
    assert make_corpus(tmp_path, **options) == files
    assert files[0].stat().st_mtime_ns == before and files[1].read_bytes() == content
    assert len(make_corpus(tmp_path, **{**options, "actors": 2})) == 16


def test_folder_of_other_parameters_is_refused(tmp_path):
    options = {"actors": 1, "seconds": 0.5, "video": False, "workers": 1, "progress": False}
    make_corpus(tmp_path, **options)
    with pytest.raises(SerError):
        make_corpus(tmp_path, **{**options, "seed": 1})


def test_folder_of_recordings_is_refused(tmp_path):
    (tmp_path / "Audio_Speech_Actors_01-24").mkdir()
    with pytest.raises(SerError):
        make_corpus(tmp_path, actors=1, video=False, **QUIET)
    assert not (tmp_path / synthetic.MANIFEST).exists()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"actors": 25}, "1 to 24"),
        ({"takes": 0}, "1 to 4"),
        ({"size": (321, 240)}, "321"),
        ({"rate_hz": 8000}, "16000"),
        ({"fps": 1}, "5"),
        ({"seconds": 0.1}, "0.5"),
        ({"seed": -1}, "-1"),
    ],
)
def test_wrong_parameters_are_told_before_anything_is_written(tmp_path, wrong, told):
    with pytest.raises(SerError) as error:
        make_corpus(tmp_path / "new", **wrong, **QUIET)
    assert told in str(error.value)
    assert not (tmp_path / "new").exists()


def test_file_that_cannot_be_made_is_an_error(tmp_path):
    options = {"actors": 1, "seconds": 0.5, "video": False, "workers": 1, "progress": False}
    files = make_corpus(tmp_path, **options)
    for path in files:
        path.unlink()
    files[0].parent.rmdir()
    files[0].parent.write_text("a file where a folder must be")
    with pytest.raises(SerError) as error:
        make_corpus(tmp_path, **options)
    assert "8 of 8" in str(error.value) and "03-01-01" in str(error.value)


def test_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SerError):
        make_corpus(tmp_path / "file", actors=1, video=False, **QUIET)


def median_f0(sound: np.ndarray, rate_hz: int) -> float:
    """Measure f0 in Hz by the highest autocorrelation from 70 to 500 Hz, loud frames only."""
    size, hop = rate_hz // 20, rate_hz // 50
    frames = np.stack([sound[i : i + size] for i in range(0, len(sound) - size, hop)])
    energy = (frames**2).sum(axis=1)
    frames = frames[energy > 0.3 * energy.max()]
    power = np.abs(np.fft.rfft(frames, 2 * size, axis=1)) ** 2
    shared = np.fft.irfft(power, axis=1)[:, :size] / (size - 0.5 * np.arange(size))
    shortest, longest = rate_hz // 500, rate_hz // 70
    lags = shortest + shared[:, shortest:longest].argmax(axis=1)
    return float(np.median(rate_hz / lags))


@pytest.mark.parametrize("emotion", [1, 4, 5, 8])
def test_men_speak_lower_than_women(emotion):
    f0 = {actor: median_f0(speak(plan(actor, emotion), 16000), 16000) for actor in range(1, 7)}
    assert max(f0[1], f0[3], f0[5]) < min(f0[2], f0[4], f0[6])


def test_measured_f0_is_the_planned_one():
    clip = plan(1, 1)
    wanted = clip.actor.f0_hz * clip.voice.pitch
    assert median_f0(speak(clip, 16000), 16000) == pytest.approx(wanted, rel=0.2)


@pytest.mark.parametrize("actor", range(1, 7))
def test_anger_is_louder_than_sadness_and_nothing_clips(actor):
    angry, sad = (speak(plan(actor, emotion), 16000) for emotion in (ANGRY, SAD))
    ratio_db = 10 * np.log10(np.mean(angry**2) / np.mean(sad**2))
    assert 4 < ratio_db < 35
    assert np.abs(angry).max() < 0.99


def band_statistics(sound: np.ndarray) -> np.ndarray:
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320) * np.hanning(320)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    edges = np.unique(np.geomspace(2, 160, 16).astype(int))
    bands = np.log(np.add.reduceat(power, edges, axis=1) + 1e-6)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0)])


def test_voices_of_unseen_actors_are_recognised_above_chance_but_not_perfectly():
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    clips = [plan(actor, emotion) for actor in range(1, 7) for emotion in range(1, 9)]
    values = [band_statistics(speak(clip, 16000)) for clip in clips]
    actors, labels = [clip.key[1] for clip in clips], np.array([clip.key[2] for clip in clips])
    model = make_pipeline(StandardScaler(), SVC(C=10))
    found = cross_val_predict(model, values, labels, groups=actors, cv=LeaveOneGroupOut())
    assert 0.3 < np.mean(found == labels) < 0.97


def haar_finds(pictures: list[np.ndarray]) -> list[bool]:
    import cv2

    model = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
    cascade = cv2.CascadeClassifier(str(model))
    return [len(cascade.detectMultiScale(p, 1.1, 5, minSize=(60, 60))) > 0 for p in pictures]


def test_faces_in_the_files_are_found_by_haar(corpus):
    files = [path for path in corpus[1] if path.suffix == ".mp4"]
    found = [found for path in files for found in haar_finds(list(decode(path)[::6]))]
    assert np.mean(found) >= 0.9


def test_faces_of_other_actors_are_found_by_haar():
    import cv2

    pictures = []
    for actor in range(3, 25):
        emotion = 1 + actor % len(EMOTIONS)
        frames = list(draw(plan(actor, emotion), SETUP.size, fps=5))[:6]
        pictures += [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames[::2]]
    assert np.mean(haar_finds(pictures)) >= 0.9


def mouth(clip: synthetic.Clip, monkeypatch) -> np.ndarray:
    """Return the mean picture of a clip's mouth, with the head held still."""
    import cv2

    def still(clip, times, size, rng):
        matrix = cv2.getRotationMatrix2D((size[1] / 2, size[1] / 2), 0, 1)
        return [matrix] * len(times)

    monkeypatch.setattr(synthetic, "_poses", still)
    frames = np.stack(list(draw(clip, (240, 240), SETUP.fps)))
    return frames[len(frames) // 3 :, 140:185, 90:150].mean(axis=0)


@pytest.mark.parametrize("actor", [1, 2, 3, 4])
def test_mouths_differ_more_between_emotions_than_between_takes(actor, monkeypatch):
    happy, again = (mouth(plan(actor, HAPPY, take), monkeypatch) for take in (0, 2))
    sad, surprised = (mouth(plan(actor, emotion), monkeypatch) for emotion in (SAD, SURPRISED))
    within = np.abs(happy - again).mean()
    assert min(np.abs(happy - other).mean() for other in (sad, surprised)) > 1.3 * within


def test_mouth_opens_with_the_syllables():
    clip = plan(2, 1)
    faces = synthetic._expressions(clip, np.arange(clip.frames) / 25, np.random.default_rng(0))
    loudness = np.array(
        [np.sqrt(np.mean(part**2)) for part in np.split(speak(clip, 16000), clip.frames)]
    )
    assert np.corrcoef([face.jaw for face in faces], loudness)[0, 1] > 0.5


def test_pictures_have_the_size_asked_for():
    for size in ((96, 128), (160, 96)):
        picture = next(iter(draw(plan(1, 1), size, fps=25)))
        assert picture.shape == (size[1], size[0], 3) and picture.dtype == np.uint8
