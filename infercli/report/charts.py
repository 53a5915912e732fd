"""The drawings of a report, each a figure with a caption: numbers in, SVG out, readable without colour or script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

from infercli.core.bench.histogram import LogHistogram
from infercli.core.bench.metrics import quantile
from infercli.core.estimates.answer import Interval
from infercli.core.units import number
from infercli.report.frame import (
    COLOURS,
    HALF,
    WIDE,
    Frame,
    Line,
    at,
    figure,
    key,
    polyline,
    rule,
    words,
    x_axis,
    y_axis,
)  # fmt: skip
from infercli.report.markup import Child, h, svg
from infercli.report.scale import LOG_FROM, Scale, exact, linear, logarithmic


class Clock(NamedTuple):
    """The part of the run's clock that panels share, in seconds since the run began, and what to shade of it."""

    start_s: float
    end_s: float
    stages: Sequence[tuple[float, float, str]] = ()
    """(begin, end, label) of each part that is shaded; labels are short."""


def over_time(
    title: str, unit: str, clock: Clock, lines: Sequence[Line], *, top: float | None = None
) -> ET.Element | None:
    """Lines on the run's clock; None where nothing is known. `top`: of the axis, for what has a natural end."""
    known = [y for line in lines for y in line.ys if y is not None]
    if not known:
        return None
    frame = Frame(WIDE, 162 if clock.stages else 150, top=24 if clock.stages else 12, bottom=24)
    x = exact(clock.start_s, clock.end_s, frame.left, frame.inner_right, ticks=12)
    y = linear(top or max(known), frame.inner_bottom, frame.top, ticks=4)
    drawn = [*_stages(frame, x, clock), *x_axis(frame, x), *y_axis(frame, y)]
    for line in lines:
        places = [None if value is None else y(value) for value in line.ys]
        stroke = f"line s{line.colour % COLOURS}" + (" thin" if line.thin else "")
        drawn += polyline([x(at_s) for at_s in line.xs], places, stroke, f"f{line.colour % COLOURS}")
    named = [(line.name, f"s{line.colour % COLOURS}" + (" thin" if line.thin else "")) for line in lines]
    said = f"{title} in {unit}, {number(min(known))} to {number(max(known))}, over {clock.end_s - clock.start_s:.0f} s"
    # One line is named by the title.
    caption = [f"{unit}. ", *(key(named) if len(lines) > 1 else [])]
    return figure(title, caption, svg(title, said, frame.width, frame.height, drawn), wide=True)


def _stages(frame: Frame, x: Scale, clock: Clock) -> list[ET.Element]:
    drawn: list[ET.Element] = []
    for begin_s, end_s, label in clock.stages:
        a, b = x(begin_s), x(end_s)
        drawn.append(
            h("rect", x=at(a), y=at(frame.top), width=at(max(b - a, 1)), height=at(frame.inner_bottom - frame.top),
              class_="rest")
        )  # fmt: skip
        if b - a > 7.5 * len(label):
            drawn.append(words((a + b) / 2, frame.top - 8, label, "middle"))
    return drawn


def distribution(
    title: str,
    found: LogHistogram,
    sample: Sequence[float],
    *,
    scale: float,
    unit: str,
    expected: Interval | None = None,
) -> ET.Element:
    """How often which value came, with its percentiles; `expected`: the interval that the median was predicted in.

    `scale`: from the unit of the sample to `unit`.
    """
    frame = Frame(HALF, 210, left=50, right=20, top=44)
    ordered = sorted(sample)
    low, high = found.edges[0], found.edges[-1]
    if expected is not None:
        low, high = min(low, expected.low or low), max(high, expected.high)
    y = linear(max(found.counts), frame.inner_bottom, frame.top, ticks=4)
    frame = frame.beside(y)
    x = logarithmic(low * scale, high * scale, frame.left, frame.inner_right)
    drawn: list[ET.Element] = []
    if expected is not None:
        a, b = x(expected.low * scale), x(expected.high * scale)
        drawn.append(
            h("rect", x=at(a), y=at(frame.top), width=at(max(b - a, 1.5)), height=at(frame.inner_bottom - frame.top),
              class_="band")
        )  # fmt: skip
    drawn += [*x_axis(frame, x, unit, number), *y_axis(frame, y)]
    for low_edge, high_edge, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        if count:
            a, b = x(low_edge * scale), x(high_edge * scale)
            # A bar of one among thousands is still seen.
            tall = max(frame.inner_bottom - y(count), 1.0)
            drawn.append(
                h("rect", x=at(a), y=at(frame.inner_bottom - tall), width=at(max(b - a - 0.6, 0.8)), height=at(tall),
                  class_="f0")
            )  # fmt: skip
    percentiles = [(name, quantile(ordered, q) * scale) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))]
    drawn += _percentiles(frame, x, percentiles)
    said = f"{len(ordered):,} values, " + ", ".join(f"{name} {number(value)} {unit}" for name, value in percentiles)
    note = f"{len(ordered):,} values, counted by {unit}"
    note += "; shaded: where the median was predicted" if expected is not None else ""
    note += f"; {found.zeros:,} of 0 are left out" if found.zeros else ""
    return figure(title, note, svg(f"{title}, distribution", said, frame.width, frame.height, drawn))


def _percentiles(frame: Frame, x: Scale, percentiles: Sequence[tuple[str, float]]) -> list[ET.Element]:
    """A line each, labelled above the plot, in as many rows as keep the labels apart."""
    drawn: list[ET.Element] = []
    ends = [-1e9, -1e9, -1e9]
    for name, value in percentiles:
        place, text = x(value), f"{name} {number(value)}"
        half = 3.6 * len(text)
        middle = min(max(place, frame.left + half), frame.inner_right - half)
        row = next((r for r, end in enumerate(ends) if middle - half > end + 4), len(ends) - 1)
        ends[row] = middle + half
        drawn += [
            rule(place, frame.top, place, frame.inner_bottom, "mark"),
            words(middle, frame.top - 5 - 13 * row, text, "middle strong"),
        ]
    return drawn


class Point(NamedTuple):
    """A level of load in a throughput-latency plot."""

    label: str
    x: float
    p50: float
    p95: float
    predicted_x: Interval | None = None
    predicted_y: Interval | None = None
    """Of the median."""


def curve(title: str, unit: str, x_title: str, points: Sequence[Point], limit: float | None = None) -> ET.Element:
    """Latency against throughput, a point a level of load, in the order of the load. `limit`: an objective's."""
    frame = Frame(HALF, 260, left=56, right=26, top=16)
    shown = [v for p in points for v in (p.p50, p.p95, *(_ends(p.predicted_y) if p.predicted_x else ()))]
    shown += [] if limit is None else [limit]
    rightmost = max([p.x for p in points] + [p.predicted_x.high for p in points if p.predicted_x and p.predicted_y])
    positive = [v for v in shown if v > 0]
    if positive and max(positive) > LOG_FROM * min(positive):
        y = logarithmic(min(positive) / 1.2, max(positive) * 1.2, frame.inner_bottom, frame.top)
    else:
        y = linear(max(shown), frame.inner_bottom, frame.top)
    label = number if y.log else None
    frame = frame.beside(y, label)
    x = linear(rightmost, frame.left, frame.inner_right)
    drawn = [*x_axis(frame, x, x_title), *y_axis(frame, y, label)]
    if limit is not None:
        drawn.append(rule(frame.left, y(limit), frame.inner_right, y(limit), "limit"))
    for p in points:
        if p.predicted_x is not None and p.predicted_y is not None:
            px, py = p.predicted_x, p.predicted_y
            drawn += [
                rule(x(px.low), y(py.value), x(px.high), y(py.value), "said"),
                rule(x(px.value), y(py.low), x(px.value), y(py.high), "said"),
            ]
    for values, colour, thin in (([p.p95 for p in points], 1, " thin"), ([p.p50 for p in points], 0, "")):
        places = [(x(p.x), y(value)) for p, value in zip(points, values, strict=True)]
        drawn += polyline([a for a, _ in places], [b for _, b in places], f"line s{colour}{thin}", f"f{colour}")
        drawn += [h("circle", cx=at(a), cy=at(b), r="3.5", class_=f"f{colour}") for a, b in places]
    drawn += _labels([(x(p.x), y(max(p.p50, p.p95)), p.label) for p in points])
    named = [("p50", "s0"), ("p95", "s1 thin")]
    named += [("predicted median", "said")] if any(p.predicted_x and p.predicted_y for p in points) else []
    named += [("objective", "limit")] if limit is not None else []
    said = "; ".join(
        f"{p.label}: {number(p.x)} {x_title}, p50 {number(p.p50)}, p95 {number(p.p95)} {unit}" for p in points
    )
    return figure(
        title, [f"{unit}. ", *key(named)], svg(f"{title} against {x_title}", said, frame.width, frame.height, drawn)
    )


def _labels(places: Sequence[tuple[float, float, str]]) -> list[ET.Element]:
    """Above the points; one that would cover another is left out: the table has it."""
    drawn: list[ET.Element] = []
    taken: list[tuple[float, float, float]] = []
    for x, y, text in places:
        half, above = 3.8 * len(text), y - 8 if y > 26 else y + 18
        if all(abs(x - tx) > half + th + 2 or abs(above - ty) > 13 for tx, ty, th in taken):
            taken.append((x, above, half))
            drawn.append(words(x, above, text, "middle strong"))
    return drawn


def _ends(interval: Interval | None) -> tuple[float, ...]:
    return () if interval is None else (interval.low, interval.high)


class Row(NamedTuple):
    """An interval and a value, on an axis that all rows share."""

    label: str
    low: float
    high: float
    value: float | None
    says: str
    """To the right of it."""
    colour: int = 0


def intervals(
    title: str,
    note: Child | Iterable[Child],
    axis: str,
    rows: Sequence[Row],
    reference: float,
    *,
    span: tuple[float, float],
) -> ET.Element:
    """One row under another, with a line at `reference`; what lies beyond `span` ends in an arrow."""
    frame = Frame(WIDE, 40 + 24 * len(rows) + 10, left=190, right=280, top=8, bottom=40)
    x = exact(*span, frame.left, frame.inner_right, ticks=6)
    drawn = [*x_axis(frame, x, axis), rule(x(reference), frame.top, x(reference), frame.inner_bottom, "axis")]
    for n, row in enumerate(rows):
        y = frame.top + 24 * n + 14
        drawn += [
            words(frame.left - 10, y + 4.5, row.label, "end strong"),
            rule(x(row.low), y, x(row.high), y, f"line whisker s{row.colour}"),
            words(frame.inner_right + 12, y + 4.5, row.says),
        ]
        if row.low < span[0]:
            drawn.append(_arrow(x(span[0]), y, -7, row.colour))
        if row.high > span[1]:
            drawn.append(_arrow(x(span[1]), y, 7, row.colour))
        if row.value is not None:
            drawn.append(h("circle", cx=at(x(row.value)), cy=at(y), r="4.5", class_=f"f{row.colour}"))
    said = "; ".join(f"{row.label}: {row.says}" for row in rows)
    return figure(title, note, svg(title, said, frame.width, frame.height, drawn), wide=True)


def _arrow(x: float, y: float, length: float, colour: int) -> ET.Element:
    points = f"{at(x)},{at(y - 5)} {at(x + length)},{at(y)} {at(x)},{at(y + 5)}"
    return h("polygon", points=points, class_=f"f{colour}")


def shares(title: str, unit: str, samples: Sequence[tuple[str, Sequence[float]]]) -> ET.Element | None:
    """Which share of the values is at most so large, a line a sample; None without a value above 0."""
    ordered = [(name, sorted(v for v in values if v > 0)) for name, values in samples]
    ends = [v for _, values in ordered for v in (values[:1] + values[-1:])]
    if not ends:
        return None
    frame = Frame(HALF, 230, left=50)
    x = logarithmic(min(ends), max(ends), frame.left, frame.inner_right)
    y = exact(0, 1, frame.inner_bottom, frame.top, ticks=5)
    drawn = [*x_axis(frame, x, unit, number), *y_axis(frame, y, lambda v: f"{v:.0%}")]
    for n, (_, values) in enumerate(ordered):
        if values:
            steps = [i / _SHARE_POINTS for i in range(_SHARE_POINTS + 1)]
            xs = [x(quantile(values, q)) for q in steps]
            drawn += polyline(xs, [y(q) for q in steps], f"line s{n % COLOURS}", f"f{n % COLOURS}")
    named = [(name, f"s{n % COLOURS}") for n, (name, _) in enumerate(ordered)]
    said = "; ".join(f"{name}: median {number(quantile(v, 0.5))} {unit}" for name, v in ordered if v)
    return figure(title, key(named), svg(f"{title}, share of the requests", said, frame.width, frame.height, drawn))


_SHARE_POINTS = 200
