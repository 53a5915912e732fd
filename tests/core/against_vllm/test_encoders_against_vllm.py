"""vLLM and we must agree to the parameter on what a rank holds of a model with encoders (encoder_oracle.py).

Whole and split in two, for a small config.json of each class in encoder_models.py; experts are left out, which
vLLM cannot build without a GPU.
"""

from __future__ import annotations

import math
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Attention, LatentAttention, Layout, ModelArch, rank_tensors
from infercli.core.architecture.tensors import kv_heads_per_rank
from infercli.core.architecture.unseen import UNSEEN
from infercli.core.architecture.wrappers import WRAPPERS
from infercli.core.estimates.tensor_parallel import layout_problems
from infercli.core.quantization.schemes import UNQUANTIZED
from infercli.errors import Unsupported
from tests.core.against_vllm.encoder_models import LIKE, MODELS, NOT_ASKED
from tests.parts.engine_python import ask_vllm

ORACLE = Path(__file__).with_name("encoder_oracle.py")
CASES = [(name, ranks) for name in MODELS for ranks in (1, 2, 8)]  # 8 do not divide the heads of most encoders
IN_FLOAT32 = (
    ".A",
    ".D",
    ".A_log",
    ".dt_bias",
    ".linear_attn.norm.weight",
    ".self_attn.conv1d.weight",
    ".mlp.gate.weight",
    ".e_score_correction_bias",
    "_experts_gate.weight",
    ".moe.gate.weight",
    ".mlp.gate.bias",
    ".mlp.gate.global_scale",
    "custom_text_proj.weight",
    "custom_text_proj.bias",
    ".moe.router_bias",
    ".correct_output_scale",
    "whisper_encoder.embed_positions.weight",
    "score.weight",
    "score.dense.weight",
    "score.dense.bias",
    "score.out_proj.weight",
    "score.out_proj.bias",
)
"""What vLLM keeps in float32: decay of states, routers of GLM-4.5V, ERNIE and Step and their corrections, numbers of
Inkling's router, Gemma 3n's scale of a stream, Voxtral's positions, and what makes a ranker's score."""

OWN_EXPERTS = ("mlp.fc1_weight", "mlp.fc2_weight")
"""Experts that a class holds by itself (Moondream 3): all others are left out of the answers."""


def held(arch: ModelArch, ranks: int) -> int:
    """Elements of one rank, without experts."""
    tensors = rank_tensors(arch, Layout(tensor_parallel_size=ranks))
    return sum(t.copies * t.outputs * t.inputs for t in tensors if t.role != "experts")


def caches(arch: ModelArch, ranks: int) -> Counter[tuple[int, int]]:
    """(KV heads of one rank, width of a head) -> caches of keys and values, and of what is convolved."""
    found: Counter[tuple[int, int]] = Counter()
    for mixer, count in ((m, len(g.indices)) for g in arch.layers for m in (g.mixer, g.beside)):
        if isinstance(mixer, Attention) and mixer.cached and not mixer.shares_kv:
            found[kv_heads_per_rank(mixer, ranks), mixer.head_dim] += count
            if mixer.convolved is not None:
                found[kv_heads_per_rank(mixer, ranks), mixer.convolved.head_width] += count
            if mixer.indexer is not None and mixer.indexer.pool > 1:
                found[1, mixer.indexer.head_dim] += count  # its compressed keys
                found[1, mixer.indexer.head_dim + 3 * 4] += count  # and those that are not yet, with three positions
        if isinstance(mixer, LatentAttention):
            found[1, mixer.kv_lora_rank + mixer.rope_dim] += count
    return found


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[tuple[str, int], dict]:
    asked = [{"config": MODELS[name], "tp": ranks} for name, ranks in CASES]
    return dict(zip(CASES, ask_vllm(ORACLE, asked, tmp_path_factory.mktemp("oracle")), strict=True))


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.parametrize(("name", "ranks"), CASES)
def test_a_rank_holds_as_many_parameters_as_vllms_and_is_refused_where_vllm_does_not_start(answers, name, ranks):
    said, arch = answers[name, ranks], architecture.parse(MODELS[name])
    refused = layout_problems(arch, UNQUANTIZED, Layout(tensor_parallel_size=ranks))
    assert bool(refused) == ("not_built" in said), (refused, said.get("not_built"))
    if refused:
        return
    own = (shape for parameter, shape in said["parameters"].items() if not parameter.endswith(OWN_EXPERTS))
    assert held(arch, ranks) == sum(map(math.prod, own))
    assert all(name.endswith(IN_FLOAT32) for name in said["wide"])
    kept = Counter((heads, width) for kind, heads, width in said["caches"] if kind != "MambaSpec")
    assert caches(arch, ranks) == kept
    assert arch.max_model_len == said["max_model_len"]


def tied_twice() -> list[tuple[str, dict]]:
    """Each model with `tie_word_embeddings` at the top and, to the contrary, in the decoder's part."""
    found = []
    for name, model in MODELS.items():
        for outer in (True, False):
            config = deepcopy(model)
            inside = config.get("thinker_config", config)
            parts = [inside[key] for key in ("text_config", "llm_config", "language_config") if key in inside]
            if parts:
                config["tie_word_embeddings"], parts[0]["tie_word_embeddings"] = outer, not outer
                found.append((name, config))
    return found


@pytest.mark.vllm
@pytest.mark.slow
def test_the_lm_head_is_the_embedding_where_the_config_that_vllm_asks_says_so(tmp_path):
    cases = tied_twice()
    answers = ask_vllm(ORACLE, [{"config": config, "tp": 1} for _, config in cases], tmp_path)
    for (name, config), said in zip(cases, answers, strict=True):
        own_head = any("lm_head" in parameter for parameter in said["parameters"])
        arch = architecture.parse(config)
        assert (arch.tied or not arch.lm_head) != own_head, (name, config["tie_word_embeddings"])


def test_pixtrals_encoder_is_whole_on_every_rank_before_the_release_that_cuts_it():
    arch = architecture.parse(MODELS["Mistral3ForConditionalGeneration"])

    def encoder(ranks: int, release: tuple[int, int]) -> int:
        tensors = rank_tensors(arch, Layout(tensor_parallel_size=ranks, release=release))
        return sum(t.copies * t.outputs * t.inputs for t in tensors if t.role == "encoder")

    # Blocks, twice: 4 x 96 x 96 of attention and 3 x 96 x 160 of feed-forward; projector: 128 x 96 + 128 x 128
    cut = 2 * (4 * 96 * 96 + 3 * 96 * 160) + 128 * 96 + 128 * 128
    assert encoder(2, (0, 25)) == encoder(1, (0, 29)) == encoder(2, (0, 29)) + cut // 2


def test_every_class_with_an_encoder_is_asked_about():
    asked = {m["architectures"][0] for m in MODELS.values()} | set(LIKE) | set(NOT_ASKED)
    assert set(WRAPPERS) == asked - set(architecture.FAMILIES)
    for name, model in LIKE.items():
        assert WRAPPERS[name] == WRAPPERS[MODELS[model]["architectures"][0]], name


REFUSED = {
    "MiniCPMV 2.6": ({"version": 9.0}, "version"),
    "MolmoForCausalLM": ({"attention_layer_norm": True}, "attention_layer_norm"),
    "Molmo2ForConditionalGeneration 4B": ({"text_config": {"use_qk_norm": True, "qkv_bias": False}}, "qk_norm_type"),
    "Phi3VForCausalLM": ({"img_processor": {"image_dim_out": 1024, "layer_idx": -1}}, "img_processor"),
    "Phi4MMForCausalLM": ({"embd_layer": {"audio_embd_layer": {"use_qformer": True}}}, "audio_embd_layer.use_qformer"),
    "DeepseekOCRForCausalLM": ({"projector_config": {"projector_type": "mlp"}}, "projector_config.projector_type"),
    "NemotronH_Nano_VL_V2": ({"vision_config": {"args": {"model": "vit_giant"}}}, "vision_config.args.model"),
    "Qwen2_5OmniModel": ({"thinker_config": None}, "thinker_config"),
    "Qwen3ASRForConditionalGeneration": (
        {"thinker_config": {"text_config": MODELS["Ovis2_5"]["llm_config"]}},
        "audio_config",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_refused_with_its_field(name):
    changed, field = REFUSED[name]
    with pytest.raises(Unsupported, match=field):
        architecture.parse(MODELS[name] | changed)


@pytest.mark.parametrize("name", MODELS)
def test_a_class_that_was_only_read_about_is_unseen(name):
    arch = architecture.parse(MODELS[name])
    assert arch.confirmed == (arch.architecture not in UNSEEN)
    assert arch.encoders
