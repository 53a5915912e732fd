from __future__ import annotations

import re

import pytest
import yaml
from pydantic import ValidationError

from infercli.core.documents.prices import PriceList
from infercli.core.gpus import find_gpu
from infercli.core.quantization.methods import expand
from infercli.errors import UnknownName
from tests.core.plans import PROFILES, plan, profile

NAMES = sorted(p.stem for p in PROFILES.glob("*.yaml") if p.stem != "prices")
PRICES = PriceList.model_validate(yaml.safe_load((PROFILES / "prices.yaml").read_text()))


def test_the_profiles_that_are_promised_are_shipped():
    assert set(NAMES) >= {
        "l4", "l4-x4", "rtx4090", "l40s", "a100-40", "a100-40-x4", "a100-80", "a100-80-x4", "h100", "h100-x2",
        "h100-x8", "h200-x8", "l4-pool", "cpu-local",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_is_named_as_its_file_and_refers_only_to_what_exists(name):
    shipped = profile(name)
    assert shipped.name == name
    assert expand(shipped.quantizations)
    if shipped.accelerator == "gpu":
        assert find_gpu(shipped.gpu)
        assert PRICES.find(shipped.price).median_usd > 0
        assert (shipped.interconnect is None) == (shipped.gpus_per_node == 1)
        assert (shipped.interconnect == "nvlink") == (
            shipped.gpus_per_node > 1 and find_gpu(shipped.gpu).nvlink_bytes_per_s is not None
        )


@pytest.mark.parametrize("name", [n for n in NAMES if n != "cpu-local"])
def test_a_small_model_can_be_planned_on_every_gpu_profile(name):
    assert plan("Qwen/Qwen3-0.6B", name).fits is True


def test_a_price_that_is_not_listed_is_refused_by_name():
    with pytest.raises(UnknownName) as refused:
        PRICES.find("H100-SXM")
    assert "H100-SXM-80" in refused.value.nearest


def test_prices_are_dated_and_say_where_they_are_from():
    assert PRICES.as_of.year >= 2026
    assert all(p.source and p.low_usd <= p.median_usd <= p.high_usd for p in PRICES.prices.values())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"nodes": [{"count": 2}]}, "nodes[0].gpus: must be at least 1 where accelerator is gpu"),
        ({"nodes": [{"count": 2, "gpus": 1, "max_count": 1}]}, "max_count: must be at least count, which is 2"),
        ({"quantizations": []}, "at least 1 item"),
        ({"reserved_gpu_memory_gib": 50}, "reserved_gpu_memory_gib: must leave some of the 22.05 GiB of L4"),
    ],
)
def test_hardware_that_cannot_be_is_refused_when_its_profile_is_read(changed, words):
    with pytest.raises(ValidationError, match=re.escape(words)):
        profile("l4", **changed)
