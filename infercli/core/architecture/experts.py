"""Mixtures of experts as config.json writes them: which layers have one, and how wide its parts are.

Families name the same numbers differently; a name means the same thing in every family that has it.
"""

from typing import NamedTuple

from infercli.core.architecture.fields import DAMAGED, entries, integer, optional
from infercli.core.architecture.layers import Experts
from infercli.core.record import Json
from infercli.errors import InputError

_COUNT = ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts")
_PER_TOKEN = (
    "num_experts_per_tok", "experts_per_token", "num_experts_per_token", "moe_top_k", "moe_topk", "moe_k",
    "num_selected_experts", "top_k_experts",
)  # fmt: skip
_WIDTH = ("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size")


class Mixture(NamedTuple):
    """How a family of models departs from experts without biases under `mlp`."""

    module: str = "mlp"
    names: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    router: str = "gate"
    router_bias: bool | str = False
    """A string: the key of config.json that asks for it, and absent there means False."""
    router_float32: bool | str = False
    """A string: the key of config.json that names its dtype, fp32 where it is silent."""
    bias: bool = False
    shared_module: str = "mlp.shared_experts"
    shared_names: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    shared_gate: bool = False
    gated: bool = True
    shared_bias: bool = False
    shared: int = 0
    """Shared experts, where config.json does not say."""


MIXTRAL = Mixture(module="block_sparse_moe", names=("w1", "w3", "w2"))
QWEN = Mixture(shared_module="mlp.shared_expert", shared_gate=True)
GRANITE = Mixture(
    module="block_sparse_moe", names=("input_linear", "output_linear"), router="router.layer",
    shared_module="shared_mlp", shared_names=("input_linear", "output_linear"),
)  # fmt: skip
"""Those of several families."""


def has_experts(config: Json) -> bool:
    """Whether the model has experts at all: some classes cover both kinds."""
    return any((config.get(k) or 0) for k in _COUNT)


def experts(config: Json, mixture: Mixture) -> Experts:
    """The experts of every layer that has them."""
    width = integer(config, _WIDTH, config.get("intermediate_size"))
    bias = mixture.router_bias
    count, each = integer(config, _COUNT), integer(config, _PER_TOKEN)
    if each > count:
        raise InputError(
            f"config.json: a token takes {each} experts, and there are {count}",
            DAMAGED,
        )
    return Experts(
        experts=count,
        experts_per_token=each,
        intermediate=width,
        shared_intermediate=_shared_width(config, width, mixture.shared),
        gated=mixture.gated,
        bias=mixture.bias,
        shared_bias=mixture.shared_bias,
        shared_gate=mixture.shared_gate,
        router_bias=bool(config.get(bias)) if isinstance(bias, str) else bias,
        router_float32=_in_float32(config, mixture.router_float32),
        latent=optional(config, "moe_latent_size"),
        module=mixture.module,
        names=mixture.names,
        router=mixture.router,
        shared_module=mixture.shared_module,
        shared_names=mixture.shared_names,
    )


def _in_float32(config: Json, said: bool | str) -> bool:
    return config.get(said, "float32") in ("float32", "fp32") if isinstance(said, str) else said


def _shared_width(config: Json, width: int, silent: int) -> int:
    """All shared experts together; 0 where the model has none."""
    keys = ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")
    number = next((config[k] for k in keys if config.get(k) is not None), None)
    one = optional(config, ("moe_shared_expert_intermediate_size", "moe_shared_intermediate_size"))
    if one is not None:
        return one * (1 if number is None else int(number))
    whole = optional(config, ("shared_expert_intermediate_size", "share_expert_dim", "shared_intermediate_size"))
    if whole is not None:
        return whole
    return (silent if number is None else int(number)) * width


def sparse_layers(config: Json, count: int) -> frozenset[int]:
    """The layers with experts; all of them where config.json does not say otherwise."""
    kinds = entries(config, "mlp_layer_types", count)
    if kinds is not None:
        return frozenset(i for i, kind in enumerate(kinds) if kind == "sparse")
    if config.get("moe_layers_enum"):
        return frozenset(int(i) for i in str(config["moe_layers_enum"]).split(","))
    if config.get("moe_layers") is not None:
        return frozenset(int(i) for i in config["moe_layers"])
    if isinstance(config.get("moe_layer_freq"), list):
        return frozenset(i for i, on in enumerate(entries(config, "moe_layer_freq", count) or []) if on)
    if config.get("interleave_moe_layer_step"):
        step = integer(config, "interleave_moe_layer_step")
        return frozenset(range(step - 1, count, step))
    first = config.get("first_k_dense_replace") or config.get("num_dense_layers") or 0
    first = max(first, config.get("moe_layer_start_index") or 0)
    last = config.get("moe_layer_end_index")
    last = count - 1 if last in (None, -1) else min(int(last), count - 1)
    step = config.get("decoder_sparse_step") or config.get("moe_layer_interval") or config.get("moe_layer_freq") or 1
    dense = set(config.get("mlp_only_layers") or ())
    # Qwen and ERNIE count from 1 (layer + 1 is a multiple), DeepSeek from 0; the step is 1 in every published model
    # of the latter (vLLM models/qwen2_moe.py, ernie45_moe.py, deepseek_v2.py).
    offset = 0 if config.get("moe_layer_freq") else 1
    return frozenset(i for i in range(first, last + 1) if (i + offset) % step == 0 and i not in dense)
