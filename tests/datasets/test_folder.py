import pytest

from multimodal_ser.datasets import folder
from multimodal_ser.errors import SerError, TableError


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


def listed(tmp_path, *lines):
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "list.csv"


def test_a_list_says_label_speaker_and_sex(tmp_path):
    path = listed(
        tmp_path,
        "path,label,actor,sex",
        "a/one.wav,Anger,07,female",
        "a/one.mp4,angry,07,female",
        "a/two.wav,,,",
        f"{tmp_path}/03-01-06-01-02-01-12.wav,sad,12,female",
    )
    assert folder.is_list(path)
    clips = folder.read_list(path)
    one, two, named = clips.itertuples()
    assert (one.emotion, one.actor, one.sex) == ("angry", "07", "female")
    assert one.audio == str(tmp_path / "a" / "one.wav")
    assert one.video == str(tmp_path / "a" / "one.mp4")
    assert clips.loc[two.Index, ["emotion", "actor", "sex"]].isna().all()
    # What the list says counts more than the name.
    assert named.Index == "ravdess/01-06-01-02-01-12"
    assert named.emotion == "sad"


def test_a_clips_table_is_no_list(tmp_path):
    assert not folder.is_list(listed(tmp_path, "clip,audio,path", "a,a.wav,a.wav"))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["x.wav,joyful"], "row 1: 'joyful' is no emotion"),
        (["x.wav,sad", "notes.txt,sad"], "row 2: notes.txt has not the ending"),
        (["x.wav,sad", "x.wav,sad"], "row 2: x.wav is in a row above"),
        ([",sad"], "row 1 has no path"),
        (["x.wav,sad", "x.mp4,happy"], "different things"),
    ],
)
def test_a_wrong_list_is_refused_with_the_row(tmp_path, lines, words):
    with pytest.raises(TableError, match=words):
        folder.read_list(listed(tmp_path, "path,label", *lines))
