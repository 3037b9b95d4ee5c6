"""What ``train``, ``benchmark`` and ``extract`` offer for the sound, by the command alone."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser import datasets
from multimodal_ser.audio import classifiers, features, training_conditions
from multimodal_ser.cli import arguments, main, requests
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.parallel import Engine
from multimodal_ser.errors import SerError
from multimodal_ser.estimators.neighbours import Neighbours
from multimodal_ser.evaluation import runs, search
from multimodal_ser.fusion import aggregate
from multimodal_ser.fusion.strangeness import Strangeness
from multimodal_ser.tables import io as tableio
from multimodal_ser.tables import labels
from multimodal_ser.video import backbones
from multimodal_ser.workflows import benchmarking, training
from multimodal_ser.workflows.inference import load_model
from multimodal_ser.workflows.novelty import Novelty
from multimodal_ser.workflows.recipes import PRESETS, text_of

pytestmark = pytest.mark.usefixtures("any_sound")
ACTORS = ("01", "02", "03", "04")
#: The fastest of the sets, and a classifier that takes no time.
QUICK = ("--features", "mfcc_chroma_mel", "--audio", "decision_tree", "--inner-folds", "2")
HEARD = ("--modalities", "audio", *QUICK)


def tone(path, hertz):
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(4000) / 16000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * times), 16000)


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Short tones under RAVDESS's and CREMA-D's names: ``speech``, ``song`` and ``cremad``."""
    folder = tmp_path_factory.mktemp("voices")
    for actor in ACTORS:
        for emotion in range(1, 9):
            hertz = 150 * 1.2**emotion + 5 * int(actor)
            name = f"{emotion:02d}-01-01-01-{actor}.wav"
            tone(folder / "speech" / f"Actor_{actor}" / f"03-01-{name}", hertz)
            if emotion <= 6:
                tone(folder / "song" / f"Actor_{actor}" / f"03-02-{name}", hertz + 20)
    for actor in (1001, 1002):
        for code, hertz in (("ANG", 300), ("SAD", 500), ("HAP", 700)):
            tone(folder / "cremad" / "AudioWAV" / f"{actor}_DFA_{code}_XX.wav", hertz + actor % 9)
    people = "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,x,y\n1002,21,Female,x,y\n"
    (folder / "cremad" / "VideoDemographics.csv").write_text(people)
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("kept"))


@pytest.fixture(autouse=True)
def in_process(monkeypatch, kept):
    """Every clip is read here: starting a process takes longer than all these tones."""
    work = {"cache": kept, "workers": Engine(1, in_process=True), "progress": False}
    monkeypatch.setattr(requests, "work_of", lambda _options: dict(work))


@pytest.fixture
def nothing_is_read(monkeypatch):
    def read(*_args, **_kwargs):
        raise AssertionError("a recording was opened")

    monkeypatch.setattr("multimodal_ser.audio.extract.map_clips", read)
    monkeypatch.setattr("multimodal_ser.video.extract.map_clips", read)
    monkeypatch.setattr("multimodal_ser.audio.augment.map_clips", read)


def run_of(words, folder):
    assert main([*map(str, words), "--run", str(folder)]) == 0
    return runs.read_run(folder)


def test_the_names_in_the_help_are_those_of_the_rooms():
    assert arguments._LABELS == labels.NAMES
    assert arguments._BACKBONES == backbones.NAMES
    assert arguments._POOLINGS == aggregate.NAMES
    assert arguments._SEARCHES == search.METHODS
    assert tuple(PRESETS) == arguments._PRESETS


@pytest.mark.parametrize("verb", ["extract", "train", "benchmark"])
def test_help_names_everything_there_is_to_choose(verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "2000")
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    shown = capsys.readouterr().out
    for names in (classifiers.NAMES, features.NAMES, backbones.NAMES):
        assert f"{', '.join(names)}" in shown
    assert all(name in shown for name in datasets.NAMES)
    assert all(name in shown for name in PRESETS)
    assert verb == "extract" or ", ".join(labels.NAMES) in shown


def test_a_folder_of_both_channels_is_one_or_the_other(voices, tmp_path, capsys):
    for channel, count in (("speech", 32), ("song", 24), ("both", 56)):
        path = tmp_path / f"{channel}.csv"
        words = ["index", str(voices), "--channel", channel, "--sex", "male"]
        assert main([*words, "--output", str(path)]) == 0
        table = tableio.read_clips(path)
        assert set(table["actor"]) == {"01", "03"}
        assert len(table) == count / 2
    assert "left out" not in capsys.readouterr().err


def test_clips_of_an_unknown_sex_are_left_out_and_told(voices, tmp_path, capsys):
    main(["index", str(voices / "speech"), "--output", str(tmp_path / "c.csv")])
    table = pd.read_csv(tmp_path / "c.csv", dtype="string")
    table.loc[table["actor"] == "03", "sex"] = pd.NA
    table.to_csv(tmp_path / "c.csv", index=False)
    assert main(["index", str(tmp_path / "c.csv"), "--sex", "male"]) == 0
    said = capsys.readouterr()
    assert "8 clips of 1 actors" in said.out
    assert "8 clip(s)" in said.err


def test_a_crema_folder_is_read_by_its_names(voices, capsys):
    assert main(["index", str(voices / "cremad"), "--dataset", "cremad"]) == 0
    assert "6 clips of 2 actors" in capsys.readouterr().out
    assert main(["validate", str(voices / "cremad"), "--dataset", "cremad"]) == 1
    assert "89 of 91 actors" in capsys.readouterr().out


def test_the_song_of_a_held_out_actor_never_reaches_the_fit(voices, tmp_path, fits):
    words = ["benchmark", voices / "speech", "--protocol", "leave_one_actor_out", *HEARD]
    run = run_of([*words, "--extra", voices / "song"], tmp_path)
    assert set(run.clips["channel"]) == {"speech"}
    assert set(run.models[0].probabilities.index) == set(run.clips.index)
    assert len(fits) == 3 * len(ACTORS)  # two inner folds, and all that may be learnt
    for _, learnt, validation in fits:
        spoken = set(learnt.loc[learnt["channel"] == "speech", "actor"])
        sung = learnt.loc[learnt["channel"] == "song", "actor"]
        assert set(sung) == spoken < set(ACTORS)
        assert (sung.value_counts() == 6).all()
        assert validation is None or not set(validation["actor"]) & set(learnt["actor"])
    counts = [len(set(learnt["actor"])) for _, learnt, _ in fits]
    assert sorted(counts) == [1] * 4 + [2] * 4 + [3] * 4


def test_one_folder_gives_speech_to_test_and_song_to_learn_from(voices, tmp_path, fits, capsys):
    both = ["benchmark", voices, "--channel", "speech", "--extra", voices]
    run = run_of([*both, "--protocol", "actors", *HEARD], tmp_path)
    assert len(run.clips) == 32
    assert "extra: 24 clips of 4 actors" in capsys.readouterr().err
    assert {"speech", "song"} == set(fits[0][1]["channel"])


def test_another_corpus_is_learnt_from_and_of_one_sex_where_that_is_wanted(voices, tmp_path, fits):
    extra = ["--extra", f"cremad={voices / 'cremad'}", "--extra", voices / "song"]
    words = ["train", voices / "speech", "--video", "none", *QUICK, "--labels", "four", *extra]
    assert main([*map(str, words), "--sex", "female", "--output", str(tmp_path)]) == 0
    _, learnt, _ = fits[-1]
    assert set(learnt["dataset"]) == {"ravdess", "cremad"}
    assert set(learnt["sex"]) == {"female"}
    assert set(learnt.loc[learnt["dataset"] == "cremad", "actor"]) == {"1002"}
    assert (
        load_model(tmp_path).labels
        == labels.labels_of("four")
        == tuple(learnt["emotion"].cat.categories)
    )


def test_copies_are_learnt_from_with_their_actor_alone(voices, tmp_path, fits):
    words = ["benchmark", voices / "speech", "--protocol", "leave_one_actor_out", *HEARD]
    run = run_of([*words, "--copies", 2], tmp_path)
    assert len(run.clips) == 32
    for _, learnt, _ in fits:
        copied = learnt.index.str.contains("#")
        assert copied.sum() == 2 * (~copied).sum() > 0
        assert set(learnt.loc[copied, "actor"]) == set(learnt.loc[~copied, "actor"]) < set(ACTORS)


def test_copies_are_made_as_if_recorded_elsewhere_where_that_is_asked_for(
    voices, tmp_path, fits, monkeypatch
):
    heard = []
    own = training_conditions.augment_recording
    monkeypatch.setattr(
        training_conditions, "augment_recording", lambda *a: heard.append(1) or own(*a)
    )
    words = ["benchmark", voices / "speech", "--protocol", "actors", *HEARD]
    run = run_of([*words, "--copies", 1, "--conditions"], tmp_path / "run")
    assert "recorded elsewhere" in run.title and len(run.clips) == 32
    assert 0.5 * 32 < len(heard) <= 32
    words += ["--run", tmp_path / "none", "--conditions"]
    assert main([*map(str, words)]) == 2


def test_labels_reach_the_run_its_report_and_its_title(voices, tmp_path, capsys):
    words = ["benchmark", voices / "speech", "--protocol", "actors", *HEARD]
    run = run_of([*words, "--labels", "sex_emotion16"], tmp_path)
    assert tuple(run.labels) == labels.labels_of("sex_emotion16")
    assert (run.clips["emotion"].str.split("_").str[0] == run.clips["sex"]).all()
    assert run.title.endswith("labels sex_emotion16")
    assert "female_surprised" in (tmp_path / "report.html").read_text()
    assert "32 of 32 clips" in capsys.readouterr().err


@pytest.mark.parametrize(("scheme", "leaky"), [("actors", False), ("random_leaky", True)])
def test_saved_folds_give_the_same_run_and_stay_what_they_are(voices, tmp_path, scheme, leaky):
    words = ["benchmark", voices / "speech", *HEARD]
    file = tmp_path / "folds.csv"
    first = run_of([*words, "--protocol", scheme, "--save-folds", file], tmp_path / "a")
    second = run_of([*words, "--protocol", file], tmp_path / "b")
    assert second.protocol == "folds.csv"
    assert first.leaky == second.leaky == leaky
    pd.testing.assert_series_equal(
        first.models[0].folds.sort_index(), second.models[0].folds.sort_index()
    )
    one, two = (run.models[0].probabilities.sort_index() for run in (first, second))
    pd.testing.assert_frame_equal(one, two)
    assert str(tmp_path) not in (tmp_path / "b" / "run.json").read_text()


def test_a_changed_table_of_folds_is_not_taken_for_the_finished_one(voices, tmp_path):
    words = ["benchmark", voices / "speech", *HEARD, "--protocol", tmp_path / "folds.csv"]
    runs_ = []
    for held in ("01", "02"):  # as if the first were interrupted at its very end
        (tmp_path / "run" / "run.json").unlink(missing_ok=True)
        table = pd.DataFrame({"actor": [held, "03"], "fold": ["same", "other"]})
        table.to_csv(tmp_path / "folds.csv", index=False)
        runs_.append(run_of(words, tmp_path / "run"))
    tested = [set(run.clips.loc[run.models[0].probabilities.index, "actor"]) for run in runs_]
    assert tested == [{"01", "03"}, {"02", "03"}]


@pytest.mark.parametrize("feature_set", ["log_mel", "mel_image", "spectral_mean_std"])
def test_features_of_any_shape_are_written_as_arrays(voices, tmp_path, kept, feature_set):
    path = tmp_path / "f.npz"
    words = ["extract", str(voices / "song"), "--video", "none", "--features", feature_set]
    assert main([*words, "--output", str(path)]) == 0
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    module = features.load(feature_set)
    assert set(found) == {"clips", "values", "names"}
    assert found["names"].tolist() == list(module.names())
    assert found["values"].shape == (24, *features.shape(feature_set))
    assert sorted(found["clips"]) == found["clips"].tolist()
    samples, _ = soundfile.read(voices / "song" / "Actor_02" / "03-02-03-01-01-01-02.wav")
    at = found["clips"].tolist().index("ravdess/02-03-01-01-01-02")
    if module.RATE_HZ == 16000:  # as recorded, so no resampling lies between
        np.testing.assert_allclose(
            found["values"][at], module.extract(np.float32(samples)), atol=0.01
        )
    assert found["values"].dtype == module.extract(np.zeros(9000, np.float32)).dtype


def test_a_table_and_the_arrays_hold_the_same(voices, tmp_path):
    words = ["extract", str(voices / "song"), "--video", "none", "--features", "spectral_mean_std"]
    for ending in ("csv", "npz"):
        assert main([*words, "--output", str(tmp_path / f"f.{ending}")]) == 0
    table = tableio.read(tmp_path / "f.csv").set_index("clip")
    arrays = np.load(tmp_path / "f.npz")
    assert table.index.tolist() == arrays["clips"].tolist()
    assert table.columns.tolist() == arrays["names"].tolist()
    np.testing.assert_allclose(table, arrays["values"], rtol=1e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["extract", "--features", "log_mel", "--output", "{tmp}/f.csv"], ".npz"),
        (["extract", "--features", "waveform", "--output", "{tmp}/f.parquet"], ".npz"),
        (
            ["extract", "--features", "mfcc_rms", "--output", "{tmp}/f.txt"],
            ".csv, .json, .parquet, .npz",
        ),
        (["extract", "--output", "{tmp}/f.csv"], "2"),
        (["extract", "--audio", "none", "--output", "{tmp}/f.csv"], "0"),
        (["extract", "--features", "mel"], ", ".join(features.NAMES)),
        (["extract", "--video", "cnn"], ", ".join(backbones.NAMES)),
        (["train", "--features", "log_mel"], "(n_values,)"),
        (["train", "--audio", "resnet18"], "(height"),
        (["train", "--audio", "svm"], ", ".join(classifiers.NAMES)),
        (["train", "--video", "cnn"], ", ".join(backbones.NAMES)),
        (["train", "--fusion", "sum"], "product"),
        (["train", "--channel", "song"], "speech"),
        (["train", "--sex", "male", "--labels", "sex"], "16"),
        (["train", "--extra", "{speech}"], "32"),
        (["train", "--extra", "cremad={speech}"], "speech"),
        (["train", "--audio", "none", "--copies", "1"], "audio"),
        (["train", "--audio", "none", "--search", "1"], "audio"),
        (["train", "--search", "2", "--search-metric", "acc"], "balanced_accuracy"),
        (["benchmark", "--audio", "svc,resnet18", "--modalities", "audio"], "resnet18"),
        (["benchmark", "--modalities", "audio", "--audio", "none"], "audio"),
        (["benchmark", "--protocol", "kfold"], "luna5"),
        (["benchmark", "--protocol", "aei"], "01, 02, 03, 04"),
        (["benchmark", "--protocol", "actors", "--output", "{tmp}/s.xls"], ".csv"),
        (["benchmark", "--protocol", "actors", "--save-folds", "{tmp}/f.txt"], ".csv"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_read(
    words, said, voices, tmp_path, capsys, nothing_is_read
):
    verb, *rest = (word.format(tmp=tmp_path, speech=voices / "speech") for word in words)
    output = ["--output", str(tmp_path / "m")] if verb == "train" else []
    assert main([verb, str(voices / "speech"), *output, *rest]) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
    assert said in line


@pytest.mark.parametrize(
    ("column", "words", "said"),
    [
        ("sex", ["--labels", "sex_emotion16"], "sex"),
        ("sex", ["--sex", "male"], "sex"),
        ("channel", ["--channel", "song"], "channel"),
        ("actor", ["--copies", "1"], "actor"),
        ("actor", ["--extra", "{song}"], "actor"),
        ("dataset", ["--extra", "{song}"], "ravdess"),
    ],
)
def test_a_clips_table_without_a_column_that_is_needed(
    column, words, said, voices, tmp_path, capsys, nothing_is_read
):
    main(["index", str(voices / "speech"), "--output", str(tmp_path / "c.csv")])
    table = pd.read_csv(tmp_path / "c.csv", dtype="string").drop(columns=column)
    table.to_csv(tmp_path / "c.csv", index=False)
    words = [word.format(song=voices / "song") for word in words]
    command = ["benchmark", str(tmp_path / "c.csv"), "--protocol", "actors", *HEARD, *words]
    assert main(command) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--copies", "-1"], ["--labels", "nine"], ["--channel", "x"]])
def test_a_wrong_word_ends_with_status_2(words, voices, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", str(voices), "--output", "m", *words])
    assert caught.value.code == 2
    assert f"argument {words[0]}" in capsys.readouterr().err


def test_the_licence_of_opensmile_is_said_where_it_is_chosen(
    voices, capsys, caplog, nothing_is_read
):
    from multimodal_ser.audio.opensmile_sets import extractor

    extractor.cache_clear()
    words = ["train", str(voices), "--features", "egemaps", "--channel", "both", "--output", "m"]
    if find_spec("opensmile"):
        with pytest.raises(AssertionError):
            main(words)
    else:
        assert main(words) == 2
    assert "research" in capsys.readouterr().err + caplog.text


def test_what_a_search_found_is_in_the_model_and_its_record(voices, tmp_path, capsys):
    words = ["train", voices / "speech", "--video", "none", "--features", "mfcc_chroma_mel"]
    words += ["--audio", "decision_tree", "--search", 3, "--inner-folds", 2]
    assert main([*map(str, words), "--output", str(tmp_path)]) == 0
    name = "mfcc_chroma_mel:decision_tree"
    record = json.loads((tmp_path / "run.json").read_text())["chosen"][name]
    assert record["metric"] == "balanced_accuracy"
    assert len(record["trials"]) == 3
    assert record["score"] == pytest.approx(max(t["score"] for t in record["trials"]), abs=1e-6)
    model = load_model(tmp_path).learners[name]
    assert model.params == record["params"]
    space = classifiers.load("decision_tree").SEARCH
    assert all(value in space[name] for name, value in model.params.items())
    shown = capsys.readouterr().out
    assert all(f"{name} {value}" in shown for name, value in model.params.items())


@pytest.fixture
def asked(monkeypatch):
    """What trainings and benchmarks are asked for; nothing is read for them."""
    seen = []

    def spy(clips, recipes, *rest, **_how):
        seen.append((clips, recipes if isinstance(recipes, list) else [recipes], rest))
        raise SerError("that is all there is to see")

    monkeypatch.setattr(benchmarking, "benchmark", spy)
    monkeypatch.setattr(training, "train", spy)
    return seen


@pytest.mark.parametrize(
    ("words", "channels", "protocol", "audio", "video"),
    [
        ([], {"speech"}, "luna5", PRESETS["best"].audio, "fer_resnet"),
        (["--preset", "best"], {"speech"}, "luna5", PRESETS["best"].audio, "fer_resnet"),
        (["--preset", "aei2019"], {"speech", "song"}, "aei", "mfcc_rms:svc", "fer_cnn"),
        (["--channel", "both"], {"speech", "song"}, "luna5", PRESETS["best"].audio, "fer_resnet"),
        (["--protocol", "actors"], {"speech"}, "actors", PRESETS["best"].audio, "fer_resnet"),
        (["--features", "mfcc_rms"], {"speech"}, "luna5", "mfcc_rms:vote", "fer_resnet"),
        (
            ["--preset", "aei2019", "--features", "functionals", "--video", "fer_resnet"],
            {"speech", "song"},
            "aei",
            "functionals:svc",
            "fer_resnet",
        ),
        (
            ["--audio", "log_mel:rnn+knn"],
            {"speech"},
            "luna5",
            "log_mel:rnn+mfcc_rms:knn",
            "fer_resnet",
        ),
    ],
)
def test_presets_on_ravdess(words, channels, protocol, audio, video, voices, asked):
    assert main(["benchmark", str(voices), *words]) == 2
    ((clips, (recipe,), (scheme,)),) = asked
    assert set(clips["channel"]) == channels and scheme == protocol
    assert (text_of(recipe.audio), text_of(recipe.video)) == (audio, video)
    if "--protocol" not in words:
        assert main(["train", str(voices), "--output", "m", *words]) == 2
        clips, (trained,), _ = asked[1]
        assert set(clips["channel"]) == channels and trained == recipe


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_elsewhere_take_all_clips_and_general_folds(preset, voices, asked):
    words = ["benchmark", str(voices / "cremad"), "--dataset", "cremad", "--preset", preset]
    assert main(words) == 2
    ((clips, (recipe,), (scheme,)),) = asked
    assert len(clips) == 6 and scheme == "actors"
    assert text_of(recipe.audio) == PRESETS[preset].audio


def test_models_of_several_texts_are_measured_side_by_side(voices, asked):
    words = ["benchmark", str(voices), "--audio", "knn,functionals:svc+knn"]
    assert main([*words, "--video", "action_units=units.csv:svc,none"]) == 2
    assert main([*words, "--modalities", "audio,video"]) == 2
    together, apart = ([one.name_of("fused") for one in recipes] for _, recipes, _ in asked)
    heard = ["mfcc_rms:knn", "functionals:svc+mfcc_rms:knn"]
    pairs = [[f"{name} + action_units:svc", name] for name in heard]
    assert together == [name for pair in pairs for name in pair]
    assert apart == [heard[0], "fer_resnet", heard[1], "fer_resnet"]


@pytest.fixture
def listed(tmp_path):
    """A list of tones of four actors, path and label."""
    rows = []
    for actor in ACTORS:
        for number, (label, hertz) in enumerate((("happy", 300), ("sad", 500), ("angry", 800))):
            name = f"take{number}-{actor}.wav"
            tone(tmp_path / "tones" / name, hertz + 7 * int(actor))
            rows.append({"path": f"tones/{name}", "label": label, "actor": actor})
    return pd.DataFrame(rows)


def test_a_list_of_paths_and_labels_trains_and_is_predicted(listed, tmp_path, capsys):
    listed.drop(columns="actor").to_csv(tmp_path / "list.csv", index=False)
    model = str(tmp_path / "model")
    words = ("train", str(tmp_path / "list.csv"), "--video", "none", *QUICK, "--output", model)
    assert main(words) == 0
    told = str(tmp_path / "told.csv")
    words = ("predict", str(tmp_path / "list.csv"), "--model", model, "--output", told)
    assert main(words) == 0
    assert "12 clip(s) predicted" in capsys.readouterr().out
    assert pd.read_csv(told)["path"].nunique() == 12
    wrong = [{"path": "gone.wav"}, {"path": "list.csv"}, {"path": None, "label": "sad"}]
    listed["label"] = "joyful"  # nothing is learnt from it
    pd.concat([listed, pd.DataFrame(wrong)]).to_csv(tmp_path / "list.csv", index=False)
    assert main(words) == 1
    said = capsys.readouterr()
    assert "12 clip(s) predicted" in said.out
    for part in ("gone.wav", "list.csv", "row 15"):
        assert part in said.err


@pytest.mark.parametrize("known", [True, False])
def test_a_benchmark_of_unknown_speakers_is_marked_leaky(listed, tmp_path, capsys, known):
    (listed if known else listed.drop(columns="actor")).to_csv(tmp_path / "l.csv", index=False)
    folder = tmp_path / "run"
    words = ("benchmark", str(tmp_path / "l.csv"), *HEARD, "--protocol", "actors")
    assert main((*words, "--run", str(folder))) == 0
    assert runs.read_run(folder).leaky != known
    assert ("12 clip(s)" in capsys.readouterr().err) != known


def test_several_folders_are_recognised_and_left_out_in_turn(voices, tmp_path, capsys):
    words = ["benchmark", voices / "speech", voices / "cremad", "--protocol", "corpora", *HEARD]
    table = tmp_path / "scores.csv"
    run = run_of([*words, "--output", table], tmp_path / "run")
    assert set(run.clips["dataset"]) == {"ravdess", "cremad"}
    assert set(run.clips["emotion"]) == {"angry", "happy", "sad"}
    scores = tableio.read(table).set_index("data_set")
    assert scores["n"].to_dict() == {"all": 18, "cremad": 6, "ravdess": 12}
    assert scores["interval_over"].to_dict()["cremad"] == "clips"
    shown = capsys.readouterr().out
    assert all(len(line.rstrip()) <= 80 for line in shown.splitlines() if "report" not in line)
    lines = [line.split() for line in shown.splitlines()]
    assert [line[0] for line in lines if line and line[0] in scores.index] == list(scores.index)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "livingstone2018ravdess" in page and "cao2014cremad" in page and "cremad *" in page


def test_training_takes_several_folders_each_read_as_it_is_said(voices, tmp_path, fits):
    both = [voices / "speech", voices / "cremad", "--dataset", "ravdess", "--dataset", "cremad"]
    words = ["train", *both, "--video", "none", *QUICK, "--labels", "emotions4"]
    assert main([*map(str, words), "--output", str(tmp_path)]) == 0
    learnt = fits[-1][1]
    assert learnt["dataset"].value_counts().to_dict() == {"ravdess": 20, "cremad": 6}
    assert json.loads((tmp_path / "run.json").read_text())["actors"][0] == "cremad/1001"
    evaluated = ["evaluate", str(voices / "cremad"), "--model", str(tmp_path)]
    assert main([*evaluated, "--labels", "emotions4"]) == 0
    assert main(["index", *map(str, both), "--dataset", "tess"]) == 2


def test_one_model_predicts_as_it_is_and_adapted_to_a_person_or_a_set(voices, tmp_path, capsys):
    speech, model, out = voices / "speech", tmp_path / "m", tmp_path / "p.csv"
    # A classifier that answers in shares, so that what adapts shows.
    how = ("--video", "none", "--audio", "mfcc_rms:logistic_regression")
    words = ["train", str(speech), "--output", str(model), *how, "--inner-folds", "2"]
    assert main([*words, "--adapt", "both"]) == 0
    assert load_model(model).adapt == "both" and list(model.rglob("reference.npz"))

    def said(sources, *more):
        words = ["predict", *map(str, sources), "--model", str(model), "--output", str(out)]
        assert main([*words, *more]) == 0
        return pd.read_csv(out).drop(columns="path")

    one = next((speech / "Actor_01").iterdir())
    usual = said([speech])
    pd.testing.assert_frame_equal(said([speech], "--adapt", "none"), usual)
    adapted = {how: said([speech], "--adapt", how) for how in ("person", "set")}
    confidences = [table["confidence"] for table in (usual, *adapted.values())]
    for at, first in enumerate(confidences):
        assert all(np.abs(first - second).max() > 1e-3 for second in confidences[at + 1 :])
    # Where many sound unlike what was learnt, that there is adaptation is said once.
    capsys.readouterr()
    said([speech])
    assert "--adapt set" not in capsys.readouterr().err
    trained = load_model(model)
    heard = next(iter(trained.learners.values()))
    known = Neighbours.fit(
        np.random.default_rng(0).normal(size=(60, len(heard.reference.mean))), np.arange(60) % 6
    )
    far = Strangeness((0.0, 0.0), (1.0, 1.0), (0.1, 0.0), 0.0, 1e-3)
    replace(trained, novelty=Novelty(heard.name, known, far)).save(tmp_path / "far")
    assert (
        main(["predict", str(speech), "--model", str(tmp_path / "far"), "--output", str(out)]) == 0
    )
    assert "--adapt set" in capsys.readouterr().err
    alone = said([one], "--adapt", "person")
    assert alone["clip"].nunique() == 1 and np.isfinite(alone["confidence"]).all()
    # By the table's column, the two actors are one person.
    files = sorted([*(speech / "Actor_01").iterdir(), *(speech / "Actor_02").iterdir()])
    table = pd.DataFrame({"path": [str(path) for path in files], "actor": "ann"})
    table.to_csv(tmp_path / "who.csv", index=False)
    as_one = said([tmp_path / "who.csv"], "--adapt", "person")
    as_two = said(files, "--adapt", "person")
    together = said(files, "--adapt", "set")
    np.testing.assert_allclose(as_one["confidence"], together["confidence"], atol=1e-4)
    assert np.abs(as_one["confidence"] - as_two["confidence"]).max() > 1e-3

    scored = ["evaluate", str(speech), "--model", str(model), "--run", str(tmp_path / "run")]
    assert main([*scored, "--adapt", "person"]) == 0
    assert runs.read_run(tmp_path / "run").adaptation == "person"
    capsys.readouterr()
    assert main([*words[:3], str(tmp_path / "strict"), *words[4:]]) == 0
    for verb in ("predict", "evaluate"):
        asked = [verb, str(speech), "--model", str(tmp_path / "strict"), "--adapt", "set"]
        assert main(asked) == 2
        assert "--adapt" in capsys.readouterr().err


def test_a_benchmark_of_a_model_that_may_adapt_is_strict(voices, tmp_path):
    words = ("benchmark", voices / "speech", "--protocol", "actors", *HEARD)
    run = run_of([*words, "--adapt", "both"], tmp_path / "both")
    assert run.adaptation == "none" and "adapt" in run.title
    assert run.identity != run_of(words, tmp_path / "none").identity
