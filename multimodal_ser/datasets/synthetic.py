"""A small RAVDESS-shaped corpus: wav and mp4 files whose sound and face depend on emotion.

No recording of a person is in it. A source-filter voice (harmonics of a
gliding f0 and breath noise through four formants) and a drawn face move by
the same syllables. Each emotion shifts pitch, tempo, loudness, spectral tilt,
brows, lids and mouth; each actor has a voice, a face and an own way to show
emotions; each take varies. So that the classes overlap: a model trained on
some actors does better than chance on the others, and makes mistakes.

The files are named as in RAVDESS, in folders named as its archives (Livingstone
& Russo 2018, https://zenodo.org/records/1188976)::

    Audio_Speech_Actors_01-24/Actor_02/03-01-05-01-01-01-02.wav
    Video_Speech_Actor_02/Actor_02/01-01-05-01-01-01-02.mp4
    synthetic.json

Results on this corpus say that a program runs, not how well it recognises
emotions of people.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from multimodal_ser.compute.parallel import map_clips
from multimodal_ser.errors import SerError
from multimodal_ser.tables import EMOTIONS

#: How many actors and takes of one emotion the names of RAVDESS have room for.
MAX_ACTORS, MAX_TAKES = 24, 4

#: The file that says with which parameters a folder was made, and by which
#: version of this module: raise it when the same parameters give other files.
MANIFEST, VERSION = "synthetic.json", 1

#: Highest harmonic of the voice in Hz, and the sample rate of sound in mp4 files.
TOP_HZ, AAC_RATE_HZ = 8000, 48000


#: The last word of a clip's seed, one for each use of random numbers. Never 0:
#: numpy pads seeds with zeros, so take 0 would repeat its actor's numbers.
PLAN, SOUND, PICTURES = 1, 2, 3


class Voice(NamedTuple):
    """How an emotion sounds.

    ``pitch`` multiplies the speaker's f0; ``range_st`` is its excursion and
    ``rise_st`` its drift over the clip in semitones; ``tempo`` is in syllables
    a second; ``level_db`` is relative to neutral; ``tilt_db`` falls per octave
    of the source; ``breath`` is noise relative to voice.
    """

    pitch: float
    range_st: float
    rise_st: float
    tempo: float
    level_db: float
    tilt_db: float
    breath: float


class Face(NamedTuple):
    """How an emotion looks, in parts of each movement's full extent.

    0 is rest; brows go up with positive values; ``corners`` is a smile above 0
    and a frown below; ``lids`` widens the eyes above 0 and narrows them below.
    """

    brow_inner: float
    brow_outer: float
    lids: float
    corners: float
    jaw: float
    width: float
    lip: float
    nose: float


VOICES = {
    "neutral": Voice(1.00, 2.0, -1.5, 4.6, 0, 11.0, 0.04),
    "calm": Voice(0.94, 1.6, -1.5, 4.0, -3, 13.0, 0.08),
    "happy": Voice(1.38, 5.0, 0.0, 5.2, 4, 9.5, 0.04),
    "sad": Voice(1.08, 1.6, -3.0, 3.6, -7, 14.0, 0.14),
    "angry": Voice(1.42, 3.5, -2.5, 5.2, 9, 6.5, 0.05),
    "fearful": Voice(1.60, 2.5, 0.5, 6.0, 2, 10.0, 0.16),
    "disgust": Voice(0.98, 4.0, -4.0, 3.7, 1, 8.5, 0.09),
    "surprised": Voice(1.52, 6.0, 5.0, 4.7, 3, 10.5, 0.06),
}
FACES = {
    "neutral": Face(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "calm": Face(0.1, 0.1, -0.3, 0.35, 0.0, 0.0, 0.0, 0.0),
    "happy": Face(0.15, 0.25, -0.35, 1.0, 0.4, 0.6, 0.1, 0.1),
    "sad": Face(0.8, -0.4, -0.45, -0.8, 0.0, -0.2, 0.0, 0.0),
    "angry": Face(-1.0, 0.2, -0.2, -0.45, 0.05, -0.3, 0.1, 0.5),
    "fearful": Face(0.9, 0.35, 0.75, -0.4, 0.4, 0.5, 0.0, 0.0),
    "disgust": Face(-0.6, -0.3, -0.6, -0.55, 0.15, 0.0, 1.0, 1.0),
    "surprised": Face(0.9, 0.9, 1.0, 0.0, 1.0, -0.5, 0.0, 0.0),
}

#: Standard deviations of one actor's way to show an emotion; a take's are half.
#: Pitch, tempo and breath vary in proportion (log), the others by addition.
VOICE_SPREAD = Voice(0.07, 0.8, 0.9, 0.06, 1.7, 1.0, 0.25)
FACE_SPREAD = Face(0.18, 0.18, 0.18, 0.18, 0.1, 0.18, 0.12, 0.12)

#: First to fourth formant in Hz of a man's vowels, for the syllables of the two
#: statements, "Kids/Dogs are talking/sitting by the door" (Peterson & Barney
#: 1952, Table II, rounded).
VOWELS = {
    "i": (390, 1990, 2550, 3500),
    "a": (730, 1090, 2440, 3400),
    "o": (570, 840, 2410, 3300),
    "e": (490, 1350, 1690, 3300),
    "u": (640, 1190, 2390, 3400),
}
STATEMENTS = {1: "iuoiaeo", 2: "oaiiaeo"}

#: A circle of radius 1, as a polygon.
CIRCLE = np.array([(np.cos(part), np.sin(part)) for part in np.arange(24) * np.pi / 12])

#: Colours as RGB.
SKINS = ((232, 194, 170), (222, 178, 148), (196, 146, 114), (164, 116, 88), (230, 188, 160))
HAIRS = ((62, 42, 30), (28, 26, 28), (150, 108, 60), (112, 58, 34), (120, 116, 112))
IRISES = ((58, 38, 24), (52, 76, 98), (60, 78, 52), (44, 30, 22))
SHIRTS = ((52, 60, 78), (70, 86, 80), (104, 62, 64), (84, 84, 92), (60, 76, 110))


@dataclass(frozen=True)
class Setup:
    """What every clip of one corpus shares; kept in :data:`MANIFEST`."""

    size: tuple[int, int]
    rate_hz: int
    fps: float
    seconds: float
    seed: int


@dataclass(frozen=True)
class Actor:
    """One speaker: voice, then face in parts of the usual, colours as RGB."""

    f0_hz: float
    formants: float
    level_db: float
    breath: float
    width: float
    height: float
    eyes: float
    scale: float
    centre: tuple[float, float]
    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    iris: tuple[int, int, int]
    shirt: tuple[int, int, int]
    long_hair: bool


@dataclass(frozen=True)
class Clip:
    """One performance, from which sound and images both follow.

    Attributes:
        key: seed, actor, emotion code and take, for the random generators.
        onsets: seconds at which syllables begin, ``(n_syllables,)``.
        syllable: seconds from one syllable to the next.
    """

    key: tuple[int, int, int, int]
    actor: Actor
    voice: Voice
    face: Face
    frames: int
    duration: float
    onsets: tuple[float, ...]
    syllable: float


def make_corpus(
    folder: str | Path,
    *,
    actors: int = 6,
    takes: int = 1,
    size: tuple[int, int] = (320, 240),
    rate_hz: int = 48000,
    fps: float = 30,
    seconds: float = 1.6,
    seed: int = 0,
    video: bool = True,
    workers: int | None = None,
    progress: bool = True,
) -> list[Path]:
    """Write ``actors`` x 8 emotions x ``takes`` clips as wav, and as mp4 with sound.

    A file appears under its name only once it is complete, and a file that
    exists is kept, so an interrupted run goes on where it stopped. The same
    parameters give the same wav bytes and the same decoded images.

    Args:
        folder: where to write; made if absent.
        actors: 1 to 24; odd numbers have a man's pitch, even a woman's.
        takes: 1 to 4 of each emotion and actor, which differ in statement and
            repetition. Half of the clips are of strong intensity, no neutral one.
        size: width and height of the images, even, at least 96 pixels.
        rate_hz: sample rate of the wav files, at least 16000.
        fps: images a second, at least 5.
        seconds: middle length of a clip, at least 0.5; slow speech lasts longer.
        seed: 0 or greater.
        video: whether to write the mp4 files; the wav files do not depend on it.
        workers: processes; None takes one per core.
        progress: whether to show a bar on standard error.

    Returns:
        The paths of all files of this corpus, sorted, kept ones too.

    Raises:
        SerError: a parameter is out of range, the folder holds recordings or a
            corpus of other parameters, or a file could not be made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = make_corpus(folder, actors=1, video=False, workers=1, progress=False)
        >>> len(files), files[0].name
        (8, '03-01-01-01-01-01-01.wav')
    """
    setup = Setup((int(size[0]), int(size[1])), int(rate_hz), float(fps), float(seconds), int(seed))
    _check(setup, actors, takes)
    _claim(folder := Path(folder), setup)
    items, files = {}, []
    for actor, emotion, take in _performances(actors, takes):
        wav, mp4 = _paths(folder, actor, emotion, take)
        files += [wav, mp4] if video else [wav]
        todo = (None if wav.exists() else wav, mp4 if video and not mp4.exists() else None)
        if any(todo):
            items[wav.stem] = (setup, actor, emotion, take, *todo)
    _run(items, workers, progress)
    return sorted(files)


def clip_name(actor: int, emotion: int, take: int) -> str:
    """Return the RAVDESS name of a take of speech, without the modality field.

    Statement and repetition follow from the take. Strong intensity alternates
    over takes, emotions and pairs of actors, as neutral has none.

    Args:
        actor: 1 to 24.
        emotion: 1 to 8, in the order of :data:`~multimodal_ser.tables.EMOTIONS`.
        take: 0 to 3.

    Example:
        >>> clip_name(actor=12, emotion=6, take=1)
        '01-06-02-02-01-12'
    """
    strong = emotion > 1 and ((actor + 1) // 2 + emotion + take) % 2 == 1
    statement, repetition = take % 2 + 1, take // 2 + 1
    return f"01-{emotion:02d}-{1 + strong:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"


def _performances(actors: int, takes: int) -> Iterator[tuple[int, int, int]]:
    return product(range(1, actors + 1), range(1, len(EMOTIONS) + 1), range(takes))


def _paths(folder: Path, actor: int, emotion: int, take: int) -> tuple[Path, Path]:
    name, own = clip_name(actor, emotion, take), f"Actor_{actor:02d}"
    wav = folder / "Audio_Speech_Actors_01-24" / own / f"03-{name}.wav"
    return wav, folder / f"Video_Speech_{own}" / own / f"01-{name}.mp4"


def _check(setup: Setup, actors: int, takes: int) -> None:
    wrong = {
        f"actors={actors}; give 1 to {MAX_ACTORS}": not 1 <= actors <= MAX_ACTORS,
        f"takes={takes}; give 1 to {MAX_TAKES}": not 1 <= takes <= MAX_TAKES,
        f"size={setup.size}; give two even numbers of at least 96": any(
            side < 96 or side % 2 for side in setup.size
        ),
        f"rate_hz={setup.rate_hz}; give at least 16000": setup.rate_hz < 16000,
        f"fps={setup.fps:g}; give at least 5": setup.fps < 5,
        f"seconds={setup.seconds:g}; give at least 0.5": setup.seconds < 0.5,
        f"seed={setup.seed}; give 0 or greater": setup.seed < 0,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise SerError(f"no corpus can be made with {message}")


def _claim(folder: Path, setup: Setup) -> None:
    """Note the parameters in the folder, or see that they are the noted ones."""
    manifest = folder / MANIFEST
    text = json.dumps({"version": VERSION, **asdict(setup)}, indent=1) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not manifest.exists():
            _refuse_recordings(folder)
            with _complete(manifest) as part:
                part.write_text(text, encoding="utf-8")
        found = manifest.read_text(encoding="utf-8")
    except OSError as error:
        raise SerError(f"{folder}: {error.strerror}; give a folder you can write to") from error
    if found != text:
        raise SerError(
            f"{folder}: holds a corpus of other parameters ({' '.join(found.split())}); "
            "give another folder, or delete this one"
        )


def _refuse_recordings(folder: Path) -> None:
    """Keep out of a copy of RAVDESS, whose files would be taken for ready ones."""
    if found := sorted(folder.glob("*_Speech_Actor*")):
        raise SerError(
            f"{folder}: holds {found[0].name}, which was not made here; give another folder"
        )


def _run(items: dict[str, tuple], workers: int | None, progress: bool) -> None:
    outcomes = map_clips(
        _make_clip, items, workers=workers, description="synthetic corpus", progress=progress
    )
    failed = [outcome for outcome in outcomes if outcome.error]
    if failed:
        raise SerError(
            f"{len(failed)} of {len(items)} clips could not be made, first {failed[0].clip}: "
            f"{failed[0].error}; run again to make the missing ones"
        )


def _make_clip(
    setup: Setup, actor: int, emotion: int, take: int, wav: Path | None, mp4: Path | None
) -> None:
    clip = _plan(setup, actor, emotion, take)
    sound = speak(clip, setup.rate_hz)
    if wav:
        _write_wav(wav, sound, setup.rate_hz)
    if mp4:
        with _one_cv2_thread():
            _write_mp4(mp4, draw(clip, setup.size, setup.fps), sound, setup)


@contextmanager
def _one_cv2_thread() -> Iterator[None]:
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def _complete(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``, and rename it once it is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _plan(setup: Setup, actor: int, emotion: int, take: int) -> Clip:
    """Decide everything about one clip that its sound and its images share."""
    key = (setup.seed, actor, emotion, take)
    own, rng = np.random.default_rng(key[:3]), np.random.default_rng((*key, PLAN))
    strong = clip_name(actor, emotion, take)[6:8] == "02"
    strength = (1.2 if strong else 0.85) * own.uniform(0.75, 1.1)
    name = EMOTIONS[emotion - 1]
    voice = _vary_voice(_blend(VOICES, name, strength), own, rng)
    shift = own.standard_normal(len(Face._fields)) + 0.5 * rng.standard_normal(len(Face._fields))
    face = Face(*(np.array(_blend(FACES, name, strength)) + np.array(FACE_SPREAD) * shift))
    length = setup.seconds * np.clip((4.6 / voice.tempo) ** 0.5 * rng.uniform(0.95, 1.05), 0.8, 1.2)
    frames = round(length * setup.fps)
    duration, syllable = frames / setup.fps, 1 / voice.tempo
    start = rng.uniform(0.06, 0.12) * duration
    count = max(1, int((0.92 * duration - start) / syllable))
    onsets = start + syllable * (np.arange(count) + rng.uniform(-0.1, 0.1, count))
    speaker = _make_actor(setup.seed, actor)
    return Clip(key, speaker, voice, face, frames, duration, tuple(onsets.tolist()), syllable)


def _blend(table: dict, emotion: str, strength: float) -> tuple:
    """Go from neutral towards an emotion, in parts of the whole way."""
    rest, full = np.array(table["neutral"]), np.array(table[emotion])
    return tuple((rest + strength * (full - rest)).tolist())


def _vary_voice(voice: tuple, own: np.random.Generator, rng: np.random.Generator) -> Voice:
    shift = own.standard_normal(len(Voice._fields)) + 0.5 * rng.standard_normal(len(Voice._fields))
    moved, spread = Voice(*voice), Voice(*(np.array(VOICE_SPREAD) * shift))
    return Voice(
        pitch=moved.pitch * np.exp(spread.pitch),
        range_st=max(moved.range_st + spread.range_st, 0.5),
        rise_st=moved.rise_st + spread.rise_st,
        tempo=moved.tempo * np.exp(spread.tempo),
        level_db=moved.level_db + spread.level_db,
        tilt_db=max(moved.tilt_db + spread.tilt_db, 4.0),
        breath=max(moved.breath, 0.01) * np.exp(spread.breath),
    )


def _make_actor(seed: int, number: int) -> Actor:
    rng, man = np.random.default_rng((seed, number)), number % 2 == 1
    return Actor(
        f0_hz=(110 if man else 200) * rng.uniform(0.9, 1.1),
        formants=(1.0 if man else 1.16) * rng.uniform(0.95, 1.05),
        level_db=rng.uniform(-3, 3),
        breath=rng.uniform(0.7, 1.4),
        width=(1.04 if man else 0.96) * rng.uniform(0.94, 1.06),
        height=rng.uniform(0.96, 1.05),
        eyes=rng.uniform(0.92, 1.08),
        scale=rng.uniform(1.02, 1.18),
        centre=(rng.uniform(-0.12, 0.12), rng.uniform(-0.02, 0.03)),
        skin=SKINS[(number - 1 + seed) % len(SKINS)],
        hair=HAIRS[rng.integers(len(HAIRS))],
        iris=IRISES[rng.integers(len(IRISES))],
        shirt=SHIRTS[rng.integers(len(SHIRTS))],
        long_hair=not man,
    )


def _syllables(clip: Clip, times: np.ndarray) -> np.ndarray:
    """Return how far the mouth is open for speech, 0 to 1, at times in seconds."""
    phase = (times[:, None] - np.array(clip.onsets)) / (0.92 * clip.syllable)
    bumps = np.where((phase > 0) & (phase < 1), np.sin(np.pi * np.clip(phase, 0, 1) ** 0.8), 0)
    return bumps.max(axis=1)


# Sound ------------------------------------------------------------------------------------


def speak(clip: Clip, rate_hz: int) -> np.ndarray:
    """Return the sound of a clip.

    Returns:
        float64 ``(n_samples,)``, within -1 to 1, as long as the images.
    """
    rng = np.random.default_rng((*clip.key, SOUND))
    times = np.arange(round(clip.duration * rate_hz)) / rate_hz
    coarse = np.arange(0, clip.duration + 0.002, 0.002)  # enough for envelopes
    loudness = np.interp(times, coarse, _syllables(clip, coarse))
    bursts = np.interp(times, coarse, _bursts(clip, coarse))
    voiced = _harmonics(_pitch(clip, times, rng), clip.voice.tilt_db, rate_hz) * loudness
    noise = rng.standard_normal(len(times))
    breath = clip.voice.breath * clip.actor.breath * noise * (0.1 + loudness)
    sound = _vocal_tract(clip, voiced + breath + 0.15 * noise * bursts, rate_hz)
    level = 0.035 * 10 ** ((clip.voice.level_db + clip.actor.level_db) / 20)
    sound *= level / np.sqrt(np.mean(sound**2))
    room = rng.standard_normal(len(times)) * 10 ** (rng.uniform(-66, -58) / 20)
    return np.tanh(sound + room)


def _pitch(clip: Clip, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return f0 in Hz: drift over the clip, an accent a syllable, vibrato and jitter."""
    knots = np.array([0, *clip.onsets, clip.duration])
    accents = rng.uniform(-1, 1, len(knots))
    progress = times / clip.duration
    semitones = clip.voice.range_st * np.interp(times, knots, accents)
    semitones += clip.voice.rise_st * (progress**2 - 1 / 3)
    semitones += 0.2 * np.sin(2 * np.pi * rng.uniform(4, 6) * times)
    steps = np.arange(0, clip.duration + 0.02, 0.01)
    jitter = np.interp(times, steps, rng.standard_normal(len(steps)))
    return clip.actor.f0_hz * clip.voice.pitch * 2 ** ((semitones + 0.15 * jitter) / 12)


def _harmonics(f0_hz: np.ndarray, tilt_db: float, rate_hz: int) -> np.ndarray:
    """Return the sum of sin(h phase), of amplitudes that fall by ``tilt_db`` an octave.

    The recurrence sin(h p) = 2 cos(p) sin((h-1) p) - sin((h-2) p) saves the
    sine of every harmonic.
    """
    phase = 2 * np.pi * np.cumsum(f0_hz) / rate_hz
    twice, before, sine = 2 * np.cos(phase), np.zeros_like(phase), np.sin(phase)
    total = sine.copy()
    for harmonic in range(2, int(min(TOP_HZ, 0.45 * rate_hz) / f0_hz.max()) + 1):
        before, sine = sine, twice * sine - before
        total += sine * 10 ** (-tilt_db * np.log2(harmonic) / 20)
    return total


def _bursts(clip: Clip, times: np.ndarray) -> np.ndarray:
    """Return the envelope of the consonants: 30 ms of noise before each syllable."""
    since = times[:, None] - np.array(clip.onsets)
    return np.exp(-((since / 0.015) ** 2)).sum(axis=1)


def _vocal_tract(clip: Clip, source: np.ndarray, rate_hz: int) -> np.ndarray:
    """Filter by the formants of each syllable, by overlap-add of 20 ms frames."""
    half = rate_hz // 100
    pad = -len(source) % half
    padded = np.pad(source, (half, half + pad))
    starts = np.arange(0, len(padded) - half, half)
    frames = padded[starts[:, None] + np.arange(2 * half)]
    window = np.sin(np.pi * (np.arange(2 * half) + 0.5) / (2 * half)) ** 2
    spectra = np.fft.rfft(frames * window, 4 * half, axis=1)
    gains = _formant_gain(clip, starts / rate_hz, np.fft.rfftfreq(4 * half, 1 / rate_hz))
    pieces = np.fft.irfft(spectra * gains, axis=1)
    # Zero phase: a frame's response lies on both sides of it, wrapped around.
    pieces = np.roll(pieces, half, axis=1)
    sound = np.zeros(len(padded) + 4 * half)
    for start, piece in zip(starts, pieces, strict=True):
        sound[start : start + 4 * half] += piece
    return sound[2 * half : 2 * half + len(source)]


def _formant_gain(clip: Clip, times: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """Return the vocal tract's gain ``(n_times, n_frequencies)``: four resonances in cascade."""
    text = STATEMENTS[clip.key[3] % 2 + 1]
    vowels = np.array([VOWELS[text[i % len(text)]] for i in range(len(clip.onsets))], dtype=float)
    middles = np.array(clip.onsets) + clip.syllable / 2
    gain = np.ones((len(times), len(hz)))
    for formant in range(4):
        centre = clip.actor.formants * np.interp(times, middles, vowels[:, formant])[:, None]
        width = 50 + 0.05 * centre
        numerator = centre**2 + (width / 2) ** 2
        near, far = (hz - centre) ** 2 + (width / 2) ** 2, (hz + centre) ** 2 + (width / 2) ** 2
        gain *= numerator / np.sqrt(near * far)
    # A cascade of four falls steeply above them; higher formants would lift it.
    return (gain + 0.01) / (1 + (hz / TOP_HZ) ** 4)


def _write_wav(path: Path, sound: np.ndarray, rate_hz: int) -> None:
    import soundfile

    with _complete(path) as part:
        soundfile.write(part, _pcm16(sound), rate_hz, subtype="PCM_16", format="WAV")


def _pcm16(sound: np.ndarray) -> np.ndarray:
    return np.round(sound * 32767).astype(np.int16)


# Images ---------------------------------------------------------------------------------
# The face is drawn on a square canvas whose coordinates go from -1 to 1 (x to
# the right, y down), and then turned, scaled and shifted into the image.


def draw(clip: Clip, size: tuple[int, int], fps: float) -> Iterator[np.ndarray]:
    """Yield the images of a clip.

    Args:
        clip: the performance.
        size: width and height in pixels.
        fps: images a second.

    Yields:
        uint8 ``(height, width, 3)``, RGB, ``clip.frames`` times.
    """
    import cv2

    rng = np.random.default_rng((*clip.key, PICTURES))
    times = np.arange(clip.frames) / fps
    side = min(size)
    portrait = _portrait(clip.actor, side)
    masks = _crease_masks(clip.actor, side)
    for face, blink, matrix in zip(
        _expressions(clip, times, rng),
        _blinks(clip, times, rng),
        _poses(clip, times, size, rng),
        strict=True,
    ):
        canvas = _creased(portrait, masks, face)
        _draw_eyes(canvas, clip.actor, face.lids, blink)
        _draw_brows(canvas, clip.actor, face)
        _draw_mouth(canvas, clip.actor, face)
        frame = cv2.warpAffine(canvas, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        yield cv2.GaussianBlur(frame, (3, 3), 0.6)


def _expressions(clip: Clip, times: np.ndarray, rng: np.random.Generator) -> list[Face]:
    """Return the face at each time: it comes from rest, holds, and speaks."""
    onset, rise = rng.uniform(0.0, 0.12) * clip.duration, rng.uniform(0.15, 0.3) * clip.duration
    part = np.clip((times - onset) / rise, 0, 1)
    part = 0.2 + 0.8 * part * part * (3 - 2 * part)
    values = part[:, None] * np.array(clip.face)
    jaw, width = Face._fields.index("jaw"), Face._fields.index("width")
    speech = _syllables(clip, times)
    values[:, jaw] = np.clip(values[:, jaw] * (0.75 + 0.25 * speech) + 0.35 * speech, 0, 1.5)
    values[:, width] -= 0.15 * speech
    return [Face(*row) for row in values.tolist()]


def _blinks(clip: Clip, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return how far the eyes are closed, 0 to 1: one blink of 0.2 s in most clips."""
    middle = rng.uniform(0.1, 1.3) * clip.duration
    return np.exp(-(((times - middle) / 0.06) ** 2))


def _poses(
    clip: Clip, times: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> list[np.ndarray]:
    """Return the 2 x 3 matrix from canvas to image at each time, the head moving a little."""
    import cv2

    width, height = size
    side, turn = min(size), 2 * np.pi * times / clip.duration
    sway = [
        rng.uniform(0.3, 1) * np.sin(turn * rng.uniform(0.4, 1.2) + rng.uniform(0, 6.3))
        for _ in range(3)
    ]
    nod = 0.01 * _syllables(clip, times)
    tilt, zoom = rng.normal(0, 1.5), clip.actor.scale * rng.uniform(0.97, 1.03)
    poses = []
    for roll, right, down in np.transpose(
        [2 * sway[0] + tilt, 0.02 * sway[1], 0.01 * sway[2] + nod]
    ):
        matrix = cv2.getRotationMatrix2D((side / 2, side / 2), float(roll), zoom)
        matrix[0, 2] += (width - side) / 2 + side * (right + clip.actor.centre[0])
        matrix[1, 2] += (height - side) / 2 + side * (down + clip.actor.centre[1])
        poses.append(matrix)
    return poses


def _rgb(*channels: float) -> np.ndarray:
    return np.array(channels, np.float32)


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    line = np.linspace(-1, 1, side, dtype=np.float32)
    return line[None, :], line[:, None]


def _blob(side: int, x: float, y: float, wide: float, high: float) -> np.ndarray:
    """Return a soft spot, 1 in its middle, float32 ``(side, side)``."""
    across, down = _grid(side)
    return np.exp(-(((across - x) / wide) ** 2) - ((down - y) / high) ** 2)


def _both(side: int, x: float, y: float, wide: float, high: float) -> np.ndarray:
    return _blob(side, -x, y, wide, high) + _blob(side, x, y, wide, high)


def _inside(distance: np.ndarray, side: int) -> np.ndarray:
    """Return how much of each pixel lies where ``distance`` (canvas units) is below 0."""
    return np.clip(0.5 - distance * side / 4, 0, 1)[..., None]


def _over(image: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return image + mask * (colour - image)


def _portrait(actor: Actor, side: int) -> np.ndarray:
    """Return the parts that do not move: uint8 ``(side, side, 3)``."""
    across, down = _grid(side)
    image = np.ones((side, side, 1), np.float32) * _rgb(176, 182, 188)
    image = image * (1.06 - 0.1 * down)[..., None]
    hair = _rgb(*actor.hair) * _strands(actor, side)
    if actor.long_hair:
        behind = np.hypot(across / (0.56 * actor.width), (down - 0.05) / 0.82) - 1
        image = _over(image, _inside(0.5 * behind, side), 0.8 * hair)
    image = _body(actor, image, side)
    image = _over(image, _inside(_head_distance(actor, side), side), _skin(actor, side))
    return np.clip(_over(image, _hair_mask(actor, side), hair), 0, 255).astype(np.uint8)


def _body(actor: Actor, image: np.ndarray, side: int) -> np.ndarray:
    """Add shoulders, neck, and ears where hair does not cover them."""
    across, down = _grid(side)
    skin = _rgb(*actor.skin)
    shirt = _rgb(*actor.shirt) * (1.1 - 0.3 * np.abs(across))[..., None]
    shoulders = np.hypot(across / 0.82, (down - 1.2) / 0.5) - 1
    image = _over(image, _inside(0.5 * shoulders, side), shirt)
    neck = np.maximum(np.abs(across) - 0.2 * actor.width, np.hypot(across, down - 0.55) - 0.36)
    image = _over(image, _inside(neck, side), skin * (0.5 + 0.25 * down)[..., None])
    if actor.long_hair:
        return image
    ears = np.hypot((np.abs(across) - 0.45 * actor.width) / 0.06, (down - 0.02) / 0.12) - 1
    return _over(image, _inside(0.06 * ears, side), 0.78 * skin)


def _head_distance(actor: Actor, side: int) -> np.ndarray:
    """Return about how far each pixel is outside the head: an oval with a narrower jaw."""
    across, down = _grid(side)
    half = 0.46 * actor.width * (1 - 0.22 * np.clip(down / 0.6, 0, 1) ** 2)
    return 0.45 * (np.hypot(across / half, down / (0.62 * actor.height)) - 1)


def _skin(actor: Actor, side: int) -> np.ndarray:
    """Return skin as light from above falls on it: float32 ``(side, side, 3)``."""
    across, down = _grid(side)
    x, y = across / (0.5 * actor.width), down / (0.66 * actor.height)
    depth = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
    light = 0.56 + 0.46 * depth - 0.07 * x - 0.10 * y
    eye_x = 0.19 * actor.width
    light -= 0.30 * _both(side, eye_x, -0.12, 0.14, 0.11)  # sockets
    light += 0.10 * _blob(side, 0, -0.02, 0.04, 0.16)  # bridge of the nose
    light -= 0.07 * _both(side, 0.085, 0.07, 0.035, 0.14)  # its sides
    light += 0.10 * _blob(side, -0.01, 0.13, 0.05, 0.05)  # its tip
    light -= 0.30 * _both(side, 0.045, 0.185, 0.028, 0.018)  # nostrils
    light -= 0.12 * _blob(side, 0, 0.205, 0.09, 0.025)
    light += 0.08 * _both(side, 0.24 * actor.width, 0.12, 0.10, 0.09)  # cheeks
    light += 0.06 * _blob(side, 0, -0.36, 0.25, 0.12)  # forehead
    light -= 0.09 * _blob(side, 0, 0.425, 0.10, 0.03)  # below the lip
    light += 0.04 * _blob(side, 0, 0.50, 0.08, 0.05)  # chin
    blush = _both(side, 0.25 * actor.width, 0.14, 0.10, 0.08)[..., None]
    return _rgb(*actor.skin) * light[..., None] + blush * _rgb(8, -4, -4)


def _hair_mask(actor: Actor, side: int) -> np.ndarray:
    across, down = _grid(side)
    half, top = 0.50 * actor.width, 0.70 * actor.height
    cap = np.hypot(across / half, (down + 0.02) / top) - 1
    line = -0.40 + 0.5 * across**2 / actor.width if actor.long_hair else -0.43 + 0.35 * across**2
    ends = 0.5 if actor.long_hair else 1.8 * (0.45 * actor.width - np.abs(across)) - 0.02
    face = np.hypot(across / (0.41 * actor.width), (down - 0.12) / 0.62) - 1
    outside = np.maximum(0.45 * cap, down - ends)
    forehead = np.minimum(down - line, -0.45 * face)
    return _inside(np.maximum(outside, forehead), side)


def _strands(actor: Actor, side: int) -> np.ndarray:
    """Return the light on hair: a sheen, and lines along x."""
    across, down = _grid(side)
    lines = np.sin(70 * across + 9 * np.sin(5 * across + actor.f0_hz) + 4 * down)
    sheen = np.exp(-(((down + 0.52 - 0.4 * across**2) / 0.07) ** 2))
    return (0.94 + 0.04 * lines + 0.28 * sheen)[..., None].astype(np.float32)


def _crease_masks(actor: Actor, side: int) -> dict[str, np.ndarray]:
    """Return what the movements shade: each float32 ``(rows, columns, 1)``, the darkening."""
    across, down = _grid(side)
    x = np.abs(across)
    fold = np.exp(-(((x - 0.13 * actor.width - 0.45 * (down - 0.16)) / 0.018) ** 2))
    fold = fold * np.exp(-(((down - 0.24) / 0.07) ** 2))
    frown = np.exp(-(((x - 0.035) / 0.012) ** 2) - ((down + 0.21) / 0.06) ** 2)
    wrinkle = np.exp(-((x / 0.07) ** 2) - ((down + 0.05) / 0.07) ** 2)
    wrinkle = wrinkle * (0.5 + 0.5 * np.sin(110 * (down - 0.3 * x)))
    lines = np.exp(-((x / 0.22) ** 2) - ((down + 0.36) / 0.06) ** 2) * (
        0.5 + 0.5 * np.sin(85 * down)
    )
    shades = {
        "fold": 0.25 * fold,
        "frown": 0.3 * frown,
        "nose": 0.3 * wrinkle,
        "brow": 0.14 * lines,
    }
    area = _crease_area(side)
    return {name: shade[area][..., None].astype(np.float32) for name, shade in shades.items()}


def _creased(portrait: np.ndarray, masks: dict[str, np.ndarray], face: Face) -> np.ndarray:
    amounts = {
        "fold": 0.7 * abs(face.corners) + 0.6 * face.lip,
        "frown": -face.brow_inner,
        "nose": face.nose,
        "brow": face.brow_inner,
    }
    canvas, part = portrait.copy(), _crease_area(len(portrait))
    light = 1 - sum(np.clip(amounts[name], 0, 1.2) * mask for name, mask in masks.items())
    canvas[part] = portrait[part] * light
    return canvas


def _crease_area(side: int) -> tuple[slice, slice]:
    """Return the rows and columns of the canvas outside which no crease is visible."""
    return np.s_[round(0.22 * side) : round(0.74 * side), round(0.26 * side) : round(0.74 * side)]


def _fill(image: np.ndarray, points: np.ndarray, colour: tuple | float) -> None:
    """Fill a polygon ``(n, 2)`` of canvas coordinates, edges smoothed."""
    import cv2

    pixels = (np.asarray(points) + 1) / 2 * (image.shape[0] - 1)
    cv2.fillPoly(image, [np.round(pixels * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def _disc(x: float, y: float, radius: float) -> np.ndarray:
    return np.array([x, y]) + radius * CIRCLE


def _draw_clipped(canvas: np.ndarray, outline: np.ndarray, layers: list[tuple]) -> None:
    """Fill polygons in turn, but only inside ``outline``."""
    side = canvas.shape[0]
    pixels = (outline + 1) / 2 * (side - 1)
    left, top = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - 2, 0)
    right, bottom = np.ceil(pixels.max(axis=0)).astype(int) + 3
    mask, layer = np.zeros((side, side), np.uint8), canvas.copy()
    _fill(mask, outline, 255)
    for points, colour in layers:
        _fill(layer, points, colour)
    part = np.s_[top:bottom, left:right]
    weight = mask[part][..., None].astype(np.float32) / 255
    canvas[part] = canvas[part] + weight * (layer[part].astype(np.float32) - canvas[part])


def _shade(colour: tuple[int, ...], factor: float) -> tuple[int, ...]:
    return tuple(int(min(255, part * factor)) for part in colour)


def _draw_eyes(canvas: np.ndarray, actor: Actor, lids: float, blink: float) -> None:
    along = np.linspace(-1, 1, 13)
    arch = 1 - np.abs(along) ** 2.2
    opening = max(0.05 * (1 + 0.4 * lids) * (1 - blink), 0.004)
    for sign in (-1, 1):
        x, y, half = sign * 0.19 * actor.width, -0.09, 0.085 * actor.eyes
        upper = np.stack([x + half * along, y - opening * arch], axis=1)
        lower = np.stack([x + half * along, y + 0.7 * opening * arch], axis=1)
        white = np.concatenate([upper, lower[::-1]])
        iris, pupil = _disc(x, y - 0.006, 0.049), _disc(x, y - 0.006, 0.024)
        glint = _disc(x - 0.013, y - 0.018, 0.009)
        layers = [(white, (206, 202, 198)), (iris, actor.iris), (pupil, (12, 10, 10))]
        _draw_clipped(canvas, white, [*layers, (glint, (245, 245, 245))])
        lash = np.concatenate([upper - [0, 0.02], np.add(upper[::-1], [0, 0.006])])
        _fill(canvas, lash, _shade(actor.skin, 0.25))
        rim = np.concatenate([lower, np.add(lower[::-1], [0, 0.007])])
        _fill(canvas, rim, _shade(actor.skin, 0.6))


def _draw_brows(canvas: np.ndarray, actor: Actor, face: Face) -> None:
    along = np.linspace(0, 1, 9)  # from the nose outwards
    lift = 0.065 * face.brow_inner * (1 - along) + 0.06 * face.brow_outer * along
    middle = -0.215 - 0.03 * np.sin(np.pi * along**1.2) - lift
    thick = (0.026 if actor.long_hair else 0.034) * (1 - 0.65 * along)
    spread = 0.085 - 0.02 * max(0.0, -face.brow_inner)
    for sign in (-1, 1):
        x = sign * (spread + 0.2 * along) * actor.width
        upper, lower = np.stack([x, middle - thick], 1), np.stack([x, middle + thick], 1)
        _fill(canvas, np.concatenate([upper, lower[::-1]]), _shade(actor.hair, 0.36))


def _draw_mouth(canvas: np.ndarray, actor: Actor, face: Face) -> None:
    along = np.linspace(-1, 1, 21)
    arch = 1 - along**2
    half, gap = 0.165 * actor.width * (1 + 0.2 * face.width), 0.15 * max(face.jaw, 0.0)
    line = 0.325 - 0.075 * face.corners * (along**2 - 0.4)
    raised = 0.045 * max(face.lip, 0.0) * arch**0.6
    bow = 1 - 0.25 * np.exp(-((along / 0.16) ** 2))
    inner_up = line - 0.3 * gap * arch - raised
    inner_low = line + 0.7 * gap * arch - 0.3 * raised + 0.003
    outer_up = inner_up - 0.032 * arch**0.7 * bow
    outer_low = inner_low + 0.045 * arch**0.8
    x = half * along
    upper = np.concatenate([np.stack([x, outer_up], 1), np.stack([x, inner_up], 1)[::-1]])
    lower = np.concatenate([np.stack([x, inner_low], 1), np.stack([x, outer_low], 1)[::-1]])
    inside = np.concatenate([np.stack([x, inner_up], 1), np.stack([x, inner_low], 1)[::-1]])
    inside[: len(x), 1] -= 0.004
    inside[len(x) :, 1] += 0.004
    red = tuple(int(part) for part in _rgb(*actor.skin) * [0.72, 0.48, 0.48])
    _fill(canvas, upper, _shade(red, 0.85))
    _fill(canvas, lower, red)
    teeth_low = np.minimum(inner_up + 0.04, inner_low - 0.35 * (inner_low - inner_up))
    teeth = np.concatenate(
        [np.stack([0.8 * x, inner_up - 0.01], 1), np.stack([0.8 * x, teeth_low], 1)[::-1]]
    )
    layers = [(inside, (48, 18, 20)), (_disc(0, float(inner_low[10]) + 0.04, 0.09), (140, 62, 62))]
    _draw_clipped(canvas, inside, [*layers, (teeth, (226, 222, 212))])


def _write_mp4(path: Path, frames: Iterator[np.ndarray], sound: np.ndarray, setup: Setup) -> None:
    import av

    rate = Fraction(setup.fps).limit_denominator(1001)
    with _complete(path) as part, av.open(f"file:{part}", "w", format="mp4") as out:
        video = out.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "21"})
        video.width, video.height = setup.size
        video.pix_fmt, video.codec_context.thread_count = "yuv420p", 1
        audio = out.add_stream("aac", rate=AAC_RATE_HZ, layout="mono")
        for picture in frames:
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
        piece = av.AudioFrame.from_ndarray(_pcm16(sound)[None], format="s16", layout="mono")
        piece.sample_rate = setup.rate_hz
        out.mux(audio.encode(piece))
        out.mux(audio.encode(None))
