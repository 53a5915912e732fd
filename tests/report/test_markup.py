from __future__ import annotations

from html.parser import HTMLParser

from infercli.report.markup import document, h, outside, svg, table


class Seen(HTMLParser):
    """The elements and the text of a page, as a browser's parser finds them; cells of tables apart by `|`."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.text += "|" if tag in ("td", "th") else ""
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def test_text_stays_text_in_elements_and_attributes():
    seen = Seen(document("<t>", "", h("p", "<b>&amp;", outside('"><i>'), "</p>", title='"><u>')))
    assert not {"b", "i", "u", "t"} & set(seen.tags)
    assert '<b>&amp;"><i></p>' in seen.text
    assert ("title", '"><u>') in seen.attributes


def test_controls_and_direction_marks_do_not_reach_a_page():
    page = document("t", "", h("p", "a\x00b\x1b[31mc\u202ed\ud800e"))
    assert "\N{REPLACEMENT CHARACTER}[31mc" in page
    assert not set("\x00\x1b\u202e\ud800") & set(page)
    page.encode()  # a lone surrogate has no UTF-8


def test_words_after_an_element_follow_it():
    assert "<p>a<b>b</b>c<i>d</i>e</p>" in document("t", "", h("p", "a", h("b", "b"), "c", None, [h("i", "d"), "e"]))


def test_a_page_may_load_and_run_nothing():
    page = document("t", "p{}", h("p", "x"))
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert page.startswith('<!doctype html>\n<html lang="en">')


def test_a_drawing_has_a_name_and_a_description():
    drawing = svg("TTFT", "from 1 to 2 ms", 10, 20)
    assert (drawing.get("role"), drawing.get("aria-label"), drawing.get("viewBox")) == ("img", "TTFT", "0 0 10 20")
    assert [(c.tag, c.text) for c in drawing] == [("title", "TTFT"), ("desc", "from 1 to 2 ms")]


def test_a_table_names_its_rows_and_columns():
    page = document("t", "", table(["", "a"], [["x", "1"]], "numbers", (1,)))
    assert "<caption>numbers</caption>" in page
    assert '<th scope="row">x</th><td class="words">1</td>' in page
