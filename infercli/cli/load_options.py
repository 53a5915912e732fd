"""The load options of `infercli bench`, understood as levels of load. What is wrong with them is said all at once."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from infercli.cli.project import load_objectives
from infercli.core.bench.goodput import Objectives, parse_objective
from infercli.core.bench.levels import USERS, Levels
from infercli.core.load.file_problems import DamagedLine, json_object
from infercli.core.units import parse_duration_s
from infercli.errors import InputError

MAX_TOKENS = 128
WARMUP_REQUESTS = 4
TIMEOUT_S = 300.0
_BURSTINESS = (0.01, 1e6)
"""Beyond these the gaps are numbers that a gamma distribution cannot be drawn to: all zero, or all the same."""
_SLOWEST_PER_S = 1e-6
"""One request in eleven days. Much below it, times are no longer numbers that a timer takes."""
_OWN_FIELDS = {
    **dict.fromkeys(("model", "messages", "prompt", "input"), "--model and --workload say it"),
    **dict.fromkeys(("stream", "stream_options"), "every request streams"),
    **dict.fromkeys(("max_tokens", "max_completion_tokens"), "--max-tokens says it"),
    "min_tokens": "--min-tokens says it",
    "ignore_eos": "--ignore-eos says it",
    "n": "an answer that comes several times is not counted apart",
}
"""Of a request's body, and why no --extra-body may have them."""
_OWN_HEADERS = {
    "authorization": "keys come from INFERCLI_API_KEY",
    **dict.fromkeys(
        (
            "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect",
            "host", "te", "transfer-encoding", "user-agent",
        ),
        "it is said already, or would change how answers come",
    ),
}  # fmt: skip
_HEADER = re.compile(r"(?P<name>[!#$%&'*+.^`|~\w-]+)\s*[=:]\s*(?P<value>[ -~]*)", re.ASCII)
"""As vLLM's benchmark takes it, or as curl does."""
_INSTEAD = {
    "rate": "all at once is --concurrency N --requests N, a user for each request",
    "ramp_to": "a --rate changes to a rate",
    "burstiness": "gaps that are all the same are --arrivals constant",
    "speed": "a trace is replayed a number of times as fast",
}


class Times(NamedTuple):
    """Durations, in seconds; None: not given."""

    duration_s: float | None
    warmup_s: float
    cooldown_s: float
    timeout_s: float


def understand(given: dict[str, Any], *, traced: bool, max_tokens: int, turns: float = 1.0) -> Levels:
    """The options as levels of load. Raises InputError, all at once.

    `traced`: the workload has times of its own; `turns`: mean of a conversation.
    """
    wrong: list[str] = []
    times = _times(given, wrong)
    wrong += _contradictions(given, times)
    wrong += _without_effect(given)
    wrong += _impossible(given, times, traced=traced, max_tokens=max_tokens)
    extra = _extra_body(given["extra_body"], wrong, answers=given["api"] != "embeddings")
    objectives, hint = None, "`infercli bench --help` has an example of each load"
    try:
        objectives = _objectives(given["slos"], given["objectives"])
    except InputError as error:
        wrong.append(error.message)
        hint = error.hint or hint
    if given["api"] == "embeddings" and objectives is not None:
        wrong += [
            f"{o.words}: an embedding has no tokens of its own: write an objective of its end, as in e2e_p95=1s"
            for o in objectives.objectives
            if o.latency != "e2e"
        ]
    if wrong:
        raise InputError("\n".join(wrong), hint)
    search = _searches(given)
    shared = _shared(given, times, max_tokens) | extra | ({"multi_turn": True} if turns > 1 else {})
    return Levels(
        shared=shared | _arrivals(given) if search else shared,
        levels=() if search or given["sweep"] else _levels(given),
        sweep=given["sweep"],
        search=search,
        turns=turns,
        objectives=objectives,
    )


def _extra_body(text: str | None, wrong: list[str], *, answers: bool) -> dict[str, Any]:
    """`--extra-body` as fields of a Load. A temperature is one of its own, for some endpoints refuse ours."""
    if text is None:
        return {}
    try:
        body = json_object(text)
        json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        said = error if isinstance(error, DamagedLine) else "has what no JSON can say"
        wrong.append(f"""--extra-body {said}: write for example --extra-body '{{"top_p": 0.9}}'""")
        return {}
    wrong += [f"--extra-body: {name}: {why}" for name, why in _OWN_FIELDS.items() if name in body]
    temperature = body.pop("temperature", 0.0)
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or temperature < 0:
        wrong.append("--extra-body: temperature: must be a number, and not below 0")
    elif temperature and not answers:
        wrong.append("--extra-body: temperature is about answers, and an embedding has none")
    return {"extra_body": body, "temperature": temperature}


def headers(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`--header x-tenant=a`, or `x-tenant: a`. Raises InputError, without their values: one may be a key."""
    wrong, found = [], []
    for text in given:
        match = _HEADER.fullmatch(text.strip())
        name = text.partition("=")[0].partition(":")[0].strip()
        if match is None:
            wrong.append(f"--header {name}: is no NAME=VALUE that a request can carry")
        elif why := _OWN_HEADERS.get(name.lower()):
            wrong.append(f"--header {name}: {why}")
        else:
            found.append((match["name"], match["value"]))
    if wrong:
        raise InputError("\n".join(wrong), "for example --header x-tenant=a")
    return tuple(found)


def warmup_requests(given: dict[str, Any]) -> int:
    """Before measuring begins; 0 where warm-up is a time, and in a replay, which begins with its own beginning."""
    if given["warmup"] is None:
        return 0 if given["replay"] else WARMUP_REQUESTS
    return int(given["warmup"]) if given["warmup"].isdecimal() else 0


def _cooldown_requests(given: dict[str, Any]) -> int | None:
    """At the end; None: it is a time, or not said."""
    return int(given["cooldown"]) if given["cooldown"] is not None and given["cooldown"].isdecimal() else None


def _searches(given: dict[str, Any]) -> bool:
    aimed = given["slos"] or given["objectives"]
    return bool(aimed) and not (given["rate"] or given["concurrency"] or given["sweep"] or given["replay"])


def _times(given: dict[str, Any], wrong: list[str]) -> Times:
    def seconds(name: str) -> float | None:
        try:
            return None if given[name] is None else parse_duration_s(given[name])
        except ValueError as error:
            wrong.append(f"--{name}: {error}")
            return None

    by_number = given["warmup"] is None or given["warmup"].isdecimal()
    duration_s, timeout_s = seconds("duration"), seconds("timeout")
    for name, value in (("duration", duration_s), ("timeout", timeout_s)):
        if value == 0:
            wrong.append(f"--{name} {given[name]}: must be more than 0")
    wrong += [
        f"--{name} {given[name]}: has no unit: write {given[name]}s, or a number of requests"
        for name in ("warmup", "cooldown")  # where others take a share
        if given[name] is not None and re.fullmatch(r"\d*\.\d*", given[name])
    ]
    return Times(
        duration_s,
        0.0 if by_number else seconds("warmup") or 0.0,
        0.0 if _cooldown_requests(given) is not None else seconds("cooldown") or 0.0,
        TIMEOUT_S if timeout_s is None else timeout_s,
    )


def _contradictions(given: dict[str, Any], times: Times) -> Iterator[str]:
    rates, users = ("--rate", given["rate"]), ("--concurrency", given["concurrency"])
    sweep, workload = ("--sweep", given["sweep"]), ("--workload", given["workload"])
    for group in (
        (("--requests", given["requests"]), ("--duration", times.duration_s)),
        (sweep, rates, ("--replay", given["replay"])),
        (sweep, users),
        (("--slo", given["slos"]), ("--objectives", given["objectives"])),
        (("--output-len", given["output_len"]), ("--max-tokens", given["max_tokens"])),
        (("--burstiness", given["burstiness"]), ("--arrivals", given["arrivals"])),
        (workload, ("--input-len", given["input_len"]), ("--words", given["words"])),
        (workload, ("--output-len", given["output_len"])),
        (("--in-cluster", given["in_cluster"]), ("--header", given["headers"])),
    ):
        there = [name for name, value in group if value]
        if len(there) > 1:
            yield f"{' and '.join(there)} cannot be given together"
    if len(rates[1]) > 1 and len(users[1]) > 1:
        yield "several --rate and several --concurrency cannot be given together"
    if given["telemetry"] in ("none", "nvml") and given["metrics_url"]:
        yield f"--telemetry {given['telemetry']} and --metrics-url cannot be given together"


def _without_effect(given: dict[str, Any]) -> Iterator[str]:
    """What would be swallowed: whoever typed it expects it to matter."""
    spaced = given["rate"] or _searches(given)
    for name, needed, there in (
        ("arrivals", "a --rate", spaced),
        ("burstiness", "a --rate", spaced),
        ("stop_when_saturated", "a --rate or --replay", spaced or given["replay"]),
        ("ramp_to", "a --rate and a --duration", given["rate"] and given["duration"]),
        ("cooldown", "a --duration, or as a number --requests", given["duration"] or given["requests"]),
        ("speed", "--replay", given["replay"]),
        ("data_format", "a --workload, which is a file of such data", given["workload"]),
    ):
        if given[name] and not there:
            yield f"--{'format' if name == 'data_format' else name.replace('_', '-')} needs {needed}"
    if given["api"] == "embeddings":
        for name in ("output_len", "max_tokens", "min_tokens", "ignore_eos"):
            if given[name]:
                yield f"--{name.replace('_', '-')} is about answers, and an embedding has no tokens of its own"
    if given["tokenizer"] not in (None, "none") and not (given["input_len"] or given["workload"]):
        yield "--tokenizer needs --input-len or a --workload: without them the lengths of prompts are in words"


def _impossible(given: dict[str, Any], times: Times, *, traced: bool, max_tokens: int) -> Iterator[str]:
    for name, instead in _INSTEAD.items():
        values = given[name] if isinstance(given[name], tuple) else (given[name],)
        for value in values:
            if value is not None and not math.isfinite(value):
                yield f"--{name.replace('_', '-')} {value:g}: must be a number; {instead}"
    for rate in (*given["rate"], *([given["ramp_to"]] if given["ramp_to"] else [])):
        if rate < _SLOWEST_PER_S:
            yield f"a rate of {rate:g} requests/s is less than one in eleven days"
    burstiness, (least, most) = given["burstiness"], _BURSTINESS
    if burstiness is not None and math.isfinite(burstiness) and not least <= burstiness <= most:
        yield f"--burstiness {burstiness:g}: must be between {least:g} and {most:,.0f}; {_INSTEAD['burstiness']}"
    if given["replay"] and not traced:
        yield "--replay: this workload has no times of its own; a trace has"
    if given["replay"] and warmup_requests(given):
        yield f"--replay begins with its own beginning: write its --warmup as a time, not {given['warmup']} requests"
    cooldown = _cooldown_requests(given)
    if cooldown is None and times.cooldown_s and given["requests"]:
        yield f"--cooldown {given['cooldown']} is a time, and --requests ends by a number: write how many of them"
    if cooldown and given["duration"]:
        yield f"--cooldown {cooldown} is a number of requests, and --duration a time: write --cooldown {cooldown}s"
    if cooldown and given["replay"]:
        yield "--replay takes no --cooldown by number: give it a --duration, and a --cooldown as a time"
    if cooldown and given["requests"] and cooldown >= given["requests"]:
        yield f"--cooldown {cooldown} leaves nothing of --requests {given['requests']} to measure"
    if given["min_tokens"] and given["min_tokens"] > max_tokens:
        yield f"--min-tokens {given['min_tokens']} is over the {max_tokens} that an answer may have at most"
    if times.duration_s and times.warmup_s + times.cooldown_s >= times.duration_s:
        yield f"--warmup and --cooldown leave nothing of --duration {given['duration']} to measure"


def _objectives(slos: Sequence[str], named: str | None) -> Objectives | None:
    if named is not None:
        return load_objectives(named)
    wrong, objectives = [], []
    for text in slos:
        try:
            objectives.append(parse_objective(text))
        except ValueError as error:
            wrong.append(f"--slo: {error}")
    if wrong:
        raise InputError("\n".join(wrong), "for example --slo ttft_p95=1s --slo tpot_p95=50ms")
    return Objectives(objectives=tuple(objectives)) if objectives else None


def _shared(given: dict[str, Any], times: Times, max_tokens: int) -> dict[str, Any]:
    fields = {
        "requests": given["requests"],
        **times._asdict(),
        "warmup_requests": warmup_requests(given),
        "cooldown_requests": _cooldown_requests(given),
        "max_tokens": max_tokens,
        "min_tokens": given["min_tokens"],
        "ignore_eos": given["ignore_eos"],
        "seed": given["seed"],
        "stop_when_saturated": given["stop_when_saturated"],
    }
    return {name: value for name, value in fields.items() if value is not None}


def _arrivals(given: dict[str, Any]) -> dict[str, Any]:
    if given["burstiness"]:
        return {"arrivals": "gamma", "burstiness": given["burstiness"]}
    return {"arrivals": given["arrivals"] or "poisson"}


def _levels(given: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    rates, users = given["rate"], given["concurrency"]
    if given["replay"]:
        speed = {"speed": given["speed"] or 1.0}
        return ({"arrivals": "trace", **speed, "concurrency": users[0] if users else None},)
    if not rates:
        return tuple({"concurrency": n} for n in users or (USERS,))
    each = _arrivals(given) | {"ramp_to_per_s": given["ramp_to"]}
    return tuple({**each, "rate_per_s": r, "concurrency": cap} for r in rates for cap in users or (None,))
