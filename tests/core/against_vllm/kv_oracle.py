"""Runs in the engine's environment, not in the tests': asks vLLM itself what a KV cache holds.

It builds vLLM's own model class from config.json, on PyTorch's meta device (shapes without memory), for one rank of a
split that is only pretended, and asks its layers for their cache specs; then vLLM's planner functions for the rest. So
head counts, state shapes, layer types and dtypes are vLLM's reading of config.json, not ours.

What is ours: the machine has no GPU, so the attention backend is a stand-in that declares what FlashAttention, FlashMLA
and the sparse backends declare (kernel block sizes, FP8 layout); experts are left out, which keep no cache. The classes
of compressed attention and of indexers bring backends of their own, which are vLLM's; the former ask for a GPU, and get
a Hopper that is only pretended.

Reads a JSON list of cases on standard input and writes the list of answers to the file named as argument (vLLM logs to
standard output). A case is {config, tp, pp, dcp, kv_dtype, block_tokens, max_num_batched_tokens, prefix_caching,
async_scheduling, speculative_tokens, packed_latent, questions}, and `runner` where it is not vLLM's choice; a question
is {available_bytes, max_model_len}. Where another model drafts, a case has `draft` as well: {method, config}.
"""

from __future__ import annotations

import copy
import gc
import importlib.abc
import importlib.machinery
import json
import logging
import re
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock, patch


class _Torchvision(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """transformers imports image processors that no model class here runs; torchvision is not in the CPU engine."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = self._part
        return module

    def exec_module(self, module):
        module.__path__, module.__version__ = [], "0.99"

    @staticmethod
    def _part(name):
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock()


sys.meta_path.append(_Torchvision())

import torch  # noqa: E402
from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig, Qwen2Config  # noqa: E402
from vllm.config import (  # noqa: E402
    CacheConfig,
    ModelConfig,
    ParallelConfig,
    SchedulerConfig,
    SpeculativeConfig,
    VllmConfig,
    replace,
)
from vllm.config.vllm import get_layers_from_vllm_config  # noqa: E402
from vllm.distributed import parallel_state  # noqa: E402
from vllm.model_executor.custom_op import CustomOp  # noqa: E402
from vllm.model_executor.layers import fused_moe  # noqa: E402
from vllm.model_executor.layers.attention_layer_base import AttentionLayerBase  # noqa: E402
from vllm.model_executor.model_loader import utils  # noqa: E402
from vllm.model_executor.model_loader.utils import initialize_model  # noqa: E402
from vllm.model_executor.models import registry, step1  # noqa: E402
from vllm.platforms import current_platform  # noqa: E402
from vllm.platforms.interface import DeviceCapability  # noqa: E402
from vllm.transformers_utils.config import _CONFIG_REGISTRY  # noqa: E402
from vllm.triton_utils import triton  # noqa: E402
from vllm.v1.attention.backend import MultipleOf  # noqa: E402
from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend, CPUAttentionBackendImpl  # noqa: E402
from vllm.v1.attention.backends.mla.cpu_mla import CPUMLABackend  # noqa: E402
from vllm.v1.core.kv_cache_utils import get_kv_cache_capacity, get_kv_cache_configs  # noqa: E402
from vllm.v1.worker.gpu.attn_utils import get_kv_cache_spec  # noqa: E402


class Attending(CPUAttentionBackendImpl):
    """Takes what the implementations for GPUs take as well: the square root of ALiBi, looking back over chunks."""

    def __init__(self, *args, **kwargs):
        for key in ("use_alibi_sqrt", "chunk_lookback"):
            kwargs.pop(key, None)
        super().__init__(*args, **kwargs)


class Plain(CPUAttentionBackend):
    """As FLASH_ATTN and TRITON_ATTN: blocks in multiples of 16, any layout."""

    get_supported_kernel_block_sizes = staticmethod(lambda: [MultipleOf(16)])
    get_supported_head_sizes = classmethod(lambda cls: [])
    supported_kv_cache_layouts = classmethod(lambda cls: None)
    supports_sink = classmethod(lambda cls: True)
    supports_alibi_sqrt = classmethod(lambda cls: True)
    get_impl_cls = staticmethod(lambda: Attending)


class Latent(CPUMLABackend):
    """As FLASH_ATTN_MLA and TRITON_MLA."""

    get_supported_kernel_block_sizes = staticmethod(lambda: [MultipleOf(16)])


class PlainSparse(Latent):
    """As FLASHINFER_MLA_SPARSE, which keeps plain FP8."""

    is_sparse = classmethod(lambda cls: True)


class PackedSparse(PlainSparse):
    """As FLASHMLA_SPARSE, by whose name vLLM packs FP8."""

    get_name = staticmethod(lambda: "FLASHMLA_SPARSE")


class NoExperts(torch.nn.Module):
    """Instead of a mixture of experts, whose kernels need a GPU."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return MagicMock()


class Ranks:
    """Rank `rank` of a group of `size`, instead of torch.distributed."""

    def __init__(self, size, rank=0):
        self.world_size = size
        self.rank_in_group = self.rank = self.local_rank = rank
        self.ranks = list(range(size))
        self.is_first_rank, self.is_last_rank = rank == 0, rank == size - 1
        self.device_group = self.cpu_group = self
        self.device_communicator = None
        self.device = torch.device("cpu")

    def size(self):
        return self.world_size


def readable(read: Callable, instead: Callable) -> Callable:
    """Some classes read numbers while they are built (slopes, scales); on the meta device they read ones."""

    def ones(tensor, *arguments, **named):
        return instead(tensor, device="cpu") if tensor.is_meta else read(tensor, *arguments, **named)

    return ones


def pretend() -> None:
    """Once: no GPU, no processes, no experts, no check of this machine."""
    logging.disable(logging.CRITICAL)
    torch.cuda.Event = torch.cuda.Stream = MagicMock()
    step1._get_step_alibi_slopes = lambda heads: torch.ones(heads, device="cpu")  # it reads the numbers
    for read, instead in (("cpu", torch.ones_like), ("tolist", lambda tensor, **named: [1.0] * len(tensor))):
        setattr(torch.Tensor, read, readable(getattr(torch.Tensor, read), instead))
    triton.set_allocator = MagicMock()  # vLLM's stand-in for Triton lacks it
    registry._run_in_subprocess = lambda function: function()
    type(current_platform).check_and_update_config = classmethod(lambda cls, config: None)
    fused_moe.FusedMoEFactory = NoExperts
    # Nothing is loaded twice or run: what is prepared for it takes more than half of the time.
    utils.record_metadata_for_reloading = lambda model: None
    CustomOp.maybe_compile = lambda self, function, *, enable=True: function


def split(case: dict, stage: int) -> None:
    """This process is rank 0 of pipeline stage `stage`."""
    for name in ("_DP", "_PCP", "_EPLB"):
        setattr(parallel_state, name, Ranks(1))
    for name in ("_TP", "_EP", "_WORLD"):
        setattr(parallel_state, name, Ranks(case["tp"]))
    parallel_state._DCP = Ranks(case["dcp"])
    parallel_state._PP = Ranks(case["pp"], stage)
    sparse = PackedSparse if case["packed_latent"] else PlainSparse

    def backend(selected, attn_selector_config, num_heads=None):
        wanted = attn_selector_config
        return f"{__name__}.{(sparse if wanted.use_sparse else Latent if wanted.use_mla else Plain).__name__}"

    type(current_platform).get_attn_backend_cls = staticmethod(backend)
    compressed = "compress_ratios" in case["config"]
    capability = DeviceCapability(9, 0) if compressed else None
    type(current_platform).get_device_capability = classmethod(lambda cls, device_id=0: capability)


class Block(dict):
    """A dict, and those within it, with attributes as well as keys."""

    def __getattr__(self, name):
        if name not in self:
            raise AttributeError(name)
        return Block(self[name]) if isinstance(self[name], dict) else self[name]


class Blocks:
    """Layers that config.json describes one by one are objects (Nemotron's NAS models)."""

    max_position_embeddings = None

    def __setattr__(self, name, value):
        if name == "block_configs":
            value = [Block(block) for block in value]
        super().__setattr__(name, value)


class Puzzle:
    """Layers of Nemotron-H with fields of their own, which the checkpoint's config class hands out."""

    @property
    def hybrid_override_pattern(self):
        letters = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}
        return "".join(letters[block["block_type"]] for block in self.block_configs)

    def get_nemotron_h_config_for_layer(self, layer):
        found = copy.copy(self)
        for key, value in self.block_configs[layer].items():
            setattr(found, key, value)
        return found


def own_config(model_type: str) -> None:
    """A config class that takes what config.json says, where neither vLLM nor transformers has one.

    MiMo's own, which comes with its checkpoint, is Qwen2's, where `use_sliding_window` decides.
    """
    if model_type not in CONFIG_MAPPING and model_type not in _CONFIG_REGISTRY:
        own = {
            "mimo": (Qwen2Config,),
            "nemotron-nas": (Blocks, PretrainedConfig),
            "nemotron_h_puzzle": (Puzzle, PretrainedConfig),
        }
        # Some classes ask what their config's class is called.
        called = {"new": "NewConfig", "nomic_bert_own": "NomicBertConfig", "xlm-roberta-flash": "XLMRobertaFlashConfig"}
        bases, name = own.get(model_type, (PretrainedConfig,)), called.get(model_type, "Own")
        AutoConfig.register(model_type, type(name, bases, {"model_type": model_type}))


def configured(case: dict, folder: Path) -> VllmConfig:
    """vLLM's own config of the case, with nothing of this machine in it."""
    model = ModelConfig(
        str(folder),
        skip_tokenizer_init=True,
        tokenizer=None,
        language_model_only=True,
        runner=case.get("runner", "auto"),
    )
    parallel = ParallelConfig(
        tensor_parallel_size=case["tp"],
        pipeline_parallel_size=case["pp"],
        decode_context_parallel_size=case["dcp"],
        distributed_executor_backend="mp",
    )
    scheduler = SchedulerConfig(
        max_num_batched_tokens=case["max_num_batched_tokens"],
        max_num_seqs=16,
        max_model_len=model.max_model_len,
        is_encoder_decoder=False,
        async_scheduling=case["async_scheduling"],
        disable_hybrid_kv_cache_manager=not case.get("by_kind", True),
    )
    speculative = None
    if case["speculative_tokens"]:
        draft = case.get("draft")
        if draft is not None:
            (folder / "draft").mkdir(exist_ok=True)
            (folder / "draft" / "config.json").write_text(json.dumps(draft["config"]))
        speculative = SpeculativeConfig(
            method="mtp" if draft is None else draft["method"],
            model=None if draft is None else str(folder / "draft"),
            num_speculative_tokens=case["speculative_tokens"],
            target_model_config=model,
            target_parallel_config=parallel,
        )
    # engine/arg_utils.py create_engine_config: a window that all layers share is the cache's
    kinds = getattr(model.hf_text_config, "layer_types", None)
    window = model.get_sliding_window() if kinds is None or set(kinds) == {"sliding_attention"} else None
    config = VllmConfig(
        model_config=model,
        cache_config=CacheConfig(
            block_size=case["block_tokens"],
            cache_dtype=case["kv_dtype"],
            enable_prefix_caching=case["prefix_caching"],
            sliding_window=window,
        ),
        parallel_config=parallel,
        scheduler_config=scheduler,
        speculative_config=speculative,
    )
    config.scheduler_config.async_scheduling = case["async_scheduling"]
    return config


def pretend_of_classes() -> None:
    """What classes themselves ask of a GPU; they are imported here, once it is decided whether there are experts."""
    from vllm.model_executor.models import openpangu
    from vllm.models.hy_v4.nvidia import attention as hy_v4
    from vllm.models.qwen4_exp.nvidia.model import Qwen4ExpQSAAttention

    sys.modules[Qwen4ExpQSAAttention.__module__].is_flash_attn_varlen_func_available = lambda: True
    openpangu.current_platform = MagicMock(wraps=current_platform, current_device=lambda: "meta")
    openpangu.OpenPanguSinkAttention.post_weight_load = lambda self: None  # it norms the sinks, which a kernel does
    # transformers has since named this kind of layer anew, and this vLLM would build it without its indexer.
    hy_v4._SPARSE_LAYER_TYPES = ("sparse_attention", "sparse", "deepseek_sparse_attention", "indexed_attention")


def built(config: VllmConfig, **named) -> torch.nn.Module:
    """vLLM's class. One asks for the runner that a GPU's engine has, which needs Triton."""
    pretend_of_classes()
    if config.model_config.architecture != "LongcatFlashNgramForCausalLM":
        return initialize_model(config, **named)
    with patch.object(VllmConfig, "use_v2_model_runner", True):
        return initialize_model(config, **named)


def specs(config: VllmConfig) -> tuple[dict, dict[str, int]]:
    """What the layers of this stage keep, by vLLM's model class and its draft's; and the draft's parameters."""
    torch.set_default_dtype(config.model_config.dtype)
    draft = None
    with torch.device("meta"):
        built(config)
        speculative = config.speculative_config
        if speculative is not None and parallel_state._PP.is_last_rank:
            drafting = speculative.draft_model_config
            if speculative.method == "draft_model":  # DraftModelProposer._create_draft_vllm_config
                config_of_draft = replace(config, quant_config=None, model_config=drafting)
                draft = built(config_of_draft, prefix="draft")
            else:
                draft = built(config, prefix="draft", model_config=drafting)
    parameters = {} if draft is None else {name: p.numel() for name, p in draft.named_parameters()}
    if config.model_config.is_hybrid:
        current_platform._align_hybrid_block_size(config, Latent if config.model_config.use_mla else Plain)
    return get_kv_cache_spec(config), parameters


def answer(case: dict, folder: Path) -> dict:
    """What vLLM makes of one model and split: its derived maximum length, and an answer to each question."""
    (folder / "config.json").write_text(json.dumps(case["config"]))
    try:
        own_config(case["config"].get("model_type", ""))
        stages = []
        for stage in range(case["pp"]):
            split(case, stage)
            config = configured(case, folder)
            kept, drafting = specs(config)
            stages.append(kept)
    except Exception as error:  # noqa: BLE001 - a class that this vLLM or this machine cannot build: the test says which
        return {"not_built": f"{type(error).__name__}: {str(error)[:500]}"}
    derived = config.model_config.max_model_len
    config.cache_config.kv_cache_layout = layout(config)
    first = current_platform._find_non_ssm_backend(config)
    preferred = first.get_preferred_block_size(CacheConfig.DEFAULT_BLOCK_SIZE) if first else None
    with patch.object(VllmConfig, "use_v2_model_runner", True):  # what a GPU's engine runs, which has Triton
        answers = [capacity(config, stages, question) for question in case["questions"]]
    return {
        "derived_max_model_len": derived,
        "preferred_block": preferred,
        "answers": answers,
        "draft_parameters": drafting,
    }


def layout(config: VllmConfig) -> str:
    """A layout with blocks outermost where a backend asks for it; else the usual one, as counts are alike in all."""
    layers = get_layers_from_vllm_config(config, AttentionLayerBase).values()
    asked = [layer.get_attn_backend().supported_kv_cache_layouts() for layer in layers]
    return next((names[0].name for names in asked if names and names[0].is_block_outermost), "LBNHC")


def capacity(config: VllmConfig, stages: list[dict], question: dict) -> dict:
    """Blocks, tokens and concurrency, or the sentence with which vLLM refuses to start; and the longest that fits."""
    model, length = config.model_config, question["max_model_len"]
    memory = [question["available_bytes"]] * len(stages)
    model.max_model_len, model.original_max_model_len = length, -1  # as with --max-model-len -1
    try:
        get_kv_cache_configs(config, [dict(s) for s in stages], memory)
        longest = model.max_model_len
    except ValueError:
        longest = 0
    model.max_model_len = model.original_max_model_len = length
    try:
        caches = get_kv_cache_configs(config, [dict(s) for s in stages], memory)
    except ValueError as error:
        printed = re.search(r"estimated maximum model length is (\d+)", str(error))
        return {"refusal": str(error), "longest": longest, "printed_longest": int(printed[1]) if printed else None}
    if not caches[0].kv_cache_groups:
        return {"no_cache": True, "longest": longest}
    tokens, concurrency = get_kv_cache_capacity(config, caches[0])
    return {"blocks": caches[0].num_blocks, "tokens": tokens, "concurrency": concurrency, "longest": longest}


AT_A_TIME = 20
"""Models until what is left of them is collected: they are small on the meta device."""


def answer_all(answer: Callable[[dict, Path], dict]) -> None:
    """Every case of standard input, into the file that the first argument names."""
    gc.freeze()  # what was imported stays; a collection would look through all of it
    gc.disable()
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(json.load(sys.stdin), 1):
            answers.append(answer(case, Path(folder)))
            if number % AT_A_TIME == 0:
                gc.collect()
    Path(sys.argv[1]).write_text(json.dumps(answers))


if __name__ == "__main__":
    pretend()
    answer_all(answer)
