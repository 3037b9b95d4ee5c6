"""CITATION.cff and the forms of issues say what their readers expect of them."""

import re

import pytest
import yaml
from pages import ROOT

import multimodal_ser as mser
from multimodal_ser.datasets import cremad, ravdess, tess

CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
#: https://github.com/citation-file-format/citation-file-format, schema 1.2.0.
TYPES = {"article", "conference-paper", "data"}


def test_the_citation_is_of_this_version():
    assert CITED["cff-version"] == "1.2.0"
    assert CITED["version"] == mser.VERSION
    assert (CITED["type"], CITED["license"]) == ("software", "MIT")
    assert CITED["message"] and CITED["title"] and CITED["authors"]


def test_what_it_cites_can_be_found():
    for one in CITED["references"]:
        assert one["type"] in TYPES
        assert one["title"]
        assert 1990 < one["year"] < 2030
        for author in one["authors"]:
            assert set(author) in ({"name"}, {"family-names", "given-names"})
        if "doi" in one:
            assert re.fullmatch(r"10\.\d{4,}/\S+", one["doi"])
        else:
            assert one["url"].startswith("https://")
    dois = {one.get("doi") for one in CITED["references"]}
    for source in (ravdess, cremad, tess):
        assert set(re.findall(r"doi\s*=\s*\{(.+?)\}", source.BIBTEX)) <= dois


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_have_what_github_demands(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "config":
        return
    assert form["name"] and form["description"]
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert {part["type"] for part in fields} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert len({part["id"] for part in fields}) == len(fields)
    assert all(part["attributes"]["label"] for part in fields)
    assert any(part.get("validations", {}).get("required") for part in fields)


def test_there_is_a_form_for_a_wrong_prediction():
    assert {"bug", "wrong_prediction", "feature"} <= {path.stem for path in FORMS}
