from multimodal_ser.reports.markup import Markup, escape, join, table, tag


def test_text_is_escaped_and_markup_is_not():
    inner = tag("b", "<i>")
    assert inner == "<b>&lt;i&gt;</b>"
    assert tag("p", inner, " & ") == "<p><b>&lt;i&gt;</b> &amp; </p>"
    assert escape(escape("&")) == "&amp;"


def test_markup_joined_with_plain_text_is_plain_again():
    assert not isinstance(Markup("<b>") + "x", Markup)
    assert join([Markup("<b>") + "<x>"]) == "&lt;b&gt;&lt;x&gt;"


def test_attributes_are_escaped_and_none_is_left_out():
    assert tag("i", title='"><x', aria_label=None, hidden=True, class_="a") == (
        '<i title="&quot;&gt;&lt;x" hidden class="a"></i>'
    )


def test_a_table_has_headings_and_a_box_of_its_own():
    made = table(("name", "n"), [["<a>", 1], ["b", tag("td", 2)]], caption="Numbers")
    assert made.startswith('<div class="scroll"')
    assert '<th scope="row"><div class="name">&lt;a&gt;</div></th><td class="n">1</td>' in made
    assert '<div class="name">b</div></th><td>2</td>' in made
    assert '<caption class="unseen">Numbers</caption>' in made
