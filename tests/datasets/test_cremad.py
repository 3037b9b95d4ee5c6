import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.audio import signal
from multimodal_ser.datasets import cremad
from multimodal_ser.errors import MediaError, SerError, TableError
from multimodal_ser.tables import EMOTIONS, check_clips
from multimodal_ser.tables.labels import relabel

DEMOGRAPHICS = """"ActorID","Age","Sex","Race","Ethnicity"
1001,51,"Male","Caucasian","Not Hispanic"
1002,21,"Female","Asian","Not Hispanic"
1076,25,"Female","African American","Not Hispanic"
"""
SUMMARY = """"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel",\
"MultiModalVote","MultiModalLevel"
"1","1001_IEO_NEU_XX","N","69.1","N","92.22","N","64.78"
"2","1001_IEO_HAP_LO","N","71.67","H","57","N:S","57.38:60"
"3","1002_DFA_ANG_XX","A","50","A","51","A","52"
"4","1076_MTI_SAD_XX","S","50","S","51","S","52"
"5","1001_WSI_SAD_XX","S","50","S","51","S","52"
"""


@pytest.fixture
def folder(tmp_path):
    sounds = tmp_path / "AudioWAV"
    meta = tmp_path / "meta"
    for place in (sounds, meta):
        place.mkdir()
    for name in ("1001_IEO_NEU_XX", "1001_IEO_HAP_LO", "1002_DFA_ANG_XX", "1076_MTI_SAD_XX"):
        (sounds / f"{name}.wav").write_bytes(b"")
    (meta / "VideoDemographics.csv").write_text(DEMOGRAPHICS)
    (meta / "summaryTable.csv").write_text(SUMMARY)
    return tmp_path


def test_names_become_rows_and_the_silent_take_is_left_out(folder):
    clips = check_clips(cremad.index(folder))
    assert clips.index.tolist() == [
        "cremad/1001_IEO_HAP_LO",
        "cremad/1001_IEO_NEU_XX",
        "cremad/1002_DFA_ANG_XX",
    ]
    row = clips.loc["cremad/1001_IEO_HAP_LO"]
    assert (row["emotion"], row["actor"], row["statement"]) == ("happy", "1001", "IEO")
    assert (row["intensity"], row["channel"], row["dataset"]) == ("low", "speech", "cremad")
    assert clips.loc["cremad/1001_IEO_NEU_XX", "intensity"] is pd.NA


def test_people_and_raters_are_joined_by_id(folder):
    clips = cremad.index(folder)
    assert clips["sex"].tolist() == ["male", "male", "female"]
    assert clips["age_years"].tolist() == [51, 51, 21]
    assert clips.loc["cremad/1002_DFA_ANG_XX", "race"] == "Asian"
    heard = clips.loc["cremad/1001_IEO_HAP_LO"]
    assert (heard["voice_vote"], heard["face_vote"]) == ("neutral", "happy")
    assert (heard["voice_level"], heard["face_level"]) == (71.67, 57)
    assert heard["both_vote"] is pd.NA and np.isnan(heard["both_level"])  # a tie


def test_without_its_tables_the_recordings_are_still_clips(folder):
    for path in (folder / "meta").iterdir():
        path.unlink()
    clips = cremad.index(folder)
    assert len(clips) == 3
    assert clips[["sex", *cremad.PERSON_COLUMNS, *cremad.CROWD_COLUMNS]].isna().all(axis=None)
    details = cremad.validate(folder)["detail"].str.cat()
    assert "VideoDemographics.csv" in details and "summaryTable.csv" in details


def test_sound_and_film_of_a_take_are_one_clip_and_the_lossless_copy_wins(folder):
    (folder / "1002_DFA_ANG_XX.mp3").write_bytes(b"")
    (folder / "1002_DFA_ANG_XX.mp4").write_bytes(b"")
    row = cremad.index(folder).loc["cremad/1002_DFA_ANG_XX"]
    assert row["audio"].endswith("AudioWAV/1002_DFA_ANG_XX.wav")
    assert row["video"].endswith("1002_DFA_ANG_XX.mp4")
    problems = cremad.validate(folder)
    assert problems.loc[problems["kind"] == "doubled", "path"].tolist() == [
        str(folder / "1002_DFA_ANG_XX.mp3")
    ]


def test_validate_says_what_is_wrong(folder):
    (folder / "notes.wav").write_bytes(b"")
    (folder / "1001_IEO_BOR_XX.wav").write_bytes(b"")

    def probe(path):
        if "NEU" in path.name:
            raise MediaError(path, "it is empty (0 bytes)", "copy it again")

    problems = cremad.validate(folder, probe)
    found = set(zip(problems["kind"], problems["path"].str.rsplit("/").str[-1], strict=True))
    assert {
        ("known bad", "1076_MTI_SAD_XX.wav"),
        ("misnamed", "notes.wav"),
        ("misnamed", "1001_IEO_BOR_XX.wav"),
        ("unreadable", "1001_IEO_NEU_XX.wav"),
    } <= found
    missing = problems.loc[problems["kind"] == "missing", "detail"].tolist()
    assert missing[0].startswith("every file of 88 of 91 actors: 1003")
    assert missing[1] == "1 take(s) of actor 1001: 1001_WSI_SAD_XX"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("1092_DFA_ANG_XX", "1001 to 1091"),
        ("1001_ABC_ANG_XX", "DFA"),
        ("1001_DFA_BOR_XX", "ANG"),
        ("1001_DFA_ANG_ZZ", "HI"),
        ("03-01-06-01-02-01-12", "1001_DFA_ANG_XX"),
    ],
)
def test_names_that_do_not_exist_say_what_does(name, word):
    with pytest.raises(SerError) as error:
        cremad.parse_name(f"{name}.wav")
    assert word in str(error.value)


def test_the_file_that_lost_a_letter_is_the_take_that_the_tables_name():
    assert cremad.parse_name("1040_ITH_SAD_X.wav").clip == "cremad/1040_ITH_SAD_XX"


@pytest.mark.parametrize("damage", ["", "a,b\n1,2\n", '"x\n'])
def test_damaged_tables_are_named(folder, damage):
    (folder / "meta" / "summaryTable.csv").write_text(damage)
    with pytest.raises(TableError) as error:
        cremad.index(folder)
    assert "summaryTable.csv" in str(error.value)


def test_a_folder_without_cremad_is_refused(tmp_path):
    with pytest.raises(SerError):
        cremad.index(tmp_path)
    with pytest.raises(SerError):
        cremad.index(tmp_path / "gone")


def test_the_constants_are_those_of_the_publication():
    assert len(cremad.ACTORS) == 91
    assert len(cremad.SENTENCES) == 12
    assert set(cremad.EMOTION_OF.values()) < set(EMOTIONS)


def test_mp3_is_read_as_what_was_written(tmp_path):
    rate_hz = 16000
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)
    soundfile.write(tmp_path / "tone.mp3", tone, rate_hz)
    heard = signal.read(tmp_path / "tone.mp3", rate_hz=rate_hz)
    spectrum = np.abs(np.fft.rfft(heard[:rate_hz]))
    assert abs(int(spectrum.argmax()) - 440) <= 2
    assert np.sqrt(2 * np.mean(heard[2000:14000] ** 2)) == pytest.approx(0.5, rel=0.05)


@pytest.mark.real_data
def test_the_real_recordings(shared_data):
    clips = cremad.index(shared_data / "cremad")
    assert len(clips) == 6126
    assert clips["actor"].nunique() == 75
    assert clips[["sex", "age_years", "voice_level"]].notna().mean().min() > 0.9
    assert set(clips["emotion"].unique()) == set(cremad.EMOTION_OF.values())
    valence = relabel(clips, "valence2")["emotion"].value_counts()
    assert valence["negative"] > valence["positive"] > 0
    heard = signal.read(clips["audio"].iloc[0], rate_hz=16000)
    assert 1 < len(heard) / 16000 < 6 and np.abs(heard).max() > 0.01
    missing = cremad.validate(shared_data / "cremad")
    assert set(missing["kind"]) == {"missing", "known bad"}
