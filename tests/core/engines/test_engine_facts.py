from __future__ import annotations

import pytest

from infercli.core.engines import ENGINES, RAY_SERVICE_ENGINE, find_engine
from infercli.core.engines.versions import ROWS
from infercli.core.gpus import find_gpu
from infercli.errors import InputError, UnknownName

H100, A100, L4, T4, B200, MI300X = (find_gpu(n) for n in ("H100", "A100-80-SXM", "L4", "T4", "B200", "MI300X"))


@pytest.mark.parametrize(
    ("asked", "row"),
    [
        ("0.29.0", "0.29.0"),
        ("0.33.0", "0.29.0"),
        ("0.28.1", "0.28.0"),
        ("0.19.1", "0.18.0"),
        ("0.9.2.dev364+g763963aa7", "0.9.1"),
        ("0.20.2rc1.dev249+glmkimirebase20260514", "0.20.0"),
        ("0.8.5.post1", "0.8.5"),
        ("0.6.4.post1", "0.5.5"),
        ("0.6.5", "0.6.5"),
        ("0.5.4", "0.5.3"),
        ("0.5.2", "0.4.0"),
        ("0.6.6.post1", "0.6.5"),
        ("0.10.1.1", "0.10.0"),
        ("0.11.0", "0.10.2"),
        ("v0.11.2", "0.11.1"),
        ("0.22", "0.22.0"),
    ],
)
def test_a_version_takes_the_nearest_row_before_it(asked, row):
    assert find_engine(asked).since == row


@pytest.mark.parametrize("version", ["0.3.3", "0.34.0", "1.0.0", "latest", "", ">=0.21", "0.10-0.11", "0.7.x"])
def test_what_no_row_speaks_of_is_refused_with_the_file_to_extend(version):
    with pytest.raises(UnknownName, match="engine version") as refused:
        find_engine(version)
    assert "engines/versions.py" in refused.value.hint


@pytest.mark.parametrize(("version", "nearest"), [("0.34.0", "0.33.0"), ("1.0.0", "0.33.0"), ("0.3.0", "0.4.0")])
def test_the_nearest_version_is_the_nearest_number(version, nearest):
    with pytest.raises(UnknownName) as refused:
        find_engine(version)
    assert refused.value.nearest == (nearest,)


def test_a_version_of_its_own_row_says_nothing_and_one_in_between_names_the_row():
    assert find_engine("0.29.0").note is None
    assert find_engine("0.8.5").note is None
    assert "0.29.0" in (find_engine("0.31.0").note or "")
    assert find_engine("0.31.0").version == "0.31.0"


def test_what_is_later_than_the_public_logs_says_so():
    assert [find_engine(v).extrapolated_from for v in ("0.19.0", "0.25.1", "0.26.0", "0.29.0", "0.33.0")] == [
        None, None, "0.25", "0.25", "0.25",
    ]  # fmt: skip


def test_only_the_deployed_version_names_a_ray():
    assert find_engine(RAY_SERVICE_ENGINE).ray_version == "2.60.0"
    assert find_engine("0.19.0").ray_version is None


def test_rows_are_in_order_and_every_measured_band_names_its_source():
    numbers = [tuple(map(int, row.since.split("."))) for row in ROWS]
    assert numbers == sorted(set(numbers))
    for row in ENGINES.values():
        assert row.non_torch.source
        assert all(g.source for g in row.graphs.values())
        assert {"cuda", "hopper", "rocm", "cdna"} == set(row.graphs)


def test_default_utilization_and_where_graphs_are_counted():
    # config/cache.py and envs.py of the 0.19.0 and 0.20.0 wheels
    assert find_engine("0.19.1").gpu_memory_utilization == 0.9
    assert find_engine("0.20.0").gpu_memory_utilization == 0.92
    assert [find_engine(v).graphs_in_budget for v in ("0.19.0", "0.20.0")] == [False, True]


@pytest.mark.parametrize(
    ("version", "gpu", "tokens", "seqs"),
    [
        ("0.29.0", B200, 16384, 1024),
        ("0.28.0", B200, 16384, 1024),
        ("0.27.1", B200, 8192, 1024),
        ("0.29.0", H100, 8192, 1024),
        ("0.29.0", A100, 2048, 256),
        ("0.8.3", L4, 2048, 1024),  # engine/arg_utils.py of 0.8.0 to 0.8.3: for all, until vllm-project/vllm#15114
        ("0.8.4", A100, 2048, 256),
        ("0.8.3", H100, 8192, 1024),
        ("0.8.5", A100, 8192, 1024),  # until #17885 it was treated as an H100
        ("0.29.0", L4, 2048, 256),
        ("0.19.0", MI300X, 8192, 1024),
        ("0.7.3", H100, 2048, 256),
        ("0.25.0", find_gpu("GB10"), 2048, 256),  # NVML does not tell its memory
    ],
)
def test_defaults_of_a_server(version, gpu, tokens, seqs):
    found = find_engine(version).device_defaults(gpu)
    assert (found.max_num_batched_tokens, found.max_num_seqs) == (tokens, seqs)


def test_defaults_of_an_offline_engine():
    found = find_engine("0.19.0").device_defaults(H100, usage="offline")
    assert (found.max_num_batched_tokens, found.max_num_seqs) == (16384, 1024)
    assert find_engine("0.19.0").device_defaults(L4, usage="offline").max_num_batched_tokens == 8192


def test_v0_takes_the_longest_prompt_whole_until_it_is_chunked():
    v0 = find_engine("0.7.3")
    assert v0.device_defaults(L4, max_model_len=6600).max_num_batched_tokens == 6600
    assert v0.device_defaults(L4, max_model_len=100).max_num_batched_tokens == 2048
    assert v0.device_defaults(L4, max_model_len=131072).max_num_batched_tokens == 2048
    assert find_engine("0.6.3").device_defaults(L4, max_model_len=131072).max_num_batched_tokens == 512


def test_the_engine_that_runs_by_default():
    assert [find_engine(v).engine(H100) for v in ("0.7.3", "0.8.0")] == ["V0", "V1"]
    assert [find_engine(v).engine(T4) for v in ("0.9.2", "0.10.0")] == ["V0", "V1"]
    assert [find_engine(v).engine(MI300X) for v in ("0.9.2", "0.10.0")] == ["V0", "V1"]


def test_volta_ends_with_the_pytorch_that_left_it_out():
    v100 = find_gpu("V100")
    find_engine("0.7.3").require_gpu(v100)
    find_engine("0.10.1").require_gpu(v100)
    for version in ("0.10.2", "0.29.0"):
        with pytest.raises(InputError, match=r"needs compute capability 7\.5, and V100-32 has 7\.0"):
            find_engine(version).require_gpu(v100)
    find_engine("0.29.0").require_gpu(MI300X)  # no CUDA capability to lack


def test_graph_sizes_are_counted_as_vllm_captures_them():
    facts = find_engine("0.29.0")
    assert facts.graph_sizes(1024, H100) == facts.graph_sizes(256, H100) == facts.all_graph_sizes
    assert facts.graph_sizes(16, H100) == 7  # 1 2 4 8 16 24 32
    # 0.28 config/vllm.py _set_cudagraph_sizes: 1,024 on capability family 100; 0.27.1 has 512 everywhere
    assert [find_engine(v).graph_sizes(1024, B200) for v in ("0.27.1", "0.28.0")] == [51, 51 + 32]
    assert facts.graph_sizes(1024, find_gpu("RTX-5090")) == 51
    # A log of 0.24 with two sequences and three drafted tokens: PIECEWISE=5 (largest=16); 0.12 looks at sequences only.
    assert [find_engine(v).graph_sizes(2, H100, 3) for v in ("0.12.0", "0.13.0", "0.24.0")] == [3, 5, 5]


def test_a_gpu_whose_memory_nvml_does_not_say_gets_the_small_defaults():
    # Logs of GB10 with 0.11, 0.13 and 0.18: 2,048 batched tokens, and CUDA graphs for 256 sequences
    for version in ("0.11.0", "0.13.0", "0.18.1"):
        defaults = find_engine(version).device_defaults(find_gpu("GB10"), usage="server", max_model_len=32768)
        assert (defaults.max_num_batched_tokens, defaults.max_num_seqs) == (2048, 256)


def test_v0_cuts_long_prompts_by_default_since_053():
    tokens = {
        version: find_engine(version).device_defaults(A100, max_model_len=163840).max_num_batched_tokens
        for version in ("0.5.1", "0.5.2", "0.5.3", "0.6.4", "0.6.5")
    }
    assert tokens == {"0.5.1": 163840, "0.5.2": 163840, "0.5.3": 512, "0.6.4": 512, "0.6.5": 2048}
    assert find_engine("0.5.1").device_defaults(A100, max_model_len=1024).max_num_batched_tokens == 2048
