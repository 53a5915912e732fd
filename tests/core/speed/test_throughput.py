"""What a load sees of an engine: by hand where the arithmetic is short, by law elsewhere, and beside public records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.architecture.arch import Layout
from infercli.core.gpus import find_gpu
from infercli.core.memory.batch import Draft
from infercli.core.quantization.schemes import UNQUANTIZED, typical
from infercli.core.shapes import find_shape
from infercli.core.speed import throughput
from infercli.core.speed.coefficients import ROOFLINE
from infercli.core.speed.engine import Serving, step_time
from infercli.core.speed.samples import Lengths
from infercli.core.speed.schedule import play
from infercli.core.speed.throughput import Load, predict
from infercli.errors import InferError

LLAMA = find_shape("meta-llama/Llama-3.1-8B").arch
H100 = find_gpu("H100")
SERVING = Serving(engine_version="0.29.0", max_num_seqs=256, max_num_batched_tokens=8192, kv_tokens=400_000)


def load(prompt=1000.0, output=200.0, **changed):
    return Load(prompt=Lengths(prompt), output=Lengths(output), **changed)


def ask(asked, serving=SERVING, gpu=H100, arch=LLAMA, quantization=UNQUANTIZED, **given_):
    return predict(step_time(arch, quantization, gpu, serving, served=asked.served, **given_), serving, asked)


def test_one_client_waits_for_the_prompt_and_then_for_each_token():
    speed = ask(load(concurrency=1))
    assert speed.tpot_s is not None
    request_s = speed.ttft_s.p50 + 199 * speed.tpot_s.p50
    assert speed.requests_per_s == pytest.approx(1 / request_s, rel=1e-6)
    assert speed.output_tokens_per_s == pytest.approx(200 / request_s, rel=1e-6)
    assert speed.total_tokens_per_s == pytest.approx(1200 / request_s, rel=1e-6)


def test_a_lossless_h100_reads_an_8b_model_for_every_token():
    speed = ask(load(prompt=10, output=100, concurrency=1), coefficients=ROOFLINE)
    assert speed.tpot_s is not None
    read_s = (8.03e9 - 128256 * 4096) * 2 / 3.35e12  # all weights but the embedding, at 3.35 TB/s
    assert speed.tpot_s.p50 == pytest.approx(read_s, rel=0.01)


def test_weights_that_an_engine_only_emulates_have_no_speed():
    with pytest.raises(InferError, match="nvfp4 is emulated on MI355X"):
        ask(load(concurrency=1), gpu=find_gpu("MI355X"), quantization=typical("nvfp4"))
    assert ask(load(concurrency=1), gpu=find_gpu("B200"), quantization=typical("nvfp4")).output_tokens_per_s > 0


def test_replicas_share_the_clients():
    one, two = ask(load(concurrency=8)), ask(load(concurrency=16, replicas=2))
    assert two.output_tokens_per_s == pytest.approx(2 * one.output_tokens_per_s, rel=1e-6)
    assert two.ttft_s == one.ttft_s


@pytest.mark.parametrize("replicas", [2, 8])
def test_a_client_is_answered_by_one_of_several_engines_and_no_sooner_for_the_others(replicas):
    for asked in ({"concurrency": 1}, {"requests": 1}, {"request_rate": 1.0, "requests": 1}):
        one, several = ask(load(**asked)), ask(load(**asked, replicas=replicas))
        assert several.output_tokens_per_s == pytest.approx(one.output_tokens_per_s)


@pytest.mark.parametrize("clients", [3, 5, 12, 20, 61])
def test_clients_that_engines_do_not_share_evenly_are_no_more_and_no_fewer(clients):
    # Little's law: tokens/s are clients over the time of a request, whatever that is.
    found = ask(load(concurrency=clients, replicas=8))
    request_s = found.ttft_s.p50 + 199 * found.tpot_s.p50  # answers of 200 tokens
    assert found.requests_per_s == pytest.approx(clients / request_s, rel=0.1)


@pytest.mark.parametrize("rate", [0.001, 1.0])
def test_a_run_of_one_request_takes_as_long_as_that_at_any_rate(rate):
    found = ask(load(request_rate=rate, requests=1))
    assert 1 / found.requests_per_s == pytest.approx(found.ttft_s.p50 + 199 * found.tpot_s.p50, rel=0.02)


def test_nine_clients_of_eight_engines_see_what_one_alone_does():
    # Seven of the eight engines have one client.
    one, nine = ask(load(concurrency=1)), ask(load(concurrency=9, replicas=8))
    assert nine.tpot_s.p50 == pytest.approx(one.tpot_s.p50, rel=1e-6)


@pytest.mark.parametrize("clients", [10, 100])
def test_clients_that_wait_are_not_answered_faster_than_one_after_the_other(clients):
    # What runs alone takes a step with its prompt and 199 for the tokens that follow; how long the others wait for it
    # adds nothing. Those who came first waited for fewer: with them the engine seemed to answer a ninth more.
    one = replace(SERVING, max_num_seqs=1)
    step = step_time(LLAMA, UNQUANTIZED, H100, one)
    alone_s = step(0, 0, 1000, 1000**2 / 2, 1) + 199 * step(1, 1100)
    assert ask(load(concurrency=clients), one).requests_per_s == pytest.approx(1 / alone_s, rel=0.01)


def test_engines_that_take_one_request_at_a_time_answer_no_more_for_clients_that_wait():
    narrow = replace(SERVING, max_num_seqs=1)
    one, eleven = ask(load(concurrency=1), narrow), ask(load(concurrency=11, replicas=8), narrow)
    # Eight times one engine; what a request spends outside of it (20 ms of 2 s) is spent while another runs.
    assert eleven.requests_per_s == pytest.approx(8 * one.requests_per_s, rel=0.05)


@given(
    requests=st.integers(1, 200), rate=st.sampled_from([0.5, 2.0, 8.0, 30.0]), replicas=st.integers(1, 16),
    output=st.sampled_from([1.0, 20.0, 200.0]),
)  # fmt: skip
@settings(max_examples=60)
def test_a_run_takes_until_its_last_request_has_arrived_on_any_number_of_engines(requests, rate, replicas, output):
    found = ask(load(output=output, request_rate=rate, requests=requests, replicas=replicas))
    assert (
        requests / found.requests_per_s >= 0.9 * (requests - 1) / rate
    )  # by its quantiles a short run is a little less


@given(requests=st.integers(1, 60), more=st.integers(0, 60), replicas=st.integers(1, 16))
@settings(max_examples=60)
def test_who_all_come_at_once_are_the_same_by_whatever_load(requests, more, replicas):
    at_once = ask(load(requests=requests, replicas=replicas))
    loop = ask(load(requests=requests, concurrency=requests + more, replicas=replicas))
    assert loop.output_tokens_per_s == pytest.approx(at_once.output_tokens_per_s)
    assert (loop.ttft_s, loop.tpot_s) == (at_once.ttft_s, at_once.tpot_s)
    fast = ask(load(requests=requests, request_rate=1e6, replicas=replicas))
    assert fast.output_tokens_per_s == pytest.approx(at_once.output_tokens_per_s, rel=0.1)


@pytest.mark.parametrize(("clients", "requests"), [(10, 12), (11, 22), (12, 24), (9, 30)])
def test_a_run_of_whole_rounds_takes_as_long_as_they_do_on_engines_that_share_clients_unevenly(clients, requests):
    one_s = 1 / ask(load(concurrency=1, requests=1)).requests_per_s
    found = ask(load(concurrency=clients, requests=requests, replicas=8))
    assert requests / found.requests_per_s == pytest.approx(-(-requests // clients) * one_s, rel=0.05)


def test_replicas_and_data_parallel_ranks_share_what_arrives():
    one, two = ask(load(request_rate=8)), ask(load(request_rate=16, replicas=2))
    assert two.ttft_s == one.ttft_s
    ranks = replace(SERVING, layout=Layout(data_parallel_size=2))
    assert ask(load(request_rate=16), ranks).ttft_s == one.ttft_s

    def capacity(serving):
        timed = step_time(LLAMA, UNQUANTIZED, H100, serving)
        return throughput.capacity_requests_per_s(timed, serving, load())

    assert capacity(ranks) == pytest.approx(2 * capacity(SERVING), rel=1e-6)


def test_a_run_that_is_played_to_its_end_counts_the_time_in_which_few_are_left():
    whole, steady = ask(load(concurrency=8, requests=12)), ask(load(concurrency=8))
    assert whole.requests_per_s < 0.8 * steady.requests_per_s  # of two rounds the second has half of the users


@pytest.mark.parametrize("spread", [0.0, 0.3])
@pytest.mark.parametrize("requests", [100, 160, 330])
def test_a_run_longer_than_what_is_played_ends_as_it_does_whole(requests, spread, monkeypatch):
    asked = Load(prompt=Lengths(100.0), output=Lengths(200.0, spread), concurrency=16, requests=requests)
    part = ask(asked)
    monkeypatch.setattr(throughput, "_LOOPS", 1000)
    whole = ask(asked)
    assert part.requests_per_s == pytest.approx(whole.requests_per_s, rel=0.02)
    if not spread:  # clients stay in step: 100 requests of 16 take as long as 112
        one_s = 16 / ask(asked._replace(requests=16)).requests_per_s
        assert requests / part.requests_per_s == pytest.approx(-(-requests // 16) * one_s, rel=0.02)


def test_the_next_step_is_prepared_beside_the_one_before_from_014_on():
    before, since = (
        ask(load(concurrency=1), replace(SERVING, engine_version=version)) for version in ("0.13.0", "0.14.0")
    )
    assert since.tpot_s.p50 < before.tpot_s.p50
    # Whoever comes meanwhile waits for it as well: about a step more, of the same length where none has overhead.
    ours, theirs = (
        ask(load(prompt=100, request_rate=10.0), replace(SERVING, engine_version=v), coefficients=ROOFLINE)
        for v in ("0.14.0", "0.13.0")
    )
    assert ours.ttft_s.p50 - theirs.ttft_s.p50 == pytest.approx(theirs.tpot_s.p50, rel=0.3)


def test_the_burst_of_a_closed_loops_start_counts_for_its_share_of_the_requests():
    crowd = {"prompt": 4000.0, "output": 100.0, "concurrency": 32}
    steady, short, long = (ask(load(**crowd, requests=n)) for n in (32 * 10**9, 320, 3200))
    assert steady.ttft_s.mean < long.ttft_s.mean < short.ttft_s.mean
    # One of ten requests of each client is of the burst, or one of a hundred: it adds ten times as much to the mean.
    added = [seen.ttft_s.mean - steady.ttft_s.mean for seen in (short, long)]
    assert added[0] == pytest.approx(10 * added[1], rel=1e-6)
    once = ask(load(prompt=4000.0, output=100.0, requests=32))
    assert added[0] == pytest.approx((once.ttft_s.mean - steady.ttft_s.mean) / 10, rel=0.05)
    # A tenth is more than p95 leaves out, a hundredth is not.
    assert short.ttft_s.p95 > 1.5 * long.ttft_s.p95
    assert short.output_tokens_per_s == pytest.approx(steady.output_tokens_per_s, rel=0.01)  # but for its end
    # Where nobody says how many: a mean as of ten for each client, the rest as of a loop without an end.
    unsaid = ask(load(**crowd))
    assert unsaid.ttft_s.mean == pytest.approx(short.ttft_s.mean, rel=1e-9)
    assert unsaid.ttft_s.p95 == steady.ttft_s.p95 < short.ttft_s.p95
    assert unsaid.tpot_s.mean == pytest.approx(steady.tpot_s.mean, rel=1e-9)


def test_the_time_of_a_token_does_not_grow_where_answers_are_short():
    def crowd(output):
        return ask(Load(prompt=Lengths(1000.0), output=Lengths(output, 0.1), concurrency=4))

    assert crowd(1.0).tpot_s is None
    assert crowd(1.0).output_tokens_per_s == pytest.approx(crowd(1.0).requests_per_s, rel=1e-6)
    longer = crowd(200.0).tpot_s.p50
    for output in (2.0, 3.0, 5.0, 10.0):
        # A token of a short answer waits for prompts more often: of four clients at most the three others'.
        prompts_s = 3 * crowd(1.0).ttft_s.p50
        assert 0.9 * longer < crowd(output).tpot_s.p50 < longer + prompts_s / (output - 1)


def test_percentiles_are_of_the_nearest_rank():
    first = ask(load(prompt=8192, output=1, requests=4), coefficients=ROOFLINE).ttft_s  # one prompt fills a step
    assert first.p50 == pytest.approx(first.p95 * 2 / 4, rel=1e-3)
    assert first.mean == pytest.approx(first.p95 * (1 + 2 + 3 + 4) / 4 / 4, rel=1e-3)
    assert first.p99 == first.p95


def test_a_prompt_passes_every_stage_of_a_pipeline_in_turn():
    def alone(stages):
        cut = replace(SERVING, layout=Layout(pipeline_parallel_size=stages))
        return ask(load(prompt=4000.0, output=100.0, concurrency=1), cut)

    one, two, four = (alone(stages) for stages in (1, 2, 4))
    for seen in (two, four):
        assert seen.ttft_s.p50 == pytest.approx(one.ttft_s.p50, rel=0.01)
    assert four.tpot_s.p50 == pytest.approx(one.tpot_s.p50, rel=0.05)
    for seen in (two, four):  # what the first token waits, the last one does too
        assert 1 / seen.requests_per_s == pytest.approx(seen.ttft_s.p50 + 99 * seen.tpot_s.p50, rel=1e-6)


def test_prompts_that_arrive_one_by_one_hold_up_a_pipeline_as_long_as_one_gpu():
    """A round of its micro-batches lasts as long as the prompt takes, in whichever of them it is."""

    def disturbed_s(layout):  # by a prompt of 8,000 tokens every two seconds
        cut = replace(SERVING, layout=layout)
        crowd = load(prompt=8000.0, output=200.0, request_rate=0.5)
        alone = ask(load(prompt=8000.0, output=200.0, concurrency=1), cut)
        return ask(crowd, cut).tpot_s.mean - alone.tpot_s.mean

    pipeline, tensors = disturbed_s(Layout(pipeline_parallel_size=2)), disturbed_s(Layout(tensor_parallel_size=2))
    assert pipeline > 1.3 * tensors


def test_prompts_follow_one_another_through_a_pipeline():
    cut = replace(SERVING, layout=Layout(pipeline_parallel_size=4))
    crowd = load(prompt=4000.0, output=10.0, requests=64)
    assert ask(crowd, cut).requests_per_s > 2 * ask(crowd).requests_per_s


def test_the_fastest_is_what_the_datasheet_allows():
    best = throughput.fastest(LLAMA, UNQUANTIZED, H100, SERVING, load(concurrency=1))
    assert best.tpot_s == pytest.approx((8.03e9 - 128256 * 4096) * 2 / 3.35e12, rel=0.02)
    assert best.ttft_s == pytest.approx(2 * 7.5e9 * 1000 / 989e12, rel=0.3)
    drafted = replace(SERVING, draft_tokens=3, acceptance_fraction=1.0)
    assert throughput.fastest(LLAMA, UNQUANTIZED, H100, drafted, load()).tpot_s == pytest.approx(
        best.tpot_s / 4, rel=0.1
    )


def test_a_rate_that_is_carried_is_what_is_answered():
    assert ask(load(request_rate=2.0)).requests_per_s == 2.0
    assert ask(load(request_rate=2.0, requests=40)).requests_per_s != 2.0
    assert ask(load(request_rate=500.0)).requests_per_s < 450


def test_the_first_token_of_a_short_prompt_waits_12_ms_for_all_that_is_no_step():
    # 0.29 on two cores leaves 7 to 9 ms of a model that takes no time, most public single clients 7 to 38.
    step = step_time(LLAMA, UNQUANTIZED, H100, SERVING)
    alone = ask(load(prompt=64, concurrency=1)).ttft_s.p50
    assert alone - step(0, 0, 64, 64**2 / 2, 1) == pytest.approx(0.012, abs=3e-4)


def test_every_token_of_a_prompt_is_read_by_the_server_whether_or_not_it_is_cached():
    # A cached prompt of 131,072 tokens waited 551 ms longer than one of 32,768 (public, 0.25): 5.6 us a token.
    endless = replace(SERVING, kv_tokens=None)
    short, long = (
        ask(load(prompt=n, output=64, concurrency=1, cached_fraction=0.9999), endless).ttft_s.p50
        for n in (32_768.0, 131_072.0)
    )
    assert 0.5 * 0.551 < long - short < 0.551
    offline = ask(load(prompt=8000, requests=1, served=False)).ttft_s.p50
    for served in ({"requests": 1}, {"request_rate": 0.01}, {"concurrency": 1}):
        assert ask(load(prompt=8000, **served)).ttft_s.p50 - offline == pytest.approx(0.012 + 0.032), served


def test_a_longer_batch_takes_longer_in_proportion(monkeypatch):
    few = replace(SERVING, max_num_seqs=16)
    whole = ask(load(requests=1000), few)
    monkeypatch.setattr(throughput, "_MOST", 250)
    part = ask(load(requests=1000), few)
    assert part.output_tokens_per_s == pytest.approx(whole.output_tokens_per_s, rel=0.03)
    assert part.ttft_s.p50 == pytest.approx(whole.ttft_s.p50, rel=0.1)
    assert part.tpot_s.p50 == pytest.approx(whole.tpot_s.p50, rel=0.03)


def test_a_queue_lengthens_the_first_token_and_not_the_others():
    few = replace(SERVING, max_num_seqs=4)
    crowded, free = ask(load(concurrency=16), few), ask(load(concurrency=4), few)
    assert crowded.ttft_s.p50 > 3 * free.ttft_s.p50
    assert crowded.tpot_s is not None
    assert free.tpot_s is not None
    assert crowded.tpot_s.p50 < 1.5 * free.tpot_s.p50


@pytest.mark.parametrize("requests", [None, 4000])
def test_clients_that_cannot_run_wait_for_as_long_as_it_takes_to_answer_those_before(requests, monkeypatch):
    few, crowd = replace(SERVING, max_num_seqs=16), load(concurrency=400, requests=requests)
    played = []
    monkeypatch.setattr(
        throughput, "play", lambda *args, **kwargs: played.append(len(args[2])) or play(*args, **kwargs)
    )
    whole = ask(crowd, few)
    monkeypatch.setattr(throughput, "_CLIENTS", 80)
    cut = ask(crowd, few)
    assert played == [2000, 400]  # five of each client that is played
    assert cut.output_tokens_per_s == pytest.approx(whole.output_tokens_per_s, rel=0.03)
    assert cut.tpot_s.p50 == pytest.approx(whole.tpot_s.p50, rel=0.03)
    assert cut.ttft_s.p50 == pytest.approx(whole.ttft_s.p50, rel=0.08)
    assert cut.ttft_s.mean == pytest.approx(whole.ttft_s.mean, rel=0.08)


def test_no_more_are_in_flight_than_there_are_requests():
    assert ask(load(concurrency=64, requests=10)) == ask(load(concurrency=10, requests=10))


def test_beyond_the_capacity_a_queue_grows_and_below_it_none_does():
    timed = step_time(LLAMA, UNQUANTIZED, H100, SERVING)
    capacity = throughput.capacity_requests_per_s(timed, SERVING, load())
    below, beyond = ask(load(request_rate=capacity * 0.5)), ask(load(request_rate=capacity * 2, requests=2000))
    assert below.ttft_s.p99 < 1.0
    assert beyond.ttft_s.p99 > 5 * below.ttft_s.p99
    assert below.requests_per_s == pytest.approx(capacity * 0.5, rel=0.1)
    assert beyond.requests_per_s < capacity * 1.1


@pytest.mark.parametrize(("prompt", "output"), [(4000, 1), (2000, 50)])
def test_a_client_more_on_one_of_several_engines_never_slows_them_all(prompt, output):
    rates = [ask(load(prompt, output, concurrency=c, replicas=4)).requests_per_s for c in range(4, 17)]
    assert rates == sorted(rates)
    assert ask(load(prompt, output, concurrency=1.5)).requests_per_s >= rates[0] / 4


def test_a_cached_prefix_brings_the_first_token_earlier():
    assert ask(load(4000, concurrency=8, cached_fraction=0.8)).ttft_s.p50 < ask(load(4000, concurrency=8)).ttft_s.p50


def test_accepted_drafts_bring_tokens_earlier_and_refused_ones_later():
    plain = ask(load(concurrency=4))
    good = ask(load(concurrency=4), replace(SERVING, draft_tokens=3, acceptance_fraction=0.8))
    bad = ask(load(concurrency=4), replace(SERVING, draft_tokens=3, acceptance_fraction=0.0))
    assert good.output_tokens_per_s > plain.output_tokens_per_s > bad.output_tokens_per_s


def test_what_drafts_takes_the_time_that_it_needs_to_read_its_weights():
    small, large = find_shape("meta-llama/Llama-3.2-1B").arch, LLAMA
    passes = replace(SERVING, draft_tokens=3, draft_passes=3)
    alone = load(prompt=10, output=100, concurrency=1)

    def tpot_s(serving):
        found = ask(alone, serving, coefficients=ROOFLINE).tpot_s
        assert found is not None
        return found.p50

    searched, one, eight = (
        tpot_s(s)
        for s in (
            replace(SERVING, draft_tokens=3),
            replace(passes, draft=Draft(small, UNQUANTIZED)),
            replace(passes, draft=Draft(large, UNQUANTIZED)),
        )
    )
    # Of three passes each reads all weights but an embedding that is not lm_head as well, at 3.35 TB/s.
    assert one - searched == pytest.approx(3 * 1.236e9 * 2 / 3.35e12, rel=0.02)
    assert eight - searched == pytest.approx(3 * (8.03e9 - 128256 * 4096) * 2 / 3.35e12, rel=0.02)
    block = replace(passes, draft=Draft(small, UNQUANTIZED), draft_passes=1)  # all at once
    assert tpot_s(block) - searched == pytest.approx((one - searched) / 3, rel=0.05)


def test_of_own_draft_layers_each_pass_takes_one():
    arch = find_shape("deepseek-ai/DeepSeek-V3").arch
    (layer,) = arch.draft_layers
    two = replace(arch, draft_layers=(layer._replace(indices=(*layer.indices, layer.indices[-1] + 1)),))
    eight = replace(SERVING, layout=Layout(tensor_parallel_size=8), draft_tokens=2)
    found = [
        ask(load(concurrency=1), s, find_gpu("H200"), a, typical("fp8")).tpot_s
        for a, s in ((arch, eight), (arch, replace(eight, draft_passes=2)), (two, replace(eight, draft_passes=2)))
    ]
    searched, one, both = (tpot.p50 for tpot in found if tpot is not None)
    layers = len(arch.layers[0].indices) + len(arch.layers[1].indices)
    assert 1 / layers < (one - searched) / searched < 0.5  # two passes of a layer of 61, and lm_head twice
    assert both == one


@given(
    concurrency=st.integers(1, 64), gpu=st.sampled_from(["L4", "A100-80-SXM", "H100", "B200"]),
    prompt=st.integers(16, 4000), output=st.integers(2, 300), factor=st.floats(1.1, 4),
)  # fmt: skip
@settings(max_examples=40)
def test_more_bandwidth_never_gives_fewer_tokens(concurrency, gpu, prompt, output, factor):
    """Of prompts that are all there: where they trickle in, a faster step may begin before the next one has come."""
    slow = find_gpu(gpu)
    fast = slow.model_copy(update={"memory_bandwidth_bytes_per_s": slow.memory_bandwidth_bytes_per_s * factor})
    asked = load(prompt, output, requests=concurrency, served=False)
    assert ask(asked, gpu=fast).output_tokens_per_s >= ask(asked, gpu=slow).output_tokens_per_s * (1 - 1e-9)


@given(concurrency=st.integers(1, 32), prompt=st.integers(16, 2000), output=st.integers(16, 200))
@settings(max_examples=40)
def test_doubling_the_clients_never_gives_each_of_them_more(concurrency, prompt, output):
    one, two = (
        ask(load(prompt, output, concurrency=n)).output_tokens_per_s / n for n in (concurrency, 2 * concurrency)
    )
    assert two <= one * 1.02  # whose prompts meet whose tokens differs between the two: a hundredth either way


def test_fp8_is_faster_than_bf16_where_it_is_native():
    asked = load(concurrency=32)
    assert ask(asked, quantization=typical("fp8")).output_tokens_per_s > ask(asked).output_tokens_per_s


def test_two_gpus_by_nvlink_are_faster_than_one_and_less_than_twice():
    asked = load(concurrency=8)
    one, two = ask(asked), ask(asked, replace(SERVING, layout=Layout(tensor_parallel_size=2)))
    assert one.output_tokens_per_s < two.output_tokens_per_s < 2 * one.output_tokens_per_s
