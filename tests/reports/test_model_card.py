from pathlib import Path

import pytest

from multimodal_ser.errors import SerError
from multimodal_ser.reports import model_card
from multimodal_ser.reports.consent import SENTENCES

FULL = {name: f"About {name.lower()}." for name in model_card.SECTIONS}


def test_sections_stand_in_order_whatever_order_they_came_in(tmp_path):
    path = model_card.write_card(tmp_path / "m", "m", dict(reversed(FULL.items())))
    headings = [line[3:] for line in path.read_text().splitlines() if line.startswith("## ")]
    assert headings == list(model_card.SECTIONS)
    assert path.read_text() == model_card.card("m", FULL)


@pytest.mark.parametrize("change", [{"Bias": " "}, {"Praise": "Great."}])
def test_a_card_with_a_gap_is_refused(tmp_path, change):
    with pytest.raises(SerError) as caught:
        model_card.write_card(tmp_path, "m", FULL | change)
    assert next(iter(change)) in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["ravdess", "fer_plus"])
def test_released_cards_say_consent_and_limits(name):
    path = Path(__file__).parents[2] / "models" / name / model_card.NAME
    said = path.read_text().partition("## Use")[2].partition("\n## ")[0]
    assert said.strip().endswith(SENTENCES)
    assert SENTENCES in model_card.card("m", FULL).partition("## Use")[2].partition("\n## ")[0]
