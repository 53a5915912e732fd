"""The front on a real Ray Serve: two replicas, and engines that do as they are told instead of vLLM.

P1 to P6 are the rules that lose requests when they are broken.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import pytest

from infercli.serving.front.app import MAX_SHADOWS
from tests.parts.ray import METRICS_PORT
from tests.serving.stage import CLIENT, FRONTS, KEY, OPERATOR, TOKEN, Stage, lite, pinned, until

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MAX_BODY_BYTES = 100_000
MAX_IN_FLIGHT = 16
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def stage(ray):
    stage = Stage(ray, max_body_bytes=MAX_BODY_BYTES, max_in_flight=MAX_IN_FLIGHT)
    stage.put({"a": 1}, [lite("a"), lite("b")])
    ray.until_running("front", "a", "b")
    return stage


@pytest.fixture(autouse=True)
def begin(stage):
    """Every test begins with the engines a and b, and all requests on a."""
    stage.put({"a": 1, "b": 0}, [lite("a"), lite("b")])
    stage.ray.until_running("a", "b")
    stage.until_shown(lambda s: s["generation"] >= stage.generation and not s["refused"] and not s["in_flight"])


# Who may ask what


def test_a_client_with_a_key_gets_the_engines_answer_and_its_name(stage):
    answer = stage.chat()
    assert (answer.status, answer.engine, answer.json["path"]) == (200, "a", CHAT)
    assert answer.headers["x-infercli-generation"] == str(stage.generation)
    assert stage.ask("GET", "/v1/models/x/y").json["path"] == "/v1/models/x/y"


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Bearer {KEY}x", f"Basic {KEY}", KEY]
)
def test_a_client_without_the_right_key_gets_401_in_openais_shape(stage, authorization):
    answer = stage.chat({} if authorization is None else {"Authorization": authorization})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json["error"].keys() == {"message", "type", "param", "code"}
    assert answer.json["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/load_lora_adapter", "/collective_rpc", "/v1/chat/completions/"])
def test_a_path_that_is_not_on_the_list_is_404_and_never_reaches_an_engine(stage, path):
    came = stage.load("a")["came"]
    answer = stage.ask("POST", path, {})
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
    assert stage.load("a")["came"] == came


def test_metrics_of_an_engine_need_the_token_and_the_engines_name(stage):
    assert stage.ask("GET", "/load").status == 404
    assert stage.ask("GET", "/load", headers=OPERATOR).status == 404
    assert stage.ask("GET", "/load", headers={**CLIENT, "X-Infercli-Engine": "a"}).status == 403
    assert stage.ask("GET", "/load", headers=pinned("b")).engine == "b"


def test_the_pin_and_the_state_page_need_the_operator_token(stage):
    assert stage.chat({**CLIENT, "X-Infercli-Engine": "b"}).status == 403
    assert stage.chat({**pinned("b"), "X-Infercli-Operator-Token": KEY}).status == 403
    assert stage.chat({**CLIENT, "X-Infercli-Operator-Token": "wrong"}).status == 403
    assert stage.ask("GET", "/front").status == 403
    assert stage.ask("GET", "/front", headers={"X-Infercli-Operator-Token": KEY}).status == 403


def test_an_operator_reaches_an_engine_of_weight_0_by_its_name(stage):
    assert stage.chat(pinned("b")).engine == "b"
    assert stage.chat(OPERATOR).engine == "a"
    missing = stage.chat(pinned("nowhere"))
    assert (missing.status, missing.json["error"]["message"]) == (503, "nowhere is not serving")


def test_no_credential_reaches_an_engine(stage):
    answer = stage.chat({**pinned("b"), **CLIENT, "Cookie": "c=1", "X-Api-Key": "k", "Traceparent": "00-1-2-01"})
    assert answer.status == 200
    got = answer.json["headers"]
    assert got["traceparent"] == "00-1-2-01"
    assert got["content-type"] == "application/json"
    assert {*got} <= {"content-type", "accept", "x-request-id", "traceparent", "tracestate"}
    assert not any(secret in answer.body.decode() for secret in (KEY, TOKEN))


def test_keys_are_rotated_without_a_restart(stage):
    try:
        stage.write_keys("sk-rotated", "operator-rotated")
        assert stage.chat().status == 401
        assert stage.chat({"Authorization": "Bearer sk-rotated"}).status == 200
        assert stage.ask("GET", "/front", headers=OPERATOR).status == 403
    finally:
        stage.write_keys(KEY, TOKEN)
    assert stage.chat().status == 200


def test_without_key_files_everything_is_refused_and_nothing_is_open(stage):
    try:
        (stage.keys / "api-keys").unlink()
        (stage.keys / "operator-token").write_text("\n")
        for headers in (CLIENT, {}, {"Authorization": "Bearer "}):
            answer = stage.chat(headers)
            assert (answer.status, answer.json["error"]["code"]) == (503, "no_api_keys")
        assert stage.ask("GET", "/front", headers=OPERATOR).json["error"]["code"] == "no_operator_token"
        assert stage.ask("GET", "/front", headers={"X-Infercli-Operator-Token": ""}).status == 503
    finally:
        stage.write_keys(KEY, TOKEN)


# Limits


def test_a_body_over_the_limit_is_413_with_and_without_a_declared_length(stage):
    def chunks():
        for _ in range(20):
            yield b"x" * (MAX_BODY_BYTES // 10)

    came = stage.load("a")["came"]
    assert stage.ask("POST", CHAT, b" " * (MAX_BODY_BYTES + 1)).status == 413
    connection = stage.connect()
    connection.request("POST", CHAT, chunks(), dict(CLIENT), encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (413, "body_too_large")
    connection.close()
    assert stage.load("a")["came"] == came
    whole = json.dumps({}).encode().ljust(MAX_BODY_BYTES)
    assert stage.ask("POST", CHAT, whole).json["bytes"] == MAX_BODY_BYTES


def test_more_requests_than_the_limit_get_429_and_the_others_are_not_harmed(stage):
    asked = 3 * 2 * MAX_IN_FLIGHT
    with ThreadPoolExecutor(asked) as pool:
        answers = [*pool.map(lambda _: stage.chat(interval_s=3), range(asked))]
    statuses = Counter(answer.status for answer in answers)
    # Two replicas: as many as both may hold at the most, and Serve's balance gives each its share.
    assert MAX_IN_FLIGHT <= statuses[200] <= 2 * MAX_IN_FLIGHT
    assert statuses[429] == asked - statuses[200]
    refused = next(answer for answer in answers if answer.status == 429)
    assert (refused.headers["retry-after"], refused.json["error"]["code"]) == ("1", "too_many_requests")


def test_nothing_that_serves_is_503_with_retry_after_and_unhealthy(stage):
    assert [stage.ask(how, "/health", headers={}).status for how in ("GET", "HEAD")] == [200, 200]
    stage.flip({"a": 0, "b": 0})
    answer = stage.chat()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.json["error"]["code"] == "nothing_serves"
    assert stage.ask("GET", "/health", headers={}).status == 503
    assert stage.chat(pinned("a")).status == 200


# Routing


def test_weights_share_the_requests(stage):
    stage.flip({"a": 70, "b": 30})
    with ThreadPoolExecutor(8) as pool:
        engines = Counter(pool.map(lambda _: stage.chat().engine, range(400)))
    # Binomial(400, 0.3): mean 120, standard deviation 9.2; five of them either way.
    assert 74 <= engines["b"] <= 166
    assert engines["a"] + engines["b"] == 400


class Load:
    """Clients that stream all the time, and check every answer: one engine each, every event, and [DONE]."""

    def __init__(self, stage: Stage, clients: int, tokens: int = 10) -> None:
        self.stage, self.clients, self.tokens = stage, clients, tokens
        self.failures: list[str] = []
        self.answered: list[tuple[float, str]] = []  # when an answer began, and whose it was
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                events = []
                for event in self.stage.events(tokens=self.tokens, interval_s=0.02):
                    if not events:
                        self.answered.append((time.monotonic(), event["engine"]))
                    events.append(event)
                assert events[-1] == "[DONE]", events
                assert [event["index"] for event in events[:-1]] == [*range(self.tokens)], events
                assert len({event["engine"] for event in events[:-1]}) == 1, events
            except Exception as error:  # noqa: BLE001 - whatever a client may see is a failure
                self.failures.append(repr(error))

    def first_after(self, began_s: float, engine: str) -> float:
        """Seconds from `began_s` to the first answer of this engine."""
        return min(at for at, who in self.answered if who == engine and at > began_s) - began_s


def test_p1_p5_flips_under_load_lose_nothing_and_take_less_than_3_s(stage):
    took = []
    with Load(stage, clients=8) as load:
        for engine in ("b", "a") * 5:
            began_s = time.monotonic()
            stage.flip({"a": int(engine == "a"), "b": int(engine == "b")})
            time.sleep(0.3)
            took.append(load.first_after(began_s, engine))
            # The table is in force everywhere: nobody begins on the old one any more.
            settled_s = time.monotonic()
            time.sleep(0.3)
            assert {who for at, who in load.answered if at > settled_s} == {engine}
    assert load.failures == []
    assert len(load.answered) > 100
    print(f"flips: {sorted(round(s, 3) for s in took)} s, {len(load.answered)} streams")
    assert max(took) < 3


def test_p1_a_request_whose_body_comes_slowly_goes_to_the_engine_of_the_table_of_then(stage):
    connection = stage.connect()
    connection.putrequest("POST", CHAT)
    for name, value in {**CLIENT, "Content-Length": "2"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"{")
    time.sleep(0.2)
    stage.flip({"b": 1})
    connection.send(b"}")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["x-infercli-engine"]) == (200, "b")
    connection.close()


def test_p2_an_engine_that_is_not_there_is_refused_and_taken_when_it_comes(stage):
    stage.put({"late": 1})
    for state in stage.until_shown(lambda s: "late" in s["refused"]):
        assert state["generation"] == stage.generation - 1
        assert "no answer" in state["refused"]["late"]
    assert stage.chat().engine == "a"
    engines = [lite("a"), lite("b"), lite("late")]
    generation = stage.generation
    stage.put_engines(engines)  # the table is not put again
    stage.until_shown(lambda s: s["generation"] == generation and not s["refused"], timeout_s=60)
    assert stage.chat().engine == "late"


def test_p2_who_waits_for_an_engine_that_is_taken_away_is_answered_by_the_next(stage):
    stage.put({"one": 1, "b": 0}, [lite("one", max_ongoing_requests=1), lite("b")])
    stage.ray.until_running("one", "b")
    stage.until_shown(lambda s: s["generation"] == stage.generation and not s["refused"])
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(stage.chat, interval_s=8)  # holds the only place of its engine
        until(lambda: stage.sum_in_flight() >= 1)
        waiting = pool.submit(stage.chat)
        until(lambda: stage.sum_in_flight() >= 2)
        began_s = time.monotonic()
        stage.put({"b": 1}, [lite("b")])  # shift and drop in one step, as nobody should
        assert waiting.result(30).engine == "b"
        assert time.monotonic() - began_s < 8
        assert running.result(60).status == 200


def test_p3_an_engine_that_dies_before_its_first_byte_is_replaced_by_another(stage):
    stage.flip({"a": 1, "b": 1})
    answers = [stage.chat(die="a") for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 6
    assert {answer.engine for answer in answers} == {"b"}
    assert sum(state["retries"] for state in stage.states()) >= 1
    stage.until_shown(lambda s: not s["refused"], timeout_s=60)  # it was started again, and is used again
    assert {stage.chat().engine for _ in range(40)} == {"a", "b"}


def test_p3_an_engine_whose_code_fails_is_replaced_without_repeating_what_was_asked(stage):
    stage.flip({"a": 1, "b": 1})
    answer = stage.chat(**{"raise": True, "prompt": "a secret prompt"})  # every engine fails on this one
    assert answer.status == 503
    assert b"secret" not in answer.body
    assert stage.chat().status == 200
    logs = stage.ray.sandbox.run(["grep", "-rl", "a secret prompt", str(stage.ray.directory / "t")]).stdout
    assert not [name for name in logs.split() if "replica_front" in name]


def test_p3_an_engine_that_failed_at_a_request_is_not_asked_the_same_again(stage):
    stage.flip({"a": 1, "b": 1})
    answers = [stage.chat(**{"raise": "a"}) for _ in range(20)]
    assert {(answer.status, answer.engine) for answer in answers} == {(200, "b")}


def test_p3_a_request_that_kills_every_engine_is_run_twice_at_most(stage):
    stage.put({"x": 1, "y": 1, "z": 1}, [lite(name) for name in "xyz"])
    stage.ray.until_running(*"xyz")
    stage.until_shown(lambda s: s["generation"] == stage.generation and not s["refused"])
    assert stage.chat(die="any").status == 503
    refused = {app for state in stage.states() for app in state["refused"]}
    assert len(refused) <= 2
    assert stage.chat().status == 200


def test_p3_an_engine_that_failed_to_deploy_is_refused_and_the_other_serves_on(stage):
    with Load(stage, clients=2) as load:
        stage.put({"a": 1, "broken": 1}, [lite("a"), lite("b"), lite("broken", broken="it cannot")])
        for state in stage.until_shown(lambda s: "broken" in s["refused"]):
            assert [route["app"] for route in state["routes"]] == ["a", "broken"]
        time.sleep(3)
    assert load.failures == []
    assert {who for _, who in load.answered} == {"a"}


def test_p4_a_user_config_that_is_no_table_restarts_nothing_and_changes_nothing(stage):
    before = stage.ray.pids("front", "front")
    stage.put_table({"generation": 10_000, "routes": "everywhere"})
    for state in stage.until_shown(lambda s: "user_config" in s["refused"]):
        assert state["generation"] == stage.generation
    assert stage.chat().engine == "a"
    stage.flip({"b": 1})
    assert stage.chat().engine == "b"
    assert stage.ray.pids("front", "front") == before


def test_p5_an_engine_that_is_dropped_after_the_shift_finishes_its_streams(stage):
    events = stage.events(tokens=30, interval_s=0.1)
    assert next(events)["engine"] == "a"
    stage.flip({"b": 1})
    stage.put({"b": 1}, [lite("b")])
    rest = [*events]
    assert rest[-1] == "[DONE]"
    assert [event["index"] for event in rest[:-1]] == [*range(1, 30)]
    assert {event["engine"] for event in rest[:-1]} == {"a"}


def test_p6_a_replica_more_leaves_the_running_one_alone(stage):
    before = stage.ray.pids("a", "engine")
    stage.put({"a": 1, "b": 0}, [lite("a", replicas=2), lite("b")])
    until(lambda: len(stage.ray.pids("a", "engine")) == 2, 60)
    assert before < stage.ray.pids("a", "engine")


# Streams, copies, and what is counted


def test_a_stream_that_breaks_says_so_and_is_not_done(stage):
    events = [*stage.events(tokens=5, interval_s=0.05, die_after=1)]
    assert events[0]["engine"] == "a"
    assert events[-1]["error"]["type"] == "engine_failed"
    assert "[DONE]" not in events
    stage.until_shown(lambda s: not s["refused"], timeout_s=60)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_the_engines_work(stage, stream):
    connection = stage.connect()
    body = json.dumps({"stream": stream, "tokens": 600, "interval_s": 0.1 if stream else 60})
    connection.request("POST", CHAT, body, dict(CLIENT))
    if stream:
        connection.getresponse().readline()
    until(lambda: stage.load("a")["running"] == 1)
    connection.sock.close() if connection.sock else None
    connection.close()
    until(lambda: stage.load("a")["running"] == 0, 5)
    stage.until_shown(lambda s: s["in_flight"] == 0)


def test_copies_go_to_the_engine_under_test_and_never_change_the_answer(stage):
    stage.flip([{"app": "a", "weight": 1}, {"app": "b", "weight": 0, "shadow": 1.0}])
    came = stage.load("b")["came"]
    answers = [stage.chat() for _ in range(20)]
    assert {(answer.status, answer.engine) for answer in answers} == {(200, "a")}
    until(lambda: stage.load("b")["came"] == came + 20)
    sent = stage.shadows()["sent"]
    assert stage.chat(pinned("a")).engine == "a"
    assert stage.shadows()["sent"] == sent, "whoever names the engine wants that one asked, and no other"


def test_copies_that_fail_or_hang_are_counted_and_bounded(stage):
    stage.flip([{"app": "a", "weight": 1}, {"app": "b", "weight": 0, "shadow": 1.0}])
    before = stage.shadows()
    # `die` kills the copy's engine only: the engine that answers has another name.
    assert stage.chat(die="b").engine == "a"
    until(lambda: stage.shadows()["failed"] == before["failed"] + 1)
    stage.until_shown(lambda s: not s["refused"], timeout_s=60)
    assert (stage.chat(ill="b").status, stage.chat(ill="b").engine) == (200, "a")
    until(lambda: stage.shadows()["failed"] == before["failed"] + 3)
    began_s = time.monotonic()
    assert {stage.chat().status for _ in range(10)} == {200}
    assert time.monotonic() - began_s < 5
    before = stage.shadows()
    assert {stage.chat(hang="b").status for _ in range(30)} == {200}
    after = stage.shadows()
    assert after["sent"] - before["sent"] <= FRONTS * MAX_SHADOWS
    assert after["sent"] + after["dropped"] - before["sent"] - before["dropped"] == 30
    until(lambda: stage.load("b")["running"] == 0)


def test_requests_are_counted_by_engine_and_outcome_here_and_for_prometheus(stage):
    before = stage.counted("a", "2xx")
    for _ in range(5):
        assert stage.chat().status == 200
    assert stage.counted("a", "2xx") == before + 5
    url = f"http://127.0.0.1:{stage.ray.sandbox.forward(METRICS_PORT)}/metrics"
    deadline = time.monotonic() + 30
    while True:
        text = urllib.request.urlopen(url, timeout=10).read().decode()
        series = [
            line for line in text.splitlines() if "infercli_front_requests_total" in line and 'engine="a"' in line
        ]
        if any('outcome="2xx"' in line and f'path="{CHAT}"' in line for line in series):
            break
        assert time.monotonic() < deadline, "Ray exports no such series"
        time.sleep(1)
    assert "infercli_front_ttft_seconds" in text
    assert "infercli_front_in_flight" in text
