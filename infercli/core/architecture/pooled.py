"""Decoders run for embeddings, ranking or rewards: which decoder a class is made of, and what stands for its lm_head.

The one thing to know: vLLM drops the lm_head of all of these (model_executor/models/adapters.py).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.bert import colbert, labels, whole
from infercli.core.architecture.decoder import parse_decoder
from infercli.core.architecture.families import ROWS
from infercli.core.architecture.fields import integer
from infercli.core.architecture.layers import Attention, Weight
from infercli.core.record import Json

POOLED = {
    "ColBERTLfm2Model": "Lfm2ForCausalLM",
    "GPT2ForSequenceClassification": "GPT2LMHeadModel",
    "Gemma3TextModel": "Gemma3ForCausalLM",
    "GritLM": "LlamaForCausalLM",
    "JinaEmbeddingsV5Model": "Qwen3ForCausalLM",
    "JinaForRanking": "Qwen3ForCausalLM",
    "LlamaBidirectionalForSequenceClassification": "LlamaForCausalLM",
    "LlamaBidirectionalModel": "LlamaForCausalLM",
    "Qwen2ForProcessRewardModel": "Qwen2ForCausalLM",
    "VoyageQwen3BidirectionalEmbedModel": "Qwen3ForCausalLM",
}
"""Classes whose decoder their names do not say."""
_ENDINGS = ("Model", "ForSequenceClassification", "ForTokenClassification", "ForRewardModel")
_BIDIRECTIONAL = ("GritLM", "LlamaBidirectional", "VoyageQwen3Bidirectional")
_JINA_RANKING_WIDTH = 512
"""Of a token's embedding (vLLM 0.29 models/config.py JinaForRankingConfig)."""


def decoder_of(name: str, config: Json, known: Container[str]) -> str | None:
    """The class of the decoder that a pooling class is made of; None for no such class."""
    if name == "JinaEmbeddingsV5Model" and not config.get("is_decoder", True):
        return "LlamaForCausalLM"  # vLLM 0.29 models/jina.py: EuroBERT, by nothing else in config.json
    if name in POOLED:
        return POOLED[name]
    for ending in _ENDINGS:
        decoder = name.removesuffix(ending) + "ForCausalLM"
        if name.endswith(ending) and decoder in known:
            return decoder
    return None


def sees_later_tokens(name: str, config: Json) -> bool:
    """Whether its tokens attend to later ones, so that vLLM keeps no cache."""
    if name == "JinaEmbeddingsV5Model":
        return not config.get("is_decoder", True)
    return name.startswith(_BIDIRECTIONAL) or config.get("use_bidirectional_attention") is True


def heads(name: str, config: Json, hidden: int) -> list[Weight]:
    """What stands behind the last layer (vLLM 0.29 models/adapters.py, internlm2.py, jina.py and others)."""
    if name.endswith("ForSequenceClassification"):
        return [_head("score", labels(config), hidden)]
    if name == "VoyageQwen3BidirectionalEmbedModel":
        return [_head("linear", labels(config), hidden)]
    if name == "JinaForRanking":
        half = integer(config, "hidden_size") // 2
        return [_head("projector.0", half, hidden), _head("projector.2", _JINA_RANKING_WIDTH, half)]
    if name in ("Qwen2ForProcessRewardModel", "Qwen2ForRewardModel"):
        wide = _head("score.0", hidden, hidden + 1)._replace(split="outputs", float32=True)
        count = 2 if name == "Qwen2ForProcessRewardModel" else 1
        last = wide._replace(name="score.2", module="score.2", outputs=count, inputs=hidden, split="inputs")
        return [wide, last, last._replace(name="score bias", inputs=1, split="replicated")]
    if name.startswith("ColBERT"):
        return colbert(config, hidden)
    if name == "InternLM2ForRewardModel":
        return [_head("v_head", 1, hidden)._replace(split="inputs")]
    return []


def privacy_filter(config: Json) -> ModelArch:
    """OpenAI's privacy filter (vLLM 0.29 models/openai_privacy_filter.py): gpt-oss with a window to both sides.

    Every layer has it, and none a cache.
    """
    arch = parse_decoder(config, ROWS["GptOssForCausalLM"])
    window = integer(config, "sliding_window", 128) + 1
    groups = tuple(
        group._replace(mixer=group.mixer._replace(window=window, cached=False))
        for group in arch.layers
        if isinstance(group.mixer, Attention)
    )
    score = whole("score", labels(config), arch.hidden + 1)._replace(float32=True)
    return replace(arch, layers=groups, outside=(*arch.outside, score), lm_head=False, pooling=True)


def _head(module: str, outputs: int, inputs: int) -> Weight:
    return Weight(name=module, role="other", module=module, outputs=outputs, inputs=inputs)
