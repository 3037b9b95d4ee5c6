import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from multimodal_ser.evaluation import metrics
from multimodal_ser.reports import figures, findings, svg
from multimodal_ser.tables import EMOTIONS

NAN = float("nan")


def texts(drawing):
    root = ET.fromstring(drawing)
    return ["".join(node.itertext()).strip() for node in root.iter("text")]


def check(drawing):
    root = ET.fromstring(drawing)
    assert root.tag == "svg" and root.get("role") == "img" and root.get("aria-label")
    # Stand-in colours, fixed fonts and links out would not suit the page.
    assert not re.search(r"#0[0-9]0[0-9]0[0-9]\b", drawing)
    assert "DejaVu" not in drawing and "http" not in drawing and "<style" not in drawing
    assert "var(--font)" in drawing
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', drawing))
    ids = set(re.findall(r' id="([^"]+)"', drawing))
    assert {name for pair in used for name in pair if name} == ids
    return texts(drawing)


def test_confusion_shows_counts_and_recall():
    counts = pd.DataFrame([[3, 1, 0], [0, 0, 0], [0, 5, 1234]], list("abc"), list("abc"))
    said = check(figures.confusion(counts, "<m>"))
    assert {"3", "1", "5", "1234", "75 %"} <= set(said)
    assert "–" in said, "a label that no clip has shows no recall"  # noqa: RUF001


def test_labels_are_text_whatever_they_contain():
    names = ["<script>", "a$b_1$", "x" * 60]
    counts = pd.DataFrame(np.eye(3, dtype=int), names, names)
    said = check(figures.confusion(counts))
    assert "<script>" in said and "a$b_1$" in said
    assert "x" * 16 in said and "…" in said and "x" * 17 not in said


def test_labels_that_no_clip_has_are_columns_alone():
    counts = pd.DataFrame([[3, 1, 1], [0, 4, 0]], ["a", "c"], ["a", "b", "c"])
    said = check(figures.confusion(counts))
    assert {"60 %", "0 %"} <= set(said) and said.count("b") == 1


@pytest.mark.parametrize("kind", ["roc", "pr"])
def test_curves(kind):
    rng = np.random.default_rng(0)
    truth = pd.Series(rng.choice(["a", "b"], 40))
    table = pd.DataFrame(rng.dirichlet([1, 1, 1], 40), columns=["a", "b", "never"])
    lines = findings.curve_lines(table, truth, kind)
    assert set(lines) == {"a", "b", "macro"}
    said = check(figures.curves(lines, kind))
    assert "100" in said
    assert "no label has both kinds of clips" in check(figures.curves({}, kind))


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_reliability(rows):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.dirichlet([1, 1], rows).reshape(rows, 2), columns=["a", "b"])
    truth = pd.Series(rng.choice(["a", "b"], rows))
    bins = findings.reliability_bins(table, truth)
    assert bins["n"].sum() == rows
    assert check(figures.reliability(bins))


def test_reliability_bins_give_the_expected_calibration_error():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.dirichlet([1] * 8, 300), columns=EMOTIONS)
    truth = pd.Series(rng.choice(EMOTIONS, 300))
    bins = findings.reliability_bins(table, truth)
    gap = (bins["confidence"] - bins["accuracy"]).abs() * bins["n"] / bins["n"].sum()
    assert gap.sum() == pytest.approx(metrics.score(table, truth)["ece"])


def test_actors_with_and_without_an_interval():
    points = pd.DataFrame({"m": [0.5, NAN], "k": [0.2, 0.9]}, ["01", "02"])
    overall = pd.DataFrame({"value": [0.5, 0.6], "low": [NAN, 0.4], "high": [NAN, 0.7]}, ["m", "k"])
    assert {"01", "02", "all"} <= set(check(figures.actors(points, overall, {"m": 0, "k": 1})))
    assert check(figures.actors(points.iloc[:0], overall, {"m": 0, "k": 7}))


def test_bars_and_gains_say_their_values():
    values = pd.DataFrame({"m": [0.512, NAN]}, ["sad", "happy"])
    assert {"51", "–", "sad"} <= set(check(figures.bars(values, {"m": 0})))  # noqa: RUF001
    gains = pd.Series([0.031, -0.2, 0.0, NAN], list("abcd"))
    said = check(figures.gains(gains, "gain"))
    assert {"+3.1", "−20.0", "0.0"} <= set(said)  # noqa: RUF001
    assert check(figures.gains(gains.iloc[:0], "gain"))


@pytest.fixture
def spread():
    """Two features of 90 clips of two labels, and one of no clip; some values are no numbers."""
    rng = np.random.default_rng(2)
    index = [f"c{at}" for at in range(90)]
    table = pd.DataFrame({"rolloff_hz_mean": rng.gamma(2, 900, 90), "rms_std": 0.25}, index)
    table.iloc[[3, 40], 0] = NAN, np.inf
    # As in a real table, the labels come in another order than the values.
    groups = pd.Series(rng.choice(["sad", "angry"], 90), index).sort_values()
    return table, groups, ["angry", "calm", "sad"]


def own_values(spread, label):
    table, groups, _ = spread
    values = table.loc[groups.index[groups == label], "rolloff_hz_mean"]
    return values[np.isfinite(values)]


def test_box_quantiles_are_those_of_each_labels_finite_values(spread):
    table, groups, labels = spread
    found = figures.box_quantiles(table["rolloff_hz_mean"], groups, labels)
    for row, label in zip(found[[0, 2]], ("angry", "sad"), strict=True):
        expected = np.percentile(own_values(spread, label), [5, 25, 50, 75, 95])
        np.testing.assert_allclose(row, expected)
    assert np.isnan(found[1]).all()
    constant = figures.box_quantiles(table["rms_std"], groups, labels)
    assert (constant[[0, 2]] == 0.25).all()


def test_distributions_draw_the_quantiles_of_a_label_in_its_place_and_colour(spread):
    figure, _ = figures.distributions.__wrapped__(*spread)
    panel = figure.axes[0]
    lines = [line.get_segments()[0] for line in panel.collections]
    assert len(panel.patches) == 2 and len(lines) == 4, "a label without a clip has no box"
    assert panel.yaxis_inverted(), "the first label is on top"
    for at, (place, label) in enumerate([(0, "angry"), (2, "sad")]):
        low, first, median, third, high = np.percentile(
            own_values(spread, label), [5, 25, 50, 75, 95]
        )
        (x0, y0), (x1, y1) = panel.patches[at].get_bbox().get_points()
        assert (x0, x1, (y0 + y1) / 2) == pytest.approx((first, third, place))
        np.testing.assert_allclose(lines[2 * at], [[low, place], [high, place]])
        np.testing.assert_allclose(lines[2 * at + 1][:, 0], [median, median])
        assert to_hex(panel.patches[at].get_facecolor()) == svg.LABELS[place]


def test_distributions_name_labels_in_order_and_features_with_units(spread):
    drawing = figures.distributions(*spread)
    said = check(drawing)
    assert [text for text in said if text in spread[2]] == spread[2], "once, beside the left panel"
    assert "rolloff (Hz) mean" in said and "rms std" in said
    assert "rolloff_hz_mean, rms_std" in drawing


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_distributions_have_a_panel_a_feature(count):
    values = pd.DataFrame(np.arange(8.0).reshape(4, 2)[:, [0, 1] * 3], list("abcd"))
    values = values.iloc[:, :count].set_axis([f"feature_{at}" for at in range(count)], axis=1)
    said = check(figures.distributions(values, pd.Series(["sad"] * 4, list("abcd")), ["sad"]))
    assert [text for text in said if "feature" in text] == [f"feature {at}" for at in range(count)]


def test_distributions_of_nothing_are_empty_panels(spread):
    table, groups, labels = spread
    assert "calm" in check(figures.distributions(table.iloc[:0], groups, labels))
    figure, _ = figures.distributions.__wrapped__(table * NAN, groups, labels)
    assert not any(panel.patches or panel.collections for panel in figure.axes)


def test_the_same_figure_twice_is_the_same_text():
    counts = pd.DataFrame(np.eye(2, dtype=int), list("ab"), list("ab"))
    assert figures.confusion(counts) == figures.confusion(counts)
