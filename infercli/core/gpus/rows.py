"""The GPU table: one row per model, each with its source. core/gpus says what the columns mean and finds rows.

To add a GPU: one row. Memory is the smallest total that a log or a PyTorch message prints for it, so that a plan holds
on every machine; the catalogue's figure is never used. Rates are dense (the sparse figures of datasheets are halved)
and, on GeForce cards, those with FP32 accumulation, which is what inference runs.
"""

from typing import Literal, NamedTuple


class Row(NamedTuple):
    """One row as it is written here: GiB, GB/s, TFLOPS and watts; core/gpus turns them into bytes and FLOP/s."""

    name: str
    memory_gib: float
    bandwidth: float
    capability: tuple[int, int] | Literal["rocm", "xpu"]
    """CUDA compute capability, or the platform that has none."""
    tflops: dict[str, float]
    nvlink: float | None
    """NVLink or Infinity Fabric per GPU, both directions together; None: PCIe only."""
    pcie: float | None
    """Both directions together."""
    tdp_w: int
    multiprocessors: int
    ray: str | None
    source: str
    aliases: tuple[str, ...] = ()
    unified: bool = False


def _int8(half: float, eight: float | None = None) -> dict[str, float]:
    """Ampere: 16-bit and INT8 only; INT8 is twice the 16-bit figure unless it is given."""
    return {"fp16": half, "bf16": half, "int8": 2 * half if eight is None else eight}


def _fp8(half: float, fp8: float | None = None, int8: float | None = None) -> dict[str, float]:
    """Ada and Hopper: FP8 as well, at the rate of INT8 unless both are given."""
    fp8 = 2 * half if fp8 is None else fp8
    return {"fp16": half, "bf16": half, "fp8": fp8, "int8": fp8 if int8 is None else int8}


def _fp4(half: float, fp8: float, fp4: float, int8: float | None = None) -> dict[str, float]:
    """Blackwell and CDNA 4: FP4 as well."""
    return _fp8(half, fp8, int8) | {"fp4": fp4}


_GEN3, _GEN4, _GEN4_X8, _GEN5, _GEN5_X8 = 32.0, 64.0, 32.0, 128.0, 64.0
"""PCIe x16 (x8), GB/s, both directions together."""

_ADA = "NVIDIA Ada GPU architecture whitepaper: 512 FP16 FLOP per clock and SM with FP32 accumulation"
_AMPERE = (
    "NVIDIA Ampere GA102 whitepaper: 512 FP16 FLOP per clock and SM with FP32 accumulation (half of a data-centre SM)"
)
_BLACKWELL = "NVIDIA RTX Blackwell architecture whitepaper, figures with FP32 accumulation"
_BLACKWELL_PRO = "NVIDIA RTX PRO Blackwell datasheets: an eighth of the sparse FP4 figure (AI TOPS)"
_TORCH = "memory: PyTorch's out-of-memory messages"
_XPU = "memory: vLLM's logs, whose total leaves out what the driver keeps of this card"
_LLAMA_CPP = "memory: llama.cpp's logs, which print the driver's total"
_YOLO = "memory: Ultralytics' logs, which print PyTorch's total"
_LAPTOP = "512 FP16 FLOP per clock and SM with FP32 accumulation, at the highest boost clock of NVIDIA's specifications"
"""Of laptops. A row has the highest power that NVIDIA allows, without what the CPU leaves; many laptops give less."""

# Ray's names: the accelerator types of Ray 2.60 (ray/util/accelerators) that a node gets by itself. A100-40G and
# A100-80G exist only where somebody labels the node by hand, and a request for what no node has waits for ever: so none
# is for an A10 or a V100S. Their nodes are `A10` and `V100S`, after the driver's name, neither of them one of its types
# (_private/accelerators/nvidia_gpu.py).
ROWS = (
    # Data-centre NVIDIA.
    Row(
        "V100-16", 15.77, 900, (7, 0), {"fp16": 125}, 300, _GEN3, 300, 80, "V100",
        f"{_TORCH} (15.77 GiB); NVIDIA V100 datasheet, SXM2", ("V100-SXM2-16GB", "V100 16GB"),
    ),
    Row(
        "V100-32", 31.73, 900, (7, 0), {"fp16": 125}, 300, _GEN3, 300, 80, "V100",
        f"{_TORCH} (31.73 GiB; others 31.74 and 31.75); NVIDIA V100 datasheet, SXM2",
        ("V100", "V100-SXM2-32GB", "V100 32GB"),
    ),
    Row(
        "V100-16-PCIe", 15.77, 900, (7, 0), {"fp16": 112}, None, _GEN3, 250, 80, "V100",
        "memory: that of the V100 16GB, whose memory chips it has; NVIDIA V100 datasheet, PCIe", ("V100-PCIE-16GB",),
    ),
    Row(
        "V100-32-PCIe", 31.73, 900, (7, 0), {"fp16": 112}, None, _GEN3, 250, 80, "V100",
        "memory: that of the V100 32GB, whose memory chips it has; NVIDIA V100 datasheet, PCIe", ("V100-PCIE-32GB",),
    ),
    Row(
        "V100S-32", 31.73, 1134, (7, 0), {"fp16": 130}, None, _GEN3, 250, 80, None,
        "memory: that of the V100 32GB, whose memory chips it has; NVIDIA V100 datasheet, V100S PCIe", ("V100S",),
    ),
    Row(
        "T4", 14.56, 320, (7, 5), {"fp16": 65, "int8": 130}, None, _GEN3, 70, 40, "T4",
        "memory: vLLM's log in vllm-project/vllm#15766 (14.56 GiB; 14.74 on Colab); NVIDIA T4 datasheet", ("T4 16GB",),
    ),
    Row(
        "A2", 14.55, 200, (8, 6), _int8(18, 36), None, _GEN4_X8, 60, 10, None,
        "memory: that of the T4, less the 4 MiB by which nvidia-smi shows less (15,356 MiB); NVIDIA A2 datasheet",
        ("A2 16GB",),
    ),
    Row(
        "A10", 22.03, 600, (8, 6), _int8(125), None, _GEN4, 150, 72, None,
        f"{_TORCH} (22.03 GiB; others 22.06 and 22.09); NVIDIA A10 datasheet", ("A10 24GB",),
    ),
    Row(
        "A10G", 21.99, 600, (8, 6), _int8(70), None, _GEN4, 300, 80, "A10G",
        "memory: vLLM's log in vllm-project/vllm#15360 (21.99 GiB; others 21.98); NVIDIA A10G datasheet",
        ("A10G 24GB",),
    ),
    Row(
        "A16", 14.55, 200, (8, 6), _int8(17.9, 35.9), None, _GEN4, 62, 10, None,
        "one of the card's four GPUs, and a quarter of its power; memory: that of the A2, of which nvidia-smi shows as "
        "much (15,356 MiB); NVIDIA A16 datasheet",
        ("A16 16GB",),
    ),
    Row(
        "A30", 23.5, 933, (8, 0), _int8(165), 200, _GEN4, 165, 56, None,
        f"{_TORCH} (23.53 GiB in google/RB-Modulation#5, rounded down); NVIDIA A30 datasheet", ("A30 24GB",),
    ),
    Row(
        "A40", 44.34, 696, (8, 6), _int8(149.7), 112.5, _GEN4, 300, 84, None,
        "memory: PyTorch's messages of 48 GB cards with ECC (44.34 GiB; vLLM's log on an A40 44.43); NVIDIA A40 "
        "datasheet",
        ("A40 48GB",),
    ),
    Row(
        "L4", 22.05, 300, (8, 9), _fp8(121, 242.5), None, _GEN4, 72, 58, "L4",
        "memory: vLLM's log on an AWS g6.xlarge (22.05 GiB; 22.16 on Colab); NVIDIA L4 datasheet", ("L4 24GB",),
    ),
    Row(
        "L20", 44.39, 864, (8, 9), _fp8(119.5, 239), None, _GEN4, 275, 92, None,
        f"{_LLAMA_CPP} (44.39 GiB); NVIDIA L20 product brief", ("L20 48GB",),
    ),
    Row(
        "L40", 44.34, 864, (8, 9), _fp8(181, 362), None, _GEN4, 300, 142, None,
        "memory: PyTorch's messages of 48 GB cards with ECC (44.34 GiB; L40S 44.39); NVIDIA L40 datasheet",
        ("L40 48GB",),
    ),
    Row(
        "L40S", 44.39, 864, (8, 9), _fp8(362, 733), None, _GEN4, 350, 142, "L40S",
        "memory: vLLM's log (44.39 GiB); NVIDIA L40S datasheet", ("L40S 48GB", "L40S/48GB-class"),
    ),
    Row(
        "A100-40-PCIe", 39.38, 1555, (8, 0), _int8(312), None, _GEN4, 250, 108, "A100",
        "memory: vLLM's log in vllm-project/vllm#16378 (39.38 GiB; 39.56 on Colab); NVIDIA A100 datasheet",
        ("A100-PCIe-40", "A100-PCIE-40GB"),
    ),
    Row(
        "A100-40-SXM", 39.38, 1555, (8, 0), _int8(312), 600, _GEN4, 400, 108, "A100",
        "memory: vLLM's log in vllm-project/vllm#16378 (39.38 GiB; 39.56 on Colab); NVIDIA A100 datasheet",
        ("A100 40GB", "A100-40", "A100-SXM-40", "A100-SXM4-40GB"),
    ),
    Row(
        "A100-80-PCIe", 79.14, 1935, (8, 0), _int8(312), None, _GEN4, 300, 108, "A100",
        "memory: vLLM's logs (79.14 to 79.25 GiB); NVIDIA A100 80GB PCIe datasheet",
        ("A100-PCIe-80", "A100 80GB PCIe", "A100-PCIE-80GB"),
    ),
    Row(
        "A100-80-SXM", 79.14, 2039, (8, 0), _int8(312), 600, _GEN4, 400, 108, "A100",
        "memory: vLLM's logs (79.14 to 79.25 GiB); NVIDIA A100 datasheet",
        ("A100", "A100 80GB", "A100-80", "A100-SXM-80", "A100-SXM4-80GB"),
    ),
    Row(
        "A800-40", 39.38, 1555, (8, 0), _int8(312), 400, _GEN4, 240, 108, None,
        "memory: that of the A100 40GB; NVIDIA A800 40GB Active datasheet, with its NVLink bridges",
        ("A800 40GB", "A800 40GB Active", "A800-40-PCIe"),
    ),
    Row(
        "A800-80-SXM", 79.14, 2039, (8, 0), _int8(312), 400, _GEN4, 400, 108, None,
        "memory: that of the A100 80GB; NVIDIA A800 datasheet: an A100 with 400 GB/s of NVLink",
        ("A800", "A800-SXM-80", "A800-SXM4-80GB", "A800 80GB"),
    ),
    Row(
        "H100-PCIe", 79.11, 2000, (9, 0), _fp8(756, 1513), None, _GEN5, 350, 114, "H100",
        "memory: PyTorch's message in vllm-project/vllm#27508 (79.11 GiB; vLLM's logs 79.18); NVIDIA H100 PCIe product "
        "brief PB-11133 and H100 datasheet", ("H100-PCIe-80", "H100 80GB PCIe"),
    ),
    Row(
        "H100", 79.11, 3350, (9, 0), _fp8(989, 1979), 900, _GEN5, 700, 132, "H100",
        "memory: PyTorch's message in vllm-project/vllm#27508 (79.11 GiB; vLLM's logs 79.18 to 79.19); NVIDIA H100 "
        "datasheet, SXM5", ("H100 80GB", "H100-SXM", "H100-SXM-80", "H100 80GB HBM3"),
    ),
    Row(
        "H100-NVL", 93.09, 3938, (9, 0), _fp8(835, 1671), 600, _GEN5, 400, 132, "H100",
        f"{_TORCH} (93.09 GiB; others 93.10 to 93.11); NVIDIA H100 NVL datasheet", ("H100 NVL 94GB",),
    ),
    Row(
        "H800", 79.11, 3350, (9, 0), _fp8(989, 1979), 400, _GEN5, 700, 132, None,
        "memory: that of the H100; NVIDIA H800 datasheet: an H100 SXM with 400 GB/s of NVLink",
        ("H800-SXM", "H800 80GB", "H800-SXM-80"),
    ),
    Row(
        "H800-PCIe", 79.11, 2000, (9, 0), _fp8(756, 1513), None, _GEN5, 350, 114, None,
        "memory: that of the H100 PCIe, of which nvidia-smi shows as much (81,559 MiB); NVIDIA H800 datasheet, PCIe; "
        "NVLink bridges are not counted",
        ("H800-PCIe-80", "H800 80GB PCIe"),
    ),
    Row(
        "H20", 95.0, 4000, (9, 0), _fp8(148, 296), 900, _GEN5, 400, 78, "H20",
        f"{_TORCH} (95.00 GiB; others 95.10 and 95.22); NVIDIA H20 product brief", ("H20 96GB", "H20-96"),
    ),
    Row(
        "H20-3e", 139.72, 4800, (9, 0), _fp8(148, 296), 900, _GEN5, 400, 78, "H20",
        "memory: that of the H200, whose HBM3e it has; NVIDIA H20-3e product brief", ("H20 141GB", "H20-141"),
    ),
    Row(
        "H200", 139.72, 4800, (9, 0), _fp8(989, 1979), 900, _GEN5, 700, 132, "H200",
        "memory: vLLM's log in vllm-project/vllm#15394 (139.72 GiB; others 139.80); NVIDIA H200 datasheet, SXM",
        ("H200 141GB", "H200-SXM", "H200-SXM-141"),
    ),
    Row(
        "H200-NVL", 139.72, 4800, (9, 0), _fp8(835, 1671), 900, _GEN5, 600, 132, "H200",
        "memory: that of the H200, of which nvidia-smi shows as much (143,771 MiB); NVIDIA H200 datasheet, NVL",
        ("H200 NVL 141GB",),
    ),
    Row(
        "GH200", 94.5, 4000, (9, 0), _fp8(989, 1979), 900, _GEN5, 1000, 132, None,
        f"{_TORCH} (94.50 GiB); NVIDIA GH200 datasheet, 96 GB HBM3; its CPU's memory is not counted",
        ("GH200 96GB", "GH200 480GB"),
    ),
    Row(
        "GH200-144", 142.5, 4900, (9, 0), _fp8(989, 1979), 900, _GEN5, 1000, 132, None,
        "memory: PyTorch's total in programs that check it (153,008,209,920 bytes); NVIDIA GH200 datasheet, 144 GB "
        "HBM3e; its CPU's memory is not counted",
        ("GH200 144GB", "GH200 144G", "GH200 144G HBM3e"),
    ),
    Row(
        "B200", 178.35, 8000, (10, 0), _fp4(2250, 4500, 9000), 1800, _GEN5, 1000, 148, "B200",
        f"{_TORCH} (178.35 GiB); HGX B200 at 1000 W: "
        "https://glennklockwood.com/garden/processors/B200, which cites NVIDIA's Blackwell architecture brief",
        ("B200 180GB", "B200 192GB", "B200-SXM"),
    ),
    Row(
        "B300", 267.69, 8000, (10, 3), _fp4(2250, 4500, 13500, 165), 1800, _GEN5, 1100, 148, "B300",
        f"{_TORCH} (267.69 GiB); NVIDIA HGX B300 datasheet (per GPU; INT8 is no longer a tensor rate worth its name)",
        ("B300 288GB", "B300-SXM"),
    ),
    Row(
        "GB200", 184.31, 8000, (10, 0), _fp4(2500, 5000, 10000), 1800, _GEN5, 1200, 152, "GB200",
        f"{_TORCH} (184.31 GiB); NVIDIA GB200 NVL72 datasheet, per GPU; its CPU's memory is not counted",
        ("GB200 186GB", "GB200 192GB", "GB200 NVL72", "GB200 NVL4"),
    ),
    Row(
        "GB300", 276.5, 8000, (10, 3), _fp4(2500, 5000, 15000, 165), 1800, None, 1400, 152, "GB300",
        f"{_TORCH} (276.50 GiB); NVIDIA GB300 NVL72 datasheet, per GPU; its CPU's memory is not counted, and DGX "
        "Stations whose GB300 has 252 GB are not this row",
        ("GB300 279GB", "GB300 288GB", "GB300 NVL72", "GB300 NVL4"),
    ),
    Row(
        "GB10", 121.6, 273, (12, 1), _fp4(125, 250, 500), None, None, 140, 48, None,
        "memory: vLLM's logs on DGX Spark (121.6 GiB), shared with the operating system; NVIDIA DGX Spark datasheet "
        "(1 PFLOPS sparse FP4)", ("GB10 128GB", "DGX Spark"), unified=True,
    ),
    Row(
        "AGX-Thor", 122.8, 273, (11, 0), _fp4(258.7, 517.5, 1035), None, None, 130, 20, None,
        f"{_LLAMA_CPP} (122.80 GiB), shared with the operating system; NVIDIA Jetson Thor datasheet, T5000 (2070 "
        "TFLOPS sparse FP4)",
        ("Thor", "Jetson Thor", "Jetson AGX Thor", "Jetson AGX Thor 128GB", "Jetson T5000"), unified=True,
    ),
    Row(
        "AGX-Orin-64", 61.35, 204.8, (8, 7), _int8(42.5, 85), None, None, 60, 16, None,
        f"{_LLAMA_CPP} (61.35 GiB), shared with the operating system; NVIDIA Jetson AGX Orin technical brief (170 TOPS "
        "of sparse INT8 without its DLAs)",
        ("AGX Orin 64GB", "Jetson AGX Orin 64GB"), unified=True,
    ),
    # Workstation NVIDIA.
    Row(
        "Quadro-RTX-6000", 23.5, 672, (7, 5), {"fp16": 130.5, "int8": 261}, None, _GEN3, 260, 72, None,
        "memory: that of the RTX A5000, also a 24 GB card without ECC (Ollama's log 23.6); NVIDIA Turing GPU "
        "architecture whitepaper; NVLink bridges are not counted",
        ("Quadro RTX 6000 24GB",),
    ),
    Row(
        "Quadro-RTX-8000", 47.24, 672, (7, 5), {"fp16": 130.5, "int8": 261}, None, _GEN3, 260, 72, None,
        f"{_YOLO} (47.24 GiB; others to 47.46); NVIDIA Quadro RTX 8000 datasheet; NVLink bridges are not counted",
        ("RTX 8000", "Quadro RTX 8000 48GB"),
    ),
    Row(
        "RTX-A1000", 7.6, 192, (8, 6), _int8(26.9), None, _GEN4_X8, 50, 18, None,
        "memory: that of the RTX 4060, of which nvidia-smi shows as much (8,188 MiB); NVIDIA RTX A1000 datasheet",
        ("RTXA1000", "A1000", "A1000 8GB"),
    ),
    Row(
        "RTX-A2000-6", 5.77, 288, (8, 6), _int8(31.9), None, _GEN4, 70, 26, None,
        f"{_TORCH} of 6 GB cards (5.77 GiB; others to 5.80); NVIDIA RTX A2000 datasheet",
        ("RTX A2000 6GB", "A2000 6GB"),
    ),
    Row(
        "RTX-A2000-12", 11.62, 288, (8, 6), _int8(31.9), None, _GEN4, 70, 26, None,
        f"{_TORCH} of 12 GB cards (11.62 GiB; Ultralytics' logs on an RTX A2000 12GB 11.74); NVIDIA RTX A2000 12GB "
        "datasheet",
        ("RTX A2000 12GB", "A2000 12GB"),
    ),
    Row(
        "RTX-A4000", 15.57, 448, (8, 6), _int8(76.7), None, _GEN4, 140, 48, None,
        f"{_TORCH} of 16 GB cards (15.57 GiB; others 15.60); NVIDIA RTX A4000 datasheet",
        ("RTXA4000", "A4000", "A4000 16GB"),
    ),
    Row(
        "RTX-A4500", 19.5, 640, (8, 6), _int8(94.6), 112.5, _GEN4, 200, 56, None,
        f"{_TORCH} of 20 GB cards (19.50 GiB; others to 19.67); NVIDIA RTX A4500 datasheet",
        ("RTXA4500", "A4500", "A4500 20GB"),
    ),
    Row(
        "RTX-A5000", 23.5, 768, (8, 6), _int8(111.1), 112.5, _GEN4, 230, 64, None,
        "memory: vLLM's log of a 24 GB card (23.50 GiB); NVIDIA RTX A5000 datasheet",
        ("RTXA5000", "A5000", "A5000 24GB"),
    ),
    Row(
        "RTX-A5500", 23.5, 768, (8, 6), _int8(136.4), 112.5, _GEN4, 230, 80, None,
        "memory: that of the RTX A5000 (Ultralytics' log on an RTX A5500 23.52); NVIDIA RTX A5500 datasheet",
        ("RTXA5500", "A5500", "A5500 24GB"),
    ),
    Row(
        "RTX-A6000", 47.37, 768, (8, 6), _int8(154.8), 112.5, _GEN4, 300, 84, None,
        "memory: vLLM's log (47.37 GiB; PyTorch's messages 47.53 and 47.54); NVIDIA RTX A6000 datasheet",
        ("RTXA6000", "A6000", "RTX A6000 48GB", "A6000 48GB"),
    ),
    Row(
        "RTX-2000-Ada", 15.57, 224, (8, 9), _fp8(48, 96), None, _GEN4_X8, 70, 22, None,
        f"{_TORCH} of 16 GB cards (15.57 GiB; others 15.60); NVIDIA RTX 2000 Ada datasheet",
        ("RTX2000Ada", "RTX 2000 Ada Generation", "RTX 2000 Ada 16GB"),
    ),
    Row(
        "RTX-4000-Ada", 19.5, 360, (8, 9), _fp8(106.9, 213.8), None, _GEN4, 130, 48, None,
        f"{_TORCH} of 20 GB cards (19.50 GiB; others to 19.67); NVIDIA RTX 4000 Ada datasheet",
        ("RTX4000Ada", "RTX 4000 Ada Generation", "RTX 4000 Ada 20GB"),
    ),
    Row(
        "RTX-4000-SFF-Ada", 19.5, 280, (8, 9), _fp8(76.7, 153.4), None, _GEN4, 70, 48, None,
        f"{_TORCH} of 20 GB cards (19.50 GiB; Ultralytics' logs on an RTX 4000 SFF Ada 19.58 and 19.67); NVIDIA RTX "
        "4000 SFF Ada datasheet",
        ("RTX4000SFFAda", "RTX 4000 SFF Ada Generation", "RTX 4000 SFF Ada 20GB"),
    ),
    Row(
        "RTX-4500-Ada", 23.5, 432, (8, 9), _fp8(158.5, 317), None, _GEN4, 210, 60, None,
        "memory: that of the RTX A5000, also a 24 GB card without ECC; NVIDIA RTX 4500 Ada datasheet",
        ("RTX4500Ada", "RTX 4500 Ada Generation", "RTX 4500 Ada 24GB"),
    ),
    Row(
        "RTX-5000-Ada", 31.36, 576, (8, 9), _fp8(261.1, 522.1), None, _GEN4, 250, 100, None,
        "memory: vLLM's logs (31.36 GiB); NVIDIA RTX 5000 Ada datasheet",
        ("RTX5000Ada", "RTX 5000 Ada Generation", "RTX 5000 Ada 32GB"),
    ),
    Row(
        "RTX-6000-Ada", 47.37, 960, (8, 9), _fp8(364.2, 728.5), None, _GEN4, 300, 142, None,
        "memory: vLLM's log of a 48 GB card (47.37 GiB; PyTorch's messages 47.50); NVIDIA RTX 6000 Ada datasheet",
        ("RTX6000Ada", "RTX 6000 Ada Generation", "RTX 6000 Ada 48GB"),
    ),
    Row(
        "RTX-PRO-4000", 23.42, 672, (12, 0), _fp4(147.2, 294.5, 589), None, _GEN5, 140, 70, None,
        f"memory: PyTorch's total in a log (23.42 GiB); {_BLACKWELL_PRO}",
        ("RTXPRO4000", "RTX PRO 4000 Blackwell", "RTX PRO 4000 Blackwell 24GB"),
    ),
    Row(
        "RTX-PRO-4000-SFF", 23.42, 432, (12, 0), _fp4(96.3, 192.5, 385), None, _GEN5_X8, 70, 70, None,
        f"memory: that of the RTX PRO 4000, of which nvidia-smi shows as much (24,467 MiB); {_BLACKWELL_PRO}",
        ("RTX PRO 4000 SFF Blackwell", "RTX PRO 4000 Blackwell SFF Edition", "RTX PRO 4000 Blackwell SFF",
         "RTX PRO 4000 Blackwell SFF 24GB"),
    ),
    Row(
        "RTX-PRO-4500", 31.36, 896, (12, 0), _fp4(210.9, 421.8, 843.5), None, _GEN5, 200, 82, None,
        f"memory: that of the RTX 5090, of which nvidia-smi shows 16 MiB less (32,607 MiB); {_BLACKWELL_PRO}",
        ("RTXPRO4500", "RTX PRO 4500 Blackwell", "RTX PRO 4500 Blackwell 32GB"),
    ),
    Row(
        "RTX-PRO-5000", 47.27, 1344, (12, 0), _fp4(258, 516, 1032), None, _GEN5, 300, 110, None,
        f"{_TORCH} of 48 GB cards (47.27 GiB; nvidia-smi shows 48,935 MiB of this one); {_BLACKWELL_PRO}",
        ("RTXPRO5000", "RTX PRO 5000 Blackwell", "RTX PRO 5000 Blackwell 48GB"),
    ),
    Row(
        "RTX-PRO-6000", 94.97, 1792, (12, 0), _fp4(503.8, 1007.6, 2015.2), None, _GEN5, 600, 188, "RTX-PRO-6000",
        f"{_TORCH} (94.97 GiB); NVIDIA RTX PRO 6000 Blackwell Workstation Edition datasheet",
        ("RTXPRO6000", "RTX PRO 6000 Blackwell", "RTX PRO 6000 Blackwell 96GB",
         "RTX PRO 6000 Blackwell Workstation Edition"),
    ),
    Row(
        "RTX-PRO-6000-Max-Q", 94.97, 1792, (12, 0), _fp4(438.9, 877.8, 1755.5), None, _GEN5, 300, 188, "RTX-PRO-6000",
        "memory: that of the Workstation Edition, whose memory chips it has; NVIDIA RTX PRO 6000 Blackwell Max-Q "
        "Workstation Edition datasheet (3,511 AI TOPS, sparse FP4)",
        ("RTX PRO 6000 Blackwell Max-Q Workstation Edition", "RTX PRO 6000 Blackwell Max-Q"),
    ),
    Row(
        "RTX-PRO-6000-Server", 94.97, 1597, (12, 0), _fp4(500, 1000, 2000), None, _GEN5, 600, 188, "RTX-PRO-6000",
        f"{_TORCH} (94.97 GiB, of either edition); NVIDIA RTX PRO 6000 Blackwell Server Edition datasheet",
        ("RTX PRO 6000 Blackwell Server Edition",),
    ),
    # GeForce.
    Row(
        "RTX-2080-Ti", 10.57, 616, (7, 5), {"fp16": 53.8, "int8": 215.2}, None, _GEN3, 250, 68, None,
        "memory: vLLM's log in vllm-project/vllm#19445 (10.57 GiB; PyTorch's messages to 10.76); NVIDIA Turing GPU "
        "architecture whitepaper, reference board, figures with FP32 accumulation; NVLink bridges are not counted",
        ("RTX2080Ti", "RTX 2080 Ti 11GB"),
    ),
    Row(
        "RTX-2080-Ti-22", 21.66, 616, (7, 5), {"fp16": 53.8, "int8": 215.2}, None, _GEN3, 250, 68, None,
        "an RTX 2080 Ti that others gave 22 GB; memory: vLLM 0.8.5's log on four of them (21.66 GiB); NVIDIA Turing "
        "GPU architecture whitepaper, as for the card of 11 GB",
        ("RTX 2080 Ti 22GB",),
    ),
    Row(
        "TITAN-V", 11.78, 653, (7, 0), {"fp16": 110}, None, _GEN3, 250, 80, None,
        "memory: PyTorch's total in YOLO's logs (11.78 GiB); NVIDIA TITAN V specifications", ("TITAN V 12GB",),
    ),
    Row(
        "TITAN-RTX", 23.5, 672, (7, 5), {"fp16": 130.5, "int8": 261}, None, _GEN3, 280, 72, None,
        "memory: that of the RTX A5000, also a 24 GB card without ECC (Ultralytics' logs on a TITAN RTX 23.62 and "
        "23.64); NVIDIA TITAN RTX datasheet (130 TFLOPS, with FP32 accumulation too); NVLink bridges are not counted",
        ("TITAN RTX 24GB",),
    ),
    Row(
        "RTX-3060", 11.62, 360, (8, 6), _int8(25.5, 101.9), None, _GEN4, 170, 28, None,
        f"{_TORCH} of 12 GB cards (11.62 GiB; others 11.63); {_AMPERE}", ("RTX3060", "RTX 3060 12GB"),
    ),
    Row(
        "RTX-3060-Ti", 7.57, 448, (8, 6), _int8(32.4, 129.6), None, _GEN4, 200, 38, None,
        f"memory: that of the RTX 3070 (Ultralytics' log on an RTX 3060 Ti 7.64); {_AMPERE}",
        ("RTX3060Ti", "RTX 3060 Ti 8GB"),
    ),
    Row(
        "RTX-3070", 7.57, 448, (8, 6), _int8(40.6, 162.6), None, _GEN4, 220, 46, None,
        f"{_YOLO} (7.57 GiB; others to 7.78); {_AMPERE}", ("RTX3070", "RTX 3070 8GB"),
    ),
    Row(
        "RTX-3080", 9.62, 760, (8, 6), _int8(59.5, 238), None, _GEN4, 320, 68, None,
        f"{_TORCH} of 10 GB cards (9.62 GiB; others to 9.77); {_AMPERE}", ("RTX3080", "RTX 3080 10GB"),
    ),
    Row(
        "RTX-3080-Ti", 11.62, 912, (8, 6), _int8(68.2, 272.8), None, _GEN4, 350, 80, None,
        f"{_TORCH} of 12 GB cards (11.62 GiB; Ultralytics' log on an RTX 3080 Ti 11.63); {_AMPERE}",
        ("RTX3080Ti", "RTX 3080 Ti 12GB"),
    ),
    Row(
        "RTX-3080-Laptop-8", 7.57, 448, (8, 6), _int8(42, 168.1), None, None, 150, 48, None,
        f"memory: that of the RTX 3070, of which nvidia-smi shows as much (8,192 MiB); {_LAPTOP}",
        ("RTX 3080 Laptop 8GB",),
    ),
    Row(
        "RTX-3080-Laptop-16", 15.57, 448, (8, 6), _int8(42, 168.1), None, None, 150, 48, None,
        f"{_TORCH} of 16 GB cards (15.57 GiB; Ultralytics' logs on one of these 15.62 and 15.73); {_LAPTOP}",
        ("RTX 3080 Laptop 16GB",),
    ),
    Row(
        "RTX-3080-Ti-Laptop", 15.57, 512, (8, 6), _int8(47.2, 188.9), None, None, 150, 58, None,
        "memory: that of the RTX 3080 Laptop GPU of 16 GB, of which nvidia-smi shows as much (16,384 MiB); "
        f"{_LAPTOP}",
        ("RTX 3080 Ti Laptop", "RTX 3080 Ti Laptop 16GB"),
    ),
    Row(
        "RTX-3090", 23.57, 936, (8, 6), _int8(71, 284), None, _GEN4, 350, 82, None,
        f"memory: vLLM's logs (23.57 GiB; others to 23.69); {_AMPERE}; NVLink bridges are not counted",
        ("RTX3090", "RTX 3090 24GB"),
    ),
    Row(
        "RTX-3090-Ti", 23.57, 1008, (8, 6), _int8(80, 320), None, _GEN4, 450, 84, None,
        f"memory: that of the RTX 3090; {_AMPERE}", ("RTX3090Ti", "RTX 3090 Ti 24GB"),
    ),
    Row(
        "RTX-4060", 7.6, 272, (8, 9), _fp8(30.2, 60.5, 121), None, _GEN4_X8, 115, 24, None,
        f"{_TORCH} of 8 GB cards (7.60 GiB, others to 7.66; vLLM's log 8.0 under Windows); {_ADA}",
        ("RTX4060", "RTX 4060 8GB"),
    ),
    Row(
        "RTX-4060-Ti-8", 7.6, 288, (8, 9), _fp8(44.1, 88.3, 176.5), None, _GEN4_X8, 160, 34, None,
        f"memory: that of the RTX 4060 (Ultralytics' logs on an RTX 4060 Ti 7.62); {_ADA}", ("RTX 4060 Ti 8GB",),
    ),
    Row(
        "RTX-4060-Ti-16", 15.57, 288, (8, 9), _fp8(44.1, 88.3, 176.5), None, _GEN4_X8, 165, 34, None,
        f"{_TORCH} (15.57 GiB; others 15.60); {_ADA}", ("RTX 4060 Ti 16GB",),
    ),
    Row(
        "RTX-4070", 11.62, 504, (8, 9), _fp8(58.3, 116.6, 233.2), None, _GEN4, 200, 46, None,
        f"{_TORCH} of 12 GB cards (11.62 GiB; others 11.63); {_ADA}", ("RTX4070", "RTX 4070 12GB"),
    ),
    Row(
        "RTX-4070-SUPER", 11.62, 504, (8, 9), _fp8(71, 141.9, 283.9), None, _GEN4, 220, 56, None,
        f"{_TORCH} of 12 GB cards (11.62 GiB; others 11.63); {_ADA}", ("RTX4070SUPER", "RTX 4070 SUPER 12GB"),
    ),
    Row(
        "RTX-4070-Ti", 11.62, 504, (8, 9), _fp8(80.2, 160.4, 320.7), None, _GEN4, 285, 60, None,
        f"{_TORCH} of 12 GB cards (11.62 GiB; Ultralytics' log on an RTX 4070 Ti 11.72); {_ADA}",
        ("RTX4070Ti", "RTX 4070 Ti 12GB"),
    ),
    Row(
        "RTX-4070-Ti-SUPER", 15.57, 672, (8, 9), _fp8(88.2, 176.4, 352.8), None, _GEN4, 285, 66, None,
        f"{_TORCH} of 16 GB cards (15.57 GiB; others 15.60); {_ADA}",
        ("RTX4070TiSUPER", "RTX 4070 Ti SUPER 16GB"),
    ),
    Row(
        "RTX-4080", 15.57, 716.8, (8, 9), _fp8(97.5, 194.9, 389.9), None, _GEN4, 320, 76, None,
        f"{_TORCH} of 16 GB cards (15.57 GiB; others 15.60); {_ADA}", ("RTX4080", "RTX 4080 16GB"),
    ),
    Row(
        "RTX-4080-SUPER", 15.57, 736, (8, 9), _fp8(104.4, 208.9, 417.8), None, _GEN4, 320, 80, None,
        f"{_TORCH} of 16 GB cards (15.57 GiB; vLLM's log 15.99 under Windows); {_ADA}",
        ("RTX4080SUPER", "RTX 4080 SUPER 16GB"),
    ),
    Row(
        "RTX-4090", 23.52, 1008, (8, 9), _fp8(165.2, 330.3, 660.6), None, _GEN4, 450, 128, None,
        f"{_TORCH} (23.52 GiB; vLLM's logs 23.55 to 23.65); NVIDIA Ada GPU architecture whitepaper, table 2",
        ("RTX4090", "RTX 4090 24GB"),
    ),
    Row(
        "RTX-4090-48", 47.37, 1008, (8, 9), _fp8(165.2, 330.3, 660.6), None, _GEN4, 450, 128, None,
        "an RTX 4090 that others gave 48 GB; memory: that of the RTX 6000 Ada, of which nvidia-smi shows as much "
        "(49,140 MiB); NVIDIA Ada GPU architecture whitepaper, table 2",
        ("RTX 4090 48GB",),
    ),
    Row(
        "RTX-4090-D", 23.52, 1008, (8, 9), _fp8(147.1, 294.2, 588.4), None, _GEN4, 425, 114, None,
        f"memory: that of the RTX 4090; {_ADA}", ("RTX4090D", "RTX 4090 D 24GB"),
    ),
    Row(
        "RTX-4060-Laptop", 7.6, 256, (8, 9), _fp8(29.1, 58.2, 116.5), None, None, 115, 24, None,
        f"memory: that of the RTX 4060 (Ultralytics' logs on an RTX 4060 Laptop GPU 7.62); {_LAPTOP}",
        ("RTX 4060 Laptop", "RTX 4060 Laptop 8GB"),
    ),
    Row(
        "RTX-4070-Laptop", 7.6, 256, (8, 9), _fp8(40.1, 80.2, 160.4), None, None, 115, 36, None,
        f"memory: that of the RTX 4060 (Ultralytics' logs on an RTX 4070 Laptop GPU 7.62); {_LAPTOP}",
        ("RTX 4070 Laptop", "RTX 4070 Laptop 8GB"),
    ),
    Row(
        "RTX-4080-Laptop", 11.57, 432, (8, 9), _fp8(67.7, 135.4, 270.8), None, None, 150, 58, None,
        f"memory: PyTorch's total in a log (11,851 MiB; 11.99 GiB under Windows); {_LAPTOP}",
        ("RTX 4080 Laptop", "RTX 4080 Laptop 12GB"),
    ),
    Row(
        "RTX-4090-Laptop", 15.57, 576, (8, 9), _fp8(79.4, 158.8, 317.5), None, None, 150, 76, None,
        "memory: that of the RTX 4080, of which nvidia-smi shows as much (16,376 MiB; 15.99 GiB under Windows); "
        f"{_LAPTOP}",
        ("RTX 4090 Laptop", "RTX 4090 Laptop 16GB"),
    ),
    Row(
        "RTX-5050", 7.51, 320, (12, 0), _fp4(26.3, 52.6, 210.5, 105.3), None, _GEN5_X8, 130, 20, None,
        "memory: that of the RTX 5060, of which nvidia-smi shows as much (8,151 MiB); NVIDIA GeForce RTX 5050 "
        "specifications (421 AI TOPS)",
        ("RTX5050", "RTX 5050 8GB"),
    ),
    Row(
        "RTX-5060", 7.51, 448, (12, 0), _fp4(38.4, 76.8, 307, 153.5), None, _GEN5_X8, 145, 30, None,
        f"{_TORCH} of 8 GB cards (7.51 GiB; llama.cpp's log on an RTX 5060 7.53); NVIDIA GeForce RTX 5060 "
        "specifications (614 AI TOPS)",
        ("RTX5060", "RTX 5060 8GB"),
    ),
    Row(
        "RTX-5060-Ti-8", 7.51, 448, (12, 0), _fp4(47.4, 94.9, 379.5, 189.8), None, _GEN5_X8, 180, 36, None,
        f"{_TORCH} of 8 GB cards (7.51 GiB, the smallest); {_BLACKWELL} at 759 AI TOPS", ("RTX 5060 Ti 8GB",),
    ),
    Row(
        "RTX-5060-Ti-16", 15.45, 448, (12, 0), _fp4(47.4, 94.9, 379.5, 189.8), None, _GEN5_X8, 180, 36, None,
        f"{_LLAMA_CPP} (15.45 GiB; others to 15.51); {_BLACKWELL} at 759 AI TOPS", ("RTX 5060 Ti 16GB",),
    ),
    Row(
        "RTX-5070", 11.49, 672, (12, 0), _fp4(61.7, 123.5, 494, 247), None, _GEN5, 250, 48, None,
        f"{_TORCH} (11.49 GiB; 11.94 under Windows); {_BLACKWELL}", ("RTX5070", "RTX 5070 12GB"),
    ),
    Row(
        "RTX-5070-Ti", 15.43, 896, (12, 0), _fp4(87.9, 175.8, 703, 351.5), None, _GEN5, 300, 70, None,
        f"{_LLAMA_CPP} (15.43 GiB; others 15.47); {_BLACKWELL}", ("RTX5070Ti", "RTX 5070 Ti 16GB"),
    ),
    Row(
        "RTX-5080", 15.47, 960, (12, 0), _fp4(112.6, 225.1, 900.4, 450.2), None, _GEN5, 360, 84, None,
        f"memory: PyTorch's message in vllm-project/vllm#14452 (15.48 GiB, rounded down); {_BLACKWELL}",
        ("RTX5080", "RTX 5080 16GB"),
    ),
    Row(
        "RTX-5090", 31.36, 1792, (12, 0), _fp4(209.5, 419, 1676, 838), None, _GEN5, 575, 170, None,
        f"memory: vLLM's logs (31.36 GiB); {_BLACKWELL}", ("RTX5090", "RTX 5090 32GB"),
    ),
    Row(
        "RTX-5080-Laptop", 15.47, 896, (12, 0), _fp4(70.3, 140.5, 562.1, 281), None, None, 150, 60, None,
        f"memory: that of the RTX 5080, of 16 GB as well (15.92 GiB under Windows); {_LAPTOP}",
        ("RTX 5080 Laptop", "RTX 5080 Laptop 16GB"),
    ),
    Row(
        "RTX-5090-Laptop", 23.42, 896, (12, 0), _fp4(90.7, 181.4, 725.4, 362.7), None, None, 150, 82, None,
        f"memory: that of the RTX PRO 4000, of 24 GB as well (23.89 GiB under Windows); {_LAPTOP}",
        ("RTX 5090 Laptop", "RTX 5090 Laptop 24GB"),
    ),
    # AMD. vLLM runs them on ROCm: other kernels, other graphs, no capability.
    # MI200 and Radeon RX 7000 compute in no FP8.
    Row(
        "MI210", 63.98, 1638.4, "rocm", _int8(181, 181), None, _GEN4, 300, 104, "AMD-Instinct-MI210",
        "memory: rocminfo in ROCm/legacy-rocm-build#3460 (67,092,480 KB); AMD Instinct MI210 datasheet; Infinity "
        "Fabric bridges are not counted",
        ("MI210 64GB",),
    ),
    Row(
        "MI250", 63.98, 1638.4, "rocm", _int8(181, 181), 300, _GEN4, 280, 104, "AMD-Instinct-MI250X-MI250",
        "one of the module's two dies, which are GPUs of their own, and half its power; memory: PyTorch's total on an "
        "MI250 (63.98 GiB); AMD Instinct MI250 datasheet",
        ("MI250 64GB", "MI250X / MI250"),
    ),
    Row(
        "MI250X", 63.98, 1638.4, "rocm", _int8(191.5, 191.5), 400, _GEN4, 280, 110, "AMD-Instinct-MI250X",
        "one of the module's two dies, which are GPUs of their own, and half its power; memory: PyTorch's total on an "
        "MI250X (63.98 GiB); AMD Instinct MI250X datasheet",
        ("MI250X 64GB",),
    ),
    Row(
        "MI300X", 191.69, 5300, "rocm", _fp8(1307.4, 2614.9), 896, _GEN5, 750, 304, "AMD-Instinct-MI300X-OAM",
        "memory: PyTorch's messages (191.69 GiB; vLLM's logs 191.98); AMD Instinct MI300X datasheet",
        ("MI300X 192GB", "MI300X-OAM"),
    ),
    Row(
        "MI325X", 255.69, 6000, "rocm", _fp8(1307.4, 2614.9), 896, _GEN5, 1000, 304, "AMD-Instinct-MI325X-OAM",
        f"{_TORCH} (255.69 GiB; others 255.98); AMD Instinct MI325X datasheet", ("MI325X 256GB", "MI325X-OAM"),
    ),
    Row(
        "MI350X", 287.98, 8000, "rocm", _fp4(2306.9, 4613.7, 9227.5), 1075.2, _GEN5, 1000, 256,
        "AMD-Instinct-MI350X-OAM",
        "memory: that of the MI355X; AMD Instinct MI350X datasheet", ("MI350X 288GB",),
    ),
    Row(
        "MI355X", 287.98, 8000, "rocm", _fp4(2516.6, 5033.2, 10066.3), 1075.2, _GEN5, 1400, 256,
        "AMD-Instinct-MI355X-OAM",
        f"{_TORCH} (287.98 GiB); AMD Instinct MI355X datasheet", ("MI355X 288GB", "MI355X-OAM"),
    ),
    Row(
        "W7800", 29.98, 576, "rocm", _int8(90.5, 90.5), None, _GEN4, 260, 70, None,
        "memory: that of the Radeon PRO V620, also a 32 GB card with ECC (llama.cpp's logs 29.98 GiB); AMD Radeon PRO "
        "W7800 datasheet",
        ("Radeon PRO W7800", "W7800 32GB", "Radeon PRO W7800 32GB"),
    ),
    Row(
        "W7900", 44.98, 864, "rocm", _int8(122.6, 122.6), None, _GEN4, 295, 96, None,
        f"{_TORCH} (44.98 GiB, with its ECC); AMD Radeon PRO W7900 datasheet",
        ("Radeon PRO W7900", "W7900 48GB", "Radeon PRO W7900 48GB", "Radeon PRO W7900 Dual Slot"),
    ),
    Row(
        "RX-7800-XT", 15.98, 624, "rocm", _int8(74.7, 74.7), None, _GEN4, 263, 60, None,
        "memory: that of the RX 7900 GRE, of which tools show as much (16,368 MiB); AMD Radeon RX 7800 XT "
        "specifications",
        ("RX 7800 XT 16GB",),
    ),
    Row(
        "RX-7900-GRE", 15.98, 576, "rocm", _int8(92, 92), None, _GEN4, 260, 80, None,
        f"{_LLAMA_CPP} (15.98 GiB); AMD Radeon RX 7900 GRE specifications", ("RX 7900 GRE 16GB",),
    ),
    Row(
        "RX-7900-XT", 19.98, 800, "rocm", _int8(103.2, 103.2), None, _GEN4, 315, 84, None,
        f"{_TORCH} (19.98 GiB); AMD Radeon RX 7900 XT datasheet", ("RX 7900 XT 20GB",),
    ),
    Row(
        "RX-7900-XTX", 23.98, 960, "rocm", _int8(122.8, 122.8), None, _GEN4, 355, 96, None,
        f"{_TORCH} (23.98 GiB); AMD Radeon RX 7900 XTX datasheet", ("RX 7900 XTX 24GB",),
    ),
    Row(
        "R9700", 31.86, 640, "rocm", _fp8(191, 383), None, _GEN5, 300, 64, None,
        "memory: vLLM's logs (31.86 GiB); AMD Radeon AI PRO R9700 datasheet",
        ("Radeon AI PRO R9700", "AI PRO R9700", "AI PRO R9700 32GB"),
    ),
    Row(
        "RX-9070", 15.9, 640, "rocm", _fp8(144.5, 289), None, _GEN5, 220, 56, None,
        "memory: that of the RX 9070 XT (llama.cpp's logs on an RX 9070 15.92); AMD Radeon RX 9070 datasheet",
        ("RX 9070 16GB",),
    ),
    Row(
        "RX-9070-XT", 15.9, 640, "rocm", _fp8(194.6, 389.3), None, _GEN5, 304, 64, None,
        "memory: vLLM's log (15.9 GiB); AMD Radeon RX 9070 XT datasheet", ("RX 9070 XT 16GB",),
    ),
    # Intel. vLLM runs them on XPU. No rates: nothing was measured that a speed could rest on.
    Row(
        "Arc-B580", 11.33, 456, "xpu", {}, None, _GEN4_X8, 190, 20, None,
        "memory: 0.95 of the 11.93 GiB that tools print, as on its siblings; Intel Arc B580 specifications",
        ("B580", "Arc B580 12GB"),
    ),
    Row(
        "Arc-Pro-B50", 15.12, 224, "xpu", {}, None, _GEN5_X8, 70, 16, None,
        "memory: 0.95 of llama.cpp's 16,304 MiB, as on its siblings; Intel Arc Pro B50 specifications",
        ("B50", "Arc Pro B50 16GB"),
    ),
    Row(
        "Arc-Pro-B60", 22.71, 456, "xpu", {}, None, _GEN5_X8, 200, 20, None,
        f"{_XPU}: vllm-project/vllm#49482 (22.71 GiB; Intel's builds 23.9); Intel Arc Pro B60 specifications",
        ("B60", "Arc Pro B60 24GB"),
    ),
    Row(
        "Arc-Pro-B70", 30.3, 608, "xpu", {}, None, _GEN5, 230, 32, None,
        f"{_XPU} (30.3 GiB; Intel's builds 31.89: intel/llm-scaler#703); Intel Arc Pro B70 specifications",
        ("B70", "Arc Pro B70 32GB"),
    ),
    Row(
        "Max-1550", 63.98, 1638.4, "xpu", {}, None, _GEN5, 300, 64, None,
        "one of its two tiles, which are devices of their own, and half its power; memory: vLLM's log of 0.10 on "
        "Aurora (65,520 MiB); Intel Data Center GPU Max 1550 specifications",
        ("Data Center GPU Max 1550", "Max 1550 64GB"),
    ),
)  # fmt: skip
