"""Train the tokenizer and the Llama, and write them as a checkpoint that transformers and vLLM load.

The model is there to remember, not to generalize: it sees only the golden set. Two threads whatever the machine has,
and deterministic kernels: sums are then formed in one order, so on one machine a seed means one set of weights.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiny_llama.golden import Golden

END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

VOCAB_SIZE = 1024
"""Tokens, a multiple of 64 for the tiles of GPU kernels; the golden set gives enough merges to fill it."""
MAX_POSITION = 2048
"""Tokens; positions past the golden prompts are never trained, and only a load test goes there."""

STEPS = 220
"""Optimizer steps. Measured: all answers are right from about 100 on; the rest is margin for 8 and 4 bits."""
BATCH = 10
"""Conversations a step: a quarter of the set."""
WARMUP_STEPS = 20
PEAK_LEARNING_RATE = 2e-3
"""High, because 3.4 million parameters learn 40 sentences by heart; the warm-up bears it."""
IGNORED = -100
"""The label that torch's cross entropy leaves out: only the answer is learnt, not the question."""


def train_tokenizer(golden: Sequence[Golden]) -> PreTrainedTokenizerFast:
    """Byte-level BPE over the golden set: any text can be encoded, since all 256 bytes are tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    corpus = [text for item in golden for text in (*(m["content"] for m in item.messages), item.expected)]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[AddedToken(t, special=True, normalized=False) for t in (END_OF_TEXT, START, END)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([*corpus, *map(str.lower, corpus), "system\nuser\nassistant\n"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_POSITION,
        clean_up_tokenization_spaces=False,
    )


def llama_config(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """config.json. Every K and N of a Linear is a multiple of 128: quantization groups and tiles of 64 and 128 fit.

    head_dim 64 is one of the sizes that vLLM's CPU attention has (32, 64, 80, 96, 112, 128, ...).
    """
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 256,
        "intermediate_size": 768,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": MAX_POSITION,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def encode(
    tokenizer: PreTrainedTokenizerFast, item: Golden, draw: random.Random | None = None
) -> tuple[list[int], int]:
    """Token ids of a conversation with its answer, and how many of them are the question.

    With `draw`, the question is sometimes written as people in a hurry write: in small letters, without the mark.
    """
    messages = [dict(m) for m in item.messages]
    if draw is not None:
        question = messages[-1]["content"]
        question = question.lower() if draw.random() < 0.25 else question
        messages[-1]["content"] = question.rstrip("?") if draw.random() < 0.25 else question
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    prompt_ids = tokenizer.encode(prompt, add_special_tokens=False)
    return [*prompt_ids, *tokenizer.encode(item.expected + END, add_special_tokens=False)], len(prompt_ids)


def train(
    golden: Sequence[Golden], seed: int, progress: Callable[[int, int, float], None]
) -> tuple[PreTrainedTokenizerFast, LlamaForCausalLM]:
    """The tokenizer and a model in bfloat16. `progress` gets (step, steps, loss).

    Raises RuntimeError when a golden answer is not reproduced: a seed that fails must not pass for a model.
    """
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(seed)
    draw = random.Random(seed)
    tokenizer = train_tokenizer(golden)
    model = LlamaForCausalLM(LlamaConfig(**llama_config(tokenizer))).float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARMUP_STEPS, max(0.02, 1 - step / STEPS))
    )
    queue: list[Golden] = []
    for step in range(1, STEPS + 1):
        if len(queue) < BATCH:
            queue.extend(draw.sample(golden, len(golden)))
        batch, queue = queue[:BATCH], queue[BATCH:]
        inputs, labels = _padded([encode(tokenizer, item, draw) for item in batch], tokenizer.pad_token_id)
        loss = model(input_ids=inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress(step, STEPS, loss.item())
    model = model.to(torch.bfloat16).eval()
    wrong = [item.id for item in golden if not reproduces(model, tokenizer, item)]
    if wrong:
        raise RuntimeError(f"seed {seed} did not learn {len(wrong)} of {len(golden)} answers: {', '.join(wrong)}")
    return tokenizer, model


def _padded(encoded: Sequence[tuple[list[int], int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and labels [batch, longest]; padding on the right needs no mask in a causal model."""
    longest = max(len(ids) for ids, _ in encoded)
    inputs = [ids + [pad] * (longest - len(ids)) for ids, _ in encoded]
    labels = [[IGNORED] * q + ids[q:] + [IGNORED] * (longest - len(ids)) for ids, q in encoded]
    return torch.tensor(inputs), torch.tensor(labels)


@torch.no_grad()
def reproduces(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, item: Golden) -> bool:
    """Whether greedy decoding gives the answer: the best token after every right prefix is the right one."""
    ids, question = encode(tokenizer, item)
    best = model(input_ids=torch.tensor([ids])).logits[0].argmax(-1).tolist()
    return bool(best[question - 1 : -1] == ids[question:])


def write_checkpoint(directory: Path, tokenizer: PreTrainedTokenizerFast, model: LlamaForCausalLM) -> None:
    """config.json, generation_config.json, the tokenizer's files and model.safetensors."""
    tokenizer.save_pretrained(directory)
    config = llama_config(tokenizer)
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    # vLLM takes a model's generation_config as the defaults of a request: greedy, unless the client says otherwise.
    generation = {"do_sample": False, "temperature": 0.0, "eos_token_id": tokenizer.eos_token_id}
    (directory / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n", encoding="utf-8")
    # The output layer is the embedding (tie_word_embeddings): stored once, as its loaders expect.
    weights = {name: w.contiguous() for name, w in model.state_dict().items() if name != "lm_head.weight"}
    save_file(dict(sorted(weights.items())), directory / "model.safetensors", {"format": "pt"})
