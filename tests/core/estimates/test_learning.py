"""How what was learned moves the memory of an estimate, term by term, by hand."""

from __future__ import annotations

from infercli.core.documents.plan import GpuMemory, MemoryTerm
from infercli.core.estimates.learning import Kind, Learned, LearnedRun, LearnedRuns, Residual, moved, of_kind


def term(name, typical, low, high, *, inside=True):
    return MemoryTerm(
        name=name, bytes=typical, low_bytes=low, high_bytes=high, formula="", source="", inside_budget=inside
    )


MEMORY = GpuMemory(
    total_bytes=100,
    budget_bytes=90,
    terms=(
        term("weights", 40, 38, 45),
        term("activation", 10, 5, 15),
        term("cuda_graphs", 5, 4, 8, inside=False),
        term("kv_cache", 40, 90 - 45 - 15, 90 - 38 - 5),
    ),
)


def ends(memory, known):
    """{term: (low, typical, high)} once `known` has moved them."""
    return {t.name: (t.low_bytes, t.bytes, t.high_bytes) for t in moved(memory, known)[0].terms}


AS_IT_WAS = ends(MEMORY, {})


def test_a_term_takes_its_band_along_and_the_kv_cache_is_what_is_left_at_both_ends():
    assert ends(MEMORY, {"weights": Learned(6, None, 1)}) == AS_IT_WAS | {
        "weights": (44, 46, 51),
        "kv_cache": (90 - 51 - 15, 90 - 46 - 10, 90 - 44 - 5),
    }


def test_a_band_is_as_wide_as_the_runs_lie_apart():
    assert ends(MEMORY, {"weights": Learned(0, 10, 2)}) == AS_IT_WAS | {
        "weights": (30, 40, 50),
        "kv_cache": (90 - 50 - 15, 40, 90 - 30 - 5),
    }


def test_what_lies_outside_the_budget_takes_nothing_from_the_kv_cache():
    assert ends(MEMORY, {"cuda_graphs": Learned(3, None, 1)}) == AS_IT_WAS | {"cuda_graphs": (7, 8, 11)}


def test_no_term_becomes_negative():
    memory, taken = moved(MEMORY, {"activation": Learned(-30, None, 1)})
    assert taken["activation"].off_bytes == -10
    assert [t.bytes for t in memory.terms] == [40, 0, 5, 50]
    assert [t.low_bytes for t in memory.terms][1] == 0


def test_a_term_that_there_is_none_of_is_not_moved():
    none = MEMORY.model_copy(update={"terms": (term("cuda_graphs", 0, 0, 0), *MEMORY.terms[:2], MEMORY.terms[3])})
    memory, taken = moved(none, {"cuda_graphs": Learned(3, None, 1)})
    assert (memory, taken) == (none, {})


def test_what_was_printed_of_the_kv_cache_alone_is_a_term_of_its_own():
    found = ends(MEMORY, {"kv_cache": Learned(-5, 3, 2)})
    assert found == AS_IT_WAS | {"learned": (5, 5, 5), "kv_cache": (25, 35, 42)}
    assert sum(typical for name, (_, typical, _) in found.items() if name != "cuda_graphs") == 90


def test_runs_of_one_minor_version_are_of_one_kind():
    def run(version, printed):
        return LearnedRun(
            digest=version, source="", model="", architecture="LlamaForCausalLM", gpu="H100", engine_version=version,
            quantization="none", tensor_parallel_size=1,
            residuals=(Residual(term="weights", predicted_bytes=10, printed_bytes=printed),),
        )  # fmt: skip

    runs = LearnedRuns(runs=(run("0.19.0.post1", 14), run("0.19.1", 12), run("0.20.0", 99)))
    assert of_kind(runs, Kind("LlamaForCausalLM", "H100", "0.19", "none", 1), 100) == {"weights": Learned(3, 1, 2)}


def test_a_run_says_nothing_of_models_of_another_size():
    kind = Kind("LlamaForCausalLM", "H100", "0.19", "none", 1)
    off = Residual(term="kv_cache", predicted_bytes=50, printed_bytes=40)
    run = LearnedRun(digest="a", source="a", model="m", weights_bytes=100, residuals=(off,), **kind._asdict())
    told = {size: of_kind(LearnedRuns(runs=(run,)), kind, size) for size in (49, 50, 200, 201)}
    assert told == {49: {}, 50: {"kv_cache": Learned(-10, None, 1)}, 200: {"kv_cache": Learned(-10, None, 1)}, 201: {}}
