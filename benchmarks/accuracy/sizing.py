"""Start-up logs beside our terms: weights, activation, non-torch, CUDA graphs, KV pool, concurrency, verdict."""

from __future__ import annotations

from typing import Any

from benchmarks.accuracy.asking import Question, question
from benchmarks.accuracy.models import Library
from benchmarks.accuracy.scoring import Compared, Scores, readable
from infercli.cli.estimating import Answers
from infercli.core.estimates.answer import Estimate, EstimateError
from infercli.core.units import GIB

Row = dict[str, Any]

_UNSLOTH_SEQUENCES = (
    (2, 128), (4, 160), (8, 192), (12, 224), (16, 256), (24, 288), (40, 320), (48, 226), (80, 368), (float("inf"), 400),
)  # fmt: skip
"""(GiB beside the weights up to which, max_num_seqs): unslothai/unsloth-zoo, vllm_utils.py load_vllm."""

_STARTED = ("ok",)
_REJECTED = ("failed_config_rejected",)
_NOT_ENOUGH = ("kv_too_small", "oom")


def score(rows: list[Row], library: Library) -> Scores:
    """Every record asked, and compared where something was printed."""
    answers, scores = Answers(), Scores(rows=len(rows))
    for row in rows:
        with readable(row, scores.refused):
            _score(row, library, answers, scores)
    return scores


def _score(row: Row, library: Library, answers: Answers, scores: Scores) -> None:
    asked = question(row, library)
    answer = answers.answer(asked.request)
    if isinstance(answer, EstimateError) and [p.where for p in answer.problems] == ["enable_lora"]:
        asked.request.pop("enable_lora")
        asked.assumed.append("no adapters after all: what they take of this model is not known")
        answer = answers.answer(asked.request)
    if "max_num_seqs" not in asked.request and "unsloth" in str(row.get("notes") or "").lower():
        answer = _as_unsloth_starts(asked, answers, answer)
    if isinstance(answer, EstimateError):
        reason = "; ".join(f"{p.where}: {p.what}" if p.where else p.what for p in answer.problems)
        scores.refused.append((asked.request["id"], reason))
        _judge_refused(scores, row, reason)
        return
    compared = _compare(scores, row, asked, answer)
    if asked.memory_known:
        _judge(scores, row, answer)
    else:
        scores.uncounted.append((compared.id, "verdict", "the record does not say how much memory the GPU has"))
    if compared.pairs:
        scores.compared.append(compared)
    else:
        scores.uncounted.append((compared.id, "all", f"nothing was printed: {row.get('startup_result')}"))


def _as_unsloth_starts(asked: Question, answers: Answers, answer: Estimate | EstimateError) -> Estimate | EstimateError:
    """Asked again with the max_num_seqs that Unsloth gives the engine it starts, which its logs do not print."""
    if isinstance(answer, EstimateError):
        return answer
    weights = next(term.bytes for term in answer.memory.terms if term.name == "weights")
    left_gib = (answer.memory.budget_bytes - weights) / GIB
    seqs = next(seqs for limit, seqs in _UNSLOTH_SEQUENCES if left_gib <= limit)
    asked.assumed.append(f"max_num_seqs {seqs}, as Unsloth chooses it")
    return answers.answer(asked.request | {"max_num_seqs": seqs})


def _judge(scores: Scores, row: Row, answer: Estimate) -> None:
    name, result = str(row["id"]), row.get("startup_result")
    memory_failure = result in _NOT_ENOUGH or (row.get("failure") or {}).get("is_model_memory_failure") is True
    if result in _STARTED:
        scores.judged += 1
        if answer.starts is False:
            scores.wrong_verdicts.append((name, f"it started; we say: {answer.reason}"))
        elif answer.starts is None:
            scores.undecided.append((name, f"it started; we say: {answer.reason}"))
    elif memory_failure:
        scores.judged += 1
        if answer.starts is not False:
            scores.wrong_verdicts.append((name, f"it failed ({result}); we say: {answer.reason}"))


def _judge_refused(scores: Scores, row: Row, reason: str) -> None:
    """A configuration that the engine rejected, and we too, is judged right; what started must not be refused."""
    result = row.get("startup_result")
    if result in _REJECTED:
        scores.judged += 1
    elif result in _NOT_ENOUGH:
        scores.judged += 1
        scores.wrong_verdicts.append((str(row["id"]), f"it failed ({result}), and we refuse to answer: {reason}"))


def _compare(scores: Scores, row: Row, asked: Question, answer: Estimate) -> Compared:
    observed = row.get("observed") or {}
    terms = {term.name: term.bytes for term in answer.memory.terms}
    version = ".".join(answer.engine_version.split(".")[:2])
    compared = Compared(
        id=str(row["id"]),
        groups=(answer.family, f"gpu {answer.gpu}", f"vllm {version if asked.version_known else 'unknown'}"),
        pairs={},
        architecture=answer.architecture,
    )
    note = "; ".join(asked.assumed)
    # Ours is vLLM's estimate of the graphs where that is deducted, and what their capture takes where it is not.
    deducted = any(term.name == "cuda_graphs" and term.inside_budget for term in answer.memory.terms)
    for name, key in (
        ("weights", "weights_gib"),
        ("activation", "activation_peak_gib"),
        ("non_torch", "non_torch_gib"),
        ("cuda_graphs", "cuda_graph_gib"),
    ):
        printed = observed.get(key)
        if name == "cuda_graphs" and deducted:
            printed = observed.get("cuda_graph_estimated_gib", observed.get("cuda_graph_estimate_gib")) or printed
        if printed is not None and name in terms:
            compared.pairs[name] = (terms[name] / GIB, float(printed))
            compared.why[name] = note
    pool = _pool(answer, observed, row.get("failure"))
    concurrency = observed.get("max_concurrency")
    reason = _uncounted(row, asked)
    if reason is not None:
        scores.uncounted += [(compared.id, "kv_cache", reason)] * (pool is not None)
        scores.uncounted += [(compared.id, "max_concurrency", reason)] * (concurrency is not None)
        return compared
    if pool is not None:
        compared.pairs["kv_cache"], low, high = (pool[0], pool[1]), pool[2], pool[3]
        compared.within_80 = low <= pool[1] <= high
        compared.why["kv_cache"] = note
    if concurrency is not None and answer.kv_cache is not None:
        compared.pairs["max_concurrency"] = (answer.kv_cache.concurrency, float(concurrency))
        compared.why["max_concurrency"] = note
    return compared


def _pool(answer: Estimate, observed: Row, failure: Row | None) -> tuple[float, float, float, float] | None:
    """(ours, printed, low, high) of the KV pool: tokens where a refusal says them, else GiB, tokens or blocks."""
    cache = answer.kv_cache
    if cache is None:
        return None
    fits = (failure or {}).get("max_tokens_in_kv")
    if fits:  # the engine's own number, which is that of the rank with the least; a log may show another rank's GiB
        return cache.tokens, float(fits), cache.tokens_low, cache.tokens_high
    if observed.get("available_kv_gib") is not None:
        printed = float(observed["available_kv_gib"])
        rounding = 0.005  # it is printed with two decimals
        return cache.bytes / GIB, printed, cache.low_bytes / GIB - rounding, cache.high_bytes / GIB + rounding
    if observed.get("kv_cache_tokens"):
        return cache.tokens, float(observed["kv_cache_tokens"]), cache.tokens_low, cache.tokens_high
    blocks = observed.get("num_gpu_blocks") or observed.get("kv_cache_blocks")
    if blocks and cache.blocks > 0:
        share = cache.low_bytes / max(cache.bytes, 1), cache.high_bytes / max(cache.bytes, 1)
        return cache.blocks, float(blocks), cache.blocks * share[0], cache.blocks * share[1]
    return None


def _uncounted(row: Row, asked: Question) -> str | None:
    """Why a record's pool says nothing about us; None where version, utilization and GPU are known."""
    checks = row.get("checks") or {}
    if not asked.version_known:
        return "the record does not say vLLM's version"
    if not (row.get("gpu_memory_utilization") or row.get("gpu_memory_utilization_default_assumed")):
        return "the record does not say gpu_memory_utilization"
    if not asked.gpu_known:
        return "the record does not say the GPU, and its memory was not printed"
    if checks.get("budget_conflict"):
        return "the stated utilization cannot hold what was printed"
    return None
