"""Pages of results: what they hold, and what they must not."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from infercli.core.bench.comparison import BenchComparison, compare
from infercli.core.bench.histogram import LogHistogram
from infercli.core.bench.result import BenchTarget
from infercli.core.bench.search import Assured, searched
from infercli.core.bench.sweep import Swept
from infercli.core.traces import Load
from infercli.report import comparison, html
from infercli.report.charts import Point, Row, curve, distribution, intervals
from infercli.report.frame import HALF
from tests.core.results import HOSTILE, OBJECTIVES, full, hostile, result, run, served, stage, sweep, trace
from tests.report.test_markup import Seen

ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "h4", "p", "span", "b", "bdi", "small",
    "dl", "div", "dt", "dd", "ul", "li", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption",
    "details", "summary", "svg", "desc", "line", "rect", "circle", "polyline", "polygon", "text",
}  # fmt: skip
"""Every element of a page: none loads, runs or links to anything."""


def page(*benches) -> str:
    return html.page([(f"{n}.json", bench) for n, bench in enumerate(benches)])


def compared(*benches) -> str:
    runs = tuple(compare(benches[0], b, f"{n}.json") for n, b in enumerate(benches[1:], 1))
    return comparison.page(
        BenchComparison(baseline="0.json", runs=runs), [(f"{n}.json", b) for n, b in enumerate(benches)]
    )


UNREACHED = stage([trace(0, sent_s=None, error="connect", ended_s=0.1)], objectives=OBJECTIVES)
NOBODY = result(UNREACHED, objectives=OBJECTIVES)
EMBEDDINGS = result(
    stage([trace(float(i), ended_s=i + 0.5, prompt_tokens=7) for i in range(40)]),
    target=BenchTarget(url="http://127.0.0.1:8000", model="tiny", api="embeddings"),
)
ONE_TOKEN = result(stage([trace(float(i), (i + 0.5,)) for i in range(3)]))
NOTHING = result(stage([]))


def rates(*levels):
    """A search: a closed loop first, then open loops."""
    stages = [stage(served(32, 8, 1), load=Load(concurrency=8, requests=32), objectives=OBJECTIVES)]
    for n, rate in enumerate(levels):
        load = Load(arrivals="poisson", rate_per_s=rate, requests=40, seed=n)
        stages.append(
            stage(served(40, 4, n), load=load, objectives=OBJECTIVES, began_s=round(stages[-1].ended_s + 1, 6))
        )
    return result(*stages, objectives=OBJECTIVES, searched=searched(stages[1:]))


EVERY_KIND = {
    "one level": run(64, 8, warmup=8), "a sweep": sweep(), "with telemetry": full(run(64, 8)),
    "a sweep with telemetry": full(sweep()), "failures": run(64, 8, failing=5), "nobody": NOBODY,
    "embeddings": EMBEDDINGS, "one token": ONE_TOKEN, "nothing": NOTHING, "a search": rates(1, 2, 2),
    "hostile": hostile(),
}  # fmt: skip


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_page_of_every_kind_of_result_is_whole_and_loads_and_runs_nothing(kind):
    written = page(EVERY_KIND[kind])
    seen = Seen(written)
    assert set(seen.tags) <= ALLOWED
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name in ("href", "src", "xlink:href")]
    assert not re.search(r"url\(|@import", written)
    assert "nan" not in " ".join(str(v) for _, v in seen.attributes)
    # Everything that was opened is closed in its order: but for what HTML never closes, it is XML.
    ET.fromstring(re.sub(r"<meta [^>]*>", "", written.removeprefix("<!doctype html>")))


def test_a_page_of_embeddings_has_nothing_that_they_have_not():
    text = Seen(page(EMBEDDINGS)).text
    assert not re.search("TTFT|TPOT|output tokens", text.split("What the names mean")[0].split("The numbers of")[0])
    assert "7.1 input tokens/s" in text


@pytest.mark.parametrize("kind", ["with telemetry", "a sweep with telemetry", "failures", "hostile", "a search"])
def test_nothing_is_drawn_outside_its_drawing_and_no_two_labels_cover_each_other(kind):
    tree = ET.fromstring(re.sub(r"<meta [^>]*>", "", page(EVERY_KIND[kind]).removeprefix("<!doctype html>")))
    drawings = [d for d in tree.iter("svg") if d.get("role") == "img" and d.get("aria-hidden") is None]
    assert drawings
    for drawing in drawings:
        _, _, width, height = map(float, drawing.get("viewBox").split())
        for part in drawing.iter():
            for name in ("x", "x1", "x2", "cx"):
                assert 0 <= float(part.get(name, 0)) <= width
            for name in ("y", "y1", "y2", "cy"):
                assert 0 <= float(part.get(name, 0)) <= height
        boxes = [box(text) for text in drawing.iter("text")]
        for n, (left, top, right, bottom, words) in enumerate(boxes):
            assert left >= -8, words
            assert right <= width + 8, words
            for other in boxes[n + 1 :]:
                apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
                assert apart, (words, other[4])


def test_what_is_said_beside_an_interval_has_room_in_a_wide_font_too():
    said = "+100.0%, no difference can be shown"
    drawing = intervals("x", "", "x", [Row("TTFT p50", -1.0, 1.0, 0.0, said, 0)], 0.0, span=(-2.0, 2.0))
    (text,) = [text for text in drawing.iter("text") if text.text == said]
    width = float(next(drawing.iter("svg")).get("viewBox").split()[2])
    assert float(text.get("x")) + 7.3 * len(said) <= width  # DejaVu Sans, which Linux has by default


def test_the_labels_of_an_axis_have_room_however_many_values_it_counts():
    sample = [0.01, 0.02, 0.04]
    many = LogHistogram(edges=(0.01, 0.02, 0.04, 0.08), counts=(400_000, 0, 1), zeros=0)
    slow = [Point(str(n), n, 1_600_000.0, 2_000_000.0) for n in (1, 2)]
    for drawing, longest in (
        (distribution("ITL", many, sample, scale=1000, unit="ms"), "400,000"),
        (curve("TTFT", "ms", "requests/s", slow), "2,000,000"),
    ):
        labels = [text for text in drawing.iter("text") if text.get("class") == "end"]
        assert longest in [text.text for text in labels]
        assert all(float(text.get("x")) >= 7 * len(text.text) for text in labels)  # 7 units a digit, as most fonts draw


def box(text):
    """Where a label lies, at 6 units a character and 9 high: no font draws it smaller, so what overlaps here does."""
    x, y, wide = float(text.get("x")), float(text.get("y")), 6.0 * len(text.text)
    classes = (text.get("class") or "").split()
    left = x - wide if "end" in classes else x - wide / 2 if "middle" in classes else x
    return left, y - 9, left + wide, y, text.text


def test_what_others_say_is_text_on_a_page():
    for written in (page(hostile()), compared(hostile(), hostile())):
        seen = Seen(written)
        assert set(seen.tags) <= ALLOWED
        assert "\x1b" not in written
        assert "\u202e" not in written
        assert seen.text.count("<img src=x onerror=alert(1)>") >= 2
        assert "&amp;amp;" in written  # it was called &amp; and is still
    assert (
        len(Seen(page(hostile())).text.split("<img")) > 8
    )  # model, address, message, reasons, source of the price, ...


def test_the_numbers_of_the_result_stand_in_tables():
    bench = run(64, 8)
    m = bench.stages[0].metrics
    text = Seen(page(bench)).text
    for value in (m.ttft_s.p99, m.tpot_s.p50, m.itl_s.max, m.e2e_s.p95):
        assert f"{value * 1000:,.1f}" in text
    assert f"{m.output_tokens_per_s:,.1f}" in text


def test_energy_and_money_are_said_by_level():
    # 2 GPUs of 400 W for every second of a level.
    bench = full(sweep((1, 2), requests=16))
    text = Seen(page(bench)).text
    for s in bench.stages:
        joules = 800 * (s.ended_s - s.began_s)
        said = [float(n.replace(",", "")) for n in re.findall(rf"{s.load.label}\|([\d,]+)\|", text)]
        assert any(n == pytest.approx(joules, rel=0.01) for n in said)
        assert f"{7.2 / 3600 / s.metrics.output_tokens_per_s * 1e6:,.2f}" in text


def test_panels_of_load_and_of_gpus_share_one_clock():
    tree = ET.fromstring(re.sub(r"<meta [^>]*>", "", page(full(run(400, 8))).removeprefix("<!doctype html>")))
    panels = {}
    for figure in tree.iter("figure"):
        title = figure.find("figcaption/b").text
        panels[title] = [
            (t.text, t.get("x")) for t in figure.iter("text") if (t.get("class") or "") == "middle" and t.text.isdigit()
        ]
    clocks = [panels[title] for title in ("TTFT", "Output tokens per second", "GPU busy time", "GPU power")[1:]]
    assert clocks[0]
    assert clocks[0] == clocks[1] == clocks[2]


def test_what_engines_said_is_drawn_and_counted():
    text = Seen(page(full(run(64, 8)))).text
    for title in ("Running in the engine", "Waiting in the engine", "KV cache used"):
        assert title in text
    # preemptions, prefix cache, running, waiting, KV cache, and 20 ms over four requests
    assert "chat-3f9a1c|2|34.0%|8|3|75|5.0" in text
    assert "http://10.0.0.7:9400/metrics: no answer" in text
    assert "chat-3f9a1c: ttft_s: vllm:time_to_first_token_seconds is not there" in text


def test_predictions_are_drawn_and_judged():
    text = Seen(page(full(run(64, 8)))).text
    assert "Predicted and measured" in text
    for quantity, side in (("output tokens/s", "inside"), ("TTFT p50", "below"), ("TPOT p50", "above")):
        assert re.search(rf"{quantity}\|[\d.,]+\|[\d.,]+ to [\d.,]+\|[\d.,]+\|{side}", text)
    assert "Predicted" not in Seen(page(run(64, 8))).text


def test_what_a_reader_must_know_stands_on_the_page():
    text = Seen(page(run(64, 8, failing=5))).text
    assert "p99 of 51 requests rests on the few slowest" in text
    assert "too many requests" in text  # the first message of its kind
    assert "no GPU telemetry: NVML Shared Library Not Found" in text
    assert "missed" in text


def test_what_was_sent_stands_on_the_page():
    text = Seen(page(run(64, 8))).text
    assert "sent: 64 requests; 64.0 prompt tokens on average by the server's usage" in text
    assert "of a pool of 64" in text


@pytest.mark.parametrize(("limited", "said"), [(True, "yes"), (None, "unknown"), (False, "no")])
def test_whether_the_client_was_the_limit_is_said(limited, said):
    (one,) = run(64, 8).stages
    judged = one.model_copy(update={"check": one.check.model_copy(update={"client_limited": limited})})
    assert f"|tokens that shared a read|8 at a time|{said}|" in Seen(page(result(judged))).text


def test_whole_numbers_are_foretold_and_measured_without_a_fraction_and_times_with_one():
    text = Seen(page(full(run(64, 8)))).text
    assert re.search(r"\|output tokens/s\|[\d,]+\|[\d,]+ to [\d,]+\|[\d,]+\|", text)
    assert re.search(r"\|TTFT p50\|[\d,]+\.\d\|[\d,]+\.\d to [\d,]+\.\d\|[\d,]+\.\d\|", text)


def test_a_search_says_what_it_found():
    text = Seen(page(rates(1, 2, 2))).text
    assert re.search(r"The highest rate that holds: 2 requests/s, in 2 runs; [\d.]+ to [\d.]+ were sent", text)


def test_a_search_that_is_sure_of_a_lower_rate_is_about_that():
    found = rates(1, 1, 2)
    assured = Assured(rate_per_s=1.0, runs=2, objectives=found.searched.sure)
    text = Seen(
        page(found.model_copy(update={"searched": found.searched.model_copy(update={"assured": assured})}))
    ).text
    assert "Of level 3, 1 requests/s:" in text
    assert "surely holds" in text.split("highest rate that holds")[0]  # its tile comes first
    assert "Surely holds: 1 requests/s" in text


def test_the_headline_is_of_the_level_that_holds_or_that_saturates_and_says_which():
    found = rates(1, 4, 1)
    found = found.model_copy(update={"searched": found.searched.model_copy(update={"highest_rate_per_s": 1.0})})
    assert "Of level 4, 1 requests/s:" in Seen(page(found)).text
    none = found.model_copy(update={"searched": found.searched.model_copy(update={"highest_rate_per_s": None})})
    assert "Of level 2, 1 requests/s:" in Seen(page(none)).text
    # The same throughput with 4 users as with 8: it is saturated from 4 on.
    levels = [stage(served(64, n, 1), load=Load(concurrency=m, requests=64)) for n, m in ((1, 1), (8, 4), (8, 8))]
    assert "Of level 2, 4 at a time:" in Seen(page(result(*levels))).text
    found = result(*levels).model_copy(update={"swept": Swept(saturated_from_users=4)})
    assert "Saturated from 4 at a time on: " in Seen(page(found)).text
    assert "Of level" not in Seen(page(run(16, 2))).text


def test_objectives_are_listed_by_the_number_of_their_level():
    text = Seen(page(rates(1, 2, 2))).text
    assert "|good requests/s|1|8 at a time|" in text
    assert "|3|2 requests/s|" in text
    assert "|4|2 requests/s|" in text
    assert "answered, at least 99.9 %" in text


def test_several_results_stand_one_after_another():
    text = Seen(page(run(16, 2), run(16, 4))).text
    assert text.index("2 at a time") < text.index("4 at a time")
    assert "0.json" in text
    assert "1.json" in text


def test_the_same_result_gives_the_same_page():
    assert page(full(sweep((1, 2)))) == page(full(sweep((1, 2))))


def test_a_comparison_says_what_can_and_what_cannot_be_told():
    written = compared(run(250, 8, 1), run(250, 8, 2, slower=1.3), run(250, 8, 3))
    text = Seen(written).text
    assert set(Seen(written).tags) <= ALLOWED
    assert "1.json against 0.json" in text
    assert "higher: worse" in text
    assert "no difference can be shown" in text
    assert "cannot be told: too few: 250 values, and p99 takes 1,000" in text
    assert "by bootstrap" in text


def test_a_comparison_of_nothing_in_common_says_so():
    text = Seen(compared(sweep((1, 2)), run(64, 8))).text
    assert "Not one workload" in text
    assert "nothing is compared" in text


def test_a_comparison_of_sweeps_has_every_level():
    text = Seen(compared(sweep((1, 2), requests=40), sweep((1, 2), requests=40, seed=9))).text
    assert "1 at a time: 40 and 40 requests" in text
    assert "2 at a time: 40 and 40 requests" in text


class Style(HTMLParser):
    """The style sheet of a page."""

    text = ""

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "style"

    def handle_data(self, data):
        self.text += data if getattr(self, "inside", False) else ""


def test_a_page_has_a_dark_and_a_printed_form():
    style = Style()
    style.feed(page(run(8, 2)))
    assert "@media (prefers-color-scheme: dark)" in style.text
    assert "@media print" in style.text
    used = set(re.findall(r"var\((--\w+)\)", style.text))
    for form in (":root {", "dark) { :root {", "@media print {\n  :root {"):
        block = style.text[style.text.index(form) :]
        assert used <= set(re.findall(r"(--\w+):", block[: block.index("}")]))


def test_a_chart_of_half_a_page_that_stands_alone_in_its_row_is_not_blown_up():
    style = Style()
    style.feed(page(run(8, 2)))
    (rem,) = re.findall(r"\.pair figure > svg { max-width: (\d+)rem; }", style.text)
    assert int(rem) * 16 < 1.4 * HALF


def test_hostile_names_are_hostile():
    assert {"<", "\x1b", "\u202e", '"', "'", "&"} <= set(HOSTILE)
