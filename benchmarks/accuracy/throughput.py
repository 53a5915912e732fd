"""Measured loads beside our speed: output tokens/s, TTFT and TPOT. vLLM is scored, other engines are shown apart."""

from __future__ import annotations

import re
import shlex
from typing import Any, NamedTuple

from benchmarks.accuracy.asking import Question, number, question
from benchmarks.accuracy.models import Library
from benchmarks.accuracy.scoring import Compared, Scores, readable
from infercli.cli.estimating import Answers
from infercli.core.estimates.answer import Estimate, EstimatedSpeed, EstimateError

Row = dict[str, Any]

_OFFLINE_MAX_PROMPTS = 2000
"""Prompts of a record that says only `all requests queued`: enough that start and end of the run are small."""
_MADE_UP = r"random|synthetic|fixed|longctx|exact|prefix_repetition"
"""Words of harnesses whose prompts and answers are no texts that somebody wrote."""
_REPEATED = "ree2raz-inference-bench"
"""A source that sends the same prompts again and again, to one server: of its 100 short ones 49 are different and of
its long ones ten, at every level, three times over and in a warm-up besides (bench_lib.py, prompts/workload.jsonl)."""
_BLOCK = 16
"""Tokens of a prompt that are cached at a time; never its last one."""
_INFERENCEX_FP8_CACHE = "Llama-3.1-70B"
"""`kv-cache-dtype: fp8` in InferenceX (benchmarks/70b_fp8_h100_slurm.sh, and its like), whose records leave it out."""
_INFERENCEX_LOOPS = 10
"""Prompts of each client: `--num-prompts $(( CONC * 10 ))` in InferenceX, whose records do not repeat it."""
_USUAL_LENGTH, _ROOM, _LEAST_ROOM = 8192, 2, 1.1
"""Records do not say max_model_len: this many tokens, or that many times the mean lengths; at least the last."""

_INTS = {
    "max-num-seqs": "max_num_seqs", "max-num-batched-tokens": "max_num_batched_tokens",
    "max-model-len": "max_model_len", "block-size": "block_size",
}  # fmt: skip
_FLOATS = {"gpu-memory-utilization": "gpu_memory_utilization"}
_FLAGS = {"enforce-eager": "enforce_eager", "enable-expert-parallel": "enable_expert_parallel"}


def score(rows: list[Row], library: Library) -> dict[str, Scores]:
    """Scores by engine: `vLLM` first, whatever else was measured after it."""
    answers, scores = Answers(), {"vLLM": Scores()}
    for row in rows:
        engine = str(row.get("engine") or "vLLM")
        mine = scores.setdefault(engine, Scores())
        mine.rows += 1
        with readable(row, mine.refused):
            _score(row, library, answers, mine)
    return scores


def _score(row: Row, library: Library, answers: Answers, scores: Scores) -> None:
    if not (row.get("input_len") and row.get("output_len")):
        scores.refused.append((str(row["id"]), "the record does not say its lengths"))
        return
    asked = ask(row, library)
    answer = answer_with_room(answers, asked, row)
    reason = refused(answer)
    if reason is not None:
        scores.refused.append((str(row["id"]), reason))
        return
    assert isinstance(answer, Estimate)
    assert answer.speed is not None
    compared = _compare(row, asked, answer, answer.speed)
    if not compared.pairs:
        scores.uncounted.append((compared.id, "all", "nothing was measured"))
    elif str(row.get("plausibility", "checked")) == "above-roofline":
        scores.uncounted.append((compared.id, "all", "beyond what the hardware can do: the record is not believed"))
    else:
        scores.compared.append(compared)


def refused(answer: Estimate | EstimateError) -> str | None:
    """Why there is no speed; None where there is."""
    if isinstance(answer, EstimateError):
        return "; ".join(f"{p.where}: {p.what}" if p.where else p.what for p in answer.problems)
    if answer.speed is None:
        return next((note for note in answer.notes if note.startswith("no speed")), "no speed")
    return None


def answer_with_room(answers: Answers, asked: Question, row: Row) -> Estimate | EstimateError:
    """The answer, with a usual max_model_len where the record does not say it, and a shorter one where that fails."""
    if "max_model_len" in asked.request:
        return answers.answer(asked.request)
    lengths = float(row.get("input_len") or 0) + float(row.get("output_len") or 0)
    for length in (max(_USUAL_LENGTH, int(_ROOM * lengths)), int(_LEAST_ROOM * lengths) + 1, None):
        answer = answers.answer(asked.request | ({} if length is None else {"max_model_len": length}))
        if isinstance(answer, Estimate) and answer.starts is not False:
            asked.assumed.append(f"max_model_len {answer.settings.max_model_len}")
            break
    return answer


def ask(row: Row, library: Library) -> Question:
    """The request of a record, with its load."""
    asked = question(row, library)
    # What the harness calls `auto` or nothing is what the engine defaults to.
    for name in ("dtype", "kv_cache_dtype"):
        if asked.request.get(name) in (None, "auto"):
            asked.request.pop(name, None)
    _named_layout(asked, row)
    if str(row.get("source")).startswith("inferencex") and str(row.get("model")).endswith(_INFERENCEX_FP8_CACHE):
        asked.request.setdefault("kv_cache_dtype", "fp8")
    replicas = int(row.get("replicas") or 1)
    sizes = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
    engine_gpus = 1
    for size in sizes:
        engine_gpus *= int(asked.request.get(size) or 1)
    asked.request["gpu_count"] = engine_gpus * replicas
    _command(asked, str(row.get("notes") or ""))
    asked.request["workload"] = _load(asked, row)
    return asked


def _named_layout(asked: Question, row: Row) -> None:
    """The layout that the name of an InferenceX run says, where the record made ranks of it that were not there.

    `tp4_ep4` is four GPUs that split experts among themselves. Read as four data-parallel groups of four, a run would
    have had sixteen; its requests in flight times its tokens/s are those of four.
    """
    named = re.search(r"_tp(\d+)(?:_0)?_ep(\d+)(?:_0)?_", str(row.get("notes") or ""))
    request = asked.request
    if named is None or not str(row.get("source")).startswith("inferencex") or named[1] != named[2]:
        return
    if int(named[1]) == request.get("tensor_parallel_size") and request.get("data_parallel_size", 1) > 1:
        request["data_parallel_size"] = 1
        asked.assumed.append(f"{named[0].strip('_')}: no data-parallel ranks")


def lengths_of(row: Row) -> Row:
    """How lengths are spread: as the benchmark that a record names draws them; unsaid where it names none.

    Lengths that a harness made up are all equal, unless it gave them a range (`range 0.9`: vLLM's random-range-ratio).
    `random N/M x0.9`: uniform in 0.8 to 1.0 of the nominal length (InferenceX). ShareGPT: answers and prompts vary by
    about their mean. AccelMark's samples of it are narrower (its suites' published length statistics).
    """
    workload = str(row.get("workload") or "")
    if "x0.9" in workload:
        return {"length_spread_fraction": 0.111}
    if workload.startswith("sharegpt_"):
        return {"length_spread_fraction": 0.22 if "edge" in workload else 0.45}
    if "sharegpt" in workload:
        return {"length_spread_fraction": 1.0, "length_shape": "skewed"}
    ranged = re.search(r"\brange (0\.\d+)", workload)
    if ranged:
        return {"length_spread_fraction": float(ranged.group(1))}
    return {"length_spread_fraction": 0.0} if re.search(_MADE_UP, workload) else {}


def _load(asked: Question, row: Row) -> Row:
    load = {"input_len": float(row["input_len"]), "output_len": float(row["output_len"])} | lengths_of(row)
    if row.get("source") == _REPEATED:
        load["prefix_hit_fraction"] = int(row["input_len"] - 1) // _BLOCK * _BLOCK / row["input_len"]
    kind, prompts = str(row.get("load") or ""), row.get("num_prompts")
    if kind == "closed" and row.get("concurrency") and str(row.get("source")).startswith("inferencex"):
        prompts = prompts or _INFERENCEX_LOOPS * int(row["concurrency"])
    in_all = {"num_prompts": int(prompts)} if prompts else {}
    if kind == "closed" and row.get("concurrency"):
        return load | in_all | {"concurrency": float(row["concurrency"])}
    rate = row.get("request_rate")
    if isinstance(rate, int | float):
        return load | in_all | {"request_rate": float(rate)}
    if kind == "offline-batch":
        load["offline"] = True
    if in_all:
        return load | in_all
    if row.get("concurrency"):
        return load | {"num_prompts": int(row["concurrency"])}
    asked.assumed.append(f"{_OFFLINE_MAX_PROMPTS} prompts: the record does not say how many")
    return load | {"num_prompts": _OFFLINE_MAX_PROMPTS}


def _command(asked: Question, notes: str) -> None:
    """Settings of the engine that a record quotes: `cmd: vllm serve ... --max-num-seqs 64`, or in words."""
    request = asked.request
    match = re.search(r"max_num_seqs (\d+)", notes)
    if match:
        request["max_num_seqs"] = int(match.group(1))
    if re.search(r"(?<!for )\benforce-eager\b", notes) and "cmd:" not in notes:
        request["enforce_eager"] = True
    if re.search(r"--enforce-eager for awq", notes):
        request["enforce_eager"] = request.get("quantization") == "awq"
    if "KV dtype fp8" in notes:
        request["kv_cache_dtype"] = "fp8"
    if "cmd:" not in notes or "vllm" not in notes:
        return
    try:
        words = shlex.split(notes.partition("cmd:")[2])
    except ValueError:
        return  # a quoted command that was cut off says nothing reliable
    for index, word in enumerate(words):
        name, _, value = word.lstrip("-").replace("_", "-").partition("=")
        value = value or (words[index + 1] if index + 1 < len(words) else "")
        if name in _INTS and value.isdigit():
            request[_INTS[name]] = int(value)
        elif name in _FLOATS and re.fullmatch(r"[\d.]+", value):
            request[_FLOATS[name]] = float(value)
        elif word.startswith("--") and name in _FLAGS:
            request[_FLAGS[name]] = True
        elif name == "kv-cache-dtype" and value:
            request["kv_cache_dtype"] = value


def _compare(row: Row, asked: Question, answer: Estimate, speed: EstimatedSpeed) -> Compared:
    version = ".".join(answer.engine_version.split(".")[:2])
    load = str(row.get("load") or "unstated")
    groups = [
        answer.family,
        f"gpu {answer.gpu}",
        f"vllm {version if asked.version_known else 'unknown'}",
        f"load {load}",
    ]
    groups += [
        f"{load} {'dense' if answer.family == 'dense' else 'moe'}",
        f"quantization {answer.settings.quantization}",
    ]
    groups += [f"source {row.get('source') or 'unstated'}"]
    note = "; ".join([*asked.assumed, *([f"config of {asked.config_of}"] if asked.config_of else [])])
    pairs: dict[str, tuple[float, float]] = {}
    held: dict[str, bool] = {}
    printed, within = number(row.get("output_tok_per_s")), None
    if printed is not None:
        pairs["output_tok_per_s"] = (speed.output_tok_per_s.value, printed)
        within = speed.output_tok_per_s.low <= printed <= speed.output_tok_per_s.high
    ours_tpot = speed.tpot_s
    ttft, tpot = _typical(row.get("ttft_ms")), _typical(row.get("tpot_ms"))
    if ttft is not None:
        alike = speed.ttft_s if ttft.median else speed.ttft_mean_s
        pairs["ttft"] = (1000 * alike.value, ttft.ms)
        held["ttft"] = alike.low <= ttft.ms / 1000 <= alike.high
    if tpot is not None and ours_tpot is not None:
        pairs["tpot"] = (1000 * ours_tpot.value, tpot.ms)
        held["tpot"] = ours_tpot.low <= tpot.ms / 1000 <= ours_tpot.high
    why = dict.fromkeys(pairs, note)
    return Compared(str(row["id"]), tuple(groups), pairs, why, within, held, architecture=answer.architecture)


class Printed(NamedTuple):
    """A latency as a record has it."""

    ms: float
    median: bool
    """False: the mean."""


def _typical(printed: Row | None) -> Printed | None:
    """The median of a latency, or the mean where only that was printed; None: neither was.

    `p50_or_mean` of InferenceX are means: TTFT grows with the clients as the burst of the start does.
    """
    found = ((k, (printed or {}).get(k)) for k in ("p50", "p50_or_mean", "mean"))
    return next((Printed(float(value), k == "p50") for k, value in found if value is not None), None)
