from pathlib import Path

import jinja2
import pytest

from multimodal_ser.reports import blocks
from multimodal_ser.reports.markup import TEMPLATES, Markup, join


def test_every_template_compiles():
    folder = Path(blocks.__file__).parent / "templates"
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    assert sorted(names) == sorted(TEMPLATES.list_templates()) and len(names) > 10
    for name in names:
        TEMPLATES.get_template(name)


def test_text_is_escaped_and_markup_is_not():
    shown = TEMPLATES.from_string('<i title="{{ text }}">{{ text }}{{ markup }}</i>')
    text = shown.render(text='"><script>', markup=Markup("<b>"))
    escaped = "&#34;&gt;&lt;script&gt;"
    assert text == f'<i title="{escaped}">{escaped}<b></i>'
    assert join([Markup("<b>"), "<x>"]) == "<b>&lt;x&gt;"
    assert "<script>" not in blocks.label_keys(["<script>"], "<script>") + blocks.reading(
        "<script>"
    )


def test_a_long_name_may_break_at_its_joints_alone_and_is_escaped():
    shown = TEMPLATES.from_string("{{ name|breakable }}").render(name="<b>functionals:mlp+a_b")
    assert shown == "&lt;b&gt;functionals:<wbr>mlp+<wbr>a_<wbr>b"


def test_a_name_that_a_template_does_not_know_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        TEMPLATES.from_string("{{ nothing }}").render()
