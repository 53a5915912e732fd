"""Rows of the classes of Llama, Mistral and Mixtral: all layers alike, and every number in its place.

The one thing to know: a row says what the numbers of a public config.json are, and where they come from; a test counts
its parameters.
"""

from __future__ import annotations

from infercli.core.shapes.sources import CARD, CONFIGS, GALLERY

# ids, class, (layers, hidden, heads, kv heads, head_dim, intermediate, vocabulary, tied, maximum length; with experts:
# experts, experts per token, and intermediate is that of one), parameters, source
LLAMA: tuple[tuple[tuple[str, ...], str, tuple[int, ...], int, str], ...] = (
    (
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Meta-Llama-3.1-8B",
         "meta-llama/Meta-Llama-3.1-8B-Instruct"),
        "Llama", (32, 4096, 32, 8, 128, 14336, 128256, 0, 131072), 8_030_261_248,
        CONFIGS + "meta-llama--Meta-Llama-3.1-8B_config.json",
    ),
    (
        ("meta-llama/Llama-3.1-70B", "meta-llama/Llama-3.1-70B-Instruct", "meta-llama/Meta-Llama-3.1-70B",
         "meta-llama/Meta-Llama-3.1-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"),
        "Llama", (80, 8192, 64, 8, 128, 28672, 128256, 0, 131072), 70_553_706_496,
        CONFIGS + "meta-llama--Meta-Llama-3.1-70B_config.json",
    ),
    (
        ("meta-llama/Llama-3.1-405B", "meta-llama/Llama-3.1-405B-Instruct"),
        "Llama", (126, 16384, 128, 8, 128, 53248, 128256, 0, 131072), 405_853_388_800,
        CONFIGS + "meta-llama--Meta-Llama-3.1-405B_config.json",
    ),
    (
        ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-1B-Instruct"),
        "Llama", (16, 2048, 32, 8, 64, 8192, 128256, 1, 131072), 1_235_814_400, CARD,
    ),
    (
        ("meta-llama/Llama-3.2-3B", "meta-llama/Llama-3.2-3B-Instruct"),
        "Llama", (28, 3072, 24, 8, 128, 8192, 128256, 1, 131072), 3_212_749_824, CARD,
    ),
    (
        ("meta-llama/Meta-Llama-3-8B", "meta-llama/Meta-Llama-3-8B-Instruct"),
        "Llama", (32, 4096, 32, 8, 128, 14336, 128256, 0, 8192), 8_030_261_248, CARD,
    ),
    (
        ("meta-llama/Meta-Llama-3-70B", "meta-llama/Meta-Llama-3-70B-Instruct"),
        "Llama", (80, 8192, 64, 8, 128, 28672, 128256, 0, 8192), 70_553_706_496, CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B",),
        "Llama", (32, 4096, 32, 8, 128, 14336, 128256, 0, 131072), 8_030_261_248, CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B",),
        "Llama", (80, 8192, 64, 8, 128, 28672, 128256, 0, 131072), 70_553_706_496, CARD,
    ),
    (
        ("meta-llama/Llama-2-13b-hf", "meta-llama/Llama-2-13b-chat-hf"),
        "Llama", (40, 5120, 40, 40, 128, 13824, 32000, 0, 4096), 13_015_864_320, CARD,
    ),
    (
        ("meta-llama/Llama-2-70b-hf", "meta-llama/Llama-2-70b-chat-hf"),
        "Llama", (80, 8192, 64, 8, 128, 28672, 32000, 0, 4096), 68_976_648_192, CARD,
    ),
    (
        ("01-ai/Yi-6B", "01-ai/Yi-6B-Chat"),
        "Llama", (32, 4096, 32, 4, 128, 11008, 64000, 0, 4096), 6_061_035_520, CARD,
    ),
    (
        ("01-ai/Yi-34B", "01-ai/Yi-34B-Chat", "01-ai/Yi-1.5-34B-Chat"),
        "Llama", (60, 7168, 56, 8, 128, 20480, 64000, 0, 4096), 34_388_917_248, CARD,
    ),
    (
        ("HuggingFaceTB/SmolLM2-1.7B-Instruct",),
        "Llama", (24, 2048, 32, 32, 64, 8192, 49152, 1, 8192), 1_711_376_384, CARD,
    ),
    (
        ("tiiuae/Falcon3-7B-Instruct",),
        "Llama", (28, 3072, 12, 4, 256, 23040, 131072, 0, 32768), 7_455_550_464, CARD,
    ),
    (
        ("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-chat-hf"),
        "Llama", (32, 4096, 32, 32, 128, 11008, 32000, 0, 4096), 6_738_415_616, CARD,
    ),
    (
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0",),
        "Llama", (22, 2048, 32, 4, 64, 5632, 32000, 0, 2048), 1_100_048_384, CARD,
    ),
    (
        ("mistralai/Mistral-7B-Instruct-v0.2",),
        "Mistral", (32, 4096, 32, 8, 128, 14336, 32000, 0, 32768), 7_241_732_096, CARD,
    ),
    (
        ("mistralai/Mistral-7B-v0.3", "mistralai/Mistral-7B-Instruct-v0.3"),
        "Mistral", (32, 4096, 32, 8, 128, 14336, 32768, 0, 32768), 7_248_023_552, CARD,
    ),
    (
        ("mistralai/Mistral-Nemo-Base-2407", "mistralai/Mistral-Nemo-Instruct-2407"),
        "Mistral", (40, 5120, 32, 8, 128, 14336, 131072, 0, 1024000), 12_247_782_400, CARD,
    ),
    (
        ("mistralai/Mistral-Small-24B-Instruct-2501",),
        "Mistral", (40, 5120, 32, 8, 128, 32768, 131072, 0, 32768), 23_572_403_200, CARD,
    ),
    (
        ("mistralai/Codestral-22B-v0.1",),
        "Mistral", (56, 6144, 48, 8, 128, 16384, 32768, 0, 32768), 22_247_282_688, CARD,
    ),
    (
        ("mistralai/Mistral-Large-Instruct-2407", "mistralai/Mistral-Large-Instruct-2411"),
        "Mistral", (88, 12288, 96, 8, 128, 28672, 32768, 0, 131072), 122_610_069_504, CARD,
    ),
    (
        ("mistralai/Mixtral-8x7B-v0.1", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
        "Mixtral", (32, 4096, 32, 8, 128, 14336, 32000, 0, 32768, 8, 2), 46_702_792_704,
        CONFIGS + "mistralai--Mixtral-8x7B-v0.1_config.json",
    ),
    (
        ("mistralai/Mixtral-8x22B-Instruct-v0.1",),
        "Mixtral", (56, 6144, 48, 8, 128, 16384, 32768, 0, 65536, 8, 2), 140_630_071_296, CARD,
    ),
    (
        ("deepseek-ai/deepseek-llm-7b-base", "deepseek-ai/deepseek-llm-7b-chat"),
        "Llama", (30, 4096, 32, 32, 128, 11008, 102400, 0, 4096), 6_910_365_696, CARD,
    ),
    # A linear scaling of four makes 65,536 positions of the 16,384 of these three.
    (
        ("deepseek-ai/deepseek-coder-1.3b-base", "deepseek-ai/deepseek-coder-1.3b-instruct"),
        "Llama", (24, 2048, 16, 16, 128, 5504, 32256, 0, 65536), 1_346_471_936, CARD,
    ),
    (
        ("deepseek-ai/deepseek-coder-6.7b-base", "deepseek-ai/deepseek-coder-6.7b-instruct"),
        "Llama", (32, 4096, 32, 32, 128, 11008, 32256, 0, 65536), 6_740_512_768, CARD,
    ),
    (
        ("deepseek-ai/deepseek-coder-33b-base", "deepseek-ai/deepseek-coder-33b-instruct"),
        "Llama", (62, 7168, 56, 8, 128, 19200, 32256, 0, 65536), 33_342_991_360, CARD,
    ),
    (
        ("codellama/CodeLlama-7b-hf", "codellama/CodeLlama-7b-Instruct-hf"),
        "Llama", (32, 4096, 32, 32, 128, 11008, 32016, 0, 16384), 6_738_546_688, CARD,
    ),
    (
        ("codellama/CodeLlama-13b-hf", "codellama/CodeLlama-13b-Instruct-hf"),
        "Llama", (40, 5120, 40, 40, 128, 13824, 32016, 0, 16384), 13_016_028_160, CARD,
    ),
    (
        ("codellama/CodeLlama-34b-hf", "codellama/CodeLlama-34b-Instruct-hf"),
        "Llama", (48, 8192, 64, 8, 128, 22016, 32000, 0, 16384), 33_743_970_304, CARD,
    ),
    (
        ("codellama/CodeLlama-70b-Instruct-hf",),
        "Llama", (80, 8192, 64, 8, 128, 28672, 32016, 0, 4096), 68_976_910_336, CARD,
    ),
    (
        ("upstage/SOLAR-10.7B-v1.0", "upstage/SOLAR-10.7B-Instruct-v1.0"),
        "Llama", (48, 4096, 32, 8, 128, 14336, 32000, 0, 4096), 10_731_524_096, CARD,
    ),
    (
        ("01-ai/Yi-1.5-9B", "01-ai/Yi-1.5-9B-Chat"),
        "Llama", (48, 4096, 32, 4, 128, 11008, 64000, 0, 4096), 8_829_407_232, CARD,
    ),
    (
        ("01-ai/Yi-Coder-9B-Chat",),
        "Llama", (48, 4096, 32, 4, 128, 11008, 64000, 0, 131072), 8_829_407_232, CARD,
    ),
    (
        ("HuggingFaceTB/SmolLM2-135M", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        "Llama", (30, 576, 9, 3, 64, 1536, 49152, 1, 8192), 134_515_008, CARD,
    ),
    (
        ("HuggingFaceTB/SmolLM2-360M", "HuggingFaceTB/SmolLM2-360M-Instruct"),
        "Llama", (32, 960, 15, 5, 64, 2560, 49152, 1, 8192), 361_821_120, CARD,
    ),
    (
        ("tiiuae/Falcon3-1B-Instruct",),
        "Llama", (18, 2048, 8, 4, 256, 8192, 131072, 0, 8192), 1_669_408_768, CARD,
    ),
    (
        ("tiiuae/Falcon3-3B-Instruct",),
        "Llama", (22, 3072, 12, 4, 256, 9216, 131072, 0, 32768), 3_227_655_168, CARD,
    ),
    (
        ("tiiuae/Falcon3-10B-Instruct",),
        "Llama", (40, 3072, 12, 4, 256, 23040, 131072, 0, 32768), 10_305_653_760, CARD,
    ),
    (
        ("mistralai/Devstral-Small-2505", "mistralai/Devstral-Small-2507"),
        "Mistral", (40, 5120, 32, 8, 128, 32768, 131072, 0, 131072), 23_572_403_200, CARD,
    ),
    (
        ("speakleash/Bielik-11B-v2.3-Instruct",),
        "Mistral", (50, 4096, 32, 8, 128, 14336, 32128, 0, 32768), 11_168_796_672, CARD,
    ),
    (
        ("mistralai/Mixtral-8x22B-v0.1",),
        "Mixtral", (56, 6144, 48, 8, 128, 16384, 32000, 0, 65536, 8, 2), 140_620_634_112,
        CONFIGS + "mistralai--Mixtral-8x22B-v0.1_config.json",
    ),
    (
        ("allenai/Llama-3.1-Tulu-3-8B", "allenai/Llama-3.1-Tulu-3.1-8B"),
        "Llama", (32, 4096, 32, 8, 128, 14336, 128264, 0, 131072), 8_030_326_784, CARD,
    ),
    (
        ("allenai/Llama-3.1-Tulu-3-70B",),
        "Llama", (80, 8192, 64, 8, 128, 28672, 128264, 0, 131072), 70_553_837_568, CARD,
    ),
    (
        ("NousResearch/Hermes-2-Pro-Llama-3-8B",),
        "Llama", (32, 4096, 32, 8, 128, 14336, 128288, 0, 8192), 8_030_523_392, CARD,
    ),
    (
        ("gradientai/Llama-3-8B-Instruct-262k",),
        "Llama", (32, 4096, 32, 8, 128, 14336, 128256, 0, 262144), 8_030_261_248, CARD,
    ),
    (
        ("gradientai/Llama-3-8B-Instruct-Gradient-1048k",),
        "Llama", (32, 4096, 32, 8, 128, 14336, 128256, 0, 1048576), 8_030_261_248, CARD,
    ),
    (
        ("Nanbeige/Nanbeige4.1-3B",),
        "Llama", (32, 2560, 20, 4, 128, 10496, 166144, 0, 262144), 3_933_637_120, GALLERY.format("nanbeige-4-1-3b"),
    ),
    (
        ("huggyllama/llama-7b", "lmsys/vicuna-7b-v1.3", "openlm-research/open_llama_7b",
         "openlm-research/open_llama_7b_v2"),
        "Llama", (32, 4096, 32, 32, 128, 11008, 32000, 0, 2048), 6_738_415_616, CARD,
    ),
    (
        ("huggyllama/llama-13b", "lmsys/vicuna-13b-v1.3", "openlm-research/open_llama_13b"),
        "Llama", (40, 5120, 40, 40, 128, 13824, 32000, 0, 2048), 13_015_864_320, CARD,
    ),
    (
        ("huggyllama/llama-30b", "lmsys/vicuna-33b-v1.3"),
        "Llama", (60, 6656, 52, 52, 128, 17920, 32000, 0, 2048), 32_528_943_616, CARD,
    ),
    (
        ("huggyllama/llama-65b",),
        "Llama", (80, 8192, 64, 64, 128, 22016, 32000, 0, 2048), 65_285_660_672, CARD,
    ),
    (
        ("01-ai/Yi-6B-200K",),
        "Llama", (32, 4096, 32, 4, 128, 11008, 64000, 0, 200000), 6_061_035_520, CARD,
    ),
    (
        ("01-ai/Yi-34B-200K",),
        "Llama", (60, 7168, 56, 8, 128, 20480, 64000, 0, 200000), 34_388_917_248, CARD,
    ),
    (
        ("codellama/CodeLlama-7b-Python-hf",),
        "Llama", (32, 4096, 32, 32, 128, 11008, 32000, 0, 16384), 6_738_415_616, CARD,
    ),
    (
        ("unsloth/phi-4",),
        "Llama", (40, 5120, 40, 10, 128, 17920, 100352, 0, 16384), 14_659_507_200, CARD,
    ),
    (
        ("openlm-research/open_llama_3b", "openlm-research/open_llama_3b_v2"),
        "Llama", (26, 3200, 32, 32, 100, 8640, 32000, 0, 2048), 3_426_473_600, CARD,
    ),
    (
        ("princeton-nlp/Sheared-LLaMA-1.3B",),
        "Llama", (24, 2048, 16, 16, 128, 5504, 32000, 0, 4096), 1_345_423_360, CARD,
    ),
    (
        ("princeton-nlp/Sheared-LLaMA-2.7B",),
        "Llama", (32, 2560, 20, 20, 128, 6912, 32000, 0, 4096), 2_701_560_320, CARD,
    ),
    (
        ("JackFram/llama-68m",),
        "Llama", (2, 768, 12, 12, 64, 3072, 32000, 0, 2048), 68_030_208, CARD,
    ),
    (
        ("JackFram/llama-160m",),
        "Llama", (12, 768, 12, 12, 64, 3072, 32000, 0, 2048), 162_417_408, CARD,
    ),
)  # fmt: skip
