from __future__ import annotations

import pytest

from infercli.core.gpus import find_gpu
from infercli.core.quantization import METHODS, expand, require_capability
from infercli.errors import InputError, UnknownName


def test_q4_stands_for_any_four_bit_method_and_keeps_the_order_of_preference():
    assert expand(["fp8", "q4", "none"]) == ("fp8", "awq", "gptq", "w4a16", "none")
    assert expand(["gptq", "q4"]) == ("gptq", "awq", "w4a16")


def test_an_unknown_method_is_refused_with_the_nearest_names():
    with pytest.raises(UnknownName) as refused:
        expand(["awk"])
    assert "awq" in refused.value.nearest


def test_fp8_on_an_a100_is_weight_only_and_on_an_h100_native():
    note = require_capability(METHODS["fp8"], find_gpu("A100-80-SXM"))
    assert note is not None
    assert "weight-only" in note
    assert "compute does not speed up" in note
    assert require_capability(METHODS["fp8"], find_gpu("H100")) is None
    assert require_capability(METHODS["fp8"], find_gpu("L4")) is None


def test_four_bit_methods_are_weight_only_everywhere_so_no_gpu_gets_a_note():
    assert all(require_capability(METHODS[m], find_gpu("B200")) is None for m in ("awq", "gptq", "w4a16"))


def test_int8_is_refused_on_blackwell_and_named():
    with pytest.raises(InputError, match=r"int8 does not run on compute capability 10\.0 \(B200\)"):
        require_capability(METHODS["int8"], find_gpu("B200"))


def test_a_gpu_that_is_too_old_is_refused():
    volta = find_gpu("T4").model_copy(update={"name": "V100", "capability": (7, 0)})
    with pytest.raises(InputError, match=r"awq needs compute capability 7\.5, and V100 has 7\.0"):
        require_capability(METHODS["awq"], volta)
