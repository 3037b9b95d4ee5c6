import pytest

from multimodal_ser.datasets import folder
from multimodal_ser.errors import SerError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_a_film_and_a_sound_of_one_name_are_one_clip(tmp_path):
    clips = folder.index(touch(tmp_path, "talk.mp4", "talk.wav", "other.mp3"))
    assert len(clips) == 2
    talk = clips[clips["video"].notna()].iloc[0]
    assert talk["audio"].endswith("talk.wav")
    assert clips[clips["video"].isna()]["audio"].item().endswith("other.mp3")


def test_two_sounds_of_one_name_stay_two_clips(tmp_path):
    assert len(folder.index(touch(tmp_path, "talk.wav", "talk.mp3"))) == 2


def test_same_names_in_two_folders_are_two_clips(tmp_path):
    assert len(folder.index(touch(tmp_path, "a/talk.wav", "b/talk.wav"))) == 2


def test_ravdess_names_keep_their_meaning(tmp_path):
    names = ("03-01-06-01-02-01-12.wav", "02-01-06-01-02-01-12.mp4")
    clips = folder.index(touch(tmp_path, *names))
    assert clips.loc["ravdess/01-06-01-02-01-12", "emotion"] == "fearful"
    assert clips["video"].item().endswith("02-01-06-01-02-01-12.mp4")


@pytest.mark.parametrize(("name", "label"), [("Angry", "angry"), ("fear", "fearful")])
def test_a_folder_named_after_an_emotion_labels_its_clips(tmp_path, name, label):
    assert folder.index(touch(tmp_path, f"{name}/x.wav"))["emotion"].item() == label


def test_the_same_file_twice_is_one_clip(tmp_path):
    touch(tmp_path, "talk.wav")
    clips, unusable = folder.gather([tmp_path / "talk.wav", tmp_path])
    assert (len(clips), unusable) == (1, [])


def test_unusable_sources_are_named_and_the_others_kept(tmp_path):
    touch(tmp_path, "talk.wav", "notes.txt", "empty/readme.md")
    clips, unusable = folder.gather(
        [tmp_path / name for name in ("talk.wav", "notes.txt", "gone.wav", "empty")]
    )
    assert len(clips) == 1
    words = " | ".join(map(str, unusable))
    assert "notes.txt: the ending .txt" in words
    assert "gone.wav: there is no such file" in words
    assert "empty: no recording in this folder" in words


def test_index_of_an_empty_folder_says_so(tmp_path):
    with pytest.raises(SerError, match="no recording"):
        folder.index(tmp_path)
