"""Scraping a small server on loopback, with every way in which it can be wrong."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infercli.adapters import prometheus
from infercli.adapters.prometheus import Scraper, Source, at_url
from infercli.errors import EndpointError, InputError

pytestmark = pytest.mark.slow  # all of them together; each waits for servers most of the time


class Exporter:
    """Answers request `number` by `answer(number)`: a body, a status, or seconds to wait before each of four bytes."""

    def __init__(self, answer):
        exporter = self
        self.seen = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                exporter.seen.append((self.path, dict(self.headers)))
                said = answer(len(exporter.seen) - 1)
                status = said if isinstance(said, int) else 200
                body = said if isinstance(said, str) else "busy"
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if isinstance(said, float):
                    for byte in body.encode():
                        if exporter.stopping.wait(said):
                            return
                        self.wfile.write(bytes([byte]))
                else:
                    self.wfile.write(body.encode())

            def log_message(self, *args):
                pass

        self.stopping = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def exporter():
    made = []

    def start(answer):
        made.append(Exporter(answer))
        return made[-1]

    yield start
    for one in made:
        one.close()


def engine(number, generation=None):
    """vLLM after `number` steps of 100 tokens."""
    generation = 100 * number if generation is None else generation
    return (
        "# TYPE vllm:num_requests_running gauge\n"
        f'vllm:num_requests_running{{engine="0",model_name="m"}} {number}\n'
        f'vllm:num_requests_waiting{{engine="0",model_name="m"}} 0\n'
        f'vllm:kv_cache_usage_perc{{engine="0",model_name="m"}} 0.25\n'
        f'vllm:generation_tokens_total{{engine="0",model_name="m"}} {generation}\n'
        f'vllm:time_to_first_token_seconds_bucket{{engine="0",le="0.1",model_name="m"}} {number}\n'
        f'vllm:time_to_first_token_seconds_bucket{{engine="0",le="+Inf",model_name="m"}} {2 * number}\n'
        f'vllm:time_to_first_token_seconds_sum{{engine="0",model_name="m"}} {0.5 * number}\n'
        "process_start_time_seconds 1700000000.5\n"
        "another_metric that is nobody's business\n"
    )


def scrape(*sources, seconds=0.35, interval_s=0.1):
    with Scraper(sources, interval_s) as scraper:
        time.sleep(seconds)
    return scraper.scraped()


def test_an_engine_is_asked_before_during_and_after_the_block(exporter):
    server = exporter(engine)
    told = scrape(at_url(server.url))
    assert told.reasons == {}
    assert told.gpus == ()
    (one,) = told.engines
    asked = len(server.seen)
    assert 4 <= asked <= 6  # 0, 0.1, 0.2, 0.3 and the last; fewer when the machine is busy
    assert (one.source, one.scrapes, one.failed_scrapes) == (f"{server.url}/metrics", asked, 0)
    assert one.samples.running == tuple(range(asked))
    assert one.generation_tokens == 100 * (asked - 1)
    assert one.ttft_s.counts == (asked - 1, asked - 1)
    assert one.samples.at_s[0] == pytest.approx(0, abs=0.1)
    assert one.samples.at_s[-1] >= 0.35
    assert {path for path, _ in server.seen} == {"/metrics"}


def test_the_first_answer_is_there_before_the_block_begins_and_the_last_after_it(exporter):
    now = {"tokens": 5}
    server = exporter(lambda _: engine(1, now["tokens"]))
    with Scraper([at_url(server.url)], interval_s=60) as scraper:
        now["tokens"] = 1005
    assert scraper.scraped().engines[0].generation_tokens == 1000


def test_times_are_on_the_clock_of_whoever_asks(exporter):
    server = exporter(engine)
    with Scraper([at_url(server.url)], interval_s=60) as scraper:
        origin_ns = time.monotonic_ns()
    before, after = scraper.scraped(origin_ns).engines[0].samples.at_s
    assert before <= 0 <= after


def test_a_header_is_sent_and_shown_nowhere(exporter):
    server = exporter(engine)
    source = at_url(server.url, headers={"X-Infercli-Operator-Token": "sesame"})
    told = scrape(source, seconds=0)
    assert server.seen[0][1]["X-Infercli-Operator-Token"] == "sesame"
    assert "sesame" not in repr(source) + repr(told)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/metrics"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/metrics"),
        ("http://node:9400/metrics/", "http://node:9400/metrics"),
    ],
)
def test_a_base_url_and_the_address_of_metrics_are_the_same(given, asked):
    assert at_url(given).name == asked


@pytest.mark.parametrize("url", ["node:9400", "http://user:secret@node/metrics", "http://node/metrics?key=secret"])
def test_an_address_that_is_none_or_carries_a_key_is_refused_without_showing_it(url):
    with pytest.raises(InputError) as raised:
        at_url(url)
    assert "secret" not in raised.value.message


def test_the_callers_own_way_of_asking(exporter):
    answers = iter([engine(1), engine(4)])
    told = scrape(Source("chat-3f9a1c", lambda: next(answers).encode()), interval_s=60, seconds=0)
    assert (told.engines[0].source, told.engines[0].generation_tokens) == ("chat-3f9a1c", 300)


def test_a_way_of_asking_that_breaks_costs_neither_the_run_nor_the_others(exporter):
    def broken():
        raise KeyError("a secret of its own")

    def refused():
        raise EndpointError("nothing was deployed on this machine")

    server = exporter(engine)
    told = scrape(Source("a", broken), Source("b", refused), at_url(server.url))
    assert told.reasons == {"a": "asking failed: KeyError", "b": "nothing was deployed on this machine"}
    assert len(told.engines) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _: 500, "it answered HTTP 500"),
        (lambda _: "<html>login</html>", "line 1 is not a sample: <html>login</html>"),
        (lambda _: "node_load1 3\n", "says nothing of vLLM, Ray's vLLM or DCGM"),
        (lambda _: "", "says nothing of vLLM, Ray's vLLM or DCGM"),
    ],
)
def test_an_address_that_gives_nothing_is_a_reason(exporter, answer, why):
    server = exporter(answer)
    told = scrape(at_url(server.url), seconds=0)
    assert told.engines == told.gpus == ()
    assert why in told.reasons[f"{server.url}/metrics"]


def test_nobody_at_the_address_is_a_reason(exporter):
    server = exporter(engine)
    server.close()
    told = scrape(at_url(server.url), seconds=0)
    assert "cannot be reached" in told.reasons[f"{server.url}/metrics"]


def test_an_error_in_between_is_a_gap(exporter):
    server = exporter(lambda number: 503 if number == 1 else engine(number))
    (one,) = scrape(at_url(server.url)).engines
    assert one.failed_scrapes == 1
    assert one.samples.running[:3] == (0, None, 2)
    assert one.generation_tokens == 100 * (one.scrapes - 1)


def test_an_error_at_the_end_leaves_no_difference(exporter):
    fail = threading.Event()
    server = exporter(lambda number: 500 if fail.is_set() else engine(number))
    with Scraper([at_url(server.url)], interval_s=60) as scraper:
        fail.set()
    (one,) = scraper.scraped().engines
    assert one.generation_tokens is None
    assert one.absent["generation_tokens"] == "the scrape after the load failed: it answered HTTP 500"


def test_a_counter_that_vanishes_or_starts_anew_is_not_known(exporter):
    reset = exporter(lambda number: engine(number, (100, 7, 500, 600, 700, 800, 900)[number]))
    (one,) = scrape(at_url(reset.url)).engines
    assert "went backwards" in one.absent["generation_tokens"]

    vanishing = exporter(
        lambda number: engine(number) if number == 0 else engine(number).replace("generation_tokens", "other")
    )
    (one,) = scrape(at_url(vanishing.url)).engines
    assert one.generation_tokens is None
    assert "was gone" in one.absent["generation_tokens"]
    assert one.samples.running[-1] is not None


def test_malformed_lines_cost_themselves(exporter):
    server = exporter(lambda number: engine(number, "many"))
    (one,) = scrape(at_url(server.url)).engines
    assert one.generation_tokens is None
    assert "without a number" in one.absent["generation_tokens"]
    assert one.ttft_s is not None


def test_a_slow_server_keeps_nobody_waiting_for_long(exporter, monkeypatch):
    monkeypatch.setattr(prometheus, "TIMEOUT_S", 0.4)
    server = exporter(lambda _: 60.0)
    began = time.monotonic()
    told = scrape(at_url(server.url), seconds=0)
    assert time.monotonic() - began < 0.4 * 3 + 1.5
    assert "did not answer within 0.4 s" in told.reasons[f"{server.url}/metrics"]


def test_a_last_answer_that_does_not_come_leaves_no_difference(exporter, monkeypatch):
    monkeypatch.setattr(prometheus, "TIMEOUT_S", 0.4)
    server = exporter(lambda number: engine(number) if number < 2 else 0.3)  # of four bytes: longer than is waited
    with Scraper([at_url(server.url)], interval_s=0.1) as scraper:
        while len(server.seen) < 3:
            time.sleep(0.01)
    (one,) = scraper.scraped().engines
    assert one.samples.running[:2] == (0, 1)
    assert one.generation_tokens is None
    assert one.absent["generation_tokens"].startswith("the scrape after the load failed: it ")


def test_an_answer_that_trickles_in_is_of_no_instant(exporter, monkeypatch):
    monkeypatch.setattr(prometheus, "TIMEOUT_S", 0.3)
    server = exporter(lambda _: 0.2)  # four bytes: 0.8 s, and no single wait as long as the time-out
    told = scrape(at_url(server.url), seconds=1.0, interval_s=0.1)
    why = told.reasons[f"{server.url}/metrics"]
    assert "s to answer" in why or "did not answer" in why


def test_several_addresses_of_several_kinds_at_once(exporter):
    gpu = 'gpu="0",UUID="GPU-a",modelName="NVIDIA H100",hostname="node-1"'
    first, second = exporter(engine), exporter(engine)
    dcgm = exporter(lambda n: f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{gpu}}} {20_000 * n}\n")
    told = scrape(at_url(first.url), at_url(dcgm.url), at_url(second.url))
    assert [one.source for one in told.engines] == [f"{first.url}/metrics", f"{second.url}/metrics"]
    (gpus,) = told.gpus
    assert gpus.source == f"{dcgm.url}/metrics"
    assert gpus.gpus[0].energy_j == pytest.approx(20 * (len(gpus.gpus[0].samples.at_s) - 1))
