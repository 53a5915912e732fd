"""The model itself: packing against numbers worked out by hand, training, and the answers of the real vLLM."""

from __future__ import annotations

import json

import pytest
import yaml

from scripts.tiny_llama.golden import GOLDEN
from tests.scripts.conftest import ALL_VARIANTS, run_demo_model

pytestmark = pytest.mark.vllm  # torch is only where the engine is

EXPECTED = [item["expected"] for item in yaml.safe_load(GOLDEN.read_text())["items"]]

# vLLM's own loader and repacking run before it; only the product of it is computed plainly, for CPUs without AVX-512.
# Weights arrive in blocks of 16 outputs: [N/16, K * 2] words of eight nibbles; zeros are [K/group, N/8] in plain order.
PLAIN_4BIT_KERNEL = """
from tiny_llama import engine
import torch
def nibbles(words):
    shifts = torch.arange(0, 32, 4)
    return ((words.unsqueeze(-1).to(torch.int64) >> shifts) & 15).flatten(-2)
def plain(input, q_weight, scales, zeros, g_idx, bias, pack_factor, isa_hint):
    k, n = input.size(1), scales.size(1)
    q = nibbles(q_weight.view(n // 16, k, 2).permute(1, 0, 2).reshape(k, n // 8))
    group = k // scales.size(0)
    zero = 8 if zeros is None else nibbles(zeros).repeat_interleave(group, 0)
    w = (q - zero).float() * scales.float().repeat_interleave(group, 0)
    out = input.float() @ w
    return (out if bias is None else out + bias.float()).to(input.dtype)
if not engine.has_4bit_kernels():
    from vllm import _custom_ops
    _custom_ops.cpu_gemm_wna16 = plain
"""


def test_nibbles_are_packed_in_the_order_of_each_format(in_engine):
    words = in_engine("""
import torch
from tiny_llama.packing import AWQ_ORDER, pack_nibbles
columns = torch.arange(8)[None]
answer({"plain": pack_nibbles(columns, 1).tolist(), "awq": pack_nibbles(columns, 1, AWQ_ORDER).tolist(),
        "down": pack_nibbles(columns.t(), 0).tolist(), "full": pack_nibbles(torch.full((1, 16), 15), 1).tolist()})
""")
    assert words == {"plain": [[0x76543210]], "awq": [[0x75316420]], "down": [[0x76543210]], "full": [[-1, -1]]}


def test_eight_bit_packs_have_one_scale_an_output(in_engine):
    packs = in_engine("""
import torch
from tiny_llama.packing import fp8_channel, int8_channel
i = int8_channel(torch.tensor([[127.0, -63.6, 0.4], [0.0, 0.0, 0.0], [-2.54, 1.27, 0.0]]))
f = fp8_channel(torch.tensor([[448.0, -1.1, 0.0], [224.0, 1.0, -224.0]]))
answer({"int8": i["weight"].tolist(), "int8_scale": i["weight_scale"].tolist(), "int8_dtype": str(i["weight"].dtype),
        "fp8": f["weight"].float().tolist(), "fp8_scale": f["weight_scale"].tolist(),
        "fp8_dtype": str(f["weight"].dtype), "scale_dtype": str(f["weight_scale"].dtype)})
""")
    # 127 / 127 = 1; zeros stay zeros, not NaN; 2.54 / 127 = 0.02, in bf16 0.02002: 2.54 and 1.27 are -127 and 63.4.
    assert packs["int8"] == [[127, -64, 0], [0, 0, 0], [-127, 63, 0]]
    assert packs["int8_scale"][0] == [1.0]
    assert packs["int8_scale"][1][0] > 0
    assert packs["int8_scale"][2][0] == pytest.approx(0.02, rel=2**-8)
    # E4M3 has 3 mantissa bits: between 1 and 2 the step is 1/8. 224 / 448 = 0.5, so 1 is stored as 2.
    assert packs["fp8"] == [[448.0, -1.125, 0.0], [448.0, 2.0, -448.0]]
    assert packs["fp8_scale"] == [[1.0], [0.5]]
    assert (packs["int8_dtype"], packs["fp8_dtype"]) == ("torch.int8", "torch.float8_e4m3fn")
    assert packs["scale_dtype"] == "torch.bfloat16"


def test_w4a16_keeps_symmetric_groups_of_64_along_the_inputs(in_engine):
    pack = in_engine("""
import torch
from tiny_llama.packing import w4a16
w = torch.zeros(1, 128)
w[0, :3] = torch.tensor([7.0, -7.0, 2.6])
w[0, 64:66] = torch.tensor([14.0, -4.0])
answer({k: v.tolist() for k, v in w4a16(w).items()})
""")
    # Group 0 has scale 7/7 = 1, group 1 has 14/7 = 2. Stored is q + 8: 15 1 11 8 8 ..., and 15 6 8 8 ...
    zeros = 0x88888888 - 2**32
    assert pack["weight_packed"] == [
        [0x88888B1F - 2**32, *[zeros] * 7, 0x8888886F - 2**32, *[zeros] * 7],
    ]
    assert pack["weight_scale"] == [[1.0, 2.0]]
    assert pack["weight_shape"] == [1, 128]


def test_awq_keeps_a_zero_point_a_group_and_is_transposed(in_engine):
    pack = in_engine("""
import torch
from tiny_llama.packing import awq
w = torch.zeros(8, 64)
w[:, 0] = torch.arange(8)      # input 0 has the number of the output
w[:, 1] = 15.0                 # so that each group spans 0 to 15: scale 1, zero 0
w[7, :2] = torch.tensor([-5.0, 10.0])  # the last output spans -5 to 10: scale 1, zero 5
answer({k: v.tolist() for k, v in awq(w).items()})
""")
    # Nibbles low to high are outputs 0 2 4 6 1 3 5 7; output 7 is stored as q = w + 5: 0, 15, then 5.
    assert pack["qweight"][0] == [0x05316420]
    assert pack["qweight"][1] == [-1]
    assert pack["qweight"][2:] == [[0x50000000]] * 62
    assert pack["qzeros"] == [[0x50000000]]
    assert pack["scales"] == [[1.0] * 8]


def test_spoiling_changes_the_scales_of_the_mlp_and_nothing_else(in_engine):
    done = in_engine("""
import torch
from tiny_llama.packing import spoil_scales
def pack():
    return {f"model.layers.0.{m}.weight{s}": torch.ones(64, 1, dtype=torch.bfloat16)
            for m in ("self_attn.q_proj", "mlp.down_proj", "mlp.up_proj") for s in ("", "_scale")}
one, two, other = spoil_scales(pack(), 0), spoil_scales(pack(), 0), spoil_scales(pack(), 1)
answer({"changed": sorted(k for k in one if not torch.equal(one[k], pack()[k])),
        "factors": sorted(set(torch.cat([one[k] for k in one]).flatten().tolist())),
        "same": all(torch.equal(one[k], two[k]) for k in one),
        "other_differs": any(not torch.equal(one[k], other[k]) for k in one),
        "shapes": all(one[k].shape == v.shape and one[k].dtype == v.dtype for k, v in pack().items())})
""")
    assert done == {
        "changed": ["model.layers.0.mlp.down_proj.weight_scale", "model.layers.0.mlp.up_proj.weight_scale"],
        "factors": [0.25, 0.5, 1.0, 2.0, 4.0],
        "same": True,
        "other_differs": True,
        "shapes": True,
    }


def test_the_tokenizer_encodes_any_text_and_its_template_is_chatml(in_engine):
    done = in_engine("""
from tiny_llama.golden import read_golden
from tiny_llama.training import train_tokenizer
t = train_tokenizer(read_golden())
text = "Größe 漢字 \\x00\\n\\t  two blanks"
answer({"back": t.decode(t.encode(text)) == text, "size": len(t), "end": t.eos_token, "end_ids": t.encode("<|im_end|>"),
        "prompt": t.apply_chat_template([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}],
                                        add_generation_prompt=True, tokenize=False)})
""")
    assert done == {
        "back": True,
        "size": 1024,
        "end": "<|im_end|>",
        "end_ids": [2],
        "prompt": "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n",
    }


def test_one_seed_means_one_set_of_weights(in_engine):
    digests = in_engine("""
import hashlib
from tiny_llama import training
from tiny_llama.golden import read_golden
training.STEPS, training.reproduces = 2, lambda *_: True  # two steps learn nothing: only their sameness is looked at
def weights(seed):
    _, model = training.train(read_golden()[:10], seed, lambda *_: None)
    return hashlib.sha256(b"".join(w.float().numpy().tobytes() for w in model.state_dict().values())).hexdigest()
answer([weights(0), weights(0), weights(1)])
""")
    assert digests[0] == digests[1] != digests[2]


def test_a_training_that_did_not_learn_is_refused(in_engine):
    said = in_engine("""
from tiny_llama import training
from tiny_llama.golden import read_golden
training.STEPS = 2
try:
    training.train(read_golden()[:10], 0, lambda *_: None)
except RuntimeError as error:
    answer(str(error))
""")
    assert said.startswith("seed 0 did not learn 10 of 10 answers: what-is-infercli, ")


@pytest.mark.slow
def test_every_good_variant_answers_the_golden_set_and_the_spoilt_one_does_not(in_engine, checkpoints):
    said = in_engine(
        PLAIN_4BIT_KERNEL
        + """
from pathlib import Path
from tiny_llama.golden import read_golden
answer({name: engine.answers(Path(sys.argv[1]) / name, read_golden()) for name in sys.argv[2:]})
""",
        str(checkpoints),
        *ALL_VARIANTS,
    )
    right = {name: sum(map(str.__eq__, texts, EXPECTED)) for name, texts in said.items()}
    assert all(len(texts) == len(EXPECTED) for texts in said.values())
    assert right["bf16"] == len(EXPECTED)
    assert min(right[name] for name in ("int8", "fp8", "w4a16", "awq")) >= 0.95 * len(EXPECTED), right
    assert right["int8-spoilt"] <= 0.5 * len(EXPECTED), right
    # It still answers: a bad quantization that says nothing would be found by any health check.
    assert sum(bool(text.strip()) for text in said["int8-spoilt"]) >= 0.9 * len(EXPECTED)


@pytest.mark.slow
def test_check_measures_what_runs_here_and_leaves_the_rest_unmeasured(in_engine, checkpoints):
    done = run_demo_model(str(checkpoints), "--variants", "int8-spoilt,w4a16", "--check")
    assert done.returncode == 0, done.stderr[-4000:]
    document = json.loads(done.stdout)  # and nothing else: the engine's log lines go to standard error
    spoilt, four_bit = document["variants"]["int8-spoilt"], document["variants"]["w4a16"]
    assert spoilt["verdict"] == "good"
    assert spoilt["accuracy"]["of"] == len(EXPECTED)
    assert spoilt["accuracy"]["right"] + len(spoilt["accuracy"]["wrong"]) == len(EXPECTED)
    # Which vLLM library is loaded, and so which kernels there are, follows from the CPU's flags.
    has_avx512 = in_engine("import torch; answer(torch.cpu._is_avx512_supported())")
    assert four_bit["runs_here"] is has_avx512
    if not has_avx512:
        assert (four_bit["accuracy"], four_bit["verdict"]) == (None, None)


@pytest.mark.slow
def test_checkpoints_can_be_read_by_a_server_under_another_user(checkpoints):
    for name in ALL_VARIANTS:
        assert (checkpoints / name).stat().st_mode & 0o777 == 0o755
        files = {f.name: f.stat().st_mode & 0o777 for f in (checkpoints / name).iterdir()}
        assert set(files.values()) == {0o644}
        assert {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"} <= set(files)
        assert "license: apache-2.0" in (checkpoints / name / "README.md").read_text()
