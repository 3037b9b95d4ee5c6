"""The archives that RAVDESS is distributed in: Zenodo record 1188976.

Two archives hold all audio-only files; videos come as one archive per actor and channel, each
with the video with sound and the silent one of every take. MD5 sums are the record's own; those
of the sung videos are not noted here and are asked of the record when they are needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from multimodal_ser.datasets.ravdess import ACTORS, URL, expected_takes
from multimodal_ser.errors import SerError, UnknownName

DOI = "10.5281/zenodo.1188976"
PARTS = ("speech-audio", "song-audio", "speech-video", "song-video")


class Archive(NamedTuple):
    """One archive of the record.

    Attributes:
        name: its file name.
        checksum: ``"md5:"`` and 32 hexadecimal digits, or None where it is not known.
        recordings: the files asked for that it holds, such as
            ``"Actor_01/03-01-01-01-01-01-01.wav"``.
    """

    name: str
    checksum: str | None
    recordings: tuple[str, ...]


_MD5 = {
    "Audio_Speech_Actors_01-24.zip": "bc696df654c87fed845eb13823edef8a",
    "Audio_Song_Actors_01-24.zip": "5411230427d67a21e18aa4d466e6d1b9",
}
_SPEECH_VIDEO_MD5 = """
    3c8ececaf392b4a9b11b32271f4f6d01 a6f40d413b2e6ef25b3a595099e59abb
    68fa240ddd8a3cc410c64efe5fb2b0e4 013eed832af1f7e97082aae398a00dbe
    b00e17d61374ef6ba86fef35d50a20fb 3c42877921cc08cfb5c841a0f2cb94a7
    bdd29bfe082f80361ec6b589845c283d bed5f43d9c18e177e34d4bc1ed9b6d77
    775da349c50bf915a1bbcb37379bd092 70199d1c6902f76e17df308d5c41fa01
    824504aa41a8fd575e5459d5701dd378 2a1f0ddc0ca207beedee6ce2ea863ad7
    c5f2fd4fd77941636947620368c612b5 466d31f4cce92a14b1f4ee884bbdf7d7
    4b3b9bc8473e86f884630f2506684887 a63c54570ebbe6bd616d0dced5630f7e
    8b7ae3e5a85d2874ac8e1195e722e047 fef2131ac361da182c0cb85f3d8e8a6c
    abb97d97d8c4e88c866cee1cea9d06d6 5ddfb22770093bafebdefe8faa449f48
    d810cf2ff6863ef91306fc7a16d74fbb fee55f72c9871401f23d4b167de3217d
    b31e8c8904e66102e7a951694db752d6 eef90e806c9179bc5b4b098d03647ae3
"""
for _actor, _digits in zip(ACTORS, _SPEECH_VIDEO_MD5.split(), strict=True):
    _MD5[f"Video_Speech_Actor_{_actor}.zip"] = _digits


def archives(parts: Iterable[str], actors: Iterable[str]) -> list[Archive]:
    """Return the archives that hold these parts of these actors.

    Args:
        parts: some of :data:`PARTS`.
        actors: ``"01"`` to ``"24"``. Actor 18 did not sing.

    Raises:
        UnknownName: there is no such part or actor.

    Example:
        >>> [archive.name for archive in archives(["speech-audio", "song-video"], ["17", "18"])]
        ['Audio_Speech_Actors_01-24.zip', 'Video_Song_Actor_17.zip']
    """
    actors, found = tuple(dict.fromkeys(actors)), []
    for actor in actors:
        if actor not in ACTORS:
            raise UnknownName("actor in RAVDESS", actor, ACTORS)
    for part in dict.fromkeys(parts):
        if part not in PARTS:
            raise UnknownName("part of RAVDESS", part, PARTS)
        channel = part.partition("-")[0].title()
        if part.endswith("audio"):
            found.append(_archive(f"Audio_{channel}_Actors_01-24.zip", actors))
        else:
            found += [_archive(f"Video_{channel}_Actor_{actor}.zip", (actor,)) for actor in actors]
    return [archive for archive in found if archive.recordings]


def _archive(name: str, actors: tuple[str, ...]) -> Archive:
    modalities, ending = (("03",), "wav") if "Audio" in name else (("01", "02"), "mp4")
    recordings = tuple(
        f"Actor_{actor}/{modality}-{take.removeprefix('ravdess/')}.{ending}"
        for actor in actors
        for modality in modalities
        for take in sorted(expected_takes("01" if "Speech" in name else "02", actor))
    )
    return Archive(name, f"md5:{_MD5[name]}" if name in _MD5 else None, recordings)


def address(archive: str) -> str:
    """Return where the record has an archive.

    Example:
        >>> address("Video_Song_Actor_01.zip")
        'https://zenodo.org/records/1188976/files/Video_Song_Actor_01.zip?download=1'
    """
    return f"{URL}/files/{archive}?download=1"


def actors_of(text: str) -> tuple[str, ...]:
    """Read a list of actors such as ``1-4,7``.

    Raises:
        SerError: it is written otherwise, or names one that does not exist.

    Example:
        >>> actors_of("22-24,3")
        ('03', '22', '23', '24')
    """
    chosen: set[str] = set()
    for word in text.split(","):
        first, _, last = word.strip().partition("-")
        numbers = [f"{number:0>2}" for number in (first, last or first)]
        if not set(numbers) <= set(ACTORS) or numbers[0] > numbers[1]:
            raise SerError(
                f"{text!r}: {word.strip()!r} names no actors of RAVDESS; give numbers from 1 to 24 "
                "such as 1-4,7"
            )
        chosen |= {actor for actor in ACTORS if numbers[0] <= actor <= numbers[1]}
    return tuple(sorted(chosen))
