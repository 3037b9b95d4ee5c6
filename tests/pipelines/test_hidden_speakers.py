import hidden_speakers as recipe
from _common import arguments

from multimodal_ser import datasets


def test_draws_keep_speakers_apart_and_labels_even(corpus):
    clips = datasets.index(corpus)
    options = arguments("x", "x").parse_args(["--data", "x"])
    options.draws = 2
    found = list(recipe.draws(clips, 2, 6, options))
    assert len(found) == 2
    for train, test in found:
        assert set(train["actor"]) & set(test["actor"]) == set()
        assert train["actor"].nunique() == test["actor"].nunique() == 2
        counts = train.groupby(["actor", "emotion"], observed=True).size()
        assert len(train) == 12 and counts.max() - counts.min() <= 1
    assert not list(recipe.draws(clips, 4, 6, options))


def test_the_table_has_each_way_of_each_size(corpus, monkeypatch, tmp_path):
    monkeypatch.setattr(recipe, "SIZES", {2: 16})
    words = ["--data", str(corpus), "--labels", "emotions8", "--draws", "1", "--workers", "1"]
    words += ["--audio", "mfcc_chroma_mel:logistic_regression", "--output", str(tmp_path / "t.md")]
    monkeypatch.setattr("sys.argv", ["hidden_speakers.py", *words])
    assert recipe.main() == 0
    rows = (tmp_path / "t.md").read_text().splitlines()
    assert [line.split("|")[2].strip() for line in rows[2:5]] == list(recipe.WAYS)
