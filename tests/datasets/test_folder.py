import os

import pytest

from multimodal_ser.datasets import cremad, folder, ravdess
from multimodal_ser.errors import SerError, TableError
from multimodal_ser.tables.clips import table_hash


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


def test_same_names_in_two_folders_are_two_clips(tmp_path):
    clips = folder.index(touch(tmp_path, "a/talk.wav", "b/talk.wav"))
    assert list(clips.index) == ["a/talk", "b/talk"]


SPELLINGS = ("{0}", "{0}/", "{0}/./", "{0}/sad/..", "angry", "./angry/", "../home/angry", "~/angry")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_how_a_folder_is_typed_changes_neither_ids_nor_labels_nor_the_hash(
    tmp_path, monkeypatch, spelling
):
    home = touch(tmp_path / "home", "angry/one.wav", "angry/sad/two.mp4")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    clips = folder.index(spelling.format(home / "angry"))
    assert clips["emotion"].astype(object).to_dict() == {"one": "angry", "sad/two": "sad"}
    assert all(map(os.path.exists, clips["audio"]))
    monkeypatch.chdir(home / "angry")
    assert table_hash(folder.index(".")) == table_hash(clips)


@pytest.mark.parametrize("spelling", ["{0}/one.wav", "one.wav", "./one.wav", "~/angry/one.wav"])
def test_a_file_is_called_by_its_name(tmp_path, monkeypatch, spelling):
    home = touch(tmp_path, "angry/one.wav")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "angry")
    clips, unusable = folder.gather([spelling.format(home / "angry")])
    assert (clips["emotion"].to_dict(), unusable) == ({"one": "angry"}, [])
    assert os.path.exists(clips["audio"].item())


@pytest.mark.parametrize("dataset", [ravdess, cremad])
def test_the_home_folder_may_be_typed_as_a_tilde(tmp_path, monkeypatch, dataset):
    touch(tmp_path, "set/03-01-06-01-02-01-12.wav", "set/1001_IEO_HAP_LO.wav")
    (tmp_path / "set" / "summaryTable.csv").write_text(
        "FileName,VoiceVote,VoiceLevel,FaceVote,FaceLevel,MultiModalVote,MultiModalLevel\n"
        "1001_IEO_HAP_LO,H,1,H,2,H,3\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    assert table_hash(dataset.index("~/set")) == table_hash(dataset.index(tmp_path / "set"))


def test_a_further_file_of_a_name_changes_no_id(tmp_path):
    """The first sound file and the first video keep the plain id, the others their ending."""
    seen = []
    for name in ("talk.wav", "talk.mp4", "talk.mp3", "talk.WEBM", "talk.MP3"):
        clips = folder.index(touch(tmp_path, name))
        talk = clips.loc["talk"]
        assert talk["audio"] == str(tmp_path / "talk.wav")
        seen.append(list(clips.index))
    assert talk["video"] == str(tmp_path / "talk.mp4")
    assert seen[:3] == [["talk"], ["talk"], ["talk", "talk.mp3"]]
    assert seen[4] == ["talk", "talk.MP3", "talk.WEBM", "talk.mp3"]
    assert clips.loc["talk.WEBM", ["audio", "video"]].tolist() == [str(tmp_path / "talk.WEBM")] * 2


def test_an_id_of_two_folders_gets_the_folders_name_then_a_number(tmp_path):
    names = ("x/june/talk.wav", "x/june/alone.wav", "y/june/talk.wav", "may/talk.wav")
    touch(tmp_path, *names)
    sources = [tmp_path / name for name in ("y/june", "may/talk.wav", "x/june")]
    for given in (sources, sources[::-1]):
        clips, _ = folder.gather(given)
        assert clips["audio"].to_dict() == {
            "alone": str(tmp_path / "x/june/alone.wav"),
            "june/talk": str(tmp_path / "x/june/talk.wav"),
            "june-2/talk": str(tmp_path / "y/june/talk.wav"),
            "may/talk": str(tmp_path / "may/talk.wav"),
        }


def test_an_id_that_is_taken_is_not_given_again(tmp_path):
    touch(tmp_path, "a/x.wav", "b/x.wav", "c/a/x.wav", "d/x.wav", "d/x.mp3", "d/x.mp3.wav")
    clips, _ = folder.gather([tmp_path / name for name in "abc"])
    assert list(clips.index) == ["a-2/x", "a/x", "b/x"]
    assert clips.loc["a/x", "audio"] == str(tmp_path / "c/a/x.wav")
    assert sorted(folder.index(tmp_path / "d").index) == ["d-2/x.mp3", "d/x.mp3", "x"]


def test_a_file_of_several_sources_counts_from_the_outermost(tmp_path, monkeypatch):
    touch(tmp_path, "data/sub/talk.wav")
    monkeypatch.chdir(tmp_path)
    sources = ["data/sub/talk.wav", tmp_path / "data" / "sub", "data", "./data/../data"]
    for given in (sources, sources[::-1]):
        assert list(folder.gather(given)[0].index) == ["sub/talk"]


def test_ravdess_names_keep_their_meaning(tmp_path):
    names = ("03-01-06-01-02-01-12.wav", "02-01-06-01-02-01-12.mp4")
    clips = folder.index(touch(tmp_path, *names))
    assert clips.loc["ravdess/01-06-01-02-01-12", "emotion"] == "fearful"
    assert clips["video"].item().endswith("02-01-06-01-02-01-12.mp4")


@pytest.mark.parametrize("name", ["Angry", "fear", "bored", "Freude", "très content", "3"])
def test_a_folder_labels_its_clips_with_any_word(tmp_path, name):
    assert folder.index(touch(tmp_path, f"{name}/x.wav"))["emotion"].item() == name
    clips = folder.index(touch(tmp_path, f"ann/{name}/x.wav", "alone.wav"))
    assert clips["emotion"].astype(object).where(clips["emotion"].notna(), None).to_dict() == {
        f"{name}/x": name,
        f"ann/{name}/x": name,
        "alone": None,
    }


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
    wrong = [tmp_path / name for name in ("notes.txt", "gone.wav", "empty")]
    assert [error.path for error in unusable] == list(map(str, wrong))


def test_index_of_an_empty_folder_says_so(tmp_path):
    with pytest.raises(SerError):
        folder.index(tmp_path)


def listed(tmp_path, *lines):
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "list.csv"


def test_a_list_says_label_speaker_and_sex(tmp_path):
    path = listed(
        tmp_path,
        "path,label,actor,sex",
        "a/one.wav,Anger,07,female",
        "a/one.mp4,Anger,07,female",
        "a/two.wav,,,",
        f"{tmp_path}/03-01-06-01-02-01-12.wav,sad,12,female",
    )
    assert folder.is_list(path)
    clips = folder.read_list(path)
    one, two, named = clips.itertuples()
    assert (one.Index, two.Index) == ("a/one", "a/two")
    assert (one.emotion, one.actor, one.sex) == ("Anger", "07", "female")
    assert one.audio == str(tmp_path / "a" / "one.wav")
    assert one.video == str(tmp_path / "a" / "one.mp4")
    assert clips.loc[two.Index, ["emotion", "actor", "sex"]].isna().all()
    # What the list says counts more than the name.
    assert named.Index == "ravdess/01-06-01-02-01-12"
    assert named.emotion == "sad"


def test_a_clips_table_is_no_list(tmp_path):
    assert not folder.is_list(listed(tmp_path, "clip,audio,path", "a,a.wav,a.wav"))


@pytest.mark.parametrize("spelling", ["{0}/l/list.csv", "l/list.csv", "l/../l/list.csv"])
def test_paths_and_ids_of_a_list_count_from_its_folder(tmp_path, monkeypatch, spelling):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    inside = ("a/x.wav", "./b/x.wav", f"{tmp_path}/l/c/x.wav", "~/l/d/x.wav", "../l/e/x.wav")
    outside = ("../may/x.wav", "~/june/y.wav", "~/may/y.wav")
    listed(touch(tmp_path / "l", "x.txt"), "path", *inside, *outside)
    clips = folder.read_list(spelling.format(tmp_path))
    ids = ["a/x", "b/x", "c/x", "d/x", "e/x", "june/y", "may/y", "x"]
    assert list(clips.index) == ids
    places = [f"l/{name}.wav" for name in ids[:5]] + ["june/y.wav", "may/y.wav", "may/x.wav"]
    assert [os.path.relpath(path, tmp_path) for path in clips["audio"]] == places


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["x.wav,sad", "notes.txt,sad"], "notes.txt"),
        (["x.wav,sad", "x.wav,sad"], "x.wav"),
        (["x.wav,sad", "./a/../x.wav,sad"], "x.wav"),
        ([",sad"], "row 1"),
        (["x.wav,sad", "x.mp4,happy"], "x.mp4"),
    ],
)
def test_a_wrong_list_is_refused_with_the_row(tmp_path, lines, named):
    with pytest.raises(TableError) as error:
        folder.read_list(listed(tmp_path, "path,label", *lines))
    assert named in str(error.value)


@pytest.mark.parametrize("url", ["https://example.org/a.mp4", "s3://bucket/a.wav"])
def test_a_url_is_refused_and_the_other_recordings_are_kept(tmp_path, url):
    touch(tmp_path, "talk.wav")
    clips, (error,) = folder.gather([url, tmp_path / "talk.wav"])
    assert (list(clips.index), error.path) == (["talk"], url)
    with pytest.raises(SerError):
        folder.index(url)
    path = listed(tmp_path, "path,label", f"{url},sad", "talk.wav,sad")
    with pytest.raises(SerError):
        folder.read_list(path)
    paths, _ = folder.listed_paths(path)
    assert [len(part) for part in folder.gather(paths)] == [1, 1]
