"""Draft models of speculative decoding: what vLLM holds of one beside the model that it drafts for.

Read this first: a small model of its own (`draft_model`) is parsed as any other. An EAGLE or DFlash head is a few
layers that are fed hidden states of the target; it takes the target's embedding and, all but EAGLE-3's, its lm_head
(vLLM 0.29 v1/spec_decode/llm_base_proposer.py), so these are not counted here. A checkpoint that brings its own
embedding all the same holds more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from infercli.core import architecture
from infercli.core.architecture.arch import Attention, LayerGroup, ModelArch, Weight
from infercli.core.architecture.fields import integer, optional
from infercli.core.record import Json
from infercli.errors import Unsupported

DraftMethod = Literal["draft_model", "eagle", "eagle3", "dflash"]

_DECODERS: dict[DraftMethod, tuple[str, ...]] = {
    "eagle": ("LlamaForCausalLM",),
    "eagle3": ("LlamaForCausalLM", "Qwen3ForCausalLM"),
    "dflash": ("Qwen3ForCausalLM", "LagunaForCausalLM"),
}
"""Whose layers a head may have (vLLM 0.29 models/llama_eagle.py, llama_eagle3.py, qwen3_eagle3.py, qwen3_dflash.py,
laguna_dflash.py)."""
_OWN_NAMES = {"DFlashDraftModel": "Qwen3ForCausalLM"}
_EAGLE3_STATES = 3
"""Hidden states of the target that an EAGLE-3 head takes where its config does not say."""


def parse_draft(method: DraftMethod, config: Json, target_hidden: int) -> ModelArch:
    """The draft's layers, and what it has outside them. `target_hidden`: the width of the model that it drafts for.

    Raises Unsupported for a head whose class is not taught, and what `architecture.parse` raises.
    """
    if method == "draft_model":
        return architecture.parse(config)
    name = str((config.get("architectures") or [""])[0])
    decoder = _decoder(name)
    if decoder not in _DECODERS[method]:
        known = ", ".join(_DECODERS[method])
        raise Unsupported(
            f"{name or 'this draft'} is no head that can be planned for {method}",
            f"known are those with layers of {known}",
        )
    arch = replace(architecture.parse(config | {"architectures": [decoder]}), architecture=name)
    if method == "eagle":
        return _eagle(arch)
    own = {**(config.get("eagle_config") or {}), **(config.get("dflash_config") or {})}
    states = own.get("target_layer_ids") or own.get("eagle_aux_hidden_state_layer_ids") or ()
    width = integer(config, "target_hidden_size", target_hidden)
    if method == "eagle3":
        count = optional(config, "num_aux_hidden_states") or len(states) or _EAGLE3_STATES
        return _eagle3(arch, config, count * width)
    return _dflash(arch, decoder, own, width, len(states) or arch.layer_count)


def _decoder(name: str) -> str:
    """Whose layers it has: vLLM puts EAGLE or DFlash before the class (transformers_utils/configs/eagle.py)."""
    for prefix in ("Eagle3", "Eagle", "DFlash"):
        if name in _OWN_NAMES:
            break
        name = name.removeprefix(prefix)
    return _OWN_NAMES.get(name, name.removesuffix("Eagle3"))


def _eagle(arch: ModelArch) -> ModelArch:
    """The first: embedding and hidden state side by side, projected; no norm before the first layer nor at the end."""
    first, *rest = _apart(arch.layers)
    layers = (first._replace(norms=first.norms - 1), *rest)
    return _head(arch, layers, (_projection(arch, 2 * arch.hidden),), final_norm=0)


def _eagle3(arch: ModelArch, config: Json, inputs: int) -> ModelArch:
    """Embedding and hidden state meet in the first layer's queries, keys and values; its lm_head may be smaller."""
    first, *rest = _apart(arch.layers)
    assert isinstance(first.mixer, Attention)  # both decoders have no other
    wide = first._replace(mixer=first.mixer._replace(inputs=2 * arch.hidden))
    layers = tuple(g._replace(norms=g.norms + 1) for g in (wide, *rest))
    outside = [_projection(arch, inputs)]
    if config.get("norm_before_fc") or (config.get("eagle_config") or {}).get("norm_before_fc"):
        outside.append(_norm("input_norm", inputs))
    if config.get("fc_norm"):
        outside.append(_norm("fc_norm", inputs))
    # One table: its lm_head, where the embedding is the target's.
    vocab = integer(config, "draft_vocab_size", arch.vocab)
    return replace(arch, layers=layers, outside=tuple(outside), vocab=vocab, tied=True)


def _dflash(arch: ModelArch, decoder: str, own: Json, width: int, states: int) -> ModelArch:
    """Layers whose keys and values of the context come from the target's hidden states."""
    outside = [_norm("hidden_norm", arch.hidden)]
    if own.get("use_aux_hidden_state", True):
        outside.append(_projection(arch, states * width))
    if decoder == "LagunaForCausalLM":
        outside.append(_norm("aux_hidden_norms", states * width))
        # A window is kept to when computing; the cache is that of full attention.
        whole = [g._replace(mixer=g.mixer._replace(window=None)) for g in arch.layers if isinstance(g.mixer, Attention)]
        return _head(arch, tuple(whole), tuple(outside))
    outside.append(_norm("mask_embedding", arch.hidden))
    return _head(arch, arch.layers, tuple(outside))


def _head(
    arch: ModelArch, layers: tuple[LayerGroup, ...], outside: tuple[Weight, ...], final_norm: int = 1
) -> ModelArch:
    """Layers without embedding and lm_head, which are the target's."""
    return replace(arch, layers=layers, outside=outside, vocab=0, lm_head=False, final_norm=final_norm)


def _apart(layers: tuple[LayerGroup, ...]) -> tuple[LayerGroup, ...]:
    """The first layer in a group of its own."""
    group = next(g for g in layers if 0 in g.indices)
    rest = group._replace(indices=tuple(i for i in group.indices if i))
    others = tuple(g for g in layers if g is not group)
    return (group._replace(indices=(0,)), *((rest,) if rest.indices else ()), *others)


def _projection(arch: ModelArch, inputs: int) -> Weight:
    return Weight(name="draft projection", role="draft", module="fc", outputs=arch.hidden, inputs=inputs, linear=True)


def _norm(module: str, width: int) -> Weight:
    return Weight(name="draft norm", role="norm", module=module, outputs=width, inputs=1)
