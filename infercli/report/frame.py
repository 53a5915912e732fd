"""The frame of a drawing: its size, its axes with ticks and grid, the key of its lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

from infercli.report.markup import Child, h, svg
from infercli.report.scale import Scale, tick

COLOURS = 4
"""In the style sheet; more lines begin again, and the key names them."""


class Frame(NamedTuple):
    """A drawing's size and margins, in units that are pixels on a wide screen."""

    width: float
    height: float
    left: float = 62
    right: float = 14
    top: float = 12
    bottom: float = 40

    def beside(self, scale: Scale, label: Callable[[float], str] | None = None) -> Frame:
        """With room on its left for the labels of a y axis."""
        label = label or (lambda v: tick(v, scale.ticks))
        return self._replace(left=max([self.left, *(12 + 7.4 * len(label(v)) for v in scale.ticks)]))

    @property
    def inner_right(self) -> float:
        """Where the plot ends."""
        return self.width - self.right

    @property
    def inner_bottom(self) -> float:
        """Where the plot ends below."""
        return self.height - self.bottom


WIDE = 920.0
HALF = 450.0


class Line(NamedTuple):
    """A line of a drawing; a None breaks it."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float | None]
    colour: int = 0
    thin: bool = False
    """Dashed, for what stands behind the main line."""


def at(x: float) -> str:
    """A place, short."""
    return f"{x:.1f}".removesuffix(".0")


def rule(x1: float, y1: float, x2: float, y2: float, class_: str) -> ET.Element:
    """A straight line."""
    return h("line", x1=at(x1), y1=at(y1), x2=at(x2), y2=at(y2), class_=class_)


def words(x: float, y: float, text: str, class_: str | None = None) -> ET.Element:
    """Text at a place."""
    return h("text", text, x=at(x), y=at(y), class_=class_)


def x_axis(
    frame: Frame, scale: Scale, title: str = "", label: Callable[[float], str] | None = None
) -> list[ET.Element]:
    """Grid, ticks, and what the axis is of."""
    label = label or (lambda v: tick(v, scale.ticks))
    drawn = [rule(frame.left, frame.inner_bottom, frame.inner_right, frame.inner_bottom, "axis")]
    last = -1e9
    for value in scale.ticks:
        x, text = scale(value), label(value)
        drawn.append(rule(x, frame.top, x, frame.inner_bottom, "grid"))
        half = 3.7 * len(text)
        if x - half > last + 6 and x + half < frame.width:
            drawn.append(words(x, frame.inner_bottom + 16, text, "middle"))
            last = x + half
    if title:
        drawn.append(words((frame.left + frame.inner_right) / 2, frame.height - 6, title, "middle"))
    return drawn


def y_axis(frame: Frame, scale: Scale, label: Callable[[float], str] | None = None) -> list[ET.Element]:
    """Grid and ticks; the unit stands in the caption."""
    label = label or (lambda v: tick(v, scale.ticks))
    drawn = [rule(frame.left, frame.top, frame.left, frame.inner_bottom, "axis")]
    last = 1e9
    for value in scale.ticks:
        y = scale(value)
        drawn.append(rule(frame.left, y, frame.inner_right, y, "grid"))
        if abs(last - y) > 13:
            drawn.append(words(frame.left - 6, y + 4.5, label(value), "end"))
            last = y
    return drawn


def polyline(xs: Sequence[float], ys: Sequence[float | None], class_: str, dot: str) -> list[ET.Element]:
    """A line through the known places; a place between two unknown ones is a dot."""
    drawn: list[ET.Element] = []
    run: list[tuple[float, float]] = []
    for x, y in [*zip(xs, ys, strict=True), (0.0, None)]:
        if y is not None:
            run.append((x, y))
            continue
        if len(run) == 1:
            drawn.append(h("circle", cx=at(run[0][0]), cy=at(run[0][1]), r="2.2", class_=dot))
        elif run:
            points = " ".join(f"{at(px)},{at(py)}" for px, py in run)
            drawn.append(h("polyline", points=points, class_=class_))
        run = []
    return drawn


def figure(title: str, note: Child | Iterable[Child], drawing: ET.Element, *, wide: bool = False) -> ET.Element:
    """A drawing under its caption."""
    caption = h("figcaption", h("b", title), " ", note)
    return h("figure", caption, drawing, class_="wide" if wide else None)


def key(lines: Sequence[tuple[str, str]]) -> list[Child]:
    """(name, class of its stroke) of each line, as they look."""
    shown: list[Child] = []
    for name, class_ in lines:
        swatch = svg("", "", 26, 10, rule(1, 5, 25, 5, f"line {class_}"))
        swatch.set("aria-hidden", "true")
        shown.append(h("span", swatch, name, class_="key"))
    return shown
