"""A plan: its verdict, what it makes of what was written, and what is rendered from it."""

from __future__ import annotations

import pytest

from infercli.core.documents.model import LockedFile
from infercli.core.gpus import Gpu
from infercli.core.shapes import shapes
from infercli.core.units import GIB
from infercli.errors import InputError, InvalidFile, UnknownName, Unsupported
from tests.core.configs import config_of
from tests.core.plans import COMMIT, LLAMA_8B, LLAMA_70B, MIXTRAL, choice, locked, plan, profile, term

# The verdicts.


def test_llama_8b_fits_an_l4_unquantized_and_the_planner_lowers_max_num_seqs_for_it():
    load = {"input_tokens": 1000, "output_tokens": 300, "concurrency": 17}  # one request less leaves it at 256
    made = plan(LLAMA_8B, "l4", quantization="none", workload=load)
    assert made.fits is True
    # 8.03e9 parameters x 2 B and 131072 x 128 x 2 B of rotary table: 14.99 GiB, as vLLM prints it
    assert term(made, "weights").bytes / GIB == pytest.approx(14.99, abs=0.005)
    assert made.memory.budget_bytes / GIB == pytest.approx(22.05 * 0.92, abs=0.001)
    assert made.kv_cache.bytes_per_token == 2 * 32 * 8 * 128 * 2
    assert made.kv_cache.tokens >= 17 * 1300
    assert made.engine.engine_args["max_num_seqs"] < 256
    assert "sampler" in choice(made, "max_num_seqs").reason


@pytest.mark.parametrize(
    ("model", "on", "at_least", "why"),
    [
        ("nvidia/DeepSeek-V4-Pro-NVFP4", "b200-x8", 1_048_576, "has room for another that is past its prefill"),
        (LLAMA_8B, "l4", 8192, "one request takes at most half of the KV cache"),
    ],
)
def test_the_length_that_is_chosen_leaves_room_for_a_second_request_of_it(model, on, at_least, why):
    # What vLLM charges DeepSeek-V4's windows in a prefill is the same whatever the length: halves of the cache for it
    # left 30,720 tokens of the million.
    made = plan(model, on)
    assert made.engine.engine_args["max_model_len"] >= at_least
    assert made.fits is True
    assert why in choice(made, "max_model_len").reason


def test_no_more_requests_with_states_are_planned_than_the_cache_has_blocks():
    # vLLM 0.29 config/compilation.py refuses them, with CUDA graphs; 1,024 is its default on H100
    model = "Qwen/Qwen3.8-27B"
    made = plan(model, "h100", quantization="fp8")
    assert made.fits is True
    assert made.engine.engine_args["max_num_seqs"] == 512 <= made.kv_cache.blocks < 1024
    assert "one for the state of each request" in choice(made, "max_num_seqs").reason
    refused = plan(model, "h100", quantization="fp8", engine_args={"max_num_seqs": 1024})
    assert refused.fits is False
    assert "max_num_seqs 1,024 asks for as many blocks of the KV cache" in refused.verdict
    assert "engine_args.max_num_seqs: 512" in [c.change for c in refused.changes]


def test_llama_8b_awq_on_an_l4_leaves_four_times_the_kv_cache():
    none, awq = plan(LLAMA_8B, "l4", quantization="none"), plan(LLAMA_8B, "l4", quantization="awq")
    assert awq.fits is True
    assert awq.kv_cache.tokens > 4 * none.kv_cache.tokens
    # 6.98e9 linear weights x (4 + 16/128 + 4/128) bits, 1.05e9 embedding entries x 2 B, rotary table
    assert term(awq, "weights").bytes / GIB == pytest.approx((6.979e9 * 0.51953 + 2.101e9 + 33.6e6) / GIB, rel=0.002)


def test_llama_70b_awq_fits_one_a100_80_and_bf16_is_refused_with_changes_that_fit():
    assert plan(LLAMA_70B, "a100-80", quantization="awq").fits is True
    made = plan(LLAMA_70B, "a100-80", quantization="none")
    assert made.fits is False
    # 70.55e9 x 2 B = 131.4 GiB against 72.8 GiB: at least 58.6 GiB are missing
    assert made.missing_bytes > 58.6 * GIB
    assert "missing per GPU" in made.verdict
    words = [c.change for c in made.changes]
    assert "quantization: awq, with a checkpoint of that kind" in words
    assert any("GPUs per node" in w for w in words)
    assert all(c.effect.startswith("fits on") for c in made.changes)


def test_a_quantized_checkpoint_is_offered_more_nodes_and_no_other_quantization():
    made = plan("moonshotai/Kimi-K2-Instruct", "h200-x8")
    arguments = "engine_args.tensor_parallel_size: 8 and engine_args.pipeline_parallel_size: 2"
    assert [c.change for c in made.changes] == [f"a profile with 2 nodes of 8 GPUs, and {arguments}"]
    two = profile("h200-x8", nodes=[{"count": 2, "gpus": 8}])
    args = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    assert plan("moonshotai/Kimi-K2-Instruct", two, engine_args=args).fits is True


def test_another_quantization_is_never_offered_as_only_published():
    made = plan(LLAMA_70B, "a100-80", quantization="none")
    assert not any("mxfp4" in c.change for c in made.changes)


def test_a_pinned_checkpoint_has_to_be_replaced_by_one_that_is_pinned():
    made = plan(LLAMA_70B, "a100-80", locked(config_of(shapes()[LLAMA_70B].arch), id=LLAMA_70B))
    assert "quantization: awq, with another checkpoint, pinned first" in [c.change for c in made.changes]


def test_what_has_no_kv_cache_is_given_no_reason_that_rests_on_one():
    made = plan("BAAI/bge-m3", "l4")
    assert made.kv_cache is None
    assert choice(made, "max_model_len").reason == "the model's own maximum"
    assert choice(made, "kv_cache_dtype").reason == "vLLM's default; there is no KV cache"
    assert "of the KV cache" in choice(plan("Qwen/Qwen2.5-0.5B-Instruct", "l4"), "max_model_len").reason


def test_what_pools_has_no_sampler_and_no_kv_cache_to_warn_of():
    def notes(model):
        t4, args = profile("l4", gpu="T4"), {"gpu_memory_utilization": 0.95}  # leaves 0.7 GiB outside the budget
        return "; ".join(plan(model, t4, engine_args=args).notes)

    assert "top_p" not in notes("BAAI/bge-m3")
    assert "KV cache" not in notes("BAAI/bge-m3")
    assert "top_p" in notes("Qwen/Qwen3-0.6B")
    assert "KV cache" in notes("Qwen/Qwen3-0.6B")


def test_of_what_pools_no_answer_is_counted():
    filled = plan("BAAI/bge-m3", "l4", workload={"input_tokens": 8192})  # to its last position
    assert filled.fits
    assert plan("Qwen/Qwen3-Embedding-8B", "l4").verdict.endswith("16 of 1,000 as the workload says")
    assert plan("BAAI/bge-large-en-v1.5", "l4").deployment.workload.input_tokens == 512
    with pytest.raises(InputError, match=r"8,193 tokens a request \(input\) are more than the model takes") as refused:
        plan("BAAI/bge-m3", "l4", workload={"input_tokens": 8193})
    assert "output" not in (refused.value.hint or "")


def test_where_nothing_helps_a_note_says_so():
    small = profile("l4", nodes=[{"count": 1, "gpus": 1}], quantizations=["none"])
    made = plan(LLAMA_70B, small)
    assert (made.fits, made.changes) == (False, ())
    assert any(n.startswith("no single change was found") for n in made.notes)
    assert not any("no change in one" in n for n in plan(LLAMA_8B, small).notes)


def test_a_profile_that_accepts_mixed_precision_is_refused_without_offering_it():
    made = plan(LLAMA_70B, profile("a100-80", quantizations=["mixed", "none"]), quantization="none")
    assert made.fits is False
    assert not any("mixed" in c.change for c in made.changes)


def test_llama_70b_fp8_takes_two_h100():
    made = plan(LLAMA_70B, "h100-x2", quantization="fp8")
    assert made.fits is True
    assert made.engine.gpus == made.engine.engine_args["tensor_parallel_size"] == 2
    assert term(made, "weights").bytes / GIB == pytest.approx(33.88, abs=0.01)  # what vLLM 0.19 prints at TP 2
    assert made.engine.accelerator_type == "H100"


def test_mixtral_awq_fits_one_a100_of_either_size():
    assert plan(MIXTRAL, "a100-80", quantization="awq").fits is True
    assert plan(MIXTRAL, "a100-40", quantization="awq").fits is True
    assert plan(MIXTRAL, "a100-40", quantization="none").fits is False


def test_qwen3_32b_fp8_on_an_a100_says_weight_only():
    for made in (plan("Qwen/Qwen3-32B", "a100-80", quantization="fp8"), plan("Qwen/Qwen3-32B-FP8", "a100-80")):
        assert made.fits is True
        assert any("weight-only" in n and "compute does not speed up" in n for n in made.notes)


def test_a_plan_says_that_its_engine_version_is_extrapolated_and_at_which_end_it_fits():
    notes = " ".join(plan().notes)
    assert "extrapolated: few public logs are newer than 0.25" in notes
    assert "high end" in notes


# What was written.


def test_an_unpinned_model_can_be_planned_and_says_that_it_cannot_be_deployed():
    made = plan()
    assert made.model is None
    assert made.engine.model_digest is None
    assert made.notes[0].startswith("unpinned: can be planned, not deployed")


def test_a_pinned_model_is_served_from_its_commit():
    shape = shapes()[LLAMA_8B]
    made = plan("some/model", "l4", locked(config_of(shape.arch), {"quant_method": "awq", "bits": 4}))
    assert made.engine.model_path == f"/models/{COMMIT}"
    assert made.engine.model_digest == COMMIT
    assert made.engine.quantization == "awq"
    assert choice(made, "quantization").reason == "what the checkpoint's config says"
    assert not any("unpinned" in n for n in made.notes)


def test_a_pinned_directory_on_a_cluster_is_served_from_its_content():
    model = locked(config_of(shapes()[LLAMA_8B].arch), source="directory", directory="/srv/m", commit=None)
    made = plan("./m", "h100", model)
    assert made.engine.model_path == f"/models/{model.content_digest[:40]}"
    assert made.engine.model_digest == model.content_digest


def test_a_checkpoint_that_is_not_what_was_asked_for_is_refused():
    model = locked(config_of(shapes()[LLAMA_8B].arch), {"quant_method": "awq", "bits": 4})
    with pytest.raises(InputError, match="some/model is awq, and `fp8` was asked for"):
        plan("some/model", "l4", model, quantization="fp8")
    assert plan("some/model", "l4", model, quantization="q4").engine.quantization == "awq"


def test_a_checkpoint_that_the_profile_does_not_accept_is_taken_only_by_name():
    model = locked(config_of(shapes()[LLAMA_8B].arch), {"quant_method": "fp8"})
    only_awq = profile("l4", quantizations=["awq"])
    with pytest.raises(InputError) as refused:
        plan("some/model", only_awq, model)
    assert "--quantization fp8" in refused.value.hint
    made = plan("some/model", only_awq, model, quantization="fp8")
    assert "profile l4 does not list fp8" in made.notes


def test_quantizing_while_loading_needs_an_unquantized_checkpoint_and_is_passed_to_the_engine():
    config = config_of(shapes()[LLAMA_8B].arch)
    made = plan("some/model", "l40s", locked(config), quantization="fp8-online")
    assert made.engine.engine_args["quantization"] == "fp8"
    for one in (made, plan(LLAMA_8B, "l40s", quantization="fp8-online")):
        reason = next(c.reason for c in one.choices if c.name == "quantization")
        assert reason == "asked for; vLLM makes it of the unquantized checkpoint while it loads"
    with pytest.raises(InputError):
        plan("some/model", "l40s", locked(config, {"quant_method": "awq"}), quantization="fp8-online")


def test_quantizing_while_loading_needs_the_room_of_its_result_and_of_one_unquantized_layer():
    # 0.29 builds every matrix on the meta device and quantizes it when it is whole (model_loader/reload/layerwise.py).
    few = {"concurrency": 8}
    assert plan("Qwen/Qwen3-32B", "l40s", quantization="fp8", workload=few).fits is True
    made = plan("Qwen/Qwen3-32B", "l40s", quantization="fp8-online", workload=few)
    assert made.fits is True
    # the largest is gate-up: 5,120 x 2 x 25,600 x 2 B = 0.49 GiB
    assert any("quantized layer by layer while it loads: 0.49 GiB more" in n for n in made.notes)
    assert plan("Qwen/Qwen3-32B", "a100-40", quantization="fp8-online").fits is False


@pytest.mark.parametrize("typed", ["meta-llama/Llama-3.1-8b-instruct", "meta-llama/llama-3.1-8B-Instruct"])
def test_the_case_of_a_model_id_does_not_matter_for_a_shape(typed):
    assert plan(typed).fits is True


def test_an_unknown_model_offers_the_nearest_and_says_how_to_plan_any_other():
    with pytest.raises(UnknownName) as refused:
        plan("meta-llama/Llama-3.1-9B-Instruct")
    assert LLAMA_8B in refused.value.nearest
    assert "infercli pin" in refused.value.hint


def test_an_architecture_that_is_not_taught_is_refused_with_the_file_to_extend():
    with pytest.raises(Unsupported) as refused:
        plan("some/model", "l4", locked({"architectures": ["RwkvForCausalLM"]}))
    assert "RwkvForCausalLM" in refused.value.message
    assert "core/architecture" in refused.value.hint


def test_unknown_gpu_and_quantization_names_are_refused():
    with pytest.raises(UnknownName):
        plan(on=profile("l4").model_copy(update={"gpu": "L5"}))
    with pytest.raises(UnknownName):
        plan(quantization="fp9")


def test_a_profile_may_bring_a_gpu_of_its_own():
    own = Gpu(
        name="RTX 6000 Ada", memory_bytes=int(47.4 * GIB), memory_bandwidth_bytes_per_s=960e9, capability=(8, 9),
        source="measured",
    )  # fmt: skip
    made = plan(on=profile("l4").model_copy(update={"gpu": own}))
    assert made.fits is True
    assert "RTX 6000 Ada" in made.verdict
    assert made.engine.accelerator_type is None


def test_all_wrong_engine_args_are_reported_at_once():
    with pytest.raises(InvalidFile) as refused:
        plan(engine_args={"max_modle_len": 1, "model": "x", "max_num_seqs": "many", "data_parallel_size": 2})
    where = dict(refused.value.problems)
    assert "did you mean `max_model_len`" in where["engine_args.max_modle_len"]
    assert where["engine_args.model"].startswith("cannot be set")
    assert "must be int or null, and is str" in where["engine_args.max_num_seqs"]
    assert "only 1 can be planned" in where["engine_args.data_parallel_size"]


def files(*sizes: tuple[str, int]):
    return tuple(LockedFile(path=path, size_bytes=size, sha256="0" * 64) for path, size in sizes)


def test_weights_follow_the_files_where_layers_were_left_out_of_the_quantization():
    config = config_of(shapes()[LLAMA_8B].arch)
    awq = {"quant_method": "awq", "bits": 4, "group_size": 128}
    # 6.979e9 linear weights at 4.15625 bits and 1.0507e9 embedding entries at 16: 5.73e9 bytes
    said = plan("some/model", "l4", locked(config, awq, files=files(("model.safetensors", 5_730_000_000))))
    assert not any("the files hold" in n for n in said.notes)
    more = plan("some/model", "l4", locked(config, awq, files=files(("model.safetensors", 7_450_000_000))))
    assert any("30% more than awq explains" in n for n in more.notes)
    assert term(more, "weights").bytes / term(said, "weights").bytes == pytest.approx(1.30, abs=0.01)


def test_weights_that_are_shipped_twice_are_counted_once():
    config = config_of(shapes()["mistralai/Mistral-7B-Instruct-v0.3"].arch)
    both = files(("model-00001-of-00001.safetensors", 14_496_047_104), ("consolidated.safetensors", 14_496_078_512))
    made = plan("some/model", "l4", locked(config, files=both))
    assert not any("the files hold" in n for n in made.notes)


# What is rendered from it.


def test_the_engine_keeps_the_hub_usage_statistics_and_prompt_logs_off():
    environment = plan().engine.environment
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["VLLM_NO_USAGE_STATS"] == "1"
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["RAYLLM_ENABLE_REQUEST_PROMPT_LOGS"] == "0"
    assert plan().engine.engine_args["trust_remote_code"] is False


def test_planning_twice_gives_the_same_plan_and_a_replica_more_the_same_engine():
    one, again = plan(LLAMA_8B, "l4-pool", quantization="awq"), plan(LLAMA_8B, "l4-pool", quantization="awq")
    assert one.content_digest() == again.content_digest()
    assert one.engine.app_name("chat") == again.engine.app_name("chat")


def test_a_sealed_plan_survives_json():
    made = plan().sealed("objects")
    assert type(made).model_validate_json(made.model_dump_json()) == made
    assert made.digest == made.content_digest()


def test_what_is_printed_beside_a_plan_is_no_part_of_it():
    made = plan()
    printed = made.model_dump(mode="json") | {"outlook": {"speed": None}, "derivation": []}
    assert type(made).model_validate(printed) == made


def test_the_terms_add_up_to_the_budget_at_every_end():
    made = plan(LLAMA_70B, "h100-x2", quantization="fp8")
    terms = made.memory.terms
    assert sum(t.bytes for t in terms) == made.memory.budget_bytes
    others = [t for t in terms if t.name != "kv_cache"]
    kv = term(made, "kv_cache")
    assert sum(t.high_bytes for t in others) + kv.low_bytes == made.memory.budget_bytes
    assert sum(t.low_bytes for t in others) + kv.high_bytes == made.memory.budget_bytes
    assert all(t.low_bytes <= t.bytes <= t.high_bytes for t in terms)
