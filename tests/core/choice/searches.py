"""Questions that a search is asked, on made-up profiles and prices."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from infercli.core.choice.candidates import hardware_of
from infercli.core.choice.question import Question
from infercli.core.documents.prices import Price, PriceList
from infercli.core.documents.profile import HardwareProfile, NodeGroup
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import Traffic

LLAMA_8B, LLAMA_70B = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-70B-Instruct"
PRICES = PriceList(
    as_of=date(2026, 11, 20),
    prices={
        "cheap": Price(low_usd=0.5, median_usd=1, high_usd=2, quotes=3, source="made up"),
        "dear": Price(low_usd=3, median_usd=4, high_usd=5, quotes=2, source="made up"),
    },
)


def profile(name, gpu="L4", gpus=1, count=1, price="cheap", quantizations=("fp8", "none"), **more):
    group = NodeGroup(count=count, gpus=gpus, max_count=more.pop("max_count", None))
    return HardwareProfile(name=name, gpu=gpu, nodes=(group,), price=price, quantizations=quantizations, **more)


SMALL = (
    profile("l4", "L4", max_count=3),
    profile("a100", "A100-40-SXM", gpus=2, price="dear", interconnect="nvlink"),
)


def ask(*profiles, model=LLAMA_8B, load=None, ttft_s=1.0, tpot_s=0.05, **more):
    load = load or {"request_rate": 2.0}
    ttft_ms = None if ttft_s is None else ttft_s * 1000
    traffic = Traffic(input_len=1000.0, output_len=200.0, ttft_p95_ms=ttft_ms, tpot_p95_ms=tpot_s * 1000, **load)
    return Question(
        model=shipped_model(model),
        hardware=tuple(hardware_of(p, PRICES) for p in profiles or SMALL),
        traffic=traffic,
        max_model_len=3072,
        prices_as_of=PRICES.as_of,
        **more,
    )


loads = st.one_of(
    st.fixed_dictionaries({"request_rate": st.sampled_from([0.2, 1.0, 3.0, 8.0])}),
    st.fixed_dictionaries({"concurrency": st.sampled_from([1.0, 8.0, 32.0])}),
)
