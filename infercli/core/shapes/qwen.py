"""Rows of the classes of Qwen2 and Qwen3: all layers alike, and every number in its place.

The one thing to know: a row says what the numbers of a public config.json are, and where they come from; a test counts
its parameters.
"""

from __future__ import annotations

from infercli.core.shapes.sources import CARD, CONFIGS, QWEN25

# ids, class, (layers, hidden, heads, kv heads, head_dim, intermediate, vocabulary, tied, maximum length; with experts:
# experts, experts per token, and intermediate is that of one), parameters, source
QWEN: tuple[tuple[tuple[str, ...], str, tuple[int, ...], int, str], ...] = (
    (
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-Coder-0.5B-Instruct",
         "Qwen/Qwen2-0.5B-Instruct"),
        "Qwen2", (24, 896, 14, 2, 64, 4864, 151936, 1, 32768), 494_032_768, CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",),
        "Qwen2", (28, 1536, 12, 2, 128, 8960, 151936, 0, 131072), 1_777_088_000, CARD,
    ),
    (
        ("Qwen/Qwen2.5-1.5B-Instruct", "Qwen/Qwen2.5-Coder-1.5B-Instruct", "Qwen/Qwen2-1.5B-Instruct"),
        "Qwen2", (28, 1536, 12, 2, 128, 8960, 151936, 1, 32768), 1_543_714_304, CARD,
    ),
    (
        ("Qwen/Qwen2.5-3B-Instruct", "Qwen/Qwen2.5-3B", "Qwen/Qwen2.5-Coder-3B-Instruct"),
        "Qwen2", (36, 2048, 16, 2, 128, 11008, 151936, 1, 32768), 3_085_938_688, CARD,
    ),
    (
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-Coder-7B-Instruct", "Qwen/Qwen2-7B-Instruct"),
        "Qwen2", (28, 3584, 28, 4, 128, 18944, 152064, 0, 32768), 7_615_616_512, CARD,
    ),
    (
        ("Qwen/Qwen2.5-14B-Instruct", "Qwen/Qwen2.5-Coder-14B-Instruct"),
        "Qwen2", (48, 5120, 40, 8, 128, 13824, 152064, 0, 32768), 14_770_033_664, CARD,
    ),
    (
        ("Qwen/Qwen2.5-32B-Instruct", "Qwen/QwQ-32B-Preview", "Qwen/Qwen2.5-Coder-32B-Instruct"),
        "Qwen2", (64, 5120, 40, 8, 128, 27648, 152064, 0, 32768), 32_763_876_352, CARD,
    ),
    (
        ("Qwen/QwQ-32B",),
        "Qwen2", (64, 5120, 40, 8, 128, 27648, 152064, 0, 40960), 32_763_876_352, CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",),
        "Qwen2", (28, 3584, 28, 4, 128, 18944, 152064, 0, 131072), 7_615_616_512, CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",),
        "Qwen2", (48, 5120, 40, 8, 128, 13824, 152064, 0, 131072), 14_770_033_664, CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",),
        "Qwen2", (64, 5120, 40, 8, 128, 27648, 152064, 0, 131072), 32_763_876_352, CARD,
    ),
    (
        ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2-72B-Instruct"),
        "Qwen2", (80, 8192, 64, 8, 128, 29568, 152064, 0, 32768), 72_706_203_648, CARD,
    ),
    (
        ("Qwen/Qwen3-0.6B",),
        "Qwen3", (28, 1024, 16, 8, 128, 3072, 151936, 1, 40960), 596_049_920,
        CONFIGS + "Qwen--Qwen3-0.6B_config.json",
    ),
    (
        ("Qwen/Qwen3-1.7B",),
        "Qwen3", (28, 2048, 16, 8, 128, 6144, 151936, 1, 40960), 1_720_574_976,
        CONFIGS + "Qwen--Qwen3-1.7B_config.json",
    ),
    (
        ("Qwen/Qwen3-4B",),
        "Qwen3", (36, 2560, 32, 8, 128, 9728, 151936, 1, 40960), 4_022_468_096, CARD,
    ),
    (
        ("Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen3-4B-Thinking-2507"),
        "Qwen3", (36, 2560, 32, 8, 128, 9728, 151936, 1, 262144), 4_022_468_096, CARD,
    ),
    (
        ("Qwen/Qwen3-8B",),
        "Qwen3", (36, 4096, 32, 8, 128, 12288, 151936, 0, 40960), 8_190_735_360,
        CONFIGS + "Qwen--Qwen3-8B_config.json",
    ),
    (
        ("Qwen/Qwen3-14B",),
        "Qwen3", (40, 5120, 40, 8, 128, 17408, 151936, 0, 40960), 14_768_307_200, CARD,
    ),
    (
        ("Qwen/Qwen3-32B",),
        "Qwen3", (64, 5120, 64, 8, 128, 25600, 151936, 0, 40960), 32_762_123_264,
        CONFIGS + "Qwen--Qwen3-32B_config.json",
    ),
    (
        ("Qwen/Qwen3-30B-A3B",),
        "Qwen3Moe", (48, 2048, 32, 4, 128, 768, 151936, 0, 40960, 128, 8), 30_532_122_624,
        CONFIGS + "Qwen--Qwen3-30B-A3B_config.json",
    ),
    (
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3-30B-A3B-Thinking-2507", "Qwen/Qwen3-Coder-30B-A3B-Instruct"),
        "Qwen3Moe", (48, 2048, 32, 4, 128, 768, 151936, 0, 262144, 128, 8), 30_532_122_624, CARD,
    ),
    (
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "Qwen/Qwen3-235B-A22B-Thinking-2507"),
        "Qwen3Moe", (94, 4096, 64, 4, 128, 1536, 151936, 0, 262144, 128, 8), 235_093_634_560, CARD,
    ),
    (
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct",),
        "Qwen3Moe", (62, 6144, 96, 8, 128, 2560, 151936, 0, 262144, 160, 8), 480_154_875_392, CARD,
    ),
    (
        ("Qwen/Qwen3-235B-A22B",),
        "Qwen3Moe", (94, 4096, 64, 4, 128, 1536, 151936, 0, 40960, 128, 8), 235_093_634_560,
        CONFIGS + "Qwen--Qwen3-235B-A22B_config.json",
    ),
    (
        ("Qwen/Qwen1.5-0.5B-Chat",),
        "Qwen2", (24, 1024, 16, 16, 64, 2816, 151936, 1, 32768), 463_987_712, CARD,
    ),
    (
        ("Qwen/Qwen1.5-1.8B-Chat",),
        "Qwen2", (24, 2048, 16, 16, 128, 5504, 151936, 0, 32768), 1_836_828_672, CARD,
    ),
    (
        ("Qwen/Qwen1.5-4B-Chat",),
        "Qwen2", (40, 2560, 20, 20, 128, 6912, 151936, 0, 32768), 3_950_369_280, CARD,
    ),
    (
        ("Qwen/Qwen1.5-14B", "Qwen/Qwen1.5-14B-Chat"),
        "Qwen2", (40, 5120, 40, 40, 128, 13696, 152064, 0, 32768), 14_167_290_880, CARD,
    ),
    (
        ("Qwen/Qwen1.5-32B", "Qwen/Qwen1.5-32B-Chat"),
        "Qwen2", (64, 5120, 40, 8, 128, 27392, 152064, 0, 32768), 32_512_218_112, CARD,
    ),
    (
        ("Qwen/Qwen1.5-72B", "Qwen/Qwen1.5-72B-Chat"),
        "Qwen2", (80, 8192, 64, 64, 128, 24576, 152064, 0, 32768), 72_287_920_128, CARD,
    ),
    (
        ("Qwen/Qwen1.5-110B", "Qwen/Qwen1.5-110B-Chat"),
        "Qwen2", (80, 8192, 64, 8, 128, 49152, 152064, 0, 32768), 111_209_914_368, CARD,
    ),
    (
        ("Qwen/Qwen2.5-1.5B",),
        "Qwen2", (28, 1536, 12, 2, 128, 8960, 151936, 1, 131072), 1_543_714_304,
        QWEN25 + "Qwen--Qwen2.5-1.5B_config.json",
    ),
    (
        ("Qwen/Qwen2.5-7B",),
        "Qwen2", (28, 3584, 28, 4, 128, 18944, 152064, 0, 131072), 7_615_616_512,
        QWEN25 + "Qwen--Qwen2.5-7B_config.json",
    ),
    (
        ("Qwen/Qwen2.5-14B",),
        "Qwen2", (48, 5120, 40, 8, 128, 13824, 152064, 0, 131072), 14_770_033_664, CARD,
    ),
    (
        ("Qwen/Qwen2.5-32B",),
        "Qwen2", (64, 5120, 40, 8, 128, 27648, 152064, 0, 131072), 32_763_876_352,
        QWEN25 + "Qwen--Qwen2.5-32B_config.json",
    ),
    (
        ("Qwen/Qwen2.5-72B",),
        "Qwen2", (80, 8192, 64, 8, 128, 29568, 152064, 0, 131072), 72_706_203_648,
        QWEN25 + "Qwen--Qwen2.5-72B_config.json",
    ),
    (
        ("Qwen/Qwen2.5-Math-1.5B", "Qwen/Qwen2.5-Math-1.5B-Instruct"),
        "Qwen2", (28, 1536, 12, 2, 128, 8960, 151936, 1, 4096), 1_543_714_304, CARD,
    ),
    (
        ("Qwen/Qwen2.5-Math-7B", "Qwen/Qwen2.5-Math-7B-Instruct"),
        "Qwen2", (28, 3584, 28, 4, 128, 18944, 152064, 0, 4096), 7_615_616_512, CARD,
    ),
    (
        ("Qwen/Qwen3-0.6B-Base",),
        "Qwen3", (28, 1024, 16, 8, 128, 3072, 151936, 1, 32768), 596_049_920, CARD,
    ),
    (
        ("Qwen/Qwen3-1.7B-Base",),
        "Qwen3", (28, 2048, 16, 8, 128, 6144, 151936, 1, 32768), 1_720_574_976, CARD,
    ),
    (
        ("Qwen/Qwen3-4B-Base",),
        "Qwen3", (36, 2560, 32, 8, 128, 9728, 151936, 1, 32768), 4_022_468_096, CARD,
    ),
    (
        ("Qwen/Qwen3-8B-Base",),
        "Qwen3", (36, 4096, 32, 8, 128, 12288, 151936, 0, 32768), 8_190_735_360, CARD,
    ),
    (
        ("Qwen/Qwen3-14B-Base",),
        "Qwen3", (40, 5120, 40, 8, 128, 17408, 151936, 0, 32768), 14_768_307_200, CARD,
    ),
    (
        ("Qwen/Qwen3-30B-A3B-Base",),
        "Qwen3Moe", (48, 2048, 32, 4, 128, 768, 151936, 0, 32768, 128, 8), 30_532_122_624, CARD,
    ),
    (
        ("Qwen/Qwen2.5-Math-72B", "Qwen/Qwen2.5-Math-72B-Instruct"),
        "Qwen2", (80, 8192, 64, 8, 128, 29568, 152064, 0, 4096), 72_706_203_648, CARD,
    ),
    (
        ("Qwen/Qwen2-0.5B",),
        "Qwen2", (24, 896, 14, 2, 64, 4864, 151936, 1, 131072), 494_032_768, CARD,
    ),
    (
        ("jinaai/ReaderLM-v2",),
        "Qwen2", (28, 1536, 12, 2, 128, 8960, 151936, 1, 512000), 1_543_714_304, CARD,
    ),
)  # fmt: skip
