import pytest

from multimodal_ser.datasets import ravdess
from multimodal_ser.errors import MediaError, SerError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


TAKE = "01-06-01-02-01-12"


@pytest.mark.parametrize(
    "arrangement",
    [
        ["Actor_12/03-{}.wav", "Actor_12/01-{}.mp4"],
        ["03-{}.wav", "01-{}.mp4"],
        ["sound/Actor_12/03-{}.flac", "film/Video_Speech_Actor_12/Actor_12/01-{}.mp4"],
        ["a/b/c/03-{}.OGG", "x/01-{}.AVI"],
    ],
)
def test_a_take_is_one_clip_in_any_arrangement(tmp_path, arrangement):
    clips = ravdess.index(touch(tmp_path, *(name.format(TAKE) for name in arrangement)))
    assert list(clips.index) == [f"ravdess/{TAKE}"]
    row = clips.iloc[0]
    assert row["audio"].endswith(arrangement[0].format(TAKE))
    assert row["video"].endswith(arrangement[1].format(TAKE))
    assert (row["emotion"], row["actor"], row["sex"]) == ("fearful", "12", "female")
    assert (row["intensity"], row["statement"], row["channel"]) == ("normal", "02", "speech")


def test_a_film_with_sound_serves_as_both(tmp_path):
    clips = ravdess.index(touch(tmp_path, f"01-{TAKE}.mp4"))
    assert clips["audio"].item() == clips["video"].item()


def test_a_silent_film_has_no_sound(tmp_path):
    clips = ravdess.index(touch(tmp_path, f"02-{TAKE}.mp4"))
    assert clips["audio"].isna().item()
    assert clips["video"].notna().item()


def test_sound_alone_is_preferred_to_the_films_and_the_film_with_sound_to_the_silent(tmp_path):
    names = [f"{modality}-{TAKE}.{ending}" for modality, ending in (("01", "mp4"), ("02", "mp4"))]
    row = ravdess.index(touch(tmp_path, *names, f"03-{TAKE}.wav")).iloc[0]
    assert row["audio"].endswith(f"03-{TAKE}.wav")
    assert row["video"].endswith(f"01-{TAKE}.mp4")


def test_hidden_files_of_unpacked_archives_are_left_out(tmp_path):
    touch(tmp_path, f"03-{TAKE}.wav", f"._03-{TAKE}.wav", f".Trash/03-{TAKE}.wav")
    assert ravdess.validate(tmp_path).query("kind == 'doubled'").empty


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("holiday.wav", "holiday.wav"),
        ("03-01-06-01-02-01.wav", "03-01-06-01-02-01.wav"),
        ("03-01-09-01-02-01-12.wav", "emotion 09"),
        ("03-01-06-01-02-01-25.wav", "actor 25"),
        ("00-01-06-01-02-01-12.wav", "modality 00"),
        ("03-01-06-01-02-01-12 (1).wav", "03-01-06-01-02-01-12 (1).wav"),
    ],
)
def test_a_wrong_name_says_which_field(name, words):
    with pytest.raises(SerError) as error:
        ravdess.parse_name(name)
    assert words in str(error.value)


def test_a_folder_without_ravdess_names_says_what_to_do(tmp_path):
    with pytest.raises(SerError) as error:
        ravdess.index(touch(tmp_path, "holiday.wav"))
    assert "--dataset folder" in str(error.value)


def test_a_wrong_path_is_named():
    with pytest.raises(SerError) as error:
        ravdess.index("no/such")
    assert "no/such" in str(error.value)


def test_validate_names_every_kind_of_problem(tmp_path):
    touch(tmp_path, f"03-{TAKE}.wav", f"copy/03-{TAKE}.wav", "holiday.wav")
    (tmp_path / "copy" / f"03-{TAKE}.wav").write_bytes(f"03-{TAKE}.wav".encode())

    def probe(path):
        if path.name == "holiday.wav":
            raise MediaError(path, "broken", "mend it")

    problems = ravdess.validate(tmp_path, probe)
    assert set(problems["kind"]) == {"misnamed", "doubled", "identical", "unreadable", "missing"}
    missing = problems[problems["kind"] == "missing"]["detail"]
    assert missing.str.startswith("59 of 60 speech audio-only files of actor 12").any()


def test_the_whole_set_lacks_nothing(tmp_path):
    names = [
        f"03-{clip.removeprefix('ravdess/')}.wav"
        for channel in ("01", "02")
        for actor in ravdess.ACTORS
        for clip in ravdess.expected_takes(channel, actor)
    ]
    assert len(names) == 1440 + 1012
    assert ravdess.validate(touch(tmp_path, *names)).empty


def test_a_loop_of_links_ends(tmp_path):
    touch(tmp_path, f"a/03-{TAKE}.wav")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert len(ravdess.index(tmp_path)) == 1


@pytest.mark.real_data
def test_the_real_tree(shared_data):
    clips = ravdess.index(shared_data / "ravdess")
    speech = clips[clips["channel"] == "speech"]
    assert (len(speech), len(clips) - len(speech)) == (1440, 1012)
    assert speech["actor"].nunique() == 24
    assert clips["video"].notna().sum() == 4
    twins = ravdess.validate(shared_data / "ravdess" / "original_wav")
    assert "03-01-03-01-02-02-07" in twins.query("kind == 'identical'")["path"].item()
