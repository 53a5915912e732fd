"""Kimi-K3 by what is public of it: the tensors of its files, their bytes, and the cache that a connector printed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, draft_tensors, rank_tensors
from infercli.core.engines import find_engine
from infercli.core.engines.classes import missing_class
from infercli.core.estimates.tensor_parallel import problems
from infercli.core.gpus import find_gpu
from infercli.core.kv_cache.pool import CacheLayout, cache_layout
from infercli.core.kv_cache.rules import rules_for
from infercli.core.kv_cache.specs import CacheSettings, layer_caches
from infercli.core.memory.activation import moments
from infercli.core.memory.vision import Items, as_loaded
from infercli.core.memory.weights import loaded_file_bytes, weights_by_role
from infercli.core.quantization.checkpoint import UNQUANTIZED, detect_in
from infercli.core.quantization.schemes import schemes_of
from infercli.core.shapes import find_shape
from infercli.core.shapes.recipes import MXFP4_EXPERTS
from infercli.core.shapes.reports import REPORTS
from infercli.core.units import GIB
from infercli.errors import Unsupported
from tests.core.architecture.active import active_parameters
from tests.core.memory.batches import load

K3 = find_shape("moonshotai/Kimi-K3")
CONFIG = next(config for ids, config, _, _ in REPORTS if "moonshotai/Kimi-K3" in ids)
LINEAR = find_shape("moonshotai/Kimi-Linear-48B-A3B-Instruct").arch
B300, MI355X, H200, A100 = (find_gpu(name) for name in ("B300", "MI355X", "H200", "A100-80-SXM"))
LAYERS, SPARSE, DELTAS, LATENTS = 93, 92, 69, 24
EXPERT = 3 * 3072 * 3584


def changed(**text) -> dict:
    return CONFIG | {"text_config": CONFIG["text_config"] | text}


def cache(version="0.29.0", **settings) -> CacheLayout:
    at = {"engine_version": version, "dtype": "bfloat16", "prefix_caching": True, "max_num_batched_tokens": 8192}
    found = cache_layout(K3.arch, Layout(tensor_parallel_size=8), CacheSettings(**at | settings))
    assert found is not None
    return found


def held(layout: Layout, role: str, gpu=B300, version="0.29.0") -> int:
    return weights_by_role(K3.arch, K3.quantization, layout, 2, gpu=gpu, engine_version=version)[role]


def test_it_has_the_parameters_of_its_files():
    # gogongxt/python's list of tensors, which counts two packed weights as one; A_log is stored for 128 heads of 96.
    delta = 5 * 12288 * 7168 + 128 * 7168 + 12288 * 128 + 96 * 7168 + 3 * 12288 * 4 + 12288 + 96 + 128
    latent = 2 * 12288 * 7168 + (1536 + 576) * 7168 + 18432 * 1536 + 24576 * 512 + 1536 + 512
    around = 896 * 7168 + 896 + 2 * 3584 * 7168 + 3584 + 3 * 6144 * 7168
    vision = 27 * (4608 * 1024 + 1536 * 1024 + 2 * 4096 * 1024 + 2 * 1024) + 1024 + (64 * 64 + 588) * 1024
    merger = 4096 * 4096 + 4096 * 7168 + 7168
    outside = 2 * 163840 * 7168 + 3 * 7168 + LAYERS * 6 * 7168 + 3 * 33792 * 7168
    by_hand = DELTAS * delta + LATENTS * latent + SPARSE * (around + 896 * EXPERT) + vision + merger + outside
    assert K3.parameters == by_hand == 2_779_931_834_976
    assert active_parameters(K3.arch) == by_hand - SPARSE * (896 - 16) * EXPERT == 105_811_376_736


@pytest.mark.parametrize(
    ("model_id", "size"),
    [
        ("moonshotai/Kimi-K3", 1_560_860_324_864),  # total_size of its index; "~1.56 TB" (InferenceX#2351)
        ("RedHatAI/Kimi-K3-NVFP4", 1645.9e9),  # vllm-project/recipes#744
        ("nvidia/Kimi-K3-NVFP4", 1609.9e9),  # a harness that looked at its files
    ],
)
def test_its_checkpoints_have_the_bytes_of_their_files(model_id, size):
    shape = find_shape(model_id)
    assert shape.arch == K3.arch
    assert loaded_file_bytes(shape.arch, shape.quantization, 2) == pytest.approx(size, rel=0.0005)


def test_only_its_experts_are_in_mxfp4_whatever_the_config_says_of_other_layers():
    stated = CONFIG | {"quantization_config": MXFP4_EXPERTS}
    around = ("block_sparse_moe.routed_expert_down_proj",)
    experts = ("block_sparse_moe.experts.w1", "block_sparse_moe.experts.w3")
    for config, method in ((stated, None), (stated | {"architectures": ["KimiLinearForCausalLM"]}, "mxfp4")):
        found = detect_in(config)
        ((scheme, layers),) = schemes_of(found, around, (1, 2))
        assert (scheme and scheme.method, layers) == (method, 2)
        ((scheme, layers),) = schemes_of(found, experts, (1, 2))
        assert scheme is not None
        assert (scheme.method, layers) == ("mxfp4", 2)
    inside = CONFIG | {"text_config": CONFIG["text_config"] | {"quantization_config": MXFP4_EXPERTS}}
    assert detect_in(inside) == detect_in(stated)


def test_a_rank_of_eight_holds_195_gb_of_the_files_and_what_is_whole_on_each():
    # InferenceX#2351: "~195 GB/GPU". Whole on each rank are the projections around the experts, the routers, those down
    # to latent vectors and KDA's small one, and the encoder, whose 12 heads 8 ranks do not divide.
    layout = Layout(tensor_parallel_size=8)
    by_role = weights_by_role(K3.arch, K3.quantization, layout, 2, gpu=B300, engine_version="0.29.0")
    rows = SPARSE * (2 * 3584 + 896) + LATENTS * (1536 + 576) + DELTAS * 128
    whole = rows * 7168 + sum(w.copies * w.outputs * w.inputs for w in K3.arch.encoders)
    assert sum(by_role.values()) == pytest.approx(1_560_860_324_864 / 8 + 2 * whole * 7 / 8, rel=0.003)


@pytest.mark.parametrize(
    ("ranks", "gpu", "version", "width"),
    [
        (8, B300, "0.29.0", 384),
        (8, H200, "0.29.0", 384),  # Marlin, whose scales are not padded as Triton's are
        (8, MI355X, "0.29.0", 384),  # AITER's kernel of SiTU takes 128s
        (16, B300, "0.29.0", 256),  # 192 of each, and the least is 256
        (8, MI355X, "0.26.0", 512),  # before there was such a kernel
    ],
)
def test_experts_are_as_wide_as_their_kernel_wants_them(ranks, gpu, version, width):
    release = tuple(int(part) for part in version.split(".")[:2])
    found = held(Layout(tensor_parallel_size=ranks, release=release), "experts", gpu, version)
    assert found == pytest.approx(SPARSE * 896 * 3 * width * 3584 * (4 + 8 / 32) / 8, rel=0.002)


def test_shared_experts_are_whole_where_ranks_share_out_the_tokens_of_a_step():
    cut = Layout(tensor_parallel_size=8, expert_parallel=True)
    apart = cut._replace(data_parallel_size=2)
    assert held(apart, "shared_experts") == pytest.approx(8 * held(cut, "shared_experts"), rel=0.04)
    assert held(apart, "shared_experts") == pytest.approx(SPARSE * 3 * 6144 * 7168 * 2, rel=0.001)
    for other in (apart._replace(expert_parallel=False), apart._replace(pipeline_parallel_size=2)):
        assert not other.sequence_parallel
    assert not apart._replace(release=(0, 26)).sequence_parallel  # models/kimi_linear.py


def test_a_connector_printed_the_pages_that_are_counted():
    """LMCache#4278: 8 ranks, 93 layers, 107,136 bytes a token, chunks of 3,072 tokens, 2,874 blocks."""
    found = cache()
    assert [len(g.layers) for g in found.groups] == [23, 23, 23, 24]
    pages = sum(p.cache.page_bytes for g in found.groups for p in g.layers)
    assert (pages, pages // found.block_tokens) == (LAYERS * 768 * 1152, 107_136)
    assert 3072 % found.block_tokens == 0
    assert found.bytes_per_block == LATENTS * 768 * 1152
    # 12 heads of 128 x 128 in fp32 and three tokens of 3 x 1,536 in bf16 are 814,080 B, and 706.7 tokens of 1,152
    assert 2874 * found.bytes_per_block / GIB == pytest.approx(56.83, abs=0.01)


def test_a_prompts_own_state_is_kept_beside_those_that_a_prefix_begins_with():
    flash = {"capability": (10, 3)}
    one = cache().blocks_per_request(768)
    assert one == 1 + 3 * 2
    assert cache(**flash).blocks_per_request(768) == 1 + 3 * 3
    assert cache(**flash, speculative_tokens=3).blocks_per_request(768) == 1 + 3 * 6
    assert cache(**flash, prefix_caching=False).blocks_per_request(768) == 1 + 3


@pytest.mark.parametrize(
    ("arch", "capability", "dtype", "version", "kept"),
    [
        (K3.arch, (10, 3), "bfloat16", "0.29.0", 1),
        (K3.arch, (9, 0), "bfloat16", "0.33.0", 1),
        (K3.arch, (10, 3), "bfloat16", "0.28.0", 0),  # there were none
        (K3.arch, (8, 0), "bfloat16", "0.29.0", 0),  # Triton's kernel leaves none
        (K3.arch, (9, 0), "float16", "0.29.0", 0),
        (K3.arch, None, "bfloat16", "0.29.0", 0),
        (LINEAR, (9, 0), "bfloat16", "0.29.0", 0),  # its gate has no bound, and its layers are others
    ],
)
def test_flash_kda_leaves_such_a_state(arch, capability, dtype, version, kept):
    settings = CacheSettings(engine_version=version, dtype=dtype, capability=capability)
    caches = layer_caches(arch, Layout(tensor_parallel_size=8), settings, rules_for(version))
    assert {placed.cache.exported for placed in caches if placed.cache.kind == "state"} == {kept}


def test_its_states_have_the_dtype_that_is_asked_for_since_0_30():
    assert cache("0.29.0", state_dtype="bfloat16").block_tokens == 768
    assert cache("0.30.0", state_dtype="bfloat16").block_tokens == 384  # 420,864 B are 365.3 tokens
    with pytest.raises(Unsupported, match="float32 or bfloat16"):
        cache("0.30.0", state_dtype="float16")
    settings = CacheSettings(engine_version="0.33.0", dtype="bfloat16", state_dtype="bfloat16")
    plain = cache_layout(LINEAR, Layout(), settings._replace(state_dtype="auto"))
    assert cache_layout(LINEAR, Layout(), settings).block_tokens == plain.block_tokens  # other KDA heeds nothing


def test_the_forward_pass_holds_the_sums_that_later_layers_choose_from():
    facts, batch = find_engine("0.29.0"), load(8, seqs=64, tokens=8192, gpu=B300)
    without = replace(K3.arch, residual_blocks=0)
    assert K3.arch.residual_blocks == 8  # a sum of every 12 of 93 layers
    more = moments(K3.arch, K3.quantization, batch, facts).forward.typical
    assert more - moments(without, K3.quantization, batch, facts).forward.typical == 2 * 8192 * 8 * 7168


def test_its_class_holds_nothing_for_a_long_context_in_the_profile_since_0_27():
    """Kimi-Linear's too, which the same module serves since; 65,536 tokens of 32 heads of 128 + 128."""

    def forward(version, gpu):
        facts, batch = find_engine(version), load(seqs=64, tokens=64, gpu=gpu, length=65536)
        return moments(LINEAR, UNQUANTIZED, batch, facts).forward.typical

    context = 2 * 65536 * 32 * 256
    assert forward("0.26.0", H200) > context > forward("0.33.0", H200)
    assert forward("0.33.0", MI355X) > context


def test_an_image_has_at_most_16384_tokens_of_four_patches():
    facts = find_engine("0.29.0")
    seeing = moments(K3.arch, K3.quantization, load(8, seqs=64, tokens=8192, gpu=B300), facts).kept.typical
    text = as_loaded(K3.arch, Items("none"), (0, 29))
    assert not text.encoders
    blind = moments(text, K3.quantization, load(8, seqs=64, tokens=8192, gpu=B300), facts).kept.typical
    assert seeing - blind == 16384 * (2 * 7168 + 4 * 3 * 14 * 14 * 2)


def test_the_encoder_is_whole_where_the_ranks_do_not_divide_its_heads():
    def encoder(ranks):
        tensors = rank_tensors(K3.arch, Layout(tensor_parallel_size=ranks))
        return sum(t.copies * t.outputs * t.inputs for t in tensors if t.role == "encoder")

    blocks = 27 * (4608 * 1024 + 1536 * 1024 + 2 * 4096 * 1024)
    assert encoder(1) == encoder(8) == encoder(4) + blocks * 3 // 4
    assert problems(K3.arch, K3.quantization, 8) == problems(K3.arch, K3.quantization, 32) == ()
    assert problems(K3.arch, K3.quantization, 64)  # of 96 heads


def test_a_layer_that_drafts_has_attention_and_experts_and_chooses_from_no_residuals():
    arch = architecture.parse(changed(num_nextn_predict_layers=1))
    (group,) = arch.draft_layers
    assert (group.norms, type(group.mixer).__name__) == (2, "LatentAttention")
    experts = sum(t.copies * t.outputs * t.inputs for t in draft_tensors(arch, Layout()) if t.role == "experts")
    assert experts == 896 * EXPERT


@pytest.mark.parametrize("version", ["0.26.0", "0.27.0"])
def test_its_class_came_with_0_27(version):
    assert (missing_class(K3.arch, find_engine(version)) is None) == (version == "0.27.0")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (changed(mla_use_nope=False), "mla_use_nope"),
        (CONFIG | {"vision_config": CONFIG["vision_config"] | {"norm_type": "layernorm"}}, "vision_config.norm_type"),
        (CONFIG | {"vision_config": CONFIG["vision_config"] | {"mm_projector_type": "patchmerger"}}, "projector_type"),
        (CONFIG | {"vision_config": CONFIG["vision_config"] | {"attn_bias": True}}, "vision_config.attn_bias"),
    ],
)
def test_what_is_not_known_is_refused_by_its_field(config, field):
    with pytest.raises(Unsupported, match=field):
        architecture.parse(config)
