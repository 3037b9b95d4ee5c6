"""nEMO and TESS, whose file names say everything, and several data sets together."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser import datasets
from multimodal_ser.audio import signal
from multimodal_ser.datasets import nemo, tess
from multimodal_ser.errors import MediaError, SerError, TableError
from multimodal_ser.tables import EMOTIONS, actor_groups, check_clips, make_clips

FILES = {
    nemo: ("samples/EB0_anger_1.wav", "samples/EB0_fear_1.wav", "samples/WR0_surprised_90.wav"),
    tess: ("OAF_angry/OAF_back_angry.wav", "OAF_neutral/OA_bite_neutral.wav", "YAF_back_ps.wav"),
}
EXPECTED = {
    nemo: {
        "nemo/EB0_anger_1": ("angry", "EB0", "female", "1"),
        "nemo/EB0_fear_1": ("fearful", "EB0", "female", "1"),
        "nemo/WR0_surprised_90": ("surprised", "WR0", "male", "90"),
    },
    tess: {
        "tess/OAF_back_angry": ("angry", "OAF", "female", "back"),
        "tess/OAF_bite_neutral": ("neutral", "OAF", "female", "bite"),
        "tess/YAF_back_ps": ("surprised", "YAF", "female", "back"),
    },
}


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


@pytest.fixture(params=[nemo, tess], ids=lambda module: module.NAME)
def module(request):
    return request.param


@pytest.fixture
def folder(tmp_path, module):
    return touch(tmp_path, *FILES[module])


def test_names_become_rows(module, folder):
    clips = check_clips(module.index(folder))
    columns = ["emotion", "actor", "sex", "statement"]
    rows = {clip: tuple(row) for clip, *row in clips[columns].itertuples()}
    assert rows == EXPECTED[module]
    assert set(clips["dataset"]) == {module.NAME}
    assert clips["audio"].str.endswith(".wav").all() and clips["video"].isna().all()


def test_emotions_are_those_of_the_project_and_calm_is_not_among_them(module):
    told = set(module.EMOTION_OF.values())
    assert told < set(EMOTIONS) and "calm" not in told
    assert len(told) == len(module.EMOTION_OF) == {nemo: 6, tess: 7}[module]


def test_of_two_copies_the_lossless_is_used_and_validate_names_all_problems(module, folder):
    first = FILES[module][0]
    touch(folder, first.replace(".wav", ".mp3"), "notes.wav")

    def probe(path):
        if path.name == FILES[module][1].split("/")[-1]:
            raise MediaError(path, "it is empty (0 bytes)", "copy it again")

    assert module.index(folder)["audio"].str.endswith(".wav").all()
    problems = module.validate(folder, probe)
    found = set(zip(problems["kind"], problems["path"].str.rsplit("/").str[-1], strict=True))
    assert {
        ("doubled", first.split("/")[-1].replace(".wav", ".mp3")),
        ("misnamed", "notes.wav"),
        ("unreadable", FILES[module][1].split("/")[-1]),
    } <= found


def test_what_nemos_list_names_is_missed(tmp_path):
    touch(tmp_path, *FILES[nemo])
    assert nemo.validate(tmp_path).empty
    rows = ["file_id\temotion", "EB0_anger_1.wav\tanger", "KS0_fear_3.wav\tfear"]
    (tmp_path / "data.tsv").write_text("\n".join(rows))
    problems = nemo.validate(tmp_path)
    assert problems["kind"].tolist() == ["missing"]
    assert "KS0_fear_3" in problems["detail"][0]
    for damage in ("", "a\tb\n1\t2\n", "file_id\nnotes.wav\n"):
        (tmp_path / "data.tsv").write_text(damage)
        with pytest.raises(TableError):
            nemo.validate(tmp_path)


def test_tess_misses_the_other_takes_of_each_word(tmp_path):
    problems = tess.validate(touch(tmp_path, *FILES[tess]))
    # Two words in seven emotions by each speaker; OAF has two takes, YAF one.
    assert [text.split()[0] for text in problems["detail"]] == ["12", "13"]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nemo, "EB0_calm_1"),
        (nemo, "ZZ0_anger_1"),
        (nemo, "EB0_anger"),
        (tess, "OAF_back_calm"),
        (tess, "XAF_back_angry"),
        (tess, "03-01-06-01-02-01-12"),
    ],
)
def test_names_that_do_not_exist_are_refused(module, name, tmp_path):
    with pytest.raises(SerError):
        module.parse_name(f"{name}.wav")
    with pytest.raises(SerError):
        module.index(touch(tmp_path, f"{name}.wav"))


def test_a_folder_is_recognised_by_what_most_of_its_files_are_called(module, folder, tmp_path):
    assert datasets.recognise(folder) == module.NAME
    pd.testing.assert_frame_equal(datasets.index(folder), module.index(folder))
    touch(folder, *(f"own/talk {number}.wav" for number in range(4)))
    assert datasets.recognise(folder) == "folder"
    assert datasets.recognise(touch(tmp_path / "r", "03-01-06-01-02-01-12.wav")) == "ravdess"
    assert datasets.recognise(touch(tmp_path / "c", "1001_DFA_ANG_XX.mp3")) == "cremad"


def test_people_and_clips_of_several_folders_are_never_one(tmp_path):
    for place in ("a/may", "b/may"):
        touch(tmp_path / place, "happy/01.wav", "sad/02.wav")
    roots = [tmp_path / "a/may", tmp_path / "b/may", touch(tmp_path / "t", *FILES[tess])]
    clips = datasets.index(roots)
    assert clips["dataset"].value_counts().to_dict() == {"may": 2, "may-2": 2, "tess": 3}
    assert {"may/happy/01", "may-2/happy/01", "tess/YAF_back_ps"} <= set(clips.index)
    someone = clips.assign(actor="01")
    assert len(set(actor_groups(someone))) == 3


def test_parts_of_one_corpus_stay_one_and_a_clip_in_two_of_them_is_refused(tmp_path):
    one = touch(tmp_path / "one", "OAF_back_angry.wav")
    two = touch(tmp_path / "two", "OAF_back_sad.wav")
    clips = datasets.index([one, two], "tess")
    assert set(clips["dataset"]) == {"tess"} and set(actor_groups(clips)) == {"tess/OAF"}
    with pytest.raises(TableError):
        datasets.index([one, one])


def test_data_sets_are_one_for_all_or_one_for_each(tmp_path):
    with pytest.raises(SerError):
        datasets.index([tmp_path, tmp_path, tmp_path], ["tess", "nemo"])
    assert datasets.paired(["a", "b"], ["tess", "nemo"]) == ["tess", "nemo"]
    assert datasets.paired(["a", "b"], []) == [None, None]


def test_a_table_of_no_data_set_is_named_after_its_file():
    clips = make_clips([{"clip": "a", "actor": "1"}])
    both = datasets.joined([("x/mine.csv", clips), ("y/theirs.v2", clips)])
    assert both["dataset"].to_dict() == {"mine/a": "mine", "theirs.v2/a": "theirs.v2"}


@pytest.mark.real_data
@pytest.mark.parametrize(("module", "count", "actors"), [(nemo, 2988, 9), (tess, 1400, 2)])
def test_the_real_recordings(shared_data, module, count, actors):
    clips = module.index(shared_data / module.NAME)
    said = pd.read_csv(shared_data / module.NAME / "labels.csv", dtype="string")
    said.index = f"{module.NAME}/" + said["path"].str.removesuffix(".ogg")
    said = said.loc[clips.index]
    assert (len(clips), clips["actor"].nunique()) == (count, actors)
    assert (clips["emotion"].astype("string") == said["label"]).all()
    assert (clips[["actor", "sex"]] == said[["actor", "sex"]]).all(axis=None)
    heard = signal.read(clips["audio"].iloc[0], rate_hz=16000)
    assert 0.5 < len(heard) / 16000 < 10 and np.abs(heard).max() > 0.01
    assert set(module.validate(shared_data / module.NAME)["kind"]) <= {"missing"}
