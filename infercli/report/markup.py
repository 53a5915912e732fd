"""HTML and SVG as trees of the standard library: what comes from outside is text, and stays text.

The one thing to know: nobody writes markup as strings here. Names of models and messages of servers reach a page
through `h` alone, which cannot make them elements.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from xml.etree import ElementTree as ET

Child = ET.Element | str | None
"""What an element may hold; None is nothing."""


def h(tag: str, *children: Child | Iterable[Child], **attributes: object) -> ET.Element:
    """An element. Attributes: `class_` for class, `_` for `-`; one that is None is left out."""
    named = {k.rstrip("_").replace("_", "-"): _text(str(v)) for k, v in attributes.items() if v is not None}
    element = ET.Element(tag, named)
    for child in children:
        for one in (child,) if isinstance(child, str | ET.Element) or child is None else child:
            _append(element, one)
    return element


def svg(title: str, description: str, width: float, height: float, *children: Child | Iterable[Child]) -> ET.Element:
    """A drawing that scales with its column, with a name and a description for those who do not see it."""
    drawing = h("svg", h("title", title), h("desc", description), *children, role="img", aria_label=title)
    drawing.set("viewBox", f"0 0 {width:g} {height:g}")
    return drawing


def document(title: str, style: str, *body: Child | Iterable[Child]) -> str:
    """A whole page that loads nothing and runs nothing, whatever stands in it."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=policy),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("title", title),
        h("style", style),
    )
    page = h("html", head, h("body", h("main", *body)), lang="en")
    return "<!doctype html>\n" + ET.tostring(page, encoding="unicode", method="html") + "\n"


def outside(text: str) -> ET.Element:
    """A name or message from outside, whose writing direction cannot spill over its neighbours."""
    return h("bdi", text)


def table(
    titles: Iterable[Child], rows: Iterable[Iterable[Child]], caption: str, words: Container[int] = ()
) -> ET.Element:
    """Rows of cells, the first of each being its name; the others stand to the right, but for columns of `words`."""

    def class_(n: int) -> str | None:
        return "words" if n in words else None

    head = h("thead", h("tr", *(h("th", title, scope="col", class_=class_(n)) for n, title in enumerate(titles))))
    body = h("tbody")
    for row in rows:
        cells = (h("td", cell, class_=class_(n)) if n else h("th", cell, scope="row") for n, cell in enumerate(row))
        body.append(h("tr", *cells))
    return h("div", h("table", h("caption", caption), head, body), class_="table", tabindex="0")


def _append(element: ET.Element, child: Child) -> None:
    if child is None:
        return
    if isinstance(child, ET.Element):
        element.append(child)
    elif len(element):
        element[-1].tail = (element[-1].tail or "") + _text(child)
    else:
        element.text = (element.text or "") + _text(child)


def _text(value: str) -> str:
    """Without characters that no page may hold, or that change how others are read (controls, directions)."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in value)
